/* SPDX-License-Identifier: MIT */
/* The manager: the list of extensions, and what else it has. */
#include "config.h"

#include "host-fixture.h"

/* What the manager tells, a line each. */
typedef struct {
  PyIsolateExtensionManager *manager;
  GString *log;
} Diary;

static void
on_items_changed (GListModel *model,
                  guint       position,
                  guint       removed,
                  guint       added,
                  Diary      *diary)
{
  g_string_append_printf (diary->log, "items %u-%u+%u=%u ", position, removed, added,
                          g_list_model_get_n_items (model));
}

static void
on_added (PyIsolateExtensionManager *manager,
          PyIsolateExtension        *extension,
          Diary                     *diary)
{
  g_assert_true (pyisolate_extension_manager_get_extension (manager, pyisolate_extension_get_name (extension)) == extension);
  g_string_append_printf (diary->log, "added:%s ", pyisolate_extension_get_name (extension));
}

static void
on_removed (PyIsolateExtensionManager *manager,
            PyIsolateExtension        *extension,
            Diary                     *diary)
{
  g_assert_true (pyisolate_extension_manager_get_extension (manager, pyisolate_extension_get_name (extension)) != extension);
  g_string_append_printf (diary->log, "removed:%s ", pyisolate_extension_get_name (extension));
}

static void
on_n_items (PyIsolateExtensionManager *manager,
            GParamSpec                *pspec,
            Diary                     *diary)
{
  g_string_append (diary->log, "n-items ");
}

static Diary *
diary_new (PyIsolateExtensionManager *manager)
{
  Diary *diary = g_new0 (Diary, 1);

  diary->manager = g_object_ref (manager);
  diary->log = g_string_new (NULL);
  g_signal_connect (manager, "items-changed", G_CALLBACK (on_items_changed), diary);
  g_signal_connect (manager, "extension-added", G_CALLBACK (on_added), diary);
  g_signal_connect (manager, "extension-removed", G_CALLBACK (on_removed), diary);
  g_signal_connect (manager, "notify::n-items", G_CALLBACK (on_n_items), diary);

  return diary;
}

static void
diary_free (Diary *diary)
{
  g_signal_handlers_disconnect_by_data (diary->manager, diary);
  g_object_unref (diary->manager);
  g_string_free (diary->log, TRUE);
  g_free (diary);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Diary, diary_free)

static void
assert_diary (Diary      *diary,
              const char *expected)
{
  g_assert_cmpstr (diary->log->str, ==, expected);
  g_string_truncate (diary->log, 0);
}

static void
stop (PyIsolateExtension *extension)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, &error));
  g_assert_no_error (error);
}

static void
on_notify (GObject    *object,
           GParamSpec *pspec,
           guint      *n_notified)
{
  (*n_notified)++;
}

static void
test_properties (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtensionManager *manager = test->manager;
  g_autoptr (PyIsolateExtensionManager) other = NULL;
  g_autofree char *root = g_build_filename (g_get_user_cache_dir (), "pyisolate-glib", NULL);
  guint n_notified = 0;

  g_assert_true (g_list_model_get_item_type (G_LIST_MODEL (manager)) == PYISOLATE_TYPE_EXTENSION);
  g_assert_cmpuint (pyisolate_extension_manager_get_max_parallel_installs (manager), ==, 2);
  g_assert_cmpuint (pyisolate_extension_manager_get_max_parallel_starts (manager), ==, 4);
  g_assert_cmpfloat (pyisolate_extension_manager_get_progress (manager), ==, 1);
  g_assert_nonnull (pyisolate_extension_manager_get_application_id (manager));
  g_assert_null (pyisolate_extension_manager_get_uv_path (manager));

  g_signal_connect (manager, "notify", G_CALLBACK (on_notify), &n_notified);
  pyisolate_extension_manager_set_python (manager, host_test_python ());
  pyisolate_extension_manager_set_uv_path (manager, NULL);
  pyisolate_extension_manager_set_max_parallel_installs (manager, 2);
  pyisolate_extension_manager_set_max_parallel_starts (manager, 4);
  g_assert_cmpuint (n_notified, ==, 0);
  pyisolate_extension_manager_set_python (manager, "/other");
  pyisolate_extension_manager_set_uv_path (manager, "/uv");
  pyisolate_extension_manager_set_max_parallel_installs (manager, 3);
  pyisolate_extension_manager_set_max_parallel_starts (manager, 5);
  g_assert_cmpuint (n_notified, ==, 4);
  g_assert_cmpstr (pyisolate_extension_manager_get_python (manager), ==, "/other");
  g_assert_cmpstr (pyisolate_extension_manager_get_uv_path (manager), ==, "/uv");
  g_assert_cmpuint (pyisolate_extension_manager_get_max_parallel_installs (manager), ==, 3);
  g_assert_cmpuint (pyisolate_extension_manager_get_max_parallel_starts (manager), ==, 5);
  g_signal_handlers_disconnect_by_data (manager, &n_notified);

  other = pyisolate_extension_manager_new (NULL);
  g_assert_cmpstr (pyisolate_extension_manager_get_venv_root (other), ==, root);
}

