/* SPDX-License-Identifier: MIT */
/* From a configuration to a running extension.
 *
 * 1. The environment is looked up, or made, in a thread of a pool: these functions block on uv, on the disk and on other
 *    processes that make the same one. The pool's size is the cap on parallel installs. One more thread looks before whether
 *    there is something to make at all: what is there already does not wait behind downloads.
 * 2. On the service thread the extension waits for its turn to start, and starts.
 * 3. What came of it is told in the home context.
 *
 * If the extension cannot be imported for a file that is missing, the environment is looked at, and
 * made again if it is damaged: then 1 and 2 happen once more.
 *
 * One cancellable per extension ends all of it; stopping the extension cancels it. */
#include "config.h"

#include "pyisolate-loader-private.h"

#include "pyisolate-error.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-mend-private.h"
#include "pyisolate-pool-private.h"
#include "pyisolate-service-private.h"

/* Who has a load that waits for a pool: the thread of it that comes to it, or who cancels it
 * before that. */
typedef enum {
  CLAIM_NONE,
  CLAIM_QUEUED,
  CLAIM_TAKEN,
} Claim;

struct _PyIsolateLoader {
  gatomicrefcount ref_count;
  PyIsolateMailbox *home;
  GThreadPool *pool;
  GThreadPool *lookers; /* one thread */

  /* Service thread only. */
  GQueue waiting; /* of Load, whose environments are there */
  guint n_starting;

  int max_starts; /* atomic */
};

typedef struct {
  PyIsolateLoadStage stage;
  double fraction;
  char *text; /* (nullable) */
} News;

typedef struct {
  gatomicrefcount ref_count;
  PyIsolateLoader *loader;
  PyIsolateExtension *extension;
  PyIsolateEnvironmentRequest *request;
  GCancellable *cancellable;
  gulong cancelled_id;
  PyIsolateJobKind kind;
  PyIsolateLoadNewsFunc news;
  PyIsolateLoadedFunc func;
  gpointer user_data;
  GDestroyNotify destroy;

  PyIsolateEnvironment *environment;
  GError *error;
  gboolean mended;   /* or tried to: it is done once */
  gboolean settled;  /* service thread only */
  gboolean starting; /* service thread only: there may be a process */
  int claim;         /* atomic: a Claim */

  GMutex mutex;  /* guards: */
  GQueue untold; /* of News: each stage is told, and of each the last that there was to say */
} Load;

