/* SPDX-License-Identifier: MIT */
/* Who waits for what on a link.
 *
 * There is one book for the transport and all lanes: an answer goes the way that its call came, calls are cancelled by the
 * transport whichever way they went. A cancellation may so be ahead of its call, which then lies on a lane that nobody has
 * read yet: for what is unknown the lanes are read before it is dropped as late.
 *
 * A call of ours stays in the book until its reply comes, also when it was cancelled: then the reply is dropped. A reply
 * to what is not in the book, a second call of theirs with an id still in use, an id that is not theirs to give: these no
 * worker of ours would send, and they end the link (BAD_MESSAGE). */
#include "config.h"

#include "pyisolate-endpoint-struct-private.h"

#include "pyisolate-error-private.h"

typedef struct {
  guint64 id; /* its key in the book */
  gatomicrefcount ref_count;
  PyIsolateTransport *transport; /* by which it went; only to be compared, or while its lane is in the book */
  PyIsolateReplyFunc func; /* NULL: cancelled */
  gpointer user_data;
  GDestroyNotify destroy;
} Pending;

typedef struct {
  PyIsolateTransport *transport; /* by which it came */
  GObject *handler; /* what was attached, not referenced */
  gboolean cancelled;
} CallIn;

G_DEFINE_FINAL_TYPE (PyIsolateEndpoint, _pyisolate_endpoint, G_TYPE_OBJECT)

static void
pending_unref (gpointer data)
{
  Pending *pending = data;

  if (!g_atomic_ref_count_dec (&pending->ref_count))
    return;

  if (pending->destroy != NULL)
    pending->destroy (pending->user_data);
  g_free (pending);
}

static Pending *
pending_ref (Pending *pending)
{
  g_atomic_ref_count_inc (&pending->ref_count);

  return pending;
}

static CallIn *
call_in_new (PyIsolateTransport *transport)
{
  CallIn *call = g_new0 (CallIn, 1);

  call->transport = g_object_ref (transport);

  return call;
}

static void
call_in_free (gpointer data)
{
  CallIn *call = data;

  g_object_unref (call->transport);
  g_free (call);
}

void
_pyisolate_endpoint_bad_message (PyIsolateEndpoint *self,
                                 const char        *format,
                                 ...)
{
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, format);
  error = g_error_new_valist (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, format, args);
  va_end (args);

  _pyisolate_endpoint_close (self, error);
}

static void
handle_reply (PyIsolateEndpoint  *self,
              PyIsolateTransport *transport,
              PyIsolateFrame     *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  Pending *pending = NULL;

  g_mutex_lock (&self->mutex);
  if (!g_hash_table_steal_extended (self->pending, &frame->id, NULL, (gpointer *) &pending))
    pending = NULL;
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
static void
handle_part (PyIsolateEndpoint *self,
             PyIsolateFrame    *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  Pending *pending;

  g_mutex_lock (&self->mutex);
  pending = g_hash_table_lookup (self->pending, &frame->id);
  if (pending != NULL)
    pending_ref (pending);
  g_mutex_unlock (&self->mutex);

  if (pending == NULL)
    return;

  if (pending->func != NULL)
    pending->func (g_steal_pointer (&frame), NULL, pending->user_data);
  pending_unref (pending);
}

static PyIsolateFrame *
copy_event (PyIsolateFrame *frame)
{
  PyIsolateFrame *copy = _pyisolate_frame_new (PYISOLATE_FRAME_EVENT, frame->id);

  copy->name = g_strdup (frame->name);
  copy->body = g_bytes_ref (frame->body);
  _pyisolate_frame_charge (copy, frame->budget);

  return copy;
}

static void
refuse_call (PyIsolateTransport *transport,
             guint64             id)
{
  g_autoptr (GError) error = NULL;

  error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                       "More than %d calls to the host are in flight; wait for some of them", PYISOLATE_MAX_CALLS_IN);
  _pyisolate_transport_send (transport, _pyisolate_frame_new_error (id, error), NULL);
}

