/* SPDX-License-Identifier: MIT */
/* The shortest ways, for language bindings that have an event loop of their own. */
#include "config.h"

#include "pyisolate-binding.h"

#include "pyisolate-extension-private.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-mailbox-private.h"
#include "pyisolate-operation-private.h"

typedef struct {
  PyIsolateExtension *extension;
  GError *error; /* why the call cannot even begin */
  PyIsolateCallFunc func;
  gpointer user_data;
} Beginning;

static void
complete (PyIsolateCallResult *result_to_take,
          GError              *error_to_take,
          gpointer             user_data)
{
  Beginning *beginning = user_data;
  g_autoptr (PyIsolateCallResult) result = result_to_take;
  g_autoptr (GError) error = error_to_take;

  beginning->func (beginning->extension, result, error, beginning->user_data);
  g_object_unref (beginning->extension);
  g_free (beginning);
}

static void
complete_with_error (gpointer data)
{
  Beginning *beginning = data;

  complete (NULL, g_steal_pointer (&beginning->error), beginning);
}

/**
 * pyisolate_extension_begin_call:
 * @self: an extension
 * @call: what to call; it is made once
 * @cancellable: (nullable): cancels the call, and the method with it
 * @func: (scope async) (closure user_data): called when the call has completed
 * @user_data: data for @func
 *
 * Does what [method@PyIsolate.Extension.start_call_async] does, without an object for the result of an asynchronous function:
 * @func gets the result itself, in the thread-default main context of the caller and never from inside of this function.
 * This is for language bindings.
 *
 * Since: 0.1
 */
void
pyisolate_extension_begin_call (PyIsolateExtension *self,
                                PyIsolateCall      *call,
                                GCancellable       *cancellable,
                                PyIsolateCallFunc   func,
                                gpointer            user_data)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);
  g_autoptr (PyIsolateEndpoint) endpoint = NULL;
  Beginning *beginning;

  g_return_if_fail (PYISOLATE_IS_EXTENSION (self));
  g_return_if_fail (PYISOLATE_IS_CALL (call));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));
  g_return_if_fail (func != NULL);

  beginning = g_new0 (Beginning, 1);
  beginning->extension = g_object_ref (self);
  beginning->func = func;
  beginning->user_data = user_data;

  endpoint = _pyisolate_extension_dup_endpoint (self, &beginning->error);
  if (endpoint == NULL)
    _pyisolate_mailbox_post (mailbox, PYISOLATE_JOB_NOTIFICATION, complete_with_error, beginning, NULL);
  else
    _pyisolate_operation_start (self, endpoint, call,
                                _pyisolate_extension_get_call_timeout (self, pyisolate_call_get_timeout (call)), mailbox,
                                PYISOLATE_JOB_NOTIFICATION, cancellable, complete, beginning);
}

static void
clear_request (PyIsolateRequest *request)
{
  for (guint i = 0; i < request->n_fds; i++)
    _pyisolate_clear_fd (&request->fds[i]);
  g_clear_pointer (&request->fds, g_free);
  request->n_fds = 0;
  g_clear_pointer (&request->memories, g_ptr_array_unref);
}

/**
 * pyisolate_extension_begin_request: (skip)
 * @self: an extension
 * @context: where the caller waits, which serves it
 * @request: what to call
 * @func: gets what comes because of it
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, in any thread
 * @error: return location for an error
 *
 * Calls a method in the shortest way: nothing is made of what goes and comes but bytes. Unless it is cancelled or not even begun,
 * @func gets one answer that is the end of the call, also from inside of this function.
 *
 * This is for language bindings.
 *
 * Returns: a number for the call, never the same again; 0 with @error set if it cannot be made
 *
 * Since: 0.1
 */
guint64
pyisolate_extension_begin_request (PyIsolateExtension   *self,
                                   GMainContext         *context,
                                   PyIsolateRequest     *request,
                                   PyIsolateAnswerFunc   func,
                                   gpointer              user_data,
                                   GDestroyNotify        destroy,
                                   GError              **error)
{
  g_autoptr (PyIsolateMailbox) mailbox = NULL;
  g_autoptr (PyIsolateEndpoint) endpoint = NULL;
  guint64 id = 0;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), 0);
  g_return_val_if_fail (context != NULL, 0);
  g_return_val_if_fail (request != NULL && request->method != NULL && request->body != NULL, 0);
  g_return_val_if_fail (func != NULL, 0);
  g_return_val_if_fail (error == NULL || *error == NULL, 0);

  mailbox = _pyisolate_mailbox_ref_for_context (context);
  endpoint = _pyisolate_extension_dup_endpoint (self, error);
  if (endpoint != NULL)
    id = _pyisolate_operation_start_request (self, endpoint, request, _pyisolate_extension_get_call_timeout (self, request->timeout), mailbox, func, user_data,
                                             destroy, error);
  else if (destroy != NULL)
    destroy (user_data);
  clear_request (request);

  return id;
}

/**
 * pyisolate_extension_cancel_request: (skip)
 * @self: the extension
 * @id: what [method@PyIsolate.Extension.begin_request] returned
 *
 * Gives a call up, and cancels the method. There may have been an answer already; if not, there will be none.
 *
 * This is for language bindings.
 *
 * Since: 0.1
 */
void
pyisolate_extension_cancel_request (PyIsolateExtension *self,
                                    guint64             id)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION (self));

  _pyisolate_operation_cancel (id);
}

/**
 * pyisolate_serve_context:
 * @context: a main context that the caller's thread iterates
 *
 * Does in @context what is there to do for this library, and nothing else: it reads what extensions have sent because of
 * calls made there, and does what waits, without iterating the context.
 *
 * This is for language bindings whose event loop watches the context's descriptors itself.
 *
 * Returns: %TRUE if it has done something and nothing is left; %FALSE if the context should be iterated
 *
 * Since: 0.1
 */
gboolean
pyisolate_serve_context (GMainContext *context)
{
  g_autoptr (PyIsolateMailbox) mailbox = NULL;
  gboolean done;

  g_return_val_if_fail (context != NULL, FALSE);

  if (!g_main_context_acquire (context))
    return FALSE;

  mailbox = _pyisolate_mailbox_ref_for_context (context);
  done = _pyisolate_mailbox_serve (mailbox);
  g_main_context_release (context);

  return done;
}

/**
 * pyisolate_end_turn:
 * @context: a main context that the caller's thread serves
 *
 * Says that the event loop which serves @context by [func@PyIsolate.serve_context] has done what there was to do in its turn,
 * and is about to wait. From the first time on, only the first call that this thread makes in a turn is sent at once. Those
 * after it go together, when the turn ends, or before if it is long.
 *
 * This is for language bindings.
 *
 * Since: 0.1
 */
void
pyisolate_end_turn (GMainContext *context)
{
  g_autoptr (PyIsolateMailbox) mailbox = NULL;

  g_return_if_fail (context != NULL);

  mailbox = _pyisolate_mailbox_ref_for_context (context);
  _pyisolate_mailbox_end_turn (mailbox);
}
