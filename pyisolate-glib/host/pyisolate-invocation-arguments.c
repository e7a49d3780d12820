/* SPDX-License-Identifier: MIT */
/* What came with a call of a singleton: its arguments, file descriptors, tensors, shared memory. */
#include "config.h"

#include "pyisolate-invocation-struct-private.h"

#include "pyisolate-fd-private.h"
#include "pyisolate-tensor-private.h"
#include "pyisolate-value-private.h"

/* The array of variants as a tuple of what is in them. */
static GVariant *
unbox_args (GVariant *boxed)
{
  gsize n_args = g_variant_n_children (boxed);
  g_autofree GVariant **children = g_new (GVariant *, n_args + 1);
  GVariant *tuple;

  for (gsize i = 0; i < n_args; i++)
    g_variant_get_child (boxed, i, "v", &children[i]);
  tuple = g_variant_ref_sink (g_variant_new_tuple (children, n_args));
  for (gsize i = 0; i < n_args; i++)
    g_variant_unref (children[i]);

  return tuple;
}

/* With the lock held: with all that is in shared memory. */
static void
expand_arguments (PyIsolateInvocation *self)
{
  g_autoptr (GVariant) both = g_variant_ref_sink (g_variant_new ("(@*@*)", self->args, self->kwargs));
  g_autoptr (GVariant) expanded = _pyisolate_value_expand (both, self->frame->memories);
  g_autoptr (GVariant) args = g_variant_get_child_value (expanded, 0);
  g_autoptr (GVariant) kwargs = g_variant_get_child_value (expanded, 1);

  if (!g_variant_is_of_type (args, G_VARIANT_TYPE_TUPLE)) /* arguments that look like one such value */
    return;

  g_variant_unref (self->args);
  self->args = g_steal_pointer (&args);
  g_variant_unref (self->kwargs);
  self->kwargs = g_steal_pointer (&kwargs);
}

/* A binding takes the bytes, and needs no variants. */
static void
parse_arguments (PyIsolateInvocation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) boxed = NULL;

  if (self->args != NULL || !self->is_checked)
    return;

  body = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (PYISOLATE_BODY_CALL), self->frame->body, TRUE));
  boxed = g_variant_get_child_value (body, 0);
  self->args = unbox_args (boxed);
  self->kwargs = g_variant_get_child_value (body, 1);
  expand_arguments (self);
}

gboolean
_pyisolate_invocation_coerce_args (PyIsolateInvocation *self,
                                   const char          *signature,
                                   const GVariantType  *type)
{
  g_autoptr (GVariant) args = NULL;
  g_autoptr (GError) error = NULL;

  parse_arguments (self);
  args = _pyisolate_value_coerce (self->args, type, &error);
  if (args == NULL)
    {
      g_prefix_error (&error, "“%s” of the singleton “%s” takes arguments of the D-Bus signature “%s”: ",
                      self->frame->name, self->frame->target, signature);
      pyisolate_invocation_return_error (self, error);
      return FALSE;
    }

  g_clear_pointer (&self->args, g_variant_unref);
  self->args = g_steal_pointer (&args);

  return TRUE;
}

/**
 * pyisolate_invocation_get_body:
 * @self: an invocation
 *
 * Gets the arguments in the form in which they came; docs/values.md describes it. This is for language bindings.
 *
 * Returns: (transfer none): a GVariant of type `(ava{sv})` in serialised form, known to be in normal form
 *
 * Since: 0.1
 */
GBytes *
pyisolate_invocation_get_body (PyIsolateInvocation *self)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);

  return self->frame->body;
}

/**
 * pyisolate_invocation_get_args: (get-property args)
 * @self: an invocation
 *
 * Gets the arguments by position. If the method was added with a D-Bus signature they are of just that type.
 *
 * Returns: (transfer none): a tuple
 *
 * Since: 0.1
 */
GVariant *
pyisolate_invocation_get_args (PyIsolateInvocation *self)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);

  parse_arguments (self);
  return self->args;
}

/**
 * pyisolate_invocation_get_kwargs: (get-property kwargs)
 * @self: an invocation
 *
 * Gets the arguments by name.
 *
 * Returns: (transfer none): a dictionary of type `a{sv}`, empty if there are none
 *
 * Since: 0.1
 */
GVariant *
pyisolate_invocation_get_kwargs (PyIsolateInvocation *self)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);

  parse_arguments (self);
  return self->kwargs;
}

/**
 * pyisolate_invocation_get_n_fds:
 * @self: an invocation
 *
 * Gets how many file descriptors came with the call. An argument of type `h` is the index of one.
 *
 * Returns: their number
 *
 * Since: 0.1
 */
guint
pyisolate_invocation_get_n_fds (PyIsolateInvocation *self)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), 0);

  return self->frame->n_fds;
}

/**
 * pyisolate_invocation_dup_fd:
 * @self: an invocation
 * @index: which one, less than [method@PyIsolate.Invocation.get_n_fds]
 * @error: return location for an error
 *
 * Duplicates one of the file descriptors that came with the call.
 *
 * Fails with %PYISOLATE_ERROR_LIMIT where the process can have no more file descriptors.
 *
 * Returns: a file descriptor that the caller closes, or -1 with @error set
 *
 * Since: 0.1
 */
int
pyisolate_invocation_dup_fd (PyIsolateInvocation  *self,
                             guint                 index,
                             GError              **error)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), -1);
  g_return_val_if_fail (index < self->frame->n_fds, -1);
  g_return_val_if_fail (error == NULL || *error == NULL, -1);

  return _pyisolate_dup_fd (self->frame->fds[index], error);
}

/**
 * pyisolate_invocation_dup_tensor:
 * @self: an invocation
 * @value: what is a tensor in the arguments, see [func@PyIsolate.value_is_tensor]
 * @error: return location for an error
 *
 * Gets a tensor that is in the arguments.
 *
 * Fails with %PYISOLATE_ERROR_BAD_TENSOR if @value is no tensor, or one that cannot be true.
 *
 * Returns: (transfer full): the tensor, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateTensor *
pyisolate_invocation_dup_tensor (PyIsolateInvocation  *self,
                                 GVariant             *value,
                                 GError              **error)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);
  g_return_val_if_fail (value != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return _pyisolate_tensor_new_from_variant (value, self->frame->memories, error);
}

/**
 * pyisolate_invocation_get_n_memories: (skip)
 * @self: an invocation
 *
 * Gets how many pieces of shared memory came with the call. This is for language bindings.
 *
 * Returns: their number
 *
 * Since: 0.1
 */
guint
pyisolate_invocation_get_n_memories (PyIsolateInvocation *self)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), 0);

  return self->frame->memories != NULL ? self->frame->memories->len : 0;
}

/**
 * pyisolate_invocation_get_memory: (skip)
 * @self: an invocation
 * @index: which one, less than [method@PyIsolate.Invocation.get_n_memories]
 *
 * Gets a piece of shared memory that came with the call. This is for language bindings.
 *
 * Returns: (transfer none): the memory
 *
 * Since: 0.1
 */
PyIsolateMemory *
pyisolate_invocation_get_memory (PyIsolateInvocation *self,
                                 guint                index)
{
  g_return_val_if_fail (_pyisolate_invocation_is_real (self), NULL);
  g_return_val_if_fail (self->frame->memories != NULL && index < self->frame->memories->len, NULL);

  return g_ptr_array_index (self->frame->memories, index);
}
