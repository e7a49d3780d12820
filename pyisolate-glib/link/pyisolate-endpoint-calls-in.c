/* SPDX-License-Identifier: MIT */
/* The other side's calls of us: what handles them, by which way their answers go. */
#include "config.h"

#include "pyisolate-endpoint-struct-private.h"

#include "pyisolate-alloc-private.h"
#include "pyisolate-error-private.h"

typedef struct {
  guint64 id;
  PyIsolateTransport *transport; /* by which it came */
  GObject *handler; /* what was attached, not referenced */
  guint n_fds; /* that came with it */
  gboolean cancelled;
} CallIn;

/* With the lock held. */
static void
add_call (PyIsolateEndpoint  *self,
          PyIsolateTransport *transport,
          guint64             id,
          guint               n_fds)
{
  CallIn *call = _pyisolate_new0 (CallIn);

  call->id = id;
  call->n_fds = n_fds;
  self->n_fds_in += n_fds;
  call->transport = g_object_ref (transport);
  call->cancelled = _pyisolate_early_cancels_take (&self->early_cancels, id);
  _pyisolate_id_table_insert (&self->calls_in, id, call);
}

static void
call_in_free (CallIn *call)
{
  g_object_unref (call->transport);
  g_free (call);
}

void
_pyisolate_endpoint_clear_calls_in (PyIsolateEndpoint *self)
{
  guint n_all;
  g_autofree gpointer *all = _pyisolate_id_table_dup_values (&self->calls_in, &n_all);

  _pyisolate_id_table_clear (&self->calls_in);
  _pyisolate_early_cancels_clear (&self->early_cancels);
  for (guint i = 0; i < n_all; i++)
    call_in_free (all[i]);
}

/* With the lock held. FALSE: more calls, or descriptors with them, would be in flight than may be. */
static gboolean
check_room (PyIsolateEndpoint  *self,
            PyIsolateFrame     *frame,
            GError            **error)
{
  if (self->calls_in.n_values >= PYISOLATE_MAX_CALLS_IN)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                 "More than %d calls to the host are in flight; wait for some of them", PYISOLATE_MAX_CALLS_IN);
  else if (frame->n_fds > PYISOLATE_MAX_FDS_IN - self->n_fds_in)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                 "More than %d file descriptors came with calls that have no answer yet; wait for some of these",
                 PYISOLATE_MAX_FDS_IN);
  else
    return TRUE;

  return FALSE;
}

void
_pyisolate_endpoint_handle_call (PyIsolateEndpoint  *self,
                                 PyIsolateTransport *transport,
                                 PyIsolateFrame     *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GError) refusal = NULL;
  guint32 link = PYISOLATE_CALL_ID_LINK (frame->id);
  gboolean known;

  if (link != self->peer_link && link != G_MAXUINT32) /* the latter until it has been told its number */
    {
      _pyisolate_endpoint_bad_message (self, "A call has the id %" G_GUINT64_FORMAT ", which is not the worker's to give",
                                       frame->id);
      return;
    }

  g_mutex_lock (&self->mutex);
  known = _pyisolate_id_table_lookup (&self->calls_in, frame->id) != NULL;
  if (!known && check_room (self, frame, &refusal))
    add_call (self, transport, frame->id, frame->n_fds);
  g_mutex_unlock (&self->mutex);

  if (known)
    _pyisolate_endpoint_bad_message (self, "Two calls in flight have the id %" G_GUINT64_FORMAT, frame->id);
  else if (refusal != NULL)
    _pyisolate_transport_send (transport, _pyisolate_frame_new_error (frame->id, refusal), NULL);
  else
    self->handler->incoming (self, g_steal_pointer (&frame), self->user_data);
}

/* FALSE: there is no such call. It is kept for one that comes, if @keeps. */
static gboolean
mark_cancelled (PyIsolateEndpoint *self,
                guint64            id,
                gboolean           keeps,
                gboolean          *is_news)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  CallIn *call = _pyisolate_id_table_lookup (&self->calls_in, id);

  if (call == NULL && keeps)
    _pyisolate_early_cancels_add (&self->early_cancels, id);
  if (call == NULL)
    return FALSE;

  *is_news = !call->cancelled;
  call->cancelled = TRUE;
  return TRUE;
}

/* Once for each call, however often it comes; after the answer it is late. It may be ahead of a call that lies in a lane, or is
 * still being sent. On a lane, where none should come, it is ahead of nothing; and who reads a lane must not read it meanwhile. */
void
_pyisolate_endpoint_handle_cancel (PyIsolateEndpoint  *self,
                                   PyIsolateTransport *transport,
                                   PyIsolateFrame     *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  gboolean is_news = FALSE;

  if (!mark_cancelled (self, frame->id, FALSE, &is_news) && transport == self->transport)
    {
      _pyisolate_endpoint_drain (self);
      mark_cancelled (self, frame->id, TRUE, &is_news);
    }

  if (is_news)
    self->handler->incoming (self, g_steal_pointer (&frame), self->user_data);
}

/*< private >
 * @frame: (transfer full): a RETURN or ERROR to a call that `incoming` got
 *
 * May be called from any thread. An answer that cannot be sent becomes an error that says so.
 */
void
_pyisolate_endpoint_respond (PyIsolateEndpoint *self,
                             PyIsolateFrame    *frame)
{
  g_autoptr (PyIsolateTransport) transport = NULL;
  g_autoptr (GError) error = NULL;
  guint64 id = frame->id;
  CallIn *call;

  g_mutex_lock (&self->mutex);
  call = _pyisolate_id_table_steal (&self->calls_in, id);
  if (call != NULL)
    self->n_fds_in -= call->n_fds;
  g_mutex_unlock (&self->mutex);

  if (call != NULL)
    {
      transport = g_object_ref (call->transport);
      call_in_free (call);
    }
  if (transport == NULL)
    _pyisolate_frame_free (frame);
  else if (!_pyisolate_transport_send (transport, frame, &error) &&
           !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    _pyisolate_transport_send (transport, _pyisolate_frame_new_error (id, error), NULL);
}

gboolean
_pyisolate_endpoint_attach (PyIsolateEndpoint *self,
                            guint64            id,
                            GObject           *object)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  CallIn *call = _pyisolate_id_table_lookup (&self->calls_in, id);

  if (call == NULL)
    return TRUE;

  call->handler = object;
  return !call->cancelled;
}

GObject *
_pyisolate_endpoint_dup_attached (PyIsolateEndpoint *self,
                                  guint64            id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  CallIn *call = _pyisolate_id_table_lookup (&self->calls_in, id);

  return call != NULL && call->handler != NULL ? g_object_ref (call->handler) : NULL;
}

void
_pyisolate_endpoint_cancel_calls_in (PyIsolateEndpoint *self)
{
  g_autofree guint64 *ids = NULL;
  g_autofree gpointer *all = NULL;
  guint n_ids = 0;
  guint n_all;

  g_mutex_lock (&self->mutex);
  all = _pyisolate_id_table_dup_values (&self->calls_in, &n_all);
  ids = g_new (guint64, n_all);
  for (guint i = 0; i < n_all; i++)
    {
      CallIn *call = all[i];

      if (!call->cancelled)
        ids[n_ids++] = call->id;
      call->cancelled = TRUE;
    }
  g_mutex_unlock (&self->mutex);

  for (guint i = 0; i < n_ids; i++)
    self->handler->incoming (self, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, ids[i]), self->user_data);
}
