/* SPDX-License-Identifier: MIT */
/* Frame: what arrived, decoded by the thread that handles it, so that what cannot be decoded is
 * the error of that call. */
#include "config.h"

#include "pyisolate-native-private.h"

#include <string.h>

typedef struct {
  PyObject_HEAD
  PyIsolateFrame *frame;
} NativeFrame;

static PyTypeObject *frame_type;

static void
native_frame_dealloc (PyObject *object)
{
  PyTypeObject *type = Py_TYPE (object);
  freefunc free_object = (freefunc) PyType_GetSlot (type, Py_tp_free);

  /* In a forked child the lane that it came by is closed, and its descriptor's number may be another file's. */
  if (_pyisolate_runtime_is_forked ())
    ((NativeFrame *) object)->frame->sender = NULL;
  _pyisolate_frame_free (((NativeFrame *) object)->frame);
  free_object (object);
  Py_DECREF ((PyObject *) type);
}

PyObject *
_pyisolate_native_frame_new (PyIsolateFrame *frame)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (frame_type, Py_tp_alloc);
  PyObject *object = alloc (frame_type, 0);

  if (object == NULL)
    {
      _pyisolate_frame_free (frame);
      return NULL;
    }

  ((NativeFrame *) object)->frame = frame;
  return object;
}

gboolean
_pyisolate_native_frame_is (PyObject *object)
{
  return Py_TYPE (object) == frame_type;
}

PyIsolateFrame *
_pyisolate_native_frame_get (PyObject *object)
{
  return ((NativeFrame *) object)->frame;
}

/* For PyArg_ParseTuple(): a Frame, or None for NULL. */
int
_pyisolate_native_frame_convert (PyObject *object,
                                 void     *frame)
{
  if (object != Py_None && !_pyisolate_native_frame_is (object))
    {
      PyErr_SetString (PyExc_TypeError, "a Frame or None is wanted");
      return 0;
    }

  *(PyIsolateFrame **) frame = object == Py_None ? NULL : _pyisolate_native_frame_get (object);
  return 1;
}

static PyObject *
native_frame_get_number (PyObject *self,
                         void     *closure)
{
  PyIsolateFrame *frame = _pyisolate_native_frame_get (self);

  if (strcmp (closure, "kind") == 0)
    return PyLong_FromLong (frame->kind);

  return PyLong_FromUnsignedLongLong (frame->id);
}

static PyObject *
native_frame_get_text (PyObject *self,
                       void     *closure)
{
  PyIsolateFrame *frame = _pyisolate_native_frame_get (self);
  const char *text = strcmp (closure, "target") == 0 ? frame->target
                     : strcmp (closure, "name") == 0 ? frame->name
                                                     : frame->message;

  return PyUnicode_FromString (text != NULL ? text : "");
}

static PyObject *
native_frame_get_state (PyObject *self,
                        void     *closure)
{
  guint64 id = _pyisolate_native_frame_get (self)->id;

  if (!_pyisolate_native_check_process ())
    return NULL;

  if (strcmp (closure, "stopping") == 0)
    {
      gboolean stopping;

      g_mutex_lock (&_pyisolate_runtime.mutex);
      stopping = _pyisolate_runtime.stopping;
      g_mutex_unlock (&_pyisolate_runtime.mutex);

      return PyBool_FromLong (stopping);
    }

  return PyBool_FromLong (strcmp (closure, "cancelled") == 0 ? _pyisolate_in_call_is_cancelled (id)
                                                             : _pyisolate_in_call_is_open (id));
}

/* What came beside the body. FALSE with an exception. */
static gboolean
get_contents (PyIsolateFrame    *frame,
              PyIsolateContents *contents)
{
  *contents = (PyIsolateContents) { .fds = frame->fds, .n_fds = frame->n_fds, .trusts_fds = TRUE };
  if (frame->memory_error != NULL)
    {
      PyErr_SetString (frame->lacks_fds ? PyExc_OSError : PyExc_ValueError, frame->memory_error->message);
      return FALSE;
    }
  if (frame->memories != NULL)
    {
      contents->memories = (PyIsolateMemory *const *) frame->memories->pdata;
      contents->n_memories = frame->memories->len;
    }

  return TRUE;
}

/* Decoded once, the arrays keep what they need: what the method drops is given back with its answer. */
static void
drop_memories (PyIsolateFrame *frame)
{
  g_clear_pointer (&frame->memories, g_ptr_array_unref);
}

