/* SPDX-License-Identifier: MIT */
/* Accessors. An extension's process: what it is given, and how long things may take. */
#include "config.h"

#include "pyisolate-extension-config-struct-private.h"

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
const char *const *
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
                                                      const char *const        *value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_strv (self, PROP_ENVIRONMENT_VARIABLES, value);
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
                                             gint64                    value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));
  g_return_if_fail (value >= -1);

  _pyisolate_extension_config_set_int64 (self, PROP_CALL_TIMEOUT, value);
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
                                              gint64                    value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));
  g_return_if_fail (value >= -1);

  _pyisolate_extension_config_set_int64 (self, PROP_START_TIMEOUT, value);
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
                                             gint64                    value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));
  g_return_if_fail (value >= -1);

  _pyisolate_extension_config_set_int64 (self, PROP_STOP_TIMEOUT, value);
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
                                                gboolean                  value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_boolean (self, PROP_KILL_ON_TIMEOUT, value);
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
                                                    guint64                   value)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self));

  _pyisolate_extension_config_set_uint64 (self, PROP_SHARED_MEMORY_LIMIT, value);
}
