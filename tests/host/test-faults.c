/* SPDX-License-Identifier: MIT */
/* However an extension ends: every call is answered, nothing of it is left, others go on, and it
 * can be loaded again. */
#include "config.h"

#include "faults-scene.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is beyond a grace period that the library has. */
#define MARGIN_MS 5000
#define STOP_TIMEOUT_MS 300

typedef struct {
  const char *method;
  const char *args;
  int code;
  const char *pattern;
  PyIsolateExitKind kind;
  int status;
} Ending;

static const Ending endings[] = {
  { "leave", "(0,)", PYISOLATE_ERROR_DIED, "*“faulty”*", PYISOLATE_EXIT_KIND_EXITED, 0 },
  { "leave", "(42,)", PYISOLATE_ERROR_DIED, "*“faulty”*42*", PYISOLATE_EXIT_KIND_EXITED, 42 },
  { "segv", NULL, PYISOLATE_ERROR_DIED, "*“faulty”*11*", PYISOLATE_EXIT_KIND_SIGNALED, SIGSEGV },
  { "abort", NULL, PYISOLATE_ERROR_DIED, "*“faulty”*6*", PYISOLATE_EXIT_KIND_SIGNALED, SIGABRT },
  { "raise_signal", "(8,)", PYISOLATE_ERROR_DIED, "*“faulty”*8*", PYISOLATE_EXIT_KIND_SIGNALED, SIGFPE },
  { "raise_signal", "(15,)", PYISOLATE_ERROR_KILLED, "*“faulty”*15*", PYISOLATE_EXIT_KIND_SIGNALED, SIGTERM },
};

/* Calls it with two others waiting; all of them must end so. */
static void
end_by (HostScene          *scene,
        PyIsolateExtension *extension,
        const Ending       *ending)
{
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (GError) last_error = NULL;
  GAsyncResult *results[3] = { NULL, };

  host_begin (extension, "wait", NULL, NULL, &results[0]);
  host_begin (extension, "wait", NULL, NULL, &results[1]);
  host_begin (extension, ending->method, ending->args, NULL, &results[2]);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = host_end_error (extension, &results[i], PYISOLATE_ERROR,
                                                 ending->code);

      if (i == 0)
        g_test_message ("%s", error->message);
      host_assert_message (error, ending->pattern);
    }
  host_news_wait_exited (news, ending->kind, ending->status);
  g_assert_false (pyisolate_exit_reason_get_expected (news->reason));
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  last_error = pyisolate_extension_dup_last_error (extension);
  g_assert_error (last_error, PYISOLATE_ERROR, ending->code);
  host_scene_assert_nobody (scene);
  host_assert_result (scene->other, "add", "(1, 2)", "int64 3");
}

static void
test_endings (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    end_by (scene, host_scene_load (scene), &endings[i]);
  host_assert_result (host_scene_load (scene), "fine", NULL, "'fine'");
  g_assert_true (pyisolate_extension_manager_stop_all_sync (scene->test->manager, NULL, NULL));
  scene->other = host_test_load_config (scene->test, host_config ("other", "basic"));
}

