/* SPDX-License-Identifier: MIT */
/* How a process starts, what it is given, what it prints, and how it ends. */
#include "config.h"

#include "process-test.h"

#include "pyisolate-error.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void
test_exit_codes (void)
{
  static const char *codes[] = { "0", "1", "3", "255" };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      g_autoptr (ProcessTest) test = process_test_new ();

      process_test_start (test, "exit", codes[i], NULL);
      process_test_assert_exited (test, PYISOLATE_EXIT_KIND_EXITED, atoi (codes[i]));
      g_assert_true (test->started);
      g_assert_false (pyisolate_exit_reason_get_expected (test->reason));
    }
}

static void
test_signals (void)
{
  static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGINT, SIGPIPE, SIGHUP };

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      g_autoptr (ProcessTest) test = process_test_new ();
      g_autofree char *number = g_strdup_printf ("%d", signals[i]);

      process_test_start (test, "signal", number, NULL);
      process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, signals[i]);
    }
}

static void
test_output (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  process_test_start (test, "stderr", "to stderr", "print", "one\\ntwo\\nrest", NULL);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_EXITED, 0);
  g_assert_cmpuint (test->lines[1]->len, ==, 3);
  g_assert_cmpstr (g_ptr_array_index (test->lines[1], 0), ==, "one");
  g_assert_cmpstr (g_ptr_array_index (test->lines[1], 1), ==, "two");
  g_assert_cmpstr (g_ptr_array_index (test->lines[1], 2), ==, "rest");
  g_assert_cmpuint (test->lines[2]->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (test->lines[2], 0), ==, "to stderr");
}

/* More than the pipe holds, and than one dispatch reads: the end is told after all of it. */
static void
test_output_is_complete_at_exit (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  process_test_start (test, "repeat", "1000000", "print", "\\nlast words", "exit", "7", NULL);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_EXITED, 7);
  g_assert_cmpuint (test->n_bytes, ==, 1000000 + strlen ("last words"));
  g_assert_cmpstr (g_ptr_array_index (test->lines[1], test->lines[1]->len - 1), ==, "last words");
}

static gboolean
has_read_much (gpointer data)
{
  return ((ProcessTest *) data)->n_bytes > 64 * 1024 * 1024;
}

static void
test_flood (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  test->keep_lines = FALSE;
  process_test_start (test, "flood", "", NULL);
  test_util_assert_until (has_read_much, test, 60000);
  _pyisolate_process_kill (test->process);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
}

/* A process that outlives the tree, because it was given to somebody else, keeps the pipes open. */
static void
test_exit_does_not_wait_for_the_pipe (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();
  g_autofree char *path = NULL;
  int fd;

  process_test_start (test, "ready", "", "wait", "", NULL);
  process_test_wait_line (test, "ready");
  path = g_strdup_printf ("/proc/%d/fd/1", test->pid);
  fd = open (path, O_WRONLY | O_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  _pyisolate_process_kill (test->process);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  close (fd);
}

static void
test_kill (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  process_test_start (test, "ready", "", "wait", "", NULL);
  process_test_wait_line (test, "ready");
  g_assert_true (test_util_process_is_alive (test->pid));
  g_assert_cmpuint (_pyisolate_process_get_memory_usage (test->process), >, 10000);
  _pyisolate_process_kill (test->process);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  g_assert_true (pyisolate_exit_reason_get_expected (test->reason));
  g_assert_cmpuint (_pyisolate_process_get_memory_usage (test->process), ==, 0);
  /* Late, and harmless. */
  _pyisolate_process_kill (test->process);
  _pyisolate_process_send_signal (test->process, SIGTERM);
}

/* By somebody else. */
static void
test_killed_from_outside (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  process_test_start (test, "ready", "", "wait", "", NULL);
  process_test_wait_line (test, "ready");
  g_assert_cmpint (kill (test->pid, SIGKILL), ==, 0);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  g_assert_false (pyisolate_exit_reason_get_expected (test->reason));
}

static void
test_send_signal (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  process_test_start (test, "ready", "", "wait", "", NULL);
  process_test_wait_line (test, "ready");
  for (guint i = 0; i < 3; i++)
    {
      _pyisolate_process_send_signal (test->process, SIGUSR1);
      process_test_wait_line (test, "pong");
    }
  _pyisolate_process_expect_exit (test->process);
  _pyisolate_process_send_signal (test->process, SIGTERM);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGTERM);
  g_assert_true (pyisolate_exit_reason_get_expected (test->reason));
}

