/* SPDX-License-Identifier: MIT */
/* What the frames of a lane gave and told of shared memory belongs to the link: it is not lost where the lane ends. */
#include "config.h"

#include "memory-books.h"

#include "pyisolate-lane-private.h"

#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  Books *books;
  PyIsolateLane *host;
  PyIsolateLane *worker;
  PyIsolateMemory *memory; /* of the host's, */
  PyIsolateMemory *theirs; /* and what stands for it in the worker */
  guint n_closed;
} Ends;

static void
on_frame (PyIsolateTransport *transport,
          PyIsolateFrame     *frame,
          gpointer            user_data)
{
  _pyisolate_frame_free (frame);
}

static void
on_closed (PyIsolateTransport *transport,
           const GError       *error,
           gpointer            user_data)
{
  g_assert_no_error (error);
  ((Ends *) user_data)->n_closed++;
}

static void
start (Ends                *ends,
       PyIsolateLane       *lane,
       PyIsolateMemoryBook *book)
{
  static const PyIsolateTransportHandler handler = { on_frame, on_closed };

  _pyisolate_transport_set_memory (PYISOLATE_TRANSPORT (lane), book);
  _pyisolate_transport_start (PYISOLATE_TRANSPORT (lane), &handler, ends, NULL);
}

static void
make_lanes (Ends     *ends,
            gboolean  with_rings)
{
  int fds[2];

  if (with_rings)
    {
      ends->host = _pyisolate_lane_new_pair (&fds[1]);
      g_assert_true (_pyisolate_lane_has_rings (ends->host));
    }
  else
    {
      g_assert_true (_pyisolate_lane_socketpair (fds));
      ends->host = _pyisolate_lane_new (fds[0]);
    }
  ends->worker = _pyisolate_lane_new_of_pair (fds[1]);
  g_assert_nonnull (ends->worker);
}

static Ends *
ends_new (gboolean with_rings)
{
  Ends *ends = g_new0 (Ends, 1);

  ends->books = books_new ();
  make_lanes (ends, with_rings);
  start (ends, ends->host, ends->books->host);
  start (ends, ends->worker, ends->books->worker);

  ends->memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  ends->theirs = books_pass (ends->books->host, ends->books->worker, ends->memory);
  books_tell (ends->books->worker, ends->books->host); /* that it is known */

  return ends;
}

/* Nothing is left of all that was given to and fro. */
static void
ends_free (Ends *ends)
{
  _pyisolate_lane_receive (ends->worker, 1);
  g_assert_cmpuint (ends->n_closed, ==, 2);
  books_tell (ends->books->host, ends->books->worker);
  books_assert_level (ends->books->worker, 0, 0);

  g_clear_pointer (&ends->theirs, pyisolate_memory_unref);
  books_tell (ends->books->worker, ends->books->host);
  books_assert_level (ends->books->host, 0, 0);

  g_assert_finalize_object (ends->host);
  g_assert_finalize_object (ends->worker);
  pyisolate_memory_unref (ends->memory);
  books_free (ends->books);
  g_free (ends);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Ends, ends_free)

/* FALSE: the lane is closed. */
static gboolean
send_return (PyIsolateLane   *lane,
             PyIsolateMemory *memory)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, 1);
  g_autoptr (GError) error = NULL;

  frame->body = g_bytes_new_static ("", 0);
  if (memory != NULL)
    _pyisolate_frame_add_memory (frame, pyisolate_memory_ref (memory));
  if (_pyisolate_transport_send (PYISOLATE_TRANSPORT (lane), frame, &error))
    return TRUE;

  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  return FALSE;
}

/* An answer that came when its context was gone. */
static void
test_unread (gconstpointer with_rings)
{
  g_autoptr (Ends) ends = ends_new (with_rings != NULL);

  g_assert_true (send_return (ends->worker, ends->theirs));
  g_assert_true (send_return (ends->worker, ends->theirs));
  books_assert_level (ends->books->worker, 0, 2);
  _pyisolate_lane_end (ends->host);
  g_assert_cmpuint (ends->n_closed, ==, 1);
}

