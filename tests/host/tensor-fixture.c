/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tensor-fixture.h"

PyIsolateTensor *
host_new_shared_tensor (gsize                size,
                        PyIsolateMemoryFlags flags)
{
  const gint64 shape[] = { size };
  g_autoptr (GError) error = NULL;
  PyIsolateTensor *tensor = pyisolate_tensor_new_for_shape (PYISOLATE_DTYPE_UINT8, shape, 1, flags,
                                                            &error);

  g_assert_no_error (error);
  return tensor;
}

PyIsolateTensor *
host_new_private_tensor (gsize size)
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

guint8 *
host_get_tensor_data (PyIsolateTensor *tensor)
{
  g_autoptr (GError) error = NULL;
  guint8 *data = pyisolate_tensor_get_data (tensor, &error);

  g_assert_no_error (error);
  return data;
}

PyIsolateCall *
host_new_tensor_call (const char      *method,
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

PyIsolateCallResult *
host_call_with_tensor (PyIsolateExtension *extension,
                       const char         *method,
                       PyIsolateTensor    *tensor,
                       const char         *rest)
{
  g_autoptr (PyIsolateCall) call = host_new_tensor_call (method, tensor, rest);
  g_autoptr (GError) error = NULL;
  PyIsolateCallResult *result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);

  g_assert_no_error (error);
  return result;
}

void
host_assert_tensor_call (PyIsolateExtension *extension,
                         const char         *method,
                         PyIsolateTensor    *tensor,
                         const char         *rest,
                         const char         *expected)
{
  g_autoptr (PyIsolateCallResult) result = host_call_with_tensor (extension, method, tensor, rest);

  host_assert_value (pyisolate_call_result_get_value (result), expected);
}

PyIsolateTensor *
host_get_tensor (PyIsolateCallResult *result,
                 GVariant            *value)
{
  g_autoptr (GError) error = NULL;
  PyIsolateTensor *tensor;

  g_assert_true (pyisolate_value_is_tensor (value));
  tensor = pyisolate_call_result_dup_tensor (result, value, &error);
  g_assert_no_error (error);
  return tensor;
}

PyIsolateTensor *
host_echo_tensor (PyIsolateExtension *extension,
                  PyIsolateTensor    *tensor)
{
  g_autoptr (PyIsolateCallResult) result = host_call_with_tensor (extension, "echo", tensor, NULL);

  return host_get_tensor (result, pyisolate_call_result_get_value (result));
}
