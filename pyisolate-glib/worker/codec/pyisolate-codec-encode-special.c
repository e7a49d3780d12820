/* SPDX-License-Identifier: MIT */
/* Values that GVariant has no type for: their payloads, in the forms of docs/values.md. */
#include "config.h"

#include "pyisolate-codec-writer-short.h"

#include <errno.h>
#include <fcntl.h>

/* A tagged struct of the items of @payload, which is consumed; NULL: an exception is set. */
static EncodedShape
encode_tagged_struct (Encoder           *self,
                      const char        *tag,
                      PyObject          *payload,
                      const char *const *item_names)
{
  EncoderTag state;
  EncodedShape shape = -1;

  if (payload == NULL)
    return -1;
  if (_pyisolate_encoder_tag_begin (self, tag, &state)
      && _pyisolate_encoder_struct (self, payload, item_names) >= 0)
    shape = _pyisolate_encoder_tag_end (self, &state);
  Py_DECREF (payload);
  return shape;
}

/* The tagged @payload, which is consumed; NULL: an exception is set. */
static EncodedShape
encode_tagged (Encoder    *self,
               const char *tag,
               PyObject   *payload)
{
  EncodedShape shape;

  if (payload == NULL)
    return -1;
  shape = _pyisolate_encoder_tagged (self, tag, payload);
  Py_DECREF (payload);
  return shape;
}

static EncodedShape
encode_bytearray (Encoder  *self,
                  PyObject *value)
{
  PyObject *bytes = PyBytes_FromObject (value);
  EncodedShape shape;

  if (bytes == NULL || !encoder_is_long (self, PyBytes_Size (bytes)))
    return encode_tagged (self, PYISOLATE_TAG_BYTEARRAY, bytes);
  shape = _pyisolate_encoder_long (self, PYISOLATE_TAG_BYTEARRAY, PyBytes_AsString (bytes),
                                   PyBytes_Size (bytes));
  Py_DECREF (bytes);
  return shape;
}

static EncodedShape
encode_set (Encoder    *self,
            const char *tag,
            PyObject   *value)
{
  PyObject *list = PySequence_List (value);
  EncodedShape shape = -1;
  EncoderTag state;

  if (list == NULL)
    return -1;
  if (_pyisolate_encoder_tag_begin (self, tag, &state)
      && _pyisolate_encoder_list (self, list, STEP_ELEMENT, NULL) >= 0)
    shape = _pyisolate_encoder_tag_end (self, &state);
  Py_DECREF (list);
  return shape;
}

/* The other side must be able to tell items apart: as NumPy's and ctypes' own formats are not. */
static gboolean
check_format (Encoder  *self,
              PyObject *view,
              PyObject *format)
{
  PyObject *item_size = _pyisolate_codec_get (view, "itemsize");
  const char *text;
  gboolean good;

  if (item_size == NULL)
    return FALSE;
  good = _pyisolate_codec_buffer_item_size (format) == PyLong_AsSsize_t (item_size);
  Py_DECREF (item_size);
  if (good)
    return TRUE;

  PyErr_Clear ();
  text = PyUnicode_AsUTF8AndSize (format, NULL);
  PyErr_Clear ();
  _pyisolate_encoder_fail (self, PyExc_TypeError, "cannot send a memoryview of the format '%s'",
                           text != NULL ? text : "?");
  return FALSE;
}

/* (readonly, format, shape, data in C order) */
static EncodedShape
encode_memoryview (Encoder  *self,
                   PyObject *value)
{
  PyObject *readonly = _pyisolate_codec_get (value, "readonly");
  PyObject *format = readonly != NULL ? _pyisolate_codec_get (value, "format") : NULL;
  PyObject *shape = format != NULL ? _pyisolate_codec_get (value, "shape") : NULL;
  PyObject *list = shape != NULL ? PySequence_List (shape) : NULL;
  PyObject *data = list != NULL ? _pyisolate_codec_call (value, "tobytes", NULL) : NULL;
  PyObject *payload = NULL;

  if (data != NULL && check_format (self, value, format))
    payload = PyTuple_Pack (4, readonly, format, list, data);
  Py_XDECREF (readonly);
  Py_XDECREF (format);
  Py_XDECREF (shape);
  Py_XDECREF (list);
  Py_XDECREF (data);
  return encode_tagged_struct (self, PYISOLATE_TAG_MEMORYVIEW, payload, NULL);
}

