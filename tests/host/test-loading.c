/* SPDX-License-Identifier: MIT */
/* How extensions get into a manager: at every stage of loading, in their turn, and cancelled. */
#include "config.h"

#include "host-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
begin_load (HostTest                 *test,
            PyIsolateExtensionConfig *config_to_take,
            GCancellable             *cancellable,
            GAsyncResult            **result)
{
  g_autoptr (PyIsolateExtensionConfig) config = config_to_take;
  PyIsolateExtension *extension;

  pyisolate_extension_manager_load_extension_async (test->manager, config, cancellable, host_store,
                                                    result);
  g_assert_null (*result);
  extension = pyisolate_extension_manager_get_extension (test->manager, pyisolate_extension_config_get_name (config));
  g_assert_nonnull (extension);
  host_test_watch (test, extension);
}

static PyIsolateExtension *
end_load (HostTest      *test,
          GAsyncResult **result)
{
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) error = NULL;

  host_wait_result (result);
  extension = pyisolate_extension_manager_load_extension_finish (test->manager, *result, &error);
  g_assert_no_error (error);
  g_assert_nonnull (extension);
  g_clear_object (result);

  return extension; /* the manager keeps it */
}

static GError *
end_failed_load (HostTest      *test,
                 GAsyncResult **result,
                 GQuark         domain,
                 int            code)
{
  g_autoptr (GError) error = NULL;

  host_wait_result (result);
  g_assert_null (pyisolate_extension_manager_load_extension_finish (test->manager, *result,
                                                                    &error));
  g_assert_error (error, domain, code);
  g_clear_object (result);

  return g_steal_pointer (&error);
}

/* A FIFO that holds back whoever reads it. */
static char *
make_fifo (void)
{
  g_autofree char *directory = host_test_scratch ("fifo");
  char *path = g_build_filename (directory, "fifo", NULL);

  g_assert_cmpint (mkfifo (path, 0600), ==, 0);

  return path;
}

static void
release_fifo (const char *path)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  close (fd);
}

static PyIsolateExtensionConfig *
slow_config (const char *name,
             const char *fifo)
{
  PyIsolateExtensionConfig *config = host_config (name, "slow_import");
  g_autofree char *variable = g_strconcat ("RELEASE=", fifo, NULL);
  const char *variables[] = { variable, NULL };

  pyisolate_extension_config_set_environment_variables (config, variables);

  return config;
}

/* A uv that says that it runs and then waits for the FIFO; it ends with an error. */
static char *
make_slow_uv (const char *fifo)
{
  g_autofree char *directory = host_test_scratch ("uv");
  g_autofree char *text = g_strdup_printf ("#!/bin/sh\necho started >> %s/calls\nread line < %s\nexit 1\n", directory, fifo);
  char *path = g_build_filename (directory, "uv", NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0700, &error);
  g_assert_no_error (error);

  return path;
}

static guint
count_calls (const char *uv)
{
  g_autofree char *directory = g_path_get_dirname (uv);
  g_autofree char *path = g_build_filename (directory, "calls", NULL);
  g_autofree char *text = NULL;
  gsize length = 0;

  return g_file_get_contents (path, &text, &length, NULL) ? length / strlen ("started\n") : 0;
}

static gboolean
is_called (gpointer uv)
{
  return count_calls (uv) > 0;
}

static PyIsolateExtensionConfig *
uv_config (const char *name)
{
  PyIsolateExtensionConfig *config = host_config (name, "basic");
  g_autofree char *requirement = g_strdup_printf ("never-there==%u", g_str_hash (name));
  const char *dependencies[] = { requirement, NULL };

  pyisolate_extension_config_set_dependencies (config, dependencies);

  return config;
}

