/* SPDX-License-Identifier: MIT */
/* Context: a GMainContext that an event loop of Python's can serve without a thread between them.
 *
 * Its descriptor becomes readable when there is something to do, and iterate() does it. Nothing else is ever attached to it
 * than what this library attaches: jobs, by which it is woken, and lanes. All descriptors that it polls are in an epoll set,
 * which is kept up to date whenever it polls: a new source wakes it. The flag makes GLib wake it also while no thread polls
 * in it. */
#include "pyisolate-host-private.h"

#include <sys/epoll.h>
#include <unistd.h>

typedef PyIsolateHostContext Context;

static PyTypeObject *context_type;

Context *
_pyisolate_host_context_check (PyObject *object)
{
  if (PyObject_TypeCheck (object, context_type))
    return (Context *) object;

  PyErr_SetString (PyExc_TypeError, "a Context is needed here");
  return NULL;
}

GMainContext *
_pyisolate_host_context_get (PyObject *object)
{
  Context *self = _pyisolate_host_context_check (object);

  return self != NULL ? self->context : NULL;
}

static PyObject *
context_new (PyTypeObject *type,
             PyObject     *args,
             PyObject     *kwargs)
{
  allocfunc allocate = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  Context *self = (Context *) allocate (type, 0);

  if (self == NULL)
    return NULL;

  self->select_fd = -1;
  self->wake_fd = -1;
  self->fd = epoll_create1 (EPOLL_CLOEXEC);
  if (self->fd < 0)
    {
      PyErr_SetFromErrno (PyExc_OSError);
      Py_DECREF (self);
      return NULL;
    }

  self->known = g_array_new (FALSE, FALSE, sizeof (int));
  self->context = g_main_context_new_with_flags (G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING);
  self->inbox = _pyisolate_host_inbox_new (self->context);
  g_main_context_set_poll_func (self->context, _pyisolate_host_context_poll);
  _pyisolate_host_context_iterate (self, FALSE);
  g_assert (self->known->len == 1); /* there is nothing else yet */
  self->wake_fd = g_array_index (self->known, int, 0);

  return (PyObject *) self;
}

static int
context_traverse (PyObject  *object,
                  visitproc  visit,
                  void      *arg)
{
  Context *self = (Context *) object;

  Py_VISIT (Py_TYPE (object));
  Py_VISIT (self->loop);
  Py_VISIT (self->running);
  Py_VISIT (self->attributes);
  Py_VISIT (self->tasks);
  Py_VISIT (self->ready);
  Py_VISIT (self->select);

  return 0;
}

static int
context_clear (PyObject *object)
{
  Context *self = (Context *) object;

  Py_CLEAR (self->loop);
  Py_CLEAR (self->running);
  Py_CLEAR (self->attributes);
  Py_CLEAR (self->tasks);
  Py_CLEAR (self->ready);
  Py_CLEAR (self->select);

  return 0;
}

