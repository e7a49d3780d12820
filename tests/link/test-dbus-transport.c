/* SPDX-License-Identifier: MIT */
/* What the host's end of a D-Bus link makes of messages that no worker of ours sends, and of what is no message. */
#include "config.h"

#include "careless-transport.h"
#include "link-pair.h"

#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-error-private.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_INTERFACE "org.pyisolate.Link1"
#define N_MUTATIONS 400

static LinkPair *
new_pair (void)
{
  LinkPair *pair = link_pair_new (LINK_DBUS, LINK_CARELESS);

  link_side_start_endpoint (&pair->host, LINK_NUMBER);
  link_side_start (&pair->worker);
  return pair;
}

static GDBusConnection *
get_connection (LinkPair *pair)
{
  return careless_transport_get_connection (CARELESS_TRANSPORT (pair->worker.transport));
}

static void
send_message (LinkPair     *pair,
              GDBusMessage *message_to_take)
{
  g_autoptr (GDBusMessage) message = message_to_take;
  g_autoptr (GError) error = NULL;

  g_dbus_connection_send_message (get_connection (pair), message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, &error);
  g_assert_no_error (error);
}

static GDBusMessage *
new_method (const char *member,
            GVariant   *body)
{
  GDBusMessage *message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, member);

  if (body != NULL)
    g_dbus_message_set_body (message, body);
  return message;
}

static GDBusMessage *
new_signal (const char *member,
            GVariant   *body)
{
  GDBusMessage *message = g_dbus_message_new_signal (PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, member);

  if (body != NULL)
    g_dbus_message_set_body (message, body);
  return message;
}

static GDBusMessage *
new_good_call (guint64 id)
{
  return new_method ("Call", g_variant_new_parsed ("(%t, @at [], 'target', 'name', @ay b'body', @a{sv} {})", id));
}

static void
assert_bad_message (LinkPair   *pair,
                    const char *what)
{
  link_box_wait_ends (pair->host.box, 1);
  g_assert_error (pair->host.box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
  if (strstr (pair->host.box->error->message, what) == NULL)
    g_error ("“%s” does not say “%s”", pair->host.box->error->message, what);
}

static void
assert_alive (LinkPair *pair)
{
  g_autoptr (PyIsolateFrame) call = NULL;

  send_message (pair, new_good_call (LINK_ID (4242)));
  call = link_box_take (pair->host.box);
  g_assert_cmpint (call->kind, ==, PYISOLATE_FRAME_CALL);
  g_assert_cmpuint (call->id, ==, LINK_ID (4242));
  g_assert_cmpuint (pair->host.box->n_ends, ==, 0);
}

static void
check_bad (GDBusMessage *message,
           const char   *what)
{
  g_autoptr (LinkPair) pair = new_pair ();

  send_message (pair, message);
  assert_bad_message (pair, what);
  g_assert_cmpuint (link_box_count (pair->host.box), ==, 0);
}

static void
test_signatures (void)
{
  check_bad (new_method ("Call", NULL), "A call has the signature ()");
  check_bad (new_method ("Call", g_variant_new_parsed ("('x',)")), "A call has the signature (s)");
  check_bad (new_method ("Call", g_variant_new_parsed ("(@t 1, @at [], 'a', 'b', 'c', @a{sv} {})")),
             "A call has the signature (tatsssa{sv})");
  check_bad (new_method ("Call", g_variant_new_parsed ("(@t 1, @at [], 'a', 'b', @ay b'c', @a{sv} {}, 'more')")),
             "A call has the signature (tatssaya{sv}s)");
  check_bad (new_method ("Cancel", NULL), "A cancellation has the signature ()");
  check_bad (new_method ("Cancel", g_variant_new_parsed ("(@x 1,)")), "A cancellation has the signature (x)");
  check_bad (new_signal ("Progress", g_variant_new_parsed ("(@t 1, 0.5, 'text')")), "Progress");
  check_bad (new_signal ("Event", g_variant_new_parsed ("(@t 1, 'name', <5>)")), "Event");
  check_bad (new_signal ("Log", NULL), "There is no signal Log with the signature ()");
}

static void
test_unknown_members (void)
{
  check_bad (new_method ("Frobnicate", NULL), "There is no method Frobnicate");
  check_bad (new_method ("call", NULL), "There is no method call");
  check_bad (new_signal ("Frobnicated", NULL), "There is no signal Frobnicated");
  check_bad (new_signal ("Call", g_variant_new_parsed ("(@t 1,)")), "There is no signal Call");
}

static void
test_long_chain (void)
{
  g_autoptr (LinkPair) pair = new_pair ();
  g_autoptr (PyIsolateFrame) call = NULL;
  guint64 chain[PYISOLATE_MAX_CHAIN + 1] = { 0 };

  for (guint too_many = 0; too_many <= 1; too_many++)
    {
      GVariant *ids = g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, chain, PYISOLATE_MAX_CHAIN + too_many,
                                                 sizeof (guint64));

      send_message (pair, new_method ("Call", g_variant_new ("(t@atss@aya{sv})", LINK_ID (1 + too_many), ids, "t", "n",
                                                             g_variant_new_bytestring (""), NULL)));
    }
  call = link_box_take (pair->host.box);
  g_assert_cmpuint (call->n_chain, ==, PYISOLATE_MAX_CHAIN);
  assert_bad_message (pair, "A call has a chain of 257 calls");
}

