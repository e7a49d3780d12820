/* SPDX-License-Identifier: MIT */
/* Tasks of asyncio's for coroutines that are called from another process: of a worker's methods, and of the singletons of a
 * host in Python. */
#pragma once

#include "pyisolate-python-private.h"

#include <glib.h>

G_BEGIN_DECLS

/* As of Python 3.9 and 3.10, whose limited APIs do not have them yet. */
#ifndef METH_FASTCALL
#define METH_FASTCALL 0x0080
#endif
#ifndef Py_am_send
#define Py_am_send 81
#define PYGEN_RETURN 0
#define PYGEN_ERROR -1
#define PYGEN_NEXT 1
#endif

/* The Python that runs, not the one that this was compiled for. */
gboolean        _pyisolate_python_is_at_least (int major,
                                               int minor);

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

/* What to wake a task with, by @callback, whose result tells it that it can go on. It asks what has woken it for that, and a
 * future of asyncio's own in a far shorter way than anything else. Borrowed; NULL: it is not the callback of such a task. */
PyObject       *_pyisolate_tasks_get_waker  (PyIsolateTasks *self,
                                             PyObject       *callback);

/* What asyncio keeps of the loop that runs in this thread: another object whenever it is another loop. Borrowed; NULL: this
 * asyncio keeps it elsewhere, or none has run. */
PyObject       *_pyisolate_get_running      (void);

/* What the module has by that name; a new reference, or NULL with an exception. */
PyObject       *_pyisolate_import           (const char     *module_name,
                                             const char     *name);

/* pyisolate-task-set.c: from now on tasks get into asyncio's set of them by a shorter way. */
void            _pyisolate_task_set_prepare (void);

G_END_DECLS
