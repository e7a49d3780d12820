/* SPDX-License-Identifier: MIT */
/* Answer: what a coroutine on the main thread's loop awaits after it has called the host.
 *
 * To a task it is what a future is. But the task goes on at once when the answer has come, inside
 * of the loop's select(), and not in the loop's next turn. Everything here has the GIL. */
#include "config.h"

#include "pyisolate-native-private.h"

#include "pyisolate-task-private.h"

#include <string.h>

typedef struct {
  PyObject_HEAD
  guint64 id;
  PyObject *loop;
  PyObject *frame;    /* NULL: has not come yet */
  PyObject *callback; /* the awaiting task's, or NULL */
  PyObject *context;  /* in which to call it */
  gboolean blocking;  /* of the protocol between futures and tasks */
  gboolean cancelled;
} Answer;

static PyTypeObject *answer_type;
static PyIsolateIdTable waited_for; /* → Answer, borrowed */

/* Nobody waits for it any more. */
static void
end_wait (Answer *self)
{
  if (self->id != 0 && _pyisolate_id_table_steal (&waited_for, self->id) != NULL && !_pyisolate_runtime_is_forked ())
    _pyisolate_out_call_end (self->id);
}

static void
answer_dealloc (PyObject *object)
{
  Answer *self = (Answer *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc free_object = (freefunc) PyType_GetSlot (type, Py_tp_free);

  end_wait (self);
  Py_CLEAR (self->loop);
  Py_CLEAR (self->frame);
  Py_CLEAR (self->callback);
  Py_CLEAR (self->context);
  free_object (object);
  Py_DECREF ((PyObject *) type);
}

PyObject *
_pyisolate_native_answer_new (guint64   id,
                              PyObject *loop)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (answer_type, Py_tp_alloc);
  PyObject *object = alloc (answer_type, 0);
  Answer *self = (Answer *) object;

  if (object == NULL)
    {
      _pyisolate_out_call_end (id);
      return NULL;
    }

  self->id = id;
  self->loop = loop;
  Py_INCREF (loop);
  _pyisolate_id_table_insert (&waited_for, self->id, self);

  return object;
}

static void
raise_asyncio (const char *name,
               const char *message)
{
  PyObject *module = PyImport_ImportModule ("asyncio.exceptions");
  PyObject *type = module != NULL ? PyObject_GetAttrString (module, name) : NULL;

  Py_XDECREF (module);
  if (type != NULL && message != NULL)
    PyErr_SetString (type, message);
  else if (type != NULL)
    PyErr_SetNone (type);
  Py_XDECREF (type);
}

/* Whether it has come, and is no error. */
static gboolean
is_returned (Answer *self)
{
  return !self->cancelled && self->frame != NULL && self->frame != Py_None &&
         _pyisolate_native_frame_get (self->frame)->kind == PYISOLATE_FRAME_RETURN;
}

