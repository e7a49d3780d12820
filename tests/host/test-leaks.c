/* SPDX-License-Identifier: MIT */
/* Loading, calling and stopping, over and over: descriptors, threads and memory do not grow. */
#include "config.h"

#include "singleton-fixture.h"

#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Caches fill in the first ones. */
#define N_WARM 8

/* One object of a cycle that stays would be more than this over all cycles of the long test. */
#define MAX_GROWTH (16 * 1024)

static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

/* What malloc keeps for its threads counts as in use, and fills over hundreds of cycles with what
 * was freed long ago. That cache can be turned off only before a program starts. */
static void
restart_without_caches (char *argv[])
{
  const char *tunables = "glibc.malloc.tcache_count=0";

  if (test_util_is_slowed () || g_strcmp0 (g_getenv ("GLIBC_TUNABLES"), tunables) == 0)
    return;

  g_setenv ("GLIBC_TUNABLES", tunables, TRUE);
  g_setenv ("G_SLICE", "always-malloc", TRUE);
  execv ("/proc/self/exe", argv);
  g_error ("Cannot start again: %s", g_strerror (errno));
}

static gsize
count_bytes (void)
{
  return mallinfo2 ().uordblks;
}

static gboolean
bytes_are_fewer (gpointer data)
{
  return count_bytes () < *(gsize *) data;
}

/* What the last ones had under way is freed within a moment, as their threads end; a leak stays. */
static void
assert_not_grown (gsize n_bytes)
{
  gsize limit = n_bytes + MAX_GROWTH;

  g_test_message ("%" G_GSIZE_FORMAT " bytes, then %" G_GSIZE_FORMAT, n_bytes, count_bytes ());
  if (!test_util_is_slowed ())
    test_util_assert_until (bytes_are_fewer, &limit, HOST_TEST_TIMEOUT_MS);
}

/* A bit of everything. */
static void
use (PyIsolateExtension *extension)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  host_assert_result (extension, "call", "('db', 'echo', 'x')", "'x'");
  host_begin (extension, "call", "('db', 'echo', 'x')", NULL, &result);
  g_variant_unref (host_end (extension, &result));
  host_begin (extension, "call", "('db', 'echo', 'x')", cancellable, &result);
  g_cancellable_cancel (cancellable);
  host_wait_result (&result);
  g_assert_null (pyisolate_extension_call_finish (extension, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  error = host_call_error (extension, "no_such_method", NULL, PYISOLATE_ERROR_NO_SUCH_METHOD);
  g_clear_error (&error);
  error = host_call_error (extension, "call", "('nobody', 'echo')",
                           PYISOLATE_ERROR_REMOTE_EXCEPTION);
  g_assert_true (pyisolate_extension_ping_sync (extension, NULL, NULL));
}

static void
end (HostTest           *test,
     PyIsolateExtension *extension,
     guint               how)
{
  g_autoptr (GError) error = NULL;

  switch (how % 4)
    {
    case 0:
      pyisolate_extension_kill (extension);
      host_wait_state (extension, PYISOLATE_EXTENSION_STATE_FAILED);
      break;

    case 1:
      error = host_call_error (extension, "die", NULL, PYISOLATE_ERROR_DIED);
      break;

    case 2:
      host_test_drop_manager (test);
      break;

    default:
      g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
      break;
    }
}

static void
run_cycle (guint number)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *db = host_add_singleton (test, "db");
  PyIsolateExtension *extension;

  host_add_method (db, "echo", "s", host_on_echo, NULL);
  extension = host_load_with_api (test, "it", "client", "db");
  use (extension);
  end (test, extension, number);
  if (test->manager != NULL && number % 3 == 0)
    {
      extension = host_load_with_api (test, "it", "aclient", "db");
      use (extension);
    }
}

static gboolean
threads_are (gpointer data)
{
  return count_threads () <= *(guint *) data;
}

static gboolean
fds_are (gpointer data)
{
  return test_util_count_fds () <= *(guint *) data;
}

static void
test_cycles (void)
{
  guint n_cycles = host_wants_slow () ? 300 : 30;
  struct rlimit limit;
  rlim_t before;
  guint n_fds = 0;
  guint n_threads = 0;
  gsize n_bytes = 0;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  before = limit.rlim_cur;
  limit.rlim_cur = 128;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);

  for (guint i = 0; i < n_cycles; i++)
    {
      if (i == N_WARM)
        {
          test_util_assert_no_children ();
          n_fds = test_util_count_fds ();
          n_threads = count_threads ();
          n_bytes = count_bytes ();
        }
      run_cycle (i);
    }

  test_util_assert_no_children ();
  g_test_message ("%u fds, then %u; %u threads, then %u", n_fds, test_util_count_fds (), n_threads,
                  count_threads ());
  /* Those of the last cycle are about to be closed. */
  n_fds += 2;
  test_util_assert_until (fds_are, &n_fds, HOST_TEST_TIMEOUT_MS);
  /* Those of pools end when they have had nothing to do for a while. */
  n_threads += 2;
  test_util_assert_until (threads_are, &n_threads, HOST_TEST_TIMEOUT_MS);
  assert_not_grown (n_bytes);

  limit.rlim_cur = before;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
}

/* The same for calls of one extension. */
static void
test_calls (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *db = host_add_singleton (test, "db");
  PyIsolateExtension *extension;
  guint n_calls = host_wants_slow () ? 20000 : test_util_is_slowed () ? 40 : 400;
  gsize n_bytes = 0;

  host_add_method (db, "echo", "s", host_on_echo, NULL);
  extension = host_load_with_api (test, "it", "client", "db");
  for (guint i = 0; i < n_calls; i++)
    {
      if (i == n_calls / 4)
        n_bytes = count_bytes ();
      use (extension);
    }
  assert_not_grown (n_bytes);
}

int
main (int   argc,
      char *argv[])
{
  restart_without_caches (argv);
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/leaks/cycles", test_cycles);
  test_util_add_func ("/pyisolate/leaks/calls", test_calls);

  return host_test_run ();
}
