/* SPDX-License-Identifier: MIT */
/* Services of the host that extensions call. */
#include "config.h"

#include "host-fixture.h"

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
      PYISOLATE_PROXIED_SINGLETON_CLASS (test_mirror_parent_class)->handle_call (singleton, invocation);
      return;
    }

  value = g_variant_new ("(ss@*@a{sv})", pyisolate_extension_get_name (pyisolate_invocation_get_extension (invocation)),
                         pyisolate_invocation_get_method (invocation), pyisolate_invocation_get_args (invocation),
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
add (PyIsolateProxiedSingleton *singleton,
     const char                *name,
     const char                *signature,
     PyIsolateMethodFunc        func,
     gpointer                   data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_proxied_singleton_add_method (singleton, name, signature, NULL, func, data, NULL, &error));
  g_assert_no_error (error);
}

/* Adds it to the manager, which keeps it. */
static PyIsolateProxiedSingleton *
add_singleton (HostTest   *test,
               const char *name)
{
  g_autoptr (PyIsolateProxiedSingleton) singleton = pyisolate_proxied_singleton_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_extension_manager_add_singleton (test->manager, name, singleton, &error));
  g_assert_no_error (error);
  host_test_watch (test, singleton);

  return singleton;
}

static PyIsolateExtension *
load_client (HostTest   *test,
             const char *name,
             const char *file,
             const char *api)
{
  PyIsolateExtensionConfig *config = host_config (name, file);
  const char *apis[] = { api, NULL };

  pyisolate_extension_config_set_apis (config, apis);

  return host_test_load_config (test, config);
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
    pyisolate_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no such key");
}

/* Two extensions share the state. */
static void
test_shared (void)
{
  g_autoptr (GHashTable) table = NULL;
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *db = add_singleton (test, "db");
  PyIsolateExtension *one;
  PyIsolateExtension *two;

  table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  add (db, "set", "sv", on_set, table);
  add (db, "get", "s", on_get, table);
  one = load_client (test, "one", "client", "db");
  two = load_client (test, "two", "aclient", "db");

  host_assert_result (one, "call", "('db', 'set', 'key', {'a': <[1, 2]>})", "objectpath '/pyisolate/None'");
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
  extension = load_client (test, "it", "client", "mirror");
  host_assert_result (extension, "call", "('mirror', 'any_name', 1, 'x')",
                      "('it', 'any_name', (int64 1, 'x'), @a{sv} {})");
  result = pyisolate_extension_call_sync (extension, "call", g_variant_new ("(ss)", "mirror", "named"),
                                          g_variant_new_parsed ("{'key': <5>}"), NULL, &error);
  g_assert_no_error (error);
  host_assert_value (result, "('it', 'named', objectpath '/pyisolate/EmptyTuple', {'key': int64 5})");

  /* Chaining up leads to the methods that were added: here none. */
  error = host_call_error (extension, "call", "('mirror', 'parent')", PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "*RemoteError: *no method “parent”*");
}

