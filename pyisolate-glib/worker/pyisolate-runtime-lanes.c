/* SPDX-License-Identifier: MIT */
/* The worker's ends of its lanes: who reads them, and when.
 *
 * A thread that waits with descriptors of its own (the main thread, an event loop) waits for all
 * lanes, reads what is there and routes it, whoever it is for. Who stops before the end of what a
 * lane has notes that, and wakes others that wait. The link's thread reads where nobody else does:
 * it drains the lanes when a cancellation has overtaken its call and before a stop; and while other
 * threads wait in their inboxes it looks after lanes that the main thread, which runs somebody's
 * method, leaves alone (pyisolate-runtime-guard.c). It also sends what a socket had no room for.
 *
 * What is read is routed before the lane is unlocked: so frames of a lane keep their order. Nobody
 * waits for the GIL with a lane locked; a lane may be locked with the GIL held. The order of locks
 * is lane, runtime. */
#include "config.h"

#include "pyisolate-runtime-private.h"

#include "pyisolate-deadline-private.h"
#include "pyisolate-error-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A host has fewer, but may open one before this side knows that another is closed. */
#define MAX_LANES 1024

/* A reader takes so many frames of a lane, or so many bytes, before it looks at the others and has done what these are
 * about: so a call by one lane does not wait for all that has been called by another. */
#define FRAMES_PER_TURN 16
#define BYTES_PER_TURN (32 * 1024)

/* What an event of a set is about; else it is the number of a lane. */
#define EVENT_WAKE G_MAXUINT32
#define EVENT_OTHER (G_MAXUINT32 - 1)

/* Guarded by the runtime's mutex, but what is said to be atomic. */
static struct {
  PyIsolateLane *lanes[MAX_LANES];
  int fds[MAX_LANES][PYISOLATE_LANE_N_FDS]; /* of the same, for a forked child */
  gint left[MAX_LANES]; /* atomic: it was not read to its end, and does not tell of the rest */
  gint n_left;        /* atomic: how many of them */
  guint n_lanes;      /* atomic */
  guint n_numbers;    /* atomic: more than any that was ever in use */
  GArray *sets;       /* of int: epoll sets that have all lanes */
  guint n_turns;      /* atomic: how often lanes were read */
} all;

static gboolean
add_lane_to_set (int   set,
                 guint number)
{
  PyIsolateLane *lane = all.lanes[number];
  /* A bell tells everybody, by an edge; a socket wakes one of them. */
  guint32 how = _pyisolate_lane_has_rings (lane) ? EPOLLET : EPOLLEXCLUSIVE;
  struct epoll_event event = { .events = EPOLLIN | how, .data.u32 = number };

  return epoll_ctl (set, EPOLL_CTL_ADD, _pyisolate_lane_get_fd (lane), &event) == 0;
}

/* Of all lanes, and no more. -1 with errno set: it cannot be had. */
int
_pyisolate_lanes_new_bare_set (void)
{
  int set = epoll_create1 (EPOLL_CLOEXEC);

  if (set < 0)
    return -1;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  if (all.sets == NULL)
    all.sets = g_array_new (FALSE, FALSE, sizeof (int));
  g_array_append_val (all.sets, set);
  for (guint i = 0; i < all.n_numbers; i++)
    {
      if (all.lanes[i] != NULL)
        add_lane_to_set (set, i);
    }
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return set;
}

/* The same, to be woken by @wake_fd. */
int
_pyisolate_lanes_new_set (int wake_fd)
{
  struct epoll_event event = { .events = EPOLLIN, .data.u32 = EVENT_WAKE };
  int set = _pyisolate_lanes_new_bare_set ();

  if (set < 0)
    return -1;

  if (epoll_ctl (set, EPOLL_CTL_ADD, wake_fd, &event) < 0)
    {
      int saved_errno = errno;

      _pyisolate_lanes_free_set (set);
      errno = saved_errno;
      return -1;
    }

  return set;
}

/* To be told, too, when @fd is readable. */
gboolean
_pyisolate_lanes_add_to_set (int set,
                             int fd)
{
  struct epoll_event event = { .events = EPOLLIN, .data.u32 = EVENT_OTHER };

  return epoll_ctl (set, EPOLL_CTL_ADD, fd, &event) == 0;
}

