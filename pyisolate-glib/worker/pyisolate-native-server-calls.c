/* SPDX-License-Identifier: MIT */
/* What arrives at the main thread's event loop: a call becomes a task of asyncio's over the extension's own coroutine, whose first
 * step runs at once, and is answered by what becomes of that. */
#include "config.h"

#include "pyisolate-native-server-private.h"

typedef PyIsolateNativeServer Server;

static struct {
  PyObject *cancel;
  PyObject *add_done_callback;
} names;

gboolean
_pyisolate_native_server_calls_init (void)
{
  names.cancel = PyUnicode_InternFromString ("cancel");
  names.add_done_callback = PyUnicode_InternFromString ("add_done_callback");

  return names.cancel != NULL && names.add_done_callback != NULL;
}

static PyObject *
call_method (PyObject *object,
             PyObject *name,
             PyObject *argument)
{
  return PyObject_CallMethodObjArgs (object, name, argument, NULL);
}

/* Answers by what has become of the task. */
static gboolean
answer_by_task (PyObject *frame,
                PyObject *task)
{
  PyObject *value = _pyisolate_tasks_get_result (task);
  gboolean answered;

  if (value == NULL)
    return _pyisolate_native_answer_raised (frame);

  answered = _pyisolate_native_answer (frame, value);
  Py_DECREF (value);

  return answered;
}

/* The callback of a task, bound to the frame of its call. */
static PyObject *
on_task_done (PyObject *frame,
              PyObject *task)
{
  guint64 id = _pyisolate_native_frame_get (frame)->id;

  if (_pyisolate_native_server != NULL)
    g_hash_table_remove (_pyisolate_native_server->tasks, &id);
  if (!answer_by_task (frame, task))
    return NULL;

  Py_RETURN_NONE;
}

static PyMethodDef on_task_done_def = { "answer_call", on_task_done, METH_O, NULL };

/* FALSE: an exception is set that is none of the call's. */
gboolean
_pyisolate_native_server_follow_task (Server   *self,
                                      PyObject *frame,
                                      PyObject *task)
{
  int is_done = _pyisolate_tasks_is_done (task);
  PyObject *callback;
  PyObject *added;

  if (is_done < 0)
    return FALSE;
  if (is_done)
    return answer_by_task (frame, task);

  callback = PyCFunction_NewEx (&on_task_done_def, frame, NULL);
  if (callback == NULL)
    return FALSE;
  added = call_method (task, names.add_done_callback, callback);
  Py_DECREF (callback);
  if (added == NULL)
    return FALSE;
  Py_DECREF (added);

  Py_INCREF (task);
  g_hash_table_insert (self->tasks, g_memdup2 (&_pyisolate_native_frame_get (frame)->id, sizeof (guint64)),
                       task);

  return TRUE;
}

static gboolean
start_coroutine (Server   *self,
                 PyObject *frame,
                 PyObject *function)
{
  PyObject *context = NULL;
  PyObject *coroutine;
  PyObject *args;
  PyObject *kwargs;
  PyObject *task = NULL;
  gboolean ok;

  if (_pyisolate_native_frame_decode_call (frame, &args, &kwargs) < 0)
    return _pyisolate_native_answer_raised (frame);

  coroutine = PyObject_Call (function, args, kwargs);
  Py_DECREF (args);
  Py_DECREF (kwargs);
  if (coroutine != NULL)
    context = _pyisolate_native_new_context (frame);
  if (context != NULL)
    task = _pyisolate_tasks_start (self->making, coroutine, context);
  Py_XDECREF (coroutine);
  Py_XDECREF (context);
  if (task == NULL)
    return _pyisolate_native_answer_raised (frame);

  ok = _pyisolate_native_server_follow_task (self, frame, task);
  Py_DECREF (task);

  return ok;
}

static gboolean
set_running_loop (Server   *self,
                  PyObject *loop)
{
  PyObject *result = PyObject_CallFunctionObjArgs (self->set_running_loop, loop, NULL);

  Py_XDECREF (result);
  return result != NULL;
}

/* A def is no part of a coroutine: in it asyncio.run() works, on the loop's own thread too. */
static gboolean
serve_inline (Server   *self,
              PyObject *frame,
              PyObject *function)
{
  PyObject *running = PyObject_CallFunctionObjArgs (self->get_running_loop, NULL);
  PyObject *type;
  PyObject *value;
  PyObject *traceback;
  gboolean ok;

  if (running == NULL || !set_running_loop (self, Py_None))
    {
      Py_XDECREF (running);
      return FALSE;
    }

  ok = _pyisolate_native_serve_def (frame, function);
  PyErr_Fetch (&type, &value, &traceback);
  if (!set_running_loop (self, running))
    ok = FALSE;
  Py_DECREF (running);
  if (type != NULL)
    PyErr_Restore (type, value, traceback);

  return ok;
}

static gboolean
cancel_task (Server  *self,
             guint64  id)
{
  PyObject *task = g_hash_table_lookup (self->tasks, &id);
  PyObject *result;

  if (task == NULL)
    return TRUE;

  Py_INCREF (task);
  result = call_method (task, names.cancel, NULL);
  Py_DECREF (task);
  Py_XDECREF (result);

  return result != NULL;
}

static gboolean
call_other (Server   *self,
            PyObject *frame)
{
  gboolean is_stop = _pyisolate_native_keep_stop (frame);
  PyObject *result = PyObject_CallFunctionObjArgs (self->on_other, frame, NULL);
  PyObject *type;
  PyObject *value;
  PyObject *traceback;

  if (result == NULL && is_stop)
    {
      /* By a handler of signals, before it stopped the loop. */
      PyErr_Fetch (&type, &value, &traceback);
      result = PyObject_CallFunctionObjArgs (self->on_other, frame, NULL);
      if (result == NULL)
        PyErr_WriteUnraisable (self->on_other);
      Py_CLEAR (result);
      PyErr_Restore (type, value, traceback);
    }
  Py_XDECREF (result);

  return result != NULL || _pyisolate_native_answer_interrupted (frame);
}

static gboolean
handle_call (Server   *self,
             PyObject *object)
{
  PyIsolateFrame *frame = _pyisolate_native_frame_get (object);
  const NativeMethod *method = frame->target[0] == '\0' ? _pyisolate_native_find_method (frame) : NULL;

  if (method == NULL || method->kind == NATIVE_METHOD_OTHER)
    return call_other (self, object);
  if (method->kind == NATIVE_METHOD_COROUTINE)
    return start_coroutine (self, object, method->function);

  /* What has been answered does not wait until it is done, nor does what is answered meanwhile: it may run a loop of its own, which
   * does not tell when it is about to block. */
  _pyisolate_lanes_end_gathering ();
  return serve_inline (self, object, method->function);
}

gboolean
_pyisolate_native_server_handle (Server         *self,
                                 PyIsolateFrame *frame)
{
  PyIsolateFrameKind kind = frame->kind;
  guint64 id = frame->id;
  PyObject *object;
  gboolean ok;

  if (kind == PYISOLATE_FRAME_CANCEL)
    {
      _pyisolate_frame_free (frame);
      return cancel_task (self, id);
    }

  object = _pyisolate_native_frame_new (frame);
  if (object == NULL)
    return FALSE;
  if (kind == PYISOLATE_FRAME_CALL)
    ok = handle_call (self, object);
  else
    ok = _pyisolate_native_answer_take (object, self->ready != NULL && PyObject_Size (self->ready) == 0);
  Py_DECREF (object);

  return ok;
}
