/* SPDX-License-Identifier: MIT */
/* Stands for a worker's Python, and breaks the protocol in the way that HOSTILE names.
 *
 * As PREFIX/bin/python it answers the question what interpreter it is, and then speaks the link
 * itself: raw D-Bus messages, so that it can say what the library's own runtime never would. Most
 * ways are of a worker that has become ready and was called by the method "go"; every other call
 * waits for ever. */
#include "config.h"

#include "hostile-worker.h"

#include "pyisolate-build-id.h"
#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-frame-private.h"
#include "pyisolate-lane-private.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_FD 3
#define LANE_FD 4
#define LINK_INTERFACE "org.pyisolate.Link1"
#define UNKNOWN_LINK 0xffffffffu

static GDBusConnection *connection;
static GAsyncQueue *incoming; /* of GDBusMessage */
static const char *way;
static gboolean deaf; /* atomic */
static guint32 link_number = UNKNOWN_LINK;
static guint32 last_id;

gboolean
way_is (const char *name)
{
  return g_str_equal (way, name);
}

static void G_GNUC_NORETURN
wait_for_the_end (void)
{
  while (TRUE)
    pause ();
}

static GDBusMessage *
on_message (GDBusConnection *link,
            GDBusMessage    *message,
            gboolean         is_incoming,
            gpointer         data)
{
  if (!is_incoming)
    return message;

  if (g_atomic_int_get (&deaf))
    wait_for_the_end ();
  g_async_queue_push (incoming, message);
  return NULL;
}

void
send_message (GDBusMessage *message)
{
  g_dbus_connection_send_message (connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  g_object_unref (message);
}

GVariant *
bytes_of (GVariant *value)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (owned);

  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

static GVariant *
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

static guint64
next_id (void)
{
  return ((guint64) link_number << 32) | ++last_id;
}

/* Sends a CALL, with bytes for a body; @n_chain: of how many calls. */
static void
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

static void
send_call (const char *target,
           const char *method,
           GVariant   *kwargs)
{
  send_call_full (next_id (), 0, target, method,
                  bytes_of (call_body (kwargs != NULL ? kwargs
                                       : g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0))));
}

static void
send_signal (const char *member,
             GVariant   *body)
{
  GDBusMessage *message = g_dbus_message_new_signal (PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE,
                                                     member);

  g_dbus_message_set_body (message, body);
  send_message (message);
}

static void
reply_with (GDBusMessage *call,
            GVariant     *body)
{
  GDBusMessage *reply = g_dbus_message_new_method_reply (call);

  g_dbus_message_set_body (reply, body);
  send_message (reply);
}

static void
reply (GDBusMessage *call,
       GVariant     *value)
{
  reply_with (call, g_variant_new ("(@aya{sv})", bytes_of (g_variant_new_variant (value)), NULL));
}

/* To a message that nobody has sent. */
static void
reply_to_serial (guint32 serial)
{
  g_autoptr (GDBusMessage) call = g_dbus_message_new_method_call (NULL, "/", NULL, "Nothing");

  g_dbus_message_set_serial (call, serial);
  reply (call, g_variant_new_boolean (TRUE));
}

static GDBusMessage *
next_of_type (GDBusMessageType type)
{
  while (TRUE)
    {
      GDBusMessage *message = g_async_queue_pop (incoming);

      if (g_dbus_message_get_message_type (message) == type)
        return message;
      g_object_unref (message);
    }
}

static void
say_hello (void)
{
  g_autoptr (GDBusMessage) answer = NULL;
  g_autoptr (GVariant) bytes = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) settings = NULL;
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  gint64 number = 0;

  g_variant_dict_insert (&dict, "protocol", "x", (gint64) (way_is ("wrong-protocol") ? 99 : 1));
  g_variant_dict_insert (&dict, "build", "s", way_is ("wrong-build") ? "0.0.0-other"
                         : PYISOLATE_BUILD_ID);
  g_variant_dict_insert (&dict, "python", "s", "3.11.7");
  g_variant_dict_insert (&dict, "pid", "x", (gint64) getpid ());
  if (g_str_has_prefix (way, "lane-"))
    g_variant_dict_insert (&dict, "lanes", "x", (gint64) 1);
  if (way_is ("hello-of-strings"))
    {
      g_variant_dict_insert (&dict, "protocol", "s", "1");
      g_variant_dict_insert (&dict, "build", "x", (gint64) 1);
    }
  send_call (PYISOLATE_TARGET_HOST, "Hello", g_variant_dict_end (&dict));

  answer = next_of_type (G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
  bytes = g_variant_get_child_value (g_dbus_message_get_body (answer), 0);
  value = g_variant_new_from_data (G_VARIANT_TYPE_VARIANT, g_variant_get_data (bytes),
                                   g_variant_get_size (bytes), FALSE, NULL, NULL);
  settings = g_variant_get_variant (value);
  g_variant_lookup (settings, "link", "x", &number);
  link_number = (guint32) number;
}

