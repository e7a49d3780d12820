/* SPDX-License-Identifier: MIT */
/* Services of the host that extensions call: methods, their arguments, answers and errors. */
#include "config.h"

#include "singleton-fixture.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Gives back what it was called by, and with. */
#define TEST_TYPE_MIRROR (test_mirror_get_type ())
G_DECLARE_FINAL_TYPE (TestMirror, test_mirror, TEST, MIRROR, PyIsolateProxiedSingleton)

struct _TestMirror {
  PyIsolateProxiedSingleton parent_instance;
};

G_DEFINE_FINAL_TYPE (TestMirror, test_mirror, PYISOLATE_TYPE_PROXIED_SINGLETON)

static void
test_mirror_handle_call (PyIsolateProxiedSingleton *singleton,
                         PyIsolateInvocation       *invocation)
{
  GVariant *value;

  g_assert_true (pyisolate_invocation_get_singleton (invocation) == singleton);
  if (g_str_equal (pyisolate_invocation_get_method (invocation), "parent"))
    {
      PYISOLATE_PROXIED_SINGLETON_CLASS (test_mirror_parent_class)->handle_call (singleton,
                                                                                 invocation);
      return;
    }

  value = g_variant_new ("(ss@*@a{sv})", pyisolate_extension_get_name (pyisolate_invocation_get_extension (invocation)),
                         pyisolate_invocation_get_method (invocation),
                         pyisolate_invocation_get_args (invocation),
                         pyisolate_invocation_get_kwargs (invocation));
  pyisolate_invocation_return_value (invocation, value);
}

static void
test_mirror_class_init (TestMirrorClass *klass)
{
  PYISOLATE_PROXIED_SINGLETON_CLASS (klass)->handle_call = test_mirror_handle_call;
}

static void
test_mirror_init (TestMirror *self)
{
}

static void
on_set (PyIsolateProxiedSingleton *singleton,
        PyIsolateInvocation       *invocation,
        gpointer                   data)
{
  const char *key;
  GVariant *value;

  g_variant_get (pyisolate_invocation_get_args (invocation), "(&sv)", &key, &value);
  g_hash_table_replace (data, g_strdup (key), value);
  pyisolate_invocation_return_value (invocation, NULL);
}

static void
on_get (PyIsolateProxiedSingleton *singleton,
        PyIsolateInvocation       *invocation,
        gpointer                   data)
{
  const char *key;
  GVariant *value;

  g_variant_get (pyisolate_invocation_get_args (invocation), "(&s)", &key);
  value = g_hash_table_lookup (data, key);
  if (value != NULL)
    pyisolate_invocation_return_value (invocation, value);
  else
    pyisolate_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                                               "no such key");
}

/* Two extensions share the state. */
static void
test_shared (void)
{
  g_autoptr (GHashTable) table = NULL;
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *db = host_add_singleton (test, "db");
  PyIsolateExtension *one;
  PyIsolateExtension *two;

  table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  host_add_method (db, "set", "sv", on_set, table);
  host_add_method (db, "get", "s", on_get, table);
  one = host_load_with_api (test, "one", "client", "db");
  two = host_load_with_api (test, "two", "aclient", "db");

  host_assert_result (one, "call", "('db', 'set', 'key', {'a': <[1, 2]>})",
                      "objectpath '/pyisolate/None'");
  host_assert_result (two, "call", "('db', 'get', 'key')", "{'a': <[int64 1, 2]>}");
  host_assert_result (two, "call", "('db', 'set', 'key', 2)", "objectpath '/pyisolate/None'");
  host_assert_result (one, "call", "('db', 'get', 'key')", "int64 2");
  host_test_drop_manager (test);
}

static void
test_subclass (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateProxiedSingleton) mirror = g_object_new (TEST_TYPE_MIRROR, NULL);
  PyIsolateExtension *extension;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_extension_manager_add_singleton (test->manager, "mirror", mirror, NULL));
  host_test_watch (test, mirror);
  extension = host_load_with_api (test, "it", "client", "mirror");
  host_assert_result (extension, "call", "('mirror', 'any_name', 1, 'x')",
                      "('it', 'any_name', (int64 1, 'x'), @a{sv} {})");
  result = pyisolate_extension_call_sync (extension, "call",
                                          g_variant_new ("(ss)", "mirror", "named"),
                                          g_variant_new_parsed ("{'key': <5>}"), NULL, &error);
  g_assert_no_error (error);
  host_assert_value (result,
                     "('it', 'named', objectpath '/pyisolate/EmptyTuple', {'key': int64 5})");

  /* Chaining up leads to the methods that were added: here none. */
  error = host_call_error (extension, "call", "('mirror', 'parent')",
                           PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "*RemoteError: *no method “parent”*");
}

