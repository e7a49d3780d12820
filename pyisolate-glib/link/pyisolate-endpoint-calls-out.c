/* SPDX-License-Identifier: MIT */
/* Our calls of the other side: who waits for which answer. */
#include "config.h"

#include "pyisolate-endpoint-struct-private.h"

typedef PyIsolatePending Pending;

/* One that is the caller's may go with the data. */
static void
pending_unref (gpointer data)
{
  Pending *pending = data;
  gboolean is_own;

  if (!g_atomic_ref_count_dec (&pending->ref_count))
    return;

  is_own = pending->is_own;
  if (pending->destroy != NULL)
    pending->destroy (pending->user_data);
  if (is_own)
    g_free (pending);
}

static Pending *
pending_new (void)
{
  Pending *pending = g_new0 (Pending, 1);

  pending->is_own = TRUE;
  return pending;
}

static Pending *
pending_ref (Pending *pending)
{
  g_atomic_ref_count_inc (&pending->ref_count);

  return pending;
}

/* An id for a call of the host's: never the same twice in a process. */
guint64
_pyisolate_endpoint_new_id (void)
{
  static gsize last = 0; /* the upper half is for the workers' links */

  return (guint64) (g_atomic_pointer_add (&last, 1) + 1) & G_MAXUINT32;
}

/* Whether it still waited: nobody has answered it meanwhile. */
static gboolean
forget_pending (PyIsolateEndpoint *self,
                guint64            id)
{
  Pending *pending;

  g_mutex_lock (&self->mutex);
  pending = _pyisolate_id_table_steal (&self->calls_out, id);
  g_mutex_unlock (&self->mutex);

  if (pending == NULL)
    return FALSE;

  pending_unref (pending);
  return TRUE;
}

/*< private >
 * @lane: (nullable): the lane by which it goes; the transport if %NULL
 * @frame: (transfer full): a CALL
 * @func: gets the reply; not called if this function fails
 *
 * May be called from any thread.
 */
gboolean
_pyisolate_endpoint_call (PyIsolateEndpoint   *self,
                          PyIsolateLane       *lane,
                          PyIsolateFrame      *frame_to_take,
                          PyIsolateReplyFunc   func,
                          gpointer             user_data,
                          GDestroyNotify       destroy,
                          GError             **error)
{
  return _pyisolate_endpoint_call_by (self, lane, frame_to_take, pending_new (), func, user_data, destroy, error);
}

/*< private >
 * @pending: zeros, which last until @destroy is called
 *
 * Does the same, with memory of the caller's.
 */
gboolean
_pyisolate_endpoint_call_by (PyIsolateEndpoint   *self,
                             PyIsolateLane       *lane,
                             PyIsolateFrame      *frame_to_take,
                             PyIsolatePending    *pending,
                             PyIsolateReplyFunc   func,
                             gpointer             user_data,
                             GDestroyNotify       destroy,
                             GError             **error)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GError) send_error = NULL;
  guint64 id = frame->id;

  g_atomic_ref_count_init (&pending->ref_count);
  pending->id = id;
  pending->func = func;
  pending->user_data = user_data;
  pending->destroy = destroy;

  g_mutex_lock (&self->mutex);
  if (self->failure != NULL)
    {
      g_propagate_error (error, g_error_copy (self->failure));
      g_mutex_unlock (&self->mutex);
      pending_unref (pending);
      return FALSE;
    }
  if (lane != NULL && self->lanes_refused && !g_ptr_array_find (self->lanes, lane, NULL))
    lane = NULL; /* it is one of those, and who calls does not know yet */
  pending->transport = lane != NULL ? PYISOLATE_TRANSPORT (lane) : self->transport;
  _pyisolate_id_table_insert (&self->calls_out, id, pending);
  g_mutex_unlock (&self->mutex);

  /* If the link is closed already, then fail() is about to come, and knows why. */
  if (!_pyisolate_transport_send (lane != NULL ? PYISOLATE_TRANSPORT (lane) : self->transport, g_steal_pointer (&frame),
                                  &send_error) &&
      !g_error_matches (send_error, G_IO_ERROR, G_IO_ERROR_CLOSED) && forget_pending (self, id))
    {
      g_propagate_error (error, g_steal_pointer (&send_error));
      return FALSE;
    }

  return TRUE;
}

/* With the lock held. */
static gboolean
went_by_lane (PyIsolateEndpoint *self,
              Pending           *pending)
{
  return self->lanes != NULL && g_ptr_array_find (self->lanes, pending->transport, NULL);
}

/* With the lock held: in place of one that was cancelled, until its answer comes. From a lane that is gone none will. */
static void
add_forgotten (PyIsolateEndpoint *self,
               Pending           *pending)
{
  Pending *forgotten;

  if (pending->transport != self->transport && !went_by_lane (self, pending))
    return;

  forgotten = pending_new ();
  g_atomic_ref_count_init (&forgotten->ref_count);
  forgotten->id = pending->id;
  forgotten->transport = pending->transport;
  _pyisolate_id_table_insert (&self->calls_out, forgotten->id, forgotten);
}

