/* SPDX-License-Identifier: MIT */
/* Both ends of a link as GDBusConnections. */
#include "config.h"

#include "pyisolate-dbus-transport-private.h"

#include <unistd.h>

static GIOStream *
new_stream (int      take_fd,
            GError **error)
{
  g_autoptr (GSocket) socket = g_socket_new_from_fd (take_fd, error);

  if (socket == NULL)
    {
      close (take_fd);
      return NULL;
    }

  return G_IO_STREAM (g_socket_connection_factory_create_connection (socket));
}

/* The socketpair is private to the two processes, so whoever is at its other end is whom we gave it to; by anonymous
 * authentication that also works for a worker whose uid is mapped in a user namespace. */
void
_pyisolate_dbus_connect_host_async (int                  take_fd,
                                    GCancellable        *cancellable,
                                    GAsyncReadyCallback  callback,
                                    gpointer             user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GIOStream) stream = new_stream (take_fd, &error);
  g_autofree char *guid = g_dbus_generate_guid ();

  if (stream == NULL)
    {
      g_task_report_error (NULL, callback, user_data, _pyisolate_dbus_connect_host_async, g_steal_pointer (&error));
      return;
    }

  g_dbus_connection_new (stream, guid,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER |
                           G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_ALLOW_ANONYMOUS |
                           G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                         NULL, cancellable, callback, user_data);
}

GDBusConnection *
_pyisolate_dbus_connect_host_finish (GAsyncResult  *result,
                                     GError       **error)
{
  if (g_async_result_is_tagged (result, _pyisolate_dbus_connect_host_async))
    return g_task_propagate_pointer (G_TASK (result), error);

  return g_dbus_connection_new_finish (result, error);
}

GDBusConnection *
_pyisolate_dbus_connect_worker_sync (int      take_fd,
                                     GError **error)
{
  g_autoptr (GIOStream) stream = new_stream (take_fd, error);

  if (stream == NULL)
    return NULL;

  return g_dbus_connection_new_sync (stream, NULL,
                                     G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                       G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                                     NULL, NULL, error);
}
