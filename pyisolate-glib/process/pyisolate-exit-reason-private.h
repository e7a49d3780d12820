/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-exit-reason.h"

G_BEGIN_DECLS

/* The message is made from the rest where it is NULL. */
PyIsolateExitReason *_pyisolate_exit_reason_new (PyIsolateExitKind  kind,
                                                 int                status,
                                                 gboolean           core_dumped,
                                                 gboolean           expected,
                                                 const char        *message);

G_END_DECLS
