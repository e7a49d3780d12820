/* SPDX-License-Identifier: MIT */
/* A worker that has no piece of memory left asks the host for one, and waits. */
#include "config.h"

#include "pyisolate-memory-book-struct-private.h"

#include "pyisolate-fd-limit-private.h"

#include <errno.h>

static PyIsolateMemoryRequest *
find_request_locked (PyIsolateMemoryBook *self,
                     guint64              id)
{
  for (GList *l = self->requests.head; l != NULL; l = l->next)
    {
      PyIsolateMemoryRequest *request = l->data;

      if (request->id == id)
        return request;
    }

  return NULL;
}

/*< private >
 * @refusal: the flags of the answer
 * @is_granted: as against: refused
 * @memory: (nullable): what was granted just before, or NULL: its descriptor did not come
 */
void
_pyisolate_memory_pool_answer_locked (PyIsolateMemoryBook *self,
                                      guint64              id,
                                      guint32              refusal,
                                      gboolean             is_granted,
                                      PyIsolateMemory     *memory)
{
  PyIsolateMemoryRequest *request = find_request_locked (self, id);

  if (request == NULL)
    return;

  if (memory != NULL && g_queue_remove (&self->free, memory))
    request->memory = memory;
  request->refusal = refusal;
  request->is_lost = is_granted && memory == NULL;
  request->is_answered = TRUE;
  g_cond_broadcast (&self->answered);
}

static gboolean
send_request (PyIsolateMemoryBook *self,
              guint64              id,
              gsize                size)
{
  g_autoptr (PyIsolateTransport) transport = g_weak_ref_get (&self->transport);
  const PyIsolateMemoryRecord wish = { .kind = PYISOLATE_MEMORY_REQUEST, .number = id, .argument = size };
  PyIsolateFrame *frame;

  if (transport == NULL)
    return FALSE;

  frame = _pyisolate_frame_new (PYISOLATE_FRAME_MEMORY, 0);
  _pyisolate_frame_add_record (frame, &wish);

  return _pyisolate_transport_send (transport, frame, NULL);
}

/* FALSE: nobody has answered, and nobody will. */
static gboolean
ask_once (PyIsolateMemoryBook     *self,
          gsize                    size,
          PyIsolateMemoryRequest  *request)
{
  gboolean is_sent;

  *request = (PyIsolateMemoryRequest) { 0 };
  g_mutex_lock (&_pyisolate_memory_mutex);
  request->id = ++self->last_request;
  g_queue_push_tail (&self->requests, request);
  g_mutex_unlock (&_pyisolate_memory_mutex);

  if (self->asking_func != NULL)
    self->asking_func ();
  is_sent = send_request (self, request->id, size);

  g_mutex_lock (&_pyisolate_memory_mutex);
  while (is_sent && !request->is_answered && !self->is_closed)
    g_cond_wait (&self->answered, &_pyisolate_memory_mutex);
  g_queue_remove (&self->requests, request);
  g_mutex_unlock (&_pyisolate_memory_mutex);

  return request->is_answered;
}

/* All that this side does not use is the host's again before anything that is sent from now on arrives there. */
static void
give_back_everything (PyIsolateMemoryBook *self)
{
  GSList *garbage = NULL;

  g_mutex_lock (&_pyisolate_memory_mutex);
  _pyisolate_memory_pool_empty_locked (self, &garbage);
  g_mutex_unlock (&_pyisolate_memory_mutex);
  _pyisolate_memory_free_garbage (garbage);

  /* It waits for another thread that is about to tell something. */
  _pyisolate_memory_book_send_news (self);
}

static void
set_refusal_error (GError                       **error,
                   const PyIsolateMemoryRequest  *request,
                   gsize                          size)
{
  g_autofree char *own_limit = NULL;
  const char *reason = "its shared-memory-limit is reached";

  if (request->is_lost)
    reason = own_limit = _pyisolate_fd_strerror (EMFILE);
  else if (request->refusal & PYISOLATE_MEMORY_RECORD_NO_FDS)
    reason = "it has no file descriptors left for that; raise the limit of the host's process (RLIMIT_NOFILE, ulimit -n), or "
             "let go of some arrays";
  else if (request->refusal & PYISOLATE_MEMORY_RECORD_NO_MEMORY)
    reason = "its system has no memory for that";

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT, "%s %" G_GSIZE_FORMAT " bytes of shared memory: %s",
               request->is_lost ? "The extension's process cannot take" : "The host gives no", size, reason);
}

PyIsolateMemory *
_pyisolate_memory_pool_ask (PyIsolateMemoryBook  *self,
                            gsize                 size,
                            GError              **error)
{
  PyIsolateMemoryRequest request;
  gboolean is_answered = ask_once (self, size, &request);

  /* What the host lacks may be what this side has and does not use, or is about to give back. */
  if (is_answered && request.memory == NULL)
    {
      give_back_everything (self);
      is_answered = ask_once (self, size, &request);
    }

  if (request.memory == NULL && is_answered)
    set_refusal_error (error, &request, size);
  else if (request.memory == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "The link to the host is closed");

  return request.memory;
}
