/* SPDX-License-Identifier: MIT */
/* How extensions get into a manager: what is checked before anything starts, and the three forms of
 * load_extension. */
#include "config.h"

#include "pyisolate-extension-manager-private.h"

#include "pyisolate-error.h"
#include "pyisolate-extension-config-private.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-worker-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static GHashTable *
collect_singletons (PyIsolateExtensionManager *self,
                    PyIsolateExtensionConfig  *config,
                    GError                   **error)
{
  const char *const *apis = pyisolate_extension_config_get_apis (config);
  g_autoptr (GHashTable) singletons = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                                             g_object_unref);

  for (guint i = 0; apis[i] != NULL; i++)
    {
      PyIsolateProxiedSingleton *singleton = g_hash_table_lookup (self->singletons, apis[i]);

      if (singleton == NULL)
        {
          g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                       "The extension “%s” lists “%s” among its apis, but the manager has no singleton of that name",
                       pyisolate_extension_config_get_name (config), apis[i]);
          return NULL;
        }
      g_hash_table_replace (singletons, g_strdup (apis[i]), g_object_ref (singleton));
    }

  return g_steal_pointer (&singletons);
}

static gboolean
path_is_inside (const char *path,
                const char *directory)
{
  gsize length = strlen (directory);

  return strncmp (path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Where a path leads that may not be there yet: through the links of what is. */
static char *
resolve_future_path (const char *path)
{
  g_autofree char *real = realpath (path, NULL);
  g_autofree char *parent = NULL;
  g_autofree char *real_parent = NULL;
  g_autofree char *name = NULL;

  if (real != NULL)
    return g_strdup (real);

  parent = g_path_get_dirname (path);
  if (g_str_equal (parent, path))
    return g_strdup (path);

  real_parent = resolve_future_path (parent);
  name = g_path_get_basename (path);
  return g_build_filename (real_parent, name, NULL);
}

/* What can be checked before anything starts, beyond what the configuration itself can. */
static gboolean
check_load (PyIsolateExtensionManager   *self,
            PyIsolateExtensionConfig    *config,
            PyIsolateEnvironmentRequest *request,
            GError                     **error)
{
  const char *name = pyisolate_extension_config_get_name (config);
  const char *module_path = pyisolate_extension_config_get_module_path (config);
  PyIsolateExtension *old = g_hash_table_lookup (self->names, name);
  g_autofree char *venv_root = resolve_future_path (self->venv_root);

  if (old != NULL && _pyisolate_extension_is_active (old))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "There is an extension “%s” already; stop it before loading another one of that name", name);
      return FALSE;
    }

  if (g_file_test (module_path, G_FILE_TEST_IS_DIR) && path_is_inside (venv_root, module_path))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The directory for environments, “%s”, lies inside of the extension “%s”",
                   self->venv_root, name);
      return FALSE;
    }

  if (pyisolate_extension_config_get_share_torch (config) && self->torch_environment == NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The extension “%s” shares the host's torch, but the manager's torch-environment is not set", name);
      return FALSE;
    }

  return _pyisolate_environment_check_request (request, error);
}

/* One name of a directory, and none that leads elsewhere. */
static char *
escape_application_id (const char *id)
{
  if (g_str_equal (id, "."))
    return g_strdup ("%2E");
  if (g_str_equal (id, ".."))
    return g_strdup ("%2E%2E");

  return g_uri_escape_string (id, NULL, TRUE);
}

static char *
make_state_directory (PyIsolateExtensionManager *self,
                      const char                *name,
                      GError                   **error)
{
  g_autofree char *application = escape_application_id (self->application_id);
  g_autofree char *escaped = g_uri_escape_string (name, " ", TRUE);
  /* $XDG_STATE_HOME may be relative, and the worker is in another directory. */
  g_autofree char *home = g_canonicalize_filename (g_get_user_state_dir (), NULL);
  g_autofree char *directory = NULL;
  g_autofree char *temporary = NULL;

  directory = g_build_filename (home, "pyisolate-glib", application, escaped, NULL);
  if (!g_utf8_validate (directory, -1, NULL))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The path of the state directory of the extension “%s” is not valid UTF-8", name);
      return NULL;
    }

  temporary = g_build_filename (directory, "tmp", NULL);
  if (g_mkdir_with_parents (temporary, 0700) < 0)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The state directory “%s” of the extension “%s” cannot be made: %s", directory,
                   name, g_strerror (errno));
      return NULL;
    }

  return g_steal_pointer (&directory);
}

static PyIsolateEnvironmentRequest *
make_request (PyIsolateExtensionManager *self,
              PyIsolateExtensionConfig  *config)
{
  PyIsolateEnvironmentRequest *request = _pyisolate_extension_config_make_request (config,
                                                                                   self->venv_root);

  request->uv_path = g_strdup (self->uv_path);
  request->default_python = g_strdup (self->python);
  request->launcher_path = _pyisolate_get_launcher_path ();
  if (pyisolate_extension_config_get_share_torch (config))
    request->torch_environment = g_strdup (self->torch_environment);

  return request;
}

