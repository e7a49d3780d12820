/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "process-test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
on_started (PyIsolateProcess *process,
            int               pid,
            gpointer          user_data)
{
  ProcessTest *test = user_data;

  g_assert_false (test->started);
  g_assert_cmpuint (test->n_ends, ==, 0);
  g_assert_cmpint (pid, >, 0);
  test->started = TRUE;
  test->pid = pid;
}

static void
on_output (PyIsolateProcess *process,
           int               stream,
           const char       *line,
           gpointer          user_data)
{
  ProcessTest *test = user_data;

  if (!test->started)
    g_assert_cmpstr (test->launcher, ==, "/bin/ls");
  g_assert_true (stream == 1 || stream == 2);
  g_assert_cmpuint (test->n_ends, ==, 0);
  g_assert_true (g_utf8_validate (line, -1, NULL));
  test->n_bytes += strlen (line);
  if (!test->keep_lines)
    return;
  g_ptr_array_add (test->lines[0], g_strdup (line));
  g_ptr_array_add (test->lines[stream], g_strdup (line));
}

static void
on_exited (PyIsolateProcess    *process,
           PyIsolateExitReason *reason,
           gpointer             user_data)
{
  ProcessTest *test = user_data;

  g_assert_true (PYISOLATE_IS_EXIT_REASON (reason));
  g_assert_cmpuint (_pyisolate_process_get_memory_usage (process), ==, 0);
  test->n_ends++;
  test->reason = g_object_ref (reason);
}

static void
on_failed (PyIsolateProcess *process,
           const GError     *error,
           gpointer          user_data)
{
  ProcessTest *test = user_data;

  test->n_ends++;
  test->failure = g_error_copy (error);
}

ProcessTest *
process_test_new (void)
{
  ProcessTest *test = g_new0 (ProcessTest, 1);
  g_autofree char *unique = g_uuid_string_random ();

  test->mark = g_strconcat ("PYISOLATE_TEST_MARK=", unique, NULL);
  test->launcher = g_getenv ("PYISOLATE_LAUNCHER");
  g_assert_nonnull (test->launcher);
  test->keep_lines = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (test->lines); i++)
    test->lines[i] = g_ptr_array_new_with_free_func (g_free);
  return test;
}

/* The process must have ended. That it is finalized shows that no source of it is left. */
void
process_test_free (ProcessTest *test)
{
  if (test->process != NULL)
    g_assert_finalize_object (test->process);
  g_clear_object (&test->reason);
  g_clear_error (&test->failure);
  for (guint i = 0; i < G_N_ELEMENTS (test->lines); i++)
    g_ptr_array_unref (test->lines[i]);
  g_free (test->mark);
  g_free (test);
}

char *
process_test_dup_subject (void)
{
  return g_test_build_filename (G_TEST_BUILT, "process", "subject", NULL);
}

void
process_test_start_program (ProcessTest              *test,
                            const char * const       *argv,
                            const PyIsolateProcessFd *fds,
                            gsize                     n_fds)
{
  const char *envv[] = { "PATH=/usr/bin:/bin", test->mark, NULL };
  g_autoptr (GError) error = NULL;
  PyIsolateProcessSpec spec = {
    .tag = "subject",
    .launcher_path = test->launcher,
    .argv = argv,
    .envv = envv,
    .cwd = test->directory,
    .pass_fds = fds,
    .n_pass_fds = n_fds,
    .callbacks = { on_started, on_output, on_exited, on_failed },
    .user_data = test,
  };

  test->process = _pyisolate_process_spawn (&spec, &error);
  g_assert_no_error (error);
  g_assert_nonnull (test->process);
  /* Nothing is told from within spawn. */
  g_assert_false (test->started);
  g_assert_cmpuint (test->n_ends, ==, 0);
}

void
process_test_start (ProcessTest *test,
                    ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree char *subject = process_test_dup_subject ();
  const char *argument;
  va_list args;

  g_ptr_array_add (argv, subject);
  va_start (args, test);
  while ((argument = va_arg (args, const char *)) != NULL)
    g_ptr_array_add (argv, (gpointer) argument);
  va_end (args);
  g_ptr_array_add (argv, NULL);
  process_test_start_program (test, (const char * const *) argv->pdata, NULL, 0);
}

typedef struct {
  ProcessTest *test;
  const char *line;
} LineWait;

static gboolean
has_line (gpointer data)
{
  LineWait *wait = data;

  return g_ptr_array_find_with_equal_func (wait->test->lines[0], wait->line, g_str_equal, NULL);
}

/* A line that was waited for counts once. */
void
process_test_wait_line (ProcessTest *test,
                        const char  *line)
{
  LineWait wait = { test, line };
  guint index;

  if (!test_util_run_until (has_line, &wait, PROCESS_TEST_TIMEOUT_MS))
    g_error ("The subject did not print '%s'", line);
  g_ptr_array_find_with_equal_func (test->lines[0], line, g_str_equal, &index);
  g_ptr_array_remove_range (test->lines[0], 0, index + 1);
}

static gboolean
has_ended (gpointer test)
{
  return ((ProcessTest *) test)->n_ends > 0;
}

void
process_test_wait_ended (ProcessTest *test)
{
  test_util_assert_until (has_ended, test, PROCESS_TEST_TIMEOUT_MS);
  /* Whatever is still in the context must not tell it again. */
  while (g_main_context_iteration (g_main_context_get_thread_default (), FALSE))
    ;
  g_assert_cmpuint (test->n_ends, ==, 1);
}

static void
assert_nobody (ProcessTest *test)
{
  g_autoptr (GArray) pids = test_util_find_processes (test->mark);

  if (pids->len > 0)
    g_error ("%u processes are left of the tree; one is %d",
             pids->len, g_array_index (pids, int, 0));
}

void
process_test_assert_exited (ProcessTest       *test,
                            PyIsolateExitKind  kind,
                            int                status)
{
  process_test_wait_ended (test);
  assert_nobody (test);
  g_assert_no_error (test->failure);
  g_assert_nonnull (test->reason);
  g_assert_cmpint (pyisolate_exit_reason_get_kind (test->reason), ==, kind);
  g_assert_cmpint (pyisolate_exit_reason_get_status (test->reason), ==, status);
}

int
process_test_get_launcher_pid (ProcessTest *test)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", test->pid);
  g_autofree char *stat = NULL;
  g_autoptr (GError) error = NULL;
  int parent = 0;

  g_assert_cmpint (test->pid, >, 0);
  g_file_get_contents (path, &stat, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (sscanf (strrchr (stat, ')') + 1, " %*c %d", &parent), ==, 1);
  g_assert_cmpint (parent, !=, getpid ());
  return parent;
}
