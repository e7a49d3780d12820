/* SPDX-License-Identifier: MIT */
/* How extensions get into a manager: at every stage of loading, in their turn. */
#include "config.h"

#include "slow-load.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* At every stage at once: one runs, one starts, one waits for its turn, one for uv. */
static void
test_drop_loading (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = host_make_fifo ();
  g_autofree char *uv = host_make_slow_uv (fifo);
  g_autoptr (GAsyncResult) starting = NULL;
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autoptr (GAsyncResult) installing = NULL;
  g_autoptr (HostNews) news = NULL;
  PyIsolateExtensionManager *manager = test->manager;
  GError *errors[3];

  pyisolate_extension_manager_set_max_parallel_starts (manager, 1);
  host_test_load (test, "basic");
  host_begin_load (test, host_slow_config ("starting", fifo), NULL, &starting);
  news = host_news_new (pyisolate_extension_manager_get_extension (manager, "starting"));
  host_news_wait_line (news, "stdout|*waiting");
  host_begin_load (test, host_slow_config ("waiting", fifo), NULL, &waiting);
  pyisolate_extension_manager_set_uv_path (manager, uv);
  host_begin_load (test, host_uv_config ("installing"), NULL, &installing);
  test_util_assert_until (host_uv_is_called, uv, HOST_TEST_TIMEOUT_MS);

  g_object_run_dispose (G_OBJECT (manager));
  errors[0] = host_end_failed_load (test, &starting, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  errors[1] = host_end_failed_load (test, &waiting, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  errors[2] = host_end_failed_load (test, &installing, G_IO_ERROR, G_IO_ERROR_CANCELLED);
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
  g_autofree char *fifo = host_make_fifo ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (HostNews) news = NULL;
  PyIsolateExtension *extension;
  double last[2] = { 0, 0 };
  double lowest = 1;
  int state = 0;

  g_signal_connect (test->manager, "load-progress", G_CALLBACK (on_load_progress), last);
  g_signal_connect (test->manager, "notify::progress", G_CALLBACK (on_progress), &lowest);
  host_begin_load (test, host_slow_config ("a", fifo), NULL, &result);
  extension = pyisolate_extension_manager_get_extension (test->manager, "a");
  news = host_news_new (extension);
  g_assert_cmpint (pyisolate_extension_get_state (extension), <, PYISOLATE_EXTENSION_STATE_RUNNING);
  g_assert_cmpfloat (pyisolate_extension_manager_get_progress (test->manager), <, 1);

  host_release_fifo (fifo);
  g_assert_true (host_end_load (test, &result) == extension);
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

static void
count_one (guint *n)
{
  ++*n;
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

typedef struct {
  PyIsolateExtensionManager *manager;
  gboolean has_context; /* of its own */
  GAsyncResult *result;
  gboolean is_over; /* atomic */
} Elsewhere;

static gpointer
load_async_elsewhere (gpointer data)
{
  Elsewhere *elsewhere = data;
  g_autoptr (PyIsolateExtensionConfig) config = host_config ("it", "basic");
  g_autoptr (GMainContext) context = elsewhere->has_context ? g_main_context_new () : NULL;

  if (context != NULL)
    g_main_context_push_thread_default (context);
  pyisolate_extension_manager_load_extension_async (elsewhere->manager, config, NULL, host_store,
                                                    &elsewhere->result);
  if (context != NULL)
    {
      host_wait_result (&elsewhere->result);
      g_main_context_pop_thread_default (context);
    }
  g_atomic_int_set (&elsewhere->is_over, TRUE);

  return NULL;
}

static gboolean
is_told_elsewhere (gpointer data)
{
  Elsewhere *elsewhere = data;

  return g_atomic_int_get (&elsewhere->is_over) && elsewhere->result != NULL;
}

/* It is told where it asked, a thread without a context in the default one; the manager does not notice. */
static void
test_other_thread_async (gconstpointer data)
{
  g_autoptr (HostTest) test = host_test_new ();
  Elsewhere elsewhere = { test->manager, GPOINTER_TO_INT (data), NULL, FALSE };
  guint n_changes = 0;
  GThread *thread;
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) error = NULL;

  g_signal_connect_swapped (test->manager, "items-changed", G_CALLBACK (count_one), &n_changes);
  thread = g_thread_new ("other", load_async_elsewhere, &elsewhere);
  test_util_assert_until (is_told_elsewhere, &elsewhere, HOST_TEST_TIMEOUT_MS);
  g_thread_join (thread);
  extension = pyisolate_extension_manager_load_extension_finish (test->manager, elsewhere.result, &error);
  g_clear_object (&elsewhere.result);

  g_assert_null (extension);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED);
  host_assert_message (error, "*thread*");
  g_assert_cmpuint (n_changes, ==, 0);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (test->manager)), ==, 0);
  g_signal_handlers_disconnect_by_data (test->manager, &n_changes);
}

