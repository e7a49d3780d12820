/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-dtype.h"
#include "pyisolate-memory.h"

G_BEGIN_DECLS

struct DLManagedTensorVersioned; /* of DLPack 1.0, <dlpack/dlpack.h> */

#define PYISOLATE_TYPE_TENSOR (pyisolate_tensor_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateTensor, pyisolate_tensor, PYISOLATE, TENSOR, GObject)

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateTensor *pyisolate_tensor_new               (PyIsolateMemory       *memory,
                                                     PyIsolateDtype         dtype,
                                                     const gint64          *shape,
                                                     gsize                  n_dims,
                                                     const gint64          *strides,
                                                     gsize                  n_strides,
                                                     guint64                byte_offset,
                                                     GError               **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateTensor *pyisolate_tensor_new_for_shape     (PyIsolateDtype         dtype,
                                                     const gint64          *shape,
                                                     gsize                  n_dims,
                                                     PyIsolateMemoryFlags   flags,
                                                     GError               **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateTensor *pyisolate_tensor_new_from_bytes    (GBytes                *bytes,
                                                     PyIsolateDtype         dtype,
                                                     const gint64          *shape,
                                                     gsize                  n_dims,
                                                     GError               **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateTensor *pyisolate_tensor_new_from_value    (GVariant              *value,
                                                     GError               **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateDtype   pyisolate_tensor_get_dtype         (PyIsolateTensor       *self);
PYISOLATE_AVAILABLE_IN_0_1
const gint64    *pyisolate_tensor_get_shape         (PyIsolateTensor       *self,
                                                     gsize                 *n_dims);
PYISOLATE_AVAILABLE_IN_0_1
const gint64    *pyisolate_tensor_get_strides       (PyIsolateTensor       *self,
                                                     gsize                 *n_dims);
PYISOLATE_AVAILABLE_IN_0_1
guint64          pyisolate_tensor_get_byte_offset   (PyIsolateTensor       *self);
PYISOLATE_AVAILABLE_IN_0_1
const char      *pyisolate_tensor_get_device        (PyIsolateTensor       *self);
PYISOLATE_AVAILABLE_IN_0_1
gboolean         pyisolate_tensor_get_requires_grad (PyIsolateTensor       *self);
PYISOLATE_AVAILABLE_IN_0_1
gboolean         pyisolate_tensor_is_read_only      (PyIsolateTensor       *self);
PYISOLATE_AVAILABLE_IN_0_1
gboolean         pyisolate_tensor_is_contiguous     (PyIsolateTensor       *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateMemory *pyisolate_tensor_get_memory        (PyIsolateTensor       *self);
PYISOLATE_AVAILABLE_IN_0_1
gpointer         pyisolate_tensor_get_data          (PyIsolateTensor       *self,
                                                     GError               **error);
PYISOLATE_AVAILABLE_IN_0_1
GBytes          *pyisolate_tensor_get_bytes         (PyIsolateTensor       *self,
                                                     GError               **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
struct DLManagedTensorVersioned *
                 pyisolate_tensor_to_dlpack         (PyIsolateTensor       *self,
                                                     GError               **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateTensor *pyisolate_tensor_new_from_dlpack   (struct DLManagedTensorVersioned *managed,
                                                     GError               **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
