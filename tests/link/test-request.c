/* SPDX-License-Identifier: MIT */
/* A call of which nothing is made but bytes, as language bindings make it, with a worker that the test plays itself. */
#include "config.h"

#include "played-extension.h"

#include "pyisolate-error.h"

#include <math.h>
#include <string.h>

#define N_ROUNDS 200

typedef struct {
  Played *played;
  GAsyncQueue *answers;
  int n_users; /* atomic: calls that still have the queue */
} Fixture;

static Fixture *
fixture_new (LinkKind kind)
{
  Fixture *fixture = g_new0 (Fixture, 1);

  fixture->played = played_new (kind);
  fixture->answers = g_async_queue_new_full ((GDestroyNotify) pyisolate_answer_free);
  return fixture;
}

static gboolean
has_no_users (gpointer data)
{
  Fixture *fixture = data;

  return g_atomic_int_get (&fixture->n_users) == 0;
}

/* The thread that has told of a call's end may still hold it: what the call was given is freed in any thread, a moment later. */
static void
fixture_free (Fixture *fixture)
{
  played_free (fixture->played);
  test_util_assert_until (has_no_users, fixture, LINK_TIMEOUT_MS);
  g_async_queue_unref (fixture->answers);
  g_free (fixture);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

static void
on_answer (PyIsolateAnswer *answer,
           gpointer         user_data)
{
  Fixture *fixture = user_data;

  g_async_queue_push (fixture->answers, answer);
  g_main_context_wakeup (NULL);
}

static void
on_freed (gpointer user_data)
{
  Fixture *fixture = user_data;

  g_atomic_int_add (&fixture->n_users, -1);
}

static guint64
begin_with (Fixture  *fixture,
            gint64    timeout,
            gboolean  wants_events)
{
  g_autoptr (GBytes) body = g_bytes_new_static ("\0\0\0\0", 1);
  PyIsolateRequest request = { .method = "add", .body = body, .wants_progress = TRUE, .wants_events = wants_events };
  g_autoptr (GError) error = NULL;
  guint64 id;

  g_atomic_int_inc (&fixture->n_users);
  id = _pyisolate_operation_start_request (fixture->played->extension, fixture->played->pair->host.endpoint, &request, timeout,
                                           fixture->played->mailbox, on_answer, fixture, on_freed, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (id, !=, 0);
  return id;
}

static guint64
begin (Fixture *fixture,
       gint64   timeout)
{
  return begin_with (fixture, timeout, FALSE);
}

static gboolean
has_answer (gpointer data)
{
  return g_async_queue_length (data) > 0;
}

static PyIsolateAnswer *
take_answer (Fixture *fixture,
             guint64  id)
{
  PyIsolateAnswer *answer;

  test_util_assert_until (has_answer, fixture->answers, LINK_TIMEOUT_MS);
  answer = g_async_queue_pop (fixture->answers);
  g_assert_cmpuint (answer->id, ==, id);
  return answer;
}

static guint64
take_frame (Fixture            *fixture,
            PyIsolateFrameKind  kind)
{
  g_autoptr (PyIsolateFrame) frame = played_take (fixture->played, kind);

  return frame->id;
}

static void
send_progress (Fixture *fixture,
               guint64  id,
               double   fraction)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_PROGRESS, id);

  _pyisolate_frame_set_variant (frame, g_variant_new ("(ds)", fraction, "text"));
  played_send (fixture->played, frame);
}

static void
test_return (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin (fixture, -1);
  g_autoptr (PyIsolateAnswer) answer = NULL;
  g_autoptr (GVariant) value = NULL;

  g_assert_cmpuint (take_frame (fixture, PYISOLATE_FRAME_CALL), ==, id);
  played_send (fixture->played, link_frame_return (id, "sum"));
  answer = take_answer (fixture, id);
  g_assert_no_error (answer->error);
  g_assert_null (answer->text);
  g_assert_true (pyisolate_answer_check (answer, NULL));
  value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARIANT, answer->body, FALSE));
  g_assert_cmpstr (g_variant_get_type_string (value), ==, "v");
}

static void
test_exception (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin (fixture, -1);
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, id);
  g_autoptr (PyIsolateAnswer) answer = NULL;
  g_autoptr (PyIsolateRemoteException) exception = NULL;

  take_frame (fixture, PYISOLATE_FRAME_CALL);
  frame->name = g_strdup ("org.pyisolate.Error.RemoteException");
  frame->message = g_strdup ("text");
  _pyisolate_frame_set_variant (frame, g_variant_new_parsed ("{'exception': <{'type': <'ValueError'>}>}"));
  played_send (fixture->played, frame);
  answer = take_answer (fixture, id);
  g_assert_error (answer->error, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  exception = pyisolate_error_dup_remote_exception (answer->error);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exception), ==, "ValueError");
}