static EncodedShape
encode_complex (Encoder  *self,
                PyObject *value)
{
  PyObject *payload = Py_BuildValue ("(dd)", PyComplex_RealAsDouble (value),
                                     PyComplex_ImagAsDouble (value));

  return encode_tagged_struct (self, PYISOLATE_TAG_COMPLEX, payload, NULL);
}

static EncodedShape
encode_fd (Encoder  *self,
           PyObject *value)
{
  int fd = _pyisolate_codec_fd_get (value);
  int copy;

  if (fd < 0)
    {
      PyErr_Clear ();
      return _pyisolate_encoder_fail (self, PyExc_ValueError,
                                      "cannot send a closed FileDescriptor");
    }
  if (self->parcel == NULL || self->parcel->fds == NULL)
    return _pyisolate_encoder_fail (self, PyExc_TypeError, "a FileDescriptor cannot be sent here");

  copy = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0)
    {
      PyErr_SetFromErrno (PyExc_OSError);
      return -1;
    }
  g_array_append_val (self->parcel->fds, copy);
  return _pyisolate_encoder_handle (self, self->parcel->fds->len - 1);
}

/* --- datetime --- */

/* (text, fold, tzinfo) of a datetime or time. */
static EncodedShape
encode_time (Encoder    *self,
             const char *tag,
             PyObject   *value)
{
  static const char *const names[] = { NULL, NULL, "tzinfo" };
  PyObject *text = _pyisolate_codec_call (value, "isoformat", NULL);
  PyObject *fold = text != NULL ? _pyisolate_codec_get (value, "fold") : NULL;
  PyObject *tzinfo = fold != NULL ? _pyisolate_codec_get (value, "tzinfo") : NULL;
  PyObject *payload = NULL;

  if (tzinfo != NULL)
    payload = PyTuple_Pack (3, text, PyObject_IsTrue (fold) > 0 ? Py_True : Py_False, tzinfo);
  Py_XDECREF (text);
  Py_XDECREF (fold);
  Py_XDECREF (tzinfo);
  return encode_tagged_struct (self, tag, payload, names);
}

static PyObject *
pack_timedelta (PyObject *value)
{
  PyObject *days = _pyisolate_codec_get (value, "days");
  PyObject *seconds = _pyisolate_codec_get (value, "seconds");
  PyObject *microseconds = _pyisolate_codec_get (value, "microseconds");
  PyObject *payload = NULL;

  if (days != NULL && seconds != NULL && microseconds != NULL)
    payload = PyTuple_Pack (3, days, seconds, microseconds);
  Py_XDECREF (days);
  Py_XDECREF (seconds);
  Py_XDECREF (microseconds);
  return payload;
}

/* (offset as a timedelta has it, name or None) */
static EncodedShape
encode_timezone (Encoder  *self,
                 PyObject *value)
{
  PyObject *init = _pyisolate_codec_call (value, "__getinitargs__", NULL);
  PyObject *offset = NULL, *payload = NULL;
  PyObject *name = Py_None;

  if (init != NULL && PyTuple_Size (init) > 1)
    name = PyTuple_GetItem (init, 1);
  if (init != NULL)
    offset = pack_timedelta (PyTuple_GetItem (init, 0));
  if (offset != NULL)
    payload = PyTuple_Pack (2, offset, name);
  Py_XDECREF (init);
  Py_XDECREF (offset);
  return encode_tagged_struct (self, PYISOLATE_TAG_TIMEZONE, payload, NULL);
}

static EncodedShape
encode_zoneinfo (Encoder  *self,
                 PyObject *value)
{
  PyObject *key = _pyisolate_codec_get (value, "key");

  if (key == Py_None)
    {
      Py_DECREF (key);
      return _pyisolate_encoder_fail (self, PyExc_TypeError,
                                      "cannot send a ZoneInfo without a key");
    }
  return encode_tagged (self, PYISOLATE_TAG_ZONEINFO, key);
}

/* --- NumPy scalars --- */

