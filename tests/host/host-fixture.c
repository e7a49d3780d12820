/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host-fixture.h"

#include "pyisolate-bell-private.h"

#include "test-environ.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static char *scratch;
static char *venv_root;
static char *python;

static guint
count_links (void)
{
  g_autofree char *fds = test_util_describe_fds ();
  guint n = 0;

  for (const char *line = fds; line != NULL && *line != '\0'; line = strchr (line, '\n') + 1)
    {
      const char *target = strstr (line, "-> ") + strlen ("-> ");

      n += !g_str_has_prefix (target, "anon_inode:[eventfd]");
    }

  return n;
}

static gboolean
links_are (gpointer data)
{
  return count_links () == *(guint *) data;
}

/* What the library keeps for the life of the process (its service thread, GDBus's thread, the
 * environment of extensions without dependencies) must be there before descriptors are counted. */
static void
warm_up (void)
{
  guint n_fds = count_links ();
  HostTest *test = host_test_new ();

  host_test_load (test, "basic");
  host_test_free (test);
  test_util_assert_no_children ();
  /* Its socket and its lock are closed by other threads, a moment later. */
  test_util_assert_until (links_are, &n_fds, HOST_TEST_TIMEOUT_MS);
}

static void
set_directory (const char *variable,
               const char *name)
{
  g_autofree char *path = g_build_filename (scratch, name, NULL);

  g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
  g_setenv (variable, path, TRUE);
}

static gboolean
has_closed_bells (gpointer data)
{
  return _pyisolate_bell_get_n_closing () == 0;
}

void
host_test_init (int    *argc,
                char ***argv)
{
  const char *list = g_getenv ("PYISOLATE_TEST_PYTHONS");
  g_auto (GStrv) pythons = NULL;

  g_assert_nonnull (list);
  pythons = g_strsplit (list, ":", -1);
  /* One of them by hand: PYISOLATE_TEST_PYTHON=…/python3.9 */
  python = g_strdup (g_getenv ("PYISOLATE_TEST_PYTHON"));
  if (python == NULL)
    python = g_strdup (pythons[g_strv_length (pythons) - 1]);

  scratch = test_util_tmpdir ();
  venv_root = g_build_filename (scratch, "venvs", NULL);
  test_environ_forget_user_settings ();
  set_directory ("HOME", "home");
  set_directory ("XDG_STATE_HOME", "state");
  set_directory ("XDG_CACHE_HOME", "cache");
  set_directory ("XDG_CONFIG_HOME", "config");
  set_directory ("UV_CACHE_DIR", "uv-cache");
  g_setenv ("UV_OFFLINE", "1", TRUE);
  g_setenv ("UV_PYTHON_DOWNLOADS", "never", TRUE);

  test_util_init (argc, argv);
  warm_up ();
  test_util_assert_until (has_closed_bells, NULL, HOST_TEST_TIMEOUT_MS);
}

int
host_test_run (void)
{
  int result = g_test_run ();

  test_util_remove_tree (scratch);
  g_free (scratch);
  g_free (venv_root);
  g_free (python);

  return result;
}

void
host_make_wheels (const char *directory,
                  ...)
{
  va_list args;

  va_start (args, directory);
  test_environ_make_wheels (python, directory, args);
  va_end (args);
}

char *
host_write_file (const char *directory,
                 const char *name,
                 const char *text)
{
  char *path = g_build_filename (directory, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);

  return path;
}

const char *
host_test_python (void)
{
  return python;
}

char *
host_test_scratch (const char *prefix)
{
  g_autofree char *name = g_strconcat (prefix, "-XXXXXX", NULL);
  char *path = g_build_filename (scratch, name, NULL);

  g_assert_nonnull (g_mkdtemp (path));

  return path;
}

char *
host_extension_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "host", "extensions", name, NULL);
}

gboolean
host_wants_slow (void)
{
  return g_getenv ("PYISOLATE_TEST_SLOW") != NULL;
}

HostTest *
host_test_new (void)
{
  HostTest *test = g_new0 (HostTest, 1);

  test->manager = pyisolate_extension_manager_new (venv_root);
  pyisolate_extension_manager_set_python (test->manager, python);
  test->watched = g_ptr_array_new ();
  host_test_watch (test, test->manager);

  return test;
}

void
host_use_up_descriptors (HostDescriptors *descriptors)
{
  struct rlimit few;
  int fd;

  descriptors->fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &descriptors->limit));
  few = descriptors->limit;
  few.rlim_cur = 256;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &few));
  while ((fd = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
    g_array_append_val (descriptors->fds, fd);
  g_assert_cmpint (errno, ==, EMFILE);
}

void
host_give_back_descriptors (HostDescriptors *descriptors)
{
  for (guint i = 0; i < descriptors->fds->len; i++)
    close (g_array_index (descriptors->fds, int, i));
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &descriptors->limit));
  g_array_unref (descriptors->fds);
}

