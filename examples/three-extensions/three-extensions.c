/* SPDX-License-Identifier: MIT */
/* A host with three extensions that no single Python process can hold: numpy 1.x beside numpy 2.x.
 *
 * They are loaded and run at the same time. Each leaves its result in the host's singleton
 * "Results"; the host reads it back there, and so does the next extension. One line for each: name,
 * PASSED or FAILED, what it did, numpy, process id.
 */
#include <locale.h>
#include <pyisolate-glib.h>
#include <stdlib.h>

typedef struct
{
  const char *name;
  PyIsolateExtension *extension;
  GVariant *result;             /* what the method returned */
  GError *error;                /* why it failed */
  guint *n_running;
} Part;

static void
part_fail (Part   *part,
           GError *error)
{
  part->error = error;
  (*part->n_running)--;
}

static void
on_processed (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  Part *part = user_data;
  GError *error = NULL;

  part->result = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source), result, &error);
  if (part->result == NULL)
    part_fail (part, error);
  else
    (*part->n_running)--;
}

static void
on_loaded (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  Part *part = user_data;
  GError *error = NULL;

  part->extension = pyisolate_extension_manager_load_extension_finish (PYISOLATE_EXTENSION_MANAGER (source),
                                                                       result, &error);
  if (part->extension == NULL)
    part_fail (part, error);
  else
    pyisolate_extension_call_async (part->extension, "process", NULL, NULL, NULL, on_processed,
                                    part);
}

static gboolean
part_start (Part                      *part,
            PyIsolateExtensionManager *manager,
            const char                *directory,
            GError                   **error)
{
  g_autofree char *path = g_build_filename (directory, part->name, NULL);
  g_autoptr (PyIsolateExtensionConfig) config = pyisolate_extension_config_new_from_directory (path, error);
  const char * const apis[] = { "Results", NULL };

  if (config == NULL)
    return FALSE;
  pyisolate_extension_config_set_apis (config, apis);
  (*part->n_running)++;
  pyisolate_extension_manager_load_extension_async (manager, config, NULL, on_loaded, part);
  return TRUE;
}

/* The singleton: set (name, value) and get (name), for every extension that lists it. */

static void
results_set (PyIsolateProxiedSingleton *singleton,
             PyIsolateInvocation       *invocation,
             gpointer                   user_data)
{
  GHashTable *results = user_data;
  g_autoptr (GVariant) value = NULL;
  const char *name;

  g_variant_get (pyisolate_invocation_get_args (invocation), "(&sv)", &name, &value);
  g_hash_table_insert (results, g_strdup (name), g_steal_pointer (&value));
  pyisolate_invocation_return_value (invocation, NULL);
}

static void
results_get (PyIsolateProxiedSingleton *singleton,
             PyIsolateInvocation       *invocation,
             gpointer                   user_data)
{
  GHashTable *results = user_data;
  const char *name;
  GVariant *value;

  g_variant_get (pyisolate_invocation_get_args (invocation), "(&s)", &name);
  value = g_hash_table_lookup (results, name);
  if (value != NULL)
    pyisolate_invocation_return_value (invocation, value);
  else
    pyisolate_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                                               "nobody has left a result of that name");
}

static PyIsolateProxiedSingleton *
results_new (GHashTable *results,
             GError    **error)
{
  g_autoptr (PyIsolateProxiedSingleton) singleton = pyisolate_proxied_singleton_new ();

  if (!pyisolate_proxied_singleton_add_method (singleton, "set", "sv", "Leave a result.",
                                               results_set, g_hash_table_ref (results),
                                               (GDestroyNotify) g_hash_table_unref, error) ||
      !pyisolate_proxied_singleton_add_method (singleton, "get", "s", "Read a result.", results_get,
                                               g_hash_table_ref (results),
                                               (GDestroyNotify) g_hash_table_unref, error))
    return NULL;
  return g_steal_pointer (&singleton);
}

/* Another extension must read the same finding from the singleton as this host does, and as the
 * method returned. */
