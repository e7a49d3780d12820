/* SPDX-License-Identifier: MIT */
/* Any messages on a lane: each byte of a frame that comes of them can be read, and each text is one.
 *
 * An input is a row of messages, each after two bytes of its length and one that says how many descriptors go with it. */
#include "config.h"

#include "pyisolate-error.h"
#include "pyisolate-lane-private.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data,
                            size_t         size);

/* Refused ones are dropped: an input that is larger than the socket. */
static void
send_message (int           fd,
              const guint8 *data,
              gsize         size,
              guint         n_fds)
{
  union {
    struct cmsghdr align;
    char buffer[CMSG_SPACE (3 * sizeof (int))];
  } control = { .buffer = { 0 } };
  struct iovec piece = { (gpointer) data, size };
  struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

  if (n_fds > 0)
    {
      const int fds[] = { fd, fd, fd };
      struct cmsghdr *cmsg;

      message.msg_control = control.buffer;
      message.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      cmsg = CMSG_FIRSTHDR (&message);
      *cmsg = (struct cmsghdr) { CMSG_LEN (n_fds * sizeof (int)), SOL_SOCKET, SCM_RIGHTS };
      memcpy (CMSG_DATA (cmsg), fds, n_fds * sizeof (int));
    }
  (void) !sendmsg (fd, &message, MSG_DONTWAIT);
}

static void
send_messages (int           fd,
               const guint8 *data,
               gsize         size)
{
  while (size >= 3)
    {
      gsize length = MIN ((gsize) (data[0] | data[1] << 8), size - 3);

      send_message (fd, data + 3, length, data[2] % 4);
      data += 3 + length;
      size -= 3 + length;
    }
}

static guint64
sum_bytes (gconstpointer data,
           gsize         size)
{
  guint64 sum = 0;

  for (gsize i = 0; i < size; i++)
    sum += ((const guint8 *) data)[i];
  return sum;
}

static void
check_text (const char *text)
{
  if (text != NULL && !g_utf8_validate (text, -1, NULL))
    g_error ("a text that is not UTF-8");
}

static void
on_frame (PyIsolateTransport *transport,
          PyIsolateFrame     *frame,
          gpointer            user_data)
{
  guint64 *sum = user_data;

  check_text (frame->target);
  check_text (frame->name);
  check_text (frame->message);
  g_assert_true (frame->n_chain <= PYISOLATE_MAX_CHAIN && frame->n_fds <= 3);
  *sum += sum_bytes (frame->chain, frame->n_chain * sizeof (guint64));
  if (frame->body != NULL)
    *sum += sum_bytes (g_bytes_get_data (frame->body, NULL), g_bytes_get_size (frame->body));
  _pyisolate_frame_free (frame);
}

static void
on_closed (PyIsolateTransport *transport,
           const GError       *error,
           gpointer            user_data)
{
  g_assert_true (error == NULL || error->domain == PYISOLATE_ERROR);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  static const PyIsolateTransportHandler handler = { on_frame, on_closed };
  g_autoptr (PyIsolateLane) lane = NULL;
  guint64 sum = 0;
  int fds[2];

  g_assert_true (_pyisolate_lane_socketpair (fds));
  lane = _pyisolate_lane_new (fds[0]);
  _pyisolate_transport_start (PYISOLATE_TRANSPORT (lane), &handler, &sum, NULL);
  send_messages (fds[1], data, size);
  while (_pyisolate_lane_receive (lane, 8))
    ;
  close (fds[1]);
  return 0;
}
