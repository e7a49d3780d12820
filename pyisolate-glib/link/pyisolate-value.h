/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-macros.h"

G_BEGIN_DECLS

PYISOLATE_AVAILABLE_IN_0_1
GVariant *pyisolate_value_new_none (void) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
gboolean  pyisolate_value_is_none  (GVariant *value);
PYISOLATE_AVAILABLE_IN_0_1
gboolean  pyisolate_value_is_tensor (GVariant *value);

G_END_DECLS
