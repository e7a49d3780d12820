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

/* --- That of DLPack 1.3: functions that take and give tensors straight, without capsules --- */

typedef struct Exchange Exchange;
struct Exchange {
  uint32_t  major;
  uint32_t  minor;
  Exchange *older; /* the same of another version */
  void     *allocate;
  void     *give;
  int     (*take) (DlVersioned *managed, void **object);
  int     (*look) (void *object, DlTensor *tensor); /* nullable; what it fills in lives as long as the object */
  void     *get_stream;
};

enum { EXCHANGE_MAJOR = 1, EXCHANGE_MINOR = 3 };

#define EXCHANGE_ATTRIBUTE "__dlpack_c_exchange_api__"
#define EXCHANGE_CAPSULE "dlpack_exchange_api"

/* Those of torch's tensors; NULL: it has none, or others. Kept, as torch's lives as long as the process. */
static const Exchange *
find_exchange (void)
{
  PyObject *torch = PyImport_ImportModule ("torch");
  PyObject *type = torch != NULL ? _pyisolate_codec_get (torch, "Tensor") : NULL;
  PyObject *capsule = type != NULL ? _pyisolate_codec_get (type, EXCHANGE_ATTRIBUTE) : NULL;
  const Exchange *exchange = NULL;

  if (capsule != NULL && PyCapsule_IsValid (capsule, EXCHANGE_CAPSULE))
    exchange = PyCapsule_GetPointer (capsule, EXCHANGE_CAPSULE);
  while (exchange != NULL && (exchange->major != EXCHANGE_MAJOR || exchange->minor < EXCHANGE_MINOR))
    exchange = exchange->older;
  Py_XDECREF (torch);
  Py_XDECREF (type);
  Py_XDECREF (capsule);
  PyErr_Clear ();
  return exchange;
}

static const Exchange *
get_exchange (void)
{
  static const Exchange *exchange; /* guarded by the GIL, as is the other */
  static gboolean is_known;

  if (!is_known)
    {
      exchange = find_exchange ();
      is_known = TRUE;
    }
  return exchange;
}

/* --- Giving --- */

typedef struct {
  union {
    DlManaged   managed;
    DlVersioned versioned;
  };
  CodecStore store;
  gboolean  *freed;     /* nullable: who wants to know that it was freed */
  int64_t    numbers[]; /* shape and strides */
} Export;

static void
export_free (Export *self)
{
  if (self->freed != NULL)
    *self->freed = TRUE;
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

static Export *
export_new (const CodecArray *array,
            const CodecStore *store)
{
  Export *self = g_malloc (sizeof *self + 2 * array->n_dims * sizeof (int64_t));

  self->store = *store;
  _pyisolate_store_ref (&self->store);
  self->freed = NULL;
  return self;
}

static void
fill_versioned (Export           *self,
                const CodecArray *array,
                uint64_t          flags)
{
  self->versioned = (DlVersioned) { 1, 0, self, delete_versioned, flags, { 0 } };
  fill_tensor (array, self->numbers, &self->versioned.tensor);
}

PyObject *
_pyisolate_dlpack_export (const CodecArray *self,
                          const CodecStore *store,
                          gboolean          versioned)
{
  Export *export = export_new (self, store);
  PyObject *capsule;

  if (versioned)
    {
      gboolean readonly = (self->flags & PYISOLATE_TENSOR_READ_ONLY) != 0;

      fill_versioned (export, self, readonly ? DLPACK_FLAG_READ_ONLY : 0);
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

/* torch says that it takes what it gets, but not whether it has where it fails. */
static PyObject *
import_straight (const Exchange   *exchange,
                 const CodecArray *array,
                 const CodecStore *store)
{
  Export *export = export_new (array, store);
  gboolean freed = FALSE;
  void *object = NULL;

  /* That it is read-only torch has no word for. */
  fill_versioned (export, array, 0);
  export->freed = &freed;
  if (exchange->take (&export->versioned, &object) < 0)
    {
      if (!freed)
        export_free (export);
      return NULL;
    }
  if (!freed) /* without memory for the object torch has done so, and does not say that it failed */
    export->freed = NULL;
  return object;
}

PyObject *
_pyisolate_dlpack_import (const CodecArray *self,
                          const CodecStore *store,
                          PyObject         *from_capsule)
{
  const Exchange *exchange = get_exchange ();
  PyObject *capsule, *tensor;

  if (exchange != NULL)
    return import_straight (exchange, self, store);

  capsule = _pyisolate_dlpack_export (self, store, FALSE);
  tensor = capsule != NULL ? PyObject_CallFunctionObjArgs (from_capsule, capsule, NULL) : NULL;
  Py_XDECREF (capsule);
  return tensor;
}

/* --- Taking --- */

static gboolean
read_tensor (const DlTensor  *tensor,
             CodecArray      *array,
             char           **problem)
{
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

gboolean
_pyisolate_dlpack_read (PyObject    *capsule,
                        CodecArray  *array,
                        char       **problem)
{
  const DlManaged *managed = PyCapsule_GetPointer (capsule, CAPSULE);

  return managed != NULL && read_tensor (&managed->tensor, array, problem);
}

gboolean
_pyisolate_dlpack_look (PyObject   *object,
                        CodecArray *array)
{
  const Exchange *exchange = get_exchange ();
  g_autofree char *problem = NULL;
  DlTensor tensor;

  if (exchange == NULL || exchange->look == NULL)
    return FALSE;
  if (exchange->look (object, &tensor) == 0)
    return read_tensor (&tensor, array, &problem);
  PyErr_Clear ();
  return FALSE;
}
