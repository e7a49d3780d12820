/* SPDX-License-Identifier: MIT */
/* A maker that is killed leaves nothing, or a whole environment; and no process of it goes on.
 *
 * Killed at random moments (the seed is the one that GTest prints; repeat with --seed), and once
 * before and after each run of uv. PYISOLATE_TEST_SLOW=1: more often.
 */
#include "config.h"

#include "env-fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT 60000

static GSubprocess *
spawn_maker (EnvFixture *fixture,
             const char *uv)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "environment", "env-maker", NULL);
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (GError) error = NULL;
  GSubprocess *maker;

  launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                        G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_setenv (launcher, "ENV_TEST_MARK", fixture->directory, TRUE);
  maker = g_subprocess_launcher_spawn (launcher, &error, program, fixture->root, fixture->links, uv,
                                       fixture->python,
                                       "alpha", "beta", NULL);
  g_assert_no_error (error);

  return maker;
}

static void
assert_gone (EnvFixture *fixture)
{
  g_autofree char *entry = g_strdup_printf ("ENV_TEST_MARK=%s", fixture->directory);
  g_autoptr (GArray) left = test_util_wait_no_processes (entry, TIMEOUT);

  g_assert_cmpuint (left->len, ==, 0);
}

/* Every environment that can be found is whole, to its last file. Returns how many there are. */
static guint
assert_whole (EnvFixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) infos = _pyisolate_environment_list (fixture->root, &error);
  guint n_whole = 0;

  g_assert_no_error (error);
  for (guint i = 0; i < infos->len; i++)
    {
      PyIsolateEnvironmentInfo *info = g_ptr_array_index (infos, i);
      g_autoptr (GPtrArray) problems = NULL;

      g_assert_false (info->in_use);
      if (info->n_generations == 0)
        continue;
      problems = _pyisolate_environment_verify (fixture->root, info->key, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (problems->len, ==, 0);
      n_whole++;
    }

  return n_whole;
}

/* The next maker makes it, and clears up. */
static void
assert_makes (EnvFixture *fixture)
{
  g_autoptr (PyIsolateEnvironment) environment =
    env_fixture_ensure (fixture, "alpha", "beta", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *out =
    env_fixture_python (environment, "import alpha, beta; print(alpha.version, beta.version)");
  g_autofree char *listing = NULL;

  g_assert_cmpstr (out, ==, "1.0 1.0");
  g_clear_pointer (&environment, _pyisolate_environment_unref);
  g_assert_true (_pyisolate_environment_prune (fixture->root, PYISOLATE_ENV_ANY_TIME, NULL, NULL, &error));
  g_assert_no_error (error);
  listing = env_fixture_listing (fixture);
  g_assert_null (strstr (listing, ".new-"));
}

static gint64
measure (EnvFixture *fixture)
{
  g_autoptr (GSubprocess) maker = spawn_maker (fixture, fixture->uv);
  g_autofree char *out = NULL;
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();

  g_subprocess_communicate_utf8 (maker, NULL, NULL, &out, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (maker));

  return g_get_monotonic_time () - start;
}

static gboolean
on_time (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;

  return G_SOURCE_REMOVE;
}

/* The moment is what is tested here, so this waits for a time and not for an event. */
static void
kill_after (GSubprocess *maker,
            gint64       microseconds)
{
  g_autoptr (GSource) source = g_timeout_source_new (microseconds / 1000);
  gboolean is_time = FALSE;

  g_source_set_callback (source, on_time, &is_time, NULL);
  g_source_attach (source, NULL);
  while (!is_time)
    g_main_context_iteration (NULL, TRUE);
  g_subprocess_force_exit (maker);
  g_subprocess_wait (maker, NULL, NULL);
}

static void
test_random (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  guint n_kills = g_getenv ("PYISOLATE_TEST_SLOW") != NULL ? 200 : 40;
  guint n_whole = 0;
  gint64 duration;

  g_test_summary ("Killed at random moments of its making; some come when it is done, most do not");

  env_fixture_add_wheels (fixture, "alpha==1.0;pad=200000", "beta==1.0;pad=200000", NULL);
  /* The first time uv has nothing in its cache. */
  measure (fixture);
  test_util_remove_tree (fixture->root);
  duration = measure (fixture);
  test_util_remove_tree (fixture->root);
  for (guint i = 1; i <= n_kills; i++)
    {
      g_autoptr (GSubprocess) maker = spawn_maker (fixture, fixture->uv);

      guint whole;

      kill_after (maker, g_test_rand_int_range (0, duration));
      assert_gone (fixture);
      whole = assert_whole (fixture);
      n_whole += whole;
      /* Up to here each found what the one before had left. */
      if (whole == 0 && i % 4 == 0)
        assert_makes (fixture);
      if (whole > 0 || i % 4 == 0)
        test_util_remove_tree (fixture->root);
    }
  g_assert_cmpuint (n_whole, <, n_kills);
  g_test_message ("%u kills within %" G_GINT64_FORMAT " ms; after %u a whole one was there",
                  n_kills, duration / 1000, n_whole);
}

/* A uv that kills the maker, before or after it does its work. */
static char *
killing_uv (EnvFixture *fixture,
            const char *step,
            gboolean    after)
{
  g_autofree char *text = g_strdup_printf (
    "#!/bin/sh\n"
    "maker=$(sed -n 's/^PPid:\t//p' /proc/$PPID/status)\n"
    "case \"$*\" in\n"
    "  *\" %s \"*) ;;\n"
    "  *) exec '%s' \"$@\" ;;\n"
    "esac\n"
    "%s '%s' \"$@\"\n"
    "echo killed > '%s/killed'\n"
    "kill -KILL $maker\n"
    "sleep 1000\n",
    step, fixture->uv, after ? "" : ":", fixture->uv, fixture->directory);

  return env_fixture_script (fixture, "killing-uv", text);
}

static void
test_between_steps (void)
{
  static const char *const steps[] = { "compile", "venv", "install" };
  g_autoptr (EnvFixture) fixture = env_fixture_new ();

  g_test_summary ("Killed before and after each run of uv; what uv had started is gone too");

  env_fixture_add_wheels (fixture, "alpha==1.0", "beta==1.0", NULL);
  for (guint i = 0; i < 2 * G_N_ELEMENTS (steps); i++)
    {
      g_autofree char *uv = killing_uv (fixture, steps[i / 2], i % 2 == 1);
      g_autofree char *killed = env_fixture_path (fixture, "killed");
      g_autoptr (GSubprocess) maker = spawn_maker (fixture, uv);

      g_subprocess_wait (maker, NULL, NULL);
      g_assert_true (g_subprocess_get_if_signaled (maker));
      g_assert_cmpint (g_subprocess_get_term_sig (maker), ==, SIGKILL);
      g_assert_true (g_file_test (killed, G_FILE_TEST_EXISTS));
      assert_gone (fixture);
      g_assert_cmpuint (assert_whole (fixture), ==, 0);
      assert_makes (fixture);
      test_util_remove_tree (fixture->root);
    }
}

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);

  test_util_add_func ("/pyisolate/environment/kill/random", test_random);
  test_util_add_func ("/pyisolate/environment/kill/between-steps", test_between_steps);

  return env_fixture_run ();
}
