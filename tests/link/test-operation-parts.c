/* SPDX-License-Identifier: MIT */
/* Progress and events of a call: in order, before its end, and not without bound. */
#include "config.h"

#include "played-extension.h"

#include "pyisolate-error.h"

#include <math.h>
#include <string.h>

#define MAX_PARTS 65536

/* What happened in the call, a letter each. */
static void
note_progress (PyIsolateCall *call,
               double         fraction,
               const char    *text,
               GString       *log)
{
  g_string_append_printf (log, "p%.0f", fraction * 10);
}

static void
note_event (PyIsolateCall *call,
            const char    *name,
            GVariant      *value,
            GString       *log)
{
  g_string_append_printf (log, "e%u", g_variant_get_uint32 (value));
}

static PyIsolateCall *
new_noted_call (const char *method,
                GString    *log)
{
  PyIsolateCall *call = pyisolate_call_new (method);

  g_signal_connect (call, "progress", G_CALLBACK (note_progress), log);
  g_signal_connect (call, "event", G_CALLBACK (note_event), log);
  return call;
}

static void
send_parts (LinkSide *worker,
            guint64   id)
{
  link_side_send (worker, link_frame_progress (id, 0.1));
  link_side_send (worker, link_frame_event (id, "event", 1));
  link_side_send (worker, link_frame_event (id, "event", 2));
  link_side_send (worker, link_frame_progress (id, 0.9));
}

static void
test_parts (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (PyIsolateCall) call = new_noted_call ("work", log);
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  played_start (played, call, -1, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  send_parts (&played->pair->worker, frame->id);
  played_send (played, link_frame_return (frame->id, "done"));
  played_finish (&outcome);
  g_assert_cmpstr (log->str, ==, "p1e1e2p9"); /* all of it before the end */
}

/* A worker can say what it likes; who shows it is told a fraction. */
static void
test_bad_fractions (LinkKind kind)
{
  static const double fractions[] = { NAN, -NAN, 1e300, INFINITY, -INFINITY, -0.1, 1.1, 0.5 };
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (PyIsolateCall) call = new_noted_call ("work", log);
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  played_start (played, call, -1, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  for (guint i = 0; i < G_N_ELEMENTS (fractions); i++)
    link_side_send (&played->pair->worker, link_frame_progress (frame->id, fractions[i]));
  played_send (played, link_frame_return (frame->id, "done"));
  played_finish (&outcome);
  g_assert_cmpstr (log->str, ==, "p0p0p10p10p0p0p10p5");
}

/* What comes after the caller has turned away is not told. */
static void
test_parts_after_cancel (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (PyIsolateCall) call = new_noted_call ("work", log);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) other = { 0 };
  g_autoptr (PyIsolateCall) second = pyisolate_call_new ("next");
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;
  g_autoptr (PyIsolateFrame) next = NULL;

  played_start (played, call, -1, cancellable, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  g_cancellable_cancel (cancellable);
  cancel = played_take (played, PYISOLATE_FRAME_CANCEL);
  send_parts (&played->pair->worker, frame->id);
  played_start (played, second, -1, NULL, &other);
  next = played_take (played, PYISOLATE_FRAME_CALL);
  played_send (played, link_frame_return (next->id, "done"));
  played_finish (&other);
  g_assert_cmpstr (log->str, ==, "");
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* A method that reports more than the caller takes is ended, before it fills the host's memory. */
static void
test_flood_of_parts (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("flood");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  played_start (played, call, -1, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  for (guint i = 0; i <= MAX_PARTS; i++)
    _pyisolate_transport_emit_frame (played->pair->host.transport, link_frame_progress (frame->id, 0.5));
  played_finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
  link_box_wait_ends (played->pair->host.box, 1);
  g_assert_error (played->pair->host.box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_nonnull (strstr (played->pair->host.box->error->message, "flood"));
}

/* Who blocks gets the signals of its call too, before the end. */
static void
test_blocking (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (PyIsolateCall) call = new_noted_call ("work", log);
  g_auto (Outcome) outcome = { 0 };

  link_side_set_hook (&played->pair->worker, played_answer_at_once, NULL);
  played_call_blocking (played, call, -1, NULL, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpstr (log->str, ==, "p5");
}

int
main (int   argc,
      char *argv[])
{
  played_test_init (&argc, &argv);
  link_test_add ("operation-parts", "parts", test_parts);
  link_test_add ("operation-parts", "bad-fractions", test_bad_fractions);
  link_test_add ("operation-parts", "parts-after-cancel", test_parts_after_cancel);
  link_test_add ("operation-parts", "flood-of-parts", test_flood_of_parts);
  link_test_add ("operation-parts", "blocking", test_blocking);
  return g_test_run ();
}
