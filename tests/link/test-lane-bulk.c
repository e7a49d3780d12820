/* SPDX-License-Identifier: MIT */
/* What is large on a lane, and waits until the other side has taken what came before; and what
 * passes it. */
#include "config.h"

#include "lane-half.h"

#include "pyisolate-error.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-memory-book-private.h"

#define BULK_SIZE ((gsize) 65536)
#define N_BULK_AT_ONCE (PYISOLATE_LANE_BULK_WINDOW / BULK_SIZE)

/* So much a smaller one counts as. */
#define LEAST_BULK ((gsize) 16384)

static gboolean
try_send (Half           *half,
          PyIsolateFrame *frame,
          GError        **error)
{
  return _pyisolate_transport_send (PYISOLATE_TRANSPORT (half->lane), frame, error);
}

#define LARGE_SIZE ((gsize) 8 << 20)

/* All of them share one body. */
static PyIsolateFrame *
make_large (PyIsolateFrameKind kind,
            guint64            id)
{
  static const guint8 zeros[LARGE_SIZE];
  PyIsolateFrame *frame = _pyisolate_frame_new (kind, id);

  frame->body = g_bytes_new_static (zeros, sizeof zeros);
  if (kind == PYISOLATE_FRAME_CALL)
    {
      frame->target = g_strdup ("");
      frame->name = g_strdup ("name");
    }

  return frame;
}

/* A call that would wait behind too much that is large is refused; what ends calls is not, for
 * much longer. */
