/* SPDX-License-Identifier: MIT */
/* What a worker has to say, as calls of singletons, and as news for who listens: logs, events,
 * output, progress. Any thread. */
#include "config.h"

#include "pyisolate-extension-struct-private.h"

#include "pyisolate-error.h"
#include "pyisolate-invocation-private.h"
#include "pyisolate-operation-private.h"
#include "pyisolate-text-private.h"
#include "pyisolate-value-private.h"

static void
post_log (PyIsolateExtension *self,
          int                 level,
          const char         *logger,
          const char         *text)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_LOG);

  news->level = level;
  news->name = g_strdup (logger);
  news->text = g_strdup (text);
  _pyisolate_outbox_post (self->outbox, self, news);
}

/* Of a logger, that is; what was printed comes by another way. A worker may send as much of it as it likes. */
void
_pyisolate_extension_log (PyIsolateExtension *self,
                          PyIsolateLogLevel   level,
                          const char         *logger,
                          const char         *text)
{
  g_autofree char *bounded_logger = _pyisolate_text_dup_bounded (logger, PYISOLATE_MAX_LOG_TEXT);
  g_autofree char *bounded_text = _pyisolate_text_dup_bounded (text, PYISOLATE_MAX_LOG_TEXT);
  g_autofree char *line = g_strdup_printf ("%s: %s", bounded_logger, bounded_text);

  _pyisolate_log_tail_append (self->log_tail, line);
  post_log (self, level, bounded_logger, bounded_text);
}

/* Any number a logger may have used, as the level at or below it that has a name. */
static PyIsolateLogLevel
round_level (int level)
{
  if (level < PYISOLATE_LOG_LEVEL_INFO)
    return PYISOLATE_LOG_LEVEL_DEBUG;
  if (level >= PYISOLATE_LOG_LEVEL_CRITICAL)
    return PYISOLATE_LOG_LEVEL_CRITICAL;

  return (PyIsolateLogLevel) (level / 10 * 10);
}

static gboolean
handle_log (PyIsolateExtension  *self,
            PyIsolateFrame      *frame,
            GError             **error)
{
  g_autoptr (GVariant) body = NULL;
  const char *logger;
  const char *message;
  int level;

  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (PYISOLATE_BODY_LOG), &body,
                                     error))
    return FALSE;

  g_variant_get (body, "(i&s&s)", &level, &logger, &message);
  _pyisolate_extension_log (self, round_level (level), logger, message);

  return TRUE;
}

/* FALSE: too many wait already. */
static gboolean
post_event (PyIsolateExtension *self,
            PyIsolateFrame     *frame_to_take,
            GVariant           *body)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_EVENT);

  news->name = g_strdup (frame_to_take->name);
  news->value = g_variant_get_variant (body);
  news->frame = frame_to_take;

  return _pyisolate_outbox_post (self->outbox, self, news);
}

static gboolean
refuse_news (GError **error)
{
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
               "The extension sent more events than can wait for the application");
  return FALSE;
}

/*< private >
 * @frame_to_take: an event whose value has been checked
 */
void
_pyisolate_extension_post_event (PyIsolateExtension *self,
                                 PyIsolateFrame     *frame_to_take)
{
  g_autoptr (GVariant) body = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (PYISOLATE_BODY_VALUE),
                                                                            frame_to_take->body, TRUE));
  g_autoptr (PyIsolateEndpoint) endpoint = NULL;
  g_autoptr (GError) error = NULL;

  if (post_event (self, frame_to_take, body))
    return;

  refuse_news (&error);
  endpoint = _pyisolate_extension_dup_endpoint (self, NULL);
  if (endpoint != NULL)
    _pyisolate_endpoint_close (endpoint, error);
}

static gboolean
handle_event (PyIsolateExtension  *self,
              PyIsolateEndpoint   *endpoint,
              PyIsolateFrame      *frame_to_take,
              GError             **error)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (GVariant) body = NULL;

  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (PYISOLATE_BODY_VALUE), &body,
                                     error))
    return FALSE;

  if (_pyisolate_operation_take_event (endpoint, frame))
    {
      frame = NULL;
      return TRUE;
    }

  return post_event (self, g_steal_pointer (&frame), body) || refuse_news (error);
}

