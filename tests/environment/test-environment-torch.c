/* SPDX-License-Identifier: MIT */
/* The torch of one environment, lent to others. A small wheel plays torch. */
#include "config.h"

#include "env-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

/* torch needs helper, which needs common; the host has a common and an other of its own. */
static char *
make_torch_environment (EnvFixture *fixture)
{
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  char *site;

  env_fixture_add_wheels (fixture,
                          "torch==2.13.0+fake;requires=helper>=1;requires=extra>1; extra == 'all'"
                          ";requires=windows; sys_platform == 'win32'"
                          ";file=torch/lib/data.py=value = 'lent'\n",
                          "helper==1.5;requires=common>=2",
                          "common==2.0", "extra==5.0", "windows==1.0", "other==1.0", "other==2.0",
                          "common==2.1", "common==1.0",
                          NULL);
  environment = env_fixture_ensure (fixture, "torch", "common==2.0", "extra", "windows",
                                    "other==2.0",
                                    NULL);
  site = env_site_packages (environment);
  return site;
}

static PyIsolateEnvironmentRequest *
take_request (EnvFixture                  *fixture,
              PyIsolateEnvironmentRequest *request,
              const char                  *torch)
{
  request->torch_environment = g_strdup (torch);
  return request;
}

/* The wheels that torch came from are on no index any more. */
static void
forget_wheels (EnvFixture *fixture,
               const char *name)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->links, 0, NULL);
  const char *file;

  while ((file = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->links, file, NULL);

      if (g_str_has_prefix (file, name))
        g_assert_cmpint (g_remove (path), ==, 0);
    }
}

#define IMPORT_TORCH "import torch, helper, common, importlib.metadata as m\n" \
                     "from torch.lib import data\n" \
                     "print(m.version('torch'), data.value, helper.version, common.version)"

static void
test_lent (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *site = make_torch_environment (fixture);
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GPtrArray) problems = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL, *real = NULL, *wanted = NULL, *missing = NULL;

  g_test_summary ("An environment is lent torch and what it requires, without a copy, from no index; "
                  "nothing else of the other environment comes along");

  forget_wheels (fixture, "torch");
  forget_wheels (fixture, "helper");
  request = take_request (fixture, env_fixture_request (fixture, "other<2", NULL), site);
  environment = env_ensure (request);

  out = env_fixture_python (environment, IMPORT_TORCH);
  g_assert_cmpstr (out, ==, "2.13.0+fake lent 1.5 2.0");
  real = env_fixture_python (environment,
                             "import os, torch; print(os.path.realpath(torch.__file__))");
  wanted = g_build_filename (site, "torch", "__init__.py", NULL);
  g_assert_cmpstr (real, ==, wanted);
  missing = env_fixture_python (environment,
                                "import importlib.util as u, other\n"
                                "print(other.version, u.find_spec('extra'), u.find_spec('windows'))");
  g_assert_cmpstr (missing, ==, "1.0 None None");

  problems = _pyisolate_environment_verify (fixture->root,
                                            _pyisolate_environment_get_key (environment), NULL,
                                            &error);
  g_assert_no_error (error);
  g_assert_cmpuint (problems->len, ==, 0);
}

static void
test_own_first (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *site = make_torch_environment (fixture);
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironmentRequest) bad = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL, none = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL, *message = NULL;

  g_test_summary ("What the extension needs itself it gets itself, in a version that torch can use");

  request = take_request (fixture, env_fixture_request (fixture, "common", "torch>=2", NULL), site);
  environment = env_ensure (request);
  out = env_fixture_python (environment, IMPORT_TORCH);
  g_assert_cmpstr (out, ==, "2.13.0+fake lent 1.5 2.1");

  bad = take_request (fixture, env_fixture_request (fixture, "common<2", NULL), site);
  none = _pyisolate_environment_ensure (bad, NULL, NULL, NULL, &error);
  g_assert_null (none);
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_UNSOLVABLE);
  g_assert_nonnull (strstr (message, "common"));
}

static void
test_other_version (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *site = make_torch_environment (fixture);
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;

  g_test_summary ("Requirements that the shared torch does not meet are an error that says so, though "
                  "an index has another torch");

  env_fixture_add_wheels (fixture, "torch==1.0", "vision==1.0;requires=torch<2", NULL);
  request = take_request (fixture, env_fixture_request (fixture, "vision", NULL), site);
  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_null (environment);
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_UNSOLVABLE);
  g_assert_nonnull (strstr (message, "torch==2.13.0+fake"));
}

