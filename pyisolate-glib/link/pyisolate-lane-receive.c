/* SPDX-License-Identifier: MIT */
/* What comes in on a lane, checked.
 *
 * A message is received into a buffer of this process alone, so that its bytes do not change while they are looked at. A frame
 * that is whole is read where it lies; one in parts is put together first, in memory that is counted before it is had. */
#include "config.h"

#include "pyisolate-lane-struct-private.h"

#include "pyisolate-endpoint-private.h"
#include "pyisolate-error.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A body from this size on is not copied out of the buffer: the buffer goes with it. */
#define LARGE_BODY 8192

/* So many bytes of what is large are read before whoever reads does something else. */
#define BYTES_AT_ONCE ((gsize) 64 * 1024)

/* So many parts of one frame, too: the largest frame of whoever makes them as large as they may be has fewer. */
#define PARTS_AT_ONCE 1024

/* Who drains looks after so many frames whether it is done. */
#define DRAINED_AT_ONCE 64

static void
close_fds (PyIsolateLane *self)
{
  for (guint i = 0; i < self->n_fds; i++)
    close (self->fds[i]);
  g_clear_pointer (&self->fds, g_free);
  self->n_fds = 0;
  self->lacks_fds = FALSE;
}

static void
clear_assembled (PyIsolateLane *self)
{
  g_clear_pointer (&self->assembled, g_free);
  if (self->budget != NULL)
    g_atomic_pointer_add (&self->budget->bytes, -(gssize) self->assembled_cost);
  self->assembled_cost = 0;
  self->n_assembled = 0;
  self->is_partial = FALSE;
}

void
_pyisolate_lane_receive_clear (PyIsolateLane *self)
{
  close_fds (self);
  clear_assembled (self);
  g_clear_pointer (&self->buffer, g_free);
}

static gboolean
fail (PyIsolateLane  *self,
      PyIsolateError  code,
      const char     *problem)
{
  _pyisolate_lane_fail (self, g_error_new (PYISOLATE_ERROR, (int) code, "On a lane: %s", problem));
  g_atomic_int_set (&self->ended, TRUE);

  return FALSE;
}

/* The descriptors are this process's now, whatever they came with, and come to those of the first part of a frame. */
static gboolean
take_control (PyIsolateLane *self,
              struct msghdr *message)
{
  for (struct cmsghdr *cmsg = CMSG_FIRSTHDR (message); cmsg != NULL; cmsg = CMSG_NXTHDR (message, cmsg))
    {
      guint n_fds = (cmsg->cmsg_len - CMSG_LEN (0)) / sizeof (int);

      if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
        return FALSE;
      self->fds = g_renew (int, self->fds, self->n_fds + n_fds);
      memcpy (self->fds + self->n_fds, CMSG_DATA (cmsg), n_fds * sizeof (int));
      self->n_fds += n_fds;
      self->n_message_fds += n_fds;
    }

  return TRUE;
}

static gboolean
is_peer_done (PyIsolateLane *self)
{
  return g_atomic_int_get (&self->is_peer_gone) || _pyisolate_ring_is_ended (self->in);
}

/* How the next message comes. HAS: it is in the buffer. */
static PyIsolateRingState
receive_from_ring (PyIsolateLane *self)
{
  gboolean is_last;
  PyIsolateRingState state;

  /* They may have sent something, and gone. Who goes wakes only a reader that has said by then that it waits. */
  do
    {
      is_last = is_peer_done (self);
      state = _pyisolate_ring_read (self->in, self->buffer, &self->size);
    }
  while (state == PYISOLATE_RING_EMPTY && !is_last && is_peer_done (self));

  self->at = 0;
  self->n_message_fds = 0;
  if (state != PYISOLATE_RING_HAS)
    self->size = 0;
  if (state == PYISOLATE_RING_BAD)
    fail (self, PYISOLATE_ERROR_BAD_MESSAGE, "what is in the shared memory is no message");
  else if (state == PYISOLATE_RING_EMPTY && is_last)
    g_atomic_int_set (&self->ended, TRUE);

  return state;
}

