/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cli-extension.h"

#include "cli-terminal.h"
#include "pyisolate-extension-config-private.h"
#include "pyisolate-worker-private.h"

#include <string.h>

void
cli_extension_options_clear (CliExtensionOptions *self)
{
  g_clear_pointer (&self->dependencies, g_strfreev);
  g_clear_pointer (&self->python, g_free);
  g_clear_pointer (&self->lock_file, g_free);
  g_clear_pointer (&self->find_links, g_strfreev);
  g_clear_pointer (&self->index_url, g_free);
  g_clear_pointer (&self->extra_index_urls, g_strfreev);
  g_clear_pointer (&self->torch_environment, g_free);
  g_clear_pointer (&self->environment_variables, g_strfreev);
}

/* A path on the command line starts where the user is, not where the extension is. */
static char *
make_absolute (const char *path)
{
  return g_canonicalize_filename (path, NULL);
}

static char *
make_requirement_absolute (const char *requirement)
{
  if (g_str_has_prefix (requirement, "./") || g_str_has_prefix (requirement, "../"))
    return make_absolute (requirement);
  return g_strdup (requirement);
}

static char *
make_links_absolute (const char *place)
{
  return strstr (place, "://") != NULL ? g_strdup (place) : make_absolute (place);
}

/* @old and, made absolute, @more. */
static char **
join (const char * const *old,
      char              **more,
      char             *(*convert) (const char *))
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; old != NULL && old[i] != NULL; i++)
    g_strv_builder_add (builder, old[i]);
  for (guint i = 0; more[i] != NULL; i++)
    {
      g_autofree char *converted = convert (more[i]);

      g_strv_builder_add (builder, converted);
    }
  return g_strv_builder_end (builder);
}

typedef void        (*SetStrv) (PyIsolateExtensionConfig *config,
                                const char * const       *value);
typedef const char * const *(*GetStrv) (PyIsolateExtensionConfig *config);

static void
add_to_list (PyIsolateExtensionConfig *config,
             GetStrv                   get,
             SetStrv                   set,
             char                    **more,
             char                   *(*convert) (const char *))
{
  g_auto (GStrv) all = NULL;

  if (more == NULL)
    return;
  all = join (get (config), more, convert);
  set (config, (const char * const *) all);
}

static char *
keep (const char *text)
{
  return g_strdup (text);
}

static void
apply_options (PyIsolateExtensionConfig  *config,
               const CliExtensionOptions *options)
{
  add_to_list (config, pyisolate_extension_config_get_dependencies,
               pyisolate_extension_config_set_dependencies, options->dependencies,
               make_requirement_absolute);
  add_to_list (config, pyisolate_extension_config_get_find_links,
               pyisolate_extension_config_set_find_links, options->find_links, make_links_absolute);
  add_to_list (config, pyisolate_extension_config_get_extra_index_urls,
               pyisolate_extension_config_set_extra_index_urls, options->extra_index_urls, keep);
  add_to_list (config, pyisolate_extension_config_get_environment_variables,
               pyisolate_extension_config_set_environment_variables, options->environment_variables,
               keep);
  if (options->python != NULL)
    {
      g_autofree char *absolute =
          strchr (options->python, '/') != NULL ? make_absolute (options->python) : NULL;

      pyisolate_extension_config_set_python (config, absolute != NULL ? absolute : options->python);
    }
  if (options->lock_file != NULL)
    {
      g_autofree char *absolute = make_absolute (options->lock_file);

      pyisolate_extension_config_set_lock_file (config, absolute);
    }
  if (options->index_url != NULL)
    pyisolate_extension_config_set_index_url (config, options->index_url);
  if (options->allow_source_builds)
    pyisolate_extension_config_set_allow_source_builds (config, TRUE);
  if (options->torch_environment != NULL)
    pyisolate_extension_config_set_share_torch (config, TRUE);
}

/* An empty path would be the current directory, an empty interpreter the default one: what a
 * variable of the shell that is not set gives is neither. */
static gboolean
check_not_empty (const char                *path,
                 const CliExtensionOptions *options,
                 GError                   **error)
{
  const struct {
    const char *name, *value;
  } given[] = {
    { "DIR-or-FILE", path },
    { "--python", options->python },
    { "--lock", options->lock_file },
    { "--index-url", options->index_url },
    { "--torch-environment", options->torch_environment },
  };
  const char *empty = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (given); i++)
    {
      if (given[i].value != NULL && *given[i].value == '\0')
        empty = given[i].name;
    }
  if (options->find_links != NULL && g_strv_contains ((const char * const *) options->find_links, ""))
    empty = "--find-links";
  if (empty != NULL)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG, "%s is empty", empty);
  return empty == NULL;
}

static gboolean
check_torch (PyIsolateExtensionConfig  *config,
             const CliExtensionOptions *options,
             GError                   **error)
{
  if (!pyisolate_extension_config_get_share_torch (config) || options->torch_environment != NULL)
    return TRUE;
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
               "The extension “%s” shares a torch: name its environment with --torch-environment",
               pyisolate_extension_config_get_name (config));
  return FALSE;
}

static char *
dup_torch_environment (const CliExtensionOptions *options)
{
  return options->torch_environment != NULL ? make_absolute (options->torch_environment) : NULL;
}

