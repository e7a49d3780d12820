/* SPDX-License-Identifier: MIT */
/* Which interpreter is meant, and which are refused. */
#include "config.h"

#include "env-fixture.h"

#include "pyisolate-env-interpreter-private.h"
#include "pyisolate-env-script-private.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *saved_path;

static void
set_path (EnvFixture *fixture,
          const char *first,
          ...)
{
  g_autoptr (GString) path = g_string_new (NULL);
  va_list args;

  va_start (args, first);
  for (const char *name = first; name != NULL; name = va_arg (args, const char *))
    {
      g_autofree char *directory = env_fixture_path (fixture, name);

      g_string_append_printf (path, "%s%s", path->len > 0 ? ":" : "", directory);
    }
  va_end (args);
  g_setenv ("PATH", path->str, TRUE);
}

static void
restore_path (void)
{
  g_setenv ("PATH", saved_path, TRUE);
}

/* A program on PATH that is a real interpreter. */
static void
link_program (EnvFixture *fixture,
              const char *name)
{
  g_autofree char *path = env_fixture_path (fixture, name);
  g_autofree char *directory = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_cmpint (symlink (fixture->python, path), ==, 0);
}

static char *
stand_in (EnvFixture *fixture,
          const char *answer)
{
  g_autofree char *text = g_strdup_printf ("#!/bin/sh\ncat <<'EOF'\n%s\nEOF\n", answer);

  return env_fixture_script (fixture, "stand-in/python3", text);
}

static char *
refuse (EnvFixture *fixture,
        const char *python,
        int         code)
{
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "alpha", NULL);
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;

  g_free (request->python);
  request->python = g_strdup (python);
  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_null (environment);

  return env_assert_error (&error, PYISOLATE_ERROR, code);
}

static void
test_refused (void)
{
  static const struct {
    const char *answer, *said;
  } cases[] = {
    { "{\"executable\": \"/x/python\", \"implementation\": \"cpython\", \"version\": \"3.14.0\", "
      "\"abi\": \"cpython-314t\", "
      "\"free_threaded\": true}", "free-threaded" },
    { "{\"executable\": \"/x/python\", \"implementation\": \"pypy\", \"version\": \"3.10.0\", "
      "\"abi\": \"pypy310\", "
      "\"free_threaded\": false}", "pypy" },
    { "{\"executable\": \"/x/python\", \"implementation\": \"cpython\", \"version\": \"3.8.18\", "
      "\"abi\": \"cpython-38\", "
      "\"free_threaded\": false}", "3.8.18" },
    { "{\"executable\": \"/x/python\", \"implementation\": \"unknown\", \"version\": \"2.7.18\", "
      "\"abi\": \"\", "
      "\"free_threaded\": false}", "2.7.18" },
    { "{\"executable\": \"/x/python\"}", "not a Python" },
    { "hello", "does not answer" },
    { "[]", "does not answer" },
  };
  g_autoptr (EnvFixture) fixture = env_fixture_new ();

  g_test_summary ("A free-threaded build, another implementation, an old version and what is no "
                  "Python are refused by name");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *python = stand_in (fixture, cases[i].answer);
      g_autofree char *message = refuse (fixture, python, PYISOLATE_ERROR_PYTHON_NOT_FOUND);

      g_assert_nonnull (strstr (message, cases[i].said));
      g_assert_nonnull (strstr (message, python));
    }
}

static void
test_not_there (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *path = refuse (fixture, "/nowhere/python3", PYISOLATE_ERROR_PYTHON_NOT_FOUND);
  g_autofree char *command = refuse (fixture, "python-nowhere", PYISOLATE_ERROR_PYTHON_NOT_FOUND);
  g_autofree char *version = refuse (fixture, "3.99", PYISOLATE_ERROR_PYTHON_NOT_FOUND);
  g_autofree char *specifier = refuse (fixture, ">=3.99", PYISOLATE_ERROR_PYTHON_NOT_FOUND);
  g_autofree char *relative = refuse (fixture, "./python3", PYISOLATE_ERROR_BAD_CONFIG);
  g_autofree char *option = refuse (fixture, "--help", PYISOLATE_ERROR_BAD_CONFIG);

  g_assert_nonnull (strstr (path, "/nowhere/python3"));
  g_assert_nonnull (strstr (command, "python-nowhere"));
  g_assert_nonnull (strstr (version, "3.99"));
  g_assert_nonnull (strstr (version, "uv python install"));
  g_assert_nonnull (strstr (specifier, ">=3.99"));
}

