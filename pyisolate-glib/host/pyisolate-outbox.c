/* SPDX-License-Identifier: MIT */
/* From wherever things happen to an extension to the signals that tell of them in the home context.
 *
 * The home context may be busy, or may never be iterated by an application that only uses blocking
 * functions. So what waits is bounded: of the log the oldest lines give way, and a line tells how
 * many (the log tail has the last ones in any case); a change of a property is told once; more
 * events than that are refused, and the extension is ended for it. */
#include "config.h"

#include "pyisolate-outbox-private.h"

#define MAX_LOG 4096
#define MAX_EVENTS 65536

struct _PyIsolateOutbox {
  PyIsolateMailbox *home;
  GThread *home_thread; /* not referenced: only compared with */
  PyIsolateNewsFunc func;

  GMutex mutex;
  GQueue queue; /* of PyIsolateNews, oldest first */
  GQueue log;   /* the links of those of them that are of the log: the oldest is not looked for among all that waits */
  guint n_events; /* and progress */
  guint n_dropped;
  gboolean scheduled;
};

typedef struct {
  PyIsolateExtension *extension;
  PyIsolateOutbox *outbox; /* the extension's */
} Delivery;

static void
news_free (gpointer data)
{
  PyIsolateNews *news = data;

  g_free (news->name);
  g_free (news->text);
  g_clear_pointer (&news->value, g_variant_unref);
  g_clear_object (&news->call);
  g_clear_object (&news->reason);
  g_clear_pointer (&news->frame, _pyisolate_frame_free);
  g_free (news);
}

PyIsolateNews *
_pyisolate_news_new (PyIsolateNewsKind kind)
{
  PyIsolateNews *news = g_new0 (PyIsolateNews, 1);

  news->kind = kind;

  return news;
}

/*< private >
 * To be called in the home context.
 */
PyIsolateOutbox *
_pyisolate_outbox_new (PyIsolateMailbox  *home,
                       PyIsolateNewsFunc  func)
{
  PyIsolateOutbox *self = g_new0 (PyIsolateOutbox, 1);

  self->home = _pyisolate_mailbox_ref (home);
  self->home_thread = g_thread_self ();
  self->func = func;
  g_mutex_init (&self->mutex);
  g_queue_init (&self->queue);
  g_queue_init (&self->log);

  return self;
}

