/* SPDX-License-Identifier: MIT */
/* Calls of an extension's methods: many of them, from threads and contexts, and when there is
 * nobody to answer. */
#include "config.h"

#include "slow-load.h"

static void
on_echoed (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source),
                                                                result, &error);
  GArray *seen = data;
  gint64 number;

  g_assert_no_error (error);
  number = g_variant_get_int64 (value);
  g_array_append_val (seen, number);
}

static gboolean
has_all (gpointer data)
{
  return ((GArray *) data)->len == 1000;
}

static void
test_thousand (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  const char *const names[] = { "basic", "waiter" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      PyIsolateExtension *extension = host_test_load (test, names[i]);
      g_autoptr (GArray) seen = g_array_new (FALSE, FALSE, sizeof (gint64));

      for (int j = 0; j < 1000; j++)
        pyisolate_extension_call_async (extension, "echo", g_variant_new ("(i)", j), NULL, NULL,
                                        on_echoed, seen);
      g_assert_cmpuint (seen->len, ==, 0);
      test_util_assert_until (has_all, seen, HOST_TEST_TIMEOUT_MS);
      for (int j = 0; j < 1000; j++)
        g_assert_cmpint (g_array_index (seen, gint64, j), ==, j);
    }
}

static void
test_any_order (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "waiter");
  GAsyncResult *results[3] = { NULL, };
  const char *const args[] = { "('a',)", "('b',)", "('c',)" };
  const char *const answers[] = { "'a'", "'b'", "'c'" };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    host_begin (extension, "wait", args[i], NULL, &results[i]);
  for (guint i = G_N_ELEMENTS (results); i-- > 0;)
    {
      g_autoptr (GVariant) value = NULL;

      g_variant_unref (host_call (extension, "release", args[i]));
      value = host_end (extension, &results[i]);
      host_assert_value (value, answers[i]);
      for (guint j = 0; j < i; j++)
        g_assert_null (results[j]);
    }
}

static gint64
ping (gconstpointer extension)
{
  gint64 begun = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_extension_ping_sync ((PyIsolateExtension *) extension, NULL, &error));
  g_assert_no_error (error);

  return g_get_monotonic_time () - begun;
}

/* Python holds the GIL in a C function; pings are answered all the same. */
static void
test_ping_while_busy (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  host_begin_running (extension, "hold_gil", "(int64 100000000000,)", -1, NULL, &result);
  for (guint i = 0; i < 20; i++)
    ping (extension);
  test_util_assert_reaches (ping, extension, test_util_is_slowed () ? 2 * G_USEC_PER_SEC : 50 * 1000);
  g_assert_null (result);
  pyisolate_extension_kill (extension);
  error = host_end_running (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
}

static void
test_not_running (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *fifo = host_make_fifo ();
  g_autoptr (GAsyncResult) loaded = NULL;
  g_autoptr (GAsyncResult) called = NULL;
  PyIsolateExtension *extension;
  GError *error;

  host_begin_load (test, host_slow_config ("it", fifo), NULL, &loaded);
  extension = pyisolate_extension_manager_get_extension (test->manager, "it");
  error = host_call_error (extension, "answer", NULL, PYISOLATE_ERROR_NOT_RUNNING);
  host_assert_message (error, "*“it”*");
  g_error_free (error);
  host_begin (extension, "answer", NULL, NULL, &called);
  g_error_free (host_end_error (extension, &called, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING));

  host_release_fifo (fifo);
  g_assert_true (host_end_load (test, &loaded) == extension);
  host_assert_result (extension, "answer", NULL, "int64 42");
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  g_error_free (host_call_error (extension, "answer", NULL, PYISOLATE_ERROR_NOT_RUNNING));
}

/* What waits when it is stopped gets an answer too. */
static void
test_stop_with_calls (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "waiter");
  GAsyncResult *results[10] = { NULL, };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    host_begin (extension, "wait", "('never',)", NULL, &results[i]);
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = NULL;

      host_wait_result (&results[i]);
      g_assert_null (pyisolate_extension_call_finish (extension, results[i], &error));
      g_assert_nonnull (error);
      g_clear_object (&results[i]);
    }
}

static void
test_no_such_method (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  const char *const extensions[] = { "basic", "waiter" };
  const char *const names[] = { "ecko", "_gate", "", "__class__", "os.system" };

  for (guint i = 0; i < G_N_ELEMENTS (extensions); i++)
    {
      PyIsolateExtension *extension = host_test_load (test, extensions[i]);

      for (guint j = 0; j < G_N_ELEMENTS (names); j++)
        {
          g_autoptr (GError) error = host_call_error (extension, names[j], NULL,
                                                      PYISOLATE_ERROR_NO_SUCH_METHOD);

          g_test_message ("%s", error->message);
          if (j == 0)
            host_assert_message (error, "*'ecko'*'echo'*");
        }
    }
}

static void
test_used_twice (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("echo");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GAsyncResult) again = NULL;
  g_autoptr (GError) error = NULL;

  pyisolate_call_set_args (call, g_variant_new ("(s)", "once"));
  result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (pyisolate_extension_start_call_sync (extension, call, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED);
  g_clear_error (&error);
  pyisolate_extension_start_call_async (extension, call, NULL, host_store, &again);
  g_assert_null (again);
  error = host_end_running (extension, &again, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED);
}

