/* SPDX-License-Identifier: MIT */
/* What the worker sends: calls, answers, events, progress, log records. Encoded with the GIL by
 * the thread that speaks. */
#include "config.h"

#include "pyisolate-native-private.h"

#include "pyisolate-error-private.h"
#include "pyisolate-memory-book-private.h"
#include "pyisolate-text-private.h"

/* A PyIsolateAllocateFunc. */
PyIsolateMemory *
_pyisolate_native_allocate_memory (gpointer               unused,
                                   gsize                  size,
                                   PyIsolateMemoryFlags   flags,
                                   GError               **error)
{
  if (_pyisolate_runtime.memory != NULL && !_pyisolate_runtime_is_forked ())
    return _pyisolate_memory_book_allocate (_pyisolate_runtime.memory, size, flags, error);

  g_set_error_literal (error, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING,
                       "This process has no link to a host that could share memory with it");
  return NULL;
}

/* What goes beside the body of a frame; both are empty at first. */
typedef struct {
  GArray *fds;
  GPtrArray *memories;
} Luggage;

static PyIsolateParcel
luggage_open (Luggage *self)
{
  *self = (Luggage) { _pyisolate_codec_take_fds (), NULL };

  return (PyIsolateParcel) {
    .fds = self->fds,
    .memories = &self->memories,
    .allocate = _pyisolate_native_allocate_memory,
    .may_wait = TRUE,
  };
}

/* Whoever sends has the GIL from its look at a call until the frame is sent, and must not wait then. Once more: another
 * thread may have been faster. */
static void
get_memory_ready (PyIsolateFrame *frame)
{
  PyIsolateMemoryBook *book = _pyisolate_runtime.memory;
  gsize size = g_bytes_get_size (frame->body);
  gboolean stocked = TRUE;

  while (stocked && _pyisolate_memory_book_lacks (book, size))
    {
      Py_BEGIN_ALLOW_THREADS
      stocked = _pyisolate_memory_book_stock (book, size);
      Py_END_ALLOW_THREADS
    }
  frame->has_memory_ready = TRUE;
}

/* @body: NULL if there is none, with an exception; then the luggage is empty */
static gboolean
take_body (PyIsolateFrame *frame,
           GBytes         *body,
           Luggage        *luggage)
{
  guint n_fds = luggage->fds->len;

  if (body == NULL)
    {
      _pyisolate_codec_give_fds_back (luggage->fds);
      g_clear_pointer (&luggage->memories, g_ptr_array_unref);
      return FALSE;
    }

  frame->body = body;
  if (luggage->memories != NULL)
    _pyisolate_frame_take_memories (frame, luggage->memories);
  if (n_fds > 0)
    _pyisolate_frame_take_fds (frame, (int *) (void *) g_array_free (luggage->fds, FALSE), n_fds);
  else
    _pyisolate_codec_give_fds_back (luggage->fds);

  if (n_fds > PYISOLATE_MAX_FDS)
    {
      PyErr_Format (PyExc_ValueError, "%u file descriptors cannot travel together, only %d", n_fds, PYISOLATE_MAX_FDS);
      return FALSE;
    }

  get_memory_ready (frame);
  return TRUE;
}

static gboolean
set_chain (PyIsolateFrame *frame,
           PyIsolateFrame *parent)
{
  guint64 chain[PYISOLATE_MAX_CHAIN];

  if (parent == NULL)
    return TRUE;

  if (parent->n_chain + 1 > PYISOLATE_MAX_CHAIN)
    {
      PyErr_Format (PyExc_RecursionError, "A chain of more than %d calls led to this one",
                    PYISOLATE_MAX_CHAIN);
      return FALSE;
    }

  if (parent->n_chain > 0)
    memcpy (chain, parent->chain, parent->n_chain * sizeof (guint64));
  chain[parent->n_chain] = parent->id;
  _pyisolate_frame_set_chain (frame, chain, parent->n_chain + 1);

  return TRUE;
}

PyIsolateFrame *
_pyisolate_native_new_call_frame (PyIsolateFrame *parent,
                                  const char     *target,
                                  const char     *name,
                                  PyObject       *args,
                                  PyObject       *kwargs)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 0);
  Luggage luggage;
  PyIsolateParcel parcel = luggage_open (&luggage);

  if (!take_body (frame, _pyisolate_codec_encode_call (args, kwargs, &parcel), &luggage))
    return NULL;
  if (!set_chain (frame, parent))
    return NULL;

  _pyisolate_frame_set_target (frame, target);
  _pyisolate_frame_set_name (frame, name);

  return g_steal_pointer (&frame);
}

