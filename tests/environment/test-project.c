/* SPDX-License-Identifier: MIT */
/* What an extension says about itself. */
#include "config.h"

#include "env-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static PyIsolateProjectMetadata *
read_project (const char *path)
{
  g_autoptr (GError) error = NULL;
  PyIsolateProjectMetadata *project = _pyisolate_project_read (path, NULL, NULL, NULL, &error);

  g_assert_no_error (error);

  return project;
}

static char *
refuse (const char *path)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (_pyisolate_project_read (path, NULL, NULL, NULL, &error));

  return env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
}

static char *
write_in (EnvFixture *fixture,
          const char *name,
          const char *text)
{
  g_autofree char *path = env_fixture_write (fixture, name, text);

  return g_path_get_dirname (path);
}

static void
test_pyproject (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateProjectMetadata) project = NULL;
  g_autofree char *links = NULL, *source = NULL;
  g_autofree char *directory =
    write_in (fixture, "full/pyproject.toml",
              "[project]\nname = \"full\"\nversion = \"1\"\nrequires-python = \">=3.10\"\n"
              "dependencies = [\"numpy>=2\", \"other; python_version > '3'\"]\n"
              "[tool.pyisolate]\napis = [\"database\"]\nsource-paths = [\"lib\"]\nindex-url = "
              "\"https://i/simple\"\n"
              "extra-index-urls = [\"https://e/simple\"]\nfind-links = [\"wheels\", "
              "\"https://l/\"]\n"
              "allow-source-builds = true\nkill-on-timeout = false\ncall-timeout = "
              "1.5\nstart-timeout = -1\n"
              "stop-timeout = 0\npython = \"3.12\"\n[tool.other]\nx = 1\n");

  project = read_project (directory);
  g_assert_cmpstr (project->name, ==, "full");
  g_assert_cmpstr (project->module_path, ==, directory);
  g_assert_cmpstr (project->requires_python, ==, ">=3.10");
  g_assert_cmpuint (g_strv_length (project->dependencies), ==, 2);
  g_assert_cmpstr (project->dependencies[0], ==, "numpy>=2");
  g_assert_cmpstr (project->apis[0], ==, "database");
  source = g_build_filename (directory, "lib", NULL);
  g_assert_cmpstr (project->source_paths[0], ==, source);
  g_assert_cmpstr (project->index_url, ==, "https://i/simple");
  g_assert_cmpstr (project->extra_index_urls[0], ==, "https://e/simple");
  links = g_build_filename (directory, "wheels", NULL);
  g_assert_cmpstr (project->find_links[0], ==, links);
  g_assert_cmpstr (project->find_links[1], ==, "https://l/");
  g_assert_cmpint (project->allow_source_builds, ==, TRUE);
  g_assert_cmpint (project->kill_on_timeout, ==, FALSE);
  g_assert_cmpint (project->auto_update, ==, -1);
  g_assert_cmpint (project->share_torch, ==, -1);
  g_assert_cmpint (project->call_timeout, ==, 1500);
  g_assert_cmpint (project->start_timeout, ==, -1);
  g_assert_cmpint (project->stop_timeout, ==, 0);
  g_assert_cmpstr (project->python, ==, "3.12");
  g_assert_null (project->lock_file);
}

static void
test_plain (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *directory = write_in (fixture, "plain/__init__.py", "def f(): pass\n");
  g_autoptr (PyIsolateProjectMetadata) project = read_project (directory);

  g_assert_cmpstr (project->name, ==, "plain");
  g_assert_cmpuint (g_strv_length (project->dependencies), ==, 0);
  g_assert_null (project->apis);
  g_assert_cmpint (project->call_timeout, ==, PYISOLATE_PROJECT_UNSET);
  g_assert_cmpint (project->allow_source_builds, ==, -1);
}

static void
test_requirements (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *directory = write_in (fixture, "reqs/requirements.txt",
                                         "# comment\nnumpy>=2  # why\n\nscipy \\\n  >=1\nx @ "
                                         "https://h/x.whl#frag\n");
  g_autoptr (PyIsolateProjectMetadata) project = read_project (directory);

  g_assert_cmpuint (g_strv_length (project->dependencies), ==, 3);
  g_assert_cmpstr (project->dependencies[0], ==, "numpy>=2");
  g_assert_true (g_str_has_prefix (project->dependencies[1], "scipy"));
  g_assert_true (g_str_has_suffix (project->dependencies[1], ">=1"));
  g_assert_cmpstr (project->dependencies[2], ==, "x @ https://h/x.whl#frag");
}

static void
test_script (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *path =
    env_fixture_write (fixture, "single.py",
                       "#!/usr/bin/env python3\n# /// script\n# requires-python = \">=3.11\"\n# "
                       "dependencies = [\n"
                       "#   \"requests<3\",\n#\n#   \"rich\",\n# ]\n# [tool.pyisolate]\n# apis = "
                       "[\"a\"]\n# ///\n"
                       "raise SystemExit('never run')\n");
  g_autofree char *bare = env_fixture_write (fixture, "bare.py", "def f(): pass\n");
  g_autoptr (PyIsolateProjectMetadata) project = read_project (path);
  g_autoptr (PyIsolateProjectMetadata) other = read_project (bare);

  g_assert_cmpstr (project->name, ==, "single");
  g_assert_cmpstr (project->module_path, ==, path);
  g_assert_cmpstr (project->requires_python, ==, ">=3.11");
  g_assert_cmpuint (g_strv_length (project->dependencies), ==, 2);
  g_assert_cmpstr (project->dependencies[1], ==, "rich");
  g_assert_cmpstr (project->apis[0], ==, "a");
  g_assert_cmpstr (other->name, ==, "bare");
  g_assert_cmpuint (g_strv_length (other->dependencies), ==, 0);
}

