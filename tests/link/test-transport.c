/* SPDX-License-Identifier: MIT */
/* What every transport must do with frames, once for each of them. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-error.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-value-layout-private.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_THREADS 8
#define N_PER_THREAD 500

typedef struct {
  LinkKind kind;
  void (*func) (LinkPair *pair);
} Case;

static void
assert_same_frame (PyIsolateFrame *frame,
                   PyIsolateFrame *expected)
{
  g_assert_cmpint (frame->kind, ==, expected->kind);
  g_assert_cmpuint (frame->id, ==, expected->id);
  g_assert_cmpmem (frame->chain, frame->n_chain * sizeof (guint64), expected->chain,
                   expected->n_chain * sizeof (guint64));
  g_assert_cmpstr (frame->target, ==, expected->target);
  g_assert_cmpstr (frame->name, ==, expected->name);
  g_assert_cmpstr (frame->message, ==, expected->message);
  if (expected->kind != PYISOLATE_FRAME_CANCEL)
    g_assert_true (g_bytes_equal (frame->body, expected->body));
  g_assert_cmpuint (frame->n_fds, ==, 0);
}

/* Sends what make() makes, and sees that the same arrives. */
static void
check_round_trip (LinkSide       *from,
                  LinkSide       *to,
                  PyIsolateFrame *frame,
                  PyIsolateFrame *expected)
{
  g_autoptr (PyIsolateFrame) owned = expected;
  g_autoptr (PyIsolateFrame) arrived = NULL;

  link_side_send (from, frame);
  arrived = link_box_take (to->box);
  assert_same_frame (arrived, owned);
}

static GBytes *
make_bytes (gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i * 7);
  return g_bytes_new_take (data, size);
}

static PyIsolateFrame *
make_call (guint64 id,
           guint   n_chain,
           gsize   size)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, id);
  g_autofree guint64 *chain = g_new (guint64, n_chain);

  for (guint i = 0; i < n_chain; i++)
    chain[i] = G_MAXUINT64 - i;
  _pyisolate_frame_set_chain (frame, chain, n_chain);
  frame->target = g_strdup ("größe.Ω");
  frame->name = g_strdup ("name with spaces");
  frame->body = make_bytes (size);
  return frame;
}

static PyIsolateFrame *
make_part (PyIsolateFrameKind kind,
           const char        *name,
           gsize              size)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (kind, kind == PYISOLATE_FRAME_LOG ? 0 : 77);

  frame->name = g_strdup (name);
  frame->body = make_bytes (size);
  return frame;
}

static void
check_calls (LinkSide *from,
             LinkSide *to,
             guint64   id)
{
  static const struct {
    guint n_chain;
    gsize size;
  } calls[] = { { 0, 0 }, { 1, 1 }, { PYISOLATE_MAX_CHAIN, 3 }, { 2, 1024 * 1024 + 1 } };

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    check_round_trip (from, to, make_call (id + i, calls[i].n_chain, calls[i].size),
                      make_call (id + i, calls[i].n_chain, calls[i].size));

  check_round_trip (to, from, link_frame_return (id, "result"), link_frame_return (id, "result"));
  for (guint i = 1; i < G_N_ELEMENTS (calls); i++)
    {
      PyIsolateFrame *twins[2];

      for (guint j = 0; j < 2; j++)
        {
          twins[j] = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, id + i);
          twins[j]->name = g_strdup ("org.pyisolate.Error.Failed");
          twins[j]->message = g_strdup (i == 1 ? "" : "what went wrong");
          twins[j]->body = make_bytes (calls[i].size);
        }
      check_round_trip (to, from, twins[0], twins[1]);
    }
}

static void
test_kinds (LinkPair *pair)
{
  link_side_start (&pair->host);
  link_side_start (&pair->worker);

  check_calls (&pair->host, &pair->worker, 1);
  check_calls (&pair->worker, &pair->host, LINK_ID (1));
  check_round_trip (&pair->host, &pair->worker, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, 5),
                    _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, 5));
  check_round_trip (&pair->worker, &pair->host, make_part (PYISOLATE_FRAME_PROGRESS, NULL, 9),
                    make_part (PYISOLATE_FRAME_PROGRESS, NULL, 9));
  check_round_trip (&pair->worker, &pair->host, make_part (PYISOLATE_FRAME_EVENT, "", 0),
                    make_part (PYISOLATE_FRAME_EVENT, "", 0));
  check_round_trip (&pair->worker, &pair->host, make_part (PYISOLATE_FRAME_EVENT, "größe", 300000),
                    make_part (PYISOLATE_FRAME_EVENT, "größe", 300000));
  check_round_trip (&pair->worker, &pair->host, make_part (PYISOLATE_FRAME_LOG, NULL, 70000),
                    make_part (PYISOLATE_FRAME_LOG, NULL, 70000));
}

