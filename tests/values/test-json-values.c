/* SPDX-License-Identifier: MIT */
/* Every row of the table of JSON forms in docs/api.md, both ways. */
#include "config.h"

#include "pyisolate-json-values.h"

#include "pyisolate-error.h"
#include "pyisolate-value-private.h"

#include <math.h>

static JsonNode *
parse (const char *text)
{
  g_autoptr(GError) error = NULL;
  JsonNode *node = json_from_string (text, &error);

  g_assert_no_error (error);
  return node;
}

/* The value's JSON is @text, and the JSON's value is the value again, or @again in its place. */
static void
assert_json_full (const char *given,
                  const char *text,
                  const char *again)
{
  g_autoptr(GVariant) value = g_variant_ref_sink (g_variant_new_parsed (given));
  g_autoptr(GVariant) expected = g_variant_ref_sink (g_variant_new_parsed (again));
  g_autoptr(JsonNode) node = _pyisolate_value_to_json (value);
  g_autoptr(JsonNode) wanted = parse (text);
  g_autofree char *printed = json_to_string (node, FALSE);
  g_autofree char *wanted_text = json_to_string (wanted, FALSE);
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) back = _pyisolate_value_from_json (wanted, &error);

  g_assert_cmpstr (printed, ==, wanted_text);
  g_assert_no_error (error);
  g_test_message ("%s", text);
  g_assert_cmpvariant (back, expected);
  g_assert_false (g_variant_is_floating (back));
}

static void
assert_json (const char *given,
             const char *text)
{
  assert_json_full (given, text, given);
}

#define TAGGED(tag, payload) "(objectpath '/pyisolate/" tag "', <" payload ">)"
#define NONE "objectpath '/pyisolate/None'"

static void
test_own_types (void)
{
  assert_json (NONE, "null");
  assert_json ("true", "true");
  assert_json ("int64 5", "5");
  assert_json ("int64 -9223372036854775808", "-9223372036854775808");
  assert_json ("int64 9223372036854775807", "9223372036854775807");
  assert_json ("1.5", "1.5");
  assert_json ("'ü\\n'", "\"ü\\n\"");
  assert_json ("@av []", "[]");
  assert_json ("[<int64 1>, <'a'>]", "[1, \"a\"]");
  assert_json_full ("[int64 1, 2]", "[1, 2]", "[<int64 1>, <int64 2>]");
  assert_json ("@a{sv} {}", "{}");
  assert_json ("{'a': <int64 1>, 'b': <@av []>}", "{\"a\": 1, \"b\": []}");
  assert_json_full ("{'a': 'b'}", "{\"a\": \"b\"}", "{'a': <'b'>}");
}

static void
test_numbers (void)
{
  static const double numbers[] = { 0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e22, 1.0 };
  g_autoptr(GVariant) nan = g_variant_ref_sink (g_variant_new_double (NAN));
  g_autoptr(JsonNode) node = _pyisolate_value_to_json (nan);
  g_autoptr(GVariant) back = _pyisolate_value_from_json (node, NULL);
  g_autofree char *text = json_to_string (node, FALSE);

  g_assert_cmpstr (text, ==, "{\"$type\":\"float\",\"value\":\"nan\"}");
  g_assert_true (isnan (g_variant_get_double (back)));

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autoptr(GVariant) value = g_variant_ref_sink (g_variant_new_double (numbers[i]));
      g_autoptr(JsonNode) number = _pyisolate_value_to_json (value);
      g_autoptr(GVariant) again = _pyisolate_value_from_json (number, NULL);
      double result = g_variant_get_double (again);

      g_assert_cmpmem (&result, sizeof result, &numbers[i], sizeof result);
    }

  assert_json_full ("byte 200", "200", "int64 200");
  assert_json_full ("int16 -5", "-5", "int64 -5");
  assert_json_full ("uint32 5", "5", "int64 5");
  assert_json_full ("uint64 5", "5", "int64 5");
  assert_json_full ("uint64 18446744073709551615",
                    "{\"$type\": \"int\", \"value\": \"18446744073709551615\"}",
                    TAGGED ("int", "'0xffffffffffffffff'"));
}

