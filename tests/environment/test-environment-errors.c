/* SPDX-License-Identifier: MIT */
/* Every way in which an environment cannot be had: which code, and what the message names. */
#include "config.h"

#include "env-fixture.h"

#include "pyisolate-env-redact-private.h"
#include "pyisolate-env-requirement-private.h"
#include "pyisolate-env-uv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Ensures, and gives the message of the error that must come of it. */
static char *
fail (const PyIsolateEnvironmentRequest *request,
      int                                code)
{
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;

  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_null (environment);

  return env_assert_error (&error, PYISOLATE_ERROR, code);
}

/* The same, by what needs no process. */
static char *
fail_check (const PyIsolateEnvironmentRequest *request,
            int                                code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (_pyisolate_environment_check_request (request, &error));

  return env_assert_error (&error, PYISOLATE_ERROR, code);
}

#define assert_contains(text, part) \
  G_STMT_START { \
    if (strstr ((text), (part)) == NULL) \
      g_error ("\"%s\" is not in \"%s\"", (part), (text)); \
  } G_STMT_END

static void
test_uv_missing (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "alpha", NULL);
  g_autofree char *message = NULL, *found = NULL;
  g_autofree char *path = g_strdup (g_getenv ("PATH"));
  g_autoptr (GError) error = NULL;

  g_free (request->uv_path);
  request->uv_path = g_strdup ("/nowhere/uv");
  message = fail_check (request, PYISOLATE_ERROR_UV_MISSING);
  assert_contains (message, "uv-path says that uv is /nowhere/uv, where there is no program");

  g_free (g_steal_pointer (&request->uv_path));
  request->uv_path = g_strdup ("bin/uv");
  g_free (message);
  message = fail_check (request, PYISOLATE_ERROR_UV_MISSING);
  assert_contains (message, "uv-path says that uv is bin/uv, which is no absolute path");

  /* A script of that name on PATH is a version manager's shim, and not it. */
  g_free (env_fixture_script (fixture, "bin/uv", "#!/bin/sh\nexit 0\n"));
  {
    g_autofree char *bin = env_fixture_path (fixture, "bin");

    g_setenv ("PATH", bin, TRUE);
  }
  found = _pyisolate_environment_find_uv (NULL, &error);
  g_setenv ("PATH", path, TRUE);
  g_assert_null (found);
  g_free (message);
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_UV_MISSING);
  assert_contains (message, "PYISOLATE_UV");
}

/* This process may open so many files more; until it is called with the limit that it gave. */
static struct rlimit
leave_descriptors (guint n)
{
  struct rlimit before, few;
  int lowest = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

  g_assert_cmpint (lowest, >=, 0);
  close (lowest);
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &before));
  few = before;
  few.rlim_cur = (rlim_t) lowest + n;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &few));

  return before;
}

/* What is there and cannot be read is not missing: nothing is resolved or made again for it, and the reason is told. */
static void
test_no_descriptors (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autofree char *uv = env_fixture_counted_uv (fixture);
  g_autofree char *before = NULL, *after = NULL;
  guint n_good = 0, n_bad = 0, n_calls;

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  request = env_fixture_request (fixture, "alpha", NULL);
  request->extension_name = g_strdup ("sample");
  g_free (request->uv_path);
  request->uv_path = g_strdup (uv);
  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, NULL);
  g_assert_nonnull (environment);
  before = env_fixture_listing (fixture);
  n_calls = env_fixture_count (fixture, "calls");

  for (guint i = 0; i < 12; i++)
    {
      g_autoptr (PyIsolateEnvironment) again = NULL;
      g_autoptr (GError) error = NULL;
      struct rlimit limit = leave_descriptors (i);

      again = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
      g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
      if (again != NULL)
        {
          n_good++;
          continue;
        }

      n_bad++;
      g_test_message ("%s", error->message);
      assert_contains (error->message, g_strerror (EMFILE));
    }
  after = env_fixture_listing (fixture);

  g_assert_cmpuint (n_good, >, 0);
  g_assert_cmpuint (n_bad, >, 0);
  g_assert_cmpstr (after, ==, before);
  g_assert_cmpuint (env_fixture_count (fixture, "calls"), ==, n_calls);
}

