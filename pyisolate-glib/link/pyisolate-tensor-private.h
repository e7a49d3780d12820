/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-tensor-wire-private.h"
#include "pyisolate-tensor.h"

G_BEGIN_DECLS

/* A tensor of private memory up to this size travels inside of the body: that costs less than a piece of shared memory. */
#define PYISOLATE_TENSOR_MAX_INLINE ((gsize) 16 * 1024)

/* A tensor lies in a piece of shared memory, or else in bytes. */
struct _PyIsolateTensor {
  GObject parent_instance;

  PyIsolateDtype dtype;
  guint n_dims;
  gint64 *shape;   /* with the strides in one array */
  gint64 *strides; /* in elements */
  guint64 offset;  /* of the first element, in bytes */
  guint flags;     /* PYISOLATE_TENSOR_* */
  char *kind;      /* what it is in Python */

  PyIsolateMemory *memory;
  GBytes *bytes;
};

/* Bindings can make one without a constructor. */
static inline gboolean
_pyisolate_tensor_is_real (PyIsolateTensor *self)
{
  return PYISOLATE_IS_TENSOR (self) && (self->memory != NULL || self->bytes != NULL);
}

/* @memory or @bytes; both are (transfer none). The numbers may be anybody's. */
PyIsolateTensor *_pyisolate_tensor_new_checked (PyIsolateMemory  *memory,
                                                GBytes           *bytes,
                                                PyIsolateDtype    dtype,
                                                gsize             n_dims,
                                                const gint64     *shape,
                                                const gint64     *strides,
                                                guint64           offset,
                                                GError          **error);

/* Where it lies in what is sent of it: all of its memory, or that part of the bytes at which it looks. */
GBytes          *_pyisolate_tensor_dup_window  (PyIsolateTensor  *self,
                                                guint64          *offset);

/* In the form in which it travels, @data being what holds its elements, beginning with a window whose first element is at
 * @offset. Floating. */
GVariant        *_pyisolate_tensor_to_variant  (PyIsolateTensor  *self,
                                                guint64           offset,
                                                GVariant         *data);
/* Says that a tensor is none, and why. */
void             _pyisolate_tensor_set_error    (GError          **error,
                                                 const char       *problem);
/* @memory or @bytes; both are (transfer none). */
PyIsolateTensor *_pyisolate_tensor_new_from_wire (const PyIsolateTensorWire *wire,
                                                  PyIsolateMemory           *memory,
                                                  GBytes                    *bytes,
                                                  GError                   **error);
/* @value: checked bytes, but nobody vouches for what they say. @memories: nullable */
PyIsolateTensor *_pyisolate_tensor_new_from_variant (GVariant    *value,
                                                     GPtrArray   *memories,
                                                     GError     **error);

G_END_DECLS
