/* SPDX-License-Identifier: MIT */
/* How a request gets its environment.
 *
 *   request --key--> lock (resolved once) --key--> environment --current--> generation
 *
 * The warm way reads three small files and takes one lock; it starts nothing. Where something is
 * missing, it is made, once.
 */
#include "config.h"

#include "pyisolate-env-ensure-private.h"

#include "pyisolate-env-store-private.h"
#include "pyisolate-env-torch-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <stdlib.h>
#include <unistd.h>

/* What is there, without a process; NULL with or without an error. */
static PyIsolateEnvironment *
look_up (const PyIsolateEnvironmentRequest  *request,
         const PyIsolateEnvInterpreter      *interpreter,
         const char                         *request_key,
         PyIsolateEnvLock                  **lock,
         GCancellable                       *cancellable,
         GError                            **error)
{
  g_autofree char *key = NULL;

  *lock = _pyisolate_env_lock_load (request->venv_root, request_key, error);
  if (*lock == NULL)
    return NULL;

  key = _pyisolate_env_lock_dup_environment_key (*lock, interpreter);
  return _pyisolate_env_acquire (request->venv_root, key, interpreter, cancellable, error);
}

/* The torch that the request wants lent, and the request's key. FALSE: with an error. */
static gboolean
identify (const PyIsolateEnvironmentRequest  *request,
          const PyIsolateEnvInterpreter      *interpreter,
          gboolean                            may_run,
          PyIsolateEnvTorch                 **torch,
          char                              **key,
          GCancellable                       *cancellable,
          GError                            **error)
{
  if (request->torch_environment != NULL)
    {
      *torch = _pyisolate_env_torch_find (request, interpreter, may_run, cancellable, error);
      if (*torch == NULL)
        return FALSE;
    }

  *key = _pyisolate_env_request_key (request, interpreter, *torch, error);
  return *key != NULL;
}

gboolean
_pyisolate_env_is_warm (const PyIsolateEnvironmentRequest *request)
{
  g_autoptr (PyIsolateEnvironmentRequest) normal = _pyisolate_env_request_normalize (request);
  g_autoptr (PyIsolateEnvInterpreter) interpreter =
    _pyisolate_env_interpreter_resolve (normal, FALSE, NULL, NULL);
  g_autoptr (PyIsolateEnvLock) lock = NULL;
  g_autoptr (PyIsolateEnvTorch) torch = NULL;
  g_autofree char *key = NULL, *environment_key = NULL, *environment = NULL, *generation = NULL;

  if (interpreter != NULL)
    identify (normal, interpreter, FALSE, &torch, &key, NULL, NULL);
  lock = key != NULL ? _pyisolate_env_lock_load (normal->venv_root, key, NULL) : NULL;
  if (lock == NULL)
    return FALSE;

  environment_key = _pyisolate_env_lock_dup_environment_key (lock, interpreter);
  environment = _pyisolate_env_store_environment (normal->venv_root, environment_key);
  generation =
    _pyisolate_env_store_generation (environment, _pyisolate_env_store_get_current (environment));
  return _pyisolate_env_generation_is_whole (generation, interpreter, NULL);
}

/* The lock of a request: resolved by one, if it is not there. @again: resolved in any case. */
static PyIsolateEnvLock *
resolve_once (const PyIsolateEnvironmentRequest  *request,
              const PyIsolateEnvInterpreter      *interpreter,
              const PyIsolateEnvTorch            *torch,
              const char                         *request_key,
              gboolean                            again,
              PyIsolateEnvProgress               *progress,
              GCancellable                       *cancellable,
              GError                            **error)
{
  PYISOLATE_ENV_AUTOGUARD int guard =
    _pyisolate_env_store_guard (request->venv_root, request_key, TRUE, cancellable, error);
  g_autoptr (PyIsolateEnvLock) lock = NULL;
  g_autoptr (GError) local_error = NULL;

  if (guard < 0)
    return NULL;

  lock = again ? NULL : _pyisolate_env_lock_load (request->venv_root, request_key, &local_error);
  if (lock != NULL)
    return g_steal_pointer (&lock);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }

  lock = _pyisolate_env_lock_resolve (request, interpreter, torch, progress, cancellable, error);
  if (lock == NULL || !_pyisolate_env_lock_save (lock, request->venv_root, request_key, error))
    return NULL;

  return g_steal_pointer (&lock);
}

/* Of the user's own environment. */
static PyIsolateEnvInterpreter *
query_own (const PyIsolateEnvironmentRequest  *request,
           gboolean                            may_run,
           GCancellable                       *cancellable,
           GError                            **error)
{
  g_autofree char *python = _pyisolate_env_find_own_python (request->environment);
  /* Behind the links is its base interpreter; if there are none (conda), -S keeps its packages
   * out of the query. */
  g_autofree char *real = realpath (python, NULL);
  g_autofree char *cache = g_build_filename (request->venv_root, "interpreters", NULL);

  return _pyisolate_env_interpreter_query (real != NULL ? real : python, cache, may_run, cancellable, error);
}

static PyIsolateEnvironment *
use_own_environment (const PyIsolateEnvironmentRequest  *request,
                     GCancellable                       *cancellable,
                     GError                            **error)
{
  g_autoptr (PyIsolateEnvInterpreter) interpreter = query_own (request, TRUE, cancellable, error);

  if (interpreter == NULL)
    return NULL;

  return _pyisolate_env_environment_new (NULL, request->environment, interpreter->version, -1);
}

/* With auto-update it may still have to be made anew. */
gboolean
_pyisolate_environment_is_ready (const PyIsolateEnvironmentRequest *request)
{
  g_autoptr (PyIsolateEnvInterpreter) own = NULL;

  if (request->environment == NULL)
    return !request->auto_update && _pyisolate_env_is_warm (request);

  own = query_own (request, FALSE, NULL, NULL);
  return own != NULL;
}

