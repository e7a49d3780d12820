/* SPDX-License-Identifier: MIT */
/* A request, and what can be told about it by looking. */
#include "config.h"

#include "pyisolate-environment-private.h"

#include "pyisolate-env-ensure-private.h"
#include "pyisolate-env-interpreter-private.h"
#include "pyisolate-env-lock-private.h"
#include "pyisolate-env-redact-private.h"
#include "pyisolate-env-requirement-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <string.h>
#include <unistd.h>

PyIsolateEnvironmentRequest *
_pyisolate_environment_request_new (const char *venv_root)
{
  PyIsolateEnvironmentRequest *self = g_new0 (PyIsolateEnvironmentRequest, 1);

  self->venv_root = g_strdup (venv_root);

  return self;
}

static PyIsolateEnvironmentRequest *
copy_request (const PyIsolateEnvironmentRequest *self)
{
  PyIsolateEnvironmentRequest *copy = g_memdup2 (self, sizeof *self);

  copy->venv_root = g_strdup (self->venv_root);
  copy->base_directory = g_strdup (self->base_directory);
  copy->uv_path = g_strdup (self->uv_path);
  copy->launcher_path = g_strdup (self->launcher_path);
  copy->python = g_strdup (self->python);
  copy->default_python = g_strdup (self->default_python);
  copy->requires_python = g_strdup (self->requires_python);
  copy->dependencies = g_strdupv (self->dependencies);
  copy->find_links = g_strdupv (self->find_links);
  copy->extra_index_urls = g_strdupv (self->extra_index_urls);
  copy->index_url = g_strdup (self->index_url);
  copy->lock_file = g_strdup (self->lock_file);
  copy->environment = g_strdup (self->environment);
  copy->torch_environment = g_strdup (self->torch_environment);
  copy->extension_name = g_strdup (self->extension_name);

  return copy;
}

void
_pyisolate_environment_request_free (PyIsolateEnvironmentRequest *self)
{
  g_free (self->venv_root);
  g_free (self->base_directory);
  g_free (self->uv_path);
  g_free (self->launcher_path);
  g_free (self->python);
  g_free (self->default_python);
  g_free (self->requires_python);
  g_strfreev (self->dependencies);
  g_strfreev (self->find_links);
  g_strfreev (self->extra_index_urls);
  g_free (self->index_url);
  g_free (self->lock_file);
  g_free (self->environment);
  g_free (self->torch_environment);
  g_free (self->extension_name);
  g_free (self);
}

PyIsolateEnvironmentRequest *
_pyisolate_env_request_normalize (const PyIsolateEnvironmentRequest *request)
{
  PyIsolateEnvironmentRequest *self = copy_request (request);

  if (self->base_directory == NULL)
    self->base_directory = g_get_current_dir ();
  for (guint i = 0; self->find_links != NULL && self->find_links[i] != NULL; i++)
    {
      char *link = self->find_links[i];

      if (strstr (link, "://") != NULL)
        continue;
      self->find_links[i] = g_canonicalize_filename (link, self->base_directory);
      g_free (link);
    }

  return self;
}

static gboolean
is_empty (char **strv)
{
  return strv == NULL || *strv == NULL;
}

static gboolean bad_config (GError     **error,
                            const char  *format,
                            ...) G_GNUC_PRINTF (2, 3);

static gboolean
bad_config (GError     **error,
            const char  *format,
            ...)
{
  g_autofree char *message = NULL, *shown = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  shown = _pyisolate_env_dup_shown (message);
  g_set_error_literal (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG, shown);

  return FALSE;
}

static gboolean
check_root (const char  *root,
            GError     **error)
{
  if (!g_path_is_absolute (root))
    return bad_config (error, "The venv root must be an absolute path, not “%s”", root);
  if (strpbrk (root, "\n\r") != NULL)
    return bad_config (error, "The venv root “%s” holds a line break", root);

  return TRUE;
}

/* The nearest directory that is there decides whether the root can be made. */
static gboolean
check_root_is_writable (const char  *root,
                        GError     **error)
{
  g_autofree char *path = g_strdup (root);

  while (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      char *parent = g_path_get_dirname (path);

      g_free (path);
      path = parent;
    }
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return bad_config (error, "The venv root “%s” cannot be made: a part of it is no directory",
                       root);
  if (access (path, W_OK | X_OK) != 0)
    return bad_config (error, "The venv root “%s” is not writable", root);

  return TRUE;
}

