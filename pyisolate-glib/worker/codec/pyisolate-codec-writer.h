/* SPDX-License-Identifier: MIT */
/* The buffer that the encoder writes to. Every function that can fail sets an exception. */
#pragma once

#include "pyisolate-codec-internal.h"

G_BEGIN_DECLS

typedef enum {
  STEP_INDEX,     /* [3] */
  STEP_KEY,       /* ['name'] */
  STEP_ATTRIBUTE, /* .name */
  STEP_ARGUMENT,  /* argument 3, argument 'name' */
  STEP_ELEMENT,   /* {…}: an element of a set, a key of a dict */
  STEP_INSIDE,    /* nothing: a level that only our form has */
} StepKind;

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

gboolean     _pyisolate_encoder_variant     (Encoder           *self,
                                             PyObject          *value);
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
gboolean     _pyisolate_encoder_is_long     (Encoder           *self,
                                             gsize              size);
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

/* The UTF-8 of a string that D-Bus can carry. NULL: it holds a NUL or a lone surrogate, or, when
 * an exception is set, something else failed. */
static inline const char *
encoder_string_utf8 (PyObject   *string,
                     Py_ssize_t *length)
{
  const char *utf8 = PyUnicode_AsUTF8AndSize (string, length);

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

static inline gboolean
encoder_reserve (Encoder *self,
                 gsize    n_bytes)
{
  if (G_LIKELY (n_bytes <= self->capacity - self->len))
    return TRUE;
  return _pyisolate_encoder_grow (self, n_bytes);
}

/* Pads with zeros up to @alignment and leaves room for @n_bytes. */
static inline gboolean
encoder_align (Encoder *self,
               guint    alignment,
               gsize    n_bytes)
{
  gsize aligned = _pyisolate_align (self->len, alignment);

  if (!encoder_reserve (self, aligned - self->len + n_bytes))
    return FALSE;
  while (self->len < aligned)
    self->data[self->len++] = 0;
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

  memcpy (self->data + self->len, &little, width);
  self->len += width;
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

/* The variants that occur most, in one go: aligned already, and not nested. */
static inline Typed
encoder_short_variant (Encoder  *self,
                       PyObject *value)
{
  PyTypeObject *type = Py_TYPE (value);

  if (type == &PyUnicode_Type)
    {
      Py_ssize_t length;
      const char *utf8 = encoder_string_utf8 (value, &length);

      if (utf8 == NULL)
        return PyErr_Occurred () ? TYPED_FAILED : TYPED_NO;
      if (_pyisolate_encoder_is_long (self, length))
        return TYPED_NO;
      if (!encoder_reserve (self, (gsize) length + 3))
        return TYPED_FAILED;
      encoder_put (self, utf8, (gsize) length + 1);
      encoder_put (self, "\0s", 2);
      return TYPED_DONE;
    }
  if (!encoder_reserve (self, sizeof PYISOLATE_TAG_NONE + 2))
    return TYPED_FAILED;
  if (type == &PyFloat_Type)
    {
      double number = PyFloat_AsDouble (value);

      encoder_put (self, &number, 8);
      encoder_put (self, "\0d", 2);
      return TYPED_DONE;
    }
  if (value == Py_None)
    {
      encoder_put (self, PYISOLATE_TAG_NONE "\0\0o", sizeof PYISOLATE_TAG_NONE + 2);
      return TYPED_DONE;
    }
  if (type == &PyLong_Type)
    {
      int overflow;
      gint64 number = PyLong_AsLongLongAndOverflow (value, &overflow);

      if (overflow != 0)
        return TYPED_NO;
      encoder_put (self, &number, 8);
      encoder_put (self, "\0x", 2);
      return TYPED_DONE;
    }
  if (type == &PyBool_Type)
    {
      encoder_put (self, value == Py_True ? "\1\0b" : "\0\0b", 3);
      return TYPED_DONE;
    }
  return TYPED_NO;
}

/* A variant in a container; see encoder_short_variant(). */
static inline gboolean
encoder_next_variant (Encoder  *self,
                      PyObject *value)
{
  if (self->depth.levels < PYISOLATE_VALUE_MAX_LEVELS)
    {
      Typed typed;

      if (!encoder_align (self, 8, 0))
        return FALSE;
      typed = encoder_short_variant (self, value);
      if (G_LIKELY (typed != TYPED_NO))
        return typed == TYPED_DONE;
    }
  return _pyisolate_encoder_variant (self, value);
}

G_END_DECLS
