/* SPDX-License-Identifier: MIT */
/* What an extension is and needs: plain properties. What they may hold is checked in
 * pyisolate-extension-config-check.c. */
#include "config.h"

#include "pyisolate-extension-config-struct-private.h"

/**
 * PyIsolateExtensionConfig:
 *
 * What an extension is, and what it needs to run.
 *
 * A manager copies the configuration when it loads an extension; a change made later has no effect
 * on that extension.
 *
 * Since: 0.1
 */

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (PyIsolateExtensionConfig, pyisolate_extension_config, G_TYPE_OBJECT)

/* Where the value of each property is; of which type it is, its GParamSpec knows. */
#define FIELD(name) G_STRUCT_OFFSET (PyIsolateExtensionConfig, name)
static const glong offsets[N_PROPS] = {
  [PROP_NAME] = FIELD (name),
  [PROP_MODULE_PATH] = FIELD (module_path),
  [PROP_ISOLATED] = FIELD (isolated),
  [PROP_DEPENDENCIES] = FIELD (dependencies),
  [PROP_APIS] = FIELD (apis),
  [PROP_PYTHON] = FIELD (python),
  [PROP_ENVIRONMENT] = FIELD (environment),
  [PROP_SOURCE_PATHS] = FIELD (source_paths),
  [PROP_FIND_LINKS] = FIELD (find_links),
  [PROP_INDEX_URL] = FIELD (index_url),
  [PROP_EXTRA_INDEX_URLS] = FIELD (extra_index_urls),
  [PROP_LOCK_FILE] = FIELD (lock_file),
  [PROP_ALLOW_SOURCE_BUILDS] = FIELD (allow_source_builds),
  [PROP_AUTO_UPDATE] = FIELD (auto_update),
  [PROP_SHARE_TORCH] = FIELD (share_torch),
  [PROP_ENVIRONMENT_VARIABLES] = FIELD (environment_variables),
  [PROP_CALL_TIMEOUT] = FIELD (call_timeout),
  [PROP_START_TIMEOUT] = FIELD (start_timeout),
  [PROP_STOP_TIMEOUT] = FIELD (stop_timeout),
  [PROP_KILL_ON_TIMEOUT] = FIELD (kill_on_timeout),
  [PROP_SHARED_MEMORY_LIMIT] = FIELD (shared_memory_limit),
};
#undef FIELD

static gpointer
get_field (PyIsolateExtensionConfig *self,
           guint                     prop_id)
{
  return G_STRUCT_MEMBER_P (self, offsets[prop_id]);
}

static void
notify (PyIsolateExtensionConfig *self,
        guint                     prop_id)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
}

void
_pyisolate_extension_config_set_string (PyIsolateExtensionConfig *self,
                                        guint                     prop_id,
                                        const char               *value)
{
  char **field = get_field (self, prop_id);
  char *copy;

  if (g_strcmp0 (*field, value) == 0)
    return;

  copy = g_strdup (value); /* it may be a part of the former one */
  g_free (*field);
  *field = copy;
  notify (self, prop_id);
}

void
_pyisolate_extension_config_set_strv (PyIsolateExtensionConfig *self,
                                      guint                     prop_id,
                                      const char *const        *value)
{
  static const char *const none[] = { NULL };
  char ***field = get_field (self, prop_id);
  char **copy;

  if (value == NULL)
    value = none;
  if (g_strv_equal ((const char *const *) *field, value))
    return;

  copy = g_strdupv ((char **) value);
  g_strfreev (*field);
  *field = copy;
  notify (self, prop_id);
}

void
_pyisolate_extension_config_set_boolean (PyIsolateExtensionConfig *self,
                                         guint                     prop_id,
                                         gboolean                  value)
{
  gboolean *field = get_field (self, prop_id);

  if (*field == !!value)
    return;

  *field = !!value;
  notify (self, prop_id);
}

void
_pyisolate_extension_config_set_int64 (PyIsolateExtensionConfig *self,
                                       guint                     prop_id,
                                       gint64                    value)
{
  gint64 *field = get_field (self, prop_id);

  if (*field == value)
    return;

  *field = value;
  notify (self, prop_id);
}

