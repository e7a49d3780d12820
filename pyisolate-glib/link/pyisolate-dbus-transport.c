/* SPDX-License-Identifier: MIT */
/* Frames over a peer-to-peer GDBusConnection: the open way.
 *
 * A CALL is a method call of org.pyisolate.Link1, RETURN and ERROR are its replies, the other kinds are a method without
 * reply and signals. All of it passes a filter, which runs in GDBus's own thread: a frame is with its receiver after one
 * hop. Calls that are not ours (introspection, org.freedesktop.DBus.Peer) go on to GDBus; nobody here listens to signals
 * that are not ours.
 *
 * Nothing that arrives is trusted. What GDBus let through is a well-formed D-Bus message; here it must also be one that
 * the interface allows, and a reply must belong to a call of ours that has none yet. Anything else ends the transport with
 * BAD_MESSAGE. docs/threat-model.md says what GDBus does with bytes that are not a message. */
#include "config.h"

#include "pyisolate-dbus-transport-private.h"

#include "pyisolate-error-private.h"
#include "pyisolate-link1-info.h"

#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#define LINK_INTERFACE "org.pyisolate.Link1"

struct _PyIsolateDBusTransport {
  PyIsolateTransport parent_instance;

  GDBusConnection *connection;
  guint filter_id;
  guint registration_id;
  gulong closed_id;

  GMutex mutex;
  GHashTable *calls_out; /* serial of a message → id of our CALL that has no reply yet */
  GHashTable *calls_in;  /* id of their CALL that we have not answered yet → its GDBusMessage */
  GError *reason;        /* why we closed it, if it was us and for a reason */
};

G_DEFINE_FINAL_TYPE (PyIsolateDBusTransport, _pyisolate_dbus_transport, PYISOLATE_TYPE_TRANSPORT)

static void
_pyisolate_dbus_transport_close (PyIsolateTransport *transport,
                                 const GError       *reason)
{
  PyIsolateDBusTransport *self = PYISOLATE_DBUS_TRANSPORT (transport);

  g_mutex_lock (&self->mutex);
  if (self->reason == NULL && reason != NULL)
    self->reason = g_error_copy (reason);
  g_mutex_unlock (&self->mutex);

  g_dbus_connection_close (self->connection, NULL, NULL, NULL);
}

static void G_GNUC_PRINTF (2, 3)
bad_message (PyIsolateDBusTransport *self,
             const char             *format,
             ...)
{
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, format);
  error = g_error_new_valist (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, format, args);
  va_end (args);

  _pyisolate_dbus_transport_close (PYISOLATE_TRANSPORT (self), error);
}

static void
take_fds_of_message (PyIsolateFrame *frame,
                     GDBusMessage   *message)
{
  GUnixFDList *list = g_dbus_message_get_unix_fd_list (message);
  int *fds;
  int n_fds;

  if (list == NULL)
    return;

  fds = g_unix_fd_list_steal_fds (list, &n_fds);
  _pyisolate_frame_take_fds (frame, fds, n_fds);
}

static GBytes *
dup_bytes_of_child (GVariant *tuple,
                    gsize     index)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (tuple, index);

  return g_variant_get_data_as_bytes (child);
}

static PyIsolateFrame *
parse_call (PyIsolateDBusTransport *self,
            GDBusMessage           *message,
            GVariant               *body)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 0);
  g_autoptr (GVariant) chain = NULL;
  const guint64 *ids;
  gsize n_ids;
  gboolean fresh;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE ("(tatssaya{sv})")))
    {
      bad_message (self, "A call has the signature %s", g_variant_get_type_string (body));
      return NULL;
    }

  g_variant_get (body, "(t@atss@ay@a{sv})", &frame->id, &chain, &frame->target, &frame->name, NULL, NULL);
  ids = g_variant_get_fixed_array (chain, &n_ids, sizeof (guint64));
  if (n_ids > PYISOLATE_MAX_CHAIN)
    {
      bad_message (self, "A call has a chain of %" G_GSIZE_FORMAT " calls", n_ids);
      return NULL;
    }
  _pyisolate_frame_set_chain (frame, ids, n_ids);
  frame->body = dup_bytes_of_child (body, 4);
  take_fds_of_message (frame, message);

  g_mutex_lock (&self->mutex);
  fresh = !g_hash_table_contains (self->calls_in, &frame->id);
  if (fresh)
    g_hash_table_insert (self->calls_in, g_memdup2 (&frame->id, sizeof frame->id), g_object_ref (message));
  g_mutex_unlock (&self->mutex);

  if (!fresh)
    {
      bad_message (self, "Two calls in flight have the id %" G_GUINT64_FORMAT, frame->id);
      return NULL;
    }

  return g_steal_pointer (&frame);
}