static void
say_ready (void)
{
  static const char *const text =
    "{'methods': <[<{'name': <'go'>, 'doc': <''>, 'signature': <'()'>, 'parameters': <@av []>, 'returns': <''>,"
    " 'async': <false>, 'runs_on': <'main'>}>]>}";

  if (way_is ("ready-without-methods"))
    send_call (PYISOLATE_TARGET_HOST, "Ready", NULL);
  else if (way_is ("ready-with-numbers"))
    send_call (PYISOLATE_TARGET_HOST, "Ready", g_variant_new_parsed ("{'methods': <[1, 2, 3]>}"));
  else
    send_call (PYISOLATE_TARGET_HOST, "Ready", g_variant_new_parsed (text));
}

static void
write_raw (const void *data,
           gsize       length)
{
  GIOStream *stream = g_dbus_connection_get_stream (connection);
  GSocket *socket = g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream));

  g_dbus_connection_flush_sync (connection, NULL, NULL);
  if (write (g_socket_get_fd (socket), data, length) < 0)
    _exit (9);
}

/* The head of a message that is said to be longer than D-Bus lets it be. */
static void
send_huge_head (void)
{
  const guint8 head[] = { 'l', 1, 0, 1, 0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 0, 0, 0, 0 };

  write_raw (head, sizeof head);
}

static void
reply_with_fds (GDBusMessage *call,
                guint         n_fds)
{
  GDBusMessage *answer = g_dbus_message_new_method_reply (call);
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();

  for (guint i = 0; i < n_fds; i++)
    {
      int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

      g_unix_fd_list_append (list, fd, NULL);
      close (fd);
    }
  g_dbus_message_set_unix_fd_list (answer, list);
  g_dbus_message_set_body (answer, g_variant_new ("(@aya{sv})", bytes_of (g_variant_new_variant (g_variant_new_boolean (TRUE))),
                                                  NULL));
  send_message (answer);
}

static void
reply_with_error (GDBusMessage *call,
                  const char   *name,
                  const char   *details)
{
  GDBusMessage *answer = g_dbus_message_new_method_error_literal (call, name,
                                                                  "from a hostile worker");

  g_dbus_message_set_body (answer, g_variant_new ("(s@ay)", "from a hostile worker",
                                                  bytes_of (g_variant_new_parsed (details))));
  send_message (answer);
}

static void
flood (const char *member,
       guint64     id)
{
  for (guint i = 0; i < 80000; i++)
    {
      if (g_str_equal (member, "Event"))
        send_signal ("Event", g_variant_new ("(ts@ay)", (guint64) 0, "e",
                                             bytes_of (g_variant_new_variant (g_variant_new_int64 (i)))));
      else
        send_signal ("Progress",
                     g_variant_new ("(t@ay)", id, bytes_of (g_variant_new ("(ds)", 0.5, "p"))));
    }
}

