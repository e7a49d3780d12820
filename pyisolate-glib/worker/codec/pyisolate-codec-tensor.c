/* SPDX-License-Identifier: MIT */
/* Tensor: an array where there is neither NumPy nor torch, or neither has the dtype; and what
 * stands behind an array of NumPy's that looks into received memory. Its memory lives as long as
 * it, and what was made of it. */
#include "config.h"

#include "pyisolate-codec-array.h"

typedef struct {
  PyObject_HEAD
  CodecStore                store;
  guint8                   *data;
  const PyIsolateDtypeInfo *info;
  CodecArrayKind            kind; /* as which it was sent */
  guint32                   flags;
  Py_ssize_t                n_items;
  int                       n_dims;
  Py_ssize_t               *shape;   /* one block with: */
  Py_ssize_t               *strides; /* in bytes */
} Tensor;

static PyTypeObject *tensor_type;

PyTypeObject *
_pyisolate_tensor_type (void)
{
  return tensor_type;
}

/* --- Life --- */

static Tensor *
new_tensor (const CodecStore         *store,
            guint8                   *data,
            const PyIsolateDtypeInfo *info,
            guint                     n_dims)
{
  Tensor *self = PyObject_New (Tensor, tensor_type);

  if (self == NULL)
    return NULL;
  self->store = *store;
  _pyisolate_store_ref (&self->store);
  self->data = data;
  self->info = info;
  self->n_items = 1;
  self->n_dims = n_dims;
  self->shape = g_new (Py_ssize_t, 2 * n_dims + 1);
  self->strides = self->shape + n_dims;
  return self;
}

PyObject *
_pyisolate_tensor_new (const CodecArray *array,
                       const CodecStore *store)
{
  Tensor *self = new_tensor (store, array->data, array->info, array->n_dims);

  if (self == NULL)
    return NULL;
  self->kind = array->kind;
  self->flags = array->flags;
  for (int i = 0; i < self->n_dims; i++)
    {
      self->shape[i] = array->shape[i];
      /* Any number is that of a dimension with one element or none. */
      self->strides[i] = (Py_ssize_t) ((guint64) array->strides[i] * array->info->size);
      self->n_items *= array->shape[i];
    }
  return (PyObject *) self;
}

PyObject *
_pyisolate_tensor_new_base (const CodecStore *store,
                            guint32           flags,
                            CodecArrayKind    kind)
{
  guint8 *data = store->memory != NULL ? pyisolate_memory_map (store->memory, NULL) : store->bytes;
  Tensor *self = new_tensor (store, data, _pyisolate_dtype_info (PYISOLATE_DTYPE_UINT8), 1);

  if (self == NULL)
    return NULL;
  self->kind = kind;
  self->flags = flags;
  self->shape[0] = self->n_items = store->size;
  self->strides[0] = 1;
  return (PyObject *) self;
}

static void
tensor_dealloc (PyObject *object)
{
  Tensor *self = (Tensor *) object;
  PyTypeObject *type = Py_TYPE (object);

  _pyisolate_store_clear (&self->store);
  g_free (self->shape);
  PyObject_Free (self);
  Py_DECREF (type);
}

static PyObject *
tensor_refuse (PyTypeObject *type,
               PyObject     *args,
               PyObject     *kwargs)
{
  PyErr_SetString (PyExc_TypeError, "call pyisolate.empty(), zeros() or share()");
  return NULL;
}

/* --- Taking apart --- */

CodecArrayKind
_pyisolate_tensor_get_kind (PyObject *object)
{
  return ((Tensor *) object)->kind;
}

gboolean
_pyisolate_tensor_get_requires_grad (PyObject *object)
{
  return (((Tensor *) object)->flags & PYISOLATE_TENSOR_REQUIRES_GRAD) != 0;
}

void
_pyisolate_tensor_read (PyObject   *object,
                        CodecArray *array)
{
  const Tensor *self = (const Tensor *) object;

  array->kind = self->kind;
  array->info = self->info;
  array->data = self->data;
  array->flags = self->flags;
  array->n_dims = self->n_dims;
  for (int i = 0; i < self->n_dims; i++)
    {
      array->shape[i] = self->shape[i];
      array->strides[i] = self->strides[i] / self->info->size;
    }
}

static CodecArray *
dup_array (PyObject *object)
{
  CodecArray *array = g_new0 (CodecArray, 1);

  _pyisolate_tensor_read (object, array);
  return array;
}

/* --- The buffer protocol --- */

