/* SPDX-License-Identifier: MIT */
/* One call under way.
 *
 * A reply (transport's thread), the deadline (service thread), the cancellable (any thread) and the end of the extension
 * may all want to end it. Whoever is first settles it; the rest is done in the caller's mailbox, in order with the progress
 * and events that came before. */
#include "config.h"

#include "pyisolate-operation-private.h"

#include "pyisolate-call-result-private.h"
#include "pyisolate-error.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-service-private.h"
#include "pyisolate-value-private.h"

/* How many reports of progress and events of one call may wait for the caller's context. */
#define MAX_PARTS 65536

typedef struct {
  int ref_count; /* atomic */

  GThread *thread; /* the application's, in which it was made; not referenced, only compared with */
  PyIsolateExtension *extension;
  PyIsolateEndpoint *endpoint;
  PyIsolateCall *call; /* of a plain one: guarded by `all_mutex`, NULL until it is asked for */
  char *method;        /* of a plain one or a request; else NULL, like the next three */
  GVariant *args;
  GVariant *kwargs;
  GBytes *body;        /* of a request */
  PyIsolateMailbox *mailbox;
  PyIsolateJobKind job_kind;
  GCancellable *cancellable;
  gulong cancelled_id;
  GSource *deadline;
  guint64 id;
  GMutex mutex; /* held until the call is sent: the mailbox may be another thread's */
  int n_parts;  /* atomic: progress and events in the mailbox */

  int settled; /* atomic; who sets it writes one of the next two */
  PyIsolateFrame *reply;
  GError *error;

  PyIsolateOperationFunc func;
  PyIsolateValueFunc value_func; /* of a plain one */
  PyIsolateAnswerFunc answer_func; /* of a request, like the next two */
  gboolean wants_progress;
  GDestroyNotify destroy;
  gpointer user_data;
} Operation;

typedef struct {
  Operation *operation;
  PyIsolateFrame *frame;
} Part;

/* Those that are under way: what an extension asks of the host because of one can be done where the call was made. */
static GMutex all_mutex;
static GHashTable *all; /* id → Operation, not referenced */

static Operation *
operation_ref (Operation *self)
{
  g_atomic_int_inc (&self->ref_count);

  return self;
}

static const char *
get_method (Operation *self)
{
  return self->method != NULL ? self->method : pyisolate_call_get_method (self->call);
}

/* With the lock held. */
static PyIsolateCall *
get_call_locked (Operation *self)
{
  if (self->call == NULL)
    {
      self->call = pyisolate_call_new (self->method);
      if (self->body != NULL)
        pyisolate_call_set_body (self->call, self->body);
      pyisolate_call_set_args (self->call, self->args);
      pyisolate_call_set_kwargs (self->call, self->kwargs);
    }

  return self->call;
}

static PyIsolateCall *
get_call (Operation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  return get_call_locked (self);
}

static void
add_to_all (Operation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  if (all == NULL)
    all = g_hash_table_new (g_int64_hash, g_int64_equal);
  g_hash_table_insert (all, &self->id, self);
}

static void
remove_from_all (Operation *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);

  if (all != NULL && self->id != 0)
    g_hash_table_remove (all, &self->id);
}

static void
operation_unref (gpointer data)
{
  Operation *self = data;

  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  remove_from_all (self); /* also where nobody was left to finish it in */
  if (self->thread == g_thread_self ())
    g_clear_object (&self->extension);
  else
    g_clear_pointer (&self->extension, _pyisolate_extension_release);
  g_clear_object (&self->endpoint);
  g_clear_object (&self->call);
  g_clear_pointer (&self->method, g_free);
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
  g_free (self);
}

PyIsolateMailbox *
_pyisolate_operation_ref_mailbox (guint64 id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);
  Operation *self = all != NULL ? g_hash_table_lookup (all, &id) : NULL;

  return self != NULL ? _pyisolate_mailbox_ref (self->mailbox) : NULL;
}

PyIsolateCall *
_pyisolate_operation_dup_call (guint64  id,
                               gboolean even_a_request)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);
  Operation *self = all != NULL ? g_hash_table_lookup (all, &id) : NULL;

  if (self == NULL || (self->answer_func != NULL && !even_a_request))
    return NULL;

  return g_object_ref (get_call_locked (self));
}

static GVariant *
parse_return (Operation  *self,
              GError    **error)
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
parse_error (Operation *self)
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
end_link_on_bad_message (Operation  *self,
                         GError    **error)
{
  if (self->reply == NULL || !g_error_matches (*error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE))
    return;

  _pyisolate_endpoint_close (self->endpoint, *error);
  g_prefix_error (error, "“%s” of the extension “%s”: ", get_method (self),
                  pyisolate_extension_get_name (self->extension));
}

static GVariant *
take_outcome (Operation  *self,
              GError    **error)
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

