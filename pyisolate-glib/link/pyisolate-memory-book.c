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

#include "pyisolate-fd-private.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

/* How long news waits for a frame to take it along. */
#define NEWS_DELAY_US (5 * G_TIME_SPAN_MILLISECOND)

/* --- Entries --- */

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
  self->forgotten = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->ready_time = -1;
  g_weak_ref_init (&self->transport, NULL);
  g_queue_init (&self->dirty);
  g_queue_init (&self->answers);
  g_queue_init (&self->free);
  g_queue_init (&self->requests);
  g_cond_init (&self->answered);

  return self;
}

/*< private >
 * @limit: how many bytes the pool may have
 */
PyIsolateMemoryBook *
_pyisolate_memory_book_new_host (guint64 limit)
{
  return new_book (TRUE, limit);
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
  g_array_unref (self->forgotten);
  g_weak_ref_clear (&self->transport);
  g_cond_clear (&self->answered);
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

void
_pyisolate_memory_book_remove_locked (PyIsolateMemoryEntry *entry)
{
  PyIsolateMemoryEntry **link = &entry->memory->entries;

  while (*link != entry)
    link = &(*link)->next;
  *link = entry->next;

  if (entry->is_dirty)
    g_queue_remove (&entry->book->dirty, entry);
  if (entry->is_granted)
    entry->book->n_granted--;
  g_hash_table_remove (entry->book->entries, &entry->number);
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

static PyIsolateMemoryEntry *
lookup_locked (PyIsolateMemoryBook *self,
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

static void
mark_dirty_locked (PyIsolateMemoryEntry *entry)
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
      mark_dirty_locked (entry);
    }

  return TRUE;
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
        {
          g_array_append_val (book->forgotten, entry->number);
          note_news_locked (book);
        }
      _pyisolate_memory_book_remove_locked (entry);
    }
}

typedef struct {
  PyIsolateFrame *frame;
  GArray *records;
  GArray *fds; /* new ones, of int */
} Filling;

static void
add_record (Filling *filling,
            guint32  kind,
            guint32  flags,
            guint64  number,
            guint64  argument)
{
  PyIsolateMemoryRecord record = { kind, flags, number, argument };

  g_array_append_val (filling->records, record);
}

static gboolean
has_room (Filling *filling)
{
  return filling->records->len < PYISOLATE_MAX_RECORDS;
}

/* The host's references. */
void
_pyisolate_memory_book_pass_locked (PyIsolateMemoryEntry *entry)
{
  if (entry->passed++ == 0)
    _pyisolate_memory_ref_locked (entry->memory);
}

/* Says which piece it is, and gives its descriptor where the worker may not have it. */
static gboolean
add_piece_locked (PyIsolateMemoryEntry *entry,
                  guint32               kind,
                  Filling              *filling,
                  GError              **error)
{
  guint32 flags = entry->memory->flags & PYISOLATE_MEMORY_READ_ONLY ? PYISOLATE_MEMORY_RECORD_READ_ONLY : 0;

  if (!entry->is_known)
    {
      int fd = _pyisolate_dup_fd (entry->memory->fd, error);

      if (fd < 0)
        return FALSE;
      g_array_append_val (filling->fds, fd);
      flags |= PYISOLATE_MEMORY_RECORD_FD;
    }

  add_record (filling, kind, flags, entry->number, entry->memory->size);
  return TRUE;
}

static gboolean
use_as_host_locked (PyIsolateMemoryBook  *self,
                    PyIsolateMemory      *memory,
                    Filling              *filling,
                    GError              **error)
{
  PyIsolateMemoryEntry *entry = _pyisolate_memory_book_find_locked (self, memory);

  /* What more than one worker has seen is not used again for anything else. */
  if (memory->home != NULL && memory->home != self)
    _pyisolate_memory_pool_leave_locked (memory);
  if (entry == NULL)
    entry = _pyisolate_memory_book_add_locked (self, memory, 0);

  if (!add_piece_locked (entry, PYISOLATE_MEMORY_USE, filling, error))
    return FALSE;
  _pyisolate_memory_book_pass_locked (entry);

  return TRUE;
}

