/* SPDX-License-Identifier: MIT */
/* The books of a host and a worker about shared memory: between the two, frames are handed over in
 * any order. */
#include "config.h"

#include "memory-books.h"

#include "pyisolate-memory-book-struct-private.h"

#include <sys/wait.h>

static guint
count_records (PyIsolateFrame *frame,
               guint32         kind)
{
  guint n = 0;

  for (guint i = 0; i < frame->n_records; i++)
    n += frame->records[i].kind == kind;

  return n;
}

static void
test_there_and_back (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateMemory *theirs = books_pass (books->host, books->worker, memory);
  PyIsolateMemory *back;

  books_map (memory)[7] = 42;
  g_assert_cmpuint (books_map (theirs)[7], ==, 42);
  books_map (theirs)[8] = 43;
  g_assert_cmpuint (books_map (memory)[8], ==, 43);
  books_assert_level (books->host, 1, 0);

  back = books_pass (books->worker, books->host, theirs);
  g_assert_true (back == memory);
  books_assert_level (books->worker, 0, 1);

  /* It is not given back as long as it is on its way. */
  pyisolate_memory_unref (theirs);
  books_tell (books->worker, books->host);
  books_assert_level (books->host, 1, 0);
  books_tell (books->host, books->worker);
  books_assert_level (books->worker, 0, 0);
  books_tell (books->worker, books->host);
  books_assert_level (books->host, 0, 0);

  pyisolate_memory_unref (back);
}

/* The second time nothing is sent but a number, and the worker finds it where it was. */
static void
test_same_again (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateFrame *frame = books_frame_from (books->host, memory);
  guint8 *address;

  g_assert_cmpuint (frame->n_fds, ==, 1);
  books_arrive (books->worker, frame);
  address = books_map (g_ptr_array_index (frame->memories, 0));
  _pyisolate_frame_free (frame);

  /* Not before the worker has said that it has it. */
  frame = books_arrive (books->worker, books_frame_from (books->host, memory));
  g_assert_cmpuint (frame->n_fds, ==, 0);
  _pyisolate_frame_free (frame);
  books_tell (books->worker, books->host);
  frame = books_frame_from (books->host, memory);
  g_assert_cmpuint (frame->n_fds, ==, 0);
  g_assert_cmpuint (frame->n_records, >=, 1);
  books_arrive (books->worker, frame);
  g_assert_true (books_map (g_ptr_array_index (frame->memories, 0)) == address);
  _pyisolate_frame_free (frame);

  books_tell (books->worker, books->host);
  books_assert_level (books->host, 0, 0);
}

/* Frames of different transports overtake each other. */
static void
test_any_order (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateFrame *first = books_frame_from (books->host, memory);
  PyIsolateFrame *second = books_frame_from (books->host, memory);
  PyIsolateMemory *theirs;
  PyIsolateFrame *reply, *news;

  books_arrive (books->worker, second);
  theirs = pyisolate_memory_ref (g_ptr_array_index (second->memories, 0));
  _pyisolate_frame_free (second);
  reply = books_frame_from (books->worker, theirs);
  pyisolate_memory_unref (theirs);
  news = books_frame_from (books->worker, NULL); /* overtakes it */
  _pyisolate_frame_free (books_arrive (books->host, news));
  books_assert_level (books->host, 2, 0);

  books_arrive (books->worker, first);
  g_assert_cmpuint (first->memories->len, ==, 1);
  _pyisolate_frame_free (first);

  _pyisolate_frame_free (books_arrive (books->host, reply));
  books_tell (books->host, books->worker);
  books_tell (books->worker, books->host);
  books_assert_level (books->host, 0, 0);
  books_assert_level (books->worker, 0, 0);
}

static void
test_unsent (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  g_autoptr (PyIsolateFrame) frame = books_frame_from (books->host, memory);

  books_assert_level (books->host, 1, 0);
  _pyisolate_memory_book_unfill (books->host, frame->records, frame->n_records);
  books_assert_level (books->host, 0, 0);
}

