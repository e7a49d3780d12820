/* SPDX-License-Identifier: MIT */
/* Filling pieces.
 *
 * Fresh pages cost more than what is copied into them, unless they are large (pyisolate-memory-large-pages.c): each thread asks for
 * those of its part, and copies. Of small ones pwrite() is the cheapest way, as it makes them as it goes, but only one thread at a time
 * can write to a file. Others make pages as if these had been missed (pyisolate-memory-page-in.c), or map them and then copy. So who
 * fills a large piece writes it from its beginning, and threads that help fill it from its end, until they meet. A piece that is used
 * again is mapped as a whole: all of them copy. */
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

/* From here on help is worth asking for. More threads than these would only wait for the memory. */
#define SHARED_SIZE PYISOLATE_LARGE_SIZE
#define PORTION_SIZE ((gsize) 1024 * 1024)
#define MAX_LARGE_PORTION_SIZE ((gsize) 32 << 20)
#define MAX_HELPERS 3

typedef struct {
  gatomicrefcount ref_count;

  int fd;
  guint8 *target;     /* of the first byte, or NULL: the pages are not there yet */
  guint8 *fresh;      /* where the large pages are that are to be asked for, all of the file's, or NULL */
  gboolean populates; /* the page tables are to be filled */
  gsize offset;       /* in the file */
  const guint8 *data;
  gsize size;

  gsize portion_size;
  int n_portions;
  int n_left; /* atomic: that nobody has taken */
  int n_from_beginning, n_from_end; /* atomic: that were taken */

  GMutex mutex;
  GCond finished;
  int n_open; /* that are not there yet */
  int saved_errno;
} Fill;

static void
fill_unref (Fill *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->finished);
  g_free (self);
}

/* Returns: 0, or an errno */
static int
write_file (int           fd,
            gsize         offset,
            const guint8 *data,
            gsize         size)
{
  while (size > 0)
    {
      ssize_t n = pwrite (fd, data, size, (off_t) offset);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return n < 0 ? errno : ENOSPC;
      data += n;
      offset += n;
      size -= n;
    }

  return 0;
}

/* It is asked for the pages: whoever touches one that cannot be had gets a SIGBUS. */
static gboolean
map_and_copy (int           fd,
                 gsize         offset,
                 const guint8 *data,
                 gsize         size)
{
  gsize skipped = offset % (gsize) sysconf (_SC_PAGESIZE);
  guint8 *pages = mmap (NULL, skipped + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t) (offset - skipped));
  gboolean are_there;

  if (pages == MAP_FAILED)
    return FALSE;

  are_there = madvise (pages, skipped + size, MADV_POPULATE_WRITE) == 0;
  if (are_there)
    memcpy (pages + skipped, data, size);
  munmap (pages, skipped + size);

  return are_there;
}

/* Returns: 0, or an errno */
static int
make_beside_others (int           fd,
                    gsize         offset,
                    const guint8 *data,
                    gsize         size)
{
  const gsize page = (gsize) sysconf (_SC_PAGESIZE);
  gsize whole = offset % page == 0 ? size - size % page : 0;

  if (whole == 0 || !_pyisolate_memory_page_in (fd, offset, data, whole))
    whole = map_and_copy (fd, offset, data, size) ? size : 0;

  return write_file (fd, offset + whole, data + whole, size - whole);
}

static void
populate (guint8 *data,
          gsize   size)
{
  gsize skipped = (guintptr) data % (gsize) sysconf (_SC_PAGESIZE);

  madvise (data - skipped, skipped + size, MADV_POPULATE_WRITE); /* older kernels take the faults one by one */
}

/* Returns: 0, or an errno */
static int
fill_large_pages (Fill  *self,
                  gsize  start,
                  gsize  size)
{
  gsize whole = size - size % PYISOLATE_LARGE_PAGE;

  if (whole > 0 && _pyisolate_memory_make_large_pages (self->fd, self->fresh + start, start, whole))
    memcpy (self->fresh + start, self->data + start, whole);
  else
    whole = 0;

  return write_file (self->fd, start + whole, self->data + start + whole, size - whole);
}

static int
fill_portion (Fill     *self,
              gsize     start,
              gsize     size,
              gboolean  beside_others)
{
  if (self->fresh != NULL)
    return fill_large_pages (self, start, size);
  if (self->target == NULL && beside_others)
    return make_beside_others (self->fd, self->offset + start, self->data + start, size);
  if (self->target == NULL)
    return write_file (self->fd, self->offset + start, self->data + start, size);

  if (self->populates)
    populate (self->target + start, size);
  memcpy (self->target + start, self->data + start, size);

  return 0;
}

