/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-runtime-private.h"

#include "pyisolate-deadline-private.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct {
  PyIsolateLane *lane; /* not owned: which it is, NULL for D-Bus */
  GQueue frames;
} CallQueue;

/* Those of lanes that are gone are not kept longer than there is room for. */
#define MAX_EMPTY_QUEUES 8

/* Frames are in a queue by a link of their own. */
static void
free_frames (GQueue *queue)
{
  GList *link;

  while ((link = g_queue_pop_head_link (queue)) != NULL)
    _pyisolate_frame_free (link->data);
}

static void
free_call_queue (gpointer data)
{
  CallQueue *queue = data;

  free_frames (&queue->frames);
  g_free (queue);
}

static void
add_locked (PyIsolateInbox *inbox,
            GQueue         *queue,
            PyIsolateFrame *frame)
{
  g_queue_push_tail_link (queue, &frame->link);
  g_atomic_int_set (&inbox->n_frames, inbox->n_frames + 1);
}

static void
remove_locked (PyIsolateInbox *inbox,
               GQueue         *queue,
               PyIsolateFrame *frame)
{
  g_queue_unlink (queue, &frame->link);
  g_atomic_int_set (&inbox->n_frames, inbox->n_frames - 1);
}

static PyIsolateInbox *
new_inbox (int      wake_fd,
           int      wait_fd,
           gboolean owns_fds)
{
  PyIsolateInbox *inbox = g_new0 (PyIsolateInbox, 1);

  g_atomic_ref_count_init (&inbox->ref_count);
  g_queue_init (&inbox->frames);
  inbox->calls = g_ptr_array_new_with_free_func (free_call_queue);
  g_cond_init (&inbox->arrived);
  inbox->wake_fd = wake_fd;
  inbox->wait_fd = wait_fd;
  inbox->owns_fds = owns_fds;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  if (_pyisolate_runtime.all_inboxes == NULL)
    _pyisolate_runtime.all_inboxes = g_ptr_array_new ();
  g_ptr_array_add (_pyisolate_runtime.all_inboxes, inbox);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return inbox;
}

/* NULL with errno set where descriptors are wanted and cannot be had. */
PyIsolateInbox *
_pyisolate_inbox_new (gboolean with_fds)
{
  int wake_fd = -1;
  int wait_fd = -1;

  if (with_fds)
    {
      wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
      if (wake_fd < 0)
        return NULL;

      wait_fd = _pyisolate_lanes_new_set (wake_fd);
      if (wait_fd < 0)
        {
          int saved_errno = errno;

          close (wake_fd);
          errno = saved_errno;
          return NULL;
        }
    }

  return new_inbox (wake_fd, wait_fd, TRUE);
}

/* Another one for the thread of @other, which lives longer: what comes into either wakes it. */
PyIsolateInbox *
_pyisolate_inbox_new_beside (PyIsolateInbox *other)
{
  return new_inbox (other->wake_fd, other->wait_fd, FALSE);
}

PyIsolateInbox *
_pyisolate_inbox_ref (PyIsolateInbox *inbox)
{
  g_atomic_ref_count_inc (&inbox->ref_count);

  return inbox;
}

void
_pyisolate_inbox_unref (PyIsolateInbox *inbox)
{
  if (!g_atomic_ref_count_dec (&inbox->ref_count))
    return;

  /* In a forked child the mutex may be held for ever by a thread that is not there. */
  if (!_pyisolate_runtime_is_forked ())
    {
      g_mutex_lock (&_pyisolate_runtime.mutex);
      g_ptr_array_remove_fast (_pyisolate_runtime.all_inboxes, inbox);
      g_mutex_unlock (&_pyisolate_runtime.mutex);
    }

  free_frames (&inbox->frames);
  g_ptr_array_unref (inbox->calls);
  g_cond_clear (&inbox->arrived);
  if (inbox->wait_fd >= 0 && inbox->owns_fds)
    _pyisolate_lanes_free_set (inbox->wait_fd);
  if (inbox->wake_fd >= 0 && inbox->owns_fds)
    close (inbox->wake_fd);
  g_free (inbox);
}