void
host_test_watch (HostTest *test,
                 gpointer  object)
{
  GWeakRef *ref = g_new0 (GWeakRef, 1);

  g_weak_ref_init (ref, object);
  g_ptr_array_add (test->watched, ref);
}

static gboolean
is_finalized (gpointer data)
{
  g_autoptr (GObject) object = g_weak_ref_get (data);

  return object == NULL;
}

static void
assert_finalized (GWeakRef *ref)
{
  g_autoptr (GObject) object = NULL;

  if (test_util_run_until (is_finalized, ref, HOST_TEST_TIMEOUT_MS))
    return;

  object = g_weak_ref_get (ref);
  if (object != NULL)
    g_error ("A %s is not finalized; it has %u references", G_OBJECT_TYPE_NAME (object),
             object->ref_count - 1);
}

void
host_test_drop_manager (HostTest *test)
{
  g_clear_object (&test->manager);
}

void
host_test_free (HostTest *test)
{
  host_test_drop_manager (test);
  for (guint i = 0; i < test->watched->len; i++)
    {
      GWeakRef *ref = g_ptr_array_index (test->watched, i);

      assert_finalized (ref);
      g_weak_ref_clear (ref);
      g_free (ref);
    }
  g_ptr_array_unref (test->watched);
  g_free (test);
}

PyIsolateExtensionConfig *
host_config (const char *name,
             const char *file)
{
  g_autofree char *base = g_strconcat (file, ".py", NULL);
  g_autofree char *path = host_extension_path (base);

  return pyisolate_extension_config_new (name, path);
}

static void G_GNUC_NORETURN
fail_with_log (PyIsolateExtension *extension,
               const GError       *error)
{
  g_autoptr (PyIsolateRemoteException) exception = pyisolate_error_dup_remote_exception (error);
  g_auto (GStrv) tail = extension != NULL ? pyisolate_extension_dup_log_tail (extension) : g_new0 (char *, 1);
  g_autofree char *lines = g_strjoinv ("\n", tail);

  g_error ("%s\n%s%s", error->message, exception != NULL
           ? pyisolate_remote_exception_get_traceback (exception) : "", lines);
}

PyIsolateExtension *
host_test_load_config (HostTest                 *test,
                       PyIsolateExtensionConfig *config_to_take)
{
  g_autoptr (PyIsolateExtensionConfig) config = config_to_take;
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) error = NULL;

  extension = pyisolate_extension_manager_load_extension_sync (test->manager, config, NULL, &error);
  if (extension == NULL)
    fail_with_log (pyisolate_extension_manager_get_extension (test->manager, pyisolate_extension_config_get_name (config)),
                   error);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==,
                   PYISOLATE_EXTENSION_STATE_RUNNING);
  host_test_watch (test, extension);

  return extension; /* the manager keeps it */
}

PyIsolateExtensionConfig *
host_hostile_config (const char *way)
{
  PyIsolateExtensionConfig *config = host_config ("hostile", "basic");
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "host", "hostile-worker", NULL);
  g_autofree char *prefix = host_test_scratch ("hostile");
  g_autofree char *bin = g_build_filename (prefix, "bin", NULL);
  g_autofree char *interpreter = g_build_filename (bin, "python", NULL);
  g_autofree char *variable = g_strconcat ("HOSTILE=", way, NULL);
  const char *variables[] = { variable, NULL };

  g_assert_cmpint (g_mkdir (bin, 0700), ==, 0);
  g_assert_cmpint (symlink (program, interpreter), ==, 0);
  pyisolate_extension_config_set_environment (config, prefix);
  pyisolate_extension_config_set_environment_variables (config, variables);

  return config;
}

PyIsolateExtension *
host_test_load (HostTest   *test,
                const char *file)
{
  return host_test_load_config (test, host_config (file, file));
}

GError *
host_test_fail_load (HostTest                 *test,
                     PyIsolateExtensionConfig *config_to_take,
                     int                       code)
{
  g_autoptr (PyIsolateExtensionConfig) config = config_to_take;
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) error = NULL;

  extension = pyisolate_extension_manager_load_extension_sync (test->manager, config, NULL, &error);
  g_assert_null (extension);
  g_assert_error (error, PYISOLATE_ERROR, code);
  g_test_message ("%s", error->message);

  return g_steal_pointer (&error);
}

GVariant *
host_parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *value = NULL;

  if (text == NULL)
    return NULL;

  value = g_variant_parse (NULL, text, NULL, NULL, &error);
  g_assert_no_error (error);

  return value;
}

