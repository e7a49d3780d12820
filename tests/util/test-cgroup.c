/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test-cgroup.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

char *
test_cgroup_find_memory (void)
{
  g_autofree char *text = NULL;
  const char *where;

  if (!g_file_get_contents ("/proc/self/cgroup", &text, NULL, NULL))
    return NULL;
  where = strstr (text, ":memory:");
  if (where == NULL)
    return NULL;
  where += strlen (":memory:");

  return g_strdup_printf ("/sys/fs/cgroup/memory%.*s", (int) strcspn (where, "\n"), where);
}

gboolean
test_cgroup_write (const char *directory,
                   const char *name,
                   const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  FILE *file = g_fopen (path, "we");
  gboolean written = file != NULL && fputs (text, file) >= 0;

  return file != NULL && fclose (file) == 0 && written;
}
