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

static char *
write_file (const char *directory,
            const char *name,
            const char *text)
{
  char *path = g_build_filename (directory, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);

  return path;
}

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
  g_autofree char *path = write_file (subject->scratch, text, "");

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
  g_autofree char *path = write_file (subject->scratch, text, "");
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
  g_autofree char *path = write_file (subject->scratch, "lock.txt", text);

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
  g_autofree char *path = write_file (scratch, "subject.py", "");
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
  g_autofree char *init G_GNUC_UNUSED = write_file (module, "__init__.py", "");
  g_autofree char *link = g_build_filename (scratch, "link", NULL);
  g_autofree char *inside = g_build_filename (module, "venvs", NULL);
  g_autofree char *inside_link = g_build_filename (link, "venvs", NULL);
  g_autofree char *file = write_file (scratch, "file", "");
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

static void
on_notify (GObject    *object,
           GParamSpec *pspec,
           guint      *n_notified)
{
  (*n_notified)++;
}

/* A value other than the one that is there. */
static void
make_other_value (GParamSpec *pspec,
                  GValue     *value)
{
  const char *list[] = { "one", "two", NULL };

  if (G_VALUE_HOLDS_STRING (value))
    g_value_set_string (value, "other");
  else if (G_VALUE_HOLDS_BOOLEAN (value))
    g_value_set_boolean (value, !g_value_get_boolean (value));
  else if (G_VALUE_HOLDS_INT64 (value))
    g_value_set_int64 (value, 4321);
  else if (G_VALUE_HOLDS_UINT64 (value))
    g_value_set_uint64 (value, 4321);
  else if (G_VALUE_HOLDS (value, G_TYPE_STRV))
    g_value_set_boxed (value, list);
  else
    g_error ("The property %s has an unknown type", pspec->name);
}

static gboolean
values_are_equal (const GValue *a,
                  const GValue *b)
{
  if (G_VALUE_HOLDS (a, G_TYPE_STRV))
    return g_strv_equal (g_value_get_boxed (a), g_value_get_boxed (b));
  if (G_VALUE_HOLDS_STRING (a))
    return g_strcmp0 (g_value_get_string (a), g_value_get_string (b)) == 0;
  if (G_VALUE_HOLDS_BOOLEAN (a))
    return g_value_get_boolean (a) == g_value_get_boolean (b);
  if (G_VALUE_HOLDS_UINT64 (a))
    return g_value_get_uint64 (a) == g_value_get_uint64 (b);

  return g_value_get_int64 (a) == g_value_get_int64 (b);
}

static void
check_property (GObject    *config,
                GParamSpec *pspec)
{
  g_autofree char *signal = g_strconcat ("notify::", pspec->name, NULL);
  g_auto (GValue) value = G_VALUE_INIT;
  g_auto (GValue) now = G_VALUE_INIT;
  guint n_notified = 0;

  g_test_message ("%s", pspec->name);
  g_assert_cmpuint (pspec->flags & G_PARAM_READWRITE, ==, G_PARAM_READWRITE);
  g_signal_connect (config, signal, G_CALLBACK (on_notify), &n_notified);

  g_value_init (&value, pspec->value_type);
  g_value_init (&now, pspec->value_type);
  g_object_get_property (config, pspec->name, &value);
  g_object_set_property (config, pspec->name, &value);
  g_assert_cmpuint (n_notified, ==, 0);

  make_other_value (pspec, &value);
  g_object_set_property (config, pspec->name, &value);
  g_assert_cmpuint (n_notified, ==, 1);
  g_object_set_property (config, pspec->name, &value);
  g_assert_cmpuint (n_notified, ==, 1);
  g_object_get_property (config, pspec->name, &now);
  g_assert_true (values_are_equal (&value, &now));
  g_signal_handlers_disconnect_by_data (config, &n_notified);
}

