/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-exit-reason.h"

G_BEGIN_DECLS

/* Each process of a worker has it in its environment, unless it took it out. */
#define PYISOLATE_WORKER_TOKEN_VARIABLE "PYISOLATE_WORKER_TOKEN"

#define PYISOLATE_TYPE_PROCESS (_pyisolate_process_get_type ())
G_DECLARE_FINAL_TYPE (PyIsolateProcess, _pyisolate_process, PYISOLATE, PROCESS, GObject)

/* Called in the main context that was the thread's default when the process was spawned, and
 * never from within a function below. Each may be NULL. The last of them is either `exited` or
 * `failed`, exactly once. */
typedef struct {
  /* The program runs. */
  void (*started) (PyIsolateProcess *self,
                   int               pid,
                   gpointer          user_data);
  /* A line of valid UTF-8 without its end; stream is 1 or 2. Before `started` only what a
   * launcher that fails has to say. */
  void (*output)  (PyIsolateProcess *self,
                   int               stream,
                   const char       *line,
                   gpointer          user_data);
  /* It and all that it started are gone, and all that it wrote was told. */
  void (*exited)  (PyIsolateProcess    *self,
                   PyIsolateExitReason *reason,
                   gpointer             user_data);
  /* It could not be started: PYISOLATE_ERROR_SPAWN. */
  void (*failed)  (PyIsolateProcess *self,
                   const GError     *error,
                   gpointer          user_data);
} PyIsolateProcessCallbacks;

typedef struct {
  int fd;         /* in this process */
  int target;     /* in the new one; 3 or more */
} PyIsolateProcessFd;

typedef struct {
  const char                *tag;            /* the extension's name, for messages */
  const char                *launcher_path;
  const char * const        *argv;           /* argv[0] is a path */
  const char * const        *envv;           /* the whole environment */
  const char                *cwd;            /* nullable */
  const PyIsolateProcessFd  *pass_fds;       /* these are taken, on error too */
  gsize                      n_pass_fds;
  PyIsolateProcessCallbacks  callbacks;
  gpointer                   user_data;
} PyIsolateProcessSpec;

PyIsolateProcess *_pyisolate_process_spawn            (const PyIsolateProcessSpec  *spec,
                                                       GError                     **error);

/* These three are for the thread of the context. */
void              _pyisolate_process_kill             (PyIsolateProcess *self);
void              _pyisolate_process_send_signal      (PyIsolateProcess *self,
                                                       int               number);
void              _pyisolate_process_expect_exit      (PyIsolateProcess *self);

/* This is for any thread. 0: not started yet, or ended. */
guint64           _pyisolate_process_get_memory_usage (PyIsolateProcess *self);

G_END_DECLS
