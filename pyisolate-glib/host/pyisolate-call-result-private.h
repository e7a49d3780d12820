/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-call-result.h"
#include "pyisolate-frame-private.h"

G_BEGIN_DECLS

/* @value: (transfer none). The frame's file descriptors move to the result. */
PyIsolateCallResult *_pyisolate_call_result_new (GVariant       *value,
                                                 PyIsolateFrame *frame);

G_END_DECLS
