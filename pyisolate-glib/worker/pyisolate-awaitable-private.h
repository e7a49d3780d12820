/* SPDX-License-Identifier: MIT */
/* What a coroutine awaits after it has called another process: the host, from a worker, or an extension, from a host in Python.
 *
 * To a task it is what a future is. But where the answer is read inside of the loop's select(), the task goes on at once, and
 * not in the loop's next turn. Everything here has the GIL. */
#pragma once

#include "pyisolate-task-private.h"

G_BEGIN_DECLS

/* A module's own type begins with this. */
typedef struct {
  PyObject_HEAD
  PyObject *callback;         /* the awaiting task's, or NULL */
  PyObject *callback_context; /* in which to call it, or NULL */
  PyObject *cancel_message;   /* or NULL */
  gboolean has_come;
  gboolean is_kept;   /* somebody waits: nothing else may have the task, as long as the call is under way */
  gboolean blocking;  /* of the protocol between futures and tasks */
  gboolean cancelled;
} PyIsolateAwaitable;

/* What each module that has such a type defines. The value once it has come, or NULL with an exception; the loop, borrowed, or
 * NULL; and the end of the call, unless it is over: nobody waits for it any more. */
PyObject     *_pyisolate_awaitable_get_value      (PyIsolateAwaitable *self);
PyObject     *_pyisolate_awaitable_get_loop       (PyIsolateAwaitable *self);
void          _pyisolate_awaitable_give_up        (PyIsolateAwaitable *self);

/* @own: what it has besides, Py_am_await at least, up to a slot 0. NULL with an exception. */
PyTypeObject *_pyisolate_awaitable_new_type       (const char         *name,
                                                   const char         *doc,
                                                   gsize               size,
                                                   unsigned int        flags,
                                                   const PyType_Slot  *own);
int           _pyisolate_awaitable_traverse       (PyIsolateAwaitable *self,
                                                   visitproc           visit,
                                                   void               *arg);
void          _pyisolate_awaitable_clear          (PyIsolateAwaitable *self);

/* Sets the exception where there is no value yet, and none to come. */
void          _pyisolate_awaitable_raise_unfit    (PyIsolateAwaitable *self);

/* Both FALSE: an exception is set that is none of the waiting task's. */
gboolean      _pyisolate_awaitable_call_back_soon (PyIsolateAwaitable *self);

/* Calls back what waits, in its own context, with @waker or, if that is NULL, with itself. */
static inline gboolean
_pyisolate_awaitable_call_back (PyIsolateAwaitable *self,
                                PyObject           *waker)
{
  PyObject *callback = g_steal_pointer (&self->callback);
  PyObject *context = g_steal_pointer (&self->callback_context);
  PyObject *result = NULL;

  if (context == NULL || PyContext_Enter (context) == 0)
    {
      result = PyObject_CallFunctionObjArgs (callback, waker != NULL ? waker : (PyObject *) self, NULL);
      if (context != NULL)
        PyContext_Exit (context);
    }
  Py_DECREF (callback);
  Py_XDECREF (context);
  Py_XDECREF (result);

  return result != NULL;
}

/* When the call is over. The caller has a reference of its own. */
static inline void
_pyisolate_awaitable_let_go (PyIsolateAwaitable *self)
{
  if (self->is_kept)
    Py_DECREF ((PyObject *) self);
  self->is_kept = FALSE;
}

G_END_DECLS
