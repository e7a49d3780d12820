/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-process-private.h"

#include "pyisolate-output-private.h"

G_BEGIN_DECLS

/* For the files that a process is made of: pyisolate-process.c, the object and its end;
 * pyisolate-process-spawn.c, its start; pyisolate-process-control.c, the talk with the launcher. */

struct _PyIsolateProcess {
  GObject parent_instance;

  /* Fixed by spawn. */
  char *tag;
  char *program;
  char *token;
  GMainContext *context;

  /* While it runs; the thread of the context. */
  PyIsolateProcessCallbacks callbacks;
  gpointer user_data;
  GSubprocess *launcher;
  int control_fd;
  GSource *control_source;
  PyIsolateOutput *outputs[2];
  gboolean started;
  char *launcher_words;       /* the last line before that; or NULL */
  gboolean expected;
  int pid;                    /* atomic; 0 before the start and after the end */

  /* When it ends. */
  GSource *timer;
  gint64 deadline;            /* of ending or of sweeping; 0 before */
  gboolean has_ended;         /* with the reason: */
  gboolean expected_end;
  PyIsolateExitKind kind;
  int status;
  gboolean core_dumped;
  int exec_error;             /* an errno */
  gboolean tree_gone;
  guint n_left;               /* processes that nothing could end */
  guint n_empty_sweeps;       /* in a row */
};

void _pyisolate_process_clear_source (GSource          **source);
/* Tells the end. It may be the end of @self, too. */
void _pyisolate_process_finish       (PyIsolateProcess  *self);
/* Listens to the launcher, which was started. */
void _pyisolate_process_watch        (PyIsolateProcess  *self);

G_END_DECLS
