/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test-util.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Other threads close and reap a moment later than the callback that told about it; on a busy machine a long one. */
#define SETTLE_MS (test_util_is_slowed () ? 60000 : 20000)
#define TICK_MS 10
#define MEASURE_MS 60000

typedef struct _TestCase TestCase;
struct _TestCase {
  GTestFunc func;
  TestUtilDataFunc data_func;
  gconstpointer data;
  TestCase *next;
};

typedef struct {
  guint n_fds;
  char *fds;
} Fixture;

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

gboolean
test_util_run_until (TestUtilPredicate predicate,
                     gpointer          data,
                     int               timeout_ms)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
  GMainContext *context = g_main_context_get_thread_default ();
  /* The predicate may look at something that wakes no main context, such as another process. */
  GSource *tick = g_timeout_source_new (TICK_MS);
  gboolean holds;

  g_source_set_callback (tick, on_tick, NULL, NULL);
  g_source_attach (tick, context);
  while (!(holds = predicate (data)) && g_get_monotonic_time () < deadline)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (tick);
  g_source_unref (tick);
  return holds;
}

gint64
test_util_measure_best (TestUtilMeasureFunc measure,
                        gconstpointer       data,
                        gint64              limit)
{
  gint64 deadline = g_get_monotonic_time () + MEASURE_MS * G_TIME_SPAN_MILLISECOND;
  gint64 best;

  do
    best = measure (data);
  while (best >= limit && g_get_monotonic_time () < deadline);

  return best;
}

gboolean
test_util_is_true (gpointer boolean)
{
  return *(gboolean *) boolean;
}

gboolean
test_util_is_set (gpointer pointer_location)
{
  return *(gpointer *) pointer_location != NULL;
}

guint
test_util_count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n - 1;
}

guint
test_util_count_mappings (int         pid,
                          const char *name)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/maps", pid);
  g_autofree char *what = g_strconcat ("/memfd:", name, NULL);
  g_autofree char *maps = NULL;
  guint n = 0;

  g_assert_true (g_file_get_contents (path, &maps, NULL, NULL));
  for (const char *at = strstr (maps, what); at != NULL; at = strstr (at + 1, what))
    n++;

  return n;
}

char *
test_util_describe_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/fd", name, NULL);
      g_autofree char *target = g_file_read_link (path, NULL);

      if (target != NULL)
        g_string_append_printf (text, "%s -> %s\n", name, target);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* A sanitizer runs a program beside this one from when it first has to name a function: to match
 * a suppression is enough. */
extern void __sanitizer_symbolize_pc (void       *pc,
                                      const char *format,
                                      char       *buffer,
                                      size_t      size) __attribute__ ((weak));

static int symbolizer; /* its process, or 0 */

/* One that is a zombie, too; any, or 0. */
static int
find_child_but (int known)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  const char *task;

  g_assert_nonnull (tasks);
  while ((task = g_dir_read_name (tasks)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/task", task, "children", NULL);
      g_autofree char *list = NULL;
      g_auto (GStrv) pids = NULL;

      if (!g_file_get_contents (path, &list, NULL, NULL))
        continue;
      pids = g_strsplit (g_strstrip (list), " ", -1);
      for (guint i = 0; pids[i] != NULL; i++)
        {
          int pid = atoi (pids[i]);

          if (pid != 0 && pid != known)
            return pid;
        }
    }
  return 0;
}

static void
start_symbolizer (void)
{
  char name[256];

  if (__sanitizer_symbolize_pc == NULL)
    return;

  __sanitizer_symbolize_pc (__builtin_return_address (0), "%f", name, sizeof name);
  symbolizer = find_child_but (0);
}

static gboolean
has_no_children (gpointer data)
{
  siginfo_t info;

  if (symbolizer != 0)
    return find_child_but (symbolizer) == 0;

  /* WNOWAIT: the status belongs to whoever watches the child. */
  return waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static gboolean
settle (TestUtilPredicate predicate,
        gpointer          data)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) SETTLE_MS * 1000;

  while (!predicate (data))
    {
      if (g_get_monotonic_time () > deadline)
        return FALSE;
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
  return TRUE;
}

void
test_util_assert_no_children (void)
{
  if (!settle (has_no_children, NULL))
    g_error ("A child process was left behind");
}

static gboolean
has_no_pidfd (gpointer data)
{
  g_autofree char *fds = test_util_describe_fds ();

  return strstr (fds, "pidfd") == NULL;
}

#ifdef __has_feature /* clang's */
#define HAS_SANITIZER (__has_feature (address_sanitizer) || __has_feature (thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#else
#define HAS_SANITIZER 0
#endif

gboolean
test_util_is_on_valgrind (void)
{
  static gsize on_valgrind = 0;

  if (g_once_init_enter (&on_valgrind))
    {
      g_autofree char *maps = NULL;
      gboolean found = g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL) && strstr (maps, "vgpreload") != NULL;

      g_once_init_leave (&on_valgrind, found ? 2 : 1);
    }

  return on_valgrind == 2;
}

gboolean
test_util_is_slowed (void)
{
  return HAS_SANITIZER || test_util_is_on_valgrind ();
}