static gboolean
use_as_worker_locked (PyIsolateMemoryBook  *self,
                      PyIsolateMemory      *memory,
                      Filling              *filling,
                      GError              **error)
{
  PyIsolateMemoryEntry *entry = _pyisolate_memory_book_find_locked (self, memory);

  if (entry == NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR,
                   "A piece of memory is not from the host, and cannot be sent to it");
      return FALSE;
    }

  if (entry->in_flight++ == 0)
    _pyisolate_memory_ref_locked (memory);
  add_record (filling, PYISOLATE_MEMORY_USE, 0, entry->number, memory->size);

  return TRUE;
}

static gboolean
add_uses_locked (PyIsolateMemoryBook  *self,
                 Filling              *filling,
                 GError              **error)
{
  GPtrArray *memories = filling->frame->memories;

  if (memories == NULL)
    return TRUE;
  if (self->is_closed)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "The link is closed");
      return FALSE;
    }
  if (memories->len > PYISOLATE_MAX_RECORDS)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                   "%u pieces of shared memory cannot travel together, only %d", memories->len, PYISOLATE_MAX_RECORDS);
      return FALSE;
    }

  for (guint i = 0; i < memories->len; i++)
    {
      PyIsolateMemory *memory = g_ptr_array_index (memories, i);

      if (!(self->is_host ? use_as_host_locked (self, memory, filling, error)
                          : use_as_worker_locked (self, memory, filling, error)))
        return FALSE;
    }

  return TRUE;
}

/* What the worker will want next, if it wants what it wanted before: then it need not ask. */
static void
add_grants_locked (PyIsolateMemoryBook *self,
                   Filling             *filling)
{
  GList *next;

  for (GList *l = self->free.head; l != NULL && self->n_granted < PYISOLATE_MEMORY_MAX_GRANTED; l = next)
    {
      PyIsolateMemory *memory = l->data;
      PyIsolateMemoryEntry *entry = _pyisolate_memory_book_find_locked (self, memory);

      next = l->next;
      if (!entry->for_worker || !entry->is_known || !has_room (filling))
        continue;

      g_queue_delete_link (&self->free, l);
      add_piece_locked (entry, PYISOLATE_MEMORY_GRANT, filling, NULL);
      _pyisolate_memory_book_pass_locked (entry);
      entry->is_granted = TRUE;
      self->n_granted++;
    }
}

static void
add_answers_locked (PyIsolateMemoryBook  *self,
                    Filling              *filling,
                    GSList              **garbage)
{
  while (filling->records->len + 2 <= PYISOLATE_MAX_RECORDS &&
         filling->frame->n_fds + filling->fds->len < PYISOLATE_MAX_FDS && !g_queue_is_empty (&self->answers))
    {
      PyIsolateMemoryAnswer *answer = g_queue_pop_head (&self->answers);
      PyIsolateMemoryEntry *entry = NULL;

      if (answer->memory != NULL)
        {
          entry = _pyisolate_memory_book_find_locked (self, answer->memory);
          if (add_piece_locked (entry, PYISOLATE_MEMORY_GRANT, filling, NULL))
            _pyisolate_memory_book_pass_locked (entry);
          else
            entry = NULL;
          _pyisolate_memory_unref_locked (answer->memory, garbage);
        }
      add_record (filling, PYISOLATE_MEMORY_ANSWER, 0, answer->id, entry != NULL ? entry->number : 0);
      g_free (answer);
    }
}

static void
add_dirty_locked (PyIsolateMemoryBook *self,
                  Filling             *filling)
{
  while (filling->records->len + 3 <= PYISOLATE_MAX_RECORDS && !g_queue_is_empty (&self->dirty))
    {
      PyIsolateMemoryEntry *entry = g_queue_pop_head (&self->dirty);

      entry->is_dirty = FALSE;
      if (entry->to_know)
        add_record (filling, PYISOLATE_MEMORY_KNOWN, 0, entry->number, 0);
      if (entry->to_ack > 0)
        add_record (filling, PYISOLATE_MEMORY_ACK, 0, entry->number, entry->to_ack);
      if (entry->to_release > 0)
        add_record (filling, PYISOLATE_MEMORY_RELEASE, 0, entry->number, entry->to_release);
      entry->to_know = FALSE;
      entry->to_ack = 0;
      entry->to_release = 0;
    }
}

