/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-answer-private.h"

#include "pyisolate-extension-private.h"
#include "pyisolate-value-private.h"

typedef struct {
  PyIsolateAnswer public;
  PyIsolateFrame *frame;         /* that has what is returned, or the event; or NULL */
  PyIsolateEndpoint *endpoint;   /* by which it came, or NULL */
  PyIsolateExtension *extension; /* of an event */
  GDestroyNotify notify;         /* of progress or an event */
  gpointer user_data;
} Answer;

PyIsolateAnswer *
_pyisolate_answer_new_return (PyIsolateFrame    *frame,
                              PyIsolateEndpoint *endpoint)
{
  Answer *self = g_slice_new0 (Answer);

  self->frame = frame;
  self->endpoint = g_object_ref (endpoint);
  self->public.id = frame->id;
  self->public.body = frame->body;
  self->public.fds = frame->fds;
  self->public.n_fds = frame->n_fds;
  if (frame->memories != NULL)
    {
      self->public.memories = (PyIsolateMemory *const *) frame->memories->pdata;
      self->public.n_memories = frame->memories->len;
    }

  return &self->public;
}

PyIsolateAnswer *
_pyisolate_answer_new_error (guint64  id,
                             GError  *error)
{
  Answer *self = g_slice_new0 (Answer);

  self->public.id = id;
  self->public.error = error;

  return &self->public;
}

PyIsolateAnswer *
_pyisolate_answer_new_progress (guint64         id,
                                double          fraction,
                                const char     *text,
                                GDestroyNotify  notify,
                                gpointer        user_data)
{
  Answer *self = g_slice_new0 (Answer);

  self->notify = notify;
  self->user_data = user_data;
  self->public.id = id;
  self->public.fraction = fraction;
  self->public.text = g_strdup (text);

  return &self->public;
}

PyIsolateAnswer *
_pyisolate_answer_new_event (PyIsolateFrame     *frame,
                             PyIsolateExtension *extension,
                             GDestroyNotify      notify,
                             gpointer            user_data)
{
  Answer *self = g_slice_new0 (Answer);

  self->frame = frame;
  self->extension = extension;
  self->notify = notify;
  self->user_data = user_data;
  self->public.id = frame->id;
  self->public.name = frame->name;
  self->public.body = frame->body;

  return &self->public;
}

/**
 * pyisolate_answer_pass_on: (skip)
 * @self: an answer, that is freed next
 *
 * Has an event told by [signal@PyIsolate.Extension::event] after all, as the call that it is of is not there any more: it was
 * given up meanwhile. Of anything else nothing is to be told then.
 *
 * Since: 0.1
 */
void
pyisolate_answer_pass_on (PyIsolateAnswer *self)
{
  Answer *answer = (Answer *) self;

  g_return_if_fail (self != NULL);

  if (self->name == NULL)
    return;

  self->name = NULL;
  self->body = NULL;
  _pyisolate_extension_post_event (answer->extension, g_steal_pointer (&answer->frame));
}

/**
 * pyisolate_answer_check: (skip)
 * @self: an answer that has a body
 * @error: return location for an error
 *
 * Looks whether the body is what it must be, a variant of type `v` in normal form, for who could not make a value of it. If it
 * is not, the extension's link is closed: no worker of ours would send that.
 *
 * Returns: %TRUE if it is, %FALSE with @error set to %PYISOLATE_ERROR_BAD_MESSAGE if not
 *
 * Since: 0.1
 */
gboolean
pyisolate_answer_check (PyIsolateAnswer  *self,
                        GError          **error)
{
  Answer *answer = (Answer *) self;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) own_error = NULL;

  g_return_val_if_fail (self != NULL && self->body != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (_pyisolate_value_check_bytes (self->body, G_VARIANT_TYPE (PYISOLATE_BODY_VALUE), &value, &own_error))
    return TRUE;

  _pyisolate_endpoint_close (answer->endpoint, own_error);
  g_propagate_error (error, g_steal_pointer (&own_error));
  return FALSE;
}

/**
 * pyisolate_answer_free: (skip)
 * @self: an answer
 *
 * Frees it with all that came with it; what is needed longer is to be referenced or duplicated before.
 *
 * Since: 0.1
 */
void
pyisolate_answer_free (PyIsolateAnswer *self)
{
  Answer *answer = (Answer *) self;

  g_return_if_fail (self != NULL);

  g_clear_pointer (&answer->frame, _pyisolate_frame_free);
  g_clear_object (&answer->endpoint);
  g_clear_error (&self->error);
  g_free ((char *) self->text);
  if (answer->notify != NULL)
    answer->notify (answer->user_data);
  g_slice_free (Answer, answer);
}
