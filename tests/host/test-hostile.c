/* SPDX-License-Identifier: MIT */
/* A worker that breaks the protocol: its calls are answered, it is ended, and nobody else is
 * harmed. */
#include "config.h"

#include "hostile-worker.h"
#include "singleton-fixture.h"

#include <signal.h>
#include <string.h>

static PyIsolateExtensionConfig *
hostile_config (const char *way)
{
  PyIsolateExtensionConfig *config = host_hostile_config (way);
  const char *apis[] = { "listed", NULL };

  pyisolate_extension_config_set_apis (config, apis);

  return config;
}

static void
on_keep (PyIsolateProxiedSingleton *singleton,
         PyIsolateInvocation       *invocation,
         gpointer                   data)
{
  g_ptr_array_add (data, g_object_ref (invocation));
}

static void
add_singletons (HostTest  *test,
                GPtrArray *kept)
{
  const char *const names[] = { "listed", "secret" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    host_add_method (host_add_singleton (test, names[i]), "keep", NULL, on_keep, kept);
}

typedef struct {
  const char *way;
  int code;
  const char *pattern;
} Case;

static const Case early[] = {
  { "exit-early", PYISOLATE_ERROR_HANDSHAKE, "*“hostile”*5*" },
  { "silent", PYISOLATE_ERROR_HANDSHAKE, "*“hostile”*hello*ms*" },
  { "connected-silent", PYISOLATE_ERROR_HANDSHAKE, "*“hostile”*hello*ms*" },
  { "garbage-first", PYISOLATE_ERROR_HANDSHAKE, "*“hostile”*" },
  { "wrong-build", PYISOLATE_ERROR_HANDSHAKE, "*“hostile”*0.0.0-other*" },
  { "wrong-protocol", PYISOLATE_ERROR_HANDSHAKE, "*“hostile”*99*" },
  { "hello-of-strings", PYISOLATE_ERROR_HANDSHAKE, "*“hostile”*" },
  { "ready-first", PYISOLATE_ERROR_BAD_MESSAGE, "*“hostile”*“Ready”*wrong time*" },
  { "hello-twice", PYISOLATE_ERROR_BAD_MESSAGE, "*“hostile”*“Hello”*wrong time*" },
  { "reply-first", PYISOLATE_ERROR_BAD_MESSAGE, "*“hostile”*77*" },
  { "ready-without-methods", PYISOLATE_ERROR_BAD_MESSAGE, "*“hostile”*methods*" },
  { "ready-with-numbers", PYISOLATE_ERROR_BAD_MESSAGE, "*“hostile”*" },
};

static void
test_early (gconstpointer data)
{
  const Case *what = data;
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config;
  PyIsolateExtension *extension;
  g_autoptr (GError) error = NULL;

  add_singletons (test, kept);
  config = hostile_config (what->way);
  pyisolate_extension_config_set_start_timeout (config, strstr (what->way, "silent") != NULL ? 500
                                                : HOST_TEST_TIMEOUT_MS);
  error = host_test_fail_load (test, config, what->code);
  host_assert_message (error, what->pattern);
  extension = pyisolate_extension_manager_get_extension (test->manager, "hostile");
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, 0);
}

