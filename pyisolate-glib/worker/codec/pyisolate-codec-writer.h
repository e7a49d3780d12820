/* SPDX-License-Identifier: MIT */
/* The buffer that the encoder writes to. Every function that can fail sets an exception. */
#pragma once

#include "pyisolate-codec-internal.h"
#include "pyisolate-codec-objects.h"

G_BEGIN_DECLS

typedef enum {
  STEP_INDEX,     /* [3] */
  STEP_KEY,       /* ['name'] */
  STEP_ATTRIBUTE, /* .name */
  STEP_ARGUMENT,  /* argument 3, argument 'name' */
  STEP_ELEMENT,   /* {…}: an element of a set, a key of a dict */
  STEP_INSIDE,    /* nothing: a level that only our form has */
} StepKind;

/* Up to here a copy into the value is faster than a piece of memory; docs/protocol.md has the curve. */
#define ENCODER_MAX_INLINE 8192

/* Where the encoder is, for messages. */
typedef struct {
  StepKind    kind;
  Py_ssize_t  index;
  PyObject   *key;  /* borrowed, nullable */
  const char *name; /* of an attribute, where there is no key */
} EncoderStep;

typedef struct {
  guint8        *data;
  gsize          len;
  gsize          capacity;
  gboolean       is_spare; /* the buffer is the one that is used again */
  guint32       *ends; /* a stack of framing offsets, relative to their containers */
  gsize          n_ends;
  gsize          ends_capacity;
  guint32        first_ends[64]; /* where it begins */
  char           signature[(PYISOLATE_VALUE_MAX_LEVELS + 1) * PYISOLATE_VALUE_MAX_SIGNATURE];
  gsize          signature_len; /* the types of the unfinished variants, one after another */
  PyIsolateDepth depth;
  PyIsolateParcel *parcel; /* nullable */
  const char    *what;
  EncoderStep    steps[PYISOLATE_VALUE_MAX_LEVELS + 8];
  guint          n_steps;
  gboolean       careful; /* a dict with other keys has been seen: look at keys before values */
} Encoder;

/* What an encoded value looks like to the struct around it: its alignment, and whether its type
 * has a fixed size. -1: failed. */
typedef int EncodedShape;
#define SHAPE_ALIGNMENT 0x0f
#define SHAPE_FIXED 0x10

/* What became of an attempt to write a container as one of a single exact type. */
typedef enum {
  TYPED_NO,
  TYPED_DONE,
  TYPED_FAILED,
} Typed;

/* What is to be restored at the end of a tagged value. */
typedef struct {
  PyIsolateDepth depth;
  gsize          sign;
  gsize          mark;
  gsize          start;
} EncoderTag;

/* @value is none of encoder_short_variant()'s, or too deep. */
gboolean     _pyisolate_encoder_other_variant (Encoder         *self,
                                               PyObject        *value);
EncodedShape _pyisolate_encoder_natural     (Encoder           *self,
                                             PyObject          *value);
EncodedShape _pyisolate_encoder_constant    (Encoder           *self,
                                             const char        *tag);
EncodedShape _pyisolate_encoder_handle      (Encoder           *self,
                                             guint32            handle);
EncodedShape _pyisolate_encoder_list        (Encoder           *self,
                                             PyObject          *list,
                                             StepKind           step,
                                             PyObject          *keys);
EncodedShape _pyisolate_encoder_tuple       (Encoder           *self,
                                             PyObject          *tuple);
EncodedShape _pyisolate_encoder_struct      (Encoder           *self,
                                             PyObject          *tuple,
                                             const char *const *item_names);
EncodedShape _pyisolate_encoder_dict        (Encoder           *self,
                                             PyObject          *dict,
                                             StepKind           step);
EncodedShape _pyisolate_encoder_vardict     (Encoder           *self,
                                             PyObject          *dict,
                                             StepKind           step);
EncodedShape _pyisolate_encoder_array       (Encoder           *self,
                                             PyObject          *value,
                                             CodecKind          kind);
EncodedShape _pyisolate_encoder_long        (Encoder           *self,
                                             const char        *tag,
                                             const void        *data,
                                             gsize              size);
