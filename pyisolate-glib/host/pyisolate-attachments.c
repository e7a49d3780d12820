/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-attachments-private.h"

typedef struct {
  PyIsolateMemory *memory;
  GBytes *bytes; /* instead: what is to be copied */
} Attachment;

struct _PyIsolateAttachments {
  GArray *items; /* of Attachment */
};

static void
clear_attachment (gpointer data)
{
  Attachment *item = data;

  g_clear_pointer (&item->memory, pyisolate_memory_unref);
  g_clear_pointer (&item->bytes, g_bytes_unref);
}

PyIsolateAttachments *
_pyisolate_attachments_new (void)
{
  PyIsolateAttachments *self = g_new0 (PyIsolateAttachments, 1);

  self->items = g_array_new (FALSE, FALSE, sizeof (Attachment));
  g_array_set_clear_func (self->items, clear_attachment);

  return self;
}

void
_pyisolate_attachments_free (PyIsolateAttachments *self)
{
  g_array_unref (self->items);
  g_free (self);
}

guint
_pyisolate_attachments_add_memory (PyIsolateAttachments *self,
                                   PyIsolateMemory      *memory)
{
  Attachment item = { pyisolate_memory_ref (memory), NULL };

  g_array_append_val (self->items, item);

  return self->items->len - 1;
}

GVariant *
_pyisolate_attachments_add_tensor (PyIsolateAttachments *self,
                                   PyIsolateTensor      *tensor)
{
  g_autoptr (GBytes) window = NULL;
  Attachment item = { NULL, NULL };
  guint64 offset;
  guint index;

  if (tensor->memory != NULL)
    {
      index = _pyisolate_attachments_add_memory (self, tensor->memory);
      return _pyisolate_tensor_to_variant (tensor, tensor->offset, g_variant_new_uint32 (index));
    }

  window = _pyisolate_tensor_dup_window (tensor, &offset);
  if (g_bytes_get_size (window) <= PYISOLATE_TENSOR_MAX_INLINE)
    return _pyisolate_tensor_to_variant (tensor, offset,
                                         g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, window, TRUE));

  item.bytes = g_steal_pointer (&window);
  g_array_append_val (self->items, item);
  return _pyisolate_tensor_to_variant (tensor, offset, g_variant_new_uint32 (self->items->len - 1));
}

static PyIsolateMemory *
copy_bytes (PyIsolateMemoryBook  *book,
            GBytes               *bytes,
            GError              **error)
{
  g_autoptr (PyIsolateMemory) memory = NULL;
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  memory = _pyisolate_memory_book_allocate (book, size, PYISOLATE_MEMORY_NONE, error);
  if (memory == NULL || !pyisolate_memory_write (memory, 0, data, size, error))
    return NULL;

  return g_steal_pointer (&memory);
}

static gboolean
check_book (PyIsolateMemoryBook  *book,
            GError              **error)
{
  if (book != NULL)
    return TRUE;

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR, "Shared memory cannot travel by this link");
  return FALSE;
}

gboolean
_pyisolate_attachments_check (GPtrArray            *memories,
                              PyIsolateMemoryBook  *book,
                              GError              **error)
{
  return memories == NULL || memories->len == 0 || check_book (book, error);
}

gboolean
_pyisolate_attachments_move (PyIsolateAttachments  *self,
                             PyIsolateMemoryBook   *book,
                             PyIsolateFrame        *frame,
                             GError               **error)
{
  g_autoptr (GPtrArray) memories = NULL;

  if (self == NULL || self->items->len == 0)
    return TRUE;
  if (!check_book (book, error))
    return FALSE;

  memories = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  for (guint i = 0; i < self->items->len; i++)
    {
      Attachment *item = &g_array_index (self->items, Attachment, i);
      PyIsolateMemory *memory;

      memory = item->memory != NULL ? pyisolate_memory_ref (item->memory) : copy_bytes (book, item->bytes, error);
      if (memory == NULL)
        return FALSE;
      g_ptr_array_add (memories, memory);
    }
  _pyisolate_frame_take_memories (frame, g_steal_pointer (&memories));

  return TRUE;
}
