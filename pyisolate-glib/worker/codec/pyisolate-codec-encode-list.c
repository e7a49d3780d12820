/* SPDX-License-Identifier: MIT */
/* Lists and tuples. A list of one exact type is tried as a typed array first; where it turns out
 * to be mixed the buffer is wound back: only flat data is ever written twice. */
#include "config.h"

#include "pyisolate-codec-writer-short.h"

static Typed
encode_ints (Encoder   *self,
             PyObject  *list,
             Py_ssize_t n_items)
{
  CodecIntHead form = _pyisolate_known.ints;
  PyObject **places = _pyisolate_list_places (list);
  guint8 *out;

  if (!encoder_align (self, 8, (gsize) n_items * 8))
    return TYPED_FAILED;

  out = self->data + self->len;
  for (Py_ssize_t i = 0; i < n_items; i++)
    {
      PyObject *item = _pyisolate_list_item (list, places, i);
      gint64 number;

      if (Py_TYPE (item) != &PyLong_Type || !_pyisolate_int_value_in (item, form, &number))
        return TYPED_NO;
      memcpy (out + i * 8, &number, 8);
    }
  self->len += n_items * 8;
  encoder_sign (self, "ax", 2);
  return TYPED_DONE;
}

static Typed
encode_floats (Encoder   *self,
               PyObject  *list,
               Py_ssize_t n_items)
{
  PyObject **places = _pyisolate_list_places (list);
  guint8 *out;

  if (!encoder_align (self, 8, (gsize) n_items * 8))
    return TYPED_FAILED;

  out = self->data + self->len;
  for (Py_ssize_t i = 0; i < n_items; i++)
    {
      PyObject *item = _pyisolate_list_item (list, places, i);
      double number;

      if (Py_TYPE (item) != &PyFloat_Type)
        return TYPED_NO;
      number = _pyisolate_float_value (item);
      memcpy (out + i * 8, &number, 8);
    }
  self->len += n_items * 8;
  encoder_sign (self, "ad", 2);
  return TYPED_DONE;
}

static Typed
encode_bools (Encoder   *self,
              PyObject  *list,
              Py_ssize_t n_items)
{
  PyObject **places = _pyisolate_list_places (list);

  if (!encoder_reserve (self, n_items))
    return TYPED_FAILED;
  for (Py_ssize_t i = 0; i < n_items; i++)
    {
      PyObject *item = _pyisolate_list_item (list, places, i);

      if (Py_TYPE (item) != &PyBool_Type)
        return TYPED_NO;
      self->data[self->len + i] = item == Py_True;
    }
  self->len += n_items;
  encoder_sign (self, "ab", 2);
  return TYPED_DONE;
}

static Typed
encode_strings (Encoder   *self,
                PyObject  *list,
                Py_ssize_t n_items)
{
  PyObject **places = _pyisolate_list_places (list);
  gsize start = self->len;
  gsize mark = self->n_ends;

  for (Py_ssize_t i = 0; i < n_items; i++)
    {
      PyObject *item = _pyisolate_list_item (list, places, i);
      const char *utf8 = NULL;
      Py_ssize_t length;

      if (Py_TYPE (item) == &PyUnicode_Type)
        utf8 = encoder_string_utf8 (item, &length);
      if (utf8 == NULL)
        return PyErr_Occurred () ? TYPED_FAILED : TYPED_NO;
      if (!encoder_reserve (self, length))
        return TYPED_FAILED;
      self->len = encoder_put_at (self->data + self->len, utf8, (gsize) length + 1) - self->data;
      if (!encoder_push_end (self, self->len - start))
        return TYPED_FAILED;
    }
  if (!_pyisolate_encoder_close (self, start, mark, FALSE))
    return TYPED_FAILED;
  encoder_sign (self, "as", 2);
  return TYPED_DONE;
}

/* A list of one exact type. */
static Typed
encode_typed_list (Encoder   *self,
                   PyObject  *list,
                   Py_ssize_t n_items)
{
  gsize len = self->len;
  gsize mark = self->n_ends;
  PyTypeObject *type = Py_TYPE (_pyisolate_list_item (list, _pyisolate_list_places (list), 0));
  Typed typed = TYPED_NO;

  if (type == &PyLong_Type)
    typed = encode_ints (self, list, n_items);
  else if (type == &PyFloat_Type)
    typed = encode_floats (self, list, n_items);
  else if (type == &PyUnicode_Type)
    typed = encode_strings (self, list, n_items);
  else if (type == &PyBool_Type)
    typed = encode_bools (self, list, n_items);

  if (typed == TYPED_NO)
    {
      self->len = len;
      self->n_ends = mark;
    }
  return typed;
}

static gboolean
encode_mixed_item (Encoder  *self,
                   PyObject *item)
{
  Typed typed = encoder_short_variant (self, item);
  gboolean done;

  if (G_LIKELY (typed != TYPED_NO))
    return typed == TYPED_DONE;

  /* Registered encoders may change the list. */
  Py_INCREF (item);
  done = _pyisolate_encoder_other_variant (self, item);
  Py_DECREF (item);
  return done;
}

static gboolean
encode_mixed_list (Encoder  *self,
                   PyObject *list,
                   StepKind  kind,
                   PyObject *keys)
{
  gsize mark = self->n_ends;
  EncoderStep *step = encoder_push_step (self, kind);
  gsize start;

  if (!encoder_align (self, 8, 0))
    return FALSE;
  start = self->len;
  for (Py_ssize_t i = 0; i < _pyisolate_list_size (list); i++)
    {
      step->index = i;
      step->key = keys != NULL ? PyList_GetItem (keys, i) : NULL;
      if (!encode_mixed_item (self, _pyisolate_list_item (list, _pyisolate_list_places (list), i))
          || !encoder_push_end (self, self->len - start))
        return FALSE;
    }
  self->n_steps--;
  encoder_sign (self, "av", 2);
  return _pyisolate_encoder_close (self, start, mark, FALSE);
}

