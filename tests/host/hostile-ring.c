/* SPDX-License-Identifier: MIT */
/* What a worker can do to the rings that it was given, and to what it waits for. */
#include "config.h"

#include "hostile-worker.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_SIZE 4096

/* For ever, all over the memory of every ring. */
void
scribble_on_rings (void)
{
  g_autofree char *maps = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
  lines = g_strsplit (maps, "\n", -1);
  for (guint i = 0;; i = lines[i + 1] == NULL ? 0 : i + 1)
    {
      gsize start, end;

      if (strstr (lines[i], "memfd:lane-ring") == NULL || sscanf (lines[i], "%zx-%zx", &start, &end) != 2)
        continue;

      for (guint32 *word = (guint32 *) start; word < (guint32 *) end; word += g_random_int_range (1, 64))
        *word = g_random_boolean () ? g_random_int () : g_random_int () % 2;
    }
}

/* For ever, if the kernel lets it: waits in the set with its lock held, for a page that nobody gives it. */
void
hold_bell (int wait_fd)
{
  void *memory = mmap (NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct uffdio_api api = { .api = UFFD_API };
  struct uffdio_register missing = { { (gsize) memory, PAGE_SIZE }, UFFDIO_REGISTER_MODE_MISSING, 0 };
  int faults = syscall (SYS_userfaultfd, O_CLOEXEC);

  if (faults >= 0 && ioctl (faults, UFFDIO_API, &api) == 0 && ioctl (faults, UFFDIO_REGISTER, &missing) == 0)
    epoll_wait (wait_fd, memory, 1, -1);
}
