/* SPDX-License-Identifier: MIT */
/* Coroutines, and defs beside them. */
#include "config.h"

#include "worker-fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_epoll_pwait2
#define PWAIT2 SYS_epoll_pwait2
#else
#define PWAIT2 441
#endif

static void
assert_runs_on (Worker     *worker,
                const char *method,
                const char *expected)
{
  g_autoptr (GVariant) dict = worker_dup_method (worker, method);
  const char *runs_on;

  g_assert_true (g_variant_lookup (dict, "runs_on", "&s", &runs_on));
  g_assert_cmpstr (runs_on, ==, expected);
}

static void
test_coroutines (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  g_autoptr (PyIsolateRemoteException) wrong = NULL;
  g_autoptr (PyIsolateRemoteException) stream = NULL;

  worker_assert_result (worker, "add", "<int64 1>, <int64 2>", "3");
  worker_assert_result (worker, "sleep_and_add", "<int64 1>, <int64 2>", "3");
  worker_assert_result (worker, "get_imported_with", "", "'a loop of its own'");
  worker_assert_result (worker, "on_main", "", "true");
  worker_assert_result (worker, "gathered", "<int64 3>", "[0, 2, 4]");
  worker_assert_result (worker, "wrapped", "<int64 5>", "5");
  worker_assert_result (worker, "in_thread", "<int64 6>", "6");
  exception = worker_assert_raises (worker, "leave", "", "SystemExit", "4");
  wrong = worker_assert_raises (worker, "add", "<int64 1>", "TypeError", "add()*'b'*");
  stream = worker_assert_raises (worker, "stream", "", "TypeError", "stream()*generator*");
  worker_assert_result (worker, "in_background", "", "'/pyisolate/None'");
  worker_assert_result (worker, "add", "<int64 1>, <int64 2>", "3");
  worker_wait_output (worker, "SystemExit: 3");

  worker_finish (worker);
}

/* What asyncio imports for TLS is executed by who looks into it first, in any way. */
static void
test_tls (const char *python)
{
  Worker *worker = worker_new (python, "tls.py");

  worker_assert_result (worker, "unused", "", "[<'1'>, <'LazyModule'>, <'LazyModule'>, <'ssl'>, <false>]");
  worker_assert_result (worker, "many_look", "", "[<int64 8>, <'module'>, <true>]");
  worker_assert_result (worker, "talk", "<'hello'>", "'HELLO'");
  worker_finish (worker);

  worker = worker_new (python, "tls.py");
  worker_assert_result (worker, "set_in_it", "", "['module', 'own', 'OSError']");
  worker_finish (worker);

  worker = worker_new (python, "tls.py");
  worker_assert_result (worker, "talk", "<'hello'>", "'HELLO'");
  worker_finish (worker);
}

/* What a task is to the code in it, from the first step on. */
static void
test_task (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");

  worker_assert_result (worker, "in_task", "", "[<true>, <true>, <'in_task'>]");
  worker_assert_result (worker, "with_timeout", "", "'timed out'");
  if (worker_python_is_at_least (python, 11))
    {
      worker_assert_result (worker, "with_timeout_block", "", "'timed out'");
      worker_assert_result (worker, "with_group", "", "[0, 2, 4, 6, 8]");
    }

  worker_finish (worker);
}

/* What it is while the host is called. */
static void
test_awaiting (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  g_autoptr (PyIsolateRemoteException) cancelled = NULL;
  g_autoptr (PyIsolateRemoteException) left = NULL;

  worker_assert_result (worker, "awaits_as_a_task", "",
                        "[<true>, <'mine'>, <[<int64 0>, <int64 1>, <int64 2>, <(int64 1, (int64 2, int64 3))>]>, <true>]");
  worker_assert_result (worker, "uses_generator", "", "[<[int64 0, 1, 2]>, <'closed'>]");
  worker_assert_result (worker, "gives_up", "",
                        "[<'timed out'>, <'cancelled'>, <'shielded'>, <['x']>]");
  worker_assert_result (worker, "ends_otherwise", "", "['closed', 'thrown']");
  worker_assert_result (worker, "is_cancelled_with_message", "", "['enough']");
  worker_assert_result (worker, "sub_task_inherits", "", "['inherited', 'sub']");
  worker_assert_result (worker, "answers_in_turn", "", "['before', 'answered']");
  cancelled = worker_assert_raises (worker, "cancels_itself", "",
                                    "asyncio.exceptions.CancelledError", "");
  left = worker_assert_raises (worker, "fails_later", "", "SystemExit", "5");
  worker_assert_result (worker, "add", "<int64 1>, <int64 2>", "3");

  worker_finish (worker);
}

