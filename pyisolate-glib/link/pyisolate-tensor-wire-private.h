/* SPDX-License-Identifier: MIT */
/* The form in which a tensor travels, as bytes; docs/values.md describes it. No type of GObject's is in it, so that a module
 * may have it beside the library. */
#pragma once

#include "pyisolate-tensor-layout-private.h"

G_BEGIN_DECLS

/* What a payload says. It points into the bytes that were read. */
typedef struct {
  char data_type;     /* where the elements are: 'y': in @data; 'u', 'h': in the memory or the descriptor of that @index */
  guint32 index;
  const guint8 *data;
  gsize size;         /* of @data */

  const char *kind;
  const PyIsolateDtypeInfo *info;
  guint n_dims;
  const guint8 *shape;   /* of gint64, not aligned; with at most PYISOLATE_MAX_DIMENSIONS */
  const guint8 *strides; /* the same */
  guint64 offset;
  guint32 flags;
} PyIsolateTensorWire;

/* @variant: the payload, which may be anything. What is wrong with it, or NULL; also then @wire says where the elements are,
 * if that can be told. Whether the numbers can be true is _pyisolate_layout_check()'s to say. */
const char *_pyisolate_tensor_wire_read        (const guint8             *variant,
                                                gsize                     size,
                                                PyIsolateTensorWire      *wire);
/* The same of a value, without variants around it. It lives as long as @value. */
const char *_pyisolate_tensor_wire_read_value  (GVariant                 *value,
                                                PyIsolateTensorWire      *wire);
/* Whether a value, without variants around it, is marked as a tensor. */
gboolean    _pyisolate_tensor_wire_is_tensor   (GVariant                 *value);
/* @data: what holds the elements, or names it; consumed if it is floating. Floating. */
GVariant   *_pyisolate_tensor_wire_new_value   (const char               *kind,
                                                const PyIsolateDtypeInfo *info,
                                                guint                     n_dims,
                                                const gint64             *shape,
                                                const gint64             *strides,
                                                guint64                   offset,
                                                guint32                   flags,
                                                GVariant                 *data);

G_END_DECLS
