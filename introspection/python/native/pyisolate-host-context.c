/* SPDX-License-Identifier: MIT */
/* Context: a GMainContext that an event loop of Python's can serve without a thread between them.
 *
 * Its descriptor becomes readable when there is something to do, and iterate() does it. Nothing else is ever attached to it
 * than what this library attaches: jobs, by which it is woken, and lanes. All descriptors that it polls are in an epoll set,
 * which is kept up to date whenever it polls: a new source wakes it. The flag makes GLib wake it also while no thread polls
 * in it. */
#include "pyisolate-host-private.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

/* One turn of a loop handles so much before it looks at anything else. */
#define TURNS 64

typedef struct {
  PyObject_HEAD
  GMainContext *context;
  int fd;        /* of the epoll set */
  GArray *known; /* of int: what is in the set */
} Context;

static PyTypeObject *context_type;

GMainContext *
_pyisolate_host_context_get (PyObject *self)
{
  if (!PyObject_TypeCheck (self, context_type))
    {
      PyErr_SetString (PyExc_TypeError, "a Context is needed here");
      return NULL;
    }

  return ((Context *) self)->context;
}

/* The context that this thread iterates, for poll_and_note(). */
static _Thread_local Context *polled;

static gboolean
is_polled (const GPollFD *fds,
           guint          n_fds,
           int            fd)
{
  for (guint i = 0; i < n_fds; i++)
    {
      if (fds[i].fd == fd)
        return TRUE;
    }

  return FALSE;
}

/* A descriptor that was closed has left the set by itself, and another may have its number now. */
static void
update_set (Context       *self,
            const GPollFD *fds,
            guint          n_fds)
{
  for (guint i = 0; i < self->known->len; i++)
    {
      int fd = g_array_index (self->known, int, i);

      if (!is_polled (fds, n_fds, fd))
        epoll_ctl (self->fd, EPOLL_CTL_DEL, fd, NULL);
    }

  g_array_set_size (self->known, 0);
  for (guint i = 0; i < n_fds; i++)
    {
      struct epoll_event event = { .events = fds[i].events, .data.fd = fds[i].fd };

      if (epoll_ctl (self->fd, EPOLL_CTL_MOD, fds[i].fd, &event) < 0)
        epoll_ctl (self->fd, EPOLL_CTL_ADD, fds[i].fd, &event);
      g_array_append_val (self->known, fds[i].fd);
    }
}

static int
poll_and_note (GPollFD *fds,
               guint    n_fds,
               int      timeout)
{
  if (polled != NULL)
    update_set (polled, fds, n_fds);

  return g_poll (fds, n_fds, timeout);
}

/* What is done takes the GIL where it needs it; a signal ends the waiting. */
static void
iterate (Context  *self,
         gboolean  may_block)
{
  Context *outer = polled;

  polled = self;
  g_main_context_iteration (self->context, may_block);
  polled = outer;
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

  self->fd = epoll_create1 (EPOLL_CLOEXEC);
  if (self->fd < 0)
    {
      PyErr_SetFromErrno (PyExc_OSError);
      Py_DECREF (self);
      return NULL;
    }

  self->known = g_array_new (FALSE, FALSE, sizeof (int));
  self->context = g_main_context_new_with_flags (G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING);
  g_main_context_set_poll_func (self->context, poll_and_note);
  iterate (self, FALSE);

  return (PyObject *) self;
}

static void
context_dealloc (PyObject *object)
{
  Context *self = (Context *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->known, g_array_unref);
  if (self->fd >= 0)
    close (self->fd);
  release (object);
  Py_DECREF (type);
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
  int may_block = PyObject_IsTrue (wait);

  if (may_block < 0)
    return NULL;

  Py_INCREF (object);
  Py_BEGIN_ALLOW_THREADS
  iterate ((Context *) object, may_block);
  Py_END_ALLOW_THREADS
  Py_DECREF (object);

  if (PyErr_CheckSignals () < 0)
    return NULL;
  Py_RETURN_NONE;
}

/* With the GIL released, and when the descriptor says that there is something. */
static void
serve (Context *self)
{
  guint n_turns = 0;

  if (pyisolate_serve_context (self->context))
    return;

  do
    iterate (self, FALSE);
  while (++n_turns < TURNS && g_main_context_pending (self->context));
  if (n_turns == TURNS)
    g_main_context_wakeup (self->context);
}

/* serve(): do what there is to do, but come back before long. */
static PyObject *
context_serve (PyObject *object,
               PyObject *unused)
{
  Py_INCREF (object);
  Py_BEGIN_ALLOW_THREADS
  serve ((Context *) object);
  Py_END_ALLOW_THREADS
  Py_DECREF (object);

  Py_RETURN_NONE;
}

/* wait(): the same, once there is something. A signal ends the waiting. */
static PyObject *
context_wait (PyObject *object,
              PyObject *unused)
{
  Context *self = (Context *) object;
  struct pollfd fd = { self->fd, POLLIN, 0 };

  Py_INCREF (object);
  Py_BEGIN_ALLOW_THREADS
  if (poll (&fd, 1, -1) > 0)
    serve (self);
  Py_END_ALLOW_THREADS
  Py_DECREF (object);

  if (PyErr_CheckSignals () < 0)
    return NULL;
  Py_RETURN_NONE;
}

static PyObject *
context_pending (PyObject *object,
                 PyObject *unused)
{
  return PyBool_FromLong (g_main_context_pending (((Context *) object)->context));
}

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
  { "fileno", context_fileno, METH_NOARGS, "The descriptor that is readable when there is something to do." },
  { "iterate", context_iterate, METH_O, "Do what there is to do; wait for it first if the argument is true." },
  { "serve", context_serve, METH_NOARGS, "Do what there is to do, for one turn of an event loop." },
  { "wait", context_wait, METH_NOARGS, "Wait until there is something to do, and do it." },
  { "pending", context_pending, METH_NOARGS, "Whether there is something to do." },
  { "wakeup", context_wakeup, METH_NOARGS, "End the waiting of iterate()." },
  { "invoke", context_invoke, METH_O, "Have a function called in this context." },
  { "push", context_push, METH_NOARGS, "Make it the thread's default context; not kept over an await." },
  { "pop", context_pop, METH_NOARGS, "Undo push()." },
  { NULL }
};

static PyType_Slot context_slots[] = {
  { Py_tp_new, context_new },
  { Py_tp_dealloc, context_dealloc },
  { Py_tp_methods, context_methods },
  { Py_tp_doc, (void *) "A GMainContext that an event loop of Python's serves." },
  { 0, NULL }
};

static PyType_Spec context_spec = {
  .name = "_pyisolate_host.Context",
  .basicsize = sizeof (Context),
  .flags = Py_TPFLAGS_DEFAULT,
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
