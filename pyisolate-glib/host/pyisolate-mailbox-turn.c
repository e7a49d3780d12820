/* SPDX-License-Identifier: MIT */
/* What a context sends together.
 *
 * Whoever makes many calls makes them in one turn of its loop. The first goes at once, the others when the turn ends, which
 * is when the loop is about to wait: in one message, as far as they fit, and not in a system call each. A turn can be long, or
 * the last one. So the service thread looks after what has been gathered, too. */
#include "config.h"

#include "pyisolate-mailbox-struct-private.h"

#include "pyisolate-service-private.h"

/* The longest that a call waits for the end of its turn, about. */
#define PATIENCE_US 2000

static int is_armed; /* atomic: the source will look */

static void
flush (GPtrArray *lanes)
{
  for (guint i = 0; i < lanes->len; i++)
    _pyisolate_lane_flush (lanes->pdata[i]);
}

void
_pyisolate_mailbox_take_gathered (PyIsolateMailbox *self,
                                  GPtrArray        *lanes)
{
  g_autoptr (GMutexLocker) locker = NULL;

  if (!g_atomic_int_compare_and_exchange (&self->turn.has_gathered, TRUE, FALSE))
    return;

  locker = g_mutex_locker_new (&self->mutex);
  for (guint i = 0; self->lanes != NULL && i < self->lanes->len; i++)
    g_ptr_array_add (lanes, g_object_ref (((PyIsolateLaneSource *) self->lanes->pdata[i])->lane));
}

/* From any thread: what was gathered goes. */
static void
send_gathered (PyIsolateMailbox *self)
{
  g_autoptr (GPtrArray) lanes = g_ptr_array_new_with_free_func (g_object_unref);

  _pyisolate_mailbox_take_gathered (self, lanes);
  flush (lanes);
}

void
_pyisolate_mailbox_end_turn (PyIsolateMailbox *self)
{
  if (g_atomic_pointer_get (&self->turn.thread) != _pyisolate_lane_get_thread ())
    g_atomic_pointer_set (&self->turn.thread, _pyisolate_lane_get_thread ());
  g_atomic_int_set (&self->turn.number, g_atomic_int_get (&self->turn.number) + 1);

  if (g_atomic_int_get (&self->turn.has_gathered))
    send_gathered (self);
}

void
_pyisolate_mailbox_leave_turns (PyIsolateMailbox *self)
{
  if (g_atomic_int_get (&self->is_served))
    return;

  g_atomic_int_set (&self->is_served, TRUE);
  g_atomic_pointer_set (&self->turn.thread, NULL);
  if (g_atomic_int_get (&self->turn.has_gathered))
    send_gathered (self);
}

/* In the service thread. */
static gboolean
look_after (GSource     *source,
            GSourceFunc  callback,
            gpointer     user_data)
{
  g_autoptr (GPtrArray) lanes = NULL;

  g_source_set_ready_time (source, -1);
  g_atomic_int_set (&is_armed, FALSE);

  lanes = _pyisolate_mailbox_dup_gathered ();
  flush (lanes);

  return G_SOURCE_CONTINUE;
}

static GSource *
get_source (void)
{
  static GSourceFuncs funcs = { .dispatch = look_after };
  static GSource *source;
  static gsize is_made;

  if (g_once_init_enter (&is_made))
    {
      source = g_source_new (&funcs, sizeof *source);
      g_source_set_static_name (source, "[pyisolate] what was gathered");
      g_source_attach (source, _pyisolate_service_get_context ());
      g_once_init_leave (&is_made, 1);
    }

  return source;
}

void
_pyisolate_mailbox_has_gathered (gpointer self)
{
  if (g_atomic_int_compare_and_exchange (&is_armed, FALSE, TRUE))
    g_source_set_ready_time (get_source (), g_get_monotonic_time () + PATIENCE_US);
}