static void
context_dealloc (PyObject *object)
{
  Context *self = (Context *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  PyObject_GC_UnTrack (object);
  context_clear (object);
  if (!_pyisolate_host_hooks.is_forked) /* else its lanes, which end with it, are the parent's */
    {
      g_clear_pointer (&self->inbox, _pyisolate_host_inbox_unref);
      g_clear_pointer (&self->context, g_main_context_unref);
    }
  g_clear_pointer (&self->known, g_array_unref);
  if (self->fd >= 0)
    close (self->fd);
  if (self->select_fd >= 0)
    close (self->select_fd);
  release (object);
  Py_DECREF (type);
}

/* bind(loop): to a loop that watches the descriptor itself, or does it by select(). */
static PyObject *
context_bind (PyObject *object,
              PyObject *loop)
{
  Context *self = (Context *) object;

  Py_INCREF (loop);
  Py_XDECREF (self->loop);
  self->loop = loop;

  Py_RETURN_NONE;
}

/* unbind(): the loop is closed. */
static PyObject *
context_unbind (PyObject *object,
                PyObject *unused)
{
  Py_CLEAR (((Context *) object)->ready);
  Py_CLEAR (((Context *) object)->select);
  Py_CLEAR (((Context *) object)->attributes);
  Py_RETURN_NONE;
}

/* set_bare(): of a thread that has no loop, and waits in no other way than this one. */
static PyObject *
context_set_bare (PyObject *object,
                  PyObject *unused)
{
  ((Context *) object)->is_bare = TRUE;
  Py_RETURN_NONE;
}

/* set_selector(fd, select, ready): stand for its select(). */
static PyObject *
context_set_selector (PyObject *object,
                      PyObject *args)
{
  Context *self = (Context *) object;
  struct epoll_event event = { .events = EPOLLIN, .data.fd = -1 };
  PyObject *select, *ready;
  int fd;

  if (!PyArg_ParseTuple (args, "iOO", &fd, &select, &ready))
    return NULL;

  self->select_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (self->select_fd < 0 || epoll_ctl (self->select_fd, EPOLL_CTL_ADD, fd, &event) < 0)
    return PyErr_SetFromErrno (PyExc_OSError);

  Py_INCREF (select);
  self->select = select;
  Py_INCREF (ready);
  self->ready = ready;
  self->attributes = PyObject_GetAttrString (self->loop, "__dict__");
  if (self->attributes == NULL)
    return NULL;
  g_main_context_wakeup (self->context); /* so that all the others are put in, too */
  Py_BEGIN_ALLOW_THREADS
  _pyisolate_host_context_iterate (self, FALSE);
  Py_END_ALLOW_THREADS

  Py_RETURN_NONE;
}

static PyObject *
context_fileno (PyObject *object,
                PyObject *unused)
{
  return PyLong_FromLong (((Context *) object)->fd);
}

/* iterate(wait): do what there is to do, and wait for it first if there is nothing and @wait is true. */
static PyObject *
context_iterate (PyObject *object,
                 PyObject *wait)
{
  Context *self = (Context *) object;
  int may_block = PyObject_IsTrue (wait);

  if (may_block < 0 || !_pyisolate_host_check_process ())
    return NULL;

  Py_INCREF (object);
  Py_BEGIN_ALLOW_THREADS
  {
    PyIsolateHostInbox *outer = _pyisolate_host_inbox_set_read (self->inbox);

    _pyisolate_host_context_iterate (self, may_block);
    _pyisolate_host_inbox_set_read (outer);
  }
  Py_END_ALLOW_THREADS
  if (!_pyisolate_host_context_answer (self, FALSE))
    {
      Py_DECREF (object);
      return NULL;
    }
  Py_DECREF (object);

  if (PyErr_CheckSignals () < 0)
    return NULL;
  Py_RETURN_NONE;
}

/* serve(): when the descriptor says that there is something, do it; but come back before long. */
static PyObject *
context_serve (PyObject *object,
               PyObject *unused)
{
  Context *self = (Context *) object;
  gboolean ok, anything, others;

  if (_pyisolate_host_hooks.is_forked) /* a loop that the child has taken over still looks at the descriptor */
    Py_RETURN_NONE;

  Py_INCREF (object);
  Py_BEGIN_ALLOW_THREADS
  _pyisolate_host_context_read (self, self->fd, 0, &anything, &others);
  Py_END_ALLOW_THREADS
  ok = _pyisolate_host_context_answer (self, FALSE);
  Py_DECREF (object);
  if (!ok)
    return NULL;

  Py_RETURN_NONE;
}

/* wait(): the same, once there is something. A signal ends the waiting. */
static PyObject *
context_wait (PyObject *object,
              PyObject *unused)
{
  Context *self = (Context *) object;
  gboolean ok, anything, others;

  if (!_pyisolate_host_check_process ())
    return NULL;

  Py_INCREF (object);
  Py_BEGIN_ALLOW_THREADS
  _pyisolate_host_context_read (self, self->fd, -1, &anything, &others);
  Py_END_ALLOW_THREADS
  ok = _pyisolate_host_context_answer (self, FALSE);
  Py_DECREF (object);

  if (!ok || PyErr_CheckSignals () < 0)
    return NULL;
  Py_RETURN_NONE;
}

static PyObject *
context_get_waiting (PyObject *object,
                     void     *closure)
{
  return PyLong_FromUnsignedLong (((Context *) object)->n_waiting);
}

static int
context_set_waiting (PyObject *object,
                     PyObject *value,
                     void     *closure)
{
  unsigned long number = value != NULL ? PyLong_AsUnsignedLong (value) : 0;

  if (PyErr_Occurred () != NULL)
    return -1;

  ((Context *) object)->n_waiting = number;
  return 0;
}

static PyObject *
context_get_loop (PyObject *object,
                  void     *closure)
{
  PyObject *loop = ((Context *) object)->loop;

  if (loop == NULL)
    loop = Py_None;
  Py_INCREF (loop);
  return loop;
}

static PyObject *
context_get_tasks (PyObject *object,
                   void     *closure)
{
  PyObject *tasks = ((Context *) object)->tasks;

  if (tasks == NULL)
    tasks = Py_None;
  Py_INCREF (tasks);
  return tasks;
}

static int
context_set_tasks (PyObject *object,
                   PyObject *tasks,
                   void     *closure)
{
  PyObject *before = ((Context *) object)->tasks;

  if (tasks == NULL || _pyisolate_host_tasks_get (tasks) == NULL)
    return -1;

  Py_INCREF (tasks);
  ((Context *) object)->tasks = tasks;
  Py_XDECREF (before);
  return 0;
}

static PyGetSetDef context_properties[] = {
  { "tasks", context_get_tasks, context_set_tasks, "How tasks of the event loop are made, or None.", NULL },
  { "waiting", context_get_waiting, context_set_waiting, "How many calls block in it.", NULL },
  { "loop", context_get_loop, NULL, "The event loop, or None.", NULL },
  { NULL }
};

static PyObject *
context_wakeup (PyObject *object,
                PyObject *unused)
{
  g_main_context_wakeup (((Context *) object)->context);
  Py_RETURN_NONE;
}

static gboolean
call_function (gpointer data)
{
  PyObject *function = data;
  PyGILState_STATE gil = PyGILState_Ensure ();
  PyObject *returned = PyObject_CallFunctionObjArgs (function, NULL);

  if (returned == NULL)
    _pyisolate_host_report (function);
  Py_XDECREF (returned);
  Py_DECREF (function);
  PyGILState_Release (gil);

  return G_SOURCE_REMOVE;
}

/* invoke(function): call it in this context, soon; from any thread. */
static PyObject *
context_invoke (PyObject *object,
                PyObject *function)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  Py_INCREF (function);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, call_function, function, NULL);
  g_source_set_static_name (source, "[pyisolate] Python");
  g_source_attach (source, ((Context *) object)->context);

  Py_RETURN_NONE;
}

