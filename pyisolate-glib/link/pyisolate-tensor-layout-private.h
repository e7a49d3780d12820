/* SPDX-License-Identifier: MIT */
/* What a tensor's numbers mean, and whether they can be true: what everybody who gets a tensor asks before touching its
 * memory. No type of GObject's is in it, so that a module may have it beside the library. */
#pragma once

#include "pyisolate-dtype.h"

G_BEGIN_DECLS

/* As many as NumPy 2 takes. */
#define PYISOLATE_MAX_DIMENSIONS 64

#define PYISOLATE_DEVICE_CPU "cpu"

/* In the form in which a tensor travels. */
enum {
  PYISOLATE_TENSOR_READ_ONLY = 1 << 0,
  PYISOLATE_TENSOR_REQUIRES_GRAD = 1 << 1,
  PYISOLATE_TENSOR_ALL_FLAGS = (1 << 2) - 1,
};

typedef struct {
  PyIsolateDtype dtype;
  const char *name;
  guint8 size; /* of an element, in bytes */
  guint8 dlpack_code;
  guint8 dlpack_bits;
} PyIsolateDtypeInfo;

const PyIsolateDtypeInfo *_pyisolate_dtype_info           (PyIsolateDtype  dtype);
const PyIsolateDtypeInfo *_pyisolate_dtype_info_by_name   (const char     *name);
const PyIsolateDtypeInfo *_pyisolate_dtype_info_by_dlpack (guint           code,
                                                           guint           bits,
                                                           guint           lanes);

void        _pyisolate_layout_c_strides (guint         n_dims,
                                         const gint64 *shape,
                                         gint64       *strides);
gboolean    _pyisolate_layout_is_c_order (guint         n_dims,
                                          const gint64 *shape,
                                          const gint64 *strides);
const char *_pyisolate_layout_window    (guint         n_dims,
                                         const gint64 *shape,
                                         const gint64 *strides,
                                         gsize         item_size,
                                         gint64       *low,
                                         gint64       *high,
                                         gint64       *n_items);
const char *_pyisolate_layout_check     (guint         n_dims,
                                         const gint64 *shape,
                                         const gint64 *strides,
                                         gsize         item_size,
                                         guint64       offset,
                                         gsize         memory_size);

G_END_DECLS
