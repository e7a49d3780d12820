/* SPDX-License-Identifier: MIT */
/* What can be seen of an extension, and what it tells. */
#include "config.h"

#include "host-fixture.h"

#include "pyisolate-extension-private.h"
#include "pyisolate-mailbox-struct-private.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

static void
on_notify (GObject    *object,
           GParamSpec *pspec,
           GString    *log)
{
  g_string_append_printf (log, "%s ", pspec->name);
}

static void
test_properties (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "talker");
  g_autofree GParamSpec **pspecs = NULL;
  g_autoptr (GString) log = g_string_new (NULL);
  guint n_pspecs;
  int pid;

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (extension), &n_pspecs);
  g_assert_cmpuint (n_pspecs, ==, 7);
  for (guint i = 0; i < n_pspecs; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_assert_true ((pspecs[i]->flags & G_PARAM_READABLE) != 0);
      g_value_init (&value, pspecs[i]->value_type);
      g_object_get_property (G_OBJECT (extension), pspecs[i]->name, &value);
    }

  pid = pyisolate_extension_get_pid (extension);
  g_assert_true (test_util_process_is_alive (pid));
  g_assert_cmpuint (pyisolate_extension_get_memory_usage (extension), >, 1024 * 1024);
  g_assert_cmpstr (pyisolate_extension_get_name (extension), ==, "talker");
  g_assert_null (pyisolate_extension_dup_last_error (extension));

  /* After the blocking load: what it changed is still to be told, once each. */
  g_signal_connect (extension, "notify", G_CALLBACK (on_notify), log);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (log->str, ==, "state pid ");
  g_string_truncate (log, 0);
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  g_assert_cmpstr (log->str, ==, "");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (log->str, ==, "state pid ");
  g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, 0);
  g_assert_cmpuint (pyisolate_extension_get_memory_usage (extension), ==, 0);
  g_assert_false (test_util_process_is_alive (pid));
  g_signal_handlers_disconnect_by_data (extension, log);
}

static void
test_states (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateExtensionConfig) config = host_config ("it", "talker");
  g_autoptr (GAsyncResult) loaded = NULL;
  g_autoptr (GAsyncResult) stopped = NULL;
  g_autoptr (HostNews) news = NULL;
  g_autoptr (PyIsolateExtension) extension = NULL;

  pyisolate_extension_manager_load_extension_async (test->manager, config, NULL, host_store,
                                                    &loaded);
  news = host_news_new (pyisolate_extension_manager_get_extension (test->manager, "it"));
  host_wait_result (&loaded);
  extension = pyisolate_extension_manager_load_extension_finish (test->manager, loaded, NULL);
  host_test_watch (test, extension);
  pyisolate_extension_stop_async (extension, NULL, host_store, &stopped);
  g_assert_null (stopped);
  host_wait_result (&stopped);
  g_assert_true (pyisolate_extension_stop_finish (extension, stopped, NULL));
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_EXITED, 0);
  g_assert_true (pyisolate_exit_reason_get_expected (news->reason));

  /* Quick changes are told as one; the last ones are certain. */
  g_assert_cmpuint (news->states->len, >=, 2);
  g_assert_cmpint (GPOINTER_TO_INT (g_ptr_array_index (news->states, news->states->len - 1)), ==,
                   PYISOLATE_EXTENSION_STATE_STOPPED);
  for (guint i = 1; i < news->states->len; i++)
    g_assert_true (g_ptr_array_index (news->states, i - 1) < g_ptr_array_index (news->states, i));
}

static void
set_true (gpointer data)
{
  *(gboolean *) data = TRUE;
}

/* Who is told that an extension has stopped finds all that there is to hear of it in its home. */
static void
test_exited_before_stopped (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);
  gboolean stopped = FALSE;

  _pyisolate_extension_stop (extension, mailbox, PYISOLATE_JOB_NOTIFICATION, set_true, &stopped, NULL);
  g_mutex_lock (&mailbox->mutex); /* the answer cannot be given now */
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_EXITED, 0);
  g_mutex_unlock (&mailbox->mutex);
  while (!stopped)
    g_main_context_iteration (context, TRUE);
}