static void
assert_cannot_start (const char *program,
                     const char *pattern)
{
  g_autoptr (ProcessTest) test = process_test_new ();
  const char *argv[] = { program, NULL };

  process_test_start_program (test, argv, NULL, 0);
  process_test_wait_ended (test);
  g_assert_error (test->failure, PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN);
  if (!g_pattern_match_simple (pattern, test->failure->message))
    g_error ("'%s' does not match '%s'", test->failure->message, pattern);
  g_assert_null (test->reason);
  g_assert_false (test->started);
}

static void
test_exec_failures (void)
{
  g_autofree char *directory = test_util_tmpdir ();
  g_autofree char *script = g_build_filename (directory, "script", NULL);
  g_autofree char *missing = g_build_filename (directory, "missing", NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (script, "#!/nonexistent/python\n", -1, G_FILE_SET_CONTENTS_NONE, 0700,
                            &error);
  g_assert_no_error (error);
  assert_cannot_start (missing, "*“subject”*/missing”*No such file*");
  assert_cannot_start (directory, "*“subject”*Permission denied*");
  assert_cannot_start ("/etc/passwd", "*“subject”*“/etc/passwd”*Permission denied*");
  assert_cannot_start (script, "*“subject”*interpreter*/script”*does not exist*");
  test_util_remove_tree (directory);
}

static void
spawn_expecting_error (const char *launcher,
                       const char *cwd)
{
  const char *argv[] = { "/bin/true", NULL };
  const char *envv[] = { NULL };
  g_autoptr (GError) error = NULL;
  PyIsolateProcessSpec spec = {
    .tag = "subject", .launcher_path = launcher, .argv = argv, .envv = envv, .cwd = cwd,
  };
  PyIsolateProcessFd fd = { .target = 3 };
  g_autoptr (PyIsolateProcess) process = NULL;

  /* It is taken, on error too: the fixture counts. */
  fd.fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  spec.pass_fds = &fd;
  spec.n_pass_fds = 1;
  process = _pyisolate_process_spawn (&spec, &error);
  g_assert_null (process);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN);
  g_assert_nonnull (strstr (error->message, "“subject”"));
}

static void
test_spawn_failures (void)
{
  /* Valgrind makes a fork of what posix_spawn() does, and loses what exec says. */
  if (!test_util_is_on_valgrind ())
    spawn_expecting_error ("/nonexistent/pyisolate-launcher", NULL);
  spawn_expecting_error (g_getenv ("PYISOLATE_LAUNCHER"), "/nonexistent");
}

/* Such as one of another version. */
static void
test_launcher_that_fails (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  test->launcher = "/bin/ls";
  process_test_start (test, "exit", "0", NULL);
  process_test_wait_ended (test);
  g_assert_error (test->failure, PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN);
  g_assert_nonnull (strstr (test->failure->message, "“subject”"));
  g_assert_nonnull (strstr (test->failure->message, "launcher ended early: "));
  g_assert_nonnull (strstr (test->failure->message, "--help"));
}

static void
test_fds (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();
  g_autofree char *subject = process_test_dup_subject ();
  const char *argv[] = { subject, "fds", "", NULL };
  PyIsolateProcessFd fds[] = { { .target = 9 }, { .target = 3 } };
  int pipe_fds[2];
  int leaky = open ("/dev/null", O_RDONLY);  /* not CLOEXEC */
  char byte;

  g_assert_true (g_unix_open_pipe (pipe_fds, FD_CLOEXEC, NULL));
  fds[0].fd = pipe_fds[1];
  fds[1].fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  process_test_start_program (test, argv, fds, G_N_ELEMENTS (fds));
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_EXITED, 0);
  g_assert_cmpstr (g_ptr_array_index (test->lines[1], 0), ==, "0 1 2 3 9 ");
  /* Nobody has kept a copy of what was passed, the launcher included. */
  g_assert_cmpint (read (pipe_fds[0], &byte, 1), ==, 0);
  close (pipe_fds[0]);
  close (leaky);
}

static guint n_forks;

static void
count_fork (void)
{
  n_forks++;
}

/* A fork would copy the page tables of all that an application has. */
static void
test_start_without_fork (void)
{
  static const char *const argv[] = { "/bin/pwd", NULL };
  g_autoptr (ProcessTest) test = process_test_new ();

  g_assert_cmpint (pthread_atfork (count_fork, NULL, NULL), ==, 0);
  test->directory = "/usr";
  process_test_start_program (test, argv, NULL, 0);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_EXITED, 0);
  g_assert_cmpstr (g_ptr_array_index (test->lines[1], 0), ==, "/usr");
  g_assert_cmpuint (n_forks, ==, 0);
}

