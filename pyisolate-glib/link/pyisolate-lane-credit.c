/* SPDX-License-Identifier: MIT */
/* How much of what is large is under way on a lane.
 *
 * Who has a thousand bulk calls in flight wants the thousand and first, which is small, answered before them. So only a few
 * are with the other side at a time, and in the socket. The others are held here, before they take shared memory and records
 * of it along, and whatever is small passes them, unless it belongs to the same call. The other side tells, in bytes, what it
 * has taken up: in the head of its next small frame, or by itself when it is much. It counts as this side does. */
#include "config.h"

#include "pyisolate-lane-struct-private.h"

#include "pyisolate-error.h"

/* So much is taken before that is told in a frame of its own: less than what may be under way, so that it always goes on. */
#define MOST_OWED (PYISOLATE_LANE_BULK_WINDOW / 4 * 3)

/* A piece of memory counts as so much: it may be bytes, which are copied, or a tensor, which costs nothing. */
#define MOST_OF_A_PIECE ((gsize) 64 * 1024)

/* So much it counts as at least: what a call takes beside its copies. */
#define MIN_BULK ((gsize) 16 * 1024)

static gsize
get_bulk (gsize size)
{
  return size >= PYISOLATE_LANE_BULK_SIZE ? MAX (size, MIN_BULK) : 0;
}

/* Of a frame on the wire: its body may be in shared memory, and what the body names is. Both sides get the same, whatever a
 * worker says. */
gsize
_pyisolate_lane_get_bulk (const PyIsolateFrameView *view)
{
  gsize size = view->body_size;

  if (view->kind == PYISOLATE_FRAME_MEMORY)
    return 0;

  for (guint i = 0; i < view->n_records; i++)
    {
      if (view->records[i].kind == PYISOLATE_MEMORY_USE)
        size += MIN (view->records[i].argument, MOST_OF_A_PIECE);
    }

  return get_bulk (size);
}

static gsize
get_size_of_frame (PyIsolateFrame *frame)
{
  gsize size = frame->body != NULL ? g_bytes_get_size (frame->body) : 0;

  for (guint i = 0; frame->memories != NULL && i < frame->memories->len; i++)
    size += MIN (pyisolate_memory_get_size (frame->memories->pdata[i]), MOST_OF_A_PIECE);

  return size;
}

static gsize
get_bulk_of_frame (PyIsolateFrame *frame)
{
  return get_bulk (get_size_of_frame (frame));
}

/* What it counts as while it is held. */
static gsize
get_held_size (PyIsolateFrame *frame)
{
  return sizeof *frame + get_size_of_frame (frame);
}

static void
update_is_holding_locked (PyIsolateLane *self)
{
  g_atomic_int_set (&self->is_holding, !g_queue_is_empty (&self->held) || self->releasing != NULL);
}

static gboolean
is_of_call (PyIsolateFrame *frame,
            guint64         id)
{
  if (frame->id == id)
    return TRUE;

  for (guint i = 0; i < frame->n_chain; i++)
    {
      if (frame->chain[i] == id)
        return TRUE;
    }

  return FALSE;
}

/* Whether they have a call in common. */
static gboolean
belong_together (PyIsolateFrame *frame,
                 const guint64  *ids,
                 guint           n_ids)
{
  for (guint i = 0; i < n_ids; i++)
    {
      if (is_of_call (frame, ids[i]))
        return TRUE;
    }

  return FALSE;
}

/* Whether it must not pass what is held. */
static gboolean
follows_held_locked (PyIsolateLane  *self,
                     PyIsolateFrame *frame)
{
  GArray *releasing = self->releasing;

  if (releasing != NULL && belong_together (frame, (const guint64 *) (gpointer) releasing->data, releasing->len))
    return TRUE;

  for (GList *l = self->held.head; l != NULL; l = l->next)
    {
      PyIsolateFrame *held = l->data;

      if (is_of_call (frame, held->id) || belong_together (frame, held->chain, held->n_chain))
        return TRUE;
    }

  return FALSE;
}

