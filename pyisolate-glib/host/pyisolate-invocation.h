/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-tensor.h"
#include "pyisolate-types.h"

G_BEGIN_DECLS

#define PYISOLATE_TYPE_INVOCATION (pyisolate_invocation_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateInvocation, pyisolate_invocation, PYISOLATE, INVOCATION, GObject)

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtension        *pyisolate_invocation_get_extension        (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateProxiedSingleton *pyisolate_invocation_get_singleton        (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
const char                *pyisolate_invocation_get_method           (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateCall             *pyisolate_invocation_get_call             (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
guint64                    pyisolate_invocation_get_call_id          (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
GBytes                    *pyisolate_invocation_get_body             (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
GVariant                  *pyisolate_invocation_get_args             (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
GVariant                  *pyisolate_invocation_get_kwargs           (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
guint                      pyisolate_invocation_get_n_fds            (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
int                        pyisolate_invocation_dup_fd               (PyIsolateInvocation  *self,
                                                                      guint                 index,
                                                                      GError              **error);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateTensor           *pyisolate_invocation_dup_tensor           (PyIsolateInvocation  *self,
                                                                      GVariant             *value,
                                                                      GError              **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
guint                      pyisolate_invocation_get_n_memories       (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateMemory           *pyisolate_invocation_get_memory           (PyIsolateInvocation  *self,
                                                                      guint                 index);
PYISOLATE_AVAILABLE_IN_0_1
GVariant                  *pyisolate_invocation_add_tensor           (PyIsolateInvocation  *self,
                                                                      PyIsolateTensor      *tensor);
PYISOLATE_AVAILABLE_IN_0_1
guint                      pyisolate_invocation_append_memory        (PyIsolateInvocation  *self,
                                                                      PyIsolateMemory      *memory);
PYISOLATE_AVAILABLE_IN_0_1
GCancellable              *pyisolate_invocation_get_cancellable      (PyIsolateInvocation  *self);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_invocation_return_value         (PyIsolateInvocation  *self,
                                                                      GVariant             *value);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_invocation_return_body          (PyIsolateInvocation  *self,
                                                                      GBytes               *body);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_invocation_return_exception     (PyIsolateInvocation  *self,
                                                                      const char           *message,
                                                                      GVariant             *exception);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_invocation_return_error         (PyIsolateInvocation  *self,
                                                                      const GError         *error);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_invocation_return_error_literal (PyIsolateInvocation  *self,
                                                                      GQuark                domain,
                                                                      int                   code,
                                                                      const char           *message);

G_END_DECLS
