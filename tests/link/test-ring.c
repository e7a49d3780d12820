/* SPDX-License-Identifier: MIT */
/* The ring of small messages: what it keeps, how it wakes, and what it makes of a writer that lies. */
#include "config.h"

#include "pyisolate-ring-private.h"

#include "pyisolate-fd-private.h"
#include "test-util.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Where things lie in the shared memory, for who lies. */
enum {
  AT_WRITTEN = 0,
  AT_N_SENT = 4,
  AT_READ = 64,
  AT_MESSAGES = 128,
  SHARED_SIZE = 128 + 64 * 1024,
};

typedef struct {
  PyIsolateRing *reader;
  PyIsolateRing *writer;
  guint8 *shared; /* as a hostile writer sees it */
  guint8 buffer[PYISOLATE_RING_MAX_MESSAGE];
  gsize size;
} Ring;

static Ring *
ring_new (void)
{
  Ring *ring = g_new0 (Ring, 1);
  int fds[PYISOLATE_RING_N_FDS];

  ring->reader = _pyisolate_ring_new (fds);
  g_assert_nonnull (ring->reader);
  ring->shared = mmap (NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[PYISOLATE_RING_FD_MEMORY], 0);
  g_assert_true (ring->shared != MAP_FAILED);
  g_assert_cmpint (ftruncate (fds[PYISOLATE_RING_FD_MEMORY], 0), ==, -1);
  ring->writer = _pyisolate_ring_new_writer (fds);
  g_assert_nonnull (ring->writer);

  return ring;
}

static void
ring_free (Ring *ring)
{
  g_clear_pointer (&ring->writer, _pyisolate_ring_free);
  _pyisolate_ring_free (ring->reader);
  munmap (ring->shared, SHARED_SIZE);
  g_free (ring);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Ring, ring_free)

static gboolean
write_filled (Ring   *ring,
              gsize   size,
              guint8  value)
{
  g_autofree guint8 *data = g_malloc (size + 1);
  struct iovec pieces[] = { { data, size / 2 }, { data, size - size / 2 } };

  memset (data, value, size);
  return _pyisolate_ring_write (ring->writer, pieces, G_N_ELEMENTS (pieces));
}

static void
assert_reads (Ring   *ring,
              gsize   size,
              guint8  value)
{
  g_assert_cmpint (_pyisolate_ring_read (ring->reader, ring->buffer, &ring->size), ==, PYISOLATE_RING_HAS);
  g_assert_cmpuint (ring->size, ==, size);
  for (gsize i = 0; i < size; i++)
    g_assert_cmpuint (ring->buffer[i], ==, value);
}

static void
assert_state (Ring               *ring,
              PyIsolateRingState  state)
{
  g_assert_cmpint (_pyisolate_ring_read (ring->reader, ring->buffer, &ring->size), ==, state);
}

/* Messages of many sizes, over its end many times, some read at once and some later. */
static void
test_order (void)
{
  g_autoptr (Ring) ring = ring_new ();
  guint n_read = 0;

  for (guint i = 0; i < 20000; i++)
    {
      gsize size = (i * 797) % 4001;

      while (!write_filled (ring, size, i))
        {
          assert_reads (ring, (n_read * 797) % 4001, n_read);
          n_read++;
        }
      if (i % 3 == 0)
        {
          assert_reads (ring, (n_read * 797) % 4001, n_read);
          n_read++;
        }
    }
  for (; n_read < 20000; n_read++)
    assert_reads (ring, (n_read * 797) % 4001, n_read);
  assert_state (ring, PYISOLATE_RING_EMPTY);
}

/* The largest message always fits an empty ring, wherever that stands; a larger one never does. */
static void
test_sizes (void)
{
  g_autoptr (Ring) ring = ring_new ();

  for (gsize before = 0; before <= PYISOLATE_RING_MAX_MESSAGE; before += 1023)
    {
      g_assert_true (write_filled (ring, before, 1));
      assert_reads (ring, before, 1);
      g_assert_true (write_filled (ring, PYISOLATE_RING_MAX_MESSAGE, 2));
      assert_reads (ring, PYISOLATE_RING_MAX_MESSAGE, 2);
    }
  g_assert_false (write_filled (ring, PYISOLATE_RING_MAX_MESSAGE + 1, 3));
}

