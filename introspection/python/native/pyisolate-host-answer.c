/* SPDX-License-Identifier: MIT */
/* Answer: what a call is waited for by, awaited in a coroutine or looked at by who blocks. Everything here has the GIL. */
#include "pyisolate-host-private.h"

#include "pyisolate-awaitable-private.h"

typedef struct {
  PyIsolateAwaitable base;
  guint64 id;               /* 0: not under way, or not any more */
  PyIsolateHostMethod *method;
  PyObject *args;           /* NULL, as the next: the call has been made */
  PyObject *kwargs;
  PyIsolateHostContext *context; /* NULL, as the next: it has not */
  PyObject *variables;      /* the context variables of who called */
  PyIsolateAnswer *outcome; /* NULL: has not come yet */
  PyObject *group;          /* the Group that waits for it, borrowed; or NULL */
  guint index;              /* which of its calls this is */
} Answer;

static PyTypeObject *answer_type;
static PyIsolateIdTable waited_for; /* → Answer, borrowed */

/* Nobody waits for it any more. */
void
_pyisolate_awaitable_give_up (PyIsolateAwaitable *base)
{
  Answer *self = (Answer *) base;
  PyIsolateExtension *extension = self->method->target->extension;
  guint64 id = self->id;

  if (id == 0)
    return;

  _pyisolate_id_table_steal (&waited_for, id);
  self->id = 0;
  if (self->group != NULL)
    _pyisolate_host_group_lose (self->group);
  if (_pyisolate_host_hooks.is_forked)
    return;

  Py_BEGIN_ALLOW_THREADS
  pyisolate_extension_cancel_request (extension, id);
  Py_END_ALLOW_THREADS
}

PyObject *
_pyisolate_awaitable_get_loop (PyIsolateAwaitable *base)
{
  PyIsolateHostContext *context = ((Answer *) base)->context;

  return context != NULL ? context->loop : NULL;
}

static int
answer_traverse (PyObject  *object,
                 visitproc  visit,
                 void      *arg)
{
  Answer *self = (Answer *) object;

  Py_VISIT (Py_TYPE (object));
  Py_VISIT (self->context);
  Py_VISIT (self->method);
  Py_VISIT (self->args);
  Py_VISIT (self->kwargs);
  Py_VISIT (self->variables);

  return _pyisolate_awaitable_traverse (&self->base, visit, arg);
}

/* The method stays: it is needed to give up. */
static int
answer_clear (PyObject *object)
{
  Answer *self = (Answer *) object;

  Py_CLEAR (self->args);
  Py_CLEAR (self->kwargs);
  Py_CLEAR (self->variables);
  _pyisolate_awaitable_clear (&self->base);

  return 0;
}

static void
answer_dealloc (PyObject *object)
{
  Answer *self = (Answer *) object;
  PyTypeObject *type = Py_TYPE (object);
  freefunc release = (freefunc) PyType_GetSlot (type, Py_tp_free);

  PyObject_GC_UnTrack (object);
  _pyisolate_awaitable_give_up (&self->base);
  answer_clear (object);
  g_clear_pointer (&self->outcome, pyisolate_answer_free);
  Py_CLEAR (self->method);
  Py_CLEAR (self->context);
  release (object);
  Py_DECREF (type);
}

/* Before the call is made. */
PyObject *
_pyisolate_host_answer_new (PyIsolateHostMethod *method,
                            PyObject            *args,
                            PyObject            *kwargs)
{
  Answer *self = (Answer *) PyType_GenericAlloc (answer_type, 0);

  if (self == NULL)
    return NULL;

  Py_INCREF (method);
  self->method = method;
  Py_INCREF (args);
  self->args = args;
  Py_INCREF (kwargs);
  self->kwargs = kwargs;

  return (PyObject *) self;
}

gboolean
_pyisolate_host_answer_begin (PyObject *object)
{
  Answer *self = (Answer *) object;
  PyObject *args = g_steal_pointer (&self->args);
  PyObject *kwargs = g_steal_pointer (&self->kwargs);
  guint64 id = 0;

  if (args == NULL)
    return TRUE;

  self->context = _pyisolate_host_method_find_context (self->method);
  if (self->context != NULL)
    self->variables = PyContext_CopyCurrent ();
  if (self->variables != NULL)
    id = _pyisolate_host_method_send (self->method, self->context, args, kwargs);
  Py_DECREF (args);
  Py_DECREF (kwargs);
  if (id == 0)
    return FALSE;

  self->id = id;
  _pyisolate_id_table_insert (&waited_for, self->id, self);
  return TRUE;
}

PyIsolateHostContext *
_pyisolate_host_answer_get_context (PyObject *object)
{
  return ((Answer *) object)->context;
}

gboolean
_pyisolate_host_answer_is_done (PyObject *object)
{
  return ((Answer *) object)->outcome != NULL;
}

/* Given up, before anything came. */
gboolean
_pyisolate_host_answer_is_lost (PyObject *object)
{
  Answer *self = (Answer *) object;

  return self->id == 0 && self->outcome == NULL;
}

PyObject *
_pyisolate_host_answer_get_group (PyObject *object,
                                  guint    *index)
{
  Answer *self = (Answer *) object;

  if (!PyObject_TypeCheck (object, answer_type) || self->group == NULL)
    return NULL;

  *index = self->index;
  return self->group;
}

gboolean
_pyisolate_host_answer_join (PyObject *object,
                             PyObject *group,
                             guint     index)
{
  Answer *self = (Answer *) object;

  if (!PyObject_TypeCheck (object, answer_type) || self->base.callback != NULL || self->group != NULL)
    {
      PyErr_SetString (PyExc_RuntimeError, "The call is awaited already");
      return FALSE;
    }

  self->base.blocking = FALSE; /* of what it has yielded, that is taken note of */
  self->group = group;
  self->index = index;
  return TRUE;
}

