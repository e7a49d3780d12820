/* SPDX-License-Identifier: MIT */
/* New pages with their content.
 *
 * Who maps a file and writes to it has pages made, and zeroed, before they are overwritten. UFFDIO_COPY (userfaultfd(2)) makes a page
 * out of what it is to hold, as write() does, and unlike that in several threads at a time. Not every process may: where it cannot be
 * had once it is not tried again. */
#include "config.h"

#include "pyisolate-memory-private.h"

#include "pyisolate-fd-private.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static int is_refused; /* atomic */

static int
open_userfault (void)
{
  struct uffdio_api api = { .api = UFFD_API };
  int fd;

  if (g_atomic_int_get (&is_refused))
    return -1;

  fd = (int) syscall (SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  if (fd >= 0 && ioctl (fd, UFFDIO_API, &api) < 0)
    _pyisolate_clear_fd (&fd);
  if (fd < 0 && errno != EMFILE && errno != ENFILE && errno != ENOMEM)
    g_atomic_int_set (&is_refused, TRUE);

  return fd;
}

static gboolean
copy_pages (int           userfault,
            guint8       *pages,
            const guint8 *data,
            gsize         size)
{
  struct uffdio_copy copy;

  for (gsize done = 0; done < size; done += (gsize) copy.copy)
    {
      copy = (struct uffdio_copy) { .dst = (guintptr) pages + done, .src = (guintptr) data + done, .len = size - done };
      /* A part of it is progress, too. */
      if (ioctl (userfault, UFFDIO_COPY, &copy) < 0 && copy.copy <= 0)
        return FALSE;
    }

  return TRUE;
}

/*< private >
 * @offset: in the file, a multiple of the size of a page, and so is @size
 * @data: what the pages, of which none is there yet, are to hold
 *
 * Returns: FALSE: it cannot be done, or not for all of them; errors are told by whoever writes them in another way
 */
gboolean
_pyisolate_memory_page_in (int           fd,
                           gsize         offset,
                           const guint8 *data,
                           gsize         size)
{
  struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
  _pyisolate_autofd userfault = open_userfault ();
  gboolean is_done = FALSE;
  void *pages;

  if (userfault < 0)
    return FALSE;
  pages = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t) offset);
  if (pages == MAP_FAILED)
    return FALSE;

  range.range.start = (guintptr) pages;
  range.range.len = size;
  if (ioctl (userfault, UFFDIO_REGISTER, &range) == 0)
    is_done = copy_pages (userfault, pages, data, size);
  munmap (pages, size);

  return is_done;
}
