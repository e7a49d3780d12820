/* SPDX-License-Identifier: MIT */
/* Group: what pyisolate.gather() waits for, without a task for each call.
 *
 * A call of an extension that nobody has awaited yet is a coroutine that does nothing but await its Answer. It is begun here,
 * which sends the call, and goes on where the answer is read; so it raises what it would raise for a task, and nobody else can
 * have it. Whatever else there is to wait for is a future of asyncio's. One future, the outer one, tells the end of all. */
#include "pyisolate-host-gather-private.h"

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

      if (!_pyisolate_group_is_call (awaitable))
        ok = PyErr_Occurred () == NULL && _pyisolate_group_add_future (self, i, awaitable, seen);
    }
  Py_XDECREF (seen);
  if (!ok)
    return FALSE;

  Py_INCREF (outer);
  self->outer = outer;
  for (guint i = 0; ok && i < self->n_places; i++)
    {
      PyObject *awaitable = PyTuple_GetItem (awaitables, i);

      if (_pyisolate_group_is_call (awaitable))
        ok = _pyisolate_group_begin_call (self, i, awaitable);
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

  if (!_pyisolate_group_prepare_calls () || !_pyisolate_group_prepare_children () ||
      !PyArg_ParseTuple (args, "OOO!p:Group", &outer, &loop, &PyTuple_Type, &awaitables, &return_exceptions))
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
  if (!begun || !_pyisolate_group_close_one (self))
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
  _pyisolate_group_drop_children (self);

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
  { "settle", _pyisolate_group_settle, METH_VARARGS, "A future has ended." },
  { "settle_lost", _pyisolate_group_settle_lost, METH_NOARGS, "Some of the calls have been given up." },
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
