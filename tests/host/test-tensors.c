/* SPDX-License-Identifier: MIT */
/* Tensors of a C host, to an extension and back. */
#include "config.h"

#include "singleton-fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE 100000

static PyIsolateTensor *
new_shared (gsize                size,
            PyIsolateMemoryFlags flags)
{
  const gint64 shape[] = { size };
  g_autoptr (GError) error = NULL;
  PyIsolateTensor *tensor = pyisolate_tensor_new_for_shape (PYISOLATE_DTYPE_UINT8, shape, 1, flags,
                                                            &error);

  g_assert_no_error (error);
  return tensor;
}

static PyIsolateTensor *
new_private (gsize size)
{
  const gint64 shape[] = { size };
  g_autoptr (GError) error = NULL;
  guint8 *data = g_malloc (size);
  g_autoptr (GBytes) bytes = NULL;
  PyIsolateTensor *tensor;

  for (gsize i = 0; i < size; i++)
    data[i] = i * 3;
  bytes = g_bytes_new_take (data, size);
  tensor = pyisolate_tensor_new_from_bytes (bytes, PYISOLATE_DTYPE_UINT8, shape, 1, &error);
  g_assert_no_error (error);
  return tensor;
}

static guint8 *
get_data (PyIsolateTensor *tensor)
{
  g_autoptr (GError) error = NULL;
  guint8 *data = pyisolate_tensor_get_data (tensor, &error);

  g_assert_no_error (error);
  return data;
}

/* @rest: further arguments in GVariant's text form, or NULL */
static PyIsolateCall *
new_call (const char      *method,
          PyIsolateTensor *tensor,
          const char      *rest)
{
  PyIsolateCall *call = pyisolate_call_new (method);
  GVariant *children[2] = { pyisolate_call_add_tensor (call, tensor), NULL };

  if (rest != NULL)
    children[1] = g_variant_new_parsed (rest);
  pyisolate_call_set_args (call, g_variant_new_tuple (children, rest != NULL ? 2 : 1));

  return call;
}

static PyIsolateCallResult *
call_with (PyIsolateExtension *extension,
           const char         *method,
           PyIsolateTensor    *tensor,
           const char         *rest)
{
  g_autoptr (PyIsolateCall) call = new_call (method, tensor, rest);
  g_autoptr (GError) error = NULL;
  PyIsolateCallResult *result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);

  g_assert_no_error (error);
  return result;
}

static void
assert_call (PyIsolateExtension *extension,
             const char         *method,
             PyIsolateTensor    *tensor,
             const char         *rest,
             const char         *expected)
{
  g_autoptr (PyIsolateCallResult) result = call_with (extension, method, tensor, rest);

  host_assert_value (pyisolate_call_result_get_value (result), expected);
}

static PyIsolateTensor *
get_tensor (PyIsolateCallResult *result,
            GVariant            *value)
{
  g_autoptr (GError) error = NULL;
  PyIsolateTensor *tensor;

  g_assert_true (pyisolate_value_is_tensor (value));
  tensor = pyisolate_call_result_dup_tensor (result, value, &error);
  g_assert_no_error (error);
  return tensor;
}

static PyIsolateTensor *
echo (PyIsolateExtension *extension,
      PyIsolateTensor    *tensor)
{
  g_autoptr (PyIsolateCallResult) result = call_with (extension, "echo", tensor, NULL);

  return get_tensor (result, pyisolate_call_result_get_value (result));
}

