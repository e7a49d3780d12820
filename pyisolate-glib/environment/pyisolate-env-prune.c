/* SPDX-License-Identifier: MIT */
/* Removes environments: those that somebody names, and those that nobody needs. One in use is
 * left alone by either. */
#include "config.h"

#include "pyisolate-environment-private.h"

#include "pyisolate-env-generation-private.h"
#include "pyisolate-env-info-private.h"
#include "pyisolate-env-store-private.h"
#include "pyisolate-env-tree-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define N_PAUSES 10
#define PAUSE_US 10000

/* FALSE if somebody uses it. The caller holds the guard. */
static gboolean
remove_generation (const char                       *environment,
                   guint                             number,
                   PyIsolateEnvironmentPruneReport  *report,
                   GError                          **error)
{
  g_autofree char *generation = _pyisolate_env_store_generation (environment, number);
  g_autofree char *lock = _pyisolate_env_generation_file (generation, "lock");
  g_autofree char *old = g_strdup_printf ("%s/.old-%u", environment, number);
  g_autoptr (GError) local_error = NULL;
  PyIsolateEnvTreeSize size;
  PYISOLATE_ENV_AUTOFD int fd = -1;

  fd = _pyisolate_env_store_lock (lock, PYISOLATE_ENV_LOCK_EXCLUSIVE, FALSE, FALSE, NULL,
                                  &local_error);
  /* Without the lock file it is nothing that anybody could use. */
  if (fd < 0 && !g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }

  _pyisolate_env_tree_measure (generation, &size);
  /* From here on nobody finds it; if we are killed, it is swept away later. */
  if (rename (generation, old) != 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot remove", generation);
      return FALSE;
    }
  if (!_pyisolate_env_tree_remove (old, error))
    return FALSE;

  report->n_environments++;
  report->size += size.size_unique;
  return TRUE;
}

static void
remove_links (const char *environment)
{
  g_autofree char *current = g_build_filename (environment, "current", NULL);
  g_autofree char *temporary = g_build_filename (environment, ".current", NULL);

  unlink (current);
  unlink (temporary);
  rmdir (environment);
}

/* Generations that nobody uses; the current one only if @all. FALSE only for an error other than
 * being in use. */
static gboolean
clean_environment (const char                       *venv_root,
                   const char                       *key,
                   gboolean                          all,
                   guint                            *n_used,
                   PyIsolateEnvironmentPruneReport  *report,
                   GError                          **error)
{
  g_autofree char *environment = _pyisolate_env_store_environment (venv_root, key);
  g_autoptr (GArray) generations = _pyisolate_env_store_list (environment);
  guint current = _pyisolate_env_store_get_current (environment);

  *n_used = 0;
  report->n_leftovers += _pyisolate_env_store_sweep (environment);
  for (guint i = 0; i < generations->len; i++)
    {
      guint number = g_array_index (generations, guint, i);
      g_autoptr (GError) local_error = NULL;

      if (number == current && !all)
        {
          ++*n_used;
          continue;
        }
      if (remove_generation (environment, number, report, &local_error))
        continue;
      if (!g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      ++*n_used;
    }
  if (*n_used == 0)
    remove_links (environment);

  return TRUE;
}

/* Whether an extension refers to it; looked up anew each time, under the key's guard. FALSE if that cannot be told. */
static gboolean
check_indexed (const char  *venv_root,
               const char  *key,
               gboolean     is_request,
               gboolean    *is_indexed,
               GError     **error)
{
  g_autoptr (GPtrArray) index = _pyisolate_env_index_list (venv_root, error);

  *is_indexed = FALSE;
  for (guint i = 0; index != NULL && i < index->len; i++)
    {
      PyIsolateEnvIndexEntry *entry = g_ptr_array_index (index, i);

      if (g_str_equal (is_request ? entry->request_key : entry->environment_key, key))
        *is_indexed = TRUE;
    }

  return index != NULL;
}

/* The guard of @key, or -1: without @error if somebody else has it, who makes it, uses it or removes it right now. */
static int
try_guard (const char  *venv_root,
           const char  *key,
           GError     **error)
{
  g_autoptr (GError) local_error = NULL;
  int guard = _pyisolate_env_store_guard (venv_root, key, FALSE, NULL, &local_error);

  if (guard < 0 && !g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    g_propagate_error (error, g_steal_pointer (&local_error));

  return guard;
}

static void
forget_extensions (const char *venv_root,
                   const char *key)
{
  g_autoptr (GPtrArray) index = _pyisolate_env_index_list (venv_root, NULL);

  for (guint i = 0; index != NULL && i < index->len; i++)
    {
      PyIsolateEnvIndexEntry *entry = g_ptr_array_index (index, i);
      g_autofree char *path = _pyisolate_env_store_index_path (venv_root, entry->name);

      if (g_str_equal (entry->environment_key, key))
        unlink (path);
    }
}

gboolean
_pyisolate_environment_remove (const char    *venv_root,
                               const char    *which,
                               GCancellable  *cancellable,
                               GError       **error)
{
  g_autofree char *key = _pyisolate_env_find_key (venv_root, which, error);
  PyIsolateEnvironmentPruneReport report = { 0 };
  PYISOLATE_ENV_AUTOGUARD int guard = -1;
  guint n_used;

  if (key == NULL)
    return FALSE;
  guard = _pyisolate_env_store_guard (venv_root, key, TRUE, cancellable, error);
  if (guard < 0 || !clean_environment (venv_root, key, TRUE, &n_used, &report, error))
    return FALSE;
  /* Who only looks whether one is used has it for a moment, too. */
  for (guint i = 0; i < N_PAUSES && n_used > 0; i++)
    {
      g_usleep (PAUSE_US);
      if (!clean_environment (venv_root, key, TRUE, &n_used, &report, error))
        return FALSE;
    }
  if (n_used > 0)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT,
                   "The environment %s is in use; stop the extensions that run in it", key);
      return FALSE;
    }
  forget_extensions (venv_root, key);

  return TRUE;
}

