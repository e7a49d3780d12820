/* SPDX-License-Identifier: MIT */
/* What can be done about processes that are not ours to wait for, by looking into /proc. */
#include "config.h"

#include "pyisolate-sweep-private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static gboolean
was_started_with (const char *pid,
                  const char *variable,
                  const char *value)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "environ", NULL);
  g_autofree char *environment = NULL;
  gsize variable_length = strlen (variable);
  gsize length;

  /* Other users' processes cannot be read; a zombie's environment is empty. */
  if (!g_file_get_contents (path, &environment, &length, NULL))
    return FALSE;
  for (const char *p = environment; p < environment + length; p += strlen (p) + 1)
    {
      if (strncmp (p, variable, variable_length) == 0 && p[variable_length] == '=' &&
          g_str_equal (p + variable_length + 1, value))
        return TRUE;
    }
  return FALSE;
}

/* The descriptor is taken before the look, so that the signal goes to the process that was
 * looked at, or to none. */
static gboolean
kill_if_matching (const char *name,
                  const char *variable,
                  const char *value)
{
  pid_t pid = (pid_t) g_ascii_strtoll (name, NULL, 10);
  int fd = (int) syscall (SYS_pidfd_open, pid, 0);
  gboolean matches;

  if (fd < 0 && errno == ESRCH)
    return FALSE;
  matches = was_started_with (name, variable, value);
  if (matches && fd >= 0)
    syscall (SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
  else if (matches)
    kill (pid, SIGKILL);
  if (fd >= 0)
    close (fd);
  return matches;
}

/* Kills every process that was started with this in its environment. Returns how many there
 * were, so that 0 says that none is left: what is being killed may have forked meanwhile. */
guint
_pyisolate_sweep_kill (const char *variable,
                       const char *value)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;
  guint n_found = 0;

  g_assert (variable != NULL);
  g_assert (value != NULL);

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      if (g_ascii_isdigit (*name) && kill_if_matching (name, variable, value))
        n_found++;
    }
  return n_found;
}

/* In bytes: memory of its own, and its share of what it shares. 0: cannot be told. */
guint64
_pyisolate_read_memory_usage (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/smaps_rollup", pid);
  g_autofree char *text = NULL;
  const char *pss;

  if (pid <= 0 || !g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  pss = strstr (text, "\nPss:");
  if (pss == NULL)
    return 0;
  return g_ascii_strtoull (pss + strlen ("\nPss:"), NULL, 10) * 1024;
}
