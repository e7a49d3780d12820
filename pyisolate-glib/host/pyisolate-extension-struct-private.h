/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-extension-private.h"
#include "pyisolate-log-tail-private.h"
#include "pyisolate-outbox-private.h"
#include "pyisolate-worker-private.h"

G_BEGIN_DECLS

/* For the files that an extension is made of: pyisolate-extension.c, the class;
 * pyisolate-extension-accessors.c, what an application sees of it; pyisolate-extension-life.c, its
 * state; pyisolate-extension-news.c, what its worker has to say; pyisolate-extension-stop.c, how it
 * is ended. */

/* What happens to the process happens on the service thread, and takes effect at once: a call made
 * right after the process has ended fails, whether or not the home context has been iterated.
 * Signals and notify follow in the home context. */
struct _PyIsolateExtension {
  GObject parent_instance;

  int n_held; /* atomic: how often the library holds it, all of them by one reference */

  /* Fixed at construction. */
  PyIsolateExtensionConfig *config;      /* nobody else has it, and nobody changes it */
  PyIsolateExtensionConfig *config_copy; /* what the application is given, which may */
  char *state_directory;
  GHashTable *singletons; /* name → PyIsolateProxiedSingleton; those that it may reach */
  PyIsolateOutbox *outbox;
  PyIsolateLogTail *log_tail;
  GCancellable *load_cancellable;

  /* Home context only. */
  GListStore *methods;

  /* Service thread only. */
  PyIsolateExtensionRetryFunc retry_func;
  PyIsolateExtensionStartedFunc started_func;
  gpointer started_data;
  PyIsolateExitReason *untold_exit; /* of the process that may be followed by another one */

  GMutex mutex; /* guards the rest */
  PyIsolateExtensionState state;
  int pid;
  GError *last_error;
  PyIsolateWorker *worker;
  PyIsolateEndpoint *endpoint; /* while it can be called */
  GPtrArray *method_infos;     /* until they are published */
  gboolean stop_requested;
  gboolean kill_requested;
  GQueue stop_waiters;         /* of StopWaiter */
};

enum {
  PROP_0,
  PROP_NAME,
  PROP_CONFIG,
  PROP_STATE,
  PROP_PID,
  PROP_METHODS,
  PROP_MEMORY_USAGE,
  PROP_STATE_DIRECTORY,
  N_PROPS
};

/* With the lock held; TRUE: it has changed, so notify has to be posted. */
gboolean _pyisolate_extension_change_state       (PyIsolateExtension      *self,
                                                  PyIsolateExtensionState  state);
gboolean _pyisolate_extension_state_is_final     (PyIsolateExtensionState  state);
void     _pyisolate_extension_post_notify        (PyIsolateExtension      *self,
                                                  guint                    prop_id);

/* Ends the process; FALSE: there is none. @why: (transfer full) (nullable): NULL asks it to stop */
gboolean _pyisolate_extension_end                (PyIsolateExtension      *self,
                                                  GError                  *why);
/* @data: (transfer full): of the queue of those that wait for the end */
void     _pyisolate_extension_answer_stop_waiter (gpointer                 data);

/* What the worker calls; @user_data is a GWeakRef to the extension. */
void     _pyisolate_extension_on_worker_frame    (PyIsolateWorker         *worker,
                                                  PyIsolateEndpoint       *endpoint,
                                                  PyIsolateFrame          *frame_to_take,
                                                  gpointer                 user_data);
void     _pyisolate_extension_on_worker_output   (PyIsolateWorker         *worker,
                                                  int                      stream,
                                                  const char              *line,
                                                  gpointer                 user_data);

G_END_DECLS