static void
test_killed_from_outside (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtension *extension = host_scene_load (scene);
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  host_begin (extension, "wait", NULL, NULL, &result);
  g_assert_cmpint (kill (pyisolate_extension_get_pid (extension), SIGKILL), ==, 0);
  error = host_end_error (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  host_assert_message (error, "*“faulty”*9*");
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
}

/* By the host, from another thread, again and again. */
static gpointer
kill_it (gpointer extension)
{
  for (guint i = 0; i < 10; i++)
    pyisolate_extension_kill (extension);

  return NULL;
}

static void
test_killed_by_host (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtension *extension = host_scene_load (scene);
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  host_begin (extension, "wait", NULL, NULL, &result);
  g_thread_join (g_thread_new ("killer", kill_it, extension));
  error = host_end_error (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  host_assert_message (error, "*“faulty”*host*");
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  pyisolate_extension_kill (extension);
}

typedef struct {
  const char *when;
  int code;
  const char *pattern;
} ImportFault;

static const ImportFault import_faults[] = {
  { "FAULT_AT_IMPORT=exit", PYISOLATE_ERROR_DIED, "*“faulty”*7*loaded*" },
  { "FAULT_AT_IMPORT=segv", PYISOLATE_ERROR_DIED, "*“faulty”*11*loaded*" },
  { "FAULT_AT_IMPORT=system-exit", PYISOLATE_ERROR_IMPORT_FAILED, "*“faulty”*SystemExit*8*" },
};

/* Its time is over while it imports: on a machine that does much else a Python may need more of it to get there at all, which is
 * another error. */
static gboolean
hang_at_import (HostScene *scene,
                gint64     timeout)
{
  g_autoptr (PyIsolateExtensionConfig) config = host_marked_config ("faulty", "faults", scene->mark, "FAULT_AT_IMPORT=hang");
  g_autofree char *pattern = g_strdup_printf ("*“faulty”*start-timeout*%" G_GINT64_FORMAT " ms*", timeout);
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) error = NULL;

  pyisolate_extension_config_set_start_timeout (config, timeout);
  extension = pyisolate_extension_manager_load_extension_sync (scene->test->manager, config, NULL, &error);
  g_assert_null (extension);
  host_scene_assert_nobody (scene);
  if (g_error_matches (error, PYISOLATE_ERROR, PYISOLATE_ERROR_HANDSHAKE))
    return FALSE;

  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  host_assert_message (error, pattern);

  return TRUE;
}

static void
test_import (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();

  for (guint i = 0; i < G_N_ELEMENTS (import_faults); i++)
    {
      const ImportFault *fault = &import_faults[i];
      PyIsolateExtensionConfig *config = host_marked_config ("faulty", "faults", scene->mark,
                                                             fault->when);
      g_autoptr (GError) error = host_test_fail_load (scene->test, config, fault->code);

      host_assert_message (error, fault->pattern);
      host_scene_assert_nobody (scene);
    }
  for (gint64 timeout = 1500; !hang_at_import (scene, timeout); timeout *= 2)
    g_assert_cmpint (timeout, <, HOST_TEST_TIMEOUT_MS);
  host_assert_result (host_scene_load (scene), "fine", NULL, "'fine'");
  pyisolate_extension_kill (pyisolate_extension_manager_get_extension (scene->test->manager,
                                                                       "faulty"));
  host_wait_state (pyisolate_extension_manager_get_extension (scene->test->manager, "faulty"),
                   PYISOLATE_EXTENSION_STATE_FAILED);
}

/* What such a method returns may come by memory that is shared, whatever it has closed. */
static gboolean
may_return (const char *method)
{
  return g_str_equal (method, "close_link") || g_str_equal (method, "close_everything");
}

static void
assert_died (const GError *error)
{
  g_test_message ("%s", error->message);
  g_assert_true (error->domain == PYISOLATE_ERROR);
  g_assert_true (error->code == PYISOLATE_ERROR_DIED || error->code == PYISOLATE_ERROR_KILLED);
}

/* The link goes, the process stays: it is ended for that. How long it took. */
static gint64
lose_link (gconstpointer method)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtension *extension = host_scene_load (scene);
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) other_error = NULL;
  g_autoptr (GVariant) value = NULL;
  gint64 begun, elapsed;

  host_begin (extension, "wait", NULL, NULL, &waiting);
  begun = g_get_monotonic_time ();
  host_begin (extension, method, NULL, NULL, &result);
  host_wait_result (&result);
  value = pyisolate_extension_call_finish (extension, result, &error);
  g_assert_true (value == NULL || may_return (method));
  host_wait_result (&waiting);
  g_assert_null (pyisolate_extension_call_finish (extension, waiting, &other_error));
  elapsed = g_get_monotonic_time () - begun;
  assert_died (other_error);
  if (value == NULL)
    g_assert_error (error, PYISOLATE_ERROR, other_error->code);
  host_wait_state (extension, PYISOLATE_EXTENSION_STATE_FAILED);
  test_util_assert_until (test_util_is_set, &news->reason, HOST_TEST_TIMEOUT_MS);
  g_assert_cmpuint (news->n_exited, ==, 1);

  return elapsed;
}

