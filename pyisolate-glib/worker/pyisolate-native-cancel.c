/* SPDX-License-Identifier: MIT */
/* Tells a def that it is cancelled, by CallCancelled.
 *
 * Between two lines of an event loop's own code nothing is raised: it would take along the callback that was about to run, and
 * where that is a task's step, asyncio.run() waits for the task for ever. So a loop that is at work in the def is asked to raise
 * it in a callback, which also has it do so at once if it waits. */
#include "config.h"

#include "pyisolate-native-private.h"

/* The item of the mapping that is @object's @attribute; NULL where there is none. */
static PyObject *
get_item_of (PyObject   *object,
             const char *attribute,
             const char *key)
{
  PyObject *mapping = PyObject_GetAttrString (object, attribute);
  PyObject *item = mapping != NULL ? PyMapping_GetItemString (mapping, key) : NULL;

  Py_XDECREF (mapping);
  PyErr_Clear ();

  return item;
}

static gboolean
is_in_module (PyObject   *frame,
              const char *module)
{
  PyObject *name = get_item_of (frame, "f_globals", "__name__");
  const char *text = name != NULL && PyUnicode_Check (name) ? PyUnicode_AsUTF8AndSize (name, NULL) : NULL;
  gboolean result = text != NULL && (g_str_has_suffix (module, ".") ? g_str_has_prefix (text, module)
                                                                    : g_str_equal (text, module));

  PyErr_Clear ();
  Py_XDECREF (name);

  return result;
}

static gboolean
is_loops_own (PyObject *frame)
{
  return is_in_module (frame, "asyncio.") || is_in_module (frame, "selectors");
}

/* The loop that runs in this thread, or NULL. */
static PyObject *
get_running_loop (void)
{
  PyObject *name = PyUnicode_InternFromString ("asyncio.events");
  PyObject *module = name != NULL ? PyImport_GetModule (name) : NULL;
  PyObject *loop = module != NULL ? PyObject_CallMethod (module, "_get_running_loop", NULL) : NULL;

  Py_XDECREF (name);
  Py_XDECREF (module);
  PyErr_Clear ();
  if (loop == Py_None)
    Py_CLEAR (loop);

  return loop;
}

static PyObject *
get_frame_of_thread (unsigned long ident)
{
  PyObject *function = PySys_GetObject ("_current_frames"); /* borrowed */
  PyObject *frames = function != NULL ? PyObject_CallObject (function, NULL) : NULL;
  PyObject *key = PyLong_FromUnsignedLong (ident);
  PyObject *frame = frames != NULL && key != NULL ? PyDict_GetItemWithError (frames, key) : NULL; /* borrowed */

  Py_XINCREF (frame);
  Py_XDECREF (key);
  Py_XDECREF (frames);
  PyErr_Clear ();

  return frame;
}

/* The loop that runs in the def whose innermost frame is @top, or NULL. */
static PyObject *
find_loop (PyObject *top)
{
  PyObject *frame = top;
  PyObject *loop = NULL;

  Py_INCREF (frame);
  while (frame != NULL && frame != Py_None && !is_in_module (frame, "pyisolate._dispatch"))
    {
      PyObject *outer = PyObject_GetAttrString (frame, "f_back");

      if (is_in_module (frame, "asyncio.base_events"))
        loop = get_item_of (frame, "f_locals", "self");
      Py_DECREF (frame);
      frame = outer;
      if (loop != NULL && PyObject_HasAttrString (loop, "call_soon_threadsafe"))
        break;
      Py_CLEAR (loop);
    }
  Py_XDECREF (frame);
  PyErr_Clear ();

  return loop;
}

/* FALSE: an exception is set. */
static gboolean
ask_loop (PyObject *loop,
          PyObject *module)
{
  PyObject *tell = PyObject_GetAttrString (module, "tell");
  PyObject *asked = tell != NULL ? PyObject_CallMethod (loop, "call_soon_threadsafe", "O", tell) : NULL;
  gboolean ok = asked != NULL;

  Py_XDECREF (tell);
  Py_XDECREF (asked);

  return ok;
}

/* tell(): the def that runs in this thread, if it is cancelled and does not know. */
static PyObject *
native_tell (PyObject *module,
             PyObject *unused)
{
  if (!_pyisolate_runtime_is_forked () &&
      _pyisolate_runner_must_raise (_pyisolate_runner_get (PyThread_get_thread_ident ())))
    {
      PyErr_SetNone (_pyisolate_call_cancelled);
      return NULL;
    }

  Py_RETURN_NONE;
}

/* on_signal(number, frame): Python's handler of PYISOLATE_RUNTIME_SIGNAL, in the main thread. */
static PyObject *
native_on_signal (PyObject *module,
                  PyObject *args)
{
  PyObject *frame;
  PyObject *loop;
  gboolean asked = FALSE;
  int number;

  if (!PyArg_ParseTuple (args, "iO:on_signal", &number, &frame))
    return NULL;
  if (_pyisolate_runtime_is_forked () || _pyisolate_runtime.main_runner == NULL)
    Py_RETURN_NONE;

  loop = is_loops_own (frame) ? get_running_loop () : NULL;
  if (loop != NULL && _pyisolate_runner_may_ask (_pyisolate_runtime.main_runner))
    asked = ask_loop (loop, module);
  Py_XDECREF (loop);
  if (asked)
    Py_RETURN_NONE;
  if (PyErr_Occurred ())
    {
      /* By another signal that came meanwhile. */
      if (PyErr_ExceptionMatches (_pyisolate_call_cancelled))
        return NULL;
      PyErr_Clear ();
    }

  return native_tell (module, NULL);
}

/* interrupt(frame): a cancelled call whose def runs on another than the main thread. Between the look at that thread and what
 * is raised in it, no Python runs. */
static PyObject *
native_interrupt (PyObject *module,
                  PyObject *args)
{
  PyIsolateRunner *runner;
  PyIsolateFrame *frame;
  unsigned long ident;
  PyObject *top;
  PyObject *loop;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "O&:interrupt", _pyisolate_native_frame_convert, &frame))
    return NULL;

  ident = _pyisolate_runner_find_untold (frame->id);
  if (ident == 0)
    Py_RETURN_NONE;

  top = get_frame_of_thread (ident);
  loop = top != NULL && is_loops_own (top) ? find_loop (top) : NULL;
  Py_XDECREF (top);
  if (loop != NULL)
    {
      if (!ask_loop (loop, module))
        PyErr_Clear (); /* it was closed just now; there is a next time */
      Py_DECREF (loop);
      Py_RETURN_NONE;
    }

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

PyMethodDef _pyisolate_native_cancel_methods[] = {
  { "tell", native_tell, METH_NOARGS, "Raise CallCancelled if this thread's def is cancelled." },
  { "on_signal", native_on_signal, METH_VARARGS, "The handler of SIGNAL." },
  { "tell_again", native_tell_again, METH_NOARGS, "CallCancelled was swallowed in this thread." },
  { "interrupt", native_interrupt, METH_VARARGS, "Raise CallCancelled in the thread of a call." },
  { NULL, NULL, 0, NULL },
};
