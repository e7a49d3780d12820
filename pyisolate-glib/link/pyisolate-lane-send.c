/* SPDX-License-Identifier: MIT */
/* What goes out on a lane: at once, by one system call or none if it is small; or it waits: for the end of a turn, for who gathers
 * more, or for the socket. */
#include "config.h"

#include "pyisolate-lane-send-private.h"

#include "pyisolate-error.h"

#include <errno.h>

/* More small frames of one turn of a loop are not worth that the other side waits for the first of them. */
#define MAX_GATHERED 16

gboolean
_pyisolate_lane_is_answer (PyIsolateFrameKind kind)
{
  return kind == PYISOLATE_FRAME_RETURN || kind == PYISOLATE_FRAME_ERROR || kind == PYISOLATE_FRAME_CANCEL ||
         kind == PYISOLATE_FRAME_MEMORY;
}

static gboolean
set_closed (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "The link is closed");
  return FALSE;
}

static GError *
new_error (int saved_errno)
{
  return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT, "A message cannot be sent: %s", g_strerror (saved_errno));
}

gboolean
_pyisolate_lane_is_peer_gone (int saved_errno)
{
  return saved_errno == EPIPE || saved_errno == ECONNRESET || saved_errno == ENOTCONN;
}

void
_pyisolate_lane_break_locked (PyIsolateLane *self)
{
  int saved_errno = errno;

  self->broken = TRUE;
  /* Else the socket is as good as it was, and there is nothing that a reader would find. */
  if (!_pyisolate_lane_is_peer_gone (saved_errno))
    _pyisolate_lane_fail (self, new_error (saved_errno));
}

/* The socket refused the frame, of which nothing has gone yet, with errno. */
static gboolean
refuse (PyIsolateLane *self,
        GError       **error)
{
  if (_pyisolate_lane_is_peer_gone (errno))
    {
      self->broken = TRUE;
      return set_closed (error);
    }

  g_propagate_error (error, new_error (errno));
  return FALSE;
}

gconstpointer
_pyisolate_lane_get_thread (void)
{
  static _Thread_local char thread;

  return &thread;
}

/* Not the first of its turn. */
static gboolean
must_gather_locked (PyIsolateLane *self)
{
  PyIsolateTurn *turn = self->turn;
  int number;

  if (turn == NULL || g_atomic_pointer_get (&turn->thread) != _pyisolate_lane_get_thread ())
    return FALSE;

  number = g_atomic_int_get (&turn->number);
  if (self->last_turn == number)
    return TRUE;

  self->last_turn = number;
  self->n_gathered = 0;
  return FALSE;
}

/* What has been queued waits for the end of the turn, or goes because it is enough. */
static void
gather_locked (PyIsolateLane *self,
               gboolean       small)
{
  if (small && ++self->n_gathered < MAX_GATHERED)
    {
      if (g_atomic_int_compare_and_exchange (&self->turn->has_gathered, FALSE, TRUE))
        self->turn->gathered_func (self->turn->data);
      return;
    }

  self->n_gathered = 0;
  if (self->n_corks == 0)
    _pyisolate_lane_flush_locked (self);
}

/* With the lock held. @frame: what owns what is in the view, stolen if it must wait; NULL if it is small. */
static gboolean
send_or_queue_locked (PyIsolateLane            *self,
                      const PyIsolateFrameView *view,
                      PyIsolateFrame          **frame,
                      GError                  **error)
{
  gboolean gathers = must_gather_locked (self);
  gboolean must_wait = gathers || self->n_corks > 0 || !g_queue_is_empty (&self->queue);
  gboolean begun = FALSE;
  PyIsolateLaneHeader header;
  PyIsolateSendState state = PYISOLATE_SEND_BLOCKED;
  gsize sent = 0;
  gboolean small;

  if (self->broken || g_atomic_int_get (&self->closing))
    return set_closed (error);

  _pyisolate_lane_header_init (&header, view);
  small = _pyisolate_lane_is_small (&header);
  if (!must_wait)
    state = small ? _pyisolate_lane_send_small (self, &header, view) : _pyisolate_lane_send_parts (self, view, &sent, &begun);
  if (state == PYISOLATE_SENT)
    return TRUE;

  if (state == PYISOLATE_SEND_BROKEN && !begun)
    return refuse (self, error);
  if (state == PYISOLATE_SEND_BROKEN)
    {
      _pyisolate_lane_break_locked (self);
      return TRUE;
    }

  if (!begun && !_pyisolate_lane_check_room (self, view->kind, _pyisolate_lane_small_size (&header), error))
    return FALSE;
  if (small)
    _pyisolate_lane_queue_small (self, &header, view);
  else
    _pyisolate_lane_queue_large (self, g_steal_pointer (frame), sent, begun);
  if (gathers)
    gather_locked (self, small);
  else if (self->n_corks == 0)
    g_atomic_int_set (&self->wants_write, TRUE);

  return TRUE;
}

