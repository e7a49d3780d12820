/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-lane-wire-private.h"

G_BEGIN_DECLS

/* For the files that a lane is made of: pyisolate-lane.c, its life, -send.c and -receive.c, its two directions. */

struct _PyIsolateLane {
  PyIsolateTransport parent_instance;

  int fd; /* fixed; closed with the last reference */

  void (*waiting_func) (PyIsolateLane *self,
                        gpointer       data); /* fixed before it is used */
  gpointer waiting_data;
  PyIsolateBudget *budget; /* the same */

  /* Sending. */
  GMutex send_mutex;
  GQueue queue;        /* of what waits, in order */
  gsize queued_bytes;
  guint n_corks;
  int wants_write;     /* atomic copy: the queue is not empty, and no cork holds it back */
  gboolean broken;     /* nothing can be sent any more */

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
  PyIsolateFrameView view; /* the last frame */
  guint8 *assembled;   /* the payload of a frame that came in parts */
  PyIsolateLaneHeader partial; /* its header */
  gsize n_assembled;
  gsize assembled_cost; /* in the budget */
  gboolean is_partial;
  guint n_lone;        /* how many messages in a row came alone */
  int ended;           /* atomic */
  gboolean told;       /* the handler knows */
};

void _pyisolate_lane_fail         (PyIsolateLane *self,
                                   GError        *error /* transfer full */);
void _pyisolate_lane_send_clear   (PyIsolateLane *self);
void _pyisolate_lane_receive_clear (PyIsolateLane *self);
gboolean _pyisolate_lane_send_frame (PyIsolateLane  *self,
                                     PyIsolateFrame *frame /* transfer full */,
                                     GError        **error);

G_END_DECLS
