/* SPDX-License-Identifier: MIT */
/* Server: calls of coroutines on the main thread's event loop.
 *
 * select() stands for that of the loop's selector: it waits for the lanes, too, and serves what
 * comes without leaving it, as long as nothing has been left for the loop to do. On a loop of
 * another make serve_ready() is called when the inbox is readable. */
#include "config.h"

#include "pyisolate-native-server-private.h"

#include "pyisolate-deadline-private.h"

#include <string.h>

/* So many frames, or so many bytes in them, are handled before anything else is looked at: what else has come, by other
 * lanes too, and what is there for the loop to do. */
#define FRAMES_PER_TURN 64
#define BYTES_PER_TURN (16 * 1024)

typedef PyIsolateNativeServer Server;

static PyTypeObject *server_type;
Server *_pyisolate_native_server;

static struct {
  PyObject *stopping;
  PyObject *scheduled;
} names;

static PyObject *
get_running_loop (void)
{
  PyObject *running, *loop;

  if (_pyisolate_native_server == NULL)
    return NULL;

  /* Before Python 3.12 asyncio itself looks whether the process is still the same, with a system call. */
  running = _pyisolate_get_running ();
  if (running != NULL && running == _pyisolate_native_server->running && !_pyisolate_runtime_is_forked ())
    return _pyisolate_native_server->loop;

  loop = PyObject_CallFunctionObjArgs (_pyisolate_native_server->get_running_loop, NULL);
  if (loop == NULL)
    PyErr_Clear ();
  Py_XDECREF (loop);
  if (loop == NULL || loop != _pyisolate_native_server->loop)
    return NULL;

  Py_XINCREF (running);
  Py_XDECREF (_pyisolate_native_server->running);
  _pyisolate_native_server->running = running;

  return loop;
}

PyObject *
_pyisolate_native_server_get_waker (PyObject *callback)
{
  return _pyisolate_native_server != NULL ? _pyisolate_tasks_get_waker (_pyisolate_native_server->making, callback) : NULL;
}

static void
release_object (gpointer object)
{
  Py_DECREF ((PyObject *) object);
}

/* Whether there is something for the loop to do. @deadline: of its first timer. */
static gboolean
must_turn (Server     *self,
           PyObject   *scheduled,
           Py_ssize_t  n_scheduled,
           gint64      deadline)
{
  return PyObject_Size (self->ready) != 0 || _pyisolate_deadline_is_over (deadline) ||
         PyDict_GetItemWithError (self->attributes, names.stopping) != Py_False ||
         PyDict_GetItemWithError (self->attributes, names.scheduled) != scheduled || PyList_Size (scheduled) != n_scheduled;
}

/* The next frame. In a child that the extension has forked just now they are its parent's. */
static PyIsolateFrame *
next_frame (Server *self)
{
  return _pyisolate_runtime_is_forked () ? NULL : _pyisolate_inbox_pop (self->inbox);
}

/* What is in the inbox. *@more: there may be more in it. FALSE: an exception is set. */
static gboolean
handle_frames (Server  *self,
               gboolean *more)
{
  guint n_frames = 0;
  gsize n_bytes = 0;
  gboolean ok = TRUE;
  PyIsolateFrame *frame;

  *more = FALSE;
  while (ok && !*more && (frame = next_frame (self)) != NULL)
    {
      n_bytes += frame->body != NULL ? g_bytes_get_size (frame->body) : 0;
      *more = ++n_frames == FRAMES_PER_TURN || n_bytes >= BYTES_PER_TURN;
      /* Answers go together where there is more to do. A def ends that, for itself. */
      if (!*more && _pyisolate_inbox_has_frames (self->inbox))
        _pyisolate_lanes_gather ();
      ok = _pyisolate_native_server_handle (self, frame);
    }
  _pyisolate_lanes_end_gathering ();

  return ok;
}

static PyObject *
close_loop (Server *self)
{
  PyObject *result = PyObject_CallFunctionObjArgs (self->on_closed, NULL);

  if (result == NULL || !_pyisolate_native_answers_fail ())
    {
      Py_XDECREF (result);
      return NULL;
    }
  Py_DECREF (result);

  return PyList_New (0);
}

static int
get_timeout (PyObject *timeout,
             gint64   *deadline)
{
  double seconds;

  *deadline = -1;
  if (timeout == Py_None)
    return 0;

  seconds = PyFloat_AsDouble (timeout);
  if (seconds == -1 && PyErr_Occurred ())
    return -1;

  *deadline = _pyisolate_deadline_in (seconds);
  return 0;
}

/* Whether the loop is to look at what its selector has. */
static PyObject *
select_others (Server *self)
{
  return PyObject_CallFunction (self->select, "i", 0);
}

