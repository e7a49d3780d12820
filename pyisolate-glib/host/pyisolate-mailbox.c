/* SPDX-License-Identifier: MIT */
/* What is to be done in a main context, in order.
 *
 * Replies, progress and the calls that extensions make to singletons are jobs in the mailbox of the context that they are
 * meant for. Iterating the context does them. A caller that blocks in a `_sync` function does them too: the context is not
 * iterated while it is blocked, and an extension whose method it called may need a singleton that lives there before it
 * can answer. So two that wait for each other do not deadlock. Notifications (signals, notify) are left to the context:
 * a blocking function that emits signals would surprise its caller. */
#include "config.h"

#include "pyisolate-mailbox-struct-private.h"

#include "pyisolate-fd-private.h"

#include <unistd.h>

typedef struct {
  guint64 number; /* in the order in which they were posted */
  PyIsolateJobFunc func;
  gpointer data;
  GDestroyNotify destroy;
} Job;

/* Contexts that have a mailbox; the values are not referenced. */
static GMutex all_mutex;
static GHashTable *all;
static PyIsolateMailbox *last_found; /* most of the time the next one, too */

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

  self->n_users = 1;
  self->context = context != NULL ? g_main_context_ref (context) : NULL;
  self->wake_fd = -1;
  self->set_fd = -1;
  self->turn.gathered_func = _pyisolate_mailbox_has_gathered;
  self->turn.data = self;
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

  if (last_found != NULL && last_found->context == context)
    self = last_found;
  else
    self = last_found = g_hash_table_lookup (all, context);
  if (self == NULL)
    {
      self = mailbox_new (context);
      g_hash_table_insert (all, context, self);
    }
  else if (g_atomic_int_add (&self->n_users, 1) == 0)
    {
      g_main_context_ref (context);
    }

  return self;
}

/* No reference to a mailbox: its context may be about to go, with all that keeps the lanes. */
GPtrArray *
_pyisolate_mailbox_dup_gathered (void)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);
  GPtrArray *lanes = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, all);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    _pyisolate_mailbox_take_gathered (value, lanes);

  return lanes;
}

PyIsolateMailbox *
_pyisolate_mailbox_ref (PyIsolateMailbox *self)
{
  g_atomic_int_inc (&self->n_users);

  return self;
}

static void
mailbox_free (PyIsolateMailbox *self)
{
  g_assert (self->lanes == NULL || self->lanes->len == 0);

  g_queue_clear_full (&self->calls, job_free);
  g_queue_clear_full (&self->notifications, job_free);
  g_clear_pointer (&self->lanes, g_ptr_array_unref);
  _pyisolate_clear_fd (&self->wake_fd);
  _pyisolate_clear_fd (&self->set_fd);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
  g_free (self);
}

/* The lock keeps ref_for_context() from handing out what is about to be freed. */
static void
drop_user (PyIsolateMailbox *self,
           int              *counter)
{
  g_autoptr (GMainContext) context = NULL;
  gboolean is_last = FALSE;
  int n = g_atomic_int_get (counter);

  for (; n > 1; n = g_atomic_int_get (counter))
    {
      if (g_atomic_int_compare_and_exchange (counter, n, n - 1))
        return;
    }

  g_mutex_lock (&all_mutex);
  if (g_atomic_int_dec_and_test (counter))
    {
      if (counter == &self->n_users)
        context = self->context;
      is_last = g_atomic_int_get (&self->n_users) == 0 && g_atomic_int_get (&self->n_lanes) == 0;
      if (is_last && self->context != NULL)
        g_hash_table_remove (all, self->context);
      if (is_last && last_found == self)
        last_found = NULL;
    }
  g_mutex_unlock (&all_mutex);

  if (is_last)
    mailbox_free (self);
}

void
_pyisolate_mailbox_unref (PyIsolateMailbox *self)
{
  drop_user (self, &self->n_users);
}

void
_pyisolate_mailbox_add_lane_user (PyIsolateMailbox *self)
{
  g_atomic_int_inc (&self->n_lanes);
}

void
_pyisolate_mailbox_remove_lane_user (PyIsolateMailbox *self)
{
  drop_user (self, &self->n_lanes);
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

/* A context that is never iterated again would keep a source that has nothing to do, and be kept by it. FALSE: there are jobs. */
static gboolean
drop_idle_source (PyIsolateMailbox *self)
{
  g_autoptr (GSource) source = NULL;
  gboolean is_idle;

  g_mutex_lock (&self->mutex);
  is_idle = self->calls.length == 0 && self->notifications.length == 0;
  if (is_idle)
    source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->mutex);

  if (source != NULL)
    g_source_destroy (source);

  return is_idle;
}

/* Returns whether none are left. */
static gboolean
do_n_jobs (PyIsolateMailbox *self,
           guint             n_jobs)
{
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

  return drop_idle_source (self);
}

/* Does what is there now; what these jobs post is done at the next turn, so that the context's other sources get theirs. */
void
_pyisolate_mailbox_do_jobs (PyIsolateMailbox *self)
{
  guint n_jobs;

  g_mutex_lock (&self->mutex);
  n_jobs = self->calls.length + self->notifications.length;
  g_mutex_unlock (&self->mutex);

  do_n_jobs (self, n_jobs);
}

