/* SPDX-License-Identifier: MIT */
/* What most values are made of, written in one go: strings, numbers, and variants of them. Here it pays to keep the place in the
 * buffer at hand: to the compiler whatever is written there may change the encoder. */
#pragma once

#include "pyisolate-codec-writer.h"

G_BEGIN_DECLS

/* --- Texts --- */

/* Whether one of the characters of a text inside of its object is a NUL: bytes before them may be looked at, too. */
static inline gboolean
encoder_ascii_has_nul (const char *text,
                       gsize       length)
{
  const guint64 ones = G_GUINT64_CONSTANT (0x0101010101010101);
  const guint64 highs = ones << 7;
  guint64 word, found = 0;

  if (length > 4 * sizeof word)
    return memchr (text, 0, length) != NULL;
  if (length == 0)
    return FALSE;

  for (gsize i = 0; i + sizeof word < length; i += sizeof word)
    {
      memcpy (&word, text + i, sizeof word);
      found |= (word - ones) & ~word;
    }
  memcpy (&word, text + length - sizeof word, sizeof word);
  word = GUINT64_FROM_LE (word);
  if (length < sizeof word)
    word |= ones >> (8 * length);
  found |= (word - ones) & ~word;
  return (found & highs) != 0;
}

/* The UTF-8 of a string that D-Bus can carry. NULL: it holds a NUL or a lone surrogate, or, when
 * an exception is set, something else failed. */
static inline const char *
encoder_string_utf8 (PyObject   *string,
                     Py_ssize_t *length)
{
  const char *utf8 = _pyisolate_text_ascii (string, length);

  if (G_UNLIKELY (utf8 == NULL))
    return _pyisolate_encoder_any_utf8 (string, length);
  return G_LIKELY (!encoder_ascii_has_nul (utf8, *length)) ? utf8 : NULL;
}

/* Whether what is that long is better put into shared memory. */
static inline gboolean
encoder_is_long (Encoder *self,
                 gsize    size)
{
  return G_UNLIKELY (size > ENCODER_MAX_INLINE) && self->parcel != NULL && self->parcel->allocate != NULL;
}

/* --- Places in the buffer, for which there is room --- */

/* Zeros up to the next multiple of @alignment after the start of all. Returns where they end. */
static inline guint8 *
encoder_pad_at (Encoder *self,
                guint8  *at,
                guint    alignment)
{
  memset (at, 0, sizeof (guint64));
  return self->data + _pyisolate_align (at - self->data, alignment);
}

static inline guint8 *
encoder_put_at (guint8     *at,
                const char *bytes,
                gsize       n_bytes)
{
  if (n_bytes > 16)
    {
      memcpy (at, bytes, n_bytes);
    }
  else if (n_bytes >= 8)
    {
      memcpy (at, bytes, 8);
      memcpy (at + n_bytes - 8, bytes + n_bytes - 8, 8);
    }
  else if (n_bytes >= 4)
    {
      memcpy (at, bytes, 4);
      memcpy (at + n_bytes - 4, bytes + n_bytes - 4, 4);
    }
  else
    {
      for (gsize i = 0; i < n_bytes; i++)
        at[i] = bytes[i];
    }
  return at + n_bytes;
}

/* Closes the dict entry that began at @entry, whose key ended at @key_end: the one offset that it has. */
static inline guint8 *
encoder_end_entry_at (guint8       *at,
                      const guint8 *entry,
                      const guint8 *key_end)
{
  guint width = _pyisolate_offset_width (_pyisolate_framed_size (at - entry, 1));
  guint32 little = GUINT32_TO_LE ((guint32) (key_end - entry));

  if (G_LIKELY (width == 1))
    *at = key_end - entry;
  else
    memcpy (at, &little, width == 2 ? 2 : 4);
  return at + width;
}

/* --- Variants --- */

/* The characters of a value that is a string, which are to be reserved beforehand; all else that is short goes into the slack.
 * TYPED_NO: its variant is none of those that encoder_put_variant_at() writes. */
static inline Typed
encoder_look_at (Encoder     *self,
                 PyObject    *value,
                 const char **text,
                 Py_ssize_t  *length)
{
  *text = NULL;
  *length = 0;
  if (G_UNLIKELY (self->depth.levels == PYISOLATE_VALUE_MAX_LEVELS))
    return TYPED_NO;
  if (Py_TYPE (value) != &PyUnicode_Type)
    return TYPED_DONE;
  *text = encoder_string_utf8 (value, length);
  if (G_UNLIKELY (*text == NULL))
    {
      *length = 0;
      return PyErr_Occurred () ? TYPED_FAILED : TYPED_NO;
    }
  return encoder_is_long (self, *length) ? TYPED_NO : TYPED_DONE;
}

/* The variants that occur most. No code of Python's runs meanwhile. Returns where it ends; NULL: it is another one. */
static inline guint8 *
encoder_put_variant_at (guint8     *at,
                        PyObject   *value,
                        const char *text,
                        Py_ssize_t  length)
{
  PyTypeObject *type = Py_TYPE (value);

  if (text != NULL)
    {
      at = encoder_put_at (at, text, (gsize) length + 1);
      memcpy (at, "\0s", 2);
      return at + 2;
    }
  if (type == &PyLong_Type)
    {
      gint64 number;

      if (!_pyisolate_int_value (value, &number))
        return NULL;
      memcpy (at, &number, 8);
      memcpy (at + 8, "\0x", 2);
      return at + 10;
    }
  if (type == &PyFloat_Type)
    {
      double number = _pyisolate_float_value (value);

      memcpy (at, &number, 8);
      memcpy (at + 8, "\0d", 2);
      return at + 10;
    }
  if (value == Py_None)
    {
      memcpy (at, PYISOLATE_TAG_NONE "\0\0o", sizeof PYISOLATE_TAG_NONE + 2);
      return at + sizeof PYISOLATE_TAG_NONE + 2;
    }
  if (type == &PyBool_Type)
    {
      memcpy (at, value == Py_True ? "\1\0b" : "\0\0b", 3);
      return at + 3;
    }
  return NULL;
}

/* A variant, if it is one of those. */
static inline Typed
encoder_short_variant (Encoder  *self,
                       PyObject *value)
{
  const char *text;
  Py_ssize_t length;
  Typed typed = encoder_look_at (self, value, &text, &length);
  guint8 *at;

  if (typed != TYPED_DONE)
    return typed;
  if (!encoder_reserve (self, length))
    return TYPED_FAILED;
  at = encoder_pad_at (self, self->data + self->len, 8);
  at = encoder_put_variant_at (at, value, text, length);
  if (at == NULL)
    return TYPED_NO;
  self->len = at - self->data;
  return TYPED_DONE;
}

static inline gboolean
encoder_variant (Encoder  *self,
                 PyObject *value)
{
  Typed typed = encoder_short_variant (self, value);

  if (G_LIKELY (typed != TYPED_NO))
    return typed == TYPED_DONE;
  return _pyisolate_encoder_other_variant (self, value);
}

G_END_DECLS
