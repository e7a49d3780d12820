/* SPDX-License-Identifier: MIT */
/* Singletons whose methods are Python's.
 *
 * Numbers stand for Python's objects here: singletons and cancellables may be freed in any thread, with any lock held, and
 * nobody must wait for the GIL there. */
#include "pyisolate-host-private.h"

#define PYISOLATE_TYPE_PYTHON_SINGLETON (pyisolate_python_singleton_get_type ())
G_DECLARE_FINAL_TYPE (PyIsolatePythonSingleton, pyisolate_python_singleton, PYISOLATE, PYTHON_SINGLETON,
                      PyIsolateProxiedSingleton)

struct _PyIsolatePythonSingleton {
  PyIsolateProxiedSingleton parent_instance;
  unsigned long long number;
};

G_DEFINE_FINAL_TYPE (PyIsolatePythonSingleton, pyisolate_python_singleton, PYISOLATE_TYPE_PROXIED_SINGLETON)

static void
pyisolate_python_singleton_handle_call (PyIsolateProxiedSingleton *singleton,
                                        PyIsolateInvocation       *invocation)
{
  _pyisolate_host_serve (PYISOLATE_PYTHON_SINGLETON (singleton)->number, invocation);
}

static void
pyisolate_python_singleton_class_init (PyIsolatePythonSingletonClass *klass)
{
  PYISOLATE_PROXIED_SINGLETON_CLASS (klass)->handle_call = pyisolate_python_singleton_handle_call;
}

static void
pyisolate_python_singleton_init (PyIsolatePythonSingleton *self)
{
}

/* add_singleton(context, manager, name, description, number): the methods run where the call was made that led to them, or
 * in the context, which this thread must be the one to iterate. */
static PyObject *
host_add_singleton (PyObject *module,
                    PyObject *args)
{
  PyObject *context_object, *manager_object, *dict;
  const char *name;
  unsigned long long number;
  PyIsolateExtensionManager *manager;
  GMainContext *context;
  g_autoptr (PyIsolatePythonSingleton) singleton = NULL;
  g_autoptr (GVariant) description = NULL;
  g_autoptr (GError) error = NULL;

  if (!PyArg_ParseTuple (args, "OOsOK", &context_object, &manager_object, &name, &dict, &number))
    return NULL;
  context = _pyisolate_host_context_get (context_object);
  manager = _pyisolate_host_get_object (manager_object, PYISOLATE_TYPE_EXTENSION_MANAGER);
  if (context == NULL || manager == NULL)
    return NULL;
  description = _pyisolate_host_encode_vardict (dict, "description");
  if (description == NULL)
    return NULL;

  g_main_context_push_thread_default (context);
  singleton = g_object_new (PYISOLATE_TYPE_PYTHON_SINGLETON, "follow-caller", TRUE, NULL);
  g_main_context_pop_thread_default (context);
  singleton->number = number;
  pyisolate_proxied_singleton_set_description (PYISOLATE_PROXIED_SINGLETON (singleton), description);

  if (!pyisolate_extension_manager_add_singleton (manager, name, PYISOLATE_PROXIED_SINGLETON (singleton), &error))
    {
      PyErr_SetString (PyExc_ValueError, error->message);
      return NULL;
    }

  Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
  { "add_singleton", host_add_singleton, METH_VARARGS, "Let extensions call Python." },
  { NULL }
};

gboolean
_pyisolate_host_add_singleton (PyObject *module)
{
  return PyModule_AddFunctions (module, functions) == 0;
}
