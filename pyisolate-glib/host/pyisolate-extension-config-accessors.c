/* SPDX-License-Identifier: MIT */
/* The getters and setters of a configuration's properties. */
#include "config.h"

#include "pyisolate-extension-config-struct-private.h"

static void
set_string (PyIsolateExtensionConfig *self,
            char                    **field,
            const char               *value,
            int                       prop_id)
{
  if (g_strcmp0 (*field, value) == 0)
    return;

  g_free (*field);
  *field = g_strdup (value);
  _pyisolate_extension_config_notify (self, prop_id);
}

static void
set_strv (PyIsolateExtensionConfig *self,
          char                   ***field,
          const char *const        *value,
          int                       prop_id)
{
  static const char *const none[] = { NULL };
  char **copy;

  if (value == NULL)
    value = none;
  if (g_strv_equal ((const char *const *) *field, value))
    return;

  copy = g_strdupv ((char **) value);
  g_strfreev (*field);
  *field = copy;
  _pyisolate_extension_config_notify (self, prop_id);
}

static void
set_boolean (PyIsolateExtensionConfig *self,
             gboolean                 *field,
             gboolean                  value,
             int                       prop_id)
{
  if (*field == !!value)
    return;

  *field = !!value;
  _pyisolate_extension_config_notify (self, prop_id);
}

static void
set_time (PyIsolateExtensionConfig *self,
          gint64                   *field,
          gint64                    value,
          int                       prop_id)
{
  if (*field == value)
    return;

  *field = value;
  _pyisolate_extension_config_notify (self, prop_id);
}

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
                                     const char *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_string (self, &self->name, value, PROP_NAME);
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
                                            const char *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_string (self, &self->module_path, value, PROP_MODULE_PATH);
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
                                         gboolean value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_boolean (self, &self->isolated, value, PROP_ISOLATED);
}

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
const char * const *
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
                                             const char * const *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_strv (self, &self->dependencies, value, PROP_DEPENDENCIES);
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
const char * const *
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
                                     const char * const *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_strv (self, &self->apis, value, PROP_APIS);
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
                                       const char *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_string (self, &self->python, value, PROP_PYTHON);
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
                                            const char *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_string (self, &self->environment, value, PROP_ENVIRONMENT);
}

/**
 * pyisolate_extension_config_get_source_paths: (get-property source-paths)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:source-paths].
 *
 * Returns: (transfer none) (array zero-terminated=1) (element-type filename): the list, which may be empty
 *
 * Since: 0.1
 */
const char * const *
pyisolate_extension_config_get_source_paths (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return (const char *const *) self->source_paths;
}

/**
 * pyisolate_extension_config_set_source_paths: (set-property source-paths)
 * @self: a configuration
 * @value: (nullable) (array zero-terminated=1) (element-type filename): the new list; %NULL is an empty one
 *
 * Sets [property@PyIsolate.ExtensionConfig:source-paths].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_source_paths (PyIsolateExtensionConfig *self,
                                             const char * const *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_strv (self, &self->source_paths, value, PROP_SOURCE_PATHS);
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
const char * const *
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
                                           const char * const *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_strv (self, &self->find_links, value, PROP_FIND_LINKS);
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
                                          const char *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_string (self, &self->index_url, value, PROP_INDEX_URL);
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
const char * const *
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
                                                 const char * const *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_strv (self, &self->extra_index_urls, value, PROP_EXTRA_INDEX_URLS);
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
                                          const char *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_string (self, &self->lock_file, value, PROP_LOCK_FILE);
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
                                                    gboolean value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_boolean (self, &self->allow_source_builds, value, PROP_ALLOW_SOURCE_BUILDS);
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
                                            gboolean value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_boolean (self, &self->auto_update, value, PROP_AUTO_UPDATE);
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
                                            gboolean value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_boolean (self, &self->share_torch, value, PROP_SHARE_TORCH);
}

/**
 * pyisolate_extension_config_get_environment_variables: (get-property environment-variables)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:environment-variables].
 *
 * Returns: (transfer none) (array zero-terminated=1): the list, which may be empty
 *
 * Since: 0.1
 */
const char * const *
pyisolate_extension_config_get_environment_variables (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  return (const char *const *) self->environment_variables;
}