static void
check_bad_reply (GDBusMessageType  type,
                 GVariant         *body,
                 const char       *what)
{
  g_autoptr (LinkPair) pair = new_pair ();
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
  send_message (pair, g_steal_pointer (&reply));

  assert_bad_message (pair, what);
  g_assert_cmpuint (box->n_ends, ==, 1);
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

  check_bad (g_dbus_message_copy (message, NULL), "header fields of wrong types");
}

static GDBusMessage *
new_error (void)
{
  GDBusMessage *message = g_dbus_message_new ();

  g_dbus_message_set_message_type (message, G_DBUS_MESSAGE_TYPE_ERROR);
  g_dbus_message_set_reply_serial (message, 1);
  g_dbus_message_set_error_name (message, "org.pyisolate.Error.Failed");
  return message;
}

/* Each of these ended the host. */
static void
test_fields_of_wrong_types (void)
{
  check_field (new_good_call (LINK_ID (1)), G_DBUS_MESSAGE_HEADER_FIELD_PATH, g_variant_new_string ("/"));
  check_field (new_good_call (LINK_ID (1)), G_DBUS_MESSAGE_HEADER_FIELD_PATH, g_variant_new_uint32 (1));
  check_field (new_good_call (LINK_ID (1)), G_DBUS_MESSAGE_HEADER_FIELD_MEMBER, g_variant_new_uint32 (1));
  check_field (new_signal ("Log", NULL), G_DBUS_MESSAGE_HEADER_FIELD_MEMBER, g_variant_new_uint32 (1));
  check_field (new_signal ("Log", NULL), G_DBUS_MESSAGE_HEADER_FIELD_INTERFACE, g_variant_new_uint32 (1));
  check_field (new_signal ("Log", NULL), G_DBUS_MESSAGE_HEADER_FIELD_PATH, g_variant_new_string ("/"));
  check_field (new_error (), G_DBUS_MESSAGE_HEADER_FIELD_ERROR_NAME, g_variant_new_uint32 (1));
}

/* A serial of a wrong type counts as none. */
static void
test_serial_of_wrong_type (void)
{
  GDBusMessage *message = new_error ();

  g_dbus_message_set_header (message, G_DBUS_MESSAGE_HEADER_FIELD_REPLY_SERIAL, g_variant_new_string ("1"));
  check_bad (message, "A reply to message 0, which waits for none");
}

/* The interface is optional in a call; a call without ours is not ours. */
static void
test_interface_of_wrong_type (void)
{
  g_autoptr (LinkPair) pair = new_pair ();
  g_autoptr (PyIsolateFrame) answer = NULL;
  GDBusMessage *message = new_good_call (LINK_ID (1));

  g_dbus_message_set_header (message, G_DBUS_MESSAGE_HEADER_FIELD_INTERFACE, g_variant_new_uint32 (1));
  send_message (pair, message);
  answer = link_box_take (pair->worker.box);
  g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_ERROR);
  assert_alive (pair);
}

/* Names that a worker of ours does not give, and the form that GDBus itself gives errors. */
static void
test_errors_of_others (void)
{
  static const char *names[] = { "org.freedesktop.DBus.Error.UnknownMethod", "org.pyisolate.Error.NoSuchName",
                                 "org.pyisolate.Error", "x.y" };
  g_autoptr (LinkPair) pair = new_pair ();

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (LinkBox) box = link_box_new ();
      g_autoptr (PyIsolateFrame) call = NULL;
      g_autoptr (PyIsolateFrame) answer = NULL;
      g_autoptr (GDBusMessage) reply = new_error ();
      g_autoptr (GVariant) details = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
      g_autoptr (GError) error = NULL;

      link_side_call (&pair->host, link_frame_call (i + 1, "answer me"), box);
      call = link_box_take (pair->worker.box);
      g_dbus_message_set_reply_serial (reply,
                                       careless_transport_get_serial (CARELESS_TRANSPORT (pair->worker.transport), i + 1));
      g_dbus_message_set_error_name (reply, names[i]);
      g_dbus_message_set_body (reply, g_variant_new ("(s)", "a message"));
      send_message (pair, g_steal_pointer (&reply));

      answer = link_box_take (box);
      g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_ERROR);
      g_assert_cmpstr (answer->name, ==, names[i]);
      g_assert_cmpuint (g_bytes_get_size (answer->body), ==, 0);
      error = _pyisolate_frame_to_error (answer, details);
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
      g_assert_nonnull (strstr (error->message, names[i]));
    }
  assert_alive (pair);
}

