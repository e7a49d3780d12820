/* SPDX-License-Identifier: MIT */
/* A lane: a socket of one calling context's own, on which frames go both ways without a thread between.
 *
 * What is small goes by rings in shared memory, one each way, which the side that makes the lane, the host, makes too.
 *
 * A sequenced-packet socket keeps the bounds of messages and what descriptors go with which, so that a reader needs one
 * system call for a message and never waits for the rest of one. Nothing here blocks, and nothing here polls: whoever owns
 * the reading asks for what is there, when the socket says that there is something. */
#include "config.h"

#include "pyisolate-lane-struct-private.h"

#include "pyisolate-fd-private.h"

#include <sys/socket.h>
#include <unistd.h>

G_DEFINE_FINAL_TYPE (PyIsolateLane, _pyisolate_lane, PYISOLATE_TYPE_TRANSPORT)

gboolean
_pyisolate_lane_socketpair (int fds[2])
{
  return socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0;
}

/*< private >
 * @error: (transfer full) (nullable): why; the first reason counts
 *
 * Nothing more is sent or received. The reader finds that out, and tells it.
 */
void
_pyisolate_lane_fail (PyIsolateLane *self,
                      GError        *error)
{
  g_mutex_lock (&self->reason_mutex);
  if (!g_atomic_int_get (&self->closing))
    self->reason = g_steal_pointer (&error);
  g_atomic_int_set (&self->closing, TRUE);
  g_mutex_unlock (&self->reason_mutex);

  g_clear_error (&error);
  if (self->out != NULL)
    _pyisolate_ring_end (self->out);
  shutdown (self->fd, SHUT_RDWR); /* which wakes who polls */
}

static void
_pyisolate_lane_close (PyIsolateTransport *transport,
                       const GError       *reason)
{
  _pyisolate_lane_fail (PYISOLATE_LANE (transport), reason != NULL ? g_error_copy (reason) : NULL);
}

static void
_pyisolate_lane_start (PyIsolateTransport *transport)
{
  /* Who owns the reading begins with it. */
}

static gboolean
_pyisolate_lane_send (PyIsolateTransport  *transport,
                      PyIsolateFrame      *frame,
                      GError             **error)
{
  return _pyisolate_lane_send_frame (PYISOLATE_LANE (transport), frame, error);
}

static void
_pyisolate_lane_finalize (GObject *object)
{
  PyIsolateLane *self = PYISOLATE_LANE (object);

  _pyisolate_lane_send_clear (self);
  _pyisolate_lane_credit_clear (self);
  _pyisolate_lane_receive_clear (self);
  g_clear_pointer (&self->budget, _pyisolate_budget_unref);
  g_clear_error (&self->reason);
  g_mutex_clear (&self->send_mutex);
  g_mutex_clear (&self->reason_mutex);
  g_mutex_clear (&self->receive_mutex);
  g_clear_pointer (&self->out, _pyisolate_ring_free);
  g_clear_pointer (&self->in, _pyisolate_ring_free);
  close (self->fd);

  G_OBJECT_CLASS (_pyisolate_lane_parent_class)->finalize (object);
}

static void
_pyisolate_lane_class_init (PyIsolateLaneClass *klass)
{
  PyIsolateTransportClass *transport_class = PYISOLATE_TRANSPORT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = _pyisolate_lane_finalize;
  transport_class->start = _pyisolate_lane_start;
  transport_class->send = _pyisolate_lane_send;
  transport_class->close = _pyisolate_lane_close;
  transport_class->hold = _pyisolate_lane_hold;
}

static void
_pyisolate_lane_init (PyIsolateLane *self)
{
  g_mutex_init (&self->send_mutex);
  g_mutex_init (&self->reason_mutex);
  g_mutex_init (&self->receive_mutex);
  g_queue_init (&self->queue);
  g_queue_init (&self->refused);
  g_queue_init (&self->held);
}

/*< private >
 * @take_fd: one end of _pyisolate_lane_socketpair()
 */
PyIsolateLane *
_pyisolate_lane_new (int take_fd)
{
  PyIsolateLane *self = g_object_new (PYISOLATE_TYPE_LANE, NULL);

  self->fd = take_fd;

  return self;
}

