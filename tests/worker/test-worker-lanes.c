/* SPDX-License-Identifier: MIT */
/* The worker's ends of more lanes than the one that it is started with. */
#include "config.h"

#include "worker-fixture.h"

#include "pyisolate-lane-private.h"
#include "pyisolate-value-layout-private.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The worker has one of 1024 already. */
#define MORE_LANES 1023

static guint64
send_open_lane (Worker *worker,
                int     take_fd)
{
  return worker_call_with_fd (worker, PYISOLATE_TARGET_WORKER, "OpenLane", "", take_fd);
}

static void
send_call (PyIsolateLane *lane,
           guint64        id,
           const char    *method,
           const char    *args)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, id);
  g_autoptr (GVariant) body = g_variant_parse (G_VARIANT_TYPE (PYISOLATE_BODY_CALL), args, NULL,
                                               NULL, NULL);
  g_autoptr (GError) error = NULL;

  frame->target = g_strdup ("");
  frame->name = g_strdup (method);
  _pyisolate_frame_set_variant (frame, body);
  _pyisolate_transport_send (PYISOLATE_TRANSPORT (lane), frame, &error);
  g_assert_no_error (error);
}

static PyIsolateFrame *
next_frame (PyIsolateLane *lane)
{
  PyIsolateFrame *frame = NULL;
  PyIsolateFrameView view;

  _pyisolate_lane_lock (lane);
  if (_pyisolate_lane_next (lane, &view))
    frame = _pyisolate_lane_steal_frame (lane);
  _pyisolate_lane_unlock (lane);

  return frame;
}

static PyIsolateFrame *
take_frame (PyIsolateLane *lane)
{
  struct pollfd pollfd = { .fd = _pyisolate_lane_get_fd (lane), .events = POLLIN };
  PyIsolateFrame *frame = next_frame (lane);

  while (frame == NULL)
    {
      g_assert_cmpint (poll (&pollfd, 1, WORKER_DEADLINE_MS), ==, 1);
      _pyisolate_lane_clear_ready (lane);
      frame = next_frame (lane);
    }

  return frame;
}

static void
assert_answer (PyIsolateLane *lane,
               guint64        id,
               const char    *expected)
{
  g_autoptr (PyIsolateFrame) frame = take_frame (lane);
  g_autofree char *text = NULL;

  g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_RETURN);
  g_assert_cmpuint (frame->id, ==, id);
  text = worker_print (frame->body, PYISOLATE_BODY_VALUE);
  g_assert_cmpstr (text, ==, expected);
}

static PyIsolateLane *
open_lane (Worker *worker)
{
  int peer_fd;
  PyIsolateLane *lane = _pyisolate_lane_new_pair (&peer_fd);
  guint64 id;

  g_assert_nonnull (lane);
  id = send_open_lane (worker, peer_fd);
  worker_assert_answer (worker, id, "'" PYISOLATE_TAG_NONE "'");

  return lane;
}

/* What was called before the worker has heard of the lane is answered; each answer goes by the lane
 * of its call. */
static void
test_open (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  g_autoptr (PyIsolateLane) second = open_lane (worker);
  g_autoptr (PyIsolateLane) third = NULL;
  guint64 opening;
  int fds[2];

  g_assert_true (_pyisolate_lane_socketpair (fds));
  third = _pyisolate_lane_new (fds[0]);
  send_call (third, 1001, "add", "([<int64 1>, <int64 2>], @a{sv} {})");
  send_call (third, 1002, "sleep_and_add", "([<int64 3>, <int64 2>], @a{sv} {})");
  opening = send_open_lane (worker, fds[1]);
  worker_assert_answer (worker, opening, "'" PYISOLATE_TAG_NONE "'");

  send_call (second, 2001, "sleep_and_add", "([<int64 5>, <int64 2>], @a{sv} {})");
  assert_answer (third, 1001, "3");
  assert_answer (third, 1002, "5");
  assert_answer (second, 2001, "7");

  worker_finish (worker);
}

/* The context in the host is gone: what it called runs on, and the others are served. */
static void
test_closed (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  PyIsolateLane *second = open_lane (worker);

  send_call (second, 2001, "wait_at_gate", "(@av [], @a{sv} {})");
  send_call (second, 2002, "add", "([<int64 1>, <int64 2>], @a{sv} {})");
  assert_answer (second, 2002, "3");
  g_object_unref (second);
  worker_assert_result (worker, "open_gate", "", "'/pyisolate/None'");
  worker_assert_result (worker, "add", "<int64 1>, <int64 2>", "3");

  worker_finish (worker);
}

static gint64
take_integer (PyIsolateLane *lane,
              guint64        id)
{
  g_autoptr (PyIsolateFrame) frame = take_frame (lane);
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) inner = NULL;

  g_assert_cmpuint (frame->id, ==, id);
  value = worker_dup_body (frame, PYISOLATE_BODY_VALUE);

  inner = g_variant_get_variant (value);

  return g_variant_get_int64 (inner);
}