/* At every stage at once: one runs, one starts, one waits for its turn, one for uv. */
static void
test_drop_loading (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = make_fifo ();
  g_autofree char *uv = make_slow_uv (fifo);
  g_autoptr (GAsyncResult) starting = NULL;
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autoptr (GAsyncResult) installing = NULL;
  g_autoptr (HostNews) news = NULL;
  PyIsolateExtensionManager *manager = test->manager;
  GError *errors[3];

  pyisolate_extension_manager_set_max_parallel_starts (manager, 1);
  host_test_load (test, "basic");
  begin_load (test, slow_config ("starting", fifo), NULL, &starting);
  news = host_news_new (pyisolate_extension_manager_get_extension (manager, "starting"));
  host_news_wait_line (news, "stdout|*waiting");
  begin_load (test, slow_config ("waiting", fifo), NULL, &waiting);
  pyisolate_extension_manager_set_uv_path (manager, uv);
  begin_load (test, uv_config ("installing"), NULL, &installing);
  test_util_assert_until (is_called, uv, HOST_TEST_TIMEOUT_MS);

  g_object_run_dispose (G_OBJECT (manager));
  errors[0] = end_failed_load (test, &starting, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  errors[1] = end_failed_load (test, &waiting, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  errors[2] = end_failed_load (test, &installing, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_pointer (&news, host_news_free);
  host_test_drop_manager (test);
  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    g_error_free (errors[i]);
}

static void
on_load_progress (PyIsolateExtensionManager *manager,
                  PyIsolateExtension        *extension,
                  PyIsolateLoadStage         stage,
                  double                     fraction,
                  const char                *text,
                  double                    *last)
{
  g_assert_nonnull (text);
  g_assert_cmpfloat (fraction, >=, 0);
  g_assert_cmpfloat (fraction, <=, 1);
  g_assert_cmpfloat (fraction, >=, last[0]);
  g_assert_cmpfloat (stage, >=, last[1]);
  last[0] = fraction;
  last[1] = stage;
}

static void
on_progress (PyIsolateExtensionManager *manager,
             GParamSpec                *pspec,
             double                    *lowest)
{
  *lowest = MIN (*lowest, pyisolate_extension_manager_get_progress (manager));
}

static void
test_load_async (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (HostNews) news = NULL;
  PyIsolateExtension *extension;
  double last[2] = { 0, 0 };
  double lowest = 1;
  int state = 0;

  g_signal_connect (test->manager, "load-progress", G_CALLBACK (on_load_progress), last);
  g_signal_connect (test->manager, "notify::progress", G_CALLBACK (on_progress), &lowest);
  begin_load (test, host_config ("a", "basic"), NULL, &result);
  extension = pyisolate_extension_manager_get_extension (test->manager, "a");
  news = host_news_new (extension);
  g_assert_cmpint (pyisolate_extension_get_state (extension), <, PYISOLATE_EXTENSION_STATE_RUNNING);
  g_assert_cmpfloat (pyisolate_extension_manager_get_progress (test->manager), <, 1);

  g_assert_true (end_load (test, &result) == extension);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==,
                   PYISOLATE_EXTENSION_STATE_RUNNING);
  g_assert_cmpfloat (pyisolate_extension_manager_get_progress (test->manager), ==, 1);
  g_assert_cmpfloat (last[0], ==, 1);
  g_assert_cmpfloat (last[1], ==, PYISOLATE_LOAD_STAGE_READY);
  g_assert_cmpfloat (lowest, <, 1);

  /* As notified: upwards, and to the end. */
  for (guint i = 0; i < news->states->len; i++)
    {
      g_assert_cmpint (GPOINTER_TO_INT (g_ptr_array_index (news->states, i)), >, state);
      state = GPOINTER_TO_INT (g_ptr_array_index (news->states, i));
    }
  g_assert_cmpint (state, ==, PYISOLATE_EXTENSION_STATE_RUNNING);
  g_signal_handlers_disconnect_by_data (test->manager, last);
  g_signal_handlers_disconnect_by_data (test->manager, &lowest);
}

typedef enum {
  CANCEL_BEFORE,
  CANCEL_AT_ONCE,
  CANCEL_IN_UV,
  CANCEL_FOR_UV,
  CANCEL_IN_QUEUE,
  CANCEL_IN_IMPORT,
} CancelWhen;

static void
assert_cancelled (HostTest      *test,
                  const char    *name,
                  GCancellable  *cancellable,
                  GAsyncResult **result)
{
  PyIsolateExtension *extension = pyisolate_extension_manager_get_extension (test->manager, name);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) last_error = NULL;

  g_cancellable_cancel (cancellable);
  error = end_failed_load (test, result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, 0);
  last_error = pyisolate_extension_dup_last_error (extension);
  g_assert_nonnull (last_error);
  /* One that waited for its turn is over before the one that has it. */
  if (g_list_model_get_n_items (G_LIST_MODEL (test->manager)) == 1)
    g_assert_cmpfloat (pyisolate_extension_manager_get_progress (test->manager), ==, 1);
}

static void
wait_importing (HostTest   *test,
                const char *name)
{
  g_autoptr (HostNews) news = host_news_new (pyisolate_extension_manager_get_extension (test->manager, name));

  host_news_wait_line (news, "stdout|*waiting");
}

static void
test_cancel (gconstpointer data)
{
  CancelWhen when = (CancelWhen) GPOINTER_TO_INT (data);
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = make_fifo ();
  g_autofree char *uv = make_slow_uv (fifo);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GCancellable) other_cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) other = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  pyisolate_extension_manager_set_max_parallel_installs (test->manager, 1);
  pyisolate_extension_manager_set_max_parallel_starts (test->manager, 1);
  if (when == CANCEL_BEFORE)
    g_cancellable_cancel (cancellable);
  if (when == CANCEL_IN_UV || when == CANCEL_FOR_UV)
    pyisolate_extension_manager_set_uv_path (test->manager, uv);
  if (when == CANCEL_FOR_UV)
    {
      begin_load (test, uv_config ("other"), other_cancellable, &other);
      test_util_assert_until (is_called, uv, HOST_TEST_TIMEOUT_MS);
    }
  if (when == CANCEL_IN_QUEUE)
    {
      begin_load (test, slow_config ("other", fifo), other_cancellable, &other);
      wait_importing (test, "other");
    }

  begin_load (test, when == CANCEL_IN_UV || when == CANCEL_FOR_UV ? uv_config ("it")
              : slow_config ("it", fifo), cancellable, &result);
  if (when == CANCEL_IN_UV)
    test_util_assert_until (is_called, uv, HOST_TEST_TIMEOUT_MS);
  if (when == CANCEL_IN_IMPORT)
    wait_importing (test, "it");

  /* The other one still has the turn that it waits for. */
  assert_cancelled (test, "it", cancellable, &result);
  g_assert_null (other);
  if (when == CANCEL_IN_QUEUE || when == CANCEL_FOR_UV)
    assert_cancelled (test, "other", other_cancellable, &other);

  /* Nothing of it is in the way of another try. */
  pyisolate_extension_manager_set_uv_path (test->manager, NULL);
  host_test_load_config (test, host_config ("it", "basic"));
}

