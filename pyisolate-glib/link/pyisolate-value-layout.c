/* SPDX-License-Identifier: MIT */
/* Type strings and frames of serialised values, read from bytes that nobody vouches for. */
#include "config.h"

#include "pyisolate-value-layout-private.h"

typedef struct {
  const char        *string;
  gsize              length;
  gsize              position;
  PyIsolateTypeNode *nodes;
  guint              n_nodes;
} TypeParser;

static gboolean parse_type (TypeParser    *parser,
                            PyIsolateDepth depth);

static gboolean
set_basic (PyIsolateTypeNode *node)
{
  node->span = 1;
  switch (node->code)
    {
    case 'y':
    case 'b':
      node->alignment = node->fixed_size = 1;
      return TRUE;
    case 'n':
    case 'q':
      node->alignment = node->fixed_size = 2;
      return TRUE;
    case 'i':
    case 'u':
    case 'h':
      node->alignment = node->fixed_size = 4;
      return TRUE;
    case 'x':
    case 't':
    case 'd':
      node->alignment = node->fixed_size = 8;
      return TRUE;
    case 's':
    case 'o':
    case 'g':
      node->alignment = 1;
      node->fixed_size = 0;
      return TRUE;
    default:
      return FALSE;
    }
}

/* Members from the parser's position up to @closing, as the struct or dict entry at @index. */
static gboolean
parse_members (TypeParser    *parser,
               guint          index,
               char           closing,
               PyIsolateDepth depth)
{
  PyIsolateTypeNode *node = &parser->nodes[index];
  guint n_members = 0;
  gboolean fixed = TRUE;
  gsize size = 0;

  node->alignment = 1;
  while (parser->position < parser->length && parser->string[parser->position] != closing)
    {
      const PyIsolateTypeNode *member = &parser->nodes[parser->n_nodes];

      if (!parse_type (parser, depth))
        return FALSE;
      if (closing == '}' && n_members == 0 && (member->span != 1 || member->code == 'v'))
        return FALSE;

      n_members++;
      node->alignment = MAX (node->alignment, member->alignment);
      fixed = fixed && member->fixed_size != 0;
      size = _pyisolate_align (size, member->alignment) + member->fixed_size;
    }

  if (parser->position == parser->length)
    return FALSE;
  parser->position++;

  node->fixed_size = fixed ? _pyisolate_align (size, node->alignment) : 0;
  node->span = parser->n_nodes - index;
  return closing == '}' ? n_members == 2 : n_members > 0;
}

static gboolean
parse_array (TypeParser    *parser,
             guint          index,
             PyIsolateDepth depth)
{
  guint element = parser->n_nodes;

  if (!_pyisolate_depth_enter_array (&depth) || parser->position == parser->length)
    return FALSE;

  if (parser->string[parser->position] == '{')
    {
      parser->nodes[element].code = '{';
      parser->n_nodes++;
      parser->position++;
      if (!_pyisolate_depth_enter_struct (&depth) || !parse_members (parser, element, '}', depth))
        return FALSE;
    }
  else if (!parse_type (parser, depth))
    {
      return FALSE;
    }

  parser->nodes[index].alignment = parser->nodes[element].alignment;
  parser->nodes[index].fixed_size = 0;
  parser->nodes[index].span = parser->n_nodes - index;
  return TRUE;
}

static gboolean
parse_type (TypeParser    *parser,
            PyIsolateDepth depth)
{
  guint index = parser->n_nodes;
  PyIsolateTypeNode *node = &parser->nodes[index];

  if (parser->position == parser->length)
    return FALSE;

  node->code = parser->string[parser->position++];
  parser->n_nodes++;

  switch (node->code)
    {
    case 'v':
      node->span = 1;
      node->alignment = 8;
      node->fixed_size = 0;
      return TRUE;
    case 'a':
      return parse_array (parser, index, depth);
    case '(':
      return _pyisolate_depth_enter_struct (&depth) && parse_members (parser, index, ')', depth);
    default:
      return set_basic (node);
    }
}

/* Most of what is not basic, without the general way: to be copied. */
typedef struct {
  const char *string;
  guint n_structs; /* within each other, around or above an array */
  PyIsolateTypeNode nodes[8];
} UsualType;

static const UsualType usual_types[] = {
  { "av", 0, { { 'a', 8, 2, 0 }, { 'v', 8, 1, 0 } } },
  { "a{sv}", 1, { { 'a', 8, 4, 0 }, { '{', 8, 3, 0 }, { 's', 1, 1, 0 }, { 'v', 8, 1, 0 } } },
  { PYISOLATE_VALUE_CALL_TYPE,
    2,
    { { '(', 8, 7, 0 },
      { 'a', 8, 2, 0 },
      { 'v', 8, 1, 0 },
      { 'a', 8, 4, 0 },
      { '{', 8, 3, 0 },
      { 's', 1, 1, 0 },
      { 'v', 8, 1, 0 } } },
};

