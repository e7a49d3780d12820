/* SPDX-License-Identifier: MIT */
/* The module _test_codec: the codec as Python tests see it, beside GLib's own GVariant. */
#include "config.h"

#include "pyisolate-codec-objects.h"
#include "pyisolate-codec-private.h"
#include "pyisolate-value-private.h"

#include <unistd.h>

static PyObject *
take_bytes (GBytes *bytes)
{
  g_autoptr(GBytes) owned = bytes;
  gsize size;
  const char *data;

  if (owned == NULL)
    return NULL;
  data = g_bytes_get_data (owned, &size);
  return PyBytes_FromStringAndSize (data, size);
}

/* (bytes, [numbers of the duplicated descriptors]) or, without descriptors, bytes */
static PyObject *
pack_fds (GBytes *bytes,
          GArray *fds)
{
  PyObject *body = take_bytes (bytes);
  PyObject *list, *result;

  if (body == NULL || fds == NULL)
    return body;
  list = PyList_New (fds->len);
  for (guint i = 0; i < fds->len; i++)
    PyList_SetItem (list, i, PyLong_FromLong (g_array_index (fds, int, i)));
  result = PyTuple_Pack (2, body, list);
  Py_DECREF (body);
  Py_DECREF (list);
  return result;
}

static PyObject *
encode (PyObject *module,
        PyObject *value)
{
  return take_bytes (_pyisolate_codec_encode_value (value, "result", NULL));
}

