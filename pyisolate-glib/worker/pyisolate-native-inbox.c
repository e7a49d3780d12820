/* SPDX-License-Identifier: MIT */
/* Inbox: where a thread or an event loop finds what arrived for it. */
#include "config.h"

#include "pyisolate-native-private.h"

#include <unistd.h>

typedef struct {
  PyObject_HEAD
  PyIsolateInbox *inbox;
} NativeInbox;

static PyTypeObject *inbox_type;

static void
native_inbox_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);
  freefunc free_object = (freefunc) PyType_GetSlot (type, Py_tp_free);

  if (((NativeInbox *) object)->inbox != NULL)
    _pyisolate_inbox_unref (((NativeInbox *) object)->inbox);
  free_object (object);
  Py_DECREF ((PyObject *) type);
}

PyObject *
_pyisolate_native_inbox_new (PyIsolateInbox *inbox)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (inbox_type, Py_tp_alloc);
  PyObject *object = alloc (inbox_type, 0);

  if (object != NULL)
    ((NativeInbox *) object)->inbox = _pyisolate_inbox_ref (inbox);

  return object;
}

/* Made by Python: one for an event loop. */
static PyObject *
native_inbox_make (PyTypeObject *type,
                   PyObject     *args,
                   PyObject     *kwargs)
{
  PyIsolateInbox *inbox;
  PyObject *object;

  if (!_pyisolate_native_check_process ())
    return NULL;

  inbox = _pyisolate_inbox_new (TRUE);
  if (inbox == NULL)
    return PyErr_SetFromErrno (PyExc_OSError);

  object = _pyisolate_native_inbox_new (inbox);
  _pyisolate_inbox_unref (inbox);

  return object;
}

/* For PyArg_ParseTuple(). */
int
_pyisolate_native_inbox_convert (PyObject *object,
                                 void     *inbox)
{
  if (Py_TYPE (object) != inbox_type)
    {
      PyErr_SetString (PyExc_TypeError, "an Inbox is wanted");
      return 0;
    }

  *(PyIsolateInbox **) inbox = ((NativeInbox *) object)->inbox;
  return 1;
}

static PyObject *
native_inbox_fileno (PyObject *self,
                     PyObject *unused)
{
  return PyLong_FromLong (((NativeInbox *) self)->inbox->wait_fd);
}

/* Without a frame: None where the time is over, EOFError where the link is closed. */
static PyObject *
native_inbox_get (PyObject *self,
                  PyObject *args)
{
  PyIsolateInbox *inbox = ((NativeInbox *) self)->inbox;
  PyIsolateFrame *frame = NULL;
  double timeout = -1;
  gint64 deadline = -1;
  PyIsolateTake taken;

  if (!PyArg_ParseTuple (args, "|d", &timeout))
    return NULL;
  if (timeout == 0)
    deadline = 0;
  else if (timeout > 0)
    deadline = g_get_monotonic_time () + (gint64) (timeout * G_USEC_PER_SEC);

  for (;;)
    {
      if (!_pyisolate_native_check_process ())
        return NULL;

      Py_BEGIN_ALLOW_THREADS
      taken = _pyisolate_inbox_take (inbox, 0, deadline, &frame);
      Py_END_ALLOW_THREADS

      if (taken == PYISOLATE_TAKE_FRAME)
        return _pyisolate_native_frame_new (frame);
      if (taken == PYISOLATE_TAKE_TIMED_OUT)
        Py_RETURN_NONE;
      if (taken == PYISOLATE_TAKE_CLOSED)
        {
          PyErr_SetString (PyExc_EOFError, "The link to the host is closed");
          return NULL;
        }
      if (PyErr_CheckSignals () < 0)
        return NULL;
    }
}

/* serve(): takes the next frame and does what it asks for. No line of Python is between the two, where what a handler of signals
 * raises would lose it; and what was pending is raised when the frame has been seen to, as it is none of that call's. */
static PyObject *
native_inbox_serve (PyObject *self,
                    PyObject *unused)
{
  PyObject *no_arguments = PyTuple_New (0);
  PyObject *type = NULL;
  PyObject *value = NULL;
  PyObject *traceback = NULL;
  PyObject *frame;
  gboolean ok;

  if (no_arguments == NULL)
    return NULL;
  frame = native_inbox_get (self, no_arguments);
  Py_DECREF (no_arguments);
  if (frame == NULL)
    return NULL;

  if (PyErr_CheckSignals () < 0)
    PyErr_Fetch (&type, &value, &traceback);
  ok = _pyisolate_native_frame_get (frame)->kind != PYISOLATE_FRAME_CALL || _pyisolate_native_keep_stop (frame) ||
       _pyisolate_native_serve (frame);
  Py_DECREF (frame);
  if (type != NULL)
    {
      if (!ok)
        PyErr_WriteUnraisable (self);
      PyErr_Restore (type, value, traceback);
    }
  if (!ok || type != NULL)
    return NULL;

  Py_RETURN_NONE;
}

/* For an event loop that leaves frames for its next turn. */
static PyObject *
native_inbox_wake (PyObject *self,
                   PyObject *unused)
{
  if (!_pyisolate_native_check_process ())
    return NULL;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  _pyisolate_inbox_wake_locked (((NativeInbox *) self)->inbox);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  Py_RETURN_NONE;
}

static PyObject *
native_inbox_get_waiting (PyObject *self,
                          void     *closure)
{
  guint n_waiting;

  if (!_pyisolate_native_check_process ())
    return NULL;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  n_waiting = ((NativeInbox *) self)->inbox->n_waiting;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return PyLong_FromUnsignedLong (n_waiting);
}

static PyGetSetDef native_inbox_getset[] = {
  { "waiting", native_inbox_get_waiting, NULL, "How many threads wait in it.", NULL },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef native_inbox_methods[] = {
  { "fileno", native_inbox_fileno, METH_NOARGS, "Readable when something arrived." },
  { "get", native_inbox_get, METH_VARARGS,
   "Take the next Frame; with a time-out in seconds: or None." },
  { "serve", native_inbox_serve, METH_NOARGS, "Take the next Frame, and do what it asks for." },
  { "wake", native_inbox_wake, METH_NOARGS, "Make it readable once more." },
  { NULL, NULL, 0, NULL },
};

gboolean
_pyisolate_native_inbox_init (PyObject *module)
{
  PyType_Slot slots[] = {
    { Py_tp_new, native_inbox_make },
    { Py_tp_dealloc, native_inbox_dealloc },
    { Py_tp_getset, native_inbox_getset },
    { Py_tp_methods, native_inbox_methods },
    { Py_tp_doc, "Frames for a thread or an event loop." },
    { 0, NULL },
  };
  PyType_Spec spec = { "_pyisolate_native.Inbox", sizeof (NativeInbox), 0, Py_TPFLAGS_DEFAULT,
                      slots };

  inbox_type = (PyTypeObject *) PyType_FromSpec (&spec);
  if (inbox_type == NULL)
    return FALSE;

  Py_INCREF ((PyObject *) inbox_type);
  return PyModule_AddObject (module, "Inbox", (PyObject *) inbox_type) == 0;
}
