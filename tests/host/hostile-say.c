/* SPDX-License-Identifier: MIT */
/* What the hostile worker says, by raw D-Bus messages. */
#include "config.h"

#include "hostile-worker.h"

#include "pyisolate-dbus-transport-private.h"

#include <string.h>
#include <unistd.h>

static guint32 last_id;

void
send_message (GDBusMessage *message)
{
  g_dbus_connection_send_message (hostile_connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  g_object_unref (message);
}

GVariant *
bytes_of (GVariant *value)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (owned);

  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

GVariant *
bytes_from_text (const char *text)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, text, strlen (text), 1);
}

static GVariant *
call_body (GVariant *kwargs)
{
  GVariant *children[] = { g_variant_new_array (G_VARIANT_TYPE_VARIANT, NULL, 0), kwargs };

  return g_variant_new_tuple (children, 2);
}

GVariant *
no_arguments (void)
{
  return bytes_of (call_body (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0)));
}

guint64
next_id (void)
{
  return ((guint64) hostile_link_number << 32) | ++last_id;
}

/* Sends a CALL, with bytes for a body; @n_chain: of how many calls. */
void
send_call_full (guint64     id,
                guint       n_chain,
                const char *target,
                const char *method,
                GVariant   *bytes)
{
  GDBusMessage *message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH,
                                                          LINK_INTERFACE, "Call");
  g_autofree guint64 *chain = g_new0 (guint64, n_chain + 1);
  GVariant *ids = g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, chain, n_chain,
                                             sizeof (guint64));

  g_dbus_message_set_body (message,
                           g_variant_new ("(t@atss@ay@a{sv})", id, ids, target, method, bytes,
                                          g_variant_new_array (G_VARIANT_TYPE ("{sv}"),
                                                               NULL, 0)));
  send_message (message);
}

void
send_call (const char *target,
           const char *method,
           GVariant   *kwargs)
{
  send_call_full (next_id (), 0, target, method,
                  bytes_of (call_body (kwargs != NULL ? kwargs
                                       : g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0))));
}

void
send_signal (const char *member,
             GVariant   *body)
{
  GDBusMessage *message = g_dbus_message_new_signal (PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE,
                                                     member);

  g_dbus_message_set_body (message, body);
  send_message (message);
}

void
reply_with (GDBusMessage *call,
            GVariant     *body)
{
  GDBusMessage *reply = g_dbus_message_new_method_reply (call);

  g_dbus_message_set_body (reply, body);
  send_message (reply);
}

void
reply (GDBusMessage *call,
       GVariant     *value)
{
  reply_with (call, g_variant_new ("(@aya{sv})", bytes_of (g_variant_new_variant (value)), NULL));
}

/* To a message that nobody has sent. */
void
reply_to_serial (guint32 serial)
{
  g_autoptr (GDBusMessage) call = g_dbus_message_new_method_call (NULL, "/", NULL, "Nothing");

  g_dbus_message_set_serial (call, serial);
  reply (call, g_variant_new_boolean (TRUE));
}

GDBusMessage *
next_of_type (GDBusMessageType type)
{
  while (TRUE)
    {
      GDBusMessage *message = g_async_queue_pop (hostile_incoming);

      if (g_dbus_message_get_message_type (message) == type)
        return message;
      g_object_unref (message);
    }
}

void
write_raw (const void *data,
           gsize       length)
{
  GIOStream *stream = g_dbus_connection_get_stream (hostile_connection);
  GSocket *socket = g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream));

  g_dbus_connection_flush_sync (hostile_connection, NULL, NULL);
  if (write (g_socket_get_fd (socket), data, length) < 0)
    _exit (9);
}
