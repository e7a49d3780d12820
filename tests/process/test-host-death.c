/* SPDX-License-Identifier: MIT */
/* A host that dies by any means takes everything along, within a second. */
#include "config.h"

#include "test-util.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS (test_util_is_slowed () ? 240000 : 60000)

typedef struct {
  GSubprocess *process;
  GDataInputStream *output;
  char *mark;
  char *line;
} Host;

static void
host_start (Host       *host,
            const char *how,
            const char *what,
            const char *what_argument)
{
  g_autofree char *path = g_test_build_filename (G_TEST_BUILT, "process", "doomed-host", NULL);
  g_autofree char *subject = g_test_build_filename (G_TEST_BUILT, "process", "subject", NULL);
  g_autofree char *unique = g_uuid_string_random ();
  g_autoptr (GSubprocessLauncher) launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GError) error = NULL;

  host->mark = g_strconcat ("PYISOLATE_TEST_MARK=", unique, NULL);
  g_subprocess_launcher_setenv (launcher, "PYISOLATE_TEST_MARK", unique, TRUE);
  host->process = g_subprocess_launcher_spawn (launcher, &error, path, how, subject,
                                               what, what_argument, "ready", "", "wait", "", NULL);
  g_assert_no_error (error);
  host->output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (host->process));
}

static void
on_line (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  Host *host = user_data;
  g_autoptr (GError) error = NULL;

  host->line = g_data_input_stream_read_line_finish (G_DATA_INPUT_STREAM (source), result, NULL,
                                                     &error);
  g_assert_no_error (error);
  g_assert_nonnull (host->line);
}

static char *
host_read_line (Host *host)
{
  g_data_input_stream_read_line_async (host->output, G_PRIORITY_DEFAULT, NULL, on_line, host);
  test_util_assert_until (test_util_is_set, &host->line, TIMEOUT_MS);
  return g_steal_pointer (&host->line);
}

/* Returns the pid of the host's other child, if it has one. */
static int
host_wait_ready (Host *host)
{
  int fork_pid = 0;

  while (TRUE)
    {
      g_autofree char *line = host_read_line (host);

      if (g_str_has_prefix (line, "fork "))
        fork_pid = atoi (line + strlen ("fork "));
      else if (g_str_equal (line, "ready"))
        return fork_pid;
    }
}

/* All of them end, always. */
static void
host_wait_nobody (Host *host)
{
  g_autoptr (GArray) pids = test_util_wait_no_processes (host->mark, TIMEOUT_MS);

  if (pids->len > 0)
    g_error ("%u processes are left of a host that is gone; one is %d", pids->len,
             g_array_index (pids, int, 0));
}

static void
host_clear (Host *host)
{
  g_subprocess_wait (host->process, NULL, NULL);
  g_clear_object (&host->output);
  g_clear_object (&host->process);
  g_clear_pointer (&host->mark, g_free);
}

typedef struct {
  const char *path;
  int signal;
  const char *what;
  const char *what_argument;
} Case;

static const Case cases[] = {
  { "killed", SIGKILL, "orphan", "" },
  { "killed/subreaper", SIGKILL, "orphan", "subreaper" },
  { "killed/supervisors", SIGKILL, "supervisors", "" },
  { "killed/comets", SIGKILL, "comets", "" },
  { "crashed", SIGSEGV, "orphan", "" },
  { "terminated", SIGTERM, "orphan", "" },
};

#define WHEN_READY G_MAXUINT64

typedef struct {
  const Case *c;
  guint64 moment;
} Death;

/* How long the processes outlive the host. */
static gint64
measure_death (gconstpointer data)
{
  const Case *c = ((const Death *) data)->c;
  guint64 moment = ((const Death *) data)->moment;
  Host host = { NULL };
  gint64 begin, elapsed;

  host_start (&host, "plain", c->what, c->what_argument);
  if (moment == WHEN_READY)
    host_wait_ready (&host);
  else
    g_usleep ((gulong) moment);
  begin = g_get_monotonic_time ();
  g_subprocess_send_signal (host.process, c->signal);
  host_wait_nobody (&host);
  elapsed = g_get_monotonic_time () - begin;
  host_clear (&host);

  return elapsed;
}

static void
assert_death (const Case *c,
              guint64     moment)
{
  Death death = { c, moment };

  test_util_assert_reaches (measure_death, &death, G_USEC_PER_SEC);
}

static void
test_death (gconstpointer data)
{
  assert_death (data, WHEN_READY);
}

static gint64
measure_death_with_copies (gconstpointer data)
{
  Host host = { NULL };
  g_autoptr (GArray) pids = NULL;
  int fork_pid;
  gint64 begin, elapsed;

  host_start (&host, "forked", "orphan", "");
  fork_pid = host_wait_ready (&host);
  while (fork_pid == 0)
    {
      g_autofree char *line = host_read_line (&host);

      if (g_str_has_prefix (line, "fork "))
        fork_pid = atoi (line + strlen ("fork "));
    }
  begin = g_get_monotonic_time ();
  g_subprocess_force_exit (host.process);
  do
    {
      g_clear_pointer (&pids, g_array_unref);
      pids = test_util_find_processes (host.mark);
      elapsed = g_get_monotonic_time () - begin;
    }
  while (pids->len > 1 && elapsed < TIMEOUT_MS * G_TIME_SPAN_MILLISECOND);
  /* It is not part of the tree, and nobody's business. */
  g_assert_cmpuint (pids->len, ==, 1);
  g_assert_cmpint (g_array_index (pids, int, 0), ==, fork_pid);
  kill (fork_pid, SIGKILL);
  host_wait_nobody (&host);
  host_clear (&host);

  return elapsed;
}

/* The end of the control socket does not come: a process that has nothing to do with it holds a
 * copy. */
static void
test_death_with_copies (void)
{
  test_util_assert_reaches (measure_death_with_copies, NULL, G_USEC_PER_SEC);
}

/* At a random moment of its start, before it says that it is ready. */
static void
test_death_at_any_moment (void)
{
  for (guint i = 0; i < 50; i++)
    assert_death (&cases[0], (guint64) g_test_rand_int_range (0, 20000));
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/host-death/", cases[i].path, NULL);

      test_util_add_data_func (path, &cases[i], test_death);
    }
  test_util_add_func ("/pyisolate/host-death/killed/copies", test_death_with_copies);
  test_util_add_func ("/pyisolate/host-death/killed/at-any-moment", test_death_at_any_moment);
  return g_test_run ();
}