static gboolean
misbehave_by_reply (GDBusMessage *go)
{
  g_autofree char *bytes = NULL;

  if (way_is ("two-replies"))
    {
      reply (go, g_variant_new_boolean (TRUE));
      reply (go, g_variant_new_boolean (TRUE));
    }
  else if (way_is ("unknown-serial"))
    reply_to_serial (0x7fffffff);
  else if (way_is ("reply-of-string"))
    reply_with (go, g_variant_new ("(s)", "not bytes"));
  else if (way_is ("reply-of-nothing"))
    send_message (g_dbus_message_new_method_reply (go));
  else if (way_is ("reply-of-nonsense"))
    reply_with (go, g_variant_new ("(@aya{sv})", bytes_from_text ("nonsense, not a variant"),
                                   NULL));
  else if (way_is ("reply-not-normal"))
    reply_with (go, g_variant_new ("(@aya{sv})",
                                   g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, "\002\000b", 3,
                                                              1), NULL));
  else if (way_is ("reply-of-nulls"))
    reply_with (go, g_variant_new ("(@aya{sv})",
                                   g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, "\0\0\0\0", 4,
                                                              1), NULL));
  else if (way_is ("reply-too-big"))
    {
      bytes = g_malloc0 (80 * 1024 * 1024);
      reply (go, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, 80 * 1024 * 1024, 1));
    }
  else if (way_is ("error-of-numbers"))
    {
      GDBusMessage *answer = g_dbus_message_new_method_error_literal (go, "org.pyisolate.Error.Failed", "x");

      g_dbus_message_set_body (answer, g_variant_new ("(ii)", 1, 2));
      send_message (answer);
    }
  else if (way_is ("error-with-nonsense"))
    {
      GDBusMessage *answer = g_dbus_message_new_method_error_literal (go, "org.pyisolate.Error.Failed", "x");

      g_dbus_message_set_body (answer, g_variant_new ("(s@ay)", "x", bytes_from_text ("nonsense")));
      send_message (answer);
    }
  else if (way_is ("error-of-others"))
    reply_with_error (go, "com.example.Odd", "@a{sv} {}");
  else if (way_is ("exception-of-numbers"))
    reply_with_error (go, "org.pyisolate.Error.RemoteException",
                      "{'exception': <{'type': <1>, 'message': <@av []>, 'args': <'x'>, 'notes': <5>, 'cause': <'y'>}>}");
  else if (way_is ("many-fds"))
    reply_with_fds (go, 250);
  else
    return FALSE;

  return TRUE;
}

static gboolean
misbehave_by_call (GDBusMessage *go)
{
  guint64 id = next_id ();

  if (way_is ("foreign-id"))
    send_call_full (((guint64) (link_number + 1) << 32) | 1, 0, "listed", "keep",
                    bytes_of (call_body (
                      g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0))));
  else if (way_is ("id-of-host"))
    send_call_full (1, 0, "listed", "keep",
                    bytes_of (call_body (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0))));
  else if (way_is ("same-id"))
    {
      for (guint i = 0; i < 2; i++)
        send_call_full (id, 0, "listed", "keep",
                        bytes_of (call_body (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL,
                                                                  0))));
    }
  else if (way_is ("long-chain"))
    send_call_full (id, 1000, "listed", "keep",
                    bytes_of (call_body (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0))));
  else if (way_is ("call-of-nonsense"))
    send_call_full (id, 0, "listed", "keep", bytes_from_text ("nonsense, not arguments"));
  else if (way_is ("hello-again"))
    send_call (PYISOLATE_TARGET_HOST, "Hello", NULL);
  else if (way_is ("ready-again"))
    say_ready ();
  else if (way_is ("host-method"))
    send_call (PYISOLATE_TARGET_HOST, "Destroy", NULL);
  else
    return FALSE;

  return TRUE;
}

static gboolean
misbehave_by_message (GDBusMessage *go,
                      guint64       go_id)
{
  if (way_is ("no-such-method"))
    send_message (g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE,
                                                  "Explode"));
  else if (way_is ("no-such-signal"))
    send_signal ("Exploded", g_variant_new ("(s)", "x"));
  else if (way_is ("event-of-numbers"))
    send_signal ("Event", g_variant_new ("(ii)", 1, 2));
  else if (way_is ("event-of-nonsense"))
    send_signal ("Event",
                 g_variant_new ("(ts@ay)", (guint64) 0, "e", bytes_from_text ("nonsense")));
  else if (way_is ("progress-of-nonsense"))
    send_signal ("Progress", g_variant_new ("(t@ay)", go_id, bytes_from_text ("nonsense")));
  else if (way_is ("log-of-nonsense"))
    send_signal ("Log", g_variant_new ("(@ay)", bytes_from_text ("nonsense")));
  else if (way_is ("garbage"))
    write_raw ("GET / HTTP/1.1\r\n\r\n and then some more garbage, so that it is longer than a head", 80);
  else if (way_is ("huge-message"))
    send_huge_head ();
  else if (way_is ("event-flood"))
    flood ("Event", 0);
  else if (way_is ("progress-flood"))
    flood ("Progress", go_id);
  else
    return FALSE;

  return TRUE;
}

