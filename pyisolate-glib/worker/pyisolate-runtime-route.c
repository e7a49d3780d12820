/* SPDX-License-Identifier: MIT */
/* Which thread gets what arrives.
 *
 * A method has a home: the event loop, the main thread, the second thread or the pool. A call
 * goes home, unless the thread there waits itself, directly or not, for the call that led to
 * this one: it would never come to it. Such a call, known by the chain of calls that it carries,
 * is served by that thread while it waits, or, where the thread is busy otherwise (it joins a
 * thread that waits, it runs an event loop of its own), by the one that waits closest to it. A
 * coroutine cannot be served like that; whoever gets one answers with an error that says so. */
#include "config.h"

#include "pyisolate-runtime-private.h"

#include "pyisolate-error-private.h"
#include "pyisolate-value-layout-private.h"

static gboolean
chain_contains (PyIsolateFrame *frame,
                guint64         id)
{
  for (guint i = 0; i < frame->n_chain; i++)
    {
      if (frame->chain[i] == id)
        return TRUE;
    }

  return FALSE;
}

/* The innermost of our calls that led to this one. */
static PyIsolateOutCall *
find_innermost_locked (PyIsolateFrame *frame)
{
  for (guint i = frame->n_chain; i > 0; i--)
    {
      PyIsolateOutCall *out = g_hash_table_lookup (_pyisolate_runtime.calls_out,
                                                   &frame->chain[i - 1]);

      if (out != NULL)
        return out;
    }

  return NULL;
}

/* Whether the thread is inside something that led to this call. */
static gboolean
runner_leads_to_locked (PyIsolateRunner *runner,
                        PyIsolateFrame  *frame)
{
  for (PyIsolateInCall *call = runner->top; call != NULL; call = call->outer)
    {
      if (chain_contains (frame, call->id))
        return TRUE;
    }

  for (guint i = 0; runner->n_waits > 0 && i < frame->n_chain; i++)
    {
      PyIsolateOutCall *out = g_hash_table_lookup (_pyisolate_runtime.calls_out, &frame->chain[i]);

      if (out != NULL && out->runner == runner)
        return TRUE;
    }

  return FALSE;
}

/* A thread that the extension started: what it belongs to nobody knows, and the home thread may
 * be joining it. */
static gboolean
waits_in_own_thread (PyIsolateOutCall *out)
{
  return out != NULL && out->runner != NULL && out->runner->home == PYISOLATE_N_HOMES;
}

static PyIsolateHome
get_home_locked (PyIsolateFrame *frame)
{
  gpointer home = NULL;

  if (_pyisolate_runtime.homes != NULL)
    home = g_hash_table_lookup (_pyisolate_runtime.homes, frame->name);

  /* That there is no such method the main thread says. */
  return home != NULL ? GPOINTER_TO_UINT (home) - 1 : PYISOLATE_HOME_MAIN;
}

PyIsolateInbox *
_pyisolate_runtime_route_locked (PyIsolateFrame *frame)
{
  PyIsolateHome home = get_home_locked (frame);
  PyIsolateInbox *inbox = _pyisolate_runtime.inboxes[home];
  PyIsolateOutCall *innermost = find_innermost_locked (frame);
  PyIsolateRunner *runner = home == PYISOLATE_HOME_SECOND ? _pyisolate_runtime.second_runner
                                                          : _pyisolate_runtime.main_runner;

  if (home == PYISOLATE_HOME_POOL)
    {
      if (innermost != NULL && innermost->runner != NULL &&
          innermost->runner->home == PYISOLATE_HOME_POOL)
        return innermost->inbox;
      return inbox;
    }

  if (runner == NULL || (runner->top == NULL && runner->n_waits == 0))
    return inbox;
  if (!runner_leads_to_locked (runner, frame))
    return waits_in_own_thread (innermost) ? innermost->inbox : inbox;
  if (runner->n_waits > 0)
    return runner->inbox;

  return innermost != NULL ? innermost->inbox : inbox;
}

static void
answer_error (guint64        id,
              PyIsolateLane *lane,
              PyIsolateError code,
              const char    *message)
{
  g_autoptr (GError) error = g_error_new_literal (PYISOLATE_ERROR, code, message);

  _pyisolate_runtime_send_by (lane, _pyisolate_frame_new_error (id, error), NULL);
}

static void
answer_none (guint64 id)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, id);
  GVariant *none = g_variant_new_object_path (PYISOLATE_TAG_NONE);

  _pyisolate_frame_set_variant (frame, g_variant_new ("v", none));
  _pyisolate_runtime_send (frame);
}

