/* SPDX-License-Identifier: MIT */
/* What can be asked of an extension, each in three forms: _async, _finish and _sync. */
#include "config.h"

#include "pyisolate-error.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-memory-book-private.h"
#include "pyisolate-operation-private.h"

static void
complete_task (PyIsolateCallResult *result,
               GError              *error,
               gpointer             user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, result, g_object_unref);
}

static void
start_call (PyIsolateExtension *self,
            PyIsolateCall      *call,
            GTask              *task_to_take)
{
  g_autoptr (GTask) task = task_to_take;
  g_autoptr (PyIsolateEndpoint) endpoint = NULL;
  g_autoptr (PyIsolateMailbox) mailbox = NULL;
  GError *error = NULL;

  endpoint = _pyisolate_extension_dup_endpoint (self, &error);
  if (endpoint == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  /* The cancellable ends the operation itself; the task must not give another answer than it does. */
  g_task_set_check_cancellable (task, FALSE);
  mailbox = _pyisolate_mailbox_ref_for_context (g_task_get_context (task));
  _pyisolate_operation_start (self, endpoint, call,
                              _pyisolate_extension_get_call_timeout (self, pyisolate_call_get_timeout (call)), mailbox,
                              PYISOLATE_JOB_NOTIFICATION, g_task_get_cancellable (task), complete_task, g_object_ref (task));
}

typedef struct {
  gboolean done;
  PyIsolateCallResult *result;
  GError *error;
} Waiting;

static void
complete_wait (PyIsolateCallResult *result,
               GError              *error,
               gpointer             user_data)
{
  Waiting *waiting = user_data;

  waiting->result = result;
  waiting->error = error;
  waiting->done = TRUE;
}

static PyIsolateCallResult *
call_and_wait (PyIsolateExtension  *self,
               PyIsolateCall       *call,
               GCancellable        *cancellable,
               GError             **error)
{
  g_autoptr (PyIsolateEndpoint) endpoint = _pyisolate_extension_dup_endpoint (self, error);
  PyIsolateMailbox *mailbox;
  Waiting waiting = { FALSE, NULL, NULL };

  if (endpoint == NULL)
    return NULL;

  mailbox = _pyisolate_mailbox_begin_wait ();
  _pyisolate_operation_start (self, endpoint, call,
                              _pyisolate_extension_get_call_timeout (self, pyisolate_call_get_timeout (call)), mailbox,
                              PYISOLATE_JOB_CALL, cancellable, complete_wait, &waiting);
  _pyisolate_mailbox_wait (mailbox, &waiting.done);
  _pyisolate_mailbox_end_wait (mailbox);

  if (waiting.error != NULL)
    g_propagate_error (error, waiting.error);

  return waiting.result;
}

static void
complete_plain_task (GVariant *value,
                     GError   *error,
                     gpointer  user_data)
{
  g_autoptr (GTask) task = G_TASK (user_data);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, value, (GDestroyNotify) g_variant_unref);
}