/* In which directory of the state directories an extension of such an application would live. */
static void
assert_state (const char *application_id,
              const char *expected)
{
  g_autoptr (PyIsolateExtensionManager) manager = g_object_new (PYISOLATE_TYPE_EXTENSION_MANAGER,
                                                                "application-id", application_id, NULL);
  g_autoptr (PyIsolateExtensionConfig) config = host_config ("state", "basic");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = g_build_filename (g_get_user_state_dir (), "pyisolate-glib", expected, "state", NULL);
  PyIsolateExtension *extension;

  g_cancellable_cancel (cancellable); /* it gets its row all the same */
  pyisolate_extension_manager_load_extension_async (manager, config, cancellable, host_store, &result);
  extension = pyisolate_extension_manager_get_extension (manager, "state");
  g_assert_cmpstr (pyisolate_extension_get_state_directory (extension), ==, directory);
  g_assert_true (g_file_test (directory, G_FILE_TEST_IS_DIR));

  host_wait_result (&result);
  g_assert_null (pyisolate_extension_manager_load_extension_finish (manager, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_application_id (void)
{
  g_autofree char *told = g_strdup (g_get_prgname ());
  g_autofree char *path = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *program = g_path_get_basename (path);

  assert_state ("org.example.App", "org.example.App");
  assert_state ("a/b", "a%2Fb");
  assert_state (".", "%2E");
  assert_state ("..", "%2E%2E");

  g_set_prgname ("told");
  assert_state (NULL, "told");
  assert_state ("", "told");

  /* As in a program that never told GLib its name. */
  g_set_prgname (NULL);
  assert_state (NULL, program);
  g_set_prgname (told);
}

static void
test_dispose (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  int pid = pyisolate_extension_get_pid (extension);

  g_assert_cmpint (pid, >, 0);
  for (guint i = 0; i < 3; i++)
    g_object_run_dispose (G_OBJECT (test->manager));
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (test->manager)), ==, 0);
  g_assert_true (test_util_wait_process_gone (pid, HOST_TEST_TIMEOUT_MS));
}

/* An extension that is held longer than its manager is still one, only stopped. */
static void
test_drop_manager (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateExtension) extension = g_object_ref (host_test_load (test, "basic"));
  g_autoptr (HostNews) news = host_news_new (extension);
  g_autoptr (GError) error = NULL;

  host_test_drop_manager (test);
  host_news_wait_exited (news, PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL);
  host_wait_state (extension, PYISOLATE_EXTENSION_STATE_FAILED);
  error = host_call_error (extension, "add", "(1, 2)", PYISOLATE_ERROR_NOT_RUNNING);
  g_assert_cmpint (pyisolate_extension_get_pid (extension), ==, 0);
  g_assert_cmpuint (pyisolate_extension_get_memory_usage (extension), ==, 0);
  for (guint i = 0; i < 3; i++)
    g_object_run_dispose (G_OBJECT (extension));
}

typedef struct {
  PyIsolateExtensionManager *manager;
  gboolean is_gone;
  PyIsolateExtension *found;
  guint n_items;
} Going;

static void
on_going (gpointer  data,
          GObject  *where_it_is)
{
  Going *going = data;

  going->found = pyisolate_extension_manager_get_extension (going->manager, "basic");
  going->n_items = g_list_model_get_n_items (G_LIST_MODEL (going->manager));
  going->is_gone = TRUE;
}

/* Whoever learns that an extension goes with its manager does not find it there any more. */
static void
test_rows_at_end (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "basic");
  Going going = { test->manager, FALSE, NULL, 0 };

  g_object_weak_ref (G_OBJECT (extension), on_going, &going);
  stop (extension);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  for (guint i = 0; i < 3; i++)
    g_object_run_dispose (G_OBJECT (test->manager));
  test_util_assert_until (test_util_is_true, &going.is_gone, HOST_TEST_TIMEOUT_MS);
  g_assert_null (going.found);
  g_assert_cmpuint (going.n_items, ==, 0);
}

