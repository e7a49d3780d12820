/* SPDX-License-Identifier: MIT */
/* A process under test, with everything that it told. */
#pragma once

#include "pyisolate-process-private.h"

#include "test-util.h"

G_BEGIN_DECLS

/* For what comes at once on an idle machine. */
#define PROCESS_TEST_TIMEOUT_MS (test_util_is_slowed () ? 240000 : 60000)

typedef struct {
  PyIsolateProcess *process;
  const char *launcher;         /* ours, unless a test sets another */
  const char *directory;        /* NULL: this one */
  char *mark;                   /* "NAME=value", in the environment of the whole tree */
  gboolean started;
  int pid;                      /* as `started` told it */
  GPtrArray *lines[3];          /* by stream; [0] is of both */
  guint64 n_bytes;
  gboolean keep_lines;
  guint n_ends;                 /* callbacks that are the last one */
  PyIsolateExitReason *reason;
  GError *failure;
} ProcessTest;

ProcessTest *process_test_new              (void);
void         process_test_free             (ProcessTest *test);
char        *process_test_dup_subject      (void);

/* With pairs of command and argument for the subject, ended by NULL. */
void         process_test_start            (ProcessTest *test,
                                            ...) G_GNUC_NULL_TERMINATED;
void         process_test_start_program    (ProcessTest              *test,
                                            const char * const       *argv,
                                            const PyIsolateProcessFd *fds,
                                            gsize                     n_fds);
void         process_test_wait_line        (ProcessTest *test,
                                            const char  *line);
void         process_test_wait_ended       (ProcessTest *test);
/* Both: it ended like this, and nothing of the tree is left. */
void         process_test_assert_exited    (ProcessTest       *test,
                                            PyIsolateExitKind  kind,
                                            int                status);
int          process_test_get_launcher_pid (ProcessTest *test);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ProcessTest, process_test_free)

G_END_DECLS
