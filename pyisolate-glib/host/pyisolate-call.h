/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-remote-exception.h"
#include "pyisolate-tensor.h"
#include "pyisolate-types.h"

G_BEGIN_DECLS

/**
 * PYISOLATE_TIMEOUT_DEFAULT:
 *
 * As the timeout of a call: that of the extension, [property@PyIsolate.ExtensionConfig:call-timeout].
 *
 * Since: 0.1
 */
#define PYISOLATE_TIMEOUT_DEFAULT (-2)

#define PYISOLATE_TYPE_CALL (pyisolate_call_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateCall, pyisolate_call, PYISOLATE, CALL, GObject)

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateCall            *pyisolate_call_new                  (const char           *method) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
const char               *pyisolate_call_get_method           (PyIsolateCall        *self);
PYISOLATE_AVAILABLE_IN_0_1
GVariant                 *pyisolate_call_get_args             (PyIsolateCall        *self);
PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_call_set_args             (PyIsolateCall        *self,
                                                               GVariant             *args);
PYISOLATE_AVAILABLE_IN_0_1
GVariant                 *pyisolate_call_get_kwargs           (PyIsolateCall        *self);
PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_call_set_kwargs           (PyIsolateCall        *self,
                                                               GVariant             *kwargs);
PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_call_set_body             (PyIsolateCall        *self,
                                                               GBytes               *body);
PYISOLATE_AVAILABLE_IN_0_1
int                       pyisolate_call_append_fd            (PyIsolateCall        *self,
                                                               int                   fd,
                                                               GError              **error);
PYISOLATE_AVAILABLE_IN_0_1
guint                     pyisolate_call_get_n_fds            (PyIsolateCall        *self);
PYISOLATE_AVAILABLE_IN_0_1
GVariant                 *pyisolate_call_add_tensor           (PyIsolateCall        *self,
                                                               PyIsolateTensor      *tensor);
PYISOLATE_AVAILABLE_IN_0_1
guint                     pyisolate_call_append_memory        (PyIsolateCall        *self,
                                                               PyIsolateMemory      *memory);
PYISOLATE_AVAILABLE_IN_0_1
gint64                    pyisolate_call_get_timeout          (PyIsolateCall        *self);
PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_call_set_timeout          (PyIsolateCall        *self,
                                                               gint64                timeout);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateInvocation      *pyisolate_call_get_parent           (PyIsolateCall        *self);
PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_call_set_parent           (PyIsolateCall        *self,
                                                               PyIsolateInvocation  *parent);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateRemoteException *pyisolate_call_dup_remote_exception (PyIsolateCall        *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
