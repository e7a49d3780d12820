/* SPDX-License-Identifier: MIT */
/* Calls of an extension.
 *
 * One ends with (True, value), with (False, (domain, code, message), exception), or with (None, exception) if the value is
 * none that this side can make: which exception is raised is up to Python. */
#include "pyisolate-host-private.h"

#include <unistd.h>

typedef struct {
  PyObject_HEAD
  PyIsolateCall *call;
  GCancellable *cancellable;
  PyObject *watcher;
  gulong handler;
} Call;

typedef struct {
  PyIsolateCall *call;
  PyObject *callback;
} Pending;

static PyTypeObject *call_type;

GQuark
_pyisolate_host_call_quark (void)
{
  return g_quark_from_static_string ("pyisolate-host-call");
}

static PyObject *
decode_result (PyIsolateCallResult *result)
{
  guint n_fds = pyisolate_call_result_get_n_fds (result);
  g_autofree int *fds = g_new (int, n_fds + 1);
  gsize size;
  const guint8 *data = g_bytes_get_data (pyisolate_call_result_get_body (result), &size);
  guint n_memories = pyisolate_call_result_get_n_memories (result);
  g_autofree PyIsolateMemory **memories = g_new (PyIsolateMemory *, n_memories + 1);
  PyIsolateContents contents = { fds, n_fds, memories, n_memories };
  PyObject *value;

  for (guint i = 0; i < n_memories; i++)
    memories[i] = pyisolate_call_result_get_memory (result, i);

  for (guint i = 0; i < n_fds; i++)
    fds[i] = pyisolate_call_result_dup_fd (result, i, NULL);
  value = _pyisolate_codec_decode_value (data, size, &contents);
  for (guint i = 0; i < n_fds; i++)
    {
      if (fds[i] >= 0)
        close (fds[i]);
    }

  return value;
}

static PyObject *
new_failure (PyIsolateCall *call,
             const GError  *error)
{
  g_autoptr (PyIsolateRemoteException) exception = pyisolate_call_dup_remote_exception (call);

  return Py_BuildValue ("(ONN)", Py_False, _pyisolate_host_new_error (error),
                        _pyisolate_host_describe_exception (exception));
}

static PyObject *
new_outcome (PyIsolateCall       *call,
             PyIsolateCallResult *result,
             const GError        *error)
{
  PyObject *value;

  if (result == NULL)
    return new_failure (call, error);

  value = decode_result (result);
  if (value == NULL)
    return NULL;

  return Py_BuildValue ("(ON)", Py_True, value);
}

/* In the context in which the call was made. */
static void
on_completed (PyIsolateExtension  *extension,
              PyIsolateCallResult *result,
              const GError        *error,
              gpointer             user_data)
{
  Pending *pending = user_data;
  PyGILState_STATE gil;
  PyObject *outcome, *returned;

  gil = PyGILState_Ensure ();
  outcome = new_outcome (pending->call, result, error);
  if (outcome == NULL)
    {
      PyObject *type, *value, *traceback;

      PyErr_Fetch (&type, &value, &traceback);
      PyErr_NormalizeException (&type, &value, &traceback);
      outcome = Py_BuildValue ("(OO)", Py_None, value);
      Py_XDECREF (type);
      Py_XDECREF (value);
      Py_XDECREF (traceback);
    }
  returned = PyObject_CallFunctionObjArgs (pending->callback, outcome, NULL);
  if (returned == NULL)
    _pyisolate_host_report (pending->callback);
  Py_XDECREF (returned);
  Py_XDECREF (outcome);
  Py_DECREF (pending->callback);
  PyGILState_Release (gil);

  g_object_unref (pending->call);
  g_free (pending);
}

PyIsolateMemory *
_pyisolate_host_allocate_memory (gpointer               extension,
                                 gsize                  size,
                                 PyIsolateMemoryFlags   flags,
                                 GError               **error)
{
  return pyisolate_extension_allocate_memory (extension, size, flags, error);
}

