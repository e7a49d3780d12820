/* SPDX-License-Identifier: MIT */
/* A call of a singleton that nobody waits for any more, or that waits too long. */
#include "config.h"

#include "singleton-fixture.h"

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
  g_signal_connect (pyisolate_invocation_get_cancellable (invocation), "cancelled",
                    G_CALLBACK (on_cancelled), keeper);
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
  PyIsolateProxiedSingleton *slow = host_add_singleton (test, "slow");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  GCancellable *cancellable;

  host_add_method (slow, "keep", NULL, on_keep, &keeper);
  host_add_method (slow, "begun", NULL, host_on_echo, NULL);
  extension = host_load_with_api (test, "it", "aclient", "slow");
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
  PyIsolateProxiedSingleton *slow = host_add_singleton (test, "slow");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GVariant) value = NULL;

  host_add_method (slow, "keep", NULL, on_keep, &keeper);
  host_add_method (slow, "keep_only", NULL, on_keep_only, &keeper);
  host_add_method (slow, "begun", NULL, host_on_echo, NULL);
  extension = host_load_with_api (test, "it", "aclient", "slow");
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
  PyIsolateProxiedSingleton *slow = host_add_singleton (test, "slow");
  PyIsolateExtension *extension;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  host_add_method (slow, "keep", NULL, on_keep, &keeper);
  extension = host_load_with_api (test, "it", "client", "slow");
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
  PyIsolateProxiedSingleton *slow = host_add_singleton (test, "slow");
  const char *const files[] = { "client", "aclient" };

  host_add_method (slow, "keep", NULL, on_keep, &keeper);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      PyIsolateExtension *extension = host_load_with_api (test, files[i], files[i], "slow");
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
  PyIsolateProxiedSingleton *slow = host_add_singleton (test, "slow");
  PyIsolateExtension *extension;
  g_autoptr (HostNews) news = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autofree char *expected = NULL;

  host_add_method (slow, "keep", NULL, on_keep, &keeper);
  extension = host_load_with_api (test, "it", "aclient", "slow");
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
  expected = g_strdup_printf ("[<int64 4096>, <[<('PyIsolateError', int64 %d)>]>]",
                              PYISOLATE_ERROR_LIMIT);
  host_assert_value (value, expected);
  keeper_clear (&keeper);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/singleton/caller-cancels", test_caller_cancels);
  test_util_add_func ("/pyisolate/singleton/asked-late", test_asked_late);
  test_util_add_func ("/pyisolate/singleton/caller-dies", test_caller_dies);
  test_util_add_func ("/pyisolate/singleton/cancel-through", test_cancel_through);
  test_util_add_func ("/pyisolate/singleton/calls-limit", test_calls_limit);

  return host_test_run ();
}
