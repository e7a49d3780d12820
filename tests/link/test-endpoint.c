/* SPDX-License-Identifier: MIT */
/* Calls, whatever carries them: each test runs over D-Bus, over a plain socketpair and over a lane. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-error-private.h"

#include <fcntl.h>
#include <unistd.h>

static void
test_calls (LinkPair *pair)
{
  struct {
    LinkSide *from;
    LinkSide *to;
    guint64 id;
  } ways[] = { { &pair->host, &pair->worker, _pyisolate_endpoint_new_id () },
               { &pair->worker, &pair->host, LINK_ID (1) } };

  link_pair_start_both (pair);
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autoptr (LinkBox) box = link_box_new ();
      g_autoptr (PyIsolateFrame) call = NULL;

      link_side_call (ways[i].from, link_frame_call (ways[i].id, "greet"), box);
      call = link_box_take (ways[i].to->box);
      g_assert_cmpint (call->kind, ==, PYISOLATE_FRAME_CALL);
      g_assert_cmpuint (call->id, ==, ways[i].id);
      g_assert_cmpstr (call->name, ==, "greet");
      g_assert_cmpuint (link_box_count_ends (box), ==, 0);

      _pyisolate_endpoint_respond (ways[i].to->endpoint, link_frame_return (call->id, "hello"));
      link_box_assert_returned (box, "hello");
      g_assert_cmpuint (link_box_count_ends (box), ==, 1);
      link_box_wait_destroyed (box, 1);
    }
}

/* The answers come back in another order than the calls. */
static void
test_answers_in_any_order (LinkPair *pair)
{
  LinkBox *boxes[10];
  guint64 ids[10];

  link_pair_start_both (pair);
  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++)
    {
      ids[i] = _pyisolate_endpoint_new_id ();
      boxes[i] = link_box_new ();
      link_side_call (&pair->host, link_frame_call (ids[i], "any"), boxes[i]);
    }
  link_box_wait_frames (pair->worker.box, G_N_ELEMENTS (boxes));
  for (guint i = G_N_ELEMENTS (boxes); i-- > 0;)
    {
      g_autofree char *text = g_strdup_printf ("answer %u", i);

      _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (ids[i], text));
      link_box_assert_returned (boxes[i], text);
      link_box_unref (boxes[i]);
    }
}

static void
test_errors (LinkPair *pair)
{
  link_pair_start_both (pair);

  for (int code = 0; code < PYISOLATE_N_ERRORS; code++)
    {
      g_autoptr (GError) error = g_error_new (PYISOLATE_ERROR, code, "message %d", code);
      g_autoptr (LinkBox) box = link_box_new ();
      g_autoptr (PyIsolateFrame) call = NULL;
      g_autoptr (PyIsolateFrame) answer = NULL;

      link_side_call (&pair->worker, link_frame_call (LINK_ID (code + 1), "fail"), box);
      call = link_box_take (pair->host.box);
      _pyisolate_endpoint_respond (pair->host.endpoint,
                                   _pyisolate_frame_new_error (call->id, error));

      link_box_wait_ends (box, 1);
      g_assert_no_error (box->error);
      answer = link_box_take (box);
      g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_ERROR);
      g_assert_cmpstr (answer->name, ==, _pyisolate_error_get_dbus_name (code));
      g_assert_cmpstr (answer->message, ==, error->message);
    }
}

static void
test_fds (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) answer = NULL;
  PyIsolateFrame *frame = link_frame_call (1, "echo");
  int *fds = g_new (int, 1);
  int pipe_fds[2];
  char byte = 0;

  link_pair_start_both (pair);
  g_assert_no_errno (pipe2 (pipe_fds, O_CLOEXEC));
  fds[0] = pipe_fds[1];
  _pyisolate_frame_take_fds (frame, fds, 1);

  link_side_call (&pair->host, frame, box);
  call = link_box_take (pair->worker.box);
  g_assert_cmpuint (call->n_fds, ==, 1);
  frame = link_frame_return (1, "echo");
  _pyisolate_frame_take_fds (frame, g_steal_pointer (&call->fds), call->n_fds);
  call->n_fds = 0;
  _pyisolate_endpoint_respond (pair->worker.endpoint, frame);

  answer = link_box_take (box);
  g_assert_cmpuint (answer->n_fds, ==, 1);
  g_assert_cmpint (write (answer->fds[0], "x", 1), ==, 1);
  g_assert_cmpint (read (pipe_fds[0], &byte, 1), ==, 1);
  g_assert_cmpint (byte, ==, 'x');
  close (pipe_fds[0]);
}