static const Case late[] = {
  { "unknown-serial", PYISOLATE_ERROR_BAD_MESSAGE, "*2147483647*" },
  { "reply-of-string", PYISOLATE_ERROR_BAD_MESSAGE, "*signature (s)*" },
  { "reply-of-nothing", PYISOLATE_ERROR_BAD_MESSAGE, "*signature ()*" },
  { "reply-of-nonsense", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "reply-not-normal", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "reply-of-nulls", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "reply-too-big", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "error-of-numbers", PYISOLATE_ERROR_BAD_MESSAGE, "*signature (ii)*" },
  { "error-with-nonsense", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "error-of-others", PYISOLATE_ERROR_BAD_MESSAGE, "*com.example.Odd*" },
  { "foreign-id", PYISOLATE_ERROR_BAD_MESSAGE, "*not the worker's to give*" },
  { "id-of-host", PYISOLATE_ERROR_BAD_MESSAGE, "*not the worker's to give*" },
  { "same-id", PYISOLATE_ERROR_BAD_MESSAGE, "*Two calls*" },
  { "long-chain", PYISOLATE_ERROR_BAD_MESSAGE, "*1000*" },
  { "call-of-nonsense", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "hello-again", PYISOLATE_ERROR_BAD_MESSAGE, "*“Hello”*wrong time*" },
  { "ready-again", PYISOLATE_ERROR_BAD_MESSAGE, "*“Ready”*wrong time*" },
  { "host-method", PYISOLATE_ERROR_BAD_MESSAGE, "*“Destroy”*" },
  { "no-such-method", PYISOLATE_ERROR_BAD_MESSAGE, "*Explode*" },
  { "no-such-signal", PYISOLATE_ERROR_BAD_MESSAGE, "*Exploded*" },
  { "event-of-numbers", PYISOLATE_ERROR_BAD_MESSAGE, "*Event*(ii)*" },
  { "event-of-nonsense", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "progress-of-nonsense", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "log-of-nonsense", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "garbage", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
  { "huge-message", PYISOLATE_ERROR_BAD_MESSAGE, "*" },
};

static const Case on_lane[] = {
  { "lane-garbage", PYISOLATE_ERROR_BAD_MESSAGE, "*On a lane: a frame without a head*" },
  { "lane-ring-garbage", PYISOLATE_ERROR_BAD_MESSAGE, "*On a lane: a frame without a head*" },
  { "lane-ring-lie", PYISOLATE_ERROR_BAD_MESSAGE, "*On a lane: a message that was announced is not there*" },
  { "lane-reply-to-nothing", PYISOLATE_ERROR_BAD_MESSAGE, "*4711*waits for none*" },
  { "lane-reply-of-nonsense", PYISOLATE_ERROR_BAD_MESSAGE, "*malformed*" },
  { "lane-progress-of-nonsense", PYISOLATE_ERROR_BAD_MESSAGE, "*malformed*" },
  { "lane-foreign-id", PYISOLATE_ERROR_BAD_MESSAGE, "*not the worker's to give*" },
  { "lane-call-of-nonsense", PYISOLATE_ERROR_BAD_MESSAGE, "*malformed*" },
  { "lane-closed", PYISOLATE_ERROR_DIED, "*closed its connection*" },
};

static void
wait_failed (PyIsolateExtension *extension,
             HostNews           *news,
             int                 code)
{
  g_autoptr (GError) last_error = NULL;

  host_wait_state (extension, PYISOLATE_EXTENSION_STATE_FAILED);
  last_error = pyisolate_extension_dup_last_error (extension);
  g_assert_error (last_error, PYISOLATE_ERROR, code);
  test_util_assert_until (test_util_is_set, &news->reason, HOST_TEST_TIMEOUT_MS);
  g_assert_cmpuint (news->n_exited, ==, 1);
}

static void
test_late (gconstpointer data)
{
  const Case *what = data;
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  GAsyncResult *results[3] = { NULL, };
  PyIsolateExtension *other;
  PyIsolateExtension *extension;
  g_autoptr (HostNews) news = NULL;

  /* GDBus says so of what is not D-Bus at all. */
  test_util_allow_log ("GLib-GIO", G_LOG_LEVEL_WARNING,
                       "_g_dbus_worker_do_read_cb: error determining bytes needed*");
  add_singletons (test, kept);
  other = host_test_load_config (test, host_config ("other", "basic"));
  extension = host_test_load_config (test, hostile_config (what->way));
  news = host_news_new (extension);
  host_begin (extension, "wait", NULL, NULL, &results[0]);
  host_begin (extension, "wait", NULL, NULL, &results[1]);
  host_begin (extension, "go", NULL, NULL, &results[2]);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = host_end_error (extension, &results[i], PYISOLATE_ERROR,
                                                 what->code);

      if (i == 0)
        g_test_message ("%s", error->message);
      host_assert_message (error, what->pattern);
      host_assert_message (error, "*“hostile”*");
    }
  wait_failed (extension, news, what->code);
  host_assert_result (other, "add", "(1, 2)", "int64 3");

  /* And once more. */
  g_ptr_array_set_size (kept, 0);
  extension = host_test_load_config (test, hostile_config ("good"));
  host_assert_result (extension, "go", NULL, "true");
}

