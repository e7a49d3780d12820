/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-env-generation-private.h"

G_BEGIN_DECLS

/* With the base directory and find-links made absolute. */
PyIsolateEnvironmentRequest *
_pyisolate_env_request_normalize (const PyIsolateEnvironmentRequest *request);

/* Whether ensure would run no process. */
gboolean              _pyisolate_env_is_warm          (const PyIsolateEnvironmentRequest *request);

/* Whether it is there, and was made with this interpreter. FALSE with an error: nobody can tell. */
gboolean
_pyisolate_env_generation_is_whole (const char                     *generation,
                                    const PyIsolateEnvInterpreter  *interpreter,
                                    GError                        **error);

/* Takes the current generation into use: NULL without an error where there is none that is
 * whole. */
PyIsolateEnvironment *_pyisolate_env_acquire          (const char                     *venv_root,
                                                       const char                     *key,
                                                       const PyIsolateEnvInterpreter  *interpreter,
                                                       GCancellable                   *cancellable,
                                                       GError                        **error);
PyIsolateEnvironment *
_pyisolate_env_environment_new (const char *key,
                                const char *prefix,
                                const char *python_version,
                                int         take_lock_fd);

/* Makes a generation of the environment and takes it into use. @fresh: also if there is one. */
PyIsolateEnvironment *
_pyisolate_env_make (const PyIsolateEnvironmentRequest  *request,
                     PyIsolateEnvLock                   *lock,
                     const PyIsolateEnvInterpreter      *interpreter,
                     gboolean                            fresh,
                     PyIsolateEnvProgress               *progress,
                     GCancellable                       *cancellable,
                     GError                            **error);

G_END_DECLS
