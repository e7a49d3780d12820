/* SPDX-License-Identifier: MIT */
/* What is in an environment that was made, and how its making goes. */
#include "config.h"

#include "env-fixture.h"
#include "pyisolate-env-uv-private.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT 60000

static void
test_evil_pth (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironment) repaired = NULL;
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *marker = env_fixture_path (fixture, "executed");
  g_autofree char *spec = NULL, *out = NULL;

  g_test_summary ("A .pth of a wheel is code; making, checking and repairing an environment never "
                  "runs it");

  spec = g_strdup_printf ("evil==1.0;file=evil.pth=import evil_start\n"
                          ";file=evil_start.py=open('%s', 'a').write('x')\n", marker);
  env_fixture_add_wheels (fixture, spec, NULL);
  environment = env_fixture_ensure (fixture, "evil", NULL);
  problems = _pyisolate_environment_verify (fixture->root,
                                            _pyisolate_environment_get_key (environment), NULL,
                                            &error);
  g_assert_no_error (error);
  g_assert_cmpuint (problems->len, ==, 0);
  request = env_fixture_request (fixture, "evil", NULL);
  repaired = _pyisolate_environment_repair (request, _pyisolate_environment_get_key (environment),
                                            NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_false (g_file_test (marker, G_FILE_TEST_EXISTS));

  /* It is one: the worker's python would run it. */
  out = env_fixture_python (repaired, "print('started')");
  g_assert_cmpstr (out, ==, "started");
  g_assert_true (g_file_test (marker, G_FILE_TEST_EXISTS));
}

static void
test_bytecode (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autofree char *out = NULL, *site = NULL, *expected = NULL;

  g_test_summary ("Bytecode is there, names the files where they are now, and a file that is no "
                  "Python does no harm");

  env_fixture_add_wheels (fixture, "alpha==1.0;file=alpha/bad.py=this is no python(\n", NULL);
  environment = env_fixture_ensure (fixture, "alpha", NULL);
  out = env_fixture_python (environment, "import os, importlib.util, marshal\n"
                            "source = importlib.util.find_spec('alpha').origin\n"
                            "cached = importlib.util.cache_from_source(source)\n"
                            "code = marshal.loads(open(cached, 'rb').read()[16:])\n"
                            "print(os.path.exists(cached), code.co_filename == source, "
                            "code.co_filename)");
  site = env_site_packages (environment);
  expected = g_strdup_printf ("True True %s/alpha/__init__.py", site);
  g_assert_cmpstr (out, ==, expected);
}

static void
test_console_scripts (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autofree char *script = NULL, *out = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  g_test_summary ("Console scripts work in the place to which the environment was renamed");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  environment = env_fixture_ensure (fixture, "alpha", NULL);
  script = g_build_filename (_pyisolate_environment_get_prefix (environment), "bin", "alpha-run",
                             NULL);
  {
    char *argv[] = { script, NULL };

    g_spawn_sync (NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL, &status, &error);
  }
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpstr (out, ==, "alpha 1.0\n");
}

static void
test_empty (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autofree char *out = NULL;

  g_test_summary ("An extension without dependencies has an environment too: nothing of the "
                  "host's packages is in it");

  environment = env_fixture_ensure (fixture, NULL);
  out = env_fixture_python (environment, "import sys; print([p for p in sys.path if 'packages' in "
                                         "p] == "
                            "[sys.prefix + '/lib/python%d.%d/site-packages' % "
                            "sys.version_info[:2]])");
  g_assert_cmpstr (out, ==, "True");
}

static void
test_every_python (void)
{
  g_auto (GStrv) pythons = g_strsplit (g_getenv ("PYISOLATE_TEST_PYTHONS"), ":", -1);
  g_autoptr (EnvFixture) fixture = env_fixture_new ();

  g_test_summary ("Every supported interpreter that is present");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  for (guint i = 0; pythons[i] != NULL; i++)
    {
      g_autoptr (PyIsolateEnvironmentRequest) request =
        env_fixture_request (fixture, "alpha", NULL);
      g_autoptr (PyIsolateEnvironment) environment = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *out = NULL;

      g_free (request->python);
      request->python = g_strdup (pythons[i]);
      environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
      g_assert_no_error (error);
      out = env_fixture_python (environment, "import alpha, sys; print('%d.%d.%d' % "
                                             "sys.version_info[:3])");
      g_assert_cmpstr (out, ==, _pyisolate_environment_get_python_version (environment));
    }
}

