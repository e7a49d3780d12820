/* SPDX-License-Identifier: MIT */
/* The worker's end of the link: what arrives finds the thread that waits for it, without Python.
 *
 * Frames arrive in GDBus's thread, which never takes the GIL: a ping is answered and a
 * cancellation takes its way there, also while Python is busy or stuck. Those of a lane are read
 * by the thread that waits, see pyisolate-runtime-lanes.c. Everything goes into the inbox of the
 * thread that is to handle it, see pyisolate-runtime-route.c.
 *
 * There is one link in a process, so there is one of everything here. `mutex` guards all of it
 * but what is said to be fixed. It is held for moments only and nobody waits for the GIL under
 * it, so that it may be taken with the GIL held. */
#pragma once

#include "pyisolate-early-cancels-private.h"
#include "pyisolate-id-table-private.h"
#include "pyisolate-lane-private.h"

#include <pthread.h>
#include <signal.h>

G_BEGIN_DECLS

/* Interrupts the main thread, so that Python's handler can end a cancelled `def`. A process that
 * has no handler ignores this signal, hence a stray one does no harm; almost nothing else uses
 * it. */
#define PYISOLATE_RUNTIME_SIGNAL SIGURG

/* What a call is told that was not begun before the host's Stop. */
#define PYISOLATE_RUNTIME_STOPPING "The extension is being stopped"

/* What came for one or more threads or one event loop. Calls wait for the others of their own lane only, and nothing else
 * waits for calls. */
typedef struct {
  gatomicrefcount ref_count;
  GQueue frames;    /* but calls of methods, in the order in which they came */
  GPtrArray *calls; /* of queues, one for each lane */
  guint n_frames;   /* atomic: how many there are in all of these */
  guint next_calls; /* whose turn it is */
  GCond arrived;
  /* fixed: an eventfd, or -1: then `arrived` is used */
  int wake_fd;
  /* fixed: an epoll set of wake_fd and all lanes, for a wait or an event loop, or -1 */
  int wait_fd;
  gboolean owns_fds;
  guint n_waiting; /* threads */
} PyIsolateInbox;

/* Where a method runs. */
typedef enum {
  PYISOLATE_HOME_LOOP = 0,   /* coroutines, on the main thread's event loop */
  PYISOLATE_HOME_MAIN = 1,   /* a def on the main thread */
  PYISOLATE_HOME_SECOND = 2, /* a def on the second thread */
  PYISOLATE_HOME_POOL = 3,   /* a def on a thread of the pool */
  PYISOLATE_N_HOMES
} PyIsolateHome;

typedef struct _PyIsolateInCall PyIsolateInCall;

/* A thread that runs a def, or waits for an answer from the host, or both, one within the other. */
typedef struct {
  pthread_t thread;
  unsigned long ident; /* Python's number for it */
  PyIsolateHome home;  /* PYISOLATE_N_HOMES: a thread of the extension's own */
  PyIsolateInbox *inbox; /* answers, calls that came back and cancellations, for while it waits */
  guint n_waits;
  gboolean masked;       /* between two defs, in code of ours: nothing is raised there */
  PyIsolateInCall *top;  /* the def that it runs, the innermost */
} PyIsolateRunner;

/* A call of the host's that has no answer yet. */
struct _PyIsolateInCall {
  guint64 id;
  PyIsolateLane *lane;     /* by which it came, and its answer goes; NULL: D-Bus */
  PyIsolateInbox *queued;  /* where its frame still lies */
  PyIsolateRunner *runner; /* which runs it as a def */
  PyIsolateInCall *outer;  /* the def that its runner interrupted for it */
  gboolean outer_masked;
  gboolean cancelled;
  gboolean raised; /* its def has been told, once */
  guint n_asked;   /* how often an event loop on the main thread was asked to tell it */
};

/* A call of ours that somebody waits for. */
typedef struct {
  guint64 id;
  guint64 own;             /* the host's call that made it, or 0 */
  PyIsolateLane *lane;     /* by which it went; NULL: D-Bus */
  PyIsolateInbox *inbox;   /* gets the answer */
  PyIsolateRunner *runner; /* the thread that waits; NULL: an event loop does */
  gboolean cancelled;
  gboolean answered;
} PyIsolateOutCall;

