/* SPDX-License-Identifier: MIT */
/* What is done with environments that are there: list, verify, repair, update, remove, prune. */
#include "config.h"

#include "env-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static PyIsolateEnvironmentRequest *
named_request (EnvFixture *fixture,
               const char *name,
               const char *requirement)
{
  PyIsolateEnvironmentRequest *request = env_fixture_request (fixture, requirement, NULL);

  request->extension_name = g_strdup (name);

  return request;
}

/* "kind path" lines, sorted. */
static char *
verify (EnvFixture *fixture,
        const char *which)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) problems =
    _pyisolate_environment_verify (fixture->root, which, NULL, &error);
  g_autoptr (GString) text = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < problems->len; i++)
    {
      PyIsolateEnvironmentProblem *problem = g_ptr_array_index (problems, i);
      g_autofree char *base = g_path_get_basename (problem->path);

      g_string_append_printf (text, "%s %s\n",
                              _pyisolate_environment_problem_kind_to_string (problem->kind), base);
    }

  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
test_list (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "lister", "beta");
  g_autoptr (PyIsolateEnvironmentInfo) info = NULL;
  g_autoptr (PyIsolateEnvironmentInfo) by_key = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GPtrArray) none = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *start = NULL, *message = NULL;
  gint64 begun;

  env_fixture_add_wheels (fixture, "alpha==1.0", "beta==2.5;requires=alpha", NULL);
  none = _pyisolate_environment_list (fixture->root, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (none->len, ==, 0);

  begun = g_get_real_time () / G_USEC_PER_SEC;
  environment = env_ensure (request);
  info = _pyisolate_environment_show (fixture->root, "lister", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (info->key, ==, _pyisolate_environment_get_key (environment));
  g_assert_cmpstr (info->prefix, ==, _pyisolate_environment_get_prefix (environment));
  g_assert_cmpuint (info->generation, ==, 1);
  g_assert_cmpuint (info->n_generations, ==, 1);
  g_assert_cmpstr (info->python_version, ==,
                   _pyisolate_environment_get_python_version (environment));
  g_assert_cmpstr (info->requirements[0], ==, "beta");
  g_assert_null (info->requirements[1]);
  g_assert_cmpstr (info->packages[0], ==, "alpha 1.0");
  g_assert_cmpstr (info->packages[1], ==, "beta 2.5");
  g_assert_null (info->packages[2]);
  g_assert_cmpstr (info->extensions[0], ==, "lister");
  g_assert_cmpint (info->created, >=, begun - 1);
  g_assert_cmpint (info->created, <=, g_get_real_time () / G_USEC_PER_SEC + 1);
  g_assert_cmpuint (info->size_total, >, info->size_unique);
  g_assert_true (info->in_use);

  start = g_strndup (info->key, 6);
  g_clear_pointer (&environment, _pyisolate_environment_unref);
  by_key = _pyisolate_environment_show (fixture->root, start, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (by_key->key, ==, info->key);
  g_assert_false (by_key->in_use);

  g_assert_null (_pyisolate_environment_show (fixture->root, "nobody", &error));
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
  g_assert_nonnull (strstr (message, "nobody"));
}

static void
append_to (const char *path)
{
  FILE *file = fopen (path, "a");

  g_assert_nonnull (file);
  g_assert_cmpint (fputs ("# changed\n", file), >=, 0);
  g_assert_cmpint (fclose (file), ==, 0);
}

static void
test_verify_and_repair (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "broken", "alpha");
  g_autoptr (PyIsolateEnvironmentRequest) plain =
    _pyisolate_environment_request_new (fixture->root);
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironment) repaired = NULL;
  g_autoptr (PyIsolateEnvironment) found = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *clean = NULL, *broken = NULL, *after = NULL, *out = NULL;
  g_autofree char *site = NULL, *changed = NULL, *missing = NULL, *extra = NULL, *link = NULL;

  g_test_summary ("Verify finds a changed, a missing and an extra file; repair makes a new "
                  "generation, though the change "
                  "went into uv's cache too");

  env_fixture_add_wheels (fixture, "alpha==1.0;pad=1000", NULL);
  environment = env_ensure (request);
  clean = verify (fixture, "broken");
  g_assert_cmpstr (clean, ==, "");

  site = env_site_packages (environment);
  changed = g_build_filename (site, "alpha", "__init__.py", NULL);
  missing = g_build_filename (site, "alpha", "pad.py", NULL);
  extra = g_build_filename (site, "extra.py", NULL);
  link = g_build_filename (_pyisolate_environment_get_prefix (environment), "bin", "python3", NULL);
  append_to (changed);
  g_assert_cmpint (unlink (missing), ==, 0);
  append_to (extra);
  g_assert_cmpint (unlink (link), ==, 0);
  g_assert_cmpint (symlink ("/bin/sh", link), ==, 0);
  broken = verify (fixture, "broken");
  g_assert_nonnull (strstr (broken, "changed __init__.py\n"));
  g_assert_nonnull (strstr (broken, "missing pad.py\n"));
  g_assert_nonnull (strstr (broken, "extra extra.py\n"));
  g_assert_nonnull (strstr (broken, "changed python3\n"));

  plain->uv_path = g_strdup (fixture->uv);
  repaired = _pyisolate_environment_repair (plain, "broken", NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (_pyisolate_environment_get_key (repaired), ==,
                   _pyisolate_environment_get_key (environment));
  g_assert_cmpstr (_pyisolate_environment_get_prefix (repaired), !=,
                   _pyisolate_environment_get_prefix (environment));
  after = verify (fixture, "broken");
  g_assert_cmpstr (after, ==, "");
  out = env_fixture_python (repaired, "import alpha.pad; "
                                      "print(open(alpha.__file__).read().count('changed'))");
  g_assert_cmpstr (out, ==, "0");

  found = env_ensure (request);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (found), ==,
                   _pyisolate_environment_get_prefix (repaired));
}

