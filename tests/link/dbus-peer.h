/* SPDX-License-Identifier: MIT */
/* A host's end of a D-Bus link, and a far end that sends it whatever messages the test makes. */
#pragma once

#include "careless-transport.h"
#include "link-pair.h"

G_BEGIN_DECLS

#define LINK_INTERFACE "org.pyisolate.Link1"

LinkPair        *dbus_peer_new_pair           (void);
GDBusConnection *dbus_peer_get_connection     (LinkPair     *pair);
void             dbus_peer_send               (LinkPair     *pair,
                                               GDBusMessage *message_to_take);

GDBusMessage    *dbus_peer_new_method         (const char   *member,
                                               GVariant     *body);
GDBusMessage    *dbus_peer_new_signal         (const char   *member,
                                               GVariant     *body);
GDBusMessage    *dbus_peer_new_good_call      (guint64       id);
GDBusMessage    *dbus_peer_new_error          (void);

/* The link has ended for a message that was bad, which says this. */
void             dbus_peer_assert_bad_message (LinkPair     *pair,
                                               const char   *what);
/* It works, and all that came before has been seen. */
void             dbus_peer_assert_alive       (LinkPair     *pair);
/* On a link of its own: the message is bad, which says this. */
void             dbus_peer_check_bad          (GDBusMessage *message,
                                               const char   *what);

G_END_DECLS
