/* SPDX-License-Identifier: MIT */
/* Method: what is called in Python; and Target: the extension that it is a method of, once that is loaded. */
#include "pyisolate-host-private.h"

#include <pthread.h>

typedef PyIsolateHostMethod Method;
typedef PyIsolateHostTarget Target;

struct PyIsolateHostHooks _pyisolate_host_hooks;

static PyTypeObject *method_type;
static PyTypeObject *target_type;
static PyObject *no_kwargs;

/* ---- Target ---- */

/* Target(extension), one of the library's. */
static PyObject *
target_new (PyTypeObject *type,
            PyObject     *args,
            PyObject     *kwargs)
{
  allocfunc allocate = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  PyIsolateExtension *extension;
  PyObject *wrapper;
  Target *self;

  if (!PyArg_ParseTuple (args, "O:Target", &wrapper))
    return NULL;
  extension = _pyisolate_host_get_object (wrapper, PYISOLATE_TYPE_EXTENSION);
  if (extension == NULL)
    return NULL;

  self = (Target *) allocate (type, 0);
  if (self != NULL)
    {
      self->extension = g_object_ref (extension);
      self->shares_torch = _pyisolate_host_shares_torch (extension);
    }

  return (PyObject *) self;
}

static void
target_dealloc (PyObject *object)
{
  Target *self = (Target *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  if (!_pyisolate_host_hooks.is_forked)
    g_clear_object (&self->extension);
  Py_CLEAR (self->home);
  release (object);
  Py_DECREF (type);
}

static PyType_Slot target_slots[] = {
  { Py_tp_new, target_new },
  { Py_tp_dealloc, target_dealloc },
  { Py_tp_doc, (void *) "An extension that can be called." },
  { 0, NULL }
};

static PyType_Spec target_spec = {
  .name = "_pyisolate_host.Target",
  .basicsize = sizeof (Target),
  .flags = Py_TPFLAGS_DEFAULT,
  .slots = target_slots,
};

/* ---- Method ---- */

/* Method(extension, name, timeout, readonly=False, on_progress=None): timeout in seconds, -1 for ever, -2 the extension's. */
static PyObject *
method_new (PyTypeObject *type,
            PyObject     *args,
            PyObject     *kwargs)
{
  allocfunc allocate = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  PyObject *extension, *name;
  PyObject *on_progress = Py_None;
  PyObject *waits;
  double timeout;
  int readonly = FALSE;
  Method *self;

  if (!PyArg_ParseTuple (args, "OUd|pO:Method", &extension, &name, &timeout, &readonly, &on_progress))
    return NULL;
  waits = PyObject_GetAttrString ((PyObject *) type, "_waits");
  if (waits == NULL)
    return NULL;

  self = (Method *) allocate (type, 0);
  if (self != NULL)
    {
      Py_INCREF (extension);
      self->extension = extension;
      Py_INCREF (name);
      self->name = name;
      if (on_progress != Py_None)
        {
          Py_INCREF (on_progress);
          self->on_progress = on_progress;
        }
      self->timeout = timeout;
      self->readonly = readonly;
      self->waits = waits == Py_True;
    }
  Py_DECREF (waits);

  return (PyObject *) self;
}

static int
method_traverse (PyObject  *object,
                 visitproc  visit,
                 void      *arg)
{
  Method *self = (Method *) object;

  Py_VISIT (Py_TYPE (object));
  Py_VISIT (self->extension);
  Py_VISIT (self->on_progress);
  Py_VISIT (self->target);

  return 0;
}

/* The target stays, for the answers that are waited for. */
static int
method_clear (PyObject *object)
{
  Method *self = (Method *) object;

  Py_CLEAR (self->extension);
  Py_CLEAR (self->on_progress);

  return 0;
}

static void
method_dealloc (PyObject *object)
{
  Method *self = (Method *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  PyObject_GC_UnTrack (object);
  method_clear (object);
  Py_CLEAR (self->name);
  Py_CLEAR (self->target);
  release (object);
  Py_DECREF (type);
}

/* FALSE: the extension is not loaded yet, or runs in this process; or an exception. */
static gboolean
find_target (Method *self)
{
  PyObject *target;

  if (self->target != NULL)
    return TRUE;

  target = PyObject_GetAttrString (self->extension, "_target");
  if (target == NULL)
    return FALSE;
  if (!PyObject_TypeCheck (target, target_type))
    {
      Py_DECREF (target);
      return FALSE;
    }

  self->target = (Target *) target;
  return TRUE;
}

static PyObject *
call_python (Method   *self,
             PyObject *args,
             PyObject *kwargs)
{
  return PyObject_CallMethod (self->extension, self->waits ? "_call_sync" : "_call", "OOOdOO", self->name, args, kwargs,
                              self->timeout, self->readonly ? Py_True : Py_False,
                              self->on_progress != NULL ? self->on_progress : Py_None);
}

static PyObject *
method_call (PyObject *object,
             PyObject *args,
             PyObject *kwargs)
{
  Method *self = (Method *) object;
  PyObject *answer, *coroutine;

  if (kwargs == NULL)
    kwargs = no_kwargs;
  if (self->extension == NULL)
    {
      PyErr_SetString (PyExc_RuntimeError, "The extension is gone");
      return NULL;
    }
  if (!find_target (self))
    return PyErr_Occurred () == NULL ? call_python (self, args, kwargs) : NULL;
  if (self->waits)
    return _pyisolate_host_method_call_sync (self, args, kwargs);


  answer = _pyisolate_host_answer_new (self, args, kwargs);
  if (answer == NULL)
    return NULL;
  coroutine = PyObject_CallFunctionObjArgs (_pyisolate_host_hooks.coroutine, answer, NULL);
  Py_DECREF (answer);

  return coroutine;
}

static PyType_Slot method_slots[] = {
  { Py_tp_new, method_new },
  { Py_tp_dealloc, method_dealloc },
  { Py_tp_traverse, method_traverse },
  { Py_tp_clear, method_clear },
  { Py_tp_call, method_call },
  { Py_tp_doc, (void *) "A method of an extension." },
  { 0, NULL }
};

static PyType_Spec method_spec = {
  .name = "_pyisolate_host.Method",
  .basicsize = sizeof (Method),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
  .slots = method_slots,
};

/* ---- the module's functions ---- */

/* begin(method, args, kwargs): what to await; the method's extension is loaded. */
static PyObject *
host_begin (PyObject        *module,
            PyObject *const *args,
            Py_ssize_t       n_args)
{
  PyObject *answer;
  Method *method = n_args == 3 && PyObject_TypeCheck (args[0], method_type) ? (Method *) args[0] : NULL;

  if (method == NULL || !PyTuple_Check (args[1]) || !PyDict_Check (args[2]))
    {
      PyErr_SetString (PyExc_TypeError, "begin() takes a Method, a tuple and a dict");
      return NULL;
    }
  if (!find_target (method))
    {
      if (PyErr_Occurred () == NULL)
        PyErr_SetString (PyExc_RuntimeError, "The extension is not loaded");
      return NULL;
    }

  answer = _pyisolate_host_answer_new (method, args[1], args[2]);
  if (answer != NULL && !_pyisolate_host_answer_begin (answer))
    Py_CLEAR (answer);

  return answer;
}

/* set_call_hooks(by_loop, current, coroutine, to_exception, current_invocation, get_running_loop), kept for ever. */
static PyObject *
host_set_call_hooks (PyObject *module,
                     PyObject *args)
{
  struct PyIsolateHostHooks *hooks = &_pyisolate_host_hooks;

  if (!PyArg_ParseTuple (args, "O!OOOOO", &PyDict_Type, &hooks->by_loop, &hooks->current, &hooks->coroutine,
                         &hooks->to_exception, &hooks->current_invocation, &hooks->get_running_loop))
    return NULL;

  Py_INCREF (args); /* and all that is in it */
  Py_RETURN_NONE;
}

/* Before Python's own turn comes, which drops what other threads of the parent's had. */
static void
after_fork_in_child (void)
{
  _pyisolate_host_hooks.is_forked = TRUE;
}

gboolean
_pyisolate_host_check_process (void)
{
  if (!_pyisolate_host_hooks.is_forked)
    return TRUE;

  PyErr_SetString (PyExc_RuntimeError,
                   "This process was forked from one that has extensions, which it cannot reach: "
                   "use multiprocessing's 'spawn' or 'forkserver', or load them in this process alone");
  return FALSE;
}

/* check_process(): raises in the child of a process that had extensions. */
static PyObject *
host_check_process (PyObject *module,
                    PyObject *unused)
{
  if (!_pyisolate_host_check_process ())
    return NULL;

  Py_RETURN_NONE;
}

static PyObject *
host_is_forked (PyObject *module,
                PyObject *unused)
{
  return PyBool_FromLong (_pyisolate_host_hooks.is_forked);
}

static PyMethodDef functions[] = {
  { "begin", (PyCFunction) (void (*) (void)) host_begin, METH_FASTCALL, "Call a method." },
  { "set_call_hooks", host_set_call_hooks, METH_VARARGS, "Set what calls need of Python." },
  { "check_process", host_check_process, METH_NOARGS, "Raise if this is a child of the process that has the extensions." },
  { "is_forked", host_is_forked, METH_NOARGS, "Whether it is." },
  { NULL }
};

gboolean
_pyisolate_host_add_method (PyObject *module)
{
  no_kwargs = PyDict_New ();
  method_type = (PyTypeObject *) PyType_FromSpec (&method_spec);
  target_type = (PyTypeObject *) PyType_FromSpec (&target_spec);
  if (no_kwargs == NULL || method_type == NULL || target_type == NULL || PyModule_AddFunctions (module, functions) < 0)
    return FALSE;

  pthread_atfork (NULL, NULL, after_fork_in_child);
  Py_INCREF (method_type);
  Py_INCREF (target_type);
  return PyModule_AddObject (module, "Method", (PyObject *) method_type) == 0 &&
         PyModule_AddObject (module, "Target", (PyObject *) target_type) == 0;
}
