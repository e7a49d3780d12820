/* SPDX-License-Identifier: MIT */
/* A task's first step runs at once: from Python 3.12 on a task does it itself, before it is run by hand, as the loop would.
 * Where somebody has an own idea of what a task is it comes in the loop's next turn. */
#include "config.h"

#include "pyisolate-task-private.h"

struct _PyIsolateTasks {
  PyObject *loop;
  PyObject *loop_dict; /* its attributes; NULL: nothing is known about it */
  PyObject *task_kwargs;
  PyObject *task_name;  /* that in them; borrowed */
  PyObject *catch_call_soon;
  PyObject *waker;      /* NULL until it is needed */
  PyObject *first_step; /* what a new task wanted to call soon */
  PyObject *first_context;
};

/* Made once. */
static struct {
  gboolean eager;         /* tasks of this Python can run their first step themselves */
  gboolean takes_context; /* and be given their context */
  PyObject *task_type;
  PyCFunction wakeup;    /* of a task; NULL until one is seen */
  PyObject *cancelled_error; /* the class */
  PyObject *task_factory;
  PyObject *create_task;
  PyObject *call_soon;
  PyObject *context;
  PyObject *name;
  PyObject *qualname;
  PyObject *done_name;
  PyObject *result_name;
  PyObject *done;   /* of the class of tasks, to be called with one */
  PyObject *result;
} python;

PyObject *
_pyisolate_import (const char *module_name,
                   const char *name)
{
  PyObject *module = PyImport_ImportModule (module_name);
  PyObject *object = module != NULL ? PyObject_GetAttrString (module, name) : NULL;

  Py_XDECREF (module);
  return object;
}

gboolean
_pyisolate_python_is_at_least (int major,
                               int minor)
{
  PyObject *hexversion = PySys_GetObject ("hexversion");
  long version = hexversion != NULL ? PyLong_AsLong (hexversion) : 0;

  return version >= (major << 24 | minor << 16);
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
    { &python.done_name, "done" },
    { &python.result_name, "result" },
  };

  if (python.task_type != NULL)
    return TRUE;

  python.eager = _pyisolate_python_is_at_least (3, 12);
  python.takes_context = _pyisolate_python_is_at_least (3, 11);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      *names[i].name = PyUnicode_InternFromString (names[i].text);
      if (*names[i].name == NULL)
        return FALSE;
    }
  python.cancelled_error = _pyisolate_import ("asyncio.exceptions", "CancelledError");
  if (python.cancelled_error == NULL)
    return FALSE;
  python.task_type = _pyisolate_import ("asyncio", "Task");
  if (python.task_type != NULL)
    python.done = PyObject_GetAttr (python.task_type, python.done_name);
  if (python.task_type != NULL)
    python.result = PyObject_GetAttr (python.task_type, python.result_name);
  if (python.done == NULL || python.result == NULL)
    Py_CLEAR (python.task_type);
  if (!python.eager)
    _pyisolate_task_set_prepare ();

  return python.task_type != NULL;
}

/* call_soon(callback, *, context=None) of the loop, while a task is made. */
static PyObject *
catch_call_soon (PyObject        *capsule,
                 PyObject *const *args,
                 Py_ssize_t       n_args,
                 PyObject        *keywords)
{
  PyIsolateTasks *self = PyCapsule_GetPointer (capsule, NULL);
  Py_ssize_t n_keywords = keywords != NULL ? PyTuple_Size (keywords) : 0;

  if (n_args != 1 || n_keywords > 1)
    {
      PyErr_SetString (PyExc_TypeError, "A new task calls one step soon, in a context");
      return NULL;
    }

  Py_INCREF (args[0]);
  Py_XDECREF (self->first_step);
  self->first_step = args[0];
  Py_CLEAR (self->first_context);
  if (n_keywords == 1)
    {
      Py_INCREF (args[1]);
      self->first_context = args[1];
    }

  Py_RETURN_NONE;
}

