/* SPDX-License-Identifier: MIT */
/* How tensors are made, and where their elements are. */
#include "config.h"

#include "pyisolate-tensor-private.h"

#include "pyisolate-error.h"

/**
 * PyIsolateTensor:
 *
 * An array of numbers of one kind, and where they lie.
 *
 * A tensor in shared memory travels without a copy, and both sides see what either writes. Such are those of
 * [ctor@PyIsolate.Tensor.new_for_shape] and those that an extension sent. One of
 * [ctor@PyIsolate.Tensor.new_from_bytes] lies in private memory, and is copied once when it is sent.
 *
 * In an extension a tensor is a `numpy.ndarray`, or a `torch.Tensor` if it was one before, or where there is no NumPy a
 * `pyisolate.Tensor`. docs/tensors.md tells the rest.
 *
 * A tensor does not change; what its memory holds may.
 *
 * Since: 0.1
 */
G_DEFINE_FINAL_TYPE (PyIsolateTensor, pyisolate_tensor, G_TYPE_OBJECT)

static void
pyisolate_tensor_finalize (GObject *object)
{
  PyIsolateTensor *self = PYISOLATE_TENSOR (object);

  g_free (self->shape);
  g_free (self->kind);
  g_clear_pointer (&self->memory, pyisolate_memory_unref);
  g_clear_pointer (&self->bytes, g_bytes_unref);

  G_OBJECT_CLASS (pyisolate_tensor_parent_class)->finalize (object);
}

static void
pyisolate_tensor_class_init (PyIsolateTensorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = pyisolate_tensor_finalize;
}

static void
pyisolate_tensor_init (PyIsolateTensor *self)
{
}

void
_pyisolate_tensor_set_error (GError     **error,
                             const char  *problem)
{
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR, "This is no valid tensor: %s", problem);
}

PyIsolateTensor *
_pyisolate_tensor_new_checked (PyIsolateMemory  *memory,
                               GBytes           *bytes,
                               PyIsolateDtype    dtype,
                               gsize             n_dims,
                               const gint64     *shape,
                               const gint64     *strides,
                               guint64           offset,
                               GError          **error)
{
  const PyIsolateDtypeInfo *info = _pyisolate_dtype_info (dtype);
  gsize size = memory != NULL ? pyisolate_memory_get_size (memory) : g_bytes_get_size (bytes);
  const char *problem = info == NULL ? "there is no such dtype" : NULL;
  PyIsolateTensor *self;

  if (problem == NULL)
    problem = _pyisolate_layout_check ((guint) MIN (n_dims, G_MAXUINT), shape, strides, info->size, offset, size);
  if (problem != NULL)
    {
      _pyisolate_tensor_set_error (error, problem);
      return NULL;
    }

  self = g_object_new (PYISOLATE_TYPE_TENSOR, NULL);
  self->dtype = dtype;
  self->n_dims = n_dims;
  self->shape = g_new (gint64, 2 * n_dims);
  self->strides = n_dims > 0 ? self->shape + n_dims : NULL;
  for (gsize i = 0; i < n_dims; i++)
    self->shape[i] = shape[i];
  if (strides == NULL)
    _pyisolate_layout_c_strides (n_dims, shape, self->strides);
  for (gsize i = 0; strides != NULL && i < n_dims; i++)
    self->strides[i] = strides[i];
  self->offset = offset;
  self->memory = memory != NULL ? pyisolate_memory_ref (memory) : NULL;
  self->bytes = bytes != NULL ? g_bytes_ref (bytes) : NULL;

  return self;
}

/**
 * pyisolate_tensor_new:
 * @memory: where the elements lie
 * @dtype: what they are
 * @shape: (array length=n_dims): how many there are in each dimension
 * @n_dims: the number of dimensions
 * @strides: (array length=n_strides) (nullable): how far apart they are in each dimension, in elements; %NULL: without gaps, the
 *   last dimension fastest
 * @n_strides: the number of strides, as many as dimensions
 * @byte_offset: where in @memory the first one lies, a multiple of its size
 * @error: return location for an error
 *
 * Creates a tensor of what lies in @memory.
 *
 * Fails with %PYISOLATE_ERROR_BAD_TENSOR if some of it would lie outside.
 *
 * Returns: (transfer full): a new tensor, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateTensor *
pyisolate_tensor_new (PyIsolateMemory  *memory,
                      PyIsolateDtype    dtype,
                      const gint64     *shape,
                      gsize             n_dims,
                      const gint64     *strides,
                      gsize             n_strides,
                      guint64           byte_offset,
                      GError          **error)
{
  g_return_val_if_fail (memory != NULL, NULL);
  g_return_val_if_fail (shape != NULL || n_dims == 0, NULL);
  g_return_val_if_fail (strides == NULL || n_strides == n_dims, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return _pyisolate_tensor_new_checked (memory, NULL, dtype, n_dims, shape, strides, byte_offset, error);
}

/* The bytes that a tensor without gaps has. */
static gboolean
get_size (PyIsolateDtype   dtype,
          const gint64    *shape,
          gsize            n_dims,
          gsize           *size,
          GError         **error)
{
  const PyIsolateDtypeInfo *info = _pyisolate_dtype_info (dtype);
  const char *problem = info == NULL ? "there is no such dtype" : NULL;
  gint64 low, high, n_items;

  if (problem == NULL)
    problem = _pyisolate_layout_window ((guint) MIN (n_dims, G_MAXUINT), shape, NULL, info->size, &low, &high, &n_items);
  if (problem != NULL)
    {
      _pyisolate_tensor_set_error (error, problem);
      return FALSE;
    }

  *size = high;
  return TRUE;
}

