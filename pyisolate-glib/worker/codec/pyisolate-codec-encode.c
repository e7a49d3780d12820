/* SPDX-License-Identifier: MIT */
/* Encoding: from Python objects straight into the serialised form, in one growable buffer.
 *
 * A variant carries its type behind its data, so the type of a value may be found while the value
 * is written: it grows in Encoder.signature.
 */
#include "config.h"

#include "pyisolate-codec-writer-short.h"

/* --- Variants --- */

gboolean
_pyisolate_encoder_other_variant (Encoder  *self,
                                  PyObject *value)
{
  PyIsolateDepth depth = self->depth;
  gsize sign = self->signature_len;
  gsize sign_len;

  if (!_pyisolate_depth_enter_variant (&self->depth))
    {
      _pyisolate_encoder_too_deep (self);
      return FALSE;
    }
  if (!encoder_align (self, 8, 0) || _pyisolate_encoder_natural (self, value) < 0)
    return FALSE;

  sign_len = self->signature_len - sign;
  if (!encoder_reserve (self, sign_len + 1))
    return FALSE;
  self->data[self->len++] = 0;
  self->len = encoder_put_at (self->data + self->len, self->signature + sign, sign_len) - self->data;
  self->signature_len = sign;
  self->depth = depth;
  return TRUE;
}

/* --- Basic types --- */

static EncodedShape
encode_string (Encoder  *self,
               PyObject *string)
{
  Py_ssize_t length;
  const char *utf8 = encoder_string_utf8 (string, &length);
  PyObject *bytes;
  EncodedShape shape;

  if (G_LIKELY (utf8 != NULL))
    {
      if (encoder_is_long (self, length))
        return _pyisolate_encoder_long (self, PYISOLATE_TAG_STR, utf8, length);
      if (!encoder_reserve (self, (gsize) length + 1))
        return -1;
      encoder_put (self, utf8, (gsize) length + 1);
      encoder_sign (self, "s", 1);
      return 1;
    }
  if (PyErr_Occurred ())
    return -1;

  bytes = PyUnicode_AsEncodedString (string, "utf-8", "surrogatepass");
  if (bytes == NULL)
    return -1;
  shape = _pyisolate_encoder_tagged (self, PYISOLATE_TAG_STR, bytes);
  Py_DECREF (bytes);
  return shape;
}

static EncodedShape
encode_int (Encoder  *self,
            PyObject *value)
{
  gint64 number;
  PyObject *digits;
  EncodedShape shape;

  if (G_LIKELY (_pyisolate_int_value (value, &number)))
    {
      if (!encoder_align (self, 8, 8))
        return -1;
      encoder_put (self, &number, 8);
      encoder_sign (self, "x", 1);
      return 8 | SHAPE_FIXED;
    }

  digits = PyNumber_ToBase (value, 16);
  if (digits == NULL)
    return -1;
  shape = _pyisolate_encoder_tagged (self, PYISOLATE_TAG_INT, digits);
  Py_DECREF (digits);
  return shape;
}

static EncodedShape
encode_float (Encoder  *self,
              PyObject *value)
{
  double number = _pyisolate_float_value (value);

  if (!encoder_align (self, 8, 8))
    return -1;
  encoder_put (self, &number, 8);
  encoder_sign (self, "d", 1);
  return 8 | SHAPE_FIXED;
}

static EncodedShape
encode_bool (Encoder  *self,
             gboolean  value)
{
  if (!encoder_reserve (self, 1))
    return -1;
  self->data[self->len++] = value ? 1 : 0;
  encoder_sign (self, "b", 1);
  return 1 | SHAPE_FIXED;
}

static EncodedShape
encode_bytes (Encoder  *self,
              PyObject *value)
{
  char *bytes;
  Py_ssize_t length;

  if (PyBytes_AsStringAndSize (value, &bytes, &length) < 0)
    return -1;
  if (encoder_is_long (self, length))
    return _pyisolate_encoder_long (self, PYISOLATE_TAG_BYTES, bytes, length);
  if (!_pyisolate_depth_enter_array (&self->depth))
    return _pyisolate_encoder_too_deep (self);
  if (!encoder_reserve (self, length))
    return -1;
  encoder_put (self, bytes, length);
  encoder_sign (self, "ay", 2);
  self->depth.arrays--;
  self->depth.levels--;
  return 1;
}

EncodedShape
_pyisolate_encoder_constant (Encoder    *self,
                             const char *tag)
{
  gsize size = strlen (tag) + 1;

  if (!encoder_reserve (self, size))
    return -1;
  encoder_put (self, tag, size);
  encoder_sign (self, "o", 1);
  return 1;
}

EncodedShape
_pyisolate_encoder_handle (Encoder *self,
                           guint32  handle)
{
  if (!encoder_align (self, 4, 4))
    return -1;
  encoder_put (self, &handle, 4);
  encoder_sign (self, "h", 1);
  return 4 | SHAPE_FIXED;
}

/* --- Tagged values: (object path, variant) --- */

gboolean
_pyisolate_encoder_tag_begin (Encoder    *self,
                              const char *tag,
                              EncoderTag *state)
{
  gsize tag_size = strlen (tag) + 1;

  *state = (EncoderTag) { self->depth, self->signature_len, self->n_ends, 0 };
  if (!_pyisolate_depth_enter_struct (&self->depth)
      || !_pyisolate_depth_enter_variant (&self->depth))
    {
      _pyisolate_encoder_too_deep (self);
      return FALSE;
    }

  if (!encoder_align (self, 8, tag_size))
    return FALSE;
  state->start = self->len;
  encoder_put (self, tag, tag_size);
  return encoder_push_end (self, tag_size) && encoder_align (self, 8, 0);
}

