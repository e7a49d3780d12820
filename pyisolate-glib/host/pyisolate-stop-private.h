/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-extension.h"

G_BEGIN_DECLS

/* Stops extensions, one or all of a manager's. The stop goes on when the waiting is cancelled. */
void     _pyisolate_stop_async (GPtrArray     *extensions,
                                GTask         *task /* transfer full; returns a boolean */);
gboolean _pyisolate_stop_sync  (GPtrArray     *extensions,
                                GCancellable  *cancellable,
                                GError       **error);

G_END_DECLS
