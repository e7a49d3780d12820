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
gboolean     _pyisolate_encoder_tuple_fits  (PyObject          *tuple,
                                             int                n_around);
EncodedShape _pyisolate_encoder_long_tuple  (Encoder           *self,
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

/* As encoder_string_utf8(), of any string. */
const char  *_pyisolate_encoder_any_utf8    (PyObject          *string,
                                             Py_ssize_t        *length);

int          _pyisolate_encoder_fail        (Encoder           *self,
                                             PyObject          *exception,
                                             const char        *format,
                                             ...) G_GNUC_PRINTF (3, 4);
int          _pyisolate_encoder_refuse      (Encoder           *self,
                                             PyTypeObject      *type);
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

static inline EncoderStep *
encoder_push_step (Encoder *self,
                   StepKind kind)
{
  EncoderStep *step = &self->steps[self->n_steps++];

  g_assert (self->n_steps <= G_N_ELEMENTS (self->steps));
  *step = (EncoderStep) { .kind = kind };
  return step;
}

G_END_DECLS
