/* SPDX-License-Identifier: MIT */
/* Calls, whatever carries them: each test runs over D-Bus and over a plain socketpair. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-error-private.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define N_CALLS 10000
#define N_THREADS 8
#define N_PER_THREAD 500
#define DEPTH 50

/* The link still works, and all that came before has been seen. */
static void
assert_alive (LinkSide *from,
              LinkSide *to,
              guint64   id)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_side_call (from, link_frame_call (id, "still there?"), box);
  do
    {
      g_clear_pointer (&call, _pyisolate_frame_free);
      call = link_box_take (to->box);
    }
  while (g_strcmp0 (call->name, "still there?") != 0);
  _pyisolate_endpoint_respond (to->endpoint, link_frame_return (id, "yes"));
  link_box_assert_returned (box, "yes");
}

static void
test_calls (LinkPair *pair)
{
  struct {
    LinkSide *from;
    LinkSide *to;
    guint64 id;
  } ways[] = { { &pair->host, &pair->worker, _pyisolate_endpoint_new_id () },
               { &pair->worker, &pair->host, LINK_ID (1) } };

  link_pair_start_both (pair);
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autoptr (LinkBox) box = link_box_new ();
      g_autoptr (PyIsolateFrame) call = NULL;

      link_side_call (ways[i].from, link_frame_call (ways[i].id, "greet"), box);
      call = link_box_take (ways[i].to->box);
      g_assert_cmpint (call->kind, ==, PYISOLATE_FRAME_CALL);
      g_assert_cmpuint (call->id, ==, ways[i].id);
      g_assert_cmpstr (call->name, ==, "greet");
      g_assert_cmpuint (box->n_ends, ==, 0);

      _pyisolate_endpoint_respond (ways[i].to->endpoint, link_frame_return (call->id, "hello"));
      link_box_assert_returned (box, "hello");
      g_assert_cmpuint (box->n_ends, ==, 1);
      link_box_wait_destroyed (box, 1);
    }
}

/* The answers come back in another order than the calls. */
static void
test_answers_in_any_order (LinkPair *pair)
{
  LinkBox *boxes[10];
  guint64 ids[10];

  link_pair_start_both (pair);
  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++)
    {
      ids[i] = _pyisolate_endpoint_new_id ();
      boxes[i] = link_box_new ();
      link_side_call (&pair->host, link_frame_call (ids[i], "any"), boxes[i]);
    }
  link_box_wait_frames (pair->worker.box, G_N_ELEMENTS (boxes));
  for (guint i = G_N_ELEMENTS (boxes); i-- > 0;)
    {
      g_autofree char *text = g_strdup_printf ("answer %u", i);

      _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (ids[i], text));
      link_box_assert_returned (boxes[i], text);
      link_box_unref (boxes[i]);
    }
}

static void
test_errors (LinkPair *pair)
{
  link_pair_start_both (pair);

  for (int code = 0; code < PYISOLATE_N_ERRORS; code++)
    {
      g_autoptr (GError) error = g_error_new (PYISOLATE_ERROR, code, "message %d", code);
      g_autoptr (LinkBox) box = link_box_new ();
      g_autoptr (PyIsolateFrame) call = NULL;
      g_autoptr (PyIsolateFrame) answer = NULL;

      link_side_call (&pair->worker, link_frame_call (LINK_ID (code + 1), "fail"), box);
      call = link_box_take (pair->host.box);
      _pyisolate_endpoint_respond (pair->host.endpoint,
                                   _pyisolate_frame_new_error (call->id, error));

      link_box_wait_ends (box, 1);
      g_assert_no_error (box->error);
      answer = link_box_take (box);
      g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_ERROR);
      g_assert_cmpstr (answer->name, ==, _pyisolate_error_get_dbus_name (code));
      g_assert_cmpstr (answer->message, ==, error->message);
    }
}

static void
test_fds (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) answer = NULL;
  PyIsolateFrame *frame = link_frame_call (1, "echo");
  int *fds = g_new (int, 1);
  int pipe_fds[2];
  char byte = 0;

  link_pair_start_both (pair);
  g_assert_no_errno (pipe2 (pipe_fds, O_CLOEXEC));
  fds[0] = pipe_fds[1];
  _pyisolate_frame_take_fds (frame, fds, 1);

  link_side_call (&pair->host, frame, box);
  call = link_box_take (pair->worker.box);
  g_assert_cmpuint (call->n_fds, ==, 1);
  frame = link_frame_return (1, "echo");
  _pyisolate_frame_take_fds (frame, g_steal_pointer (&call->fds), call->n_fds);
  call->n_fds = 0;
  _pyisolate_endpoint_respond (pair->worker.endpoint, frame);

  answer = link_box_take (box);
  g_assert_cmpuint (answer->n_fds, ==, 1);
  g_assert_cmpint (write (answer->fds[0], "x", 1), ==, 1);
  g_assert_cmpint (read (pipe_fds[0], &byte, 1), ==, 1);
  g_assert_cmpint (byte, ==, 'x');
  close (pipe_fds[0]);
}