/* At moments from the pool's to those in the queue behind one that starts: no such load outlives
 * the next iterations. */
static void
test_cancel_around_queue (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = make_fifo ();
  g_autoptr (GCancellable) other_cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) other = NULL;

  pyisolate_extension_manager_set_max_parallel_starts (test->manager, 1);
  begin_load (test, slow_config ("other", fifo), other_cancellable, &other);
  wait_importing (test, "other");
  for (guint i = 0; i < (test_util_is_slowed () ? 60u : 300u); i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      gint64 moment = g_get_monotonic_time () + i % 100 * 5;

      begin_load (test, slow_config ("it", fifo), cancellable, &result);
      while (g_get_monotonic_time () < moment)
        ;
      assert_cancelled (test, "it", cancellable, &result);
      g_assert_null (other);
    }
  assert_cancelled (test, "other", other_cancellable, &other);
}

/* Once it runs, the cancellable of its loading means nothing. */
static void
test_cancel_late (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  PyIsolateExtension *extension;

  begin_load (test, host_config ("it", "basic"), cancellable, &result);
  extension = end_load (test, &result);
  g_cancellable_cancel (cancellable);
  host_assert_result (extension, "add", "(1, 2)", "int64 3");
}

static gpointer
cancel_soon (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);

  return NULL;
}

static gpointer
wait_and_cancel (gpointer data)
{
  gpointer *parts = data;

  while (pyisolate_extension_get_pid (parts[0]) == 0)
    g_thread_yield ();
  return cancel_soon (parts[1]);
}

