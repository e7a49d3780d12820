/* SPDX-License-Identifier: MIT */
/* The ring of small messages: what it keeps, how it wakes, and what it makes of a side that lies. */
#include "config.h"

#include "pyisolate-ring-private.h"

#include "pyisolate-bell-private.h"
#include "pyisolate-fd-private.h"
#include "test-util.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where things lie in the shared memory, for who lies. */
enum {
  AT_WRITTEN = 0,
  AT_N_SENT = 4,
  AT_READ = 64,
  AT_WAITING = 68,
  AT_MESSAGES = 128,
  SHARED_SIZE = 128 + 64 * 1024,
};

typedef struct {
  PyIsolateRing *reader;
  PyIsolateRing *writer;
  guint8 *shared; /* as a hostile side sees it */
  guint8 buffer[PYISOLATE_RING_MAX_MESSAGE];
  gsize size;
  int is_done; /* atomic: who scribbles is to end */
} Ring;

static Ring *
ring_new_by (PyIsolateRingSide maker)
{
  PyIsolateRingSide other = maker == PYISOLATE_RING_READER ? PYISOLATE_RING_WRITER : PYISOLATE_RING_READER;
  Ring *ring = g_new0 (Ring, 1);
  PyIsolateRing *mine, *theirs;
  int fds[PYISOLATE_RING_N_FDS];

  mine = _pyisolate_ring_new (maker, fds);
  g_assert_nonnull (mine);
  ring->shared = mmap (NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[PYISOLATE_RING_FD_MEMORY], 0);
  g_assert_true (ring->shared != MAP_FAILED);
  g_assert_cmpint (ftruncate (fds[PYISOLATE_RING_FD_MEMORY], 0), ==, -1);
  theirs = _pyisolate_ring_new_of_peer (other, fds);
  g_assert_nonnull (theirs);
  ring->reader = maker == PYISOLATE_RING_READER ? mine : theirs;
  ring->writer = maker == PYISOLATE_RING_READER ? theirs : mine;

  return ring;
}

