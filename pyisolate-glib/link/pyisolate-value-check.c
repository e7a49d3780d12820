/* SPDX-License-Identifier: MIT */
/* The border: bytes from a worker become a GVariant only after one walk over all of them.
 *
 * The walk takes the normal form alone, and only types that D-Bus can carry, nested no deeper than
 * D-Bus allows. It looks at each byte once, whatever the bytes are. After it GVariant can be told
 * to trust them.
 */
#include "config.h"

#include "pyisolate-value-private.h"

typedef struct {
  PyIsolateDepth depth;
  const char    *problem; /* static, NULL while there is none */
} Checker;

static gboolean check_node (Checker                 *self,
                            const PyIsolateTypeNode *node,
                            const guint8            *data,
                            gsize                    size);

static gboolean
fail (Checker    *self,
      const char *problem)
{
  self->problem = problem;
  return FALSE;
}

static gboolean
check_string (Checker      *self,
              char          code,
              const guint8 *data,
              gsize         size)
{
  const char *string = (const char *) data;

  if (size == 0 || memchr (data, 0, size) != data + size - 1)
    return fail (self, "a string does not end where it should");
  switch (code)
    {
    case 'o':
      return g_variant_is_object_path (string) || fail (self, "a bad object path");
    case 'g':
      return g_variant_is_signature (string) || fail (self, "a bad signature");
    default:
      return g_utf8_validate_len (string, size - 1, NULL) || fail (self, "a string is not UTF-8");
    }
}

static gboolean
check_fixed_items (Checker                 *self,
                   const PyIsolateTypeNode *item,
                   const guint8            *data,
                   gsize                    size)
{
  if (size % item->fixed_size != 0)
    return fail (self, "an array with a part of an item");
  /* Any bytes are numbers. */
  if (item->span == 1 && item->code != 'b')
    return TRUE;
  for (gsize at = 0; at < size; at += item->fixed_size)
    {
      if (!check_node (self, item, data + at, item->fixed_size))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_items (Checker                 *self,
             const PyIsolateTypeNode *item,
             const guint8            *data,
             gsize                    size)
{
  PyIsolateArrayFrame frame;
  gsize position = 0;

  if (!_pyisolate_array_frame_read (data, size, &frame))
    return fail (self, "an array with bad offsets");
  for (gsize i = 0; i < frame.n_items; i++)
    {
      gsize start, length;

      if (!_pyisolate_array_frame_next (&frame, item, data, i, &position, &start, &length))
        return fail (self, "an array with bad offsets");
      if (!check_node (self, item, data + start, length))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_members (Checker                 *self,
               const PyIsolateTypeNode *node,
               const guint8            *data,
               gsize                    size)
{
  PyIsolateStructFrame frame;

  if (!_pyisolate_struct_frame_read (data, size, node, &frame))
    return fail (self, "a struct of a wrong size");
  for (guint i = 1; i < node->span; i += node[i].span)
    {
      gboolean is_last = i + node[i].span == node->span;
      gsize start, length;

      if (!_pyisolate_struct_frame_next (&frame, &node[i], is_last, &start, &length))
        return fail (self, "a struct with bad offsets");
      if (!check_node (self, &node[i], data + start, length))
        return FALSE;
    }
  return _pyisolate_struct_frame_is_done (&frame, node)
         || fail (self, "a struct with bytes left over");
}

/* With room for the longest type. */
static G_NO_INLINE gboolean
check_typed (Checker      *self,
             const char   *type,
             gsize         type_length,
             const guint8 *data,
             gsize         size)
{
  PyIsolateTypeNode nodes[PYISOLATE_VALUE_MAX_SIGNATURE];

  if (_pyisolate_type_parse (type, type_length, self->depth, nodes) == 0)
    return fail (self, "a bad type, or one that is nested too deep");
  return check_node (self, nodes, data, size);
}

static gboolean
check_variant (Checker      *self,
               const guint8 *data,
               gsize         size)
{
  gsize type = _pyisolate_variant_find_type (data, size);

  if (type == 0)
    return fail (self, "a variant without a type");
  if (!_pyisolate_depth_enter_variant (&self->depth))
    return fail (self, "nested too deep");
  return check_typed (self, (const char *) data + type, size - type, data, type - 1);
}

static gboolean
check_array (Checker                 *self,
             const PyIsolateTypeNode *node,
             const guint8            *data,
             gsize                    size)
{
  /* That there is room was seen when the type was parsed. */
  self->depth.arrays++;
  self->depth.levels++;
  if (node[1].fixed_size != 0)
    return check_fixed_items (self, &node[1], data, size);
  return check_items (self, &node[1], data, size);
}

static gboolean
check_node (Checker                 *self,
            const PyIsolateTypeNode *node,
            const guint8            *data,
            gsize                    size)
{
  PyIsolateDepth depth = self->depth;
  gboolean good;

  switch (node->code)
    {
    case 's':
    case 'o':
    case 'g':
      return check_string (self, node->code, data, size);
    case 'v':
      good = check_variant (self, data, size);
      break;
    case 'a':
      good = check_array (self, node, data, size);
      break;
    case '(':
    case '{':
      self->depth.structs++;
      self->depth.levels++;
      good = check_members (self, node, data, size);
      break;
    default:
      if (size != node->fixed_size)
        return fail (self, "a number of a wrong size");
      return node->code != 'b' || data[0] <= 1 || fail (self, "a boolean that is neither");
    }
  self->depth = depth;
  return good;
}

/*< private >
 * _pyisolate_value_find_problem:
 * @type: a type string
 * @type_length: its length
 * @data: bytes that may be anything
 * @size: the number of bytes
 * @outer: how deep the value lies in its message
 *
 * Looks for what keeps bytes from being a value that can travel.
 *
 * Returns: (nullable): a short description, %NULL if there is nothing wrong
 */
const char *
_pyisolate_value_find_problem (const char    *type,
                               gsize          type_length,
                               gconstpointer  data,
                               gsize          size,
                               PyIsolateDepth outer)
{
  static const guint8 nothing = 0;
  Checker checker = { outer, NULL };

  if (size > PYISOLATE_VALUE_MAX_SIZE)
    return "more bytes than can be sent";
  check_typed (&checker, type, type_length, data != NULL ? data : &nothing, size);
  return checker.problem;
}

/*< private >
 * _pyisolate_value_check_bytes:
 * @body: bytes that may be anything
 * @type: what they should be
 * @out: (out) (optional) (transfer full): the value, whose memory is that of @body
 * @error: return location for a %PYISOLATE_ERROR_BAD_MESSAGE
 *
 * Checks a message body from a worker.
 *
 * Returns: whether it is a value of @type in normal form
 */
gboolean
_pyisolate_value_check_bytes (GBytes              *body,
                              const GVariantType  *type,
                              GVariant           **out,
                              GError             **error)
{
  const PyIsolateDepth top = { 0, 0, 0 };
  const char *problem;
  gconstpointer data;
  gsize size;

  g_assert (body != NULL && type != NULL);

  data = g_bytes_get_data (body, &size);
  problem = _pyisolate_value_find_problem (g_variant_type_peek_string (type),
                                           g_variant_type_get_string_length (type),
                                           data, size, top);
  if (problem != NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "A malformed value: %s",
                   problem);
      return FALSE;
    }

  if (out != NULL)
    *out = g_variant_ref_sink (g_variant_new_from_bytes (type, body, TRUE));
  return TRUE;
}
