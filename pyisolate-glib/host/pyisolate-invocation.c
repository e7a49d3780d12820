/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-invocation-struct-private.h"

#include "pyisolate-error-private.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-operation-private.h"
#include "pyisolate-proxied-singleton-private.h"
#include "pyisolate-value-private.h"

/**
 * PyIsolateInvocation:
 *
 * A call that an extension made to a singleton of the host.
 *
 * It is answered once, now or later, from any thread. Dropping the last reference without an answer answers with an error,
 * so that nobody waits for ever. Where a garbage collector drops it, as in gjs, or a traceback keeps it, as in PyGObject, that
 * may be very late: there a method that can raise should catch what it raises, and answer with it.
 *
 * Since: 0.1
 */
enum {
  PROP_0,
  PROP_EXTENSION,
  PROP_SINGLETON,
  PROP_METHOD,
  PROP_ARGS,
  PROP_KWARGS,
  PROP_CANCELLABLE,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

/* The invocation whose method runs on this thread. */
static GPrivate current;

G_DEFINE_FINAL_TYPE (PyIsolateInvocation, pyisolate_invocation, G_TYPE_OBJECT)

static void
pyisolate_invocation_get_property (GObject    *object,
                                   guint       prop_id,
                                   GValue     *value,
                                   GParamSpec *pspec)
{
  PyIsolateInvocation *self = PYISOLATE_INVOCATION (object);

  switch (prop_id)
    {
    case PROP_EXTENSION:
      g_value_set_object (value, self->extension);
      break;

    case PROP_SINGLETON:
      g_value_set_object (value, self->singleton);
      break;

    case PROP_METHOD:
      g_value_set_string (value, pyisolate_invocation_get_method (self));
      break;

    case PROP_ARGS:
      g_value_set_variant (value, pyisolate_invocation_get_args (self));
      break;

    case PROP_KWARGS:
      g_value_set_variant (value, pyisolate_invocation_get_kwargs (self));
      break;

    case PROP_CANCELLABLE:
      g_value_set_object (value, pyisolate_invocation_get_cancellable (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

/* Here and not when it is finalized: until its call is answered the endpoint may give somebody a reference. */
static void
pyisolate_invocation_dispose (GObject *object)
{
  PyIsolateInvocation *self = PYISOLATE_INVOCATION (object);

  if (self->frame != NULL && g_atomic_int_compare_and_exchange (&self->answered, FALSE, TRUE))
    {
      g_autoptr (GError) error = NULL;

      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED,
                           "“%s” of the singleton “%s” gave no answer", self->frame->name, self->frame->target);
      _pyisolate_endpoint_respond (self->endpoint, _pyisolate_frame_new_error (self->frame->id, error));
    }

  G_OBJECT_CLASS (pyisolate_invocation_parent_class)->dispose (object);
}

static void
pyisolate_invocation_finalize (GObject *object)
{
  PyIsolateInvocation *self = PYISOLATE_INVOCATION (object);

  g_clear_object (&self->endpoint);
  g_clear_pointer (&self->extension, _pyisolate_extension_release);
  g_clear_object (&self->singleton);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->frame, _pyisolate_frame_free);
  g_clear_object (&self->call);
  g_clear_pointer (&self->mailbox, _pyisolate_mailbox_unref);
  g_clear_pointer (&self->args, g_variant_unref);
  g_clear_pointer (&self->kwargs, g_variant_unref);
  g_clear_pointer (&self->attachments, _pyisolate_attachments_free);
  g_mutex_clear (&self->mutex);

  G_OBJECT_CLASS (pyisolate_invocation_parent_class)->finalize (object);
}

static void
pyisolate_invocation_class_init (PyIsolateInvocationClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = pyisolate_invocation_get_property;
  object_class->dispose = pyisolate_invocation_dispose;
  object_class->finalize = pyisolate_invocation_finalize;

  /**
   * PyIsolateInvocation:extension:
   *
   * The extension that calls.
   *
   * Since: 0.1
   */
  properties[PROP_EXTENSION] =
    g_param_spec_object ("extension", NULL, NULL, PYISOLATE_TYPE_EXTENSION, flags);
  /**
   * PyIsolateInvocation:singleton:
   *
   * The singleton that is called.
   *
   * Since: 0.1
   */
  properties[PROP_SINGLETON] =
    g_param_spec_object ("singleton", NULL, NULL, PYISOLATE_TYPE_PROXIED_SINGLETON, flags);
  /**
   * PyIsolateInvocation:method:
   *
   * The name of the method that is called.
   *
   * Since: 0.1
   */
  properties[PROP_METHOD] = g_param_spec_string ("method", NULL, NULL, NULL, flags);
  /**
   * PyIsolateInvocation:args:
   *
   * The arguments by position, a tuple.
   *
   * Since: 0.1
   */
  properties[PROP_ARGS] = g_param_spec_variant ("args", NULL, NULL, G_VARIANT_TYPE_TUPLE, NULL, flags);
  /**
   * PyIsolateInvocation:kwargs:
   *
   * The arguments by name, of type `a{sv}`.
   *
   * Since: 0.1
   */
  properties[PROP_KWARGS] = g_param_spec_variant ("kwargs", NULL, NULL, G_VARIANT_TYPE_VARDICT, NULL, flags);
  /**
   * PyIsolateInvocation:cancellable:
   *
   * Cancelled when the caller no longer waits for the answer, or has ended.
   *
   * Since: 0.1
   */
  properties[PROP_CANCELLABLE] = g_param_spec_object ("cancellable", NULL, NULL, G_TYPE_CANCELLABLE, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
pyisolate_invocation_init (PyIsolateInvocation *self)
{
  g_mutex_init (&self->mutex);
}

/* The innermost call of this host's in the chain that is still under way. */
static void
find_call (PyIsolateInvocation *self)
{
  g_autoptr (PyIsolateMailbox) mailbox = NULL;

  for (guint i = self->frame->n_chain; i-- > 0;)
    {
      guint64 id = self->frame->chain[i];

      if (PYISOLATE_CALL_ID_LINK (id) == 0)
        mailbox = _pyisolate_operation_ref_mailbox (id);
      if (mailbox == NULL)
        continue;

      self->call_id = id;
      self->call = _pyisolate_operation_dup_call (id, FALSE);
      break;
    }

  if (mailbox != NULL && pyisolate_proxied_singleton_get_follow_caller (self->singleton))
    self->mailbox = g_steal_pointer (&mailbox);
  else
    self->mailbox = _pyisolate_mailbox_ref (_pyisolate_proxied_singleton_get_mailbox (self->singleton));
}

PyIsolateInvocation *
_pyisolate_invocation_new (PyIsolateEndpoint         *endpoint,
                           PyIsolateExtension        *extension_to_take,
                           PyIsolateProxiedSingleton *singleton,
                           PyIsolateFrame            *frame)
{
  PyIsolateInvocation *self = g_object_new (PYISOLATE_TYPE_INVOCATION, NULL);

  self->endpoint = g_object_ref (endpoint);
  self->extension = extension_to_take;
  self->singleton = g_object_ref (singleton);
  self->frame = frame;
  find_call (self);

  return self;
}

static void
run_method (gpointer data)
{
  PyIsolateInvocation *self = PYISOLATE_INVOCATION (data);
  g_autoptr (GError) error = NULL;
  gpointer outer = g_private_get (&current);

  if (g_atomic_int_get (&self->is_cancelled))
    {
      pyisolate_invocation_return_error_literal (self, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The caller has cancelled the call");
      return;
    }

  if (self->frame->memory_error != NULL)
    {
      pyisolate_invocation_return_error (self, self->frame->memory_error);
      return;
    }

  /* G_VARIANT_TYPE() would look at the string each time. */
  self->is_checked = _pyisolate_value_check_bytes (self->frame->body, (const GVariantType *) PYISOLATE_BODY_CALL, NULL, &error);
  if (!self->is_checked)
    {
      pyisolate_invocation_return_error (self, error);
      _pyisolate_endpoint_close (self->endpoint, error);
      return;
    }

  g_private_set (&current, self);
  _pyisolate_proxied_singleton_handle (self->singleton, self);
  g_private_set (&current, outer);
}

/* The job may be over, and the invocation with it, before this is. */
static void
post_job (PyIsolateInvocation *self_to_take,
          PyIsolateJobFunc     func)
{
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref (self_to_take->mailbox);

  _pyisolate_mailbox_post (mailbox, PYISOLATE_JOB_CALL, func, self_to_take, g_object_unref);
}

void
_pyisolate_invocation_dispatch (PyIsolateInvocation *self_to_take)
{
  g_assert (PYISOLATE_IS_INVOCATION (self_to_take));

  post_job (self_to_take, run_method);
}

static void
cancel (gpointer data)
{
  PyIsolateInvocation *self = PYISOLATE_INVOCATION (data);
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&self->mutex);
  g_atomic_int_set (&self->is_cancelled, TRUE);
  if (self->cancellable != NULL)
    cancellable = g_object_ref (self->cancellable);
  g_mutex_unlock (&self->mutex);

  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
}

void
_pyisolate_invocation_cancel (PyIsolateInvocation *self_to_take)
{
  g_assert (PYISOLATE_IS_INVOCATION (self_to_take));

  post_job (self_to_take, cancel);
}

guint64 *
_pyisolate_invocation_dup_chain (PyIsolateInvocation *parent,
                                 gsize               *n_chain)
{
  guint64 *chain;

  if (parent == NULL)
    parent = g_private_get (&current);
  if (parent == NULL)
    {
      *n_chain = 0;
      return NULL;
    }

  *n_chain = parent->frame->n_chain + 1;
  chain = g_new (guint64, *n_chain);
  for (guint i = 0; i < parent->frame->n_chain; i++)
    chain[i] = parent->frame->chain[i];
  chain[*n_chain - 1] = parent->frame->id;

  return chain;
}

/**
 * pyisolate_invocation_get_extension: (get-property extension)
 * @self: an invocation
 *
 * Gets the extension that calls.
 *
 * Returns: (transfer none): the extension
 *
 * Since: 0.1
 */
PyIsolateExtension *
pyisolate_invocation_get_extension (PyIsolateInvocation *self)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);

  return self->extension;
}

/**
 * pyisolate_invocation_get_singleton: (get-property singleton)
 * @self: an invocation
 *
 * Gets the singleton that is called.
 *
 * Returns: (transfer none): the singleton
 *
 * Since: 0.1
 */
PyIsolateProxiedSingleton *
pyisolate_invocation_get_singleton (PyIsolateInvocation *self)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);

  return self->singleton;
}

/**
 * pyisolate_invocation_get_method: (get-property method)
 * @self: an invocation
 *
 * Gets the name of the method that is called.
 *
 * Returns: the name
 *
 * Since: 0.1
 */
const char *
pyisolate_invocation_get_method (PyIsolateInvocation *self)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);

  return self->frame->name;
}

