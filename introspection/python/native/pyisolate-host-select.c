/* SPDX-License-Identifier: MIT */
/* What stands for the select() of an asyncio loop's selector.
 *
 * It waits for what the selector waits for, and for the lanes of the loop's context, which it serves: who awaits an answer goes
 * on inside of it, as long as nothing has been left for the loop to do. */
#include "pyisolate-host-private.h"

#include "pyisolate-deadline-private.h"

typedef PyIsolateHostContext Context;

static struct {
  PyObject *stopping;
  PyObject *scheduled;
} names;

static gboolean
intern_names (void)
{
  if (names.stopping == NULL)
    names.stopping = PyUnicode_InternFromString ("_stopping");
  if (names.scheduled == NULL)
    names.scheduled = PyUnicode_InternFromString ("_scheduled");

  return names.stopping != NULL && names.scheduled != NULL;
}

static int
get_deadline (PyObject *timeout,
              gint64   *deadline)
{
  double seconds;

  *deadline = -1;
  if (timeout == NULL || timeout == Py_None)
    return 0;

  seconds = PyFloat_AsDouble (timeout);
  if (seconds == -1 && PyErr_Occurred () != NULL)
    return -1;

  *deadline = _pyisolate_deadline_in (seconds);
  return 0;
}

/* How many timers the loop has: -1 if it has no such list. *@list: borrowed, to be compared. */
static Py_ssize_t
count_timers (Context   *self,
              PyObject **list)
{
  *list = self->attributes != NULL ? PyDict_GetItemWithError (self->attributes, names.scheduled) : NULL;

  return *list != NULL ? PyList_Size (*list) : -1;
}

/* Whether something has been left for the loop to do. */
static gboolean
must_turn (Context    *self,
           PyObject   *timers,
           Py_ssize_t  n_timers)
{
  PyObject *now;

  return self->ready == NULL || PyObject_Size (self->ready) != 0 ||
         PyDict_GetItemWithError (self->attributes, names.stopping) != Py_False || count_timers (self, &now) != n_timers ||
         now != timers;
}

/* One round. NULL with no exception: go on. */
static PyObject *
wait_and_answer (Context *self,
                 gint64   deadline)
{
  gboolean is_over = _pyisolate_deadline_is_over (deadline);
  gboolean waited, anything, others;

  if (PyErr_CheckSignals () < 0)
    return NULL;

  Py_BEGIN_ALLOW_THREADS
  waited = _pyisolate_host_context_read (self, self->select_fd, deadline, &anything, &others);
  Py_END_ALLOW_THREADS

  if (!waited && PyErr_CheckSignals () < 0)
    return NULL;
  if (!_pyisolate_host_context_answer (self, self->n_selects == 1 && self->n_waiting == 0))
    return NULL;
  if (others && self->select != NULL)
    return PyObject_CallFunction (self->select, "i", 0);
  if (!waited || !anything || is_over)
    return PyList_New (0);

  return NULL;
}

/* select(timeout=None), as of a selector. */
PyObject *
_pyisolate_host_context_select (PyObject        *object,
                                PyObject *const *args,
                                Py_ssize_t       n_args)
{
  Context *self = (Context *) object;
  PyObject *events = NULL;
  PyObject *timers;
  Py_ssize_t n_timers;
  gint64 deadline;

  if (!intern_names () || get_deadline (n_args > 0 ? args[0] : NULL, &deadline) < 0)
    return NULL;
  if (self->select == NULL)
    return PyList_New (0);
  /* A forked child has what its parent's selector had, and none of its extensions. */
  if (_pyisolate_host_hooks.is_forked)
    return PyObject_CallFunctionObjArgs (self->select, n_args > 0 ? args[0] : Py_None, NULL);
  n_timers = count_timers (self, &timers);

  Py_INCREF (object);
  self->n_selects++;
  do
    events = wait_and_answer (self, deadline);
  while (events == NULL && PyErr_Occurred () == NULL && !must_turn (self, timers, n_timers));
  self->n_selects--;
  Py_DECREF (object);

  if (events == NULL && PyErr_Occurred () == NULL)
    events = PyList_New (0);
  return events;
}
