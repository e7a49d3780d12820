/* SPDX-License-Identifier: MIT */
/* The main thread's answers to calls that came together go together, in one message: while it gathers, they wait. For nothing but
 * each other: whoever is about to block, or to run a def, which may, sends what there is; so does who sends anything else. And
 * where a coroutine keeps the thread for longer the link's thread does. */
#include "config.h"

#include "pyisolate-runtime-private.h"

/* More answers than these are not worth that the first one waits. */
#define MAX_GATHERED 16

/* The longest that an answer waits, about. */
#define PATIENCE_US 5000

static PyIsolateLane *held_back; /* atomic: the lane that is corked, or NULL */

static __thread struct {
  gboolean active;
  guint n_answers;
} gathering;

static struct {
  int is_armed; /* atomic: it will look */
  int has_work; /* atomic: something was held back since it looked */
} watch;

static gboolean
exchange (int *flag)
{
  return g_atomic_int_compare_and_exchange (flag, TRUE, FALSE);
}

/* By any thread. */
static void
send_held_back (void)
{
  g_autoptr (PyIsolateLane) lane = g_atomic_pointer_exchange (&held_back, NULL);

  if (lane != NULL)
    _pyisolate_lane_uncork (lane);
}

/* In the link's thread, every now and then while there is something to do: it need not be woken each time. */
static gboolean
look_after (GSource     *source,
            GSourceFunc  callback,
            gpointer     user_data)
{
  gint64 next = exchange (&watch.has_work) ? g_get_monotonic_time () + PATIENCE_US : -1;

  send_held_back ();
  g_source_set_ready_time (source, next);
  if (next < 0)
    {
      g_atomic_int_set (&watch.is_armed, FALSE);
      if (g_atomic_int_get (&watch.has_work) && g_atomic_int_compare_and_exchange (&watch.is_armed, FALSE, TRUE))
        g_source_set_ready_time (source, g_get_monotonic_time () + PATIENCE_US);
    }

  return G_SOURCE_CONTINUE;
}

static GSource *
get_source (void)
{
  static GSourceFuncs funcs = { .dispatch = look_after };
  static GSource *source;
  static gsize is_made;

  if (g_once_init_enter (&is_made))
    {
      source = g_source_new (&funcs, sizeof *source);
      g_source_set_static_name (source, "[pyisolate] gathered answers");
      g_source_attach (source, _pyisolate_runtime.context);
      g_once_init_leave (&is_made, 1);
    }

  return source;
}

static void
hold_back (PyIsolateLane *lane)
{
  _pyisolate_lane_cork (lane);
  g_atomic_pointer_set (&held_back, g_object_ref (lane));

  g_atomic_int_set (&watch.has_work, TRUE);
  if (g_atomic_int_compare_and_exchange (&watch.is_armed, FALSE, TRUE))
    g_source_set_ready_time (get_source (), g_get_monotonic_time () + PATIENCE_US);
}

/* In the main thread alone. */
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

  if (g_atomic_pointer_get (&held_back) != lane || gathering.n_answers == MAX_GATHERED)
    {
      _pyisolate_lanes_send_gathered ();
      hold_back (lane);
    }
  gathering.n_answers++;
}

/* What this thread has gathered. In a child that was forked meanwhile it is its parent's. */
void
_pyisolate_lanes_send_gathered (void)
{
  if (!gathering.active || _pyisolate_runtime_is_forked ())
    return;

  send_held_back ();
  gathering.n_answers = 0;
}

void
_pyisolate_lanes_end_gathering (void)
{
  _pyisolate_lanes_send_gathered ();
  gathering.active = FALSE;
}