static const char *
method_of (PyIsolateExtension *extension,
           const char         *name,
           const char         *property)
{
  static char *last;
  PyIsolateMethodInfo *info = pyisolate_extension_find_method (extension, name);

  g_assert_nonnull (info);
  g_clear_pointer (&last, g_free);
  g_object_get (info, property, &last, NULL);

  return last;
}

static void
assert_parameter (GListModel *parameters,
                  guint       position,
                  const char *name,
                  const char *kind,
                  const char *annotation,
                  const char *default_value)
{
  g_autoptr (PyIsolateParameterInfo) parameter = g_list_model_get_item (parameters, position);

  g_assert_nonnull (parameter);
  g_assert_cmpstr (pyisolate_parameter_info_get_name (parameter), ==, name);
  g_assert_cmpstr (pyisolate_parameter_info_get_kind (parameter), ==, kind);
  if (annotation != NULL)
    g_assert_cmpstr (pyisolate_parameter_info_get_annotation (parameter), ==, annotation);
  g_assert_cmpstr (pyisolate_parameter_info_get_default_value (parameter), ==, default_value);
}

static void
test_methods (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "talker");
  GListModel *methods = pyisolate_extension_get_methods (extension);
  PyIsolateMethodInfo *say;
  GListModel *parameters;

  g_assert_true (g_list_model_get_item_type (methods) == PYISOLATE_TYPE_METHOD_INFO);
  g_assert_cmpuint (g_list_model_get_n_items (methods), ==, 14);
  g_assert_null (pyisolate_extension_find_method (extension, "_hidden"));
  g_assert_null (pyisolate_extension_find_method (extension, "stop"));
  g_assert_null (pyisolate_extension_find_method (extension, "emit_event"));

  say = pyisolate_extension_find_method (extension, "say");
  g_assert_nonnull (say);
  g_assert_true (g_str_has_prefix (pyisolate_method_info_get_doc (say), "Prints it.\n"));
  g_assert_nonnull (strstr (pyisolate_method_info_get_doc (say), "More of"));
  g_assert_cmpstr (pyisolate_method_info_get_signature (say), ==,
                   "(text: str, loud: bool = False) -> str");
  g_assert_cmpstr (pyisolate_method_info_get_returns (say), ==, "str");
  g_assert_false (pyisolate_method_info_get_is_async (say));
  parameters = pyisolate_method_info_get_parameters (say);
  g_assert_cmpuint (g_list_model_get_n_items (parameters), ==, 2);
  assert_parameter (parameters, 0, "text", "POSITIONAL_OR_KEYWORD", "str", NULL);
  assert_parameter (parameters, 1, "loud", "POSITIONAL_OR_KEYWORD", "bool", "False");

  parameters = pyisolate_method_info_get_parameters (pyisolate_extension_find_method (extension,
                                                                                      "static"));
  g_assert_cmpuint (g_list_model_get_n_items (parameters), ==, 5);
  assert_parameter (parameters, 0, "x", "POSITIONAL_ONLY", NULL, NULL);
  assert_parameter (parameters, 1, "y", "POSITIONAL_OR_KEYWORD", NULL, NULL);
  assert_parameter (parameters, 2, "args", "VAR_POSITIONAL", NULL, NULL);
  assert_parameter (parameters, 3, "key", "KEYWORD_ONLY", NULL, "None");
  assert_parameter (parameters, 4, "rest", "VAR_KEYWORD", NULL, NULL);

  g_assert_true (pyisolate_method_info_get_is_async (pyisolate_extension_find_method (extension, "coroutine")));
  g_assert_cmpstr (method_of (extension, "coroutine", "runs-on"), ==, "main");
  g_assert_cmpstr (method_of (extension, "say", "runs-on"), ==, "second");
  g_assert_cmpstr (method_of (extension, "inlined", "runs-on"), ==, "main");
  g_assert_cmpstr (method_of (extension, "pooled", "runs-on"), ==, "pool");
  g_assert_cmpstr (method_of (extension, "coroutine", "name"), ==, "coroutine");

  host_assert_result (extension, "coroutine", NULL, "'awaited'");
  host_assert_result (extension, "inlined", NULL, "'inline'");
  host_assert_result (extension, "pooled", NULL, "'pool'");
  host_assert_result (extension, "static", "(1, 2, 3)",
                      "[<int64 1>, <int64 2>, <(int64 3,)>, <objectpath '/pyisolate/None'>, <@a{sv} {}>]");
}