/* select(timeout=None), as of a selector. */
static PyObject *
server_select (PyObject *object,
               PyObject *args)
{
  Server *self = (Server *) object;
  PyObject *timeout = Py_None;
  PyObject *scheduled;
  Py_ssize_t n_scheduled;
  gint64 deadline;

  if (!PyArg_ParseTuple (args, "|O:select", &timeout) || get_timeout (timeout, &deadline) < 0)
    return NULL;
  /* A child that the extension forked goes on with what it does, but nobody calls it. */
  if (_pyisolate_runtime_is_forked ())
    return PyObject_CallFunctionObjArgs (self->select, timeout, NULL);

  scheduled = PyDict_GetItemWithError (self->attributes, names.scheduled);
  if (scheduled == NULL || !PyList_Check (scheduled))
    {
      PyErr_SetString (PyExc_TypeError, "The event loop has no list of what is scheduled");
      return NULL;
    }
  n_scheduled = PyList_Size (scheduled);

  for (;;)
    {
      gint64 until = _pyisolate_inbox_has_frames (self->inbox) ? 0 : deadline;
      gboolean others = FALSE;
      gboolean more;
      gboolean waited;
      guint n_events;

      Py_BEGIN_ALLOW_THREADS
      waited = _pyisolate_lanes_wait (self->set, self->inbox, until, &n_events, &others);
      Py_END_ALLOW_THREADS

      /* What a handler raises is none of the calls' that have come, which stay in the inbox. */
      if (PyErr_CheckSignals () < 0)
        return NULL;
      if (!handle_frames (self, &more))
        return NULL;
      if (g_atomic_int_get (&_pyisolate_runtime.closed) && !more)
        return close_loop (self);
      if (others)
        return select_others (self);
      if (!waited || (n_events == 0 && !more) || must_turn (self, scheduled, n_scheduled, deadline))
        return PyList_New (0);
    }
}

/* serve_ready(): for a loop that says when the inbox is readable. */
static PyObject *
server_serve_ready (PyObject *object,
                    PyObject *unused)
{
  Server *self = (Server *) object;
  gboolean more;
  guint n_events;

  if (_pyisolate_runtime_is_forked ())
    Py_RETURN_NONE;

  _pyisolate_lanes_wait (self->inbox->wait_fd, self->inbox, 0, &n_events, NULL);
  if (!handle_frames (self, &more))
    {
      g_mutex_lock (&_pyisolate_runtime.mutex);
      _pyisolate_inbox_wake_locked (self->inbox);
      g_mutex_unlock (&_pyisolate_runtime.mutex);
      return NULL;
    }
  if (more || _pyisolate_lanes_have_left ())
    {
      g_mutex_lock (&_pyisolate_runtime.mutex);
      _pyisolate_inbox_wake_locked (self->inbox);
      g_mutex_unlock (&_pyisolate_runtime.mutex);
    }
  else if (g_atomic_int_get (&_pyisolate_runtime.closed))
    {
      return close_loop (self);
    }

  Py_RETURN_NONE;
}

/* start(frame, coroutine): as the task of that call. */
static PyObject *
server_start (PyObject *object,
              PyObject *args)
{
  Server *self = (Server *) object;
  PyIsolateFrame *call;
  PyObject *frame;
  PyObject *coroutine;
  PyObject *context;
  PyObject *task;
  gboolean ok;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "OO:start", &frame, &coroutine) ||
      !_pyisolate_native_frame_convert (frame, &call))
    return NULL;

  context = _pyisolate_native_new_context (frame);
  task = context != NULL ? _pyisolate_tasks_start (self->making, coroutine, context) : NULL;
  Py_XDECREF (context);
  if (task == NULL)
    return NULL;

  ok = _pyisolate_native_server_follow_task (self, frame, task);
  Py_DECREF (task);
  if (!ok)
    return NULL;

  Py_RETURN_NONE;
}

static PyObject *
server_get_tasks (PyObject *object,
                  void     *closure)
{
  PyObject *list = PyList_New (0);
  GHashTableIter iter;
  gpointer task;

  g_hash_table_iter_init (&iter, ((Server *) object)->tasks);
  while (list != NULL && g_hash_table_iter_next (&iter, NULL, &task))
    {
      if (PyList_Append (list, task) < 0)
        Py_CLEAR (list);
    }

  return list;
}

