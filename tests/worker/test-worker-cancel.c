/* SPDX-License-Identifier: MIT */
/* Cancelling what does not end by itself, and what a busy Python must not hinder. */
#include "config.h"

#include "worker-fixture.h"

#include <stdlib.h>

/* On a machine with other things to do one in several must be that fast, and none slower than
 * the other. */
#define SOON_US (100 * G_TIME_SPAN_MILLISECOND)
#define LATE_US (5 * G_TIME_SPAN_SECOND)

static void
wait_begun (Worker *worker)
{
  g_autoptr (PyIsolateFrame) event = worker_wait_kind (worker, PYISOLATE_FRAME_EVENT);

  g_assert_cmpstr (event->name, ==, "begun");
}

/* How long it took. */
static gint64
cancel_call (Worker  *worker,
             guint64  id)
{
  gint64 begin = g_get_monotonic_time ();
  g_autoptr (PyIsolateFrame) answer = NULL;
  gint64 elapsed;

  worker_cancel (worker, id);
  answer = worker_wait (worker, id);
  elapsed = g_get_monotonic_time () - begin;
  g_assert_cmpint (elapsed, <, LATE_US);
  worker_assert_error (answer, PYISOLATE_ERROR_FAILED, "cancelled");

  return elapsed;
}

static void
test_busy (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  gint64 fastest[2] = { G_MAXINT64, G_MAXINT64 };

  for (guint i = 0; i < 10; i++)
    {
      guint64 id = worker_call (worker, i % 2 ? "busy" : "sleep", "");
      gint64 elapsed;

      wait_begun (worker);
      elapsed = cancel_call (worker, id);
      fastest[i % 2] = MIN (fastest[i % 2], elapsed);
      worker_assert_result (worker, "quick", "", "1");
    }
  g_assert_cmpint (fastest[0], <, SOON_US);
  g_assert_cmpint (fastest[1], <, SOON_US);

  worker_finish (worker);
}

/* The signal comes when nobody looks for it any more, and before there is anything to interrupt. */
static void
test_between (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 id = worker_call (worker, "compute_and_sleep", "<0.5>");

  wait_begun (worker);
  cancel_call (worker, id);
  worker_assert_result (worker, "quick", "", "1");

  worker_finish (worker);
}

static void
test_caught (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 id = worker_call (worker, "catch", "");

  wait_begun (worker);
  worker_cancel (worker, id);
  worker_assert_answer (worker, id, "'too late'");
  id = worker_call (worker, "catch_and_go_on", "");
  wait_begun (worker);
  worker_cancel (worker, id);
  worker_cancel (worker, id);
  worker_assert_answer (worker, id, "'went on'");
  worker_assert_result (worker, "get_seen", "", "['caught', 'told']");

  /* Neither who has been told nor the call after it is interrupted once more. */
  id = worker_call (worker, "catch_and_listen", "");
  wait_begun (worker);
  worker_cancel (worker, id);
  worker_assert_answer (worker, id, "0");
  worker_assert_result (worker, "listen", "", "0");

  worker_finish (worker);
}

static void
test_queued (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 running = worker_call (worker, "busy", "");
  guint64 queued = worker_call (worker, "catch", "");
  guint64 next = worker_call (worker, "quick", "");

  wait_begun (worker);
  cancel_call (worker, queued);
  cancel_call (worker, running);
  worker_assert_answer (worker, next, "1");
  worker_assert_result (worker, "get_seen", "", "[]");

  worker_finish (worker);
}

static void
test_unknown (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 id = worker_call (worker, "quick", "");

  worker_assert_answer (worker, id, "1");
  worker_cancel (worker, id);
  worker_cancel (worker, 1000000);
  worker_assert_result (worker, "quick", "", "1");

  worker_finish (worker);
}

/* A hundred cancellations race with the ends of their calls: none hits the call after it. */
static void
test_race (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");

  for (guint i = 0; i < 100; i++)
    {
      guint64 first = worker_call (worker, "quick", "");
      guint64 second = worker_call (worker, "quick", "");
      g_autoptr (PyIsolateFrame) answer = NULL;

      worker_cancel (worker, first);
      answer = worker_wait (worker, first);
      if (answer->kind == PYISOLATE_FRAME_ERROR)
        worker_assert_error (answer, PYISOLATE_ERROR_FAILED, "cancelled");
      worker_assert_answer (worker, second, "1");
    }

  worker_finish (worker);
}

static void
test_waiting (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 id = worker_call (worker, "waiting", "");
  guint64 silent = worker_wait_silent (worker);
  g_autoptr (PyIsolateFrame) cancel = NULL;

  cancel_call (worker, id);
  cancel = worker_wait_kind (worker, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, silent);
  worker_answer (worker, silent, "'too late'");
  worker_assert_result (worker, "get_seen", "", "['no longer waiting']");

  worker_finish (worker);
}

static void
test_own_loop (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 id = worker_call (worker, "waiting_in_own_loop", "");
  guint64 silent = worker_wait_silent (worker);
  g_autoptr (PyIsolateFrame) cancel = NULL;

  cancel_call (worker, id);
  cancel = worker_wait_kind (worker, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, silent);
  worker_assert_result (worker, "get_seen", "", "['CallCancelled']");
  worker_answer (worker, silent, "'too late'");
  worker_assert_result (worker, "quick", "", "1");

  worker_finish (worker);
}

