/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-transport-private.h"

G_BEGIN_DECLS

/* Frames over a SOCK_SEQPACKET socket, read where they are wanted: the fast way. As far as they are small they go by rings in
 * shared memory. */

#define PYISOLATE_TYPE_LANE (_pyisolate_lane_get_type ())
G_DECLARE_FINAL_TYPE (PyIsolateLane, _pyisolate_lane, PYISOLATE, LANE, PyIsolateTransport)

/* A frame in memory that belongs to somebody else: for who sends or reads without an allocation. Strings may be NULL when
 * it is sent; when it was read, those that its kind does not have are. */
typedef struct {
  PyIsolateFrameKind kind;
  guint64 id;
  const guint64 *chain;
  guint n_chain;
  const PyIsolateMemoryRecord *records;
  guint n_records;
  const char *target;
  const char *name;
  const char *message;
  const guint8 *body; /* when it was read: aligned to 8 */
  gsize body_size;
  int *fds;
  guint n_fds;
} PyIsolateFrameView;

/* The most bytes of one message. A frame with a larger body goes as several. */
#define PYISOLATE_LANE_MAX_MESSAGE ((gsize) 96 * 1024)

/* As on the open way. */
#define PYISOLATE_LANE_MAX_BODY (((gsize) 64 << 20) - 4096)

/* What a lane has open: its socket, and what wakes and is waited for. */
#define PYISOLATE_LANE_N_FDS 3

/* What may wait here for the other side to read: past the first, calls, events, progress and logs are refused; past the
 * second, which only answers to calls can reach, the lane ends (both LIMIT). */
#define PYISOLATE_LANE_MAX_QUEUED         ((gsize) 64 << 20)
#define PYISOLATE_LANE_MAX_QUEUED_ANSWERS ((gsize) 1 << 30)

/* What is large goes only while the other side has not more than this to take up (and one frame): the rest waits here, and
 * what is small passes it. A smaller body than the first is small. */
#define PYISOLATE_LANE_BULK_SIZE   ((gsize) 4096)
#define PYISOLATE_LANE_BULK_WINDOW ((gsize) 128 * 1024)

/* So many bytes may wait so; beyond that calls and events are refused (LIMIT). */
#define PYISOLATE_LANE_MAX_HELD ((gsize) 128 << 20)

/* Makes both ends; the caller closes them. FALSE with errno set. */
gboolean       _pyisolate_lane_socketpair    (int                       fds[2]);
PyIsolateLane *_pyisolate_lane_new           (int                       take_fd);
/* A lane with a ring, and what the other side is to have. NULL with errno set. */
PyIsolateLane *_pyisolate_lane_new_pair      (int                      *peer_fd);
/* What the other side makes of it. NULL: the ring cannot be had here. */
PyIsolateLane *_pyisolate_lane_new_of_pair   (int                       take_fd);
/* Readable when there is something to read; see pyisolate-ring-private.h of how it tells. Open as long as the lane is. */
int            _pyisolate_lane_get_fd        (PyIsolateLane            *self);
/* What is small goes both ways by shared memory. */
gboolean       _pyisolate_lane_has_rings     (PyIsolateLane            *self);
/* Writable when what waits can be sent, and hung up when the other side is gone. */
int            _pyisolate_lane_get_socket    (PyIsolateLane            *self);
/* All that it has open, or -1: what a forked child is not to have. */
void           _pyisolate_lane_get_fds       (PyIsolateLane            *self,
                                              int                       fds[PYISOLATE_LANE_N_FDS]);
/* The socket has hung up: what is there is read, and then the lane has ended. */
void           _pyisolate_lane_note_gone     (PyIsolateLane            *self);

/* Sending, as transports do. From any thread; it never blocks. What the socket does not take waits in the lane, in order.
 * Between the two, what is sent is gathered and goes together. They nest. */
void           _pyisolate_lane_cork          (PyIsolateLane            *self);
void           _pyisolate_lane_uncork        (PyIsolateLane            *self);
/* The turns of an event loop, or of a main context. The first small frame of a turn is sent at once, those after it are
 * gathered until its end, or until they are many. */