static PyIsolateFrame *
add_fds (PyIsolateFrame *frame,
         guint           n_fds)
{
  int *fds = g_new (int, n_fds);

  for (guint i = 0; i < n_fds; i++)
    fds[i] = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  _pyisolate_frame_take_fds (frame, fds, n_fds);
  return frame;
}

/* As many as the kernel lets travel do; one more is an error of the one that sends them, and not
 * the end of the link. */
static void
test_too_many_fds (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) answer = NULL;
  g_autoptr (GError) error = NULL;

  link_pair_start_both (pair);
  g_assert_false (_pyisolate_endpoint_call (pair->host.endpoint, NULL,
                                            add_fds (link_frame_call (1, "x"),
                                                     PYISOLATE_MAX_FDS + 1),
                                            NULL, NULL, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);

  link_side_call (&pair->host, add_fds (link_frame_call (2, "x"), PYISOLATE_MAX_FDS), box);
  call = link_box_take (pair->worker.box);
  g_assert_cmpuint (call->id, ==, 2);
  g_assert_cmpuint (call->n_fds, ==, PYISOLATE_MAX_FDS);

  _pyisolate_endpoint_respond (pair->worker.endpoint,
                               add_fds (link_frame_return (2, "x"), PYISOLATE_MAX_FDS + 1));
  answer = link_box_take (box);
  g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_ERROR);
  g_assert_cmpstr (answer->name, ==, "org.pyisolate.Error.Limit");
  assert_alive (&pair->host, &pair->worker, 3);
}

static void
test_cancel (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "slow"), box);
  call = link_box_take (pair->worker.box);

  _pyisolate_endpoint_cancel (pair->host.endpoint, 1);
  g_assert_cmpuint (box->n_destroyed, ==, 1); /* nobody waits any more, now */
  cancel = link_box_take (pair->worker.box);
  g_assert_cmpint (cancel->kind, ==, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, 1);

  /* What comes late is dropped, and is no fault. */
  link_side_send (&pair->worker, link_frame_event (1, "late", 1));
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "late"));
  assert_alive (&pair->host, &pair->worker, 2);
  g_assert_cmpuint (box->n_ends, ==, 0);
  g_assert_cmpuint (link_box_count (box), ==, 0);
}

static void
test_cancel_too_late (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "quick"), box);
  call = link_box_take (pair->worker.box);
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "done"));
  link_box_assert_returned (box, "done");

  _pyisolate_endpoint_cancel (pair->host.endpoint, 1);
  _pyisolate_endpoint_cancel (pair->host.endpoint, 12345);
  assert_alive (&pair->host, &pair->worker, 2);
  g_assert_cmpuint (link_box_count (pair->worker.box), ==, 2); /* the two calls: no CANCEL went over */
}

/* A second answer of this side is its own fault, and does not leave it. */
static void
test_respond_twice (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "once"), box);
  call = link_box_take (pair->worker.box);
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "first"));
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "second"));
  link_box_assert_returned (box, "first");
  assert_alive (&pair->host, &pair->worker, 2);
}

static void
test_parts_in_order (LinkPair *pair)
{
  static const PyIsolateFrameKind order[] = { PYISOLATE_FRAME_PROGRESS, PYISOLATE_FRAME_EVENT, PYISOLATE_FRAME_EVENT,
                                              PYISOLATE_FRAME_PROGRESS, PYISOLATE_FRAME_RETURN };
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "work"), box);
  call = link_box_take (pair->worker.box);
  link_side_send (&pair->worker, link_frame_event (0, "outside of any call", 0));
  link_side_send (&pair->worker, link_frame_progress (1, 0.1));
  link_side_send (&pair->worker, link_frame_event (1, "inside", 1));
  link_side_send (&pair->worker, link_frame_event (1, "inside", 2));
  link_side_send (&pair->worker, link_frame_progress (1, 0.9));
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "done"));
  link_side_send (&pair->worker, link_frame_progress (1, 1.0)); /* after the answer: dropped */
  assert_alive (&pair->worker, &pair->host, LINK_ID (1));

  link_box_wait_ends (box, 1);
  g_assert_cmpuint (link_box_count (box), ==, G_N_ELEMENTS (order));
  for (guint i = 0; i < G_N_ELEMENTS (order); i++)
    {
      g_autoptr (PyIsolateFrame) frame = link_box_take (box);

      g_assert_cmpint (frame->kind, ==, order[i]);
      g_assert_cmpuint (frame->id, ==, 1);
      if (frame->kind == PYISOLATE_FRAME_EVENT)
        g_assert_cmpuint (link_frame_get_number (frame), ==, i == 1 ? 1 : 2);
    }
}

