/* SPDX-License-Identifier: MIT */
/* json-glib reads more than JSON (comments, octal numbers, assignments), changes integers beyond 64
 * bits and strings with a NUL without a word, and its recursion crashes where nesting has no end.
 * So the text is checked before json-glib makes a tree of it: by the grammar of RFC 8259, with a
 * limit of depth, the integers put into a form that holds them. */
#include "config.h"

#include "cli-json.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

typedef struct {
  const char *start;
  const char *p;            /* the text ends with a NUL, and holds no other */
  GString *out;
  guint depth;
  GError **error;
} Scanner;

static gboolean scan_value (Scanner *self);

static gboolean
fail (Scanner    *self,
      const char *what)
{
  guint line = 1;
  const char *line_start = self->start;

  for (const char *p = self->start; p < self->p; p++)
    if (*p == '\n')
      {
        line++;
        line_start = p + 1;
      }
  g_set_error (self->error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "line %u, column %ld: %s", line,
               g_utf8_pointer_to_offset (line_start, self->p) + 1, what);
  return FALSE;
}

static void
skip_space (Scanner *self)
{
  self->p += strspn (self->p, " \t\r\n");
}

/* Copies what was accepted from @from up to here. */
static void
copy (Scanner    *self,
      const char *from)
{
  g_string_append_len (self->out, from, self->p - from);
}

static gboolean
scan_word (Scanner    *self,
           const char *word)
{
  if (!g_str_has_prefix (self->p, word) || g_ascii_isalnum (self->p[strlen (word)]))
    return fail (self, "a value is expected (a string is written in double quotes)");
  g_string_append (self->out, word);
  self->p += strlen (word);
  return TRUE;
}

/* Four hexadecimal digits, or -1. */
static int
peek_hex (const char *p)
{
  int value = 0;

  for (int i = 0; i < 4; i++)
    {
      if (!g_ascii_isxdigit (p[i]))
        return -1;
      value = value * 16 + g_ascii_xdigit_value (p[i]);
    }
  return value;
}

static gboolean
scan_unicode_escape (Scanner *self)
{
  int value = peek_hex (self->p + 2);

  if (value < 0)
    return fail (self, "\\u needs four hexadecimal digits");
  if (value == 0)
    return fail (self, "a string with \\u0000 is written "
                       "{\"$type\": \"str\", \"value\": \"<base64 of its UTF-8>\"}");
  if (value >= 0xd800 && value < 0xdc00 && self->p[6] == '\\' && self->p[7] == 'u')
    {
      int low = peek_hex (self->p + 8);

      if (low >= 0xdc00 && low < 0xe000)
        {
          self->p += 12;
          return TRUE;
        }
    }
  if (value >= 0xd800 && value < 0xe000)
    return fail (self, "a string with half of a surrogate pair is written "
                       "{\"$type\": \"str\", \"value\": \"<base64 of its UTF-8>\"}");
  self->p += 6;
  return TRUE;
}

static gboolean
scan_string (Scanner *self)
{
  const char *from = self->p;

  for (self->p++; *self->p != '"';)
    {
      if (*self->p == '\0')
        return fail (self, "the string has no end");
      if ((guchar) *self->p < 0x20)
        return fail (self, "a control character in a string is written with a backslash");
      if (*self->p != '\\')
        self->p++;
      else if (self->p[1] == 'u')
        {
          if (!scan_unicode_escape (self))
            return FALSE;
        }
      else if (self->p[1] != '\0' && strchr ("\"\\/bfnrt", self->p[1]) != NULL)
        self->p += 2;
      else
        return fail (self, "no such escape after a backslash");
    }
  self->p++;
  copy (self, from);
  return TRUE;
}

static gboolean
skip_digits (Scanner *self)
{
  gsize n = strspn (self->p, "0123456789");

  self->p += n;
  return n > 0;
}

static gboolean
scan_number (Scanner *self)
{
  const char *from = self->p;
  gboolean is_integer = TRUE;
  g_autofree char *token = NULL;

  if (*self->p == '-')
    self->p++;
  if (*self->p == '0')
    self->p++;
  else if (!skip_digits (self))
    return fail (self, "a digit is expected");
  if (*self->p == '.')
    {
      is_integer = FALSE;
      self->p++;
      if (!skip_digits (self))
        return fail (self, "a digit is expected after the point");
    }
  if (*self->p == 'e' || *self->p == 'E')
    {
      is_integer = FALSE;
      self->p++;
      if (*self->p == '+' || *self->p == '-')
        self->p++;
      if (!skip_digits (self))
        return fail (self, "a digit is expected in the exponent");
    }
  if (g_ascii_isalnum (*self->p) || *self->p == '.')
    return fail (self, "this is not a number as JSON writes them");

  token = g_strndup (from, (gsize) (self->p - from));
  if (!is_integer && !isfinite (g_ascii_strtod (token, NULL)))
    return fail (self, "a number beyond what a float can hold");
  if (is_integer && !g_ascii_string_to_signed (token, 10, G_MININT64, G_MAXINT64, NULL, NULL))
    g_string_append_printf (self->out, "{\"$type\":\"int\",\"value\":\"%s\"}", token);
  else
    copy (self, from);
  return TRUE;
}