/* Says that a local requirement is not what was installed; TRUE if that is to be mended now. */
static gboolean
is_outdated (const PyIsolateEnvironmentRequest *request,
             PyIsolateEnvLock                  *lock,
             PyIsolateEnvProgress              *progress,
             GCancellable                      *cancellable)
{
  g_autofree char *path = _pyisolate_env_lock_find_changed (lock, cancellable);
  g_autofree char *text = NULL;
  const char *advice;

  if (path == NULL)
    return FALSE;

  advice = request->auto_update ? "updating" : "“pyisolate env update” installs it anew";
  text = g_strdup_printf ("%s has changed since it was installed; %s", path, advice);
  g_message ("%s", text);
  _pyisolate_env_progress_tell (progress, PYISOLATE_ENVIRONMENT_STAGE_RESOLVING, 0, text);

  return request->auto_update;
}

/* Prune may have taken the lock away before it could know of us. Of a root that this user may only read no use is recorded: what
 * runs is held by the shared lock alone. */
static gboolean
record_use (const PyIsolateEnvironmentRequest  *request,
            const char                         *request_key,
            const char                         *environment_key,
            PyIsolateEnvLock                   *lock,
            GCancellable                       *cancellable,
            GError                            **error)
{
  g_autoptr (PyIsolateEnvLock) kept = NULL;
  g_autoptr (GError) local_error = NULL;
  PYISOLATE_ENV_AUTOGUARD int guard = -1;

  if (request->extension_name == NULL || access (request->venv_root, W_OK) != 0 ||
      _pyisolate_env_index_matches (request->venv_root, request->extension_name, request_key,
                                    environment_key))
    return TRUE;

  guard = _pyisolate_env_store_guard (request->venv_root, request_key, TRUE, cancellable, error);
  if (guard < 0 ||
      !_pyisolate_env_index_record (request->venv_root, request->extension_name, request_key,
                                    environment_key, error))
    return FALSE;

  kept = _pyisolate_env_lock_load (request->venv_root, request_key, &local_error);
  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else if (kept == NULL)
    return _pyisolate_env_lock_save (lock, request->venv_root, request_key, error);

  return kept != NULL;
}

static PyIsolateEnvironment *
find_or_make (const PyIsolateEnvironmentRequest  *request,
              gboolean                            update,
              PyIsolateEnvProgress               *progress,
              GCancellable                       *cancellable,
              GError                            **error)
{
  g_autoptr (PyIsolateEnvInterpreter) interpreter = NULL;
  g_autoptr (PyIsolateEnvTorch) torch = NULL;
  g_autoptr (PyIsolateEnvironment) self = NULL;
  g_autoptr (PyIsolateEnvLock) lock = NULL;
  g_autoptr (GError) local_error = NULL;
  g_autofree char *key = NULL;

  interpreter = _pyisolate_env_interpreter_resolve (request, TRUE, cancellable, error);
  if (interpreter == NULL || !_pyisolate_env_interpreter_check_required (request, interpreter, cancellable, error) ||
      !identify (request, interpreter, TRUE, &torch, &key, cancellable, error))
    return NULL;

  if (!update)
    self = look_up (request, interpreter, key, &lock, cancellable, &local_error);
  if (self != NULL && is_outdated (request, lock, progress, cancellable))
    {
      g_clear_pointer (&self, _pyisolate_environment_unref);
      update = TRUE;
    }
  if (self == NULL && local_error == NULL)
    {
      g_clear_pointer (&lock, _pyisolate_env_lock_free);
      lock = resolve_once (request, interpreter, torch, key, update, progress, cancellable,
                           &local_error);
      if (lock != NULL)
        self = _pyisolate_env_make (request, lock, interpreter, FALSE, progress, cancellable,
                                    &local_error);
    }
  if (self != NULL && !record_use (request, key, _pyisolate_environment_get_key (self), lock,
                                   cancellable, &local_error))
    g_clear_pointer (&self, _pyisolate_environment_unref);
  if (self == NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));

  return g_steal_pointer (&self);
}

static PyIsolateEnvironment *
run (const PyIsolateEnvironmentRequest  *request,
     gboolean                            update,
     PyIsolateEnvironmentProgressFunc    func,
     gpointer                            user_data,
     GCancellable                       *cancellable,
     GError                            **error)
{
  g_autoptr (PyIsolateEnvironmentRequest) normal = NULL;
  g_auto (PyIsolateEnvProgress) progress = { 0 };

  g_assert (request != NULL);

  if (!_pyisolate_environment_check_request (request, error) ||
      g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (request->environment != NULL)
    return use_own_environment (request, cancellable, error);

  normal = _pyisolate_env_request_normalize (request);
  _pyisolate_env_progress_init (&progress, func, user_data);
  return find_or_make (normal, update, &progress, cancellable, error);
}

PyIsolateEnvironment *
_pyisolate_environment_ensure (const PyIsolateEnvironmentRequest  *request,
                               PyIsolateEnvironmentProgressFunc    progress,
                               gpointer                            user_data,
                               GCancellable                       *cancellable,
                               GError                            **error)
{
  return run (request, FALSE, progress, user_data, cancellable, error);
}

PyIsolateEnvironment *
_pyisolate_environment_update (const PyIsolateEnvironmentRequest  *request,
                               PyIsolateEnvironmentProgressFunc    progress,
                               gpointer                            user_data,
                               GCancellable                       *cancellable,
                               GError                            **error)
{
  return run (request, TRUE, progress, user_data, cancellable, error);
}
