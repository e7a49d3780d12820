/* SPDX-License-Identifier: MIT */
/* A worker's life: hello, load, ready, calls, stop. */
#include "config.h"

#include "worker-fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void
assert_field (GVariant   *dict,
              const char *name,
              const char *expected)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, name, NULL);
  g_autofree char *text = value != NULL ? g_variant_print (value, FALSE) : NULL;

  g_assert_cmpstr (text, ==, expected);
}

static void
test_call (const char *python)
{
  Worker *worker = worker_new (python, "plain.py");
  guint64 with_kwargs;

  worker_assert_result (worker, "add", "<int64 1>, <int64 41>", "42");
  worker_assert_result (worker, "add", "<int64 1>", "3");
  with_kwargs = worker_call_full (worker, "", "add", "<int64 1>", "'b': <int64 5>", NULL, 0);
  worker_assert_answer (worker, with_kwargs, "6");
  worker_assert_result (worker, "echo", "<'text'>", "'text'");
  worker_assert_result (worker, "where", "", "true");
  worker_assert_result (worker, "about", "", "[<'test'>, <true>]");

  worker_finish (worker);
}

static void
test_methods (const char *python)
{
  Worker *worker = worker_new (python, "plain.py");
  g_autoptr (GVariant) add = worker_dup_method (worker, "add");
  g_autoptr (GVariant) numbers = worker_dup_method (worker, "numbers");

  g_assert_cmpuint (g_variant_n_children (worker_get_methods (worker)), ==, 7);
  g_assert_null (worker_dup_method (worker, "join"));
  g_assert_null (worker_dup_method (worker, "_hidden"));
  assert_field (add, "signature", "'(a: int, b: int = 2) -> int'");
  assert_field (add, "doc", "'Add two numbers.\\n\\nAnd say so.'");
  assert_field (add, "returns", "'int'");
  assert_field (add, "async", "false");
  assert_field (add, "runs_on", "'main'");
  assert_field (add, "parameters",
                "[<{'name': 'a', 'kind': 'POSITIONAL_OR_KEYWORD', 'annotation': 'int'}>, "
                "<{'name': 'b', 'kind': 'POSITIONAL_OR_KEYWORD', 'annotation': 'int', "
                "'default': '2'}>]");
  assert_field (numbers, "signature", "'(n)'");

  worker_finish (worker);
}

static void
test_signatures (const char *python)
{
  Worker *worker = worker_new (python, "signatures.py");
  g_autoptr (GVariant) bad_default = worker_dup_method (worker, "bad_default");
  g_autoptr (GVariant) coroutine = worker_dup_method (worker, "coroutine_method");

  worker_assert_result (worker, "compare", "", "[<int64 28>, <@av []>]");
  worker_assert_result (worker, "dispatched", "<1.5>", "[<'any'>, <int64 1>]");
  worker_assert_result (worker, "dispatched", "<int64 1>", "[<'int'>, <int64 2>]");
  worker_assert_result (worker, "preset", "", "[<'any'>, <int64 1>]");
  assert_field (bad_default, "signature", "'(a=...)'");
  assert_field (coroutine, "async", "true");

  worker_finish (worker);
}

static void
test_chosen_methods (const char *python)
{
  Worker *worker = worker_new (python, "chosen.py");

  g_assert_cmpuint (g_variant_n_children (worker_get_methods (worker)), ==, 3);
  worker_assert_result (worker, "sqrt", "<9.0>", "3.0");
  worker_assert_result (worker, "join", "<'a'>, <'b'>", "'a/b'");
  worker_assert_result (worker, "mine", "", "1");

  worker_finish (worker);
}

static void
test_made_methods (const char *python)
{
  Worker *worker = worker_new (python, "made.py");

  g_assert_cmpuint (g_variant_n_children (worker_get_methods (worker)), ==, 3);
  worker_assert_result (worker, "add_one", "<int64 2>", "3");
  worker_assert_result (worker, "add_two", "<int64 2>", "4");

  worker_finish (worker);
}