/* Shared memory comes back as itself; what was private is equal. */
static void
test_echo (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) shared = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
  const gsize sizes[] = { 0, 1, 1000, 16 * 1024, 16 * 1024 + 1, 1000000 };

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (PyIsolateTensor) same = echo (extension, shared);

      g_assert_true (pyisolate_tensor_get_memory (same) == pyisolate_tensor_get_memory (shared));
      g_assert_true (get_data (same) == get_data (shared));
    }

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (PyIsolateTensor) private = new_private (sizes[i]);
      g_autoptr (PyIsolateTensor) back = echo (extension, private);
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
  g_autoptr (PyIsolateTensor) shared = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateTensor) view = NULL;
  g_autoptr (PyIsolateTensor) back = NULL;
  const gint64 shape[] = { 3, 5 };
  const gint64 strides[] = { 2, -7 };
  gsize n_dims;
  g_autoptr (GError) error = NULL;

  view = pyisolate_tensor_new (pyisolate_tensor_get_memory (shared), PYISOLATE_DTYPE_INT32, shape,
                               2, strides, 2, 400, &error);
  g_assert_no_error (error);
  assert_call (extension, "describe", view, NULL, "('i', [int64 3, 5], [int64 8, -28], false)");
  back = echo (extension, view);
  g_assert_cmpint (pyisolate_tensor_get_dtype (back), ==, PYISOLATE_DTYPE_INT32);
  g_assert_cmpmem (pyisolate_tensor_get_shape (back, &n_dims), n_dims * 8, shape, sizeof shape);
  g_assert_cmpmem (pyisolate_tensor_get_strides (back, &n_dims), n_dims * 8, strides,
                   sizeof strides);
  g_assert_true (get_data (back) == get_data (view));
}

/* Each side sees what the other writes. */
static void
test_writes (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) tensor = new_shared (SIZE, PYISOLATE_MEMORY_NONE);

  get_data (tensor)[0] = 5;
  assert_call (extension, "first", tensor, NULL, "int64 5");
  assert_call (extension, "write", tensor, "int64 6", "objectpath '/pyisolate/None'");
  g_assert_cmpuint (get_data (tensor)[0], ==, 6);

  g_object_unref (call_with (extension, "keep", tensor, NULL));
  get_data (tensor)[0] = 7;
  assert_call (extension, "first", tensor, NULL, "int64 7");
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
  data = (const double *) (gconstpointer) get_data (tensor);
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
      g_autoptr (PyIsolateCall) call = new_call ("refuse", tensor, NULL);
      g_autoptr (PyIsolateRemoteException) exception = NULL;
      g_autoptr (GVariant) event = NULL, picture = NULL, argument = NULL;
      g_autoptr (GError) error = NULL;
      gulong id = g_signal_connect (extension, "event", G_CALLBACK (on_picture), &event);

      assert_call (extension, "tell", tensor, NULL, "objectpath '/pyisolate/None'");
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
  g_autoptr (PyIsolateTensor) tensor = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateCallResult) result = call_with (extension, "echo", tensor, NULL);
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
  g_autoptr (PyIsolateTensor) tensor = new_shared (SIZE, PYISOLATE_MEMORY_READ_ONLY);

  get_data (tensor)[0] = 5;
  assert_call (extension, "describe", tensor, NULL, "('B', [int64 100000], [int64 1], true)");
  /* Who writes all the same writes to a page of its own, and lives. */
  assert_call (extension, "write_read_only", tensor, NULL, "int64 7");
  g_assert_cmpuint (get_data (tensor)[0], ==, 5);
  assert_call (extension, "first", tensor, NULL, "int64 5");
}

static void
test_depth (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) tensor = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateCallResult) result = call_with (extension, "nested", tensor, NULL);
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
  first = get_tensor (result, direct);
  second = get_tensor (result, inner);
  g_assert_true (get_data (first) == get_data (tensor));
  g_assert_true (get_data (second) == get_data (tensor));
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
      tensor = get_tensor (result, pyisolate_call_result_get_value (result));
      g_assert_nonnull (pyisolate_tensor_get_memory (tensor));
      g_assert_cmpuint (get_data (tensor)[0], ==, 1);
      g_assert_cmpuint (get_data (tensor)[SIZE - 1], ==, 0);
      get_data (tensor)[SIZE - 1] = 9; /* not to be seen in the next one */
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
  get_data (tensor)[0] *= 2;
  pyisolate_invocation_return_value (invocation,
                                     pyisolate_invocation_add_tensor (invocation, tensor));
}

static void
test_singleton (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateProxiedSingleton *singleton = host_add_singleton (test, "service");
  g_autoptr (PyIsolateTensor) tensor = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (PyIsolateTensor) back = NULL;
  g_autoptr (GError) error = NULL;

  host_add_method (singleton, "double", NULL, on_double, NULL);
  get_data (tensor)[0] = 21;
  result = call_with (host_load_with_api (test, "it", "tensors", "service"), "double", tensor,
                      NULL);
  back = get_tensor (result, pyisolate_call_result_get_value (result));
  g_assert_true (get_data (back) == get_data (tensor));
  g_assert_cmpuint (get_data (tensor)[0], ==, 42);
}