/* FALSE: it could not be sent. */
static gboolean
offer_rings (PyIsolateLane *self,
             const int      fds[PYISOLATE_LANE_N_RING_FDS])
{
  PyIsolateLaneHeader header = { .kind = PYISOLATE_LANE_RINGS, .n_fds = PYISOLATE_LANE_N_RING_FDS };
  struct iovec piece = { &header, sizeof header };

  return _pyisolate_ring_wait_for (self->in, self->fd) &&
         _pyisolate_lane_send_message (self, &piece, 1, fds, PYISOLATE_LANE_N_RING_FDS);
}

/* Both, or none. */
static void
make_rings (PyIsolateLane *self)
{
  int fds[PYISOLATE_LANE_N_RING_FDS] = { -1, -1, -1, -1 };

  self->in = _pyisolate_ring_new (PYISOLATE_RING_READER, fds);
  if (self->in != NULL)
    self->out = _pyisolate_ring_new (PYISOLATE_RING_WRITER, fds + PYISOLATE_RING_N_FDS);
  if (self->out == NULL || !offer_rings (self, fds))
    {
      g_clear_pointer (&self->in, _pyisolate_ring_free);
      g_clear_pointer (&self->out, _pyisolate_ring_free);
    }

  for (guint i = 0; i < PYISOLATE_LANE_N_RING_FDS; i++)
    _pyisolate_clear_fd (&fds[i]);
}

/*< private >
 * @peer_fd: (out): for _pyisolate_lane_new_of_pair(), closed by the caller
 *
 * Returns: (transfer full) (nullable): a lane, without a ring if there is none to be had, or %NULL with errno set
 */
PyIsolateLane *
_pyisolate_lane_new_pair (int *peer_fd)
{
  PyIsolateLane *self;
  int fds[2];

  if (!_pyisolate_lane_socketpair (fds))
    return NULL;

  self = _pyisolate_lane_new (fds[0]);
  *peer_fd = fds[1];
  make_rings (self);

  return self;
}

/*< private >
 * @take_fd: closed in any case
 */
PyIsolateLane *
_pyisolate_lane_new_of_pair (int take_fd)
{
  g_autoptr (PyIsolateLane) self = _pyisolate_lane_new (take_fd);

  return _pyisolate_lane_take_rings (self) ? g_steal_pointer (&self) : NULL;
}

int
_pyisolate_lane_get_fd (PyIsolateLane *self)
{
  return self->in != NULL ? _pyisolate_ring_get_wait_fd (self->in) : self->fd;
}

gboolean
_pyisolate_lane_has_rings (PyIsolateLane *self)
{
  return self->in != NULL;
}

int
_pyisolate_lane_get_socket (PyIsolateLane *self)
{
  return self->fd;
}

void
_pyisolate_lane_get_fds (PyIsolateLane *self,
                         int            fds[PYISOLATE_LANE_N_FDS])
{
  fds[0] = self->fd;
  fds[1] = self->out != NULL ? _pyisolate_ring_get_wake_fd (self->out) : -1;
  fds[2] = self->in != NULL ? _pyisolate_ring_get_wait_fd (self->in) : -1;
}

void
_pyisolate_lane_note_gone (PyIsolateLane *self)
{
  g_atomic_int_set (&self->is_peer_gone, TRUE);
  shutdown (self->fd, SHUT_RDWR);
}

void
_pyisolate_lane_set_waiting_func (PyIsolateLane *self,
                                  void         (*func) (PyIsolateLane *self,
                                                        gpointer       data),
                                  gpointer       data)
{
  self->waiting_func = func;
  self->waiting_data = data;
}

void
_pyisolate_lane_set_turn (PyIsolateLane *self,
                          PyIsolateTurn *turn)
{
  g_mutex_lock (&self->send_mutex);
  self->turn = turn;
  g_mutex_unlock (&self->send_mutex);
}

gboolean
_pyisolate_lane_is_closed_here (PyIsolateLane *self)
{
  return g_atomic_int_get (&self->closing);
}

void
_pyisolate_lane_set_budget (PyIsolateLane   *self,
                            PyIsolateBudget *budget)
{
  g_assert (self->budget == NULL);

  self->budget = _pyisolate_budget_ref (budget);
}
