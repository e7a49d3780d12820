/* SPDX-License-Identifier: MIT */
/* Loads that take as long as a test wants: what is imported, or uv, waits for a FIFO. */
#pragma once

#include "host-fixture.h"

G_BEGIN_DECLS

/* Consumes @config. */
void                      host_begin_load      (HostTest                  *test,
                                                PyIsolateExtensionConfig  *config_to_take,
                                                GCancellable              *cancellable,
                                                GAsyncResult             **result);
/* Wait for it; the manager keeps the extension. Both clear @result. */
PyIsolateExtension       *host_end_load        (HostTest                  *test,
                                                GAsyncResult             **result);
GError                   *host_end_failed_load (HostTest                  *test,
                                                GAsyncResult             **result,
                                                GQuark                     domain,
                                                int                        code);

/* A FIFO that holds back whoever reads it. */
char                     *host_make_fifo       (void);
void                      host_release_fifo    (const char                *path);
/* Its import waits for the FIFO. */
PyIsolateExtensionConfig *host_slow_config     (const char                *name,
                                                const char                *fifo);
/* A uv that says that it runs and then waits for the FIFO; it ends with an error. */
char                     *host_make_slow_uv    (const char                *fifo);
/* How often it was run; a predicate: at all. */
guint                     host_count_uv_calls  (const char                *uv);
gboolean                  host_uv_is_called    (gpointer                   uv);
/* It needs uv. */
PyIsolateExtensionConfig *host_uv_config       (const char                *name);

G_END_DECLS
