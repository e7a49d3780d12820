/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-proxied-singleton-private.h"

#include "pyisolate-error.h"
#include "pyisolate-invocation-private.h"

/**
 * PyIsolateProxiedSingleton:
 *
 * A service of the application that extensions call.
 *
 * All extensions that list it among their [property@PyIsolate.ExtensionConfig:apis] share its
 * state. Give it methods by [method@PyIsolate.ProxiedSingleton.add_method], or derive from it and
 * override [vfunc@PyIsolate.ProxiedSingleton.handle_call].
 *
 * Its methods run in the thread-default main context in which it was created, also while that
 * context's thread waits in a blocking function of this library. With
 * [property@PyIsolate.ProxiedSingleton:follow-caller] they run where the call that led to them was
 * made.
 *
 * Since: 0.1
 */
typedef struct {
  PyIsolateMailbox *mailbox;
  int follow_caller; /* atomic */

  GMutex mutex;
  GHashTable *methods; /* name → Method */
  GVariant *description; /* nullable: a{sv} */
} PyIsolateProxiedSingletonPrivate;

typedef struct {
  gatomicrefcount ref_count;
  char *in_signature; /* NULL: any arguments, and no type */
  GVariantType *in_type; /* a tuple of it */
  char *doc;          /* nullable */
  PyIsolateMethodFunc func;
  gpointer user_data;
  GDestroyNotify destroy;
} Method;

enum {
  PROP_0,
  PROP_FOLLOW_CALLER,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_TYPE_WITH_PRIVATE (PyIsolateProxiedSingleton, pyisolate_proxied_singleton, G_TYPE_OBJECT)

static void
method_unref (gpointer data)
{
  Method *method = data;

  if (!g_atomic_ref_count_dec (&method->ref_count))
    return;

  if (method->destroy != NULL)
    method->destroy (method->user_data);
  g_free (method->in_signature);
  g_clear_pointer (&method->in_type, g_variant_type_free);
  g_free (method->doc);
  g_free (method);
}

static Method *
ref_method (PyIsolateProxiedSingleton *self,
            const char                *name)
{
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&priv->mutex);
  Method *method = g_hash_table_lookup (priv->methods, name);

  if (method != NULL)
    g_atomic_ref_count_inc (&method->ref_count);

  return method;
}

static void
pyisolate_proxied_singleton_real_handle_call (PyIsolateProxiedSingleton *self,
                                              PyIsolateInvocation       *invocation)
{
  const char *name = pyisolate_invocation_get_method (invocation);
  Method *method = ref_method (self, name);

  if (method == NULL)
    {
      g_autoptr (GError) error = NULL;

      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_NO_SUCH_METHOD,
                           "The singleton has no method “%s”", name);
      pyisolate_invocation_return_error (invocation, error);
      return;
    }

  if (method->in_signature == NULL ||
      _pyisolate_invocation_coerce_args (invocation, method->in_signature, method->in_type))
    method->func (self, invocation, method->user_data);

  method_unref (method);
}

static void
pyisolate_proxied_singleton_finalize (GObject *object)
{
  PyIsolateProxiedSingleton *self = PYISOLATE_PROXIED_SINGLETON (object);
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);

  g_clear_pointer (&priv->mailbox, _pyisolate_mailbox_unref);
  g_clear_pointer (&priv->methods, g_hash_table_unref);
  g_clear_pointer (&priv->description, g_variant_unref);
  g_mutex_clear (&priv->mutex);

  G_OBJECT_CLASS (pyisolate_proxied_singleton_parent_class)->finalize (object);
}