/**
 * pyisolate_extension_config_set_environment_variables: (set-property environment-variables)
 * @self: a configuration
 * @value: (nullable) (array zero-terminated=1): the new list; %NULL is an empty one
 *
 * Sets [property@PyIsolate.ExtensionConfig:environment-variables].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_environment_variables (PyIsolateExtensionConfig *self,
                                                      const char * const *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_strv (self, &self->environment_variables, value, PROP_ENVIRONMENT_VARIABLES);
}

/**
 * pyisolate_extension_config_get_call_timeout: (get-property call-timeout)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:call-timeout].
 *
 * Returns: a time in milliseconds
 *
 * Since: 0.1
 */
gint64
pyisolate_extension_config_get_call_timeout (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), -1);

  return self->call_timeout;
}

/**
 * pyisolate_extension_config_set_call_timeout: (set-property call-timeout)
 * @self: a configuration
 * @value: the new time in milliseconds, -1 for no limit
 *
 * Sets [property@PyIsolate.ExtensionConfig:call-timeout].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_call_timeout (PyIsolateExtensionConfig *self,
                                             gint64 value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));
  g_return_if_fail (value >= -1);

  set_time (self, &self->call_timeout, value, PROP_CALL_TIMEOUT);
}

/**
 * pyisolate_extension_config_get_start_timeout: (get-property start-timeout)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:start-timeout].
 *
 * Returns: a time in milliseconds
 *
 * Since: 0.1
 */
gint64
pyisolate_extension_config_get_start_timeout (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), -1);

  return self->start_timeout;
}

/**
 * pyisolate_extension_config_set_start_timeout: (set-property start-timeout)
 * @self: a configuration
 * @value: the new time in milliseconds, -1 for no limit
 *
 * Sets [property@PyIsolate.ExtensionConfig:start-timeout].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_start_timeout (PyIsolateExtensionConfig *self,
                                              gint64 value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));
  g_return_if_fail (value >= -1);

  set_time (self, &self->start_timeout, value, PROP_START_TIMEOUT);
}

/**
 * pyisolate_extension_config_get_stop_timeout: (get-property stop-timeout)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:stop-timeout].
 *
 * Returns: a time in milliseconds
 *
 * Since: 0.1
 */
gint64
pyisolate_extension_config_get_stop_timeout (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), -1);

  return self->stop_timeout;
}

/**
 * pyisolate_extension_config_set_stop_timeout: (set-property stop-timeout)
 * @self: a configuration
 * @value: the new time in milliseconds, -1 for no limit
 *
 * Sets [property@PyIsolate.ExtensionConfig:stop-timeout].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_stop_timeout (PyIsolateExtensionConfig *self,
                                             gint64 value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));
  g_return_if_fail (value >= -1);

  set_time (self, &self->stop_timeout, value, PROP_STOP_TIMEOUT);
}

/**
 * pyisolate_extension_config_get_kill_on_timeout: (get-property kill-on-timeout)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:kill-on-timeout].
 *
 * Returns: %TRUE or %FALSE
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_config_get_kill_on_timeout (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), FALSE);

  return self->kill_on_timeout;
}

/**
 * pyisolate_extension_config_set_kill_on_timeout: (set-property kill-on-timeout)
 * @self: a configuration
 * @value: the new value
 *
 * Sets [property@PyIsolate.ExtensionConfig:kill-on-timeout].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_kill_on_timeout (PyIsolateExtensionConfig *self,
                                                gboolean value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  set_boolean (self, &self->kill_on_timeout, value, PROP_KILL_ON_TIMEOUT);
}

/**
 * pyisolate_extension_config_get_shared_memory_limit: (get-property shared-memory-limit)
 * @self: a configuration
 *
 * Gets [property@PyIsolate.ExtensionConfig:shared-memory-limit].
 *
 * Returns: a number of bytes, or 0
 *
 * Since: 0.1
 */
guint64
pyisolate_extension_config_get_shared_memory_limit (PyIsolateExtensionConfig *self)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), 0);

  return self->shared_memory_limit;
}

/**
 * pyisolate_extension_config_set_shared_memory_limit: (set-property shared-memory-limit)
 * @self: a configuration
 * @value: the new number of bytes, 0 for half of the machine's memory
 *
 * Sets [property@PyIsolate.ExtensionConfig:shared-memory-limit].
 *
 * Since: 0.1
 */
void
pyisolate_extension_config_set_shared_memory_limit (PyIsolateExtensionConfig *self,
                                                    guint64 value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  if (self->shared_memory_limit == value)
    return;

  self->shared_memory_limit = value;
  _pyisolate_extension_config_notify (self, PROP_SHARED_MEMORY_LIMIT);
}