/* The first reply counts, the second one ends it. */
static void
test_two_replies (gconstpointer way)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (HostNews) news = NULL;
  PyIsolateExtension *extension;

  add_singletons (test, kept);
  extension = host_test_load_config (test, hostile_config (way));
  news = host_news_new (extension);
  host_begin (extension, "wait", NULL, NULL, &result);
  host_assert_result (extension, "go", NULL, "true");
  error = host_end_error (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
  wait_failed (extension, news, PYISOLATE_ERROR_BAD_MESSAGE);
}

/* More than anybody can take in, while nobody iterates the main context. */
static void
test_flood (gconstpointer way)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (HostNews) news = NULL;
  PyIsolateExtension *extension;
  PyIsolateExtension *other;
  gint64 deadline = g_get_monotonic_time () + HOST_TEST_TIMEOUT_MS * 1000;

  add_singletons (test, kept);
  other = host_test_load_config (test, host_config ("other", "basic"));
  extension = host_test_load_config (test, hostile_config (way));
  host_begin (extension, "go", NULL, NULL, &result);
  while (pyisolate_extension_get_state (extension) == PYISOLATE_EXTENSION_STATE_RUNNING)
    {
      host_assert_result (other, "add", "(1, 2)", "int64 3");
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    }
  news = host_news_new (extension);
  error = host_end_error (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_test_message ("%s", error->message);
  wait_failed (extension, news, PYISOLATE_ERROR_LIMIT);
}

/* As long as the flood lasts, or longer. */
static void
assert_soon (gint64 begin)
{
  g_assert_cmpint (g_get_monotonic_time () - begin, <, (HOSTILE_FLOOD_SECONDS / 2) * G_USEC_PER_SEC);
}

/* Frames that count as nothing come faster than they are read: who blocks has a deadline all the same. */
static void
test_endless_lane (void)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GError) error = NULL;
  PyIsolateExtensionConfig *config;
  PyIsolateExtension *extension;
  PyIsolateExtension *other;
  gint64 begin;

  add_singletons (test, kept);
  other = host_test_load_config (test, host_config ("other", "basic"));
  config = hostile_config ("lane-memory-flood");
  pyisolate_extension_config_set_call_timeout (config, 500);
  pyisolate_extension_config_set_stop_timeout (config, 300);
  extension = host_test_load_config (test, config);

  begin = g_get_monotonic_time ();
  error = host_call_error (extension, "go", NULL, PYISOLATE_ERROR_TIMED_OUT);
  host_assert_result (other, "add", "(1, 2)", "int64 3");
  assert_soon (begin);
  pyisolate_extension_stop_sync (extension, NULL, NULL);
}

/* And cancellations of what is unknown, which may be on the lane: the thread that reads it for that has all links to serve. */
static void
test_endless_drain (void)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config;
  PyIsolateExtension *extension;
  PyIsolateExtension *other;
  gint64 begin;

  add_singletons (test, kept);
  other = host_test_load_config (test, host_config ("other", "basic"));
  config = hostile_config ("lane-cancel-flood");
  pyisolate_extension_config_set_stop_timeout (config, 300);
  extension = host_test_load_config (test, config);

  begin = g_get_monotonic_time ();
  host_assert_result (extension, "go", NULL, "true");
  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (GError) error = NULL;

      pyisolate_extension_ping_sync (other, NULL, &error);
      g_assert_no_error (error);
    }
  assert_soon (begin);
  pyisolate_extension_stop_sync (extension, NULL, NULL);
}