static int
new_memfd (int seals)
{
  int fd = memfd_create ("theirs", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (write (fd, "0123456789", 10), ==, 10);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, seals), ==, 0);
  return fd;
}

#define TENSOR(size, handle) \
  "<(objectpath '/pyisolate/tensor', <('tensor', 'uint8', 'cpu', @ax [" size "], @ax [1], uint64 4, uint32 0, " \
  "<handle " handle ">)>)>"

/* A host that keeps no book of memory gives tensors by descriptors. */
static void
test_tensor_descriptor (const char *python)
{
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
  Worker *worker = worker_new (python, "plain.py");
  const struct {
    const char *args;
    int seals;
    const char *message;
  } bad[] = {
    { TENSOR ("7", "0"), seals, "*outside*" },
    { TENSOR ("3", "1"), seals, "*descriptor 1 of 1*" },
    { TENSOR ("3", "0"), F_SEAL_GROW, "*not sealed*" },
  };
  guint64 id;

  id = worker_call_with_fd (worker, "", "echo", TENSOR ("3", "0"), new_memfd (seals));
  worker_assert_answer (worker, id,
                        "('/pyisolate/tensor', <('tensor', 'uint8', 'cpu', [int64 3], [int64 1], "
                        "uint64 0, uint32 0, <[byte 0x34, 0x35, 0x36]>)>)");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (PyIsolateFrame) frame = NULL;

      id = worker_call_with_fd (worker, "", "echo", bad[i].args, new_memfd (bad[i].seals));
      frame = worker_wait (worker, id);
      worker_assert_error (frame, PYISOLATE_ERROR_REMOTE_EXCEPTION, bad[i].message);
    }

  worker_finish (worker);
}

static void
test_no_such_method (const char *python)
{
  Worker *worker = worker_new (python, "plain.py");
  g_autoptr (PyIsolateFrame) close = worker_wait (worker, worker_call (worker, "ad", ""));
  g_autoptr (PyIsolateFrame) far = worker_wait (worker, worker_call (worker, "_hidden", ""));
  g_autoptr (PyIsolateFrame) control = NULL;
  guint64 id;

  worker_assert_error (close, PYISOLATE_ERROR_NO_SUCH_METHOD, "*'ad'*'add'*");
  worker_assert_error (far, PYISOLATE_ERROR_NO_SUCH_METHOD, "*'_hidden'*there are:*add*echo*");
  id = worker_call_full (worker, PYISOLATE_TARGET_WORKER, "Pong", "", "", NULL, 0);
  control = worker_wait (worker, id);
  worker_assert_error (control, PYISOLATE_ERROR_NO_SUCH_METHOD, "*Pong*");

  worker_finish (worker);
}

static void
test_wrong_arguments (const char *python)
{
  Worker *worker = worker_new (python, "plain.py");
  g_autoptr (PyIsolateRemoteException) missing =
    worker_assert_raises (worker, "add", "", "TypeError", "add()*missing*'a'*");
  g_autoptr (PyIsolateRemoteException) many =
    worker_assert_raises (worker, "where", "<int64 1>", "TypeError", "where()*");
  g_autoptr (PyIsolateRemoteException) generator = NULL;

  g_assert_null (strstr (pyisolate_remote_exception_get_traceback (missing), "_dispatch"));
  generator = worker_assert_raises (worker, "numbers", "<int64 1>", "TypeError",
                                    "numbers()*generator*");

  worker_finish (worker);
}

/* What a start must not cost. */
static void
test_imports (const char *python)
{
  Worker *worker = worker_new (python, "plain.py");

  worker_assert_result (worker, "modules", "", "[]");

  worker_finish (worker);
}