static void
test_log (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "talker");
  g_autoptr (HostNews) news = host_news_new (extension);
  g_auto (GStrv) tail = NULL;
  g_autofree char *all = NULL;

  g_variant_unref (host_call (extension, "say", "('hello',)"));
  host_news_wait_line (news, "stdout|20|hello");
  g_variant_unref (host_call (extension, "say", "('grüße', true)"));
  host_news_wait_line (news, "stdout|20|GRÜSSE");
  g_variant_unref (host_call (extension, "say_error", "('oh',)"));
  host_news_wait_line (news, "stderr|30|oh");
  g_variant_unref (host_call (extension, "say_raw", "(@ay [0x72, 0xff, 0x77, 0x0a],)"));
  host_news_wait_line (news, "stdout|20|r\357\277\275w");
  host_news_wait_line (news, "stdout|20|from a child");
  g_variant_unref (host_call (extension, "log", "(10, 'debug')"));
  host_news_wait_line (news, "talker|10|debug!");
  g_variant_unref (host_call (extension, "log", "(35, 'between')"));
  host_news_wait_line (news, "talker|30|between!");
  g_variant_unref (host_call (extension, "log", "(90, 'beyond')"));
  host_news_wait_line (news, "talker|50|beyond!");

  tail = pyisolate_extension_dup_log_tail (extension);
  all = g_strjoinv ("\n", tail);
  g_assert_nonnull (strstr (all, "hello\nGRÜSSE\noh\n"));
  g_assert_nonnull (strstr (all, "talker: beyond!"));
}

/* What is too long to travel is cut where it comes from. */
static void
test_log_much (void)
{
  static const struct {
    const char *method;
    const char *args;
    const char *line;
  } cases[] = {
    { "log_much", "('x', 8192)", "talker|30|xxx*xxx" },
    { "log_much", "('ü', 10000)", "talker|30|üüü*üüü… (11856 bytes more)" },
    { "log_much", "('x', 70000000)", "talker|30|xxx*xxx… (69991856 bytes more)" },
    { "log_much", "('x', 200000000)", "talker|30|xxx*xxx… (199991856 bytes more)" },
    { "log_nuls", "(2000000,)", "talker|30|\\x00\\x00*\\x00… (7991856 bytes more)" },
  };
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "talker");
  g_autoptr (HostNews) news = host_news_new (extension);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_variant_unref (host_call (extension, cases[i].method, cases[i].args));
      host_news_wait_line (news, cases[i].line);
    }
  for (guint i = 0; i < news->lines->len; i++)
    g_assert_cmpuint (strlen (news->lines->pdata[i]), <=, strlen ("talker|30|") + 8192);
}

/* Nobody iterates the main context: the lines wait, the oldest give way, and the tail has the last
 * ones. */
static void
test_log_flood (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "talker");
  g_autoptr (HostNews) news = host_news_new (extension);
  g_auto (GStrv) tail = NULL;

  g_variant_unref (host_call (extension, "many_lines", "(20000,)"));
  g_variant_unref (host_call (extension, "say", "('the end',)"));
  g_assert_cmpuint (news->lines->len, ==, 0);
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  host_news_wait_line (news, "stdout|20|the end");
  g_assert_cmpuint (news->lines->len, <=, 4097);
  host_news_wait_line (news, "pyisolate|30|* lines of the log were dropped*");

  tail = pyisolate_extension_dup_log_tail (extension);
  g_assert_cmpuint (g_strv_length (tail), ==, 200);
  g_assert_cmpstr (tail[199], ==, "the end");
  g_assert_cmpstr (tail[198], ==, "line 19999");
}