/* Lock records of requests that no extension makes any more. */
static gboolean
prune_locks (const char  *venv_root,
             GError     **error)
{
  g_autofree char *directory = g_build_filename (venv_root, "locks", NULL);
  g_auto (GStrv) names = _pyisolate_env_store_list_names (directory, "");

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (directory, names[i], NULL);
      g_autofree char *key = g_strndup (names[i], strcspn (names[i], "."));
      g_autoptr (GError) local_error = NULL;
      PYISOLATE_ENV_AUTOGUARD int guard = try_guard (venv_root, key, &local_error);
      gboolean is_indexed;

      if (guard >= 0 && check_indexed (venv_root, key, TRUE, &is_indexed, &local_error) && !is_indexed)
        unlink (path);
      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
    }

  return TRUE;
}

/* Guards of what is not there any more. Who waits for one notices that it is gone and takes a
 * new one. */
static void
prune_guards (const char *venv_root)
{
  g_autofree char *directory = g_build_filename (venv_root, "guards", NULL);
  g_auto (GStrv) names = _pyisolate_env_store_list_names (directory, "");

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (directory, names[i], NULL);
      g_autofree char *key = g_strndup (names[i], strcspn (names[i], "."));
      g_autofree char *record = g_strconcat (key, ".json", NULL);
      g_autofree char *lock = _pyisolate_env_store_path (venv_root, "locks", record);
      g_autofree char *environment = _pyisolate_env_store_environment (venv_root, key);
      PYISOLATE_ENV_AUTOGUARD int guard = -1;

      if (g_file_test (lock, G_FILE_TEST_EXISTS) || g_file_test (environment, G_FILE_TEST_EXISTS))
        continue;
      guard = _pyisolate_env_store_guard (venv_root, key, FALSE, NULL, NULL);
      if (guard >= 0)
        unlink (path);
    }
}

/* What a killed writer left beside the file that it was about to replace. */
static void
prune_half_written (const char *venv_root,
                    const char *folder)
{
  g_autofree char *directory = g_build_filename (venv_root, folder, NULL);
  g_auto (GStrv) names = _pyisolate_env_store_list_names (directory, "");
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (directory, names[i], NULL);
      PyIsolateEnvFileId id;

      /* One that is just being written is not an hour old. */
      if (!g_str_has_suffix (names[i], ".json") && _pyisolate_env_file_id (path, &id) &&
          id.mtime / G_GINT64_CONSTANT (1000000000) < now - 3600 &&
          unlink (path) != 0)
        _pyisolate_env_tree_remove (path, NULL);
    }
}

/* In seconds of the real time; 0 if nobody knows, -1 with @error set. */
static gint64
get_created (const char  *venv_root,
             const char  *key,
             GError     **error)
{
  g_autofree char *environment = _pyisolate_env_store_environment (venv_root, key);
  guint current = _pyisolate_env_store_get_current (environment);
  g_autofree char *generation = _pyisolate_env_store_generation (environment, current);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (PyIsolateEnvStamp) stamp = _pyisolate_env_stamp_load (generation, &local_error);

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return -1;
    }

  return stamp != NULL ? MAX (stamp->created, 0) : 0;
}

/* Somebody may make or remove it right now, which keeps nobody from removing the others. */
static gboolean
prune_environment (const char                       *venv_root,
                   const char                       *key,
                   gint64                            made_before,
                   PyIsolateEnvironmentPruneReport  *report,
                   GError                          **error)
{
  g_autoptr (GError) local_error = NULL;
  PYISOLATE_ENV_AUTOGUARD int guard = try_guard (venv_root, key, &local_error);
  gboolean is_indexed, all;
  guint n_used;

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (guard < 0)
    return TRUE;
  if (!check_indexed (venv_root, key, FALSE, &is_indexed, error))
    return FALSE;

  all = !is_indexed;
  if (made_before != PYISOLATE_ENV_ANY_TIME)
    {
      gint64 created = get_created (venv_root, key, error);

      if (created < 0)
        return FALSE;
      if (!all || created >= made_before)
        return TRUE;
    }

  return clean_environment (venv_root, key, all, &n_used, report, error);
}

static void
prune_records (const char *venv_root)
{
  prune_guards (venv_root);
  prune_half_written (venv_root, "index");
  prune_half_written (venv_root, "locks");
  prune_half_written (venv_root, "interpreters");
}

gboolean
_pyisolate_environment_prune (const char                       *venv_root,
                              gint64                            made_before,
                              PyIsolateEnvironmentPruneReport  *report,
                              GCancellable                     *cancellable,
                              GError                          **error)
{
  PyIsolateEnvironmentPruneReport unused;
  g_auto (GStrv) keys = NULL;

  if (report == NULL)
    report = &unused;
  *report = (PyIsolateEnvironmentPruneReport) { 0 };
  if (!_pyisolate_env_check_root_is_there (venv_root, error))
    return FALSE;

  keys = _pyisolate_env_list_keys (venv_root);
  if (made_before == PYISOLATE_ENV_ANY_TIME && !prune_locks (venv_root, error))
    return FALSE;
  for (guint i = 0; keys[i] != NULL; i++)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
          !prune_environment (venv_root, keys[i], made_before, report, error))
        return FALSE;
    }
  if (made_before == PYISOLATE_ENV_ANY_TIME)
    prune_records (venv_root);

  return TRUE;
}
