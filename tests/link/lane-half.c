/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lane-half.h"

#include "pyisolate-fd-private.h"

#include <string.h>

static void
on_waiting (PyIsolateLane *lane,
            gpointer       data)
{
  ((Half *) data)->n_waiting++;
}

void
half_init (Half *half)
{
  int fds[2];

  g_assert_true (_pyisolate_lane_socketpair (fds));
  half->lane = _pyisolate_lane_new (fds[0]);
  half->peer = fds[1];
  half->n_waiting = 0;
  _pyisolate_lane_set_waiting_func (half->lane, on_waiting, half);
}

void
half_clear (Half *half)
{
  g_clear_object (&half->lane);
  _pyisolate_clear_fd (&half->peer);
}

PyIsolateFrame *
make_call (guint64 id,
           gsize   size,
           guint   n_fds)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, id);
  guint8 *body = g_malloc (size);
  int *fds = g_new (int, n_fds);

  for (gsize i = 0; i < size; i++)
    body[i] = (guint8) (i * 31 + id);
  for (guint i = 0; i < n_fds; i++)
    fds[i] = _pyisolate_dup_fd (0, NULL);
  _pyisolate_frame_set_target (frame, ""); /* as those who call do: the frame has room of its own for them */
  _pyisolate_frame_set_name (frame, "name");
  frame->body = g_bytes_new_take (body, size);
  _pyisolate_frame_take_fds (frame, fds, n_fds);

  return frame;
}
