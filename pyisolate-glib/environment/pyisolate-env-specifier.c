/* SPDX-License-Identifier: MIT */
/* The version specifiers of PEP 440, for versions of interpreters: numbers and nothing else. What a specifier has behind its
 * numbers ("rc1") says nothing about these, so a candidate counts as what it becomes. */
#include "config.h"

#include "pyisolate-env-specifier-private.h"

#include <string.h>

#define MAX_NUMBERS 6

typedef struct {
  guint numbers[MAX_NUMBERS]; /* those behind the last are 0 */
  guint n_numbers;
  gboolean is_prefix;         /* ends in ".*" */
} Release;

static gboolean
parse_release (const char *text,
               Release    *release)
{
  const char *p = text;

  *release = (Release) { { 0 } };
  while (release->n_numbers < MAX_NUMBERS && g_ascii_isdigit (*p))
    {
      char *end;
      guint64 number = g_ascii_strtoull (p, &end, 10);

      release->numbers[release->n_numbers++] = (guint) MIN (number, G_MAXUINT);
      if (*end != '.')
        return TRUE;
      p = end + 1;
    }

  release->is_prefix = release->n_numbers > 0 && g_str_equal (p, "*");
  return release->is_prefix;
}

/* Of the first @n numbers. */
static int
compare (const Release *a,
         const Release *b,
         guint          n)
{
  for (guint i = 0; i < n; i++)
    {
      if (a->numbers[i] != b->numbers[i])
        return a->numbers[i] < b->numbers[i] ? -1 : 1;
    }

  return 0;
}

static gboolean
clause_fits (const char    *clause,
             const char    *version,
             const Release *have)
{
  static const char *const operators[] = { "===", "~=", "==", "!=", "<=", ">=", "<", ">" };
  const char *operator = NULL;
  g_autofree char *text = NULL;
  Release wanted;
  int order;

  for (guint i = 0; i < G_N_ELEMENTS (operators) && operator == NULL; i++)
    {
      if (g_str_has_prefix (clause, operators[i]))
        operator = operators[i];
    }
  if (operator == NULL)
    return FALSE;

  text = g_strstrip (g_strdup (clause + strlen (operator)));
  if (g_str_equal (operator, "==="))
    return g_str_equal (text, version);
  if (!parse_release (text, &wanted))
    return FALSE;

  order = compare (have, &wanted, wanted.is_prefix ? wanted.n_numbers : MAX_NUMBERS);
  if (g_str_equal (operator, "~="))
    return wanted.n_numbers > 1 && order >= 0 && compare (have, &wanted, wanted.n_numbers - 1) == 0;
  if (g_str_equal (operator, "=="))
    return order == 0;
  if (g_str_equal (operator, "!="))
    return order != 0;
  if (*operator == '<')
    return order < 0 || (order == 0 && operator[1] == '=');
  return order > 0 || (order == 0 && operator[1] == '=');
}

gboolean
_pyisolate_env_specifier_fits (const char *specifier,
                               const char *version)
{
  g_auto (GStrv) clauses = g_strsplit (specifier, ",", -1);
  Release have;

  if (!parse_release (version, &have))
    return FALSE;

  for (guint i = 0; clauses[i] != NULL; i++)
    {
      if (*g_strstrip (clauses[i]) != '\0' && !clause_fits (clauses[i], version, &have))
        return FALSE;
    }

  return TRUE;
}
