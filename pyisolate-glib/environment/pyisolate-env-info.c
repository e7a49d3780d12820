/* SPDX-License-Identifier: MIT */
/* What environments there are below a root. */
#include "config.h"

#include "pyisolate-env-info-private.h"

#include "pyisolate-env-generation-private.h"
#include "pyisolate-env-store-private.h"
#include "pyisolate-env-tree-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <string.h>

#define MIN_KEY_PREFIX 4

void
_pyisolate_environment_info_free (PyIsolateEnvironmentInfo *self)
{
  g_free (self->key);
  g_free (self->prefix);
  g_free (self->python);
  g_free (self->python_version);
  g_strfreev (self->requirements);
  g_strfreev (self->packages);
  g_strfreev (self->extensions);
  g_free (self);
}

static gboolean
is_used (const char *generation)
{
  g_autofree char *lock = _pyisolate_env_generation_file (generation, "lock");
  g_autoptr (GError) error = NULL;
  PYISOLATE_ENV_AUTOGUARD int fd = -1;

  fd = _pyisolate_env_store_lock (lock, PYISOLATE_ENV_LOCK_EXCLUSIVE, FALSE, FALSE, NULL, &error);

  return fd < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
}

static char **
users_of (GPtrArray  *index,
          const char *key)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) names = NULL;

  for (guint i = 0; i < index->len; i++)
    {
      PyIsolateEnvIndexEntry *entry = g_ptr_array_index (index, i);

      if (g_str_equal (entry->environment_key, key))
        g_strv_builder_add (builder, entry->name);
    }

  names = g_strv_builder_end (builder);
  return _pyisolate_env_strv_normalize ((const char *const *) names);
}

static void
fill_from_stamp (PyIsolateEnvironmentInfo *self)
{
  g_autoptr (PyIsolateEnvStamp) stamp = _pyisolate_env_stamp_load (self->prefix, NULL);

  if (stamp == NULL)
    {
      self->generation = 0;
      return;
    }

  self->python = g_steal_pointer (&stamp->python);
  self->python_version = g_steal_pointer (&stamp->python_version);
  self->packages = g_steal_pointer (&stamp->packages);
  self->requirements = g_steal_pointer (&stamp->lock->requirements);
  self->created = stamp->created;
}

static PyIsolateEnvironmentInfo *
describe (const char *venv_root,
          const char *key,
          GPtrArray  *index)
{
  PyIsolateEnvironmentInfo *self = g_new0 (PyIsolateEnvironmentInfo, 1);
  g_autofree char *environment = _pyisolate_env_store_environment (venv_root, key);
  g_autoptr (GArray) generations = _pyisolate_env_store_list (environment);
  PyIsolateEnvTreeSize size;

  self->key = g_strdup (key);
  self->n_generations = generations->len;
  self->generation = _pyisolate_env_store_get_current (environment);
  self->prefix = _pyisolate_env_store_generation (environment, self->generation);
  self->extensions = users_of (index, key);
  if (self->generation > 0)
    fill_from_stamp (self);
  if (self->python == NULL)
    {
      self->python = g_strdup ("");
      self->python_version = g_strdup ("");
      self->packages = g_new0 (char *, 1);
      self->requirements = g_new0 (char *, 1);
    }
  for (guint i = 0; i < generations->len && !self->in_use; i++)
    {
      g_autofree char *path =
        _pyisolate_env_store_generation (environment, g_array_index (generations, guint, i));

      self->in_use = is_used (path);
    }

  _pyisolate_env_tree_measure (environment, &size);
  self->size_total = size.size_total;
  self->size_unique = size.size_unique;

  return self;
}

char **
_pyisolate_env_list_keys (const char *venv_root)
{
  g_autofree char *directory = g_build_filename (venv_root, "environments", NULL);
  g_auto (GStrv) names = _pyisolate_env_store_list_names (directory, "");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      if (strspn (names[i], "0123456789abcdef") == strlen (names[i]))
        g_strv_builder_add (builder, names[i]);
    }

  return g_strv_builder_end (builder);
}