static void
test_hooks (const char *python)
{
  Worker *worker = worker_new (python, "hooks.py");
  g_autoptr (GVariant) get_seen = worker_dup_method (worker, "get_seen");

  g_assert_cmpuint (g_variant_n_children (worker_get_methods (worker)), ==, 4);
  assert_field (get_seen, "signature", "'()'");
  assert_field (get_seen, "doc", "'What ran.\\n\\nIn order.'");
  worker_assert_result (worker, "get_seen", "", "['init', 'before asked', 'on hooks']");
  worker_assert_result (worker, "static", "<int64 1>", "2");
  worker_assert_result (worker, "of_class", "<int64 1>", "[<'Hooked'>, <int64 1>]");

  worker_assert_answer (worker,
                        worker_call_full (worker, PYISOLATE_TARGET_WORKER, "Stop", "", "", NULL, 0),
                        "'/pyisolate/None'");
  g_assert_cmpint (worker_wait_exit (worker), ==, 0);
  worker_wait_output (worker, "stop asked\nat exit\n");
  {
    g_autoptr (PyIsolateFrame) event = worker_wait_kind (worker, PYISOLATE_FRAME_EVENT);

    g_assert_cmpstr (event->name, ==, "stopping");
    g_assert_cmpuint (event->id, ==, 0);
  }
  worker_free (worker);
}

static void
test_async_hooks (const char *python)
{
  Worker *worker = worker_new (python, "async_hooks.py");

  g_assert_cmpuint (g_variant_n_children (worker_get_methods (worker)), ==, 3);
  worker_assert_result (worker, "get_seen", "", "['before asked', 'on async_hooks']");
  worker_assert_result (worker, "where", "", "true");
  worker_assert_result (worker, "run_a_loop", "", "'ran'");
  worker_assert_result (worker, "run_a_loop", "", "'ran'");

  worker_assert_answer (worker,
                        worker_call_full (worker, PYISOLATE_TARGET_WORKER, "Stop", "", "", NULL, 0),
                        "'/pyisolate/None'");
  g_assert_cmpint (worker_wait_exit (worker), ==, 0);
  worker_wait_output (worker, "stop asked\n");
  worker_free (worker);
}

static void
test_failing_stop (const char *python)
{
  Worker *worker = worker_new (python, "bad_stop.py");
  guint64 id = worker_call_full (worker, PYISOLATE_TARGET_WORKER, "Stop", "", "", NULL, 0);
  g_autoptr (PyIsolateFrame) answer = worker_wait (worker, id);

  worker_assert_error (answer, PYISOLATE_ERROR_REMOTE_EXCEPTION, "ValueError: not like this");
  g_assert_cmpint (worker_wait_exit (worker), ==, 0);
  worker_free (worker);
}

static void
assert_load_fails (const char *python,
                   const char *path,
                   const char *stage,
                   const char *type,
                   const char *message,
                   const char *in_traceback)
{
  g_autofree char *full_path =
    g_path_is_absolute (path) ? g_strdup (path) : worker_extension_path (path);
  Worker *worker = worker_start (python, full_path);
  g_autoptr (GVariant) failure = NULL;
  g_autoptr (GVariant) exception = NULL;
  const char *text;

  worker_answer_hello (worker);
  failure = worker_expect_load_failed (worker);
  g_assert_true (g_variant_lookup (failure, "stage", "&s", &text));
  g_assert_cmpstr (text, ==, stage);
  exception = g_variant_lookup_value (failure, "exception", G_VARIANT_TYPE_VARDICT);
  g_assert_true (g_variant_lookup (exception, "type", "&s", &text));
  g_assert_cmpstr (text, ==, type);
  g_assert_true (g_variant_lookup (exception, "message", "&s", &text));
  g_assert_true (g_pattern_match_simple (message, text));
  g_assert_true (g_variant_lookup (exception, "traceback", "&s", &text));
  g_assert_nonnull (strstr (text, in_traceback));
  g_assert_null (strstr (text, "_loader.py"));
  g_assert_null (strstr (text, "importlib"));
  g_assert_cmpint (worker_wait_exit (worker), ==, 1);
  worker_free (worker);
}

