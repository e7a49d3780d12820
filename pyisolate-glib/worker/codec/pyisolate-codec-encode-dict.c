/* SPDX-License-Identifier: MIT */
/* Dicts: typed where the values have one exact type, a{sv} where the keys are plain strings,
 * otherwise a list of the keys and one of the values. */
#include "config.h"

#include "pyisolate-codec-writer-short.h"

/* A string as the key of an entry. TYPED_NO: it is none that D-Bus can carry. */
static inline Typed
get_key (PyObject    *key,
         const char **text,
         Py_ssize_t  *length)
{
  *text = Py_TYPE (key) == &PyUnicode_Type ? encoder_string_utf8 (key, length) : NULL;
  if (G_LIKELY (*text != NULL))
    return TYPED_DONE;
  return PyErr_Occurred () ? TYPED_FAILED : TYPED_NO;
}

/* --- Values of one type --- */

/* The value of an entry, of one exact basic type. @text: what it is, of a string. NULL: it is of another type or size. */
static inline guint8 *
put_typed_value_at (Encoder      *self,
                    guint8       *at,
                    PyObject     *value,
                    PyTypeObject *type,
                    const char   *text,
                    Py_ssize_t    length)
{
  if (type == &PyFloat_Type)
    {
      double number = _pyisolate_float_value (value);

      at = encoder_pad_at (self, at, 8);
      memcpy (at, &number, 8);
      return at + 8;
    }
  if (type == &PyLong_Type)
    {
      gint64 number;

      if (!_pyisolate_int_value (value, &number))
        return NULL;
      at = encoder_pad_at (self, at, 8);
      memcpy (at, &number, 8);
      return at + 8;
    }
  if (type == &PyBool_Type)
    {
      *at = value == Py_True;
      return at + 1;
    }
  return encoder_put_at (at, text, (gsize) length + 1);
}

static inline Typed
encode_typed_entry (Encoder      *self,
                    PyObject     *key,
                    PyObject     *value,
                    PyTypeObject *type,
                    guint         alignment)
{
  const char *text, *value_text = NULL;
  Py_ssize_t length, value_length = 0;
  Typed typed = get_key (key, &text, &length);
  guint8 *at, *entry, *key_end;

  if (typed != TYPED_DONE)
    return typed;
  if (Py_TYPE (value) != type)
    return TYPED_NO;
  if (type == &PyUnicode_Type)
    typed = get_key (value, &value_text, &value_length);
  if (typed != TYPED_DONE)
    return typed;
  if (!encoder_reserve (self, (gsize) length + value_length))
    return TYPED_FAILED;

  entry = encoder_pad_at (self, self->data + self->len, alignment);
  key_end = encoder_put_at (entry, text, (gsize) length + 1);
  at = put_typed_value_at (self, key_end, value, type, value_text, value_length);
  if (at == NULL)
    return TYPED_NO;
  self->len = encoder_end_entry_at (at, entry, key_end) - self->data;
  return TYPED_DONE;
}

static Typed
encode_typed_entries (Encoder      *self,
                      PyObject     *dict,
                      PyTypeObject *type,
                      guint         alignment)
{
  gsize mark = self->n_ends;
  Py_ssize_t position = 0;
  PyObject *key, *value;
  gsize start;

  if (!encoder_align (self, alignment, 0))
    return TYPED_FAILED;
  start = self->len;
  while (PyDict_Next (dict, &position, &key, &value))
    {
      Typed typed = encode_typed_entry (self, key, value, type, alignment);

      if (typed != TYPED_DONE)
        return typed;
      if (!encoder_push_end (self, self->len - start))
        return TYPED_FAILED;
    }
  return _pyisolate_encoder_close (self, start, mark, FALSE) ? TYPED_DONE : TYPED_FAILED;
}