static PyIsolateFrame *
add_fds (PyIsolateFrame *frame,
         guint           n_fds)
{
  int *fds = g_new (int, n_fds);

  for (guint i = 0; i < n_fds; i++)
    fds[i] = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  _pyisolate_frame_take_fds (frame, fds, n_fds);
  return frame;
}

/* As many as the kernel lets travel do; one more is an error of the one that sends them, and not
 * the end of the link. */
static void
test_too_many_fds (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) answer = NULL;
  g_autoptr (GError) error = NULL;

  link_pair_start_both (pair);
  g_assert_false (_pyisolate_endpoint_call (pair->host.endpoint, NULL,
                                            add_fds (link_frame_call (1, "x"),
                                                     PYISOLATE_MAX_FDS + 1),
                                            NULL, NULL, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);

  link_side_call (&pair->host, add_fds (link_frame_call (2, "x"), PYISOLATE_MAX_FDS), box);
  call = link_box_take (pair->worker.box);
  g_assert_cmpuint (call->id, ==, 2);
  g_assert_cmpuint (call->n_fds, ==, PYISOLATE_MAX_FDS);

  _pyisolate_endpoint_respond (pair->worker.endpoint,
                               add_fds (link_frame_return (2, "x"), PYISOLATE_MAX_FDS + 1));
  answer = link_box_take (box);
  g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_ERROR);
  g_assert_cmpstr (answer->name, ==, "org.pyisolate.Error.Limit");
  link_side_assert_alive (&pair->host, &pair->worker, 3);
}

static void
call_with_fds (LinkPair *pair,
               guint64   id,
               guint     n_fds,
               LinkBox  *box)
{
  link_side_call (&pair->worker, add_fds (link_frame_call (id, "x"), n_fds), box);
}

/* Those of all calls that have no answer yet: an answer gives its own back. */
static void
test_fds_in_flight (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (LinkBox) refused = link_box_new ();
  g_autoptr (PyIsolateFrame) refusal = NULL;

  link_pair_start_both (pair);
  for (guint i = 1; i <= 4; i++)
    {
      call_with_fds (pair, LINK_ID (i), PYISOLATE_MAX_FDS_IN / 4, box);
      link_box_wait_frames (pair->host.box, i);
    }
  call_with_fds (pair, LINK_ID (5), 1, refused);
  refusal = link_box_take (refused);
  g_assert_cmpint (refusal->kind, ==, PYISOLATE_FRAME_ERROR);
  g_assert_cmpstr (refusal->name, ==, "org.pyisolate.Error.Limit");

  /* One without any is welcome, and room comes with an answer. */
  call_with_fds (pair, LINK_ID (6), 0, box);
  link_box_wait_frames (pair->host.box, 5);
  _pyisolate_endpoint_respond (pair->host.endpoint, link_frame_return (LINK_ID (2), "done"));
  link_box_assert_returned (box, "done");
  call_with_fds (pair, LINK_ID (7), PYISOLATE_MAX_FDS_IN / 4, box);
  link_box_wait_frames (pair->host.box, 6);
}

