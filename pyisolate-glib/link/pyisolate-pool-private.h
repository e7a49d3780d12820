/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef void (*PyIsolatePoolFunc) (gpointer data);

/* Takes @data along, unless it says FALSE: no thread can be made for it. */
GThreadPool *_pyisolate_pool_new  (PyIsolatePoolFunc  func,
                                   int                max_threads);
gboolean     _pyisolate_pool_push (GThreadPool       *pool,
                                   gpointer           data,
                                   GError           **error);

G_END_DECLS