/* The extension's own signal repeats the events of calls, in the order of all events. */
static void
test_events_are_repeated (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "work"), box);
  call = link_box_take (pair->worker.box);
  for (guint i = 0; i < 6; i++)
    link_side_send (&pair->worker, link_frame_event (i % 2, "event", i));
  for (guint i = 0; i < 6; i++)
    {
      g_autoptr (PyIsolateFrame) event = link_box_take (pair->host.box);

      g_assert_cmpint (event->kind, ==, PYISOLATE_FRAME_EVENT);
      g_assert_cmpuint (event->id, ==, i % 2);
      g_assert_cmpuint (link_frame_get_number (event), ==, i);
    }
  link_box_wait_frames (box, 3);
}

static void
test_log (LinkPair *pair)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_LOG, 0);
  g_autoptr (PyIsolateFrame) arrived = NULL;

  link_pair_start_both (pair);
  _pyisolate_frame_set_variant (frame, g_variant_new ("(iss)", 30, "logger", "message"));
  link_side_send (&pair->worker, frame);
  arrived = link_box_take (pair->host.box);
  g_assert_cmpint (arrived->kind, ==, PYISOLATE_FRAME_LOG);
}

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

  pair->host.hook = pair->worker.hook = call_back;
  pair->host.hook_data = pair->worker.hook_data = pair;
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

  pair->host.hook = pair->worker.hook = answer_at_once;
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
  g_assert_cmpuint (from_host->n_ends, ==, N_CALLS);
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

  pair->worker.hook = check_order;
  pair->worker.hook_data = &order;
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
      g_assert_cmpuint (callers[i].box->n_ends, <=, N_PER_THREAD);
      link_box_wait_destroyed (callers[i].box, N_PER_THREAD);
      link_box_unref (callers[i].box);
      g_free (callers[i].name);
    }
}