int          _pyisolate_encoder_has_plain_keys (PyObject       *dict);
EncodedShape _pyisolate_encoder_special     (Encoder           *self,
                                             PyObject          *value);
gboolean     _pyisolate_encoder_tag_begin   (Encoder           *self,
                                             const char        *tag,
                                             EncoderTag        *state);
EncodedShape _pyisolate_encoder_tag_end     (Encoder           *self,
                                             const EncoderTag  *state);
EncodedShape _pyisolate_encoder_tagged      (Encoder           *self,
                                             const char        *tag,
                                             PyObject          *payload);

int          _pyisolate_encoder_fail        (Encoder           *self,
                                             PyObject          *exception,
                                             const char        *format,
                                             ...) G_GNUC_PRINTF (3, 4);
int          _pyisolate_encoder_too_deep    (Encoder           *self);
gboolean     _pyisolate_encoder_grow        (Encoder           *self,
                                             gsize              n_bytes);
gboolean     _pyisolate_encoder_grow_ends   (Encoder           *self);
gboolean     _pyisolate_encoder_fits        (Encoder           *self);
void         _pyisolate_encoder_begin       (Encoder           *self);
GBytes      *_pyisolate_encoder_take        (Encoder           *self);
void         _pyisolate_encoder_drop        (Encoder           *self);
gboolean     _pyisolate_encoder_close       (Encoder           *self,
                                             gsize              start,
                                             gsize              mark,
                                             gboolean           reversed);
void         _pyisolate_encoder_unpack      (Encoder           *self,
                                             guint              n_fds,
                                             guint              n_memories);

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

  if (G_LIKELY (utf8 != NULL))
    return G_LIKELY (!encoder_ascii_has_nul (utf8, *length)) ? utf8 : NULL;

  utf8 = PyUnicode_AsUTF8AndSize (string, length);
  if (G_UNLIKELY (utf8 == NULL))
    {
      if (PyErr_ExceptionMatches (PyExc_UnicodeError))
        PyErr_Clear ();
      return NULL;
    }
  return G_LIKELY (memchr (utf8, 0, *length) == NULL) ? utf8 : NULL;
}

static inline guint
encoder_count_fds (const PyIsolateParcel *parcel)
{
  return parcel != NULL && parcel->fds != NULL ? parcel->fds->len : 0;
}

static inline guint
encoder_count_memories (const PyIsolateParcel *parcel)
{
  if (parcel == NULL || parcel->memories == NULL || *parcel->memories == NULL)
    return 0;
  return (*parcel->memories)->len;
}

/* Behind what was reserved there is room for this much, so that one look is enough for an entry with a number. What is put there
 * may be more than can be sent: that is seen at the end. */
#define ENCODER_SLACK 64

static inline gboolean
encoder_reserve (Encoder *self,
                 gsize    n_bytes)
{
  if (G_LIKELY (n_bytes + ENCODER_SLACK <= self->capacity - self->len))
    return TRUE;
  return _pyisolate_encoder_grow (self, n_bytes);
}

/* Pads with zeros up to @alignment, into the slack. */
static inline void
encoder_pad (Encoder *self,
             guint    alignment)
{
  memset (self->data + self->len, 0, sizeof (guint64));
  self->len = _pyisolate_align (self->len, alignment);
}

/* The same, and leaves room for @n_bytes. */
static inline gboolean
encoder_align (Encoder *self,
               guint    alignment,
               gsize    n_bytes)
{
  if (G_UNLIKELY (!encoder_reserve (self, n_bytes)))
    return FALSE;
  encoder_pad (self, alignment);
  return TRUE;
}

static inline void
encoder_put (Encoder    *self,
             const void *bytes,
             gsize       n_bytes)
{
  memcpy (self->data + self->len, bytes, n_bytes);
  self->len += n_bytes;
}

/* The same for what is short most of the time. */
static inline void
encoder_put_short (Encoder    *self,
                   const char *bytes,
                   gsize       n_bytes)
{
  guint8 *to = self->data + self->len;

  self->len += n_bytes;
  if (n_bytes > 16)
    {
      memcpy (to, bytes, n_bytes);
    }
  else if (n_bytes >= 8)
    {
      memcpy (to, bytes, 8);
      memcpy (to + n_bytes - 8, bytes + n_bytes - 8, 8);
    }
  else if (n_bytes >= 4)
    {
      memcpy (to, bytes, 4);
      memcpy (to + n_bytes - 4, bytes + n_bytes - 4, 4);
    }
  else
    {
      for (gsize i = 0; i < n_bytes; i++)
        to[i] = bytes[i];
    }
}

