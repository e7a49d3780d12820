/* SPDX-License-Identifier: MIT */
/* The endpoint against a far end that keeps no books, over either transport. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-endpoint-struct-private.h"
#include "pyisolate-error.h"

static PyIsolateFrame *
new_error_frame (guint64 id)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, id);

  frame->name = g_strdup ("org.pyisolate.Error.Failed");
  frame->message = g_strdup ("careless");
  return frame;
}

static void
start_careless (LinkPair *pair)
{
  link_side_start_endpoint (&pair->host, LINK_NUMBER);
  link_side_start (&pair->worker);
}

static void
test_reply_to_nothing (LinkPair *pair)
{
  start_careless (pair);
  link_side_send (&pair->worker, link_frame_return (4711, "nobody asked"));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "which waits for none");
}

static void
test_error_to_nothing (LinkPair *pair)
{
  start_careless (pair);
  link_side_send (&pair->worker, new_error_frame (4711));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "which waits for none");
}

static void
check_two_replies (LinkPair       *pair,
                   PyIsolateFrame *second)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  start_careless (pair);
  link_side_call (&pair->host, link_frame_call (1, "once"), box);
  call = link_box_take (pair->worker.box);
  link_side_send (&pair->worker, link_frame_return (1, "first"));
  link_side_send (&pair->worker, second);
  link_box_assert_returned (box, "first");
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "which waits for none");
  g_assert_cmpuint (link_box_count_ends (box), ==, 1);
}

static void
test_two_replies (LinkPair *pair)
{
  check_two_replies (pair, link_frame_return (1, "second"));
}

static void
test_reply_and_error (LinkPair *pair)
{
  check_two_replies (pair, new_error_frame (1));
}

/* Also the answer to a cancelled call comes once. */
static void
test_two_late_replies (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  start_careless (pair);
  link_side_call (&pair->host, link_frame_call (1, "cancelled"), box);
  call = link_box_take (pair->worker.box);
  _pyisolate_endpoint_cancel (pair->host.endpoint, 1);
  link_side_send (&pair->worker, link_frame_return (1, "first"));
  link_side_send (&pair->worker, link_frame_return (1, "second"));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "which waits for none");
  g_assert_cmpuint (link_box_count_ends (box), ==, 0);
}

static void
test_same_id_twice (LinkPair *pair)
{
  start_careless (pair);
  link_side_send (&pair->worker, link_frame_call (LINK_ID (5), "one"));
  link_side_send (&pair->worker, link_frame_call (LINK_ID (5), "two"));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "Two calls in flight have the id");
  /* One CALL, and its CANCEL as the link is gone. */
  g_assert_cmpuint (link_box_count (pair->host.box), ==, 2);
}

static void
test_same_id_later (LinkPair *pair)
{
  start_careless (pair);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (PyIsolateFrame) call = NULL;
      g_autoptr (PyIsolateFrame) answer = NULL;

      link_side_send (&pair->worker, link_frame_call (LINK_ID (5), "again"));
      call = link_box_take (pair->host.box);
      _pyisolate_endpoint_respond (pair->host.endpoint, link_frame_return (LINK_ID (5), "done"));
      answer = link_box_take (pair->worker.box);
      g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_RETURN);
    }
  g_assert_cmpuint (link_box_count_ends (pair->host.box), ==, 0);
}

static void
test_foreign_id (LinkPair *pair)
{
  start_careless (pair);
  link_side_send (&pair->worker, link_frame_call (((guint64) (LINK_NUMBER + 1) << 32) | 1, "foreign"));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "not the worker's to give");
  g_assert_cmpuint (link_box_count (pair->host.box), ==, 0);
}

static void
test_host_id (LinkPair *pair)
{
  start_careless (pair);
  link_side_send (&pair->worker, link_frame_call (1, "the host's"));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "not the worker's to give");
}

/* Before a worker knows its number. */
static void
test_id_without_number (LinkPair *pair)
{
  g_autoptr (PyIsolateFrame) call = NULL;

  start_careless (pair);
  link_side_send (&pair->worker, link_frame_call (((guint64) G_MAXUINT32 << 32) | 1, "Hello"));
  call = link_box_take (pair->host.box);
  g_assert_cmpstr (call->name, ==, "Hello");
}

static void
test_too_many_calls (LinkPair *pair)
{
  g_autoptr (PyIsolateFrame) refusal = NULL;

  start_careless (pair);
  for (guint i = 0; i <= PYISOLATE_MAX_CALLS_IN; i++)
    link_side_send (&pair->worker, link_frame_call (LINK_ID (i + 1), "flood"));
  refusal = link_box_take (pair->worker.box);
  g_assert_cmpint (refusal->kind, ==, PYISOLATE_FRAME_ERROR);
  g_assert_cmpstr (refusal->name, ==, "org.pyisolate.Error.Limit");
  g_assert_cmpuint (link_box_count (pair->host.box), ==, PYISOLATE_MAX_CALLS_IN);

  /* That was not the end; an answer makes room. */
  _pyisolate_endpoint_respond (pair->host.endpoint, link_frame_return (LINK_ID (17), "done"));
  link_side_send (&pair->worker, link_frame_call (LINK_ID (10000), "one more"));
  link_box_wait_frames (pair->host.box, PYISOLATE_MAX_CALLS_IN + 1);
  g_assert_cmpuint (link_box_count_ends (pair->host.box), ==, 0);
}

