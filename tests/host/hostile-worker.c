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
#include "pyisolate-lane-struct-private.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_FD 3
#define LANE_FD 4

GDBusConnection *hostile_connection;
GAsyncQueue *hostile_incoming;
guint32 hostile_link_number = 0xffffffff; /* until it is told */
static const char *way;
static gboolean deaf; /* atomic */

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
  g_async_queue_push (hostile_incoming, message);
  return NULL;
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
  hostile_link_number = (guint32) number;
}

void
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

/* ---- On a lane ---- */

void
send_on_lane (PyIsolateLane      *lane,
              PyIsolateFrameKind  kind,
              guint64             id,
              const char         *name,
              const char         *body)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (body != NULL ? g_variant_new_bytestring (body)
                                                                : g_variant_new_variant (g_variant_new_boolean (TRUE)));
  PyIsolateFrame *frame = _pyisolate_frame_new (kind, id);

  if (kind == PYISOLATE_FRAME_CALL)
    _pyisolate_frame_set_target (frame, "listed");
  _pyisolate_frame_set_name (frame, name);
  if (kind != PYISOLATE_FRAME_CANCEL)
    frame->body = g_variant_get_data_as_bytes (value);
  _pyisolate_lane_send_frame (lane, frame, NULL);
}

static void
misbehave_on_lane (PyIsolateLane *lane,
                   guint64        go_id)
{
  if (way_is ("lane-garbage"))
    {
      g_assert_cmpint (send (LANE_FD, "garbage", 7, 0), ==, 7);
      _pyisolate_ring_note_sent (lane->out);
    }
  else if (way_is ("lane-ring-garbage"))
    {
      struct iovec garbage = { "garbage", 7 };

      g_assert_true (_pyisolate_ring_write (lane->out, &garbage, 1));
    }
  else if (way_is ("lane-ring-lie"))
    _pyisolate_ring_note_sent (lane->out);
  else if (way_is ("lane-ring-scribble") || way_is ("lane-ring-hold"))
    send_on_lane (lane, PYISOLATE_FRAME_RETURN, go_id, NULL, NULL);
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
    send_on_lane (lane, PYISOLATE_FRAME_CALL, ((guint64) (hostile_link_number + 1) << 32) | 1, "keep",
                  NULL);
  else if (way_is ("lane-call-of-nonsense"))
    send_on_lane (lane, PYISOLATE_FRAME_CALL, next_id (), "keep", "nonsense");
  else if (way_is ("lane-closed"))
    shutdown (LANE_FD, SHUT_RDWR);
  else if (way_is ("lane-event-flood"))
    flood_with_events (lane);
  else if (way_is ("lane-memory-flood"))
    flood_with_memory (lane, FALSE);
  else if (way_is ("lane-cancel-flood"))
    {
      send_on_lane (lane, PYISOLATE_FRAME_RETURN, go_id, NULL, NULL);
      flood_with_memory (lane, TRUE);
    }
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

/* When it has been called by something else than "go". */
static void
attack_ring (PyIsolateLane *lane)
{
  if (way_is ("lane-ring-scribble"))
    scribble_on_rings ();
  else if (way_is ("lane-ring-hold"))
    hold_bell (_pyisolate_lane_get_fd (lane));
}

static void G_GNUC_NORETURN
serve_lane (void)
{
  PyIsolateLane *lane = _pyisolate_lane_new_of_pair (LANE_FD);

  while (TRUE)
    {
      struct pollfd fd = { _pyisolate_lane_get_fd (lane), POLLIN, 0 };
      PyIsolateFrameView view;
      gboolean is_waited_for = FALSE;
      guint64 go_id = 0;

      if (_pyisolate_lane_is_ended (lane))
        wait_for_the_end ();
      poll (&fd, 1, -1);
      _pyisolate_lane_clear_ready (lane);
      _pyisolate_lane_lock (lane);
      while (_pyisolate_lane_next (lane, &view))
        {
          if (g_str_equal (view.name, "go"))
            go_id = view.id;
          else
            is_waited_for = TRUE;
        }
      _pyisolate_lane_unlock (lane);
      if (go_id != 0)
        misbehave_on_lane (lane, go_id);
      if (is_waited_for)
        attack_ring (lane);
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
  hostile_connection = _pyisolate_dbus_connect_worker_sync (LINK_FD, &error);
  if (hostile_connection == NULL)
    g_error ("%s", error->message);
  g_dbus_connection_set_exit_on_close (hostile_connection, TRUE);
  hostile_incoming = g_async_queue_new ();
  g_dbus_connection_add_filter (hostile_connection, on_message, NULL, NULL);
  g_dbus_connection_start_message_processing (hostile_connection);

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
