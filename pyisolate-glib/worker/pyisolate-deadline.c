/* SPDX-License-Identifier: MIT */
/* Waiting by epoll until a moment, and not until the millisecond after it.
 *
 * Where many coroutines sleep that were called together, what each does when it wakes is done while the next ones still sleep.
 * Up to a millisecond later all of them would be due, and everything would begin then. */
#include "config.h"

#include "pyisolate-deadline-private.h"

#include <errno.h>
#include <math.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since Linux 5.11, by the same number everywhere that this has been tried on; the C library's headers may be older. */
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* As the kernel has it, whatever the C library's timespec is. */
typedef struct {
  gint64 seconds;
  gint64 nanoseconds;
} Interval;

/* The clock's microseconds are cut off: with one more it is never too early. */
gint64
_pyisolate_deadline_in (double seconds)
{
  return seconds <= 0 ? 0 : g_get_monotonic_time () + 1 + (gint64) ceil (MIN (seconds, 1e9) * G_USEC_PER_SEC);
}

gboolean
_pyisolate_deadline_is_over (gint64 deadline)
{
  return deadline == 0 || (deadline > 0 && g_get_monotonic_time () >= deadline);
}

static int
wait_milliseconds (gint64              left,
                   int                 set,
                   struct epoll_event *events,
                   int                 n_events)
{
  return epoll_wait (set, events, n_events, (int) MIN ((left + 999) / 1000, G_MAXINT));
}

/* As epoll_wait(), which does not come back before @deadline if nothing happens. */
int
_pyisolate_deadline_wait (gint64              deadline,
                          int                 set,
                          struct epoll_event *events,
                          int                 n_events)
{
  static int is_missing; /* atomic: the kernel does not have it, or a filter does not let it through */
  Interval interval;
  gint64 left;
  int n;

  if (deadline <= 0)
    return epoll_wait (set, events, n_events, (int) deadline);

  left = MAX (deadline - g_get_monotonic_time (), 0);
  if (left == 0 || g_atomic_int_get (&is_missing))
    return wait_milliseconds (left, set, events, n_events);

  interval = (Interval) { left / G_USEC_PER_SEC, left % G_USEC_PER_SEC * 1000 };
  n = (int) syscall (SYS_epoll_pwait2, set, events, n_events, &interval, NULL, (gsize) 0);
  if (n >= 0 || errno == EINTR)
    return n;

  /* A filter refuses by whatever error its author chose; if it is about the set, epoll_wait() says so as well. */
  g_atomic_int_set (&is_missing, TRUE);
  return wait_milliseconds (left, set, events, n_events);
}
