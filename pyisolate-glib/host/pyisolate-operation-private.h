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

void _pyisolate_operation_start (PyIsolateExtension     *extension,
                                 PyIsolateEndpoint      *endpoint,
                                 PyIsolateCall          *call,
                                 gint64                  timeout,
                                 PyIsolateMailbox       *mailbox,
                                 PyIsolateJobKind        job_kind,
                                 GCancellable           *cancellable,
                                 PyIsolateOperationFunc  func,
                                 gpointer                user_data);

G_END_DECLS
