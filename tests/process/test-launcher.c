/* SPDX-License-Identifier: MIT */
/* The program by itself, as it is used without the library: from a shell, for uv, and with what
 * the library never does. */
#include "config.h"

#include "test-util.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_MS (test_util_is_slowed () ? 240000 : 60000)

typedef struct {
  GSubprocess *process;
  int control;                /* -1: not used */
  char *mark;
} Launcher;

static Launcher *
launcher_new (void)
{
  Launcher *launcher = g_new0 (Launcher, 1);
  g_autofree char *unique = g_uuid_string_random ();

  launcher->control = -1;
  launcher->mark = g_strconcat ("PYISOLATE_TEST_MARK=", unique, NULL);
  return launcher;
}

static void
launcher_free (Launcher *launcher)
{
  if (launcher->control >= 0)
    close (launcher->control);
  g_clear_object (&launcher->process);
  g_free (launcher->mark);
  g_free (launcher);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Launcher, launcher_free)

/* Arguments "SUBJECT" stand for that program. */
static void
launcher_start (Launcher            *launcher,
                GSubprocessLauncher *starter,
                const char          *argument,
                ...)
{
  g_autofree char *subject = g_test_build_filename (G_TEST_BUILT, "process", "subject", NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  va_list args;

  g_ptr_array_add (argv, (gpointer) g_getenv ("PYISOLATE_LAUNCHER"));
  va_start (args, argument);
  for (; argument != NULL; argument = va_arg (args, const char *))
    g_ptr_array_add (argv, g_str_equal (argument, "SUBJECT") ? subject : (gpointer) argument);
  va_end (args);
  g_ptr_array_add (argv, NULL);
  g_subprocess_launcher_setenv (starter, "PYISOLATE_TEST_MARK", strchr (launcher->mark, '=') + 1,
                                TRUE);
  launcher->process =
    g_subprocess_launcher_spawnv (starter, (const char * const *) argv->pdata, &error);
  g_assert_no_error (error);
  /* Its end of the control socket is a copy now. */
  g_subprocess_launcher_close (starter);
}

static GSubprocessLauncher *
starter_new (Launcher *launcher,
             gboolean  with_control)
{
  GSubprocessLauncher *starter =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  struct timeval timeout = { .tv_sec = TIMEOUT_MS / 1000 };
  int fds[2];

  if (with_control)
    {
      g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
      launcher->control = fds[0];
      g_assert_cmpint (setsockopt (fds[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), ==,
                       0);
      g_subprocess_launcher_take_fd (starter, fds[1], 3);
    }
  return starter;
}

static void
on_exited (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  g_subprocess_wait_finish (G_SUBPROCESS (source), result, &error);
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

static int
launcher_wait (Launcher *launcher)
{
  gboolean exited = FALSE;
  g_autoptr (GArray) left = NULL;

  g_subprocess_wait_async (launcher->process, NULL, on_exited, &exited);
  test_util_assert_until (test_util_is_true, &exited, TIMEOUT_MS);
  left = test_util_find_processes (launcher->mark);
  g_assert_cmpuint (left->len, ==, 0);
  g_assert_true (g_subprocess_get_if_exited (launcher->process));
  return g_subprocess_get_exit_status (launcher->process);
}

static char *
read_all (GInputStream *stream)
{
  char buffer[4096];
  gsize length;
  g_autoptr (GError) error = NULL;

  g_input_stream_read_all (stream, buffer, sizeof buffer, &length, NULL, &error);
  g_assert_no_error (error);
  return g_strndup (buffer, length);
}

static void
read_until (Launcher   *launcher,
            const char *text)
{
  GInputStream *stream = g_subprocess_get_stdout_pipe (launcher->process);
  g_autoptr (GString) seen = g_string_new (NULL);
  char byte;

  while (strstr (seen->str, text) == NULL)
    {
      g_assert_cmpint (g_input_stream_read (stream, &byte, 1, NULL, NULL), ==, 1);
      g_string_append_c (seen, byte);
    }
}

static char *
read_record (Launcher *launcher)
{
  char record[64];
  gssize n = recv (launcher->control, record, sizeof record, 0);

  g_assert_cmpint (n, >=, 0);
  return g_strndup (record, (gsize) n);
}

static void
assert_record (Launcher   *launcher,
               const char *pattern)
{
  g_autofree char *record = read_record (launcher);

  if (!g_pattern_match_simple (pattern, record))
    g_error ("The launcher said '%s', not '%s'", record, pattern);
}

static void
test_usage (void)
{
  static const char *bad[][3] = {
    { NULL },
    { "--" },
    { "--help" },
    { "--control-fd", "--", "/bin/true" },
    { "--control-fd=", "--", "/bin/true" },
    { "--control-fd=2", "--", "/bin/true" },
    { "--control-fd=3x", "--", "/bin/true" },
    { "--pass-fd=99999999999", "--", "/bin/true" },
    { "--control=3", "--", "/bin/true" },
    { "/bin/true" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (Launcher) launcher = launcher_new ();
      g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, FALSE);
      g_autofree char *output = NULL;

      launcher_start (launcher, starter, bad[i][0], bad[i][1], bad[i][2], NULL);
      g_assert_cmpint (launcher_wait (launcher), ==, 125);
      output = read_all (g_subprocess_get_stderr_pipe (launcher->process));
      g_assert_nonnull (strstr (output, "Usage: pyisolate-launcher"));
    }
}

/* As uv is run: no control socket, and its streams are ours. */
static void
test_plain (void)
{
  g_autoptr (Launcher) launcher = launcher_new ();
  g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, FALSE);
  g_autofree char *parent = g_strdup_printf ("--parent-pid=%d", getpid ());
  g_autofree char *output = NULL;
  g_autofree char *errors = NULL;

  launcher_start (launcher, starter, parent, "--", "SUBJECT", "print", "out", "stderr", "err",
                  "exit", "4", NULL);
  g_assert_cmpint (launcher_wait (launcher), ==, 4);
  output = read_all (g_subprocess_get_stdout_pipe (launcher->process));
  errors = read_all (g_subprocess_get_stderr_pipe (launcher->process));
  g_assert_cmpstr (output, ==, "out");
  g_assert_cmpstr (errors, ==, "err\n");
}

static void
test_exit_codes (void)
{
  static const struct {
    const char *program;
    const char *what;
    const char *argument;
    int code;
  } cases[] = {
    { "SUBJECT", "exit", "200", 200 },
    { "SUBJECT", "signal", "9", 137 },
    { "SUBJECT", "signal", "11", 139 },
    { "/nonexistent", "", "", 127 },
    { "/etc/passwd", "", "", 126 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Launcher) launcher = launcher_new ();
      g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, FALSE);
      g_autofree char *errors = NULL;

      launcher_start (launcher, starter, "--", cases[i].program, cases[i].what, cases[i].argument,
                      NULL);
      g_assert_cmpint (launcher_wait (launcher), ==, cases[i].code);
      errors = read_all (g_subprocess_get_stderr_pipe (launcher->process));
      if (cases[i].program[0] == '/')
        g_assert_nonnull (strstr (errors, cases[i].program));
      else
        g_assert_cmpstr (errors, ==, "");
    }
}

static void
test_records (void)
{
  g_autoptr (Launcher) launcher = launcher_new ();
  g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, TRUE);

  launcher_start (launcher, starter, "--control-fd=3", "--", "SUBJECT", "orphan", "", "exit", "6",
                  NULL);
  assert_record (launcher, "pid *");
  assert_record (launcher, "exit 6");
  assert_record (launcher, "gone");
  assert_record (launcher, "");
  g_assert_cmpint (launcher_wait (launcher), ==, 6);
}