void
_pyisolate_lanes_free_set (int set)
{
  if (!_pyisolate_runtime_is_forked ())
    {
      g_mutex_lock (&_pyisolate_runtime.mutex);
      for (guint i = 0; i < all.sets->len; i++)
        {
          if (g_array_index (all.sets, int, i) == set)
            {
              g_array_remove_index_fast (all.sets, i);
              break;
            }
        }
      g_mutex_unlock (&_pyisolate_runtime.mutex);
    }
  close (set);
}

/* In the link's thread, when there is room in the socket again. */
static gboolean
on_writable (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  PyIsolateLane *lane = user_data;

  _pyisolate_lane_flush (lane);

  return _pyisolate_lane_wants_write (lane) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* In whatever thread has sent. */
static void
on_waiting (PyIsolateLane *lane,
            gpointer       data)
{
  g_autoptr (GSource) source = g_unix_fd_source_new (_pyisolate_lane_get_socket (lane), G_IO_OUT);

  g_source_set_static_name (source, "[pyisolate] lane to write to");
  g_source_set_callback (source, G_SOURCE_FUNC (on_writable), g_object_ref (lane), g_object_unref);
  g_source_attach (source, _pyisolate_runtime.context);
}

/* An inbox of the thread that reads a lane at the moment, or NULL. */
static __thread PyIsolateInbox *awake;

/* In the thread that reads. */
static void
on_frame (PyIsolateTransport *transport,
          PyIsolateFrame     *frame,
          gpointer            user_data)
{
  _pyisolate_runtime_receive (frame, PYISOLATE_LANE (transport), awake);
}

static void
on_closed (PyIsolateTransport *transport,
           const GError       *error,
           gpointer            user_data)
{
  /* Otherwise the context in the host is gone, and nothing else: the link tells of the host's end. What this side has ended it for
   * the host's log is to have. */
  if (error != NULL && error->domain == PYISOLATE_ERROR)
    g_warning ("A lane was closed: %s", error->message);
}

/* @but: (nullable): an inbox of a thread that need not be woken */
static void
wake_all_locked (PyIsolateInbox *but)
{
  for (guint i = 0; i < _pyisolate_runtime.all_inboxes->len; i++)
    {
      PyIsolateInbox *inbox = g_ptr_array_index (_pyisolate_runtime.all_inboxes, i);

      if (inbox->owns_fds && (but == NULL || inbox->wake_fd != but->wake_fd))
        _pyisolate_inbox_wake_locked (inbox);
    }
}

static void
set_left (guint    number,
          gboolean left)
{
  if (g_atomic_int_compare_and_exchange (&all.left[number], !left, left))
    g_atomic_int_add (&all.n_left, left ? 1 : -1);
}

/* Nobody will answer what went by it. */
static void
end_calls_locked (PyIsolateLane *lane)
{
  g_autoptr (GError) error = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING,
                                                  "The context in the host that called is gone");
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, _pyisolate_runtime.calls_out);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      PyIsolateOutCall *out = value;

      if (out->lane == lane && !out->answered)
        {
          out->answered = TRUE;
          _pyisolate_inbox_push_locked (out->inbox, _pyisolate_frame_new_error (out->id, error), NULL);
        }
    }
}

static void
remove_lane (guint          number,
             PyIsolateLane *lane)
{
  gboolean removed = FALSE;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  if (all.lanes[number] == lane)
    {
      for (guint i = 0; i < all.sets->len; i++)
        epoll_ctl (g_array_index (all.sets, int, i), EPOLL_CTL_DEL, _pyisolate_lane_get_fd (lane), NULL);
      all.lanes[number] = NULL;
      set_left (number, FALSE);
      g_atomic_int_add (&all.n_lanes, -1);
      end_calls_locked (lane);
      removed = TRUE;
    }
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  if (removed)
    g_object_unref (lane);
}

/*< private >
 * @take_fd: this process's end of a lane, closed in any case
 *
 * Returns: whether there was room for it
 */