static PyMethodDef catch_def = { "call_soon", (PyCFunction) (void (*) (void)) catch_call_soon,
                                 METH_FASTCALL | METH_KEYWORDS, NULL };

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
  self->loop = loop;
  Py_INCREF (loop);
  self->loop_dict = is_usual ? PyObject_GetAttrString (loop, "__dict__") : NULL;
  if (self->loop_dict != NULL && !PyDict_Check (self->loop_dict))
    Py_CLEAR (self->loop_dict);
  PyErr_Clear ();
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
  Py_XDECREF (self->loop_dict);
  Py_XDECREF (self->task_kwargs);
  Py_XDECREF (self->catch_call_soon);
  Py_XDECREF (self->waker);
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
  gboolean ok = TRUE;

  if (name == NULL)
    PyErr_Clear ();
  if (name == NULL || name != self->task_name)
    ok = PyDict_SetItem (self->task_kwargs, python.name, name != NULL ? name : Py_None) == 0;
  self->task_name = name;
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

  if (PyDict_SetItem (self->loop_dict, python.call_soon, self->catch_call_soon) < 0)
    return NULL;

  task = make_task (self, coroutine, context);
  if (PyDict_DelItem (self->loop_dict, python.call_soon) < 0)
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
  PyObject *factory = self->loop_dict != NULL ? PyDict_GetItem (self->loop_dict, python.task_factory) : NULL;

  if (factory != Py_None)
    return create_task (self, coroutine, context);
  if (python.eager)
    return make_task (self, coroutine, context);

  return make_task_and_step (self, coroutine, context);
}

/* Somebody's own task may have its own idea of it. */
static PyObject *
call_method (PyObject *task,
             PyObject *method,
             PyObject *name)
{
  if (G_LIKELY ((PyObject *) Py_TYPE (task) == python.task_type))
    return PyObject_CallFunctionObjArgs (method, task, NULL);

  return PyObject_CallMethodObjArgs (task, name, NULL);
}

int
_pyisolate_tasks_is_done (PyObject *task)
{
  PyObject *done = call_method (task, python.done, python.done_name);

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
  PyObject *value = call_method (task, python.result, python.result_name);

  if (value == NULL && !python.takes_context)
    unwrap_cancelled_error ();

  return value;
}

/* By what it awaits a task is woken by a function of its own. */
static gboolean
is_wakeup (PyObject *callback)
{
  PyCFunction function;
  PyObject *name;

  if (Py_TYPE (callback) != &PyCFunction_Type)
    return FALSE;

  function = PyCFunction_GetFunction (callback);
  if (G_LIKELY (function == python.wakeup))
    return TRUE;
  if (python.wakeup != NULL || PyCFunction_GetSelf (callback) == NULL ||
      (PyObject *) Py_TYPE (PyCFunction_GetSelf (callback)) != python.task_type)
    return FALSE;

  name = PyObject_GetAttrString (callback, "__name__");
  if (name != NULL && PyUnicode_CompareWithASCIIString (name, "task_wakeup") == 0)
    python.wakeup = function;
  Py_XDECREF (name);
  PyErr_Clear ();

  return function == python.wakeup;
}

/* Future(loop=…) that has been given None; NULL without an exception. */
static PyObject *
new_waker (PyIsolateTasks *self)
{
  PyObject *type = _pyisolate_import ("asyncio", "Future");
  PyObject *args = PyTuple_New (0);
  PyObject *kwargs = Py_BuildValue ("{sO}", "loop", self->loop);
  PyObject *future = NULL;
  PyObject *done = NULL;

  if (type != NULL && args != NULL && kwargs != NULL)
    future = PyObject_Call (type, args, kwargs);
  if (future != NULL)
    done = PyObject_CallMethod (future, "set_result", "O", Py_None);
  if (done == NULL)
    Py_CLEAR (future);
  Py_XDECREF (done);
  Py_XDECREF (type);
  Py_XDECREF (args);
  Py_XDECREF (kwargs);
  PyErr_Clear ();

  return future;
}

PyObject *
_pyisolate_tasks_get_waker (PyIsolateTasks *self,
                            PyObject       *callback)
{
  if (!is_wakeup (callback))
    return NULL;

  if (self->waker == NULL)
    self->waker = new_waker (self);

  return self->waker;
}

PyObject *
_pyisolate_get_running (void)
{
  static PyObject *key;
  PyObject *state = PyThreadState_GetDict ();
  PyObject *running;

  if (key == NULL)
    key = PyUnicode_InternFromString ("__asyncio_running_event_loop__");
  running = key != NULL && state != NULL ? PyDict_GetItemWithError (state, key) : NULL;
  if (running == NULL)
    PyErr_Clear ();

  return running;
}
