/* SPDX-License-Identifier: MIT */
/* What a Group waits for, calls and futures, and what it has come to. */
#include "pyisolate-host-gather-private.h"

static struct {
  PyObject *ensure_future;
  PyObject *partial;
  PyObject *cancelled_error;
  PyObject *loop;
} python;

gboolean
_pyisolate_group_prepare_children (void)
{
  if (python.ensure_future == NULL)
    python.ensure_future = _pyisolate_import ("asyncio", "ensure_future");
  if (python.partial == NULL)
    python.partial = _pyisolate_import ("functools", "partial");
  if (python.cancelled_error == NULL)
    python.cancelled_error = _pyisolate_import ("asyncio", "CancelledError");
  if (python.loop == NULL)
    python.loop = PyUnicode_InternFromString ("loop");

  return PyErr_Occurred () == NULL;
}

guint
_pyisolate_group_add_child (Group    *self,
           PyObject *source)
{
  Py_INCREF (source);
  self->children[self->n_children] = (Child) { .source = source };
  self->n_open++;

  return self->n_children++;
}

/* ---- how it ends ---- */

static PyObject *
new_results (Group *self)
{
  PyObject *list = PyList_New (self->n_places);

  for (guint i = 0; list != NULL && i < self->n_places; i++)
    {
      PyObject *value = self->children[self->places[i]].value;

      Py_INCREF (value);
      PyList_SetItem (list, i, value);
    }

  return list;
}

/* Steals @value. The future may have been settled by somebody else, and its loop may be closed: then it is nobody's any more. */
static gboolean
settle_outer (Group      *self,
              const char *method,
              PyObject   *value)
{
  PyObject *done = PyObject_CallMethod (self->outer, "done", NULL);
  PyObject *returned = NULL;

  if (done == Py_False && value != NULL)
    returned = PyObject_CallMethod (self->outer, method, "(O)", value);
  if (PyErr_Occurred () != NULL && PyErr_ExceptionMatches (PyExc_RuntimeError))
    PyErr_Clear ();
  Py_XDECREF (done);
  Py_XDECREF (returned);
  Py_XDECREF (value);

  return PyErr_Occurred () == NULL;
}

void
_pyisolate_group_drop_children (Group *self)
{
  for (guint i = 0; i < self->n_children; i++)
    {
      Py_CLEAR (self->children[i].source);
      Py_CLEAR (self->children[i].value);
    }
  self->n_children = 0;
}

gboolean
_pyisolate_group_close_one (Group *self)
{
  gboolean ok = TRUE;

  if (--self->n_open > 0)
    return TRUE;

  if (self->outer != NULL && self->cancel_requested)
    ok = settle_outer (self, "set_exception", PyObject_CallFunctionObjArgs (python.cancelled_error, NULL));
  else if (self->outer != NULL)
    ok = settle_outer (self, "set_result", new_results (self));
  Py_CLEAR (self->outer);
  _pyisolate_group_drop_children (self);

  return ok;
}

static void
drop_answer (Group *self,
             Child *child)
{
  if (child->answer == NULL)
    return;

  _pyisolate_host_answer_leave (child->answer);
  Py_CLEAR (child->answer);
  if (--self->n_calls == 0)
    Py_DECREF ((PyObject *) self);
}

gboolean
_pyisolate_group_finish (Group    *self,
        guint     index,
        PyObject *value,
        gboolean  failed)
{
  Child *child = &self->children[index];
  gboolean ok = TRUE;

  child->value = value;
  drop_answer (self, child);
  if (failed && !self->return_exceptions && self->outer != NULL)
    {
      Py_INCREF (value);
      ok = settle_outer (self, "set_exception", value);
    }

  return _pyisolate_group_close_one (self) && ok;
}

/* ---- futures ---- */

PyObject *
_pyisolate_group_settle (PyObject *group,
              PyObject *args)
{
  Group *self = (Group *) group;
  unsigned int index;
  PyObject *future, *value;
  gboolean ok;

  if (!PyArg_ParseTuple (args, "IO:settle", &index, &future))
    return NULL;
  if (index >= self->n_children || self->children[index].value != NULL)
    Py_RETURN_NONE;

  value = PyObject_CallMethod (future, "result", NULL);
  ok = value != NULL ? _pyisolate_group_finish (self, index, value, FALSE) : _pyisolate_group_finish (self, index, _pyisolate_host_take_exception (), TRUE);
  if (!ok)
    return NULL;

  Py_RETURN_NONE;
}

/* What asyncio makes of it. NULL: an exception. */
static PyObject *
ensure_future (Group    *self,
               PyObject *awaitable)
{
  PyObject *args = PyTuple_Pack (1, awaitable);
  PyObject *kwargs = PyDict_New ();
  PyObject *future = NULL;

  if (args != NULL && kwargs != NULL && PyDict_SetItem (kwargs, python.loop, self->loop) == 0)
    future = PyObject_Call (python.ensure_future, args, kwargs);
  Py_XDECREF (args);
  Py_XDECREF (kwargs);

  return future;
}

static gboolean
watch (Group    *self,
       guint     index,
       PyObject *future)
{
  PyObject *settle = PyObject_GetAttrString ((PyObject *) self, "settle");
  PyObject *callback = settle != NULL ? PyObject_CallFunction (python.partial, "OI", settle, index) : NULL;
  PyObject *added = callback != NULL ? PyObject_CallMethod (future, "add_done_callback", "O", callback) : NULL;

  Py_XDECREF (settle);
  Py_XDECREF (callback);
  Py_XDECREF (added);

  return added != NULL;
}

gboolean
_pyisolate_group_add_future (Group    *self,
            guint     place,
            PyObject *awaitable,
            PyObject *seen)
{
  PyObject *known = PyDict_GetItemWithError (seen, awaitable);
  PyObject *future, *index;
  gboolean ok;

  if (known != NULL)
    {
      self->places[place] = PyLong_AsUnsignedLong (known);
      return TRUE;
    }
  if (PyErr_Occurred () != NULL)
    return FALSE;

  future = ensure_future (self, awaitable);
  if (future == NULL)
    return FALSE;
  if (future != awaitable && PyObject_SetAttrString (future, "_log_destroy_pending", Py_False) < 0)
    PyErr_Clear (); /* a future of somebody's own */

  self->places[place] = _pyisolate_group_add_child (self, future);
  index = PyLong_FromUnsignedLong (self->places[place]);
  ok = index != NULL && PyDict_SetItem (seen, awaitable, index) == 0 && watch (self, self->places[place], future);
  Py_XDECREF (index);
  Py_DECREF (future);

  return ok;
}