/* The arguments of a call: a tuple and a dict. -1: an exception is set. */
int
_pyisolate_native_frame_decode_call (PyObject  *object,
                                     PyObject **args,
                                     PyObject **kwargs)
{
  PyIsolateFrame *frame = _pyisolate_native_frame_get (object);
  gsize size;
  const guint8 *data = g_bytes_get_data (frame->body, &size);
  PyIsolateContents contents;

  int result;

  if (!get_contents (frame, &contents))
    return -1;

  _pyisolate_frame_taken (frame);
  result = _pyisolate_codec_decode_call (data, size, &contents, args, kwargs);
  drop_memories (frame);
  return result;
}

/* What a call gave back. */
PyObject *
_pyisolate_native_frame_decode_value (PyObject *object)
{
  PyIsolateFrame *frame = _pyisolate_native_frame_get (object);
  gsize size;
  const guint8 *data = g_bytes_get_data (frame->body, &size);
  PyIsolateContents contents;
  PyObject *value;

  if (!get_contents (frame, &contents))
    return NULL;

  value = _pyisolate_codec_decode_value (data, size, &contents);
  drop_memories (frame);
  return value;
}

static PyObject *
native_frame_decode_call (PyObject *self,
                          PyObject *unused)
{
  PyObject *args;
  PyObject *kwargs;

  if (_pyisolate_native_frame_decode_call (self, &args, &kwargs) < 0)
    return NULL;

  return Py_BuildValue ("(NN)", args, kwargs);
}

static PyObject *
native_frame_get_value (PyObject *self,
                        PyObject *unused)
{
  return _pyisolate_native_frame_decode_value (self);
}

/* The body of an ERROR is the "a{sv}" itself; as a value it ends in its type. */
static PyObject *
native_frame_decode_details (PyObject *self,
                             PyObject *unused)
{
  static const guint8 ending[] = "\0" PYISOLATE_BODY_DETAILS;
  PyIsolateFrame *frame = _pyisolate_native_frame_get (self);
  g_autoptr (GByteArray) value = g_byte_array_new ();
  gsize size;
  const guint8 *data = g_bytes_get_data (frame->body, &size);

  g_byte_array_append (value, data, size);
  g_byte_array_append (value, ending, sizeof ending - 1);

  return _pyisolate_codec_decode_value (value->data, value->len, NULL);
}

static PyGetSetDef native_frame_getset[] = {
  { "kind", native_frame_get_number, NULL, "One of the kinds in this module.", "kind" },
  { "id", native_frame_get_number, NULL, "The number of the call.", "id" },
  { "target", native_frame_get_text, NULL, "Whose method is called.", "target" },
  { "name", native_frame_get_text, NULL, "The method, or the name of the error.", "name" },
  { "message", native_frame_get_text, NULL, "Of an error.", "message" },
  { "cancelled", native_frame_get_state, NULL, "Whether its caller cancelled it.", "cancelled" },
  { "stopping", native_frame_get_state, NULL, "Whether the extension is being stopped.", "stopping" },
  { "open", native_frame_get_state, NULL, "Whether it has no answer yet.", "open" },
  { NULL, NULL, NULL, NULL, NULL },
};

static PyMethodDef native_frame_methods[] = {
  { "call_arguments", native_frame_decode_call, METH_NOARGS,
   "Decode the arguments of a call: (args, kwargs)." },
  { "value", native_frame_get_value, METH_NOARGS, "Decode the result of a call." },
  { "details", native_frame_decode_details, METH_NOARGS, "Decode the details of an error." },
  { NULL, NULL, 0, NULL },
};

gboolean
_pyisolate_native_frame_init (PyObject *module)
{
  PyType_Slot slots[] = {
    { Py_tp_dealloc, native_frame_dealloc },
    { Py_tp_getset, native_frame_getset },
    { Py_tp_methods, native_frame_methods },
    { Py_tp_doc, "A frame that arrived." },
    { 0, NULL },
  };
  PyType_Spec spec = { "_pyisolate_native.Frame", sizeof (NativeFrame), 0, Py_TPFLAGS_DEFAULT,
                      slots };

  frame_type = (PyTypeObject *) PyType_FromSpec (&spec);
  if (frame_type == NULL)
    return FALSE;

  Py_INCREF ((PyObject *) frame_type);
  return PyModule_AddObject (module, "Frame", (PyObject *) frame_type) == 0;
}
