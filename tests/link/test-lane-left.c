/* SPDX-License-Identifier: MIT */
/* What is there when a lane with rings is read: all of it, the last words of who has gone too, and no more than there was room for. */
#include "config.h"

#include "lane-half.h"

#include "pyisolate-bell-private.h"
#include "pyisolate-lane-struct-private.h"

#include <poll.h>

static void
count_frame (PyIsolateTransport *transport,
             PyIsolateFrame     *frame,
             gpointer            user_data)
{
  guint *n_frames = user_data;

  ++*n_frames;
  _pyisolate_frame_free (frame);
}

static void
on_end (PyIsolateTransport *transport,
        const GError       *error,
        gpointer            user_data)
{
}

static gpointer
say_and_go (gpointer data)
{
  PyIsolateLane *lane = data;

  g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (lane), make_call (1, 100, 0), NULL));
  g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (lane), make_call (2, 40000, 0), NULL));
  _pyisolate_transport_close (PYISOLATE_TRANSPORT (lane), NULL);

  return NULL;
}

typedef struct {
  PyIsolateLane *reader;
  PyIsolateLane *other;
} Lanes;

/* While too many bells are about to be closed there are lanes without rings. */
static gboolean
may_have_rings (gpointer data)
{
  return _pyisolate_bell_get_n_closing () < 8;
}

/* @reader_made_it: as against: the other one. */
static void
lanes_init (Lanes   *lanes,
            gboolean reader_made_it)
{
  PyIsolateLane *lane, *peer;
  int peer_fd;

  test_util_assert_until (may_have_rings, NULL, LINK_TIMEOUT_MS);
  lane = _pyisolate_lane_new_pair (&peer_fd);
  peer = _pyisolate_lane_new_of_pair (peer_fd);
  g_assert_true (_pyisolate_lane_has_rings (lane));
  *lanes = reader_made_it ? (Lanes) { lane, peer } : (Lanes) { peer, lane };
}

static void
lanes_clear (Lanes *lanes)
{
  g_clear_object (&lanes->reader);
  g_clear_object (&lanes->other);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Lanes, lanes_clear)

/* Whoever looks when: what was said last is heard, and then that there is no more; before the other side's memory is gone, too. */
static void
test_last_words (gconstpointer reader_made_it)
{
  static const PyIsolateTransportHandler handler = { count_frame, on_end };

  for (guint i = 0; i < (test_util_is_slowed () ? 20 : 250); i++)
    {
      g_auto (Lanes) lanes = { NULL, NULL };
      g_autoptr (GThread) thread = NULL;
      struct pollfd pollfd = { .events = POLLIN };
      guint n_frames = 0;

      lanes_init (&lanes, GPOINTER_TO_INT (reader_made_it));
      pollfd.fd = _pyisolate_lane_get_fd (lanes.reader);
      _pyisolate_transport_start (PYISOLATE_TRANSPORT (lanes.reader), &handler, &n_frames, NULL);
      thread = g_thread_new ("other", say_and_go, lanes.other);
      while (!_pyisolate_lane_is_ended (lanes.reader))
        {
          g_assert_cmpint (poll (&pollfd, 1, LINK_TIMEOUT_MS), ==, 1);
          while (_pyisolate_lane_receive_ready (lanes.reader, 1 + i % 3))
            ;
        }
      g_assert_cmpuint (n_frames, ==, 2);
      g_thread_join (g_steal_pointer (&thread));
    }
}

/* Who stops reading before the end is told that there is one. */
static void
test_left_end (gconstpointer reader_made_it)
{
  g_auto (Lanes) lanes = { NULL, NULL };
  PyIsolateFrameView view;

  lanes_init (&lanes, GPOINTER_TO_INT (reader_made_it));
  say_and_go (lanes.other);
  _pyisolate_lane_lock (lanes.reader);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (_pyisolate_lane_is_left (lanes.reader));
      g_assert_true (_pyisolate_lane_next (lanes.reader, &view));
      g_assert_cmpuint (view.id, ==, i + 1);
    }
  g_assert_true (_pyisolate_lane_is_left (lanes.reader));
  g_assert_false (_pyisolate_lane_next (lanes.reader, &view));
  g_assert_false (_pyisolate_lane_is_left (lanes.reader));
  g_assert_true (_pyisolate_lane_is_ended (lanes.reader));
  _pyisolate_lane_unlock (lanes.reader);
}

#define N_SMALL_PARTS 1100
#define BODY_OF_PARTS 2000

static void
write_part (PyIsolateLane *lane,
            guint          flags,
            guint          part_size)
{
  PyIsolateLaneHeader header = { .kind = PYISOLATE_FRAME_RETURN, .id = 1, .flags = flags, .part_size = part_size };
  const guint8 zeros[BODY_OF_PARTS] = { 0 };
  struct iovec pieces[] = {
    { &header, sizeof header }, { (gpointer) zeros, part_size + PYISOLATE_LANE_PADDING (part_size) },
  };

  if ((flags & PYISOLATE_LANE_CONTINUED) == 0)
    header.body_size = BODY_OF_PARTS;
  g_assert_true (_pyisolate_ring_write (lane->out, pieces, G_N_ELEMENTS (pieces)));
}

