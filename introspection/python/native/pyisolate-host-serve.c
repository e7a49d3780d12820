/* SPDX-License-Identifier: MIT */
/* A call of a singleton, from its bytes to its answer, where no more of Python than the method itself is needed.
 *
 * What is rare (a method that is not there, an exception to describe, a coroutine where no event loop can run it) is left to
 * the functions that _singleton.py hands over. */
#include "pyisolate-host-private.h"

/* Handed over once each, and needed until the process ends. */
static struct {
  PyObject *served;             /* number of a singleton → Served */
  PyObject *current_invocation; /* the ContextVar */
  PyObject *coroutine_type;
  PyObject *on_call;            /* on_call(number, invocation): what no call led to */
  PyObject *on_cancel;          /* on_cancel(number): of a task that is followed */
  PyObject *find;               /* find(served, name): raises what is wrong */
  PyObject *fail;               /* fail(bridge, invocation, error) */
  PyObject *follow;             /* follow(bridge, task, invocation): it is not done yet */
  PyObject *wait;               /* wait(bridge, context, awaitable, invocation): anything that is awaited; returns what is to be
                                 * raised elsewhere, or None */
} python;

static struct {
  PyObject *is_closed;
  PyObject *extension;
  PyObject *method;
  PyObject *await;
} names;

/* Where a Served has what. */
enum { SERVED_INSTANCE, SERVED_MANAGER, SERVED_METHODS };

/* Names of methods that there are, as objects that attributes are looked up by faster. */
static GHashTable *known_names;

/* ---- the answer ---- */

PyObject *
_pyisolate_host_take_exception (void)
{
  PyObject *type, *value, *traceback;

  PyErr_Fetch (&type, &value, &traceback);
  PyErr_NormalizeException (&type, &value, &traceback);
  if (traceback != NULL)
    PyException_SetTraceback (value, traceback);
  Py_XDECREF (type);
  Py_XDECREF (traceback);

  return value;
}

/* By the exception that is set. FALSE, here and below: one is set that concerns nobody. */
static gboolean
answer_raised (PyObject *bridge,
               PyObject *invocation)
{
  PyObject *error = _pyisolate_host_take_exception ();
  PyObject *returned = PyObject_CallFunctionObjArgs (python.fail, bridge, invocation, error, NULL);

  Py_XDECREF (error);
  Py_XDECREF (returned);
  return returned != NULL;
}

static gboolean
answer (PyObject *bridge,
        PyObject *invocation,
        PyObject *value)
{
  PyObject *returned;

  if (_pyisolate_host_invocation_is (invocation))
    return _pyisolate_host_invocation_answer (_pyisolate_host_invocation_get (invocation), value) ||
           answer_raised (bridge, invocation);

  returned = PyObject_CallMethod (invocation, "return_value", "(O)", value);
  Py_XDECREF (returned);
  return returned != NULL || answer_raised (bridge, invocation);
}

/* It waits for anything that can be awaited, wherever that may be. */
static gboolean
leave_to_python (PyObject *bridge,
                 PyObject *context,
                 PyObject *awaitable,
                 PyObject *invocation)
{
  PyObject *returned = PyObject_CallFunctionObjArgs (python.wait, bridge, context, awaitable, invocation, NULL);
  gboolean ok = returned == Py_None;

  if (returned == NULL)
    ok = answer_raised (bridge, invocation);
  else if (!ok) /* an exception, of which the caller knows */
    PyErr_SetObject ((PyObject *) Py_TYPE (returned), returned);
  Py_XDECREF (returned);

  return ok;
}

static gboolean
follow (PyObject *bridge,
        PyObject *task,
        PyObject *invocation)
{
  PyObject *returned = PyObject_CallFunctionObjArgs (python.follow, bridge, task, invocation, NULL);

  Py_XDECREF (returned);
  return returned != NULL || answer_raised (bridge, invocation);
}

/* Of a task that is done. */
static gboolean
answer_by_task (PyObject *bridge,
                PyObject *task,
                PyObject *invocation)
{
  PyObject *value = _pyisolate_tasks_get_result (task);
  gboolean ok;

  if (value == NULL)
    return answer_raised (bridge, invocation);

  ok = answer (bridge, invocation, value);
  Py_DECREF (value);

  return ok;
}


