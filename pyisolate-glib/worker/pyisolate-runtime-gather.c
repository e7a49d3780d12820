/* SPDX-License-Identifier: MIT */
/* Answers of one thread to calls that came together go together, in one message: while a thread gathers, they wait. For nothing
 * but each other: whoever is about to block, or to run a def, which may, sends what there is; so does who sends anything else. */
#include "config.h"

#include "pyisolate-runtime-private.h"

/* More answers than these are not worth that the first one waits. */
#define MAX_GATHERED 16

static __thread struct {
  gboolean active;
  PyIsolateLane *lane; /* that is held back, or NULL */
  guint n_answers;
} gathering;

void
_pyisolate_lanes_gather (void)
{
  gathering.active = TRUE;
}

/* A frame of that kind is about to be sent by @lane. */
void
_pyisolate_lanes_gather_on (PyIsolateLane      *lane,
                            PyIsolateFrameKind  kind)
{
  if (!gathering.active)
    return;

  if (kind != PYISOLATE_FRAME_RETURN && kind != PYISOLATE_FRAME_ERROR)
    {
      _pyisolate_lanes_send_gathered ();
      return;
    }

  if (gathering.lane != lane || gathering.n_answers == MAX_GATHERED)
    {
      _pyisolate_lanes_send_gathered ();
      gathering.lane = g_object_ref (lane);
      _pyisolate_lane_cork (lane);
    }
  gathering.n_answers++;
}

void
_pyisolate_lanes_send_gathered (void)
{
  if (gathering.lane == NULL)
    return;

  _pyisolate_lane_uncork (gathering.lane);
  g_clear_object (&gathering.lane);
  gathering.n_answers = 0;
}

void
_pyisolate_lanes_end_gathering (void)
{
  gathering.active = FALSE;
  _pyisolate_lanes_send_gathered ();
}
