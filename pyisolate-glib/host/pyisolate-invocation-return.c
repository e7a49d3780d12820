/* SPDX-License-Identifier: MIT */
/* The answer to a call of a singleton. */
#include "config.h"

#include "pyisolate-invocation-struct-private.h"

#include "pyisolate-error-private.h"
#include "pyisolate-value-private.h"

static void
answer (PyIsolateInvocation *self,
        PyIsolateFrame      *frame)
{
  if (g_atomic_int_compare_and_exchange (&self->answered, FALSE, TRUE))
    {
      _pyisolate_endpoint_respond (self->endpoint, frame);
      return;
    }

  _pyisolate_frame_free (frame);
  g_critical ("The call of “%s” was answered twice; the second answer is lost", self->frame->name);
}

static PyIsolateAttachments *
get_attachments (PyIsolateInvocation *self)
{
  if (self->attachments == NULL)
    self->attachments = _pyisolate_attachments_new ();

  return self->attachments;
}

/**
 * pyisolate_invocation_add_tensor:
 * @self: an invocation that was not answered yet
 * @tensor: a tensor to take along
 *
 * Takes a tensor along with the answer. What this returns is the tensor in the result of @self, and only there. Not to be
 * called from two threads at once.
 *
 * Returns: (transfer none): a value for the result; a floating reference
 *
 * Since: 0.1
 */
GVariant *
pyisolate_invocation_add_tensor (PyIsolateInvocation *self,
                                 PyIsolateTensor     *tensor)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);
  g_return_val_if_fail (_pyisolate_tensor_is_real (tensor), NULL);

  return _pyisolate_attachments_add_tensor (get_attachments (self), tensor);
}

/**
 * pyisolate_invocation_append_memory: (skip)
 * @self: an invocation that was not answered yet
 * @memory: a piece of shared memory to take along
 *
 * Takes shared memory along with the answer, whose body names it by its index; docs/values.md describes it. This is for
 * language bindings.
 *
 * Returns: the index
 *
 * Since: 0.1
 */
guint
pyisolate_invocation_append_memory (PyIsolateInvocation *self,
                                    PyIsolateMemory     *memory)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), 0);
  g_return_val_if_fail (memory != NULL, 0);

  return _pyisolate_attachments_add_memory (get_attachments (self), memory);
}

static PyIsolateFrame *
new_return_frame (PyIsolateInvocation  *self,
                  GVariant             *value,
                  GError              **error)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, self->frame->id);
  g_autoptr (GVariant) wire = NULL;

  wire = _pyisolate_value_to_wire (value, error);
  if (wire == NULL)
    return NULL;

  _pyisolate_frame_set_variant (frame, g_variant_new_variant (wire));
  if (!_pyisolate_value_check_size (g_bytes_get_size (frame->body), error) ||
      !_pyisolate_attachments_move (self->attachments, _pyisolate_endpoint_get_memory (self->endpoint), frame, error))
    return NULL;

  return g_steal_pointer (&frame);
}

/**
 * pyisolate_invocation_return_value:
 * @self: an invocation
 * @value: (nullable): the method's result, %NULL for `None`; consumed if it is floating
 *
 * Answers the call with a value. May be called from any thread, once.
 *
 * A value that cannot travel is an error for the caller.
 *
 * Since: 0.1
 */
void
pyisolate_invocation_return_value (PyIsolateInvocation *self,
                                   GVariant            *value)
{
  g_autoptr (GVariant) owned = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateFrame *frame;

  g_return_if_fail (_pyisolate_invocation_is_real (self));

  owned = g_variant_ref_sink (value != NULL ? value : pyisolate_value_new_none ());
  frame = new_return_frame (self, owned, &error);
  if (frame == NULL)
    g_prefix_error (&error, "The result of “%s” of the singleton “%s”: ", self->frame->name, self->frame->target);

  answer (self, frame != NULL ? frame : _pyisolate_frame_new_error (self->frame->id, error));
}

/**
 * pyisolate_invocation_return_body:
 * @self: an invocation
 * @body: a variant in serialised form, of type `v`, in the byte order of the machine
 *
 * Answers the call with a value in the form in which it travels; docs/values.md describes it. This is for language
 * bindings. May be called from any thread, once.
 *
 * Since: 0.1
 */
void
pyisolate_invocation_return_body (PyIsolateInvocation *self,
                                  GBytes              *body)
{
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (GError) error = NULL;

  g_return_if_fail (_pyisolate_invocation_is_real (self));
  g_return_if_fail (body != NULL);

  frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, self->frame->id);
  frame->body = g_bytes_ref (body);
  if (!_pyisolate_value_check_size (g_bytes_get_size (body), &error) ||
      !_pyisolate_attachments_move (self->attachments, _pyisolate_endpoint_get_memory (self->endpoint), frame, &error))
    answer (self, _pyisolate_frame_new_error (self->frame->id, error));
  else
    answer (self, g_steal_pointer (&frame));
}

/**
 * pyisolate_invocation_return_exception:
 * @self: an invocation
 * @message: what happened, in a line
 * @exception: the exception, a dictionary of type `a{sv}` as docs/protocol.md describes it; consumed if it is floating
 *
 * Answers the call with an exception, which is raised in the extension: as the built-in class of its name if there is one.
 * This is for language bindings. May be called from any thread, once.
 *
 * Since: 0.1
 */
void
pyisolate_invocation_return_exception (PyIsolateInvocation *self,
                                       const char          *message,
                                       GVariant            *exception)
{
  GVariantDict details = G_VARIANT_DICT_INIT (NULL);
  PyIsolateFrame *frame;

  g_return_if_fail (_pyisolate_invocation_is_real (self));
  g_return_if_fail (message != NULL);
  g_return_if_fail (exception != NULL && g_variant_is_of_type (exception, G_VARIANT_TYPE_VARDICT));

  g_variant_dict_insert_value (&details, "exception", exception);
  frame = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, self->frame->id);
  frame->name = g_strdup (_pyisolate_error_get_dbus_name (PYISOLATE_ERROR_REMOTE_EXCEPTION));
  frame->message = g_utf8_make_valid (message, -1);
  _pyisolate_frame_set_variant (frame, g_variant_dict_end (&details));
  answer (self, frame);
}

/**
 * pyisolate_invocation_return_error:
 * @self: an invocation
 * @error: an error
 *
 * Answers the call with an error, which is raised in the extension as a `pyisolate.RemoteError` with its domain, code and
 * message. May be called from any thread, once.
 *
 * Since: 0.1
 */
void
pyisolate_invocation_return_error (PyIsolateInvocation *self,
                                   const GError        *error)
{
  g_return_if_fail (_pyisolate_invocation_is_real (self));
  g_return_if_fail (error != NULL);

  answer (self, _pyisolate_frame_new_error (self->frame->id, error));
}

/**
 * pyisolate_invocation_return_error_literal:
 * @self: an invocation
 * @domain: the error's domain
 * @code: the error's code
 * @message: the error's message
 *
 * Answers the call with an error, as [method@PyIsolate.Invocation.return_error] does.
 *
 * Since: 0.1
 */
void
pyisolate_invocation_return_error_literal (PyIsolateInvocation *self,
                                           GQuark               domain,
                                           int                  code,
                                           const char          *message)
{
  g_autoptr (GError) error = NULL;

  g_return_if_fail (_pyisolate_invocation_is_real (self));
  g_return_if_fail (domain != 0);
  g_return_if_fail (message != NULL);

  error = g_error_new_literal (domain, code, message);
  pyisolate_invocation_return_error (self, error);
}
