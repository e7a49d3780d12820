/* SPDX-License-Identifier: MIT */
/* DLPack, by which torch and others take and give memory without a copy. What is given away holds
 * its memory by itself, so that it may be dropped in any thread, without the GIL. */
#include "config.h"

#include "pyisolate-codec-array.h"

/* --- The ABI of DLPack 1.0 --- */

enum { DLPACK_CPU = 1 };
enum { DLPACK_FLAG_READ_ONLY = 1 << 0 };

typedef struct {
  void   *data;
  int32_t device_type;
  int32_t device_id;
  int32_t n_dims;
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
  int64_t *shape;
  int64_t *strides; /* in elements; NULL: C order */
  uint64_t byte_offset;
} DlTensor;

typedef struct DlManaged DlManaged;
struct DlManaged {
  DlTensor tensor;
  void    *context;
  void   (*deleter) (DlManaged *self);
};

typedef struct DlVersioned DlVersioned;
struct DlVersioned {
  uint32_t major;
  uint32_t minor;
  void    *context;
  void   (*deleter) (DlVersioned *self);
  uint64_t flags;
  DlTensor tensor;
};

#define CAPSULE "dltensor"
#define CAPSULE_VERSIONED "dltensor_versioned"

/* --- Giving --- */

typedef struct {
  union {
    DlManaged   managed;
    DlVersioned versioned;
  };
  CodecStore store;
  int64_t    numbers[]; /* shape and strides */
} Export;

static void
export_free (Export *self)
{
  _pyisolate_store_clear (&self->store);
  g_free (self);
}

static void
delete_managed (DlManaged *managed)
{
  export_free (managed->context);
}

static void
delete_versioned (DlVersioned *versioned)
{
  export_free (versioned->context);
}

/* Whoever took what is in the capsule has given it another name. */
static void
capsule_destroy (PyObject *capsule)
{
  const char *name = PyCapsule_GetName (capsule);

  if (name != NULL && strcmp (name, CAPSULE) == 0)
    delete_managed (PyCapsule_GetPointer (capsule, CAPSULE));
  else if (name != NULL && strcmp (name, CAPSULE_VERSIONED) == 0)
    delete_versioned (PyCapsule_GetPointer (capsule, CAPSULE_VERSIONED));
}

static void
fill_tensor (const CodecArray *array,
             int64_t          *numbers,
             DlTensor         *tensor)
{
  memcpy (numbers, array->shape, array->n_dims * sizeof *numbers);
  memcpy (numbers + array->n_dims, array->strides, array->n_dims * sizeof *numbers);
  *tensor = (DlTensor) {
    .data = array->data,
    .device_type = DLPACK_CPU,
    .n_dims = array->n_dims,
    .code = array->info->dlpack_code,
    .bits = array->info->dlpack_bits,
    .lanes = 1,
    .shape = numbers,
    .strides = numbers + array->n_dims,
  };
}

PyObject *
_pyisolate_dlpack_export (const CodecArray *self,
                          const CodecStore *store,
                          gboolean          versioned)
{
  Export *export = g_malloc0 (sizeof *export + 2 * self->n_dims * sizeof (int64_t));
  PyObject *capsule;

  export->store = *store;
  _pyisolate_store_ref (&export->store);
  if (versioned)
    {
      gboolean readonly = (self->flags & PYISOLATE_TENSOR_READ_ONLY) != 0;

      export->versioned = (DlVersioned) { 1, 0, export, delete_versioned,
                                          readonly ? DLPACK_FLAG_READ_ONLY : 0, { 0 } };
      fill_tensor (self, export->numbers, &export->versioned.tensor);
      capsule = PyCapsule_New (&export->versioned, CAPSULE_VERSIONED, capsule_destroy);
    }
  else
    {
      export->managed = (DlManaged) { { 0 }, export, delete_managed };
      fill_tensor (self, export->numbers, &export->managed.tensor);
      capsule = PyCapsule_New (&export->managed, CAPSULE, capsule_destroy);
    }

  if (capsule == NULL)
    export_free (export);
  return capsule;
}

/* --- Taking --- */

gboolean
_pyisolate_dlpack_read (PyObject    *capsule,
                        CodecArray  *array,
                        char       **problem)
{
  const DlManaged *managed = PyCapsule_GetPointer (capsule, CAPSULE);
  const DlTensor *tensor;

  if (managed == NULL)
    return FALSE;
  tensor = &managed->tensor;
  if (tensor->device_type != DLPACK_CPU)
    {
      *problem = g_strdup ("a tensor that is not in the memory of the CPU");
      return FALSE;
    }
  if (tensor->n_dims < 0 || tensor->n_dims > PYISOLATE_MAX_DIMENSIONS)
    {
      *problem = g_strdup_printf ("a tensor of %d dimensions", tensor->n_dims);
      return FALSE;
    }

  array->info = _pyisolate_dtype_info_by_dlpack (tensor->code, tensor->bits, tensor->lanes);
  array->data = (guint8 *) tensor->data + tensor->byte_offset;
  array->n_dims = tensor->n_dims;
  memcpy (array->shape, tensor->shape, tensor->n_dims * sizeof *array->shape);
  if (tensor->strides != NULL)
    memcpy (array->strides, tensor->strides, tensor->n_dims * sizeof *array->strides);
  else
    _pyisolate_layout_c_strides (array->n_dims, array->shape, array->strides);
  return TRUE;
}
