/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-early-cancels-private.h"

void
_pyisolate_early_cancels_add (PyIsolateEarlyCancels *self,
                              guint64                id)
{
  if (_pyisolate_id_table_lookup (&self->ids, id) != NULL)
    return;

  if (self->order == NULL)
    self->order = g_new0 (guint64, PYISOLATE_MAX_EARLY_CANCELS);
  _pyisolate_id_table_steal (&self->ids, self->order[self->next]);
  self->order[self->next] = id;
  self->next = (self->next + 1) % PYISOLATE_MAX_EARLY_CANCELS;
  _pyisolate_id_table_insert (&self->ids, id, self);
}

gboolean
_pyisolate_early_cancels_take (PyIsolateEarlyCancels *self,
                               guint64                id)
{
  return _pyisolate_id_table_steal (&self->ids, id) != NULL;
}

void
_pyisolate_early_cancels_clear (PyIsolateEarlyCancels *self)
{
  _pyisolate_id_table_clear (&self->ids);
  g_clear_pointer (&self->order, g_free);
}
