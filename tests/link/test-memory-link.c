/* SPDX-License-Identifier: MIT */
/* Shared memory over real transports: what frames take along, what goes by itself, and what a
 * worker asks for. */
#include "config.h"

#include "pyisolate-error.h"
#include "pyisolate-memory-book-private.h"

#include "link-pair.h"

#include <fcntl.h>
#include <string.h>

#define LIMIT ((guint64) 64 * 1024 * 1024)

typedef struct {
  LinkPair *pair;
  PyIsolateMemoryBook *host;
  PyIsolateMemoryBook *worker;
} Shared;

static PyIsolateMemoryBook *
add_book (LinkSide            *side,
          PyIsolateMemoryBook *book)
{
  _pyisolate_memory_book_attach (book, NULL, side->transport);
  _pyisolate_transport_set_memory (side->transport, book);

  return book;
}

static Shared *
shared_new (LinkKind kind)
{
  Shared *shared = g_new0 (Shared, 1);

  shared->pair = link_pair_new (kind, LINK_CAREFUL);
  shared->host = add_book (&shared->pair->host, _pyisolate_memory_book_new_host (LIMIT));
  shared->worker = add_book (&shared->pair->worker, _pyisolate_memory_book_new_worker ());
  link_pair_start_both (shared->pair);

  return shared;
}

static void
shared_free (Shared *shared)
{
  _pyisolate_memory_book_close (shared->host);
  _pyisolate_memory_book_close (shared->worker);
  link_pair_free (shared->pair);
  _pyisolate_memory_book_unref (shared->host);
  _pyisolate_memory_book_unref (shared->worker);
  g_free (shared);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Shared, shared_free)

static gboolean
is_level (gpointer data)
{
  Shared *shared = data;
  PyIsolateMemoryStatus host, worker;

  _pyisolate_memory_book_get_status (shared->host, &host);
  _pyisolate_memory_book_get_status (shared->worker, &worker);

  return host.n_passed == 0 && worker.n_in_flight == 0;
}

static PyIsolateFrame *
new_event (guint64          id,
           PyIsolateMemory *memory)
{
  PyIsolateFrame *frame = link_frame_call (id, "m");

  if (memory != NULL)
    _pyisolate_frame_add_memory (frame, pyisolate_memory_ref (memory));

  return frame;
}

/* There, and given back by itself when it is dropped, though nobody sends anything any more. */
static void
test_pass (gconstpointer data)
{
  g_autoptr (Shared) shared = shared_new (GPOINTER_TO_UINT (data));
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);
  PyIsolateFrame *frame;

  pyisolate_memory_map (memory, NULL)[4999] = 7;
  for (guint i = 0; i < 3; i++)
    {
      link_side_send (&shared->pair->host, new_event (i + 1, memory));
      frame = link_box_take (shared->pair->worker.box);
      g_assert_cmpuint (frame->memories->len, ==, 1);
      g_assert_cmpuint (frame->n_fds, ==, 0);
      g_assert_cmpuint (pyisolate_memory_map (g_ptr_array_index (frame->memories, 0), NULL)[4999],
                        ==, 7);
      g_assert_false (is_level (shared));
      _pyisolate_frame_free (frame);
      test_util_assert_until (is_level, shared, LINK_TIMEOUT_MS);
    }
}

static void
test_echo (gconstpointer data)
{
  g_autoptr (Shared) shared = shared_new (GPOINTER_TO_UINT (data));
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (5000, PYISOLATE_MEMORY_NONE, NULL);

  for (guint i = 0; i < 100; i++)
    {
      PyIsolateFrame *there, *back;

      link_side_send (&shared->pair->host, new_event (i + 1, memory));
      there = link_box_take (shared->pair->worker.box);
      link_side_send (&shared->pair->worker,
                      new_event (LINK_ID (i + 1), g_ptr_array_index (there->memories, 0)));
      _pyisolate_frame_free (there);
      back = link_box_take (shared->pair->host.box);
      g_assert_true (g_ptr_array_index (back->memories, 0) == memory);
      _pyisolate_frame_free (back);
    }
  test_util_assert_until (is_level, shared, LINK_TIMEOUT_MS);
}

static gboolean
has_fds (gpointer data)
{
  return test_util_count_fds () == GPOINTER_TO_UINT (data);
}

/* More than descriptors can travel together; with three for each, for a while, less than an
 * ordinary user may open. */
#define N_PIECES 300

