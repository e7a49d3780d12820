/* SPDX-License-Identifier: MIT */
/* Group: what pyisolate.gather() waits for, without a task for each call.
 *
 * A call of an extension that nobody has awaited yet is a coroutine that does nothing but await its Answer. It is begun here,
 * which sends the call, and goes on where the answer is read; so it raises what it would raise for a task, and nobody else can
 * have it. Whatever else there is to wait for is a future of asyncio's. One future, the outer one, tells the end of all. */
#include "pyisolate-host-private.h"

#include "pyisolate-awaitable-private.h"
#include "pyisolate-task-private.h"

extern int PyIter_Send (PyObject  *iterator,
                        PyObject  *value,
                        PyObject **result) __attribute__ ((weak)); /* from Python 3.10 on */

typedef struct {
  PyObject *source; /* the coroutine of a call, or a future */
  PyObject *answer; /* of a call that is under way, or NULL */
  PyObject *value;  /* what it has come to, an exception perhaps; or NULL */
} Child;

typedef struct {
  PyObject_HEAD
  PyObject *loop;
  PyObject *outer;   /* NULL when nothing can happen to it any more */
  PyObject *context; /* the variables of who gathers */
  Child *children;
  guint *places;     /* of each argument: its child */
  guint n_places;
  guint n_children;
  guint n_open;      /* children that have not ended; one more while they are begun */
  guint n_calls;     /* of them, calls under way: then it keeps itself, since nothing else may have it */
  gboolean is_entered; /* the context is */
  gboolean is_settling;
  gboolean cancel_requested;
  gboolean return_exceptions;
} Group;

static struct {
  PyObject *coroutine_type;
  PyObject *code; /* of the coroutines that await an answer */
  PyObject *ensure_future;
  PyObject *partial;
  PyObject *cancelled_error;
  PyObject *cr_code;
  PyObject *loop;
} python;

static gboolean
prepare (void)
{
  if (python.loop != NULL)
    return TRUE;

  if (python.coroutine_type == NULL)
    python.coroutine_type = _pyisolate_import ("types", "CoroutineType");
  if (python.code == NULL)
    python.code = PyObject_GetAttrString (_pyisolate_host_hooks.coroutine, "__code__");
  if (python.ensure_future == NULL)
    python.ensure_future = _pyisolate_import ("asyncio", "ensure_future");
  if (python.partial == NULL)
    python.partial = _pyisolate_import ("functools", "partial");
  if (python.cancelled_error == NULL)
    python.cancelled_error = _pyisolate_import ("asyncio", "CancelledError");
  if (python.cr_code == NULL)
    python.cr_code = PyUnicode_InternFromString ("cr_code");
  if (PyErr_Occurred () == NULL)
    python.loop = PyUnicode_InternFromString ("loop");

  return python.loop != NULL;
}

/* ---- what has come ---- */

/* A task raises these, too, besides having them. */
static gboolean
ends_loop (PyObject *exception)
{
  return PyErr_GivenExceptionMatches (exception, PyExc_KeyboardInterrupt) ||
         PyErr_GivenExceptionMatches (exception, PyExc_SystemExit);
}

static PyObject *
new_results (Group *self)
{
  PyObject *list = PyList_New (self->n_places);

  for (guint i = 0; list != NULL && i < self->n_places; i++)
    {
      PyObject *value = self->children[self->places[i]].value;

      Py_INCREF (value);
      PyList_SetItem (list, i, value);
    }

  return list;
}

/* Steals @value. The future may have been settled by somebody else, and its loop may be closed: then it is nobody's any more. */
static gboolean
settle_outer (Group      *self,
              const char *method,
              PyObject   *value)
{
  PyObject *done = PyObject_CallMethod (self->outer, "done", NULL);
  PyObject *returned = NULL;

  if (done == Py_False && value != NULL)
    returned = PyObject_CallMethod (self->outer, method, "(O)", value);
  if (PyErr_Occurred () != NULL && PyErr_ExceptionMatches (PyExc_RuntimeError))
    PyErr_Clear ();
  Py_XDECREF (done);
  Py_XDECREF (returned);
  Py_XDECREF (value);

  return PyErr_Occurred () == NULL;
}

