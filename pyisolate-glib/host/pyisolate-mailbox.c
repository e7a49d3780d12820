/* SPDX-License-Identifier: MIT */
/* What is to be done in a main context, in order.
 *
 * Replies, progress and the calls that extensions make to singletons are jobs in the mailbox of the context that they are
 * meant for. Iterating the context does them. A caller that blocks in a `_sync` function does them too: the context is not
 * iterated while it is blocked, and an extension whose method it called may need a singleton that lives there before it
 * can answer. So two that wait for each other do not deadlock. Notifications (signals, notify) are left to the context:
 * a blocking function that emits signals would surprise its caller. */
#include "config.h"

#include "pyisolate-mailbox-private.h"

#include <unistd.h>

typedef struct {
  guint64 number; /* in the order in which they were posted */
  PyIsolateJobFunc func;
  gpointer data;
  GDestroyNotify destroy;
} Job;

struct _PyIsolateMailbox {
  gatomicrefcount ref_count;
  GMainContext *context; /* NULL: only a blocked caller does the jobs */

  GMutex mutex;
  GCond cond;
  GQueue calls;         /* of Job */
  GQueue notifications; /* of Job */
  guint64 last_number;
  GSource *source;      /* owned; attached to the context, and will do the jobs */
  gboolean over;        /* there was no context, and the caller blocks no more */
};

/* Contexts that have a mailbox; the values are not referenced. */
static GMutex all_mutex;
static GHashTable *all;

static void
job_free (gpointer data)
{
  Job *job = data;

  if (job->destroy != NULL)
    job->destroy (job->data);
  g_free (job);
}

static PyIsolateMailbox *
mailbox_new (GMainContext *context)
{
  PyIsolateMailbox *self = g_new0 (PyIsolateMailbox, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->context = context != NULL ? g_main_context_ref (context) : NULL;
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  g_queue_init (&self->calls);
  g_queue_init (&self->notifications);

  return self;
}

/*< private >
 * @context: (nullable): the context, %NULL for the default one
 */
PyIsolateMailbox *
_pyisolate_mailbox_ref_for_context (GMainContext *context)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);
  PyIsolateMailbox *self;

  if (context == NULL)
    context = g_main_context_default ();

  if (all == NULL)
    all = g_hash_table_new (NULL, NULL);

  self = g_hash_table_lookup (all, context);
  if (self != NULL)
    return _pyisolate_mailbox_ref (self);

  self = mailbox_new (context);
  g_hash_table_insert (all, context, self);

  return self;
}

PyIsolateMailbox *
_pyisolate_mailbox_ref (PyIsolateMailbox *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
_pyisolate_mailbox_unref (PyIsolateMailbox *self)
{
  /* The lock keeps ref_for_context() from handing out what is about to be freed. */
  g_mutex_lock (&all_mutex);
  if (!g_atomic_ref_count_dec (&self->ref_count))
    {
      g_mutex_unlock (&all_mutex);
      return;
    }
  if (self->context != NULL)
    g_hash_table_remove (all, self->context);
  g_mutex_unlock (&all_mutex);

  g_queue_clear_full (&self->calls, job_free);
  g_queue_clear_full (&self->notifications, job_free);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
  g_free (self);
}

/* The oldest: what one call did, its callbacks, progress and events, is told in the order in which it happened. */
static Job *
pop_job (PyIsolateMailbox *self)
{
  Job *call = g_queue_peek_head (&self->calls);
  Job *notification = g_queue_peek_head (&self->notifications);

  if (call == NULL || (notification != NULL && notification->number < call->number))
    return g_queue_pop_head (&self->notifications);

  return g_queue_pop_head (&self->calls);
}

static void
run_job (Job *job)
{
  job->func (job->data);
  job_free (job);
}

static void schedule (PyIsolateMailbox *self);

/* A context that is never iterated again would keep a source that has nothing to do, and be kept by it. */
static void
drop_idle_source (PyIsolateMailbox *self)
{
  g_autoptr (GSource) source = NULL;

  g_mutex_lock (&self->mutex);
  if (self->calls.length == 0 && self->notifications.length == 0)
    source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->mutex);

  if (source != NULL)
    g_source_destroy (source);
}