/* Then torch's storages are passed as torch's own multiprocessing passes them: they move. */
gboolean
_pyisolate_host_shares_torch (PyIsolateExtension *extension)
{
  return pyisolate_extension_config_get_share_torch (pyisolate_extension_get_config (extension));
}

static PyIsolateCall *
new_call (PyIsolateExtension *extension,
          const char         *method,
          PyObject           *args,
          PyObject           *kwargs,
          double              timeout,
          gboolean            readonly)
{
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GPtrArray) memories = NULL;
  PyIsolateParcel parcel = {
    .fds = fds,
    .memories = &memories,
    .allocate = _pyisolate_host_allocate_memory,
    .user_data = extension,
    .readonly = readonly,
    .move_storages = _pyisolate_host_shares_torch (extension),
  };
  g_autoptr (GBytes) body = _pyisolate_codec_encode_call (args, kwargs, &parcel);
  g_autoptr (PyIsolateCall) call = NULL;
  g_autoptr (GError) error = NULL;

  if (body == NULL)
    return NULL;

  call = pyisolate_call_new (method);
  pyisolate_call_set_body (call, body);
  if (timeout >= 0)
    pyisolate_call_set_timeout (call, (gint64) MIN (timeout * 1000, 9e15));
  else if (timeout == -1)
    pyisolate_call_set_timeout (call, -1);

  for (guint i = 0; memories != NULL && i < memories->len; i++)
    pyisolate_call_append_memory (call, g_ptr_array_index (memories, i));
  for (guint i = 0; i < fds->len; i++)
    {
      int fd = g_array_index (fds, int, i);

      if (error == NULL)
        pyisolate_call_append_fd (call, fd, &error);
      close (fd);
    }
  if (error != NULL)
    {
      PyErr_SetString (PyExc_OSError, error->message);
      return NULL;
    }

  return g_steal_pointer (&call);
}

static PyObject *
new_call_object (PyIsolateCall *call)
{
  allocfunc allocate = (allocfunc) PyType_GetSlot (call_type, Py_tp_alloc);
  Call *self = (Call *) allocate (call_type, 0);

  if (self == NULL)
    return NULL;

  self->call = g_object_ref (call);
  self->cancellable = g_cancellable_new ();

  return (PyObject *) self;
}

/* What Python wants to know again when a singleton is called because of this call. A number, not an object: the last
 * reference to a call may be dropped in any thread, with any lock held, where nobody must wait for the GIL. */
static void
set_origin (PyIsolateCall      *call,
            unsigned long long  origin)
{
  g_object_set_qdata (G_OBJECT (call), _pyisolate_host_call_quark (), (gpointer) (guintptr) origin);
}

/* start_call(context, extension, method, args, kwargs, timeout, readonly, origin, parent, callback) → Call. timeout: seconds,
 * -1 for ever, -2 the extension's; readonly: of the memory that it passes; origin: a number that the invocations of singletons give back; parent: the Invocation that the
 * call is a part of, or None. callback gets the outcome in the context, later. */
static PyObject *
host_start_call (PyObject *module,
                 PyObject *arguments)
{
  PyObject *context_object, *extension_object, *args, *kwargs, *parent, *callback, *handle;
  const char *method;
  double timeout;
  int readonly;
  unsigned long long origin;
  PyIsolateExtension *extension;
  GMainContext *context;
  Pending *pending;
  g_autoptr (PyIsolateCall) call = NULL;

  if (!PyArg_ParseTuple (arguments, "OOsO!O!dpKOO", &context_object, &extension_object, &method, &PyTuple_Type, &args,
                         &PyDict_Type, &kwargs, &timeout, &readonly, &origin, &parent, &callback))
    return NULL;

  context = _pyisolate_host_context_get (context_object);
  extension = _pyisolate_host_get_object (extension_object, PYISOLATE_TYPE_EXTENSION);
  if (context == NULL || extension == NULL)
    return NULL;
  call = new_call (extension, method, args, kwargs, timeout, readonly);
  if (call == NULL)
    return NULL;
  set_origin (call, origin);
  if (parent != Py_None)
    pyisolate_call_set_parent (call, _pyisolate_host_invocation_get (parent));
  handle = new_call_object (call);
  if (handle == NULL)
    return NULL;

  pending = g_new (Pending, 1);
  pending->call = g_object_ref (call);
  Py_INCREF (callback);
  pending->callback = callback;

  Py_BEGIN_ALLOW_THREADS
  g_main_context_push_thread_default (context);
  pyisolate_extension_begin_call (extension, call, ((Call *) handle)->cancellable, on_completed, pending);
  g_main_context_pop_thread_default (context);
  Py_END_ALLOW_THREADS

  return handle;
}

