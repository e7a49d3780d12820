/* SPDX-License-Identifier: MIT */
/* Pieces of shared memory.
 *
 * Each is a memfd that can neither shrink nor grow, and whose pages are there: nobody who maps it is ever sent SIGBUS. It is
 * mapped when somebody looks at it, at one address as long as it lives, by which it is known again (pyisolate_memory_find).
 * Fresh pages cost more than what is copied into them. So a piece is first filled by pwrite(), which makes them on the way,
 * and where it is used again its page tables are filled at once. */
#include "config.h"

#include "pyisolate-memory-private.h"

#include "pyisolate-fd-private.h"
#include "pyisolate-memory-book-private.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* From here on it is asked whether the machine has so much, and something for others. */
#define CHECKED_SIZE ((gsize) 16 << 20)
#define RESERVE_KIB (256 * 1024)

/* From here on the time that faults take is worth a system call. */
#define POPULATE_SIZE ((gsize) 64 * 1024)

GMutex _pyisolate_memory_mutex;

/* Address → mapped PyIsolateMemory, also those that are in a pool. */
static GTree *mapped;

G_DEFINE_BOXED_TYPE (PyIsolateMemory, pyisolate_memory, pyisolate_memory_ref, pyisolate_memory_unref)

G_DEFINE_FLAGS_TYPE (PyIsolateMemoryFlags, pyisolate_memory_flags,
                     G_DEFINE_ENUM_VALUE (PYISOLATE_MEMORY_NONE, "none"),
                     G_DEFINE_ENUM_VALUE (PYISOLATE_MEMORY_READ_ONLY, "read-only"))

static gboolean
set_errno_error (GError     **error,
                 int          saved_errno,
                 const char  *what,
                 gsize        size)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
               "%" G_GSIZE_FORMAT " bytes of shared memory cannot be %s: %s", size, what, g_strerror (saved_errno));

  return FALSE;
}

static PyIsolateMemory *
new_memory (int                  take_fd,
            gsize                size,
            PyIsolateMemoryFlags flags)
{
  PyIsolateMemory *self = g_new0 (PyIsolateMemory, 1);

  self->ref_count = 1;
  self->fd = take_fd;
  self->size = size;
  self->flags = flags;

  return self;
}

static gboolean
reserve (int      fd,
         gsize    offset,
         gsize    size,
         GError **error)
{
  int result;

  if (size == 0)
    return TRUE;

  do
    result = fallocate (fd, 0, (off_t) offset, (off_t) size);
  while (result < 0 && errno == EINTR);

  return result == 0 || set_errno_error (error, errno, "allocated", size);
}

/* The maker's own mapping must be there before others are denied one. */
static gboolean
seal (PyIsolateMemory  *self,
      GError          **error)
{
  int seals = F_SEAL_SHRINK | F_SEAL_GROW;

  if (self->flags & PYISOLATE_MEMORY_READ_ONLY)
    {
      if (pyisolate_memory_map (self, error) == NULL)
        return FALSE;
      seals |= F_SEAL_FUTURE_WRITE;
    }

  return fcntl (self->fd, F_ADD_SEALS, seals) == 0 || set_errno_error (error, errno, "sealed", self->size);
}

/* The kernel gives a memfd all that there is, and then kills somebody. */
static gboolean
is_available (gsize size)
{
  g_autofree char *text = NULL;
  const char *line;

  if (size < CHECKED_SIZE || !g_file_get_contents ("/proc/meminfo", &text, NULL, NULL))
    return TRUE;

  line = strstr (text, "MemAvailable:");
  if (line == NULL)
    return TRUE;

  return size / 1024 + RESERVE_KIB < g_ascii_strtoull (line + strlen ("MemAvailable:"), NULL, 10);
}

/*< private >
 * @is_cold: the pages are not made yet: whoever gets it must fill it by one pyisolate_memory_write() from its beginning, or
 *   reserve what is missing, before anybody else sees it
 *
 * Creates a piece that belongs to no pool.
 */
PyIsolateMemory *
_pyisolate_memory_new_file (gsize                  size,
                            PyIsolateMemoryFlags   flags,
                            gboolean               is_cold,
                            GError               **error)
{
  g_autoptr (PyIsolateMemory) self = NULL;
  int fd;

  if (!is_available (size))
    {
      set_errno_error (error, ENOMEM, "had", size);
      return NULL;
    }

  fd = memfd_create ("pyisolate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    {
      set_errno_error (error, errno, "had", size);
      return NULL;
    }

  self = new_memory (fd, size, flags);
  if (ftruncate (fd, (off_t) size) < 0)
    {
      set_errno_error (error, errno, "had", size);
      return NULL;
    }
  if (!is_cold || (flags & PYISOLATE_MEMORY_READ_ONLY))
    {
      if (!reserve (fd, 0, size, error))
        return NULL;
      self->is_warm = TRUE;
    }
  if (!seal (self, error))
    return NULL;

  return g_steal_pointer (&self);
}

/*< private >
 * Creates what stands for another process's piece. The descriptor has been checked, or comes from whom this process trusts.
 */
PyIsolateMemory *
_pyisolate_memory_new_foreign (int                  take_fd,
                               gsize                size,
                               PyIsolateMemoryFlags flags)
{
  PyIsolateMemory *self = new_memory (take_fd, size, flags);

  self->is_foreign = TRUE;
  self->is_warm = TRUE;

  return self;
}

