/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

#include <string.h>

G_BEGIN_DECLS

/* What every call needs, in place of g_new0(): the GNU C library's calloc() goes past the lists of small pieces that it keeps
 * for each thread, and takes more than three times as long as this. */
static inline gpointer
_pyisolate_alloc0 (gsize size)
{
  return memset (g_malloc (size), 0, size);
}

#define _pyisolate_new0(Type) ((Type *) _pyisolate_alloc0 (sizeof (Type)))

G_END_DECLS