GVariant *
host_call (PyIsolateExtension *extension,
           const char         *method,
           const char         *args)
{
  g_autoptr (GVariant) tuple = host_parse (args);
  g_autoptr (GError) error = NULL;
  GVariant *result;

  result = pyisolate_extension_call_sync (extension, method, tuple, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (result);

  return result;
}

void
_host_assert_value (GVariant   *value,
                    const char *expected,
                    const char *file,
                    int         line)
{
  g_autoptr (GVariant) other = host_parse (expected);
  g_autofree char *printed = g_variant_print (value, TRUE);

  if (!g_variant_equal (value, other))
    g_error ("%s:%d: got %s, not %s", file, line, printed, expected);
}

void
host_assert_result (PyIsolateExtension *extension,
                    const char         *method,
                    const char         *args,
                    const char         *expected)
{
  g_autoptr (GVariant) result = host_call (extension, method, args);

  host_assert_value (result, expected);
}

GError *
host_call_error (PyIsolateExtension *extension,
                 const char         *method,
                 const char         *args,
                 int                 code)
{
  g_autoptr (GVariant) tuple = host_parse (args);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  result = pyisolate_extension_call_sync (extension, method, tuple, NULL, NULL, &error);
  g_assert_null (result);
  g_assert_error (error, PYISOLATE_ERROR, code);

  return g_steal_pointer (&error);
}

void
host_store (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  GAsyncResult **location = data;

  g_assert_null (*location);
  *location = g_object_ref (result);
}

void
host_begin (PyIsolateExtension  *extension,
            const char          *method,
            const char          *args,
            GCancellable        *cancellable,
            GAsyncResult       **result)
{
  g_autoptr (GVariant) tuple = host_parse (args);

  pyisolate_extension_call_async (extension, method, tuple, NULL, cancellable, host_store, result);
  /* Never inside the call that begins it. */
  g_assert_null (*result);
}

GVariant *
host_end (PyIsolateExtension  *extension,
          GAsyncResult       **result)
{
  g_autoptr (GError) error = NULL;
  GVariant *value;

  host_wait_result (result);
  value = pyisolate_extension_call_finish (extension, *result, &error);
  g_assert_no_error (error);
  g_assert_nonnull (value);
  g_clear_object (result);

  return value;
}

GError *
host_end_error (PyIsolateExtension  *extension,
                GAsyncResult       **result,
                GQuark               domain,
                int                  code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = NULL;

  host_wait_result (result);
  value = pyisolate_extension_call_finish (extension, *result, &error);
  g_assert_null (value);
  g_assert_error (error, domain, code);
  g_clear_object (result);

  return g_steal_pointer (&error);
}

typedef struct {
  gboolean begun;
  GAsyncResult **result;
} Running;

static void
on_begun (PyIsolateCall *call,
          double         fraction,
          const char    *text,
          Running       *running)
{
  running->begun = TRUE;
}

static gboolean
has_begun_or_ended (gpointer data)
{
  Running *running = data;

  return running->begun || *running->result != NULL;
}

static gboolean
try_begin_running (PyIsolateExtension  *extension,
                   const char          *method,
                   const char          *args,
                   gint64               timeout,
                   GCancellable        *cancellable,
                   GAsyncResult       **result)
{
  g_autoptr (PyIsolateCall) call = pyisolate_call_new (method);
  g_autoptr (GVariant) tuple = host_parse (args);
  Running running = { FALSE, result };

  pyisolate_call_set_timeout (call, timeout);
  pyisolate_call_set_args (call, tuple);
  g_signal_connect (call, "progress", G_CALLBACK (on_begun), &running);
  pyisolate_extension_start_call_async (extension, call, cancellable, host_store, result);
  g_assert_null (*result);
  test_util_assert_until (has_begun_or_ended, &running, HOST_TEST_TIMEOUT_MS);
  g_signal_handlers_disconnect_by_data (call, &running);

  return running.begun;
}

void
host_begin_running (PyIsolateExtension  *extension,
                    const char          *method,
                    const char          *args,
                    gint64               timeout,
                    GCancellable        *cancellable,
                    GAsyncResult       **result)
{
  while (!try_begin_running (extension, method, args, timeout, cancellable, result))
    {
      g_autoptr (GError) error = host_end_running (extension, result, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);

      g_assert_cmpint (timeout, <, HOST_TEST_TIMEOUT_MS);
      timeout *= 2;
    }
}

GError *
host_end_running (PyIsolateExtension  *extension,
                  GAsyncResult       **result,
                  GQuark               domain,
                  int                  code)
{
  g_autoptr (GError) error = NULL;

  host_wait_result (result);
  g_assert_null (pyisolate_extension_start_call_finish (extension, *result, &error));
  g_assert_error (error, domain, code);
  g_clear_object (result);

  return g_steal_pointer (&error);
}

typedef struct {
  PyIsolateExtension *extension;
  PyIsolateExtensionState state;
} StateWait;

static gboolean
has_state (gpointer data)
{
  StateWait *wait = data;

  return pyisolate_extension_get_state (wait->extension) == wait->state;
}

void
host_wait_state (PyIsolateExtension      *extension,
                 PyIsolateExtensionState  state)
{
  StateWait wait = { extension, state };

  if (test_util_run_until (has_state, &wait, HOST_TEST_TIMEOUT_MS))
    return;
  g_error ("The extension “%s” is in state %d, not %d", pyisolate_extension_get_name (extension),
           pyisolate_extension_get_state (extension), state);
}
