/* SPDX-License-Identifier: MIT */
/* How a request gets its environment: made once, shared, found again without a process. */
#include "config.h"

#include "env-fixture.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define TIMEOUT 30000

static void
test_conflicting_versions (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) one = NULL;
  g_autoptr (PyIsolateEnvironment) two = NULL;
  g_autofree char *out_one = NULL, *out_two = NULL;

  g_test_summary ("Two versions of one package, each in its own environment, at the same time");

  env_fixture_add_wheels (fixture, "alpha==1.0", "alpha==2.0", "beta==1.0;requires=alpha<2", NULL);
  one = env_fixture_ensure (fixture, "beta", NULL);
  two = env_fixture_ensure (fixture, "alpha>=2", NULL);
  g_assert_cmpstr (_pyisolate_environment_get_key (one), !=, _pyisolate_environment_get_key (two));

  out_one = env_fixture_python (one, "import alpha, beta; print(alpha.version, beta.version)");
  out_two = env_fixture_python (two, "import alpha; print(alpha.version)");
  g_assert_cmpstr (out_one, ==, "1.0 1.0");
  g_assert_cmpstr (out_two, ==, "2.0");
}

static void
test_equal_share (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) one = NULL;
  g_autoptr (PyIsolateEnvironment) two = NULL;
  g_autoptr (PyIsolateEnvironment) three = NULL;

  g_test_summary ("The same requirements in another order, and others that resolve to the same, "
                  "give one environment");

  env_fixture_add_wheels (fixture, "alpha==1.0", "beta==1.0;requires=alpha<2", NULL);
  one = env_fixture_ensure (fixture, "alpha", "beta", NULL);
  two = env_fixture_ensure (fixture, " beta ", "alpha", "beta", NULL);
  three = env_fixture_ensure (fixture, "beta==1.0", NULL);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (one), ==,
                   _pyisolate_environment_get_prefix (two));
  g_assert_cmpstr (_pyisolate_environment_get_prefix (one), ==,
                   _pyisolate_environment_get_prefix (three));
}

static void
test_hard_links (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) one = NULL;
  g_autoptr (PyIsolateEnvironment) two = NULL;
  g_autofree char *site_one = NULL, *site_two = NULL, *file_one = NULL, *file_two = NULL;
  g_autoptr (GPtrArray) infos = NULL;
  g_autoptr (GError) error = NULL;
  struct stat st_one, st_two;

  g_test_summary ("Different environments share the files of a package, and say how much disk is "
                  "their own");

  env_fixture_add_wheels (fixture, "alpha==1.0;pad=3000000", "gamma==1.0", NULL);
  one = env_fixture_ensure (fixture, "alpha", NULL);
  two = env_fixture_ensure (fixture, "alpha", "gamma", NULL);
  site_one = env_site_packages (one);
  site_two = env_site_packages (two);
  file_one = g_build_filename (site_one, "alpha", "pad.py", NULL);
  file_two = g_build_filename (site_two, "alpha", "pad.py", NULL);
  g_assert_cmpint (stat (file_one, &st_one), ==, 0);
  g_assert_cmpint (stat (file_two, &st_two), ==, 0);
  g_assert_cmpuint (st_one.st_ino, ==, st_two.st_ino);

  infos = _pyisolate_environment_list (fixture->root, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (infos->len, ==, 2);
  for (guint i = 0; i < infos->len; i++)
    {
      PyIsolateEnvironmentInfo *info = g_ptr_array_index (infos, i);

      /* The bytecode of the large module holds its constant, and is each environment's own. */
      g_assert_cmpuint (info->size_total, >=, 6000000);
      g_assert_cmpuint (info->size_unique, >=, 3000000);
      g_assert_cmpuint (info->size_total - info->size_unique, >=, 3000000);
    }
}

static gint64
count_child_faults (void)
{
  struct rusage usage;

  g_assert_cmpint (getrusage (RUSAGE_CHILDREN, &usage), ==, 0);

  return usage.ru_minflt;
}