void
_pyisolate_inbox_wake_locked (PyIsolateInbox *inbox)
{
  const guint64 one = 1;

  if (inbox->wake_fd >= 0)
    {
      /* It fails only where the counter is full: then the reader is as good as woken. */
      while (write (inbox->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    }
  g_cond_broadcast (&inbox->arrived);
}

static void
wake_unless_awake_locked (PyIsolateInbox *inbox,
                          PyIsolateInbox *awake)
{
  if (awake == NULL || inbox->wake_fd < 0 || inbox->wake_fd != awake->wake_fd)
    _pyisolate_inbox_wake_locked (inbox);
}

/*< private >
 * @frame: (transfer full): the frame, not the call of a method
 * @awake: (nullable): an inbox of the calling thread, which looks into all that are its own anyway
 */
void
_pyisolate_inbox_push_locked (PyIsolateInbox *inbox,
                              PyIsolateFrame *frame,
                              PyIsolateInbox *awake)
{
  add_locked (inbox, &inbox->frames, frame);
  wake_unless_awake_locked (inbox, awake);
}

static CallQueue *
get_call_queue_locked (PyIsolateInbox *inbox,
                       PyIsolateLane  *lane)
{
  CallQueue *queue;

  for (guint i = 0; i < inbox->calls->len; i++)
    {
      queue = g_ptr_array_index (inbox->calls, i);
      if (queue->lane == lane)
        return queue;
    }

  queue = g_new0 (CallQueue, 1);
  queue->lane = lane;
  g_queue_init (&queue->frames);
  g_ptr_array_add (inbox->calls, queue);

  return queue;
}

/*< private >
 * @frame: (transfer full): the call of a method
 * @lane: (nullable): by which it came
 */
void
_pyisolate_inbox_push_call_locked (PyIsolateInbox *inbox,
                                   PyIsolateFrame *frame,
                                   PyIsolateLane  *lane,
                                   PyIsolateInbox *awake)
{
  add_locked (inbox, &get_call_queue_locked (inbox, lane)->frames, frame);
  wake_unless_awake_locked (inbox, awake);
}

/* By turns of one lane and another. */
static PyIsolateFrame *
pop_call_locked (PyIsolateInbox *inbox)
{
  for (guint i = 0; i < inbox->calls->len; i++)
    {
      guint at = (inbox->next_calls + i) % inbox->calls->len;
      CallQueue *queue = g_ptr_array_index (inbox->calls, at);
      PyIsolateFrame *frame = g_queue_peek_head (&queue->frames);

      if (frame == NULL)
        continue;

      remove_locked (inbox, &queue->frames, frame);
      inbox->next_calls = at + 1;
      if (inbox->calls->len > MAX_EMPTY_QUEUES && g_queue_is_empty (&queue->frames))
        g_ptr_array_remove_index_fast (inbox->calls, at);
      return frame;
    }

  return NULL;
}

void
_pyisolate_inbox_drop_call_locked (PyIsolateInbox *inbox,
                                   guint64         id)
{
  for (guint i = 0; i < inbox->calls->len; i++)
    {
      CallQueue *queue = g_ptr_array_index (inbox->calls, i);

      for (GList *l = queue->frames.head; l != NULL; l = l->next)
        {
          PyIsolateFrame *frame = l->data;

          if (frame->id == id)
            {
              remove_locked (inbox, &queue->frames, frame);
              _pyisolate_frame_free (frame);
              return;
            }
        }
    }
}

/* Before what waits there: a cancellation is not to wait for calls. Its own call has left the inbox. */
void
_pyisolate_inbox_push_cancel_locked (PyIsolateInbox *inbox,
                                     guint64         id)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, id);

  g_queue_push_head_link (&inbox->frames, &frame->link);
  g_atomic_int_set (&inbox->n_frames, inbox->n_frames + 1);
  _pyisolate_inbox_wake_locked (inbox);
}

static gboolean
is_reply (PyIsolateFrame *frame)
{
  return frame->kind == PYISOLATE_FRAME_RETURN || frame->kind == PYISOLATE_FRAME_ERROR;
}

/* With @reply_id: the answer to that call, or what is to be done meanwhile; an answer to another
 * call is for a wait further out. */
