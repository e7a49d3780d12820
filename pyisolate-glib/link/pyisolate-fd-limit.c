/* SPDX-License-Identifier: MIT */
/* How many file descriptors this process may have, and which of them shared memory takes.
 *
 * Each piece of shared memory is a descriptor, and an extension can ask for thousands. What else the process does must not fail for
 * that: so the last numbers are never a piece's. That is enough to keep as many free for others, and needs no counting, since the
 * kernel gives the lowest number that is free, and none from RLIMIT_NOFILE on: who gets a number says that all below are in use.
 * Half of them can be copies that are being passed, so that there is a way for a piece that has the last number for pieces. */
#include "config.h"

#include "pyisolate-fd-limit-private.h"

#include "pyisolate-error.h"
#include "pyisolate-fd-private.h"

/* A process of an extension needs about twelve, and each context that calls it some more. */
#define MAX_KEPT 64

static rlim_t
get_limit (void)
{
  struct rlimit limit;

  return getrlimit (RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

static rlim_t
get_kept (rlim_t limit)
{
  return MIN (limit / 4, MAX_KEPT);
}

gboolean
_pyisolate_fd_may_be (int            fd,
                      PyIsolateFdUse use)
{
  rlim_t limit = get_limit ();
  rlim_t kept = get_kept (limit);

  switch (use)
    {
    case PYISOLATE_FD_STOCK:
      return (rlim_t) fd < (limit - kept) / 2;

    case PYISOLATE_FD_PASSING:
      return (rlim_t) fd < limit - kept / 2;

    case PYISOLATE_FD_MEMORY:
    default:
      return (rlim_t) fd < limit - kept;
    }
}

char *
_pyisolate_fd_strerror (int saved_errno)
{
  rlim_t limit = get_limit ();

  if (saved_errno != EMFILE)
    return g_strdup (g_strerror (saved_errno));

  return g_strdup_printf ("%s: this process may have %" G_GUINT64_FORMAT " file descriptors (RLIMIT_NOFILE), of which %u are "
                          "kept for other things than shared memory; raise the limit (ulimit -n), or let go of some arrays",
                          g_strerror (saved_errno), (guint64) limit, (guint) get_kept (limit));
}

void
_pyisolate_fd_set_error (GError     **error,
                         int          saved_errno,
                         const char  *what)
{
  g_autofree char *reason = _pyisolate_fd_strerror (saved_errno);

  if (saved_errno == EMFILE)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT, "%s: %s", what, reason);
  else
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "%s: %s", what, reason);
}

int
_pyisolate_dup_fd (int      fd,
                   GError **error)
{
  int copy = fcntl (fd, F_DUPFD_CLOEXEC, 3);

  if (copy < 0)
    {
      int saved_errno = errno;
      g_autofree char *what = g_strdup_printf ("The file descriptor %d cannot be duplicated", fd);

      _pyisolate_fd_set_error (error, saved_errno, what);
    }

  return copy;
}

int
_pyisolate_dup_fd_to_pass (int fd)
{
  int copy = fcntl (fd, F_DUPFD_CLOEXEC, 3);

  if (copy < 0 || _pyisolate_fd_may_be (copy, PYISOLATE_FD_PASSING))
    return copy;

  close (copy);
  errno = EMFILE;
  return -1;
}
