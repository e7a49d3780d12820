/* SPDX-License-Identifier: MIT */
/* What can be asked of an extension without asking its process. */
#include "config.h"

#include "pyisolate-extension-struct-private.h"

/**
 * pyisolate_extension_get_name: (get-property name)
 * @self: an extension
 *
 * Gets the extension's name.
 *
 * Returns: the name, empty if no manager has made it
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_get_name (PyIsolateExtension *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);

  return self->config != NULL ? pyisolate_extension_config_get_name (self->config) : "";
}

/**
 * pyisolate_extension_get_config: (get-property config)
 * @self: an extension
 *
 * Gets what the extension was loaded with.
 *
 * Returns: (transfer none) (nullable): a copy of the configuration, whose changes have no effect; %NULL if no manager has
 *   made the extension
 *
 * Since: 0.1
 */
PyIsolateExtensionConfig *
pyisolate_extension_get_config (PyIsolateExtension *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);

  return self->config_copy;
}

/**
 * pyisolate_extension_get_state: (get-property state)
 * @self: an extension
 *
 * Gets where the extension is in its life.
 *
 * Returns: the state
 *
 * Since: 0.1
 */
PyIsolateExtensionState
pyisolate_extension_get_state (PyIsolateExtension *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), PYISOLATE_EXTENSION_STATE_FAILED);

  locker = g_mutex_locker_new (&self->mutex);
  return self->state;
}

/**
 * pyisolate_extension_get_pid: (get-property pid)
 * @self: an extension
 *
 * Gets the id of the extension's process.
 *
 * Returns: the id, or 0 if it has none
 *
 * Since: 0.1
 */
int
pyisolate_extension_get_pid (PyIsolateExtension *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), 0);

  locker = g_mutex_locker_new (&self->mutex);
  return self->pid;
}

/**
 * pyisolate_extension_get_methods: (get-property methods)
 * @self: an extension
 *
 * Gets the extension's methods. To be called in its manager's main context.
 *
 * Returns: (transfer none): a list of [class@PyIsolate.MethodInfo], empty until it runs
 *
 * Since: 0.1
 */
GListModel *
pyisolate_extension_get_methods (PyIsolateExtension *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);

  return G_LIST_MODEL (self->methods);
}

/**
 * pyisolate_extension_find_method:
 * @self: an extension
 * @name: a method's name
 *
 * Looks a method up by its name. To be called in the manager's main context.
 *
 * Returns: (transfer none) (nullable): the method, or %NULL if there is none of that name
 *
 * Since: 0.1
 */
PyIsolateMethodInfo *
pyisolate_extension_find_method (PyIsolateExtension *self,
                                 const char         *name)
{
  GListModel *methods;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  methods = G_LIST_MODEL (self->methods);
  for (guint i = 0; i < g_list_model_get_n_items (methods); i++)
    {
      g_autoptr (PyIsolateMethodInfo) method = g_list_model_get_item (methods, i);

      if (g_strcmp0 (pyisolate_method_info_get_name (method), name) == 0)
        return method; /* the list keeps it */
    }

  return NULL;
}

/**
 * pyisolate_extension_get_memory_usage: (get-property memory-usage)
 * @self: an extension
 *
 * Gets how much memory the extension's process uses.
 *
 * Returns: the proportional set size in bytes, or 0 if there is no process
 *
 * Since: 0.1
 */
guint64
pyisolate_extension_get_memory_usage (PyIsolateExtension *self)
{
  g_autoptr (PyIsolateWorker) worker = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), 0);

  g_mutex_lock (&self->mutex);
  worker = self->worker != NULL ? g_object_ref (self->worker) : NULL;
  g_mutex_unlock (&self->mutex);

  return worker != NULL ? _pyisolate_worker_get_memory_usage (worker) : 0;
}

/**
 * pyisolate_extension_get_state_directory: (get-property state-directory)
 * @self: an extension
 *
 * Gets the directory that is the extension's own from one start to the next.
 *
 * Returns: (type filename) (nullable): an absolute path, or %NULL if no manager has made the extension
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_get_state_directory (PyIsolateExtension *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);

  return self->state_directory;
}

/**
 * pyisolate_extension_dup_last_error:
 * @self: an extension
 *
 * Gets why the extension could not be loaded, or why it ended without being stopped.
 *
 * Returns: (transfer full) (nullable): the error, or %NULL if there was none
 *
 * Since: 0.1
 */
GError *
pyisolate_extension_dup_last_error (PyIsolateExtension *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);

  locker = g_mutex_locker_new (&self->mutex);
  return self->last_error != NULL ? g_error_copy (self->last_error) : NULL;
}

/**
 * pyisolate_extension_dup_log_tail:
 * @self: an extension
 *
 * Gets the last lines that the extension logged or printed, at most 200 lines and 64 KiB. They are
 * kept when it has ended.
 *
 * Returns: (transfer full) (array zero-terminated=1): the lines, oldest first
 *
 * Since: 0.1
 */
char **
pyisolate_extension_dup_log_tail (PyIsolateExtension *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);

  return _pyisolate_log_tail_dup_lines (self->log_tail);
}
