/* SPDX-License-Identifier: MIT */
/* Making arrays over memory that is there. Of NumPy and torch only what both have had for years is
 * used, and neither is imported before the first array of its kind is wanted. */
#include "config.h"

#include "pyisolate-codec-array.h"

void
_pyisolate_store_ref (CodecStore *self)
{
  if (self->memory != NULL)
    pyisolate_memory_ref (self->memory);
  if (self->bytes != NULL)
    g_atomic_rc_box_acquire (self->bytes);
}

void
_pyisolate_store_clear (CodecStore *self)
{
  g_clear_pointer (&self->memory, pyisolate_memory_unref);
  g_clear_pointer (&self->bytes, g_atomic_rc_box_release);
}

/* --- What is there --- */

static PyObject *ndarray_type;
static PyObject *numpy_dtypes[PYISOLATE_DTYPE_FLOAT8_E8M0FNU + 1];
static PyObject *from_dlpack;

/* 1: @module is imported; 0: it is not installed; -1: it cannot be imported, with an exception */
static int
require (const char  *name,
         PyObject   **module)
{
  PyObject *type, *value, *traceback, *missing;
  gboolean is_absent = FALSE;

  *module = PyImport_ImportModule (name);
  if (*module != NULL)
    return 1;
  if (!PyErr_ExceptionMatches (PyExc_ModuleNotFoundError))
    return -1;

  /* It, and not something that it wants. */
  PyErr_Fetch (&type, &value, &traceback);
  PyErr_NormalizeException (&type, &value, &traceback);
  missing = _pyisolate_codec_get (value, "name");
  if (missing != NULL && PyUnicode_Check (missing))
    is_absent = PyUnicode_CompareWithASCIIString (missing, name) == 0;
  Py_XDECREF (missing);
  PyErr_Clear ();
  if (!is_absent)
    {
      PyErr_Restore (type, value, traceback);
      return -1;
    }
  Py_XDECREF (type);
  Py_XDECREF (value);
  Py_XDECREF (traceback);
  return 0;
}

int
_pyisolate_array_has_numpy (void)
{
  static gboolean is_absent = FALSE;
  PyObject *module;
  int result;

  if (ndarray_type != NULL)
    return 1;
  if (is_absent)
    return 0;
  result = require ("numpy", &module);
  is_absent = result == 0;
  if (result <= 0)
    return result;
  ndarray_type = _pyisolate_codec_get (module, "ndarray");
  Py_DECREF (module);
  return ndarray_type != NULL ? 1 : -1;
}

/* What takes a capsule. torch's public function is written in Python, and in the end calls that. */
static PyObject *
find_from_dlpack (PyObject *torch)
{
  PyObject *inner = _pyisolate_codec_get (torch, "_C");
  PyObject *function = inner != NULL ? _pyisolate_codec_get (inner, "_from_dlpack") : NULL;
  PyObject *module;

  Py_XDECREF (inner);
  if (function != NULL)
    return function;

  PyErr_Clear ();
  module = PyImport_ImportModule ("torch.utils.dlpack");
  function = module != NULL ? _pyisolate_codec_get (module, "from_dlpack") : NULL;
  Py_XDECREF (module);
  return function;
}

int
_pyisolate_array_has_torch (void)
{
  static gboolean is_absent = FALSE;
  PyObject *module;
  int result;

  if (from_dlpack != NULL)
    return 1;
  if (is_absent)
    return 0;
  result = require ("torch", &module);
  is_absent = result == 0;
  if (result <= 0)
    return result;
  from_dlpack = find_from_dlpack (module);
  Py_DECREF (module);
  return from_dlpack != NULL ? 1 : -1;
}

gboolean
_pyisolate_numpy_has_dtype (const PyIsolateDtypeInfo *info)
{
  return info->dtype < PYISOLATE_DTYPE_FLOAT8_E4M3FN && info->dtype != PYISOLATE_DTYPE_BFLOAT16;
}

/* --- NumPy --- */

