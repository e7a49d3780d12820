/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-transport-private.h"

G_BEGIN_DECLS

#define PYISOLATE_LINK_OBJECT_PATH "/org/pyisolate/Link"

#define PYISOLATE_TYPE_DBUS_TRANSPORT (_pyisolate_dbus_transport_get_type ())
G_DECLARE_FINAL_TYPE (PyIsolateDBusTransport, _pyisolate_dbus_transport, PYISOLATE, DBUS_TRANSPORT, PyIsolateTransport)

/* What a host grants a worker: it is the one that the other cannot trust to read, or to be modest. */
typedef struct {
  gsize max_queued_calls; /* bytes that wait to be written: beyond it a call fails with LIMIT; */
  gsize max_queued;       /* beyond this, with what else is sent, the transport ends with LIMIT */
  int max_asked;          /* calls that GDBus itself answers, and whose answers wait; beyond it the transport ends */
} PyIsolateDBusLimits;

extern const PyIsolateDBusLimits _pyisolate_dbus_host_limits;

PyIsolateTransport *_pyisolate_dbus_transport_new (GDBusConnection           *connection,
                                                   const PyIsolateDBusLimits *limits);

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