/* A frame that is filled, and cannot be sent. */
static PyIsolateFrame *
new_unsent_frame (PyIsolateMemoryBook *book)
{
  PyIsolateFrame *frame = books_frame_from (book, NULL);

  g_assert_cmpuint (frame->n_records, >, 0);
  _pyisolate_memory_book_unfill (book, frame->records, frame->n_records);

  return frame;
}

/* What it told of pieces goes with the next one. */
static void
test_untold (void)
{
  g_autoptr (Books) books = books_new ();
  PyIsolateMemory *memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateMemory *theirs = books_pass (books->host, books->worker, memory);
  g_autoptr (PyIsolateFrame) untold = new_unsent_frame (books->worker);
  g_autoptr (PyIsolateFrame) known = NULL;
  g_autoptr (PyIsolateFrame) unacknowledged = NULL;
  g_autoptr (PyIsolateFrame) unreleased = NULL;
  g_autoptr (PyIsolateFrame) unforgotten = NULL;
  g_autoptr (PyIsolateFrame) last = NULL;

  g_assert_cmpuint (count_records (untold, PYISOLATE_MEMORY_KNOWN), ==, 1);
  pyisolate_memory_unref (books_pass (books->worker, books->host, theirs));
  known = books_frame_from (books->host, memory);
  g_assert_cmpuint (known->n_fds, ==, 0);
  _pyisolate_memory_book_unfill (books->host, known->records, known->n_records);

  unacknowledged = new_unsent_frame (books->host);
  g_assert_cmpuint (count_records (unacknowledged, PYISOLATE_MEMORY_ACK), ==, 1);
  books_tell (books->host, books->worker);
  books_assert_level (books->worker, 0, 0);

  pyisolate_memory_unref (theirs);
  unreleased = new_unsent_frame (books->worker);
  g_assert_cmpuint (count_records (unreleased, PYISOLATE_MEMORY_RELEASE), ==, 1);
  books_assert_level (books->host, 1, 0);
  books_tell (books->worker, books->host);
  books_assert_level (books->host, 0, 0);

  pyisolate_memory_unref (memory);
  unforgotten = new_unsent_frame (books->host);
  g_assert_cmpuint (count_records (unforgotten, PYISOLATE_MEMORY_FORGET), ==, 1);
  last = books_arrive (books->worker, books_frame_from (books->host, NULL));
  books_assert_level (books->worker, 0, 0);
  g_assert_false (_pyisolate_memory_book_has_news (books->host));
}

/* As many as can travel, and a body that would be one more. */
static void
test_many_with_body (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);

  pyisolate_memory_unref (books_pass (books->host, books->worker, memory));
  books_tell (books->worker, books->host);
  for (guint n = PYISOLATE_MAX_RECORDS - 2; n <= PYISOLATE_MAX_RECORDS; n++)
    {
      g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 1);
      g_autofree guint8 *body = g_malloc0 (100000);

      frame->body = g_bytes_new (body, 100000);
      for (guint i = 0; i < n; i++)
        _pyisolate_frame_add_memory (frame, pyisolate_memory_ref (memory));
      g_assert_true (_pyisolate_memory_book_fill (books->host, frame, NULL));
      g_assert_cmpuint (frame->n_records, <=, PYISOLATE_MAX_RECORDS);
      g_clear_pointer (&frame->memories, g_ptr_array_unref);
      books_arrive (books->worker, frame);
      g_assert_cmpuint (frame->memories->len, ==, n);
      g_assert_cmpuint (g_bytes_get_size (frame->body), ==, 100000);
    }
}

/* One worker's piece that goes to another one is not used again for either. */
static void
test_two_links (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (Books) others = books_new ();
  PyIsolateMemory *memory = books_allocate (books->host, 8192, PYISOLATE_MEMORY_NONE);
  PyIsolateMemory *first = books_pass (books->host, books->worker, memory);
  PyIsolateMemory *second = books_pass (others->host, others->worker, memory);
  PyIsolateMemoryStatus status;

  books_map (first)[0] = 3;
  g_assert_cmpuint (books_map (second)[0], ==, 3);
  pyisolate_memory_unref (memory);
  pyisolate_memory_unref (first);
  books_tell (books->worker, books->host);
  pyisolate_memory_unref (second);
  books_tell (others->worker, others->host);

  _pyisolate_memory_book_get_status (books->host, &status);
  g_assert_cmpuint (status.size, ==, 0);
  g_assert_cmpuint (status.n_entries, ==, 0);
  /* The workers are told to let go of it. */
  books_tell (books->host, books->worker);
  _pyisolate_memory_book_get_status (books->worker, &status);
  g_assert_cmpuint (status.n_entries, ==, 0);
}

