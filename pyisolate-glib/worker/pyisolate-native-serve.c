/* SPDX-License-Identifier: MIT */
/* From a call to its answer, where no more of Python than the extension's own is needed.
 *
 * What is rare (a method that is not there, an exception to describe, a forked child that comes
 * back) is left to the functions that _dispatch.py hands over. */
#include "config.h"

#include "pyisolate-native-private.h"

/* Set once each, and needed until the process ends. */
static struct {
  GHashTable *methods; /* name → NativeMethod; NULL while the extension is loaded */
  PyObject *context;   /* what importing left; each call runs in a copy */
  PyObject *current;   /* the ContextVar of the call that the running code belongs to */
  PyObject *serve;
  PyObject *answer;
  PyObject *answer_exception;
  PyObject *error_of;
  PyObject *call_elsewhere;
  PyObject *stop;      /* the host's wish that the extension stops */
} python;

const NativeMethod *
_pyisolate_native_find_method (PyIsolateFrame *call)
{
  return python.methods != NULL ? g_hash_table_lookup (python.methods, call->name) : NULL;
}

/* A context of the call's own, or NULL with an exception. */
PyObject *
_pyisolate_native_new_context (PyObject *frame)
{
  PyObject *context = PyContext_Copy (python.context);
  PyObject *token;

  if (context == NULL)
    return NULL;
  if (PyContext_Enter (context) < 0)
    {
      Py_DECREF (context);
      return NULL;
    }

  token = PyContextVar_Set (python.current, frame);
  PyContext_Exit (context);
  if (token == NULL)
    {
      Py_DECREF (context);
      return NULL;
    }
  Py_DECREF (token);

  return context;
}

/* The call that the running code belongs to, or NULL; @frame is its object, to be released. */
PyIsolateFrame *
_pyisolate_native_get_current (PyObject **frame)
{
  *frame = NULL;
  if (PyContextVar_Get (python.current, NULL, frame) < 0)
    {
      PyErr_Clear ();
      return NULL;
    }
  if (*frame == NULL || !_pyisolate_native_frame_is (*frame))
    return NULL;

  return _pyisolate_native_frame_get (*frame);
}

static gboolean
call_python (PyObject *function,
             PyObject *first,
             PyObject *second)
{
  PyObject *result = PyObject_CallFunctionObjArgs (function, first, second, NULL);

  Py_XDECREF (result);
  return result != NULL;
}

/* Answers by the exception that is set. FALSE: another one is set now. */
gboolean
_pyisolate_native_answer_raised (PyObject *frame)
{
  PyObject *type;
  PyObject *value;
  PyObject *traceback;
  gboolean answered;

  PyErr_Fetch (&type, &value, &traceback);
  PyErr_NormalizeException (&type, &value, &traceback);
  if (traceback != NULL)
    PyException_SetTraceback (value, traceback);
  answered = call_python (python.answer_exception, frame, value);
  Py_XDECREF (type);
  Py_XDECREF (value);
  Py_XDECREF (traceback);

  return answered;
}

gboolean
_pyisolate_native_answer (PyObject *frame,
                          PyObject *value)
{
  if (_pyisolate_runtime_is_forked ())
    return call_python (python.answer, frame, value);

  return _pyisolate_native_reply (_pyisolate_native_frame_get (frame), value) ||
         _pyisolate_native_answer_raised (frame);
}

/* FALSE: an exception is set that is none of the call's. */
gboolean
_pyisolate_native_serve_def (PyObject *frame,
                             PyObject *function)
{
  PyObject *context = NULL;
  PyObject *args;
  PyObject *kwargs;
  PyObject *result;
  gboolean answered;

  if (_pyisolate_native_frame_decode_call (frame, &args, &kwargs) < 0)
    return _pyisolate_native_answer_raised (frame);

  context = _pyisolate_native_new_context (frame);
  if (context == NULL || PyContext_Enter (context) < 0)
    {
      result = NULL;
    }
  else
    {
      result = _pyisolate_native_run_def (_pyisolate_native_frame_get (frame), function, args,
                                          kwargs);
      PyContext_Exit (context);
    }
  Py_DECREF (args);
  Py_DECREF (kwargs);
  Py_XDECREF (context);

  if (result == NULL)
    return _pyisolate_native_answer_raised (frame);

  answered = _pyisolate_native_answer (frame, result);
  Py_DECREF (result);

  return answered;
}

static gboolean
serve_other (PyObject *frame)
{
  return call_python (python.serve, frame, NULL);
}

/* Sets the exception that an ERROR from the host stands for. Always FALSE. */
gboolean
_pyisolate_native_raise_error_of (PyObject *frame)
{
  PyObject *error = PyObject_CallFunctionObjArgs (python.error_of, frame, NULL);

  if (error != NULL)
    PyErr_SetObject ((PyObject *) Py_TYPE (error), error);
  Py_XDECREF (error);

  return FALSE;
}