void
_pyisolate_extension_config_set_uint64 (PyIsolateExtensionConfig *self,
                                        guint                     prop_id,
                                        guint64                   value)
{
  guint64 *field = get_field (self, prop_id);

  if (*field == value)
    return;

  *field = value;
  notify (self, prop_id);
}

static void
pyisolate_extension_config_get_property (GObject    *object,
                                         guint       prop_id,
                                         GValue     *value,
                                         GParamSpec *pspec)
{
  gconstpointer field = get_field (PYISOLATE_EXTENSION_CONFIG (object), prop_id);

  if (G_VALUE_HOLDS_STRING (value))
    g_value_set_string (value, *(const char *const *) field);
  else if (G_VALUE_HOLDS (value, G_TYPE_STRV))
    g_value_set_boxed (value, *(const gconstpointer *) field);
  else if (G_VALUE_HOLDS_BOOLEAN (value))
    g_value_set_boolean (value, *(const gboolean *) field);
  else if (G_VALUE_HOLDS_INT64 (value))
    g_value_set_int64 (value, *(const gint64 *) field);
  else if (G_VALUE_HOLDS_UINT64 (value))
    g_value_set_uint64 (value, *(const guint64 *) field);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
pyisolate_extension_config_set_property (GObject      *object,
                                         guint         prop_id,
                                         const GValue *value,
                                         GParamSpec   *pspec)
{
  PyIsolateExtensionConfig *self = PYISOLATE_EXTENSION_CONFIG (object);

  if (G_VALUE_HOLDS_STRING (value))
    _pyisolate_extension_config_set_string (self, prop_id, g_value_get_string (value));
  else if (G_VALUE_HOLDS (value, G_TYPE_STRV))
    _pyisolate_extension_config_set_strv (self, prop_id, g_value_get_boxed (value));
  else if (G_VALUE_HOLDS_BOOLEAN (value))
    _pyisolate_extension_config_set_boolean (self, prop_id, g_value_get_boolean (value));
  else if (G_VALUE_HOLDS_INT64 (value))
    _pyisolate_extension_config_set_int64 (self, prop_id, g_value_get_int64 (value));
  else if (G_VALUE_HOLDS_UINT64 (value))
    _pyisolate_extension_config_set_uint64 (self, prop_id, g_value_get_uint64 (value));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
pyisolate_extension_config_finalize (GObject *object)
{
  PyIsolateExtensionConfig *self = PYISOLATE_EXTENSION_CONFIG (object);

  for (guint i = 1; i < N_PROPS; i++)
    {
      if (properties[i]->value_type == G_TYPE_STRING)
        g_clear_pointer ((char **) get_field (self, i), g_free);
      else if (properties[i]->value_type == G_TYPE_STRV)
        g_clear_pointer ((char ***) get_field (self, i), g_strfreev);
    }
  g_clear_pointer (&self->requires_python, g_free);

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
   * Unique among the extensions of a manager. Any text but the empty one, `.`, `..` and text with a
   * `/` or a control character.
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
  properties[PROP_DEPENDENCIES] = g_param_spec_boxed ("dependencies", NULL, NULL, G_TYPE_STRV,
                                                      flags);
  /**
   * PyIsolateExtensionConfig:apis:
   *
   * The names of the singletons that the extension may reach.
   *
   * They are the names given to [method@PyIsolate.ExtensionManager.add_singleton]; an extension
   * reaches no other.
   *
   * Since: 0.1
   */
  properties[PROP_APIS] = g_param_spec_boxed ("apis", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:python:
   *
   * The interpreter that the extension's environment is made with.
   *
   * An absolute path, a command, a version such as `3.11` or a PEP 440 specifier such as `>=3.10`.
   * %NULL: the manager's [property@PyIsolate.ExtensionManager:python].
   *
   * Of a configuration that was read from an extension's own metadata it is what these say. Another
   * one can be set, but to load the extension with a Python that its `requires-python` excludes is
   * %PYISOLATE_ERROR_PYTHON_NOT_FOUND.
   *
   * Since: 0.1
   */
  properties[PROP_PYTHON] = g_param_spec_string ("python", NULL, NULL, NULL, flags);
  /**
   * PyIsolateExtensionConfig:environment:
   *
   * A virtual environment of the user's own, by its absolute path.
   *
   * It is used as it is and never modified. Together with
   * [property@PyIsolate.ExtensionConfig:dependencies] it is an error.
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
  properties[PROP_SOURCE_PATHS] = g_param_spec_boxed ("source-paths", NULL, NULL, G_TYPE_STRV,
                                                      flags);
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
  properties[PROP_EXTRA_INDEX_URLS] = g_param_spec_boxed ("extra-index-urls", NULL, NULL,
                                                          G_TYPE_STRV, flags);
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
  properties[PROP_ALLOW_SOURCE_BUILDS] = g_param_spec_boolean ("allow-source-builds", NULL, NULL,
                                                               FALSE, flags);
  /**
   * PyIsolateExtensionConfig:auto-update:
   *
   * Whether a local requirement that has changed leads to a new environment when the extension is
   * loaded.
   *
   * Otherwise the change is only reported.
   *
   * Since: 0.1
   */
  properties[PROP_AUTO_UPDATE] = g_param_spec_boolean ("auto-update", NULL, NULL, FALSE, flags);
  /**
   * PyIsolateExtensionConfig:share-torch:
   *
   * Whether the extension uses the very torch of
   * [property@PyIsolate.ExtensionManager:torch-environment]: the same version and build, without a
   * second copy on the disk.
   *
   * Its dependencies may ask for a torch; they are resolved with that one, which has to do. All
   * that it needs besides torch and the packages that torch requires is its own.
   *
   * Since: 0.1
   */
  properties[PROP_SHARE_TORCH] = g_param_spec_boolean ("share-torch", NULL, NULL, FALSE, flags);
  /**
   * PyIsolateExtensionConfig:environment-variables:
   *
   * What the worker's environment holds besides the few variables that it gets anyway, as
   * `KEY=value`.
   *
   * Since: 0.1
   */
  properties[PROP_ENVIRONMENT_VARIABLES] = g_param_spec_boxed ("environment-variables", NULL, NULL,
                                                               G_TYPE_STRV, flags);
  /**
   * PyIsolateExtensionConfig:call-timeout:
   *
   * The deadline of calls that name none, in milliseconds; -1 for none.
   *
   * Since: 0.1
   */
  properties[PROP_CALL_TIMEOUT] = g_param_spec_int64 ("call-timeout", NULL, NULL, -1, G_MAXINT64,
                                                      -1, flags);
  /**
   * PyIsolateExtensionConfig:start-timeout:
   *
   * How long the extension may take from the start of its process until it is ready, in
   * milliseconds; -1 for ever.
   *
   * Making its environment does not count.
   *
   * Since: 0.1
   */
  properties[PROP_START_TIMEOUT] = g_param_spec_int64 ("start-timeout", NULL, NULL, -1, G_MAXINT64,
                                                       60000, flags);
  /**
   * PyIsolateExtensionConfig:stop-timeout:
   *
   * How long the extension may take to stop before it is killed, in milliseconds; -1 for as long as
   * it likes.
   *
   * Since: 0.1
   */
  properties[PROP_STOP_TIMEOUT] = g_param_spec_int64 ("stop-timeout", NULL, NULL, -1, G_MAXINT64,
                                                      5000, flags);
  /**
   * PyIsolateExtensionConfig:kill-on-timeout:
   *
   * Whether a call that passes its deadline ends the whole process.
   *
   * Otherwise only the call is cancelled.
   *
   * Since: 0.1
   */
  properties[PROP_KILL_ON_TIMEOUT] = g_param_spec_boolean ("kill-on-timeout", NULL, NULL, FALSE,
                                                           flags);
  /**
   * PyIsolateExtensionConfig:shared-memory-limit:
   *
   * How many bytes of memory the library may hold for what this extension sends and is sent:
   * tensors, and large bytes; 0 for half of the machine's memory.
   *
   * Past it a call that needs more ends with %PYISOLATE_ERROR_LIMIT. What an application allocates
   * itself ([ctor@PyIsolate.Memory.new]) does not count.
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

  /* A list is never NULL. */
  for (guint i = 1; i < N_PROPS; i++)
    {
      if (properties[i]->value_type == G_TYPE_STRV)
        *(char ***) get_field (self, i) = g_new0 (char *, 1);
    }
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

  return g_object_new (PYISOLATE_TYPE_EXTENSION_CONFIG, "name", name, "module-path", module_path,
                       NULL);
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
  copy->requires_python = g_strdup (self->requires_python);

  return copy;
}
