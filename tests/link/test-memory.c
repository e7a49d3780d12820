/* SPDX-License-Identifier: MIT */
/* Pieces of shared memory. */
#include "config.h"

#include "memory-books.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <glib/gstdio.h>
#include <linux/userfaultfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static void
test_piece (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (10000, PYISOLATE_MEMORY_NONE, &error);
  g_autoptr (PyIsolateMemory) found = NULL;
  _pyisolate_autofd fd = -1;
  guint8 *data;

  g_assert_no_error (error);
  g_assert_cmpuint (pyisolate_memory_get_size (memory), ==, 10000);
  data = books_map (memory);
  g_assert_true (books_map (memory) == data);
  g_assert_cmpuint (data[9999], ==, 0);

  found = pyisolate_memory_find (data + 5000, 5000);
  g_assert_true (found == memory);
  g_assert_null (pyisolate_memory_find (data + 5000, 5001));
  g_assert_null (pyisolate_memory_find (&error, 1));

  g_assert_true (pyisolate_memory_write (memory, 9990, "0123456789", 10, &error));
  g_assert_cmpmem (data + 9990, 10, "0123456789", 10);

  fd = pyisolate_memory_dup_fd (memory, &error);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (ftruncate (fd, 10), <, 0);
  g_assert_cmpint (ftruncate (fd, 20000), <, 0);
}

static void
test_read_only (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = pyisolate_memory_new (100000, PYISOLATE_MEMORY_READ_ONLY,
                                                             &error);
  g_autoptr (PyIsolateMemory) other = NULL;
  _pyisolate_autofd fd = -1;
  guint8 *data = books_map (memory);
  guint8 *theirs;

  g_assert_no_error (error);
  data[0] = 1;
  fd = pyisolate_memory_dup_fd (memory, &error);
  g_assert_cmpint (pwrite (fd, "x", 1, 0), <, 0);
  g_assert_true (mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);

  other = pyisolate_memory_new_from_fd (fd, &error);
  g_assert_no_error (error);
  g_assert_true (pyisolate_memory_is_read_only (other));
  theirs = books_map (other);
  g_assert_cmpuint (theirs[0], ==, 1);
  theirs[0] = 2; /* nobody dies of it, */
  g_assert_cmpuint (data[0], ==, 1); /* and nobody else sees it */
}

static void
assert_bad_fd (int         fd,
               const char *what)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *pattern = g_strdup_printf ("*%s*", what);

  g_assert_null (pyisolate_memory_new_from_fd (fd, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  if (!g_pattern_match_simple (pattern, error->message))
    g_error ("“%s” does not say “%s”", error->message, what);
}

static void
test_bad_fd (void)
{
  g_autofree char *name = NULL;
  _pyisolate_autofd file = g_file_open_tmp (NULL, &name, NULL);
  _pyisolate_autofd null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  _pyisolate_autofd unsealable = memfd_create ("t", MFD_CLOEXEC);
  _pyisolate_autofd unsealed = memfd_create ("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  _pyisolate_autofd half = memfd_create ("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  _pyisolate_autofd empty = memfd_create ("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  int pipes[2];

  g_unlink (name);
  g_assert_no_errno (pipe2 (pipes, O_CLOEXEC));
  g_assert_no_errno (ftruncate (unsealed, 4096));
  g_assert_no_errno (ftruncate (half, 4096));
  g_assert_no_errno (fcntl (half, F_ADD_SEALS, F_SEAL_GROW));
  g_assert_no_errno (fcntl (empty, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));

  assert_bad_fd (pipes[0], "no memfd");
  assert_bad_fd (null, "no memfd");
  assert_bad_fd (unsealable, "not sealed");
  assert_bad_fd (unsealed, "not sealed");
  assert_bad_fd (half, "not sealed");
  assert_bad_fd (empty, "is empty");
  close (pipes[0]);
  close (pipes[1]);
  assert_bad_fd (10000, "no memfd");
  /* A file in a tmpfs has seals, too, which forbid to add any; one elsewhere has none. */
  assert_bad_fd (file, "");
}

static void
test_no_descriptors (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = NULL;
  struct rlimit limit, none;

  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  none = limit;
  none.rlim_cur = 0;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &none));
  memory = pyisolate_memory_new (4096, PYISOLATE_MEMORY_NONE, &error);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));

  g_assert_null (memory);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_nonnull (strstr (error->message, "RLIMIT_NOFILE"));
}

