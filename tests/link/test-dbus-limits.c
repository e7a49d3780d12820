/* SPDX-License-Identifier: MIT */
/* What a host lets wait for a worker that does not read, or that sends more than it can be granted. */
#include "config.h"

#include "careless-transport.h"
#include "link-pair.h"

#include "pyisolate-error-private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB (1024 * 1024)
#define BODY_SIZE (256 * 1024)

static const PyIsolateDBusLimits limits = {
  .max_queued_calls = 8 * MIB,
  .max_queued = 16 * MIB,
  .max_asked = 5,
};

static LinkPair *
new_pair (LinkPeer peer)
{
  LinkPair *pair = link_pair_new_limited (peer, &limits);

  link_side_start_endpoint (&pair->host, LINK_NUMBER);
  return pair;
}

static PyIsolateFrame *
large_frame (PyIsolateFrameKind kind,
             guint64            id)
{
  PyIsolateFrame *frame = kind == PYISOLATE_FRAME_CALL ? link_frame_call (id, "read me") : link_frame_return (id, "");

  g_clear_pointer (&frame->body, g_bytes_unref);
  frame->body = g_bytes_new_take (g_malloc0 (BODY_SIZE), BODY_SIZE);
  return frame;
}

/* Calls until one is refused; how many were not. */
static guint
fill (LinkPair *pair,
      LinkBox  *box,
      guint64   first_id)
{
  for (guint n = 0;; n++)
    {
      g_autoptr (GError) error = NULL;

      if (link_side_try_call (&pair->host, large_frame (PYISOLATE_FRAME_CALL, first_id + n), box, &error))
        continue;

      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
      g_assert_nonnull (strstr (error->message, "has not read 8 MiB of earlier calls yet"));
      return n;
    }
}

static void
send_deaf (LinkPair     *pair,
           GDBusMessage *message_to_take,
           guint32       serial)
{
  g_autoptr (GDBusMessage) message = message_to_take;
  g_autofree guint8 *blob = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_dbus_message_set_serial (message, serial);
  blob = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);
  g_assert_no_error (error);
  if (send (pair->deaf_fd, blob, size, MSG_NOSIGNAL) != (gssize) size)
    g_assert_true (errno == EPIPE || errno == ECONNRESET); /* the host has closed it: the test will see why */
}

static void
send_deaf_call (LinkPair *pair,
                guint32   number)
{
  GDBusMessage *message;

  message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, "org.pyisolate.Link1", "Call");
  g_dbus_message_set_body (message, g_variant_new_parsed ("(%t, @at [], 'target', 'name', @ay b'body', @a{sv} {})",
                                                          LINK_ID (number)));
  send_deaf (pair, message, number);
}

/* Reads all that has been sent, until a message with this text in it has come. */
static gpointer
read_until (gpointer data)
{
  LinkPair *pair = data;
  g_autoptr (GByteArray) last = g_byte_array_new ();
  static const char text[] = "the last one";
  guint8 buffer[65536];
  gssize n;

  while ((n = read (pair->deaf_fd, buffer, sizeof buffer)) > 0)
    {
      g_byte_array_append (last, buffer, (guint) n);
      if (memmem (last->data, last->len, text, sizeof text - 1) != NULL)
        return NULL;
      if (last->len > sizeof text)
        g_byte_array_remove_range (last, 0, last->len - sizeof text);
    }
  g_error ("The link ended");
}

/* A call that is refused is an error of its own, and when what was queued has been read, there is room again. */
static void
test_calls (void)
{
  g_autoptr (LinkPair) pair = new_pair (LINK_DEAF);
  g_autoptr (LinkBox) box = link_box_new ();
  guint n_sent = fill (pair, box, 1);
  PyIsolateFrame *last = link_frame_return (LINK_ID (1), "the last one");

  /* Each is there two or three times; some are with the socket. */
  g_assert_cmpuint (n_sent, >=, limits.max_queued_calls / (3 * BODY_SIZE) - 1);
  g_assert_cmpuint (n_sent, <=, limits.max_queued_calls / (2 * BODY_SIZE) + 8);

  send_deaf_call (pair, 1);
  _pyisolate_frame_free (link_box_take (pair->host.box));
  _pyisolate_endpoint_respond (pair->host.endpoint, last);
  g_thread_join (g_thread_new ("reader", read_until, pair));
  g_assert_cmpuint (fill (pair, box, 1000), >=, n_sent - 1);
  g_assert_cmpuint (link_box_count_ends (pair->host.box), ==, 0);
}

