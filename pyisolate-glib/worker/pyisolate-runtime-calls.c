/* SPDX-License-Identifier: MIT */
/* The calls in flight, and how they are cancelled.
 *
 * A cancellation has these ways: a call that still lies in an inbox is answered at once; a def
 * on the main thread gets signals, one on another thread an asynchronous exception from the
 * thread that reads `interrupts` (it needs the GIL); a coroutine is cancelled by the event loop.
 * Whatever the call had called in turn is cancelled here. Each of them reaches only the call
 * that it means: a def is told while it is the innermost one of its thread, and once. */
#include "config.h"

#include "pyisolate-runtime-private.h"

#include "pyisolate-error-private.h"

/* Below this a body is in its frame. */
#define LARGE_BODY 4096

static void
free_runner (gpointer data)
{
  PyIsolateRunner *runner = data;

  if (runner->home == PYISOLATE_HOME_MAIN)
    return; /* it ends with the process */

  if (!_pyisolate_runtime_is_forked ())
    {
      g_mutex_lock (&_pyisolate_runtime.mutex);
      if (_pyisolate_runtime.second_runner == runner)
        _pyisolate_runtime.second_runner = NULL;
      g_mutex_unlock (&_pyisolate_runtime.mutex);
    }
  _pyisolate_inbox_unref (runner->inbox);
  g_free (runner);
}

static GPrivate this_runner = G_PRIVATE_INIT (free_runner);

/* Of this thread. The first to ask is the main thread. */
PyIsolateRunner *
_pyisolate_runner_get (unsigned long ident)
{
  PyIsolateRunner *runner = g_private_get (&this_runner);

  if (runner != NULL)
    return runner;

  runner = g_new0 (PyIsolateRunner, 1);
  runner->thread = pthread_self ();
  runner->ident = ident;
  runner->home = PYISOLATE_N_HOMES;
  if (_pyisolate_runtime.main_runner == NULL)
    {
      runner->home = PYISOLATE_HOME_MAIN;
      runner->inbox = _pyisolate_inbox_new_beside (_pyisolate_runtime.inboxes[PYISOLATE_HOME_MAIN]);
      _pyisolate_runtime.main_runner = runner;
    }
  else
    {
      runner->inbox = _pyisolate_inbox_new (FALSE);
    }
  g_private_set (&this_runner, runner);

  return runner;
}

/* FALSE: the call is cancelled already. */
gboolean
_pyisolate_runner_begin (PyIsolateRunner *runner,
                         guint64          id)
{
  PyIsolateInCall *call;
  gboolean go_on = TRUE;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, id);
  if (call == NULL || call->cancelled)
    {
      go_on = FALSE;
    }
  else
    {
      call->runner = runner;
      call->outer = runner->top;
      call->outer_masked = runner->masked;
      runner->top = call;
      runner->masked = FALSE;
    }
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return go_on;
}

/* TRUE: the call's def was told that it is cancelled. */
gboolean
_pyisolate_runner_end (PyIsolateRunner *runner)
{
  PyIsolateInCall *call;
  gboolean raised;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  call = runner->top;
  runner->top = call->outer;
  runner->masked = call->outer_masked;
  call->runner = NULL;
  raised = call->raised;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return raised;
}

void
_pyisolate_runner_set_masked (PyIsolateRunner *runner,
                              gboolean         masked)
{
  g_mutex_lock (&_pyisolate_runtime.mutex);
  runner->masked = masked;
  g_mutex_unlock (&_pyisolate_runtime.mutex);
}

static gboolean
must_raise_locked (PyIsolateRunner *runner)
{
  PyIsolateInCall *call = runner->top;

  if (call == NULL || runner->masked || !call->cancelled || call->raised)
    return FALSE;

  call->raised = TRUE;
  return TRUE;
}

/* Whether the def that this thread runs is cancelled and does not know yet. Who asks must tell
 * it. */
gboolean
_pyisolate_runner_must_raise (PyIsolateRunner *runner)
{
  gboolean must_raise;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  must_raise = must_raise_locked (runner);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return must_raise;
}

/* The same for the thread that runs call @id. If it returns one, the mutex is locked, so that
 * the def cannot end before it was told. */
