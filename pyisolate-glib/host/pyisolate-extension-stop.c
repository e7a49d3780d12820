/* SPDX-License-Identifier: MIT */
/* How an extension is ended: asked to stop, or killed. */
#include "config.h"

#include "pyisolate-extension-struct-private.h"

#include "pyisolate-error.h"
#include "pyisolate-service-private.h"

typedef struct {
  PyIsolateExtension *extension; /* must not go before it has answered */
  PyIsolateMailbox *mailbox;
  PyIsolateJobKind kind;
  PyIsolateJobFunc func;
  gpointer user_data;
  GDestroyNotify destroy;
} StopWaiter;

void
_pyisolate_extension_answer_stop_waiter (gpointer data)
{
  StopWaiter *waiter = data;

  _pyisolate_mailbox_post (waiter->mailbox, waiter->kind, waiter->func, waiter->user_data,
                           waiter->destroy);
  _pyisolate_mailbox_unref (waiter->mailbox);
  _pyisolate_extension_release (waiter->extension);
  g_free (waiter);
}

static PyIsolateWorker *
dup_worker (PyIsolateExtension *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->worker != NULL ? g_object_ref (self->worker) : NULL;
}

typedef struct {
  PyIsolateWorker *worker;
  GError *why; /* NULL: it is asked to stop */
} Ending;

static void
ending_free (gpointer data)
{
  Ending *ending = data;

  g_object_unref (ending->worker);
  g_clear_error (&ending->why);
  g_free (ending);
}

static gboolean
on_ending (gpointer data)
{
  Ending *ending = data;

  if (ending->why != NULL)
    _pyisolate_worker_end (ending->worker, ending->why);
  else
    _pyisolate_worker_stop (ending->worker);

  return G_SOURCE_REMOVE;
}

gboolean
_pyisolate_extension_end (PyIsolateExtension *self,
                          GError             *why)
{
  g_autoptr (PyIsolateWorker) worker = dup_worker (self);
  Ending *ending;

  if (worker == NULL)
    {
      g_clear_error (&why);
      return FALSE;
    }

  ending = g_new (Ending, 1);
  ending->worker = g_steal_pointer (&worker);
  ending->why = why;
  _pyisolate_service_invoke (on_ending, ending, ending_free);

  return TRUE;
}

/* A call has passed its deadline. */
void
_pyisolate_extension_handle_timeout (PyIsolateExtension *self)
{
  if (pyisolate_extension_config_get_kill_on_timeout (self->config))
    _pyisolate_extension_end (self, g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED,
                                   "The extension “%s” was killed because a call passed its deadline",
                                   pyisolate_extension_get_name (self)));
}

static gboolean
on_stop (gpointer data)
{
  PyIsolateExtension *self = PYISOLATE_EXTENSION (data);

  /* What is only being prepared ends by being cancelled; see the loader. */
  g_cancellable_cancel (self->load_cancellable);
  _pyisolate_extension_end (self, NULL);

  return G_SOURCE_REMOVE;
}

void
_pyisolate_extension_stop (PyIsolateExtension *self,
                           PyIsolateMailbox   *mailbox,
                           PyIsolateJobKind    kind,
                           PyIsolateJobFunc    func,
                           gpointer            user_data,
                           GDestroyNotify      destroy)
{
  StopWaiter *waiter = g_new (StopWaiter, 1);
  gboolean changed = FALSE;

  waiter->extension = _pyisolate_extension_hold (self);
  waiter->mailbox = _pyisolate_mailbox_ref (mailbox);
  waiter->kind = kind;
  waiter->func = func;
  waiter->user_data = user_data;
  waiter->destroy = destroy;

  g_mutex_lock (&self->mutex);
  if (!_pyisolate_extension_state_is_final (self->state))
    {
      g_queue_push_tail (&self->stop_waiters, g_steal_pointer (&waiter));
      self->stop_requested = TRUE;
      changed = _pyisolate_extension_change_state (self, PYISOLATE_EXTENSION_STATE_STOPPING);
    }
  g_mutex_unlock (&self->mutex);

  if (waiter != NULL)
    {
      _pyisolate_extension_answer_stop_waiter (waiter);
      return;
    }

  if (changed)
    {
      _pyisolate_extension_post_notify (self, PROP_STATE);
      _pyisolate_service_invoke (on_stop, _pyisolate_extension_hold (self), _pyisolate_extension_release);
    }
}

static GError *
new_killed_error (PyIsolateExtension *self)
{
  return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED, "The extension “%s” was killed by the host",
                      pyisolate_extension_get_name (self));
}

void
_pyisolate_extension_end_now (PyIsolateExtension *self)
{
  _pyisolate_extension_end (self, new_killed_error (self));
}

/**
 * pyisolate_extension_kill:
 * @self: an extension
 *
 * Ends the extension's process, and all that it started, at once. Calls that have no answer yet get
 * %PYISOLATE_ERROR_KILLED, and so does its loading, if that is not over; its state becomes
 * %PYISOLATE_EXTENSION_STATE_FAILED. May be called from any thread.
 *
 * Since: 0.1
 */
void
pyisolate_extension_kill (PyIsolateExtension *self)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION (self));

  /* Its process may have ended just now, and be about to be followed by another one. */
  g_mutex_lock (&self->mutex);
  self->kill_requested = TRUE;
  g_mutex_unlock (&self->mutex);

  /* If there is no process yet, there will be none: should it begin to start just now, the loader kills it, or it is there
   * now. */
  if (!_pyisolate_extension_end (self, new_killed_error (self)))
    {
      g_cancellable_cancel (self->load_cancellable);
      _pyisolate_extension_end (self, new_killed_error (self));
    }
}
