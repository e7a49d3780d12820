/* SPDX-License-Identifier: MIT */
/* An extension's life: from what its worker tells to its state, by a table of the allowed edges. */
#include "config.h"

#include "pyisolate-extension-struct-private.h"

#include "pyisolate-error.h"
#include "pyisolate-method-info-private.h"
#include "pyisolate-proxied-singleton-private.h"
#include "pyisolate-service-private.h"

/* One bit for each state that may follow. */
#define TO(state) (1u << PYISOLATE_EXTENSION_STATE_##state)
static const guint edges[] = {
  [PYISOLATE_EXTENSION_STATE_NEW] = TO (PREPARING) | TO (STOPPING) | TO (FAILED) | TO (STOPPED),
  [PYISOLATE_EXTENSION_STATE_PREPARING] = TO (STARTING) | TO (STOPPING) | TO (FAILED) | TO (STOPPED),
  [PYISOLATE_EXTENSION_STATE_STARTING] = TO (PREPARING) | TO (RUNNING) | TO (STOPPING) | TO (FAILED) | TO (STOPPED),
  [PYISOLATE_EXTENSION_STATE_RUNNING] = TO (STOPPING) | TO (FAILED) | TO (STOPPED),
  [PYISOLATE_EXTENSION_STATE_STOPPING] = TO (STOPPED) | TO (FAILED),
  [PYISOLATE_EXTENSION_STATE_STOPPED] = 0,
  [PYISOLATE_EXTENSION_STATE_FAILED] = 0,
};
#undef TO

/* With the lock held. */
gboolean
_pyisolate_extension_change_state (PyIsolateExtension      *self,
                                   PyIsolateExtensionState  state)
{
  if (self->state == state)
    return FALSE;

  if ((edges[self->state] & (1u << state)) == 0)
    {
      g_autofree char *from = g_enum_to_string (PYISOLATE_TYPE_EXTENSION_STATE, self->state);
      g_autofree char *to = g_enum_to_string (PYISOLATE_TYPE_EXTENSION_STATE, state);

      g_critical ("The extension “%s” cannot go from %s to %s",
                  pyisolate_extension_config_get_name (self->config), from, to);
      return FALSE;
    }

  self->state = state;
  return TRUE;
}

void
_pyisolate_extension_set_state (PyIsolateExtension      *self,
                                PyIsolateExtensionState  state)
{
  gboolean changed;

  g_assert (PYISOLATE_IS_EXTENSION (self));

  g_mutex_lock (&self->mutex);
  changed = (self->state != PYISOLATE_EXTENSION_STATE_STOPPING ||
             state > PYISOLATE_EXTENSION_STATE_STOPPING) &&
            _pyisolate_extension_change_state (self, state);
  g_mutex_unlock (&self->mutex);

  if (changed)
    _pyisolate_extension_post_notify (self, PROP_STATE);
}

gboolean
_pyisolate_extension_state_is_final (PyIsolateExtensionState state)
{
  return state == PYISOLATE_EXTENSION_STATE_STOPPED || state == PYISOLATE_EXTENSION_STATE_FAILED;
}

gboolean
_pyisolate_extension_is_active (PyIsolateExtension *self)
{
  return !_pyisolate_extension_state_is_final (pyisolate_extension_get_state (self));
}

/* Somebody has asked it to stop. */
gboolean
_pyisolate_extension_is_stopping (PyIsolateExtension *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->stop_requested;
}

/* Somebody has killed it. */
gboolean
_pyisolate_extension_is_killed (PyIsolateExtension *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->kill_requested;
}

static void
on_worker_started (PyIsolateWorker *worker,
                   int              pid,
                   gpointer         user_data)
{
  g_autoptr (PyIsolateHeldExtension) self = _pyisolate_extension_hold_weak (user_data);

  if (self == NULL)
    return;

  g_mutex_lock (&self->mutex);
  self->pid = pid;
  g_mutex_unlock (&self->mutex);
  _pyisolate_extension_post_notify (self, PROP_PID);
}

static void
tell_started (PyIsolateExtension *self,
              const GError       *error)
{
  PyIsolateExtensionStartedFunc func = self->started_func;

  self->started_func = NULL;
  if (func != NULL)
    func (self, error, self->started_data);
}

