/* SPDX-License-Identifier: MIT */
/* Requirements that are built from source: a directory, and a repository. */
#include "config.h"

#include "env-fixture.h"

#include <string.h>

/* A build backend of the project's own, so that nothing has to be fetched to build it. */
#define BACKEND \
  "import os, zipfile\n" \
  "def build_wheel(directory, config_settings=None, metadata_directory=None):\n" \
  "    name = 'delta-1.0-py3-none-any.whl'\n" \
  "    with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:\n" \
  "        wheel.write('delta.py')\n" \
  "        metadata = 'Metadata-Version: 2.1\\nName: delta\\nVersion: 1.0\\n'\n" \
  "        wheel.writestr('delta-1.0.dist-info/METADATA', metadata)\n" \
  "        tag = 'Wheel-Version: 1.0\\nGenerator: test\\n'\n" \
  "        tag += 'Root-Is-Purelib: true\\nTag: py3-none-any\\n'\n" \
  "        wheel.writestr('delta-1.0.dist-info/WHEEL', tag)\n" \
  "        wheel.writestr('delta-1.0.dist-info/RECORD', '')\n" \
  "    return name\n"

static char *
write_project (EnvFixture *fixture,
               const char *value)
{
  g_autofree char *module = g_strdup_printf ("value = %s\n", value);
  g_autofree char *pyproject = NULL;

  g_free (env_fixture_write (fixture, "delta/backend.py", BACKEND));
  g_free (env_fixture_write (fixture, "delta/delta.py", module));
  pyproject = env_fixture_write (fixture, "delta/pyproject.toml",
                                 "[build-system]\nrequires = []\nbuild-backend = \"backend\"\n"
                                 "backend-path = [\".\"]\n"
                                 "[project]\nname = \"delta\"\nversion = \"1.0\"\n");

  return g_path_get_dirname (pyproject);
}

static PyIsolateEnvironmentRequest *
source_request (EnvFixture *fixture,
                const char *requirement)
{
  PyIsolateEnvironmentRequest *request = env_fixture_request (fixture, requirement, NULL);

  request->allow_source_builds = TRUE;

  return request;
}

typedef PyIsolateEnvironment *(*MakeFunc) (const PyIsolateEnvironmentRequest  *request,
                                           PyIsolateEnvironmentProgressFunc    progress,
                                           gpointer                            user_data,
                                           GCancellable                       *cancellable,
                                           GError                            **error);

/* What `delta.value` is in the environment that @func gives. */
static char *
get_value (PyIsolateEnvironmentRequest *request,
           MakeFunc                     func)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateEnvironment) environment = func (request, NULL, NULL, NULL, &error);

  g_assert_no_error (error);

  return env_fixture_python (environment, "import delta; print(delta.value)");
}

static void
test_directory (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *directory = write_project (fixture, "1");
  g_autoptr (PyIsolateEnvironmentRequest) request = source_request (fixture, directory);
  g_autofree char *first = NULL, *second = NULL, *third = NULL;

  g_test_summary ("A directory counts with its content; litter in it does not");

  first = get_value (request, _pyisolate_environment_ensure);
  g_assert_cmpstr (first, ==, "1");
  g_free (env_fixture_write (fixture, "delta/__pycache__/delta.pyc", "x"));
  g_free (env_fixture_write (fixture, "delta/build/x", "x"));
  g_free (get_value (request, _pyisolate_environment_ensure));

  g_free (write_project (fixture, "2"));
  test_util_expect_log (G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "*/delta has changed*env update*");
  second = get_value (request, _pyisolate_environment_ensure);
  g_assert_cmpstr (second, ==, "1");
  third = get_value (request, _pyisolate_environment_update);
  g_assert_cmpstr (third, ==, "2");
}

static void
test_module_of_directory (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *directory = write_project (fixture, "1");
  g_autoptr (PyIsolateEnvironmentRequest) request = source_request (fixture, directory);
  g_autofree char *first = get_value (request, _pyisolate_environment_ensure);
  g_autofree char *second = NULL;

  g_test_summary ("A module counts, too, where nothing has touched the pyproject.toml that uv goes by");

  g_assert_cmpstr (first, ==, "1");
  g_free (env_fixture_write (fixture, "delta/delta.py", "value = 2\n"));
  second = get_value (request, _pyisolate_environment_update);
  g_assert_cmpstr (second, ==, "2");
}

static void
git (const char *directory,
     ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  const char *argument;
  va_list args;
  int status;

  g_ptr_array_add (argv, (char *) "git");
  va_start (args, directory);
  while ((argument = va_arg (args, const char *)) != NULL)
    g_ptr_array_add (argv, (char *) argument);
  va_end (args);
  g_ptr_array_add (argv, NULL);
  g_spawn_sync (directory, (char **) argv->pdata, NULL,
                G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                NULL, NULL, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
}

static void
commit (const char *directory)
{
  git (directory, "add", "-A", NULL);
  git (directory, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-q", "-m",
       "x", NULL);
}

static void
test_repository (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *directory = write_project (fixture, "1");
  g_autofree char *requirement = g_strdup_printf ("delta @ git+file://%s", directory);
  g_autoptr (PyIsolateEnvironmentRequest) request = source_request (fixture, requirement);
  g_autofree char *first = NULL, *second = NULL, *third = NULL;
  g_autofree char *program = g_find_program_in_path ("git");

  if (program == NULL)
    {
      g_test_skip ("git is missing");
      return;
    }
  g_test_summary ("A repository counts with the commit that it was resolved to, until an update");

  git (directory, "init", "-q", NULL);
  commit (directory);
  first = get_value (request, _pyisolate_environment_ensure);
  g_assert_cmpstr (first, ==, "1");
  g_free (write_project (fixture, "2"));
  commit (directory);
  second = get_value (request, _pyisolate_environment_ensure);
  g_assert_cmpstr (second, ==, "1");
  third = get_value (request, _pyisolate_environment_update);
  g_assert_cmpstr (third, ==, "2");
}

static void
test_only_source (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "delta", NULL);
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = write_project (fixture, "1");
  g_autofree char *parent = g_path_get_dirname (directory);
  g_autofree char *archive = g_build_filename (fixture->links, "delta-1.0.tar.gz", NULL);
  g_autofree char *message = NULL;
  const char *const argv[] = { "tar", "-czf", archive, "-C", parent, "--transform",
                               "s,^delta,delta-1.0,",
                               "delta", NULL };
  int status;

  g_test_summary ("A package of which the index has only the source is not built unless allowed; "
                  "the "
                  "error says so");

  g_free (env_fixture_write (fixture, "delta/PKG-INFO",
                             "Metadata-Version: 2.1\nName: delta\nVersion: 1.0\n"));
  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status,
                &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);

  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_null (environment);
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_UNSOLVABLE);
  g_assert_nonnull (strstr (message, "allow-source-builds"));

  request->allow_source_builds = TRUE;
  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (environment);
}

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);

  test_util_add_func ("/pyisolate/environment/sources/directory", test_directory);
  test_util_add_func ("/pyisolate/environment/sources/module-of-directory", test_module_of_directory);
  test_util_add_func ("/pyisolate/environment/sources/repository", test_repository);
  test_util_add_func ("/pyisolate/environment/sources/only-source", test_only_source);

  return env_fixture_run ();
}