typedef struct {
  gconstpointer thread; /* atomic: whose frames are gathered, as _pyisolate_lane_get_thread(); NULL: nobody's */
  int number;           /* atomic: of the turn */
  int has_gathered;     /* atomic: something waits for its end */
  void (*gathered_func) (gpointer data); /* when that becomes so, in the sending thread, with the lane's lock */
  gpointer data;
} PyIsolateTurn;

gconstpointer  _pyisolate_lane_get_thread   (void);
/* NULL, before it goes: as without. */
void           _pyisolate_lane_set_turn     (PyIsolateLane            *self,
                                             PyIsolateTurn            *turn);
/* Whether something waits: then flush() is due when the socket can be written to. @func is called in the sending thread,
 * without any lock, when something begins to wait. Set it before the lane is used. */
gboolean       _pyisolate_lane_wants_write   (PyIsolateLane            *self);
void           _pyisolate_lane_flush         (PyIsolateLane            *self);
void           _pyisolate_lane_set_waiting_func (PyIsolateLane         *self,
                                                 void                 (*func) (PyIsolateLane *self,
                                                                               gpointer       data),
                                                 gpointer                data);
/* Sends what was held, as much of it as the other side may have by now: due when the lane has been read, without its lock.
 * It may wait for memory. */
void           _pyisolate_lane_release      (PyIsolateLane            *self);
/* The same, in time, by who flushes. */
void           _pyisolate_lane_release_later (PyIsolateLane           *self);
/* From now on nothing is held. */
void           _pyisolate_lane_release_all  (PyIsolateLane            *self);
/* Takes back a CALL of which nothing has been sent yet. */
gboolean       _pyisolate_lane_withdraw      (PyIsolateLane            *self,
                                              guint64                   id);

/* Reading, by one thread at a time: between lock and unlock, the next frame that is there. FALSE: there is none now, or
 * never again. Nobody tells of what is here already, so who stops before FALSE must come back by itself. The view is valid until the next call of any of these; descriptors that nobody has
 * stolen are closed then.
 * unlock() tells the handler that the lane is closed, if it has one and that was found. */
void           _pyisolate_lane_lock          (PyIsolateLane            *self);
gboolean       _pyisolate_lane_next          (PyIsolateLane            *self,
                                              PyIsolateFrameView       *view);
void           _pyisolate_lane_unlock        (PyIsolateLane            *self);
/* The last frame for longer, with its descriptors; a large body without a copy. */
PyIsolateFrame *_pyisolate_lane_steal_frame  (PyIsolateLane            *self);
/* Whether something is here of which nobody will tell, for who stops reading; with the lock held. */
gboolean       _pyisolate_lane_is_left       (PyIsolateLane            *self);
/* Whether somebody has stopped reading before the end of what is there, and will come back, or anybody else. */
gboolean       _pyisolate_lane_has_more      (PyIsolateLane            *self);
/* Closes it, and takes what is there for what it says of shared memory alone: its reader is gone. */
void           _pyisolate_lane_end           (PyIsolateLane            *self);
/* No frame will come any more. */
gboolean       _pyisolate_lane_is_ended      (PyIsolateLane            *self);
/* This side has closed it. */
gboolean       _pyisolate_lane_is_closed_here (PyIsolateLane           *self);
/* In which the body of a frame that has arrived in part is counted. */
void           _pyisolate_lane_set_budget    (PyIsolateLane            *self,
                                              PyIsolateBudget          *budget);

/* All of it in one, for who has started the lane with a handler: gives it the frames that are there, at most so many, or as
 * many as are large together, in this thread. TRUE: there may be more, of which nobody tells; ask again. */
gboolean       _pyisolate_lane_receive       (PyIsolateLane            *self,
                                              guint                     max_frames);
/* The same with all that was there at the beginning; not with all that may come meanwhile, which could be without an end. */
void           _pyisolate_lane_drain         (PyIsolateLane            *self);
/* For who waits for the descriptor in another way than by edges, and has just been told that it is readable: before reading. */
void           _pyisolate_lane_clear_ready   (PyIsolateLane            *self);
/* Both. */
gboolean       _pyisolate_lane_receive_ready (PyIsolateLane            *self,
                                              guint                     max_frames);

G_END_DECLS
