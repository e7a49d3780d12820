/* SPDX-License-Identifier: MIT */
#pragma once

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

G_END_DECLS
