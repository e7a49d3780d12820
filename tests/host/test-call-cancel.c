/* SPDX-License-Identifier: MIT */
/* The ways in which a call ends before its answer: cancellation and deadlines. */
#include "config.h"

#include "host-fixture.h"

static void
test_cancel_before (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  host_begin (extension, "add", "(1, 2)", cancellable, &result);
  error = host_end_error (extension, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_null (pyisolate_extension_call_sync (extension, "add", NULL, NULL, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_cancel_after (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;

  host_begin (extension, "add", "(1, 2)", cancellable, &result);
  host_wait_result (&result);
  g_cancellable_cancel (cancellable);
  value = host_end (extension, &result);
  host_assert_value (value, "int64 3");
}

typedef struct {
  const char *label;
  const char *extension;
  const char *method;
} Busy;

static const Busy busy[] = {
  { "main-thread", "basic", "spin" },
  { "second-thread", "waiter", "spin" },
  { "pool", "waiter", "spin_in_pool" },
  { "coroutine", "waiter", "hang" },
};

typedef struct {
  PyIsolateExtension *extension;
  const char *method;
} Cancelled;

/* Both clocks are the monotonic one. */
static gint64
cancel_once (gconstpointer data)
{
  PyIsolateExtension *extension = ((const Cancelled *) data)->extension;
  const char *method = ((const Cancelled *) data)->method;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) at = NULL;
  g_autoptr (GError) error = NULL;
  gint64 begun, elapsed;

  host_begin_running (extension, method, NULL, -1, cancellable, &result);
  begun = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_assert_null (result);
  error = host_end_running (extension, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  at = host_call (extension, "cancelled_at", NULL);

  elapsed = (gint64) (g_variant_get_double (at) * 1e6) - begun;
  g_assert_cmpint (elapsed, >=, 0);

  return elapsed;
}

static void
test_cancel_reaches (gconstpointer data)
{
  const Busy *what = data;
  g_autoptr (HostTest) test = host_test_new ();
  const Cancelled cancelled = { host_test_load (test, what->extension), what->method };

  for (guint i = 0; i < 4; i++)
    cancel_once (&cancelled);
  test_util_assert_reaches (cancel_once, &cancelled, (test_util_is_slowed () ? 2000 : 100) * G_TIME_SPAN_MILLISECOND);
}

/* The answer that comes after a cancellation is nobody's. */
static void
test_late_answer (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "waiter");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  host_begin_running (extension, "stubborn", NULL, -1, cancellable, &result);
  g_cancellable_cancel (cancellable);
  error = host_end_running (extension, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_variant_unref (host_call (extension, "cancelled_at", NULL));
  host_assert_result (extension, "echo", "(1,)", "int64 1");
}

static gpointer
cancel_when_running (gpointer data)
{
  gpointer *parts = data;

  while (!g_atomic_int_get ((int *) parts[1]))
    g_thread_yield ();
  g_cancellable_cancel (parts[0]);

  return NULL;
}

static void
on_begun_atomic (PyIsolateCall *call,
                 double         fraction,
                 const char    *text,
                 int           *begun)
{
  g_atomic_int_set (begun, TRUE);
}

/* A blocking call is cancelled from another thread. */
static void
test_cancel_sync (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("spin");
  g_autoptr (GError) error = NULL;
  int begun = FALSE;
  gpointer parts[2] = { cancellable, &begun };
  GThread *thread = g_thread_new ("canceller", cancel_when_running, parts);

  g_signal_connect (call, "progress", G_CALLBACK (on_begun_atomic), &begun);
  g_assert_null (pyisolate_extension_start_call_sync (extension, call, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
  host_assert_result (extension, "add", "(1, 2)", "int64 3");
}

/* Half of them are more than all that is between the two processes holds. */
#define N_CALLS 400

static gboolean
is_taken_back (guint number)
{
  return number >= N_CALLS / 2 && number % 2 == 1;
}

/* More than shares a message with others, and less than waits for credit. */
static char *
make_text (guint number)
{
  g_autofree char *filling = g_strnfill (3000, 'x');

  return g_strdup_printf ("'%u%s'", number, filling);
}

/* Calls that could not be sent yet, as the worker is busy, are taken back; those around them go on. */
static void
test_cancel_waiting (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GCancellable) busy_cancellable = g_cancellable_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) busy_result = NULL;
  g_autoptr (GError) busy_error = NULL;
  GAsyncResult *results[N_CALLS] = { NULL };

  host_begin_running (extension, "spin", NULL, -1, busy_cancellable, &busy_result);
  for (guint i = 0; i < N_CALLS; i++)
    {
      g_autofree char *text = make_text (i);
      g_autofree char *args = g_strdup_printf ("(%s,)", text);

      host_begin (extension, "echo", args, is_taken_back (i) ? cancellable : NULL, &results[i]);
    }
  g_cancellable_cancel (cancellable);
  for (guint i = 0; i < N_CALLS; i++)
    {
      if (is_taken_back (i))
        g_error_free (host_end_error (extension, &results[i], G_IO_ERROR, G_IO_ERROR_CANCELLED));
    }

  g_cancellable_cancel (busy_cancellable);
  busy_error = host_end_running (extension, &busy_result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  for (guint i = 0; i < N_CALLS; i++)
    {
      g_autofree char *text = make_text (i);
      g_autoptr (GVariant) value = NULL;

      if (is_taken_back (i))
        continue;

      value = host_end (extension, &results[i]);
      host_assert_value (value, text);
    }
}

/* The answer may have been faster. */
static void
end_cancelled (PyIsolateExtension  *extension,
               GAsyncResult       **result)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  host_wait_result (result);
  value = pyisolate_extension_call_finish (extension, *result, &error);
  if (value == NULL)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_object (result);
}

/* Large calls that are cancelled in the turn of the loop in which they were made, while they wait for its end, leave the way
 * free for those that come later. */
static void
test_cancel_gathered (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autofree char *filling = g_strnfill (100000, 'x');
  g_autofree char *text = g_strdup_printf ("'%s'", filling);
  g_autofree char *args = g_strdup_printf ("(%s,)", text);
  g_autoptr (GAsyncResult) last = NULL;
  g_autoptr (GVariant) value = NULL;

  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) first = NULL;
      g_autoptr (GVariant) answer = NULL;
      GAsyncResult *results[4] = { NULL };

      host_begin (extension, "echo", "(1,)", NULL, &first);
      for (guint j = 0; j < G_N_ELEMENTS (results); j++)
        host_begin (extension, "echo", args, cancellable, &results[j]);
      g_cancellable_cancel (cancellable);
      for (guint j = 0; j < G_N_ELEMENTS (results); j++)
        end_cancelled (extension, &results[j]);
      answer = host_end (extension, &first);
      host_assert_value (answer, "int64 1");
    }

  host_begin (extension, "echo", args, NULL, &last);
  value = host_end (extension, &last);
  host_assert_value (value, text);
}

static GVariant *
call_without_deadline (PyIsolateExtension *extension,
                       const char         *method,
                       const char         *args)
{
  g_autoptr (PyIsolateCall) call = pyisolate_call_new (method);
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GVariant) tuple = host_parse (args);
  g_autoptr (GError) error = NULL;

  pyisolate_call_set_args (call, tuple);
  pyisolate_call_set_timeout (call, -1);
  result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
  g_assert_no_error (error);

  return g_variant_ref (pyisolate_call_result_get_value (result));
}

/* How long the deadlines of three calls took. */
static gint64
pass_deadlines (gconstpointer data)
{
  PyIsolateExtension *extension = (PyIsolateExtension *) data;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("wait");
  g_autoptr (GError) error = NULL;
  gint64 begun = g_get_monotonic_time ();

  /* The call's own; it must begin first, so it has some time. */
  host_begin_running (extension, "hang", NULL, 1000, NULL, &result);
  error = host_end_running (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  host_assert_message (error, "*“hang”*“it”*");
  g_clear_error (&error);
  /* The coroutine was cancelled; nothing was killed. */
  g_variant_unref (call_without_deadline (extension, "cancelled_at", NULL));

  /* That of the configuration, blocking. */
  error = host_call_error (extension, "wait", "('never',)", PYISOLATE_ERROR_TIMED_OUT);
  g_clear_error (&error);

  /* At once. */
  pyisolate_call_set_args (call, g_variant_new ("(s)", "never"));
  pyisolate_call_set_timeout (call, 0);
  g_assert_null (pyisolate_extension_start_call_sync (extension, call, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);

  return g_get_monotonic_time () - begun;
}

static void
test_timeout (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config = host_config ("it", "waiter");
  PyIsolateExtension *extension;
  g_autoptr (GVariant) value = NULL;

  pyisolate_extension_config_set_call_timeout (config, 200);
  extension = host_test_load_config (test, config);
  test_util_assert_reaches (pass_deadlines, extension, 10 * G_USEC_PER_SEC);
  value = call_without_deadline (extension, "echo", "(1,)");
  host_assert_value (value, "int64 1");
}

static void
test_kill_on_timeout (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config = host_config ("it", "waiter");
  PyIsolateExtension *extension;
  g_autoptr (HostNews) news = NULL;
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("hang");
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) other = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) other_error = NULL;
  g_autoptr (GError) last_error = NULL;

  pyisolate_call_set_timeout (call, 500);
  pyisolate_extension_config_set_kill_on_timeout (config, TRUE);
  extension = host_test_load_config (test, config);
  news = host_news_new (extension);
  host_begin (extension, "wait", "('never',)", NULL, &other);
  pyisolate_extension_start_call_async (extension, call, NULL, host_store, &result);
  error = host_end_running (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  other_error = host_end_error (extension, &other, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  host_assert_message (other_error, "*“it”*deadline*");
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_SIGNALED, 9);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  last_error = pyisolate_extension_dup_last_error (extension);
  g_assert_error (last_error, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/calls/cancel/before", test_cancel_before);
  test_util_add_func ("/pyisolate/calls/cancel/after", test_cancel_after);
  for (guint i = 0; i < G_N_ELEMENTS (busy); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/calls/cancel/reaches/", busy[i].label, NULL);

      test_util_add_data_func (path, &busy[i], test_cancel_reaches);
    }
  test_util_add_func ("/pyisolate/calls/cancel/late-answer", test_late_answer);
  test_util_add_func ("/pyisolate/calls/cancel/sync", test_cancel_sync);
  test_util_add_func ("/pyisolate/calls/cancel/waiting", test_cancel_waiting);
  test_util_add_func ("/pyisolate/calls/cancel/gathered", test_cancel_gathered);
  test_util_add_func ("/pyisolate/calls/timeout", test_timeout);
  test_util_add_func ("/pyisolate/calls/kill-on-timeout", test_kill_on_timeout);

  return host_test_run ();
}