static gpointer
load_at_home (gpointer context)
{
  g_main_context_push_thread_default (context);
  test_load_async ();
  g_main_context_pop_thread_default (context);

  return NULL;
}

static gpointer
load_with_default (gpointer data)
{
  g_assert_true (g_main_context_acquire (NULL));
  test_load_async ();
  g_main_context_release (NULL);

  return NULL;
}

/* A home need not be the main thread's: it is a context of another one, or the default one where another one iterates it. */
static void
test_other_home (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_thread_join (g_thread_new ("home", load_at_home, context));
  g_thread_join (g_thread_new ("default", load_with_default, NULL));
}

typedef struct {
  HostTest *test;
  GAsyncResult *result;
} Added;

/* Whoever is told of the row may iterate the context until the loading is over. */
static void
on_added_wait (Added *added)
{
  PyIsolateExtension *extension = pyisolate_extension_manager_get_extension (added->test->manager, "it");

  host_wait_result (&added->result);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_RUNNING);
}

static void
test_over_when_added (gconstpointer signal)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionManager *manager = test->manager;
  g_autoptr (PyIsolateExtensionConfig) config = host_config ("it", "basic");
  Added added = { test, NULL };
  double lowest = 1;

  g_signal_connect (manager, "notify::progress", G_CALLBACK (on_progress), &lowest);
  g_signal_connect_swapped (manager, signal, G_CALLBACK (on_added_wait), &added);
  pyisolate_extension_manager_load_extension_async (manager, config, NULL, host_store, &added.result);
  g_assert_nonnull (added.result);
  host_end_load (test, &added.result);

  g_assert_cmpfloat (pyisolate_extension_manager_get_progress (manager), ==, 1);
  g_assert_cmpfloat (lowest, <, 1); /* it was loading meanwhile */
  g_signal_handlers_disconnect_by_data (manager, &added);
  g_signal_handlers_disconnect_by_data (manager, &lowest);
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

      fifos[i] = host_make_fifo ();
      host_begin_load (test, host_slow_config (name, fifos[i]), NULL, &results[i]);
      starts.news[i] = host_news_new (pyisolate_extension_manager_get_extension (test->manager,
                                                                                 name));
    }

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      if (i + 1 < G_N_ELEMENTS (results))
        test_util_assert_until (two_are_starting, model, HOST_TEST_TIMEOUT_MS);
      test_util_assert_until (find_next, &starts, HOST_TEST_TIMEOUT_MS);
      g_assert_cmpuint (count_starting (model), <=, 2);
      host_release_fifo (fifos[starts.next]);
      starts.released[starts.next] = TRUE;
      host_end_load (test, &results[starts.next]);
    }

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      host_news_free (starts.news[i]);
      g_free (fifos[i]);
    }
}