/* outer() waits for the host, which calls busy() meanwhile, in the same thread. */
static void
test_nested (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 outer = worker_call (worker, "outer", "<'busy'>");
  g_autoptr (PyIsolateFrame) cancel = NULL;
  g_autoptr (PyIsolateFrame) answer = NULL;
  guint64 inner = outer + 1; /* the fixture numbers its calls in turn */

  wait_begun (worker);
  worker_cancel (worker, outer);
  cancel = worker_wait_kind (worker, PYISOLATE_FRAME_CANCEL);
  worker_cancel (worker, inner);
  answer = worker_wait (worker, outer);
  worker_assert_error (answer, PYISOLATE_ERROR_FAILED, "cancelled");
  worker_assert_result (worker, "get_seen", "", "['outer cancelled']");

  worker_finish (worker);
}

static void
test_other_threads (const char *python)
{
  static const char * const methods[] = { "busy", "busy_in_pool", "sleepy" };
  gint64 fastest[G_N_ELEMENTS (methods)] = { G_MAXINT64, G_MAXINT64, G_MAXINT64 };
  Worker *worker = worker_new (python, "mixed.py");

  for (guint i = 0; i < 3 * G_N_ELEMENTS (methods); i++)
    {
      guint kind = i % G_N_ELEMENTS (methods);
      guint64 id = worker_call (worker, methods[kind], "");
      gint64 elapsed;

      worker_assert_result (worker, "coroutine", "", "'main'");
      elapsed = cancel_call (worker, id);
      fastest[kind] = MIN (fastest[kind], elapsed);
      worker_assert_result (worker, "function", "", "'pyisolate-second'");
    }
  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    g_assert_cmpint (fastest[i], <, SOON_US);

  worker_finish (worker);
}

static int
compare_times (gconstpointer a,
               gconstpointer b)
{
  return *(const gint64 *) a < *(const gint64 *) b ? -1 : 1;
}

/* Every ping comes back before the call in C has ended. */
static void
test_ping (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 id = worker_call (worker, "hold_gil", "<1.5>");
  gint64 times[20];

  wait_begun (worker);
  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      gint64 begin = g_get_monotonic_time ();
      guint64 ping = worker_call_full (worker, "org.pyisolate.Worker", "Ping", "", "", NULL, 0);

      worker_assert_answer (worker, ping, "'/pyisolate/None'");
      times[i] = g_get_monotonic_time () - begin;
    }
  g_assert_cmpuint (worker_get_seen (worker)->len, ==, 0);
  qsort (times, G_N_ELEMENTS (times), sizeof *times, compare_times);
  g_assert_cmpint (times[G_N_ELEMENTS (times) / 2], <, 50 * G_TIME_SPAN_MILLISECOND);
  worker_assert_answer (worker, id, "true");

  worker_finish (worker);
}

static void
test_stop (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 running = worker_call (worker, "busy", "");
  guint64 queued = worker_call (worker, "quick", "");
  guint64 late;
  guint64 stop;
  g_autoptr (PyIsolateFrame) first = NULL;
  g_autoptr (PyIsolateFrame) second = NULL;
  g_autoptr (PyIsolateFrame) third = NULL;

  wait_begun (worker);
  stop = worker_call_full (worker, "org.pyisolate.Worker", "Stop", "", "", NULL, 0);
  late = worker_call (worker, "quick", "");
  first = worker_wait (worker, running);
  worker_assert_error (first, PYISOLATE_ERROR_NOT_RUNNING, "*stopped*");
  second = worker_wait (worker, queued);
  worker_assert_error (second, PYISOLATE_ERROR_NOT_RUNNING, "*stopped*");
  third = worker_wait (worker, late);
  worker_assert_error (third, PYISOLATE_ERROR_NOT_RUNNING, "*stopped*");
  worker_assert_answer (worker, stop, "'/pyisolate/None'");
  g_assert_cmpint (worker_wait_exit (worker), ==, 0);

  worker_free (worker);
}

static void
test_own_signals (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");

  worker_assert_result (worker, "alarm", "", "'/pyisolate/None'");
  worker_wait_output (worker, "RuntimeError: from a handler");
  worker_assert_result (worker, "quick", "", "1");

  worker_finish (worker);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("cancel/busy", test_busy);
  worker_add_test ("cancel/between", test_between);
  worker_add_test ("cancel/caught", test_caught);
  worker_add_test ("cancel/queued", test_queued);
  worker_add_test ("cancel/unknown", test_unknown);
  worker_add_test ("cancel/race", test_race);
  worker_add_test ("cancel/waiting", test_waiting);
  worker_add_test ("cancel/own-loop", test_own_loop);
  worker_add_test ("cancel/nested", test_nested);
  worker_add_test ("cancel/other-threads", test_other_threads);
  worker_add_test ("cancel/ping", test_ping);
  worker_add_test ("cancel/stop", test_stop);
  worker_add_test ("cancel/own-signals", test_own_signals);

  return g_test_run ();
}
