/* SPDX-License-Identifier: MIT */
/* The other end of a D-Bus link as somebody may write it who means no good: it sends the frames that it is given, and keeps
 * no books: replies to calls that were never made, two replies, the same id twice. Messages that are no frames at all a
 * test sends over the connection itself. */
#pragma once

#include "pyisolate-transport-private.h"

G_BEGIN_DECLS

#define CARELESS_TYPE_TRANSPORT (careless_transport_get_type ())
G_DECLARE_FINAL_TYPE (CarelessTransport, careless_transport, CARELESS, TRANSPORT, PyIsolateTransport)

PyIsolateTransport *careless_transport_new            (GDBusConnection   *connection);
GDBusConnection    *careless_transport_get_connection (CarelessTransport *self);
/* The serial of the message that brought a call, 0 if there was none. */
guint32             careless_transport_get_serial     (CarelessTransport *self,
                                                       guint64            id);

G_END_DECLS
