/* SPDX-License-Identifier: MIT */
/* How a request gets its environment: made once, shared, found again without a process. */
#include "config.h"

#include "env-fixture.h"

#include "pyisolate-env-store-private.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
  if (!test_util_is_slowed ())
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

/* Not even root may write where it has no capability to. */
static gboolean
give_up_capabilities (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[2] = { 0 };

  return syscall (SYS_capset, &header, none) == 0;
}

static gboolean
finds_what_may_only_be_read (const PyIsolateEnvironmentRequest *request)
{
  g_autoptr (PyIsolateEnvironment) found = NULL;
  g_autoptr (GError) error = NULL;

  if (!give_up_capabilities () || access (request->venv_root, W_OK) == 0)
    return FALSE;

  if (_pyisolate_environment_check_request (request, &error))
    found = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  if (error != NULL)
    g_printerr ("# %s: %s\n", request->extension_name, error->message);

  return found != NULL;
}

/* What another user made, or an image that is only read: with the name that it was made for, and with another. */
static void
test_read_only (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) cold = NULL;
  const char *names[] = { "made", "other" };
  g_autofree char *forbid = g_strdup_printf ("chmod -R a-w '%s'", fixture->root);
  g_autofree char *allow = g_strdup_printf ("chmod -R u+w '%s'", fixture->root);
  g_autofree char *before = NULL, *after = NULL;
  int status;

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  request = env_fixture_request (fixture, "alpha", NULL);
  request->extension_name = g_strdup ("made");
  cold = _pyisolate_environment_ensure (request, NULL, NULL, NULL, NULL);
  g_assert_nonnull (cold);
  before = env_fixture_listing (fixture);
  g_assert_cmpint (system (forbid), ==, 0);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      pid_t pid;

      g_free (request->extension_name);
      request->extension_name = g_strdup (names[i]);
      pid = fork ();
      if (pid == 0)
        {
          /* Valgrind takes for lost what the threads had that are not in this process. */
          const char *program = finds_what_may_only_be_read (request) ? "true" : "false";

          execlp (program, program, NULL);
          _exit (1);
        }
      g_assert_no_errno (pid);
      g_assert_cmpint (TEMP_FAILURE_RETRY (waitpid (pid, &status, 0)), ==, pid);
      g_assert_cmpint (status, ==, 0);
    }

  g_assert_cmpint (system (allow), ==, 0);
  after = env_fixture_listing (fixture);
  g_assert_cmpstr (after, ==, before);
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
  return env_ensure (user_data);
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

static gpointer
cancel_in_thread (gpointer user_data)
{
  g_cancellable_cancel (user_data);

  return NULL;
}

/* Making what @request asks for stops at uv's install until @gate is written to; by then both of its guards are held. */
static GThread *
begin_making (EnvFixture                   *fixture,
              PyIsolateEnvironmentRequest **request,
              char                        **gate)
{
  g_autofree char *fifo = env_fixture_path (fixture, "fifo");
  g_autofree char *text = NULL, *ready = NULL;
  g_autoptr (GError) error = NULL;
  GThread *thread;

  *gate = env_fixture_path (fixture, "go");
  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_assert_cmpint (mkfifo (*gate, 0600), ==, 0);
  text = g_strdup_printf ("#!/bin/sh\ncase \"$*\" in *install*) echo ready > '%s'; cat '%s';; "
                          "esac\nexec '%s' \"$@\"\n",
                          fifo, *gate, fixture->uv);
  *request = env_fixture_request (fixture, "alpha", NULL);
  g_free ((*request)->uv_path);
  (*request)->uv_path = env_fixture_script (fixture, "slow-uv", text);
  thread = g_thread_new ("maker", ensure_in_thread, *request);
  g_file_get_contents (fifo, &ready, NULL, &error);
  g_assert_no_error (error);

  return thread;
}

/* Lets it go on. */
static PyIsolateEnvironment *
finish_making (GThread    *thread,
               const char *gate)
{
  /* Opening it blocks until the stand-in for uv reads from it. */
  FILE *file = fopen (gate, "w");
  PyIsolateEnvironment *made;

  g_assert_nonnull (file);
  fclose (file);
  made = g_thread_join (thread);
  g_assert_nonnull (made);

  return made;
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
  g_autofree char *gate = NULL;
  GThread *thread, *canceller;

  g_test_summary ("Who waits for another maker can be cancelled, and the other goes on");

  thread = begin_making (fixture, &request, &gate);
  canceller = g_thread_new ("cancel", cancel_in_thread, cancellable);
  environment = _pyisolate_environment_ensure (request, NULL, NULL, cancellable, &error);
  g_thread_join (canceller);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (environment);

  made = finish_making (thread, gate);
}

