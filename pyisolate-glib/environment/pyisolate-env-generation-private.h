/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-env-lock-private.h"

G_BEGIN_DECLS

/* What stands in a generation's stamp, which is written last: without it there is no generation. */
typedef struct {
  char *key;
  char *python;               /* the base interpreter */
  char *python_version;
  char *abi;
  char *manifest_digest;
  char **packages;            /* "name version" */
  gint64 created;
  /* what was installed; its text is in a file of its own and NULL here */
  PyIsolateEnvLock *lock;
} PyIsolateEnvStamp;

void               _pyisolate_env_stamp_free (PyIsolateEnvStamp *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateEnvStamp, _pyisolate_env_stamp_free)

/* NULL without an error: the generation is not whole, or not one of this version; with one: it cannot be read. */
PyIsolateEnvStamp *_pyisolate_env_stamp_load (const char  *generation,
                                              GError     **error);
/* The name of the file that says what is installed. */
const char        *_pyisolate_env_lock_file_name (gboolean is_pylock);

/* Makes generation @number and returns its path. The caller holds the guard of @key, and makes
 * it the current one. */
char *
_pyisolate_env_generation_make (const PyIsolateEnvironmentRequest  *request,
                                const char                         *key,
                                guint                               number,
                                PyIsolateEnvLock                   *lock,
                                const PyIsolateEnvInterpreter      *interpreter,
                                PyIsolateEnvProgress               *progress,
                                GCancellable                       *cancellable,
                                GError                            **error)
  G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
