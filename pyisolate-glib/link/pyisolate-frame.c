/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-frame-private.h"

#include "pyisolate-error-private.h"
#include "pyisolate-fd-limit-private.h"
#include "pyisolate-remote-exception-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

PyIsolateBudget *
_pyisolate_budget_new (void)
{
  PyIsolateBudget *self = g_new0 (PyIsolateBudget, 1);

  g_atomic_ref_count_init (&self->ref_count);

  return self;
}

PyIsolateBudget *
_pyisolate_budget_ref (PyIsolateBudget *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
_pyisolate_budget_unref (PyIsolateBudget *self)
{
  if (g_atomic_ref_count_dec (&self->ref_count))
    g_free (self);
}

PyIsolateFrame *
_pyisolate_frame_new (PyIsolateFrameKind kind,
                      guint64            id)
{
  PyIsolateFrame *frame = g_slice_new (PyIsolateFrame);

  memset (frame, 0, G_STRUCT_OFFSET (PyIsolateFrame, chain_room));
  frame->kind = kind;
  frame->id = id;
  frame->link.data = frame;

  return frame;
}

void
_pyisolate_frame_taken (PyIsolateFrame *frame)
{
  g_autoptr (GObject) sender = g_steal_pointer (&frame->sender);

  if (sender != NULL)
    frame->taken_func (sender, frame->taken_size);
}

static inline gboolean
is_in_room (PyIsolateFrame *frame,
            const char     *text)
{
  return text >= frame->text_room && text < frame->text_room + sizeof frame->text_room;
}

static inline void
free_text (PyIsolateFrame *frame,
           char           *text)
{
  if (!is_in_room (frame, text))
    g_free (text);
}

void
_pyisolate_frame_free (PyIsolateFrame *frame)
{
  _pyisolate_frame_taken (frame);
  for (guint i = 0; i < frame->n_fds; i++)
    {
      if (frame->fds[i] >= 0)
        close (frame->fds[i]);
    }
  g_free (frame->fds);
  if (frame->chain != frame->chain_room)
    g_free (frame->chain);
  free_text (frame, frame->target);
  free_text (frame, frame->name);
  free_text (frame, frame->message);
  g_clear_pointer (&frame->body, g_bytes_unref);
  g_clear_pointer (&frame->memories, g_ptr_array_unref);
  _pyisolate_frame_clear_records (frame);
  g_clear_error (&frame->memory_error);
  if (frame->budget != NULL)
    {
      g_atomic_pointer_add (&frame->budget->bytes, -(gssize) frame->cost);
      _pyisolate_budget_unref (frame->budget);
    }
  g_slice_free (PyIsolateFrame, frame);
}

static gsize
get_size_of_text (PyIsolateFrame *frame,
                  const char     *text)
{
  return text != NULL && !is_in_room (frame, text) ? strlen (text) : 0;
}

gsize
_pyisolate_frame_get_text_size (PyIsolateFrame *frame)
{
  return get_size_of_text (frame, frame->target) + get_size_of_text (frame, frame->name) +
         get_size_of_text (frame, frame->message);
}

gsize
_pyisolate_frame_charge (PyIsolateFrame  *frame,
                         PyIsolateBudget *budget)
{
  g_assert (frame->budget == NULL);

  frame->budget = _pyisolate_budget_ref (budget);
  frame->cost = sizeof *frame + frame->n_chain * sizeof (guint64) + _pyisolate_frame_get_text_size (frame);
  if (frame->body != NULL)
    frame->cost += g_bytes_get_size (frame->body);

  return (gsize) g_atomic_pointer_add (&budget->bytes, (gssize) frame->cost) + frame->cost;
}

void
_pyisolate_frame_set_chain (PyIsolateFrame *frame,
                            const guint64  *chain,
                            guint           n_chain)
{
  gsize size = n_chain * sizeof (guint64);

  if (frame->chain != frame->chain_room)
    g_free (frame->chain);
  frame->chain = size <= sizeof frame->chain_room ? frame->chain_room : g_malloc (size);
  if (size > 0)
    memcpy (frame->chain, chain, size);
  frame->n_chain = n_chain;
}

/* NULL for NULL. */
static char *
copy_text (PyIsolateFrame *frame,
           const char     *text)
{
  gsize size = text != NULL ? strlen (text) + 1 : 0;
  char *copy;

  if (size > sizeof frame->text_room - frame->n_text)
    return g_strdup (text);
  if (size == 0)
    return NULL;

  copy = memcpy (frame->text_room + frame->n_text, text, size);
  frame->n_text += size;
  return copy;
}

void
_pyisolate_frame_set_target (PyIsolateFrame *frame,
                             const char     *target)
{
  free_text (frame, frame->target);
  frame->target = copy_text (frame, target);
}

void
_pyisolate_frame_set_name (PyIsolateFrame *frame,
                           const char     *name)
{
  free_text (frame, frame->name);
  frame->name = copy_text (frame, name);
}

void
_pyisolate_frame_clear_records (PyIsolateFrame *frame)
{
  if (frame->records != frame->record_room)
    g_free (frame->records);
  frame->records = NULL;
  frame->n_records = 0;
}

/* In the room while they fit, then in memory of a power of 2. */
static PyIsolateMemoryRecord *
get_room_for_records (PyIsolateFrame *frame,
                      guint           n_records)
{
  if (n_records <= PYISOLATE_FRAME_SHORT_RECORDS)
    return frame->record_room;

  return g_new (PyIsolateMemoryRecord, (gsize) 1 << g_bit_storage (n_records - 1));
}

static void
move_records (PyIsolateFrame *frame,
              guint           n_records)
{
  PyIsolateMemoryRecord *records = get_room_for_records (frame, n_records);
  guint n_old = frame->n_records;

  if (n_old > 0 && records != frame->records)
    memcpy (records, frame->records, n_old * sizeof *records);
  if (records != frame->records)
    _pyisolate_frame_clear_records (frame);
  frame->records = records;
  frame->n_records = n_old;
}

void
_pyisolate_frame_set_records (PyIsolateFrame              *frame,
                              const PyIsolateMemoryRecord *records,
                              guint                        n_records)
{
  _pyisolate_frame_clear_records (frame);
  frame->records = get_room_for_records (frame, n_records);
  frame->n_records = n_records;
  if (n_records > 0)
    memcpy (frame->records, records, n_records * sizeof *records);
}

void
_pyisolate_frame_add_record (PyIsolateFrame              *frame,
                             const PyIsolateMemoryRecord *record)
{
  guint n = frame->n_records;

  if (n < PYISOLATE_FRAME_SHORT_RECORDS ? frame->records != frame->record_room : (n & (n - 1)) == 0)
    move_records (frame, n + 1);
  frame->records[frame->n_records++] = *record;
}

/*< private >
 * @fds: (transfer full): the array and what is in it
 */
void
_pyisolate_frame_take_fds (PyIsolateFrame *frame,
                           int            *fds,
                           guint           n_fds)
{
  g_assert (frame->fds == NULL);

  frame->fds = fds;
  frame->n_fds = n_fds;
}

void
_pyisolate_frame_set_lacks_fds (PyIsolateFrame *frame)
{
  g_autofree char *reason = _pyisolate_fd_strerror (EMFILE);

  frame->lacks_fds = TRUE;
  if (frame->memory_error == NULL)
    frame->memory_error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                                       "The file descriptors of a message cannot be taken: %s", reason);
}