/* The worker's own descriptors do not stay open. */
static void
test_many_pieces (gconstpointer data)
{
  g_autoptr (Shared) shared = shared_new (GPOINTER_TO_UINT (data));
  g_autoptr (PyIsolateFrame) frame = link_frame_call (1, "m");
  PyIsolateFrame *arrived;
  int *fds = g_new (int, 1);
  guint n_fds = test_util_count_fds ();

  fds[0] = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  _pyisolate_frame_take_fds (frame, fds, 1);
  for (guint i = 0; i < N_PIECES; i++)
    {
      PyIsolateMemory *memory = pyisolate_memory_new (4096, PYISOLATE_MEMORY_NONE, NULL);

      memcpy (pyisolate_memory_map (memory, NULL), &i, sizeof i);
      _pyisolate_frame_add_memory (frame, memory);
    }
  link_side_send (&shared->pair->host, g_steal_pointer (&frame));

  arrived = link_box_take (shared->pair->worker.box);
  g_assert_cmpuint (arrived->n_fds, ==, 1);
  g_assert_cmpuint (arrived->memories->len, ==, N_PIECES);
  for (guint i = 0; i < N_PIECES; i++)
    g_assert_cmpmem (pyisolate_memory_map (g_ptr_array_index (arrived->memories, i), NULL),
                     sizeof i, &i, sizeof i);
  /* The host's, and the one that is no memory's. The sender may still be closing what it has
   * sent. */
  test_util_assert_until (has_fds, GUINT_TO_POINTER (n_fds + N_PIECES + 1), LINK_TIMEOUT_MS);
  _pyisolate_frame_free (arrived);
  test_util_assert_until (is_level, shared, LINK_TIMEOUT_MS);
}

static PyIsolateFrame *
new_large (guint64 id,
           gsize   size)
{
  PyIsolateFrame *frame = link_frame_call (id, "large");
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = i * 7;
  g_clear_pointer (&frame->body, g_bytes_unref);
  frame->body = g_bytes_new_take (data, size);

  return frame;
}

/* A large body goes in shared memory, and whoever gets it does not notice. */
static void
check_body (Shared   *shared,
            LinkSide *from,
            LinkSide *to,
            guint64   id,
            gsize     size)
{
  g_autoptr (PyIsolateFrame) expected = new_large (id, size);
  g_autoptr (PyIsolateFrame) frame = NULL;

  link_side_send (from, new_large (id, size));
  frame = link_box_take (to->box);
  g_assert_true (g_bytes_equal (frame->body, expected->body));
  g_assert_true (frame->memories == NULL || frame->memories->len == 0);
}

static void
test_body (gconstpointer data)
{
  g_autoptr (Shared) shared = shared_new (GPOINTER_TO_UINT (data));
  LinkSide *host = &shared->pair->host;
  LinkSide *worker = &shared->pair->worker;
  PyIsolateMemoryStatus status;

  for (guint i = 0; i < 20; i++)
    {
      check_body (shared, host, worker, 2 * i + 1, 100000 + i);
      check_body (shared, worker, host, LINK_ID (2 * i + 1), 1000000 + i);
    }
  check_body (shared, host, worker, 1001, 5000000);
  test_util_assert_until (is_level, shared, LINK_TIMEOUT_MS);

  _pyisolate_memory_book_get_status (shared->host, &status);
  g_assert_cmpuint (status.size, >, 0);
}

/* Where there is no shared memory it goes as small ones do. */
static void
test_body_beyond_limit (gconstpointer data)
{
  g_autoptr (Shared) shared = shared_new (GPOINTER_TO_UINT (data));
  g_autoptr (PyIsolateMemory) all = NULL;
  g_autoptr (GError) error = NULL;

  all = _pyisolate_memory_book_allocate (shared->host, LIMIT, PYISOLATE_MEMORY_NONE, &error);
  g_assert_no_error (error);
  check_body (shared, &shared->pair->host, &shared->pair->worker, 1, 100000);
  check_body (shared, &shared->pair->worker, &shared->pair->host, LINK_ID (1), 100000);
}

/* A worker gets what it asks for, large or small, until the limit is reached; and again what it got
 * before. */