static PyIsolateFrame *
parse_cancel (PyIsolateDBusTransport *self,
              GDBusMessage           *message,
              GVariant               *body)
{
  guint64 id;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE ("(t)")))
    {
      bad_message (self, "A cancellation has the signature %s", g_variant_get_type_string (body));
      return NULL;
    }

  g_variant_get (body, "(t)", &id);
  return _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, id);
}

static PyIsolateFrame *
parse_signal (PyIsolateDBusTransport *self,
              const char             *member,
              GVariant               *body)
{
  g_autoptr (PyIsolateFrame) frame = NULL;

  if (g_str_equal (member, "Progress") && g_variant_is_of_type (body, G_VARIANT_TYPE ("(tay)")))
    {
      frame = _pyisolate_frame_new (PYISOLATE_FRAME_PROGRESS, 0);
      g_variant_get (body, "(t@ay)", &frame->id, NULL);
      frame->body = dup_bytes_of_child (body, 1);
    }
  else if (g_str_equal (member, "Event") && g_variant_is_of_type (body, G_VARIANT_TYPE ("(tsay)")))
    {
      frame = _pyisolate_frame_new (PYISOLATE_FRAME_EVENT, 0);
      g_variant_get (body, "(ts@ay)", &frame->id, &frame->name, NULL);
      frame->body = dup_bytes_of_child (body, 2);
    }
  else if (g_str_equal (member, "Log") && g_variant_is_of_type (body, G_VARIANT_TYPE ("(ay)")))
    {
      frame = _pyisolate_frame_new (PYISOLATE_FRAME_LOG, 0);
      frame->body = dup_bytes_of_child (body, 0);
    }
  else
    {
      bad_message (self, "There is no signal %s with the signature %s", member, g_variant_get_type_string (body));
    }

  return g_steal_pointer (&frame);
}

/* Takes the call that a reply belongs to off the list. A reply without one is a second reply, or one to nothing. */
static gboolean
claim_reply (PyIsolateDBusTransport *self,
             GDBusMessage           *message,
             guint64                *id)
{
  gpointer serial = GUINT_TO_POINTER (g_dbus_message_get_reply_serial (message));
  gpointer value = NULL;
  gboolean found;

  g_mutex_lock (&self->mutex);
  found = g_hash_table_steal_extended (self->calls_out, serial, NULL, &value);
  g_mutex_unlock (&self->mutex);

  if (found)
    {
      *id = *(guint64 *) value;
      g_free (value);
    }
  else
    {
      bad_message (self, "A reply to message %u, which waits for none", GPOINTER_TO_UINT (serial));
    }

  return found;
}

static PyIsolateFrame *
parse_return (PyIsolateDBusTransport *self,
              GDBusMessage           *message,
              GVariant               *body)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, 0);

  if (!claim_reply (self, message, &frame->id))
    return NULL;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE ("(ay)")))
    {
      bad_message (self, "A reply has the signature %s", g_variant_get_type_string (body));
      return NULL;
    }

  frame->body = dup_bytes_of_child (body, 0);
  take_fds_of_message (frame, message);

  return g_steal_pointer (&frame);
}

