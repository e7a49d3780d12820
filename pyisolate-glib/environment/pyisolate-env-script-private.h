/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-env-child-private.h"

#include "pyisolate-error.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* A Python program of this library, and how an interpreter is to run it. */
typedef struct {
  const char *name;                /* "read-project.py" */
  const char *python;
  const char *const *arguments;    /* nullable */
  char **environment;              /* nullable: ours, cleaned */
  const char *launcher_path;       /* nullable: run it under the launcher */
  int lock_fd;                     /* -1, or a lock that it holds too, to its end */
  gint64 timeout;                  /* milliseconds, or -1 */
  PyIsolateEnvLineFunc out_line;   /* nullable: who takes each line that it prints */
  gpointer user_data;
  PyIsolateError error_code;       /* of its failure, whose message begins with the complaint; a */
  const char *complaint;           /* cancellation stays G_IO_ERROR_CANCELLED */
} PyIsolateEnvScript;

gboolean    _pyisolate_env_script_run   (const PyIsolateEnvScript  *self,
                                         GCancellable              *cancellable,
                                         GError                   **error);
/* The JSON object that it prints; anything else is its failure. */
JsonObject *_pyisolate_env_script_read  (const PyIsolateEnvScript  *self,
                                         GCancellable              *cancellable,
                                         GError                   **error);
/* Its text, for who runs it in another way. */
char       *_pyisolate_env_script_dup   (const char *name);

G_END_DECLS
