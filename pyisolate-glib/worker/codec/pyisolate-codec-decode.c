/* SPDX-License-Identifier: MIT */
/* Decoding: from serialised bytes straight to Python objects, every byte checked on the way.
 *
 * Only the normal form is taken: offsets rise and are as narrow as can be, padding is zero, types
 * are those of D-Bus and nest no deeper than D-Bus allows. The data is read bytewise where it might
 * be unaligned.
 */
#include "config.h"

#include "pyisolate-codec-objects.h"
#include "pyisolate-codec-reader.h"


/* --- Lists --- */

/* What long lists have in them goes without the way through a node, and, where the layout of lists is known, straight to its
 * place: nothing that runs in between could change the list. */
static inline gboolean
fill_with_numbers (PyObject     *list,
                   const guint8 *data,
                   gsize         n_items,
                   PyObject     *(*decode) (const guint8 *data))
{
  PyObject **places = _pyisolate_list_places (list);

  for (gsize i = 0; i < n_items; i++)
    {
      PyObject *object = decode (data + i * 8);

      if (G_UNLIKELY (object == NULL))
        return FALSE;
      if (G_LIKELY (places != NULL))
        places[i] = object;
      else if (PyList_SetItem (list, i, object) < 0)
        return FALSE;
    }
  return TRUE;
}

static gboolean
fill_list (Decoder                 *self,
           const PyIsolateTypeNode *item,
           const guint8            *data,
           gsize                    n_items,
           PyObject                *list)
{
  if (item->code == 'x')
    return fill_with_numbers (list, data, n_items, decoder_int64);
  if (item->code == 'd')
    return fill_with_numbers (list, data, n_items, decoder_double);

  for (gsize i = 0; i < n_items; i++)
    {
      PyObject *object = _pyisolate_decoder_node (self, item, data + i * item->fixed_size,
                                                  item->fixed_size);

      if (object == NULL || !_pyisolate_list_fill (list, i, object))
        return FALSE;
    }
  return TRUE;
}

static PyObject *
decode_fixed_items (Decoder                 *self,
                    const PyIsolateTypeNode *item,
                    const guint8            *data,
                    gsize                    size)
{
  gsize n_items = size / item->fixed_size;
  PyObject *list;

  if (size % item->fixed_size != 0)
    return _pyisolate_decoder_malformed ("an array of items of %u bytes has %" G_GSIZE_FORMAT,
                                         item->fixed_size, size);
  list = PyList_New (n_items);
  if (list != NULL && !fill_list (self, item, data, n_items, list))
    Py_CLEAR (list);
  return list;
}

static PyObject *
decode_items (Decoder                 *self,
              const PyIsolateTypeNode *item,
              const guint8            *data,
              gsize                    size)
{
  PyIsolateArrayFrame frame;
  PyObject *list;
  gsize position = 0, start, length;

  if (!_pyisolate_array_frame_read (data, size, &frame))
    return _pyisolate_decoder_malformed ("an array with bad offsets");

  list = PyList_New (frame.n_items);
  for (gsize i = 0; list != NULL && i < frame.n_items; i++)
    {
      PyObject *object = NULL;

      if (_pyisolate_array_frame_next (&frame, item, data, i, &position, &start, &length))
        object = decoder_value (self, item, data + start, length);
      else
        _pyisolate_decoder_malformed ("an array with bad offsets");
      if (object == NULL || !_pyisolate_list_fill (list, i, object))
        Py_CLEAR (list);
    }
  return list;
}

static PyObject *
decode_array (Decoder                 *self,
              const PyIsolateTypeNode *node,
              const guint8            *data,
              gsize                    size)
{
  const PyIsolateTypeNode *item = node + 1;
  PyIsolateDepth depth = self->depth;
  PyObject *object;

  if (item->code == 'y')
    return PyBytes_FromStringAndSize ((const char *) data, size);

  /* That there is room was seen when the type was parsed. */
  self->depth.arrays++;
  self->depth.levels++;
  if (item->code == '{')
    {
      self->depth.structs++;
      self->depth.levels++;
      object = _pyisolate_decoder_dict (self, item, data, size);
    }
  else if (item->fixed_size != 0)
    {
      object = decode_fixed_items (self, item, data, size);
    }
  else
    {
      object = decode_items (self, item, data, size);
    }
  self->depth = depth;
  return object;
}

