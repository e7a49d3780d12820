/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-transport-private.h"

#include "pyisolate-error.h"
#include "pyisolate-memory-book-private.h"
#include "pyisolate-value-layout-private.h"

#include <string.h>

typedef struct {
  const PyIsolateTransportHandler *handler; /* set once, before the start */
  gpointer user_data;
  GDestroyNotify destroy; /* called when nothing can come any more */
  PyIsolateMemoryBook *memory; /* set before the start, or NULL */

  /* Held while the handler runs. GDBus tells of the end in another thread than the one that reads, and after a write that
   * failed it goes on reading. */
  GMutex mutex;
  gboolean closed;
} PyIsolateTransportPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (PyIsolateTransport, _pyisolate_transport, G_TYPE_OBJECT)

static void
release_user_data (PyIsolateTransportPrivate *priv)
{
  gpointer user_data = g_steal_pointer (&priv->user_data);

  if (priv->destroy != NULL && user_data != NULL)
    priv->destroy (user_data);
}

static void
_pyisolate_transport_finalize (GObject *object)
{
  PyIsolateTransport *self = PYISOLATE_TRANSPORT (object);
  PyIsolateTransportPrivate *priv = _pyisolate_transport_get_instance_private (self);

  release_user_data (priv);
  g_clear_pointer (&priv->memory, _pyisolate_memory_book_unref);
  g_mutex_clear (&priv->mutex);

  G_OBJECT_CLASS (_pyisolate_transport_parent_class)->finalize (object);
}

static void
_pyisolate_transport_class_init (PyIsolateTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = _pyisolate_transport_finalize;
}

static void
_pyisolate_transport_init (PyIsolateTransport *self)
{
  PyIsolateTransportPrivate *priv = _pyisolate_transport_get_instance_private (self);

  g_mutex_init (&priv->mutex);
}

void
_pyisolate_transport_set_memory (PyIsolateTransport  *self,
                                 PyIsolateMemoryBook *memory)
{
  PyIsolateTransportPrivate *priv = _pyisolate_transport_get_instance_private (self);

  g_assert (priv->handler == NULL);

  g_clear_pointer (&priv->memory, _pyisolate_memory_book_unref);
  priv->memory = _pyisolate_memory_book_ref (memory);
}

PyIsolateMemoryBook *
_pyisolate_transport_get_memory (PyIsolateTransport *self)
{
  PyIsolateTransportPrivate *priv = _pyisolate_transport_get_instance_private (self);

  return priv->memory;
}

/*< private >
 * @destroy: frees @user_data after `closed`: what holds the transport can be held by it until then
 *
 * Sets who gets what arrives, and lets it arrive.
 */
void
_pyisolate_transport_start (PyIsolateTransport              *self,
                            const PyIsolateTransportHandler *handler,
                            gpointer                         user_data,
                            GDestroyNotify                   destroy)
{
  PyIsolateTransportPrivate *priv = _pyisolate_transport_get_instance_private (self);

  g_assert (PYISOLATE_IS_TRANSPORT (self));
  g_assert (priv->handler == NULL);

  priv->handler = handler;
  priv->user_data = user_data;
  priv->destroy = destroy;

  PYISOLATE_TRANSPORT_GET_CLASS (self)->start (self);
}

static gboolean
send_frame (PyIsolateTransport  *self,
            PyIsolateFrame      *frame,
            GError             **error)
{
  if (frame->n_fds > PYISOLATE_MAX_FDS)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                   "%u file descriptors cannot travel together, only %d", frame->n_fds, PYISOLATE_MAX_FDS);
      _pyisolate_frame_free (frame);
      return FALSE;
    }

  return PYISOLATE_TRANSPORT_GET_CLASS (self)->send (self, frame, error);
}

/* Consumes @frame if that fails. */
static gboolean
send_before (PyIsolateTransport  *self,
             PyIsolateFrame      *frame,
             GError             **error)
{
  PyIsolateFrame *first;

  while ((first = _pyisolate_memory_book_split (frame)) != NULL)
    {
      if (!send_frame (self, first, error))
        {
          _pyisolate_frame_free (frame);
          return FALSE;
        }
    }

  return TRUE;
}

