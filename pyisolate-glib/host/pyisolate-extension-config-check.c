/* SPDX-License-Identifier: MIT */
/* What a configuration may hold, as far as it can be told before anything is started; and where one
 * comes from. */
#include "config.h"

#include "pyisolate-extension-config-struct-private.h"

#include "pyisolate-error.h"

#include <stdlib.h>
#include <string.h>

static gboolean G_GNUC_PRINTF (2, 3)
bad_config (GError     **error,
            const char  *format,
            ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG, message);

  return FALSE;
}

static gboolean
check_name (const char  *name,
            GError     **error)
{
  if (name == NULL || *name == '\0')
    return bad_config (error, "An extension must have a name");
  if (!g_utf8_validate (name, -1, NULL))
    return bad_config (error, "The name of an extension must be valid UTF-8");
  if (g_str_equal (name, ".") || g_str_equal (name, ".."))
    return bad_config (error, "“%s” cannot be the name of an extension", name);
  if (strlen (name) > 128)
    return bad_config (error, "The name “%.32s…” of an extension is longer than 128 bytes", name);

  for (const char *c = name; *c != '\0'; c = g_utf8_next_char (c))
    {
      gunichar character = g_utf8_get_char (c);

      if (character == '/' || g_unichar_iscntrl (character))
        return bad_config (error,
                           "The name “%s” of an extension has a slash or a control character in it",
                           name);
    }

  return TRUE;
}

/* The worker is told of it as text. */
static gboolean
check_is_text (const char  *name,
               const char  *path,
               GError     **error)
{
  g_autofree char *shown = NULL;

  if (g_utf8_validate (path, -1, NULL))
    return TRUE;

  shown = g_filename_display_name (path);
  return bad_config (error, "The path “%s” of the extension “%s” is not valid UTF-8", shown, name);
}

static gboolean
check_module_path (const char  *name,
                   const char  *path,
                   GError     **error)
{
  g_autofree char *real = NULL;
  g_autofree char *init = NULL;

  if (path == NULL || *path == '\0')
    return bad_config (error, "The extension “%s” has no module path", name);

  if (!check_is_text (name, path, error))
    return FALSE;
  real = realpath (path, NULL);
  if (real == NULL)
    return bad_config (error, "The module path “%s” of the extension “%s” cannot be used: %s", path,
                       name, g_strerror (errno));
  if (!check_is_text (name, real, error))
    return FALSE;

  if (!g_file_test (real, G_FILE_TEST_IS_DIR))
    {
      if (g_str_has_suffix (real, ".py"))
        return TRUE;
      return bad_config (error, "The module path “%s” of the extension “%s” is neither a directory nor a .py file", path,
                         name);
    }

  init = g_build_filename (real, "__init__.py", NULL);
  if (!g_file_test (init, G_FILE_TEST_IS_REGULAR))
    return bad_config (error, "The directory “%s” of the extension “%s” has no __init__.py", path,
                       name);

  return TRUE;
}

static gboolean
check_variables (const char         *name,
                 const char *const  *variables,
                 GError            **error)
{
  for (guint i = 0; variables[i] != NULL; i++)
    {
      const char *equals = strchr (variables[i], '=');

      if (equals == NULL || equals == variables[i])
        return bad_config (error, "The environment variable “%s” of the extension “%s” is not of the form KEY=value",
                           variables[i], name);
      if (g_str_has_prefix (variables[i], "PYISOLATE_"))
        return bad_config (error, "The environment variable “%.*s” of the extension “%s” is the library's own",
                           (int) (equals - variables[i]), variables[i], name);
    }

  return TRUE;
}

static gboolean
check_source_paths (const char         *name,
                    const char *const  *paths,
                    GError            **error)
{
  for (guint i = 0; paths[i] != NULL; i++)
    {
      if (!check_is_text (name, paths[i], error))
        return FALSE;
      if (!g_file_test (paths[i], G_FILE_TEST_IS_DIR))
        return bad_config (error, "The source path “%s” of the extension “%s” is not a directory",
                           paths[i], name);
    }

  return TRUE;
}