static gboolean
on_idle (gpointer data)
{
  PyIsolateMailbox *self = data;

  g_mutex_lock (&self->mutex);
  if (self->source == g_main_current_source ())
    g_clear_pointer (&self->source, g_source_unref);
  g_mutex_unlock (&self->mutex);

  _pyisolate_mailbox_do_jobs (self);

  return G_SOURCE_REMOVE;
}

/* With the lock held. */
static void
schedule (PyIsolateMailbox *self)
{
  if (self->context == NULL || self->source != NULL || self->served != PYISOLATE_SERVED_NOT)
    return;

  self->source = g_idle_source_new ();
  g_source_set_priority (self->source, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->source, on_idle, _pyisolate_mailbox_ref (self),
                         (GDestroyNotify) _pyisolate_mailbox_unref);
  g_source_set_static_name (self->source, "[pyisolate] mailbox");
  g_source_attach (self->source, self->context);
}

/* With the lock held: a blocked caller looks again at what there is. */
void
_pyisolate_mailbox_wake_locked (PyIsolateMailbox *self)
{
  const guint64 one = 1;

  if (self->served == PYISOLATE_SERVED_WAITING)
    {
      self->served = PYISOLATE_SERVED_AWAKE;
      while (write (self->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    }
  if (self->asleep) /* to tell nobody costs a system call, too */
    g_cond_signal (&self->cond);
}

void
_pyisolate_mailbox_set_served (PyIsolateMailbox *self,
                               PyIsolateServed   served)
{
  g_mutex_lock (&self->mutex);
  self->served = served;
  g_mutex_unlock (&self->mutex);
}

/* How many jobs there are, which nobody else will look for. */
static guint
end_serving (PyIsolateMailbox *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  self->served = PYISOLATE_SERVED_NOT;
  return self->calls.length + self->notifications.length;
}

gboolean
_pyisolate_mailbox_serve (PyIsolateMailbox *self)
{
  gboolean more;
  guint n_jobs;

  _pyisolate_mailbox_leave_turns (self);
  _pyisolate_mailbox_set_served (self, PYISOLATE_SERVED_AWAKE);
  more = _pyisolate_mailbox_poll_lanes (self);
  n_jobs = end_serving (self);
  if (more) /* of which no descriptor tells, and the context itself only to other threads */
    g_main_context_wakeup (self->context);

  return n_jobs > 0 && do_n_jobs (self, n_jobs) && !more;
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
  _pyisolate_mailbox_wake_locked (self);

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
  static _Thread_local enum { UNKNOWN, MAIN, OTHER } thread;

  if (thread == UNKNOWN)
    thread = gettid () == getpid () ? MAIN : OTHER;

  return context != g_main_context_default () || thread == MAIN || g_main_context_is_owner (context);
}

/* The caller's own context, acquired, or NULL if the caller is not who iterates it. */
static GMainContext *
acquire_own (void)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  if (!may_serve (context) || !g_main_context_acquire (context))
    return NULL;

  return g_steal_pointer (&context);
}

gboolean
_pyisolate_mailbox_is_own (PyIsolateMailbox *self)
{
  g_autoptr (GMainContext) context = acquire_own ();

  if (context == NULL)
    return FALSE;
  g_main_context_release (context);

  return context == self->context;
}

/* Returns the mailbox of the caller's own context, when the caller is who iterates it. A thread without a context of its
 * own, while another one iterates the default context, gets a mailbox for itself. */
PyIsolateMailbox *
_pyisolate_mailbox_begin_wait (void)
{
  g_autoptr (GMainContext) context = acquire_own ();

  return context != NULL ? _pyisolate_mailbox_ref_for_context (context) : mailbox_new (NULL);
}

gboolean
_pyisolate_mailbox_is_at_hand (PyIsolateMailbox *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->served == PYISOLATE_SERVED_AWAKE && self->blocked == g_thread_self () && self->calls.length == 0;
}

/* With the lock held. While a job runs, nobody serves the mailbox: it may run a main loop, which must find what is left and
 * what comes. */
static void
leave_to_context (PyIsolateMailbox *self)
{
  self->served = PYISOLATE_SERVED_NOT;
  self->blocked = NULL;
  if (self->calls.length + self->notifications.length > 0)
    schedule (self);
}

/* Does the calls, and blocks, until *done. */
void
_pyisolate_mailbox_wait (PyIsolateMailbox *self,
                         const gboolean   *done)
{
  g_mutex_lock (&self->mutex);
  while (!*done)
    {
      Job *job = g_queue_pop_head (&self->calls);

      self->blocked = g_thread_self ();
      if (job != NULL)
        {
          leave_to_context (self);
          g_mutex_unlock (&self->mutex);
          run_job (job);
          g_mutex_lock (&self->mutex);
        }
      else if (!_pyisolate_mailbox_read_lanes (self))
        {
          self->served = PYISOLATE_SERVED_AWAKE;
          self->asleep = TRUE;
          g_cond_wait (&self->cond, &self->mutex);
          self->asleep = FALSE;
        }
    }
  leave_to_context (self);
  g_mutex_unlock (&self->mutex);
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