/* Until it is killed, or nobody is there any more to do so. */
static pid_t
fork_a_sleeper (void)
{
  pid_t pid = fork ();

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    alarm (60);
  while (pid == 0)
    pause ();

  return pid;
}

static void
test_fork_while_making (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) made = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *gate = NULL;
  GThread *thread;
  pid_t sleeper;
  int guard;

  g_test_summary ("A child that the host forks meanwhile keeps nobody from making it");

  thread = begin_making (fixture, &request, &gate);
  sleeper = fork_a_sleeper ();
  made = finish_making (thread, gate);

  guard = _pyisolate_env_store_guard (fixture->root, _pyisolate_environment_get_key (made), FALSE, NULL, &error);
  g_assert_no_error (error);
  close (guard);
  kill (sleeper, SIGKILL);
  g_assert_cmpint (waitpid (sleeper, NULL, 0), ==, sleeper);
}

static void
test_fork_while_used (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) used = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *key = NULL;
  pid_t sleeper;

  g_test_summary ("A child that the host has forked does not use an environment for longer than the host");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  used = env_fixture_ensure (fixture, "alpha", NULL);
  key = g_strdup (_pyisolate_environment_get_key (used));
  sleeper = fork_a_sleeper ();

  g_assert_false (_pyisolate_environment_remove (fixture->root, key, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT);
  g_clear_error (&error);

  g_clear_pointer (&used, _pyisolate_environment_unref);
  _pyisolate_environment_remove (fixture->root, key, NULL, &error);
  g_assert_no_error (error);

  kill (sleeper, SIGKILL);
  g_assert_cmpint (waitpid (sleeper, NULL, 0), ==, sleeper);
}

static void
fork_at_the_end (PyIsolateEnvironmentStage  stage,
                 double                     fraction,
                 const char                *text,
                 gpointer                   user_data)
{
  pid_t *sleeper = user_data;

  if (g_str_equal (text, "Installed"))
    *sleeper = fork_a_sleeper ();
}

static void
test_fork_while_installing (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "alpha", NULL);
  g_autoptr (PyIsolateEnvironment) made = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *key = NULL;
  pid_t sleeper = 0;

  g_test_summary ("Nor does one that it has forked while it made it");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  made = _pyisolate_environment_ensure (request, fork_at_the_end, &sleeper, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (sleeper, >, 0);
  key = g_strdup (_pyisolate_environment_get_key (made));

  g_clear_pointer (&made, _pyisolate_environment_unref);
  _pyisolate_environment_remove (fixture->root, key, NULL, &error);
  g_assert_no_error (error);

  kill (sleeper, SIGKILL);
  g_assert_cmpint (waitpid (sleeper, NULL, 0), ==, sleeper);
}

/* Whatever a child does with what it has of its parent's. */
static void
test_forked_child_lets_go (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) used = NULL;
  g_autoptr (GError) error = NULL;
  pid_t child;

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  used = env_fixture_ensure (fixture, "alpha", NULL);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      _pyisolate_environment_unref (used);
      _exit (0);
    }
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);

  g_assert_false (_pyisolate_environment_remove (fixture->root, _pyisolate_environment_get_key (used), NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT);
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
  test_util_add_func ("/pyisolate/environment/read-only", test_read_only);
  test_util_add_func ("/pyisolate/environment/two-processes", test_two_processes);
  test_util_add_func ("/pyisolate/environment/two-threads", test_two_threads);
  test_util_add_func ("/pyisolate/environment/cancel-while-waiting", test_cancel_while_waiting);
  test_util_add_func ("/pyisolate/environment/fork-while-making", test_fork_while_making);
  test_util_add_func ("/pyisolate/environment/fork-while-used", test_fork_while_used);
  test_util_add_func ("/pyisolate/environment/fork-while-installing", test_fork_while_installing);
  test_util_add_func ("/pyisolate/environment/forked-child-lets-go", test_forked_child_lets_go);
  test_util_add_func ("/pyisolate/environment/names", test_names);

  return env_fixture_run ();
}