static void
test_limits (void)
{
  guint n_calls = 0;
  guint n_answers = 0;
  g_autoptr (GError) error = NULL;
  Half half;

  half_init (&half);
  while (try_send (&half, make_large (PYISOLATE_FRAME_CALL, n_calls + 1), &error))
    n_calls++;
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (n_calls, >=, (PYISOLATE_LANE_MAX_HELD / LARGE_SIZE) - 1);
  g_assert_cmpuint (n_calls, <=, (PYISOLATE_LANE_MAX_HELD / LARGE_SIZE) + 1);
  g_clear_error (&error);

  g_assert_false (try_send (&half, make_large (PYISOLATE_FRAME_CALL, 1000), NULL));
  g_assert_true (try_send (&half, make_call (1001, 10, 0), NULL));
  while (try_send (&half, make_large (PYISOLATE_FRAME_RETURN, n_answers), &error))
    n_answers++;
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (n_answers, >, 50);
  g_clear_error (&error);
  g_assert_false (try_send (&half, make_call (1002, 0, 0), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  half_clear (&half);
}

#define SMALL_SIZE ((gsize) 4000)

/* What is small and waits behind what is large counts by its size, too. */
static void
test_small_limits (void)
{
  static const guint8 zeros[SMALL_SIZE];
  const guint64 id = N_BULK_AT_ONCE + 1;
  const guint n_most = PYISOLATE_LANE_MAX_HELD / SMALL_SIZE;
  g_autoptr (GError) error = NULL;
  guint n_events = 0;
  Half half;

  half_init (&half);
  for (guint i = 1; i <= id; i++)
    g_assert_true (try_send (&half, make_call (i, BULK_SIZE, 0), NULL));
  while (error == NULL && n_events <= n_most)
    {
      PyIsolateFrame *event = _pyisolate_frame_new (PYISOLATE_FRAME_EVENT, id);

      _pyisolate_frame_set_name (event, "event");
      event->body = g_bytes_new_static (zeros, sizeof zeros);
      n_events += try_send (&half, event, &error);
    }
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (n_events, >, n_most / 2);
  half_clear (&half);
}

/* What is small passes what is large and waits, but not what belongs to the same call. */
typedef struct {
  Half half;
  PyIsolateLane *peer;
} Order;

static void
order_init (Order *order)
{
  half_init (&order->half);
  order->peer = _pyisolate_lane_new (_pyisolate_steal_fd (&order->half.peer));
}

static void
order_clear (Order *order)
{
  g_clear_object (&order->peer);
  half_clear (&order->half);
}

static void
order_send (Order              *order,
            PyIsolateFrameKind  kind,
            guint64             id,
            gsize               size)
{
  PyIsolateFrame *frame = make_call (id, size, 0);

  frame->kind = kind;
  if (kind == PYISOLATE_FRAME_RETURN)
    _pyisolate_frame_set_name (frame, NULL);
  if (kind != PYISOLATE_FRAME_CALL)
    _pyisolate_frame_set_target (frame, NULL);
  g_assert_true (try_send (&order->half, frame, NULL));
}

/* One that the other side takes up, and tells so. */
static void
order_take (Order   *order,
            guint64  id)
{
  g_autoptr (PyIsolateFrame) frame = NULL;
  PyIsolateFrameView view;

  _pyisolate_lane_lock (order->peer);
  g_assert_true (_pyisolate_lane_next (order->peer, &view));
  frame = _pyisolate_lane_steal_frame (order->peer);
  _pyisolate_lane_unlock (order->peer);
  g_assert_cmpuint (frame->id, ==, id);

  g_clear_pointer (&frame, _pyisolate_frame_free);
  _pyisolate_lane_receive (order->half.lane, 1);
  _pyisolate_lane_flush (order->half.lane);
}

static void
order_assert_none (Order *order)
{
  PyIsolateFrameView view;

  _pyisolate_lane_lock (order->peer);
  g_assert_false (_pyisolate_lane_next (order->peer, &view));
  _pyisolate_lane_unlock (order->peer);
}

static void
test_small_passes (void)
{
  guint64 next = 1;
  Order order;

  order_init (&order);
  for (guint i = 1; i <= 3 * N_BULK_AT_ONCE; i++)
    order_send (&order, PYISOLATE_FRAME_CALL, i, BULK_SIZE);
  order_send (&order, PYISOLATE_FRAME_CALL, 100, 10);

  for (; next <= N_BULK_AT_ONCE; next++)
    order_take (&order, next);
  order_take (&order, 100);
  for (; next <= 3 * N_BULK_AT_ONCE; next++)
    order_take (&order, next);
  order_assert_none (&order);
  order_clear (&order);
}

/* Events, callbacks and the answer of one call, of which the first is large. */
static void
test_call_in_order (void)
{
  PyIsolateFrame *callback;
  guint64 chain[] = { 50, 500 };
  Order order;

  order_init (&order);
  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    order_send (&order, PYISOLATE_FRAME_RETURN, i, BULK_SIZE);
  order_send (&order, PYISOLATE_FRAME_EVENT, 500, BULK_SIZE);
  order_send (&order, PYISOLATE_FRAME_EVENT, 600, 10);
  callback = make_call (700, 10, 0);
  _pyisolate_frame_set_chain (callback, chain, G_N_ELEMENTS (chain));
  g_assert_true (try_send (&order.half, callback, NULL));
  order_send (&order, PYISOLATE_FRAME_RETURN, 500, 10);
  order_send (&order, PYISOLATE_FRAME_RETURN, 600, 10);

  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    order_take (&order, i);
  order_take (&order, 600);
  order_take (&order, 600);
  order_take (&order, 500);
  order_take (&order, 700);
  order_take (&order, 500);
  order_assert_none (&order);
  order_clear (&order);
}

/* A call that is held was never sent. */
static void
test_withdraw (void)
{
  Order order;

  order_init (&order);
  for (guint i = 1; i <= N_BULK_AT_ONCE + 2; i++)
    order_send (&order, PYISOLATE_FRAME_CALL, i, BULK_SIZE);
  g_assert_true (_pyisolate_lane_withdraw (order.half.lane, N_BULK_AT_ONCE + 1));
  g_assert_false (_pyisolate_lane_withdraw (order.half.lane, N_BULK_AT_ONCE + 1));
  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    order_take (&order, i);
  order_take (&order, N_BULK_AT_ONCE + 2);
  order_assert_none (&order);
  order_clear (&order);
}

/* A small frame, but for the piece of memory that it uses. */
static PyIsolateFrame *
make_user (guint64 id)
{
  const PyIsolateMemoryRecord record = { .kind = PYISOLATE_MEMORY_USE, .number = id, .argument = BULK_SIZE };
  PyIsolateFrame *frame = make_call (id, 10, 0);

  frame->records = g_memdup2 (&record, sizeof record);
  frame->n_records = 1;

  return frame;
}

static void
order_take_records (Order   *order,
                    guint64  number)
{
  PyIsolateFrameView view;

  _pyisolate_lane_lock (order->peer);
  g_assert_true (_pyisolate_lane_next (order->peer, &view));
  g_assert_cmpint (view.kind, ==, PYISOLATE_FRAME_MEMORY);
  g_assert_cmpuint (view.n_records, ==, 1);
  g_assert_cmpuint (view.records[0].number, ==, number);
  _pyisolate_lane_unlock (order->peer);
}

/* What uses memory and is taken back in time is not under way: who was held because of it goes. */
static void
test_withdraw_gathered (void)
{
  const guint64 held = N_BULK_AT_ONCE + 1;
  Order order;

  order_init (&order);
  _pyisolate_lane_cork (order.half.lane);
  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    g_assert_true (try_send (&order.half, make_user (i), NULL));
  order_send (&order, PYISOLATE_FRAME_CALL, held, BULK_SIZE);
  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    g_assert_true (_pyisolate_lane_withdraw (order.half.lane, i));
  _pyisolate_lane_uncork (order.half.lane);
  g_assert_cmpuint (order.half.n_waiting, >, 0); /* whom it tells flushes */
  _pyisolate_lane_flush (order.half.lane);

  /* All of the window is there, and no more. */
  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    order_send (&order, PYISOLATE_FRAME_CALL, held + i, BULK_SIZE);
  order_send (&order, PYISOLATE_FRAME_CALL, 100, 10);
  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    order_take_records (&order, i);
  for (guint i = 0; i < N_BULK_AT_ONCE; i++)
    order_take (&order, held + i);
  order_take (&order, 100);
  order_take (&order, held + N_BULK_AT_ONCE);
  order_assert_none (&order);
  order_clear (&order);
}

/* What was taken is told all the same by what becomes of a frame that is taken back. */
static void
test_withdraw_credit (gconstpointer uses_memory)
{
  Order order;

  order_init (&order);
  for (guint i = 1; i < N_BULK_AT_ONCE; i++) /* so few that they are not told of at once */
    {
      order_send (&order, PYISOLATE_FRAME_CALL, i, BULK_SIZE);
      order_take (&order, i);
    }
  _pyisolate_lane_cork (order.peer);
  g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (order.peer),
                                            uses_memory != NULL ? make_user (100) : make_call (100, 10, 0), NULL));
  g_assert_true (_pyisolate_lane_withdraw (order.peer, 100));
  _pyisolate_lane_uncork (order.peer);
  _pyisolate_lane_receive (order.half.lane, 1);

  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    order_send (&order, PYISOLATE_FRAME_CALL, 10 + i, BULK_SIZE);
  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    order_take (&order, 10 + i);
  order_assert_none (&order);
  order_clear (&order);
}

