/* SPDX-License-Identifier: MIT */
/* A CALL is a method call of org.pyisolate.Link1, RETURN and ERROR are its replies, the other kinds are a method without
 * reply and signals. What GDBus let through is a well-formed D-Bus message; here it must also be one that the interface
 * allows. */
#include "config.h"

#include "pyisolate-dbus-message-private.h"

#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-error.h"

#include <gio/gunixfdlist.h>

#define LINK_INTERFACE "org.pyisolate.Link1"

/* @n_sent: how many there were, as far as is known. GDBus says of a message that came with fewer only how many came; those may be
 * any of them, and none is of use. */
static void
take_fds_of_message (PyIsolateFrame *frame,
                     GDBusMessage   *message,
                     guint           n_sent)
{
  GUnixFDList *list = g_dbus_message_get_unix_fd_list (message);
  int *fds;
  int n_fds;

  if (n_sent > (list != NULL ? (guint) g_unix_fd_list_get_length (list) : 0))
    {
      _pyisolate_frame_set_lacks_fds (frame);
      return;
    }
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

/* What a frame says about memory, as an array of bytes. */
static gboolean
take_records (PyIsolateFrame  *frame,
              GVariant        *bytes,
              GError         **error)
{
  gsize size = g_variant_get_size (bytes);

  if (size % sizeof *frame->records != 0 || size / sizeof *frame->records > PYISOLATE_MAX_RECORDS)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE,
                   "%" G_GSIZE_FORMAT " bytes are no records about memory", size);
      return FALSE;
    }

  _pyisolate_frame_set_records (frame, g_variant_get_data (bytes), size / sizeof *frame->records);
  return TRUE;
}

static gboolean
take_options (PyIsolateFrame  *frame,
              GVariant        *body,
              gsize            index,
              guint           *n_fds,
              GError         **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (body, index);
  g_autoptr (GVariant) bytes = NULL;

  *n_fds = 0;
  if (g_variant_n_children (options) == 0)
    return TRUE;

  g_variant_lookup (options, "fds", "u", n_fds);
  bytes = g_variant_lookup_value (options, "memory", G_VARIANT_TYPE_BYTESTRING);
  return bytes == NULL || take_records (frame, bytes, error);
}

static PyIsolateFrame *
parse_call (GDBusMessage  *message,
            GVariant      *body,
            GError       **error)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 0);
  g_autoptr (GVariant) chain = NULL;
  const guint64 *ids;
  gsize n_ids;
  guint n_fds;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE ("(tatssaya{sv})")))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "A call has the signature %s",
                   g_variant_get_type_string (body));
      return NULL;
    }

  g_variant_get (body, "(t@atss@ay@a{sv})", &frame->id, &chain, &frame->target, &frame->name, NULL, NULL);
  ids = g_variant_get_fixed_array (chain, &n_ids, sizeof (guint64));
  if (n_ids > PYISOLATE_MAX_CHAIN)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE,
                   "A call has a chain of %" G_GSIZE_FORMAT " calls", n_ids);
      return NULL;
    }
  _pyisolate_frame_set_chain (frame, ids, n_ids);
  frame->body = dup_bytes_of_child (body, 4);
  if (!take_options (frame, body, 5, &n_fds, error))
    return NULL;
  take_fds_of_message (frame, message, n_fds);

  return g_steal_pointer (&frame);
}

static guint
count_fds_of_records (PyIsolateFrame *frame)
{
  guint n_fds = 0;

  for (guint i = 0; i < frame->n_records; i++)
    n_fds += (frame->records[i].flags & PYISOLATE_MEMORY_RECORD_FD) != 0;

  return n_fds;
}

static PyIsolateFrame *
parse_memory (GDBusMessage  *message,
              GVariant      *body,
              GError       **error)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0);
  g_autoptr (GVariant) bytes = NULL;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE ("(ay)")))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "What is said about memory has the signature %s",
                   g_variant_get_type_string (body));
      return NULL;
    }

  bytes = g_variant_get_child_value (body, 0);
  if (!take_records (frame, bytes, error))
    return NULL;
  take_fds_of_message (frame, message, count_fds_of_records (frame));

  return g_steal_pointer (&frame);
}

