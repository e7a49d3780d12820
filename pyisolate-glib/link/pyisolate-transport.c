/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-transport-private.h"

typedef struct {
  const PyIsolateTransportHandler *handler; /* set once, before the start */
  gpointer user_data;
  GDestroyNotify destroy; /* called when nothing can come any more */
  int closed;             /* atomic */
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

/*< private >
 * @frame: (transfer full): what to send, consumed also on failure
 *
 * May be called from any thread. Frames sent by one thread arrive in the order in which they were sent.
 */
gboolean
_pyisolate_transport_send (PyIsolateTransport  *self,
                           PyIsolateFrame      *frame,
                           GError             **error)
{
  g_assert (PYISOLATE_IS_TRANSPORT (self));
  g_assert (frame != NULL);

  return PYISOLATE_TRANSPORT_GET_CLASS (self)->send (self, frame, error);
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

  if (g_atomic_int_get (&priv->closed))
    {
      _pyisolate_frame_free (frame);
      return;
    }

  priv->handler->frame (self, frame, priv->user_data);
}

void
_pyisolate_transport_emit_closed (PyIsolateTransport *self,
                                  const GError       *error)
{
  PyIsolateTransportPrivate *priv = _pyisolate_transport_get_instance_private (self);

  if (!g_atomic_int_compare_and_exchange (&priv->closed, FALSE, TRUE))
    return;

  priv->handler->closed (self, error, priv->user_data);
  release_user_data (priv);
}
