/* SPDX-License-Identifier: MIT */
/* What a call is told before it is made, and what can be asked of it. */
#include "config.h"

#include "pyisolate-call-struct-private.h"

#include "pyisolate-invocation-struct-private.h"

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
             guint           prop_id)
{
  if (*field == value)
    return;

  g_clear_pointer (field, g_variant_unref);
  if (value != NULL)
    *field = g_variant_ref_sink (value);
  _pyisolate_call_notify (self, prop_id);
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
  _pyisolate_call_notify (self, PROP_TIMEOUT);
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
    _pyisolate_call_notify (self, PROP_PARENT);
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