static void
drop_children (Group *self)
{
  for (guint i = 0; i < self->n_children; i++)
    {
      Py_CLEAR (self->children[i].source);
      Py_CLEAR (self->children[i].value);
    }
  self->n_children = 0;
}

/* One less is waited for. FALSE: an exception. */
static gboolean
close_one (Group *self)
{
  gboolean ok = TRUE;

  if (--self->n_open > 0)
    return TRUE;

  if (self->outer != NULL && self->cancel_requested)
    ok = settle_outer (self, "set_exception", PyObject_CallFunctionObjArgs (python.cancelled_error, NULL));
  else if (self->outer != NULL)
    ok = settle_outer (self, "set_result", new_results (self));
  Py_CLEAR (self->outer);
  drop_children (self);

  return ok;
}

static void
drop_answer (Group *self,
             Child *child)
{
  if (child->answer == NULL)
    return;

  _pyisolate_host_answer_leave (child->answer);
  Py_CLEAR (child->answer);
  if (--self->n_calls == 0)
    Py_DECREF ((PyObject *) self);
}

/* Steals @value. The caller has a reference of its own. FALSE: an exception. */
static gboolean
finish (Group    *self,
        guint     index,
        PyObject *value,
        gboolean  failed)
{
  Child *child = &self->children[index];
  gboolean ok = TRUE;

  child->value = value;
  drop_answer (self, child);
  if (failed && !self->return_exceptions && self->outer != NULL)
    {
      Py_INCREF (value);
      ok = settle_outer (self, "set_exception", value);
    }

  return close_one (self) && ok;
}

/* ---- calls ---- */

