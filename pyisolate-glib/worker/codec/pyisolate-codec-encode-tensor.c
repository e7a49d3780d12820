/* SPDX-License-Identifier: MIT */
/* Encoding what travels in shared memory: arrays, and long bytes and strings.
 *
 * An array that lies in shared memory is named by it. Of any other the window is copied: the bytes
 * from its lowest element to its highest, into a piece of shared memory or, if they are few, into
 * the value.
 */
#include "config.h"

#include "pyisolate-codec-array.h"
#include "pyisolate-codec-writer.h"

/* Copying this much takes long enough to let other threads run. */
#define LONG_COPY (256 * 1024)

/* --- Memory --- */

/* The number by which the value names @memory, which is consumed. */
static guint32
take_memory (Encoder         *self,
             PyIsolateMemory *memory)
{
  GPtrArray **memories = self->parcel->memories;

  if (*memories == NULL)
    *memories = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  g_ptr_array_add (*memories, memory);
  return (*memories)->len - 1;
}

/* @memory: consumed, as above */
static guint32
add_memory (Encoder         *self,
            PyIsolateMemory *memory)
{
  for (guint i = encoder_count_memories (self->parcel); i > 0; i--)
    {
      if (g_ptr_array_index (*self->parcel->memories, i - 1) == memory)
        {
          pyisolate_memory_unref (memory);
          return i - 1;
        }
    }
  return take_memory (self, memory);
}

/* -1: an exception is set. */
static int
copy_to_memory (Encoder       *self,
                gconstpointer  data,
                gsize          size,
                guint32       *index)
{
  const PyIsolateParcel *parcel = self->parcel;
  PyIsolateMemoryFlags flags = parcel->readonly ? PYISOLATE_MEMORY_READ_ONLY : PYISOLATE_MEMORY_NONE;
  PyThreadState *state = size >= LONG_COPY || parcel->may_wait ? PyEval_SaveThread () : NULL;
  g_autoptr(GError) error = NULL;
  PyIsolateMemory *memory = parcel->allocate (parcel->user_data, size, flags, &error);

  if (memory != NULL && !pyisolate_memory_write (memory, 0, data, size, &error))
    g_clear_pointer (&memory, pyisolate_memory_unref);
  if (state != NULL)
    PyEval_RestoreThread (state);

  if (memory == NULL)
    {
      _pyisolate_share_set_error (error);
      if (parcel->refusal != NULL && *parcel->refusal == NULL)
        *parcel->refusal = g_steal_pointer (&error);
      return -1;
    }
  *index = take_memory (self, memory);
  return 0;
}

/* --- Arrays --- */

static gboolean
put_text (Encoder    *self,
          const char *text,
          gsize       start)
{
  gsize size = strlen (text) + 1;

  if (!encoder_reserve (self, size))
    return FALSE;
  encoder_put (self, text, size);
  return encoder_push_end (self, self->len - start);
}

static gboolean
put_numbers (Encoder      *self,
             const gint64 *numbers,
             guint         n,
             gsize         start)
{
  if (!encoder_align (self, 8, n * sizeof *numbers))
    return FALSE;
  encoder_put (self, numbers, n * sizeof *numbers);
  return encoder_push_end (self, self->len - start);
}

/* All but the memory; it ends where the variant of that begins. */
static gboolean
put_head (Encoder          *self,
          const CodecArray *array,
          guint64           offset,
          gsize             start)
{
  if (!put_text (self, _pyisolate_array_kind_name (array->kind), start)
      || !put_text (self, array->info->name, start)
      || !put_text (self, PYISOLATE_DEVICE_CPU, start)
      || !put_numbers (self, array->shape, array->n_dims, start)
      || !put_numbers (self, array->strides, array->n_dims, start)
      || !encoder_align (self, 8, sizeof offset + sizeof array->flags))
    return FALSE;
  encoder_put (self, &offset, sizeof offset);
  encoder_put (self, &array->flags, sizeof array->flags);
  return encoder_align (self, 8, 0);
}

static gboolean
check_depth (Encoder *self)
{
  PyIsolateDepth depth = self->depth;

  return _pyisolate_depth_enter_struct (&depth) && _pyisolate_depth_enter_variant (&depth)
         && _pyisolate_depth_enter_array (&depth);
}

/* @bytes: nullable, what goes into the value; else @index names the memory. */
static EncodedShape
put_tensor (Encoder          *self,
            const CodecArray *array,
            guint64           offset,
            guint32           index,
            const guint8     *bytes,
            gsize             size)
{
  EncoderTag tag;
  gsize start, mark;

  if (!_pyisolate_encoder_tag_begin (self, PYISOLATE_TAG_TENSOR, &tag))
    return -1;
  if (!check_depth (self))
    return _pyisolate_encoder_too_deep (self);

  start = self->len;
  mark = self->n_ends;
  encoder_sign (self, PYISOLATE_VALUE_TENSOR_TYPE, strlen (PYISOLATE_VALUE_TENSOR_TYPE));
  if (!put_head (self, array, offset, start) || !encoder_reserve (self, size + 8))
    return -1;
  if (bytes != NULL)
    {
      encoder_put (self, bytes, size);
      encoder_put (self, "\0ay", 3);
    }
  else
    {
      encoder_put (self, &index, sizeof index);
      encoder_put (self, "\0u", 2);
    }
  if (!_pyisolate_encoder_close (self, start, mark, TRUE))
    return -1;
  return _pyisolate_encoder_tag_end (self, &tag);
}