/* A dict with str keys and values of one exact type. */
static Typed
encode_typed_dict (Encoder  *self,
                   PyObject *dict,
                   guint    *alignment)
{
  gsize len = self->len;
  gsize mark = self->n_ends;
  Py_ssize_t position = 0;
  PyObject *key, *value;
  PyTypeObject *type;
  const char *sign;
  Typed typed;

  if (!PyDict_Next (dict, &position, &key, &value))
    return TYPED_NO;

  type = Py_TYPE (value);
  if (type == &PyFloat_Type)
    sign = "a{sd}";
  else if (type == &PyLong_Type)
    sign = "a{sx}";
  else if (type == &PyUnicode_Type)
    sign = "a{ss}";
  else if (type == &PyBool_Type)
    sign = "a{sb}";
  else
    return TYPED_NO;
  /* A record's values differ: that is seen at the second. */
  if (PyDict_Next (dict, &position, &key, &value) && Py_TYPE (value) != type)
    return TYPED_NO;

  *alignment = type == &PyFloat_Type || type == &PyLong_Type ? 8 : 1;
  typed = encode_typed_entries (self, dict, type, *alignment);
  if (typed == TYPED_DONE)
    {
      encoder_sign (self, sign, 5);
    }
  else if (typed == TYPED_NO)
    {
      self->len = len;
      self->n_ends = mark;
    }
  return typed;
}

/* --- Values of any types --- */

/* 1: all keys are strings that D-Bus can carry; 0: not; -1: failed. */
int
_pyisolate_encoder_has_plain_keys (PyObject *dict)
{
  Py_ssize_t position = 0;
  PyObject *key, *value;

  while (PyDict_Next (dict, &position, &key, &value))
    {
      Py_ssize_t length;

      if (Py_TYPE (key) != &PyUnicode_Type)
        return 0;
      if (encoder_string_utf8 (key, &length) == NULL)
        return PyErr_Occurred () ? -1 : 0;
    }
  return 1;
}

/* Registered encoders run in between and may change the dict. */
static gboolean
encode_any_value (Encoder  *self,
                  PyObject *dict,
                  PyObject *key,
                  PyObject *value)
{
  Py_ssize_t n_items = PyDict_Size (dict);
  gboolean done;

  Py_INCREF (key);
  Py_INCREF (value);
  done = _pyisolate_encoder_other_variant (self, value);
  Py_DECREF (key);
  Py_DECREF (value);
  if (done && PyDict_Size (dict) != n_items)
    {
      PyErr_SetString (PyExc_RuntimeError, "a dict changed while it was being encoded");
      return FALSE;
    }
  return done;
}

/* An entry whose key has been written, but not its value. */
static Typed
encode_long_entry (Encoder  *self,
                   PyObject *dict,
                   PyObject *key,
                   PyObject *value,
                   gsize     entry,
                   gsize     key_end)
{
  guint8 *at;

  self->len = key_end;
  if (!encode_any_value (self, dict, key, value) || !encoder_reserve (self, 0))
    return TYPED_FAILED;
  at = encoder_end_entry_at (self->data + self->len, self->data + entry, self->data + key_end);
  self->len = at - self->data;
  return TYPED_DONE;
}

/* TYPED_NO: the key is not a plain string. */
static inline Typed
encode_entry (Encoder  *self,
              PyObject *dict,
              PyObject *key,
              PyObject *value)
{
  const char *text, *value_text;
  Py_ssize_t length, value_length;
  Typed typed = get_key (key, &text, &length);
  Typed value_typed;
  guint8 *at = NULL, *entry, *key_end;

  if (typed != TYPED_DONE)
    return typed;
  value_typed = encoder_look_at (self, value, &value_text, &value_length);
  if (value_typed == TYPED_FAILED || !encoder_reserve (self, (gsize) length + value_length))
    return TYPED_FAILED;

  entry = encoder_pad_at (self, self->data + self->len, 8);
  key_end = encoder_put_at (entry, text, (gsize) length + 1);
  if (value_typed == TYPED_DONE)
    at = encoder_put_variant_at (encoder_pad_at (self, key_end, 8), value, value_text, value_length);
  if (at == NULL)
    return encode_long_entry (self, dict, key, value, entry - self->data, key_end - self->data);
  self->len = encoder_end_entry_at (at, entry, key_end) - self->data;
  return TYPED_DONE;
}

static Typed
encode_entries (Encoder  *self,
                PyObject *dict,
                StepKind  kind)
{
  gsize mark = self->n_ends;
  EncoderStep *step = encoder_push_step (self, kind);
  Py_ssize_t position = 0;
  PyObject *key, *value;
  gsize start;

  if (!encoder_align (self, 8, 0))
    return TYPED_FAILED;
  start = self->len;
  while (PyDict_Next (dict, &position, &key, &value))
    {
      Typed typed;

      step->key = key;
      typed = encode_entry (self, dict, key, value);
      if (typed != TYPED_DONE)
        return typed;
      if (!encoder_push_end (self, self->len - start))
        return TYPED_FAILED;
    }
  self->n_steps--;
  return _pyisolate_encoder_close (self, start, mark, FALSE) ? TYPED_DONE : TYPED_FAILED;
}