static gboolean
must_wait_locked (PyIsolateLane  *self,
                  PyIsolateFrame *frame,
                  gsize           bulk)
{
  if (self->unlimited || self->broken || g_atomic_int_get (&self->closing))
    return FALSE;
  if (bulk > 0 && (self->in_flight >= PYISOLATE_LANE_BULK_WINDOW || g_atomic_int_get (&self->is_holding)))
    return TRUE;

  return g_atomic_int_get (&self->is_holding) && frame->kind != PYISOLATE_FRAME_MEMORY &&
         follows_held_locked (self, frame);
}

/* Whether it may wait, too. */
static gboolean
has_room_locked (PyIsolateLane       *self,
                 PyIsolateFrameKind   kind,
                 gsize                size,
                 GError             **error)
{
  gboolean is_answer = _pyisolate_lane_is_answer (kind);
  gsize limit = is_answer ? PYISOLATE_LANE_MAX_QUEUED_ANSWERS : PYISOLATE_LANE_MAX_HELD;

  if (self->held_bytes + size <= limit)
    return TRUE;

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
               "More than %" G_GSIZE_FORMAT " MiB wait for the other side to take them", limit >> 20);
  return FALSE;
}

/* Steals *@frame if it has to wait. */
gboolean
_pyisolate_lane_hold (PyIsolateTransport *transport,
                      PyIsolateFrame    **frame,
                      GError            **error)
{
  PyIsolateLane *self = PYISOLATE_LANE (transport);
  gsize bulk = get_bulk_of_frame (*frame);
  PyIsolateFrameKind kind = (*frame)->kind;
  g_autoptr (GError) own_error = NULL;
  gsize size;

  if (bulk == 0 && !g_atomic_int_get (&self->is_holding))
    return TRUE;

  size = get_held_size (*frame);
  g_mutex_lock (&self->send_mutex);
  if (must_wait_locked (self, *frame, bulk) && has_room_locked (self, kind, size, &own_error))
    {
      self->held_bytes += size;
      (*frame)->has_memory_ready = FALSE; /* whoever sends it then may wait */
      g_queue_push_tail (&self->held, g_steal_pointer (frame));
      update_is_holding_locked (self);
    }
  g_mutex_unlock (&self->send_mutex);

  if (own_error == NULL)
    return TRUE;

  /* As with one that the socket has no room for. */
  if (_pyisolate_lane_is_answer (kind))
    _pyisolate_lane_fail (self, g_error_copy (own_error));
  g_propagate_error (error, g_steal_pointer (&own_error));
  return FALSE;
}

gboolean
_pyisolate_lane_may_release_locked (PyIsolateLane *self)
{
  PyIsolateFrame *next = g_queue_peek_head (&self->held);

  return next != NULL && (self->unlimited || self->in_flight < PYISOLATE_LANE_BULK_WINDOW || get_bulk_of_frame (next) == 0);
}

static PyIsolateFrame *
begin_release_locked (PyIsolateLane *self)
{
  PyIsolateFrame *frame;

  g_array_set_size (self->releasing, 0);
  if (!_pyisolate_lane_may_release_locked (self))
    return NULL;

  frame = g_queue_pop_head (&self->held);
  self->held_bytes -= get_held_size (frame);
  g_array_append_val (self->releasing, frame->id);
  g_array_append_vals (self->releasing, frame->chain, frame->n_chain);

  return frame;
}

void
_pyisolate_lane_fail_call (PyIsolateLane      *self,
                           PyIsolateFrameKind  kind,
                           guint64             id,
                           const GError       *error)
{
  if (kind == PYISOLATE_FRAME_RETURN)
    _pyisolate_transport_send_now (PYISOLATE_TRANSPORT (self), _pyisolate_frame_new_error (id, error), NULL);
  else if (kind == PYISOLATE_FRAME_CALL)
    _pyisolate_transport_emit_frame (PYISOLATE_TRANSPORT (self), _pyisolate_frame_new_error (id, error));
}

