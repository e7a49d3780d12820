/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The one thread of the library's own, on which extensions are started, watched and ended. */
GMainContext *_pyisolate_service_get_context (void);
gboolean      _pyisolate_service_is_current  (void);
void          _pyisolate_service_invoke      (GSourceFunc    func,
                                              gpointer       data,
                                              GDestroyNotify destroy);

G_END_DECLS
