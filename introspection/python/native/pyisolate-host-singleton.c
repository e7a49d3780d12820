/* SPDX-License-Identifier: MIT */
/* Singletons whose methods are Python's.
 *
 * Python is told of every call by one function, with the number that add_singleton() was given and an Invocation. Numbers
 * stand for Python's objects here: singletons and cancellables may be freed in any thread, with any lock held, and nobody
 * must wait for the GIL there. */
#include "pyisolate-host-private.h"

#include <unistd.h>

/* ---- the singleton, a GObject ---- */

#define PYISOLATE_TYPE_PYTHON_SINGLETON (pyisolate_python_singleton_get_type ())
G_DECLARE_FINAL_TYPE (PyIsolatePythonSingleton, pyisolate_python_singleton, PYISOLATE, PYTHON_SINGLETON,
                      PyIsolateProxiedSingleton)

struct _PyIsolatePythonSingleton {
  PyIsolateProxiedSingleton parent_instance;
  unsigned long long number;
};

G_DEFINE_FINAL_TYPE (PyIsolatePythonSingleton, pyisolate_python_singleton, PYISOLATE_TYPE_PROXIED_SINGLETON)

/* Python's functions, kept for ever: on_call(number, invocation) and on_cancel(number). */
static PyObject *call_hook;
static PyObject *cancel_hook;

/* ---- the invocation, a Python object ---- */

typedef struct {
  PyObject_HEAD
  PyIsolateInvocation *invocation;
} Invocation;

static PyTypeObject *invocation_type;

static PyObject *
invocation_object_new (PyIsolateInvocation *invocation)
{
  allocfunc allocate = (allocfunc) PyType_GetSlot (invocation_type, Py_tp_alloc);
  Invocation *self = (Invocation *) allocate (invocation_type, 0);

  if (self != NULL)
    self->invocation = g_object_ref (invocation);

  return (PyObject *) self;
}

static void
invocation_dealloc (PyObject *object)
{
  Invocation *self = (Invocation *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  /* An answer that was never given is given now; it takes no GIL. */
  g_clear_object (&self->invocation);
  release (object);
  Py_DECREF (type);
}

static PyIsolateInvocation *
get_invocation (PyObject *object)
{
  return ((Invocation *) object)->invocation;
}

PyIsolateInvocation *
_pyisolate_host_invocation_get (PyObject *self)
{
  if (PyObject_TypeCheck (self, invocation_type))
    return get_invocation (self);

  PyErr_SetString (PyExc_TypeError, "an Invocation is needed here");
  return NULL;
}

static PyObject *
invocation_get_method (PyObject *object,
                       void     *unused)
{
  return PyUnicode_FromString (pyisolate_invocation_get_method (get_invocation (object)));
}

static PyObject *
invocation_get_extension (PyObject *object,
                          void     *unused)
{
  return PyUnicode_FromString (pyisolate_extension_get_name (pyisolate_invocation_get_extension (get_invocation (object))));
}

/* The number that start_call() was given for the call that led here; 0 if no call did. */
static PyObject *
invocation_get_origin (PyObject *object,
                       void     *unused)
{
  PyIsolateCall *call = pyisolate_invocation_get_call (get_invocation (object));
  gpointer origin = call != NULL ? g_object_get_qdata (G_OBJECT (call), _pyisolate_host_call_quark ()) : NULL;

  return PyLong_FromUnsignedLongLong ((guintptr) origin);
}

/* arguments() → (args, kwargs) */
static PyObject *
invocation_arguments (PyObject *object,
                      PyObject *unused)
{
  PyIsolateInvocation *invocation = get_invocation (object);
  guint n_fds = pyisolate_invocation_get_n_fds (invocation);
  g_autofree int *fds = g_new (int, n_fds + 1);
  PyObject *args = NULL;
  PyObject *kwargs = NULL;
  gsize size;
  const guint8 *data = g_bytes_get_data (pyisolate_invocation_get_body (invocation), &size);
  guint n_memories = pyisolate_invocation_get_n_memories (invocation);
  g_autofree PyIsolateMemory **memories = g_new (PyIsolateMemory *, n_memories + 1);
  PyIsolateContents contents = { fds, n_fds, memories, n_memories };
  int result;

  for (guint i = 0; i < n_memories; i++)
    memories[i] = pyisolate_invocation_get_memory (invocation, i);

  for (guint i = 0; i < n_fds; i++)
    fds[i] = pyisolate_invocation_dup_fd (invocation, i, NULL);
  result = _pyisolate_codec_decode_call (data, size, &contents, &args, &kwargs);
  for (guint i = 0; i < n_fds; i++)
    {
      if (fds[i] >= 0)
        close (fds[i]);
    }

  return result < 0 ? NULL : Py_BuildValue ("(NN)", args, kwargs);
}

static PyObject *
invocation_return_value (PyObject *object,
                         PyObject *value)
{
  PyIsolateInvocation *invocation = get_invocation (object);
  g_autoptr (GPtrArray) memories = NULL;
  PyIsolateParcel parcel = {
    .memories = &memories,
    .allocate = _pyisolate_host_allocate_memory,
    .user_data = pyisolate_invocation_get_extension (invocation),
    .move_storages = _pyisolate_host_shares_torch (pyisolate_invocation_get_extension (invocation)),
  };
  g_autoptr (GBytes) body = _pyisolate_codec_encode_value (value, "result", &parcel);

  if (body == NULL)
    return NULL;
  for (guint i = 0; memories != NULL && i < memories->len; i++)
    pyisolate_invocation_append_memory (invocation, g_ptr_array_index (memories, i));

  Py_BEGIN_ALLOW_THREADS
  pyisolate_invocation_return_body (invocation, body);
  Py_END_ALLOW_THREADS

  Py_RETURN_NONE;
}

/* A dict of Python's as an a{sv}; NULL with an exception. */
static GVariant *
encode_vardict (PyObject   *dict,
                const char *what)
{
  g_autoptr (GBytes) body = _pyisolate_codec_encode_value (dict, what, NULL);
  g_autoptr (GVariant) boxed = NULL;
  g_autoptr (GVariant) value = NULL;

  if (body == NULL)
    return NULL;

  boxed = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARIANT, body, TRUE));
  value = g_variant_get_variant (boxed);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    return g_steal_pointer (&value);

  PyErr_Format (PyExc_TypeError, "%s must be a dict with values of different types", what);
  return NULL;
}

