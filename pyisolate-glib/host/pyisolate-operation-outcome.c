/* SPDX-License-Identifier: MIT */
/* What came of a call: its reply as a value or an error, given to who waits. */
#include "config.h"

#include "pyisolate-operation-struct-private.h"

#include "pyisolate-call-result-private.h"
#include "pyisolate-error.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-value-private.h"

static GVariant *
parse_return (PyIsolateOperation  *self,
              GError             **error)
{
  g_autoptr (GVariant) body = NULL;

  if (self->reply->memory_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&self->reply->memory_error));
      return NULL;
    }
  if (!_pyisolate_value_check_bytes (self->reply->body, G_VARIANT_TYPE (PYISOLATE_BODY_VALUE), &body, error))
    return NULL;

  return g_variant_get_variant (body);
}

static GError *
parse_error (PyIsolateOperation *self)
{
  g_autoptr (GVariant) details = NULL;
  GError *error = NULL;

  if (!_pyisolate_value_check_bytes (self->reply->body, G_VARIANT_TYPE (PYISOLATE_BODY_DETAILS), &details, &error))
    return error;

  error = _pyisolate_frame_to_error (self->reply, details);
  if (self->method == NULL && error->domain == PYISOLATE_ERROR && error->code == PYISOLATE_ERROR_REMOTE_EXCEPTION)
    {
      g_autoptr (PyIsolateRemoteException) exception = pyisolate_error_dup_remote_exception (error);

      _pyisolate_call_set_remote_exception (self->call, exception);
    }

  return error;
}

/* A body that is not what it must be ends the link. */
static void
end_link_on_bad_message (PyIsolateOperation  *self,
                         GError             **error)
{
  g_autofree char *method = NULL;

  if (self->reply == NULL || !g_error_matches (*error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE))
    return;

  _pyisolate_endpoint_close (self->endpoint, *error);
  method = _pyisolate_operation_dup_method (self);
  g_prefix_error (error, "“%s” of the extension “%s”: ", method, pyisolate_extension_get_name (self->extension));
}

static GVariant *
take_outcome (PyIsolateOperation  *self,
              GError             **error)
{
  g_autoptr (GError) own_error = NULL;
  GVariant *result = NULL;

  if (self->reply == NULL)
    own_error = g_steal_pointer (&self->error);
  else if (self->reply->kind == PYISOLATE_FRAME_RETURN)
    result = parse_return (self, &own_error);
  else
    own_error = parse_error (self);

  end_link_on_bad_message (self, &own_error);
  if (own_error != NULL)
    g_propagate_error (error, g_steal_pointer (&own_error));

  return result;
}

/* Of a request, where the reply was read, or behind what came before. What is returned is for the caller to look at. */
void
_pyisolate_operation_deliver (gpointer data)
{
  PyIsolateOperation *self = data;
  PyIsolateAnswer *answer;
  GError *error = NULL;

  _pyisolate_operation_stop_watching (self);
  if (self->reply == NULL)
    error = g_steal_pointer (&self->error);
  else if (self->reply->kind != PYISOLATE_FRAME_RETURN)
    error = parse_error (self);
  else
    error = g_steal_pointer (&self->reply->memory_error);
  if (error != NULL)
    end_link_on_bad_message (self, &error);

  if (error != NULL)
    answer = _pyisolate_answer_new_error (self->id, error);
  else
    answer = _pyisolate_answer_new_return (g_steal_pointer (&self->reply), self->endpoint);
  self->answer_func (answer, self->user_data);
}

static void
tell_outcome (PyIsolateOperation *self)
{
  GError *error = NULL;
  g_autoptr (GVariant) value = take_outcome (self, &error);

  if (self->value_func != NULL)
    self->value_func (value != NULL ? _pyisolate_value_expand (value, self->reply->memories) : NULL, error,
                      self->user_data);
  else
    self->func (value != NULL ? _pyisolate_call_result_new (value, self->reply) : NULL, error, self->user_data);
}

/* In the caller's mailbox. */
void
_pyisolate_operation_finish (gpointer data)
{
  PyIsolateOperation *self = data;

  _pyisolate_operation_stop_watching (self);
  tell_outcome (self);
  _pyisolate_operation_be_over (self);
}
