/* SPDX-License-Identifier: MIT */
/* Keeps credentials out of what people and files get to see. */
#include "config.h"

#include "pyisolate-env-redact-private.h"

#include <string.h>

#define MASK "****"

#define END_OF_AUTHORITY "/ \t\r\n\"'`<>"

/* What stands between `://` and the last `@` before the host's end; @rest begins behind `://`.
 * NULL: nothing. */
static const char *
find_at (const char *rest)
{
  return g_strrstr_len (rest, strcspn (rest, END_OF_AUTHORITY), "@");
}

char *
_pyisolate_env_redact_text (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *result = g_string_new (NULL);
  const char *p = valid, *separator;

  while ((separator = strstr (p, "://")) != NULL)
    {
      const char *rest = separator + strlen ("://");
      const char *at = find_at (rest);

      g_string_append_len (result, p, rest - p);
      if (at != NULL)
        g_string_append (result, MASK);
      p = at != NULL ? at : rest;
    }
  g_string_append (result, p);

  return g_string_free (result, FALSE);
}

char **
_pyisolate_env_redact_strv (const char *const *strv)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; strv != NULL && strv[i] != NULL; i++)
    {
      g_autofree char *text = _pyisolate_env_redact_text (strv[i]);

      g_strv_builder_add (builder, text);
    }

  return g_strv_builder_end (builder);
}

/* A user alone is none over ssh, where it is `git` and no secret; over http it can be a token. */
gboolean
_pyisolate_env_has_password (const char *text)
{
  const char *separator = text;

  while ((separator = strstr (separator, "://")) != NULL)
    {
      gboolean is_ssh = separator - text >= 3 && strncmp (separator - 3, "ssh", 3) == 0;
      const char *rest = separator + strlen ("://");
      const char *at = find_at (rest);

      if (at != NULL && (!is_ssh || memchr (rest, ':', at - rest) != NULL))
        return TRUE;
      separator = rest;
    }

  return FALSE;
}

static void
replace_all (GString    *text,
             const char *secret)
{
  /* A secret of a letter or two would make the text unreadable and is none. */
  if (secret != NULL && strlen (secret) >= 3)
    g_string_replace (text, secret, MASK, 0);
}

static void
hide_user_info (GString    *text,
                const char *url)
{
  const char *separator = strstr (url, "://");
  const char *at = separator != NULL ? find_at (separator + strlen ("://")) : NULL;
  g_autofree char *user_info = NULL, *decoded = NULL, *encoded = NULL;
  const char *password;

  if (at == NULL)
    return;

  separator += strlen ("://");
  user_info = g_strndup (separator, at - separator);
  password = strchr (user_info, ':');
  password = password != NULL ? password + 1 : user_info;
  decoded = g_uri_unescape_string (password, NULL);
  encoded = decoded != NULL ? g_uri_escape_string (decoded, NULL, FALSE) : NULL;
  replace_all (text, password);
  replace_all (text, decoded);
  replace_all (text, encoded);
}

char *
_pyisolate_env_redact_known (const char        *text,
                             const char *const *urls)
{
  g_autofree char *without_urls = _pyisolate_env_redact_text (text);
  GString *result = g_string_new (without_urls);

  for (guint i = 0; urls != NULL && urls[i] != NULL; i++)
    {
      g_auto (GStrv) parts = g_strsplit_set (urls[i], " ,", -1);

      for (guint j = 0; parts[j] != NULL; j++)
        hide_user_info (result, parts[j]);
    }

  return g_string_free (result, FALSE);
}

/* For a message: no credentials, no control characters, not without end. */
char *
_pyisolate_env_dup_shown (const char *text)
{
  g_autofree char *redacted = _pyisolate_env_redact_text (text);
  GString *shown = g_string_new (NULL);

  for (const char *p = redacted; *p != '\0' && shown->len < 400; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == '\n')
        g_string_append (shown, "\\n");
      else if (g_unichar_iscntrl (c) || c == 0x2028 || c == 0x2029)
        g_string_append_printf (shown, "\\x%02x", c);
      else
        g_string_append_unichar (shown, c);
    }

  return g_string_free (shown, FALSE);
}
