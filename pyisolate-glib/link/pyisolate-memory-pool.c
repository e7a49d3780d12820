/* SPDX-License-Identifier: MIT */
/* The pieces of a link that nobody uses.
 *
 * Making one costs more than filling it, so they are used again: by the link that they belong to, and for sizes of their
 * class. A worker makes none. It asks the host and waits, and the host grants what the worker asked for before again,
 * unasked, as soon as it is free. */
#include "config.h"

#include "pyisolate-memory-book-struct-private.h"

#include "pyisolate-pool-private.h"

/* How long a piece stays when nobody uses it. A worker's goes back to the host's pool first. */
#define HOST_IDLE_US (5 * G_TIME_SPAN_SECOND)
#define WORKER_IDLE_US (2 * G_TIME_SPAN_SECOND)

#define MAX_FREE 64

/* How many pieces of a class a worker has in stock, or as many as are so many bytes: one for each answer that may be under way
 * on a lane. */
#define MIN_STOCK 3
#define MIN_STOCK_SIZE ((gsize) 128 * 1024)

/* More wishes that are being served end the link. */
#define MAX_REQUESTS 64

/* Four classes for each power of two, and sixteen for those whose waste would be felt. */
static gsize
get_class (gsize size)
{
  const gsize page = 4096;
  gsize power = page;
  gsize step;

  while (power <= size / 2)
    power *= 2;
  step = MAX (power / (power >= (64 << 20) ? 16 : 4), page);

  return (size + step - 1) / step * step;
}

/* Newest first: its pages are most likely in a cache.
 * @is_new: not what a worker had before */
static GList *
find_locked (PyIsolateMemoryBook  *self,
             gsize                 size,
             PyIsolateMemoryFlags  flags,
             gboolean              is_new)
{
  for (GList *l = self->free.tail; l != NULL; l = l->prev)
    {
      PyIsolateMemory *memory = l->data;

      if (memory->size == size && memory->flags == flags &&
          !(is_new && _pyisolate_memory_book_find_locked (self, memory)->for_worker))
        return l;
    }

  return NULL;
}

static PyIsolateMemory *
pop_locked (PyIsolateMemoryBook  *self,
            gsize                 size,
            PyIsolateMemoryFlags  flags,
            gboolean              is_new)
{
  GList *found = find_locked (self, size, flags, is_new);
  PyIsolateMemory *memory = found != NULL ? found->data : NULL;

  if (found != NULL)
    g_queue_delete_link (&self->free, found);

  return memory;
}

static void
drop_oldest_locked (PyIsolateMemoryBook  *self,
                    GSList              **garbage)
{
  PyIsolateMemory *memory = g_queue_pop_head (&self->free);

  if (self->is_host)
    {
      self->size -= memory->size;
      memory->home = NULL;
      _pyisolate_memory_discard_locked (memory, garbage);
    }
  else
    {
      _pyisolate_memory_unref_locked (memory, garbage);
    }
}

gboolean
_pyisolate_memory_pool_empty_locked (PyIsolateMemoryBook  *self,
                                     GSList              **garbage)
{
  gboolean had_any = !g_queue_is_empty (&self->free);

  while (!g_queue_is_empty (&self->free))
    drop_oldest_locked (self, garbage);

  return had_any;
}

void
_pyisolate_memory_pool_add_locked (PyIsolateMemoryBook  *self,
                                   PyIsolateMemory      *memory,
                                   GSList              **garbage)
{
  gint64 now = g_get_monotonic_time ();

  memory->idle_since = now;
  g_queue_push_tail (&self->free, memory);
  if (self->free.length > MAX_FREE)
    drop_oldest_locked (self, garbage);
  _pyisolate_memory_book_arm_locked (self, now + (self->is_host ? HOST_IDLE_US : WORKER_IDLE_US));
}

/*< private >
 * Lets go of what was idle for long.
 *
 * Returns: when to ask again, or -1
 */
gint64
_pyisolate_memory_pool_trim_locked (PyIsolateMemoryBook  *self,
                                    gint64                now,
                                    GSList              **garbage)
{
  gint64 idle = self->is_host ? HOST_IDLE_US : WORKER_IDLE_US;
  PyIsolateMemory *oldest;

  while ((oldest = g_queue_peek_head (&self->free)) != NULL)
    {
      if (now < oldest->idle_since + idle)
        return oldest->idle_since + idle;
      drop_oldest_locked (self, garbage);
    }

  return -1;
}

/* It belongs to no link any more. */
void
_pyisolate_memory_pool_leave_locked (PyIsolateMemory *memory)
{
  memory->home->size -= memory->size;
  memory->home = NULL;
}

/* --- The host's --- */

guint
_pyisolate_memory_pool_get_stock (gsize size)
{
  return MAX (MIN_STOCK, MIN_STOCK_SIZE / size);
}

