/* SPDX-License-Identifier: MIT */
/* Calls of an extension: from a method and its arguments to what is waited for. */
#include "pyisolate-host-private.h"

#include "pyisolate-awaitable-private.h"

#include <unistd.h>

/* To send a body up to this size is to copy it. */
#define SMALL_BODY 2048

typedef PyIsolateHostMethod Method;
typedef PyIsolateHostTarget Target;

PyIsolateMemory *
_pyisolate_host_allocate_memory (gpointer               extension,
                                 gsize                  size,
                                 PyIsolateMemoryFlags   flags,
                                 GError               **error)
{
  return pyisolate_extension_allocate_memory (extension, size, flags, error);
}

/* Then torch's storages are passed as torch's own multiprocessing passes them: they move. */
gboolean
_pyisolate_host_shares_torch (PyIsolateExtension *extension)
{
  return pyisolate_extension_config_get_share_torch (pyisolate_extension_get_config (extension));
}

/* Which exception that is, Python knows. */
void
_pyisolate_host_method_raise (Method       *self,
                              const GError *error)
{
  g_autoptr (PyIsolateRemoteException) exception = pyisolate_error_dup_remote_exception (error);
  PyObject *described = _pyisolate_host_describe_exception (exception);
  PyObject *raised = NULL;

  if (described != NULL)
    raised = PyObject_CallFunction (_pyisolate_host_hooks.to_exception, "OsisO", self->extension,
                                    g_quark_to_string (error->domain), error->code, error->message, described);
  if (raised != NULL)
    PyErr_SetObject ((PyObject *) Py_TYPE (raised), raised);
  Py_XDECREF (raised);
  Py_XDECREF (described);
}

/* ---- whose call it is ---- */

/* Of this thread; NULL with an exception. A new reference. */
static PyObject *
get_running_loop (void)
{
  return PyObject_CallFunctionObjArgs (_pyisolate_host_hooks.get_running_loop, NULL);
}

/* Whether the loop of the target's home runs here. Before Python 3.12 asyncio itself looks whether the process is still the
 * same, with a system call; we know that. */
static gboolean
runs_at_home (Target *target)
{
  PyIsolateHostContext *home = (PyIsolateHostContext *) target->home;

  return home != NULL && home->running != NULL && !_pyisolate_host_hooks.is_forked &&
         _pyisolate_get_running () == home->running;
}

static void
note_running (PyIsolateHostContext *context)
{
  PyObject *running = _pyisolate_get_running ();

  Py_XINCREF (running);
  Py_XDECREF (context->running);
  context->running = running;
}

/* What no call led to runs on the loop that used the manager first. FALSE: an exception. */
static gboolean
adopt_loop (Method   *self,
            PyObject *loop)
{
  Target *target = self->target;
  PyIsolateHostContext *home = (PyIsolateHostContext *) target->home;
  PyObject *bridge;

  if (loop == Py_None || (home != NULL && home->loop == loop))
    return TRUE;

  bridge = PyObject_CallMethod (self->extension, "_adopt_loop", NULL);
  if (bridge == NULL)
    return FALSE;

  if (bridge != Py_None && _pyisolate_host_context_check (bridge) != NULL)
    {
      /* Another thread may have done it meanwhile: what is there now is what goes. */
      PyObject *before = target->home;

      target->home = bridge;
      bridge = before;
    }
  Py_XDECREF (bridge);

  return PyErr_Occurred () == NULL;
}

PyIsolateHostContext *
_pyisolate_host_method_find_context (Method *self)
{
  PyIsolateHostContext *home = (PyIsolateHostContext *) self->target->home;
  PyObject *bridge = NULL;
  PyObject *loop;

  if (G_LIKELY (runs_at_home (self->target)))
    {
      Py_INCREF (home);
      return home;
    }

  loop = get_running_loop ();
  if (loop == NULL || !adopt_loop (self, loop))
    {
      Py_XDECREF (loop);
      return NULL;
    }

  home = (PyIsolateHostContext *) self->target->home;
  if (!_pyisolate_host_hooks.is_forked && home != NULL && home->loop == loop)
    {
      bridge = (PyObject *) home;
      note_running (home);
    }
  else if (!_pyisolate_host_hooks.is_forked && loop != Py_None)
    {
      bridge = PyDict_GetItemWithError (_pyisolate_host_hooks.by_loop, loop);
    }
  Py_DECREF (loop);

  if (bridge != NULL)
    Py_INCREF (bridge);
  else if (PyErr_Occurred () == NULL)
    bridge = PyObject_CallFunctionObjArgs (_pyisolate_host_hooks.current, NULL);
  if (bridge != NULL && _pyisolate_host_context_check (bridge) == NULL)
    Py_CLEAR (bridge);

  return (PyIsolateHostContext *) bridge;
}

/* ---- the call ---- */

/* The invocation of a singleton that this is a part of, by current_invocation. NULL: of none; or an exception. A new reference. */
static PyObject *
get_parent (void)
{
  PyObject *running = NULL;
  PyObject *parent = NULL;

  if (PyContextVar_Get (_pyisolate_host_hooks.current_invocation, NULL, &running) < 0)
    return NULL;

  if (running != NULL && running != Py_None)
    parent = PySequence_GetItem (running, 0);
  Py_XDECREF (running);
  if (parent == Py_None)
    Py_CLEAR (parent);

  return parent;
}

static void
close_fds (GArray *fds)
{
  for (guint i = 0; i < fds->len; i++)
    close (g_array_index (fds, int, i));
}

