/* SPDX-License-Identifier: MIT */
/* What a worker can send without an end. */
#include "config.h"

#include "hostile-worker.h"

#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-frame-private.h"
#include "pyisolate-lane-struct-private.h"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#define CANCEL_INTERVAL_US 20000

/* A socket that has this much, if the kernel lets us, keeps its reader busy while this process waits for its turn. */
#define SOCKET_SIZE (16 * 1024 * 1024)

void
send_cancel (guint64 id)
{
  GDBusMessage *message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE, "Cancel");

  g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  g_dbus_message_set_body (message, g_variant_new ("(t)", id));
  send_message (message);
}

void
flood_with_events (PyIsolateLane *lane)
{
  while (TRUE)
    {
      struct pollfd fd = { _pyisolate_lane_get_socket (lane), POLLOUT, 0 };

      send_on_lane (lane, PYISOLATE_FRAME_EVENT, 0, "flood", NULL);
      if (_pyisolate_lane_wants_write (lane) && poll (&fd, 1, -1) > 0)
        _pyisolate_lane_flush (lane);
    }
}

static void
write_somewhere (PyIsolateLane             *lane,
                 const PyIsolateLaneHeader *frames,
                 guint                      n_frames)
{
  const guint n_in_ring = PYISOLATE_RING_MAX_MESSAGE / sizeof *frames;
  struct iovec message = { (gpointer) frames, n_in_ring * sizeof *frames };

  if (_pyisolate_ring_write (lane->out, &message, 1))
    return;
  if (send (_pyisolate_lane_get_socket (lane), frames, n_frames * sizeof *frames, MSG_DONTWAIT) > 0)
    _pyisolate_ring_note_sent (lane->out);
  else
    sched_yield ();
}

void
flood_with_memory (PyIsolateLane *lane,
                   gboolean       cancels)
{
  const int socket_size = SOCKET_SIZE;
  PyIsolateLaneHeader frames[PYISOLATE_LANE_MAX_MESSAGE / sizeof (PyIsolateLaneHeader)];
  gint64 end = g_get_monotonic_time () + HOSTILE_FLOOD_SECONDS * G_USEC_PER_SEC;
  gint64 next_cancel = 0;

  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    frames[i] = (PyIsolateLaneHeader) { .kind = PYISOLATE_FRAME_MEMORY };
  if (setsockopt (_pyisolate_lane_get_socket (lane), SOL_SOCKET, SO_SNDBUFFORCE, &socket_size, sizeof socket_size) < 0)
    setsockopt (_pyisolate_lane_get_socket (lane), SOL_SOCKET, SO_SNDBUF, &socket_size, sizeof socket_size);

  for (gint64 now = 0; now < end; now = g_get_monotonic_time ())
    {
      if (cancels && now >= next_cancel)
        {
          send_cancel (12345);
          next_cancel = now + CANCEL_INTERVAL_US;
        }
      write_somewhere (lane, frames, G_N_ELEMENTS (frames));
    }
}
