/* SPDX-License-Identifier: MIT */
/* An extension that has, or makes, too much of something: output, memory, calls that it does not read. */
#include "config.h"

#include "faults-scene.h"

#include "test-cgroup.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static gsize
get_resident (void)
{
  g_autofree char *text = NULL;
  unsigned long pages = 0;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  g_assert_cmpint (sscanf (text, "%*u %lu", &pages), ==, 1);

  return pages * (gsize) sysconf (_SC_PAGESIZE);
}

/* Short lines, and one that has no end; while nobody iterates the main context. */
static void
test_flood (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtension *extension = host_scene_load (scene);
  const char *megabytes = test_util_is_slowed () ? "4" : "50";
  gsize before = get_resident ();
  g_auto (GStrv) tail = NULL;
  gsize length = 0;

  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *args = g_strdup_printf ("(%s, %s)", megabytes, i == 0 ? "80" : "1048576");

      host_assert_result (extension, "flood", args, "'flooded'");
    }
  host_assert_result (extension, "fine", NULL, "'fine'");
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  g_test_message ("%" G_GSIZE_FORMAT " KiB more",
                  (get_resident () - MIN (before, get_resident ())) / 1024);
  if (!test_util_is_slowed ())
    g_assert_cmpuint (get_resident (), <, before + 64 * 1024 * 1024);

  tail = pyisolate_extension_dup_log_tail (extension);
  for (guint i = 0; tail[i] != NULL; i++)
    length += strlen (tail[i]);
  g_assert_cmpuint (g_strv_length (tail), <=, 200);
  g_assert_cmpuint (length, <=, 64 * 1024);
}

#define N_LARGE_CALLS 40
#define LARGE_SIZE (16 * 1024 * 1024)

typedef struct {
  GAsyncResult *results[N_LARGE_CALLS];
  guint n_done;
  guint target;
} LargeCalls;

static void
on_large_call (GObject      *source,
               GAsyncResult *result,
               gpointer      data)
{
  LargeCalls *calls = data;

  calls->results[calls->n_done++] = g_object_ref (result);
}

static gboolean
are_done (gpointer data)
{
  LargeCalls *calls = data;

  return calls->n_done >= calls->target;
}

/* What a process that does not read is sent waits in the host, up to a limit: then calls fail at
 * once. The others are answered when it goes on. */
static void
test_does_not_read (void)
{
  g_autoptr (HostScene) scene = host_scene_new ();
  PyIsolateExtension *extension = host_scene_load (scene);
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (LARGE_SIZE), LARGE_SIZE);
  g_autoptr (GVariant) data = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE));
  LargeCalls calls = { .n_done = 0 };
  gsize before = get_resident ();
  guint n_refused;

  g_assert_cmpint (kill (pyisolate_extension_get_pid (extension), SIGSTOP), ==, 0);
  for (guint i = 0; i < N_LARGE_CALLS; i++)
    pyisolate_extension_call_async (extension, "size_of", g_variant_new ("(@ay)", data), NULL, NULL,
                                    on_large_call, &calls);
  calls.target = N_LARGE_CALLS - 512 / 48 - 64 / 16 - 1; /* some in shared memory, and one is about to be written */
  test_util_assert_until (are_done, &calls, HOST_TEST_TIMEOUT_MS);
  g_test_message ("%" G_GSIZE_FORMAT " MiB more", (get_resident () - before) >> 20);
  if (!test_util_is_slowed ())
    g_assert_cmpuint (get_resident () - before, <, 600 * 1024 * 1024);
  n_refused = calls.n_done;
  g_assert_cmpuint (n_refused, <, N_LARGE_CALLS - 2); /* a lane keeps 128 MiB, D-Bus more */

  g_assert_cmpint (kill (pyisolate_extension_get_pid (extension), SIGCONT), ==, 0);
  calls.target = N_LARGE_CALLS;
  test_util_assert_until (are_done, &calls, HOST_TEST_TIMEOUT_MS);
  for (guint i = 0; i < N_LARGE_CALLS; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) size = pyisolate_extension_call_finish (extension, calls.results[i],
                                                                   &error);

      if (i < n_refused)
        g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
      else
        g_assert_cmpint (g_variant_get_int64 (size), ==, LARGE_SIZE);
      g_object_unref (calls.results[i]);
    }
  host_assert_result (extension, "fine", NULL, "'fine'");
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
}

static void
test_out_of_memory (void)
{
  g_autofree char *ours = test_cgroup_find_memory ();
  g_autofree char *unique = g_uuid_string_random ();
  g_autofree char *limited = g_strdup_printf ("/sys/fs/cgroup/memory/pyisolate-%s", unique);
  g_autoptr (GError) error = NULL;
  g_autoptr (HostNews) news = NULL;
  g_autoptr (HostScene) scene = NULL;
  PyIsolateExtension *extension;

  if (ours == NULL || g_mkdir (limited, 0755) < 0)
    {
      g_test_skip ("no memory cgroup (v1) that this user may make");
      return;
    }
  scene = host_scene_new ();
  g_assert_true (test_cgroup_write (limited, "memory.limit_in_bytes", "134217728"));
  /* Where there is swap, it counts too. */
  test_cgroup_write (limited, "memory.memsw.limit_in_bytes", "134217728");
  g_assert_true (test_cgroup_write (limited, "cgroup.procs", "0"));
  extension = host_scene_load (scene);
  g_assert_true (test_cgroup_write (ours, "cgroup.procs", "0"));
  news = host_news_new (extension);

  error = host_call_error (extension, "eat", NULL, PYISOLATE_ERROR_OUT_OF_MEMORY);
  host_assert_message (error, "*“faulty”*memory*");
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_OUT_OF_MEMORY, SIGKILL);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  g_assert_cmpint (g_rmdir (limited), ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/faults-limits/flood", test_flood);
  test_util_add_func ("/pyisolate/faults-limits/does-not-read", test_does_not_read);
  test_util_add_func ("/pyisolate/faults-limits/out-of-memory", test_out_of_memory);

  return host_test_run ();
}
