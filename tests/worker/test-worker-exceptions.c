/* SPDX-License-Identifier: MIT */
/* Whatever a method raises is the caller's exception, and never the worker's end. */
#include "config.h"

#include "worker-fixture.h"

#include <string.h>

static const char * const extensions[] = { "errors.py", "errors_async.py" };

static void
assert_contains (const char *text,
                 const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("%s is not in %s", part, text);
}

static void
assert_lacks (const char *text,
              const char *part)
{
  if (strstr (text, part) != NULL)
    g_error ("%s is in %s", part, text);
}

static char *
print_args (PyIsolateRemoteException *exception)
{
  return g_variant_print (pyisolate_remote_exception_get_args (exception), FALSE);
}

static void
check_plain (Worker *worker)
{
  g_autoptr (PyIsolateRemoteException) exception =
    worker_assert_raises (worker, "plain", "", "ValueError", "*");
  g_autofree char *args = print_args (exception);
  const char *traceback = pyisolate_remote_exception_get_traceback (exception);

  g_assert_cmpstr (args, ==, "[<'a message'>, <int64 7>]");
  assert_contains (traceback, "Traceback (most recent call last):\n  File ");
  assert_contains (traceback, "in plain\n    raise ValueError(\"a message\", 7)\n");
  assert_contains (traceback, "ValueError: ('a message', 7)\n");
  assert_lacks (traceback, "pyisolate/_");
  g_assert_null (*pyisolate_remote_exception_get_notes (exception));
  g_assert_null (pyisolate_remote_exception_get_cause (exception));
  g_assert_null (pyisolate_remote_exception_get_context (exception));
  g_assert_cmpuint (pyisolate_remote_exception_get_exceptions (exception)->len, ==, 0);
  g_assert_cmpuint (g_variant_n_children (pyisolate_remote_exception_get_attributes (exception)), ==, 0);
}

static char *
print_attributes (Worker     *worker,
                  const char *method,
                  const char *type)
{
  g_autoptr (PyIsolateRemoteException) exception = worker_assert_raises (worker, method, "", type, "*");

  return g_variant_print (pyisolate_remote_exception_get_attributes (exception), FALSE);
}

static void
check_attributes (Worker *worker)
{
  g_autofree char *missing = print_attributes (worker, "raising_module", "ModuleNotFoundError");
  g_autofree char *own = print_attributes (worker, "attributes", "ValueError");

  g_assert_cmpstr (missing, ==, "{'name': <'missing_module_of_this_test'>}");
  g_assert_cmpstr (own, ==, "{'code': <int64 404>, 'where': <{'line': <int64 3>, 'text': <'x'>}>}");
}

static void
check_chains (Worker *worker)
{
  g_autoptr (PyIsolateRemoteException) chained =
    worker_assert_raises (worker, "chained", "", "ValueError", "outer");
  g_autoptr (PyIsolateRemoteException) context =
    worker_assert_raises (worker, "context", "", "ValueError", "second");
  g_autoptr (PyIsolateRemoteException) hidden =
    worker_assert_raises (worker, "suppressed", "", "ValueError", "shown");
  g_autoptr (PyIsolateRemoteException) cycle =
    worker_assert_raises (worker, "cycle", "", "ValueError", "first");
  g_autoptr (PyIsolateRemoteException) chain =
    worker_assert_raises (worker, "long_chain", "<int64 500>", "ValueError", "499");
  PyIsolateRemoteException *other = pyisolate_remote_exception_get_cause (chained);

  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (other), ==, "KeyError");
  g_assert_cmpstr (pyisolate_remote_exception_get_message (other), ==, "'inner'");
  assert_contains (pyisolate_remote_exception_get_traceback (chained),
                   "direct cause of the following exception");

  g_assert_null (pyisolate_remote_exception_get_cause (context));
  other = pyisolate_remote_exception_get_context (context);
  g_assert_cmpstr (pyisolate_remote_exception_get_message (other), ==, "'first'");

  g_assert_null (pyisolate_remote_exception_get_context (hidden));
  assert_lacks (pyisolate_remote_exception_get_traceback (hidden), "hidden\n");

  other = pyisolate_remote_exception_get_cause (cycle);
  g_assert_cmpstr (pyisolate_remote_exception_get_message (other), ==, "second");
  g_assert_null (pyisolate_remote_exception_get_cause (other));

  other = pyisolate_remote_exception_get_cause (chain);
  g_assert_cmpstr (pyisolate_remote_exception_get_message (other), ==, "498");
}

