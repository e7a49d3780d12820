/* SPDX-License-Identifier: MIT */
/* How a request gets its environment: made once, shared, found again without a process. */
#include "config.h"

#include "env-fixture.h"

#include <string.h>
#include <sys/stat.h>

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

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);

  test_util_add_func ("/pyisolate/environment/conflicting-versions", test_conflicting_versions);

  return env_fixture_run ();
}
