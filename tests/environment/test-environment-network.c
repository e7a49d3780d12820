/* SPDX-License-Identifier: MIT */
/* An index on the loopback that wants a password: it is honoured, and shows nowhere. */
#include "config.h"

#include "env-fixture.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#define USER "joe"
#define PASSWORD "s3cr3t-w0rd"

typedef struct {
  GSubprocess *process;
  GDataInputStream *lines;
  guint port;
} Index;

static void
index_start (Index      *self,
             EnvFixture *fixture,
             const char *credentials)
{
  g_autofree char *script = g_test_build_filename (G_TEST_DIST, "environment", "index-server.py",
                                                   NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *line = NULL;

  self->process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                                    &error, fixture->python,
                                    "-I", script, fixture->links, credentials, NULL);
  g_assert_no_error (error);
  self->lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->process));
  line = g_data_input_stream_read_line (self->lines, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (line);
  self->port = atoi (line);
}

/* What it was asked. */
static char *
index_stop (Index *self)
{
  GString *log = g_string_new (NULL);
  char *line;

  g_output_stream_close (g_subprocess_get_stdin_pipe (self->process), NULL, NULL);
  while ((line = g_data_input_stream_read_line (self->lines, NULL, NULL, NULL)) != NULL)
    {
      g_string_append_printf (log, "%s\n", line);
      g_free (line);
    }
  g_subprocess_wait (self->process, NULL, NULL);
  g_clear_object (&self->lines);
  g_clear_object (&self->process);

  return g_string_free (log, FALSE);
}

static void
search_file (const char *path,
             const char *secret)
{
  g_autofree char *text = NULL;
  gsize length;

  if (g_file_test (path, G_FILE_TEST_IS_REGULAR) &&
      g_file_get_contents (path, &text, &length, NULL) &&
      memmem (text, length, secret, strlen (secret)) != NULL)
    g_error ("The password stands in %s", path);
}

static guint
search_tree (const char *path,
             const char *secret)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  guint n_files = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      g_assert_null (strstr (name, secret));
      if (g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        continue;
      search_file (child, secret);
      n_files += 1 + search_tree (child, secret);
    }

  return n_files;
}

static void
on_progress (PyIsolateEnvironmentStage stage,
             double                    fraction,
             const char               *text,
             gpointer                  user_data)
{
  g_assert_null (strstr (text, PASSWORD));
}

/* A request whose uv writes down its arguments. */
static PyIsolateEnvironmentRequest *
request_without_links (EnvFixture *fixture,
                       const char *requirement)
{
  PyIsolateEnvironmentRequest *request = env_fixture_request (fixture, requirement, NULL);

  g_clear_pointer (&request->find_links, g_strfreev);
  g_free (request->uv_path);
  request->uv_path = env_fixture_counted_uv (fixture);
  request->extension_name = g_strdup ("networked");

  return request;
}

static void
succeed (EnvFixture                  *fixture,
         PyIsolateEnvironmentRequest *request)
{
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *calls = env_fixture_path (fixture, "calls");
  g_autofree char *out = NULL;

  environment = _pyisolate_environment_ensure (request, on_progress, NULL, NULL, &error);
  g_assert_no_error (error);
  out = env_fixture_python (environment, "import alpha; print(alpha.version)");
  g_assert_cmpstr (out, ==, "1.0");

  g_assert_cmpuint (search_tree (fixture->root, PASSWORD), >, 10);
  g_assert_cmpuint (env_fixture_count (fixture, "calls"), ==, 3);
  search_file (calls, PASSWORD);
}

static void
test_index_url (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = request_without_links (fixture, "alpha");
  g_autoptr (PyIsolateEnvironment) warm = NULL;
  g_autofree char *log = NULL;
  Index index;

  g_test_summary ("Credentials in index-url are used, and are in no file, argument or message; a "
                  "new password is not a new "
                  "environment");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  index_start (&index, fixture, USER ":" PASSWORD);
  request->index_url = g_strdup_printf ("http://" USER ":" PASSWORD "@127.0.0.1:%u/simple",
                                        index.port);
  succeed (fixture, request);
  log = index_stop (&index);
  g_assert_nonnull (strstr (log, "200 /files/alpha-1.0-py3-none-any.whl"));

  g_free (request->index_url);
  request->index_url = g_strdup_printf ("http://" USER ":another@127.0.0.1:%u/simple", index.port);
  warm = _pyisolate_environment_ensure (request, NULL, NULL, NULL, NULL);
  g_assert_nonnull (warm);
}

