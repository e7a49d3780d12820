/* SPDX-License-Identifier: MIT */
/* Taking arrays apart. NumPy's speak by the buffer protocol and torch's by DLPack, whatever version
 * they are of; what these do not tell is asked by attributes. */
#include "config.h"

#include "pyisolate-codec-array.h"
#include "pyisolate-memory-private.h"

#define MAX_VIEWS 16 /* of a view of a view; NumPy makes no such chains by itself */

static const char *const kind_names[] = { "numpy", "torch", "tensor" };

const char *
_pyisolate_array_kind_name (CodecArrayKind kind)
{
  return kind_names[kind];
}

/* -1: there is none of that name */
int
_pyisolate_array_kind_by_name (const char *name)
{
  for (int i = 0; i < N_ARRAY_KINDS; i++)
    {
      if (strcmp (kind_names[i], name) == 0)
        return i;
    }
  return -1;
}

void
_pyisolate_array_clear (CodecArray *self)
{
  if (self->view.obj != NULL)
    PyBuffer_Release (&self->view);
  Py_CLEAR (self->owner);
  g_clear_pointer (&self->memory, pyisolate_memory_unref);
}

/* A name that is asked for again and again, kept at @name once it is made. Borrowed; NULL with an exception */
static PyObject *
intern (PyObject  **name,
        const char *text)
{
  if (*name == NULL)
    *name = PyUnicode_InternFromString (text);
  return *name;
}

/* Where the elements are. FALSE: such strides cannot be. */
static gboolean
locate (CodecArray *self)
{
  gint64 n_items;
  PyIsolateMemory *memory;

  if (_pyisolate_layout_window (self->n_dims, self->shape, self->strides, self->info->size, &self->low, &self->high,
                                &n_items) != NULL)
    return FALSE;
  if (self->high == self->low)
    return TRUE;

  memory = pyisolate_memory_find (self->data + self->low, self->high - self->low);
  if (memory == NULL)
    self->memory = _pyisolate_storage_find (self->data + self->low, self->high - self->low, &self->start);
  else if (memory->is_stray)
    pyisolate_memory_unref (memory);
  else
    {
      self->start = pyisolate_memory_map (memory, NULL);
      self->memory = memory;
    }
  return TRUE;
}

/* "a NumPy array of dtype '>i4'" */
static gboolean
refuse_dtype (PyObject    *object,
              const char  *what,
              char       **problem)
{
  PyObject *dtype, *text;
  const char *utf8;

  PyErr_Clear ();
  dtype = _pyisolate_codec_get (object, "dtype");
  text = dtype != NULL ? PyObject_Str (dtype) : NULL;
  utf8 = text != NULL ? PyUnicode_AsUTF8AndSize (text, NULL) : NULL;
  PyErr_Clear ();
  *problem = g_strdup_printf ("%s of dtype '%s'", what, utf8 != NULL ? utf8 : "?");
  Py_XDECREF (dtype);
  Py_XDECREF (text);
  return FALSE;
}

/* --- NumPy --- */

/* The dtype that a format of the buffer protocol means; NULL: none of ours. */
static const PyIsolateDtypeInfo *
find_dtype (const char *format,
            gsize       item_size)
{
  static const struct {
    const char *formats;
    guint       code;
  } groups[] = { { "bhilq", 0 }, { "BHILQ", 1 }, { "efd", 2 } };

  if (format == NULL)
    format = "B";
  if (*format == '@' || *format == '=' || *format == (G_BYTE_ORDER == G_LITTLE_ENDIAN ? '<' : '>'))
    format++;
  if (strcmp (format, "?") == 0)
    return _pyisolate_dtype_info (PYISOLATE_DTYPE_BOOL);
  if (strcmp (format, "Zf") == 0)
    return _pyisolate_dtype_info (PYISOLATE_DTYPE_COMPLEX64);
  if (strcmp (format, "Zd") == 0)
    return _pyisolate_dtype_info (PYISOLATE_DTYPE_COMPLEX128);
  for (guint i = 0; format[0] != '\0' && format[1] == '\0' && i < G_N_ELEMENTS (groups); i++)
    {
      if (strchr (groups[i].formats, format[0]) != NULL)
        return _pyisolate_dtype_info_by_dlpack (groups[i].code, 8 * item_size, 1);
    }
  return NULL;
}