/* What is not ours, and no harm: signals of others, types of message of the future. */
static void
test_not_ours (void)
{
  g_autoptr (LinkPair) pair = new_pair ();
  GDBusMessage *message;

  send_message (pair, g_dbus_message_new_signal ("/", "org.example.Other", "Happened"));
  message = new_signal ("Log", NULL);
  g_dbus_message_set_message_type (message, (GDBusMessageType) 77);
  send_message (pair, message);
  assert_alive (pair);
}

static void
on_called (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GVariant *
call (LinkPair    *pair,
      const char  *path,
      const char  *interface,
      const char  *member,
      GVariant    *args,
      GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_call (get_connection (pair), NULL, path, interface, member, args, NULL, G_DBUS_CALL_FLAGS_NONE,
                          LINK_TIMEOUT_MS, NULL, on_called, &result);
  test_util_assert_until (test_util_is_set, &result, LINK_TIMEOUT_MS);
  return g_dbus_connection_call_finish (get_connection (pair), result, error);
}

/* Without what is there for code generators: they do not pass it on. */
static char *
describe_interface (const char *xml)
{
  g_autoptr (GRegex) hints = g_regex_new (" *<annotation name=\"org.gtk.GDBus[^<]*</annotation>\n", 0, 0, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, &error);
  g_autoptr (GString) text = g_string_new (NULL);
  GDBusInterfaceInfo *info;

  g_assert_no_error (error);
  info = g_dbus_node_info_lookup_interface (node, LINK_INTERFACE);
  g_assert_nonnull (info);
  g_dbus_interface_info_generate_xml (info, 0, text);
  return g_regex_replace_literal (hints, text->str, -1, 0, "", 0, NULL);
}

static void
test_introspection (void)
{
  g_autoptr (LinkPair) pair = new_pair ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *committed_xml = NULL;
  g_autofree char *committed = NULL;
  g_autofree char *live = NULL;
  const char *live_xml;

  g_file_get_contents (LINK1_XML, &committed_xml, NULL, &error);
  g_assert_no_error (error);
  reply = call (pair, PYISOLATE_LINK_OBJECT_PATH, "org.freedesktop.DBus.Introspectable", "Introspect", NULL, &error);
  g_assert_no_error (error);
  g_variant_get (reply, "(&s)", &live_xml);

  live = describe_interface (live_xml);
  committed = describe_interface (committed_xml);
  g_assert_cmpstr (live, ==, committed);
  assert_alive (pair);
}

static void
test_peer (void)
{
  g_autoptr (LinkPair) pair = new_pair ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  reply = call (pair, "/anything", "org.freedesktop.DBus.Peer", "Ping", NULL, &error);
  g_assert_no_error (error);
  assert_alive (pair);
}

static void
test_calls_of_others (void)
{
  static const struct {
    const char *path;
    const char *interface;
    const char *member;
  } calls[] = {
    { PYISOLATE_LINK_OBJECT_PATH, "org.freedesktop.DBus.Properties", "GetAll" },
    { PYISOLATE_LINK_OBJECT_PATH, "org.freedesktop.DBus.Properties", "Get" },
    { PYISOLATE_LINK_OBJECT_PATH, "org.example.Other", "Call" },
    { PYISOLATE_LINK_OBJECT_PATH, "org.freedesktop.DBus.Introspectable", "Nonsense" },
    { "/org/pyisolate/Other", LINK_INTERFACE, "Call" },
    { "/", LINK_INTERFACE, "Call" },
  };
  g_autoptr (LinkPair) pair = new_pair ();

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) reply = call (pair, calls[i].path, calls[i].interface, calls[i].member, NULL, &error);

      g_assert_null (reply);
      g_assert_true (g_dbus_error_is_remote_error (error));
    }
  assert_alive (pair);
}