#define N_UNREAD 10000
#define LARGE_SOCKET (2 * 1024 * 1024)

/* FALSE: the kernel does not let this user. */
static gboolean
enlarge_socket (PyIsolateLane *lane)
{
  const int wanted = LARGE_SOCKET;
  int fd = _pyisolate_lane_get_socket (lane);
  int size = 0;
  socklen_t length = sizeof size;

  if (setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) < 0)
    setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  g_assert_no_errno (getsockopt (fd, SOL_SOCKET, SO_SNDBUF, &size, &length));

  return size >= LARGE_SOCKET;
}

/* One behind as many as a large socket takes. */
static void
test_many_unread (gconstpointer with_rings)
{
  g_autoptr (Ends) ends = ends_new (with_rings != NULL);

  if (enlarge_socket (ends->host) && enlarge_socket (ends->worker))
    {
      _pyisolate_lane_cork (ends->worker);
      for (guint i = 0; i < N_UNREAD; i++)
        g_assert_true (send_return (ends->worker, NULL));
      g_assert_true (send_return (ends->worker, ends->theirs));
      _pyisolate_lane_uncork (ends->worker);
      g_assert_false (_pyisolate_lane_wants_write (ends->worker));
    }
  else
    {
      g_test_skip ("the kernel lets this user have no large sockets");
    }
  _pyisolate_lane_end (ends->host);
}

/* One that comes before the worker knows that. */
static void
test_late (gconstpointer with_rings)
{
  g_autoptr (Ends) ends = ends_new (with_rings != NULL);

  _pyisolate_lane_end (ends->host);
  g_assert_cmpint (send_return (ends->worker, ends->theirs), ==, with_rings != NULL);
  /* Two, so that what is given back is told by one that does not arrive. */
  g_clear_pointer (&ends->theirs, pyisolate_memory_unref);
  send_return (ends->worker, NULL);
  _pyisolate_lane_receive (ends->worker, 1);
  books_assert_level (ends->books->worker, 0, 0);
  g_assert_false (send_return (ends->worker, NULL));
}

/* A call that waits to be sent, and what it tells. */
static void
test_waiting (gconstpointer with_rings)
{
  g_autoptr (Ends) ends = ends_new (with_rings != NULL);
  g_autoptr (PyIsolateMemory) back = books_pass (ends->books->worker, ends->books->host, ends->theirs);
  PyIsolateMemoryStatus status;

  _pyisolate_lane_cork (ends->host);
  g_assert_true (send_return (ends->host, ends->memory)); /* with the acknowledgement */
  g_assert_true (send_return (ends->host, ends->memory));
  books_assert_level (ends->books->host, 3, 0);
  _pyisolate_lane_end (ends->host);
  _pyisolate_memory_book_get_status (ends->books->host, &status);
  g_assert_cmpuint (status.n_passed, ==, 1);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  for (guint i = 0; i < 2; i++)
    {
      const char *kind = i == 0 ? "socket" : "rings";
      g_autofree char *unread = g_strdup_printf ("/pyisolate/lane-memory/%s/unread", kind);
      g_autofree char *many_unread = g_strdup_printf ("/pyisolate/lane-memory/%s/many-unread", kind);
      g_autofree char *late = g_strdup_printf ("/pyisolate/lane-memory/%s/late", kind);
      g_autofree char *waiting = g_strdup_printf ("/pyisolate/lane-memory/%s/waiting", kind);

      test_util_add_data_func (unread, GUINT_TO_POINTER (i), test_unread);
      test_util_add_data_func (many_unread, GUINT_TO_POINTER (i), test_many_unread);
      test_util_add_data_func (late, GUINT_TO_POINTER (i), test_late);
      test_util_add_data_func (waiting, GUINT_TO_POINTER (i), test_waiting);
    }

  return g_test_run ();
}
