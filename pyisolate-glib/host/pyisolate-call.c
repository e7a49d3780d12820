/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-call-struct-private.h"

#include "pyisolate-fd-private.h"
#include "pyisolate-invocation-struct-private.h"

/**
 * PyIsolateCall:
 *
 * A call of an extension's method, with all that a call can have.
 *
 * [method@PyIsolate.Extension.call_async] is enough for a method, its arguments and its result. A call of this class also
 * takes file descriptors along, has a deadline of its own, reports progress and events, and keeps the exception if the
 * method raised one. It is made by [method@PyIsolate.Extension.start_call_async], once.
 *
 * Its signals are emitted in the context in which the call was made, before the call completes.
 *
 * Since: 0.1
 */
enum {
  PROP_0,
  PROP_METHOD,
  PROP_ARGS,
  PROP_KWARGS,
  PROP_TIMEOUT,
  PROP_PARENT,
  N_PROPS
};

enum {
  PROGRESS,
  EVENT,
  N_SIGNALS
};

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (PyIsolateCall, pyisolate_call, G_TYPE_OBJECT)

static void
pyisolate_call_get_property (GObject    *object,
                             guint       prop_id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  PyIsolateCall *self = PYISOLATE_CALL (object);

  switch (prop_id)
    {
    case PROP_METHOD:
      g_value_set_string (value, self->method);
      break;

    case PROP_ARGS:
      g_value_set_variant (value, self->args);
      break;

    case PROP_KWARGS:
      g_value_set_variant (value, self->kwargs);
      break;

    case PROP_TIMEOUT:
      g_value_set_int64 (value, self->timeout);
      break;

    case PROP_PARENT:
      g_value_set_object (value, self->parent);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_call_set_property (GObject      *object,
                             guint         prop_id,
                             const GValue *value,
                             GParamSpec   *pspec)
{
  PyIsolateCall *self = PYISOLATE_CALL (object);

  switch (prop_id)
    {
    case PROP_METHOD:
      self->method = g_strdup (g_value_get_string (value) != NULL ? g_value_get_string (value) : "");
      break;

    case PROP_ARGS:
      pyisolate_call_set_args (self, g_value_get_variant (value));
      break;

    case PROP_KWARGS:
      pyisolate_call_set_kwargs (self, g_value_get_variant (value));
      break;

    case PROP_TIMEOUT:
      pyisolate_call_set_timeout (self, g_value_get_int64 (value));
      break;

    case PROP_PARENT:
      pyisolate_call_set_parent (self, g_value_get_object (value));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
pyisolate_call_dispose (GObject *object)
{
  PyIsolateCall *self = PYISOLATE_CALL (object);

  g_clear_object (&self->parent);
  g_clear_object (&self->exception);

  G_OBJECT_CLASS (pyisolate_call_parent_class)->dispose (object);
}

static void
pyisolate_call_finalize (GObject *object)
{
  PyIsolateCall *self = PYISOLATE_CALL (object);

  g_clear_pointer (&self->method, g_free);
  g_clear_pointer (&self->args, g_variant_unref);
  g_clear_pointer (&self->kwargs, g_variant_unref);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_pointer (&self->fds, g_array_unref);
  g_clear_pointer (&self->attachments, _pyisolate_attachments_free);

  G_OBJECT_CLASS (pyisolate_call_parent_class)->finalize (object);
}

static void
pyisolate_call_class_init (PyIsolateCallClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  object_class->get_property = pyisolate_call_get_property;
  object_class->set_property = pyisolate_call_set_property;
  object_class->dispose = pyisolate_call_dispose;
  object_class->finalize = pyisolate_call_finalize;

  /**
   * PyIsolateCall:method:
   *
   * The name of the method to call.
   *
   * Since: 0.1
   */
  properties[PROP_METHOD] =
    g_param_spec_string ("method", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * PyIsolateCall:args:
   *
   * The arguments by position, a tuple; %NULL for none.
   *
   * Since: 0.1
   */
  properties[PROP_ARGS] = g_param_spec_variant ("args", NULL, NULL, G_VARIANT_TYPE_TUPLE, NULL, flags);
  /**
   * PyIsolateCall:kwargs:
   *
   * The arguments by name, of type `a{sv}`; %NULL for none.
   *
   * Since: 0.1
   */
  properties[PROP_KWARGS] = g_param_spec_variant ("kwargs", NULL, NULL, G_VARIANT_TYPE_VARDICT, NULL, flags);
  /**
   * PyIsolateCall:timeout:
   *
   * How long the call may take, in milliseconds; -1 for ever, -2 for what the extension's configuration says.
   *
   * When the time is over the caller gets %PYISOLATE_ERROR_TIMED_OUT at once, and the method is cancelled.
   *
   * Since: 0.1
   */
  properties[PROP_TIMEOUT] =
    g_param_spec_int64 ("timeout", NULL, NULL, PYISOLATE_TIMEOUT_DEFAULT, G_MAXINT64, PYISOLATE_TIMEOUT_DEFAULT, flags);
  /**
   * PyIsolateCall:parent:
   *
   * The invocation that leads to this call.
   *
   * A call made while a singleton's method runs belongs to it anyway; this is for calls that are made on its behalf later.
   * An extension that waits for that invocation serves the call meanwhile.
   *
   * Since: 0.1
   */
  properties[PROP_PARENT] = g_param_spec_object ("parent", NULL, NULL, PYISOLATE_TYPE_INVOCATION, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);

  /**
   * PyIsolateCall::progress:
   * @self: the call
   * @fraction: how much is done, from 0 to 1
   * @text: what is being done; may be empty
   *
   * Emitted when the method reports progress.
   *
   * Since: 0.1
   */
  signals[PROGRESS] = g_signal_new ("progress", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                    G_TYPE_NONE, 2, G_TYPE_DOUBLE, G_TYPE_STRING);
  /**
   * PyIsolateCall::event:
   * @self: the call
   * @name: the event's name
   * @value: its value
   *
   * Emitted when the method emits an event.
   *
   * Since: 0.1
   */
  signals[EVENT] = g_signal_new ("event", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                 G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_VARIANT);
}

static void
clear_fd (gpointer data)
{
  int *fd = data;

  _pyisolate_clear_fd (fd);
}

static void
pyisolate_call_init (PyIsolateCall *self)
{
  self->timeout = PYISOLATE_TIMEOUT_DEFAULT;
  self->fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_array_set_clear_func (self->fds, clear_fd);
}

PyIsolateCall *
_pyisolate_call_new_control (const char *method)
{
  PyIsolateCall *self = pyisolate_call_new (method);

  self->target = PYISOLATE_TARGET_WORKER;

  return self;
}

void
_pyisolate_call_set_remote_exception (PyIsolateCall            *self,
                                      PyIsolateRemoteException *exception)
{
  g_set_object (&self->exception, exception);
}

void
_pyisolate_call_emit_progress (PyIsolateCall *self,
                               double         fraction,
                               const char    *text)
{
  g_signal_emit (self, signals[PROGRESS], 0, fraction, text);
}

void
_pyisolate_call_emit_event (PyIsolateCall *self,
                            const char    *name,
                            GVariant      *value)
{
  g_signal_emit (self, signals[EVENT], 0, name, value);
}

/**
 * pyisolate_call_new:
 * @method: the name of a method
 *
 * Creates a call of @method.
 *
 * Returns: (transfer full): a new call
 *
 * Since: 0.1
 */
PyIsolateCall *
pyisolate_call_new (const char *method)
{
  g_return_val_if_fail (method != NULL, NULL);

  return g_object_new (PYISOLATE_TYPE_CALL, "method", method, NULL);
}

/**
 * pyisolate_call_get_method: (get-property method)
 * @self: a call
 *
 * Gets the name of the method to call.
 *
 * Returns: the name
 *
 * Since: 0.1
 */
const char *
pyisolate_call_get_method (PyIsolateCall *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL (self), NULL);

  return self->method;
}

/**
 * pyisolate_call_get_args: (get-property args)
 * @self: a call
 *
 * Gets the arguments by position.
 *
 * Returns: (transfer none) (nullable): a tuple, or %NULL for none
 *
 * Since: 0.1
 */
GVariant *
pyisolate_call_get_args (PyIsolateCall *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL (self), NULL);

  return self->args;
}

static void
set_variant (PyIsolateCall  *self,
             GVariant      **field,
             GVariant       *value,
             int             prop_id)
{
  if (*field == value)
    return;

  g_clear_pointer (field, g_variant_unref);
  if (value != NULL)
    *field = g_variant_ref_sink (value);
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
}

/**
 * pyisolate_call_set_args: (set-property args)
 * @self: a call
 * @args: (nullable): a tuple; consumed if it is floating
 *
 * Sets the arguments by position. Each child of the tuple is one; docs/values.md says what becomes of it in Python.
 *
 * Since: 0.1
 */
void
pyisolate_call_set_args (PyIsolateCall *self,
                         GVariant      *args)
{
  g_return_if_fail (PYISOLATE_IS_CALL (self));
  g_return_if_fail (args == NULL || g_variant_is_of_type (args, G_VARIANT_TYPE_TUPLE));

  set_variant (self, &self->args, args, PROP_ARGS);
}

/**
 * pyisolate_call_get_kwargs: (get-property kwargs)
 * @self: a call
 *
 * Gets the arguments by name.
 *
 * Returns: (transfer none) (nullable): a dictionary of type `a{sv}`, or %NULL for none
 *
 * Since: 0.1
 */
GVariant *
pyisolate_call_get_kwargs (PyIsolateCall *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL (self), NULL);

  return self->kwargs;
}

/**
 * pyisolate_call_set_kwargs: (set-property kwargs)
 * @self: a call
 * @kwargs: (nullable): a dictionary of type `a{sv}`; consumed if it is floating
 *
 * Sets the arguments by name.
 *
 * Since: 0.1
 */
void
pyisolate_call_set_kwargs (PyIsolateCall *self,
                           GVariant      *kwargs)
{
  g_return_if_fail (PYISOLATE_IS_CALL (self));
  g_return_if_fail (kwargs == NULL || g_variant_is_of_type (kwargs, G_VARIANT_TYPE_VARDICT));

  set_variant (self, &self->kwargs, kwargs, PROP_KWARGS);
}

/**
 * pyisolate_call_set_body:
 * @self: a call
 * @body: (nullable): a GVariant of type `(ava{sv})` in serialised form, in the byte order of the machine
 *
 * Sets the arguments by position and by name in the form in which they travel; docs/values.md describes it.
 *
 * This is for language bindings, which can make the bytes without making variants first. It takes the place of
 * [property@PyIsolate.Call:args] and [property@PyIsolate.Call:kwargs].
 *
 * Since: 0.1
 */
void
pyisolate_call_set_body (PyIsolateCall *self,
                         GBytes        *body)
{
  g_return_if_fail (PYISOLATE_IS_CALL (self));

  if (body != NULL)
    g_bytes_ref (body);
  g_clear_pointer (&self->body, g_bytes_unref);
  self->body = body;
}

/**
 * pyisolate_call_get_timeout: (get-property timeout)
 * @self: a call
 *
 * Gets how long the call may take.
 *
 * Returns: milliseconds; -1 for ever, %PYISOLATE_TIMEOUT_DEFAULT for what the extension's configuration says
 *
 * Since: 0.1
 */
gint64
pyisolate_call_get_timeout (PyIsolateCall *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL (self), -1);

  return self->timeout;
}

/**
 * pyisolate_call_set_timeout: (set-property timeout)
 * @self: a call
 * @timeout: milliseconds; -1 for ever, %PYISOLATE_TIMEOUT_DEFAULT for what the extension's configuration says
 *
 * Sets how long the call may take.
 *
 * Since: 0.1
 */
void
pyisolate_call_set_timeout (PyIsolateCall *self,
                            gint64         timeout)
{
  g_return_if_fail (PYISOLATE_IS_CALL (self));
  g_return_if_fail (timeout >= PYISOLATE_TIMEOUT_DEFAULT);

  if (self->timeout == timeout)
    return;

  self->timeout = timeout;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_TIMEOUT]);
}

