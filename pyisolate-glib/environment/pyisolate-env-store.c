/* SPDX-License-Identifier: MIT */
/* The layout of a venv root; the header has the picture. */
#include "config.h"

#include "pyisolate-env-store-private.h"

#include "pyisolate-env-tree-private.h"
#include "pyisolate-env-util-private.h"
#include "pyisolate-error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* milliseconds between two looks at a lock that somebody else holds */
#define FIRST_PAUSE 2
#define LAST_PAUSE 50

char *
_pyisolate_env_store_path (const char *venv_root,
                           const char *folder,
                           const char *name)
{
  return g_build_filename (venv_root, folder, name, NULL);
}

char *
_pyisolate_env_store_environment (const char *venv_root,
                                  const char *key)
{
  return g_build_filename (venv_root, "environments", key, NULL);
}

/* The name's digest: "a b", "a_b" and "a/b" are three, and none of them is a path. */
char *
_pyisolate_env_store_index_path (const char *venv_root,
                                 const char *extension_name)
{
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, extension_name, -1);
  g_autofree char *file = g_strdup_printf ("%.40s.json", digest);

  return g_build_filename (venv_root, "index", file, NULL);
}

char *
_pyisolate_env_generation_file (const char *generation,
                                const char *name)
{
  return g_build_filename (generation, PYISOLATE_ENV_OURS, name, NULL);
}

static gboolean
is_file_at (int         fd,
            const char *path)
{
  struct stat ours, there;

  return fstat (fd, &ours) == 0 && stat (path, &there) == 0 && ours.st_ino == there.st_ino &&
         ours.st_dev == there.st_dev;
}

/* FALSE once @cancellable is cancelled. flock() itself can only be interrupted by a signal, so
 * it is not waited in. */
static gboolean
pause_for (int            milliseconds,
           GCancellable  *cancellable,
           GError       **error)
{
  GPollFD cancel_fd = { -1, G_IO_IN, 0 };
  gboolean has_fd = g_cancellable_make_pollfd (cancellable, &cancel_fd);

  g_poll (&cancel_fd, has_fd ? 1 : 0, milliseconds);
  if (has_fd)
    g_cancellable_release_fd (cancellable);

  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static int
open_lock (const char  *path,
           gboolean     create,
           GError     **error)
{
  int fd = open (path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);

  /* Somebody else's root, which we may read: a shared lock works on that too. */
  if (fd < 0 && !create && (errno == EACCES || errno == EROFS))
    fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "There is no %s", path);
  else if (fd < 0)
    _pyisolate_env_set_errno (error, errno, "Cannot open", path);

  return fd;
}

int
_pyisolate_env_store_lock (const char            *path,
                           PyIsolateEnvLockMode   mode,
                           gboolean               create,
                           gboolean               wait,
                           GCancellable          *cancellable,
                           GError               **error)
{
  int operation = (mode == PYISOLATE_ENV_LOCK_EXCLUSIVE ? LOCK_EX : LOCK_SH) | LOCK_NB;
  int milliseconds = FIRST_PAUSE;

  while (TRUE)
    {
      PYISOLATE_ENV_AUTOFD int fd = open_lock (path, create, error);

      if (fd < 0)
        return -1;
      if (flock (fd, operation) == 0)
        {
          /* It may have been removed, and even made anew, between the two calls. */
          if (is_file_at (fd, path))
            return g_steal_fd (&fd);
          continue;
        }
      if (errno != EWOULDBLOCK && errno != EINTR)
        {
          _pyisolate_env_set_errno (error, errno, "Cannot lock", path);
          return -1;
        }
      if (!wait)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "%s is in use", path);
          return -1;
        }
      if (!pause_for (milliseconds, cancellable, error))
        return -1;
      milliseconds = MIN (milliseconds * 2, LAST_PAUSE);
    }
}

int
_pyisolate_env_store_guard (const char    *venv_root,
                            const char    *key,
                            gboolean       wait,
                            GCancellable  *cancellable,
                            GError       **error)
{
  g_autofree char *name = g_strconcat (key, ".lock", NULL);
  g_autofree char *path = _pyisolate_env_store_path (venv_root, "guards", name);
  g_autofree char *directory = g_path_get_dirname (path);

  if (g_mkdir_with_parents (directory, 0700) != 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot make the directory", directory);
      return -1;
    }

  return _pyisolate_env_store_lock (path, PYISOLATE_ENV_LOCK_EXCLUSIVE, TRUE, wait, cancellable,
                                    error);
}

static guint
parse_generation (const char *name)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (name, 10, 1, G_MAXUINT, &number, NULL))
    return 0;

  return (guint) number;
}

guint
_pyisolate_env_store_get_current (const char *environment)
{
  g_autofree char *link = g_build_filename (environment, "current", NULL);
  g_autofree char *target = g_file_read_link (link, NULL);

  return target != NULL ? parse_generation (target) : 0;
}

gboolean
_pyisolate_env_store_set_current (const char  *environment,
                                  guint        generation,
                                  GError     **error)
{
  g_autofree char *link = g_build_filename (environment, "current", NULL);
  g_autofree char *temporary = g_build_filename (environment, ".current", NULL);
  g_autofree char *target = g_strdup_printf ("%u", generation);

  unlink (temporary);
  if (symlink (target, temporary) != 0 || rename (temporary, link) != 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot make the link", link);
      return FALSE;
    }

  return _pyisolate_env_sync_directory (environment, error);
}