static PyObject *
get_numpy_dtype (const PyIsolateDtypeInfo *info)
{
  PyObject **slot = &numpy_dtypes[info->dtype];

  if (*slot == NULL)
    {
      PyObject *module = PyImport_ImportModule ("numpy");
      PyObject *name = PyUnicode_FromString (info->name);

      if (module != NULL && name != NULL)
        *slot = _pyisolate_codec_call (module, "dtype", name);
      Py_XDECREF (module);
      Py_XDECREF (name);
    }
  return *slot;
}

/* A stride of a dimension with one element or none may overflow: it is any number. */
static PyObject *
new_tuple (const gint64 *numbers,
           guint         n,
           guint64       factor)
{
  PyObject *tuple = PyTuple_New (n);

  for (guint i = 0; tuple != NULL && i < n; i++)
    {
      PyObject *number = PyLong_FromLongLong ((gint64) ((guint64) numbers[i] * factor));

      if (number == NULL || PyTuple_SetItem (tuple, i, number) < 0)
        Py_CLEAR (tuple);
    }
  return tuple;
}

static PyObject *
make_numpy (const CodecArray *self,
            const CodecStore *store)
{
  const guint8 *start =
    store->memory != NULL ? pyisolate_memory_map (store->memory, NULL) : store->bytes;
  PyObject *dtype = get_numpy_dtype (self->info);
  PyObject *base, *shape, *strides, *array = NULL;

  if (dtype == NULL)
    return NULL;
  base = _pyisolate_tensor_new_base (store, self->flags, self->kind);
  shape = new_tuple (self->shape, self->n_dims, 1);
  strides = new_tuple (self->strides, self->n_dims, self->info->size);
  if (base != NULL && shape != NULL && strides != NULL)
    {
      PyObject *offset = PyLong_FromSsize_t (self->data - start);

      if (offset != NULL)
        array = PyObject_CallFunctionObjArgs (ndarray_type, shape, dtype, base, offset, strides,
                                              NULL);
      Py_XDECREF (offset);
    }
  Py_XDECREF (base);
  Py_XDECREF (shape);
  Py_XDECREF (strides);
  return array;
}

/* --- torch --- */

static gboolean
has_negative_stride (const CodecArray *self)
{
  for (guint i = 0; i < self->n_dims; i++)
    {
      if (self->strides[i] < 0)
        return TRUE;
    }
  return FALSE;
}

/* A view of all of the memory, so that its storage begins where the sender's does. */
static PyObject *
import_view (const CodecArray *self,
             const CodecStore *store,
             guint8           *start)
{
  CodecArray all = { .info = self->info, .data = start, .n_dims = 1 };
  PyObject *base, *shape, *strides, *offset, *name, *view = NULL;

  all.shape[0] = store->size / self->info->size;
  all.strides[0] = 1;
  base = _pyisolate_dlpack_import (&all, store, from_dlpack);
  shape = new_tuple (self->shape, self->n_dims, 1);
  strides = new_tuple (self->strides, self->n_dims, 1);
  offset = PyLong_FromSsize_t ((self->data - start) / self->info->size);
  name = PyUnicode_InternFromString ("as_strided");
  if (base != NULL && shape != NULL && strides != NULL && offset != NULL && name != NULL)
    view = PyObject_CallMethodObjArgs (base, name, shape, strides, offset, NULL);
  Py_XDECREF (base);
  Py_XDECREF (shape);
  Py_XDECREF (strides);
  Py_XDECREF (offset);
  Py_XDECREF (name);
  return view;
}

/* --- A tensor that stands for what another kind was sent as --- */

#define KIND_ATTRIBUTE "_pyisolate_kind"
#define READ_ONLY_ATTRIBUTE "_pyisolate_readonly"

static gboolean has_stand_ins;

