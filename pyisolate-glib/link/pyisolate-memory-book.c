/* SPDX-License-Identifier: MIT */
/* Who has which piece of a link's shared memory.
 *
 * The host makes every piece and is alone to decide that one is free: when the worker has given back as many references as
 * it was given, and nobody in the host uses it. A worker counts what it is given, and gives all of it back when the last of
 * its own users is gone. What it sends in turn it holds itself until the host has acknowledged it, so that giving back
 * cannot be faster than giving, whatever carries either: frames of different transports have no order among each other.
 * For the same reason a descriptor goes along until the worker has said that it has it.
 *
 * Whatever a worker says is checked. What it names must be something that it has; what it gives back must have been given.
 * The first is the error of a call (BAD_TENSOR), the second ends the link (BAD_MESSAGE). */
#include "config.h"

#include "pyisolate-memory-book-struct-private.h"

#include <pthread.h>
#include <sys/mman.h>

/* How long news waits for a frame to take it along. */
#define NEWS_DELAY_US (5 * G_TIME_SPAN_MILLISECOND)

/* --- Entries --- */

/* All with a pool in this process. */
static PyIsolateMemoryBook *hosts;

/* A child that somebody forks must find the mutex free: its arrays die, too. */
static void
lock_for_fork (void)
{
  g_mutex_lock (&_pyisolate_memory_mutex);
}

static void
unlock_after_fork (void)
{
  g_mutex_unlock (&_pyisolate_memory_mutex);
}

static PyIsolateMemoryBook *
new_book (gboolean is_host,
          guint64  limit)
{
  static gsize is_fork_safe = 0;
  PyIsolateMemoryBook *self = g_new0 (PyIsolateMemoryBook, 1);

  if (g_once_init_enter (&is_fork_safe))
    {
      pthread_atfork (lock_for_fork, unlock_after_fork, unlock_after_fork);
      g_once_init_leave (&is_fork_safe, 1);
    }

  g_atomic_ref_count_init (&self->ref_count);
  self->is_host = is_host;
  self->limit = limit;
  self->entries = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  self->granted = g_hash_table_new (NULL, NULL);
  self->forgotten = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->ready_time = -1;
  g_weak_ref_init (&self->transport, NULL);
  g_queue_init (&self->dirty);
  g_queue_init (&self->answers);
  g_queue_init (&self->free);
  g_queue_init (&self->requests);
  g_cond_init (&self->answered);
  g_mutex_init (&self->news_mutex);

  return self;
}

/*< private >
 * @limit: how many bytes the pool may have
 */
PyIsolateMemoryBook *
_pyisolate_memory_book_new_host (guint64 limit)
{
  PyIsolateMemoryBook *self = new_book (TRUE, limit);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&_pyisolate_memory_mutex);

  self->next_host = hosts;
  hosts = self;

  return self;
}

PyIsolateMemoryBook *
_pyisolate_memory_book_new_worker (void)
{
  return new_book (FALSE, G_MAXUINT64);
}

PyIsolateMemoryBook *
_pyisolate_memory_book_ref (PyIsolateMemoryBook *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
_pyisolate_memory_book_unref (PyIsolateMemoryBook *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  _pyisolate_memory_book_close (self);
  g_hash_table_unref (self->entries);
  g_hash_table_unref (self->granted);
  g_array_unref (self->forgotten);
  g_weak_ref_clear (&self->transport);
  g_cond_clear (&self->answered);
  g_mutex_clear (&self->news_mutex);
  g_free (self);
}

PyIsolateMemoryEntry *
_pyisolate_memory_book_add_locked (PyIsolateMemoryBook *self,
                                   PyIsolateMemory     *memory,
                                   guint64              number)
{
  PyIsolateMemoryEntry *entry = g_new0 (PyIsolateMemoryEntry, 1);

  entry->book = self;
  entry->memory = memory;
  entry->number = number != 0 ? number : ++self->last_number;
  entry->next = memory->entries;
  memory->entries = entry;
  g_hash_table_insert (self->entries, &entry->number, entry);

  return entry;
}

static void
remove_locked (PyIsolateMemoryEntry *entry)
{
  PyIsolateMemoryEntry **link = &entry->memory->entries;

  while (*link != entry)
    link = &(*link)->next;
  *link = entry->next;

  if (entry->is_dirty)
    g_queue_remove (&entry->book->dirty, entry);
  _pyisolate_memory_book_set_granted_locked (entry, FALSE);
  g_hash_table_remove (entry->book->entries, &entry->number);
}

/* The stock of a worker, by classes. */
void
_pyisolate_memory_book_set_granted_locked (PyIsolateMemoryEntry *entry,
                                           gboolean              granted)
{
  PyIsolateMemoryBook *self = entry->book;
  gpointer key = GSIZE_TO_POINTER (entry->memory->size);
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (self->granted, key));

  if (entry->is_granted == granted)
    return;

  entry->is_granted = granted;
  self->granted_size += granted ? entry->memory->size : -entry->memory->size;
  g_hash_table_insert (self->granted, key, GUINT_TO_POINTER (granted ? n + 1 : n - 1));
}