static inline void
encoder_sign (Encoder    *self,
              const char *type,
              gsize       length)
{
  g_assert (self->signature_len + length <= sizeof self->signature);
  memcpy (self->signature + self->signature_len, type, length);
  self->signature_len += length;
}

static inline gboolean
encoder_push_end (Encoder *self,
                  gsize    end)
{
  if (G_UNLIKELY (self->n_ends == self->ends_capacity) && !_pyisolate_encoder_grow_ends (self))
    return FALSE;
  self->ends[self->n_ends++] = end;
  return TRUE;
}

static inline void
encoder_put_offset (Encoder *self,
                    guint32  offset,
                    guint    width)
{
  guint32 little = GUINT32_TO_LE (offset);
  guint8 *to = self->data + self->len;

  self->len += width;
  if (width == 1)
    *to = offset;
  else
    memcpy (to, &little, width == 2 ? 2 : 4);
}

static inline EncoderStep *
encoder_push_step (Encoder *self,
                   StepKind kind)
{
  EncoderStep *step = &self->steps[self->n_steps++];

  g_assert (self->n_steps <= G_N_ELEMENTS (self->steps));
  *step = (EncoderStep) { .kind = kind };
  return step;
}

/* Whether what is that long is better put into shared memory. */
static inline gboolean
encoder_is_long (Encoder *self,
                 gsize    size)
{
  return G_UNLIKELY (size > ENCODER_MAX_INLINE) && self->parcel != NULL && self->parcel->allocate != NULL;
}

/* The variants that occur most, in one go, if it is one of those. No code of Python's runs meanwhile. What is not a text goes into
 * the slack. */
static inline Typed
encoder_short_variant (Encoder  *self,
                       PyObject *value)
{
  PyTypeObject *type = Py_TYPE (value);

  if (G_UNLIKELY (self->depth.levels == PYISOLATE_VALUE_MAX_LEVELS))
    return TYPED_NO;
  encoder_pad (self, 8);
  if (type == &PyUnicode_Type)
    {
      Py_ssize_t length;
      const char *utf8 = encoder_string_utf8 (value, &length);

      if (utf8 == NULL)
        return PyErr_Occurred () ? TYPED_FAILED : TYPED_NO;
      if (encoder_is_long (self, length))
        return TYPED_NO;
      if (!encoder_reserve (self, (gsize) length + 3))
        return TYPED_FAILED;
      encoder_put_short (self, utf8, (gsize) length + 1);
      encoder_put (self, "\0s", 2);
      return TYPED_DONE;
    }
  if (type == &PyLong_Type)
    {
      gint64 number;

      if (!_pyisolate_int_value (value, &number))
        return TYPED_NO;
      encoder_put (self, &number, 8);
      encoder_put (self, "\0x", 2);
      return TYPED_DONE;
    }
  if (type == &PyFloat_Type)
    {
      double number = _pyisolate_float_value (value);

      encoder_put (self, &number, 8);
      encoder_put (self, "\0d", 2);
      return TYPED_DONE;
    }
  if (value == Py_None)
    {
      encoder_put (self, PYISOLATE_TAG_NONE "\0\0o", sizeof PYISOLATE_TAG_NONE + 2);
      return TYPED_DONE;
    }
  if (type == &PyBool_Type)
    {
      encoder_put (self, value == Py_True ? "\1\0b" : "\0\0b", 3);
      return TYPED_DONE;
    }
  return TYPED_NO;
}

static inline gboolean
encoder_variant (Encoder  *self,
                 PyObject *value)
{
  Typed typed;

  if (!encoder_reserve (self, 0))
    return FALSE;
  typed = encoder_short_variant (self, value);
  if (G_LIKELY (typed != TYPED_NO))
    return typed == TYPED_DONE;
  return _pyisolate_encoder_other_variant (self, value);
}

G_END_DECLS