static void
test_contexts (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");

  worker_assert_result (worker, "count_up", "", "1");
  worker_assert_result (worker, "count_up", "", "1");

  worker_finish (worker);
}

static void
test_concurrent (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  guint64 ids[32];

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    ids[i] = worker_call (worker, "wait_at_gate", "");
  worker_assert_result (worker, "open_gate", "", "'/pyisolate/None'");
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    worker_assert_answer (worker, ids[i], "'passed'");

  worker_finish (worker);
}

/* The first step of each runs when the call is read, in order. */
static void
test_first_step (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  guint64 id = worker_call (worker, "first_step", "<'a'>");

  worker_assert_answer (worker, id, "'/pyisolate/None'");
  worker_assert_result (worker, "get_steps", "", "['a 1', 'a 2']");

  worker_finish (worker);
}

static void
test_singletons (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  g_autoptr (PyIsolateRemoteException) exception = NULL;

  worker_assert_result (worker, "echo_twice", "<'x'>", "['x', 'x']");
  exception = worker_assert_raises (worker, "ask", "<'fail'>", "pyisolate.RemoteError",
                                    "No such thing");

  worker_finish (worker);
}

static void
test_cancel (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  guint64 id = worker_call (worker, "cleanup", "");
  g_autoptr (PyIsolateFrame) answer = NULL;
  g_autoptr (PyIsolateFrame) asking = NULL;
  g_autoptr (PyIsolateFrame) cancelled = NULL;
  guint64 silent;

  worker_assert_result (worker, "get_steps", "", "[]");
  worker_cancel (worker, id);
  answer = worker_wait (worker, id);
  worker_assert_error (answer, PYISOLATE_ERROR_FAILED, "cancelled");
  worker_assert_result (worker, "get_steps", "", "['cleaned up']");

  /* And what it had called in turn. */
  id = worker_call (worker, "ask", "<'silent'>");
  silent = worker_wait_silent (worker);
  worker_cancel (worker, id);
  cancelled = worker_wait_kind (worker, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancelled->id, ==, silent);
  asking = worker_wait (worker, id);
  worker_assert_error (asking, PYISOLATE_ERROR_FAILED, "cancelled");
  worker_answer (worker, silent, "'too late'");

  worker_finish (worker);
}

static void
test_stubborn (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  guint64 id = worker_call (worker, "stubborn", "");

  worker_assert_result (worker, "on_main", "", "true");
  worker_cancel (worker, id);
  worker_assert_answer (worker, id, "'not me'");

  worker_finish (worker);
}

static void
test_stop_cancels (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  guint64 running = worker_call (worker, "cleanup", "");
  guint64 stop;
  g_autoptr (PyIsolateFrame) answer = NULL;

  worker_assert_result (worker, "on_main", "", "true");
  stop = worker_call_full (worker, "org.pyisolate.Worker", "Stop", "", "", NULL, 0);
  worker_assert_answer (worker, stop, "'/pyisolate/None'");
  answer = worker_wait (worker, running);
  worker_assert_error (answer, PYISOLATE_ERROR_NOT_RUNNING, "*stopped*");
  g_assert_cmpint (worker_wait_exit (worker), ==, 0);

  worker_free (worker);
}

static void
test_mixed_homes (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");

  assert_runs_on (worker, "coroutine", "main");
  assert_runs_on (worker, "inline", "main");
  assert_runs_on (worker, "function", "second");
  assert_runs_on (worker, "threaded", "pool");
  worker_assert_result (worker, "coroutine", "", "'main'");
  worker_assert_result (worker, "inline", "", "'main'");
  worker_assert_result (worker, "function", "", "'pyisolate-second'");
  worker_assert_result (worker, "threaded", "", "'pyisolate-pool-1'");

  worker_finish (worker);
}

