/* SPDX-License-Identifier: MIT */
/* Pieces of shared memory.
 *
 * Each is a memfd (pyisolate-memory-file.c). It is mapped when somebody looks at it, at one address as long as it lives, by which
 * it is known again (pyisolate_memory_find). */
#include "config.h"

#include "pyisolate-memory-private.h"

#include "pyisolate-fd-private.h"
#include "pyisolate-memory-book-private.h"

#include <sys/mman.h>

GMutex _pyisolate_memory_mutex;

/* Address → mapped PyIsolateMemory, also those that are in a pool. */
static GTree *mapped;

G_DEFINE_BOXED_TYPE (PyIsolateMemory, pyisolate_memory, pyisolate_memory_ref, pyisolate_memory_unref)

G_DEFINE_FLAGS_TYPE (PyIsolateMemoryFlags, pyisolate_memory_flags,
                     G_DEFINE_ENUM_VALUE (PYISOLATE_MEMORY_NONE, "none"),
                     G_DEFINE_ENUM_VALUE (PYISOLATE_MEMORY_READ_ONLY, "read-only"))

static int
compare_addresses (gconstpointer a,
                   gconstpointer b)
{
  return (guintptr) a < (guintptr) b ? -1 : (guintptr) a > (guintptr) b;
}

static PyIsolateMemory *
find_locked (const guint8 *address)
{
  GTreeNode *node;

  if (mapped == NULL)
    return NULL;

  node = g_tree_upper_bound (mapped, address);
  node = node != NULL ? g_tree_node_previous (node) : g_tree_node_last (mapped);

  return node != NULL ? g_tree_node_value (node) : NULL;
}

/**
 * pyisolate_memory_find: (skip)
 * @address: an address in this process
 * @size: how many bytes from there on
 *
 * Finds the piece of shared memory in which some bytes lie. This is for language bindings, whose arrays are known by their
 * addresses.
 *
 * Returns: (transfer full) (nullable): the memory, or %NULL if they lie in none, or not all in one
 *
 * Since: 0.1
 */
PyIsolateMemory *
pyisolate_memory_find (gconstpointer address,
                       gsize         size)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&_pyisolate_memory_mutex);
  PyIsolateMemory *self = find_locked (address);
  gsize offset;

  if (self == NULL || g_atomic_int_get (&self->ref_count) == 0)
    return NULL;

  offset = (const guint8 *) address - self->data;
  if (offset >= self->size || size > self->size - offset)
    return NULL;

  _pyisolate_memory_ref_locked (self);
  return self;
}

/**
 * pyisolate_memory_ref:
 * @self: a piece of memory
 *
 * Takes a reference. May be called from any thread.
 *
 * Returns: (transfer full): @self
 *
 * Since: 0.1
 */
PyIsolateMemory *
pyisolate_memory_ref (PyIsolateMemory *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_int_inc (&self->ref_count);

  return self;
}

void
_pyisolate_memory_ref_locked (PyIsolateMemory *self)
{
  g_atomic_int_inc (&self->ref_count);
}

/* Takes leave of a piece that nobody uses. */
void
_pyisolate_memory_discard_locked (PyIsolateMemory  *self,
                                  GSList          **garbage)
{
  if (self->data != NULL)
    g_tree_remove (mapped, self->data);
  _pyisolate_memory_book_forget_locked (self);
  *garbage = g_slist_prepend (*garbage, self);
}

void
_pyisolate_memory_unref_locked (PyIsolateMemory  *self,
                                GSList          **garbage)
{
  if (g_atomic_int_dec_and_test (&self->ref_count) && !_pyisolate_memory_book_keep_locked (self, garbage))
    _pyisolate_memory_discard_locked (self, garbage);
}

void
_pyisolate_memory_free_garbage (GSList *garbage)
{
  while (garbage != NULL)
    {
      PyIsolateMemory *self = garbage->data;

      if (self->data != NULL)
        munmap (self->data, self->size);
      _pyisolate_clear_fd (&self->fd);
      g_free (self);
      garbage = g_slist_delete_link (garbage, garbage);
    }
}

/**
 * pyisolate_memory_unref:
 * @self: (transfer full): a piece of memory
 *
 * Lets go of @self. With the last one who uses it, on either side of a link, the memory is freed or used again. Never waits
 * for another process.
 *
 * Since: 0.1
 */
