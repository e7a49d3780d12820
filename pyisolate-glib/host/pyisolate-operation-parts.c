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
  g_clear_pointer (&part->frame, _pyisolate_frame_free);
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

/* By signals, where the call was made. */
static void
emit_part (PyIsolateOperation *self,
           PyIsolateFrame     *frame,
           GVariant           *body)
{
  g_autoptr (PyIsolateCall) call = _pyisolate_operation_ref_call (self);

  if (call == NULL) /* it came beside its end, and is late */
    return;

  if (frame->kind == PYISOLATE_FRAME_PROGRESS)
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

/* To who made the request. */
static void
hand_on_progress (PyIsolateOperation *self,
                  GVariant           *body)
{
  g_autoptr (PyIsolateCall) call = _pyisolate_operation_ref_call (self);
  const char *text;
  double fraction = get_progress (body, &text);

  if (self->wants_progress)
    self->answer_func (_pyisolate_answer_new_progress (self->id, fraction, text, drop_part, _pyisolate_operation_ref (self)),
                       self->user_data);
  else
    drop_part (_pyisolate_operation_ref (self));
  _pyisolate_extension_post_progress (self->extension, call, fraction, text);
}

/* The same. Its value has been checked. */
static void
hand_on_event (PyIsolateOperation *self,
               PyIsolateFrame     *frame_to_take)
{
  self->answer_func (_pyisolate_answer_new_event (frame_to_take, self->extension, drop_part, _pyisolate_operation_ref (self)),
                     self->user_data);
}

/* In the caller's mailbox: in order with the calls of singletons, and with the end. */
static void
tell_part (gpointer data)
{
  Part *part = data;
  PyIsolateOperation *self = part->operation;
  gboolean is_progress = part->frame->kind == PYISOLATE_FRAME_PROGRESS;
  const char *type = is_progress ? PYISOLATE_BODY_PROGRESS : PYISOLATE_BODY_VALUE;
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GError) error = NULL;

  if (self->answer_func != NULL && !is_progress)
    {
      hand_on_event (self, g_steal_pointer (&part->frame));
    }
  else if (!_pyisolate_value_check_bytes (part->frame->body, G_VARIANT_TYPE (type), &body, &error))
    {
      drop_part (_pyisolate_operation_ref (self));
      _pyisolate_endpoint_close (self->endpoint, error);
    }
  else if (self->answer_func != NULL)
    {
      hand_on_progress (self, body);
    }
  else
    {
      drop_part (_pyisolate_operation_ref (self));
      emit_part (self, part->frame, body);
    }
  g_atomic_int_add (&self->n_posted, -1); /* now it cannot be overtaken by an answer that is just being read */
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

static void
post_part (PyIsolateOperation *self,
           PyIsolateFrame     *frame_to_take)
{
  Part *part;

  if (g_atomic_int_add (&self->n_parts, 1) >= MAX_PARTS)
    {
      _pyisolate_frame_free (frame_to_take);
      refuse_parts (self);
      return;
    }

  part = g_new (Part, 1);
  part->operation = _pyisolate_operation_ref (self);
  part->frame = frame_to_take;
  g_atomic_int_inc (&self->n_posted);
  _pyisolate_mailbox_post (self->mailbox, self->job_kind, tell_part, part, part_free);
}

/*< private >
 * @frame: an event whose value has been checked; taken if the function returns %TRUE
 *
 * Whether it is one of a request that wants its events, which are told nowhere else then.
 */
gboolean
_pyisolate_operation_take_event (PyIsolateEndpoint *endpoint,
                                 PyIsolateFrame    *frame)
{
  PyIsolateOperation *self = frame->id != 0 ? _pyisolate_operation_lookup (frame->id) : NULL;
  gboolean is_wanted = self != NULL && self->endpoint == endpoint && self->wants_events &&
                       !g_atomic_int_get (&self->settled);

  if (is_wanted)
    post_part (self, frame);
  g_clear_pointer (&self, _pyisolate_operation_unref);

  return is_wanted;
}

/* Progress or an event: where it was read, like the reply. */
void
_pyisolate_operation_take_part (PyIsolateOperation *self,
                                PyIsolateFrame     *frame)
{
  gboolean is_told = self->answer_func != NULL && frame->kind == PYISOLATE_FRAME_EVENT; /* by the extension, or taken */

  if (g_atomic_int_get (&self->settled) || is_told)
    _pyisolate_frame_free (frame);
  else
    post_part (self, frame);
}