/* A def that blocks stalls no coroutine; two of the pool run at once. */
static void
test_mixed_side_by_side (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");
  guint64 blocked = worker_call (worker, "block", "");
  guint64 waiting = worker_call (worker, "function", "");
  guint64 first = worker_call (worker, "meet", "");
  guint64 second = worker_call (worker, "meet", "");

  worker_assert_result (worker, "add", "<int64 1>, <int64 2>", "3");
  worker_assert_answer (worker, first, "'met'");
  worker_assert_answer (worker, second, "'met'");
  worker_assert_result (worker, "unblock", "", "'/pyisolate/None'");
  worker_assert_answer (worker, blocked, "'released'");
  worker_assert_answer (worker, waiting, "'pyisolate-second'");

  worker_finish (worker);
}

/* What is for other threads reaches them while the main thread is in somebody's code. */
static void
test_busy_main_thread (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");
  guint64 held = worker_call (worker, "hold", "");

  worker_assert_result (worker, "let_main_go", "<'x'>", "'x'");
  worker_assert_answer (worker, held, "true");

  worker_finish (worker);
}

/* So does what the main thread has left in its lane, as it had read enough for one turn. */
static void
test_left_by_main_thread (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");
  guint64 others[30];
  guint64 held, letting;

  g_assert_no_errno (kill (worker_get_pid (worker), SIGSTOP));
  held = worker_call (worker, "hold", "");
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    others[i] = worker_call (worker, "add", "<int64 1>, <int64 2>");
  letting = worker_call (worker, "let_main_go", "<'x'>");
  g_assert_no_errno (kill (worker_get_pid (worker), SIGCONT));

  worker_assert_answer (worker, letting, "'x'");
  worker_assert_answer (worker, held, "true");
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    worker_assert_answer (worker, others[i], "3");

  worker_finish (worker);
}

static void
test_loop_inside_def (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");

  worker_assert_result (worker, "inline_runs_a_loop", "<int64 4>", "8");
  worker_assert_result (worker, "second_runs_a_loop", "<int64 4>", "8");
  worker_assert_result (worker, "add", "<int64 1>, <int64 2>", "3");

  worker_finish (worker);
}

/* A timer is not put off until the next millisecond, where the kernel waits by less. */
static void
test_short_sleeps (const char *python)
{
  Worker *worker;

  if (syscall (PWAIT2, -1, NULL, 0, NULL, NULL, (gsize) 0) < 0 && errno == ENOSYS)
    {
      g_test_skip ("the kernel has no epoll_pwait2()");
      return;
    }

  worker = worker_new (python, "asynchronous.py");
  worker_assert_result (worker, "naps", "", "[true, true]");
  worker_finish (worker);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("asyncio/coroutines", test_coroutines);
  worker_add_test ("asyncio/task", test_task);
  worker_add_test ("asyncio/awaiting", test_awaiting);
  worker_add_test ("asyncio/contexts", test_contexts);
  worker_add_test ("asyncio/tls", test_tls);
  worker_add_test ("asyncio/concurrent", test_concurrent);
  worker_add_test ("asyncio/first-step", test_first_step);
  worker_add_test ("asyncio/short-sleeps", test_short_sleeps);
  worker_add_test ("asyncio/singletons", test_singletons);
  worker_add_test ("asyncio/cancel", test_cancel);
  worker_add_test ("asyncio/stubborn", test_stubborn);
  worker_add_test ("asyncio/stop-cancels", test_stop_cancels);
  worker_add_test ("mixed/homes", test_mixed_homes);
  worker_add_test ("mixed/side-by-side", test_mixed_side_by_side);
  worker_add_test ("mixed/busy-main-thread", test_busy_main_thread);
  worker_add_test ("mixed/left-by-main-thread", test_left_by_main_thread);
  worker_add_test ("mixed/loop-inside-def", test_loop_inside_def);

  return g_test_run ();
}
