/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-worker-private.h"

#include "pyisolate-memory-book-private.h"
#include "pyisolate-process-private.h"

G_BEGIN_DECLS

/* For the files that a worker is made of: pyisolate-worker.c, its life;
 * pyisolate-worker-handshake.c, what it says of itself at first; pyisolate-worker-link.c, the
 * connection to it. */

/* How long a link may outlive its process, or a process its link, before it is ended. Both are ends
 * of the same thing and come together, unless something is wrong. */
#define PYISOLATE_WORKER_AFTERLIFE_MS 500

typedef enum {
  PYISOLATE_WORKER_NEW,
  PYISOLATE_WORKER_SPAWNED, /* waits for Hello */
  PYISOLATE_WORKER_LOADING, /* waits for Ready or LoadFailed */
  PYISOLATE_WORKER_READY,
  PYISOLATE_WORKER_STOPPING,
  PYISOLATE_WORKER_GONE,
} PyIsolateWorkerPhase;

struct _PyIsolateWorker {
  GObject parent_instance;

  PyIsolateExtensionConfig *config;
  PyIsolateEnvironment *environment; /* in use as long as this */
  char *state_directory;
  GVariant *apis; /* a{sv}: name → description */
  const PyIsolateWorkerCallbacks *callbacks;
  gpointer user_data;
  GDestroyNotify destroy;

  PyIsolateWorkerPhase phase;
  guint32 link_number;
  PyIsolateProcess *process; /* atomic: set once */
  GCancellable *connecting;
  PyIsolateEndpoint *endpoint;
  PyIsolateMemoryBook *memory; /* what the process shares with the host */
  PyIsolateLane *lane; /* the first one, until the worker has said that it reads lanes */
  GSource *timeout;   /* of its start, or its stop */
  GSource *afterlife; /* of what is left when its process or its link has gone first */
  GError *why;                 /* why it has to end, or did */
  PyIsolateExitReason *reason; /* how the process ended */
  gboolean process_gone;
  gboolean link_gone;
  gboolean link_lost; /* the link went first, and the process had to be killed */
};

const char *_pyisolate_worker_get_name            (PyIsolateWorker *self);

/* One at a time: what was set before is forgotten. @milliseconds: negative for never. A time-out of the afterlife is not forgotten:
 * it alone leads on where one of the two does not go. */
void        _pyisolate_worker_set_timeout         (PyIsolateWorker *self,
                                                   gint64           milliseconds,
                                                   GSourceFunc      func);
void        _pyisolate_worker_clear_timeout       (PyIsolateWorker *self);
void        _pyisolate_worker_set_afterlife       (PyIsolateWorker *self,
                                                   GSourceFunc      func);
void        _pyisolate_worker_clear_afterlife     (PyIsolateWorker *self);
/* Kills it, if it has not ended by then. */
void        _pyisolate_worker_kill_after          (PyIsolateWorker *self,
                                                   gint64           milliseconds);

/* For what it has sent, which says nothing of who sent it. */
void        _pyisolate_worker_end_for_message     (PyIsolateWorker *self,
                                                   const GError    *problem);
/* Tells that it is gone, if it is. */
void        _pyisolate_worker_check_gone          (PyIsolateWorker *self);

/* Gives it its start-timeout to get ready in. */
void        _pyisolate_worker_expect_hello        (PyIsolateWorker *self);
/* A call to the host itself, from any thread. */
void        _pyisolate_worker_take_control_call   (PyIsolateWorker *self,
                                                   PyIsolateFrame  *take_frame);

void        _pyisolate_worker_connect             (PyIsolateWorker *self,
                                                   int              take_fd);

G_END_DECLS
