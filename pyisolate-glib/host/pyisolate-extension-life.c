/* SPDX-License-Identifier: MIT */
/* What happens to an extension: from its worker, from who stops or kills it, to its state. */
#include "config.h"

#include "pyisolate-error.h"
#include "pyisolate-extension-struct-private.h"
#include "pyisolate-invocation-private.h"
#include "pyisolate-method-info-private.h"
#include "pyisolate-proxied-singleton-private.h"
#include "pyisolate-service-private.h"
#include "pyisolate-value-private.h"

#include <string.h>

/* Bytes of a log record, or of the text of a report of progress. */
#define MAX_TEXT (8 * 1024)

typedef struct {
  PyIsolateExtension *extension; /* must not go before it has answered */
  PyIsolateMailbox *mailbox;
  PyIsolateJobKind kind;
  PyIsolateJobFunc func;
  gpointer user_data;
  GDestroyNotify destroy;
} StopWaiter;

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

static void
post_notify (PyIsolateExtension *self,
             const char         *property)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_NOTIFY);

  news->name = g_strdup (property);
  _pyisolate_outbox_post (self->outbox, self, news);
}

/* With the lock held. */
static gboolean
change_state (PyIsolateExtension      *self,
              PyIsolateExtensionState  state)
{
  if (self->state == state)
    return FALSE;

  if ((edges[self->state] & (1u << state)) == 0)
    {
      g_autofree char *from = g_enum_to_string (PYISOLATE_TYPE_EXTENSION_STATE, self->state);
      g_autofree char *to = g_enum_to_string (PYISOLATE_TYPE_EXTENSION_STATE, state);

      g_critical ("The extension “%s” cannot go from %s to %s", pyisolate_extension_config_get_name (self->config), from, to);
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
  changed = (self->state != PYISOLATE_EXTENSION_STATE_STOPPING || state > PYISOLATE_EXTENSION_STATE_STOPPING) &&
            change_state (self, state);
  g_mutex_unlock (&self->mutex);

  if (changed)
    post_notify (self, "state");
}

static gboolean
state_is_final (PyIsolateExtensionState state)
{
  return state == PYISOLATE_EXTENSION_STATE_STOPPED || state == PYISOLATE_EXTENSION_STATE_FAILED;
}

gboolean
_pyisolate_extension_is_active (PyIsolateExtension *self)
{
  return !state_is_final (pyisolate_extension_get_state (self));
}

/* Somebody has asked it to stop. */
gboolean
_pyisolate_extension_is_stopping (PyIsolateExtension *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->stop_requested;
}

/* What is for people to read is cut: a worker may send as much of it as it likes. */
static char *
dup_bounded (const char *text)
{
  gsize length = strlen (text);
  g_autofree char *start = NULL;
  g_autofree char *valid = NULL;

  if (length <= MAX_TEXT)
    return g_strdup (text);

  start = g_strndup (text, MAX_TEXT);
  valid = g_utf8_make_valid (start, -1);
  return g_strdup_printf ("%s… (%" G_GSIZE_FORMAT " bytes more)", valid, length - MAX_TEXT);
}

static void
post_log (PyIsolateExtension *self,
          int                 level,
          const char         *logger,
          const char         *text)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_LOG);

  news->level = level;
  news->name = g_strdup (logger);
  news->text = g_strdup (text);
  _pyisolate_outbox_post (self->outbox, self, news);
}

/* Of a logger, that is; what was printed comes by another way. */
void
_pyisolate_extension_log (PyIsolateExtension *self,
                          PyIsolateLogLevel   level,
                          const char         *logger,
                          const char         *text)
{
  g_autofree char *bounded_logger = dup_bounded (logger);
  g_autofree char *bounded_text = dup_bounded (text);
  g_autofree char *line = g_strdup_printf ("%s: %s", bounded_logger, bounded_text);

  _pyisolate_log_tail_append (self->log_tail, line);
  post_log (self, level, bounded_logger, bounded_text);
}

/* Any number a logger may have used, as the level at or below it that has a name. */
static PyIsolateLogLevel
round_level (int level)
{
  if (level < PYISOLATE_LOG_LEVEL_INFO)
    return PYISOLATE_LOG_LEVEL_DEBUG;
  if (level >= PYISOLATE_LOG_LEVEL_CRITICAL)
    return PYISOLATE_LOG_LEVEL_CRITICAL;

  return (PyIsolateLogLevel) (level / 10 * 10);
}

static gboolean
handle_log (PyIsolateExtension  *self,
            PyIsolateFrame      *frame,
            GError             **error)
{
  g_autoptr (GVariant) body = NULL;
  const char *logger;
  const char *message;
  int level;

  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (PYISOLATE_BODY_LOG), &body, error))
    return FALSE;

  g_variant_get (body, "(i&s&s)", &level, &logger, &message);
  _pyisolate_extension_log (self, round_level (level), logger, message);

  return TRUE;
}

static gboolean
refuse_news (GError **error)
{
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
               "The extension sent more events than can wait for the application");
  return FALSE;
}

