/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-environment-private.h"

G_BEGIN_DECLS

/* Whether an extension that could not be loaded for this reason may just miss a file of its
 * environment. */
gboolean              _pyisolate_mend_may_help    (const GError                      *error);

/* Verifies the environment in which an extension could not be loaded, and makes it again if files of it are missing or changed.
 * Returns NULL without an error if nothing is wrong with it; else @damage says what was, or is NULL if another one has taken its
 * place already. Blocks. */
PyIsolateEnvironment *_pyisolate_mend_environment (const PyIsolateEnvironmentRequest  *request,
                                                   PyIsolateEnvironment               *failed,
                                                   char                              **damage,
                                                   PyIsolateEnvironmentProgressFunc    progress,
                                                   gpointer                            user_data,
                                                   GCancellable                       *cancellable,
                                                   GError                            **error);

G_END_DECLS