/* Nobody can tell which of those on PATH it is. */
static void
test_programs_without_descriptors (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "alpha", NULL);
  g_autofree char *directory = g_path_get_dirname (fixture->uv);
  g_autofree char *old_path = g_strdup (g_getenv ("PATH"));
  g_autofree char *path = g_strconcat (directory, ":", old_path, NULL);
  g_autofree char *found = NULL, *message = NULL, *message_of_python = NULL;
  g_autoptr (GError) error = NULL;
  struct rlimit limit;

  g_setenv ("PATH", path, TRUE);
  g_free (request->python);
  request->python = g_strdup ("python3");
  limit = leave_descriptors (0);
  found = _pyisolate_environment_find_uv (NULL, &error);
  message_of_python = fail_check (request, PYISOLATE_ERROR_ENVIRONMENT);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
  g_setenv ("PATH", old_path, TRUE);

  g_assert_null (found);
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT);
  assert_contains (message, g_strerror (EMFILE));
  assert_contains (message_of_python, g_strerror (EMFILE));
}

/* A stamp that is no file is not taken for none. */
static void
test_unreadable (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autofree char *stamp = NULL, *message = NULL, *before = NULL, *after = NULL;

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  environment = env_fixture_ensure (fixture, "alpha", NULL);
  stamp = g_build_filename (_pyisolate_environment_get_prefix (environment), ".pyisolate", "stamp.json", NULL);
  g_assert_no_errno (g_remove (stamp));
  g_assert_no_errno (g_mkdir (stamp, 0700));
  before = env_fixture_listing (fixture);
  request = env_fixture_request (fixture, "alpha", NULL);
  message = fail (request, PYISOLATE_ERROR_ENVIRONMENT);
  assert_contains (message, stamp);
  after = env_fixture_listing (fixture);
  g_assert_cmpstr (after, ==, before);
}

static void
test_unsolvable (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) conflict =
    env_fixture_request (fixture, "beta", "alpha>=2", NULL);
  g_autoptr (PyIsolateEnvironmentRequest) absent = env_fixture_request (fixture, "alpha==7", NULL);
  g_autofree char *message = NULL, *other = NULL;

  env_fixture_add_wheels (fixture, "alpha==1.0", "alpha==2.0", "beta==1.0;requires=alpha<2", NULL);
  message = fail (conflict, PYISOLATE_ERROR_UNSOLVABLE);
  assert_contains (message, "beta depend");
  assert_contains (message, "alpha>=2");
  other = fail (absent, PYISOLATE_ERROR_UNSOLVABLE);
  assert_contains (other, "alpha==7");
}

/* Then the kernel tells nobody how a child ended. */
static void
test_ignored_children (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "alpha", NULL);
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autofree char *message = NULL;

  env_fixture_add_wheels (fixture, "alpha==1.0", "beta==1.0", NULL);
  /* So that it knows its interpreter. */
  environment = env_fixture_ensure (fixture, "beta", NULL);
  signal (SIGCHLD, SIG_IGN);
  message = fail (request, PYISOLATE_ERROR_ENVIRONMENT);
  signal (SIGCHLD, SIG_DFL);
  assert_contains (message, "ignores SIGCHLD");
}

static void
test_network (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request =
    env_fixture_request (fixture, "nowhere-package", NULL);
  g_autofree char *message = NULL;

  /* Nobody listens on the discard port, and no retry makes that another matter. */
  g_unsetenv ("UV_OFFLINE");
  g_setenv ("UV_HTTP_RETRIES", "0", TRUE);
  request->index_url = g_strdup ("http://joe:hunter22@127.0.0.1:9/simple");
  message = fail (request, PYISOLATE_ERROR_NETWORK);
  g_setenv ("UV_OFFLINE", "1", TRUE);
  g_unsetenv ("UV_HTTP_RETRIES");
  assert_contains (message, "127.0.0.1:9");
  g_assert_null (strstr (message, "hunter22"));
}

static void
test_offline (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request =
    env_fixture_request (fixture, "nowhere-package", NULL);
  g_autofree char *message = fail (request, PYISOLATE_ERROR_NETWORK);

  assert_contains (message, "nowhere-package");
}

