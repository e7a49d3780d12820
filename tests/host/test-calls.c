/* SPDX-License-Identifier: MIT */
/* Calls of an extension's methods: values, descriptors, deadlines, cancellation. */
#include "config.h"

#include "host-fixture.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  const char *sent;
  const char *received;
  const char *repr; /* what Python makes of it */
} Value;

/* As docs/values.md has them. */
static const Value values[] = {
  { "true", "true", "True" },
  { "byte 7", "int64 7", "7" },
  { "int16 -3", "int64 -3", "-3" },
  { "uint16 65535", "int64 65535", "65535" },
  { "int32 -2147483648", "int64 -2147483648", "-2147483648" },
  { "uint32 4294967295", "int64 4294967295", "4294967295" },
  { "int64 -9223372036854775808", "int64 -9223372036854775808", "-9223372036854775808" },
  { "uint64 18446744073709551615", "(objectpath '/pyisolate/int', <'0xffffffffffffffff'>)", "18446744073709551615" },
  { "('x', objectpath '/pyisolate/None')", "('x', objectpath '/pyisolate/None')", "('x', None)" },
  { "1.5", "1.5", "1.5" },
  { "-0.0", "-0.0", "-0.0" },
  { "''", "''", "''" },
  { "'grüße \360\237\220\215'", "'grüße \360\237\220\215'", "'grüße \360\237\220\215'" },
  { "objectpath '/org/other'", "'/org/other'", "'/org/other'" },
  { "signature 'a{sv}'", "'a{sv}'", "'a{sv}'" },
  { "@ay []", "@ay []", "b''" },
  { "@ay [0, 255, 10]", "@ay [0, 255, 10]", "b'\\x00\\xff\\n'" },
  { "[1, 2, 3]", "[int64 1, 2, 3]", "[1, 2, 3]" },
  { "[1.5, 2.5]", "[1.5, 2.5]", "[1.5, 2.5]" },
  { "['a', 'b']", "['a', 'b']", "['a', 'b']" },
  { "[true, false]", "[true, false]", "[True, False]" },
  { "@av []", "@av []", "[]" },
  { "@ai []", "@av []", "[]" },
  { "[<1>, <'a'>]", "[<int64 1>, <'a'>]", "[1, 'a']" },
  { "[[1], [2, 3]]", "[<[int64 1]>, <[int64 2, 3]>]", "[[1], [2, 3]]" },
  { "(1, 'a', true)", "(int64 1, 'a', true)", "(1, 'a', True)" },
  { "((1, 2), (3,))", "((int64 1, int64 2), (int64 3,))", "((1, 2), (3,))" },
  { "()", "objectpath '/pyisolate/EmptyTuple'", "()" },
  { "@mi nothing", "objectpath '/pyisolate/None'", "None" },
  { "just 5", "int64 5", "5" },
  { "@mmi just nothing", "objectpath '/pyisolate/None'", "None" },
  { "<<<'deep'>>>", "'deep'", "'deep'" },
  { "{'a': 1, 'b': 2}", "{'a': int64 1, 'b': 2}", "{'a': 1, 'b': 2}" },
  { "{'a': <1>, 'b': <'x'>}", "{'a': <int64 1>, 'b': <'x'>}", "{'a': 1, 'b': 'x'}" },
  { "@a{sv} {}", "@a{sv} {}", "{}" },
  { "{1: 'a'}", "(objectpath '/pyisolate/dict', <([int64 1], ['a'])>)", "{1: 'a'}" },
  { "(objectpath '/pyisolate/set', <['a']>)", "(objectpath '/pyisolate/set', <['a']>)", "{'a'}" },
  { "(objectpath '/pyisolate/complex', <(1.0, -2.0)>)", "(objectpath '/pyisolate/complex', <(1.0, -2.0)>)", "(1-2j)" },
  { "(objectpath '/pyisolate/date', <'2024-02-29'>)", "(objectpath '/pyisolate/date', <'2024-02-29'>)",
    "datetime.date(2024, 2, 29)" },
  { "(objectpath '/pyisolate/Decimal', <'1.10'>)", "(objectpath '/pyisolate/Decimal', <'1.10'>)", "Decimal('1.10')" },
};

