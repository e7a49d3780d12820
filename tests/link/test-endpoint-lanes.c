/* SPDX-License-Identifier: MIT */
/* A link with lanes: which way what goes, and what happens between the ways. The test plays the
 * worker. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-endpoint-struct-private.h"
#include "pyisolate-error.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-mailbox-private.h"
#include "pyisolate-service-private.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the test's own calls; the endpoint makes some, too. */
#define CALL_ID 1000

typedef struct {
  LinkPair *pair;       /* of the transport */
  PyIsolateLane *first; /* the worker's end of the first lane; nobody reads it */
  guint n_lost;

  /* What comes is sent again, up to 100 times as often as until who waits has what it waits for. */
  gboolean is_endless;
  guint n_again;
  gboolean is_enough;
} Link;

#define ENOUGH 1000

static void
send_by (PyIsolateLane  *lane,
         PyIsolateFrame *frame)
{
  g_autoptr (GError) error = NULL;

  _pyisolate_transport_send (PYISOLATE_TRANSPORT (lane), frame, &error);
  g_assert_no_error (error);
}

static void
on_incoming (PyIsolateEndpoint *endpoint,
             PyIsolateFrame    *frame,
             gpointer           user_data)
{
  Link *link = user_data;

  if (!link->is_endless)
    {
      link_box_put (link->pair->host.box, frame);
      return;
    }

  _pyisolate_frame_free (frame);
  link->is_enough = ++link->n_again >= ENOUGH;
  if (link->n_again < 100 * ENOUGH)
    send_by (link->first, link_frame_event (0, "again", 0));
}

static void
on_closed (PyIsolateEndpoint *endpoint,
           const GError      *error,
           gpointer           user_data)
{
  g_autoptr (GError) died = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_DIED, "gone");

  _pyisolate_endpoint_fail (endpoint, error != NULL ? error : died);
  link_box_end (((Link *) user_data)->pair->host.box, error);
}

static void
on_lane_lost (PyIsolateEndpoint *endpoint,
              gpointer           user_data)
{
  ((Link *) user_data)->n_lost++;
}

static Link *
link_new (void)
{
  static const PyIsolateEndpointHandler handler = { on_incoming, on_closed, on_lane_lost };
  Link *link = g_new0 (Link, 1);
  g_autoptr (PyIsolateLane) lane = NULL;
  int peer_fd;

  link->pair = link_pair_new (LINK_PLAIN, LINK_CAREFUL);
  link->pair->host.started = TRUE;
  link->pair->host.endpoint = _pyisolate_endpoint_new (link->pair->host.transport, LINK_NUMBER);
  _pyisolate_endpoint_start (link->pair->host.endpoint, &handler, link, NULL);
  link_side_start (&link->pair->worker);

  lane = _pyisolate_lane_new_pair (&peer_fd);
  g_assert_nonnull (lane);
  _pyisolate_endpoint_allow_lanes (link->pair->host.endpoint, lane);
  link->first = _pyisolate_lane_new_of_pair (peer_fd);

  return link;
}

static void
link_free (Link *link)
{
  g_clear_object (&link->first);
  link_pair_free (link->pair);
  g_free (link);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Link, link_free)

static void
on_reply (PyIsolateFrame *frame,
          const GError   *error,
          gpointer        user_data)
{
  if (frame != NULL)
    link_box_put (user_data, frame);
  link_box_end (user_data, error);
}

static void
call_by (Link          *link,
         PyIsolateLane *lane,
         guint64        id,
         LinkBox       *box)
{
  g_atomic_ref_count_inc (&box->ref_count);
  g_assert_true (_pyisolate_endpoint_call (link->pair->host.endpoint, lane,
                                           link_frame_call (id, "go"), on_reply, box,
                                           (GDestroyNotify) link_box_unref, NULL));
}

static PyIsolateFrame *
take_from (PyIsolateLane *lane)
{
  PyIsolateFrame *frame = NULL;
  PyIsolateFrameView view;

  _pyisolate_lane_lock (lane);
  if (_pyisolate_lane_next (lane, &view))
    frame = _pyisolate_lane_steal_frame (lane);
  _pyisolate_lane_unlock (lane);

  return frame;
}

static void
assert_takes (PyIsolateLane *lane,
              guint64        id)
{
  g_autoptr (PyIsolateFrame) frame = take_from (lane);

  g_assert_nonnull (frame);
  g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_CALL);
  g_assert_cmpuint (frame->id, ==, id);
}

