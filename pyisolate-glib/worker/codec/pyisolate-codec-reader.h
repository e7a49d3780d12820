/* SPDX-License-Identifier: MIT */
/* Between the files of the decoder. */
#pragma once

#include "pyisolate-codec-internal.h"

G_BEGIN_DECLS

typedef struct {
  PyIsolateContents contents;
  PyObject     **fd_objects; /* nullable; as they are asked for */
  GHashTable    *copied;     /* nullable; the memories that bytes were made of */
  PyIsolateDepth depth;
} Decoder;

/* Ints from 0 up to here are made once. */
#define DECODER_N_INTS 1024

PyObject *_pyisolate_decoder_node        (Decoder                 *self,
                                          const PyIsolateTypeNode *node,
                                          const guint8            *data,
                                          gsize                    size);
PyObject *_pyisolate_decoder_variant     (Decoder      *self,
                                          const guint8 *data,
                                          gsize         size);
PyObject *_pyisolate_decoder_dict        (Decoder                 *self,
                                          const PyIsolateTypeNode *entry,
                                          const guint8            *data,
                                          gsize                    size);
PyObject *_pyisolate_decoder_string      (const guint8 *data,
                                          gsize         size);
PyObject *_pyisolate_decoder_object_path (const guint8 *data,
                                          gsize         size);
PyObject *_pyisolate_decoder_signature   (const guint8 *data,
                                          gsize         size);
/* The size has been checked. */
PyObject *_pyisolate_decoder_fixed       (Decoder      *self,
                                          char          code,
                                          const guint8 *data);

/* A type of at least 2 and at most so many characters; FALSE: a bad one, or one that is nested too deep. */
#define DECODER_SHORT_TYPE 8
gboolean  _pyisolate_decoder_parse_type  (const char              *type,
                                          gsize                    length,
                                          PyIsolateDepth           depth,
                                          PyIsolateTypeNode        nodes[DECODER_SHORT_TYPE]);

/* Without its prefix, @tag, and the decoded payload. */
PyObject *_pyisolate_decoder_tagged    (Decoder    *self,
                                        const char *tag,
                                        PyObject   *payload);
/* @data: the variant of a tensor's payload */
PyObject *_pyisolate_decoder_tensor    (Decoder      *self,
                                        const guint8 *data,
                                        gsize         size);
gboolean  _pyisolate_decoder_is_long   (const char *tag,
                                        PyObject   *payload);
PyObject *_pyisolate_decoder_long      (Decoder    *self,
                                        const char *tag,
                                        PyObject   *payload);
PyObject *_pyisolate_decoder_constant  (const char *path);
PyObject *_pyisolate_decoder_malformed (const char *format,
                                        ...) G_GNUC_PRINTF (1, 2);

extern PyObject *_pyisolate_decoder_ints[DECODER_N_INTS];
PyObject *_pyisolate_decoder_new_int   (gint64 number);

static inline PyObject *
decoder_int64 (const guint8 *data)
{
  gint64 number;

  memcpy (&number, data, sizeof number);
  if ((guint64) number < DECODER_N_INTS && _pyisolate_decoder_ints[number] != NULL)
    {
      Py_INCREF (_pyisolate_decoder_ints[number]);
      return _pyisolate_decoder_ints[number];
    }
  return _pyisolate_decoder_new_int (number);
}

static inline PyObject *
decoder_double (const guint8 *data)
{
  double number;

  memcpy (&number, data, sizeof number);
  return PyFloat_FromDouble (number);
}

/* A variant in a container: of the types that most of them have without a call in between. */
static inline PyObject *
decoder_variant (Decoder      *self,
                 const guint8 *data,
                 gsize         size)
{
  if (size >= 2 && data[size - 2] == 0 && self->depth.levels < PYISOLATE_VALUE_MAX_LEVELS)
    {
      char type = data[size - 1];

      if (type == 's')
        return _pyisolate_decoder_string (data, size - 2);
      if (type == 'x' && size == 8 + 2)
        return decoder_int64 (data);
      if (type == 'd' && size == 8 + 2)
        return decoder_double (data);
      if (type == 'o' && size == sizeof PYISOLATE_TAG_NONE + 2
          && memcmp (data, PYISOLATE_TAG_NONE, sizeof PYISOLATE_TAG_NONE) == 0)
        Py_RETURN_NONE;
      if (type == 'b' && size == 1 + 2 && data[0] <= 1)
        return PyBool_FromLong (data[0]);
    }
  return _pyisolate_decoder_variant (self, data, size);
}

/* A value in a container: of the types that most of them have without a call in between. */
static inline PyObject *
decoder_value (Decoder                 *self,
               const PyIsolateTypeNode *node,
               const guint8            *data,
               gsize                    size)
{
  switch (node->code)
    {
    case 'v':
      return decoder_variant (self, data, size);
    case 's':
      return _pyisolate_decoder_string (data, size);
    case 'x':
      if (size == 8)
        return decoder_int64 (data);
      break;
    case 'd':
      if (size == 8)
        return decoder_double (data);
      break;
    default:
      break;
    }
  return _pyisolate_decoder_node (self, node, data, size);
}

G_END_DECLS