static void
test_crash (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "talker");
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) last_error = NULL;
  g_auto (GStrv) tail = NULL;
  g_autofree char *all = NULL;

  error = host_call_error (extension, "crash_in_c", NULL, PYISOLATE_ERROR_DIED);
  host_assert_message (error, "*“talker”*signal 11*");
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_SIGNALED, SIGSEGV);
  g_assert_false (pyisolate_exit_reason_get_expected (news->reason));
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  last_error = pyisolate_extension_dup_last_error (extension);
  g_assert_error (last_error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
  g_assert_cmpstr (last_error->message, ==, error->message);

  /* The Python stack of the crash, at the end of what it said. */
  tail = pyisolate_extension_dup_log_tail (extension);
  all = g_strjoinv ("\n", tail);
  g_assert_nonnull (strstr (all, "last words"));
  g_assert_nonnull (strstr (all, "Fatal Python error: Segmentation fault"));
  g_assert_nonnull (strstr (all, "talker.py\", line"));
  g_assert_nonnull (strstr (all, "in crash_in_c"));
  g_assert_nonnull (strstr (all, "string_at"));
}

static void
test_events (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "talker");
  g_autoptr (HostNews) news = host_news_new (extension);

  g_variant_unref (host_call (extension, "emit", "('plain', 1)"));
  host_news_wait_event (news, "plain|1");
  g_variant_unref (host_call (extension, "emit", "('nested', {'a': <[1, 2]>})"));
  host_news_wait_event (news, "nested|{'a': <[*1, 2]>}");
  g_variant_unref (host_call (extension, "emit", "('nothing', objectpath '/pyisolate/None')"));
  host_news_wait_event (news, "nothing|*None'");
  g_assert_cmpuint (news->events->len, ==, 3);
}

static void
on_call_progress (PyIsolateCall *call,
                  double         fraction,
                  const char    *text,
                  GString       *log)
{
  g_string_append_printf (log, "c%s ", text + strlen ("step "));
}

static void
on_call_event (PyIsolateCall *call,
               const char    *name,
               GVariant      *value,
               GString       *log)
{
  g_string_append_printf (log, "e%" G_GINT64_FORMAT " ", g_variant_get_int64 (value));
}

static void
on_extension_progress (PyIsolateExtension *extension,
                       PyIsolateCall      *call,
                       double              fraction,
                       const char         *text,
                       GString            *log)
{
  g_assert_cmpstr (pyisolate_call_get_method (call), ==, "tell");
  g_string_append_printf (log, "x%s ", text + strlen ("step "));
}

static void
on_told (GObject      *source,
         GAsyncResult *result,
         gpointer      data)
{
  g_autoptr (PyIsolateCallResult) answer = NULL;
  GString **logs = data;

  answer = pyisolate_extension_start_call_finish (PYISOLATE_EXTENSION (source), result, NULL);
  g_assert_nonnull (answer);
  g_string_append (logs[0], "told");
  logs[2] = NULL;
}

static gboolean
is_cleared (gpointer location)
{
  return *(gpointer *) location == NULL;
}

/* Progress and events of one call come in their order, and before its answer. */
static void
test_order (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("tell");
  g_autoptr (GString) of_call = g_string_new (NULL);
  g_autoptr (GString) of_extension = g_string_new (NULL);
  GString *logs[3] = { of_call, of_extension, of_call };

  pyisolate_call_set_args (call, g_variant_new ("(i)", 3));
  g_signal_connect (call, "progress", G_CALLBACK (on_call_progress), of_call);
  g_signal_connect (call, "event", G_CALLBACK (on_call_event), of_call);
  g_signal_connect (extension, "progress", G_CALLBACK (on_extension_progress), of_extension);
  pyisolate_extension_start_call_async (extension, call, NULL, on_told, logs);
  test_util_assert_until (is_cleared, &logs[2], HOST_TEST_TIMEOUT_MS);
  g_assert_cmpstr (of_call->str, ==, "c0 e0 c1 e1 c2 e2 told");
  host_news_wait_event (news, "counted|2");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (of_extension->str, ==, "x0 x1 x2 ");
  g_assert_cmpuint (news->events->len, ==, 3);
  g_signal_handlers_disconnect_by_data (extension, of_extension);
}