/* return_exception(message, dict): as the worker describes its own. */
static PyObject *
invocation_return_exception (PyObject *object,
                             PyObject *args)
{
  const char *message;
  PyObject *dict;
  g_autoptr (GVariant) exception = NULL;

  if (!PyArg_ParseTuple (args, "sO", &message, &dict))
    return NULL;
  exception = encode_vardict (dict, "exception");
  if (exception == NULL)
    return NULL;

  pyisolate_invocation_return_exception (get_invocation (object), message, exception);
  Py_RETURN_NONE;
}

/* return_error(domain, code, message) */
static PyObject *
invocation_return_error (PyObject *object,
                         PyObject *args)
{
  const char *domain, *message;
  int code;

  if (!PyArg_ParseTuple (args, "sis", &domain, &code, &message))
    return NULL;

  pyisolate_invocation_return_error_literal (get_invocation (object), g_quark_from_string (domain), code, message);
  Py_RETURN_NONE;
}

static void
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  PyGILState_STATE gil = PyGILState_Ensure ();
  PyObject *returned = PyObject_CallFunction (cancel_hook, "K", (unsigned long long) (guintptr) user_data);

  if (returned == NULL)
    _pyisolate_host_report (cancel_hook);
  Py_XDECREF (returned);
  PyGILState_Release (gil);
}

/* watch(number): have Python told of this number when nobody waits for the answer any more, where the method runs. */
static PyObject *
invocation_watch (PyObject *object,
                  PyObject *number)
{
  GCancellable *cancellable = pyisolate_invocation_get_cancellable (get_invocation (object));
  unsigned long long value = PyLong_AsUnsignedLongLong (number);

  if (PyErr_Occurred () != NULL)
    return NULL;

  Py_BEGIN_ALLOW_THREADS
  g_cancellable_connect (cancellable, G_CALLBACK (on_cancelled), (gpointer) (guintptr) value, NULL);
  Py_END_ALLOW_THREADS

  Py_RETURN_NONE;
}

static PyGetSetDef invocation_properties[] = {
  { "method", invocation_get_method, NULL, "The method's name.", NULL },
  { "extension", invocation_get_extension, NULL, "The name of the extension that calls.", NULL },
  { "origin", invocation_get_origin, NULL, "What the call that led here was started with.", NULL },
  { NULL }
};

static PyMethodDef invocation_methods[] = {
  { "arguments", invocation_arguments, METH_NOARGS, "The arguments, by position and by name." },
  { "return_value", invocation_return_value, METH_O, "Answer with a value." },
  { "return_exception", invocation_return_exception, METH_VARARGS, "Answer with an exception." },
  { "return_error", invocation_return_error, METH_VARARGS, "Answer with an error of the library's kind." },
  { "watch", invocation_watch, METH_O, "Have the hook called with this number when the call is cancelled." },
  { NULL }
};