/* Any keys: a struct of a list of the keys and one of the values. */
static EncodedShape
encode_columns (Encoder  *self,
                PyObject *keys,
                PyObject *values)
{
  EncoderTag tag;
  gsize start, mark;

  if (!_pyisolate_encoder_tag_begin (self, PYISOLATE_TAG_DICT, &tag))
    return -1;
  if (!_pyisolate_depth_enter_struct (&self->depth))
    return _pyisolate_encoder_too_deep (self);

  start = self->len;
  mark = self->n_ends;
  encoder_sign (self, "(", 1);
  if (_pyisolate_encoder_list (self, keys, STEP_ELEMENT, NULL) < 0
      || !encoder_push_end (self, self->len - start)
      || _pyisolate_encoder_list (self, values, STEP_KEY, keys) < 0)
    return -1;
  encoder_sign (self, ")", 1);
  if (!_pyisolate_encoder_close (self, start, mark, TRUE))
    return -1;
  return _pyisolate_encoder_tag_end (self, &tag);
}

static EncodedShape
encode_dict_with_any_keys (Encoder  *self,
                           PyObject *dict)
{
  PyObject *keys = PyDict_Keys (dict);
  PyObject *values = PyDict_Values (dict);
  EncodedShape shape = -1;

  if (keys != NULL && values != NULL)
    shape = encode_columns (self, keys, values);
  Py_XDECREF (keys);
  Py_XDECREF (values);
  return shape;
}

/* As a{sv}, whatever the values are. TYPED_NO: a key is not a plain string, and nothing is
 * written. */
static Typed
encode_vardict (Encoder  *self,
                PyObject *dict,
                StepKind  step)
{
  PyIsolateDepth depth = self->depth;
  gsize len = self->len;
  gsize mark = self->n_ends;
  guint n_steps = self->n_steps;
  Typed typed;

  if (!_pyisolate_depth_enter_array (&self->depth) || !_pyisolate_depth_enter_struct (&self->depth))
    {
      _pyisolate_encoder_too_deep (self);
      return TYPED_FAILED;
    }
  typed = encode_entries (self, dict, step);
  self->depth = depth;
  if (typed == TYPED_DONE)
    {
      encoder_sign (self, "a{sv}", 5);
    }
  else if (typed == TYPED_NO)
    {
      self->len = len;
      self->n_ends = mark;
      self->n_steps = n_steps;
    }
  return typed;
}

EncodedShape
_pyisolate_encoder_vardict (Encoder  *self,
                            PyObject *dict,
                            StepKind  step)
{
  Typed typed = encode_vardict (self, dict, step);

  if (typed == TYPED_NO)
    PyErr_SetString (PyExc_RuntimeError, "a dict changed while it was being encoded");
  return typed == TYPED_DONE ? 8 : -1;
}

EncodedShape
_pyisolate_encoder_dict (Encoder  *self,
                         PyObject *dict,
                         StepKind  step)
{
  PyIsolateDepth depth = self->depth;
  guint n_fds = encoder_count_fds (self->parcel);
  guint n_memories = encoder_count_memories (self->parcel);
  guint alignment = 8;
  int plain = 1;
  Typed typed;

  if (!_pyisolate_depth_enter_array (&self->depth) || !_pyisolate_depth_enter_struct (&self->depth))
    return _pyisolate_encoder_too_deep (self);
  typed = encode_typed_dict (self, dict, &alignment);
  self->depth = depth;
  if (typed != TYPED_NO)
    return typed == TYPED_DONE ? (int) alignment : -1;

  /* Nearly all keys are plain. Where that hope fails, what was written is thrown away; so that
   * nested dicts do not double the work at each level, it is not had again in the same body. */
  if (self->careful)
    plain = _pyisolate_encoder_has_plain_keys (dict);
  if (plain < 0)
    return -1;
  if (plain > 0)
    {
      typed = encode_vardict (self, dict, step);
      if (typed != TYPED_NO)
        return typed == TYPED_DONE ? 8 : -1;
      self->careful = TRUE;
      _pyisolate_encoder_unpack (self, n_fds, n_memories);
    }
  return encode_dict_with_any_keys (self, dict);
}
