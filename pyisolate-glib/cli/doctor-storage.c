/* SPDX-License-Identifier: MIT */
/* Where environments are kept: whether it can be written, and files be shared. Leaves nothing. */
#include "config.h"

#include "doctor.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif
#define ZFS_MAGIC 0x2fc12fc1

static const char *
filesystem_name (const struct statfs *fs)
{
  switch ((guint32) fs->f_type)
    {
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case TMPFS_MAGIC:
      return "tmpfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs";
    case NFS_SUPER_MAGIC:
      return "nfs";
    case XFS_SUPER_MAGIC:
      return "xfs";
    case FUSE_SUPER_MAGIC:
      return "fuse";
    case ZFS_MAGIC:
      return "zfs";
    default:
      return "another filesystem";
    }
}

/* The directory itself, or the nearest one above it that is there. */
static char *
find_existing (const char *path)
{
  char *existing = g_strdup (path);

  while (!g_file_test (existing, G_FILE_TEST_EXISTS) && !g_str_equal (existing, "/"))
    {
      char *parent = g_path_get_dirname (existing);

      g_free (existing);
      existing = parent;
    }
  return existing;
}

/* 0, or the errno of linking one file twice in @directory. */
static int
try_hard_link (const char *directory)
{
  g_autofree char *one = g_build_filename (directory, ".pyisolate-doctor-XXXXXX", NULL);
  g_autofree char *two = NULL;
  int fd = g_mkstemp (one);
  int result;

  if (fd < 0)
    return errno;
  two = g_strconcat (one, ".link", NULL);
  result = link (one, two) == 0 ? 0 : errno;
  if (result == 0)
    unlink (two);
  unlink (one);
  close (fd);
  return result;
}

static char *
get_uv_cache (void)
{
  const char *set = g_getenv ("UV_CACHE_DIR");

  return set != NULL && *set != '\0' ? g_canonicalize_filename (set, NULL)
                                     : g_build_filename (g_get_user_cache_dir (), "uv", NULL);
}

static void
check_sharing (GPtrArray  *checks,
               const char *existing)
{
  g_autofree char *cache = get_uv_cache ();
  g_autofree char *existing_cache = find_existing (cache);
  int link_errno = try_hard_link (existing);
  struct stat here, there;

  if (link_errno != 0)
    doctor_add (checks, "hard links", DOCTOR_NOTE,
                g_strdup_printf ("no: %s", g_strerror (link_errno)),
                g_strdup ("each environment takes its whole size on the disk; choose another "
                          "filesystem by --venv-root"));
  else if (stat (existing, &here) == 0 && stat (existing_cache, &there) == 0
           && here.st_dev != there.st_dev)
    doctor_add (checks, "hard links", DOCTOR_NOTE,
                g_strdup_printf ("yes, but uv's cache %s is on another filesystem", cache),
                g_strdup ("each environment takes its whole size on the disk; "
                          "put both on one filesystem by --venv-root or UV_CACHE_DIR"));
  else
    doctor_add (checks, "hard links", DOCTOR_OK,
                g_strdup ("yes: environments share their files with uv's cache"), NULL);
}

void
doctor_check_storage (GPtrArray  *checks,
                      const char *venv_root)
{
  g_autofree char *existing = find_existing (venv_root);
  struct statfs fs;
  guint64 free_mib = 0;
  const char *kind = "an unknown filesystem";

  if (statfs (existing, &fs) == 0)
    {
      kind = filesystem_name (&fs);
      free_mib = (guint64) fs.f_bavail * (guint64) fs.f_bsize / (1024 * 1024);
    }
  if (!g_file_test (existing, G_FILE_TEST_IS_DIR) || access (existing, W_OK | X_OK) != 0)
    {
      doctor_add (checks, "venv root", DOCTOR_MISSING,
                  g_strdup_printf ("%s: %s cannot be written", venv_root, existing),
                  g_strdup ("name a directory of yours by --venv-root, or set XDG_CACHE_HOME"));
      return;
    }
  doctor_add (checks, "venv root", DOCTOR_OK,
              g_strdup_printf ("%s%s, on %s, %" G_GUINT64_FORMAT " MiB free", venv_root,
                               g_str_equal (existing, venv_root) ? "" : " (will be made)", kind,
                               free_mib),
              NULL);
  check_sharing (checks, existing);
}
