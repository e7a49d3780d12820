/* SPDX-License-Identifier: MIT */
/* The lanes of a link: opened on demand, read by others, dropped with the link. */
#include "config.h"

#include "pyisolate-endpoint-struct-private.h"

#include "pyisolate-error-private.h"

/* With the lock held. */
static void
forget_lane (PyIsolateEndpoint *self,
             PyIsolateLane     *lane)
{
  if (self->spare == lane)
    self->spare = NULL;
  if (self->lanes != NULL)
    g_ptr_array_remove (self->lanes, lane);
}

static void
on_lane_closed (PyIsolateTransport *transport,
                const GError       *error,
                gpointer            user_data)
{
  PyIsolateEndpoint *self = PYISOLATE_ENDPOINT (user_data);
  gboolean by_us = _pyisolate_lane_is_closed_here (PYISOLATE_LANE (transport));
  gboolean is_offered;

  g_mutex_lock (&self->mutex);
  /* It may have ended because it is not taken, which the answer says. */
  is_offered = self->offered != NULL && g_ptr_array_find (self->offered, transport, NULL);
  forget_lane (self, PYISOLATE_LANE (transport));
  _pyisolate_endpoint_forget_cancelled (self, transport);
  g_mutex_unlock (&self->mutex);

  if (error != NULL)
    _pyisolate_endpoint_close (self, error);
  else if (!by_us && !is_offered && self->handler->lane_lost != NULL)
    self->handler->lane_lost (self, self->user_data);
}

/* It keeps the endpoint until it is closed, as the transport does. */
static void
start_lane (PyIsolateEndpoint *self,
            PyIsolateLane     *lane)
{
  static const PyIsolateTransportHandler lane_handler = { _pyisolate_endpoint_on_frame, on_lane_closed };

  _pyisolate_lane_set_budget (lane, self->budget);
  if (_pyisolate_endpoint_get_memory (self) != NULL)
    _pyisolate_transport_set_memory (PYISOLATE_TRANSPORT (lane), _pyisolate_endpoint_get_memory (self));
  _pyisolate_transport_start (PYISOLATE_TRANSPORT (lane), &lane_handler, g_object_ref (self), g_object_unref);
}

/* After the start. @lane: whose other end the worker has */
void
_pyisolate_endpoint_allow_lanes (PyIsolateEndpoint *self,
                                 PyIsolateLane     *lane)
{
  start_lane (self, lane);

  g_mutex_lock (&self->mutex);
  self->lanes = g_ptr_array_new_with_free_func (g_object_unref);
  self->offered = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (self->lanes, g_object_ref (lane));
  self->spare = lane;
  g_mutex_unlock (&self->mutex);
}

/* Both sides' reference goes when it tells that it is closed, which it does to its reader. */
static void
close_lane (PyIsolateLane *lane)
{
  _pyisolate_transport_close (PYISOLATE_TRANSPORT (lane), NULL);
  _pyisolate_lane_receive (lane, 1);
}

/* Nobody will read it any more. */
static void
drop_lane (PyIsolateEndpoint *self,
           PyIsolateLane     *lane)
{
  g_autoptr (PyIsolateLane) keep_alive = g_object_ref (lane);

  g_mutex_lock (&self->mutex);
  forget_lane (self, lane);
  g_mutex_unlock (&self->mutex);

  close_lane (lane);
}

typedef struct {
  PyIsolateEndpoint *endpoint;
  PyIsolateLane *lane;
} Offer;

static void
offer_free (gpointer data)
{
  Offer *offer = data;

  g_object_unref (offer->endpoint);
  g_object_unref (offer->lane);
  g_free (offer);
}

/* The other side has no room for it. What was sent on it already is not answered; what comes later goes by the transport. */
static void
on_refused (Offer      *offer,
            const char *message)
{
  PyIsolateEndpoint *self = offer->endpoint;
  g_autoptr (GError) error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                                          "The extension's process takes no further context that calls it: %s. The next call "
                                          "from there goes by another way", message);

  g_mutex_lock (&self->mutex);
  self->lanes_refused = TRUE;
  g_mutex_unlock (&self->mutex);

  drop_lane (self, offer->lane);
  _pyisolate_endpoint_fail_calls_by (self, PYISOLATE_TRANSPORT (offer->lane), error);
}

