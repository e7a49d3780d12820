/* SPDX-License-Identifier: MIT */
/* Values on the host's side: the check of what arrives and the form of what leaves. */
#include "config.h"

#include "pyisolate-error.h"
#include "pyisolate-value-private.h"

#include <time.h>

static GBytes *
bytes_of (const char *text)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (text));
  g_autoptr (GVariant) boxed = g_variant_ref_sink (g_variant_new_variant (value));

  return g_variant_get_data_as_bytes (boxed);
}

/* --- What arrives --- */

static gboolean
accepts (const char    *type,
         gconstpointer  data,
         gsize          size)
{
  /* In a block of exactly its size, so that a sanitizer sees a read beyond its end. */
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  gboolean good = _pyisolate_value_check_bytes (bytes, G_VARIANT_TYPE (type), &value, &error);

  if (good)
    {
      g_assert_no_error (error);
      g_assert_true (g_variant_is_of_type (value, G_VARIANT_TYPE (type)));
    }
  else
    {
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
      g_assert_null (value);
    }
  return good;
}

static void
test_check_accepts (void)
{
  static const char *const texts[] = {
    "1", "true", "'x'", "''", "@ay []", "@as []", "@av []", "@a{sv} {}", "['a', '', 'ü']",
    "[<1>, <'x'>, <[<2>]>]", "{'a': <1>, 'b': <'x'>}", "(1, 'x', true)", "('x', 1, 'y')",
    "@a(yx) [(1, 2), (3, 4)]", "@a{yy} {1: 2}", "[[1], [], [2, 3]]", "(byte 1, int16 2, 3.0)",
    "(true, byte 7)", "handle 3", "signature 'a{sv}'", "objectpath '/a'", "(('a', 'b'), 'c')",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GBytes) bytes = bytes_of (texts[i]);

      g_test_message ("%s", texts[i]);
      g_assert_true (accepts ("v", g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)));
    }
}

/* Types of the other bodies, the fixed ones among them. */
static void
test_check_types (void)
{
  g_assert_true (accepts ("(ava{sv})", "\0", 1));
  g_assert_false (accepts ("(ava{sv})", "", 0));
  g_assert_true (accepts ("a{sv}", NULL, 0));
  g_assert_true (accepts ("(ds)", "\0\0\0\0\0\0\0\0", 9));
  g_assert_false (accepts ("(ds)", "\0\0\0\0\0\0\0\0", 8));
  g_assert_true (accepts ("(iss)", "\1\0\0\0a\0b\0\6", 9));
  g_assert_false (accepts ("(iss)", "\1\0\0\0a\0b\0\7", 9));
  g_assert_true (accepts ("b", "\1", 1));
  g_assert_false (accepts ("b", "\2", 1));
  g_assert_false (accepts ("v", NULL, 0));
}

#define REJECT(bytes) g_assert_false (accepts ("v", bytes, sizeof (bytes) - 1))

static void
test_check_rejects (void)
{
  REJECT ("");
  REJECT ("\0");
  REJECT ("\1\0");                         /* no type */
  REJECT ("\1y");                          /* no separator */
  REJECT ("\1\0yy");                       /* two types */
  REJECT ("\1\0m");
  REJECT ("\0my");                         /* not of D-Bus */
  REJECT ("\0()");
  REJECT ("\1\0r");
  REJECT ("\1\0*");
  REJECT ("\0a{vs}");
  REJECT ("\0a{s}");
  REJECT ("\0a{sss}");
  REJECT ("\0{ss}");
  REJECT ("\0(y");
  REJECT ("\0a");
  REJECT ("\2\0b");                        /* a boolean of 2 */
  REJECT ("x\0s");                         /* no NUL */
  REJECT ("x\0y\0\0s");                    /* NUL inside */
  REJECT ("\377\0\0s");                    /* not UTF-8 */
  REJECT ("x\0\0o");
  REJECT ("?\0\0g");
  REJECT ("\1\0\0\0\0\0\0\0\1\0ax");       /* nine bytes of 8-byte numbers */
  REJECT ("a\0b\0\2\5\0as");               /* an offset beyond the strings */
  REJECT ("a\0b\0\4\2\0as");               /* falling offsets */
  REJECT ("a\0b\0\2\0\4\0\0as");           /* offsets wider than needed */
  REJECT ("a\0\1\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0(sx)"); /* padding that is not zero */
  REJECT ("\1\0\0\0\0\0\0\0\1\1\1\1\1\1\1\1\0(xy)");  /* the same at the end */
  g_assert_true (accepts ("v", "a\0b\0\2\4\0as", 9));
  g_assert_true (accepts ("v", "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0(xy)", 21));
}

