/* SPDX-License-Identifier: MIT */
/* Accessors. What an extension is: its name, its code, and what of the application it may use. */
#include "config.h"

#include "pyisolate-extension-config-struct-private.h"

/**
 * pyisolate_extension_config_get_name: (get-property name)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:name].
 *
 * Returns: (nullable): the value, or %NULL if none is set
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_config_get_name (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return self->name;
}

/**
 * pyisolate_extension_config_set_name: (set-property name)
 * @self: a configuration
 * @value: (nullable): the new value, or %NULL for none
 *
 * Sets [property@PyIsolate.ExtensionConfig:name].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_name (PyIsolateExtensionConfig *self,
                                     const char               *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_string (self, PROP_NAME, value);
}

/**
 * pyisolate_extension_config_get_module_path: (get-property module-path)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:module-path].
 *
 * Returns: (type filename) (nullable): the value, or %NULL if none is set
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_config_get_module_path (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return self->module_path;
}

/**
 * pyisolate_extension_config_set_module_path: (set-property module-path)
 * @self: a configuration
 * @value: (type filename) (nullable): the new value, or %NULL for none
 *
 * Sets [property@PyIsolate.ExtensionConfig:module-path].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_module_path (PyIsolateExtensionConfig *self,
                                            const char               *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_string (self, PROP_MODULE_PATH, value);
}

/**
 * pyisolate_extension_config_get_isolated: (get-property isolated)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:isolated].
 *
 * Returns: %TRUE or %FALSE
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_config_get_isolated (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), FALSE);

  return self->isolated;
}

/**
 * pyisolate_extension_config_set_isolated: (set-property isolated)
 * @self: a configuration
 * @value: the new value
 *
 * Sets [property@PyIsolate.ExtensionConfig:isolated].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_isolated (PyIsolateExtensionConfig *self,
                                         gboolean                  value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_boolean (self, PROP_ISOLATED, value);
}

/**
 * pyisolate_extension_config_get_apis: (get-property apis)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:apis].
 *
 * Returns: (transfer none) (array zero-terminated=1): the list, which may be empty
 *
 * Since: 0.1
 */
const char *const *
pyisolate_extension_config_get_apis (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return (const char *const *) self->apis;
}

/**
 * pyisolate_extension_config_set_apis: (set-property apis)
 * @self: a configuration
 * @value: (nullable) (array zero-terminated=1): the new list; %NULL is an empty one
 *
 * Sets [property@PyIsolate.ExtensionConfig:apis].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_apis (PyIsolateExtensionConfig *self,
                                     const char *const        *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_strv (self, PROP_APIS, value);
}

/**
 * pyisolate_extension_config_get_source_paths: (get-property source-paths)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:source-paths].
 *
 * Returns: (transfer none) (array zero-terminated=1) (element-type filename): the list, which may
 *   be empty
 *
 * Since: 0.1
 */
const char *const *
pyisolate_extension_config_get_source_paths (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return (const char *const *) self->source_paths;
}

/**
 * pyisolate_extension_config_set_source_paths: (set-property source-paths)
 * @self: a configuration
 * @value: (nullable) (array zero-terminated=1) (element-type filename): the new list; %NULL is an
 *   empty one
 *
 * Sets [property@PyIsolate.ExtensionConfig:source-paths].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_source_paths (PyIsolateExtensionConfig *self,
                                             const char *const        *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_strv (self, PROP_SOURCE_PATHS, value);
}