static PyIsolateEnvInterpreter *
resolve (EnvFixture *fixture,
         const char *python,
         const char *default_python)
{
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, NULL);
  g_autoptr (GError) error = NULL;
  PyIsolateEnvInterpreter *interpreter;

  g_free (request->python);
  request->python = g_strdup (python);
  request->default_python = g_strdup (default_python);
  interpreter = _pyisolate_env_interpreter_resolve (request, TRUE, NULL, &error);
  g_assert_no_error (error);

  return interpreter;
}

static void
test_shims (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvInterpreter) first = NULL;
  g_autoptr (PyIsolateEnvInterpreter) second = NULL;
  g_autofree char *real = realpath (fixture->python, NULL);

  g_test_summary ("A script called python3 is passed over; behind a version manager's shim the "
                  "real one is found");

  g_free (env_fixture_script (fixture, "manager/shims/python3", "#!/bin/sh\nexit 1\n"));
  link_program (fixture, "bin/python3");
  set_path (fixture, "manager/shims", "bin", NULL);
  first = resolve (fixture, NULL, NULL);
  g_assert_cmpstr (first->path, ==, real);

  link_program (fixture, "manager/versions/3.1.4/bin/python3");
  set_path (fixture, "manager/shims", NULL);
  second = resolve (fixture, "python3", NULL);
  restore_path ();
  g_assert_cmpstr (second->path, ==, real);
}

static void
test_versions (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvInterpreter) known = resolve (fixture, fixture->python, NULL);
  g_autofree char *minor = _pyisolate_env_interpreter_dup_minor (known);
  g_autofree char *name = g_strdup_printf ("bin/python%s", minor);
  g_autofree char *specifier = g_strdup_printf ("==%s.*", minor);
  g_autoptr (PyIsolateEnvInterpreter) by_minor = NULL;
  g_autoptr (PyIsolateEnvInterpreter) by_full = NULL;
  g_autoptr (PyIsolateEnvInterpreter) by_specifier = NULL;
  g_autoptr (PyIsolateEnvInterpreter) by_default = NULL;

  g_test_summary ("A version, a full version, a specifier and the default name the same "
                  "interpreter");

  link_program (fixture, name);
  link_program (fixture, "bin/python3");
  set_path (fixture, "bin", NULL);
  by_minor = resolve (fixture, minor, NULL);
  by_full = resolve (fixture, known->version, NULL);
  by_specifier = resolve (fixture, specifier, NULL);
  by_default = resolve (fixture, NULL, fixture->python);
  restore_path ();

  g_assert_cmpstr (by_minor->path, ==, known->path);
  g_assert_cmpstr (by_full->path, ==, known->path);
  g_assert_cmpstr (by_specifier->path, ==, known->path);
  g_assert_cmpstr (by_default->path, ==, known->path);
}

/* A Python of that version, with a uv that finds it. */
static void
let_uv_find (EnvFixture *fixture,
             const char *name,
             const char *version)
{
  g_autofree char *text = g_strdup_printf ("#!/bin/sh\necho '{\"executable\": \"/x/%s\", \"version\": \"%s\", "
                                           "\"implementation\": \"cpython\", \"abi\": \"any\", \"free_threaded\": false}'\n",
                                           name, version);
  g_autofree char *python = env_fixture_script (fixture, name, text);
  g_autofree char *uv_text = g_strdup_printf ("#!/bin/sh\necho '%s'\n", python);

  g_free (fixture->uv);
  fixture->uv = env_fixture_script (fixture, "uv", uv_text);
}

static void
test_replaced (void)
{
  static const char *const specs[] = { ">=3.10,<3.13", "3.10" };
  g_autoptr (EnvFixture) fixture = env_fixture_new ();

  g_test_summary ("What was found is looked for again when it has become another version, as on an upgrade of the system");

  set_path (fixture, "bin", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (specs); i++)
    {
      g_autoptr (PyIsolateEnvInterpreter) first = NULL;
      g_autoptr (PyIsolateEnvInterpreter) second = NULL;

      let_uv_find (fixture, "python", "3.10.4");
      first = resolve (fixture, specs[i], NULL);
      g_assert_cmpstr (first->version, ==, "3.10.4");

      let_uv_find (fixture, "python", "3.13.0");
      let_uv_find (fixture, "other", "3.10.7");
      second = resolve (fixture, specs[i], NULL);
      g_assert_cmpstr (second->version, ==, "3.10.7");
    }
  restore_path ();
}

static void
refuse_required (PyIsolateEnvironmentRequest *request,
                 const char                  *required)
{
  g_autoptr (PyIsolateEnvironment) refused = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;

  g_free (request->requires_python);
  request->requires_python = g_strdup (required);
  refused = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_null (refused);
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_PYTHON_NOT_FOUND);
  g_assert_nonnull (strstr (message, required));
  g_assert_nonnull (strstr (message, "requires-python"));
}

