/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-parameter-info-private.h"

#include "pyisolate-error.h"

/**
 * PyIsolateParameterInfo:
 *
 * One parameter of an extension's method.
 *
 * Since: 0.1
 */
struct _PyIsolateParameterInfo {
  GObject parent_instance;

  /* All of it is fixed at construction and may be read from any thread. */
  char *name;
  char *kind;
  char *annotation;
  char *default_value;
};

enum {
  PROP_0,
  PROP_NAME,
  PROP_KIND,
  PROP_ANNOTATION,
  PROP_DEFAULT_VALUE,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (PyIsolateParameterInfo, pyisolate_parameter_info, G_TYPE_OBJECT)

static void
pyisolate_parameter_info_get_property (GObject    *object,
                                       guint       prop_id,
                                       GValue     *value,
                                       GParamSpec *pspec)
{
  PyIsolateParameterInfo *self = PYISOLATE_PARAMETER_INFO (object);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;

    case PROP_KIND:
      g_value_set_string (value, self->kind);
      break;

    case PROP_ANNOTATION:
      g_value_set_string (value, self->annotation);
      break;

    case PROP_DEFAULT_VALUE:
      g_value_set_string (value, self->default_value);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_parameter_info_finalize (GObject *object)
{
  PyIsolateParameterInfo *self = PYISOLATE_PARAMETER_INFO (object);

  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->kind, g_free);
  g_clear_pointer (&self->annotation, g_free);
  g_clear_pointer (&self->default_value, g_free);

  G_OBJECT_CLASS (pyisolate_parameter_info_parent_class)->finalize (object);
}

static void
pyisolate_parameter_info_class_init (PyIsolateParameterInfoClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = pyisolate_parameter_info_get_property;
  object_class->finalize = pyisolate_parameter_info_finalize;

  /**
   * PyIsolateParameterInfo:name:
   *
   * The parameter's name.
   *
   * Since: 0.1
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);
  /**
   * PyIsolateParameterInfo:kind:
   *
   * How it can be given, as Python's `inspect` names it, such as `POSITIONAL_OR_KEYWORD`.
   *
   * Since: 0.1
   */
  properties[PROP_KIND] = g_param_spec_string ("kind", NULL, NULL, NULL, flags);
  /**
   * PyIsolateParameterInfo:annotation:
   *
   * The type it is annotated with, as the source has it.
   *
   * Since: 0.1
   */
  properties[PROP_ANNOTATION] = g_param_spec_string ("annotation", NULL, NULL, NULL, flags);
  /**
   * PyIsolateParameterInfo:default-value:
   *
   * Its default as Python prints it.
   *
   * Since: 0.1
   */
  properties[PROP_DEFAULT_VALUE] = g_param_spec_string ("default-value", NULL, NULL, NULL, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
pyisolate_parameter_info_init (PyIsolateParameterInfo *self)
{
}

static char *
lookup_string (GVariant   *dict,
               const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, G_VARIANT_TYPE_STRING);

  return g_strdup (value != NULL ? g_variant_get_string (value, NULL) : "");
}

PyIsolateParameterInfo *
_pyisolate_parameter_info_new_from_variant (GVariant  *dict,
                                            GError   **error)
{
  PyIsolateParameterInfo *self;
  g_autoptr (GVariant) default_value = NULL;

  if (!g_variant_is_of_type (dict, G_VARIANT_TYPE ("a{s*}")))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE,
                   "The worker describes a parameter by a value of type %s",
                   g_variant_get_type_string (dict));
      return NULL;
    }

  self = g_object_new (PYISOLATE_TYPE_PARAMETER_INFO, NULL);
  self->name = lookup_string (dict, "name");
  self->kind = lookup_string (dict, "kind");
  self->annotation = lookup_string (dict, "annotation");
  default_value = g_variant_lookup_value (dict, "default", G_VARIANT_TYPE_STRING);
  if (default_value != NULL)
    self->default_value = g_variant_dup_string (default_value, NULL);

  return self;
}

/**
 * pyisolate_parameter_info_get_name: (get-property name)
 * @self: a description
 *
 * Gets the parameter's name.
 *
 * Returns: the text; may be empty
 *
 * Since: 0.1
 */
const char *
pyisolate_parameter_info_get_name (PyIsolateParameterInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_PARAMETER_INFO (self), NULL);

  return self->name;
}

/**
 * pyisolate_parameter_info_get_kind: (get-property kind)
 * @self: a description
 *
 * Gets how it can be given, as Python's `inspect` names it, such as `POSITIONAL_OR_KEYWORD`.
 *
 * Returns: the text; may be empty
 *
 * Since: 0.1
 */
const char *
pyisolate_parameter_info_get_kind (PyIsolateParameterInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_PARAMETER_INFO (self), NULL);

  return self->kind;
}

/**
 * pyisolate_parameter_info_get_annotation: (get-property annotation)
 * @self: a description
 *
 * Gets the type it is annotated with, as the source has it.
 *
 * Returns: the text; may be empty
 *
 * Since: 0.1
 */
const char *
pyisolate_parameter_info_get_annotation (PyIsolateParameterInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_PARAMETER_INFO (self), NULL);

  return self->annotation;
}

/**
 * pyisolate_parameter_info_get_default_value: (get-property default-value)
 * @self: a description
 *
 * Gets its default as Python prints it.
 *
 * Returns: (nullable): the text, or %NULL if the parameter has no default
 *
 * Since: 0.1
 */
const char *
pyisolate_parameter_info_get_default_value (PyIsolateParameterInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_PARAMETER_INFO (self), NULL);

  return self->default_value;
}