gboolean
_pyisolate_lanes_add (int take_fd)
{
  static const PyIsolateTransportHandler handler = { on_frame, on_closed };
  PyIsolateLane *lane = _pyisolate_lane_new_of_pair (take_fd);
  gboolean added = FALSE;
  guint number = 0;

  if (lane == NULL)
    return FALSE;

  _pyisolate_lane_set_waiting_func (lane, on_waiting, NULL);
  _pyisolate_transport_set_memory (PYISOLATE_TRANSPORT (lane), _pyisolate_runtime.memory);
  _pyisolate_transport_start (PYISOLATE_TRANSPORT (lane), &handler, NULL, NULL);

  g_mutex_lock (&_pyisolate_runtime.mutex);
  while (number < MAX_LANES && all.lanes[number] != NULL)
    number++;
  if (number < MAX_LANES)
    {
      /* In this order: a child may be forked meanwhile. */
      _pyisolate_lane_get_fds (lane, all.fds[number]);
      g_atomic_pointer_set (&all.lanes[number], g_object_ref (lane));
      g_atomic_int_inc (&all.n_lanes);
      g_atomic_int_set (&all.n_numbers, MAX (all.n_numbers, number + 1));
      added = TRUE;
      for (guint i = 0; all.sets != NULL && i < all.sets->len; i++)
        added = add_lane_to_set (g_array_index (all.sets, int, i), number) && added;
      set_left (number, _pyisolate_lane_is_left (lane));
      /* A set does not always wake who waits for it when something is added that is ready already. */
      wake_all_locked (NULL);
    }
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  /* Who asked is told that it is not taken, and nobody would see what comes by it. */
  if (!added && number < MAX_LANES)
    remove_lane (number, lane);
  g_object_unref (lane);

  return added;
}

gboolean
_pyisolate_lanes_are_there (void)
{
  return g_atomic_int_get (&all.n_lanes) > 0;
}

/* Only what is async-signal-safe. */
void
_pyisolate_lanes_close_in_child (void)
{
  if (!_pyisolate_lanes_are_there ())
    return;

  for (guint i = 0; i < all.n_numbers; i++)
    {
      for (guint j = 0; all.lanes[i] != NULL && j < PYISOLATE_LANE_N_FDS; j++)
        {
          if (all.fds[i][j] >= 0)
            close (all.fds[i][j]);
        }
    }
}

static PyIsolateLane *
dup_lane (guint number)
{
  PyIsolateLane *lane;

  g_mutex_lock (&_pyisolate_runtime.mutex);
  lane = all.lanes[number] != NULL ? g_object_ref (all.lanes[number]) : NULL;
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  return lane;
}

/* They have not been told of what is left, and the reader may be busy for long. */
static void
wake_others (PyIsolateInbox *reader)
{
  g_mutex_lock (&_pyisolate_runtime.mutex);
  wake_all_locked (reader);
  g_mutex_unlock (&_pyisolate_runtime.mutex);
}

/*< private >
 * @reader: (nullable): an inbox of this thread, which looks into it afterwards
 * @everything: as against: a turn
 */
static void
read_lane (guint           number,
           PyIsolateInbox *reader,
           gboolean        everything)
{
  g_autoptr (PyIsolateLane) lane = dup_lane (number);
  guint n_frames = 0;
  gsize n_bytes = 0;
  gboolean left;
  PyIsolateFrameView view;

  if (lane == NULL)
    return;

  g_atomic_int_inc (&all.n_turns);
  awake = reader;
  _pyisolate_lane_lock (lane);
  while ((everything || (n_frames < FRAMES_PER_TURN && n_bytes < BYTES_PER_TURN)) && _pyisolate_lane_next (lane, &view))
    {
      n_bytes += view.body_size;
      n_frames++;
      _pyisolate_transport_emit_frame (PYISOLATE_TRANSPORT (lane), _pyisolate_lane_steal_frame (lane));
    }
  /* If it has ended, the number may be another's by now. */
  left = _pyisolate_lane_has_more (lane) && _pyisolate_lane_is_left (lane);
  if (!_pyisolate_lane_is_ended (lane))
    set_left (number, left);
  _pyisolate_lane_unlock (lane);
  awake = NULL;
  /* It may wait for memory of the host's, of which GDBus's thread, one of those that want everything, would hear. */
  if (everything)
    _pyisolate_lane_release_later (lane);
  else
    _pyisolate_lane_release (lane);

  if (left)
    {
      _pyisolate_lanes_remind_guard ();
      wake_others (reader);
    }
  if (_pyisolate_lane_is_ended (lane))
    remove_lane (number, lane);
}

