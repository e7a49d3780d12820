/* SPDX-License-Identifier: MIT */
/* A tensor's form is read and written as bytes: a GVariant for each of its parts costs more than all else that a call with a
 * tensor does. */
#include "config.h"

#include "pyisolate-tensor-wire-private.h"

#include "pyisolate-value-layout-private.h"

#include <string.h>

enum { MEMBER_KIND, MEMBER_DTYPE, MEMBER_DEVICE, MEMBER_SHAPE, MEMBER_STRIDES, MEMBER_OFFSET, MEMBER_FLAGS, MEMBER_DATA,
       N_MEMBERS };

/* Those whose ends are written down: all that vary in size, but for the last. */
#define N_ENDS 5

typedef struct {
  const guint8 *data;
  gsize size;
} Member;

static const char form[] = "it is of another form";

/* --- Reading --- */

static const PyIsolateTypeNode *
get_nodes (void)
{
  static PyIsolateTypeNode nodes[sizeof PYISOLATE_VALUE_TENSOR_TYPE];
  static gsize once;

  if (g_once_init_enter (&once))
    {
      const PyIsolateDepth outside = { 0, 0, 0 };

      _pyisolate_type_parse (PYISOLATE_VALUE_TENSOR_TYPE, strlen (PYISOLATE_VALUE_TENSOR_TYPE), outside, nodes);
      g_once_init_leave (&once, 1);
    }

  return nodes;
}

static gboolean
find_members (const guint8 *tuple,
              gsize         size,
              Member       *members)
{
  const PyIsolateTypeNode *nodes = get_nodes ();
  PyIsolateStructFrame frame;
  guint node = 1;

  if (!_pyisolate_struct_frame_read (tuple, size, nodes, &frame))
    return FALSE;

  for (guint i = 0; i < N_MEMBERS; i++)
    {
      gsize start;

      if (!_pyisolate_struct_frame_next (&frame, &nodes[node], i + 1 == N_MEMBERS, &start, &members[i].size))
        return FALSE;
      members[i].data = tuple + start;
      node += nodes[node].span;
    }

  return _pyisolate_struct_frame_is_done (&frame, nodes);
}

/* NULL: not one string */
static const char *
get_text (const Member *member)
{
  const char *text = (const char *) member->data;

  return member->size > 0 && memchr (text, 0, member->size) == text + member->size - 1 ? text : NULL;
}

/* FALSE: they are nowhere. */
static gboolean
read_data (const Member        *member,
           PyIsolateTensorWire *wire)
{
  gsize type = _pyisolate_variant_find_type (member->data, member->size);
  const guint8 *text = member->data + type;
  gsize length = member->size - type;

  if (type == 1 + sizeof wire->index && length == 1 && (*text == 'u' || *text == 'h'))
    {
      wire->data_type = (char) *text;
      memcpy (&wire->index, member->data, sizeof wire->index);
      return TRUE;
    }
  if (type == 0 || length != 2 || memcmp (text, "ay", 2) != 0)
    return FALSE;

  wire->data_type = 'y';
  wire->data = member->data;
  wire->size = type - 1;
  return TRUE;
}

static const char *
read_head (const Member        *members,
           PyIsolateTensorWire *wire)
{
  const char *dtype = get_text (&members[MEMBER_DTYPE]);
  const char *device = get_text (&members[MEMBER_DEVICE]);
  gsize n_dims = members[MEMBER_SHAPE].size / sizeof (gint64);

  wire->kind = get_text (&members[MEMBER_KIND]);
  if (wire->kind == NULL || dtype == NULL || device == NULL)
    return form;

  wire->info = _pyisolate_dtype_info_by_name (dtype);
  if (wire->info == NULL)
    return "there is no such dtype";
  if (strcmp (device, PYISOLATE_DEVICE_CPU) != 0)
    return "its device is unknown";
  if (n_dims > PYISOLATE_MAX_DIMENSIONS)
    return "it has too many dimensions";
  if (members[MEMBER_SHAPE].size % sizeof (gint64) != 0 || members[MEMBER_STRIDES].size != members[MEMBER_SHAPE].size)
    return "its strides are not as many as its dimensions";

  wire->n_dims = n_dims;
  wire->shape = members[MEMBER_SHAPE].data;
  wire->strides = members[MEMBER_STRIDES].data;
  memcpy (&wire->offset, members[MEMBER_OFFSET].data, sizeof wire->offset);
  memcpy (&wire->flags, members[MEMBER_FLAGS].data, sizeof wire->flags);
  return (wire->flags & ~(guint32) PYISOLATE_TENSOR_ALL_FLAGS) == 0 ? NULL : "its flags are unknown";
}

const char *
_pyisolate_tensor_wire_read (const guint8        *variant,
                             gsize                size,
                             PyIsolateTensorWire *wire)
{
  const gsize length = strlen (PYISOLATE_VALUE_TENSOR_TYPE);
  Member members[N_MEMBERS];
  gsize type = _pyisolate_variant_find_type (variant, size);
  gboolean found;

  wire->data_type = 0;
  while (type > 0 && size - type == 1 && variant[type] == 'v') /* variants around it */
    {
      size = type - 1;
      type = _pyisolate_variant_find_type (variant, size);
    }
  if (type == 0 || size - type != length || memcmp (variant + type, PYISOLATE_VALUE_TENSOR_TYPE, length) != 0 ||
      !find_members (variant, type - 1, members))
    return form;

  found = read_data (&members[MEMBER_DATA], wire);
  return found ? read_head (members, wire) : "its elements are neither bytes nor memory";
}

