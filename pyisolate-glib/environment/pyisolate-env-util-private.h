/* SPDX-License-Identifier: MIT */
/* Small things that several files of environment/ need. */
#pragma once

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <sys/file.h>

G_BEGIN_DECLS

static inline void
_pyisolate_env_close (int *fd)
{
  if (*fd >= 0)
    g_close (*fd, NULL);
  *fd = -1;
}

/* GLib 2.76 has g_autofd; we require 2.74. */
#define PYISOLATE_ENV_AUTOFD __attribute__ ((cleanup (_pyisolate_env_close)))

/* Of a lock that ends here: a child that somebody has forked meanwhile has the file open as well, and would keep it. */
static inline void
_pyisolate_env_unlock (int *fd)
{
  if (*fd >= 0)
    flock (*fd, LOCK_UN);
  _pyisolate_env_close (fd);
}

#define PYISOLATE_ENV_AUTOGUARD __attribute__ ((cleanup (_pyisolate_env_unlock)))

/* Times and sizes that tell one file from what replaced it. */
typedef struct {
  gint64 mtime;               /* nanoseconds */
  guint64 size;
} PyIsolateEnvFileId;

gboolean    _pyisolate_env_file_id           (const char         *path,
                                              PyIsolateEnvFileId *id);

/* Written whole or not at all, and on the disk when this returns. */
gboolean    _pyisolate_env_write_file        (const char  *path,
                                              const char  *text,
                                              GError     **error);
gboolean    _pyisolate_env_write_json        (const char   *path,
                                              JsonBuilder  *builder,
                                              GError      **error);
/* The same, for what is found out again if it is not there: nobody waits for the disk. */
gboolean    _pyisolate_env_note_json         (const char   *path,
                                              JsonBuilder  *builder,
                                              GError      **error);
/* NULL without an error where there is no such file, or where it is not one of ours: it is then
 * made again. */
/* NULL without an error: there is none, or it is something else. What is there and cannot be read is not missing. */
JsonObject *_pyisolate_env_read_json         (const char *path,
                                              GError    **error);
/* NULL where it is not a JSON object. */
JsonObject *_pyisolate_env_json_parse        (const char *text,
                                              gssize      length);
const char *_pyisolate_env_json_string       (JsonObject *object,
                                              const char *name);
char      **_pyisolate_env_json_strv         (JsonObject *object,
                                              const char *name);
void        _pyisolate_env_json_add_string   (JsonBuilder *builder,
                                              const char  *name,
                                              const char  *value);
void        _pyisolate_env_json_add_strv     (JsonBuilder        *builder,
                                              const char         *name,
                                              const char *const  *value);

gboolean    _pyisolate_env_sync_directory    (const char  *path,
                                              GError     **error);
void        _pyisolate_env_set_errno         (GError     **error,
                                              int          saved_errno,
                                              const char  *what,
                                              const char  *path);
/* Sorted, without duplicates and surrounding blanks. */
char      **_pyisolate_env_strv_normalize    (const char *const *strv);

/* The interpreter of a user's own prefix; that of the system may have no bin/python. */
char       *_pyisolate_env_find_own_python   (const char *prefix);

G_END_DECLS