PyIsolateMemoryEntry *
_pyisolate_memory_book_find_locked (PyIsolateMemoryBook *self,
                                    PyIsolateMemory     *memory)
{
  for (PyIsolateMemoryEntry *entry = memory->entries; entry != NULL; entry = entry->next)
    {
      if (entry->book == self)
        return entry;
    }

  return NULL;
}

PyIsolateMemoryEntry *
_pyisolate_memory_book_lookup_locked (PyIsolateMemoryBook *self,
                                      guint64              number)
{
  return g_hash_table_lookup (self->entries, &number);
}

/* --- News: what frames take along, or what goes by itself after a moment --- */

void
_pyisolate_memory_book_arm_locked (PyIsolateMemoryBook *self,
                                   gint64               when)
{
  if (self->source == NULL || (self->ready_time >= 0 && self->ready_time <= when))
    return;

  self->ready_time = when;
  g_source_set_ready_time (self->source, when);
}

static void
note_news_locked (PyIsolateMemoryBook *self)
{
  g_atomic_int_set (&self->has_news, TRUE);
  if (self->ready_time < 0 || self->ready_time > g_get_monotonic_time () + NEWS_DELAY_US)
    _pyisolate_memory_book_arm_locked (self, g_get_monotonic_time () + NEWS_DELAY_US);
}

void
_pyisolate_memory_book_mark_dirty_locked (PyIsolateMemoryEntry *entry)
{
  if (!entry->is_dirty)
    g_queue_push_tail (&entry->book->dirty, entry);
  entry->is_dirty = TRUE;
  note_news_locked (entry->book);
}

/* Of a piece whose last user is gone: whether it stays. */
gboolean
_pyisolate_memory_book_keep_locked (PyIsolateMemory  *memory,
                                    GSList          **garbage)
{
  PyIsolateMemoryEntry *entry = memory->entries;

  if (memory->home != NULL)
    {
      _pyisolate_memory_pool_add_locked (memory->home, memory, garbage);
      return TRUE;
    }
  if (entry == NULL || entry->book->is_host)
    return FALSE;

  /* A worker keeps it mapped until the host has done with it; but what it wrote to a page of its own is not to be seen by
   * whoever gets the piece next. */
  if (memory->data != NULL && memory->flags & PYISOLATE_MEMORY_READ_ONLY)
    madvise (memory->data, memory->size, MADV_DONTNEED);
  if (entry->received > 0)
    {
      entry->to_release += entry->received;
      entry->received = 0;
      _pyisolate_memory_book_mark_dirty_locked (entry);
    }

  return TRUE;
}

/* The host tells the worker that this number means nothing any more; a worker the host, that it gives back what it does not have. */
void
_pyisolate_memory_book_forget_number_locked (PyIsolateMemoryBook *self,
                                             guint64              number)
{
  g_array_append_val (self->forgotten, number);
  note_news_locked (self);
}

/* Of a piece that is to be destroyed. */
void
_pyisolate_memory_book_forget_locked (PyIsolateMemory *memory)
{
  while (memory->entries != NULL)
    {
      PyIsolateMemoryEntry *entry = memory->entries;
      PyIsolateMemoryBook *book = entry->book;

      if (book->is_host && !book->is_closed)
        _pyisolate_memory_book_forget_number_locked (book, entry->number);
      remove_locked (entry);
    }
}

/* The host's references. */
void
_pyisolate_memory_book_pass_locked (PyIsolateMemoryEntry *entry)
{
  if (entry->passed++ == 0)
    _pyisolate_memory_ref_locked (entry->memory);
}

/* The other side does not have it any more, or has all that was sent. */
void
_pyisolate_memory_book_let_go_locked (PyIsolateMemoryEntry  *entry,
                                      GSList               **garbage)
{
  entry->book->body_size -= entry->body_size;
  entry->body_size = 0;
  _pyisolate_memory_unref_locked (entry->memory, garbage);
}

/* --- By itself --- */

void
_pyisolate_memory_book_send_news (PyIsolateMemoryBook *self)
{
  g_autoptr (PyIsolateTransport) transport = g_weak_ref_get (&self->transport);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->news_mutex);

  while (transport != NULL && g_atomic_int_get (&self->has_news))
    {
      /* What cannot be sent any more nobody waits for. */
      if (!_pyisolate_transport_send (transport, _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0), NULL))
        {
          g_weak_ref_set (&self->transport, NULL);
          return;
        }
    }
}

static gboolean
dispatch_source (GSource     *source,
                 GSourceFunc  callback,
                 gpointer     user_data)
{
  return callback (user_data);
}

