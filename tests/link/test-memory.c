/* SPDX-License-Identifier: MIT */
/* Pieces of shared memory, and the books of a host and a worker about them: between the two books frames are handed over
 * in any order, with whatever in them. */
#include "config.h"

#include "pyisolate-fd-private.h"
#include "pyisolate-memory-book-private.h"

#include "test-util.h"

#include <string.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LIMIT (8 * 1024 * 1024)

typedef struct {
  PyIsolateMemoryBook *host;
  PyIsolateMemoryBook *worker;
} Books;

static Books *
books_new (void)
{
  Books *books = g_new0 (Books, 1);

  books->host = _pyisolate_memory_book_new_host (LIMIT);
  books->worker = _pyisolate_memory_book_new_worker ();

  return books;
}

static void
books_free (Books *books)
{
  _pyisolate_memory_book_close (books->host);
  _pyisolate_memory_book_close (books->worker);
  _pyisolate_memory_book_unref (books->host);
  _pyisolate_memory_book_unref (books->worker);
  g_free (books);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Books, books_free)

/* A frame as it travels: filled by who sends it. @memory: borrowed, or NULL */
static PyIsolateFrame *
frame_from (PyIsolateMemoryBook *book,
            PyIsolateMemory     *memory)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 1);
  g_autoptr (GError) error = NULL;

  if (memory != NULL)
    {
      _pyisolate_frame_take_memories (frame, g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref));
      g_ptr_array_add (frame->memories, pyisolate_memory_ref (memory));
    }
  g_assert_true (_pyisolate_memory_book_fill (book, frame, &error));
  g_assert_no_error (error);
  /* What the other side gets is not this side's references. */
  g_clear_pointer (&frame->memories, g_ptr_array_unref);

  return frame;
}

static PyIsolateFrame *
arrive (PyIsolateMemoryBook *book,
        PyIsolateFrame      *frame)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (_pyisolate_memory_book_take (book, frame, &error));
  g_assert_no_error (error);

  return frame;
}

static void
tell (PyIsolateMemoryBook *from,
      PyIsolateMemoryBook *to)
{
  g_autoptr (PyIsolateFrame) frame = arrive (to, frame_from (from, NULL));

  g_assert_null (frame->memory_error);
}

/* Passes @memory, and returns what stands for it on the other side. Full. */
static PyIsolateMemory *
pass (PyIsolateMemoryBook *from,
      PyIsolateMemoryBook *to,
      PyIsolateMemory     *memory)
{
  g_autoptr (PyIsolateFrame) frame = arrive (to, frame_from (from, memory));

  g_assert_no_error (frame->memory_error);
  g_assert_cmpuint (frame->memories->len, ==, 1);

  return pyisolate_memory_ref (g_ptr_array_index (frame->memories, 0));
}

static guint8 *
map (PyIsolateMemory *memory)
{
  g_autoptr (GError) error = NULL;
  guint8 *data = pyisolate_memory_map (memory, &error);

  g_assert_no_error (error);
  g_assert_nonnull (data);

  return data;
}

static PyIsolateMemory *
allocate (PyIsolateMemoryBook  *book,
          gsize                 size,
          PyIsolateMemoryFlags  flags)
{
  g_autoptr (GError) error = NULL;
  PyIsolateMemory *memory = _pyisolate_memory_book_allocate (book, size, flags, &error);

  g_assert_no_error (error);
  g_assert_nonnull (memory);
  g_assert_cmpuint (pyisolate_memory_get_size (memory), >=, size);

  return memory;
}

static void
assert_level (PyIsolateMemoryBook *book,
              guint64              n_passed,
              guint64              n_in_flight)
{
  PyIsolateMemoryStatus status;

  _pyisolate_memory_book_get_status (book, &status);
  g_assert_cmpuint (status.n_passed, ==, n_passed);
  g_assert_cmpuint (status.n_in_flight, ==, n_in_flight);
}

static guint64
get_free_size (PyIsolateMemoryBook *book)
{
  PyIsolateMemoryStatus status;

  _pyisolate_memory_book_get_status (book, &status);
  return status.free_size;
}

/* --- Pieces --- */