static void
add_news_locked (PyIsolateMemoryBook  *self,
                 Filling              *filling,
                 GSList              **garbage)
{
  guint n_forgotten;

  if (self->is_closed)
    return;

  add_answers_locked (self, filling, garbage);
  add_dirty_locked (self, filling);
  n_forgotten = MIN (self->forgotten->len, PYISOLATE_MAX_RECORDS - filling->records->len);
  for (guint i = 0; i < n_forgotten; i++)
    add_record (filling, PYISOLATE_MEMORY_FORGET, 0, g_array_index (self->forgotten, guint64, i), 0);
  g_array_remove_range (self->forgotten, 0, n_forgotten);
  if (self->is_host)
    add_grants_locked (self, filling);

  g_atomic_int_set (&self->has_news, !g_queue_is_empty (&self->answers) || !g_queue_is_empty (&self->dirty) ||
                                       self->forgotten->len > 0);
}

static void
append_fds (PyIsolateFrame *frame,
            GArray         *fds)
{
  if (fds->len == 0)
    return;

  frame->fds = g_renew (int, frame->fds, frame->n_fds + fds->len);
  memcpy (frame->fds + frame->n_fds, fds->data, fds->len * sizeof (int));
  frame->n_fds += fds->len;
}

static void
unfill_locked (PyIsolateMemoryBook         *self,
               const PyIsolateMemoryRecord *records,
               guint                        n_records,
               GSList                     **garbage)
{
  for (guint i = 0; i < n_records; i++)
    {
      PyIsolateMemoryEntry *entry = NULL;

      if (records[i].kind == PYISOLATE_MEMORY_USE || records[i].kind == PYISOLATE_MEMORY_GRANT)
        entry = lookup_locked (self, records[i].number);
      if (entry == NULL)
        continue;

      if (entry->is_granted && records[i].kind == PYISOLATE_MEMORY_GRANT)
        {
          entry->is_granted = FALSE;
          self->n_granted--;
        }
      if (--*(self->is_host ? &entry->passed : &entry->in_flight) == 0)
        _pyisolate_memory_unref_locked (entry->memory, garbage);
    }
}

/* Whether something waits for a frame to take it along. */
gboolean
_pyisolate_memory_book_has_news (PyIsolateMemoryBook *self)
{
  return g_atomic_int_get (&self->has_news);
}

/*< private >
 * @frame: one that is about to be sent
 *
 * Writes down what @frame gives to the other side, and adds what waited to be told.
 *
 * Returns: FALSE with an error of that frame alone, which must not be sent then
 */
gboolean
_pyisolate_memory_book_fill (PyIsolateMemoryBook  *self,
                             PyIsolateFrame       *frame,
                             GError              **error)
{
  gboolean takes_news = frame->kind == PYISOLATE_FRAME_CALL || frame->kind == PYISOLATE_FRAME_RETURN ||
                        frame->kind == PYISOLATE_FRAME_MEMORY;
  Filling filling = { frame, NULL, NULL };
  GSList *garbage = NULL;
  gboolean filled;

  if (frame->memories == NULL && (!takes_news || !g_atomic_int_get (&self->has_news)))
    return TRUE;

  filling.records = g_array_new (FALSE, FALSE, sizeof (PyIsolateMemoryRecord));
  filling.fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_array_append_vals (filling.records, frame->records, frame->n_records);
  g_clear_pointer (&frame->records, g_free);

  g_mutex_lock (&_pyisolate_memory_mutex);
  filled = add_uses_locked (self, &filling, error);
  if (filled && takes_news)
    add_news_locked (self, &filling, &garbage);
  if (!filled)
    unfill_locked (self, (PyIsolateMemoryRecord *) (void *) filling.records->data, filling.records->len, &garbage);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);

  append_fds (frame, filling.fds); /* also if it failed: the frame closes them */
  g_array_unref (filling.fds);
  frame->n_records = filled ? filling.records->len : 0;
  frame->records = (PyIsolateMemoryRecord *) (void *) g_array_free (filling.records, !filled || frame->n_records == 0);

  return filled;
}