static void
test_typed (void)
{
  assert_json (TAGGED ("int", "'0x10000000000000000'"),
               "{\"$type\": \"int\", \"value\": \"18446744073709551616\"}");
  assert_json (TAGGED ("int", "'-0x8000000000000001'"),
               "{\"$type\": \"int\", \"value\": \"-9223372036854775809\"}");
  assert_json_full ("int64 5", "5", "int64 5");
  assert_json ("[byte 0, 255, 1]", "{\"$type\": \"bytes\", \"value\": \"AP8B\"}");
  assert_json ("@ay []", "{\"$type\": \"bytes\", \"value\": \"\"}");
  assert_json (TAGGED ("bytearray", "[byte 0]"), "{\"$type\": \"bytearray\", \"value\": \"AA==\"}");
  assert_json (TAGGED ("memoryview", "(true, 'B', [int64 1], [byte 0])"),
               "{\"$type\": \"memoryview\", \"value\": \"AA==\"}");
  assert_json_full (TAGGED ("memoryview", "(false, 'H', [int64 1, 1], [byte 0, 1])"),
                    "{\"$type\": \"memoryview\", \"value\": \"AAE=\", \"readonly\": false,"
                    " \"format\": \"H\", \"shape\": [1, 1]}",
                    TAGGED ("memoryview", "(false, 'H', [<int64 1>, <int64 1>], [byte 0, 1])"));
  assert_json_full ("(int64 1, 'a')", "{\"$type\": \"tuple\", \"value\": [1, \"a\"]}",
                    TAGGED ("tuple", "[<int64 1>, <'a'>]"));
  assert_json_full ("objectpath '/pyisolate/EmptyTuple'", "{\"$type\": \"tuple\", \"value\": []}",
                    TAGGED ("tuple", "@av []"));
  assert_json (TAGGED ("set", "[<int64 1>]"), "{\"$type\": \"set\", \"value\": [1]}");
  assert_json (TAGGED ("frozenset", "@av []"), "{\"$type\": \"frozenset\", \"value\": []}");
  assert_json (TAGGED ("dict", "([<int64 1>], [<'a'>])"),
               "{\"$type\": \"dict\", \"value\": [[1, \"a\"]]}");
  assert_json_full ("{int64 1: 'a'}", "{\"$type\": \"dict\", \"value\": [[1, \"a\"]]}",
                    TAGGED ("dict", "([<int64 1>], [<'a'>])"));
  assert_json_full ("{'$type': <int64 1>}", "{\"$type\": \"dict\", \"value\": [[\"$type\", 1]]}",
                    TAGGED ("dict", "([<'$type'>], [<int64 1>])"));
  assert_json (TAGGED ("str", "[byte 0xed, 0xa0, 0x80]"),
               "{\"$type\": \"str\", \"value\": \"7aCA\"}");
  assert_json (TAGGED ("complex", "(1.5, -2.0)"),
               "{\"$type\": \"complex\", \"value\": [1.5, -2.0]}");
  assert_json (TAGGED ("object", "('test.Color', 'RED')"),
               "{\"$type\": \"object\", \"value\": \"RED\", \"name\": \"test.Color\"}");
  assert_json (TAGGED ("ext", "('x', [<int64 1>])"),
               "{\"$type\": \"ext\", \"value\": [1], \"name\": \"x\"}");
}

static void
test_library_types (void)
{
  assert_json (TAGGED ("date", "'2024-02-29'"), "{\"$type\": \"date\", \"value\": \"2024-02-29\"}");
  assert_json (TAGGED ("datetime", "'2024-02-29T01:02:03+01:00'"),
               "{\"$type\": \"datetime\", \"value\": \"2024-02-29T01:02:03+01:00\"}");
  assert_json_full (TAGGED ("datetime", "('2024-02-29T01:02:03', false, " NONE ")"),
                    "{\"$type\": \"datetime\", \"value\": \"2024-02-29T01:02:03\"}",
                    TAGGED ("datetime", "'2024-02-29T01:02:03'"));
  assert_json_full (TAGGED ("datetime", "('2024-02-29T01:02:03+00:00', true, "
                            TAGGED ("timezone", "((int64 0, int64 0, int64 0), " NONE ")") ")"),
                    "{\"$type\": \"datetime\", \"value\": \"2024-02-29T01:02:03+00:00\","
                    " \"fold\": true}",
                    TAGGED ("datetime", "('2024-02-29T01:02:03+00:00', true)"));
  assert_json (TAGGED ("time", "('01:02:03', true, " TAGGED ("ZoneInfo", "'Europe/Berlin'") ")"),
               "{\"$type\": \"time\", \"value\": \"01:02:03\", \"fold\": true,"
               " \"tzinfo\": {\"$type\": \"ZoneInfo\", \"value\": \"Europe/Berlin\"}}");
  assert_json (TAGGED ("timedelta", "(int64 0, int64 5, int64 0)"),
               "{\"$type\": \"timedelta\", \"value\": \"0:00:05\"}");
  assert_json (TAGGED ("timedelta", "(int64 -1, int64 86399, int64 999999)"),
               "{\"$type\": \"timedelta\", \"value\": \"-1 day, 23:59:59.999999\"}");
  assert_json (TAGGED ("timedelta", "(int64 999999999, int64 3600, int64 1)"),
               "{\"$type\": \"timedelta\", \"value\": \"999999999 days, 1:00:00.000001\"}");
  assert_json_full (TAGGED ("timezone", "((int64 -1, int64 73795, int64 7), " NONE ")"),
                    "{\"$type\": \"timezone\", \"value\": \"-03:30:04.999993\"}",
                    TAGGED ("timezone", "((int64 0, int64 0, int64 -12604999993), " NONE ")"));
  assert_json_full (TAGGED ("timezone", "((int64 0, int64 19800, int64 0), 'IST')"),
                    "{\"$type\": \"timezone\", \"value\": \"+05:30\", \"name\": \"IST\"}",
                    TAGGED ("timezone", "((int64 0, int64 0, int64 19800000000), 'IST')"));
  assert_json (TAGGED ("Decimal", "'sNaN1'"), "{\"$type\": \"Decimal\", \"value\": \"sNaN1\"}");
  assert_json (TAGGED ("UUID", "'x'"), "{\"$type\": \"UUID\", \"value\": \"x\"}");
  assert_json (TAGGED ("PosixPath", "'/x'"), "{\"$type\": \"PosixPath\", \"value\": \"/x\"}");
  assert_json (TAGGED ("PosixPath", TAGGED ("str", "[byte 0xed]")),
               "{\"$type\": \"PosixPath\", \"value\": {\"$type\": \"str\", \"value\": \"7Q==\"}}");
}

