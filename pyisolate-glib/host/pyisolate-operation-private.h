/* SPDX-License-Identifier: MIT */
#pragma once

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

/* The call under way with this id, and the mailbox of who made it; FALSE if there is none (any more). */
gboolean _pyisolate_operation_lookup (guint64            id,
                                      PyIsolateCall    **call,
                                      PyIsolateMailbox **mailbox);

G_END_DECLS
