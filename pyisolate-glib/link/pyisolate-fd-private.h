/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sys/resource.h>
#include <unistd.h>

G_BEGIN_DECLS

/* What GLib has from 2.76 on. */

static inline void
_pyisolate_clear_fd (int *fd)
{
  int saved_errno = errno;

  if (*fd >= 0)
    close (*fd);
  *fd = -1;
  errno = saved_errno;
}

#define _pyisolate_autofd __attribute__ ((cleanup (_pyisolate_clear_fd))) int

static inline int
_pyisolate_steal_fd (int *fd)
{
  int stolen = *fd;

  *fd = -1;
  return stolen;
}

/* ftruncate(), which ends a process by SIGXFSZ where that has a limit for the size of files: a memfd is one. */
static inline int
_pyisolate_set_file_size (int   fd,
                          gsize size)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur)
    {
      errno = EFBIG;
      return -1;
    }

  return ftruncate (fd, (off_t) size);
}

static inline int
_pyisolate_dup_fd (int      fd,
                   GError **error)
{
  int copy = fcntl (fd, F_DUPFD_CLOEXEC, 3);

  if (copy < 0)
    {
      int saved_errno = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
                   "The file descriptor %d cannot be duplicated: %s", fd, g_strerror (saved_errno));
    }

  return copy;
}

G_END_DECLS