static void
test_zulu (void)
{
  g_autoptr(JsonNode) node = parse ("{\"$type\": \"datetime\","
                                    " \"value\": \"2024-01-01T00:00:00Z\"}");
  g_autoptr(GVariant) value = _pyisolate_value_from_json (node, NULL);
  g_autofree char *text = g_variant_print (value, FALSE);

  g_assert_cmpstr (text, ==, "('/pyisolate/datetime', <'2024-01-01T00:00:00+00:00'>)");
}

/* Against the same number written by the other side: digits in, digits out. */
static void
test_long_integers (void)
{
  static const char large_digits[] =
    "1606938044258990275541962092341162602522202993782792835301376"; /* 2 to the 200th */
  g_autoptr(GRand) rand = g_rand_new_with_seed (20);

  g_assert_null (_pyisolate_json_integer_to_decimal ("12"));
  g_assert_null (_pyisolate_json_integer_to_decimal ("0x"));
  g_assert_null (_pyisolate_json_integer_to_decimal ("0xg"));
  g_assert_null (_pyisolate_json_integer_to_hex (""));
  g_assert_null (_pyisolate_json_integer_to_hex ("-"));
  g_assert_null (_pyisolate_json_integer_to_hex ("1.0"));

  for (guint length = 1; length < 3000; length += 1 + length / 5)
    {
      g_autoptr(GString) digits = g_string_new (length % 2 == 0 ? "-" : "");
      g_autofree char *hex = NULL;
      g_autofree char *decimal = NULL;

      g_string_append_c (digits, '1' + g_rand_int_range (rand, 0, 9));
      for (guint i = 1; i < length; i++)
        g_string_append_c (digits, '0' + g_rand_int_range (rand, 0, 10));
      hex = _pyisolate_json_integer_to_hex (digits->str);
      decimal = _pyisolate_json_integer_to_decimal (hex);
      g_assert_cmpstr (decimal, ==, digits->str);
    }

  {
    g_autofree char *zero = _pyisolate_json_integer_to_hex ("0");
    g_autofree char *large = _pyisolate_json_integer_to_hex (large_digits);

    g_assert_cmpstr (zero, ==, "0x0");
    g_assert_cmpstr (large, ==, "0x100000000000000000000000000000000000000000000000000");
  }
}

/* Too long for base ten in reasonable time: base sixteen, both ways. */
static void
test_longest_integers (void)
{
  g_autofree char *digits = g_strnfill (200000, 'f');
  g_autofree char *hex = g_strconcat ("0x", digits, NULL);
  GVariant *tagged = g_variant_new ("(ov)", PYISOLATE_TAG_INT, g_variant_new_string (hex));
  g_autoptr(GVariant) value = g_variant_ref_sink (tagged);
  g_autoptr(JsonNode) node = _pyisolate_value_to_json (value);
  g_autoptr(GVariant) back = _pyisolate_value_from_json (node, NULL);

  g_assert_cmpvariant (value, back);
}