static void
test_record_of_error (void)
{
  g_autoptr (Launcher) launcher = launcher_new ();
  g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, TRUE);
  g_autofree char *errors = NULL;

  launcher_start (launcher, starter, "--control-fd=3", "--", "/nonexistent", NULL);
  assert_record (launcher, "error 2");
  assert_record (launcher, "gone");
  assert_record (launcher, "");
  g_assert_cmpint (launcher_wait (launcher), ==, 127);
  /* Who listens there is told there. */
  errors = read_all (g_subprocess_get_stderr_pipe (launcher->process));
  g_assert_cmpstr (errors, ==, "");
}

/* Commands that it does not know change nothing. */
static void
test_commands (void)
{
  g_autoptr (Launcher) launcher = launcher_new ();
  g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, TRUE);
  static const char *commands[] = {
    "kill everybody", "signal", "signal x", "\xff", "signal 10", "kill",
  };
  char longer[4096];

  launcher_start (launcher, starter, "--control-fd=3", "--", "SUBJECT", "ready", "", "wait", "",
                  NULL);
  assert_record (launcher, "pid *");
  read_until (launcher, "ready\n");
  memset (longer, 'k', sizeof longer);
  g_assert_cmpint (send (launcher->control, longer, sizeof longer, 0), ==, sizeof longer);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      g_assert_cmpint (send (launcher->control, commands[i], strlen (commands[i]), 0), ==,
                       strlen (commands[i]));
      if (g_str_equal (commands[i], "signal 10"))
        read_until (launcher, "pong\n");
    }
  assert_record (launcher, "signal 9 0 0");
  assert_record (launcher, "gone");
  g_assert_cmpint (launcher_wait (launcher), ==, 137);
}