/* The positions wrap around. */
static void
test_wrap_around (void)
{
  g_autoptr (Ring) ring = ring_new ();
  g_autofree guint8 *data = g_malloc0 (PYISOLATE_RING_MAX_MESSAGE);
  struct iovec piece = { data, PYISOLATE_RING_MAX_MESSAGE };
  guint n = test_util_is_slowed () ? 100 : ((guint64) 1 << 32) / PYISOLATE_RING_MAX_MESSAGE + 5;

  for (guint i = 0; i < n; i++)
    {
      g_assert_true (_pyisolate_ring_write (ring->writer, &piece, 1));
      assert_state (ring, PYISOLATE_RING_HAS);
    }
}

/* What goes by the socket keeps its place among what goes by the ring. */
static void
test_socket (void)
{
  g_autoptr (Ring) ring = ring_new ();

  g_assert_true (write_filled (ring, 10, 1));
  _pyisolate_ring_note_sent (ring->writer);
  g_assert_true (write_filled (ring, 20, 2));
  _pyisolate_ring_note_sent (ring->writer);
  _pyisolate_ring_note_sent (ring->writer);

  assert_reads (ring, 10, 1);
  assert_state (ring, PYISOLATE_RING_SOCKET);
  _pyisolate_ring_note_received (ring->reader);
  assert_reads (ring, 20, 2);
  for (guint i = 0; i < 2; i++)
    {
      assert_state (ring, PYISOLATE_RING_SOCKET);
      _pyisolate_ring_note_received (ring->reader);
    }
  assert_state (ring, PYISOLATE_RING_EMPTY);
}

static gboolean
is_woken (Ring *ring)
{
  struct pollfd pollfd = { _pyisolate_ring_get_wait_fd (ring->reader), POLLIN, 0 };
  gboolean woken = poll (&pollfd, 1, 0) == 1;

  _pyisolate_ring_clear (ring->reader);
  return woken;
}

/* A reader that waits is woken, once; one that does not is left alone. */
static void
test_wake (void)
{
  g_autoptr (Ring) ring = ring_new ();

  g_assert_false (is_woken (ring));
  g_assert_true (write_filled (ring, 1, 1));
  g_assert_true (is_woken (ring));
  g_assert_true (write_filled (ring, 1, 2));
  g_assert_false (is_woken (ring));
  assert_reads (ring, 1, 1);
  assert_reads (ring, 1, 2);
  g_assert_true (write_filled (ring, 1, 3));
  g_assert_false (is_woken (ring));
  assert_reads (ring, 1, 3);
  assert_state (ring, PYISOLATE_RING_EMPTY);
  g_assert_false (is_woken (ring));
  _pyisolate_ring_note_sent (ring->writer);
  g_assert_true (is_woken (ring));
  assert_state (ring, PYISOLATE_RING_SOCKET);
  _pyisolate_ring_note_received (ring->reader);
  assert_state (ring, PYISOLATE_RING_EMPTY);
  _pyisolate_ring_end (ring->writer);
  g_assert_true (is_woken (ring));
  g_assert_true (_pyisolate_ring_is_ended (ring->reader));
}

/* As a loop waits that has it in a set of its own: nobody reads what tells of it, and every time is told. */
static void
test_edges (void)
{
  g_autoptr (Ring) ring = ring_new ();
  struct epoll_event event = { .events = EPOLLIN | EPOLLET };
  _pyisolate_autofd set = epoll_create1 (EPOLL_CLOEXEC);

  g_assert_no_errno (set);
  g_assert_no_errno (epoll_ctl (set, EPOLL_CTL_ADD, _pyisolate_ring_get_wait_fd (ring->reader), &event));
  for (guint i = 0; i < 1000; i++)
    {
      g_assert_true (write_filled (ring, 1, i));
      g_assert_cmpint (epoll_wait (set, &event, 1, 30000), ==, 1);
      assert_reads (ring, 1, i);
      assert_state (ring, PYISOLATE_RING_EMPTY);
      g_assert_cmpint (epoll_wait (set, &event, 1, 0), ==, 0);
    }
}

/* The end of the socket, too. */
static void
test_hang_up (void)
{
  g_autoptr (Ring) ring = ring_new ();
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
  g_assert_true (_pyisolate_ring_wait_for (ring->reader, fds[0]));
  g_assert_false (is_woken (ring));
  close (fds[1]);
  g_assert_true (is_woken (ring));
  close (fds[0]);
}

static gpointer
write_many (gpointer data)
{
  Ring *ring = data;

  for (guint i = 0; i < 50000; i++)
    {
      while (!write_filled (ring, i % 300, i))
        g_thread_yield ();
    }

  return NULL;
}

