/* SPDX-License-Identifier: MIT */
/* What becomes of the exceptions that workers send, those that no Python has made included. */
#include "config.h"

#include "pyisolate-remote-exception-private.h"

#include "test-util.h"

static PyIsolateRemoteException *
new_exception (GVariant *dict)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (dict);

  return _pyisolate_remote_exception_new_from_variant (owned);
}

static void
test_complete (void)
{
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  g_autoptr (GVariant) args = NULL;
  g_autoptr (GVariant) expected_args = NULL;
  g_auto (GStrv) notes = NULL;
  g_autofree char *type_name = NULL;
  const char *const expected_notes[] = { "a note", "größe", NULL };
  PyIsolateRemoteException *cause;
  PyIsolateRemoteException *context;

  exception = new_exception (g_variant_new_parsed (
    "{'type': <'json.JSONDecodeError'>, 'message': <'bad'>, 'traceback': <'Traceback…\\n'>, 'args': <[<'bad'>, <5>]>,"
    " 'notes': <['a note', 'größe']>, 'cause': <{'type': <'KeyError'>}>, 'context': <{'type': <'OSError'>}>}"));

  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exception), ==, "json.JSONDecodeError");
  g_assert_cmpstr (pyisolate_remote_exception_get_message (exception), ==, "bad");
  g_assert_cmpstr (pyisolate_remote_exception_get_traceback (exception), ==, "Traceback…\n");
  expected_args = g_variant_ref_sink (g_variant_new_parsed ("[<'bad'>, <5>]"));
  g_assert_cmpvariant (pyisolate_remote_exception_get_args (exception), expected_args);
  g_assert_cmpstrv (pyisolate_remote_exception_get_notes (exception), expected_notes);
  cause = pyisolate_remote_exception_get_cause (exception);
  context = pyisolate_remote_exception_get_context (exception);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (cause), ==, "KeyError");
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (context), ==, "OSError");

  /* The same as properties. */
  g_object_get (exception, "type-name", &type_name, "args", &args, "notes", &notes, NULL);
  g_assert_cmpstr (type_name, ==, "json.JSONDecodeError");
  g_assert_cmpvariant (args, expected_args);
  g_assert_cmpstrv (notes, expected_notes);
}

static void
assert_empty (PyIsolateRemoteException *exception)
{
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exception), ==, "");
  g_assert_cmpstr (pyisolate_remote_exception_get_message (exception), ==, "");
  g_assert_cmpstr (pyisolate_remote_exception_get_traceback (exception), ==, "");
  g_assert_cmpstr (g_variant_get_type_string (pyisolate_remote_exception_get_args (exception)), ==, "av");
  g_assert_cmpuint (g_variant_n_children (pyisolate_remote_exception_get_args (exception)), ==, 0);
  g_assert_nonnull (pyisolate_remote_exception_get_notes (exception));
  g_assert_null (pyisolate_remote_exception_get_notes (exception)[0]);
  g_assert_null (pyisolate_remote_exception_get_cause (exception));
  g_assert_null (pyisolate_remote_exception_get_context (exception));
}

static void
test_empty (void)
{
  g_autoptr (PyIsolateRemoteException) exception = new_exception (g_variant_new_parsed ("@a{sv} {}"));

  assert_empty (exception);
}

/* What is of another type than it should be counts as if it were not there. */
static void
test_wrong_types (void)
{
  static const char *values[] = { "5", "@ay b'text'", "@a{ss} {}", "(1, 'two')", "@mi 5", "<'inside'>", "true",
                                  "objectpath '/x'", "signature 's'" };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      static const char *keys[] = { "type", "message", "traceback", "notes", "cause", "context" };
      g_autoptr (PyIsolateRemoteException) exception = NULL;
      GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

      for (guint j = 0; j < G_N_ELEMENTS (keys); j++)
        g_variant_builder_add (&builder, "{sv}", keys[j], g_variant_new_parsed (values[i]));
      exception = new_exception (g_variant_builder_end (&builder));
      assert_empty (exception);
    }
}

/* A list of equal types travels as an array of that type; anything else in its place is no list. */
static void
test_args (void)
{
  static const struct {
    const char *sent;
    const char *seen;
  } cases[] = {
    { "@ax [1, 2]", "[<@x 1>, <@x 2>]" },
    { "['a', 'b']", "[<'a'>, <'b'>]" },
    { "@av [<1>, <<'twice'>>]", "[<1>, <<'twice'>>]" },
    { "@av []", "@av []" },
    { "[[1], [2]]", "[<[1]>, <[2]>]" },
    { "@ay b'ab'", "[<byte 0x61>, <byte 0x62>, <byte 0x00>]" },
    { "5", "@av []" },
    { "(1, 2)", "@av []" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (PyIsolateRemoteException) exception = NULL;
      g_autoptr (GVariant) seen = g_variant_ref_sink (g_variant_new_parsed (cases[i].seen));

      exception = new_exception (g_variant_new ("a{sv}", NULL));
      g_clear_object (&exception);
      exception = new_exception (g_variant_new_parsed ("{'args': %v}", g_variant_new_parsed (cases[i].sent)));
      g_assert_cmpvariant (pyisolate_remote_exception_get_args (exception), seen);
    }
}

static void
test_same_key_twice (void)
{
  g_autoptr (PyIsolateRemoteException) exception = NULL;

  exception = new_exception (g_variant_new_parsed ("@a{sv} {'type': <'A'>, 'type': <'B'>, '': <1>}"));
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exception), ==, "A");
}