/* The items of an array, or the members of an object, up to its end. */
static gboolean
scan_items (Scanner *self,
            char     end)
{
  if (++self->depth > CLI_JSON_MAX_DEPTH)
    return fail (self, "nested too deep");
  g_string_append_c (self->out, *self->p++);
  skip_space (self);
  while (*self->p != end)
    {
      if (end == '}')
        {
          if (*self->p != '"')
            return fail (self, "a key in double quotes is expected");
          if (!scan_string (self))
            return FALSE;
          skip_space (self);
          if (*self->p != ':')
            return fail (self, "a colon is expected after a key");
          g_string_append_c (self->out, *self->p++);
        }
      if (!scan_value (self))
        return FALSE;
      skip_space (self);
      if (*self->p == end)
        break;
      if (*self->p != ',')
        return fail (self, end == '}' ? "a comma or } is expected" : "a comma or ] is expected");
      g_string_append_c (self->out, *self->p++);
      skip_space (self);
      if (*self->p == end)
        return fail (self, "there is nothing after the comma");
    }
  g_string_append_c (self->out, *self->p++);
  self->depth--;
  return TRUE;
}

static gboolean
scan_value (Scanner *self)
{
  skip_space (self);
  switch (*self->p)
    {
    case '{':
      return scan_items (self, '}');
    case '[':
      return scan_items (self, ']');
    case '"':
      return scan_string (self);
    case 't':
      return scan_word (self, "true");
    case 'f':
      return scan_word (self, "false");
    case '\0':
      return fail (self, "a value is expected, but the text ends");
    default:
      if (*self->p == '-' || g_ascii_isdigit (*self->p))
        return scan_number (self);
      return scan_word (self, "null");
    }
}

JsonNode *
cli_json_parse (const char *text,
                gsize       length,
                GError    **error)
{
  g_autoptr (GString) checked = g_string_sized_new (length);
  g_autoptr (JsonNode) node = NULL;
  Scanner scanner = { .start = text, .p = text, .out = checked, .error = error };

  if (!g_utf8_validate_len (text, length, NULL))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                           "JSON is UTF-8 text without NUL bytes, and this is not");
      return NULL;
    }
  if (!scan_value (&scanner))
    return NULL;
  skip_space (&scanner);
  if (*scanner.p != '\0')
    {
      fail (&scanner, "there is more after the end of the value");
      return NULL;
    }
  node = json_from_string (checked->str, error);
  return g_steal_pointer (&node);
}

/* Appends the number that starts at @p, and returns its end. */
static const char *
format_number (GString    *out,
               const char *p)
{
  gsize length = strspn (p, "+-0123456789.eE");
  g_autofree char *token = g_strndup (p, length);
  char shortest[G_ASCII_DTOSTR_BUF_SIZE];
  double value;

  if (strpbrk (token, ".eE") == NULL)
    {
      g_string_append (out, token);
      return p + length;
    }
  value = g_ascii_strtod (token, NULL);
  for (int digits = 15; digits <= 17; digits++)
    {
      g_autofree char *format = g_strdup_printf ("%%.%dg", digits);

      g_ascii_formatd (shortest, sizeof shortest, format, value);
      if (g_ascii_strtod (shortest, NULL) == value)
        break;
    }
  g_string_append (out, shortest);
  /* It is a float, and stays one. */
  if (strpbrk (shortest, ".e") == NULL)
    g_string_append (out, ".0");
  return p + length;
}

/* Appends the string that starts at @p, and returns its end. DEL and the C1 controls are text to
 * json-glib; to a terminal they are orders. */
static const char *
format_string (GString    *out,
               const char *p)
{
  g_string_append_c (out, *p++);
  while (*p != '"')
    {
      gunichar c = g_utf8_get_char (p);
      const char *next = g_utf8_next_char (p);

      if (c == '\\')
        next++;
      if (c >= 0x7f && c < 0xa0)
        g_string_append_printf (out, "\\u%04x", c);
      else
        g_string_append_len (out, p, next - p);
      p = next;
    }
  g_string_append_c (out, *p++);
  return p;
}

char *
cli_json_format (JsonNode *node,
                 gboolean  pretty)
{
  g_autofree char *text = json_to_string (node, pretty);
  GString *out = g_string_new (NULL);

  for (const char *p = text; *p != '\0';)
    {
      if (*p == '"')
        p = format_string (out, p);
      else if (*p == '-' || g_ascii_isdigit (*p))
        p = format_number (out, p);
      else
        g_string_append_c (out, *p++);
    }
  return g_string_free (out, FALSE);
}

void
cli_json_set_string (JsonBuilder *builder,
                     const char  *name,
                     const char  *value)
{
  json_builder_set_member_name (builder, name);
  if (value != NULL && *value != '\0')
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
cli_json_set_strv (JsonBuilder        *builder,
                   const char         *name,
                   const char * const *values)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (; values != NULL && *values != NULL; values++)
    json_builder_add_string_value (builder, *values);
  json_builder_end_array (builder);
}
