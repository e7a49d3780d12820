/* SPDX-License-Identifier: MIT */
/* What the host's end of a D-Bus link makes of what is no message. */
#include "config.h"

#include "dbus-peer.h"

#include "pyisolate-dbus-transport-private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_MUTATIONS 400

static void
send_bytes (LinkPair      *pair,
            gconstpointer  data,
            gsize          size)
{
  GIOStream *stream = g_dbus_connection_get_stream (dbus_peer_get_connection (pair));
  GSocket *socket = g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream));
  g_autoptr (GError) error = NULL;
  gssize n;

  n = g_socket_send_with_blocking (socket, data, size, TRUE, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (n, ==, size);
}

static void
check_garbage (gconstpointer  data,
               gsize          size,
               const char    *warning)
{
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();

  test_util_expect_log ("GLib-GIO", G_LOG_LEVEL_WARNING, warning);
  send_bytes (pair, data, size);
  dbus_peer_assert_bad_message (pair, "What arrived is no D-Bus message");
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
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();

  send_bytes (pair, header, sizeof header);
  _pyisolate_transport_close (pair->worker.transport, NULL);
  link_box_wait_ends (pair->host.box, 1);
  g_assert_no_error (pair->host.box->error);
}

static guint8 *
new_mutation (gsize *size)
{
  GDBusMessage *candidates[] = {
    dbus_peer_new_good_call (LINK_ID (1)),
    dbus_peer_new_method ("Cancel", g_variant_new_parsed ("(@t 1,)")),
    dbus_peer_new_signal ("Progress", g_variant_new_parsed ("(@t 1, @ay b'text')")),
    dbus_peer_new_signal ("Event", g_variant_new_parsed ("(@t 0, 'name', @ay b'text')")),
    dbus_peer_new_error (),
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
      g_autoptr (LinkPair) pair = dbus_peer_new_pair ();
      gsize size;
      g_autofree guint8 *blob = new_mutation (&size);

      test_util_allow_log ("GLib-GIO", G_LOG_LEVEL_WARNING, "*");
      send_bytes (pair, blob, size);
      shutdown (g_socket_get_fd (g_socket_connection_get_socket (
                  G_SOCKET_CONNECTION (g_dbus_connection_get_stream (dbus_peer_get_connection (pair))))),
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
  test_util_add_func ("/pyisolate/dbus-garbage/garbage", test_garbage);
  test_util_add_func ("/pyisolate/dbus-garbage/half-a-message", test_half_a_message);
  test_util_add_func ("/pyisolate/dbus-garbage/mutations", test_mutations);
  test_util_add_func ("/pyisolate/dbus-garbage/no-handshake", test_no_handshake);
  test_util_add_func ("/pyisolate/dbus-garbage/not-a-socket", test_not_a_socket);
  return g_test_run ();
}