static PyIsolateFrame *
parse_error (PyIsolateDBusTransport *self,
             GDBusMessage           *message,
             GVariant               *body)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, 0);

  if (!claim_reply (self, message, &frame->id))
    return NULL;

  frame->name = g_strdup (g_dbus_message_get_error_name (message));

  if (g_variant_is_of_type (body, G_VARIANT_TYPE ("(say)")))
    {
      g_variant_get (body, "(s@ay)", &frame->message, NULL);
      frame->body = dup_bytes_of_child (body, 1);
    }
  else if (g_variant_is_of_type (body, G_VARIANT_TYPE ("(s)"))) /* from GDBus itself */
    {
      g_variant_get (body, "(s)", &frame->message);
      frame->body = g_bytes_new_static ("", 0);
    }
  else
    {
      bad_message (self, "An error has the signature %s", g_variant_get_type_string (body));
      return NULL;
    }

  return g_steal_pointer (&frame);
}

/* GDBus sees to it that the fields which a kind of message must have are there, but not that they are of their types; those
 * which are not read as NULL, here and in GDBus itself. */
static gboolean
message_has_fields (GDBusMessage *message)
{
  switch (g_dbus_message_get_message_type (message))
    {
    case G_DBUS_MESSAGE_TYPE_METHOD_CALL:
      return g_dbus_message_get_path (message) != NULL && g_dbus_message_get_member (message) != NULL;

    case G_DBUS_MESSAGE_TYPE_SIGNAL:
      return g_dbus_message_get_path (message) != NULL && g_dbus_message_get_member (message) != NULL &&
             g_dbus_message_get_interface (message) != NULL;

    case G_DBUS_MESSAGE_TYPE_ERROR:
      return g_dbus_message_get_error_name (message) != NULL;

    case G_DBUS_MESSAGE_TYPE_METHOD_RETURN:
    case G_DBUS_MESSAGE_TYPE_INVALID:
    default:
      return TRUE;
    }
}

static gboolean
message_is_ours (GDBusMessage *message)
{
  switch (g_dbus_message_get_message_type (message))
    {
    case G_DBUS_MESSAGE_TYPE_METHOD_RETURN:
    case G_DBUS_MESSAGE_TYPE_ERROR:
      return TRUE; /* nothing else on this connection makes calls */

    case G_DBUS_MESSAGE_TYPE_METHOD_CALL:
      return g_strcmp0 (g_dbus_message_get_interface (message), LINK_INTERFACE) == 0 &&
             g_strcmp0 (g_dbus_message_get_path (message), PYISOLATE_LINK_OBJECT_PATH) == 0;

    case G_DBUS_MESSAGE_TYPE_SIGNAL:
      return g_strcmp0 (g_dbus_message_get_interface (message), LINK_INTERFACE) == 0;

    case G_DBUS_MESSAGE_TYPE_INVALID:
    default:
      return FALSE;
    }
}

static PyIsolateFrame *
parse_message (PyIsolateDBusTransport *self,
               GDBusMessage           *message)
{
  g_autoptr (GVariant) body = NULL;
  const char *member = g_dbus_message_get_member (message);

  body = g_dbus_message_get_body (message);
  body = g_variant_ref_sink (body != NULL ? body : g_variant_new_tuple (NULL, 0));

  switch (g_dbus_message_get_message_type (message))
    {
    case G_DBUS_MESSAGE_TYPE_METHOD_RETURN:
      return parse_return (self, message, body);

    case G_DBUS_MESSAGE_TYPE_ERROR:
      return parse_error (self, message, body);

    case G_DBUS_MESSAGE_TYPE_SIGNAL:
      return parse_signal (self, member, body);

    case G_DBUS_MESSAGE_TYPE_METHOD_CALL:
      if (g_strcmp0 (member, "Call") == 0)
        return parse_call (self, message, body);
      if (g_strcmp0 (member, "Cancel") == 0)
        return parse_cancel (self, message, body);
      bad_message (self, "There is no method %s", member);
      return NULL;

    case G_DBUS_MESSAGE_TYPE_INVALID:
    default:
      g_assert_not_reached ();
    }
}