static void
test_cancel (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "slow"), box);
  call = link_box_take (pair->worker.box);

  _pyisolate_endpoint_cancel (pair->host.endpoint, 1);
  g_assert_cmpuint (box->n_destroyed, ==, 1); /* nobody waits any more, now */
  cancel = link_box_take (pair->worker.box);
  g_assert_cmpint (cancel->kind, ==, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, 1);

  /* What comes late is dropped, and is no fault. */
  link_side_send (&pair->worker, link_frame_event (1, "late", 1));
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "late"));
  link_side_assert_alive (&pair->host, &pair->worker, 2);
  g_assert_cmpuint (link_box_count_ends (box), ==, 0);
  g_assert_cmpuint (link_box_count (box), ==, 0);
}

/* Its call is still being sent, and comes after it. */
static void
test_cancel_ahead (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (GObject) object = g_object_new (G_TYPE_OBJECT, NULL);

  link_pair_start_both (pair);
  link_side_send (&pair->worker, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, LINK_ID (2)));
  for (guint i = 1; i <= 3; i++)
    {
      g_autoptr (PyIsolateFrame) call = NULL;

      link_side_call (&pair->worker, link_frame_call (LINK_ID (i), "x"), box);
      call = link_box_take (pair->host.box);
      g_assert_cmpint (call->kind, ==, PYISOLATE_FRAME_CALL);
      g_assert_cmpuint (call->id, ==, LINK_ID (i));
      g_assert_cmpint (_pyisolate_endpoint_attach (pair->host.endpoint, call->id, object), ==, i != 2);
      _pyisolate_endpoint_respond (pair->host.endpoint, link_frame_return (call->id, "done"));
      link_box_assert_returned (box, "done");
    }
}

static void
test_cancel_too_late (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "quick"), box);
  call = link_box_take (pair->worker.box);
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "done"));
  link_box_assert_returned (box, "done");

  _pyisolate_endpoint_cancel (pair->host.endpoint, 1);
  _pyisolate_endpoint_cancel (pair->host.endpoint, 12345);
  link_side_assert_alive (&pair->host, &pair->worker, 2);
  g_assert_cmpuint (link_box_count (pair->worker.box), ==, 2); /* the two calls: no CANCEL went over */
}

/* A second answer of this side is its own fault, and does not leave it. */
static void
test_respond_twice (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "once"), box);
  call = link_box_take (pair->worker.box);
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "first"));
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "second"));
  link_box_assert_returned (box, "first");
  link_side_assert_alive (&pair->host, &pair->worker, 2);
}

static void
test_attached (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (GObject) object = g_object_new (G_TYPE_OBJECT, NULL);
  g_autoptr (GObject) found = NULL;
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->worker, link_frame_call (LINK_ID (1), "attach"), box);
  call = link_box_take (pair->host.box);

  g_assert_null (_pyisolate_endpoint_dup_attached (pair->host.endpoint, LINK_ID (1)));
  g_assert_true (_pyisolate_endpoint_attach (pair->host.endpoint, LINK_ID (1), object));
  g_assert_true (_pyisolate_endpoint_attach (pair->host.endpoint, LINK_ID (2), object)); /* there is no such call */
  found = _pyisolate_endpoint_dup_attached (pair->host.endpoint, LINK_ID (1));
  g_assert_true (found == object);
  g_assert_null (_pyisolate_endpoint_dup_attached (pair->host.endpoint, LINK_ID (2)));

  _pyisolate_endpoint_respond (pair->host.endpoint, link_frame_return (LINK_ID (1), "done"));
  g_assert_null (_pyisolate_endpoint_dup_attached (pair->host.endpoint, LINK_ID (1)));
  link_box_assert_returned (box, "done");
}

