/* SPDX-License-Identifier: MIT */
/* A process whose link stays, and a link whose process stays: they are not waited for, whatever else is wanted meanwhile, and how
 * the process ended is told as it was. */
#include "config.h"

#include "faults-scene.h"

#include <signal.h>
#include <unistd.h>

/* Well within the time that one is left after the other. */
#define A_MOMENT_MS 100

static gboolean
on_moment (gpointer data)
{
  *(gboolean *) data = TRUE;

  return G_SOURCE_REMOVE;
}

/* The link's end, or the process's, has been heard of by then: else the test sees less, and nothing wrong. */
static void
wait_a_moment (void)
{
  gboolean over = FALSE;

  g_timeout_add (A_MOMENT_MS, on_moment, &over);
  test_util_assert_until (test_util_is_true, &over, HOST_TEST_TIMEOUT_MS);
}

static gboolean
is_process_gone (gpointer data)
{
  return !test_util_process_is_alive (GPOINTER_TO_INT (data));
}

static void
kill_from_outside (PyIsolateExtension *extension)
{
  int pid = pyisolate_extension_get_pid (extension);

  g_assert_no_errno (kill (pid, SIGKILL));
  test_util_assert_until (is_process_gone, GINT_TO_POINTER (pid), HOST_TEST_TIMEOUT_MS);
}

/* The worker's end of the link, in the hands of somebody who outlives it. */
static int
take_link (PyIsolateExtension *extension)
{
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("give_link");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;
  int fd;

  result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
  g_assert_no_error (error);
  fd = pyisolate_call_result_dup_fd (result, 0, &error);
  g_assert_no_error (error);

  return fd;
}

/* A kill, which has nothing to do any more, does not keep the end from being told. */
static void
test_link_outlives (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtension *extension = host_scene_load (scene);
  int fd = take_link (extension);
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autoptr (GError) error = NULL;

  host_begin (extension, "wait", NULL, NULL, &waiting);
  kill_from_outside (extension);
  wait_a_moment ();
  pyisolate_extension_kill (extension);
  host_wait_result (&waiting);
  g_assert_null (pyisolate_extension_call_finish (extension, waiting, &error));
  g_assert_nonnull (error);
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  close (fd);
}

/* A stop that has all the time in the world, but nobody who could be told of it. */
static void
test_stop_without_link (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtensionConfig *config = host_marked_config ("shut", "faults", scene->mark, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateExtension *extension;

  pyisolate_extension_config_set_stop_timeout (config, -1);
  extension = host_test_load_config (scene->test, config);
  host_begin (extension, "replace_link_and_hang", NULL, NULL, &result);
  wait_a_moment ();
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  host_wait_result (&result);
  g_assert_null (pyisolate_extension_call_finish (extension, result, &error));
  g_assert_nonnull (error);
}

/* By a launcher that takes its time to say that nothing is left. */
static PyIsolateExtension *
load_with_slow_launcher (HostScene *scene)
{
  g_autofree char *launcher = g_strdup (g_getenv ("PYISOLATE_LAUNCHER"));
  PyIsolateExtension *extension;

  g_setenv ("PYISOLATE_LAUNCHER", g_test_get_filename (G_TEST_DIST, "host", "slow-launcher.py", NULL), TRUE);
  extension = host_scene_load (scene);
  g_setenv ("PYISOLATE_LAUNCHER", launcher, TRUE);

  return extension;
}

/* What is told of how it ended, and to a call that waited for it. */
static void
check_end (gboolean by_us)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtension *extension = load_with_slow_launcher (scene);
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autoptr (GError) error = NULL;

  host_begin (extension, "wait", NULL, NULL, &waiting);
  if (by_us)
    pyisolate_extension_kill (extension);
  else
    kill_from_outside (extension);
  host_wait_result (&waiting);
  g_assert_null (pyisolate_extension_call_finish (extension, waiting, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  test_util_assert_until (test_util_is_set, &news->reason, HOST_TEST_TIMEOUT_MS);
  g_assert_cmpint (pyisolate_exit_reason_get_kind (news->reason), ==, PYISOLATE_EXIT_KIND_SIGNALED);
  g_assert_cmpint (pyisolate_exit_reason_get_expected (news->reason), ==, by_us);
}

static void
test_slow_tree (void)
{
  check_end (TRUE);
  check_end (FALSE);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/faults-afterlife/link-outlives", test_link_outlives);
  test_util_add_func ("/pyisolate/faults-afterlife/stop-without-link", test_stop_without_link);
  test_util_add_func ("/pyisolate/faults-afterlife/slow-tree", test_slow_tree);

  return host_test_run ();
}