static void
test_properties (void)
{
  PyIsolateExtensionConfig *config = pyisolate_extension_config_new ("subject", "/path");
  PyIsolateExtensionConfig *copy;
  g_autofree GParamSpec **pspecs = NULL;
  guint n_pspecs;

  g_assert_true (pyisolate_extension_config_get_isolated (config));
  g_assert_cmpint (pyisolate_extension_config_get_call_timeout (config), ==, -1);
  g_assert_cmpint (pyisolate_extension_config_get_start_timeout (config), ==, 60000);
  g_assert_cmpint (pyisolate_extension_config_get_stop_timeout (config), ==, 5000);
  g_assert_false (pyisolate_extension_config_get_kill_on_timeout (config));
  g_assert_false (pyisolate_extension_config_get_allow_source_builds (config));
  g_assert_false (pyisolate_extension_config_get_auto_update (config));
  g_assert_false (pyisolate_extension_config_get_share_torch (config));
  g_assert_cmpuint (g_strv_length ((char **) pyisolate_extension_config_get_dependencies (config)),
                    ==, 0);

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (config), &n_pspecs);
  g_assert_cmpuint (n_pspecs, ==, 21);
  for (guint i = 0; i < n_pspecs; i++)
    check_property (G_OBJECT (config), pspecs[i]);

  copy = pyisolate_extension_config_copy (config);
  for (guint i = 0; i < n_pspecs; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;
      g_auto (GValue) copied = G_VALUE_INIT;

      g_value_init (&value, pspecs[i]->value_type);
      g_value_init (&copied, pspecs[i]->value_type);
      g_object_get_property (G_OBJECT (config), pspecs[i]->name, &value);
      g_object_get_property (G_OBJECT (copy), pspecs[i]->name, &copied);
      g_assert_true (values_are_equal (&value, &copied));
    }

  for (guint i = 0; i < 3; i++)
    g_object_run_dispose (G_OBJECT (config));
  g_assert_finalize_object (config);
  g_assert_finalize_object (copy);
}

/* What is loaded is a copy, and what one is given of it is another one: changes that come later mean nothing. */
static void
test_frozen (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateExtensionConfig) config = host_config ("frozen", "basic");
  PyIsolateExtension *extension = host_test_load_config (test, g_object_ref (config));
  PyIsolateExtensionConfig *copy = pyisolate_extension_get_config (extension);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (copy != config);
  pyisolate_extension_config_set_name (config, "changed");
  pyisolate_extension_config_set_call_timeout (config, 1);
  g_assert_cmpstr (pyisolate_extension_get_name (extension), ==, "frozen");
  g_assert_cmpint (pyisolate_extension_config_get_call_timeout (copy), ==, -1);

  pyisolate_extension_config_set_name (copy, "changed");
  pyisolate_extension_config_set_call_timeout (copy, 0);
  g_assert_cmpstr (pyisolate_extension_get_name (extension), ==, "frozen");
  g_assert_true (pyisolate_extension_manager_get_extension (test->manager, "frozen") == extension);
  g_assert_null (pyisolate_extension_manager_get_extension (test->manager, "changed"));
  result = pyisolate_extension_call_sync (extension, "add", g_variant_new ("(ii)", 1, 2), NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (result);
}

static const char pyproject[] =
  "[project]\n"
  "name = \"my-extension\"\n"
  "version = \"1\"\n"
  "dependencies = [\"one\", \"two>=2\"]\n"
  "requires-python = \">=3.9\"\n"
  "[tool.pyisolate]\n"
  "apis = [\"database\"]\n"
  "source-paths = [\"../shared\"]\n"
  "index-url = \"https://index.invalid/simple\"\n"
  "extra-index-urls = [\"https://extra.invalid/simple\"]\n"
  "find-links = [\"wheels\"]\n"
  "lock-file = \"locked.txt\"\n"
  "allow-source-builds = true\n"
  "auto-update = true\n"
  "share-torch = true\n"
  "kill-on-timeout = true\n"
  "call-timeout = 1.5\n"
  "start-timeout = 2\n"
  "stop-timeout = -1\n";

