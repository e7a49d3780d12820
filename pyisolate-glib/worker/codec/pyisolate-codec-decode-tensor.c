/* SPDX-License-Identifier: MIT */
/* Decoding what travels in shared memory. Its numbers are checked against the memory that they
 * speak of; what is in the memory may be anything, and change at any time. */
#include "config.h"

#include "pyisolate-codec-array.h"
#include "pyisolate-codec-reader.h"
#include "pyisolate-memory-private.h"
#include "pyisolate-tensor-wire-private.h"

/* @tag: without the prefix */
static gboolean
is_tag (const char *tag,
        const char *path)
{
  return strcmp (tag, path + strlen (PYISOLATE_TAG_PREFIX)) == 0;
}

/* NULL with an exception */
static PyIsolateMemory *
get_memory (Decoder *self,
            guint64  index)
{
  if (index < self->contents.n_memories)
    return self->contents.memories[index];
  _pyisolate_decoder_malformed ("shared memory %" G_GUINT64_FORMAT " of %u", index,
                                self->contents.n_memories);
  return NULL;
}

/* What a host that names no memory gives as a descriptor. Full; NULL with an exception */
static PyIsolateMemory *
open_memory (Decoder *self,
             guint32  index)
{
  g_autoptr(GError) error = NULL;
  PyIsolateMemory *memory;

  if (!self->contents.trusts_fds || index >= self->contents.n_fds)
    {
      _pyisolate_decoder_malformed ("a tensor in the descriptor %u of %u", index,
                                    self->contents.trusts_fds ? self->contents.n_fds : 0);
      return NULL;
    }
  memory = pyisolate_memory_new_from_fd (self->contents.fds[index], &error);
  if (memory == NULL)
    {
      _pyisolate_decoder_malformed ("a tensor that cannot be: %s", error->message);
      return NULL;
    }
  memory->drops_fd = TRUE;
  memory->is_stray = TRUE;
  return memory;
}

static guint8 *
map_memory (PyIsolateMemory *memory)
{
  g_autoptr(GError) error = NULL;
  guint8 *data = pyisolate_memory_map (memory, &error);

  if (data == NULL)
    _pyisolate_share_set_error (error);
  return data;
}

/* --- Arrays --- */

/* All but the data. FALSE: such a tensor cannot be. */
static gboolean
read_head (const PyIsolateTensorWire *wire,
           CodecArray                *array)
{
  int kind = _pyisolate_array_kind_by_name (wire->kind);

  if (kind < 0)
    return FALSE;
  array->kind = kind;
  array->info = wire->info;
  array->n_dims = wire->n_dims;
  array->flags = wire->flags;
  memcpy (array->shape, wire->shape, wire->n_dims * sizeof *array->shape);
  memcpy (array->strides, wire->strides, wire->n_dims * sizeof *array->strides);
  return TRUE;
}

/* @memory: consumed; NULL: an exception is set */
static gboolean
use_memory (PyIsolateMemory *memory,
            CodecStore      *store,
            guint8         **start)
{
  store->memory = memory;
  *start = memory != NULL ? map_memory (memory) : NULL;
  if (*start == NULL)
    return FALSE;
  store->size = pyisolate_memory_get_size (memory);
  return TRUE;
}

/* Finds where the data is. FALSE with an exception. */
static gboolean
find_store (Decoder                   *self,
            const PyIsolateTensorWire *wire,
            CodecStore                *store,
            guint8                   **start)
{
  PyIsolateMemory *memory;

  if (wire->data_type == 'h')
    return use_memory (open_memory (self, wire->index), store, start);
  if (wire->data_type == 'u')
    {
      memory = get_memory (self, wire->index);
      return use_memory (memory != NULL ? pyisolate_memory_ref (memory) : NULL, store, start);
    }

  store->size = wire->size;
  *start = store->bytes = g_atomic_rc_box_alloc (MAX (store->size, 1));
  memcpy (store->bytes, wire->data, store->size);
  return TRUE;
}

