/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-extension-manager.h"
#include "pyisolate-loader-private.h"

G_BEGIN_DECLS

/* For the files that a manager is made of: pyisolate-extension-manager.c, the class and its
 * signals; pyisolate-extension-manager-rows.c, the list of extensions;
 * pyisolate-extension-manager-load.c, how they get into it;
 * pyisolate-extension-manager-singletons.c and pyisolate-extension-manager-accessors.c. */

struct _PyIsolateExtensionManager {
  GObject parent_instance;

  char *venv_root;
  char *application_id;
  char *python;
  char *uv_path;
  char *torch_environment;
  guint max_parallel_installs;
  guint max_parallel_starts;

  PyIsolateMailbox *home;
  PyIsolateLoader *loader;
  GPtrArray *extensions;  /* of PyIsolateExtension: the rows */
  GHashTable *names;      /* name → PyIsolateExtension */
  GHashTable *singletons; /* name → PyIsolateProxiedSingleton */
  GHashTable *fractions;  /* PyIsolateExtension that is being loaded → double * */
  double progress;
};

enum {
  PROP_0,
  PROP_VENV_ROOT,
  PROP_APPLICATION_ID,
  PROP_PYTHON,
  PROP_UV_PATH,
  PROP_TORCH_ENVIRONMENT,
  PROP_MAX_PARALLEL_INSTALLS,
  PROP_MAX_PARALLEL_STARTS,
  PROP_PROGRESS,
  PROP_N_ITEMS,
  N_PROPS
};

void  _pyisolate_extension_manager_notify       (PyIsolateExtensionManager *self,
                                                 guint                      prop_id);

/* Gives a loading extension its row: a new one, or that of one of its name that has ended. Two
 * steps, as whoever is told of the row may do anything to the extension and the manager. @old:
 * (transfer full) (nullable): what had the row */
guint _pyisolate_extension_manager_insert_row   (PyIsolateExtensionManager *self,
                                                 PyIsolateExtension        *extension,
                                                 PyIsolateExtension       **old);
/* @removed, @added: (nullable): what had the row, and what has it */
void _pyisolate_extension_manager_announce_row  (PyIsolateExtensionManager *self,
                                                 guint                      position,
                                                 PyIsolateExtension        *removed,
                                                 PyIsolateExtension        *added);
/* How far a loading extension is; a negative fraction: it is not loading any more. */
void _pyisolate_extension_manager_set_fraction  (PyIsolateExtensionManager *self,
                                                 PyIsolateExtension        *extension,
                                                 double                     fraction);
/* From the fractions that there are; tells if it is another than before. */
void _pyisolate_extension_manager_update_progress (PyIsolateExtensionManager *self);
void _pyisolate_extension_manager_emit_progress (PyIsolateExtensionManager *self,
                                                 PyIsolateExtension        *extension,
                                                 PyIsolateLoadStage         stage,
                                                 double                     fraction,
                                                 const char                *text);

void _pyisolate_extension_manager_init_list_model (GListModelInterface *iface);

G_END_DECLS