/* A coroutine that calls from a loop which is not the main thread's. */
PyObject *
_pyisolate_native_call_elsewhere (PyObject *args)
{
  return PyObject_CallObject (python.call_elsewhere, args);
}

/* Whether it is the host's wish that the extension stops, which is kept: what a handler of signals raises must not lose it. */
gboolean
_pyisolate_native_keep_stop (PyObject *frame)
{
  if (_pyisolate_native_frame_get (frame)->target[0] == '\0')
    return FALSE;

  if (python.stop == NULL)
    {
      Py_INCREF (frame);
      python.stop = frame;
    }

  return TRUE;
}

/* What was raised in the runtime's own Python, on the way to a method or from it, would leave the call without an answer. */
gboolean
_pyisolate_native_answer_interrupted (PyObject *frame)
{
  PyIsolateFrame *call = _pyisolate_native_frame_get (frame);

  return call->kind == PYISOLATE_FRAME_CALL && call->target[0] == '\0' && _pyisolate_in_call_is_open (call->id) &&
         _pyisolate_native_answer_raised (frame);
}

/* Run what a call asks for, in a thread without a running loop. FALSE: an exception is set that is none of the call's. */
gboolean
_pyisolate_native_serve (PyObject *frame)
{
  const NativeMethod *method = _pyisolate_native_find_method (_pyisolate_native_frame_get (frame));

  if (method != NULL && method->kind == NATIVE_METHOD_DEF)
    return _pyisolate_native_serve_def (frame, method->function);

  return serve_other (frame) || _pyisolate_native_answer_interrupted (frame);
}

/* stop(): what has been kept, or None. */
static PyObject *
native_stop (PyObject *module,
             PyObject *unused)
{
  PyObject *stop = python.stop != NULL ? python.stop : Py_None;

  Py_INCREF (stop);
  return stop;
}

/* serve_def(frame, function) */
static PyObject *
native_serve_def (PyObject *module,
                  PyObject *args)
{
  PyIsolateFrame *call;
  PyObject *frame;
  PyObject *function;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "OO:serve_def", &frame, &function) ||
      !_pyisolate_native_frame_convert (frame, &call) ||
      !_pyisolate_native_serve_def (frame, function))
    return NULL;

  Py_RETURN_NONE;
}

static PyObject *
native_set_helpers (PyObject *module,
                    PyObject *args)
{
  if (!PyArg_ParseTuple (args, "OOOO:set_helpers", &python.current, &python.serve, &python.answer,
                         &python.answer_exception))
    return NULL;

  Py_INCREF (python.current);
  Py_INCREF (python.serve);
  Py_INCREF (python.answer);
  Py_INCREF (python.answer_exception);
  Py_RETURN_NONE;
}

static PyObject *
native_set_call_helpers (PyObject *module,
                         PyObject *args)
{
  if (!PyArg_ParseTuple (args, "OO:set_call_helpers", &python.error_of, &python.call_elsewhere))
    return NULL;

  Py_INCREF (python.error_of);
  Py_INCREF (python.call_elsewhere);
  Py_RETURN_NONE;
}

static gboolean
add_method (PyObject *item)
{
  g_autofree NativeMethod *method = g_new0 (NativeMethod, 1);
  const char *name;
  int kind;

  if (!PyArg_ParseTuple (item, "sOi", &name, &method->function, &kind))
    return FALSE;

  method->kind = (NativeMethodKind) kind;
  Py_INCREF (method->function);
  g_hash_table_insert (python.methods, g_strdup (name), g_steal_pointer (&method));

  return TRUE;
}

/* set_methods(context, [(name, function, kind)]) */
static PyObject *
native_set_methods (PyObject *module,
                    PyObject *args)
{
  PyObject *list;

  if (!PyArg_ParseTuple (args, "OO!:set_methods", &python.context, &PyList_Type, &list))
    return NULL;

  Py_INCREF (python.context);
  python.methods = g_hash_table_new (g_str_hash, g_str_equal);
  for (Py_ssize_t i = 0; i < PyList_Size (list); i++)
    {
      if (!add_method (PyList_GetItem (list, i)))
        return NULL;
    }

  Py_RETURN_NONE;
}

PyMethodDef _pyisolate_native_serve_methods[] = {
  { "stop", native_stop, METH_NOARGS, "The host's wish that the extension stops, or None." },
  { "serve_def", native_serve_def, METH_VARARGS, "Run a def for a call, and answer." },
  { "set_helpers", native_set_helpers, METH_VARARGS, "What serving a call needs of Python." },
  { "set_call_helpers", native_set_call_helpers, METH_VARARGS, "What calling needs of it." },
  { "set_methods", native_set_methods, METH_VARARGS, "What can be called." },
  { NULL, NULL, 0, NULL },
};