static PyIsolateFrame *
parse_method (GDBusMessage  *message,
              GVariant      *body,
              GError       **error)
{
  const char *member = g_dbus_message_get_member (message);
  guint64 id;

  if (g_str_equal (member, "Call"))
    return parse_call (message, body, error);
  if (g_str_equal (member, "Memory"))
    return parse_memory (message, body, error);

  if (!g_str_equal (member, "Cancel"))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "There is no method %s", member);
      return NULL;
    }

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE ("(t)")))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "A cancellation has the signature %s",
                   g_variant_get_type_string (body));
      return NULL;
    }

  g_variant_get (body, "(t)", &id);
  return _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, id);
}

static PyIsolateFrame *
parse_signal (GDBusMessage  *message,
              GVariant      *body,
              GError       **error)
{
  const char *member = g_dbus_message_get_member (message);
  PyIsolateFrame *frame = NULL;

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
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "There is no signal %s with the signature %s",
                   member, g_variant_get_type_string (body));
    }

  return frame;
}

static PyIsolateFrame *
parse_return (GDBusMessage  *message,
              GVariant      *body,
              GError       **error)
{
  g_autoptr (PyIsolateFrame) frame = NULL;
  guint n_fds;

  if (!g_variant_is_of_type (body, G_VARIANT_TYPE ("(aya{sv})")))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "A reply has the signature %s",
                   g_variant_get_type_string (body));
      return NULL;
    }

  frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, 0);
  frame->body = dup_bytes_of_child (body, 0);
  if (!take_options (frame, body, 1, &n_fds, error))
    return NULL;
  take_fds_of_message (frame, message, n_fds);

  return g_steal_pointer (&frame);
}

static PyIsolateFrame *
parse_error (GDBusMessage  *message,
             GVariant      *body,
             GError       **error)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, 0);

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
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "An error has the signature %s",
                   g_variant_get_type_string (body));
      return NULL;
    }

  return g_steal_pointer (&frame);
}

/* GDBus sees to it that the fields which a kind of message must have are there, but not that they are of their types; those
 * which are not read as NULL, here and in GDBus itself. */
gboolean
_pyisolate_dbus_message_has_fields (GDBusMessage *message)
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

gboolean
_pyisolate_dbus_message_is_reply (GDBusMessage *message)
{
  GDBusMessageType type = g_dbus_message_get_message_type (message);

  return type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR;
}

gboolean
_pyisolate_dbus_message_is_ours (GDBusMessage *message)
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

PyIsolateFrame *
_pyisolate_dbus_message_to_frame (GDBusMessage  *message,
                                  GError       **error)
{
  GVariant *set = g_dbus_message_get_body (message);
  g_autoptr (GVariant) body = g_variant_ref_sink (set != NULL ? set : g_variant_new_tuple (NULL, 0));

  switch (g_dbus_message_get_message_type (message))
    {
    case G_DBUS_MESSAGE_TYPE_METHOD_RETURN:
      return parse_return (message, body, error);

    case G_DBUS_MESSAGE_TYPE_ERROR:
      return parse_error (message, body, error);

    case G_DBUS_MESSAGE_TYPE_SIGNAL:
      return parse_signal (message, body, error);

    case G_DBUS_MESSAGE_TYPE_METHOD_CALL:
      return parse_method (message, body, error);

    case G_DBUS_MESSAGE_TYPE_INVALID:
    default:
      g_assert_not_reached ();
    }
}

static GVariant *
new_bytes_variant (GBytes *bytes)
{
  if (bytes == NULL)
    return g_variant_new_array (G_VARIANT_TYPE_BYTE, NULL, 0);

  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

static GDBusMessage *
new_method_message (const char *member,
                    GVariant   *body)
{
  GDBusMessage *message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, member);

  g_dbus_message_set_body (message, body);
  return message;
}

static GVariant *
new_records_variant (PyIsolateFrame *frame)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, frame->records, frame->n_records * sizeof *frame->records, 1);
}

