/* SPDX-License-Identifier: MIT */
/* Runs uv and says what its failures mean. */
#include "config.h"

#include "pyisolate-env-uv-private.h"

#include "pyisolate-env-child-private.h"
#include "pyisolate-env-redact-private.h"
#include "pyisolate-error.h"

#include <string.h>

#define MAX_REASON 4000

void
_pyisolate_env_uv_free (PyIsolateEnvUv *self)
{
  g_free (self->path);
  g_strfreev (self->environment);
  g_strfreev (self->secrets);
  g_free (self);
}

static char **
collect_secrets (const PyIsolateEnvironmentRequest *request,
                 char                             **environment)
{
  static const char *const names[] = { "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX",
                                       "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
                                       "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy",
                                       "https_proxy", "all_proxy" };
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (request->index_url != NULL)
    g_strv_builder_add (builder, request->index_url);
  if (request->extra_index_urls != NULL)
    g_strv_builder_addv (builder, (const char **) request->extra_index_urls);
  if (request->find_links != NULL)
    g_strv_builder_addv (builder, (const char **) request->find_links);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      if (g_environ_getenv (environment, names[i]) != NULL)
        g_strv_builder_add (builder, g_environ_getenv (environment, names[i]));
    }
  /* UV_INDEX_<NAME>_PASSWORD and its like: as if it stood in a URL. */
  for (guint i = 0; environment[i] != NULL; i++)
    {
      const char *equals = strchr (environment[i], '=');

      if (g_str_has_prefix (environment[i], "UV_") && equals != NULL &&
          (g_strstr_len (environment[i], equals - environment[i], "PASSWORD") != NULL ||
           g_strstr_len (environment[i], equals - environment[i], "TOKEN") != NULL))
        {
          g_autofree char *escaped = g_uri_escape_string (equals + 1, NULL, FALSE);
          g_autofree char *url = g_strdup_printf ("https://:%s@", escaped);

          g_strv_builder_add (builder, url);
        }
    }

  return g_strv_builder_end (builder);
}

PyIsolateEnvUv *
_pyisolate_env_uv_new (const PyIsolateEnvironmentRequest  *request,
                       GError                            **error)
{
  g_autoptr (PyIsolateEnvUv) self = g_new0 (PyIsolateEnvUv, 1);

  self->path = _pyisolate_environment_find_uv (request->uv_path, error);
  if (self->path == NULL)
    return NULL;

  self->launcher_path = request->launcher_path;
  self->environment = _pyisolate_env_uv_build_environ (request);
  self->secrets = collect_secrets (request, self->environment);

  return g_steal_pointer (&self);
}

typedef struct {
  const char *text;
  int code;
} Meaning;

/* What uv 0.5 to 0.13 say; the first that fits. Network comes before the solver, which reports
 * what it could not fetch as missing. */
static const Meaning meanings[] = {
  { "Couldn't parse requirement", PYISOLATE_ERROR_BAD_REQUIREMENT },
  { "Unsupported requirement", PYISOLATE_ERROR_BAD_REQUIREMENT },
  { "Invalid requirement", PYISOLATE_ERROR_BAD_REQUIREMENT },
  { "Distribution not found at", PYISOLATE_ERROR_BAD_REQUIREMENT },
  { "Failed to parse: `", PYISOLATE_ERROR_BAD_REQUIREMENT },
  { "Hash mismatch", PYISOLATE_ERROR_ENVIRONMENT },
  { "error sending request", PYISOLATE_ERROR_NETWORK },
  { "Network connectivity is disabled", PYISOLATE_ERROR_NETWORK },
  { "network was disabled", PYISOLATE_ERROR_NETWORK },
  { "Failed to fetch", PYISOLATE_ERROR_NETWORK },
  { "Failed to download", PYISOLATE_ERROR_NETWORK },
  { "Could not connect", PYISOLATE_ERROR_NETWORK },
  { "Git operation failed", PYISOLATE_ERROR_NETWORK },
  { "401 Unauthorized", PYISOLATE_ERROR_NETWORK },
  { "403 Forbidden", PYISOLATE_ERROR_NETWORK },
  { "operation timed out", PYISOLATE_ERROR_NETWORK },
  { "No solution found", PYISOLATE_ERROR_UNSOLVABLE },
  { "unsatisfiable", PYISOLATE_ERROR_UNSOLVABLE },
  { "Building source distributions", PYISOLATE_ERROR_UNSOLVABLE },
  { "building source distributions", PYISOLATE_ERROR_UNSOLVABLE },
  { "no wheels with a matching", PYISOLATE_ERROR_UNSOLVABLE },
  { "No interpreter found", PYISOLATE_ERROR_PYTHON_NOT_FOUND },
  { "Failed to inspect Python interpreter", PYISOLATE_ERROR_PYTHON_NOT_FOUND },
};