static void
news_free (gpointer data)
{
  News *news = data;

  g_free (news->text);
  g_free (news);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (News, news_free)

static void
load_unref (gpointer data)
{
  Load *load = data;

  if (!g_atomic_ref_count_dec (&load->ref_count))
    return;

  if (load->destroy != NULL)
    load->destroy (load->user_data);
  g_clear_pointer (&load->extension, _pyisolate_extension_release);
  g_clear_object (&load->cancellable);
  g_clear_pointer (&load->request, _pyisolate_environment_request_free);
  g_clear_pointer (&load->environment, _pyisolate_environment_unref);
  g_clear_error (&load->error);
  g_mutex_clear (&load->mutex);
  g_queue_clear_full (&load->untold, news_free);
  _pyisolate_loader_unref (load->loader);
  g_free (load);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Load, load_unref)

static Load *
load_ref (Load *load)
{
  g_atomic_ref_count_inc (&load->ref_count);

  return load;
}

/* In the home context. */
static void
tell_news (gpointer data)
{
  Load *load = data;
  g_autoptr (News) news = NULL;

  g_mutex_lock (&load->mutex);
  news = g_queue_pop_head (&load->untold);
  g_mutex_unlock (&load->mutex);

  load->news (load->extension, news->stage, news->fraction, news->text != NULL ? news->text : "",
              load->user_data);
}

static void
post_news (Load               *load,
           PyIsolateLoadStage  stage,
           double              fraction,
           const char         *text)
{
  News *news;
  gboolean is_new;

  g_mutex_lock (&load->mutex);
  news = g_queue_peek_tail (&load->untold);
  is_new = news == NULL || news->stage != stage;
  if (is_new)
    {
      news = g_new0 (News, 1);
      news->stage = stage;
      g_queue_push_tail (&load->untold, news);
    }
  news->fraction = fraction;
  g_free (news->text);
  news->text = g_strdup (text);
  g_mutex_unlock (&load->mutex);

  if (is_new)
    _pyisolate_mailbox_post (load->loader->home, PYISOLATE_JOB_NOTIFICATION, tell_news,
                             load_ref (load), load_unref);
}

/* In the home context. */
static void
tell_loaded (gpointer data)
{
  Load *load = data;

  if (load->error == NULL)
    _pyisolate_extension_publish_methods (load->extension);
  load->func (load->extension, load->error, load->user_data);
}

/* On the service thread. @error: NULL if it runs */
static void
settle (Load         *load,
        const GError *error)
{
  g_assert (!load->settled);

  load->settled = TRUE;
  if (load->cancelled_id != 0)
    g_cancellable_disconnect (load->cancellable, load->cancelled_id);
  load->cancelled_id = 0;
  if (error != NULL && load->error == NULL)
    load->error = g_error_copy (error);
  if (error == NULL)
    post_news (load, PYISOLATE_LOAD_STAGE_READY, 1.0, "");

  _pyisolate_mailbox_post (load->loader->home, load->kind, tell_loaded, load_ref (load),
                           load_unref);
}

/* Stopping or killing an extension cancels its loading, and says so. */
static gboolean
set_error_if_cancelled (Load    *load,
                        GError **error)
{
  if (!g_cancellable_is_cancelled (load->cancellable))
    return FALSE;

  if (_pyisolate_extension_is_stopping (load->extension))
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING,
                 "The extension “%s” was stopped while it was loaded",
                 pyisolate_extension_get_name (load->extension));
  else if (_pyisolate_extension_is_killed (load->extension))
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED,
                 "The extension “%s” was killed by the host while it was loaded",
                 pyisolate_extension_get_name (load->extension));
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                 "The loading of the extension “%s” was cancelled",
                 pyisolate_extension_get_name (load->extension));

  return TRUE;
}

static void
fail_before_start (Load *load)
{
  g_autoptr (GError) cancelled = NULL;

  if (set_error_if_cancelled (load, &cancelled))
    {
      g_clear_error (&load->error);
      load->error = g_steal_pointer (&cancelled);
    }
  _pyisolate_extension_load_failed (load->extension, load->error);
  settle (load, load->error);
}

static void start_waiting (PyIsolateLoader *self);

static void
on_extension_started (PyIsolateExtension *extension,
                      const GError       *error,
                      gpointer            user_data)
{
  Load *load = user_data;
  g_autoptr (PyIsolateLoader) loader = _pyisolate_loader_ref (load->loader);
  g_autoptr (GError) cancelled = NULL;

  /* What the cancellation made of the process is not what the caller asked about. */
  if (error != NULL && set_error_if_cancelled (load, &cancelled))
    error = cancelled;

  settle (load, error);
  load_unref (load);

  loader->n_starting--;
  start_waiting (loader);
}

static gboolean
claim (Load *load)
{
  return g_atomic_int_compare_and_exchange (&load->claim, CLAIM_QUEUED, CLAIM_TAKEN);
}

static gboolean on_environment (gpointer data);

static void
queue_for_pool (Load        *load,
                GThreadPool *pool)
{
  g_autoptr (GError) error = NULL;

  g_atomic_int_set (&load->claim, CLAIM_QUEUED);
  if (_pyisolate_pool_push (pool, load_ref (load), &error))
    return;

  if (claim (load))
    {
      if (load->error == NULL)
        g_set_error (&load->error, PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN,
                     "The extension “%s” cannot be loaded, for there is no thread to do it: %s",
                     pyisolate_extension_get_name (load->extension), error->message);
      _pyisolate_service_invoke (on_environment, load_ref (load), load_unref);
    }
  load_unref (load);
}

static gboolean
on_extension_failed (PyIsolateExtension *extension,
                     const GError       *error,
                     gpointer            user_data)
{
  Load *load = user_data;
  PyIsolateLoader *self = load->loader;

  if (load->mended || g_cancellable_is_cancelled (load->cancellable) ||
      !_pyisolate_mend_may_help (error) ||
      _pyisolate_environment_get_key (load->environment) == NULL)
    return FALSE;

  load->mended = TRUE;
  load->error = g_error_copy (error);
  load->starting = FALSE;
  queue_for_pool (load, self->pool);
  load_unref (load); /* the extension's */

  self->n_starting--;
  start_waiting (self);
  return TRUE;
}

