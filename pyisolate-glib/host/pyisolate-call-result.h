/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-tensor.h"
#include "pyisolate-types.h"

G_BEGIN_DECLS

#define PYISOLATE_TYPE_CALL_RESULT (pyisolate_call_result_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateCallResult, pyisolate_call_result, PYISOLATE, CALL_RESULT, GObject)

PYISOLATE_AVAILABLE_IN_0_1
GVariant *pyisolate_call_result_get_value (PyIsolateCallResult  *self);
PYISOLATE_AVAILABLE_IN_0_1
GBytes   *pyisolate_call_result_get_body  (PyIsolateCallResult  *self);
PYISOLATE_AVAILABLE_IN_0_1
guint     pyisolate_call_result_get_n_fds (PyIsolateCallResult  *self);
PYISOLATE_AVAILABLE_IN_0_1
int       pyisolate_call_result_dup_fd    (PyIsolateCallResult  *self,
                                           guint                 index,
                                           GError              **error);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateTensor *pyisolate_call_result_dup_tensor     (PyIsolateCallResult  *self,
                                                       GVariant             *value,
                                                       GError              **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
guint            pyisolate_call_result_get_n_memories (PyIsolateCallResult  *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateMemory *pyisolate_call_result_get_memory     (PyIsolateCallResult  *self,
                                                       guint                 index);

G_END_DECLS