static void
receive_method_call (PyIsolateFrame *frame,
                     PyIsolateLane  *lane,
                     PyIsolateInbox *awake)
{
  PyIsolateInCall *call;
  PyIsolateError code = PYISOLATE_ERROR_NOT_RUNNING;
  const char *refusal = NULL;

  if (frame->target[0] != '\0')
    {
      g_autofree char *message = g_strdup_printf ("A worker has no object %s", frame->target);

      answer_error (frame->id, lane, PYISOLATE_ERROR_NO_SUCH_METHOD, message);
      _pyisolate_frame_free (frame);
      return;
    }

  g_mutex_lock (&_pyisolate_runtime.mutex);
  if (_pyisolate_runtime.stopping)
    {
      refusal = PYISOLATE_RUNTIME_STOPPING;
    }
  else if (_pyisolate_runtime.homes == NULL)
    {
      refusal = "The extension is still being loaded";
    }
  else if (_pyisolate_early_cancels_take (&_pyisolate_runtime.early_cancels, frame->id))
    {
      code = PYISOLATE_ERROR_FAILED;
      refusal = "cancelled";
    }
  else
    {
      call = g_slice_new0 (PyIsolateInCall);
      call->id = frame->id;
      call->lane = lane != NULL ? g_object_ref (lane) : NULL;
      call->queued = _pyisolate_runtime_route_locked (frame);
      _pyisolate_id_table_insert (&_pyisolate_runtime.calls_in, call->id, call);
      _pyisolate_inbox_push_call_locked (call->queued, frame, lane, awake);
    }
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  if (refusal != NULL)
    {
      answer_error (frame->id, lane, code, refusal);
      _pyisolate_frame_free (frame);
    }
}

/* The other end of a lane. It may have been used by now. */
static void
open_lane (PyIsolateFrame *frame)
{
  if (frame->lacks_fds)
    {
      answer_error (frame->id, NULL, PYISOLATE_ERROR_LIMIT, frame->memory_error->message);
      return;
    }
  if (frame->n_fds != 1)
    {
      answer_error (frame->id, NULL, PYISOLATE_ERROR_FAILED, "A lane is one descriptor");
      return;
    }

  frame->n_fds = 0;
  if (_pyisolate_lanes_add (frame->fds[0]))
    answer_none (frame->id);
  else
    answer_error (frame->id, NULL, PYISOLATE_ERROR_LIMIT, "The worker has no room for a lane");
}

static void
receive_control_call (PyIsolateFrame *frame)
{
  if (g_strcmp0 (frame->name, "Ping") == 0)
    {
      answer_none (frame->id);
      _pyisolate_frame_free (frame);
    }
  else if (g_strcmp0 (frame->name, "OpenLane") == 0)
    {
      open_lane (frame);
      _pyisolate_frame_free (frame);
    }
  else if (g_strcmp0 (frame->name, "Stop") == 0)
    {
      /* What was called before is queued or runs; what is read from now on is refused. */
      _pyisolate_lanes_drain ();
      g_mutex_lock (&_pyisolate_runtime.mutex);
      _pyisolate_in_calls_stop_locked ();
      _pyisolate_inbox_push_locked (_pyisolate_runtime.inboxes[PYISOLATE_HOME_MAIN], frame, NULL);
      g_mutex_unlock (&_pyisolate_runtime.mutex);
    }
  else
    {
      g_autofree char *message = g_strdup_printf ("The worker has no control call %s", frame->name);

      answer_error (frame->id, NULL, PYISOLATE_ERROR_NO_SUCH_METHOD, message);
      _pyisolate_frame_free (frame);
    }
}

static void
receive_reply (PyIsolateFrame *frame,
               PyIsolateInbox *awake)
{
  PyIsolateOutCall *out;

  _pyisolate_frame_taken (frame);
  g_mutex_lock (&_pyisolate_runtime.mutex);
  out = g_hash_table_lookup (_pyisolate_runtime.calls_out, &frame->id);
  if (out != NULL)
    {
      out->answered = TRUE;
      _pyisolate_inbox_push_locked (out->inbox, frame, awake);
    }
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  if (out == NULL) /* nobody waits any more */
    _pyisolate_frame_free (frame);
}

/* It may have overtaken its call, which is in a lane then, or still being sent. */
static void
receive_cancel (guint64 id)
{
  gboolean found;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  found = _pyisolate_in_call_cancel_locked (id);
  g_mutex_unlock (&_pyisolate_runtime.mutex);
  if (found)
    return;

  if (_pyisolate_lanes_are_there ())
    _pyisolate_lanes_drain ();
  g_mutex_lock (&_pyisolate_runtime.mutex);
  if (!_pyisolate_in_call_cancel_locked (id))
    _pyisolate_early_cancels_add (&_pyisolate_runtime.early_cancels, id);
  g_mutex_unlock (&_pyisolate_runtime.mutex);
}

/*< private >
 * @frame: (transfer full): what arrived
 * @lane: (nullable): by which; else by D-Bus
 * @awake: (nullable): see _pyisolate_inbox_push_locked()
 *
 * Runs in GDBus's thread, or in the one that reads the lane.
 */
void
_pyisolate_runtime_receive (PyIsolateFrame *frame,
                            PyIsolateLane  *lane,
                            PyIsolateInbox *awake)
{
  switch (frame->kind)
    {
    case PYISOLATE_FRAME_CALL:
      if (lane == NULL && g_str_equal (frame->target, PYISOLATE_TARGET_WORKER))
        receive_control_call (frame);
      else
        receive_method_call (frame, lane, awake);
      break;

    case PYISOLATE_FRAME_RETURN:
    case PYISOLATE_FRAME_ERROR:
      receive_reply (frame, awake);
      break;

    case PYISOLATE_FRAME_CANCEL:
      if (lane == NULL)
        receive_cancel (frame->id);
      _pyisolate_frame_free (frame);
      break;

    case PYISOLATE_FRAME_PROGRESS:
    case PYISOLATE_FRAME_EVENT:
    case PYISOLATE_FRAME_LOG:
    default:
      _pyisolate_frame_free (frame); /* a host sends none */
      break;
    }
}
