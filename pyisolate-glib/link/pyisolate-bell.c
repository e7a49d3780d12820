/* SPDX-License-Identifier: MIT */
/* An eventfd, and an epoll set that has it: an end that wakes and one that waits.
 *
 * An eventfd alone would not do. Both sides could be made to block by the other, in read() and in write(), as O_NONBLOCK and the
 * counter belong to what they share. So nobody reads it, and a side that does not trust the other keeps it, or the set, to
 * itself. Who has but the set cannot get at the eventfd: to change an entry needs a descriptor of what it is about. To write to
 * it takes spin locks, and wakes as many as the kernel lets a file be watched by. To close it, though, waits for the set's mutex,
 * which who waits in the set has while the kernel writes to memory of theirs: that can take as long as they like, if they handle
 * their own page faults. So the side that made it closes it in a thread where that harms nobody. */
#include "config.h"

#include "pyisolate-bell-private.h"

#include "pyisolate-fd-private.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int n_closing; /* atomic */

static gboolean
add_to_set (int     set,
            int     fd,
            guint32 events)
{
  struct epoll_event event = { .events = events | EPOLLET };

  return epoll_ctl (set, EPOLL_CTL_ADD, fd, &event) == 0;
}

gboolean
_pyisolate_bell_make (int *wake_fd,
                      int *wait_fd)
{
  *wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  *wait_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (*wake_fd >= 0 && *wait_fd >= 0 && add_to_set (*wait_fd, *wake_fd, EPOLLIN))
    return TRUE;

  _pyisolate_clear_fd (wake_fd);
  _pyisolate_clear_fd (wait_fd);
  return FALSE;
}

/* That the counter is full tells it as well. */
void
_pyisolate_bell_ring (int wake_fd)
{
  static const guint64 one = 1;

  while (write (wake_fd, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

static void
close_one (gpointer data,
           gpointer user_data)
{
  close (GPOINTER_TO_INT (data) - 1);
  g_atomic_int_add (&n_closing, -1);
}

static GThreadPool *
get_closer (void)
{
  static gsize closer;

  if (g_once_init_enter (&closer))
    g_once_init_leave (&closer, (gsize) g_thread_pool_new (close_one, NULL, 1, FALSE, NULL));

  return (GThreadPool *) closer;
}

void
_pyisolate_bell_close_later (int wake_fd)
{
  g_atomic_int_inc (&n_closing);
  g_thread_pool_push (get_closer (), GINT_TO_POINTER (wake_fd + 1), NULL);
}

guint
_pyisolate_bell_get_n_closing (void)
{
  return (guint) g_atomic_int_get (&n_closing);
}

gboolean
_pyisolate_bell_add_socket (int wait_fd,
                            int socket_fd)
{
  return add_to_set (wait_fd, socket_fd, EPOLLRDHUP);
}

void
_pyisolate_bell_clear (int wait_fd)
{
  struct epoll_event events[2];

  while (epoll_wait (wait_fd, events, G_N_ELEMENTS (events), 0) < 0 && errno == EINTR)
    ;
}
