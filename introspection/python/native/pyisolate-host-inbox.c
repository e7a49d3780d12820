/* SPDX-License-Identifier: MIT */
/* Inbox: answers to the calls made in one context, on their way to Python.
 *
 * They are put in by whoever reads them, most of the time the context's own thread, with locks of the library's held and
 * without the GIL. Calls under way keep it, also after its context has gone. */
#include "pyisolate-host-private.h"

struct _PyIsolateHostInbox {
  gatomicrefcount ref_count;
  GMainContext *context;

  GMutex mutex; /* guards the rest */
  GQueue answers;
};

static _Thread_local PyIsolateHostInbox *read_here;

PyIsolateHostInbox *
_pyisolate_host_inbox_new (GMainContext *context)
{
  PyIsolateHostInbox *self = g_new0 (PyIsolateHostInbox, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->context = g_main_context_ref (context);
  g_mutex_init (&self->mutex);
  g_queue_init (&self->answers);

  return self;
}

PyIsolateHostInbox *
_pyisolate_host_inbox_ref (PyIsolateHostInbox *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
_pyisolate_host_inbox_unref (gpointer data)
{
  PyIsolateHostInbox *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_queue_clear_full (&self->answers, (GDestroyNotify) pyisolate_answer_free);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

PyIsolateHostInbox *
_pyisolate_host_inbox_set_read (PyIsolateHostInbox *self)
{
  PyIsolateHostInbox *before = read_here;

  read_here = self;
  return before;
}

void
_pyisolate_host_inbox_put (PyIsolateAnswer *answer,
                           gpointer         data)
{
  PyIsolateHostInbox *self = data;

  g_mutex_lock (&self->mutex);
  g_queue_push_tail (&self->answers, answer);
  g_mutex_unlock (&self->mutex);

  if (read_here != self)
    g_main_context_wakeup (self->context);
}

PyIsolateAnswer *
_pyisolate_host_inbox_take (PyIsolateHostInbox *self)
{
  PyIsolateAnswer *answer;

  g_mutex_lock (&self->mutex);
  answer = g_queue_pop_head (&self->answers);
  g_mutex_unlock (&self->mutex);

  return answer;
}

gboolean
_pyisolate_host_inbox_has_any (PyIsolateHostInbox *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->answers.length > 0;
}