static void
add_pipes (PyIsolateFrame *frame,
           guint           n_fds,
           int            *write_fds)
{
  int *fds = g_new (int, n_fds);

  for (guint i = 0; i < n_fds; i++)
    {
      g_autoptr (GError) error = NULL;
      int pair[2];

      g_unix_open_pipe (pair, FD_CLOEXEC, &error);
      g_assert_no_error (error);
      fds[i] = pair[0];
      write_fds[i] = pair[1];
    }
  _pyisolate_frame_take_fds (frame, fds, n_fds);
}

static void
check_pipes (PyIsolateFrame *frame,
             guint           n_fds,
             int            *write_fds)
{
  g_assert_cmpuint (frame->n_fds, ==, n_fds);
  for (guint i = 0; i < n_fds; i++)
    {
      guint number = 0;

      g_assert_cmpint (fcntl (frame->fds[i], F_GETFD) & FD_CLOEXEC, !=, 0);
      g_assert_cmpint (write (write_fds[i], &i, sizeof i), ==, sizeof i);
      g_assert_cmpint (read (frame->fds[i], &number, sizeof number), ==, sizeof number);
      g_assert_cmpuint (number, ==, i);
      _pyisolate_clear_fd (&write_fds[i]);
    }
}

/* They arrive open, in order, with the frame that they were sent with, and are the receiver's. */
static void
test_fds (LinkPair *pair)
{
  static const guint counts[] = { 1, 3, 100 };

  link_side_start (&pair->host);
  link_side_start (&pair->worker);

  for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
    {
      g_autoptr (PyIsolateFrame) call = NULL;
      g_autoptr (PyIsolateFrame) between = NULL;
      g_autoptr (PyIsolateFrame) reply = NULL;
      PyIsolateFrame *frame = link_frame_call (i + 1, "pipes");
      int write_fds[2][100];

      add_pipes (frame, counts[i], write_fds[0]);
      link_side_send (&pair->host, frame);
      link_side_send (&pair->host, link_frame_call (i + 1000, "none"));
      call = link_box_take (pair->worker.box);
      check_pipes (call, counts[i], write_fds[0]);
      between = link_box_take (pair->worker.box);
      g_assert_cmpuint (between->n_fds, ==, 0);

      frame = link_frame_return (i + 1, "pipes back");
      add_pipes (frame, counts[i], write_fds[1]);
      link_side_send (&pair->worker, frame);
      reply = link_box_take (pair->host.box);
      check_pipes (reply, counts[i], write_fds[1]);
    }
}

typedef struct {
  LinkSide *side;
  guint number;
} Sender;

static gpointer
send_in_order (gpointer data)
{
  Sender *sender = data;

  for (guint i = 0; i < N_PER_THREAD; i++)
    link_side_send (sender->side, link_frame_event (sender->number, "in order", i));
  return NULL;
}

static void
test_order (LinkPair *pair)
{
  Sender senders[2 * N_THREADS];
  GThread *threads[2 * N_THREADS];
  guint next[2 * N_THREADS] = { 0 };

  link_side_start (&pair->host);
  link_side_start (&pair->worker);

  for (guint i = 0; i < 2 * N_THREADS; i++)
    {
      senders[i] = (Sender) { i < N_THREADS ? &pair->worker : &pair->host, i };
      threads[i] = g_thread_new ("sender", send_in_order, &senders[i]);
    }
  for (guint i = 0; i < 2 * N_THREADS * N_PER_THREAD; i++)
    {
      LinkSide *to = i < N_THREADS * N_PER_THREAD ? &pair->host : &pair->worker;
      g_autoptr (PyIsolateFrame) frame = link_box_take (to->box);

      g_assert_cmpuint (link_frame_get_number (frame), ==, next[frame->id]);
      next[frame->id]++;
    }
  for (guint i = 0; i < 2 * N_THREADS; i++)
    g_thread_join (threads[i]);
}

/* The other side sees an orderly end, whatever this one's reason is. */
static void
test_close_with_reason (LinkPair *pair)
{
  g_autoptr (GError) first = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT, "first");
  g_autoptr (GError) second = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED, "second");

  link_side_start (&pair->host);
  link_side_start (&pair->worker);

  _pyisolate_transport_close (pair->host.transport, first);
  _pyisolate_transport_close (pair->host.transport, second);
  link_box_wait_ends (pair->host.box, 1);
  link_box_wait_ends (pair->worker.box, 1);
  g_assert_error (pair->host.box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpstr (pair->host.box->error->message, ==, "first");
  g_assert_no_error (pair->worker.box->error);
}

/* What was sent before the end arrives before the end. */
static void
test_end_comes_last (LinkPair *pair)
{
  link_side_start (&pair->host);
  link_side_start (&pair->worker);

  for (guint i = 0; i < 1000; i++)
    link_side_send (&pair->worker, link_frame_event (0, "before", i));
  link_box_wait_frames (pair->host.box, 1000);
  _pyisolate_transport_close (pair->worker.transport, NULL);
  link_box_wait_ends (pair->host.box, 1);
  g_assert_no_error (pair->host.box->error);
  g_assert_cmpuint (link_box_count (pair->host.box), ==, 1000);
}

