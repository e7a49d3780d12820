/* SPDX-License-Identifier: MIT */
/* How a task gets into asyncio's set of all tasks, before Python 3.12, where one whose first step ends it does not get into it.
 *
 * That is a weakref.WeakSet. Its add(), and what takes a task out that is gone, are Python's: more than half of what a task
 * costs. From the first task of ours on, the functions here stand for them. They do the same to the same containers. */
#include "config.h"

#include "pyisolate-task-private.h"

/* Found once, and kept. */
static struct {
  gboolean is_known;
  PyObject *set;
  PyObject *data;      /* a set of weak references */
  PyObject *iterating; /* a set; while it is not empty `data` must not change */
  PyObject *pending;   /* a list of references to be taken out then */
  PyObject *on_gone;
} all_tasks;

/* The callback of a reference. */
static PyObject *
on_gone (PyObject *unused,
         PyObject *reference)
{
  Py_ssize_t n_iterating = PyObject_Size (all_tasks.iterating);
  int result = -1;

  if (n_iterating > 0)
    result = PyList_Append (all_tasks.pending, reference);
  else if (n_iterating == 0)
    result = PySet_Discard (all_tasks.data, reference);
  if (result < 0)
    return NULL;

  Py_RETURN_NONE;
}

/* Takes out what could not be when it had gone, as the set does it before anything is put in. */
static gboolean
commit_removals (void)
{
  PyObject *result;

  if (PyList_Size (all_tasks.pending) == 0)
    return TRUE;

  result = PyObject_CallMethod (all_tasks.set, "_commit_removals", NULL);
  Py_XDECREF (result);
  return result != NULL;
}

/* add(task) */
static PyObject *
add (PyObject *unused,
     PyObject *task)
{
  PyObject *reference = commit_removals () ? PyWeakref_NewRef (task, all_tasks.on_gone) : NULL;
  int result = reference != NULL ? PySet_Add (all_tasks.data, reference) : -1;

  Py_XDECREF (reference);
  if (result < 0)
    return NULL;

  Py_RETURN_NONE;
}

static PyMethodDef on_gone_def = { "remove", on_gone, METH_O, NULL };
static PyMethodDef add_def = { "add", add, METH_O, NULL };

static gboolean
is_of_type (PyObject   *object,
            const char *module_name,
            const char *name)
{
  PyObject *module = PyImport_ImportModule (module_name);
  PyObject *type = module != NULL ? PyObject_GetAttrString (module, name) : NULL;
  gboolean is = type != NULL && (PyObject *) Py_TYPE (object) == type;

  Py_XDECREF (module);
  Py_XDECREF (type);
  return is;
}

/* FALSE: there is no such set, with or without an exception. */
static gboolean
find (PyObject *module)
{
  all_tasks.set = PyObject_GetAttrString (module, "_all_tasks");
  if (all_tasks.set == NULL || !is_of_type (all_tasks.set, "weakref", "WeakSet"))
    return FALSE;

  all_tasks.data = PyObject_GetAttrString (all_tasks.set, "data");
  all_tasks.iterating = PyObject_GetAttrString (all_tasks.set, "_iterating");
  all_tasks.pending = PyObject_GetAttrString (all_tasks.set, "_pending_removals");

  return all_tasks.data != NULL && Py_TYPE (all_tasks.data) == &PySet_Type &&
         all_tasks.iterating != NULL && Py_TYPE (all_tasks.iterating) == &PySet_Type &&
         all_tasks.pending != NULL && Py_TYPE (all_tasks.pending) == &PyList_Type;
}

/* As attributes of the one set: the class stays as it is. */
static void
stand_for_add (void)
{
  PyObject *function = PyCFunction_NewEx (&add_def, NULL, NULL);

  all_tasks.on_gone = PyCFunction_NewEx (&on_gone_def, NULL, NULL);
  if (function != NULL && all_tasks.on_gone != NULL)
    PyObject_SetAttrString (all_tasks.set, "add", function);
  Py_XDECREF (function);
}

/* Once asyncio has been imported. */
void
_pyisolate_task_set_prepare (void)
{
  PyObject *module;

  if (all_tasks.is_known)
    return;

  module = PyImport_ImportModule ("asyncio.tasks");
  if (module != NULL && find (module))
    stand_for_add ();
  Py_XDECREF (module);
  PyErr_Clear ();
  all_tasks.is_known = TRUE;
}