char *
_pyisolate_env_store_generation (const char *environment,
                                 guint       generation)
{
  g_autofree char *name = g_strdup_printf ("%u", generation);

  return g_build_filename (environment, name, NULL);
}

static int
compare_descending (gconstpointer a,
                    gconstpointer b)
{
  guint x = *(const guint *) a, y = *(const guint *) b;

  return x < y ? 1 : x > y ? -1 : 0;
}

GArray *
_pyisolate_env_store_list (const char *environment)
{
  GArray *generations = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GDir) dir = g_dir_open (environment, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      guint generation = parse_generation (name);

      if (generation > 0)
        g_array_append_val (generations, generation);
    }
  g_array_sort (generations, compare_descending);

  return generations;
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char **
_pyisolate_env_store_list_names (const char *directory,
                                 const char *prefix)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      if (g_str_has_prefix (name, prefix))
        g_ptr_array_add (names, g_strdup (name));
    }
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);

  return (char **) g_ptr_array_steal (names, NULL);
}

guint
_pyisolate_env_store_sweep (const char *environment)
{
  g_auto (GStrv) names = _pyisolate_env_store_list_names (environment, ".");
  guint n_removed = 0;

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (environment, names[i], NULL);
      g_autofree char *lock = _pyisolate_env_generation_file (path, "lock");
      g_autoptr (GError) error = NULL;
      PYISOLATE_ENV_AUTOFD int fd = -1;

      if (!g_str_has_prefix (names[i], ".new-") && !g_str_has_prefix (names[i], ".old-"))
        continue;
      /* The maker is dead, or we would not hold the guard; but its uv may take a moment more to
       * follow it. */
      fd = _pyisolate_env_store_lock (lock, PYISOLATE_ENV_LOCK_EXCLUSIVE, FALSE, FALSE, NULL,
                                      &error);
      if (fd < 0 && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        continue;
      g_clear_error (&error);
      if (_pyisolate_env_tree_remove (path, &error))
        n_removed++;
      else
        g_debug ("%s", error->message);
    }

  return n_removed;
}

static void
index_entry_free (PyIsolateEnvIndexEntry *self)
{
  g_free (self->name);
  g_free (self->request_key);
  g_free (self->environment_key);
  g_free (self);
}

/* NULL without @error: it is not there (any more), or none of ours. */
static PyIsolateEnvIndexEntry *
read_index_entry (const char  *path,
                  GError     **error)
{
  g_autoptr (JsonObject) object = _pyisolate_env_read_json (path, error);
  PyIsolateEnvIndexEntry *self;

  if (object == NULL)
    return NULL;

  self = g_new0 (PyIsolateEnvIndexEntry, 1);
  self->name = g_strdup (_pyisolate_env_json_string (object, "name"));
  self->request_key = g_strdup (_pyisolate_env_json_string (object, "request"));
  self->environment_key = g_strdup (_pyisolate_env_json_string (object, "environment"));
  if (self->name == NULL || self->request_key == NULL || self->environment_key == NULL)
    g_clear_pointer (&self, index_entry_free);

  return self;
}

gboolean
_pyisolate_env_index_matches (const char *venv_root,
                              const char *extension_name,
                              const char *request_key,
                              const char *environment_key)
{
  g_autofree char *path = _pyisolate_env_store_index_path (venv_root, extension_name);
  PyIsolateEnvIndexEntry *entry = read_index_entry (path, NULL);
  gboolean matches;

  matches = entry != NULL && g_str_equal (entry->name, extension_name) &&
            g_str_equal (entry->request_key, request_key) &&
            g_str_equal (entry->environment_key, environment_key);
  g_clear_pointer (&entry, index_entry_free);

  return matches;
}

gboolean
_pyisolate_env_index_record (const char  *venv_root,
                             const char  *extension_name,
                             const char  *request_key,
                             const char  *environment_key,
                             GError     **error)
{
  g_autofree char *path = _pyisolate_env_store_index_path (venv_root, extension_name);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  _pyisolate_env_json_add_string (builder, "name", extension_name);
  _pyisolate_env_json_add_string (builder, "request", request_key);
  _pyisolate_env_json_add_string (builder, "environment", environment_key);
  json_builder_end_object (builder);

  /* A record that a power failure takes is made again by the next load. */
  return _pyisolate_env_note_json (path, builder, error);
}

GPtrArray *
_pyisolate_env_index_list (const char  *venv_root,
                           GError     **error)
{
  g_autoptr (GPtrArray) entries =
    g_ptr_array_new_with_free_func ((GDestroyNotify) index_entry_free);
  g_autofree char *directory = g_build_filename (venv_root, "index", NULL);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) dir = g_dir_open (directory, 0, &local_error);
  const char *name;

  if (dir == NULL && !g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_set_error_literal (error, PYISOLATE_ERROR, PYISOLATE_ERROR_ENVIRONMENT, local_error->message);
      return NULL;
    }
  g_clear_error (&local_error);

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);
      PyIsolateEnvIndexEntry *entry =
        g_str_has_suffix (name, ".json") ? read_index_entry (path, &local_error) : NULL;

      if (entry != NULL)
        g_ptr_array_add (entries, entry);
      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
    }

  return g_steal_pointer (&entries);
}
