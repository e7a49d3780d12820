/* SPDX-License-Identifier: MIT */
/* Calls of singletons inside of calls, by threads, and in which context they are answered. */
#include "config.h"

#include "singleton-fixture.h"

static void
on_down_sync (PyIsolateProxiedSingleton *singleton,
              PyIsolateInvocation       *invocation,
              gpointer                   data)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  result = pyisolate_extension_call_sync (pyisolate_invocation_get_extension (invocation), "down",
                                          pyisolate_invocation_get_args (invocation), NULL, NULL,
                                          &error);
  if (result != NULL)
    pyisolate_invocation_return_value (invocation, result);
  else
    pyisolate_invocation_return_error (invocation, error);
}

static void
on_down_result (GObject      *source,
                GAsyncResult *result,
                gpointer      data)
{
  g_autoptr (PyIsolateInvocation) invocation = data;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  value = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source), result, &error);
  if (value != NULL)
    pyisolate_invocation_return_value (invocation, value);
  else
    pyisolate_invocation_return_error (invocation, error);
}

static void
on_down_async (PyIsolateProxiedSingleton *singleton,
               PyIsolateInvocation       *invocation,
               gpointer                   data)
{
  pyisolate_extension_call_async (pyisolate_invocation_get_extension (invocation), "down",
                                  pyisolate_invocation_get_args (invocation), NULL, NULL,
                                  on_down_result, g_object_ref (invocation));
}

typedef struct {
  const char *label;
  const char *file;
  PyIsolateMethodFunc func;
} Nesting;

static const Nesting nestings[] = {
  { "def-sync", "client", on_down_sync },
  { "def-async", "client", on_down_async },
  { "coroutine-sync", "aclient", on_down_sync },
  { "coroutine-async", "aclient", on_down_async },
};

static void
test_nested (gconstpointer data)
{
  const Nesting *nesting = data;
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *nest = host_add_singleton (test, "nest");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;

  host_add_method (nest, "down", "i", nesting->func, NULL);
  extension = host_load_with_api (test, "it", nesting->file, "nest");

  /* The host iterates its context, */
  host_begin (extension, "down", "(50,)", NULL, &result);
  value = host_end (extension, &result);
  host_assert_value (value, "int64 50");
  /* or blocks: what it has begun at lower levels without waiting needs the context. */
  if (nesting->func == on_down_sync)
    host_assert_result (extension, "down", "(50,)", "int64 50");
}

/* Deeper than any honest program: an end, with a reason. */
static void
test_chain_limit (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *nest = host_add_singleton (test, "nest");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = g_strdup_printf ("[<'RemoteError'>, <int64 %d>]",
                                               PYISOLATE_ERROR_LIMIT);

  host_add_method (nest, "down", "i", on_down_async, NULL);
  extension = host_load_with_api (test, "it", "aclient", "nest");
  host_begin (extension, "down", "(100000,)", NULL, &result);
  error = host_end_error (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "*chain of more than 256 calls*");

  /* When it is the host's turn to see it. */
  host_begin (extension, "down_alone", "(100000,)", NULL, &result);
  value = host_end (extension, &result);
  host_assert_value (value, expected);
  host_assert_result (extension, "echo", "(1,)", "int64 1");
}

typedef struct {
  PyIsolateExtension *other;
  const char *method;
} Relay;

static void
on_relay (PyIsolateProxiedSingleton *singleton,
          PyIsolateInvocation       *invocation,
          gpointer                   data)
{
  Relay *relay = data;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  result = pyisolate_extension_call_sync (relay->other, relay->method,
                                          pyisolate_invocation_get_args (invocation), NULL, NULL,
                                          &error);
  g_assert_no_error (error);
  pyisolate_invocation_return_value (invocation, result);
}

/* a → host → b → host → a → host: all of them block, none for ever. */
static void
test_ring (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *to_b = host_add_singleton (test, "to_b");
  PyIsolateProxiedSingleton *to_a = host_add_singleton (test, "to_a");
  PyIsolateProxiedSingleton *end = host_add_singleton (test, "end");
  Relay relay_b = { NULL, "call" };
  Relay relay_a = { NULL, "call" };
  const char *apis[] = { "to_a", "to_b", "end", NULL };
  PyIsolateExtensionConfig *config;

  host_add_method (to_b, "go", NULL, on_relay, &relay_b);
  host_add_method (to_a, "go", NULL, on_relay, &relay_a);
  host_add_method (end, "echo", NULL, host_on_echo, NULL);
  config = host_config ("a", "client");
  pyisolate_extension_config_set_apis (config, apis);
  relay_a.other = host_test_load_config (test, config);
  config = host_config ("b", "client");
  pyisolate_extension_config_set_apis (config, apis);
  relay_b.other = host_test_load_config (test, config);

  host_assert_result (relay_a.other, "call",
                      "('to_b', 'go', 'to_a', 'go', 'to_b', 'go', 'end', 'echo', 'round')",
                      "'round'");
}

typedef struct {
  PyIsolateExtension *extension;
  int n_done; /* atomic */
} Threads;

static gpointer
call_in_thread (gpointer data)
{
  Threads *threads = data;

  host_assert_result (threads->extension, "call", "('db', 'echo', 'from a thread')",
                      "'from a thread'");
  g_atomic_int_inc (&threads->n_done);
  g_main_context_wakeup (NULL);

  return NULL;
}

