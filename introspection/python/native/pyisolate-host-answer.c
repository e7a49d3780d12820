/* SPDX-License-Identifier: MIT */
/* Answer: what a call is waited for by, awaited in a coroutine or looked at by who blocks.
 *
 * To a task it is what a future is. But where the answer is read inside of the loop's select(), the task goes on at once, and
 * not in the loop's next turn. Everything here has the GIL. */
#include "pyisolate-host-private.h"

typedef struct {
  PyObject_HEAD
  guint64 id;               /* 0: not under way, or not any more */
  PyIsolateHostMethod *method;
  PyObject *args;           /* NULL, as the next: the call has been made */
  PyObject *kwargs;
  PyIsolateHostContext *context; /* NULL, as the next: it has not */
  PyObject *variables;      /* the context variables of who called */
  PyIsolateAnswer *outcome; /* NULL: has not come yet */
  PyObject *callback;       /* the awaiting task's, or NULL */
  PyObject *callback_context;
  PyObject *cancel_message; /* or NULL */
  gboolean is_kept;         /* somebody waits: nothing else may have the task, as long as the call is under way */
  gboolean blocking;        /* of the protocol between futures and tasks */
  gboolean cancelled;
} Answer;

static PyTypeObject *answer_type;
static PyIsolateIdTable waited_for; /* → Answer, borrowed */

static struct {
  PyObject *call_soon;
  PyObject *context;
  PyObject *message;
} names;

/* The caller has a reference of its own. */
static void
forget (Answer *self)
{
  if (self->id != 0)
    _pyisolate_id_table_steal (&waited_for, self->id);
  self->id = 0;
  if (self->is_kept)
    Py_DECREF (self);
  self->is_kept = FALSE;
}

/* Nobody waits for it any more. */
static void
give_up (Answer *self)
{
  PyIsolateExtension *extension = self->method->target->extension;
  guint64 id = self->id;

  if (id == 0)
    return;

  forget (self);
  if (_pyisolate_host_hooks.is_forked)
    return;

  Py_BEGIN_ALLOW_THREADS
  pyisolate_extension_cancel_request (extension, id);
  Py_END_ALLOW_THREADS
}

static int
answer_traverse (PyObject  *object,
                 visitproc  visit,
                 void      *arg)
{
  Answer *self = (Answer *) object;

  Py_VISIT (Py_TYPE (object));
  Py_VISIT (self->context);
  Py_VISIT (self->method);
  Py_VISIT (self->args);
  Py_VISIT (self->kwargs);
  Py_VISIT (self->variables);
  Py_VISIT (self->callback);
  Py_VISIT (self->callback_context);

  return 0;
}

/* The method stays: it is needed to give up. */
static int
answer_clear (PyObject *object)
{
  Answer *self = (Answer *) object;

  Py_CLEAR (self->args);
  Py_CLEAR (self->kwargs);
  Py_CLEAR (self->variables);
  Py_CLEAR (self->callback);
  Py_CLEAR (self->callback_context);

  return 0;
}

