/* SPDX-License-Identifier: MIT */
/* Tasks: how those of an event loop are made, for coroutines of singletons. */
#include "pyisolate-host-private.h"

typedef struct {
  PyObject_HEAD
  PyIsolateTasks *tasks;
} Tasks;

static PyTypeObject *tasks_type;

/* NULL with a TypeError if it is something else. */
PyIsolateTasks *
_pyisolate_host_tasks_get (PyObject *object)
{
  if (PyObject_TypeCheck (object, tasks_type))
    return ((Tasks *) object)->tasks;

  PyErr_SetString (PyExc_TypeError, "Tasks are needed here");
  return NULL;
}

/* Tasks(loop, is_usual) */
static PyObject *
tasks_make (PyTypeObject *type,
            PyObject     *args,
            PyObject     *kwargs)
{
  allocfunc allocate = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  Tasks *self;
  PyObject *loop;
  int is_usual;

  if (!PyArg_ParseTuple (args, "Op:Tasks", &loop, &is_usual))
    return NULL;

  self = (Tasks *) allocate (type, 0);
  if (self == NULL)
    return NULL;

  self->tasks = _pyisolate_tasks_new (loop, is_usual);
  if (self->tasks == NULL)
    Py_CLEAR (self);

  return (PyObject *) self;
}

static void
tasks_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  g_clear_pointer (&((Tasks *) object)->tasks, _pyisolate_tasks_free);
  release (object);
  Py_DECREF (type);
}

/* start(coroutine, context) → Task */
static PyObject *
tasks_start (PyObject *object,
             PyObject *args)
{
  PyObject *coroutine, *context;

  if (!PyArg_ParseTuple (args, "OO:start", &coroutine, &context))
    return NULL;

  return _pyisolate_tasks_start (((Tasks *) object)->tasks, coroutine, context);
}

static PyMethodDef tasks_methods[] = {
  { "start", tasks_start, METH_VARARGS, "A task for a coroutine, whose first step has run if that can be." },
  { NULL }
};

static PyType_Slot tasks_slots[] = {
  { Py_tp_new, tasks_make },
  { Py_tp_dealloc, tasks_dealloc },
  { Py_tp_methods, tasks_methods },
  { Py_tp_doc, (void *) "How the tasks of an event loop are made." },
  { 0, NULL }
};

static PyType_Spec tasks_spec = {
  .name = "_pyisolate_host.Tasks",
  .basicsize = sizeof (Tasks),
  .flags = Py_TPFLAGS_DEFAULT,
  .slots = tasks_slots,
};

gboolean
_pyisolate_host_add_tasks (PyObject *module)
{
  PyObject *type = PyType_FromSpec (&tasks_spec);

  if (type == NULL)
    return FALSE;

  tasks_type = (PyTypeObject *) type;
  Py_INCREF (type);
  return PyModule_AddObject (module, "Tasks", type) == 0;
}
