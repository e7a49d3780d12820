/* SPDX-License-Identifier: MIT */
/* What comes while a call goes on: reports of progress, and events. */
#include "config.h"

#include "pyisolate-operation-struct-private.h"

#include "pyisolate-error.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-value-private.h"

/* How many of them may wait for the caller's context. */
#define MAX_PARTS 65536

typedef struct {
  PyIsolateOperation *operation;
  PyIsolateFrame *frame;
} Part;

static void
part_free (gpointer data)
{
  Part *part = data;

  _pyisolate_operation_unref (part->operation);
  _pyisolate_frame_free (part->frame);
  g_free (part);
}

/* The extension says it, so it can be anything, and need not be a number. Who shows it counts on a fraction. */
static double
get_progress (GVariant    *body,
              const char **text)
{
  double fraction;

  g_variant_get (body, "(d&s)", &fraction, text);

  return fraction >= 0 ? MIN (fraction, 1) : 0;
}

/* In the caller's mailbox. */
static void
emit_part (gpointer data)
{
  Part *part = data;
  PyIsolateOperation *self = part->operation;
  PyIsolateFrame *frame = part->frame;
  gboolean is_progress = frame->kind == PYISOLATE_FRAME_PROGRESS;
  const char *type = is_progress ? PYISOLATE_BODY_PROGRESS : PYISOLATE_BODY_VALUE;
  g_autoptr (PyIsolateCall) call = _pyisolate_operation_ref_call (self);
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GError) error = NULL;

  g_atomic_int_dec_and_test (&self->n_parts);
  if (call == NULL) /* it came beside its end, and is late */
    return;

  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (type), &body, &error))
    {
      _pyisolate_endpoint_close (self->endpoint, error);
    }
  else if (is_progress)
    {
      const char *text;
      double fraction = get_progress (body, &text);

      _pyisolate_call_emit_progress (call, fraction, text);
      _pyisolate_extension_post_progress (self->extension, call, fraction, text);
    }
  else
    {
      g_autoptr (GVariant) value = g_variant_get_variant (body);

      _pyisolate_call_emit_event (call, frame->name, value);
    }
}

static void
drop_part (gpointer data)
{
  PyIsolateOperation *self = data;

  g_atomic_int_dec_and_test (&self->n_parts);
  _pyisolate_operation_unref (self);
}

/* Of a request, where it was read: it keeps its order with the answer. */
static void
deliver_progress (PyIsolateOperation *self,
                  PyIsolateFrame     *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (PyIsolateCall) call = NULL;
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GError) error = NULL;
  double fraction;
  const char *text;

  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (PYISOLATE_BODY_PROGRESS), &body, &error))
    {
      drop_part (_pyisolate_operation_ref (self));
      _pyisolate_endpoint_close (self->endpoint, error);
      return;
    }

  fraction = get_progress (body, &text);
  if (self->wants_progress)
    self->answer_func (_pyisolate_answer_new_progress (self->id, fraction, text, drop_part, _pyisolate_operation_ref (self)),
                       self->user_data);
  else
    drop_part (_pyisolate_operation_ref (self));
  call = _pyisolate_operation_ref_call (self);
  _pyisolate_extension_post_progress (self->extension, call, fraction, text);
}

/* Nothing is dropped in silence, and nothing grows without bound. */
static void
refuse_parts (PyIsolateOperation *self)
{
  g_autofree char *method = _pyisolate_operation_dup_method (self);
  g_autoptr (GError) error = NULL;

  error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                       "“%s” sent more than %d reports of progress and events that nobody has taken yet", method,
                       MAX_PARTS);
  _pyisolate_endpoint_close (self->endpoint, error);
}

/* Progress or an event: where it was read, like the reply. */
void
_pyisolate_operation_take_part (PyIsolateOperation *self,
                                PyIsolateFrame     *frame)
{
  Part *part;

  if (g_atomic_int_get (&self->settled))
    {
      _pyisolate_frame_free (frame);
      return;
    }
  if (g_atomic_int_add (&self->n_parts, 1) >= MAX_PARTS)
    {
      _pyisolate_frame_free (frame);
      refuse_parts (self);
      return;
    }

  if (self->answer_func != NULL && frame->kind == PYISOLATE_FRAME_PROGRESS)
    {
      deliver_progress (self, frame);
      return;
    }

  part = g_new (Part, 1);
  part->operation = _pyisolate_operation_ref (self);
  part->frame = frame;
  _pyisolate_mailbox_post (self->mailbox, self->job_kind, emit_part, part, part_free);
}