static void
test_refusals (void)
{
  static const char *const texts[] = {
    "{\"$type\": 1, \"value\": 1}",
    "{\"$type\": \"int\"}",
    "{\"$type\": \"nothing\", \"value\": 1}",
    "{\"$type\": \"int\", \"value\": 5}",
    "{\"$type\": \"int\", \"value\": \"x\"}",
    "{\"$type\": \"int\", \"value\": {\"a\": 1}}",
    "{\"$type\": \"float\", \"value\": \"1\"}",
    "{\"$type\": \"bytes\", \"value\": \"?\"}",
    "{\"$type\": \"bytes\", \"value\": \"A\"}",
    "{\"$type\": \"bytes\", \"value\": \"A=A=\"}",
    "{\"$type\": \"bytes\", \"value\": \"A===\"}",
    "{\"$type\": \"bytes\", \"value\": []}",
    "{\"$type\": \"memoryview\", \"value\": \"AA==\", \"shape\": 5}",
    "{\"$type\": \"memoryview\", \"value\": \"AA==\", \"format\": 5}",
    "{\"$type\": \"tuple\", \"value\": 5}",
    "{\"$type\": \"set\", \"value\": {\"$type\": \"x\", \"value\": 1}}",
    "{\"$type\": \"tuple\", \"value\": [{\"$type\": \"x\", \"value\": 1}]}",
    "{\"$type\": \"dict\", \"value\": [[1]]}",
    "{\"$type\": \"dict\", \"value\": [1]}",
    "{\"$type\": \"dict\", \"value\": {}}",
    "{\"$type\": \"complex\", \"value\": [1]}",
    "{\"$type\": \"complex\", \"value\": [1, \"x\"]}",
    "{\"$type\": \"datetime\", \"value\": 1}",
    "{\"$type\": \"datetime\", \"value\": \"x\", \"tzinfo\": {\"$type\": \"x\", \"value\": 1}}",
    "{\"$type\": \"timedelta\", \"value\": \"5\"}",
    "{\"$type\": \"timezone\", \"value\": \"5\"}",
    "{\"$type\": \"object\", \"value\": 1}",
    "{\"$type\": \"object\", \"name\": {\"a\": 1}, \"value\": 1}",
    "{\"a\": [{\"$type\": \"x\", \"value\": 1}]}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr(JsonNode) node = parse (texts[i]);
      g_autoptr(GError) error = NULL;

      g_test_message ("%s", texts[i]);
      g_assert_null (_pyisolate_value_from_json (node, &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
    }
}

/* A tag with a payload of another shape is nothing to crash on. */
static void
test_odd_payloads (void)
{
  static const char *const tags[] = {
    "int", "str", "bytearray", "memoryview", "tuple", "set", "frozenset", "dict", "complex",
    "datetime", "date", "time", "timedelta", "timezone", "ZoneInfo", "Decimal", "UUID", "PosixPath",
    "object", "ext", "unknown",
  };
  static const char *const payloads[] = {
    "int64 1", "'x'", "@av []", "('a', 1)", "(1, 2)", "([1], [1, 2])",
    "(int64 1, int64 -1, int64 0)",
    "((int64 9223372036854775807, int64 1, int64 1), 'x')", "@ay []", "('x', true, 5)",
    "(true, 'B', [int64 1], @ay [])", NONE, "@a{sv} {}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (tags); i++)
    for (guint j = 0; j < G_N_ELEMENTS (payloads); j++)
      {
        g_autofree char *text = g_strdup_printf ("(objectpath '/pyisolate/%s', <%s>)", tags[i],
                                                 payloads[j]);
        g_autoptr(GVariant) value = g_variant_ref_sink (g_variant_new_parsed (text));
        g_autoptr(JsonNode) node = _pyisolate_value_to_json (value);
        g_autofree char *printed = json_to_string (node, FALSE);

        g_assert_cmpuint (strlen (printed), >, 0);
      }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pyisolate/json-values/own-types", test_own_types);
  g_test_add_func ("/pyisolate/json-values/numbers", test_numbers);
  g_test_add_func ("/pyisolate/json-values/typed", test_typed);
  g_test_add_func ("/pyisolate/json-values/library-types", test_library_types);
  g_test_add_func ("/pyisolate/json-values/zulu", test_zulu);
  g_test_add_func ("/pyisolate/json-values/long-integers", test_long_integers);
  g_test_add_func ("/pyisolate/json-values/longest-integers", test_longest_integers);
  g_test_add_func ("/pyisolate/json-values/refusals", test_refusals);
  g_test_add_func ("/pyisolate/json-values/odd-payloads", test_odd_payloads);
  return g_test_run ();
}
