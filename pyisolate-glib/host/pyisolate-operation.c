/* SPDX-License-Identifier: MIT */
/* One call under way.
 *
 * A reply (transport's thread), the deadline (service thread), the cancellable (any thread) and the end of the extension
 * may all want to end it. Whoever is first settles it; the rest is done in the caller's mailbox, in order with the progress
 * and events that came before. */
#include "config.h"

#include "pyisolate-operation-struct-private.h"

#include "pyisolate-error.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-service-private.h"

/* To keep a body up to this size is to copy it. */
#define SMALL_BODY 256

PyIsolateOperation *
_pyisolate_operation_ref (PyIsolateOperation *self)
{
  g_atomic_int_inc (&self->ref_count);

  return self;
}

void
_pyisolate_operation_unref (gpointer data)
{
  PyIsolateOperation *self = data;

  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  if (self->entered)
    _pyisolate_operation_leave (self); /* nobody was left to finish it in */
  if (self->thread == g_thread_self ())
    g_clear_pointer (&self->extension, _pyisolate_extension_release_here);
  else
    g_clear_pointer (&self->extension, _pyisolate_extension_release);
  g_clear_object (&self->endpoint);
  g_clear_object (&self->call);
  g_clear_pointer (&self->args, g_variant_unref);
  g_clear_pointer (&self->kwargs, g_variant_unref);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->mailbox, _pyisolate_mailbox_unref);
  g_clear_pointer (&self->deadline, g_source_unref);
  g_clear_pointer (&self->reply, _pyisolate_frame_free);
  g_clear_error (&self->error);
  g_mutex_clear (&self->mutex);
  if (self->destroy != NULL)
    self->destroy (self->user_data);
  g_slice_free1 (self->size, self);
}

/* Nothing can end it any more. */
void
_pyisolate_operation_stop_watching (PyIsolateOperation *self)
{
  g_mutex_lock (&self->mutex);
  g_mutex_unlock (&self->mutex);

  if (self->cancelled_id != 0)
    g_cancellable_disconnect (self->cancellable, self->cancelled_id);
  if (self->deadline != NULL)
    g_source_destroy (self->deadline);
  _pyisolate_operation_leave (self);
}

static gboolean
settle (PyIsolateOperation *self,
        PyIsolateFrame     *reply,
        GError             *error)
{
  if (!g_atomic_int_compare_and_exchange (&self->settled, FALSE, TRUE))
    {
      g_clear_pointer (&reply, _pyisolate_frame_free);
      g_clear_error (&error);
      return FALSE;
    }

  self->reply = reply;
  self->error = error;
  if (self->answer_func != NULL && g_atomic_int_get (&self->n_posted) == 0)
    _pyisolate_operation_deliver (self);
  else if (self->job_kind == PYISOLATE_JOB_CALL && _pyisolate_mailbox_is_at_hand (self->mailbox))
    _pyisolate_operation_finish (self); /* of this very thread, which is reading and has nothing else to do before */
  else
    _pyisolate_mailbox_post (self->mailbox, self->job_kind,
                             self->answer_func != NULL ? _pyisolate_operation_deliver : _pyisolate_operation_finish,
                             _pyisolate_operation_ref (self), _pyisolate_operation_unref);

  return TRUE;
}

/* In the transport's thread, or where the endpoint failed. */
static void
on_reply (PyIsolateFrame *frame,
          const GError   *error,
          gpointer        user_data)
{
  PyIsolateOperation *self = user_data;

  if (frame == NULL || frame->kind == PYISOLATE_FRAME_RETURN || frame->kind == PYISOLATE_FRAME_ERROR)
    {
      settle (self, frame, error != NULL ? g_error_copy (error) : NULL);
      return;
    }

  _pyisolate_operation_take_part (self, frame);
}

/* In the thread that cancels. */
static void
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  PyIsolateOperation *self = user_data;
  g_autofree char *method = _pyisolate_operation_dup_method (self);
  GError *error;

  error = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The call of “%s” was cancelled", method);
  if (settle (self, NULL, error))
    _pyisolate_endpoint_cancel (self->endpoint, self->id);
}

