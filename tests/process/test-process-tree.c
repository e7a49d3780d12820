/* SPDX-License-Identifier: MIT */
/* Whatever a process starts ends with it, and with us, and when the launcher fails. */
#include "config.h"

#include "process-test.h"

#include "pyisolate-sweep-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *trees[][2] = {
  { "orphan", "" },           /* double-forked, with a session of its own */
  { "orphan", "subreaper" },  /* which keeps orphans to itself */
  { "supervisors", "" },      /* 50 processes; what is killed is started again */
  { "comets", "" },           /* which are a new process each few milliseconds */
};

#define N_TREES G_N_ELEMENTS (trees)
/* So often one is looked for that may have no environment at the moment: one of the first few would be missed. */
#define N_EXECUTIONS 60
#define N_COMET_SHOWERS 10
/* Half of an environment that is large. */
#define MUCH_KIB (16 * 1024)
/* A count does not find comets, which are others by then. */
#define N_TREES_TO_BE_COUNTED (N_TREES - 1)

static guint
count_processes (ProcessTest *test)
{
  g_autoptr (GArray) pids = test_util_find_processes (test->mark);

  return pids->len;
}

static void
start_tree (ProcessTest *test,
            guint        i,
            const char  *then)
{
  process_test_start (test, trees[i][0], trees[i][1], "ready", "", then, "3", NULL);
  process_test_wait_line (test, "ready");
}

static void
test_worker_exits (void)
{
  for (guint i = 0; i < N_TREES; i++)
    {
      g_autoptr (ProcessTest) test = process_test_new ();

      start_tree (test, i, "exit");
      process_test_assert_exited (test, PYISOLATE_EXIT_KIND_EXITED, 3);
    }
}

static void
test_kill (void)
{
  for (guint i = 0; i < N_TREES; i++)
    {
      g_autoptr (ProcessTest) test = process_test_new ();
      gint64 start;

      start_tree (test, i, "wait");
      /* The launcher, its child, and more. */
      if (i < N_TREES_TO_BE_COUNTED)
        g_assert_cmpuint (count_processes (test), >, 2);
      start = g_get_monotonic_time ();
      _pyisolate_process_kill (test->process);
      process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
      g_test_message ("tree %u ended in %d ms", i,
                      (int) (g_get_monotonic_time () - start) / 1000);
    }
}

static void
test_worker_is_killed (void)
{
  for (guint i = 0; i < N_TREES; i++)
    {
      g_autoptr (ProcessTest) test = process_test_new ();

      start_tree (test, i, "wait");
      kill (test->pid, SIGKILL);
      process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
    }
}

static void
test_worker_is_stopped (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  start_tree (test, 0, "wait");
  kill (test->pid, SIGSTOP);
  _pyisolate_process_kill (test->process);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
}

static void
test_launcher_is_terminated (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  start_tree (test, 0, "wait");
  kill (process_test_get_launcher_pid (test), SIGTERM);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  g_assert_false (pyisolate_exit_reason_get_expected (test->reason));
}

/* Ctrl-C in the host's terminal is for the host. */
static void
test_launcher_ignores_the_terminal (void)
{
  static const int signals[] = { SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGPIPE };
  g_autoptr (ProcessTest) test = process_test_new ();
  int launcher;

  start_tree (test, 0, "wait");
  launcher = process_test_get_launcher_pid (test);
  g_assert_cmpint (getsid (launcher), ==, launcher);
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      kill (launcher, signals[i]);
      /* Through the launcher, so it is alive, and has had its turn since. */
      _pyisolate_process_send_signal (test->process, SIGUSR1);
      process_test_wait_line (test, "pong");
    }
  _pyisolate_process_kill (test->process);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
}

static void
assert_ended_with_launcher (ProcessTest *test)
{
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  g_assert_cmpstr (pyisolate_exit_reason_get_message (test->reason), ==,
                   "was killed, because its launcher was");
}

static void
test_launcher_is_killed (void)
{
  for (guint i = 0; i < N_TREES; i++)
    {
      g_autoptr (ProcessTest) test = process_test_new ();

      start_tree (test, i, "wait");
      kill (process_test_get_launcher_pid (test), SIGKILL);
      assert_ended_with_launcher (test);
      g_assert_false (pyisolate_exit_reason_get_expected (test->reason));
    }
}

/* In bytes, until nobody is left who could write. */
static gsize
read_rest (int fd)
{
  gsize n_read = 0;
  char buffer[512];
  gssize n;

  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    n_read += (gsize) n;
  g_assert_true (n == 0 || errno == EAGAIN);

  return n_read;
}

