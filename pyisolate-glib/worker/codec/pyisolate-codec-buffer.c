/* SPDX-License-Identifier: MIT */
/* What a received memoryview looks into: memory of its own with the format and shape of the
 * original. memoryview.cast() makes neither empty nor, for example, big-endian ones. */
#include "config.h"

#include "pyisolate-codec-internal.h"

#define MAX_DIMENSIONS 64 /* of CPython */

typedef struct {
  PyObject_HEAD
  guint8     *data;
  Py_ssize_t  size;
  char       *format;
  Py_ssize_t  item_size;
  int         n_dimensions;
  gboolean    readonly;
  Py_ssize_t  shape[MAX_DIMENSIONS];
  Py_ssize_t  strides[MAX_DIMENSIONS];
} Buffer;

static PyTypeObject *buffer_type;

/* Without this, a Buffer without memory could be made from Python. */
static PyObject *
buffer_refuse (PyTypeObject *type,
               PyObject     *args,
               PyObject     *kwargs)
{
  PyErr_SetString (PyExc_TypeError, "cannot create instances of this type");
  return NULL;
}

static void
buffer_dealloc (PyObject *object)
{
  Buffer *self = (Buffer *) object;
  PyTypeObject *type = Py_TYPE (object);

  g_free (self->data);
  g_free (self->format);
  PyObject_Free (self);
  Py_DECREF (type);
}

static int
buffer_get (PyObject  *object,
            Py_buffer *view,
            int        flags)
{
  Buffer *self = (Buffer *) object;

  if ((flags & PyBUF_WRITABLE) != 0 && self->readonly)
    {
      PyErr_SetString (PyExc_BufferError, "the buffer is read-only");
      view->obj = NULL;
      return -1;
    }
  *view = (Py_buffer) {
    .buf = self->data,
    .obj = object,
    .len = self->size,
    .itemsize = self->item_size,
    .readonly = self->readonly,
    .ndim = self->n_dimensions,
    .format = (flags & PyBUF_FORMAT) != 0 ? self->format : NULL,
    .shape = (flags & PyBUF_ND) != 0 ? self->shape : NULL,
    .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->strides : NULL,
  };
  Py_INCREF (object);
  return 0;
}

static PyType_Slot buffer_slots[] = {
  { Py_tp_new, buffer_refuse },
  { Py_tp_dealloc, buffer_dealloc },
  { Py_bf_getbuffer, buffer_get },
  { 0, NULL }
};

static PyType_Spec buffer_spec = {
  .name = "pyisolate._Buffer",
  .basicsize = sizeof (Buffer),
  .flags = Py_TPFLAGS_DEFAULT,
  .slots = buffer_slots,
};

/* Whether the shape covers exactly the data; sets the strides of C order. */
static gboolean
buffer_set_shape (Buffer   *self,
                  PyObject *shape)
{
  gsize stride = self->item_size;

  self->n_dimensions = PyList_Size (shape);
  for (int i = 0; i < self->n_dimensions; i++)
    {
      self->shape[i] = PyLong_AsSsize_t (PyList_GetItem (shape, i));
      if (self->shape[i] < 0)
        return FALSE;
    }
  for (int i = self->n_dimensions - 1; i >= 0; i--)
    {
      self->strides[i] = stride;
      if (!g_size_checked_mul (&stride, stride, self->shape[i]) || stride > G_MAXSSIZE)
        return FALSE;
    }
  return stride == (gsize) self->size;
}

/* How many bytes an item of this format has. -1: it is none that the module struct knows. */
Py_ssize_t
_pyisolate_codec_buffer_item_size (PyObject *format)
{
  PyObject *module;
  PyObject *size = NULL;
  Py_ssize_t result = -1;

  if (PyUnicode_CompareWithASCIIString (format, "B") == 0)
    return 1;

  module = PyImport_ImportModule ("struct");
  if (module != NULL)
    size = _pyisolate_codec_call (module, "calcsize", format);
  if (size != NULL)
    result = PyLong_AsSsize_t (size);
  Py_XDECREF (module);
  Py_XDECREF (size);
  return result;
}

static Buffer *
buffer_new (PyObject *payload,
            PyObject *format,
            PyObject *data)
{
  Py_ssize_t item_size = _pyisolate_codec_buffer_item_size (format);
  Buffer *self;
  char *bytes;

  if (item_size <= 0)
    return NULL;
  self = PyObject_New (Buffer, buffer_type);
  if (self == NULL)
    return NULL;

  self->item_size = item_size;
  self->size = PyBytes_Size (data);
  self->readonly = PyTuple_GetItem (payload, 0) == Py_True;
  bytes = PyBytes_AsString (data);
  /* An empty view needs an address, too. */
  self->data = g_try_malloc (MAX (self->size, 1));
  self->format = g_strdup (PyUnicode_AsUTF8AndSize (format, NULL));
  if (self->data == NULL)
    {
      Py_DECREF (self);
      PyErr_NoMemory ();
      return NULL;
    }
  memcpy (self->data, bytes, self->size);
  return self;
}

/* A memoryview from (readonly, format, shape, data). NULL: not one, perhaps with an exception. */
PyObject *
_pyisolate_codec_buffer_new_view (PyObject *payload)
{
  PyObject *format, *shape, *data, *view = NULL;
  Buffer *buffer;

  if (!PyTuple_CheckExact (payload) || PyTuple_Size (payload) != 4)
    return NULL;
  format = PyTuple_GetItem (payload, 1);
  shape = PyTuple_GetItem (payload, 2);
  data = PyTuple_GetItem (payload, 3);
  if (!PyBool_Check (PyTuple_GetItem (payload, 0)) || !PyUnicode_CheckExact (format)
      || !PyList_CheckExact (shape) || PyList_Size (shape) > MAX_DIMENSIONS
      || !PyBytes_CheckExact (data))
    return NULL;

  buffer = buffer_new (payload, format, data);
  if (buffer == NULL)
    return NULL;
  if (buffer_set_shape (buffer, shape))
    view = PyMemoryView_FromObject ((PyObject *) buffer);
  Py_DECREF (buffer);
  return view;
}

gboolean
_pyisolate_codec_buffer_init (void)
{
  if (buffer_type == NULL)
    buffer_type = (PyTypeObject *) PyType_FromSpec (&buffer_spec);
  return buffer_type != NULL;
}
