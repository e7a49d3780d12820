/* SPDX-License-Identifier: MIT */
/* A kill for lack of memory is told from others. */
#include "config.h"

#include "process-test.h"

#include "launcher.h"

#include "test-cgroup.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define LIMIT "33554432"

static void
write_file (const char *directory,
            const char *name,
            const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
  g_assert_no_error (error);
}

/* Starts it in a group with little memory; we are in that only meanwhile. */
static gboolean
start_in_cgroup (ProcessTest *test,
                 const char  *ours,
                 const char  *limited)
{
  if (ours == NULL || g_mkdir (limited, 0755) < 0)
    return FALSE;
  g_assert_true (test_cgroup_write (limited, "memory.limit_in_bytes", LIMIT));
  g_assert_true (test_cgroup_write (limited, "cgroup.procs", "0"));
  process_test_start (test, "eat-on-usr2", "", "ready", "", "wait", "", NULL);
  g_assert_true (test_cgroup_write (ours, "cgroup.procs", "0"));
  process_test_wait_line (test, "ready");
  return TRUE;
}

static void
test_kernel_kills (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();
  g_autofree char *ours = test_cgroup_find_memory ();
  g_autofree char *limited = g_strdup_printf ("/sys/fs/cgroup/memory/pyisolate-%s",
                                              strchr (test->mark, '=') + 1);

  if (!start_in_cgroup (test, ours, limited))
    {
      g_test_skip ("no memory cgroup (v1) that this user may make");
      return;
    }
  _pyisolate_process_send_signal (test->process, SIGUSR2);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_OUT_OF_MEMORY, SIGKILL);
  g_assert_false (pyisolate_exit_reason_get_expected (test->reason));
  g_assert_cmpint (g_rmdir (limited), ==, 0);
}

/* The group has a limit and counts, but this is not its doing. */
static void
test_others_kill (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();
  g_autofree char *ours = test_cgroup_find_memory ();
  g_autofree char *limited = g_strdup_printf ("/sys/fs/cgroup/memory/pyisolate-%s",
                                              strchr (test->mark, '=') + 1);

  if (!start_in_cgroup (test, ours, limited))
    {
      g_test_skip ("no memory cgroup (v1) that this user may make");
      return;
    }
  g_assert_cmpint (kill (test->pid, SIGKILL), ==, 0);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  g_assert_cmpint (g_rmdir (limited), ==, 0);
}

typedef struct {
  const char *cgroup;
  const char *mountinfo;      /* %s: the directory that stands for the mount point */
  const char *file;           /* where the count is, below it */
} Layout;

static const Layout layouts[] = {
  { "0::/user/app\n", "30 23 0:26 / %s rw - cgroup2 cgroup2 rw,nsdelegate\n", "user/app/memory.events" },
  { "0::/\n", "30 23 0:26 / %s rw shared:4 - cgroup2 none rw\n", "memory.events" },
  { "9:name=systemd:/x\n4:cpu,memory:/a\n0::/b\n",
    "1 2 0:1 / /nonexistent rw - cgroup cgroup rw,cpu\n2 2 0:1 / /nonexistent rw - cgroup2 cgroup2 rw\n"
    "3 2 0:1 / %s rw - cgroup cgroup rw,cpu,memory\n", "a/memory.oom_control" },
  { "4:memory:/docker/1/a\n", "3 2 0:1 /docker/1 %s rw - cgroup cgroup rw,memory\n", "a/memory.oom_control" },
};

static void
test_layouts (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (layouts); i++)
    {
      g_autofree char *directory = test_util_tmpdir ();
      g_autofree char *cgroup = g_build_filename (directory, "cgroup", NULL);
      g_autofree char *mountinfo = g_build_filename (directory, "mountinfo", NULL);
      g_autofree char *counter = g_build_filename (directory, layouts[i].file, NULL);
      g_autofree char *counter_directory = g_path_get_dirname (counter);
      g_auto (GStrv) parts = g_strsplit (layouts[i].mountinfo, "%s", 2);
      g_autofree char *mounts = g_strjoinv (directory, parts);

      g_assert_cmpint (g_mkdir_with_parents (counter_directory, 0700), ==, 0);
      write_file (directory, "cgroup", layouts[i].cgroup);
      write_file (directory, "mountinfo", mounts);
      write_file (directory, layouts[i].file, "low 0\noom 5\noom_kill 4\noom_group_kill 9\n");
      launcher_oom_init (cgroup, mountinfo);
      g_assert_false (launcher_oom_has_killed ());
      write_file (directory, layouts[i].file, "low 0\noom 6\noom_kill 5\noom_group_kill 9\n");
      g_assert_true (launcher_oom_has_killed ());
      /* The group may be gone by then. */
      g_remove (counter);
      g_assert_false (launcher_oom_has_killed ());
      /* And there may be no count at all. */
      launcher_oom_init (cgroup, mountinfo);
      write_file (directory, layouts[i].file, "oom_kill 7\n");
      g_assert_false (launcher_oom_has_killed ());
      test_util_remove_tree (directory);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_func ("/pyisolate/out-of-memory/kernel-kills", test_kernel_kills);
  test_util_add_func ("/pyisolate/out-of-memory/others-kill", test_others_kill);
  test_util_add_func ("/pyisolate/out-of-memory/layouts", test_layouts);
  return g_test_run ();
}
