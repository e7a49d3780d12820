/* SPDX-License-Identifier: MIT */
/* Loading that is cancelled, or killed, at every stage and from any thread. */
#include "config.h"

#include "slow-load.h"

typedef enum {
  CANCEL_BEFORE,
  CANCEL_AT_ONCE,
  CANCEL_IN_UV,
  CANCEL_FOR_UV,
  CANCEL_IN_QUEUE,
  CANCEL_IN_IMPORT,
} CancelWhen;

/* @cancellable: (nullable): NULL kills the extension */
static void
assert_ended (HostTest      *test,
              const char    *name,
              GCancellable  *cancellable,
              GAsyncResult **result)
{
  PyIsolateExtension *extension = pyisolate_extension_manager_get_extension (test->manager, name);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) last_error = NULL;

  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
  else
    pyisolate_extension_kill (extension);
  error = cancellable != NULL ? host_end_failed_load (test, result, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                              : host_end_failed_load (test, result, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, 0);
  last_error = pyisolate_extension_dup_last_error (extension);
  g_assert_nonnull (last_error);
  /* One that waited for its turn is over before the one that has it. */
  if (g_list_model_get_n_items (G_LIST_MODEL (test->manager)) == 1)
    g_assert_cmpfloat (pyisolate_extension_manager_get_progress (test->manager), ==, 1);
}

static void
assert_cancelled (HostTest      *test,
                  const char    *name,
                  GCancellable  *cancellable,
                  GAsyncResult **result)
{
  g_assert_nonnull (cancellable);
  assert_ended (test, name, cancellable, result);
}

static void
wait_importing (HostTest   *test,
                const char *name)
{
  g_autoptr (HostNews) news = host_news_new (pyisolate_extension_manager_get_extension (test->manager, name));

  host_news_wait_line (news, "stdout|*waiting");
}

static void
end_load (CancelWhen when,
          gboolean   kills)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = host_make_fifo ();
  g_autofree char *uv = host_make_slow_uv (fifo);
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
      host_begin_load (test, host_uv_config ("other"), other_cancellable, &other);
      test_util_assert_until (host_uv_is_called, uv, HOST_TEST_TIMEOUT_MS);
    }
  if (when == CANCEL_IN_QUEUE)
    {
      host_begin_load (test, host_slow_config ("other", fifo), other_cancellable, &other);
      wait_importing (test, "other");
    }

  host_begin_load (test, when == CANCEL_IN_UV || when == CANCEL_FOR_UV ? host_uv_config ("it")
              : host_slow_config ("it", fifo), cancellable, &result);
  if (when == CANCEL_IN_UV)
    test_util_assert_until (host_uv_is_called, uv, HOST_TEST_TIMEOUT_MS);
  if (when == CANCEL_IN_IMPORT)
    wait_importing (test, "it");

  /* The other one still has the turn that it waits for. */
  assert_ended (test, "it", kills ? NULL : cancellable, &result);
  g_assert_null (other);
  if (when == CANCEL_IN_QUEUE || when == CANCEL_FOR_UV)
    assert_ended (test, "other", kills ? NULL : other_cancellable, &other);

  /* Nothing of it is in the way of another try. */
  pyisolate_extension_manager_set_uv_path (test->manager, NULL);
  host_test_load_config (test, host_config ("it", "basic"));
}

static void
test_cancel (gconstpointer data)
{
  end_load ((CancelWhen) GPOINTER_TO_INT (data), FALSE);
}

/* Which says so: who waits for it has cancelled nothing. */
static void
test_kill (gconstpointer data)
{
  end_load ((CancelWhen) GPOINTER_TO_INT (data), TRUE);
}

/* At moments from the pool's to those in the queue behind one that starts: no such load outlives
 * the next iterations. */
