/* SPDX-License-Identifier: MIT */
/* What an extension says about itself: pyproject.toml, requirements.txt, or the metadata in a
 * single file. Read by Python, in a process of its own that imports nothing of it
 * (read-project.py).
 */
#include "config.h"

#include "pyisolate-environment-private.h"

#include "pyisolate-env-interpreter-private.h"
#include "pyisolate-env-script-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-env-uv-private.h"
#include "pyisolate-error.h"

#define READER "read-project.py"
#define READ_TIMEOUT 30000

void
_pyisolate_project_metadata_free (PyIsolateProjectMetadata *self)
{
  g_free (self->name);
  g_free (self->module_path);
  g_strfreev (self->dependencies);
  g_free (self->requires_python);
  g_strfreev (self->apis);
  g_strfreev (self->source_paths);
  g_free (self->index_url);
  g_strfreev (self->extra_index_urls);
  g_strfreev (self->find_links);
  g_free (self->lock_file);
  g_free (self->python);
  g_free (self);
}

static char **
optional_strv (JsonObject *object,
               const char *name)
{
  return json_object_has_member (object, name) ? _pyisolate_env_json_strv (object, name) : NULL;
}

static int
optional_boolean (JsonObject *object,
                  const char *name)
{
  return json_object_has_member (object, name) ? json_object_get_boolean_member (object, name) : -1;
}

static gint64
optional_time (JsonObject *object,
               const char *name)
{
  return json_object_get_int_member_with_default (object, name, PYISOLATE_PROJECT_UNSET);
}

/* The script has checked every type. */
static PyIsolateProjectMetadata *
metadata_from_json (JsonObject *object,
                    const char *module_path)
{
  PyIsolateProjectMetadata *self = g_new0 (PyIsolateProjectMetadata, 1);

  self->module_path = g_strdup (module_path);
  self->name = g_strdup (_pyisolate_env_json_string (object, "name"));
  self->dependencies = _pyisolate_env_json_strv (object, "dependencies");
  self->requires_python =
    g_strdup (json_object_get_string_member_with_default (object, "requires-python", NULL));
  self->apis = optional_strv (object, "apis");
  self->source_paths = optional_strv (object, "source-paths");
  self->index_url =
    g_strdup (json_object_get_string_member_with_default (object, "index-url", NULL));
  self->extra_index_urls = optional_strv (object, "extra-index-urls");
  self->find_links = optional_strv (object, "find-links");
  self->lock_file =
    g_strdup (json_object_get_string_member_with_default (object, "lock-file", NULL));
  self->python = g_strdup (json_object_get_string_member_with_default (object, "python", NULL));
  self->allow_source_builds = optional_boolean (object, "allow-source-builds");
  self->auto_update = optional_boolean (object, "auto-update");
  self->share_torch = optional_boolean (object, "share-torch");
  self->kill_on_timeout = optional_boolean (object, "kill-on-timeout");
  self->call_timeout = optional_time (object, "call-timeout");
  self->start_timeout = optional_time (object, "start-timeout");
  self->stop_timeout = optional_time (object, "stop-timeout");

  return self;
}

/* The object inside "ok", or the error that the reader gave. @no_toml: it lacks a TOML reader. */
static JsonObject *
take_answer (JsonObject  *answer,
             const char  *path,
             gboolean    *no_toml,
             GError     **error)
{
  g_autoptr (JsonObject) object = answer;
  const char *message = object != NULL ? _pyisolate_env_json_string (object, "error") : NULL;

  if (object != NULL && json_object_has_member (object, "ok"))
    return json_object_ref (json_object_get_object_member (object, "ok"));

  *no_toml =
    message != NULL && g_strcmp0 (_pyisolate_env_json_string (object, "code"), "no-toml") == 0;
  if (message != NULL)
    g_set_error_literal (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG, message);
  else
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED,
                 "Cannot read the metadata of %s: no answer", path);

  return NULL;
}