/* Descriptors beside messages that have no use for them are closed: the fixture counts. */
static void
test_stray_fds (void)
{
  g_autoptr (LinkPair) pair = new_pair ();
  g_autoptr (PyIsolateFrame) event = NULL;
  GDBusMessage *messages[] = {
    new_signal ("Event", g_variant_new_parsed ("(@t 0, 'name', @ay b'')")),
    new_method ("Cancel", g_variant_new_parsed ("(@t 1,)")),
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
      send_message (pair, messages[i]);
    }
  event = link_box_take (pair->host.box);
  g_assert_cmpuint (event->n_fds, ==, 0);
  assert_alive (pair);
}

/* The largest body that can travel does. */
static void
test_largest_body (void)
{
  const gsize size = 64 * 1024 * 1024 - 4096;
  g_autoptr (LinkPair) pair = new_pair ();
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (size), size);
  g_autoptr (PyIsolateFrame) event = NULL;

  send_message (pair, new_signal ("Event", g_variant_new ("(ts@ay)", (guint64) 0, "large",
                                                          g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE))));
  event = link_box_take (pair->host.box);
  g_assert_cmpuint (g_bytes_get_size (event->body), ==, size);
  assert_alive (pair);
}

static void
send_bytes (LinkPair      *pair,
            gconstpointer  data,
            gsize          size)
{
  GIOStream *stream = g_dbus_connection_get_stream (get_connection (pair));
  GSocket *socket = g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream));
  g_autoptr (GError) error = NULL;
  gssize n;

  n = g_socket_send_with_blocking (socket, data, size, TRUE, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (n, ==, size);
}

static void
check_garbage (gconstpointer data,
               gsize         size,
               const char   *warning)
{
  g_autoptr (LinkPair) pair = new_pair ();

  test_util_expect_log ("GLib-GIO", G_LOG_LEVEL_WARNING, warning);
  send_bytes (pair, data, size);
  assert_bad_message (pair, "What arrived is no D-Bus message");
  test_util_assert_logs_seen ();
}

static void
test_garbage (void)
{
  /* Little-endian, a method call, version 1, lengths of a body and of the header's fields. */
  static const guint8 header[] = { 'l', 1, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 1, 'o', 0, 9, 9, 9, 9, 0, 0, 0, 0 };
  static const guint8 too_long[] = { 'l', 1, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 8, 0, 0, 0 };
  static const guint8 version[] = { 'l', 1, 0, 9, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 1, 'o', 0, 9, 9, 9, 9 };

  check_garbage ("GET / HTTP/1.1\r\n", 16, "*error determining bytes needed*");
  check_garbage (too_long, sizeof too_long, "*error determining bytes needed*");
  check_garbage (header, sizeof header, "Error decoding D-Bus message*");
  check_garbage (version, sizeof version, "Error decoding D-Bus message*");
}

/* An end in the middle of a message is an end. */
static void
test_half_a_message (void)
{
  static const guint8 header[] = { 'l', 1, 0, 1, 0, 16, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0 };
  g_autoptr (LinkPair) pair = new_pair ();

  send_bytes (pair, header, sizeof header);
  _pyisolate_transport_close (pair->worker.transport, NULL);
  link_box_wait_ends (pair->host.box, 1);
  g_assert_no_error (pair->host.box->error);
}

static guint8 *
new_mutation (gsize *size)
{
  GDBusMessage *candidates[] = {
    new_good_call (LINK_ID (1)),
    new_method ("Cancel", g_variant_new_parsed ("(@t 1,)")),
    new_signal ("Progress", g_variant_new_parsed ("(@t 1, @ay b'text')")),
    new_signal ("Event", g_variant_new_parsed ("(@t 0, 'name', @ay b'text')")),
    new_error (),
    g_dbus_message_new_method_call (NULL, "/", "org.freedesktop.DBus.Introspectable", "Introspect"),
  };
  guint8 *blob;
  g_autoptr (GError) error = NULL;
  GDBusMessage *message = candidates[g_test_rand_int_range (0, G_N_ELEMENTS (candidates))];

  g_dbus_message_set_serial (message, 1000);
  blob = g_dbus_message_to_blob (message, size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);
  g_assert_no_error (error);
  for (int n = g_test_rand_int_range (1, 4); n > 0; n--)
    {
      gsize at = (gsize) g_test_rand_int_range (0, (gint32) *size);

      /* Often another type, or one more or less; else anything. */
      switch (g_test_rand_int_range (0, 3))
        {
        case 0:
          blob[at] = (guint8) "sougtayv(){}"[g_test_rand_int_range (0, 12)];
          break;

        case 1:
          blob[at] += g_test_rand_bit () ? 1 : -1;
          break;

        default:
          blob[at] = (guint8) g_test_rand_int_range (0, 256);
          break;
        }
    }
  for (guint i = 0; i < G_N_ELEMENTS (candidates); i++)
    g_object_unref (candidates[i]);
  return blob;
}

