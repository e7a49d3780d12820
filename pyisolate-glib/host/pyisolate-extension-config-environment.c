/* SPDX-License-Identifier: MIT */
/* Accessors. Which environment an extension runs in, and how that is made. */
#include "config.h"

#include "pyisolate-extension-config-struct-private.h"

/**
 * pyisolate_extension_config_get_dependencies: (get-property dependencies)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:dependencies].
 *
 * Returns: (transfer none) (array zero-terminated=1): the list, which may be empty
 *
 * Since: 0.1
 */
const char *const *
pyisolate_extension_config_get_dependencies (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return (const char *const *) self->dependencies;
}

/**
 * pyisolate_extension_config_set_dependencies: (set-property dependencies)
 * @self: a configuration
 * @value: (nullable) (array zero-terminated=1): the new list; %NULL is an empty one
 *
 * Sets [property@PyIsolate.ExtensionConfig:dependencies].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_dependencies (PyIsolateExtensionConfig *self,
                                             const char *const        *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_strv (self, PROP_DEPENDENCIES, value);
}

/**
 * pyisolate_extension_config_get_python: (get-property python)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:python].
 *
 * Returns: (nullable): the value, or %NULL if none is set
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_config_get_python (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return self->python;
}

/**
 * pyisolate_extension_config_set_python: (set-property python)
 * @self: a configuration
 * @value: (nullable): the new value, or %NULL for none
 *
 * Sets [property@PyIsolate.ExtensionConfig:python].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_python (PyIsolateExtensionConfig *self,
                                       const char               *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_string (self, PROP_PYTHON, value);
}

/**
 * pyisolate_extension_config_get_environment: (get-property environment)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:environment].
 *
 * Returns: (type filename) (nullable): the value, or %NULL if none is set
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_config_get_environment (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return self->environment;
}

/**
 * pyisolate_extension_config_set_environment: (set-property environment)
 * @self: a configuration
 * @value: (type filename) (nullable): the new value, or %NULL for none
 *
 * Sets [property@PyIsolate.ExtensionConfig:environment].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_environment (PyIsolateExtensionConfig *self,
                                            const char               *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_string (self, PROP_ENVIRONMENT, value);
}

/**
 * pyisolate_extension_config_get_find_links: (get-property find-links)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:find-links].
 *
 * Returns: (transfer none) (array zero-terminated=1): the list, which may be empty
 *
 * Since: 0.1
 */
const char *const *
pyisolate_extension_config_get_find_links (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return (const char *const *) self->find_links;
}

/**
 * pyisolate_extension_config_set_find_links: (set-property find-links)
 * @self: a configuration
 * @value: (nullable) (array zero-terminated=1): the new list; %NULL is an empty one
 *
 * Sets [property@PyIsolate.ExtensionConfig:find-links].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_find_links (PyIsolateExtensionConfig *self,
                                           const char *const        *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_strv (self, PROP_FIND_LINKS, value);
}

/**
 * pyisolate_extension_config_get_index_url: (get-property index-url)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:index-url].
 *
 * Returns: (nullable): the value, or %NULL if none is set
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_config_get_index_url (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return self->index_url;
}

/**
 * pyisolate_extension_config_set_index_url: (set-property index-url)
 * @self: a configuration
 * @value: (nullable): the new value, or %NULL for none
 *
 * Sets [property@PyIsolate.ExtensionConfig:index-url].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_index_url (PyIsolateExtensionConfig *self,
                                          const char               *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_string (self, PROP_INDEX_URL, value);
}

/**
 * pyisolate_extension_config_get_extra_index_urls: (get-property extra-index-urls)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:extra-index-urls].
 *
 * Returns: (transfer none) (array zero-terminated=1): the list, which may be empty
 *
 * Since: 0.1
 */
const char *const *
pyisolate_extension_config_get_extra_index_urls (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return (const char *const *) self->extra_index_urls;
}

/**
 * pyisolate_extension_config_set_extra_index_urls: (set-property extra-index-urls)
 * @self: a configuration
 * @value: (nullable) (array zero-terminated=1): the new list; %NULL is an empty one
 *
 * Sets [property@PyIsolate.ExtensionConfig:extra-index-urls].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_extra_index_urls (PyIsolateExtensionConfig *self,
                                                 const char *const        *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_strv (self, PROP_EXTRA_INDEX_URLS, value);
}

/**
 * pyisolate_extension_config_get_lock_file: (get-property lock-file)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:lock-file].
 *
 * Returns: (type filename) (nullable): the value, or %NULL if none is set
 *
 * Since: 0.1
 */
const char *
pyisolate_extension_config_get_lock_file (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return self->lock_file;
}

/**
 * pyisolate_extension_config_set_lock_file: (set-property lock-file)
 * @self: a configuration
 * @value: (type filename) (nullable): the new value, or %NULL for none
 *
 * Sets [property@PyIsolate.ExtensionConfig:lock-file].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_lock_file (PyIsolateExtensionConfig *self,
                                          const char               *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_string (self, PROP_LOCK_FILE, value);
}

/**
 * pyisolate_extension_config_get_allow_source_builds: (get-property allow-source-builds)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:allow-source-builds].
 *
 * Returns: %TRUE or %FALSE
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_config_get_allow_source_builds (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), FALSE);

  return self->allow_source_builds;
}

/**
 * pyisolate_extension_config_set_allow_source_builds: (set-property allow-source-builds)
 * @self: a configuration
 * @value: the new value
 *
 * Sets [property@PyIsolate.ExtensionConfig:allow-source-builds].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_allow_source_builds (PyIsolateExtensionConfig *self,
                                                    gboolean                  value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_boolean (self, PROP_ALLOW_SOURCE_BUILDS, value);
}

/**
 * pyisolate_extension_config_get_auto_update: (get-property auto-update)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:auto-update].
 *
 * Returns: %TRUE or %FALSE
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_config_get_auto_update (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), FALSE);

  return self->auto_update;
}

/**
 * pyisolate_extension_config_set_auto_update: (set-property auto-update)
 * @self: a configuration
 * @value: the new value
 *
 * Sets [property@PyIsolate.ExtensionConfig:auto-update].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_auto_update (PyIsolateExtensionConfig *self,
                                            gboolean                  value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_boolean (self, PROP_AUTO_UPDATE, value);
}

/**
 * pyisolate_extension_config_get_share_torch: (get-property share-torch)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:share-torch].
 *
 * Returns: %TRUE or %FALSE
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_config_get_share_torch (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), FALSE);

  return self->share_torch;
}

/**
 * pyisolate_extension_config_set_share_torch: (set-property share-torch)
 * @self: a configuration
 * @value: the new value
 *
 * Sets [property@PyIsolate.ExtensionConfig:share-torch].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_share_torch (PyIsolateExtensionConfig *self,
                                            gboolean                  value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_boolean (self, PROP_SHARE_TORCH, value);
}