static void
test_warm (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) cold = NULL;
  g_autofree char *uv = env_fixture_counted_uv (fixture);
  gint64 faults, best = G_MAXINT64;
  guint n_calls;

  g_test_summary ("What is there is found without uv, without an interpreter, without any "
                  "process, in under a millisecond");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  request = env_fixture_request (fixture, "alpha", NULL);
  request->extension_name = g_strdup ("warm");
  g_free (request->uv_path);
  request->uv_path = g_strdup (uv);
  cold = _pyisolate_environment_ensure (request, NULL, NULL, NULL, NULL);
  g_assert_nonnull (cold);
  n_calls = env_fixture_count (fixture, "calls");
  g_assert_cmpuint (n_calls, ==, 3);

  faults = count_child_faults ();
  g_assert_cmpint (faults, >, 0);
  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (PyIsolateEnvironment) warm = NULL;
      gint64 start = g_get_monotonic_time ();

      warm = _pyisolate_environment_ensure (request, NULL, NULL, NULL, NULL);
      best = MIN (best, g_get_monotonic_time () - start);
      g_assert_nonnull (warm);
      g_assert_cmpstr (_pyisolate_environment_get_prefix (warm), ==,
                       _pyisolate_environment_get_prefix (cold));
    }
  /* A child that ever ran and was reaped would have had page faults. */
  g_assert_cmpint (count_child_faults (), ==, faults);
  g_assert_cmpuint (env_fixture_count (fixture, "calls"), ==, n_calls);
  g_test_message ("warm: %" G_GINT64_FORMAT " µs", best);
  if (!env_fixture_is_slowed ())
    g_assert_cmpint (best, <, 1000);
}

static void
test_warm_without_uv (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) cold = NULL;
  g_autoptr (PyIsolateEnvironment) warm = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("An environment that is there needs no uv");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  cold = env_fixture_ensure (fixture, "alpha", NULL);
  request = env_fixture_request (fixture, "alpha", NULL);
  g_free (request->uv_path);
  request->uv_path = g_strdup ("/nowhere/uv");
  g_assert_true (_pyisolate_environment_check_request (request, &error));
  g_assert_no_error (error);
  warm = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (warm);
}

static GSubprocess *
spawn_maker (EnvFixture *fixture,
             const char *uv)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "environment", "env-maker", NULL);
  g_autoptr (GError) error = NULL;
  GSubprocess *maker;

  maker = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                            program, fixture->root,
                            fixture->links, uv, fixture->python, "alpha", "beta", NULL);
  g_assert_no_error (error);

  return maker;
}

static void
test_two_processes (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *uv = env_fixture_counted_uv (fixture);
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL;
  GSubprocess *makers[4];

  g_test_summary ("Four processes that want the same environment at once make it once");

  env_fixture_add_wheels (fixture, "alpha==1.0", "beta==1.0", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    makers[i] = spawn_maker (fixture, uv);
  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    {
      g_autofree char *out = NULL;

      g_subprocess_communicate_utf8 (makers[i], NULL, NULL, &out, NULL, &error);
      g_assert_no_error (error);
      g_assert_true (g_subprocess_get_successful (makers[i]));
      if (first == NULL)
        first = g_steal_pointer (&out);
      else
        g_assert_cmpstr (out, ==, first);
      g_object_unref (makers[i]);
    }

  /* Resolved once, one venv, installed once. */
  g_assert_cmpuint (env_fixture_count (fixture, "calls"), ==, 3);
}

static gpointer
ensure_in_thread (gpointer user_data)
{
  PyIsolateEnvironmentRequest *request = user_data;
  g_autoptr (GError) error = NULL;
  PyIsolateEnvironment *environment =
    _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);

  g_assert_no_error (error);

  return environment;
}

static void
test_two_threads (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autofree char *uv = env_fixture_counted_uv (fixture);
  GThread *threads[4];

  g_test_summary ("So do four threads");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  request = env_fixture_request (fixture, "alpha", NULL);
  g_free (request->uv_path);
  request->uv_path = g_strdup (uv);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("ensure", ensure_in_thread, request);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      g_autoptr (PyIsolateEnvironment) environment = g_thread_join (threads[i]);

      g_assert_nonnull (environment);
    }
  g_assert_cmpuint (env_fixture_count (fixture, "calls"), ==, 3);
}

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
} Progress;

static void
on_progress (PyIsolateEnvironmentStage stage,
             double                    fraction,
             const char               *text,
             gpointer                  user_data)
{
  Progress *progress = user_data;

  g_assert_cmpfloat (fraction, >=, progress->last);
  g_assert_cmpfloat (fraction, <=, 1.0);
  g_assert_nonnull (text);
  g_assert_null (strchr (text, '\n'));
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
  g_assert_null (strstr (listing, ".new-"));
}

