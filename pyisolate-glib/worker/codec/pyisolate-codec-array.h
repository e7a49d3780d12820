/* SPDX-License-Identifier: MIT */
/* Arrays: numpy.ndarray, torch.Tensor, and our own Tensor where there is neither. */
#pragma once

#include "pyisolate-codec-internal.h"
#include "pyisolate-memory.h"
#include "pyisolate-tensor-layout-private.h"

G_BEGIN_DECLS

typedef enum {
  ARRAY_NUMPY,
  ARRAY_TORCH,
  ARRAY_TENSOR,
  N_ARRAY_KINDS,
} CodecArrayKind;

/* What an array looks into: a piece of shared memory, or bytes of its own, or (both NULL) nothing. */
typedef struct {
  PyIsolateMemory *memory;
  guint8          *bytes; /* a g_atomic_rc_box */
  gsize            size;
} CodecStore;

/* An array, whichever it is, taken apart. */
typedef struct {
  CodecArrayKind            kind;
  const PyIsolateDtypeInfo *info;
  guint8                   *data; /* its first element */
  guint                     n_dims;
  guint32                   flags; /* PYISOLATE_TENSOR_… */
  gint64                    shape[PYISOLATE_MAX_DIMENSIONS];
  gint64                    strides[PYISOLATE_MAX_DIMENSIONS]; /* in elements */
  /* Of one that was read, until it is cleared: */
  Py_buffer                 view;   /* NULL obj: there is none */
  PyObject                 *owner;  /* nullable: what keeps the data, besides what was read */
  gint64                    low;    /* where the first byte that any element has lies, counted from @data */
  gint64                    high;   /* where the last one ends; the same as @low: there is no element */
  PyIsolateMemory          *memory; /* nullable: the shared memory that all of them lie in, if it can be passed */
  const guint8             *start;  /* where that begins, as the array sees it */
} CodecArray;

void        _pyisolate_store_ref        (CodecStore        *self);
void        _pyisolate_store_clear      (CodecStore        *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CodecStore, _pyisolate_store_clear)

/* --- Reading (pyisolate-codec-array-read.c) --- */

/* FALSE with an exception; @problem, if it was set, then says what cannot be sent and why, for
 * somebody who knows the place. To be cleared in any case. */
gboolean    _pyisolate_array_read       (CodecArray        *self,
                                         PyObject          *object,
                                         CodecKind          kind,
                                         char             **problem);
void        _pyisolate_array_clear      (CodecArray        *self);
const char *_pyisolate_array_kind_name  (CodecArrayKind     kind);
int         _pyisolate_array_kind_by_name (const char      *name);

/* --- Making (pyisolate-codec-array-make.c) --- */

/* The array that @self describes, whose data lies in @store, as the kind that it says or the next
 * best. */
PyObject   *_pyisolate_array_make       (const CodecArray  *self,
                                         const CodecStore  *store);
/* 1: the module is there, imported now if need be; 0: it is not installed; -1: an exception. */
int         _pyisolate_array_has_numpy  (void);
int         _pyisolate_array_has_torch  (void);
void        _pyisolate_torch_find_origin (PyObject         *tensor,
                                          CodecArray       *array);
gboolean    _pyisolate_numpy_has_dtype  (const PyIsolateDtypeInfo *info);

/* --- The type Tensor (pyisolate-codec-tensor.c) --- */

gboolean    _pyisolate_tensor_init      (PyObject          *module);
PyTypeObject *_pyisolate_tensor_type    (void);
PyObject   *_pyisolate_tensor_new       (const CodecArray  *self,
                                         const CodecStore  *store);
/* All of the store as bytes, to stand behind an array of @kind. @flags: of the array */
PyObject   *_pyisolate_tensor_new_base  (const CodecStore  *store,
                                         guint32            flags,
                                         CodecArrayKind     kind);
void        _pyisolate_tensor_read      (PyObject          *object,
                                         CodecArray        *array);
CodecArrayKind _pyisolate_tensor_get_kind (PyObject        *object);
gboolean    _pyisolate_tensor_get_requires_grad (PyObject  *object);

/* --- DLPack (pyisolate-codec-dlpack.c) --- */

PyObject   *_pyisolate_dlpack_export    (const CodecArray  *self,
                                         const CodecStore  *store,
                                         gboolean           versioned);
/* Looks into a capsule that is not consumed. The strides of dimensions with one element or none may be others than the array's. */
gboolean    _pyisolate_dlpack_read      (PyObject          *capsule,
                                         CodecArray        *array,
                                         char             **problem);
/* The same of a tensor of torch's, with its own strides, and nothing is made for it. FALSE without an exception: it has to be
 * asked for a capsule, or to say what is wrong with it. */
gboolean    _pyisolate_dlpack_look      (PyObject          *object,
                                         CodecArray        *array);
/* A tensor of torch's. @from_capsule: torch's function for those that do not come straight */
PyObject   *_pyisolate_dlpack_import    (const CodecArray  *self,
                                         const CodecStore  *store,
                                         PyObject          *from_capsule);

/* --- Shared memory for Python code (pyisolate-codec-share.c) --- */

gboolean    _pyisolate_share_init       (PyObject          *module);

/* --- torch's storages (pyisolate-codec-storage.c) --- */

PyIsolateMemory *_pyisolate_storage_find      (const guint8     *address,
                                               gsize             size,
                                               const guint8    **start);
PyIsolateMemory *_pyisolate_storage_move      (PyObject         *tensor);
gboolean         _pyisolate_storage_covers    (PyObject         *tensor,
                                               const guint8     *data,
                                               gsize             size);
/* Sets an exception for what shared memory failed with. */
void        _pyisolate_share_set_error  (const GError      *error);

G_END_DECLS