static gboolean
all_are_done (gpointer data)
{
  return g_atomic_int_get (&((Threads *) data)->n_done) == 6;
}

/* Other threads block too; the singleton's context is served by whoever iterates it or blocks in
 * it. */
static void
test_threads (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *db = host_add_singleton (test, "db");
  Threads shared = { NULL, 0 };
  GThread *threads[6];

  host_add_method (db, "echo", NULL, host_on_echo, NULL);
  shared.extension = host_load_with_api (test, "it", "client", "db");
  g_assert_true (g_main_context_acquire (NULL));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("caller", call_in_thread, &shared);
  for (guint i = 0; i < 20; i++)
    host_assert_result (shared.extension, "call", "('db', 'echo', 1)", "int64 1");
  test_util_assert_until (all_are_done, &shared, HOST_TEST_TIMEOUT_MS);
  g_main_context_release (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
on_context (PyIsolateProxiedSingleton *singleton,
            PyIsolateInvocation       *invocation,
            gpointer                   data)
{
  gboolean mine = g_main_context_get_thread_default () == data;

  pyisolate_invocation_return_value (invocation, g_variant_new_boolean (mine));
}

/* Methods run where the singleton was made, or with follow-caller where the call was made that led
 * to them. */
static void
test_contexts (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *where = host_add_singleton (test, "where");
  g_autoptr (GMainContext) context = g_main_context_new ();
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;

  host_add_method (where, "mine", NULL, on_context, context);
  extension = host_load_with_api (test, "it", "client", "where");
  host_assert_result (extension, "call", "('where', 'mine')", "false");

  pyisolate_proxied_singleton_set_follow_caller (where, TRUE);
  g_assert_true (pyisolate_proxied_singleton_get_follow_caller (where));
  g_main_context_push_thread_default (context);
  host_assert_result (extension, "call", "('where', 'mine')", "true");
  host_begin (extension, "call", "('where', 'mine')", NULL, &result);
  value = host_end (extension, &result);
  host_assert_value (value, "true");
  g_main_context_pop_thread_default (context);
}

static void
on_event (PyIsolateCall *call,
          const char    *name,
          GVariant      *value,
          GString       *log)
{
  g_string_append_printf (log, "e%" G_GINT64_FORMAT " ", g_variant_get_int64 (value));
}

static void
on_progress (PyIsolateCall *call,
             double         fraction,
             const char    *text,
             GString       *log)
{
  g_string_append_printf (log, "p%.0f ", fraction * 3);
}

static void
on_note (PyIsolateProxiedSingleton *singleton,
         PyIsolateInvocation       *invocation,
         gpointer                   data)
{
  int number;

  g_variant_get (pyisolate_invocation_get_args (invocation), "(i)", &number);
  g_string_append_printf (data, "s%d ", number);
  pyisolate_invocation_return_value (invocation, NULL);
}

static void
on_answer (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr (PyIsolateCallResult) answer = NULL;
  g_autoptr (GError) error = NULL;

  answer = pyisolate_extension_start_call_finish (PYISOLATE_EXTENSION (source), result, &error);
  g_assert_no_error (error);
  g_string_append (data, "answer");
}

static gboolean
has_answer (gpointer data)
{
  return g_str_has_suffix (((GString *) data)->str, "answer");
}

static PyIsolateCall *
new_telling_call (GString *log)
{
  PyIsolateCall *call = pyisolate_call_new ("tell");

  pyisolate_call_set_args (call, g_variant_new ("(i)", 3));
  g_signal_connect (call, "event", G_CALLBACK (on_event), log);
  g_signal_connect (call, "progress", G_CALLBACK (on_progress), log);
  g_string_truncate (log, 0);
  return call;
}

/* All that happens because of a call comes in its order where that was made, if the singleton lives there. */
static void
test_order (void)
{
  const char *expected = "e0 s0 p0 s0 e1 s1 p1 s1 e2 s2 p2 s2 answer";
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *nest = host_add_singleton (test, "nest");
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (PyIsolateCall) call = NULL;
  g_autoptr (PyIsolateCall) blocking = NULL;
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateExtension *extension;

  host_add_method (nest, "note", "i", on_note, log);
  extension = host_load_with_api (test, "it", "client", "nest");

  call = new_telling_call (log);
  pyisolate_extension_start_call_async (extension, call, NULL, on_answer, log);
  test_util_assert_until (has_answer, log, HOST_TEST_TIMEOUT_MS);
  g_assert_cmpstr (log->str, ==, expected);

  blocking = new_telling_call (log);
  result = pyisolate_extension_start_call_sync (extension, blocking, NULL, &error);
  g_assert_no_error (error);
  g_string_append (log, "answer");
  g_assert_cmpstr (log->str, ==, expected);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  for (guint i = 0; i < G_N_ELEMENTS (nestings); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/singleton/nested/", nestings[i].label, NULL);

      test_util_add_data_func (path, &nestings[i], test_nested);
    }
  test_util_add_func ("/pyisolate/singleton/chain-limit", test_chain_limit);
  test_util_add_func ("/pyisolate/singleton/ring", test_ring);
  test_util_add_func ("/pyisolate/singleton/threads", test_threads);
  test_util_add_func ("/pyisolate/singleton/contexts", test_contexts);
  test_util_add_func ("/pyisolate/singleton/order", test_order);

  return host_test_run ();
}
