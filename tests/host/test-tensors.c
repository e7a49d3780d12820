/* SPDX-License-Identifier: MIT */
/* Tensors of a C host, to an extension and back. */
#include "config.h"

#include "singleton-fixture.h"
#include "tensor-fixture.h"

#define SIZE 100000

/* Shared memory comes back as itself; what was private is equal. */
static void
test_echo (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) shared = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
  const gsize sizes[] = { 0, 1, 1000, 16 * 1024, 16 * 1024 + 1, 1000000 };

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (PyIsolateTensor) same = host_echo_tensor (extension, shared);

      g_assert_true (pyisolate_tensor_get_memory (same) == pyisolate_tensor_get_memory (shared));
      g_assert_true (host_get_tensor_data (same) == host_get_tensor_data (shared));
    }

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (PyIsolateTensor) private = host_new_private_tensor (sizes[i]);
      g_autoptr (PyIsolateTensor) back = host_echo_tensor (extension, private);
      g_autoptr (GBytes) sent = pyisolate_tensor_get_bytes (private, NULL);
      g_autoptr (GBytes) received = pyisolate_tensor_get_bytes (back, NULL);

      g_assert_true (g_bytes_equal (sent, received));
    }
}

static void
test_layout (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) shared = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateTensor) view = NULL;
  g_autoptr (PyIsolateTensor) back = NULL;
  const gint64 shape[] = { 3, 5 };
  const gint64 strides[] = { 2, -7 };
  gsize n_dims;
  g_autoptr (GError) error = NULL;

  view = pyisolate_tensor_new (pyisolate_tensor_get_memory (shared), PYISOLATE_DTYPE_INT32, shape,
                               2, strides, 2, 400, &error);
  g_assert_no_error (error);
  host_assert_tensor_call (extension, "describe", view, NULL, "('i', [int64 3, 5], [int64 8, -28], false)");
  back = host_echo_tensor (extension, view);
  g_assert_cmpint (pyisolate_tensor_get_dtype (back), ==, PYISOLATE_DTYPE_INT32);
  g_assert_cmpmem (pyisolate_tensor_get_shape (back, &n_dims), n_dims * 8, shape, sizeof shape);
  g_assert_cmpmem (pyisolate_tensor_get_strides (back, &n_dims), n_dims * 8, strides,
                   sizeof strides);
  g_assert_true (host_get_tensor_data (back) == host_get_tensor_data (view));
}

/* Each side sees what the other writes. */
static void
test_writes (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) tensor = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);

  host_get_tensor_data (tensor)[0] = 5;
  host_assert_tensor_call (extension, "first", tensor, NULL, "int64 5");
  host_assert_tensor_call (extension, "write", tensor, "int64 6", "objectpath '/pyisolate/None'");
  g_assert_cmpuint (host_get_tensor_data (tensor)[0], ==, 6);

  g_object_unref (host_call_with_tensor (extension, "keep", tensor, NULL));
  host_get_tensor_data (tensor)[0] = 7;
  host_assert_tensor_call (extension, "first", tensor, NULL, "int64 7");
}

/* A tensor of floats, whose places in a value are not always multiples of 8. */
static PyIsolateTensor *
new_floats (gsize n)
{
  const gint64 shape[] = { n };
  g_autoptr (GError) error = NULL;
  g_autofree double *data = g_new (double, n);
  g_autoptr (GBytes) bytes = NULL;
  PyIsolateTensor *tensor;

  for (gsize i = 0; i < n; i++)
    data[i] = i * 0.5;
  bytes = g_bytes_new (data, n * sizeof *data);
  tensor = pyisolate_tensor_new_from_bytes (bytes, PYISOLATE_DTYPE_FLOAT64, shape, 1, &error);
  g_assert_no_error (error);
  return tensor;
}

static void
assert_floats (GVariant *value,
               gsize     n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateTensor) tensor = NULL;
  const double *data;
  gsize n_dims;

  g_assert_true (pyisolate_value_is_tensor (value));
  tensor = pyisolate_tensor_new_from_value (value, &error);
  g_assert_no_error (error);
  g_assert_cmpint (pyisolate_tensor_get_dtype (tensor), ==, PYISOLATE_DTYPE_FLOAT64);
  g_assert_cmpuint (pyisolate_tensor_get_shape (tensor, &n_dims)[0], ==, n);
  g_assert_cmpuint (n_dims, ==, 1);
  g_assert_null (pyisolate_tensor_get_memory (tensor));
  data = (const double *) (gconstpointer) host_get_tensor_data (tensor);
  g_assert_cmpuint ((guintptr) data % sizeof *data, ==, 0);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat (data[i], ==, i * 0.5);
}

static void
on_picture (PyIsolateExtension  *extension,
            const char          *name,
            GVariant            *value,
            GVariant           **kept)
{
  g_assert_cmpstr (name, ==, "picture");
  *kept = g_variant_ref (value);
}