static void
test_death (void)
{
  Books *books = books_new ();
  PyIsolateMemory *kept = books_allocate (books->host, 8192, PYISOLATE_MEMORY_NONE);
  PyIsolateMemory *given = books_allocate (books->host, 8192, PYISOLATE_MEMORY_NONE);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 1);

  pyisolate_memory_unref (books_pass (books->host, books->worker, kept));
  pyisolate_memory_unref (books_pass (books->host, books->worker, given));
  pyisolate_memory_unref (given);
  books_map (kept)[0] = 1;

  _pyisolate_memory_book_close (books->host);
  books_assert_level (books->host, 0, 0);
  g_assert_cmpuint (books_map (kept)[0], ==, 1);
  _pyisolate_frame_take_memories (frame, g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref));
  g_ptr_array_add (frame->memories, pyisolate_memory_ref (kept));
  g_assert_false (_pyisolate_memory_book_fill (books->host, frame, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);

  pyisolate_memory_unref (kept);
  books_free (books);
}

/* What waited to be told nobody hears any more: whoever tells it does not go on for ever. */
static void
test_close_with_news (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) given = books_allocate (books->host, 8192, PYISOLATE_MEMORY_NONE);

  pyisolate_memory_unref (books_pass (books->host, books->worker, given));
  g_assert_true (_pyisolate_memory_book_has_news (books->worker));
  _pyisolate_memory_book_close (books->worker);
  g_assert_false (_pyisolate_memory_book_has_news (books->worker));
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
        memory = pyisolate_memory_ref (g_ptr_array_index (ours,
                                                          g_test_rand_int_range (0, ours->len)));
      else
        memory = books_allocate (books->host, g_test_rand_int_range (1, 60000),
                                 PYISOLATE_MEMORY_NONE);
      books_map (memory)[0] = i;
      g_ptr_array_add (theirs, books_pass (books->host, books->worker, memory));
      if (theirs->len > 8)
        g_ptr_array_remove_index_fast (theirs, g_test_rand_int_range (0, theirs->len));
      if (theirs->len > 0 && g_test_rand_bit ())
        {
          PyIsolateMemory *chosen = g_ptr_array_index (theirs,
                                                       g_test_rand_int_range (0, theirs->len));

          g_ptr_array_add (ours, books_pass (books->worker, books->host, chosen));
        }
      if (ours->len > 8)
        g_ptr_array_remove_index_fast (ours, g_test_rand_int_range (0, ours->len));
    }

  g_ptr_array_set_size (theirs, 0);
  g_ptr_array_set_size (ours, 0);
  for (guint i = 0; i < 3; i++)
    {
      books_tell (books->host, books->worker);
      books_tell (books->worker, books->host);
    }
  books_assert_level (books->host, 0, 0);
  books_assert_level (books->worker, 0, 0);
  _pyisolate_memory_book_close (books->host);
  _pyisolate_memory_book_close (books->worker);
  g_assert_cmpuint (test_util_count_fds (), ==, n_fds);
}