static const char *
advice (const char *text)
{
  if (strstr (text, "ource distributions is disabled") != NULL ||
      strstr (text, "no usable wheels") != NULL ||
      strstr (text, "Building source distributions") != NULL)
    return "\nIt can only be built from source; set allow-source-builds if its code may run on "
           "this machine";
  return "";
}

/* The part that tells the reason, without what uv said while all went well, and not without end. */
static char *
clean_reason (const char        *text,
              const char *const *secrets)
{
  const char *start = g_strstr_len (text, -1, "error: ");
  g_autofree char *redacted = NULL;
  char *reason;

  if (start == NULL)
    start = g_strstr_len (text, -1, "\xc3\x97 ");  /* × of uv before 0.10 */
  redacted = _pyisolate_env_redact_known (start != NULL ? start : text, secrets);
  reason = g_utf8_substring (redacted, 0, MIN (g_utf8_strlen (redacted, -1), MAX_REASON));

  return g_strchomp (reason);
}

GError *
_pyisolate_env_uv_dup_error (const char        *stderr_text,
                             int                status,
                             const char *const *secrets)
{
  g_autofree char *reason = clean_reason (stderr_text, secrets);
  int code = PYISOLATE_ERROR_ENVIRONMENT;

  if (status > 128 && *reason == '\0')
    return g_error_new (PYISOLATE_ERROR, code, "uv was ended by signal %d", status - 128);
  for (guint i = 0; i < G_N_ELEMENTS (meanings); i++)
    {
      if (strstr (reason, meanings[i].text) != NULL)
        {
          code = meanings[i].code;
          break;
        }
    }
  if (*reason == '\0')
    return g_error_new (PYISOLATE_ERROR, code, "uv failed with exit status %d", status);

  return g_error_new (PYISOLATE_ERROR, code, "uv: %s%s",
                      g_str_has_prefix (reason, "error: ") ? reason + strlen ("error: ") : reason,
                      advice (reason));
}

static void
on_line (const char *line,
         gpointer    user_data)
{
  if (user_data != NULL)
    _pyisolate_env_progress_parse (user_data, line);
}

gboolean
_pyisolate_env_uv_run (PyIsolateEnvUv        *self,
                       const char *const     *argv,
                       const char            *input,
                       int                    lock_fd,
                       PyIsolateEnvProgress  *progress,
                       char                 **out,
                       GCancellable          *cancellable,
                       GError               **error)
{
  g_autoptr (GPtrArray) full = g_ptr_array_new ();
  g_auto (PyIsolateEnvChildResult) result = { 0 };
  g_autoptr (GError) local_error = NULL;
  PyIsolateEnvChild child = {
    .environment = self->environment,
    .input = input,
    .launcher_path = self->launcher_path,
    .lock_fd = lock_fd,
    .timeout = -1,
    .err_line = on_line,
    .user_data = progress,
  };

  g_ptr_array_add (full, self->path);
  /* Settings of a project that happens to be in the current directory are not the extension's. */
  g_ptr_array_add (full, (char *) "--project");
  g_ptr_array_add (full, (char *) (self->project != NULL ? self->project : "/"));
  for (guint i = 0; argv[i] != NULL; i++)
    g_ptr_array_add (full, (char *) argv[i]);
  g_ptr_array_add (full, NULL);
  child.argv = (const char *const *) full->pdata;

  if (!_pyisolate_env_child_run (&child, &result, cancellable, &local_error))
    {
      if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_propagate_error (error, g_steal_pointer (&local_error));
      else
        g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT, "Cannot run uv: %s",
                     local_error->message);
      return FALSE;
    }
  if (result.status != 0)
    {
      const char *const *secrets = (const char *const *) self->secrets;

      g_propagate_error (error, _pyisolate_env_uv_dup_error (result.err, result.status, secrets));
      return FALSE;
    }

  if (out != NULL)
    *out = g_steal_pointer (&result.out);
  return TRUE;
}
