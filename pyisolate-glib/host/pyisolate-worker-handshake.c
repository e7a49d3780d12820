/* SPDX-License-Identifier: MIT */
/* What a worker says of itself before it can be called: Hello, then Ready or LoadFailed; see
 * docs/protocol.md. Each in its turn and in time, or the worker is ended. */
#include "config.h"

#include "pyisolate-worker-struct-private.h"

#include "pyisolate-build-id.h"
#include "pyisolate-error-private.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-remote-exception-private.h"
#include "pyisolate-service-private.h"
#include "pyisolate-value-private.h"

#define PROTOCOL_VERSION 1

/* How long a worker that could not load its extension may take to end by itself. */
#define LOAD_FAILED_MS 2000

static gboolean
on_start_timeout (gpointer user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);
  gint64 timeout = pyisolate_extension_config_get_start_timeout (self->config);
  g_autoptr (GError) error = NULL;

  if (self->phase == PYISOLATE_WORKER_SPAWNED)
    error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_HANDSHAKE,
                         "The process of the extension “%s” did not say hello within %" G_GINT64_FORMAT " ms",
                         _pyisolate_worker_get_name (self), timeout);
  else
    error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT,
                         "The extension “%s” was not loaded within its start-timeout of %" G_GINT64_FORMAT " ms",
                         _pyisolate_worker_get_name (self), timeout);
  _pyisolate_worker_end (self, error);

  return G_SOURCE_REMOVE;
}

void
_pyisolate_worker_expect_hello (PyIsolateWorker *self)
{
  _pyisolate_worker_set_timeout (self, pyisolate_extension_config_get_start_timeout (self->config),
                                 on_start_timeout);
}

static void
respond (PyIsolateWorker *self,
         guint64          id,
         GVariant        *value)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, id);

  _pyisolate_frame_set_variant (frame, g_variant_new_variant (value));
  _pyisolate_endpoint_respond (self->endpoint, frame);
}

static GVariant *
make_settings (PyIsolateWorker *self)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "link", "x", (gint64) self->link_number);
  g_variant_dict_insert (&dict, "name", "s", _pyisolate_worker_get_name (self));
  g_variant_dict_insert (&dict, "module_path", "s",
                         pyisolate_extension_config_get_module_path (self->config));
  g_variant_dict_insert (&dict, "source_paths", "^as",
                         pyisolate_extension_config_get_source_paths (self->config));
  g_variant_dict_insert (&dict, "state_directory", "s", self->state_directory);
  g_variant_dict_insert_value (&dict, "apis", self->apis);

  return g_variant_dict_end (&dict);
}

static void
handle_hello (PyIsolateWorker *self,
              guint64          id,
              GVariant        *kwargs)
{
  gint64 protocol = 0;
  gint64 lanes = 0;
  const char *build = "";
  g_autoptr (GError) error = NULL;

  g_variant_lookup (kwargs, "protocol", "x", &protocol);
  g_variant_lookup (kwargs, "build", "&s", &build);
  if (protocol == PROTOCOL_VERSION && g_str_equal (build, PYISOLATE_BUILD_ID))
    {
      if (g_variant_lookup (kwargs, "lanes", "x", &lanes) && lanes > 0 && self->lane != NULL)
        _pyisolate_endpoint_allow_lanes (self->endpoint, self->lane);
      g_clear_object (&self->lane);
      self->phase = PYISOLATE_WORKER_LOADING;
      respond (self, id, make_settings (self));
      return;
    }

  if (protocol != PROTOCOL_VERSION)
    error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_HANDSHAKE,
                         "The runtime in the process of the extension “%s” speaks version %" G_GINT64_FORMAT
                         " of the protocol, and this library version %d; install both together",
                         _pyisolate_worker_get_name (self), protocol, PROTOCOL_VERSION);
  else
    error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_HANDSHAKE,
                         "The runtime in the process of the extension “%s” is of another build (%s) than this library "
                         "(%s); install both together", _pyisolate_worker_get_name (self), build,
                         PYISOLATE_BUILD_ID);
  _pyisolate_worker_end (self, error);
}

