/* SPDX-License-Identifier: MIT */
/* What is said of a value that cannot be sent: its type, where it stood, and what would help. */
#include "config.h"

#include "pyisolate-codec-writer.h"

static gboolean
is_plain_type (PyTypeObject *type)
{
  CodecKind kind;

  if (type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type
      || type == &PyBytes_Type || type == &PyList_Type || type == &PyTuple_Type
      || type == &PyDict_Type)
    return TRUE;
  kind = _pyisolate_codec_types_find (type);
  return kind != KIND_NONE && kind < KIND_ENUM;
}

/* The name of the nearest class that @type is derived from and whose instances can be sent. */
static char *
find_plain_base (PyTypeObject *type)
{
  PyObject *mro = _pyisolate_codec_get ((PyObject *) type, "__mro__");
  char *name = NULL;

  for (Py_ssize_t i = 1; mro != NULL && PyTuple_Check (mro) && i < PyTuple_Size (mro); i++)
    {
      PyTypeObject *base = (PyTypeObject *) PyTuple_GetItem (mro, i);

      if (!is_plain_type (base))
        continue;
      name = _pyisolate_codec_type_name (base);
      break;
    }
  Py_XDECREF (mro);
  PyErr_Clear ();
  return name;
}

static gboolean
has_attribute (PyTypeObject *type,
               const char   *name)
{
  PyObject *attribute = _pyisolate_codec_get ((PyObject *) type, name);

  PyErr_Clear ();
  Py_XDECREF (attribute);
  return attribute != NULL;
}

/* Nobody registers Python's own classes; but what those hold that can be gone through can be sent. */
static const char *
advise_on_builtin (PyTypeObject *type)
{
  if (!has_attribute (type, "__iter__"))
    return "";
  return has_attribute (type, "keys") ? ": send it as dict" : ": send it as list";
}

static char *
advise (PyTypeObject *type,
        const char   *name)
{
  g_autofree char *base = NULL;

  if (_pyisolate_codec_types_find (type) == KIND_NUMPY_SCALAR)
    return g_strdup ("");
  if (_pyisolate_codec_can_register (type))
    return g_strdup (": call pyisolate.register_type");
  base = find_plain_base (type);
  if (base != NULL)
    return g_strdup_printf (": send it as %s, or call pyisolate.register_encoder", base);
  if (strchr (name, '.') == NULL)
    return g_strdup (advise_on_builtin (type));
  return g_strdup (": call pyisolate.register_encoder");
}

/* Sets the exception. Always -1. */
int
_pyisolate_encoder_refuse (Encoder      *self,
                           PyTypeObject *type)
{
  g_autofree char *name = _pyisolate_codec_type_name (type);
  g_autofree char *advice = advise (type, name);

  return _pyisolate_encoder_fail (self, PyExc_TypeError, "cannot send a value of type '%s'%s", name,
                                  advice);
}