/* What an event or an exception holds is had from the value alone. */
static void
test_value (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  const gsize sizes[] = { 1, 1000, 5000 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (PyIsolateTensor) tensor = new_floats (sizes[i]);
      g_autoptr (PyIsolateCall) call = host_new_tensor_call ("refuse", tensor, NULL);
      g_autoptr (PyIsolateRemoteException) exception = NULL;
      g_autoptr (GVariant) event = NULL, picture = NULL, argument = NULL;
      g_autoptr (GError) error = NULL;
      gulong id = g_signal_connect (extension, "event", G_CALLBACK (on_picture), &event);

      host_assert_tensor_call (extension, "tell", tensor, NULL, "objectpath '/pyisolate/None'");
      while (event == NULL)
        g_main_context_iteration (NULL, TRUE);
      g_signal_handler_disconnect (extension, id);
      picture = g_variant_lookup_value (event, "picture", NULL);
      assert_floats (picture, sizes[i]);

      g_assert_null (pyisolate_extension_start_call_sync (extension, call, NULL, &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
      exception = pyisolate_call_dup_remote_exception (call);
      argument = g_variant_get_child_value (pyisolate_remote_exception_get_args (exception), 1);
      assert_floats (argument, sizes[i]);
    }
}

/* A value that is no tensor, and one whose memory went beside it. */
static void
test_no_value (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) tensor = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateCallResult) result = host_call_with_tensor (extension, "echo", tensor, NULL);
  g_autoptr (GVariant) number = g_variant_ref_sink (g_variant_new_int64 (1));
  GVariant *values[] = { number, pyisolate_call_result_get_value (result) };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (pyisolate_tensor_new_from_value (values[i], &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
    }
}

static void
test_read_only (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) tensor = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_READ_ONLY);

  host_get_tensor_data (tensor)[0] = 5;
  host_assert_tensor_call (extension, "describe", tensor, NULL, "('B', [int64 100000], [int64 1], true)");
  /* Who writes all the same writes to a page of its own, and lives. */
  host_assert_tensor_call (extension, "write_read_only", tensor, NULL, "int64 7");
  g_assert_cmpuint (host_get_tensor_data (tensor)[0], ==, 5);
  host_assert_tensor_call (extension, "first", tensor, NULL, "int64 5");
}

static void
test_depth (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) tensor = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateCallResult) result = host_call_with_tensor (extension, "nested", tensor, NULL);
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) direct = NULL;
  g_autoptr (GVariant) tuple = NULL;
  g_autoptr (GVariant) inner = NULL;
  g_autoptr (PyIsolateTensor) first = NULL;
  g_autoptr (PyIsolateTensor) second = NULL;

  list = g_variant_lookup_value (pyisolate_call_result_get_value (result), "list", NULL);
  g_variant_get_child (list, 0, "v", &direct);
  g_variant_get_child (list, 1, "v", &tuple);
  inner = g_variant_get_child_value (tuple, 0);
  first = host_get_tensor (result, direct);
  second = host_get_tensor (result, inner);
  g_assert_true (host_get_tensor_data (first) == host_get_tensor_data (tensor));
  g_assert_true (host_get_tensor_data (second) == host_get_tensor_data (tensor));
}

/* What an extension makes lies in memory of the host's. */
static void
test_made_there (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");

  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (PyIsolateCall) call = pyisolate_call_new ("make");
      g_autoptr (GError) error = NULL;
      g_autoptr (PyIsolateCallResult) result = NULL;
      g_autoptr (PyIsolateTensor) tensor = NULL;

      pyisolate_call_set_args (call, g_variant_new ("(i)", i % 2 == 0 ? SIZE : 5 * SIZE));
      result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
      g_assert_no_error (error);
      tensor = host_get_tensor (result, pyisolate_call_result_get_value (result));
      g_assert_nonnull (pyisolate_tensor_get_memory (tensor));
      g_assert_cmpuint (host_get_tensor_data (tensor)[0], ==, 1);
      g_assert_cmpuint (host_get_tensor_data (tensor)[SIZE - 1], ==, 0);
      host_get_tensor_data (tensor)[SIZE - 1] = 9; /* not to be seen in the next one */
    }
}

static void
on_double (PyIsolateProxiedSingleton *singleton,
           PyIsolateInvocation       *invocation,
           gpointer                   data)
{
  g_autoptr (GVariant) value = g_variant_get_child_value (pyisolate_invocation_get_args (invocation), 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateTensor) tensor = pyisolate_invocation_dup_tensor (invocation, value, &error);

  g_assert_no_error (error);
  host_get_tensor_data (tensor)[0] *= 2;
  pyisolate_invocation_return_value (invocation,
                                     pyisolate_invocation_add_tensor (invocation, tensor));
}

static void
test_singleton (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *singleton = host_add_singleton (test, "service");
  g_autoptr (PyIsolateTensor) tensor = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (PyIsolateTensor) back = NULL;
  g_autoptr (GError) error = NULL;

  host_add_method (singleton, "double", NULL, on_double, NULL);
  host_get_tensor_data (tensor)[0] = 21;
  result = host_call_with_tensor (host_load_with_api (test, "it", "tensors", "service"), "double", tensor,
                                  NULL);
  back = host_get_tensor (result, pyisolate_call_result_get_value (result));
  g_assert_true (host_get_tensor_data (back) == host_get_tensor_data (tensor));
  g_assert_cmpuint (host_get_tensor_data (tensor)[0], ==, 42);
}

/* A tensor of private memory goes into the message, up to 16 KiB. */
static void
test_small (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) within = host_new_private_tensor (16 * 1024);
  g_autoptr (PyIsolateTensor) beside = host_new_private_tensor (16 * 1024 + 1);

  host_assert_tensor_call (extension, "is_shared", within, NULL, "false");
  host_assert_tensor_call (extension, "is_shared", beside, NULL, "true");
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/tensors/echo", test_echo);
  test_util_add_func ("/pyisolate/tensors/layout", test_layout);
  test_util_add_func ("/pyisolate/tensors/writes", test_writes);
  test_util_add_func ("/pyisolate/tensors/value", test_value);
  test_util_add_func ("/pyisolate/tensors/no-value", test_no_value);
  test_util_add_func ("/pyisolate/tensors/read-only", test_read_only);
  test_util_add_func ("/pyisolate/tensors/depth", test_depth);
  test_util_add_func ("/pyisolate/tensors/made-there", test_made_there);
  test_util_add_func ("/pyisolate/tensors/singleton", test_singleton);
  test_util_add_func ("/pyisolate/tensors/small", test_small);

  return host_test_run ();
}