/**
 * pyisolate_invocation_get_call:
 * @self: an invocation
 *
 * Gets the call of this application that led to the invocation: the innermost one that is still under way.
 *
 * Returns: (transfer none) (nullable): the call, or %NULL if the extension calls of its own accord
 *
 * Since: 0.1
 */
PyIsolateCall *
pyisolate_invocation_get_call (PyIsolateInvocation *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);

  locker = g_mutex_locker_new (&self->mutex);
  if (self->call == NULL && self->call_id != 0)
    self->call = _pyisolate_operation_dup_call (self->call_id, TRUE);

  return self->call;
}

/**
 * pyisolate_invocation_get_call_id: (skip)
 * @self: an invocation
 *
 * Gets the number of the call that led to it, for who made it by [method@PyIsolate.Extension.begin_request]. This is for
 * language bindings.
 *
 * Returns: the number, or 0 if the extension calls of its own accord
 *
 * Since: 0.1
 */
guint64
pyisolate_invocation_get_call_id (PyIsolateInvocation *self)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), 0);

  return self->call_id;
}

/**
 * pyisolate_invocation_get_cancellable: (get-property cancellable)
 * @self: an invocation
 *
 * Gets a cancellable that is cancelled, in the singleton's context, when the caller no longer waits for the answer or has
 * ended.
 *
 * Returns: (transfer none): the cancellable
 *
 * Since: 0.1
 */
GCancellable *
pyisolate_invocation_get_cancellable (PyIsolateInvocation *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);

  locker = g_mutex_locker_new (&self->mutex);
  if (self->cancellable == NULL)
    {
      self->cancellable = g_cancellable_new ();
      if (g_atomic_int_get (&self->is_cancelled))
        g_cancellable_cancel (self->cancellable); /* which nobody has seen yet */
    }

  return self->cancellable;
}