static void
test_cancel_while_waiting (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironment) made = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *fifo = env_fixture_path (fixture, "fifo"), *go =
    env_fixture_path (fixture, "go");
  g_autofree char *text = NULL, *uv = NULL, *ready = NULL;
  GThread *thread;

  g_test_summary ("Who waits for another maker can be cancelled, and the other goes on");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_assert_cmpint (mkfifo (go, 0600), ==, 0);
  text = g_strdup_printf ("#!/bin/sh\ncase \"$*\" in *install*) echo ready > '%s'; cat '%s';; "
                          "esac\nexec '%s' \"$@\"\n",
                          fifo, go, fixture->uv);
  uv = env_fixture_script (fixture, "slow-uv", text);
  request = env_fixture_request (fixture, "alpha", NULL);
  g_free (request->uv_path);
  request->uv_path = g_strdup (uv);
  thread = g_thread_new ("maker", ensure_in_thread, request);
  g_file_get_contents (fifo, &ready, NULL, &error);
  g_assert_no_error (error);

  /* The maker holds the guard now; the cancellable fires while we wait for it. */
  g_thread_unref (g_thread_new ("cancel", (GThreadFunc) (void (*) (void)) g_cancellable_cancel,
                                cancellable));
  environment = _pyisolate_environment_ensure (request, NULL, NULL, cancellable, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (environment);
  g_clear_error (&error);

  g_file_set_contents_full (go, "go", -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
  g_assert_no_error (error);
  made = g_thread_join (thread);
  g_assert_nonnull (made);
}

static void
test_names (void)
{
  static const char *const names[] = { "a b", "a_b", "a/b" };
  g_autoptr (EnvFixture) fixture = env_fixture_new ();

  g_test_summary ("Names that are alike are different extensions");

  env_fixture_add_wheels (fixture, "alpha==1.0", "alpha==2.0", "alpha==3.0", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *requirement = g_strdup_printf ("alpha==%u.0", i + 1);
      g_autoptr (PyIsolateEnvironmentRequest) request =
        env_fixture_request (fixture, requirement, NULL);
      g_autoptr (PyIsolateEnvironment) environment = NULL;

      request->extension_name = g_strdup (names[i]);
      environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, NULL);
      g_assert_nonnull (environment);
    }
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (PyIsolateEnvironmentInfo) info =
        _pyisolate_environment_show (fixture->root, names[i], &error);
      g_autofree char *package = g_strdup_printf ("alpha %u.0", i + 1);

      g_assert_no_error (error);
      g_assert_cmpuint (g_strv_length (info->packages), ==, 1);
      g_assert_cmpstr (info->packages[0], ==, package);
      g_assert_cmpuint (g_strv_length (info->extensions), ==, 1);
      g_assert_cmpstr (info->extensions[0], ==, names[i]);
    }
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

  test_util_add_func ("/pyisolate/environment/conflicting-versions", test_conflicting_versions);
  test_util_add_func ("/pyisolate/environment/equal-share", test_equal_share);
  test_util_add_func ("/pyisolate/environment/hard-links", test_hard_links);
  test_util_add_func ("/pyisolate/environment/warm", test_warm);
  test_util_add_func ("/pyisolate/environment/warm-without-uv", test_warm_without_uv);
  test_util_add_func ("/pyisolate/environment/two-processes", test_two_processes);
  test_util_add_func ("/pyisolate/environment/two-threads", test_two_threads);
  test_util_add_func ("/pyisolate/environment/evil-pth", test_evil_pth);
  test_util_add_func ("/pyisolate/environment/bytecode", test_bytecode);
  test_util_add_func ("/pyisolate/environment/console-scripts", test_console_scripts);
  test_util_add_func ("/pyisolate/environment/empty", test_empty);
  test_util_add_func ("/pyisolate/environment/every-python", test_every_python);
  test_util_add_func ("/pyisolate/environment/progress", test_progress);
  test_util_add_func ("/pyisolate/environment/cancel", test_cancel);
  test_util_add_func ("/pyisolate/environment/cancel-while-waiting", test_cancel_while_waiting);
  test_util_add_func ("/pyisolate/environment/names", test_names);
  test_util_add_func ("/pyisolate/environment/own-environment", test_own_environment);
  test_util_add_func ("/pyisolate/environment/without-launcher", test_without_launcher);

  return env_fixture_run ();
}
