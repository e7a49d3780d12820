/* SPDX-License-Identifier: MIT */
/* What can be wrong with a configuration, each with its code, before anything starts. */
#include "config.h"

#include "host-fixture.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
  PyIsolateExtensionConfig *config;
  PyIsolateExtensionManager *manager;
  const char *scratch;
} Subject;

typedef void (*SpoilFunc) (Subject    *subject,
                           const char *text);

typedef struct {
  const char *label;
  SpoilFunc spoil;
  const char *text;
  gboolean invalid; /* validate() sees it already */
  int code;
  const char *pattern;
  gboolean late; /* only uv tells: there is a row by then */
} BadCase;

static void
spoil_name (Subject    *subject,
            const char *text)
{
  pyisolate_extension_config_set_name (subject->config, text);
}

static void
spoil_long_name (Subject    *subject,
                 const char *text)
{
  g_autofree char *name = g_strnfill (129, *text);

  pyisolate_extension_config_set_name (subject->config, name);
}

static void
spoil_path (Subject    *subject,
            const char *text)
{
  g_autofree char *path = g_build_filename (subject->scratch, text, NULL);

  pyisolate_extension_config_set_module_path (subject->config, path);
}

static void
spoil_file (Subject    *subject,
            const char *text)
{
  g_autofree char *path = host_write_file (subject->scratch, text, "");

  pyisolate_extension_config_set_module_path (subject->config, path);
}

static void
spoil_directory (Subject    *subject,
                 const char *text)
{
  g_assert_cmpint (g_mkdir (text, 0700), <, 0);
  pyisolate_extension_config_set_module_path (subject->config, subject->scratch);
}

static void
spoil_init (Subject    *subject,
            const char *text)
{
  g_autofree char *path = g_build_filename (subject->scratch, "odd", NULL);
  g_autofree char *init = g_build_filename (path, "__init__.py", NULL);

  g_assert_cmpint (g_mkdir_with_parents (init, 0700), ==, 0);
  pyisolate_extension_config_set_module_path (subject->config, path);
}

static void
spoil_loop (Subject    *subject,
            const char *text)
{
  g_autofree char *path = g_build_filename (subject->scratch, text, NULL);

  g_assert_cmpint (symlink (path, path), ==, 0);
  pyisolate_extension_config_set_module_path (subject->config, path);
}

/* A link that is fine, to what is not. */
static void
spoil_link (Subject    *subject,
            const char *text)
{
  g_autofree char *path = host_write_file (subject->scratch, text, "");
  g_autofree char *link = g_build_filename (subject->scratch, "link.py", NULL);

  g_assert_cmpint (symlink (path, link), ==, 0);
  pyisolate_extension_config_set_module_path (subject->config, link);
}

static void
spoil_variable (Subject    *subject,
                const char *text)
{
  const char *variables[] = { "GOOD=1", text, NULL };

  pyisolate_extension_config_set_environment_variables (subject->config, variables);
}

static void
spoil_source_path (Subject    *subject,
                   const char *text)
{
  const char *paths[] = { text, NULL };

  pyisolate_extension_config_set_source_paths (subject->config, paths);
}

static void
spoil_isolated (Subject    *subject,
                const char *text)
{
  pyisolate_extension_config_set_isolated (subject->config, FALSE);
}

static void
spoil_apis (Subject    *subject,
            const char *text)
{
  const char *apis[] = { text, NULL };

  pyisolate_extension_config_set_apis (subject->config, apis);
}

static void
spoil_requirement (Subject    *subject,
                   const char *text)
{
  const char *requirements[] = { "good==1.0", text, NULL };

  pyisolate_extension_config_set_dependencies (subject->config, requirements);
}

static void
spoil_find_links (Subject    *subject,
                  const char *text)
{
  const char *links[] = { text, NULL };

  pyisolate_extension_config_set_find_links (subject->config, links);
}

static void
spoil_index (Subject    *subject,
             const char *text)
{
  pyisolate_extension_config_set_index_url (subject->config, text);
}

static void
spoil_extra_index (Subject    *subject,
                   const char *text)
{
  const char *urls[] = { text, NULL };

  pyisolate_extension_config_set_extra_index_urls (subject->config, urls);
}