static void
on_added_start_thread (PyIsolateExtensionManager *manager,
                       PyIsolateExtension        *extension,
                       gpointer                  *parts)
{
  parts[0] = g_object_ref (extension);
  parts[2] = g_thread_new ("canceller", wait_and_cancel, parts);
}

/* The blocking form is cancelled from another thread, while the process starts. */
static void
test_cancel_sync (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = make_fifo ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (PyIsolateExtensionConfig) config = slow_config ("it", fifo);
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) error = NULL;
  gpointer parts[3] = { NULL, cancellable, NULL };

  g_signal_connect (test->manager, "extension-added", G_CALLBACK (on_added_start_thread), parts);
  extension = pyisolate_extension_manager_load_extension_sync (test->manager, config, cancellable,
                                                               &error);
  g_assert_null (extension);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (parts[2]);
  host_test_watch (test, parts[0]);
  g_object_unref (parts[0]);
}

static gpointer
load_elsewhere (gpointer data)
{
  g_autoptr (PyIsolateExtensionConfig) config = host_config ("it", "basic");
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GError) error = NULL;

  g_main_context_push_thread_default (context);
  extension = pyisolate_extension_manager_load_extension_sync (data, config, NULL, &error);
  g_main_context_pop_thread_default (context);
  g_assert_null (extension);

  return g_steal_pointer (&error);
}

static void
test_other_thread (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GError) error = g_thread_join (g_thread_new ("other", load_elsewhere, test->manager));

  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED);
  host_assert_message (error, "*thread*");
}

static guint
count_starting (GListModel *model)
{
  guint n = 0;

  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (PyIsolateExtension) extension = g_list_model_get_item (model, i);

      n += pyisolate_extension_get_state (extension) == PYISOLATE_EXTENSION_STATE_STARTING;
    }

  return n;
}

static gboolean
two_are_starting (gpointer model)
{
  guint n = count_starting (model);

  g_assert_cmpuint (n, <=, 2);
  return n == 2;
}

typedef struct {
  HostNews *news[6];
  gboolean released[6];
  guint next; /* one that waits and is not released */
} Starts;

static gboolean
find_next (gpointer data)
{
  Starts *starts = data;

  for (guint i = 0; i < G_N_ELEMENTS (starts->news); i++)
    {
      starts->next = i;
      if (!starts->released[i] && starts->news[i]->lines->len > 0)
        return TRUE;
    }

  return FALSE;
}

/* Of six, two start at a time; the next one when one is done. */
static void
test_parallel_starts (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  GListModel *model = G_LIST_MODEL (test->manager);
  GAsyncResult *results[6] = { NULL, };
  char *fifos[6];
  Starts starts = { { NULL, }, { FALSE, }, 0 };

  pyisolate_extension_manager_set_max_parallel_starts (test->manager, 2);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autofree char *name = g_strdup_printf ("%u", i);

      fifos[i] = make_fifo ();
      begin_load (test, slow_config (name, fifos[i]), NULL, &results[i]);
      starts.news[i] = host_news_new (pyisolate_extension_manager_get_extension (test->manager,
                                                                                 name));
    }

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      if (i + 1 < G_N_ELEMENTS (results))
        test_util_assert_until (two_are_starting, model, HOST_TEST_TIMEOUT_MS);
      test_util_assert_until (find_next, &starts, HOST_TEST_TIMEOUT_MS);
      g_assert_cmpuint (count_starting (model), <=, 2);
      release_fifo (fifos[starts.next]);
      starts.released[starts.next] = TRUE;
      end_load (test, &results[starts.next]);
    }

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      host_news_free (starts.news[i]);
      g_free (fifos[i]);
    }
}

typedef struct {
  const char *uv;
  guint n;
} CallsWait;

static gboolean
is_called_times (gpointer data)
{
  CallsWait *wait = data;

  return count_calls (wait->uv) >= wait->n;
}