/* A blocking call tells of itself before it returns, and leaves the extension's signals to the
 * context. */
static void
test_order_sync (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("tell");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  pyisolate_call_set_args (call, g_variant_new ("(i)", 2));
  g_signal_connect (call, "progress", G_CALLBACK (on_call_progress), log);
  g_signal_connect (call, "event", G_CALLBACK (on_call_event), log);
  result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
  g_assert_no_error (error);
  host_assert_value (pyisolate_call_result_get_value (result), "'told'");
  g_assert_cmpstr (log->str, ==, "c0 e0 c1 e1 ");
  g_assert_cmpuint (news->events->len, ==, 0);
  host_news_wait_event (news, "counted|1");
}

static void
test_state_directory (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load_config (test,
                                                         host_config ("a name %2F", "talker"));
  g_autofree char *directory = g_strdup (pyisolate_extension_get_state_directory (extension));
  g_autofree char *temporary = g_build_filename (directory, "tmp", NULL);
  g_autofree char *hook = g_build_filename (directory, "stopped", NULL);
  g_autofree char *expected = g_strdup_printf ("'%s'", directory);
  g_autofree char *expected_temporary = g_strdup_printf ("'%s'", temporary);
  g_autofree char *all = g_strdup_printf ("['%s', '%s', '%s']", directory, directory, directory);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_str_has_prefix (directory, g_get_user_state_dir ()));
  host_assert_result (extension, "remember", "('one',)", "objectpath '/pyisolate/None'");
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_test (hook, G_FILE_TEST_EXISTS));

  /* The next one of the name finds it. */
  extension = host_test_load_config (test, host_config ("a name %2F", "talker"));
  g_assert_cmpstr (pyisolate_extension_get_state_directory (extension), ==, directory);
  host_assert_result (extension, "remember", "('two',)", "'one'");

  /* One of another name does not. */
  extension = host_test_load_config (test, host_config ("other", "talker"));
  host_assert_result (extension, "remember", "('three',)", "objectpath '/pyisolate/None'");

  g_assert_true (pyisolate_extension_manager_stop_all_sync (test->manager, NULL, NULL));
  extension = host_test_load_config (test, host_config ("a name %2F", "basic"));
  host_assert_result (extension, "where", NULL, all);
  host_assert_result (extension, "environment", "('HOME',)", expected);
  host_assert_result (extension, "environment", "('TMPDIR',)", expected_temporary);
  host_assert_result (extension, "environment", "('PYTHONPATH',)", "objectpath '/pyisolate/None'");
  host_assert_result (extension, "environment", "('PYISOLATE_LINK_FD',)",
                      "objectpath '/pyisolate/None'");
  host_assert_result (extension, "name", NULL, "'a name %2F'");
}

static void
test_variables (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config = host_config ("it", "basic");
  const char *variables[] = { "ONE=1", "TWO=a=b", "EMPTY=", NULL };
  PyIsolateExtension *extension;

  g_setenv ("PYISOLATE_TEST_SECRET", "of the host", TRUE);
  g_setenv ("PYTHONPATH", "/nowhere", TRUE);
  pyisolate_extension_config_set_environment_variables (config, variables);
  extension = host_test_load_config (test, config);
  host_assert_result (extension, "environment", "('ONE',)", "'1'");
  host_assert_result (extension, "environment", "('TWO',)", "'a=b'");
  host_assert_result (extension, "environment", "('EMPTY',)", "''");
  host_assert_result (extension, "environment", "('PYISOLATE_TEST_SECRET',)",
                      "objectpath '/pyisolate/None'");
  host_assert_result (extension, "environment", "('PYTHONPATH',)", "objectpath '/pyisolate/None'");
  g_unsetenv ("PYTHONPATH");
}