/* push(), pop(): what is made between them belongs to this context. */
static PyObject *
context_push (PyObject *object,
              PyObject *unused)
{
  g_main_context_push_thread_default (((Context *) object)->context);
  Py_RETURN_NONE;
}

static PyObject *
context_pop (PyObject *object,
             PyObject *unused)
{
  g_main_context_pop_thread_default (((Context *) object)->context);
  Py_RETURN_NONE;
}

static PyMethodDef context_methods[] = {
  { "bind", context_bind, METH_O, "Belong to a loop." },
  { "unbind", context_unbind, METH_NOARGS, "Have nothing more to do with the loop's selector." },
  { "set_bare", context_set_bare, METH_NOARGS, "Belong to a thread without a loop." },
  { "set_selector", context_set_selector, METH_VARARGS, "Have select() stand for that of a loop's selector." },
  { "select", (PyCFunction) (void (*) (void)) _pyisolate_host_context_select, METH_FASTCALL,
    "Wait as the selector does, and serve meanwhile." },
  { "fileno", context_fileno, METH_NOARGS, "The descriptor that is readable when there is something to do." },
  { "iterate", context_iterate, METH_O, "Do what there is to do; wait for it first if the argument is true." },
  { "serve", context_serve, METH_NOARGS, "Do what there is to do, for one turn of an event loop." },
  { "wait", context_wait, METH_NOARGS, "Wait until there is something to do, and do it." },
  { "wakeup", context_wakeup, METH_NOARGS, "End the waiting of iterate()." },
  { "invoke", context_invoke, METH_O, "Have a function called in this context." },
  { "push", context_push, METH_NOARGS, "Make it the thread's default context; not kept over an await." },
  { "pop", context_pop, METH_NOARGS, "Undo push()." },
  { NULL }
};

static PyType_Slot context_slots[] = {
  { Py_tp_new, context_new },
  { Py_tp_dealloc, context_dealloc },
  { Py_tp_traverse, context_traverse },
  { Py_tp_clear, context_clear },
  { Py_tp_methods, context_methods },
  { Py_tp_getset, context_properties },
  { Py_tp_doc, (void *) "A GMainContext that an event loop of Python's serves." },
  { 0, NULL }
};

static PyType_Spec context_spec = {
  .name = "_pyisolate_host.Context",
  .basicsize = sizeof (Context),
  .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
  .slots = context_slots,
};

gboolean
_pyisolate_host_add_context (PyObject *module)
{
  PyObject *type = PyType_FromSpec (&context_spec);

  if (type == NULL)
    return FALSE;

  context_type = (PyTypeObject *) type;
  Py_INCREF (type);
  return PyModule_AddObject (module, "Context", type) == 0;
}
