/* SPDX-License-Identifier: MIT */
/* The messages that go out on a lane: by the ring or the socket, or neither now. With the lock of sending held. */
#include "config.h"

#include "pyisolate-lane-send-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* A frame up to this size is copied rather than gathered by the kernel, and may share its message with others. */
#define SMALL_FRAME 2048

static PyIsolateSendState
state_of_errno (void)
{
  return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? PYISOLATE_SEND_BLOCKED : PYISOLATE_SEND_BROKEN;
}

/* In whatever pieces; with its descriptors, if it has any. */
gboolean
_pyisolate_lane_send_message (PyIsolateLane *self,
                              struct iovec  *pieces,
                              guint          n_pieces,
                              const int     *fds,
                              guint          n_fds)
{
  union {
    struct cmsghdr align;
    char buffer[CMSG_SPACE (PYISOLATE_MAX_FDS * sizeof (int))];
  } control;
  struct msghdr message = { .msg_iov = pieces, .msg_iovlen = n_pieces };
  ssize_t sent;

  if (n_fds > 0)
    {
      struct cmsghdr *cmsg;

      memset (&control, 0, CMSG_SPACE (n_fds * sizeof (int)));
      message.msg_control = control.buffer;
      message.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      cmsg = CMSG_FIRSTHDR (&message);
      cmsg->cmsg_level = SOL_SOCKET;
      cmsg->cmsg_type = SCM_RIGHTS;
      cmsg->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
      memcpy (CMSG_DATA (cmsg), fds, n_fds * sizeof (int));
    }

  do
    {
      /* The kernel has less to copy. */
      if (n_pieces == 1 && n_fds == 0)
        sent = send (self->fd, pieces->iov_base, pieces->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
      else
        sent = sendmsg (self->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
  while (sent < 0 && errno == EINTR);

  return sent >= 0;
}

/* By the ring, or else by the socket. */
static PyIsolateSendState
send_pieces (PyIsolateLane *self,
             struct iovec  *pieces,
             guint          n_pieces,
             const int     *fds,
             guint          n_fds)
{
  if (self->out != NULL && n_fds == 0 && _pyisolate_ring_write (self->out, pieces, n_pieces))
    return PYISOLATE_SENT;

  if (!_pyisolate_lane_send_message (self, pieces, n_pieces, fds, n_fds))
    return state_of_errno ();
  if (self->out != NULL)
    _pyisolate_ring_note_sent (self->out);

  return PYISOLATE_SENT;
}

PyIsolateSendState
_pyisolate_lane_send_bytes (PyIsolateLane *self,
                            guint8        *data,
                            gsize          size)
{
  struct iovec piece = { data, size };

  return send_pieces (self, &piece, 1, NULL, 0);
}

/* At most @size bytes of the payload, from @from on. Returns how many pieces that are. */
static guint
cut_payload (const struct iovec *payload,
             gsize               from,
             gsize               size,
             struct iovec       *pieces)
{
  guint n_pieces = 0;

  for (guint i = 0; i < PYISOLATE_LANE_N_PIECES && size > 0; i++)
    {
      gsize skipped = MIN (from, payload[i].iov_len);
      gsize length = MIN (payload[i].iov_len - skipped, size);

      from -= skipped;
      size -= length;
      if (length > 0)
        pieces[n_pieces++] = (struct iovec) { (guint8 *) payload[i].iov_base + skipped, length };
    }

  return n_pieces;
}

/* As many messages as it takes, or as the socket takes. *@sent: how much of the payload has gone; *@begun: whether the first
 * message has. */
PyIsolateSendState
_pyisolate_lane_send_parts (PyIsolateLane            *self,
                            const PyIsolateFrameView *view,
                            gsize                    *sent,
                            gboolean                 *begun)
{
  static const guint64 zeros = 0;
  struct iovec payload[PYISOLATE_LANE_N_PIECES];
  PyIsolateLaneHeader whole;
  gsize size;

  _pyisolate_lane_header_init (&whole, view);
  size = _pyisolate_lane_get_payload (&whole, view, payload);

  do
    {
      PyIsolateLaneHeader header = { .kind = whole.kind, .flags = PYISOLATE_LANE_CONTINUED, .id = whole.id };
      struct iovec pieces[PYISOLATE_LANE_N_PIECES + 2] = { { &header, sizeof header } };
      gsize part = MIN (size - *sent, PYISOLATE_LANE_MAX_MESSAGE - sizeof header);
      guint n_pieces;
      PyIsolateSendState state;

      if (!*begun)
        header = whole;
      if (*sent + part < size)
        header.flags |= PYISOLATE_LANE_MORE;
      header.part_size = part;
      n_pieces = 1 + cut_payload (payload, *sent, part, pieces + 1);
      pieces[n_pieces++] = (struct iovec) { (gpointer) &zeros, PYISOLATE_LANE_PADDING (part) };

      state = send_pieces (self, pieces, n_pieces, view->fds, *begun ? 0 : view->n_fds);
      if (state != PYISOLATE_SENT)
        return state;
      *begun = TRUE;
      *sent += part;
    }
  while (*sent < size);

  return PYISOLATE_SENT;
}

gsize
_pyisolate_lane_small_size (const PyIsolateLaneHeader *header)
{
  gsize size = _pyisolate_lane_payload_size (header);

  return sizeof *header + size + PYISOLATE_LANE_PADDING (size);
}

gboolean
_pyisolate_lane_is_small (const PyIsolateLaneHeader *header)
{
  return header->n_fds == 0 && _pyisolate_lane_small_size (header) <= SMALL_FRAME;
}

static void
put_piece (guint8      **at,
           gconstpointer data,
           gsize         size)
{
  if (size > 0)
    memcpy (*at, data, size);
  *at += size;
}

/* A whole small frame. */
void
_pyisolate_lane_write_small (guint8                   *at,
                             PyIsolateLaneHeader      *header,
                             const PyIsolateFrameView *view)
{
  gsize size = _pyisolate_lane_payload_size (header);

  header->part_size = size;
  put_piece (&at, header, sizeof *header);
  put_piece (&at, view->chain, header->n_chain * sizeof (guint64));
  put_piece (&at, view->records, header->n_records * sizeof (PyIsolateMemoryRecord));
  put_piece (&at, view->body, header->body_size);
  put_piece (&at, view->target, header->target_size);
  put_piece (&at, view->name, header->name_size);
  put_piece (&at, view->message, header->message_size);
  memset (at, 0, PYISOLATE_LANE_PADDING (size));
}

/* With what this side owes. */
PyIsolateSendState
_pyisolate_lane_send_small (PyIsolateLane            *self,
                            PyIsolateLaneHeader      *header,
                            const PyIsolateFrameView *view)
{
  guint8 message[SMALL_FRAME];
  PyIsolateSendState state;

  header->credit = _pyisolate_lane_get_credit (self);
  _pyisolate_lane_write_small (message, header, view);

  state = _pyisolate_lane_send_bytes (self, message, _pyisolate_lane_small_size (header));
  if (state == PYISOLATE_SENT)
    self->owed -= header->credit;
  return state;
}