static Order *racing;

/* Of a worker: it is about to wait for memory for a body. */
static void
on_asking (void)
{
  Order *order = g_steal_pointer (&racing);

  if (order != NULL)
    order_send (order, PYISOLATE_FRAME_CALL, N_BULK_AT_ONCE + 2, BULK_SIZE);
}

/* What is large passes nothing that is large, not even while that is just being sent. */
static void
test_large_in_order (void)
{
  g_autoptr (PyIsolateMemoryBook) book = _pyisolate_memory_book_new_worker ();
  Order order;

  _pyisolate_memory_book_set_asking_func (book, on_asking);
  order_init (&order);
  _pyisolate_transport_set_memory (PYISOLATE_TRANSPORT (order.half.lane), book);
  for (guint i = 1; i <= N_BULK_AT_ONCE + 1; i++)
    order_send (&order, PYISOLATE_FRAME_CALL, i, BULK_SIZE);

  racing = &order;
  for (guint i = 1; i <= N_BULK_AT_ONCE; i++)
    order_take (&order, i);
  g_assert_null (racing); /* the last one has been sent */
  order_take (&order, N_BULK_AT_ONCE + 1);
  order_take (&order, N_BULK_AT_ONCE + 2);
  order_assert_none (&order);
  order_clear (&order);
}

