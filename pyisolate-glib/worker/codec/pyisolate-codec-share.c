/* SPDX-License-Identifier: MIT */
/* Shared memory for Python code: empty(), zeros(), share(), from_numpy(), is_shared(). What these
 * return is passed by reference, to any extension and back. */
#include "config.h"

#include "pyisolate-codec-array.h"
#include "pyisolate-memory-private.h"

#include <gio/gio.h>

static PyIsolateAllocateFunc allocate_func;
static gpointer allocate_data;

void
_pyisolate_codec_set_allocator (PyIsolateAllocateFunc func,
                                gpointer              user_data)
{
  allocate_func = func;
  allocate_data = user_data;
}

void
_pyisolate_share_set_error (const GError *error)
{
  PyErr_SetString (PyExc_MemoryError, error->message);
}

/* Mapped. It may have been used before. */
static PyIsolateMemory *
allocate (gsize                size,
          PyIsolateMemoryFlags flags)
{
  PyIsolateMemory *memory;
  g_autoptr(GError) error = NULL;

  Py_BEGIN_ALLOW_THREADS
  memory = allocate_func != NULL ? allocate_func (allocate_data, MAX (size, 1), flags, &error)
                                 : pyisolate_memory_new (MAX (size, 1), flags, &error);
  if (memory != NULL && pyisolate_memory_map (memory, &error) == NULL)
    g_clear_pointer (&memory, pyisolate_memory_unref);
  Py_END_ALLOW_THREADS

  if (memory == NULL)
    _pyisolate_share_set_error (error);
  return memory;
}

/* --- empty() and zeros() --- */

static gboolean
parse_shape (PyObject   *shape,
             CodecArray *array)
{
  PyObject *tuple = PyLong_Check (shape) ? PyTuple_Pack (1, shape) : PySequence_Tuple (shape);
  Py_ssize_t n_dims = tuple != NULL ? PyTuple_Size (tuple) : -1;
  gboolean good = n_dims >= 0;

  if (n_dims > PYISOLATE_MAX_DIMENSIONS)
    {
      PyErr_Format (PyExc_ValueError, "a tensor has at most %d dimensions", PYISOLATE_MAX_DIMENSIONS);
      good = FALSE;
    }
  for (Py_ssize_t i = 0; good && i < n_dims; i++)
    {
      PyObject *number = PyNumber_Index (PyTuple_GetItem (tuple, i));

      array->shape[i] = number != NULL ? PyLong_AsLongLong (number) : -1;
      Py_XDECREF (number);
      if (array->shape[i] < 0 && !PyErr_Occurred ())
        PyErr_SetString (PyExc_ValueError, "a dimension is negative");
      good = !PyErr_Occurred ();
    }
  array->n_dims = MAX (n_dims, 0);
  Py_XDECREF (tuple);
  return good;
}

/* "float32", torch.float32, numpy.float32, numpy.dtype("float32"), float; torch's own ask for torch. */
static gboolean
parse_dtype (PyObject   *dtype,
             CodecArray *array)
{
  g_autofree char *type = _pyisolate_codec_type_name (Py_TYPE (dtype));
  PyObject *text = NULL;
  const char *name = NULL;
  Py_ssize_t length;

  if (PyUnicode_Check (dtype) || strcmp (type, "torch.dtype") == 0)
    text = PyObject_Str (dtype);
  else if (dtype == (PyObject *) &PyFloat_Type)
    text = PyUnicode_FromString ("float64");
  else if (dtype == (PyObject *) &PyLong_Type)
    text = PyUnicode_FromString ("int64");
  else if (dtype == (PyObject *) &PyComplex_Type)
    text = PyUnicode_FromString ("complex128");
  else if (PyType_Check (dtype))
    text = _pyisolate_codec_get (dtype, "__name__");
  else
    text = _pyisolate_codec_get (dtype, "name");
  if (text != NULL && PyUnicode_Check (text))
    name = PyUnicode_AsUTF8AndSize (text, &length);
  if (name != NULL && strlen (name) != (gsize) length)
    name = NULL;
  PyErr_Clear ();

  array->kind = ARRAY_NUMPY;
  if (name != NULL && g_str_has_prefix (name, "torch."))
    {
      array->kind = ARRAY_TORCH;
      name += strlen ("torch.");
    }
  array->info = name != NULL ? _pyisolate_dtype_info_by_name (name) : NULL;
  Py_XDECREF (text);
  if (array->info == NULL)
    PyErr_Format (PyExc_TypeError, "no dtype that can be shared: %R", dtype);
  return array->info != NULL;
}

static PyObject *
new_array (PyObject *args,
           PyObject *kwargs,
           gboolean  cleared)
{
  static char *keywords[] = { "shape", "dtype", NULL };
  g_autofree CodecArray *array = g_new0 (CodecArray, 1);
  g_auto(CodecStore) store = { NULL, NULL, 0 };
  PyObject *shape, *dtype = NULL;
  gint64 low, high, n_items;
  const char *problem;

  if (!PyArg_ParseTupleAndKeywords (args, kwargs, "O|O", keywords, &shape, &dtype)
      || !parse_shape (shape, array))
    return NULL;
  array->info = _pyisolate_dtype_info (PYISOLATE_DTYPE_FLOAT32);
  if (dtype != NULL && !parse_dtype (dtype, array))
    return NULL;
  problem = _pyisolate_layout_window (array->n_dims, array->shape, NULL, array->info->size, &low,
                                      &high, &n_items);
  if (problem != NULL)
    return PyErr_Format (PyExc_ValueError, "no tensor can have this shape: %s", problem);
  _pyisolate_layout_c_strides (array->n_dims, array->shape, array->strides);

  store.memory = allocate (high, PYISOLATE_MEMORY_NONE);
  if (store.memory == NULL)
    return NULL;
  store.size = pyisolate_memory_get_size (store.memory);
  array->data = pyisolate_memory_map (store.memory, NULL);
  if (cleared)
    {
      Py_BEGIN_ALLOW_THREADS
      memset (array->data, 0, high);
      Py_END_ALLOW_THREADS
    }
  return _pyisolate_array_make (array, &store);
}