static void
on_type (PyIsolateProxiedSingleton *singleton,
         PyIsolateInvocation       *invocation,
         gpointer                   data)
{
  const char *type = g_variant_get_type_string (pyisolate_invocation_get_args (invocation));

  g_assert_true (g_variant_is_of_type (pyisolate_invocation_get_args (invocation), data));
  pyisolate_invocation_return_value (invocation, g_variant_new_string (type));
}

typedef struct {
  const char *signature;
  const char *args;
  const char *error; /* NULL: it fits */
} Coercion;

static const Coercion coercions[] = {
  { "s", "'x'", NULL },
  { "i", "5", NULL },
  { "y", "255", NULL },
  { "t", "uint64 18446744073709551615", NULL },
  { "d", "5", NULL },
  { "as", "['a', 'b']", NULL },
  { "as", "@av []", NULL },
  { "ad", "[1, 2]", NULL },
  { "a{sv}", "{'a': 1}", NULL },
  { "(si)", "('a', 1)", NULL },
  { "ay", "@ay [1, 2]", NULL },
  { "v", "[1, 2]", NULL },
  { "sid", "'a', 1, 2.5", NULL },
  { "y", "256", "*does not fit*" },
  { "y", "-1", "*does not fit*" },
  { "u", "1.5", "*" },
  { "s", "5", "*" },
  { "i", "'5'", "*" },
  { "b", "1", "*" },
  { "as", "['a', 'b'], 1", "*" },
  { "si", "'a'", "*" },
  { "a{ss}", "{'a': 1}", "*" },
  { "(si)", "('a', 1, 2)", "*" },
};

/* What Python caught is an error of the library's own domain. */
static void
assert_ours (GVariant *caught,
             int       code)
{
  g_autoptr (GVariant) domain = NULL;
  g_autoptr (GVariant) number = NULL;

  g_variant_get_child (caught, 0, "v", &domain);
  g_variant_get_child (caught, 1, "v", &number);
  g_assert_cmpstr (g_variant_get_string (domain, NULL), ==, g_quark_to_string (PYISOLATE_ERROR));
  g_assert_cmpint (g_variant_get_int64 (number), ==, code);
}

static void
test_signatures (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *typed = host_add_singleton (test, "typed");
  PyIsolateExtension *extension;
  g_autoptr (GPtrArray) types = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (coercions); i++)
    {
      g_autofree char *name = g_strdup_printf ("m%u", i);

      g_ptr_array_add (types, g_strdup_printf ("(%s)", coercions[i].signature));
      host_add_method (typed, name, coercions[i].signature, on_type, g_ptr_array_index (types, i));
    }
  extension = host_load_with_api (test, "it", "client", "typed");

  for (guint i = 0; i < G_N_ELEMENTS (coercions); i++)
    {
      g_autofree char *args = g_strdup_printf ("('typed', 'm%u', %s)", i, coercions[i].args);
      g_autofree char *expected = g_strdup_printf ("'(%s)'", coercions[i].signature);
      g_autofree char *message = NULL;
      g_autoptr (GVariant) caught = NULL;

      g_test_message ("%s for %s", coercions[i].args, coercions[i].signature);
      if (coercions[i].error == NULL)
        {
          host_assert_result (extension, "call", args, expected);
          continue;
        }
      caught = host_call (extension, "caught", args);
      if (pyisolate_value_is_none (caught))
        g_error ("%s was taken for %s", coercions[i].args, coercions[i].signature);
      message = g_variant_print (caught, FALSE);
      if (!g_pattern_match_simple (coercions[i].error, message))
        g_error ("%s", message);
      assert_ours (caught, PYISOLATE_ERROR_BAD_VALUE);
    }
  host_test_drop_manager (test);
}

