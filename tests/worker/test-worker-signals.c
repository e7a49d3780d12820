/* SPDX-License-Identifier: MIT */
/* What is raised beside all calls loses none of them, nor the host's wish to stop, and ends nothing. */
#include "config.h"

#include "worker-fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Another thread of the extension's interrupts the main one, which waits and does not notice yet. */
static void
interrupt (Worker *worker)
{
  g_autofree char *dir = test_util_tmpdir ();
  g_autofree char *fifo = g_build_filename (dir, "fifo", NULL);
  g_autofree char *args = g_strdup_printf ("<'%s'>", fifo);
  int fd;

  g_assert_no_errno (mkfifo (fifo, 0600));
  fd = open (fifo, O_RDWR | O_CLOEXEC);
  g_assert_no_errno (fd);
  worker_assert_result (worker, "interrupt", args, "'/pyisolate/None'");
  g_assert_cmpint (write (fd, "x", 1), ==, 1);
  worker_wait_output (worker, "has interrupted");
  close (fd);
  test_util_remove_tree (dir);
}

static void
test_call (const char *python)
{
  Worker *worker = worker_new (python, "signals.py");

  interrupt (worker);
  worker_assert_result (worker, "add", "<int64 1>, <int64 2>", "3");
  worker_wait_output (worker, "KeyboardInterrupt");

  worker_finish (worker);
}

static void
test_call_on_loop (const char *python)
{
  Worker *worker = worker_new (python, "signals_async.py");

  interrupt (worker);
  worker_assert_result (worker, "add", "<int64 1>, <int64 2>", "3");
  worker_wait_output (worker, "KeyboardInterrupt");
  worker_assert_result (worker, "plain", "<int64 1>, <int64 2>", "3");

  worker_finish (worker);
}

static void
test_stop (const char *python)
{
  Worker *worker = worker_new (python, "signals.py");

  interrupt (worker);
  worker_finish (worker);
}

static void
test_stop_on_loop (const char *python)
{
  Worker *worker = worker_new (python, "signals_async.py");

  interrupt (worker);
  worker_finish (worker);
}

/* Not even by an excepthook that exits, as those that report crashes do. */
static void
test_hook (const char *python)
{
  static const char *const extensions[] = { "signals.py", "signals_async.py" };

  for (guint i = 0; i < G_N_ELEMENTS (extensions); i++)
    {
      Worker *worker = worker_new (python, extensions[i]);

      worker_assert_result (worker, "hook_up", "", "'/pyisolate/None'");
      interrupt (worker);
      worker_assert_result (worker, "add", "<int64 1>, <int64 2>", "3");
      worker_wait_output (worker, "hook");
      worker_wait_output (worker, "SystemExit: 1");

      worker_finish (worker);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("signals/call", test_call);
  worker_add_test ("signals/call-on-loop", test_call_on_loop);
  worker_add_test ("signals/stop", test_stop);
  worker_add_test ("signals/stop-on-loop", test_stop_on_loop);
  worker_add_test ("signals/hook", test_hook);

  return g_test_run ();
}
