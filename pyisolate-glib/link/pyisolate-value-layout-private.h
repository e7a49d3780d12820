/* SPDX-License-Identifier: MIT */
/* The layout of values in bytes: what the encoder, the decoder and the host's checks agree on.
 *
 * A body is GVariant-serialised data in the machine's byte order, restricted to what D-Bus can
 * carry as well: no maybe types, no empty structs, signatures of at most 255 characters, and the
 * nesting that D-Bus allows. docs/values.md has the mapping; this header has its numbers.
 */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/* A D-Bus array holds 64 MiB; the rest is room for the header of the message around it. */
#define PYISOLATE_VALUE_MAX_SIZE (64 * 1024 * 1024 - 4096)
#define PYISOLATE_VALUE_MAX_ARRAYS 32
#define PYISOLATE_VALUE_MAX_STRUCTS 32
#define PYISOLATE_VALUE_MAX_LEVELS 64
#define PYISOLATE_VALUE_MAX_SIGNATURE 255

#define PYISOLATE_VALUE_CALL_TYPE "(ava{sv})"

/* What GVariant lacks is marked by an object path under this prefix, see docs/values.md. */
#define PYISOLATE_TAG_PREFIX "/pyisolate/"
#define PYISOLATE_TAG_NONE PYISOLATE_TAG_PREFIX "None"
#define PYISOLATE_TAG_EMPTY_TUPLE PYISOLATE_TAG_PREFIX "EmptyTuple"
#define PYISOLATE_TAG_INT PYISOLATE_TAG_PREFIX "int"
#define PYISOLATE_TAG_STR PYISOLATE_TAG_PREFIX "str"
#define PYISOLATE_TAG_BYTEARRAY PYISOLATE_TAG_PREFIX "bytearray"
#define PYISOLATE_TAG_MEMORYVIEW PYISOLATE_TAG_PREFIX "memoryview"
#define PYISOLATE_TAG_TUPLE PYISOLATE_TAG_PREFIX "tuple"
#define PYISOLATE_TAG_SET PYISOLATE_TAG_PREFIX "set"
#define PYISOLATE_TAG_FROZENSET PYISOLATE_TAG_PREFIX "frozenset"
#define PYISOLATE_TAG_DICT PYISOLATE_TAG_PREFIX "dict"
#define PYISOLATE_TAG_COMPLEX PYISOLATE_TAG_PREFIX "complex"
#define PYISOLATE_TAG_DATETIME PYISOLATE_TAG_PREFIX "datetime"
#define PYISOLATE_TAG_DATE PYISOLATE_TAG_PREFIX "date"
#define PYISOLATE_TAG_TIME PYISOLATE_TAG_PREFIX "time"
#define PYISOLATE_TAG_TIMEDELTA PYISOLATE_TAG_PREFIX "timedelta"
#define PYISOLATE_TAG_TIMEZONE PYISOLATE_TAG_PREFIX "timezone"
#define PYISOLATE_TAG_ZONEINFO PYISOLATE_TAG_PREFIX "ZoneInfo"
#define PYISOLATE_TAG_DECIMAL PYISOLATE_TAG_PREFIX "Decimal"
#define PYISOLATE_TAG_UUID PYISOLATE_TAG_PREFIX "UUID"
#define PYISOLATE_TAG_PURE_POSIX_PATH PYISOLATE_TAG_PREFIX "PurePosixPath"
#define PYISOLATE_TAG_PURE_WINDOWS_PATH PYISOLATE_TAG_PREFIX "PureWindowsPath"
#define PYISOLATE_TAG_POSIX_PATH PYISOLATE_TAG_PREFIX "PosixPath"
#define PYISOLATE_TAG_WINDOWS_PATH PYISOLATE_TAG_PREFIX "WindowsPath"
#define PYISOLATE_TAG_TENSOR PYISOLATE_TAG_PREFIX "tensor"
#define PYISOLATE_TAG_OBJECT PYISOLATE_TAG_PREFIX "object"
#define PYISOLATE_TAG_EXT PYISOLATE_TAG_PREFIX "ext"
#define PYISOLATE_TAG_TENSOR PYISOLATE_TAG_PREFIX "tensor"
#define PYISOLATE_TAG_BYTES PYISOLATE_TAG_PREFIX "bytes"

/* kind, dtype, device, shape, strides, offset, flags, data: "ay", or "u", a number of the frame's memories */
#define PYISOLATE_VALUE_TENSOR_TYPE "(sssaxaxtuv)"
/* Bytes, a bytearray or a string in shared memory: a number of the frame's memories, and how many bytes */
#define PYISOLATE_VALUE_LONG_TYPE "(ut)"

/* How deep a place in a body lies, in GVariant levels. */
typedef struct {
  guint8 arrays;
  guint8 structs; /* dict entries count as structs */
  guint8 levels;  /* arrays, structs and variants */
} PyIsolateDepth;

static inline gboolean
_pyisolate_depth_enter_array (PyIsolateDepth *depth)
{
  if (depth->arrays == PYISOLATE_VALUE_MAX_ARRAYS || depth->levels == PYISOLATE_VALUE_MAX_LEVELS)
    return FALSE;
  depth->arrays++;
  depth->levels++;
  return TRUE;
}

static inline gboolean
_pyisolate_depth_enter_struct (PyIsolateDepth *depth)
{
  if (depth->structs == PYISOLATE_VALUE_MAX_STRUCTS || depth->levels == PYISOLATE_VALUE_MAX_LEVELS)
    return FALSE;
  depth->structs++;
  depth->levels++;
  return TRUE;
}