static gboolean
parse_usual_type (const char        *string,
                  gsize              length,
                  PyIsolateDepth     outer,
                  PyIsolateTypeNode *nodes)
{
  for (guint i = 0; i < G_N_ELEMENTS (usual_types); i++)
    {
      const UsualType *type = &usual_types[i];

      if (strlen (type->string) != length || memcmp (string, type->string, length) != 0)
        continue;
      if (!_pyisolate_depth_enter_array (&outer))
        return FALSE;
      for (guint j = 0; j < type->n_structs; j++)
        {
          if (!_pyisolate_depth_enter_struct (&outer))
            return FALSE;
        }
      memcpy (nodes, type->nodes, type->nodes[0].span * sizeof *nodes);
      return TRUE;
    }

  return FALSE;
}

/*< private >
 * _pyisolate_type_parse:
 * @string: a type string; no terminator needed
 * @length: its length
 * @outer: how deep the value of this type lies
 * @nodes: (out caller-allocates): room for %PYISOLATE_VALUE_MAX_SIGNATURE nodes
 *
 * Takes apart the string of exactly one type that D-Bus can carry.
 *
 * Returns: the number of nodes; 0 if @string is not one such type, or nests too deep
 */
guint
_pyisolate_type_parse (const char        *string,
                       gsize              length,
                       PyIsolateDepth     outer,
                       PyIsolateTypeNode *nodes)
{
  TypeParser parser = { string, length, 0, nodes, 0 };

  if (length > PYISOLATE_VALUE_MAX_SIGNATURE)
    return 0;
  if (parse_usual_type (string, length, outer, nodes))
    return nodes[0].span;
  if (!parse_type (&parser, outer) || parser.position != length)
    return 0;
  return parser.n_nodes;
}

/*< private >
 * _pyisolate_array_frame_read:
 *
 * Reads the frame of the array of @size bytes at @array. Whether the offsets rise is for the walk
 * over the elements to see.
 *
 * Returns: %FALSE if the frame is not that of an array in normal form
 */
gboolean
_pyisolate_array_frame_read (const guint8        *array,
                             gsize                size,
                             PyIsolateArrayFrame *frame)
{
  frame->width = _pyisolate_offset_width (size);
  frame->n_items = 0;
  frame->end = 0;
  frame->table = array;
  if (size == 0)
    return TRUE;
  if (size < frame->width)
    return FALSE;

  frame->end = _pyisolate_read_offset (array + size - frame->width, frame->width);
  if (frame->end > size - frame->width || (size - frame->end) % frame->width != 0)
    return FALSE;

  frame->n_items = (size - frame->end) / frame->width;
  frame->table = array + frame->end;
  /* Offsets wider than needed are another spelling of the same value. */
  return _pyisolate_framed_size (frame->end, frame->n_items) == size;
}

/*< private >
 * _pyisolate_struct_frame_read:
 *
 * Prepares to walk the members of the struct or dict entry of @size bytes at @container.
 *
 * Returns: %FALSE if it cannot have that size
 */
gboolean
_pyisolate_struct_frame_read (const guint8            *container,
                              gsize                    size,
                              const PyIsolateTypeNode *node,
                              PyIsolateStructFrame    *frame)
{
  guint n_offsets = 0;

  *frame = (PyIsolateStructFrame) { container, size, size, 0, _pyisolate_offset_width (size), 0 };
  if (node->fixed_size != 0)
    return size == node->fixed_size;

  for (guint i = 1; i < node->span; i += node[i].span)
    {
      if (node[i].fixed_size == 0 && i + node[i].span < node->span)
        n_offsets++;
    }

  if (size < (gsize) n_offsets * frame->width)
    return FALSE;
  frame->end = size - n_offsets * frame->width;
  return _pyisolate_framed_size (frame->end, n_offsets) == size;
}

/*< private >
 * _pyisolate_struct_frame_next:
 *
 * Finds where the next member lies: a member of a type with a fixed size has exactly that size.
 *
 * Returns: %FALSE if it lies outside, or where a serialiser does not put it
 */
gboolean
_pyisolate_struct_frame_next (PyIsolateStructFrame    *frame,
                              const PyIsolateTypeNode *member,
                              gboolean                 is_last,
                              gsize                   *start,
                              gsize                   *size)
{
  gsize begin = _pyisolate_align (frame->position, member->alignment);
  gsize end;

  if (!_pyisolate_padding_is_zero (frame->container, frame->position, begin, frame->end))
    return FALSE;

  if (member->fixed_size != 0)
    {
      end = begin + member->fixed_size;
    }
  else if (is_last)
    {
      end = frame->end;
    }
  else
    {
      frame->next_offset++;
      end = _pyisolate_read_offset (frame->container + frame->size
                                      - frame->next_offset * frame->width,
                                    frame->width);
    }

  if (end < begin || end > frame->end)
    return FALSE;

  *start = begin;
  *size = end - begin;
  frame->position = end;
  return TRUE;
}