static gboolean
handle_event (PyIsolateExtension  *self,
              PyIsolateFrame      *frame_to_take,
              GError             **error)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GVariant) body = NULL;
  PyIsolateNews *news;

  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (PYISOLATE_BODY_VALUE), &body, error))
    return FALSE;

  news = _pyisolate_news_new (PYISOLATE_NEWS_EVENT);
  news->name = g_strdup (frame->name);
  news->value = g_variant_get_variant (body);
  news->frame = g_steal_pointer (&frame);

  return _pyisolate_outbox_post (self->outbox, self, news) || refuse_news (error);
}

static void
handle_call (PyIsolateExtension *self,
             PyIsolateEndpoint  *endpoint,
             PyIsolateFrame     *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  PyIsolateProxiedSingleton *singleton = g_hash_table_lookup (self->singletons, frame->target);
  g_autoptr (PyIsolateInvocation) invocation = NULL;
  g_autoptr (GError) error = NULL;
  guint64 id = frame->id;

  if (singleton == NULL)
    {
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_NO_SUCH_METHOD,
                           "The extension “%s” has no access to a singleton “%s”: list it among its apis",
                           pyisolate_extension_get_name (self), frame->target);
      _pyisolate_endpoint_respond (endpoint, _pyisolate_frame_new_error (id, error));
      return;
    }

  invocation = _pyisolate_invocation_new (endpoint, self, singleton, g_steal_pointer (&frame));
  _pyisolate_endpoint_attach (endpoint, id, G_OBJECT (invocation));
  _pyisolate_invocation_dispatch (invocation);
}

/* In the transport's thread, mostly. */
static void
on_worker_frame (PyIsolateWorker   *worker,
                 PyIsolateEndpoint *endpoint,
                 PyIsolateFrame    *frame_to_take,
                 gpointer           user_data)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (PyIsolateExtension) self = g_weak_ref_get (user_data);
  g_autoptr (GObject) attached = NULL;
  g_autoptr (GError) error = NULL;
  gboolean ok = TRUE;

  if (self == NULL)
    return;

  switch (frame->kind)
    {
    case PYISOLATE_FRAME_CALL:
      handle_call (self, endpoint, g_steal_pointer (&frame));
      break;

    case PYISOLATE_FRAME_CANCEL:
      attached = _pyisolate_endpoint_dup_attached (endpoint, frame->id);
      if (attached != NULL)
        _pyisolate_invocation_cancel (PYISOLATE_INVOCATION (attached));
      break;

    case PYISOLATE_FRAME_LOG:
      ok = handle_log (self, frame, &error);
      break;

    case PYISOLATE_FRAME_EVENT:
      ok = handle_event (self, g_steal_pointer (&frame), &error);
      break;

    case PYISOLATE_FRAME_RETURN:
    case PYISOLATE_FRAME_ERROR:
    case PYISOLATE_FRAME_PROGRESS:
    default:
      g_assert_not_reached (); /* the endpoint keeps these */
    }

  if (!ok)
    _pyisolate_endpoint_close (endpoint, error);
}

static void
on_worker_output (PyIsolateWorker *worker,
                  int              stream,
                  const char      *line,
                  gpointer         user_data)
{
  g_autoptr (PyIsolateExtension) self = g_weak_ref_get (user_data);

  if (self == NULL)
    return;

  _pyisolate_log_tail_append (self->log_tail, line);
  post_log (self, stream == 2 ? PYISOLATE_LOG_LEVEL_WARNING : PYISOLATE_LOG_LEVEL_INFO, stream == 2 ? "stderr" : "stdout",
            line);
}

static void
on_worker_started (PyIsolateWorker *worker,
                   int              pid,
                   gpointer         user_data)
{
  g_autoptr (PyIsolateExtension) self = g_weak_ref_get (user_data);

  if (self == NULL)
    return;

  g_mutex_lock (&self->mutex);
  self->pid = pid;
  g_mutex_unlock (&self->mutex);
  post_notify (self, "pid");
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
  g_autoptr (PyIsolateExtension) self = g_weak_ref_get (user_data);
  g_autoptr (GPtrArray) infos = NULL;
  g_autoptr (GError) error = NULL;

  if (self == NULL)
    return;

  infos = parse_methods (methods, &error);
  if (infos == NULL)
    {
      g_prefix_error (&error, "The extension “%s” was ended for what it sent: ", pyisolate_extension_get_name (self));
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

static void
answer_stop_waiter (gpointer data)
{
  StopWaiter *waiter = data;

  _pyisolate_mailbox_post (waiter->mailbox, waiter->kind, waiter->func, waiter->user_data, waiter->destroy);
  _pyisolate_mailbox_unref (waiter->mailbox);
  g_object_unref (waiter->extension);
  g_free (waiter);
}

/* @error: NULL if it ended as it was asked to */
static void
be_over (PyIsolateExtension *self,
         const GError       *error)
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
      changed = change_state (self, PYISOLATE_EXTENSION_STATE_FAILED);
    }
  else
    {
      changed = change_state (self, PYISOLATE_EXTENSION_STATE_STOPPED);
    }
  waiters = self->stop_waiters;
  g_queue_init (&self->stop_waiters);
  g_mutex_unlock (&self->mutex);

  if (changed)
    post_notify (self, "state");
  post_notify (self, "pid");
  g_queue_clear_full (&waiters, answer_stop_waiter);
}