static void
handle_ready (PyIsolateWorker *self,
              guint64          id,
              GVariant        *kwargs)
{
  g_autoptr (GVariant) methods = g_variant_lookup_value (kwargs, "methods", G_VARIANT_TYPE_ARRAY);
  g_autoptr (GError) error = NULL;

  if (methods == NULL)
    {
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE,
                           "The extension “%s” says that it is ready, but not what its methods are",
                           _pyisolate_worker_get_name (self));
      _pyisolate_worker_end (self, error);
      return;
    }

  _pyisolate_worker_clear_timeout (self);
  self->phase = PYISOLATE_WORKER_READY;
  respond (self, id, pyisolate_value_new_none ());
  self->callbacks->ready (self, self->endpoint, methods, self->user_data);
}

/* The first thing that who declares dependencies for the first time comes upon. */
static const char *
get_advice (PyIsolateRemoteException *exception)
{
  if (g_str_equal (pyisolate_remote_exception_get_type_name (exception), "ModuleNotFoundError"))
    return ". A package that it imports has to be named in its dependencies";

  return "";
}

static void
handle_load_failed (PyIsolateWorker *self,
                    guint64          id,
                    GVariant        *kwargs)
{
  g_autoptr (GVariant) dict = g_variant_lookup_value (kwargs, "exception", G_VARIANT_TYPE_VARDICT);
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  g_autoptr (GError) error = NULL;
  const char *stage = "import";

  g_variant_lookup (kwargs, "stage", "&s", &stage);
  error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_IMPORT_FAILED,
                       "The extension “%s” could not be loaded (%s)",
                       _pyisolate_worker_get_name (self), stage);
  if (dict != NULL)
    {
      exception = _pyisolate_remote_exception_new_from_variant (dict);
      g_clear_error (&error);
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_IMPORT_FAILED,
                           "The extension “%s” could not be loaded (%s): %s: %s%s",
                           _pyisolate_worker_get_name (self), stage,
                           pyisolate_remote_exception_get_type_name (exception),
                           pyisolate_remote_exception_get_message (exception), get_advice (exception));
      _pyisolate_error_set_remote_exception (error, exception);
    }

  respond (self, id, pyisolate_value_new_none ());
  if (self->why == NULL)
    self->why = g_steal_pointer (&error);
  /* It ends by itself now. */
  _pyisolate_worker_kill_after (self, LOAD_FAILED_MS);
}

static void
handle_control_call (PyIsolateWorker *self,
                     PyIsolateFrame  *frame)
{
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) kwargs = NULL;
  g_autoptr (GError) error = NULL;

  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (PYISOLATE_BODY_CALL), &body,
                                     &error))
    {
      _pyisolate_worker_end_for_message (self, error);
      return;
    }

  /* It is being ended already, whatever it says now. */
  if (self->why != NULL)
    return;

  kwargs = g_variant_get_child_value (body, 1);
  if (self->phase == PYISOLATE_WORKER_SPAWNED && g_str_equal (frame->name, "Hello"))
    handle_hello (self, frame->id, kwargs);
  else if (self->phase == PYISOLATE_WORKER_LOADING && g_str_equal (frame->name, "Ready"))
    handle_ready (self, frame->id, kwargs);
  else if (self->phase == PYISOLATE_WORKER_LOADING && g_str_equal (frame->name, "LoadFailed"))
    handle_load_failed (self, frame->id, kwargs);
  else if (self->phase != PYISOLATE_WORKER_STOPPING && self->phase != PYISOLATE_WORKER_GONE)
    {
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE,
                           "The worker of the extension “%s” sent “%s” at the wrong time",
                           _pyisolate_worker_get_name (self), frame->name);
      _pyisolate_worker_end (self, error);
    }
}

typedef struct {
  PyIsolateWorker *worker;
  PyIsolateFrame *frame;
} ControlCall;

static gboolean
on_control_call (gpointer user_data)
{
  ControlCall *call = user_data;

  handle_control_call (call->worker, call->frame);

  return G_SOURCE_REMOVE;
}

static void
control_call_free (gpointer data)
{
  ControlCall *call = data;

  g_object_unref (call->worker);
  _pyisolate_frame_free (call->frame);
  g_free (call);
}

void
_pyisolate_worker_take_control_call (PyIsolateWorker *self,
                                     PyIsolateFrame  *take_frame)
{
  ControlCall *call = g_new (ControlCall, 1);

  call->worker = g_object_ref (self);
  call->frame = take_frame;
  _pyisolate_service_invoke (on_control_call, call, control_call_free);
}