/* In the thread of the context. */
static gboolean
on_ready (gpointer user_data)
{
  PyIsolateMemoryBook *self = user_data;
  GSList *garbage = NULL;
  gint64 again;

  g_mutex_lock (&_pyisolate_memory_mutex);
  self->ready_time = -1;
  if (self->source != NULL)
    g_source_set_ready_time (self->source, -1);
  again = _pyisolate_memory_pool_trim_locked (self, g_get_monotonic_time (), &garbage);
  if (again >= 0)
    _pyisolate_memory_book_arm_locked (self, again);
  g_mutex_unlock (&_pyisolate_memory_mutex);

  _pyisolate_memory_free_garbage (garbage);
  _pyisolate_memory_book_send_news (self);

  return G_SOURCE_CONTINUE;
}

/*< private >
 * @context: where idle pieces are freed, and from where what no frame takes along is sent, until the book is closed
 * @transport: by which it is sent
 */
void
_pyisolate_memory_book_attach (PyIsolateMemoryBook *self,
                               GMainContext        *context,
                               PyIsolateTransport  *transport)
{
  static GSourceFuncs funcs = { NULL, NULL, dispatch_source, NULL, NULL, NULL };

  g_assert (self->source == NULL);

  g_weak_ref_set (&self->transport, transport);
  self->source = g_source_new (&funcs, sizeof (GSource));
  g_source_set_callback (self->source, on_ready, _pyisolate_memory_book_ref (self),
                         (GDestroyNotify) _pyisolate_memory_book_unref);
  g_source_set_static_name (self->source, "[pyisolate] news of shared memory");
  g_source_attach (self->source, context);
}

static void
close_entry_locked (PyIsolateMemoryEntry  *entry,
                    GSList               **garbage)
{
  PyIsolateMemory *memory = entry->memory;
  gboolean was_passed = entry->passed > 0 || entry->in_flight > 0;

  if (memory->home == entry->book)
    memory->home = NULL;
  remove_locked (entry);

  if (was_passed)
    _pyisolate_memory_unref_locked (memory, garbage);
  else if (g_atomic_int_get (&memory->ref_count) == 0)
    _pyisolate_memory_discard_locked (memory, garbage);
}

static void
leave_hosts_locked (PyIsolateMemoryBook *self)
{
  PyIsolateMemoryBook **link = &hosts;

  while (*link != NULL && *link != self)
    link = &(*link)->next_host;
  if (*link != NULL)
    *link = self->next_host;
}

static void
close_locked (PyIsolateMemoryBook  *self,
              GSList              **garbage)
{
  GHashTableIter iter;
  gpointer value;
  PyIsolateMemoryAnswer *answer;
  PyIsolateMemory *memory;

  while ((answer = g_queue_pop_head (&self->answers)) != NULL)
    {
      if (answer->memory != NULL)
        _pyisolate_memory_unref_locked (answer->memory, garbage);
      g_free (answer);
    }
  while ((memory = g_queue_pop_head (&self->free)) != NULL)
    {
      if (!self->is_host)
        _pyisolate_memory_unref_locked (memory, garbage);
    }
  for (;;)
    {
      g_hash_table_iter_init (&iter, self->entries);
      if (!g_hash_table_iter_next (&iter, NULL, &value))
        break;
      close_entry_locked (value, garbage);
    }
  g_array_set_size (self->forgotten, 0);
  g_atomic_int_set (&self->has_news, FALSE);
  g_cond_broadcast (&self->answered);
}

void
_pyisolate_memory_book_close (PyIsolateMemoryBook *self)
{
  g_autoptr (GSource) source = NULL;
  GSList *garbage = NULL;

  g_mutex_lock (&_pyisolate_memory_mutex);
  if (!self->is_closed)
    {
      self->is_closed = TRUE;
      leave_hosts_locked (self);
      close_locked (self, &garbage);
      source = g_steal_pointer (&self->source);
    }
  g_mutex_unlock (&_pyisolate_memory_mutex);

  _pyisolate_memory_free_garbage (garbage);
  if (source != NULL)
    g_source_destroy (source);
}

gboolean
_pyisolate_memory_pools_let_go (void)
{
  GSList *garbage = NULL;
  gboolean had_any = FALSE;

  g_mutex_lock (&_pyisolate_memory_mutex);
  for (PyIsolateMemoryBook *book = hosts; book != NULL; book = book->next_host)
    had_any = _pyisolate_memory_pool_empty_locked (book, &garbage) || had_any;
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);

  return had_any;
}

void
_pyisolate_memory_book_get_status (PyIsolateMemoryBook   *self,
                                   PyIsolateMemoryStatus *status)
{
  GHashTableIter iter;
  gpointer value;

  *status = (PyIsolateMemoryStatus) { 0 };
  g_mutex_lock (&_pyisolate_memory_mutex);
  status->size = self->size;
  status->n_asked = self->last_request;
  for (GList *l = self->free.head; l != NULL; l = l->next)
    status->free_size += ((PyIsolateMemory *) l->data)->size;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      PyIsolateMemoryEntry *entry = value;

      status->n_entries++;
      status->n_passed += entry->passed;
      status->n_in_flight += entry->in_flight;
    }
  g_mutex_unlock (&_pyisolate_memory_mutex);
}
