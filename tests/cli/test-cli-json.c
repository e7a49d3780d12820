/* SPDX-License-Identifier: MIT */
/* What the command line takes for JSON, and how it writes it. */
#include "config.h"

#include "cli-json.h"
#include "test-util.h"

#include <string.h>

typedef struct {
  const char *text;
  const char *result;         /* written anew; or a part of the error's message */
} Case;

static const Case good[] = {
  { "1", "1" },
  { " -1 ", "-1" },
  { "-0", "0" },
  { "9223372036854775807", "9223372036854775807" },
  { "-9223372036854775808", "-9223372036854775808" },
  { "9223372036854775808", "{\"$type\":\"int\",\"value\":\"9223372036854775808\"}" },
  { "[-9223372036854775809]", "[{\"$type\":\"int\",\"value\":\"-9223372036854775809\"}]" },
  { "{\"a\": 99999999999999999999}",
    "{\"a\":{\"$type\":\"int\",\"value\":\"99999999999999999999\"}}" },
  { "0.1", "0.1" },
  { "0.30000000000000004", "0.30000000000000004" },
  { "1e2", "100.0" },
  { "-2.0", "-2.0" },
  { "1E+300", "1e+300" },
  { "5e-324", "4.94065645841247e-324" },
  { "-0.0", "-0.0" },
  { "true", "true" },
  { "false", "false" },
  { "null", "null" },
  { "\"\"", "\"\"" },
  { "\"a\\\"b\\\\ 1.50 \\n\"", "\"a\\\"b\\\\ 1.50 \\n\"" },
  { "\"\\u00e9\"", "\"\xc3\xa9\"" },
  { "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"" },
  { "\"\xc2\x9b\x7f\"", "\"\\u009b\\u007f\"" },
  { "[]", "[]" },
  { "{}", "{}" },
  { "[1, [2, {\"a\": [3.5, null]}], \"x\"]", "[1,[2,{\"a\":[3.5,null]}],\"x\"]" },
  { "\t{\"a\" :\n1 , \"b\":2}\r\n", "{\"a\":1,\"b\":2}" },
};

static const Case bad[] = {
  { "", "line 1, column 1: a value is expected, but the text ends" },
  { "hello", "a string is written in double quotes" },
  { "truex", "a value is expected" },
  { "'a'", "a value is expected" },
  { "NaN", "a value is expected" },
  { "1 2", "column 3: there is more after the end" },
  { "[1,]", "nothing after the comma" },
  { "{\"a\":1,}", "nothing after the comma" },
  { "[1 2]", "a comma or ] is expected" },
  { "{\"a\" 1}", "a colon is expected" },
  { "{a: 1}", "a key in double quotes" },
  { "[1", "a comma or ] is expected" },
  { "{\"a\": 1", "a comma or } is expected" },
  { "[", "but the text ends" },
  { "012", "not a number as JSON writes them" },
  { "0x10", "not a number as JSON writes them" },
  { "+1", "a value is expected" },
  { ".5", "a value is expected" },
  { "1.", "a digit is expected after the point" },
  { "1.e3", "a digit is expected after the point" },
  { "1e", "a digit is expected in the exponent" },
  { "-", "a digit is expected" },
  { "1e999", "beyond what a float can hold" },
  { "\"abc", "the string has no end" },
  { "\"\\", "no such escape" },
  { "\"\\x41\"", "no such escape" },
  { "\"\\u12\"", "four hexadecimal digits" },
  { "\"a\\u0000b\"", "\"$type\": \"str\"" },
  { "\"\\ud800\"", "half of a surrogate pair" },
  { "\"\\ud800\\u0041\"", "half of a surrogate pair" },
  { "\"\\udc00\"", "half of a surrogate pair" },
  { "\"a\nb\"", "a control character" },
  { "1 // one", "there is more after the end" },
  { "/* one */ 1", "a value is expected" },
  { "x = 1", "a value is expected" },
  { "[1,\n2,\n  z]", "line 3, column 3" },
  { "\"\xff\"", "UTF-8" },
};

static void
test_good (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = cli_json_parse (c->text, strlen (c->text), &error);
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  text = cli_json_format (node, FALSE);
  g_assert_cmpstr (text, ==, c->result);
}

static void
test_bad (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = cli_json_parse (c->text, strlen (c->text), &error);

  g_assert_null (node);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_nonnull (strstr (error->message, c->result));
}

static void
test_nul (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = cli_json_parse ("\"a\0b\"", 5, &error);

  g_assert_null (node);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

/* Nesting without end is an error, not a crash. */
static void
test_depth (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < CLI_JSON_MAX_DEPTH; i++)
    g_string_append_c (text, '[');
  for (int i = 0; i < CLI_JSON_MAX_DEPTH; i++)
    g_string_append_c (text, ']');
  node = cli_json_parse (text->str, text->len, &error);
  g_assert_no_error (error);
  g_clear_pointer (&node, json_node_unref);

  g_string_assign (text, "");
  for (int i = 0; i < 1000000; i++)
    g_string_append_c (text, '[');
  node = cli_json_parse (text->str, text->len, &error);
  g_assert_null (node);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_nonnull (strstr (error->message, "nested too deep"));
}

/* Every double is read as what it was, from as few digits as that takes. */
static void
test_floats (void)
{
  for (int i = 0; i < 10000; i++)
    {
      guint64 high = (guint32) g_test_rand_int ();
      union { guint64 bits; double value; } u = { high << 32 | (guint32) g_test_rand_int () };
      g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);
      g_autoptr (JsonNode) again = NULL;
      g_autofree char *text = NULL;
      g_autoptr (GError) error = NULL;

      if (u.value - u.value != 0)
        continue;
      json_node_set_double (node, u.value);
      text = cli_json_format (node, FALSE);
      again = cli_json_parse (text, strlen (text), &error);
      g_assert_no_error (error);
      g_assert_true (json_node_get_value_type (again) == G_TYPE_DOUBLE);
      g_assert_cmpfloat (json_node_get_double (again), ==, u.value);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *path = g_strdup_printf ("/cli/json/good/%u", i);

      test_util_add_data_func (path, &good[i], test_good);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *path = g_strdup_printf ("/cli/json/bad/%u", i);

      test_util_add_data_func (path, &bad[i], test_bad);
    }
  test_util_add_func ("/cli/json/nul", test_nul);
  test_util_add_func ("/cli/json/depth", test_depth);
  test_util_add_func ("/cli/json/floats", test_floats);
  return g_test_run ();
}
