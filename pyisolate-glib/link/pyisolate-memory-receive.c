/* SPDX-License-Identifier: MIT */
/* What comes from the other side. Nothing that a worker says is believed. */
#include "config.h"

#include "pyisolate-memory-book-struct-private.h"

#include "pyisolate-fd-private.h"
#include "pyisolate-value-layout-private.h"

typedef struct {
  PyIsolateFrame *frame;
  guint next_fd; /* the next of the descriptors that belong to records */
  PyIsolateMemory *body; /* owned; NULL: the frame has it beside the records, or there is none that is right */
  gsize body_size; /* of what was said to be one, or 0 */
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
  if (!(record->flags & PYISOLATE_MEMORY_RECORD_FD) || taking->frame->lacks_fds)
    return -1;

  return _pyisolate_steal_fd (&taking->frame->fds[taking->next_fd++]);
}

/* A worker names what it has, and nothing else. */
static void
take_use_as_host_locked (PyIsolateMemoryBook         *self,
                         const PyIsolateMemoryRecord *record,
                         Taking                      *taking)
{
  PyIsolateMemoryEntry *entry = _pyisolate_memory_book_lookup_locked (self, record->number);
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

  _pyisolate_memory_book_set_granted_locked (entry, FALSE);
  _pyisolate_memory_ref_locked (entry->memory);
  _pyisolate_frame_add_memory (taking->frame, entry->memory);
  entry->to_ack++;
  _pyisolate_memory_book_mark_dirty_locked (entry);
}