static inline gboolean
_pyisolate_depth_enter_variant (PyIsolateDepth *depth)
{
  if (depth->levels == PYISOLATE_VALUE_MAX_LEVELS)
    return FALSE;
  depth->levels++;
  return TRUE;
}

/* A type string, taken apart once: its types in the order of their first characters. The members
 * of a container at index i start at i + 1; the next sibling of a type is at i + span. */
typedef struct {
  char    code; /* the first character of the type: 'a', '(', '{' or a basic type or 'v' */
  guint8  alignment;
  guint8  span;
  guint16 fixed_size; /* 0: the size varies */
} PyIsolateTypeNode;

guint _pyisolate_type_parse (const char        *string,
                             gsize              length,
                             PyIsolateDepth     outer,
                             PyIsolateTypeNode *nodes);

/* Framing offsets are as wide as the size of their container asks for. */
static inline guint
_pyisolate_offset_width (gsize container_size)
{
  if (container_size <= G_MAXUINT8)
    return 1;
  if (container_size <= G_MAXUINT16)
    return 2;
  return 4; /* a body is far below 4 GiB */
}

/* The size of a container of @body bytes with @n_offsets framing offsets after them. */
static inline gsize
_pyisolate_framed_size (gsize body,
                        gsize n_offsets)
{
  if (body + n_offsets <= G_MAXUINT8)
    return body + n_offsets;
  if (body + 2 * n_offsets <= G_MAXUINT16)
    return body + 2 * n_offsets;
  return body + 4 * n_offsets;
}

static inline gsize
_pyisolate_read_offset (const guint8 *bytes,
                        guint         width)
{
  guint16 two;
  guint32 four;

  if (width == 1)
    return bytes[0];
  if (width == 2)
    {
      memcpy (&two, bytes, 2);
      return GUINT16_FROM_LE (two);
    }
  memcpy (&four, bytes, 4);
  return GUINT32_FROM_LE (four);
}

static inline gsize
_pyisolate_align (gsize offset,
                  guint alignment)
{
  return (offset + alignment - 1) & ~(gsize) (alignment - 1);
}

/* Whether the padding from @offset up to @aligned, fewer than 8 bytes, is there and zero. */
static inline gboolean
_pyisolate_padding_is_zero (const guint8 *data,
                            gsize         offset,
                            gsize         aligned,
                            gsize         limit)
{
  if (aligned > limit)
    return FALSE;
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
  if (aligned >= sizeof (guint64) && aligned - offset < sizeof (guint64))
    {
      guint64 last;

      memcpy (&last, data + aligned - sizeof last, sizeof last);
      return last >> 8 >> (56 - 8 * (aligned - offset)) == 0; /* in two steps, as there may be none */
    }
#endif
  for (; offset < aligned; offset++)
    {
      if (data[offset] != 0)
        return FALSE;
    }
  return TRUE;
}

/* The frame of an array whose elements vary in size. */
typedef struct {
  const guint8 *table; /* n_items offsets, each relative to the start of the array */
  guint         width;
  gsize         n_items;
  gsize         end; /* of the last element */
} PyIsolateArrayFrame;

gboolean _pyisolate_array_frame_read (const guint8        *array,
                                      gsize                size,
                                      PyIsolateArrayFrame *frame);

/* Finds element @i, which comes after the one that ended at @position. */
static inline gboolean
_pyisolate_array_frame_next (const PyIsolateArrayFrame *frame,
                             const PyIsolateTypeNode   *element,
                             const guint8              *array,
                             gsize                      i,
                             gsize                     *position,
                             gsize                     *start,
                             gsize                     *size)
{
  gsize begin = _pyisolate_align (*position, element->alignment);
  gsize end = _pyisolate_read_offset (frame->table + i * frame->width, frame->width);

  if (end < begin || end > frame->end
      || !_pyisolate_padding_is_zero (array, *position, begin, frame->end))
    return FALSE;
  *start = begin;
  *size = end - begin;
  *position = end;
  return TRUE;
}

/* A walk over the members of a struct. */
typedef struct {
  const guint8 *container;
  gsize         size;
  gsize         end;          /* of the members: where the offsets begin */
  gsize         position;     /* end of the member before */
  guint         width;        /* of an offset */
  guint         next_offset;  /* number of offsets used so far */
} PyIsolateStructFrame;

gboolean _pyisolate_struct_frame_read (const guint8            *container,
                                       gsize                    size,
                                       const PyIsolateTypeNode *node,
                                       PyIsolateStructFrame    *frame);
gboolean _pyisolate_struct_frame_next (PyIsolateStructFrame    *frame,
                                       const PyIsolateTypeNode *member,
                                       gboolean                 is_last,
                                       gsize                   *start,
                                       gsize                   *size);

/* To be asked after the last member: whether nothing is left over. */
static inline gboolean
_pyisolate_struct_frame_is_done (const PyIsolateStructFrame *frame,
                                 const PyIsolateTypeNode    *node)
{
  if (node->fixed_size != 0)
    return _pyisolate_padding_is_zero (frame->container, frame->position, frame->size, frame->size);
  return frame->position == frame->end;
}

/* Finds where the type string of a variant begins; 0 if there is none. */
static inline gsize
_pyisolate_variant_find_type (const guint8 *variant,
                              gsize         size)
{
  const gsize most = PYISOLATE_VALUE_MAX_SIGNATURE + 1;
  gsize floor = size > most ? size - most : 0;

  if (size >= 2 && variant[size - 2] == 0 && variant[size - 1] != 0)
    return size - 1;
  for (gsize i = size; i > floor; i--)
    {
      if (variant[i - 1] == 0)
        return i == size ? 0 : i;
    }
  return 0;
}

G_END_DECLS
