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
  { "take_seat", native_take_seat, METH_VARARGS, "Make this thread the home of methods." },
  { NULL, NULL, 0, NULL },
};
