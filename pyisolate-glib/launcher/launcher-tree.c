/* SPDX-License-Identifier: MIT */
/* Finding and ending everything that descends from this process.
 *
 * The launcher is a child subreaper, so whatever its child's descendants do (double fork, sessions
 * of their own), they stay its descendants: when a parent dies, its children become ours. So the
 * tree is gone when we have no child.
 *
 * One pass stops everything first, again and again until a look finds nobody new: what is stopped
 * cannot fork, and cannot start again what another one misses. Then all are killed. The caller
 * repeats passes until it has no child.
 *
 * A pid is signalled only if it cannot be someone else's by now: a child of ours keeps its pid
 * until we reap it; others are held by a pidfd and looked at once more.
 */
#include "config.h"

#include "launcher.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_STOP_ROUNDS 32

struct entry
{
  pid_t pid;
  pid_t parent;
};

struct list
{
  struct entry *entries;
  size_t n_entries;
  size_t size;
};

static bool use_children_files;

static void
list_add (struct list *list,
          pid_t        pid,
          pid_t        parent)
{
  if (list->n_entries == list->size)
    {
      size_t size = list->size > 0 ? list->size * 2 : 64;
      struct entry *entries = realloc (list->entries, size * sizeof *entries);

      /* What does not fit into memory is found by a later pass. */
      if (entries == NULL)
        return;
      list->entries = entries;
      list->size = size;
    }
  list->entries[list->n_entries++] = (struct entry) { pid, parent };
}

/* 0: there is no such process, or it cannot be seen. */
static pid_t
read_parent (pid_t pid)
{
  char path[64];
  char stat[512];
  FILE *file;
  size_t length;
  char *after_name;
  int parent = 0;

  snprintf (path, sizeof path, "/proc/%d/stat", pid);
  file = fopen (path, "re");
  if (file == NULL)
    return 0;
  length = fread (stat, 1, sizeof stat - 1, file);
  fclose (file);
  stat[length] = '\0';
  /* The name can hold anything, a ')' too; no field after it can. */
  after_name = strrchr (stat, ')');
  if (after_name == NULL || sscanf (after_name + 1, " %*c %d", &parent) != 1)
    return 0;
  return parent;
}

static void
add_children_of_task (struct list *list,
                      pid_t        pid,
                      const char  *task)
{
  char path[320];
  FILE *file;
  int child;

  snprintf (path, sizeof path, "/proc/%d/task/%s/children", pid, task);
  file = fopen (path, "re");
  if (file == NULL)
    return;
  while (fscanf (file, "%d", &child) == 1)
    list_add (list, child, pid);
  fclose (file);
}

static void
add_children (struct list *list,
              pid_t        pid)
{
  char path[64];
  DIR *dir;
  struct dirent *task;

  snprintf (path, sizeof path, "/proc/%d/task", pid);
  dir = opendir (path);
  if (dir == NULL)
    return;
  while ((task = readdir (dir)) != NULL)
    {
      if (isdigit ((unsigned char) task->d_name[0]))
        add_children_of_task (list, pid, task->d_name);
    }
  closedir (dir);
}

static void
read_all_processes (struct list *all)
{
  DIR *dir = opendir ("/proc");
  struct dirent *process;

  if (dir == NULL)
    return;
  while ((process = readdir (dir)) != NULL)
    {
      pid_t pid = isdigit ((unsigned char) process->d_name[0]) ? atoi (process->d_name) : 0;
      pid_t parent = pid > 0 ? read_parent (pid) : 0;

      if (parent > 0)
        list_add (all, pid, parent);
    }
  closedir (dir);
}

static void
add_children_from (struct list       *list,
                   const struct list *all,
                   pid_t              pid)
{
  for (size_t i = 0; i < all->n_entries; i++)
    {
      if (all->entries[i].parent == pid)
        list_add (list, all->entries[i].pid, pid);
    }
}

