/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "dbus-peer.h"

#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-error.h"

#include <string.h>

LinkPair *
dbus_peer_new_pair (void)
{
  LinkPair *pair = link_pair_new (LINK_DBUS, LINK_CARELESS);

  link_side_start_endpoint (&pair->host, LINK_NUMBER);
  link_side_start (&pair->worker);
  return pair;
}

GDBusConnection *
dbus_peer_get_connection (LinkPair *pair)
{
  return careless_transport_get_connection (CARELESS_TRANSPORT (pair->worker.transport));
}

void
dbus_peer_send (LinkPair     *pair,
                GDBusMessage *message_to_take)
{
  g_autoptr (GDBusMessage) message = message_to_take;
  g_autoptr (GError) error = NULL;

  g_dbus_connection_send_message (dbus_peer_get_connection (pair), message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, &error);
  g_assert_no_error (error);
}

GDBusMessage *
dbus_peer_new_method (const char *member,
                      GVariant   *body)
{
  GDBusMessage *message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, member);

  if (body != NULL)
    g_dbus_message_set_body (message, body);
  return message;
}

GDBusMessage *
dbus_peer_new_signal (const char *member,
                      GVariant   *body)
{
  GDBusMessage *message = g_dbus_message_new_signal (PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, member);

  if (body != NULL)
    g_dbus_message_set_body (message, body);
  return message;
}

GDBusMessage *
dbus_peer_new_good_call (guint64 id)
{
  return dbus_peer_new_method ("Call", g_variant_new_parsed ("(%t, @at [], 'target', 'name', @ay b'body', @a{sv} {})", id));
}

GDBusMessage *
dbus_peer_new_error (void)
{
  GDBusMessage *message = g_dbus_message_new ();

  g_dbus_message_set_message_type (message, G_DBUS_MESSAGE_TYPE_ERROR);
  g_dbus_message_set_reply_serial (message, 1);
  g_dbus_message_set_error_name (message, "org.pyisolate.Error.Failed");
  return message;
}

void
dbus_peer_assert_bad_message (LinkPair   *pair,
                              const char *what)
{
  link_box_wait_ends (pair->host.box, 1);
  g_assert_error (pair->host.box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
  if (strstr (pair->host.box->error->message, what) == NULL)
    g_error ("“%s” does not say “%s”", pair->host.box->error->message, what);
}

void
dbus_peer_assert_alive (LinkPair *pair)
{
  g_autoptr (PyIsolateFrame) call = NULL;

  dbus_peer_send (pair, dbus_peer_new_good_call (LINK_ID (4242)));
  call = link_box_take (pair->host.box);
  g_assert_cmpint (call->kind, ==, PYISOLATE_FRAME_CALL);
  g_assert_cmpuint (call->id, ==, LINK_ID (4242));
  g_assert_cmpuint (link_box_count_ends (pair->host.box), ==, 0);
}

void
dbus_peer_check_bad (GDBusMessage *message,
                     const char   *what)
{
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();

  dbus_peer_send (pair, message);
  dbus_peer_assert_bad_message (pair, what);
  g_assert_cmpuint (link_box_count (pair->host.box), ==, 0);
}
