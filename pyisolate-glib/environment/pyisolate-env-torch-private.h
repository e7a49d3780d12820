/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-env-lock-private.h"

G_BEGIN_DECLS

/* The torch of another environment, which an extension's is lent. */
struct _PyIsolateEnvTorch {
  char *site;                 /* the directory of packages that it is in */
  char *version;              /* "2.13.0+cpu" */
  char *record;               /* the digest of the list of its files: it tells builds apart */
  /* what uv resolves with; see read-torch.py */
  char *index;
  char *constraints;
  char **closure;             /* names of torch and of all that it requires, sorted */
};

void               _pyisolate_env_torch_free (PyIsolateEnvTorch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateEnvTorch, _pyisolate_env_torch_free)

/* Of the request's torch_environment. Without @may_run only what was found out earlier counts;
 * what would need a process is then G_IO_ERROR_WOULD_BLOCK. */
PyIsolateEnvTorch *
_pyisolate_env_torch_find (const PyIsolateEnvironmentRequest  *request,
                           const PyIsolateEnvInterpreter      *interpreter,
                           gboolean                            may_run,
                           GCancellable                       *cancellable,
                           GError                            **error);

/* Those of the closure that a lock does not install. */
char             **_pyisolate_env_torch_dup_lent (const PyIsolateEnvTorch *self,
                                                  const char              *lock_text);

G_END_DECLS