static PyType_Slot invocation_slots[] = {
  { Py_tp_dealloc, invocation_dealloc },
  { Py_tp_getset, invocation_properties },
  { Py_tp_methods, invocation_methods },
  { Py_tp_doc, (void *) "A call of a singleton." },
  { 0, NULL }
};

static PyType_Spec invocation_spec = {
  .name = "_pyisolate_host.Invocation",
  .basicsize = sizeof (Invocation),
  .flags = Py_TPFLAGS_DEFAULT,
  .slots = invocation_slots,
};

/* ---- the singleton's class ---- */

static void
pyisolate_python_singleton_handle_call (PyIsolateProxiedSingleton *singleton,
                                        PyIsolateInvocation       *invocation)
{
  PyIsolatePythonSingleton *self = PYISOLATE_PYTHON_SINGLETON (singleton);
  PyGILState_STATE gil = PyGILState_Ensure ();
  PyObject *object = invocation_object_new (invocation);
  PyObject *returned = object != NULL ? PyObject_CallFunction (call_hook, "KO", self->number, object) : NULL;

  if (returned == NULL)
    _pyisolate_host_report (call_hook);
  Py_XDECREF (returned);
  Py_XDECREF (object);
  PyGILState_Release (gil);
}

static void
pyisolate_python_singleton_class_init (PyIsolatePythonSingletonClass *klass)
{
  PYISOLATE_PROXIED_SINGLETON_CLASS (klass)->handle_call = pyisolate_python_singleton_handle_call;
}

static void
pyisolate_python_singleton_init (PyIsolatePythonSingleton *self)
{
}

/* add_singleton(context, manager, name, description, number): the methods run where the call was made that led to them, or
 * in the context, which this thread must be the one to iterate. */
static PyObject *
host_add_singleton (PyObject *module,
                    PyObject *args)
{
  PyObject *context_object, *manager_object, *dict;
  const char *name;
  unsigned long long number;
  PyIsolateExtensionManager *manager;
  GMainContext *context;
  g_autoptr (PyIsolatePythonSingleton) singleton = NULL;
  g_autoptr (GVariant) description = NULL;
  g_autoptr (GError) error = NULL;

  if (!PyArg_ParseTuple (args, "OOsOK", &context_object, &manager_object, &name, &dict, &number))
    return NULL;
  context = _pyisolate_host_context_get (context_object);
  manager = _pyisolate_host_get_object (manager_object, PYISOLATE_TYPE_EXTENSION_MANAGER);
  if (context == NULL || manager == NULL)
    return NULL;
  description = encode_vardict (dict, "description");
  if (description == NULL)
    return NULL;

  g_main_context_push_thread_default (context);
  singleton = g_object_new (PYISOLATE_TYPE_PYTHON_SINGLETON, "follow-caller", TRUE, NULL);
  g_main_context_pop_thread_default (context);
  singleton->number = number;
  pyisolate_proxied_singleton_set_description (PYISOLATE_PROXIED_SINGLETON (singleton), description);

  if (!pyisolate_extension_manager_add_singleton (manager, name, PYISOLATE_PROXIED_SINGLETON (singleton), &error))
    {
      PyErr_SetString (PyExc_ValueError, error->message);
      return NULL;
    }

  Py_RETURN_NONE;
}

static PyObject *
host_set_hooks (PyObject *module,
                PyObject *args)
{
  PyObject *on_call, *on_cancel;

  if (!PyArg_ParseTuple (args, "OO", &on_call, &on_cancel))
    return NULL;

  Py_INCREF (on_call);
  Py_XDECREF (call_hook);
  call_hook = on_call;
  Py_INCREF (on_cancel);
  Py_XDECREF (cancel_hook);
  cancel_hook = on_cancel;

  Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
  { "add_singleton", host_add_singleton, METH_VARARGS, "Let extensions call Python." },
  { "set_hooks", host_set_hooks, METH_VARARGS, "Set what is called for calls of singletons and their cancellations." },
  { NULL }
};

gboolean
_pyisolate_host_add_singleton (PyObject *module)
{
  PyObject *type = PyType_FromSpec (&invocation_spec);

  if (type == NULL)
    return FALSE;

  invocation_type = (PyTypeObject *) type;
  return PyModule_AddFunctions (module, functions) == 0;
}
