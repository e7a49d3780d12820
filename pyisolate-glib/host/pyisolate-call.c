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

void
_pyisolate_call_notify (PyIsolateCall *self,
                        guint          prop_id)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
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