static void
test_link_lost (gconstpointer method)
{
  test_util_assert_reaches (lose_link, method, MARGIN_MS * G_TIME_SPAN_MILLISECOND);
}

static void
test_system_exit (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtension *extension = host_scene_load (scene);
  const char *const methods[] = { "exit_method", "exit_coroutine" };

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      g_autoptr (GError) error = host_call_error (extension, methods[i], NULL,
                                                  PYISOLATE_ERROR_REMOTE_EXCEPTION);

      host_assert_message (error, "SystemExit: enough");
    }
  host_assert_result (extension, "fine", NULL, "'fine'");
  host_assert_result (extension, "fork_and_return", NULL, "'parent'");
  host_assert_result (extension, "fine", NULL, "'fine'");
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
}

/* What it started ends with it, however it ends. */
static void
test_children (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();

  for (guint i = 0; i < 3; i++)
    {
      PyIsolateExtension *extension = host_scene_load (scene);
      g_autoptr (GVariant) pids = host_call (extension, "start_sleepers", NULL);
      g_autoptr (GArray) found = test_util_find_processes (scene->mark);
      const gint64 *numbers;
      gsize n_pids;

      numbers = g_variant_get_fixed_array (pids, &n_pids, sizeof (gint64));
      g_assert_cmpuint (n_pids, ==, 3);
      for (gsize j = 0; j < n_pids; j++)
        g_assert_true (test_util_process_is_alive ((int) numbers[j]));
      g_assert_cmpuint (found->len, >=, 4);

      if (i == 0)
        g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
      else if (i == 1)
        pyisolate_extension_kill (extension);
      else
        g_error_free (host_call_error (extension, "leave", "(1,)", PYISOLATE_ERROR_DIED));
      host_wait_state (extension, i == 0 ? PYISOLATE_EXTENSION_STATE_STOPPED
                       : PYISOLATE_EXTENSION_STATE_FAILED);
      host_scene_assert_nobody (scene);
      for (gsize j = 0; j < n_pids; j++)
        g_assert_false (test_util_process_is_alive ((int) numbers[j]));
    }
}

/* How long it took. */
static gint64
stop_in_vain (HostScene          *scene,
              PyIsolateExtension *extension)
{
  g_autoptr (HostNews) news = host_news_new (extension);
  gint64 begun = g_get_monotonic_time ();
  gint64 elapsed;
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, &error));
  elapsed = g_get_monotonic_time () - begun;
  g_assert_no_error (error);
  g_assert_cmpint (elapsed, >=, STOP_TIMEOUT_MS * 1000);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==,
                   PYISOLATE_EXTENSION_STATE_STOPPED);
  g_assert_null (pyisolate_extension_dup_last_error (extension));
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  g_assert_true (pyisolate_exit_reason_get_expected (news->reason));
  host_scene_assert_nobody (scene);

  return elapsed;
}

static void
on_begun (PyIsolateCall *call,
          double         fraction,
          const char    *text,
          gboolean      *begun)
{
  *begun = TRUE;
}

static gint64
stop_stubborn_hook (gconstpointer data)
{
  HostScene *scene = (HostScene *) data;
  PyIsolateExtensionConfig *config = host_marked_config ("hook", "stubborn", scene->mark, NULL);
  PyIsolateExtension *extension;

  pyisolate_extension_config_set_stop_timeout (config, STOP_TIMEOUT_MS);
  extension = host_test_load_config (scene->test, config);
  host_assert_result (extension, "fine", NULL, "'fine'");

  return stop_in_vain (scene, extension);
}

static gint64
stop_stubborn_method (gconstpointer data)
{
  HostScene *scene = (HostScene *) data;
  PyIsolateExtensionConfig *config = host_marked_config ("method", "faults", scene->mark, NULL);
  PyIsolateExtension *extension;
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("never_stop");
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  gboolean begun = FALSE;
  gint64 elapsed;

  pyisolate_extension_config_set_stop_timeout (config, STOP_TIMEOUT_MS);
  extension = host_test_load_config (scene->test, config);
  g_signal_connect (call, "progress", G_CALLBACK (on_begun), &begun);
  pyisolate_extension_start_call_async (extension, call, NULL, host_store, &result);
  test_util_assert_until (test_util_is_true, &begun, HOST_TEST_TIMEOUT_MS);
  elapsed = stop_in_vain (scene, extension);
  host_wait_result (&result);
  g_assert_null (pyisolate_extension_start_call_finish (extension, result, &error));
  g_assert_nonnull (error);

  return elapsed;
}