static void
test_send_after_close (LinkPair *pair)
{
  PyIsolateFrame *frame = link_frame_call (1, "too late");
  g_autoptr (GError) error = NULL;
  int write_fd;

  link_side_start (&pair->host);
  link_side_start (&pair->worker);
  _pyisolate_transport_close (pair->worker.transport, NULL);
  link_box_wait_ends (pair->host.box, 1);

  add_pipes (frame, 1, &write_fd);
  g_assert_false (_pyisolate_transport_send (pair->host.transport, frame, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  close (write_fd);
  _pyisolate_transport_close (pair->host.transport, NULL);
}

/* Frames that nobody takes any more, with all that they carry. */
static void
test_dropped_on_the_way (LinkPair *pair)
{
  link_side_start (&pair->host);
  link_side_start (&pair->worker);

  for (guint i = 0; i < 50; i++)
    {
      PyIsolateFrame *frame = link_frame_call (i + 1, "dropped");
      int write_fd;

      add_pipes (frame, 1, &write_fd);
      close (write_fd);
      _pyisolate_transport_send (pair->host.transport, frame, NULL);
    }
  _pyisolate_transport_close (pair->worker.transport, NULL);
  _pyisolate_transport_close (pair->host.transport, NULL);
}

/* Before the start nothing is lost and nothing comes. */
static void
test_late_start (LinkPair *pair)
{
  g_autoptr (PyIsolateFrame) first = NULL;
  g_autoptr (PyIsolateFrame) second = NULL;

  link_side_start (&pair->worker);
  link_side_send (&pair->worker, link_frame_event (0, "early", 1));
  link_side_send (&pair->worker, link_frame_event (0, "early", 2));
  g_assert_cmpuint (link_box_count (pair->host.box), ==, 0);

  link_side_start (&pair->host);
  first = link_box_take (pair->host.box);
  second = link_box_take (pair->host.box);
  g_assert_cmpuint (link_frame_get_number (first), ==, 1);
  g_assert_cmpuint (link_frame_get_number (second), ==, 2);
}

static PyIsolateFrame *
make_event (gsize name_size,
            gsize body_size)
{
  PyIsolateFrame *event = _pyisolate_frame_new (PYISOLATE_FRAME_EVENT, 0);

  event->name = g_strnfill (name_size, 'n');
  event->body = g_bytes_new_take (g_malloc0 (body_size), body_size);
  return event;
}

/* Refused by the side that sends it, as the other would end the link. */
static void
test_too_large (LinkPair *pair)
{
  static const struct {
    gsize name_size;
    gsize body_size;
  } too_large[] = { { PYISOLATE_FRAME_MAX_TEXT + 1, 1 }, { 1, PYISOLATE_VALUE_MAX_SIZE + 1 }, { 200 << 20, 1 } };
  g_autoptr (PyIsolateFrame) arrived = NULL;

  link_side_start (&pair->host);
  link_side_start (&pair->worker);

  for (guint i = 0; i < G_N_ELEMENTS (too_large); i++)
    {
      g_autoptr (GError) error = NULL;
      PyIsolateFrame *event = make_event (too_large[i].name_size, too_large[i].body_size);

      g_assert_false (_pyisolate_transport_send (pair->worker.transport, event, &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
    }

  link_side_send (&pair->worker, make_event (PYISOLATE_FRAME_MAX_TEXT, PYISOLATE_VALUE_MAX_SIZE));
  arrived = link_box_take (pair->host.box);
  g_assert_cmpuint (strlen (arrived->name), ==, PYISOLATE_FRAME_MAX_TEXT);
  g_assert_cmpuint (g_bytes_get_size (arrived->body), ==, PYISOLATE_VALUE_MAX_SIZE);
}

static void
test_never_started (LinkPair *pair)
{
}

static void
run_case (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (LinkPair) pair = link_pair_new (test->kind, LINK_CAREFUL);

  test->func (pair);
}

#define CASES(kind, name) \
  { { kind, test_kinds }, "/pyisolate/transport/" name "/kinds" }, \
  { { kind, test_fds }, "/pyisolate/transport/" name "/fds" }, \
  { { kind, test_order }, "/pyisolate/transport/" name "/order" }, \
  { { kind, test_close_with_reason }, "/pyisolate/transport/" name "/close-with-reason" }, \
  { { kind, test_end_comes_last }, "/pyisolate/transport/" name "/end-comes-last" }, \
  { { kind, test_send_after_close }, "/pyisolate/transport/" name "/send-after-close" }, \
  { { kind, test_dropped_on_the_way }, "/pyisolate/transport/" name "/dropped-on-the-way" }, \
  { { kind, test_late_start }, "/pyisolate/transport/" name "/late-start" }, \
  { { kind, test_too_large }, "/pyisolate/transport/" name "/too-large" }, \
  { { kind, test_never_started }, "/pyisolate/transport/" name "/never-started" }

int
main (int   argc,
      char *argv[])
{
  static const struct {
    Case test;
    const char *path;
  } cases[] = { CASES (LINK_DBUS, "dbus"), CASES (LINK_PLAIN, "plain"), CASES (LINK_LANE, "lane") };

  link_test_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    test_util_add_data_func (cases[i].path, &cases[i].test, run_case);
  return g_test_run ();
}
