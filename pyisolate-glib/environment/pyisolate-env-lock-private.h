/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-glib/json-glib.h>

#include "pyisolate-env-interpreter-private.h"
#include "pyisolate-env-uv-private.h"

G_BEGIN_DECLS

/* See pyisolate-env-torch-private.h. */
typedef struct _PyIsolateEnvTorch PyIsolateEnvTorch;

/* What a request was resolved to, once; kept below its key until an update. */
typedef struct {
  char *text;                 /* requirements with hashes, or a pylock.toml */
  gboolean is_pylock;
  /* as they were asked for; no credentials in them nor in the URLs below */
  char **requirements;
  char *index_url;            /* nullable */
  char **extra_index_urls;
  char **find_links;
  gboolean allow_source_builds;
  char **local_paths;         /* of local requirements, and what was there */
  char **local_digests;
  char *torch_site;           /* nullable: where the torch is that the environment is lent */
  char *torch_version;
  char *torch_record;
  char **torch_lent;          /* names of the packages that come from there */
} PyIsolateEnvLock;

void              _pyisolate_env_lock_free    (PyIsolateEnvLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateEnvLock, _pyisolate_env_lock_free)

/* Names the lock of a request. */
char             *_pyisolate_env_request_key  (const PyIsolateEnvironmentRequest  *request,
                                               const PyIsolateEnvInterpreter      *interpreter,
                                               const PyIsolateEnvTorch            *torch,
                                               GError                            **error);
/* All but the text. */
PyIsolateEnvLock *_pyisolate_env_lock_from_json (JsonObject                       *object);
void              _pyisolate_env_lock_to_json (PyIsolateEnvLock                   *self,
                                               JsonBuilder                        *builder);
/* NULL without an error: there is none yet. */
/* NULL without an error: there is none. */
PyIsolateEnvLock *_pyisolate_env_lock_load    (const char                         *venv_root,
                                               const char                         *request_key,
                                               GError                            **error);
gboolean          _pyisolate_env_lock_save    (PyIsolateEnvLock                   *self,
                                               const char                         *venv_root,
                                               const char                         *request_key,
                                               GError                            **error);
PyIsolateEnvLock *_pyisolate_env_lock_resolve (const PyIsolateEnvironmentRequest  *request,
                                               const PyIsolateEnvInterpreter      *interpreter,
                                               const PyIsolateEnvTorch            *torch,
                                               PyIsolateEnvProgress               *progress,
                                               GCancellable                       *cancellable,
                                               GError                            **error);
/* Names the environment that it installs. */
char *
_pyisolate_env_lock_dup_environment_key (PyIsolateEnvLock              *self,
                                         const PyIsolateEnvInterpreter *interpreter);
/* The first local requirement that is not what it was; NULL: none. */
char             *_pyisolate_env_lock_find_changed (PyIsolateEnvLock *self,
                                                    GCancellable     *cancellable);
/* Each package of it has a hash. */
gboolean          _pyisolate_env_lock_is_hashed (PyIsolateEnvLock *self);

/* One line for each requirement of a requirements file: continued lines joined, comments and
 * options left out. pyisolate-env-lock-file.c */
char            **_pyisolate_env_lock_file_split (const char *text);
char             *_pyisolate_env_lock_file_read  (const PyIsolateEnvironmentRequest  *request,
                                                  gboolean                           *is_pylock,
                                                  GError                            **error);
gboolean          _pyisolate_env_lock_file_check (const PyIsolateEnvironmentRequest  *request,
                                                  const PyIsolateEnvInterpreter      *interpreter,
                                                  PyIsolateEnvUv                     *uv,
                                                  const char                         *requirements,
                                                  const char                         *text,
                                                  GCancellable                       *cancellable,
                                                  GError                            **error);

G_END_DECLS
