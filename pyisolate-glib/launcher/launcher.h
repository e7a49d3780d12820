/* SPDX-License-Identifier: MIT */
/* What the files of pyisolate-launcher share. Plain C and libc: it is small, starts in a
 * millisecond, and holds nothing that a library could leak into the worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LAUNCHER_MAX_PASS_FDS 64

/* Exit codes of its own, as env(1) has them; any other is the child's, or 128 + the signal that
 * ended it. */
#define LAUNCHER_EXIT_FAILED 125
#define LAUNCHER_EXIT_CANNOT_EXECUTE 126
#define LAUNCHER_EXIT_NOT_FOUND 127

/* launcher-options.c */
struct launcher_options
{
  int control_fd;                       /* -1: none */
  pid_t parent_pid;                     /* 0: not told */
  int pass_fds[LAUNCHER_MAX_PASS_FDS];  /* ascending */
  size_t n_pass_fds;
  bool scan_proc;
  const char *directory;                /* NULL: this one */
  char **argv;
};

bool launcher_options_parse (struct launcher_options *options,
                             int                      argc,
                             char                    *argv[]);

/* launcher-fds.c */
bool launcher_close_other_fds (const int *keep,
                               size_t     n_keep);

/* launcher-child.c */
pid_t launcher_child_start (const struct launcher_options *options,
                            int                           *exec_pipe);

/* launcher-tree.c */
const char *launcher_tree_init (bool   scan_proc);
size_t      launcher_tree_kill (void (*reap) (void *data),
                                void  *data);

/* launcher-oom.c */
void launcher_oom_init       (const char *cgroup_file,
                              const char *mountinfo_file);
bool launcher_oom_has_killed (void);