#define LONG_NAME ((gsize) 1 << 20)

/* The texts of a frame count, too, as long as nobody has taken it. */
static void
test_long_names (LinkPair *pair)
{
  g_autofree char *name = g_strnfill (LONG_NAME, 'x');

  start_careless (pair);
  pair->host.endpoint->budget->bytes = PYISOLATE_MAX_BYTES_IN - 3 * LONG_NAME / 2;
  link_side_send (&pair->worker, link_frame_event (0, name, 1));
  link_box_wait_frames (pair->host.box, 1);
  link_side_send (&pair->worker, link_frame_event (0, name, 2));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_LIMIT, "nobody has taken");
}

static void
test_many_cancels (LinkPair *pair)
{
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;
  g_autoptr (PyIsolateFrame) event = NULL;

  start_careless (pair);
  link_side_send (&pair->worker, link_frame_call (LINK_ID (1), "cancel me"));
  for (guint i = 0; i < 1000; i++)
    {
      link_side_send (&pair->worker, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, LINK_ID (1)));
      link_side_send (&pair->worker, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, i));
    }
  link_side_send (&pair->worker, link_frame_event (0, "after", 0));

  call = link_box_take (pair->host.box);
  g_assert_cmpint (call->kind, ==, PYISOLATE_FRAME_CALL);
  cancel = link_box_take (pair->host.box);
  g_assert_cmpint (cancel->kind, ==, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, LINK_ID (1));
  event = link_box_take (pair->host.box);
  g_assert_cmpint (event->kind, ==, PYISOLATE_FRAME_EVENT);
}

/* Progress of a call that the worker made, or that nobody made, is of no call that waits. */
static void
test_parts_of_nothing (LinkPair *pair)
{
  g_autoptr (PyIsolateFrame) event = NULL;

  start_careless (pair);
  for (guint i = 0; i < 100; i++)
    link_side_send (&pair->worker, link_frame_progress (LINK_ID (i), 0.5));
  link_side_send (&pair->worker, link_frame_event (99, "after", 3));
  event = link_box_take (pair->host.box);
  g_assert_cmpuint (link_frame_get_number (event), ==, 3);
  g_assert_cmpuint (link_box_count_ends (pair->host.box), ==, 0);
}

/* D-Bus has no way to say it. */
static void
test_unknown_kind (LinkPair *pair)
{
  start_careless (pair);
  link_side_send (&pair->worker, _pyisolate_frame_new ((PyIsolateFrameKind) 99, 1));
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "no such kind");
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  link_test_add_for_pair ("careless-peer", "reply-to-nothing", LINK_CARELESS, test_reply_to_nothing);
  link_test_add_for_pair ("careless-peer", "error-to-nothing", LINK_CARELESS, test_error_to_nothing);
  link_test_add_for_pair ("careless-peer", "two-replies", LINK_CARELESS, test_two_replies);
  link_test_add_for_pair ("careless-peer", "reply-and-error", LINK_CARELESS, test_reply_and_error);
  link_test_add_for_pair ("careless-peer", "two-late-replies", LINK_CARELESS, test_two_late_replies);
  link_test_add_for_pair ("careless-peer", "same-id-twice", LINK_CARELESS, test_same_id_twice);
  link_test_add_for_pair ("careless-peer", "same-id-later", LINK_CARELESS, test_same_id_later);
  link_test_add_for_pair ("careless-peer", "foreign-id", LINK_CARELESS, test_foreign_id);
  link_test_add_for_pair ("careless-peer", "host-id", LINK_CARELESS, test_host_id);
  link_test_add_for_pair ("careless-peer", "id-without-number", LINK_CARELESS, test_id_without_number);
  link_test_add_for_pair ("careless-peer", "too-many-calls", LINK_CARELESS, test_too_many_calls);
  link_test_add_for_pair ("careless-peer", "long-names", LINK_CARELESS, test_long_names);
  link_test_add_for_pair ("careless-peer", "many-cancels", LINK_CARELESS, test_many_cancels);
  link_test_add_for_pair ("careless-peer", "parts-of-nothing", LINK_CARELESS, test_parts_of_nothing);
  link_test_add_for_one ("careless-peer", "unknown-kind", LINK_PLAIN, LINK_CARELESS, test_unknown_kind);
  return g_test_run ();
}