/* Each of them forks the next and ends, while they are looked for. */
static void
test_launcher_is_killed_beside_comets (void)
{
  for (guint i = 0; i < N_COMET_SHOWERS; i++)
    {
      g_autofree char *subject = process_test_dup_subject ();
      const char *argv[] = { subject, "tail-fd", "3", "comets", "", "ready", "", "wait", "", NULL };
      g_autoptr (ProcessTest) test = process_test_new ();
      PyIsolateProcessFd tail = { .target = 3 };
      g_autoptr (GError) error = NULL;
      int fds[2];

      g_unix_open_pipe (fds, FD_CLOEXEC, &error);
      g_assert_no_error (error);
      tail.fd = fds[1];
      process_test_start_program (test, argv, &tail, 1);
      process_test_wait_line (test, "ready");
      kill (process_test_get_launcher_pid (test), SIGKILL);
      assert_ended_with_launcher (test);

      g_unix_set_fd_nonblocking (fds[0], TRUE, NULL);
      g_assert_cmpuint (read_rest (fds[0]), >, 0);
      g_unix_set_fd_nonblocking (fds[0], FALSE, NULL);
      g_assert_cmpuint (read_rest (fds[0]), ==, 0);
      close (fds[0]);
    }
}

/* A process that executes a program is without an environment for a moment. */
static void
test_launcher_is_killed_while_one_executes (void)
{
  for (guint i = 0; i < N_EXECUTIONS; i++)
    {
      g_autoptr (ProcessTest) test = process_test_new ();

      process_test_start (test, "chameleon", "", "ready", "", "wait", "", NULL);
      process_test_wait_line (test, "ready");
      kill (process_test_get_launcher_pid (test), SIGKILL);
      assert_ended_with_launcher (test);
    }
}

static gboolean
find_large (gpointer data)
{
  ProcessTest *test = data;

  for (guint i = 0; i < test->lines[0]->len; i++)
    {
      if (g_str_has_prefix (test->lines[0]->pdata[i], "large "))
        return TRUE;
    }

  return FALSE;
}

/* In KiB: as much as this process ever had since it was executed. */
static guint64
read_peak_memory (void)
{
  g_autofree char *status = NULL;
  g_autoptr (GError) error = NULL;
  const char *peak;

  g_file_get_contents ("/proc/self/status", &status, NULL, &error);
  g_assert_no_error (error);
  peak = strstr (status, "\nVmHWM:");
  g_assert_nonnull (peak);

  return g_ascii_strtoull (peak + strlen ("\nVmHWM:"), NULL, 10);
}

/* A process can say that all of its memory, and memory that it has only asked for, is its environment. */
static void
test_launcher_is_killed_beside_a_large_environment (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();
  gboolean is_alive;
  guint64 peak;
  int pid = 0;

  process_test_start (test, "orphan", "", "large", "", "wait", "", NULL);
  test_util_assert_until (find_large, test, PROCESS_TEST_TIMEOUT_MS);
  g_assert_cmpint (sscanf (test->lines[0]->pdata[0], "large %d", &pid), ==, 1);

  peak = read_peak_memory ();
  kill (process_test_get_launcher_pid (test), SIGKILL);
  process_test_wait_ended (test);
  peak = read_peak_memory () - peak;
  is_alive = pid > 0 && test_util_process_is_alive (pid);
  if (is_alive)
    {
      kill (pid, SIGKILL);
      g_assert_true (test_util_wait_process_gone (pid, PROCESS_TEST_TIMEOUT_MS));
    }
  assert_ended_with_launcher (test);

  if (pid == 0)
    {
      g_test_skip ("the kernel lets no process move its environment");
      return;
    }
  /* What would tell of it is too far behind: nobody reads as much, nor keeps it. */
  g_assert_true (is_alive);
  g_test_message ("peak memory grew by %d KiB", (int) peak);
  g_assert_cmpuint (peak, <, MUCH_KIB);
}

static void
set_free_descriptors (guint n)
{
  struct rlimit limit;
  int lowest = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

  g_assert_cmpint (lowest, >=, 0);
  close (lowest);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = (rlim_t) lowest + n;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
}

/* Who has none to look by has not seen that nobody is there. */
static void
test_sweep_without_descriptors (void)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autofree char *token = g_uuid_string_random ();
  g_autofree char *subject = process_test_dup_subject ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  struct rlimit before;
  guint n_free = 0;
  guint n_found;

  g_subprocess_launcher_setenv (launcher, "PYISOLATE_TEST_TOKEN", token, TRUE);
  process = g_subprocess_launcher_spawn (launcher, &error, subject, "wait", "", NULL);
  g_assert_no_error (error);

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
  do
    {
      guint n_unknown;

      set_free_descriptors (n_free++);
      n_found = _pyisolate_sweep_kill ("PYISOLATE_TEST_TOKEN", token, &n_unknown);
      g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);
      g_assert_cmpuint (n_found + n_unknown, >, 0);
    }
  while (n_found == 0);

  g_assert_cmpuint (n_free, >, 1);
  g_subprocess_wait (process, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_subprocess_get_term_sig (process), ==, SIGKILL);
}

