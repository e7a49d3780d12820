/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-enums.h"
#include "pyisolate-environment-private.h"
#include "pyisolate-extension.h"
#include "pyisolate-mailbox-private.h"

G_BEGIN_DECLS

/* Takes extensions from NEW to RUNNING or FAILED: makes their environments, so many at a time, and
 * starts them, so many at a time. A manager has one. */
typedef struct _PyIsolateLoader PyIsolateLoader;

/* In the home context, as a job of @kind. @error: NULL if the extension runs. */
typedef void (*PyIsolateLoadedFunc)   (PyIsolateExtension *extension,
                                       const GError       *error,
                                       gpointer            user_data);
/* In the home context. */
typedef void (*PyIsolateLoadNewsFunc) (PyIsolateExtension *extension,
                                       PyIsolateLoadStage  stage,
                                       double              fraction,
                                       const char         *text,
                                       gpointer            user_data);

PyIsolateLoader *_pyisolate_loader_new              (PyIsolateMailbox            *home);
PyIsolateLoader *_pyisolate_loader_ref              (PyIsolateLoader             *self);
void             _pyisolate_loader_unref            (PyIsolateLoader             *self);
void             _pyisolate_loader_set_max_installs (PyIsolateLoader             *self,
                                                     guint                        max);
void             _pyisolate_loader_set_max_starts   (PyIsolateLoader             *self,
                                                     guint                        max);
/* @request: (transfer full). @func is called once; @destroy frees @user_data after that. */
void             _pyisolate_loader_load             (PyIsolateLoader             *self,
                                                     PyIsolateExtension          *extension,
                                                     PyIsolateEnvironmentRequest *request,
                                                     PyIsolateJobKind             kind,
                                                     PyIsolateLoadNewsFunc        news,
                                                     PyIsolateLoadedFunc          func,
                                                     gpointer                     user_data,
                                                     GDestroyNotify               destroy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateLoader, _pyisolate_loader_unref)

G_END_DECLS