static gboolean
check_urls (const PyIsolateEnvironmentRequest  *request,
            GError                            **error)
{
  for (guint i = 0; request->find_links != NULL && request->find_links[i] != NULL; i++)
    {
      const char *link = request->find_links[i];

      if (*link == '\0' || *link == '-' || strpbrk (link, "\n\r") != NULL)
        return bad_config (error, "“%s” in find-links is neither a directory nor a URL", link);
      if (strstr (link, "://") == NULL)
        {
          g_autofree char *path = g_canonicalize_filename (link, request->base_directory);

          if (!g_file_test (path, G_FILE_TEST_IS_DIR))
            return bad_config (error, "The directory “%s” in find-links is not there", path);
        }
    }
  for (guint i = 0; request->extra_index_urls != NULL && request->extra_index_urls[i] != NULL; i++)
    {
      if (strstr (request->extra_index_urls[i], "://") == NULL ||
          strpbrk (request->extra_index_urls[i], " \n\r") != NULL)
        return bad_config (error, "An extra index URL is not a URL");
    }
  if (request->index_url != NULL &&
      (strstr (request->index_url, "://") == NULL || strpbrk (request->index_url, " \n\r") != NULL))
    return bad_config (error, "The index URL is not a URL");

  return TRUE;
}

static gboolean
check_requirement (const PyIsolateEnvironmentRequest  *request,
                   const char                         *text,
                   GError                            **error)
{
  g_autoptr (PyIsolateEnvRequirement) requirement = NULL;
  gboolean is_source;

  requirement = _pyisolate_env_requirement_parse (text, request->base_directory, error);
  if (requirement == NULL)
    return FALSE;
  if (requirement->path != NULL && !g_file_test (requirement->path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_REQUIREMENT,
                   "Bad requirement “%s”: there is no %s",
                   text, requirement->path);
      return FALSE;
    }

  is_source = requirement->kind == PYISOLATE_ENV_REQUIREMENT_VCS ||
              (requirement->path != NULL && !g_str_has_suffix (requirement->path, ".whl"));
  if (is_source && !request->allow_source_builds)
    return bad_config (error, "“%s” must be built from its source, which runs its code on this "
                              "machine; "
                       "set allow-source-builds if it may", text);

  return TRUE;
}

/* The user's own: nothing is made, so nothing that says how counts. */
static gboolean
check_own_environment (const PyIsolateEnvironmentRequest  *request,
                       GError                            **error)
{
  g_autofree char *python = _pyisolate_env_find_own_python (request->environment);

  if (!is_empty (request->dependencies) || request->lock_file != NULL)
    return bad_config (error, "The environment “%s” is the user's own and used as it is; "
                       "dependencies or a lock file besides it cannot be met",
                       request->environment);
  if (request->torch_environment != NULL)
    return bad_config (error, "The environment “%s” is the user's own and used as it is; no torch "
                              "can be shared with it",
                       request->environment);
  if (request->python != NULL)
    return bad_config (error, "The environment “%s” has its own Python; python cannot be set "
                              "besides it",
                       request->environment);
  if (!g_path_is_absolute (request->environment))
    return bad_config (error, "The environment must be an absolute path, not “%s”",
                       request->environment);
  if (!g_file_test (request->environment, G_FILE_TEST_IS_DIR))
    return bad_config (error, "There is no environment “%s”", request->environment);
  if (access (python, X_OK) != 0)
    return bad_config (error, "The environment “%s” has no bin/python and no bin/python3", request->environment);

  return TRUE;
}

static gboolean
check_torch (const PyIsolateEnvironmentRequest  *request,
             GError                            **error)
{
  const char *torch = request->torch_environment;

  if (torch == NULL)
    return TRUE;
  if (!g_path_is_absolute (torch))
    return bad_config (error, "The torch environment must be an absolute path, not “%s”", torch);
  if (!g_file_test (torch, G_FILE_TEST_IS_DIR))
    return bad_config (error, "There is no torch environment “%s”", torch);
  /* It may pin another torch, and nothing resolves it again. */
  if (request->lock_file != NULL)
    return bad_config (error, "A lock file is installed exactly as it stands; no torch can be "
                              "shared besides it");

  return TRUE;
}

gboolean
_pyisolate_environment_check_request (const PyIsolateEnvironmentRequest  *request,
                                      GError                            **error)
{
  g_autofree char *uv = NULL;

  g_assert (request != NULL && request->venv_root != NULL);

  if (request->environment != NULL)
    return check_own_environment (request, error);

  if (!check_root (request->venv_root, error) || !check_urls (request, error) ||
      !check_torch (request, error))
    return FALSE;
  for (guint i = 0; request->dependencies != NULL && request->dependencies[i] != NULL; i++)
    {
      if (!check_requirement (request, request->dependencies[i], error))
        return FALSE;
    }
  if (request->lock_file != NULL)
    {
      gboolean is_pylock;
      g_autofree char *text = NULL;

      if (!g_path_is_absolute (request->lock_file))
        return bad_config (error, "The lock file must be an absolute path, not “%s”",
                           request->lock_file);
      text = _pyisolate_env_lock_file_read (request, &is_pylock, error);
      if (text == NULL)
        return FALSE;
    }
  if (!_pyisolate_env_interpreter_check (request, error))
    return FALSE;

  /* What is there already needs no uv, and nobody who writes. */
  if (_pyisolate_env_is_warm (request))
    return TRUE;
  if (!check_root_is_writable (request->venv_root, error))
    return FALSE;
  uv = _pyisolate_environment_find_uv (request->uv_path, error);
  return uv != NULL;
}
