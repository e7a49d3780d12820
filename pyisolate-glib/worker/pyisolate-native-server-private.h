/* SPDX-License-Identifier: MIT */
/* For the files that Server is made of: pyisolate-native-server.c, the loop; pyisolate-native-server-calls.c, the calls that it
 * runs as tasks. */
#pragma once

#include "pyisolate-native-private.h"
#include "pyisolate-task-private.h"

G_BEGIN_DECLS

typedef struct {
  PyObject_HEAD
  PyIsolateInbox *inbox;
  int set;                 /* the inbox's, with what the selector waits for */
  GHashTable *tasks;       /* id of a call → its task */

  PyObject *loop;
  PyObject *attributes;    /* its dict */
  PyObject *ready;         /* the loop's deque of what to run; NULL: of another make */
  PyObject *select;        /* its selector's */
  PyObject *on_other;      /* on_other(frame): what Python's part handles */
  PyObject *on_closed;
  PyIsolateTasks *making;  /* of tasks */
  PyObject *running;       /* what the state of the thread has for the loop while it runs, if that is known */
  PyObject *get_running_loop;
  PyObject *set_running_loop;
} PyIsolateNativeServer;

extern PyIsolateNativeServer *_pyisolate_native_server; /* there is one main thread; NULL before it has a loop */

gboolean _pyisolate_native_server_calls_init  (void);
/* All FALSE: an exception is set that is none of the call's. */
gboolean _pyisolate_native_server_handle      (PyIsolateNativeServer *self,
                                               PyIsolateFrame        *take_frame);
/* Answers by what becomes of the task. */
gboolean _pyisolate_native_server_follow_task (PyIsolateNativeServer *self,
                                               PyObject              *frame,
                                               PyObject              *task);

G_END_DECLS
