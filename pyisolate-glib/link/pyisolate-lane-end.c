/* SPDX-License-Identifier: MIT */
/* What a lane that ends does about shared memory. What its frames gave and told belongs to the link, which goes on: where a frame
 * did not arrive, it was not given, and has to be told by another. So the host reads what is there, for that alone, before it
 * closes a lane whose context is gone; and a worker, whose answers may come later than that, looks at what nobody will read. */
#include "config.h"

#include "pyisolate-lane-send-private.h"

#include "pyisolate-memory-book-private.h"

void
_pyisolate_lane_take_back_records (PyIsolateLane               *self,
                                   const PyIsolateMemoryRecord *records,
                                   guint                        n_records)
{
  PyIsolateMemoryBook *memory = _pyisolate_transport_get_memory (PYISOLATE_TRANSPORT (self));

  if (memory != NULL && n_records > 0)
    _pyisolate_memory_book_unfill (memory, records, n_records);
}

/* Of whole frames. */
void
_pyisolate_lane_take_back_message (PyIsolateLane *self,
                                   const guint8  *data,
                                   gsize          size)
{
  PyIsolateLaneHeader header;
  PyIsolateFrameView view;

  for (gsize at = 0; at < size && _pyisolate_lane_check_header (data + at, size - at, &header) == NULL && header.flags == 0;
       at += _pyisolate_lane_small_size (&header))
    {
      if (header.n_records > 0 && _pyisolate_lane_check_payload (&header, data + at + sizeof header, &view) == NULL)
        _pyisolate_lane_take_back_records (self, view.records, view.n_records);
    }
}

static void
take_back_unread_locked (PyIsolateLane *self)
{
  g_autofree guint8 *buffer = g_malloc (PYISOLATE_RING_MAX_MESSAGE);
  gsize size;

  while (_pyisolate_ring_take_unread (self->out, buffer, &size))
    _pyisolate_lane_take_back_message (self, buffer, size);
}

/* It has ended, by either side: what waits goes nowhere, and what comes later neither. */
void
_pyisolate_lane_take_back (PyIsolateLane *self)
{
  g_mutex_lock (&self->send_mutex);
  self->broken = TRUE;
  _pyisolate_lane_send_clear (self);
  if (self->out != NULL && !g_atomic_int_get (&self->closing))
    take_back_unread_locked (self);
  g_mutex_unlock (&self->send_mutex);
}

static void
take_last_frame (PyIsolateLane  *self,
                 PyIsolateFrame *frame_to_take)
{
  PyIsolateMemoryBook *memory = _pyisolate_transport_get_memory (PYISOLATE_TRANSPORT (self));
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GError) error = NULL;

  if (memory != NULL && !_pyisolate_memory_book_take (memory, frame, &error))
    _pyisolate_transport_close (PYISOLATE_TRANSPORT (self), error);
}

/*< private >
 * Closes it. Nobody is there any more for what has come, but for what that says of shared memory. The handler is told. A worker
 * that sends meanwhile more than there is room for has its memory pinned.
 */
void
_pyisolate_lane_end (PyIsolateLane *self)
{
  gsize n_frames = _pyisolate_lane_get_capacity (self) / sizeof (PyIsolateLaneHeader);
  PyIsolateFrameView view;

  _pyisolate_lane_lock (self);
  while (n_frames-- > 0 && _pyisolate_lane_next (self, &view))
    take_last_frame (self, _pyisolate_lane_steal_frame (self));
  /* In this order: who hears of the end knows that nothing more is read. */
  _pyisolate_transport_close (PYISOLATE_TRANSPORT (self), NULL);
  _pyisolate_lane_next (self, &view);
  _pyisolate_lane_unlock (self);
}
