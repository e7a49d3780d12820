/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-transport-private.h"

G_BEGIN_DECLS

#define PYISOLATE_LINK_OBJECT_PATH "/org/pyisolate/Link"

#define PYISOLATE_TYPE_DBUS_TRANSPORT (_pyisolate_dbus_transport_get_type ())
G_DECLARE_FINAL_TYPE (PyIsolateDBusTransport, _pyisolate_dbus_transport, PYISOLATE, DBUS_TRANSPORT, PyIsolateTransport)

PyIsolateTransport *_pyisolate_dbus_transport_new (GDBusConnection *connection);

/* Both make a connection whose messages wait until the transport is started. @take_fd is one end of a socketpair; it is
 * closed in any case. */
void                _pyisolate_dbus_connect_host_async  (int                   take_fd,
                                                         GCancellable         *cancellable,
                                                         GAsyncReadyCallback   callback,
                                                         gpointer              user_data);
GDBusConnection    *_pyisolate_dbus_connect_host_finish (GAsyncResult         *result,
                                                         GError              **error);
GDBusConnection    *_pyisolate_dbus_connect_worker_sync (int                   take_fd,
                                                         GError              **error);

G_END_DECLS