/* A piece that the host gives, new to this side or not. Full. */
static PyIsolateMemory *
receive_locked (PyIsolateMemoryBook         *self,
                const PyIsolateMemoryRecord *record,
                Taking                      *taking)
{
  PyIsolateMemoryEntry *entry = _pyisolate_memory_book_lookup_locked (self, record->number);
  _pyisolate_autofd fd = take_fd (taking, record);

  if (entry == NULL && fd >= 0)
    {
      PyIsolateMemoryFlags flags = PYISOLATE_MEMORY_NONE;
      PyIsolateMemory *memory;

      if (record->flags & PYISOLATE_MEMORY_RECORD_READ_ONLY)
        flags |= PYISOLATE_MEMORY_READ_ONLY;
      memory = _pyisolate_memory_new_foreign (_pyisolate_steal_fd (&fd), record->argument, flags);
      memory->drops_fd = TRUE;
      entry = _pyisolate_memory_book_add_locked (self, memory, record->number);
      entry->received = 1;
      entry->to_know = TRUE;
      _pyisolate_memory_book_mark_dirty_locked (entry);
      return memory;
    }
  if (entry == NULL && (taking->frame->lacks_fds || self->lacks_shown))
    {
      _pyisolate_frame_set_lacks_fds (taking->frame);
      return NULL;
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

/* What was given and could not be received is given back all the same. */
static PyIsolateMemory *
receive_or_return_locked (PyIsolateMemoryBook         *self,
                          const PyIsolateMemoryRecord *record,
                          Taking                      *taking)
{
  PyIsolateMemory *memory = receive_locked (self, record, taking);

  if (memory == NULL)
    _pyisolate_memory_book_forget_number_locked (self, record->number);

  return memory;
}

/* It was shown, and not given yet. */
static void
unreceive_locked (PyIsolateMemoryBook  *self,
                  guint64               number,
                  GSList              **garbage)
{
  PyIsolateMemoryEntry *entry = _pyisolate_memory_book_lookup_locked (self, number);

  entry->received--;
  _pyisolate_memory_unref_locked (entry->memory, garbage);
}

static gboolean
take_release_locked (PyIsolateMemoryBook         *self,
                     const PyIsolateMemoryRecord *record,
                     Taking                      *taking,
                     GError                     **error)
{
  PyIsolateMemoryEntry *entry = _pyisolate_memory_book_lookup_locked (self, record->number);

  if (entry == NULL || record->argument == 0 || record->argument > entry->passed)
    return bad_message (error, "The memory %" G_GUINT64_FORMAT " was given back more often than it was given",
                        record->number);

  if (entry->is_granted) /* it was not wanted again */
    entry->for_worker = FALSE;
  _pyisolate_memory_book_set_granted_locked (entry, FALSE);
  entry->passed -= record->argument;
  if (entry->passed == 0)
    _pyisolate_memory_book_let_go_locked (entry, &taking->garbage);

  return TRUE;
}

static gboolean
take_body_record (const PyIsolateMemoryRecord *record,
                  Taking                      *taking,
                  GError                     **error)
{
  GPtrArray *memories = taking->frame->memories;
  PyIsolateMemory *last = memories != NULL && memories->len > 0 ? g_ptr_array_index (memories, memories->len - 1) : NULL;

  if (taking->frame->memory_error == NULL &&
      (last == NULL || taking->body_size > 0 || record->argument == 0 || record->argument > last->size ||
       record->argument > PYISOLATE_VALUE_MAX_SIZE))
    return bad_message (error, "%" G_GUINT64_FORMAT " bytes of a body are not where they are said to be", record->argument);

  /* Now: what is named after it is not what was looked at. */
  if (taking->frame->memory_error == NULL)
    taking->body = g_ptr_array_steal_index (memories, memories->len - 1);
  taking->body_size = record->argument;

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

    case PYISOLATE_MEMORY_BODY:
      return take_body_record (record, taking, error);

    case PYISOLATE_MEMORY_RELEASE:
      return take_release_locked (self, record, taking, error);

    case PYISOLATE_MEMORY_KNOWN:
      if (record->number == 0 || record->number > self->last_number)
        return bad_message (error, "The memory %" G_GUINT64_FORMAT " was never given", record->number);
      entry = _pyisolate_memory_book_lookup_locked (self, record->number); /* by another way it may have been given back already */
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
      memory = receive_or_return_locked (self, record, taking);
      if (memory != NULL)
        _pyisolate_frame_add_memory (taking->frame, memory);
      return TRUE;

    case PYISOLATE_MEMORY_GRANT:
      memory = receive_or_return_locked (self, record, taking);
      if (memory != NULL)
        _pyisolate_memory_pool_add_locked (self, memory, &taking->garbage);
      return TRUE;

    case PYISOLATE_MEMORY_BODY:
      return take_body_record (record, taking, error);

    case PYISOLATE_MEMORY_SHOW:
      memory = receive_locked (self, record, taking);
      if (memory != NULL)
        unreceive_locked (self, record->number, &taking->garbage);
      else
        self->lacks_shown = TRUE;
      return TRUE;

    case PYISOLATE_MEMORY_ANSWER:
      entry = _pyisolate_memory_book_lookup_locked (self, record->argument);
      _pyisolate_memory_pool_answer_locked (self, record->number, record->flags, record->argument != 0,
                                            entry != NULL ? entry->memory : NULL);
      return TRUE;

    case PYISOLATE_MEMORY_ACK:
      entry = _pyisolate_memory_book_lookup_locked (self, record->number);
      if (entry == NULL || record->argument > entry->in_flight)
        return bad_message (error, "The host acknowledges memory that was not sent");
      entry->in_flight -= record->argument;
      if (entry->in_flight == 0)
        _pyisolate_memory_book_let_go_locked (entry, &taking->garbage);
      return TRUE;

    case PYISOLATE_MEMORY_FORGET:
      entry = _pyisolate_memory_book_lookup_locked (self, record->number);
      if (entry != NULL && g_atomic_int_get (&entry->memory->ref_count) == 0)
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
      gboolean may_have = record->kind == PYISOLATE_MEMORY_USE || record->kind == PYISOLATE_MEMORY_GRANT ||
                          record->kind == PYISOLATE_MEMORY_SHOW;

      if (record->flags & PYISOLATE_MEMORY_RECORD_FD && !may_have)
        return bad_message (error, "A descriptor does not go with %u", record->kind);
      if (record->flags & PYISOLATE_MEMORY_RECORD_FD)
        n_fds++;
    }
  if (frame->lacks_fds)
    {
      taking->next_fd = frame->n_fds;
      return TRUE;
    }
  if (n_fds > frame->n_fds)
    return bad_message (error, "%u descriptors of memory were announced, and %u came", n_fds, frame->n_fds);

  taking->next_fd = frame->n_fds - n_fds;
  return TRUE;
}

/* A host takes it into private memory: nobody else can change it while it is read. A worker reads it where it is. */
static void
take_body (PyIsolateMemoryBook *self,
           Taking              *taking)
{
  g_autoptr (PyIsolateMemory) memory = g_steal_pointer (&taking->body);
  PyIsolateFrame *frame = taking->frame;
  guint8 *data = NULL;

  if (frame->memory_error == NULL)
    data = pyisolate_memory_map (memory, &frame->memory_error);

  g_clear_pointer (&frame->body, g_bytes_unref);
  if (data == NULL)
    frame->body = g_bytes_new_static ("", 0);
  else if (self->is_host)
    frame->body = g_bytes_new (data, taking->body_size);
  else
    frame->body = g_bytes_new_with_free_func (data, taking->body_size, (GDestroyNotify) pyisolate_memory_unref,
                                              g_steal_pointer (&memory));
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
  Taking taking = { .frame = frame };
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
  _pyisolate_frame_clear_records (frame);

  if (taken && taking.body_size > 0)
    take_body (self, &taking);
  g_clear_pointer (&taking.body, pyisolate_memory_unref);
  if (taken)
    taken = serve_requests (self, taking.requests, error);
  g_clear_pointer (&taking.requests, g_array_unref);

  return taken;
}
