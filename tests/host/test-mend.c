/* SPDX-License-Identifier: MIT */
/* An environment that is damaged is made again when an import fails for it; but not for an extension that somebody has ended
 * meanwhile: then its process is the last one. */
#include "config.h"

#include "slow-load.h"

#include "pyisolate-service-private.h"

#include <fcntl.h>
#include <unistd.h>

/* Tells that it could not be imported, and ends, where its output is flushed, when somebody has opened the FIFO. */
static const char program[] =
  "import os\n"
  "import sys\n"
  "class Last:\n"
  "    def flush(self):\n"
  "        os.write(1, b'failed\\n')\n"
  "        with open(os.environ['RELEASE']) as fifo:\n"
  "            fifo.read()\n"
  "try:\n"
  "    import alpha\n"
  "except ImportError:\n"
  "    if 'RELEASE' in os.environ:\n"
  "        sys.stdout = Last()\n"
  "    else:\n"
  "        os.write(1, b'failed\\n')\n"
  "    raise\n"
  "def where():\n"
  "    return alpha.__file__\n";

typedef struct {
  char *directory;
  char *links;
  char *module;
  char *fifo;
} Damage;

static void
damage_free (Damage *damage)
{
  g_free (damage->directory);
  g_free (damage->links);
  g_free (damage->module);
  g_free (damage->fifo);
  g_free (damage);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Damage, damage_free)

/* @fifo: (nullable): what it waits for when it could not be imported */
static PyIsolateExtensionConfig *
new_config_of (Damage     *damage,
               const char *name,
               const char *fifo)
{
  PyIsolateExtensionConfig *config = pyisolate_extension_config_new (name, damage->module);
  g_autofree char *variable = g_strconcat ("RELEASE=", fifo, NULL);
  const char *variables[] = { fifo != NULL ? variable : NULL, NULL };
  const char *dependencies[] = { "alpha", NULL };
  const char *find_links[] = { damage->links, NULL };

  pyisolate_extension_config_set_environment_variables (config, variables);
  pyisolate_extension_config_set_dependencies (config, dependencies);
  pyisolate_extension_config_set_find_links (config, find_links);

  return config;
}

static PyIsolateExtensionConfig *
new_config (Damage   *damage,
            gboolean  waits)
{
  return new_config_of (damage, "it", waits ? damage->fifo : NULL);
}

/* An extension whose environment has lost what it imports. */
static Damage *
do_damage (HostTest *test)
{
  Damage *damage = g_new0 (Damage, 1);
  g_autoptr (GVariant) where = NULL;
  g_autofree char *package = NULL;
  PyIsolateExtension *extension;

  damage->directory = host_test_scratch ("mend");
  damage->links = g_build_filename (damage->directory, "links", NULL);
  g_assert_cmpint (g_mkdir_with_parents (damage->links, 0700), ==, 0);
  host_make_wheels (damage->links, "alpha==1.0", NULL);
  damage->module = host_write_file (damage->directory, "it.py", program);
  damage->fifo = host_make_fifo ();

  extension = host_test_load_config (test, new_config (damage, FALSE));
  where = host_call (extension, "where", NULL);
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  package = g_path_get_dirname (g_variant_get_string (where, NULL));
  test_util_remove_tree (package);

  return damage;
}

static gboolean
was_mended (PyIsolateExtension *extension)
{
  g_auto (GStrv) tail = pyisolate_extension_dup_log_tail (extension);
  g_autofree char *text = g_strjoinv ("\n", tail);

  return g_pattern_match_simple ("*was made again*", text);
}

static void
test_mend (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (Damage) damage = do_damage (test);
  PyIsolateExtension *extension = host_test_load_config (test, new_config (damage, FALSE));
  g_autoptr (GVariant) where = host_call (extension, "where", NULL);

  g_assert_true (was_mended (extension));
}

/* Both have failed before either is mended: another one, which comes to no end, has the one place for that. So the second finds
 * an environment that is whole, but it is not the one that it was started in. */
static void
test_two (void)
{
  static const char *const names[] = { "it", "other" };
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (Damage) damage = do_damage (test);
  g_autofree char *uv = host_make_slow_uv (damage->fifo);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) before = NULL;
  GAsyncResult *results[G_N_ELEMENTS (names)] = { NULL };
  guint n_mended = 0;

  pyisolate_extension_manager_set_max_parallel_installs (test->manager, 1);
  pyisolate_extension_manager_set_uv_path (test->manager, uv);
  host_begin_load (test, host_uv_config ("before"), cancellable, &before);
  test_util_assert_until (host_uv_is_called, uv, HOST_TEST_TIMEOUT_MS);
  pyisolate_extension_manager_set_uv_path (test->manager, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      PyIsolateExtension *extension;
      g_autoptr (HostNews) news = NULL;

      host_begin_load (test, new_config_of (damage, names[i], NULL), NULL, &results[i]);
      extension = pyisolate_extension_manager_get_extension (test->manager, names[i]);
      news = host_news_new (extension);
      host_news_wait_line (news, "stdout|*failed");
      host_wait_state (extension, PYISOLATE_EXTENSION_STATE_PREPARING);
    }

  g_cancellable_cancel (cancellable);
  g_error_free (host_end_failed_load (test, &before, G_IO_ERROR, G_IO_ERROR_CANCELLED));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      PyIsolateExtension *extension = host_end_load (test, &results[i]);
      g_autoptr (GVariant) where = host_call (extension, "where", NULL);

      n_mended += was_mended (extension);
    }
  g_assert_cmpuint (n_mended, ==, 1);
}

