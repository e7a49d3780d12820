/* SPDX-License-Identifier: MIT */
/* One call of an application, from its frame to its end, with a worker that the test plays itself. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-error-private.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-operation-private.h"
#include "pyisolate-service-private.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define N_THREADS 8
#define N_PER_THREAD 100
#define MAX_PARTS 65536

typedef struct {
  LinkPair *pair;
  PyIsolateExtension *extension;
  PyIsolateMailbox *mailbox; /* the default context's */
} Fixture;

typedef struct {
  guint n_ends;
  gboolean done;
  PyIsolateCallResult *result;
  GError *error;
} Outcome;

static Fixture *
fixture_new (LinkKind kind)
{
  Fixture *fixture = g_new0 (Fixture, 1);
  PyIsolateExtensionConfig *config = pyisolate_extension_config_new ("sums", "/module");

  fixture->pair = link_pair_new (kind, LINK_CARELESS);
  link_side_start_endpoint (&fixture->pair->host, LINK_NUMBER);
  link_side_start (&fixture->pair->worker);
  fixture->mailbox = _pyisolate_mailbox_ref_for_context (NULL);
  fixture->extension = _pyisolate_extension_new (config, "/state", g_hash_table_new (g_str_hash, g_str_equal),
                                                 fixture->mailbox);
  return fixture;
}

/* Operations go with the last of what they were for. */
static void
fixture_free (Fixture *fixture)
{
  link_pair_free (fixture->pair);
  link_unref_last (g_steal_pointer (&fixture->extension));
  _pyisolate_mailbox_unref (fixture->mailbox);
  g_free (fixture);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

static void
on_end (PyIsolateCallResult *result,
        GError              *error,
        gpointer             user_data)
{
  Outcome *outcome = user_data;

  g_assert_true ((result == NULL) == (error != NULL));
  outcome->n_ends++;
  outcome->result = result;
  outcome->error = error;
  outcome->done = TRUE;
}

static void
outcome_clear (Outcome *outcome)
{
  g_clear_object (&outcome->result);
  g_clear_error (&outcome->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
start (Fixture       *fixture,
       PyIsolateCall *call,
       gint64         timeout,
       GCancellable  *cancellable,
       Outcome       *outcome)
{
  _pyisolate_operation_start (fixture->extension, fixture->pair->host.endpoint, call, timeout, fixture->mailbox,
                              PYISOLATE_JOB_NOTIFICATION, cancellable, on_end, outcome);
  g_assert_cmpuint (outcome->n_ends, ==, 0); /* never inside of the start */
}

static void
finish (Outcome *outcome)
{
  test_util_assert_until (test_util_is_true, &outcome->done, LINK_TIMEOUT_MS);
}

static PyIsolateFrame *
take_frame (Fixture            *fixture,
            PyIsolateFrameKind  kind)
{
  PyIsolateFrame *frame = link_box_take (fixture->pair->worker.box);

  g_assert_cmpint (frame->kind, ==, kind);
  return frame;
}

static PyIsolateFrame *
new_body_frame (PyIsolateFrameKind  kind,
                guint64             id,
                const char         *bytes,
                gsize               size)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (kind, id);

  frame->body = g_bytes_new (bytes, size);
  if (kind == PYISOLATE_FRAME_EVENT)
    frame->name = g_strdup ("name");
  if (kind == PYISOLATE_FRAME_ERROR)
    {
      frame->name = g_strdup ("org.pyisolate.Error.RemoteException");
      frame->message = g_strdup ("text");
    }
  return frame;
}

static void
test_return (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("add");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) expected = NULL;

  pyisolate_call_set_args (call, g_variant_new_parsed ("(@x 1, 'two')"));
  pyisolate_call_set_kwargs (call, g_variant_new_parsed ("{'three': <3.0>}"));
  start (fixture, call, -1, NULL, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  g_assert_cmpstr (frame->target, ==, "");
  g_assert_cmpstr (frame->name, ==, "add");
  body = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (PYISOLATE_BODY_CALL), frame->body, FALSE));
  expected = g_variant_ref_sink (g_variant_new_parsed ("([<@x 1>, <'two'>], {'three': <3.0>})"));
  g_assert_cmpvariant (body, expected);

  link_side_send (&fixture->pair->worker, link_frame_return (frame->id, "sum"));
  finish (&outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpstr (g_variant_get_string (pyisolate_call_result_get_value (outcome.result), NULL), ==, "sum");
  g_assert_cmpuint (pyisolate_call_result_get_n_fds (outcome.result), ==, 0);
}

static void
test_exception (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("raise");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateRemoteException) of_call = NULL;
  g_autoptr (PyIsolateRemoteException) of_error = NULL;
  PyIsolateFrame *answer;

  start (fixture, call, -1, NULL, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  answer = new_body_frame (PYISOLATE_FRAME_ERROR, frame->id, "", 0);
  _pyisolate_frame_set_variant (answer, g_variant_new_parsed ("{'exception': <{'type': <'ValueError'>}>}"));
  link_side_send (&fixture->pair->worker, answer);
  finish (&outcome);

  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  of_call = pyisolate_call_dup_remote_exception (call);
  of_error = pyisolate_error_dup_remote_exception (outcome.error);
  g_assert_nonnull (of_call);
  g_assert_true (of_call == of_error);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (of_call), ==, "ValueError");
}

