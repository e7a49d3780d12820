/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-environment-private.h"

G_BEGIN_DECLS

/* A base interpreter that can be used: CPython, 3.9 or later, with a GIL. */
typedef struct {
  char *path;                 /* the program itself, no link */
  char *version;              /* "3.11.7" */
  char *abi;                  /* "cpython-311-x86_64-linux-gnu" */
} PyIsolateEnvInterpreter;

void  _pyisolate_env_interpreter_free (PyIsolateEnvInterpreter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateEnvInterpreter, _pyisolate_env_interpreter_free)

/* "3.11" */
char *_pyisolate_env_interpreter_dup_minor (const PyIsolateEnvInterpreter *self);

/* Without @may_run only what earlier calls found out counts; what would need a process is then
 * G_IO_ERROR_WOULD_BLOCK. */
PyIsolateEnvInterpreter *
_pyisolate_env_interpreter_resolve (const PyIsolateEnvironmentRequest  *request,
                                    gboolean                            may_run,
                                    GCancellable                       *cancellable,
                                    GError                            **error);
/* Of one program; @cache_directory: nullable. */
PyIsolateEnvInterpreter *
_pyisolate_env_interpreter_query (const char    *path,
                                  const char    *cache_directory,
                                  gboolean       may_run,
                                  GCancellable  *cancellable,
                                  GError       **error);
/* pyisolate-env-specifier.c: whether it is one that the extension itself says that it can run with. */
gboolean
_pyisolate_env_interpreter_check_required (const PyIsolateEnvironmentRequest  *request,
                                           const PyIsolateEnvInterpreter      *interpreter,
                                           GCancellable                       *cancellable,
                                           GError                            **error);
/* What can be told by looking at files. */
gboolean
_pyisolate_env_interpreter_check (const PyIsolateEnvironmentRequest  *request,
                                  GError                            **error);
/* The programs that `name` may mean: on PATH, and behind a version manager's shims there. @problem: (inout) (nullable): the
 * errno, if there may be more, or others first. */
GPtrArray               *_pyisolate_env_interpreter_find    (const char *name,
                                                             int        *problem);

G_END_DECLS