static void
test_from_directory (void)
{
  g_autofree char *scratch = host_test_scratch ("from");
  g_autofree char *directory = g_build_filename (scratch, "ext", NULL);
  g_autofree char *init = write_file (directory, "__init__.py", "raise SystemError('never run')\n");
  g_autofree char *project = write_file (directory, "pyproject.toml", pyproject);
  g_autofree char *shared = g_build_filename (scratch, "shared", NULL);
  g_autofree char *wheels = g_build_filename (directory, "wheels", NULL);
  g_autofree char *lock = g_build_filename (directory, "locked.txt", NULL);
  g_autoptr (PyIsolateExtensionConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  config = pyisolate_extension_config_new_from_directory (directory, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pyisolate_extension_config_get_name (config), ==, "my-extension");
  g_assert_cmpstr (pyisolate_extension_config_get_module_path (config), ==, directory);
  g_assert_cmpstr (pyisolate_extension_config_get_dependencies (config)[0], ==, "one");
  g_assert_cmpstr (pyisolate_extension_config_get_dependencies (config)[1], ==, "two>=2");
  g_assert_cmpstr (pyisolate_extension_config_get_python (config), ==, ">=3.9");
  g_assert_cmpstr (pyisolate_extension_config_get_apis (config)[0], ==, "database");
  g_assert_cmpstr (pyisolate_extension_config_get_source_paths (config)[0], ==, shared);
  g_assert_cmpstr (pyisolate_extension_config_get_index_url (config), ==,
                   "https://index.invalid/simple");
  g_assert_cmpstr (pyisolate_extension_config_get_extra_index_urls (config)[0], ==,
                   "https://extra.invalid/simple");
  g_assert_cmpstr (pyisolate_extension_config_get_find_links (config)[0], ==, wheels);
  g_assert_cmpstr (pyisolate_extension_config_get_lock_file (config), ==, lock);
  g_assert_true (pyisolate_extension_config_get_allow_source_builds (config));
  g_assert_true (pyisolate_extension_config_get_auto_update (config));
  g_assert_true (pyisolate_extension_config_get_share_torch (config));
  g_assert_true (pyisolate_extension_config_get_kill_on_timeout (config));
  g_assert_cmpint (pyisolate_extension_config_get_call_timeout (config), ==, 1500);
  g_assert_cmpint (pyisolate_extension_config_get_start_timeout (config), ==, 2000);
  g_assert_cmpint (pyisolate_extension_config_get_stop_timeout (config), ==, -1);
}

static void
test_from_others (void)
{
  g_autofree char *scratch = host_test_scratch ("from");
  g_autofree char *requirements = write_file (scratch, "plain/requirements.txt",
                                              "# comment\none\ntwo==2 # why\n");
  g_autofree char *init = write_file (scratch, "plain/__init__.py", "");
  g_autofree char *plain = g_build_filename (scratch, "plain", NULL);
  g_autofree char *script = write_file (scratch, "script.py",
                                        "# /// script\n# dependencies = ['three']\n# ///\nraise SystemError\n");
  g_autofree char *missing = g_build_filename (scratch, "missing", NULL);
  g_autofree char *broken = write_file (scratch, "broken.py",
                                        "# /// script\n# dependencies = [\n# ///\n");
  g_autoptr (PyIsolateExtensionConfig) of_directory = NULL;
  g_autoptr (PyIsolateExtensionConfig) of_file = NULL;
  g_autoptr (GError) error = NULL;

  of_directory = pyisolate_extension_config_new_from_directory (plain, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pyisolate_extension_config_get_name (of_directory), ==, "plain");
  g_assert_cmpuint (g_strv_length ((char **) pyisolate_extension_config_get_dependencies (of_directory)), ==, 2);
  g_assert_cmpstr (pyisolate_extension_config_get_dependencies (of_directory)[1], ==, "two==2");

  of_file = pyisolate_extension_config_new_from_directory (script, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pyisolate_extension_config_get_name (of_file), ==, "script");
  g_assert_cmpstr (pyisolate_extension_config_get_dependencies (of_file)[0], ==, "three");

  g_assert_null (pyisolate_extension_config_new_from_directory (missing, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
  g_clear_error (&error);
  g_assert_null (pyisolate_extension_config_new_from_directory (broken, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
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
  g_autofree char *broken_uv = write_file (scratch, "uv",
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
  test_util_add_func ("/pyisolate/config/properties", test_properties);
  test_util_add_func ("/pyisolate/config/frozen", test_frozen);
  test_util_add_func ("/pyisolate/config/from-directory", test_from_directory);
  test_util_add_func ("/pyisolate/config/from-others", test_from_others);
  test_util_add_func ("/pyisolate/config/environment-errors", test_environment_errors);

  return host_test_run ();
}