void
test_util_init (int    *argc,
                char ***argv)
{
  g_test_init (argc, argv, NULL);
  _test_util_log_init ();
  /* The default main context and GLib's worker thread keep an eventfd each for as long as the
   * program lives: they must be there before descriptors are counted. */
  g_main_context_default ();
  g_object_unref (g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, NULL, "true", NULL));
  test_util_assert_no_children ();
  /* Its watch is taken down by that thread, a moment later. */
  if (!settle (has_no_pidfd, NULL))
    g_error ("GLib does not close the descriptor of a process that is gone");
  start_symbolizer ();
}

gboolean
test_util_process_is_alive (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree char *stat = NULL;
  const char *state;

  if (!g_file_get_contents (path, &stat, NULL, NULL))
    return FALSE;
  /* "pid (name, which may hold anything) state …" */
  state = strrchr (stat, ')');
  return state != NULL && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';
}

gboolean
test_util_wait_process_gone (int pid,
                             int timeout_ms)
{
  int pidfd = (int) syscall (SYS_pidfd_open, pid, 0);
  struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
  gint64 deadline = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
  int n = 0;

  /* valgrind has none. */
  while (pidfd < 0 && test_util_process_is_alive (pid))
    {
      if (g_get_monotonic_time () >= deadline)
        return FALSE;
      g_usleep (1000);
    }
  if (pidfd < 0)
    return TRUE;
  while (n <= 0 && g_get_monotonic_time () < deadline)
    n = poll (&pfd, 1, MAX (0, (int) ((deadline - g_get_monotonic_time ()) / 1000)));
  close (pidfd);
  return n > 0;
}

static gboolean
environment_has (const char *name,
                 const char *entry)
{
  g_autofree char *path = g_build_filename ("/proc", name, "environ", NULL);
  g_autofree char *environment = NULL;
  gsize length;

  if (!g_file_get_contents (path, &environment, &length, NULL))
    return FALSE;
  for (const char *p = environment; p < environment + length; p += strlen (p) + 1)
    {
      if (g_str_equal (p, entry))
        return TRUE;
    }
  return FALSE;
}

GArray *
test_util_find_processes (const char *environment_entry)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  GArray *pids = g_array_new (FALSE, FALSE, sizeof (int));
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      int pid = g_ascii_isdigit (*name) ? atoi (name) : 0;

      if (pid > 0 && pid != getpid () && environment_has (name, environment_entry) &&
          test_util_process_is_alive (pid))
        g_array_append_val (pids, pid);
    }
  return pids;
}

GArray *
test_util_wait_no_processes (const char *environment_entry,
                             int         timeout_ms)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) timeout_ms * 1000;

  while (TRUE)
    {
      g_autoptr (GArray) pids = test_util_find_processes (environment_entry);

      if (pids->len == 0 || g_get_monotonic_time () > deadline)
        return g_steal_pointer (&pids);
      test_util_wait_process_gone (g_array_index (pids, int, 0),
                                   (int) ((deadline - g_get_monotonic_time ()) / 1000));
    }
}

static gboolean
fd_count_is (gpointer data)
{
  return test_util_count_fds () == *(guint *) data;
}

static void
fixture_set_up (Fixture       *fixture,
                gconstpointer  data)
{
  fixture->n_fds = test_util_count_fds ();
  fixture->fds = test_util_describe_fds ();
}

static void
fixture_run (Fixture       *fixture,
             gconstpointer  data)
{
  const TestCase *test = data;

  if (test->func != NULL)
    test->func ();
  else
    test->data_func (test->data);
}

static void
fixture_tear_down (Fixture       *fixture,
                   gconstpointer  data)
{
  test_util_assert_no_children ();
  if (!settle (fd_count_is, &fixture->n_fds))
    {
      g_autofree char *now = test_util_describe_fds ();

      g_error ("Open descriptors before the test:\n%sand after it:\n%s", fixture->fds, now);
    }
  test_util_assert_logs_seen ();
  g_free (fixture->fds);
}

static void
add_case (const char       *path,
          GTestFunc         func,
          TestUtilDataFunc  data_func,
          gconstpointer     data)
{
  /* GTest forgets them before the program ends: a list keeps them from looking like leaks. */
  static TestCase *cases;
  TestCase *test = g_new0 (TestCase, 1);

  test->next = cases;
  cases = test;
  test->func = func;
  test->data_func = data_func;
  test->data = data;
  g_test_add (path, Fixture, test, fixture_set_up, fixture_run, fixture_tear_down);
}

void
test_util_add_func (const char *path,
                    GTestFunc   func)
{
  add_case (path, func, NULL, NULL);
}

void
test_util_add_data_func (const char       *path,
                         gconstpointer     data,
                         TestUtilDataFunc  func)
{
  add_case (path, NULL, func, data);
}

char *
test_util_tmpdir (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("pyisolate-test-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

void
test_util_remove_tree (const char *path)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
    {
      g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
      const char *name;

      g_assert_nonnull (dir);
      while ((name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *child = g_build_filename (path, name, NULL);

          test_util_remove_tree (child);
        }
    }
  if (g_remove (path) < 0 && errno != ENOENT)
    g_error ("Cannot remove %s: %s", path, g_strerror (errno));
}
