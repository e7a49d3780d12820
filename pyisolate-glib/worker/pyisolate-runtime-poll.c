/* SPDX-License-Identifier: MIT */
/* GDBus's thread waits for the link without keeping it open.
 *
 * A thread inside poll() holds what it polls: an extension that closes every descriptor, as daemons
 * used to, and then never returns would leave the link open, and its host waiting for ever. An epoll
 * set holds nothing. So the thread polls one that has the link in it: whoever closes the link's
 * descriptor closes the link, and the host is told at that moment. */
#include "config.h"

#include "pyisolate-runtime-private.h"

#include <poll.h>
#include <sys/epoll.h>

static struct {
  int fd;
  guint32 events; /* that it waits for on the link */
  GPollFunc poll; /* of the main context before */
} link_set = { .fd = -1 };

G_STATIC_ASSERT (EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI);
G_STATIC_ASSERT (EPOLLERR == POLLERR && EPOLLHUP == POLLHUP);

static GPollFD *
find_link (GPollFD *fds,
           guint    n_fds)
{
  for (guint i = 0; i < n_fds; i++)
    {
      if (fds[i].fd == _pyisolate_runtime.link_fd)
        return &fds[i];
    }

  return NULL;
}

static gboolean
wait_for (guint32 events)
{
  struct epoll_event event = { .events = events };

  if (events == link_set.events)
    return TRUE;

  link_set.events = events;
  return epoll_ctl (link_set.fd, EPOLL_CTL_MOD, _pyisolate_runtime.link_fd, &event) == 0;
}

static int
poll_link_in_set (GPollFD *fds,
                  guint    n_fds,
                  int      timeout)
{
  GPollFD *link = find_link (fds, n_fds);
  GPollFD asked;
  struct epoll_event event;
  int n_ready;

  if (link == NULL)
    return link_set.poll (fds, n_fds, timeout);

  asked = *link;
  if (!wait_for (asked.events)) /* it was closed: reading from it will say so */
    {
      for (guint i = 0; i < n_fds; i++)
        fds[i].revents = 0;
      link->revents = POLLNVAL;
      return 1;
    }

  link->fd = link_set.fd;
  link->events = POLLIN;
  n_ready = link_set.poll (fds, n_fds, timeout);
  link->fd = asked.fd;
  link->events = asked.events;

  if (n_ready > 0 && link->revents != 0)
    {
      link->revents = 0;
      if (epoll_wait (link_set.fd, &event, 1, 0) == 1)
        link->revents = (gushort) event.events;
      else
        n_ready--;
    }

  return n_ready;
}

/* To be called in GDBus's thread. Where there is no epoll the link is polled itself. */
void
_pyisolate_runtime_poll_link_in_set (void)
{
  GMainContext *context = g_main_context_get_thread_default ();
  struct epoll_event event = { .events = 0 };

  if (link_set.fd >= 0 || context == NULL)
    return;

  link_set.fd = epoll_create1 (EPOLL_CLOEXEC);
  if (link_set.fd < 0 || epoll_ctl (link_set.fd, EPOLL_CTL_ADD, _pyisolate_runtime.link_fd, &event) < 0)
    return;

  link_set.poll = g_main_context_get_poll_func (context);
  g_main_context_set_poll_func (context, poll_link_in_set);
}