static void
test_values (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree char *args = g_strdup_printf ("(%s,)", values[i].sent);
      g_autoptr (GVariant) repr = host_call (extension, "text_of", args);

      g_test_message ("%s", values[i].sent);
      host_assert_result (extension, "echo", args, values[i].received);
      g_assert_cmpstr (g_variant_get_string (repr, NULL), ==, values[i].repr);
    }
}

static void
test_odd_floats (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  const double numbers[] = { INFINITY, -INFINITY, NAN, 5e-324, 1.7976931348623157e308 };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autoptr (GVariant) result = NULL;
      double back;

      result = pyisolate_extension_call_sync (extension, "echo", g_variant_new ("(d)", numbers[i]), NULL, NULL, NULL);
      g_assert_nonnull (result);
      back = g_variant_get_double (result);
      g_assert_cmpmem (&back, sizeof back, &numbers[i], sizeof back);
    }
}

static void
test_bad_values (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GVariant) deep = g_variant_ref_sink (g_variant_new_int32 (1));
  g_autoptr (GVariant) big = NULL;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = g_malloc0 (64 * 1024 * 1024);

  for (guint i = 0; i < 70; i++)
    {
      GVariant *outer = g_variant_ref_sink (g_variant_new_array (NULL, &deep, 1));

      g_variant_unref (deep);
      deep = g_variant_ref_sink (g_variant_new_variant (outer));
      g_variant_unref (outer);
    }
  result = pyisolate_extension_call_sync (extension, "echo", g_variant_new_tuple (&deep, 1), NULL, NULL, &error);
  g_assert_null (result);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
  g_clear_error (&error);

  big = g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, 64 * 1024 * 1024, 1));
  result = pyisolate_extension_call_sync (extension, "echo", g_variant_new_tuple (&big, 1), NULL, NULL, &error);
  g_assert_null (result);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
  g_clear_error (&error);

  /* From there it is an exception of its own. */
  error = host_call_error (extension, "unsendable", NULL, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "TypeError: *re.Pattern*['nested'][1]*");
  g_clear_error (&error);
  error = host_call_error (extension, "deep", "(100,)", PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "ValueError: *");
  g_clear_error (&error);
  error = host_call_error (extension, "numbers", "(8388608,)", PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "ValueError: *");

  host_assert_result (extension, "deep", "(3,)", "[<[<[int64 1]>]>]");
}

/* Where they lie in shared memory is for no C host to know: bytes are bytes, at any depth, and strings strings. */
static void
test_long_bytes (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GVariant) result = host_call (extension, "long_values", "(1000000,)");
  g_autoptr (GVariant) bytes = NULL;
  g_autoptr (GVariant) text = NULL;
  g_autoptr (GVariant) array = NULL;
  g_autoptr (GVariant) inner = NULL;
  g_autoptr (GVariant) other = NULL;
  const char *tag;

  g_assert_cmpstr (g_variant_get_type_string (result), ==, "a{sv}");
  bytes = g_variant_lookup_value (result, "bytes", G_VARIANT_TYPE_BYTESTRING);
  g_assert_cmpuint (g_variant_get_size (bytes), ==, 1000000);
  g_assert_cmpint (((const char *) g_variant_get_data (bytes))[999999], ==, 'b');
  text = g_variant_lookup_value (result, "text", G_VARIANT_TYPE_STRING);
  g_assert_cmpuint (strlen (g_variant_get_string (text, NULL)), ==, 2000000);
  array = g_variant_lookup_value (result, "list", G_VARIANT_TYPE ("av"));
  g_variant_get_child (array, 1, "v", &inner);
  g_assert_cmpstr (g_variant_get_type_string (inner), ==, "(ayx)");
  other = g_variant_lookup_value (result, "bytearray", G_VARIANT_TYPE ("(ov)"));
  g_variant_get (other, "(&ov)", &tag, NULL);
  g_assert_cmpstr (tag, ==, "/pyisolate/bytearray");
}

static void
test_big (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GVariant) result = host_call (extension, "big", "(33554432,)");
  gsize n;

  g_variant_get_fixed_array (result, &n, 1);
  g_assert_cmpuint (n, ==, 33554432);
}

