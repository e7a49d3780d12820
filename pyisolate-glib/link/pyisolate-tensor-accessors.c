/* SPDX-License-Identifier: MIT */
/* What can be asked of a tensor. */
#include "config.h"

#include "pyisolate-tensor-private.h"

/**
 * pyisolate_tensor_get_dtype:
 * @self: a tensor
 *
 * Gets what the elements are.
 *
 * Returns: the dtype
 *
 * Since: 0.1
 */
PyIsolateDtype
pyisolate_tensor_get_dtype (PyIsolateTensor *self)
{
  g_return_val_if_fail (PYISOLATE_IS_TENSOR (self), PYISOLATE_DTYPE_UINT8);

  return self->dtype;
}

/**
 * pyisolate_tensor_get_shape:
 * @self: a tensor
 * @n_dims: (out): the number of dimensions
 *
 * Gets how many elements there are in each dimension.
 *
 * Returns: (transfer none) (array length=n_dims): the shape
 *
 * Since: 0.1
 */
const gint64 *
pyisolate_tensor_get_shape (PyIsolateTensor *self,
                            gsize           *n_dims)
{
  g_return_val_if_fail (PYISOLATE_IS_TENSOR (self), NULL);
  g_return_val_if_fail (n_dims != NULL, NULL);

  *n_dims = self->n_dims;
  return self->shape;
}

/**
 * pyisolate_tensor_get_strides:
 * @self: a tensor
 * @n_dims: (out): the number of dimensions
 *
 * Gets how far apart the elements are in each dimension.
 *
 * Returns: (transfer none) (array length=n_dims): the strides, in elements; one may be negative
 *
 * Since: 0.1
 */
const gint64 *
pyisolate_tensor_get_strides (PyIsolateTensor *self,
                              gsize           *n_dims)
{
  g_return_val_if_fail (PYISOLATE_IS_TENSOR (self), NULL);
  g_return_val_if_fail (n_dims != NULL, NULL);

  *n_dims = self->n_dims;
  return self->strides;
}

/**
 * pyisolate_tensor_get_byte_offset:
 * @self: a tensor
 *
 * Gets where the first element lies in the tensor's memory.
 *
 * Returns: its place, in bytes
 *
 * Since: 0.1
 */
guint64
pyisolate_tensor_get_byte_offset (PyIsolateTensor *self)
{
  g_return_val_if_fail (PYISOLATE_IS_TENSOR (self), 0);

  return self->offset;
}

/**
 * pyisolate_tensor_get_device:
 * @self: a tensor
 *
 * Gets where the memory is.
 *
 * Returns: `cpu`; others may come
 *
 * Since: 0.1
 */
const char *
pyisolate_tensor_get_device (PyIsolateTensor *self)
{
  g_return_val_if_fail (PYISOLATE_IS_TENSOR (self), NULL);

  return PYISOLATE_DEVICE_CPU;
}

/**
 * pyisolate_tensor_get_requires_grad:
 * @self: a tensor
 *
 * Gets whether it is one of torch's that takes part in differentiation.
 *
 * Returns: what torch calls `requires_grad`
 *
 * Since: 0.1
 */
gboolean
pyisolate_tensor_get_requires_grad (PyIsolateTensor *self)
{
  g_return_val_if_fail (PYISOLATE_IS_TENSOR (self), FALSE);

  return (self->flags & PYISOLATE_TENSOR_REQUIRES_GRAD) != 0;
}

/**
 * pyisolate_tensor_is_read_only:
 * @self: a tensor
 *
 * Gets whether the receiver is not meant to write to the tensor. If its memory is read-only, it cannot.
 *
 * Returns: %TRUE if it is read-only
 *
 * Since: 0.1
 */
gboolean
pyisolate_tensor_is_read_only (PyIsolateTensor *self)
{
  g_return_val_if_fail (PYISOLATE_IS_TENSOR (self), FALSE);

  return (self->flags & PYISOLATE_TENSOR_READ_ONLY) != 0 ||
         (self->memory != NULL && pyisolate_memory_is_read_only (self->memory));
}

/**
 * pyisolate_tensor_is_contiguous:
 * @self: a tensor
 *
 * Gets whether the elements lie without gaps, the last dimension fastest.
 *
 * Returns: %TRUE if they do
 *
 * Since: 0.1
 */
gboolean
pyisolate_tensor_is_contiguous (PyIsolateTensor *self)
{
  g_return_val_if_fail (PYISOLATE_IS_TENSOR (self), FALSE);

  return _pyisolate_layout_is_c_order (self->n_dims, self->shape, self->strides);
}

/**
 * pyisolate_tensor_get_memory:
 * @self: a tensor
 *
 * Gets the piece of shared memory that the tensor lies in.
 *
 * Returns: (transfer none) (nullable): the memory, or %NULL if it lies in private memory
 *
 * Since: 0.1
 */
PyIsolateMemory *
pyisolate_tensor_get_memory (PyIsolateTensor *self)
{
  g_return_val_if_fail (PYISOLATE_IS_TENSOR (self), NULL);

  return self->memory;
}
