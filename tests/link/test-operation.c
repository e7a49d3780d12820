/* SPDX-License-Identifier: MIT */
/* One call of an application, from its frame to its end, with a worker that the test plays itself. */
#include "config.h"

#include "played-extension.h"

#include "pyisolate-error-private.h"
#include "pyisolate-fd-private.h"

#include <string.h>

static void
test_return (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("add");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) expected = NULL;

  pyisolate_call_set_args (call, g_variant_new_parsed ("(@x 1, 'two')"));
  pyisolate_call_set_kwargs (call, g_variant_new_parsed ("{'three': <3.0>}"));
  played_start (played, call, -1, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  g_assert_cmpstr (frame->target, ==, "");
  g_assert_cmpstr (frame->name, ==, "add");
  body = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (PYISOLATE_BODY_CALL), frame->body, FALSE));
  expected = g_variant_ref_sink (g_variant_new_parsed ("([<@x 1>, <'two'>], {'three': <3.0>})"));
  g_assert_cmpvariant (body, expected);

  played_send (played, link_frame_return (frame->id, "sum"));
  played_finish (&outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpstr (g_variant_get_string (pyisolate_call_result_get_value (outcome.result), NULL), ==, "sum");
  g_assert_cmpuint (pyisolate_call_result_get_n_fds (outcome.result), ==, 0);
}

static void
test_exception (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("raise");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateRemoteException) of_call = NULL;
  g_autoptr (PyIsolateRemoteException) of_error = NULL;
  PyIsolateFrame *answer;

  played_start (played, call, -1, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  answer = played_frame_new (PYISOLATE_FRAME_ERROR, frame->id, "", 0);
  _pyisolate_frame_set_variant (answer, g_variant_new_parsed ("{'exception': <{'type': <'ValueError'>}>}"));
  played_send (played, answer);
  played_finish (&outcome);

  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  of_call = pyisolate_call_dup_remote_exception (call);
  of_error = pyisolate_error_dup_remote_exception (outcome.error);
  g_assert_nonnull (of_call);
  g_assert_true (of_call == of_error);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (of_call), ==, "ValueError");
}

/* An answer whose body is not what it must be is told as that, and ends the link. */
static void
check_malformed (LinkKind            kind,
                 PyIsolateFrameKind  frame_kind,
                 const char         *bytes,
                 gsize               size)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("garble");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  gboolean is_answer = frame_kind == PYISOLATE_FRAME_RETURN || frame_kind == PYISOLATE_FRAME_ERROR;
  /* A part that is malformed ends the link, and the link's end the call. */
  int expected = is_answer ? PYISOLATE_ERROR_BAD_MESSAGE : PYISOLATE_ERROR_DIED;

  played_start (played, call, -1, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  played_send (played, played_frame_new (frame_kind, frame->id, bytes, size));
  played_finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, expected);
  link_box_wait_ends (played->pair->host.box, 1);
  g_assert_error (played->pair->host.box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
  g_assert_cmpuint (outcome.n_ends, ==, 1);
}

static void
test_malformed (LinkKind kind)
{
  static const struct {
    const char *bytes;
    gsize size;
  } bodies[] = { { "nonsense", 8 }, { "\0\0\0s", 4 }, { "a\0(", 3 }, { "\xff", 1 }, { "\0\0\0\0\0\0\0\0\0zz", 11 } };

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      check_malformed (kind, PYISOLATE_FRAME_RETURN, bodies[i].bytes, bodies[i].size);
      check_malformed (kind, PYISOLATE_FRAME_ERROR, bodies[i].bytes, bodies[i].size);
      check_malformed (kind, PYISOLATE_FRAME_PROGRESS, bodies[i].bytes, bodies[i].size);
      check_malformed (kind, PYISOLATE_FRAME_EVENT, bodies[i].bytes, bodies[i].size);
    }
  check_malformed (kind, PYISOLATE_FRAME_RETURN, "", 0);
}

