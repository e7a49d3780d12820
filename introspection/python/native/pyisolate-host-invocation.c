/* SPDX-License-Identifier: MIT */
/* Invocation: a call of a singleton, as Python has it. */
#include "pyisolate-host-private.h"

#include <unistd.h>

typedef struct {
  PyObject_HEAD
  PyIsolateInvocation *invocation;
} Invocation;

static PyTypeObject *invocation_type;

PyObject *
_pyisolate_host_invocation_new (PyIsolateInvocation *invocation)
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

  /* An answer that was never given is given now; it takes no GIL. In a forked child it is the parent's to give. */
  if (!_pyisolate_host_hooks.is_forked)
    g_clear_object (&self->invocation);
  release (object);
  Py_DECREF (type);
}

static PyIsolateInvocation *
get_invocation (PyObject *object)
{
  return ((Invocation *) object)->invocation;
}

gboolean
_pyisolate_host_invocation_is (PyObject *self)
{
  return PyObject_TypeCheck (self, invocation_type);
}

PyIsolateInvocation *
_pyisolate_host_invocation_get (PyObject *self)
{
  if (_pyisolate_host_invocation_is (self))
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

/* (bridge, context) of who made the call that led here, or None. */
static PyObject *
invocation_get_origin (PyObject *object,
                       void     *unused)
{
  PyObject *bridge, *context;

  if (_pyisolate_host_origin_of (get_invocation (object), &bridge, &context))
    return Py_BuildValue ("(NN)", bridge, context);

  Py_RETURN_NONE;
}

/* -1 with an exception. */
int
_pyisolate_host_invocation_decode (PyIsolateInvocation  *invocation,
                                   PyObject            **args,
                                   PyObject            **kwargs)
{
  guint n_fds = pyisolate_invocation_get_n_fds (invocation);
  guint n_memories = pyisolate_invocation_get_n_memories (invocation);
  g_autofree int *fds = n_fds > 0 ? g_new (int, n_fds) : NULL;
  g_autofree PyIsolateMemory **memories = n_memories > 0 ? g_new (PyIsolateMemory *, n_memories) : NULL;
  PyIsolateContents contents = { fds, n_fds, memories, n_memories };
  gsize size;
  const guint8 *data = g_bytes_get_data (pyisolate_invocation_get_body (invocation), &size);
  int result;

  for (guint i = 0; i < n_memories; i++)
    memories[i] = pyisolate_invocation_get_memory (invocation, i);

  for (guint i = 0; i < n_fds; i++)
    fds[i] = pyisolate_invocation_dup_fd (invocation, i, NULL);
  result = _pyisolate_codec_decode_call (data, size, &contents, args, kwargs);
  for (guint i = 0; i < n_fds; i++)
    {
      if (fds[i] >= 0)
        close (fds[i]);
    }

  return result;
}

/* arguments() → (args, kwargs) */
static PyObject *
invocation_arguments (PyObject *object,
                      PyObject *unused)
{
  PyObject *args, *kwargs;

  if (_pyisolate_host_invocation_decode (get_invocation (object), &args, &kwargs) < 0)
    return NULL;

  return Py_BuildValue ("(NN)", args, kwargs);
}

/* FALSE with an exception: it has no answer yet. A child that the method has forked gives none, and ends. */
gboolean
_pyisolate_host_invocation_answer (PyIsolateInvocation *invocation,
                                   PyObject            *value)
{
  g_autoptr (GPtrArray) memories = NULL;
  PyIsolateParcel parcel = {
    .memories = &memories,
    .allocate = _pyisolate_host_allocate_memory,
    .user_data = pyisolate_invocation_get_extension (invocation),
    .move_storages = _pyisolate_host_shares_torch (pyisolate_invocation_get_extension (invocation)),
  };
  g_autoptr (GBytes) body = NULL;

  if (_pyisolate_host_hooks.is_forked)
    PyErr_SetNone (PyExc_SystemExit);
  else
    body = _pyisolate_codec_encode_value (value, "result", &parcel);
  if (body == NULL)
    return FALSE;
  for (guint i = 0; memories != NULL && i < memories->len; i++)
    pyisolate_invocation_append_memory (invocation, g_ptr_array_index (memories, i));

  /* It never waits, and who has a lock of the library's never waits for the GIL. */
  pyisolate_invocation_return_body (invocation, body);
  return TRUE;
}

static PyObject *
invocation_return_value (PyObject *object,
                         PyObject *value)
{
  if (!_pyisolate_host_invocation_answer (get_invocation (object), value))
    return NULL;

  Py_RETURN_NONE;
}

/* A dict of Python's as an a{sv}; NULL with an exception. */
GVariant *
_pyisolate_host_encode_vardict (PyObject   *dict,
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
  exception = _pyisolate_host_encode_vardict (dict, "exception");
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
  _pyisolate_host_cancel_method ((guintptr) user_data);
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
  { "origin", invocation_get_origin, NULL, "Bridge and context variables of the call that led here, or None.", NULL },
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

gboolean
_pyisolate_host_add_invocation (PyObject *module)
{
  invocation_type = (PyTypeObject *) PyType_FromSpec (&invocation_spec);

  return invocation_type != NULL;
}
