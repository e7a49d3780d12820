/* SPDX-License-Identifier: MIT */
/* What an extension is and needs: plain properties. What they may hold is checked in pyisolate-extension-config-check.c. */
#include "config.h"

#include "pyisolate-extension-config-private.h"

/**
 * PyIsolateExtensionConfig:
 *
 * What an extension is, and what it needs to run.
 *
 * A manager copies the configuration when it loads an extension; a change made later has no effect on that extension.
 *
 * Since: 0.1
 */
struct _PyIsolateExtensionConfig {
  GObject parent_instance;
  char *name;
  char *module_path;
  gboolean isolated;
  char **dependencies;
  char **apis;
  char *python;
  char *environment;
  char **source_paths;
  char **find_links;
  char *index_url;
  char **extra_index_urls;
  char *lock_file;
  gboolean allow_source_builds;
  gboolean auto_update;
  char **environment_variables;
  gint64 call_timeout;
  gint64 start_timeout;
  gint64 stop_timeout;
  gboolean kill_on_timeout;
};

enum {
  PROP_0,
  PROP_NAME,
  PROP_MODULE_PATH,
  PROP_ISOLATED,
  PROP_DEPENDENCIES,
  PROP_APIS,
  PROP_PYTHON,
  PROP_ENVIRONMENT,
  PROP_SOURCE_PATHS,
  PROP_FIND_LINKS,
  PROP_INDEX_URL,
  PROP_EXTRA_INDEX_URLS,
  PROP_LOCK_FILE,
  PROP_ALLOW_SOURCE_BUILDS,
  PROP_AUTO_UPDATE,
  PROP_ENVIRONMENT_VARIABLES,
  PROP_CALL_TIMEOUT,
  PROP_START_TIMEOUT,
  PROP_STOP_TIMEOUT,
  PROP_KILL_ON_TIMEOUT,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (PyIsolateExtensionConfig, pyisolate_extension_config, G_TYPE_OBJECT)

static void
pyisolate_extension_config_get_property (GObject    *object,
                                         guint       prop_id,
                                         GValue     *value,
                                         GParamSpec *pspec)
{
  PyIsolateExtensionConfig *self = PYISOLATE_EXTENSION_CONFIG (object);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;
    case PROP_MODULE_PATH:
      g_value_set_string (value, self->module_path);
      break;
    case PROP_ISOLATED:
      g_value_set_boolean (value, self->isolated);
      break;
    case PROP_DEPENDENCIES:
      g_value_set_boxed (value, self->dependencies);
      break;
    case PROP_APIS:
      g_value_set_boxed (value, self->apis);
      break;
    case PROP_PYTHON:
      g_value_set_string (value, self->python);
      break;
    case PROP_ENVIRONMENT:
      g_value_set_string (value, self->environment);
      break;
    case PROP_SOURCE_PATHS:
      g_value_set_boxed (value, self->source_paths);
      break;
    case PROP_FIND_LINKS:
      g_value_set_boxed (value, self->find_links);
      break;
    case PROP_INDEX_URL:
      g_value_set_string (value, self->index_url);
      break;
    case PROP_EXTRA_INDEX_URLS:
      g_value_set_boxed (value, self->extra_index_urls);
      break;
    case PROP_LOCK_FILE:
      g_value_set_string (value, self->lock_file);
      break;
    case PROP_ALLOW_SOURCE_BUILDS:
      g_value_set_boolean (value, self->allow_source_builds);
      break;
    case PROP_AUTO_UPDATE:
      g_value_set_boolean (value, self->auto_update);
      break;
    case PROP_ENVIRONMENT_VARIABLES:
      g_value_set_boxed (value, self->environment_variables);
      break;
    case PROP_CALL_TIMEOUT:
      g_value_set_int64 (value, self->call_timeout);
      break;
    case PROP_START_TIMEOUT:
      g_value_set_int64 (value, self->start_timeout);
      break;
    case PROP_STOP_TIMEOUT:
      g_value_set_int64 (value, self->stop_timeout);
      break;
    case PROP_KILL_ON_TIMEOUT:
      g_value_set_boolean (value, self->kill_on_timeout);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_extension_config_set_property (GObject      *object,
                                         guint         prop_id,
                                         const GValue *value,
                                         GParamSpec   *pspec)
{
  PyIsolateExtensionConfig *self = PYISOLATE_EXTENSION_CONFIG (object);

  switch (prop_id)
    {
    case PROP_NAME:
      pyisolate_extension_config_set_name (self, g_value_get_string (value));
      break;
    case PROP_MODULE_PATH:
      pyisolate_extension_config_set_module_path (self, g_value_get_string (value));
      break;
    case PROP_ISOLATED:
      pyisolate_extension_config_set_isolated (self, g_value_get_boolean (value));
      break;
    case PROP_DEPENDENCIES:
      pyisolate_extension_config_set_dependencies (self, g_value_get_boxed (value));
      break;
    case PROP_APIS:
      pyisolate_extension_config_set_apis (self, g_value_get_boxed (value));
      break;
    case PROP_PYTHON:
      pyisolate_extension_config_set_python (self, g_value_get_string (value));
      break;
    case PROP_ENVIRONMENT:
      pyisolate_extension_config_set_environment (self, g_value_get_string (value));
      break;
    case PROP_SOURCE_PATHS:
      pyisolate_extension_config_set_source_paths (self, g_value_get_boxed (value));
      break;
    case PROP_FIND_LINKS:
      pyisolate_extension_config_set_find_links (self, g_value_get_boxed (value));
      break;
    case PROP_INDEX_URL:
      pyisolate_extension_config_set_index_url (self, g_value_get_string (value));
      break;
    case PROP_EXTRA_INDEX_URLS:
      pyisolate_extension_config_set_extra_index_urls (self, g_value_get_boxed (value));
      break;
    case PROP_LOCK_FILE:
      pyisolate_extension_config_set_lock_file (self, g_value_get_string (value));
      break;
    case PROP_ALLOW_SOURCE_BUILDS:
      pyisolate_extension_config_set_allow_source_builds (self, g_value_get_boolean (value));
      break;
    case PROP_AUTO_UPDATE:
      pyisolate_extension_config_set_auto_update (self, g_value_get_boolean (value));
      break;
    case PROP_ENVIRONMENT_VARIABLES:
      pyisolate_extension_config_set_environment_variables (self, g_value_get_boxed (value));
      break;
    case PROP_CALL_TIMEOUT:
      pyisolate_extension_config_set_call_timeout (self, g_value_get_int64 (value));
      break;
    case PROP_START_TIMEOUT:
      pyisolate_extension_config_set_start_timeout (self, g_value_get_int64 (value));
      break;
    case PROP_STOP_TIMEOUT:
      pyisolate_extension_config_set_stop_timeout (self, g_value_get_int64 (value));
      break;
    case PROP_KILL_ON_TIMEOUT:
      pyisolate_extension_config_set_kill_on_timeout (self, g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_extension_config_finalize (GObject *object)
{
  PyIsolateExtensionConfig *self = PYISOLATE_EXTENSION_CONFIG (object);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->module_path, g_free);
  g_clear_pointer (&self->dependencies, g_strfreev);
  g_clear_pointer (&self->apis, g_strfreev);
  g_clear_pointer (&self->python, g_free);
  g_clear_pointer (&self->environment, g_free);
  g_clear_pointer (&self->source_paths, g_strfreev);
  g_clear_pointer (&self->find_links, g_strfreev);
  g_clear_pointer (&self->index_url, g_free);
  g_clear_pointer (&self->extra_index_urls, g_strfreev);
  g_clear_pointer (&self->lock_file, g_free);
  g_clear_pointer (&self->environment_variables, g_strfreev);

  G_OBJECT_CLASS (pyisolate_extension_config_parent_class)->finalize (object);
}

static void
pyisolate_extension_config_class_init (PyIsolateExtensionConfigClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  object_class->get_property = pyisolate_extension_config_get_property;
  object_class->set_property = pyisolate_extension_config_set_property;
  object_class->finalize = pyisolate_extension_config_finalize;
  /**
   * PyIsolateExtensionConfig:name:
   *
   * The extension's name.
   *
   * Unique among the extensions of a manager. Any text but the empty one, `.`, `..` and text with a `/` or a control character.
   *
   * Since: 0.1
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:module-path:
   *
   * The extension's code: a directory with an `__init__.py`, or a single `.py` file.
   *
   * Resolved through symbolic links when the extension is loaded.
   *
   * Since: 0.1
   */
  properties[PROP_MODULE_PATH] = g_param_spec_string ("module-path", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:isolated:
   *
   * Whether the extension runs in a process of its own.
   *
   * A host that is not Python itself has no other way: there %FALSE is an error of loading.
   *
   * Since: 0.1
   */
  properties[PROP_ISOLATED] = g_param_spec_boolean ("isolated", NULL, NULL, TRUE, flags);
  /**
   * PyIsolateExtensionConfig:dependencies:
   *
   * The packages that the extension needs, as PEP 508 requirements.
   *
   * Since: 0.1
   */
  properties[PROP_DEPENDENCIES] = g_param_spec_boxed ("dependencies", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:apis:
   *
   * The names of the singletons that the extension may reach.
   *
   * They are the names given to [method@PyIsolate.ExtensionManager.add_singleton]; an extension reaches no other.
   *
   * Since: 0.1
   */
  properties[PROP_APIS] = g_param_spec_boxed ("apis", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:python:
   *
   * The interpreter that the extension's environment is made with.
   *
   * An absolute path, a command, a version such as `3.11` or a PEP 440 specifier such as `>=3.10`. %NULL: the manager's [property@PyIsolate.ExtensionManager:python].
   *
   * Since: 0.1
   */
  properties[PROP_PYTHON] = g_param_spec_string ("python", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:environment:
   *
   * A virtual environment of the user's own, by its absolute path.
   *
   * It is used as it is and never modified. Together with [property@PyIsolate.ExtensionConfig:dependencies] it is an error.
   *
   * Since: 0.1
   */
  properties[PROP_ENVIRONMENT] = g_param_spec_string ("environment", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:source-paths:
   *
   * Directories of the application whose modules the extension may import.
   *
   * Since: 0.1
   */
  properties[PROP_SOURCE_PATHS] = g_param_spec_boxed ("source-paths", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:find-links:
   *
   * Directories or URLs with packages, beside the indexes.
   *
   * Since: 0.1
   */
  properties[PROP_FIND_LINKS] = g_param_spec_boxed ("find-links", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:index-url:
   *
   * The package index to use instead of the default one.
   *
   * It may hold credentials; they appear in no log, message or file of this library.
   *
   * Since: 0.1
   */
  properties[PROP_INDEX_URL] = g_param_spec_string ("index-url", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:extra-index-urls:
   *
   * Package indexes to use beside the default one.
   *
   * Since: 0.1
   */
  properties[PROP_EXTRA_INDEX_URLS] = g_param_spec_boxed ("extra-index-urls", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:lock-file:
   *
   * A file with the exact requirements to install, as `uv pip compile` writes it.
   *
   * Since: 0.1
   */
  properties[PROP_LOCK_FILE] = g_param_spec_string ("lock-file", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:allow-source-builds:
   *
   * Whether packages may be built from source.
   *
   * Building a package runs its code, outside of any sandbox.
   *
   * Since: 0.1
   */
  properties[PROP_ALLOW_SOURCE_BUILDS] = g_param_spec_boolean ("allow-source-builds", NULL, NULL, FALSE, flags);
  /**
   * PyIsolateExtensionConfig:auto-update:
   *
   * Whether a local requirement that has changed leads to a new environment when the extension is loaded.
   *
   * Otherwise the change is only reported.
   *
   * Since: 0.1
   */
  properties[PROP_AUTO_UPDATE] = g_param_spec_boolean ("auto-update", NULL, NULL, FALSE, flags);
  /**
   * PyIsolateExtensionConfig:environment-variables:
   *
   * What the worker's environment holds besides the few variables that it gets anyway, as `KEY=value`.
   *
   * Since: 0.1
   */
  properties[PROP_ENVIRONMENT_VARIABLES] = g_param_spec_boxed ("environment-variables", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:call-timeout:
   *
   * The deadline of calls that name none, in milliseconds; -1 for none.
   *
   * Since: 0.1
   */
  properties[PROP_CALL_TIMEOUT] = g_param_spec_int64 ("call-timeout", NULL, NULL, -1, G_MAXINT64, -1, flags);
  /**
   * PyIsolateExtensionConfig:start-timeout:
   *
   * How long the extension may take from the start of its process until it is ready, in milliseconds; -1 for ever.
   *
   * Making its environment does not count.
   *
   * Since: 0.1
   */
  properties[PROP_START_TIMEOUT] = g_param_spec_int64 ("start-timeout", NULL, NULL, -1, G_MAXINT64, 60000, flags);
  /**
   * PyIsolateExtensionConfig:stop-timeout:
   *
   * How long the extension may take to stop before it is killed, in milliseconds.
   *
   * Since: 0.1
   */
  properties[PROP_STOP_TIMEOUT] = g_param_spec_int64 ("stop-timeout", NULL, NULL, 0, G_MAXINT64, 5000, flags);
  /**
   * PyIsolateExtensionConfig:kill-on-timeout:
   *
   * Whether a call that passes its deadline ends the whole process.
   *
   * Otherwise only the call is cancelled.
   *
   * Since: 0.1
   */
  properties[PROP_KILL_ON_TIMEOUT] = g_param_spec_boolean ("kill-on-timeout", NULL, NULL, FALSE, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
pyisolate_extension_config_init (PyIsolateExtensionConfig *self)
{
  self->isolated = TRUE;
  self->call_timeout = -1;
  self->start_timeout = 60 * 1000;
  self->stop_timeout = 5 * 1000;
  self->dependencies = g_new0 (char *, 1);
  self->apis = g_new0 (char *, 1);
  self->source_paths = g_new0 (char *, 1);
  self->find_links = g_new0 (char *, 1);
  self->extra_index_urls = g_new0 (char *, 1);
  self->environment_variables = g_new0 (char *, 1);
}

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
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
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
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
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
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
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
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
}

/**
 * pyisolate_extension_config_new:
 * @name: the extension's name
 * @module_path: (type filename): its code, a directory with an `__init__.py` or a `.py` file
 *
 * Creates a configuration. Nothing of it is checked yet.
 *
 * Returns: (transfer full): a new configuration
 *
 * Since: 0.1
 */
PyIsolateExtensionConfig *
pyisolate_extension_config_new (const char *name,
                                const char *module_path)
{
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (module_path != NULL, NULL);

  return g_object_new (PYISOLATE_TYPE_EXTENSION_CONFIG, "name", name, "module-path", module_path, NULL);
}

/**
 * pyisolate_extension_config_copy:
 * @self: a configuration
 *
 * Copies a configuration.
 *
 * Returns: (transfer full): a new configuration with the same properties
 *
 * Since: 0.1
 */
PyIsolateExtensionConfig *
pyisolate_extension_config_copy (PyIsolateExtensionConfig *self)
{
  PyIsolateExtensionConfig *copy;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION_CONFIG (self), NULL);

  copy = g_object_new (PYISOLATE_TYPE_EXTENSION_CONFIG, NULL);
  for (guint i = 1; i < N_PROPS; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_value_init (&value, properties[i]->value_type);
      g_object_get_property (G_OBJECT (self), properties[i]->name, &value);
      g_object_set_property (G_OBJECT (copy), properties[i]->name, &value);
    }

  return copy;
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
 * @value: the new time in milliseconds
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
 * @value: the new time in milliseconds
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
 * @value: the new time in milliseconds
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