static guint
count_for_worker_locked (PyIsolateMemoryBook *self,
                         gsize                size)
{
  GHashTableIter iter;
  gpointer entry;
  guint n = 0;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    n += ((PyIsolateMemoryEntry *) entry)->for_worker && ((PyIsolateMemoryEntry *) entry)->memory->size == size;

  return n;
}

/*< private >
 * Who has to ask has too few: if it got the piece that it has just given back, it would ask for each body with that one alone.
 * So that piece is granted beside what it asked for.
 *
 * Returns: whether a worker is to get a piece that it has not had
 */
static gboolean
must_add_locked (PyIsolateMemoryBook *self,
                 gsize                size)
{
  return size <= PYISOLATE_MEMORY_SMALL_WISH && size <= self->limit - MIN (self->size, self->limit) &&
         count_for_worker_locked (self, size) < _pyisolate_memory_pool_get_stock (size);
}

static gboolean
reserve_size_locked (PyIsolateMemoryBook  *self,
                     gsize                 size,
                     GSList              **garbage)
{
  while (size > self->limit - MIN (self->size, self->limit) && !g_queue_is_empty (&self->free))
    drop_oldest_locked (self, garbage);
  if (size > self->limit - MIN (self->size, self->limit))
    return FALSE;

  self->size += size;
  return TRUE;
}

static void
set_limit_error (GError  **error,
                 gsize     size,
                 guint64   limit)
{
  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
               "%" G_GSIZE_FORMAT " bytes more of shared memory would exceed the limit of %" G_GUINT64_FORMAT
               " for one extension (shared-memory-limit)", size, limit);
}

/* A fresh piece. Its pages are made by whoever fills it, or by @is_cold being FALSE. */
static PyIsolateMemory *
make_piece (PyIsolateMemoryBook  *self,
            gsize                 size,
            PyIsolateMemoryFlags  flags,
            gboolean              is_cold,
            GError              **error)
{
  PyIsolateMemory *memory;
  GSList *garbage = NULL;

  memory = _pyisolate_memory_new_file (size, flags, is_cold, error);

  g_mutex_lock (&_pyisolate_memory_mutex);
  if (memory == NULL || self->is_closed)
    {
      self->size -= size;
    }
  else
    {
      memory->home = self;
      _pyisolate_memory_book_add_locked (self, memory, 0);
    }
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);

  return memory;
}

/* @is_reserved: (out): of NULL: it is within the limit, and the system does not give it */
static PyIsolateMemory *
allocate_as_host (PyIsolateMemoryBook  *self,
                  gsize                 size,
                  PyIsolateMemoryFlags  flags,
                  gboolean              is_cold,
                  gboolean             *is_reserved,
                  GError              **error)
{
  PyIsolateMemory *memory;
  GSList *garbage = NULL;

  *is_reserved = FALSE;
  g_mutex_lock (&_pyisolate_memory_mutex);
  memory = pop_locked (self, size, flags, !is_cold && must_add_locked (self, size));
  if (memory != NULL)
    _pyisolate_memory_ref_locked (memory);
  else
    *is_reserved = reserve_size_locked (self, size, &garbage);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);

  if (memory != NULL)
    return memory;
  if (*is_reserved)
    return make_piece (self, size, flags, is_cold, error);

  set_limit_error (error, size, self->limit);
  return NULL;
}

typedef struct {
  PyIsolateMemoryBook *book;
  guint64 request;
  gsize size;
} Service;

/* For a worker. NULL with what it is told of why; 0: the limit of this library's. */
static PyIsolateMemory *
grant (PyIsolateMemoryBook *self,
       gsize                size,
       guint32             *refusal)
{
  g_autoptr (GError) error = NULL;
  gboolean is_reserved;
  PyIsolateMemory *memory = allocate_as_host (self, size, PYISOLATE_MEMORY_NONE, FALSE, &is_reserved, &error);

  *refusal = 0;
  if (memory == NULL && is_reserved)
    *refusal = error->domain == PYISOLATE_ERROR || error->code == G_IO_ERROR_TOO_MANY_OPEN_FILES
                 ? PYISOLATE_MEMORY_RECORD_NO_FDS
                 : PYISOLATE_MEMORY_RECORD_NO_MEMORY;
  return memory;
}

/* @memory: (transfer full) (nullable): NULL: the wish is refused
 * @refusal: why */
static void
answer_request (PyIsolateMemoryBook *self,
                guint64              request,
                PyIsolateMemory     *memory,
                guint32              refusal)
{
  PyIsolateMemoryAnswer *answer = g_new (PyIsolateMemoryAnswer, 1);
  GSList *garbage = NULL;

  answer->id = request;
  answer->memory = memory;
  answer->refusal = refusal;

  g_mutex_lock (&_pyisolate_memory_mutex);
  self->n_requests--;
  if (self->is_closed)
    {
      if (memory != NULL)
        _pyisolate_memory_unref_locked (memory, &garbage);
      g_free (answer);
    }
  else
    {
      if (memory != NULL)
        _pyisolate_memory_book_find_locked (self, memory)->for_worker = TRUE;
      g_queue_push_tail (&self->answers, answer);
      g_atomic_int_set (&self->has_news, TRUE);
    }
  g_mutex_unlock (&_pyisolate_memory_mutex);

  _pyisolate_memory_free_garbage (garbage);
  _pyisolate_memory_book_send_news (self);
}

