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

/* -1 with @error set: PYISOLATE_ERROR_LIMIT where this process has none left (pyisolate-fd-limit.c). */
int _pyisolate_dup_fd (int      fd,
                       GError **error);

G_END_DECLS