/* Calls back what waits, in its own context. FALSE: an exception that is not the waiting task's. */
static gboolean
call_back (Answer *self)
{
  PyObject *callback = self->callback;
  PyObject *context = self->context;
  PyObject *result = NULL;
  PyObject *waker = NULL;

  if (callback == NULL)
    return TRUE;

  if (is_returned (self))
    waker = _pyisolate_native_server_get_waker (callback);

  self->callback = NULL;
  self->context = NULL;
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

/* loop.call_soon(callback, self, context=context) */
static gboolean
call_back_soon (Answer *self)
{
  PyObject *call_soon = PyObject_GetAttrString (self->loop, "call_soon");
  PyObject *args = PyTuple_Pack (2, self->callback, (PyObject *) self);
  PyObject *kwargs = PyDict_New ();
  PyObject *handle = NULL;

  if (call_soon != NULL && args != NULL && kwargs != NULL &&
      (self->context == NULL || PyDict_SetItemString (kwargs, "context", self->context) == 0))
    handle = PyObject_Call (call_soon, args, kwargs);
  Py_XDECREF (call_soon);
  Py_XDECREF (args);
  Py_XDECREF (kwargs);
  Py_XDECREF (handle);
  Py_CLEAR (self->callback);
  Py_CLEAR (self->context);

  return handle != NULL;
}

/*< private >
 * @frame: a RETURN or ERROR
 * @at_once: nothing waits for its turn in the loop, before which this would come
 *
 * Goes on with what awaits it. FALSE: an exception is set that is none of the task's.
 */
gboolean
_pyisolate_native_answer_take (PyObject *frame,
                               gboolean  at_once)
{
  guint64 id = _pyisolate_native_frame_get (frame)->id;
  Answer *self = _pyisolate_id_table_lookup (&waited_for, id);
  gboolean ok;

  if (self == NULL)
    return TRUE;

  Py_INCREF ((PyObject *) self);
  end_wait (self);
  self->frame = frame;
  Py_INCREF (frame);
  ok = at_once || self->callback == NULL ? call_back (self) : call_back_soon (self);
  Py_DECREF ((PyObject *) self);

  return ok;
}

/* The link is closed. */
gboolean
_pyisolate_native_answers_fail (void)
{
  guint n_answers;
  g_autofree gpointer *answers = _pyisolate_id_table_dup_values (&waited_for, &n_answers);
  gboolean ok = TRUE;

  for (guint i = 0; i < n_answers; i++)
    Py_INCREF ((PyObject *) answers[i]);
  for (guint i = 0; i < n_answers; i++)
    {
      Answer *self = answers[i];

      end_wait (self);
      if (self->frame == NULL && !self->cancelled)
        {
          self->frame = Py_None;
          Py_INCREF (Py_None);
          ok = call_back (self) && ok;
        }
      Py_DECREF ((PyObject *) self);
    }

  return ok;
}

/* The value, or NULL with an exception. */
static PyObject *
answer_get (Answer *self)
{
  if (self->cancelled)
    raise_asyncio ("CancelledError", NULL);
  else if (self->frame == NULL)
    raise_asyncio ("InvalidStateError", "The answer has not come yet");
  else if (self->frame == Py_None)
    PyErr_SetString (PyExc_ConnectionResetError, "The link to the host is closed");
  else if (_pyisolate_native_frame_get (self->frame)->kind == PYISOLATE_FRAME_ERROR)
    _pyisolate_native_raise_error_of (self->frame);
  else
    return _pyisolate_native_frame_decode_value (self->frame);

  return NULL;
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

/* Whether the await has not ended yet: then the task is to wait for this object. */
static gboolean
must_wait (Answer *self)
{
  if (self->frame != NULL || self->cancelled)
    return FALSE;

  self->blocking = TRUE;
  Py_INCREF ((PyObject *) self);
  return TRUE;
}

/* The same as the next, from Python 3.10 on: without an exception for the value. */
static int
answer_send (PyObject  *object,
             PyObject  *unused,
             PyObject **result)
{
  if (must_wait ((Answer *) object))
    {
      *result = object;
      return PYGEN_NEXT;
    }

  *result = answer_get ((Answer *) object);
  return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

/* The end of the await. */
static PyObject *
answer_next (PyObject *object)
{
  PyObject *value;

  if (must_wait ((Answer *) object))
    return object;

  value = answer_get ((Answer *) object);
  if (value != NULL)
    stop_with (value);
  Py_XDECREF (value);

  return NULL;
}

static PyObject *
answer_self (PyObject *self)
{
  Py_INCREF (self);
  return self;
}

/* Tasks ask only whether it raises: the value is for the coroutine, which gets it by answer_next(). */
static PyObject *
answer_result (PyObject *object,
               PyObject *unused)
{
  Answer *self = (Answer *) object;

  if (is_returned (self))
    Py_RETURN_NONE;

  return answer_get (self);
}

static PyObject *
answer_is_done (PyObject *object,
                PyObject *unused)
{
  return PyBool_FromLong (((Answer *) object)->frame != NULL || ((Answer *) object)->cancelled);
}

static PyObject *
answer_is_cancelled (PyObject *object,
                     PyObject *unused)
{
  return PyBool_FromLong (((Answer *) object)->cancelled);
}

static PyObject *
answer_get_loop (PyObject *object,
                 PyObject *unused)
{
  return answer_self (((Answer *) object)->loop);
}

/* add_done_callback(callback, *, context=None) */
static PyObject *
answer_add_done_callback (PyObject        *object,
                          PyObject *const *args,
                          Py_ssize_t       n_args,
                          PyObject        *keywords)
{
  Answer *self = (Answer *) object;
  PyObject *callback;
  PyObject *context;

  if (n_args != 1 || (keywords != NULL && PyTuple_Size (keywords) != 1))
    {
      PyErr_SetString (PyExc_TypeError, "add_done_callback() takes a callback, and a context by its name");
      return NULL;
    }
  callback = args[0];
  context = keywords != NULL ? args[1] : NULL;
  if (self->callback != NULL)
    {
      PyErr_SetString (PyExc_RuntimeError, "Somebody else awaits this already");
      return NULL;
    }

  Py_INCREF (callback);
  self->callback = callback;
  if (context == Py_None)
    context = NULL;
  Py_XINCREF (context);
  self->context = context;

  Py_RETURN_NONE;
}

/* By task.cancel(), which goes on itself in the loop's next turn. */
static PyObject *
answer_cancel (PyObject *object,
               PyObject *args,
               PyObject *kwargs)
{
  Answer *self = (Answer *) object;

  if (self->frame != NULL || self->cancelled)
    Py_RETURN_FALSE;

  self->cancelled = TRUE;
  end_wait (self);
  if (self->callback != NULL && !call_back_soon (self))
    return NULL;

  Py_RETURN_TRUE;
}

static PyObject *
answer_get_blocking (PyObject *object,
                     void     *closure)
{
  return PyBool_FromLong (((Answer *) object)->blocking);
}

static int
answer_set_blocking (PyObject *object,
                     PyObject *value,
                     void     *closure)
{
  int blocking = value != NULL ? PyObject_IsTrue (value) : 0;

  if (blocking < 0)
    return -1;

  ((Answer *) object)->blocking = blocking;
  return 0;
}

static PyGetSetDef answer_getset[] = {
  { "_asyncio_future_blocking", answer_get_blocking, answer_set_blocking, NULL, NULL },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef answer_methods[] = {
  { "result", answer_result, METH_NOARGS, "Raise what the call has raised." },
  { "done", answer_is_done, METH_NOARGS, "Whether it has come." },
  { "cancelled", answer_is_cancelled, METH_NOARGS, "Whether nobody waits for it any more." },
  { "cancel", (PyCFunction) (void (*) (void)) answer_cancel, METH_VARARGS | METH_KEYWORDS,
    "Do not wait for it." },
  { "get_loop", answer_get_loop, METH_NOARGS, "The event loop." },
  { "add_done_callback", (PyCFunction) (void (*) (void)) answer_add_done_callback,
    METH_FASTCALL | METH_KEYWORDS, "For the one task that awaits it." },
  { NULL, NULL, 0, NULL },
};

gboolean
_pyisolate_native_answer_init (PyObject *module)
{
  PyType_Slot slots[] = {
    { Py_tp_dealloc, answer_dealloc },
    { Py_am_await, answer_self },
    { Py_tp_iter, answer_self },
    { Py_tp_iternext, answer_next },
    { Py_tp_getset, answer_getset },
    { Py_tp_methods, answer_methods },
    { Py_tp_doc, "The answer to a call of the host's." },
    { _pyisolate_python_is_at_least (3, 10) ? Py_am_send : 0, answer_send }, /* the last: Python 3.9 does not know it */
    { 0, NULL },
  };
  PyType_Spec spec = { "_pyisolate_native.Answer", sizeof (Answer), 0, Py_TPFLAGS_DEFAULT, slots };

  answer_type = (PyTypeObject *) PyType_FromSpec (&spec);
  if (answer_type == NULL)
    return FALSE;

  Py_INCREF ((PyObject *) answer_type);
  return PyModule_AddObject (module, "Answer", (PyObject *) answer_type) == 0;
}
