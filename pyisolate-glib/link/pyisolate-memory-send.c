/* SPDX-License-Identifier: MIT */
/* What goes to the other side: pieces that frames give, and what waited to be told. */
#include "config.h"

#include "pyisolate-memory-book-struct-private.h"

#include "pyisolate-fd-limit-private.h"

#include <string.h>

/* Bytes of all classes that a worker has in stock, beyond a piece of each. */
#define MAX_GRANTED_SIZE ((gsize) 256 << 20)

/* From this size on a body costs less in a piece of memory than beside its frame. */
#define BODY_SIZE ((gsize) 8 * 1024)

/* More of them do not wait for the other side to read: then the transport says whether there is room. */
#define MAX_BODIES ((gsize) 64 << 20)

typedef struct {
  PyIsolateFrame *frame;
  GArray *fds; /* new ones, of int, or NULL */
} Filling;

static void
add_record (Filling *filling,
            guint32  kind,
            guint32  flags,
            guint64  number,
            guint64  argument)
{
  PyIsolateMemoryRecord record = { kind, flags, number, argument };

  _pyisolate_frame_add_record (filling->frame, &record);
}

static gboolean
has_room (Filling *filling)
{
  return filling->frame->n_records < PYISOLATE_MAX_RECORDS;
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
      int fd = _pyisolate_dup_fd_to_pass (entry->memory->fd);

      if (fd < 0)
        return _pyisolate_memory_set_error (error, errno, "passed", entry->memory->size);
      if (filling->fds == NULL)
        filling->fds = g_array_new (FALSE, FALSE, sizeof (int));
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

/* A body that is large goes as a piece of memory, if one can be had: the receiver copies it before it looks at it. */
static gboolean
may_move (PyIsolateMemoryBook *self,
          gsize                size)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&_pyisolate_memory_mutex);

  return self->body_size == 0 || self->body_size + size <= MAX_BODIES;
}

/* Whether a worker would have to wait for memory for a body of this size. */
gboolean
_pyisolate_memory_book_lacks (PyIsolateMemoryBook *self,
                              gsize                body_size)
{
  return body_size >= BODY_SIZE && may_move (self, body_size) && !_pyisolate_memory_pool_has (self, body_size);
}

static gsize
move_body (PyIsolateMemoryBook *self,
           PyIsolateFrame      *frame)
{
  guint n_records = frame->memories != NULL ? frame->memories->len : 0;
  g_autoptr (PyIsolateMemory) memory = NULL;
  gconstpointer data;
  gsize size;

  if (frame->body == NULL || g_bytes_get_size (frame->body) < BODY_SIZE || n_records + 2 > PYISOLATE_MAX_RECORDS)
    return 0;

  data = g_bytes_get_data (frame->body, &size);
  if (!may_move (self, size))
    return 0;
  memory = frame->has_memory_ready ? _pyisolate_memory_pool_take (self, size)
                                   : _pyisolate_memory_book_allocate (self, size, PYISOLATE_MEMORY_NONE, NULL);
  if (memory == NULL || !pyisolate_memory_write (memory, 0, data, size, NULL))
    return 0;

  _pyisolate_frame_add_memory (frame, g_steal_pointer (&memory));
  g_clear_pointer (&frame->body, g_bytes_unref);
  return size;
}

static void
add_body_locked (PyIsolateMemoryBook *self,
                 Filling             *filling,
                 gsize                size)
{
  GPtrArray *memories = filling->frame->memories;
  PyIsolateMemoryEntry *entry;

  entry = _pyisolate_memory_book_find_locked (self, g_ptr_array_index (memories, memories->len - 1));
  entry->body_size += size;
  self->body_size += size;
  add_record (filling, PYISOLATE_MEMORY_BODY, 0, 0, size);
}

static gboolean
may_grant_locked (PyIsolateMemoryBook *self,
                  gsize                size)
{
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (self->granted, GSIZE_TO_POINTER (size)));

  return n < _pyisolate_memory_pool_get_stock (size) && (n == 0 || self->granted_size + size <= MAX_GRANTED_SIZE);
}

/* What the worker will want next, if it wants what it wanted before: then it need not ask. */
static void
add_grants_locked (PyIsolateMemoryBook *self,
                   Filling             *filling)
{
  GList *next;

  for (GList *l = self->free.head; l != NULL; l = next)
    {
      PyIsolateMemory *memory = l->data;
      PyIsolateMemoryEntry *entry = _pyisolate_memory_book_find_locked (self, memory);

      next = l->next;
      if (!entry->for_worker || !entry->is_known || !has_room (filling) || !may_grant_locked (self, memory->size) ||
          !_pyisolate_fd_may_be (memory->fd, PYISOLATE_FD_STOCK))
        continue;

      g_queue_delete_link (&self->free, l);
      add_piece_locked (entry, PYISOLATE_MEMORY_GRANT, filling, NULL);
      _pyisolate_memory_book_pass_locked (entry);
      _pyisolate_memory_book_set_granted_locked (entry, TRUE);
    }
}

