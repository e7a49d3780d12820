/* SPDX-License-Identifier: MIT */
/* What an extension is and needs: plain properties. What they may hold is checked in pyisolate-extension-config-check.c. */
#include "config.h"

#include "pyisolate-extension-config-struct-private.h"

/**
 * PyIsolateExtensionConfig:
 *
 * What an extension is, and what it needs to run.
 *
 * A manager copies the configuration when it loads an extension; a change made later has no effect on that extension.
 *
 * Since: 0.1
 */
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
    case PROP_SHARE_TORCH:
      g_value_set_boolean (value, self->share_torch);
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
    case PROP_SHARED_MEMORY_LIMIT:
      g_value_set_uint64 (value, self->shared_memory_limit);
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
    case PROP_SHARE_TORCH:
      pyisolate_extension_config_set_share_torch (self, g_value_get_boolean (value));
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
    case PROP_SHARED_MEMORY_LIMIT:
      pyisolate_extension_config_set_shared_memory_limit (self, g_value_get_uint64 (value));
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
   * PyIsolateExtensionConfig:share-torch:
   *
   * Whether the extension uses the very torch of [property@PyIsolate.ExtensionManager:torch-environment]: the same version
   * and build, without a second copy on the disk.
   *
   * Its dependencies may ask for a torch; they are resolved with that one, which has to do. All that it needs besides torch
   * and the packages that torch requires is its own.
   *
   * Since: 0.1
   */
  properties[PROP_SHARE_TORCH] = g_param_spec_boolean ("share-torch", NULL, NULL, FALSE, flags);
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
   * How long the extension may take to stop before it is killed, in milliseconds; -1 for as long as it likes.
   *
   * Since: 0.1
   */
  properties[PROP_STOP_TIMEOUT] = g_param_spec_int64 ("stop-timeout", NULL, NULL, -1, G_MAXINT64, 5000, flags);
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
  /**
   * PyIsolateExtensionConfig:shared-memory-limit:
   *
   * How many bytes of memory the library may hold for what this extension sends and is sent: tensors, and large bytes; 0 for
   * half of the machine's memory.
   *
   * Past it a call that needs more ends with %PYISOLATE_ERROR_LIMIT. What an application allocates itself
   * ([ctor@PyIsolate.Memory.new]) does not count.
   *
   * Since: 0.1
   */
  properties[PROP_SHARED_MEMORY_LIMIT] =
    g_param_spec_uint64 ("shared-memory-limit", NULL, NULL, 0, G_MAXUINT64, 0, flags);

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

void
_pyisolate_extension_config_notify (PyIsolateExtensionConfig *self,
                                    int                       prop_id)
{
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