static void
handle_call (PyIsolateEndpoint  *self,
             PyIsolateTransport *transport,
             PyIsolateFrame     *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  guint32 link = PYISOLATE_CALL_ID_LINK (frame->id);
  gboolean too_many, known;

  if (link != self->peer_link && link != G_MAXUINT32) /* the latter until it has been told its number */
    {
      _pyisolate_endpoint_bad_message (self, "A call has the id %" G_GUINT64_FORMAT ", which is not the worker's to give",
                                       frame->id);
      return;
    }

  g_mutex_lock (&self->mutex);
  known = g_hash_table_contains (self->calls_in, &frame->id);
  too_many = g_hash_table_size (self->calls_in) >= PYISOLATE_MAX_CALLS_IN;
  if (!known && !too_many)
    g_hash_table_insert (self->calls_in, g_memdup2 (&frame->id, sizeof frame->id), call_in_new (transport));
  g_mutex_unlock (&self->mutex);

  if (known)
    _pyisolate_endpoint_bad_message (self, "Two calls in flight have the id %" G_GUINT64_FORMAT, frame->id);
  else if (too_many)
    refuse_call (transport, frame->id);
  else
    self->handler->incoming (self, g_steal_pointer (&frame), self->user_data);
}

/* FALSE: there is no such call. */
static gboolean
mark_cancelled (PyIsolateEndpoint *self,
                guint64            id,
                gboolean          *is_news)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  CallIn *call = g_hash_table_lookup (self->calls_in, &id);

  if (call == NULL)
    return FALSE;

  *is_news = !call->cancelled;
  call->cancelled = TRUE;
  return TRUE;
}

/* Once for each call, however often it comes; after the answer it is late. On a lane, where none should come, it is ahead of
 * nothing; and who reads a lane must not read it meanwhile. */
static void
handle_cancel (PyIsolateEndpoint  *self,
               PyIsolateTransport *transport,
               PyIsolateFrame     *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  gboolean is_news = FALSE;

  if (!mark_cancelled (self, frame->id, &is_news) && transport == self->transport)
    {
      _pyisolate_endpoint_drain (self);
      mark_cancelled (self, frame->id, &is_news);
    }

  if (is_news)
    self->handler->incoming (self, g_steal_pointer (&frame), self->user_data);
}

static void
refuse_bytes (PyIsolateEndpoint *self)
{
  g_autoptr (GError) error = NULL;

  error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                       "More than %" G_GSIZE_FORMAT " MiB have arrived that nobody has taken yet",
                       PYISOLATE_MAX_BYTES_IN >> 20);
  _pyisolate_endpoint_close (self, error);
}

void
_pyisolate_endpoint_on_frame (PyIsolateTransport *transport,
                              PyIsolateFrame     *frame,
                              gpointer            user_data)
{
  PyIsolateEndpoint *self = PYISOLATE_ENDPOINT (user_data);

  if (_pyisolate_frame_charge (frame, self->budget) > PYISOLATE_MAX_BYTES_IN)
    {
      _pyisolate_frame_free (frame);
      refuse_bytes (self);
      return;
    }

  /* Who reads is who handles it: what is read is as good as done. */
  _pyisolate_frame_taken (frame);
  switch (frame->kind)
    {
    case PYISOLATE_FRAME_RETURN:
    case PYISOLATE_FRAME_ERROR:
      handle_reply (self, transport, frame);
      break;

    case PYISOLATE_FRAME_EVENT:
      self->handler->incoming (self, copy_event (frame), self->user_data);
      handle_part (self, frame);
      break;

    case PYISOLATE_FRAME_PROGRESS:
      handle_part (self, frame);
      break;

    case PYISOLATE_FRAME_CALL:
      handle_call (self, transport, frame);
      break;

    case PYISOLATE_FRAME_CANCEL:
      handle_cancel (self, transport, frame);
      break;

    case PYISOLATE_FRAME_LOG:
      self->handler->incoming (self, frame, self->user_data);
      break;

    default:
      _pyisolate_frame_free (frame);
      _pyisolate_endpoint_bad_message (self, "There is no such kind of frame");
      break;
    }
}

