/* SPDX-License-Identifier: MIT */
/* A worker's life with plain functions: hello, ready, calls, stop. */
#include "config.h"

#include "worker-fixture.h"

static void
test_call (const char *python)
{
  Worker *worker = worker_new (python, "plain.py");

  worker_assert_result (worker, "add", "<int64 1>, <int64 41>", "42");
  worker_assert_result (worker, "add", "<int64 1>", "3");
  worker_assert_answer (worker, worker_call_full (worker, "", "add", "<int64 1>", "'b': <int64 5>", NULL, 0), "6");
  worker_assert_result (worker, "echo", "<'text'>", "'text'");
  worker_assert_result (worker, "where", "", "true");
  worker_assert_result (worker, "about", "", "[<'test'>, <true>]");

  worker_finish (worker);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("life/call", test_call);

  return g_test_run ();
}