static gboolean
start_coroutine (PyObject *bridge,
                 PyObject *context,
                 PyObject *coroutine,
                 PyObject *invocation)
{
  PyIsolateHostContext *self = (PyIsolateHostContext *) bridge;
  PyObject *task;
  int is_done;
  gboolean ok;

  /* Without a loop, or while that waits itself, nothing runs it. */
  if (self->tasks == NULL || self->n_waiting > 0)
    return leave_to_python (bridge, context, coroutine, invocation);

  task = _pyisolate_tasks_start (_pyisolate_host_tasks_get (self->tasks), coroutine, context);
  if (task == NULL)
    return answer_raised (bridge, invocation);

  is_done = _pyisolate_tasks_is_done (task);
  if (is_done < 0)
    ok = answer_raised (bridge, invocation);
  else if (is_done)
    ok = answer_by_task (bridge, task, invocation);
  else
    ok = follow (bridge, task, invocation);
  Py_DECREF (task);

  return ok;
}

/* ---- the call ---- */

/* The name of the method as an object; NULL with an exception. *@is_known: it is kept already. */
static PyObject *
get_name (PyObject *invocation,
          gboolean *is_known)
{
  PyObject *name = NULL;

  if (_pyisolate_host_invocation_is (invocation))
    name = g_hash_table_lookup (known_names, pyisolate_invocation_get_method (_pyisolate_host_invocation_get (invocation)));
  *is_known = name != NULL;
  if (name == NULL)
    return PyObject_GetAttr (invocation, names.method);

  Py_INCREF (name);
  return name;
}

static void
keep_name (PyObject *name)
{
  const char *text = PyUnicode_AsUTF8AndSize (name, NULL);
  PyObject *kept;

  if (text == NULL || g_hash_table_contains (known_names, text))
    return;

  kept = PyUnicode_InternFromString (text);
  if (kept != NULL)
    g_hash_table_insert (known_names, g_strdup (text), kept);
}

/* NULL with an exception. */
static PyObject *
find_method (PyObject *served,
             PyObject *invocation)
{
  gboolean is_known;
  PyObject *name = get_name (invocation, &is_known);
  PyObject *methods = PyTuple_GetItem (served, SERVED_METHODS);
  PyObject *instance = PyTuple_GetItem (served, SERVED_INSTANCE);
  int is_there = name != NULL && methods != NULL && instance != NULL ? PySet_Contains (methods, name) : -1;
  PyObject *method = NULL;

  if (is_there > 0 && !is_known)
    keep_name (name);
  Py_XINCREF (instance); /* the look-up may be in Python, and the singleton taken away there */
  if (is_there > 0)
    method = PyObject_GetAttr (instance, name);
  else if (is_there == 0)
    method = PyObject_CallFunctionObjArgs (python.find, served, name, NULL);
  Py_XDECREF (instance);
  Py_XDECREF (name);

  return method;
}

static gboolean
get_arguments (PyObject  *invocation,
               PyObject **args,
               PyObject **kwargs)
{
  PyObject *both;

  if (_pyisolate_host_invocation_is (invocation))
    return _pyisolate_host_invocation_decode (_pyisolate_host_invocation_get (invocation), args, kwargs) == 0;

  both = PyObject_CallMethod (invocation, "arguments", NULL);
  if (both == NULL)
    return FALSE;

  *args = PyTuple_GetItem (both, 0);
  *kwargs = PyTuple_GetItem (both, 1);
  Py_INCREF (*args);
  Py_INCREF (*kwargs);
  Py_DECREF (both);

  return TRUE;
}

/* Its name. */
static PyObject *
get_extension (PyObject *invocation)
{
  PyIsolateInvocation *own;

  if (!_pyisolate_host_invocation_is (invocation))
    return PyObject_GetAttr (invocation, names.extension);

  own = _pyisolate_host_invocation_get (invocation);
  return PyUnicode_FromString (pyisolate_extension_get_name (pyisolate_invocation_get_extension (own)));
}