/**
 * pyisolate_call_get_parent: (get-property parent)
 * @self: a call
 *
 * Gets the invocation that leads to this call, as it was set.
 *
 * Returns: (transfer none) (nullable): the invocation
 *
 * Since: 0.1
 */
PyIsolateInvocation *
pyisolate_call_get_parent (PyIsolateCall *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL (self), NULL);

  return self->parent;
}

/**
 * pyisolate_call_set_parent: (set-property parent)
 * @self: a call
 * @parent: (nullable): an invocation
 *
 * Sets the invocation that leads to this call.
 *
 * Since: 0.1
 */
void
pyisolate_call_set_parent (PyIsolateCall       *self,
                           PyIsolateInvocation *parent)
{
  g_return_if_fail (PYISOLATE_IS_CALL (self));
  g_return_if_fail (parent == NULL || _pyisolate_invocation_is_real (parent));

  if (g_set_object (&self->parent, parent))
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PARENT]);
}

/**
 * pyisolate_call_dup_remote_exception:
 * @self: a call
 *
 * Gets the exception that the method raised, once the call has completed.
 *
 * Returns: (transfer full) (nullable): the exception, or %NULL if it raised none
 *
 * Since: 0.1
 */
PyIsolateRemoteException *
pyisolate_call_dup_remote_exception (PyIsolateCall *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL (self), NULL);

  return self->exception != NULL ? g_object_ref (self->exception) : NULL;
}