static void
test_list_model (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (Diary) diary = diary_new (test->manager);
  GListModel *model = G_LIST_MODEL (test->manager);
  g_autoptr (PyIsolateExtension) first = NULL;
  g_autoptr (PyIsolateExtension) again = NULL;
  g_autoptr (GError) error = NULL;

  first = g_object_ref (host_test_load_config (test, host_config ("a", "basic")));
  assert_diary (diary, "items 0-0+1=1 n-items added:a ");
  host_test_load_config (test, host_config ("b", "basic"));
  assert_diary (diary, "items 1-0+1=2 n-items added:b ");
  g_assert_true (pyisolate_extension_manager_get_extension (test->manager, "a") == first);
  g_assert_null (pyisolate_extension_manager_get_extension (test->manager, "c"));
  g_assert_null (g_list_model_get_item (model, 2));

  /* What runs keeps its row and its name. */
  error = host_test_fail_load (test, host_config ("a", "basic"), PYISOLATE_ERROR_BAD_CONFIG);
  host_assert_message (error, "*“a” already*");
  g_clear_error (&error);
  g_assert_false (pyisolate_extension_manager_remove_extension (test->manager, "a", &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
  g_clear_error (&error);
  assert_diary (diary, "");

  /* What has stopped stays, until another one of the name takes the row. */
  stop (first);
  assert_diary (diary, "");
  g_assert_cmpuint (g_list_model_get_n_items (model), ==, 2);
  again = g_object_ref (host_test_load_config (test, host_config ("a", "basic")));
  assert_diary (diary, "items 0-1+1=2 removed:a added:a ");
  g_assert_true (again != first);
  g_assert_true (pyisolate_extension_manager_get_extension (test->manager, "a") == again);
  host_assert_result (again, "add", "(1, 2)", "int64 3");

  stop (again);
  g_assert_true (pyisolate_extension_manager_remove_extension (test->manager, "a", &error));
  g_assert_no_error (error);
  assert_diary (diary, "items 0-1+0=1 n-items removed:a ");
  g_assert_false (pyisolate_extension_manager_remove_extension (test->manager, "a", &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
}

static void
test_stop_cancelled (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateExtension *extension = host_test_load (test, "basic");

  pyisolate_extension_stop_async (extension, cancellable, host_store, &result);
  g_cancellable_cancel (cancellable);
  g_assert_null (result);
  host_wait_result (&result);
  g_assert_false (pyisolate_extension_stop_finish (extension, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  /* It stops all the same. */
  host_wait_state (extension, PYISOLATE_EXTENSION_STATE_STOPPED);
}

static void
test_singletons (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (PyIsolateProxiedSingleton) singleton = pyisolate_proxied_singleton_new ();
  g_autoptr (GError) error = NULL;
  const char *const bad[] = { "", "a\377", "org.pyisolate.Host", "good" };

  g_assert_true (pyisolate_extension_manager_add_singleton (test->manager, "good", singleton,
                                                            &error));
  g_assert_no_error (error);
  g_assert_true (pyisolate_extension_manager_get_singleton (test->manager, "good") == singleton);
  g_assert_null (pyisolate_extension_manager_get_singleton (test->manager, "other"));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_false (pyisolate_extension_manager_add_singleton (test->manager, bad[i], singleton,
                                                                 &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG);
      g_clear_error (&error);
    }
}

/* One directory at once with two names, two managers with one root. */
static void
test_two_managers (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  g_autoptr (HostTest) other = host_test_new ();
  PyIsolateExtension *a = host_test_load_config (test, host_config ("same", "basic"));
  PyIsolateExtension *b = host_test_load_config (other, host_config ("same", "basic"));

  host_assert_result (a, "add", "(1, 2)", "int64 3");
  host_test_drop_manager (test);
  host_assert_result (b, "add", "(1, 2)", "int64 3");
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/manager/properties", test_properties);
  test_util_add_func ("/pyisolate/manager/application-id", test_application_id);
  test_util_add_func ("/pyisolate/manager/dispose", test_dispose);
  test_util_add_func ("/pyisolate/manager/drop-manager", test_drop_manager);
  test_util_add_func ("/pyisolate/manager/rows-at-end", test_rows_at_end);
  test_util_add_func ("/pyisolate/manager/list-model", test_list_model);
  test_util_add_func ("/pyisolate/manager/stop-cancelled", test_stop_cancelled);
  test_util_add_func ("/pyisolate/manager/singletons", test_singletons);
  test_util_add_func ("/pyisolate/manager/two-managers", test_two_managers);

  return host_test_run ();
}