static void
test_fingerprint (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *site = make_torch_environment (fixture);
  g_autofree char *counted = env_fixture_counted_uv (fixture);
  g_autofree char *record = g_build_filename (site, "torch-2.13.0+fake.dist-info", "RECORD", NULL);
  g_autofree char *copy = env_fixture_path (fixture, "RECORD");
  g_autofree char *text = NULL, *changed = NULL;
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL, plain = NULL;
  g_autoptr (PyIsolateEnvironment) first = NULL, again = NULL, other = NULL, without = NULL;
  g_autoptr (GError) error = NULL;
  guint n_calls;

  g_test_summary ("The torch is part of what an environment is known by; the warm way runs nothing");

  request = take_request (fixture, env_fixture_request (fixture, "other", NULL), site);
  g_free (request->uv_path);
  request->uv_path = g_strdup (counted);
  first = env_ensure (request);
  n_calls = env_fixture_count (fixture, "calls");
  again = env_ensure (request);
  g_assert_cmpuint (env_fixture_count (fixture, "calls"), ==, n_calls);
  g_assert_cmpstr (_pyisolate_environment_get_prefix (first), ==,
                   _pyisolate_environment_get_prefix (again));

  plain = env_fixture_request (fixture, "other", NULL);
  without = env_ensure (plain);
  g_assert_cmpstr (_pyisolate_environment_get_key (without), !=,
                   _pyisolate_environment_get_key (first));

  /* Another build of the same version, in the same place. */
  g_file_get_contents (record, &text, NULL, &error);
  g_assert_no_error (error);
  changed = g_strconcat (text, "torch/new.py,,\n", NULL);
  g_assert_cmpint (g_remove (record), ==, 0);
  g_file_set_contents (record, changed, -1, &error);
  g_assert_no_error (error);
  other = env_ensure (request);
  g_assert_cmpstr (_pyisolate_environment_get_key (other), !=,
                   _pyisolate_environment_get_key (first));
}

/* A directory that several packages share is not lent as a whole. */
static void
test_shared_directory (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *site = make_torch_environment (fixture);
  g_autofree char *plugin = g_build_filename (site, "torch", "lib", "plugin.py", NULL);
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL, *found = NULL;

  g_test_summary ("A file that another package put into torch's directories is not lent");

  g_file_set_contents (plugin, "secret = 1\n", -1, &error);
  g_assert_no_error (error);
  request = take_request (fixture, env_fixture_request (fixture, NULL), site);
  environment = env_ensure (request);
  out = env_fixture_python (environment, IMPORT_TORCH);
  g_assert_cmpstr (out, ==, "2.13.0+fake lent 1.5 2.0");
  found = env_fixture_python (environment,
                              "import importlib.util as u; print(u.find_spec('torch.lib.plugin'))");
  g_assert_cmpstr (found, ==, "None");
}

static void
test_repair (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *site = make_torch_environment (fixture);
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL, repaired = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL;

  g_test_summary ("A repaired environment is lent the same torch");

  request = take_request (fixture, env_fixture_request (fixture, "other", NULL), site);
  environment = env_ensure (request);
  repaired = _pyisolate_environment_repair (request, _pyisolate_environment_get_key (environment),
                                            NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  out = env_fixture_python (repaired, IMPORT_TORCH);
  g_assert_cmpstr (out, ==, "2.13.0+fake lent 1.5 2.0");
}

static void
assert_refused (EnvFixture                  *fixture,
                PyIsolateEnvironmentRequest *request,
                const char                  *words)
{
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;

  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_null (environment);
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
  g_assert_nonnull (strstr (message, words));
}

static void
test_refused (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *site = make_torch_environment (fixture);
  g_autofree char *empty = env_fixture_path (fixture, "empty");
  g_autofree char *wheel = g_build_filename (site, "torch-2.13.0+fake.dist-info", "WHEEL", NULL);
  g_autofree char *lock = env_fixture_write (fixture, "requirements.lock", "other==1.0\n");
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A torch that cannot be shared is refused with the reason");

  request = take_request (fixture, env_fixture_request (fixture, NULL), "relative");
  assert_refused (fixture, request, "absolute");

  g_assert_cmpint (g_mkdir (empty, 0700), ==, 0);
  g_free (request->torch_environment);
  request->torch_environment = g_strdup (empty);
  assert_refused (fixture, request, "there is none for Python");

  g_free (request->torch_environment);
  request->torch_environment = g_strdup (site);
  request->lock_file = g_strdup (lock);
  assert_refused (fixture, request, "lock file");
  g_clear_pointer (&request->lock_file, g_free);

  /* Built for another Python; renamed in, as the file is shared with uv's cache. */
  g_assert_cmpint (g_remove (wheel), ==, 0);
  g_file_set_contents (wheel,
                       "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp39-cp39-linux_x86_64\n",
                       -1, &error);
  g_assert_no_error (error);
  assert_refused (fixture, request, "cp39-cp39");
}

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);

  g_test_add_func ("/pyisolate/environment-torch/lent", test_lent);
  g_test_add_func ("/pyisolate/environment-torch/own-first", test_own_first);
  g_test_add_func ("/pyisolate/environment-torch/other-version", test_other_version);
  g_test_add_func ("/pyisolate/environment-torch/fingerprint", test_fingerprint);
  g_test_add_func ("/pyisolate/environment-torch/shared-directory", test_shared_directory);
  g_test_add_func ("/pyisolate/environment-torch/repair", test_repair);
  g_test_add_func ("/pyisolate/environment-torch/refused", test_refused);

  return env_fixture_run ();
}
