/* SPDX-License-Identifier: MIT */
/* How a task gets into asyncio's set of all tasks, before Python 3.12, where one whose first step ends it does not get into it.
 *
 * That is a weakref.WeakSet. Its add(), and what takes a task out that is gone, are Python's: more than half of what a task
 * costs. While a task of ours is made, the functions here stand for them. They do the same to the same containers. */
#include "config.h"

#include "pyisolate-task-private.h"

/* Found once, and kept. */
static struct {
  gboolean is_known;
  PyObject *set;       /* or NULL: it is not what is expected */
  PyObject *attributes;
  PyObject *data;      /* a set of weak references */
  PyObject *iterating; /* a set; while it is not empty `data` must not change */
  PyObject *pending;   /* a list of references to be taken out then */
  PyObject *on_gone;
  PyObject *add;
  PyObject *add_name;
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

  all_tasks.attributes = PyObject_GetAttrString (all_tasks.set, "__dict__");
  if (all_tasks.attributes == NULL || !PyDict_Check (all_tasks.attributes))
    return FALSE;

  all_tasks.data = PyDict_GetItemString (all_tasks.attributes, "data");
  all_tasks.iterating = PyDict_GetItemString (all_tasks.attributes, "_iterating");
  all_tasks.pending = PyDict_GetItemString (all_tasks.attributes, "_pending_removals");
  Py_XINCREF (all_tasks.data);
  Py_XINCREF (all_tasks.iterating);
  Py_XINCREF (all_tasks.pending);
  if (all_tasks.data == NULL || Py_TYPE (all_tasks.data) != &PySet_Type ||
      all_tasks.iterating == NULL || Py_TYPE (all_tasks.iterating) != &PySet_Type ||
      all_tasks.pending == NULL || Py_TYPE (all_tasks.pending) != &PyList_Type)
    return FALSE;

  all_tasks.on_gone = PyCFunction_NewEx (&on_gone_def, NULL, NULL);
  all_tasks.add = PyCFunction_NewEx (&add_def, NULL, NULL);
  all_tasks.add_name = PyUnicode_InternFromString ("add");

  return all_tasks.on_gone != NULL && all_tasks.add != NULL && all_tasks.add_name != NULL;
}

/* Once asyncio has been imported. */
void
_pyisolate_task_set_prepare (void)
{
  PyObject *module;

  if (all_tasks.is_known)
    return;

  module = PyImport_ImportModule ("asyncio.tasks");
  if (module == NULL || !find (module))
    Py_CLEAR (all_tasks.set);
  Py_XDECREF (module);
  PyErr_Clear ();
  all_tasks.is_known = TRUE;
}

void
_pyisolate_task_set_begin (void)
{
  if (all_tasks.set != NULL && PyDict_SetItem (all_tasks.attributes, all_tasks.add_name, all_tasks.add) < 0)
    PyErr_Clear ();
}

void
_pyisolate_task_set_end (void)
{
  PyObject *type, *value, *traceback;

  if (all_tasks.set == NULL)
    return;

  PyErr_Fetch (&type, &value, &traceback);
  if (PyDict_DelItem (all_tasks.attributes, all_tasks.add_name) < 0)
    PyErr_Clear ();
  PyErr_Restore (type, value, traceback);
}
