/* SPDX-License-Identifier: MIT */
/* The pool of a book: what nobody uses is used again, or goes. */
#include "config.h"

#include "memory-books.h"

#include "pyisolate-memory-book-struct-private.h"

#include <string.h>
#include <sys/resource.h>

static void
test_pool (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *memory = books_allocate (books->host, 100000, PYISOLATE_MEMORY_NONE);
  g_autofree guint8 *data = g_malloc0 (100000);
  PyIsolateMemory *theirs;
  PyIsolateMemory *again;

  data[99999] = 5;
  g_assert_true (pyisolate_memory_write (memory, 0, data, 100000, NULL));
  theirs = books_pass (books->host, books->worker, memory);
  g_assert_cmpuint (books_map (theirs)[99999], ==, 5);

  /* Nobody here uses it, but the worker does. */
  pyisolate_memory_unref (memory);
  g_assert_cmpuint (books_get_free_size (books->host), ==, 0);
  again = books_allocate (books->host, 100000, PYISOLATE_MEMORY_NONE);
  g_assert_true (again != memory);
  pyisolate_memory_unref (again);

  pyisolate_memory_unref (theirs);
  g_assert_cmpuint (books_get_free_size (books->host), ==, pyisolate_memory_get_size (again));
  books_tell (books->worker, books->host);
  g_assert_cmpuint (books_get_free_size (books->host), ==, 2 * pyisolate_memory_get_size (again));
  again = books_allocate (books->host, 99000, PYISOLATE_MEMORY_NONE);
  g_assert_true (again == memory); /* the newest */
  g_assert_null (pyisolate_memory_find (books_map (memory) + 200000, 1));
  pyisolate_memory_unref (again);

  again = books_allocate (books->host, 100000, PYISOLATE_MEMORY_READ_ONLY);
  g_assert_true (pyisolate_memory_is_read_only (again));
  pyisolate_memory_unref (again);
}

/* What is in the pool belongs to nobody. */
static void
test_not_found_in_pool (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *memory = books_allocate (books->host, 100000, PYISOLATE_MEMORY_NONE);
  guint8 *data = books_map (memory);

  pyisolate_memory_unref (memory);
  g_assert_null (pyisolate_memory_find (data, 1));
}

static void
test_limit (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *memory = books_allocate (books->host, BOOKS_LIMIT / 2, PYISOLATE_MEMORY_NONE);
  g_autoptr (GError) error = NULL;

  g_assert_null (_pyisolate_memory_book_allocate (books->host, BOOKS_LIMIT, PYISOLATE_MEMORY_NONE,
                                                  &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_clear_error (&error);
  g_assert_null (_pyisolate_memory_book_allocate (books->host, G_MAXSIZE, PYISOLATE_MEMORY_NONE,
                                                  &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);

  /* What is idle goes first. */
  pyisolate_memory_unref (memory);
  memory = books_allocate (books->host, BOOKS_LIMIT, PYISOLATE_MEMORY_NONE);
  pyisolate_memory_unref (memory);
}

/* A worker that wrote to what it must not write to sees the new content the next time. */
/* What nobody uses is no reason to have no descriptor for another piece: in whose pool it may be. */
static void
test_pools_let_go (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (Books) others = books_new ();
  PyIsolateMemory *idle = books_allocate (others->host, 100000, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateMemory) memory = NULL;
  g_autoptr (GError) error = NULL;
  struct rlimit limit, few;
  int lowest = dup (0);

  close (lowest);
  pyisolate_memory_unref (idle);
  g_assert_cmpuint (books_get_free_size (others->host), >, 0);

  /* No piece gets a number of the last quarter, and all others are in use. */
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  few = limit;
  few.rlim_cur = (rlim_t) lowest * 4 / 3;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &few));
  memory = books_allocate (books->host, 5000, PYISOLATE_MEMORY_NONE);
  g_assert_null (_pyisolate_memory_book_allocate (books->host, 5000, PYISOLATE_MEMORY_NONE, &error));
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));

  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (books_get_free_size (others->host), ==, 0);
}

static void
test_read_only_again (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *memory = books_allocate (books->host, 8192, PYISOLATE_MEMORY_READ_ONLY);
  PyIsolateMemory *theirs;

  books_map (memory)[0] = 1;
  theirs = books_pass (books->host, books->worker, memory);
  books_map (theirs)[0] = 9;
  g_assert_cmpuint (books_map (memory)[0], ==, 1);
  pyisolate_memory_unref (theirs);
  books_map (memory)[0] = 2;
  theirs = books_pass (books->host, books->worker, memory);
  g_assert_cmpuint (books_map (theirs)[0], ==, 2);
  pyisolate_memory_unref (theirs);
  pyisolate_memory_unref (memory);
}

