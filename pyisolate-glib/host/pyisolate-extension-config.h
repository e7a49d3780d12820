/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-macros.h"

G_BEGIN_DECLS

#define PYISOLATE_TYPE_EXTENSION_CONFIG (pyisolate_extension_config_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateExtensionConfig, pyisolate_extension_config, PYISOLATE,
                      EXTENSION_CONFIG, GObject)

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtensionConfig *pyisolate_extension_config_new                (const char                *name,
                                                                         const char                *module_path) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtensionConfig *pyisolate_extension_config_new_from_directory (const char                *path,
                                                                         GError                   **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExtensionConfig *pyisolate_extension_config_copy               (PyIsolateExtensionConfig  *self) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
gboolean                  pyisolate_extension_config_validate           (PyIsolateExtensionConfig  *self,
                                                                         GError                   **error);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_extension_config_get_name (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_name (PyIsolateExtensionConfig *self,
                                          const char *value);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_extension_config_get_module_path (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_module_path (PyIsolateExtensionConfig *self,
                                                 const char *value);
PYISOLATE_AVAILABLE_IN_0_1
gboolean pyisolate_extension_config_get_isolated (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_isolated (PyIsolateExtensionConfig *self,
                                              gboolean value);
PYISOLATE_AVAILABLE_IN_0_1
const char * const *pyisolate_extension_config_get_dependencies (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_dependencies (PyIsolateExtensionConfig *self,
                                                  const char * const *value);
PYISOLATE_AVAILABLE_IN_0_1
const char * const *pyisolate_extension_config_get_apis (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_apis (PyIsolateExtensionConfig *self,
                                          const char * const *value);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_extension_config_get_python (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_python (PyIsolateExtensionConfig *self,
                                            const char *value);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_extension_config_get_environment (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_environment (PyIsolateExtensionConfig *self,
                                                 const char *value);
PYISOLATE_AVAILABLE_IN_0_1
const char * const *pyisolate_extension_config_get_source_paths (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_source_paths (PyIsolateExtensionConfig *self,
                                                  const char * const *value);
PYISOLATE_AVAILABLE_IN_0_1
const char * const *pyisolate_extension_config_get_find_links (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_find_links (PyIsolateExtensionConfig *self,
                                                const char * const *value);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_extension_config_get_index_url (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_index_url (PyIsolateExtensionConfig *self,
                                               const char *value);
PYISOLATE_AVAILABLE_IN_0_1
const char * const *pyisolate_extension_config_get_extra_index_urls (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_extra_index_urls (PyIsolateExtensionConfig *self,
                                                      const char * const *value);
PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_extension_config_get_lock_file (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_lock_file (PyIsolateExtensionConfig *self,
                                               const char *value);
PYISOLATE_AVAILABLE_IN_0_1
gboolean pyisolate_extension_config_get_allow_source_builds (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_allow_source_builds (PyIsolateExtensionConfig *self,
                                                         gboolean value);
PYISOLATE_AVAILABLE_IN_0_1
gboolean pyisolate_extension_config_get_auto_update (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_auto_update (PyIsolateExtensionConfig *self,
                                                 gboolean value);
PYISOLATE_AVAILABLE_IN_0_1
gboolean pyisolate_extension_config_get_share_torch (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_share_torch (PyIsolateExtensionConfig *self,
                                                 gboolean value);
PYISOLATE_AVAILABLE_IN_0_1
const char * const *pyisolate_extension_config_get_environment_variables (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_environment_variables (PyIsolateExtensionConfig *self,
                                                           const char * const *value);
PYISOLATE_AVAILABLE_IN_0_1
gint64 pyisolate_extension_config_get_call_timeout (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_call_timeout (PyIsolateExtensionConfig *self,
                                                  gint64 value);
PYISOLATE_AVAILABLE_IN_0_1
gint64 pyisolate_extension_config_get_start_timeout (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_start_timeout (PyIsolateExtensionConfig *self,
                                                   gint64 value);
PYISOLATE_AVAILABLE_IN_0_1
gint64 pyisolate_extension_config_get_stop_timeout (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_stop_timeout (PyIsolateExtensionConfig *self,
                                                  gint64 value);
PYISOLATE_AVAILABLE_IN_0_1
gboolean pyisolate_extension_config_get_kill_on_timeout (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_kill_on_timeout (PyIsolateExtensionConfig *self,
                                                     gboolean value);
PYISOLATE_AVAILABLE_IN_0_1
guint64 pyisolate_extension_config_get_shared_memory_limit (PyIsolateExtensionConfig *self);
PYISOLATE_AVAILABLE_IN_0_1
void pyisolate_extension_config_set_shared_memory_limit (PyIsolateExtensionConfig *self,
                                                         guint64 value);
G_END_DECLS
