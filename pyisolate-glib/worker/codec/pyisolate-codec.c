/* SPDX-License-Identifier: MIT */
/* What the codec adds to the module that it is compiled into. */
#include "config.h"

#include "pyisolate-codec-array.h"
#include "pyisolate-codec-objects.h"

PyObject *
_pyisolate_codec_get (PyObject   *object,
                      const char *name)
{
  PyObject *interned = PyUnicode_InternFromString (name);
  PyObject *value = interned != NULL ? PyObject_GetAttr (object, interned) : NULL;

  Py_XDECREF (interned);
  return value;
}

PyObject *
_pyisolate_codec_call (PyObject   *object,
                       const char *name,
                       PyObject   *argument)
{
  PyObject *interned = PyUnicode_InternFromString (name);
  PyObject *value = NULL;

  /* The list of arguments ends at the first NULL. */
  if (interned != NULL)
    value = PyObject_CallMethodObjArgs (object, interned, argument, NULL);
  Py_XDECREF (interned);
  return value;
}

gboolean
_pyisolate_codec_init (PyObject *module)
{
  static PyInterpreterState *interpreter = NULL;

  g_assert (module != NULL);

  /* The tables hold objects of one interpreter; mixing those of two would crash. */
  if (interpreter != NULL && interpreter != PyInterpreterState_Get ())
    {
      PyErr_SetString (PyExc_ImportError, "pyisolate cannot be used in several interpreters of one "
                                          "process");
      return FALSE;
    }
  interpreter = PyInterpreterState_Get ();

  return _pyisolate_objects_init () && _pyisolate_codec_fd_init (module) && _pyisolate_codec_buffer_init ()
         && _pyisolate_tensor_init (module) && _pyisolate_share_init (module)
         && _pyisolate_codec_types_init (module);
}
