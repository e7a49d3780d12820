/* SPDX-License-Identifier: MIT */
/* Was a SIGKILL the kernel's answer to a lack of memory? The signal does not say so, but each
 * memory cgroup counts the processes that were killed for that: `oom_kill` in memory.events (cgroup
 * v2) or memory.oom_control (v1). The child starts in the cgroup that the launcher is in; the count
 * is taken before it starts and again before it is reaped.
 *
 * Where there is no such count (no memory controller, the root of v2) nobody can tell, and the
 * answer is no. A process beside ours in the same cgroup which ran out of memory meanwhile is
 * counted too.
 */
#include "config.h"

#include "launcher.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char counter_path[PATH_MAX];
static long long count_at_start = -1;

/* Is `name` one of the comma-separated names? */
static bool
has_name (const char *names,
          const char *name)
{
  size_t length = strlen (name);

  for (const char *p = names; p != NULL; p = strchr (p, ','))
    {
      if (*p == ',')
        p++;
      if (strncmp (p, name, length) == 0 && (p[length] == ',' || p[length] == '\0'))
        return true;
    }
  return false;
}

/* Finds our path in the hierarchy of the memory controller. In v2 the line is "0::/path", and in
 * v1 "4:memory:/path", which comes first where both exist: then the controller is bound to v1. */
static bool
read_cgroup (const char *cgroup_file,
             char        path[PATH_MAX],
             bool       *is_v2)
{
  FILE *file = fopen (cgroup_file, "re");
  char line[PATH_MAX + 256];
  bool found = false;

  if (file == NULL)
    return false;
  while (fgets (line, sizeof line, file) != NULL)
    {
      char *names = strchr (line, ':');
      char *where = names != NULL ? strchr (names + 1, ':') : NULL;

      if (where == NULL)
        continue;
      *where++ = '\0';
      where[strcspn (where, "\n")] = '\0';
      if (has_name (names + 1, "memory") || (!found && strcmp (names, ":") == 0))
        {
          snprintf (path, PATH_MAX, "%s", where);
          *is_v2 = names[1] == '\0';
          found = true;
          if (!*is_v2)
            break;
        }
    }
  fclose (file);
  return found;
}

/* Finds where the hierarchy is mounted, and which part of it: "36 35 98:0 ROOT MOUNT-POINT
 * options … - TYPE source options". */
static bool
find_mount (const char *mountinfo_file,
            bool        is_v2,
            char        root[PATH_MAX],
            char        mount_point[PATH_MAX])
{
  FILE *file = fopen (mountinfo_file, "re");
  char line[2 * PATH_MAX + 1024];
  bool found = false;

  if (file == NULL)
    return false;
  while (!found && fgets (line, sizeof line, file) != NULL)
    {
      char *rest = strstr (line, " - ");
      char type[32];
      char options[512];

      if (rest == NULL || sscanf (rest, " - %31s %*s %511s", type, options) != 2 ||
          strcmp (type, is_v2 ? "cgroup2" : "cgroup") != 0 ||
          (!is_v2 && !has_name (options, "memory")))
        continue;
      found = sscanf (line, "%*s %*s %*s %4095s %4095s", root, mount_point) == 2;
    }
  fclose (file);
  return found;
}

static long long
read_count (void)
{
  FILE *file = fopen (counter_path, "re");
  char line[256];
  long long count = -1;

  if (file == NULL)
    return -1;
  while (count < 0 && fgets (line, sizeof line, file) != NULL)
    {
      if (sscanf (line, "oom_kill %lld", &count) != 1)
        count = -1;
    }
  fclose (file);
  return count;
}

/* The two files are those of /proc/self. */
void
launcher_oom_init (const char *cgroup_file,
                   const char *mountinfo_file)
{
  static char path[PATH_MAX];
  static char root[PATH_MAX];
  static char mount_point[PATH_MAX];
  const char *below = path;
  bool is_v2;
  int length;

  count_at_start = -1;
  if (!read_cgroup (cgroup_file, path, &is_v2) ||
      !find_mount (mountinfo_file, is_v2, root, mount_point))
    return;
  /* Only a part of the hierarchy may be mounted, as in a container without a cgroup namespace. */
  if (strcmp (root, "/") != 0 && strncmp (path, root, strlen (root)) == 0)
    below = path + strlen (root);
  length = snprintf (counter_path, sizeof counter_path, "%s%s/%s", mount_point, below,
                     is_v2 ? "memory.events" : "memory.oom_control");
  if (length > 0 && (size_t) length < sizeof counter_path)
    count_at_start = read_count ();
}

bool
launcher_oom_has_killed (void)
{
  return count_at_start >= 0 && read_count () > count_at_start;
}