/* Names the memory that the array is in already. FALSE: it is in none that will do. */
static gboolean
name_memory (Encoder    *self,
             CodecArray *array,
             guint64    *offset,
             guint32    *index)
{
  if (array->memory == NULL || self->parcel == NULL || self->parcel->memories == NULL
      || (self->parcel->readonly && !pyisolate_memory_is_read_only (array->memory)))
    return FALSE;
  *offset = array->data - array->start;
  if (*offset % array->info->size != 0)
    return FALSE;
  *index = add_memory (self, g_steal_pointer (&array->memory));
  return TRUE;
}

/* @tensor: nullable; whose storage may be moved, which changes where the data is, also if it failed
 * half-way. FALSE with an exception. */
static gboolean
move_storage (Encoder    *self,
              CodecArray *array,
              PyObject   *tensor)
{
  g_autoptr(PyIsolateMemory) memory = NULL;
  g_autofree char *problem = NULL;

  if (tensor == NULL || self->parcel == NULL || !self->parcel->move_storages
      || self->parcel->readonly)
    return TRUE;
  _pyisolate_array_clear (array); /* which may look into the storage, too */
  memory = _pyisolate_storage_move (tensor);
  if (_pyisolate_array_read (array, tensor, KIND_TORCH_TENSOR, &problem))
    return TRUE;
  if (problem != NULL)
    _pyisolate_encoder_fail (self, PyExc_TypeError, "cannot send %s", problem);
  return FALSE;
}

static EncodedShape
encode_array (Encoder    *self,
              CodecArray *array,
              PyObject   *tensor)
{
  gboolean readonly = self->parcel != NULL && self->parcel->readonly;
  gsize size = array->high - array->low;
  const guint8 *window;
  guint64 offset;
  guint32 index;

  if (readonly)
    array->flags |= PYISOLATE_TENSOR_READ_ONLY;
  if (name_memory (self, array, &offset, &index))
    return put_tensor (self, array, offset, index, NULL, 0);

  if (size > ENCODER_MAX_INLINE && !move_storage (self, array, tensor))
    return -1;
  size = array->high - array->low; /* another thread may have given the tensor other data meanwhile */
  if (tensor != NULL && name_memory (self, array, &offset, &index))
    return put_tensor (self, array, offset, index, NULL, 0);

  window = size > 0 ? array->data + array->low : (const guint8 *) "";
  if (size <= ENCODER_MAX_INLINE || self->parcel == NULL || self->parcel->allocate == NULL)
    return put_tensor (self, array, -array->low, 0, window, size);
  if (copy_to_memory (self, window, size, &index) < 0)
    return -1;
  return put_tensor (self, array, -array->low, index, NULL, 0);
}

EncodedShape
_pyisolate_encoder_array (Encoder   *self,
                          PyObject  *value,
                          CodecKind  kind)
{
  gboolean is_torch = kind == KIND_TORCH_TENSOR || kind == KIND_TORCH_PARAMETER;
  CodecArray array;
  g_autofree char *problem = NULL;
  EncodedShape shape = -1;

  if (_pyisolate_array_read (&array, value, kind, &problem))
    shape = encode_array (self, &array, is_torch ? value : NULL);
  else if (problem != NULL)
    _pyisolate_encoder_fail (self, PyExc_TypeError, "cannot send %s", problem);
  _pyisolate_array_clear (&array);
  return shape;
}

/* --- Long bytes and strings --- */

EncodedShape
_pyisolate_encoder_long (Encoder    *self,
                         const char *tag_name,
                         const void *data,
                         gsize       size)
{
  EncoderTag tag;
  guint64 size64 = size;
  guint32 index;

  if (copy_to_memory (self, data, size, &index) < 0
      || !_pyisolate_encoder_tag_begin (self, tag_name, &tag))
    return -1;
  if (!check_depth (self))
    return _pyisolate_encoder_too_deep (self);
  encoder_sign (self, PYISOLATE_VALUE_LONG_TYPE, strlen (PYISOLATE_VALUE_LONG_TYPE));
  if (!encoder_reserve (self, 16))
    return -1;
  encoder_put (self, &index, sizeof index);
  if (!encoder_align (self, 8, sizeof size64))
    return -1;
  encoder_put (self, &size64, sizeof size64);
  return _pyisolate_encoder_tag_end (self, &tag);
}