/* One that is not there has nothing in it. One that may not be read is no empty one. */
static gboolean
check_is_readable (const char  *venv_root,
                   const char  *folder,
                   GError     **error)
{
  g_autofree char *path = g_build_filename (venv_root, folder, NULL);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) dir = g_dir_open (path, 0, &local_error);

  if (dir != NULL || g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return TRUE;

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT,
               "Cannot read what is in %s: %s", venv_root, local_error->message);
  return FALSE;
}

gboolean
_pyisolate_env_check_root_is_there (const char  *venv_root,
                                    GError     **error)
{
  g_assert (venv_root != NULL);

  /* One that was never used has no environments; something else in its place is a mistake. */
  if (!g_file_test (venv_root, G_FILE_TEST_EXISTS) || g_file_test (venv_root, G_FILE_TEST_IS_DIR))
    return check_is_readable (venv_root, "environments", error) && check_is_readable (venv_root, "index", error);

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
               "The venv root %s is no directory", venv_root);
  return FALSE;
}

GPtrArray *
_pyisolate_environment_list (const char  *venv_root,
                             GError     **error)
{
  g_autoptr (GPtrArray) infos = NULL;
  g_autoptr (GPtrArray) index = NULL;
  g_auto (GStrv) keys = NULL;

  if (!_pyisolate_env_check_root_is_there (venv_root, error))
    return NULL;

  infos = g_ptr_array_new_with_free_func ((GDestroyNotify) _pyisolate_environment_info_free);
  index = _pyisolate_env_index_list (venv_root, error);
  if (index == NULL)
    return NULL;
  keys = _pyisolate_env_list_keys (venv_root);
  for (guint i = 0; keys[i] != NULL; i++)
    g_ptr_array_add (infos, describe (venv_root, keys[i], index));

  return g_steal_pointer (&infos);
}

/* An extension's name comes first: a name may look like a key, but a key is never needed whole. */
static char *
find_by_name (GPtrArray  *index,
              const char *which)
{
  for (guint i = 0; i < index->len; i++)
    {
      PyIsolateEnvIndexEntry *entry = g_ptr_array_index (index, i);

      if (g_str_equal (entry->name, which))
        return g_strdup (entry->environment_key);
    }

  return NULL;
}

char *
_pyisolate_env_find_key (const char  *venv_root,
                         const char  *which,
                         GError     **error)
{
  g_autoptr (GPtrArray) index = NULL;
  g_auto (GStrv) keys = NULL;
  const char *found = NULL;
  char *named;
  guint n_found = 0;

  g_assert (which != NULL);

  if (!_pyisolate_env_check_root_is_there (venv_root, error))
    return NULL;

  keys = _pyisolate_env_list_keys (venv_root);
  index = _pyisolate_env_index_list (venv_root, error);
  if (index == NULL)
    return NULL;
  named = find_by_name (index, which);
  if (named != NULL && g_strv_contains ((const char *const *) keys, named))
    return named;
  g_free (named);

  for (guint i = 0; keys[i] != NULL && strlen (which) >= MIN_KEY_PREFIX; i++)
    {
      if (!g_str_has_prefix (keys[i], which))
        continue;
      found = keys[i];
      n_found++;
    }
  if (n_found == 1)
    return g_strdup (found);

  if (n_found > 1)
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                 "“%s” is the start of %u environments' keys in %s; say more of it", which,
                 n_found, venv_root);
  else
    g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_CONFIG,
                 "“%s” is neither an extension with an environment in %s nor the key of one",
                 which, venv_root);
  return NULL;
}

PyIsolateEnvironmentInfo *
_pyisolate_environment_show (const char  *venv_root,
                             const char  *which,
                             GError     **error)
{
  g_autofree char *key = _pyisolate_env_find_key (venv_root, which, error);
  g_autoptr (GPtrArray) index = NULL;

  if (key == NULL)
    return NULL;

  index = _pyisolate_env_index_list (venv_root, error);
  return index != NULL ? describe (venv_root, key, index) : NULL;
}