/* More than an extension may have is the error of one call. */
static void
test_limit (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config = host_config ("it", "tensors");
  PyIsolateExtension *extension;
  g_autoptr (PyIsolateTensor) tensor = new_private (3000000);
  g_autoptr (PyIsolateTensor) small = new_private (500000);
  g_autoptr (PyIsolateTensor) back = NULL;
  g_autoptr (PyIsolateCall) call = new_call ("echo", tensor, NULL);
  g_autoptr (GError) error = NULL;

  pyisolate_extension_config_set_shared_memory_limit (config, 2000000);
  extension = host_test_load_config (test, config);
  g_assert_null (pyisolate_extension_start_call_sync (extension, call, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_clear_error (&error);

  error = host_call_error (extension, "make_many", "(10, 1000000)",
                           PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_result (extension, "drop", NULL, "objectpath '/pyisolate/None'");
  back = echo (extension, small);
}

static void
assert_call_fails (PyIsolateExtension *extension,
                   PyIsolateTensor    *tensor,
                   GQuark              domain,
                   int                 code)
{
  g_autoptr (PyIsolateCall) call = new_call ("take", tensor, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (pyisolate_extension_start_call_sync (extension, call, NULL, &error));
  g_assert_error (error, domain, code);
}

/* Where the host has no descriptors left a call that needs one fails, and no other. */
static void
test_no_descriptors (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) shared = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateTensor) known = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateTensor) private = new_private (SIZE);
  HostDescriptors descriptors;

  assert_call (extension, "take", known, NULL, "int64 1");
  /* The worker has said that it knows it: with the answer, or by the link, if that was faster. */
  g_assert_true (pyisolate_extension_ping_sync (extension, NULL, NULL));
  host_use_up_descriptors (&descriptors);
  assert_call_fails (extension, shared, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES);
  assert_call_fails (extension, private, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES);
  assert_call (extension, "take", known, NULL, "int64 1");
  host_give_back_descriptors (&descriptors);

  assert_call (extension, "take", shared, NULL, "int64 1");
  assert_call (extension, "take", private, NULL, "int64 1");
}

/* Where the extension cannot map a piece it is an error of that call; the next one is served, and later that piece, too. */
static void
test_no_mapping (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) large = new_shared (128 << 20, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateTensor) small = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (GVariant) is_limited = host_call (extension, "limit_address_space", "(int64 67108864,)");

  if (!g_variant_get_boolean (is_limited))
    {
      g_test_skip ("a sanitizer has all of the address space");
      return;
    }
  assert_call_fails (extension, large, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  assert_call (extension, "take", small, NULL, "int64 1");
  host_assert_result (extension, "limit_address_space", "(int64 -1,)", "true");
  assert_call (extension, "write", large, "int64 9", "objectpath '/pyisolate/None'");
  g_assert_cmpuint (get_data (large)[0], ==, 9);
}

/* A tensor of private memory goes into the message, up to 16 KiB. */
static void
test_small (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) within = new_private (16 * 1024);
  g_autoptr (PyIsolateTensor) beside = new_private (16 * 1024 + 1);

  assert_call (extension, "is_shared", within, NULL, "false");
  assert_call (extension, "is_shared", beside, NULL, "true");
}

/* Sent and dropped at once, to a process that does not run: it is there when that goes on, and gone
 * afterwards. */
static void
test_stopped (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  PyIsolateTensor *tensor = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateCall) call = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (PyIsolateCallResult) outcome = NULL;
  g_autoptr (GError) error = NULL;

  get_data (tensor)[0] = 33;
  call = new_call ("first", tensor, NULL);
  g_assert_cmpint (kill (pyisolate_extension_get_pid (extension), SIGSTOP), ==, 0);
  pyisolate_extension_start_call_async (extension, call, NULL, host_store, &result);
  g_clear_object (&call);
  g_clear_object (&tensor);
  g_usleep ((host_wants_slow () ? 10 : 1) * G_USEC_PER_SEC); /* whatever is timed would be over */
  g_assert_null (result);
  g_assert_cmpint (kill (pyisolate_extension_get_pid (extension), SIGCONT), ==, 0);

  host_wait_result (&result);
  outcome = pyisolate_extension_start_call_finish (extension, result, &error);
  g_assert_no_error (error);
  host_assert_value (pyisolate_call_result_get_value (outcome), "int64 33");
}