static long
count_faults (void)
{
  struct rusage usage;

  g_assert_no_errno (getrusage (RUSAGE_SELF, &usage));
  return usage.ru_minflt;
}

/* A piece that is used again has its pages, and they are where they were. */
static void
test_warm (void)
{
  const gsize size = 4 << 20;
  g_autoptr (Books) books = books_new ();
  g_autofree guint8 *data = g_malloc (size);
  long before = 0;

  memset (data, 1, size);
  for (int i = 0; i < 5; i++)
    {
      PyIsolateMemory *memory = books_allocate (books->host, size, PYISOLATE_MEMORY_NONE);

      if (i == 2) /* it was filled by its descriptor first, and mapped then */
        before = count_faults ();
      g_assert_true (pyisolate_memory_write (memory, 0, data, size, NULL));
      pyisolate_memory_unref (memory);
    }
  g_assert_cmpint (count_faults () - before, <, (long) (size / 4096 / 4));
}

static gint64
trim (PyIsolateMemoryBook *book,
      gint64               now)
{
  GSList *garbage = NULL;
  gint64 again;

  g_mutex_lock (&_pyisolate_memory_mutex);
  again = _pyisolate_memory_pool_trim_locked (book, now, &garbage);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);

  return again;
}

/* What nobody has used for five seconds goes, the oldest first, and nothing else. */
static void
test_idle (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *first = books_allocate (books->host, 100000, PYISOLATE_MEMORY_NONE);
  PyIsolateMemory *second = books_allocate (books->host, 200000, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateMemory) used = books_allocate (books->host, 400000, PYISOLATE_MEMORY_NONE);
  gint64 idle_since;
  PyIsolateMemoryStatus status;

  pyisolate_memory_unref (first);
  pyisolate_memory_unref (second);
  idle_since = first->idle_since;
  second->idle_since = idle_since + 3 * G_TIME_SPAN_SECOND;

  g_assert_cmpint (trim (books->host, idle_since + 4 * G_TIME_SPAN_SECOND), ==, idle_since + 5 * G_TIME_SPAN_SECOND);
  g_assert_cmpuint (books_get_free_size (books->host), >=, 300000);
  g_assert_cmpint (trim (books->host, idle_since + 5 * G_TIME_SPAN_SECOND), ==, idle_since + 8 * G_TIME_SPAN_SECOND);
  g_assert_cmpuint (books_get_free_size (books->host), ==, pyisolate_memory_get_size (second));
  g_assert_cmpint (trim (books->host, idle_since + 8 * G_TIME_SPAN_SECOND), ==, -1);

  _pyisolate_memory_book_get_status (books->host, &status);
  g_assert_cmpuint (status.free_size, ==, 0);
  g_assert_cmpuint (status.size, ==, pyisolate_memory_get_size (used));
}

/* A worker gives back what it was granted and does not use. */
static void
test_idle_grant (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateFrame *request = _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0);
  PyIsolateFrame *news = _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0);
  gint64 now;

  request->records = g_new (PyIsolateMemoryRecord, 1);
  request->records[0] = (PyIsolateMemoryRecord) { PYISOLATE_MEMORY_REQUEST, 0, 7, 5000 };
  request->n_records = 1;
  _pyisolate_frame_free (books_arrive (books->host, request));
  g_assert_true (_pyisolate_memory_book_fill (books->host, news, NULL));
  _pyisolate_frame_free (books_arrive (books->worker, news));
  now = g_get_monotonic_time ();
  g_assert_cmpuint (books_get_free_size (books->worker), >=, 5000);

  g_assert_cmpint (trim (books->worker, now), >, now);
  books_tell (books->worker, books->host);
  books_assert_level (books->host, 1, 0);
  g_assert_cmpint (trim (books->worker, now + 2 * G_TIME_SPAN_SECOND), ==, -1);
  g_assert_cmpuint (books_get_free_size (books->worker), ==, 0);
  books_tell (books->worker, books->host);
  books_assert_level (books->host, 0, 0);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  test_util_add_func ("/memory/pool", test_pool);
  test_util_add_func ("/memory/not-found-in-pool", test_not_found_in_pool);
  test_util_add_func ("/memory/limit", test_limit);
  test_util_add_func ("/memory/pools-let-go", test_pools_let_go);
  test_util_add_func ("/memory/read-only-again", test_read_only_again);
  test_util_add_func ("/memory/warm", test_warm);
  test_util_add_func ("/memory/idle", test_idle);
  test_util_add_func ("/memory/idle-grant", test_idle_grant);

  return g_test_run ();
}
