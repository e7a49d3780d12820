/* SPDX-License-Identifier: MIT */
/* One test for each interpreter. */
#include "config.h"

#include "worker-fixture.h"

#include "pyisolate-dbus-transport-private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

char *
worker_extension_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "worker", "extensions", name, NULL);
}

static char *
version_of (const char *python)
{
  g_autofree char *name = g_path_get_basename (python);

  return g_strdup (g_str_has_prefix (name, "python") ? name + strlen ("python") : name);
}

gboolean
worker_python_is_at_least (const char *python,
                           int         minor)
{
  g_autofree char *version = version_of (python);

  return g_str_has_prefix (version, "3.") && atoi (version + 2) >= minor;
}

static gpointer
connect_worker (gpointer fd)
{
  return _pyisolate_dbus_connect_worker_sync (GPOINTER_TO_INT (fd), NULL);
}

static gboolean
is_closed (gpointer fd)
{
  return fcntl (*(int *) fd, F_GETFD) < 0;
}

/* The first connection of a process starts GDBus's thread, which keeps its descriptor. */
static void
start_gdbus (void)
{
  g_autoptr (GDBusConnection) host = NULL;
  g_autoptr (GDBusConnection) worker = NULL;
  GThread *thread;
  int fds[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  thread = g_thread_new ("worker", connect_worker, GINT_TO_POINTER (fds[1]));
  host = worker_connect (fds[0], NULL);
  worker = g_thread_join (thread);
  g_assert_nonnull (host);
  g_dbus_connection_close_sync (host, NULL, NULL);
  g_dbus_connection_close_sync (worker, NULL, NULL);
  g_clear_object (&host);
  g_clear_object (&worker);
  test_util_assert_until (is_closed, &fds[0], WORKER_DEADLINE_MS);
  test_util_assert_until (is_closed, &fds[1], WORKER_DEADLINE_MS);
}

static void
run_test (gconstpointer data)
{
  gpointer const *pair = data;

  ((WorkerTestFunc) pair[0]) (pair[1]);
}

/* Adds it once for each interpreter. */
void
worker_add_test (const char     *path,
                 WorkerTestFunc  func)
{
  g_auto (GStrv) pythons = g_strsplit (g_getenv ("PYISOLATE_TEST_PYTHONS"), ":", -1);
  static gsize started = 0;

  if (g_once_init_enter (&started))
    {
      start_gdbus ();
      g_once_init_leave (&started, 1);
    }

  for (guint i = 0; pythons[i] != NULL; i++)
    {
      g_autofree char *version = version_of (pythons[i]);
      g_autofree char *full_path = g_strdup_printf ("/pyisolate/worker/%s/%s", version, path);
      gpointer *pair = g_new (gpointer, 2);

      pair[0] = func;
      pair[1] = g_strdup (pythons[i]);
      test_util_add_data_func (full_path, pair, run_test);
    }
}
