/* SPDX-License-Identifier: MIT */
/* What the host's end of a D-Bus link makes of messages that no worker of ours sends. */
#include "config.h"

#include "dbus-peer.h"

#include "pyisolate-error-private.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

static void
test_signatures (void)
{
  dbus_peer_check_bad (dbus_peer_new_method ("Call", NULL), "A call has the signature ()");
  dbus_peer_check_bad (dbus_peer_new_method ("Call", g_variant_new_parsed ("('x',)")), "A call has the signature (s)");
  dbus_peer_check_bad (dbus_peer_new_method ("Call", g_variant_new_parsed ("(@t 1, @at [], 'a', 'b', 'c', @a{sv} {})")),
             "A call has the signature (tatsssa{sv})");
  dbus_peer_check_bad (dbus_peer_new_method ("Call", g_variant_new_parsed ("(@t 1, @at [], 'a', 'b', @ay b'c', @a{sv} {}, 'more')")),
             "A call has the signature (tatssaya{sv}s)");
  dbus_peer_check_bad (dbus_peer_new_method ("Cancel", NULL), "A cancellation has the signature ()");
  dbus_peer_check_bad (dbus_peer_new_method ("Cancel", g_variant_new_parsed ("(@x 1,)")), "A cancellation has the signature (x)");
  dbus_peer_check_bad (dbus_peer_new_signal ("Progress", g_variant_new_parsed ("(@t 1, 0.5, 'text')")), "Progress");
  dbus_peer_check_bad (dbus_peer_new_signal ("Event", g_variant_new_parsed ("(@t 1, 'name', <5>)")), "Event");
  dbus_peer_check_bad (dbus_peer_new_signal ("Log", NULL), "There is no signal Log with the signature ()");
}

static void
test_unknown_members (void)
{
  dbus_peer_check_bad (dbus_peer_new_method ("Frobnicate", NULL), "There is no method Frobnicate");
  dbus_peer_check_bad (dbus_peer_new_method ("call", NULL), "There is no method call");
  dbus_peer_check_bad (dbus_peer_new_signal ("Frobnicated", NULL), "There is no signal Frobnicated");
  dbus_peer_check_bad (dbus_peer_new_signal ("Call", g_variant_new_parsed ("(@t 1,)")), "There is no signal Call");
}

static void
test_long_chain (void)
{
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();
  g_autoptr (PyIsolateFrame) call = NULL;
  guint64 chain[PYISOLATE_MAX_CHAIN + 1] = { 0 };

  for (guint too_many = 0; too_many <= 1; too_many++)
    {
      GVariant *ids = g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, chain, PYISOLATE_MAX_CHAIN + too_many,
                                                 sizeof (guint64));

      dbus_peer_send (pair, dbus_peer_new_method ("Call", g_variant_new ("(t@atss@aya{sv})", LINK_ID (1 + too_many), ids, "t", "n",
                                                             g_variant_new_bytestring (""), NULL)));
    }
  call = link_box_take (pair->host.box);
  g_assert_cmpuint (call->n_chain, ==, PYISOLATE_MAX_CHAIN);
  dbus_peer_assert_bad_message (pair, "A call has a chain of 257 calls");
}

