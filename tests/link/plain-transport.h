/* SPDX-License-Identifier: MIT */
/* A second transport, to show that nothing above the interface knows of D-Bus: frames with lengths in front over a plain
 * stream socket, file descriptors by SCM_RIGHTS. A thread reads, another one writes. It is as good as a test needs it: it
 * checks no more than that it can take a frame apart. */
#pragma once

#include "pyisolate-transport-private.h"

G_BEGIN_DECLS

#define PLAIN_TYPE_TRANSPORT (plain_transport_get_type ())
G_DECLARE_FINAL_TYPE (PlainTransport, plain_transport, PLAIN, TRANSPORT, PyIsolateTransport)

PyIsolateTransport *plain_transport_new (int take_fd);

G_END_DECLS