/* A stop that is not honoured becomes a kill. */
static void
test_stop_not_honoured (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();

  test_util_assert_reaches (stop_stubborn_hook, scene, (STOP_TIMEOUT_MS + MARGIN_MS) * 1000);
  test_util_assert_reaches (stop_stubborn_method, scene, (STOP_TIMEOUT_MS + MARGIN_MS) * 1000);
}

/* A kill while a stop waits ends the waiting. */
static void
test_kill_while_stopping (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtensionConfig *config = host_marked_config ("hook", "stubborn", scene->mark, NULL);
  PyIsolateExtension *extension;
  g_autoptr (HostNews) news = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  pyisolate_extension_config_set_stop_timeout (config, -1);
  extension = host_test_load_config (scene->test, config);
  news = host_news_new (extension);
  pyisolate_extension_stop_async (extension, NULL, host_store, &result);
  host_news_wait_line (news, "stdout|*|stopping");
  g_assert_null (result);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==,
                   PYISOLATE_EXTENSION_STATE_STOPPING);
  pyisolate_extension_kill (extension);
  host_wait_result (&result);
  g_assert_true (pyisolate_extension_stop_finish (extension, result, NULL));
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==,
                   PYISOLATE_EXTENSION_STATE_STOPPED);
}

static void
test_no_launcher (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  g_autofree char *launcher = g_strdup (g_getenv ("PYISOLATE_LAUNCHER"));
  g_autoptr (GError) error = NULL;

  g_setenv ("PYISOLATE_LAUNCHER", "/not/there", TRUE);
  error = host_test_fail_load (scene->test, host_config ("faulty", "faults"),
                               PYISOLATE_ERROR_SPAWN);
  /* valgrind makes a fork of what posix_spawn() does, and then nobody hears what became of the exec. */
  host_assert_message (error, test_util_is_on_valgrind () ? "*launcher ended early*" : "*/not/there*");
  g_setenv ("PYISOLATE_LAUNCHER", launcher, TRUE);
  host_assert_result (host_test_load_config (scene->test, host_config ("faulty", "faults")), "fine",
                      NULL, "'fine'");
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/faults/endings", test_endings);
  test_util_add_func ("/pyisolate/faults/killed-from-outside", test_killed_from_outside);
  test_util_add_func ("/pyisolate/faults/killed-by-host", test_killed_by_host);
  test_util_add_func ("/pyisolate/faults/import", test_import);
  test_util_add_data_func ("/pyisolate/faults/link-lost/shut", "shut_link", test_link_lost);
  test_util_add_data_func ("/pyisolate/faults/link-lost/closed", "close_link", test_link_lost);
  test_util_add_data_func ("/pyisolate/faults/link-lost/all-closed", "close_everything",
                           test_link_lost);
  test_util_add_data_func ("/pyisolate/faults/link-lost/closed-and-hangs", "close_link_and_hang",
                           test_link_lost);
  test_util_add_data_func ("/pyisolate/faults/link-lost/replaced-and-hangs",
                           "replace_link_and_hang", test_link_lost);
  test_util_add_data_func ("/pyisolate/faults/link-lost/all-closed-and-hangs",
                           "close_everything_and_hang",
                           test_link_lost);
  test_util_add_func ("/pyisolate/faults/system-exit", test_system_exit);
  test_util_add_func ("/pyisolate/faults/children", test_children);
  test_util_add_func ("/pyisolate/faults/stop-not-honoured", test_stop_not_honoured);
  test_util_add_func ("/pyisolate/faults/kill-while-stopping", test_kill_while_stopping);
  test_util_add_func ("/pyisolate/faults/no-launcher", test_no_launcher);

  return host_test_run ();
}