/* Odd, but nothing to end a worker for. */
static gboolean
be_odd (GDBusMessage *go)
{
  if (way_is ("stray-parts"))
    {
      send_signal ("Progress",
                   g_variant_new ("(t@ay)", (guint64) 12345,
                                  bytes_of (g_variant_new ("(ds)", 0.5, "stray"))));
      send_signal ("Event", g_variant_new ("(ts@ay)", (guint64) 12345, "stray",
                                           bytes_of (g_variant_new_variant (g_variant_new_int64 (1)))));
    }
  else if (way_is ("stray-cancel"))
    {
      GDBusMessage *message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH,
                                                              LINK_INTERFACE, "Cancel");

      g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
      g_dbus_message_set_body (message, g_variant_new ("(t)", (guint64) 12345));
      send_message (message);
    }
  else if (way_is ("unlisted"))
    {
      g_autoptr (GDBusMessage) answer = NULL;

      send_call ("secret", "steal", NULL);
      answer = next_of_type (G_DBUS_MESSAGE_TYPE_ERROR);
      reply (go, g_variant_new_string (g_dbus_message_get_error_name (answer)));
      return TRUE;
    }
  else if (way_is ("introspect"))
    {
      g_autoptr (GDBusMessage) answer = NULL;

      send_message (g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH,
                                                    "org.freedesktop.DBus.Introspectable",
                                                    "Introspect"));
      answer = next_of_type (G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
      reply (go, g_variant_get_child_value (g_dbus_message_get_body (answer), 0));
      return TRUE;
    }
  else if (!way_is ("good"))
    return FALSE;

  reply (go, g_variant_new_boolean (TRUE));
  return TRUE;
}

/* ---- On a lane ---- */

static void
send_on_lane (PyIsolateLane      *lane,
              PyIsolateFrameKind  kind,
              guint64             id,
              const char         *name,
              const char         *body)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (body != NULL ? g_variant_new_bytestring (body)
                                                                : g_variant_new_variant (g_variant_new_boolean (TRUE)));
  PyIsolateFrameView view = {
    .kind = kind,
    .id = id,
    .target = kind == PYISOLATE_FRAME_CALL ? "listed" : NULL,
    .name = name,
    .body = g_variant_get_data (value),
    .body_size = g_variant_get_size (value),
  };

  if (kind == PYISOLATE_FRAME_CANCEL)
    view.body_size = 0;
  _pyisolate_lane_send_view (lane, &view, NULL);
}

static void
flood_lane (PyIsolateLane *lane)
{
  while (TRUE)
    {
      struct pollfd fd = { LANE_FD, POLLOUT, 0 };

      send_on_lane (lane, PYISOLATE_FRAME_EVENT, 0, "flood", NULL);
      if (_pyisolate_lane_wants_write (lane) && poll (&fd, 1, -1) > 0)
        _pyisolate_lane_flush (lane);
    }
}

static void
misbehave_on_lane (PyIsolateLane *lane,
                   guint64        go_id)
{
  if (way_is ("lane-garbage"))
    g_assert_cmpint (send (LANE_FD, "garbage", 7, 0), ==, 7);
  else if (way_is ("lane-reply-to-nothing"))
    send_on_lane (lane, PYISOLATE_FRAME_RETURN, 4711, NULL, NULL);
  else if (way_is ("lane-two-replies"))
    {
      send_on_lane (lane, PYISOLATE_FRAME_RETURN, go_id, NULL, NULL);
      send_on_lane (lane, PYISOLATE_FRAME_RETURN, go_id, NULL, NULL);
    }
  else if (way_is ("lane-reply-of-nonsense"))
    send_on_lane (lane, PYISOLATE_FRAME_RETURN, go_id, NULL, "nonsense");
  else if (way_is ("lane-progress-of-nonsense"))
    send_on_lane (lane, PYISOLATE_FRAME_PROGRESS, go_id, NULL, "bad");
  else if (way_is ("lane-foreign-id"))
    send_on_lane (lane, PYISOLATE_FRAME_CALL, ((guint64) (link_number + 1) << 32) | 1, "keep",
                  NULL);
  else if (way_is ("lane-call-of-nonsense"))
    send_on_lane (lane, PYISOLATE_FRAME_CALL, next_id (), "keep", "nonsense");
  else if (way_is ("lane-closed"))
    shutdown (LANE_FD, SHUT_RDWR);
  else if (way_is ("lane-event-flood"))
    flood_lane (lane);
  else if (way_is ("lane-stray-parts"))
    {
      send_on_lane (lane, PYISOLATE_FRAME_PROGRESS, 12345, NULL, NULL);
      send_on_lane (lane, PYISOLATE_FRAME_EVENT, 12345, "stray", NULL);
      send_on_lane (lane, PYISOLATE_FRAME_CANCEL, 12345, NULL, NULL);
      send_on_lane (lane, PYISOLATE_FRAME_RETURN, go_id, NULL, NULL);
    }
  else
    _exit (8);
}

