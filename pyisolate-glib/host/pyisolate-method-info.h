/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-types.h"

G_BEGIN_DECLS

#define PYISOLATE_TYPE_METHOD_INFO (pyisolate_method_info_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateMethodInfo, pyisolate_method_info, PYISOLATE, METHOD_INFO, GObject)

PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_method_info_get_name (PyIsolateMethodInfo *self);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_method_info_get_doc (PyIsolateMethodInfo *self);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_method_info_get_signature (PyIsolateMethodInfo *self);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_method_info_get_returns (PyIsolateMethodInfo *self);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_method_info_get_runs_on (PyIsolateMethodInfo *self);
PYISOLATE_AVAILABLE_IN_0_1
gboolean pyisolate_method_info_get_is_async (PyIsolateMethodInfo *self);
PYISOLATE_AVAILABLE_IN_0_1
GListModel *pyisolate_method_info_get_parameters (PyIsolateMethodInfo *self);

G_END_DECLS
