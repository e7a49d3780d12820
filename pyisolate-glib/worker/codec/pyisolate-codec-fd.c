/* SPDX-License-Identifier: MIT */
/* FileDescriptor: what a value can carry besides data. It owns its descriptor. */
#include "config.h"

#include "pyisolate-codec-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct {
  PyObject_HEAD
  int fd; /* -1: closed or detached */
} FileDescriptor;

static PyTypeObject *fd_type;

static PyObject *
wrap_dup (int fd)
{
  FileDescriptor *self;
  int copy = fcntl (fd, F_DUPFD_CLOEXEC, 3);

  if (copy < 0)
    return PyErr_SetFromErrno (PyExc_OSError);
  self = PyObject_New (FileDescriptor, fd_type);
  if (self == NULL)
    {
      close (copy);
      return NULL;
    }
  self->fd = copy;
  return (PyObject *) self;
}

static PyObject *
fd_new (PyTypeObject *type,
        PyObject     *args,
        PyObject     *kwargs)
{
  static char *keywords[] = { "fd", NULL };
  PyObject *source;
  int fd;

  if (!PyArg_ParseTupleAndKeywords (args, kwargs, "O:FileDescriptor", keywords, &source))
    return NULL;
  fd = PyObject_AsFileDescriptor (source);
  return fd >= 0 ? wrap_dup (fd) : NULL;
}

static void
fd_dealloc (PyObject *object)
{
  FileDescriptor *self = (FileDescriptor *) object;
  PyTypeObject *type = Py_TYPE (object);

  if (self->fd >= 0)
    close (self->fd);
  PyObject_Free (self);
  Py_DECREF (type);
}

/* The descriptor, or -1 with an exception. */
int
_pyisolate_codec_fd_get (PyObject *object)
{
  FileDescriptor *self = (FileDescriptor *) object;

  if (self->fd < 0)
    PyErr_SetString (PyExc_ValueError, "the file descriptor is closed");
  return self->fd;
}

static PyObject *
fd_fileno (PyObject *object,
           PyObject *unused)
{
  int fd = _pyisolate_codec_fd_get (object);

  return fd >= 0 ? PyLong_FromLong (fd) : NULL;
}

static PyObject *
fd_detach (PyObject *object,
           PyObject *unused)
{
  int fd = _pyisolate_codec_fd_get (object);
  PyObject *number = fd >= 0 ? PyLong_FromLong (fd) : NULL;

  if (number != NULL)
    ((FileDescriptor *) object)->fd = -1;
  return number;
}

static PyObject *
fd_close (PyObject *object,
          PyObject *unused)
{
  FileDescriptor *self = (FileDescriptor *) object;

  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
  Py_RETURN_NONE;
}

static PyObject *
fd_enter (PyObject *object,
          PyObject *unused)
{
  Py_INCREF (object);
  return object;
}

static PyObject *
fd_exit (PyObject *object,
         PyObject *args)
{
  return fd_close (object, NULL);
}

static PyObject *
fd_repr (PyObject *object)
{
  int fd = ((FileDescriptor *) object)->fd;

  return fd >= 0 ? PyUnicode_FromFormat ("<pyisolate.FileDescriptor %d>", fd)
                 : PyUnicode_FromString ("<pyisolate.FileDescriptor closed>");
}

static PyMethodDef fd_methods[] = {
  { "fileno", fd_fileno, METH_NOARGS, "The number of the descriptor, which stays owned." },
  { "detach", fd_detach, METH_NOARGS, "Hand the descriptor over: the caller closes it." },
  { "close", fd_close, METH_NOARGS, "Close the descriptor; may be called twice." },
  { "__enter__", fd_enter, METH_NOARGS, NULL },
  { "__exit__", fd_exit, METH_VARARGS, NULL },
  { NULL }
};

static PyType_Slot fd_slots[] = {
  { Py_tp_doc, "FileDescriptor(fd)\n--\n\n"
               "An open file that can be sent: a duplicate of fd, a number or an object with a\n"
               "fileno(). It is closed when this object goes." },
  { Py_tp_new, fd_new },
  { Py_tp_dealloc, fd_dealloc },
  { Py_tp_methods, fd_methods },
  { Py_tp_repr, fd_repr },
  { 0, NULL }
};

static PyType_Spec fd_spec = {
  .name = "pyisolate.FileDescriptor",
  .basicsize = sizeof (FileDescriptor),
  .flags = Py_TPFLAGS_DEFAULT,
  .slots = fd_slots,
};

PyTypeObject *
_pyisolate_codec_fd_type (void)
{
  return fd_type;
}

PyObject *
_pyisolate_codec_fd_new_dup (int fd)
{
  return wrap_dup (fd);
}

gboolean
_pyisolate_codec_fd_init (PyObject *module)
{
  if (fd_type == NULL)
    fd_type = (PyTypeObject *) PyType_FromSpec (&fd_spec);
  return fd_type != NULL
         && PyObject_SetAttrString (module, "FileDescriptor", (PyObject *) fd_type) == 0;
}

/* Empty. With the GIL. */
static GArray *spare_array;

GArray *
_pyisolate_codec_take_fds (void)
{
  GArray *array = g_steal_pointer (&spare_array);

  return array != NULL ? array : g_array_new (FALSE, FALSE, sizeof (int));
}

void
_pyisolate_codec_give_fds_back (GArray *array)
{
  g_array_set_size (array, 0);
  if (spare_array == NULL)
    spare_array = array;
  else
    g_array_unref (array);
}