/* Returns the new extension, not in the list yet, and its request. */
static PyIsolateExtension *
make_extension (PyIsolateExtensionManager    *self,
                PyIsolateExtensionConfig     *original,
                PyIsolateEnvironmentRequest **request_out,
                GError                      **error)
{
  g_autoptr (PyIsolateExtensionConfig) config = pyisolate_extension_config_copy (original);
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (GHashTable) singletons = NULL;
  g_autofree char *state_directory = NULL;

  if (!pyisolate_extension_config_validate (config, error))
    return NULL;
  _pyisolate_extension_config_resolve_paths (config);

  request = make_request (self, config);
  if (!check_load (self, config, request, error))
    return NULL;

  singletons = collect_singletons (self, config, error);
  if (singletons == NULL)
    return NULL;

  state_directory = make_state_directory (self, pyisolate_extension_config_get_name (config),
                                          error);
  if (state_directory == NULL)
    return NULL;

  *request_out = g_steal_pointer (&request);
  return _pyisolate_extension_new (g_steal_pointer (&config), state_directory,
                                   g_steal_pointer (&singletons), self->home);
}

typedef struct {
  PyIsolateExtensionManager *manager; /* until it is loaded */
  GWeakRef weak_manager;
  GCancellable *cancellable; /* the caller's */
  gulong cancelled_id;
  GTask *task; /* or: */
  gboolean *done;
  GError **error;
} LoadRequest;

static void
load_request_free (gpointer data)
{
  LoadRequest *load = data;

  g_clear_object (&load->manager);
  g_weak_ref_clear (&load->weak_manager);
  g_clear_object (&load->cancellable);
  g_clear_object (&load->task);
  g_free (load);
}

static void
on_load_news (PyIsolateExtension *extension,
              PyIsolateLoadStage  stage,
              double              fraction,
              const char         *text,
              gpointer            user_data)
{
  LoadRequest *load = user_data;
  g_autoptr (PyIsolateExtensionManager) self = g_weak_ref_get (&load->weak_manager);

  if (self == NULL)
    return;

  if (g_hash_table_contains (self->fractions, extension))
    _pyisolate_extension_manager_set_fraction (self, extension, fraction);
  _pyisolate_extension_manager_emit_progress (self, extension, stage, fraction, text);
}

static void
on_loaded (PyIsolateExtension *extension,
           const GError       *error,
           gpointer            user_data)
{
  LoadRequest *load = user_data;

  /* News that nobody has taken yet must not keep the manager. */
  g_autoptr (PyIsolateExtensionManager) self = g_steal_pointer (&load->manager);
  g_autoptr (GTask) task = g_steal_pointer (&load->task);

  g_cancellable_disconnect (load->cancellable, load->cancelled_id);
  g_clear_object (&load->cancellable); /* else it goes with the load, in whichever thread that is */
  _pyisolate_extension_manager_set_fraction (self, extension, -1);

  if (task == NULL)
    {
      if (error != NULL)
        g_propagate_error (load->error, g_error_copy (error));
      *load->done = TRUE;
    }
  else if (error != NULL)
    {
      g_task_return_error (task, g_error_copy (error));
    }
  else
    {
      g_task_return_pointer (task, g_object_ref (extension), g_object_unref);
    }
}

static void
on_load_cancelled (GCancellable *cancellable,
                   gpointer      user_data)
{
  g_cancellable_cancel (user_data);
}

/* @load: (transfer full) */
static void
begin_load (PyIsolateExtensionManager   *self,
            PyIsolateExtension          *extension,
            PyIsolateEnvironmentRequest *request,
            PyIsolateJobKind             kind,
            LoadRequest                 *load)
{
  g_autoptr (PyIsolateExtensionManager) keep_alive = g_object_ref (self);
  g_autoptr (PyIsolateExtension) old = NULL;
  GCancellable *inner = _pyisolate_extension_get_load_cancellable (extension);
  guint position;

  load->manager = g_object_ref (self);
  g_weak_ref_init (&load->weak_manager, self);
  position = _pyisolate_extension_manager_insert_row (self, extension, &old);
  g_hash_table_insert (self->fractions, g_object_ref (extension), g_new0 (double, 1));

  if (load->cancellable != NULL)
    load->cancelled_id = g_cancellable_connect (load->cancellable, G_CALLBACK (on_load_cancelled),
                                                g_object_ref (inner), g_object_unref);
  _pyisolate_loader_load (self->loader, extension, request, kind, on_load_news, on_loaded, load,
                          load_request_free);

  /* From here on whoever is told may stop the extension, load another one, or iterate until this
   * loading is over. */
  _pyisolate_extension_manager_announce_row (self, position, old, extension);
  _pyisolate_extension_manager_update_progress (self);
}

static void
set_elsewhere_error (GError **error)
{
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED,
               "A manager can only load extensions from the thread whose main context it belongs to");
}

