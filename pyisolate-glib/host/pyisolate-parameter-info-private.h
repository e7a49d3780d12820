/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-parameter-info.h"

G_BEGIN_DECLS

/* @dict: what a worker said of it, in the form in which values travel. */
PyIsolateParameterInfo *_pyisolate_parameter_info_new_from_variant (GVariant  *dict,
                                                                    GError   **error);

G_END_DECLS
