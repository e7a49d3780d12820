/* SPDX-License-Identifier: MIT */
/* The connection to a worker, from the first byte to the end: what comes on it, and what its end
 * means. */
#include "config.h"

#include "pyisolate-worker-struct-private.h"

#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-service-private.h"

#include <unistd.h>

/* In the transport's thread. */
static void
on_frame (PyIsolateEndpoint *endpoint,
          PyIsolateFrame    *frame,
          gpointer           user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  if (frame->kind == PYISOLATE_FRAME_CALL && g_str_equal (frame->target, PYISOLATE_TARGET_HOST))
    {
      _pyisolate_worker_take_control_call (self, frame);
      return;
    }

  self->callbacks->frame (self, endpoint, frame, self->user_data);
}

static gboolean
on_process_outlived (gpointer user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  _pyisolate_worker_clear_afterlife (self);
  self->link_lost = self->why == NULL;
  if (!self->process_gone)
    _pyisolate_process_kill (self->process);

  return G_SOURCE_REMOVE;
}

static void
on_link_closed (PyIsolateEndpoint *endpoint,
                const GError      *error,
                gpointer           user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  self->link_gone = TRUE;

  if (self->process_gone)
    _pyisolate_worker_check_gone (self);
  else if (error != NULL && error->domain == PYISOLATE_ERROR)
    _pyisolate_worker_end_for_message (self, error);
  else if (self->phase == PYISOLATE_WORKER_STOPPING)
    {
      if (self->timeout == NULL) /* it may take as long as it likes, but not without a link */
        _pyisolate_worker_kill_after (self, PYISOLATE_WORKER_AFTERLIFE_MS);
    }
  else if (self->phase != PYISOLATE_WORKER_GONE)
    _pyisolate_worker_set_afterlife (self, on_process_outlived);
}

static guint64
get_memory_limit (PyIsolateWorker *self)
{
  guint64 limit = pyisolate_extension_config_get_shared_memory_limit (self->config);

  if (limit != 0)
    return limit;

  return (guint64) sysconf (_SC_PHYS_PAGES) * (guint64) sysconf (_SC_PAGESIZE) / 2;
}

static gboolean
on_lane_lost (gpointer user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  /* Its process ends, or has to: calls that went there will not be answered. */
  if (self->phase != PYISOLATE_WORKER_GONE && !self->process_gone && self->timeout == NULL && self->afterlife == NULL)
    _pyisolate_worker_set_afterlife (self, on_process_outlived);

  return G_SOURCE_REMOVE;
}

/* In the thread that reads the lane. */
static void
on_lane_closed (PyIsolateEndpoint *endpoint,
                gpointer           user_data)
{
  _pyisolate_service_invoke (on_lane_lost, g_object_ref (user_data), g_object_unref);
}

static void
on_connected (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  static const PyIsolateEndpointHandler handler = { on_frame, on_link_closed, on_lane_closed };
  g_autoptr (PyIsolateWorker) self = PYISOLATE_WORKER (user_data);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = NULL;
  g_autoptr (PyIsolateTransport) transport = NULL;

  connection = _pyisolate_dbus_connect_host_finish (result, &error);
  g_clear_object (&self->connecting);

  if (connection == NULL)
    {
      on_link_closed (NULL, NULL, self);
      return;
    }

  transport = _pyisolate_dbus_transport_new (connection, &_pyisolate_dbus_host_limits);
  self->memory = _pyisolate_memory_book_new_host (get_memory_limit (self));
  _pyisolate_memory_book_attach (self->memory, _pyisolate_service_get_context (), transport);
  _pyisolate_transport_set_memory (transport, self->memory);
  self->endpoint = _pyisolate_endpoint_new (transport, self->link_number);
  _pyisolate_endpoint_start (self->endpoint, &handler, g_object_ref (self), g_object_unref);
}

void
_pyisolate_worker_connect (PyIsolateWorker *self,
                           int              take_fd)
{
  self->connecting = g_cancellable_new ();
  _pyisolate_dbus_connect_host_async (take_fd, self->connecting, on_connected, g_object_ref (self));
}
