/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-environment-private.h"

G_BEGIN_DECLS

/* How far the making of one environment is. */
typedef struct {
  PyIsolateEnvironmentProgressFunc func;
  gpointer user_data;
  PyIsolateEnvironmentStage stage; /* told last, as the next two */
  double fraction;
  char *text;
  guint n_packages;           /* of the lock; 0: not known yet */
  GHashTable *sizes;          /* package → MiB, of downloads announced */
  double announced, fetched;  /* MiB */
} PyIsolateEnvProgress;

void _pyisolate_env_progress_init  (PyIsolateEnvProgress             *self,
                                    PyIsolateEnvironmentProgressFunc  func,
                                    gpointer                          user_data);
void _pyisolate_env_progress_clear (PyIsolateEnvProgress             *self);
void _pyisolate_env_progress_tell  (PyIsolateEnvProgress             *self,
                                    PyIsolateEnvironmentStage         stage,
                                    double                            fraction,
                                    const char                       *text);
/* One line of uv's stderr. */
void _pyisolate_env_progress_parse (PyIsolateEnvProgress             *self,
                                    const char                       *line);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PyIsolateEnvProgress, _pyisolate_env_progress_clear)

/* One way to run uv. */
typedef struct {
  char *path;
  const char *launcher_path;
  char **environment;         /* cleaned, with what the request says in it */
  char **secrets;             /* URLs whose credentials must not show */
  const char *project;        /* nullable: the directory of one that it is about; else it is about none */
} PyIsolateEnvUv;

PyIsolateEnvUv *_pyisolate_env_uv_new   (const PyIsolateEnvironmentRequest  *request,
                                         GError                            **error);
void            _pyisolate_env_uv_free  (PyIsolateEnvUv                     *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateEnvUv, _pyisolate_env_uv_free)

/* Runs `uv ARGV…`; its failure becomes the error that it means. @out: nullable. */
gboolean        _pyisolate_env_uv_run   (PyIsolateEnvUv        *self,
                                         const char *const     *argv,
                                         const char            *input,
                                         int                    lock_fd,
                                         PyIsolateEnvProgress  *progress,
                                         char                 **out,
                                         GCancellable          *cancellable,
                                         GError               **error);

/* What uv's complaint means, and its text for people. */
GError         *_pyisolate_env_uv_dup_error       (const char         *stderr_text,
                                                   int                 status,
                                                   const char *const  *secrets);
/* Without a process; needs no uv. */
char          **_pyisolate_env_uv_build_environ   (const PyIsolateEnvironmentRequest *request);
/* A digest of the user's uv configuration, as far as it decides what is resolved. */
char           *_pyisolate_env_uv_dup_identity    (void);
/* Our own environment without what makes a Python something else than it is. */
char          **_pyisolate_env_clean_environ      (void);
/* @problem: (inout) (nullable): the errno, if nobody can tell; what is not executable, or may not be read, is none. */
gboolean        _pyisolate_env_is_program         (const char *path,
                                                   int        *problem);

G_END_DECLS