static gint64
to_milliseconds (double timeout)
{
  if (timeout >= 0)
    return (gint64) MIN (timeout * 1000, 9e15);

  return timeout == -1 ? -1 : PYISOLATE_TIMEOUT_DEFAULT;
}

/* Makes the request that is encoded. 0: an exception. */
static guint64
begin (Method               *self,
       PyIsolateHostContext *context,
       PyIsolateRequest     *request)
{
  PyIsolateExtension *extension = self->target->extension;
  PyIsolateHostInbox *inbox = _pyisolate_host_inbox_ref (context->inbox);
  PyThreadState *state = NULL;
  g_autoptr (GError) error = NULL;
  guint64 id;

  /* What is small waits for nobody, and who has a lock of the library's never waits for the GIL. */
  if (request->memories != NULL || g_bytes_get_size (request->body) > SMALL_BODY)
    state = PyEval_SaveThread ();
  id = pyisolate_extension_begin_request (extension, context->context, request, _pyisolate_host_inbox_put, inbox,
                                          _pyisolate_host_inbox_unref, &error);
  if (state != NULL)
    PyEval_RestoreThread (state);

  if (id == 0)
    _pyisolate_host_method_raise (self, error);

  return id;
}

/* 0: an exception, and nothing has been taken. */
static guint64
begin_encoded (Method               *self,
               PyIsolateHostContext *context,
               PyIsolateRequest     *request)
{
  PyObject *parent = get_parent ();
  guint64 id;

  request->method = PyUnicode_AsUTF8AndSize (self->name, NULL);
  if (parent != NULL)
    request->parent = _pyisolate_host_invocation_get (parent);
  if (request->method == NULL || PyErr_Occurred () != NULL)
    {
      Py_XDECREF (parent);
      return 0;
    }

  request->timeout = to_milliseconds (self->timeout);
  request->wants_progress = self->on_progress != NULL;
  request->wants_events = TRUE;
  id = begin (self, context, request);
  Py_XDECREF (parent);

  return id;
}

guint64
_pyisolate_host_method_send (Method               *self,
                             PyIsolateHostContext *context,
                             PyObject             *args,
                             PyObject             *kwargs)
{
  GArray *fds = _pyisolate_codec_take_fds ();
  g_autoptr (GPtrArray) memories = NULL;
  g_autoptr (GError) refusal = NULL;
  PyIsolateParcel parcel = {
    .fds = fds,
    .memories = &memories,
    .allocate = _pyisolate_host_allocate_memory,
    .user_data = self->target->extension,
    .refusal = &refusal,
    .readonly = self->readonly,
    .move_storages = self->target->shares_torch,
  };
  g_autoptr (GBytes) body = _pyisolate_codec_encode_call (args, kwargs, &parcel);
  PyIsolateRequest request = { .body = body };
  guint64 id = 0;

  if (body != NULL)
    {
      request.n_fds = fds->len;
      if (fds->len > 0)
        request.fds = g_memdup2 (fds->data, fds->len * sizeof (int));
      request.memories = g_steal_pointer (&memories);
      id = begin_encoded (self, context, &request);
    }
  else if (g_error_matches (refusal, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING))
    {
      /* It has ended meanwhile: memory is not what it wants. */
      PyErr_Clear ();
      _pyisolate_host_method_raise (self, refusal);
    }
  if (request.fds != NULL) /* nobody has taken them */
    close_fds (fds);
  g_free (request.fds);
  g_clear_pointer (&request.memories, g_ptr_array_unref);
  _pyisolate_codec_give_fds_back (fds);

  return id;
}

/* ---- to block until it is there ---- */

/* In a thread that does nothing else. FALSE: an exception. */
static gboolean
wait_here (PyIsolateHostContext *context,
           PyObject             *answer)
{
  gboolean ok = TRUE;

  context->n_waiting++;
  while (ok && !_pyisolate_host_answer_is_done (answer))
    {
      gboolean anything, others;

      Py_BEGIN_ALLOW_THREADS
      _pyisolate_host_context_read (context, context->fd, -1, &anything, &others);
      Py_END_ALLOW_THREADS
      ok = _pyisolate_host_context_answer (context, FALSE) && PyErr_CheckSignals () == 0 &&
           _pyisolate_host_check_process ();
    }
  context->n_waiting--;

  return ok;
}

/* As the bridge knows it: other things are done there, too. */
static gboolean
wait_by_bridge (PyIsolateHostContext *context,
                PyObject             *answer)
{
  PyObject *is_done = PyObject_GetAttrString (answer, "done");
  PyObject *returned = is_done != NULL ? PyObject_CallMethod ((PyObject *) context, "wait", "O", is_done) : NULL;

  Py_XDECREF (is_done);
  Py_XDECREF (returned);

  return returned != NULL;
}

PyObject *
_pyisolate_host_method_call_sync (Method   *self,
                                  PyObject *args,
                                  PyObject *kwargs)
{
  PyObject *answer = _pyisolate_host_answer_new (self, args, kwargs);
  PyObject *value = NULL;
  PyIsolateHostContext *context;

  if (answer == NULL || !_pyisolate_host_answer_begin (answer))
    {
      Py_XDECREF (answer);
      return NULL;
    }

  context = _pyisolate_host_answer_get_context (answer);
  if (context->is_bare ? wait_here (context, answer) : wait_by_bridge (context, answer))
    value = _pyisolate_awaitable_get_value ((PyIsolateAwaitable *) answer);
  Py_DECREF (answer);

  return value;
}
