/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-answer-private.h"
#include "pyisolate-binding.h"
#include "pyisolate-call-private.h"
#include "pyisolate-call-result.h"
#include "pyisolate-endpoint-private.h"
#include "pyisolate-mailbox-private.h"

G_BEGIN_DECLS

/* One call under way: from its frame to its result, its deadline or its cancellation, whichever is first. */

/* Called once, as a job of the mailbox: with a result (transfer full) or an error (transfer full). */
typedef void (*PyIsolateOperationFunc) (PyIsolateCallResult *result,
                                        GError              *error,
                                        gpointer             user_data);

/* The same for who wants no more than the value (transfer full). */
typedef void (*PyIsolateValueFunc)     (GVariant *value,
                                        GError   *error,
                                        gpointer  user_data);

void _pyisolate_operation_start (PyIsolateExtension     *extension,
                                 PyIsolateEndpoint      *endpoint,
                                 PyIsolateCall          *call,
                                 gint64                  timeout,
                                 PyIsolateMailbox       *mailbox,
                                 PyIsolateJobKind        job_kind,
                                 GCancellable           *cancellable,
                                 PyIsolateOperationFunc  func,
                                 gpointer                user_data);

/* A call of nothing but a method with arguments: a PyIsolateCall is made of it only if somebody asks for that. */
void _pyisolate_operation_start_plain (PyIsolateExtension *extension,
                                       PyIsolateEndpoint  *endpoint,
                                       const char         *method,
                                       GVariant           *args,
                                       GVariant           *kwargs,
                                       gint64              timeout,
                                       PyIsolateMailbox   *mailbox,
                                       PyIsolateJobKind    job_kind,
                                       GCancellable       *cancellable,
                                       PyIsolateValueFunc  func,
                                       gpointer            user_data);

/* A call of which nothing is made but bytes: @func gets what comes where that is read. Takes what is in @request. Returns its id,
 * or 0 with @error set. */
guint64 _pyisolate_operation_start_request (PyIsolateExtension  *extension,
                                            PyIsolateEndpoint   *endpoint,
                                            PyIsolateRequest    *request,
                                            gint64               timeout,
                                            PyIsolateMailbox    *mailbox,
                                            PyIsolateAnswerFunc  func,
                                            gpointer             user_data,
                                            GDestroyNotify       destroy,
                                            GError             **error);
/* Nobody waits for it any more. */
void     _pyisolate_operation_cancel       (guint64              id);
gboolean _pyisolate_operation_take_event   (PyIsolateEndpoint   *endpoint,
                                            PyIsolateFrame      *frame);

/* Of the call under way with this id, NULL if there is none (any more): the mailbox of who made it, and the call as an object,
 * which for a request somebody must really want. */
PyIsolateMailbox *_pyisolate_operation_ref_mailbox (guint64  id);
PyIsolateCall    *_pyisolate_operation_dup_call    (guint64  id,
                                                    gboolean even_a_request);

G_END_DECLS