void
_pyisolate_host_answer_leave (PyObject *object)
{
  ((Answer *) object)->group = NULL;
}

gboolean
_pyisolate_host_origin_of (PyIsolateInvocation  *invocation,
                           PyObject            **bridge,
                           PyObject            **context)
{
  guint64 id = pyisolate_invocation_get_call_id (invocation);
  Answer *self = _pyisolate_id_table_lookup (&waited_for, id);

  if (self == NULL)
    return FALSE;

  *bridge = (PyObject *) self->context;
  *context = self->variables;
  Py_INCREF (*bridge);
  Py_INCREF (*context);

  return TRUE;
}

/* FALSE: an exception is set that is not the waiting task's. */
static gboolean
call_back (Answer *self)
{
  PyObject *waker = NULL;

  if (self->context->tasks != NULL)
    waker = _pyisolate_tasks_get_waker (_pyisolate_host_tasks_get (self->context->tasks), self->base.callback);

  return _pyisolate_awaitable_call_back (&self->base, waker);
}

static gboolean
tell_progress (Answer          *self,
               PyIsolateAnswer *progress)
{
  PyObject *returned;

  if (self->method->on_progress == NULL)
    return TRUE;

  returned = PyObject_CallFunction (self->method->on_progress, "ds", progress->fraction, progress->text);
  if (returned == NULL)
    _pyisolate_host_report (self->method->on_progress);
  Py_XDECREF (returned);

  return TRUE;
}

/* Whether the extension has a handler of it, Python knows. */
static gboolean
tell_event (Answer          *self,
            PyIsolateAnswer *event)
{
  PyObject *extension = self->method->extension;
  gsize size;
  const char *data = g_bytes_get_data (event->body, &size);
  PyObject *value = PyBytes_FromStringAndSize (data, (Py_ssize_t) size);
  PyObject *returned = NULL;

  if (value != NULL)
    returned = PyObject_CallMethod (extension, "_on_event", "sOO", event->name, value, (PyObject *) self->context);
  if (returned == NULL)
    _pyisolate_host_report (extension);
  Py_XDECREF (returned);
  Py_XDECREF (value);

  return TRUE;
}

/* What comes before the end. */
static gboolean
tell_part (Answer          *self,
           PyIsolateAnswer *part)
{
  if (part->name == NULL)
    return tell_progress (self, part);
  if (self->method->extension != NULL)
    return tell_event (self, part);

  pyisolate_answer_pass_on (part); /* the call is garbage already */
  return TRUE;
}

/* Takes what has come. @at_once: nothing waits for its turn in the loop, before which this would come. FALSE: an exception is
 * set that is none of the waiting task's. */
gboolean
_pyisolate_host_answer_take (PyIsolateAnswer *outcome,
                             gboolean         at_once)
{
  Answer *self = _pyisolate_id_table_lookup (&waited_for, outcome->id);
  gboolean ok = TRUE;

  if (self == NULL)
    {
      pyisolate_answer_pass_on (outcome);
      pyisolate_answer_free (outcome);
      return TRUE;
    }

  Py_INCREF ((PyObject *) self);
  if (outcome->text != NULL || outcome->name != NULL)
    {
      ok = tell_part (self, outcome);
      pyisolate_answer_free (outcome);
    }
  else
    {
      _pyisolate_id_table_steal (&waited_for, self->id);
      self->id = 0;
      self->outcome = outcome;
      self->base.has_come = TRUE;
      _pyisolate_awaitable_let_go (&self->base);
      if (self->group != NULL)
        ok = _pyisolate_host_group_take (self->group, self->index);
      else if (self->base.callback != NULL)
        ok = at_once ? call_back (self) : _pyisolate_awaitable_call_back_soon (&self->base);
    }
  Py_DECREF ((PyObject *) self);

  return ok;
}

static PyObject *
raise_error (Answer       *self,
             const GError *error)
{
  _pyisolate_host_method_raise (self->method, error);
  return NULL;
}

static PyObject *
decode (Answer *self)
{
  PyIsolateAnswer *outcome = self->outcome;
  PyIsolateContents contents = { outcome->fds, outcome->n_fds, outcome->memories, outcome->n_memories };
  g_autoptr (GError) error = NULL;
  gsize size;
  const guint8 *data = g_bytes_get_data (outcome->body, &size);
  PyObject *value = _pyisolate_codec_decode_value (data, size, &contents);

  if (value != NULL || pyisolate_answer_check (outcome, &error))
    return value;

  PyErr_Clear ();
  return raise_error (self, error);
}

/* Once it is done: the value, or NULL with an exception. */
PyObject *
_pyisolate_awaitable_get_value (PyIsolateAwaitable *base)
{
  Answer *self = (Answer *) base;

  if (base->cancelled || self->outcome == NULL)
    _pyisolate_awaitable_raise_unfit (base);
  else if (self->outcome->error != NULL)
    return raise_error (self, self->outcome->error);
  else
    return decode (self);

  return NULL;
}

static PyObject *
answer_await (PyObject *self)
{
  if (!_pyisolate_host_answer_begin (self))
    return NULL;

  Py_INCREF (self);
  return self;
}

static const PyType_Slot answer_slots[] = {
  { Py_tp_dealloc, answer_dealloc },
  { Py_tp_traverse, answer_traverse },
  { Py_tp_clear, answer_clear },
  { Py_am_await, answer_await },
  { 0, NULL }
};

gboolean
_pyisolate_host_add_answer (PyObject *module)
{
  answer_type = _pyisolate_awaitable_new_type ("_pyisolate_host.Answer", "The answer to a call.", sizeof (Answer),
                                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, answer_slots);

  return answer_type != NULL;
}
