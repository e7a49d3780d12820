/* SPDX-License-Identifier: MIT */
/* Where the parts are that run beside this library: the launcher, and the runtime of workers.
 *
 * Variables come first: a build folder has parts of its own. Where `meson install` puts them is
 * known when this is built; where a wheel for Python will lie is not, so there the directories are
 * relative to that of this code. */
#include "config.h"

#include "pyisolate-environment-private.h"

#include <dlfcn.h>
#include <link.h>

/* The directory of the shared object, or of the program, that this function is in. */
static const char *
own_directory (void)
{
  static char *directory;

  if (g_once_init_enter (&directory))
    {
      struct link_map *map = NULL;
      g_autofree char *file = NULL;
      g_autofree char *absolute = NULL;
      Dl_info info;

      /* The program itself has no name there. */
      if (dladdr1 ((gconstpointer) own_directory, &info, (void **) &map, RTLD_DL_LINKMAP) != 0 &&
          map != NULL && map->l_name != NULL && *map->l_name != '\0')
        file = g_strdup (map->l_name);
      else
        file = g_file_read_link ("/proc/self/exe", NULL);
      absolute = g_canonicalize_filename (file != NULL ? file : "/", NULL);
      g_once_init_leave (&directory, g_path_get_dirname (absolute));
    }

  return directory;
}

static char *
part_path (const char *directory,
           const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  return g_path_is_absolute (path) ? g_steal_pointer (&path) : g_canonicalize_filename (path, own_directory ());
}

char *
_pyisolate_get_runtime_path (const char *relative)
{
  const char *directory = g_getenv ("PYISOLATE_RUNTIME_DIR");

  g_assert (relative != NULL);

  return part_path (directory != NULL && *directory != '\0' ? directory : PYISOLATE_PKGLIBDIR,
                    relative);
}

char *
_pyisolate_get_launcher_path (void)
{
  const char *path = g_getenv ("PYISOLATE_LAUNCHER");

  return path != NULL && *path != '\0' ? g_strdup (path) : part_path (PYISOLATE_PKGLIBEXECDIR, "pyisolate-launcher");
}
