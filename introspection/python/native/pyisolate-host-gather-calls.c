/* SPDX-License-Identifier: MIT */
/* The calls of a Group: it steps their coroutines, once to send them and once where their answers are read. */
#include "pyisolate-host-gather-private.h"

#include "pyisolate-awaitable-private.h"

extern int PyIter_Send (PyObject  *iterator,
                        PyObject  *value,
                        PyObject **result) __attribute__ ((weak)); /* from Python 3.10 on */

static struct {
  PyObject *coroutine_type;
  PyObject *code; /* of the coroutines that await an answer */
  PyObject *cr_code;
} python;

gboolean
_pyisolate_group_prepare_calls (void)
{
  if (python.coroutine_type == NULL)
    python.coroutine_type = _pyisolate_import ("types", "CoroutineType");
  if (python.code == NULL)
    python.code = PyObject_GetAttrString (_pyisolate_host_hooks.coroutine, "__code__");
  if (python.cr_code == NULL)
    python.cr_code = PyUnicode_InternFromString ("cr_code");

  return PyErr_Occurred () == NULL;
}

/* The same before Python 3.10. */
static int
send_by_method (PyObject  *coroutine,
                PyObject **result)
{
  PyObject *type, *stop, *traceback;

  *result = PyObject_CallMethod (coroutine, "send", "O", Py_None);
  if (*result != NULL)
    return PYGEN_NEXT;
  if (!PyErr_ExceptionMatches (PyExc_StopIteration))
    return PYGEN_ERROR;

  PyErr_Fetch (&type, &stop, &traceback);
  PyErr_NormalizeException (&type, &stop, &traceback);
  *result = PyObject_GetAttrString (stop, "value");
  Py_XDECREF (type);
  Py_XDECREF (stop);
  Py_XDECREF (traceback);

  return *result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
}

/* The coroutine's next step. */
static int
send_in_context (Group     *self,
                 PyObject  *coroutine,
                 PyObject **result)
{
  gboolean enters = !self->is_entered;
  int sent;

  /* Inside of itself, what decodes a value has waited for another call of the same group: it runs in that context already. */
  if (enters && PyContext_Enter (self->context) < 0)
    return PYGEN_ERROR;

  self->is_entered = TRUE;
  sent = PyIter_Send != NULL ? PyIter_Send (coroutine, Py_None, result) : send_by_method (coroutine, result);
  if (enters)
    {
      self->is_entered = FALSE;
      PyContext_Exit (self->context);
    }

  return sent;
}

/* A task raises these, too, besides having them. */
static gboolean
ends_loop (PyObject *exception)
{
  return PyErr_GivenExceptionMatches (exception, PyExc_KeyboardInterrupt) ||
         PyErr_GivenExceptionMatches (exception, PyExc_SystemExit);
}

/* Where a call has ended. FALSE: an exception that is for whoever runs the loop. */
static gboolean
end_call (Group    *self,
          guint     index,
          int       sent,
          PyObject *result)
{
  PyObject *exception;
  gboolean ends;

  if (sent == PYGEN_RETURN)
    return _pyisolate_group_finish (self, index, result, FALSE);

  Py_XDECREF (result);
  if (sent == PYGEN_NEXT)
    PyErr_SetString (PyExc_RuntimeError, "The call goes on after its answer");
  exception = _pyisolate_host_take_exception ();
  ends = ends_loop (exception);
  Py_INCREF (exception);
  if (!_pyisolate_group_finish (self, index, exception, TRUE))
    ends = FALSE;
  else if (ends)
    PyErr_SetObject ((PyObject *) Py_TYPE (exception), exception);
  Py_DECREF (exception);

  return PyErr_Occurred () == NULL;
}

gboolean
_pyisolate_host_group_take (PyObject *group,
                            guint     index)
{
  Group *self = (Group *) group;
  PyObject *coroutine = self->children[index].source;
  PyObject *result = NULL;
  gboolean ok;
  int sent;

  Py_INCREF (group);
  Py_INCREF (coroutine);
  sent = send_in_context (self, coroutine, &result);
  ok = end_call (self, index, sent, result);
  Py_DECREF (coroutine);
  Py_DECREF (group);

  return ok;
}

/* Those for which nobody waits any more: they were cancelled with the group, or somebody has closed the coroutine. */
PyObject *
_pyisolate_group_settle_lost (PyObject *group,
                   PyObject *unused)
{
  Group *self = (Group *) group;

  self->is_settling = FALSE;
  for (guint i = 0; i < self->n_children; i++)
    {
      PyObject *answer = self->children[i].answer;

      if (answer != NULL && _pyisolate_host_answer_is_lost (answer) && !_pyisolate_host_group_take (group, i))
        return NULL;
    }

  Py_RETURN_NONE;
}

void
_pyisolate_host_group_lose (PyObject *group)
{
  Group *self = (Group *) group;
  PyObject *type, *value, *traceback;
  PyObject *settle, *handle;

  if (self->is_settling)
    return;

  PyErr_Fetch (&type, &value, &traceback);
  settle = PyObject_GetAttrString (group, "settle_lost");
  handle = settle != NULL ? PyObject_CallMethod (self->loop, "call_soon", "O", settle) : NULL;
  self->is_settling = handle != NULL;
  if (handle == NULL)
    PyErr_Clear (); /* the loop is closed, and nobody can go on there */
  Py_XDECREF (settle);
  Py_XDECREF (handle);
  PyErr_Restore (type, value, traceback);
}

gboolean
_pyisolate_group_is_call (PyObject *object)
{
  PyObject *code;

  if ((PyObject *) Py_TYPE (object) != python.coroutine_type)
    return FALSE;

  code = PyObject_GetAttr (object, python.cr_code);
  Py_XDECREF (code);

  return code == python.code;
}

/* The child of the same call, which could not even be sent; or the next one. */
static guint
find_ended (Group    *self,
            PyObject *coroutine)
{
  guint i = 0;

  while (i < self->n_children && self->children[i].source != coroutine)
    i++;

  return i;
}

gboolean
_pyisolate_group_begin_call (Group    *self,
            guint     place,
            PyObject *coroutine)
{
  PyObject *result = NULL;
  int sent = send_in_context (self, coroutine, &result);
  PyObject *group = sent == PYGEN_NEXT ? _pyisolate_host_answer_get_group (result, &self->places[place]) : NULL;

  if (group == (PyObject *) self) /* it is given twice */
    {
      Py_DECREF (result);
      return TRUE;
    }

  if (sent == PYGEN_ERROR)
    {
      self->places[place] = find_ended (self, coroutine);
      if (self->places[place] < self->n_children)
        {
          PyErr_Clear ();
          return TRUE;
        }
    }

  self->places[place] = _pyisolate_group_add_child (self, coroutine);
  if (sent == PYGEN_NEXT && _pyisolate_host_answer_join (result, (PyObject *) self, self->places[place]))
    {
      self->children[self->places[place]].answer = result;
      if (self->n_calls++ == 0)
        Py_INCREF ((PyObject *) self);
      return TRUE;
    }

  if (sent == PYGEN_NEXT) /* somebody else awaits it */
    {
      Py_CLEAR (result);
      sent = PYGEN_ERROR;
    }
  return end_call (self, self->places[place], sent, result);
}
