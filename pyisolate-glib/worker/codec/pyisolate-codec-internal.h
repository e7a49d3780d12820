/* SPDX-License-Identifier: MIT */
/* Between the files of the codec. */
#pragma once

#include "pyisolate-codec-private.h"
#include "pyisolate-value-layout-private.h"

G_BEGIN_DECLS

/* --- Types that need more than GVariant's own (pyisolate-codec-types.c) --- */

typedef enum {
  KIND_NONE, /* not a type that can travel */
  KIND_BYTEARRAY,
  KIND_MEMORYVIEW,
  KIND_SET,
  KIND_FROZENSET,
  KIND_COMPLEX,
  KIND_FD,
  KIND_DATETIME,
  KIND_DATE,
  KIND_TIME,
  KIND_TIMEDELTA,
  KIND_TIMEZONE,
  KIND_ZONEINFO,
  KIND_DECIMAL,
  KIND_UUID,
  KIND_PURE_POSIX_PATH,
  KIND_PURE_WINDOWS_PATH,
  KIND_POSIX_PATH,
  KIND_WINDOWS_PATH,
  KIND_NUMPY_SCALAR,
  KIND_NUMPY_ARRAY,
  KIND_NUMPY_MEMMAP,
  KIND_TORCH_TENSOR,
  KIND_TORCH_PARAMETER,
  KIND_TENSOR,
  KIND_ENUM,
  KIND_FLAG,
  KIND_DATACLASS,
  KIND_ENCODER,
  N_KINDS,
} CodecKind;

/* A class that was registered under a name. */
typedef struct {
  CodecKind  kind; /* KIND_ENUM, KIND_FLAG, KIND_DATACLASS or KIND_ENCODER */
  PyObject  *cls;
  PyObject  *name;
  PyObject  *fields; /* tuple of str: of a dataclass */
  PyObject  *encode; /* callables: of an encoder pair */
  PyObject  *decode;
} CodecRegistration;

static inline gboolean
_pyisolate_codec_kind_is_array (CodecKind kind)
{
  return kind >= KIND_NUMPY_ARRAY && kind <= KIND_TENSOR;
}

gboolean           _pyisolate_codec_types_init       (PyObject      *module);
CodecKind          _pyisolate_codec_types_find       (PyTypeObject  *type);
PyObject          *_pyisolate_codec_types_import     (CodecKind      kind);
CodecRegistration *_pyisolate_codec_registry_find    (PyTypeObject  *type);
CodecRegistration *_pyisolate_codec_registry_by_name (PyObject      *name,
                                                      gboolean       encoders);
gboolean           _pyisolate_codec_can_register     (PyTypeObject  *type);
char              *_pyisolate_codec_type_name        (PyTypeObject  *type);

/* As PyObject_GetAttrString() and PyObject_CallMethod() with at most one argument, but without a
 * new string at each call: those would fill the interpreter's cache of attributes. */
PyObject          *_pyisolate_codec_get              (PyObject      *object,
                                                      const char    *name);
PyObject          *_pyisolate_codec_call             (PyObject      *object,
                                                      const char    *name,
                                                      PyObject      *argument);

/* --- File descriptors (pyisolate-codec-fd.c) --- */

gboolean           _pyisolate_codec_fd_init          (PyObject      *module);
PyTypeObject      *_pyisolate_codec_fd_type          (void);
int                _pyisolate_codec_fd_get           (PyObject      *object);
PyObject          *_pyisolate_codec_fd_new_dup       (int            fd);

/* --- Buffers behind memoryviews (pyisolate-codec-buffer.c) --- */

gboolean           _pyisolate_codec_buffer_init      (void);
PyObject          *_pyisolate_codec_buffer_new_view  (PyObject      *payload);
Py_ssize_t         _pyisolate_codec_buffer_item_size (PyObject      *format);

G_END_DECLS