static void
start_plain_call (PyIsolateExtension *self,
                  const char         *method,
                  GVariant           *args,
                  GVariant           *kwargs,
                  GTask              *task_to_take)
{
  g_autoptr (GTask) task = task_to_take;
  g_autoptr (PyIsolateEndpoint) endpoint = NULL;
  g_autoptr (PyIsolateMailbox) mailbox = NULL;
  GError *error = NULL;

  endpoint = _pyisolate_extension_dup_endpoint (self, &error);
  if (endpoint == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  g_task_set_check_cancellable (task, FALSE);
  mailbox = _pyisolate_mailbox_ref_for_context (g_task_get_context (task));
  _pyisolate_operation_start_plain (self, endpoint, method, args, kwargs,
                                    _pyisolate_extension_get_call_timeout (self, PYISOLATE_TIMEOUT_DEFAULT),
                                    mailbox, PYISOLATE_JOB_NOTIFICATION, g_task_get_cancellable (task),
                                    complete_plain_task, g_object_ref (task));
}

typedef struct {
  gboolean done;
  GVariant *value;
  GError *error;
} PlainWaiting;

static void
complete_plain_wait (GVariant *value,
                     GError   *error,
                     gpointer  user_data)
{
  PlainWaiting *waiting = user_data;

  waiting->value = value;
  waiting->error = error;
  waiting->done = TRUE;
}

static GVariant *
call_plain_and_wait (PyIsolateExtension  *self,
                     const char          *method,
                     GVariant            *args,
                     GVariant            *kwargs,
                     GCancellable        *cancellable,
                     GError             **error)
{
  g_autoptr (PyIsolateEndpoint) endpoint = _pyisolate_extension_dup_endpoint (self, error);
  PyIsolateMailbox *mailbox;
  PlainWaiting waiting = { FALSE, NULL, NULL };

  if (endpoint == NULL)
    return NULL;

  mailbox = _pyisolate_mailbox_begin_wait ();
  _pyisolate_operation_start_plain (self, endpoint, method, args, kwargs,
                                    _pyisolate_extension_get_call_timeout (self, PYISOLATE_TIMEOUT_DEFAULT),
                                    mailbox, PYISOLATE_JOB_CALL, cancellable, complete_plain_wait, &waiting);
  _pyisolate_mailbox_wait (mailbox, &waiting.done);
  _pyisolate_mailbox_end_wait (mailbox);

  if (waiting.error != NULL)
    g_propagate_error (error, waiting.error);

  return waiting.value;
}

/**
 * pyisolate_extension_start_call_async:
 * @self: an extension
 * @call: what to call; it is made once
 * @cancellable: (nullable): cancels the call, and the method with it
 * @callback: (scope async) (closure user_data): called when the call has completed
 * @user_data: data for @callback
 *
 * Calls a method.
 *
 * The errors that it ends with: %PYISOLATE_ERROR_NOT_RUNNING, %PYISOLATE_ERROR_NO_SUCH_METHOD,
 * %PYISOLATE_ERROR_REMOTE_EXCEPTION if the method raised, %PYISOLATE_ERROR_BAD_VALUE if an argument cannot travel,
 * %PYISOLATE_ERROR_BAD_TENSOR if a tensor or its memory cannot, %PYISOLATE_ERROR_LIMIT if too much is under way already or the
 * shared memory is used up, %PYISOLATE_ERROR_FAILED if @call was made before, another %G_IO_ERROR where there are no more file
 * descriptors or memory, %PYISOLATE_ERROR_TIMED_OUT, %G_IO_ERROR_CANCELLED, and if the process ended meanwhile
 * %PYISOLATE_ERROR_DIED, %PYISOLATE_ERROR_KILLED, %PYISOLATE_ERROR_OUT_OF_MEMORY or %PYISOLATE_ERROR_BAD_MESSAGE.
 *
 * Since: 0.1
 */
void
pyisolate_extension_start_call_async (PyIsolateExtension  *self,
                                      PyIsolateCall       *call,
                                      GCancellable        *cancellable,
                                      GAsyncReadyCallback  callback,
                                      gpointer             user_data)
{
  GTask *task;

  g_return_if_fail (PYISOLATE_IS_EXTENSION (self));
  g_return_if_fail (PYISOLATE_IS_CALL (call));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, pyisolate_extension_start_call_async);
  g_task_set_name (task, "[pyisolate] start_call");
  start_call (self, call, task);
}

/**
 * pyisolate_extension_start_call_finish:
 * @self: an extension
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Completes [method@PyIsolate.Extension.start_call_async].
 *
 * Returns: (transfer full): what the method returned, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateCallResult *
pyisolate_extension_start_call_finish (PyIsolateExtension  *self,
                                       GAsyncResult        *result,
                                       GError             **error)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, pyisolate_extension_start_call_async), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * pyisolate_extension_start_call_sync:
 * @self: an extension
 * @call: what to call; it is made once
 * @cancellable: (nullable): cancels the call, and the method with it
 * @error: return location for an error
 *
 * Calls a method, and blocks until it has completed.
 *
 * Meanwhile the singletons that live in the caller's main context are served, and @call emits its signals; nothing else of
 * that context is.
 *
 * Returns: (transfer full): what the method returned, or %NULL with @error set as by
 *   [method@PyIsolate.Extension.start_call_async]
 *
 * Since: 0.1
 */
