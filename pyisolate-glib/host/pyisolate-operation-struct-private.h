/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-operation-private.h"

G_BEGIN_DECLS

/* For the files that an operation is made of: pyisolate-operation.c, how it starts and what ends it;
 * pyisolate-operation-outcome.c, what came of it; pyisolate-operation-parts.c, what comes before that;
 * pyisolate-operation-book.c, all that are under way. */

typedef struct _PyIsolateOperation PyIsolateOperation;

struct _PyIsolateOperation {
  int ref_count; /* atomic */
  gsize size;    /* with what lies behind it */

  GThread *thread; /* the application's, in which it was made; not referenced, only compared with */
  PyIsolateExtension *extension;
  PyIsolateEndpoint *endpoint;
  PyIsolateCall *call; /* guarded by the lock of the book; of a plain one NULL until it is asked for; NULL when it is over */
  gboolean over;       /* in the mailbox: who waited has been told */
  const char *method;  /* of a plain one or a request, behind this struct; else NULL, like the next four */
  GVariant *args;
  GVariant *kwargs;
  GBytes *body;        /* of a request; or, if it is small, a copy that lies behind the method: */
  const guint8 *small_body;
  gsize small_size;
  PyIsolateMailbox *mailbox;
  PyIsolateJobKind job_kind;
  GCancellable *cancellable;
  gulong cancelled_id;
  GSource *deadline;
  guint64 id;
  gboolean entered; /* it is in the book; guarded by its lock */
  PyIsolatePending pending; /* in the endpoint */
  GMutex mutex; /* held until the call is sent: the mailbox may be another thread's */
  int n_parts;  /* atomic: progress and events that wait */
  int n_posted; /* atomic: those of them that are in the mailbox */

  int settled; /* atomic; who sets it writes one of the next two */
  PyIsolateFrame *reply;
  GError *error;

  PyIsolateOperationFunc func;
  PyIsolateValueFunc value_func; /* of a plain one */
  PyIsolateAnswerFunc answer_func; /* of a request, like the next three */
  gboolean wants_progress;
  gboolean wants_events;
  GDestroyNotify destroy;
  gpointer user_data;
};

PyIsolateOperation *_pyisolate_operation_ref           (PyIsolateOperation *self);
void                _pyisolate_operation_unref         (gpointer            data);
/* Nothing can end it any more. */
void                _pyisolate_operation_stop_watching (PyIsolateOperation *self);

/* pyisolate-operation-outcome.c: once it is settled. In the caller's mailbox: */
void                _pyisolate_operation_finish        (gpointer            data);
/* Of a request, where the reply was read, or the same: */
void                _pyisolate_operation_deliver       (gpointer            data);

/* pyisolate-operation-parts.c: takes progress or an event, where it was read. */
void                _pyisolate_operation_take_part     (PyIsolateOperation *self,
                                                        PyIsolateFrame     *frame_to_take);

/* pyisolate-operation-book.c: as soon as it has an id, and until nobody waits for it. */
void                _pyisolate_operation_enter         (PyIsolateOperation *self);
void                _pyisolate_operation_leave         (PyIsolateOperation *self);
/* A new reference, or NULL: there is none, or it is being freed. */
PyIsolateOperation *_pyisolate_operation_lookup        (guint64             id);
/* The call as an object, which is made if there was none; NULL if it is over. */
PyIsolateCall      *_pyisolate_operation_ref_call      (PyIsolateOperation *self);
/* What was given to it goes where it was given: not with the last reference, on whatever thread. */
void                _pyisolate_operation_be_over       (PyIsolateOperation *self);
char               *_pyisolate_operation_dup_method    (PyIsolateOperation *self);

G_END_DECLS
