/* SPDX-License-Identifier: MIT */
/* Frames, to and from a worker; and the singletons that it may call. */
#include "config.h"

#include "worker-fixture-private.h"

#include "pyisolate-error-private.h"

#include <string.h>

/* As a host sends: calls of methods, and the answers to what came by it. */
static gboolean
goes_by_lane (Worker         *worker,
              PyIsolateFrame *frame)
{
  gboolean came_by_lane;

  if (worker->lane == NULL || frame->kind == PYISOLATE_FRAME_CANCEL)
    return FALSE;
  if (frame->kind == PYISOLATE_FRAME_CALL)
    return g_strcmp0 (frame->target, "") == 0;

  g_mutex_lock (&worker->mutex);
  came_by_lane = g_hash_table_remove (worker->by_lane, &frame->id);
  g_mutex_unlock (&worker->mutex);

  return came_by_lane;
}

void
worker_send (Worker         *worker,
             PyIsolateFrame *frame)
{
  PyIsolateTransport *transport = worker->transport;
  g_autoptr (GError) error = NULL;

  if (goes_by_lane (worker, frame))
    transport = PYISOLATE_TRANSPORT (worker->lane);
  _pyisolate_transport_send (transport, frame, &error);
  g_assert_no_error (error);
}

void
worker_cork (Worker *worker)
{
  if (worker->lane != NULL) /* D-Bus gathers nothing */
    _pyisolate_lane_cork (worker->lane);
}

void
worker_uncork (Worker *worker)
{
  if (worker->lane != NULL)
    _pyisolate_lane_uncork (worker->lane);
}

void
worker_send_variant (Worker   *worker,
                     guint64   id,
                     GVariant *value)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, id);

  _pyisolate_frame_set_variant (frame, g_variant_new_variant (value));
  worker_send (worker, frame);
}

void
worker_answer (Worker     *worker,
               guint64     id,
               const char *value)
{
  g_autoptr (GError) error = NULL;
  GVariant *variant = g_variant_parse (NULL, value, NULL, NULL, &error);

  g_assert_no_error (error);
  worker_send_variant (worker, id, variant);
  g_variant_unref (variant);
}

GVariant *
worker_dup_body (PyIsolateFrame *frame,
                 const char     *type)
{
  g_autoptr (GVariant) variant =
    g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), frame->body, FALSE));

  g_assert_true (g_variant_is_normal_form (variant));
  return g_steal_pointer (&variant);
}

PyIsolateFrame *
worker_next (Worker *worker)
{
  PyIsolateFrame *frame = g_async_queue_timeout_pop (worker->frames, WORKER_DEADLINE_MS * 1000);

  if (frame == NULL)
    worker_fail (worker, "Nothing more comes from the worker");

  return frame;
}

static void
forward_call_back (Worker         *worker,
                   PyIsolateFrame *frame)
{
  g_autoptr (GVariant) body = worker_dup_body (frame, PYISOLATE_BODY_CALL);
  g_autoptr (GVariant) args = g_variant_get_child_value (body, 0);
  g_autoptr (GVariant) method = NULL;
  GVariantBuilder rest;
  PyIsolateFrame *call = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, ++worker->last_id);

  g_variant_get_child (args, 0, "v", &method);
  g_variant_builder_init (&rest, G_VARIANT_TYPE ("av"));
  for (gsize i = 1; i < g_variant_n_children (args); i++)
    {
      g_autoptr (GVariant) arg = g_variant_get_child_value (args, i);

      g_variant_builder_add_value (&rest, arg);
    }

  call->target = g_strdup ("");
  call->name = g_variant_dup_string (method, NULL);
  _pyisolate_frame_set_variant (call, g_variant_new ("(ava{sv})", &rest, NULL));
  call->chain = g_renew (guint64, NULL, frame->n_chain + 1);
  if (frame->n_chain > 0)
    memcpy (call->chain, frame->chain, frame->n_chain * sizeof (guint64));
  call->chain[frame->n_chain] = frame->id;
  call->n_chain = frame->n_chain + 1;
  g_hash_table_insert (worker->forwarded, g_memdup2 (&call->id, sizeof call->id),
                       g_memdup2 (&frame->id, sizeof frame->id));
  worker_send (worker, call);
}