/* What shared memory it takes along is decided now, and not while it waits for its turn. */
gboolean
_pyisolate_transport_send_now (PyIsolateTransport  *self,
                               PyIsolateFrame      *frame,
                               GError             **error)
{
  PyIsolateTransportPrivate *priv = _pyisolate_transport_get_instance_private (self);
  PyIsolateMemoryRecord room[PYISOLATE_FRAME_SHORT_RECORDS];
  g_autofree PyIsolateMemoryRecord *many = NULL;
  const PyIsolateMemoryRecord *records = room;
  guint n_records;

  if (priv->memory != NULL && !_pyisolate_memory_book_fill (priv->memory, frame, error))
    {
      _pyisolate_frame_free (frame);
      return FALSE;
    }
  n_records = frame->n_records;
  if (n_records > G_N_ELEMENTS (room))
    records = many = g_memdup2 (frame->records, n_records * sizeof *records);
  else if (n_records > 0)
    memcpy (room, frame->records, n_records * sizeof *records);

  if (send_before (self, frame, error) && send_frame (self, frame, error))
    return TRUE;

  if (n_records > 0)
    _pyisolate_memory_book_unfill (priv->memory, records, n_records);
  return FALSE;
}

/* What the other side would not take, and end the link for. */
static gboolean
check_size (PyIsolateFrame  *frame,
            GError         **error)
{
  gsize size = frame->body != NULL ? g_bytes_get_size (frame->body) : 0;
  gsize text_size;

  if (size > PYISOLATE_VALUE_MAX_SIZE)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE, "A body of %" G_GSIZE_FORMAT " bytes cannot travel", size);
      return FALSE;
    }

  text_size = _pyisolate_frame_get_text_size (frame);
  if (text_size > PYISOLATE_FRAME_MAX_TEXT)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE, "A name or message of %" G_GSIZE_FORMAT " bytes cannot travel",
                   text_size);
      return FALSE;
    }

  return TRUE;
}

/*< private >
 * @frame: (transfer full): what to send, consumed also on failure
 *
 * May be called from any thread. Frames sent by one thread arrive in the order in which they were sent, but for what is large
 * and waits on a lane: see docs/protocol.md.
 *
 * Fails with %G_IO_ERROR_CLOSED when the transport is closed, with %PYISOLATE_ERROR_BAD_VALUE for what is too large to travel,
 * and with %PYISOLATE_ERROR_LIMIT for more file descriptors than can: the kernel would refuse them when it is too late to tell
 * who sent them.
 */
gboolean
_pyisolate_transport_send (PyIsolateTransport  *self,
                           PyIsolateFrame      *frame,
                           GError             **error)
{
  PyIsolateTransportClass *klass = PYISOLATE_TRANSPORT_GET_CLASS (self);

  g_assert (PYISOLATE_IS_TRANSPORT (self));
  g_assert (frame != NULL);

  if (!check_size (frame, error) || (klass->hold != NULL && !klass->hold (self, &frame, error)))
    {
      _pyisolate_frame_free (frame);
      return FALSE;
    }

  return frame == NULL || _pyisolate_transport_send_now (self, frame, error);
}

/*< private >
 * @reason: (nullable): why, which `closed` will tell; the first reason given counts
 *
 * Ends the transport; may be called from any thread, and twice.
 */
void
_pyisolate_transport_close (PyIsolateTransport *self,
                            const GError       *reason)
{
  g_assert (PYISOLATE_IS_TRANSPORT (self));

  PYISOLATE_TRANSPORT_GET_CLASS (self)->close (self, reason);
}

void
_pyisolate_transport_emit_frame (PyIsolateTransport *self,
                                 PyIsolateFrame     *frame)
{
  PyIsolateTransportPrivate *priv = _pyisolate_transport_get_instance_private (self);
  g_autoptr (GMutexLocker) locker = NULL;
  g_autoptr (GError) error = NULL;

  if (priv->memory != NULL && !_pyisolate_memory_book_take (priv->memory, frame, &error))
    _pyisolate_transport_close (self, error);
  if (error != NULL || frame->kind == PYISOLATE_FRAME_MEMORY)
    {
      _pyisolate_frame_free (frame);
      return;
    }

  locker = g_mutex_locker_new (&priv->mutex);
  if (priv->closed)
    _pyisolate_frame_free (frame);
  else
    priv->handler->frame (self, frame, priv->user_data);
}

/* Not to be called while the handler has a frame: an implementation's `close` tells of the end later. */
void
_pyisolate_transport_emit_closed (PyIsolateTransport *self,
                                  const GError       *error)
{
  PyIsolateTransportPrivate *priv = _pyisolate_transport_get_instance_private (self);
  gboolean was_closed;

  g_mutex_lock (&priv->mutex);
  was_closed = priv->closed;
  priv->closed = TRUE;
  g_mutex_unlock (&priv->mutex);

  if (was_closed || priv->handler == NULL)
    return;

  priv->handler->closed (self, error, priv->user_data);
  release_user_data (priv);
}