PyObject *
_pyisolate_decoder_tensor (Decoder      *self,
                           const guint8 *data,
                           gsize         size)
{
  PyIsolateTensorWire wire;
  CodecArray array;
  g_auto(CodecStore) store = { NULL, NULL, 0 };
  guint8 *start;
  const char *problem;

  if (_pyisolate_tensor_wire_read (data, size, &wire) != NULL || !read_head (&wire, &array))
    return _pyisolate_decoder_malformed ("a bad payload of 'tensor'");
  if (!find_store (self, &wire, &store, &start))
    return NULL;
  problem = _pyisolate_layout_check (array.n_dims, array.shape, array.strides, array.info->size,
                                     wire.offset, store.size);
  if (problem == NULL && wire.offset % array.info->size != 0)
    problem = "its elements are not aligned";
  if (problem != NULL)
    return _pyisolate_decoder_malformed ("a tensor that cannot be: %s", problem);

  array.data = start + wire.offset;
  if (store.memory != NULL && pyisolate_memory_is_read_only (store.memory))
    array.flags |= PYISOLATE_TENSOR_READ_ONLY;
  return _pyisolate_array_make (&array, &store);
}

/* --- Long bytes and strings --- */

/* The memory may change while it is read: it is copied first. */
static PyObject *
decode_text (const char *data,
             gsize       size)
{
  g_autofree char *copy = g_try_malloc (size);

  if (size == 0)
    return PyUnicode_FromStringAndSize (NULL, 0);
  if (copy == NULL)
    return PyErr_NoMemory ();
  memcpy (copy, data, size);
  return PyUnicode_DecodeUTF8 (copy, size, "surrogatepass");
}

/* Each piece is copied from once, as each copy was given a piece of its own: else a few bytes that name one piece again and
 * again would become more than there is memory for. */
static gboolean
is_copied_already (Decoder         *self,
                   PyIsolateMemory *memory)
{
  if (self->copied == NULL)
    self->copied = g_hash_table_new (NULL, NULL);
  return !g_hash_table_add (self->copied, memory);
}

/* A payload (ut); NULL: it is none, perhaps with an exception. */
PyObject *
_pyisolate_decoder_long (Decoder    *self,
                         const char *tag,
                         PyObject   *payload)
{
  PyIsolateMemory *memory;
  const char *data;
  guint64 index, size;

  if (!PyLong_CheckExact (PyTuple_GetItem (payload, 0))
      || !PyLong_CheckExact (PyTuple_GetItem (payload, 1)))
    return NULL;
  index = PyLong_AsUnsignedLongLong (PyTuple_GetItem (payload, 0));
  size = PyErr_Occurred () ? 0 : PyLong_AsUnsignedLongLong (PyTuple_GetItem (payload, 1));
  memory = PyErr_Occurred () ? NULL : get_memory (self, index);
  if (memory == NULL)
    return NULL;
  if (size > pyisolate_memory_get_size (memory))
    return _pyisolate_decoder_malformed ("more bytes than their memory has");
  if (is_copied_already (self, memory))
    return _pyisolate_decoder_malformed ("the same memory twice, as bytes");
  data = (const char *) map_memory (memory);
  if (data == NULL)
    return NULL;

  if (is_tag (tag, PYISOLATE_TAG_BYTES))
    return PyBytes_FromStringAndSize (data, size);
  if (is_tag (tag, PYISOLATE_TAG_BYTEARRAY))
    return PyByteArray_FromStringAndSize (data, size);
  return decode_text (data, size);
}

/* Whether a payload is that of one in shared memory. */
gboolean
_pyisolate_decoder_is_long (const char *tag,
                            PyObject   *payload)
{
  return (is_tag (tag, PYISOLATE_TAG_BYTES) || is_tag (tag, PYISOLATE_TAG_STR)
          || is_tag (tag, PYISOLATE_TAG_BYTEARRAY))
         && PyTuple_CheckExact (payload) && PyTuple_Size (payload) == 2;
}