static void
test_parts_in_order (LinkPair *pair)
{
  static const PyIsolateFrameKind order[] = { PYISOLATE_FRAME_PROGRESS, PYISOLATE_FRAME_EVENT, PYISOLATE_FRAME_EVENT,
                                              PYISOLATE_FRAME_PROGRESS, PYISOLATE_FRAME_RETURN };
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "work"), box);
  call = link_box_take (pair->worker.box);
  link_side_send (&pair->worker, link_frame_event (0, "outside of any call", 0));
  link_side_send (&pair->worker, link_frame_progress (1, 0.1));
  link_side_send (&pair->worker, link_frame_event (1, "inside", 1));
  link_side_send (&pair->worker, link_frame_event (1, "inside", 2));
  link_side_send (&pair->worker, link_frame_progress (1, 0.9));
  _pyisolate_endpoint_respond (pair->worker.endpoint, link_frame_return (1, "done"));
  link_side_send (&pair->worker, link_frame_progress (1, 1.0)); /* after the answer: dropped */
  link_side_assert_alive (&pair->worker, &pair->host, LINK_ID (1));

  link_box_wait_ends (box, 1);
  g_assert_cmpuint (link_box_count (box), ==, G_N_ELEMENTS (order));
  for (guint i = 0; i < G_N_ELEMENTS (order); i++)
    {
      g_autoptr (PyIsolateFrame) frame = link_box_take (box);

      g_assert_cmpint (frame->kind, ==, order[i]);
      g_assert_cmpuint (frame->id, ==, 1);
      if (frame->kind == PYISOLATE_FRAME_EVENT)
        g_assert_cmpuint (link_frame_get_number (frame), ==, i == 1 ? 1 : 2);
    }
}

/* The extension's own signal repeats the events of calls, in the order of all events. */
static void
test_events_are_repeated (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_pair_start_both (pair);
  link_side_call (&pair->host, link_frame_call (1, "work"), box);
  call = link_box_take (pair->worker.box);
  for (guint i = 0; i < 6; i++)
    link_side_send (&pair->worker, link_frame_event (i % 2, "event", i));
  for (guint i = 0; i < 6; i++)
    {
      g_autoptr (PyIsolateFrame) event = link_box_take (pair->host.box);

      g_assert_cmpint (event->kind, ==, PYISOLATE_FRAME_EVENT);
      g_assert_cmpuint (event->id, ==, i % 2);
      g_assert_cmpuint (link_frame_get_number (event), ==, i);
    }
  link_box_wait_frames (box, 3);
}

static void
test_log (LinkPair *pair)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_LOG, 0);
  g_autoptr (PyIsolateFrame) arrived = NULL;

  link_pair_start_both (pair);
  _pyisolate_frame_set_variant (frame, g_variant_new ("(iss)", 30, "logger", "message"));
  link_side_send (&pair->worker, frame);
  arrived = link_box_take (pair->host.box);
  g_assert_cmpint (arrived->kind, ==, PYISOLATE_FRAME_LOG);
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  link_test_add_for_pair ("endpoint", "calls", LINK_CAREFUL, test_calls);
  link_test_add_for_pair ("endpoint", "answers-in-any-order", LINK_CAREFUL, test_answers_in_any_order);
  link_test_add_for_pair ("endpoint", "errors", LINK_CAREFUL, test_errors);
  link_test_add_for_pair ("endpoint", "fds", LINK_CAREFUL, test_fds);
  link_test_add_for_pair ("endpoint", "too-many-fds", LINK_CAREFUL, test_too_many_fds);
  link_test_add_for_pair ("endpoint", "fds-in-flight", LINK_CAREFUL, test_fds_in_flight);
  link_test_add_for_pair ("endpoint", "cancel", LINK_CAREFUL, test_cancel);
  link_test_add_for_pair ("endpoint", "cancel-ahead", LINK_CAREFUL, test_cancel_ahead);
  link_test_add_for_pair ("endpoint", "cancel-too-late", LINK_CAREFUL, test_cancel_too_late);
  link_test_add_for_pair ("endpoint", "respond-twice", LINK_CAREFUL, test_respond_twice);
  link_test_add_for_pair ("endpoint", "parts-in-order", LINK_CAREFUL, test_parts_in_order);
  link_test_add_for_pair ("endpoint", "events-are-repeated", LINK_CAREFUL, test_events_are_repeated);
  link_test_add_for_pair ("endpoint", "log", LINK_CAREFUL, test_log);
  link_test_add_for_pair ("endpoint", "attached", LINK_CAREFUL, test_attached);
  return g_test_run ();
}
