/* SPDX-License-Identifier: MIT */
/* Runs the Python programs that travel inside this library.
 *
 * An interpreter reads them on its stdin, without site-packages, in an environment without what
 * makes a Python something else than it is. They say what they found as one JSON object.
 */
#include "config.h"

#include "pyisolate-env-script-private.h"

#include "pyisolate-env-resources.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-env-uv-private.h"

/* Never freed: a program may end while threads of ours still make environments. */
static void
register_resource (void)
{
  static gsize is_registered;

  if (g_once_init_enter (&is_registered))
    {
      _pyisolate_env_register_resource ();
      g_once_init_leave (&is_registered, 1);
    }
}

char *
_pyisolate_env_script_dup (const char *name)
{
  g_autofree char *path = g_strconcat ("/org/pyisolate/environment/", name, NULL);
  g_autoptr (GBytes) script = NULL;

  register_resource ();
  /* Not by the resource itself: GLib has none to give while another thread looks for something for the first time. */
  script = g_resources_lookup_data (path, 0, NULL);
  g_assert (script != NULL);

  return g_strndup (g_bytes_get_data (script, NULL), g_bytes_get_size (script));
}

static GPtrArray *
build_argv (const PyIsolateEnvScript *self)
{
  const char *const fixed[] = { self->python, "-I", "-S", "-" };
  GPtrArray *argv = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (argv, (char *) fixed[i]);
  for (guint i = 0; self->arguments != NULL && self->arguments[i] != NULL; i++)
    g_ptr_array_add (argv, (char *) self->arguments[i]);
  g_ptr_array_add (argv, NULL);

  return argv;
}

static gboolean
run (const PyIsolateEnvScript  *self,
     PyIsolateEnvChildResult   *result,
     GCancellable              *cancellable,
     GError                   **error)
{
  g_autoptr (GPtrArray) argv = build_argv (self);
  g_autofree char *script = _pyisolate_env_script_dup (self->name);
  g_auto (GStrv) clean = self->environment == NULL ? _pyisolate_env_clean_environ () : NULL;
  g_autoptr (GError) local_error = NULL;
  PyIsolateEnvChild child = {
    .argv = (const char *const *) argv->pdata,
    .environment = self->environment != NULL ? self->environment : clean,
    .input = script,
    .launcher_path = self->launcher_path,
    .lock_fd = self->lock_fd,
    .timeout = self->timeout,
    .out_line = self->out_line,
    .user_data = self->user_data,
  };

  if (!_pyisolate_env_child_run (&child, result, cancellable, &local_error))
    {
      if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_propagate_error (error, g_steal_pointer (&local_error));
      else
        g_set_error (error, PYISOLATE_ERROR, self->error_code, "%s: %s", self->complaint,
                     local_error->message);
      return FALSE;
    }
  if (result->status != 0)
    {
      g_set_error (error, PYISOLATE_ERROR, self->error_code, "%s (exit status %d): %.1000s",
                   self->complaint, result->status, g_strstrip (result->err));
      return FALSE;
    }

  return TRUE;
}

gboolean
_pyisolate_env_script_run (const PyIsolateEnvScript  *self,
                           GCancellable              *cancellable,
                           GError                   **error)
{
  g_auto (PyIsolateEnvChildResult) result = { 0 };

  return run (self, &result, cancellable, error);
}

JsonObject *
_pyisolate_env_script_read (const PyIsolateEnvScript  *self,
                            GCancellable              *cancellable,
                            GError                   **error)
{
  g_auto (PyIsolateEnvChildResult) result = { 0 };
  JsonObject *object;

  if (!run (self, &result, cancellable, error))
    return NULL;

  object = _pyisolate_env_json_parse (result.out, -1);
  if (object == NULL)
    g_set_error (error, PYISOLATE_ERROR, self->error_code, "%s: it printed no JSON object",
                 self->complaint);

  return object;
}
