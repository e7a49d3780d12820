/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-environment-private.h"
#include "pyisolate-extension-config.h"

G_BEGIN_DECLS

/* What of it concerns the environment; @venv_root and the rest of the manager's own are the
 * caller's to add. */
PyIsolateEnvironmentRequest *_pyisolate_extension_config_make_request (PyIsolateExtensionConfig  *self,
                                                                       const char                *venv_root);
/* Sets module-path to where it really is, and source-paths to absolute ones. To be called on a
 * valid one. */
void                         _pyisolate_extension_config_resolve_paths (PyIsolateExtensionConfig *self);

G_END_DECLS