/* --- Tuples --- */

static PyObject *
decode_members (Decoder                 *self,
                const PyIsolateTypeNode *node,
                const guint8            *data,
                gsize                    size)
{
  PyIsolateStructFrame frame;
  Py_ssize_t n_members = 0;
  PyObject *tuple;
  guint i;

  if (!_pyisolate_struct_frame_read (data, size, node, &frame))
    return _pyisolate_decoder_malformed ("a struct of a wrong size");
  for (i = 1; i < node->span; i += node[i].span)
    n_members++;

  tuple = PyTuple_New (n_members);
  i = 1;
  for (Py_ssize_t n = 0; tuple != NULL && n < n_members; n++)
    {
      PyObject *member = NULL;
      gsize start, length;

      if (_pyisolate_struct_frame_next (&frame, &node[i], n + 1 == n_members, &start, &length))
        member = decoder_value (self, &node[i], data + start, length);
      else
        _pyisolate_decoder_malformed ("a struct with bad offsets");
      if (member == NULL || !_pyisolate_tuple_fill (tuple, n, member))
        Py_CLEAR (tuple);
      i += node[i].span;
    }
  if (tuple != NULL && !_pyisolate_struct_frame_is_done (&frame, node))
    {
      Py_CLEAR (tuple);
      _pyisolate_decoder_malformed ("a struct with bytes left over");
    }
  return tuple;
}

/* (ov): one of our tagged values, or a tuple like any other. */
static PyObject *
decode_tagged (Decoder                 *self,
               const PyIsolateTypeNode *node,
               const guint8            *data,
               gsize                    size)
{
  PyIsolateStructFrame frame;
  const char *tag = (const char *) data;
  gsize start, length, payload_start, payload_length;
  PyObject *payload, *result;

  if (!_pyisolate_struct_frame_read (data, size, node, &frame)
      || !_pyisolate_struct_frame_next (&frame, &node[1], FALSE, &start, &length)
      || !_pyisolate_struct_frame_next (&frame, &node[2], TRUE, &payload_start, &payload_length))
    return _pyisolate_decoder_malformed ("a struct with bad offsets");
  if (length == 0 || memchr (data, 0, length) != data + length - 1
      || !g_str_has_prefix (tag, PYISOLATE_TAG_PREFIX))
    return decode_members (self, node, data, size);

  if (length == sizeof PYISOLATE_TAG_TENSOR && strcmp (tag, PYISOLATE_TAG_TENSOR) == 0)
    return _pyisolate_decoder_tensor (self, data + payload_start, payload_length);

  payload = _pyisolate_decoder_variant (self, data + payload_start, payload_length);
  if (payload == NULL)
    return NULL;
  result = _pyisolate_decoder_tagged (self, tag + strlen (PYISOLATE_TAG_PREFIX), payload);
  Py_DECREF (payload);
  return result;
}

static PyObject *
decode_struct (Decoder                 *self,
               const PyIsolateTypeNode *node,
               const guint8            *data,
               gsize                    size)
{
  PyIsolateDepth depth = self->depth;
  PyObject *object;

  self->depth.structs++;
  self->depth.levels++;
  if (node->span == 3 && node[1].code == 'o' && node[2].code == 'v')
    object = decode_tagged (self, node, data, size);
  else
    object = decode_members (self, node, data, size);
  self->depth = depth;
  return object;
}

/* --- Everything --- */