/* In a thread: a real reader of TOML is a process that must be waited for. */
static void
read_config_in_thread (GTask        *task,
                       gpointer      source,
                       gpointer      data,
                       GCancellable *cancellable)
{
  GError *error = NULL;
  PyIsolateExtensionConfig *config = pyisolate_extension_config_new_from_directory (data, &error);

  if (config != NULL)
    g_task_return_pointer (task, config, g_object_unref);
  else
    g_task_return_error (task, error);
}

PyIsolateExtensionConfig *
cli_extension_read_config (CliProgram                *program,
                           const char                *path,
                           const CliExtensionOptions *options,
                           GError                   **error)
{
  g_autoptr (PyIsolateExtensionConfig) config = NULL;

  if (!check_not_empty (path, options, error))
    return NULL;
  config = cli_program_run_in_thread (program, read_config_in_thread, make_absolute (path), g_free,
                                      TRUE, error);
  if (config == NULL)
    return NULL;
  apply_options (config, options);
  return check_torch (config, options, error) ? g_steal_pointer (&config) : NULL;
}

PyIsolateEnvironmentRequest *
cli_extension_make_request (CliProgram                *program,
                            PyIsolateExtensionConfig  *config,
                            const CliExtensionOptions *options)
{
  PyIsolateEnvironmentRequest *request =
      _pyisolate_extension_config_make_request (config, program->venv_root);

  /* uv runs under the launcher: it then ends with this process, however that ends. */
  request->launcher_path = _pyisolate_get_launcher_path ();
  request->torch_environment = dup_torch_environment (options);
  return request;
}

PyIsolateEnvironmentRequest *
cli_extension_make_bare_request (CliProgram                *program,
                                 const CliExtensionOptions *options)
{
  PyIsolateEnvironmentRequest *request = _pyisolate_environment_request_new (program->venv_root);

  request->launcher_path = _pyisolate_get_launcher_path ();
  if (options->find_links != NULL)
    request->find_links = join (NULL, options->find_links, make_links_absolute);
  request->index_url = g_strdup (options->index_url);
  return request;
}

static void
on_log (PyIsolateExtension *extension,
        PyIsolateLogLevel   level,
        const char         *logger,
        const char         *message,
        gpointer            data)
{
  CliExtension *self = data;

  if (level >= PYISOLATE_LOG_LEVEL_INFO || self->program->verbose)
    cli_terminal_print (self->log_prefix, message);
}

/* Before anything of it runs, so that what its import prints is seen too. */
static void
on_extension_added (PyIsolateExtensionManager *manager,
                    PyIsolateExtension        *extension,
                    gpointer                   data)
{
  CliExtension *self = data;

  self->log_prefix = g_strdup_printf ("%s: ", pyisolate_extension_get_name (extension));
  g_signal_connect (extension, "log", G_CALLBACK (on_log), self);
}

static void
on_load_progress (PyIsolateExtensionManager *manager,
                  PyIsolateExtension        *extension,
                  PyIsolateLoadStage         stage,
                  double                     fraction,
                  const char                *text,
                  gpointer                   data)
{
  cli_terminal_progress (fraction, text);
}

CliExtension *
cli_extension_load (CliProgram                *program,
                    const char                *path,
                    const CliExtensionOptions *options,
                    GError                   **error)
{
  g_autoptr (PyIsolateExtensionConfig) config =
      cli_extension_read_config (program, path, options, error);
  g_autofree char *torch_environment = dup_torch_environment (options);
  g_autoptr (CliExtension) self = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  CliWait wait = { NULL };

  if (config == NULL)
    return NULL;
  self = g_new0 (CliExtension, 1);
  self->program = program;
  self->manager = g_object_new (PYISOLATE_TYPE_EXTENSION_MANAGER,
                                "venv-root", program->venv_root,
                                "application-id", "pyisolate",
                                "torch-environment", torch_environment,
                                NULL);
  g_signal_connect (self->manager, "extension-added", G_CALLBACK (on_extension_added), self);
  g_signal_connect (self->manager, "load-progress", G_CALLBACK (on_load_progress), self);
  pyisolate_extension_manager_load_extension_async (self->manager, config, program->cancellable,
                                                    cli_wait_callback, &wait);
  result = cli_wait_result (&wait);
  cli_terminal_clear ();
  self->extension =
      pyisolate_extension_manager_load_extension_finish (self->manager, result, error);
  return self->extension != NULL ? g_steal_pointer (&self) : NULL;
}

void
cli_extension_unload (CliExtension *self)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  CliWait wait = { NULL };

  /* Without the cancellable: what was interrupted has to be cleaned up as well. A second signal
   * ends this. */
  pyisolate_extension_manager_stop_all_async (self->manager, NULL, cli_wait_callback, &wait);
  result = cli_wait_result (&wait);
  if (!pyisolate_extension_manager_stop_all_finish (self->manager, result, &error))
    cli_terminal_error ("%s", error->message);
  if (self->extension != NULL)
    g_signal_handlers_disconnect_by_data (self->extension, self);
  g_signal_handlers_disconnect_by_data (self->manager, self);
  g_clear_object (&self->extension);
  g_clear_object (&self->manager);
  g_free (self->log_prefix);
  g_free (self);
}
