/* SPDX-License-Identifier: MIT */
/* Deadlines and cancellations of calls, and how they race with answers. */
#include "config.h"

#include "played-extension.h"

#include "pyisolate-error.h"

#include <string.h>

#define N_THREADS 8
#define N_PER_THREAD 100

static void
check_deadline (LinkKind kind,
                gint64   timeout)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("slow");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;
  g_autoptr (PyIsolateFrame) next = NULL;
  g_auto (Outcome) other = { 0 };
  g_autoptr (PyIsolateCall) second = pyisolate_call_new ("next");

  played_start (played, call, timeout, NULL, &outcome);
  played_finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  g_assert_nonnull (strstr (outcome.error->message, "slow"));
  g_assert_nonnull (strstr (outcome.error->message, "sums"));

  /* The worker is told, in any case, and its late answer is no fault. */
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  cancel = played_take (played, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, frame->id);
  played_send (played, link_frame_return (frame->id, "late"));
  played_start (played, second, -1, NULL, &other);
  next = played_take (played, PYISOLATE_FRAME_CALL);
  played_send (played, link_frame_return (next->id, "in time"));
  played_finish (&other);
  g_assert_no_error (other.error);
  g_assert_cmpuint (outcome.n_ends, ==, 1);
}

static void
test_deadline (LinkKind kind)
{
  check_deadline (kind, 20);
}

/* Over before it began: still in this order. */
static void
test_deadline_at_once (LinkKind kind)
{
  for (guint i = 0; i < 50; i++)
    check_deadline (kind, 0);
}

static void
test_deadline_not_reached (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("quick");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  played_start (played, call, G_MAXINT64, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  played_send (played, link_frame_return (frame->id, "done"));
  played_finish (&outcome);
  g_assert_no_error (outcome.error);
}

static gpointer
cancel_it (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

static void
check_cancel (LinkKind kind,
              gboolean from_thread)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("slow");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;

  played_start (played, call, -1, cancellable, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  if (from_thread)
    g_thread_join (g_thread_new ("cancel", cancel_it, cancellable));
  else
    g_cancellable_cancel (cancellable);
  g_assert_cmpuint (outcome.n_ends, ==, 0);
  played_finish (&outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  cancel = played_take (played, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, frame->id);

  /* Again, and with the answer on its way. */
  played_send (played, link_frame_return (frame->id, "late"));
  g_cancellable_reset (cancellable);
  g_cancellable_cancel (cancellable);
  g_assert_cmpuint (outcome.n_ends, ==, 1);
}

static void
test_cancel (LinkKind kind)
{
  check_cancel (kind, FALSE);
  check_cancel (kind, TRUE);
}

static void
test_cancelled_before (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("never");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };

  g_cancellable_cancel (cancellable);
  played_start (played, call, -1, cancellable, &outcome);
  played_finish (&outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (link_box_count (played->pair->worker.box), ==, 0);
}

static void
test_cancel_after_answer (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("quick");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  played_start (played, call, -1, cancellable, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  played_send (played, link_frame_return (frame->id, "done"));
  played_finish (&outcome);
  g_cancellable_cancel (cancellable);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.n_ends, ==, 1);
}

typedef struct {
  Played *played;
  guint number;
} Caller;

/* Answers, deadlines and cancellations race; each call has one end. */
static gpointer
call_many (gpointer data)
{
  Caller *caller = data;

  for (guint i = 0; i < N_PER_THREAD; i++)
    {
      g_autoptr (PyIsolateCall) call = pyisolate_call_new ("race");
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_auto (Outcome) outcome = { 0 };
      GThread *canceller = NULL;
      gint64 timeout = (i + caller->number) % 3 == 1 ? (gint64) i % 2 : -1;

      if ((i + caller->number) % 3 == 0)
        canceller = g_thread_new ("cancel", cancel_it, cancellable);
      played_call_blocking (caller->played, call, timeout, cancellable, &outcome);
      g_clear_pointer (&canceller, g_thread_join);
      g_assert_cmpuint (outcome.n_ends, ==, 1);
      if (outcome.error != NULL && !g_error_matches (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
    }
  return NULL;
}

static void
test_races (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  Caller callers[N_THREADS];
  GThread *threads[N_THREADS];

  link_side_set_hook (&played->pair->worker, played_answer_at_once, NULL);
  for (guint i = 0; i < N_THREADS; i++)
    {
      callers[i] = (Caller) { played, i };
      threads[i] = g_thread_new ("caller", call_many, &callers[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (played->pair->host.box->n_ends, ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  played_test_init (&argc, &argv);
  link_test_add ("operation-cancel", "deadline", test_deadline);
  link_test_add ("operation-cancel", "deadline-at-once", test_deadline_at_once);
  link_test_add ("operation-cancel", "deadline-not-reached", test_deadline_not_reached);
  link_test_add ("operation-cancel", "cancel", test_cancel);
  link_test_add ("operation-cancel", "cancelled-before", test_cancelled_before);
  link_test_add ("operation-cancel", "cancel-after-answer", test_cancel_after_answer);
  link_test_add ("operation-cancel", "races", test_races);
  return g_test_run ();
}