/* Runs in GDBus's thread. */
static GDBusMessage *
on_message (GDBusConnection *connection,
            GDBusMessage    *message,
            gboolean         incoming,
            gpointer         user_data)
{
  g_autoptr (PyIsolateDBusTransport) self = g_weak_ref_get (user_data);
  PyIsolateFrame *frame = NULL;

  if (!incoming || self == NULL)
    return message;

  if (!message_has_fields (message))
    bad_message (self, "A message has header fields of wrong types");
  else if (message_is_ours (message))
    frame = parse_message (self, message);
  else if (g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL)
    return message;

  if (frame != NULL)
    _pyisolate_transport_emit_frame (PYISOLATE_TRANSPORT (self), frame);

  g_object_unref (message);
  return NULL;
}

/* What of GDBus's reason is one of ours: that the other side has gone is no error, that it sent what GDBus could not take
 * apart is one. */
static GError *
convert_reason (gboolean      remote_peer_vanished,
                const GError *error)
{
  if (error == NULL || (remote_peer_vanished && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_FAILED)))
    return NULL;

  if (!remote_peer_vanished)
    return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "What arrived is no D-Bus message: %s",
                        error->message);

  return g_error_copy (error);
}

static void
on_closed (GDBusConnection *connection,
           gboolean         remote_peer_vanished,
           GError          *error,
           gpointer         user_data)
{
  PyIsolateDBusTransport *self = PYISOLATE_DBUS_TRANSPORT (user_data);
  g_autoptr (GError) reason = NULL;

  g_object_ref (self);

  g_mutex_lock (&self->mutex);
  reason = g_steal_pointer (&self->reason);
  g_hash_table_remove_all (self->calls_in);
  g_hash_table_remove_all (self->calls_out);
  g_mutex_unlock (&self->mutex);

  if (reason == NULL)
    reason = convert_reason (remote_peer_vanished, error);
  _pyisolate_transport_emit_closed (PYISOLATE_TRANSPORT (self), reason);

  g_object_unref (self);
}

static void
free_weak_ref (gpointer data)
{
  GWeakRef *ref = data;

  g_weak_ref_clear (ref);
  g_free (ref);
}

static void
_pyisolate_dbus_transport_start (PyIsolateTransport *transport)
{
  static const GDBusInterfaceVTable no_vtable = { NULL, NULL, NULL, { NULL } };
  PyIsolateDBusTransport *self = PYISOLATE_DBUS_TRANSPORT (transport);
  GWeakRef *ref = g_new0 (GWeakRef, 1);

  g_weak_ref_init (ref, self);
  self->filter_id = g_dbus_connection_add_filter (self->connection, on_message, ref, free_weak_ref);
  self->closed_id = g_signal_connect (self->connection, "closed", G_CALLBACK (on_closed), self);
  /* For introspection; its calls never get past the filter. */
  self->registration_id = g_dbus_connection_register_object (self->connection, PYISOLATE_LINK_OBJECT_PATH,
                                                             (GDBusInterfaceInfo *) &org_pyisolate_link1_interface,
                                                             &no_vtable, NULL, NULL, NULL);
  g_dbus_connection_start_message_processing (self->connection);
}

static GVariant *
new_bytes_variant (GBytes *bytes)
{
  if (bytes == NULL)
    return g_variant_new_array (G_VARIANT_TYPE_BYTE, NULL, 0);

  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

static GDBusMessage *
new_call_message (PyIsolateFrame *frame)
{
  GDBusMessage *message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, "Call");
  GVariant *chain = g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, frame->chain, frame->n_chain, sizeof (guint64));

  g_dbus_message_set_body (message,
                           g_variant_new ("(t@atss@ay@a{sv})", frame->id, chain,
                                          frame->target, frame->name,
                                          new_bytes_variant (frame->body),
                                          g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0)));
  return message;
}

