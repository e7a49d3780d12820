/* SPDX-License-Identifier: MIT */
/* Strings and numbers, from bytes that may be anything. */
#include "config.h"

#include "pyisolate-codec-reader.h"

/* Sets a ValueError. Always NULL. */
PyObject *
_pyisolate_decoder_malformed (const char *format,
                              ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  PyErr_Format (PyExc_ValueError, "malformed value: %s", text);
  return NULL;
}

/* --- Basic types --- */

/* Filled as they are asked for; guarded by the GIL. */
PyObject *_pyisolate_decoder_ints[DECODER_N_INTS];

PyObject *
_pyisolate_decoder_new_int (gint64 number)
{
  PyObject *object = PyLong_FromLongLong (number);

  if (object != NULL && (guint64) number < DECODER_N_INTS)
    {
      Py_INCREF (object);
      _pyisolate_decoder_ints[number] = object;
    }
  return object;
}

PyObject *
_pyisolate_decoder_string (const guint8 *data,
               gsize         size)
{
  if (size == 0 || memchr (data, 0, size) != data + size - 1)
    return _pyisolate_decoder_malformed ("a string does not end where it should");
  return PyUnicode_DecodeUTF8 ((const char *) data, size - 1, NULL);
}

PyObject *
_pyisolate_decoder_object_path (const guint8 *data,
                    gsize         size)
{
  const char *path = (const char *) data;

  if (size == sizeof PYISOLATE_TAG_NONE && memcmp (data, PYISOLATE_TAG_NONE, size) == 0)
    Py_RETURN_NONE;
  if (size == 0 || memchr (data, 0, size) != data + size - 1 || !g_variant_is_object_path (path))
    return _pyisolate_decoder_malformed ("a bad object path");
  if (g_str_has_prefix (path, PYISOLATE_TAG_PREFIX))
    return _pyisolate_decoder_constant (path);
  return PyUnicode_DecodeUTF8 (path, size - 1, NULL);
}

PyObject *
_pyisolate_decoder_signature (const guint8 *data,
                  gsize         size)
{
  if (size == 0 || memchr (data, 0, size) != data + size - 1
      || !g_variant_is_signature ((const char *) data))
    return _pyisolate_decoder_malformed ("a bad signature");
  return PyUnicode_DecodeUTF8 ((const char *) data, size - 1, NULL);
}

/* Two mentions of one descriptor give one object: bytes alone must not use up descriptors. */
static PyObject *
decode_handle (Decoder *self,
               guint32  handle)
{
  if (handle >= self->contents.n_fds)
    return _pyisolate_decoder_malformed ("file descriptor %u of %u", handle, self->contents.n_fds);

  if (self->fd_objects == NULL)
    self->fd_objects = g_new0 (PyObject *, self->contents.n_fds);
  if (self->fd_objects[handle] == NULL)
    self->fd_objects[handle] = _pyisolate_codec_fd_new_dup (self->contents.fds[handle]);
  Py_XINCREF (self->fd_objects[handle]);
  return self->fd_objects[handle];
}

/* A basic type with a fixed size; the size has been checked. */
PyObject *
_pyisolate_decoder_fixed (Decoder      *self,
              char          code,
              const guint8 *data)
{
  union {
    gint16  i16;
    guint16 u16;
    gint32  i32;
    guint32 u32;
    guint64 u64;
  } number;

  switch (code)
    {
    case 'b':
      if (data[0] > 1)
        return _pyisolate_decoder_malformed ("a boolean of %u", data[0]);
      return PyBool_FromLong (data[0]);
    case 'y':
      return PyLong_FromLong (data[0]);
    case 'n':
      memcpy (&number, data, 2);
      return PyLong_FromLong (number.i16);
    case 'q':
      memcpy (&number, data, 2);
      return PyLong_FromLong (number.u16);
    case 'i':
      memcpy (&number, data, 4);
      return PyLong_FromLong (number.i32);
    case 'u':
      memcpy (&number, data, 4);
      return PyLong_FromUnsignedLong (number.u32);
    case 'x':
      return decoder_int64 (data);
    case 't':
      memcpy (&number, data, 8);
      return PyLong_FromUnsignedLongLong (number.u64);
    case 'd':
      return decoder_double (data);
    default:
      memcpy (&number, data, 4);
      return decode_handle (self, number.u32);
    }
}
