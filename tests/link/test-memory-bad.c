/* SPDX-License-Identifier: MIT */
/* What no worker of ours says of shared memory. */
#include "config.h"

#include "memory-books.h"

#include <string.h>
#include <sys/mman.h>

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
  g_autoptr (PyIsolateFrame) frame = books_arrive (host,
                                                   new_frame_of_record (PYISOLATE_MEMORY_USE, 0,
                                                                        number, 4096));

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

  theirs = books_pass (books->host, books->worker, memory);
  assert_bad_tensor (others->host, 1); /* another link's */
  pyisolate_memory_unref (theirs);
  books_tell (books->worker, books->host);
  assert_bad_tensor (books->host, 1); /* given back */
}

static void
test_fd_from_worker (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateFrame) frame = new_frame_of_record (PYISOLATE_MEMORY_USE,
                                                          PYISOLATE_MEMORY_RECORD_FD, 1, 4096);
  int *fds = g_new (int, 2);

  fds[0] = open ("/dev/null", O_RDONLY | O_CLOEXEC); /* the body's */
  fds[1] = memfd_create ("t", MFD_CLOEXEC);
  _pyisolate_frame_take_fds (frame, fds, 2);
  books_arrive (books->host, frame);
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
  g_autoptr (PyIsolateMemory) theirs = books_pass (books->host, books->worker, memory);

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
  books_assert_level (books->host, 1, 0);
}

/* What was looked at is what is read, whatever is named after it. */
static void
test_body_is_not_the_last (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) large = pyisolate_memory_new (BOOKS_LIMIT / 2, PYISOLATE_MEMORY_NONE, NULL);
  g_autoptr (PyIsolateMemory) small = pyisolate_memory_new (4096, PYISOLATE_MEMORY_NONE, NULL);
  g_autoptr (PyIsolateMemory) large_there = books_pass (books->host, books->worker, large);
  g_autoptr (PyIsolateMemory) small_there = books_pass (books->host, books->worker, small);
  g_autoptr (PyIsolateFrame) frame = new_frame_of_record (PYISOLATE_MEMORY_USE, 0, 1, BOOKS_LIMIT / 2);

  memset (books_map (large), 7, BOOKS_LIMIT / 2);
  frame->records = g_renew (PyIsolateMemoryRecord, frame->records, 3);
  frame->records[1] = (PyIsolateMemoryRecord) { PYISOLATE_MEMORY_BODY, 0, 0, BOOKS_LIMIT / 2 };
  frame->records[2] = (PyIsolateMemoryRecord) { PYISOLATE_MEMORY_USE, 0, 2, 4096 };
  frame->n_records = 3;

  books_arrive (books->host, frame);
  g_assert_no_error (frame->memory_error);
  g_assert_cmpuint (g_bytes_get_size (frame->body), ==, BOOKS_LIMIT / 2);
  for (gsize i = 0; i < BOOKS_LIMIT / 2; i++)
    g_assert_cmpuint (((const guint8 *) g_bytes_get_data (frame->body, NULL))[i], ==, 7);
  g_assert_cmpuint (frame->memories->len, ==, 1);
  g_assert_true (g_ptr_array_index (frame->memories, 0) == small);
}

/* Before the host finds out that it could not give it. */
static void
test_given_back_unsent (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  g_autoptr (PyIsolateFrame) unsent = books_frame_from (books->host, memory);

  _pyisolate_frame_free (books_arrive (books->host, new_frame_of_record (PYISOLATE_MEMORY_RELEASE, 0, 1, 1)));
  _pyisolate_memory_book_unfill (books->host, unsent->records, unsent->n_records);
  books_assert_level (books->host, 0, 0);
  assert_bad_tensor (books->host, 1);
}

/* Whatever is said in whatever order, the host's own users keep what they have. */
static void
test_random_records (void)
{
  for (guint round = 0; round < 2000; round++)
    {
      g_autoptr (Books) books = books_new ();
      g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
      PyIsolateMemory *pooled = books_allocate (books->host, 5000, PYISOLATE_MEMORY_NONE);

      books_map (memory)[0] = 1;
      books_map (pooled)[0] = 2;
      for (guint i = 0; i < 10; i++)
        {
          g_autoptr (PyIsolateFrame) frame = NULL;
          g_autoptr (GError) error = NULL;

          _pyisolate_frame_free (books_frame_from (books->host, i % 2 == 0 ? memory : pooled));
          frame = new_frame_of_record (g_test_rand_int_range (0, 10), g_test_rand_int_range (0, 2),
                                       g_test_rand_int_range (0, 4), g_test_rand_int_range (0, 4));
          if (!_pyisolate_memory_book_take (books->host, frame, &error))
            g_assert_nonnull (error);
        }
      g_assert_cmpuint (books_map (memory)[0], ==, 1);
      g_assert_cmpuint (books_map (pooled)[0], ==, 2);
      pyisolate_memory_unref (pooled);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  test_util_add_func ("/memory/unknown-number", test_unknown_number);
  test_util_add_func ("/memory/fd-from-worker", test_fd_from_worker);
  test_util_add_func ("/memory/bad-records", test_bad_records);
  test_util_add_func ("/memory/body-is-not-the-last", test_body_is_not_the_last);
  test_util_add_func ("/memory/given-back-unsent", test_given_back_unsent);
  test_util_add_func ("/memory/random-records", test_random_records);

  return g_test_run ();
}
