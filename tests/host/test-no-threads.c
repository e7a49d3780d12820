/* SPDX-License-Identifier: MIT */
/* The process may have no more threads, as where a limit of processes is reached: what a thread of a pool's would do. */
#include "config.h"

#include "host-fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#define SIZE ((gsize) 3 * 1024 * 1024)

static int none; /* atomic: no thread can be made */

/* In front of the one of the C library. */
int
pthread_create (pthread_t            *thread,
                const pthread_attr_t *attributes,
                void *(*start) (void *),
                void                 *data)
{
  int (*create) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *) = dlsym (RTLD_NEXT, "pthread_create");

  return g_atomic_int_get (&none) ? EAGAIN : create (thread, attributes, start, data);
}

static void
set_none (gboolean value)
{
  g_atomic_int_set (&none, value);
}

/* Threads of pools, which have nothing to do, are gone. */
static gboolean
pools_are_empty (gpointer unused)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/task", name, "comm", NULL);
      g_autofree char *comm = NULL;

      if (g_file_get_contents (path, &comm, NULL, NULL) && g_str_has_prefix (comm, "pool") &&
          !g_str_has_prefix (comm, "pool-spawner"))
        return FALSE;
    }

  return TRUE;
}

/* The fixture's environment is there from then on. */
static void
empty_pools (HostTest *test)
{
  host_test_load (test, "basic");
  g_thread_pool_set_max_unused_threads (0);
  g_thread_pool_stop_unused_threads ();
  test_util_assert_until (pools_are_empty, NULL, HOST_TEST_TIMEOUT_MS);
}

static void
test_load (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension;

  empty_pools (test);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GError) error = NULL;

      set_none (TRUE);
      error = host_test_fail_load (test, host_config ("other", "basic"), PYISOLATE_ERROR_SPAWN);
      set_none (FALSE);
      g_assert_nonnull (strstr (error->message, "“other”"));
      g_assert_nonnull (strstr (error->message, "thread"));
    }

  extension = host_test_load_config (test, host_config ("other", "basic"));
  host_assert_result (extension, "add", "(1, 2)", "int64 3");
}

/* What was not done keeps nothing alive. */
static void
test_never_again (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GError) error = NULL;

  empty_pools (test);
  set_none (TRUE);
  error = host_test_fail_load (test, host_config ("other", "basic"), PYISOLATE_ERROR_SPAWN);
  host_test_drop_manager (test);
  set_none (FALSE);
}

/* The worker wants memory of the host's for its answer, so much that a thread would see to it. */
static void
test_memory (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autofree guint8 *bytes = g_malloc0 (SIZE);
  GVariant *value = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, SIZE, 1);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  empty_pools (test);
  set_none (TRUE);
  result = pyisolate_extension_call_sync (extension, "echo", g_variant_new_tuple (&value, 1), NULL, NULL, &error);
  set_none (FALSE);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_get_size (result), ==, SIZE);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/no-threads/load", test_load);
  test_util_add_func ("/pyisolate/no-threads/never-again", test_never_again);
  test_util_add_func ("/pyisolate/no-threads/memory", test_memory);

  return host_test_run ();
}