static void
test_end_of_control (void)
{
  g_autoptr (Launcher) launcher = launcher_new ();
  g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, TRUE);

  launcher_start (launcher, starter, "--control-fd=3", "--", "SUBJECT", "orphan", "", "ready", "",
                  "wait", "", NULL);
  read_until (launcher, "ready\n");
  close (launcher->control);
  launcher->control = -1;
  g_assert_cmpint (launcher_wait (launcher), ==, 137);
}

/* Where the kernel has no children files; and where it has. */
static void
test_terminated (void)
{
  static const char *trees[] = { "orphan", "supervisors", "comets" };
  static const char *options[] = { "--scan-proc", "--parent-pid" };

  for (guint i = 0; i < G_N_ELEMENTS (trees) * G_N_ELEMENTS (options); i++)
    {
      const char *option = options[i / G_N_ELEMENTS (trees)];
      g_autoptr (Launcher) launcher = launcher_new ();
      g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, FALSE);
      g_autofree char *parent = g_strdup_printf ("--parent-pid=%d", getpid ());

      launcher_start (launcher, starter, g_str_equal (option, "--scan-proc") ? option : parent,
                      "--", "SUBJECT", trees[i % G_N_ELEMENTS (trees)], "",
                      "ready", "", "wait", "", NULL);
      read_until (launcher, "ready\n");
      g_subprocess_send_signal (launcher->process, SIGTERM);
      g_assert_cmpint (launcher_wait (launcher), ==, 137);
    }
}

/* Whoever that process is: it did not start us, so it is not the one that was meant. */
static void
test_parent_is_gone (void)
{
  g_autoptr (Launcher) launcher = launcher_new ();
  g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, TRUE);

  launcher_start (launcher, starter, "--control-fd=3", "--parent-pid=1", "--", "SUBJECT", "exit",
                  "0", NULL);
  assert_record (launcher, "error 3");
  assert_record (launcher, "");
  g_assert_cmpint (launcher_wait (launcher), ==, 125);
}

static void
test_bad_fds (void)
{
  static const char *options[] = { "--control-fd=77", "--pass-fd=77" };

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      g_autoptr (Launcher) launcher = launcher_new ();
      g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, FALSE);
      g_autofree char *errors = NULL;

      launcher_start (launcher, starter, options[i], "--", "SUBJECT", "exit", "0", NULL);
      g_assert_cmpint (launcher_wait (launcher), ==, 125);
      errors = read_all (g_subprocess_get_stderr_pipe (launcher->process));
      g_assert_nonnull (strstr (errors, "Bad file descriptor"));
    }
}

/* What the caller leaks stays outside, whether it is marked CLOEXEC or not; the control socket
 * does too. */
/* In namespaces of its own; FALSE: this user may make none. */
static gboolean
run_apart (const char  *how,
           const char  *script,
           const char  *argument,
           int         *status,
           char       **errors)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (argv, (gpointer) "unshare");
  if (geteuid () != 0)
    g_ptr_array_add (argv, (gpointer) "--map-root-user");
  g_ptr_array_add (argv, (gpointer) "--fork");
  g_ptr_array_add (argv, (gpointer) how);
  g_ptr_array_add (argv, (gpointer) "sh");
  g_ptr_array_add (argv, (gpointer) "-c");
  g_ptr_array_add (argv, (gpointer) script);
  g_ptr_array_add (argv, (gpointer) argument);
  g_ptr_array_add (argv, NULL);

  if (!g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, errors, status, &error))
    g_test_message ("%s", error->message);
  return error == NULL;
}