static JsonObject *
read_with (const char    *python,
           const char    *path,
           gboolean      *no_toml,
           GCancellable  *cancellable,
           GError       **error)
{
  const char *const arguments[] = { path, NULL };
  g_autofree char *complaint =
    g_strdup_printf ("Cannot read the metadata of %s with %s", path, python);
  PyIsolateEnvScript script = {
    .name = READER,
    .python = python,
    .arguments = arguments,
    .lock_fd = -1,
    .timeout = READ_TIMEOUT,
    .error_code = PYISOLATE_ERROR_FAILED,
    .complaint = complaint,
  };
  JsonObject *answer = _pyisolate_env_script_read (&script, cancellable, error);

  return answer != NULL ? take_answer (answer, path, no_toml, error) : NULL;
}

/* No interpreter here reads TOML: uv gets one a reader, or gets one. What lies in the current
 * directory is no module for it (-I). */
static JsonObject *
read_with_uv (const char    *uv_path,
              const char    *path,
              GCancellable  *cancellable,
              GError       **error)
{
  const char *const argv[] = { "run", "--no-project", "--isolated", "--with", "tomli", "--",
                               "python", "-I", "-", path, NULL };
  g_autoptr (PyIsolateEnvironmentRequest) request = _pyisolate_environment_request_new ("/");
  g_autofree char *script = _pyisolate_env_script_dup (READER);
  g_autoptr (PyIsolateEnvUv) uv = NULL;
  g_autofree char *out = NULL;
  gboolean no_toml;

  request->uv_path = g_strdup (uv_path);
  uv = _pyisolate_env_uv_new (request, error);
  if (uv == NULL || !_pyisolate_env_uv_run (uv, argv, script, -1, NULL, &out, cancellable, error))
    {
      g_prefix_error (error, "Reading %s needs Python 3.11 or later, or the package tomli: ", path);
      return NULL;
    }

  return take_answer (_pyisolate_env_json_parse (out, -1), path, &no_toml, error);
}

/* Those at hand, the default one first: it can do all but TOML if it is old. */
static GPtrArray *
candidates (const char *default_python)
{
  static const char *const names[] = { "python3", "python3.11", "python3.12", "python3.13",
                                       "python3.14", "python3.15" };
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);

  if (default_python != NULL && g_path_is_absolute (default_python))
    g_ptr_array_add (found, g_strdup (default_python));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_ptr_array_extend_and_steal (found, _pyisolate_env_interpreter_find (names[i], NULL));

  return found;
}

static gboolean
check_path (const char  *path,
            gboolean     is_file,
            GError     **error)
{
  g_autofree char *shown = g_filename_display_name (path);
  const char *trouble = NULL;

  if (!is_file && !g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG, "There is no extension %s",
                   shown);
      return FALSE;
    }
  if (is_file && !g_str_has_suffix (path, ".py"))
    trouble = "is neither a directory nor a .py file";
  else if (!g_utf8_validate (path, -1, NULL))
    trouble = "is a path that is not valid UTF-8";
  if (trouble != NULL)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG, "%s %s", shown, trouble);

  return trouble == NULL;
}

PyIsolateProjectMetadata *
_pyisolate_project_read (const char    *path,
                         const char    *uv_path,
                         const char    *default_python,
                         GCancellable  *cancellable,
                         GError       **error)
{
  g_autofree char *canonical = g_canonicalize_filename (path, NULL);
  g_autoptr (GPtrArray) pythons = candidates (default_python);
  g_autoptr (JsonObject) object = NULL;
  g_autoptr (GError) local_error = NULL;
  gboolean is_file = g_file_test (canonical, G_FILE_TEST_IS_REGULAR);

  if (!check_path (canonical, is_file, error))
    return NULL;

  for (guint i = 0; i < pythons->len && object == NULL; i++)
    {
      gboolean no_toml = FALSE;

      g_clear_error (&local_error);
      object = read_with (g_ptr_array_index (pythons, i), canonical, &no_toml, cancellable,
                          &local_error);
      /* A refusal is the same everywhere; an interpreter that cannot even run the reader says
       * nothing about the extension. */
      if (object == NULL && !no_toml &&
          !g_error_matches (local_error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
    }
  if (object == NULL)
    object = read_with_uv (uv_path, canonical, cancellable, error);
  if (object == NULL)
    return NULL;

  return metadata_from_json (object, canonical);
}