static void
test_extra_index_url (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = request_without_links (fixture, "alpha");
  g_autofree char *log = NULL, *url = NULL;
  Index index;

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  index_start (&index, fixture, USER ":" PASSWORD);
  url = g_strdup_printf ("http://" USER ":" PASSWORD "@127.0.0.1:%u/simple", index.port);
  request->extra_index_urls = g_strsplit (url, " ", -1);
  succeed (fixture, request);
  log = index_stop (&index);
  g_assert_nonnull (strstr (log, "200 /files/alpha-1.0-py3-none-any.whl"));
}

static void
test_netrc (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = request_without_links (fixture, "alpha");
  g_autofree char *log = NULL, *netrc = NULL;
  Index index;

  g_test_summary ("The user's own netrc counts");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  index_start (&index, fixture, USER ":" PASSWORD);
  netrc = env_fixture_write (fixture, "netrc",
                             "machine 127.0.0.1 login " USER " password " PASSWORD "\n");
  g_assert_cmpint (g_chmod (netrc, 0600), ==, 0);
  g_setenv ("NETRC", netrc, TRUE);
  request->index_url = g_strdup_printf ("http://127.0.0.1:%u/simple", index.port);
  succeed (fixture, request);
  g_unsetenv ("NETRC");
  log = index_stop (&index);
  g_assert_nonnull (strstr (log, "200 /files/"));
}

static void
test_uv_configuration (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = request_without_links (fixture, "alpha");
  g_autofree char *log = NULL, *text = NULL, *file = NULL;
  Index index;

  g_test_summary ("So does the user's own configuration of uv");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  index_start (&index, fixture, USER ":" PASSWORD);
  text = g_strdup_printf ("[[index]]\nurl = "
                          "\"http://" USER ":" PASSWORD "@127.0.0.1:%u/simple\"\ndefault = true\n",
                          index.port);
  file = env_fixture_write (fixture, "uv.toml", text);
  g_setenv ("UV_CONFIG_FILE", file, TRUE);
  succeed (fixture, request);
  g_unsetenv ("UV_CONFIG_FILE");
  log = index_stop (&index);
  g_assert_nonnull (strstr (log, "200 /files/"));
}

static void
test_wrong_password (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = request_without_links (fixture, "alpha");
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *log = NULL, *message = NULL;
  Index index;

  g_test_summary ("A refused password is a network error that does not show it");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  index_start (&index, fixture, USER ":" PASSWORD);
  request->index_url = g_strdup_printf ("http://" USER ":not-" PASSWORD "@127.0.0.1:%u/simple",
                                        index.port);
  environment = _pyisolate_environment_ensure (request, on_progress, NULL, NULL, &error);
  log = index_stop (&index);
  g_assert_null (environment);
  message = env_assert_error (&error, PYISOLATE_ERROR, PYISOLATE_ERROR_NETWORK);
  g_assert_null (strstr (message, PASSWORD));
  g_assert_nonnull (strstr (message, "401"));
  g_assert_nonnull (strstr (log, "401 "));
}

static void
test_proxy (void)
{
  g_autoptr (EnvFixture) fixture = env_fixture_new ();
  g_autoptr (PyIsolateEnvironmentRequest) request = request_without_links (fixture, "alpha");
  g_autofree char *log = NULL, *proxy = NULL;
  Index index;

  g_test_summary ("A proxy with a password is used");

  env_fixture_add_wheels (fixture, "alpha==1.0", NULL);
  index_start (&index, fixture, USER ":" PASSWORD);
  proxy = g_strdup_printf ("http://" USER ":" PASSWORD "@127.0.0.1:%u", index.port);
  g_setenv ("HTTP_PROXY", proxy, TRUE);
  g_setenv ("http_proxy", proxy, TRUE);
  request->index_url = g_strdup ("http://index.invalid/simple");
  succeed (fixture, request);
  g_unsetenv ("HTTP_PROXY");
  g_unsetenv ("http_proxy");
  log = index_stop (&index);
  g_assert_nonnull (strstr (log, "200 http://index.invalid/files/alpha-1.0-py3-none-any.whl"));
}

int
main (int   argc,
      char *argv[])
{
  env_fixture_init (&argc, &argv);
  g_unsetenv ("UV_OFFLINE");
  g_setenv ("UV_HTTP_RETRIES", "0", TRUE);

  test_util_add_func ("/pyisolate/environment/network/index-url", test_index_url);
  test_util_add_func ("/pyisolate/environment/network/extra-index-url", test_extra_index_url);
  test_util_add_func ("/pyisolate/environment/network/netrc", test_netrc);
  test_util_add_func ("/pyisolate/environment/network/uv-configuration", test_uv_configuration);
  test_util_add_func ("/pyisolate/environment/network/wrong-password", test_wrong_password);
  test_util_add_func ("/pyisolate/environment/network/proxy", test_proxy);

  return env_fixture_run ();
}