/* The loader may know a way to mend what kept the extension from being loaded. */
static gboolean
begin_again (PyIsolateExtension *self,
             const GError       *error)
{
  g_autoptr (PyIsolateWorker) worker = NULL;

  if (self->started_func == NULL || error == NULL || _pyisolate_extension_is_stopping (self) ||
      !self->retry_func (self, error, self->started_data))
    return FALSE;

  self->started_func = NULL;
  g_mutex_lock (&self->mutex);
  self->pid = 0;
  worker = g_steal_pointer (&self->worker);
  g_mutex_unlock (&self->mutex);

  _pyisolate_extension_set_state (self, PYISOLATE_EXTENSION_STATE_PREPARING);
  post_notify (self, "pid");

  return TRUE;
}

static void
on_worker_gone (PyIsolateWorker     *worker,
                const GError        *error,
                PyIsolateExitReason *reason,
                gpointer             user_data)
{
  g_autoptr (PyIsolateExtension) self = g_weak_ref_get (user_data);
  g_autoptr (GError) stopped = NULL;

  if (self == NULL || begin_again (self, error))
    return;

  be_over (self, error);

  if (reason != NULL)
    {
      PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_EXITED);

      news->reason = g_object_ref (reason);
      _pyisolate_outbox_post (self->outbox, self, news);
    }

  stopped = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING, "The extension “%s” was stopped while it was loaded",
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
    g_variant_builder_add (&builder, "{sv}", name, _pyisolate_proxied_singleton_describe (singleton));

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
    on_worker_started, on_worker_ready, on_worker_output, on_worker_frame, on_worker_gone
  };
  g_autoptr (PyIsolateWorker) worker = NULL;
  GWeakRef *ref = g_new0 (GWeakRef, 1);

  g_assert (PYISOLATE_IS_EXTENSION (self));
  g_assert (_pyisolate_service_is_current ());

  g_weak_ref_init (ref, self);
  worker = _pyisolate_worker_new (self->config, environment, self->state_directory, describe_singletons (self), &callbacks,
                                  ref, weak_ref_free);
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

  be_over (self, error);
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

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING, "The extension “%s” is not running%s%s",
               pyisolate_extension_config_get_name (self->config),
               self->last_error != NULL ? ": " : "", self->last_error != NULL ? self->last_error->message : "");
  return NULL;
}

void
_pyisolate_extension_post_progress (PyIsolateExtension *self,
                                    PyIsolateCall      *call,
                                    double              fraction,
                                    const char         *text)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_PROGRESS);

  news->call = g_object_ref (call);
  news->fraction = fraction;
  news->text = dup_bounded (text);
  /* Should too many wait, the call itself has been refused for it. */
  _pyisolate_outbox_post (self->outbox, self, news);
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

void
_pyisolate_extension_end (PyIsolateExtension *self,
                          GError             *why)
{
  g_autoptr (PyIsolateWorker) worker = dup_worker (self);
  Ending *ending;

  if (worker == NULL)
    {
      g_clear_error (&why);
      return;
    }

  ending = g_new (Ending, 1);
  ending->worker = g_steal_pointer (&worker);
  ending->why = why;
  _pyisolate_service_invoke (on_ending, ending, ending_free);
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

  waiter->extension = g_object_ref (self);
  waiter->mailbox = _pyisolate_mailbox_ref (mailbox);
  waiter->kind = kind;
  waiter->func = func;
  waiter->user_data = user_data;
  waiter->destroy = destroy;

  g_mutex_lock (&self->mutex);
  if (!state_is_final (self->state))
    {
      g_queue_push_tail (&self->stop_waiters, g_steal_pointer (&waiter));
      self->stop_requested = TRUE;
      changed = change_state (self, PYISOLATE_EXTENSION_STATE_STOPPING);
    }
  g_mutex_unlock (&self->mutex);

  if (waiter != NULL)
    {
      answer_stop_waiter (waiter);
      return;
    }

  if (changed)
    {
      post_notify (self, "state");
      _pyisolate_service_invoke (on_stop, g_object_ref (self), g_object_unref);
    }
}

static gboolean
has_worker (PyIsolateExtension *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->worker != NULL;
}

/**
 * pyisolate_extension_kill:
 * @self: an extension
 *
 * Ends the extension's process, and all that it started, at once. Calls that have no answer yet get
 * %PYISOLATE_ERROR_KILLED. May be called from any thread.
 *
 * Since: 0.1
 */
void
pyisolate_extension_kill (PyIsolateExtension *self)
{
  g_return_if_fail (PYISOLATE_IS_EXTENSION (self));

  _pyisolate_extension_end (self, g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED,
                                               "The extension “%s” was killed by the host",
                                               pyisolate_extension_get_name (self)));
  /* If there is no process yet, there will be none. */
  if (!has_worker (self))
    g_cancellable_cancel (self->load_cancellable);
}
