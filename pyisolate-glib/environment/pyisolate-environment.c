/* SPDX-License-Identifier: MIT */
/* An environment in use, and how one is taken into use by its key, or made.
 *
 * Whoever makes one holds the guard of its key, and looks again first; the others wait for the
 * guard and find it made.
 */
#include "config.h"

#include "pyisolate-environment-private.h"

#include "pyisolate-env-ensure-private.h"
#include "pyisolate-env-store-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <unistd.h>

struct _PyIsolateEnvironment {
  gatomicrefcount ref_count;
  /* All constant */
  char *key;                  /* nullable */
  char *prefix;
  char *python;
  char *python_version;
  int lock_fd;                /* a shared flock, or -1 */
  pid_t owner;                /* whose it is: a forked child has the file open as well */
};

PyIsolateEnvironment *
_pyisolate_env_environment_new (const char *key,
                                const char *prefix,
                                const char *python_version,
                                int         take_lock_fd)
{
  PyIsolateEnvironment *self = g_new0 (PyIsolateEnvironment, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->key = g_strdup (key);
  self->prefix = g_strdup (prefix);
  self->python = key != NULL ? g_build_filename (prefix, "bin", "python", NULL)
                             : _pyisolate_env_find_own_python (prefix);
  self->python_version = g_strdup (python_version);
  self->lock_fd = take_lock_fd;
  self->owner = getpid ();

  return self;
}

PyIsolateEnvironment *
_pyisolate_environment_ref (PyIsolateEnvironment *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
_pyisolate_environment_unref (PyIsolateEnvironment *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  /* To close it is not enough while a child lives that was forked meanwhile, and not the child's to say. */
  if (self->owner == getpid ())
    _pyisolate_env_unlock (&self->lock_fd);
  else
    _pyisolate_env_close (&self->lock_fd);
  g_free (self->key);
  g_free (self->prefix);
  g_free (self->python);
  g_free (self->python_version);
  g_free (self);
}

const char *
_pyisolate_environment_get_prefix (PyIsolateEnvironment *self)
{
  return self->prefix;
}

const char *
_pyisolate_environment_get_python (PyIsolateEnvironment *self)
{
  return self->python;
}

const char *
_pyisolate_environment_get_python_version (PyIsolateEnvironment *self)
{
  return self->python_version;
}

const char *
_pyisolate_environment_get_key (PyIsolateEnvironment *self)
{
  return self->key;
}

gboolean
_pyisolate_env_generation_is_whole (const char                     *generation,
                                    const PyIsolateEnvInterpreter  *interpreter,
                                    GError                        **error)
{
  g_autoptr (PyIsolateEnvStamp) stamp = _pyisolate_env_stamp_load (generation, error);
  g_autofree char *python = g_build_filename (generation, "bin", "python", NULL);
  g_autofree char *lock = _pyisolate_env_generation_file (generation, "lock");

  return stamp != NULL && g_str_equal (stamp->python, interpreter->path) &&
         g_str_equal (stamp->python_version, interpreter->version) &&
         g_str_equal (stamp->abi, interpreter->abi) && access (python, X_OK) == 0 && access (lock, F_OK) == 0;
}

PyIsolateEnvironment *
_pyisolate_env_acquire (const char                     *venv_root,
                        const char                     *key,
                        const PyIsolateEnvInterpreter  *interpreter,
                        GCancellable                   *cancellable,
                        GError                        **error)
{
  g_autofree char *environment = _pyisolate_env_store_environment (venv_root, key);
  guint previous = 0;

  while (TRUE)
    {
      guint current = _pyisolate_env_store_get_current (environment);
      g_autofree char *generation = _pyisolate_env_store_generation (environment, current);
      g_autofree char *lock = _pyisolate_env_generation_file (generation, "lock");
      g_autoptr (GError) local_error = NULL;
      PYISOLATE_ENV_AUTOGUARD int fd = -1;

      /* A generation that vanished as we reached for it was replaced, or `current` points
       * nowhere. */
      if (current == 0 || current == previous)
        return NULL;
      previous = current;
      fd = _pyisolate_env_store_lock (lock, PYISOLATE_ENV_LOCK_SHARED, FALSE, TRUE, cancellable,
                                      &local_error);
      if (fd < 0 && g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        continue;
      if (fd < 0)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
      if (!_pyisolate_env_generation_is_whole (generation, interpreter, error))
        return NULL;

      return _pyisolate_env_environment_new (key, generation, interpreter->version,
                                             g_steal_fd (&fd));
    }
}

/* A maker that was killed between the two renames left a whole one that nothing points to. FALSE with an error: it may have. */
static gboolean
adopt (const char                     *environment,
       GArray                         *generations,
       const PyIsolateEnvInterpreter  *interpreter,
       GError                        **error)
{
  g_autofree char *newest = NULL;
  guint number;

  if (generations->len == 0)
    return FALSE;

  number = g_array_index (generations, guint, 0);
  newest = _pyisolate_env_store_generation (environment, number);
  return _pyisolate_env_generation_is_whole (newest, interpreter, error) &&
         _pyisolate_env_store_set_current (environment, number, error);
}

/* The guard is held, and `current` points to something whole. */
static PyIsolateEnvironment *
acquire_made (const char                     *venv_root,
              const char                     *key,
              const PyIsolateEnvInterpreter  *interpreter,
              GCancellable                   *cancellable,
              GError                        **error)
{
  g_autoptr (GError) local_error = NULL;
  PyIsolateEnvironment *self;

  self = _pyisolate_env_acquire (venv_root, key, interpreter, cancellable, &local_error);
  if (self == NULL && local_error == NULL)
    g_set_error (&local_error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT,
                 "Somebody removed the environment %s below %s while it was made", key, venv_root);
  if (self == NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));

  return self;
}

PyIsolateEnvironment *
_pyisolate_env_make (const PyIsolateEnvironmentRequest  *request,
                     PyIsolateEnvLock                   *lock,
                     const PyIsolateEnvInterpreter      *interpreter,
                     gboolean                            fresh,
                     PyIsolateEnvProgress               *progress,
                     GCancellable                       *cancellable,
                     GError                            **error)
{
  const char *root = request->venv_root;
  g_autofree char *key = _pyisolate_env_lock_dup_environment_key (lock, interpreter);
  g_autofree char *environment = _pyisolate_env_store_environment (root, key);
  PYISOLATE_ENV_AUTOGUARD int guard = _pyisolate_env_store_guard (root, key, TRUE, cancellable, error);
  g_autoptr (GArray) generations = NULL;
  g_autoptr (GError) local_error = NULL;
  g_autofree char *made = NULL;
  PyIsolateEnvironment *self;
  guint next;

  if (guard < 0)
    return NULL;

  generations = _pyisolate_env_store_list (environment);
  if (!fresh)
    {
      self = _pyisolate_env_acquire (root, key, interpreter, cancellable, &local_error);
      if (self != NULL)
        return self;
      if (local_error == NULL && adopt (environment, generations, interpreter, &local_error))
        return acquire_made (root, key, interpreter, cancellable, error);
      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
    }

  next = generations->len > 0 ? g_array_index (generations, guint, 0) + 1 : 1;
  made = _pyisolate_env_generation_make (request, key, next, lock, interpreter, progress,
                                         cancellable, error);
  if (made == NULL || !_pyisolate_env_store_set_current (environment, next, error))
    return NULL;

  return acquire_made (root, key, interpreter, cancellable, error);
}
