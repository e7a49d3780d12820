/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-lane-struct-private.h"

G_BEGIN_DECLS

/* For the three files that sending is made of: pyisolate-lane-message.c, one message; -queue.c, what waits; -send.c, which of the
 * two. All of it with the lock of sending held. */

typedef enum {
  PYISOLATE_SENT,
  PYISOLATE_SEND_BLOCKED, /* try again when the socket can be written to */
  PYISOLATE_SEND_BROKEN,  /* with errno set */
} PyIsolateSendState;

/* pyisolate-lane-message.c. A small frame is one that shares its message with others. */
gboolean           _pyisolate_lane_is_small    (const PyIsolateLaneHeader *header);
gsize              _pyisolate_lane_small_size  (const PyIsolateLaneHeader *header);
void               _pyisolate_lane_write_small (guint8                    *at,
                                                PyIsolateLaneHeader       *header,
                                                const PyIsolateFrameView  *view);
/* With what this side owes. */
PyIsolateSendState _pyisolate_lane_send_small  (PyIsolateLane             *self,
                                                PyIsolateLaneHeader       *header,
                                                const PyIsolateFrameView  *view);
/* A message of small frames. */
PyIsolateSendState _pyisolate_lane_send_bytes  (PyIsolateLane             *self,
                                                guint8                    *data,
                                                gsize                      size);
/* As many messages as it takes, or as the socket takes. *@sent: how much of the payload has gone; *@begun: whether the first
 * message has. */
PyIsolateSendState _pyisolate_lane_send_parts  (PyIsolateLane             *self,
                                                const PyIsolateFrameView  *view,
                                                gsize                     *sent,
                                                gboolean                  *begun);

/* pyisolate-lane-queue.c */
PyIsolateFrameView _pyisolate_lane_view_of_frame (PyIsolateFrame          *frame);
/* Whether so much more may wait. */
gboolean           _pyisolate_lane_check_room  (PyIsolateLane             *self,
                                                PyIsolateFrameKind         kind,
                                                gsize                      cost,
                                                GError                   **error);
/* The same. */
void               _pyisolate_lane_queue_small (PyIsolateLane             *self,
                                                PyIsolateLaneHeader       *header,
                                                const PyIsolateFrameView  *view);
/* @sent and @begun are what _pyisolate_lane_send_parts() said. */
void               _pyisolate_lane_queue_large (PyIsolateLane             *self,
                                                PyIsolateFrame            *frame_to_take,
                                                gsize                      sent,
                                                gboolean                   begun);
void               _pyisolate_lane_flush_locked (PyIsolateLane            *self);
void               _pyisolate_lane_update_wants_write_locked (PyIsolateLane *self);

/* pyisolate-lane-send.c. Of an errno. */
gboolean           _pyisolate_lane_is_peer_gone (int                       saved_errno);
/* Nothing more can be sent, by errno. Who reads finds that out. */
void               _pyisolate_lane_break_locked (PyIsolateLane            *self);

/* pyisolate-lane-end.c: of what does not arrive */
void               _pyisolate_lane_take_back_records (PyIsolateLane       *self,
                                                const PyIsolateMemoryRecord *records,
                                                guint                      n_records);
void               _pyisolate_lane_take_back_message (PyIsolateLane       *self,
                                                const guint8              *data,
                                                gsize                      size);

G_END_DECLS