/* An answer whose body is not what it must be is told as that, and ends the link. */
static void
check_malformed (LinkKind           kind,
                 PyIsolateFrameKind frame_kind,
                 const char        *bytes,
                 gsize              size)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("garble");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  gboolean is_answer = frame_kind == PYISOLATE_FRAME_RETURN || frame_kind == PYISOLATE_FRAME_ERROR;
  /* A part that is malformed ends the link, and the link's end the call. */
  int expected = is_answer ? PYISOLATE_ERROR_BAD_MESSAGE : PYISOLATE_ERROR_DIED;

  start (fixture, call, -1, NULL, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  link_side_send (&fixture->pair->worker, new_body_frame (frame_kind, frame->id, bytes, size));
  finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, expected);
  link_box_wait_ends (fixture->pair->host.box, 1);
  g_assert_error (fixture->pair->host.box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
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
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("lie");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  PyIsolateFrame *answer;

  start (fixture, call, -1, NULL, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  answer = new_body_frame (PYISOLATE_FRAME_ERROR, frame->id, "", 0);
  g_free (answer->name);
  answer->name = g_strdup ("org.pyisolate.Error.Killed");
  link_side_send (&fixture->pair->worker, answer);
  finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
  link_box_wait_ends (fixture->pair->host.box, 1);
}

static void
check_deadline (LinkKind kind,
                gint64   timeout)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("slow");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;
  g_autoptr (PyIsolateFrame) next = NULL;
  g_auto (Outcome) other = { 0 };
  g_autoptr (PyIsolateCall) second = pyisolate_call_new ("next");

  start (fixture, call, timeout, NULL, &outcome);
  finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  g_assert_nonnull (strstr (outcome.error->message, "slow"));
  g_assert_nonnull (strstr (outcome.error->message, "sums"));

  /* The worker is told, in any case, and its late answer is no fault. */
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  cancel = take_frame (fixture, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, frame->id);
  link_side_send (&fixture->pair->worker, link_frame_return (frame->id, "late"));
  start (fixture, second, -1, NULL, &other);
  next = take_frame (fixture, PYISOLATE_FRAME_CALL);
  link_side_send (&fixture->pair->worker, link_frame_return (next->id, "in time"));
  finish (&other);
  g_assert_no_error (other.error);
  g_assert_cmpuint (outcome.n_ends, ==, 1);
}

static void
test_deadline (LinkKind kind)
{
  check_deadline (kind, 20);
}

/* Over before it began: still in this order. */
static void
test_deadline_at_once (LinkKind kind)
{
  for (guint i = 0; i < 50; i++)
    check_deadline (kind, 0);
}