/*< private >
 * @memories: (transfer full): PyIsolateMemory that the body names by its index, with a function that frees them
 */
void
_pyisolate_frame_take_memories (PyIsolateFrame *frame,
                                GPtrArray      *memories)
{
  g_assert (frame->memories == NULL);

  frame->memories = memories;
}

/*< private >
 * @memory: (transfer full): the next that the body names
 */
void
_pyisolate_frame_add_memory (PyIsolateFrame  *frame,
                             PyIsolateMemory *memory)
{
  if (frame->memories == NULL)
    frame->memories = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  g_ptr_array_add (frame->memories, memory);
}

/*< private >
 * @body: the body; sunk if floating
 */
void
_pyisolate_frame_set_variant (PyIsolateFrame *frame,
                              GVariant       *body)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (body);

  g_clear_pointer (&frame->body, g_bytes_unref);
  frame->body = g_variant_get_data_as_bytes (owned);
}

/* An error of this library's domain travels by its own name. Any other travels as Failed with the domain and code in the
 * details, from which the other side makes its exception. */
PyIsolateFrame *
_pyisolate_frame_new_error (guint64       id,
                            const GError *error)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, id);
  g_auto (GVariantDict) details = G_VARIANT_DICT_INIT (NULL);
  PyIsolateError code = PYISOLATE_ERROR_FAILED;

  if (error->domain == PYISOLATE_ERROR && error->code >= 0 && error->code < PYISOLATE_N_ERRORS)
    code = (PyIsolateError) error->code;

  g_variant_dict_insert (&details, "domain", "s", g_quark_to_string (error->domain));
  g_variant_dict_insert (&details, "code", "i", error->code);

  frame->name = g_strdup (_pyisolate_error_get_dbus_name (code));
  frame->message = g_utf8_make_valid (error->message, -1);
  _pyisolate_frame_set_variant (frame, g_variant_dict_end (&details));

  return frame;
}

/* A worker that told of its own death, say, would make its host believe it. */
static gboolean
is_for_workers (PyIsolateError code)
{
  switch ((int) code)
    {
    case PYISOLATE_ERROR_FAILED:
    case PYISOLATE_ERROR_NO_SUCH_METHOD:
    case PYISOLATE_ERROR_BAD_VALUE:
    case PYISOLATE_ERROR_REMOTE_EXCEPTION:
    case PYISOLATE_ERROR_NOT_RUNNING:
    case PYISOLATE_ERROR_LIMIT:
    case PYISOLATE_ERROR_BAD_TENSOR:
      return TRUE;

    default:
      return FALSE;
    }
}

/*< private >
 * @frame: an ERROR
 * @details: its body, checked
 *
 * What a worker may name are the errors that a worker can have; the rest are this side's own to tell.
 */
GError *
_pyisolate_frame_to_error (PyIsolateFrame *frame,
                           GVariant       *details)
{
  PyIsolateError code = PYISOLATE_ERROR_BAD_MESSAGE;
  const char *message = frame->message != NULL ? frame->message : "";
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  g_autoptr (GVariant) dict = NULL;

  g_assert (frame->kind == PYISOLATE_FRAME_ERROR);

  if (!_pyisolate_error_from_dbus_name (frame->name, &code) || !is_for_workers (code))
    return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE, "An answer is no error that a worker can give: %s: %s",
                        frame->name, message);

  if (code != PYISOLATE_ERROR_REMOTE_EXCEPTION)
    return g_error_new_literal (PYISOLATE_ERROR, code, message);

  dict = g_variant_lookup_value (details, "exception", G_VARIANT_TYPE_VARDICT);
  if (dict != NULL)
    exception = _pyisolate_remote_exception_new_from_variant (dict);

  return _pyisolate_error_new_remote_exception (message, exception);
}