/* FALSE: an array of records' field, whose items lie at places that are no multiples of their size */
static gboolean
take_layout (CodecArray *self)
{
  Py_buffer *view = &self->view;

  self->data = view->buf;
  self->n_dims = view->ndim;
  for (int i = 0; i < view->ndim; i++)
    {
      self->shape[i] = view->shape[i];
      if (view->strides[i] % view->itemsize != 0 && view->shape[i] > 1)
        return FALSE;
      self->strides[i] = view->strides[i] / view->itemsize;
    }
  return TRUE;
}

static gboolean
get_view (CodecArray  *self,
          PyObject    *object,
          char       **problem)
{
  if (PyObject_GetBuffer (object, &self->view, PyBUF_STRIDES | PyBUF_FORMAT) < 0)
    {
      self->view.obj = NULL;
      if (!PyErr_ExceptionMatches (PyExc_ValueError) && !PyErr_ExceptionMatches (PyExc_BufferError)
          && !PyErr_ExceptionMatches (PyExc_NotImplementedError))
        return FALSE;
      return refuse_dtype (object, "a NumPy array", problem);
    }
  self->info = find_dtype (self->view.format, self->view.itemsize);
  if (self->info == NULL || self->info->size != self->view.itemsize)
    return refuse_dtype (object, "a NumPy array", problem);
  return TRUE;
}

/* torch knows no gradients of whole numbers, as which a view may see others. */
static gboolean
may_require_grad (const PyIsolateDtypeInfo *info)
{
  switch (info->dtype)
    {
    case PYISOLATE_DTYPE_FLOAT16:
    case PYISOLATE_DTYPE_FLOAT32:
    case PYISOLATE_DTYPE_FLOAT64:
    case PYISOLATE_DTYPE_COMPLEX64:
    case PYISOLATE_DTYPE_COMPLEX128:
      return TRUE;
    default:
      return FALSE;
    }
}

/* An array that stands for what another kind was sent as, or a view of one, goes back as that kind, and requires a gradient as
 * that did. */
static void
find_origin (CodecArray *self,
             PyObject   *object)
{
  static PyObject *kept;
  PyObject *name = intern (&kept, "base");
  PyObject *base = name != NULL ? PyObject_GetAttr (object, name) : NULL;

  self->kind = ARRAY_NUMPY;
  for (int i = 0; i < MAX_VIEWS && base != NULL && Py_TYPE (base) == Py_TYPE (object); i++)
    {
      PyObject *next = PyObject_GetAttr (base, name);

      Py_DECREF (base);
      base = next;
    }
  if (base == NULL)
    PyErr_Clear ();
  else if (Py_TYPE (base) == _pyisolate_tensor_type ())
    {
      self->kind = _pyisolate_tensor_get_kind (base);
      if (_pyisolate_tensor_get_requires_grad (base) && may_require_grad (self->info))
        self->flags |= PYISOLATE_TENSOR_REQUIRES_GRAD;
    }
  Py_XDECREF (base);
}

/* Of dimensions with one element or none NumPy's buffers, and DLPack, tell other strides than the arrays have. */
static gboolean
has_small_dimension (const CodecArray *self)
{
  for (guint i = 0; i < self->n_dims; i++)
    {
      if (self->shape[i] < 2)
        return TRUE;
    }
  return FALSE;
}

static gboolean
read_small_strides (CodecArray *self,
                    PyObject   *object)
{
  PyObject *strides;

  if (!has_small_dimension (self))
    return TRUE;

  strides = _pyisolate_codec_get (object, "strides");
  for (guint i = 0; strides != NULL && i < self->n_dims; i++)
    {
      gint64 stride = PyLong_AsLongLong (PyTuple_GetItem (strides, i));

      if (stride % self->info->size == 0)
        self->strides[i] = stride / self->info->size;
    }
  Py_XDECREF (strides);
  return strides != NULL;
}