static void
test_parallel_installs (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = make_fifo ();
  g_autofree char *uv = make_slow_uv (fifo);
  GAsyncResult *results[5] = { NULL, };
  CallsWait wait = { uv, 3 };

  pyisolate_extension_manager_set_uv_path (test->manager, uv);
  pyisolate_extension_manager_set_max_parallel_installs (test->manager, 3);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autofree char *name = g_strdup_printf ("%u", i);

      begin_load (test, uv_config (name), NULL, &results[i]);
    }

  test_util_assert_until (is_called_times, &wait, HOST_TEST_TIMEOUT_MS);
  g_assert_cmpuint (count_calls (uv), ==, 3);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = NULL;

      /* All three read it; the last two come after that. */
      wait.n = MIN (3 + i, G_N_ELEMENTS (results));
      while (!is_called_times (&wait) || results[i] == NULL)
        {
          int fd = open (fifo, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

          if (fd >= 0)
            close (fd);
          g_main_context_iteration (NULL, FALSE);
        }
      error = end_failed_load (test, &results[i], PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT);
    }
  g_assert_cmpuint (count_calls (uv), ==, G_N_ELEMENTS (results));
}

static void
test_stop_all (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = make_fifo ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) load = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) load_error = NULL;
  g_autoptr (HostNews) news = NULL;
  PyIsolateExtension *running[2];

  /* None at all. */
  g_assert_true (pyisolate_extension_manager_stop_all_sync (test->manager, NULL, &error));
  g_assert_no_error (error);

  running[0] = host_test_load_config (test, host_config ("a", "basic"));
  running[1] = host_test_load_config (test, host_config ("b", "basic"));
  begin_load (test, slow_config ("c", fifo), NULL, &load);
  news = host_news_new (pyisolate_extension_manager_get_extension (test->manager, "c"));
  host_news_wait_line (news, "stdout|*waiting");

  pyisolate_extension_manager_stop_all_async (test->manager, NULL, host_store, &result);
  g_assert_null (result);
  host_wait_result (&result);
  g_assert_true (pyisolate_extension_manager_stop_all_finish (test->manager, result, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (test->manager)); i++)
    {
      g_autoptr (PyIsolateExtension) extension = g_list_model_get_item (G_LIST_MODEL (test->manager), i);

      g_assert_cmpint (pyisolate_extension_get_state (extension), ==,
                       PYISOLATE_EXTENSION_STATE_STOPPED);
      g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, 0);
    }
  g_assert_null (pyisolate_extension_dup_last_error (running[0]));
  load_error = end_failed_load (test, &load, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING);

  /* Again. */
  g_assert_true (pyisolate_extension_manager_stop_all_sync (test->manager, NULL, &error));
  g_assert_true (pyisolate_extension_stop_sync (running[1], NULL, &error));
  g_assert_no_error (error);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/loading/drop-loading", test_drop_loading);
  test_util_add_func ("/pyisolate/loading/load-async", test_load_async);
  test_util_add_data_func ("/pyisolate/loading/cancel/before", GINT_TO_POINTER (CANCEL_BEFORE),
                           test_cancel);
  test_util_add_data_func ("/pyisolate/loading/cancel/at-once", GINT_TO_POINTER (CANCEL_AT_ONCE),
                           test_cancel);
  test_util_add_data_func ("/pyisolate/loading/cancel/in-uv", GINT_TO_POINTER (CANCEL_IN_UV),
                           test_cancel);
  test_util_add_data_func ("/pyisolate/loading/cancel/for-uv", GINT_TO_POINTER (CANCEL_FOR_UV),
                           test_cancel);
  test_util_add_data_func ("/pyisolate/loading/cancel/in-queue", GINT_TO_POINTER (CANCEL_IN_QUEUE),
                           test_cancel);
  test_util_add_data_func ("/pyisolate/loading/cancel/in-import",
                           GINT_TO_POINTER (CANCEL_IN_IMPORT), test_cancel);
  test_util_add_func ("/pyisolate/loading/cancel/around-queue", test_cancel_around_queue);
  test_util_add_func ("/pyisolate/loading/cancel/late", test_cancel_late);
  test_util_add_func ("/pyisolate/loading/cancel/sync", test_cancel_sync);
  test_util_add_func ("/pyisolate/loading/other-thread", test_other_thread);
  test_util_add_func ("/pyisolate/loading/parallel-starts", test_parallel_starts);
  test_util_add_func ("/pyisolate/loading/parallel-installs", test_parallel_installs);
  test_util_add_func ("/pyisolate/loading/stop-all", test_stop_all);

  return host_test_run ();
}