static GPtrArray *
parse_methods (GVariant  *methods,
               GError   **error)
{
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func (g_object_unref);

  for (gsize i = 0; i < g_variant_n_children (methods); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (methods, i);
      g_autoptr (GVariant) inner = NULL;
      PyIsolateMethodInfo *info;

      if (g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT))
        inner = g_variant_get_variant (child);
      info = _pyisolate_method_info_new_from_variant (inner != NULL ? inner : child, error);
      if (info == NULL)
        return NULL;
      g_ptr_array_add (infos, info);
    }

  return g_steal_pointer (&infos);
}

static void
on_worker_ready (PyIsolateWorker   *worker,
                 PyIsolateEndpoint *endpoint,
                 GVariant          *methods,
                 gpointer           user_data)
{
  g_autoptr (PyIsolateHeldExtension) self = _pyisolate_extension_hold_weak (user_data);
  g_autoptr (GPtrArray) infos = NULL;
  g_autoptr (GError) error = NULL;

  if (self == NULL)
    return;

  infos = parse_methods (methods, &error);
  if (infos == NULL)
    {
      g_prefix_error (&error, "The extension “%s” was ended for what it sent: ",
                      pyisolate_extension_get_name (self));
      _pyisolate_worker_end (worker, error);
      return;
    }

  g_mutex_lock (&self->mutex);
  self->endpoint = g_object_ref (endpoint);
  self->method_infos = g_steal_pointer (&infos);
  g_mutex_unlock (&self->mutex);

  _pyisolate_extension_set_state (self, PYISOLATE_EXTENSION_STATE_RUNNING);
  tell_started (self, NULL);
}

/* @reason: (nullable) */
static void
post_exited (PyIsolateExtension  *self,
             PyIsolateExitReason *reason)
{
  PyIsolateNews *news;

  if (reason == NULL)
    return;

  news = _pyisolate_news_new (PYISOLATE_NEWS_EXITED);
  news->reason = g_object_ref (reason);
  _pyisolate_outbox_post (self->outbox, self, news);
}

/* @error: NULL if it ended as it was asked to
 * @reason: (nullable): how the process ended, if there was one
 *
 * Who waits for the stop is answered last: what there is to hear of it then lies in the home context. */
static void
be_over (PyIsolateExtension  *self,
         const GError        *error,
         PyIsolateExitReason *reason)
{
  GQueue waiters = G_QUEUE_INIT;
  g_autoptr (PyIsolateEndpoint) endpoint = NULL;
  g_autoptr (PyIsolateWorker) worker = NULL;
  gboolean changed;

  g_mutex_lock (&self->mutex);
  self->pid = 0;
  endpoint = g_steal_pointer (&self->endpoint);
  worker = g_steal_pointer (&self->worker);
  if (error != NULL && !self->stop_requested)
    {
      g_clear_error (&self->last_error);
      self->last_error = g_error_copy (error);
      changed = _pyisolate_extension_change_state (self, PYISOLATE_EXTENSION_STATE_FAILED);
    }
  else
    {
      changed = _pyisolate_extension_change_state (self, PYISOLATE_EXTENSION_STATE_STOPPED);
    }
  waiters = self->stop_waiters;
  g_queue_init (&self->stop_waiters);
  g_mutex_unlock (&self->mutex);

  if (changed)
    _pyisolate_extension_post_notify (self, PROP_STATE);
  _pyisolate_extension_post_notify (self, PROP_PID);
  post_exited (self, reason);
  g_queue_clear_full (&waiters, _pyisolate_extension_answer_stop_waiter);
}

/* The loader may know a way to mend what kept the extension from being loaded. */
static gboolean
begin_again (PyIsolateExtension *self,
             const GError       *error)
{
  g_autoptr (PyIsolateWorker) worker = NULL;

  if (self->started_func == NULL || error == NULL)
    return FALSE;

  /* Who ends it from here on finds no process, and cancels the loading. */
  g_mutex_lock (&self->mutex);
  if (!self->stop_requested && !self->kill_requested)
    worker = g_steal_pointer (&self->worker);
  g_mutex_unlock (&self->mutex);
  if (worker == NULL || !self->retry_func (self, error, self->started_data))
    return FALSE;

  self->started_func = NULL;
  g_mutex_lock (&self->mutex);
  self->pid = 0;
  g_mutex_unlock (&self->mutex);

  _pyisolate_extension_set_state (self, PYISOLATE_EXTENSION_STATE_PREPARING);
  _pyisolate_extension_post_notify (self, PROP_PID);

  return TRUE;
}