static void
test_check_depth (void)
{
  g_autoptr (GString) body = g_string_new_len ("\5\0y", 3);
  g_autoptr (GString) type = g_string_new (NULL);

  for (int levels = 1; levels < 500; levels++)
    {
      g_assert_cmpint (accepts ("v", body->str, body->len), ==, levels <= 64);
      g_string_append_len (body, "\0v", 2);
    }
  for (int levels = 1; levels < 200; levels++)
    {
      g_string_assign (type, "");
      g_string_append_c (type, '\0');
      for (int i = 0; i < levels; i++)
        g_string_append_c (type, 'a');
      g_string_append_c (type, 'y');
      g_assert_cmpint (accepts ("v", type->str, type->len), ==, levels <= 32);
    }
}

/* Of this thread: what else the machine does is not in it. */
static gint64
get_processor_time (void)
{
  struct timespec now;

  g_assert_cmpint (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now), ==, 0);

  return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* Bytes that make a careless check take very long: overlapping children, types in types. */
static void
test_check_is_linear (void)
{
  const gsize n_items = 4 * 1024 * 1024;
  g_autoptr (GByteArray) body = g_byte_array_new ();
  gint64 start;

  /* An array of arrays of … where all offsets claim the same bytes. */
  for (gsize i = 0; i < n_items; i++)
    g_byte_array_append (body, (const guint8 *) "\0\0\0\0", 4);
  g_byte_array_append (body, (const guint8 *) "\0aaaaaaaaaaaaaaaas", 18);
  start = get_processor_time ();
  g_assert_true (accepts ("v", body->data, body->len));
  /* It takes a part of a second; what is quadratic would take hours. */
  g_assert_cmpint (get_processor_time () - start, <, 20 * G_USEC_PER_SEC);

  memset (body->data, 0x76, 1024 * 1024);
  start = get_processor_time ();
  g_assert_false (accepts ("v", body->data, 1024 * 1024));
  g_assert_cmpint (get_processor_time () - start, <, G_USEC_PER_SEC);
}

/* --- What arrives beside it --- */

static GVariant *
expand (const char *text,
        GPtrArray  *memories)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (text));

  return _pyisolate_value_expand (value, memories);
}

static void
assert_expands (const char *text,
                GPtrArray  *memories,
                const char *expected)
{
  g_autoptr (GVariant) expanded = expand (text, memories);
  g_autoptr (GVariant) wanted = g_variant_ref_sink (g_variant_new_parsed (expected));

  g_test_message ("%s", text);
  g_assert_cmpvariant (expanded, wanted);
  g_assert_true (g_variant_is_normal_form (expanded));
}

static GPtrArray *
new_memories (const char *first,
              const char *second)
{
  GPtrArray *memories = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  const char *const texts[] = { first, second };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      PyIsolateMemory *memory = pyisolate_memory_new (strlen (texts[i]), PYISOLATE_MEMORY_NONE, &error);

      g_assert_no_error (error);
      g_assert_true (pyisolate_memory_write (memory, 0, texts[i], strlen (texts[i]), &error));
      g_ptr_array_add (memories, memory);
    }
  return memories;
}

#define LONG(tag, payload) "(objectpath '/pyisolate/" tag "', <(uint32 " payload ")>)"

static void
test_expand (void)
{
  g_autoptr (GPtrArray) memories = new_memories ("ab", "c\377");

  assert_expands (LONG ("bytes", "0, uint64 2"), memories, "[byte 97, 98]");
  assert_expands (LONG ("str", "0, uint64 2"), memories, "'ab'");
  assert_expands (LONG ("str", "0, uint64 1"), memories, "'a'");
  assert_expands (LONG ("bytearray", "0, uint64 1"), memories, "(objectpath '/pyisolate/bytearray', <[byte 97]>)");
  assert_expands (LONG ("str", "1, uint64 2"), memories, "(objectpath '/pyisolate/str', <[byte 99, 255]>)");
  assert_expands ("{'x': <" LONG ("str", "0, uint64 2") ">, 'y': <[<" LONG ("bytes", "1, uint64 1") ">]>}", memories,
                  "{'x': <'ab'>, 'y': <[<[byte 99]>]>}");
  /* What did not come, or is not so long. */
  assert_expands (LONG ("bytes", "2, uint64 1"), memories, LONG ("bytes", "2, uint64 1"));
  assert_expands (LONG ("bytes", "0, uint64 3"), memories, LONG ("bytes", "0, uint64 3"));
  assert_expands (LONG ("bytes", "0, uint64 18446744073709551615"), memories,
                  LONG ("bytes", "0, uint64 18446744073709551615"));
}