static gboolean
send_locked (PyIsolateLane            *self,
             const PyIsolateFrameView *view,
             PyIsolateFrame          **frame,
             GError                  **error)
{
  gsize bulk = _pyisolate_lane_get_bulk (view);

  if (!send_or_queue_locked (self, view, frame, error))
    return FALSE;

  self->in_flight += bulk;
  return TRUE;
}

/* A frame of its own, which the socket takes or not: then it goes with the next one. */
void
_pyisolate_lane_send_credit_locked (PyIsolateLane *self)
{
  const PyIsolateFrameView view = { .kind = PYISOLATE_LANE_CREDIT };

  send_or_queue_locked (self, &view, NULL, NULL);
}

static gboolean
check_frame (const PyIsolateFrameView *view,
             GError                  **error)
{
  if (view->n_fds > PYISOLATE_MAX_FDS)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                   "%u file descriptors cannot travel together, only %d", view->n_fds, PYISOLATE_MAX_FDS);
      return FALSE;
    }
  if (view->body_size > PYISOLATE_LANE_MAX_BODY)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE, "A body of %" G_GSIZE_FORMAT " bytes cannot travel",
                   view->body_size);
      return FALSE;
    }

  return TRUE;
}

gboolean
_pyisolate_lane_send_frame (PyIsolateLane   *self,
                            PyIsolateFrame  *frame_to_take,
                            GError         **error)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  PyIsolateFrameView view = _pyisolate_lane_view_of_frame (frame);
  g_autoptr (GError) own_error = NULL;
  gboolean waited, ok, is_full;

  if (!check_frame (&view, error))
    return FALSE;

  g_mutex_lock (&self->send_mutex);
  waited = g_atomic_int_get (&self->wants_write);
  ok = send_locked (self, &view, &frame, &own_error);
  is_full = self->queued_bytes > 0;
  g_mutex_unlock (&self->send_mutex);

  if (!waited && g_atomic_int_get (&self->wants_write) && self->waiting_func != NULL)
    self->waiting_func (self, self->waiting_data);
  if (ok)
    return TRUE;

  /* An answer that cannot even wait is none that anybody gets. */
  if (_pyisolate_lane_is_answer (view.kind) && g_error_matches (own_error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT) && is_full)
    _pyisolate_lane_fail (self, g_error_copy (own_error));
  g_propagate_error (error, g_steal_pointer (&own_error));
  return FALSE;
}

void
_pyisolate_lane_cork (PyIsolateLane *self)
{
  g_mutex_lock (&self->send_mutex);
  self->n_corks++;
  g_mutex_unlock (&self->send_mutex);
}

static void
flush (PyIsolateLane *self,
       gboolean       uncork)
{
  gboolean waited;

  g_mutex_lock (&self->send_mutex);
  waited = g_atomic_int_get (&self->wants_write);
  if (uncork)
    self->n_corks--;
  if (self->n_corks == 0)
    _pyisolate_lane_flush_locked (self);
  g_mutex_unlock (&self->send_mutex);

  if (!waited && g_atomic_int_get (&self->wants_write) && self->waiting_func != NULL)
    self->waiting_func (self, self->waiting_data);
}

/* Not by who sends, which may be with locks of its own. */
static void
tell_refused (PyIsolateLane *self)
{
  g_autoptr (GError) error = NULL;
  GQueue refused;
  PyIsolateFrame *frame;

  g_mutex_lock (&self->send_mutex);
  refused = self->refused;
  g_queue_init (&self->refused);
  if (!g_queue_is_empty (&refused))
    {
      error = new_error (self->refused_errno);
      if (self->n_corks == 0)
        _pyisolate_lane_update_wants_write_locked (self);
    }
  g_mutex_unlock (&self->send_mutex);

  while ((frame = g_queue_pop_head (&refused)) != NULL)
    {
      _pyisolate_lane_fail_call (self, frame->kind, frame->id, error);
      _pyisolate_frame_free (frame);
    }
}

void
_pyisolate_lane_uncork (PyIsolateLane *self)
{
  flush (self, TRUE);
}

void
_pyisolate_lane_flush (PyIsolateLane *self)
{
  flush (self, FALSE);
  tell_refused (self);
  _pyisolate_lane_release (self);
}

gboolean
_pyisolate_lane_wants_write (PyIsolateLane *self)
{
  return g_atomic_int_get (&self->wants_write);
}
