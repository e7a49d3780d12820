/* SPDX-License-Identifier: MIT */
/* How long who waits by poll() may still wait: in monotonic microseconds, 0 for not at all and -1 for ever. A host in Python has
 * it, too. */
#pragma once

#include <glib.h>
#include <math.h>

G_BEGIN_DECLS

static inline gint64
_pyisolate_deadline_in (double seconds)
{
  return seconds <= 0 ? 0 : g_get_monotonic_time () + (gint64) ceil (MIN (seconds, 1e9) * G_USEC_PER_SEC);
}

/* For poll(), which is not to come back before. */
static inline int
_pyisolate_deadline_get_milliseconds (gint64 deadline)
{
  gint64 left;

  if (deadline <= 0)
    return (int) deadline;

  left = deadline - g_get_monotonic_time ();
  return left <= 0 ? 0 : (int) MIN ((left + 999) / 1000, G_MAXINT);
}

G_END_DECLS
