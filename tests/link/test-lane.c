/* SPDX-License-Identifier: MIT */
/* What only a lane has: messages of any size, queues and their limits, corks. */
#include "config.h"

#include "lane-half.h"

#include "pyisolate-error.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-lane-wire-private.h"

#include <string.h>
#include <sys/socket.h>

static void
assert_is_call (PyIsolateFrame *frame,
                guint64         id,
                gsize           size,
                guint           n_fds)
{
  g_autoptr (PyIsolateFrame) expected = make_call (id, size, 0);

  g_assert_cmpuint (frame->id, ==, id);
  g_assert_cmpuint (frame->n_fds, ==, n_fds);
  g_assert_cmpstr (frame->name, ==, "name");
  g_assert_true (g_bytes_equal (frame->body, expected->body));
}

/* Around the bounds of messages, with descriptors and without; all are still what they were when
 * the last has come. */
static void
test_sizes (void)
{
  const gsize room = PYISOLATE_LANE_MAX_MESSAGE - sizeof (PyIsolateLaneHeader) - 6;
  const gsize sizes[] = {
    0, 1, 7, 8, 1990, 2010, 8191, 8192, room - 1, room, room + 1, room + 6, 2 * room, 2 * room + 50, 1 << 20,
  };
  g_autoptr (LinkPair) pair = link_pair_new (LINK_LANE, LINK_CAREFUL);
  PyIsolateFrame *frames[2 * G_N_ELEMENTS (sizes)];

  link_side_start (&pair->host);
  link_side_start (&pair->worker);
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    link_side_send (&pair->host, make_call (i, sizes[i / 2], i % 2));
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    {
      frames[i] = link_box_take (pair->worker.box);
      _pyisolate_frame_taken (frames[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    {
      assert_is_call (frames[i], i, sizes[i / 2], i % 2);
      _pyisolate_frame_free (frames[i]);
    }
}

static void
test_long_texts (void)
{
  g_autoptr (LinkPair) pair = link_pair_new (LINK_LANE, LINK_CAREFUL);
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, 1);
  g_autoptr (PyIsolateFrame) arrived = NULL;
  g_autofree char *text = g_strnfill (1 << 20, 'x');

  link_side_start (&pair->host);
  link_side_start (&pair->worker);
  frame->name = g_strdup ("org.pyisolate.Error.Failed");
  frame->message = g_strdup (text);
  frame->body = g_bytes_new_static ("", 0);
  link_side_send (&pair->worker, frame);
  arrived = link_box_take (pair->host.box);
  g_assert_cmpstr (arrived->message, ==, text);
}

static void
test_too_large (void)
{
  g_autoptr (GError) error = NULL;
  Half half;

  half_init (&half);
  g_assert_false (_pyisolate_transport_send (PYISOLATE_TRANSPORT (half.lane),
                                             make_call (1, PYISOLATE_LANE_MAX_BODY + 1, 0),
                                             &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
  half_clear (&half);
}

static gboolean
try_send (Half           *half,
          PyIsolateFrame *frame,
          GError        **error)
{
  return _pyisolate_transport_send (PYISOLATE_TRANSPORT (half->lane), frame, error);
}

/* The other end of a half as a lane, which is read to the last frame. */
static void
assert_arrive (Half          *half,
               const guint64 *ids,
               guint          n_ids,
               gsize          size,
               guint          n_fds)
{
  g_autoptr (PyIsolateLane) peer = _pyisolate_lane_new (_pyisolate_steal_fd (&half->peer));
  guint n_frames = 0;
  gboolean more = TRUE;
  PyIsolateFrameView view;

  _pyisolate_lane_lock (peer);
  while (more)
    {
      more = n_frames < n_ids || _pyisolate_lane_wants_write (half->lane);
      while (_pyisolate_lane_next (peer, &view))
        {
          g_autoptr (PyIsolateFrame) frame = _pyisolate_lane_steal_frame (peer);

          g_assert_cmpuint (n_frames, <, n_ids);
          assert_is_call (frame, ids[n_frames++], size, n_fds);
        }
      _pyisolate_lane_receive (half->lane, 1); /* nothing but what was taken comes back */
      _pyisolate_lane_flush (half->lane);
    }
  _pyisolate_lane_unlock (peer);
}

/* Who does not read makes frames wait, in order, and is told of once. */
static void
check_waiting (gsize size,
               guint n_frames)
{
  g_autofree guint64 *ids = g_new (guint64, n_frames);
  g_autoptr (GError) error = NULL;
  Half half;

  half_init (&half);
  for (guint i = 0; i < n_frames; i++)
    {
      ids[i] = i;
      g_assert_true (try_send (&half, make_call (i, size, 0), &error));
      g_assert_no_error (error);
    }
  g_assert_true (_pyisolate_lane_wants_write (half.lane));
  g_assert_cmpuint (half.n_waiting, ==, 1);
  _pyisolate_lane_flush (half.lane);
  g_assert_true (_pyisolate_lane_wants_write (half.lane));
  assert_arrive (&half, ids, n_frames, size, 0);
  g_assert_false (_pyisolate_lane_wants_write (half.lane));
  half_clear (&half);
}

static void
test_waiting (void)
{
  check_waiting (10, 20000);
  check_waiting (3000, 1000);
  check_waiting (300000, 20);
}

/* What the socket does not take. */
static void
test_limits (void)
{
  const gsize size = 3000;
  guint n_calls = 0;
  g_autoptr (GError) error = NULL;
  Half half;

  half_init (&half);
  while (try_send (&half, make_call (n_calls + 1, size, 0), &error))
    n_calls++;
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (n_calls, >=, PYISOLATE_LANE_MAX_QUEUED / size * 8 / 10);
  g_assert_cmpuint (n_calls, <=, PYISOLATE_LANE_MAX_QUEUED / size + 1000);
  half_clear (&half);
}

/* What has not been sent can be taken back, and the rest arrives. */
static void
check_withdraw (gsize size,
                guint n_fds)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint64));
  guint64 n_calls = 0;
  guint64 last;
  Half half;

  half_init (&half);
  while (!_pyisolate_lane_wants_write (half.lane))
    {
      g_assert_true (try_send (&half, make_call (n_calls, size, n_fds), NULL));
      g_array_append_val (ids, n_calls);
      n_calls++;
    }
  last = n_calls - 1;
  for (guint i = 0; i < 3; i++)
    g_assert_true (try_send (&half, make_call (n_calls++, size, n_fds), NULL));

  g_assert_false (_pyisolate_lane_withdraw (half.lane, 0));
  g_assert_true (_pyisolate_lane_withdraw (half.lane, last + 2));
  g_assert_false (_pyisolate_lane_withdraw (half.lane, last + 2));
  last++;
  g_array_append_val (ids, last);
  last += 2;
  g_array_append_val (ids, last);
  assert_arrive (&half, (const guint64 *) (gpointer) ids->data, ids->len, size, n_fds);
  half_clear (&half);
}

static void
test_withdraw (void)
{
  check_withdraw (10, 0);
  check_withdraw (10, 1);
  check_withdraw (3000, 0);
  check_withdraw (300000, 0);
  check_withdraw (300000, 1);
}

static void
test_cork (void)
{
  guint8 message[4096];
  Half half;

  half_init (&half);
  _pyisolate_lane_cork (half.lane);
  _pyisolate_lane_cork (half.lane);
  for (guint i = 0; i < 5; i++)
    g_assert_true (try_send (&half, make_call (i, 8, 0), NULL));
  _pyisolate_lane_uncork (half.lane);
  g_assert_cmpint (recv (half.peer, message, sizeof message, MSG_DONTWAIT), <, 0);
  g_assert_cmpuint (half.n_waiting, ==, 0);
  _pyisolate_lane_uncork (half.lane);

  g_assert_cmpint (recv (half.peer, message, sizeof message, MSG_DONTWAIT), ==,
                   5 * (sizeof (PyIsolateLaneHeader) + 16));
  g_assert_cmpint (recv (half.peer, message, sizeof message, MSG_DONTWAIT), <, 0);
  half_clear (&half);
}

static void
assert_message (Half  *half,
                guint  n_frames)
{
  guint8 message[4096];
  gssize size = recv (half->peer, message, sizeof message, MSG_DONTWAIT);

  if (n_frames == 0)
    g_assert_cmpint (size, <, 0);
  else
    g_assert_cmpint (size, ==, n_frames * (sizeof (PyIsolateLaneHeader) + 16));
}

static void
count_up (gpointer data)
{
  ++*(guint *) data;
}

static gpointer
send_from_thread (gpointer data)
{
  g_assert_true (try_send (data, make_call (100, 8, 0), NULL));

  return NULL;
}

/* The first of a turn goes at once, the others together, at its end or when they are many; those of
 * another thread do not wait. */
static void
test_turn (void)
{
  guint n_told = 0;
  PyIsolateTurn turn = { .gathered_func = count_up, .data = &n_told };
  Half half;

  half_init (&half);
  _pyisolate_lane_set_turn (half.lane, &turn);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (try_send (&half, make_call (i, 8, 0), NULL));
      assert_message (&half, 1);
    }

  turn.thread = _pyisolate_lane_get_thread ();
  turn.number = 1;
  for (guint i = 0; i < 3; i++)
    g_assert_true (try_send (&half, make_call (i, 8, 0), NULL));
  assert_message (&half, 1);
  assert_message (&half, 0);
  g_assert_true (turn.has_gathered);
  g_assert_cmpuint (n_told, ==, 1);
  g_assert_false (_pyisolate_lane_wants_write (half.lane));
  _pyisolate_lane_flush (half.lane);
  assert_message (&half, 2);

  turn.has_gathered = FALSE;
  turn.number = 2;
  for (guint i = 0; i < 18; i++)
    g_assert_true (try_send (&half, make_call (i, 8, 0), NULL));
  assert_message (&half, 1);
  assert_message (&half, 16);
  assert_message (&half, 0);
  g_thread_join (g_thread_new ("other", send_from_thread, &half));
  g_assert_cmpuint (half.n_waiting, ==, 1); /* behind the last one, which need not wait then */
  _pyisolate_lane_flush (half.lane);
  assert_message (&half, 2);

  half_clear (&half);
}

int
main (int   argc,
      char *argv[])
{
  static const struct {
    const char *path;
    GTestFunc func;
  } tests[] = {
    { "sizes", test_sizes },
    { "long-texts", test_long_texts },
    { "too-large", test_too_large },
    { "waiting", test_waiting },
    { "limits", test_limits },
    { "withdraw", test_withdraw },
    { "cork", test_cork },
    { "turn", test_turn },
  };

  test_util_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strconcat ("/pyisolate/lane/", tests[i].path, NULL);

      test_util_add_func (path, tests[i].func);
    }
  return g_test_run ();
}