static void
answer_dealloc (PyObject *object)
{
  Answer *self = (Answer *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  PyObject_GC_UnTrack (object);
  give_up (self);
  answer_clear (object);
  g_clear_pointer (&self->outcome, pyisolate_answer_free);
  Py_CLEAR (self->cancel_message);
  Py_CLEAR (self->method);
  Py_CLEAR (self->context);
  release (object);
  Py_DECREF (type);
}

/* Before the call is made. */
PyObject *
_pyisolate_host_answer_new (PyIsolateHostMethod *method,
                            PyObject            *args,
                            PyObject            *kwargs)
{
  Answer *self = (Answer *) PyType_GenericAlloc (answer_type, 0);

  if (self == NULL)
    return NULL;

  Py_INCREF (method);
  self->method = method;
  Py_INCREF (args);
  self->args = args;
  Py_INCREF (kwargs);
  self->kwargs = kwargs;

  return (PyObject *) self;
}

gboolean
_pyisolate_host_answer_begin (PyObject *object)
{
  Answer *self = (Answer *) object;
  PyObject *args = g_steal_pointer (&self->args);
  PyObject *kwargs = g_steal_pointer (&self->kwargs);
  guint64 id = 0;

  if (args == NULL)
    return TRUE;

  self->context = _pyisolate_host_method_find_context (self->method);
  if (self->context != NULL)
    self->variables = PyContext_CopyCurrent ();
  if (self->variables != NULL)
    id = _pyisolate_host_method_send (self->method, self->context, args, kwargs);
  Py_DECREF (args);
  Py_DECREF (kwargs);
  if (id == 0)
    return FALSE;

  self->id = id;
  _pyisolate_id_table_insert (&waited_for, self->id, self);
  return TRUE;
}

PyIsolateHostContext *
_pyisolate_host_answer_get_context (PyObject *object)
{
  return ((Answer *) object)->context;
}

gboolean
_pyisolate_host_answer_is_done (PyObject *object)
{
  return ((Answer *) object)->outcome != NULL;
}

gboolean
_pyisolate_host_origin_of (PyIsolateInvocation  *invocation,
                           PyObject            **bridge,
                           PyObject            **context)
{
  guint64 id = pyisolate_invocation_get_call_id (invocation);
  Answer *self = _pyisolate_id_table_lookup (&waited_for, id);

  if (self == NULL)
    return FALSE;

  *bridge = (PyObject *) self->context;
  *context = self->variables;
  Py_INCREF (*bridge);
  Py_INCREF (*context);

  return TRUE;
}

/* Calls back what waits, in its own context. FALSE: an exception that is not the waiting task's. */
static gboolean
call_back (Answer *self)
{
  PyObject *callback = g_steal_pointer (&self->callback);
  PyObject *context = g_steal_pointer (&self->callback_context);
  PyObject *waker = NULL;
  PyObject *result = NULL;

  if (self->context->tasks != NULL)
    waker = _pyisolate_tasks_get_waker (_pyisolate_host_tasks_get (self->context->tasks), callback);
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

/* loop.call_soon(callback, self, context=context); a loop that is closed runs nothing any more. */
static gboolean
call_back_soon (Answer *self)
{
  PyObject *loop = self->context->loop;
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

static gboolean
tell_progress (Answer          *self,
               PyIsolateAnswer *progress)
{
  PyObject *returned;

  if (self->method->on_progress == NULL)
    return TRUE;

  returned = PyObject_CallFunction (self->method->on_progress, "ds", progress->fraction, progress->text);
  if (returned == NULL)
    _pyisolate_host_report (self->method->on_progress);
  Py_XDECREF (returned);

  return TRUE;
}

/* Takes what has come. @at_once: nothing waits for its turn in the loop, before which this would come. FALSE: an exception is
 * set that is none of the waiting task's. */
gboolean
_pyisolate_host_answer_take (PyIsolateAnswer *outcome,
                             gboolean         at_once)
{
  Answer *self = _pyisolate_id_table_lookup (&waited_for, outcome->id);
  gboolean ok = TRUE;

  if (self == NULL)
    {
      pyisolate_answer_free (outcome);
      return TRUE;
    }

  Py_INCREF (self);
  if (outcome->text != NULL)
    {
      ok = tell_progress (self, outcome);
      pyisolate_answer_free (outcome);
    }
  else
    {
      forget (self);
      self->outcome = outcome;
      if (self->callback != NULL)
        ok = at_once ? call_back (self) : call_back_soon (self);
    }
  Py_DECREF (self);

  return ok;
}

static PyObject *
raise_error (Answer       *self,
             const GError *error)
{
  _pyisolate_host_method_raise (self->method, error);
  return NULL;
}

static PyObject *
decode (Answer *self)
{
  PyIsolateAnswer *outcome = self->outcome;
  PyIsolateContents contents = { outcome->fds, outcome->n_fds, outcome->memories, outcome->n_memories };
  g_autoptr (GError) error = NULL;
  gsize size;
  const guint8 *data = g_bytes_get_data (outcome->body, &size);
  PyObject *value = _pyisolate_codec_decode_value (data, size, &contents);

  if (value != NULL || pyisolate_answer_check (outcome, &error))
    return value;

  PyErr_Clear ();
  return raise_error (self, error);
}

/* CancelledError, with the message of task.cancel(), if there was one. */
static void
raise_cancelled (Answer *self)
{
  PyObject *module = PyImport_ImportModule ("asyncio.exceptions");
  PyObject *type = module != NULL ? PyObject_GetAttrString (module, "CancelledError") : NULL;

  if (type != NULL && self->cancel_message != NULL)
    PyErr_SetObject (type, self->cancel_message);
  else if (type != NULL)
    PyErr_SetNone (type);
  Py_XDECREF (type);
  Py_XDECREF (module);
}

/* Once it is done: the value, or NULL with an exception. */
PyObject *
_pyisolate_host_answer_get_value (PyObject *object)
{
  Answer *self = (Answer *) object;

  if (self->cancelled)
    raise_cancelled (self);
  else if (self->outcome == NULL)
    PyErr_SetString (PyExc_RuntimeError, "The answer has not come yet");
  else if (self->outcome->error != NULL)
    return raise_error (self, self->outcome->error);
  else
    return decode (self);

  return NULL;
}

/* Whether the await has not ended yet: then the task is to wait for this object. */
static gboolean
must_wait (Answer *self)
{
  if (self->outcome != NULL || self->cancelled)
    return FALSE;

  self->blocking = TRUE;
  Py_INCREF (self);
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

  *result = _pyisolate_host_answer_get_value (object);
  return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

/* The end of the await. */
static PyObject *
answer_next (PyObject *object)
{
  PyObject *value, *stop;

  if (must_wait ((Answer *) object))
    return object;

  value = _pyisolate_host_answer_get_value (object);
  if (value == NULL)
    return NULL;

  if (!PyTuple_Check (value) && !PyObject_TypeCheck (value, (PyTypeObject *) PyExc_BaseException))
    {
      PyErr_SetObject (PyExc_StopIteration, value);
    }
  else
    {
      /* It would become the exception's arguments, or the exception. */
      stop = PyObject_CallFunctionObjArgs (PyExc_StopIteration, value, NULL);
      if (stop != NULL)
        PyErr_SetObject (PyExc_StopIteration, stop);
      Py_XDECREF (stop);
    }
  Py_DECREF (value);

  return NULL;
}

static PyObject *
answer_self (PyObject *self)
{
  Py_INCREF (self);
  return self;
}

static PyObject *
answer_await (PyObject *self)
{
  return _pyisolate_host_answer_begin (self) ? answer_self (self) : NULL;
}

/* Tasks ask only whether it raises: the value is for the coroutine, which gets it by answer_next(). */
static PyObject *
answer_result (PyObject *object,
               PyObject *unused)
{
  Answer *self = (Answer *) object;

  if (!self->cancelled && self->outcome != NULL)
    Py_RETURN_NONE;

  return _pyisolate_host_answer_get_value (object);
}

static PyObject *
answer_is_done (PyObject *object,
                PyObject *unused)
{
  return PyBool_FromLong (((Answer *) object)->outcome != NULL || ((Answer *) object)->cancelled);
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
  PyIsolateHostContext *context = ((Answer *) object)->context;
  PyObject *loop = context != NULL ? context->loop : NULL;

  return answer_self (loop != NULL ? loop : Py_None);
}

/* add_done_callback(callback, *, context=None) */
static PyObject *
answer_add_done_callback (PyObject        *object,
                          PyObject *const *args,
                          Py_ssize_t       n_args,
                          PyObject        *keywords)
{
  Answer *self = (Answer *) object;
  PyObject *callback = n_args == 1 ? args[0] : NULL;
  PyObject *context = keywords != NULL && PyTuple_Size (keywords) == 1 ? args[n_args] : NULL;

  if (callback == NULL || self->callback != NULL)
    {
      PyErr_SetString (PyExc_RuntimeError, "Only one task can await an answer");
      return NULL;
    }

  if (self->id != 0)
    {
      self->is_kept = TRUE;
      Py_INCREF (self);
    }
  Py_INCREF (callback);
  self->callback = callback;
  if (context != NULL && context != Py_None)
    {
      Py_INCREF (context);
      self->callback_context = context;
    }
  if (self->outcome != NULL && !call_back_soon (self))
    return NULL;

  Py_RETURN_NONE;
}

static PyObject *
answer_remove_done_callback (PyObject *object,
                             PyObject *callback)
{
  Answer *self = (Answer *) object;
  int same = self->callback != NULL ? PyObject_RichCompareBool (self->callback, callback, Py_EQ) : 0;

  if (same < 0)
    return NULL;
  if (same)
    {
      Py_CLEAR (self->callback);
      Py_CLEAR (self->callback_context);
    }

  return PyLong_FromLong (same);
}

/* cancel(msg=None), by task.cancel(), which goes on itself in the loop's next turn. */
static PyObject *
answer_cancel (PyObject *object,
               PyObject *args,
               PyObject *kwargs)
{
  Answer *self = (Answer *) object;
  PyObject *message = PyTuple_Size (args) > 0 ? PyTuple_GetItem (args, 0) : NULL;

  if (self->outcome != NULL || self->cancelled)
    Py_RETURN_FALSE;

  if (message == NULL && kwargs != NULL)
    message = PyDict_GetItemWithError (kwargs, names.message);
  if (message != NULL && message != Py_None)
    {
      Py_INCREF (message);
      self->cancel_message = message;
    }
  self->cancelled = TRUE;
  give_up (self);
  if (self->callback != NULL && !call_back_soon (self))
    return NULL;

  Py_RETURN_TRUE;
}

/* close(), by who closes the coroutine that awaits it. */
static PyObject *
answer_close (PyObject *object,
              PyObject *unused)
{
  give_up ((Answer *) object);
  Py_RETURN_NONE;
}

/* throw(type, value=None, traceback=None), by who throws something into that coroutine. */
static PyObject *
answer_throw (PyObject *object,
              PyObject *args)
{
  PyObject *type;
  PyObject *value = NULL;
  PyObject *traceback = NULL;

  if (!PyArg_ParseTuple (args, "O|OO:throw", &type, &value, &traceback))
    return NULL;

  give_up ((Answer *) object);
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

static PyGetSetDef answer_properties[] = {
  { "_asyncio_future_blocking", answer_get_blocking, answer_set_blocking, NULL, NULL },
  { NULL }
};

static PyMethodDef answer_methods[] = {
  { "result", answer_result, METH_NOARGS, "Raise what keeps it from coming." },
  { "done", answer_is_done, METH_NOARGS, "Whether it has come." },
  { "cancelled", answer_is_cancelled, METH_NOARGS, "Whether nobody waits for it any more." },
  { "cancel", (PyCFunction) (void (*) (void)) answer_cancel, METH_VARARGS | METH_KEYWORDS, "Do not wait for it." },
  { "close", answer_close, METH_NOARGS, "Do not wait for it, either." },
  { "throw", answer_throw, METH_VARARGS, "Do not wait for it, and raise this." },
  { "get_loop", answer_get_loop, METH_NOARGS, "The event loop." },
  { "add_done_callback", (PyCFunction) (void (*) (void)) answer_add_done_callback, METH_FASTCALL | METH_KEYWORDS,
    "For the one task that awaits it." },
  { "remove_done_callback", answer_remove_done_callback, METH_O, "Undo add_done_callback()." },
  { NULL }
};

static PyType_Slot answer_slots[] = {
  { Py_tp_dealloc, answer_dealloc },
  { Py_tp_traverse, answer_traverse },
  { Py_tp_clear, answer_clear },
  { Py_am_await, answer_await },
  { Py_tp_iter, answer_self },
  { Py_tp_iternext, answer_next },
  { Py_tp_getset, answer_properties },
  { Py_tp_methods, answer_methods },
  { Py_tp_doc, (void *) "The answer to a call." },
  { Py_am_send, (void *) answer_send }, /* the last: Python 3.9 does not know it */
  { 0, NULL }
};

static PyType_Spec answer_spec = {
  .name = "_pyisolate_host.Answer",
  .basicsize = sizeof (Answer),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
  .slots = answer_slots,
};

gboolean
_pyisolate_host_add_answer (PyObject *module)
{
  names.call_soon = PyUnicode_InternFromString ("call_soon");
  names.context = PyUnicode_InternFromString ("context");
  names.message = PyUnicode_InternFromString ("msg");
  if (!_pyisolate_python_is_at_least (3, 10))
    answer_slots[G_N_ELEMENTS (answer_slots) - 2] = (PyType_Slot) { 0, NULL };
  answer_type = (PyTypeObject *) PyType_FromSpec (&answer_spec);

  return names.call_soon != NULL && names.context != NULL && names.message != NULL && answer_type != NULL;
}