PyIsolateCallResult *
pyisolate_extension_start_call_sync (PyIsolateExtension  *self,
                                     PyIsolateCall       *call,
                                     GCancellable        *cancellable,
                                     GError             **error)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);
  g_return_val_if_fail (PYISOLATE_IS_CALL (call), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return call_and_wait (self, call, cancellable, error);
}

/**
 * pyisolate_extension_call_async:
 * @self: an extension
 * @method: the name of the method
 * @args: (nullable): the arguments by position, a tuple; consumed if it is floating
 * @kwargs: (nullable): the arguments by name, of type `a{sv}`; consumed if it is floating
 * @cancellable: (nullable): cancels the call, and the method with it
 * @callback: (scope async) (closure user_data): called when the call has completed
 * @user_data: data for @callback
 *
 * Calls a method with arguments; for more than that see [method@PyIsolate.Extension.start_call_async], which also lists the
 * errors.
 *
 * Since: 0.1
 */
void
pyisolate_extension_call_async (PyIsolateExtension  *self,
                                const char          *method,
                                GVariant            *args,
                                GVariant            *kwargs,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  g_autoptr (GVariant) owned_args = NULL;
  g_autoptr (GVariant) owned_kwargs = NULL;
  GTask *task;

  g_return_if_fail (PYISOLATE_IS_EXTENSION (self));
  g_return_if_fail (method != NULL);
  g_return_if_fail (args == NULL || g_variant_is_of_type (args, G_VARIANT_TYPE_TUPLE));
  g_return_if_fail (kwargs == NULL || g_variant_is_of_type (kwargs, G_VARIANT_TYPE_VARDICT));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  owned_args = args != NULL ? g_variant_ref_sink (args) : NULL;
  owned_kwargs = kwargs != NULL ? g_variant_ref_sink (kwargs) : NULL;
  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, pyisolate_extension_call_async);
  g_task_set_name (task, "[pyisolate] call");
  start_plain_call (self, method, owned_args, owned_kwargs, task);
}

/**
 * pyisolate_extension_call_finish:
 * @self: an extension
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Completes [method@PyIsolate.Extension.call_async].
 *
 * Returns: (transfer full): what the method returned, or %NULL with @error set
 *
 * Since: 0.1
 */
GVariant *
pyisolate_extension_call_finish (PyIsolateExtension  *self,
                                 GAsyncResult        *result,
                                 GError             **error)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, pyisolate_extension_call_async), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * pyisolate_extension_call_sync:
 * @self: an extension
 * @method: the name of the method
 * @args: (nullable): the arguments by position, a tuple; consumed if it is floating
 * @kwargs: (nullable): the arguments by name, of type `a{sv}`; consumed if it is floating
 * @cancellable: (nullable): cancels the call, and the method with it
 * @error: return location for an error
 *
 * Calls a method with arguments, and blocks until it has completed; see
 * [method@PyIsolate.Extension.start_call_sync] for what is served meanwhile.
 *
 * Returns: (transfer full): what the method returned, or %NULL with @error set
 *
 * Since: 0.1
 */
GVariant *
pyisolate_extension_call_sync (PyIsolateExtension  *self,
                               const char          *method,
                               GVariant            *args,
                               GVariant            *kwargs,
                               GCancellable        *cancellable,
                               GError             **error)
{
  g_autoptr (GVariant) owned_args = NULL;
  g_autoptr (GVariant) owned_kwargs = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);
  g_return_val_if_fail (method != NULL, NULL);
  g_return_val_if_fail (args == NULL || g_variant_is_of_type (args, G_VARIANT_TYPE_TUPLE), NULL);
  g_return_val_if_fail (kwargs == NULL || g_variant_is_of_type (kwargs, G_VARIANT_TYPE_VARDICT), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  owned_args = args != NULL ? g_variant_ref_sink (args) : NULL;
  owned_kwargs = kwargs != NULL ? g_variant_ref_sink (kwargs) : NULL;

  return call_plain_and_wait (self, method, owned_args, owned_kwargs, cancellable, error);
}

