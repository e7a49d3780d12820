/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-endpoint-private.h"
#include "pyisolate-environment-private.h"
#include "pyisolate-exit-reason.h"
#include "pyisolate-extension-config.h"

G_BEGIN_DECLS

/* The process of one extension and the link to it. It lives on the service thread, on which all of
 * its functions are called, and keeps itself alive until the process is gone. */

#define PYISOLATE_TYPE_WORKER (_pyisolate_worker_get_type ())
G_DECLARE_FINAL_TYPE (PyIsolateWorker, _pyisolate_worker, PYISOLATE, WORKER, GObject)

/* `gone` is the last one, and comes once. All but `call`, `event` and `log` come on the service
 * thread; those come on any. */
typedef struct {
  void (*started) (PyIsolateWorker *worker,
                   int              pid,
                   gpointer         user_data);
  /* It can be called through the endpoint. @methods: array of the descriptions that the worker
   * sent */
  void (*ready)   (PyIsolateWorker   *worker,
                   PyIsolateEndpoint *endpoint,
                   GVariant          *methods,
                   gpointer           user_data);
  void (*output)  (PyIsolateWorker *worker,
                   int              stream,
                   const char      *line,
                   gpointer         user_data);
  /* CALL to a singleton, CANCEL, EVENT or LOG. */
  void (*frame)   (PyIsolateWorker   *worker,
                   PyIsolateEndpoint *endpoint,
                   PyIsolateFrame    *frame /* transfer full */,
                   gpointer           user_data);
  /* @error: why, NULL if it was asked to stop and did; @reason: NULL if there was no process yet */
  void (*gone)    (PyIsolateWorker     *worker,
                   const GError        *error,
                   PyIsolateExitReason *reason,
                   gpointer             user_data);
} PyIsolateWorkerCallbacks;

PyIsolateWorker *_pyisolate_worker_new              (PyIsolateExtensionConfig       *config,
                                                     PyIsolateEnvironment           *environment,
                                                     const char                     *state_directory,
                                                     GVariant                       *apis,
                                                     const PyIsolateWorkerCallbacks *callbacks,
                                                     gpointer                        user_data,
                                                     GDestroyNotify                  destroy);
void             _pyisolate_worker_start            (PyIsolateWorker                *self);
void             _pyisolate_worker_stop             (PyIsolateWorker                *self);
void             _pyisolate_worker_end              (PyIsolateWorker                *self,
                                                     const GError                   *why);
/* From any thread. */
guint64          _pyisolate_worker_get_memory_usage (PyIsolateWorker                *self);

/* How the process is started: its arguments and its whole environment. */
char           **_pyisolate_worker_make_argv        (PyIsolateEnvironment           *environment);
char           **_pyisolate_worker_make_envv        (PyIsolateExtensionConfig       *config,
                                                     PyIsolateEnvironment           *environment,
                                                     const char                     *state_directory);

/* FALSE: everything is to go by D-Bus. */
gboolean         _pyisolate_worker_may_have_lanes   (void);

#define PYISOLATE_WORKER_LINK_FD 3
#define PYISOLATE_WORKER_LANE_FD 4

G_END_DECLS