typedef struct {
  double last;
  guint n_calls;
  guint n_stages[3];
  PyIsolateEnvironmentStage stage;
} Progress;

static void
on_progress (PyIsolateEnvironmentStage stage,
             double                    fraction,
             const char               *text,
             gpointer                  user_data)
{
  Progress *progress = user_data;

  g_assert_cmpuint (stage, >=, progress->stage);
  g_assert_cmpfloat (fraction, >=, progress->last);
  g_assert_cmpfloat (fraction, <=, 1.0);
  g_assert_nonnull (text);
  g_assert_null (strchr (text, '\n'));
  progress->stage = stage;
  progress->last = fraction;
  progress->n_calls++;
  progress->n_stages[stage]++;
}

static void
test_progress (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) cold = NULL;
  g_autoptr (PyIsolateEnvironment) warm = NULL;
  Progress progress = { 0 };
  guint n_calls;

  g_test_summary ("Progress passes through the stages, never falls, and ends at 1; a warm start "
                  "reports none");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  request = env_fixture_request (fixture, "alpha", NULL);
  cold = _pyisolate_environment_ensure (request, on_progress, &progress, NULL, NULL);
  g_assert_nonnull (cold);
  g_assert_cmpfloat (progress.last, ==, 1.0);
  for (guint i = 0; i < G_N_ELEMENTS (progress.n_stages); i++)
    g_assert_cmpuint (progress.n_stages[i], >, 0);

  n_calls = progress.n_calls;
  warm = _pyisolate_environment_ensure (request, on_progress, &progress, NULL, NULL);
  g_assert_nonnull (warm);
  g_assert_cmpuint (progress.n_calls, ==, n_calls);
}

/* What uv and the compiler of bytecode say of a large environment. */
static void
test_progress_steps (void)
{
  g_auto (PyIsolateEnvProgress) progress = { 0 };
  Progress told = { 0 };

  g_test_summary ("Of thousands of files each hundredth of the whole is told once, and what uv says "
                  "again is no step back");

  _pyisolate_env_progress_init (&progress, on_progress, &told);
  _pyisolate_env_progress_parse (&progress, "Resolved 2 packages in 1.61s");
  _pyisolate_env_progress_tell (&progress, PYISOLATE_ENVIRONMENT_STAGE_DOWNLOADING, 0.1, "Fetching packages");
  _pyisolate_env_progress_parse (&progress, "Resolved 2 packages in 9ms");
  g_assert_cmpuint (told.n_calls, ==, 2);
  _pyisolate_env_progress_parse (&progress, "Downloading numpy (15.0MiB)");
  _pyisolate_env_progress_parse (&progress, "Downloading pillow (5.0MiB)");
  _pyisolate_env_progress_parse (&progress, " Downloaded pillow");
  g_assert_cmpuint (told.n_calls, ==, 5);
  _pyisolate_env_progress_parse (&progress, "Installed 2 packages in 17ms");

  told.n_calls = 0;
  _pyisolate_env_progress_parse (&progress, "TOTAL 5000");
  for (guint i = 1; i <= 5000; i++)
    {
      g_autofree char *line = g_strdup_printf ("DONE %u", i);

      _pyisolate_env_progress_parse (&progress, line);
    }
  g_assert_cmpuint (told.n_calls, >=, 15);
  g_assert_cmpuint (told.n_calls, <=, 21);
}

static gpointer
cancel_when_uv_runs (gpointer user_data)
{
  gpointer *data = user_data;
  const char *fifo = data[0];
  g_autofree char *text = NULL;

  /* Opening it blocks until the stand-in for uv has it open. */
  g_file_get_contents (fifo, &text, NULL, NULL);
  g_cancellable_cancel (data[1]);

  return NULL;
}