static GDBusMessage *
new_reply_message (PyIsolateDBusTransport *self,
                   PyIsolateFrame         *frame)
{
  g_autoptr (GDBusMessage) request = NULL;
  GDBusMessage *reply;
  gpointer key = NULL;
  gpointer value = NULL;

  g_mutex_lock (&self->mutex);
  if (g_hash_table_steal_extended (self->calls_in, &frame->id, &key, &value))
    request = value;
  g_mutex_unlock (&self->mutex);
  g_free (key);

  if (request == NULL)
    return NULL;

  if (frame->kind == PYISOLATE_FRAME_RETURN)
    {
      reply = g_dbus_message_new_method_reply (request);
      g_dbus_message_set_body (reply, g_variant_new ("(@ay)", new_bytes_variant (frame->body)));
    }
  else
    {
      reply = g_dbus_message_new_method_error_literal (request, frame->name, frame->message);
      g_dbus_message_set_body (reply, g_variant_new ("(s@ay)", frame->message, new_bytes_variant (frame->body)));
    }

  return reply;
}

static GDBusMessage *
new_signal_message (PyIsolateFrame *frame)
{
  const char *member = NULL;
  GVariant *body = NULL;
  GDBusMessage *message;

  if (frame->kind == PYISOLATE_FRAME_PROGRESS)
    {
      member = "Progress";
      body = g_variant_new ("(t@ay)", frame->id, new_bytes_variant (frame->body));
    }
  else if (frame->kind == PYISOLATE_FRAME_EVENT)
    {
      member = "Event";
      body = g_variant_new ("(ts@ay)", frame->id, frame->name, new_bytes_variant (frame->body));
    }
  else
    {
      g_assert (frame->kind == PYISOLATE_FRAME_LOG);
      member = "Log";
      body = g_variant_new ("(@ay)", new_bytes_variant (frame->body));
    }

  message = g_dbus_message_new_signal (PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, member);
  g_dbus_message_set_body (message, body);
  return message;
}

static GDBusMessage *
new_message (PyIsolateDBusTransport *self,
             PyIsolateFrame         *frame)
{
  GDBusMessage *message;

  switch (frame->kind)
    {
    case PYISOLATE_FRAME_CALL:
      return new_call_message (frame);

    case PYISOLATE_FRAME_RETURN:
    case PYISOLATE_FRAME_ERROR:
      return new_reply_message (self, frame);

    case PYISOLATE_FRAME_CANCEL:
      message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, "Cancel");
      g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
      g_dbus_message_set_body (message, g_variant_new ("(t)", frame->id));
      return message;

    case PYISOLATE_FRAME_PROGRESS:
    case PYISOLATE_FRAME_EVENT:
    case PYISOLATE_FRAME_LOG:
      return new_signal_message (frame);

    default:
      g_assert_not_reached ();
    }
}

static void
move_fds_to_message (PyIsolateFrame *frame,
                     GDBusMessage   *message)
{
  g_autoptr (GUnixFDList) list = NULL;

  if (frame->n_fds == 0)
    return;

  list = g_unix_fd_list_new_from_array (frame->fds, frame->n_fds);
  frame->n_fds = 0;
  g_dbus_message_set_unix_fd_list (message, list);
}

static gboolean
_pyisolate_dbus_transport_send (PyIsolateTransport  *transport,
                                PyIsolateFrame      *frame_to_take,
                                GError             **error)
{
  PyIsolateDBusTransport *self = PYISOLATE_DBUS_TRANSPORT (transport);
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GDBusMessage) message = new_message (self, frame);
  g_autoptr (GMutexLocker) locker = NULL;
  guint32 serial = 0;

  if (message == NULL) /* the link was closed meanwhile, and with it went the call */
    return TRUE;

  move_fds_to_message (frame, message);

  /* The reply may arrive before the send returns, but not before the lock is released. */
  locker = g_mutex_locker_new (&self->mutex);
  if (!g_dbus_connection_send_message (self->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, &serial, error))
    return FALSE;
  if (frame->kind == PYISOLATE_FRAME_CALL)
    g_hash_table_insert (self->calls_out, GUINT_TO_POINTER (serial), g_memdup2 (&frame->id, sizeof frame->id));

  return TRUE;
}