void
pyisolate_memory_unref (PyIsolateMemory *self)
{
  GSList *garbage = NULL;
  int count;

  g_return_if_fail (self != NULL);

  for (count = g_atomic_int_get (&self->ref_count); count > 1; count = g_atomic_int_get (&self->ref_count))
    {
      if (g_atomic_int_compare_and_exchange (&self->ref_count, count, count - 1))
        return;
    }

  g_mutex_lock (&_pyisolate_memory_mutex);
  _pyisolate_memory_unref_locked (self, &garbage);
  g_mutex_unlock (&_pyisolate_memory_mutex);

  _pyisolate_memory_free_garbage (garbage);
}

/* Whoever looks at it must find its pages. */
static gboolean
make_warm (PyIsolateMemory  *self,
           GError          **error)
{
  if (!self->is_warm && !_pyisolate_memory_reserve (self->fd, 0, self->size, error))
    return FALSE;

  self->is_warm = TRUE;
  return TRUE;
}

/* What another process made read-only is mapped as this one's own copy, which begins only where it is written to. */
static guint8 *
map_file (PyIsolateMemory *self)
{
  gboolean is_private = self->is_foreign && (self->flags & PYISOLATE_MEMORY_READ_ONLY);
  int flags = is_private ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
  void *data = _pyisolate_memory_map_aligned (self->fd, self->size, flags);

  return data != MAP_FAILED ? data : NULL;
}

static void
set_mapped_locked (PyIsolateMemory *self,
                   guint8          *data)
{
  if (mapped == NULL)
    mapped = g_tree_new (compare_addresses);
  g_tree_insert (mapped, data, self);
  g_atomic_pointer_set (&self->data, data);
}

/* One at a time where the descriptor goes afterwards. */
static guint8 *
map_and_drop (PyIsolateMemory *self)
{
  static GMutex mutex;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&mutex);
  guint8 *data = g_atomic_pointer_get (&self->data);
  guint8 *fresh;

  if (data != NULL)
    return data;

  fresh = map_file (self);
  if (fresh == NULL)
    return NULL;

  g_mutex_lock (&_pyisolate_memory_mutex);
  set_mapped_locked (self, fresh);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_clear_fd (&self->fd);

  return fresh;
}

/**
 * pyisolate_memory_map: (skip)
 * @self: a piece of memory
 * @error: return location for an error
 *
 * Gets where the memory is. It is mapped the first time, and stays there as long as anybody uses it.
 *
 * One that another process made read-only may be written to all the same: what is written stays in this process.
 *
 * Fails with a %G_IO_ERROR where there is no more room for it.
 *
 * Returns: the address of its first byte, or %NULL with @error set
 *
 * Since: 0.1
 */
guint8 *
pyisolate_memory_map (PyIsolateMemory  *self,
                      GError          **error)
{
  guint8 *data;
  guint8 *fresh;

  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  data = g_atomic_pointer_get (&self->data);
  if (data != NULL)
    return data;

  if (self->drops_fd)
    {
      data = map_and_drop (self);
      if (data == NULL)
        _pyisolate_memory_set_error (error, errno, "mapped", self->size);
      return data;
    }

  if (!make_warm (self, error))
    return NULL;
  fresh = map_file (self);
  if (fresh == NULL)
    {
      _pyisolate_memory_set_error (error, errno, "mapped", self->size);
      return NULL;
    }

  g_mutex_lock (&_pyisolate_memory_mutex);
  data = self->data;
  if (data == NULL)
    {
      set_mapped_locked (self, fresh);
      data = g_steal_pointer (&fresh);
    }
  g_mutex_unlock (&_pyisolate_memory_mutex);

  if (fresh != NULL)
    munmap (fresh, self->size);

  return data;
}

/**
 * pyisolate_memory_get_size:
 * @self: a piece of memory
 *
 * Gets how large the memory is.
 *
 * Returns: its size in bytes; it may be more than was asked for
 *
 * Since: 0.1
 */
gsize
pyisolate_memory_get_size (PyIsolateMemory *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->size;
}

/**
 * pyisolate_memory_is_read_only:
 * @self: a piece of memory
 *
 * Gets whether only the process that made the memory can write to it.
 *
 * Returns: %TRUE if it is %PYISOLATE_MEMORY_READ_ONLY
 *
 * Since: 0.1
 */
gboolean
pyisolate_memory_is_read_only (PyIsolateMemory *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return (self->flags & PYISOLATE_MEMORY_READ_ONLY) != 0;
}
