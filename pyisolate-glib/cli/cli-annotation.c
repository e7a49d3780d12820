/* SPDX-License-Identifier: MIT */
/* A reader of type expressions: names with dots, subscripts, unions, literals. What it accepts is
 * valid Python. */
#include "config.h"

#include "cli-annotation.h"

#include <string.h>

#define MAX_ANNOTATION 2000
#define MAX_LITERAL 60
#define MAX_DEPTH 32

static const char * const keywords[] = {
  "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
  "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
  "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
  "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield",    NULL,
};

static const char * const constants[] = { "None", "True", "False", NULL };

typedef struct {
  const char *p;
  guint depth;
  GPtrArray *names;
} Reader;

static gboolean read_union (Reader *self);

/* The length of the identifier at @p, 0 if there is none. */
static gsize
identifier_length (const char *p)
{
  const char *start = p;

  for (; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c != '_' && !g_unichar_isalpha (c) && !(p > start && g_unichar_isdigit (c)))
        break;
    }
  return (gsize) (p - start);
}

gboolean
cli_annotation_is_name (const char *text)
{
  gsize length = identifier_length (text);

  return length > 0 && text[length] == '\0' && !g_strv_contains (keywords, text);
}

static void
skip_blanks (Reader *self)
{
  self->p += strspn (self->p, " ");
}

static gboolean
read_dotted (Reader *self)
{
  const char *start = self->p;

  for (;;)
    {
      gsize length = identifier_length (self->p);
      g_autofree char *part = g_strndup (self->p, length);

      if (length == 0)
        return FALSE;
      if (g_strv_contains (keywords, part))
        {
          gboolean alone = self->p == start && self->p[length] != '.';

          self->p += length;
          return alone && g_strv_contains (constants, part);
        }
      self->p += length;
      if (*self->p != '.')
        break;
      self->p++;
    }
  g_ptr_array_add (self->names, g_strndup (start, (gsize) (self->p - start)));
  return TRUE;
}

/* A string in one pair of quotes. */
static gboolean
read_string (Reader *self)
{
  char quote = *self->p++;

  for (; *self->p != quote; self->p++)
    {
      if ((guchar) *self->p < 0x20)
        return FALSE;
      if (*self->p == '\\')
        {
          self->p++;
          /* The other escapes have rules of their own. */
          if (*self->p == '\0' || strchr ("\\'\"nrt", *self->p) == NULL)
            return FALSE;
        }
    }
  self->p++;
  return TRUE;
}

static gboolean
read_number (Reader *self)
{
  char *end;

  if (*self->p == '-')
    self->p++;
  /* "012" is no number to Python, and what is not decimal is not needed. */
  if (!g_ascii_isdigit (*self->p) || (*self->p == '0' && g_ascii_isalnum (self->p[1])))
    return FALSE;
  g_ascii_strtod (self->p, &end);
  self->p = end;
  return !g_ascii_isalnum (*self->p) && *self->p != '_' && *self->p != '.';
}

/* "[a, b]": a subscript, or the parameters of a Callable, which may be none. */
static gboolean
read_brackets (Reader *self,
               gboolean may_be_empty)
{
  if (++self->depth > MAX_DEPTH)
    return FALSE;
  self->p++;
  skip_blanks (self);
  if (!(may_be_empty && *self->p == ']'))
    {
      while (read_union (self) && *self->p == ',')
        self->p++;
    }
  if (*self->p != ']')
    return FALSE;
  self->p++;
  self->depth--;
  return TRUE;
}

static gboolean
read_term (Reader *self)
{
  if (*self->p == '[')
    return read_brackets (self, TRUE);
  if (*self->p == '\'' || *self->p == '"')
    return read_string (self);
  if (*self->p == '-' || g_ascii_isdigit (*self->p))
    return read_number (self);
  if (g_str_has_prefix (self->p, "..."))
    {
      self->p += 3;
      return TRUE;
    }
  if (g_str_has_prefix (self->p, "()"))
    {
      self->p += 2;
      return TRUE;
    }
  if (!read_dotted (self))
    return FALSE;
  while (*self->p == '[')
    if (!read_brackets (self, FALSE))
      return FALSE;
  return TRUE;
}

/* On failure the reader stands at an end, where nobody goes on. */
static gboolean
read_union (Reader *self)
{
  for (;;)
    {
      skip_blanks (self);
      if (!read_term (self))
        {
          self->p = "";
          return FALSE;
        }
      skip_blanks (self);
      if (*self->p != '|')
        return TRUE;
      self->p++;
    }
}

GPtrArray *
cli_annotation_read (const char *text)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  Reader reader = { .p = text, .names = names };

  if (strlen (text) > MAX_ANNOTATION || !read_union (&reader) || *reader.p != '\0')
    return NULL;
  return g_steal_pointer (&names);
}

gboolean
cli_annotation_is_literal (const char *text)
{
  Reader reader = { .p = text };

  if (g_strv_contains (constants, text))
    return TRUE;
  if (strlen (text) > MAX_LITERAL)
    return FALSE;
  return (*text == '\'' || *text == '"' ? read_string (&reader) : read_number (&reader))
         && *reader.p == '\0';
}
