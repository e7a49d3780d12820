/* SPDX-License-Identifier: MIT */
/* The calls that go to the host, until nobody waits for them any more. */
#include "config.h"

#include "pyisolate-runtime-private.h"

/* Below this a body is in its frame. */
#define LARGE_BODY 4096

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
gboolean
_pyisolate_runtime_may_wait_for_memory (PyIsolateFrame *frame)
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
      if (_pyisolate_runtime_may_wait_for_memory (frame))
        {
          g_mutex_unlock (&runtime->mutex);
          sent = _pyisolate_runtime_send_by (out->lane, frame, error);
          g_mutex_lock (&runtime->mutex);
        }
      else
        {
          sent = _pyisolate_runtime_send_by (lane, frame, error);
        }
    }
  g_mutex_unlock (&runtime->mutex);
  if (lane == NULL)
    sent = _pyisolate_runtime_send_by (NULL, frame, error);
  if (sent)
    return id;

  g_mutex_lock (&runtime->mutex);
  g_hash_table_remove (runtime->calls_out, &id);
  if (runner != NULL)
    runner->n_waits--;
  g_mutex_unlock (&runtime->mutex);
  free_out_call (out);
  return 0;
}

/* TRUE: it is still in this process; the host needs not be told, and will not answer. */
static gboolean
cancel_out_call_locked (PyIsolateOutCall *out)
{
  if (out->cancelled || out->answered)
    return FALSE;

  out->cancelled = TRUE;
  if (out->lane != NULL && _pyisolate_lane_withdraw (out->lane, out->id))
    return TRUE;

  _pyisolate_runtime_send (_pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, out->id));
  return FALSE;
}

/* As the host answers what is cancelled: who made the call may wait on. */
static void
answer_withdrawn_locked (PyIsolateOutCall *out)
{
  g_autoptr (GError) error = NULL;

  error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The caller has cancelled the call");
  out->answered = TRUE;
  _pyisolate_inbox_push_locked (out->inbox, _pyisolate_frame_new_error (out->id, error), NULL);
}

/* Those that the host's call @own has made. */
void
_pyisolate_out_calls_cancel_of_locked (guint64 own)
{
  GHashTableIter iter;
  gpointer out;

  g_hash_table_iter_init (&iter, _pyisolate_runtime.calls_out);
  while (g_hash_table_iter_next (&iter, NULL, &out))
    {
      if (((PyIsolateOutCall *) out)->own == own && cancel_out_call_locked (out))
        answer_withdrawn_locked (out);
    }
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