static const char *
get_format (const PyIsolateDtypeInfo *info)
{
  switch (info->dtype)
    {
    case PYISOLATE_DTYPE_BOOL:
      return "?";
    case PYISOLATE_DTYPE_INT8:
      return "b";
    case PYISOLATE_DTYPE_INT16:
      return "h";
    case PYISOLATE_DTYPE_INT32:
      return "i";
    case PYISOLATE_DTYPE_INT64:
      return "q";
    case PYISOLATE_DTYPE_UINT16:
    case PYISOLATE_DTYPE_BFLOAT16: /* its bits: the protocol has no letter for it */
      return "H";
    case PYISOLATE_DTYPE_UINT32:
      return "I";
    case PYISOLATE_DTYPE_UINT64:
      return "Q";
    case PYISOLATE_DTYPE_FLOAT16:
      return "e";
    case PYISOLATE_DTYPE_FLOAT32:
      return "f";
    case PYISOLATE_DTYPE_FLOAT64:
      return "d";
    case PYISOLATE_DTYPE_COMPLEX64:
      return "Zf";
    case PYISOLATE_DTYPE_COMPLEX128:
      return "Zd";
    default: /* bytes, and the bits of the float8 kinds */
      return "B";
    }
}

static gboolean
is_contiguous (const Tensor *self,
               gboolean      in_c_order)
{
  Py_ssize_t stride = self->info->size;

  for (int i = 0; i < self->n_dims && self->n_items > 0; i++)
    {
      int dim = in_c_order ? self->n_dims - 1 - i : i;

      if (self->shape[dim] > 1 && self->strides[dim] != stride)
        return FALSE;
      stride *= self->shape[dim];
    }
  return TRUE;
}

static const char *
find_objection (const Tensor *self,
                int           flags)
{
  if ((flags & PyBUF_WRITABLE) != 0 && (self->flags & PYISOLATE_TENSOR_READ_ONLY) != 0)
    return "the tensor is read-only";
  if ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS && !is_contiguous (self, TRUE))
    return "the tensor is not contiguous in C order";
  if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !is_contiguous (self, FALSE))
    return "the tensor is not contiguous in Fortran order";
  if ((flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS && !is_contiguous (self, TRUE)
      && !is_contiguous (self, FALSE))
    return "the tensor is not contiguous";
  if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !is_contiguous (self, TRUE))
    return "the tensor is not contiguous in C order";
  return NULL;
}

static int
tensor_get_buffer (PyObject  *object,
                   Py_buffer *view,
                   int        flags)
{
  Tensor *self = (Tensor *) object;
  const char *objection = find_objection (self, flags);

  if (objection != NULL)
    {
      PyErr_SetString (PyExc_BufferError, objection);
      view->obj = NULL;
      return -1;
    }
  *view = (Py_buffer) {
    .buf = self->data,
    .obj = object,
    .len = self->n_items * self->info->size,
    .itemsize = self->info->size,
    .readonly = (self->flags & PYISOLATE_TENSOR_READ_ONLY) != 0,
    .ndim = self->n_dims,
    .format = (flags & PyBUF_FORMAT) != 0 ? (char *) get_format (self->info) : NULL,
    .shape = (flags & PyBUF_ND) != 0 ? self->shape : NULL,
    .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->strides : NULL,
  };
  Py_INCREF (object);
  return 0;
}

/* --- What Python sees --- */

static PyObject *
new_numbers (const Py_ssize_t *numbers,
             int               n,
             Py_ssize_t        divisor)
{
  PyObject *tuple = PyTuple_New (n);

  for (int i = 0; tuple != NULL && i < n; i++)
    {
      PyObject *number = PyLong_FromSsize_t (numbers[i] / divisor);

      if (number == NULL || PyTuple_SetItem (tuple, i, number) < 0)
        Py_CLEAR (tuple);
    }
  return tuple;
}

static PyObject *
tensor_get_shape (PyObject *object,
                  void     *closure)
{
  const Tensor *self = (const Tensor *) object;

  return new_numbers (self->shape, self->n_dims, 1);
}

static PyObject *
tensor_get_strides (PyObject *object,
                    void     *closure)
{
  const Tensor *self = (const Tensor *) object;

  return new_numbers (self->strides, self->n_dims, self->info->size);
}

static PyObject *
tensor_get_dtype (PyObject *object,
                  void     *closure)
{
  return PyUnicode_FromString (((const Tensor *) object)->info->name);
}

static PyObject *
tensor_get_device (PyObject *object,
                   void     *closure)
{
  return PyUnicode_FromString (PYISOLATE_DEVICE_CPU);
}

static PyObject *
tensor_get_size (PyObject *object,
                 void     *closure)
{
  const Tensor *self = (const Tensor *) object;

  return PyLong_FromSsize_t (self->n_items * self->info->size);
}

static PyObject *
tensor_get_readonly (PyObject *object,
                     void     *closure)
{
  return PyBool_FromLong (((const Tensor *) object)->flags & PYISOLATE_TENSOR_READ_ONLY);
}

static PyObject *
tensor_repr (PyObject *object)
{
  PyObject *shape = tensor_get_shape (object, NULL);
  PyObject *text = NULL;

  if (shape != NULL)
    text = PyUnicode_FromFormat ("<pyisolate.Tensor %R %s>", shape,
                                 ((const Tensor *) object)->info->name);
  Py_XDECREF (shape);
  return text;
}

