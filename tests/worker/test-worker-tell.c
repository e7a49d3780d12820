/* SPDX-License-Identifier: MIT */
/* What an extension tells beside its results, and its children that must not. */
#include "config.h"

#include "worker-fixture.h"

static void
expect_event (Worker     *worker,
              guint64     id,
              const char *name,
              const char *value)
{
  /* What belongs to no call has no order with answers. */
  g_autoptr (PyIsolateFrame) frame = id != 0 ? worker_next (worker)
                                             : worker_wait_kind (worker, PYISOLATE_FRAME_EVENT);
  g_autofree char *text = worker_print (frame->body, PYISOLATE_BODY_VALUE);

  g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_EVENT);
  g_assert_cmpuint (frame->id, ==, id);
  g_assert_cmpstr (frame->name, ==, name);
  g_assert_cmpstr (text, ==, value);
}

static void
expect_progress (Worker     *worker,
                 guint64     id,
                 const char *body)
{
  g_autoptr (PyIsolateFrame) frame = worker_next (worker);
  g_autofree char *text = worker_print (frame->body, PYISOLATE_BODY_PROGRESS);

  g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_PROGRESS);
  g_assert_cmpuint (frame->id, ==, id);
  g_assert_cmpstr (text, ==, body);
}

static void
expect_log (Worker     *worker,
            const char *pattern)
{
  g_autoptr (PyIsolateFrame) frame = worker_wait_kind (worker, PYISOLATE_FRAME_LOG);
  g_autofree char *text = worker_print (frame->body, PYISOLATE_BODY_LOG);

  if (!g_pattern_match_simple (pattern, text))
    g_error ("%s does not match %s", text, pattern);
}

static void
test_order (const char *python)
{
  Worker *worker = worker_new (python, "tell.py");
  guint64 id = worker_call (worker, "events", "");
  g_autoptr (PyIsolateFrame) answer = NULL;

  expect_event (worker, id, "first", "1");
  expect_progress (worker, id, "(0.25, 'a quarter')");
  expect_event (worker, id, "second", "{'a': <[int64 1, 2]>}");
  expect_progress (worker, id, "(1.0, '')");
  answer = worker_next (worker);
  g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_RETURN);
  g_assert_cmpuint (answer->id, ==, id);

  worker_finish (worker);
}

static void
test_outside_of_calls (const char *python)
{
  Worker *worker = worker_new (python, "tell.py");
  g_autoptr (PyIsolateRemoteException) bad = NULL;

  worker_call (worker, "event_from_thread", "");
  expect_event (worker, 0, "outside", "'/pyisolate/None'");
  worker_assert_result (worker, "progress_from_thread", "",
                        "['pyisolate.progress() tells of a call, and no call is running here']");
  bad = worker_assert_raises (worker, "bad_event", "", "TypeError", "*object*");
  worker_assert_result (worker, "long_event_names", "",
                        "['A name or message of 70000000 bytes cannot travel', "
                        "'A name or message of 70000000 bytes cannot travel']");

  worker_finish (worker);
}

/* What a second thread tells while the first one answers is a part of the call, before its answer, or of none. */
static void
test_beside_answer (const char *python)
{
  Worker *worker = worker_new (python, "tell.py");
  const char *const sizes[] = { "<int64 10>", "<int64 20000>", "<int64 50000>" };

  for (guint i = 0; i < 60; i++)
    {
      guint64 id = worker_call (worker, "event_beside_answer", sizes[i % G_N_ELEMENTS (sizes)]);
      gboolean answered = FALSE;
      gboolean told = FALSE;

      while (!answered || !told)
        {
          g_autoptr (PyIsolateFrame) frame = worker_next (worker);

          if (frame->kind == PYISOLATE_FRAME_RETURN)
            {
              g_assert_cmpuint (frame->id, ==, id);
              answered = TRUE;
              continue;
            }
          g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_EVENT);
          g_assert_true (frame->id == 0 || (frame->id == id && !answered));
          told = TRUE;
        }
    }

  worker_finish (worker);
}