static void
test_signal_state (void)
{
  g_autoptr (ProcessTest) test = process_test_new ();

  process_test_start (test, "signal-state", "", NULL);
  process_test_assert_exited (test, PYISOLATE_EXIT_KIND_EXITED, 0);
  g_assert_cmpuint (test->lines[1]->len, ==, 3);
  g_assert_cmpstr (g_ptr_array_index (test->lines[1], 0), ==, "SigBlk:\t0000000000000000");
  g_assert_cmpstr (g_ptr_array_index (test->lines[1], 1), ==, "SigIgn:\t0000000000000000");
  g_assert_cmpstr (g_ptr_array_index (test->lines[1], 2), ==, "session own");
}

/* Ends at any moment of a start, told once, with nobody left. */
static void
test_kill_at_any_moment (void)
{
  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (ProcessTest) test = process_test_new ();
      int n_turns = g_test_rand_int_range (0, 8);

      process_test_start (test, "orphan", "", "wait", "", NULL);
      for (int turn = 0; turn < n_turns; turn++)
        g_main_context_iteration (NULL, FALSE);
      _pyisolate_process_kill (test->process);
      process_test_assert_exited (test, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
      g_assert_true (pyisolate_exit_reason_get_expected (test->reason));
    }
}

static void
test_many_cycles_with_few_fds (void)
{
  struct rlimit old;
  struct rlimit few;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &old), ==, 0);
  few = old;
  few.rlim_cur = 64;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &few), ==, 0);
  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (ProcessTest) test = process_test_new ();

      process_test_start (test, "print", "hello\\n", "exit", "5", NULL);
      process_test_assert_exited (test, PYISOLATE_EXIT_KIND_EXITED, 5);
      g_assert_cmpuint (test->lines[1]->len, ==, 1);
    }
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &old), ==, 0);
}

static void
test_many_at_once (void)
{
  g_autoptr (GPtrArray) tests = g_ptr_array_new_with_free_func ((GDestroyNotify) process_test_free);

  for (guint i = 0; i < 40; i++)
    {
      ProcessTest *test = process_test_new ();

      process_test_start (test, "ready", "", "wait", "", NULL);
      g_ptr_array_add (tests, test);
    }
  for (guint i = 0; i < tests->len; i++)
    process_test_wait_line (g_ptr_array_index (tests, i), "ready");
  for (guint i = 0; i < tests->len; i++)
    _pyisolate_process_kill (((ProcessTest *) g_ptr_array_index (tests, i))->process);
  for (guint i = 0; i < tests->len; i++)
    process_test_assert_exited (g_ptr_array_index (tests, i), PYISOLATE_EXIT_KIND_SIGNALED,
                                SIGKILL);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_func ("/pyisolate/process/exit-codes", test_exit_codes);
  test_util_add_func ("/pyisolate/process/signals", test_signals);
  test_util_add_func ("/pyisolate/process/output", test_output);
  test_util_add_func ("/pyisolate/process/output-is-complete-at-exit",
                      test_output_is_complete_at_exit);
  test_util_add_func ("/pyisolate/process/flood", test_flood);
  test_util_add_func ("/pyisolate/process/exit-does-not-wait-for-the-pipe",
                      test_exit_does_not_wait_for_the_pipe);
  test_util_add_func ("/pyisolate/process/kill", test_kill);
  test_util_add_func ("/pyisolate/process/killed-from-outside", test_killed_from_outside);
  test_util_add_func ("/pyisolate/process/send-signal", test_send_signal);
  test_util_add_func ("/pyisolate/process/exec-failures", test_exec_failures);
  test_util_add_func ("/pyisolate/process/spawn-failures", test_spawn_failures);
  test_util_add_func ("/pyisolate/process/launcher-that-fails", test_launcher_that_fails);
  test_util_add_func ("/pyisolate/process/fds", test_fds);
  test_util_add_func ("/pyisolate/process/start-without-fork", test_start_without_fork);
  test_util_add_func ("/pyisolate/process/signal-state", test_signal_state);
  test_util_add_func ("/pyisolate/process/kill-at-any-moment", test_kill_at_any_moment);
  test_util_add_func ("/pyisolate/process/many-cycles-with-few-fds", test_many_cycles_with_few_fds);
  test_util_add_func ("/pyisolate/process/many-at-once", test_many_at_once);
  return g_test_run ();
}
