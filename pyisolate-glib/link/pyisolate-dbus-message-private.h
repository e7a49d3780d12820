/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-frame-private.h"

G_BEGIN_DECLS

/* Frames as messages of org.pyisolate.Link1, and back. */

/* @frame: its descriptors go into the message. @reply_serial: that of the message which a RETURN or ERROR answers */
GDBusMessage   *_pyisolate_dbus_message_new         (PyIsolateFrame *frame,
                                                     guint32         reply_serial);
/* Whether it has what a message of its kind must have, of the right types. */
gboolean        _pyisolate_dbus_message_has_fields  (GDBusMessage   *message);
/* Whether it is for us, and not for GDBus. */
gboolean        _pyisolate_dbus_message_is_ours     (GDBusMessage   *message);
/* The frame's id is 0 in a RETURN or ERROR: only who sent the call knows it. Takes the message's descriptors. */
PyIsolateFrame *_pyisolate_dbus_message_to_frame    (GDBusMessage   *message,
                                                     GError        **error);
gboolean        _pyisolate_dbus_message_is_reply    (GDBusMessage   *message);

G_END_DECLS
