/* SPDX-License-Identifier: MIT */
/* What a call takes along beside its arguments: file descriptors, tensors, shared memory. */
#include "config.h"

#include "pyisolate-call-struct-private.h"

#include "pyisolate-fd-private.h"

/**
 * pyisolate_call_append_fd:
 * @self: a call
 * @fd: an open file descriptor; it is duplicated and stays the caller's
 * @error: return location for an error
 *
 * Lets a file descriptor travel with the call.
 *
 * An argument of type `h` with the returned index arrives as it. A tensor in the form of docs/values.md can lie in it, too, if
 * it is a memfd as [ctor@PyIsolate.Memory.new_from_fd] takes it; else the call fails with %PYISOLATE_ERROR_BAD_TENSOR.
 *
 * Fails with a %G_IO_ERROR if @fd is not open, and with %PYISOLATE_ERROR_LIMIT where the process can have no more file descriptors.
 *
 * Returns: the index, or -1 with @error set
 *
 * Since: 0.1
 */
int
pyisolate_call_append_fd (PyIsolateCall  *self,
                          int             fd,
                          GError        **error)
{
  int copy;

  g_return_val_if_fail (PYISOLATE_IS_CALL (self), -1);
  g_return_val_if_fail (fd >= 0, -1);
  g_return_val_if_fail (error == NULL || *error == NULL, -1);

  copy = _pyisolate_dup_fd (fd, error);
  if (copy < 0)
    return -1;

  g_array_append_val (self->fds, copy);
  return (int) self->fds->len - 1;
}

/**
 * pyisolate_call_get_n_fds:
 * @self: a call
 *
 * Gets how many file descriptors travel with the call.
 *
 * Returns: the number of [method@PyIsolate.Call.append_fd]
 *
 * Since: 0.1
 */
guint
pyisolate_call_get_n_fds (PyIsolateCall *self)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL (self), 0);

  return self->fds->len;
}

PyIsolateAttachments *
_pyisolate_call_get_attachments (PyIsolateCall *self)
{
  if (self->attachments == NULL)
    self->attachments = _pyisolate_attachments_new ();

  return self->attachments;
}

/**
 * pyisolate_call_add_tensor:
 * @self: a call that was not made yet
 * @tensor: a tensor to take along
 *
 * Takes a tensor along. What this returns is the tensor in the arguments of @self, and only there: anywhere in them, as often
 * as wanted.
 *
 * Returns: (transfer none): a value for the arguments; a floating reference
 *
 * Since: 0.1
 */
GVariant *
pyisolate_call_add_tensor (PyIsolateCall   *self,
                           PyIsolateTensor *tensor)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL (self), NULL);
  g_return_val_if_fail (_pyisolate_tensor_is_real (tensor), NULL);

  return _pyisolate_attachments_add_tensor (_pyisolate_call_get_attachments (self), tensor);
}

/**
 * pyisolate_call_append_memory: (skip)
 * @self: a call that was not made yet
 * @memory: a piece of shared memory to take along
 *
 * Takes shared memory along, which the body of the call names by its index; docs/values.md describes it. This is for language
 * bindings.
 *
 * Returns: the index
 *
 * Since: 0.1
 */
guint
pyisolate_call_append_memory (PyIsolateCall   *self,
                              PyIsolateMemory *memory)
{
  g_return_val_if_fail (PYISOLATE_IS_CALL (self), 0);
  g_return_val_if_fail (memory != NULL, 0);

  return _pyisolate_attachments_add_memory (_pyisolate_call_get_attachments (self), memory);
}
