/* SPDX-License-Identifier: MIT */
/* Filling pieces. Fresh pages cost more than what is copied into them. So a piece is first filled by pwrite(), which makes them
 * on the way, and where it is used again its page tables are filled at once. */
#include "config.h"

#include "pyisolate-memory-private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* From here on the time that faults take is worth a system call. */
#define POPULATE_SIZE ((gsize) 64 * 1024)

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
        return _pyisolate_memory_set_error (error, n < 0 ? errno : ENOSPC, "written", size);
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
      if (!write_file (self, offset, data, size, error) || !_pyisolate_memory_reserve (self->fd, 0, offset, error) ||
          !_pyisolate_memory_reserve (self->fd, offset + size, self->size - offset - size, error))
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
