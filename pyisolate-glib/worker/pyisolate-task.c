/* SPDX-License-Identifier: MIT */
/* A task's first step runs at once: from Python 3.12 on a task does it itself, before it is run by hand, as the loop would.
 * Where somebody has an own idea of what a task is it comes in the loop's next turn. */
#include "config.h"

#include "pyisolate-task-private.h"

struct _PyIsolateTasks {
  PyObject *loop;
  PyObject *task_type;
  PyObject *task_kwargs;
  gboolean is_usual;
  PyObject *catch_call_soon;
  PyObject *first_step; /* what a new task wanted to call soon */
  PyObject *first_context;
};

/* Made once. */
static struct {
  gboolean eager;         /* tasks of this Python can run their first step themselves */
  gboolean takes_context; /* and be given their context */
  PyObject *task_type;
  PyObject *cancelled_error; /* the class */
  PyObject *task_factory;
  PyObject *create_task;
  PyObject *call_soon;
  PyObject *context;
  PyObject *name;
  PyObject *qualname;
  PyObject *done;
  PyObject *result;
} python;

static PyObject *
import (const char *module_name,
        const char *name)
{
  PyObject *module = PyImport_ImportModule (module_name);
  PyObject *object = module != NULL ? PyObject_GetAttrString (module, name) : NULL;

  Py_XDECREF (module);
  return object;
}

static gboolean
prepare (void)
{
  static const struct {
    PyObject **name;
    const char *text;
  } names[] = {
    { &python.task_factory, "_task_factory" },
    { &python.create_task, "create_task" },
    { &python.call_soon, "call_soon" },
    { &python.context, "context" },
    { &python.name, "name" },
    { &python.qualname, "__qualname__" },
    { &python.done, "done" },
    { &python.result, "result" },
  };
  PyObject *hexversion = PySys_GetObject ("hexversion");
  long version = hexversion != NULL ? PyLong_AsLong (hexversion) : 0;

  if (python.task_type != NULL)
    return TRUE;

  python.eager = version >= 0x030C0000;
  python.takes_context = version >= 0x030B0000;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      *names[i].name = PyUnicode_InternFromString (names[i].text);
      if (*names[i].name == NULL)
        return FALSE;
    }
  python.cancelled_error = import ("asyncio.exceptions", "CancelledError");
  if (python.cancelled_error == NULL)
    return FALSE;
  python.task_type = import ("asyncio", "Task");

  return python.task_type != NULL;
}

/* call_soon(callback, *args, context=None) of the loop, while a task is made. */
static PyObject *
catch_call_soon (PyObject *capsule,
                 PyObject *args,
                 PyObject *kwargs)
{
  PyIsolateTasks *self = PyCapsule_GetPointer (capsule, NULL);

  Py_XDECREF (self->first_step);
  self->first_step = PyTuple_GetItem (args, 0);
  Py_XINCREF (self->first_step);
  Py_XDECREF (self->first_context);
  self->first_context = kwargs != NULL ? PyDict_GetItem (kwargs, python.context) : NULL;
  Py_XINCREF (self->first_context);
  if (self->first_step == NULL)
    return NULL;

  Py_RETURN_NONE;
}

static PyMethodDef catch_def = { "call_soon", (PyCFunction) (void (*) (void)) catch_call_soon,
                                 METH_VARARGS | METH_KEYWORDS, NULL };

/* Of Task(coroutine, …). */
static PyObject *
new_task_kwargs (PyObject *loop)
{
  PyObject *kwargs = PyDict_New ();

  if (kwargs == NULL || PyDict_SetItemString (kwargs, "loop", loop) < 0 ||
      (python.takes_context && PyDict_SetItem (kwargs, python.context, Py_None) < 0) ||
      (python.eager && PyDict_SetItemString (kwargs, "eager_start", Py_True) < 0))
    Py_CLEAR (kwargs);

  return kwargs;
}

PyIsolateTasks *
_pyisolate_tasks_new (PyObject *loop,
                      gboolean  is_usual)
{
  PyIsolateTasks *self;
  PyObject *capsule;

  if (!prepare ())
    return NULL;

  self = g_new0 (PyIsolateTasks, 1);
  self->is_usual = is_usual;
  self->loop = loop;
  Py_INCREF (loop);
  self->task_kwargs = new_task_kwargs (loop);
  capsule = PyCapsule_New (self, NULL, NULL);
  if (capsule != NULL)
    self->catch_call_soon = PyCFunction_NewEx (&catch_def, capsule, NULL);
  Py_XDECREF (capsule);
  if (self->task_kwargs == NULL || self->catch_call_soon == NULL)
    {
      _pyisolate_tasks_free (self);
      return NULL;
    }

  return self;
}

void
_pyisolate_tasks_free (PyIsolateTasks *self)
{
  Py_XDECREF (self->loop);
  Py_XDECREF (self->task_kwargs);
  Py_XDECREF (self->catch_call_soon);
  Py_XDECREF (self->first_step);
  Py_XDECREF (self->first_context);
  g_free (self);
}

