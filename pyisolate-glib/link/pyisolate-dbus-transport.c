/* SPDX-License-Identifier: MIT */
/* Frames over a peer-to-peer GDBusConnection: the open way.
 *
 * All messages pass a filter, which runs in GDBus's own thread: a frame is with its receiver after one hop. Calls that are
 * not ours (introspection, org.freedesktop.DBus.Peer) go on to GDBus; nobody here listens to signals that are not ours.
 *
 * Nothing that arrives is trusted: a message must be one that the interface allows, and a reply must belong to a call of
 * ours that has none yet. Anything else ends the transport with BAD_MESSAGE. docs/threat-model.md says what GDBus does with
 * bytes that are not a message.
 *
 * GDBus queues what the other side does not read, without end. So what it has is counted, from the sending until it is
 * about to be written: beyond a limit further calls fail, and beyond another one the transport ends. */
#include "config.h"

#include "pyisolate-dbus-transport-private.h"

#include "pyisolate-dbus-message-private.h"
#include "pyisolate-error-private.h"
#include "pyisolate-link1-info.h"

/* What a queued message needs beside its body, and what its header may add to that. */
#define MESSAGE_COST 2048
#define HEADER_COST 256

const PyIsolateDBusLimits _pyisolate_dbus_host_limits = {
  .max_queued_calls = 512 * 1024 * 1024,
  .max_queued = 1024 * 1024 * 1024,
  .max_asked = 1024,
};

struct _PyIsolateDBusTransport {
  PyIsolateTransport parent_instance;

  GDBusConnection *connection;
  const PyIsolateDBusLimits *limits; /* or NULL */
  guint filter_id;
  guint registration_id;
  gulong closed_id;

  gsize n_queued; /* atomic: bytes of our messages that GDBus has not begun to write */
  int n_asked;    /* GDBus's thread only: calls that GDBus answers, and has not begun to */

  GMutex mutex;
  GHashTable *calls_out; /* serial of a message → id of our CALL that has no reply yet */
  GHashTable *calls_in;  /* id of their CALL that we have not answered yet → serial of its message */
  GError *reason;        /* why we closed it, if it was us and for a reason */
};

G_DEFINE_FINAL_TYPE (PyIsolateDBusTransport, _pyisolate_dbus_transport, PYISOLATE_TYPE_TRANSPORT)

static G_DEFINE_QUARK (pyisolate-dbus-transport-cost, cost)

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

static void G_GNUC_PRINTF (3, 4)
close_with (PyIsolateDBusTransport *self,
            PyIsolateError          code,
            const char             *format,
            ...)
{
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, format);
  error = g_error_new_valist (PYISOLATE_ERROR, (int) code, format, args);
  va_end (args);

  _pyisolate_dbus_transport_close (PYISOLATE_TRANSPORT (self), error);
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
      close_with (self, PYISOLATE_ERROR_BAD_MESSAGE, "A reply to message %u, which waits for none",
                  GPOINTER_TO_UINT (serial));
    }

  return found;
}

/* Notes what its answer will need. */
static gboolean
note_call (PyIsolateDBusTransport *self,
           GDBusMessage           *message,
           PyIsolateFrame         *frame)
{
  gpointer serial = GUINT_TO_POINTER (g_dbus_message_get_serial (message));
  gboolean fresh;

  g_mutex_lock (&self->mutex);
  fresh = !g_hash_table_contains (self->calls_in, &frame->id);
  if (fresh)
    g_hash_table_insert (self->calls_in, g_memdup2 (&frame->id, sizeof frame->id), serial);
  g_mutex_unlock (&self->mutex);

  if (!fresh)
    close_with (self, PYISOLATE_ERROR_BAD_MESSAGE, "Two calls in flight have the id %" G_GUINT64_FORMAT, frame->id);
  return fresh;
}

/* Returns: (nullable): what is for the handler */
static PyIsolateFrame *
receive (PyIsolateDBusTransport *self,
         GDBusMessage           *message)
{
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (GError) error = NULL;
  guint64 id = 0;

  if (_pyisolate_dbus_message_is_reply (message) && !claim_reply (self, message, &id))
    return NULL;

  frame = _pyisolate_dbus_message_to_frame (message, &error);
  if (frame == NULL)
    {
      _pyisolate_dbus_transport_close (PYISOLATE_TRANSPORT (self), error);
      return NULL;
    }

  if (_pyisolate_dbus_message_is_reply (message))
    frame->id = id;
  else if (frame->kind == PYISOLATE_FRAME_CALL && !note_call (self, message, frame))
    return NULL;

  return g_steal_pointer (&frame);
}

/* GDBus answers to these calls with more than they need, and whoever makes them need not read the answers. */
static gboolean
may_ask_gdbus (PyIsolateDBusTransport *self)
{
  if (self->limits == NULL || self->n_asked < self->limits->max_asked)
    {
      self->n_asked++;
      return TRUE;
    }

  close_with (self, PYISOLATE_ERROR_LIMIT, "More than %d calls of D-Bus's own came whose answers were not read",
              self->limits->max_asked);
  return FALSE;
}