/* Parents come before their children: who would start a child anew is signalled first. */
static void
collect_descendants (struct list *list)
{
  struct list all = { 0 };
  pid_t pid = getpid ();

  list->n_entries = 0;
  if (!use_children_files)
    read_all_processes (&all);
  for (size_t i = 0; ; i++)
    {
      if (use_children_files)
        add_children (list, pid);
      else
        add_children_from (list, &all, pid);
      if (i == list->n_entries)
        break;
      pid = list->entries[i].pid;
    }
  free (all.entries);
}

static void
signal_entry (const struct entry *entry,
              int                 number)
{
  pid_t self = getpid ();
  pid_t parent;
  int fd;

  if (entry->parent == self)
    {
      kill (entry->pid, number);
      return;
    }
  fd = (int) syscall (SYS_pidfd_open, entry->pid, 0);
  if (fd < 0 && errno == ESRCH)
    return;
  parent = read_parent (entry->pid);
  /* Its parent may have died since: then it is ours. */
  if (parent == entry->parent || parent == self)
    {
      if (fd < 0 || (syscall (SYS_pidfd_send_signal, fd, number, NULL, 0) < 0 && errno == ENOSYS))
        kill (entry->pid, number);
    }
  if (fd >= 0)
    close (fd);
}

static bool
lists_are_equal (const struct list *a,
                 const struct list *b)
{
  return a->n_entries == b->n_entries &&
         (a->n_entries == 0 ||
          memcmp (a->entries, b->entries, a->n_entries * sizeof *a->entries) == 0);
}

/* As many numbers as there are namespaces from that of /proc down to ours; kernels before 4.1 do not say. */
static bool
is_proc_of_other_namespace (void)
{
  FILE *file = fopen ("/proc/self/status", "re");
  char line[256];
  int first, second;
  bool is_other = false;

  while (file != NULL && !is_other && fgets (line, sizeof line, file) != NULL)
    is_other = sscanf (line, "NSpid: %d %d", &first, &second) == 2;
  if (file != NULL)
    fclose (file);
  return is_other;
}

/* Returns what is wrong, if nothing of the tree could be found. */
const char *
launcher_tree_init (bool scan_proc)
{
  char path[64];
  char self[32] = { 0 };

  if (access ("/proc/self/stat", R_OK) < 0)
    return "/proc is not mounted, or is of another pid namespace: what a process leaves behind could not be found and ended; "
           "mount it (mount -t proc proc /proc)";
  if (readlink ("/proc/self", self, sizeof self - 1) < 0 || atoi (self) != getpid () || is_proc_of_other_namespace ())
    return "/proc is of another pid namespace: what a process leaves behind could not be found and ended; mount that of this one "
           "(mount -t proc proc /proc)";

  snprintf (path, sizeof path, "/proc/self/task/%d/children", getpid ());
  use_children_files = !scan_proc && access (path, R_OK) == 0;
  return NULL;
}

/* One pass. Returns how many it found; zombies that nobody reaped yet count. @reap does so before each look: a tree that dies and
 * forks all the time would use up all pids during the looks of one pass, which take the longer the more zombies there are. */
size_t
launcher_tree_kill (void (*reap) (void *data),
                    void  *data)
{
  struct list found = { 0 };
  struct list before = { 0 };
  size_t n_found;

  reap (data);
  collect_descendants (&found);
  for (int round = 0; round < MAX_STOP_ROUNDS && !lists_are_equal (&found, &before); round++)
    {
      struct list swap = before;

      for (size_t i = 0; i < found.n_entries; i++)
        signal_entry (&found.entries[i], SIGSTOP);
      before = found;
      found = swap;
      reap (data);
      collect_descendants (&found);
    }
  for (size_t i = 0; i < found.n_entries; i++)
    signal_entry (&found.entries[i], SIGKILL);
  n_found = found.n_entries;
  free (found.entries);
  free (before.entries);
  return n_found;
}
