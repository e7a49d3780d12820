/* SPDX-License-Identifier: MIT */
/* The lanes of a main context: each extension that is called from it has one, and what comes by it is handled where it is
 * read, without another thread between.
 *
 * Whoever iterates the context reads them; so does who blocks in it. A lane goes when its context goes, or its link. What
 * could not be sent at once is sent by the service thread, whatever the context is doing. */
#include "config.h"

#include "pyisolate-mailbox-struct-private.h"

#include "pyisolate-fd-private.h"
#include "pyisolate-service-private.h"

#include <glib-unix.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Before the context's other sources get their turn. */
#define FRAMES_AT_ONCE 64

/* How often a blocked caller looks that has no set to sleep in. */
#define LOOK_INTERVAL_US 2000

static void
remove_from_mailbox (PyIsolateLaneSource *self)
{
  g_mutex_lock (&self->mailbox->mutex);
  g_ptr_array_remove_fast (self->mailbox->lanes, self);
  g_mutex_unlock (&self->mailbox->mutex);
}

static gboolean
dispatch_lane (GSource     *source,
               GSourceFunc  callback,
               gpointer     user_data)
{
  PyIsolateLaneSource *self = (PyIsolateLaneSource *) source;
  g_autoptr (PyIsolateLane) lane = g_object_ref (self->lane);
  gboolean more;

  _pyisolate_mailbox_set_served (self->mailbox, PYISOLATE_SERVED_AWAKE);
  more = _pyisolate_lane_receive_ready (lane, FRAMES_AT_ONCE);
  _pyisolate_mailbox_set_served (self->mailbox, PYISOLATE_SERVED_NOT);
  if (more || g_source_get_ready_time (source) >= 0)
    g_source_set_ready_time (source, more ? 0 : -1);
  _pyisolate_mailbox_do_jobs (self->mailbox);

  return _pyisolate_lane_is_ended (lane) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

/* The context is about to wait, or to see what there is. */
static gboolean
prepare_lane (GSource *source,
              int     *timeout)
{
  PyIsolateLaneSource *self = (PyIsolateLaneSource *) source;

  *timeout = -1;
  if (!g_atomic_int_get (&self->mailbox->is_served))
    _pyisolate_mailbox_end_turn (self->mailbox);

  return FALSE;
}

static void
finalize_lane (GSource *source)
{
  PyIsolateLaneSource *self = (PyIsolateLaneSource *) source;

  remove_from_mailbox (self);
  _pyisolate_lane_set_turn (self->lane, NULL);
  _pyisolate_lane_end (self->lane);
  if (self->gone_source != NULL)
    g_source_destroy (self->gone_source);
  g_clear_pointer (&self->gone_source, g_source_unref);
  g_clear_object (&self->lane);
  _pyisolate_mailbox_remove_lane_user (self->mailbox);
}

static gboolean
on_writable (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  PyIsolateLane *lane = PYISOLATE_LANE (user_data);

  _pyisolate_lane_flush (lane);

  return _pyisolate_lane_wants_write (lane) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* In the thread that sends. */
static void
on_waiting (PyIsolateLane *lane,
            gpointer       data)
{
  g_autoptr (GSource) source = g_unix_fd_source_new (_pyisolate_lane_get_socket (lane), G_IO_OUT);

  g_source_set_callback (source, G_SOURCE_FUNC (on_writable), g_object_ref (lane), g_object_unref);
  g_source_set_static_name (source, "[pyisolate] what waits to be sent");
  g_source_attach (source, _pyisolate_service_get_context ());
}

static gboolean
on_gone (int          fd,
         GIOCondition condition,
         gpointer     user_data)
{
  _pyisolate_lane_note_gone (PYISOLATE_LANE (user_data));

  return G_SOURCE_REMOVE;
}

/* What the reader waits for does not tell of it where it comes together with a message. */
static GSource *
watch_for_end (PyIsolateLane *lane)
{
  GSource *source = g_unix_fd_source_new (_pyisolate_lane_get_socket (lane), G_IO_HUP);

  g_source_set_callback (source, G_SOURCE_FUNC (on_gone), g_object_ref (lane), g_object_unref);
  g_source_set_static_name (source, "[pyisolate] end of a lane");
  g_source_attach (source, _pyisolate_service_get_context ());

  return source;
}

static GSourceFuncs lane_source_funcs = {
  .prepare = prepare_lane,
  .dispatch = dispatch_lane,
  .finalize = finalize_lane,
};

/* With the lock held. */
static PyIsolateLaneSource *
find_lane (PyIsolateMailbox  *self,
           PyIsolateEndpoint *endpoint)
{
  for (guint i = 0; self->lanes != NULL && i < self->lanes->len; i++)
    {
      PyIsolateLaneSource *lane_source = self->lanes->pdata[i];

      /* What has ended may have been of another endpoint at the same place. */
      if (lane_source->endpoint == endpoint && !_pyisolate_lane_is_ended (lane_source->lane))
        return lane_source;
    }

  return NULL;
}

static PyIsolateLane *
dup_lane (PyIsolateMailbox  *self,
          PyIsolateEndpoint *endpoint)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  PyIsolateLaneSource *lane_source = find_lane (self, endpoint);

  return lane_source != NULL ? g_object_ref (lane_source->lane) : NULL;
}

static gboolean
add_to_set (PyIsolateMailbox *self,
            int               fd,
            guint32           events)
{
  struct epoll_event event = { .events = events, .data.fd = fd };

  return epoll_ctl (self->set_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Nothing but edges, as who leaves something in it does not wait before it is read. */
static gboolean
add_lane_to_set (PyIsolateMailbox    *self,
                 PyIsolateLaneSource *lane_source)
{
  return add_to_set (self, _pyisolate_lane_get_fd (lane_source->lane), EPOLLIN | EPOLLET);
}

/* Who waits on other lanes must learn of it. FALSE: another thread was faster. */
static gboolean
add_lane (PyIsolateMailbox    *self,
          PyIsolateLaneSource *lane_source)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (self->lanes == NULL)
    self->lanes = g_ptr_array_new ();
  if (find_lane (self, lane_source->endpoint) != NULL)
    return FALSE;

  g_ptr_array_add (self->lanes, lane_source);
  if (self->set_fd >= 0 && !add_lane_to_set (self, lane_source))
    self->set_lacks_lane = TRUE;
  _pyisolate_mailbox_wake_locked (self);
  return TRUE;
}

PyIsolateLane *
_pyisolate_mailbox_ref_lane (PyIsolateMailbox  *self,
                             PyIsolateEndpoint *endpoint)
{
  PyIsolateLane *lane = dup_lane (self, endpoint);
  g_autoptr (GSource) source = NULL;
  PyIsolateLaneSource *lane_source;

  if (lane != NULL || self->context == NULL)
    return lane;

  lane = _pyisolate_endpoint_open_lane (endpoint);
  if (lane == NULL)
    return NULL;

  source = g_source_new (&lane_source_funcs, sizeof *lane_source);
  lane_source = (PyIsolateLaneSource *) source;
  lane_source->mailbox = self;
  lane_source->endpoint = endpoint;
  lane_source->lane = g_object_ref (lane);
  _pyisolate_mailbox_add_lane_user (self);
  _pyisolate_lane_set_waiting_func (lane, on_waiting, NULL);
  _pyisolate_lane_set_turn (lane, &self->turn);
  g_source_set_static_name (source, "[pyisolate] lane");
  g_source_set_can_recurse (source, TRUE); /* what a job of it waits for in a loop may come by it */
  lane_source->fd_tag = g_source_add_unix_fd (source, _pyisolate_lane_get_fd (lane), G_IO_IN);
  if (_pyisolate_lane_get_fd (lane) != _pyisolate_lane_get_socket (lane))
    lane_source->gone_source = watch_for_end (lane);
  g_source_attach (source, self->context);
  if (!add_lane (self, lane_source))
    {
      g_source_destroy (source);
      g_object_unref (lane);
      return dup_lane (self, endpoint);
    }

  return lane;
}

/* With the lock held: so that they stay as they are without it. */
static guint
take_snapshot (PyIsolateMailbox     *self,
               PyIsolateLaneSource **lane_sources)
{
  guint n_lanes = self->lanes != NULL ? self->lanes->len : 0;

  for (guint i = 0; i < n_lanes; i++)
    {
      lane_sources[i] = self->lanes->pdata[i];
      g_source_ref (&lane_sources[i]->source);
    }

  return n_lanes;
}

static gboolean
read_lane (PyIsolateLaneSource *lane_source)
{
  gboolean more = _pyisolate_lane_receive (lane_source->lane, FRAMES_AT_ONCE);

  if (more)
    g_source_set_ready_time (&lane_source->source, 0);

  return more;
}

gboolean
_pyisolate_mailbox_poll_lanes (PyIsolateMailbox *self)
{
  PyIsolateLaneSource **lane_sources;
  gboolean more = FALSE;
  guint n_lanes;

  g_mutex_lock (&self->mutex);
  lane_sources = g_newa (PyIsolateLaneSource *, (self->lanes != NULL ? self->lanes->len : 0) + 1);
  n_lanes = take_snapshot (self, lane_sources);
  g_mutex_unlock (&self->mutex);

  for (guint i = 0; i < n_lanes; i++)
    {
      more = read_lane (lane_sources[i]) || more;
      g_source_unref (&lane_sources[i]->source);
    }

  return more;
}

/* Whether something was left, of which nobody tells. */
static gboolean
has_more (PyIsolateLaneSource **lane_sources,
          guint                 n_lanes)
{
  for (guint i = 0; i < n_lanes; i++)
    {
      if (_pyisolate_lane_has_more (lane_sources[i]->lane))
        return TRUE;
    }

  return FALSE;
}

static gboolean
fill_set (PyIsolateMailbox *self)
{
  if (!add_to_set (self, self->wake_fd, EPOLLIN))
    return FALSE;

  for (guint i = 0; i < self->lanes->len; i++)
    {
      if (!add_lane_to_set (self, self->lanes->pdata[i]))
        return FALSE;
    }

  return TRUE;
}

/* With the lock held, by who will wait: what a caller that blocks waits for. FALSE: no descriptors are left, or the kernel has no
 * room for more. */
static gboolean
have_set (PyIsolateMailbox *self)
{
  if (self->set_fd >= 0 && !self->set_lacks_lane)
    return TRUE;

  _pyisolate_clear_fd (&self->set_fd);
  if (self->wake_fd < 0)
    self->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  self->set_fd = self->wake_fd >= 0 ? epoll_create1 (EPOLL_CLOEXEC) : -1;
  if (self->set_fd >= 0 && !fill_set (self))
    _pyisolate_clear_fd (&self->set_fd);
  self->set_lacks_lane = FALSE;

  return self->set_fd >= 0;
}

static void
clear_wake_fd (int wake_fd)
{
  guint64 number;

  while (read (wake_fd, &number, sizeof number) < 0 && errno == EINTR)
    ;
}

static void
wait_in_set (PyIsolateMailbox *self,
             gboolean          may_block)
{
  struct epoll_event events[8];
  int n_events = epoll_wait (self->set_fd, events, G_N_ELEMENTS (events), may_block ? -1 : 0);

  for (int i = 0; i < n_events; i++)
    {
      if (events[i].data.fd == self->wake_fd)
        clear_wake_fd (self->wake_fd);
    }
}

/* The lanes do not wake the caller then; jobs do. */
static void
wait_without_set (PyIsolateMailbox *self,
                  gboolean          may_block)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (!may_block || self->calls.length > 0)
    return;

  self->asleep = TRUE;
  g_cond_wait_until (&self->cond, &self->mutex, g_get_monotonic_time () + LOOK_INTERVAL_US);
  self->asleep = FALSE;
}

gboolean
_pyisolate_mailbox_read_lanes (PyIsolateMailbox *self)
{
  PyIsolateLaneSource **lane_sources;
  gboolean has_set, may_block;
  guint n_lanes;

  if (self->lanes == NULL || self->lanes->len == 0)
    return FALSE;

  lane_sources = g_newa (PyIsolateLaneSource *, self->lanes->len);
  n_lanes = take_snapshot (self, lane_sources);
  has_set = have_set (self);
  self->served = has_set ? PYISOLATE_SERVED_WAITING : PYISOLATE_SERVED_AWAKE;
  g_mutex_unlock (&self->mutex);

  _pyisolate_mailbox_end_turn (self);
  may_block = !has_more (lane_sources, n_lanes);
  if (has_set)
    wait_in_set (self, may_block);
  else
    wait_without_set (self, may_block);
  _pyisolate_mailbox_set_served (self, PYISOLATE_SERVED_AWAKE);
  for (guint i = 0; i < n_lanes; i++)
    {
      /* Not to its end, which may never come: what has come by now may be what the caller waits for, or its time may be over. */
      read_lane (lane_sources[i]);
      if (_pyisolate_lane_is_ended (lane_sources[i]->lane))
        g_source_destroy (&lane_sources[i]->source);
      g_source_unref (&lane_sources[i]->source);
    }

  g_mutex_lock (&self->mutex);
  return TRUE;
}
