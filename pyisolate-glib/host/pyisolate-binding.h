/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-answer.h"
#include "pyisolate-call-result.h"
#include "pyisolate-call.h"
#include "pyisolate-types.h"

G_BEGIN_DECLS

/**
 * PyIsolateCallFunc:
 * @extension: the extension
 * @result: (nullable): what the method returned, or %NULL
 * @error: (nullable): why there is no result
 * @user_data: what [method@PyIsolate.Extension.begin_call] was given
 *
 * Called when a call has completed.
 *
 * Since: 0.1
 */
typedef void (*PyIsolateCallFunc) (PyIsolateExtension  *extension,
                                   PyIsolateCallResult *result,
                                   const GError        *error,
                                   gpointer             user_data);

/**
 * PyIsolateRequest: (skip)
 * @method: the name of the method
 * @body: the arguments, as for [method@PyIsolate.Call.set_body]
 * @fds: (nullable): file descriptors that the body names by their index; an array as of g_malloc(), which is taken with them
 * @n_fds: their number
 * @memories: (nullable): of [struct@PyIsolate.Memory], what the body names by its index; taken
 * @timeout: as for [method@PyIsolate.Call.set_timeout]
 * @parent: (nullable): as for [method@PyIsolate.Call.set_parent]
 * @wants_progress: whether to be told of the method's progress
 * @wants_events: whether to be told of the events that the method emits, in place of [signal@PyIsolate.Extension::event]
 *
 * What to call. This is for language bindings.
 *
 * Since: 0.1
 */
typedef struct {
  const char *method;
  GBytes *body;
  int *fds;
  guint n_fds;
  GPtrArray *memories;
  gint64 timeout;
  PyIsolateInvocation *parent;
  gboolean wants_progress;
  gboolean wants_events;
} PyIsolateRequest;

/**
 * PyIsolateAnswerFunc: (skip)
 * @answer: (transfer full): what has come
 * @user_data: what [method@PyIsolate.Extension.begin_request] was given
 *
 * Called with what comes because of a request, in any thread, with locks of this library's held: it only puts the answer
 * where somebody will look for it.
 *
 * Since: 0.1
 */
typedef void (*PyIsolateAnswerFunc) (PyIsolateAnswer *answer,
                                     gpointer         user_data);

PYISOLATE_AVAILABLE_IN_0_1
guint64  pyisolate_extension_begin_request (PyIsolateExtension *self,
                                            GMainContext       *context,
                                            PyIsolateRequest   *request,
                                            PyIsolateAnswerFunc func,
                                            gpointer            user_data,
                                            GDestroyNotify      destroy,
                                            GError            **error);
PYISOLATE_AVAILABLE_IN_0_1
void     pyisolate_extension_cancel_request (PyIsolateExtension *self,
                                             guint64             id);
PYISOLATE_AVAILABLE_IN_0_1
void     pyisolate_extension_begin_call (PyIsolateExtension *self,
                                         PyIsolateCall      *call,
                                         GCancellable       *cancellable,
                                         PyIsolateCallFunc   func,
                                         gpointer            user_data);
PYISOLATE_AVAILABLE_IN_0_1
gboolean pyisolate_serve_context        (GMainContext       *context);
PYISOLATE_AVAILABLE_IN_0_1
void     pyisolate_end_turn             (GMainContext       *context);

G_END_DECLS