static void
test_load_errors (const char *python)
{
  g_autofree char *dir = test_util_tmpdir ();
  g_autofree char *syntax = g_build_filename (dir, "syntax.py", NULL);

  g_assert_true (g_file_set_contents (syntax, "def half(:\n", -1, NULL));

  assert_load_fails (python, "broken_import.py", "import", "LookupError", "not at import",
                     "line 6, in <module>");
  assert_load_fails (python, "exits_at_import.py", "import", "SystemExit", "leaving", "sys.exit");
  assert_load_fails (python, syntax, "import", "SyntaxError", "*", "half(:");
  assert_load_fails (python, "two_classes.py", "entrypoint", "TypeError",
                     "*First, Second*extension_entrypoint*", "");
  assert_load_fails (python, "bad_entrypoint.py", "entrypoint", "TypeError",
                     "*ExtensionBase, not int", "");
  assert_load_fails (python, "bad_hook.py", "on_module_loaded", "OSError", "*from the hook",
                     "on_module_loaded");

  test_util_remove_tree (dir);
}

static void
test_names (const char *python)
{
  Worker *worker = worker_new (python, "my-odd.name");

  worker_assert_result (worker, "name", "", "'my_odd_name'");
  worker_assert_result (worker, "relative", "", "[1, 2]");
  worker_assert_result (worker, "resource", "", "'some text'");
  worker_assert_result (worker, "pickled", "", "3");
  worker_assert_result (worker, "by_name", "", "true");
  worker_assert_result (worker, "package", "", "[<'my_odd_name'>, <'my_odd_name'>, <true>]");
  worker_finish (worker);

  worker = worker_new (python, "3d.tools");
  worker_assert_result (worker, "name", "", "'_3d_tools'");
  worker_finish (worker);
}

static void
assert_warning (Worker     *worker,
                const char *text)
{
  g_autoptr (PyIsolateFrame) record = worker_wait_kind (worker, PYISOLATE_FRAME_LOG);
  g_autofree char *printed = worker_print (record->body, PYISOLATE_BODY_LOG);

  g_assert_true (g_str_has_prefix (printed, "(30, 'pyisolate', "));
  g_assert_nonnull (strstr (printed, text));
}

static void
test_name_taken (const char *python)
{
  Worker *worker = worker_new (python, "json");

  worker_assert_result (worker, "name", "", "[<'json_extension'>, <[int64 1]>]");
  assert_warning (worker, "json_extension");

  worker_finish (worker);
}

static void
test_namesake (const char *python)
{
  g_autofree char *path = worker_extension_path ("plain.py");
  g_autofree char *source_path = worker_extension_path ("namesake");
  Worker *worker = worker_start (python, path);

  worker_add_source_path (worker, source_path);
  worker_answer_hello (worker);
  worker_expect_ready (worker);
  worker_assert_result (worker, "about", "", "[<'test'>, <true>]");
  assert_warning (worker, "A dependency is called pyisolate too");

  worker_finish (worker);
}

static void
test_link_closed (const char *python)
{
  Worker *worker = worker_new (python, "plain.py");

  worker_close_link (worker);
  g_assert_cmpint (worker_wait_exit (worker), ==, 1);
  worker_free (worker);

  worker = worker_new (python, "asynchronous.py");
  worker_close_link (worker);
  g_assert_cmpint (worker_wait_exit (worker), ==, 1);
  worker_free (worker);
}

static gint64
close_while_busy (gconstpointer python)
{
  Worker *worker = worker_new (python, "cancel.py");
  gint64 elapsed;

  worker_call (worker, "busy", "");
  _pyisolate_frame_free (worker_wait_kind (worker, PYISOLATE_FRAME_EVENT));
  elapsed = -g_get_monotonic_time ();
  worker_close_link (worker);
  g_assert_cmpint (worker_wait_exit (worker), ==, 1);
  elapsed += g_get_monotonic_time ();
  worker_free (worker);

  return elapsed;
}

