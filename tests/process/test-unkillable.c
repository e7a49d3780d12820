/* SPDX-License-Identifier: MIT */
/* What cannot be killed, because the kernel waits for a device or is told to hold it, is not
 * waited for either. */
#include "config.h"

#include "process-test.h"

#include "test-cgroup.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  char *directory;            /* of the freezer's group */
} Freezer;

static gboolean
is_frozen (gpointer data)
{
  Freezer *freezer = data;
  g_autofree char *path = g_build_filename (freezer->directory, "freezer.state", NULL);
  g_autofree char *state = NULL;

  g_assert_true (g_file_get_contents (path, &state, NULL, NULL));
  return g_str_equal (state, "FROZEN\n");
}

static gboolean
freeze (Freezer *freezer,
        int      pid)
{
  g_autofree char *text = g_strdup_printf ("%d", pid);

  if (g_mkdir (freezer->directory, 0755) < 0)
    return FALSE;
  g_assert_true (test_cgroup_write (freezer->directory, "cgroup.procs", text));
  g_assert_true (test_cgroup_write (freezer->directory, "freezer.state", "FROZEN"));
  test_util_assert_until (is_frozen, freezer, PROCESS_TEST_TIMEOUT_MS);
  return TRUE;
}

static gboolean
is_removed (gpointer data)
{
  return g_rmdir (((Freezer *) data)->directory) == 0;
}

static void
test_frozen (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();
  g_autofree char *directory = g_strdup_printf ("/sys/fs/cgroup/freezer/pyisolate-%s",
                                                strchr (test->mark, '=') + 1);
  g_autoptr (GArray) left = NULL;
  Freezer freezer = { directory };
  gint64 start;

  process_test_start (test, "ready", "", "wait", "", NULL);
  process_test_wait_line (test, "ready");
  if (!freeze (&freezer, test->pid))
    {
      _pyisolate_process_kill (test->process);
      process_test_wait_ended (test);
      g_test_skip ("no freezer cgroup (v1) that this user may make");
      return;
    }

  test_util_expect_log ("PyIsolate", G_LOG_LEVEL_WARNING,
                        "1 processes of “subject” were killed, but did not end");
  start = g_get_monotonic_time ();
  _pyisolate_process_kill (test->process);
  process_test_wait_ended (test);
  /* The launcher said all the time that it works on it, so it was not taken for stuck after a
   * second. */
  g_assert_cmpint (g_get_monotonic_time () - start, >, 9 * G_USEC_PER_SEC);
  g_assert_true (is_frozen (&freezer));
  g_assert_true (test_util_process_is_alive (test->pid));
  g_assert_cmpint (pyisolate_exit_reason_get_kind (test->reason), ==, PYISOLATE_EXIT_KIND_SIGNALED);

  g_assert_true (test_cgroup_write (freezer.directory, "freezer.state", "THAWED"));
  left = test_util_wait_no_processes (test->mark, PROCESS_TEST_TIMEOUT_MS);
  g_assert_cmpuint (left->len, ==, 0);
  test_util_assert_until (is_removed, &freezer, PROCESS_TEST_TIMEOUT_MS);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_func ("/pyisolate/process/unkillable/frozen", test_frozen);
  return g_test_run ();
}
