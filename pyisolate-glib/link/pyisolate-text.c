/* SPDX-License-Identifier: MIT */
/* Texts that are for people to read, which nobody does to the end of what a program can write. */
#include "config.h"

#include "pyisolate-text-private.h"

#include <string.h>

/* Of what says how much is missing. */
#define NOTE_SIZE 48

/*< private >
 * @text: in UTF-8
 * @max: bytes that the copy may have; more than its note needs
 *
 * Copies a text, or as much of it as there is room for and a note of how much was left out: the same again, if it is done twice.
 */
char *
_pyisolate_text_dup_bounded (const char *text,
                             gsize       max)
{
  gsize length = strlen (text);
  gsize kept = max - NOTE_SIZE;

  g_assert (max > NOTE_SIZE);

  if (length <= max)
    return g_strdup (text);

  while (kept > 0 && ((guchar) text[kept] & 0xc0) == 0x80) /* within a character */
    kept--;
  return g_strdup_printf ("%.*s… (%" G_GSIZE_FORMAT " bytes more)", (int) kept, text, length - kept);
}
