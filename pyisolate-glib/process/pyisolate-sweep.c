/* SPDX-License-Identifier: MIT */
/* What can be done about processes that are not ours to wait for, by looking into /proc. */
#include "config.h"

#include "pyisolate-sweep-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In /proc/PID/stat, of the words after the name, which is the second field. */
#define STAT_ENV_START (50 - 2)
#define STAT_ENV_END (51 - 2)

#define N_LOOKS 8

/* For one process or two. */
#define NAMES_SIZE 64

/* In one look: who forks faster than that is killed does not keep us in it for ever. */
#define MAX_FOUND 4096

/* No program can be started with more than 6 MiB, arguments included. */
#define MAX_ENVIRONMENT (8 * 1024 * 1024)

typedef enum {
  NO_MATCH,
  MATCH,
  UNKNOWN, /* not yet */
} Verdict;

typedef struct {
  int fd;               /* of /proc */
  struct dirent64 names;
  pid_t last;           /* the highest that was looked at */
  const char *entry;
  guint n_found;
  guint n_unknown;
} Look;

/* Of what cannot be looked at for want of descriptors or memory nothing is known. */
static gboolean
is_shortage (int number)
{
  return number == EMFILE || number == ENFILE || number == ENOMEM;
}

/* A process that executes a program has no environment from when its memory is new until the strings are in it, and if the
 * memory has changed since the file was opened, that says there is none. In proc(5) the first has an env_end of 0; who was started
 * without an environment has one that is the same as env_start. */
static gboolean
has_no_environment (const char *pid)
{
  g_autofree char *exe = g_build_filename ("/proc", pid, "exe", NULL);
  g_autofree char *path = g_build_filename ("/proc", pid, "stat", NULL);
  g_autofree char *stat = NULL;
  g_auto (GStrv) fields = NULL;
  const char *after_name;
  char target[1];

  /* Who has no memory at all is dead, or of the kernel's. */
  if (readlink (exe, target, sizeof target) < 0)
    return !is_shortage (errno);
  /* If it has gone, the next look says so. */
  if (!g_file_get_contents (path, &stat, NULL, NULL))
    return FALSE;

  /* The name can hold anything, a ')' too; no field after it can. */
  after_name = strrchr (stat, ')');
  fields = g_strsplit (after_name != NULL ? after_name + 1 : "", " ", -1);
  if (g_strv_length (fields) <= STAT_ENV_END)
    return TRUE;

  return !g_str_equal (fields[STAT_ENV_END], "0") && g_str_equal (fields[STAT_ENV_START], fields[STAT_ENV_END]);
}

/* Every process can move its own to whatever memory it likes, so nothing is kept of it and not all of it is read. */
static Verdict
look_into_environment (int         fd,
                       const char *entry)
{
  gsize n_same = 0; /* bytes, of the entry that is being read */
  gboolean differs = FALSE;
  gsize n_read = 0;
  char buffer[8192];

  while (n_read <= MAX_ENVIRONMENT)
    {
      ssize_t n = read (fd, buffer, sizeof buffer);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return (n == 0 && n_read == 0) || (n < 0 && is_shortage (errno)) ? UNKNOWN : NO_MATCH;

      n_read += (gsize) n;
      for (const char *p = buffer; p < buffer + n; p++)
        {
          differs = differs || *p != entry[n_same++];
          if (*p == '\0' && !differs)
            return MATCH;
          if (*p == '\0')
            {
              n_same = 0;
              differs = FALSE;
            }
        }
    }

  return NO_MATCH;
}

static Verdict
was_started_with (const char *pid,
                  const char *entry)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "environ", NULL);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  Verdict verdict;

  /* Other users' processes cannot be read; a zombie's environment is empty. */
  if (fd < 0)
    return is_shortage (errno) ? UNKNOWN : NO_MATCH;
  verdict = look_into_environment (fd, entry);
  close (fd);

  return verdict == UNKNOWN && has_no_environment (pid) ? NO_MATCH : verdict;
}

/* The descriptor is taken before the look, so that the signal goes to the process that was
 * looked at, or to none. */
static Verdict
kill_if_matching (pid_t       pid,
                  const char *name,
                  const char *entry)
{
  int fd = (int) syscall (SYS_pidfd_open, pid, 0);
  Verdict verdict = UNKNOWN;

  if (fd < 0 && errno == ESRCH)
    return NO_MATCH;

  /* Mostly it takes no longer than this. On a busy machine somebody executes something whenever one looks. */
  for (guint i = 0; i < N_LOOKS && verdict == UNKNOWN; i++)
    verdict = was_started_with (name, entry);
  if (verdict == MATCH && fd >= 0)
    syscall (SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
  else if (verdict == MATCH)
    kill (pid, SIGKILL);
  if (fd >= 0)
    close (fd);

  return verdict;
}

/* Returns whether there were any. */
static gboolean
read_names (Look *self)
{
  gssize n = getdents64 (self->fd, &self->names, NAMES_SIZE);

  /* What the kernel has there beside processes may be longer. */
  if (n < 0 && errno == EINVAL)
    n = getdents64 (self->fd, &self->names, sizeof self->names);

  for (gssize at = 0; at < n;)
    {
      const struct dirent64 *name = (const struct dirent64 *) ((const char *) &self->names + at);
      pid_t pid = (pid_t) g_ascii_strtoll (name->d_name, NULL, 10);

      if (pid > self->last)
        {
          Verdict verdict = kill_if_matching (pid, name->d_name, self->entry);

          self->n_found += verdict == MATCH;
          self->n_unknown += verdict == UNKNOWN;
          self->last = pid;
        }
      at += name->d_reclen;
    }

  return n > 0;
}

static void
look_at_all (Look *self)
{
  off64_t end = 0; /* where the last names were read */
  off64_t here;
  pid_t last;

  do
    {
      last = self->last;
      lseek64 (self->fd, end, SEEK_SET);
      for (here = end; self->n_found < MAX_FOUND && read_names (self); here = lseek64 (self->fd, 0, SEEK_CUR))
        end = here;
    }
  while (self->n_found < MAX_FOUND && self->last > last);
}

/*< private >
 * @variable: the name of a variable
 * @value: its value
 * @n_unknown: (out): of how many it cannot be told yet: they are executing a program, or we have no descriptors to look by
 *
 * Kills every process that was started with this in its environment.
 *
 * Who forks and ends before it is looked at leaves a child with a higher number, until numbers begin again from below. /proc is in
 * the order of numbers, so that the child's turn is still to come, unless its name should have been read by then: so names are not
 * read all at once, as readdir(3) does, and where they end is looked at again until nobody is new there.
 *
 * Returns: how many there were. What is being killed may just have forked: that none is left says another time, with nobody in it,
 *   and none unknown.
 */
guint
_pyisolate_sweep_kill (const char *variable,
                       const char *value,
                       guint      *n_unknown)
{
  g_autofree char *entry = NULL;
  Look look = { 0 };

  g_assert (variable != NULL);
  g_assert (value != NULL);

  look.entry = entry = g_strconcat (variable, "=", value, NULL);

  look.fd = open ("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (look.fd >= 0)
    {
      look_at_all (&look);
      close (look.fd);
    }
  else if (is_shortage (errno))
    {
      look.n_unknown = 1;
    }

  *n_unknown = look.n_unknown;
  return look.n_found;
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