/* Nobody has looked at it: who cannot make a value of it has it looked at, and that ends the link. */
static void
test_malformed (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin (fixture, -1);
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, id);
  g_autoptr (PyIsolateAnswer) answer = NULL;
  g_autoptr (GError) error = NULL;

  take_frame (fixture, PYISOLATE_FRAME_CALL);
  frame->body = g_bytes_new ("nonsense", 8);
  played_send (fixture->played, frame);
  answer = take_answer (fixture, id);
  g_assert_no_error (answer->error);
  g_assert_false (pyisolate_answer_check (answer, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
  link_box_wait_ends (fixture->played->pair->host.box, 1);
  g_assert_error (fixture->played->pair->host.box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE);
}

/* The same for a request as for a call with signals: a fraction, whatever the worker says. */
static void
test_bad_fractions (LinkKind kind)
{
  static const double fractions[][2] = { { NAN, 0 }, { 1e300, 1 }, { -INFINITY, 0 } };
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin (fixture, -1);
  g_autoptr (PyIsolateAnswer) end = NULL;

  take_frame (fixture, PYISOLATE_FRAME_CALL);
  for (guint i = 0; i < G_N_ELEMENTS (fractions); i++)
    send_progress (fixture, id, fractions[i][0]);
  played_send (fixture->played, link_frame_return (id, "sum"));
  for (guint i = 0; i < G_N_ELEMENTS (fractions); i++)
    {
      g_autoptr (PyIsolateAnswer) answer = take_answer (fixture, id);

      g_assert_cmpfloat (answer->fraction, ==, fractions[i][1]);
    }
  end = take_answer (fixture, id);
  g_assert_nonnull (end->body);
}

/* In order, and before the end of the call. */
static void
test_progress (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin (fixture, -1);
  g_autoptr (PyIsolateAnswer) end = NULL;

  take_frame (fixture, PYISOLATE_FRAME_CALL);
  for (guint i = 0; i < 10; i++)
    send_progress (fixture, id, i / 10.0);
  played_send (fixture->played, link_frame_return (id, "sum"));
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (PyIsolateAnswer) answer = take_answer (fixture, id);

      g_assert_cmpstr (answer->text, ==, "text");
      g_assert_cmpfloat (answer->fraction, ==, i / 10.0);
    }
  end = take_answer (fixture, id);
  g_assert_null (end->text);
  g_assert_nonnull (end->body);
}

/* What the extension does with one that its worker sends. */
static gboolean
receive_event (Fixture *fixture,
               guint64  id)
{
  PyIsolateFrame *frame;

  played_send (fixture->played, link_frame_event (id, "told", 7));
  frame = link_box_take (fixture->played->pair->host.box);
  g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_EVENT);
  if (_pyisolate_operation_take_event (fixture->played->pair->host.endpoint, frame))
    return TRUE;

  _pyisolate_frame_free (frame);
  return FALSE;
}

/* Those that are wanted, in order with all else. */
static void
test_events (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin_with (fixture, -1, TRUE);
  g_autoptr (PyIsolateAnswer) end = NULL;

  take_frame (fixture, PYISOLATE_FRAME_CALL);
  for (guint i = 0; i < 10; i++)
    {
      g_assert_true (receive_event (fixture, id));
      send_progress (fixture, id, i / 10.0);
    }
  played_send (fixture->played, link_frame_return (id, "sum"));
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (PyIsolateAnswer) event = take_answer (fixture, id);
      g_autoptr (PyIsolateAnswer) progress = take_answer (fixture, id);

      g_assert_cmpstr (event->name, ==, "told");
      g_assert_nonnull (event->body);
      g_assert_null (event->text);
      g_assert_null (progress->name);
      g_assert_cmpfloat (progress->fraction, ==, i / 10.0);
    }
  end = take_answer (fixture, id);
  g_assert_null (end->name);
  g_assert_nonnull (end->body);
}

/* These are the extension's to tell. */
static void
test_other_events (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (Fixture) other = fixture_new (kind);
  guint64 unwanted = begin (fixture, -1);
  guint64 elsewhere = begin_with (other, -1, TRUE);
  guint64 cancelled = begin_with (fixture, -1, TRUE);

  take_frame (fixture, PYISOLATE_FRAME_CALL);
  take_frame (fixture, PYISOLATE_FRAME_CALL);
  take_frame (other, PYISOLATE_FRAME_CALL);
  _pyisolate_operation_cancel (cancelled);
  g_assert_false (receive_event (fixture, 0));
  g_assert_false (receive_event (fixture, unwanted));
  g_assert_false (receive_event (fixture, elsewhere));
  g_assert_false (receive_event (fixture, cancelled));
  _pyisolate_operation_cancel (unwanted);
  _pyisolate_operation_cancel (elsewhere);
}

static void
on_event (PyIsolateExtension *extension,
          const char         *name,
          GVariant           *value,
          gpointer            user_data)
{
  char **told = user_data;

  g_assert_null (*told);
  *told = g_strdup (name);
}