static void
call_dealloc (PyObject *object)
{
  Call *self = (Call *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  if (self->handler != 0)
    g_signal_handler_disconnect (self->call, self->handler);
  Py_CLEAR (self->watcher);
  g_clear_object (&self->call);
  g_clear_object (&self->cancellable);
  release (object);
  Py_DECREF (type);
}

static PyObject *
call_cancel (PyObject *object,
             PyObject *unused)
{
  GCancellable *cancellable = g_object_ref (((Call *) object)->cancellable);

  Py_BEGIN_ALLOW_THREADS
  g_cancellable_cancel (cancellable);
  g_object_unref (cancellable);
  Py_END_ALLOW_THREADS

  Py_RETURN_NONE;
}

static void
on_progress (PyIsolateCall *call,
             double         fraction,
             const char    *text,
             gpointer       user_data)
{
  PyGILState_STATE gil = PyGILState_Ensure ();
  PyObject *returned = PyObject_CallFunction (user_data, "ds", fraction, text);

  if (returned == NULL)
    _pyisolate_host_report (user_data);
  Py_XDECREF (returned);
  PyGILState_Release (gil);
}

/* watch(function): have function(fraction, text) called in the context of the call, as the handle lives. */
static PyObject *
call_watch (PyObject *object,
            PyObject *function)
{
  Call *self = (Call *) object;

  if (self->handler != 0)
    {
      PyErr_SetString (PyExc_RuntimeError, "the call is watched already");
      return NULL;
    }

  Py_INCREF (function);
  self->watcher = function;
  self->handler = g_signal_connect (self->call, "progress", G_CALLBACK (on_progress), function);

  Py_RETURN_NONE;
}

/* unwatch(): it holds a reference to Python's function, which nothing in the library may drop. */
static PyObject *
call_unwatch (PyObject *object,
              PyObject *unused)
{
  Call *self = (Call *) object;

  if (self->handler != 0)
    g_signal_handler_disconnect (self->call, self->handler);
  self->handler = 0;
  Py_CLEAR (self->watcher);

  Py_RETURN_NONE;
}

static PyMethodDef call_methods[] = {
  { "unwatch", call_unwatch, METH_NOARGS, "Undo watch()." },
  { "watch", call_watch, METH_O, "Have a function called with the fraction and the text of the call's progress." },
  { "cancel", call_cancel, METH_NOARGS, "Give the call up, and cancel the method." },
  { NULL }
};

static PyType_Slot call_slots[] = {
  { Py_tp_dealloc, call_dealloc },
  { Py_tp_methods, call_methods },
  { Py_tp_doc, (void *) "A call under way." },
  { 0, NULL }
};

static PyType_Spec call_spec = {
  .name = "_pyisolate_host.Call",
  .basicsize = sizeof (Call),
  .flags = Py_TPFLAGS_DEFAULT,
  .slots = call_slots,
};

static PyMethodDef functions[] = {
  { "start_call", host_start_call, METH_VARARGS, "Call a method; the callback gets the outcome." },
  { NULL }
};

gboolean
_pyisolate_host_add_call (PyObject *module)
{
  PyObject *type = PyType_FromSpec (&call_spec);

  if (type == NULL)
    return FALSE;

  call_type = (PyTypeObject *) type;
  return PyModule_AddFunctions (module, functions) == 0;
}