static void
check_odd_ones (Worker     *worker,
                const char *module)
{
  g_autofree char *custom = g_strconcat (module, ".Custom", NULL);
  g_autofree char *bad_text = g_strconcat (module, ".BadText", NULL);
  g_autofree char *no_args = g_strconcat (module, ".NoArgs", NULL);
  struct {
    const char *method;
    const char *args;
    const char *type;
    const char *message;
  } cases[] = {
    { "empty", "", "ValueError", "" },
    { "custom", "", custom, "x" },
    { "bad_text", "", bad_text, "*RuntimeError*" },
    { "bad_arg", "", "ValueError", "*RuntimeError*" },
    { "no_args", "", no_args, "*" },
    { "odd_arg", "", "ValueError", "(<object object at *" },
    { "odd_text", "", "ValueError", "a\\x00b\\ud800c" },
    { "system_exit", "<int64 3>", "SystemExit", "3" },
    { "keyboard_interrupt", "", "KeyboardInterrupt", "" },
    { "base_exception", "", "BaseException", "base" },
    { "cancelled_error", "", "asyncio.exceptions.CancelledError", "by itself" },
    { "call_cancelled", "", "pyisolate.CallCancelled", "by itself" },
    { "generator_exit", "", "GeneratorExit", "" },
    { "memory_error", "", "MemoryError", "" },
    { "recursion", "", "RecursionError", "maximum recursion depth exceeded*" },
    { "unencodable", "", "TypeError", "*object*result*key*1*" },
    { "raising_module", "", "ModuleNotFoundError", "*missing_module_of_this_test*" },
    { "deep", "<int64 200>", "ZeroDivisionError", "*" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (PyIsolateRemoteException) exception = NULL;

      exception = worker_assert_raises (worker, cases[i].method, cases[i].args, cases[i].type,
                                        cases[i].message);
    }
}

static void
check_parts (Worker *worker)
{
  g_autoptr (PyIsolateRemoteException) odd =
    worker_assert_raises (worker, "odd_arg", "", "ValueError", "*");
  g_autoptr (PyIsolateRemoteException) notes =
    worker_assert_raises (worker, "notes", "", "ValueError", "with notes");
  g_autofree char *args = print_args (odd);
  const char * const *texts = pyisolate_remote_exception_get_notes (notes);

  assert_contains (args, "<'<object object at ");
  assert_contains (args, "<built-in function open>");
  g_assert_cmpuint (g_strv_length ((char **) texts), ==, 2);
  g_assert_cmpstr (texts[1], ==, "second note");
  assert_contains (pyisolate_remote_exception_get_traceback (notes), "\nfirst note\nsecond note\n");
}

static void
check_huge (Worker *worker)
{
  g_autoptr (PyIsolateRemoteException) exception =
    worker_assert_raises (worker, "huge", "", "ValueError", "xxx*left out*");
  g_autofree char *args = print_args (exception);

  g_assert_cmpuint (strlen (pyisolate_remote_exception_get_message (exception)), <, 70000);
  g_assert_cmpuint (strlen (pyisolate_remote_exception_get_traceback (exception)), <, 300000);
  g_assert_cmpuint (strlen (args), <, 70000);
}

static void
test_exceptions (const char *python)
{
  for (guint i = 0; i < G_N_ELEMENTS (extensions); i++)
    {
      Worker *worker = worker_new (python, extensions[i]);

      check_plain (worker);
      check_chains (worker);
      check_odd_ones (worker, i == 0 ? "errors" : "errors_async");
      check_parts (worker);
      check_attributes (worker);
      check_huge (worker);
      worker_assert_result (worker, "alive", "", "true");
      worker_finish (worker);
    }
}

/* Python itself makes it a RuntimeError where it leaves a coroutine. */
static void
test_stop_iteration (const char *python)
{
  Worker *worker = worker_new (python, "errors.py");
  g_autoptr (PyIsolateRemoteException) from_def =
    worker_assert_raises (worker, "stop_iteration", "", "StopIteration", "1");
  g_autoptr (PyIsolateRemoteException) from_coroutine = NULL;

  worker_finish (worker);

  worker = worker_new (python, "errors_async.py");
  from_coroutine = worker_assert_raises (worker, "stop_iteration", "", "RuntimeError",
                                         "*StopIteration*");
  worker_finish (worker);
}

static void
test_group (const char *python)
{
  Worker *worker = worker_new (python, "errors.py");

  if (worker_python_is_at_least (python, 11))
    {
      g_autoptr (PyIsolateRemoteException) exception =
        worker_assert_raises (worker, "group", "", "ExceptionGroup", "several*");
      const char *traceback = pyisolate_remote_exception_get_traceback (exception);
      GPtrArray *exceptions = pyisolate_remote_exception_get_exceptions (exception);

      assert_contains (traceback, "ValueError: one");
      assert_contains (traceback, "TypeError: two");
      g_assert_cmpuint (exceptions->len, ==, 2);
      g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exceptions->pdata[0]), ==, "ValueError");
      g_assert_cmpstr (pyisolate_remote_exception_get_message (exceptions->pdata[1]), ==, "two");
    }
  else
    {
      g_autoptr (PyIsolateRemoteException) exception =
        worker_assert_raises (worker, "group", "", "NameError", "*");
    }

  worker_finish (worker);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("exceptions/all", test_exceptions);
  worker_add_test ("exceptions/stop-iteration", test_stop_iteration);
  worker_add_test ("exceptions/group", test_group);

  return g_test_run ();
}