static gboolean
fill_next (Fill     *self,
           gboolean  from_end)
{
  int number, failed;
  gsize start;

  if (g_atomic_int_add (&self->n_left, -1) <= 0)
    return FALSE;

  if (from_end)
    number = self->n_portions - 1 - g_atomic_int_add (&self->n_from_end, 1);
  else
    number = g_atomic_int_add (&self->n_from_beginning, 1);
  start = (gsize) number * self->portion_size;
  failed = fill_portion (self, start, MIN (self->portion_size, self->size - start), from_end);

  g_mutex_lock (&self->mutex);
  if (failed != 0)
    self->saved_errno = failed;
  if (--self->n_open == 0)
    g_cond_signal (&self->finished);
  g_mutex_unlock (&self->mutex);

  return TRUE;
}

/* Who comes late finds nothing left, and touches nothing. */
static void
help (gpointer data,
      gpointer unused)
{
  Fill *self = data;

  while (fill_next (self, TRUE))
    ;
  fill_unref (self);
}

static guint
count_helpers (void)
{
  return MIN (g_get_num_processors () - 1, MAX_HELPERS);
}

static GThreadPool *
get_helpers (void)
{
  static GThreadPool *pool;
  static gsize is_made = 0;

  if (g_once_init_enter (&is_made))
    {
      pool = g_thread_pool_new (help, NULL, (int) count_helpers (), FALSE, NULL);
      g_once_init_leave (&is_made, 1);
    }

  return pool;
}

/* Returns: 0, or an errno */
static int
fill_together (const Fill *what)
{
  Fill *self = g_new (Fill, 1);
  int saved_errno;

  *self = *what;
  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->mutex);
  g_cond_init (&self->finished);
  self->n_portions = self->n_left = self->n_open = (int) ((self->size + self->portion_size - 1) / self->portion_size);

  for (guint i = 0; i < count_helpers (); i++)
    {
      g_atomic_ref_count_inc (&self->ref_count);
      g_thread_pool_push (get_helpers (), self, NULL);
    }
  while (fill_next (self, FALSE))
    ;

  g_mutex_lock (&self->mutex);
  while (self->n_open > 0)
    g_cond_wait (&self->finished, &self->mutex);
  saved_errno = self->saved_errno;
  g_mutex_unlock (&self->mutex);
  fill_unref (self);

  return saved_errno;
}

/* The same for each thread, so that each asks the kernel once, unless that is too much for once. */
static gsize
get_large_portion_size (gsize size)
{
  gsize share = size / (count_helpers () + 1);

  share = (share + PYISOLATE_LARGE_PAGE - 1) / PYISOLATE_LARGE_PAGE * PYISOLATE_LARGE_PAGE;

  return MIN (share, MAX_LARGE_PORTION_SIZE);
}

/* Returns: 0, or an errno; or -1: there are no large pages, or too slowly, and others are to be had from the beginning on */
static int
fill_fresh (Fill *what)
{
  gsize whole = what->size - what->size % PYISOLATE_LARGE_PAGE;
  void *fresh = MAP_FAILED;
  int failed;

  if (what->offset == 0 && what->size >= PYISOLATE_LARGE_SIZE && _pyisolate_memory_may_have_large_pages ())
    fresh = _pyisolate_memory_map_aligned (what->fd, whole, MAP_SHARED);
  if (fresh == MAP_FAILED)
    return -1;
  if (!_pyisolate_memory_try_large_pages (what->fd, fresh))
    {
      munmap (fresh, whole);
      return -1;
    }

  what->fresh = fresh;
  what->portion_size = get_large_portion_size (what->size);
  failed = fill_together (what);
  munmap (fresh, whole);

  return failed;
}

static gboolean
fill (PyIsolateMemory  *self,
      guint8           *target,
      gsize             offset,
      gconstpointer     data,
      gsize             size,
      GError          **error)
{
  Fill what = { .fd = self->fd, .offset = offset, .data = data, .size = size, .portion_size = PORTION_SIZE };
  int failed = target == NULL ? fill_fresh (&what) : -1;

  if (target != NULL)
    {
      what.target = target + offset;
      what.populates = !self->is_populated && size >= POPULATE_SIZE;
      self->is_populated |= size >= self->size / 2;
    }

  if (failed < 0 && size >= SHARED_SIZE && count_helpers () > 0)
    failed = fill_together (&what);
  else if (failed < 0)
    failed = size > 0 ? fill_portion (&what, 0, size, FALSE) : 0;

  return failed == 0 || _pyisolate_memory_set_error (error, failed, "written", size);
}

/**
 * pyisolate_memory_write: (skip)
 * @self: a piece of memory
 * @offset: where to
 * @data: what
 * @size: how much of it
 * @error: return location for an error
 *
 * Copies bytes into the memory, in the way that is fastest: much is copied by several threads, where there are processors for them.
 *
 * Fails with a %G_IO_ERROR where there is no more memory.
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
      if (!fill (self, NULL, offset, data, size, error) || !_pyisolate_memory_reserve (self->fd, 0, offset, error) ||
          !_pyisolate_memory_reserve (self->fd, offset + size, self->size - offset - size, error))
        return FALSE;
      self->is_warm = TRUE;
      return TRUE;
    }

  target = pyisolate_memory_map (self, error);

  return target != NULL && fill (self, target, offset, data, size, error);
}