static PyIsolateFrame *
pop_locked (PyIsolateInbox *inbox,
            guint64         reply_id)
{
  PyIsolateFrame *frame;
  PyIsolateInCall *call;

  for (GList *l = inbox->frames.head; l != NULL; l = l->next)
    {
      frame = l->data;
      if (reply_id == 0 || !is_reply (frame) || frame->id == reply_id)
        {
          remove_locked (inbox, &inbox->frames, frame);
          return frame;
        }
    }

  frame = pop_call_locked (inbox);
  if (frame != NULL)
    {
      call = _pyisolate_id_table_lookup (&_pyisolate_runtime.calls_in, frame->id);
      if (call != NULL)
        call->queued = NULL;
    }

  return frame;
}

PyIsolateFrame *
_pyisolate_inbox_pop_locked (PyIsolateInbox *inbox)
{
  return pop_locked (inbox, 0);
}

/* Of what another thread puts in meanwhile the inbox's descriptor tells, too. */
gboolean
_pyisolate_inbox_has_frames (PyIsolateInbox *inbox)
{
  return g_atomic_int_get (&inbox->n_frames) > 0;
}

/* What is there now, or NULL. */
PyIsolateFrame *
_pyisolate_inbox_pop (PyIsolateInbox *inbox)
{
  PyIsolateFrame *frame;

  if (!_pyisolate_inbox_has_frames (inbox))
    return NULL;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  frame = pop_locked (inbox, 0);
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return frame;
}

static PyIsolateTake
take_by_cond (PyIsolateInbox  *inbox,
              guint64          reply_id,
              gint64           deadline,
              PyIsolateFrame **frame)
{
  PyIsolateTake result = PYISOLATE_TAKE_FRAME;

  _pyisolate_lanes_begin_wait ();
  g_mutex_lock (&_pyisolate_runtime.mutex);
  inbox->n_waiting++;
  while ((*frame = pop_locked (inbox, reply_id)) == NULL)
    {
      if (_pyisolate_runtime.closed)
        {
          result = PYISOLATE_TAKE_CLOSED;
          break;
        }
      if (deadline < 0)
        {
          g_cond_wait (&inbox->arrived, &_pyisolate_runtime.mutex);
        }
      else if (!g_cond_wait_until (&inbox->arrived, &_pyisolate_runtime.mutex, deadline))
        {
          *frame = pop_locked (inbox, reply_id);
          result = *frame != NULL ? PYISOLATE_TAKE_FRAME : PYISOLATE_TAKE_TIMED_OUT;
          break;
        }
    }
  inbox->n_waiting--;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return result;
}

/* Reads the lanes itself. A signal ends the wait: the main thread's Python handlers must run. */
static PyIsolateTake
take_by_poll (PyIsolateInbox  *inbox,
              guint64          reply_id,
              gint64           deadline,
              PyIsolateFrame **frame)
{
  for (;;)
    {
      gboolean closed;
      gboolean is_over;
      guint n_events;

      g_mutex_lock (&_pyisolate_runtime.mutex);
      *frame = pop_locked (inbox, reply_id);
      closed = _pyisolate_runtime.closed;
      g_mutex_unlock (&_pyisolate_runtime.mutex);

      if (*frame != NULL)
        return PYISOLATE_TAKE_FRAME;
      if (closed)
        return PYISOLATE_TAKE_CLOSED;

      is_over = _pyisolate_deadline_is_over (deadline);
      if (!_pyisolate_lanes_wait (inbox->wait_fd, inbox, deadline, &n_events, NULL))
        return PYISOLATE_TAKE_INTERRUPTED;
      if (n_events == 0 && is_over)
        return PYISOLATE_TAKE_TIMED_OUT;
    }
}

/*< private >
 * @reply_id: 0, or the call of ours whose answer is waited for
 * @deadline: in monotonic microseconds, 0: take what is there, -1: none
 *
 * Blocks: not to be called with the GIL held.
 */
PyIsolateTake
_pyisolate_inbox_take (PyIsolateInbox  *inbox,
                       guint64          reply_id,
                       gint64           deadline,
                       PyIsolateFrame **frame)
{
  if (inbox->wake_fd >= 0)
    return take_by_poll (inbox, reply_id, deadline, frame);

  return take_by_cond (inbox, reply_id, deadline, frame);
}
