/* SPDX-License-Identifier: MIT */
/* Verifies an environment, and makes it anew from its own lock. */
#include "config.h"

#include "pyisolate-environment-private.h"

#include "pyisolate-env-ensure-private.h"
#include "pyisolate-env-info-private.h"
#include "pyisolate-env-manifest-private.h"
#include "pyisolate-env-requirement-private.h"
#include "pyisolate-env-store-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <string.h>

/* The current generation, or the newest; with its stamp. */
static char *
find_generation (const char         *venv_root,
                 const char         *key,
                 PyIsolateEnvStamp **stamp,
                 GError            **error)
{
  g_autofree char *environment = _pyisolate_env_store_environment (venv_root, key);
  g_autoptr (GArray) generations = _pyisolate_env_store_list (environment);
  guint current = _pyisolate_env_store_get_current (environment);
  g_autofree char *generation = NULL;
  g_autoptr (GError) local_error = NULL;

  if (current == 0 && generations->len > 0)
    current = g_array_index (generations, guint, 0);
  generation = _pyisolate_env_store_generation (environment, current);
  *stamp = current > 0 ? _pyisolate_env_stamp_load (generation, &local_error) : NULL;
  if (*stamp != NULL)
    return g_steal_pointer (&generation);

  if (local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  else if (generations->len == 0)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT,
                 "The environment %s has nothing in it: it is being made now, or somebody was ended who made it; an "
                 "extension's next start makes it", key);
  else
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT,
                 "The environment %s is not whole and does not say what it was made from; remove "
                 "it, and the extension's next "
                 "start makes it anew", key);
  return NULL;
}

/* Nobody shall remove it meanwhile. Who may only read the root holds it as well, and what has no lock nobody removes. FALSE: it
 * cannot be held. */
static gboolean
hold_generation (const char    *generation,
                 int           *fd,
                 GCancellable  *cancellable,
                 GError       **error)
{
  g_autofree char *lock = _pyisolate_env_generation_file (generation, "lock");
  g_autoptr (GError) own_error = NULL;

  *fd = _pyisolate_env_store_lock (lock, PYISOLATE_ENV_LOCK_SHARED, FALSE, TRUE, cancellable, &own_error);
  if (*fd >= 0 || g_error_matches (own_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return TRUE;

  g_propagate_error (error, g_steal_pointer (&own_error));
  return FALSE;
}

GPtrArray *
_pyisolate_environment_verify (const char    *venv_root,
                               const char    *which,
                               GCancellable  *cancellable,
                               GError       **error)
{
  g_autofree char *key = _pyisolate_env_find_key (venv_root, which, error);
  g_autoptr (PyIsolateEnvStamp) stamp = NULL;
  g_autofree char *generation =
    key != NULL ? find_generation (venv_root, key, &stamp, error) : NULL;
  PYISOLATE_ENV_AUTOGUARD int fd = -1;

  if (generation == NULL || !hold_generation (generation, &fd, cancellable, error))
    return NULL;

  return _pyisolate_env_manifest_verify (generation, stamp->manifest_digest, cancellable, error);
}

static PyIsolateEnvLock *
load_lock (const char         *generation,
           PyIsolateEnvStamp  *stamp,
           GError            **error)
{
  g_autoptr (PyIsolateEnvLock) lock = g_steal_pointer (&stamp->lock);
  g_autofree char *file =
    _pyisolate_env_generation_file (generation, _pyisolate_env_lock_file_name (lock->is_pylock));
  g_autoptr (GError) local_error = NULL;

  if (!g_file_get_contents (file, &lock->text, NULL, &local_error))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT,
                   "The lock of the environment is lost: %s",
                   local_error->message);
      return NULL;
    }

  return g_steal_pointer (&lock);
}

/* Which package a damaged file belongs to is told by the directories of site-packages; the name
 * of one that has none of its own by the RECORDs. It is enough to throw out too much. */
static char **
find_damaged_packages (PyIsolateEnvStamp *stamp,
                       GPtrArray         *problems)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  gboolean any = FALSE;

  for (guint i = 0; i < problems->len; i++)
    {
      PyIsolateEnvironmentProblem *problem = g_ptr_array_index (problems, i);

      /* Bytecode and links are made by us, and extra files are nobody's. */
      any |= problem->kind != PYISOLATE_ENVIRONMENT_PROBLEM_EXTRA &&
             problem->kind != PYISOLATE_ENVIRONMENT_PROBLEM_MISSING &&
             !g_str_has_suffix (problem->path, ".pyc") &&
             strstr (problem->path, "/site-packages/") != NULL;
    }
  for (guint i = 0; any && stamp->packages[i] != NULL; i++)
    {
      g_autofree char *name = g_strndup (stamp->packages[i], strcspn (stamp->packages[i], " "));

      g_strv_builder_add (builder, name);
    }

  return g_strv_builder_end (builder);
}

