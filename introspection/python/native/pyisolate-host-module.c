/* SPDX-License-Identifier: MIT */
#include "pyisolate-host-private.h"

gpointer
_pyisolate_host_get_object (PyObject *wrapper,
                            GType     type)
{
  PyObject *capsule = NULL;
  gpointer pointer = NULL;

  if (PyCapsule_CheckExact (wrapper)) /* who asks often has taken it out already */
    {
      capsule = wrapper;
      Py_INCREF (capsule);
    }
  else
    {
      capsule = PyObject_GetAttrString (wrapper, "__gpointer__");
    }

  if (capsule == NULL)
    {
      PyErr_Clear ();
    }
  else
    {
      if (PyCapsule_CheckExact (capsule))
        pointer = PyCapsule_GetPointer (capsule, PyCapsule_GetName (capsule));
      Py_DECREF (capsule);
    }

  if (pointer == NULL || !g_type_is_a (G_OBJECT_TYPE (pointer), type))
    {
      PyErr_Clear ();
      PyErr_Format (PyExc_TypeError, "a %s of gi.repository is needed here", g_type_name (type));
      return NULL;
    }

  return pointer;
}

void
_pyisolate_host_report (PyObject *callback)
{
  if (!PyErr_ExceptionMatches (PyExc_KeyboardInterrupt))
    {
      PyErr_WriteUnraisable (callback);
      return;
    }

  /* Ctrl-C is for whoever waits: it is raised there, as soon as that is Python again. */
  PyErr_Clear ();
  PyErr_SetInterrupt ();
}

static PyObject *
decode_variant (GVariant *value)
{
  g_autoptr (GVariant) boxed = g_variant_ref_sink (g_variant_new_variant (value));
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (boxed);
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  return _pyisolate_codec_decode_value (data, size, NULL);
}

/* Of types that this side does not know: the message says it, too. */
static PyObject *
decode_args (PyIsolateRemoteException *exception)
{
  PyObject *args = decode_variant (pyisolate_remote_exception_get_args (exception));

  if (args != NULL)
    return args;

  PyErr_Clear ();
  return Py_BuildValue ("[s]", pyisolate_remote_exception_get_message (exception));
}

/* One of a type that this side does not know does not keep the others from being had. */
static PyObject *
decode_attributes (PyIsolateRemoteException *exception)
{
  PyObject *attributes = PyDict_New ();
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, pyisolate_remote_exception_get_attributes (exception));
  while (attributes != NULL && g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      PyObject *decoded = decode_variant (value);

      if (decoded == NULL || PyDict_SetItemString (attributes, name, decoded) < 0)
        PyErr_Clear ();
      Py_XDECREF (decoded);
    }

  return attributes;
}

static PyObject *
new_notes (PyIsolateRemoteException *exception)
{
  const char *const *notes = pyisolate_remote_exception_get_notes (exception);
  PyObject *list = PyList_New (0);

  for (guint i = 0; list != NULL && notes[i] != NULL; i++)
    {
      PyObject *note = PyUnicode_FromString (notes[i]);

      if (note == NULL || PyList_Append (list, note) < 0)
        Py_CLEAR (list);
      Py_XDECREF (note);
    }

  return list;
}

static PyObject *
describe_exceptions (PyIsolateRemoteException *exception)
{
  GPtrArray *exceptions = pyisolate_remote_exception_get_exceptions (exception);
  PyObject *list = PyList_New (0);

  for (guint i = 0; list != NULL && i < exceptions->len; i++)
    {
      PyObject *described = _pyisolate_host_describe_exception (exceptions->pdata[i]);

      if (described == NULL || PyList_Append (list, described) < 0)
        Py_CLEAR (list);
      Py_XDECREF (described);
    }

  return list;
}

/* As the worker's _errors.describe(), or None. */
PyObject *
_pyisolate_host_describe_exception (PyIsolateRemoteException *exception)
{
  if (exception == NULL)
    Py_RETURN_NONE;

  return Py_BuildValue ("{sssssssNsNsNsNsNsN}",
                        "type", pyisolate_remote_exception_get_type_name (exception),
                        "message", pyisolate_remote_exception_get_message (exception),
                        "traceback", pyisolate_remote_exception_get_traceback (exception),
                        "args", decode_args (exception),
                        "attributes", decode_attributes (exception),
                        "notes", new_notes (exception),
                        "cause", _pyisolate_host_describe_exception (pyisolate_remote_exception_get_cause (exception)),
                        "context", _pyisolate_host_describe_exception (pyisolate_remote_exception_get_context (exception)),
                        "exceptions", describe_exceptions (exception));
}

/* encoded_size(value): how many bytes it takes, or why it cannot travel. */
static PyObject *
host_encoded_size (PyObject *module,
                   PyObject *value)
{
  g_autoptr (GBytes) body = _pyisolate_codec_encode_value (value, "value", NULL);

  return body != NULL ? PyLong_FromSize_t (g_bytes_get_size (body)) : NULL;
}

/* decode_value(bytes): what an event carries; of type "v". */
static PyObject *
host_decode_value (PyObject *module,
                   PyObject *bytes)
{
  char *data;
  Py_ssize_t size;

  if (PyBytes_AsStringAndSize (bytes, &data, &size) < 0)
    return NULL;

  return _pyisolate_codec_decode_value ((const guint8 *) data, size, NULL);
}

/* describe_last_error(extension): the exception that its last error carries, or None. */
static PyObject *
host_describe_last_error (PyObject *module,
                          PyObject *extension_object)
{
  PyIsolateExtension *extension = _pyisolate_host_get_object (extension_object, PYISOLATE_TYPE_EXTENSION);
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  g_autoptr (GError) error = NULL;

  if (extension == NULL)
    return NULL;

  error = pyisolate_extension_dup_last_error (extension);
  if (error != NULL)
    exception = pyisolate_error_dup_remote_exception (error);

  return _pyisolate_host_describe_exception (exception);
}

static PyMethodDef functions[] = {
  { "describe_last_error", host_describe_last_error, METH_O, "The exception that an extension's last error carries." },
  { "encoded_size", host_encoded_size, METH_O, "The size of a value on its way." },
  { "decode_value", host_decode_value, METH_O, "A value from the form in which it travels." },
  { NULL }
};

static PyModuleDef module_definition = {
  PyModuleDef_HEAD_INIT,
  .m_name = "_pyisolate_host",
  .m_doc = "The way of a call between a host in Python and pyisolate-glib.",
  .m_size = -1,
  .m_methods = functions,
};

PyMODINIT_FUNC PyInit__pyisolate_host (void);

PyMODINIT_FUNC
PyInit__pyisolate_host (void)
{
  PyObject *module = PyModule_Create (&module_definition);

  if (module == NULL)
    return NULL;

  if (!_pyisolate_codec_init (module) || !_pyisolate_host_add_context (module) || !_pyisolate_host_add_answer (module) ||
      !_pyisolate_host_add_group (module) || !_pyisolate_host_add_method (module) || !_pyisolate_host_add_tasks (module) ||
      !_pyisolate_host_add_invocation (module) || !_pyisolate_host_add_serve (module) ||
      !_pyisolate_host_add_singleton (module))
    Py_CLEAR (module);

  return module;
}
