/* SPDX-License-Identifier: MIT */
/* Cancelling what does not end by itself, and what a busy Python must not hinder. */
#include "config.h"

#include "worker-fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* On a machine with other things to do one in several must be that fast, and none slower than
 * the other. */
#define SOON_US (100 * G_TIME_SPAN_MILLISECOND)
#define LATE_US (30 * G_TIME_SPAN_SECOND)

typedef struct {
  Worker *worker;
  const char *method;
} Subject;

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

static gint64
cancel_busy (gconstpointer data)
{
  const Subject *subject = data;
  guint64 id = worker_call (subject->worker, subject->method, "");
  gint64 elapsed;

  wait_begun (subject->worker);
  elapsed = cancel_call (subject->worker, id);
  worker_assert_result (subject->worker, "quick", "", "1");

  return elapsed;
}

static void
test_busy (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  const Subject subjects[] = { { worker, "sleep" }, { worker, "busy" } };

  for (guint i = 0; i < 8; i++)
    cancel_busy (&subjects[i % 2]);
  for (guint i = 0; i < G_N_ELEMENTS (subjects); i++)
    test_util_assert_reaches (cancel_busy, &subjects[i], SOON_US);

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

/* Its call is still being sent, and comes when GDBus's thread has dealt with it. */
static void
test_ahead (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 ping = worker_call_full (worker, "org.pyisolate.Worker", "Ping", "", "", NULL, 0);
  guint64 next = ping + 2; /* the fixture numbers its calls in turn */
  g_autoptr (PyIsolateFrame) answer = NULL;

  worker_cancel (worker, next);
  worker_assert_answer (worker, ping, "'/pyisolate/None'");
  ping = worker_call_full (worker, "org.pyisolate.Worker", "Ping", "", "", NULL, 0);
  worker_assert_answer (worker, ping, "'/pyisolate/None'");
  g_assert_cmpuint (worker_call (worker, "note", ""), ==, next);
  answer = worker_wait (worker, next);
  worker_assert_error (answer, PYISOLATE_ERROR_FAILED, "cancelled");
  worker_assert_result (worker, "get_seen", "", "[]");
  worker_assert_result (worker, "note", "", "1");
  worker_assert_result (worker, "get_seen", "", "['noted']");

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

/* The end gets out of a callback of that loop, too. */
static void
test_beside_tasks (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  guint64 id = worker_call (worker, "busy_beside_tasks", "");

  wait_begun (worker);
  cancel_call (worker, id);
  worker_assert_result (worker, "quick", "", "1");

  worker_finish (worker);
}

static const char *const loop_methods[] = { "on_main", "on_second", "on_pool" };

static void
assert_told (Worker *worker)
{
  worker_assert_result (worker, "take_seen", "", "['CallCancelled']");
}

/* The same of defs on each kind of thread: what is raised in a callback or a task of its loop is no Exception, and ends the def. */
static void
test_own_loops (const char *python)
{
  Worker *worker = worker_new (python, "own_loops.py");

  for (guint i = 0; i < G_N_ELEMENTS (loop_methods); i++)
    {
      static const char *const kinds[] = { "<'callback'>", "<'task'>" };

      for (guint j = 0; j < G_N_ELEMENTS (kinds); j++)
        {
          guint64 id = worker_call (worker, loop_methods[i], kinds[j]);

          wait_begun (worker);
          cancel_call (worker, id);
          assert_told (worker);
        }
    }

  worker_finish (worker);
}

/* Though its loop waits for something that never comes. */
static void
test_own_loops_waiting (const char *python)
{
  Worker *worker = worker_new (python, "own_loops.py");

  for (guint i = 0; i < G_N_ELEMENTS (loop_methods); i++)
    {
      guint64 id = worker_call (worker, loop_methods[i], "<'waiting'>");

      wait_begun (worker);
      if (i > 0)
        worker_assert_result (worker, "waits", "", "'/pyisolate/None'");
      cancel_call (worker, id);
      assert_told (worker);
    }

  worker_finish (worker);
}

/* A callback that is no Python blocks: its loop cannot tell. */
static void
test_own_loops_blocking (const char *python)
{
  Worker *worker = worker_new (python, "own_loops.py");
  guint64 id = worker_call (worker, "on_main", "<'blocking'>");

  wait_begun (worker);
  cancel_call (worker, id);
  assert_told (worker);

  worker_finish (worker);
}

/* It is told while it waits for the host, in a callback. */
static void
test_own_loops_asking (const char *python)
{
  Worker *worker = worker_new (python, "own_loops.py");

  for (guint i = 0; i < G_N_ELEMENTS (loop_methods); i++)
    {
      guint64 id = worker_call (worker, loop_methods[i], "<'asking'>");
      g_autoptr (PyIsolateFrame) cancel = NULL;

      worker_wait_silent (worker);
      cancel_call (worker, id);
      cancel = worker_wait_kind (worker, PYISOLATE_FRAME_CANCEL);
      assert_told (worker);
    }

  worker_finish (worker);
}

/* Wherever in its loop it is. */
static void
test_own_loops_turning (const char *python)
{
  Worker *worker = worker_new (python, "own_loops.py");

  for (guint i = 0; i < 20 * G_N_ELEMENTS (loop_methods); i++)
    {
      guint64 id = worker_call (worker, loop_methods[i % G_N_ELEMENTS (loop_methods)], "<'turning'>");

      wait_begun (worker);
      cancel_call (worker, id);
      assert_told (worker);
    }

  worker_finish (worker);
}

/* It is told when what the host calls meanwhile, in a callback of its loop, has ended. */
static void
test_own_loops_called_back (const char *python)
{
  Worker *worker = worker_new (python, "own_loops.py");

  for (guint i = 0; i < G_N_ELEMENTS (loop_methods); i++)
    {
      guint64 id = worker_call (worker, loop_methods[i], "<'called back'>");
      g_autoptr (PyIsolateFrame) cancel = NULL;
      g_autoptr (PyIsolateFrame) answer = NULL;

      wait_begun (worker);
      worker_cancel (worker, id);
      cancel = worker_wait_kind (worker, PYISOLATE_FRAME_CANCEL);
      worker_cancel (worker, id + 1); /* the fixture numbers its calls in turn */
      answer = worker_wait (worker, id);
      worker_assert_error (answer, PYISOLATE_ERROR_FAILED, "cancelled");
      assert_told (worker);
    }

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

static gint64
cancel_in_thread (gconstpointer data)
{
  const Subject *subject = data;
  guint64 id = worker_call (subject->worker, subject->method, "");
  gint64 elapsed;

  worker_assert_result (subject->worker, "coroutine", "", "'main'");
  elapsed = cancel_call (subject->worker, id);
  worker_assert_result (subject->worker, "function", "", "'pyisolate-second'");

  return elapsed;
}

static void
test_other_threads (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");
  const Subject subjects[] = { { worker, "busy" }, { worker, "busy_in_pool" }, { worker, "sleepy" } };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (subjects); i++)
    cancel_in_thread (&subjects[i % G_N_ELEMENTS (subjects)]);
  for (guint i = 0; i < G_N_ELEMENTS (subjects); i++)
    test_util_assert_reaches (cancel_in_thread, &subjects[i], SOON_US);

  worker_finish (worker);
}

/* It is told again if Python dropped what told it. */
static void
test_swallowed (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  Worker *mixed = worker_new (python, "mixed.py");
  const Subject subjects[] = {
    { worker, "busy_in_finalizer" },
    { mixed, "busy_in_finalizer" },
    { mixed, "busy_in_finalizer_in_pool" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (subjects); i++)
    {
      guint64 id = worker_call (subjects[i].worker, subjects[i].method, "");

      wait_begun (subjects[i].worker);
      cancel_call (subjects[i].worker, id);
    }
  worker_assert_result (worker, "quick", "", "1");
  worker_assert_result (mixed, "function", "", "'pyisolate-second'");

  worker_finish (worker);
  worker_finish (mixed);
}

/* While they wait for the host. */
static void
test_waiting_threads (const char *python)
{
  static const char *const methods[] = { "second_waits", "pool_waits" };
  Worker *worker = worker_new (python, "mixed.py");

  for (guint i = 0; i < 20 * G_N_ELEMENTS (methods); i++)
    {
      guint64 id = worker_call (worker, methods[i % G_N_ELEMENTS (methods)], "");
      guint64 silent = worker_wait_silent (worker);
      g_autoptr (PyIsolateFrame) cancel = NULL;

      cancel_call (worker, id);
      cancel = worker_wait_kind (worker, PYISOLATE_FRAME_CANCEL);
      g_assert_cmpuint (cancel->id, ==, silent);
    }

  worker_finish (worker);
}

static int
compare_times (gconstpointer a,
               gconstpointer b)
{
  return *(const gint64 *) a < *(const gint64 *) b ? -1 : 1;
}

/* The median of some. */
static gint64
ping (gconstpointer data)
{
  Worker *worker = (Worker *) data;
  gint64 times[20];

  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      gint64 begin = g_get_monotonic_time ();
      guint64 ping = worker_call_full (worker, "org.pyisolate.Worker", "Ping", "", "", NULL, 0);

      worker_assert_answer (worker, ping, "'/pyisolate/None'");
      times[i] = g_get_monotonic_time () - begin;
    }
  qsort (times, G_N_ELEMENTS (times), sizeof *times, compare_times);

  return times[G_N_ELEMENTS (times) / 2];
}

/* Every ping comes back though a call in C lets nobody else have the GIL: it ends when all of them are back. */
static void
test_ping (const char *python)
{
  g_autofree char *dir = test_util_tmpdir ();
  g_autofree char *fifo = g_build_filename (dir, "fifo", NULL);
  g_autofree char *args = g_strdup_printf ("<'%s'>", fifo);
  Worker *worker = worker_new (python, "cancel.py");
  guint64 id;
  int fd;

  g_assert_no_errno (mkfifo (fifo, 0600));
  fd = open (fifo, O_RDWR | O_CLOEXEC);
  g_assert_no_errno (fd);
  id = worker_call (worker, "hold_gil", args);
  wait_begun (worker);
  test_util_assert_reaches (ping, worker, 50 * G_TIME_SPAN_MILLISECOND);
  g_assert_cmpuint (worker_get_seen (worker)->len, ==, 0);
  g_assert_cmpint (write (fd, "x", 1), ==, 1);
  worker_assert_answer (worker, id, "1");

  worker_finish (worker);
  close (fd);
  test_util_remove_tree (dir);
}

static void
test_stop (const char *python)
{
  Worker *worker = worker_new (python, "cancel.py");
  g_autofree char *dir = test_util_tmpdir ();
  g_autofree char *sent = g_build_filename (dir, "sent", NULL);
  g_autofree char *args = g_strdup_printf ("<'%s'>", sent);
  guint64 running = worker_call (worker, "busy_until", args);
  guint64 queued = worker_call (worker, "quick", "");
  guint64 late;
  guint64 stop;
  g_autoptr (PyIsolateFrame) first = NULL;
  g_autoptr (PyIsolateFrame) second = NULL;
  g_autoptr (PyIsolateFrame) third = NULL;

  wait_begun (worker);
  stop = worker_call_full (worker, "org.pyisolate.Worker", "Stop", "", "", NULL, 0);
  late = worker_call (worker, "quick", "");
  /* Else it might end before that one is sent. */
  g_assert_true (g_file_set_contents (sent, "", 0, NULL));
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
  worker_add_test ("cancel/ahead", test_ahead);
  worker_add_test ("cancel/race", test_race);
  worker_add_test ("cancel/waiting", test_waiting);
  worker_add_test ("cancel/own-loop", test_own_loop);
  worker_add_test ("cancel/beside-tasks", test_beside_tasks);
  worker_add_test ("cancel/own-loops/beside-tasks", test_own_loops);
  worker_add_test ("cancel/own-loops/waiting", test_own_loops_waiting);
  worker_add_test ("cancel/own-loops/blocking", test_own_loops_blocking);
  worker_add_test ("cancel/own-loops/asking", test_own_loops_asking);
  worker_add_test ("cancel/own-loops/turning", test_own_loops_turning);
  worker_add_test ("cancel/own-loops/called-back", test_own_loops_called_back);
  worker_add_test ("cancel/nested", test_nested);
  worker_add_test ("cancel/other-threads", test_other_threads);
  worker_add_test ("cancel/swallowed", test_swallowed);
  worker_add_test ("cancel/waiting-threads", test_waiting_threads);
  worker_add_test ("cancel/ping", test_ping);
  worker_add_test ("cancel/stop", test_stop);
  worker_add_test ("cancel/own-signals", test_own_signals);

  return g_test_run ();
}