static void
test_launcher_is_killed_by_its_child (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  process_test_start (test, "orphan", "", "kill-parent-on-usr2", "", "ready", "", "wait", "", NULL);
  process_test_wait_line (test, "ready");
  _pyisolate_process_send_signal (test->process, SIGUSR2);
  assert_ended_with_launcher (test);
}

/* It cannot answer, nor end by SIGTERM: it is killed a second later, and its tree is looked for. */
static gint64
measure_end_of_stopped_launcher (gconstpointer data)
{
  g_autoptr (ProcessTest) test = process_test_new ();
  gint64 start, elapsed;

  start_tree (test, 0, "wait");
  kill (process_test_get_launcher_pid (test), SIGSTOP);
  start = g_get_monotonic_time ();
  _pyisolate_process_kill (test->process);
  assert_ended_with_launcher (test);
  elapsed = g_get_monotonic_time () - start;
  g_assert_true (pyisolate_exit_reason_get_expected (test->reason));
  g_assert_cmpint (elapsed, >=, 900 * 1000);

  return elapsed;
}

static void
test_launcher_is_stopped (void)
{
  test_util_assert_reaches (measure_end_of_stopped_launcher, NULL, 5 * G_USEC_PER_SEC);
}

typedef struct {
  ProcessTest *test;
  GMainContext *context;
  pid_t tid;
} Spawner;

static gpointer
spawn_and_end (gpointer data)
{
  Spawner *spawner = data;

  g_main_context_push_thread_default (spawner->context);
  start_tree (spawner->test, 0, "wait");
  g_main_context_pop_thread_default (spawner->context);
  spawner->tid = gettid ();
  return NULL;
}

static gboolean
thread_is_gone (gpointer data)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%d", ((Spawner *) data)->tid);

  return !g_file_test (path, G_FILE_TEST_EXISTS);
}

/* PR_SET_PDEATHSIG would take the end of the thread for that of the host. */
static void
test_spawning_thread_ends (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();
  g_autoptr (GMainContext) context = g_main_context_new ();
  Spawner spawner = { test, context, 0 };

  g_thread_join (g_thread_new ("spawner", spawn_and_end, &spawner));
  test_util_assert_until (thread_is_gone, &spawner, PROCESS_TEST_TIMEOUT_MS);
  g_main_context_push_thread_default (context);
  /* Twice: the second answer says that after the first one the launcher still had no reason to
   * end. */
  for (guint i = 0; i < 2; i++)
    {
      _pyisolate_process_send_signal (test->process, SIGUSR1);
      process_test_wait_line (test, "pong");
    }
  _pyisolate_process_kill (test->process);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  g_assert_finalize_object (g_steal_pointer (&test->process));
  g_main_context_pop_thread_default (context);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_func ("/pyisolate/process/tree/worker-exits", test_worker_exits);
  test_util_add_func ("/pyisolate/process/tree/kill", test_kill);
  test_util_add_func ("/pyisolate/process/tree/worker-is-killed", test_worker_is_killed);
  test_util_add_func ("/pyisolate/process/tree/worker-is-stopped", test_worker_is_stopped);
  test_util_add_func ("/pyisolate/process/tree/launcher-is-terminated",
                      test_launcher_is_terminated);
  test_util_add_func ("/pyisolate/process/tree/launcher-ignores-the-terminal",
                      test_launcher_ignores_the_terminal);
  test_util_add_func ("/pyisolate/process/tree/launcher-is-killed", test_launcher_is_killed);
  test_util_add_func ("/pyisolate/process/tree/launcher-is-killed-beside-comets",
                      test_launcher_is_killed_beside_comets);
  test_util_add_func ("/pyisolate/process/tree/launcher-is-killed-while-one-executes",
                      test_launcher_is_killed_while_one_executes);
  test_util_add_func ("/pyisolate/process/tree/launcher-is-killed-beside-a-large-environment",
                      test_launcher_is_killed_beside_a_large_environment);
  test_util_add_func ("/pyisolate/process/tree/sweep-without-descriptors", test_sweep_without_descriptors);
  test_util_add_func ("/pyisolate/process/tree/launcher-is-killed-by-its-child",
                      test_launcher_is_killed_by_its_child);
  test_util_add_func ("/pyisolate/process/tree/launcher-is-stopped", test_launcher_is_stopped);
  test_util_add_func ("/pyisolate/process/tree/spawning-thread-ends", test_spawning_thread_ends);
  return g_test_run ();
}
