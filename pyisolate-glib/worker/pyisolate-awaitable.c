/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-awaitable-private.h"

#define MAX_SLOTS 16

static struct {
  PyObject *call_soon;
  PyObject *context;
  PyObject *message;
} names;

int
_pyisolate_awaitable_traverse (PyIsolateAwaitable *self,
                               visitproc           visit,
                               void               *arg)
{
  Py_VISIT (self->callback);
  Py_VISIT (self->callback_context);
  Py_VISIT (self->cancel_message);

  return 0;
}

void
_pyisolate_awaitable_clear (PyIsolateAwaitable *self)
{
  Py_CLEAR (self->callback);
  Py_CLEAR (self->callback_context);
  Py_CLEAR (self->cancel_message);
}

/* loop.call_soon(callback, self, context=context); a loop that is closed runs nothing any more. */
gboolean
_pyisolate_awaitable_call_back_soon (PyIsolateAwaitable *self)
{
  PyObject *loop = _pyisolate_awaitable_get_loop (self);
  PyObject *call_soon = loop != NULL ? PyObject_GetAttr (loop, names.call_soon) : NULL;
  PyObject *args = PyTuple_Pack (2, self->callback, (PyObject *) self);
  PyObject *kwargs = PyDict_New ();
  PyObject *handle = NULL;

  if (call_soon != NULL && args != NULL && kwargs != NULL &&
      (self->callback_context == NULL || PyDict_SetItem (kwargs, names.context, self->callback_context) == 0))
    handle = PyObject_Call (call_soon, args, kwargs);
  Py_XDECREF (call_soon);
  Py_XDECREF (args);
  Py_XDECREF (kwargs);
  Py_XDECREF (handle);
  Py_CLEAR (self->callback);
  Py_CLEAR (self->callback_context);
  if (handle == NULL && PyErr_ExceptionMatches (PyExc_RuntimeError))
    PyErr_Clear ();

  return PyErr_Occurred () == NULL;
}

/* CancelledError, with the message of task.cancel(), if there was one; or that it is too early to ask. */
void
_pyisolate_awaitable_raise_unfit (PyIsolateAwaitable *self)
{
  PyObject *module = PyImport_ImportModule ("asyncio.exceptions");
  PyObject *type = module != NULL ? PyObject_GetAttrString (module, self->cancelled ? "CancelledError" : "InvalidStateError")
                                  : NULL;

  if (type != NULL && !self->cancelled)
    PyErr_SetString (type, "The answer has not come yet");
  else if (type != NULL && self->cancel_message != NULL)
    PyErr_SetObject (type, self->cancel_message);
  else if (type != NULL)
    PyErr_SetNone (type);
  Py_XDECREF (type);
  Py_XDECREF (module);
}

/* Whether the await has not ended yet: then the task is to wait for this object. */
static gboolean
must_wait (PyIsolateAwaitable *self)
{
  if (self->has_come || self->cancelled)
    return FALSE;

  self->blocking = TRUE;
  Py_INCREF ((PyObject *) self);
  return TRUE;
}

/* A StopIteration that the call raised would end the await with its value as the result: it becomes a RuntimeError, as where it
 * leaves a coroutine. */
static void
wrap_stop (void)
{
  PyObject *type, *stop, *traceback;
  PyObject *error;

  if (!PyErr_ExceptionMatches (PyExc_StopIteration))
    return;

  PyErr_Fetch (&type, &stop, &traceback);
  PyErr_NormalizeException (&type, &stop, &traceback);
  error = PyObject_CallFunction (PyExc_RuntimeError, "s", "The awaited call raised StopIteration");
  if (error != NULL)
    {
      if (traceback != NULL)
        PyException_SetTraceback (stop, traceback);
      PyException_SetCause (error, stop);
      PyErr_SetObject (PyExc_RuntimeError, error);
      stop = NULL;
    }
  Py_XDECREF (type);
  Py_XDECREF (stop);
  Py_XDECREF (traceback);
  Py_XDECREF (error);
}

/* The value, or NULL with an exception that the coroutine is to see. */
static PyObject *
get_value_or_raise (PyIsolateAwaitable *self)
{
  PyObject *value = _pyisolate_awaitable_get_value (self);

  if (value == NULL)
    wrap_stop ();
  return value;
}