static void
test_bad_requirement (void)
{
  static const char *const smuggled[] = {
    "", "  ", "# comment", "-r other.txt", "--index-url=http://evil", "-e .",
    "alpha\n--index-url http://evil",
    "alpha\r\nbeta", "alpha\vbeta", "alpha --hash=sha256:00", "alpha \t-i http://evil", "alpha\\",
    "alpha @ file:///${HOME}",
    "alpha @ https://joe:secret@example.org/alpha.whl",
    "alpha @ git+https://token@example.org/a.git", "\xff\xfe",
    "alpha\xe2\x80\xa8--pre", "alpha\xc2\x85--pre",
  };
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *message = NULL;
  g_autoptr (PyIsolateEnvironmentRequest) unparsable = NULL;
  g_autoptr (PyIsolateEnvironmentRequest) absent = NULL;

  g_test_summary ("Options, further lines, variables and credentials in a requirement are refused "
                  "before anything runs");

  for (guint i = 0; i < G_N_ELEMENTS (smuggled); i++)
    {
      g_autoptr (PyIsolateEnvironmentRequest) request =
        env_fixture_request (fixture, "alpha", smuggled[i], NULL);
      g_autofree char *text = fail_check (request, PYISOLATE_ERROR_BAD_REQUIREMENT);

      g_assert_null (strstr (text, "secret"));
      g_assert_null (strstr (text, "token@"));
      g_assert_null (strchr (text, '\n'));
      g_assert_true (g_utf8_validate (text, -1, NULL));
    }

  unparsable = env_fixture_request (fixture, "alpha ===", NULL);
  message = fail (unparsable, PYISOLATE_ERROR_BAD_REQUIREMENT);
  assert_contains (message, "alpha ===");
  absent = env_fixture_request (fixture, "alpha @ file:///nowhere/alpha-1.0-py3-none-any.whl",
                                NULL);
  g_free (message);
  message = fail_check (absent, PYISOLATE_ERROR_BAD_REQUIREMENT);
  assert_contains (message, "/nowhere/alpha");
}

static void
test_source_builds (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *file = env_fixture_write (fixture, "project/pyproject.toml",
                                             "[project]\nname='p'\nversion='1'\n");
  g_autofree char *project = g_path_get_dirname (file);
  g_autoptr (PyIsolateEnvironmentRequest) local = env_fixture_request (fixture, project, NULL);
  g_autoptr (PyIsolateEnvironmentRequest) vcs =
    env_fixture_request (fixture, "p @ git+https://example.org/p.git", NULL);
  g_autofree char *message = fail_check (local, PYISOLATE_ERROR_BAD_CONFIG);
  g_autofree char *other = fail_check (vcs, PYISOLATE_ERROR_BAD_CONFIG);

  assert_contains (message, "allow-source-builds");
  assert_contains (other, "allow-source-builds");
}

static void
test_bad_config (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "alpha", NULL);
  g_autofree char *relative = NULL, *file = NULL, *below = NULL, *links = NULL, *index =
    NULL, *lock = NULL;

  g_free (request->venv_root);
  request->venv_root = g_strdup ("relative");
  relative = fail_check (request, PYISOLATE_ERROR_BAD_CONFIG);

  file = env_fixture_write (fixture, "file", "");
  g_free (request->venv_root);
  request->venv_root = g_build_filename (file, "root", NULL);
  below = fail_check (request, PYISOLATE_ERROR_BAD_CONFIG);
  assert_contains (below, "root");

  g_free (request->venv_root);
  request->venv_root = g_strdup (fixture->root);
  g_strfreev (request->find_links);
  request->find_links = g_strsplit ("/nowhere/links", ",", -1);
  links = fail_check (request, PYISOLATE_ERROR_BAD_CONFIG);
  assert_contains (links, "/nowhere/links");

  g_clear_pointer (&request->find_links, g_strfreev);
  request->index_url = g_strdup ("joe:hunter22");
  index = fail_check (request, PYISOLATE_ERROR_BAD_CONFIG);
  g_assert_null (strstr (index, "hunter22"));

  g_clear_pointer (&request->index_url, g_free);
  request->lock_file = g_strdup ("/nowhere/requirements.lock");
  lock = fail_check (request, PYISOLATE_ERROR_BAD_CONFIG);
  assert_contains (lock, "/nowhere/requirements.lock");
}

static void
test_root_not_writable (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "alpha", NULL);
  g_autofree char *message = NULL;

  /* Where even root cannot write. */
  g_free (request->venv_root);
  request->venv_root = g_strdup ("/proc/self/venvs");
  message = fail (request, g_access ("/proc/self", W_OK) == 0 ? PYISOLATE_ERROR_ENVIRONMENT
                  : PYISOLATE_ERROR_BAD_CONFIG);
  assert_contains (message, "/proc/self");
}