static void
test_piece (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (10000, PYISOLATE_MEMORY_NONE, &error);
  g_autoptr (PyIsolateMemory) found = NULL;
  _pyisolate_autofd fd = -1;
  guint8 *data;

  g_assert_no_error (error);
  g_assert_cmpuint (pyisolate_memory_get_size (memory), ==, 10000);
  data = map (memory);
  g_assert_true (map (memory) == data);
  g_assert_cmpuint (data[9999], ==, 0);

  found = pyisolate_memory_find (data + 5000, 5000);
  g_assert_true (found == memory);
  g_assert_null (pyisolate_memory_find (data + 5000, 5001));
  g_assert_null (pyisolate_memory_find (&error, 1));

  g_assert_true (pyisolate_memory_write (memory, 9990, "0123456789", 10, &error));
  g_assert_cmpmem (data + 9990, 10, "0123456789", 10);

  fd = pyisolate_memory_dup_fd (memory, &error);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (ftruncate (fd, 10), <, 0);
  g_assert_cmpint (ftruncate (fd, 20000), <, 0);
}

static void
test_read_only (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (100000, PYISOLATE_MEMORY_READ_ONLY, &error);
  g_autoptr (PyIsolateMemory) other = NULL;
  _pyisolate_autofd fd = -1;
  guint8 *data = map (memory);
  guint8 *theirs;

  g_assert_no_error (error);
  data[0] = 1;
  fd = pyisolate_memory_dup_fd (memory, &error);
  g_assert_cmpint (pwrite (fd, "x", 1, 0), <, 0);
  g_assert_true (mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);

  other = pyisolate_memory_new_from_fd (fd, &error);
  g_assert_no_error (error);
  g_assert_true (pyisolate_memory_is_read_only (other));
  theirs = map (other);
  g_assert_cmpuint (theirs[0], ==, 1);
  theirs[0] = 2; /* nobody dies of it, */
  g_assert_cmpuint (data[0], ==, 1); /* and nobody else sees it */
}

static void
assert_bad_fd (int         fd,
               const char *what)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *pattern = g_strdup_printf ("*%s*", what);

  g_assert_null (pyisolate_memory_new_from_fd (fd, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  if (!g_pattern_match_simple (pattern, error->message))
    g_error ("“%s” does not say “%s”", error->message, what);
}

static void
test_bad_fd (void)
{
  g_autofree char *name = NULL;
  _pyisolate_autofd file = g_file_open_tmp (NULL, &name, NULL);
  _pyisolate_autofd null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  _pyisolate_autofd unsealable = memfd_create ("t", MFD_CLOEXEC);
  _pyisolate_autofd unsealed = memfd_create ("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  _pyisolate_autofd half = memfd_create ("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  _pyisolate_autofd empty = memfd_create ("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  int pipes[2];

  g_unlink (name);
  g_assert_no_errno (pipe2 (pipes, O_CLOEXEC));
  g_assert_no_errno (ftruncate (unsealed, 4096));
  g_assert_no_errno (ftruncate (half, 4096));
  g_assert_no_errno (fcntl (half, F_ADD_SEALS, F_SEAL_GROW));
  g_assert_no_errno (fcntl (empty, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));

  assert_bad_fd (pipes[0], "no memfd");
  assert_bad_fd (null, "no memfd");
  assert_bad_fd (unsealable, "not sealed");
  assert_bad_fd (unsealed, "not sealed");
  assert_bad_fd (half, "not sealed");
  assert_bad_fd (empty, "is empty");
  close (pipes[0]);
  close (pipes[1]);
  assert_bad_fd (10000, "no memfd");
  /* A file in a tmpfs has seals, too, which forbid to add any; one elsewhere has none. */
  assert_bad_fd (file, "");
}

static void
test_no_descriptors (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = NULL;
  struct rlimit limit, none;

  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  none = limit;
  none.rlim_cur = 0;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &none));
  memory = pyisolate_memory_new (4096, PYISOLATE_MEMORY_NONE, &error);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));

  g_assert_null (memory);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES);
}