static gboolean
intern_names (void)
{
  static const struct {
    PyObject **name;
    const char *text;
  } all[] = {
    { &names.stopping, "_stopping" },
    { &names.scheduled, "_scheduled" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      *all[i].name = PyUnicode_InternFromString (all[i].text);
      if (*all[i].name == NULL)
        return FALSE;
    }

  return TRUE;
}

/* Server(inbox, loop, get_running_loop, set_running_loop, on_other, on_closed, fd, select): @fd and @select are the
 * selector's on a loop that has the usual one, else -1 and None. Lives as long as the process. */
static PyObject *
server_make (PyTypeObject *type,
             PyObject     *args,
             PyObject     *kwargs)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (type, Py_tp_alloc);
  Server *self = (Server *) alloc (type, 0);
  int fd;

  if (self == NULL || !_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "O&OOOOOiO:Server", _pyisolate_native_inbox_convert, &self->inbox, &self->loop,
                         &self->get_running_loop, &self->set_running_loop, &self->on_other, &self->on_closed, &fd,
                         &self->select))
    return NULL;

  self->making = _pyisolate_tasks_new (self->loop, fd >= 0);
  if (self->making == NULL)
    return NULL;

  self->tasks = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, release_object);
  self->set = -1;
  if (fd >= 0)
    {
      self->ready = PyObject_GetAttrString (self->loop, "_ready");
      self->attributes = PyObject_GetAttrString (self->loop, "__dict__");
      if (self->ready == NULL || self->attributes == NULL)
        return NULL;
      self->set = _pyisolate_lanes_new_set (self->inbox->wake_fd);
      if (self->set < 0 || !_pyisolate_lanes_add_to_set (self->set, fd))
        return PyErr_SetFromErrno (PyExc_OSError);
    }

  Py_INCREF (self->loop);
  Py_INCREF (self->get_running_loop);
  Py_INCREF (self->set_running_loop);
  Py_INCREF (self->on_other);
  Py_INCREF (self->on_closed);
  Py_INCREF (self->select);
  _pyisolate_native_server = self;

  return (PyObject *) self;
}

/* NULL with an exception. It is the object's own. */
static const char *
get_text (PyObject *object)
{
  Py_ssize_t length;
  const char *text = PyUnicode_AsUTF8AndSize (object, &length);

  if (text == NULL || strlen (text) == (gsize) length)
    return text;

  PyErr_SetString (PyExc_ValueError, "embedded null character");
  return NULL;
}

static PyObject *
call_elsewhere (PyObject *const *args,
                Py_ssize_t       n_args)
{
  PyObject *tuple = PyTuple_New (n_args);
  PyObject *result = NULL;

  for (Py_ssize_t i = 0; tuple != NULL && i < n_args; i++)
    {
      Py_INCREF (args[i]);
      PyTuple_SetItem (tuple, i, args[i]);
    }
  if (tuple != NULL)
    result = _pyisolate_native_call_elsewhere (tuple);
  Py_XDECREF (tuple);

  return result;
}

/* call_host(target, name, args, kwargs) → what to await */
static PyObject *
native_call_host (PyObject        *module,
                  PyObject *const *args,
                  Py_ssize_t       n_args)
{
  PyObject *loop = get_running_loop ();
  g_autoptr (GError) error = NULL;
  PyIsolateFrame *frame;
  PyIsolateFrame *parent;
  PyObject *parent_object;
  const char *target;
  const char *name;
  guint64 id;

  if (!_pyisolate_native_check_process ())
    return NULL;
  if (loop == NULL)
    return call_elsewhere (args, n_args);
  if (n_args != 4 || !PyTuple_Check (args[2]) || !PyDict_Check (args[3]))
    {
      PyErr_SetString (PyExc_TypeError, "call_host() takes a target, a name, a tuple and a dict");
      return NULL;
    }
  target = get_text (args[0]);
  name = target != NULL ? get_text (args[1]) : NULL;
  if (name == NULL)
    return NULL;

  parent = _pyisolate_native_get_current (&parent_object);
  frame = _pyisolate_native_new_call_frame (parent, target, name, args[2], args[3]);
  id = frame != NULL ? _pyisolate_out_call_begin (frame, parent != NULL ? parent->id : 0,
                                                  _pyisolate_native_server->inbox, NULL, &error)
                     : 0;
  Py_XDECREF (parent_object);
  if (error != NULL)
    _pyisolate_native_set_error (error);

  return id != 0 ? _pyisolate_native_answer_new (id, loop) : NULL;
}

static PyGetSetDef server_getset[] = {
  { "tasks", server_get_tasks, NULL, "Those of the calls that run.", NULL },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef server_methods[] = {
  { "select", server_select, METH_VARARGS, "Wait as a selector does, and serve meanwhile." },
  { "serve_ready", server_serve_ready, METH_NOARGS, "Serve what has come." },
  { "start", server_start, METH_VARARGS, "Run a coroutine for a call." },
  { NULL, NULL, 0, NULL },
};

PyMethodDef _pyisolate_native_server_methods[] = {
  { "call_host", (PyCFunction) (void (*) (void)) native_call_host, METH_FASTCALL, "Call the host, from a coroutine." },
  { NULL, NULL, 0, NULL },
};

gboolean
_pyisolate_native_server_init (PyObject *module)
{
  PyType_Slot slots[] = {
    { Py_tp_new, server_make },
    { Py_tp_getset, server_getset },
    { Py_tp_methods, server_methods },
    { Py_tp_doc, "Serves calls on the main thread's event loop." },
    { 0, NULL },
  };
  PyType_Spec spec = { "_pyisolate_native.Server", sizeof (Server), 0, Py_TPFLAGS_DEFAULT, slots };

  if (!intern_names () || !_pyisolate_native_server_calls_init ())
    return FALSE;

  server_type = (PyTypeObject *) PyType_FromSpec (&spec);
  if (server_type == NULL)
    return FALSE;

  Py_INCREF ((PyObject *) server_type);
  return PyModule_AddObject (module, "Server", (PyObject *) server_type) == 0;
}