static void
test_damaged_cache (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) one = NULL;
  g_autoptr (PyIsolateEnvironment) two = NULL;
  g_autofree char *site = NULL, *changed = NULL, *found = NULL;

  g_test_summary ("A file that was damaged in uv's cache before it came into an environment is "
                  "found by its RECORD");

  env_fixture_add_wheels (fixture, "alpha==1.0", "beta==1.0", NULL);
  one = env_fixture_ensure (fixture, "alpha", NULL);
  site = env_site_packages (one);
  changed = g_build_filename (site, "alpha", "__init__.py", NULL);
  append_to (changed);
  two = env_fixture_ensure (fixture, "alpha", "beta", NULL);
  found = verify (fixture, _pyisolate_environment_get_key (two));
  g_assert_cmpstr (found, ==, "damaged __init__.py\n");
}

static void
test_packaged_bytecode (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironment) plain = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autofree char *found = NULL, *spec = NULL, *tag = NULL, *out = NULL;

  g_test_summary ("Bytecode that a wheel brings is replaced by ours, and is no damage");

  plain = env_fixture_ensure (fixture, NULL);
  tag = env_fixture_python (plain, "import sys; print(sys.implementation.cache_tag)");
  spec = g_strdup_printf ("alpha==1.0;file=alpha/__pycache__/__init__.%s.pyc=stale", tag);
  env_fixture_add_wheels (fixture, spec, NULL);
  environment = env_fixture_ensure (fixture, "alpha", NULL);
  found = verify (fixture, _pyisolate_environment_get_key (environment));
  g_assert_cmpstr (found, ==, "");
  out = env_fixture_python (environment, "import alpha; print(alpha.version)");
  g_assert_cmpstr (out, ==, "1.0");
}

static void
test_manifest_gone (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "broken", "alpha");
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironment) again = NULL;
  g_autofree char *manifest = NULL, *stamp = NULL, *found = NULL, *changed = NULL, *message = NULL;
  g_autoptr (GError) error = NULL;

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  environment = env_ensure (request);
  manifest = g_build_filename (_pyisolate_environment_get_prefix (environment), ".pyisolate",
                               "manifest", NULL);
  append_to (manifest);
  changed = verify (fixture, "broken");
  g_assert_cmpstr (changed, ==, "changed manifest\n");
  g_assert_cmpint (unlink (manifest), ==, 0);
  found = verify (fixture, "broken");
  g_assert_cmpstr (found, ==, "missing manifest\n");

  /* Without a stamp there is no environment: it is made anew. */
  stamp = g_build_filename (_pyisolate_environment_get_prefix (environment), ".pyisolate",
                            "stamp.json", NULL);
  g_assert_cmpint (unlink (stamp), ==, 0);
  g_assert_null (_pyisolate_environment_verify (fixture->root, "broken", NULL, &error));
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT);
  again = env_ensure (request);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (again), !=,
                   _pyisolate_environment_get_prefix (environment));
}