static void
serve (gpointer data)
{
  Service *service = data;
  g_autoptr (PyIsolateMemoryBook) book = service->book;
  guint32 refusal;
  PyIsolateMemory *memory = grant (book, service->size, &refusal);

  answer_request (book, service->request, memory, refusal);
  g_free (service);
}

static GThreadPool *
get_thread_pool (void)
{
  static GThreadPool *pool;
  static gsize is_made = 0;

  if (g_once_init_enter (&is_made))
    {
      pool = _pyisolate_pool_new (serve, 1);
      g_once_init_leave (&is_made, 1);
    }

  return pool;
}

/*< private >
 * @size: what a worker wants
 *
 * Returns: FALSE with an error that ends the link
 */
gboolean
_pyisolate_memory_pool_serve (PyIsolateMemoryBook  *self,
                              guint64               request,
                              guint64               size,
                              GError              **error)
{
  PyIsolateMemory *memory = NULL;
  guint32 refusal = 0;
  Service *service;
  gboolean at_once = size <= PYISOLATE_MEMORY_SMALL_WISH;
  gboolean too_many;

  g_mutex_lock (&_pyisolate_memory_mutex);
  too_many = ++self->n_requests > MAX_REQUESTS;
  if (!at_once && size <= self->limit)
    {
      memory = pop_locked (self, get_class (size), PYISOLATE_MEMORY_NONE, FALSE);
      if (memory != NULL)
        _pyisolate_memory_ref_locked (memory);
    }
  g_mutex_unlock (&_pyisolate_memory_mutex);

  if (too_many)
    {
      g_clear_pointer (&memory, pyisolate_memory_unref);
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT, "A worker asks for more than %d pieces of memory at once",
                   MAX_REQUESTS);
      return FALSE;
    }

  if (size == 0 || size > self->limit || memory != NULL)
    {
      answer_request (self, request, memory, 0);
    }
  else if (at_once)
    {
      memory = grant (self, get_class (size), &refusal);
      answer_request (self, request, memory, refusal);
    }
  else
    {
      service = g_new (Service, 1);
      service->book = _pyisolate_memory_book_ref (self);
      service->request = request;
      service->size = get_class (size);
      /* Whoever reads the link does it, where there is no thread for it: late is better than never. */
      if (!_pyisolate_pool_push (get_thread_pool (), service, NULL))
        serve (service);
    }

  return TRUE;
}

/* --- The worker's --- */

gboolean
_pyisolate_memory_pool_has (PyIsolateMemoryBook *self,
                            gsize                size)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&_pyisolate_memory_mutex);

  return find_locked (self, get_class (size), PYISOLATE_MEMORY_NONE, FALSE) != NULL;
}

PyIsolateMemory *
_pyisolate_memory_pool_take (PyIsolateMemoryBook *self,
                             gsize                size)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&_pyisolate_memory_mutex);

  return pop_locked (self, get_class (size), PYISOLATE_MEMORY_NONE, FALSE);
}

gboolean
_pyisolate_memory_book_stock (PyIsolateMemoryBook *self,
                              gsize                body_size)
{
  PyIsolateMemory *memory = _pyisolate_memory_pool_ask (self, body_size, NULL);
  GSList *garbage = NULL;
  gboolean is_stocked;

  if (memory == NULL)
    return FALSE;

  g_mutex_lock (&_pyisolate_memory_mutex);
  is_stocked = !self->is_closed && memory->size == get_class (body_size);
  if (is_stocked)
    _pyisolate_memory_pool_add_locked (self, memory, &garbage);
  else
    _pyisolate_memory_unref_locked (memory, &garbage);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);

  return is_stocked;
}

/*< private >
 * @size: how many bytes are needed, more than 0
 * @flags: of a worker's own memory everybody may write to it
 *
 * Gets a piece that has at least @size bytes, whose content may be anything.
 */
PyIsolateMemory *
_pyisolate_memory_book_allocate (PyIsolateMemoryBook   *self,
                                 gsize                  size,
                                 PyIsolateMemoryFlags   flags,
                                 GError               **error)
{
  PyIsolateMemory *memory;
  gboolean is_reserved;

  if (size == 0 || size > (gsize) G_MAXINT64 / 2)
    {
      set_limit_error (error, size, self->limit);
      return NULL;
    }
  if (self->is_host)
    return allocate_as_host (self, get_class (size), flags, TRUE, &is_reserved, error);

  memory = _pyisolate_memory_pool_take (self, size);
  return memory != NULL ? memory : _pyisolate_memory_pool_ask (self, size, error);
}

void
_pyisolate_memory_book_set_asking_func (PyIsolateMemoryBook *self,
                                        void               (*func) (void))
{
  self->asking_func = func;
}