#define FEW_FDS 128

/* However many pieces there are, others find descriptors; and there is one for a piece as soon as one of them is gone. */
static void
test_kept_descriptors (void)
{
  g_autoptr (GPtrArray) memories = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  g_autoptr (PyIsolateMemory) again = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateMemory *memory;
  struct rlimit limit, few;
  int others[FEW_FDS / 4];
  guint n_others = 0;
  int fd;

  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  few = limit;
  few.rlim_cur = FEW_FDS;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &few));
  while ((memory = pyisolate_memory_new (4096, PYISOLATE_MEMORY_NONE, &error)) != NULL)
    g_ptr_array_add (memories, memory);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  while (n_others < G_N_ELEMENTS (others) && (fd = dup (0)) >= 0)
    others[n_others++] = fd;
  g_assert_cmpuint (n_others, ==, G_N_ELEMENTS (others));
  g_ptr_array_set_size (memories, memories->len - 1);
  again = pyisolate_memory_new (4096, PYISOLATE_MEMORY_NONE, NULL);
  g_assert_nonnull (again);
  while (n_others > 0)
    close (others[--n_others]);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
}

/* Nobody is sent SIGXFSZ for it, which ends who does not expect it. */
static void
test_file_size (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) small = NULL;
  g_autoptr (PyIsolateMemory) large = NULL;
  struct rlimit limit, few;

  g_assert_no_errno (getrlimit (RLIMIT_FSIZE, &limit));
  few = limit;
  few.rlim_cur = 100000;
  g_assert_no_errno (setrlimit (RLIMIT_FSIZE, &few));
  large = pyisolate_memory_new (100001, PYISOLATE_MEMORY_NONE, &error);
  small = pyisolate_memory_new (100000, PYISOLATE_MEMORY_NONE, NULL);
  g_assert_no_errno (setrlimit (RLIMIT_FSIZE, &limit));

  g_assert_null (large);
  g_assert_nonnull (strstr (error->message, g_strerror (EFBIG)));
  g_assert_nonnull (small);
}