static gboolean
on_cancelled_in_service (gpointer data)
{
  Load *load = data;

  if (load->settled)
    return G_SOURCE_REMOVE;

  if (claim (load))
    {
      fail_before_start (load);
    }
  else if (g_queue_remove (&load->loader->waiting, load))
    {
      fail_before_start (load);
      load_unref (load);
    }
  else if (load->starting)
    {
      _pyisolate_extension_end_now (load->extension);
    }
  /* else a thread of the pool has it, which looks at the cancellable itself */

  return G_SOURCE_REMOVE;
}

/* In the thread that cancels. */
static void
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  _pyisolate_service_invoke (on_cancelled_in_service, load_ref (user_data), load_unref);
}

static void
start_waiting (PyIsolateLoader *self)
{
  while (self->n_starting < (guint) g_atomic_int_get (&self->max_starts))
    {
      g_autoptr (Load) load = g_queue_pop_head (&self->waiting);

      if (load == NULL)
        return;

      if (g_cancellable_is_cancelled (load->cancellable))
        {
          fail_before_start (load);
          continue;
        }

      self->n_starting++;
      load->starting = TRUE;
      post_news (load, PYISOLATE_LOAD_STAGE_STARTING, 0.9, "");
      _pyisolate_extension_start (load->extension, load->environment, on_extension_failed,
                                  on_extension_started, load_ref (load));
    }
}

static gboolean
on_more_starts (gpointer data)
{
  start_waiting (data);

  return G_SOURCE_REMOVE;
}

/* On the service thread. */
static gboolean
on_environment (gpointer data)
{
  Load *load = data;

  /* Who cancelled it while the pool had it left it alone. */
  if (load->error != NULL || g_cancellable_is_cancelled (load->cancellable))
    {
      fail_before_start (load);
      return G_SOURCE_REMOVE;
    }

  g_queue_push_tail (&load->loader->waiting, load_ref (load));
  start_waiting (load->loader);

  return G_SOURCE_REMOVE;
}

static void
on_environment_progress (PyIsolateEnvironmentStage  stage,
                         double                     fraction,
                         const char                *text,
                         gpointer                   user_data)
{
  static const PyIsolateLoadStage stages[] = {
    [PYISOLATE_ENVIRONMENT_STAGE_RESOLVING] = PYISOLATE_LOAD_STAGE_RESOLVING,
    [PYISOLATE_ENVIRONMENT_STAGE_DOWNLOADING] = PYISOLATE_LOAD_STAGE_DOWNLOADING,
    [PYISOLATE_ENVIRONMENT_STAGE_INSTALLING] = PYISOLATE_LOAD_STAGE_INSTALLING,
  };

  post_news (user_data, stages[stage], fraction * 0.9, text);
}

/* load->error is why the extension could not be loaded, and stays so if mending is no help. */
static void
mend_environment (Load *load)
{
  const char *key = _pyisolate_environment_get_key (load->environment);
  g_autoptr (PyIsolateEnvironment) mended = NULL;
  g_autofree char *damage = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  mended = _pyisolate_mend_environment (load->request, load->environment, &damage, on_environment_progress, load,
                                        load->cancellable, &error);
  if (mended == NULL && damage == NULL)
    return;

  if (damage != NULL)
    text = g_strdup_printf ("The environment %s is damaged: %s. It %s%s", key, damage,
                            mended != NULL ? "was made again" : "could not be made again: ",
                            mended != NULL ? "" : error->message);
  else
    text = g_strdup_printf ("The environment %s was replaced while the extension was loaded, which begins anew", key);
  _pyisolate_extension_log (load->extension, PYISOLATE_LOG_LEVEL_WARNING, "pyisolate", text);

  if (mended != NULL)
    {
      _pyisolate_environment_unref (load->environment);
      load->environment = g_steal_pointer (&mended);
      g_clear_error (&load->error);
    }
}

