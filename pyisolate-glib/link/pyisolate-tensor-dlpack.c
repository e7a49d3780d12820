/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-tensor-private.h"

#include "pyisolate-dlpack-private.h"
#include "pyisolate-error.h"

static void
delete_managed (struct DLManagedTensorVersioned *managed)
{
  g_object_unref (managed->manager_context);
  g_free (managed);
}

/**
 * pyisolate_tensor_to_dlpack: (skip)
 * @self: a tensor
 * @error: return location for an error
 *
 * Hands the tensor to another library, without copying.
 *
 * Returns: (transfer full): a tensor of DLPack 1.0, freed by its `deleter`; %NULL with @error set if it cannot be mapped
 *
 * Since: 0.1
 */
struct DLManagedTensorVersioned *
pyisolate_tensor_to_dlpack (PyIsolateTensor  *self,
                            GError          **error)
{
  const PyIsolateDtypeInfo *info;
  struct DLManagedTensorVersioned *managed;
  gpointer data;

  g_return_val_if_fail (_pyisolate_tensor_is_real (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  data = pyisolate_tensor_get_data (self, error);
  if (data == NULL)
    return NULL;

  info = _pyisolate_dtype_info (self->dtype);
  managed = g_new0 (struct DLManagedTensorVersioned, 1);
  managed->version.major = PYISOLATE_DLPACK_MAJOR;
  managed->version.minor = PYISOLATE_DLPACK_MINOR;
  managed->manager_context = g_object_ref (self);
  managed->deleter = delete_managed;
  if (self->bytes != NULL || pyisolate_tensor_is_read_only (self))
    managed->flags |= PYISOLATE_DLPACK_READ_ONLY;
  managed->tensor.data = data;
  managed->tensor.device.type = PYISOLATE_DLPACK_CPU;
  managed->tensor.n_dims = (gint32) self->n_dims;
  managed->tensor.dtype.code = info->dlpack_code;
  managed->tensor.dtype.bits = info->dlpack_bits;
  managed->tensor.dtype.lanes = 1;
  managed->tensor.shape = self->shape;
  managed->tensor.strides = self->strides;

  return managed;
}

static void
free_managed (gpointer data)
{
  struct DLManagedTensorVersioned *managed = data;

  if (managed->deleter != NULL)
    managed->deleter (managed);
}

/* Of a tensor that passed all checks: the memory that it lies in, or bytes that keep it. */
static PyIsolateTensor *
adopt (struct DLManagedTensorVersioned *managed,
       PyIsolateDtype                   dtype,
       gint64                           low,
       gint64                           high,
       GError                         **error)
{
  const PyIsolateDLTensor *tensor = &managed->tensor;
  guint8 *first = (guint8 *) tensor->data + tensor->byte_offset;
  guint8 *begin = first + low;
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_find (begin, high - low);
  g_autoptr (GBytes) bytes = NULL;
  PyIsolateTensor *self = NULL;

  if (memory != NULL)
    self = _pyisolate_tensor_new_checked (memory, NULL, dtype, tensor->n_dims, tensor->shape, tensor->strides,
                                          first - pyisolate_memory_map (memory, NULL), NULL);
  if (self != NULL)
    {
      free_managed (managed); /* the memory itself keeps what is in it */
      return self;
    }

  bytes = g_bytes_new_with_free_func (begin, high - low, free_managed, managed);
  return _pyisolate_tensor_new_checked (NULL, bytes, dtype, tensor->n_dims, tensor->shape, tensor->strides, -low, error);
}

/**
 * pyisolate_tensor_new_from_dlpack: (skip)
 * @managed: (transfer full): a tensor of DLPack 1.0; its `deleter` is called in any case
 * @error: return location for an error
 *
 * Creates a tensor of another library's, without copying. If it lies in shared memory of this library's it travels without a
 * copy, otherwise it is copied once when it is sent.
 *
 * Fails with %PYISOLATE_ERROR_BAD_TENSOR for what is not in the memory of the processor, or of a kind that this library does
 * not have.
 *
 * Returns: (transfer full): a new tensor, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateTensor *
pyisolate_tensor_new_from_dlpack (struct DLManagedTensorVersioned  *managed,
                                  GError                          **error)
{
  const PyIsolateDtypeInfo *info = NULL;
  const PyIsolateDLTensor *tensor;
  const char *problem = NULL;
  gint64 low, high, n_items;
  PyIsolateTensor *self;
  gboolean is_read_only;

  g_return_val_if_fail (managed != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  tensor = &managed->tensor;
  if (managed->version.major != PYISOLATE_DLPACK_MAJOR)
    problem = "it is of another version of DLPack";
  else if (tensor->device.type != PYISOLATE_DLPACK_CPU)
    problem = "it is on another device than the processor";
  else
    info = _pyisolate_dtype_info_by_dlpack (tensor->dtype.code, tensor->dtype.bits, tensor->dtype.lanes);
  if (problem == NULL && info == NULL)
    problem = "its dtype is unknown";
  if (problem == NULL && (tensor->n_dims < 0 || (tensor->n_dims > 0 && tensor->shape == NULL)))
    problem = "it has no shape";
  if (problem == NULL)
    problem = _pyisolate_layout_window (tensor->n_dims, tensor->shape, tensor->strides, info->size, &low, &high,
                                        &n_items);
  if (problem != NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR, "A tensor cannot be taken over: %s", problem);
      free_managed (managed);
      return NULL;
    }

  is_read_only = (managed->flags & PYISOLATE_DLPACK_READ_ONLY) != 0;
  self = adopt (managed, info->dtype, low, high, error);
  if (self != NULL && is_read_only)
    self->flags |= PYISOLATE_TENSOR_READ_ONLY;

  return self;
}