void
_pyisolate_extension_post_progress (PyIsolateExtension *self,
                                    PyIsolateCall      *call,
                                    double              fraction,
                                    const char         *text)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_PROGRESS);

  news->call = g_object_ref (call);
  news->fraction = fraction;
  news->text = _pyisolate_text_dup_bounded (text, PYISOLATE_MAX_LOG_TEXT);
  /* Should too many wait, the call itself has been refused for it. */
  _pyisolate_outbox_post (self->outbox, self, news);
}

/* Nothing of it is left to this thread when it returns: the method may be over by then. */
static void
handle_call (PyIsolateExtension *extension_to_take,
             PyIsolateEndpoint  *endpoint,
             PyIsolateFrame     *frame_to_take)
{
  g_autoptr (PyIsolateHeldExtension) self = extension_to_take;
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  PyIsolateProxiedSingleton *singleton = g_hash_table_lookup (self->singletons, frame->target);
  g_autoptr (PyIsolateInvocation) invocation = NULL;
  g_autoptr (GError) error = NULL;
  guint64 id = frame->id;

  if (singleton == NULL)
    {
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_NO_SUCH_METHOD,
                           "The extension “%s” has no access to a singleton “%s”: list it among its apis",
                           pyisolate_extension_get_name (self), frame->target);
      _pyisolate_endpoint_respond (endpoint, _pyisolate_frame_new_error (id, error));
      return;
    }

  invocation = _pyisolate_invocation_new (endpoint, g_steal_pointer (&self), singleton, g_steal_pointer (&frame));
  if (!_pyisolate_endpoint_attach (endpoint, id, G_OBJECT (invocation)))
    _pyisolate_invocation_cancel (g_object_ref (invocation));
  _pyisolate_invocation_dispatch (g_steal_pointer (&invocation));
}

/* In the transport's thread, mostly. */
void
_pyisolate_extension_on_worker_frame (PyIsolateWorker   *worker,
                                      PyIsolateEndpoint *endpoint,
                                      PyIsolateFrame    *frame_to_take,
                                      gpointer           user_data)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  g_autoptr (PyIsolateHeldExtension) self = _pyisolate_extension_hold_weak (user_data);
  g_autoptr (GObject) attached = NULL;
  g_autoptr (GError) error = NULL;
  gboolean ok = TRUE;

  if (self == NULL)
    return;

  switch (frame->kind)
    {
    case PYISOLATE_FRAME_CALL:
      handle_call (g_steal_pointer (&self), endpoint, g_steal_pointer (&frame));
      break;

    case PYISOLATE_FRAME_CANCEL:
      attached = _pyisolate_endpoint_dup_attached (endpoint, frame->id);
      if (attached != NULL)
        _pyisolate_invocation_cancel (PYISOLATE_INVOCATION (g_steal_pointer (&attached)));
      break;

    case PYISOLATE_FRAME_LOG:
      ok = handle_log (self, frame, &error);
      break;

    case PYISOLATE_FRAME_EVENT:
      ok = handle_event (self, endpoint, g_steal_pointer (&frame), &error);
      break;

    case PYISOLATE_FRAME_RETURN:
    case PYISOLATE_FRAME_ERROR:
    case PYISOLATE_FRAME_PROGRESS:
    default:
      g_assert_not_reached (); /* the endpoint keeps these */
    }

  if (!ok)
    _pyisolate_endpoint_close (endpoint, error);
}

void
_pyisolate_extension_on_worker_output (PyIsolateWorker *worker,
                                       int              stream,
                                       const char      *line,
                                       gpointer         user_data)
{
  g_autoptr (PyIsolateHeldExtension) self = _pyisolate_extension_hold_weak (user_data);

  if (self == NULL)
    return;

  _pyisolate_log_tail_append (self->log_tail, line);
  post_log (self, stream == 2 ? PYISOLATE_LOG_LEVEL_WARNING : PYISOLATE_LOG_LEVEL_INFO, stream == 2
            ? "stderr" : "stdout",
            line);
}