static gboolean
is_set (gpointer data)
{
  return *(char **) data != NULL;
}

/* Who was told of it gave the call up. */
static void
test_passed_on (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin_with (fixture, -1, TRUE);
  g_autoptr (PyIsolateAnswer) event = NULL;
  g_autofree char *told = NULL;

  g_signal_connect (fixture->played->extension, "event", G_CALLBACK (on_event), &told);
  take_frame (fixture, PYISOLATE_FRAME_CALL);
  g_assert_true (receive_event (fixture, id));
  event = take_answer (fixture, id);
  _pyisolate_operation_cancel (id);
  g_assert_null (told);
  pyisolate_answer_pass_on (event);
  pyisolate_answer_pass_on (event);
  test_util_assert_until (is_set, &told, LINK_TIMEOUT_MS);
  g_assert_cmpstr (told, ==, "told");
  g_signal_handlers_disconnect_by_data (fixture->played->extension, &told);
}

static void
test_deadline (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin (fixture, 20);
  g_autoptr (PyIsolateAnswer) answer = take_answer (fixture, id);

  g_assert_error (answer->error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  g_assert_nonnull (strstr (answer->error->message, "add"));
  take_frame (fixture, PYISOLATE_FRAME_CALL);
  g_assert_cmpuint (take_frame (fixture, PYISOLATE_FRAME_CANCEL), ==, id);
}

/* There is no answer, and the worker's late one is no fault. */
static void
test_cancel (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin (fixture, -1);
  g_autoptr (PyIsolateAnswer) answer = NULL;
  guint64 next;

  take_frame (fixture, PYISOLATE_FRAME_CALL);
  _pyisolate_operation_cancel (id);
  _pyisolate_operation_cancel (id);
  g_assert_cmpuint (take_frame (fixture, PYISOLATE_FRAME_CANCEL), ==, id);
  played_send (fixture->played, link_frame_return (id, "late"));

  next = begin (fixture, -1);
  take_frame (fixture, PYISOLATE_FRAME_CALL);
  played_send (fixture->played, link_frame_return (next, "sum"));
  answer = take_answer (fixture, next);
  _pyisolate_operation_cancel (next);
}

/* What is asked for as an object is made of it. */
static void
test_lookup (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  guint64 id = begin (fixture, -1);
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_operation_ref_mailbox (id);
  g_autoptr (PyIsolateCall) call = _pyisolate_operation_dup_call (id, TRUE);

  g_assert_true (mailbox == fixture->played->mailbox);
  g_assert_null (_pyisolate_operation_dup_call (id, FALSE));
  g_assert_cmpstr (pyisolate_call_get_method (call), ==, "add");
  take_frame (fixture, PYISOLATE_FRAME_CALL);
  _pyisolate_operation_cancel (id);
  take_frame (fixture, PYISOLATE_FRAME_CANCEL);
  g_assert_null (_pyisolate_operation_ref_mailbox (id));
}

static gpointer
cancel_it (gpointer data)
{
  _pyisolate_operation_cancel (GPOINTER_TO_SIZE (data));
  return NULL;
}

static void
take_once (Fixture    *fixture,
           GHashTable *seen)
{
  PyIsolateAnswer *answer;

  while ((answer = g_async_queue_try_pop (fixture->answers)) != NULL)
    {
      g_assert_true (g_hash_table_add (seen, GSIZE_TO_POINTER (answer->id)));
      pyisolate_answer_free (answer);
    }
}

/* Whether it is not the cancellation of the call before. */
static gboolean
is_call (Fixture *fixture)
{
  g_autoptr (PyIsolateFrame) frame = link_box_take (fixture->played->pair->worker.box);

  return frame->kind == PYISOLATE_FRAME_CALL;
}

/* The answer, the deadline and who gives up at once: at most one answer for each, and nothing is left of them. */
static void
test_races (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      guint64 id = begin (fixture, i % 3 == 0 ? 0 : -1);
      GThread *thread = g_thread_new ("cancel", cancel_it, GSIZE_TO_POINTER (id));

      while (!is_call (fixture))
        ;
      played_send (fixture->played, link_frame_return (id, "sum"));
      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_thread_join (thread);
      take_once (fixture, seen);
    }
}

int
main (int   argc,
      char *argv[])
{
  played_test_init (&argc, &argv);
  link_test_add ("request", "return", test_return);
  link_test_add ("request", "exception", test_exception);
  link_test_add ("request", "malformed", test_malformed);
  link_test_add ("request", "progress", test_progress);
  link_test_add ("request", "bad-fractions", test_bad_fractions);
  link_test_add ("request", "events", test_events);
  link_test_add ("request", "other-events", test_other_events);
  link_test_add ("request", "passed-on", test_passed_on);
  link_test_add ("request", "deadline", test_deadline);
  link_test_add ("request", "cancel", test_cancel);
  link_test_add ("request", "lookup", test_lookup);
  link_test_add ("request", "races", test_races);
  return g_test_run ();
}
