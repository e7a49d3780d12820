/* SPDX-License-Identifier: MIT */
/* Calls that lead to calls. */
#include "config.h"

#include "worker-fixture.h"

static void
test_singletons (const char *python)
{
  Worker *worker = worker_new (python, "nested.py");
  g_autoptr (PyIsolateRemoteException) fails = NULL;
  g_autoptr (PyIsolateRemoteException) unknown = NULL;
  g_autoptr (PyIsolateRemoteException) method = NULL;
  g_autoptr (PyIsolateRemoteException) value = NULL;

  worker_assert_result (worker, "get_at_import", "", "'imported'");
  worker_assert_result (worker, "echo", "<'x'>", "'x'");
  worker_assert_result (worker, "any_method", "", "5");
  worker_assert_result (worker, "caught", "",
                        "[<'g-io-error-quark'>, <int64 1>, <'No such thing'>, <'No such thing'>]");
  fails = worker_assert_raises (worker, "fail", "", "pyisolate.RemoteError", "No such thing");
  unknown = worker_assert_raises (worker, "unknown_singleton", "", "LookupError",
                                  "*'databas'*`apis`*");
  method = worker_assert_raises (worker, "unknown_method", "", "AttributeError",
                                 "*'host'*'ecko'*'echo'*");
  value = worker_assert_raises (worker, "unencodable", "", "TypeError", "*object*");
  worker_assert_result (worker, "names", "",
                        "[<'Gives it back.'>, <'host.echo'>, <true>, <\"<Proxy of 'host'>\">]");

  worker_finish (worker);
}

/* An object that belongs to the thread in which it was made, at import. */
static void
test_thread_bound (const char *python)
{
  Worker *worker = worker_new (python, "nested.py");

  worker_assert_result (worker, "insert", "<int64 1>", "1");
  worker_assert_result (worker, "insert", "<int64 2>", "2");
  worker_assert_result (worker, "call_back", "<'insert'>, <int64 3>", "3");

  worker_finish (worker);
}

static void
test_depth (const char *python)
{
  Worker *worker = worker_new (python, "nested.py");

  worker_assert_result (worker, "down", "<int64 50>", "50");
  worker_assert_result (worker, "call_back", "<'where'>", "true");
  worker_assert_result (worker, "own_loop_down", "<int64 10>", "10");
  worker_finish (worker);

  worker = worker_new (python, "mixed.py");
  worker_assert_result (worker, "down", "<int64 50>", "50");
  worker_assert_result (worker, "down_async", "<int64 50>", "50");
  worker_assert_result (worker, "zigzag", "<int64 50>", "50");
  worker_assert_result (worker, "pool_down", "<int64 50>", "50");
  worker_assert_result (worker, "own_loop_down", "<int64 10>", "10");
  worker_finish (worker);
}

static void
test_own_threads (const char *python)
{
  Worker *worker = worker_new (python, "nested.py");

  worker_assert_result (worker, "own_thread", "<'x'>", "['x']");
  /* The main thread joins the one that waits: only that one can serve what comes back. */
  worker_assert_result (worker, "own_thread_call_back", "<'where'>", "[false]");

  worker_finish (worker);
}

static void
test_own_loop (const char *python)
{
  Worker *worker = worker_new (python, "nested.py");

  worker_assert_result (worker, "own_loop", "<'x'>", "['x', 'x']");
  worker_assert_result (worker, "own_loop_twice", "<'x'>", "[<['x', 'x']>, <['x', 'x']>]");

  worker_finish (worker);
}

/* What can be answered is, what would wait for itself says so. */
static void
test_sync_on_loop (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");
  g_autoptr (PyIsolateRemoteException) deadlock = NULL;
  g_autoptr (PyIsolateFrame) frame = NULL;

  worker_assert_result (worker, "sync_echo", "<'x'>", "'x'");
  worker_assert_result (worker, "sync_echo_inline", "<'x'>", "'x'");
  worker_assert_result (worker, "sync_call_back", "<'function'>", "'pyisolate-second'");
  worker_assert_result (worker, "sync_call_back", "<'inline'>", "'main'");
  worker_assert_result (worker, "second_call_back", "<'coroutine'>", "'main'");
  worker_assert_result (worker, "second_call_back", "<'function'>", "'pyisolate-second'");
  worker_assert_result (worker, "second_call_back", "<'inline'>", "'main'");
  worker_assert_result (worker, "pool_call_back", "<'function'>", "'pyisolate-second'");
  deadlock = worker_assert_raises (worker, "sync_call_back", "<'coroutine'>", "RuntimeError",
                                   "coroutine()*.sync*await*");
  worker_assert_result (worker, "coroutine", "", "'main'");

  worker_finish (worker);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("nested/singletons", test_singletons);
  worker_add_test ("nested/thread-bound", test_thread_bound);
  worker_add_test ("nested/depth", test_depth);
  worker_add_test ("nested/own-threads", test_own_threads);
  worker_add_test ("nested/own-loop", test_own_loop);
  worker_add_test ("nested/sync-on-loop", test_sync_on_loop);

  return g_test_run ();
}