static void
on_worker_gone (PyIsolateWorker     *worker,
                const GError        *error,
                PyIsolateExitReason *reason,
                gpointer             user_data)
{
  g_autoptr (PyIsolateHeldExtension) self = _pyisolate_extension_hold_weak (user_data);
  g_autoptr (GError) stopped = NULL;

  if (self == NULL)
    return;

  if (begin_again (self, error))
    {
      g_set_object (&self->untold_exit, reason);
      return;
    }

  be_over (self, error, reason);

  stopped = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING,
                         "The extension “%s” was stopped while it was loaded",
                         pyisolate_extension_get_name (self));
  tell_started (self, error != NULL ? error : stopped);
}

static void
weak_ref_free (gpointer data)
{
  GWeakRef *ref = data;

  g_weak_ref_clear (ref);
  g_free (ref);
}

static GVariant *
describe_singletons (PyIsolateExtension *self)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GHashTableIter iter;
  gpointer name, singleton;

  g_hash_table_iter_init (&iter, self->singletons);
  while (g_hash_table_iter_next (&iter, &name, &singleton))
    g_variant_builder_add (&builder, "{sv}", name,
                           _pyisolate_proxied_singleton_describe (singleton));

  return g_variant_builder_end (&builder);
}

/* On the service thread. */
void
_pyisolate_extension_start (PyIsolateExtension            *self,
                            PyIsolateEnvironment          *environment,
                            PyIsolateExtensionRetryFunc    retry,
                            PyIsolateExtensionStartedFunc  func,
                            gpointer                       user_data)
{
  static const PyIsolateWorkerCallbacks callbacks = {
    on_worker_started, on_worker_ready, _pyisolate_extension_on_worker_output, _pyisolate_extension_on_worker_frame,
    on_worker_gone
  };
  g_autoptr (PyIsolateWorker) worker = NULL;
  GWeakRef *ref = g_new0 (GWeakRef, 1);

  g_assert (PYISOLATE_IS_EXTENSION (self));
  g_assert (_pyisolate_service_is_current ());

  g_weak_ref_init (ref, self);
  worker = _pyisolate_worker_new (self->config, environment, self->state_directory,
                                  describe_singletons (self), &callbacks, ref, weak_ref_free);
  self->retry_func = retry;
  self->started_func = func;
  self->started_data = user_data;

  _pyisolate_extension_set_state (self, PYISOLATE_EXTENSION_STATE_STARTING);
  g_mutex_lock (&self->mutex);
  self->worker = g_object_ref (worker);
  g_mutex_unlock (&self->mutex);

  _pyisolate_worker_start (worker);
}

void
_pyisolate_extension_load_failed (PyIsolateExtension *self,
                                  const GError       *error)
{
  g_assert (PYISOLATE_IS_EXTENSION (self));

  /* No other process has come. */
  be_over (self, error, self->untold_exit);
}

void
_pyisolate_extension_publish_methods (PyIsolateExtension *self)
{
  g_autoptr (GPtrArray) infos = NULL;

  g_mutex_lock (&self->mutex);
  infos = g_steal_pointer (&self->method_infos);
  g_mutex_unlock (&self->mutex);

  if (infos != NULL)
    g_list_store_splice (self->methods, 0, 0, infos->pdata, infos->len);
}

GCancellable *
_pyisolate_extension_get_load_cancellable (PyIsolateExtension *self)
{
  return self->load_cancellable;
}

PyIsolateEndpoint *
_pyisolate_extension_dup_endpoint (PyIsolateExtension  *self,
                                   GError             **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (self->endpoint != NULL && self->state == PYISOLATE_EXTENSION_STATE_RUNNING)
    return g_object_ref (self->endpoint);

  if (self->config == NULL)
    {
      g_propagate_error (error, g_error_copy (self->last_error));
      return NULL;
    }

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING,
               "The extension “%s” is not running%s%s",
               pyisolate_extension_config_get_name (self->config),
               self->last_error != NULL ? ": " : "", self->last_error != NULL
               ? self->last_error->message : "");
  return NULL;
}
