/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "link-box.h"

LinkBox *
link_box_new (void)
{
  LinkBox *box = g_new0 (LinkBox, 1);

  g_atomic_ref_count_init (&box->ref_count);
  g_mutex_init (&box->mutex);
  g_queue_init (&box->frames);
  return box;
}

void
link_box_unref (LinkBox *box)
{
  if (!g_atomic_ref_count_dec (&box->ref_count))
    return;

  g_queue_clear_full (&box->frames, (GDestroyNotify) _pyisolate_frame_free);
  g_clear_error (&box->error);
  g_mutex_clear (&box->mutex);
  g_free (box);
}

/* With the lock held. Who waits is woken once, not by each of thousands. */
static void
count (LinkBox *box,
       guint   *counter)
{
  (*counter)++;
  if (box->awaited == counter && *counter >= box->target)
    g_main_context_wakeup (NULL);
}

void
link_box_put (LinkBox        *box,
              PyIsolateFrame *frame)
{
  g_mutex_lock (&box->mutex);
  g_queue_push_tail (&box->frames, frame);
  count (box, &box->n_frames);
  g_mutex_unlock (&box->mutex);
}

void
link_box_end (LinkBox      *box,
              const GError *error)
{
  g_mutex_lock (&box->mutex);
  g_clear_error (&box->error);
  box->error = error != NULL ? g_error_copy (error) : NULL;
  count (box, &box->n_ends);
  g_mutex_unlock (&box->mutex);
}

void
link_box_destroyed (gpointer data)
{
  LinkBox *box = data;

  g_mutex_lock (&box->mutex);
  count (box, &box->n_destroyed);
  g_mutex_unlock (&box->mutex);
  link_box_unref (box);
}

static gboolean
has_reached (gpointer data)
{
  LinkBox *box = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&box->mutex);

  return *box->awaited >= box->target;
}

static void
wait_for (LinkBox *box,
          guint   *counter,
          guint    target)
{
  g_mutex_lock (&box->mutex);
  box->awaited = counter;
  box->target = target;
  g_mutex_unlock (&box->mutex);

  if (!has_reached (box))
    test_util_assert_until (has_reached, box, LINK_TIMEOUT_MS);

  g_mutex_lock (&box->mutex);
  box->awaited = NULL;
  g_mutex_unlock (&box->mutex);
}

PyIsolateFrame *
link_box_take (LinkBox *box)
{
  g_autoptr (GMutexLocker) locker = NULL;

  wait_for (box, &box->n_frames, ++box->n_taken);
  locker = g_mutex_locker_new (&box->mutex);
  return g_queue_pop_head (&box->frames);
}

void
link_box_wait_frames (LinkBox *box,
                      guint    n_frames)
{
  wait_for (box, &box->n_frames, n_frames);
}

void
link_box_wait_ends (LinkBox *box,
                    guint    n_ends)
{
  wait_for (box, &box->n_ends, n_ends);
}

void
link_box_wait_destroyed (LinkBox *box,
                         guint    n_destroyed)
{
  wait_for (box, &box->n_destroyed, n_destroyed);
}

static GVariant *
get_value (PyIsolateFrame *frame)
{
  g_autoptr (GVariant) body = NULL;

  body = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARIANT, frame->body, FALSE));
  return g_variant_get_variant (body);
}

static char *
dup_text (PyIsolateFrame *frame)
{
  g_autoptr (GVariant) value = get_value (frame);

  return g_variant_dup_string (value, NULL);
}

void
link_box_assert_returned (LinkBox    *box,
                          const char *text)
{
  g_autoptr (PyIsolateFrame) frame = NULL;
  g_autofree char *value = NULL;

  link_box_wait_ends (box, 1);
  g_assert_no_error (box->error);
  frame = link_box_take (box);
  g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_RETURN);
  value = dup_text (frame);
  g_assert_cmpstr (value, ==, text);
}

guint
link_box_count (LinkBox *box)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&box->mutex);

  return box->n_frames;
}

guint
link_box_count_ends (LinkBox *box)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&box->mutex);

  return box->n_ends;
}

PyIsolateFrame *
link_frame_call (guint64     id,
                 const char *name)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, id);

  _pyisolate_frame_set_target (frame, "");
  _pyisolate_frame_set_name (frame, name);
  _pyisolate_frame_set_variant (frame, g_variant_new_parsed ("(@av [], @a{sv} {})"));
  return frame;
}

PyIsolateFrame *
link_frame_return (guint64     id,
                   const char *text)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, id);

  _pyisolate_frame_set_variant (frame, g_variant_new ("v", g_variant_new_string (text)));
  return frame;
}

PyIsolateFrame *
link_frame_event (guint64     id,
                  const char *name,
                  guint32     number)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_EVENT, id);

  frame->name = g_strdup (name);
  _pyisolate_frame_set_variant (frame, g_variant_new ("v", g_variant_new_uint32 (number)));
  return frame;
}

PyIsolateFrame *
link_frame_progress (guint64 id,
                     double  fraction)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_PROGRESS, id);

  _pyisolate_frame_set_variant (frame, g_variant_new ("(ds)", fraction, ""));
  return frame;
}

guint32
link_frame_get_number (PyIsolateFrame *frame)
{
  g_autoptr (GVariant) value = get_value (frame);

  return g_variant_get_uint32 (value);
}