/* Whether item() gave what a Python scalar is, without loss: it gives a long double as itself, a
 * record as a tuple, nanoseconds as a bare number. */
static gboolean
is_scalar (PyObject     *item,
           PyTypeObject *numpy_type)
{
  PyTypeObject *type = Py_TYPE (item);

  if (type == &PyLong_Type)
    {
      g_autofree char *name = _pyisolate_codec_type_name (numpy_type);

      return strstr (name, "datetime64") == NULL && strstr (name, "timedelta64") == NULL;
    }
  if (type == &PyFloat_Type || type == &PyBool_Type || type == &PyUnicode_Type
      || type == &PyBytes_Type || type == &PyComplex_Type)
    return TRUE;
  switch (_pyisolate_codec_types_find (type))
    {
    case KIND_DATETIME:
    case KIND_DATE:
    case KIND_TIMEDELTA:
      return TRUE;
    default:
      return FALSE;
    }
}

static EncodedShape
encode_numpy_scalar (Encoder  *self,
                     PyObject *value)
{
  PyObject *item = _pyisolate_codec_call (value, "item", NULL);
  EncodedShape shape;

  if (item == NULL)
    return -1;
  if (is_scalar (item, Py_TYPE (value)))
    shape = _pyisolate_encoder_natural (self, item);
  else
    shape = _pyisolate_encoder_refuse (self, Py_TYPE (value));
  Py_DECREF (item);
  return shape;
}

/* --- Registered classes --- */

/* (name, member): by its name, a flag by its number, which may be one of several flags. */
static EncodedShape
encode_enum (Encoder                 *self,
             PyObject                *value,
             const CodecRegistration *registration)
{
  static const char *const names[] = { NULL, "value" };
  const char *attribute = registration->kind == KIND_FLAG ? "_value_" : "_name_";
  PyObject *member = _pyisolate_codec_get (value, attribute);
  PyObject *payload = member != NULL ? PyTuple_Pack (2, registration->name, member) : NULL;

  Py_XDECREF (member);
  return encode_tagged_struct (self, PYISOLATE_TAG_OBJECT, payload, names);
}

/* Writes the tagged struct of the class's name and what @encode makes of @value. */
static EncodedShape
encode_named (Encoder                 *self,
              const char              *tag,
              const CodecRegistration *registration,
              PyObject                *value,
              EncodedShape           (*encode) (Encoder *, PyObject *))
{
  EncoderTag state;
  gsize start, mark;

  if (!_pyisolate_encoder_tag_begin (self, tag, &state))
    return -1;
  if (!_pyisolate_depth_enter_struct (&self->depth))
    return _pyisolate_encoder_too_deep (self);

  start = self->len;
  mark = self->n_ends;
  encoder_sign (self, "(", 1);
  if (_pyisolate_encoder_natural (self, registration->name) < 0
      || !encoder_push_end (self, self->len - start)
      || encode (self, value) < 0)
    return -1;
  encoder_sign (self, ")", 1);
  if (!_pyisolate_encoder_close (self, start, mark, TRUE))
    return -1;
  return _pyisolate_encoder_tag_end (self, &state);
}

static EncodedShape
encode_attributes (Encoder  *self,
                   PyObject *attributes)
{
  return _pyisolate_encoder_vardict (self, attributes, STEP_ATTRIBUTE);
}

static EncodedShape
encode_dataclass (Encoder                 *self,
                  PyObject                *value,
                  const CodecRegistration *registration)
{
  PyObject *state = PyDict_New ();
  Py_ssize_t n_fields = PyTuple_Size (registration->fields);
  EncodedShape shape = -1;

  for (Py_ssize_t i = 0; state != NULL && i < n_fields; i++)
    {
      PyObject *name = PyTuple_GetItem (registration->fields, i);
      PyObject *field = PyObject_GetAttr (value, name);

      if (field == NULL || PyDict_SetItem (state, name, field) < 0)
        Py_CLEAR (state);
      Py_XDECREF (field);
    }
  if (state != NULL)
    shape = encode_named (self, PYISOLATE_TAG_OBJECT, registration, state, encode_attributes);
  Py_XDECREF (state);
  return shape;
}

