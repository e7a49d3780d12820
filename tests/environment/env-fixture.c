/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "env-fixture.h"

#include "test-environ.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static char *scratch;
static char *uv;
static char *python;

void
env_fixture_init (int    *argc,
                  char ***argv)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) pythons = NULL;
  g_autofree char *cache = NULL;
  const char *list;

  test_util_init (argc, argv);
  test_environ_forget_user_settings ();

  uv = _pyisolate_environment_find_uv (NULL, &error);
  g_assert_no_error (error);
  list = g_getenv ("PYISOLATE_TEST_PYTHONS");
  g_assert_nonnull (list);
  pythons = g_strsplit (list, ":", -1);
  python = g_strdup (pythons[g_strv_length (pythons) - 1]);
  g_assert_true (g_file_test (python, G_FILE_TEST_IS_EXECUTABLE));

  scratch = test_util_tmpdir ();
  cache = g_build_filename (scratch, "uv-cache", NULL);
  g_setenv ("HOME", scratch, TRUE);
  g_setenv ("UV_OFFLINE", "1", TRUE);
  g_setenv ("UV_CACHE_DIR", cache, TRUE);
  g_setenv ("UV_PYTHON_DOWNLOADS", "never", TRUE);
}

int
env_fixture_run (void)
{
  int result = g_test_run ();

  test_util_remove_tree (scratch);
  g_free (scratch);
  g_free (uv);
  g_free (python);

  return result;
}

EnvFixture *
env_fixture_new (void)
{
  EnvFixture *self = g_new0 (EnvFixture, 1);

  self->directory = g_build_filename (scratch, "test-XXXXXX", NULL);
  g_assert_nonnull (g_mkdtemp (self->directory));
  self->root = g_build_filename (self->directory, "root", NULL);
  self->links = g_build_filename (self->directory, "links", NULL);
  g_assert_cmpint (g_mkdir (self->links, 0700), ==, 0);
  self->uv = g_strdup (uv);
  self->python = g_strdup (python);

  return self;
}

void
env_fixture_free (EnvFixture *self)
{
  test_util_remove_tree (self->directory);
  g_free (self->directory);
  g_free (self->root);
  g_free (self->links);
  g_free (self->uv);
  g_free (self->python);
  g_free (self);
}

void
env_fixture_add_wheels (EnvFixture *self,
                        ...)
{
  va_list args;

  va_start (args, self);
  test_environ_make_wheels (self->python, self->links, args);
  va_end (args);
}

static PyIsolateEnvironmentRequest *
request_from_list (EnvFixture *self,
                   va_list     args)
{
  PyIsolateEnvironmentRequest *request = _pyisolate_environment_request_new (self->root);
  g_autoptr (GStrvBuilder) dependencies = g_strv_builder_new ();
  const char *requirement;

  while ((requirement = va_arg (args, const char *)) != NULL)
    g_strv_builder_add (dependencies, requirement);
  request->dependencies = g_strv_builder_end (dependencies);
  request->find_links = g_strsplit (self->links, "\n", -1);
  request->uv_path = g_strdup (self->uv);
  request->python = g_strdup (self->python);
  request->launcher_path = g_strdup (g_getenv ("PYISOLATE_LAUNCHER"));

  return request;
}

PyIsolateEnvironmentRequest *
env_fixture_request (EnvFixture *self,
                     ...)
{
  PyIsolateEnvironmentRequest *request;
  va_list args;

  va_start (args, self);
  request = request_from_list (self, args);
  va_end (args);

  return request;
}

PyIsolateEnvironment *
env_ensure (PyIsolateEnvironmentRequest *request)
{
  g_autoptr (GError) error = NULL;
  PyIsolateEnvironment *environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (environment);

  return environment;
}

PyIsolateEnvironment *
env_fixture_ensure (EnvFixture *self,
                    ...)
{
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  va_list args;

  va_start (args, self);
  request = request_from_list (self, args);
  va_end (args);

  return env_ensure (request);
}

char *
env_fixture_path (EnvFixture *self,
                  const char *name)
{
  return g_build_filename (self->directory, name, NULL);
}

char *
env_fixture_write (EnvFixture *self,
                   const char *name,
                   const char *text)
{
  char *path = env_fixture_path (self, name);
  g_autofree char *directory = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);

  return path;
}

char *
env_fixture_script (EnvFixture *self,
                    const char *name,
                    const char *text)
{
  char *path = env_fixture_write (self, name, text);

  g_assert_cmpint (g_chmod (path, 0700), ==, 0);

  return path;
}

char *
env_fixture_counted_uv (EnvFixture *self)
{
  g_autofree char *calls = env_fixture_path (self, "calls");
  g_autofree char *text = g_strdup_printf ("#!/bin/sh\necho \"$@\" >> '%s'\nexec '%s' \"$@\"\n",
                                           calls, self->uv);

  return env_fixture_script (self, "counted/uv", text);
}

guint
env_fixture_count (EnvFixture *self,
                   const char *name)
{
  g_autofree char *path = env_fixture_path (self, name);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;

  lines = g_strsplit (g_strchomp (text), "\n", -1);
  return g_strv_length (lines);
}

char *
env_fixture_python (PyIsolateEnvironment *environment,
                    const char           *program)
{
  const char *const argv[] = { _pyisolate_environment_get_python (environment), "-I", "-c", program,
                               NULL };
  g_autofree char *err = NULL;
  g_autoptr (GError) error = NULL;
  char *out = NULL;
  int status;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &err, &status,
                &error);
  g_assert_no_error (error);
  g_assert_cmpstr (err, ==, "");
  g_assert_cmpint (status, ==, 0);

  return g_strchomp (out);
}

char *
env_site_packages (PyIsolateEnvironment *environment)
{
  const char *version = _pyisolate_environment_get_python_version (environment);
  g_autofree char *python_dir =
    g_strdup_printf ("python%.*s", (int) (strrchr (version, '.') - version), version);

  return g_build_filename (_pyisolate_environment_get_prefix (environment), "lib", python_dir,
                           "site-packages", NULL);
}

static void
list_into (GString    *listing,
           const char *path,
           guint       depth)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      g_string_append_printf (listing, "%s\n", child);
      if (depth > 1 && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        list_into (listing, child, depth - 1);
    }
}

char *
env_fixture_listing (EnvFixture *self)
{
  GString *listing = g_string_new (NULL);

  list_into (listing, self->root, 3);

  return g_string_free (listing, FALSE);
}

char *
env_assert_error (GError **error,
                  GQuark   domain,
                  int      code)
{
  char *message;

  g_assert_error (*error, domain, code);
  message = g_strdup ((*error)->message);
  g_test_message ("%s", message);
  g_clear_error (error);

  return message;
}