/* Who waits for a turn gets one as soon as there are more. */
static void
test_more_starts (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionManager *manager = test->manager;
  PyIsolateExtension *barrier = host_test_load (test, "basic");
  g_autofree char *fifo = host_make_fifo ();
  g_autofree char *uv = host_make_slow_uv (fifo);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  const char *names[] = { "starting", "waiting", "installing" };
  GAsyncResult *results[3] = { NULL, };

  pyisolate_extension_manager_set_max_parallel_starts (manager, 1);
  pyisolate_extension_manager_set_max_parallel_installs (manager, 1);
  pyisolate_extension_manager_set_uv_path (manager, uv);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      PyIsolateExtensionConfig *config = i < 2 ? host_slow_config (names[i], fifo) : host_uv_config (names[i]);

      pyisolate_extension_config_set_start_timeout (config, -1); /* else the first one's turn ends */
      host_begin_load (test, config, cancellable, &results[i]);
      if (i == 0)
        host_wait_state (pyisolate_extension_manager_get_extension (manager, names[i]),
                         PYISOLATE_EXTENSION_STATE_STARTING);
    }

  /* Environments are made one by one: the second one's is there, and the service thread, which stops another, knows. */
  test_util_assert_until (host_uv_is_called, uv, HOST_TEST_TIMEOUT_MS);
  g_assert_true (pyisolate_extension_stop_sync (barrier, NULL, NULL));
  g_assert_cmpint (pyisolate_extension_get_state (pyisolate_extension_manager_get_extension (manager, "waiting")), ==,
                   PYISOLATE_EXTENSION_STATE_PREPARING);

  pyisolate_extension_manager_set_max_parallel_starts (manager, 2);
  host_wait_state (pyisolate_extension_manager_get_extension (manager, "waiting"),
                   PYISOLATE_EXTENSION_STATE_STARTING);

  g_cancellable_cancel (cancellable);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    g_error_free (host_end_failed_load (test, &results[i], G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

typedef struct {
  const char *uv;
  guint n;
} CallsWait;

static gboolean
is_called_times (gpointer data)
{
  CallsWait *wait = data;

  return host_count_uv_calls (wait->uv) >= wait->n;
}

static void
test_parallel_installs (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = host_make_fifo ();
  g_autofree char *uv = host_make_slow_uv (fifo);
  GAsyncResult *results[5] = { NULL, };
  CallsWait wait = { uv, 3 };

  pyisolate_extension_manager_set_uv_path (test->manager, uv);
  pyisolate_extension_manager_set_max_parallel_installs (test->manager, 3);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autofree char *name = g_strdup_printf ("%u", i);

      host_begin_load (test, host_uv_config (name), NULL, &results[i]);
    }

  test_util_assert_until (is_called_times, &wait, HOST_TEST_TIMEOUT_MS);
  g_assert_cmpuint (host_count_uv_calls (uv), ==, 3);
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
      error = host_end_failed_load (test, &results[i], PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT);
    }
  g_assert_cmpuint (host_count_uv_calls (uv), ==, G_N_ELEMENTS (results));
}

/* What needs nothing to be installed does not wait for what does. */
static void
test_beside_installs (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *first = host_test_load (test, "basic"); /* makes the environment of the last one */
  g_autofree char *fifo = host_make_fifo ();
  g_autofree char *uv = host_make_slow_uv (fifo);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) installing = NULL;

  g_assert_true (pyisolate_extension_stop_sync (first, NULL, NULL));
  pyisolate_extension_manager_set_max_parallel_installs (test->manager, 1);
  pyisolate_extension_manager_set_uv_path (test->manager, uv);
  host_begin_load (test, host_uv_config ("installing"), cancellable, &installing);
  test_util_assert_until (host_uv_is_called, uv, HOST_TEST_TIMEOUT_MS);

  host_test_load_config (test, host_config ("warm", "basic"));
  g_assert_null (installing);

  g_cancellable_cancel (cancellable);
  g_error_free (host_end_failed_load (test, &installing, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

static void
test_stop_all (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = host_make_fifo ();
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
  host_begin_load (test, host_slow_config ("c", fifo), NULL, &load);
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
  load_error = host_end_failed_load (test, &load, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING);

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
  test_util_add_func ("/pyisolate/loading/other-thread", test_other_thread);
  test_util_add_data_func ("/pyisolate/loading/other-thread-async/context", GINT_TO_POINTER (TRUE),
                           test_other_thread_async);
  test_util_add_data_func ("/pyisolate/loading/other-thread-async/none", GINT_TO_POINTER (FALSE),
                           test_other_thread_async);
  test_util_add_func ("/pyisolate/loading/other-home", test_other_home);
  test_util_add_data_func ("/pyisolate/loading/over-when-added/items-changed", "items-changed",
                           test_over_when_added);
  test_util_add_data_func ("/pyisolate/loading/over-when-added/extension-added", "extension-added",
                           test_over_when_added);
  test_util_add_func ("/pyisolate/loading/parallel-starts", test_parallel_starts);
  test_util_add_func ("/pyisolate/loading/more-starts", test_more_starts);
  test_util_add_func ("/pyisolate/loading/parallel-installs", test_parallel_installs);
  test_util_add_func ("/pyisolate/loading/beside-installs", test_beside_installs);
  test_util_add_func ("/pyisolate/loading/stop-all", test_stop_all);

  return host_test_run ();
}
