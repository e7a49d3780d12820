/* SPDX-License-Identifier: MIT */
/* Tensors where something is short, or ends: limits, descriptors, mappings, the process; and thousands of them. */
#include "config.h"

#include "tensor-fixture.h"

#include <signal.h>
#include <unistd.h>

#define SIZE 100000

/* More than an extension may have is the error of one call. */
static void
test_limit (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionConfig *config = host_config ("it", "tensors");
  PyIsolateExtension *extension;
  g_autoptr (PyIsolateTensor) tensor = host_new_private_tensor (3000000);
  g_autoptr (PyIsolateTensor) small = host_new_private_tensor (500000);
  g_autoptr (PyIsolateTensor) back = NULL;
  g_autoptr (PyIsolateCall) call = host_new_tensor_call ("echo", tensor, NULL);
  g_autoptr (GError) error = NULL;

  pyisolate_extension_config_set_shared_memory_limit (config, 2000000);
  extension = host_test_load_config (test, config);
  g_assert_null (pyisolate_extension_start_call_sync (extension, call, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_clear_error (&error);

  error = host_call_error (extension, "make_many", "(10, 1000000)",
                           PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_result (extension, "drop", NULL, "objectpath '/pyisolate/None'");
  back = host_echo_tensor (extension, small);
}

static void
assert_call_fails (PyIsolateExtension *extension,
                   PyIsolateTensor    *tensor,
                   GQuark              domain,
                   int                 code)
{
  g_autoptr (PyIsolateCall) call = host_new_tensor_call ("take", tensor, NULL);
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
  g_autoptr (PyIsolateTensor) shared = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateTensor) known = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateTensor) private = host_new_private_tensor (SIZE);
  HostDescriptors descriptors;

  host_assert_tensor_call (extension, "take", known, NULL, "int64 1");
  /* The worker has said that it knows it: with the answer, or by the link, if that was faster. */
  g_assert_true (pyisolate_extension_ping_sync (extension, NULL, NULL));
  host_use_up_descriptors (&descriptors);
  assert_call_fails (extension, shared, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  assert_call_fails (extension, private, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  host_assert_tensor_call (extension, "take", known, NULL, "int64 1");
  host_give_back_descriptors (&descriptors);

  host_assert_tensor_call (extension, "take", shared, NULL, "int64 1");
  host_assert_tensor_call (extension, "take", private, NULL, "int64 1");
}

/* Where the extension cannot map a piece it is an error of that call; the next one is served, and later that piece, too. */
static void
test_no_mapping (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateTensor) large = host_new_shared_tensor (128 << 20, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateTensor) small = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (GVariant) is_limited = host_call (extension, "limit_address_space", "(int64 67108864,)");

  if (!g_variant_get_boolean (is_limited))
    {
      g_test_skip ("a sanitizer has all of the address space");
      return;
    }
  assert_call_fails (extension, large, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  host_assert_tensor_call (extension, "take", small, NULL, "int64 1");
  host_assert_result (extension, "limit_address_space", "(int64 -1,)", "true");
  host_assert_tensor_call (extension, "write", large, "int64 9", "objectpath '/pyisolate/None'");
  g_assert_cmpuint (host_get_tensor_data (large)[0], ==, 9);
}

/* Sent and dropped at once, to a process that does not run: it is there when that goes on, and gone
 * afterwards. */
static void
test_stopped (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  PyIsolateTensor *tensor = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
  g_autoptr (PyIsolateCall) call = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (PyIsolateCallResult) outcome = NULL;
  g_autoptr (GError) error = NULL;

  host_get_tensor_data (tensor)[0] = 33;
  call = host_new_tensor_call ("first", tensor, NULL);
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
      g_autoptr (PyIsolateTensor) mine = host_new_shared_tensor (SIZE, PYISOLATE_MEMORY_NONE);
      GAsyncResult *results[6] = { NULL };
      gint64 until = g_get_monotonic_time () + g_test_rand_int_range (0, 4000);

      g_object_unref (host_call_with_tensor (extension, "keep", mine, NULL));
      for (guint j = 0; j < G_N_ELEMENTS (results); j++)
        {
          g_autoptr (PyIsolateTensor) tensor = j % 2 == 0 ? host_new_private_tensor (200000) : g_object_ref (mine);
          g_autoptr (PyIsolateCall) call = host_new_tensor_call ("echo", tensor, NULL);

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
      host_get_tensor_data (mine)[0] = 1;
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
      g_autoptr (PyIsolateTensor) tensor = i % 2 == 0 ? host_new_shared_tensor (20000 + i, PYISOLATE_MEMORY_NONE)
                                                       : host_new_private_tensor (20000 + i);
      g_autoptr (PyIsolateTensor) back = host_echo_tensor (extension, tensor);

      g_assert_cmpuint (host_get_tensor_data (back)[1], ==, i % 2 == 0 ? 0 : 3);
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

  test_util_add_func ("/pyisolate/tensor-faults/limit", test_limit);
  test_util_add_func ("/pyisolate/tensor-faults/no-descriptors", test_no_descriptors);
  test_util_add_func ("/pyisolate/tensor-faults/no-mapping", test_no_mapping);
  test_util_add_func ("/pyisolate/tensor-faults/stopped", test_stopped);
  test_util_add_func ("/pyisolate/tensor-faults/kill", test_kill);
  test_util_add_func ("/pyisolate/tensor-faults/many", test_many);

  return host_test_run ();
}
