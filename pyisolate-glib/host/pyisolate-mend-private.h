/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-environment-private.h"

G_BEGIN_DECLS

/* Whether an extension that could not be loaded for this reason may just miss a file of its
 * environment. */
gboolean              _pyisolate_mend_may_help    (const GError                      *error);

/* Verifies the environment, and makes it again if files of it are missing or changed. Returns NULL
 * without an error if nothing is wrong with it; else @damage says what was. Blocks. */
PyIsolateEnvironment *_pyisolate_mend_environment (const PyIsolateEnvironmentRequest  *request,
                                                   const char                         *key,
                                                   char                              **damage,
                                                   PyIsolateEnvironmentProgressFunc    progress,
                                                   gpointer                            user_data,
                                                   GCancellable                       *cancellable,
                                                   GError                            **error);

G_END_DECLS
