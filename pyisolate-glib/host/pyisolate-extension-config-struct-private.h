/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-extension-config-private.h"

G_BEGIN_DECLS

/* For the class and its accessors. */

struct _PyIsolateExtensionConfig {
  GObject parent_instance;
  char *name;
  char *module_path;
  gboolean isolated;
  char **dependencies;
  char **apis;
  char *python;
  char *environment;
  char **source_paths;
  char **find_links;
  char *index_url;
  char **extra_index_urls;
  char *lock_file;
  gboolean allow_source_builds;
  gboolean auto_update;
  gboolean share_torch;
  char **environment_variables;
  gint64 call_timeout;
  gint64 start_timeout;
  gint64 stop_timeout;
  gboolean kill_on_timeout;
  guint64 shared_memory_limit;

  char *requires_python; /* no property: what the extension's own metadata say, which no setting changes */
};

enum {
  PROP_0,
  PROP_NAME,
  PROP_MODULE_PATH,
  PROP_ISOLATED,
  PROP_DEPENDENCIES,
  PROP_APIS,
  PROP_PYTHON,
  PROP_ENVIRONMENT,
  PROP_SOURCE_PATHS,
  PROP_FIND_LINKS,
  PROP_INDEX_URL,
  PROP_EXTRA_INDEX_URLS,
  PROP_LOCK_FILE,
  PROP_ALLOW_SOURCE_BUILDS,
  PROP_AUTO_UPDATE,
  PROP_SHARE_TORCH,
  PROP_ENVIRONMENT_VARIABLES,
  PROP_CALL_TIMEOUT,
  PROP_START_TIMEOUT,
  PROP_STOP_TIMEOUT,
  PROP_KILL_ON_TIMEOUT,
  PROP_SHARED_MEMORY_LIMIT,
  N_PROPS
};

/* Makes each of them but PROP_0. */
void _pyisolate_extension_config_describe    (GParamSpec              **properties);

/* They notify if that changes the property, whose field must be of that type. @value is copied; a
 * NULL strv is an empty one. */
void _pyisolate_extension_config_set_string  (PyIsolateExtensionConfig *self,
                                              guint                     prop_id,
                                              const char               *value);
void _pyisolate_extension_config_set_strv    (PyIsolateExtensionConfig *self,
                                              guint                     prop_id,
                                              const char *const        *value);
void _pyisolate_extension_config_set_boolean (PyIsolateExtensionConfig *self,
                                              guint                     prop_id,
                                              gboolean                  value);
void _pyisolate_extension_config_set_int64   (PyIsolateExtensionConfig *self,
                                              guint                     prop_id,
                                              gint64                    value);
void _pyisolate_extension_config_set_uint64  (PyIsolateExtensionConfig *self,
                                              guint                     prop_id,
                                              guint64                   value);

G_END_DECLS
