/* SPDX-License-Identifier: MIT */
/* Answer: what a coroutine on the main thread's loop awaits after it has called the host. Everything here has the GIL. */
#include "config.h"

#include "pyisolate-native-private.h"

#include "pyisolate-awaitable-private.h"

typedef struct {
  PyIsolateAwaitable base;
  guint64 id;
  PyObject *loop;
  PyObject *frame; /* NULL: has not come yet; None: it will not, the link is closed */
} Answer;

static PyTypeObject *answer_type;
static PyIsolateIdTable waited_for; /* → Answer, borrowed */

/* Nobody waits for it any more. */
void
_pyisolate_awaitable_give_up (PyIsolateAwaitable *base)
{
  Answer *self = (Answer *) base;

  if (self->id != 0 && _pyisolate_id_table_steal (&waited_for, self->id) != NULL && !_pyisolate_runtime_is_forked ())
    _pyisolate_out_call_end (self->id);
}

PyObject *
_pyisolate_awaitable_get_loop (PyIsolateAwaitable *base)
{
  return ((Answer *) base)->loop;
}

static void
answer_dealloc (PyObject *object)
{
  Answer *self = (Answer *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc free_object = (freefunc) PyType_GetSlot (type, Py_tp_free);

  _pyisolate_awaitable_give_up (&self->base);
  _pyisolate_awaitable_clear (&self->base);
  Py_CLEAR (self->loop);
  Py_CLEAR (self->frame);
  free_object (object);
  Py_DECREF ((PyObject *) type);
}

PyObject *
_pyisolate_native_answer_new (guint64   id,
                              PyObject *loop)
{
  allocfunc alloc = (allocfunc) PyType_GetSlot (answer_type, Py_tp_alloc);
  PyObject *object = alloc (answer_type, 0);
  Answer *self = (Answer *) object;

  if (object == NULL)
    {
      _pyisolate_out_call_end (id);
      return NULL;
    }

  self->id = id;
  self->loop = loop;
  Py_INCREF (loop);
  _pyisolate_id_table_insert (&waited_for, self->id, self);

  return object;
}

/* FALSE: an exception is set that is not the waiting task's. */
static gboolean
call_back (Answer *self)
{
  return _pyisolate_awaitable_call_back (&self->base, _pyisolate_native_server_get_waker (self->base.callback));
}

/*< private >
 * @frame: a RETURN or ERROR
 * @at_once: nothing waits for its turn in the loop, before which this would come
 *
 * Goes on with what awaits it. FALSE: an exception is set that is none of the task's.
 */
gboolean
_pyisolate_native_answer_take (PyObject *frame,
                               gboolean  at_once)
{
  guint64 id = _pyisolate_native_frame_get (frame)->id;
  Answer *self = _pyisolate_id_table_lookup (&waited_for, id);
  gboolean ok = TRUE;

  if (self == NULL)
    return TRUE;

  Py_INCREF ((PyObject *) self);
  _pyisolate_awaitable_give_up (&self->base);
  self->frame = frame;
  Py_INCREF (frame);
  self->base.has_come = TRUE;
  _pyisolate_awaitable_let_go (&self->base);
  if (self->base.callback != NULL)
    ok = at_once ? call_back (self) : _pyisolate_awaitable_call_back_soon (&self->base);
  Py_DECREF ((PyObject *) self);

  return ok;
}

/* The link is closed. */
gboolean
_pyisolate_native_answers_fail (void)
{
  guint n_answers;
  g_autofree gpointer *answers = _pyisolate_id_table_dup_values (&waited_for, &n_answers);
  gboolean ok = TRUE;

  for (guint i = 0; i < n_answers; i++)
    Py_INCREF ((PyObject *) answers[i]);
  for (guint i = 0; i < n_answers; i++)
    {
      Answer *self = answers[i];

      _pyisolate_awaitable_give_up (&self->base);
      if (self->frame == NULL && !self->base.cancelled)
        {
          self->frame = Py_None;
          Py_INCREF (Py_None);
          self->base.has_come = TRUE;
          _pyisolate_awaitable_let_go (&self->base);
          if (self->base.callback != NULL)
            ok = call_back (self) && ok;
        }
      Py_DECREF ((PyObject *) self);
    }

  return ok;
}

/* The value, or NULL with an exception. */
PyObject *
_pyisolate_awaitable_get_value (PyIsolateAwaitable *base)
{
  Answer *self = (Answer *) base;

  if (base->cancelled || self->frame == NULL)
    _pyisolate_awaitable_raise_unfit (base);
  else if (self->frame == Py_None)
    PyErr_SetString (PyExc_ConnectionResetError, "The link to the host is closed");
  else if (_pyisolate_native_frame_get (self->frame)->kind == PYISOLATE_FRAME_ERROR)
    _pyisolate_native_raise_error_of (self->frame);
  else
    return _pyisolate_native_frame_decode_value (self->frame);

  return NULL;
}

static const PyType_Slot answer_slots[] = {
  { Py_tp_dealloc, answer_dealloc },
  { Py_am_await, PyObject_SelfIter },
  { 0, NULL },
};

gboolean
_pyisolate_native_answer_init (PyObject *module)
{
  answer_type = _pyisolate_awaitable_new_type ("_pyisolate_native.Answer", "The answer to a call of the host's.",
                                               sizeof (Answer), Py_TPFLAGS_DEFAULT, answer_slots);
  if (answer_type == NULL)
    return FALSE;

  Py_INCREF ((PyObject *) answer_type);
  return PyModule_AddObject (module, "Answer", (PyObject *) answer_type) == 0;
}
