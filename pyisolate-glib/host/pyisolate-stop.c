/* SPDX-License-Identifier: MIT */
/* Waiting until extensions have stopped. */
#include "config.h"

#include "pyisolate-stop-private.h"

#include "pyisolate-extension-private.h"

/* Each extension tells it once; the cancellable may end the waiting before. All of it happens in
 * the waiter's mailbox, but for the cancellable. */
typedef struct {
  gatomicrefcount ref_count;
  PyIsolateMailbox *mailbox;
  PyIsolateJobKind kind;
  GCancellable *cancellable;
  gulong cancelled_id;
  GMutex mutex; /* held until all is asked for: the mailbox may be another thread's */
  guint n_left;
  gboolean over;

  GTask *task; /* or: */
  gboolean *done;
  GError **error;
} Stop;

static void
stop_unref (gpointer data)
{
  Stop *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  _pyisolate_mailbox_unref (self->mailbox);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->task);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

static Stop *
stop_ref (Stop *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

static void
be_over (Stop   *self,
         GError *error)
{
  if (self->over)
    {
      g_clear_error (&error);
      return;
    }

  self->over = TRUE;
  g_mutex_lock (&self->mutex);
  g_mutex_unlock (&self->mutex);
  if (self->cancelled_id != 0)
    g_cancellable_disconnect (self->cancellable, self->cancelled_id);

  if (self->task != NULL && error != NULL)
    g_task_return_error (self->task, error);
  else if (self->task != NULL)
    g_task_return_boolean (self->task, TRUE);
  else
    {
      if (error != NULL)
        g_propagate_error (self->error, error);
      *self->done = TRUE;
    }
}

static void
on_one_stopped (gpointer data)
{
  Stop *self = data;

  if (--self->n_left == 0)
    be_over (self, NULL);
}

static void
on_cancelled_job (gpointer data)
{
  Stop *self = data;

  be_over (self, g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                              "The waiting was cancelled; what was asked to stop still does"));
}

/* In the thread that cancels. */
static void
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  Stop *self = user_data;

  _pyisolate_mailbox_post (self->mailbox, self->kind, on_cancelled_job, stop_ref (self),
                           stop_unref);
}

static Stop *
stop_new (PyIsolateMailbox *mailbox,
          PyIsolateJobKind  kind,
          GCancellable     *cancellable)
{
  Stop *self = g_new0 (Stop, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->mutex);
  self->mailbox = _pyisolate_mailbox_ref (mailbox);
  self->kind = kind;
  self->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;

  return self;
}

static void
stop_begin (Stop      *self,
            GPtrArray *extensions)
{
  g_mutex_lock (&self->mutex);
  self->n_left = extensions->len + 1;

  if (self->cancellable != NULL)
    self->cancelled_id = g_cancellable_connect (self->cancellable, G_CALLBACK (on_cancelled),
                                                stop_ref (self), stop_unref);

  for (guint i = 0; i < extensions->len; i++)
    _pyisolate_extension_stop (g_ptr_array_index (extensions, i), self->mailbox, self->kind,
                               on_one_stopped, stop_ref (self), stop_unref);

  /* So that none at all completes too, and never within this call. */
  _pyisolate_mailbox_post (self->mailbox, self->kind, on_one_stopped, stop_ref (self), stop_unref);
  g_mutex_unlock (&self->mutex);
}

void
_pyisolate_stop_async (GPtrArray *extensions,
                       GTask     *task)
{
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (g_task_get_context (task));
  Stop *self = stop_new (mailbox, PYISOLATE_JOB_NOTIFICATION, g_task_get_cancellable (task));

  g_task_set_check_cancellable (task, FALSE);
  self->task = task;
  stop_begin (self, extensions);
  stop_unref (self);
}

gboolean
_pyisolate_stop_sync (GPtrArray     *extensions,
                      GCancellable  *cancellable,
                      GError       **error)
{
  PyIsolateMailbox *mailbox = _pyisolate_mailbox_begin_wait ();
  Stop *self = stop_new (mailbox, PYISOLATE_JOB_CALL, cancellable);
  g_autoptr (GError) own_error = NULL;
  gboolean done = FALSE;

  self->done = &done;
  self->error = &own_error;
  stop_begin (self, extensions);
  _pyisolate_mailbox_wait (mailbox, &done);
  _pyisolate_mailbox_end_wait (mailbox);
  stop_unref (self);

  if (own_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&own_error));
      return FALSE;
    }

  return TRUE;
}

static GPtrArray *
new_array_of_one (PyIsolateExtension *extension)
{
  GPtrArray *array = g_ptr_array_new_with_free_func (g_object_unref);

  g_ptr_array_add (array, g_object_ref (extension));

  return array;
}

/**
 * pyisolate_extension_stop_async:
 * @self: an extension
 * @cancellable: (nullable): ends the waiting; the extension stops all the same
 * @callback: (scope async) (closure user_data): called when it has stopped
 * @user_data: data for @callback
 *
 * Stops the extension: runs its `stop` hook, ends its process and all that it started. What does
 * not end within [property@PyIsolate.ExtensionConfig:stop-timeout] is killed. Calls that have no
 * answer yet are cancelled.
 *
 * Stopping an extension that has stopped or failed succeeds at once.
 *
 * Since: 0.1
 */
void
pyisolate_extension_stop_async (PyIsolateExtension  *self,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  g_autoptr (GPtrArray) extensions = NULL;
  GTask *task;

  g_return_if_fail (PYISOLATE_IS_EXTENSION (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  extensions = new_array_of_one (self);
  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, pyisolate_extension_stop_async);
  g_task_set_name (task, "[pyisolate] stop");
  _pyisolate_stop_async (extensions, task);
}

/**
 * pyisolate_extension_stop_finish:
 * @self: an extension
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Completes [method@PyIsolate.Extension.stop_async].
 *
 * Returns: %TRUE if it has stopped, %FALSE with @error set if the waiting was cancelled
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_stop_finish (PyIsolateExtension  *self,
                                 GAsyncResult        *result,
                                 GError             **error)
{
  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, pyisolate_extension_stop_async), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * pyisolate_extension_stop_sync:
 * @self: an extension
 * @cancellable: (nullable): ends the waiting; the extension stops all the same
 * @error: return location for an error
 *
 * Stops the extension, and blocks until it has stopped; see
 * [method@PyIsolate.Extension.stop_async].
 *
 * Returns: %TRUE if it has stopped, %FALSE with @error set if the waiting was cancelled
 *
 * Since: 0.1
 */
gboolean
pyisolate_extension_stop_sync (PyIsolateExtension  *self,
                               GCancellable        *cancellable,
                               GError             **error)
{
  g_autoptr (GPtrArray) extensions = NULL;

  g_return_val_if_fail (PYISOLATE_IS_EXTENSION (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  extensions = new_array_of_one (self);
  return _pyisolate_stop_sync (extensions, cancellable, error);
}