static guint
count_chain (PyIsolateRemoteException *exception,
             gboolean                  by_cause)
{
  guint n = 0;

  for (; exception != NULL; n++)
    exception = by_cause ? pyisolate_remote_exception_get_cause (exception)
                         : pyisolate_remote_exception_get_context (exception);
  return n;
}

/* Causes are contained in what they caused, so they have an end; but it may be far. GVariant itself would not read so deep
 * a value from bytes: only a value that was built here can be. */
static void
test_long_chain (void)
{
  for (guint by_cause = 0; by_cause <= 1; by_cause++)
    {
      g_autoptr (GVariant) dict = g_variant_ref_sink (g_variant_new_parsed ("{'type': <'innermost'>}"));
      g_autoptr (PyIsolateRemoteException) exception = NULL;

      for (guint i = 0; i < 1000; i++)
        {
          GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

          g_variant_builder_add (&builder, "{sv}", "type", g_variant_new_string ("outer"));
          g_variant_builder_add (&builder, "{sv}", by_cause ? "cause" : "context", dict);
          g_variant_unref (dict);
          dict = g_variant_ref_sink (g_variant_builder_end (&builder));
        }
      exception = _pyisolate_remote_exception_new_from_variant (dict);
      g_assert_cmpuint (count_chain (exception, by_cause), ==, 32);
    }
}

/* Each exception with a cause and a context is a tree of two to the power of its depth, in as few bytes as there are in a
 * value that is shared; what arrives in bytes has no sharing. */
static GVariant *
new_bush (guint depth)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (depth > 0)
    {
      g_variant_builder_add (&builder, "{sv}", "cause", new_bush (depth - 1));
      g_variant_builder_add (&builder, "{sv}", "context", new_bush (depth - 1));
    }
  return g_variant_builder_end (&builder);
}

static void
test_bush (void)
{
  g_autoptr (PyIsolateRemoteException) exception = new_exception (new_bush (12));

  g_assert_cmpuint (count_chain (exception, TRUE), ==, 13);
  g_assert_cmpuint (count_chain (exception, FALSE), ==, 13);
}

/* An empty one takes a few bytes, of which there may be many. */
static void
test_crowd (void)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  GVariant *empty = g_variant_new ("a{sv}", NULL);

  for (guint i = 0; i < 100000; i++)
    g_variant_builder_add (&builder, "v", empty);
  exception = new_exception (g_variant_new_parsed ("{'exceptions': <%@av>, 'cause': <@a{sv} {}>}",
                                                   g_variant_builder_end (&builder)));

  g_assert_nonnull (pyisolate_remote_exception_get_cause (exception));
  g_assert_cmpuint (pyisolate_remote_exception_get_exceptions (exception)->len, ==, 10000 - 2);
}

static void
test_freed (void)
{
  PyIsolateRemoteException *exception = new_exception (new_bush (2));
  gpointer weak[3] = {
    exception,
    pyisolate_remote_exception_get_cause (exception),
    pyisolate_remote_exception_get_context (pyisolate_remote_exception_get_cause (exception)),
  };

  for (guint i = 0; i < G_N_ELEMENTS (weak); i++)
    {
      g_assert_nonnull (weak[i]);
      g_object_add_weak_pointer (weak[i], &weak[i]);
    }
  for (guint i = 0; i < 3; i++)
    g_object_run_dispose (G_OBJECT (exception));
  g_object_unref (exception);
  for (guint i = 0; i < G_N_ELEMENTS (weak); i++)
    g_assert_null (weak[i]);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_func ("/pyisolate/remote-exception/complete", test_complete);
  test_util_add_func ("/pyisolate/remote-exception/empty", test_empty);
  test_util_add_func ("/pyisolate/remote-exception/wrong-types", test_wrong_types);
  test_util_add_func ("/pyisolate/remote-exception/args", test_args);
  test_util_add_func ("/pyisolate/remote-exception/same-key-twice", test_same_key_twice);
  test_util_add_func ("/pyisolate/remote-exception/long-chain", test_long_chain);
  test_util_add_func ("/pyisolate/remote-exception/bush", test_bush);
  test_util_add_func ("/pyisolate/remote-exception/crowd", test_crowd);
  test_util_add_func ("/pyisolate/remote-exception/freed", test_freed);
  return g_test_run ();
}