static void
check_bad_reply (GDBusMessageType  type,
                 GVariant         *body,
                 const char       *what)
{
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (GDBusMessage) reply = g_dbus_message_new ();

  link_side_call (&pair->host, link_frame_call (1, "answer me"), box);
  call = link_box_take (pair->worker.box);
  g_dbus_message_set_message_type (reply, type);
  g_dbus_message_set_reply_serial (reply,
                                   careless_transport_get_serial (CARELESS_TRANSPORT (pair->worker.transport), 1));
  g_dbus_message_set_error_name (reply, "org.pyisolate.Error.Failed");
  if (body != NULL)
    g_dbus_message_set_body (reply, body);
  dbus_peer_send (pair, g_steal_pointer (&reply));

  dbus_peer_assert_bad_message (pair, what);
  g_assert_cmpuint (link_box_count_ends (box), ==, 1);
  g_assert_error (box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
}

static void
test_bad_replies (void)
{
  check_bad_reply (G_DBUS_MESSAGE_TYPE_METHOD_RETURN, NULL, "A reply has the signature ()");
  check_bad_reply (G_DBUS_MESSAGE_TYPE_METHOD_RETURN, g_variant_new_parsed ("('text',)"), "A reply has the signature (s)");
  check_bad_reply (G_DBUS_MESSAGE_TYPE_METHOD_RETURN, g_variant_new_parsed ("(@ay b'', 1)"), "(ayi)");
  check_bad_reply (G_DBUS_MESSAGE_TYPE_ERROR, NULL, "An error has the signature ()");
  check_bad_reply (G_DBUS_MESSAGE_TYPE_ERROR, g_variant_new_parsed ("(1,)"), "An error has the signature (i)");
  check_bad_reply (G_DBUS_MESSAGE_TYPE_ERROR, g_variant_new_parsed ("('text', @ay b'', 1)"), "(sayi)");
}

/* GDBus looks only whether a field is there. One GLib or another may come to look at the types too: then there is nothing
 * for us to refuse. */
static void
check_field (GDBusMessage            *message_to_take,
             GDBusMessageHeaderField  field,
             GVariant                *value)
{
  g_autoptr (GDBusMessage) message = message_to_take;
  g_autofree guint8 *blob = NULL;
  gsize size;

  g_dbus_message_set_header (message, field, value);
  g_dbus_message_set_serial (message, 1000);
  blob = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
  if (blob == NULL)
    return;

  dbus_peer_check_bad (g_dbus_message_copy (message, NULL), "header fields of wrong types");
}

/* Each of these ended the host. */
static void
test_fields_of_wrong_types (void)
{
  check_field (dbus_peer_new_good_call (LINK_ID (1)), G_DBUS_MESSAGE_HEADER_FIELD_PATH, g_variant_new_string ("/"));
  check_field (dbus_peer_new_good_call (LINK_ID (1)), G_DBUS_MESSAGE_HEADER_FIELD_PATH, g_variant_new_uint32 (1));
  check_field (dbus_peer_new_good_call (LINK_ID (1)), G_DBUS_MESSAGE_HEADER_FIELD_MEMBER, g_variant_new_uint32 (1));
  check_field (dbus_peer_new_signal ("Log", NULL), G_DBUS_MESSAGE_HEADER_FIELD_MEMBER, g_variant_new_uint32 (1));
  check_field (dbus_peer_new_signal ("Log", NULL), G_DBUS_MESSAGE_HEADER_FIELD_INTERFACE, g_variant_new_uint32 (1));
  check_field (dbus_peer_new_signal ("Log", NULL), G_DBUS_MESSAGE_HEADER_FIELD_PATH, g_variant_new_string ("/"));
  check_field (dbus_peer_new_error (), G_DBUS_MESSAGE_HEADER_FIELD_ERROR_NAME, g_variant_new_uint32 (1));
}

/* A serial of a wrong type counts as none. */
static void
test_serial_of_wrong_type (void)
{
  GDBusMessage *message = dbus_peer_new_error ();

  g_dbus_message_set_header (message, G_DBUS_MESSAGE_HEADER_FIELD_REPLY_SERIAL, g_variant_new_string ("1"));
  dbus_peer_check_bad (message, "A reply to message 0, which waits for none");
}

/* The interface is optional in a call; a call without ours is not ours. */
static void
test_interface_of_wrong_type (void)
{
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();
  g_autoptr (PyIsolateFrame) answer = NULL;
  GDBusMessage *message = dbus_peer_new_good_call (LINK_ID (1));

  g_dbus_message_set_header (message, G_DBUS_MESSAGE_HEADER_FIELD_INTERFACE, g_variant_new_uint32 (1));
  dbus_peer_send (pair, message);
  answer = link_box_take (pair->worker.box);
  g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_ERROR);
  dbus_peer_assert_alive (pair);
}