#define N_TURNS 1000

/* How many turns of one lane's calls came before a cancellation, or twice those before a call by another lane, ahead of that. */
static gint64
measure_turns (gconstpointer python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  g_autoptr (PyIsolateLane) second = open_lane (worker);
  guint64 waiting = worker_call (worker, "cleanup", "");
  g_autoptr (PyIsolateFrame) cancelled = NULL;
  guint64 first = 0;
  guint64 last = 0;
  gint64 until_call, until_cancelled;

  for (guint i = 0; i < N_TURNS; i++)
    {
      last = worker_call (worker, "take_turn", "<0.0005>");
      if (i == 0)
        first = last;
    }
  worker_assert_answer (worker, first, "1");
  send_call (second, 2001, "get_turns", "(@av [], @a{sv} {})");
  until_call = take_integer (second, 2001);

  worker_cancel (worker, waiting);
  cancelled = worker_wait (worker, waiting);
  worker_assert_error (cancelled, PYISOLATE_ERROR_FAILED, "cancelled");
  send_call (second, 2002, "get_turns", "(@av [], @a{sv} {})");
  until_cancelled = take_integer (second, 2002);

  worker_assert_answer (worker, last, "1000");
  worker_finish (worker);

  return MAX (2 * until_call, until_cancelled);
}

/* Many calls by one lane do not hold up one by another, nor a cancellation; this process may come late with them. */
static void
test_fair (const char *python)
{
  test_util_assert_reaches (measure_turns, python, N_TURNS);
}

#define N_OTHERS 7
#define N_CALLS 30

/* What the main thread has left in a lane is for another thread, which waits for it while the main thread is busy, after it has
 * read other lanes. */
static void
test_left (const char *python)
{
  Worker *worker = worker_new (python, "mixed.py");
  g_autoptr (GPtrArray) others = g_ptr_array_new_with_free_func (g_object_unref);
  guint64 calls[N_CALLS];
  guint64 held, letting;

  for (guint i = 0; i < N_OTHERS; i++)
    g_ptr_array_add (others, open_lane (worker));
  worker_assert_result (worker, "function", "", "'pyisolate-second'");
  g_assert_no_errno (kill (worker_get_pid (worker), SIGSTOP));
  held = worker_call (worker, "hold", "");
  for (guint i = 0; i < N_CALLS; i++)
    calls[i] = worker_call (worker, "add", "<int64 1>, <int64 2>");
  letting = worker_call (worker, "let_main_go", "<'x'>");
  for (guint i = 0; i < N_OTHERS; i++)
    {
      for (guint j = 0; j < N_CALLS; j++)
        send_call (others->pdata[i], 2001 + j, "add", "([<int64 1>, <int64 2>], @a{sv} {})");
    }
  g_assert_no_errno (kill (worker_get_pid (worker), SIGCONT));

  worker_assert_answer (worker, letting, "'x'");
  worker_assert_answer (worker, held, "true");
  for (guint i = 0; i < N_CALLS; i++)
    worker_assert_answer (worker, calls[i], "3");

  worker_finish (worker);
}

static void
test_limit (const char *python)
{
  Worker *worker = worker_new (python, "plain.py");
  g_autoptr (GPtrArray) lanes = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (PyIsolateFrame) refused = NULL;
  int fds[2];

  for (guint i = 0; i < MORE_LANES; i++)
    g_ptr_array_add (lanes, open_lane (worker));

  g_assert_true (_pyisolate_lane_socketpair (fds));
  refused = worker_wait (worker, send_open_lane (worker, fds[1]));
  worker_assert_error (refused, PYISOLATE_ERROR_LIMIT, "*no room*");
  close (fds[0]);

  worker_finish (worker);
}

static void
test_no_descriptor (const char *python)
{
  Worker *worker = worker_new (python, "plain.py");
  guint64 id = worker_call_full (worker, PYISOLATE_TARGET_WORKER, "OpenLane", "", "", NULL, 0);
  g_autoptr (PyIsolateFrame) refused = worker_wait (worker, id);

  worker_assert_error (refused, PYISOLATE_ERROR_FAILED, "*descriptor*");

  worker_finish (worker);
}

static void
send_error (PyIsolateLane *lane,
            guint64        id)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");

  g_assert_true (_pyisolate_transport_send (PYISOLATE_TRANSPORT (lane), _pyisolate_frame_new_error (id, error), NULL));
}

/* More of them are large than are under way at a time. */
#define N_HELD 60

