/* SPDX-License-Identifier: MIT */
/* _pyisolate_native: the link and the values, for the few Python files beside it.
 *
 * Built for the limited API of Python 3.9: one file for all of them. */
#include "config.h"

#include "pyisolate-native-private.h"

#include "pyisolate-build-id.h"

#include <fcntl.h>
#include <unistd.h>

PyObject *_pyisolate_call_cancelled;

/* A child that the extension forked may use all of Python, but not the link: that is its
 * parent's. */
gboolean
_pyisolate_native_check_process (void)
{
  if (_pyisolate_runtime_is_forked ())
    PyErr_SetString (PyExc_RuntimeError,
                     "The link to the host belongs to the worker; "
                     "a process that it forked has none");
  else if (_pyisolate_runtime.transport == NULL)
    PyErr_SetString (PyExc_RuntimeError, "This process has no link to a host");
  else
    return TRUE;

  return FALSE;
}

gboolean
_pyisolate_native_set_error (const GError *error)
{
  PyErr_SetString (PyExc_OSError, error->message);

  return FALSE;
}

/* As UTF-8 that every reader takes: what is none is escaped. */
char *
_pyisolate_native_dup_text (PyObject *text)
{
  PyObject *bytes = PyUnicode_AsEncodedString (text, "utf-8", "backslashreplace");
  GString *result;
  const char *nul;
  Py_ssize_t size;
  char *data;

  if (bytes == NULL)
    return NULL;
  if (PyBytes_AsStringAndSize (bytes, &data, &size) < 0)
    {
      Py_DECREF (bytes);
      return NULL;
    }

  result = g_string_sized_new (size);
  while ((nul = memchr (data, 0, size)) != NULL)
    {
      g_string_append_len (result, data, nul - data);
      g_string_append (result, "\\x00");
      size -= nul + 1 - data;
      data = (char *) nul + 1;
    }
  g_string_append_len (result, data, size);
  Py_DECREF (bytes);

  return g_string_free (result, FALSE);
}

/* begin_connect(fd): the link is made while Python goes on. Takes the descriptor. */
static PyObject *
native_begin_connect (PyObject *module,
                      PyObject *args)
{
  g_autoptr (GError) error = NULL;
  int fd;

  if (!PyArg_ParseTuple (args, "i:begin_connect", &fd))
    return NULL;
  if (_pyisolate_runtime_has_begun ())
    {
      PyErr_SetString (PyExc_RuntimeError, "There is a link already");
      return NULL;
    }
  if (fcntl (fd, F_SETFD, FD_CLOEXEC) < 0)
    return PyErr_SetFromErrno (PyExc_OSError);

  if (!_pyisolate_runtime_begin_connect (fd, &error))
    {
      _pyisolate_native_set_error (error);
      return NULL;
    }

  Py_RETURN_NONE;
}

/* connect(lane_fd) → the main thread's Inbox, once there is the link that was begun. Takes the descriptor; -1 is no lane. */
static PyObject *
native_connect (PyObject *module,
                PyObject *args)
{
  g_autoptr (GError) error = NULL;
  gboolean connected;
  int lane_fd;

  if (!PyArg_ParseTuple (args, "i:connect", &lane_fd))
    return NULL;
  if (!_pyisolate_runtime_has_begun ())
    {
      PyErr_SetString (PyExc_RuntimeError, "No link was begun");
      return NULL;
    }
  if (lane_fd >= 0 && fcntl (lane_fd, F_SETFD, FD_CLOEXEC) < 0)
    return PyErr_SetFromErrno (PyExc_OSError);

  Py_BEGIN_ALLOW_THREADS
  connected = _pyisolate_runtime_finish_connect (&error);
  Py_END_ALLOW_THREADS

  if (!connected)
    {
      _pyisolate_native_set_error (error);
      return NULL;
    }

  if (lane_fd >= 0)
    _pyisolate_lanes_add (lane_fd);
  _pyisolate_runner_get (PyThread_get_thread_ident ());
  return _pyisolate_native_inbox_new (_pyisolate_runtime.inboxes[PYISOLATE_HOME_MAIN]);
}