PyIsolateRunner *
_pyisolate_runner_lock_to_raise (guint64 id)
{
  PyIsolateInCall *call;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, id);
  if (call != NULL && call->runner != NULL && call->runner->top == call &&
      must_raise_locked (call->runner))
    return call->runner;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return NULL;
}

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

/* By which a call of ours goes: by that of the innermost call that led to it and has no answer yet. */
static PyIsolateLane *
find_lane_locked (PyIsolateFrame *frame)
{
  for (guint i = frame->n_chain; i > 0; i--)
    {
      PyIsolateInCall *call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, frame->chain[i - 1]);

      if (call != NULL)
        return call->lane != NULL && !_pyisolate_lane_is_ended (call->lane) ? call->lane : NULL;
    }

  return NULL;
}

/* A large body goes into memory of the host's, for which the sender may have to wait: never with the mutex, without which
 * nothing is received. The order of what is told of a call and its answer the GIL keeps then, which who sends either holds. */
static gboolean
may_wait_for_memory (PyIsolateFrame *frame)
{
  return g_bytes_get_size (frame->body) > LARGE_BODY;
}

static void
free_out_call (PyIsolateOutCall *out)
{
  g_clear_object (&out->lane);
  _pyisolate_inbox_unref (out->inbox);
  g_free (out);
}

/*< private >
 * @frame: (transfer full): a CALL without an id
 * @own: the host's call that makes it, or 0
 * @runner: (nullable): this thread, if it waits
 *
 * Returns: the id; the answer goes into @inbox until _pyisolate_out_call_end(). Or 0: it could not be sent
 */
guint64
_pyisolate_out_call_begin (PyIsolateFrame   *frame,
                           guint64           own,
                           PyIsolateInbox   *inbox,
                           PyIsolateRunner  *runner,
                           GError          **error)
{
  PyIsolateRuntime *runtime = &_pyisolate_runtime;
  PyIsolateOutCall *out = g_new0 (PyIsolateOutCall, 1);
  PyIsolateLane *lane;
  gboolean sent = TRUE;
  guint64 id;

  _pyisolate_lanes_send_gathered ();

  out->own = own;
  out->inbox = _pyisolate_inbox_ref (inbox);
  out->runner = runner;

  g_mutex_lock (&runtime->mutex);
  id = ((guint64) runtime->link_number << 32) | ++runtime->last_id;
  frame->id = id;
  out->id = id;
  if (runner != NULL)
    runner->n_waits++;
  g_hash_table_insert (runtime->calls_out, &out->id, out);

  /* With the mutex, so that the answer to the call whose lane it is cannot come before it. */
  lane = find_lane_locked (frame);
  if (lane != NULL)
    {
      out->lane = g_object_ref (lane);
      if (may_wait_for_memory (frame))
        {
          g_mutex_unlock (&runtime->mutex);
          sent = _pyisolate_runtime_send_by (out->lane, frame, error);
          g_mutex_lock (&runtime->mutex);
        }
      else
        {
          sent = _pyisolate_runtime_send_by (lane, frame, error);
        }
      if (!sent)
        {
          g_hash_table_remove (runtime->calls_out, &id);
          if (runner != NULL)
            runner->n_waits--;
        }
    }
  g_mutex_unlock (&runtime->mutex);

  if (!sent)
    {
      free_out_call (out);
      return 0;
    }
  if (lane == NULL)
    _pyisolate_runtime_send (frame);

  return id;
}

/* Where it is still in this process nobody needs to be told. */
static void
cancel_out_call_locked (PyIsolateOutCall *out)
{
  if (out->cancelled || out->answered)
    return;

  out->cancelled = TRUE;
  if (out->lane != NULL && _pyisolate_lane_withdraw (out->lane, out->id))
    return;

  _pyisolate_runtime_send (_pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, out->id));
}

static gboolean
is_waited_at_locked (PyIsolateInbox *inbox)
{
  GHashTableIter iter;
  gpointer out;

  g_hash_table_iter_init (&iter, _pyisolate_runtime.calls_out);
  while (g_hash_table_iter_next (&iter, NULL, &out))
    {
      if (((PyIsolateOutCall *) out)->inbox == inbox)
        return TRUE;
    }

  return FALSE;
}

