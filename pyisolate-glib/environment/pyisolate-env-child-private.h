/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef void (*PyIsolateEnvLineFunc) (const char *line,
                                      gpointer    user_data);

/* A helper program to run to its end: uv, or a base interpreter. */
typedef struct {
  const char *const *argv;
  char **environment;              /* nullable: ours */
  const char *input;               /* nullable: text on its stdin; else /dev/null */
  const char *launcher_path;       /* nullable: run it under the launcher */
  int lock_fd;                     /* -1, or a lock that it holds too, to its end */
  gint64 timeout;                  /* milliseconds, or -1 */
  PyIsolateEnvLineFunc out_line;   /* nullable: else stdout is collected */
  PyIsolateEnvLineFunc err_line;   /* nullable; stderr's end is kept in any case */
  gpointer user_data;
} PyIsolateEnvChild;

typedef struct {
  int status;                      /* exit status; 128 and the signal where a signal ended it */
  char *out;
  char *err;
} PyIsolateEnvChildResult;

void     _pyisolate_env_child_result_clear (PyIsolateEnvChildResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PyIsolateEnvChildResult, _pyisolate_env_child_result_clear)

/* FALSE: it could not be started, was cancelled or ran out of time (G_IO_ERROR_TIMED_OUT);
 * nothing of it is left then. */
gboolean _pyisolate_env_child_run          (const PyIsolateEnvChild  *child,
                                            PyIsolateEnvChildResult  *result,
                                            GCancellable             *cancellable,
                                            GError                  **error);

G_END_DECLS