/* send_call(inbox, parent, target, name, args, kwargs) → id: for an event loop. */
static PyObject *
native_send_call (PyObject *module,
                  PyObject *call_args)
{
  PyIsolateInbox *inbox;
  PyIsolateFrame *parent;
  PyIsolateFrame *frame;
  const char *target;
  const char *name;
  PyObject *args;
  PyObject *kwargs;
  g_autoptr (GError) error = NULL;
  guint64 id;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (call_args, "O&O&ssO!O!:send_call", _pyisolate_native_inbox_convert,
                         &inbox, _pyisolate_native_frame_convert, &parent, &target, &name,
                         &PyTuple_Type, &args, &PyDict_Type, &kwargs))
    return NULL;

  frame = _pyisolate_native_new_call_frame (parent, target, name, args, kwargs);
  if (frame == NULL)
    return NULL;

  id = _pyisolate_out_call_begin (frame, parent != NULL ? parent->id : 0, inbox, NULL, &error);
  if (id == 0)
    {
      _pyisolate_native_set_error (error);
      return NULL;
    }

  return PyLong_FromUnsignedLongLong (id);
}

/* end_call(id): nobody waits for the answer any more. */
static PyObject *
native_end_call (PyObject *module,
                 PyObject *args)
{
  unsigned long long id;

  if (!_pyisolate_native_check_process () || !PyArg_ParseTuple (args, "K:end_call", &id))
    return NULL;

  _pyisolate_out_call_end (id);
  Py_RETURN_NONE;
}

/* Whatever is raised while @serve handles a call that came back concerns that call alone. */
static gboolean
serve_masked (PyIsolateRunner *runner,
              PyObject        *serve,
              PyObject        *frame)
{
  PyObject *result;

  _pyisolate_runner_set_masked (runner, TRUE);
  result = PyObject_CallFunctionObjArgs (serve, frame, NULL);
  _pyisolate_runner_set_masked (runner, FALSE);
  Py_XDECREF (result);

  return result != NULL;
}

/* What was raised in this thread since it knew @told comes when it runs Python again, which would be too late for the wait, or in
 * a def that called back: it is taken back, to be raised by the caller. */
static gboolean
take_back_raised (PyIsolateRunner *runner,
                  gboolean         told)
{
  if (told || runner == _pyisolate_runtime.main_runner || !_pyisolate_runner_is_told (runner))
    return FALSE;

  PyThreadState_SetAsyncExc (runner->ident, NULL);
  return TRUE;
}

/* The answer, or NULL with an exception. @told: whether the def that waits knew of its cancellation before. */
static PyObject *
wait_for_answer (PyIsolateRunner *runner,
                 guint64          id,
                 PyObject        *serve,
                 gboolean         told)
{
  gboolean taken_back = take_back_raised (runner, told);

  for (;;)
    {
      PyIsolateFrame *frame = NULL;
      PyIsolateTake taken;
      PyObject *object;
      gboolean served;

      if (taken_back || _pyisolate_runner_must_raise (runner))
        {
          PyErr_SetNone (_pyisolate_call_cancelled);
          return NULL;
        }

      Py_BEGIN_ALLOW_THREADS
      taken = _pyisolate_inbox_take (runner->inbox, id, -1, &frame);
      Py_END_ALLOW_THREADS
      taken_back = take_back_raised (runner, told);

      if (taken == PYISOLATE_TAKE_INTERRUPTED)
        {
          if (PyErr_CheckSignals () < 0)
            return NULL;
          continue;
        }
      if (taken == PYISOLATE_TAKE_CLOSED)
        {
          PyErr_SetString (PyExc_ConnectionResetError, "The link to the host is closed");
          return NULL;
        }

      if (frame->kind == PYISOLATE_FRAME_CANCEL)
        {
          _pyisolate_frame_free (frame);
          continue;
        }
      object = _pyisolate_native_frame_new (frame);
      if (object == NULL)
        return NULL;
      if (_pyisolate_native_frame_get (object)->kind != PYISOLATE_FRAME_CALL)
        {
          if (!taken_back)
            return object;
          Py_DECREF (object);
          continue;
        }

      served = serve_masked (runner, serve, object);
      Py_DECREF (object);
      if (!served)
        return NULL;
    }
}

/* call_sync(serve, parent, target, name, args, kwargs) → the Frame of the answer. Meanwhile
 * serve(frame) is called for what the host calls because of it. All in C, so that a cancellation
 * cannot come between the call and its end. */