static gboolean
receive_from_socket (PyIsolateLane *self)
{
  union {
    struct cmsghdr align;
    char buffer[CMSG_SPACE (PYISOLATE_MAX_FDS * sizeof (int))];
  } control;
  struct iovec part;
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
  ssize_t size;

  part = (struct iovec) { self->buffer, PYISOLATE_LANE_MAX_MESSAGE };
  message.msg_control = control.buffer;
  message.msg_controllen = sizeof control.buffer;

  /* That the other side went without reading everything is told once, and before what it had sent. */
  do
    size = recvmsg (self->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (size < 0 && (errno == EINTR || errno == ECONNRESET));

  if (size < 0 && errno == EAGAIN && self->in != NULL)
    return fail (self, PYISOLATE_ERROR_BAD_MESSAGE, "a message that was announced is not there");
  if (size < 0 && (errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS))
    {
      g_atomic_int_set (&self->has_more, errno != EAGAIN);
      return FALSE;
    }
  if (size <= 0) /* an end, or an empty message, which nobody sends */
    {
      g_atomic_int_set (&self->ended, TRUE);
      return FALSE;
    }

  self->at = 0;
  self->size = size;
  self->n_message_fds = 0;
  if (message.msg_controllen > 0 && !take_control (self, &message))
    return fail (self, PYISOLATE_ERROR_BAD_MESSAGE, "a message came with something else than file descriptors");
  if ((message.msg_flags & MSG_TRUNC) != 0)
    return fail (self, PYISOLATE_ERROR_BAD_MESSAGE, "a message is too long");
  /* There was room for as many as the kernel sends: what it could not make is a descriptor. That is an error of one frame. */
  if ((message.msg_flags & MSG_CTRUNC) != 0)
    {
      close_fds (self);
      self->n_message_fds = 0;
      self->lacks_fds = TRUE;
    }

  if (self->in != NULL)
    _pyisolate_ring_note_received (self->in);
  return TRUE;
}

/* The next message into the buffer. */
static gboolean
receive_message (PyIsolateLane *self)
{
  PyIsolateRingState state = PYISOLATE_RING_SOCKET;

  g_atomic_int_set (&self->has_more, TRUE);
  if (self->buffer == NULL)
    self->buffer = g_malloc (PYISOLATE_LANE_MAX_MESSAGE);
  if (self->in != NULL)
    state = receive_from_ring (self);
  if (state == PYISOLATE_RING_SOCKET)
    return receive_from_socket (self);

  if (state == PYISOLATE_RING_EMPTY)
    g_atomic_int_set (&self->has_more, FALSE);
  return state == PYISOLATE_RING_HAS;
}

/* The descriptors of the last frame, with their array. */
static int *
steal_fds (PyIsolateLane *self,
           guint         *n_fds)
{
  *n_fds = self->n_fds;
  self->n_fds = 0;
  self->view.n_fds = 0;

  return g_steal_pointer (&self->fds);
}

gboolean
_pyisolate_lane_take_rings (PyIsolateLane *self)
{
  PyIsolateLaneHeader header = { 0 };
  g_autofree int *fds = NULL;
  guint n_fds;

  if (!receive_message (self))
    return TRUE;

  memcpy (&header, self->buffer, MIN (self->size, sizeof header));
  if (header.kind == PYISOLATE_LANE_RINGS && self->lacks_fds)
    return FALSE;
  if (header.kind != PYISOLATE_LANE_RINGS || self->n_fds != PYISOLATE_LANE_N_RING_FDS)
    return TRUE; /* it is read, or found to be nonsense, later */

  self->size = 0;
  fds = steal_fds (self, &n_fds);
  self->out = _pyisolate_ring_new_of_peer (PYISOLATE_RING_WRITER, fds);
  self->in = _pyisolate_ring_new_of_peer (PYISOLATE_RING_READER, fds + PYISOLATE_RING_N_FDS);

  return self->out != NULL && self->in != NULL;
}

static const char *
begin_parts (PyIsolateLane             *self,
             const PyIsolateLaneHeader *header)
{
  gsize size = _pyisolate_lane_payload_size (header);

  if (self->is_partial)
    return "a frame begins within another";

  self->partial = *header;
  self->is_partial = TRUE;
  self->n_assembled = 0;
  self->assembled_cost = size;
  if (self->budget != NULL &&
      (gsize) g_atomic_pointer_add (&self->budget->bytes, (gssize) size) + size > PYISOLATE_MAX_BYTES_IN)
    return "more has arrived than anybody takes";

  self->assembled = g_try_malloc (size);
  return self->assembled == NULL ? "there is no memory for a frame" : NULL;
}

/* One part of a frame. *@whole: it was the last. */
static const char *
add_part (PyIsolateLane             *self,
          const PyIsolateLaneHeader *header,
          const guint8              *part,
          gboolean                  *whole)
{
  const char *problem = NULL;

  if ((header->flags & PYISOLATE_LANE_CONTINUED) == 0)
    problem = begin_parts (self, header);
  else if (!self->is_partial || header->kind != self->partial.kind || header->id != self->partial.id)
    problem = "a part of a frame that has not begun";
  if (problem != NULL)
    return problem;

  if (header->part_size > _pyisolate_lane_payload_size (&self->partial) - self->n_assembled)
    return "a frame has more parts than it says";

  memcpy (self->assembled + self->n_assembled, part, header->part_size);
  self->n_assembled += header->part_size;
  *whole = (header->flags & PYISOLATE_LANE_MORE) == 0;
  if (*whole && self->n_assembled != _pyisolate_lane_payload_size (&self->partial))
    return "a frame ends before its end";

  return NULL;
}

/* Those of the message belong to its first frame, and must be as many as that says. */
static const char *
check_fds (PyIsolateLane             *self,
           const PyIsolateLaneHeader *header,
           gboolean                   is_first)
{
  if (is_first && self->lacks_fds && header->n_fds > 0)
    return NULL;
  if (header->n_fds != (is_first ? self->n_message_fds : 0))
    return "a frame and its message have different numbers of file descriptors";

  return NULL;
}

/* The frame at `at`. *@whole: it is in the view now. */
static const char *
read_frame (PyIsolateLane *self,
            gboolean      *whole)
{
  const guint8 *data = self->buffer + self->at;
  const guint8 *payload = data + sizeof (PyIsolateLaneHeader);
  gboolean is_first = self->at == 0;
  PyIsolateLaneHeader header;
  const char *problem;

  problem = _pyisolate_lane_check_header (data, self->size - self->at, &header);
  if (problem == NULL)
    problem = check_fds (self, &header, is_first);
  if (problem != NULL)
    return problem;

  self->at += sizeof header + header.part_size + PYISOLATE_LANE_PADDING (header.part_size);
  if (header.credit > 0)
    problem = _pyisolate_lane_take_credit (self, header.credit);
  if (problem != NULL)
    return problem;

  if (header.flags == 0)
    {
      *whole = TRUE;
      if (self->is_partial)
        return "a frame begins within another";
      return _pyisolate_lane_check_payload (&header, payload, &self->view);
    }

  problem = add_part (self, &header, payload, whole);
  if (problem != NULL || !*whole)
    return problem;

  self->is_partial = FALSE;
  return _pyisolate_lane_check_payload (&self->partial, self->assembled, &self->view);
}

static gboolean
find_next (PyIsolateLane *self)
{
  gboolean whole = FALSE;

  for (guint n_parts = 0; !whole; n_parts++)
    {
      const char *problem;

      if (n_parts == PARTS_AT_ONCE)
        {
          g_atomic_int_set (&self->has_more, TRUE);
          return FALSE;
        }

      if (g_atomic_int_get (&self->closing))
        g_atomic_int_set (&self->ended, TRUE);
      if (g_atomic_int_get (&self->ended))
        return FALSE;
      if (self->at >= self->size && !receive_message (self))
        return FALSE;

      problem = read_frame (self, &whole);
      if (problem != NULL)
        return fail (self, PYISOLATE_ERROR_BAD_MESSAGE, problem);
      if (self->view.kind == PYISOLATE_LANE_CREDIT)
        whole = FALSE;
    }

  return TRUE;
}

void
_pyisolate_lane_lock (PyIsolateLane *self)
{
  g_mutex_lock (&self->receive_mutex);
}

gboolean
_pyisolate_lane_next (PyIsolateLane      *self,
                      PyIsolateFrameView *view)
{
  if (!self->is_partial)
    {
      if (self->fds != NULL || self->lacks_fds)
        close_fds (self);
      if (self->assembled_cost > 0)
        clear_assembled (self); /* its memory may have gone with the frame, its cost is the frame's now */
    }
  if (!find_next (self))
    return FALSE;

  self->view.fds = self->fds;
  self->view.n_fds = self->n_fds;
  *view = self->view;

  return TRUE;
}

void
_pyisolate_lane_unlock (PyIsolateLane *self)
{
  gboolean tell = g_atomic_int_get (&self->ended) && !self->told;
  g_autoptr (GError) reason = NULL;

  self->told = self->told || tell;
  g_mutex_unlock (&self->receive_mutex);

  if (!tell)
    return;

  _pyisolate_lane_take_back (self);

  g_mutex_lock (&self->reason_mutex);
  reason = self->reason != NULL ? g_error_copy (self->reason) : NULL;
  g_mutex_unlock (&self->reason_mutex);
  _pyisolate_transport_emit_closed (PYISOLATE_TRANSPORT (self), reason);
}

/* The memory that @data is in goes with the bytes. */
static GBytes *
steal_body (PyIsolateLane *self)
{
  const PyIsolateFrameView *view = &self->view;
  guint8 *memory;

  if (view->body_size < LARGE_BODY || (self->assembled == NULL && self->at < self->size))
    return g_bytes_new (view->body, view->body_size);

  memory = self->assembled != NULL ? g_steal_pointer (&self->assembled) : g_steal_pointer (&self->buffer);
  return g_bytes_new_with_free_func (view->body, view->body_size, g_free, memory);
}

PyIsolateFrame *
_pyisolate_lane_steal_frame (PyIsolateLane *self)
{
  const PyIsolateFrameView *view = &self->view;
  PyIsolateFrame *frame = _pyisolate_frame_new (view->kind, view->id);
  guint n_fds;
  int *fds = steal_fds (self, &n_fds);

  frame->taken_size = _pyisolate_lane_get_bulk (view);
  if (frame->taken_size > 0)
    {
      frame->taken_func = _pyisolate_lane_give_credit;
      frame->sender = G_OBJECT (g_object_ref (self));
    }
  if (self->lacks_fds)
    _pyisolate_frame_set_lacks_fds (frame);
  if (fds != NULL)
    _pyisolate_frame_take_fds (frame, fds, n_fds);
  if (view->n_chain > 0)
    _pyisolate_frame_set_chain (frame, view->chain, view->n_chain);
  if (view->n_records > 0)
    _pyisolate_frame_set_records (frame, view->records, view->n_records);
  _pyisolate_frame_set_target (frame, view->target);
  _pyisolate_frame_set_name (frame, view->name);
  frame->message = g_strdup (view->message);
  if (view->kind != PYISOLATE_FRAME_CANCEL && view->kind != PYISOLATE_FRAME_MEMORY)
    frame->body = steal_body (self); /* the last: it may take the memory of all the others with it */

  return frame;
}

/* Whether more frames of the last message are here; with the lock held. */
static gboolean
has_buffered (PyIsolateLane *self)
{
  return self->at < self->size;
}

gboolean
_pyisolate_lane_is_left (PyIsolateLane *self)
{
  if (has_buffered (self))
    return TRUE;
  if (self->in == NULL || g_atomic_int_get (&self->ended))
    return FALSE;

  /* In this order, as where it is read. */
  return !_pyisolate_ring_is_empty (self->in) || is_peer_done (self);
}

gboolean
_pyisolate_lane_has_more (PyIsolateLane *self)
{
  return g_atomic_int_get (&self->has_more) && !g_atomic_int_get (&self->ended);
}

gboolean
_pyisolate_lane_is_ended (PyIsolateLane *self)
{
  return g_atomic_int_get (&self->ended);
}

/* How much a reader takes before it does something else. */
typedef struct {
  guint n_frames;
  gsize n_bytes;
} Turn;

static gboolean
is_over (const Turn *turn,
         guint       max_frames)
{
  return turn->n_frames >= max_frames || turn->n_bytes >= BYTES_AT_ONCE;
}

/* With the lock held: gives the frames of one message to the handler. FALSE: there is none. */
static gboolean
emit_message (PyIsolateLane *self,
              Turn          *turn,
              guint          max_frames)
{
  PyIsolateFrameView view;

  if (!_pyisolate_lane_next (self, &view))
    return FALSE;

  do
    {
      turn->n_frames++;
      turn->n_bytes += _pyisolate_lane_get_bulk (&view);
      _pyisolate_transport_emit_frame (PYISOLATE_TRANSPORT (self), _pyisolate_lane_steal_frame (self));
    }
  while (!is_over (turn, max_frames) && has_buffered (self) && _pyisolate_lane_next (self, &view));

  return TRUE;
}

/* With the lock held: who was stopped by what one message has need not come back if it was the only one. */
static void
look_ahead (PyIsolateLane *self)
{
  if (self->in != NULL && !has_buffered (self) && _pyisolate_ring_is_empty (self->in) && !is_peer_done (self))
    g_atomic_int_set (&self->has_more, FALSE);
}

gboolean
_pyisolate_lane_receive (PyIsolateLane *self,
                         guint          max_frames)
{
  Turn turn = { 0 };
  gboolean more;

  _pyisolate_lane_lock (self);
  while (!is_over (&turn, max_frames) && emit_message (self, &turn, max_frames))
    ;
  if (is_over (&turn, max_frames))
    look_ahead (self);
  more = _pyisolate_lane_has_more (self);
  _pyisolate_lane_unlock (self);
  _pyisolate_lane_release (self);

  return more;
}

/* More cannot be under way. The other end of the socket is as large as this one, and takes one message more than it has room
 * for. */
gsize
_pyisolate_lane_get_capacity (PyIsolateLane *self)
{
  int socket_size = 0;
  socklen_t length = sizeof socket_size;

  if (getsockopt (self->fd, SOL_SOCKET, SO_SNDBUF, &socket_size, &length) < 0 || socket_size < 0)
    socket_size = 0;

  return PYISOLATE_RING_SIZE + (gsize) socket_size + PYISOLATE_LANE_MAX_MESSAGE;
}

void
_pyisolate_lane_drain (PyIsolateLane *self)
{
  gsize n_turns = _pyisolate_lane_get_capacity (self) / sizeof (PyIsolateLaneHeader) / DRAINED_AT_ONCE;

  /* Those that end because of what is large. */
  n_turns += PYISOLATE_LANE_BULK_WINDOW / BYTES_AT_ONCE + 2;
  while (n_turns-- > 0 && _pyisolate_lane_receive (self, DRAINED_AT_ONCE))
    ;
}

void
_pyisolate_lane_clear_ready (PyIsolateLane *self)
{
  if (self->in != NULL)
    _pyisolate_ring_clear (self->in);
}

gboolean
_pyisolate_lane_receive_ready (PyIsolateLane *self,
                               guint          max_frames)
{
  _pyisolate_lane_clear_ready (self);

  return _pyisolate_lane_receive (self, max_frames);
}