/* What a task raises out of its step is SystemExit or KeyboardInterrupt: the task has it as well. */
static void
run_first_step (PyIsolateTasks *self)
{
  PyObject *step = g_steal_pointer (&self->first_step);
  PyObject *context = g_steal_pointer (&self->first_context);
  PyObject *result = NULL;

  if (step != NULL && (context == NULL || PyContext_Enter (context) == 0))
    {
      result = PyObject_CallFunctionObjArgs (step, NULL);
      if (context != NULL)
        PyContext_Exit (context);
    }
  if (result == NULL)
    PyErr_Clear ();
  Py_XDECREF (result);
  Py_XDECREF (step);
  Py_XDECREF (context);
}

/* The task is named like its coroutine: that says more than a number, which older Pythons take long to write. */
static gboolean
set_name (PyIsolateTasks *self,
          PyObject       *coroutine)
{
  PyObject *name = PyObject_GetAttr (coroutine, python.qualname);
  gboolean ok;

  if (name == NULL)
    PyErr_Clear ();
  ok = PyDict_SetItem (self->task_kwargs, python.name, name != NULL ? name : Py_None) == 0;
  Py_XDECREF (name);

  return ok;
}

/* Task(coroutine, loop=…), with the context where it can be given. */
static PyObject *
make_task (PyIsolateTasks *self,
           PyObject       *coroutine,
           PyObject       *context)
{
  PyObject *args = PyTuple_Pack (1, coroutine);
  PyObject *task = NULL;

  if (args == NULL || !set_name (self, coroutine))
    {
      Py_XDECREF (args);
      return NULL;
    }

  if (!python.takes_context)
    {
      if (PyContext_Enter (context) == 0)
        {
          task = PyObject_Call (python.task_type, args, self->task_kwargs);
          PyContext_Exit (context);
        }
    }
  else if (PyDict_SetItem (self->task_kwargs, python.context, context) == 0)
    {
      task = PyObject_Call (python.task_type, args, self->task_kwargs);
      PyDict_SetItem (self->task_kwargs, python.context, Py_None);
    }
  Py_DECREF (args);

  return task;
}

static PyObject *
make_task_and_step (PyIsolateTasks *self,
                    PyObject       *coroutine,
                    PyObject       *context)
{
  PyObject *task = NULL;

  if (PyObject_SetAttr (self->loop, python.call_soon, self->catch_call_soon) < 0)
    return NULL;

  task = make_task (self, coroutine, context);
  if (PyObject_SetAttr (self->loop, python.call_soon, NULL) < 0)
    Py_CLEAR (task);
  if (task != NULL)
    run_first_step (self);

  return task;
}

/* Somebody has an own idea of what a task is: its first step comes in the loop's next turn. */
static PyObject *
create_task (PyIsolateTasks *self,
             PyObject       *coroutine,
             PyObject       *context)
{
  PyObject *task = NULL;

  if (PyContext_Enter (context) == 0)
    {
      task = PyObject_CallMethodObjArgs (self->loop, python.create_task, coroutine, NULL);
      PyContext_Exit (context);
    }

  return task;
}

PyObject *
_pyisolate_tasks_start (PyIsolateTasks *self,
                        PyObject       *coroutine,
                        PyObject       *context)
{
  PyObject *factory = self->is_usual ? PyObject_GetAttr (self->loop, python.task_factory) : NULL;

  Py_XDECREF (factory);
  if (factory == NULL)
    PyErr_Clear ();
  if (factory != Py_None)
    return create_task (self, coroutine, context);
  if (python.eager)
    return make_task (self, coroutine, context);

  return make_task_and_step (self, coroutine, context);
}

int
_pyisolate_tasks_is_done (PyObject *task)
{
  PyObject *done = PyObject_CallMethodObjArgs (task, python.done, NULL);

  Py_XDECREF (done);
  return done == NULL ? -1 : done == Py_True;
}

/* Before 3.11 a task that raised CancelledError itself gives a new one, with that as its context. */
static void
unwrap_cancelled_error (void)
{
  PyObject *type;
  PyObject *value;
  PyObject *traceback;
  PyObject *original;

  PyErr_Fetch (&type, &value, &traceback);
  PyErr_NormalizeException (&type, &value, &traceback);
  original = PyException_GetContext (value);
  if (original == NULL || Py_TYPE (original) != Py_TYPE (value) ||
      !PyErr_GivenExceptionMatches (value, python.cancelled_error))
    {
      Py_XDECREF (original);
      PyErr_Restore (type, value, traceback);
      return;
    }

  Py_XDECREF (traceback);
  Py_DECREF (value);
  PyErr_Restore (type, original, PyException_GetTraceback (original));
}

PyObject *
_pyisolate_tasks_get_result (PyObject *task)
{
  PyObject *value = PyObject_CallMethodObjArgs (task, python.result, NULL);

  if (value == NULL && !python.takes_context)
    unwrap_cancelled_error ();

  return value;
}