/* Of a frame that could not be sent: what it gave is taken back. What it told is lost with the link. */
void
_pyisolate_memory_book_unfill (PyIsolateMemoryBook         *self,
                               const PyIsolateMemoryRecord *records,
                               guint                        n_records)
{
  GSList *garbage = NULL;

  g_mutex_lock (&_pyisolate_memory_mutex);
  unfill_locked (self, records, n_records, &garbage);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);
}

/* --- What arrives --- */

typedef struct {
  PyIsolateFrame *frame;
  guint next_fd; /* the next of the descriptors that belong to records */
  GSList *garbage;
  GArray *requests; /* of PyIsolateMemoryRecord, or NULL */
} Taking;

static void G_GNUC_PRINTF (2, 3)
set_memory_error (PyIsolateFrame *frame,
                  const char     *format,
                  ...)
{
  va_list args;

  if (frame->memory_error != NULL)
    return;

  va_start (args, format);
  frame->memory_error = g_error_new_valist (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR, format, args);
  va_end (args);
}

static gboolean G_GNUC_PRINTF (2, 3)
bad_message (GError    **error,
             const char *format,
             ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, format, args);
  va_end (args);

  return FALSE;
}

static int
take_fd (Taking                      *taking,
         const PyIsolateMemoryRecord *record)
{
  if (!(record->flags & PYISOLATE_MEMORY_RECORD_FD))
    return -1;

  return _pyisolate_steal_fd (&taking->frame->fds[taking->next_fd++]);
}

static void
add_memory (PyIsolateFrame  *frame,
            PyIsolateMemory *memory)
{
  if (frame->memories == NULL)
    frame->memories = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  g_ptr_array_add (frame->memories, memory);
}

/* A worker names what it has, and nothing else. */
static void
take_use_as_host_locked (PyIsolateMemoryBook         *self,
                         const PyIsolateMemoryRecord *record,
                         Taking                      *taking)
{
  PyIsolateMemoryEntry *entry = lookup_locked (self, record->number);
  int fd = take_fd (taking, record);

  if (fd >= 0)
    {
      close (fd);
      set_memory_error (taking->frame, "A worker has sent memory of its own, which only the host makes");
      return;
    }
  if (entry == NULL || entry->passed == 0)
    {
      set_memory_error (taking->frame, "A worker has named the memory %" G_GUINT64_FORMAT ", which it does not have",
                        record->number);
      return;
    }

  if (entry->is_granted)
    {
      entry->is_granted = FALSE;
      self->n_granted--;
    }
  _pyisolate_memory_ref_locked (entry->memory);
  add_memory (taking->frame, entry->memory);
  entry->to_ack++;
  mark_dirty_locked (entry);
}

/* A piece that the host gives, new to this side or not. Full. */
static PyIsolateMemory *
receive_locked (PyIsolateMemoryBook         *self,
                const PyIsolateMemoryRecord *record,
                Taking                      *taking)
{
  PyIsolateMemoryEntry *entry = lookup_locked (self, record->number);
  _pyisolate_autofd fd = take_fd (taking, record);

  if (entry == NULL && fd >= 0)
    {
      PyIsolateMemoryFlags flags = PYISOLATE_MEMORY_NONE;
      PyIsolateMemory *memory;

      if (record->flags & PYISOLATE_MEMORY_RECORD_READ_ONLY)
        flags |= PYISOLATE_MEMORY_READ_ONLY;
      memory = _pyisolate_memory_new_foreign (_pyisolate_steal_fd (&fd), record->argument, flags);
      entry = _pyisolate_memory_book_add_locked (self, memory, record->number);
      entry->received = 1;
      entry->to_know = TRUE;
      mark_dirty_locked (entry);
      return memory;
    }
  if (entry == NULL)
    {
      set_memory_error (taking->frame, "The host has named the memory %" G_GUINT64_FORMAT ", which it did not give",
                        record->number);
      return NULL;
    }

  entry->received++;
  _pyisolate_memory_ref_locked (entry->memory); /* it may have been 0 */
  return entry->memory;
}