/* What is odd and does no harm ends nobody. */
static void
check_odd (const char *way)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension;

  add_singletons (test, kept);
  extension = host_test_load_config (test, hostile_config (way));
  host_assert_result (extension, "go", NULL, "true");
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==,
                   PYISOLATE_EXTENSION_STATE_RUNNING);
}

static void
test_odd (void)
{
  check_odd ("stray-parts");
  check_odd ("stray-cancel");
}

static void
test_odd_on_lane (gconstpointer way)
{
  check_odd (way);
}

static void
test_unlisted (void)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension;

  add_singletons (test, kept);
  extension = host_test_load_config (test, hostile_config ("unlisted"));
  host_assert_result (extension, "go", NULL, "'org.pyisolate.Error.NoSuchMethod'");
  g_assert_cmpuint (kept->len, ==, 0);
}

static void
test_introspect (void)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GVariant) xml = NULL;

  add_singletons (test, kept);
  xml = host_call (host_test_load_config (test, hostile_config ("introspect")), "go", NULL);
  g_assert_nonnull (strstr (g_variant_get_string (xml, NULL), "org.pyisolate.Link1"));
}

/* An exception whose parts are of other types than they must be is one all the same. */
static void
test_odd_exception (void)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  PyIsolateExtension *extension;

  add_singletons (test, kept);
  extension = host_test_load_config (test, hostile_config ("exception-of-numbers"));
  error = host_call_error (extension, "go", NULL, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "*hostile worker*");
  exception = pyisolate_error_dup_remote_exception (error);
  g_assert_nonnull (exception);
  g_assert_nonnull (pyisolate_remote_exception_get_type_name (exception));
  g_assert_nonnull (pyisolate_remote_exception_get_message (exception));
  g_assert_nonnull (pyisolate_remote_exception_get_args (exception));
  g_assert_nonnull (pyisolate_remote_exception_get_notes (exception));
  g_assert_null (pyisolate_remote_exception_get_cause (exception));
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==,
                   PYISOLATE_EXTENSION_STATE_RUNNING);
}

/* Descriptors that nobody asked for are closed with the result; the fixture counts. */
static void
test_many_fds (void)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("go");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;

  add_singletons (test, kept);
  result = pyisolate_extension_start_call_sync (host_test_load_config (test, hostile_config ("many-fds")), call, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (pyisolate_call_result_get_n_fds (result), ==, 250);
}

/* It reads nothing any more: deadlines, cancelling and stopping need no answer of its. */
static void
test_deaf (void)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *bytes = g_malloc0 (1024 * 1024);
  PyIsolateExtensionConfig *config;
  PyIsolateExtension *extension;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) first = NULL;
  GAsyncResult *results[20] = { NULL, };
  g_autoptr (GError) error = NULL;

  add_singletons (test, kept);
  config = hostile_config ("deaf");
  pyisolate_extension_config_set_call_timeout (config, 300);
  pyisolate_extension_config_set_stop_timeout (config, 300);
  extension = host_test_load_config (test, config);
  host_begin (extension, "go", NULL, NULL, &first);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      GVariant *block = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, 1024 * 1024, 1);

      pyisolate_extension_call_async (extension, "wait", g_variant_new_tuple (&block, 1), NULL,
                                      cancellable, host_store, &results[i]);
    }
  error = host_end_error (extension, &first, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) call_error = host_end_error (extension, &results[i], PYISOLATE_ERROR,
                                                      PYISOLATE_ERROR_TIMED_OUT);
    }
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==,
                   PYISOLATE_EXTENSION_STATE_STOPPED);
}

/* In a context of its own, which has a lane for as long as it is there. */
static void
call_in_passing (PyIsolateExtension *extension)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  GAsyncResult *results[100] = { NULL, };
  g_autofree char *bytes = g_malloc0 (10000);
  g_autoptr (GVariant) arguments = NULL;

  arguments = g_variant_ref_sink (g_variant_new ("(@ay)", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, 10000, 1)));
  g_main_context_push_thread_default (context);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    pyisolate_extension_call_async (extension, "wait", arguments, NULL, NULL, host_store, &results[i]);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) value = NULL;

      while (results[i] == NULL)
        g_main_context_iteration (context, TRUE);
      value = pyisolate_extension_call_finish (extension, results[i], &error);
      g_assert_nonnull (error);
      g_assert_null (value);
      g_object_unref (results[i]);
    }
  g_main_context_pop_thread_default (context);
}