static void
test_no_memory (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (pyisolate_memory_new (G_MAXSIZE, PYISOLATE_MEMORY_NONE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_clear_error (&error);
  /* A memfd could have it, until the machine has nothing left. */
  g_assert_null (pyisolate_memory_new ((gsize) 1 << 44, PYISOLATE_MEMORY_NONE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
}

/* --- Books --- */

static void
test_there_and_back (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateMemory *theirs = pass (books->host, books->worker, memory);
  PyIsolateMemory *back;

  map (memory)[7] = 42;
  g_assert_cmpuint (map (theirs)[7], ==, 42);
  map (theirs)[8] = 43;
  g_assert_cmpuint (map (memory)[8], ==, 43);
  assert_level (books->host, 1, 0);

  back = pass (books->worker, books->host, theirs);
  g_assert_true (back == memory);
  assert_level (books->worker, 0, 1);

  /* It is not given back as long as it is on its way. */
  pyisolate_memory_unref (theirs);
  tell (books->worker, books->host);
  assert_level (books->host, 1, 0);
  tell (books->host, books->worker);
  assert_level (books->worker, 0, 0);
  tell (books->worker, books->host);
  assert_level (books->host, 0, 0);

  pyisolate_memory_unref (back);
}

/* The second time nothing is sent but a number, and the worker finds it where it was. */
static void
test_same_again (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateFrame *frame = frame_from (books->host, memory);
  guint8 *address;

  g_assert_cmpuint (frame->n_fds, ==, 1);
  arrive (books->worker, frame);
  address = map (g_ptr_array_index (frame->memories, 0));
  _pyisolate_frame_free (frame);

  /* Not before the worker has said that it has it. */
  frame = arrive (books->worker, frame_from (books->host, memory));
  g_assert_cmpuint (frame->n_fds, ==, 0);
  _pyisolate_frame_free (frame);
  tell (books->worker, books->host);
  frame = frame_from (books->host, memory);
  g_assert_cmpuint (frame->n_fds, ==, 0);
  g_assert_cmpuint (frame->n_records, >=, 1);
  arrive (books->worker, frame);
  g_assert_true (map (g_ptr_array_index (frame->memories, 0)) == address);
  _pyisolate_frame_free (frame);

  tell (books->worker, books->host);
  assert_level (books->host, 0, 0);
}

/* Frames of different transports overtake each other. */
static void
test_any_order (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateFrame *first = frame_from (books->host, memory);
  PyIsolateFrame *second = frame_from (books->host, memory);
  PyIsolateMemory *theirs;
  PyIsolateFrame *reply, *news;

  arrive (books->worker, second);
  theirs = pyisolate_memory_ref (g_ptr_array_index (second->memories, 0));
  _pyisolate_frame_free (second);
  reply = frame_from (books->worker, theirs);
  pyisolate_memory_unref (theirs);
  news = frame_from (books->worker, NULL); /* overtakes it */
  _pyisolate_frame_free (arrive (books->host, news));
  assert_level (books->host, 2, 0);

  arrive (books->worker, first);
  g_assert_cmpuint (first->memories->len, ==, 1);
  _pyisolate_frame_free (first);

  _pyisolate_frame_free (arrive (books->host, reply));
  tell (books->host, books->worker);
  tell (books->worker, books->host);
  assert_level (books->host, 0, 0);
  assert_level (books->worker, 0, 0);
}

static void
test_unsent (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  g_autoptr (PyIsolateFrame) frame = frame_from (books->host, memory);

  assert_level (books->host, 1, 0);
  _pyisolate_memory_book_unfill (books->host, frame->records, frame->n_records);
  assert_level (books->host, 0, 0);
}

static void
test_pool (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *memory = allocate (books->host, 100000, PYISOLATE_MEMORY_NONE);
  g_autofree guint8 *data = g_malloc0 (100000);
  PyIsolateMemory *theirs;
  PyIsolateMemory *again;

  data[99999] = 5;
  g_assert_true (pyisolate_memory_write (memory, 0, data, 100000, NULL));
  theirs = pass (books->host, books->worker, memory);
  g_assert_cmpuint (map (theirs)[99999], ==, 5);

  /* Nobody here uses it, but the worker does. */
  pyisolate_memory_unref (memory);
  g_assert_cmpuint (get_free_size (books->host), ==, 0);
  again = allocate (books->host, 100000, PYISOLATE_MEMORY_NONE);
  g_assert_true (again != memory);
  pyisolate_memory_unref (again);

  pyisolate_memory_unref (theirs);
  g_assert_cmpuint (get_free_size (books->host), ==, pyisolate_memory_get_size (again));
  tell (books->worker, books->host);
  g_assert_cmpuint (get_free_size (books->host), ==, 2 * pyisolate_memory_get_size (again));
  again = allocate (books->host, 99000, PYISOLATE_MEMORY_NONE);
  g_assert_true (again == memory); /* the newest */
  g_assert_null (pyisolate_memory_find (map (memory) + 200000, 1));
  pyisolate_memory_unref (again);

  again = allocate (books->host, 100000, PYISOLATE_MEMORY_READ_ONLY);
  g_assert_true (pyisolate_memory_is_read_only (again));
  pyisolate_memory_unref (again);
}

static guint8 *
random_bytes (gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i * 7 + (i >> 12) + (i >> 20));

  return data;
}

/* More than one thread copies that much, into pages that are there, and into others. */
static void
test_large (void)
{
  const gsize size = (20 << 20) + 123;
  const gsize part = (9 << 20) + 1;
  g_autofree guint8 *data = random_bytes (size);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = _pyisolate_memory_new_file (size + 5000, PYISOLATE_MEMORY_NONE, TRUE, &error);
  g_autoptr (PyIsolateMemory) late = _pyisolate_memory_new_file (size, PYISOLATE_MEMORY_NONE, TRUE, &error);
  guint8 *target;

  g_assert_no_error (error);
  g_assert_true (pyisolate_memory_write (memory, 0, data, size, &error));
  target = map (memory);
  g_assert_cmpmem (target, size, data, size);
  g_assert_cmpuint (target[size], ==, 0);
  g_assert_cmpuint (target[size + 4999], ==, 0);

  for (int i = 0; i < 3; i++)
    {
      memset (target, i, size + 5000);
      g_assert_true (pyisolate_memory_write (memory, 4097, data, part, &error));
      g_assert_cmpuint (target[4096], ==, i);
      g_assert_cmpmem (target + 4097, part, data, part);
      g_assert_cmpuint (target[4097 + part], ==, i);
    }

  /* What comes first is not at the beginning, nor on a page of its own. */
  g_assert_true (pyisolate_memory_write (late, size - part, data, part, &error));
  g_assert_cmpuint (map (late)[size - part - 1], ==, 0);
  g_assert_cmpmem (map (late) + size - part, part, data, part);
}

static gpointer
fill_large (gpointer data)
{
  const gsize size = 9 << 20;

  for (int i = 0; i < 4; i++)
    {
      g_autoptr (PyIsolateMemory) memory = _pyisolate_memory_new_file (size, PYISOLATE_MEMORY_NONE, TRUE, NULL);

      for (int j = 0; j < 2; j++)
        {
          g_assert_true (pyisolate_memory_write (memory, 0, data, size, NULL));
          g_assert_cmpmem (map (memory), size, data, size);
        }
    }

  return NULL;
}

/* More pieces at once than there are threads to help. */
static void
test_large_threads (void)
{
  g_autofree guint8 *data = random_bytes (9 << 20);
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("filling", fill_large, data);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
test_large_refused (void)
{
  const gsize size = 9 << 20;
  g_autofree guint8 *data = g_malloc0 (size);
  g_autoptr (PyIsolateMemory) memory = _pyisolate_memory_new_file (size, PYISOLATE_MEMORY_NONE, TRUE, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (fcntl (memory->fd, F_ADD_SEALS, F_SEAL_WRITE), ==, 0);
  g_assert_false (pyisolate_memory_write (memory, 0, data, size, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
}

/* What is in the pool belongs to nobody. */
static void
test_not_found_in_pool (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *memory = allocate (books->host, 100000, PYISOLATE_MEMORY_NONE);
  guint8 *data = map (memory);

  pyisolate_memory_unref (memory);
  g_assert_null (pyisolate_memory_find (data, 1));
}

static void
test_limit (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *memory = allocate (books->host, LIMIT / 2, PYISOLATE_MEMORY_NONE);
  g_autoptr (GError) error = NULL;

  g_assert_null (_pyisolate_memory_book_allocate (books->host, LIMIT, PYISOLATE_MEMORY_NONE, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_clear_error (&error);
  g_assert_null (_pyisolate_memory_book_allocate (books->host, G_MAXSIZE, PYISOLATE_MEMORY_NONE, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);

  /* What is idle goes first. */
  pyisolate_memory_unref (memory);
  memory = allocate (books->host, LIMIT, PYISOLATE_MEMORY_NONE);
  pyisolate_memory_unref (memory);
}

/* A worker that wrote to what it must not write to sees the new content the next time. */
static void
test_read_only_again (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *memory = allocate (books->host, 8192, PYISOLATE_MEMORY_READ_ONLY);
  PyIsolateMemory *theirs;

  map (memory)[0] = 1;
  theirs = pass (books->host, books->worker, memory);
  map (theirs)[0] = 9;
  g_assert_cmpuint (map (memory)[0], ==, 1);
  pyisolate_memory_unref (theirs);
  map (memory)[0] = 2;
  theirs = pass (books->host, books->worker, memory);
  g_assert_cmpuint (map (theirs)[0], ==, 2);
  pyisolate_memory_unref (theirs);
  pyisolate_memory_unref (memory);
}

/* One worker's piece that goes to another one is not used again for either. */
static void
test_two_links (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (Books) others = books_new ();
  PyIsolateMemory *memory = allocate (books->host, 8192, PYISOLATE_MEMORY_NONE);
  PyIsolateMemory *first = pass (books->host, books->worker, memory);
  PyIsolateMemory *second = pass (others->host, others->worker, memory);
  PyIsolateMemoryStatus status;

  map (first)[0] = 3;
  g_assert_cmpuint (map (second)[0], ==, 3);
  pyisolate_memory_unref (memory);
  pyisolate_memory_unref (first);
  tell (books->worker, books->host);
  pyisolate_memory_unref (second);
  tell (others->worker, others->host);

  _pyisolate_memory_book_get_status (books->host, &status);
  g_assert_cmpuint (status.size, ==, 0);
  g_assert_cmpuint (status.n_entries, ==, 0);
  /* The workers are told to let go of it. */
  tell (books->host, books->worker);
  _pyisolate_memory_book_get_status (books->worker, &status);
  g_assert_cmpuint (status.n_entries, ==, 0);
}

static void
test_death (void)
{
  Books *books = books_new ();
  PyIsolateMemory *kept = allocate (books->host, 8192, PYISOLATE_MEMORY_NONE);
  PyIsolateMemory *given = allocate (books->host, 8192, PYISOLATE_MEMORY_NONE);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 1);

  pyisolate_memory_unref (pass (books->host, books->worker, kept));
  pyisolate_memory_unref (pass (books->host, books->worker, given));
  pyisolate_memory_unref (given);
  map (kept)[0] = 1;

  _pyisolate_memory_book_close (books->host);
  assert_level (books->host, 0, 0);
  g_assert_cmpuint (map (kept)[0], ==, 1);
  _pyisolate_frame_take_memories (frame, g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref));
  g_ptr_array_add (frame->memories, pyisolate_memory_ref (kept));
  g_assert_false (_pyisolate_memory_book_fill (books->host, frame, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);

  pyisolate_memory_unref (kept);
  books_free (books);
}

/* --- What no worker of ours says --- */

static PyIsolateFrame *
new_frame_of_record (guint32 kind,
                     guint32 flags,
                     guint64 number,
                     guint64 argument)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, 1);

  frame->records = g_new (PyIsolateMemoryRecord, 1);
  frame->records[0] = (PyIsolateMemoryRecord) { kind, flags, number, argument };
  frame->n_records = 1;

  return frame;
}

static void
assert_bad_tensor (PyIsolateMemoryBook *host,
                   guint64              number)
{
  g_autoptr (PyIsolateFrame) frame = arrive (host, new_frame_of_record (PYISOLATE_MEMORY_USE, 0, number, 4096));

  g_assert_error (frame->memory_error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  g_assert_true (frame->memories == NULL || frame->memories->len == 0);
}

static void
test_unknown_number (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (Books) others = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateMemory *theirs;

  assert_bad_tensor (books->host, 0);
  assert_bad_tensor (books->host, 1);
  assert_bad_tensor (books->host, G_MAXUINT64);

  theirs = pass (books->host, books->worker, memory);
  assert_bad_tensor (others->host, 1); /* another link's */
  pyisolate_memory_unref (theirs);
  tell (books->worker, books->host);
  assert_bad_tensor (books->host, 1); /* given back */
}

static void
test_fd_from_worker (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateFrame) frame = new_frame_of_record (PYISOLATE_MEMORY_USE, PYISOLATE_MEMORY_RECORD_FD, 1, 4096);
  int *fds = g_new (int, 2);

  fds[0] = open ("/dev/null", O_RDONLY | O_CLOEXEC); /* the body's */
  fds[1] = memfd_create ("t", MFD_CLOEXEC);
  _pyisolate_frame_take_fds (frame, fds, 2);
  arrive (books->host, frame);
  g_assert_error (frame->memory_error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  g_assert_cmpuint (frame->n_fds, ==, 1);
}

static void
assert_bad_record (PyIsolateMemoryBook *host,
                   guint32              kind,
                   guint32              flags,
                   guint64              number,
                   guint64              argument)
{
  g_autoptr (PyIsolateFrame) frame = new_frame_of_record (kind, flags, number, argument);
  g_autoptr (GError) error = NULL;

  g_assert_false (_pyisolate_memory_book_take (host, frame, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
}

static void
test_bad_records (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  g_autoptr (PyIsolateMemory) theirs = pass (books->host, books->worker, memory);

  assert_bad_record (books->host, PYISOLATE_MEMORY_RELEASE, 0, 1, 2);
  assert_bad_record (books->host, PYISOLATE_MEMORY_RELEASE, 0, 1, G_MAXUINT64);
  assert_bad_record (books->host, PYISOLATE_MEMORY_RELEASE, 0, 1, 0);
  assert_bad_record (books->host, PYISOLATE_MEMORY_RELEASE, 0, 2, 1);
  assert_bad_record (books->host, PYISOLATE_MEMORY_KNOWN, 0, 2, 0);
  assert_bad_record (books->host, PYISOLATE_MEMORY_KNOWN, 0, 0, 0);
  assert_bad_record (books->host, PYISOLATE_MEMORY_ACK, 0, 1, 1);
  assert_bad_record (books->host, PYISOLATE_MEMORY_GRANT, 0, 1, 1);
  assert_bad_record (books->host, PYISOLATE_MEMORY_FORGET, 0, 1, 1);
  assert_bad_record (books->host, PYISOLATE_MEMORY_ANSWER, 0, 1, 1);
  assert_bad_record (books->host, 0, 0, 1, 1);
  assert_bad_record (books->host, 4711, 0, 1, 1);
  assert_bad_record (books->host, PYISOLATE_MEMORY_USE, PYISOLATE_MEMORY_RECORD_FD, 1, 1); /* none came */
  assert_bad_record (books->host, PYISOLATE_MEMORY_RELEASE, PYISOLATE_MEMORY_RECORD_FD, 1, 1);
  assert_level (books->host, 1, 0);
}

/* Whatever is said in whatever order, the host's own users keep what they have. */
static void
test_random_records (void)
{
  for (guint round = 0; round < 2000; round++)
    {
      g_autoptr (Books) books = books_new ();
      g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
      PyIsolateMemory *pooled = allocate (books->host, 5000, PYISOLATE_MEMORY_NONE);

      map (memory)[0] = 1;
      map (pooled)[0] = 2;
      for (guint i = 0; i < 10; i++)
        {
          g_autoptr (PyIsolateFrame) frame = NULL;
          g_autoptr (GError) error = NULL;

          _pyisolate_frame_free (frame_from (books->host, i % 2 == 0 ? memory : pooled));
          frame = new_frame_of_record (g_test_rand_int_range (0, 10), g_test_rand_int_range (0, 2),
                                       g_test_rand_int_range (0, 4), g_test_rand_int_range (0, 4));
          if (!_pyisolate_memory_book_take (books->host, frame, &error))
            g_assert_nonnull (error);
        }
      g_assert_cmpuint (map (memory)[0], ==, 1);
      g_assert_cmpuint (map (pooled)[0], ==, 2);
      pyisolate_memory_unref (pooled);
    }
}

/* Every way that frames of two sides can take, and at the end all is as it was. */
static void
test_many_passes (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (GPtrArray) theirs = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  g_autoptr (GPtrArray) ours = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  guint n_fds = test_util_count_fds ();

  for (guint i = 0; i < 10000; i++)
    {
      g_autoptr (PyIsolateMemory) memory = NULL;

      if (ours->len > 0 && g_test_rand_bit ())
        memory = pyisolate_memory_ref (g_ptr_array_index (ours, g_test_rand_int_range (0, ours->len)));
      else
        memory = allocate (books->host, g_test_rand_int_range (1, 60000), PYISOLATE_MEMORY_NONE);
      map (memory)[0] = i;
      g_ptr_array_add (theirs, pass (books->host, books->worker, memory));
      if (theirs->len > 8)
        g_ptr_array_remove_index_fast (theirs, g_test_rand_int_range (0, theirs->len));
      if (theirs->len > 0 && g_test_rand_bit ())
        {
          PyIsolateMemory *chosen = g_ptr_array_index (theirs, g_test_rand_int_range (0, theirs->len));

          g_ptr_array_add (ours, pass (books->worker, books->host, chosen));
        }
      if (ours->len > 8)
        g_ptr_array_remove_index_fast (ours, g_test_rand_int_range (0, ours->len));
    }

  g_ptr_array_set_size (theirs, 0);
  g_ptr_array_set_size (ours, 0);
  for (guint i = 0; i < 3; i++)
    {
      tell (books->host, books->worker);
      tell (books->worker, books->host);
    }
  assert_level (books->host, 0, 0);
  assert_level (books->worker, 0, 0);
  _pyisolate_memory_book_close (books->host);
  _pyisolate_memory_book_close (books->worker);
  g_assert_cmpuint (test_util_count_fds (), ==, n_fds);
}

/* A child that was forked at any moment can let go of its arrays. */
static void
test_fork (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateMemory *theirs = pass (books->host, books->worker, memory);
  int status;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      pyisolate_memory_unref (theirs);
      /* Not by _exit(): to valgrind all is leaked that the other threads, which are not in the child, had on their stacks. */
      execl ("/bin/true", "true", NULL);
      _exit (1);
    }
  g_assert_cmpint (TEMP_FAILURE_RETRY (waitpid (child, &status, 0)), ==, child);
  g_assert_cmpint (status, ==, 0);
  assert_level (books->host, 1, 0);
  pyisolate_memory_unref (theirs);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  test_util_add_func ("/memory/piece", test_piece);
  test_util_add_func ("/memory/read-only", test_read_only);
  test_util_add_func ("/memory/bad-fd", test_bad_fd);
  test_util_add_func ("/memory/no-descriptors", test_no_descriptors);
  test_util_add_func ("/memory/no-memory", test_no_memory);
  test_util_add_func ("/memory/there-and-back", test_there_and_back);
  test_util_add_func ("/memory/same-again", test_same_again);
  test_util_add_func ("/memory/any-order", test_any_order);
  test_util_add_func ("/memory/unsent", test_unsent);
  test_util_add_func ("/memory/pool", test_pool);
  test_util_add_func ("/memory/large", test_large);
  test_util_add_func ("/memory/large-threads", test_large_threads);
  test_util_add_func ("/memory/large-refused", test_large_refused);
  test_util_add_func ("/memory/not-found-in-pool", test_not_found_in_pool);
  test_util_add_func ("/memory/limit", test_limit);
  test_util_add_func ("/memory/read-only-again", test_read_only_again);
  test_util_add_func ("/memory/two-links", test_two_links);
  test_util_add_func ("/memory/death", test_death);
  test_util_add_func ("/memory/unknown-number", test_unknown_number);
  test_util_add_func ("/memory/fd-from-worker", test_fd_from_worker);
  test_util_add_func ("/memory/bad-records", test_bad_records);
  test_util_add_func ("/memory/random-records", test_random_records);
  test_util_add_func ("/memory/many-passes", test_many_passes);
  test_util_add_func ("/memory/fork", test_fork);

  return g_test_run ();
}