/* What is hardly large does not go in hundreds ahead of what is small. */
static void
test_least_bulk (void)
{
  const guint n = PYISOLATE_LANE_BULK_WINDOW / LEAST_BULK;
  Order order;

  order_init (&order);
  for (guint i = 1; i <= 2 * n; i++)
    order_send (&order, PYISOLATE_FRAME_CALL, i, PYISOLATE_LANE_BULK_SIZE);
  order_send (&order, PYISOLATE_FRAME_CALL, 100, 10);

  for (guint i = 1; i <= n; i++)
    order_take (&order, i);
  order_take (&order, 100);
  for (guint i = n + 1; i <= 2 * n; i++)
    order_take (&order, i);
  order_assert_none (&order);
  order_clear (&order);
}

/* Who is about to end sends all of it, whether it was taken or not. */
static void
test_release_all (void)
{
  const gsize size = PYISOLATE_LANE_BULK_WINDOW * 3 / 4;
  Order order;

  order_init (&order);
  order_send (&order, PYISOLATE_FRAME_RETURN, 1, size);
  order_send (&order, PYISOLATE_FRAME_RETURN, 2, size);
  order_send (&order, PYISOLATE_FRAME_RETURN, 3, 20000);
  _pyisolate_lane_flush (order.half.lane);
  _pyisolate_lane_release_all (order.half.lane);
  order_send (&order, PYISOLATE_FRAME_RETURN, 4, 20000);

  _pyisolate_lane_lock (order.peer);
  for (guint id = 1; id <= 4;)
    {
      PyIsolateFrameView view;

      _pyisolate_lane_flush (order.half.lane);
      if (_pyisolate_lane_next (order.peer, &view))
        g_assert_cmpuint (view.id, ==, id++); /* none is freed, so none is taken */
    }
  _pyisolate_lane_unlock (order.peer);
  order_clear (&order);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  test_util_add_func ("/pyisolate/lane-bulk/limits", test_limits);
  test_util_add_func ("/pyisolate/lane-bulk/small-limits", test_small_limits);
  test_util_add_func ("/pyisolate/lane-bulk/small-passes", test_small_passes);
  test_util_add_func ("/pyisolate/lane-bulk/least-bulk", test_least_bulk);
  test_util_add_func ("/pyisolate/lane-bulk/call-in-order", test_call_in_order);
  test_util_add_func ("/pyisolate/lane-bulk/withdraw", test_withdraw);
  test_util_add_func ("/pyisolate/lane-bulk/withdraw-gathered", test_withdraw_gathered);
  test_util_add_data_func ("/pyisolate/lane-bulk/withdraw-credit", NULL, test_withdraw_credit);
  test_util_add_data_func ("/pyisolate/lane-bulk/withdraw-credit-and-records", "uses memory", test_withdraw_credit);
  test_util_add_func ("/pyisolate/lane-bulk/large-in-order", test_large_in_order);
  test_util_add_func ("/pyisolate/lane-bulk/release-all", test_release_all);

  return g_test_run ();
}