/* Nothing can end it any more. */
static void
stop_watching (Operation *self)
{
  g_mutex_lock (&self->mutex);
  g_mutex_unlock (&self->mutex);

  if (self->cancelled_id != 0)
    g_cancellable_disconnect (self->cancellable, self->cancelled_id);
  if (self->deadline != NULL)
    g_source_destroy (self->deadline);
  remove_from_all (self);
}

/* Of a request, where the reply was read. What is returned is for the caller to look at. */
static void
deliver (Operation *self)
{
  PyIsolateAnswer *answer;
  GError *error = NULL;

  stop_watching (self);
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

/* In the caller's mailbox. */
static void
finish (gpointer data)
{
  Operation *self = data;
  GVariant *value;
  GError *error = NULL;

  stop_watching (self);

  value = take_outcome (self, &error);
  if (self->value_func != NULL)
    {
      g_autoptr (GVariant) given = g_steal_pointer (&value);

      if (given != NULL)
        value = _pyisolate_value_expand (given, self->reply->memories);
      self->value_func (value, error, self->user_data);
      return;
    }

  self->func (value != NULL ? _pyisolate_call_result_new (value, self->reply) : NULL, error, self->user_data);
  g_clear_pointer (&value, g_variant_unref);
}

static gboolean
settle (Operation      *self,
        PyIsolateFrame *reply,
        GError         *error)
{
  if (!g_atomic_int_compare_and_exchange (&self->settled, FALSE, TRUE))
    {
      g_clear_pointer (&reply, _pyisolate_frame_free);
      g_clear_error (&error);
      return FALSE;
    }

  self->reply = reply;
  self->error = error;
  if (self->answer_func != NULL)
    deliver (self);
  else if (self->job_kind == PYISOLATE_JOB_CALL && _pyisolate_mailbox_is_at_hand (self->mailbox))
    finish (self); /* of this very thread, which is reading and has nothing else to do before */
  else
    _pyisolate_mailbox_post (self->mailbox, self->job_kind, finish, operation_ref (self), operation_unref);

  return TRUE;
}

static void
part_free (gpointer data)
{
  Part *part = data;

  operation_unref (part->operation);
  _pyisolate_frame_free (part->frame);
  g_free (part);
}

/* In the caller's mailbox. */
static void
emit_part (gpointer data)
{
  Part *part = data;
  Operation *self = part->operation;
  PyIsolateFrame *frame = part->frame;
  gboolean is_progress = frame->kind == PYISOLATE_FRAME_PROGRESS;
  const char *type = is_progress ? PYISOLATE_BODY_PROGRESS : PYISOLATE_BODY_VALUE;
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GError) error = NULL;

  g_atomic_int_dec_and_test (&self->n_parts);
  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (type), &body, &error))
    {
      _pyisolate_endpoint_close (self->endpoint, error);
    }
  else if (is_progress)
    {
      double fraction;
      const char *text;

      g_variant_get (body, "(d&s)", &fraction, &text);
      _pyisolate_call_emit_progress (get_call (self), fraction, text);
      _pyisolate_extension_post_progress (self->extension, get_call (self), fraction, text);
    }
  else
    {
      g_autoptr (GVariant) value = g_variant_get_variant (body);

      _pyisolate_call_emit_event (get_call (self), frame->name, value);
    }
}

static void
drop_part (gpointer data)
{
  Operation *self = data;

  g_atomic_int_dec_and_test (&self->n_parts);
  operation_unref (self);
}

/* Of a request, where it was read: it keeps its order with the answer. */
static void
deliver_progress (Operation      *self,
                  PyIsolateFrame *frame_to_take)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GError) error = NULL;
  double fraction;
  const char *text;

  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (PYISOLATE_BODY_PROGRESS), &body, &error))
    {
      drop_part (operation_ref (self));
      _pyisolate_endpoint_close (self->endpoint, error);
      return;
    }

  g_variant_get (body, "(d&s)", &fraction, &text);
  if (self->wants_progress)
    self->answer_func (_pyisolate_answer_new_progress (self->id, fraction, text, drop_part, operation_ref (self)),
                       self->user_data);
  else
    drop_part (operation_ref (self));
  _pyisolate_extension_post_progress (self->extension, get_call (self), fraction, text);
}

/* Nothing is dropped in silence, and nothing grows without bound. */
static void
refuse_parts (Operation *self)
{
  g_autoptr (GError) error = NULL;

  error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                       "“%s” sent more than %d reports of progress and events that nobody has taken yet",
                       get_method (self), MAX_PARTS);
  _pyisolate_endpoint_close (self->endpoint, error);
}

/* In the transport's thread, or where the endpoint failed. */
static void
on_reply (PyIsolateFrame *frame,
          const GError   *error,
          gpointer        user_data)
{
  Operation *self = user_data;
  Part *part;

  if (frame == NULL || frame->kind == PYISOLATE_FRAME_RETURN || frame->kind == PYISOLATE_FRAME_ERROR)
    {
      settle (self, frame, error != NULL ? g_error_copy (error) : NULL);
      return;
    }

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
  part->operation = operation_ref (self);
  part->frame = frame;
  _pyisolate_mailbox_post (self->mailbox, self->job_kind, emit_part, part, part_free);
}