/* Messages with some bytes changed: the link goes on or ends, and the host goes on in any case. */
static void
test_mutations (void)
{
  guint n_bad = 0;
  guint n_good = 0;

  for (guint i = 0; i < N_MUTATIONS; i++)
    {
      g_autoptr (LinkPair) pair = new_pair ();
      gsize size;
      g_autofree guint8 *blob = new_mutation (&size);

      test_util_allow_log ("GLib-GIO", G_LOG_LEVEL_WARNING, "*");
      send_bytes (pair, blob, size);
      shutdown (g_socket_get_fd (g_socket_connection_get_socket (
                  G_SOCKET_CONNECTION (g_dbus_connection_get_stream (get_connection (pair))))),
                SHUT_WR);
      link_box_wait_ends (pair->host.box, 1);
      test_util_assert_logs_seen ();
      if (pair->host.box->error != NULL)
        g_assert_error (pair->host.box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
      n_bad += pair->host.box->error != NULL;
      n_good += pair->host.box->error == NULL;
    }
  /* Both happen, or the test sees nothing. */
  g_assert_cmpuint (n_bad, >, 0);
  g_assert_cmpuint (n_good, >, 0);
}

static void
on_connected (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  GError **error = user_data;
  g_autoptr (GDBusConnection) connection = _pyisolate_dbus_connect_host_finish (result, error);

  g_assert_true ((connection == NULL) == (*error != NULL));
}

static void
check_no_connection (const char   *greeting,
                     gsize         size,
                     GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  _pyisolate_dbus_connect_host_async (fds[0], cancellable, on_connected, &error);
  if (size > 0)
    send (fds[1], greeting, size, MSG_NOSIGNAL);
  if (cancellable == NULL)
    close (fds[1]);
  else
    g_cancellable_cancel (cancellable);
  test_util_assert_until (test_util_is_set, &error, LINK_TIMEOUT_MS);
  g_assert_cmpuint (error->domain, ==, G_IO_ERROR);
  if (cancellable != NULL)
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      close (fds[1]);
    }
}

static void
test_no_handshake (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *line = g_malloc (100000);

  memset (line, 'A', 100000);
  check_no_connection (NULL, 0, NULL);
  check_no_connection ("\0", 1, NULL);
  check_no_connection ("\0NONSENSE\r\n", 11, NULL);
  check_no_connection ("\0AUTH ANONYMOUS zz\r\nBEGIN\r\n", 28, NULL);
  check_no_connection ("no nul at the beginning\r\n", 25, NULL);
  check_no_connection (line, 100000, NULL);
  check_no_connection (NULL, 0, cancellable);
}

/* The descriptor is taken in any case. */
static void
test_not_a_socket (void)
{
  g_autoptr (GError) async_error = NULL;
  g_autoptr (GError) sync_error = NULL;

  _pyisolate_dbus_connect_host_async (open ("/dev/null", O_RDWR | O_CLOEXEC), NULL, on_connected, &async_error);
  test_util_assert_until (test_util_is_set, &async_error, LINK_TIMEOUT_MS);
  g_assert_cmpuint (async_error->domain, ==, G_IO_ERROR);
  g_assert_null (_pyisolate_dbus_connect_worker_sync (open ("/dev/null", O_RDWR | O_CLOEXEC), &sync_error));
  g_assert_cmpuint (sync_error->domain, ==, G_IO_ERROR);
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
  test_util_add_func ("/pyisolate/dbus-transport/not-ours", test_not_ours);
  test_util_add_func ("/pyisolate/dbus-transport/introspection", test_introspection);
  test_util_add_func ("/pyisolate/dbus-transport/peer", test_peer);
  test_util_add_func ("/pyisolate/dbus-transport/calls-of-others", test_calls_of_others);
  test_util_add_func ("/pyisolate/dbus-transport/stray-fds", test_stray_fds);
  test_util_add_func ("/pyisolate/dbus-transport/largest-body", test_largest_body);
  test_util_add_func ("/pyisolate/dbus-transport/garbage", test_garbage);
  test_util_add_func ("/pyisolate/dbus-transport/half-a-message", test_half_a_message);
  test_util_add_func ("/pyisolate/dbus-transport/mutations", test_mutations);
  test_util_add_func ("/pyisolate/dbus-transport/no-handshake", test_no_handshake);
  test_util_add_func ("/pyisolate/dbus-transport/not-a-socket", test_not_a_socket);
  return g_test_run ();
}
