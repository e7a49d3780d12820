/* SPDX-License-Identifier: MIT */
/* A lock file that the user brings: installed as it stands, if it is one and fits the
 * dependencies. */
#include "config.h"

#include "pyisolate-env-lock-private.h"

#include "pyisolate-env-redact-private.h"
#include "pyisolate-env-requirement-private.h"
#include "pyisolate-error.h"

#include <string.h>

static char *
strip_comment (const char *line)
{
  const char *comment = *line == '#' ? line : strstr (line, " #");

  return comment != NULL ? g_strndup (line, comment - line) : g_strdup (line);
}

char **
_pyisolate_env_lock_file_split (const char *text)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GString) joined = g_string_new (NULL);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *line = strip_comment (g_strchomp (lines[i]));
      gboolean goes_on = g_str_has_suffix (line, "\\");

      if (goes_on)
        line[strlen (line) - 1] = '\0';
      g_string_append (joined, line);
      if (goes_on)
        continue;

      g_strstrip (joined->str);
      if (*joined->str != '\0')
        g_strv_builder_add (builder, joined->str);
      g_string_truncate (joined, 0);
    }

  return g_strv_builder_end (builder);
}

static gboolean
refuse (const PyIsolateEnvironmentRequest  *request,
        const char                         *line,
        const char                         *why,
        GError                            **error)
{
  g_autofree char *shown = _pyisolate_env_dup_shown (line);

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
               "The lock file %s cannot be used: “%s” %s",
               request->lock_file, shown, why);
  return FALSE;
}

static gboolean
check_lines (const PyIsolateEnvironmentRequest  *request,
             const char                         *text,
             GError                            **error)
{
  g_auto (GStrv) lines = _pyisolate_env_lock_file_split (text);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *option = strstr (lines[i], " -");

      if (*lines[i] == '-')
        return refuse (request, lines[i], "is an option; set index URLs and find-links in the "
                                          "configuration", error);
      for (; option != NULL; option = strstr (option + 2, " -"))
        {
          if (!g_str_has_prefix (option, " --hash=") && !g_str_has_prefix (option, " --hash "))
            return refuse (request, lines[i], "holds an option other than --hash", error);
        }
      if (strstr (lines[i], "==") == NULL && strchr (lines[i], '@') == NULL &&
          strchr (lines[i], '/') == NULL)
        return refuse (request, lines[i], "names no version; make the file with “uv pip compile "
                                          "--generate-hashes”", error);
      if (strstr (lines[i], "${") != NULL)
        return refuse (request, lines[i], "refers to an environment variable", error);
    }

  return TRUE;
}

char *
_pyisolate_env_lock_file_read (const PyIsolateEnvironmentRequest  *request,
                               gboolean                           *is_pylock,
                               GError                            **error)
{
  g_autofree char *base = g_path_get_basename (request->lock_file);
  g_autofree char *text = NULL;
  g_autoptr (GError) local_error = NULL;
  gsize length;

  *is_pylock = g_str_has_prefix (base, "pylock.") && g_str_has_suffix (base, ".toml");
  if (!g_file_get_contents (request->lock_file, &text, &length, &local_error))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "Cannot read the lock file: %s", local_error->message);
      return NULL;
    }
  if (!g_utf8_validate (text, length, NULL))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The lock file %s is not UTF-8", request->lock_file);
      return NULL;
    }
  if (g_str_has_suffix (base, ".lock") && strstr (text, "\n[[package]]") != NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The lock file %s is that of a project; make one that can be installed with "
                   "“uv export --format pylock.toml -o pylock.toml”", request->lock_file);
      return NULL;
    }
  if (_pyisolate_env_has_password (text))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The lock file %s holds credentials; put them in ~/.netrc, uv's keyring or the "
                   "index URL",
                   request->lock_file);
      return NULL;
    }
  if (!*is_pylock && !check_lines (request, text, error))
    return NULL;

  return g_steal_pointer (&text);
}

static char *
pinned_part (const char *line)
{
  return g_strndup (line, strcspn (line, " \t;"));
}

/* Resolves the dependencies alone, with the lock as constraints: what comes out must be pins of
 * the lock. */
gboolean
_pyisolate_env_lock_file_check (const PyIsolateEnvironmentRequest  *request,
                                const PyIsolateEnvInterpreter      *interpreter,
                                PyIsolateEnvUv                     *uv,
                                const char                         *requirements,
                                const char                         *text,
                                GCancellable                       *cancellable,
                                GError                            **error)
{
  const char *const argv[] = { "pip", "compile", "-", "-c", request->lock_file, "--no-deps",
                               "--no-header", "--no-annotate", "--python", interpreter->path,
                               request->allow_source_builds ? "--build" : "--no-build", NULL };
  g_autoptr (GHashTable) pins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) locked = _pyisolate_env_lock_file_split (text);
  g_auto (GStrv) needed = NULL;
  g_autofree char *out = NULL;

  if (!_pyisolate_env_uv_run (uv, argv, requirements, -1, NULL, &out, cancellable, error))
    {
      g_prefix_error (error, "The lock file %s does not fit the dependencies: ",
                      request->lock_file);
      return FALSE;
    }

  for (guint i = 0; locked[i] != NULL; i++)
    g_hash_table_add (pins, _pyisolate_env_requirement_dup_name (locked[i]));
  needed = _pyisolate_env_lock_file_split (out);
  for (guint i = 0; needed[i] != NULL; i++)
    {
      g_autofree char *name = _pyisolate_env_requirement_dup_name (needed[i]);
      g_autofree char *pin = pinned_part (needed[i]);

      if (name != NULL && !g_hash_table_contains (pins, name))
        {
          g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                       "The lock file %s does not hold %s, which the dependencies ask for",
                       request->lock_file, pin);
          return FALSE;
        }
    }

  return TRUE;
}