static void
test_cancel_around_queue (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = host_make_fifo ();
  g_autoptr (GCancellable) other_cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) other = NULL;

  pyisolate_extension_manager_set_max_parallel_starts (test->manager, 1);
  host_begin_load (test, host_slow_config ("other", fifo), other_cancellable, &other);
  wait_importing (test, "other");
  for (guint i = 0; i < (test_util_is_slowed () ? 60u : 300u); i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      gint64 moment = g_get_monotonic_time () + i % 100 * 5;

      host_begin_load (test, host_slow_config ("it", fifo), cancellable, &result);
      while (g_get_monotonic_time () < moment)
        ;
      assert_cancelled (test, "it", cancellable, &result);
      g_assert_null (other);
    }
  assert_cancelled (test, "other", other_cancellable, &other);
}

/* The pool still has a load that was cancelled while another one was before it: the caller's cancellable is not kept by it, nor
 * let go by a thread of the pool's. */
static void
test_cancellable_goes (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = host_make_fifo ();
  g_autofree char *uv = host_make_slow_uv (fifo);
  g_autoptr (GCancellable) other_cancellable = g_cancellable_new ();
  GCancellable *cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) other = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  pyisolate_extension_manager_set_max_parallel_installs (test->manager, 1);
  pyisolate_extension_manager_set_uv_path (test->manager, uv);
  host_begin_load (test, host_uv_config ("other"), other_cancellable, &other);
  test_util_assert_until (host_uv_is_called, uv, HOST_TEST_TIMEOUT_MS);
  host_begin_load (test, host_uv_config ("it"), cancellable, &result);

  g_object_add_weak_pointer (G_OBJECT (cancellable), (gpointer *) &cancellable);
  assert_cancelled (test, "it", cancellable, &result);
  g_object_unref (cancellable);
  g_assert_null (cancellable);
  g_assert_null (other);
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

  host_begin_load (test, host_config ("it", "basic"), cancellable, &result);
  extension = host_end_load (test, &result);
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
  g_autofree char *fifo = host_make_fifo ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (PyIsolateExtensionConfig) config = host_slow_config ("it", fifo);
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

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_data_func ("/pyisolate/loading-cancel/before", GINT_TO_POINTER (CANCEL_BEFORE), test_cancel);
  test_util_add_data_func ("/pyisolate/loading-cancel/at-once", GINT_TO_POINTER (CANCEL_AT_ONCE), test_cancel);
  test_util_add_data_func ("/pyisolate/loading-cancel/in-uv", GINT_TO_POINTER (CANCEL_IN_UV), test_cancel);
  test_util_add_data_func ("/pyisolate/loading-cancel/for-uv", GINT_TO_POINTER (CANCEL_FOR_UV), test_cancel);
  test_util_add_data_func ("/pyisolate/loading-cancel/in-queue", GINT_TO_POINTER (CANCEL_IN_QUEUE), test_cancel);
  test_util_add_data_func ("/pyisolate/loading-cancel/in-import", GINT_TO_POINTER (CANCEL_IN_IMPORT), test_cancel);
  test_util_add_data_func ("/pyisolate/loading-cancel/kill/at-once", GINT_TO_POINTER (CANCEL_AT_ONCE), test_kill);
  test_util_add_data_func ("/pyisolate/loading-cancel/kill/in-uv", GINT_TO_POINTER (CANCEL_IN_UV), test_kill);
  test_util_add_data_func ("/pyisolate/loading-cancel/kill/for-uv", GINT_TO_POINTER (CANCEL_FOR_UV), test_kill);
  test_util_add_data_func ("/pyisolate/loading-cancel/kill/in-queue", GINT_TO_POINTER (CANCEL_IN_QUEUE), test_kill);
  test_util_add_data_func ("/pyisolate/loading-cancel/kill/in-import", GINT_TO_POINTER (CANCEL_IN_IMPORT), test_kill);
  test_util_add_func ("/pyisolate/loading-cancel/around-queue", test_cancel_around_queue);
  test_util_add_func ("/pyisolate/loading-cancel/cancellable-goes", test_cancellable_goes);
  test_util_add_func ("/pyisolate/loading-cancel/late", test_cancel_late);
  test_util_add_func ("/pyisolate/loading-cancel/sync", test_cancel_sync);

  return host_test_run ();
}