/* What the method calls in turn is a part of @parent. */
static gboolean
note_invocation (PyObject *parent,
                 PyObject *manager,
                 PyObject *invocation)
{
  PyObject *extension = get_extension (invocation);
  PyObject *running = extension != NULL ? PyTuple_Pack (3, parent, manager, extension) : NULL;
  PyObject *token = running != NULL ? PyContextVar_Set (python.current_invocation, running) : NULL;

  Py_XDECREF (extension);
  Py_XDECREF (running);
  Py_XDECREF (token);

  return token != NULL;
}

/* What it returned, or NULL with an exception. */
static PyObject *
call_method (PyObject *context,
             PyObject *manager,
             PyObject *invocation,
             PyObject *parent,
             PyObject *method)
{
  PyObject *result = NULL;
  PyObject *args, *kwargs;

  if (!get_arguments (invocation, &args, &kwargs))
    return NULL;

  if (PyContext_Enter (context) == 0)
    {
      if (note_invocation (parent, manager, invocation))
        result = PyObject_Call (method, args, kwargs);
      PyContext_Exit (context);
    }
  Py_DECREF (args);
  Py_DECREF (kwargs);

  return result;
}

static gboolean
is_awaitable (PyObject *value)
{
  PyTypeObject *type = Py_TYPE (value);

  if (value == Py_None || type == &PyLong_Type || type == &PyUnicode_Type || type == &PyDict_Type || type == &PyList_Type)
    return FALSE;

  return PyObject_HasAttr ((PyObject *) type, names.await);
}

static gboolean
is_closed (PyObject *bridge)
{
  PyIsolateHostContext *self = (PyIsolateHostContext *) bridge;
  PyObject *closed;
  gboolean result;

  /* Inside of its select() it is not. */
  if (self->loop == NULL || self->n_selects > 0)
    return FALSE;

  closed = PyObject_CallMethodObjArgs (self->loop, names.is_closed, NULL);
  result = closed == Py_True;
  Py_XDECREF (closed);
  PyErr_Clear ();

  return result;
}

/* Answers it here, now or later; the context is the call's own. */
static gboolean
serve (PyObject *bridge,
       PyObject *context,
       PyObject *served,
       PyObject *manager,
       PyObject *invocation,
       PyObject *parent)
{
  PyObject *method = NULL;
  PyObject *result = NULL;
  gboolean ok;

  if (is_closed (bridge))
    PyErr_SetString (PyExc_RuntimeError, "The event loop of the host that called is closed");
  else
    method = find_method (served, invocation);
  if (method != NULL)
    result = call_method (context, manager, invocation, parent, method);
  Py_XDECREF (method);
  if (result == NULL)
    return answer_raised (bridge, invocation);

  if ((PyObject *) Py_TYPE (result) == python.coroutine_type)
    ok = start_coroutine (bridge, context, result, invocation);
  else if (is_awaitable (result))
    ok = leave_to_python (bridge, context, result, invocation);
  else
    ok = answer (bridge, invocation, result);
  Py_DECREF (result);

  return ok;
}

/* What it is offered by, or None; NULL with an exception. */
static PyObject *
get_manager (PyObject *served)
{
  PyObject *reference = PyTuple_GetItem (served, SERVED_MANAGER);

  return reference != NULL ? PyObject_CallFunctionObjArgs (reference, NULL) : NULL;
}

/* run(bridge, context, served, invocation, parent): @invocation is one, or what is like one. */
static PyObject *
host_run (PyObject *module,
          PyObject *args)
{
  PyObject *bridge, *context, *served, *invocation, *parent;
  PyObject *manager;
  gboolean ok;

  if (!PyArg_ParseTuple (args, "OOOOO:run", &bridge, &context, &served, &invocation, &parent) ||
      _pyisolate_host_context_check (bridge) == NULL)
    return NULL;
  manager = get_manager (served);
  if (manager == NULL)
    return NULL;

  ok = serve (bridge, context, served, manager, invocation, parent);
  Py_DECREF (manager);
  if (!ok)
    return NULL;

  Py_RETURN_NONE;
}