/* A call goes by its lane, and so does its answer; the first lane is there from the start. */
static void
test_round_trip (void)
{
  g_autoptr (Link) link = link_new ();
  g_autoptr (PyIsolateLane) lane = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (LinkBox) box = link_box_new ();

  call_by (link, lane, CALL_ID, box);
  assert_takes (link->first, CALL_ID);
  send_by (link->first, link_frame_return (CALL_ID, "here"));
  while (_pyisolate_lane_receive_ready (lane, 1))
    ;
  link_box_assert_returned (box, "here");
  g_assert_cmpuint (link_box_count (link->pair->worker.box), ==, 0);
}

/* The second is made on demand: the worker gets its other end, on which something may lie
 * already. */
static void
test_open (void)
{
  g_autoptr (Link) link = link_new ();
  g_autoptr (PyIsolateLane) first = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (PyIsolateLane) second = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (PyIsolateLane) peer = NULL;
  g_autoptr (PyIsolateFrame) opening = NULL;
  g_autoptr (LinkBox) box = link_box_new ();

  g_assert_true (first != second);
  call_by (link, second, CALL_ID, box);
  opening = link_box_take (link->pair->worker.box);
  g_assert_cmpstr (opening->target, ==, PYISOLATE_TARGET_WORKER);
  g_assert_cmpstr (opening->name, ==, "OpenLane");
  g_assert_cmpuint (opening->n_fds, ==, 1);
  peer = _pyisolate_lane_new_of_pair (_pyisolate_steal_fd (&opening->fds[0]));
  link_side_send (&link->pair->worker, link_frame_return (opening->id, "taken"));
  assert_takes (peer, CALL_ID);
  send_by (peer, link_frame_return (CALL_ID, "there"));
  while (_pyisolate_lane_receive (second, 1))
    ;
  link_box_assert_returned (box, "there");
}

static void
test_refused (void)
{
  g_autoptr (Link) link = link_new ();
  g_autoptr (PyIsolateLane) first = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (PyIsolateLane) second = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (PyIsolateFrame) opening = link_box_take (link->pair->worker.box);
  g_autoptr (GError) error = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED, "no reason");

  link_side_send (&link->pair->worker, _pyisolate_frame_new_error (opening->id, error));
  link_side_assert_ended (&link->pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "does not take a lane");
}

/* Who has no room for one says so: what went by it already fails, what comes later goes another way, and the rest goes on. The
 * other end may have gone before that is heard. */
static void
test_no_room (gconstpointer data)
{
  gboolean closes_first = GPOINTER_TO_INT (data);
  g_autoptr (Link) link = link_new ();
  g_autoptr (PyIsolateLane) first = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (PyIsolateLane) second = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (PyIsolateFrame) opening = link_box_take (link->pair->worker.box);
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (GError) error = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT, "no room");
  g_autoptr (LinkBox) lost = link_box_new ();
  g_autoptr (LinkBox) box = link_box_new ();

  call_by (link, second, CALL_ID, lost);
  if (closes_first)
    {
      _pyisolate_clear_fd (&opening->fds[0]);
      _pyisolate_lane_note_gone (second);
      while (_pyisolate_lane_receive (second, 1))
        ;
    }
  link_side_send (&link->pair->worker, _pyisolate_frame_new_error (opening->id, error));
  link_box_wait_ends (lost, 1);
  g_assert_error (lost->error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (link->n_lost, ==, 0);

  g_assert_null (_pyisolate_endpoint_open_lane (link->pair->host.endpoint));
  call_by (link, second, CALL_ID + 1, box); /* by who does not know yet */
  call = link_box_take (link->pair->worker.box);
  g_assert_cmpuint (call->id, ==, CALL_ID + 1);
  link_side_send (&link->pair->worker, link_frame_return (CALL_ID + 1, "there"));
  link_box_assert_returned (box, "there");

  call_by (link, first, CALL_ID + 2, box);
  assert_takes (link->first, CALL_ID + 2);
}

static void
test_most (void)
{
  g_autoptr (Link) link = link_new ();
  PyIsolateLane *lanes[PYISOLATE_MAX_LANES];

  for (guint i = 0; i < G_N_ELEMENTS (lanes); i++)
    {
      lanes[i] = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
      g_assert_nonnull (lanes[i]);
    }
  g_assert_null (_pyisolate_endpoint_open_lane (link->pair->host.endpoint));
  for (guint i = 0; i < G_N_ELEMENTS (lanes); i++)
    g_object_unref (lanes[i]);
}

