/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-extension-config-private.h"

G_BEGIN_DECLS

/* For the two files of the class: the class itself, and its many accessors. */

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

/* Tells that a property has changed. */
void _pyisolate_extension_config_notify (PyIsolateExtensionConfig *self,
                                         int                       prop_id);

G_END_DECLS