/**
 * pyisolate_extension_ping_async:
 * @self: an extension
 * @cancellable: (nullable): ends the waiting
 * @callback: (scope async) (closure user_data): called when there is an answer
 * @user_data: data for @callback
 *
 * Asks the extension's process for a sign of life. It gives one also while Python is busy or stuck, but not while it is
 * stopped (`SIGSTOP`): it is waited for as long as for any call, see [property@PyIsolate.ExtensionConfig:call-timeout], or
 * until @cancellable is cancelled.
 *
 * The errors that it ends with: %PYISOLATE_ERROR_NOT_RUNNING, %PYISOLATE_ERROR_TIMED_OUT, %G_IO_ERROR_CANCELLED, and if the
 * process ended meanwhile those of [method@PyIsolate.Extension.start_call_async].
 *
 * Since: 0.1
 */
void
pyisolate_extension_ping_async (PyIsolateExtension  *self,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  g_autoptr (PyIsolateCall) call = NULL;
  GTask *task;

  g_return_if_fail (PYISOLATE_IS_EXTENSION (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  call = _pyisolate_call_new_control ("Ping");
  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, pyisolate_extension_ping_async);
  g_task_set_name (task, "[pyisolate] ping");
  start_call (self, call, task);
}

/**
 * pyisolate_extension_ping_finish:
 * @self: an extension
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Completes [method@PyIsolate.Extension.ping_async].
 *
 * Returns: %TRUE if the process answered, %FALSE with @error set if not
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_ping_finish (PyIsolateExtension  *self,
                                 GAsyncResult        *result,
                                 GError             **error)
{
  g_autoptr (PyIsolateCallResult) call_result = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, pyisolate_extension_ping_async), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  call_result = g_task_propagate_pointer (G_TASK (result), error);
  return call_result != NULL;
}

/**
 * pyisolate_extension_ping_sync:
 * @self: an extension
 * @cancellable: (nullable): ends the waiting
 * @error: return location for an error
 *
 * Asks the extension's process for a sign of life, and blocks until it gives one; see
 * [method@PyIsolate.Extension.ping_async].
 *
 * Returns: %TRUE if the process answered, %FALSE with @error set if not
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_ping_sync (PyIsolateExtension  *self,
                               GCancellable        *cancellable,
                               GError             **error)
{
  g_autoptr (PyIsolateCall) call = NULL;
  g_autoptr (PyIsolateCallResult) result = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  call = _pyisolate_call_new_control ("Ping");
  result = call_and_wait (self, call, cancellable, error);

  return result != NULL;
}

/**
 * pyisolate_extension_allocate_memory: (skip)
 * @self: an extension
 * @size: how many bytes are needed, more than 0
 * @flags: who may write to it
 * @error: return location for an error
 *
 * Gets a piece of shared memory of the pool of this extension, for what is copied to be sent to it: it was used before, if
 * possible, and holds anything. This is for language bindings.
 *
 * Fails with %PYISOLATE_ERROR_NOT_RUNNING, with %PYISOLATE_ERROR_LIMIT beyond
 * [property@PyIsolate.ExtensionConfig:shared-memory-limit], and with a %G_IO_ERROR where there is no more memory.
 *
 * Returns: (transfer full): memory of at least @size bytes, or %NULL with @error set
 *
 * Since: 0.1
 */
PyIsolateMemory *
pyisolate_extension_allocate_memory (PyIsolateExtension    *self,
                                     gsize                  size,
                                     PyIsolateMemoryFlags   flags,
                                     GError               **error)
{
  g_autoptr (PyIsolateEndpoint) endpoint = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), NULL);
  g_return_val_if_fail (size > 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  endpoint = _pyisolate_extension_dup_endpoint (self, error);
  if (endpoint == NULL)
    return NULL;

  return _pyisolate_memory_book_allocate (_pyisolate_endpoint_get_memory (endpoint), size, flags, error);
}
