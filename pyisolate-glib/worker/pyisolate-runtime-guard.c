/* SPDX-License-Identifier: MIT */
/* The link's thread as the guard of the worker's lanes: it reads what everybody else has left unread for a while, as the main
 * thread runs somebody's method and other threads wait in their inboxes. */
#include "config.h"

#include "pyisolate-runtime-private.h"

#include <glib-unix.h>
#include <sys/epoll.h>

/* How long the lanes are left to a main thread that is busy. */
#define PATIENCE_MS 1

static struct {
  int set;       /* atomic: of all lanes; -1: there is no guard */
  guint turn;    /* link's thread: the last turn that it has seen */
  gint reminded; /* atomic: it looks after what was left, too */
} guard = { .set = -1 };

/* Link's thread: whether nobody has read since it looked last. Until then whoever reads may do so for the last time: they have
 * been told of what is there, and are not told again; they look at one lane after the other, and then do what they have read. */
static gboolean
nobody_reads (void)
{
  guint turn = _pyisolate_lanes_get_n_turns ();
  gboolean is_same = turn == guard.turn;

  guard.turn = turn;
  return is_same;
}

static gboolean
on_reminded (gpointer user_data)
{
  if (!nobody_reads ())
    return G_SOURCE_CONTINUE;

  g_atomic_int_set (&guard.reminded, FALSE);
  _pyisolate_lanes_drain ();
  return G_SOURCE_REMOVE;
}

/* Something is left in a lane, of which the guard's set knows nothing: see to it that it is not left for long. */
void
_pyisolate_lanes_remind_guard (void)
{
  g_autoptr (GSource) source = NULL;

  if (g_atomic_int_get (&guard.set) < 0 ||
      !g_atomic_int_compare_and_exchange (&guard.reminded, FALSE, TRUE))
    return;

  source = g_timeout_source_new (PATIENCE_MS);
  g_source_set_static_name (source, "[pyisolate] reminder of lanes");
  g_source_set_callback (source, on_reminded, NULL, NULL);
  g_source_attach (source, _pyisolate_runtime.context);
}

static void watch_guard_set (void);

static gboolean
on_patience_over (gpointer user_data)
{
  if (!nobody_reads ())
    return G_SOURCE_CONTINUE;

  _pyisolate_lanes_drain ();
  watch_guard_set ();
  return G_SOURCE_REMOVE;
}

static gboolean
on_unread (int          fd,
           GIOCondition condition,
           gpointer     user_data)
{
  g_autoptr (GSource) source = g_timeout_source_new (PATIENCE_MS);
  struct epoll_event events[8];

  /* Takes out of the set's list what it tells of, or what has been read since. */
  if (epoll_wait (fd, events, G_N_ELEMENTS (events), 0) == 0)
    return G_SOURCE_CONTINUE;

  nobody_reads ();
  g_source_set_static_name (source, "[pyisolate] patience with lanes");
  g_source_set_callback (source, on_patience_over, NULL, NULL);
  g_source_attach (source, _pyisolate_runtime.context);

  return G_SOURCE_REMOVE;
}

static void
watch_guard_set (void)
{
  g_autoptr (GSource) source = g_unix_fd_source_new (guard.set, G_IO_IN);

  g_source_set_static_name (source, "[pyisolate] unread lanes");
  g_source_set_callback (source, G_SOURCE_FUNC (on_unread), NULL, NULL);
  g_source_attach (source, _pyisolate_runtime.context);
}

/*< private >
 * The calling thread is about to wait, and reads no lanes; or for memory, whose grant may come by one.
 *
 * From now on the link's thread looks after lanes that nobody reads. It costs every call something: so not before it is needed.
 */
void
_pyisolate_lanes_begin_wait (void)
{
  static gsize begun;

  _pyisolate_lanes_send_gathered ();
  if (!_pyisolate_lanes_are_there () || !g_once_init_enter (&begun))
    return;

  g_atomic_int_set (&guard.set, _pyisolate_lanes_new_bare_set ());
  if (guard.set >= 0)
    watch_guard_set ();
  g_once_init_leave (&begun, 1);
}
