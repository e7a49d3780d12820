/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

guint   _pyisolate_sweep_kill        (const char *variable,
                                      const char *value,
                                      guint      *n_unknown);
guint64 _pyisolate_read_memory_usage (int         pid);

G_END_DECLS