static Ring *
ring_new (void)
{
  return ring_new_by (PYISOLATE_RING_READER);
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
test_wake (gconstpointer data)
{
  g_autoptr (Ring) ring = ring_new_by (GPOINTER_TO_INT (data));

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
test_edges (gconstpointer data)
{
  g_autoptr (Ring) ring = ring_new_by (GPOINTER_TO_INT (data));
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
test_threads (gconstpointer data)
{
  g_autoptr (Ring) ring = ring_new_by (GPOINTER_TO_INT (data));
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
  g_atomic_int_set ((guint32 *) (ring->shared + at), value);
}

static guint32
get_word (Ring  *ring,
          gsize  at)
{
  return g_atomic_int_get ((guint32 *) (ring->shared + at));
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

static gpointer
scribble (gpointer data)
{
  Ring *ring = data;
  guint32 value = 1;

  while (!g_atomic_int_get (&ring->is_done))
    {
      value = value * 1664525 + 1013904223;
      set_word (ring, AT_N_SENT + (value >> 8) % ((SHARED_SIZE - AT_N_SENT) / 4) * 4, value);
      set_word (ring, AT_READ, value);
      set_word (ring, AT_WAITING, value & 1);
    }

  return NULL;
}

/* Whatever a reader does to the memory meanwhile, who writes stays within it, and comes back. */
static void
test_scribbling_reader (void)
{
  g_autoptr (Ring) ring = ring_new_by (PYISOLATE_RING_WRITER);
  g_autoptr (GThread) thread = g_thread_new ("scribbler", scribble, ring);
  guint n_written = 0;

  for (guint i = 0; i < 20000; i++)
    {
      if (i % 2 == 0) /* it has read everything, for once */
        set_word (ring, AT_READ, get_word (ring, AT_WRITTEN));
      n_written += write_filled (ring, (i * 797) % 20001, i);
      if (i % 5 == 0)
        _pyisolate_ring_note_sent (ring->writer);
    }
  g_atomic_int_set (&ring->is_done, TRUE);
  g_thread_join (g_steal_pointer (&thread));
  g_assert_cmpuint (n_written, >, 0);
}

/* In the process of hold_bell(): tells that it is where it should be. */
static gpointer
wait_for_fault (gpointer data)
{
  const int *fds = data;
  struct uffd_msg fault;

  if (TEMP_FAILURE_RETRY (read (fds[0], &fault, sizeof fault)) != sizeof fault || write (fds[1], "y", 1) != 1)
    _exit (1);
  return NULL;
}

/* Waits in the set with its lock held: for a page of @memory, which nobody will give it. Does not return. */
static void
hold_bell (int   wait_fd,
           int   told_fd,
           void *memory,
           gsize size)
{
  struct uffdio_api api = { .api = UFFD_API };
  struct uffdio_register missing = { { (gsize) memory, size }, UFFDIO_REGISTER_MODE_MISSING, 0 };
  int fds[] = { syscall (SYS_userfaultfd, O_CLOEXEC), told_fd };

  if (fds[0] >= 0 && ioctl (fds[0], UFFDIO_API, &api) == 0 && ioctl (fds[0], UFFDIO_REGISTER, &missing) == 0)
    {
      g_thread_unref (g_thread_new ("faults", wait_for_fault, fds));
      epoll_wait (wait_fd, memory, 1, -1);
    }
  _exit (1);
}

/* While that cannot be closed others are not made without end. */
static void
assert_is_bounded (void)
{
  int fds[PYISOLATE_RING_N_FDS];

  while (_pyisolate_bell_get_n_closing () < 16)
    ring_free (ring_new_by (PYISOLATE_RING_WRITER));
  g_assert_null (_pyisolate_ring_new (PYISOLATE_RING_WRITER, fds));
  ring_free (ring_new_by (PYISOLATE_RING_READER));
}

static gboolean
has_closed_bells (gpointer data)
{
  return _pyisolate_bell_get_n_closing () == 0;
}

/* A reader can keep the eventfd from being closed, as long as it lives, but not who wants that. */
static void
test_held_bell (void)
{
  gsize size = sysconf (_SC_PAGESIZE);
  void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_autoptr (Ring) ring = ring_new_by (PYISOLATE_RING_WRITER);
  gboolean is_held;
  int told[2];
  char answer;
  pid_t pid;

  g_assert_true (memory != MAP_FAILED);
  g_assert_no_errno (pipe2 (told, O_CLOEXEC));
  g_assert_true (write_filled (ring, 1, 1));
  pid = fork ();
  if (pid == 0)
    {
      close (told[0]);
      close (_pyisolate_ring_get_wake_fd (ring->writer));
      hold_bell (_pyisolate_ring_get_wait_fd (ring->reader), told[1], memory, size);
    }
  g_assert_no_errno (pid);
  close (told[1]);
  is_held = TEMP_FAILURE_RETRY (read (told[0], &answer, 1)) == 1;
  close (told[0]);

  if (is_held)
    {
      for (guint i = 0; i < 1000; i++)
        {
          set_word (ring, AT_WAITING, TRUE);
          write_filled (ring, 1, 1);
        }
      g_clear_pointer (&ring->writer, _pyisolate_ring_free);
      assert_is_bounded ();
      g_assert_no_errno (kill (pid, SIGKILL));
      test_util_assert_until (has_closed_bells, NULL, 30000);
      ring_free (ring_new_by (PYISOLATE_RING_WRITER));
    }
  else
    {
      g_test_skip ("Page faults of the kernel cannot be handled here");
    }
  g_assert_cmpint (TEMP_FAILURE_RETRY (waitpid (pid, NULL, 0)), ==, pid);
  munmap (memory, size);
}

/* What is not the memory of a ring. */
static void
test_no_ring (gconstpointer data)
{
  int fds[PYISOLATE_RING_N_FDS];

  fds[PYISOLATE_RING_FD_MEMORY] = memfd_create ("small", MFD_CLOEXEC);
  fds[PYISOLATE_RING_FD_BELL] = memfd_create ("other", MFD_CLOEXEC);
  g_assert_no_errno (ftruncate (fds[PYISOLATE_RING_FD_MEMORY], 4096));
  g_assert_null (_pyisolate_ring_new_of_peer (GPOINTER_TO_INT (data), fds));
}

/* A lane goes without, and nobody is sent SIGXFSZ. */
static void
test_file_size (void)
{
  int fds[PYISOLATE_RING_N_FDS];
  struct rlimit limit, few;
  PyIsolateRing *ring;

  g_assert_no_errno (getrlimit (RLIMIT_FSIZE, &limit));
  few = limit;
  few.rlim_cur = 1000;
  g_assert_no_errno (setrlimit (RLIMIT_FSIZE, &few));
  ring = _pyisolate_ring_new (PYISOLATE_RING_WRITER, fds);
  g_assert_no_errno (setrlimit (RLIMIT_FSIZE, &limit));

  g_assert_null (ring);
}

/* Whoever has made it. */
static void
add_for_both (const char       *name,
              GTestDataFunc     test)
{
  g_autofree char *of_reader = g_strdup_printf ("/pyisolate/ring/%s/reader", name);
  g_autofree char *of_writer = g_strdup_printf ("/pyisolate/ring/%s/writer", name);

  test_util_add_data_func (of_reader, GINT_TO_POINTER (PYISOLATE_RING_READER), test);
  test_util_add_data_func (of_writer, GINT_TO_POINTER (PYISOLATE_RING_WRITER), test);
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
  test_util_add_func ("/pyisolate/ring/hang-up", test_hang_up);
  for (guint i = 0; i < G_N_ELEMENTS (lies); i++)
    {
      g_autofree char *path = g_strdup_printf ("/pyisolate/ring/lies/%s", lies[i].name);

      test_util_add_data_func (path, &lies[i], test_lie);
    }
  test_util_add_func ("/pyisolate/ring/past-the-end", test_past_the_end);
  test_util_add_func ("/pyisolate/ring/lying-reader", test_lying_reader);
  test_util_add_func ("/pyisolate/ring/scribbling-reader", test_scribbling_reader);
  test_util_add_func ("/pyisolate/ring/held-bell", test_held_bell);
  test_util_add_func ("/pyisolate/ring/file-size", test_file_size);
  add_for_both ("wake", test_wake);
  add_for_both ("edges", test_edges);
  add_for_both ("threads", test_threads);
  add_for_both ("no-ring", test_no_ring);

  return g_test_run ();
}
