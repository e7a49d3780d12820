/* SPDX-License-Identifier: MIT */
/* What Python raises, as it is seen from C. */
#include "config.h"

#include "host-fixture.h"

#include <string.h>

/* Calls it, and gives what it raised; by the GError, and the same by the call. */
static PyIsolateRemoteException *
raise_in (PyIsolateExtension *extension,
          const char         *method,
          const char         *args)
{
  g_autoptr (PyIsolateCall) call = pyisolate_call_new (method);
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (PyIsolateRemoteException) of_call = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateRemoteException *exception;
  g_autoptr (GVariant) tuple = host_parse (args);
  g_autofree char *line = NULL;

  pyisolate_call_set_args (call, tuple);
  result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
  g_assert_null (result);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);

  exception = pyisolate_error_dup_remote_exception (error);
  g_assert_nonnull (exception);
  of_call = pyisolate_call_dup_remote_exception (call);
  g_assert_true (of_call == exception);

  line = g_strdup_printf ("%s*", pyisolate_remote_exception_get_type_name (exception));
  host_assert_message (error, line);

  return exception;
}

static void
assert_exception (PyIsolateRemoteException *exception,
                  const char               *type_name,
                  const char               *message)
{
  g_assert_nonnull (exception);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exception), ==, type_name);
  g_assert_cmpstr (pyisolate_remote_exception_get_message (exception), ==, message);
  g_assert_true (g_utf8_validate (pyisolate_remote_exception_get_traceback (exception), -1, NULL));
}

static void
assert_args (PyIsolateRemoteException *exception,
             const char               *expected)
{
  host_assert_value (pyisolate_remote_exception_get_args (exception), expected);
}

static void
test_plain (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "raiser");
  g_autoptr (PyIsolateRemoteException) exception = raise_in (extension, "plain", "('wörd',)");
  const char *traceback = pyisolate_remote_exception_get_traceback (exception);

  assert_exception (exception, "ValueError", "wörd");
  assert_args (exception, "[<'wörd'>]");
  g_assert_null (pyisolate_remote_exception_get_cause (exception));
  g_assert_null (pyisolate_remote_exception_get_context (exception));
  g_assert_cmpuint (g_strv_length ((char **) pyisolate_remote_exception_get_notes (exception)), ==,
                    0);

  /* As Python prints it, and of the extension's own frames only. */
  g_assert_true (g_str_has_prefix (traceback, "Traceback (most recent call last):\n"));
  g_assert_true (g_str_has_suffix (traceback, "ValueError: wörd\n"));
  g_assert_nonnull (strstr (traceback, "raiser.py\", line"));
  g_assert_nonnull (strstr (traceback, "in plain"));
  g_assert_null (strstr (traceback, "_dispatch.py"));
}

static void
test_kinds (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "raiser");
  PyIsolateRemoteException *exception;

  exception = raise_in (extension, "with_args", NULL);
  assert_exception (exception, "FileNotFoundError", "[Errno 2] not there: '/some/file'");
  assert_args (exception, "[<int64 2>, <'not there'>, <'/some/file'>]"); /* what it was made of */
  g_object_unref (exception);

  /* What cannot travel is told as text. */
  exception = raise_in (extension, "with_odd_args", NULL);
  assert_exception (exception, "KeyError", "<class 'object'>");
  assert_args (exception, "[<\"<class 'object'>\">]");
  g_object_unref (exception);

  exception = raise_in (extension, "own", NULL);
  assert_exception (exception, "raiser.OddError.Inner", "of the extension");
  g_object_unref (exception);

  exception = raise_in (extension, "unprintable", NULL);
  assert_exception (exception, "raiser.unprintable.<locals>.Broken",
                    "<str() of this exception raised SystemError>");
  g_object_unref (exception);

  exception = raise_in (extension, "odd_text", NULL);
  assert_exception (exception, "ValueError", "nul \\x00 surrogate \\udc80 end");
  g_object_unref (exception);

  exception = raise_in (extension, "recursion", NULL);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exception), ==, "RecursionError");
  g_object_unref (exception);

  exception = raise_in (extension, "with_notes", NULL);
  g_assert_cmpstr (pyisolate_remote_exception_get_notes (exception)[0], ==, "first");
  g_assert_cmpstr (pyisolate_remote_exception_get_notes (exception)[1], ==, "second");
  g_assert_null (pyisolate_remote_exception_get_notes (exception)[2]);
  g_object_unref (exception);
}

