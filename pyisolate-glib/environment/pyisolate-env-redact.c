/* SPDX-License-Identifier: MIT */
/* Keeps credentials out of what people and files get to see. */
#include "config.h"

#include "pyisolate-env-redact-private.h"

#include <string.h>

#define MASK "****"

static GRegex *
user_info_regex (void)
{
  static gsize regex = 0;

  if (g_once_init_enter (&regex))
    g_once_init_leave (&regex, (gsize) g_regex_new ("(?<=://)[^/\\s@'\"`]*@(?=[^\\s])", G_REGEX_OPTIMIZE, 0, NULL));

  return (GRegex *) regex;
}

char *
_pyisolate_env_redact_text (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  return g_regex_replace_literal (user_info_regex (), valid, -1, 0, MASK "@", 0, NULL);
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
  for (const char *separator = strstr (text, "://"); separator != NULL; separator = strstr (separator, "://"))
    {
      gboolean is_ssh = separator - text >= 3 && strncmp (separator - 3, "ssh", 3) == 0;
      const char *end, *at;

      separator += strlen ("://");
      end = separator + strcspn (separator, "/ \t\n\"'");
      at = memchr (separator, '@', end - separator);
      if (at != NULL && (!is_ssh || memchr (separator, ':', at - separator) != NULL))
        return TRUE;
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
  const char *start = strstr (url, "://");
  g_autofree char *user_info = NULL, *decoded = NULL, *encoded = NULL;
  const char *at, *end;
  char *password;

  if (start == NULL)
    return;
  start += strlen ("://");
  end = start + strcspn (start, "/");
  at = g_strrstr_len (start, end - start, "@");
  if (at == NULL)
    return;

  user_info = g_strndup (start, at - start);
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
