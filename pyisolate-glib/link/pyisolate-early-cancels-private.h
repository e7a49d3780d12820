/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-id-table-private.h"

G_BEGIN_DECLS

/* Calls that were cancelled and have not come yet.
 *
 * Of a call that is not known nobody can tell whether it is still being sent, or was answered just now, which is by far the
 * usual thing. A number that was answered never comes again, so it is enough to keep the last ones: more than that are not
 * being sent at a time. */
#define PYISOLATE_MAX_EARLY_CANCELS 1024

/* All zeros: none. */
typedef struct {
  PyIsolateIdTable ids;
  guint64 *order; /* a ring of that many: what is at `next` is the oldest */
  guint next;
} PyIsolateEarlyCancels;

void     _pyisolate_early_cancels_add   (PyIsolateEarlyCancels *self,
                                         guint64                id);
/* Whether the call that has come was cancelled before; it is forgotten then. */
gboolean _pyisolate_early_cancels_take  (PyIsolateEarlyCancels *self,
                                         guint64                id);
void     _pyisolate_early_cancels_clear (PyIsolateEarlyCancels *self);

G_END_DECLS
