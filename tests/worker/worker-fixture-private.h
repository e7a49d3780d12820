/* SPDX-License-Identifier: MIT */
/* For the files that the fixture is made of: worker-process.c, the interpreter and the way to it; worker-frames.c, what goes that
 * way and what comes; worker-fixture.c, what a host says to a worker. */
#pragma once

#include "worker-fixture.h"

#include "pyisolate-lane-private.h"

G_BEGIN_DECLS

struct _Worker {
  GSubprocess *process;
  GDBusConnection *connection;
  PyIsolateTransport *transport;
  PyIsolateLane *lane; /* NULL: everything goes by D-Bus */
  GThread *lane_reader;
  GHashTable *by_lane; /* ids of the worker's calls that came by it */
  GAsyncQueue *frames;
  GAsyncQueue *wishes;   /* for memory: their numbers */
  GPtrArray *seen;       /* what came and was not waited for */
  GHashTable *forwarded; /* id of a call back → id of the call that asked for it */
  GVariant *methods;
  GStrv source_paths;
  char *module_path;
  char *home;
  guint64 last_id;

  GThread *reader;
  GMutex mutex;
  GCond grown;
  GString *output;
  gboolean output_ended;
};

void     worker_send              (Worker         *worker,
                                   PyIsolateFrame *frame);
void     worker_send_variant      (Worker         *worker,
                                   guint64         id,
                                   GVariant       *value);
/* TRUE: nobody else needs to look at it. */
gboolean worker_handle_in_passing (Worker         *worker,
                                   PyIsolateFrame *frame);

G_END_DECLS