EncodedShape
_pyisolate_encoder_tag_end (Encoder          *self,
                            const EncoderTag *state)
{
  gsize sign_len = self->signature_len - state->sign;

  if (!encoder_reserve (self, sign_len + 1))
    return -1;
  self->data[self->len++] = 0;
  encoder_put (self, self->signature + state->sign, sign_len);
  self->signature_len = state->sign;
  if (!_pyisolate_encoder_close (self, state->start, state->mark, TRUE))
    return -1;
  encoder_sign (self, "(ov)", 4);
  self->depth = state->depth;
  return 8;
}

EncodedShape
_pyisolate_encoder_tagged (Encoder    *self,
                           const char *tag,
                           PyObject   *payload)
{
  EncoderTag state;

  if (!_pyisolate_encoder_tag_begin (self, tag, &state)
      || _pyisolate_encoder_natural (self, payload) < 0)
    return -1;
  return _pyisolate_encoder_tag_end (self, &state);
}

/* --- Everything --- */

EncodedShape
_pyisolate_encoder_natural (Encoder  *self,
                            PyObject *value)
{
  PyTypeObject *type = Py_TYPE (value);

  if (type == &PyUnicode_Type)
    return encode_string (self, value);
  if (type == &PyLong_Type)
    return encode_int (self, value);
  if (type == &PyFloat_Type)
    return encode_float (self, value);
  if (value == Py_None)
    return _pyisolate_encoder_constant (self, PYISOLATE_TAG_NONE);
  if (type == &PyBool_Type)
    return encode_bool (self, value == Py_True);
  if (type == &PyDict_Type)
    return _pyisolate_encoder_dict (self, value, STEP_KEY);
  if (type == &PyList_Type)
    return _pyisolate_encoder_list (self, value, STEP_INDEX, NULL);
  if (type == &PyTuple_Type)
    return _pyisolate_encoder_tuple (self, value);
  if (type == &PyBytes_Type)
    return encode_bytes (self, value);
  return _pyisolate_encoder_special (self, value);
}

/* --- The two kinds of bodies --- */

static void
encoder_init (Encoder         *self,
              const char      *what,
              PyIsolateParcel *parcel)
{
  _pyisolate_encoder_begin (self);
  self->len = 0;
  self->ends = self->first_ends;
  self->n_ends = 0;
  self->ends_capacity = G_N_ELEMENTS (self->first_ends);
  self->signature_len = 0;
  self->depth = (PyIsolateDepth) { 0, 0, 0 };
  self->parcel = parcel;
  self->what = what;
  self->n_steps = 0;
  self->careful = FALSE;
}

/* The finished body, or NULL with the parcel as it was. */
static GBytes *
encoder_finish (Encoder *self,
                gboolean success,
                guint    n_fds,
                guint    n_memories)
{
  if (self->ends != self->first_ends)
    g_free (self->ends);
  if (success && _pyisolate_encoder_fits (self))
    return _pyisolate_encoder_take (self);

  _pyisolate_encoder_drop (self);
  _pyisolate_encoder_unpack (self, n_fds, n_memories);
  return NULL;
}

GBytes *
_pyisolate_codec_encode_value (PyObject   *value,
                               const char *what,
                               PyIsolateParcel *parcel)
{
  Encoder encoder;
  guint n_fds = encoder_count_fds (parcel);
  guint n_memories = encoder_count_memories (parcel);

  g_assert (value != NULL && what != NULL);

  encoder_init (&encoder, what, parcel);
  return encoder_finish (&encoder, encoder_variant (&encoder, value), n_fds,
                         n_memories);
}

static gboolean
encode_args (Encoder  *self,
             PyObject *args)
{
  PyIsolateDepth depth = self->depth;
  EncoderStep *step = encoder_push_step (self, STEP_ARGUMENT);
  Py_ssize_t n_args = PyTuple_Size (args);

  if (!_pyisolate_depth_enter_array (&self->depth))
    return FALSE;
  for (Py_ssize_t i = 0; i < n_args; i++)
    {
      step->index = i;
      if (!encoder_variant (self, PyTuple_GetItem (args, i))
          || !encoder_push_end (self, self->len))
        return FALSE;
    }
  self->n_steps--;
  self->depth = depth;
  return _pyisolate_encoder_close (self, 0, 0, FALSE);
}

static gboolean
encode_kwargs (Encoder  *self,
               PyObject *kwargs)
{
  int plain = _pyisolate_encoder_has_plain_keys (kwargs);

  if (plain == 0)
    PyErr_SetString (PyExc_ValueError, "names of keyword arguments must be strings without NUL "
                                       "characters and lone surrogates");
  return plain > 0 && _pyisolate_encoder_vardict (self, kwargs, STEP_ARGUMENT) >= 0;
}

GBytes *
_pyisolate_codec_encode_call (PyObject *args,
                              PyObject *kwargs,
                              PyIsolateParcel *parcel)
{
  Encoder encoder;
  guint n_fds = encoder_count_fds (parcel);
  guint n_memories = encoder_count_memories (parcel);
  gboolean success;

  g_assert (PyTuple_Check (args));
  g_assert (kwargs == NULL || PyDict_Check (kwargs));

  encoder_init (&encoder, "call", parcel);
  success = _pyisolate_depth_enter_struct (&encoder.depth)
            && encode_args (&encoder, args)
            && encoder_push_end (&encoder, encoder.len)
            && encoder_align (&encoder, 8, 0)
            && (kwargs == NULL || PyDict_Size (kwargs) == 0 || encode_kwargs (&encoder, kwargs))
            && _pyisolate_encoder_close (&encoder, 0, 0, TRUE);
  return encoder_finish (&encoder, success, n_fds, n_memories);
}