static guint
get_n_fds (Filling *filling)
{
  return filling->frame->n_fds + (filling->fds != NULL ? filling->fds->len : 0);
}

static void
add_answers_locked (PyIsolateMemoryBook  *self,
                    Filling              *filling,
                    GSList              **garbage)
{
  while (filling->frame->n_records + 2 <= PYISOLATE_MAX_RECORDS && get_n_fds (filling) < PYISOLATE_MAX_FDS &&
         !g_queue_is_empty (&self->answers))
    {
      PyIsolateMemoryAnswer *answer = g_queue_pop_head (&self->answers);
      PyIsolateMemoryEntry *entry = NULL;
      guint32 flags = answer->refusal;

      if (answer->memory != NULL)
        {
          entry = _pyisolate_memory_book_find_locked (self, answer->memory);
          if (add_piece_locked (entry, PYISOLATE_MEMORY_GRANT, filling, NULL))
            _pyisolate_memory_book_pass_locked (entry);
          else
            entry = NULL;
          if (entry == NULL)
            flags = PYISOLATE_MEMORY_RECORD_NO_FDS;
          _pyisolate_memory_unref_locked (answer->memory, garbage);
        }
      add_record (filling, PYISOLATE_MEMORY_ANSWER, flags, answer->id, entry != NULL ? entry->number : 0);
      g_free (answer);
    }
}

static void
add_dirty_locked (PyIsolateMemoryBook *self,
                  Filling             *filling)
{
  while (filling->frame->n_records + 3 <= PYISOLATE_MAX_RECORDS && !g_queue_is_empty (&self->dirty))
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

  /* Whoever asked waits, and perhaps keeps the thread from reading that this frame is for. A frame of its own goes by the
   * link, which nothing keeps from being read. */
  if (filling->frame->kind == PYISOLATE_FRAME_MEMORY)
    add_answers_locked (self, filling, garbage);
  add_dirty_locked (self, filling);
  n_forgotten = MIN (self->forgotten->len, PYISOLATE_MAX_RECORDS - filling->frame->n_records);
  for (guint i = 0; i < n_forgotten; i++)
    add_record (filling, self->is_host ? PYISOLATE_MEMORY_FORGET : PYISOLATE_MEMORY_RELEASE, 0,
                g_array_index (self->forgotten, guint64, i), self->is_host ? 0 : 1);
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
  frame->fds = g_renew (int, frame->fds, frame->n_fds + fds->len);
  memcpy (frame->fds + frame->n_fds, fds->data, fds->len * sizeof (int));
  frame->n_fds += fds->len;
}

/* A worker may have given back already what it was not given. */
static void
take_back_locked (PyIsolateMemoryEntry  *entry,
                  GSList               **garbage)
{
  guint64 *counter = entry->book->is_host ? &entry->passed : &entry->in_flight;

  if (*counter > 0 && --*counter == 0)
    _pyisolate_memory_book_let_go_locked (entry, garbage);
}

/* What an entry had to tell it has to tell again. */
static void
untell_locked (PyIsolateMemoryEntry        *entry,
               const PyIsolateMemoryRecord *record)
{
  if (record->kind == PYISOLATE_MEMORY_KNOWN)
    entry->to_know = TRUE;
  else if (record->kind == PYISOLATE_MEMORY_ACK)
    entry->to_ack += record->argument;
  else
    entry->to_release += record->argument;
  _pyisolate_memory_book_mark_dirty_locked (entry);
}

static void
unfill_locked (PyIsolateMemoryBook         *self,
               const PyIsolateMemoryRecord *records,
               guint                        n_records,
               GSList                     **garbage)
{
  for (guint i = 0; i < n_records; i++)
    {
      const PyIsolateMemoryRecord *record = &records[i];
      PyIsolateMemoryEntry *entry = _pyisolate_memory_book_lookup_locked (self, record->number);

      switch (record->kind)
        {
        case PYISOLATE_MEMORY_GRANT:
          if (entry != NULL)
            _pyisolate_memory_book_set_granted_locked (entry, FALSE);
          G_GNUC_FALLTHROUGH;
        case PYISOLATE_MEMORY_USE:
          if (entry != NULL)
            take_back_locked (entry, garbage);
          break;

        case PYISOLATE_MEMORY_KNOWN:
        case PYISOLATE_MEMORY_ACK:
        case PYISOLATE_MEMORY_RELEASE:
          if (entry != NULL)
            untell_locked (entry, record);
          else if (record->kind == PYISOLATE_MEMORY_RELEASE) /* it could not be taken when it came */
            _pyisolate_memory_book_forget_number_locked (self, record->number);
          break;

        case PYISOLATE_MEMORY_FORGET:
          _pyisolate_memory_book_forget_number_locked (self, record->number);
          break;

        default:
          break;
        }
    }
}