static void
on_echo (PyIsolateProxiedSingleton *singleton,
         PyIsolateInvocation       *invocation,
         gpointer                   data)
{
  GVariant *args = pyisolate_invocation_get_args (invocation);
  g_autoptr (GVariant) first = g_variant_n_children (args) > 0 ? g_variant_get_child_value (args, 0) : NULL;

  pyisolate_invocation_return_value (invocation, first);
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
  PyIsolateProxiedSingleton *typed = add_singleton (test, "typed");
  PyIsolateExtension *extension;
  g_autoptr (GPtrArray) types = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (coercions); i++)
    {
      g_autofree char *name = g_strdup_printf ("m%u", i);

      g_ptr_array_add (types, g_strdup_printf ("(%s)", coercions[i].signature));
      add (typed, name, coercions[i].signature, on_type, g_ptr_array_index (types, i));
    }
  extension = load_client (test, "it", "client", "typed");

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
  const char *const bad_signatures[] = { "(", "z", "a", "sm" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GObject) data = g_object_new (G_TYPE_OBJECT, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (bad_names); i++)
    {
      g_assert_false (pyisolate_proxied_singleton_add_method (singleton, bad_names[i], NULL, NULL, on_echo,
                                                              g_object_ref (data), g_object_unref, &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
      g_clear_error (&error);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad_signatures); i++)
    {
      g_assert_false (pyisolate_proxied_singleton_add_method (singleton, "good", bad_signatures[i], NULL, on_echo,
                                                              g_object_ref (data), g_object_unref, &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
      g_clear_error (&error);
    }
  /* What is replaced, and what is left, is freed. */
  for (guint i = 0; i < 2; i++)
    g_assert_true (pyisolate_proxied_singleton_add_method (singleton, "good", "s", NULL, on_echo, g_object_ref (data),
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
  g_autoptr (GError) error = g_error_new (G_MARKUP_ERROR, G_MARKUP_ERROR_EMPTY, "“emptied”\nof all");

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
  PyIsolateProxiedSingleton *odd = add_singleton (test, "odd");
  PyIsolateExtension *extension;
  g_autoptr (GVariant) caught = NULL;
  g_autoptr (GVariant) missing = NULL;

  add (odd, "gerror", NULL, on_gerror, NULL);
  add (odd, "drop", NULL, on_drop, NULL);
  add (odd, "unsendable", NULL, on_unsendable, NULL);
  extension = load_client (test, "it", "client", "odd");

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
  PyIsolateProxiedSingleton *listed = add_singleton (test, "listed");
  PyIsolateProxiedSingleton *secret = add_singleton (test, "secret");
  PyIsolateExtension *extension;
  g_autoptr (GVariant) message = NULL;

  add (listed, "echo", NULL, on_echo, NULL);
  add (secret, "echo", NULL, on_echo, NULL);
  extension = load_client (test, "it", "client", "listed");
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
  PyIsolateProxiedSingleton *slow = add_singleton (test, "slow");
  PyIsolateExtension *sync;
  PyIsolateExtension *async;

  add (slow, "later", "i", on_later, NULL);
  sync = load_client (test, "sync", "client", "slow");
  async = load_client (test, "async", "aclient", "slow");
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
  PyIsolateProxiedSingleton *odd = add_singleton (test, "odd");
  PyIsolateExtension *extension;

  add (odd, "twice", NULL, on_twice, NULL);
  extension = load_client (test, "it", "client", "odd");
  test_util_expect_log ("PyIsolate", G_LOG_LEVEL_CRITICAL, "*“twice”*answered twice*");
  test_util_expect_log ("PyIsolate", G_LOG_LEVEL_CRITICAL, "*“twice”*answered twice*");
  host_assert_result (extension, "call", "('odd', 'twice')", "int64 1");
}

typedef struct {
  GPtrArray *kept; /* of PyIsolateInvocation */
  guint n_cancelled;
} Keeper;

static void
on_cancelled (GCancellable *cancellable,
              gpointer      data)
{
  ((Keeper *) data)->n_cancelled++;
}

static void
on_keep (PyIsolateProxiedSingleton *singleton,
         PyIsolateInvocation       *invocation,
         gpointer                   data)
{
  Keeper *keeper = data;

  g_ptr_array_add (keeper->kept, g_object_ref (invocation));
  g_signal_connect (pyisolate_invocation_get_cancellable (invocation), "cancelled", G_CALLBACK (on_cancelled), keeper);
}

static void
on_keep_only (PyIsolateProxiedSingleton *singleton,
              PyIsolateInvocation       *invocation,
              gpointer                   data)
{
  g_ptr_array_add (((Keeper *) data)->kept, g_object_ref (invocation));
}

static void
keeper_clear (Keeper *keeper)
{
  for (guint i = 0; i < keeper->kept->len; i++)
    g_signal_handlers_disconnect_by_data (pyisolate_invocation_get_cancellable (g_ptr_array_index (keeper->kept, i)), keeper);
  g_clear_pointer (&keeper->kept, g_ptr_array_unref);
}

static gboolean
has_cancelled (gpointer data)
{
  return ((Keeper *) data)->n_cancelled > 0;
}

static gboolean
has_kept (gpointer data)
{
  return ((Keeper *) data)->kept->len > 0;
}

static void
test_caller_cancels (void)
{
  Keeper keeper = { g_ptr_array_new_with_free_func (g_object_unref), 0 };
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *slow = add_singleton (test, "slow");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  GCancellable *cancellable;

  add (slow, "keep", NULL, on_keep, &keeper);
  add (slow, "begun", NULL, on_echo, NULL);
  extension = load_client (test, "it", "aclient", "slow");
  host_begin (extension, "begin_and_cancel", "('slow', 'keep')", NULL, &result);
  test_util_assert_until (has_cancelled, &keeper, HOST_TEST_TIMEOUT_MS);
  cancellable = pyisolate_invocation_get_cancellable (g_ptr_array_index (keeper.kept, 0));
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  value = host_end (extension, &result);
  host_assert_value (value, "'cancelled'");

  /* An answer that comes all the same is nobody's. */
  pyisolate_invocation_return_value (g_ptr_array_index (keeper.kept, 0), NULL);
  keeper_clear (&keeper);
  host_assert_result (extension, "echo", "(1,)", "int64 1");
}

/* Who asks for the cancellable only after the cancellation gets one that is cancelled. */
static void
test_asked_late (void)
{
  Keeper keeper = { g_ptr_array_new_with_free_func (g_object_unref), 0 };
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *slow = add_singleton (test, "slow");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GVariant) value = NULL;

  add (slow, "keep", NULL, on_keep, &keeper);
  add (slow, "keep_only", NULL, on_keep_only, &keeper);
  add (slow, "begun", NULL, on_echo, NULL);
  extension = load_client (test, "it", "aclient", "slow");
  host_begin (extension, "begin_and_cancel", "('slow', 'keep_only')", NULL, &first);
  value = host_end (extension, &first);
  host_assert_value (value, "'cancelled'");

  /* Cancellations come in order. */
  host_begin (extension, "begin_and_cancel", "('slow', 'keep')", NULL, &second);
  test_util_assert_until (has_cancelled, &keeper, HOST_TEST_TIMEOUT_MS);
  g_assert_true (
    g_cancellable_is_cancelled (pyisolate_invocation_get_cancellable (g_ptr_array_index (keeper.kept, 0))));
  g_clear_pointer (&value, g_variant_unref);
  value = host_end (extension, &second);
  host_assert_value (value, "'cancelled'");
  keeper_clear (&keeper);
}

static void
test_caller_dies (void)
{
  Keeper keeper = { g_ptr_array_new_with_free_func (g_object_unref), 0 };
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *slow = add_singleton (test, "slow");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  add (slow, "keep", NULL, on_keep, &keeper);
  extension = load_client (test, "it", "client", "slow");
  host_begin (extension, "call", "('slow', 'keep')", NULL, &result);
  test_util_assert_until (has_kept, &keeper, HOST_TEST_TIMEOUT_MS);
  g_assert_cmpuint (keeper.n_cancelled, ==, 0);
  pyisolate_extension_kill (extension);
  error = host_end_error (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  test_util_assert_until (has_cancelled, &keeper, HOST_TEST_TIMEOUT_MS);
  pyisolate_invocation_return_value (g_ptr_array_index (keeper.kept, 0), NULL);
  keeper_clear (&keeper);
}

/* The caller of the caller cancels: that reaches the innermost call. */
static void
test_cancel_through (void)
{
  Keeper keeper = { g_ptr_array_new_with_free_func (g_object_unref), 0 };
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *slow = add_singleton (test, "slow");
  const char *const files[] = { "client", "aclient" };

  add (slow, "keep", NULL, on_keep, &keeper);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      PyIsolateExtension *extension = load_client (test, files[i], files[i], "slow");
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;

      keeper.n_cancelled = 0;
      host_begin (extension, "call", "('slow', 'keep')", cancellable, &result);
      test_util_assert_until (has_kept, &keeper, HOST_TEST_TIMEOUT_MS);
      g_cancellable_cancel (cancellable);
      error = host_end_error (extension, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      test_util_assert_until (has_cancelled, &keeper, HOST_TEST_TIMEOUT_MS);
      g_signal_handlers_disconnect_by_data (pyisolate_invocation_get_cancellable (g_ptr_array_index (keeper.kept, 0)),
                                            &keeper);
      g_ptr_array_set_size (keeper.kept, 0);
    }
  keeper_clear (&keeper);
}

static void
on_down_sync (PyIsolateProxiedSingleton *singleton,
              PyIsolateInvocation       *invocation,
              gpointer                   data)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  result = pyisolate_extension_call_sync (pyisolate_invocation_get_extension (invocation), "down",
                                          pyisolate_invocation_get_args (invocation), NULL, NULL, &error);
  if (result != NULL)
    pyisolate_invocation_return_value (invocation, result);
  else
    pyisolate_invocation_return_error (invocation, error);
}

static void
on_down_result (GObject      *source,
                GAsyncResult *result,
                gpointer      data)
{
  g_autoptr (PyIsolateInvocation) invocation = data;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  value = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source), result, &error);
  if (value != NULL)
    pyisolate_invocation_return_value (invocation, value);
  else
    pyisolate_invocation_return_error (invocation, error);
}

static void
on_down_async (PyIsolateProxiedSingleton *singleton,
               PyIsolateInvocation       *invocation,
               gpointer                   data)
{
  pyisolate_extension_call_async (pyisolate_invocation_get_extension (invocation), "down",
                                  pyisolate_invocation_get_args (invocation), NULL, NULL, on_down_result,
                                  g_object_ref (invocation));
}

typedef struct {
  const char *label;
  const char *file;
  PyIsolateMethodFunc func;
} Nesting;

static const Nesting nestings[] = {
  { "def-sync", "client", on_down_sync },
  { "def-async", "client", on_down_async },
  { "coroutine-sync", "aclient", on_down_sync },
  { "coroutine-async", "aclient", on_down_async },
};

static void
test_nested (gconstpointer data)
{
  const Nesting *nesting = data;
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *nest = add_singleton (test, "nest");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;

  add (nest, "down", "i", nesting->func, NULL);
  extension = load_client (test, "it", nesting->file, "nest");

  /* The host iterates its context, */
  host_begin (extension, "down", "(50,)", NULL, &result);
  value = host_end (extension, &result);
  host_assert_value (value, "int64 50");
  /* or blocks: what it has begun at lower levels without waiting needs the context. */
  if (nesting->func == on_down_sync)
    host_assert_result (extension, "down", "(50,)", "int64 50");
}

/* Deeper than any honest program: an end, with a reason. */
static void
test_chain_limit (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *nest = add_singleton (test, "nest");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = g_strdup_printf ("[<'RemoteError'>, <int64 %d>]", PYISOLATE_ERROR_LIMIT);

  add (nest, "down", "i", on_down_async, NULL);
  extension = load_client (test, "it", "aclient", "nest");
  host_begin (extension, "down", "(100000,)", NULL, &result);
  error = host_end_error (extension, &result, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_message (error, "*chain of more than 256 calls*");

  /* When it is the host's turn to see it. */
  host_begin (extension, "down_alone", "(100000,)", NULL, &result);
  value = host_end (extension, &result);
  host_assert_value (value, expected);
  host_assert_result (extension, "echo", "(1,)", "int64 1");
}

typedef struct {
  PyIsolateExtension *other;
  const char *method;
} Relay;

static void
on_relay (PyIsolateProxiedSingleton *singleton,
          PyIsolateInvocation       *invocation,
          gpointer                   data)
{
  Relay *relay = data;
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  result = pyisolate_extension_call_sync (relay->other, relay->method, pyisolate_invocation_get_args (invocation), NULL, NULL,
                                          &error);
  g_assert_no_error (error);
  pyisolate_invocation_return_value (invocation, result);
}

/* a → host → b → host → a → host: all of them block, none for ever. */
static void
test_ring (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *to_b = add_singleton (test, "to_b");
  PyIsolateProxiedSingleton *to_a = add_singleton (test, "to_a");
  PyIsolateProxiedSingleton *end = add_singleton (test, "end");
  Relay relay_b = { NULL, "call" };
  Relay relay_a = { NULL, "call" };
  const char *apis[] = { "to_a", "to_b", "end", NULL };
  PyIsolateExtensionConfig *config;

  add (to_b, "go", NULL, on_relay, &relay_b);
  add (to_a, "go", NULL, on_relay, &relay_a);
  add (end, "echo", NULL, on_echo, NULL);
  config = host_config ("a", "client");
  pyisolate_extension_config_set_apis (config, apis);
  relay_a.other = host_test_load_config (test, config);
  config = host_config ("b", "client");
  pyisolate_extension_config_set_apis (config, apis);
  relay_b.other = host_test_load_config (test, config);

  host_assert_result (relay_a.other, "call", "('to_b', 'go', 'to_a', 'go', 'to_b', 'go', 'end', 'echo', 'round')", "'round'");
}

typedef struct {
  PyIsolateExtension *extension;
  int n_done; /* atomic */
} Threads;

static gpointer
call_in_thread (gpointer data)
{
  Threads *threads = data;

  host_assert_result (threads->extension, "call", "('db', 'echo', 'from a thread')", "'from a thread'");
  g_atomic_int_inc (&threads->n_done);
  g_main_context_wakeup (NULL);

  return NULL;
}

static gboolean
all_are_done (gpointer data)
{
  return g_atomic_int_get (&((Threads *) data)->n_done) == 6;
}

/* Other threads block too; the singleton's context is served by whoever iterates it or blocks in it. */
static void
test_threads (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *db = add_singleton (test, "db");
  Threads shared = { NULL, 0 };
  GThread *threads[6];

  add (db, "echo", NULL, on_echo, NULL);
  shared.extension = load_client (test, "it", "client", "db");
  g_assert_true (g_main_context_acquire (NULL));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("caller", call_in_thread, &shared);
  for (guint i = 0; i < 20; i++)
    host_assert_result (shared.extension, "call", "('db', 'echo', 1)", "int64 1");
  test_util_assert_until (all_are_done, &shared, HOST_TEST_TIMEOUT_MS);
  g_main_context_release (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static gboolean
has_4096 (gpointer data)
{
  return ((Keeper *) data)->kept->len == 4096;
}

static void
test_calls_limit (void)
{
  Keeper keeper = { g_ptr_array_new_with_free_func (g_object_unref), 0 };
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *slow = add_singleton (test, "slow");
  PyIsolateExtension *extension;
  g_autoptr (HostNews) news = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autofree char *expected = NULL;

  add (slow, "keep", NULL, on_keep, &keeper);
  extension = load_client (test, "it", "aclient", "slow");
  news = host_news_new (extension);
  host_begin (extension, "flood", "('slow', 'keep', 4200)", NULL, &result);
  host_news_wait_event (news, "sent|4200");
  test_util_assert_until (has_4096, &keeper, HOST_TEST_TIMEOUT_MS);
  /* An answer behind them all: the rest has been refused by now. */
  host_assert_result (extension, "echo", "(1,)", "int64 1");
  g_assert_null (result);
  g_assert_cmpuint (keeper.kept->len, ==, 4096);
  for (guint i = 0; i < 4096; i++)
    pyisolate_invocation_return_value (g_ptr_array_index (keeper.kept, i), NULL);
  value = host_end (extension, &result);
  expected = g_strdup_printf ("[<int64 4096>, <[<('PyIsolateError', int64 %d)>]>]", PYISOLATE_ERROR_LIMIT);
  host_assert_value (value, expected);
  keeper_clear (&keeper);
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
  PyIsolateProxiedSingleton *files = add_singleton (test, "files");
  PyIsolateExtension *extension;
  g_autofree char *path = host_extension_path ("basic.py");
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("call");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  add (files, "read", NULL, on_read_fd, NULL);
  extension = load_client (test, "it", "client", "files");
  g_assert_cmpint (pyisolate_call_append_fd (call, fd, &error), ==, 0);
  close (fd);
  pyisolate_call_set_args (call, g_variant_new ("(ssh)", "files", "read", 0));
  result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
  g_assert_no_error (error);
  host_assert_value (pyisolate_call_result_get_value (result), "'# SPDX-'");
}

static void
on_context (PyIsolateProxiedSingleton *singleton,
            PyIsolateInvocation       *invocation,
            gpointer                   data)
{
  gboolean mine = g_main_context_get_thread_default () == data;

  pyisolate_invocation_return_value (invocation, g_variant_new_boolean (mine));
}

/* Methods run where the singleton was made, or with follow-caller where the call was made that led to them. */
static void
test_contexts (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *where = add_singleton (test, "where");
  g_autoptr (GMainContext) context = g_main_context_new ();
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;

  add (where, "mine", NULL, on_context, context);
  extension = load_client (test, "it", "client", "where");
  host_assert_result (extension, "call", "('where', 'mine')", "false");

  pyisolate_proxied_singleton_set_follow_caller (where, TRUE);
  g_assert_true (pyisolate_proxied_singleton_get_follow_caller (where));
  g_main_context_push_thread_default (context);
  host_assert_result (extension, "call", "('where', 'mine')", "true");
  host_begin (extension, "call", "('where', 'mine')", NULL, &result);
  value = host_end (extension, &result);
  host_assert_value (value, "true");
  g_main_context_pop_thread_default (context);
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
  test_util_add_func ("/pyisolate/singleton/caller-cancels", test_caller_cancels);
  test_util_add_func ("/pyisolate/singleton/asked-late", test_asked_late);
  test_util_add_func ("/pyisolate/singleton/caller-dies", test_caller_dies);
  test_util_add_func ("/pyisolate/singleton/cancel-through", test_cancel_through);
  for (guint i = 0; i < G_N_ELEMENTS (nestings); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/singleton/nested/", nestings[i].label, NULL);

      test_util_add_data_func (path, &nestings[i], test_nested);
    }
  test_util_add_func ("/pyisolate/singleton/chain-limit", test_chain_limit);
  test_util_add_func ("/pyisolate/singleton/ring", test_ring);
  test_util_add_func ("/pyisolate/singleton/threads", test_threads);
  test_util_add_func ("/pyisolate/singleton/calls-limit", test_calls_limit);
  test_util_add_func ("/pyisolate/singleton/fds", test_fds);
  test_util_add_func ("/pyisolate/singleton/contexts", test_contexts);

  return host_test_run ();
}
