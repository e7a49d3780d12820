/* SPDX-License-Identifier: MIT */
/* A subject of the benchmark in C: reads what it is to do from standard input, line by line (peers/serve.py lists the
 * commands), measures, and answers on standard output. */
#pragma once

#include <glib.h>

typedef struct {
  char *name;
  char *kind;
  gsize n_bytes;
  guint count;
} Workload;

typedef struct {
  GArray *nanoseconds;    /* gint64, one for each call */
  gint64 end;
  guint most;
} Samples;

typedef struct {
  /* NULL in *cannot, or a reason; an error is a failure. The value is checked here, once. */
  gboolean (*prepare) (const Workload *workload,
                       const char    **cannot,
                       gpointer        user_data,
                       GError        **error);
  gboolean (*measure) (const Workload *workload,
                       Samples        *samples,
                       gpointer        user_data,
                       GError        **error);
} Subject;

gint64   subject_now      (void);
gboolean samples_want     (Samples *samples);
void     samples_add      (Samples *samples,
                           gint64   nanoseconds);
int      subject_run      (const Subject *subject,
                           gpointer       user_data);