static PyObject *
encode_with_fds (PyObject *module,
                 PyObject *value)
{
  g_autoptr(GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  PyIsolateParcel parcel = { .fds = fds };

  return pack_fds (_pyisolate_codec_encode_value (value, "result", &parcel), fds);
}

/* --- Shared memory --- */

static void
free_memories (PyObject *capsule)
{
  g_ptr_array_unref (PyCapsule_GetPointer (capsule, NULL));
}

static PyIsolateMemory *
allocate (gpointer               user_data,
          gsize                  size,
          PyIsolateMemoryFlags   flags,
          GError               **error)
{
  return pyisolate_memory_new (size, flags, error);
}

/* encode_shared(value, readonly=False) → (bytes, memories in a capsule, how many) */
static PyObject *
encode_shared (PyObject *module,
               PyObject *args)
{
  g_autoptr(GPtrArray) memories = NULL;
  PyIsolateParcel parcel = { .memories = &memories, .allocate = allocate };
  PyObject *value, *bytes;
  guint n_memories;

  if (!PyArg_ParseTuple (args, "O|p", &value, &parcel.readonly))
    return NULL;
  bytes = take_bytes (_pyisolate_codec_encode_value (value, "result", &parcel));
  if (bytes == NULL)
    {
      g_assert (memories == NULL || memories->len == 0);
      return NULL;
    }
  if (memories == NULL)
    memories = g_ptr_array_new ();
  n_memories = memories->len;
  return Py_BuildValue ("(NNI)", bytes,
                        PyCapsule_New (g_steal_pointer (&memories), NULL, free_memories), n_memories);
}

/* decode_shared(bytes, memories, foreign=False). As from another process: the memories are mapped
 * a second time. */
static PyObject *
decode_shared (PyObject *module,
               PyObject *args)
{
  g_autoptr(GPtrArray) foreign =
    g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  PyIsolateContents contents = { 0 };
  PyObject *capsule;
  GPtrArray *memories;
  const char *data;
  Py_ssize_t size;
  int is_foreign = FALSE;

  if (!PyArg_ParseTuple (args, "y#O|p", &data, &size, &capsule, &is_foreign))
    return NULL;
  memories = PyCapsule_GetPointer (capsule, NULL);
  for (guint i = 0; is_foreign && i < memories->len; i++)
    {
      int fd = pyisolate_memory_dup_fd (g_ptr_array_index (memories, i), NULL);

      g_ptr_array_add (foreign, pyisolate_memory_new_from_fd (fd, NULL));
      close (fd);
    }
  if (is_foreign)
    memories = foreign;
  contents.memories = (PyIsolateMemory *const *) memories->pdata;
  contents.n_memories = memories->len;
  return _pyisolate_codec_decode_value ((const guint8 *) data, size, &contents);
}

/* memory_size(memories, index) */
static PyObject *
memory_size (PyObject *module,
             PyObject *args)
{
  PyObject *capsule;
  GPtrArray *memories;
  unsigned int index;

  if (!PyArg_ParseTuple (args, "OI", &capsule, &index))
    return NULL;
  memories = PyCapsule_GetPointer (capsule, NULL);
  return PyLong_FromSize_t (pyisolate_memory_get_size (g_ptr_array_index (memories, index)));
}

/* name_again(memories, index): one more number for the same piece */
static PyObject *
name_again (PyObject *module,
            PyObject *args)
{
  PyObject *capsule;
  GPtrArray *memories;
  unsigned int index;

  if (!PyArg_ParseTuple (args, "OI", &capsule, &index))
    return NULL;
  memories = PyCapsule_GetPointer (capsule, NULL);
  g_ptr_array_add (memories, pyisolate_memory_ref (g_ptr_array_index (memories, index)));
  Py_RETURN_NONE;
}

static PyObject *
encode_call (PyObject *module,
             PyObject *args)
{
  PyObject *positional, *keywords = NULL;

  if (!PyArg_ParseTuple (args, "O!|O!", &PyTuple_Type, &positional, &PyDict_Type, &keywords))
    return NULL;
  return take_bytes (_pyisolate_codec_encode_call (positional, keywords, NULL));
}

/* decode(bytes, fds=(), misaligned=0) */
static PyObject *
decode (PyObject *module,
        PyObject *args)
{
  const char *data;
  Py_ssize_t size, n_fds;
  PyObject *numbers = NULL, *value;
  int shift = 0;
  g_autofree guint8 *copy = NULL;
  g_autofree int *fds = NULL;
  PyIsolateContents contents;

  if (!PyArg_ParseTuple (args, "y#|O!i", &data, &size, &PyTuple_Type, &numbers, &shift))
    return NULL;
  /* In a block of exactly its size, so that a sanitizer sees a read beyond its end. */
  copy = g_malloc (MAX (size + shift, 1));
  memcpy (copy + shift, data, size);
  n_fds = numbers != NULL ? PyTuple_Size (numbers) : 0;
  fds = g_new (int, n_fds);
  for (Py_ssize_t i = 0; i < n_fds; i++)
    fds[i] = PyLong_AsLong (PyTuple_GetItem (numbers, i));
  contents = (PyIsolateContents) { .fds = fds, .n_fds = n_fds };
  value = _pyisolate_codec_decode_value (copy + shift, size, &contents);
  return value;
}

static PyObject *
decode_call (PyObject *module,
             PyObject *args)
{
  const char *data;
  Py_ssize_t size;
  PyObject *positional, *keywords;
  g_autofree guint8 *copy = NULL;

  if (!PyArg_ParseTuple (args, "y#", &data, &size))
    return NULL;
  copy = g_memdup2 (data, size);
  if (_pyisolate_codec_decode_call (copy, size, NULL, &positional, &keywords) < 0)
    return NULL;
  return Py_BuildValue ("(NN)", positional, keywords);
}

/* --- GLib's GVariant --- */

/* glib_print(type, bytes) → (text, whether GLib calls it the normal form) */
static PyObject *
glib_print (PyObject *module,
            PyObject *args)
{
  const char *type, *data;
  Py_ssize_t size;
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(GVariant) variant = NULL;
  g_autofree char *text = NULL;

  if (!PyArg_ParseTuple (args, "sy#", &type, &data, &size))
    return NULL;
  bytes = g_bytes_new (data, size);
  variant = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), bytes, FALSE));
  text = g_variant_print (variant, TRUE);
  return Py_BuildValue ("(sO)", text, g_variant_is_normal_form (variant) ? Py_True : Py_False);
}