/**
 * pyisolate_extension_config_validate:
 * @self: a configuration
 * @error: return location for an error
 *
 * Checks what can be checked without a manager and without starting anything. Loading does it too.
 *
 * Returns: %FALSE with @error set, mostly to %PYISOLATE_ERROR_BAD_CONFIG, if it cannot work
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_config_validate (PyIsolateExtensionConfig  *self,
                                     GError                   **error)
{
  const char *name;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  name = pyisolate_extension_config_get_name (self);
  if (!check_name (name, error) ||
      !check_module_path (name, pyisolate_extension_config_get_module_path (self), error) ||
      !check_variables (name, pyisolate_extension_config_get_environment_variables (self), error) ||
      !check_source_paths (name, pyisolate_extension_config_get_source_paths (self), error))
    return FALSE;

  if (!pyisolate_extension_config_get_isolated (self))
    return bad_config (error, "The extension “%s” is not to be isolated, but its host has no Python in its own process",
                       name);

  return TRUE;
}

static char **
dup_list (const char *const *list)
{
  return g_strdupv ((char **) list);
}

PyIsolateEnvironmentRequest *
_pyisolate_extension_config_make_request (PyIsolateExtensionConfig *self,
                                          const char               *venv_root)
{
  PyIsolateEnvironmentRequest *request = _pyisolate_environment_request_new (venv_root);
  const char *module_path = pyisolate_extension_config_get_module_path (self);
  const char *lock_file = pyisolate_extension_config_get_lock_file (self);

  if (g_file_test (module_path, G_FILE_TEST_IS_DIR))
    request->base_directory = g_strdup (module_path);
  else
    request->base_directory = g_path_get_dirname (module_path);

  request->extension_name = g_strdup (pyisolate_extension_config_get_name (self));
  request->python = g_strdup (pyisolate_extension_config_get_python (self));
  request->requires_python = g_strdup (self->requires_python);
  request->environment = g_strdup (pyisolate_extension_config_get_environment (self));
  request->dependencies = dup_list (pyisolate_extension_config_get_dependencies (self));
  request->find_links = dup_list (pyisolate_extension_config_get_find_links (self));
  request->extra_index_urls = dup_list (pyisolate_extension_config_get_extra_index_urls (self));
  request->index_url = g_strdup (pyisolate_extension_config_get_index_url (self));
  request->lock_file = lock_file != NULL ? g_canonicalize_filename (lock_file, NULL) : NULL;
  request->allow_source_builds = pyisolate_extension_config_get_allow_source_builds (self);
  request->auto_update = pyisolate_extension_config_get_auto_update (self);

  return request;
}

void
_pyisolate_extension_config_resolve_paths (PyIsolateExtensionConfig *self)
{
  g_autofree char *real = realpath (pyisolate_extension_config_get_module_path (self), NULL);
  g_auto (GStrv) paths = dup_list (pyisolate_extension_config_get_source_paths (self));

  if (real != NULL)
    pyisolate_extension_config_set_module_path (self, real);

  for (guint i = 0; paths[i] != NULL; i++)
    {
      char *absolute = g_canonicalize_filename (paths[i], NULL);

      g_free (paths[i]);
      paths[i] = absolute;
    }
  pyisolate_extension_config_set_source_paths (self, (const char *const *) paths);
}

static void
set_times (PyIsolateExtensionConfig *self,
           PyIsolateProjectMetadata *metadata)
{
  if (metadata->call_timeout != PYISOLATE_PROJECT_UNSET)
    pyisolate_extension_config_set_call_timeout (self, metadata->call_timeout);
  if (metadata->start_timeout != PYISOLATE_PROJECT_UNSET)
    pyisolate_extension_config_set_start_timeout (self, metadata->start_timeout);
  if (metadata->stop_timeout != PYISOLATE_PROJECT_UNSET)
    pyisolate_extension_config_set_stop_timeout (self, metadata->stop_timeout);
}

static void
set_flags (PyIsolateExtensionConfig *self,
           PyIsolateProjectMetadata *metadata)
{
  if (metadata->allow_source_builds >= 0)
    pyisolate_extension_config_set_allow_source_builds (self, metadata->allow_source_builds);
  if (metadata->auto_update >= 0)
    pyisolate_extension_config_set_auto_update (self, metadata->auto_update);
  if (metadata->share_torch >= 0)
    pyisolate_extension_config_set_share_torch (self, metadata->share_torch);
  if (metadata->kill_on_timeout >= 0)
    pyisolate_extension_config_set_kill_on_timeout (self, metadata->kill_on_timeout);
}

/**
 * pyisolate_extension_config_new_from_directory:
 * @path: (type filename): an extension: a directory, or a single `.py` file
 * @error: return location for an error
 *
 * Creates a configuration from what the extension says of itself: its `pyproject.toml` (name,
 * dependencies, `requires-python`, and the table `[tool.pyisolate]`, whose keys are named as the
 * properties of this class that an extension may set for itself, with times in seconds;
 * docs/extension-authors.md lists them), or its `requirements.txt`, or the inline script metadata of a single file.
 *
 * It reads TOML by Python, so it blocks for some milliseconds.
 *
 * Fails with %PYISOLATE_ERROR_BAD_CONFIG if there is no extension, or what it says cannot be read or cannot work. The Python is
 * one on PATH, else one that uv finds; with neither it fails with %PYISOLATE_ERROR_UV_MISSING or
 * %PYISOLATE_ERROR_PYTHON_NOT_FOUND, whatever [property@PyIsolate.ExtensionManager:python] is.
 *
 * Returns: (transfer full): a new configuration, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateExtensionConfig *
pyisolate_extension_config_new_from_directory (const char  *path,
                                               GError     **error)
{
  g_autoptr (PyIsolateProjectMetadata) metadata = NULL;
  PyIsolateExtensionConfig *self;

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  metadata = _pyisolate_project_read (path, NULL, NULL, NULL, error);
  if (metadata == NULL)
    return NULL;

  self = pyisolate_extension_config_new (metadata->name, metadata->module_path);
  pyisolate_extension_config_set_dependencies (self, (const char *const *) metadata->dependencies);
  pyisolate_extension_config_set_apis (self, (const char *const *) metadata->apis);
  pyisolate_extension_config_set_source_paths (self, (const char *const *) metadata->source_paths);
  pyisolate_extension_config_set_find_links (self, (const char *const *) metadata->find_links);
  pyisolate_extension_config_set_extra_index_urls (self, (const char *const *) metadata->extra_index_urls);
  pyisolate_extension_config_set_index_url (self, metadata->index_url);
  pyisolate_extension_config_set_lock_file (self, metadata->lock_file);
  pyisolate_extension_config_set_python (self,
                                         metadata->python != NULL ? metadata->python
                                         : metadata->requires_python);
  self->requires_python = g_strdup (metadata->requires_python);
  set_times (self, metadata);
  set_flags (self, metadata);

  return self;
}