/* In the thread that cancels. */
static void
on_cancelled (GCancellable *cancellable,
              gpointer      user_data)
{
  Operation *self = user_data;
  GError *error;

  error = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The call of “%s” was cancelled",
                       get_method (self));
  if (settle (self, NULL, error))
    _pyisolate_endpoint_cancel (self->endpoint, self->id);
}

/* In the service thread. */
static gboolean
on_deadline (gpointer user_data)
{
  Operation *self = user_data;
  GError *error;

  error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT, "“%s” of the extension “%s” did not answer in time",
                       get_method (self), pyisolate_extension_get_name (self->extension));
  if (settle (self, NULL, error))
    {
      _pyisolate_endpoint_cancel (self->endpoint, self->id);
      _pyisolate_extension_handle_timeout (self->extension);
    }

  return G_SOURCE_REMOVE;
}

static void
watch_deadline (Operation *self,
                gint64     timeout)
{
  if (timeout < 0)
    return;

  self->deadline = g_timeout_source_new ((guint) MIN (timeout, (gint64) G_MAXUINT));
  g_source_set_callback (self->deadline, on_deadline, operation_ref (self), operation_unref);
  g_source_set_static_name (self->deadline, "[pyisolate] deadline of a call");
  g_source_attach (self->deadline, _pyisolate_service_get_context ());
}

/* FALSE: it failed, and nobody has been told. */
static gboolean
send_frame (Operation       *self,
            PyIsolateFrame  *frame,
            GError         **error)
{
  g_autoptr (PyIsolateLane) lane = NULL;

  self->id = frame->id;
  add_to_all (self);
  if (*frame->target == '\0') /* what the library itself asks must be heard also while Python is busy */
    lane = _pyisolate_mailbox_ref_lane (self->mailbox, self->endpoint);

  return _pyisolate_endpoint_call (self->endpoint, lane, frame, on_reply, operation_ref (self), operation_unref, error);
}

static void
send_call (Operation *self,
           gint64     timeout)
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
    self->cancelled_id = g_cancellable_connect (self->cancellable, G_CALLBACK (on_cancelled), operation_ref (self),
                                                operation_unref);
}

static Operation *
operation_new (PyIsolateExtension *extension,
               PyIsolateEndpoint  *endpoint,
               PyIsolateMailbox   *mailbox,
               PyIsolateJobKind    job_kind,
               GCancellable       *cancellable,
               gpointer            user_data)
{
  Operation *self = g_new0 (Operation, 1);

  self->ref_count = 1;
  self->thread = g_thread_self ();
  self->extension = g_object_ref (extension);
  self->endpoint = g_object_ref (endpoint);
  self->mailbox = _pyisolate_mailbox_ref (mailbox);
  self->job_kind = job_kind;
  self->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  self->user_data = user_data;
  g_mutex_init (&self->mutex);

  return self;
}

static void
start (Operation *self,
       gint64     timeout)
{
  g_mutex_lock (&self->mutex);
  send_call (self, timeout);
  g_mutex_unlock (&self->mutex);

  operation_unref (self);
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
  Operation *self = operation_new (extension, endpoint, mailbox, job_kind, cancellable, user_data);

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
  Operation *self = operation_new (extension, endpoint, mailbox, job_kind, cancellable, user_data);

  self->method = g_strdup (method);
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
  Operation *self = operation_new (extension, endpoint, mailbox, PYISOLATE_JOB_NOTIFICATION, NULL, user_data);
  PyIsolateFrame *frame;
  guint64 id = 0;

  self->method = g_strdup (request->method);
  self->body = g_bytes_ref (request->body);
  self->wants_progress = request->wants_progress;
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
  operation_unref (self);

  return id;
}

/* FALSE: it is being freed. */
static gboolean
try_ref (Operation *self)
{
  int n;

  do
    n = g_atomic_int_get (&self->ref_count);
  while (n > 0 && !g_atomic_int_compare_and_exchange (&self->ref_count, n, n + 1));

  return n > 0;
}

static Operation *
lookup (guint64 id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&all_mutex);
  Operation *self = all != NULL ? g_hash_table_lookup (all, &id) : NULL;

  return self != NULL && try_ref (self) ? self : NULL;
}

void
_pyisolate_operation_cancel (guint64 id)
{
  Operation *self = lookup (id);

  if (self == NULL)
    return;

  if (g_atomic_int_compare_and_exchange (&self->settled, FALSE, TRUE))
    {
      stop_watching (self);
      _pyisolate_endpoint_cancel (self->endpoint, id);
    }
  operation_unref (self);
}