static void
on_notify (GObject    *object,
           GParamSpec *pspec,
           guint      *n_notified)
{
  (*n_notified)++;
}

static void
test_call_properties (void)
{
  PyIsolateCall *call = pyisolate_call_new ("method");
  g_autoptr (GVariant) args = g_variant_ref_sink (g_variant_new ("(i)", 1));
  guint n_notified = 0;

  g_assert_cmpstr (pyisolate_call_get_method (call), ==, "method");
  g_assert_null (pyisolate_call_get_args (call));
  g_assert_null (pyisolate_call_get_kwargs (call));
  g_assert_null (pyisolate_call_get_parent (call));
  g_assert_null (pyisolate_call_dup_remote_exception (call));
  g_assert_cmpint (pyisolate_call_get_timeout (call), ==, PYISOLATE_TIMEOUT_DEFAULT);
  g_signal_connect (call, "notify", G_CALLBACK (on_notify), &n_notified);
  for (guint i = 0; i < 2; i++)
    {
      pyisolate_call_set_args (call, args);
      pyisolate_call_set_timeout (call, 5);
      pyisolate_call_set_parent (call, NULL);
      pyisolate_call_set_kwargs (call, NULL);
    }
  g_assert_cmpuint (n_notified, ==, 2);
  g_assert_true (pyisolate_call_get_args (call) == args);
  for (guint i = 0; i < 3; i++)
    g_object_run_dispose (G_OBJECT (call));
  g_assert_finalize_object (call);
}

static gpointer
call_in_thread (gpointer extension)
{
  host_assert_result (extension, "add", "(1, 2)", "int64 3");

  return NULL;
}

/* A thread without a context of its own, while the main one does something else, or iterates. */
static void
test_sync_in_thread (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  GThread *threads[8];

  g_assert_true (g_main_context_acquire (NULL));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("caller", call_in_thread, extension);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_main_context_release (NULL);
}

static void
on_first (GObject      *source,
          GAsyncResult *result,
          gpointer      data)
{
  PyIsolateExtension *extension = PYISOLATE_EXTENSION (source);
  g_autoptr (GVariant) value = pyisolate_extension_call_finish (extension, result, NULL);

  host_assert_value (value, "int64 3");
  /* Inside of a callback one may block; others wait until then. */
  host_assert_result (extension, "add", "(3, 4)", "int64 7");
  *(gboolean *) data = TRUE;
}

static void
test_sync_in_callback (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  gboolean done = FALSE;

  pyisolate_extension_call_async (extension, "add", g_variant_new ("(ii)", 1, 2), NULL, NULL,
                                  on_first, &done);
  g_assert_false (done);
  test_util_assert_until (test_util_is_true, &done, HOST_TEST_TIMEOUT_MS);
}

/* Results come in the thread-default context of the caller, and nowhere else. */
static void
test_own_context (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;

  g_main_context_push_thread_default (context);
  host_begin (extension, "add", "(1, 2)", NULL, &result);
  value = host_end (extension, &result);
  host_assert_value (value, "int64 3");
  host_assert_result (extension, "add", "(1, 2)", "int64 3");
  g_main_context_pop_thread_default (context);
}

/* Who blocks needs descriptors to be woken by what comes, and has none left when its context comes to that. */
static void
test_no_descriptors (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  HostDescriptors descriptors;

  g_main_context_push_thread_default (context);
  host_begin (extension, "add", "(1, 2)", NULL, &result);
  value = host_end (extension, &result);
  host_assert_value (value, "int64 3");

  host_use_up_descriptors (&descriptors);
  for (guint i = 0; i < 20; i++)
    host_assert_result (extension, "add", "(1, 2)", "int64 3");
  host_give_back_descriptors (&descriptors);

  host_assert_result (extension, "add", "(1, 2)", "int64 3");
  g_main_context_pop_thread_default (context);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/calls/thousand", test_thousand);
  test_util_add_func ("/pyisolate/calls/any-order", test_any_order);
  test_util_add_func ("/pyisolate/calls/ping-while-busy", test_ping_while_busy);
  test_util_add_func ("/pyisolate/calls/not-running", test_not_running);
  test_util_add_func ("/pyisolate/calls/stop-with-calls", test_stop_with_calls);
  test_util_add_func ("/pyisolate/calls/no-such-method", test_no_such_method);
  test_util_add_func ("/pyisolate/calls/used-twice", test_used_twice);
  test_util_add_func ("/pyisolate/calls/properties", test_call_properties);
  test_util_add_func ("/pyisolate/calls/sync-in-thread", test_sync_in_thread);
  test_util_add_func ("/pyisolate/calls/sync-in-callback", test_sync_in_callback);
  test_util_add_func ("/pyisolate/calls/own-context", test_own_context);
  test_util_add_func ("/pyisolate/calls/no-descriptors", test_no_descriptors);

  return host_test_run ();
}
