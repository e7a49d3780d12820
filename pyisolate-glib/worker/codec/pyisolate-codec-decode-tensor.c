/* SPDX-License-Identifier: MIT */
/* Decoding what travels in shared memory. Its numbers are checked against the memory that they
 * speak of; what is in the memory may be anything, and change at any time. */
#include "config.h"

#include "pyisolate-codec-array.h"
#include "pyisolate-codec-reader.h"
#include "pyisolate-memory-private.h"

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

enum { MEMBER_KIND, MEMBER_DTYPE, MEMBER_DEVICE, MEMBER_SHAPE, MEMBER_STRIDES, MEMBER_OFFSET,
       MEMBER_FLAGS, MEMBER_DATA, N_MEMBERS };

typedef struct {
  const guint8 *data;
  gsize         size;
} Member;

/* Finds the members of a tensor's payload, a variant. FALSE: it is of another type, or malformed. */
static gboolean
find_members (const guint8 *data,
              gsize         size,
              Member       *members)
{
  static const char wanted[] = PYISOLATE_VALUE_TENSOR_TYPE;
  const PyIsolateDepth outside = { 0, 0, 0 };
  PyIsolateTypeNode nodes[sizeof wanted];
  PyIsolateStructFrame frame;
  gsize type = _pyisolate_variant_find_type (data, size);
  guint i = 1;

  if (type == 0 || size - type != sizeof wanted - 1
      || memcmp (data + type, wanted, sizeof wanted - 1) != 0)
    return FALSE;
  _pyisolate_type_parse (wanted, sizeof wanted - 1, outside, nodes);
  if (!_pyisolate_struct_frame_read (data, type - 1, nodes, &frame))
    return FALSE;
  for (guint n = 0; n < N_MEMBERS; n++)
    {
      gsize start;

      if (!_pyisolate_struct_frame_next (&frame, &nodes[i], n + 1 == N_MEMBERS, &start,
                                         &members[n].size))
        return FALSE;
      members[n].data = data + start;
      i += nodes[i].span;
    }
  return _pyisolate_struct_frame_is_done (&frame, nodes);
}

/* NULL: not one string */
static const char *
get_text (const Member *member)
{
  const char *text = (const char *) member->data;

  return member->size > 0 && memchr (text, 0, member->size) == text + member->size - 1 ? text : NULL;
}

static gboolean
read_numbers (const Member *member,
              guint         n,
              gint64       *numbers)
{
  if (member->size != n * sizeof *numbers)
    return FALSE;
  memcpy (numbers, member->data, member->size);
  return TRUE;
}

/* All but the data. FALSE: such a tensor cannot be. */
static gboolean
read_head (const Member *members,
           CodecArray   *array,
           guint64      *offset)
{
  const char *kind = get_text (&members[MEMBER_KIND]);
  const char *dtype = get_text (&members[MEMBER_DTYPE]);
  const char *device = get_text (&members[MEMBER_DEVICE]);
  gsize n_dims = members[MEMBER_SHAPE].size / sizeof (gint64);
  int number;

  if (kind == NULL || dtype == NULL || device == NULL || n_dims > PYISOLATE_MAX_DIMENSIONS)
    return FALSE;
  number = _pyisolate_array_kind_by_name (kind);
  array->info = _pyisolate_dtype_info_by_name (dtype);
  if (number < 0 || array->info == NULL || strcmp (device, PYISOLATE_DEVICE_CPU) != 0)
    return FALSE;

  array->kind = number;
  array->n_dims = n_dims;
  memcpy (offset, members[MEMBER_OFFSET].data, sizeof *offset);
  memcpy (&array->flags, members[MEMBER_FLAGS].data, sizeof array->flags);
  return (array->flags & ~PYISOLATE_TENSOR_ALL_FLAGS) == 0
         && read_numbers (&members[MEMBER_SHAPE], n_dims, array->shape)
         && read_numbers (&members[MEMBER_STRIDES], n_dims, array->strides);
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

/* Finds where the data is: the variant holds the bytes, or names memory or a descriptor. FALSE with an exception. */
static gboolean
find_store (Decoder      *self,
            const Member *member,
            CodecStore   *store,
            guint8      **start)
{
  gsize type = _pyisolate_variant_find_type (member->data, member->size);
  const char *text = (const char *) member->data + type;
  gsize length = member->size - type;
  PyIsolateMemory *memory;
  guint32 index;

  if (type == 1 + sizeof index && length == 1 && (*text == 'u' || *text == 'h'))
    {
      memcpy (&index, member->data, sizeof index);
      memory = *text == 'h' ? open_memory (self, index) : get_memory (self, index);
      if (memory != NULL && *text == 'u')
        pyisolate_memory_ref (memory);
      return use_memory (memory, store, start);
    }
  if (type == 0 || length != 2 || memcmp (text, "ay", 2) != 0)
    {
      _pyisolate_decoder_malformed ("a tensor without memory");
      return FALSE;
    }

  store->size = type - 1;
  *start = store->bytes = g_atomic_rc_box_alloc (MAX (store->size, 1));
  memcpy (store->bytes, member->data, store->size);
  return TRUE;
}

PyObject *
_pyisolate_decoder_tensor (Decoder      *self,
                           const guint8 *data,
                           gsize         size)
{
  Member members[N_MEMBERS];
  CodecArray array;
  g_auto(CodecStore) store = { NULL, NULL, 0 };
  guint8 *start;
  guint64 offset;
  const char *problem;

  if (!find_members (data, size, members) || !read_head (members, &array, &offset))
    return _pyisolate_decoder_malformed ("a bad payload of 'tensor'");
  if (!find_store (self, &members[MEMBER_DATA], &store, &start))
    return NULL;
  problem = _pyisolate_layout_check (array.n_dims, array.shape, array.strides, array.info->size,
                                     offset, store.size);
  if (problem == NULL && offset % array.info->size != 0)
    problem = "its elements are not aligned";
  if (problem != NULL)
    return _pyisolate_decoder_malformed ("a tensor that cannot be: %s", problem);

  array.data = start + offset;
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

  if (copy == NULL && size > 0)
    return PyErr_NoMemory ();
  memcpy (copy, data, size);
  return PyUnicode_DecodeUTF8 (copy, size, "surrogatepass");
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
