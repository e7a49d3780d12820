/* SPDX-License-Identifier: MIT */
/* Dicts: typed where the values have one exact type, a{sv} where the keys are plain strings,
 * otherwise a list of the keys and one of the values. */
#include "config.h"

#include "pyisolate-codec-writer.h"

/* The value of an entry of one exact basic type. What is not a text goes into the slack. */
static inline Typed
encode_typed_value (Encoder      *self,
                    PyObject     *value,
                    PyTypeObject *type)
{
  if (Py_TYPE (value) != type)
    return TYPED_NO;

  if (type == &PyFloat_Type)
    {
      double number = _pyisolate_float_value (value);

      encoder_pad (self, 8);
      encoder_put (self, &number, 8);
    }
  else if (type == &PyLong_Type)
    {
      gint64 number;

      if (!_pyisolate_int_value (value, &number))
        return TYPED_NO;
      encoder_pad (self, 8);
      encoder_put (self, &number, 8);
    }
  else if (type == &PyBool_Type)
    {
      self->data[self->len++] = value == Py_True;
    }
  else
    {
      Py_ssize_t length;
      const char *utf8 = encoder_string_utf8 (value, &length);

      if (utf8 == NULL)
        return PyErr_Occurred () ? TYPED_FAILED : TYPED_NO;
      if (!encoder_reserve (self, (gsize) length + 1))
        return TYPED_FAILED;
      encoder_put_short (self, utf8, (gsize) length + 1);
    }
  return TYPED_DONE;
}

/* The key of an entry, which begins aligned. TYPED_NO: it is not a plain string. */
static inline Typed
encode_key (Encoder  *self,
            PyObject *key,
            guint     alignment,
            gsize    *entry)
{
  Py_ssize_t length;
  const char *utf8 = NULL;

  if (Py_TYPE (key) == &PyUnicode_Type)
    utf8 = encoder_string_utf8 (key, &length);
  if (utf8 == NULL)
    return PyErr_Occurred () ? TYPED_FAILED : TYPED_NO;
  if (!encoder_align (self, alignment, (gsize) length + 1))
    return TYPED_FAILED;
  *entry = self->len;
  encoder_put_short (self, utf8, (gsize) length + 1);
  return TYPED_DONE;
}

/* Closes a dict entry, whose key ended at @key_end: the one offset that it has, in the slack. */
static inline void
encode_entry_end (Encoder *self,
                  gsize    entry,
                  gsize    key_end)
{
  gsize body = self->len - entry;

  encoder_put_offset (self, key_end - entry, _pyisolate_offset_width (_pyisolate_framed_size (body, 1)));
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
      gsize entry, key_end;
      Typed typed = encode_key (self, key, alignment, &entry);

      key_end = self->len;
      if (typed == TYPED_DONE)
        typed = encode_typed_value (self, value, type);
      if (typed != TYPED_DONE)
        return typed;
      encode_entry_end (self, entry, key_end);
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
  done = _pyisolate_encoder_other_variant (self, value) && encoder_reserve (self, 0);
  Py_DECREF (key);
  Py_DECREF (value);
  if (done && PyDict_Size (dict) != n_items)
    {
      PyErr_SetString (PyExc_RuntimeError, "a dict changed while it was being encoded");
      return FALSE;
    }
  return done;
}

/* TYPED_NO: the key is not a plain string. */
static inline Typed
encode_entry (Encoder  *self,
              PyObject *dict,
              PyObject *key,
              PyObject *value)
{
  gsize entry, key_end;
  Typed typed = encode_key (self, key, 8, &entry);

  if (typed != TYPED_DONE)
    return typed;
  key_end = self->len;
  typed = encoder_short_variant (self, value);
  if (typed == TYPED_NO)
    typed = encode_any_value (self, dict, key, value) ? TYPED_DONE : TYPED_FAILED;
  if (typed == TYPED_DONE)
    encode_entry_end (self, entry, key_end);
  return typed;
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