static void
message_leaves (PyIsolateDBusTransport *self,
                GDBusMessage           *message)
{
  gsize cost = GPOINTER_TO_SIZE (g_object_get_qdata (G_OBJECT (message), cost_quark ()));

  if (cost > 0)
    g_atomic_pointer_add (&self->n_queued, -(gssize) cost);
  else if (self->n_asked > 0)
    self->n_asked--;
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

  if (self == NULL)
    return message;

  if (!incoming)
    {
      message_leaves (self, message);
      return message;
    }

  if (!_pyisolate_dbus_message_has_fields (message))
    close_with (self, PYISOLATE_ERROR_BAD_MESSAGE, "A message has header fields of wrong types");
  else if (_pyisolate_dbus_message_is_ours (message))
    frame = receive (self, message);
  else if (g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL && may_ask_gdbus (self))
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

/* Whether there was such a call: a closed link has forgotten it. */
static gboolean
claim_call (PyIsolateDBusTransport *self,
            guint64                 id,
            guint32                *serial)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  gpointer value;

  if (!g_hash_table_lookup_extended (self->calls_in, &id, NULL, &value))
    return FALSE;

  *serial = GPOINTER_TO_UINT (value);
  g_hash_table_remove (self->calls_in, &id);

  return TRUE;
}

/* The body is there twice: as it was given, and in the form of D-Bus, in memory that GDBus doubles until all of it fits. */
static gsize
get_cost (PyIsolateFrame *frame)
{
  gsize size = frame->body != NULL ? g_bytes_get_size (frame->body) : 0;
  gsize blob = HEADER_COST;

  while (blob < size + HEADER_COST)
    blob *= 2;

  return MESSAGE_COST + size + blob;
}

/* An answer and a cancellation have an allowance of their own: they end something, and a call that is refused is no reason
 * to keep them back. Who has not read so many either does not read at all. */
static gboolean
reserve (PyIsolateDBusTransport  *self,
         PyIsolateFrame          *frame,
         gsize                    cost,
         GError                 **error)
{
  gsize n_queued = (gsize) g_atomic_pointer_add (&self->n_queued, (gssize) cost) + cost;

  if (self->limits == NULL)
    return TRUE;

  if (frame->kind == PYISOLATE_FRAME_CALL && n_queued > self->limits->max_queued_calls)
    {
      g_atomic_pointer_add (&self->n_queued, -(gssize) cost);
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                   "The other process has not read %" G_GSIZE_FORMAT " MiB of earlier calls yet",
                   self->limits->max_queued_calls >> 20);
      return FALSE;
    }

  if (n_queued > self->limits->max_queued)
    close_with (self, PYISOLATE_ERROR_LIMIT, "More than %" G_GSIZE_FORMAT " MiB were sent that were not read",
                self->limits->max_queued >> 20);

  return TRUE;
}

static gboolean
_pyisolate_dbus_transport_send (PyIsolateTransport  *transport,
                                PyIsolateFrame      *frame_to_take,
                                GError             **error)
{
  PyIsolateDBusTransport *self = PYISOLATE_DBUS_TRANSPORT (transport);
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  gboolean is_reply = frame->kind == PYISOLATE_FRAME_RETURN || frame->kind == PYISOLATE_FRAME_ERROR;
  gsize cost = get_cost (frame);
  g_autoptr (GDBusMessage) message = NULL;
  g_autoptr (GMutexLocker) locker = NULL;
  guint32 call_serial = 0;
  guint32 serial = 0;

  if (is_reply && !claim_call (self, frame->id, &call_serial))
    return TRUE;
  if (!reserve (self, frame, cost, error))
    return FALSE;

  message = _pyisolate_dbus_message_new (frame, call_serial);
  g_object_set_qdata (G_OBJECT (message), cost_quark (), GSIZE_TO_POINTER (cost));

  /* The reply may arrive before the send returns, but not before the lock is released. */
  locker = g_mutex_locker_new (&self->mutex);
  if (!g_dbus_connection_send_message (self->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, &serial, error))
    {
      g_atomic_pointer_add (&self->n_queued, -(gssize) cost);
      return FALSE;
    }
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
  self->calls_in = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
}

/*< private >
 * @connection: made by one of the functions of pyisolate-dbus-connect.c; `closed` is told in the thread-default context in
 *   which it was made
 * @limits: (nullable): outlives the transport
 */
PyIsolateTransport *
_pyisolate_dbus_transport_new (GDBusConnection           *connection,
                               const PyIsolateDBusLimits *limits)
{
  PyIsolateDBusTransport *self = g_object_new (PYISOLATE_TYPE_DBUS_TRANSPORT, NULL);

  self->connection = g_object_ref (connection);
  self->limits = limits;
  g_dbus_connection_set_exit_on_close (connection, FALSE);

  return PYISOLATE_TRANSPORT (self);
}
