/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-binding.h"
#include "pyisolate-call.h"
#include "pyisolate-frame-private.h"
#include "pyisolate-memory-private.h"

G_BEGIN_DECLS

/* A call of the library's own to the worker's runtime. */
PyIsolateCall  *_pyisolate_call_new_control          (const char               *method);

/* The body of a call with these arguments; both may be NULL. */
GBytes         *_pyisolate_call_body_new             (GVariant                 *args,
                                                      GVariant                 *kwargs,
                                                      GError                  **error);
/* The frame of a call that has nothing else. */
PyIsolateFrame *_pyisolate_call_new_plain_frame      (const char               *method,
                                                      GVariant                 *args,
                                                      GVariant                 *kwargs,
                                                      GError                  **error);
/* Takes what is in the request. */
PyIsolateFrame *_pyisolate_call_new_request_frame    (PyIsolateRequest         *request,
                                                      PyIsolateMemoryBook      *memory,
                                                      GError                  **error);
/* Makes the frame of a call that is about to be made; a call is made once. */
PyIsolateFrame *_pyisolate_call_make_frame           (PyIsolateCall            *self,
                                                      PyIsolateMemoryBook      *memory,
                                                      GError                  **error);
void            _pyisolate_call_set_remote_exception (PyIsolateCall            *self,
                                                      PyIsolateRemoteException *exception);
void            _pyisolate_call_emit_progress        (PyIsolateCall            *self,
                                                      double                    fraction,
                                                      const char               *text);
void            _pyisolate_call_emit_event           (PyIsolateCall            *self,
                                                      const char               *name,
                                                      GVariant                 *value);

G_END_DECLS
