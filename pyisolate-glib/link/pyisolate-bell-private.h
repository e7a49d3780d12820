/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What one process wakes another with, without ever blocking, whatever that does with its end. */

/* Makes both ends; the caller closes them. FALSE: no descriptors are left. */
gboolean _pyisolate_bell_make        (int *wake_fd,
                                      int *wait_fd);
void     _pyisolate_bell_ring        (int  wake_fd);
/* For who has made it, and has given the other end away: it is closed soon. */
void     _pyisolate_bell_close_later (int  wake_fd);
/* How many have not been closed yet. */
guint    _pyisolate_bell_get_n_closing (void);

/* An end that waits tells, by an edge, of each time that the other rings; and of the end of a socket, too. Who waits for it in
 * another way than by edges clears it when it is readable. */
gboolean _pyisolate_bell_add_socket  (int  wait_fd,
                                      int  socket_fd);
void     _pyisolate_bell_clear       (int  wait_fd);

G_END_DECLS