/* In the service thread. */
static gboolean
on_deadline (gpointer user_data)
{
  PyIsolateOperation *self = user_data;
  g_autofree char *method = _pyisolate_operation_dup_method (self);
  GError *error;

  error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT, "“%s” of the extension “%s” did not answer in time",
                       method, pyisolate_extension_get_name (self->extension));
  if (settle (self, NULL, error))
    {
      _pyisolate_endpoint_cancel (self->endpoint, self->id);
      _pyisolate_extension_handle_timeout (self->extension);
    }

  return G_SOURCE_REMOVE;
}

static void
watch_deadline (PyIsolateOperation *self,
                gint64              timeout)
{
  if (timeout < 0)
    return;

  self->deadline = g_timeout_source_new ((guint) MIN (timeout, (gint64) G_MAXUINT));
  g_source_set_callback (self->deadline, on_deadline, _pyisolate_operation_ref (self), _pyisolate_operation_unref);
  g_source_set_static_name (self->deadline, "[pyisolate] deadline of a call");
  g_source_attach (self->deadline, _pyisolate_service_get_context ());
}

/* FALSE: it failed, and nobody has been told. */
static gboolean
send_frame (PyIsolateOperation  *self,
            PyIsolateFrame      *frame,
            GError             **error)
{
  g_autoptr (PyIsolateLane) lane = NULL;

  self->id = frame->id;
  _pyisolate_operation_enter (self);
  if (*frame->target == '\0') /* what the library itself asks must be heard also while Python is busy */
    lane = _pyisolate_mailbox_ref_lane (self->mailbox, self->endpoint);

  return _pyisolate_endpoint_call_by (self->endpoint, lane, frame, &self->pending, on_reply,
                                      _pyisolate_operation_ref (self), _pyisolate_operation_unref, error);
}

static void
send_call (PyIsolateOperation *self,
           gint64              timeout)
{
  PyIsolateFrame *frame;
  GError *error = NULL;

  if (g_cancellable_is_cancelled (self->cancellable))
    {
      g_cancellable_set_error_if_cancelled (self->cancellable, &error);
      settle (self, NULL, error);
      return;
    }

  if (self->method != NULL)
    frame = _pyisolate_call_new_plain_frame (self->method, self->args, self->kwargs, &error);
  else
    frame = _pyisolate_call_make_frame (self->call, _pyisolate_endpoint_get_memory (self->endpoint), &error);
  if (frame == NULL || !send_frame (self, frame, &error))
    {
      settle (self, NULL, error);
      return;
    }

  /* Not before there is something to cancel. */
  watch_deadline (self, timeout);
  if (self->cancellable != NULL)
    self->cancelled_id = g_cancellable_connect (self->cancellable, G_CALLBACK (on_cancelled), _pyisolate_operation_ref (self),
                                                _pyisolate_operation_unref);
}

/* @method: (nullable): a copy lies behind it
 * @body: (nullable): of a request; the same if it is small, so that what it was written into is free for the next one as soon as
 * it has been sent */
static PyIsolateOperation *
operation_new (const char         *method,
               GBytes             *body,
               PyIsolateExtension *extension,
               PyIsolateEndpoint  *endpoint,
               PyIsolateMailbox   *mailbox,
               PyIsolateJobKind    job_kind,
               GCancellable       *cancellable,
               gpointer            user_data)
{
  gsize method_size = method != NULL ? strlen (method) + 1 : 0;
  gsize small_size = body != NULL && g_bytes_get_size (body) <= SMALL_BODY ? g_bytes_get_size (body) : 0;
  gsize size = sizeof (PyIsolateOperation) + method_size + small_size;
  PyIsolateOperation *self = g_slice_alloc0 (size);

  self->size = size;
  self->ref_count = 1;
  if (method != NULL)
    self->method = memcpy (self + 1, method, method_size);
  self->small_size = small_size;
  if (small_size > 0)
    self->small_body = memcpy ((guint8 *) (self + 1) + method_size, g_bytes_get_data (body, NULL), small_size);
  else if (body != NULL)
    self->body = g_bytes_ref (body);
  self->thread = g_thread_self ();
  self->extension = _pyisolate_extension_hold (extension);
  self->endpoint = g_object_ref (endpoint);
  self->mailbox = _pyisolate_mailbox_ref (mailbox);
  self->job_kind = job_kind;
  self->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  self->user_data = user_data;
  g_mutex_init (&self->mutex);

  return self;
}