/* A call that is cancelled before it was sent has an answer, too, for who waits for it all the same. */
static void
test_withdrawn (const char *python)
{
  Worker *worker = worker_new (python, "asynchronous.py");
  g_autoptr (PyIsolateLane) second = open_lane (worker);
  g_autoptr (GPtrArray) sent = g_ptr_array_new_with_free_func ((GDestroyNotify) _pyisolate_frame_free);
  PyIsolateFrame *frame;

  send_call (second, 2001, "insist", "([<int64 " G_STRINGIFY (N_HELD) ">], @a{sv} {})");
  g_ptr_array_add (sent, take_frame (second));
  send_call (second, 2002, "add", "([<int64 1>, <int64 2>], @a{sv} {})"); /* begins when all of them were made */
  while ((frame = take_frame (second))->kind == PYISOLATE_FRAME_CALL)
    g_ptr_array_add (sent, frame);
  g_assert_cmpuint (frame->id, ==, 2002);
  _pyisolate_frame_free (frame);
  g_assert_cmpuint (sent->len, <, N_HELD);

  worker_cancel (worker, 2001);
  for (guint i = 0; i < sent->len; i++)
    _pyisolate_frame_free (worker_wait_kind (worker, PYISOLATE_FRAME_CANCEL));
  for (guint i = 0; i < sent->len; i++)
    send_error (second, ((PyIsolateFrame *) sent->pdata[i])->id);
  assert_answer (second, 2001, G_STRINGIFY (N_HELD));

  worker_finish (worker);
}

/* More than a ring and a socket take. */
#define N_ANSWERS 200
#define N_INTERRUPTIONS 20

static gboolean
has_told_all (gpointer worker)
{
  guint64 id = worker_call (worker, "get_told", "");
  g_autoptr (PyIsolateFrame) frame = worker_wait (worker, id);
  g_autofree char *text = worker_print (frame->body, PYISOLATE_BODY_VALUE);

  return g_str_equal (text, G_STRINGIFY (N_ANSWERS));
}

/* What the worker still has to send when it ends is sent, whatever signals come meanwhile. */
static void
test_interrupted (const char *python)
{
  g_autofree char *dir = test_util_tmpdir ();
  g_autofree char *fifo = g_build_filename (dir, "fifo", NULL);
  g_autofree char *args = g_strdup_printf ("<'%s'>", fifo);
  Worker *worker = worker_new (python, "interrupted.py");
  g_autoptr (PyIsolateLane) second = open_lane (worker);
  struct pollfd pollfd = { .events = POLLIN };
  guint64 stop;
  char byte;

  g_assert_no_errno (mkfifo (fifo, 0600));
  pollfd.fd = open (fifo, O_RDWR | O_CLOEXEC);
  g_assert_no_errno (pollfd.fd);
  worker_assert_result (worker, "be_interrupted", args, "'" PYISOLATE_TAG_NONE "'");
  for (guint i = 0; i < N_ANSWERS; i++)
    send_call (second, 2001 + i, "text", "([<int64 3000>], @a{sv} {})");
  while (_pyisolate_lane_wants_write (second))
    _pyisolate_lane_flush (second);
  test_util_assert_until (has_told_all, worker, WORKER_DEADLINE_MS);
  stop = worker_call_full (worker, PYISOLATE_TARGET_WORKER, "Stop", "", "", NULL, 0);
  worker_assert_answer (worker, stop, "'" PYISOLATE_TAG_NONE "'");

  /* Nobody has read the answers: it waits, and is interrupted again and again. */
  for (guint i = 0; i < N_INTERRUPTIONS; i++)
    {
      g_assert_no_errno (kill (worker_get_pid (worker), SIGWINCH));
      g_assert_cmpint (poll (&pollfd, 1, WORKER_DEADLINE_MS), ==, 1);
      g_assert_cmpint (read (pollfd.fd, &byte, 1), ==, 1);
    }
  for (guint i = 0; i < N_ANSWERS; i++)
    {
      g_autoptr (PyIsolateFrame) answer = take_frame (second);

      g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_RETURN);
      g_assert_cmpuint (answer->id, ==, 2001 + i);
    }
  g_assert_cmpint (worker_wait_exit (worker), ==, 0);

  worker_free (worker);
  close (pollfd.fd);
  test_util_remove_tree (dir);
}

int
main (int   argc,
      char *argv[])
{
  struct rlimit limit;

  /* Both processes need three descriptors for each lane: its socket, and one for each of its rings. */
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  limit.rlim_cur = MAX (limit.rlim_cur, MIN (limit.rlim_max, 3 * MORE_LANES + 200));
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));

  test_util_init (&argc, &argv);

  worker_add_test ("lanes/open", test_open);
  worker_add_test ("lanes/closed", test_closed);
  worker_add_test ("lanes/fair", test_fair);
  worker_add_test ("lanes/left", test_left);
  worker_add_test ("lanes/limit", test_limit);
  worker_add_test ("lanes/no-descriptor", test_no_descriptor);
  worker_add_test ("lanes/withdrawn", test_withdrawn);
  worker_add_test ("lanes/interrupted", test_interrupted);

  return g_test_run ();
}