static void
on_closed (PyIsolateTransport *transport,
           const GError       *error,
           gpointer            user_data)
{
  PyIsolateEndpoint *self = PYISOLATE_ENDPOINT (user_data);

  self->handler->closed (self, error, self->user_data);
}

static void
_pyisolate_endpoint_finalize (GObject *object)
{
  PyIsolateEndpoint *self = PYISOLATE_ENDPOINT (object);

  g_clear_pointer (&self->lanes, g_ptr_array_unref);
  g_clear_object (&self->transport);
  g_clear_pointer (&self->pending, g_hash_table_unref);
  g_clear_pointer (&self->calls_in, g_hash_table_unref);
  g_clear_pointer (&self->budget, _pyisolate_budget_unref);
  g_clear_error (&self->failure);
  g_mutex_clear (&self->mutex);
  if (self->destroy != NULL)
    self->destroy (self->user_data);

  G_OBJECT_CLASS (_pyisolate_endpoint_parent_class)->finalize (object);
}

static void
_pyisolate_endpoint_class_init (PyIsolateEndpointClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = _pyisolate_endpoint_finalize;
}

static void
_pyisolate_endpoint_init (PyIsolateEndpoint *self)
{
  g_mutex_init (&self->mutex);
  self->budget = _pyisolate_budget_new ();
  self->pending = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, pending_unref);
  self->calls_in = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, call_in_free);
}

PyIsolateEndpoint *
_pyisolate_endpoint_new (PyIsolateTransport *transport,
                         guint32             peer_link)
{
  PyIsolateEndpoint *self = g_object_new (PYISOLATE_TYPE_ENDPOINT, NULL);

  self->transport = g_object_ref (transport);
  self->peer_link = peer_link;

  return self;
}

PyIsolateMemoryBook *
_pyisolate_endpoint_get_memory (PyIsolateEndpoint *self)
{
  return _pyisolate_transport_get_memory (self->transport);
}

/* Lets frames come. The endpoint and its transport keep each other until the transport is closed. */
void
_pyisolate_endpoint_start (PyIsolateEndpoint              *self,
                           const PyIsolateEndpointHandler *handler,
                           gpointer                        user_data,
                           GDestroyNotify                  destroy)
{
  static const PyIsolateTransportHandler transport_handler = { _pyisolate_endpoint_on_frame, on_closed };

  g_assert (self->handler == NULL);

  self->handler = handler;
  self->user_data = user_data;
  self->destroy = destroy;
  _pyisolate_transport_start (self->transport, &transport_handler, g_object_ref (self), g_object_unref);
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
  Pending *pending = NULL;
  gboolean waited;

  g_mutex_lock (&self->mutex);
  waited = g_hash_table_steal_extended (self->pending, &id, NULL, (gpointer *) &pending);
  g_mutex_unlock (&self->mutex);

  if (waited)
    pending_unref (pending);

  return waited;
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
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GError) send_error = NULL;
  Pending *pending = g_new0 (Pending, 1);
  guint64 id = frame->id;

  pending->id = id;
  g_atomic_ref_count_init (&pending->ref_count);
  pending->transport = lane != NULL ? PYISOLATE_TRANSPORT (lane) : self->transport;
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
  g_hash_table_insert (self->pending, &pending->id, pending);
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

/* With the lock held. TRUE: the call had not been sent yet, and will not be. */
static gboolean
withdraw (PyIsolateEndpoint *self,
          Pending           *pending,
          guint64            id)
{
  return self->lanes != NULL && g_ptr_array_find (self->lanes, pending->transport, NULL) &&
         _pyisolate_lane_withdraw (PYISOLATE_LANE (pending->transport), id);
}