static void
_pyisolate_dbus_transport_dispose (GObject *object)
{
  PyIsolateDBusTransport *self = PYISOLATE_DBUS_TRANSPORT (object);

  if (self->connection != NULL)
    {
      if (self->closed_id != 0)
        g_signal_handler_disconnect (self->connection, self->closed_id);
      if (self->filter_id != 0)
        g_dbus_connection_remove_filter (self->connection, self->filter_id);
      if (self->registration_id != 0)
        g_dbus_connection_unregister_object (self->connection, self->registration_id);
      if (!g_dbus_connection_is_closed (self->connection))
        g_dbus_connection_close (self->connection, NULL, NULL, NULL);
    }
  g_clear_object (&self->connection);

  G_OBJECT_CLASS (_pyisolate_dbus_transport_parent_class)->dispose (object);
}

static void
_pyisolate_dbus_transport_finalize (GObject *object)
{
  PyIsolateDBusTransport *self = PYISOLATE_DBUS_TRANSPORT (object);

  g_clear_pointer (&self->calls_in, g_hash_table_unref);
  g_clear_pointer (&self->calls_out, g_hash_table_unref);
  g_clear_error (&self->reason);
  g_mutex_clear (&self->mutex);

  G_OBJECT_CLASS (_pyisolate_dbus_transport_parent_class)->finalize (object);
}

static void
_pyisolate_dbus_transport_class_init (PyIsolateDBusTransportClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  PyIsolateTransportClass *transport_class = PYISOLATE_TRANSPORT_CLASS (klass);

  object_class->dispose = _pyisolate_dbus_transport_dispose;
  object_class->finalize = _pyisolate_dbus_transport_finalize;
  transport_class->start = _pyisolate_dbus_transport_start;
  transport_class->send = _pyisolate_dbus_transport_send;
  transport_class->close = _pyisolate_dbus_transport_close;
}

static void
_pyisolate_dbus_transport_init (PyIsolateDBusTransport *self)
{
  g_mutex_init (&self->mutex);
  self->calls_out = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->calls_in = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_object_unref);
}

/*< private >
 * @connection: made by one of the functions below; `closed` is told in the thread-default context in which it was made
 */
PyIsolateTransport *
_pyisolate_dbus_transport_new (GDBusConnection *connection)
{
  PyIsolateDBusTransport *self = g_object_new (PYISOLATE_TYPE_DBUS_TRANSPORT, NULL);

  self->connection = g_object_ref (connection);
  g_dbus_connection_set_exit_on_close (connection, FALSE);

  return PYISOLATE_TRANSPORT (self);
}

static GIOStream *
new_stream (int      take_fd,
            GError **error)
{
  g_autoptr (GSocket) socket = g_socket_new_from_fd (take_fd, error);

  if (socket == NULL)
    {
      close (take_fd);
      return NULL;
    }

  return G_IO_STREAM (g_socket_connection_factory_create_connection (socket));
}

/* The socketpair is private to the two processes, so whoever is at its other end is whom we gave it to; by anonymous
 * authentication that also works for a worker whose uid is mapped in a user namespace. */
void
_pyisolate_dbus_connect_host_async (int                  take_fd,
                                    GCancellable        *cancellable,
                                    GAsyncReadyCallback  callback,
                                    gpointer             user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GIOStream) stream = new_stream (take_fd, &error);
  g_autofree char *guid = g_dbus_generate_guid ();

  if (stream == NULL)
    {
      g_task_report_error (NULL, callback, user_data, _pyisolate_dbus_connect_host_async, g_steal_pointer (&error));
      return;
    }

  g_dbus_connection_new (stream, guid,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER |
                           G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_ALLOW_ANONYMOUS |
                           G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                         NULL, cancellable, callback, user_data);
}

GDBusConnection *
_pyisolate_dbus_connect_host_finish (GAsyncResult  *result,
                                     GError       **error)
{
  if (g_async_result_is_tagged (result, _pyisolate_dbus_connect_host_async))
    return g_task_propagate_pointer (G_TASK (result), error);

  return g_dbus_connection_new_finish (result, error);
}

GDBusConnection *
_pyisolate_dbus_connect_worker_sync (int      take_fd,
                                     GError **error)
{
  g_autoptr (GIOStream) stream = new_stream (take_fd, error);

  if (stream == NULL)
    return NULL;

  return g_dbus_connection_new_sync (stream, NULL,
                                     G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                       G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                                     NULL, NULL, error);
}