static void
test_cancel (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *fifo = env_fixture_path (fixture, "fifo");
  g_autofree char *entry = g_strdup_printf ("ENV_TEST_MARK=%s", fixture->directory);
  g_autofree char *text = NULL, *uv = NULL, *listing = NULL;
  gpointer data[] = { fifo, cancellable };
  g_autoptr (GArray) left = NULL;
  GThread *thread;

  g_test_summary ("Cancelling ends uv and what it started, and leaves nothing half-made");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  text = g_strdup_printf ("#!/bin/sh\ncase \"$*\" in *install*) ;; *) exec '%s' \"$@\";; esac\n"
                          "sleep 1000 &\nsetsid sleep 1000 &\necho ready > '%s'\nwait\n",
                          fixture->uv, fifo);
  uv = env_fixture_script (fixture, "slow-uv", text);
  request = env_fixture_request (fixture, "alpha", NULL);
  g_free (request->uv_path);
  request->uv_path = g_strdup (uv);
  g_setenv ("ENV_TEST_MARK", fixture->directory, TRUE);
  thread = g_thread_new ("cancel", cancel_when_uv_runs, data);
  environment = _pyisolate_environment_ensure (request, NULL, NULL, cancellable, &error);
  g_thread_join (thread);
  g_unsetenv ("ENV_TEST_MARK");

  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (environment);
  left = test_util_wait_no_processes (entry, TIMEOUT);
  g_assert_cmpuint (left->len, ==, 0);
  listing = env_fixture_listing (fixture);
  g_assert_null (strstr (listing, "/environments/"));
}

static void
test_own_environment (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) made = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;
  const char *prefix;

  g_test_summary ("The user's own environment is used as it is; dependencies besides it are "
                  "refused");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  made = env_fixture_ensure (fixture, "alpha", NULL);
  prefix = _pyisolate_environment_get_prefix (made);
  request = _pyisolate_environment_request_new (fixture->root);
  request->environment = g_strdup (prefix);
  request->uv_path = g_strdup ("/nowhere/uv");
  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (environment), ==, prefix);
  g_assert_null (_pyisolate_environment_get_key (environment));
  g_assert_cmpstr (_pyisolate_environment_get_python_version (environment), ==,
                   _pyisolate_environment_get_python_version (made));

  request->dependencies = g_strsplit ("alpha", ",", -1);
  g_assert_false (_pyisolate_environment_check_request (request, &error));
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
  g_assert_nonnull (strstr (message, prefix));
}

static void
test_own_prefix (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *bin = env_fixture_path (fixture, "prefix/bin");
  g_autofree char *python3 = env_fixture_path (fixture, "prefix/bin/python3");
  g_autofree char *message = NULL;

  g_test_summary ("A prefix may have python3 only, as that of the system has");

  request = _pyisolate_environment_request_new (fixture->root);
  request->environment = g_path_get_dirname (bin);
  g_assert_no_errno (g_mkdir_with_parents (bin, 0700));
  g_assert_false (_pyisolate_environment_check_request (request, &error));
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
  g_assert_nonnull (strstr (message, "python3"));

  g_assert_no_errno (symlink (fixture->python, python3));
  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (_pyisolate_environment_get_python (environment), ==, python3);
}

static void
test_without_launcher (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("uv can also be run directly");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  request = env_fixture_request (fixture, "alpha", NULL);
  g_clear_pointer (&request->launcher_path, g_free);
  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (environment);
}

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);

  test_util_add_func ("/pyisolate/environment/making/evil-pth", test_evil_pth);
  test_util_add_func ("/pyisolate/environment/making/bytecode", test_bytecode);
  test_util_add_func ("/pyisolate/environment/making/console-scripts", test_console_scripts);
  test_util_add_func ("/pyisolate/environment/making/empty", test_empty);
  test_util_add_func ("/pyisolate/environment/making/every-python", test_every_python);
  test_util_add_func ("/pyisolate/environment/making/progress", test_progress);
  test_util_add_func ("/pyisolate/environment/making/progress-steps", test_progress_steps);
  test_util_add_func ("/pyisolate/environment/making/cancel", test_cancel);
  test_util_add_func ("/pyisolate/environment/making/own-environment", test_own_environment);
  test_util_add_func ("/pyisolate/environment/making/own-prefix", test_own_prefix);
  test_util_add_func ("/pyisolate/environment/making/without-launcher", test_without_launcher);

  return env_fixture_run ();
}
