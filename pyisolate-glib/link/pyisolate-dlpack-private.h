/* SPDX-License-Identifier: MIT */
/* The structs of DLPack 1.0, by its specification: what libraries hand tensors to each other in. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define PYISOLATE_DLPACK_MAJOR 1
#define PYISOLATE_DLPACK_MINOR 0
#define PYISOLATE_DLPACK_CPU 1
#define PYISOLATE_DLPACK_READ_ONLY ((guint64) 1 << 0)

typedef struct {
  gint32 type;
  gint32 id;
} PyIsolateDLDevice;

typedef struct {
  guint8 code;
  guint8 bits;
  guint16 lanes;
} PyIsolateDLDataType;

typedef struct {
  void *data;
  PyIsolateDLDevice device;
  gint32 n_dims;
  PyIsolateDLDataType dtype;
  gint64 *shape;
  gint64 *strides; /* in elements; NULL: C order */
  guint64 byte_offset;
} PyIsolateDLTensor;

typedef struct {
  guint32 major;
  guint32 minor;
} PyIsolateDLVersion;

struct DLManagedTensorVersioned {
  PyIsolateDLVersion version;
  void *manager_context;
  void (*deleter) (struct DLManagedTensorVersioned *self); /* NULL: there is nothing to do */
  guint64 flags;
  PyIsolateDLTensor tensor;
};

G_END_DECLS