typedef struct {
  GMutex mutex;

  /* fixed by connect() */
  GDBusConnection *connection;
  PyIsolateTransport *transport;
  PyIsolateMemoryBook *memory; /* what the host shares with this process */
  GMainContext *context; /* of the link's thread */
  int link_fd;
  guint64 link_inode; /* what the descriptor stands for, unless the extension has closed it */
  PyIsolateInbox *inboxes[PYISOLATE_N_HOMES]; /* those of LOOP and MAIN are the same */
  PyIsolateInbox *interrupts; /* cancelled calls whose def runs on another than the main thread */

  gint forked; /* atomic: this is a child of the worker, to which the link does not belong */
  gint leaving; /* atomic: the process ends by itself, the end of the link is no reason to hurry */

  PyIsolateRunner *main_runner;
  PyIsolateRunner *second_runner;
  /* name of a method → PyIsolateHome + 1; NULL while the extension is loaded */
  GHashTable *homes;
  PyIsolateIdTable calls_in; /* → PyIsolateInCall */
  PyIsolateEarlyCancels early_cancels; /* of calls that have not come */
  GHashTable *calls_out; /* id → PyIsolateOutCall */
  GPtrArray *all_inboxes; /* not owned */
  GCond idle;            /* calls_in became empty */
  guint n_idle_waiters;
  guint32 link_number;
  guint32 last_id;
  gboolean stopping;
  gint closed; /* set with the mutex, atomic */
} PyIsolateRuntime;

extern PyIsolateRuntime _pyisolate_runtime;

/* pyisolate-runtime-link.c */
gboolean         _pyisolate_runtime_begin_connect (int              take_fd,
                                                  GError         **error);
gboolean         _pyisolate_runtime_has_begun    (void);
gboolean         _pyisolate_runtime_finish_connect (GError        **error);
void             _pyisolate_runtime_flush        (void);
void             _pyisolate_runtime_send         (PyIsolateFrame  *frame /* transfer full */);
gboolean         _pyisolate_runtime_send_by      (PyIsolateLane   *lane,
                                                  PyIsolateFrame  *frame /* transfer full */,
                                                  GError         **error);
void             _pyisolate_runtime_check_link   (void);
gboolean         _pyisolate_runtime_is_forked    (void);

/* pyisolate-runtime-lanes.c */
gboolean         _pyisolate_lanes_add            (int              take_fd);
gboolean         _pyisolate_lanes_are_there      (void);
gboolean         _pyisolate_lanes_have_left      (void);
guint            _pyisolate_lanes_get_n_turns    (void);
int              _pyisolate_lanes_new_bare_set   (void);
int              _pyisolate_lanes_new_set        (int              wake_fd);
void             _pyisolate_lanes_free_set       (int              set);
gboolean         _pyisolate_lanes_add_to_set     (int              set,
                                                  int              fd);
/* FALSE: a signal. */
gboolean         _pyisolate_lanes_wait           (int              set,
                                                  PyIsolateInbox  *inbox,
                                                  gint64           deadline,
                                                  guint           *n_events,
                                                  gboolean        *other);
void             _pyisolate_lanes_drain          (void);
void             _pyisolate_lanes_flush          (void);
void             _pyisolate_lanes_close_in_child (void);

/* pyisolate-runtime-guard.c */
void             _pyisolate_lanes_begin_wait     (void);
void             _pyisolate_lanes_remind_guard   (void);

/* pyisolate-runtime-gather.c */
/* Between the first and the last the calling thread's answers may wait, to be sent together. */
void             _pyisolate_lanes_gather         (void);
void             _pyisolate_lanes_gather_on      (PyIsolateLane   *lane,
                                                  PyIsolateFrameKind kind);
void             _pyisolate_lanes_send_gathered  (void);
void             _pyisolate_lanes_end_gathering  (void);

/* pyisolate-runtime-poll.c */
void             _pyisolate_runtime_poll_link_in_set (void);

/* pyisolate-runtime-inbox.c */
typedef enum {
  PYISOLATE_TAKE_FRAME,
  PYISOLATE_TAKE_TIMED_OUT,
  PYISOLATE_TAKE_INTERRUPTED, /* by a signal */
  PYISOLATE_TAKE_CLOSED,
} PyIsolateTake;