static PyObject *
native_call_sync (PyObject *module,
                  PyObject *call_args)
{
  PyIsolateRunner *runner;
  PyIsolateFrame *parent;
  PyIsolateFrame *frame;
  PyObject *serve;
  const char *target;
  const char *name;
  PyObject *args;
  PyObject *kwargs;
  PyObject *answer;
  g_autoptr (GError) error = NULL;
  gboolean told;
  guint64 id;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (call_args, "OO&ssO!O!:call_sync", &serve,
                         _pyisolate_native_frame_convert, &parent, &target, &name,
                         &PyTuple_Type, &args, &PyDict_Type, &kwargs))
    return NULL;

  runner = _pyisolate_runner_get (PyThread_get_thread_ident ());
  told = _pyisolate_runner_is_told (runner);
  frame = _pyisolate_native_new_call_frame (parent, target, name, args, kwargs);
  if (frame == NULL)
    return NULL;

  id = _pyisolate_out_call_begin (frame, parent != NULL ? parent->id : 0, runner->inbox, runner, &error);
  if (id == 0)
    {
      _pyisolate_native_set_error (error);
      return NULL;
    }

  answer = wait_for_answer (runner, id, serve, told);
  _pyisolate_out_call_end (id);

  return answer;
}

/* serve_between(serve, frame): for a call that came back to an event loop which runs inside a
 * def. */
static PyObject *
native_serve_between (PyObject *module,
                      PyObject *args)
{
  PyIsolateRunner *runner;
  PyObject *serve;
  PyObject *frame;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "OO:serve_between", &serve, &frame))
    return NULL;

  runner = _pyisolate_runner_get (PyThread_get_thread_ident ());
  if (!serve_masked (runner, serve, frame))
    return NULL;
  if (_pyisolate_runner_must_raise (runner))
    {
      PyErr_SetNone (_pyisolate_call_cancelled);
      return NULL;
    }

  Py_RETURN_NONE;
}

/* FALSE: an exception is set, and the call has no answer yet. */
gboolean
_pyisolate_native_reply (PyIsolateFrame *call,
                         PyObject       *value)
{
  g_autoptr (PyIsolateFrame) answer = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, call->id);
  Luggage luggage;
  PyIsolateParcel parcel = luggage_open (&luggage);

  if (!take_body (answer, _pyisolate_codec_encode_value (value, "result", &parcel), &luggage))
    return FALSE;

  _pyisolate_in_call_answer (g_steal_pointer (&answer));
  return TRUE;
}

/* reply(frame, value) */
static PyObject *
native_reply (PyObject *module,
              PyObject *args)
{
  PyIsolateFrame *call;
  PyObject *value;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "O&O:reply", _pyisolate_native_frame_convert, &call, &value) ||
      !_pyisolate_native_reply (call, value))
    return NULL;

  Py_RETURN_NONE;
}

/* The details lie in a call's keyword arguments: the one place where the encoder makes an
 * "a{sv}" of every dict. */
static GBytes *
encode_details (PyObject *details)
{
  g_autoptr (GBytes) body = NULL;
  g_autoptr (GVariant) call = NULL;
  g_autoptr (GVariant) dict = NULL;
  PyObject *no_args = PyTuple_New (0);

  if (no_args == NULL)
    return NULL;
  body = _pyisolate_codec_encode_call (no_args, details, NULL);
  Py_DECREF (no_args);
  if (body == NULL)
    return NULL;

  call = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (PYISOLATE_BODY_CALL), body,
                                                       TRUE));
  dict = g_variant_get_child_value (call, 1);

  return g_variant_get_data_as_bytes (dict);
}

/* reply_error(frame, code, message, details): code is a D-Bus name without its beginning. */
static PyObject *
native_reply_error (PyObject *module,
                    PyObject *args)
{
  g_autoptr (PyIsolateFrame) answer = NULL;
  g_autofree char *text = NULL;
  PyIsolateFrame *call;
  const char *code;
  PyObject *message;
  PyObject *details;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "O&sUO!:reply_error", _pyisolate_native_frame_convert, &call,
                         &code, &message, &PyDict_Type, &details))
    return NULL;

  text = _pyisolate_native_dup_text (message);
  if (text == NULL)
    return NULL;

  answer = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, call->id);
  answer->body = encode_details (details);
  if (answer->body == NULL)
    return NULL;
  answer->name = g_strconcat (PYISOLATE_ERROR_DBUS_PREFIX, code, NULL);
  answer->message = g_steal_pointer (&text);

  _pyisolate_in_call_answer (g_steal_pointer (&answer));
  Py_RETURN_NONE;
}

