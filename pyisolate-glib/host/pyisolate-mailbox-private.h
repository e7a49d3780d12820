/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-endpoint-private.h"

G_BEGIN_DECLS

typedef struct _PyIsolateMailbox PyIsolateMailbox;

typedef void (*PyIsolateJobFunc) (gpointer data);

typedef enum {
  PYISOLATE_JOB_NOTIFICATION, /* waits until the context is iterated */
  PYISOLATE_JOB_CALL,         /* is also done by a blocked caller */
} PyIsolateJobKind;

PyIsolateMailbox *_pyisolate_mailbox_ref_for_context (GMainContext     *context);
PyIsolateMailbox *_pyisolate_mailbox_ref             (PyIsolateMailbox *self);
void              _pyisolate_mailbox_unref           (PyIsolateMailbox *self);
void              _pyisolate_mailbox_post            (PyIsolateMailbox *self,
                                                      PyIsolateJobKind  kind,
                                                      PyIsolateJobFunc  func,
                                                      gpointer          data,
                                                      GDestroyNotify    destroy);

/* The lane by which calls made from this context go, NULL if there is none to be had. */
PyIsolateLane    *_pyisolate_mailbox_ref_lane        (PyIsolateMailbox  *self,
                                                      PyIsolateEndpoint *endpoint);

/* In the context's thread: reads its lanes and does the jobs. TRUE: there were some, and none are left. */
gboolean          _pyisolate_mailbox_serve           (PyIsolateMailbox  *self);

/* For who serves it: what is sent in a turn of its loop goes together, see pyisolate-mailbox-turn.c. */
void              _pyisolate_mailbox_end_turn        (PyIsolateMailbox  *self);

/* Whether this thread is a blocked caller that reads the mailbox's lanes, and has done all jobs before. */
gboolean          _pyisolate_mailbox_is_at_hand      (PyIsolateMailbox  *self);

/* Whether this thread is the one that iterates the mailbox's context: it would be a blocked caller's. */
gboolean          _pyisolate_mailbox_is_own          (PyIsolateMailbox  *self);

/* A blocked caller: begin, then wait until what it waits for has happened in a job, then end. */
PyIsolateMailbox *_pyisolate_mailbox_begin_wait      (void);
void              _pyisolate_mailbox_wait            (PyIsolateMailbox *self,
                                                      const gboolean   *done);
void              _pyisolate_mailbox_end_wait        (PyIsolateMailbox *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateMailbox, _pyisolate_mailbox_unref)

G_END_DECLS
