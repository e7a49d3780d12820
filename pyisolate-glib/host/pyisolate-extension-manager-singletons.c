/* SPDX-License-Identifier: MIT */
/* What of the application a manager lets extensions call. */
#include "config.h"

#include "pyisolate-extension-manager-private.h"

#include "pyisolate-error.h"

/**
 * pyisolate_extension_manager_add_singleton:
 * @self: a manager
 * @name: the name under which extensions find it
 * @singleton: the singleton
 * @error: return location for an error
 *
 * Lets extensions that list @name among their [property@PyIsolate.ExtensionConfig:apis] call
 * @singleton.
 *
 * Returns: %FALSE with %PYISOLATE_ERROR_BAD_CONFIG if the name is empty, taken, or one of the
 *   library's own
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_manager_add_singleton (PyIsolateExtensionManager  *self,
                                           const char                 *name,
                                           PyIsolateProxiedSingleton  *singleton,
                                           GError                    **error)
{
  const char *wrong = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (PYISOLATE_IS_PROXIED_SINGLETON (singleton), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (*name == '\0' || !g_utf8_validate (name, -1, NULL))
    wrong = "it must have a name, in valid UTF-8";
  else if (g_str_has_prefix (name, "org.pyisolate."))
    wrong = "names that begin with “org.pyisolate.” are the library's own";
  else if (g_hash_table_contains (self->singletons, name))
    wrong = "there is one of that name already";

  if (wrong != NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The singleton “%s” cannot be added: %s", name,
                   wrong);
      return FALSE;
    }

  g_hash_table_insert (self->singletons, g_strdup (name), g_object_ref (singleton));
  return TRUE;
}

/**
 * pyisolate_extension_manager_get_singleton:
 * @self: a manager
 * @name: the name of a singleton
 *
 * Looks a singleton up by its name.
 *
 * Returns: (transfer none) (nullable): the singleton, or %NULL if there is none of that name
 *
 * Since: 0.1
 */
PyIsolateProxiedSingleton *
pyisolate_extension_manager_get_singleton (PyIsolateExtensionManager *self,
                                           const char                *name)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_MANAGER (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  return g_hash_table_lookup (self->singletons, name);
}