/* An answer that comes by another way than its call went is none that a worker of ours sends. */
static void
test_other_way (void)
{
  g_autoptr (Link) link = link_new ();
  g_autoptr (PyIsolateLane) lane = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (LinkBox) box = link_box_new ();

  call_by (link, lane, CALL_ID, box);
  link_side_send (&link->pair->worker, link_frame_return (CALL_ID, "by the wrong way"));
  link_side_assert_ended (&link->pair->host, PYISOLATE_ERROR_BAD_MESSAGE, "by another way");
}

/* A cancellation that is ahead of its call, which lies on a lane that nobody has read, finds it. */
static void
test_cancel_ahead (void)
{
  g_autoptr (Link) link = link_new ();
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;

  send_by (link->first, link_frame_call (LINK_ID (1), "host's"));
  link_side_send (&link->pair->worker, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, LINK_ID (1)));
  call = link_box_take (link->pair->host.box);
  cancel = link_box_take (link->pair->host.box);
  g_assert_cmpint (call->kind, ==, PYISOLATE_FRAME_CALL);
  g_assert_cmpint (cancel->kind, ==, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, LINK_ID (1));
}

/* The host's cancellations go by the transport; of a call that the socket has not taken yet there
 * is nothing to cancel. */
static void
test_cancel (void)
{
  g_autoptr (Link) link = link_new ();
  g_autoptr (PyIsolateLane) lane = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) cancel = NULL;
  guint64 last = CALL_ID;

  call_by (link, lane, CALL_ID, box);
  while (!_pyisolate_lane_wants_write (lane))
    call_by (link, lane, ++last, box);
  _pyisolate_endpoint_cancel (link->pair->host.endpoint, last);
  _pyisolate_endpoint_cancel (link->pair->host.endpoint, CALL_ID);
  cancel = link_box_take (link->pair->worker.box);
  g_assert_cmpint (cancel->kind, ==, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, CALL_ID);
  for (guint64 id = CALL_ID; id < last; id++)
    assert_takes (link->first, id);
  _pyisolate_lane_flush (lane);
  g_assert_null (take_from (link->first));
}

/* What a worker said before it ended is heard before the end is told. */
static void
test_answer_before_end (void)
{
  g_autoptr (Link) link = link_new ();
  g_autoptr (PyIsolateLane) lane = _pyisolate_endpoint_open_lane (link->pair->host.endpoint);
  g_autoptr (LinkBox) box = link_box_new ();

  call_by (link, lane, CALL_ID, box);
  send_by (link->first, link_frame_return (CALL_ID, "just in time"));
  g_clear_object (&link->first);
  _pyisolate_endpoint_drain (link->pair->host.endpoint);
  link_box_assert_returned (box, "just in time");
  g_assert_cmpuint (link->n_lost, ==, 1);
}

static void
push_and_call (Link          *link,
               GMainContext  *context,
               PyIsolateLane **lane)
{
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);
  g_autoptr (PyIsolateLane) again = NULL;

  *lane = _pyisolate_mailbox_ref_lane (mailbox, link->pair->host.endpoint);
  again = _pyisolate_mailbox_ref_lane (mailbox, link->pair->host.endpoint);
  g_assert_nonnull (*lane);
  g_assert_true (again == *lane);
}

/* One for each context, which goes when the context goes. */
static void
test_contexts (void)
{
  g_autoptr (Link) link = link_new ();
  g_autoptr (GMainContext) one = g_main_context_new ();
  GMainContext *two = g_main_context_new ();
  g_autoptr (PyIsolateLane) lane_one = NULL;
  g_autoptr (PyIsolateLane) lane_two = NULL;
  g_autoptr (PyIsolateLane) peer = NULL;
  g_autoptr (PyIsolateFrame) opening = NULL;

  push_and_call (link, one, &lane_one);
  push_and_call (link, two, &lane_two);
  g_assert_true (lane_one != lane_two);
  opening = link_box_take (link->pair->worker.box);
  peer = _pyisolate_lane_new_of_pair (_pyisolate_steal_fd (&opening->fds[0]));
  g_assert_null (take_from (peer));
  g_assert_false (_pyisolate_lane_is_ended (peer));

  g_main_context_unref (two);
  g_assert_true (_pyisolate_lane_is_ended (lane_two));
  g_assert_null (take_from (peer));
  g_assert_true (_pyisolate_lane_is_ended (peer));
  g_assert_false (_pyisolate_lane_is_ended (lane_one));
  g_assert_cmpuint (link->n_lost, ==, 0);
}