PyObject *
_pyisolate_decoder_node (Decoder                 *self,
                         const PyIsolateTypeNode *node,
                         const guint8            *data,
                         gsize                    size)
{
  switch (node->code)
    {
    case 's':
      return _pyisolate_decoder_string (data, size);
    case 'v':
      return _pyisolate_decoder_variant (self, data, size);
    case 'a':
      return decode_array (self, node, data, size);
    case '(':
      return decode_struct (self, node, data, size);
    case 'o':
      return _pyisolate_decoder_object_path (data, size);
    case 'g':
      return _pyisolate_decoder_signature (data, size);
    default:
      if (size != node->fixed_size)
        return _pyisolate_decoder_malformed ("a number of %" G_GSIZE_FORMAT " bytes", size);
      return _pyisolate_decoder_fixed (self, node->code, data);
    }
}

/* With room for the longest type; kept apart, so that the usual frames stay small. */
static G_NO_INLINE PyObject *
decode_long_type (Decoder      *self,
                  const char   *type,
                  gsize         type_length,
                  const guint8 *data,
                  gsize         size)
{
  PyIsolateTypeNode nodes[PYISOLATE_VALUE_MAX_SIGNATURE];

  if (_pyisolate_type_parse (type, type_length, self->depth, nodes) == 0)
    return _pyisolate_decoder_malformed ("a bad type, or one that is nested too deep");
  return _pyisolate_decoder_node (self, nodes, data, size);
}

/* A basic type, or a variant in a variant. */
static PyObject *
decode_basic_type (Decoder      *self,
                   char          type,
                   const guint8 *data,
                   gsize         size)
{
  PyIsolateTypeNode node;

  switch (type)
    {
    case 's':
      return _pyisolate_decoder_string (data, size);
    case 'o': /* None, most of the time */
      return _pyisolate_decoder_object_path (data, size);
    case 'x':
      if (size == 8)
        return decoder_int64 (data);
      break;
    case 'd':
      if (size == 8)
        return decoder_double (data);
      break;
    case 'b':
      if (size == 1)
        return _pyisolate_decoder_fixed (self, type, data);
      break;
    default:
      break;
    }
  if (_pyisolate_type_parse (&type, 1, self->depth, &node) == 0)
    return _pyisolate_decoder_malformed ("a bad type");
  return _pyisolate_decoder_node (self, &node, data, size);
}

static PyObject *
decode_typed (Decoder      *self,
              const char   *type,
              gsize         type_length,
              const guint8 *data,
              gsize         size)
{
  PyIsolateTypeNode nodes[DECODER_SHORT_TYPE];

  if (type_length == 1)
    return decode_basic_type (self, *type, data, size);
  if (type_length > DECODER_SHORT_TYPE)
    return decode_long_type (self, type, type_length, data, size);
  if (!_pyisolate_decoder_parse_type (type, type_length, self->depth, nodes))
    return _pyisolate_decoder_malformed ("a bad type, or one that is nested too deep");
  return _pyisolate_decoder_node (self, nodes, data, size);
}

PyObject *
_pyisolate_decoder_variant (Decoder      *self,
                            const guint8 *data,
                            gsize         size)
{
  PyIsolateDepth depth = self->depth;
  gsize type = _pyisolate_variant_find_type (data, size);
  PyObject *object;

  if (type == 0)
    return _pyisolate_decoder_malformed ("a variant without a type");
  if (!_pyisolate_depth_enter_variant (&self->depth))
    return _pyisolate_decoder_malformed ("nested too deep");
  object = decode_typed (self, (const char *) data + type, size - type, data, type - 1);
  self->depth = depth;
  return object;
}

/* --- The two kinds of bodies --- */

static void
decoder_init (Decoder                 *self,
              const PyIsolateContents *contents)
{
  memset (self, 0, sizeof *self);
  if (contents != NULL)
    self->contents = *contents;
}

static void
decoder_clear (Decoder *self)
{
  for (guint i = 0; self->fd_objects != NULL && i < self->contents.n_fds; i++)
    Py_XDECREF (self->fd_objects[i]);
  g_free (self->fd_objects);
  g_clear_pointer (&self->copied, g_hash_table_unref);
}