static void
test_kwargs (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  result = pyisolate_extension_call_sync (extension, "echo_all", g_variant_new_parsed ("(1, 'two')"),
                                          g_variant_new_parsed ("{'a': <1>, 'b': <@mi nothing>}"), NULL, &error);
  g_assert_no_error (error);
  host_assert_value (result, "[<[<int64 1>, <'two'>]>, <{'a': <int64 1>, 'b': <objectpath '/pyisolate/None'>}>]");
  g_clear_pointer (&result, g_variant_unref);

  result = pyisolate_extension_call_sync (extension, "add", NULL, g_variant_new_parsed ("{'b': <'y'>, 'a': <'x'>}"), NULL,
                                          &error);
  g_assert_no_error (error);
  host_assert_value (result, "'xy'");

  error = host_call_error (extension, "add", "(1,)", PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "TypeError: *missing*'b'*");
}

static void
test_fds (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (PyIsolateCall) write_call = pyisolate_call_new ("write_to");
  g_autoptr (PyIsolateCall) read_call = pyisolate_call_new ("open_file");
  g_autoptr (PyIsolateCallResult) written = NULL;
  g_autoptr (PyIsolateCallResult) opened = NULL;
  g_autofree char *path = host_extension_path ("basic.py");
  g_autoptr (GError) error = NULL;
  char buffer[64] = "";
  int fds[2];
  int fd;

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  g_assert_cmpint (pyisolate_call_append_fd (write_call, fds[1], &error), ==, 0);
  g_assert_cmpint (close (fds[1]), ==, 0); /* the call has its own */
  g_assert_cmpuint (pyisolate_call_get_n_fds (write_call), ==, 1);
  pyisolate_call_set_args (write_call, g_variant_new ("(hs)", 0, "over the pipe"));
  written = pyisolate_extension_start_call_sync (extension, write_call, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (pyisolate_call_result_get_n_fds (written), ==, 0);
  g_assert_cmpint (read (fds[0], buffer, sizeof buffer), ==, strlen ("over the pipe"));
  g_assert_cmpstr (buffer, ==, "over the pipe");
  close (fds[0]);

  pyisolate_call_set_args (read_call, g_variant_new ("(s)", path));
  opened = pyisolate_extension_start_call_sync (extension, read_call, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (pyisolate_call_result_get_n_fds (opened), ==, 1);
  host_assert_value (pyisolate_call_result_get_value (opened), "[<'here'>, <handle 0>]");
  fd = pyisolate_call_result_dup_fd (opened, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  memset (buffer, 0, sizeof buffer);
  g_assert_cmpint (read (fd, buffer, 7), ==, 7);
  g_assert_cmpstr (buffer, ==, "# SPDX-");
  close (fd);
}

/* A descriptor that is not there, and a number without one. */
static void
test_bad_fds (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("echo");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (pyisolate_call_append_fd (call, 10000, &error), ==, -1);
  g_assert_nonnull (error);
  g_clear_error (&error);

  error = host_call_error (extension, "echo", "(handle 3,)", PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "ValueError: *");
  host_assert_result (extension, "add", "(1, 2)", "int64 3");
}

/* More than the kernel takes at a time are an error of that call, in either direction; the fixture counts what stays open. */
static void
test_too_many_fds (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("echo");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;

  error = host_call_error (extension, "open_many", "(254,)", PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "ValueError: 254 file descriptors *");
  g_clear_error (&error);

  for (int i = 0; i < 254; i++)
    g_assert_cmpint (pyisolate_call_append_fd (call, 0, NULL), ==, i);
  pyisolate_call_set_args (call, g_variant_new ("(i)", 1));
  result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_null (result);
  host_assert_result (extension, "add", "(1, 2)", "int64 3");
}

static void
on_echoed (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source), result, &error);
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
        pyisolate_extension_call_async (extension, "echo", g_variant_new ("(i)", j), NULL, NULL, on_echoed, seen);
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

static void
on_begun (PyIsolateCall *call,
          double         fraction,
          const char    *text,
          gboolean      *begun)
{
  *begun = TRUE;
}

/* Begins a call, and comes back when it runs. */
static void
begin_running (PyIsolateExtension  *extension,
               const char          *method,
               const char          *args,
               gint64               timeout,
               GCancellable        *cancellable,
               GAsyncResult       **result)
{
  g_autoptr (PyIsolateCall) call = pyisolate_call_new (method);
  g_autoptr (GVariant) tuple = host_parse (args);
  gboolean begun = FALSE;

  pyisolate_call_set_timeout (call, timeout);
  pyisolate_call_set_args (call, tuple);
  g_signal_connect (call, "progress", G_CALLBACK (on_begun), &begun);
  pyisolate_extension_start_call_async (extension, call, cancellable, host_store, result);
  g_assert_null (*result);
  test_util_assert_until (test_util_is_true, &begun, HOST_TEST_TIMEOUT_MS);
  g_signal_handlers_disconnect_by_data (call, &begun);
}

static GError *
end_running (PyIsolateExtension  *extension,
             GAsyncResult       **result,
             GQuark               domain,
             int                  code)
{
  g_autoptr (GError) error = NULL;

  host_wait_result (result);
  g_assert_null (pyisolate_extension_start_call_finish (extension, *result, &error));
  g_assert_error (error, domain, code);
  g_clear_object (result);

  return g_steal_pointer (&error);
}

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

static double
cancel_once (PyIsolateExtension *extension,
             const char         *method)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) at = NULL;
  g_autoptr (GError) error = NULL;
  gint64 begun;

  begin_running (extension, method, NULL, -1, cancellable, &result);
  begun = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_assert_null (result);
  error = end_running (extension, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  at = host_call (extension, "cancelled_at", NULL);

  return g_variant_get_double (at) - begun / 1e6;
}

/* Both clocks are the monotonic one. Other load on the machine may delay one of five, but not all. */
static void
test_cancel_reaches (gconstpointer data)
{
  const Busy *what = data;
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, what->extension);
  double best = G_MAXDOUBLE;

  for (guint i = 0; i < 5; i++)
    best = MIN (best, cancel_once (extension, what->method));
  g_test_message ("cancelled after %.1f ms", best * 1000);
  g_assert_cmpfloat (best, >=, 0);
  g_assert_cmpfloat (best, <, test_util_is_slowed () ? 2.0 : 0.1);
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

  begin_running (extension, "stubborn", NULL, -1, cancellable, &result);
  g_cancellable_cancel (cancellable);
  error = end_running (extension, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
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

static void
test_timeout (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config = host_config ("it", "waiter");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("wait");
  g_autoptr (GError) error = NULL;
  gint64 begun = g_get_monotonic_time ();

  pyisolate_extension_config_set_call_timeout (config, 200);
  extension = host_test_load_config (test, config);

  /* The call's own; it must begin first, so it has some time. */
  begin_running (extension, "hang", NULL, 1000, NULL, &result);
  error = end_running (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  host_assert_message (error, "*“hang”*“it”*");
  g_clear_error (&error);
  /* The coroutine was cancelled; nothing was killed. */
  g_variant_unref (host_call (extension, "cancelled_at", NULL));

  /* That of the configuration, blocking. */
  error = host_call_error (extension, "wait", "('never',)", PYISOLATE_ERROR_TIMED_OUT);
  g_clear_error (&error);

  /* At once. */
  pyisolate_call_set_args (call, g_variant_new ("(s)", "never"));
  pyisolate_call_set_timeout (call, 0);
  g_assert_null (pyisolate_extension_start_call_sync (extension, call, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time () - begun, <, 10 * G_USEC_PER_SEC);

  host_assert_result (extension, "echo", "(1,)", "int64 1");
}

static void
test_kill_on_timeout (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config = host_config ("it", "waiter");
  PyIsolateExtension *extension;
  g_autoptr (HostNews) news = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) other = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) other_error = NULL;
  g_autoptr (GError) last_error = NULL;

  pyisolate_extension_config_set_kill_on_timeout (config, TRUE);
  extension = host_test_load_config (test, config);
  news = host_news_new (extension);
  host_begin (extension, "wait", "('never',)", NULL, &other);
  begin_running (extension, "hang", NULL, 1000, NULL, &result);
  error = end_running (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  other_error = host_end_error (extension, &other, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  host_assert_message (other_error, "*“it”*deadline*");
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_SIGNALED, 9);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  last_error = pyisolate_extension_dup_last_error (extension);
  g_assert_error (last_error, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
}

/* Python holds the GIL in a C function; pings are answered all the same. */
static void
test_ping_while_busy (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  gint64 best = G_MAXINT64;

  begin_running (extension, "hold_gil", "(int64 100000000000,)", -1, NULL, &result);
  for (guint i = 0; i < 20; i++)
    {
      gint64 begun = g_get_monotonic_time ();

      g_assert_true (pyisolate_extension_ping_sync (extension, NULL, &error));
      g_assert_no_error (error);
      best = MIN (best, g_get_monotonic_time () - begun);
    }
  g_test_message ("ping: %.2f ms", best / 1e3);
  g_assert_cmpint (best, <, test_util_is_slowed () ? 2 * G_USEC_PER_SEC : 50 * 1000);
  g_assert_null (result);
  pyisolate_extension_kill (extension);
  error = end_running (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
}

static void
test_not_running (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateExtensionConfig) config = host_config ("it", "basic");
  g_autoptr (GAsyncResult) loaded = NULL;
  g_autoptr (GAsyncResult) called = NULL;
  g_autoptr (PyIsolateExtension) extension = NULL;
  GError *error;

  pyisolate_extension_manager_load_extension_async (test->manager, config, NULL, host_store, &loaded);
  extension = g_object_ref (pyisolate_extension_manager_get_extension (test->manager, "it"));
  error = host_call_error (extension, "add", "(1, 2)", PYISOLATE_ERROR_NOT_RUNNING);
  host_assert_message (error, "*“it”*");
  g_error_free (error);
  host_begin (extension, "add", "(1, 2)", NULL, &called);
  g_error_free (host_end_error (extension, &called, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING));

  host_wait_result (&loaded);
  g_object_unref (pyisolate_extension_manager_load_extension_finish (test->manager, loaded, NULL));
  host_assert_result (extension, "add", "(1, 2)", "int64 3");
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  g_error_free (host_call_error (extension, "add", "(1, 2)", PYISOLATE_ERROR_NOT_RUNNING));
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
          g_autoptr (GError) error = host_call_error (extension, names[j], NULL, PYISOLATE_ERROR_NO_SUCH_METHOD);

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
  error = end_running (extension, &again, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED);
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

  pyisolate_extension_call_async (extension, "add", g_variant_new ("(ii)", 1, 2), NULL, NULL, on_first, &done);
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

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/calls/values", test_values);
  test_util_add_func ("/pyisolate/calls/odd-floats", test_odd_floats);
  test_util_add_func ("/pyisolate/calls/bad-values", test_bad_values);
  test_util_add_func ("/pyisolate/calls/long-bytes", test_long_bytes);
  test_util_add_func ("/pyisolate/calls/big", test_big);
  test_util_add_func ("/pyisolate/calls/kwargs", test_kwargs);
  test_util_add_func ("/pyisolate/calls/fds", test_fds);
  test_util_add_func ("/pyisolate/calls/bad-fds", test_bad_fds);
  test_util_add_func ("/pyisolate/calls/too-many-fds", test_too_many_fds);
  test_util_add_func ("/pyisolate/calls/thousand", test_thousand);
  test_util_add_func ("/pyisolate/calls/any-order", test_any_order);
  test_util_add_func ("/pyisolate/calls/cancel/before", test_cancel_before);
  test_util_add_func ("/pyisolate/calls/cancel/after", test_cancel_after);
  for (guint i = 0; i < G_N_ELEMENTS (busy); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/calls/cancel/reaches/", busy[i].label, NULL);

      test_util_add_data_func (path, &busy[i], test_cancel_reaches);
    }
  test_util_add_func ("/pyisolate/calls/cancel/late-answer", test_late_answer);
  test_util_add_func ("/pyisolate/calls/cancel/sync", test_cancel_sync);
  test_util_add_func ("/pyisolate/calls/timeout", test_timeout);
  test_util_add_func ("/pyisolate/calls/kill-on-timeout", test_kill_on_timeout);
  test_util_add_func ("/pyisolate/calls/ping-while-busy", test_ping_while_busy);
  test_util_add_func ("/pyisolate/calls/not-running", test_not_running);
  test_util_add_func ("/pyisolate/calls/stop-with-calls", test_stop_with_calls);
  test_util_add_func ("/pyisolate/calls/no-such-method", test_no_such_method);
  test_util_add_func ("/pyisolate/calls/used-twice", test_used_twice);
  test_util_add_func ("/pyisolate/calls/properties", test_call_properties);
  test_util_add_func ("/pyisolate/calls/sync-in-thread", test_sync_in_thread);
  test_util_add_func ("/pyisolate/calls/sync-in-callback", test_sync_in_callback);
  test_util_add_func ("/pyisolate/calls/own-context", test_own_context);

  return host_test_run ();
}