/* event(frame or None, name, value): of that call while it has no answer, else of none. */
static PyObject *
native_event (PyObject *module,
              PyObject *args)
{
  g_autoptr (PyIsolateFrame) event = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateFrame *call;
  const char *name;
  PyObject *value;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "O&sO:event", _pyisolate_native_frame_convert, &call, &name, &value))
    return NULL;

  event = _pyisolate_frame_new (PYISOLATE_FRAME_EVENT, 0);
  event->body = _pyisolate_codec_encode_value (value, "event", NULL);
  if (event->body == NULL)
    return NULL;
  event->name = g_strdup (name);

  event->id = call != NULL ? call->id : 0;
  if (call != NULL ? !_pyisolate_in_call_tell (g_steal_pointer (&event), &error)
                   : !_pyisolate_runtime_send_by (NULL, g_steal_pointer (&event), &error))
    {
      _pyisolate_native_set_error (error);
      return NULL;
    }

  Py_RETURN_NONE;
}

/* progress(frame, fraction, text) */
static PyObject *
native_progress (PyObject *module,
                 PyObject *args)
{
  g_autofree char *valid = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateFrame *progress;
  PyIsolateFrame *call;
  double fraction;
  PyObject *text;

  if (!_pyisolate_native_check_process () ||
      !PyArg_ParseTuple (args, "O&dU:progress", _pyisolate_native_frame_convert, &call, &fraction,
                         &text))
    return NULL;

  valid = _pyisolate_native_dup_text (text);
  if (valid == NULL)
    return NULL;

  progress = _pyisolate_frame_new (PYISOLATE_FRAME_PROGRESS, call->id);
  _pyisolate_frame_set_variant (progress, g_variant_new (PYISOLATE_BODY_PROGRESS, fraction, valid));
  if (!_pyisolate_in_call_tell (progress, &error))
    {
      _pyisolate_native_set_error (error);
      return NULL;
    }

  Py_RETURN_NONE;
}

/* Nobody shows more of it, and there is more than can travel. */
static char *
dup_log_text (PyObject *text)
{
  g_autofree char *whole = _pyisolate_native_dup_text (text);

  return whole != NULL ? _pyisolate_text_dup_bounded (whole, PYISOLATE_MAX_LOG_TEXT) : NULL;
}

/* log(level, logger, message): whether it could be sent; a child of the worker has no link. */
static PyObject *
native_log (PyObject *module,
            PyObject *args)
{
  g_autofree char *valid_logger = NULL;
  g_autofree char *valid_message = NULL;
  PyIsolateFrame *frame;
  int level;
  PyObject *logger;
  PyObject *message;

  if (!PyArg_ParseTuple (args, "iUU:log", &level, &logger, &message))
    return NULL;

  if (_pyisolate_runtime_is_forked () || _pyisolate_runtime.transport == NULL)
    Py_RETURN_FALSE;

  valid_logger = dup_log_text (logger);
  valid_message = dup_log_text (message);
  if (valid_logger == NULL || valid_message == NULL)
    return NULL;

  frame = _pyisolate_frame_new (PYISOLATE_FRAME_LOG, 0);
  _pyisolate_frame_set_variant (frame,
                                g_variant_new (PYISOLATE_BODY_LOG, level, valid_logger,
                                               valid_message));
  _pyisolate_runtime_send (frame);

  Py_RETURN_TRUE;
}

/* encoded_size(value): raises where it cannot travel. */
static PyObject *
native_encoded_size (PyObject *module,
                     PyObject *value)
{
  g_autoptr (GBytes) bytes = _pyisolate_codec_encode_value (value, "value", NULL);

  return bytes != NULL ? PyLong_FromSize_t (g_bytes_get_size (bytes)) : NULL;
}

PyMethodDef _pyisolate_native_call_methods[] = {
  { "send_call", native_send_call, METH_VARARGS, "Call the host; the answer comes into an inbox." },
  { "end_call", native_end_call, METH_VARARGS, "Stop waiting for an answer." },
  { "call_sync", native_call_sync, METH_VARARGS, "Call the host and wait." },
  { "serve_between", native_serve_between, METH_VARARGS, "Serve a call inside a def." },
  { "reply", native_reply, METH_VARARGS, "Answer a call." },
  { "reply_error", native_reply_error, METH_VARARGS, "Answer a call by an error." },
  { "event", native_event, METH_VARARGS, "Send an event." },
  { "progress", native_progress, METH_VARARGS, "Send the progress of a call." },
  { "log", native_log, METH_VARARGS, "Send a log record." },
  { "encoded_size", native_encoded_size, METH_O, "The size of a value on the link." },
  { NULL, NULL, 0, NULL },
};
