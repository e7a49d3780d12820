/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-remote-exception-private.h"

#include "pyisolate-value-private.h"

/**
 * PyIsolateRemoteException:
 *
 * A Python exception that was raised in another process.
 *
 * Nothing of it is looked up or created by name on this side: type, message and traceback are text. The exceptions that
 * it was raised from ([property@PyIsolate.RemoteException:cause]) or while handling
 * ([property@PyIsolate.RemoteException:context]), and those of a group ([property@PyIsolate.RemoteException:exceptions]), are objects of
 * the same kind.
 *
 * Since: 0.1
 */
struct _PyIsolateRemoteException {
  GObject parent_instance;

  /* All of it is fixed at construction and may be read from any thread. */
  char *type_name;
  char *message;
  char *traceback;
  GVariant *args;
  GVariant *attributes;
  char **notes;
  PyIsolateRemoteException *cause;
  PyIsolateRemoteException *context;
  GPtrArray *exceptions;
};

enum {
  PROP_0,
  PROP_TYPE_NAME,
  PROP_MESSAGE,
  PROP_TRACEBACK,
  PROP_ARGS,
  PROP_ATTRIBUTES,
  PROP_NOTES,
  PROP_CAUSE,
  PROP_CONTEXT,
  PROP_EXCEPTIONS,
  N_PROPS
};

/* A worker may send a chain, or groups of groups, as long as it likes; what a person reads is not. */
#define MAX_CHAIN 32

/* Of all of them: an object is much larger than what it may be made of. */
#define MAX_EXCEPTIONS 10000

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (PyIsolateRemoteException, pyisolate_remote_exception, G_TYPE_OBJECT)

