/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-call.h"
#include "pyisolate-call-result.h"
#include "pyisolate-enums.h"
#include "pyisolate-exit-reason.h"
#include "pyisolate-extension-config.h"
#include "pyisolate-method-info.h"
#include "pyisolate-types.h"

G_BEGIN_DECLS

#define PYISOLATE_TYPE_EXTENSION (pyisolate_extension_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateExtension, pyisolate_extension, PYISOLATE, EXTENSION, GObject)

PYISOLATE_AVAILABLE_IN_0_1
const char               *pyisolate_extension_get_name            (PyIsolateExtension   *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtensionConfig *pyisolate_extension_get_config          (PyIsolateExtension   *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtensionState   pyisolate_extension_get_state           (PyIsolateExtension   *self);
PYISOLATE_AVAILABLE_IN_0_1
int                       pyisolate_extension_get_pid             (PyIsolateExtension   *self);
PYISOLATE_AVAILABLE_IN_0_1
GListModel               *pyisolate_extension_get_methods         (PyIsolateExtension   *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateMethodInfo      *pyisolate_extension_find_method         (PyIsolateExtension   *self,
                                                                   const char           *name);
PYISOLATE_AVAILABLE_IN_0_1
guint64                   pyisolate_extension_get_memory_usage    (PyIsolateExtension   *self);
PYISOLATE_AVAILABLE_IN_0_1
const char               *pyisolate_extension_get_state_directory (PyIsolateExtension   *self);
PYISOLATE_AVAILABLE_IN_0_1
GError                   *pyisolate_extension_dup_last_error      (PyIsolateExtension   *self) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
char                    **pyisolate_extension_dup_log_tail        (PyIsolateExtension   *self) G_GNUC_WARN_UNUSED_RESULT;

PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_extension_start_call_async    (PyIsolateExtension   *self,
                                                                   PyIsolateCall        *call,
                                                                   GCancellable         *cancellable,
                                                                   GAsyncReadyCallback   callback,
                                                                   gpointer              user_data);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateCallResult      *pyisolate_extension_start_call_finish   (PyIsolateExtension   *self,
                                                                   GAsyncResult         *result,
                                                                   GError              **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateCallResult      *pyisolate_extension_start_call_sync     (PyIsolateExtension   *self,
                                                                   PyIsolateCall        *call,
                                                                   GCancellable         *cancellable,
                                                                   GError              **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_extension_call_async          (PyIsolateExtension   *self,
                                                                   const char           *method,
                                                                   GVariant             *args,
                                                                   GVariant             *kwargs,
                                                                   GCancellable         *cancellable,
                                                                   GAsyncReadyCallback   callback,
                                                                   gpointer              user_data);
PYISOLATE_AVAILABLE_IN_0_1
GVariant                 *pyisolate_extension_call_finish         (PyIsolateExtension   *self,
                                                                   GAsyncResult         *result,
                                                                   GError              **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
GVariant                 *pyisolate_extension_call_sync           (PyIsolateExtension   *self,
                                                                   const char           *method,
                                                                   GVariant             *args,
                                                                   GVariant             *kwargs,
                                                                   GCancellable         *cancellable,
                                                                   GError              **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_extension_ping_async          (PyIsolateExtension   *self,
                                                                   GCancellable         *cancellable,
                                                                   GAsyncReadyCallback   callback,
                                                                   gpointer              user_data);
PYISOLATE_AVAILABLE_IN_0_1
gboolean                  pyisolate_extension_ping_finish         (PyIsolateExtension   *self,
                                                                   GAsyncResult         *result,
                                                                   GError              **error);
PYISOLATE_AVAILABLE_IN_0_1
gboolean                  pyisolate_extension_ping_sync           (PyIsolateExtension   *self,
                                                                   GCancellable         *cancellable,
                                                                   GError              **error);
PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_extension_stop_async          (PyIsolateExtension   *self,
                                                                   GCancellable         *cancellable,
                                                                   GAsyncReadyCallback   callback,
                                                                   gpointer              user_data);
PYISOLATE_AVAILABLE_IN_0_1
gboolean                  pyisolate_extension_stop_finish         (PyIsolateExtension   *self,
                                                                   GAsyncResult         *result,
                                                                   GError              **error);
PYISOLATE_AVAILABLE_IN_0_1
gboolean                  pyisolate_extension_stop_sync           (PyIsolateExtension   *self,
                                                                   GCancellable         *cancellable,
                                                                   GError              **error);
PYISOLATE_AVAILABLE_IN_0_1
void                      pyisolate_extension_kill                (PyIsolateExtension   *self);

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateMemory *pyisolate_extension_allocate_memory (PyIsolateExtension    *self,
                                                      gsize                  size,
                                                      PyIsolateMemoryFlags   flags,
                                                      GError               **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