static gboolean
part_review (Part       *part,
             Part       *reader,
             GHashTable *results,
             GError    **error)
{
  GVariant *kept = g_hash_table_lookup (results, part->name);
  g_autoptr (GVariant) seen = NULL;
  const char *returned = NULL;
  const char *stored = NULL;

  if (!g_variant_lookup (part->result, "finding", "&s", &returned) ||
      kept == NULL || !g_variant_lookup (kept, "finding", "&s", &stored) ||
      !g_str_equal (returned, stored))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                   "the host holds another result than %s returned", part->name);
      return FALSE;
    }
  seen = pyisolate_extension_call_sync (reader->extension, "review",
                                        g_variant_new ("(s)", part->name), NULL, NULL, error);
  if (seen == NULL)
    return FALSE;
  if (!g_variant_is_of_type (seen, G_VARIANT_TYPE_STRING) ||
      !g_str_equal (g_variant_get_string (seen, NULL), returned))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s read another result of %s",
                   reader->name, part->name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
part_report (Part       *part,
             Part       *reader,
             GHashTable *results)
{
  const char *did = NULL;
  const char *finding = NULL;
  const char *numpy = NULL;
  gint64 pid = 0;

  if (part->error == NULL && reader->extension != NULL)
    part_review (part, reader, results, &part->error);
  if (part->error != NULL)
    {
      /* One line each; what the rest of a message has to say goes elsewhere. */
      g_auto (GStrv) lines = g_strsplit (part->error->message, "\n", 2);

      g_print ("%-16s FAILED  %s\n", part->name, lines[0]);
      if (lines[0] != NULL && lines[1] != NULL)
        g_printerr ("%s: %s\n", part->name, part->error->message);
      return FALSE;
    }
  if (!g_variant_lookup (part->result, "did", "&s", &did) ||
      !g_variant_lookup (part->result, "finding", "&s", &finding) ||
      !g_variant_lookup (part->result, "numpy", "&s", &numpy) ||
      !g_variant_lookup (part->result, "pid", "x", &pid) ||
      pid != pyisolate_extension_get_pid (part->extension))
    {
      g_print ("%-16s FAILED  its result is not complete\n", part->name);
      return FALSE;
    }
  g_print ("%-16s PASSED  %s: %s  [numpy %s, pid %" G_GINT64_FORMAT "]\n",
           part->name, did, finding, numpy, pid);
  return TRUE;
}

static void
part_clear (Part *part)
{
  g_clear_object (&part->extension);
  g_clear_pointer (&part->result, g_variant_unref);
  g_clear_error (&part->error);
}

static gboolean
run (PyIsolateExtensionManager *manager,
     const char                *directory,
     GError                   **error)
{
  guint n_running = 0;
  Part parts[] = {
    { .name = "data-processing", .n_running = &n_running },
    { .name = "array-math", .n_running = &n_running },
    { .name = "web-text", .n_running = &n_running },
  };
  g_autoptr (GHashTable) results = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                                          (GDestroyNotify) g_variant_unref);
  g_autoptr (PyIsolateProxiedSingleton) singleton = results_new (results, error);
  gboolean good = TRUE;

  if (singleton == NULL ||
      !pyisolate_extension_manager_add_singleton (manager, "Results", singleton, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      GError *start_error = NULL;

      if (!part_start (&parts[i], manager, directory, &start_error))
        parts[i].error = start_error;
    }
  while (n_running > 0)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    good &= part_report (&parts[i], &parts[(i + 1) % G_N_ELEMENTS (parts)], results);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    part_clear (&parts[i]);
  return pyisolate_extension_manager_stop_all_sync (manager, NULL, error) && good;
}

int
main (int   argc,
      char *argv[])
{
  g_autofree char *venv_root = NULL;
  g_autofree char *python = NULL;
  const GOptionEntry entries[] = {
    { "venv-root", 0, 0, G_OPTION_ARG_FILENAME, &venv_root, "Where environments are kept", "DIR" },
    { "python", 0, 0, G_OPTION_ARG_FILENAME, &python, "The interpreter of the extensions (3.9 to 3.12)", "PYTHON" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[DIRECTORY]");
  g_autoptr (PyIsolateExtensionManager) manager = NULL;
  g_autoptr (GError) error = NULL;
  gboolean good;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      g_printerr ("%s\n", error->message);
      return 2;
    }
  manager = pyisolate_extension_manager_new (venv_root);
  if (python != NULL)
    pyisolate_extension_manager_set_python (manager, python);
  good = run (manager, argc > 1 ? argv[1] : EXTENSIONS_DIR, &error);
  if (error != NULL)
    g_printerr ("%s\n", error->message);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