/* Who reads the smallest of parts gets to do something else meanwhile. */
static void
test_parts_without_end (gconstpointer reader_made_it)
{
  static const PyIsolateTransportHandler handler = { count_frame, on_end };
  g_auto (Lanes) lanes = { NULL, NULL };
  guint n_frames = 0;

  lanes_init (&lanes, GPOINTER_TO_INT (reader_made_it));
  _pyisolate_transport_start (PYISOLATE_TRANSPORT (lanes.reader), &handler, &n_frames, NULL);
  write_part (lanes.other, PYISOLATE_LANE_MORE, 1);
  for (guint i = 1; i < N_SMALL_PARTS; i++)
    write_part (lanes.other, PYISOLATE_LANE_MORE | PYISOLATE_LANE_CONTINUED, 1);

  g_assert_true (_pyisolate_lane_receive (lanes.reader, 1));
  g_assert_false (_pyisolate_ring_is_empty (lanes.reader->in));
  g_assert_false (_pyisolate_lane_receive (lanes.reader, 1));
  g_assert_cmpuint (n_frames, ==, 0);
  write_part (lanes.other, PYISOLATE_LANE_CONTINUED, BODY_OF_PARTS - N_SMALL_PARTS);
  while (_pyisolate_lane_receive (lanes.reader, 1))
    ;
  g_assert_cmpuint (n_frames, ==, 1);
}

/* More than there is room for. */
#define MANY 100000

typedef struct {
  PyIsolateLane *lane;
  guint n_frames;
} Again;

static void
write_again (PyIsolateTransport *transport,
             PyIsolateFrame     *frame,
             gpointer            user_data)
{
  Again *again = user_data;

  _pyisolate_frame_free (frame);
  if (++again->n_frames < MANY)
    g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (again->lane), make_call (1, 8, 0), NULL));
}

/* What comes while one reads what was there may come for ever. */
static void
test_drain_without_end (gconstpointer reader_made_it)
{
  static const PyIsolateTransportHandler handler = { write_again, on_end };
  g_auto (Lanes) lanes = { NULL, NULL };
  Again again = { 0 };

  lanes_init (&lanes, GPOINTER_TO_INT (reader_made_it));
  again.lane = lanes.other;
  _pyisolate_transport_start (PYISOLATE_TRANSPORT (lanes.reader), &handler, &again, NULL);
  g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (lanes.other), make_call (1, 8, 0), NULL));
  _pyisolate_lane_drain (lanes.reader);
  g_assert_cmpuint (again.n_frames, <, MANY);
  g_assert_true (_pyisolate_lane_has_more (lanes.reader));
}

/* All that was sent and got through is read, whatever it went by. */
static void
test_drain (gconstpointer reader_made_it)
{
  static const PyIsolateTransportHandler handler = { count_frame, on_end };
  g_auto (Lanes) lanes = { NULL, NULL };
  guint n_sent = 0;
  guint n_frames = 0;
  guint n_drained;

  lanes_init (&lanes, GPOINTER_TO_INT (reader_made_it));
  _pyisolate_transport_start (PYISOLATE_TRANSPORT (lanes.reader), &handler, &n_frames, NULL);
  while (!_pyisolate_lane_wants_write (lanes.other))
    {
      _pyisolate_lane_cork (lanes.other);
      for (guint i = 0; i < 500; i++)
        g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (lanes.other), make_call (++n_sent, 1, 0), NULL));
      _pyisolate_lane_uncork (lanes.other);
    }
  _pyisolate_lane_drain (lanes.reader);
  n_drained = n_frames;
  g_assert_cmpuint (n_drained, >, 1000);
  g_assert_false (_pyisolate_lane_receive (lanes.reader, 1));
  g_assert_cmpuint (n_frames, ==, n_drained);
}

/* Both ways. */
static void
add_for_both (const char       *name,
              TestUtilDataFunc  test)
{
  g_autofree char *to_maker = g_strdup_printf ("/pyisolate/lane/%s/to-maker", name);
  g_autofree char *from_maker = g_strdup_printf ("/pyisolate/lane/%s/from-maker", name);

  test_util_add_data_func (to_maker, GINT_TO_POINTER (TRUE), test);
  test_util_add_data_func (from_maker, GINT_TO_POINTER (FALSE), test);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  add_for_both ("last-words", test_last_words);
  add_for_both ("left-end", test_left_end);
  add_for_both ("parts-without-end", test_parts_without_end);
  add_for_both ("drain", test_drain);
  add_for_both ("drain-without-end", test_drain_without_end);

  return g_test_run ();
}