static gboolean
has_no_mappings (gpointer data)
{
  return test_util_count_mappings (getpid (), "pyisolate") == 0;
}

static gboolean
has_fds (gpointer data)
{
  return test_util_count_fds () == GPOINTER_TO_UINT (data);
}

/* Whenever the process dies, nothing of what was on its way is left; what the host still uses it
 * may use. */
static void
test_kill (void)
{
  guint n_rounds = host_wants_slow () ? 200 : 8;
  guint n_fds = test_util_count_fds ();

  for (guint i = 0; i < n_rounds; i++)
    {
      HostTest *test = host_test_new ();
      PyIsolateExtension *extension = host_test_load (test, "tensors");
      g_autoptr (PyIsolateTensor) mine = new_shared (SIZE, PYISOLATE_MEMORY_NONE);
      GAsyncResult *results[6] = { NULL };
      gint64 until = g_get_monotonic_time () + g_test_rand_int_range (0, 4000);

      g_object_unref (call_with (extension, "keep", mine, NULL));
      for (guint j = 0; j < G_N_ELEMENTS (results); j++)
        {
          g_autoptr (PyIsolateTensor) tensor = j % 2 == 0 ? new_private (200000) : g_object_ref (mine);
          g_autoptr (PyIsolateCall) call = new_call ("echo", tensor, NULL);

          pyisolate_extension_start_call_async (extension, call, NULL, host_store, &results[j]);
        }
      while (g_get_monotonic_time () < until)
        g_main_context_iteration (NULL, FALSE);
      kill (pyisolate_extension_get_pid (extension), SIGKILL);

      for (guint j = 0; j < G_N_ELEMENTS (results); j++)
        {
          g_autoptr (PyIsolateCallResult) result = NULL;

          host_wait_result (&results[j]);
          result = pyisolate_extension_start_call_finish (extension, results[j], NULL);
          g_object_unref (results[j]);
        }
      get_data (mine)[0] = 1;
      host_test_free (test);
    }

  test_util_assert_until (has_no_mappings, NULL, HOST_TEST_TIMEOUT_MS);
  test_util_assert_until (has_fds, GUINT_TO_POINTER (n_fds), HOST_TEST_TIMEOUT_MS);
}

static gsize
count_shared (PyIsolateExtension *extension)
{
  return test_util_count_mappings (pyisolate_extension_get_pid (extension), "pyisolate");
}

/* Thousands of different tensors leave both processes as they were. */
static void
test_many (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  guint n_rounds = host_wants_slow () ? 10000 : 1000;
  guint n_fds = 0;

  for (guint i = 0; i < n_rounds; i++)
    {
      g_autoptr (PyIsolateTensor) tensor = i % 2 == 0 ? new_shared (20000 + i, PYISOLATE_MEMORY_NONE) : new_private (20000 + i);
      g_autoptr (PyIsolateTensor) back = echo (extension, tensor);

      g_assert_cmpuint (get_data (back)[1], ==, i % 2 == 0 ? 0 : 3);
      if (i == 100)
        n_fds = test_util_count_fds ();
    }

  g_test_message ("%u mappings here, %" G_GSIZE_FORMAT " there", test_util_count_mappings (getpid (), "pyisolate"),
                  count_shared (extension));
  g_assert_cmpuint (test_util_count_fds (), <=, n_fds + 40); /* the pool has classes of its own for what grew */
  g_assert_cmpuint (test_util_count_mappings (getpid (), "pyisolate"), <, 80);
  g_assert_cmpuint (count_shared (extension), <, 160);
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
  test_util_add_func ("/pyisolate/tensors/limit", test_limit);
  test_util_add_func ("/pyisolate/tensors/no-descriptors", test_no_descriptors);
  test_util_add_func ("/pyisolate/tensors/no-mapping", test_no_mapping);
  test_util_add_func ("/pyisolate/tensors/small", test_small);
  test_util_add_func ("/pyisolate/tensors/stopped", test_stopped);
  test_util_add_func ("/pyisolate/tensors/kill", test_kill);
  test_util_add_func ("/pyisolate/tensors/many", test_many);

  return host_test_run ();
}