gboolean
_pyisolate_tensor_wire_is_tensor (GVariant *value)
{
  return g_variant_is_of_type (value, G_VARIANT_TYPE ("(ov)")) &&
         g_variant_get_size (value) > sizeof PYISOLATE_TAG_TENSOR &&
         memcmp (g_variant_get_data (value), PYISOLATE_TAG_TENSOR, sizeof PYISOLATE_TAG_TENSOR) == 0;
}

const char *
_pyisolate_tensor_wire_read_value (GVariant            *value,
                                   PyIsolateTensorWire *wire)
{
  const gsize start = _pyisolate_align (sizeof PYISOLATE_TAG_TENSOR, 8);
  gsize size = g_variant_get_size (value);
  const guint8 *data = g_variant_get_data (value);
  guint width = _pyisolate_offset_width (size);

  wire->data_type = 0;
  if (!_pyisolate_tensor_wire_is_tensor (value) || size < start + width ||
      _pyisolate_read_offset (data + size - width, width) != sizeof PYISOLATE_TAG_TENSOR)
    return form;

  return _pyisolate_tensor_wire_read (data + start, size - width - start, wire);
}

/* --- Writing --- */

static void
put_offset (guint8 *at,
            gsize   offset,
            guint   width)
{
  guint64 number = GUINT64_TO_LE (offset);

  memcpy (at, &number, width);
}

static gsize
put_text (guint8     *to,
          gsize       at,
          const char *text)
{
  gsize size = strlen (text) + 1;

  memcpy (to + at, text, size);
  return at + size;
}

static gsize
put_numbers (guint8     *to,
             gsize       at,
             gsize       alignment,
             const void *numbers,
             gsize       size)
{
  at = _pyisolate_align (at, alignment);
  if (size > 0)
    memcpy (to + at, numbers, size);
  return at + size;
}

/* GVariant forgets a type of which there is no value, and learns it anew with the next. */
static void
keep_type (void)
{
  static gsize kept; /* its address, so that it is seen to be held */

  if (g_once_init_enter (&kept))
    {
      GVariant *value = g_variant_new ("(ov)", PYISOLATE_TAG_TENSOR, g_variant_new_boolean (FALSE));

      g_once_init_leave (&kept, (gsize) g_variant_ref_sink (value));
    }
}

/* At @to, which is cleared and large enough. Returns how many bytes it has. */
static gsize
put_payload (guint8                   *to,
             const char               *kind,
             const PyIsolateDtypeInfo *info,
             guint                     n_dims,
             const gint64             *shape,
             const gint64             *strides,
             guint64                   offset,
             guint32                   flags,
             GVariant                 *data)
{
  const char *type = g_variant_get_type_string (data);
  gsize ends[N_ENDS];
  gsize at, size;
  guint width;

  ends[MEMBER_KIND] = put_text (to, 0, kind);
  ends[MEMBER_DTYPE] = put_text (to, ends[MEMBER_KIND], info->name);
  ends[MEMBER_DEVICE] = put_text (to, ends[MEMBER_DTYPE], PYISOLATE_DEVICE_CPU);
  ends[MEMBER_SHAPE] = put_numbers (to, ends[MEMBER_DEVICE], 8, shape, n_dims * sizeof *shape);
  ends[MEMBER_STRIDES] = put_numbers (to, ends[MEMBER_SHAPE], 8, strides, n_dims * sizeof *strides);
  at = put_numbers (to, ends[MEMBER_STRIDES], 8, &offset, sizeof offset);
  at = put_numbers (to, at, 4, &flags, sizeof flags);
  at = _pyisolate_align (at, 8);
  g_variant_store (data, to + at);
  at += g_variant_get_size (data) + 1; /* with the NUL before a variant's type */
  memcpy (to + at, type, strlen (type));
  at += strlen (type);

  size = _pyisolate_framed_size (at, N_ENDS);
  width = _pyisolate_offset_width (size);
  for (guint i = 0; i < N_ENDS; i++)
    put_offset (to + size - (i + 1) * width, ends[i], width);

  memcpy (to + size + 1, PYISOLATE_VALUE_TENSOR_TYPE, strlen (PYISOLATE_VALUE_TENSOR_TYPE));
  return size + 1 + strlen (PYISOLATE_VALUE_TENSOR_TYPE);
}

GVariant *
_pyisolate_tensor_wire_new_value (const char               *kind,
                                  const PyIsolateDtypeInfo *info,
                                  guint                     n_dims,
                                  const gint64             *shape,
                                  const gint64             *strides,
                                  guint64                   offset,
                                  guint32                   flags,
                                  GVariant                 *data)
{
  const gsize start = _pyisolate_align (sizeof PYISOLATE_TAG_TENSOR, 8);
  g_autoptr (GVariant) owned = g_variant_ref_sink (data);
  /* What padding, offsets and types can add to it is far less than 192. */
  gsize most = start + strlen (kind) + strlen (info->name) + 2 * n_dims * sizeof *shape + g_variant_get_size (data) + 192;
  guint8 *bytes = g_malloc0 (most);
  gsize body, size;
  guint width;

  put_text (bytes, 0, PYISOLATE_TAG_TENSOR);
  body = start + put_payload (bytes + start, kind, info, n_dims, shape, strides, offset, flags, owned);
  size = _pyisolate_framed_size (body, 1);
  width = _pyisolate_offset_width (size);
  put_offset (bytes + size - width, sizeof PYISOLATE_TAG_TENSOR, width);
  g_assert (size <= most);

  keep_type ();
  return g_variant_new_from_data (G_VARIANT_TYPE ("(ov)"), bytes, size, TRUE, g_free, bytes);
}