/* Tells the other side, and forgets who waited. */
void
_pyisolate_endpoint_cancel (PyIsolateEndpoint *self,
                            guint64            id)
{
  Pending *pending = NULL;
  gboolean withdrawn = FALSE;

  g_mutex_lock (&self->mutex);
  pending = g_hash_table_lookup (self->pending, &id);
  if (pending != NULL)
    {
      Pending *forgotten = g_new0 (Pending, 1);

      forgotten->id = id;
      g_atomic_ref_count_init (&forgotten->ref_count);
      forgotten->transport = pending->transport;
      pending_ref (pending);
      g_hash_table_replace (self->pending, &forgotten->id, forgotten);
      withdrawn = withdraw (self, pending, id);
      if (withdrawn)
        g_hash_table_remove (self->pending, &id);
    }
  g_mutex_unlock (&self->mutex);

  if (pending == NULL)
    return;

  pending_unref (pending);
  if (withdrawn)
    return;
  _pyisolate_transport_send (self->transport, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, id), NULL);
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
  call = g_hash_table_lookup (self->calls_in, &id);
  if (call != NULL)
    {
      transport = g_object_ref (call->transport);
      g_hash_table_remove (self->calls_in, &id);
    }
  g_mutex_unlock (&self->mutex);

  if (transport == NULL)
    _pyisolate_frame_free (frame);
  else if (!_pyisolate_transport_send (transport, frame, &error) &&
           !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    _pyisolate_transport_send (transport, _pyisolate_frame_new_error (id, error), NULL);
}

void
_pyisolate_endpoint_attach (PyIsolateEndpoint *self,
                            guint64            id,
                            GObject           *object)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  CallIn *call = g_hash_table_lookup (self->calls_in, &id);

  if (call != NULL)
    call->handler = object;
}

GObject *
_pyisolate_endpoint_dup_attached (PyIsolateEndpoint *self,
                                  guint64            id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  CallIn *call = g_hash_table_lookup (self->calls_in, &id);

  return call != NULL && call->handler != NULL ? g_object_ref (call->handler) : NULL;
}

static void
cancel_calls_in (PyIsolateEndpoint *self)
{
  g_autofree guint64 *ids = NULL;
  GHashTableIter iter;
  gpointer key, value;
  guint n_ids = 0;

  g_mutex_lock (&self->mutex);
  ids = g_new (guint64, g_hash_table_size (self->calls_in));
  g_hash_table_iter_init (&iter, self->calls_in);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      CallIn *call = value;

      if (!call->cancelled)
        ids[n_ids++] = *(guint64 *) key;
      call->cancelled = TRUE;
    }
  g_mutex_unlock (&self->mutex);

  for (guint i = 0; i < n_ids; i++)
    self->handler->incoming (self, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, ids[i]), self->user_data);
}

/* Answers every call that waits, and every later one, with @error; and nobody wants an answer to theirs any more. */
void
_pyisolate_endpoint_fail (PyIsolateEndpoint *self,
                          const GError      *error)
{
  g_autoptr (GHashTable) pending = NULL;
  GHashTableIter iter;
  gpointer value;

  g_mutex_lock (&self->mutex);
  if (self->failure == NULL)
    self->failure = g_error_copy (error);
  pending = g_steal_pointer (&self->pending);
  self->pending = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, pending_unref);
  g_mutex_unlock (&self->mutex);

  g_hash_table_iter_init (&iter, pending);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Pending *waiting = value;

      if (waiting->func != NULL)
        waiting->func (NULL, error, waiting->user_data);
    }

  cancel_calls_in (self);
  _pyisolate_endpoint_drop_lanes (self);
}

void
_pyisolate_endpoint_close (PyIsolateEndpoint *self,
                           const GError      *reason)
{
  _pyisolate_transport_close (self->transport, reason);
}