static void
test_fail (LinkPair *pair)
{
  g_autoptr (LinkBox) waiting = link_box_new ();
  g_autoptr (LinkBox) cancelled = link_box_new ();
  g_autoptr (LinkBox) theirs = link_box_new ();
  g_autoptr (GError) killed = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED,
                                                   "killed");
  g_autoptr (GError) other = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED, "other");
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;

  link_pair_start_both (pair);
  for (guint i = 1; i <= 3; i++)
    link_side_call (&pair->host, link_frame_call (i, "wait"), waiting);
  link_side_call (&pair->host, link_frame_call (4, "wait"), cancelled);
  _pyisolate_endpoint_cancel (pair->host.endpoint, 4);
  link_side_call (&pair->worker, link_frame_call (LINK_ID (1), "wait"), theirs);
  call = link_box_take (pair->host.box);

  _pyisolate_endpoint_fail (pair->host.endpoint, killed);
  g_assert_cmpuint (waiting->n_ends, ==, 3);
  g_assert_error (waiting->error, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  g_assert_cmpuint (waiting->n_destroyed, ==, 3);
  g_assert_cmpuint (cancelled->n_ends, ==, 0);
  cancel = link_box_take (pair->host.box);
  g_assert_cmpint (cancel->kind, ==, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, LINK_ID (1));

  /* The first reason stays. */
  _pyisolate_endpoint_fail (pair->host.endpoint, other);
  g_assert_false (_pyisolate_endpoint_call (pair->host.endpoint, NULL, link_frame_call (9, "late"),
                                            NULL, NULL, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  g_assert_cmpuint (waiting->n_ends, ==, 3);
  g_assert_cmpuint (link_box_count (pair->host.box), ==, 2);
}

static void
test_peer_vanishes (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();

  link_pair_start_both (pair);
  for (guint i = 1; i <= 100; i++)
    link_side_call (&pair->host, link_frame_call (i, "wait"), box);
  link_box_wait_frames (pair->worker.box, 100);
  _pyisolate_endpoint_close (pair->worker.endpoint, NULL);

  link_box_wait_ends (box, 100);
  g_assert_error (box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
  g_assert_cmpuint (link_box_count (box), ==, 0);
  link_box_wait_destroyed (box, 100);
  link_box_wait_ends (pair->host.box, 1);
  g_assert_no_error (pair->host.box->error);
}

/* Calls around the end: each that is taken is answered, also where nobody has told the endpoint of
 * the end yet. */
static void
test_calls_at_the_end (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  guint n_taken = 0;

  link_pair_start_both (pair);
  _pyisolate_endpoint_close (pair->host.endpoint, NULL);
  for (guint i = 1; i <= 100; i++)
    {
      g_autoptr (GError) error = NULL;

      if (link_side_try_call (&pair->host, link_frame_call (i, "wait"), box, &error))
        n_taken++;
      else
        g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
    }
  link_box_wait_ends (box, n_taken);
  link_box_wait_destroyed (box, 100);
  g_assert_cmpuint (box->n_ends, ==, n_taken);
  if (n_taken > 0)
    g_assert_error (box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
}

static void
test_close_with_reason (LinkPair *pair)
{
  g_autoptr (GError) reason = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                                                   "enough");

  link_pair_start_both (pair);
  _pyisolate_endpoint_close (pair->host.endpoint, reason);
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_LIMIT, "enough");
  link_box_wait_ends (pair->worker.box, 1);
  g_assert_no_error (pair->worker.box->error);
}

static void
test_attached (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (GObject) object = g_object_new (G_TYPE_OBJECT, NULL);
  g_autoptr (GObject) found = NULL;
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->worker, link_frame_call (LINK_ID (1), "attach"), box);
  call = link_box_take (pair->host.box);

  g_assert_null (_pyisolate_endpoint_dup_attached (pair->host.endpoint, LINK_ID (1)));
  g_assert_true (_pyisolate_endpoint_attach (pair->host.endpoint, LINK_ID (1), object));
  g_assert_true (_pyisolate_endpoint_attach (pair->host.endpoint, LINK_ID (2), object)); /* there is no such call */
  found = _pyisolate_endpoint_dup_attached (pair->host.endpoint, LINK_ID (1));
  g_assert_true (found == object);
  g_assert_null (_pyisolate_endpoint_dup_attached (pair->host.endpoint, LINK_ID (2)));

  _pyisolate_endpoint_respond (pair->host.endpoint, link_frame_return (LINK_ID (1), "done"));
  g_assert_null (_pyisolate_endpoint_dup_attached (pair->host.endpoint, LINK_ID (1)));
  link_box_assert_returned (box, "done");
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
      g_assert_cmpuint (pair->host.box->n_ends, ==, 0);
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
  link_test_add_for_pair ("endpoint", "calls", LINK_CAREFUL, test_calls);
  link_test_add_for_pair ("endpoint", "answers-in-any-order", LINK_CAREFUL, test_answers_in_any_order);
  link_test_add_for_pair ("endpoint", "errors", LINK_CAREFUL, test_errors);
  link_test_add_for_pair ("endpoint", "fds", LINK_CAREFUL, test_fds);
  link_test_add_for_pair ("endpoint", "too-many-fds", LINK_CAREFUL, test_too_many_fds);
  link_test_add_for_pair ("endpoint", "cancel", LINK_CAREFUL, test_cancel);
  link_test_add_for_pair ("endpoint", "cancel-too-late", LINK_CAREFUL, test_cancel_too_late);
  link_test_add_for_pair ("endpoint", "respond-twice", LINK_CAREFUL, test_respond_twice);
  link_test_add_for_pair ("endpoint", "parts-in-order", LINK_CAREFUL, test_parts_in_order);
  link_test_add_for_pair ("endpoint", "events-are-repeated", LINK_CAREFUL, test_events_are_repeated);
  link_test_add_for_pair ("endpoint", "log", LINK_CAREFUL, test_log);
  link_test_add_for_pair ("endpoint", "nested", LINK_CAREFUL, test_nested);
  link_test_add_for_pair ("endpoint", "many-calls", LINK_CAREFUL, test_many_calls);
  link_test_add_for_pair ("endpoint", "threads", LINK_CAREFUL, test_threads);
  link_test_add_for_pair ("endpoint", "fail", LINK_CAREFUL, test_fail);
  link_test_add_for_pair ("endpoint", "peer-vanishes", LINK_CAREFUL, test_peer_vanishes);
  link_test_add_for_pair ("endpoint", "calls-at-the-end", LINK_CAREFUL, test_calls_at_the_end);
  link_test_add_for_pair ("endpoint", "close-with-reason", LINK_CAREFUL, test_close_with_reason);
  link_test_add_for_pair ("endpoint", "attached", LINK_CAREFUL, test_attached);
  link_test_add_for_pair ("endpoint", "too-many-bytes", LINK_CAREFUL, test_too_many_bytes);
  return g_test_run ();
}