static void
test_no_memory (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (pyisolate_memory_new (G_MAXSIZE, PYISOLATE_MEMORY_NONE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_clear_error (&error);
  /* A memfd could have it, until the machine has nothing left. */
  g_assert_null (pyisolate_memory_new ((gsize) 1 << 44, PYISOLATE_MEMORY_NONE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
}

static guint8 *
random_bytes (gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i * 7 + (i >> 12) + (i >> 20));

  return data;
}

/* More than one thread copies that much, into pages that are there, and into others. */
static void
test_large (void)
{
  const gsize size = (20 << 20) + 123;
  const gsize part = (9 << 20) + 1;
  g_autofree guint8 *data = random_bytes (size);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = _pyisolate_memory_new_file (size + 5000, PYISOLATE_MEMORY_NONE, TRUE, &error);
  g_autoptr (PyIsolateMemory) late = _pyisolate_memory_new_file (size, PYISOLATE_MEMORY_NONE, TRUE,
                                                                 &error);
  guint8 *target;

  g_assert_no_error (error);
  g_assert_true (pyisolate_memory_write (memory, 0, data, size, &error));
  target = books_map (memory);
  g_assert_cmpmem (target, size, data, size);
  g_assert_cmpuint (target[size], ==, 0);
  g_assert_cmpuint (target[size + 4999], ==, 0);

  for (int i = 0; i < 3; i++)
    {
      memset (target, i, size + 5000);
      g_assert_true (pyisolate_memory_write (memory, 4097, data, part, &error));
      g_assert_cmpuint (target[4096], ==, i);
      g_assert_cmpmem (target + 4097, part, data, part);
      g_assert_cmpuint (target[4097 + part], ==, i);
    }

  /* What comes first is not at the beginning, nor on a page of its own. */
  g_assert_true (pyisolate_memory_write (late, size - part, data, part, &error));
  g_assert_cmpuint (books_map (late)[size - part - 1], ==, 0);
  g_assert_cmpmem (books_map (late) + size - part, part, data, part);
}

/* The same where the kernel has no large pages to give. */
static void
test_large_of_small_pages (void)
{
  _pyisolate_memory_avoid_large_pages (TRUE);
  test_large ();
  _pyisolate_memory_avoid_large_pages (FALSE);
}

/* Whatever lies before and behind what is copied. */
static void
test_page_in (void)
{
  const gsize page = (gsize) sysconf (_SC_PAGESIZE);
  g_autofree guint8 *data = random_bytes (21 * page);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = _pyisolate_memory_new_file (30 * page, PYISOLATE_MEMORY_NONE, TRUE, &error);
  _pyisolate_autofd allowed = (int) syscall (SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  guint8 *hidden = mmap (NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  guint8 *target;

  g_assert_no_error (error);
  g_assert_true (hidden != MAP_FAILED);
  g_assert_cmpint (_pyisolate_memory_page_in (memory->fd, 5 * page, data + 3, 20 * page), ==, allowed >= 0);
  /* What cannot be read, and what is there already, is no crash. */
  g_assert_false (_pyisolate_memory_page_in (memory->fd, 28 * page, hidden, page));
  g_assert_false (allowed >= 0 && _pyisolate_memory_page_in (memory->fd, 6 * page, data, page));
  munmap (hidden, page);

  target = books_map (memory);
  for (gsize i = 0; i < 5 * page; i++)
    g_assert_true (target[i] == 0 && target[25 * page + i] == 0);
  if (allowed >= 0)
    g_assert_cmpmem (target + 5 * page, 20 * page, data + 3, 20 * page);
}

/* The same as above where nobody may make pages so: here, as it needs a descriptor. */
static void
test_large_by_mapping (void)
{
  const gsize size = (20 << 20) + 123;
  g_autofree guint8 *data = random_bytes (size);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateMemory) memory = _pyisolate_memory_new_file (size, PYISOLATE_MEMORY_NONE, TRUE, &error);
  struct rlimit limit, none;
  gboolean is_written;

  g_assert_no_error (error);
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  none = limit;
  none.rlim_cur = 0;
  _pyisolate_memory_avoid_large_pages (TRUE);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &none));
  is_written = pyisolate_memory_write (memory, 0, data, size, &error);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
  _pyisolate_memory_avoid_large_pages (FALSE);

  g_assert_no_error (error);
  g_assert_true (is_written);
  g_assert_cmpmem (books_map (memory), size, data, size);
}

/* Whether all of it is seen through large pages, as the kernel tells. */
static gboolean
is_of_large_pages (const guint8 *address,
                   gsize         size)
{
  g_autofree char *maps = NULL;
  g_autofree char *beginning = g_strdup_printf ("%lx-", (gulong) address);
  const char *line;

  g_assert_true (g_file_get_contents ("/proc/self/smaps", &maps, NULL, NULL));
  line = strstr (maps, beginning);
  g_assert_nonnull (line);
  line = strstr (line, "ShmemPmdMapped:");

  return line != NULL && g_ascii_strtoull (line + strlen ("ShmemPmdMapped:"), NULL, 10) * 1024 == size;
}

/* Where they can be had they are there, at once, and zero; where not, any may be missing. */
static void
test_large_pages (void)
{
  const gsize size = 10 << 20;
  _pyisolate_autofd fd = memfd_create ("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  g_autofree guint8 *zeros = g_malloc0 (size);
  gboolean are_there;
  guint8 *pages;

  g_assert_no_errno (ftruncate (fd, size + 100));
  pages = _pyisolate_memory_map_aligned (fd, size, MAP_SHARED);
  g_assert_true (pages != MAP_FAILED);
  g_assert_cmpuint ((guintptr) pages % PYISOLATE_LARGE_PAGE, ==, 0);

  are_there = _pyisolate_memory_make_large_pages (fd, pages, 0, size);
  g_test_message ("the kernel gives %s", are_there ? "large pages" : "none");
  if (are_there)
    g_assert_true (is_of_large_pages (pages, size));
  g_assert_cmpmem (pages, size, zeros, size);
  munmap (pages, size);
  g_assert_cmpuint (test_util_count_mappings (getpid (), "memfd:t"), ==, 0);
}

/* One that was slow, as the first in a new virtual machine is, does not keep those that follow from being tried. */
static void
test_large_pages_again (void)
{
  const gint64 slow_us = G_TIME_SPAN_SECOND;
  gint64 begin = g_get_monotonic_time ();

  _pyisolate_memory_judge_large_pages (64 << 20, 0, slow_us);
  while (!_pyisolate_memory_may_have_large_pages ())
    {
      g_assert_cmpint (g_get_monotonic_time () - begin, <, 5 * G_TIME_SPAN_SECOND);
      g_usleep (1000);
    }

  _pyisolate_memory_judge_large_pages (64 << 20, EINVAL, 0); /* there are none */
  g_assert_false (_pyisolate_memory_may_have_large_pages ());
  _pyisolate_memory_avoid_large_pages (FALSE);
  g_assert_true (_pyisolate_memory_may_have_large_pages ());
}

static gsize
get_address_space (void)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  return g_ascii_strtoull (text, NULL, 10) * (gsize) sysconf (_SC_PAGESIZE);
}

/* What is mapped to find a place goes again, whether the file can be mapped there or not. */
static void
test_large_place (void)
{
  const gsize size = (64 << 20) + 1;
  _pyisolate_autofd fd = memfd_create ("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  gsize before = get_address_space ();
  void *place;

  g_assert_no_errno (ftruncate (fd, size));
  for (int i = 0; i < 8; i++)
    {
      place = _pyisolate_memory_map_aligned (fd, size, MAP_SHARED);
      g_assert_true (place != MAP_FAILED);
      munmap (place, size);

      g_assert_true (_pyisolate_memory_map_aligned (-1, size, MAP_SHARED) == MAP_FAILED);
      g_assert_cmpint (errno, ==, EBADF);
    }
  g_assert_cmpuint (get_address_space (), <, before + size);
}

static gpointer
fill_large (gpointer data)
{
  const gsize size = 9 << 20;

  for (int i = 0; i < 4; i++)
    {
      g_autoptr (PyIsolateMemory) memory = _pyisolate_memory_new_file (size, PYISOLATE_MEMORY_NONE,
                                                                       TRUE, NULL);

      for (int j = 0; j < 2; j++)
        {
          g_assert_true (pyisolate_memory_write (memory, 0, data, size, NULL));
          g_assert_cmpmem (books_map (memory), size, data, size);
        }
    }

  return NULL;
}

/* More pieces at once than there are threads to help. */
static void
test_large_threads (void)
{
  g_autofree guint8 *data = random_bytes (9 << 20);
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("filling", fill_large, data);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
test_large_refused (void)
{
  const gsize size = 9 << 20;
  g_autofree guint8 *data = g_malloc0 (size);
  g_autoptr (PyIsolateMemory) memory = _pyisolate_memory_new_file (size, PYISOLATE_MEMORY_NONE,
                                                                   TRUE, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (fcntl (memory->fd, F_ADD_SEALS, F_SEAL_WRITE), ==, 0);
  g_assert_false (pyisolate_memory_write (memory, 0, data, size, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  _pyisolate_memory_avoid_large_pages (FALSE);

  test_util_add_func ("/memory/piece", test_piece);
  test_util_add_func ("/memory/read-only", test_read_only);
  test_util_add_func ("/memory/bad-fd", test_bad_fd);
  test_util_add_func ("/memory/no-descriptors", test_no_descriptors);
  test_util_add_func ("/memory/kept-descriptors", test_kept_descriptors);
  test_util_add_func ("/memory/file-size", test_file_size);
  test_util_add_func ("/memory/no-memory", test_no_memory);
  test_util_add_func ("/memory/large", test_large);
  test_util_add_func ("/memory/large-of-small-pages", test_large_of_small_pages);
  test_util_add_func ("/memory/page-in", test_page_in);
  test_util_add_func ("/memory/large-by-mapping", test_large_by_mapping);
  test_util_add_func ("/memory/large-pages", test_large_pages);
  test_util_add_func ("/memory/large-pages-again", test_large_pages_again);
  test_util_add_func ("/memory/large-place", test_large_place);
  test_util_add_func ("/memory/large-threads", test_large_threads);
  test_util_add_func ("/memory/large-refused", test_large_refused);

  return g_test_run ();
}