static void
send_held (PyIsolateLane  *self,
           PyIsolateFrame *frame)
{
  g_autoptr (GError) error = NULL;
  PyIsolateFrameKind kind = frame->kind;
  guint64 id = frame->id;

  if (!_pyisolate_transport_send_now (PYISOLATE_TRANSPORT (self), frame, &error) &&
      !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    _pyisolate_lane_fail_call (self, kind, id, error);
}

/* One thread at a time, so that frames keep their order. */
void
_pyisolate_lane_release (PyIsolateLane *self)
{
  PyIsolateFrame *frame;

  if (!g_atomic_int_get (&self->is_holding))
    return;

  g_mutex_lock (&self->send_mutex);
  if (self->releasing == NULL && _pyisolate_lane_may_release_locked (self))
    {
      self->releasing = g_array_new (FALSE, FALSE, sizeof (guint64));
      while ((frame = begin_release_locked (self)) != NULL)
        {
          g_mutex_unlock (&self->send_mutex);
          send_held (self, frame);
          g_mutex_lock (&self->send_mutex);
        }
      g_clear_pointer (&self->releasing, g_array_unref);
      update_is_holding_locked (self);
    }
  g_mutex_unlock (&self->send_mutex);
}

void
_pyisolate_lane_release_later (PyIsolateLane *self)
{
  gboolean may_release;

  if (!g_atomic_int_get (&self->is_holding))
    return;

  g_mutex_lock (&self->send_mutex);
  may_release = _pyisolate_lane_may_release_locked (self);
  g_mutex_unlock (&self->send_mutex);

  if (may_release && self->waiting_func != NULL)
    self->waiting_func (self, self->waiting_data);
}

void
_pyisolate_lane_release_all (PyIsolateLane *self)
{
  g_mutex_lock (&self->send_mutex);
  self->unlimited = TRUE;
  g_mutex_unlock (&self->send_mutex);

  _pyisolate_lane_release (self);
}

/* Returns: what is wrong with it, or NULL */
const char *
_pyisolate_lane_take_credit (PyIsolateLane *self,
                             guint64        size)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->send_mutex);

  if (size > self->in_flight)
    return "more was taken than had been sent";

  self->in_flight -= size;
  return NULL;
}

guint32
_pyisolate_lane_get_credit (PyIsolateLane *self)
{
  return MIN (self->owed, G_MAXUINT32);
}

void
_pyisolate_lane_give_credit (GObject *lane,
                             gsize    size)
{
  PyIsolateLane *self = PYISOLATE_LANE (lane);
  gboolean waited;

  g_mutex_lock (&self->send_mutex);
  waited = g_atomic_int_get (&self->wants_write);
  self->owed += size;
  if (self->owed >= MOST_OWED)
    _pyisolate_lane_send_credit_locked (self);
  g_mutex_unlock (&self->send_mutex);

  if (!waited && g_atomic_int_get (&self->wants_write) && self->waiting_func != NULL)
    self->waiting_func (self, self->waiting_data);
}

/* With the lock held. */
gboolean
_pyisolate_lane_withdraw_held_locked (PyIsolateLane *self,
                                      guint64        id)
{
  for (GList *l = self->held.head; l != NULL; l = l->next)
    {
      g_autoptr (PyIsolateFrame) frame = NULL;

      if (((PyIsolateFrame *) l->data)->id != id || ((PyIsolateFrame *) l->data)->kind != PYISOLATE_FRAME_CALL)
        continue;

      frame = l->data;
      self->held_bytes -= get_held_size (frame);
      g_queue_delete_link (&self->held, l);
      update_is_holding_locked (self);
      return TRUE;
    }

  return FALSE;
}

void
_pyisolate_lane_credit_clear (PyIsolateLane *self)
{
  g_queue_clear_full (&self->held, (GDestroyNotify) _pyisolate_frame_free);
}
