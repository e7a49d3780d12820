/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
is_kept (int        fd,
         const int *keep,
         size_t     n_keep)
{
  for (size_t i = 0; i < n_keep; i++)
    {
      if (keep[i] == fd)
        return true;
    }
  return fd <= STDERR_FILENO;
}

/* For kernels before 5.9. */
static bool
close_listed (const int *keep,
              size_t     n_keep)
{
  DIR *dir = opendir ("/proc/self/fd");
  struct dirent *entry;

  if (dir == NULL)
    return false;
  while ((entry = readdir (dir)) != NULL)
    {
      int fd = atoi (entry->d_name);

      if (entry->d_name[0] != '.' && fd != dirfd (dir) && !is_kept (fd, keep, n_keep))
        close (fd);
    }
  closedir (dir);
  return true;
}

static bool
close_range_or_fail (unsigned int first,
                     unsigned int last)
{
#ifdef SYS_close_range
  return first > last || syscall (SYS_close_range, first, last, 0) == 0;
#else
  return false;
#endif
}

/* Closes what is neither 0, 1, 2 nor in the list, which is ascending. */
bool
launcher_close_other_fds (const int *keep,
                          size_t     n_keep)
{
  unsigned int first = STDERR_FILENO + 1;

  for (size_t i = 0; i < n_keep; i++)
    {
      if (!close_range_or_fail (first, (unsigned int) keep[i] - 1))
        return close_listed (keep, n_keep);
      first = (unsigned int) keep[i] + 1;
    }
  return close_range_or_fail (first, UINT_MAX) || close_listed (keep, n_keep);
}
