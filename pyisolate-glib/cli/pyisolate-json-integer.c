/* SPDX-License-Identifier: MIT */
/* Integers of any size between base ten, which people read, and base sixteen, which travels. */
#include "config.h"

#include "pyisolate-json-values.h"

#include <string.h>

/* The work grows with the square of the length. */
#define MAX_DIGITS 100000

/* The limbs are of base @base, the least one first. */
static void
multiply_and_add (GArray *limbs,
                  guint64 factor,
                  guint64 summand,
                  guint64 base)
{
  guint64 carry = summand;

  for (guint i = 0; i < limbs->len; i++)
    {
      guint32 *limb = &g_array_index (limbs, guint32, i);
      guint64 product = *limb * factor + carry;

      *limb = product % base;
      carry = product / base;
    }
  while (carry != 0)
    {
      guint32 limb = carry % base;

      g_array_append_val (limbs, limb);
      carry /= base;
    }
}

/* @digits in chunks of @chunk characters of base @from, as limbs of base @to. */
static GArray *
convert (const char *digits,
         guint       from,
         guint       chunk,
         guint64     to)
{
  GArray *limbs = g_array_new (FALSE, FALSE, sizeof (guint32));
  gsize length = strlen (digits);

  for (gsize at = 0; at < length;)
    {
      gsize n = length - at < chunk ? length - at : chunk;
      g_autofree char *part = g_strndup (digits + at, n);
      guint64 factor = 1;

      for (gsize i = 0; i < n; i++)
        factor *= from;
      multiply_and_add (limbs, factor, g_ascii_strtoull (part, NULL, from), to);
      at += n;
    }
  return limbs;
}

static char *
print_limbs (GArray     *limbs,
             const char *sign,
             const char *prefix)
{
  GString *text = g_string_new (sign);

  g_string_append (text, prefix);
  if (limbs->len == 0)
    g_string_append_c (text, '0');
  for (guint i = limbs->len; i > 0; i--)
    {
      guint32 limb = g_array_index (limbs, guint32, i - 1);

      if (strcmp (prefix, "0x") == 0)
        g_string_append_printf (text, i == limbs->len ? "%x" : "%08x", limb);
      else
        g_string_append_printf (text, i == limbs->len ? "%u" : "%09u", limb);
    }
  return g_string_free (text, FALSE);
}

char *
_pyisolate_json_integer_to_decimal (const char *hexadecimal)
{
  const char *sign = hexadecimal[0] == '-' ? "-" : "";
  const char *digits = hexadecimal + strlen (sign);
  g_autoptr(GArray) limbs = NULL;

  if (!g_str_has_prefix (digits, "0x"))
    return NULL;
  digits += 2;
  if (*digits == '\0' || strlen (digits) > MAX_DIGITS
      || strspn (digits, G_CSET_DIGITS "abcdefABCDEF") != strlen (digits))
    return NULL;
  limbs = convert (digits, 16, 7, 1000000000);
  return print_limbs (limbs, sign, "");
}

char *
_pyisolate_json_integer_to_hex (const char *decimal)
{
  const char *sign = decimal[0] == '-' ? "-" : "";
  const char *digits = decimal + strlen (sign);
  g_autoptr(GArray) limbs = NULL;

  if (*digits == '\0' || strlen (digits) > MAX_DIGITS
      || strspn (digits, G_CSET_DIGITS) != strlen (digits))
    return NULL;
  limbs = convert (digits, 10, 9, G_GUINT64_CONSTANT (1) << 32);
  return print_limbs (limbs, sign, "0x");
}
