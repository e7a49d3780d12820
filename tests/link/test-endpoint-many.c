/* SPDX-License-Identifier: MIT */
/* Many calls at once, calls inside of calls, and more bytes than anybody takes. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-error.h"

#define N_CALLS 10000
#define N_THREADS 8
#define N_PER_THREAD 500
#define DEPTH 50

typedef struct {
  LinkSide *other;
  PyIsolateFrame *call;
} Nested;

static void
on_nested_reply (PyIsolateFrame *frame,
                 const GError   *error,
                 gpointer        user_data)
{
  Nested *nested = user_data;

  g_assert_no_error (error);
  frame->id = nested->call->id;
  _pyisolate_endpoint_respond (nested->other->endpoint, frame);
}

static void
nested_free (gpointer data)
{
  Nested *nested = data;

  _pyisolate_frame_free (nested->call);
  g_free (nested);
}

/* Calls back with one less, from inside of the call; at last tells how long the chain is. */
static gboolean
call_back (LinkSide       *side,
           PyIsolateFrame *frame,
           gpointer        data)
{
  static int last_id = 0;
  LinkPair *pair = data;
  guint depth = (guint) g_ascii_strtoull (frame->name, NULL, 10);
  g_autofree char *text = NULL;
  g_autofree guint64 *chain = NULL;
  PyIsolateFrame *call;
  Nested *nested;

  if (depth == 0)
    {
      text = g_strdup_printf ("%u calls led here", frame->n_chain);
      _pyisolate_endpoint_respond (side->endpoint, link_frame_return (frame->id, text));
      _pyisolate_frame_free (frame);
      return TRUE;
    }

  text = g_strdup_printf ("%u", depth - 1);
  call = link_frame_call (side == &pair->host ? _pyisolate_endpoint_new_id ()
                          : LINK_ID (g_atomic_int_add (&last_id, 1)), text);
  chain = g_new (guint64, frame->n_chain + 1);
  for (guint i = 0; i < frame->n_chain; i++)
    chain[i] = frame->chain[i];
  chain[frame->n_chain] = frame->id;
  _pyisolate_frame_set_chain (call, chain, frame->n_chain + 1);

  nested = g_new (Nested, 1);
  nested->other = side;
  nested->call = frame;
  g_assert_true (_pyisolate_endpoint_call (side->endpoint, NULL, call, on_nested_reply, nested,
                                           nested_free, NULL));
  return TRUE;
}

static void
test_nested (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();

  link_side_set_hook (&pair->host, call_back, pair);
  link_side_set_hook (&pair->worker, call_back, pair);
  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (_pyisolate_endpoint_new_id (), G_STRINGIFY (DEPTH)),
                  box);
  link_box_assert_returned (box, G_STRINGIFY (DEPTH) " calls led here");
}

static gboolean
answer_at_once (LinkSide       *side,
                PyIsolateFrame *frame,
                gpointer        data)
{
  if (frame->kind != PYISOLATE_FRAME_CALL)
    return FALSE;

  _pyisolate_endpoint_respond (side->endpoint, link_frame_return (frame->id, frame->name));
  _pyisolate_frame_free (frame);
  return TRUE;
}

static void
test_many_calls (LinkPair *pair)
{
  g_autoptr (LinkBox) from_host = link_box_new ();
  g_autoptr (LinkBox) from_worker = link_box_new ();

  link_side_set_hook (&pair->host, answer_at_once, NULL);
  link_side_set_hook (&pair->worker, answer_at_once, NULL);
  link_pair_start_both (pair);

  for (guint i = 0; i < N_CALLS; i++)
    {
      link_side_call (&pair->host, link_frame_call (_pyisolate_endpoint_new_id (), "many"),
                      from_host);
      /* No more at a time than the host lets a worker have. */
      if (i % 1000 == 0)
        link_box_wait_ends (from_worker, i);
      link_side_call (&pair->worker, link_frame_call (LINK_ID (i + 1), "many"), from_worker);
    }
  link_box_wait_ends (from_host, N_CALLS);
  link_box_wait_ends (from_worker, N_CALLS);
  for (guint i = 0; i < N_CALLS; i++)
    {
      g_autoptr (PyIsolateFrame) a = link_box_take (from_host);
      g_autoptr (PyIsolateFrame) b = link_box_take (from_worker);

      g_assert_cmpint (a->kind, ==, PYISOLATE_FRAME_RETURN);
      g_assert_cmpint (b->kind, ==, PYISOLATE_FRAME_RETURN);
      g_assert_cmpuint (b->id, ==, LINK_ID (i + 1));
    }
  g_assert_cmpuint (link_box_count_ends (from_host), ==, N_CALLS);
  link_box_wait_destroyed (from_host, N_CALLS);
}