static void
test_required (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvInterpreter) known = resolve (fixture, fixture->python, NULL);
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "alpha", NULL);
  g_autofree char *minor = _pyisolate_env_interpreter_dup_minor (known);
  g_autofree char *not_this = g_strdup_printf (">=3.9,!=%s.*", minor);
  g_autofree char *this = g_strdup_printf (">=3.9, == %s.*", minor);
  const char *const refused[] = { ">=3.99", "<3.9", not_this, "^3.9", "\"\n[tool]\nx = \"" };
  guint n_before;

  g_test_summary ("What the extension says that it requires holds for a Python that somebody else has chosen, too");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  g_free (request->python);
  request->python = g_strdup (fixture->python);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    refuse_required (request, refused[i]);

  g_free (request->requires_python);
  request->requires_python = g_steal_pointer (&this);
  g_free (request->uv_path);
  request->uv_path = env_fixture_counted_uv (fixture);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (PyIsolateEnvironment) made = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);

      g_assert_no_error (error);
      if (i == 0)
        n_before = env_fixture_count (fixture, "calls");
    }
  g_assert_cmpuint (n_before, >, 0);
  g_assert_cmpuint (env_fixture_count (fixture, "calls"), ==, n_before); /* it is known */
}

static void
test_remembered (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, NULL);
  g_autoptr (PyIsolateEnvInterpreter) cold = NULL;
  g_autoptr (PyIsolateEnvInterpreter) warm = NULL;
  g_autoptr (PyIsolateEnvInterpreter) changed = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *copy = NULL, *data = NULL;
  gsize length;

  g_test_summary ("An interpreter is asked once, and again when its file is another one");

  cold = _pyisolate_env_interpreter_resolve (request, FALSE, NULL, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  cold = _pyisolate_env_interpreter_resolve (request, TRUE, NULL, &error);
  g_assert_no_error (error);
  warm = _pyisolate_env_interpreter_resolve (request, FALSE, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (warm->version, ==, cold->version);

  copy = env_fixture_path (fixture, "python-copy");
  g_file_get_contents (fixture->python, &data, &length, &error);
  g_assert_no_error (error);
  g_file_set_contents (copy, data, length, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_chmod (copy, 0700), ==, 0);
  g_free (request->python);
  request->python = g_strdup (copy);
  changed = _pyisolate_env_interpreter_resolve (request, FALSE, NULL, &error);
  g_assert_null (changed);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

static gboolean read_at_exit;

/* After what the compiler has put in for what the library has: the priority is the last one's. */
__attribute__ ((destructor (101))) static void
read_script_at_exit (void)
{
  if (read_at_exit)
    g_free (_pyisolate_env_script_dup ("query-interpreter.py"));
}

/* Threads that make environments may still run when main() has returned. */
static void
test_at_exit (void)
{
  if (g_test_subprocess ())
    {
      read_at_exit = TRUE;
      return;
    }

  g_test_trap_subprocess (NULL, 60 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static int may_read; /* atomic */

static gpointer
read_script (gpointer data)
{
  while (!g_atomic_int_get (&may_read))
    ;
  g_free (_pyisolate_env_script_dup ("query-interpreter.py"));
  return NULL;
}

/* Threads that make a process's first environments at the same time all get their programs. */
static void
test_at_once (void)
{
  GThread *threads[4];

  for (guint i = 0; !g_test_subprocess () && i < 10; i++)
    {
      g_test_trap_subprocess (NULL, 60 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_DEFAULT);
      g_test_trap_assert_passed ();
    }
  if (!g_test_subprocess ())
    return;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("reader", read_script, NULL);
  g_atomic_int_set (&may_read, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);
  saved_path = g_strdup (g_getenv ("PATH"));

  test_util_add_func ("/pyisolate/environment/python/refused", test_refused);
  test_util_add_func ("/pyisolate/environment/python/not-there", test_not_there);
  test_util_add_func ("/pyisolate/environment/python/shims", test_shims);
  test_util_add_func ("/pyisolate/environment/python/versions", test_versions);
  test_util_add_func ("/pyisolate/environment/python/remembered", test_remembered);
  test_util_add_func ("/pyisolate/environment/python/replaced", test_replaced);
  test_util_add_func ("/pyisolate/environment/python/required", test_required);
  test_util_add_func ("/pyisolate/environment/python/at-exit", test_at_exit);
  test_util_add_func ("/pyisolate/environment/python/at-once", test_at_once);

  return env_fixture_run ();
}
