/* SPDX-License-Identifier: MIT */
/* Large pages for large pieces.
 *
 * Making pages of 4 KiB one by one costs several times what is copied into them. Most kernels make none of 2 MiB for shared
 * memory by themselves (shmem_enabled is "never"), but do if they are asked, range by range, with MADV_COLLAPSE: of each
 * such page one small one must be there. The kernel may have to tidy up for it, waits for every processor to let go of pages that
 * it has at hand, and in a virtual machine for memory that this one has not touched yet. Load alone says nothing: small pages get
 * dearer by it, too. So what it takes is measured: where that is long, the small ones are made for a while, and where it cannot be
 * done at all, for ever. */
#include "config.h"

#include "pyisolate-memory-private.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Each time the kernel waits for all processors: so much is asked for at once. */
#define SECTION_SIZE ((gsize) 32 << 20)

/* With two pages it is found out whether they come as fast as they should: in a virtual machine that has given back what was free,
 * they take ten times as long, and all that are wanted would. */
#define TRIAL_SIZE (2 * PYISOLATE_LARGE_PAGE)

/* What small pages cost, and how long they are made after large ones have cost more: each time twice as long. The first time it is
 * not long, as memory that was slow to come once is at hand then. */
#define SLACK_US 2000
#define US_PER_MIB 300
#define AVOID_TICKS 1
#define MAX_AVOID_TICKS 4096

/* A quarter of a second, about: so an int lasts for years. */
#define TICK_US (1 << 18)

static int avoid_until; /* atomic: when it is tried again, in ticks of the monotonic clock */
static int avoid_next = AVOID_TICKS; /* atomic */

static int
get_ticks (void)
{
  return (int) (g_get_monotonic_time () / TICK_US);
}

/* For tests: none are tried, or they are, whatever they cost before. */
void
_pyisolate_memory_avoid_large_pages (gboolean avoid)
{
  g_atomic_int_set (&avoid_until, avoid ? G_MAXINT : 0);
  g_atomic_int_set (&avoid_next, AVOID_TICKS);
}

/* Whether it is worth trying. */
gboolean
_pyisolate_memory_may_have_large_pages (void)
{
  return g_atomic_int_get (&avoid_until) <= get_ticks ();
}

/*< private >
 * @flags: of mmap()
 *
 * Maps a file from its beginning. A large page can be seen as one only at an address that is a multiple of its size.
 *
 * Returns: the address, or MAP_FAILED with errno
 */
void *
_pyisolate_memory_map_aligned (int   fd,
                               gsize size,
                               int   flags)
{
  const gsize page = (gsize) sysconf (_SC_PAGESIZE);
  const gsize rounded = (size + page - 1) / page * page;
  guint8 *space, *start, *end;

  if (size < PYISOLATE_LARGE_PAGE)
    return mmap (NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

  space = mmap (NULL, rounded + PYISOLATE_LARGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED)
    return MAP_FAILED;

  end = space + rounded + PYISOLATE_LARGE_PAGE;
  start = space + (PYISOLATE_LARGE_PAGE - (guintptr) space % PYISOLATE_LARGE_PAGE) % PYISOLATE_LARGE_PAGE;
  if (mmap (start, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) == MAP_FAILED)
    {
      int saved_errno = errno;

      munmap (space, (gsize) (end - space));
      errno = saved_errno;
      return MAP_FAILED;
    }
  if (start > space)
    munmap (space, (gsize) (start - space));
  if (start + rounded < end)
    munmap (start + rounded, (gsize) (end - start) - rounded);

  return start;
}

static void
avoid_for_a_while (void)
{
  int ticks = g_atomic_int_get (&avoid_next);

  if (!_pyisolate_memory_may_have_large_pages ()) /* another thread's part of the same piece took long, too */
    return;
  g_atomic_int_set (&avoid_until, get_ticks () + ticks);
  g_atomic_int_set (&avoid_next, MIN (2 * ticks, MAX_AVOID_TICKS));
}

/*< private >
 * @size: how much was asked for
 * @failed: 0, or an errno
 * @taken_us: how long it took
 *
 * Learns from it whether it is worth trying again.
 */
void
_pyisolate_memory_judge_large_pages (gsize  size,
                                     int    failed,
                                     gint64 taken_us)
{
  if (failed == EINVAL) /* the kernel has no such thing, or is told to do none */
    g_atomic_int_set (&avoid_until, G_MAXINT);
  else if (failed != 0 || taken_us > SLACK_US + (gint64) (size >> 20) * US_PER_MIB)
    avoid_for_a_while ();
  else
    g_atomic_int_set (&avoid_next, AVOID_TICKS);
}

static gboolean
collapse (guint8 *pages,
          gsize   size)
{
  gint64 begin = g_get_monotonic_time ();
  int failed = madvise (pages, size, MADV_COLLAPSE) < 0 ? errno : 0;

  _pyisolate_memory_judge_large_pages (size, failed, g_get_monotonic_time () - begin);

  return failed == 0;
}

/*< private >
 * @pages: where that part of the file is mapped, by _pyisolate_memory_map_aligned()
 * @offset: in the file, a multiple of %PYISOLATE_LARGE_PAGE, and so is @size
 *
 * Makes the pages of a part that has none yet, as large ones, of zeros.
 *
 * Returns: FALSE: not all of them are there, and any may be
 */
gboolean
_pyisolate_memory_make_large_pages (int     fd,
                                    guint8 *pages,
                                    gsize   offset,
                                    gsize   size)
{
  gsize section;

  for (gsize done = 0; done < size; done += section)
    {
      section = MIN (SECTION_SIZE, size - done);
      if (!_pyisolate_memory_may_have_large_pages ())
        return FALSE;
      for (gsize at = done; at < done + section; at += PYISOLATE_LARGE_PAGE)
        {
          if (pwrite (fd, "", 1, (off_t) (offset + at)) != 1)
            return FALSE;
        }
      if (!collapse (pages + done, section))
        return FALSE;
    }

  return TRUE;
}

/*< private >
 * @pages: where the file, which is new, is mapped from its beginning on
 *
 * Makes the first large pages of a file that is to have some, of %PYISOLATE_LARGE_SIZE at least.
 *
 * Returns: FALSE: it is better to have small ones; any of those first ones may be there
 */
gboolean
_pyisolate_memory_try_large_pages (int     fd,
                                   guint8 *pages)
{
  return _pyisolate_memory_make_large_pages (fd, pages, 0, TRIAL_SIZE) && _pyisolate_memory_may_have_large_pages ();
}

/*< private >
 * Makes as many large pages of a new file as can be had. The others are to be made afterwards.
 */
void
_pyisolate_memory_prefer_large_pages (int   fd,
                                      gsize size)
{
  gsize whole = size - size % PYISOLATE_LARGE_PAGE;
  guint8 *pages;

  if (size < PYISOLATE_LARGE_SIZE || !_pyisolate_memory_may_have_large_pages ())
    return;
  pages = _pyisolate_memory_map_aligned (fd, whole, MAP_SHARED);
  if (pages == MAP_FAILED)
    return;

  if (_pyisolate_memory_try_large_pages (fd, pages))
    _pyisolate_memory_make_large_pages (fd, pages, 0, whole);
  munmap (pages, whole);
}