/* Goes on with lanes that were not read to their end. */
static guint
read_left (PyIsolateInbox *reader)
{
  guint n_read = 0;

  for (guint i = 0; i < (guint) g_atomic_int_get (&all.n_numbers); i++)
    {
      if (g_atomic_int_get (&all.left[i]))
        {
          read_lane (i, reader, FALSE);
          n_read++;
        }
    }

  return n_read;
}

/* How often lanes were read: a number that goes round. */
guint
_pyisolate_lanes_get_n_turns (void)
{
  return (guint) g_atomic_int_get (&all.n_turns);
}

/* Something that no set tells of: to be read by who waits next. */
gboolean
_pyisolate_lanes_have_left (void)
{
  return g_atomic_int_get (&all.n_left) > 0;
}

/* Reads all that has been sent by now. */
void
_pyisolate_lanes_drain (void)
{
  for (guint i = 0; i < (guint) g_atomic_int_get (&all.n_numbers); i++)
    read_lane (i, NULL, TRUE);
}

/* Waits until everything is in a socket or its reader is gone; a host that reads nothing ends this process. */
void
_pyisolate_lanes_flush (void)
{
  for (guint i = 0; i < (guint) g_atomic_int_get (&all.n_numbers); i++)
    {
      g_autoptr (PyIsolateLane) lane = dup_lane (i);
      struct pollfd pollfd;

      if (lane == NULL)
        continue;

      _pyisolate_lane_release_all (lane);
      pollfd = (struct pollfd) { .fd = _pyisolate_lane_get_socket (lane), .events = POLLOUT };
      /* The extension's own signals interrupt it: that is no reason to leave anything behind. */
      while (_pyisolate_lane_wants_write (lane) && TEMP_FAILURE_RETRY (poll (&pollfd, 1, -1)) > 0)
        _pyisolate_lane_flush (lane);
    }
}

static void
read_counter (PyIsolateInbox *inbox)
{
  guint64 counter;

  if (read (inbox->wake_fd, &counter, sizeof counter) < 0 && errno != EAGAIN && errno != EINTR)
    _pyisolate_runtime_check_link ();
}

/*< private >
 * @set: of @inbox
 * @deadline: in monotonic microseconds, 0: not at all, -1: none
 * @n_events: (out): 0: it is over
 * @other: (out) (optional): what was added to the set is readable
 *
 * Sends what was gathered, waits, reads what came by lanes, and leaves it in the inboxes. Blocks: not to be called with the GIL
 * held.
 */
gboolean
_pyisolate_lanes_wait (int             set,
                       PyIsolateInbox *inbox,
                       gint64          deadline,
                       guint          *n_events,
                       gboolean       *other)
{
  struct epoll_event events[8];
  gboolean is_left = _pyisolate_lanes_have_left ();
  int n;

  _pyisolate_lanes_send_gathered ();
  n = _pyisolate_deadline_wait (is_left ? 0 : deadline, set, events, G_N_ELEMENTS (events));

  *n_events = 0;
  if (n < 0)
    {
      if (errno != EINTR)
        {
          /* Only who closes descriptors at random gets here. */
          _pyisolate_runtime_check_link ();
          _exit (1);
        }
      return FALSE;
    }

  for (int i = 0; i < n; i++)
    {
      guint number = events[i].data.u32;

      if (number == EVENT_WAKE)
        read_counter (inbox);
      else if (number == EVENT_OTHER)
        *other = TRUE;
      else
        read_lane (number, inbox, FALSE);
    }
  *n_events = n;
  if (is_left)
    *n_events += read_left (inbox);

  return TRUE;
}