/* Small ones cost what GDBus makes of them, not what is in them. */
static void
test_small_calls (void)
{
  g_autoptr (LinkPair) pair = new_pair (LINK_DEAF);
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (GError) error = NULL;
  guint n = 0;

  while (link_side_try_call (&pair->host, link_frame_call (n + 1, "read me"), box, &error))
    n++;
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (n, >, 1000);
  g_assert_cmpuint (n, <, limits.max_queued_calls / 1024 + 2000); /* the socket takes some */
}

/* Answers and cancellations do not suffer from calls that were sent before, */
static void
test_answers (void)
{
  g_autoptr (LinkPair) pair = new_pair (LINK_DEAF);
  g_autoptr (LinkBox) box = link_box_new ();

  for (guint32 i = 1; i <= 5; i++)
    send_deaf_call (pair, i);
  link_box_wait_frames (pair->host.box, 5);
  fill (pair, box, 1);
  for (guint32 i = 1; i <= 4; i++)
    _pyisolate_endpoint_respond (pair->host.endpoint, large_frame (PYISOLATE_FRAME_RETURN, LINK_ID (i)));
  _pyisolate_endpoint_cancel (pair->host.endpoint, 1);
  _pyisolate_endpoint_respond (pair->host.endpoint, link_frame_return (LINK_ID (5), "the last one"));
  g_thread_join (g_thread_new ("reader", read_until, pair));
  g_assert_cmpuint (link_box_count_ends (pair->host.box), ==, 0);
}

/* but there is an end to them too, of the link. */
static void
test_too_many_answers (void)
{
  g_autoptr (LinkPair) pair = new_pair (LINK_DEAF);

  for (guint32 i = 1; i <= 100; i++)
    send_deaf_call (pair, i);
  link_box_wait_frames (pair->host.box, 100);
  for (guint32 i = 1; i <= 100; i++)
    _pyisolate_endpoint_respond (pair->host.endpoint, large_frame (PYISOLATE_FRAME_RETURN, LINK_ID (i)));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_LIMIT, "More than 16 MiB were sent that were not read");
}

static GDBusMessage *
new_question (void)
{
  return g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, "org.freedesktop.DBus.Introspectable",
                                         "Introspect");
}

/* Whoever asks GDBus itself and reads the answers may go on for ever. */
static void
test_asked_and_read (void)
{
  g_autoptr (LinkPair) pair = new_pair (LINK_CARELESS);
  GDBusConnection *connection = careless_transport_get_connection (CARELESS_TRANSPORT (pair->worker.transport));

  link_side_start (&pair->worker);
  for (guint i = 0; i < 50; i++)
    {
      g_autoptr (PyIsolateFrame) answer = NULL;
      g_autoptr (GDBusMessage) message = new_question ();

      g_assert_true (g_dbus_connection_send_message (connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
      answer = link_box_take (pair->worker.box);
      g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_RETURN);
    }
  g_assert_cmpuint (link_box_count_ends (pair->host.box), ==, 0);
}

static void
test_asked_and_not_read (void)
{
  g_autoptr (LinkPair) pair = new_pair (LINK_DEAF);

  for (guint32 i = 1; i <= 5000; i++)
    send_deaf (pair, new_question (), i);
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_LIMIT, "More than 5 calls of D-Bus's own");
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  test_util_add_func ("/pyisolate/dbus-limits/calls", test_calls);
  test_util_add_func ("/pyisolate/dbus-limits/small-calls", test_small_calls);
  test_util_add_func ("/pyisolate/dbus-limits/answers", test_answers);
  test_util_add_func ("/pyisolate/dbus-limits/too-many-answers", test_too_many_answers);
  test_util_add_func ("/pyisolate/dbus-limits/asked-and-read", test_asked_and_read);
  test_util_add_func ("/pyisolate/dbus-limits/asked-and-not-read", test_asked_and_not_read);
  return g_test_run ();
}
