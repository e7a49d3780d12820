/* SPDX-License-Identifier: MIT */
/* What waits to go out on a lane, in order: whole messages of small frames that were gathered, and large frames with what is left
 * of them. A call may be taken back as long as nothing of it has gone. */
#include "config.h"

#include "pyisolate-lane-send-private.h"

#include "pyisolate-error.h"

#include <string.h>

/* So many bytes of small frames go in one message. */
#define GATHERED_SIZE PYISOLATE_RING_MAX_MESSAGE

typedef struct {
  /* One of these two: */
  GByteArray *gathered;  /* a message of small frames */
  PyIsolateFrame *frame; /* a large one, or one with descriptors */
  gsize sent;            /* of its payload */
  gboolean begun;
  gsize cost;
} Item;

static void
item_free (Item *item)
{
  g_clear_pointer (&item->gathered, g_byte_array_unref);
  g_clear_pointer (&item->frame, _pyisolate_frame_free);
  g_free (item);
}

/* Nothing of it arrives, not even if a part of it has been sent. */
static void
item_drop (PyIsolateLane *self,
           Item          *item)
{
  if (item->gathered != NULL)
    _pyisolate_lane_take_back_message (self, item->gathered->data, item->gathered->len);
  else
    _pyisolate_lane_take_back_records (self, item->frame->records, item->frame->n_records);
  item_free (item);
}

void
_pyisolate_lane_send_clear (PyIsolateLane *self)
{
  Item *item;

  while ((item = g_queue_pop_head (&self->queue)) != NULL)
    item_drop (self, item);
  g_queue_clear_full (&self->refused, (GDestroyNotify) _pyisolate_frame_free);
  self->queued_bytes = 0;
  g_atomic_int_set (&self->wants_write, FALSE);
}

PyIsolateFrameView
_pyisolate_lane_view_of_frame (PyIsolateFrame *frame)
{
  PyIsolateFrameView view = {
    .kind = frame->kind,
    .id = frame->id,
    .chain = frame->chain,
    .n_chain = frame->n_chain,
    .records = frame->records,
    .n_records = frame->n_records,
    .target = frame->target,
    .name = frame->name,
    .message = frame->message,
    .fds = frame->fds,
    .n_fds = frame->n_fds,
  };

  if (frame->body != NULL)
    view.body = g_bytes_get_data (frame->body, &view.body_size);

  return view;
}

static PyIsolateSendState
send_item (PyIsolateLane *self,
           Item          *item)
{
  PyIsolateFrameView view;

  if (item->gathered != NULL)
    return _pyisolate_lane_send_bytes (self, item->gathered->data, item->gathered->len);

  view = _pyisolate_lane_view_of_frame (item->frame);
  return _pyisolate_lane_send_parts (self, &view, &item->sent, &item->begun);
}

/* The socket does not take it, by errno, though who sent it believes that it has gone. A call or an answer is refused alone,
 * which whoever flushes tells. Without anything else the two sides would not know the same. */
static void
refuse_item (PyIsolateLane *self,
             Item          *item)
{
  PyIsolateFrame *frame = item->frame;
  PyIsolateFrameView view;

  if (_pyisolate_lane_is_peer_gone (errno) || frame == NULL || item->begun ||
      (frame->kind != PYISOLATE_FRAME_CALL && frame->kind != PYISOLATE_FRAME_RETURN))
    {
      _pyisolate_lane_break_locked (self);
      return;
    }

  self->refused_errno = errno;
  view = _pyisolate_lane_view_of_frame (frame);
  self->in_flight -= _pyisolate_lane_get_bulk (&view);
  _pyisolate_lane_take_back_records (self, frame->records, frame->n_records);
  g_queue_push_tail (&self->refused, g_steal_pointer (&item->frame));
}

/* With the lock held. */
void
_pyisolate_lane_flush_locked (PyIsolateLane *self)
{
  Item *item;

  while (!self->broken && (item = g_queue_peek_head (&self->queue)) != NULL)
    {
      PyIsolateSendState state = send_item (self, item);

      if (state == PYISOLATE_SEND_BROKEN)
        refuse_item (self, item);
      if (state == PYISOLATE_SEND_BLOCKED || self->broken)
        break;
      g_queue_pop_head (&self->queue);
      self->queued_bytes -= item->cost;
      item_free (item);
    }

  if (self->broken)
    _pyisolate_lane_send_clear (self);
  _pyisolate_lane_update_wants_write_locked (self);
}

void
_pyisolate_lane_update_wants_write_locked (PyIsolateLane *self)
{
  g_atomic_int_set (&self->wants_write, !g_queue_is_empty (&self->queue) || !g_queue_is_empty (&self->refused));
}

/* Whether so much more may wait. */
gboolean
_pyisolate_lane_check_room (PyIsolateLane       *self,
                            PyIsolateFrameKind   kind,
                            gsize                cost,
                            GError             **error)
{
  gsize limit = _pyisolate_lane_is_answer (kind) ? PYISOLATE_LANE_MAX_QUEUED_ANSWERS : PYISOLATE_LANE_MAX_QUEUED;

  if (self->queued_bytes == 0 || self->queued_bytes + cost <= limit)
    return TRUE;

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
               "More than %" G_GSIZE_FORMAT " MiB wait for the other side to read them", limit >> 20);
  return FALSE;
}

static void
push_item (PyIsolateLane *self,
           Item          *item)
{
  self->queued_bytes += item->cost;
  g_queue_push_tail (&self->queue, item);
}