/* @keys: what messages call the items; NULL: by their numbers. */
EncodedShape
_pyisolate_encoder_list (Encoder  *self,
                         PyObject *list,
                         StepKind  step,
                         PyObject *keys)
{
  PyIsolateDepth depth = self->depth;
  Py_ssize_t n_items = _pyisolate_list_size (list);
  Typed typed;

  if (!_pyisolate_depth_enter_array (&self->depth))
    return _pyisolate_encoder_too_deep (self);

  typed = n_items > 0 ? encode_typed_list (self, list, n_items) : TYPED_NO;
  if (typed == TYPED_FAILED)
    return -1;
  if (typed == TYPED_NO && !encode_mixed_list (self, list, step, keys))
    return -1;

  self->depth = depth;
  /* "ax", "ad", "av" are aligned to 8; "as", "ab" are not. */
  return strchr ("xdv", self->signature[self->signature_len - 1]) != NULL ? 8 : 1;
}

/* --- Tuples --- */

/* Whether the type of @tuple is sure to be a valid signature: no item but a tuple has a type of
 * more than five characters ("a{sv}"). */
static gboolean
tuple_fits_signature (PyObject *tuple,
                      int      *budget)
{
  Py_ssize_t n_items = _pyisolate_tuple_size (tuple);

  *budget -= 2;
  for (Py_ssize_t i = 0; i < n_items && *budget >= 0; i++)
    {
      PyObject *item = _pyisolate_tuple_item (tuple, i);

      if (!PyTuple_CheckExact (item))
        *budget -= 5;
      else if (!tuple_fits_signature (item, budget))
        return FALSE;
    }
  return *budget >= 0;
}

/* Whether it can be a struct where the type around it takes @n_around characters more. */
gboolean
_pyisolate_encoder_tuple_fits (PyObject *tuple,
                               int       n_around)
{
  int budget = PYISOLATE_VALUE_MAX_SIGNATURE - n_around;

  return tuple_fits_signature (tuple, &budget);
}

/* A tuple of many items: D-Bus would refuse the type. */
EncodedShape
_pyisolate_encoder_long_tuple (Encoder  *self,
                               PyObject *tuple)
{
  PyObject *list = PySequence_List (tuple);
  EncodedShape shape;

  if (list == NULL)
    return -1;
  shape = _pyisolate_encoder_tagged (self, PYISOLATE_TAG_TUPLE, list);
  Py_DECREF (list);
  return shape;
}

/* The items of a tuple as the members of a struct that begins here, 8-aligned. */
static EncodedShape
encode_members (Encoder           *self,
                PyObject          *tuple,
                const char *const *item_names)
{
  gsize start = self->len;
  gsize mark = self->n_ends;
  Py_ssize_t n_items = _pyisolate_tuple_size (tuple);
  EncoderStep *step = encoder_push_step (self, item_names != NULL ? STEP_ATTRIBUTE : STEP_INDEX);
  guint alignment = 1;
  gboolean fixed = TRUE;

  for (Py_ssize_t i = 0; i < n_items; i++)
    {
      EncodedShape shape;

      step->index = i;
      step->name = item_names != NULL ? item_names[i] : NULL;
      shape = _pyisolate_encoder_natural (self, _pyisolate_tuple_item (tuple, i));
      if (shape < 0)
        return -1;

      alignment = MAX (alignment, (guint) shape & SHAPE_ALIGNMENT);
      if ((shape & SHAPE_FIXED) == 0)
        {
          fixed = FALSE;
          if (i + 1 < n_items && !encoder_push_end (self, self->len - start))
            return -1;
        }
    }
  self->n_steps--;

  if (fixed ? !encoder_align (self, alignment, 0)
            : !_pyisolate_encoder_close (self, start, mark, TRUE))
    return -1;
  return alignment | (fixed ? SHAPE_FIXED : 0);
}

/* @item_names: what messages call the items; NULL: by their numbers. */
EncodedShape
_pyisolate_encoder_struct (Encoder           *self,
                           PyObject          *tuple,
                           const char *const *item_names)
{
  PyIsolateDepth depth = self->depth;
  gsize before = self->len;
  gsize start, moved;
  EncodedShape shape;

  if (!_pyisolate_depth_enter_struct (&self->depth))
    return _pyisolate_encoder_too_deep (self);

  /* The alignment of a struct is known at its end. Members aligned for 8 are so for less, too:
   * the struct may still move down as a whole. */
  if (!encoder_align (self, 8, 0))
    return -1;
  start = self->len;
  encoder_sign (self, "(", 1);
  shape = encode_members (self, tuple, item_names);
  if (shape < 0)
    return -1;
  encoder_sign (self, ")", 1);

  moved = _pyisolate_align (before, shape & SHAPE_ALIGNMENT);
  if (moved < start)
    {
      memmove (self->data + moved, self->data + start, self->len - start);
      self->len -= start - moved;
    }
  self->depth = depth;
  return shape;
}

EncodedShape
_pyisolate_encoder_tuple (Encoder  *self,
                          PyObject *tuple)
{
  if (_pyisolate_tuple_size (tuple) == 0)
    return _pyisolate_encoder_constant (self, PYISOLATE_TAG_EMPTY_TUPLE);
  if (!_pyisolate_encoder_tuple_fits (tuple, 0))
    return _pyisolate_encoder_long_tuple (self, tuple);
  return _pyisolate_encoder_struct (self, tuple, NULL);
}