typedef struct {
  LinkPair *pair;
  LinkBox *box;
  char *name;
} Caller;

static gpointer
call_many (gpointer data)
{
  Caller *caller = data;

  for (guint i = 0; i < N_PER_THREAD; i++)
    {
      guint64 id = _pyisolate_endpoint_new_id ();

      link_side_call (&caller->pair->host, link_frame_call (id, caller->name), caller->box);
      if (i % 10 == 9)
        _pyisolate_endpoint_cancel (caller->pair->host.endpoint, id);
    }
  return NULL;
}

typedef struct {
  guint64 last[N_THREADS];
} Order;

static gboolean
check_order (LinkSide       *side,
             PyIsolateFrame *frame,
             gpointer        data)
{
  Order *order = data;
  guint thread;

  if (frame->kind != PYISOLATE_FRAME_CALL)
    return FALSE;

  thread = (guint) g_ascii_strtoull (frame->name, NULL, 10);
  g_assert_cmpuint (frame->id, >, order->last[thread]);
  order->last[thread] = frame->id;
  return answer_at_once (side, frame, NULL);
}

/* Each call is answered, or cancelled, exactly once, and a thread's calls arrive in its order. */
static void
test_threads (LinkPair *pair)
{
  Caller callers[N_THREADS];
  GThread *threads[N_THREADS];
  g_autoptr (LinkBox) last = link_box_new ();
  Order order = { 0 };

  link_side_set_hook (&pair->worker, check_order, &order);
  link_pair_start_both (pair);
  for (guint i = 0; i < N_THREADS; i++)
    {
      callers[i].pair = pair;
      callers[i].name = g_strdup_printf ("%u", i);
      callers[i].box = link_box_new ();
      threads[i] = g_thread_new ("caller", call_many, &callers[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    {
      g_thread_join (threads[i]);
      link_box_wait_ends (callers[i].box, N_PER_THREAD - N_PER_THREAD / 10);
    }
  /* A cancelled call may have been answered before; in any case the book is empty now. */
  link_side_call (&pair->host, link_frame_call (_pyisolate_endpoint_new_id (), "0"), last);
  link_box_assert_returned (last, "0");
  for (guint i = 0; i < N_THREADS; i++)
    {
      g_assert_cmpuint (link_box_count_ends (callers[i].box), <=, N_PER_THREAD);
      link_box_wait_destroyed (callers[i].box, N_PER_THREAD);
      link_box_unref (callers[i].box);
      g_free (callers[i].name);
    }
}

/* Bytes that wait for somebody are counted; the bodies here share one piece of memory, so the test
 * needs none. */
static void
test_too_many_bytes (LinkPair *pair)
{
  const gsize size = 64 * 1024 * 1024;
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (size), size);
  const guint n_fit = PYISOLATE_MAX_BYTES_IN / size - 1;

  link_pair_start_both (pair);
  for (guint round = 0; round < 2; round++)
    {
      for (guint i = 0; i < n_fit; i++)
        {
          PyIsolateFrame *frame = link_frame_event (0, "big", 0);

          g_bytes_unref (frame->body);
          frame->body = g_bytes_ref (bytes);
          /* The transport's copy and the one that is kept count until both are freed. */
          _pyisolate_transport_emit_frame (pair->host.transport, frame);
        }
      g_assert_cmpuint (link_box_count_ends (pair->host.box), ==, 0);
      for (guint i = 0; round == 0 && i < n_fit; i++)
        _pyisolate_frame_free (link_box_take (pair->host.box));
    }
  for (guint i = 0; i < 2; i++)
    {
      PyIsolateFrame *frame = link_frame_event (0, "big", 0);

      g_bytes_unref (frame->body);
      frame->body = g_bytes_ref (bytes);
      _pyisolate_transport_emit_frame (pair->host.transport, frame);
    }
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_LIMIT, "1024 MiB");
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  link_test_add_for_pair ("endpoint-many", "nested", LINK_CAREFUL, test_nested);
  link_test_add_for_pair ("endpoint-many", "many-calls", LINK_CAREFUL, test_many_calls);
  link_test_add_for_pair ("endpoint-many", "threads", LINK_CAREFUL, test_threads);
  link_test_add_for_pair ("endpoint-many", "too-many-bytes", LINK_CAREFUL, test_too_many_bytes);
  return g_test_run ();
}
