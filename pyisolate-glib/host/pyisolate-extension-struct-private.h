/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-extension-private.h"
#include "pyisolate-log-tail-private.h"
#include "pyisolate-outbox-private.h"
#include "pyisolate-worker-private.h"

G_BEGIN_DECLS

/* For the two files that an extension is made of: pyisolate-extension.c, what an application sees of it, and
 * pyisolate-extension-life.c, what happens to it. */

/* What happens to the process happens on the service thread, and takes effect at once: a call made right after the process
 * has ended fails, whether or not the home context has been iterated. Signals and notify follow in the home context. */
struct _PyIsolateExtension {
  GObject parent_instance;

  /* Fixed at construction. */
  PyIsolateExtensionConfig *config;
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

  GMutex mutex; /* guards the rest */
  PyIsolateExtensionState state;
  int pid;
  GError *last_error;
  PyIsolateWorker *worker;
  PyIsolateEndpoint *endpoint; /* while it can be called */
  GPtrArray *method_infos;     /* until they are published */
  gboolean stop_requested;
  GQueue stop_waiters;         /* of StopWaiter */
};

/* In the home context: emits the signal, or notify. */
void _pyisolate_extension_tell_news (PyIsolateExtension  *self,
                                     const PyIsolateNews *news);
/* Ends the process, if there is one. @why: (transfer full) (nullable): NULL asks it to stop */
void _pyisolate_extension_end       (PyIsolateExtension  *self,
                                     GError              *why);

G_END_DECLS
