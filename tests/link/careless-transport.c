/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "careless-transport.h"

#include "pyisolate-dbus-transport-private.h"

#define LINK_INTERFACE "org.pyisolate.Link1"

/* No message of a test's gets as far. */
#define FAR_SERIAL 0x10000000u

struct _CarelessTransport {
  PyIsolateTransport parent_instance;

  GDBusConnection *connection;
  guint filter_id;
  gulong closed_id;

  GMutex mutex;
  GHashTable *serials; /* id of a call that came → the serial of its message */
};

G_DEFINE_FINAL_TYPE (CarelessTransport, careless_transport, PYISOLATE_TYPE_TRANSPORT)

static PyIsolateFrame *
parse_call (CarelessTransport *self,
            GDBusMessage      *message)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 0);
  GVariant *body = g_dbus_message_get_body (message);
  g_autoptr (GVariant) bytes = NULL;

  g_variant_get (body, "(t@atss@ay@a{sv})", &frame->id, NULL, &frame->target, &frame->name, &bytes, NULL);
  frame->body = g_variant_get_data_as_bytes (bytes);

  g_mutex_lock (&self->mutex);
  g_hash_table_insert (self->serials, g_memdup2 (&frame->id, sizeof frame->id),
                       GUINT_TO_POINTER (g_dbus_message_get_serial (message)));
  g_mutex_unlock (&self->mutex);
  return frame;
}

static PyIsolateFrame *
parse_reply (GDBusMessage       *message,
             PyIsolateFrameKind  kind)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (kind, g_dbus_message_get_reply_serial (message));

  frame->name = g_strdup (g_dbus_message_get_error_name (message));
  if (kind == PYISOLATE_FRAME_ERROR)
    g_variant_get_child (g_dbus_message_get_body (message), 0, "s", &frame->message);
  return frame;
}

/* Of replies a test sees the serial of its own message in the place of an id; GDBus gets them too, for calls that were made
 * over the connection itself. */
static GDBusMessage *
on_message (GDBusConnection *connection,
            GDBusMessage    *message,
            gboolean         incoming,
            gpointer         user_data)
{
  CarelessTransport *self = user_data;
  PyIsolateFrame *frame = NULL;
  gboolean is_reply = FALSE;

  if (!incoming)
    return message;

  switch (g_dbus_message_get_message_type (message))
    {
    case G_DBUS_MESSAGE_TYPE_METHOD_RETURN:
      is_reply = TRUE;
      frame = parse_reply (message, PYISOLATE_FRAME_RETURN);
      break;

    case G_DBUS_MESSAGE_TYPE_ERROR:
      is_reply = TRUE;
      frame = parse_reply (message, PYISOLATE_FRAME_ERROR);
      break;

    case G_DBUS_MESSAGE_TYPE_METHOD_CALL:
      if (g_strcmp0 (g_dbus_message_get_member (message), "Call") == 0)
        frame = parse_call (self, message);
      else if (g_strcmp0 (g_dbus_message_get_member (message), "Cancel") == 0)
        {
          frame = _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, 0);
          g_variant_get (g_dbus_message_get_body (message), "(t)", &frame->id);
        }
      break;

    case G_DBUS_MESSAGE_TYPE_SIGNAL:
    case G_DBUS_MESSAGE_TYPE_INVALID:
    default:
      break;
    }

  if (frame != NULL)
    _pyisolate_transport_emit_frame (PYISOLATE_TRANSPORT (self), frame);
  if (is_reply)
    return message;
  g_object_unref (message);
  return NULL;
}

static void
on_closed (GDBusConnection *connection,
           gboolean         remote_peer_vanished,
           GError          *error,
           gpointer         user_data)
{
  g_autoptr (CarelessTransport) self = g_object_ref (user_data);

  _pyisolate_transport_emit_closed (PYISOLATE_TRANSPORT (self), error);
}

static void
careless_transport_start (PyIsolateTransport *transport)
{
  CarelessTransport *self = CARELESS_TRANSPORT (transport);

  self->filter_id = g_dbus_connection_add_filter (self->connection, on_message, g_object_ref (self), g_object_unref);
  self->closed_id = g_signal_connect (self->connection, "closed", G_CALLBACK (on_closed), self);
  g_dbus_connection_start_message_processing (self->connection);
}

static GVariant *
bytes_of (PyIsolateFrame *frame)
{
  g_autoptr (GBytes) none = g_bytes_new_static ("", 0);

  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, frame->body != NULL ? frame->body : none, TRUE);
}