static void
test_ping (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_extension_ping_sync (extension, NULL, &error));
  g_assert_no_error (error);
  pyisolate_extension_ping_async (extension, NULL, host_store, &result);
  g_assert_null (result);
  host_wait_result (&result);
  g_assert_true (pyisolate_extension_ping_finish (extension, result, &error));
  g_assert_no_error (error);

  g_cancellable_cancel (cancellable);
  g_assert_false (pyisolate_extension_ping_sync (extension, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  g_assert_false (pyisolate_extension_ping_sync (extension, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING);
}

typedef struct {
  gboolean done;
  gint64 sum;
  GError *error;
} Begun;

static void
on_begun (PyIsolateExtension  *extension,
          PyIsolateCallResult *result,
          const GError        *error,
          gpointer             user_data)
{
  Begun *begun = user_data;

  g_assert_true ((result == NULL) == (error != NULL));
  begun->done = TRUE;
  if (result != NULL)
    begun->sum = g_variant_get_int64 (pyisolate_call_result_get_value (result));
  else
    begun->error = g_error_copy (error);
}

/* What a language binding does: it is told by the context's descriptors that there is something,
 * and runs the loop only if serving was not enough, if at all. */
static void
begin_and_serve (PyIsolateExtension *extension,
                 const char         *args,
                 Begun              *begun,
                 gboolean            iterates,
                 guint              *n_served)
{
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("add");
  g_autoptr (GVariant) tuple = host_parse (args);

  pyisolate_call_set_args (call, tuple);
  pyisolate_extension_begin_call (extension, call, NULL, on_begun, begun);
  g_assert_false (begun->done);
  while (!begun->done)
    {
      if (pyisolate_serve_context (g_main_context_default ()))
        (*n_served)++;
      else if (iterates)
        g_main_context_iteration (NULL, FALSE);
      else
        g_thread_yield ();
    }
}

static void
test_binding (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  guint n_served = 0;
  Begun late = { FALSE, 0, NULL };

  for (gint64 i = 0; i < 100; i++)
    {
      g_autofree char *args = g_strdup_printf ("(%d, 2)", (int) i);
      Begun begun = { FALSE, 0, NULL };

      begin_and_serve (extension, args, &begun, i % 2 == 1, &n_served);
      g_assert_no_error (begun.error);
      g_assert_cmpint (begun.sum, ==, i + 2);
    }
  g_assert_cmpuint (n_served, >=, 50);

  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  begin_and_serve (extension, "(1, 2)", &late, TRUE, &n_served);
  g_assert_error (late.error, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING);
  g_clear_error (&late.error);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/extension/properties", test_properties);
  test_util_add_func ("/pyisolate/extension/states", test_states);
  test_util_add_func ("/pyisolate/extension/exited-before-stopped", test_exited_before_stopped);
  test_util_add_func ("/pyisolate/extension/methods", test_methods);
  test_util_add_func ("/pyisolate/extension/log", test_log);
  test_util_add_func ("/pyisolate/extension/log-much", test_log_much);
  test_util_add_func ("/pyisolate/extension/log-flood", test_log_flood);
  test_util_add_func ("/pyisolate/extension/crash", test_crash);
  test_util_add_func ("/pyisolate/extension/events", test_events);
  test_util_add_func ("/pyisolate/extension/order", test_order);
  test_util_add_func ("/pyisolate/extension/order-sync", test_order_sync);
  test_util_add_func ("/pyisolate/extension/state-directory", test_state_directory);
  test_util_add_func ("/pyisolate/extension/variables", test_variables);
  test_util_add_func ("/pyisolate/extension/ping", test_ping);
  test_util_add_func ("/pyisolate/extension/binding", test_binding);

  return host_test_run ();
}
