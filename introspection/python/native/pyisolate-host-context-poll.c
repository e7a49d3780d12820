/* SPDX-License-Identifier: MIT */
/* What a Context polls, reads and answers. */
#include "pyisolate-host-private.h"

#include "pyisolate-deadline-private.h"

#include <errno.h>
#include <sys/epoll.h>

/* One turn of a loop handles so much before it looks at anything else. */
#define TURNS 64

/* So many events are looked at together. */
#define N_EVENTS 8

typedef PyIsolateHostContext Context;

/* The context that this thread iterates, for what it polls with. */
static _Thread_local Context *polled;

static gboolean
is_polled (const GPollFD *fds,
           guint          n_fds,
           int            fd)
{
  for (guint i = 0; i < n_fds; i++)
    {
      if (fds[i].fd == fd)
        return TRUE;
    }

  return FALSE;
}

static void
forget (int set,
        int fd)
{
  if (set >= 0)
    epoll_ctl (set, EPOLL_CTL_DEL, fd, NULL);
}

/* Lanes are read to their end whenever they tell of something, and need not tell again. */
static void
note (int            set,
      const GPollFD *fd,
      gboolean       is_lane)
{
  struct epoll_event event = { .events = fd->events | (is_lane ? EPOLLET : 0), .data.fd = fd->fd };

  if (set >= 0 && epoll_ctl (set, EPOLL_CTL_MOD, fd->fd, &event) < 0)
    epoll_ctl (set, EPOLL_CTL_ADD, fd->fd, &event);
}

/* A descriptor that was closed has left the sets by itself, and another may have its number now. */
static void
update_sets (Context       *self,
             const GPollFD *fds,
             guint          n_fds)
{
  for (guint i = 0; i < self->known->len; i++)
    {
      int fd = g_array_index (self->known, int, i);

      if (is_polled (fds, n_fds, fd))
        continue;
      forget (self->fd, fd);
      forget (self->select_fd, fd);
    }

  g_array_set_size (self->known, 0);
  for (guint i = 0; i < n_fds; i++)
    {
      gboolean is_lane = self->wake_fd >= 0 && fds[i].fd != self->wake_fd;

      note (self->fd, &fds[i], is_lane);
      note (self->select_fd, &fds[i], is_lane);
      g_array_append_val (self->known, fds[i].fd);
    }
}

/* What a context polls with. */
int
_pyisolate_host_context_poll (GPollFD *fds,
                              guint    n_fds,
                              int      timeout)
{
  if (polled != NULL)
    update_sets (polled, fds, n_fds);

  return g_poll (fds, n_fds, timeout);
}

/* Without the GIL, which what is done takes where it needs it. A signal ends the waiting. */
void
_pyisolate_host_context_iterate (Context  *self,
                                 gboolean  may_block)
{
  Context *outer = polled;

  polled = self;
  g_main_context_iteration (self->context, may_block);
  polled = outer;
}

/* It polls, too: perhaps inside of what another context of this thread does. */
static gboolean
is_pending (Context *self)
{
  Context *outer = polled;
  gboolean pending;

  polled = self;
  pending = g_main_context_pending (self->context);
  polled = outer;

  return pending;
}

static void
iterate_while_pending (Context *self)
{
  guint n_turns = 0;

  do
    _pyisolate_host_context_iterate (self, FALSE);
  while (++n_turns < TURNS && is_pending (self));
  if (n_turns == TURNS)
    g_main_context_wakeup (self->context);
}

/* What is there. @woken: not, or not only, because of a lane. */
static void
read_context (Context  *self,
              gboolean  woken)
{
  PyIsolateHostInbox *outer = _pyisolate_host_inbox_set_read (self->inbox);

  if (woken || (!pyisolate_serve_context (self->context) && !_pyisolate_host_inbox_has_any (self->inbox)))
    iterate_while_pending (self);
  _pyisolate_host_inbox_set_read (outer);
}

gboolean
_pyisolate_host_context_read (Context  *self,
                              int       set,
                              gint64    deadline,
                              gboolean *anything,
                              gboolean *others)
{
  struct epoll_event events[N_EVENTS];
  gboolean lanes = FALSE;
  gboolean woken = FALSE;
  int n_events;

  /* Other loops do not tell when they are about to wait. */
  if (self->select_fd >= 0)
    pyisolate_end_turn (self->context);
  n_events = _pyisolate_deadline_wait (deadline, set, events, N_EVENTS);

  *others = FALSE;
  *anything = n_events > 0;
  for (int i = 0; i < n_events; i++)
    {
      if (events[i].data.fd == self->wake_fd)
        woken = TRUE;
      else if (events[i].data.fd == -1)
        *others = TRUE;
      else
        lanes = TRUE;
    }
  if (lanes || woken)
    read_context (self, woken);

  return n_events >= 0 || errno != EINTR;
}

static gboolean
is_turn_due (Context *self)
{
  Py_ssize_t n_ready = PyObject_Size (self->ready);

  if (n_ready < 0)
    PyErr_Clear ();
  return n_ready != 0;
}

gboolean
_pyisolate_host_context_answer (Context  *self,
                                gboolean  at_once)
{
  PyIsolateAnswer *answer;

  /* What waits for its turn already comes first. What these tasks leave for the loop comes after all of them, as it would if
   * each of them were called soon. */
  at_once = at_once && !is_turn_due (self);
  while ((answer = _pyisolate_host_inbox_take (self->inbox)) != NULL)
    {
      gboolean is_event = answer->name != NULL;

      if (!_pyisolate_host_answer_take (answer, at_once))
        return FALSE;
      at_once = at_once && !(is_event && is_turn_due (self)); /* the handler is a coroutine: it begins before the call goes on */
    }

  return TRUE;
}
