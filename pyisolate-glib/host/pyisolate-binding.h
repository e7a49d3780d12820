/* SPDX-License-Identifier: MIT */
#pragma once

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

PYISOLATE_AVAILABLE_IN_0_1
void     pyisolate_extension_begin_call (PyIsolateExtension *self,
                                         PyIsolateCall      *call,
                                         GCancellable       *cancellable,
                                         PyIsolateCallFunc   func,
                                         gpointer            user_data);
PYISOLATE_AVAILABLE_IN_0_1
gboolean pyisolate_serve_context        (GMainContext       *context);

G_END_DECLS
