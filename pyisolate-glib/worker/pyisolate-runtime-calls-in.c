/* SPDX-License-Identifier: MIT */
/* The calls that come from the host, and how they are cancelled.
 *
 * A cancellation has these ways: a call that still lies in an inbox is answered at once; a def
 * on the main thread gets signals, one on another thread an asynchronous exception from the
 * thread that reads `interrupts` (it needs the GIL); a coroutine is cancelled by the event loop.
 * Whatever the call had called in turn is cancelled here. Each of them reaches only the call
 * that it means: a def is told while it is the innermost one of its thread, and once. */
#include "config.h"

#include "pyisolate-runtime-private.h"

#include "pyisolate-error-private.h"

gboolean
_pyisolate_in_call_is_cancelled (guint64 id)
{
  PyIsolateInCall *call;
  gboolean cancelled;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, id);
  cancelled = call != NULL && call->cancelled;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return cancelled;
}

/* Whether it still has no answer. */
gboolean
_pyisolate_in_call_is_open (guint64 id)
{
  gboolean open;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  open = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, id) != NULL;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return open;
}

static void
forget_in_call_locked (guint64 id)
{
  PyIsolateInCall *call = _pyisolate_id_table_steal (&_pyisolate_runtime.calls_in, id);

  if (call != NULL)
    {
      g_clear_object (&call->lane);
      g_slice_free (PyIsolateInCall, call);
    }
  if (_pyisolate_runtime.n_idle_waiters > 0 && _pyisolate_runtime.calls_in.n_values == 0)
    g_cond_broadcast (&_pyisolate_runtime.idle);
}

/* The way of its answer. */
static PyIsolateLane *
dup_lane_of_call_locked (guint64 id)
{
  PyIsolateInCall *call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, id);

  return call != NULL && call->lane != NULL ? g_object_ref (call->lane) : NULL;
}

/*< private >
 * @frame: (transfer full): a RETURN or ERROR
 *
 * An answer that cannot be sent becomes an error that says so.
 */
void
_pyisolate_in_call_answer (PyIsolateFrame *frame)
{
  g_autoptr (PyIsolateLane) lane = NULL;
  g_autoptr (GError) error = NULL;
  guint64 id = frame->id;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  lane = dup_lane_of_call_locked (id);
  forget_in_call_locked (id);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  if (!_pyisolate_runtime_send_by (lane, frame, &error))
    _pyisolate_runtime_send_by (lane, _pyisolate_frame_new_error (id, error), NULL);
}

/*< private >
 * @frame: (transfer full): an EVENT or PROGRESS with the id of a call
 *
 * By the way of the call, and before its answer. Where the call is answered already there is no
 * progress any more, and an event belongs to no call.
 */
gboolean
_pyisolate_in_call_tell (PyIsolateFrame  *frame,
                         GError         **error)
{
  g_autoptr (PyIsolateLane) lane = NULL;
  gboolean sent = TRUE;
  gboolean late;
  gboolean open;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  open = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, frame->id) != NULL;
  lane = dup_lane_of_call_locked (frame->id);
  late = lane != NULL && _pyisolate_runtime_may_wait_for_memory (frame);
  if (lane != NULL && !late)
    sent = _pyisolate_runtime_send_by (lane, frame, error);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  if (late)
    return _pyisolate_runtime_send_by (lane, frame, error);
  if (lane != NULL)
    return sent;

  if (!open && frame->kind == PYISOLATE_FRAME_PROGRESS)
    {
      _pyisolate_frame_free (frame);
      return TRUE;
    }
  if (!open)
    frame->id = 0;

  return _pyisolate_runtime_send_by (NULL, frame, error);
}

/* Nothing of it has run. */
static GError *
new_error_of_queued_locked (void)
{
  if (_pyisolate_runtime.stopping)
    return g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING, PYISOLATE_RUNTIME_STOPPING);

  return g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED, "cancelled");
}

static void
drop_queued_call_locked (PyIsolateInCall *call)
{
  g_autoptr (GError) error = new_error_of_queued_locked ();
  g_autoptr (PyIsolateLane) lane = dup_lane_of_call_locked (call->id);
  guint64 id = call->id;

  _pyisolate_inbox_drop_call_locked (call->queued, id);
  forget_in_call_locked (id);
  _pyisolate_runtime_send_by (lane, _pyisolate_frame_new_error (id, error), NULL);
}

/* How soon a thread is told again, and how seldom in the end. */
#define FIRST_REMINDER_MS 10
#define LAST_REMINDER_MS 160

