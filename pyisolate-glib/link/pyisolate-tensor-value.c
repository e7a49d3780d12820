/* SPDX-License-Identifier: MIT */
/* A tensor as the value that it travels as, and back. */
#include "config.h"

#include "pyisolate-tensor-private.h"

#include "pyisolate-value-private.h"

#include <string.h>

/*< private >
 * @offset: (out): where in the window the first element lies
 *
 * Returns: (transfer full): of a tensor in bytes, that part of them that it looks at
 */
GBytes *
_pyisolate_tensor_dup_window (PyIsolateTensor *self,
                              guint64         *offset)
{
  gint64 low, high, n_items;

  g_assert (self->bytes != NULL);

  _pyisolate_layout_window (self->n_dims, self->shape, self->strides, pyisolate_dtype_get_size (self->dtype), &low, &high,
                            &n_items);
  *offset = -low;

  return g_bytes_new_from_bytes (self->bytes, self->offset + low, high - low);
}

GVariant *
_pyisolate_tensor_to_variant (PyIsolateTensor *self,
                              guint64          offset,
                              GVariant        *data)
{
  return _pyisolate_tensor_wire_new_value (self->kind != NULL ? self->kind : "numpy", _pyisolate_dtype_info (self->dtype),
                                           self->n_dims, self->shape, self->strides, offset, self->flags, data);
}

/*< private >
 * @wire: what was read, where it is said to be good
 * @memory: (nullable): where the elements lie
 * @bytes: (nullable): or these are they
 *
 * Returns: (transfer full): NULL with %PYISOLATE_ERROR_BAD_TENSOR if its numbers cannot be true
 */
PyIsolateTensor *
_pyisolate_tensor_new_from_wire (const PyIsolateTensorWire  *wire,
                                 PyIsolateMemory            *memory,
                                 GBytes                     *bytes,
                                 GError                    **error)
{
  gint64 shape[PYISOLATE_MAX_DIMENSIONS];
  gint64 strides[PYISOLATE_MAX_DIMENSIONS];
  PyIsolateTensor *self;

  memcpy (shape, wire->shape, wire->n_dims * sizeof *shape);
  memcpy (strides, wire->strides, wire->n_dims * sizeof *strides);
  self = _pyisolate_tensor_new_checked (memory, bytes, wire->info->dtype, wire->n_dims, shape, strides, wire->offset, error);
  if (self == NULL)
    return NULL;

  self->flags = wire->flags;
  self->kind = g_strdup (wire->kind);
  return self;
}

/*< private >
 * @value: what may be a tensor in the form in which it travels
 * @memories: (nullable): the memory that came with it
 *
 * Returns: (transfer full): NULL with %PYISOLATE_ERROR_BAD_TENSOR if it is none
 */
PyIsolateTensor *
_pyisolate_tensor_new_from_variant (GVariant   *value,
                                    GPtrArray  *memories,
                                    GError    **error)
{
  g_autoptr (GVariant) plain = _pyisolate_value_unbox (value);
  g_autoptr (GBytes) all = NULL;
  g_autoptr (GBytes) bytes = NULL;
  PyIsolateTensorWire wire;
  const char *problem = _pyisolate_tensor_wire_read_value (plain, &wire);

  if (problem == NULL && wire.data_type == 'h')
    problem = "its elements are neither bytes nor memory";
  if (problem == NULL && wire.data_type == 'u' && (memories == NULL || wire.index >= memories->len))
    problem = "it names memory that did not come with it";
  if (problem != NULL)
    {
      _pyisolate_tensor_set_error (error, problem);
      return NULL;
    }

  if (wire.data_type == 'u')
    return _pyisolate_tensor_new_from_wire (&wire, g_ptr_array_index (memories, wire.index), NULL, error);

  if ((guintptr) wire.data % wire.info->size != 0)
    {
      bytes = g_bytes_new (wire.data, wire.size);
    }
  else
    {
      all = g_variant_get_data_as_bytes (plain);
      bytes = g_bytes_new_from_bytes (all, wire.data - (const guint8 *) g_variant_get_data (plain), wire.size);
    }
  return _pyisolate_tensor_new_from_wire (&wire, NULL, bytes, error);
}

/**
 * pyisolate_tensor_new_from_value:
 * @value: what is a tensor, see [func@PyIsolate.value_is_tensor], and has its elements with it
 * @error: return location for an error
 *
 * Creates a tensor of one in the value of an event, the arguments of an exception, or whatever else has no shared memory beside
 * it. It lies in private memory.
 *
 * Fails with %PYISOLATE_ERROR_BAD_TENSOR if @value is no tensor, or one that cannot be true, or lies in memory that went
 * beside it: then it is for [method@PyIsolate.CallResult.dup_tensor] or [method@PyIsolate.Invocation.dup_tensor].
 *
 * Returns: (transfer full): a new tensor, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateTensor *
pyisolate_tensor_new_from_value (GVariant  *value,
                                 GError   **error)
{
  g_return_val_if_fail (value != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return _pyisolate_tensor_new_from_variant (value, NULL, error);
}
