/* SPDX-License-Identifier: MIT */
/* An extension whose worker the test plays itself, and calls of it. */
#pragma once

#include "link-pair.h"

#include "pyisolate-extension-private.h"
#include "pyisolate-operation-private.h"

G_BEGIN_DECLS

typedef struct {
  LinkPair *pair;
  PyIsolateExtension *extension;
  PyIsolateMailbox *mailbox; /* the default context's */
} Played;

/* What came of a call. */
typedef struct {
  guint n_ends;
  gboolean done;
  PyIsolateCallResult *result;
  GError *error;
} Outcome;

/* In place of link_test_init(). */
void            played_test_init         (int                *argc,
                                          char             ***argv);
Played         *played_new               (LinkKind            kind);
/* Operations go with the last of what they were for. */
void            played_free              (Played             *played);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Played, played_free)

void            outcome_clear            (Outcome            *outcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

/* Makes the call, which must not end inside of this. */
void            played_start             (Played             *played,
                                          PyIsolateCall      *call,
                                          gint64              timeout,
                                          GCancellable       *cancellable,
                                          Outcome            *outcome);
/* Waits for its end. */
void            played_finish            (Outcome            *outcome);
/* Makes it, and blocks until it ends. */
void            played_call_blocking     (Played             *played,
                                          PyIsolateCall      *call,
                                          gint64              timeout,
                                          GCancellable       *cancellable,
                                          Outcome            *outcome);

/* What the worker gets next, which must be of that kind. */
PyIsolateFrame *played_take              (Played             *played,
                                          PyIsolateFrameKind  kind);
/* The worker says it. */
void            played_send              (Played             *played,
                                          PyIsolateFrame     *frame);
/* Progress, an event or an answer whose body is these bytes. */
PyIsolateFrame *played_frame_new         (PyIsolateFrameKind  kind,
                                          guint64             id,
                                          const char         *bytes,
                                          gsize               size);
/* A LinkHook of the worker's: a report of progress, and the call's own name as its result. */
gboolean        played_answer_at_once    (LinkSide           *side,
                                          PyIsolateFrame     *frame,
                                          gpointer            data);

G_END_DECLS