/* glib_serialise(text) → the bytes of a variant that holds what the text says */
static PyObject *
glib_serialise (PyObject *module,
                PyObject *args)
{
  const char *text;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) value = NULL;
  g_autoptr(GVariant) variant = NULL;

  if (!PyArg_ParseTuple (args, "s", &text))
    return NULL;
  value = g_variant_parse (NULL, text, NULL, NULL, &error);
  if (value == NULL)
    {
      PyErr_SetString (PyExc_ValueError, error->message);
      return NULL;
    }
  variant = g_variant_ref_sink (g_variant_new_variant (value));
  return take_bytes (g_variant_get_data_as_bytes (variant));
}

/* check(type, bytes): what the host does with bytes from a worker. ValueError: BAD_MESSAGE. */
static PyObject *
check (PyObject *module,
       PyObject *args)
{
  const char *type, *data;
  Py_ssize_t size;
  g_autoptr(GBytes) bytes = NULL;
  g_autoptr(GVariant) variant = NULL;
  g_autoptr(GError) error = NULL;

  if (!PyArg_ParseTuple (args, "sy#", &type, &data, &size))
    return NULL;
  bytes = g_bytes_new (data, size);
  if (!_pyisolate_value_check_bytes (bytes, G_VARIANT_TYPE (type), &variant, &error))
    {
      PyErr_SetString (PyExc_ValueError, error->message);
      return NULL;
    }
  Py_RETURN_NONE;
}

/* know_objects(bool) → which of them the codec can look into */
static PyObject *
know_objects (PyObject *module,
              PyObject *known)
{
  static CodecKnown had;
  static gboolean is_kept;

  if (!is_kept)
    had = _pyisolate_known;
  is_kept = TRUE;
  if (known == Py_True)
    _pyisolate_known = had;
  else
    memset (&_pyisolate_known, 0, sizeof _pyisolate_known);
  return Py_BuildValue ("{sNsNsNsNsN}", "list", PyBool_FromLong (had.lists), "tuple", PyBool_FromLong (had.tuples),
                        "float", PyBool_FromLong (had.floats), "int", PyBool_FromLong (had.ints != CODEC_INTS_UNKNOWN),
                        "str", PyBool_FromLong (had.ascii != 0));
}

static PyMethodDef functions[] = {
  { "encode", encode, METH_O, NULL },
  { "encode_with_fds", encode_with_fds, METH_O, NULL },
  { "encode_call", encode_call, METH_VARARGS, NULL },
  { "encode_shared", encode_shared, METH_VARARGS, NULL },
  { "decode_shared", decode_shared, METH_VARARGS, NULL },
  { "memory_size", memory_size, METH_VARARGS, NULL },
  { "name_again", name_again, METH_VARARGS, NULL },
  { "decode", decode, METH_VARARGS, NULL },
  { "decode_call", decode_call, METH_VARARGS, NULL },
  { "glib_print", glib_print, METH_VARARGS, NULL },
  { "glib_serialise", glib_serialise, METH_VARARGS, NULL },
  { "check", check, METH_VARARGS, NULL },
  { "know_objects", know_objects, METH_O, NULL },
  { NULL }
};

static struct PyModuleDef definition = {
  PyModuleDef_HEAD_INIT,
  .m_name = "_test_codec",
  .m_size = -1,
  .m_methods = functions,
};

PyMODINIT_FUNC PyInit__test_codec (void);

PyMODINIT_FUNC
PyInit__test_codec (void)
{
  PyObject *module = PyModule_Create (&definition);

  if (module != NULL && !_pyisolate_codec_init (module))
    Py_CLEAR (module);
  return module;
}