static gboolean
serve_singleton (Worker         *worker,
                 PyIsolateFrame *frame)
{
  if (g_str_equal (frame->name, "echo"))
    {
      g_autoptr (GVariant) body = worker_dup_body (frame, PYISOLATE_BODY_CALL);
      g_autoptr (GVariant) args = g_variant_get_child_value (body, 0);
      g_autoptr (GVariant) value = NULL;

      g_variant_get_child (args, 0, "v", &value);
      worker_send_variant (worker, frame->id, value);
    }
  else if (g_str_equal (frame->name, "call_back"))
    {
      forward_call_back (worker, frame);
    }
  else if (g_str_equal (frame->name, "fail"))
    {
      g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                                                      "No such thing");

      worker_send (worker, _pyisolate_frame_new_error (frame->id, error));
    }
  else
    {
      g_assert_cmpstr (frame->name, ==, "silent");
      return FALSE;
    }

  return TRUE;
}

gboolean
worker_handle_in_passing (Worker         *worker,
                          PyIsolateFrame *frame)
{
  if (frame->kind == PYISOLATE_FRAME_CALL)
    return serve_singleton (worker, frame);

  if (frame->kind == PYISOLATE_FRAME_RETURN || frame->kind == PYISOLATE_FRAME_ERROR)
    {
      guint64 *asked = g_hash_table_lookup (worker->forwarded, &frame->id);

      if (asked != NULL)
        {
          PyIsolateFrame *answer = _pyisolate_frame_new (frame->kind, *asked);

          answer->name = g_strdup (frame->name);
          answer->message = g_strdup (frame->message);
          answer->body = g_bytes_ref (frame->body);
          worker_send (worker, answer);
          g_hash_table_remove (worker->forwarded, &frame->id);
          return TRUE;
        }
    }

  return FALSE;
}

static gboolean
is_answer_to (PyIsolateFrame *frame,
              guint64         id)
{
  return frame->id == id &&
         (frame->kind == PYISOLATE_FRAME_RETURN || frame->kind == PYISOLATE_FRAME_ERROR);
}

PyIsolateFrame *
worker_wait (Worker  *worker,
             guint64  id)
{
  for (guint i = 0; i < worker->seen->len; i++)
    {
      if (is_answer_to (g_ptr_array_index (worker->seen, i), id))
        return g_ptr_array_steal_index (worker->seen, i);
    }

  for (;;)
    {
      PyIsolateFrame *frame = worker_next (worker);

      if (is_answer_to (frame, id))
        return frame;
      if (worker_handle_in_passing (worker, frame))
        _pyisolate_frame_free (frame);
      else
        g_ptr_array_add (worker->seen, frame);
    }
}

PyIsolateFrame *
worker_wait_kind (Worker             *worker,
                  PyIsolateFrameKind  kind)
{
  for (guint i = 0; i < worker->seen->len; i++)
    {
      PyIsolateFrame *frame = g_ptr_array_index (worker->seen, i);

      if (frame->kind == kind)
        return g_ptr_array_steal_index (worker->seen, i);
    }

  for (;;)
    {
      PyIsolateFrame *frame = worker_next (worker);

      if (frame->kind == kind &&
          (kind != PYISOLATE_FRAME_CALL || g_str_equal (frame->name, "silent")))
        return frame;
      if (worker_handle_in_passing (worker, frame))
        _pyisolate_frame_free (frame);
      else
        g_ptr_array_add (worker->seen, frame);
    }
}

guint64
worker_wait_silent (Worker *worker)
{
  g_autoptr (PyIsolateFrame) frame = worker_wait_kind (worker, PYISOLATE_FRAME_CALL);

  return frame->id;
}

void
worker_serve_next (Worker     *worker,
                   const char *method)
{
  g_autoptr (PyIsolateFrame) frame = worker_next (worker);

  g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_CALL);
  g_assert_cmpstr (frame->name, ==, method);
  g_assert_true (worker_handle_in_passing (worker, frame));
}

guint64
worker_wait_wish (Worker *worker)
{
  gpointer wish = g_async_queue_timeout_pop (worker->wishes, WORKER_DEADLINE_MS * 1000);

  if (wish == NULL)
    worker_fail (worker, "The worker does not ask for memory");

  return GPOINTER_TO_SIZE (wish);
}

void
worker_refuse_wish (Worker  *worker,
                    guint64  wish)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0);

  frame->records = g_new0 (PyIsolateMemoryRecord, 1);
  frame->records[0].kind = PYISOLATE_MEMORY_ANSWER;
  frame->records[0].number = wish;
  frame->n_records = 1;
  worker_send (worker, frame);
}

GPtrArray *
worker_get_seen (Worker *worker)
{
  return worker->seen;
}