/* The same as the next, from Python 3.10 on: without an exception for the value. */
static int
awaitable_send (PyObject  *object,
                PyObject  *unused,
                PyObject **result)
{
  if (must_wait ((PyIsolateAwaitable *) object))
    {
      *result = object;
      return PYGEN_NEXT;
    }

  *result = get_value_or_raise ((PyIsolateAwaitable *) object);
  return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

/* Raises StopIteration. A tuple would become its arguments, an exception would be it. */
static void
stop_with (PyObject *value)
{
  PyObject *stop;

  if (!PyTuple_Check (value) && !PyExceptionInstance_Check (value))
    {
      PyErr_SetObject (PyExc_StopIteration, value);
      return;
    }

  stop = PyObject_CallFunctionObjArgs (PyExc_StopIteration, value, NULL);
  if (stop != NULL)
    PyErr_SetObject (PyExc_StopIteration, stop);
  Py_XDECREF (stop);
}

/* The end of the await. */
static PyObject *
awaitable_next (PyObject *object)
{
  PyObject *value;

  if (must_wait ((PyIsolateAwaitable *) object))
    return object;

  value = get_value_or_raise ((PyIsolateAwaitable *) object);
  if (value != NULL)
    stop_with (value);
  Py_XDECREF (value);

  return NULL;
}

/* Tasks ask only whether it raises: the value is for the coroutine, which gets it by awaitable_next(). */
static PyObject *
awaitable_result (PyObject *object,
                  PyObject *unused)
{
  PyIsolateAwaitable *self = (PyIsolateAwaitable *) object;

  if (!self->cancelled && self->has_come)
    Py_RETURN_NONE;

  _pyisolate_awaitable_raise_unfit (self);
  return NULL;
}

static PyObject *
awaitable_is_done (PyObject *object,
                   PyObject *unused)
{
  PyIsolateAwaitable *self = (PyIsolateAwaitable *) object;

  return PyBool_FromLong (self->has_come || self->cancelled);
}

static PyObject *
awaitable_is_cancelled (PyObject *object,
                        PyObject *unused)
{
  return PyBool_FromLong (((PyIsolateAwaitable *) object)->cancelled);
}

static PyObject *
awaitable_get_loop (PyObject *object,
                    PyObject *unused)
{
  PyObject *loop = _pyisolate_awaitable_get_loop ((PyIsolateAwaitable *) object);

  if (loop == NULL)
    Py_RETURN_NONE;

  Py_INCREF (loop);
  return loop;
}

/* add_done_callback(callback, *, context=None) */
static PyObject *
awaitable_add_done_callback (PyObject        *object,
                             PyObject *const *args,
                             Py_ssize_t       n_args,
                             PyObject        *keywords)
{
  PyIsolateAwaitable *self = (PyIsolateAwaitable *) object;
  PyObject *context;

  if (n_args != 1 || (keywords != NULL && PyTuple_Size (keywords) != 1))
    {
      PyErr_SetString (PyExc_TypeError, "add_done_callback() takes a callback, and a context by its name");
      return NULL;
    }
  if (self->callback != NULL)
    {
      PyErr_SetString (PyExc_RuntimeError, "Only one task can await an answer");
      return NULL;
    }

  if (!self->has_come && !self->cancelled)
    {
      self->is_kept = TRUE;
      Py_INCREF (object);
    }
  Py_INCREF (args[0]);
  self->callback = args[0];
  context = keywords != NULL ? args[1] : NULL;
  if (context != NULL && context != Py_None)
    {
      Py_INCREF (context);
      self->callback_context = context;
    }
  if (self->has_come && !_pyisolate_awaitable_call_back_soon (self))
    return NULL;

  Py_RETURN_NONE;
}

static PyObject *
awaitable_remove_done_callback (PyObject *object,
                                PyObject *callback)
{
  PyIsolateAwaitable *self = (PyIsolateAwaitable *) object;
  int same = self->callback != NULL ? PyObject_RichCompareBool (self->callback, callback, Py_EQ) : 0;

  if (same < 0)
    return NULL;
  if (same)
    {
      Py_CLEAR (self->callback);
      Py_CLEAR (self->callback_context);
      _pyisolate_awaitable_let_go (self);
    }

  return PyLong_FromLong (same);
}

static void
turn_away (PyObject *object)
{
  _pyisolate_awaitable_give_up ((PyIsolateAwaitable *) object);
  _pyisolate_awaitable_let_go ((PyIsolateAwaitable *) object);
}

/* cancel(msg=None), by task.cancel(), which goes on itself in the loop's next turn. */
static PyObject *
awaitable_cancel (PyObject *object,
                  PyObject *args,
                  PyObject *kwargs)
{
  PyIsolateAwaitable *self = (PyIsolateAwaitable *) object;
  PyObject *message = PyTuple_Size (args) > 0 ? PyTuple_GetItem (args, 0) : NULL;

  if (self->has_come || self->cancelled)
    Py_RETURN_FALSE;

  if (message == NULL && kwargs != NULL)
    message = PyDict_GetItemWithError (kwargs, names.message);
  if (message != NULL && message != Py_None)
    {
      Py_INCREF (message);
      self->cancel_message = message;
    }
  self->cancelled = TRUE;
  turn_away (object);
  if (self->callback != NULL && !_pyisolate_awaitable_call_back_soon (self))
    return NULL;

  Py_RETURN_TRUE;
}

/* close(), by who closes the coroutine that awaits it. */
static PyObject *
awaitable_close (PyObject *object,
                 PyObject *unused)
{
  turn_away (object);
  Py_RETURN_NONE;
}

/* throw(type, value=None, traceback=None), by who throws something into that coroutine. */
static PyObject *
awaitable_throw (PyObject *object,
                 PyObject *args)
{
  PyObject *type;
  PyObject *value = NULL;
  PyObject *traceback = NULL;

  if (!PyArg_ParseTuple (args, "O|OO:throw", &type, &value, &traceback))
    return NULL;

  turn_away (object);
  if (PyExceptionInstance_Check (type))
    {
      value = type;
      type = (PyObject *) Py_TYPE (type);
    }
  if (value == Py_None)
    value = NULL;
  if (traceback == Py_None)
    traceback = NULL;
  Py_INCREF (type);
  Py_XINCREF (value);
  Py_XINCREF (traceback);
  PyErr_Restore (type, value, traceback);

  return NULL;
}

static PyObject *
awaitable_get_blocking (PyObject *object,
                        void     *closure)
{
  return PyBool_FromLong (((PyIsolateAwaitable *) object)->blocking);
}

static int
awaitable_set_blocking (PyObject *object,
                        PyObject *value,
                        void     *closure)
{
  int blocking = value != NULL ? PyObject_IsTrue (value) : 0;

  if (blocking < 0)
    return -1;

  ((PyIsolateAwaitable *) object)->blocking = blocking;
  return 0;
}

static PyGetSetDef properties[] = {
  { "_asyncio_future_blocking", awaitable_get_blocking, awaitable_set_blocking, NULL, NULL },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef methods[] = {
  { "result", awaitable_result, METH_NOARGS, "Raise what keeps it from coming." },
  { "done", awaitable_is_done, METH_NOARGS, "Whether it has come." },
  { "cancelled", awaitable_is_cancelled, METH_NOARGS, "Whether nobody waits for it any more." },
  { "cancel", (PyCFunction) (void (*) (void)) awaitable_cancel, METH_VARARGS | METH_KEYWORDS, "Do not wait for it." },
  { "close", awaitable_close, METH_NOARGS, "Do not wait for it, either." },
  { "throw", awaitable_throw, METH_VARARGS, "Do not wait for it, and raise this." },
  { "get_loop", awaitable_get_loop, METH_NOARGS, "The event loop." },
  { "add_done_callback", (PyCFunction) (void (*) (void)) awaitable_add_done_callback, METH_FASTCALL | METH_KEYWORDS,
    "For the one task that awaits it." },
  { "remove_done_callback", awaitable_remove_done_callback, METH_O, "Undo add_done_callback()." },
  { NULL, NULL, 0, NULL },
};

PyTypeObject *
_pyisolate_awaitable_new_type (const char        *name,
                               const char        *doc,
                               gsize              size,
                               unsigned int       flags,
                               const PyType_Slot *own)
{
  PyType_Slot slots[MAX_SLOTS] = {
    { Py_tp_doc, (void *) doc },
    { Py_tp_iter, PyObject_SelfIter },
    { Py_tp_iternext, awaitable_next },
    { Py_tp_getset, properties },
    { Py_tp_methods, methods },
  };
  guint n = 5;
  PyType_Spec spec = { name, (int) size, 0, flags, slots };

  names.call_soon = PyUnicode_InternFromString ("call_soon");
  names.context = PyUnicode_InternFromString ("context");
  names.message = PyUnicode_InternFromString ("msg");
  if (names.call_soon == NULL || names.context == NULL || names.message == NULL)
    return NULL;

  for (; own->slot != 0; own++)
    slots[n++] = *own;
  if (_pyisolate_python_is_at_least (3, 10)) /* before, it is not known */
    slots[n++] = (PyType_Slot) { Py_am_send, (void *) awaitable_send };
  g_assert (n < MAX_SLOTS);

  return (PyTypeObject *) PyType_FromSpec (&spec);
}
