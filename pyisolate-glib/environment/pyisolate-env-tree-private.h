/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct {
  guint64 size_total;         /* bytes on disk; a file with two names in the tree counts once */
  guint64 size_unique;        /* of files that have no name outside the tree */
} PyIsolateEnvTreeSize;

/* No link is followed by any of these. */
void     _pyisolate_env_tree_measure (const char            *path,
                                      PyIsolateEnvTreeSize  *size);
gboolean _pyisolate_env_tree_remove  (const char            *path,
                                      GError               **error);
/* Of a file's content, or of all that a source directory holds apart from what tools leave
 * there. */
char    *_pyisolate_env_tree_digest  (const char            *path,
                                      GCancellable          *cancellable,
                                      GError               **error);
char    *_pyisolate_env_file_digest  (const char            *path,
                                      GError               **error);

/* Calls @func with the path below @path of everything that is no directory; FALSE from it ends
 * the walk. */
typedef gboolean (*PyIsolateEnvTreeFunc) (const char *relative,
                                          gpointer    user_data);
gboolean _pyisolate_env_tree_walk    (const char            *path,
                                      PyIsolateEnvTreeFunc   func,
                                      gpointer               user_data);

G_END_DECLS