static GVariant *
new_options (PyIsolateFrame *frame)
{
  GVariantDict dict;

  if (frame->n_records == 0 && frame->n_fds == 0)
    return g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);

  g_variant_dict_init (&dict, NULL);
  if (frame->n_records > 0)
    g_variant_dict_insert_value (&dict, "memory", new_records_variant (frame));
  if (frame->n_fds > 0)
    g_variant_dict_insert (&dict, "fds", "u", frame->n_fds);
  return g_variant_dict_end (&dict);
}

static GDBusMessage *
new_call_message (PyIsolateFrame *frame)
{
  GVariant *chain = g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, frame->chain, frame->n_chain, sizeof (guint64));

  return new_method_message ("Call", g_variant_new ("(t@atss@ay@a{sv})", frame->id, chain,
                                                    frame->target, frame->name,
                                                    new_bytes_variant (frame->body),
                                                    new_options (frame)));
}

static GDBusMessage *
new_memory_message (PyIsolateFrame *frame)
{
  GDBusMessage *message = new_method_message ("Memory", g_variant_new ("(@ay)", new_records_variant (frame)));

  g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  return message;
}

static GDBusMessage *
new_cancel_message (PyIsolateFrame *frame)
{
  GDBusMessage *message = new_method_message ("Cancel", g_variant_new ("(t)", frame->id));

  g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  return message;
}

static GDBusMessage *
new_reply_message (PyIsolateFrame *frame,
                   guint32         reply_serial)
{
  GDBusMessage *message = g_dbus_message_new ();

  g_dbus_message_set_reply_serial (message, reply_serial);
  g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  if (frame->kind == PYISOLATE_FRAME_RETURN)
    {
      g_dbus_message_set_message_type (message, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
      g_dbus_message_set_body (message, g_variant_new ("(@ay@a{sv})", new_bytes_variant (frame->body),
                                                       new_options (frame)));
    }
  else
    {
      g_dbus_message_set_message_type (message, G_DBUS_MESSAGE_TYPE_ERROR);
      g_dbus_message_set_error_name (message, frame->name);
      g_dbus_message_set_body (message, g_variant_new ("(s@ay)", frame->message, new_bytes_variant (frame->body)));
    }

  return message;
}

static GDBusMessage *
new_signal_message (const char *member,
                    GVariant   *body)
{
  GDBusMessage *message = g_dbus_message_new_signal (PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, member);

  g_dbus_message_set_body (message, body);
  return message;
}

static GDBusMessage *
new_message (PyIsolateFrame *frame,
             guint32         reply_serial)
{
  switch (frame->kind)
    {
    case PYISOLATE_FRAME_CALL:
      return new_call_message (frame);

    case PYISOLATE_FRAME_RETURN:
    case PYISOLATE_FRAME_ERROR:
      return new_reply_message (frame, reply_serial);

    case PYISOLATE_FRAME_CANCEL:
      return new_cancel_message (frame);

    case PYISOLATE_FRAME_MEMORY:
      return new_memory_message (frame);

    case PYISOLATE_FRAME_PROGRESS:
      return new_signal_message ("Progress", g_variant_new ("(t@ay)", frame->id, new_bytes_variant (frame->body)));

    case PYISOLATE_FRAME_EVENT:
      return new_signal_message ("Event", g_variant_new ("(ts@ay)", frame->id, frame->name,
                                                         new_bytes_variant (frame->body)));

    case PYISOLATE_FRAME_LOG:
      return new_signal_message ("Log", g_variant_new ("(@ay)", new_bytes_variant (frame->body)));

    default:
      g_assert_not_reached ();
    }
}

GDBusMessage *
_pyisolate_dbus_message_new (PyIsolateFrame *frame,
                             guint32         reply_serial)
{
  GDBusMessage *message = new_message (frame, reply_serial);

  if (frame->n_fds > 0)
    {
      g_autoptr (GUnixFDList) list = g_unix_fd_list_new_from_array (frame->fds, frame->n_fds);

      frame->n_fds = 0;
      g_dbus_message_set_unix_fd_list (message, list);
    }

  return message;
}