static void
test_python_gone (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "broken", "alpha");
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironment) again = NULL;

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  environment = env_ensure (request);
  g_assert_cmpint (unlink (_pyisolate_environment_get_python (environment)), ==, 0);
  again = env_ensure (request);
  g_assert_cmpint (g_access (_pyisolate_environment_get_python (again), X_OK), ==, 0);
}

static void
test_adopted (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "adopted", "alpha");
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironment) again = NULL;
  g_autoptr (PyIsolateEnvironment) third = NULL;
  g_autofree char *link = NULL;

  g_test_summary ("A maker that was killed before it set the link leaves a whole generation, "
                  "which is taken; a link that "
                  "points nowhere does no harm");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  environment = env_ensure (request);
  link = g_build_filename (_pyisolate_environment_get_prefix (environment), "..", "current", NULL);
  g_assert_cmpint (unlink (link), ==, 0);
  again = env_ensure (request);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (again), ==,
                   _pyisolate_environment_get_prefix (environment));

  g_assert_cmpint (unlink (link), ==, 0);
  g_assert_cmpint (symlink ("77", link), ==, 0);
  third = env_ensure (request);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (third), ==,
                   _pyisolate_environment_get_prefix (environment));
}

static void
test_update (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "updated", "alpha");
  g_autoptr (PyIsolateEnvironment) old = NULL;
  g_autoptr (PyIsolateEnvironment) same = NULL;
  g_autoptr (PyIsolateEnvironment) new = NULL;
  g_autoptr (PyIsolateEnvironment) warm = NULL;
  g_autoptr (PyIsolateEnvironment) nothing_new = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL;

  g_test_summary ("A newer version is not taken in silence; update takes it, and does nothing if "
                  "there is none");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  old = env_ensure (request);
  env_fixture_add_wheels (fixture, "alpha==1.1", NULL);
  same = env_ensure (request);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (same), ==,
                   _pyisolate_environment_get_prefix (old));

  new = _pyisolate_environment_update (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  out = env_fixture_python (new, "import alpha; print(alpha.version)");
  g_assert_cmpstr (out, ==, "1.1");
  warm = env_ensure (request);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (warm), ==,
                   _pyisolate_environment_get_prefix (new));
  nothing_new = _pyisolate_environment_update (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (nothing_new), ==,
                   _pyisolate_environment_get_prefix (new));
}

static void
test_local_wheel (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *requirement = g_strdup_printf ("alpha @ %s/alpha-1.0-py3-none-any.whl",
                                                  fixture->links);
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "local", requirement);
  g_autoptr (PyIsolateEnvironment) old = NULL;
  g_autoptr (PyIsolateEnvironment) reported = NULL;
  g_autoptr (PyIsolateEnvironment) updated = NULL;
  g_autoptr (PyIsolateEnvironment) automatic = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL, *after = NULL, *third = NULL;

  g_test_summary ("A local wheel counts with its content: a change is reported, and installed by "
                  "update or auto-update");

  env_fixture_add_wheels (fixture, "alpha==1.0;file=mark.py=value = 1\n", NULL);
  old = env_ensure (request);
  env_fixture_add_wheels (fixture, "alpha==1.0;file=mark.py=value = 2\n", NULL);

  test_util_expect_log (G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE,
                        "*alpha-1.0-py3-none-any.whl has changed*env update*");
  reported = env_ensure (request);
  test_util_assert_logs_seen ();
  g_assert_cmpstr (_pyisolate_environment_get_prefix (reported), ==,
                   _pyisolate_environment_get_prefix (old));

  updated = _pyisolate_environment_update (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  before = env_fixture_python (old, "import mark; print(mark.value)");
  after = env_fixture_python (updated, "import mark; print(mark.value)");
  g_assert_cmpstr (before, ==, "1");
  g_assert_cmpstr (after, ==, "2");

  env_fixture_add_wheels (fixture, "alpha==1.0;file=mark.py=value = 3\n", NULL);
  request->auto_update = TRUE;
  test_util_expect_log (G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "*has changed*updating");
  automatic = env_ensure (request);
  third = env_fixture_python (automatic, "import mark; print(mark.value)");
  g_assert_cmpstr (third, ==, "3");
}