/**
 * pyisolate_extension_manager_load_extension_async:
 * @self: a manager
 * @config: what to load; copied
 * @cancellable: (nullable): ends the loading
 * @callback: (scope async) (closure user_data): called when the extension runs, or when it is clear
 *   that it will not
 * @user_data: data for @callback
 *
 * Loads an extension: makes its environment if there is none yet, starts its process and imports
 * its module.
 *
 * An extension whose configuration cannot work, as far as that can be told before anything is started
 * (%PYISOLATE_ERROR_BAD_CONFIG, %PYISOLATE_ERROR_UV_MISSING, …), gets no row in the list. Any other has
 * one when this function returns; when loading fails, its state becomes
 * %PYISOLATE_EXTENSION_STATE_FAILED.
 *
 * The errors that it ends with then: of the environment %PYISOLATE_ERROR_UV_MISSING, %PYISOLATE_ERROR_UNSOLVABLE,
 * %PYISOLATE_ERROR_NETWORK, %PYISOLATE_ERROR_BAD_REQUIREMENT, %PYISOLATE_ERROR_PYTHON_NOT_FOUND and
 * %PYISOLATE_ERROR_ENVIRONMENT; of the process %PYISOLATE_ERROR_SPAWN, %PYISOLATE_ERROR_HANDSHAKE,
 * %PYISOLATE_ERROR_TIMED_OUT past [property@PyIsolate.ExtensionConfig:start-timeout], and %PYISOLATE_ERROR_DIED,
 * %PYISOLATE_ERROR_KILLED, %PYISOLATE_ERROR_OUT_OF_MEMORY or %PYISOLATE_ERROR_BAD_MESSAGE;
 * %PYISOLATE_ERROR_IMPORT_FAILED if the module or a hook raised; %PYISOLATE_ERROR_NOT_RUNNING if it was stopped meanwhile;
 * and %G_IO_ERROR_CANCELLED.
 *
 * From another thread than that of the main context to which the manager belongs nothing is loaded:
 * the error is %PYISOLATE_ERROR_FAILED.
 *
 * Since: 0.1
 */
void
pyisolate_extension_manager_load_extension_async (PyIsolateExtensionManager *self,
                                                  PyIsolateExtensionConfig  *config,
                                                  GCancellable              *cancellable,
                                                  GAsyncReadyCallback        callback,
                                                  gpointer                   user_data)
{
  g_autoptr (GTask) task = NULL;
  g_autoptr (PyIsolateExtension) extension = NULL;
  PyIsolateEnvironmentRequest *request = NULL;
  LoadRequest *load;
  GError *error = NULL;

  g_return_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self));
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (config));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, pyisolate_extension_manager_load_extension_async);
  g_task_set_name (task, "[pyisolate] load_extension");
  g_task_set_check_cancellable (task, FALSE); /* the loading itself ends when it is cancelled */

  if (!_pyisolate_mailbox_is_own (self->home))
    set_elsewhere_error (&error);
  else
    extension = make_extension (self, config, &request, &error);
  if (extension == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  load = g_new0 (LoadRequest, 1);
  load->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  load->task = g_steal_pointer (&task);
  begin_load (self, extension, request, PYISOLATE_JOB_NOTIFICATION, load);
}

/**
 * pyisolate_extension_manager_load_extension_finish:
 * @self: a manager
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Completes [method@PyIsolate.ExtensionManager.load_extension_async].
 *
 * Returns: (transfer full): the extension, which runs, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateExtension *
pyisolate_extension_manager_load_extension_finish (PyIsolateExtensionManager  *self,
                                                   GAsyncResult               *result,
                                                   GError                    **error)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result,
                                                  pyisolate_extension_manager_load_extension_async),
                        NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * pyisolate_extension_manager_load_extension_sync:
 * @self: a manager
 * @config: what to load; copied
 * @cancellable: (nullable): ends the loading
 * @error: return location for an error
 *
 * Loads an extension, and blocks until it runs; see
 * [method@PyIsolate.ExtensionManager.load_extension_async].
 *
 * Meanwhile the singletons that live in the caller's main context are served.
 *
 * Returns: (transfer full): the extension, which runs, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateExtension *
pyisolate_extension_manager_load_extension_sync (PyIsolateExtensionManager  *self,
                                                 PyIsolateExtensionConfig   *config,
                                                 GCancellable               *cancellable,
                                                 GError                    **error)
{
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) own_error = NULL;
  PyIsolateEnvironmentRequest *request = NULL;
  PyIsolateMailbox *mailbox;
  LoadRequest *load;
  gboolean done = FALSE;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), NULL);
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (config), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  mailbox = _pyisolate_mailbox_begin_wait ();
  if (mailbox != self->home)
    {
      _pyisolate_mailbox_end_wait (mailbox);
      set_elsewhere_error (error);
      return NULL;
    }

  extension = make_extension (self, config, &request, error);
  if (extension != NULL)
    {
      load = g_new0 (LoadRequest, 1);
      load->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;
      load->done = &done;
      load->error = &own_error;
      begin_load (self, extension, request, PYISOLATE_JOB_CALL, load);
      _pyisolate_mailbox_wait (mailbox, &done);
    }
  _pyisolate_mailbox_end_wait (mailbox);

  if (own_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&own_error));
      return NULL;
    }

  return g_steal_pointer (&extension);
}