/* The host neither blocks nor crashes, whatever is done to what it sends by, nor when it lets that go. */
static void
test_attacked_ring (gconstpointer way)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config;
  PyIsolateExtension *extension;
  PyIsolateExtension *other;

  add_singletons (test, kept);
  other = host_test_load_config (test, host_config ("other", "basic"));
  config = hostile_config (way);
  pyisolate_extension_config_set_call_timeout (config, 1000);
  pyisolate_extension_config_set_stop_timeout (config, 300);
  extension = host_test_load_config (test, config);
  call_in_passing (extension);
  host_assert_result (other, "add", "(1, 2)", "int64 3");
  pyisolate_extension_stop_sync (extension, NULL, NULL);
  host_assert_result (other, "add", "(1, 2)", "int64 3");
}

static void
add_cases (const char       *prefix,
           const Case       *cases,
           guint             n_cases,
           TestUtilDataFunc  func)
{
  for (guint i = 0; i < n_cases; i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/hostile/", prefix, "/", cases[i].way, NULL);

      test_util_add_data_func (path, &cases[i], func);
    }
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  add_cases ("handshake", early, G_N_ELEMENTS (early), test_early);
  add_cases ("messages", late, G_N_ELEMENTS (late), test_late);
  test_util_add_data_func ("/pyisolate/hostile/messages/two-replies", "two-replies",
                           test_two_replies);
  /* GDBus takes minutes for 65536 messages under valgrind. test-outbox.c and test-operation.c have
   * the limits there. */
  if (!test_util_is_slowed ())
    {
      test_util_add_data_func ("/pyisolate/hostile/flood/events", "event-flood", test_flood);
      test_util_add_data_func ("/pyisolate/hostile/flood/progress", "progress-flood", test_flood);
    }
  if (g_strcmp0 (g_getenv ("PYISOLATE_TRANSPORT"), "dbus") != 0)
    {
      add_cases ("lanes", on_lane, G_N_ELEMENTS (on_lane), test_late);
      test_util_add_data_func ("/pyisolate/hostile/lanes/two-replies", "lane-two-replies",
                               test_two_replies);
      test_util_add_data_func ("/pyisolate/hostile/lanes/flood", "lane-event-flood", test_flood);
      /* Of endpoint-lanes and lane-end the same is known there. */
      if (!test_util_is_slowed ())
        {
          test_util_add_func ("/pyisolate/hostile/lanes/endless", test_endless_lane);
          test_util_add_func ("/pyisolate/hostile/lanes/endless-drain", test_endless_drain);
        }
      test_util_add_data_func ("/pyisolate/hostile/lanes/ring-scribble", "lane-ring-scribble", test_attacked_ring);
      /* No other thread runs under valgrind while one closes a descriptor. */
      if (!test_util_is_on_valgrind ())
        test_util_add_data_func ("/pyisolate/hostile/lanes/ring-hold", "lane-ring-hold", test_attacked_ring);
      test_util_add_data_func ("/pyisolate/hostile/lanes/odd", "lane-stray-parts",
                               test_odd_on_lane);
    }
  test_util_add_func ("/pyisolate/hostile/odd", test_odd);
  test_util_add_func ("/pyisolate/hostile/unlisted", test_unlisted);
  test_util_add_func ("/pyisolate/hostile/introspect", test_introspect);
  test_util_add_func ("/pyisolate/hostile/odd-exception", test_odd_exception);
  test_util_add_func ("/pyisolate/hostile/many-fds", test_many_fds);
  test_util_add_func ("/pyisolate/hostile/deaf", test_deaf);

  return host_test_run ();
}