static void
test_refused (void)
{
  static const struct {
    const char *name, *text, *said;
  } cases[] = {
    { "a/pyproject.toml", "[tool.pyisolate]\ncolour = 1\n", "colour" },
    { "b/pyproject.toml", "[project]\nname = 'b'\ndynamic = ['dependencies']\n", "dynamic" },
    { "c/pyproject.toml", "[project\n", "not TOML" },
    { "d/pyproject.toml", "[project]\ndependencies = 'numpy'\n", "project.dependencies" },
    { "e/pyproject.toml", "[tool.pyisolate]\ncall-timeout = 'long'\n", "call-timeout" },
    { "f/pyproject.toml", "[tool.pyisolate]\nallow-source-builds = 1\n", "allow-source-builds" },
    { "g/pyproject.toml", "tool = 3\n", "[tool]" },
    { "h/pyproject.toml", "[tool.pyisolate]\nstop-timeout = nan\n", "stop-timeout" },
    { "i/requirements.txt", "numpy\n--index-url https://h\n", "--index-url" },
    { "j/requirements.txt", "numpy==1 --hash=sha256:00\n", "lock-file" },
    { "k/requirements.txt", "-r other.txt\n", "line 1" },
  };
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *twice =
    env_fixture_write (fixture, "twice.py", "# /// script\n# dependencies = []\n# ///\n\n# /// "
                                            "script\n# x = 1\n# ///\n");
  g_autofree char *text = env_fixture_write (fixture, "text.txt", "");
  g_autofree char *message = refuse (twice);
  g_autofree char *other = refuse (text);
  g_autofree char *absent = refuse ("/nowhere/extension");
  g_autofree char *latin = env_fixture_write (fixture, "caf\xe9.py", "");
  g_autofree char *not_text = refuse (latin);
  g_autofree char *pipes = env_fixture_path (fixture, "pipes");
  g_autofree char *pipe_path = g_build_filename (pipes, "pyproject.toml", NULL);
  g_autofree char *not_file = NULL;

  g_assert_nonnull (strstr (message, "more than one"));
  g_assert_nonnull (strstr (other, "text.txt"));
  g_assert_nonnull (strstr (absent, "/nowhere/extension"));
  g_assert_nonnull (strstr (not_text, "not valid UTF-8"));
  g_assert_no_errno (g_mkdir (pipes, 0700));
  g_assert_no_errno (mkfifo (pipe_path, 0600));
  not_file = refuse (pipes);
  g_assert_nonnull (strstr (not_file, pipe_path));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *directory = write_in (fixture, cases[i].name, cases[i].text);
      g_autofree char *said = refuse (directory);

      g_assert_nonnull (strstr (said, cases[i].said));
      g_assert_nonnull (strstr (said, directory));
    }
}

static void
test_without_toml (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autofree char *directory =
    write_in (fixture, "old/pyproject.toml", "[project]\nname = 'renamed'\n");
  g_autofree char *plain = write_in (fixture, "plain/requirements.txt", "numpy\n");
  g_autofree char *path = g_strdup (g_getenv ("PATH"));
  g_autofree char *calls = env_fixture_path (fixture, "calls");
  g_autofree char *reader = NULL, *uv = NULL, *reader_text = NULL, *uv_text = NULL;
  g_autofree char *module = NULL, *here = NULL;
  g_autoptr (PyIsolateProjectMetadata) by_uv = NULL;
  g_autoptr (PyIsolateProjectMetadata) by_old = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("Where no interpreter reads TOML, uv runs the reader; what is no TOML needs "
                  "none; a module in the current directory is not imported for it");

  /* The only interpreter is one without the module; and a stand-in for uv has one that has it. */
  reader_text = g_strdup_printf ("#!/bin/sh\n(echo 'import sys; sys.modules[\"tomllib\"] = "
                                 "sys.modules[\"tomli\"] = None'; "
                                 "/bin/cat) | '%s' \"$@\"\n", fixture->python);
  reader = env_fixture_script (fixture, "old-python", reader_text);
  uv_text = g_strdup_printf ("#!/bin/sh\necho \"$@\" > '%s'\nwhile [ \"$1\" != python ]; do shift "
                             "|| exit 1; done\nshift\nexec '%s' \"$@\"\n",
                             calls, fixture->python);
  uv = env_fixture_script (fixture, "uv-runs", uv_text);

  g_setenv ("PATH", "/nowhere", TRUE);
  by_old = _pyisolate_project_read (plain, uv, reader, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (by_old->dependencies[0], ==, "numpy");
  g_assert_false (g_file_test (calls, G_FILE_TEST_EXISTS));

  module = write_in (fixture, "here/json.py", "raise SystemExit('imported')\n");
  here = g_get_current_dir ();
  g_assert_no_errno (g_chdir (module));
  by_uv = _pyisolate_project_read (directory, uv, reader, NULL, &error);
  g_assert_no_errno (g_chdir (here));
  g_setenv ("PATH", path, TRUE);
  g_assert_no_error (error);
  g_assert_cmpstr (by_uv->name, ==, "renamed");
  g_assert_cmpuint (env_fixture_count (fixture, "calls"), ==, 1);
}

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);

  test_util_add_func ("/pyisolate/project/pyproject", test_pyproject);
  test_util_add_func ("/pyisolate/project/plain", test_plain);
  test_util_add_func ("/pyisolate/project/requirements", test_requirements);
  test_util_add_func ("/pyisolate/project/script", test_script);
  test_util_add_func ("/pyisolate/project/refused", test_refused);
  test_util_add_func ("/pyisolate/project/without-toml", test_without_toml);

  return env_fixture_run ();
}