/* Where torch leads every view of it. New reference */
static PyObject *
get_root (PyObject *tensor)
{
  PyObject *base = _pyisolate_codec_get (tensor, "_base");

  if (base != Py_None)
    return base; /* NULL: an exception */
  Py_DECREF (base);
  Py_INCREF (tensor);
  return tensor;
}

/* What torch has no word for is noted, too: that nobody is to write to it. */
static gboolean
set_torch_origin (PyObject         *tensor,
                  const CodecArray *self)
{
  PyObject *readonly = (self->flags & PYISOLATE_TENSOR_READ_ONLY) != 0 ? Py_True : Py_False;
  PyObject *root = get_root (tensor);
  PyObject *name = root != NULL ? PyUnicode_FromString (_pyisolate_array_kind_name (self->kind)) : NULL;
  gboolean done = name != NULL && PyObject_SetAttrString (root, KIND_ATTRIBUTE, name) == 0
                  && PyObject_SetAttrString (root, READ_ONLY_ATTRIBUTE, readonly) == 0;

  Py_XDECREF (root);
  Py_XDECREF (name);
  has_stand_ins |= done;
  return done;
}

/* As what a tensor goes back, or a view of one: its kind, and whether it is read-only. */
void
_pyisolate_torch_find_origin (PyObject   *tensor,
                              CodecArray *array)
{
  PyObject *root = has_stand_ins ? get_root (tensor) : NULL;
  PyObject *name = root != NULL ? _pyisolate_codec_get (root, KIND_ATTRIBUTE) : NULL;
  const char *utf8 = name != NULL && PyUnicode_Check (name) ? PyUnicode_AsUTF8AndSize (name, NULL) : NULL;
  int kind = utf8 != NULL ? _pyisolate_array_kind_by_name (utf8) : -1;
  PyObject *readonly = kind >= 0 ? _pyisolate_codec_get (root, READ_ONLY_ATTRIBUTE) : NULL;

  array->kind = kind >= 0 ? kind : ARRAY_TORCH;
  if (readonly == Py_True)
    array->flags |= PYISOLATE_TENSOR_READ_ONLY;
  PyErr_Clear ();
  Py_XDECREF (root);
  Py_XDECREF (name);
  Py_XDECREF (readonly);
}

static PyObject *
make_torch (const CodecArray *self,
            const CodecStore *store)
{
  guint8 *start = store->memory != NULL ? pyisolate_memory_map (store->memory, NULL) : self->data;
  PyObject *tensor =
    start != self->data ? import_view (self, store, start) : _pyisolate_dlpack_import (self, store, from_dlpack);

  if (tensor != NULL && self->kind != ARRAY_TORCH && !set_torch_origin (tensor, self))
    Py_CLEAR (tensor);
  if (tensor != NULL && (self->flags & PYISOLATE_TENSOR_REQUIRES_GRAD) != 0)
    {
      PyObject *result = _pyisolate_codec_call (tensor, "requires_grad_", NULL);

      Py_XDECREF (result);
      if (result == NULL)
        Py_CLEAR (tensor);
    }
  return tensor;
}

/* --- Whatever there is --- */

PyObject *
_pyisolate_array_make (const CodecArray *self,
                       const CodecStore *store)
{
  const CodecArrayKind first = self->kind;
  const CodecArrayKind second = first == ARRAY_NUMPY ? ARRAY_TORCH : ARRAY_NUMPY;
  const CodecArrayKind order[] = { first, second };

  for (guint i = 0; first != ARRAY_TENSOR && i < G_N_ELEMENTS (order); i++)
    {
      int has;

      if (order[i] == ARRAY_NUMPY ? !_pyisolate_numpy_has_dtype (self->info)
                                  : has_negative_stride (self))
        continue;
      has = order[i] == ARRAY_NUMPY ? _pyisolate_array_has_numpy () : _pyisolate_array_has_torch ();
      if (has < 0)
        return NULL;
      if (has > 0)
        return order[i] == ARRAY_NUMPY ? make_numpy (self, store) : make_torch (self, store);
    }
  return _pyisolate_tensor_new (self, store);
}