static void
pyisolate_proxied_singleton_get_property (GObject    *object,
                                          guint       prop_id,
                                          GValue     *value,
                                          GParamSpec *pspec)
{
  PyIsolateProxiedSingleton *self = PYISOLATE_PROXIED_SINGLETON (object);

  switch (prop_id)
    {
    case PROP_FOLLOW_CALLER:
      g_value_set_boolean (value, pyisolate_proxied_singleton_get_follow_caller (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_proxied_singleton_set_property (GObject      *object,
                                          guint         prop_id,
                                          const GValue *value,
                                          GParamSpec   *pspec)
{
  PyIsolateProxiedSingleton *self = PYISOLATE_PROXIED_SINGLETON (object);

  switch (prop_id)
    {
    case PROP_FOLLOW_CALLER:
      pyisolate_proxied_singleton_set_follow_caller (self, g_value_get_boolean (value));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_proxied_singleton_class_init (PyIsolateProxiedSingletonClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = pyisolate_proxied_singleton_get_property;
  object_class->set_property = pyisolate_proxied_singleton_set_property;
  object_class->finalize = pyisolate_proxied_singleton_finalize;

  klass->handle_call = pyisolate_proxied_singleton_real_handle_call;

  /**
   * PyIsolateProxiedSingleton:follow-caller:
   *
   * Whether a method runs in the main context in which the call was made that led to it, rather
   * than in the singleton's own. What no call led to, or one that has ended meanwhile, runs in the
   * singleton's own all the same.
   *
   * Since: 0.1
   */
  properties[PROP_FOLLOW_CALLER] =
    g_param_spec_boolean ("follow-caller", NULL, NULL, FALSE,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
pyisolate_proxied_singleton_init (PyIsolateProxiedSingleton *self)
{
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  g_mutex_init (&priv->mutex);
  priv->mailbox = _pyisolate_mailbox_ref_for_context (context);
  priv->methods = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, method_unref);
}

PyIsolateMailbox *
_pyisolate_proxied_singleton_get_mailbox (PyIsolateProxiedSingleton *self)
{
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);

  return priv->mailbox;
}

static GVariant *
dup_description (PyIsolateProxiedSingleton *self)
{
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&priv->mutex);

  return priv->description != NULL ? g_variant_ref (priv->description) : NULL;
}

/* Returns: (transfer floating) */
GVariant *
_pyisolate_proxied_singleton_describe (PyIsolateProxiedSingleton *self)
{
  g_autoptr (GVariant) given = dup_description (self);
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);
  PyIsolateProxiedSingletonClass *klass = PYISOLATE_PROXIED_SINGLETON_GET_CLASS (self);
  g_auto (GVariantBuilder) methods = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_auto (GVariantDict) description = G_VARIANT_DICT_INIT (NULL);
  GHashTableIter iter;
  gpointer key, value;

  if (given != NULL)
    {
      g_variant_dict_init (&description, given);
      return g_variant_dict_end (&description);
    }

  /* One that handles calls itself knows names that nobody has told us of. */
  if (klass->handle_call != pyisolate_proxied_singleton_real_handle_call)
    return g_variant_dict_end (&description);

  g_mutex_lock (&priv->mutex);
  g_hash_table_iter_init (&iter, priv->methods);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      const Method *method = value;
      GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

      g_variant_dict_insert (&dict, "doc", "s", method->doc != NULL ? method->doc : "");
      if (method->in_signature != NULL)
        g_variant_dict_insert (&dict, "signature", "s", method->in_signature);
      g_variant_builder_add (&methods, "{sv}", key, g_variant_dict_end (&dict));
    }
  g_mutex_unlock (&priv->mutex);

  g_variant_dict_insert_value (&description, "methods", g_variant_builder_end (&methods));
  return g_variant_dict_end (&description);
}

void
_pyisolate_proxied_singleton_handle (PyIsolateProxiedSingleton *self,
                                     PyIsolateInvocation       *invocation)
{
  g_object_ref (self);
  PYISOLATE_PROXIED_SINGLETON_GET_CLASS (self)->handle_call (self, invocation);
  g_object_unref (self);
}

/**
 * pyisolate_proxied_singleton_new:
 *
 * Creates a service without methods, whose methods will run in the thread-default main context.
 *
 * Returns: (transfer full): a new singleton
 *
 * Since: 0.1
 */
PyIsolateProxiedSingleton *
pyisolate_proxied_singleton_new (void)
{
  return g_object_new (PYISOLATE_TYPE_PROXIED_SINGLETON, NULL);
}

static gboolean
name_is_identifier (const char *name)
{
  if (!g_ascii_isalpha (name[0]))
    return FALSE;

  for (const char *c = name; *c != '\0'; c++)
    {
      if (!g_ascii_isalnum (*c) && *c != '_')
        return FALSE;
    }

  return TRUE;
}

/**
 * pyisolate_proxied_singleton_add_method:
 * @self: a singleton
 * @name: the method's name: letters, digits and underscores, with a letter in front
 * @in_signature: (nullable): the D-Bus signature of the arguments by position, such as `sv`, to
 *   which they are converted; %NULL for any
 * @doc: (nullable): what the method does
 * @func: (scope notified) (closure user_data) (destroy destroy): the method
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data
 * @error: return location for an error
 *
 * Adds a method, or replaces the one of that name. Extensions that run already are not told of it,
 * but can call it.
 *
 * Returns: %FALSE with %PYISOLATE_ERROR_BAD_CONFIG if the name or the signature is not a valid one;
 *   @user_data is then freed
 *
 * Since: 0.1
 */
gboolean
pyisolate_proxied_singleton_add_method (PyIsolateProxiedSingleton  *self,
                                        const char                 *name,
                                        const char                 *in_signature,
                                        const char                 *doc,
                                        PyIsolateMethodFunc         func,
                                        gpointer                    user_data,
                                        GDestroyNotify              destroy,
                                        GError                    **error)
{
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);
  g_autofree char *tuple = NULL;
  g_autofree gpointer old_name = NULL;
  Method *old = NULL;
  Method *method;
  const char *wrong = NULL;

  g_return_val_if_fail (PYISOLATE_IS_PROXIED_SINGLETON (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (func != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (in_signature != NULL)
    tuple = g_strconcat ("(", in_signature, ")", NULL);
  if (!name_is_identifier (name))
    wrong = "the name must be made of letters, digits and underscores and begin with a letter";
  else if (tuple != NULL && (!g_variant_is_signature (in_signature) || !g_variant_type_string_is_valid (tuple)))
    wrong = "its signature is not a D-Bus signature";

  if (wrong != NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                   "The method “%s” cannot be added: %s", name, wrong);
      if (destroy != NULL)
        destroy (user_data);
      return FALSE;
    }

  method = g_new0 (Method, 1);
  g_atomic_ref_count_init (&method->ref_count);
  method->in_signature = g_strdup (in_signature);
  method->in_type = tuple != NULL ? g_variant_type_new (tuple) : NULL;
  method->doc = g_strdup (doc);
  method->func = func;
  method->user_data = user_data;
  method->destroy = destroy;

  /* What frees the data of the one that it replaces is the application's, and may call back. */
  g_mutex_lock (&priv->mutex);
  g_hash_table_steal_extended (priv->methods, name, &old_name, (gpointer *) &old);
  g_hash_table_insert (priv->methods, g_strdup (name), method);
  g_mutex_unlock (&priv->mutex);
  if (old != NULL)
    method_unref (old);

  return TRUE;
}

/**
 * pyisolate_proxied_singleton_set_description:
 * @self: a singleton
 * @description: (nullable): a dictionary of type `a{sv}`, or %NULL for what the methods that were
 *   added say; consumed if it is floating
 *
 * Sets what extensions that start from now on are told of the singleton. This is for language
 * bindings, whose methods are handled by [vfunc@PyIsolate.ProxiedSingleton.handle_call] alone. All
 * keys are optional: `methods`, a dictionary from a method's name to a dictionary about it (`doc`);
 * `module` and `class`, where the application's code finds the class, so that an extension finds a
 * proxy there; `attributes`, a dictionary from the name of an attribute to that of the singleton
 * that it is.
 *
 * Since: 0.1
 */
void
pyisolate_proxied_singleton_set_description (PyIsolateProxiedSingleton *self,
                                             GVariant                  *description)
{
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);
  g_autoptr (GVariant) old = NULL;

  g_return_if_fail (PYISOLATE_IS_PROXIED_SINGLETON (self));
  g_return_if_fail (description == NULL ||
                    g_variant_is_of_type (description, G_VARIANT_TYPE_VARDICT));

  g_mutex_lock (&priv->mutex);
  old = g_steal_pointer (&priv->description);
  priv->description = description != NULL ? g_variant_ref_sink (description) : NULL;
  g_mutex_unlock (&priv->mutex);
}

/**
 * pyisolate_proxied_singleton_get_follow_caller: (get-property follow-caller)
 * @self: a singleton
 *
 * Gets whether methods run where the call was made that led to them.
 *
 * Returns: %TRUE or %FALSE
 *
 * Since: 0.1
 */
gboolean
pyisolate_proxied_singleton_get_follow_caller (PyIsolateProxiedSingleton *self)
{
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);

  g_return_val_if_fail (PYISOLATE_IS_PROXIED_SINGLETON (self), FALSE);

  return g_atomic_int_get (&priv->follow_caller);
}

/**
 * pyisolate_proxied_singleton_set_follow_caller: (set-property follow-caller)
 * @self: a singleton
 * @follow_caller: the new value
 *
 * Sets whether methods run where the call was made that led to them.
 *
 * Since: 0.1
 */
void
pyisolate_proxied_singleton_set_follow_caller (PyIsolateProxiedSingleton *self,
                                               gboolean                   follow_caller)
{
  PyIsolateProxiedSingletonPrivate *priv = pyisolate_proxied_singleton_get_instance_private (self);

  g_return_if_fail (PYISOLATE_IS_PROXIED_SINGLETON (self));

  if (g_atomic_int_exchange (&priv->follow_caller, !!follow_caller) != !!follow_caller)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_FOLLOW_CALLER]);
}