typedef struct {
  guint64 id; /* of the cancelled call */
  guint delay_ms;
} Reminder;

static void
tell_locked (PyIsolateRunner *runner,
             guint64          id)
{
  if (runner == _pyisolate_runtime.main_runner)
    pthread_kill (runner->thread, PYISOLATE_RUNTIME_SIGNAL);
  else
    _pyisolate_inbox_push_cancel_locked (_pyisolate_runtime.interrupts, id);
}

static gboolean on_reminder (gpointer data);

static void
remind_later (guint64 id,
              guint   delay_ms)
{
  g_autoptr (GSource) source = g_timeout_source_new (delay_ms);
  Reminder *reminder = g_new (Reminder, 1);

  *reminder = (Reminder) { id, delay_ms };
  g_source_set_callback (source, on_reminder, reminder, g_free);
  g_source_attach (source, _pyisolate_runtime.context);
}

/* In the link's thread. A signal that comes after Python looked for one, and before the thread
 * blocks, interrupts nothing, and an event loop that was asked to tell its def may end first; so there
 * are more of them until the def has been told, or has ended. With the mutex, so that none is sent
 * after that. */
static gboolean
on_reminder (gpointer data)
{
  const Reminder *reminder = data;
  PyIsolateRunner *runner = NULL;
  PyIsolateInCall *call;
  gboolean is_deaf;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, reminder->id);
  if (call != NULL)
    runner = call->runner;
  is_deaf = runner != NULL && runner->top == call && call->cancelled && !call->raised;
  if (is_deaf)
    tell_locked (runner, call->id);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  if (is_deaf)
    remind_later (reminder->id, MIN (reminder->delay_ms * 2, LAST_REMINDER_MS));

  return G_SOURCE_REMOVE;
}

/* What told the def that this thread runs was swallowed where it was raised. FALSE: there was nothing to tell. */
gboolean
_pyisolate_in_call_tell_again (PyIsolateRunner *runner)
{
  PyIsolateInCall *call;
  gboolean again;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  call = runner->top;
  again = call != NULL && call->cancelled && call->raised;
  if (again)
    {
      call->raised = FALSE;
      call->n_asked = 0;
      remind_later (call->id, FIRST_REMINDER_MS);
    }
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return again;
}

static void
interrupt_runner_locked (PyIsolateRunner *runner,
                         PyIsolateInCall *call)
{
  if (runner->n_waits > 0)
    _pyisolate_inbox_push_cancel_locked (runner->inbox, call->id);

  /* Around another def that it serves meanwhile it is told when that one has ended. */
  if (runner->top != call)
    return;

  tell_locked (runner, call->id);
  remind_later (call->id, FIRST_REMINDER_MS);
}

static void
cancel_in_call_locked (PyIsolateInCall *call)
{
  if (call->queued != NULL)
    {
      drop_queued_call_locked (call);
      return;
    }
  if (call->cancelled)
    return;

  call->cancelled = TRUE;
  _pyisolate_out_calls_cancel_of_locked (call->id);

  if (call->runner != NULL)
    interrupt_runner_locked (call->runner, call);
  else
    _pyisolate_inbox_push_cancel_locked (_pyisolate_runtime.inboxes[PYISOLATE_HOME_MAIN], call->id);
}

/* FALSE: there is no such call; it was answered, or has not come yet. */
gboolean
_pyisolate_in_call_cancel_locked (guint64 id)
{
  PyIsolateInCall *call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, id);

  if (call != NULL)
    cancel_in_call_locked (call);

  return call != NULL;
}

void
_pyisolate_in_calls_stop_locked (void)
{
  guint n_calls;
  g_autofree gpointer *calls = _pyisolate_id_table_dup_values (&_pyisolate_runtime.calls_in, &n_calls);

  _pyisolate_runtime.stopping = TRUE;
  for (guint i = 0; i < n_calls; i++)
    cancel_in_call_locked (calls[i]);
}

/* Whether all calls were answered by then. Blocks: not to be called with the GIL held. */
gboolean
_pyisolate_in_calls_wait_idle (gint64 deadline)
{
  gboolean idle;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  _pyisolate_runtime.n_idle_waiters++;
  while (!(idle = _pyisolate_runtime.calls_in.n_values == 0))
    {
      if (!g_cond_wait_until (&_pyisolate_runtime.idle, &_pyisolate_runtime.mutex, deadline))
        break;
    }
  _pyisolate_runtime.n_idle_waiters--;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return idle;
}