static gboolean
take_release_locked (PyIsolateMemoryBook         *self,
                     const PyIsolateMemoryRecord *record,
                     Taking                      *taking,
                     GError                     **error)
{
  PyIsolateMemoryEntry *entry = lookup_locked (self, record->number);

  if (entry == NULL || record->argument == 0 || record->argument > entry->passed)
    return bad_message (error, "The memory %" G_GUINT64_FORMAT " was given back more often than it was given",
                        record->number);

  if (entry->is_granted) /* it was not wanted again */
    {
      entry->is_granted = FALSE;
      entry->for_worker = FALSE;
      self->n_granted--;
    }
  entry->passed -= record->argument;
  if (entry->passed == 0)
    _pyisolate_memory_unref_locked (entry->memory, &taking->garbage);

  return TRUE;
}

static gboolean
take_record_as_host_locked (PyIsolateMemoryBook         *self,
                            const PyIsolateMemoryRecord *record,
                            Taking                      *taking,
                            GError                     **error)
{
  PyIsolateMemoryEntry *entry;

  switch (record->kind)
    {
    case PYISOLATE_MEMORY_USE:
      take_use_as_host_locked (self, record, taking);
      return TRUE;

    case PYISOLATE_MEMORY_RELEASE:
      return take_release_locked (self, record, taking, error);

    case PYISOLATE_MEMORY_KNOWN:
      if (record->number == 0 || record->number > self->last_number)
        return bad_message (error, "The memory %" G_GUINT64_FORMAT " was never given", record->number);
      entry = lookup_locked (self, record->number); /* by another way it may have been given back already */
      if (entry != NULL)
        entry->is_known = TRUE;
      return TRUE;

    case PYISOLATE_MEMORY_REQUEST:
      if (taking->requests == NULL)
        taking->requests = g_array_new (FALSE, FALSE, sizeof (PyIsolateMemoryRecord));
      g_array_append_val (taking->requests, *record);
      return TRUE;

    default:
      return bad_message (error, "A worker does not say %u about memory", record->kind);
    }
}

static gboolean
take_record_as_worker_locked (PyIsolateMemoryBook         *self,
                              const PyIsolateMemoryRecord *record,
                              Taking                      *taking,
                              GError                     **error)
{
  PyIsolateMemoryEntry *entry;
  PyIsolateMemory *memory;

  switch (record->kind)
    {
    case PYISOLATE_MEMORY_USE:
      memory = receive_locked (self, record, taking);
      if (memory != NULL)
        add_memory (taking->frame, memory);
      return TRUE;

    case PYISOLATE_MEMORY_GRANT:
      memory = receive_locked (self, record, taking);
      if (memory != NULL)
        _pyisolate_memory_pool_add_locked (self, memory, &taking->garbage);
      return TRUE;

    case PYISOLATE_MEMORY_ANSWER:
      entry = lookup_locked (self, record->argument);
      _pyisolate_memory_pool_answer_locked (self, record->number, entry != NULL ? entry->memory : NULL);
      return TRUE;

    case PYISOLATE_MEMORY_ACK:
      entry = lookup_locked (self, record->number);
      if (entry == NULL || record->argument > entry->in_flight)
        return bad_message (error, "The host acknowledges memory that was not sent");
      entry->in_flight -= record->argument;
      if (entry->in_flight == 0)
        _pyisolate_memory_unref_locked (entry->memory, &taking->garbage);
      return TRUE;

    case PYISOLATE_MEMORY_FORGET:
      entry = lookup_locked (self, record->number);
      if (entry != NULL && entry->memory->ref_count == 0)
        _pyisolate_memory_discard_locked (entry->memory, &taking->garbage);
      return TRUE;

    default:
      return bad_message (error, "A host does not say %u about memory", record->kind);
    }
}

