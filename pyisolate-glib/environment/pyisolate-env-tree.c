/* SPDX-License-Identifier: MIT */
/* Directory trees: removed, measured, hashed. */
#include "config.h"

#include "pyisolate-env-tree-private.h"

#include "pyisolate-env-util-private.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static FTS *
open_tree (const char *path)
{
  char *const paths[] = { (char *) path, NULL };

  return fts_open (paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
}

gboolean
_pyisolate_env_tree_remove (const char  *path,
                            GError     **error)
{
  FTS *tree = open_tree (path);
  FTSENT *entry;
  gboolean success = tree != NULL;
  int saved_errno = errno;

  while (tree != NULL && (entry = fts_read (tree)) != NULL)
    {
      int result = 0;

      errno = 0;
      switch (entry->fts_info)
        {
        case FTS_D:
          /* A package may hold directories that even their owner cannot write. */
          if ((entry->fts_statp->st_mode & S_IRWXU) != S_IRWXU)
            chmod (entry->fts_accpath, S_IRWXU);
          continue;
        case FTS_DP:
        case FTS_DNR:
          result = rmdir (entry->fts_accpath);
          break;
        default:
          result = unlink (entry->fts_accpath);
          break;
        }
      if (result != 0 && errno != ENOENT)
        {
          success = FALSE;
          saved_errno = errno;
        }
    }
  if (tree != NULL)
    fts_close (tree);
  if (!success)
    _pyisolate_env_set_errno (error, saved_errno, "Cannot remove", path);

  return success;
}

typedef struct {
  guint64 size;
  guint n_links;              /* of all */
  guint n_seen;               /* in this tree */
} Inode;

void
_pyisolate_env_tree_measure (const char           *path,
                             PyIsolateEnvTreeSize *size)
{
  g_autoptr (GHashTable) inodes = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free,
                                                         g_free);
  FTS *tree = open_tree (path);
  FTSENT *entry;
  GHashTableIter iter;
  Inode *inode;

  *size = (PyIsolateEnvTreeSize) { 0 };
  while (tree != NULL && (entry = fts_read (tree)) != NULL)
    {
      guint64 blocks = entry->fts_info == FTS_NS ? 0 : (guint64) entry->fts_statp->st_blocks * 512;
      gint64 number = entry->fts_info == FTS_NS ? 0 : (gint64) entry->fts_statp->st_ino;

      if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS)
        continue;
      if (entry->fts_info != FTS_F || entry->fts_statp->st_nlink == 1)
        {
          size->size_total += blocks;
          size->size_unique += blocks;
          continue;
        }
      inode = g_hash_table_lookup (inodes, &number);
      if (inode == NULL)
        {
          inode = g_new0 (Inode, 1);
          inode->size = blocks;
          inode->n_links = entry->fts_statp->st_nlink;
          g_hash_table_insert (inodes, g_memdup2 (&number, sizeof number), inode);
        }
      inode->n_seen++;
    }
  if (tree != NULL)
    fts_close (tree);

  g_hash_table_iter_init (&iter, inodes);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &inode))
    {
      size->size_total += inode->size;
      if (inode->n_seen >= inode->n_links)
        size->size_unique += inode->size;
    }
}

gboolean
_pyisolate_env_tree_walk (const char           *path,
                          PyIsolateEnvTreeFunc  func,
                          gpointer              user_data)
{
  FTS *tree = open_tree (path);
  FTSENT *entry;
  gboolean go_on = TRUE;

  while (go_on && tree != NULL && (entry = fts_read (tree)) != NULL)
    {
      if (entry->fts_info != FTS_D && entry->fts_info != FTS_DP && entry->fts_level > 0)
        go_on = func (entry->fts_path + strlen (path) + 1, user_data);
    }
  if (tree != NULL)
    fts_close (tree);

  return go_on;
}

static gboolean
digest_file (GChecksum   *checksum,
             const char  *path,
             GError     **error)
{
  PYISOLATE_ENV_AUTOFD int fd = open (path, O_RDONLY | O_CLOEXEC);
  g_autofree guchar *buffer = g_malloc (128 * 1024);
  gssize n = -1;

  while (fd >= 0 && ((n = read (fd, buffer, 128 * 1024)) > 0 || (n < 0 && errno == EINTR)))
    g_checksum_update (checksum, buffer, MAX (n, 0));
  if (n < 0)
    {
      _pyisolate_env_set_errno (error, errno, "Cannot read", path);
      return FALSE;
    }

  return TRUE;
}

char *
_pyisolate_env_file_digest (const char  *path,
                            GError     **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  return digest_file (checksum, path, error) ? g_strdup (g_checksum_get_string (checksum)) : NULL;
}

static int
compare_entries (const FTSENT **a,
                 const FTSENT **b)
{
  return strcmp ((*a)->fts_name, (*b)->fts_name);
}

/* What comes and goes without being the source. */
static gboolean
is_litter (const char *name,
           gboolean    is_top)
{
  static const char *const litter[] = { ".git", ".hg", ".svn", ".venv", "__pycache__", ".tox",
                                        ".mypy_cache", ".ruff_cache",
                                        ".pytest_cache" };

  if (is_top && (g_str_equal (name, "build") || g_str_equal (name, "dist")))
    return TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (litter); i++)
    {
      if (g_str_equal (name, litter[i]))
        return TRUE;
    }

  return g_str_has_suffix (name, ".egg-info") || g_str_has_suffix (name, ".pyc");
}

static gboolean
digest_entry (GChecksum     *checksum,
              FTS           *tree,
              FTSENT        *entry,
              const char    *root,
              GError       **error)
{
  const char *relative = entry->fts_level > 0 ? entry->fts_path + strlen (root) + 1 : "";
  g_autofree char *link = NULL, *head = NULL;

  if (entry->fts_level > 0 && is_litter (entry->fts_name, entry->fts_level == 1))
    {
      fts_set (tree, entry, FTS_SKIP);
      return TRUE;
    }
  switch (entry->fts_info)
    {
    case FTS_F:
      head = g_strdup_printf ("file %s %" G_GUINT64_FORMAT "\n", relative,
                              (guint64) entry->fts_statp->st_size);
      g_checksum_update (checksum, (const guchar *) head, -1);
      return digest_file (checksum, entry->fts_path, error);
    case FTS_SL:
    case FTS_SLNONE:
      link = g_file_read_link (entry->fts_path, NULL);
      head = g_strdup_printf ("link %s %s\n", relative, link != NULL ? link : "");
      g_checksum_update (checksum, (const guchar *) head, -1);
      return TRUE;
    case FTS_ERR:
    case FTS_NS:
    case FTS_DNR:
      _pyisolate_env_set_errno (error, entry->fts_errno, "Cannot read", entry->fts_path);
      return FALSE;
    default:
      return TRUE;
    }
}

char *
_pyisolate_env_tree_digest (const char    *path,
                            GCancellable  *cancellable,
                            GError       **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  /* The path that was named may be a link; what is below it is taken as it is. */
  char *const paths[] = { (char *) path, NULL };
  FTS *tree;
  FTSENT *entry;
  gboolean success = TRUE;

  tree = fts_open (paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, compare_entries);
  while (success && tree != NULL && (entry = fts_read (tree)) != NULL)
    {
      success = !g_cancellable_set_error_if_cancelled (cancellable, error) &&
                digest_entry (checksum, tree, entry, path, error);
    }
  if (tree != NULL)
    fts_close (tree);

  return success ? g_strdup (g_checksum_get_string (checksum)) : NULL;
}
