/* SPDX-License-Identifier: MIT */
/* One requirement line. What PEP 508 says is uv's business; ours is that a line is one
 * requirement and nothing else: uv reads options, further lines and environment variables where
 * it reads requirements.
 */
#include "config.h"

#include "pyisolate-env-requirement-private.h"

#include "pyisolate-env-redact-private.h"
#include "pyisolate-error.h"

#include <string.h>

void
_pyisolate_env_requirement_free (PyIsolateEnvRequirement *self)
{
  g_free (self->line);
  g_free (self->path);
  g_free (self);
}

static gboolean
refuse (const char  *text,
        const char  *why,
        GError     **error)
{
  g_autofree char *shown = _pyisolate_env_dup_shown (text);

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_REQUIREMENT,
               "Bad requirement “%s”: %s", shown, why);
  return FALSE;
}

static gboolean
has_option (const char *text)
{
  for (const char *p = text; *p != '\0'; p++)
    {
      if (*p == '-' && (p == text || g_ascii_isspace (p[-1])))
        return TRUE;
    }

  return FALSE;
}

static gboolean
check_line (const char  *text,
            GError     **error)
{
  if (!g_utf8_validate (text, -1, NULL))
    return refuse (text, "it is not UTF-8", error);
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c != '\t' && (g_unichar_iscntrl (c) || c == 0x2028 || c == 0x2029))
        return refuse (text, "it holds a control character; a requirement is one line", error);
    }
  if (*text == '\0' || *text == '#')
    return refuse (text, "it is empty", error);
  if (has_option (text))
    return refuse (text, "it holds an option; options are set in the configuration (index-url, "
                         "find-links, …)", error);
  if (g_str_has_suffix (text, "\\"))
    return refuse (text, "it ends with a backslash", error);
  if (strstr (text, "${") != NULL)
    return refuse (text, "it refers to an environment variable", error);
  if (_pyisolate_env_has_password (text))
    return refuse (text, "it holds credentials; put them in ~/.netrc, uv's keyring or the index "
                         "URL", error);

  return TRUE;
}

static gboolean
looks_local (const char *reference)
{
  if (g_ascii_strncasecmp (reference, "file:", 5) == 0)
    return TRUE;
  if (strstr (reference, "://") != NULL)
    return FALSE;

  return *reference == '/' || *reference == '.' || *reference == '~' ||
         strchr (reference, '/') != NULL ||
         g_str_has_suffix (reference, ".whl") || g_str_has_suffix (reference, ".tar.gz") ||
         g_str_has_suffix (reference, ".zip");
}

/* Where the reference (a path or URL) ends: at a fragment, a marker or extras. */
static gsize
reference_length (const char *reference)
{
  gsize length = strcspn (reference, "#");
  const char *marker = g_strstr_len (reference, length, " ;");

  if (marker != NULL)
    length = marker - reference;
  while (length > 0 && g_ascii_isspace (reference[length - 1]))
    length--;
  if (length > 0 && reference[length - 1] == ']')
    {
      const char *bracket = g_strrstr_len (reference, length, "[");

      if (bracket != NULL)
        length = bracket - reference;
    }

  return length;
}

static char *
absolute_path (const char  *reference,
               const char  *base_directory,
               GError     **error)
{
  g_autofree char *path = NULL;
  g_autoptr (GFile) file = NULL;

  if (g_ascii_strncasecmp (reference, "file://", 7) == 0)
    return g_filename_from_uri (reference, NULL, error);

  if (g_ascii_strncasecmp (reference, "file:", 5) == 0)
    reference += 5;
  if (g_str_has_prefix (reference, "~/"))
    path = g_build_filename (g_get_home_dir (), reference + 2, NULL);
  else if (g_path_is_absolute (reference))
    path = g_strdup (reference);
  else if (base_directory != NULL)
    path = g_build_filename (base_directory, reference, NULL);
  else
    {
      g_autofree char *current = g_get_current_dir ();

      path = g_build_filename (current, reference, NULL);
    }

  file = g_file_new_for_path (path);
  return g_file_get_path (file);
}

/* The reference of `name @ reference`, or the whole, if that is no name. */
static const char *
find_reference (const char *line)
{
  gsize name = strspn (line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
  const char *p = line + name;

  if (name == 0)
    return line;
  p += strspn (p, " \t");
  if (*p == '[')
    {
      p += strcspn (p, "]");
      p += *p == ']';
      p += strspn (p, " \t");
    }
  if (*p != '@')
    return line;
  p++;

  return p + strspn (p, " \t");
}

static gboolean
is_repository (const char *reference)
{
  return g_str_has_prefix (reference, "git+") || g_str_has_prefix (reference, "hg+") ||
         g_str_has_prefix (reference, "svn+") || g_str_has_prefix (reference, "bzr+");
}

PyIsolateEnvRequirement *
_pyisolate_env_requirement_parse (const char  *text,
                                  const char  *base_directory,
                                  GError     **error)
{
  g_autoptr (PyIsolateEnvRequirement) self = g_new0 (PyIsolateEnvRequirement, 1);
  g_autoptr (GError) local_error = NULL;
  g_autofree char *stripped = g_strstrip (g_strdup (text));
  g_autofree char *target = NULL, *uri = NULL;
  const char *reference;
  gsize length;

  if (!check_line (stripped, error))
    return NULL;

  reference = find_reference (stripped);
  length = reference_length (reference);
  target = g_strndup (reference, length);
  /* uv takes such a line for one of a file, and does not say which. */
  if (!g_ascii_isalnum (*stripped) && (reference != stripped || !looks_local (target)))
    {
      refuse (text, "it begins with neither the name of a package nor a path or URL", error);
      return NULL;
    }
  if (reference == stripped && !looks_local (target) && strstr (target, "://") == NULL)
    {
      self->line = g_steal_pointer (&stripped);
      return g_steal_pointer (&self);
    }

  if (looks_local (target))
    {
      self->kind = PYISOLATE_ENV_REQUIREMENT_LOCAL;
      self->path = absolute_path (target, base_directory, &local_error);
      uri = self->path != NULL ? g_filename_to_uri (self->path, NULL, &local_error) : NULL;
      if (uri == NULL)
        {
          refuse (text, local_error->message, error);
          return NULL;
        }
      self->line = g_strdup_printf ("%.*s%s%s", (int) (reference - stripped), stripped, uri,
                                    reference + length);
      return g_steal_pointer (&self);
    }

  self->kind =
    is_repository (target) ? PYISOLATE_ENV_REQUIREMENT_VCS : PYISOLATE_ENV_REQUIREMENT_URL;
  self->line = g_steal_pointer (&stripped);
  return g_steal_pointer (&self);
}

char *
_pyisolate_env_requirement_dup_name (const char *line)
{
  gsize length = strspn (line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
  GString *name;

  if (length == 0 || line[length] == '/' || line[length] == ':' || line[length] == '+')
    return NULL;

  name = g_string_new (NULL);
  for (gsize i = 0; i < length; i++)
    {
      char c = g_ascii_tolower (line[i]);

      /* As PEP 503 compares: each run of separators is one dash. */
      if (strchr ("._-", c) == NULL)
        g_string_append_c (name, c);
      else if (name->len > 0 && name->str[name->len - 1] != '-')
        g_string_append_c (name, '-');
    }

  return g_string_free (name, FALSE);
}