/* Tells the other side, and forgets who waited. */
void
_pyisolate_endpoint_cancel (PyIsolateEndpoint *self,
                            guint64            id)
{
  Pending *pending;
  gboolean withdrawn = FALSE; /* it had not been sent yet, and will not be */

  g_mutex_lock (&self->mutex);
  pending = _pyisolate_id_table_steal (&self->calls_out, id);
  if (pending != NULL && went_by_lane (self, pending))
    withdrawn = _pyisolate_lane_withdraw (PYISOLATE_LANE (pending->transport), id);
  if (pending != NULL && !withdrawn)
    add_forgotten (self, pending);
  g_mutex_unlock (&self->mutex);

  if (pending == NULL)
    return;

  pending_unref (pending);
  if (withdrawn)
    return;
  _pyisolate_transport_send (self->transport, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, id), NULL);
}

void
_pyisolate_endpoint_forget_cancelled (PyIsolateEndpoint  *self,
                                      PyIsolateTransport *transport)
{
  g_autofree gpointer *all = NULL;
  guint n_all;

  all = _pyisolate_id_table_dup_values (&self->calls_out, &n_all);
  for (guint i = 0; i < n_all; i++)
    {
      Pending *pending = all[i];

      if (pending->transport == transport && pending->func == NULL && pending->is_own)
        pending_unref (_pyisolate_id_table_steal (&self->calls_out, pending->id));
    }
}

void
_pyisolate_endpoint_handle_reply (PyIsolateEndpoint  *self,
                                  PyIsolateTransport *transport,
                                  PyIsolateFrame     *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  Pending *pending;

  g_mutex_lock (&self->mutex);
  pending = _pyisolate_id_table_steal (&self->calls_out, frame->id);
  g_mutex_unlock (&self->mutex);

  if (pending == NULL)
    {
      _pyisolate_endpoint_bad_message (self, "A reply to call %" G_GUINT64_FORMAT ", which waits for none", frame->id);
      return;
    }

  if (pending->transport != transport)
    _pyisolate_endpoint_bad_message (self, "The reply to call %" G_GUINT64_FORMAT " came by another way than the call went",
                                     frame->id);
  else if (pending->func != NULL)
    pending->func (g_steal_pointer (&frame), NULL, pending->user_data);
  pending_unref (pending);
}

/* What happens inside a call. That of a call which was cancelled or answered meanwhile is late, and dropped. */
void
_pyisolate_endpoint_handle_part (PyIsolateEndpoint *self,
                                 PyIsolateFrame    *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  Pending *pending;

  g_mutex_lock (&self->mutex);
  pending = _pyisolate_id_table_lookup (&self->calls_out, frame->id);
  if (pending != NULL)
    pending_ref (pending);
  g_mutex_unlock (&self->mutex);

  if (pending == NULL)
    return;

  if (pending->func != NULL)
    pending->func (g_steal_pointer (&frame), NULL, pending->user_data);
  pending_unref (pending);
}

/* Answers every call that waits with @error. */
void
_pyisolate_endpoint_fail_calls_out (PyIsolateEndpoint *self,
                                    const GError      *error)
{
  g_autofree gpointer *all = NULL;
  guint n_all;

  g_mutex_lock (&self->mutex);
  all = _pyisolate_id_table_dup_values (&self->calls_out, &n_all);
  _pyisolate_id_table_clear (&self->calls_out);
  g_mutex_unlock (&self->mutex);

  for (guint i = 0; i < n_all; i++)
    {
      Pending *waiting = all[i];

      if (waiting->func != NULL)
        waiting->func (NULL, error, waiting->user_data);
    }
  for (guint i = 0; i < n_all; i++)
    pending_unref (all[i]);
}

void
_pyisolate_endpoint_fail_calls_by (PyIsolateEndpoint  *self,
                                   PyIsolateTransport *transport,
                                   const GError       *error)
{
  g_autofree gpointer *all = NULL;
  guint n_all;
  guint n_failed = 0;

  g_mutex_lock (&self->mutex);
  all = _pyisolate_id_table_dup_values (&self->calls_out, &n_all);
  for (guint i = 0; i < n_all; i++)
    {
      Pending *pending = all[i];

      if (pending->transport == transport)
        all[n_failed++] = _pyisolate_id_table_steal (&self->calls_out, pending->id);
    }
  g_mutex_unlock (&self->mutex);

  for (guint i = 0; i < n_failed; i++)
    {
      Pending *waiting = all[i];

      if (waiting->func != NULL)
        waiting->func (NULL, error, waiting->user_data);
      pending_unref (waiting);
    }
}

void
_pyisolate_endpoint_clear_calls_out (PyIsolateEndpoint *self)
{
  guint n_all;
  g_autofree gpointer *all = _pyisolate_id_table_dup_values (&self->calls_out, &n_all);

  _pyisolate_id_table_clear (&self->calls_out);
  for (guint i = 0; i < n_all; i++)
    pending_unref (all[i]);
}
