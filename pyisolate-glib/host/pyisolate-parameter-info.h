/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-types.h"

G_BEGIN_DECLS

#define PYISOLATE_TYPE_PARAMETER_INFO (pyisolate_parameter_info_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateParameterInfo, pyisolate_parameter_info, PYISOLATE, PARAMETER_INFO,
                      GObject)

PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_parameter_info_get_name (PyIsolateParameterInfo *self);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_parameter_info_get_kind (PyIsolateParameterInfo *self);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_parameter_info_get_annotation (PyIsolateParameterInfo *self);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_parameter_info_get_default_value (PyIsolateParameterInfo *self);

G_END_DECLS