static void
spoil_lock_file (Subject    *subject,
                 const char *text)
{
  g_autofree char *path = host_write_file (subject->scratch, "lock.txt", text);

  pyisolate_extension_config_set_lock_file (subject->config, path);
}

static void
spoil_python (Subject    *subject,
              const char *text)
{
  pyisolate_extension_config_set_python (subject->config, text);
}

static void
spoil_environment (Subject    *subject,
                   const char *text)
{
  pyisolate_extension_config_set_environment (subject->config, text);
}

static void
spoil_uv (Subject    *subject,
          const char *text)
{
  /* What is there already needs no uv. */
  spoil_requirement (subject, "never-made==1");
  pyisolate_extension_manager_set_uv_path (subject->manager, text);
}

static const BadCase bad_cases[] = {
  { "name-empty", spoil_name, "", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*must have a name*" },
  { "name-dot", spoil_name, ".", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*“.”*" },
  { "name-dots", spoil_name, "..", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*“..”*" },
  { "name-slash", spoil_name, "a/b", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*slash*" },
  { "name-climbs", spoil_name, "../up", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*slash*" },
  { "name-newline", spoil_name, "a\nb", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*control*" },
  { "name-delete", spoil_name, "a\177", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*control*" },
  { "name-c1", spoil_name, "a\302\205", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*control*" },
  { "name-not-utf8", spoil_name, "a\377", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*UTF-8*" },
  { "name-long", spoil_long_name, "x", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*longer than 128*" },
  { "path-missing", spoil_path, "not there", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*not there*subject*" },
  { "path-not-python", spoil_file, "module.txt", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*neither*.py file*" },
  { "path-device", spoil_path, "../../../../../../dev/null", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*neither*" },
  { "path-no-init", spoil_directory, "/", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*no __init__.py*" },
  { "path-init-is-directory", spoil_init, NULL, TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*no __init__.py*" },
  { "path-loop", spoil_loop, "loop.py", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*loop.py*" },
  { "path-not-utf8", spoil_file, "a\377.py", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*UTF-8*" },
  { "path-leads-to-not-utf8", spoil_link, "a\377.py", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*UTF-8*" },
  { "variable-no-value", spoil_variable, "BAD", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*“BAD”*KEY=value*" },
  { "variable-no-name", spoil_variable, "=1", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*KEY=value*" },
  { "variable-ours", spoil_variable, "PYISOLATE_LINK_FD=7", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*PYISOLATE_LINK_FD*own*" },
  { "source-path", spoil_source_path, "/not/there", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*/not/there*" },
  { "source-path-not-utf8", spoil_source_path, "/tmp/\377", TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*UTF-8*" },
  { "not-isolated", spoil_isolated, NULL, TRUE, PYISOLATE_ERROR_BAD_CONFIG, "*isolated*" },
  { "apis", spoil_apis, "nobody", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*“nobody”*" },
  { "requirement-option", spoil_requirement, "--index-url=http://evil", FALSE, PYISOLATE_ERROR_BAD_REQUIREMENT, "*--index-url*" },
  { "requirement-newline", spoil_requirement, "a\n-r /etc/passwd", FALSE, PYISOLATE_ERROR_BAD_REQUIREMENT, "*" },
  { "requirement-trailing", spoil_requirement, "a --hash=sha256:0", FALSE, PYISOLATE_ERROR_BAD_REQUIREMENT, "*" },
  { "requirement-empty", spoil_requirement, "", FALSE, PYISOLATE_ERROR_BAD_REQUIREMENT, "*" },
  { "requirement-version", spoil_requirement, "==1.0", FALSE, PYISOLATE_ERROR_BAD_REQUIREMENT, "*“==1.0”*" },
  { "requirement-quoted", spoil_requirement, "'a'", FALSE, PYISOLATE_ERROR_BAD_REQUIREMENT, "*“'a'”*" },
  { "requirement-name", spoil_requirement, "_a @ file:///not/there.whl", FALSE, PYISOLATE_ERROR_BAD_REQUIREMENT, "*“_a @*" },
  { "requirement-syntax", spoil_requirement, "a >< 1", FALSE, PYISOLATE_ERROR_BAD_REQUIREMENT, "*a >< 1*", TRUE },
  { "requirement-path", spoil_requirement, "a @ file:///not/there.whl", FALSE, PYISOLATE_ERROR_BAD_REQUIREMENT, "*/not/there.whl*" },
  { "requirement-source", spoil_requirement, "a @ git+https://example.invalid/a", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*allow-source-builds*" },
  { "find-links", spoil_find_links, "/not/there", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*/not/there*" },
  { "find-links-option", spoil_find_links, "--offline", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*--offline*" },
  { "index-url", spoil_index, "not a URL", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*URL*" },
  { "extra-index-url", spoil_extra_index, "https://a\nhttps://b", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*URL*" },
  { "lock-file", spoil_lock_file, "--index-url http://evil\n", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*lock*" },
  { "python-path", spoil_python, "/not/there/python3", FALSE, PYISOLATE_ERROR_PYTHON_NOT_FOUND, "*/not/there/python3*" },
  { "python-command", spoil_python, "no-such-python", FALSE, PYISOLATE_ERROR_PYTHON_NOT_FOUND, "*no-such-python*" },
  { "environment-missing", spoil_environment, "/not/there", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*/not/there*" },
  { "environment-relative", spoil_environment, "venv", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*absolute*" },
  { "environment-empty", spoil_environment, "/etc", FALSE, PYISOLATE_ERROR_BAD_CONFIG, "*no bin/python*" },
  { "uv-missing", spoil_uv, "/not/there/uv", FALSE, PYISOLATE_ERROR_UV_MISSING, "*/not/there/uv*" },
};

static void
test_bad (gconstpointer data)
{
  const BadCase *bad = data;
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *scratch = host_test_scratch ("config");
  g_autofree char *path = host_write_file (scratch, "subject.py", "");
  g_autoptr (PyIsolateExtensionConfig) config = pyisolate_extension_config_new ("subject", path);
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) load_error = NULL;
  Subject subject = { config, test->manager, scratch };

  g_assert_true (pyisolate_extension_config_validate (config, &error));
  g_assert_no_error (error);

  bad->spoil (&subject, bad->text);
  g_assert_cmpint (pyisolate_extension_config_validate (config, &error), ==, !bad->invalid);
  if (bad->invalid)
    {
      g_assert_error (error, PYISOLATE_ERROR, bad->code);
      host_assert_message (error, bad->pattern);
    }
  else
    g_assert_no_error (error);

  extension = pyisolate_extension_manager_load_extension_sync (test->manager, config, NULL,
                                                               &load_error);
  g_assert_null (extension);
  g_assert_error (load_error, PYISOLATE_ERROR, bad->code);
  g_test_message ("%s", load_error->message);
  host_assert_message (load_error, bad->pattern);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (test->manager)), ==, bad->late ? 1 : 0);
}

/* The asynchronous form says the same, and never inside the call. */
static void
test_bad_async (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateExtensionConfig) config = host_config ("a/b", "basic");
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  pyisolate_extension_manager_load_extension_async (test->manager, config, NULL, host_store,
                                                    &result);
  g_assert_null (result);
  host_wait_result (&result);
  extension = pyisolate_extension_manager_load_extension_finish (test->manager, result, &error);
  g_assert_null (extension);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
}

static void
assert_bad_root (const char *root,
                 const char *module_path,
                 const char *pattern)
{
  g_autoptr (PyIsolateExtensionManager) manager = pyisolate_extension_manager_new (root);
  g_autoptr (PyIsolateExtensionConfig) config = pyisolate_extension_config_new ("subject",
                                                                                module_path);
  g_autoptr (PyIsolateExtension) extension = NULL;
  g_autoptr (GError) error = NULL;

  extension = pyisolate_extension_manager_load_extension_sync (manager, config, NULL, &error);
  g_assert_null (extension);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
  host_assert_message (error, pattern);
  g_assert_finalize_object (g_steal_pointer (&manager));
}

static void
test_bad_root (void)
{
  g_autofree char *scratch = host_test_scratch ("root");
  g_autofree char *module = g_build_filename (scratch, "module", NULL);
  g_autofree char *init G_GNUC_UNUSED = host_write_file (module, "__init__.py", "");
  g_autofree char *link = g_build_filename (scratch, "link", NULL);
  g_autofree char *inside = g_build_filename (module, "venvs", NULL);
  g_autofree char *inside_link = g_build_filename (link, "venvs", NULL);
  g_autofree char *file = host_write_file (scratch, "file", "");
  g_autofree char *locked = g_build_filename (scratch, "locked", NULL);
  g_autofree char *below_file = g_build_filename (file, "venvs", NULL);

  g_assert_cmpint (symlink (module, link), ==, 0);
  assert_bad_root (file, module, "*no directory*");
  assert_bad_root (below_file, module, "*no directory*");
  /* Everything is writable for root. */
  g_assert_cmpint (g_mkdir (locked, 0500), ==, 0);
  if (geteuid () != 0)
    assert_bad_root (locked, module, "*not writable*");
  assert_bad_root (module, module, "*inside*");
  assert_bad_root (inside, module, "*inside*");
  assert_bad_root (inside, link, "*inside*");
  assert_bad_root (inside_link, module, "*inside*");
}

/* Symbolic links to a module are followed, and it is loaded as what it is. */
static void
test_links (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *scratch = host_test_scratch ("links");
  g_autofree char *file = host_extension_path ("basic.py");
  g_autofree char *real = realpath (file, NULL);
  g_autofree char *link = g_build_filename (scratch, "other.py", NULL);
  PyIsolateExtension *extension;

  g_assert_cmpint (symlink (real, link), ==, 0);
  extension = host_test_load_config (test, pyisolate_extension_config_new ("link", link));
  g_assert_cmpstr (pyisolate_extension_config_get_module_path (pyisolate_extension_get_config (extension)), ==, real);
  host_assert_result (extension, "add", "(1, 2)", "int64 3");
}

/* What only uv can tell: its reasons are errors of the load, with a code each. */
static void
assert_environment_error (HostTest   *test,
                          const char *requirement,
                          const char *other,
                          const char *index_url,
                          int         code)
{
  const char *dependencies[] = { requirement, other, NULL };
  PyIsolateExtensionConfig *config = host_config ("subject", "basic");
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) last_error = NULL;
  PyIsolateExtension *extension;

  pyisolate_extension_config_set_dependencies (config, dependencies);
  pyisolate_extension_config_set_index_url (config, index_url);
  error = host_test_fail_load (test, config, code);

  extension = pyisolate_extension_manager_get_extension (test->manager, "subject");
  g_assert_nonnull (extension);
  g_assert_cmpint (pyisolate_extension_get_state (extension), ==, PYISOLATE_EXTENSION_STATE_FAILED);
  last_error = pyisolate_extension_dup_last_error (extension);
  g_assert_error (last_error, PYISOLATE_ERROR, code);
  g_assert_cmpstr (last_error->message, ==, error->message);
}

static void
test_environment_errors (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autofree char *scratch = host_test_scratch ("uv");
  g_autofree char *broken_uv = host_write_file (scratch, "uv",
                                           "#!/bin/sh\necho 'error: something odd' >&2\nexit 2\n");

  assert_environment_error (test, "good==1", "good==2", NULL, PYISOLATE_ERROR_UNSOLVABLE);

  g_unsetenv ("UV_OFFLINE");
  g_setenv ("UV_HTTP_RETRIES", "0", TRUE);
  assert_environment_error (test, "whatever", NULL, "http://127.0.0.1:9/simple",
                            PYISOLATE_ERROR_NETWORK);
  g_setenv ("UV_OFFLINE", "1", TRUE);

  g_assert_cmpint (g_chmod (broken_uv, 0700), ==, 0);
  pyisolate_extension_manager_set_uv_path (test->manager, broken_uv);
  assert_environment_error (test, "anything", NULL, NULL, PYISOLATE_ERROR_ENVIRONMENT);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  for (guint i = 0; i < G_N_ELEMENTS (bad_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/config/bad/", bad_cases[i].label, NULL);

      test_util_add_data_func (path, &bad_cases[i], test_bad);
    }
  test_util_add_func ("/pyisolate/config/bad-async", test_bad_async);
  test_util_add_func ("/pyisolate/config/bad-root", test_bad_root);
  test_util_add_func ("/pyisolate/config/links", test_links);
  test_util_add_func ("/pyisolate/config/environment-errors", test_environment_errors);

  return host_test_run ();
}
