/* SPDX-License-Identifier: MIT */
/* What an extension is and needs: plain properties, which pyisolate-extension-config-properties.c describes. What they may hold
 * is checked in pyisolate-extension-config-check.c. */
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

  object_class->get_property = pyisolate_extension_config_get_property;
  object_class->set_property = pyisolate_extension_config_set_property;
  object_class->finalize = pyisolate_extension_config_finalize;

  _pyisolate_extension_config_describe (properties);
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