static void
test_add_method (void)
{
  g_autoptr (PyIsolateProxiedSingleton) singleton = pyisolate_proxied_singleton_new ();
  const char *const bad_names[] = { "", "1a", "a b", "_a", "a.b", "\303\244" };
  g_autofree char *arrays = g_strnfill (128, 'a');
  g_autofree char *deep = g_strconcat (arrays, "i", NULL); /* as deep as a type can be, but not inside of a tuple */
  const char *const bad_signatures[] = { "(", "z", "a", "sm", deep };
  g_autoptr (GError) error = NULL;
  g_autoptr (GObject) data = g_object_new (G_TYPE_OBJECT, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (bad_names); i++)
    {
      g_assert_false (pyisolate_proxied_singleton_add_method (singleton, bad_names[i], NULL, NULL,
                                                              host_on_echo,
                                                              g_object_ref (data), g_object_unref,
                                                              &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
      g_clear_error (&error);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad_signatures); i++)
    {
      g_assert_false (pyisolate_proxied_singleton_add_method (singleton, "good", bad_signatures[i],
                                                              NULL, host_on_echo,
                                                              g_object_ref (data), g_object_unref,
                                                              &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
      g_clear_error (&error);
    }
  /* What is replaced, and what is left, is freed. */
  for (guint i = 0; i < 2; i++)
    g_assert_true (pyisolate_proxied_singleton_add_method (singleton, "good", "s", NULL,
                                                           host_on_echo, g_object_ref (data),
                                                           g_object_unref, &error));
  g_assert_cmpuint (data->ref_count, ==, 2);
  for (guint i = 0; i < 3; i++)
    g_object_run_dispose (G_OBJECT (singleton));
  g_assert_finalize_object (g_steal_pointer (&singleton));
  g_assert_cmpuint (data->ref_count, ==, 1);
}

static void
on_gerror (PyIsolateProxiedSingleton *singleton,
           PyIsolateInvocation       *invocation,
           gpointer                   data)
{
  g_autoptr (GError) error = g_error_new (G_MARKUP_ERROR, G_MARKUP_ERROR_EMPTY,
                                          "“emptied”\nof all");

  pyisolate_invocation_return_error (invocation, error);
}

static void
on_drop (PyIsolateProxiedSingleton *singleton,
         PyIsolateInvocation       *invocation,
         gpointer                   data)
{
}

static void
on_unsendable (PyIsolateProxiedSingleton *singleton,
               PyIsolateInvocation       *invocation,
               gpointer                   data)
{
  GVariant *deep = g_variant_new_int32 (1);

  for (guint i = 0; i < 70; i++)
    deep = g_variant_new_variant (g_variant_new_array (NULL, &deep, 1));
  pyisolate_invocation_return_value (invocation, deep);
}

static void
test_errors (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *odd = host_add_singleton (test, "odd");
  PyIsolateExtension *extension;
  g_autoptr (GVariant) caught = NULL;
  g_autoptr (GVariant) missing = NULL;

  host_add_method (odd, "gerror", NULL, on_gerror, NULL);
  host_add_method (odd, "drop", NULL, on_drop, NULL);
  host_add_method (odd, "unsendable", NULL, on_unsendable, NULL);
  extension = host_load_with_api (test, "it", "client", "odd");

  caught = host_call (extension, "caught", "('odd', 'gerror')");
  host_assert_value (caught, "[<'g-markup-error-quark'>, <int64 1>, <'“emptied”\\nof all'>, <'“emptied”\\nof all'>]");
  g_clear_pointer (&caught, g_variant_unref);

  caught = host_call (extension, "caught", "('odd', 'drop')");
  assert_ours (caught, PYISOLATE_ERROR_FAILED);
  g_clear_pointer (&caught, g_variant_unref);

  caught = host_call (extension, "caught", "('odd', 'unsendable')");
  assert_ours (caught, PYISOLATE_ERROR_BAD_VALUE);

  missing = host_call (extension, "missing_method", "('odd', 'gerorr')");
  g_assert_nonnull (strstr (g_variant_get_string (missing, NULL), "'gerror'"));
}

/* What is not listed is out of reach, whoever has it. */
static void
test_not_listed (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *listed = host_add_singleton (test, "listed");
  PyIsolateProxiedSingleton *secret = host_add_singleton (test, "secret");
  PyIsolateExtension *extension;
  g_autoptr (GVariant) message = NULL;

  host_add_method (listed, "echo", NULL, host_on_echo, NULL);
  host_add_method (secret, "echo", NULL, host_on_echo, NULL);
  extension = host_load_with_api (test, "it", "client", "listed");
  host_assert_result (extension, "call", "('listed', 'echo', 1)", "int64 1");
  host_assert_result (extension, "names_of", "('listed',)", "['echo', 'sync']");
  message = host_call (extension, "missing", "('secret',)");
  g_assert_nonnull (strstr (g_variant_get_string (message, NULL), "'secret'"));
}

static gpointer
answer_later (gpointer data)
{
  g_autoptr (PyIsolateInvocation) invocation = data;
  GVariant *args = pyisolate_invocation_get_args (invocation);
  g_autoptr (GVariant) first = g_variant_get_child_value (args, 0);

  g_thread_yield ();
  pyisolate_invocation_return_value (invocation, first);

  return NULL;
}

static void
on_later (PyIsolateProxiedSingleton *singleton,
          PyIsolateInvocation       *invocation,
          gpointer                   data)
{
  g_thread_unref (g_thread_new ("answer", answer_later, g_object_ref (invocation)));
}

/* Answers come later, from other threads, in any order. */
static void
test_later (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *slow = host_add_singleton (test, "slow");
  PyIsolateExtension *sync;
  PyIsolateExtension *async;

  host_add_method (slow, "later", "i", on_later, NULL);
  sync = host_load_with_api (test, "sync", "client", "slow");
  async = host_load_with_api (test, "async", "aclient", "slow");
  host_assert_result (sync, "call", "('slow', 'later', 7)", "int64 7");
  host_assert_result (async, "together", "('slow', 'later', 5)", "[int64 0, 1, 2, 3, 4]");
  host_assert_result (sync, "in_threads", "('slow', 'later', 5)", "[int64 0, 1, 2, 3, 4]");
}

static void
on_twice (PyIsolateProxiedSingleton *singleton,
          PyIsolateInvocation       *invocation,
          gpointer                   data)
{
  pyisolate_invocation_return_value (invocation, g_variant_new_int32 (1));
  pyisolate_invocation_return_value (invocation, g_variant_new_int32 (2));
  pyisolate_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_FAILED, "three");
}

static void
test_twice (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *odd = host_add_singleton (test, "odd");
  PyIsolateExtension *extension;

  host_add_method (odd, "twice", NULL, on_twice, NULL);
  extension = host_load_with_api (test, "it", "client", "odd");
  test_util_expect_log ("PyIsolate", G_LOG_LEVEL_CRITICAL, "*“twice”*answered twice*");
  test_util_expect_log ("PyIsolate", G_LOG_LEVEL_CRITICAL, "*“twice”*answered twice*");
  host_assert_result (extension, "call", "('odd', 'twice')", "int64 1");
}

static void
on_read_fd (PyIsolateProxiedSingleton *singleton,
            PyIsolateInvocation       *invocation,
            gpointer                   data)
{
  g_autoptr (GError) error = NULL;
  char buffer[8] = "";
  int fd;

  g_assert_cmpuint (pyisolate_invocation_get_n_fds (invocation), ==, 1);
  fd = pyisolate_invocation_dup_fd (invocation, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_cmpint (read (fd, buffer, 7), ==, 7);
  close (fd);
  pyisolate_invocation_return_value (invocation, g_variant_new_string (buffer));
}

static void
test_fds (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *files = host_add_singleton (test, "files");
  PyIsolateExtension *extension;
  g_autofree char *path = host_extension_path ("basic.py");
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("call");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  host_add_method (files, "read", NULL, on_read_fd, NULL);
  extension = host_load_with_api (test, "it", "client", "files");
  g_assert_cmpint (pyisolate_call_append_fd (call, fd, &error), ==, 0);
  close (fd);
  pyisolate_call_set_args (call, g_variant_new ("(ssh)", "files", "read", 0));
  result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
  g_assert_no_error (error);
  host_assert_value (pyisolate_call_result_get_value (result), "'# SPDX-'");
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/singleton/shared", test_shared);
  test_util_add_func ("/pyisolate/singleton/subclass", test_subclass);
  test_util_add_func ("/pyisolate/singleton/signatures", test_signatures);
  test_util_add_func ("/pyisolate/singleton/add-method", test_add_method);
  test_util_add_func ("/pyisolate/singleton/errors", test_errors);
  test_util_add_func ("/pyisolate/singleton/not-listed", test_not_listed);
  test_util_add_func ("/pyisolate/singleton/later", test_later);
  test_util_add_func ("/pyisolate/singleton/twice", test_twice);
  test_util_add_func ("/pyisolate/singleton/fds", test_fds);

  return host_test_run ();
}