/* Nobody waits for ever, whoever is faster. */
static void
test_threads (void)
{
  g_autoptr (Ring) ring = ring_new ();
  g_autoptr (GThread) thread = g_thread_new ("writer", write_many, ring);
  struct pollfd pollfd = { _pyisolate_ring_get_wait_fd (ring->reader), POLLIN, 0 };

  for (guint i = 0; i < 50000;)
    {
      PyIsolateRingState state = _pyisolate_ring_read (ring->reader, ring->buffer, &ring->size);

      if (state == PYISOLATE_RING_EMPTY)
        {
          g_assert_cmpint (poll (&pollfd, 1, 30000), ==, 1);
          _pyisolate_ring_clear (ring->reader);
          continue;
        }
      g_assert_cmpint (state, ==, PYISOLATE_RING_HAS);
      g_assert_cmpuint (ring->size, ==, i % 300);
      g_assert_true (ring->size == 0 || ring->buffer[ring->size - 1] == (guint8) i);
      i++;
    }
  g_thread_join (g_steal_pointer (&thread));
}

static void
set_word (Ring    *ring,
          gsize    at,
          guint32  value)
{
  memcpy (ring->shared + at, &value, sizeof value);
}

typedef struct {
  const char *name;
  guint32 written;
  guint32 size;
} Lie;

static const Lie lies[] = {
  { "more-than-there-is", 64 * 1024 + 8, 8 },
  { "backwards", (guint32) -8, 8 },
  { "odd", 13, 3 },
  { "too-long", 48 * 1024, 33 * 1024 },
  { "longer-than-written", 16, 100 },
  { "huge", 64, G_MAXUINT32 - 1 },
  { "nothing-but-a-skip", 64, G_MAXUINT32 },
};

static void
test_lie (gconstpointer data)
{
  const Lie *lie = data;
  g_autoptr (Ring) ring = ring_new ();

  set_word (ring, AT_MESSAGES, lie->size);
  set_word (ring, AT_WRITTEN, lie->written);
  assert_state (ring, PYISOLATE_RING_BAD);
}

/* A message that goes on past the end. */
static void
test_past_the_end (void)
{
  g_autoptr (Ring) ring = ring_new ();

  g_assert_true (write_filled (ring, PYISOLATE_RING_MAX_MESSAGE - 8, 1));
  g_assert_true (write_filled (ring, PYISOLATE_RING_MAX_MESSAGE - 64, 2));
  assert_reads (ring, PYISOLATE_RING_MAX_MESSAGE - 8, 1);
  assert_reads (ring, PYISOLATE_RING_MAX_MESSAGE - 64, 2);
  set_word (ring, AT_MESSAGES + 64 * 1024 - 72, 1000);
  set_word (ring, AT_WRITTEN, 64 * 1024 - 72 + 1008);
  assert_state (ring, PYISOLATE_RING_BAD);
}

/* A reader that says it has read what was never written gets nothing by it. */
static void
test_lying_reader (void)
{
  g_autoptr (Ring) ring = ring_new ();

  set_word (ring, AT_READ, 4096);
  g_assert_false (write_filled (ring, 1, 1));
}

/* What is not the memory of a ring. */
static void
test_no_ring (void)
{
  int fds[PYISOLATE_RING_N_FDS];

  fds[PYISOLATE_RING_FD_MEMORY] = memfd_create ("small", MFD_CLOEXEC);
  fds[PYISOLATE_RING_FD_WAKE] = memfd_create ("other", MFD_CLOEXEC);
  g_assert_no_errno (ftruncate (fds[PYISOLATE_RING_FD_MEMORY], 4096));
  g_assert_null (_pyisolate_ring_new_writer (fds));
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  test_util_add_func ("/pyisolate/ring/order", test_order);
  test_util_add_func ("/pyisolate/ring/sizes", test_sizes);
  test_util_add_func ("/pyisolate/ring/wrap-around", test_wrap_around);
  test_util_add_func ("/pyisolate/ring/socket", test_socket);
  test_util_add_func ("/pyisolate/ring/wake", test_wake);
  test_util_add_func ("/pyisolate/ring/edges", test_edges);
  test_util_add_func ("/pyisolate/ring/hang-up", test_hang_up);
  test_util_add_func ("/pyisolate/ring/threads", test_threads);
  for (guint i = 0; i < G_N_ELEMENTS (lies); i++)
    {
      g_autofree char *path = g_strdup_printf ("/pyisolate/ring/lies/%s", lies[i].name);

      test_util_add_data_func (path, &lies[i], test_lie);
    }
  test_util_add_func ("/pyisolate/ring/past-the-end", test_past_the_end);
  test_util_add_func ("/pyisolate/ring/lying-reader", test_lying_reader);
  test_util_add_func ("/pyisolate/ring/no-ring", test_no_ring);

  return g_test_run ();
}