static PyObject *
convert (PyObject       *object,
         CodecArrayKind  kind)
{
  g_autofree CodecArray *array = dup_array (object);
  int has = kind == ARRAY_NUMPY ? _pyisolate_array_has_numpy () : _pyisolate_array_has_torch ();
  const char *name = _pyisolate_array_kind_name (kind);

  if (has < 0)
    return NULL;
  if (has == 0)
    return PyErr_Format (PyExc_ModuleNotFoundError, "%s is not installed here", name);
  if (kind == ARRAY_NUMPY && !_pyisolate_numpy_has_dtype (array->info))
    return PyErr_Format (PyExc_TypeError, "NumPy has no dtype '%s'", array->info->name);
  array->kind = kind;
  return _pyisolate_array_make (array, &((Tensor *) object)->store);
}

static PyObject *
tensor_numpy (PyObject *object,
              PyObject *unused)
{
  return convert (object, ARRAY_NUMPY);
}

static PyObject *
tensor_torch (PyObject *object,
              PyObject *unused)
{
  return convert (object, ARRAY_TORCH);
}

/* What is given is never copied, and is on the CPU. */
static PyObject *
tensor_dlpack (PyObject *object,
               PyObject *args,
               PyObject *kwargs)
{
  static char *keywords[] = { "stream", "max_version", "dl_device", "copy", NULL };
  PyObject *stream = Py_None, *version = Py_None, *device = Py_None, *copy = Py_None;
  g_autofree CodecArray *array = NULL;
  gboolean versioned = FALSE;

  if (!PyArg_ParseTupleAndKeywords (args, kwargs, "|$OOOO:__dlpack__", keywords, &stream, &version,
                                    &device, &copy))
    return NULL;
  if (stream != Py_None || copy == Py_True)
    {
      PyErr_SetString (PyExc_BufferError, "a tensor in the memory of the CPU is given as it is");
      return NULL;
    }
  if (PyTuple_Check (version) && PyTuple_Size (version) == 2)
    versioned = PyLong_AsLong (PyTuple_GetItem (version, 0)) >= 1;
  if (PyErr_Occurred ())
    return NULL;

  array = dup_array (object);
  if (!versioned && (array->flags & PYISOLATE_TENSOR_READ_ONLY) != 0)
    {
      PyErr_SetString (PyExc_BufferError, "a read-only tensor can be given by DLPack 1.0 only");
      return NULL;
    }
  return _pyisolate_dlpack_export (array, &((Tensor *) object)->store, versioned);
}

static PyObject *
tensor_dlpack_device (PyObject *object,
                      PyObject *unused)
{
  return Py_BuildValue ("(ii)", 1, 0);
}

static PyGetSetDef tensor_getset[] = {
  { "shape", tensor_get_shape, NULL, "How many elements each dimension has.", NULL },
  { "strides", tensor_get_strides, NULL, "How many elements lie between neighbours.", NULL },
  { "dtype", tensor_get_dtype, NULL, "What an element is, such as 'float32'.", NULL },
  { "device", tensor_get_device, NULL, "Where the memory is: 'cpu'.", NULL },
  { "nbytes", tensor_get_size, NULL, "How many bytes all elements have.", NULL },
  { "readonly", tensor_get_readonly, NULL, "Whether it must not be written to.", NULL },
  { NULL }
};

static PyMethodDef tensor_methods[] = {
  { "numpy", tensor_numpy, METH_NOARGS,
    "numpy($self, /)\n--\n\nAs an array of NumPy's over the same memory." },
  { "torch", tensor_torch, METH_NOARGS,
    "torch($self, /)\n--\n\nAs a tensor of torch's over the same memory." },
  { "__dlpack__", (PyCFunction) (void *) tensor_dlpack, METH_VARARGS | METH_KEYWORDS, NULL },
  { "__dlpack_device__", tensor_dlpack_device, METH_NOARGS, NULL },
  { NULL }
};

static PyType_Slot tensor_slots[] = {
  { Py_tp_doc, "An array that is neither NumPy's nor torch's: a buffer with dtype and shape, which\n"
               "memoryview(), numpy.asarray() and torch.from_dlpack() look into without a copy." },
  { Py_tp_new, tensor_refuse },
  { Py_tp_dealloc, tensor_dealloc },
  { Py_tp_repr, tensor_repr },
  { Py_tp_getset, tensor_getset },
  { Py_tp_methods, tensor_methods },
  { Py_bf_getbuffer, tensor_get_buffer },
  { 0, NULL }
};

static PyType_Spec tensor_spec = {
  .name = "pyisolate.Tensor",
  .basicsize = sizeof (Tensor),
  .flags = Py_TPFLAGS_DEFAULT,
  .slots = tensor_slots,
};

gboolean
_pyisolate_tensor_init (PyObject *module)
{
  if (tensor_type == NULL)
    tensor_type = (PyTypeObject *) PyType_FromSpec (&tensor_spec);
  return tensor_type != NULL
         && PyObject_SetAttrString (module, "Tensor", (PyObject *) tensor_type) == 0;
}