static void
test_link_closed_while_busy (const char *python)
{
  test_util_assert_reaches (close_while_busy, python, G_USEC_PER_SEC);
}

static void
test_before_ready (const char *python)
{
  g_autofree char *path = worker_extension_path ("nested.py");
  Worker *worker = worker_start (python, path);
  g_autoptr (PyIsolateFrame) asked = NULL;
  g_autoptr (PyIsolateFrame) refused = NULL;

  worker_answer_hello (worker);
  asked = worker_next (worker); /* echo(), at import, which must wait */
  g_assert_cmpstr (asked->name, ==, "echo");
  refused = worker_wait (worker, worker_call (worker, "where", ""));
  worker_assert_error (refused, PYISOLATE_ERROR_NOT_RUNNING, "*loaded*");
  worker_answer (worker, asked->id, "'imported'");
  worker_expect_ready (worker);
  worker_assert_result (worker, "get_at_import", "", "'imported'");

  worker_finish (worker);
}

static double
measure_start (const char *python,
               const char *name)
{
  g_autofree char *path = worker_extension_path (name);
  double best = G_MAXDOUBLE;

  for (guint i = 0; i < 20; i++)
    {
      gint64 begin = g_get_monotonic_time ();
      Worker *worker = worker_start (python, path);

      worker_answer_hello (worker);
      worker_expect_ready (worker);
      best = MIN (best, (double) (g_get_monotonic_time () - begin) / 1000);
      worker_free (worker);
    }

  return best;
}

static double
measure_python (const char *python,
                const char *code)
{
  double best = G_MAXDOUBLE;

  for (guint i = 0; i < 20; i++)
    {
      gint64 begin = g_get_monotonic_time ();
      g_autoptr (GSubprocess) process = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, NULL, python,
                                                          "-I", "-c", code, NULL);

      g_assert_true (g_subprocess_wait_check (process, NULL, NULL));
      best = MIN (best, (double) (g_get_monotonic_time () - begin) / 1000);
    }

  return best;
}

static void
report (double      milliseconds,
        const char *what)
{
  g_test_minimized_result (milliseconds, "%5.1f ms: %s", milliseconds, what);
}

/* From the start of the process to its Ready; only with "-m perf". */
static void
test_start_time (const char *python)
{
  if (!g_test_perf ())
    return;

  report (measure_python (python, "pass"), "python -I -c pass");
  report (measure_python (python, "import asyncio"), "python -I -c 'import asyncio'");
  report (measure_start (python, "echo.py"), "worker with defs");
  report (measure_start (python, "echo_async.py"), "worker with coroutines");
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("life/call", test_call);
  worker_add_test ("life/methods", test_methods);
  worker_add_test ("life/signatures", test_signatures);
  worker_add_test ("life/chosen-methods", test_chosen_methods);
  worker_add_test ("methods/made", test_made_methods);
  worker_add_test ("life/tensor-descriptor", test_tensor_descriptor);
  worker_add_test ("life/no-such-method", test_no_such_method);
  worker_add_test ("life/wrong-arguments", test_wrong_arguments);
  worker_add_test ("life/imports", test_imports);
  worker_add_test ("life/hooks", test_hooks);
  worker_add_test ("life/async-hooks", test_async_hooks);
  worker_add_test ("life/failing-stop", test_failing_stop);
  worker_add_test ("life/load-errors", test_load_errors);
  worker_add_test ("life/names", test_names);
  worker_add_test ("life/name-taken", test_name_taken);
  worker_add_test ("life/namesake", test_namesake);
  worker_add_test ("life/link-closed", test_link_closed);
  worker_add_test ("life/link-closed-while-busy", test_link_closed_while_busy);
  worker_add_test ("life/before-ready", test_before_ready);
  worker_add_test ("life/start-time", test_start_time);

  return g_test_run ();
}