static void
assert_refuses_proc (const char *how,
                     const char *prepare)
{
  g_autofree char *script = g_strconcat (prepare, " && exec \"$0\" -- /bin/sh -c 'echo started >&2'", NULL);
  g_autofree char *refusal = NULL;
  g_autofree char *output = NULL;
  int status;

  if (!run_apart (how, prepare, "sh", &status, &output) || status != 0)
    {
      g_test_skip ("this user may make no namespaces");
      return;
    }

  g_assert_true (run_apart (how, script, g_getenv ("PYISOLATE_LAUNCHER"), &status, &refusal));
  g_assert_true (WIFEXITED (status));
  /* A sanitizer says what it cannot do without /proc, and that which looks for leaks has a status of its own then. */
  if (strstr (refusal, "LeakSanitizer has encountered a fatal error") == NULL)
    g_assert_cmpint (WEXITSTATUS (status), ==, 125);
  if (!g_pattern_match_simple ("*pyisolate-launcher: cannot start “/bin/sh”: /proc is *mount -t proc*", refusal))
    g_error ("It said '%s'", refusal);
}

/* Without it nobody finds what is left behind. */
static void
test_no_proc (void)
{
  assert_refuses_proc ("--mount", "mount -t tmpfs none /proc");
}

/* The numbers in it are others than those of the signals. */
static void
test_proc_of_others (void)
{
  assert_refuses_proc ("--pid", "true");
}

static void
test_fds (void)
{
  g_autoptr (Launcher) launcher = launcher_new ();
  g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, TRUE);
  g_autofree char *output = NULL;
  static const int targets[] = { 5, 6, 20, 33, 50 };

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    g_subprocess_launcher_take_fd (starter, open ("/dev/null", O_RDONLY | O_CLOEXEC), targets[i]);
  launcher_start (launcher, starter, "--control-fd=3", "--pass-fd=33", "--pass-fd=6", "--",
                  "SUBJECT", "fds", "", NULL);
  g_assert_cmpint (launcher_wait (launcher), ==, 0);
  output = read_all (g_subprocess_get_stdout_pipe (launcher->process));
  g_assert_cmpstr (output, ==, "0 1 2 6 33 \n");
}

/* What a host ignores or blocks is not what a program expects. */
static void
test_signal_state (void)
{
  g_autoptr (Launcher) launcher = launcher_new ();
  g_autoptr (GSubprocessLauncher) starter = starter_new (launcher, FALSE);
  g_autofree char *output = NULL;
  g_autofree char *subject = g_test_build_filename (G_TEST_BUILT, "process", "subject", NULL);
  g_autoptr (GError) error = NULL;

  launcher->process =
    g_subprocess_launcher_spawn (starter, &error,
                                 "/bin/sh", "-c", "trap '' HUP INT PIPE CHLD USR2; exec \"$@\"",
                                 "sh",
                                 g_getenv ("PYISOLATE_LAUNCHER"), "--", subject, "signal-state", "",
                                 NULL);
  g_assert_no_error (error);
  g_assert_cmpint (launcher_wait (launcher), ==, 0);
  output = read_all (g_subprocess_get_stdout_pipe (launcher->process));
  g_assert_cmpstr (output, ==,
                   "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nsession own\n");
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_func ("/pyisolate/launcher/usage", test_usage);
  test_util_add_func ("/pyisolate/launcher/plain", test_plain);
  test_util_add_func ("/pyisolate/launcher/exit-codes", test_exit_codes);
  test_util_add_func ("/pyisolate/launcher/records", test_records);
  test_util_add_func ("/pyisolate/launcher/record-of-error", test_record_of_error);
  test_util_add_func ("/pyisolate/launcher/commands", test_commands);
  test_util_add_func ("/pyisolate/launcher/end-of-control", test_end_of_control);
  test_util_add_func ("/pyisolate/launcher/terminated", test_terminated);
  test_util_add_func ("/pyisolate/launcher/parent-is-gone", test_parent_is_gone);
  test_util_add_func ("/pyisolate/launcher/bad-fds", test_bad_fds);
  test_util_add_func ("/pyisolate/launcher/no-proc", test_no_proc);
  test_util_add_func ("/pyisolate/launcher/proc-of-others", test_proc_of_others);
  test_util_add_func ("/pyisolate/launcher/fds", test_fds);
  test_util_add_func ("/pyisolate/launcher/signal-state", test_signal_state);
  return g_test_run ();
}
