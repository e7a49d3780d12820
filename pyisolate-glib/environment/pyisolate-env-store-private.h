/* SPDX-License-Identifier: MIT */
/* Where things are below a venv root, and who may touch them when.
 *
 *   locks/KEY.json                   what was asked for (KEY: the request's), and what it was
 *                                    resolved to: its lock
 *   environments/KEY/N/              generation N of the environment of one lock: never changed
 *   environments/KEY/N/.pyisolate/   our files in it: stamp.json, manifest, requirements.lock, lock
 *   environments/KEY/current         a link to the generation that is used from now on
 *   environments/KEY/.new-…, .old-…  being made, being removed
 *   guards/KEY.lock                  held by who makes or removes something of KEY
 *   index/DIGEST.json                an extension's name (DIGEST: its), and what it uses
 *   interpreters/                    what interpreters said of themselves
 *
 * Every file appears whole, by renaming. Who uses a generation holds a shared flock on its
 * `lock`; who removes it needs an exclusive one.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define PYISOLATE_ENV_OURS ".pyisolate"

char    *_pyisolate_env_store_path          (const char  *venv_root,
                                             const char  *folder,
                                             const char  *name);
char    *_pyisolate_env_store_environment   (const char  *venv_root,
                                             const char  *key);
char    *_pyisolate_env_store_index_path    (const char  *venv_root,
                                             const char  *extension_name);
char    *_pyisolate_env_generation_file     (const char  *generation,
                                             const char  *name);

typedef enum {
  PYISOLATE_ENV_LOCK_SHARED,
  PYISOLATE_ENV_LOCK_EXCLUSIVE,
} PyIsolateEnvLockMode;

/* The fd, or -1. Without @wait and where somebody else holds it: G_IO_ERROR_WOULD_BLOCK. Where
 * the file is not there (and not to be made): G_IO_ERROR_NOT_FOUND. The file that was locked is
 * the one at @path when this returns. */
int      _pyisolate_env_store_lock          (const char            *path,
                                             PyIsolateEnvLockMode   mode,
                                             gboolean               create,
                                             gboolean               wait,
                                             GCancellable          *cancellable,
                                             GError               **error);
int      _pyisolate_env_store_guard         (const char            *venv_root,
                                             const char            *key,
                                             gboolean               wait,
                                             GCancellable          *cancellable,
                                             GError               **error);

/* The generation that `current` points to, or 0. */
guint    _pyisolate_env_store_get_current   (const char  *environment);
gboolean _pyisolate_env_store_set_current   (const char  *environment,
                                             guint        generation,
                                             GError     **error);
/* Numbers of those that are there, newest first (element-type uint). */
GArray  *_pyisolate_env_store_list          (const char  *environment);
char    *_pyisolate_env_store_generation    (const char  *environment,
                                             guint        generation);
/* Names in @directory that start with @prefix, sorted. */
char   **_pyisolate_env_store_list_names    (const char  *directory,
                                             const char  *prefix);
/* Removes what killed makers and removers left behind; the guard is held. Returns how many. */
guint    _pyisolate_env_store_sweep         (const char  *environment);

/* Who uses what. An entry is written under the guard of the request, so that prune sees it
 * before it removes a lock. */
gboolean _pyisolate_env_index_matches       (const char  *venv_root,
                                             const char  *extension_name,
                                             const char  *request_key,
                                             const char  *environment_key);
gboolean _pyisolate_env_index_record        (const char  *venv_root,
                                             const char  *extension_name,
                                             const char  *request_key,
                                             const char  *environment_key,
                                             GError     **error);
typedef struct {
  char *name;
  char *request_key;
  char *environment_key;
} PyIsolateEnvIndexEntry;

/* NULL if one of them cannot be read: whoever asks who uses what would be told of too few. */
GPtrArray *_pyisolate_env_index_list       (const char  *venv_root,
                                             GError     **error);

G_END_DECLS
