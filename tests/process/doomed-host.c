/* SPDX-License-Identifier: MIT */
/* A host to be killed by test-host-death: it runs a subject under the launcher, as the library
 * does, and says so.
 *
 *   doomed-host plain|forked SUBJECT-COMMAND…
 *
 * forked: another child of the host holds copies of all that it has open, when it is killed.
 */
#include "config.h"

#include "process-test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Whatever goes wrong with the test. */
#define LIFETIME_S 240

static GMainLoop *loop;

static void
on_output (PyIsolateProcess *process,
           int               stream,
           const char       *line,
           gpointer          user_data)
{
  if (!g_str_equal (line, "ready"))
    return;
  if (g_str_equal (user_data, "forked") && fork () == 0)
    {
      /* Copies of the control socket and of the pipes stay open in here. */
      printf ("fork %d\n", getpid ());
      fflush (stdout);
      alarm (LIFETIME_S);
      while (TRUE)
        pause ();
    }
  printf ("ready\n");
  fflush (stdout);
}

int
main (int   argc,
      char *argv[])
{
  g_auto (GStrv) envv = g_get_environ ();
  g_autoptr (GError) error = NULL;
  PyIsolateProcessSpec spec = {
    .tag = "subject",
    .launcher_path = g_getenv ("PYISOLATE_LAUNCHER"),
    .argv = (const char * const *) argv + 2,
    .envv = (const char * const *) envv,
    .callbacks = { .output = on_output },
    .user_data = argv[1],
  };
  g_autoptr (PyIsolateProcess) process = _pyisolate_process_spawn (&spec, &error);

  g_assert_no_error (error);
  g_assert_nonnull (process);
  alarm (LIFETIME_S);
  loop = g_main_loop_new (NULL, FALSE);
  g_main_loop_run (loop);
  return 0;
}