/* Nothing is wrong with the environment, and nothing more is tried: then its only process has ended, and that is told. */
static void
test_no_help (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *directory = host_test_scratch ("no-help");
  g_autofree char *links = g_build_filename (directory, "links", NULL);
  g_autofree char *module = host_write_file (directory, "it.py", "import nowhere\n");
  PyIsolateExtensionConfig *config = pyisolate_extension_config_new ("it", module);
  const char *dependencies[] = { "alpha", NULL };
  const char *find_links[] = { links, NULL };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (HostNews) news = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (links, 0700), ==, 0);
  host_make_wheels (links, "alpha==1.0", NULL);
  pyisolate_extension_config_set_dependencies (config, dependencies);
  pyisolate_extension_config_set_find_links (config, find_links);

  host_begin_load (test, config, NULL, &result);
  news = host_news_new (pyisolate_extension_manager_get_extension (test->manager, "it"));
  host_wait_result (&result);
  g_assert_null (pyisolate_extension_manager_load_extension_finish (test->manager, result, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_IMPORT_FAILED);
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_EXITED, 1);
}

typedef struct {
  GMutex mutex; /* held as long as the thread is to wait */
  gboolean waits;
} Hold;

static gboolean
on_hold (gpointer data)
{
  Hold *hold = data;

  g_atomic_int_set (&hold->waits, TRUE);
  g_mutex_lock (&hold->mutex);
  g_mutex_unlock (&hold->mutex);

  return G_SOURCE_REMOVE;
}

static void
hold_service (Hold *hold)
{
  hold->waits = FALSE;
  g_mutex_init (&hold->mutex);
  g_mutex_lock (&hold->mutex);
  _pyisolate_service_invoke (on_hold, hold, NULL);
  while (!g_atomic_int_get (&hold->waits))
    g_thread_yield ();
}

static void
finish_hold (gpointer data)
{
  g_atomic_int_set ((gboolean *) data, TRUE);
}

static gboolean
do_nothing (gpointer data)
{
  return G_SOURCE_REMOVE;
}

static void
let_service_go (Hold *hold)
{
  gboolean gone = FALSE;

  g_mutex_unlock (&hold->mutex);
  _pyisolate_service_invoke (do_nothing, &gone, finish_hold);
  while (!g_atomic_int_get (&gone))
    g_thread_yield ();
  g_mutex_clear (&hold->mutex);
}

/* @pid: 0 if it is gone. If nobody waits any more, it was killed: it has two seconds to end in, which are over soon on a busy machine. */
static void
release_to_end (const char *fifo,
                int         pid)
{
  gint64 deadline = g_get_monotonic_time () + HOST_TEST_TIMEOUT_MS * 1000;
  int fd;

  while ((fd = open (fifo, O_WRONLY | O_CLOEXEC | O_NONBLOCK)) < 0 && pid > 0 && test_util_process_is_alive (pid))
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_thread_yield ();
    }
  if (fd >= 0)
    close (fd);
  g_assert_true (pid == 0 || test_util_wait_process_gone (pid, HOST_TEST_TIMEOUT_MS));
}

typedef enum {
  END_KILL,
  END_STOP,
  END_CANCEL,
} EndWay;

static void
end_load (EndWay              way,
          PyIsolateExtension *extension,
          GCancellable       *cancellable)
{
  if (way == END_KILL)
    pyisolate_extension_kill (extension);
  else if (way == END_STOP)
    pyisolate_extension_stop_async (extension, NULL, NULL, NULL);
  else
    g_cancellable_cancel (cancellable);
}

static const struct {
  EndWay way;
  gboolean is_gone; /* the process has ended before, but nobody has been told */
} endings[] = {
  { END_KILL, FALSE }, { END_STOP, FALSE }, { END_CANCEL, FALSE },
  { END_KILL, TRUE }, { END_STOP, TRUE }, { END_CANCEL, TRUE },
};

static void
test_end (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (Damage) damage = do_damage (test);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (HostNews) news = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateExtension *extension;

  host_begin_load (test, new_config (damage, TRUE), cancellable, &result);
  extension = pyisolate_extension_manager_get_extension (test->manager, "it");
  news = host_news_new (extension);
  host_news_wait_line (news, "stdout|*failed");
  if (endings[i].is_gone)
    {
      int pid = pyisolate_extension_get_pid (extension);
      Hold hold;

      hold_service (&hold);
      release_to_end (damage->fifo, pid);
      end_load (endings[i].way, extension, cancellable);
      let_service_go (&hold);
    }
  else
    {
      end_load (endings[i].way, extension, cancellable);
    }

  host_wait_result (&result);
  g_assert_null (pyisolate_extension_manager_load_extension_finish (test->manager, result, &error));
  if (endings[i].way == END_CANCEL)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  else if (endings[i].way == END_STOP && !endings[i].is_gone)
    g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING);
  else
    g_assert_nonnull (error); /* of the import or of what ended it: whichever the service thread heard of first */
  g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, 0);
  g_assert_false (was_mended (extension));
}

int
main (int   argc,
      char *argv[])
{
  static const char *const names[] = {
    "kill", "stop", "cancel", "kill-ended", "stop-ended", "cancel-ended",
  };

  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/mend/mend", test_mend);
  test_util_add_func ("/pyisolate/mend/two", test_two);
  test_util_add_func ("/pyisolate/mend/no-help", test_no_help);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/mend/", names[i], NULL);

      test_util_add_data_func (path, GUINT_TO_POINTER (i), test_end);
    }

  return host_test_run ();
}
