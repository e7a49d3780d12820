/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "played-extension.h"

#include "pyisolate-service-private.h"

void
played_test_init (int    *argc,
                  char ***argv)
{
  link_test_init (argc, argv);
  _pyisolate_service_get_context (); /* it keeps an eventfd */
}

Played *
played_new (LinkKind kind)
{
  Played *played = g_new0 (Played, 1);
  PyIsolateExtensionConfig *config = pyisolate_extension_config_new ("sums", "/module");

  played->pair = link_pair_new (kind, LINK_CARELESS);
  link_side_start_endpoint (&played->pair->host, LINK_NUMBER);
  link_side_start (&played->pair->worker);
  played->mailbox = _pyisolate_mailbox_ref_for_context (NULL);
  played->extension = _pyisolate_extension_new (config, "/state", g_hash_table_new (g_str_hash, g_str_equal),
                                                played->mailbox);
  return played;
}

void
played_free (Played *played)
{
  link_pair_free (played->pair);
  link_unref_last (g_steal_pointer (&played->extension));
  _pyisolate_mailbox_unref (played->mailbox);
  g_free (played);
}

void
outcome_clear (Outcome *outcome)
{
  g_clear_object (&outcome->result);
  g_clear_error (&outcome->error);
}

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

void
played_start (Played        *played,
              PyIsolateCall *call,
              gint64         timeout,
              GCancellable  *cancellable,
              Outcome       *outcome)
{
  _pyisolate_operation_start (played->extension, played->pair->host.endpoint, call, timeout, played->mailbox,
                              PYISOLATE_JOB_NOTIFICATION, cancellable, on_end, outcome);
  g_assert_cmpuint (outcome->n_ends, ==, 0); /* never inside of the start */
}

void
played_finish (Outcome *outcome)
{
  test_util_assert_until (test_util_is_true, &outcome->done, LINK_TIMEOUT_MS);
}

void
played_call_blocking (Played        *played,
                      PyIsolateCall *call,
                      gint64         timeout,
                      GCancellable  *cancellable,
                      Outcome       *outcome)
{
  PyIsolateMailbox *mailbox = _pyisolate_mailbox_begin_wait ();

  _pyisolate_operation_start (played->extension, played->pair->host.endpoint, call, timeout, mailbox,
                              PYISOLATE_JOB_CALL, cancellable, on_end, outcome);
  _pyisolate_mailbox_wait (mailbox, &outcome->done);
  _pyisolate_mailbox_end_wait (mailbox);
}

PyIsolateFrame *
played_take (Played             *played,
             PyIsolateFrameKind  kind)
{
  PyIsolateFrame *frame = link_box_take (played->pair->worker.box);

  g_assert_cmpint (frame->kind, ==, kind);
  return frame;
}

void
played_send (Played         *played,
             PyIsolateFrame *frame)
{
  link_side_send (&played->pair->worker, frame);
}

PyIsolateFrame *
played_frame_new (PyIsolateFrameKind  kind,
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

gboolean
played_answer_at_once (LinkSide       *side,
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