/* Names that a worker of ours does not give, and the form that GDBus itself gives errors. */
static void
test_errors_of_others (void)
{
  static const char *names[] = { "org.freedesktop.DBus.Error.UnknownMethod", "org.pyisolate.Error.NoSuchName",
                                 "org.pyisolate.Error", "x.y" };
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (LinkBox) box = link_box_new ();
      g_autoptr (PyIsolateFrame) call = NULL;
      g_autoptr (PyIsolateFrame) answer = NULL;
      g_autoptr (GDBusMessage) reply = dbus_peer_new_error ();
      g_autoptr (GVariant) details = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
      g_autoptr (GError) error = NULL;

      link_side_call (&pair->host, link_frame_call (i + 1, "answer me"), box);
      call = link_box_take (pair->worker.box);
      g_dbus_message_set_reply_serial (reply,
                                       careless_transport_get_serial (CARELESS_TRANSPORT (pair->worker.transport), i + 1));
      g_dbus_message_set_error_name (reply, names[i]);
      g_dbus_message_set_body (reply, g_variant_new ("(s)", "a message"));
      dbus_peer_send (pair, g_steal_pointer (&reply));

      answer = link_box_take (box);
      g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_ERROR);
      g_assert_cmpstr (answer->name, ==, names[i]);
      g_assert_cmpuint (g_bytes_get_size (answer->body), ==, 0);
      error = _pyisolate_frame_to_error (answer, details);
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
      g_assert_nonnull (strstr (error->message, names[i]));
    }
  dbus_peer_assert_alive (pair);
}

/* Descriptors beside messages that have no use for them are closed: the fixture counts. */
static void
test_stray_fds (void)
{
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();
  g_autoptr (PyIsolateFrame) event = NULL;
  GDBusMessage *messages[] = {
    dbus_peer_new_signal ("Event", g_variant_new_parsed ("(@t 0, 'name', @ay b'')")),
    dbus_peer_new_method ("Cancel", g_variant_new_parsed ("(@t 1,)")),
    g_dbus_message_new_method_call (NULL, "/", "org.freedesktop.DBus.Peer", "Ping"),
    g_dbus_message_new_signal ("/", "org.example.Other", "Happened"),
  };

  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
      int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

      for (guint j = 0; j < 50; j++)
        g_assert_cmpint (g_unix_fd_list_append (list, fd, NULL), ==, j);
      close (fd);
      g_dbus_message_set_unix_fd_list (messages[i], list);
      dbus_peer_send (pair, messages[i]);
    }
  event = link_box_take (pair->host.box);
  g_assert_cmpuint (event->n_fds, ==, 0);
  dbus_peer_assert_alive (pair);
}

/* The largest body that can travel does. */
static void
test_largest_body (void)
{
  const gsize size = 64 * 1024 * 1024 - 4096;
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (size), size);
  g_autoptr (PyIsolateFrame) event = NULL;

  dbus_peer_send (pair, dbus_peer_new_signal ("Event", g_variant_new ("(ts@ay)", (guint64) 0, "large",
                                                          g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE))));
  event = link_box_take (pair->host.box);
  g_assert_cmpuint (g_bytes_get_size (event->body), ==, size);
  dbus_peer_assert_alive (pair);
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  test_util_add_func ("/pyisolate/dbus-transport/signatures", test_signatures);
  test_util_add_func ("/pyisolate/dbus-transport/unknown-members", test_unknown_members);
  test_util_add_func ("/pyisolate/dbus-transport/long-chain", test_long_chain);
  test_util_add_func ("/pyisolate/dbus-transport/bad-replies", test_bad_replies);
  test_util_add_func ("/pyisolate/dbus-transport/fields-of-wrong-types", test_fields_of_wrong_types);
  test_util_add_func ("/pyisolate/dbus-transport/serial-of-wrong-type", test_serial_of_wrong_type);
  test_util_add_func ("/pyisolate/dbus-transport/interface-of-wrong-type", test_interface_of_wrong_type);
  test_util_add_func ("/pyisolate/dbus-transport/errors-of-others", test_errors_of_others);
  test_util_add_func ("/pyisolate/dbus-transport/stray-fds", test_stray_fds);
  test_util_add_func ("/pyisolate/dbus-transport/largest-body", test_largest_body);
  return g_test_run ();
}