static void
pyisolate_remote_exception_get_property (GObject    *object,
                                         guint       prop_id,
                                         GValue     *value,
                                         GParamSpec *pspec)
{
  PyIsolateRemoteException *self = PYISOLATE_REMOTE_EXCEPTION (object);

  switch (prop_id)
    {
    case PROP_TYPE_NAME:
      g_value_set_string (value, self->type_name);
      break;

    case PROP_MESSAGE:
      g_value_set_string (value, self->message);
      break;

    case PROP_TRACEBACK:
      g_value_set_string (value, self->traceback);
      break;

    case PROP_ARGS:
      g_value_set_variant (value, self->args);
      break;

    case PROP_ATTRIBUTES:
      g_value_set_variant (value, self->attributes);
      break;

    case PROP_NOTES:
      g_value_set_boxed (value, self->notes);
      break;

    case PROP_CAUSE:
      g_value_set_object (value, self->cause);
      break;

    case PROP_CONTEXT:
      g_value_set_object (value, self->context);
      break;

    case PROP_EXCEPTIONS:
      g_value_set_boxed (value, self->exceptions);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_remote_exception_finalize (GObject *object)
{
  PyIsolateRemoteException *self = PYISOLATE_REMOTE_EXCEPTION (object);

  g_clear_pointer (&self->type_name, g_free);
  g_clear_pointer (&self->message, g_free);
  g_clear_pointer (&self->traceback, g_free);
  g_clear_pointer (&self->args, g_variant_unref);
  g_clear_pointer (&self->attributes, g_variant_unref);
  g_clear_pointer (&self->notes, g_strfreev);
  g_clear_object (&self->cause);
  g_clear_object (&self->context);
  g_clear_pointer (&self->exceptions, g_ptr_array_unref);

  G_OBJECT_CLASS (pyisolate_remote_exception_parent_class)->finalize (object);
}

static void
pyisolate_remote_exception_class_init (PyIsolateRemoteExceptionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = pyisolate_remote_exception_get_property;
  object_class->finalize = pyisolate_remote_exception_finalize;

  /**
   * PyIsolateRemoteException:type-name:
   *
   * The qualified name of the exception's class; that of a built-in class has no module in front.
   *
   * Since: 0.1
   */
  properties[PROP_TYPE_NAME] = g_param_spec_string ("type-name", NULL, NULL, NULL, flags);
  /**
   * PyIsolateRemoteException:message:
   *
   * What Python's `str()` made of the exception; may be empty.
   *
   * Since: 0.1
   */
  properties[PROP_MESSAGE] = g_param_spec_string ("message", NULL, NULL, NULL, flags);
  /**
   * PyIsolateRemoteException:traceback:
   *
   * The traceback as Python prints it, with the whole chain of causes.
   *
   * Since: 0.1
   */
  properties[PROP_TRACEBACK] = g_param_spec_string ("traceback", NULL, NULL, NULL, flags);
  /**
   * PyIsolateRemoteException:args:
   *
   * The exception's arguments, of type `av`; those that cannot travel are given by their `repr()`.
   *
   * Since: 0.1
   */
  properties[PROP_ARGS] =
    g_param_spec_variant ("args", NULL, NULL, G_VARIANT_TYPE ("av"), NULL, flags);
  /**
   * PyIsolateRemoteException:attributes:
   *
   * The exception's attributes, of type `a{sv}`: those that its class or its raiser has set, but for names that begin with an
   * underscore, and `name` and `path` of an `ImportError`, `name` of a `NameError` or `AttributeError`. Those that cannot travel are
   * given by their `repr()`.
   *
   * Since: 0.1
   */
  properties[PROP_ATTRIBUTES] =
    g_param_spec_variant ("attributes", NULL, NULL, G_VARIANT_TYPE_VARDICT, NULL, flags);
  /**
   * PyIsolateRemoteException:notes:
   *
   * The notes added to the exception (PEP 678).
   *
   * Since: 0.1
   */
  properties[PROP_NOTES] = g_param_spec_boxed ("notes", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * PyIsolateRemoteException:cause:
   *
   * What the exception was raised from, if anything.
   *
   * Since: 0.1
   */
  properties[PROP_CAUSE] =
    g_param_spec_object ("cause", NULL, NULL, PYISOLATE_TYPE_REMOTE_EXCEPTION, flags);
  /**
   * PyIsolateRemoteException:context:
   *
   * What was being handled when the exception was raised, if anything.
   *
   * Since: 0.1
   */
  properties[PROP_CONTEXT] =
    g_param_spec_object ("context", NULL, NULL, PYISOLATE_TYPE_REMOTE_EXCEPTION, flags);
  /**
   * PyIsolateRemoteException:exceptions: (type GLib.PtrArray(PyIsolateRemoteException))
   *
   * The exceptions of an exception group (PEP 654); none of any other.
   *
   * Since: 0.1
   */
  properties[PROP_EXCEPTIONS] = g_param_spec_boxed ("exceptions", NULL, NULL, G_TYPE_PTR_ARRAY, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
pyisolate_remote_exception_init (PyIsolateRemoteException *self)
{
}

static char *
lookup_string (GVariant   *dict,
               const char *key)
{
  const char *string = NULL;

  if (!g_variant_lookup (dict, key, "&s", &string))
    return g_strdup ("");

  return g_strdup (string);
}

/* A list of equal types may have come as an array of that type. */
static GVariant *
lookup_list (GVariant   *dict,
             const char *key)
{
  g_autoptr (GVariant) list = g_variant_lookup_value (dict, key, G_VARIANT_TYPE_ARRAY);
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));

  for (gsize i = 0; list != NULL && i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (list, i);

      if (g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT))
        g_variant_builder_add_value (&builder, child);
      else
        g_variant_builder_add (&builder, "v", child);
    }

  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* And a dictionary with values of one type, as one of that type. */
static GVariant *
lookup_dict (GVariant   *dict,
             const char *key)
{
  g_autoptr (GVariant) found = g_variant_lookup_value (dict, key, G_VARIANT_TYPE ("a{s*}"));
  g_auto (GVariantDict) copy = G_VARIANT_DICT_INIT (NULL);

  for (gsize i = 0; found != NULL && i < g_variant_n_children (found); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (found, i);
      g_autoptr (GVariant) name = g_variant_get_child_value (entry, 0);
      g_autoptr (GVariant) value = g_variant_get_child_value (entry, 1);
      g_autoptr (GVariant) inner = g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT) ? g_variant_get_variant (value) : NULL;

      g_variant_dict_insert_value (&copy, g_variant_get_string (name, NULL), inner != NULL ? inner : value);
    }

  return g_variant_ref_sink (g_variant_dict_end (&copy));
}

static PyIsolateRemoteException *new_from_variant (GVariant *dict,
                                                   guint     depth,
                                                   guint    *n_left);

static PyIsolateRemoteException *
lookup_exception (GVariant   *dict,
                  const char *key,
                  guint       depth,
                  guint      *n_left)
{
  g_autoptr (GVariant) found = g_variant_lookup_value (dict, key, G_VARIANT_TYPE_VARDICT);

  return found != NULL ? new_from_variant (found, depth, n_left) : NULL;
}

static GPtrArray *
lookup_exceptions (GVariant *dict,
                   guint     depth,
                   guint    *n_left)
{
  g_autoptr (GVariant) list = g_variant_lookup_value (dict, "exceptions", G_VARIANT_TYPE_ARRAY);
  GPtrArray *exceptions = g_ptr_array_new_with_free_func (g_object_unref);

  for (gsize i = 0; list != NULL && *n_left > 0 && i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (list, i);
      g_autoptr (GVariant) described = _pyisolate_value_unbox (child);
      PyIsolateRemoteException *exception = NULL;

      if (g_variant_is_of_type (described, G_VARIANT_TYPE_VARDICT))
        exception = new_from_variant (described, depth, n_left);
      if (exception != NULL)
        g_ptr_array_add (exceptions, exception);
    }

  return exceptions;
}

static PyIsolateRemoteException *
new_from_variant (GVariant *dict,
                  guint     depth,
                  guint    *n_left)
{
  g_autoptr (PyIsolateRemoteException) self = NULL;

  if (depth >= MAX_CHAIN || *n_left == 0)
    return NULL;

  --*n_left;
  self = g_object_new (PYISOLATE_TYPE_REMOTE_EXCEPTION, NULL);
  self->type_name = lookup_string (dict, "type");
  self->message = lookup_string (dict, "message");
  self->traceback = lookup_string (dict, "traceback");
  self->args = lookup_list (dict, "args");
  self->attributes = lookup_dict (dict, "attributes");
  if (!g_variant_lookup (dict, "notes", "^as", &self->notes))
    self->notes = g_new0 (char *, 1);
  self->cause = lookup_exception (dict, "cause", depth + 1, n_left);
  self->context = lookup_exception (dict, "context", depth + 1, n_left);
  self->exceptions = lookup_exceptions (dict, depth + 1, n_left);

  return g_steal_pointer (&self);
}

/*< private >
 * @dict: what a worker sent of an exception; keys that are missing or of another type count as empty
 */
PyIsolateRemoteException *
_pyisolate_remote_exception_new_from_variant (GVariant *dict)
{
  guint n_left = MAX_EXCEPTIONS;

  g_assert (g_variant_is_of_type (dict, G_VARIANT_TYPE_VARDICT));

  return new_from_variant (dict, 0, &n_left);
}

/**
 * pyisolate_remote_exception_get_type_name: (get-property type-name)
 * @self: a remote exception
 *
 * Gets the qualified name of the exception's class, such as `ValueError` or `json.decoder.JSONDecodeError`.
 *
 * Returns: the name
 *
 * Since: 0.1
 */
const char *
pyisolate_remote_exception_get_type_name (PyIsolateRemoteException *self)
{
  g_return_val_if_fail (PYISOLATE_IS_REMOTE_EXCEPTION (self), NULL);

  return self->type_name;
}

/**
 * pyisolate_remote_exception_get_message: (get-property message)
 * @self: a remote exception
 *
 * Gets the exception's message.
 *
 * Returns: the message; may be empty
 *
 * Since: 0.1
 */
const char *
pyisolate_remote_exception_get_message (PyIsolateRemoteException *self)
{
  g_return_val_if_fail (PYISOLATE_IS_REMOTE_EXCEPTION (self), NULL);

  return self->message;
}

/**
 * pyisolate_remote_exception_get_traceback: (get-property traceback)
 * @self: a remote exception
 *
 * Gets the traceback as Python prints it, with the whole chain of causes.
 *
 * Returns: the traceback, lines ended by newlines
 *
 * Since: 0.1
 */
const char *
pyisolate_remote_exception_get_traceback (PyIsolateRemoteException *self)
{
  g_return_val_if_fail (PYISOLATE_IS_REMOTE_EXCEPTION (self), NULL);

  return self->traceback;
}

/**
 * pyisolate_remote_exception_get_args: (get-property args)
 * @self: a remote exception
 *
 * Gets the exception's arguments.
 *
 * Returns: (transfer none): an array of type `av`
 *
 * Since: 0.1
 */
GVariant *
pyisolate_remote_exception_get_args (PyIsolateRemoteException *self)
{
  g_return_val_if_fail (PYISOLATE_IS_REMOTE_EXCEPTION (self), NULL);

  return self->args;
}

/**
 * pyisolate_remote_exception_get_attributes: (get-property attributes)
 * @self: a remote exception
 *
 * Gets the exception's attributes by their names.
 *
 * Returns: (transfer none): a dictionary of type `a{sv}`
 *
 * Since: 0.1
 */
GVariant *
pyisolate_remote_exception_get_attributes (PyIsolateRemoteException *self)
{
  g_return_val_if_fail (PYISOLATE_IS_REMOTE_EXCEPTION (self), NULL);

  return self->attributes;
}

/**
 * pyisolate_remote_exception_get_notes: (get-property notes)
 * @self: a remote exception
 *
 * Gets the notes that were added to the exception (PEP 678).
 *
 * Returns: (transfer none) (array zero-terminated=1): the notes, none in an empty array
 *
 * Since: 0.1
 */
const char * const *
pyisolate_remote_exception_get_notes (PyIsolateRemoteException *self)
{
  g_return_val_if_fail (PYISOLATE_IS_REMOTE_EXCEPTION (self), NULL);

  return (const char *const *) self->notes;
}

/**
 * pyisolate_remote_exception_get_cause: (get-property cause)
 * @self: a remote exception
 *
 * Gets what the exception was raised from (`raise … from cause`).
 *
 * Returns: (transfer none) (nullable): the cause
 *
 * Since: 0.1
 */
PyIsolateRemoteException *
pyisolate_remote_exception_get_cause (PyIsolateRemoteException *self)
{
  g_return_val_if_fail (PYISOLATE_IS_REMOTE_EXCEPTION (self), NULL);

  return self->cause;
}

/**
 * pyisolate_remote_exception_get_context: (get-property context)
 * @self: a remote exception
 *
 * Gets what was being handled when the exception was raised.
 *
 * Returns: (transfer none) (nullable): the context
 *
 * Since: 0.1
 */
PyIsolateRemoteException *
pyisolate_remote_exception_get_context (PyIsolateRemoteException *self)
{
  g_return_val_if_fail (PYISOLATE_IS_REMOTE_EXCEPTION (self), NULL);

  return self->context;
}

/**
 * pyisolate_remote_exception_get_exceptions: (get-property exceptions)
 * @self: a remote exception
 *
 * Gets the exceptions of an exception group (PEP 654).
 *
 * Returns: (transfer none) (element-type PyIsolateRemoteException): the exceptions; none of what is no group
 *
 * Since: 0.1
 */
GPtrArray *
pyisolate_remote_exception_get_exceptions (PyIsolateRemoteException *self)
{
  g_return_val_if_fail (PYISOLATE_IS_REMOTE_EXCEPTION (self), NULL);

  return self->exceptions;
}