/* (name, what the encoder made of it), which have one type together. */
static EncodedShape
encode_by_encoder (Encoder                 *self,
                   PyObject                *value,
                   const CodecRegistration *registration)
{
  static const int n_around = sizeof "((ov))" - 1; /* a name is a string, or too long for one */
  PyObject *result = PyObject_CallFunctionObjArgs (registration->encode, value, NULL);
  gboolean is_long;
  EncodedShape shape;

  if (result == NULL)
    return -1;
  is_long = PyTuple_CheckExact (result) && !_pyisolate_encoder_tuple_fits (result, n_around);
  shape = encode_named (self, PYISOLATE_TAG_EXT, registration, result,
                        is_long ? _pyisolate_encoder_long_tuple : _pyisolate_encoder_natural);
  Py_DECREF (result);
  return shape;
}

static EncodedShape
encode_registered (Encoder  *self,
                   PyObject *value)
{
  const CodecRegistration *registration = _pyisolate_codec_registry_find (Py_TYPE (value));

  switch (registration->kind)
    {
    case KIND_DATACLASS:
      return encode_dataclass (self, value, registration);
    case KIND_ENCODER:
      return encode_by_encoder (self, value, registration);
    default:
      return encode_enum (self, value, registration);
    }
}

EncodedShape
_pyisolate_encoder_special (Encoder  *self,
                            PyObject *value)
{
  CodecKind kind = _pyisolate_codec_types_find (Py_TYPE (value));

  switch (kind)
    {
    case KIND_BYTEARRAY:
      return encode_bytearray (self, value);
    case KIND_MEMORYVIEW:
      return encode_memoryview (self, value);
    case KIND_SET:
      return encode_set (self, PYISOLATE_TAG_SET, value);
    case KIND_FROZENSET:
      return encode_set (self, PYISOLATE_TAG_FROZENSET, value);
    case KIND_COMPLEX:
      return encode_complex (self, value);
    case KIND_FD:
      return encode_fd (self, value);
    case KIND_DATETIME:
      return encode_time (self, PYISOLATE_TAG_DATETIME, value);
    case KIND_TIME:
      return encode_time (self, PYISOLATE_TAG_TIME, value);
    case KIND_DATE:
      return encode_tagged (self, PYISOLATE_TAG_DATE,
                            _pyisolate_codec_call (value, "isoformat", NULL));
    case KIND_TIMEDELTA:
      return encode_tagged_struct (self, PYISOLATE_TAG_TIMEDELTA, pack_timedelta (value), NULL);
    case KIND_TIMEZONE:
      return encode_timezone (self, value);
    case KIND_ZONEINFO:
      return encode_zoneinfo (self, value);
    case KIND_DECIMAL:
      return encode_tagged (self, PYISOLATE_TAG_DECIMAL, PyObject_Str (value));
    case KIND_UUID:
      return encode_tagged (self, PYISOLATE_TAG_UUID, PyObject_Str (value));
    case KIND_PURE_POSIX_PATH:
      return encode_tagged (self, PYISOLATE_TAG_PURE_POSIX_PATH, PyObject_Str (value));
    case KIND_PURE_WINDOWS_PATH:
      return encode_tagged (self, PYISOLATE_TAG_PURE_WINDOWS_PATH, PyObject_Str (value));
    case KIND_POSIX_PATH:
      return encode_tagged (self, PYISOLATE_TAG_POSIX_PATH, PyObject_Str (value));
    case KIND_WINDOWS_PATH:
      return encode_tagged (self, PYISOLATE_TAG_WINDOWS_PATH, PyObject_Str (value));
    case KIND_NUMPY_SCALAR:
      return encode_numpy_scalar (self, value);
    case KIND_NUMPY_ARRAY:
    case KIND_NUMPY_MEMMAP:
    case KIND_TORCH_TENSOR:
    case KIND_TORCH_PARAMETER:
    case KIND_TENSOR:
      return _pyisolate_encoder_array (self, value, kind);
    case KIND_ENUM:
    case KIND_FLAG:
    case KIND_DATACLASS:
    case KIND_ENCODER:
      return encode_registered (self, value);
    case KIND_NONE:
    case N_KINDS:
    default:
      return _pyisolate_encoder_refuse (self, Py_TYPE (value));
    }
}