/* A child that was forked at any moment can let go of its arrays. */
/* The receiver has no descriptors left for those that came: it gives the piece back, and gets it another time. */
static void
test_descriptor_lost (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = books_allocate (books->host, 5000, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateMemory) theirs = NULL;
  PyIsolateFrame *frame = books_frame_from (books->host, memory);

  g_assert_cmpuint (frame->n_fds, ==, 1);
  _pyisolate_clear_fd (&frame->fds[0]);
  frame->n_fds = 0;
  _pyisolate_frame_set_lacks_fds (frame);
  books_arrive (books->worker, frame);
  g_assert_error (frame->memory_error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_nonnull (strstr (frame->memory_error->message, "RLIMIT_NOFILE"));
  _pyisolate_frame_free (frame);
  books_assert_level (books->host, 1, 0);
  books_tell (books->worker, books->host);
  books_assert_level (books->host, 0, 0);

  theirs = books_pass (books->host, books->worker, memory);
  books_map (memory)[4999] = 3;
  g_assert_cmpuint (books_map (theirs)[4999], ==, 3);
}

static void
test_fork (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateMemory *theirs = books_pass (books->host, books->worker, memory);
  int status;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      pyisolate_memory_unref (theirs);
      /* Not by _exit(): to valgrind all is leaked that the other threads, which are not in the
       * child, had on their stacks. */
      execl ("/bin/true", "true", NULL);
      _exit (1);
    }
  g_assert_cmpint (TEMP_FAILURE_RETRY (waitpid (child, &status, 0)), ==, child);
  g_assert_cmpint (status, ==, 0);
  books_assert_level (books->host, 1, 0);
  pyisolate_memory_unref (theirs);
}

/* Whoever asked for memory waits, perhaps in the thread that would read a call: an answer that rode on one would not arrive. */
static void
test_answer_alone (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (PyIsolateFrame) request = _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0);
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) news = _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0);

  request->records = g_new (PyIsolateMemoryRecord, 1);
  request->records[0] = (PyIsolateMemoryRecord) { PYISOLATE_MEMORY_REQUEST, 0, 7, 5000 };
  request->n_records = 1;
  books_arrive (books->host, request);

  call = books_frame_from (books->host, NULL);
  g_assert_cmpuint (count_records (call, PYISOLATE_MEMORY_ANSWER), ==, 0);
  g_assert_cmpuint (count_records (call, PYISOLATE_MEMORY_GRANT), ==, 0);

  g_assert_true (_pyisolate_memory_book_fill (books->host, news, NULL));
  g_assert_cmpuint (count_records (news, PYISOLATE_MEMORY_GRANT), ==, 1);
  g_assert_cmpuint (count_records (news, PYISOLATE_MEMORY_ANSWER), ==, 1);
  g_assert_cmpuint (news->records[news->n_records - 1].number, ==, 7);
}

/* What is dropped rides on the next frame, and if there is none it is told within 5 ms. */
static void
test_told_soon (void)
{
  g_autoptr (Books) books = books_new ();
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  g_autoptr (PyIsolateFrame) next = NULL;
  PyIsolateMemory *theirs;
  gint64 when;

  _pyisolate_memory_book_attach (books->worker, context, NULL);
  theirs = books_pass (books->host, books->worker, memory);
  books_tell (books->worker, books->host);
  g_assert_false (_pyisolate_memory_book_has_news (books->worker));

  pyisolate_memory_unref (theirs);
  when = g_source_get_ready_time (books->worker->source);
  g_assert_cmpint (when, >=, 0);
  g_assert_cmpint (when, <=, g_get_monotonic_time () + 5 * G_TIME_SPAN_MILLISECOND);
  g_assert_true (_pyisolate_memory_book_has_news (books->worker));

  next = books_frame_from (books->worker, NULL);
  g_assert_cmpuint (count_records (next, PYISOLATE_MEMORY_RELEASE), ==, 1);
  g_assert_false (_pyisolate_memory_book_has_news (books->worker));
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  test_util_add_func ("/memory/there-and-back", test_there_and_back);
  test_util_add_func ("/memory/same-again", test_same_again);
  test_util_add_func ("/memory/any-order", test_any_order);
  test_util_add_func ("/memory/unsent", test_unsent);
  test_util_add_func ("/memory/untold", test_untold);
  test_util_add_func ("/memory/many-with-body", test_many_with_body);
  test_util_add_func ("/memory/two-links", test_two_links);
  test_util_add_func ("/memory/death", test_death);
  test_util_add_func ("/memory/many-passes", test_many_passes);
  test_util_add_func ("/memory/close-with-news", test_close_with_news);
  test_util_add_func ("/memory/descriptor-lost", test_descriptor_lost);
  test_util_add_func ("/memory/fork", test_fork);
  test_util_add_func ("/memory/answer-alone", test_answer_alone);
  test_util_add_func ("/memory/told-soon", test_told_soon);

  return g_test_run ();
}