static void
start (PyIsolateOperation *self,
       gint64              timeout)
{
  g_mutex_lock (&self->mutex);
  send_call (self, timeout);
  g_mutex_unlock (&self->mutex);

  _pyisolate_operation_unref (self);
}

/*< private >
 * @timeout: milliseconds, or -1
 * @mailbox: where @func is called, and the signals of @call are emitted
 * @job_kind: CALL if the caller blocks until then
 */
void
_pyisolate_operation_start (PyIsolateExtension     *extension,
                            PyIsolateEndpoint      *endpoint,
                            PyIsolateCall          *call,
                            gint64                  timeout,
                            PyIsolateMailbox       *mailbox,
                            PyIsolateJobKind        job_kind,
                            GCancellable           *cancellable,
                            PyIsolateOperationFunc  func,
                            gpointer                user_data)
{
  PyIsolateOperation *self = operation_new (NULL, NULL, extension, endpoint, mailbox, job_kind, cancellable, user_data);

  self->call = g_object_ref (call);
  self->func = func;
  start (self, timeout);
}

/*< private >
 * @args: (nullable): a tuple; consumed if it is floating
 * @kwargs: (nullable): the same, `a{sv}`
 */
void
_pyisolate_operation_start_plain (PyIsolateExtension *extension,
                                  PyIsolateEndpoint  *endpoint,
                                  const char         *method,
                                  GVariant           *args,
                                  GVariant           *kwargs,
                                  gint64              timeout,
                                  PyIsolateMailbox   *mailbox,
                                  PyIsolateJobKind    job_kind,
                                  GCancellable       *cancellable,
                                  PyIsolateValueFunc  func,
                                  gpointer            user_data)
{
  PyIsolateOperation *self = operation_new (method, NULL, extension, endpoint, mailbox, job_kind, cancellable, user_data);

  self->args = args != NULL ? g_variant_ref_sink (args) : NULL;
  self->kwargs = kwargs != NULL ? g_variant_ref_sink (kwargs) : NULL;
  self->value_func = func;
  start (self, timeout);
}

guint64
_pyisolate_operation_start_request (PyIsolateExtension   *extension,
                                    PyIsolateEndpoint    *endpoint,
                                    PyIsolateRequest     *request,
                                    gint64                timeout,
                                    PyIsolateMailbox     *mailbox,
                                    PyIsolateAnswerFunc   func,
                                    gpointer              user_data,
                                    GDestroyNotify        destroy,
                                    GError              **error)
{
  PyIsolateOperation *self = operation_new (request->method, request->body, extension, endpoint, mailbox,
                                            PYISOLATE_JOB_NOTIFICATION, NULL, user_data);
  PyIsolateFrame *frame;
  guint64 id = 0;

  self->wants_progress = request->wants_progress;
  self->wants_events = request->wants_events;
  self->answer_func = func;
  self->destroy = destroy;

  frame = _pyisolate_call_new_request_frame (request, _pyisolate_endpoint_get_memory (endpoint), error);
  g_mutex_lock (&self->mutex);
  if (frame != NULL && send_frame (self, frame, error))
    {
      id = self->id;
      watch_deadline (self, timeout);
    }
  g_mutex_unlock (&self->mutex);
  _pyisolate_operation_unref (self);

  return id;
}

void
_pyisolate_operation_cancel (guint64 id)
{
  PyIsolateOperation *self = _pyisolate_operation_lookup (id);

  if (self == NULL)
    return;

  if (g_atomic_int_compare_and_exchange (&self->settled, FALSE, TRUE))
    {
      _pyisolate_operation_stop_watching (self);
      _pyisolate_endpoint_cancel (self->endpoint, id);
    }
  _pyisolate_operation_unref (self);
}
