/* SPDX-License-Identifier: MIT */
/* A manager as the list of its extensions. */
#include "config.h"

#include "pyisolate-extension-manager-private.h"

#include "pyisolate-error.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-stop-private.h"

static GType
pyisolate_extension_manager_get_item_type (GListModel *model)
{
  return PYISOLATE_TYPE_EXTENSION;
}

static guint
pyisolate_extension_manager_get_n_items (GListModel *model)
{
  return PYISOLATE_EXTENSION_MANAGER (model)->extensions->len;
}

static gpointer
pyisolate_extension_manager_get_item (GListModel *model,
                                      guint       position)
{
  PyIsolateExtensionManager *self = PYISOLATE_EXTENSION_MANAGER (model);

  if (position >= self->extensions->len)
    return NULL;

  return g_object_ref (g_ptr_array_index (self->extensions, position));
}

void
_pyisolate_extension_manager_init_list_model (GListModelInterface *iface)
{
  iface->get_item_type = pyisolate_extension_manager_get_item_type;
  iface->get_n_items = pyisolate_extension_manager_get_n_items;
  iface->get_item = pyisolate_extension_manager_get_item;
}

guint
_pyisolate_extension_manager_insert_row (PyIsolateExtensionManager *self,
                                         PyIsolateExtension        *extension,
                                         PyIsolateExtension       **old)
{
  const char *name = pyisolate_extension_get_name (extension);
  PyIsolateExtension *former = g_hash_table_lookup (self->names, name);
  guint position = self->extensions->len;

  *old = former != NULL ? g_object_ref (former) : NULL;
  if (former != NULL)
    {
      g_ptr_array_find (self->extensions, former, &position);
      g_hash_table_remove (self->names, name);
      g_ptr_array_remove_index (self->extensions, position);
    }
  g_ptr_array_insert (self->extensions, (int) position, g_object_ref (extension));
  g_hash_table_insert (self->names, (gpointer) name, extension);

  return position;
}

/**
 * pyisolate_extension_manager_get_extension:
 * @self: a manager
 * @name: an extension's name
 *
 * Looks an extension up by its name, whatever its state.
 *
 * Returns: (transfer none) (nullable): the extension, or %NULL if there is none of that name
 *
 * Since: 0.1
 */
PyIsolateExtension *
pyisolate_extension_manager_get_extension (PyIsolateExtensionManager *self,
                                           const char                *name)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  return g_hash_table_lookup (self->names, name);
}

/**
 * pyisolate_extension_manager_remove_extension:
 * @self: a manager
 * @name: the name of an extension that has stopped or failed
 * @error: return location for an error
 *
 * Removes an extension from the list.
 *
 * Returns: %FALSE with %PYISOLATE_ERROR_BAD_CONFIG if there is none of that name, or if it has not
 *   ended
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_manager_remove_extension (PyIsolateExtensionManager  *self,
                                              const char                 *name,
                                              GError                    **error)
{
  g_autoptr (PyIsolateExtension) extension = NULL;
  guint position;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  extension = g_hash_table_lookup (self->names, name);
  if (extension == NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "There is no extension “%s” to remove", name);
      return FALSE;
    }
  g_object_ref (extension);

  if (_pyisolate_extension_is_active (extension))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The extension “%s” cannot be removed while it is loaded; stop it first", name);
      return FALSE;
    }

  g_hash_table_remove (self->names, name);
  g_ptr_array_find (self->extensions, extension, &position);
  g_ptr_array_remove_index (self->extensions, position);
  _pyisolate_extension_manager_announce_row (self, position, extension, NULL);

  return TRUE;
}

static GPtrArray *
copy_rows (PyIsolateExtensionManager *self)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < self->extensions->len; i++)
    g_ptr_array_add (copy, g_object_ref (g_ptr_array_index (self->extensions, i)));

  return copy;
}

/**
 * pyisolate_extension_manager_stop_all_async:
 * @self: a manager
 * @cancellable: (nullable): ends the waiting; the extensions stop all the same
 * @callback: (scope async) (closure user_data): called when all have stopped
 * @user_data: data for @callback
 *
 * Stops all extensions, at the same time; see [method@PyIsolate.Extension.stop_async].
 *
 * Since: 0.1
 */
void
pyisolate_extension_manager_stop_all_async (PyIsolateExtensionManager *self,
                                            GCancellable              *cancellable,
                                            GAsyncReadyCallback        callback,
                                            gpointer                   user_data)
{
  g_autoptr (GPtrArray) extensions = NULL;
  GTask *task;

  g_return_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  extensions = copy_rows (self);
  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, pyisolate_extension_manager_stop_all_async);
  g_task_set_name (task, "[pyisolate] stop_all");
  _pyisolate_stop_async (extensions, task);
}

/**
 * pyisolate_extension_manager_stop_all_finish:
 * @self: a manager
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Completes [method@PyIsolate.ExtensionManager.stop_all_async].
 *
 * Returns: %TRUE if all have stopped, %FALSE with @error set if the waiting was cancelled
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_manager_stop_all_finish (PyIsolateExtensionManager  *self,
                                             GAsyncResult               *result,
                                             GError                    **error)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result,
                                                  pyisolate_extension_manager_stop_all_async),
                        FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * pyisolate_extension_manager_stop_all_sync:
 * @self: a manager
 * @cancellable: (nullable): ends the waiting; the extensions stop all the same
 * @error: return location for an error
 *
 * Stops all extensions, and blocks until they have stopped.
 *
 * Returns: %TRUE if all have stopped, %FALSE with @error set if the waiting was cancelled
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_manager_stop_all_sync (PyIsolateExtensionManager  *self,
                                           GCancellable               *cancellable,
                                           GError                    **error)
{
  g_autoptr (GPtrArray) extensions = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  extensions = copy_rows (self);
  return _pyisolate_stop_sync (extensions, cancellable, error);
}
