/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-extension.h"
#include "pyisolate-proxied-singleton.h"

G_BEGIN_DECLS

#define PYISOLATE_TYPE_EXTENSION_MANAGER (pyisolate_extension_manager_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateExtensionManager, pyisolate_extension_manager, PYISOLATE,
                      EXTENSION_MANAGER, GObject)

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtensionManager *pyisolate_extension_manager_new                       (const char                 *venv_root) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
const char                *pyisolate_extension_manager_get_venv_root             (PyIsolateExtensionManager  *self);
PYISOLATE_AVAILABLE_IN_0_1
const char                *pyisolate_extension_manager_get_application_id        (PyIsolateExtensionManager  *self);
PYISOLATE_AVAILABLE_IN_0_1
const char                *pyisolate_extension_manager_get_python                (PyIsolateExtensionManager  *self);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_extension_manager_set_python                (PyIsolateExtensionManager  *self,
                                                                                  const char                 *python);
PYISOLATE_AVAILABLE_IN_0_1
const char                *pyisolate_extension_manager_get_uv_path               (PyIsolateExtensionManager  *self);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_extension_manager_set_uv_path               (PyIsolateExtensionManager  *self,
                                                                                  const char                 *uv_path);
PYISOLATE_AVAILABLE_IN_0_1
const char                *pyisolate_extension_manager_get_torch_environment     (PyIsolateExtensionManager  *self);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_extension_manager_set_torch_environment     (PyIsolateExtensionManager  *self,
                                                                                  const char                 *torch_environment);
PYISOLATE_AVAILABLE_IN_0_1
guint                      pyisolate_extension_manager_get_max_parallel_installs (PyIsolateExtensionManager  *self);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_extension_manager_set_max_parallel_installs (PyIsolateExtensionManager  *self,
                                                                                  guint                       max);
PYISOLATE_AVAILABLE_IN_0_1
guint                      pyisolate_extension_manager_get_max_parallel_starts   (PyIsolateExtensionManager  *self);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_extension_manager_set_max_parallel_starts   (PyIsolateExtensionManager  *self,
                                                                                  guint                       max);
PYISOLATE_AVAILABLE_IN_0_1
double                     pyisolate_extension_manager_get_progress              (PyIsolateExtensionManager  *self);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_extension_manager_load_extension_async      (PyIsolateExtensionManager  *self,
                                                                                  PyIsolateExtensionConfig   *config,
                                                                                  GCancellable               *cancellable,
                                                                                  GAsyncReadyCallback         callback,
                                                                                  gpointer                    user_data);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtension        *pyisolate_extension_manager_load_extension_finish     (PyIsolateExtensionManager  *self,
                                                                                  GAsyncResult               *result,
                                                                                  GError                    **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtension        *pyisolate_extension_manager_load_extension_sync       (PyIsolateExtensionManager  *self,
                                                                                  PyIsolateExtensionConfig   *config,
                                                                                  GCancellable               *cancellable,
                                                                                  GError                    **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtension        *pyisolate_extension_manager_get_extension             (PyIsolateExtensionManager  *self,
                                                                                  const char                 *name);
PYISOLATE_AVAILABLE_IN_0_1
gboolean                   pyisolate_extension_manager_remove_extension          (PyIsolateExtensionManager  *self,
                                                                                  const char                 *name,
                                                                                  GError                    **error);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_extension_manager_stop_all_async            (PyIsolateExtensionManager  *self,
                                                                                  GCancellable               *cancellable,
                                                                                  GAsyncReadyCallback         callback,
                                                                                  gpointer                    user_data);
PYISOLATE_AVAILABLE_IN_0_1
gboolean                   pyisolate_extension_manager_stop_all_finish           (PyIsolateExtensionManager  *self,
                                                                                  GAsyncResult               *result,
                                                                                  GError                    **error);
PYISOLATE_AVAILABLE_IN_0_1
gboolean                   pyisolate_extension_manager_stop_all_sync             (PyIsolateExtensionManager  *self,
                                                                                  GCancellable               *cancellable,
                                                                                  GError                    **error);
PYISOLATE_AVAILABLE_IN_0_1
gboolean                   pyisolate_extension_manager_add_singleton             (PyIsolateExtensionManager  *self,
                                                                                  const char                 *name,
                                                                                  PyIsolateProxiedSingleton  *singleton,
                                                                                  GError                    **error);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateProxiedSingleton *pyisolate_extension_manager_get_singleton             (PyIsolateExtensionManager  *self,
                                                                                  const char                 *name);

G_END_DECLS