/* By who has it. */
static void
get_environment (Load *load)
{
  if (!g_cancellable_set_error_if_cancelled (load->cancellable, &load->error))
    load->environment = _pyisolate_environment_ensure (load->request, on_environment_progress, load,
                                                       load->cancellable, &load->error);
  _pyisolate_service_invoke (on_environment, load_ref (load), load_unref);
}

/* In a thread of the pool. */
static void
make_environment (gpointer data)
{
  g_autoptr (Load) load = data;

  if (!claim (load))
    return;

  if (load->environment == NULL)
    {
      get_environment (load);
      return;
    }

  mend_environment (load);
  _pyisolate_service_invoke (on_environment, load_ref (load), load_unref);
}

/* In the thread that only looks. */
static void
look_for_environment (gpointer data)
{
  g_autoptr (Load) load = data;

  if (!claim (load))
    return;

  if (_pyisolate_environment_is_ready (load->request))
    {
      get_environment (load);
      return;
    }

  queue_for_pool (load, load->loader->pool);
  /* Who has cancelled it up to here has left it to us. */
  if (g_cancellable_is_cancelled (load->cancellable) && claim (load))
    _pyisolate_service_invoke (on_environment, load_ref (load), load_unref);
}

/* On the service thread, on which the load's end is decided. */
static gboolean
begin_load (gpointer data)
{
  Load *load = data;

  queue_for_pool (load, load->loader->lookers);
  load->cancelled_id = g_cancellable_connect (load->cancellable, G_CALLBACK (on_cancelled),
                                              load_ref (load), load_unref);

  return G_SOURCE_REMOVE;
}

PyIsolateLoader *
_pyisolate_loader_new (PyIsolateMailbox *home)
{
  PyIsolateLoader *self = g_new0 (PyIsolateLoader, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->home = _pyisolate_mailbox_ref (home);
  self->pool = _pyisolate_pool_new (make_environment, 1);
  self->lookers = _pyisolate_pool_new (look_for_environment, 1);
  g_queue_init (&self->waiting);

  return self;
}

PyIsolateLoader *
_pyisolate_loader_ref (PyIsolateLoader *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
_pyisolate_loader_unref (PyIsolateLoader *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (g_queue_is_empty (&self->waiting));

  /* Each load holds a reference, so the pools have nothing to do but what they gave back; but a thread of theirs may be
   * just here. */
  g_thread_pool_free (self->pool, TRUE, FALSE);
  g_thread_pool_free (self->lookers, TRUE, FALSE);
  _pyisolate_mailbox_unref (self->home);
  g_free (self);
}

void
_pyisolate_loader_set_max_installs (PyIsolateLoader *self,
                                    guint            max)
{
  g_thread_pool_set_max_threads (self->pool, (int) max, NULL);
}

void
_pyisolate_loader_set_max_starts (PyIsolateLoader *self,
                                  guint            max)
{
  int old = g_atomic_int_get (&self->max_starts);

  g_atomic_int_set (&self->max_starts, (int) max);
  if (old > 0 && max > (guint) old) /* nothing waits in a new one */
    _pyisolate_service_invoke (on_more_starts, _pyisolate_loader_ref (self),
                               (GDestroyNotify) _pyisolate_loader_unref);
}

void
_pyisolate_loader_load (PyIsolateLoader             *self,
                        PyIsolateExtension          *extension,
                        PyIsolateEnvironmentRequest *request,
                        PyIsolateJobKind             kind,
                        PyIsolateLoadNewsFunc        news,
                        PyIsolateLoadedFunc          func,
                        gpointer                     user_data,
                        GDestroyNotify               destroy)
{
  Load *load = g_new0 (Load, 1);

  g_atomic_ref_count_init (&load->ref_count);
  g_mutex_init (&load->mutex);
  load->loader = _pyisolate_loader_ref (self);
  load->extension = _pyisolate_extension_hold (extension);
  load->request = request;
  load->cancellable = g_object_ref (_pyisolate_extension_get_load_cancellable (extension));
  load->kind = kind;
  load->news = news;
  load->func = func;
  load->user_data = user_data;
  load->destroy = destroy;

  _pyisolate_extension_set_state (extension, PYISOLATE_EXTENSION_STATE_PREPARING);
  _pyisolate_service_invoke (begin_load, load, load_unref);
}