/* A few bytes that name the same piece again and again stay as few. */
static void
test_expand_once (void)
{
  g_autoptr (GPtrArray) memories = new_memories ("ab", "cd");

  assert_expands ("[<" LONG ("bytes", "0, uint64 2") ">, <" LONG ("bytes", "0, uint64 2") ">]", memories,
                  "[<[byte 97, 98]>, <" LONG ("bytes", "0, uint64 2") ">]");
  assert_expands ("(" LONG ("str", "0, uint64 2") ", " LONG ("str", "1, uint64 2") ", " LONG ("str", "1, uint64 1") ")",
                  memories, "('ab', 'cd', " LONG ("str", "1, uint64 1") ")");

  /* By another number. */
  g_ptr_array_add (memories, pyisolate_memory_ref (memories->pdata[0]));
  assert_expands ("[<" LONG ("bytes", "0, uint64 2") ">, <" LONG ("bytes", "2, uint64 2") ">]", memories,
                  "[<[byte 97, 98]>, <" LONG ("bytes", "2, uint64 2") ">]");
}

/* --- What leaves --- */

static void
assert_wire (const char *given,
             const char *expected)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (given));
  g_autoptr (GVariant) wanted = g_variant_ref_sink (g_variant_new_parsed (expected));
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) wire = _pyisolate_value_to_wire (value, &error);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) boxed = NULL;

  g_assert_no_error (error);
  g_test_message ("%s", given);
  g_assert_cmpvariant (wire, wanted);
  boxed = g_variant_ref_sink (g_variant_new_variant (wire));
  bytes = g_variant_get_data_as_bytes (boxed);
  g_assert_true (accepts ("v", g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)));
}

static void
test_wire_forms (void)
{
  assert_wire ("5", "5");
  assert_wire ("<5>", "5");
  assert_wire ("<<5>>", "5");
  assert_wire ("@mi nothing", "objectpath '/pyisolate/None'");
  assert_wire ("@mi 5", "5");
  assert_wire ("@mmi nothing", "objectpath '/pyisolate/None'");
  assert_wire ("@() ()", "objectpath '/pyisolate/EmptyTuple'");
  assert_wire ("@ami [1, nothing]", "[<1>, <objectpath '/pyisolate/None'>]");
  assert_wire ("@ami []", "@av []");
  assert_wire ("@a() [(), ()]",
               "[<objectpath '/pyisolate/EmptyTuple'>, <objectpath '/pyisolate/EmptyTuple'>]");
  assert_wire ("(1, @ms nothing)", "(1, objectpath '/pyisolate/None')");
  assert_wire ("(1, (@ms 'x', 2))", "(1, ('x', 2))");
  assert_wire ("@a{sms} {'a': nothing, 'b': 'x'}",
               "{'a': <objectpath '/pyisolate/None'>, 'b': <'x'>}");
  assert_wire ("@a{sms} {}", "@a{sv} {}");
  assert_wire ("@a{uas} {1: ['x']}", "@a{uas} {1: ['x']}");
  assert_wire ("{'a', 1}", "('a', 1)");
  assert_wire ("@a{sv} {'a': <@ms nothing>}", "{'a': <objectpath '/pyisolate/None'>}");
  assert_wire ("@a{sv} {'a': <@ams ['x']>}", "{'a': <[<'x'>]>}");
  assert_wire ("[<1>, <@ms 'x'>]", "[<1>, <'x'>]");
  assert_wire ("[{'a': @ms 'x'}]", "[<{'a': <'x'>}>]");
}

static void
test_wire_keeps_what_it_can (void)
{
  static const char *const texts[] = {
    "5", "[1.0, 2.0]", "{'a': <[1, 2]>}", "('x', [<1>, <('y', 2)>])", "@a{sv} {}", "b'bytes'",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (texts[i]));
      g_autoptr (GVariant) wire = _pyisolate_value_to_wire (value, NULL);

      g_assert_true (wire == value);
    }
}

/* Of GVariant, but with more members than a D-Bus signature has room for. */
static void
test_wire_long_tuple (void)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new ();
  g_autoptr (GVariant) tuple = NULL;
  g_autoptr (GVariant) wire = NULL;
  g_autoptr (GVariant) payload = NULL;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 300; i++)
    g_ptr_array_add (items, g_variant_new_int32 (i));
  tuple = g_variant_ref_sink (g_variant_new_tuple ((GVariant **) items->pdata, items->len));
  wire = _pyisolate_value_to_wire (tuple, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (_pyisolate_value_untag (wire, &payload), ==, PYISOLATE_TAG_TUPLE);
  g_assert_cmpuint (g_variant_n_children (payload), ==, 300);
}