/* A file that was changed in place was changed in uv's cache too: it is the same file. */
static gboolean
clean_cache (const PyIsolateEnvironmentRequest  *request,
             char                              **packages,
             GCancellable                       *cancellable,
             GError                            **error)
{
  g_autoptr (PyIsolateEnvUv) uv = _pyisolate_env_uv_new (request, error);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  if (uv == NULL)
    return FALSE;
  if (*packages == NULL)
    return TRUE;

  g_ptr_array_add (argv, (char *) "cache");
  g_ptr_array_add (argv, (char *) "clean");
  for (guint i = 0; packages[i] != NULL; i++)
    g_ptr_array_add (argv, packages[i]);
  g_ptr_array_add (argv, NULL);

  return _pyisolate_env_uv_run (uv, (const char *const *) argv->pdata, NULL, -1, NULL, NULL,
                                cancellable, error);
}

/* What the environment was made with, where the caller does not say otherwise. The credentials
 * were not kept. */
static PyIsolateEnvironmentRequest *
build_request (const PyIsolateEnvironmentRequest *request,
               PyIsolateEnvLock                  *lock)
{
  PyIsolateEnvironmentRequest *self = _pyisolate_env_request_normalize (request);

  if (self->index_url == NULL && lock->index_url != NULL)
    {
      GString *url = g_string_new (lock->index_url);

      g_string_replace (url, "://****@", "://", 1);
      self->index_url = g_string_free (url, FALSE);
    }
  if (self->extra_index_urls == NULL || *self->extra_index_urls == NULL)
    {
      g_strfreev (self->extra_index_urls);
      self->extra_index_urls = g_strdupv (lock->extra_index_urls);
    }
  if (self->find_links == NULL || *self->find_links == NULL)
    {
      g_strfreev (self->find_links);
      self->find_links = g_strdupv (lock->find_links);
    }
  for (guint i = 0; self->extra_index_urls[i] != NULL; i++)
    {
      GString *url = g_string_new (self->extra_index_urls[i]);

      g_string_replace (url, "://****@", "://", 1);
      g_free (self->extra_index_urls[i]);
      self->extra_index_urls[i] = g_string_free (url, FALSE);
    }

  return self;
}

PyIsolateEnvironment *
_pyisolate_environment_repair (const PyIsolateEnvironmentRequest  *request,
                               const char                         *which,
                               PyIsolateEnvironmentProgressFunc    func,
                               gpointer                            user_data,
                               GCancellable                       *cancellable,
                               GError                            **error)
{
  g_autofree char *key = _pyisolate_env_find_key (request->venv_root, which, error);
  g_autoptr (PyIsolateEnvStamp) stamp = NULL;
  g_autofree char *generation =
    key != NULL ? find_generation (request->venv_root, key, &stamp, error) : NULL;
  g_autofree char *cache = g_build_filename (request->venv_root, "interpreters", NULL);
  g_autoptr (PyIsolateEnvLock) lock = NULL;
  g_autoptr (PyIsolateEnvInterpreter) interpreter = NULL;
  g_autoptr (PyIsolateEnvironmentRequest) full = NULL;
  g_autoptr (GPtrArray) problems = NULL;
  g_auto (GStrv) packages = NULL;
  g_autofree char *made_key = NULL;
  g_auto (PyIsolateEnvProgress) progress = { 0 };
  PYISOLATE_ENV_AUTOGUARD int fd = -1;

  if (generation == NULL || !hold_generation (generation, &fd, cancellable, error))
    return NULL;
  problems = _pyisolate_env_manifest_verify (generation, stamp->manifest_digest, cancellable,
                                             error);
  if (problems == NULL)
    return NULL;

  packages = find_damaged_packages (stamp, problems);
  lock = load_lock (generation, stamp, error);
  if (lock == NULL)
    return NULL;
  _pyisolate_env_unlock (&fd); /* all that is needed of it has been read, and a new one may take its place */
  interpreter = _pyisolate_env_interpreter_query (stamp->python, cache, TRUE, cancellable, error);
  if (interpreter == NULL)
    return NULL;

  made_key = _pyisolate_env_lock_dup_environment_key (lock, interpreter);
  if (!g_str_equal (made_key, key))
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT,
                   "The environment %s cannot be made again: its lock or its interpreter %s has "
                   "changed; remove it, and the "
                   "extension's next start makes a new one", key, stamp->python);
      return NULL;
    }

  full = build_request (request, lock);
  if (!clean_cache (full, packages, cancellable, error))
    return NULL;
  _pyisolate_env_progress_init (&progress, func, user_data);
  return _pyisolate_env_make (full, lock, interpreter, TRUE, &progress, cancellable, error);
}
