/* SPDX-License-Identifier: MIT */
/* Runs a def such that its cancellation ends it and nothing else.
 *
 * Between the begin and the end of a def no line of Python but its own runs, so that what is
 * raised in the thread then is raised in the def. */
#include "config.h"

#include "pyisolate-native-private.h"

/* Its result, or NULL with an exception. */
PyObject *
_pyisolate_native_run_def (PyIsolateFrame *call,
                           PyObject       *function,
                           PyObject       *args,
                           PyObject       *kwargs)
{
  PyIsolateRunner *runner = _pyisolate_runner_get (PyThread_get_thread_ident ());
  PyObject *result;

  if (!_pyisolate_runner_begin (runner, call->id))
    {
      PyErr_SetNone (_pyisolate_call_cancelled);
      return NULL;
    }

  result = PyObject_Call (function, args, kwargs);

  if (_pyisolate_runtime_is_forked ())
    return result;

  /* An exception that was set for the def and not raised in it yet must not reach the next one. */
  if (_pyisolate_runner_end (runner) && runner->home != PYISOLATE_HOME_MAIN)
    PyThreadState_SetAsyncExc (runner->ident, NULL);

  return result;
}

static gboolean
runs_a_loop (void)
{
  PyObject *name = PyUnicode_InternFromString ("asyncio.events");
  PyObject *module = name != NULL ? PyImport_GetModule (name) : NULL;
  PyObject *loop = module != NULL ? PyObject_CallMethod (module, "_get_running_loop", NULL) : NULL;
  gboolean result = loop != NULL && loop != Py_None;

  Py_XDECREF (name);
  Py_XDECREF (module);
  Py_XDECREF (loop);
  PyErr_Clear ();

  return result;
}

/* on_signal(number, frame): Python's handler of PYISOLATE_RUNTIME_SIGNAL, in the main thread. */
static PyObject *
native_on_signal (PyObject *module,
                  PyObject *args)
{
  if (!_pyisolate_runtime_is_forked () && _pyisolate_runtime.main_runner != NULL &&
      _pyisolate_runner_must_raise (_pyisolate_runtime.main_runner))
    {
      PyErr_SetNone (runs_a_loop () ? _pyisolate_call_cancelled_in_loop : _pyisolate_call_cancelled);
      return NULL;
    }

  Py_RETURN_NONE;
}

/* interrupt(frame): a cancelled call whose def runs on another than the main thread. */
static PyObject *
native_interrupt (PyObject *module,
                  PyObject *args)
{
  PyIsolateRunner *runner;
  PyIsolateFrame *frame;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "O&:interrupt", _pyisolate_native_frame_convert, &frame))
    return NULL;

  runner = _pyisolate_runner_lock_to_raise (frame->id);
  if (runner != NULL)
    {
      PyThreadState_SetAsyncExc (runner->ident, _pyisolate_call_cancelled);
      g_mutex_unlock (&_pyisolate_runtime.mutex);
    }

  Py_RETURN_NONE;
}

/* tell_again() → whether this thread's def, which had been told and does not know of it, is cancelled. */
static PyObject *
native_tell_again (PyObject *module,
                   PyObject *unused)
{
  return PyBool_FromLong (!_pyisolate_runtime_is_forked () &&
                          _pyisolate_in_call_tell_again (_pyisolate_runner_get (PyThread_get_thread_ident ())));
}

/* take_seat(home): this thread is the second one, or one of the pool. */
static PyObject *
native_take_seat (PyObject *module,
                  PyObject *args)
{
  PyIsolateRunner *runner;
  int home;

  if (!_pyisolate_native_check_process () || !PyArg_ParseTuple (args, "i:take_seat", &home))
    return NULL;

  runner = _pyisolate_runner_get (PyThread_get_thread_ident ());
  g_mutex_lock (&_pyisolate_runtime.mutex);
  runner->home = (PyIsolateHome) home;
  if (home == PYISOLATE_HOME_SECOND)
    _pyisolate_runtime.second_runner = runner;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  Py_RETURN_NONE;
}

PyMethodDef _pyisolate_native_run_methods[] = {
  { "on_signal", native_on_signal, METH_VARARGS, "The handler of SIGNAL." },
  { "interrupt", native_interrupt, METH_VARARGS, "Raise CallCancelled in the thread of a call." },
  { "tell_again", native_tell_again, METH_NOARGS, "CallCancelled was swallowed in this thread." },
  { "take_seat", native_take_seat, METH_VARARGS, "Make this thread the home of methods." },
  { NULL, NULL, 0, NULL },
};
