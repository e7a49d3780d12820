/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-lane-private.h"
#include "pyisolate-ring-private.h"

#include <sys/uio.h>

G_BEGIN_DECLS

/* A message is one or more frames, each of them a header, then its chain, its records, its body, its target, its name and its message,
 * and zeros up to a multiple of 8. Strings have their NUL. What does not fit goes on, after a header that says so, in the
 * messages that follow. All of it is in the byte order of the machine. */

/* A kind of frame that only lanes have, and keep to themselves: nothing but a credit. */
#define PYISOLATE_LANE_CREDIT ((PyIsolateFrameKind) (PYISOLATE_FRAME_MEMORY + 1))

/* The first message on a lane, if it is this alone: the rings, by their descriptors; first the one for what comes back. */
#define PYISOLATE_LANE_RINGS ((PyIsolateFrameKind) (PYISOLATE_LANE_CREDIT + 1))
#define PYISOLATE_LANE_N_RING_FDS (2 * PYISOLATE_RING_N_FDS)

typedef enum {
  PYISOLATE_LANE_MORE = 1 << 0,      /* the rest follows in the next message */
  PYISOLATE_LANE_CONTINUED = 1 << 1, /* this is more of the frame before; but for kind, id and part_size all is 0 */
} PyIsolateLaneFlags;

typedef struct {
  guint8 kind;
  guint8 flags;
  guint16 n_fds; /* those of the message; its first frame has them all */
  guint16 n_chain;
  guint16 n_records;
  guint64 id;
  guint32 body_size;
  guint32 credit;      /* so many bytes of what is large has the sender of this taken */
  guint32 target_size; /* of strings: with their NUL, 0 if there is none */
  guint32 name_size;
  guint32 message_size;
  guint32 part_size; /* how much of all that is here */
} PyIsolateLaneHeader;

G_STATIC_ASSERT (sizeof (PyIsolateLaneHeader) == 40);

#define PYISOLATE_LANE_N_PIECES 6
#define PYISOLATE_LANE_PADDING(size) ((gsize) -(gssize) (size) & 7)

/* Sending. */
void     _pyisolate_lane_header_init    (PyIsolateLaneHeader       *header,
                                         const PyIsolateFrameView  *view);
/* What comes after the header. */
gsize    _pyisolate_lane_get_payload    (const PyIsolateLaneHeader *header,
                                         const PyIsolateFrameView  *view,
                                         struct iovec               pieces[PYISOLATE_LANE_N_PIECES]);
gsize    _pyisolate_lane_payload_size   (const PyIsolateLaneHeader *header);

/* Receiving. Static texts of what is wrong, NULL if nothing is. @header is read from @data, which has @size bytes. */
const char *_pyisolate_lane_check_header  (const guint8              *data,
                                           gsize                      size,
                                           PyIsolateLaneHeader       *header);
/* @payload: all of it, aligned to 8 */
const char *_pyisolate_lane_check_payload (const PyIsolateLaneHeader *header,
                                           const guint8              *payload,
                                           PyIsolateFrameView        *view);

G_END_DECLS