/* Whether something waits for a frame to take it along. */
gboolean
_pyisolate_memory_book_has_news (PyIsolateMemoryBook *self)
{
  return g_atomic_int_get (&self->has_news);
}

/* Not a wish for a small piece: what is given back with it would be granted for it, and that one piece would go to and fro and
 * be asked for each time. Of large ones there are to be no more than are needed. */
static gboolean
takes_news (const PyIsolateFrame *frame)
{
  const PyIsolateMemoryRecord *first = frame->n_records > 0 ? frame->records : NULL;

  if (frame->kind == PYISOLATE_FRAME_MEMORY)
    return first == NULL || first->kind != PYISOLATE_MEMORY_REQUEST || first->argument > PYISOLATE_MEMORY_SMALL_WISH;
  return frame->kind == PYISOLATE_FRAME_CALL || frame->kind == PYISOLATE_FRAME_RETURN;
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
  gboolean with_news = takes_news (frame);
  Filling filling = { frame, NULL };
  GSList *garbage = NULL;
  gboolean filled;
  gsize body_size = with_news ? move_body (self, frame) : 0;

  if (frame->memories == NULL && (!with_news || !g_atomic_int_get (&self->has_news)))
    return TRUE;

  g_mutex_lock (&_pyisolate_memory_mutex);
  filled = add_uses_locked (self, &filling, error);
  if (filled && body_size > 0)
    add_body_locked (self, &filling, body_size);
  if (filled && with_news)
    add_news_locked (self, &filling, &garbage);
  if (!filled)
    unfill_locked (self, frame->records, frame->n_records, &garbage);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);

  if (filling.fds != NULL)
    append_fds (frame, filling.fds); /* also if it failed: the frame closes them */
  g_clear_pointer (&filling.fds, g_array_unref);
  if (!filled)
    _pyisolate_frame_clear_records (frame);

  return filled;
}

/* The next of the records that has a descriptor. */
static PyIsolateMemoryRecord *
next_with_fd (PyIsolateFrame *frame,
              guint          *at)
{
  while (*at < frame->n_records)
    {
      PyIsolateMemoryRecord *record = &frame->records[(*at)++];

      if (record->flags & PYISOLATE_MEMORY_RECORD_FD)
        return record;
    }

  return NULL;
}

PyIsolateFrame *
_pyisolate_memory_book_split (PyIsolateFrame *frame)
{
  PyIsolateFrame *first;
  PyIsolateMemoryRecord *record;
  guint n_own = frame->n_fds; /* those that are not of memory */
  guint n_moved = 0;
  guint at = 0;

  if (frame->n_fds <= PYISOLATE_MAX_FDS)
    return NULL;
  while (next_with_fd (frame, &at) != NULL)
    n_own--;
  if (n_own > PYISOLATE_MAX_FDS)
    return NULL;

  first = _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0);
  first->records = g_new (PyIsolateMemoryRecord, PYISOLATE_MAX_FDS);
  first->fds = g_new (int, PYISOLATE_MAX_FDS);
  for (at = 0; n_moved < PYISOLATE_MAX_FDS && (record = next_with_fd (frame, &at)) != NULL; n_moved++)
    {
      first->records[n_moved] = *record;
      first->records[n_moved].kind = PYISOLATE_MEMORY_SHOW;
      first->fds[n_moved] = frame->fds[n_own + n_moved];
      record->flags &= ~(guint32) PYISOLATE_MEMORY_RECORD_FD;
    }
  first->n_records = first->n_fds = n_moved;
  frame->n_fds -= n_moved;
  memmove (frame->fds + n_own, frame->fds + n_own + n_moved, (frame->n_fds - n_own) * sizeof (int));

  return first;
}

/* Of a frame that could not be sent: what it gave is taken back, and what it told goes with another one. */
void
_pyisolate_memory_book_unfill (PyIsolateMemoryBook         *self,
                               const PyIsolateMemoryRecord *records,
                               guint                        n_records)
{
  GSList *garbage = NULL;

  g_mutex_lock (&_pyisolate_memory_mutex);
  if (!self->is_closed)
    unfill_locked (self, records, n_records, &garbage);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);
}