static void
on_lane_answer (PyIsolateFrame *frame,
                const GError   *error,
                gpointer        user_data)
{
  Offer *offer = user_data;
  PyIsolateEndpoint *self = offer->endpoint;
  g_autoptr (PyIsolateFrame) owned = frame;
  PyIsolateError code = PYISOLATE_ERROR_FAILED;
  gboolean is_lost;

  if (frame == NULL)
    return;

  g_mutex_lock (&self->mutex);
  g_ptr_array_remove_fast (self->offered, offer->lane);
  is_lost = !g_ptr_array_find (self->lanes, offer->lane, NULL) && !_pyisolate_lane_is_closed_here (offer->lane);
  g_mutex_unlock (&self->mutex);
  if (frame->kind == PYISOLATE_FRAME_RETURN)
    {
      if (is_lost && self->handler->lane_lost != NULL) /* it was taken and closed */
        self->handler->lane_lost (self, self->user_data);
      return;
    }

  /* For another reason than that it has no room nobody refuses one. */
  if (_pyisolate_error_from_dbus_name (frame->name, &code) && code == PYISOLATE_ERROR_LIMIT)
    on_refused (offer, frame->message);
  else
    _pyisolate_endpoint_bad_message (self, "It does not take a lane: %s", frame->message);
}

static void
send_lane (PyIsolateEndpoint *self,
           PyIsolateLane     *lane,
           int                take_fd)
{
  Offer *offer = g_new (Offer, 1);
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, _pyisolate_endpoint_new_id ());

  frame->target = g_strdup (PYISOLATE_TARGET_WORKER);
  frame->name = g_strdup ("OpenLane");
  _pyisolate_frame_set_variant (frame, g_variant_new_parsed ("(@av [], @a{sv} {})"));
  _pyisolate_frame_take_fds (frame, g_memdup2 (&take_fd, sizeof take_fd), 1);
  offer->endpoint = g_object_ref (self);
  offer->lane = g_object_ref (lane);
  _pyisolate_endpoint_call (self, NULL, frame, on_lane_answer, offer, offer_free, NULL);
}

static gboolean
may_open_lane (PyIsolateEndpoint  *self,
               PyIsolateLane     **spare)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  *spare = NULL;
  if (self->lanes == NULL || self->failure != NULL)
    return FALSE;

  if (self->spare != NULL)
    *spare = g_object_ref (g_steal_pointer (&self->spare));
  return *spare != NULL || (!self->lanes_refused && self->lanes->len < PYISOLATE_MAX_LANES);
}

/*< private >
 * May be called from any thread. Its end can be sent on at once: what is sent waits in the socket until the other side has
 * learned of it.
 *
 * Returns: (transfer full) (nullable): a lane, or %NULL if there is none to be had; then calls go by the transport
 */
PyIsolateLane *
_pyisolate_endpoint_open_lane (PyIsolateEndpoint *self)
{
  PyIsolateLane *lane;
  gboolean failed;
  int peer_fd;

  if (!may_open_lane (self, &lane))
    return NULL;
  if (lane != NULL)
    return lane;
  lane = _pyisolate_lane_new_pair (&peer_fd);
  if (lane == NULL) /* no descriptors are left: the other way needs none */
    return NULL;

  start_lane (self, lane);
  g_mutex_lock (&self->mutex);
  failed = self->failure != NULL;
  if (!failed)
    {
      g_ptr_array_add (self->lanes, g_object_ref (lane));
      g_ptr_array_add (self->offered, g_object_ref (lane));
    }
  g_mutex_unlock (&self->mutex);
  send_lane (self, lane, peer_fd);
  if (failed)
    drop_lane (self, lane);

  return lane;
}

static GPtrArray *
dup_lanes (PyIsolateEndpoint *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->lanes != NULL ? g_ptr_array_copy (self->lanes, (GCopyFunc) (void *) g_object_ref, NULL) : NULL;
}

void
_pyisolate_endpoint_drain (PyIsolateEndpoint *self)
{
  g_autoptr (GPtrArray) lanes = dup_lanes (self);

  for (guint i = 0; lanes != NULL && i < lanes->len; i++)
    _pyisolate_lane_drain (lanes->pdata[i]);
}

void
_pyisolate_endpoint_drop_lanes (PyIsolateEndpoint *self)
{
  g_autoptr (GPtrArray) lanes = dup_lanes (self);

  for (guint i = 0; lanes != NULL && i < lanes->len; i++)
    drop_lane (self, lanes->pdata[i]);
}
