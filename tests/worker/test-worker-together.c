/* SPDX-License-Identifier: MIT */
/* Calls that came in one message: their answers go together, but nobody waits for one that is there. */
#include "config.h"

#include "worker-fixture.h"

/* Two calls in one message: the second has a singleton call it back, and waits for that. */
static void
check_call_back (const char *python,
                 const char *method,
                 const char *args)
{
  Worker *worker = worker_new (python, "mixed.py");
  guint64 before, calling;

  worker_cork (worker);
  before = worker_call (worker, "coroutine", "");
  calling = worker_call (worker, method, args);
  worker_uncork (worker);
  worker_assert_answer (worker, before, "'main'");
  worker_assert_answer (worker, calling, "'main'");

  worker_finish (worker);
}

static void
test_inline (const char *python)
{
  check_call_back (python, "inline_call_back", "<'inline'>");
}

static void
test_first_step (const char *python)
{
  check_call_back (python, "sync_call_back", "<'inline'>");
}

/* A def that runs a loop of its own, which waits for no lanes. */
static void
test_own_loop (const char *python)
{
  check_call_back (python, "inline_loop_call_back", "<'inline'>");
}

/* What is answered before a def, and what comes after it. */
static void
test_around_def (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");
  guint64 calls[5];

  worker_cork (worker);
  calls[0] = worker_call (worker, "coroutine", "");
  calls[1] = worker_call (worker, "inline_call_back", "<'inline'>");
  calls[2] = worker_call (worker, "coroutine", "");
  calls[3] = worker_call (worker, "sync_call_back", "<'inline'>");
  calls[4] = worker_call (worker, "coroutine", "");
  worker_uncork (worker);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    worker_assert_answer (worker, calls[i], "'main'");

  worker_finish (worker);
}

/* The second call ends only if the first was answered: a coroutine keeps the thread, and nobody asks it. */
static void
test_kept (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");
  guint64 before, keeping;

  worker_cork (worker);
  before = worker_call (worker, "coroutine", "");
  keeping = worker_call (worker, "hold_in_step", "");
  worker_uncork (worker);
  worker_assert_answer (worker, before, "'main'");
  worker_assert_result (worker, "let_main_go", "<'x'>", "'x'");
  worker_assert_answer (worker, keeping, "true");

  worker_finish (worker);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("together/inline", test_inline);
  worker_add_test ("together/first-step", test_first_step);
  worker_add_test ("together/own-loop", test_own_loop);
  worker_add_test ("together/around-def", test_around_def);
  worker_add_test ("together/kept", test_kept);

  return g_test_run ();
}