static void
test_prune (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "user", "alpha");
  g_autoptr (PyIsolateEnvironment) old = NULL;
  g_autoptr (PyIsolateEnvironment) new = NULL;
  g_autoptr (PyIsolateEnvironment) anonymous = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateEnvironmentPruneReport report;
  g_autofree char *old_prefix = NULL, *anonymous_prefix = NULL, *leftover = NULL, *listing = NULL;

  g_test_summary ("Prune takes what nobody uses and no extension refers to, and leftovers; "
                  "nothing in use");

  env_fixture_add_wheels (fixture, "alpha==1.0", "gamma==1.0", NULL);
  old = env_ensure (request);
  anonymous = env_fixture_ensure (fixture, "gamma", NULL);
  env_fixture_add_wheels (fixture, "alpha==1.1", NULL);
  new = _pyisolate_environment_update (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  old_prefix = g_strdup (_pyisolate_environment_get_prefix (old));
  anonymous_prefix = g_strdup (_pyisolate_environment_get_prefix (anonymous));
  leftover = g_build_filename (anonymous_prefix, "..", ".new-abc", ".pyisolate", NULL);
  g_assert_cmpint (g_mkdir_with_parents (leftover, 0700), ==, 0);

  g_assert_true (_pyisolate_environment_prune (fixture->root, PYISOLATE_ENV_ANY_TIME, &report, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (report.n_environments, ==, 0);
  g_assert_cmpuint (report.n_leftovers, ==, 1);
  g_assert_true (g_file_test (old_prefix, G_FILE_TEST_IS_DIR));
  g_assert_true (g_file_test (anonymous_prefix, G_FILE_TEST_IS_DIR));

  g_clear_pointer (&old, _pyisolate_environment_unref);
  g_clear_pointer (&anonymous, _pyisolate_environment_unref);
  g_assert_true (_pyisolate_environment_prune (fixture->root, PYISOLATE_ENV_ANY_TIME, &report, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (report.n_environments, ==, 2);
  g_assert_cmpuint (report.size, >, 0);
  g_assert_false (g_file_test (old_prefix, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (anonymous_prefix, G_FILE_TEST_EXISTS));

  /* The one that an extension refers to stays, also when it is not in use. */
  {
    g_autofree char *kept = g_strdup (_pyisolate_environment_get_prefix (new));

    g_clear_pointer (&new, _pyisolate_environment_unref);
    g_assert_true (_pyisolate_environment_prune (fixture->root, PYISOLATE_ENV_ANY_TIME, &report, NULL, &error));
    g_assert_cmpuint (report.n_environments, ==, 0);
    g_assert_true (g_file_test (kept, G_FILE_TEST_IS_DIR));
  }
  listing = env_fixture_listing (fixture);
  g_assert_null (strstr (listing, ".new-"));
  g_assert_null (strstr (listing, ".old-"));
}

/* Below the root, with something in it if it is a directory. */
static char *
leave (EnvFixture *fixture,
       const char *name,
       gboolean    is_directory,
       gint64      age)
{
  const gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  const struct timespec times[2] = { { now - age, 0 }, { now - age, 0 } };
  char *path = g_build_filename (fixture->root, "interpreters", name, NULL);
  g_autofree char *file = is_directory ? g_build_filename (path, "pyproject.toml", NULL) : g_strdup (path);
  g_autofree char *directory = g_path_get_dirname (file);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_file_set_contents (file, "half", -1, &error);
  g_assert_no_error (error);
  g_assert_cmpint (utimensat (AT_FDCWD, path, times, 0), ==, 0);

  return path;
}

static void
test_prune_half_written (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *old_file = leave (fixture, "a.json.ABC", FALSE, 7200);
  g_autofree char *new_file = leave (fixture, "b.json.ABC", FALSE, 60);
  g_autofree char *old_directory = leave (fixture, ".asking-ABC", TRUE, 7200);
  g_autofree char *new_directory = leave (fixture, ".asking-DEF", TRUE, 60);
  g_autofree char *record = leave (fixture, "c.json", FALSE, 7200);
  g_autoptr (GError) error = NULL;

  g_test_summary ("Prune takes what a killed writer left, but not what one may just be writing");

  g_assert_true (_pyisolate_environment_prune (fixture->root, PYISOLATE_ENV_ANY_TIME, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (old_file, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (old_directory, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (new_file, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (new_directory, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (record, G_FILE_TEST_EXISTS));
}

static void
test_prune_while_used_elsewhere (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "environment", "env-maker", NULL);
  g_autoptr (GSubprocess) maker = NULL;
  g_autoptr (GDataInputStream) lines = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *prefix = NULL;
  PyIsolateEnvironmentPruneReport report;

  g_test_summary ("What another process uses is in use; when it ends, however, it is not");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  maker = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                            program, fixture->root,
                            fixture->links, fixture->uv, fixture->python, "alpha", NULL);
  g_assert_no_error (error);
  lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (maker));
  prefix = g_data_input_stream_read_line (lines, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (prefix);

  g_assert_true (_pyisolate_environment_prune (fixture->root, PYISOLATE_ENV_ANY_TIME, &report, NULL, &error));
  g_assert_cmpuint (report.n_environments, ==, 0);
  g_assert_true (g_file_test (prefix, G_FILE_TEST_IS_DIR));

  g_subprocess_force_exit (maker);
  g_subprocess_wait (maker, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (_pyisolate_environment_prune (fixture->root, PYISOLATE_ENV_ANY_TIME, &report, NULL, &error));
  g_assert_cmpuint (report.n_environments, ==, 1);
  g_assert_false (g_file_test (prefix, G_FILE_TEST_EXISTS));
}

static void
test_remove (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "removed", "alpha");
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironment) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL, *prefix = NULL;

  g_test_summary ("Remove refuses what is in use; what was removed is made anew when it is wanted");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  environment = env_ensure (request);
  g_assert_false (_pyisolate_environment_remove (fixture->root, "removed", NULL, &error));
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT);
  g_assert_nonnull (strstr (message, "in use"));

  prefix = g_strdup (_pyisolate_environment_get_prefix (environment));
  g_clear_pointer (&environment, _pyisolate_environment_unref);
  g_assert_true (_pyisolate_environment_remove (fixture->root, "removed", NULL, &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (prefix, G_FILE_TEST_EXISTS));

  again = env_ensure (request);
  g_assert_nonnull (again);
}

/* By who cleans up what is empty and old. */
static void
test_lock_gone (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = named_request (fixture, "unlocked", "alpha");
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (PyIsolateEnvironment) again = NULL;
  g_autofree char *lock = NULL;

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  environment = env_ensure (request);
  lock = g_build_filename (_pyisolate_environment_get_prefix (environment), ".pyisolate", "lock", NULL);
  g_assert_cmpint (unlink (lock), ==, 0);
  again = env_ensure (request);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (again), !=, _pyisolate_environment_get_prefix (environment));
}

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);

  test_util_add_func ("/pyisolate/environment/care/list", test_list);
  test_util_add_func ("/pyisolate/environment/care/verify-and-repair", test_verify_and_repair);
  test_util_add_func ("/pyisolate/environment/care/damaged-cache", test_damaged_cache);
  test_util_add_func ("/pyisolate/environment/care/packaged-bytecode", test_packaged_bytecode);
  test_util_add_func ("/pyisolate/environment/care/manifest-gone", test_manifest_gone);
  test_util_add_func ("/pyisolate/environment/care/python-gone", test_python_gone);
  test_util_add_func ("/pyisolate/environment/care/lock-gone", test_lock_gone);
  test_util_add_func ("/pyisolate/environment/care/adopted", test_adopted);
  test_util_add_func ("/pyisolate/environment/care/update", test_update);
  test_util_add_func ("/pyisolate/environment/care/local-wheel", test_local_wheel);
  test_util_add_func ("/pyisolate/environment/care/prune", test_prune);
  test_util_add_func ("/pyisolate/environment/care/prune-half-written", test_prune_half_written);
  test_util_add_func ("/pyisolate/environment/care/prune-while-used-elsewhere",
                      test_prune_while_used_elsewhere);
  test_util_add_func ("/pyisolate/environment/care/remove", test_remove);

  return env_fixture_run ();
}
