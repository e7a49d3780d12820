/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-method-info-private.h"

#include "pyisolate-error.h"
#include "pyisolate-parameter-info-private.h"

/**
 * PyIsolateMethodInfo:
 *
 * One method of an extension, as it was introspected when the extension was loaded.
 *
 * Since: 0.1
 */
struct _PyIsolateMethodInfo {
  GObject parent_instance;

  /* All of it is fixed at construction and may be read from any thread. */
  char *name;
  char *doc;
  char *signature;
  char *returns;
  char *runs_on;
  gboolean is_async;
  GListStore *parameters;
};

enum {
  PROP_0,
  PROP_NAME,
  PROP_DOC,
  PROP_SIGNATURE,
  PROP_RETURNS,
  PROP_RUNS_ON,
  PROP_IS_ASYNC,
  PROP_PARAMETERS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (PyIsolateMethodInfo, pyisolate_method_info, G_TYPE_OBJECT)

static void
pyisolate_method_info_get_property (GObject    *object,
                                    guint       prop_id,
                                    GValue     *value,
                                    GParamSpec *pspec)
{
  PyIsolateMethodInfo *self = PYISOLATE_METHOD_INFO (object);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;

    case PROP_DOC:
      g_value_set_string (value, self->doc);
      break;

    case PROP_SIGNATURE:
      g_value_set_string (value, self->signature);
      break;

    case PROP_RETURNS:
      g_value_set_string (value, self->returns);
      break;

    case PROP_RUNS_ON:
      g_value_set_string (value, self->runs_on);
      break;

    case PROP_IS_ASYNC:
      g_value_set_boolean (value, self->is_async);
      break;

    case PROP_PARAMETERS:
      g_value_set_object (value, self->parameters);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_method_info_finalize (GObject *object)
{
  PyIsolateMethodInfo *self = PYISOLATE_METHOD_INFO (object);

  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->doc, g_free);
  g_clear_pointer (&self->signature, g_free);
  g_clear_pointer (&self->returns, g_free);
  g_clear_pointer (&self->runs_on, g_free);
  g_clear_object (&self->parameters);

  G_OBJECT_CLASS (pyisolate_method_info_parent_class)->finalize (object);
}

static void
pyisolate_method_info_class_init (PyIsolateMethodInfoClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = pyisolate_method_info_get_property;
  object_class->finalize = pyisolate_method_info_finalize;

  /**
   * PyIsolateMethodInfo:name:
   *
   * The method's name.
   *
   * Since: 0.1
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);
  /**
   * PyIsolateMethodInfo:doc:
   *
   * Its doc string.
   *
   * Since: 0.1
   */
  properties[PROP_DOC] = g_param_spec_string ("doc", NULL, NULL, NULL, flags);
  /**
   * PyIsolateMethodInfo:signature:
   *
   * Its signature as Python writes it, such as `(x: int, *, scale: float = 1.0) -> float`.
   *
   * Since: 0.1
   */
  properties[PROP_SIGNATURE] = g_param_spec_string ("signature", NULL, NULL, NULL, flags);
  /**
   * PyIsolateMethodInfo:returns:
   *
   * The type of its result as it is annotated.
   *
   * Since: 0.1
   */
  properties[PROP_RETURNS] = g_param_spec_string ("returns", NULL, NULL, NULL, flags);
  /**
   * PyIsolateMethodInfo:runs-on:
   *
   * The thread it runs on: `main`, `second` or `pool`.
   *
   * Since: 0.1
   */
  properties[PROP_RUNS_ON] = g_param_spec_string ("runs-on", NULL, NULL, NULL, flags);
  /**
   * PyIsolateMethodInfo:is-async:
   *
   * Whether it is an `async def`.
   *
   * Since: 0.1
   */
  properties[PROP_IS_ASYNC] = g_param_spec_boolean ("is-async", NULL, NULL, FALSE, flags);
  /**
   * PyIsolateMethodInfo:parameters:
   *
   * Its parameters.
   *
   * Since: 0.1
   */
  properties[PROP_PARAMETERS] = g_param_spec_object ("parameters", NULL, NULL, G_TYPE_LIST_MODEL,
                                                     flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
pyisolate_method_info_init (PyIsolateMethodInfo *self)
{
}

static char *
lookup_string (GVariant   *dict,
               const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, G_VARIANT_TYPE_STRING);

  return g_strdup (value != NULL ? g_variant_get_string (value, NULL) : "");
}

static gboolean
add_parameters (PyIsolateMethodInfo  *self,
                GVariant             *dict,
                GError              **error)
{
  g_autoptr (GVariant) list = g_variant_lookup_value (dict, "parameters", G_VARIANT_TYPE_ARRAY);

  for (gsize i = 0; list != NULL && i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (list, i);
      g_autoptr (GVariant) inner = NULL;
      g_autoptr (PyIsolateParameterInfo) parameter = NULL;

      if (g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT))
        inner = g_variant_get_variant (child);
      parameter = _pyisolate_parameter_info_new_from_variant (inner != NULL ? inner : child, error);
      if (parameter == NULL)
        return FALSE;
      g_list_store_append (self->parameters, parameter);
    }

  return TRUE;
}

PyIsolateMethodInfo *
_pyisolate_method_info_new_from_variant (GVariant  *dict,
                                         GError   **error)
{
  g_autoptr (PyIsolateMethodInfo) self = NULL;
  g_autoptr (GVariant) is_async = NULL;

  if (!g_variant_is_of_type (dict, G_VARIANT_TYPE_VARDICT))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE,
                   "The worker describes a method by a value of type %s",
                   g_variant_get_type_string (dict));
      return NULL;
    }

  self = g_object_new (PYISOLATE_TYPE_METHOD_INFO, NULL);
  self->name = lookup_string (dict, "name");
  self->doc = lookup_string (dict, "doc");
  self->signature = lookup_string (dict, "signature");
  self->returns = lookup_string (dict, "returns");
  self->runs_on = lookup_string (dict, "runs_on");
  is_async = g_variant_lookup_value (dict, "async", G_VARIANT_TYPE_BOOLEAN);
  self->is_async = is_async != NULL && g_variant_get_boolean (is_async);
  self->parameters = g_list_store_new (PYISOLATE_TYPE_PARAMETER_INFO);
  if (!add_parameters (self, dict, error))
    return NULL;

  return g_steal_pointer (&self);
}