/* The same before Python 3.10. */
static int
send_by_method (PyObject  *coroutine,
                PyObject **result)
{
  PyObject *type, *stop, *traceback;

  *result = PyObject_CallMethod (coroutine, "send", "O", Py_None);
  if (*result != NULL)
    return PYGEN_NEXT;
  if (!PyErr_ExceptionMatches (PyExc_StopIteration))
    return PYGEN_ERROR;

  PyErr_Fetch (&type, &stop, &traceback);
  PyErr_NormalizeException (&type, &stop, &traceback);
  *result = PyObject_GetAttrString (stop, "value");
  Py_XDECREF (type);
  Py_XDECREF (stop);
  Py_XDECREF (traceback);

  return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

/* The coroutine's next step. */
static int
send_in_context (Group     *self,
                 PyObject  *coroutine,
                 PyObject **result)
{
  gboolean enters = !self->is_entered;
  int sent;

  /* Inside of itself, what decodes a value has waited for another call of the same group: it runs in that context already. */
  if (enters && PyContext_Enter (self->context) < 0)
    return PYGEN_ERROR;

  self->is_entered = TRUE;
  sent = PyIter_Send != NULL ? PyIter_Send (coroutine, Py_None, result) : send_by_method (coroutine, result);
  if (enters)
    {
      self->is_entered = FALSE;
      PyContext_Exit (self->context);
    }

  return sent;
}

/* Where a call has ended. FALSE: an exception that is for whoever runs the loop. */
static gboolean
end_call (Group    *self,
          guint     index,
          int       sent,
          PyObject *result)
{
  PyObject *exception;
  gboolean ends;

  if (sent == PYGEN_RETURN)
    return finish (self, index, result, FALSE);

  Py_XDECREF (result);
  if (sent == PYGEN_NEXT)
    PyErr_SetString (PyExc_RuntimeError, "The call goes on after its answer");
  exception = _pyisolate_host_take_exception ();
  ends = ends_loop (exception);
  Py_INCREF (exception);
  if (!finish (self, index, exception, TRUE))
    ends = FALSE;
  else if (ends)
    PyErr_SetObject ((PyObject *) Py_TYPE (exception), exception);
  Py_DECREF (exception);

  return PyErr_Occurred () == NULL;
}

gboolean
_pyisolate_host_group_take (PyObject *group,
                            guint     index)
{
  Group *self = (Group *) group;
  PyObject *coroutine = self->children[index].source;
  PyObject *result = NULL;
  gboolean ok;
  int sent;

  Py_INCREF (group);
  Py_INCREF (coroutine);
  sent = send_in_context (self, coroutine, &result);
  ok = end_call (self, index, sent, result);
  Py_DECREF (coroutine);
  Py_DECREF (group);

  return ok;
}

/* Those for which nobody waits any more: they were cancelled with the group, or somebody has closed the coroutine. */
static PyObject *
group_settle_lost (PyObject *group,
                   PyObject *unused)
{
  Group *self = (Group *) group;

  self->is_settling = FALSE;
  for (guint i = 0; i < self->n_children; i++)
    {
      PyObject *answer = self->children[i].answer;

      if (answer != NULL && _pyisolate_host_answer_is_lost (answer) && !_pyisolate_host_group_take (group, i))
        return NULL;
    }

  Py_RETURN_NONE;
}

void
_pyisolate_host_group_lose (PyObject *group)
{
  Group *self = (Group *) group;
  PyObject *type, *value, *traceback;
  PyObject *settle, *handle;

  if (self->is_settling)
    return;

  PyErr_Fetch (&type, &value, &traceback);
  settle = PyObject_GetAttrString (group, "settle_lost");
  handle = settle != NULL ? PyObject_CallMethod (self->loop, "call_soon", "O", settle) : NULL;
  self->is_settling = handle != NULL;
  if (handle == NULL)
    PyErr_Clear (); /* the loop is closed, and nobody can go on there */
  Py_XDECREF (settle);
  Py_XDECREF (handle);
  PyErr_Restore (type, value, traceback);
}

/* A coroutine of ours. One that has been begun is told by it as a task would be. */
static gboolean
is_call (PyObject *object)
{
  PyObject *code;

  if ((PyObject *) Py_TYPE (object) != python.coroutine_type)
    return FALSE;

  code = PyObject_GetAttr (object, python.cr_code);
  Py_XDECREF (code);

  return code == python.code;
}

/* The child of the same call, which could not even be sent; or the next one. */
static guint
find_ended (Group    *self,
            PyObject *coroutine)
{
  guint i = 0;

  while (i < self->n_children && self->children[i].source != coroutine)
    i++;

  return i;
}

static guint
add_child (Group    *self,
           PyObject *source)
{
  Py_INCREF (source);
  self->children[self->n_children] = (Child) { .source = source };
  self->n_open++;

  return self->n_children++;
}

/* FALSE: an exception that is for who gathers. */
static gboolean
begin_call (Group    *self,
            guint     place,
            PyObject *coroutine)
{
  PyObject *result = NULL;
  int sent = send_in_context (self, coroutine, &result);
  PyObject *group = sent == PYGEN_NEXT ? _pyisolate_host_answer_get_group (result, &self->places[place]) : NULL;

  if (group == (PyObject *) self) /* it is given twice */
    {
      Py_DECREF (result);
      return TRUE;
    }

  if (sent == PYGEN_ERROR)
    {
      self->places[place] = find_ended (self, coroutine);
      if (self->places[place] < self->n_children)
        {
          PyErr_Clear ();
          return TRUE;
        }
    }

  self->places[place] = add_child (self, coroutine);
  if (sent == PYGEN_NEXT && _pyisolate_host_answer_join (result, (PyObject *) self, self->places[place]))
    {
      self->children[self->places[place]].answer = result;
      if (self->n_calls++ == 0)
        Py_INCREF ((PyObject *) self);
      return TRUE;
    }

  if (sent == PYGEN_NEXT) /* somebody else awaits it */
    {
      Py_CLEAR (result);
      sent = PYGEN_ERROR;
    }
  return end_call (self, self->places[place], sent, result);
}

/* ---- futures ---- */

/* settle(index, future), once that is done. */
static PyObject *
group_settle (PyObject *group,
              PyObject *args)
{
  Group *self = (Group *) group;
  unsigned int index;
  PyObject *future, *value;
  gboolean ok;

  if (!PyArg_ParseTuple (args, "IO:settle", &index, &future))
    return NULL;
  if (index >= self->n_children || self->children[index].value != NULL)
    Py_RETURN_NONE;

  value = PyObject_CallMethod (future, "result", NULL);
  ok = value != NULL ? finish (self, index, value, FALSE) : finish (self, index, _pyisolate_host_take_exception (), TRUE);
  if (!ok)
    return NULL;

  Py_RETURN_NONE;
}

/* What asyncio makes of it. NULL: an exception. */
static PyObject *
ensure_future (Group    *self,
               PyObject *awaitable)
{
  PyObject *args = PyTuple_Pack (1, awaitable);
  PyObject *kwargs = PyDict_New ();
  PyObject *future = NULL;

  if (args != NULL && kwargs != NULL && PyDict_SetItem (kwargs, python.loop, self->loop) == 0)
    future = PyObject_Call (python.ensure_future, args, kwargs);
  Py_XDECREF (args);
  Py_XDECREF (kwargs);

  return future;
}

static gboolean
watch (Group    *self,
       guint     index,
       PyObject *future)
{
  PyObject *settle = PyObject_GetAttrString ((PyObject *) self, "settle");
  PyObject *callback = settle != NULL ? PyObject_CallFunction (python.partial, "OI", settle, index) : NULL;
  PyObject *added = callback != NULL ? PyObject_CallMethod (future, "add_done_callback", "O", callback) : NULL;

  Py_XDECREF (settle);
  Py_XDECREF (callback);
  Py_XDECREF (added);

  return added != NULL;
}

/* Adds what is no call. @seen: argument → its child. FALSE: an exception. */
static gboolean
add_future (Group    *self,
            guint     place,
            PyObject *awaitable,
            PyObject *seen)
{
  PyObject *known = PyDict_GetItemWithError (seen, awaitable);
  PyObject *future, *index;
  gboolean ok;

  if (known != NULL)
    {
      self->places[place] = PyLong_AsUnsignedLong (known);
      return TRUE;
    }
  if (PyErr_Occurred () != NULL)
    return FALSE;

  future = ensure_future (self, awaitable);
  if (future == NULL)
    return FALSE;
  if (future != awaitable && PyObject_SetAttrString (future, "_log_destroy_pending", Py_False) < 0)
    PyErr_Clear (); /* a future of somebody's own */

  self->places[place] = add_child (self, future);
  index = PyLong_FromUnsignedLong (self->places[place]);
  ok = index != NULL && PyDict_SetItem (seen, awaitable, index) == 0 && watch (self, self->places[place], future);
  Py_XDECREF (index);
  Py_DECREF (future);

  return ok;
}

/* ---- Group ---- */

/* cancel(message): whether anything was cancelled. */
static PyObject *
group_cancel (PyObject *group,
              PyObject *message)
{
  Group *self = (Group *) group;
  gboolean any = FALSE;

  for (guint i = 0; i < self->n_children; i++)
    {
      Child *child = &self->children[i];
      PyObject *target = child->answer != NULL ? child->answer : child->source;
      PyObject *cancelled;
      int is_cancelled;

      if (child->value != NULL)
        continue;
      Py_INCREF (target);
      cancelled = message == Py_None ? PyObject_CallMethod (target, "cancel", NULL)
                                     : PyObject_CallMethod (target, "cancel", "(O)", message);
      Py_DECREF (target);
      is_cancelled = cancelled != NULL ? PyObject_IsTrue (cancelled) : -1;
      Py_XDECREF (cancelled);
      if (is_cancelled < 0)
        return NULL;
      any = any || is_cancelled;
    }
  self->cancel_requested = self->cancel_requested || any;

  return PyBool_FromLong (any);
}

/* Tasks are begun by the loop, in their order; calls here, once all else is known to be something to wait for. */
static gboolean
begin (Group    *self,
       PyObject *awaitables,
       PyObject *outer)
{
  PyObject *seen = PyDict_New ();
  gboolean ok = seen != NULL;

  for (guint i = 0; ok && i < self->n_places; i++)
    {
      PyObject *awaitable = PyTuple_GetItem (awaitables, i);

      if (!is_call (awaitable))
        ok = PyErr_Occurred () == NULL && add_future (self, i, awaitable, seen);
    }
  Py_XDECREF (seen);
  if (!ok)
    return FALSE;

  Py_INCREF (outer);
  self->outer = outer;
  for (guint i = 0; ok && i < self->n_places; i++)
    {
      PyObject *awaitable = PyTuple_GetItem (awaitables, i);

      if (is_call (awaitable))
        ok = begin_call (self, i, awaitable);
    }

  return ok;
}

/* Nobody hears of them any more. */
static void
abandon (Group *self)
{
  PyObject *type, *value, *traceback;
  PyObject *cancelled;

  PyErr_Fetch (&type, &value, &traceback);
  Py_CLEAR (self->outer);
  cancelled = group_cancel ((PyObject *) self, Py_None);
  Py_XDECREF (cancelled);
  PyErr_Restore (type, value, traceback);
}

/* Group(outer, loop, awaitables, return_exceptions): begins all of them. */
static PyObject *
group_new (PyTypeObject *type,
           PyObject     *args,
           PyObject     *kwargs)
{
  allocfunc allocate = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  PyObject *outer, *loop, *awaitables;
  int return_exceptions;
  Group *self;
  gboolean begun;

  if (!prepare () || !PyArg_ParseTuple (args, "OOO!p:Group", &outer, &loop, &PyTuple_Type, &awaitables, &return_exceptions))
    return NULL;
  self = (Group *) allocate (type, 0);
  if (self == NULL)
    return NULL;

  Py_INCREF (loop);
  self->loop = loop;
  self->return_exceptions = return_exceptions;
  self->n_places = PyTuple_Size (awaitables);
  self->children = g_new (Child, self->n_places);
  self->places = g_new (guint, self->n_places);
  self->n_open = 1;
  self->context = PyContext_CopyCurrent ();

  begun = self->context != NULL && begin (self, awaitables, outer);
  if (!begun && self->outer != NULL)
    abandon (self);
  if (!begun || !close_one (self))
    Py_CLEAR (self);

  return (PyObject *) self;
}

static int
group_traverse (PyObject  *object,
                visitproc  visit,
                void      *arg)
{
  Group *self = (Group *) object;

  Py_VISIT (Py_TYPE (object));
  Py_VISIT (self->loop);
  Py_VISIT (self->outer);
  Py_VISIT (self->context);
  for (guint i = 0; i < self->n_children; i++)
    {
      Py_VISIT (self->children[i].source);
      Py_VISIT (self->children[i].answer);
      Py_VISIT (self->children[i].value);
    }

  return 0;
}

/* Only where no call is under way. */
static int
group_clear (PyObject *object)
{
  Group *self = (Group *) object;

  Py_CLEAR (self->loop);
  Py_CLEAR (self->outer);
  Py_CLEAR (self->context);
  drop_children (self);

  return 0;
}

static void
group_dealloc (PyObject *object)
{
  Group *self = (Group *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  PyObject_GC_UnTrack (object);
  group_clear (object);
  g_free (self->children);
  g_free (self->places);
  release (object);
  Py_DECREF (type);
}

static PyMethodDef group_methods[] = {
  { "cancel", group_cancel, METH_O, "Cancel what has not ended." },
  { "settle", group_settle, METH_VARARGS, "A future has ended." },
  { "settle_lost", group_settle_lost, METH_NOARGS, "Some of the calls have been given up." },
  { NULL }
};

static PyType_Slot group_slots[] = {
  { Py_tp_new, group_new },
  { Py_tp_dealloc, group_dealloc },
  { Py_tp_traverse, group_traverse },
  { Py_tp_clear, group_clear },
  { Py_tp_methods, group_methods },
  { Py_tp_doc, (void *) "Awaitables that are waited for together." },
  { 0, NULL }
};

static PyType_Spec group_spec = {
  .name = "_pyisolate_host.Group",
  .basicsize = sizeof (Group),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
  .slots = group_slots,
};

gboolean
_pyisolate_host_add_group (PyObject *module)
{
  PyObject *type = PyType_FromSpec (&group_spec);

  return type != NULL && PyModule_AddObject (module, "Group", type) == 0;
}