/* What the call that led to this one told before. */
static void
tell_what_came_before (PyObject *bridge)
{
  PyIsolateHostContext *self = (PyIsolateHostContext *) bridge;

  if (_pyisolate_host_inbox_has_parts (self->inbox) && !_pyisolate_host_context_answer (self, FALSE))
    _pyisolate_host_report (bridge);
}

/* FALSE: Python has to look at it. */
static gboolean
serve_led_to (PyObject            *served,
              PyIsolateInvocation *invocation,
              PyObject            *object,
              gboolean            *ok)
{
  PyObject *manager = get_manager (served);
  PyObject *bridge = NULL;
  PyObject *context = NULL;
  PyObject *own = NULL;

  if (manager != NULL && manager != Py_None && _pyisolate_host_origin_of (invocation, &bridge, &context))
    own = PyContext_Copy (context);
  if (own != NULL)
    {
      tell_what_came_before (bridge);
      *ok = serve (bridge, own, served, manager, object, object);
    }
  else
    {
      PyErr_Clear ();
    }
  Py_XDECREF (manager);
  Py_XDECREF (bridge);
  Py_XDECREF (context);
  Py_XDECREF (own);

  return own != NULL;
}

/* Where the call was made that led to this one; in the home thread if none did. */
void
_pyisolate_host_serve (unsigned long long   singleton,
                       PyIsolateInvocation *invocation)
{
  PyGILState_STATE gil = PyGILState_Ensure ();
  PyObject *number = PyLong_FromUnsignedLongLong (singleton);
  PyObject *object = _pyisolate_host_invocation_new (invocation);
  PyObject *served = number != NULL ? PyDict_GetItemWithError (python.served, number) : NULL;
  PyObject *returned = NULL;
  gboolean ok = number != NULL && object != NULL;

  if (ok && (served == NULL || !serve_led_to (served, invocation, object, &ok)))
    {
      returned = PyObject_CallFunctionObjArgs (python.on_call, number, object, NULL);
      ok = returned != NULL;
    }
  if (!ok)
    _pyisolate_host_report (python.on_call);
  Py_XDECREF (returned);
  Py_XDECREF (number);
  Py_XDECREF (object);
  PyGILState_Release (gil);
}

void
_pyisolate_host_cancel_method (unsigned long long number)
{
  PyGILState_STATE gil = PyGILState_Ensure ();
  PyObject *returned = PyObject_CallFunction (python.on_cancel, "K", number);

  if (returned == NULL)
    _pyisolate_host_report (python.on_cancel);
  Py_XDECREF (returned);
  PyGILState_Release (gil);
}

/* set_hooks(served, current_invocation, coroutine_type, on_call, on_cancel, find, fail, follow, wait) */
static PyObject *
host_set_hooks (PyObject *module,
                PyObject *args)
{
  PyObject **all[] = { &python.served,    &python.current_invocation, &python.coroutine_type, &python.on_call,
                       &python.on_cancel, &python.find,               &python.fail,           &python.follow,
                       &python.wait };

  if (PyTuple_Size (args) != G_N_ELEMENTS (all))
    {
      PyErr_Format (PyExc_TypeError, "set_hooks() takes %d arguments", (int) G_N_ELEMENTS (all));
      return NULL;
    }

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      PyObject *hook = PyTuple_GetItem (args, i);

      Py_INCREF (hook);
      Py_XDECREF (*all[i]);
      *all[i] = hook;
    }

  Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
  { "run", host_run, METH_VARARGS, "Run a method of a singleton, and answer." },
  { "set_hooks", host_set_hooks, METH_VARARGS, "Set what serving singletons needs of Python." },
  { NULL }
};

gboolean
_pyisolate_host_add_serve (PyObject *module)
{
  static const struct {
    PyObject **name;
    const char *text;
  } all[] = {
    { &names.is_closed, "is_closed" },
    { &names.method, "method" },
    { &names.extension, "extension" },
    { &names.await, "__await__" },
  };

  known_names = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      *all[i].name = PyUnicode_InternFromString (all[i].text);
      if (*all[i].name == NULL)
        return FALSE;
    }

  return PyModule_AddFunctions (module, functions) == 0;
}
