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

G_DEFINE_FINAL_TYPE (PyIsolateEndpoint, _pyisolate_endpoint, G_TYPE_OBJECT)

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
      _pyisolate_endpoint_handle_reply (self, transport, frame);
      break;

    case PYISOLATE_FRAME_EVENT:
      self->handler->incoming (self, copy_event (frame), self->user_data);
      _pyisolate_endpoint_handle_part (self, frame);
      break;

    case PYISOLATE_FRAME_PROGRESS:
      _pyisolate_endpoint_handle_part (self, frame);
      break;

    case PYISOLATE_FRAME_CALL:
      _pyisolate_endpoint_handle_call (self, transport, frame);
      break;

    case PYISOLATE_FRAME_CANCEL:
      _pyisolate_endpoint_handle_cancel (self, transport, frame);
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
  g_clear_pointer (&self->offered, g_ptr_array_unref);
  g_clear_object (&self->transport);
  _pyisolate_endpoint_clear_calls_out (self);
  _pyisolate_endpoint_clear_calls_in (self);
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

/* Answers every call that waits, and every later one, with @error; and nobody wants an answer to theirs any more. */
void
_pyisolate_endpoint_fail (PyIsolateEndpoint *self,
                          const GError      *error)
{
  g_mutex_lock (&self->mutex);
  if (self->failure == NULL)
    self->failure = g_error_copy (error);
  g_mutex_unlock (&self->mutex);

  _pyisolate_endpoint_fail_calls_out (self, error);
  _pyisolate_endpoint_cancel_calls_in (self);
  _pyisolate_endpoint_drop_lanes (self);
}

void
_pyisolate_endpoint_close (PyIsolateEndpoint *self,
                           const GError      *reason)
{
  _pyisolate_transport_close (self->transport, reason);
}
