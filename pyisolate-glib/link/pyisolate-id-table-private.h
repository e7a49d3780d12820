/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What belongs to the numbers of calls. They rise, each is used once, and few are under way at a time: for that a GHashTable
 * costs much more, as it leaves a mark wherever something was, and makes itself anew when there are many marks. */
typedef struct {
  guint64 id;
  gpointer value; /* NULL: nothing is here */
} PyIsolateIdEntry;

/* All zeros: an empty table. */
typedef struct {
  PyIsolateIdEntry *entries;
  guint n_bits; /* of their number */
  guint n_values;
} PyIsolateIdTable;

/* Returns what had this number before, or NULL. @value: not NULL. */
gpointer  _pyisolate_id_table_insert     (PyIsolateIdTable *self,
                                          guint64           id,
                                          gpointer          value);
gpointer  _pyisolate_id_table_lookup     (PyIsolateIdTable *self,
                                          guint64           id);
/* Takes it out, and returns it, or NULL. */
gpointer  _pyisolate_id_table_steal      (PyIsolateIdTable *self,
                                          guint64           id);
/* All that is in it, in no order; the array is the caller's. */
gpointer *_pyisolate_id_table_dup_values (PyIsolateIdTable *self,
                                          guint            *n_values);
/* Makes it empty; what was in it is not touched. */
void      _pyisolate_id_table_clear      (PyIsolateIdTable *self);

G_END_DECLS