/**
 * pyisolate_tensor_new_for_shape:
 * @dtype: what the elements are
 * @shape: (array length=n_dims): how many there are in each dimension
 * @n_dims: the number of dimensions
 * @flags: who may write to them
 * @error: return location for an error
 *
 * Creates a tensor of zeros in shared memory, which travels without a copy.
 *
 * Fails with %PYISOLATE_ERROR_BAD_TENSOR for a shape that is none, and with a %G_IO_ERROR where there is no more memory.
 *
 * Returns: (transfer full): a new tensor, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateTensor *
pyisolate_tensor_new_for_shape (PyIsolateDtype         dtype,
                                const gint64          *shape,
                                gsize                  n_dims,
                                PyIsolateMemoryFlags   flags,
                                GError               **error)
{
  g_autoptr (PyIsolateMemory) memory = NULL;
  gsize size;

  g_return_val_if_fail (shape != NULL || n_dims == 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!get_size (dtype, shape, n_dims, &size, error))
    return NULL;
  memory = pyisolate_memory_new (MAX (size, 1), flags, error);
  if (memory == NULL)
    return NULL;

  return _pyisolate_tensor_new_checked (memory, NULL, dtype, n_dims, shape, NULL, 0, error);
}

/**
 * pyisolate_tensor_new_from_bytes:
 * @bytes: the elements, without gaps, the last dimension fastest
 * @dtype: what they are
 * @shape: (array length=n_dims): how many there are in each dimension
 * @n_dims: the number of dimensions
 * @error: return location for an error
 *
 * Creates a tensor of what lies in @bytes. It is copied once when it is sent.
 *
 * Fails with %PYISOLATE_ERROR_BAD_TENSOR if @bytes are not as many as @shape says.
 *
 * Returns: (transfer full): a new tensor, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateTensor *
pyisolate_tensor_new_from_bytes (GBytes          *bytes,
                                 PyIsolateDtype   dtype,
                                 const gint64    *shape,
                                 gsize            n_dims,
                                 GError         **error)
{
  gsize size;

  g_return_val_if_fail (bytes != NULL, NULL);
  g_return_val_if_fail (shape != NULL || n_dims == 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!get_size (dtype, shape, n_dims, &size, error))
    return NULL;
  if (size != g_bytes_get_size (bytes))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR,
                   "A tensor of this shape has %" G_GSIZE_FORMAT " bytes, not %" G_GSIZE_FORMAT, size,
                   g_bytes_get_size (bytes));
      return NULL;
    }

  return _pyisolate_tensor_new_checked (NULL, bytes, dtype, n_dims, shape, NULL, 0, error);
}

/**
 * pyisolate_tensor_get_data: (skip)
 * @self: a tensor
 * @error: return location for an error
 *
 * Gets where the first element is, as long as @self lives. What lies in bytes must not be written to.
 *
 * Fails as [method@PyIsolate.Memory.map] does.
 *
 * Returns: its address, or %NULL with @error set
 *
 * Since: 0.1
 */
gpointer
pyisolate_tensor_get_data (PyIsolateTensor  *self,
                           GError          **error)
{
  guint8 *base;

  g_return_val_if_fail (_pyisolate_tensor_is_real (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (self->memory != NULL)
    base = pyisolate_memory_map (self->memory, error);
  else
    base = (guint8 *) g_bytes_get_data (self->bytes, NULL);
  if (base == NULL && self->memory == NULL)
    base = (guint8 *) ""; /* of no bytes: something that is not NULL */

  return base != NULL ? base + self->offset : NULL;
}

static gsize
get_n_bytes (PyIsolateTensor *self)
{
  gint64 low, high, n_items;

  _pyisolate_layout_window (self->n_dims, self->shape, NULL, pyisolate_dtype_get_size (self->dtype), &low, &high,
                            &n_items);

  return high;
}

/**
 * pyisolate_tensor_get_bytes:
 * @self: a tensor without gaps
 * @error: return location for an error
 *
 * Gets the elements as bytes, without copying them: they are where the tensor is, and whoever writes to it changes them. In
 * gjs, `toArray()` makes a typed array of them.
 *
 * Fails with %PYISOLATE_ERROR_BAD_TENSOR if @self is not contiguous, and as [method@PyIsolate.Memory.map] does.
 *
 * Returns: (transfer full): the bytes, or %NULL with @error set
 *
 * Since: 0.1
 */
GBytes *
pyisolate_tensor_get_bytes (PyIsolateTensor  *self,
                            GError          **error)
{
  gpointer data;

  g_return_val_if_fail (_pyisolate_tensor_is_real (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!pyisolate_tensor_is_contiguous (self))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR,
                   "The elements of a tensor do not lie one after another");
      return NULL;
    }
  data = pyisolate_tensor_get_data (self, error);
  if (data == NULL)
    return NULL;

  return g_bytes_new_with_free_func (data, get_n_bytes (self), g_object_unref, g_object_ref (self));
}
