/* SPDX-License-Identifier: MIT */
/* A configuration as an object: its properties, where it comes from, and what becomes of it. */
#include "config.h"

#include "host-fixture.h"

#include <glib/gstdio.h>

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

static void
test_part_of_itself (void)
{
  g_autoptr (PyIsolateExtensionConfig) config = pyisolate_extension_config_new ("subject", "file:///a/path");
  g_autoptr (PyIsolateExtensionManager) manager = pyisolate_extension_manager_new (NULL);

  pyisolate_extension_config_set_module_path (config, pyisolate_extension_config_get_module_path (config) + strlen ("file://"));
  g_assert_cmpstr (pyisolate_extension_config_get_module_path (config), ==, "/a/path");

  pyisolate_extension_manager_set_python (manager, "which python3");
  pyisolate_extension_manager_set_python (manager, pyisolate_extension_manager_get_python (manager) + strlen ("which "));
  g_assert_cmpstr (pyisolate_extension_manager_get_python (manager), ==, "python3");
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
  g_autofree char *init = host_write_file (directory, "__init__.py", "raise SystemError('never run')\n");
  g_autofree char *project = host_write_file (directory, "pyproject.toml", pyproject);
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
  g_autofree char *requirements = host_write_file (scratch, "plain/requirements.txt",
                                              "# comment\none\ntwo==2 # why\n");
  g_autofree char *init = host_write_file (scratch, "plain/__init__.py", "");
  g_autofree char *plain = g_build_filename (scratch, "plain", NULL);
  g_autofree char *script = host_write_file (scratch, "script.py",
                                        "# /// script\n# dependencies = ['three']\n# ///\nraise SystemError\n");
  g_autofree char *missing = g_build_filename (scratch, "missing", NULL);
  g_autofree char *broken = host_write_file (scratch, "broken.py",
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

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/config-object/properties", test_properties);
  test_util_add_func ("/pyisolate/config-object/part-of-itself", test_part_of_itself);
  test_util_add_func ("/pyisolate/config-object/frozen", test_frozen);
  test_util_add_func ("/pyisolate/config-object/from-directory", test_from_directory);
  test_util_add_func ("/pyisolate/config-object/from-others", test_from_others);

  return host_test_run ();
}
