/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-lane-wire-private.h"
#include "pyisolate-ring-private.h"

G_BEGIN_DECLS

/* For the files that a lane is made of: pyisolate-lane.c, its life, -send.c (with -message.c and -queue.c) and -receive.c, its two directions. */

struct _PyIsolateLane {
  PyIsolateTransport parent_instance;

  int fd; /* fixed; closed with the last reference */
  PyIsolateRing *in;  /* what comes in by shared memory, or NULL; fixed before it is used */
  PyIsolateRing *out; /* what goes out so, or NULL; the same */

  void (*waiting_func) (PyIsolateLane *self,
                        gpointer       data); /* fixed before it is used */
  gpointer waiting_data;
  PyIsolateBudget *budget; /* the same */

  /* Sending. */
  GMutex send_mutex;
  GQueue queue;        /* of what waits, in order */
  GQueue refused;      /* of PyIsolateFrame: of that, what the socket does not take and nobody was told of */
  int refused_errno;   /* why: of the last */
  gsize queued_bytes;
  guint n_corks;
  PyIsolateTurn *turn; /* or NULL */
  int last_turn;       /* in which something was sent */
  guint n_gathered;    /* since then, or since they were sent */
  int wants_write;     /* atomic copy: one of the two is not empty, and no cork holds the first back */
  gboolean broken;     /* nothing can be sent any more */

  /* What is large, see pyisolate-lane-credit.c; with the same mutex. */
  GQueue held;         /* of PyIsolateFrame, in order: what the other side is not to have yet */
  gsize held_bytes;
  gsize in_flight;     /* bytes that the other side has not taken yet */
  gsize owed;          /* bytes that this side has taken, and not told of */
  GArray *releasing;   /* of guint64: what the frame belongs to that a thread is about to send, or NULL */
  gboolean unlimited;  /* nothing is held any more */
  int is_holding;      /* atomic copy: something is held, or about to be sent */

  GMutex reason_mutex;
  GError *reason;      /* why it ended, if for a reason */
  int closing;         /* atomic: this side wants no more */

  /* Receiving. */
  GMutex receive_mutex;
  guint8 *buffer;      /* of a message; its start is aligned as malloc() does */
  gsize size;          /* of the message in it */
  gsize at;            /* where the next frame begins */
  int *fds;            /* of the message, until they have been stolen */
  guint n_fds;
  guint n_message_fds; /* that came with it */
  gboolean lacks_fds;  /* some could not be taken, and so none is: of the frame that is being read */
  PyIsolateFrameView view; /* the last frame */
  guint8 *assembled;   /* the payload of a frame that came in parts */
  PyIsolateLaneHeader partial; /* its header */
  gsize n_assembled;
  gsize assembled_cost; /* in the budget */
  gboolean is_partial;
  int has_more;        /* atomic: it was not read to its end, and nobody tells of what is there */
  int is_peer_gone;    /* atomic: what is there is all that will come */
  int ended;           /* atomic */
  gboolean told;       /* the handler knows */
};

void _pyisolate_lane_fail         (PyIsolateLane *self,
                                   GError        *error /* transfer full */);
/* Of what has not arrived: once it has ended, before that is told. */
void _pyisolate_lane_take_back    (PyIsolateLane *self);
/* The rings that the other side has offered, if it has. FALSE: they cannot be had. */
gboolean _pyisolate_lane_take_rings (PyIsolateLane *self);
void _pyisolate_lane_send_clear   (PyIsolateLane *self);
void _pyisolate_lane_receive_clear (PyIsolateLane *self);
/* So many bytes may have been sent to this side that it has not read. */
gsize _pyisolate_lane_get_capacity (PyIsolateLane *self);
gboolean _pyisolate_lane_send_frame (PyIsolateLane  *self,
                                     PyIsolateFrame *frame /* transfer full */,
                                     GError        **error);

/* One message to the socket, in whatever parts. FALSE with errno set. */
gboolean _pyisolate_lane_send_message (PyIsolateLane *self,
                                       struct iovec  *pieces,
                                       guint          n_pieces,
                                       const int     *fds,
                                       guint          n_fds);

/* May wait without a limit that a caller sees. */
gboolean _pyisolate_lane_is_answer (PyIsolateFrameKind kind);

/* pyisolate-lane-credit.c */
gsize       _pyisolate_lane_get_bulk     (const PyIsolateFrameView *view);
gboolean    _pyisolate_lane_hold         (PyIsolateTransport *transport,
                                          PyIsolateFrame    **frame,
                                          GError            **error);
gboolean    _pyisolate_lane_may_release_locked (PyIsolateLane *self);
const char *_pyisolate_lane_take_credit  (PyIsolateLane      *self,
                                          guint64             size);
/* What the next small frame takes along; with the lock held. */
guint32     _pyisolate_lane_get_credit   (PyIsolateLane      *self);
/* Of a bulk frame that has arrived. */
void        _pyisolate_lane_give_credit  (GObject            *lane,
                                          gsize               size);
gboolean    _pyisolate_lane_withdraw_held_locked (PyIsolateLane *self,
                                          guint64             id);
void        _pyisolate_lane_credit_clear (PyIsolateLane      *self);
/* What cannot be sent becomes an error of its call; without the lock. */
void        _pyisolate_lane_fail_call    (PyIsolateLane      *self,
                                          PyIsolateFrameKind  kind,
                                          guint64             id,
                                          const GError       *error);
/* Tells of all that has been taken; with the lock held. */
void        _pyisolate_lane_send_credit_locked (PyIsolateLane *self);

G_END_DECLS
