/* SPDX-License-Identifier: MIT */
/* Between the files of the decoder. */
#pragma once

#include "pyisolate-codec-internal.h"

G_BEGIN_DECLS

#define DECODER_N_KEYS 64

typedef struct {
  PyObject   *object;
  const char *text; /* its own */
  gsize       size; /* with the NUL; 0: none */
} DecoderKey;

typedef struct {
  PyIsolateContents contents;
  PyObject     **fd_objects; /* nullable; as they are asked for */
  PyIsolateDepth depth;
  guint          n_dicts;
  DecoderKey    *keys; /* some that were seen, NULL while there is only one dict */
} Decoder;

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

G_END_DECLS
