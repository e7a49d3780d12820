/* SPDX-License-Identifier: MIT */
/* How long who waits by epoll may still wait: in monotonic microseconds, 0 for not at all and -1 for ever. A host in Python has
 * it, too. */
#pragma once

#include <glib.h>
#include <sys/epoll.h>

G_BEGIN_DECLS

gint64   _pyisolate_deadline_in      (double              seconds);
gboolean _pyisolate_deadline_is_over (gint64              deadline);
int      _pyisolate_deadline_wait    (gint64              deadline,
                                      int                 set,
                                      struct epoll_event *events,
                                      int                 n_events);

G_END_DECLS