static gboolean
read_numpy (CodecArray  *self,
            PyObject    *object,
            char       **problem)
{
  PyObject *order;

  if (!get_view (self, object, problem))
    return FALSE;
  find_origin (self, object);
  if (self->view.readonly)
    self->flags |= PYISOLATE_TENSOR_READ_ONLY;
  if (take_layout (self))
    return read_small_strides (self, object);

  PyBuffer_Release (&self->view);
  order = PyUnicode_FromString ("C");
  self->owner = order != NULL ? _pyisolate_codec_call (object, "copy", order) : NULL;
  Py_XDECREF (order);
  return self->owner != NULL && get_view (self, self->owner, problem) && take_layout (self);
}

/* --- torch --- */

/* @answer: consumed; NULL: an exception, for which it is -1 */
static int
is_true (PyObject *answer)
{
  int result = answer != NULL ? PyObject_IsTrue (answer) : -1;

  Py_XDECREF (answer);
  return result;
}

static int
is_negated (PyObject *object)
{
  static PyObject *kept;
  PyObject *name = intern (&kept, "is_neg");

  return is_true (name != NULL ? PyObject_CallMethodObjArgs (object, name, NULL) : NULL);
}

static int
requires_grad (PyObject *object)
{
  static PyObject *kept;
  PyObject *name = intern (&kept, "requires_grad");

  return is_true (name != NULL ? PyObject_GetAttr (object, name) : NULL);
}

/* DLPack gives these away without saying that the memory does not hold what the tensor does.
 * FALSE with an exception or a problem. */
static gboolean
check_lazy (CodecArray  *self,
            PyObject    *object,
            char       **problem)
{
  gboolean is_complex = self->info != NULL && g_str_has_prefix (self->info->name, "complex");
  int is_conj = is_complex ? is_true (_pyisolate_codec_call (object, "is_conj", NULL)) : 0;
  int is_neg = is_conj == 0 ? is_negated (object) : 0;

  if (is_conj > 0)
    *problem = g_strdup ("a tensor whose conjugation is only noted: call resolve_conj()");
  else if (is_neg > 0)
    *problem = g_strdup ("a tensor whose negation is only noted: call resolve_neg()");
  return is_conj == 0 && is_neg == 0;
}

/* NULL: the elements lie where strides say, or nobody knows */
static char *
explain_layout (PyObject *object)
{
  PyObject *layout = _pyisolate_codec_get (object, "layout");
  PyObject *text = layout != NULL ? PyObject_Str (layout) : NULL;
  const char *name = text != NULL ? PyUnicode_AsUTF8AndSize (text, NULL) : NULL;
  char *problem = NULL;

  if (name != NULL && strcmp (name, "torch.strided") != 0)
    problem = g_strdup_printf ("a tensor of the layout '%s': call to_dense()", name);
  Py_XDECREF (text);
  Py_XDECREF (layout);
  PyErr_Clear ();
  return problem;
}

/* Says why DLPack refused a tensor. FALSE: always */
static gboolean
explain_refusal (PyObject  *object,
                 char     **problem)
{
  static const struct {
    const char *name;
    const char *problem;
  } reasons[] = {
    { "is_sparse", "a sparse tensor: call to_dense()" },
    { "is_quantized", "a quantized tensor" },
    { "is_nested", "a nested tensor" },
    { "is_meta", "a tensor without data, on the device 'meta'" },
  };

  if (!PyErr_ExceptionMatches (PyExc_BufferError) && !PyErr_ExceptionMatches (PyExc_RuntimeError))
    return FALSE;
  PyErr_Clear ();
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    {
      int result = is_true (_pyisolate_codec_get (object, reasons[i].name));

      PyErr_Clear ();
      if (result > 0)
        {
          *problem = g_strdup (reasons[i].problem);
          return FALSE;
        }
    }
  *problem = explain_layout (object);
  return *problem == NULL && refuse_dtype (object, "a tensor of this kind, or", problem);
}