static GDBusMessage *
new_reply (CarelessTransport *self,
           PyIsolateFrame    *frame)
{
  GDBusMessage *message = g_dbus_message_new ();
  guint32 serial = careless_transport_get_serial (self, frame->id);

  g_dbus_message_set_reply_serial (message, serial != 0 ? serial : FAR_SERIAL + (guint32) frame->id);
  if (frame->kind == PYISOLATE_FRAME_RETURN)
    {
      g_dbus_message_set_message_type (message, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
      g_dbus_message_set_body (message, g_variant_new ("(@aya{sv})", bytes_of (frame), NULL));
    }
  else
    {
      g_dbus_message_set_message_type (message, G_DBUS_MESSAGE_TYPE_ERROR);
      g_dbus_message_set_error_name (message, frame->name);
      g_dbus_message_set_body (message, g_variant_new ("(s@ay)", frame->message, bytes_of (frame)));
    }
  return message;
}

static GDBusMessage *
new_message (CarelessTransport *self,
             PyIsolateFrame    *frame)
{
  GDBusMessage *message;

  switch (frame->kind)
    {
    case PYISOLATE_FRAME_RETURN:
    case PYISOLATE_FRAME_ERROR:
      return new_reply (self, frame);

    case PYISOLATE_FRAME_CALL:
      message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, "Call");
      g_dbus_message_set_body (message,
                               g_variant_new ("(t@atss@ay@a{sv})", frame->id,
                                              g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, frame->chain,
                                                                         frame->n_chain, sizeof (guint64)),
                                              frame->target, frame->name, bytes_of (frame),
                                              g_variant_new ("a{sv}", NULL)));
      return message;

    case PYISOLATE_FRAME_CANCEL:
      message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, "Cancel");
      g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
      g_dbus_message_set_body (message, g_variant_new ("(t)", frame->id));
      return message;

    case PYISOLATE_FRAME_EVENT:
      message = g_dbus_message_new_signal (PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, "Event");
      g_dbus_message_set_body (message, g_variant_new ("(ts@ay)", frame->id, frame->name, bytes_of (frame)));
      return message;

    case PYISOLATE_FRAME_PROGRESS:
      message = g_dbus_message_new_signal (PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, "Progress");
      g_dbus_message_set_body (message, g_variant_new ("(t@ay)", frame->id, bytes_of (frame)));
      return message;

    case PYISOLATE_FRAME_LOG:
      message = g_dbus_message_new_signal (PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, "Log");
      g_dbus_message_set_body (message, g_variant_new ("(@ay)", bytes_of (frame)));
      return message;

    case PYISOLATE_FRAME_MEMORY:
    default:
      g_assert_not_reached ();
    }
}

static gboolean
careless_transport_send (PyIsolateTransport  *transport,
                         PyIsolateFrame      *frame_to_take,
                         GError             **error)
{
  CarelessTransport *self = CARELESS_TRANSPORT (transport);
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GDBusMessage) message = new_message (self, frame);

  return g_dbus_connection_send_message (self->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, error);
}

static void
careless_transport_close (PyIsolateTransport *transport,
                          const GError       *reason)
{
  CarelessTransport *self = CARELESS_TRANSPORT (transport);

  if (self->filter_id != 0)
    g_dbus_connection_remove_filter (self->connection, self->filter_id);
  self->filter_id = 0;
  g_dbus_connection_close (self->connection, NULL, NULL, NULL);
}

static void
careless_transport_finalize (GObject *object)
{
  CarelessTransport *self = CARELESS_TRANSPORT (object);

  if (self->closed_id != 0)
    g_signal_handler_disconnect (self->connection, self->closed_id);
  g_clear_object (&self->connection);
  g_clear_pointer (&self->serials, g_hash_table_unref);
  g_mutex_clear (&self->mutex);

  G_OBJECT_CLASS (careless_transport_parent_class)->finalize (object);
}

static void
careless_transport_class_init (CarelessTransportClass *klass)
{
  PyIsolateTransportClass *transport_class = PYISOLATE_TRANSPORT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = careless_transport_finalize;
  transport_class->start = careless_transport_start;
  transport_class->send = careless_transport_send;
  transport_class->close = careless_transport_close;
}

static void
careless_transport_init (CarelessTransport *self)
{
  g_mutex_init (&self->mutex);
  self->serials = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
}

PyIsolateTransport *
careless_transport_new (GDBusConnection *connection)
{
  CarelessTransport *self = g_object_new (CARELESS_TYPE_TRANSPORT, NULL);

  self->connection = g_object_ref (connection);
  return PYISOLATE_TRANSPORT (self);
}

GDBusConnection *
careless_transport_get_connection (CarelessTransport *self)
{
  return self->connection;
}

guint32
careless_transport_get_serial (CarelessTransport *self,
                               guint64            id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return GPOINTER_TO_UINT (g_hash_table_lookup (self->serials, &id));
}