static void
test_lock_file (void)
{
  static const char *const refused[] = {
    "--index-url http://evil\nalpha==1.0\n", "alpha>=1.0\n", "alpha==1.0 --config-settings=x\n",
    "alpha @ https://joe:secret@example.org/alpha.whl\n", "alpha==${HOME}\n",
  };
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = env_fixture_request (fixture, "alpha", NULL);
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autofree char *lock = NULL, *message = NULL, *out = NULL, *hash = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A lock file is installed exactly; one that does not fit the dependencies or is "
                  "none is refused");

  env_fixture_add_wheels (fixture, "alpha==1.0", "alpha==2.0", "gamma==1.0", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autofree char *text = NULL;

      g_free (request->lock_file);
      request->lock_file = env_fixture_write (fixture, "requirements.lock", refused[i]);
      text = fail_check (request, PYISOLATE_ERROR_BAD_CONFIG);
      assert_contains (text, "requirements.lock");
      g_assert_null (strstr (text, "secret"));
    }

  lock = env_fixture_write (fixture, "requirements.lock", "alpha==1.0  # pinned\n");
  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  out = env_fixture_python (environment, "import alpha; print(alpha.version)");
  g_assert_cmpstr (out, ==, "1.0");

  g_strfreev (request->dependencies);
  request->dependencies = g_strsplit ("alpha>=2", ",", -1);
  message = fail (request, PYISOLATE_ERROR_UNSOLVABLE);
  assert_contains (message, "does not fit the dependencies");

  g_strfreev (request->dependencies);
  request->dependencies = g_strsplit ("alpha,gamma", ",", -1);
  g_free (message);
  message = fail (request, PYISOLATE_ERROR_BAD_CONFIG);
  assert_contains (message, "gamma");

  /* A hash that the wheel does not have. */
  hash = g_strnfill (64, '0');
  {
    g_autofree char *text = g_strdup_printf ("alpha==1.0 \\\n    --hash=sha256:%s\n", hash);

    g_free (env_fixture_write (fixture, "requirements.lock", text));
  }
  g_strfreev (request->dependencies);
  request->dependencies = g_strsplit ("alpha", ",", -1);
  g_free (message);
  message = fail (request, PYISOLATE_ERROR_ENVIRONMENT);
  assert_contains (message, "ash mismatch");
}

static void
test_uv_errors (void)
{
  static const struct {
    const char *text;
    int code;
  } cases[] = {
    { "Resolved 3 packages\nerror: Couldn't parse requirement in `-` at position 0",
      PYISOLATE_ERROR_BAD_REQUIREMENT },
    { "error: Failed to fetch: `https://index.example/simple/x/`\n  Caused by: operation timed out",
      PYISOLATE_ERROR_NETWORK },
    { "error: Git operation failed\n  cause: failed to fetch", PYISOLATE_ERROR_NETWORK },
    { "error: No solution found when resolving dependencies", PYISOLATE_ERROR_UNSOLVABLE },
    { "  \xc3\x97 No solution found when resolving dependencies:", PYISOLATE_ERROR_UNSOLVABLE },
    { "error: Building source distributions is disabled", PYISOLATE_ERROR_UNSOLVABLE },
    { "error: No interpreter found for Python 3.99", PYISOLATE_ERROR_PYTHON_NOT_FOUND },
    { "error: Failed to parse: uv.toml\n  cause: TOML parse error", PYISOLATE_ERROR_ENVIRONMENT },
    { "", PYISOLATE_ERROR_ENVIRONMENT },
  };
  static const char *const secrets[] = { "https://joe:p%40ss%2Fword@index.example/simple", NULL };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *message = NULL;

      error = _pyisolate_env_uv_dup_error (cases[i].text, 2, NULL);
      message = env_assert_error (&error, PYISOLATE_ERROR, cases[i].code);
      g_assert_null (strstr (message, "Resolved"));
    }

  error = _pyisolate_env_uv_dup_error ("error: for https://joe:p%40ss%2Fword@index.example/x the "
                                       "password p@ss/word failed",
                                       2, secrets);
  g_assert_null (strstr (error->message, "p%40ss"));
  g_assert_null (strstr (error->message, "p@ss"));
  assert_contains (error->message, "index.example");
}