PyObject *
_pyisolate_codec_decode_value (const guint8 *data,
                               gsize         size,
                               const PyIsolateContents *contents)
{
  Decoder decoder;
  PyObject *value;

  if (size > PYISOLATE_VALUE_MAX_SIZE)
    return _pyisolate_decoder_malformed ("%" G_GSIZE_FORMAT " bytes are too many", size);

  decoder_init (&decoder, contents);
  value = _pyisolate_decoder_variant (&decoder, data, size);
  decoder_clear (&decoder);
  return value;
}

/* Of calls; the same each time, and guarded by the GIL. */
static const PyIsolateTypeNode *
get_call_nodes (void)
{
  static PyIsolateTypeNode nodes[8];

  if (nodes[0].span == 0)
    _pyisolate_type_parse (PYISOLATE_VALUE_CALL_TYPE, strlen (PYISOLATE_VALUE_CALL_TYPE), (PyIsolateDepth) { 0, 0, 0 },
                           nodes);
  return nodes;
}

/* The arguments of a short call that has no others than these: then the array is followed by padding and its own end in one
 * byte, and nothing else. FALSE: it is not one. */
static gboolean
read_short_call (const guint8        *data,
                 gsize                size,
                 PyIsolateArrayFrame *frame)
{
  gsize end;

  if (size == 0 || size > G_MAXUINT8)
    return FALSE;

  end = data[size - 1];
  return _pyisolate_align (end, 8) == size - 1 && _pyisolate_padding_is_zero (data, end, size - 1, size - 1) &&
         _pyisolate_array_frame_read (data, end, frame);
}

/* NULL with an exception. */
static PyObject *
decode_short_args (const guint8            *data,
                   PyIsolateArrayFrame     *frame,
                   const PyIsolateContents *contents)
{
  const PyIsolateTypeNode *item = get_call_nodes () + 2;
  PyObject *args = PyTuple_New (frame->n_items);
  gsize position = 0, start, length;
  Decoder decoder;

  decoder_init (&decoder, contents);
  decoder.depth = (PyIsolateDepth) { .arrays = 1, .structs = 1, .levels = 2 };
  for (gsize i = 0; args != NULL && i < frame->n_items; i++)
    {
      PyObject *object = NULL;

      if (_pyisolate_array_frame_next (frame, item, data, i, &position, &start, &length))
        object = decoder_variant (&decoder, data + start, length);
      else
        _pyisolate_decoder_malformed ("an array with bad offsets");
      if (object == NULL || !_pyisolate_tuple_fill (args, i, object))
        Py_CLEAR (args);
    }
  decoder_clear (&decoder);

  return args;
}

static PyObject *
decode_call (const guint8 *data,
             gsize         size,
             const PyIsolateContents *contents)
{
  Decoder decoder;
  PyObject *call;

  if (size > PYISOLATE_VALUE_MAX_SIZE)
    return _pyisolate_decoder_malformed ("%" G_GSIZE_FORMAT " bytes are too many", size);

  decoder_init (&decoder, contents);
  call = _pyisolate_decoder_node (&decoder, get_call_nodes (), data, size);
  decoder_clear (&decoder);
  return call;
}

int
_pyisolate_codec_decode_call (const guint8  *data,
                              gsize          size,
                              const PyIsolateContents *contents,
                              PyObject     **args,
                              PyObject     **kwargs)
{
  PyIsolateArrayFrame frame;
  PyObject *call;

  g_assert (args != NULL && kwargs != NULL);

  if (read_short_call (data, size, &frame))
    {
      *args = decode_short_args (data, &frame, contents);
      *kwargs = *args != NULL ? PyDict_New () : NULL;
      if (*kwargs == NULL)
        Py_CLEAR (*args);
      return *args != NULL ? 0 : -1;
    }

  call = decode_call (data, size, contents);
  if (call == NULL)
    return -1;
  *args = PyList_AsTuple (PyTuple_GetItem (call, 0));
  *kwargs = PyTuple_GetItem (call, 1);
  Py_INCREF (*kwargs);
  Py_DECREF (call);
  if (*args == NULL)
    {
      Py_CLEAR (*kwargs);
      return -1;
    }
  return 0;
}
