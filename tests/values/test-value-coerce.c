/* SPDX-License-Identifier: MIT */
/* Values for who wants another type: as docs/values.md says, or refused with the place. */
#include "config.h"

#include "pyisolate-error.h"
#include "pyisolate-value-private.h"

typedef struct {
  const char *given;
  const char *type;
  const char *expected; /* NULL: refused */
} Coercion;

static const Coercion coercions[] = {
  { "int64 255", "y", "byte 255" },
  { "int64 256", "y", NULL },
  { "int64 -1", "y", NULL },
  { "int64 -32768", "n", "int16 -32768" },
  { "int64 -32769", "n", NULL },
  { "int64 32768", "n", NULL },
  { "int64 65535", "q", "uint16 65535" },
  { "int64 -2147483648", "i", "-2147483648" },
  { "int64 2147483648", "i", NULL },
  { "int64 4294967295", "u", "uint32 4294967295" },
  { "int64 -1", "u", NULL },
  { "int64 -9223372036854775808", "x", "int64 -9223372036854775808" },
  { "int64 -1", "t", NULL },
  { "int64 5", "t", "uint64 5" },
  { "(objectpath '/pyisolate/int', <'0xffffffffffffffff'>)", "t", "uint64 18446744073709551615" },
  { "(objectpath '/pyisolate/int', <'0x10000000000000000'>)", "t", NULL },
  { "(objectpath '/pyisolate/int', <'0x8000000000000000'>)", "x", NULL },
  { "(objectpath '/pyisolate/int', <'-0x8000000000000000'>)", "x", "int64 -9223372036854775808" },
  { "(objectpath '/pyisolate/int', <'-0x8000000000000001'>)", "x", NULL },
  { "true", "i", NULL },
  { "int64 1", "b", NULL },
  { "true", "b", "true" },
  { "int64 5", "d", "5.0" },
  { "int64 9007199254740993", "d", NULL },
  { "(objectpath '/pyisolate/int', <'0xffffffffffffffff'>)", "d", NULL },
  { "1.0", "i", NULL },
  { "'x'", "s", "'x'" },
  { "<<'x'>>", "s", "'x'" },
  { "b'x'", "s", NULL },
  { "'/a'", "o", "objectpath '/a'" },
  { "'a'", "o", NULL },
  { "'ai'", "g", "signature 'ai'" },
  { "objectpath '/pyisolate/None'", "o", NULL },
  { "objectpath '/pyisolate/None'", "s", NULL },
  { "objectpath '/pyisolate/None'", "ms", "@ms nothing" },
  { "'x'", "ms", "@ms 'x'" },
  { "int64 5", "v", "<int64 5>" },
  { "<int64 5>", "v", "<int64 5>" },
  { "@av []", "as", "@as []" },
  { "[<'a'>, <'b'>]", "as", "['a', 'b']" },
  { "['a']", "av", "[<'a'>]" },
  { "[int64 1, 2]", "ai", "[1, 2]" },
  { "[int64 1, 2147483648]", "ai", NULL },
  { "[int64 1, 2]", "ay", "[byte 1, 2]" },
  { "(objectpath '/pyisolate/bytearray', <[byte 1]>)", "ay", "[byte 1]" },
  { "[<int64 1>, <'x'>]", "ai", NULL },
  { "(int64 1, int64 2)", "ai", "[1, 2]" },
  { "(objectpath '/pyisolate/set', <[int64 1]>)", "ai", "[1]" },
  { "(objectpath '/pyisolate/set', <true>)", "ai", NULL },
  { "(objectpath '/pyisolate/tuple', <'x'>)", "(ss)", NULL },
  { "(objectpath '/pyisolate/dict', <([1, 2], 'x')>)", "a{us}", NULL },
  { "objectpath '/pyisolate/EmptyTuple'", "ai", "@ai []" },
  { "objectpath '/pyisolate/None'", "ai", NULL },
  { "'abc'", "as", NULL },
  { "[<[int64 1]>, <@av []>]", "aai", "[[1], []]" },
  { "[<(int64 1, 'x')>]", "a(is)", "[(1, 'x')]" },
  { "[<int64 1>, <'x'>]", "(is)", "(1, 'x')" },
  { "(int64 1, 'x')", "(is)", "(1, 'x')" },
  { "(int64 1, 'x')", "(isi)", NULL },
  { "(objectpath '/pyisolate/tuple', <[int64 1, 2]>)", "(ii)", "(1, 2)" },
  { "@a{sv} {}", "a{ss}", "@a{ss} {}" },
  { "{'a': int64 1}", "a{si}", "{'a': 1}" },
  { "{'a': int64 1}", "a{sv}", "{'a': <int64 1>}" },
  { "{'a': <int64 1>, 'b': <'x'>}", "a{si}", NULL },
  { "{'a': 'x'}", "as", NULL },
  { "(objectpath '/pyisolate/dict', <([int64 1, 2], ['a', 'b'])>)", "a{us}",
    "{uint32 1: 'a', 2: 'b'}" },
  { "(objectpath '/pyisolate/dict', <([int64 -1], ['a'])>)", "a{us}", NULL },
  { "(objectpath '/pyisolate/dict', <([int64 1], ['a', 'b'])>)", "a{us}", NULL },
  { "['a']", "a{ss}", NULL },
  { "handle 1", "h", "handle 1" },
  { "int64 1", "h", NULL },
};

static void
test_coerce (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (coercions); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (coercions[i].given));
      g_autoptr (GVariant) expected = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) result = NULL;

      g_test_message ("%s to %s", coercions[i].given, coercions[i].type);
      result = _pyisolate_value_coerce (value, G_VARIANT_TYPE (coercions[i].type), &error);
      if (coercions[i].expected == NULL)
        {
          g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
          g_assert_null (result);
          continue;
        }
      g_assert_no_error (error);
      expected = g_variant_ref_sink (g_variant_new_parsed (coercions[i].expected));
      g_assert_cmpvariant (result, expected);
      g_assert_false (g_variant_is_floating (result));
    }
}

typedef struct {
  const char *given;
  const char *type;
  const char *message;
} Refusal;

static const Refusal refusals[] = {
  { "('x', 1.0)", "(ss)", "“s” is needed at [1], not float" },
  { "('x', [<'a'>, <{'k': <true>}>])", "(saa{sd})", "“a{sd}” is needed at [1][0], not str" },
  { "('x', [<{'k': <true>}>])", "(saa{sd})", "“d” is needed at [1][0]['k'], not bool" },
  { "(int64 300,)", "(y)", "an int at [0] does not fit into “y”" },
  { "('x',)", "(ss)", "2 items are needed, not 1" },
  { "(('x',),)", "((ss))", "2 items are needed at [0], not 1" },
  { "objectpath '/pyisolate/None'", "s", "“s” is needed, not None" },
  { "(objectpath '/pyisolate/set', <[1]>)", "s", "“s” is needed, not set" },
};

static void
test_coerce_places (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (refusals[i].given));
      g_autoptr (GError) error = NULL;

      g_assert_null (_pyisolate_value_coerce (value, G_VARIANT_TYPE (refusals[i].type), &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
      g_assert_cmpstr (error->message, ==, refusals[i].message);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pyisolate/value/coerce/types", test_coerce);
  g_test_add_func ("/pyisolate/value/coerce/places", test_coerce_places);
  return g_test_run ();
}