/**
 * pyisolate_method_info_get_name: (get-property name)
 * @self: a description
 *
 * Gets the method's name.
 *
 * Returns: the text; may be empty
 *
 * Since: 0.1
 */
const char *
pyisolate_method_info_get_name (PyIsolateMethodInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_METHOD_INFO (self), NULL);

  return self->name;
}

/**
 * pyisolate_method_info_get_doc: (get-property doc)
 * @self: a description
 *
 * Gets its doc string.
 *
 * Returns: the text; may be empty
 *
 * Since: 0.1
 */
const char *
pyisolate_method_info_get_doc (PyIsolateMethodInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_METHOD_INFO (self), NULL);

  return self->doc;
}

/**
 * pyisolate_method_info_get_signature: (get-property signature)
 * @self: a description
 *
 * Gets its signature as Python writes it, such as `(x: int, *, scale: float = 1.0) -> float`.
 *
 * Returns: the text; may be empty
 *
 * Since: 0.1
 */
const char *
pyisolate_method_info_get_signature (PyIsolateMethodInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_METHOD_INFO (self), NULL);

  return self->signature;
}

/**
 * pyisolate_method_info_get_returns: (get-property returns)
 * @self: a description
 *
 * Gets the type of its result as it is annotated.
 *
 * Returns: the text; may be empty
 *
 * Since: 0.1
 */
const char *
pyisolate_method_info_get_returns (PyIsolateMethodInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_METHOD_INFO (self), NULL);

  return self->returns;
}

/**
 * pyisolate_method_info_get_runs_on: (get-property runs-on)
 * @self: a description
 *
 * Gets the thread it runs on: `main`, `second` or `pool`.
 *
 * Returns: the text; may be empty
 *
 * Since: 0.1
 */
const char *
pyisolate_method_info_get_runs_on (PyIsolateMethodInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_METHOD_INFO (self), NULL);

  return self->runs_on;
}

/**
 * pyisolate_method_info_get_is_async: (get-property is-async)
 * @self: a description
 *
 * Gets whether it is an `async def`.
 *
 * Returns: %TRUE or %FALSE
 *
 * Since: 0.1
 */
gboolean
pyisolate_method_info_get_is_async (PyIsolateMethodInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_METHOD_INFO (self), FALSE);

  return self->is_async;
}

/**
 * pyisolate_method_info_get_parameters: (get-property parameters)
 * @self: a description
 *
 * Gets its parameters.
 *
 * Returns: (transfer none): a list of [class@PyIsolate.ParameterInfo]
 *
 * Since: 0.1
 */
GListModel *
pyisolate_method_info_get_parameters (PyIsolateMethodInfo *self)
{
  g_return_val_if_fail (PYISOLATE_IS_METHOD_INFO (self), NULL);

  return G_LIST_MODEL (self->parameters);
}