/* None of them ends the worker. */
static void
test_not_an_end (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "raiser");
  int pid = pyisolate_extension_get_pid (extension);
  PyIsolateRemoteException *exception;

  exception = raise_in (extension, "exits", "(3,)");
  assert_exception (exception, "SystemExit", "3");
  g_object_unref (exception);
  exception = raise_in (extension, "interrupts", NULL);
  assert_exception (exception, "KeyboardInterrupt", "");
  g_object_unref (exception);
  exception = raise_in (extension, "stops", NULL);
  assert_exception (exception, "StopIteration", "odd");
  g_object_unref (exception);

  host_assert_result (extension, "fine", NULL, "'fine'");
  g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, pid);
}

static void
test_chains (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "raiser");
  PyIsolateRemoteException *exception;

  exception = raise_in (extension, "with_cause", NULL);
  assert_exception (exception, "RuntimeError", "because of that");
  assert_exception (pyisolate_remote_exception_get_cause (exception), "KeyError", "'missing'");
  g_assert_nonnull (strstr (pyisolate_remote_exception_get_traceback (exception), "direct cause"));
  g_object_unref (exception);

  exception = raise_in (extension, "with_context", NULL);
  assert_exception (exception, "RuntimeError", "while handling it");
  g_assert_null (pyisolate_remote_exception_get_cause (exception));
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (pyisolate_remote_exception_get_context (exception)), ==,
                   "ValueError");
  g_object_unref (exception);

  exception = raise_in (extension, "suppressed", NULL);
  assert_exception (exception, "RuntimeError", "alone");
  g_assert_null (pyisolate_remote_exception_get_context (exception));
  g_object_unref (exception);

  /* A chain of any length is cut, not refused. */
  exception = raise_in (extension, "chain", "(30,)");
  assert_exception (exception, "ValueError", "30");
  assert_exception (pyisolate_remote_exception_get_cause (exception), "ValueError", "29");
  g_object_unref (exception);
}

/* An error has its own copy; what the caller keeps outlives the extension. */
static void
test_copies (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) copy = NULL;
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  g_autoptr (HostTest) test = host_test_new ();

  error = host_call_error (host_test_load (test, "raiser"), "with_cause", NULL,
                           PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_test_drop_manager (test);
  copy = g_error_copy (error);
  g_clear_error (&error);
  exception = pyisolate_error_dup_remote_exception (copy);
  assert_exception (exception, "RuntimeError", "because of that");
  for (guint i = 0; i < 3; i++)
    g_object_run_dispose (G_OBJECT (exception));
}

static void
test_import (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) last_error = NULL;
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  PyIsolateExtension *extension;

  error = host_test_fail_load (test, host_config ("bad", "import_raises"),
                               PYISOLATE_ERROR_IMPORT_FAILED);
  host_assert_message (error, "*“bad”*ImportError: no good*");
  exception = pyisolate_error_dup_remote_exception (error);
  assert_exception (exception, "ImportError", "no good");
  assert_exception (pyisolate_remote_exception_get_cause (exception), "LookupError", "at import");
  g_assert_nonnull (strstr (pyisolate_remote_exception_get_traceback (exception),
                            "import_raises.py"));

  extension = pyisolate_extension_manager_get_extension (test->manager, "bad");
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  last_error = pyisolate_extension_dup_last_error (extension);
  g_assert_error (last_error, PYISOLATE_ERROR, PYISOLATE_ERROR_IMPORT_FAILED);

  /* The next try has the row. */
  host_assert_result (host_test_load_config (test, host_config ("bad", "raiser")), "fine", NULL,
                      "'fine'");
}

static void
test_import_syntax (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *directory = host_test_scratch ("syntax");
  g_autofree char *path = g_build_filename (directory, "broken.py", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateRemoteException) exception = NULL;

  g_file_set_contents (path, "def broken(:\n", -1, &error);
  g_assert_no_error (error);
  error = host_test_fail_load (test, pyisolate_extension_config_new ("broken", path),
                               PYISOLATE_ERROR_IMPORT_FAILED);
  exception = pyisolate_error_dup_remote_exception (error);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exception), ==, "SyntaxError");
  g_assert_nonnull (strstr (pyisolate_remote_exception_get_traceback (exception), "def broken(:"));
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/exceptions/plain", test_plain);
  test_util_add_func ("/pyisolate/exceptions/kinds", test_kinds);
  test_util_add_func ("/pyisolate/exceptions/not-an-end", test_not_an_end);
  test_util_add_func ("/pyisolate/exceptions/chains", test_chains);
  test_util_add_func ("/pyisolate/exceptions/copies", test_copies);
  test_util_add_func ("/pyisolate/exceptions/import", test_import);
  test_util_add_func ("/pyisolate/exceptions/import-syntax", test_import_syntax);

  return host_test_run ();
}