static void
push_small (PyIsolateLane            *self,
            PyIsolateLaneHeader      *header,
            const PyIsolateFrameView *view)
{
  gsize size = _pyisolate_lane_small_size (header);
  Item *last = g_queue_peek_tail (&self->queue);

  if (last == NULL || last->gathered == NULL || last->gathered->len + size > GATHERED_SIZE)
    {
      last = g_new0 (Item, 1);
      last->gathered = g_byte_array_sized_new (size);
      push_item (self, last);
    }

  g_byte_array_set_size (last->gathered, last->gathered->len + size);
  _pyisolate_lane_write_small (last->gathered->data + last->gathered->len - size, header, view);
  last->cost += size;
  self->queued_bytes += size;
}

/* With what this side owes. */
void
_pyisolate_lane_queue_small (PyIsolateLane            *self,
                             PyIsolateLaneHeader      *header,
                             const PyIsolateFrameView *view)
{
  header->credit = _pyisolate_lane_get_credit (self);
  push_small (self, header, view);
  self->owed -= header->credit;
}

void
_pyisolate_lane_queue_large (PyIsolateLane  *self,
                             PyIsolateFrame *frame_to_take,
                             gsize           sent,
                             gboolean        begun)
{
  PyIsolateFrameView view = _pyisolate_lane_view_of_frame (frame_to_take);
  Item *item = g_new0 (Item, 1);

  item->frame = frame_to_take;
  item->sent = sent;
  item->begun = begun;
  item->cost = sizeof *frame_to_take + view.body_size;
  push_item (self, item);
}

/* Of a small frame, as it stands in its message. */
static gsize
get_bulk_at (const guint8              *at,
             const PyIsolateLaneHeader *header)
{
  const guint8 *records = at + sizeof *header + header->n_chain * sizeof (guint64);
  PyIsolateFrameView view = {
    .kind = header->kind,
    .body_size = header->body_size,
    .records = (const PyIsolateMemoryRecord *) (gconstpointer) records,
    .n_records = header->n_records,
  };

  return _pyisolate_lane_get_bulk (&view);
}

/* What a frame that is withdrawn tells beside its call the other side must hear: makes one of its own of that, in its place.
 * Returns its size. */
static gsize
keep_rest (guint8              *at,
              PyIsolateLaneHeader *header)
{
  gsize size = header->n_records * sizeof (PyIsolateMemoryRecord);
  PyIsolateLaneHeader rest = {
    .kind = size > 0 ? PYISOLATE_FRAME_MEMORY : PYISOLATE_LANE_CREDIT,
    .n_records = header->n_records,
    .credit = header->credit,
    .part_size = size,
  };

  if (size == 0 && header->credit == 0)
    return 0;

  memmove (at + sizeof rest, at + sizeof rest + header->n_chain * sizeof (guint64), size);
  memcpy (at, &rest, sizeof rest);

  return sizeof rest + size;
}

/* Cuts the frame out of a message of small ones. */
static gboolean
withdraw_gathered (PyIsolateLane *self,
                   Item          *item,
                   guint64        id)
{
  for (guint at = 0; at < item->gathered->len;)
    {
      PyIsolateLaneHeader header;
      gsize size;

      memcpy (&header, item->gathered->data + at, sizeof header);
      size = _pyisolate_lane_small_size (&header);
      if (header.kind == PYISOLATE_FRAME_CALL && header.id == id)
        {
          gsize kept;

          self->in_flight -= get_bulk_at (item->gathered->data + at, &header);
          kept = keep_rest (item->gathered->data + at, &header);
          g_byte_array_remove_range (item->gathered, at + kept, size - kept);
          item->cost -= size - kept;
          self->queued_bytes -= size - kept;
          return TRUE;
        }
      at += size;
    }

  return FALSE;
}

/* What it tells of memory the other side must hear: for that alone it goes on. */
static void
withdraw_large (PyIsolateLane *self,
                Item          *item)
{
  PyIsolateFrameView view = _pyisolate_lane_view_of_frame (item->frame);

  self->in_flight -= _pyisolate_lane_get_bulk (&view);
  item->frame->kind = PYISOLATE_FRAME_MEMORY;
  item->frame->id = 0;
  item->frame->n_chain = 0;
  _pyisolate_frame_set_target (item->frame, NULL);
  _pyisolate_frame_set_name (item->frame, NULL);
  g_clear_pointer (&item->frame->body, g_bytes_unref);
  self->queued_bytes -= item->cost - sizeof *item->frame;
  item->cost = sizeof *item->frame;
}

static gboolean
withdraw_locked (PyIsolateLane *self,
                 guint64        id)
{
  if (_pyisolate_lane_withdraw_held_locked (self, id))
    return TRUE;

  for (GList *l = self->queue.head; l != NULL; l = l->next)
    {
      Item *item = l->data;
      gboolean found;

      if (item->gathered != NULL)
        found = withdraw_gathered (self, item, id);
      else
        found = item->frame->kind == PYISOLATE_FRAME_CALL && item->frame->id == id && !item->begun;
      if (!found)
        continue;

      if (item->gathered == NULL)
        withdraw_large (self, item);
      if (item->gathered == NULL ? item->frame->n_records == 0 : item->gathered->len == 0)
        {
          self->queued_bytes -= item->cost;
          g_queue_delete_link (&self->queue, l);
          item_free (item);
        }
      if (g_queue_is_empty (&self->queue))
        _pyisolate_lane_update_wants_write_locked (self);
      return TRUE;
    }

  return FALSE;
}

/* TRUE: the other side will never see it. */
gboolean
_pyisolate_lane_withdraw (PyIsolateLane *self,
                          guint64        id)
{
  gboolean withdrawn, may_release;

  g_mutex_lock (&self->send_mutex);
  withdrawn = withdraw_locked (self, id);
  may_release = withdrawn && _pyisolate_lane_may_release_locked (self);
  g_mutex_unlock (&self->send_mutex);

  if (may_release)
    _pyisolate_lane_release_later (self);
  return withdrawn;
}