static void
test_request (gconstpointer data)
{
  g_autoptr (Shared) shared = shared_new (GPOINTER_TO_UINT (data));
  const gsize sizes[] = { 1, 5000, 1024 * 1024, 20 * 1024 * 1024 };
  g_autoptr (GError) error = NULL;
  PyIsolateMemory *again;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      PyIsolateMemory *memory;
      PyIsolateFrame *frame;

      memory = _pyisolate_memory_book_allocate (shared->worker, sizes[i], PYISOLATE_MEMORY_NONE,
                                                &error);
      g_assert_no_error (error);
      g_assert_cmpuint (pyisolate_memory_get_size (memory), >=, sizes[i]);
      pyisolate_memory_map (memory, NULL)[sizes[i] - 1] = 9;

      link_side_send (&shared->pair->worker, new_event (LINK_ID (i + 1), memory));
      pyisolate_memory_unref (memory);
      frame = link_box_take (shared->pair->host.box);
      g_assert_cmpuint (pyisolate_memory_map (g_ptr_array_index (frame->memories, 0),
                                              NULL)[sizes[i] - 1], ==, 9);
      _pyisolate_frame_free (frame);
    }

  g_assert_null (_pyisolate_memory_book_allocate (shared->worker, LIMIT + 1, PYISOLATE_MEMORY_NONE,
                                                  &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_clear_error (&error);
  g_assert_null (_pyisolate_memory_book_allocate (shared->worker, G_MAXSIZE / 4,
                                                  PYISOLATE_MEMORY_NONE, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_clear_error (&error);

  /* All of the limit, once nothing of the others is in use. */
  test_util_assert_until (is_level, shared, LINK_TIMEOUT_MS);
  again = _pyisolate_memory_book_allocate (shared->worker, LIMIT, PYISOLATE_MEMORY_NONE, &error);
  g_assert_no_error (error);
  pyisolate_memory_unref (again);
}

/* So many at a time go to the worker, are in use there until they are answered, and have come back. */
static void
send_bodies (Shared  *shared,
             guint    round,
             guint    n,
             gsize    size)
{
  LinkSide *host = &shared->pair->host;
  LinkSide *worker = &shared->pair->worker;
  g_autoptr (GPtrArray) calls = g_ptr_array_new_with_free_func ((GDestroyNotify) _pyisolate_frame_free);
  const guint64 first = (guint64) round * n + 1;

  for (guint i = 0; i < n; i++)
    link_side_send (host, new_large (first + i, size));
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (calls, link_box_take (worker->box));
  for (guint i = 0; i < n; i++)
    link_side_send (worker, new_large (LINK_ID (first + i), size));
  for (guint i = 0; i < n; i++)
    _pyisolate_frame_free (link_box_take (host->box));
}

static gboolean
has_arrived (gpointer data)
{
  PyIsolateMemoryStatus worker;

  _pyisolate_memory_book_get_status (((Shared *) data)->worker, &worker);

  return worker.n_in_flight == 0;
}

/* Bodies of one size to and fro: a worker that has asked for a few pieces has enough of them, also
 * where the host needs the like itself; without a stock it asks for each body. Each has come back
 * before the next is sent: one that is on its way is missing. What is idle for two seconds goes back
 * to the host, and is asked for again: that is as often as a slow machine allows. */
static void
check_stock (gconstpointer link,
             guint         n_at_once,
             gsize         size,
             guint         n_most_asked,
             gsize         most_size)
{
  g_autoptr (Shared) shared = shared_new (GPOINTER_TO_UINT (link));
  const gint64 idle = 2 * G_TIME_SPAN_SECOND;
  const gint64 begin = g_get_monotonic_time ();
  PyIsolateMemoryStatus after;
  gint64 taken;

  for (guint i = 0; i < 40; i++)
    {
      send_bodies (shared, i, n_at_once, size);
      test_util_assert_until (has_arrived, shared, LINK_TIMEOUT_MS);
    }
  _pyisolate_memory_book_get_status (shared->worker, &after);
  taken = g_get_monotonic_time () - begin;
  g_test_message ("asked %" G_GUINT64_FORMAT " times in %" G_GINT64_FORMAT " ms", after.n_asked, taken / 1000);
  g_assert_cmpuint (after.n_asked, >, 0);
  g_assert_cmpuint (after.n_asked, <=, (guint64) (n_most_asked * (1 + taken / idle)));

  _pyisolate_memory_book_get_status (shared->host, &after);
  g_assert_cmpuint (after.size, <=, most_size);
}

static void
test_stock (gconstpointer data)
{
  check_stock (data, 1, 50000, 6, 8 * 65536);
}

/* As many small ones as may be under way on a lane. */
static void
test_stock_of_many (gconstpointer data)
{
  check_stock (data, 8, 8192, 20, 64 * 12288);
}

/* What is given back goes after a small wish: where the host lacks just that, it is asked again. */
static void
test_request_of_all (gconstpointer data)
{
  g_autoptr (Shared) shared = shared_new (GPOINTER_TO_UINT (data));
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  const gsize size = 1024 * 1024;
  g_autoptr (GError) error = NULL;
  PyIsolateMemory *memory;

  while ((memory = _pyisolate_memory_book_allocate (shared->worker, size, PYISOLATE_MEMORY_NONE,
                                                    &error)) != NULL)
    g_ptr_array_add (pieces, memory);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_clear_error (&error);
  g_assert_cmpuint (pieces->len, ==, LIMIT / size);

  for (guint i = 0; i < 20; i++)
    {
      g_ptr_array_remove_index_fast (pieces, i);
      memory = _pyisolate_memory_book_allocate (shared->worker, size, PYISOLATE_MEMORY_NONE,
                                                &error);
      g_assert_no_error (error);
      g_ptr_array_add (pieces, memory);
    }
}

typedef struct {
  PyIsolateMemoryBook *book;
  GError *error;
} Asking;

static gpointer
ask (gpointer data)
{
  Asking *asking = data;

  g_assert_null (_pyisolate_memory_book_allocate (asking->book, 5000, PYISOLATE_MEMORY_NONE,
                                                  &asking->error));
  return NULL;
}

/* Who waits for a host that has no book, and does not answer, is told when the link ends. */
static void
test_request_at_end (void)
{
  g_autoptr (LinkPair) pair = link_pair_new (LINK_PLAIN, LINK_CAREFUL);
  PyIsolateMemoryBook *book = add_book (&pair->worker, _pyisolate_memory_book_new_worker ());
  Asking asking = { book, NULL };
  GThread *thread;

  link_pair_start_both (pair);
  thread = g_thread_new ("ask", ask, &asking);
  _pyisolate_memory_book_close (book);
  g_thread_join (thread);
  g_assert_error (asking.error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&asking.error);
  _pyisolate_memory_book_unref (book);
}

static PyIsolateFrame *
new_record (guint64 id,
            guint32 kind,
            guint64 number,
            guint64 argument)
{
  PyIsolateFrame *frame = link_frame_call (id, "x");

  frame->records = g_new0 (PyIsolateMemoryRecord, 1);
  frame->records[0].kind = kind;
  frame->records[0].number = number;
  frame->records[0].argument = argument;
  frame->n_records = 1;

  return frame;
}

/* Whatever carries it: giving back what was not given ends the link, naming what one does not have
 * does not. */
static void
test_hostile (gconstpointer data)
{
  LinkPair *pair = link_pair_new (GPOINTER_TO_UINT (data), LINK_CAREFUL);
  PyIsolateMemoryBook *book = add_book (&pair->host, _pyisolate_memory_book_new_host (LIMIT));
  PyIsolateFrame *frame;

  link_pair_start_both (pair);
  link_side_send (&pair->worker, new_record (LINK_ID (1), PYISOLATE_MEMORY_USE, 1, 4096));
  frame = link_box_take (pair->host.box);
  g_assert_error (frame->memory_error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  _pyisolate_frame_free (frame);

  link_side_send (&pair->worker, new_record (LINK_ID (2), PYISOLATE_MEMORY_RELEASE, 1, 1));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "given back more often");
  _pyisolate_memory_book_close (book);
  link_pair_free (pair);
  _pyisolate_memory_book_unref (book);
}

static void
add_for_each (const char       *name,
              TestUtilDataFunc  func)
{
  for (guint kind = 0; kind < LINK_N_KINDS; kind++)
    {
      g_autofree char *path = g_strdup_printf ("/memory-link/%s/%s", link_kind_names[kind], name);

      test_util_add_data_func (path, GUINT_TO_POINTER (kind), func);
    }
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);

  add_for_each ("pass", test_pass);
  add_for_each ("echo", test_echo);
  add_for_each ("many-pieces", test_many_pieces);
  add_for_each ("body", test_body);
  add_for_each ("body-beyond-limit", test_body_beyond_limit);
  add_for_each ("hostile", test_hostile);
  /* By what a worker asks: D-Bus, where there are lanes too. */
  test_util_add_data_func ("/memory-link/dbus/request", GUINT_TO_POINTER (LINK_DBUS), test_request);
  test_util_add_data_func ("/memory-link/plain/request", GUINT_TO_POINTER (LINK_PLAIN),
                           test_request);
  test_util_add_data_func ("/memory-link/dbus/request-of-all", GUINT_TO_POINTER (LINK_DBUS),
                           test_request_of_all);
  test_util_add_data_func ("/memory-link/plain/request-of-all", GUINT_TO_POINTER (LINK_PLAIN),
                           test_request_of_all);
  test_util_add_data_func ("/memory-link/dbus/stock", GUINT_TO_POINTER (LINK_DBUS), test_stock);
  test_util_add_data_func ("/memory-link/plain/stock", GUINT_TO_POINTER (LINK_PLAIN), test_stock);
  test_util_add_data_func ("/memory-link/dbus/stock-of-many", GUINT_TO_POINTER (LINK_DBUS), test_stock_of_many);
  test_util_add_data_func ("/memory-link/plain/stock-of-many", GUINT_TO_POINTER (LINK_PLAIN), test_stock_of_many);
  test_util_add_func ("/memory-link/request-at-end", test_request_at_end);

  return g_test_run ();
}