/* inbox(home), the Inbox of a thread; inbox(-1), of the calls to interrupt. */
static PyObject *
native_inbox (PyObject *module,
              PyObject *args)
{
  PyIsolateInbox *inbox;
  int home;

  if (!_pyisolate_native_check_process () || !PyArg_ParseTuple (args, "i:inbox", &home))
    return NULL;
  if (home >= PYISOLATE_N_HOMES)
    {
      PyErr_Format (PyExc_ValueError, "There is no home %d", home);
      return NULL;
    }

  inbox = home < 0 ? _pyisolate_runtime.interrupts : _pyisolate_runtime.inboxes[home];
  return _pyisolate_native_inbox_new (inbox);
}

static PyObject *
native_set_link_number (PyObject *module,
                        PyObject *args)
{
  unsigned int number;

  if (!_pyisolate_native_check_process () || !PyArg_ParseTuple (args, "I:set_link_number", &number))
    return NULL;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  _pyisolate_runtime.link_number = number;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  Py_RETURN_NONE;
}

/* set_homes({method: home}): from now on calls are accepted. */
static PyObject *
native_set_homes (PyObject *module,
                  PyObject *args)
{
  g_autoptr (GHashTable) homes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  PyObject *dict;
  PyObject *key;
  PyObject *value;
  Py_ssize_t position = 0;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "O!:set_homes", &PyDict_Type, &dict))
    return NULL;

  while (PyDict_Next (dict, &position, &key, &value))
    {
      const char *name = PyUnicode_AsUTF8AndSize (key, NULL);
      long home = PyLong_AsLong (value);

      if (name == NULL || (home == -1 && PyErr_Occurred ()))
        return NULL;
      g_hash_table_insert (homes, g_strdup (name), GUINT_TO_POINTER ((guint) home + 1));
    }

  g_mutex_lock (&_pyisolate_runtime.mutex);
  if (_pyisolate_runtime.homes == NULL)
    _pyisolate_runtime.homes = g_steal_pointer (&homes);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  Py_RETURN_NONE;
}

/* wait_idle(seconds): whether every call has its answer by then. */
static PyObject *
native_wait_idle (PyObject *module,
                  PyObject *args)
{
  gboolean idle;
  double timeout;

  if (!_pyisolate_native_check_process () || !PyArg_ParseTuple (args, "d:wait_idle", &timeout))
    return NULL;

  Py_BEGIN_ALLOW_THREADS
  idle =
    _pyisolate_in_calls_wait_idle (g_get_monotonic_time () + (gint64) (timeout * G_USEC_PER_SEC));
  Py_END_ALLOW_THREADS

  return PyBool_FromLong (idle);
}

/* flush(): what was sent is on its way. */
static PyObject *
native_flush (PyObject *module,
              PyObject *unused)
{
  if (!_pyisolate_native_check_process ())
    return NULL;

  Py_BEGIN_ALLOW_THREADS
  _pyisolate_runtime_flush ();
  Py_END_ALLOW_THREADS

  Py_RETURN_NONE;
}

/* leave(): the process ends by itself, in its own time. */
static PyObject *
native_leave (PyObject *module,
              PyObject *unused)
{
  g_atomic_int_set (&_pyisolate_runtime.leaving, TRUE);

  Py_RETURN_NONE;
}

static PyObject *
native_is_forked (PyObject *module,
                  PyObject *unused)
{
  return PyBool_FromLong (_pyisolate_runtime_is_forked ());
}

