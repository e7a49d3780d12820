/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

#include <sys/uio.h>

G_BEGIN_DECLS

/* A ring in shared memory, by which one process gives small messages to another without a system call but for waking it.
 *
 * One side makes it, and gives the other what that needs; neither trusts anything of what the other leaves in it. Messages that
 * do not go by the ring go by another way, here called the socket; both together keep their order, if the writer says what it
 * has sent there. */

typedef struct _PyIsolateRing PyIsolateRing;

#define PYISOLATE_RING_SIZE ((gsize) 64 * 1024)

/* A longer message goes by the socket. */
#define PYISOLATE_RING_MAX_MESSAGE ((gsize) 32 * 1024 - 8)

typedef enum {
  PYISOLATE_RING_EMPTY,  /* and the writer will wake the reader */
  PYISOLATE_RING_HAS,
  PYISOLATE_RING_SOCKET, /* the next message is in the socket */
  PYISOLATE_RING_BAD,
} PyIsolateRingState;

typedef enum {
  PYISOLATE_RING_READER,
  PYISOLATE_RING_WRITER,
} PyIsolateRingSide;

/* What the other side gets. */
typedef enum {
  PYISOLATE_RING_FD_MEMORY,
  PYISOLATE_RING_FD_BELL, /* what wakes, or what to wait for */
  PYISOLATE_RING_N_FDS,
} PyIsolateRingFd;

/* One end of a new ring. NULL: no descriptors or no memory are left, or too many bells cannot be closed. @peer_fds: for the other
 * side; the caller's, to be closed. */
PyIsolateRing     *_pyisolate_ring_new         (PyIsolateRingSide    side,
                                                int                  peer_fds[PYISOLATE_RING_N_FDS]);
/* The other end. @take_fds: closed in any case. NULL: it cannot be mapped, or is none. */
PyIsolateRing     *_pyisolate_ring_new_of_peer (PyIsolateRingSide    side,
                                                const int            take_fds[PYISOLATE_RING_N_FDS]);
/* Says to the reader that nothing more will come, if it is the writer's end. */
void               _pyisolate_ring_free        (PyIsolateRing       *self);

/* Writing, by one thread at a time. FALSE: there is no room; it may go by the socket. */
gboolean           _pyisolate_ring_write       (PyIsolateRing       *self,
                                                const struct iovec  *pieces,
                                                guint                n_pieces);
/* A message has gone by the socket. */
void               _pyisolate_ring_note_sent   (PyIsolateRing       *self);
/* Nothing more will come. */
void               _pyisolate_ring_end         (PyIsolateRing       *self);
/* Of the writer: for a forked child, which has it and is not to use it. */
int                _pyisolate_ring_get_wake_fd (PyIsolateRing       *self);

/* Of the side that did not make it, and trusts the other, which reads no more: a message that it has not read, as reading gives it.
 * FALSE: there is none. */
gboolean           _pyisolate_ring_take_unread (PyIsolateRing      *self,
                                                guint8             *buffer,
                                                gsize              *size);

/* Reading, by one thread at a time. HAS: *@size bytes are in @buffer, which has room for PYISOLATE_RING_MAX_MESSAGE. */
PyIsolateRingState _pyisolate_ring_read        (PyIsolateRing       *self,
                                                guint8              *buffer,
                                                gsize               *size);
/* As if it had been read, and was EMPTY. */
gboolean           _pyisolate_ring_is_empty    (PyIsolateRing       *self);
/* A message has come by the socket. */
void               _pyisolate_ring_note_received (PyIsolateRing     *self);
/* Whether the writer has said that nothing more will come; it may have sent something before. */
gboolean           _pyisolate_ring_is_ended    (PyIsolateRing       *self);
/* Tells, by an edge, of each time that the writer wakes the reader, and of the end of @socket_fd. Who waits for it in another
 * way than by edges calls clear() when it is readable, before reading. */
int                _pyisolate_ring_get_wait_fd (PyIsolateRing       *self);
gboolean           _pyisolate_ring_wait_for    (PyIsolateRing       *self,
                                                int                  socket_fd);
void               _pyisolate_ring_clear       (PyIsolateRing       *self);

G_END_DECLS
