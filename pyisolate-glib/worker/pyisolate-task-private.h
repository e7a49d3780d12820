/* SPDX-License-Identifier: MIT */
/* Tasks of asyncio's for coroutines that are called from another process: of a worker's methods, and of the singletons of a
 * host in Python. */
#pragma once

#include "pyisolate-python-private.h"

#include <glib.h>

G_BEGIN_DECLS

/* How tasks of one loop are made. Every function needs the GIL. */
typedef struct _PyIsolateTasks PyIsolateTasks;

/* @is_usual: it is the loop that asyncio makes, in the state in which it makes it. NULL with an exception. */
PyIsolateTasks *_pyisolate_tasks_new        (PyObject       *loop,
                                             gboolean        is_usual);
void            _pyisolate_tasks_free       (PyIsolateTasks *self);

/* The task, whose first step has run if that can be done without a difference that the coroutine sees; NULL with an
 * exception. @context: what it runs in. */
PyObject       *_pyisolate_tasks_start      (PyIsolateTasks *self,
                                             PyObject       *coroutine,
                                             PyObject       *context);
/* 1, 0, or -1 with an exception. */
int             _pyisolate_tasks_is_done    (PyObject       *task);
/* Of a task that is done: what the coroutine returned, or NULL with what it raised. */
PyObject       *_pyisolate_tasks_get_result (PyObject       *task);

G_END_DECLS