static gboolean
find_fds (PyIsolateFrame  *frame,
          Taking          *taking,
          GError         **error)
{
  guint n_fds = 0;

  for (guint i = 0; i < frame->n_records; i++)
    {
      const PyIsolateMemoryRecord *record = &frame->records[i];
      gboolean may_have = record->kind == PYISOLATE_MEMORY_USE || record->kind == PYISOLATE_MEMORY_GRANT;

      if (record->flags & PYISOLATE_MEMORY_RECORD_FD && !may_have)
        return bad_message (error, "A descriptor does not go with %u", record->kind);
      if (record->flags & PYISOLATE_MEMORY_RECORD_FD)
        n_fds++;
    }
  if (n_fds > frame->n_fds)
    return bad_message (error, "%u descriptors of memory were announced, and %u came", n_fds, frame->n_fds);

  taking->next_fd = frame->n_fds - n_fds;
  return TRUE;
}

/* Requests may take time, and are served without the mutex. */
static gboolean
serve_requests (PyIsolateMemoryBook  *self,
                GArray               *requests,
                GError              **error)
{
  gboolean served = TRUE;

  for (guint i = 0; served && requests != NULL && i < requests->len; i++)
    {
      const PyIsolateMemoryRecord *record = &g_array_index (requests, PyIsolateMemoryRecord, i);

      served = _pyisolate_memory_pool_serve (self, record->number, record->argument, error);
    }

  return served;
}

/*< private >
 * @frame: one that has arrived
 *
 * Takes apart what @frame says about memory.
 *
 * Returns: FALSE with an error that ends the link. What is wrong with the memory of this frame alone is its memory_error
 */
gboolean
_pyisolate_memory_book_take (PyIsolateMemoryBook  *self,
                             PyIsolateFrame       *frame,
                             GError              **error)
{
  Taking taking = { frame, 0, NULL, NULL };
  gboolean taken;
  guint n_fds;

  if (frame->n_records == 0)
    return TRUE;
  if (!find_fds (frame, &taking, error))
    return FALSE;

  n_fds = taking.next_fd;
  taken = TRUE;
  g_mutex_lock (&_pyisolate_memory_mutex);
  for (guint i = 0; taken && !self->is_closed && i < frame->n_records; i++)
    taken = self->is_host ? take_record_as_host_locked (self, &frame->records[i], &taking, error)
                          : take_record_as_worker_locked (self, &frame->records[i], &taking, error);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (taking.garbage);

  for (guint i = n_fds; i < frame->n_fds; i++)
    _pyisolate_clear_fd (&frame->fds[i]);
  frame->n_fds = n_fds;
  g_clear_pointer (&frame->records, g_free);
  frame->n_records = 0;

  if (taken)
    taken = serve_requests (self, taking.requests, error);
  g_clear_pointer (&taking.requests, g_array_unref);

  return taken;
}

/* --- By itself --- */

void
_pyisolate_memory_book_send_news (PyIsolateMemoryBook *self)
{
  g_autoptr (PyIsolateTransport) transport = g_weak_ref_get (&self->transport);

  while (transport != NULL && g_atomic_int_get (&self->has_news))
    {
      /* What cannot be sent any more nobody waits for. */
      if (!_pyisolate_transport_send (transport, _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0), NULL))
        return;
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
  _pyisolate_memory_book_remove_locked (entry);

  if (was_passed)
    _pyisolate_memory_unref_locked (memory, garbage);
  else if (memory->ref_count == 0)
    _pyisolate_memory_discard_locked (memory, garbage);
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
      close_locked (self, &garbage);
      source = g_steal_pointer (&self->source);
    }
  g_mutex_unlock (&_pyisolate_memory_mutex);

  _pyisolate_memory_free_garbage (garbage);
  if (source != NULL)
    g_source_destroy (source);
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