static guint
count_calls (Link *link)
{
  return link->pair->host.endpoint->calls_out.n_values;
}

/* A call that was cancelled is kept for its answer, and goes with the lane by which that would come. */
static void
test_cancelled_goes (void)
{
  g_autoptr (Link) link = link_new ();
  GMainContext *context = g_main_context_new ();
  g_autoptr (PyIsolateLane) lane = NULL;
  g_autoptr (LinkBox) box = link_box_new ();

  push_and_call (link, context, &lane);
  call_by (link, lane, CALL_ID, box);
  call_by (link, lane, CALL_ID + 1, box);
  _pyisolate_endpoint_cancel (link->pair->host.endpoint, CALL_ID);
  g_assert_cmpuint (count_calls (link), ==, 2);
  g_main_context_unref (context);
  g_assert_cmpuint (count_calls (link), ==, 1);
  _pyisolate_endpoint_cancel (link->pair->host.endpoint, CALL_ID + 1);
  g_assert_cmpuint (count_calls (link), ==, 0);
}

/* A thread without a context has none. */
static gpointer
wait_without_context (gpointer data)
{
  Link *link = data;
  PyIsolateMailbox *mailbox = _pyisolate_mailbox_begin_wait ();

  g_assert_null (_pyisolate_mailbox_ref_lane (mailbox, link->pair->host.endpoint));
  _pyisolate_mailbox_end_wait (mailbox);

  return NULL;
}

static void
test_no_context (void)
{
  g_autoptr (Link) link = link_new ();

  g_thread_join (g_thread_new ("no-context", wait_without_context, link));
}

/* Who blocks goes on when it has what it waits for, though there is always something more to read. */
static void
test_endless (void)
{
  g_autoptr (Link) link = link_new ();
  GMainContext *context = g_main_context_new ();
  g_autoptr (PyIsolateLane) lane = NULL;
  PyIsolateMailbox *mailbox;

  g_main_context_push_thread_default (context);
  mailbox = _pyisolate_mailbox_begin_wait ();
  lane = _pyisolate_mailbox_ref_lane (mailbox, link->pair->host.endpoint);
  link->is_endless = TRUE;
  send_by (link->first, link_frame_event (0, "first", 0));
  _pyisolate_mailbox_wait (mailbox, &link->is_enough);
  g_assert_cmpuint (link->n_again, <, 2 * ENOUGH);

  link->is_endless = FALSE;
  _pyisolate_mailbox_end_wait (mailbox);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  _pyisolate_service_get_context (); /* which keeps a descriptor */

  test_util_add_func ("/pyisolate/endpoint-lanes/round-trip", test_round_trip);
  test_util_add_func ("/pyisolate/endpoint-lanes/open", test_open);
  test_util_add_func ("/pyisolate/endpoint-lanes/refused", test_refused);
  test_util_add_data_func ("/pyisolate/endpoint-lanes/no-room", GINT_TO_POINTER (FALSE), test_no_room);
  test_util_add_data_func ("/pyisolate/endpoint-lanes/no-room-and-gone", GINT_TO_POINTER (TRUE), test_no_room);
  test_util_add_func ("/pyisolate/endpoint-lanes/most", test_most);
  test_util_add_func ("/pyisolate/endpoint-lanes/other-way", test_other_way);
  test_util_add_func ("/pyisolate/endpoint-lanes/cancel-ahead", test_cancel_ahead);
  test_util_add_func ("/pyisolate/endpoint-lanes/cancel", test_cancel);
  test_util_add_func ("/pyisolate/endpoint-lanes/answer-before-end", test_answer_before_end);
  test_util_add_func ("/pyisolate/endpoint-lanes/contexts", test_contexts);
  test_util_add_func ("/pyisolate/endpoint-lanes/cancelled-goes", test_cancelled_goes);
  test_util_add_func ("/pyisolate/endpoint-lanes/no-context", test_no_context);
  test_util_add_func ("/pyisolate/endpoint-lanes/endless", test_endless);

  return g_test_run ();
}
