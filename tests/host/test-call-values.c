/* SPDX-License-Identifier: MIT */
/* What a call carries: values as docs/values.md has them, and descriptors. */
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

      result = pyisolate_extension_call_sync (extension, "echo", g_variant_new ("(d)", numbers[i]),
                                              NULL, NULL, NULL);
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
  result = pyisolate_extension_call_sync (extension, "echo", g_variant_new_tuple (&deep, 1), NULL,
                                          NULL, &error);
  g_assert_null (result);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
  g_clear_error (&error);

  big = g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, 64 * 1024 * 1024,
                                                       1));
  result = pyisolate_extension_call_sync (extension, "echo", g_variant_new_tuple (&big, 1), NULL,
                                          NULL, &error);
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

/* Where they lie in shared memory is for no C host to know: bytes are bytes, at any depth, and
 * strings strings. */
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

  result = pyisolate_extension_call_sync (extension, "echo_all",
                                          g_variant_new_parsed ("(1, 'two')"),
                                          g_variant_new_parsed ("{'a': <1>, 'b': <@mi nothing>}"),
                                          NULL, &error);
  g_assert_no_error (error);
  host_assert_value (result, "[<[<int64 1>, <'two'>]>, <{'a': <int64 1>, 'b': <objectpath '/pyisolate/None'>}>]");
  g_clear_pointer (&result, g_variant_unref);

  result = pyisolate_extension_call_sync (extension, "add", NULL,
                                          g_variant_new_parsed ("{'b': <'y'>, 'a': <'x'>}"), NULL,
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

/* More than the kernel takes at a time are an error of that call, in either direction; the fixture
 * counts what stays open. */
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

  return host_test_run ();
}
