/* SPDX-License-Identifier: MIT */
/* The files of shared memory: each a memfd that can neither shrink nor grow, and whose pages are there, so that nobody who maps
 * it is ever sent SIGBUS. */
#include "config.h"

#include "pyisolate-memory-private.h"

#include "pyisolate-fd-limit-private.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-memory-book-private.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* From here on it is asked whether the machine has so much, and something for others. */
#define CHECKED_SIZE ((gsize) 16 << 20)
#define RESERVE_KIB (256 * 1024)

gboolean
_pyisolate_memory_set_error (GError     **error,
                             int          saved_errno,
                             const char  *what,
                             gsize        size)
{
  g_autofree char *whole = g_strdup_printf ("%" G_GSIZE_FORMAT " bytes of shared memory cannot be %s", size, what);

  _pyisolate_fd_set_error (error, saved_errno, whole);

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

gboolean
_pyisolate_memory_reserve (int      fd,
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

  return result == 0 || _pyisolate_memory_set_error (error, errno, "allocated", size);
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

  return fcntl (self->fd, F_ADD_SEALS, seals) == 0 || _pyisolate_memory_set_error (error, errno, "sealed", self->size);
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

/* -1 with errno set: EMFILE also if those that are left are for others. */
static int
new_fd (void)
{
  int fd = memfd_create ("pyisolate", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0 || _pyisolate_fd_may_be (fd, PYISOLATE_FD_MEMORY))
    return fd;

  close (fd);
  errno = EMFILE;
  return -1;
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
      _pyisolate_memory_set_error (error, ENOMEM, "had", size);
      return NULL;
    }

  fd = new_fd ();
  if (fd < 0 && (errno == EMFILE || errno == ENFILE) && _pyisolate_memory_pools_let_go ())
    fd = new_fd ();
  if (fd < 0)
    {
      _pyisolate_memory_set_error (error, errno, "had", size);
      return NULL;
    }

  self = new_memory (fd, size, flags);
  if (_pyisolate_set_file_size (fd, size) < 0)
    {
      _pyisolate_memory_set_error (error, errno, "had", size);
      return NULL;
    }
  if (!is_cold || (flags & PYISOLATE_MEMORY_READ_ONLY))
    {
      _pyisolate_memory_prefer_large_pages (fd, size);
      if (!_pyisolate_memory_reserve (fd, 0, size, error))
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
 * Fails with %PYISOLATE_ERROR_LIMIT where this process has no more file descriptors for that, and with a %G_IO_ERROR where the
 * system has no more memory.
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
      _pyisolate_memory_set_error (error, ENOMEM, "had", size);
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

/**
 * pyisolate_memory_dup_fd: (skip)
 * @self: a piece of memory
 * @error: return location for an error
 *
 * Duplicates the descriptor of the memfd, to hand it to another process. That process then sees all of the memory.
 *
 * Fails with %PYISOLATE_ERROR_LIMIT where the process can have no more file descriptors.
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