static PyMethodDef module_methods[] = {
  { "begin_connect", native_begin_connect, METH_VARARGS, "Begin to open the link." },
  { "connect", native_connect, METH_VARARGS, "Wait for the link." },
  { "inbox", native_inbox, METH_VARARGS, "The inbox of a home." },
  { "set_link_number", native_set_link_number, METH_VARARGS, "Set the upper half of the ids." },
  { "set_homes", native_set_homes, METH_VARARGS, "Set where methods run, and accept calls." },
  { "wait_idle", native_wait_idle, METH_VARARGS, "Wait until every call is answered." },
  { "flush", native_flush, METH_NOARGS, "Wait until everything is sent." },
  { "leave", native_leave, METH_NOARGS, "Do not end when the link is closed." },
  { "is_forked", native_is_forked, METH_NOARGS, "Whether this is a child of the worker." },
  { NULL, NULL, 0, NULL },
};

static struct PyModuleDef module_definition = {
  PyModuleDef_HEAD_INIT,
  .m_name = "_pyisolate_native",
  .m_doc = "The native part of the runtime in a worker.",
  .m_size = -1,
  .m_methods = module_methods,
};

static gboolean
add_constants (PyObject *module)
{
  static const struct {
    const char *name;
    long value;
  } constants[] = {
    { "CALL", PYISOLATE_FRAME_CALL },
    { "RETURN", PYISOLATE_FRAME_RETURN },
    { "ERROR", PYISOLATE_FRAME_ERROR },
    { "CANCEL", PYISOLATE_FRAME_CANCEL },
    { "LOOP", PYISOLATE_HOME_LOOP },
    { "MAIN", PYISOLATE_HOME_MAIN },
    { "SECOND", PYISOLATE_HOME_SECOND },
    { "POOL", PYISOLATE_HOME_POOL },
    { "SIGNAL", PYISOLATE_RUNTIME_SIGNAL },
    { "OTHER_METHOD", NATIVE_METHOD_OTHER },
    { "DEF_METHOD", NATIVE_METHOD_DEF },
    { "COROUTINE_METHOD", NATIVE_METHOD_COROUTINE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (constants); i++)
    {
      if (PyModule_AddIntConstant (module, constants[i].name, constants[i].value) < 0)
        return FALSE;
    }

  return PyModule_AddStringConstant (module, "BUILD_ID", PYISOLATE_BUILD_ID) == 0 &&
         PyModule_AddStringConstant (module, "STOPPING", PYISOLATE_RUNTIME_STOPPING) == 0;
}

static gboolean
add_exception (PyObject *module)
{
  _pyisolate_call_cancelled =
    PyErr_NewExceptionWithDoc ("pyisolate.CallCancelled",
                               "Raised in a def whose caller cancelled it.",
                               PyExc_KeyboardInterrupt, NULL);
  if (_pyisolate_call_cancelled == NULL)
    return FALSE;

  Py_INCREF (_pyisolate_call_cancelled);
  return PyModule_AddObject (module, "CallCancelled", _pyisolate_call_cancelled) == 0;
}

PyMODINIT_FUNC PyInit__pyisolate_native (void);

PyMODINIT_FUNC
PyInit__pyisolate_native (void)
{
  PyObject *module = PyModule_Create (&module_definition);

  if (module == NULL)
    return NULL;

  if (!add_constants (module) || !add_exception (module) ||
      !_pyisolate_native_frame_init (module) ||
      !_pyisolate_native_inbox_init (module) || !_pyisolate_codec_init (module) ||
      !_pyisolate_native_answer_init (module) || !_pyisolate_native_server_init (module) ||
      PyModule_AddFunctions (module, _pyisolate_native_call_methods) < 0 ||
      PyModule_AddFunctions (module, _pyisolate_native_serve_methods) < 0 ||
      PyModule_AddFunctions (module, _pyisolate_native_server_methods) < 0 ||
      PyModule_AddFunctions (module, _pyisolate_native_run_methods) < 0 ||
      PyModule_AddFunctions (module, _pyisolate_native_cancel_methods) < 0)
    {
      Py_DECREF (module);
      return NULL;
    }
  _pyisolate_codec_set_allocator (_pyisolate_native_allocate_memory, NULL);

  return module;
}
