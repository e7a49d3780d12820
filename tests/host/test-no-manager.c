/* SPDX-License-Identifier: MIT */
/* What a binding can make without a constructor, of what only this library makes: whatever is asked of it says so, or is
 * empty. An extension that no manager has made, a tensor without memory, a result of no call. */
#include "config.h"

#include "host-fixture.h"

static PyIsolateExtension *
new_extension (void)
{
  return g_object_new (PYISOLATE_TYPE_EXTENSION, NULL);
}

static void
assert_says_why (GError **error)
{
  g_assert_error (*error, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING);
  host_assert_message (*error, "*no manager has loaded it*load_extension_async*");
  g_clear_error (error);
}

static void
test_properties (void)
{
  g_autoptr (PyIsolateExtension) extension = new_extension ();
  g_autofree GParamSpec **pspecs = NULL;
  g_auto (GStrv) tail = pyisolate_extension_dup_log_tail (extension);
  g_autoptr (GError) error = pyisolate_extension_dup_last_error (extension);
  guint n_pspecs;

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (extension), &n_pspecs);
  for (guint i = 0; i < n_pspecs; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_value_init (&value, pspecs[i]->value_type);
      g_object_get_property (G_OBJECT (extension), pspecs[i]->name, &value);
    }
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  g_assert_cmpstr (pyisolate_extension_get_name (extension), ==, "");
  g_assert_null (pyisolate_extension_get_config (extension));
  g_assert_null (pyisolate_extension_get_state_directory (extension));
  g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, 0);
  g_assert_cmpuint (pyisolate_extension_get_memory_usage (extension), ==, 0);
  g_assert_cmpuint (g_list_model_get_n_items (pyisolate_extension_get_methods (extension)), ==, 0);
  g_assert_null (pyisolate_extension_find_method (extension, "add"));
  g_assert_null (tail[0]);
  assert_says_why (&error);
}

static void
test_sync (void)
{
  g_autoptr (PyIsolateExtension) extension = new_extension ();
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("add");
  g_autoptr (GError) error = NULL;

  g_assert_null (pyisolate_extension_call_sync (extension, "add", NULL, NULL, NULL, &error));
  assert_says_why (&error);
  g_assert_null (pyisolate_extension_start_call_sync (extension, call, NULL, &error));
  assert_says_why (&error);
  g_assert_false (pyisolate_extension_ping_sync (extension, NULL, &error));
  assert_says_why (&error);
  g_assert_null (pyisolate_extension_allocate_memory (extension, 4096, PYISOLATE_MEMORY_NONE, &error));
  assert_says_why (&error);

  /* It is over already. */
  pyisolate_extension_kill (extension);
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, &error));
  g_assert_no_error (error);
}

static void
test_async (void)
{
  g_autoptr (PyIsolateExtension) extension = new_extension ();
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("add");
  g_autoptr (GAsyncResult) plain = NULL;
  g_autoptr (GAsyncResult) started = NULL;
  g_autoptr (GAsyncResult) pinged = NULL;
  g_autoptr (GAsyncResult) stopped = NULL;
  g_autoptr (GError) error = NULL;

  host_begin (extension, "add", NULL, NULL, &plain);
  pyisolate_extension_start_call_async (extension, call, NULL, host_store, &started);
  pyisolate_extension_ping_async (extension, NULL, host_store, &pinged);
  pyisolate_extension_stop_async (extension, NULL, host_store, &stopped);
  g_assert_null (stopped);

  error = host_end_error (extension, &plain, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING);
  assert_says_why (&error);
  host_wait_result (&started);
  g_assert_null (pyisolate_extension_start_call_finish (extension, started, &error));
  assert_says_why (&error);
  host_wait_result (&pinged);
  g_assert_false (pyisolate_extension_ping_finish (extension, pinged, &error));
  assert_says_why (&error);
  host_wait_result (&stopped);
  g_assert_true (pyisolate_extension_stop_finish (extension, stopped, &error));
  g_assert_no_error (error);
}

static void
on_begun (PyIsolateExtension  *extension,
          PyIsolateCallResult *result,
          const GError        *error,
          gpointer             user_data)
{
  GError **location = user_data;

  g_assert_null (result);
  *location = g_error_copy (error);
}

static void
never_answered (PyIsolateAnswer *answer,
                gpointer         user_data)
{
  g_assert_not_reached ();
}

static void
test_binding (void)
{
  g_autoptr (PyIsolateExtension) extension = new_extension ();
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("add");
  g_autoptr (GBytes) body = g_bytes_new_static ("", 0);
  PyIsolateRequest request = { .method = "add", .body = body };
  g_autoptr (GError) error = NULL;

  pyisolate_extension_begin_call (extension, call, NULL, on_begun, &error);
  test_util_assert_until (test_util_is_set, &error, HOST_TEST_TIMEOUT_MS);
  assert_says_why (&error);

  g_assert_cmpuint (pyisolate_extension_begin_request (extension, g_main_context_default (), &request,
                                                       never_answered, NULL, NULL, &error), ==, 0);
  assert_says_why (&error);
  pyisolate_extension_cancel_request (extension, 1);
}

static void
expect_no_tensor (const char *function)
{
  g_autofree char *pattern = g_strdup_printf ("*%s*_pyisolate_tensor_is_real*", function);

  test_util_expect_log ("PyIsolate", G_LOG_LEVEL_CRITICAL, pattern);
}

static void
test_tensor (void)
{
  g_autoptr (PyIsolateTensor) tensor = g_object_new (PYISOLATE_TYPE_TENSOR, NULL);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("add");
  g_autoptr (GError) error = NULL;
  gsize n_dims = 1;

  g_assert_null (pyisolate_tensor_get_shape (tensor, &n_dims));
  g_assert_cmpuint (n_dims, ==, 0);
  g_assert_null (pyisolate_tensor_get_memory (tensor));

  expect_no_tensor ("call_add_tensor");
  g_assert_null (pyisolate_call_add_tensor (call, tensor));
  expect_no_tensor ("tensor_get_data");
  g_assert_null (pyisolate_tensor_get_data (tensor, &error));
  expect_no_tensor ("tensor_get_bytes");
  g_assert_null (pyisolate_tensor_get_bytes (tensor, &error));
  expect_no_tensor ("tensor_to_dlpack");
  g_assert_null (pyisolate_tensor_to_dlpack (tensor, &error));
  g_assert_no_error (error);
  test_util_assert_logs_seen ();
}

static void
test_result (void)
{
  g_autoptr (PyIsolateCallResult) result = g_object_new (PYISOLATE_TYPE_CALL_RESULT, NULL);
  g_autoptr (GVariant) value = NULL;

  g_object_get (result, "value", &value, NULL);
  g_assert_null (value);
  g_assert_null (pyisolate_call_result_get_value (result));
  g_assert_null (pyisolate_call_result_get_body (result));
  g_assert_cmpuint (pyisolate_call_result_get_n_fds (result), ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/no-manager/properties", test_properties);
  test_util_add_func ("/pyisolate/no-manager/sync", test_sync);
  test_util_add_func ("/pyisolate/no-manager/async", test_async);
  test_util_add_func ("/pyisolate/no-manager/binding", test_binding);
  test_util_add_func ("/pyisolate/no-manager/tensor", test_tensor);
  test_util_add_func ("/pyisolate/no-manager/result", test_result);

  return host_test_run ();
}
