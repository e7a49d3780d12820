/* SPDX-License-Identifier: MIT */
/* Tagged values: Python objects from their payloads.
 *
 * A payload may be anything; a function here returns NULL for one that does not fit. Nothing is
 * imported, looked up or called by a name that arrived, but for what was registered under it.
 */
#include "config.h"

#include "pyisolate-codec-reader.h"

/* --- Built-in types --- */

static gboolean
is_hex_integer (const char *text)
{
  if (*text == '-')
    text++;
  if (text[0] != '0' || text[1] != 'x' || text[2] == '\0')
    return FALSE;
  for (text += 2; *text != '\0'; text++)
    {
      if (!g_ascii_isxdigit (*text))
        return FALSE;
    }
  return TRUE;
}

static PyObject *
decode_int (PyObject *payload)
{
  const char *text = NULL;

  if (PyUnicode_CheckExact (payload))
    text = PyUnicode_AsUTF8AndSize (payload, NULL);
  return text != NULL && is_hex_integer (text) ? PyLong_FromString (text, NULL, 16) : NULL;
}

static PyObject *
decode_str (PyObject *payload)
{
  if (!PyBytes_CheckExact (payload))
    return NULL;
  return PyUnicode_DecodeUTF8 (PyBytes_AsString (payload), PyBytes_Size (payload), "surrogatepass");
}

static PyObject *
decode_bytearray (PyObject *payload)
{
  if (!PyBytes_CheckExact (payload))
    return NULL;
  return PyByteArray_FromStringAndSize (PyBytes_AsString (payload), PyBytes_Size (payload));
}

static PyObject *
decode_tuple (PyObject *payload)
{
  return PyList_CheckExact (payload) ? PyList_AsTuple (payload) : NULL;
}

static PyObject *
decode_set (PyObject *payload)
{
  return PyList_CheckExact (payload) ? PySet_New (payload) : NULL;
}

static PyObject *
decode_frozenset (PyObject *payload)
{
  return PyList_CheckExact (payload) ? PyFrozenSet_New (payload) : NULL;
}

static PyObject *
decode_dict (PyObject *payload)
{
  PyObject *keys, *values, *dict;
  Py_ssize_t n_items;

  if (!PyTuple_CheckExact (payload) || PyTuple_Size (payload) != 2)
    return NULL;
  keys = PyTuple_GetItem (payload, 0);
  values = PyTuple_GetItem (payload, 1);
  if (!PyList_CheckExact (keys) || !PyList_CheckExact (values)
      || PyList_Size (keys) != PyList_Size (values))
    return NULL;

  n_items = PyList_Size (keys);
  dict = PyDict_New ();
  for (Py_ssize_t i = 0; dict != NULL && i < n_items; i++)
    {
      if (PyDict_SetItem (dict, PyList_GetItem (keys, i), PyList_GetItem (values, i)) < 0)
        Py_CLEAR (dict);
    }
  return dict;
}

static PyObject *
decode_complex (PyObject *payload)
{
  PyObject *real, *imaginary;

  if (!PyTuple_CheckExact (payload) || PyTuple_Size (payload) != 2)
    return NULL;
  real = PyTuple_GetItem (payload, 0);
  imaginary = PyTuple_GetItem (payload, 1);
  if (!PyFloat_CheckExact (real) || !PyFloat_CheckExact (imaginary))
    return NULL;
  return PyComplex_FromDoubles (PyFloat_AsDouble (real), PyFloat_AsDouble (imaginary));
}

/* --- The standard library --- */

/* The class of @kind called with a string. */
static PyObject *
decode_from_text (PyObject  *payload,
                  CodecKind  kind)
{
  PyObject *cls, *object;

  if (!PyUnicode_CheckExact (payload))
    return NULL;
  cls = _pyisolate_codec_types_import (kind);
  if (cls == NULL)
    return NULL;
  object = PyObject_CallFunctionObjArgs (cls, payload, NULL);
  Py_DECREF (cls);
  return object;
}

static PyObject *
decode_decimal (PyObject *payload)
{
  return decode_from_text (payload, KIND_DECIMAL);
}

static PyObject *
decode_uuid (PyObject *payload)
{
  return decode_from_text (payload, KIND_UUID);
}

static PyObject *
decode_pure_posix_path (PyObject *payload)
{
  return decode_from_text (payload, KIND_PURE_POSIX_PATH);
}

static PyObject *
decode_pure_windows_path (PyObject *payload)
{
  return decode_from_text (payload, KIND_PURE_WINDOWS_PATH);
}