/* Calls that came back to a thread or loop which no longer waits go where they belong. */
static void
give_back_calls_locked (PyIsolateInbox *from)
{
  PyIsolateFrame *frame;

  while ((frame = _pyisolate_inbox_pop_locked (from)) != NULL)
    {
      if (frame->kind == PYISOLATE_FRAME_CALL)
        {
          PyIsolateInbox *inbox = _pyisolate_runtime_route_locked (frame);
          PyIsolateInCall *call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, frame->id);

          if (call != NULL)
            call->queued = inbox;
          _pyisolate_inbox_push_call_locked (inbox, frame, call != NULL ? call->lane : NULL, NULL);
        }
      else
        {
          _pyisolate_frame_free (frame);
        }
    }
}

/* Nobody waits any more. Without an answer it is cancelled, and a late answer finds nobody. */
void
_pyisolate_out_call_end (guint64 id)
{
  PyIsolateRuntime *runtime = &_pyisolate_runtime;
  PyIsolateInbox *main_inbox = runtime->inboxes[PYISOLATE_HOME_MAIN];
  PyIsolateOutCall *out;

  g_mutex_lock (&runtime->mutex);
  out = g_hash_table_lookup (runtime->calls_out, &id);
  if (out != NULL)
    {
      g_hash_table_remove (runtime->calls_out, &id);
      cancel_out_call_locked (out);
      if (out->runner != NULL)
        out->runner->n_waits--;
      if (out->inbox != main_inbox && !is_waited_at_locked (out->inbox))
        {
          give_back_calls_locked (out->inbox);
          /* The wait may have read the wake-up that was for the main inbox. */
          if (out->runner == runtime->main_runner && _pyisolate_inbox_has_frames (main_inbox))
            _pyisolate_inbox_wake_locked (main_inbox);
        }
    }
  g_mutex_unlock (&runtime->mutex);

  if (out != NULL)
    free_out_call (out);
}

static void
forget_in_call_locked (guint64 id)
{
  PyIsolateInCall *call = _pyisolate_id_table_steal (&_pyisolate_runtime.calls_in, id);

  if (call != NULL)
    {
      g_clear_object (&call->lane);
      g_free (call);
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
 */
void
_pyisolate_in_call_answer (PyIsolateFrame *frame)
{
  g_autoptr (PyIsolateLane) lane = NULL;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  lane = dup_lane_of_call_locked (frame->id);
  forget_in_call_locked (frame->id);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  if (lane != NULL)
    _pyisolate_lanes_gather_on (lane);
  _pyisolate_runtime_send_by (lane, frame, NULL);
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

  _pyisolate_lanes_send_gathered ();

  g_mutex_lock (&_pyisolate_runtime.mutex);
  open = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, frame->id) != NULL;
  lane = dup_lane_of_call_locked (frame->id);
  late = lane != NULL && may_wait_for_memory (frame);
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
  _pyisolate_runtime_send (frame);

  return TRUE;
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

/* How soon the main thread is signalled again, and how seldom in the end. */
#define FIRST_REMINDER_MS 10
#define LAST_REMINDER_MS 160

typedef struct {
  guint64 id; /* of the cancelled call */
  guint delay_ms;
} Reminder;

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
 * blocks, interrupts nothing; so there are more of them until the def has been told, or has ended.
 * With the mutex, so that none is sent after that. */
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
    pthread_kill (runner->thread, PYISOLATE_RUNTIME_SIGNAL);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  if (is_deaf)
    remind_later (reminder->id, MIN (reminder->delay_ms * 2, LAST_REMINDER_MS));

  return G_SOURCE_REMOVE;
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

  if (runner == _pyisolate_runtime.main_runner)
    {
      pthread_kill (runner->thread, PYISOLATE_RUNTIME_SIGNAL);
      remind_later (call->id, FIRST_REMINDER_MS);
    }
  else
    _pyisolate_inbox_push_cancel_locked (_pyisolate_runtime.interrupts, call->id);
}

static void
cancel_in_call_locked (PyIsolateInCall *call)
{
  GHashTableIter iter;
  gpointer out;

  if (call->queued != NULL)
    {
      drop_queued_call_locked (call);
      return;
    }
  if (call->cancelled)
    return;

  call->cancelled = TRUE;
  g_hash_table_iter_init (&iter, _pyisolate_runtime.calls_out);
  while (g_hash_table_iter_next (&iter, NULL, &out))
    {
      if (((PyIsolateOutCall *) out)->own == call->id)
        cancel_out_call_locked (out);
    }

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