static void
test_deadline_not_reached (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("quick");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  start (fixture, call, G_MAXINT64, NULL, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  link_side_send (&fixture->pair->worker, link_frame_return (frame->id, "done"));
  finish (&outcome);
  g_assert_no_error (outcome.error);
}

static gpointer
cancel_it (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

static void
check_cancel (LinkKind kind,
              gboolean from_thread)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("slow");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;

  start (fixture, call, -1, cancellable, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  if (from_thread)
    g_thread_join (g_thread_new ("cancel", cancel_it, cancellable));
  else
    g_cancellable_cancel (cancellable);
  g_assert_cmpuint (outcome.n_ends, ==, 0);
  finish (&outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  cancel = take_frame (fixture, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, frame->id);

  /* Again, and with the answer on its way. */
  link_side_send (&fixture->pair->worker, link_frame_return (frame->id, "late"));
  g_cancellable_reset (cancellable);
  g_cancellable_cancel (cancellable);
  g_assert_cmpuint (outcome.n_ends, ==, 1);
}

static void
test_cancel (LinkKind kind)
{
  check_cancel (kind, FALSE);
  check_cancel (kind, TRUE);
}

static void
test_cancelled_before (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("never");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };

  g_cancellable_cancel (cancellable);
  start (fixture, call, -1, cancellable, &outcome);
  finish (&outcome);
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (link_box_count (fixture->pair->worker.box), ==, 0);
}

static void
test_cancel_after_answer (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("quick");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  start (fixture, call, -1, cancellable, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  link_side_send (&fixture->pair->worker, link_frame_return (frame->id, "done"));
  finish (&outcome);
  g_cancellable_cancel (cancellable);
  g_assert_no_error (outcome.error);
  g_assert_cmpuint (outcome.n_ends, ==, 1);
}

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
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (PyIsolateCall) call = new_noted_call ("work", log);
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  start (fixture, call, -1, NULL, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  send_parts (&fixture->pair->worker, frame->id);
  link_side_send (&fixture->pair->worker, link_frame_return (frame->id, "done"));
  finish (&outcome);
  g_assert_cmpstr (log->str, ==, "p1e1e2p9"); /* all of it before the end */
}

/* What comes after the caller has turned away is not told. */
static void
test_parts_after_cancel (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (PyIsolateCall) call = new_noted_call ("work", log);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) other = { 0 };
  g_autoptr (PyIsolateCall) second = pyisolate_call_new ("next");
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;
  g_autoptr (PyIsolateFrame) next = NULL;

  start (fixture, call, -1, cancellable, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  g_cancellable_cancel (cancellable);
  cancel = take_frame (fixture, PYISOLATE_FRAME_CANCEL);
  send_parts (&fixture->pair->worker, frame->id);
  start (fixture, second, -1, NULL, &other);
  next = take_frame (fixture, PYISOLATE_FRAME_CALL);
  link_side_send (&fixture->pair->worker, link_frame_return (next->id, "done"));
  finish (&other);
  g_assert_cmpstr (log->str, ==, "");
  g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* A method that reports more than the caller takes is ended, before it fills the host's memory. */
static void
test_flood_of_parts (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("flood");
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  start (fixture, call, -1, NULL, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  for (guint i = 0; i <= MAX_PARTS; i++)
    _pyisolate_transport_emit_frame (fixture->pair->host.transport, link_frame_progress (frame->id, 0.5));
  finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
  link_box_wait_ends (fixture->pair->host.box, 1);
  g_assert_error (fixture->pair->host.box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_nonnull (strstr (fixture->pair->host.box->error->message, "flood"));
}

static void
test_link_ends (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("wait");
  g_autoptr (PyIsolateCall) later = pyisolate_call_new ("later");
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) other = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  start (fixture, call, -1, NULL, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  _pyisolate_transport_close (fixture->pair->worker.transport, NULL);
  finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
  start (fixture, later, -1, NULL, &other);
  finish (&other);
  g_assert_error (other.error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
}

static void
test_bad_argument (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("take");
  g_auto (Outcome) outcome = { 0 };
  GVariant *deep = g_variant_new_int32 (5);

  for (guint i = 0; i < 40; i++)
    deep = g_variant_new_array (NULL, &deep, 1);
  pyisolate_call_set_args (call, g_variant_new_tuple (&deep, 1));
  start (fixture, call, -1, NULL, &outcome);
  finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE);
  g_assert_nonnull (strstr (outcome.error->message, "Argument 1"));
  g_assert_cmpuint (link_box_count (fixture->pair->worker.box), ==, 0);
}

static void
test_made_twice (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("once");
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) second = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  start (fixture, call, -1, NULL, &outcome);
  start (fixture, call, -1, NULL, &second);
  finish (&second);
  g_assert_error (second.error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  link_side_send (&fixture->pair->worker, link_frame_return (frame->id, "done"));
  finish (&outcome);
  g_assert_no_error (outcome.error);
}

static void
test_too_many_fds (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
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
  start (fixture, call, -1, NULL, &outcome);
  finish (&outcome);
  g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT);
  g_assert_cmpuint (fixture->pair->host.box->n_ends, ==, 0);
}

static gboolean
answer_at_once (LinkSide       *side,
                PyIsolateFrame *frame,
                gpointer        data)
{
  if (frame->kind == PYISOLATE_FRAME_CALL)
    {
      _pyisolate_transport_send (side->transport, link_frame_progress (frame->id, 0.5), NULL);
      _pyisolate_transport_send (side->transport, link_frame_return (frame->id, frame->name), NULL);
    }
  _pyisolate_frame_free (frame);
  return TRUE;
}

static void
call_blocking (Fixture       *fixture,
               PyIsolateCall *call,
               gint64         timeout,
               GCancellable  *cancellable,
               Outcome       *outcome)
{
  PyIsolateMailbox *mailbox = _pyisolate_mailbox_begin_wait ();

  _pyisolate_operation_start (fixture->extension, fixture->pair->host.endpoint, call, timeout, mailbox,
                              PYISOLATE_JOB_CALL, cancellable, on_end, outcome);
  _pyisolate_mailbox_wait (mailbox, &outcome->done);
  _pyisolate_mailbox_end_wait (mailbox);
}

/* Who blocks gets the signals of its call too, before the end. */
static void
test_blocking (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (PyIsolateCall) call = new_noted_call ("work", log);
  g_auto (Outcome) outcome = { 0 };

  fixture->pair->worker.hook = answer_at_once;
  call_blocking (fixture, call, -1, NULL, &outcome);
  g_assert_no_error (outcome.error);
  g_assert_cmpstr (log->str, ==, "p5");
}

typedef struct {
  Fixture *fixture;
  guint number;
} Caller;

/* Answers, deadlines and cancellations race; each call has one end. */
static gpointer
call_many (gpointer data)
{
  Caller *caller = data;

  for (guint i = 0; i < N_PER_THREAD; i++)
    {
      g_autoptr (PyIsolateCall) call = pyisolate_call_new ("race");
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_auto (Outcome) outcome = { 0 };
      GThread *canceller = NULL;
      gint64 timeout = (i + caller->number) % 3 == 1 ? (gint64) i % 2 : -1;

      if ((i + caller->number) % 3 == 0)
        canceller = g_thread_new ("cancel", cancel_it, cancellable);
      call_blocking (caller->fixture, call, timeout, cancellable, &outcome);
      g_clear_pointer (&canceller, g_thread_join);
      g_assert_cmpuint (outcome.n_ends, ==, 1);
      if (outcome.error != NULL && !g_error_matches (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_assert_error (outcome.error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
    }
  return NULL;
}

static void
test_races (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  Caller callers[N_THREADS];
  GThread *threads[N_THREADS];

  fixture->pair->worker.hook = answer_at_once;
  for (guint i = 0; i < N_THREADS; i++)
    {
      callers[i] = (Caller) { fixture, i };
      threads[i] = g_thread_new ("caller", call_many, &callers[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (fixture->pair->host.box->n_ends, ==, 0);
}

static void
test_lookup (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("work");
  g_autoptr (PyIsolateCall) found = NULL;
  g_autoptr (PyIsolateMailbox) mailbox = NULL;
  g_auto (Outcome) outcome = { 0 };
  g_autoptr (PyIsolateFrame) frame = NULL;

  start (fixture, call, -1, NULL, &outcome);
  frame = take_frame (fixture, PYISOLATE_FRAME_CALL);
  found = _pyisolate_operation_dup_call (frame->id, FALSE);
  mailbox = _pyisolate_operation_ref_mailbox (frame->id);
  g_assert_true (found == call);
  g_assert_true (mailbox == fixture->mailbox);
  link_side_send (&fixture->pair->worker, link_frame_return (frame->id, "done"));
  finish (&outcome);
  g_assert_null (_pyisolate_operation_dup_call (frame->id, TRUE));
  g_assert_null (_pyisolate_operation_ref_mailbox (frame->id));
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  _pyisolate_service_get_context (); /* it keeps an eventfd */
  link_test_add ("operation", "return", test_return);
  link_test_add ("operation", "exception", test_exception);
  link_test_add ("operation", "malformed", test_malformed);
  link_test_add ("operation", "false-error", test_false_error);
  link_test_add ("operation", "deadline", test_deadline);
  link_test_add ("operation", "deadline-at-once", test_deadline_at_once);
  link_test_add ("operation", "deadline-not-reached", test_deadline_not_reached);
  link_test_add ("operation", "cancel", test_cancel);
  link_test_add ("operation", "cancelled-before", test_cancelled_before);
  link_test_add ("operation", "cancel-after-answer", test_cancel_after_answer);
  link_test_add ("operation", "parts", test_parts);
  link_test_add ("operation", "parts-after-cancel", test_parts_after_cancel);
  link_test_add ("operation", "flood-of-parts", test_flood_of_parts);
  link_test_add ("operation", "link-ends", test_link_ends);
  link_test_add ("operation", "bad-argument", test_bad_argument);
  link_test_add ("operation", "made-twice", test_made_twice);
  link_test_add ("operation", "too-many-fds", test_too_many_fds);
  link_test_add ("operation", "blocking", test_blocking);
  link_test_add ("operation", "races", test_races);
  link_test_add ("operation", "lookup", test_lookup);
  return g_test_run ();
}
