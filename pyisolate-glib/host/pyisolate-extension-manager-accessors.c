/* SPDX-License-Identifier: MIT */
/* The getters and setters of a manager's properties. */
#include "config.h"

#include "pyisolate-extension-manager-private.h"

/**
 * pyisolate_extension_manager_get_venv_root: (get-property venv-root)
 * @self: a manager
 *
 * Gets the directory in which environments are made.
 *
 * Returns: (type filename): an absolute path
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_manager_get_venv_root (PyIsolateExtensionManager *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), NULL);

  return self->venv_root;
}

/**
 * pyisolate_extension_manager_get_application_id: (get-property application-id)
 * @self: a manager
 *
 * Gets the name under which the extensions keep their state directories.
 *
 * Returns: the name
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_manager_get_application_id (PyIsolateExtensionManager *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), NULL);

  return self->application_id;
}

/**
 * pyisolate_extension_manager_get_python: (get-property python)
 * @self: a manager
 *
 * Gets the interpreter for extensions that name none.
 *
 * Returns: (nullable): a path, a command, a version or a specifier; %NULL for the `python3` on the
 *   search path
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_manager_get_python (PyIsolateExtensionManager *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), NULL);

  return self->python;
}

static void
set_string (PyIsolateExtensionManager *self,
            char                     **field,
            const char                *value,
            guint                      prop_id)
{
  char *copy;

  if (g_strcmp0 (*field, value) == 0)
    return;

  copy = g_strdup (value); /* it may be a part of the former one */
  g_free (*field);
  *field = copy;
  _pyisolate_extension_manager_notify (self, prop_id);
}

/**
 * pyisolate_extension_manager_set_python: (set-property python)
 * @self: a manager
 * @python: (nullable): a path, a command, a version or a specifier; %NULL for the `python3` on the
 *   search path
 *
 * Sets the interpreter for extensions that name none and that are loaded from now on.
 *
 * Since: 0.1
 */
void
pyisolate_extension_manager_set_python (PyIsolateExtensionManager *self,
                                        const char                *python)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self));

  set_string (self, &self->python, python, PROP_PYTHON);
}

/**
 * pyisolate_extension_manager_get_uv_path: (get-property uv-path)
 * @self: a manager
 *
 * Gets the program `uv`.
 *
 * Returns: (type filename) (nullable): a path, or %NULL if it is looked for
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_manager_get_uv_path (PyIsolateExtensionManager *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), NULL);

  return self->uv_path;
}

/**
 * pyisolate_extension_manager_set_uv_path: (set-property uv-path)
 * @self: a manager
 * @uv_path: (type filename) (nullable): an absolute path, or %NULL to look for it
 *
 * Sets the program `uv`.
 *
 * Since: 0.1
 */
void
pyisolate_extension_manager_set_uv_path (PyIsolateExtensionManager *self,
                                         const char                *uv_path)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self));

  set_string (self, &self->uv_path, uv_path, PROP_UV_PATH);
}

/**
 * pyisolate_extension_manager_get_torch_environment: (get-property torch-environment)
 * @self: a manager
 *
 * Gets whose torch the extensions use that share one.
 *
 * Returns: (nullable) (type filename): an absolute path; %NULL: there is none to share
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_manager_get_torch_environment (PyIsolateExtensionManager *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), NULL);

  return self->torch_environment;
}

/**
 * pyisolate_extension_manager_set_torch_environment: (set-property torch-environment)
 * @self: a manager
 * @torch_environment: (nullable) (type filename): an absolute path, or %NULL
 *
 * Sets whose torch the extensions use that share one and that are loaded from now on.
 *
 * Since: 0.1
 */
void
pyisolate_extension_manager_set_torch_environment (PyIsolateExtensionManager *self,
                                                   const char                *torch_environment)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self));

  set_string (self, &self->torch_environment, torch_environment, PROP_TORCH_ENVIRONMENT);
}

/**
 * pyisolate_extension_manager_get_max_parallel_installs: (get-property max-parallel-installs)
 * @self: a manager
 *
 * Gets how many environments may be made at the same time.
 *
 * Returns: their number
 *
 * Since: 0.1
 */
guint
pyisolate_extension_manager_get_max_parallel_installs (PyIsolateExtensionManager *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), 0);

  return self->max_parallel_installs;
}

/**
 * pyisolate_extension_manager_set_max_parallel_installs: (set-property max-parallel-installs)
 * @self: a manager
 * @max: their number, from 1 to 64
 *
 * Sets how many environments may be made at the same time.
 *
 * Since: 0.1
 */
void
pyisolate_extension_manager_set_max_parallel_installs (PyIsolateExtensionManager *self,
                                                       guint                      max)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self));
  g_return_if_fail (max >= 1 && max <= 64);

  if (self->max_parallel_installs == max)
    return;

  self->max_parallel_installs = max;
  _pyisolate_loader_set_max_installs (self->loader, max);
  _pyisolate_extension_manager_notify (self, PROP_MAX_PARALLEL_INSTALLS);
}

/**
 * pyisolate_extension_manager_get_max_parallel_starts: (get-property max-parallel-starts)
 * @self: a manager
 *
 * Gets how many extensions may start at the same time.
 *
 * Returns: their number
 *
 * Since: 0.1
 */
guint
pyisolate_extension_manager_get_max_parallel_starts (PyIsolateExtensionManager *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), 0);

  return self->max_parallel_starts;
}

/**
 * pyisolate_extension_manager_set_max_parallel_starts: (set-property max-parallel-starts)
 * @self: a manager
 * @max: their number, from 1 to 64
 *
 * Sets how many extensions may start at the same time. If there may be more than before, those that
 * wait for their turn start at once.
 *
 * Since: 0.1
 */
void
pyisolate_extension_manager_set_max_parallel_starts (PyIsolateExtensionManager *self,
                                                     guint                      max)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self));
  g_return_if_fail (max >= 1 && max <= 64);

  if (self->max_parallel_starts == max)
    return;

  self->max_parallel_starts = max;
  _pyisolate_loader_set_max_starts (self->loader, max);
  _pyisolate_extension_manager_notify (self, PROP_MAX_PARALLEL_STARTS);
}

/**
 * pyisolate_extension_manager_get_progress: (get-property progress)
 * @self: a manager
 *
 * Gets how much of what is being loaded is done.
 *
 * Returns: a fraction from 0 to 1; 1 if nothing is being loaded
 *
 * Since: 0.1
 */
double
pyisolate_extension_manager_get_progress (PyIsolateExtensionManager *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), 1);

  return self->progress;
}