static void
test_log (const char *python)
{
  Worker *worker = worker_new (python, "tell.py");
  g_autofree char *output = NULL;

  worker_assert_result (worker, "log", "", "'/pyisolate/None'");
  expect_log (worker, "(30, 'tell.tale', 'shown warning')");
  expect_log (worker, "(40, 'root', 'by the root')");
  worker_assert_result (worker, "log_exception", "", "'/pyisolate/None'");
  expect_log (worker, "(40, 'tell.tale', 'it failed\\nTraceback*ZeroDivisionError*");
  worker_assert_result (worker, "log_odd", "", "'/pyisolate/None'");
  expect_log (worker, "(30, 'tell.tale', 'a\\\\x00b\\\\ud800')");
  worker_assert_result (worker, "log_bad", "", "'/pyisolate/None'");
  worker_wait_output (worker, "--- Logging error ---");
  worker_assert_result (worker, "configure", "", "'/pyisolate/None'");
  expect_log (worker, "(20, 'tell.tale', 'shown by now')");

  worker_finish (worker);
}

static void
test_log_from_threads (const char *python)
{
  Worker *worker = worker_new (python, "tell.py");

  worker_assert_result (worker, "log_from_threads", "", "'/pyisolate/None'");
  for (guint i = 0; i < 200; i++)
    expect_log (worker, "(30, 'tell.tale', 'thread *')");

  worker_finish (worker);
}

static void
test_output (const char *python)
{
  Worker *worker = worker_new (python, "tell.py");

  worker_assert_result (worker, "write", "", "'/pyisolate/None'");
  worker_wait_output (worker, "printed\nto stderr\nstray bytes \xff\n");
  worker_assert_result (worker, "print_part", "", "'/pyisolate/None'");
  worker_wait_output (worker, "one line\n");

  worker_finish (worker);
}

static void
test_forks (const char *python)
{
  Worker *worker = worker_new (python, "forks.py");

  worker_assert_result (worker, "fork_and_return", "", "0");
  worker_assert_result (worker, "fork_and_close", "", "0");
  worker_assert_result (worker, "fork_and_raise", "", "1");
  worker_wait_output (worker, "ValueError: in the child");
  worker_assert_result (worker, "fork_and_use_link", "",
                        "'The link to the host belongs to the worker; "
                        "a process that it forked has none'");
  worker_wait_output (worker, "logged by the child");
  worker_assert_result (worker, "fork_and_end", "", "[5, 5]");
  worker_assert_result (worker, "fork_holds_link", "", "0");
  worker_assert_result (worker, "pool", "<'fork'>", "[<[int64 1, 4, 9]>, <true>]");

  worker_finish (worker);
}

static void
test_fork_in_coroutine (const char *python)
{
  Worker *worker = worker_new (python, "forks_async.py");

  worker_assert_result (worker, "fork_and_await", "", "7");
  worker_assert_result (worker, "fork_and_await", "", "7");

  worker_finish (worker);
}

/* What was answered before is the parent's to send, and what was called after it the parent's to answer. */
static void
test_fork_between (const char *python)
{
  Worker *worker = worker_new (python, "forks_async.py");
  guint64 calls[3];

  worker_cork (worker);
  calls[0] = worker_call (worker, "get_zero", "");
  calls[1] = worker_call (worker, "fork_and_await", "");
  calls[2] = worker_call (worker, "get_zero", "");
  worker_uncork (worker);
  worker_assert_answer (worker, calls[0], "0");
  worker_assert_answer (worker, calls[2], "0");
  worker_assert_answer (worker, calls[1], "7");
  worker_assert_result (worker, "get_zero", "", "0");

  worker_finish (worker);
}

static void
test_spawned_children (const char *python)
{
  Worker *worker = worker_new (python, "forks.py");

  worker_assert_result (worker, "pool", "<'spawn'>", "[<[int64 1, 4, 9]>, <true>]");
  worker_assert_result (worker, "about_child", "<'spawn'>", "[true, true]");
  worker_assert_result (worker, "about_child", "<'forkserver'>", "[true, true]");

  worker_finish (worker);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("tell/order", test_order);
  worker_add_test ("tell/outside-of-calls", test_outside_of_calls);
  worker_add_test ("tell/beside-answer", test_beside_answer);
  worker_add_test ("tell/log", test_log);
  worker_add_test ("tell/log-from-threads", test_log_from_threads);
  worker_add_test ("tell/output", test_output);
  worker_add_test ("children/forks", test_forks);
  worker_add_test ("children/fork-in-coroutine", test_fork_in_coroutine);
  worker_add_test ("children/fork-between", test_fork_between);
  worker_add_test ("children/spawned", test_spawned_children);

  return g_test_run ();
}