static void G_GNUC_NORETURN
serve_lane (void)
{
  PyIsolateLane *lane = _pyisolate_lane_new (LANE_FD);

  while (TRUE)
    {
      struct pollfd fd = { LANE_FD, POLLIN, 0 };
      PyIsolateFrameView view;
      guint64 go_id = 0;

      if (_pyisolate_lane_is_ended (lane))
        wait_for_the_end ();
      poll (&fd, 1, -1);
      _pyisolate_lane_lock (lane);
      while (_pyisolate_lane_next (lane, &view))
        {
          if (g_str_equal (view.name, "go"))
            go_id = view.id;
        }
      _pyisolate_lane_unlock (lane);
      if (go_id != 0)
        misbehave_on_lane (lane, go_id);
    }
}

static void
handle_go (GDBusMessage *go)
{
  guint64 id;

  g_variant_get_child (g_dbus_message_get_body (go), 0, "t", &id);
  if (way_is ("deaf"))
    g_atomic_int_set (&deaf, TRUE);
  else if (!misbehave_by_reply (go) && !misbehave_by_call (go) && !misbehave_by_message (go, id) &&
           !misbehave_by_memory (go) && !be_odd (go))
    _exit (8);
}

static int
answer_the_query (const char *program)
{
  g_print ("{\"executable\": \"%s\", \"implementation\": \"cpython\", \"version\": \"3.11.7\", \"abi\": \"hostile\","
           " \"free_threaded\": false}\n", program);

  return 0;
}

static void
misbehave_before_hello (void)
{
  if (way_is ("exit-early"))
    _exit (5);
  if (way_is ("silent"))
    wait_for_the_end ();
  if (way_is ("garbage-first"))
    {
      if (write (LINK_FD, "garbage\r\nmore garbage\r\n", 23) != 23)
        _exit (9);
      wait_for_the_end ();
    }
}

static void
misbehave_after_connect (void)
{
  if (way_is ("connected-silent"))
    wait_for_the_end ();
  if (way_is ("ready-first"))
    say_ready ();
  if (way_is ("call-first"))
    send_call ("listed", "keep", NULL);
  if (way_is ("reply-first"))
    reply_to_serial (77);
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GError) error = NULL;

  if (g_str_equal (argv[argc - 1], "-"))
    return answer_the_query (argv[0]);

  way = g_getenv ("HOSTILE");
  misbehave_before_hello ();
  connection = _pyisolate_dbus_connect_worker_sync (LINK_FD, &error);
  if (connection == NULL)
    g_error ("%s", error->message);
  g_dbus_connection_set_exit_on_close (connection, TRUE);
  incoming = g_async_queue_new ();
  g_dbus_connection_add_filter (connection, on_message, NULL, NULL);
  g_dbus_connection_start_message_processing (connection);

  misbehave_after_connect ();
  say_hello ();
  if (way_is ("hello-twice"))
    say_hello ();
  say_ready ();
  if (g_str_has_prefix (way, "lane-"))
    serve_lane ();

  while (TRUE)
    {
      g_autoptr (GDBusMessage) call = next_of_type (G_DBUS_MESSAGE_TYPE_METHOD_CALL);
      g_autofree char *method = NULL;
      GVariant *body = g_dbus_message_get_body (call);

      if (!g_variant_is_of_type (body, G_VARIANT_TYPE ("(tatssaya{sv})")))
        continue;
      g_variant_get_child (body, 3, "s", &method);
      if (g_str_equal (method, "go"))
        handle_go (call);
    }
}