static PyObject *
decode_posix_path (PyObject *payload)
{
  return decode_from_text (payload, KIND_POSIX_PATH);
}

static PyObject *
decode_windows_path (PyObject *payload)
{
  return decode_from_text (payload, KIND_WINDOWS_PATH);
}

/* A key becomes a file name, and with the package tzdata a module name: no dots. */
static PyObject *
decode_zoneinfo (PyObject *payload)
{
  const char *key = PyUnicode_CheckExact (payload) ? PyUnicode_AsUTF8AndSize (payload, NULL) : NULL;

  if (key == NULL || !g_ascii_isalpha (key[0])
      || strspn (key, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_+-/") != strlen (key))
    return NULL;
  return decode_from_text (payload, KIND_ZONEINFO);
}

static PyObject *
from_isoformat (PyObject *text,
                CodecKind kind)
{
  PyObject *cls, *object;

  if (!PyUnicode_CheckExact (text))
    return NULL;
  cls = _pyisolate_codec_types_import (kind);
  if (cls == NULL)
    return NULL;
  object = _pyisolate_codec_call (cls, "fromisoformat", text);
  Py_DECREF (cls);
  return object;
}

static PyObject *
decode_date (PyObject *payload)
{
  return from_isoformat (payload, KIND_DATE);
}

/* @time with its tzinfo and fold replaced. */
static PyObject *
replace_zone (PyObject *time,
              PyObject *fold,
              PyObject *tzinfo)
{
  PyObject *replace = _pyisolate_codec_get (time, "replace");
  PyObject *args = PyTuple_New (0);
  PyObject *kwargs = Py_BuildValue ("{s:O,s:i}", "tzinfo", tzinfo, "fold", fold == Py_True);
  PyObject *result = NULL;

  if (replace != NULL && args != NULL && kwargs != NULL)
    result = PyObject_Call (replace, args, kwargs);
  Py_XDECREF (replace);
  Py_XDECREF (args);
  Py_XDECREF (kwargs);
  return result;
}

/* The text alone, whose offset is the zone; with fold; with fold and tzinfo. */
static PyObject *
decode_zoned (PyObject *payload,
              CodecKind kind)
{
  PyObject *time, *fold, *tzinfo, *result;
  Py_ssize_t n_items;

  if (PyUnicode_CheckExact (payload))
    return from_isoformat (payload, kind);
  if (!PyTuple_CheckExact (payload))
    return NULL;
  n_items = PyTuple_Size (payload);
  fold = n_items > 1 ? PyTuple_GetItem (payload, 1) : NULL;
  if ((n_items != 2 && n_items != 3) || !PyBool_Check (fold))
    return NULL;

  time = from_isoformat (PyTuple_GetItem (payload, 0), kind);
  if (time == NULL)
    return NULL;
  if (n_items == 3)
    {
      tzinfo = PyTuple_GetItem (payload, 2);
      Py_INCREF (tzinfo);
    }
  else
    {
      tzinfo = _pyisolate_codec_get (time, "tzinfo");
    }
  result = tzinfo != NULL ? replace_zone (time, fold, tzinfo) : NULL;
  Py_XDECREF (tzinfo);
  Py_DECREF (time);
  return result;
}

static PyObject *
decode_datetime (PyObject *payload)
{
  return decode_zoned (payload, KIND_DATETIME);
}

static PyObject *
decode_time (PyObject *payload)
{
  return decode_zoned (payload, KIND_TIME);
}

static PyObject *
decode_timedelta (PyObject *payload)
{
  PyObject *cls, *object;

  if (!PyTuple_CheckExact (payload) || PyTuple_Size (payload) != 3)
    return NULL;
  for (int i = 0; i < 3; i++)
    {
      if (!PyLong_CheckExact (PyTuple_GetItem (payload, i)))
        return NULL;
    }
  cls = _pyisolate_codec_types_import (KIND_TIMEDELTA);
  if (cls == NULL)
    return NULL;
  object = PyObject_CallObject (cls, payload);
  Py_DECREF (cls);
  return object;
}

static PyObject *
decode_timezone (PyObject *payload)
{
  PyObject *cls, *offset, *name, *object = NULL;

  if (!PyTuple_CheckExact (payload) || PyTuple_Size (payload) != 2)
    return NULL;
  name = PyTuple_GetItem (payload, 1);
  if (name != Py_None && !PyUnicode_CheckExact (name))
    return NULL;
  offset = decode_timedelta (PyTuple_GetItem (payload, 0));
  if (offset == NULL)
    return NULL;
  cls = _pyisolate_codec_types_import (KIND_TIMEZONE);
  if (cls != NULL)
    object = PyObject_CallFunctionObjArgs (cls, offset, name != Py_None ? name : NULL, NULL);
  Py_XDECREF (cls);
  Py_DECREF (offset);
  return object;
}

/* --- Registered classes --- */

/* Python 3.11.0 to 3.11.3 leave out bits that are no flag's, in silence; the others raise. */
static PyObject *
decode_flag (const CodecRegistration *registration,
             PyObject                *value)
{
  PyObject *flag = PyObject_CallFunctionObjArgs (registration->cls, value, NULL);
  PyObject *kept = flag != NULL ? _pyisolate_codec_get (flag, "_value_") : NULL;
  int same = kept != NULL ? PyObject_RichCompareBool (kept, value, Py_EQ) : -1;

  Py_XDECREF (kept);
  if (same > 0)
    return flag;

  Py_XDECREF (flag);
  if (same == 0)
    PyErr_Format (PyExc_ValueError, "%R is not a valid '%U'", value, registration->name);
  return NULL;
}

static PyObject *
decode_enum (const CodecRegistration *registration,
             PyObject                *value)
{
  PyObject *members, *member;

  if (registration->kind == KIND_FLAG)
    {
      if (!PyLong_CheckExact (value))
        return NULL;
      return decode_flag (registration, value);
    }

  if (!PyUnicode_CheckExact (value))
    return NULL;
  members = _pyisolate_codec_get (registration->cls, "__members__");
  if (members == NULL)
    return NULL;
  member = PyObject_GetItem (members, value);
  Py_DECREF (members);
  if (member == NULL && PyErr_ExceptionMatches (PyExc_KeyError))
    {
      PyErr_Clear ();
      PyErr_Format (PyExc_ValueError, "the enum '%U' has no member %R", registration->name, value);
    }
  return member;
}

/* An instance with these fields, made as pickle and copy make one: __init__ is not run. */
static PyObject *
decode_dataclass (const CodecRegistration *registration,
                  PyObject                *state)
{
  Py_ssize_t n_fields = PyTuple_Size (registration->fields);
  PyObject *object;

  if (!PyDict_CheckExact (state))
    return NULL;
  object = _pyisolate_codec_call ((PyObject *) &PyBaseObject_Type, "__new__", registration->cls);
  for (Py_ssize_t i = 0; object != NULL && i < n_fields; i++)
    {
      PyObject *name = PyTuple_GetItem (registration->fields, i);
      PyObject *value = PyDict_GetItemWithError (state, name);

      if (value == NULL || PyObject_GenericSetAttr (object, name, value) < 0)
        {
          if (!PyErr_Occurred ())
            PyErr_Format (PyExc_ValueError, "a '%U' was sent without its field '%U'",
                          registration->name, name);
          Py_CLEAR (object);
        }
    }
  if (object != NULL && PyDict_Size (state) != n_fields)
    {
      Py_CLEAR (object);
      PyErr_Format (PyExc_ValueError, "a '%U' was sent with fields that the class does not have",
                    registration->name);
    }
  return object;
}

/* The registration that a payload (name, value) names. */
static CodecRegistration *
find_registration (PyObject *payload,
                   gboolean  encoders)
{
  CodecRegistration *registration;
  PyObject *name;

  if (!PyTuple_CheckExact (payload) || PyTuple_Size (payload) != 2)
    return NULL;
  name = PyTuple_GetItem (payload, 0);
  if (!PyUnicode_CheckExact (name))
    return NULL;
  registration = _pyisolate_codec_registry_by_name (name, encoders);
  if (registration == NULL && encoders)
    PyErr_Format (PyExc_ValueError, "no encoder is registered under the name %R: "
                                    "call pyisolate.register_encoder", name);
  else if (registration == NULL)
    PyErr_Format (PyExc_ValueError, "no class is registered under the name %R: "
                                    "call pyisolate.register_type", name);
  return registration;
}

static PyObject *
decode_object (PyObject *payload)
{
  const CodecRegistration *registration = find_registration (payload, FALSE);

  if (registration == NULL)
    return NULL;
  if (registration->kind == KIND_DATACLASS)
    return decode_dataclass (registration, PyTuple_GetItem (payload, 1));
  return decode_enum (registration, PyTuple_GetItem (payload, 1));
}

static PyObject *
decode_ext (PyObject *payload)
{
  const CodecRegistration *registration = find_registration (payload, TRUE);

  if (registration == NULL)
    return NULL;
  return PyObject_CallFunctionObjArgs (registration->decode, PyTuple_GetItem (payload, 1), NULL);
}

/* --- By tag --- */

static const struct {
  const char *tag;
  PyObject  *(*decode) (PyObject *payload);
} decoders[] = {
  { PYISOLATE_TAG_INT, decode_int },
  { PYISOLATE_TAG_STR, decode_str },
  { PYISOLATE_TAG_BYTEARRAY, decode_bytearray },
  { PYISOLATE_TAG_MEMORYVIEW, _pyisolate_codec_buffer_new_view },
  { PYISOLATE_TAG_TUPLE, decode_tuple },
  { PYISOLATE_TAG_SET, decode_set },
  { PYISOLATE_TAG_FROZENSET, decode_frozenset },
  { PYISOLATE_TAG_DICT, decode_dict },
  { PYISOLATE_TAG_COMPLEX, decode_complex },
  { PYISOLATE_TAG_DATETIME, decode_datetime },
  { PYISOLATE_TAG_DATE, decode_date },
  { PYISOLATE_TAG_TIME, decode_time },
  { PYISOLATE_TAG_TIMEDELTA, decode_timedelta },
  { PYISOLATE_TAG_TIMEZONE, decode_timezone },
  { PYISOLATE_TAG_ZONEINFO, decode_zoneinfo },
  { PYISOLATE_TAG_DECIMAL, decode_decimal },
  { PYISOLATE_TAG_UUID, decode_uuid },
  { PYISOLATE_TAG_PURE_POSIX_PATH, decode_pure_posix_path },
  { PYISOLATE_TAG_PURE_WINDOWS_PATH, decode_pure_windows_path },
  { PYISOLATE_TAG_POSIX_PATH, decode_posix_path },
  { PYISOLATE_TAG_WINDOWS_PATH, decode_windows_path },
  { PYISOLATE_TAG_OBJECT, decode_object },
  { PYISOLATE_TAG_EXT, decode_ext },
};

/* What a class says to a payload that it does not like (TypeError, OverflowError, classes of its
 * own) becomes a ValueError; what is not the payload's fault stays. */
static void
blame_payload (const char *tag)
{
  PyObject *type, *value, *traceback;

  if (!PyErr_Occurred ())
    {
      _pyisolate_decoder_malformed ("a bad payload of '%s'", tag);
      return;
    }
  if (PyErr_ExceptionMatches (PyExc_ValueError) || PyErr_ExceptionMatches (PyExc_MemoryError)
      || PyErr_ExceptionMatches (PyExc_ImportError) || !PyErr_ExceptionMatches (PyExc_Exception))
    return;

  PyErr_Fetch (&type, &value, &traceback);
  PyErr_NormalizeException (&type, &value, &traceback);
  PyErr_Format (PyExc_ValueError, "malformed value: a bad payload of '%s': %S", tag, value);
  Py_XDECREF (type);
  Py_XDECREF (value);
  Py_XDECREF (traceback);
}

PyObject *
_pyisolate_decoder_tagged (Decoder    *self,
                           const char *tag,
                           PyObject   *payload)
{
  if (_pyisolate_decoder_is_long (tag, payload))
    {
      PyObject *object = _pyisolate_decoder_long (self, tag, payload);

      if (object == NULL)
        blame_payload (tag);
      return object;
    }
  for (guint i = 0; i < G_N_ELEMENTS (decoders); i++)
    {
      PyObject *object;

      if (strcmp (decoders[i].tag + strlen (PYISOLATE_TAG_PREFIX), tag) != 0)
        continue;
      object = decoders[i].decode (payload);
      /* What registered code raises is its own. */
      if (object == NULL && !(decoders[i].decode == decode_ext && PyErr_Occurred ()))
        blame_payload (tag);
      return object;
    }
  return _pyisolate_decoder_malformed ("an unknown tag '%s'", tag);
}

PyObject *
_pyisolate_decoder_constant (const char *path)
{
  if (strcmp (path, PYISOLATE_TAG_NONE) == 0)
    Py_RETURN_NONE;
  if (strcmp (path, PYISOLATE_TAG_EMPTY_TUPLE) == 0)
    return PyTuple_New (0);
  return _pyisolate_decoder_malformed ("an unknown constant '%s'", path);
}