/* Does what is there now; what these jobs post is done at the next turn, so that the context's other sources get theirs. */
static gboolean
do_jobs (gpointer data)
{
  PyIsolateMailbox *self = data;
  guint n_jobs;

  g_mutex_lock (&self->mutex);
  if (self->source == g_main_current_source ())
    g_clear_pointer (&self->source, g_source_unref);
  n_jobs = self->calls.length + self->notifications.length;
  g_mutex_unlock (&self->mutex);

  for (; n_jobs > 0; n_jobs--)
    {
      Job *job;

      /* A job may run a main loop, which must find what is left. */
      g_mutex_lock (&self->mutex);
      job = pop_job (self);
      if (self->calls.length + self->notifications.length > 0)
        schedule (self);
      g_mutex_unlock (&self->mutex);

      if (job == NULL)
        break;
      run_job (job);
    }

  drop_idle_source (self);

  return G_SOURCE_REMOVE;
}

/* With the lock held. */
static void
schedule (PyIsolateMailbox *self)
{
  if (self->context == NULL || self->source != NULL)
    return;

  self->source = g_idle_source_new ();
  g_source_set_priority (self->source, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->source, do_jobs, _pyisolate_mailbox_ref (self),
                         (GDestroyNotify) _pyisolate_mailbox_unref);
  g_source_set_static_name (self->source, "[pyisolate] mailbox");
  g_source_attach (self->source, self->context);
}

/* FALSE: nobody will ever look into this one. */
static gboolean
push (PyIsolateMailbox *self,
      PyIsolateJobKind  kind,
      Job              *job)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (self->over)
    return FALSE;

  job->number = ++self->last_number;
  g_queue_push_tail (kind == PYISOLATE_JOB_CALL ? &self->calls : &self->notifications, job);
  schedule (self);
  g_cond_broadcast (&self->cond);

  return TRUE;
}

/* What came too late for a thread without a context is done where such threads' things are done otherwise. */
static void
push_to_default (PyIsolateJobKind  kind,
                 Job              *job)
{
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (NULL);

  push (mailbox, kind, job);
}

/* May be called from any thread. */
void
_pyisolate_mailbox_post (PyIsolateMailbox *self,
                         PyIsolateJobKind  kind,
                         PyIsolateJobFunc  func,
                         gpointer          data,
                         GDestroyNotify    destroy)
{
  Job *job = g_new (Job, 1);

  job->func = func;
  job->data = data;
  job->destroy = destroy;

  if (!push (self, kind, job))
    push_to_default (kind, job);
}

/* A thread without a context of its own has the default one by name only: that is the main thread's, which would be kept from
 * iterating it for as long as the other thread blocks. */
static gboolean
may_serve (GMainContext *context)
{
  return context != g_main_context_default () || g_main_context_is_owner (context) || gettid () == getpid ();
}

/* Returns the mailbox of the caller's own context, when the caller is who iterates it. A thread without a context of its
 * own, while another one iterates the default context, gets a mailbox for itself. */
PyIsolateMailbox *
_pyisolate_mailbox_begin_wait (void)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  if (!may_serve (context) || !g_main_context_acquire (context))
    return mailbox_new (NULL);

  return _pyisolate_mailbox_ref_for_context (context);
}

/* Does the calls, and blocks, until *done. */
void
_pyisolate_mailbox_wait (PyIsolateMailbox *self,
                         const gboolean   *done)
{
  while (!*done)
    {
      Job *job;

      g_mutex_lock (&self->mutex);
      while ((job = g_queue_pop_head (&self->calls)) == NULL)
        g_cond_wait (&self->cond, &self->mutex);
      g_mutex_unlock (&self->mutex);

      run_job (job);
    }
}

/* With the lock held. */
static void
close_without_context (PyIsolateMailbox *self)
{
  Job *job;

  self->over = TRUE;
  while ((job = g_queue_pop_head (&self->calls)) != NULL)
    push_to_default (PYISOLATE_JOB_CALL, job);
  while ((job = g_queue_pop_head (&self->notifications)) != NULL)
    push_to_default (PYISOLATE_JOB_NOTIFICATION, job);
}

void
_pyisolate_mailbox_end_wait (PyIsolateMailbox *self)
{
  g_autoptr (GSource) source = NULL;

  /* A context that is never iterated again would keep a source that has nothing to do, and be kept by it. */
  g_mutex_lock (&self->mutex);
  if (self->context == NULL)
    close_without_context (self);
  else if (self->calls.length == 0 && self->notifications.length == 0)
    source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->mutex);
  if (source != NULL)
    g_source_destroy (source);

  if (self->context != NULL)
    g_main_context_release (self->context);
  _pyisolate_mailbox_unref (self);
}