PyIsolateInbox  *_pyisolate_inbox_new           (gboolean         with_wake_fd);
PyIsolateInbox  *_pyisolate_inbox_new_beside    (PyIsolateInbox  *other);
PyIsolateInbox  *_pyisolate_inbox_ref           (PyIsolateInbox  *inbox);
void             _pyisolate_inbox_unref         (PyIsolateInbox  *inbox);
void             _pyisolate_inbox_push_locked   (PyIsolateInbox  *inbox,
                                                 PyIsolateFrame  *frame /* transfer full */,
                                                 PyIsolateInbox  *awake);
void             _pyisolate_inbox_push_call_locked (PyIsolateInbox *inbox,
                                                 PyIsolateFrame  *frame /* transfer full */,
                                                 PyIsolateLane   *lane,
                                                 PyIsolateInbox  *awake);
void             _pyisolate_inbox_drop_call_locked (PyIsolateInbox *inbox,
                                                 guint64          id);
PyIsolateFrame  *_pyisolate_inbox_pop_locked    (PyIsolateInbox  *inbox);
void             _pyisolate_inbox_push_cancel_locked (PyIsolateInbox *inbox,
                                                 guint64          id);
PyIsolateFrame  *_pyisolate_inbox_pop           (PyIsolateInbox  *inbox);
gboolean         _pyisolate_inbox_has_frames    (PyIsolateInbox  *inbox);
void             _pyisolate_inbox_wake_locked   (PyIsolateInbox  *inbox);
PyIsolateTake    _pyisolate_inbox_take          (PyIsolateInbox  *inbox,
                                                 guint64          reply_id,
                                                 gint64           deadline,
                                                 PyIsolateFrame **frame);

/* pyisolate-runtime-route.c */
PyIsolateInbox  *_pyisolate_runtime_route_locked (PyIsolateFrame  *frame);
void             _pyisolate_runtime_receive      (PyIsolateFrame  *frame /* transfer full */,
                                                  PyIsolateLane   *lane,
                                                  PyIsolateInbox  *awake);

/* pyisolate-runtime-runners.c */
PyIsolateRunner *_pyisolate_runner_get          (unsigned long    ident);
gboolean         _pyisolate_runner_begin        (PyIsolateRunner *runner,
                                                 guint64          id);
gboolean         _pyisolate_runner_end          (PyIsolateRunner *runner);
gboolean         _pyisolate_runner_is_told      (PyIsolateRunner *runner);
void             _pyisolate_runner_set_masked   (PyIsolateRunner *runner,
                                                 gboolean         masked);
gboolean         _pyisolate_runner_may_ask      (PyIsolateRunner *runner);
gboolean         _pyisolate_runner_must_raise   (PyIsolateRunner *runner);
unsigned long    _pyisolate_runner_find_untold  (guint64          id);
PyIsolateRunner *_pyisolate_runner_lock_to_raise (guint64         id);

/* pyisolate-runtime-calls-out.c */
gboolean         _pyisolate_runtime_may_wait_for_memory (PyIsolateFrame *frame);
guint64          _pyisolate_out_call_begin      (PyIsolateFrame  *frame,
                                                 guint64          own,
                                                 PyIsolateInbox  *inbox,
                                                 PyIsolateRunner *runner,
                                                 GError         **error);
void             _pyisolate_out_call_end        (guint64          id);
void             _pyisolate_out_calls_cancel_of_locked (guint64   own);

/* pyisolate-runtime-calls-in.c */
gboolean         _pyisolate_in_call_is_cancelled (guint64         id);
gboolean         _pyisolate_in_call_is_open     (guint64          id);
void             _pyisolate_in_call_answer      (PyIsolateFrame  *frame /* transfer full */);
gboolean         _pyisolate_in_call_tell        (PyIsolateFrame  *frame /* transfer full */,
                                                 GError         **error);
gboolean         _pyisolate_in_call_tell_again  (PyIsolateRunner *runner);
gboolean         _pyisolate_in_call_cancel_locked (guint64       id);
void             _pyisolate_in_calls_stop_locked (void);
gboolean         _pyisolate_in_calls_wait_idle  (gint64           deadline);

G_END_DECLS