/* A worker cannot make its caller believe that it was killed. */
static void
test_false_error (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("lie");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  PyIsolateFrame *answer;

  played_start (played, call, -1, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  answer = played_frame_new (PYISOLATE_FRAME_ERROR, frame->id, "", 0);
  _pyisolate_frame_set_name (answer, "org.pyisolate.Error.Killed");
  played_send (played, answer);
  played_finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
  link_box_wait_ends (played->pair->host.box, 1);
}

static void
test_link_ends (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("wait");
  g_autoptr (PyIsolateCall) later = pyisolate_call_new ("later");
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) other = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  played_start (played, call, -1, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  _pyisolate_transport_close (played->pair->worker.transport, NULL);
  played_finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
  played_start (played, later, -1, NULL, &other);
  played_finish (&other);
  g_assert_error (other.error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
}

static void
test_bad_argument (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("take");
  g_auto (Outcome) outcome = { 0 };
  GVariant *deep = g_variant_new_int32 (5);

  for (guint i = 0; i < 40; i++)
    deep = g_variant_new_array (NULL, &deep, 1);
  pyisolate_call_set_args (call, g_variant_new_tuple (&deep, 1));
  played_start (played, call, -1, NULL, &outcome);
  played_finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
  g_assert_nonnull (strstr (outcome.error->message, "Argument 1"));
  g_assert_cmpuint (link_box_count (played->pair->worker.box), ==, 0);
}

static void
test_made_twice (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("once");
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) second = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  played_start (played, call, -1, NULL, &outcome);
  played_start (played, call, -1, NULL, &second);
  played_finish (&second);
  g_assert_error (second.error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  played_send (played, link_frame_return (frame->id, "done"));
  played_finish (&outcome);
  g_assert_no_error (outcome.error);
}

static void
test_too_many_fds (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("take");
  g_auto (Outcome) outcome = { 0 };

  for (guint i = 0; i <= PYISOLATE_MAX_FDS; i++)
    {
      g_autoptr (GError) error = NULL;

      if (pyisolate_call_append_fd (call, 0, &error) < 0)
        {
          g_assert_cmpuint (i, ==, PYISOLATE_MAX_FDS);
          g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
          return;
        }
    }
  played_start (played, call, -1, NULL, &outcome);
  played_finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (played->pair->host.box->n_ends, ==, 0);
}

static void
test_lookup (LinkKind kind)
{
  g_autoptr (Played) played = played_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("work");
  g_autoptr (PyIsolateCall) found = NULL;
  g_autoptr (PyIsolateMailbox) mailbox = NULL;
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  played_start (played, call, -1, NULL, &outcome);
  frame = played_take (played, PYISOLATE_FRAME_CALL);
  found = _pyisolate_operation_dup_call (frame->id, FALSE);
  mailbox = _pyisolate_operation_ref_mailbox (frame->id);
  g_assert_true (found == call);
  g_assert_true (mailbox == played->mailbox);
  played_send (played, link_frame_return (frame->id, "done"));
  played_finish (&outcome);
  g_assert_null (_pyisolate_operation_dup_call (frame->id, TRUE));
  g_assert_null (_pyisolate_operation_ref_mailbox (frame->id));
}

int
main (int   argc,
      char *argv[])
{
  played_test_init (&argc, &argv);
  link_test_add ("operation", "return", test_return);
  link_test_add ("operation", "exception", test_exception);
  link_test_add ("operation", "malformed", test_malformed);
  link_test_add ("operation", "false-error", test_false_error);
  link_test_add ("operation", "link-ends", test_link_ends);
  link_test_add ("operation", "bad-argument", test_bad_argument);
  link_test_add ("operation", "made-twice", test_made_twice);
  link_test_add ("operation", "too-many-fds", test_too_many_fds);
  link_test_add ("operation", "lookup", test_lookup);
  return g_test_run ();
}