static gboolean
read_strides (CodecArray *self,
              PyObject   *object)
{
  PyObject *strides;
  gboolean good;

  if (!has_small_dimension (self))
    return TRUE;

  strides = _pyisolate_codec_call (object, "stride", NULL);
  good = strides != NULL && PyTuple_Check (strides) && PyTuple_Size (strides) == (Py_ssize_t) self->n_dims;
  for (guint i = 0; good && i < self->n_dims; i++)
    self->strides[i] = PyLong_AsLongLong (PyTuple_GetItem (strides, i));
  Py_XDECREF (strides);
  return good && !PyErr_Occurred ();
}

/* A tensor knows its shape, but not whether somebody has resized its storage since: torch looks for itself only sometimes.
 *
 * What is in shared memory, all in one piece, is there whatever the storage says, which torch does not resize: it is not of its
 * making. To ask torch takes several calls, which would be much of what passing such a tensor takes. */
static gboolean
check_storage (CodecArray  *self,
               PyObject    *object,
               char       **problem)
{
  if (locate (self)
      && (self->high == self->low || self->memory != NULL
          || _pyisolate_storage_covers (object, self->data + self->low, self->high - self->low)))
    return TRUE;
  if (!PyErr_Occurred ())
    *problem = g_strdup ("a tensor that is larger than its storage");
  return FALSE;
}

static PyObject *
call_to_dlpack (PyObject *object)
{
  static PyObject *function = NULL;

  if (function == NULL)
    {
      PyObject *module = PyImport_ImportModule ("torch.utils.dlpack");

      function = module != NULL ? _pyisolate_codec_get (module, "to_dlpack") : NULL;
      Py_XDECREF (module);
    }
  return function != NULL ? PyObject_CallFunctionObjArgs (function, object, NULL) : NULL;
}

/* FALSE with an exception or a problem. */
static gboolean
read_capsule (CodecArray  *self,
              PyObject    *object,
              char       **problem)
{
  PyObject *capsule = call_to_dlpack (object);
  gboolean done;

  if (capsule == NULL)
    return explain_refusal (object, problem);

  /* The tensor keeps the memory when the capsule is gone. */
  done = _pyisolate_dlpack_read (capsule, self, problem);
  Py_DECREF (capsule);
  return done && (self->info == NULL || read_strides (self, object));
}

static gboolean
read_torch (CodecArray  *self,
            PyObject    *object,
            char       **problem)
{
  int has_grad;

  _pyisolate_torch_find_origin (object, self);
  if (!_pyisolate_dlpack_look (object, self) && !read_capsule (self, object, problem))
    return FALSE;
  if (!check_lazy (self, object, problem))
    return FALSE;
  if (self->info == NULL)
    return refuse_dtype (object, "a tensor", problem);
  has_grad = requires_grad (object);
  if (has_grad > 0)
    self->flags |= PYISOLATE_TENSOR_REQUIRES_GRAD;
  return has_grad >= 0 && check_storage (self, object, problem);
}

/* The same of an array whose memory its maker answers for. */
static gboolean
check_strides (CodecArray  *self,
               char       **problem)
{
  if (locate (self))
    return TRUE;
  *problem = g_strdup ("an array of such strides");
  return FALSE;
}

gboolean
_pyisolate_array_read (CodecArray  *self,
                       PyObject    *object,
                       CodecKind    kind,
                       char       **problem)
{
  self->flags = 0;
  self->view.obj = NULL;
  self->owner = NULL;
  self->memory = NULL;
  switch (kind)
    {
    case KIND_NUMPY_ARRAY:
    case KIND_NUMPY_MEMMAP:
      return read_numpy (self, object, problem) && check_strides (self, problem);
    case KIND_TORCH_TENSOR:
    case KIND_TORCH_PARAMETER:
      return read_torch (self, object, problem);
    default:
      _pyisolate_tensor_read (object, self);
      return check_strides (self, problem);
    }
}
