/* SPDX-License-Identifier: MIT */
/* Control groups (version 1) that tests put processes into. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The directory of the memory controller's group that this process is in; NULL: there is none. */
char    *test_cgroup_find_memory (void);
/* Files of the kernel cannot be replaced, only written to. */
gboolean test_cgroup_write       (const char *directory,
                                  const char *name,
                                  const char *text);

G_END_DECLS
