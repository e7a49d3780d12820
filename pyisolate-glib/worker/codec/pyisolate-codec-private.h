/* SPDX-License-Identifier: MIT */
/* Python values as GVariant-serialised bytes and back, see docs/values.md.
 *
 * Every function needs the GIL. One that fails returns NULL, -1 or FALSE with a Python exception
 * set: a TypeError for a value of a type that cannot travel, a ValueError for one that is too
 * large or too deep and for bytes that are not a value, whatever a registered encoder raises.
 */
#pragma once

#include "pyisolate-python-private.h"

#include <glib.h>

G_BEGIN_DECLS

/* Adds FileDescriptor, register_type and register_encoder to @module. */
gboolean  _pyisolate_codec_init         (PyObject      *module);

/* @fds: a GArray of int that gets a duplicate of each descriptor in the value, for the caller to
 * close; left as it was on failure. NULL: descriptors are refused. @what names the value in
 * messages ("result"). The bytes have the type "v", resp. "(ava{sv})". */
GBytes   *_pyisolate_codec_encode_value (PyObject      *value,
                                         const char    *what,
                                         GArray        *fds);
GBytes   *_pyisolate_codec_encode_call  (PyObject      *args,
                                         PyObject      *kwargs,
                                         GArray        *fds);

/* The bytes may lie anywhere and hold anything; @fds are borrowed, those that the value names are
 * duplicated. @args becomes a tuple, @kwargs a dict with str keys (never NULL). */
PyObject *_pyisolate_codec_decode_value (const guint8  *data,
                                         gsize          size,
                                         const int     *fds,
                                         guint          n_fds);
int       _pyisolate_codec_decode_call  (const guint8  *data,
                                         gsize          size,
                                         const int     *fds,
                                         guint          n_fds,
                                         PyObject     **args,
                                         PyObject     **kwargs);

G_END_DECLS
