/* SPDX-License-Identifier: MIT */
/* A worker that lies about shared memory: the call gets an error or the link ends, and no signal
 * reaches the host. */
#include "config.h"

#include "host-fixture.h"

#include <string.h>

typedef struct {
  const char *way;
  int code;
  const char *pattern;
} Case;

/* Of the call alone: its result is an error, or the tensor in it. */
static const char *const bad_tensors[] = {
  "memory-own",
  "memory-by-descriptor",
  "memory-of-file",
  "memory-unknown",
  "tensor-not-named",
  "tensor-too-long",
  "tensor-offset",
  "tensor-far-offset",
  "tensor-odd-offset",
  "tensor-before",
  "tensor-overflow",
  "tensor-stride-overflow",
  "tensor-negative-overflow",
  "tensor-negative-shape",
  "tensor-few-strides",
  "tensor-no-dtype",
};

static const Case bad_memory[] = {
  { "memory-without-fd", PYISOLATE_ERROR_BAD_MESSAGE, "*1 descriptors of memory*0 came*" },
  { "memory-granted", PYISOLATE_ERROR_BAD_MESSAGE, "*A worker does not say 2*" },
  { "memory-body-alone", PYISOLATE_ERROR_BAD_MESSAGE, "*not where they are said to be*" },
  { "memory-of-odd-size", PYISOLATE_ERROR_BAD_MESSAGE, "*3 bytes are no records*" },
  { "memory-given-back-twice", PYISOLATE_ERROR_BAD_MESSAGE, "*given back more often*" },
  { "memory-requests", PYISOLATE_ERROR_LIMIT, "*more than 64 pieces*" },
};

/* "go" with a tensor of a page, of ones. */
static PyIsolateCallResult *
go_with_memory (PyIsolateExtension  *extension,
                PyIsolateTensor     *tensor,
                GError             **error)
{
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("go");
  GVariant *args = pyisolate_call_add_tensor (call, tensor);

  pyisolate_call_set_args (call, g_variant_new_tuple (&args, 1));
  return pyisolate_extension_start_call_sync (extension, call, NULL, error);
}

static PyIsolateTensor *
new_page (void)
{
  const gint64 shape[] = { 4096 };
  g_autoptr (GError) error = NULL;
  PyIsolateTensor *tensor;

  tensor = pyisolate_tensor_new_for_shape (PYISOLATE_DTYPE_UINT8, shape, 1, PYISOLATE_MEMORY_NONE,
                                           &error);
  g_assert_no_error (error);
  memset (pyisolate_tensor_get_data (tensor, NULL), 1, 4096);

  return tensor;
}

static PyIsolateTensor *
dup_tensor (PyIsolateCallResult  *result,
            GError              **error)
{
  return pyisolate_call_result_dup_tensor (result, pyisolate_call_result_get_value (result), error);
}

static void
test_bad_tensor (gconstpointer way)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateTensor) page = new_page ();
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateExtension *extension;

  extension = host_test_load_config (test, host_hostile_config (way));
  result = go_with_memory (extension, page, &error);
  if (result != NULL)
    g_assert_null (dup_tensor (result, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  g_test_message ("%s", error->message);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_RUNNING);
}

static void
test_bad_memory (gconstpointer data)
{
  const Case *what = data;
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateTensor) page = new_page ();
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateExtension *extension;

  extension = host_test_load_config (test, host_hostile_config (what->way));
  result = go_with_memory (extension, page, &error);
  g_assert_error (error, PYISOLATE_ERROR, what->code);
  host_assert_message (error, what->pattern);
  host_wait_state (extension, PYISOLATE_EXTENSION_STATE_FAILED);
  g_assert_cmpuint (*(guint8 *) pyisolate_tensor_get_data (page, NULL), ==, 1);
}

/* Memory cannot be taken away from who looks into it, only emptied. */
static void
test_shrunk_memory (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateTensor) page = new_page ();
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (PyIsolateTensor) back = NULL;
  g_autoptr (GError) error = NULL;
  const guint8 *data;

  result = go_with_memory (host_test_load_config (test, host_hostile_config ("memory-shrunk")),
                           page, &error);
  g_assert_no_error (error);
  back = dup_tensor (result, &error);
  g_assert_no_error (error);
  data = pyisolate_tensor_get_data (back, NULL);
  for (guint i = 0; i < 4096; i++)
    g_assert_cmpuint (data[i], ==, 0);
}

/* It is copied, and then it is a value or none. */
static void
test_changing_memory (void)
{
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (HostTest) test = host_test_new ();
      g_autoptr (PyIsolateTensor) page = new_page ();
      g_autoptr (PyIsolateCallResult) result = NULL;
      g_autoptr (GError) error = NULL;

      result = go_with_memory (host_test_load_config (test, host_hostile_config ("memory-changing")),
                               page, &error);
      if (result != NULL)
        g_assert_true (g_variant_is_normal_form (pyisolate_call_result_get_value (result)));
      else
        g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
    }
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  for (guint i = 0; i < G_N_ELEMENTS (bad_tensors); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/hostile-memory/tensors/", bad_tensors[i],
                                           NULL);

      test_util_add_data_func (path, bad_tensors[i], test_bad_tensor);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad_memory); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/hostile-memory/messages/", bad_memory[i].way,
                                           NULL);

      test_util_add_data_func (path, &bad_memory[i], test_bad_memory);
    }
  test_util_add_func ("/pyisolate/hostile-memory/shrunk", test_shrunk_memory);
  test_util_add_func ("/pyisolate/hostile-memory/changing", test_changing_memory);

  return host_test_run ();
}