static void
test_wire_depth (void)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_int32 (1));
  gboolean was_refused = FALSE;

  for (int depth = 0; depth < 60; depth++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) wire = _pyisolate_value_to_wire (value, &error);
      GVariant *list = g_variant_new_array (G_VARIANT_TYPE_VARIANT,
                                            (GVariant *[]) { g_variant_new_variant (value) }, 1);

      if (wire == NULL)
        g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
      else
        g_assert_false (was_refused);
      was_refused = wire == NULL;
      g_assert_cmpint (was_refused, ==, depth > 30);
      g_variant_unref (value);
      value = g_variant_ref_sink (list);
    }
}

/* The error says where. */
static void
test_wire_place (void)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) wire = NULL;
  g_autoptr (GError) error = NULL;
  GVariant *deep = g_variant_new_int32 (1);

  for (int depth = 0; depth < 60; depth++)
    deep = g_variant_new_array (G_VARIANT_TYPE_VARIANT, (GVariant *[]) { g_variant_new_variant (deep) }, 1);
  value = g_variant_ref_sink (g_variant_new_parsed ("[<1>, <{'a': <['x']>, 'key': <(@ms 'y', %v)>}>]", deep));
  wire = _pyisolate_value_to_wire (value, &error);
  g_assert_null (wire);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
  if (strstr (error->message, "“av”: nested too deep at [1]['key'][1][0][0]") == NULL)
    g_error ("%s", error->message);
}

static GVariant *
new_from_bytes (const GVariantType *type,
                GBytes             *bytes,
                gboolean            trusted)
{
  return g_variant_ref_sink (g_variant_new_from_bytes (type, bytes, trusted));
}

static void
test_wire_size (void)
{
  g_autofree char *memory = g_malloc0 (PYISOLATE_VALUE_MAX_SIZE + 1);
  g_autoptr (GBytes) most = g_bytes_new_static (memory, PYISOLATE_VALUE_MAX_SIZE);
  g_autoptr (GBytes) more = g_bytes_new_static (memory, PYISOLATE_VALUE_MAX_SIZE + 1);
  g_autoptr (GVariant) fits = new_from_bytes (G_VARIANT_TYPE_BYTESTRING, most, TRUE);
  g_autoptr (GVariant) exceeds = new_from_bytes (G_VARIANT_TYPE_BYTESTRING, more, TRUE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) wire = _pyisolate_value_to_wire (fits, &error);

  g_assert_no_error (error);
  g_assert_null (_pyisolate_value_to_wire (exceeds, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
  g_assert_nonnull (strstr (error->message, "67104769"));
  g_assert_nonnull (strstr (error->message, "67104768"));
}

/* Data that a host got from elsewhere and never looked at. */
static void
test_wire_normalises (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("\2", 1);
  g_autoptr (GVariant) value = new_from_bytes (G_VARIANT_TYPE_BOOLEAN, bytes, FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) wire = _pyisolate_value_to_wire (value, &error);

  g_assert_no_error (error);
  g_assert_true (g_variant_is_normal_form (wire));
}

static void
test_none (void)
{
  g_autoptr (GVariant) none = g_variant_ref_sink (pyisolate_value_new_none ());
  g_autoptr (GVariant) boxed = g_variant_ref_sink (g_variant_new_variant (none));
  g_autoptr (GVariant) path = g_variant_ref_sink (g_variant_new_object_path ("/"));
  g_autoptr (GVariant) text = g_variant_ref_sink (g_variant_new_string ("/pyisolate/None"));

  g_assert_true (pyisolate_value_is_none (none));
  g_assert_true (pyisolate_value_is_none (boxed));
  g_assert_false (pyisolate_value_is_none (path));
  g_assert_false (pyisolate_value_is_none (text));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pyisolate/value/check/accepts", test_check_accepts);
  g_test_add_func ("/pyisolate/value/check/types", test_check_types);
  g_test_add_func ("/pyisolate/value/check/rejects", test_check_rejects);
  g_test_add_func ("/pyisolate/value/check/depth", test_check_depth);
  g_test_add_func ("/pyisolate/value/check/linear", test_check_is_linear);
  g_test_add_func ("/pyisolate/value/expand/forms", test_expand);
  g_test_add_func ("/pyisolate/value/expand/once", test_expand_once);
  g_test_add_func ("/pyisolate/value/wire/forms", test_wire_forms);
  g_test_add_func ("/pyisolate/value/wire/same", test_wire_keeps_what_it_can);
  g_test_add_func ("/pyisolate/value/wire/long-tuple", test_wire_long_tuple);
  g_test_add_func ("/pyisolate/value/wire/depth", test_wire_depth);
  g_test_add_func ("/pyisolate/value/wire/place", test_wire_place);
  g_test_add_func ("/pyisolate/value/wire/size", test_wire_size);
  g_test_add_func ("/pyisolate/value/wire/normal-form", test_wire_normalises);
  g_test_add_func ("/pyisolate/value/none", test_none);
  return g_test_run ();
}