static void
test_requirement_kinds (void)
{
  static const struct {
    const char *text, *line, *path;
    PyIsolateEnvRequirementKind kind;
  } cases[] = {
    { " numpy>=2 ", "numpy>=2", NULL, PYISOLATE_ENV_REQUIREMENT_INDEX },
    { "a[b,c]>=1; python_version>'3'", "a[b,c]>=1; python_version>'3'", NULL,
      PYISOLATE_ENV_REQUIREMENT_INDEX },
    { "./x.whl", "file:///base/x.whl", "/base/x.whl", PYISOLATE_ENV_REQUIREMENT_LOCAL },
    { "../x[e] ; os_name=='posix'", "file:///x[e] ; os_name=='posix'", "/x",
      PYISOLATE_ENV_REQUIREMENT_LOCAL },
    { "x @ ./sub dir/x.whl", "x @ file:///base/sub%20dir/x.whl", "/base/sub dir/x.whl",
      PYISOLATE_ENV_REQUIREMENT_LOCAL },
    { "x[e] @ file:///a/b#frag", "x[e] @ file:///a/b#frag", "/a/b",
      PYISOLATE_ENV_REQUIREMENT_LOCAL },
    { "x-1.0-py3-none-any.whl", "file:///base/x-1.0-py3-none-any.whl",
      "/base/x-1.0-py3-none-any.whl",
      PYISOLATE_ENV_REQUIREMENT_LOCAL },
    { "x @ https://h/x.whl", "x @ https://h/x.whl", NULL, PYISOLATE_ENV_REQUIREMENT_URL },
    { "https://h/x.whl", "https://h/x.whl", NULL, PYISOLATE_ENV_REQUIREMENT_URL },
    { "x @ git+https://h/x@v1", "x @ git+https://h/x@v1", NULL, PYISOLATE_ENV_REQUIREMENT_VCS },
    { "git+ssh://git@h/x", "git+ssh://git@h/x", NULL, PYISOLATE_ENV_REQUIREMENT_VCS },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (PyIsolateEnvRequirement) requirement =
        _pyisolate_env_requirement_parse (cases[i].text, "/base", &error);

      g_assert_no_error (error);
      g_assert_cmpstr (requirement->line, ==, cases[i].line);
      g_assert_cmpstr (requirement->path, ==, cases[i].path);
      g_assert_cmpint (requirement->kind, ==, cases[i].kind);
    }
}

static void
test_redact (void)
{
  static const char *const cases[][2] = {
    { "https://joe:secret@h/simple", "https://****@h/simple" },
    { "a http://t@h b https://u:p@h2/x@y", "a http://****@h b https://****@h2/x@y" },
    { "https://h/x@1", "https://h/x@1" },
    { "joe@h", "joe@h" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *redacted = _pyisolate_env_redact_text (cases[i][0]);

      g_assert_cmpstr (redacted, ==, cases[i][1]);
    }
}

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);

  test_util_add_func ("/pyisolate/environment/errors/uv-missing", test_uv_missing);
  test_util_add_func ("/pyisolate/environment/errors/no-descriptors", test_no_descriptors);
  test_util_add_func ("/pyisolate/environment/errors/programs-without-descriptors",
                      test_programs_without_descriptors);
  test_util_add_func ("/pyisolate/environment/errors/unreadable", test_unreadable);
  test_util_add_func ("/pyisolate/environment/errors/unsolvable", test_unsolvable);
  test_util_add_func ("/pyisolate/environment/errors/ignored-children", test_ignored_children);
  test_util_add_func ("/pyisolate/environment/errors/network", test_network);
  test_util_add_func ("/pyisolate/environment/errors/offline", test_offline);
  test_util_add_func ("/pyisolate/environment/errors/bad-requirement", test_bad_requirement);
  test_util_add_func ("/pyisolate/environment/errors/source-builds", test_source_builds);
  test_util_add_func ("/pyisolate/environment/errors/bad-config", test_bad_config);
  test_util_add_func ("/pyisolate/environment/errors/root-not-writable", test_root_not_writable);
  test_util_add_func ("/pyisolate/environment/errors/lock-file", test_lock_file);
  test_util_add_func ("/pyisolate/environment/errors/uv-errors", test_uv_errors);
  test_util_add_func ("/pyisolate/environment/errors/requirement-kinds", test_requirement_kinds);
  test_util_add_func ("/pyisolate/environment/errors/redact", test_redact);

  return env_fixture_run ();
}