/**
 * pyisolate_memory_new:
 * @size: how many bytes, more than 0
 * @flags: who may write to it
 * @error: return location for an error
 *
 * Allocates a piece of memory that can be shared with extensions. It is zero at first, and belongs to nobody's pool.
 *
 * Fails with a %G_IO_ERROR where the system has no more memory or file descriptors.
 *
 * Returns: (transfer full): the memory, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateMemory *
pyisolate_memory_new (gsize                  size,
                      PyIsolateMemoryFlags   flags,
                      GError               **error)
{
  g_return_val_if_fail (size > 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (size > G_MAXSSIZE)
    {
      set_errno_error (error, ENOMEM, "had", size);
      return NULL;
    }

  return _pyisolate_memory_new_file (size, flags, FALSE, error);
}

/**
 * pyisolate_memory_new_from_fd:
 * @fd: the descriptor of a memfd; it is duplicated
 * @error: return location for an error
 *
 * Takes memory that somebody else made, for one who got it over D-Bus, say. Nobody may be able to shrink it: it must be a
 * memfd with the seals `F_SEAL_SHRINK` and `F_SEAL_GROW`. With `F_SEAL_WRITE` or `F_SEAL_FUTURE_WRITE` it is read-only.
 *
 * Fails with %PYISOLATE_ERROR_BAD_TENSOR if it is anything else.
 *
 * Returns: (transfer full): the memory, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateMemory *
pyisolate_memory_new_from_fd (int      fd,
                              GError **error)
{
  const int needed = F_SEAL_SHRINK | F_SEAL_GROW;
  PyIsolateMemoryFlags flags = PYISOLATE_MEMORY_NONE;
  struct stat status;
  int seals, copy;

  g_return_val_if_fail (fd >= 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  seals = fcntl (fd, F_GET_SEALS);
  if (seals < 0 || fstat (fd, &status) < 0 || !S_ISREG (status.st_mode))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR, "The file descriptor %d is no memfd", fd);
      return NULL;
    }
  if ((seals & needed) != needed)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR,
                   "The memory behind the file descriptor %d could still change its size: it is not sealed", fd);
      return NULL;
    }
  if (status.st_size <= 0)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR, "The memory behind the file descriptor %d is empty",
                   fd);
      return NULL;
    }
  if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
    flags |= PYISOLATE_MEMORY_READ_ONLY;

  copy = _pyisolate_dup_fd (fd, error);
  return copy >= 0 ? _pyisolate_memory_new_foreign (copy, (gsize) status.st_size, flags) : NULL;
}

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

  if (self == NULL || self->ref_count == 0)
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
  if (!self->is_warm && !reserve (self->fd, 0, self->size, error))
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
  void *data = mmap (NULL, self->size, PROT_READ | PROT_WRITE, flags, self->fd, 0);

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
        set_errno_error (error, errno, "mapped", self->size);
      return data;
    }

  if (!make_warm (self, error))
    return NULL;
  fresh = map_file (self);
  if (fresh == NULL)
    {
      set_errno_error (error, errno, "mapped", self->size);
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

static gboolean
write_file (PyIsolateMemory  *self,
            gsize             offset,
            const guint8     *data,
            gsize             size,
            GError          **error)
{
  while (size > 0)
    {
      ssize_t n = pwrite (self->fd, data, size, (off_t) offset);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return set_errno_error (error, n < 0 ? errno : ENOSPC, "written", size);
      data += n;
      offset += n;
      size -= n;
    }

  return TRUE;
}

/**
 * pyisolate_memory_write: (skip)
 * @self: a piece of memory
 * @offset: where to
 * @data: what
 * @size: how much of it
 * @error: return location for an error
 *
 * Copies bytes into the memory, in the way that is fastest.
 *
 * Returns: %TRUE, or %FALSE with @error set
 *
 * Since: 0.1
 */
gboolean
pyisolate_memory_write (PyIsolateMemory  *self,
                        gsize             offset,
                        gconstpointer     data,
                        gsize             size,
                        GError          **error)
{
  guint8 *target;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (offset <= self->size && size <= self->size - offset, FALSE);
  g_return_val_if_fail (data != NULL || size == 0, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!self->is_warm)
    {
      if (!write_file (self, offset, data, size, error) || !reserve (self->fd, 0, offset, error) ||
          !reserve (self->fd, offset + size, self->size - offset - size, error))
        return FALSE;
      self->is_warm = TRUE;
      return TRUE;
    }

  target = pyisolate_memory_map (self, error);
  if (target == NULL)
    return FALSE;
  if (!self->is_populated && size >= POPULATE_SIZE)
    {
      madvise (target, self->size, MADV_POPULATE_WRITE); /* older kernels take the faults one by one */
      self->is_populated = TRUE;
    }
  if (size > 0)
    memcpy (target + offset, data, size);

  return TRUE;
}

/**
 * pyisolate_memory_dup_fd: (skip)
 * @self: a piece of memory
 * @error: return location for an error
 *
 * Duplicates the descriptor of the memfd, to hand it to another process. That process then sees all of the memory.
 *
 * Returns: a file descriptor that the caller closes, or -1 with @error set
 *
 * Since: 0.1
 */
int
pyisolate_memory_dup_fd (PyIsolateMemory  *self,
                         GError          **error)
{
  g_return_val_if_fail (self != NULL, -1);
  g_return_val_if_fail (error == NULL || *error == NULL, -1);

  return _pyisolate_dup_fd (self->fd, error);
}