static PyObject *
share_empty (PyObject *module,
             PyObject *args,
             PyObject *kwargs)
{
  return new_array (args, kwargs, FALSE);
}

static PyObject *
share_zeros (PyObject *module,
             PyObject *args,
             PyObject *kwargs)
{
  return new_array (args, kwargs, TRUE);
}

/* --- share() --- */

static gboolean
read_array (CodecArray *array,
            PyObject   *object)
{
  CodecKind kind = _pyisolate_codec_types_find (Py_TYPE (object));
  g_autofree char *problem = NULL;

  array->view.obj = NULL;
  array->owner = NULL;
  array->memory = NULL;
  if (!_pyisolate_codec_kind_is_array (kind))
    {
      g_autofree char *name = _pyisolate_codec_type_name (Py_TYPE (object));

      PyErr_Format (PyExc_TypeError, "no array of NumPy's or torch's: %s", name);
      return FALSE;
    }
  if (_pyisolate_array_read (array, object, kind, &problem))
    return TRUE;
  if (problem != NULL)
    PyErr_Format (PyExc_TypeError, "cannot share %s", problem);
  return FALSE;
}

static PyObject *
copy_array (CodecArray *array,
            gboolean    readonly)
{
  g_auto(CodecStore) store = { NULL, NULL, 0 };
  const gint64 low = array->low, high = array->high;
  const guint8 *source = array->data + low;

  store.memory = allocate (high - low, readonly ? PYISOLATE_MEMORY_READ_ONLY : PYISOLATE_MEMORY_NONE);
  if (store.memory == NULL)
    return NULL;
  store.size = pyisolate_memory_get_size (store.memory);
  array->data = pyisolate_memory_map (store.memory, NULL) - low;
  Py_BEGIN_ALLOW_THREADS
  memcpy (array->data + low, source, high - low);
  Py_END_ALLOW_THREADS

  array->flags &= ~PYISOLATE_TENSOR_READ_ONLY;
  if (readonly)
    array->flags |= PYISOLATE_TENSOR_READ_ONLY;
  return _pyisolate_array_make (array, &store);
}

static PyObject *
share_object (PyObject *object,
              gboolean  readonly)
{
  g_autofree CodecArray *array = g_new (CodecArray, 1);
  PyObject *result = NULL;

  if (read_array (array, object))
    {
      if (array->memory != NULL && (!readonly || pyisolate_memory_is_read_only (array->memory)))
        {
          Py_INCREF (object);
          result = object;
        }
      else
        {
          result = copy_array (array, readonly);
        }
    }
  _pyisolate_array_clear (array);
  return result;
}

static PyObject *
share_share (PyObject *module,
             PyObject *args,
             PyObject *kwargs)
{
  static char *keywords[] = { "array", "readonly", NULL };
  PyObject *object;
  int readonly = FALSE;

  if (!PyArg_ParseTupleAndKeywords (args, kwargs, "O|p:share", keywords, &object, &readonly))
    return NULL;
  return share_object (object, readonly);
}

static PyObject *
share_from_numpy (PyObject *module,
                  PyObject *object)
{
  CodecKind kind = _pyisolate_codec_types_find (Py_TYPE (object));

  if (kind != KIND_NUMPY_ARRAY && kind != KIND_NUMPY_MEMMAP)
    return PyErr_Format (PyExc_TypeError, "no array of NumPy's: %R", Py_TYPE (object));
  return share_object (object, FALSE);
}

static PyObject *
share_is_shared (PyObject *module,
                 PyObject *object)
{
  g_autofree CodecArray *array = g_new (CodecArray, 1);
  gboolean known = read_array (array, object);
  gboolean is_shared = known && array->memory != NULL;

  _pyisolate_array_clear (array);
  return known ? PyBool_FromLong (is_shared) : NULL;
}

static PyMethodDef functions[] = {
  { "empty", (PyCFunction) (void *) share_empty, METH_VARARGS | METH_KEYWORDS,
    "empty(shape, dtype='float32')\n--\n\n"
    "A new array in shared memory, whose content is arbitrary: of torch's if dtype is one of\n"
    "torch's, else of NumPy's if it is installed and has the dtype." },
  { "zeros", (PyCFunction) (void *) share_zeros, METH_VARARGS | METH_KEYWORDS,
    "zeros(shape, dtype='float32')\n--\n\nThe same, filled with zeros." },
  { "share", (PyCFunction) (void *) share_share, METH_VARARGS | METH_KEYWORDS,
    "share(array, readonly=False)\n--\n\n"
    "The array itself if it is in shared memory, else a copy there, of the same kind. No\n"
    "other process can write to what is shared read-only." },
  { "from_numpy", share_from_numpy, METH_O,
    "from_numpy(array, /)\n--\n\nshare() for an array of NumPy's." },
  { "is_shared", share_is_shared, METH_O,
    "is_shared(array, /)\n--\n\nWhether the array is in shared memory: passing it copies nothing." },
  { NULL }
};

gboolean
_pyisolate_share_init (PyObject *module)
{
  return PyModule_AddFunctions (module, functions) == 0;
}