void
_pyisolate_outbox_free (PyIsolateOutbox *self)
{
  g_queue_clear (&self->log);
  g_queue_clear_full (&self->queue, news_free);
  g_clear_pointer (&self->home, _pyisolate_mailbox_unref);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

static PyIsolateNews *
pop (PyIsolateOutbox *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  PyIsolateNews *news = g_queue_pop_head (&self->queue);

  if (news == NULL)
    return NULL;
  if (news->kind == PYISOLATE_NEWS_LOG)
    g_queue_pop_head (&self->log);
  else if (news->kind == PYISOLATE_NEWS_EVENT || news->kind == PYISOLATE_NEWS_PROGRESS)
    self->n_events--;

  return news;
}

static void
tell_dropped (Delivery *delivery)
{
  PyIsolateOutbox *self = delivery->outbox;
  PyIsolateNews *news;
  guint n_dropped;

  g_mutex_lock (&self->mutex);
  n_dropped = self->n_dropped;
  self->n_dropped = 0;
  g_mutex_unlock (&self->mutex);

  if (n_dropped == 0)
    return;

  news = _pyisolate_news_new (PYISOLATE_NEWS_LOG);
  news->level = PYISOLATE_LOG_LEVEL_WARNING;
  news->name = g_strdup ("pyisolate");
  news->text = g_strdup_printf ("%u lines of the log were dropped, because nobody read them in time", n_dropped);
  self->func (delivery->extension, news);
  news_free (news);
}

static void
delivery_free (gpointer data)
{
  Delivery *delivery = data;

  g_object_unref (delivery->extension);
  g_free (delivery);
}

static void deliver (gpointer data);

static void
schedule (PyIsolateOutbox    *self,
          PyIsolateExtension *extension_to_take)
{
  Delivery *delivery = g_new (Delivery, 1);
  g_autoptr (PyIsolateMailbox) home = _pyisolate_mailbox_ref (self->home); /* the delivery may be over before this is */

  delivery->extension = extension_to_take;
  delivery->outbox = self;
  _pyisolate_mailbox_post (home, PYISOLATE_JOB_NOTIFICATION, deliver, delivery, delivery_free);
}

/* Takes the oldest, and sees to it that the rest is delivered also if its handler runs a main
 * loop. */
static PyIsolateNews *
take_next (PyIsolateOutbox    *self,
           PyIsolateExtension *extension)
{
  PyIsolateNews *news = pop (self);
  gboolean must_schedule;

  g_mutex_lock (&self->mutex);
  must_schedule = self->queue.length > 0 && !self->scheduled;
  if (must_schedule)
    self->scheduled = TRUE;
  g_mutex_unlock (&self->mutex);

  if (must_schedule)
    schedule (self, g_object_ref (extension));

  return news;
}

/* In the home context. What comes meanwhile waits for the next turn, so that a flood does not keep
 * the others waiting. */
static void
deliver (gpointer data)
{
  Delivery *delivery = data;
  PyIsolateOutbox *self = delivery->outbox;
  guint n_news;

  tell_dropped (delivery);

  g_mutex_lock (&self->mutex);
  self->scheduled = FALSE;
  n_news = self->queue.length;
  g_mutex_unlock (&self->mutex);

  for (; n_news > 0; n_news--)
    {
      PyIsolateNews *news = take_next (self, delivery->extension);

      if (news == NULL)
        break;
      self->func (delivery->extension, news);
      news_free (news);
    }
}

static gint
compare_notify (gconstpointer a,
                gconstpointer b)
{
  const PyIsolateNews *x = a;
  const PyIsolateNews *y = b;

  return !(x->kind == PYISOLATE_NEWS_NOTIFY && x->property == y->property);
}

/* With the lock held: makes room, or finds that there is nothing to add. */
static gboolean
admit (PyIsolateOutbox     *self,
       const PyIsolateNews *news,
       gboolean            *refused)
{
  *refused = FALSE;

  switch (news->kind)
    {
    case PYISOLATE_NEWS_NOTIFY:
      return g_queue_find_custom (&self->queue, news, compare_notify) == NULL;

    case PYISOLATE_NEWS_LOG:
      if (self->log.length == MAX_LOG)
        {
          GList *oldest = g_queue_pop_head (&self->log);

          news_free (oldest->data);
          g_queue_delete_link (&self->queue, oldest);
          self->n_dropped++;
        }
      return TRUE;

    case PYISOLATE_NEWS_EVENT:
    case PYISOLATE_NEWS_PROGRESS:
      *refused = self->n_events == MAX_EVENTS;
      if (!*refused)
        self->n_events++;
      return !*refused;

    case PYISOLATE_NEWS_EXITED:
    default:
      return TRUE;
    }
}

/*< private >
 * @extension: whose outbox it is
 *
 * May be called from any thread. Returns FALSE if too many events wait already.
 */
gboolean
_pyisolate_outbox_post (PyIsolateOutbox    *self,
                        PyIsolateExtension *extension,
                        PyIsolateNews      *news)
{
  gboolean must_schedule;
  gboolean refused;

  g_mutex_lock (&self->mutex);
  if (!admit (self, news, &refused))
    {
      g_mutex_unlock (&self->mutex);
      news_free (news);
      return !refused;
    }
  g_queue_push_tail (&self->queue, news);
  if (news->kind == PYISOLATE_NEWS_LOG)
    g_queue_push_tail (&self->log, self->queue.tail);
  must_schedule = !self->scheduled;
  self->scheduled = TRUE;
  g_mutex_unlock (&self->mutex);

  if (must_schedule)
    schedule (self, g_object_ref (extension));

  return TRUE;
}

/*< private >
 * @extension_to_take: whose outbox it is: a reference of the library's own
 *
 * Gives the reference back. It may be the last one: so it is dropped in the home context, with the next delivery, as what the
 * extension has of the application's, its singletons and the handlers of its signals, must not go on a thread of the library's.
 * May be called from any thread.
 */
void
_pyisolate_outbox_release (PyIsolateOutbox    *self,
                           PyIsolateExtension *extension_to_take)
{
  gboolean must_schedule;

  if (g_thread_self () == self->home_thread)
    {
      g_object_unref (extension_to_take);
      return;
    }

  g_mutex_lock (&self->mutex);
  must_schedule = !self->scheduled;
  self->scheduled = TRUE;
  /* A delivery has a reference, and takes the lock before it gives it up: this is not the last, nor the last but a toggle
   * reference, so that nothing else runs here. */
  if (!must_schedule)
    g_object_unref (extension_to_take);
  g_mutex_unlock (&self->mutex);

  if (must_schedule)
    schedule (self, extension_to_take);
}
