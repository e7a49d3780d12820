/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-mailbox-private.h"

G_BEGIN_DECLS

/* For the files that a mailbox is made of: pyisolate-mailbox.c, what is to be done; pyisolate-mailbox-lanes.c, the lanes by
 * which some of it comes; pyisolate-mailbox-turn.c, what is sent together. */

/* Whether somebody will look for jobs anyway. */
typedef enum {
  PYISOLATE_SERVED_NOT,     /* the context must be told */
  PYISOLATE_SERVED_AWAKE,   /* the context's thread is reading lanes, and looks for jobs afterwards */
  PYISOLATE_SERVED_WAITING, /* a blocked caller sleeps: it must be woken */
} PyIsolateServed;

struct _PyIsolateMailbox {
  /* Atomic, but only fall to 0 under the lock of all mailboxes. A mailbox that nobody uses, but that has lanes, stays for as long
   * as its context does, which it does not keep. */
  int n_users;
  int n_lanes;
  GMainContext *context; /* NULL: only a blocked caller does the jobs; a reference while there are users */

  GMutex mutex; /* guards the rest */
  GCond cond;
  gboolean asleep;      /* a blocked caller waits for the condition */
  GQueue calls;         /* of Job */
  GQueue notifications; /* of Job */
  guint64 last_number;
  GSource *source;      /* owned; attached to the context, and will do the jobs */
  gboolean over;        /* there was no context, and the caller blocks no more */
  PyIsolateServed served;
  GThread *blocked;     /* the caller that does the jobs, while it is not doing one */
  int wake_fd;          /* an eventfd that wakes a blocked caller, or -1 */
  int set_fd;           /* an epoll set of that and of all lanes, for the same, or -1 */
  gboolean set_lacks_lane; /* one could not be added: a new set is needed */
  GPtrArray *lanes;     /* of PyIsolateLaneSource, not owned: each takes itself out; NULL until there is one */

  PyIsolateTurn turn;   /* of its lanes; not guarded */
  int is_served;        /* atomic: by an event loop, whose turns are not the context's */
};

/* A lane that is read in a context. The context's source owns it. */
typedef struct {
  GSource source;
  PyIsolateMailbox *mailbox;
  PyIsolateEndpoint *endpoint;
  PyIsolateLane *lane;
  gpointer fd_tag;
  GSource *gone_source; /* of the service's, or NULL */
} PyIsolateLaneSource;

/* pyisolate-mailbox.c */
void     _pyisolate_mailbox_add_lane_user    (PyIsolateMailbox *self);
void     _pyisolate_mailbox_remove_lane_user (PyIsolateMailbox *self);
void     _pyisolate_mailbox_set_served       (PyIsolateMailbox *self,
                                              PyIsolateServed   served);
void     _pyisolate_mailbox_wake_locked      (PyIsolateMailbox *self);
void     _pyisolate_mailbox_do_jobs          (PyIsolateMailbox *self);

/* pyisolate-mailbox-lanes.c: sleeps until a lane has something or the mailbox is woken, and reads. With the lock held, which
 * it lets go meanwhile. FALSE: there is no lane to sleep on. */
gboolean _pyisolate_mailbox_read_lanes       (PyIsolateMailbox *self);
/* pyisolate-mailbox-turn.c */
/* The turns of the context end no more: whoever serves it says when its own do, or nothing is gathered. */
void     _pyisolate_mailbox_leave_turns     (PyIsolateMailbox *self);
/* A PyIsolateTurn's: the end of the turn may be far away. */
void     _pyisolate_mailbox_has_gathered    (gpointer          self);
/* Adds its lanes, if something waits in them. */
void     _pyisolate_mailbox_take_gathered   (PyIsolateMailbox *self,
                                             GPtrArray        *lanes);
/* pyisolate-mailbox.c: the lanes of all contexts in which something waits. From any thread. */
GPtrArray *_pyisolate_mailbox_dup_gathered  (void);
/* Reads what is there now. TRUE: there may be more. */
gboolean _pyisolate_mailbox_poll_lanes       (PyIsolateMailbox *self);

G_END_DECLS
