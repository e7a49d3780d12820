/* SPDX-License-Identifier: MIT */
/* How the launcher looks for what descends from it. */
#include "config.h"

#include "test-util.h"

#include "launcher.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_DEAD 20

static pid_t
start_child (gboolean lives)
{
  pid_t pid = fork ();
  siginfo_t info;

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      alarm (60);
      while (lives)
        pause ();
      _exit (0);
    }
  if (!lives)
    g_assert_no_errno (TEMP_FAILURE_RETRY (waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT)));

  return pid;
}

/* Those who are dead by now, and one more zombie in their place, as from a tree that goes on. */
static void
reap (gpointer data)
{
  guint *n_reaped = data;

  while (waitpid (-1, NULL, WNOHANG) > 0)
    ++*n_reaped;
  start_child (FALSE);
}

/* Zombies do not add up from look to look, while somebody lives who makes more of them. */
static void
test_reaps_before_each_look (gconstpointer scan_proc)
{
  guint n_reaped = 0;
  pid_t living;

  launcher_tree_init (GPOINTER_TO_INT (scan_proc));
  living = start_child (TRUE);
  for (guint i = 0; i < N_DEAD; i++)
    start_child (FALSE);

  g_assert_cmpuint (launcher_tree_kill (reap, &n_reaped), ==, 2);
  g_assert_cmpuint (n_reaped, >, N_DEAD);
  g_assert_cmpint (TEMP_FAILURE_RETRY (waitpid (living, NULL, 0)), ==, living);
  while (waitpid (-1, NULL, 0) > 0)
    ;
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_data_func ("/pyisolate/launcher-tree/reaps/children-files", GINT_TO_POINTER (FALSE), test_reaps_before_each_look);
  test_util_add_data_func ("/pyisolate/launcher-tree/reaps/scan-proc", GINT_TO_POINTER (TRUE), test_reaps_before_each_look);
  return g_test_run ();
}
