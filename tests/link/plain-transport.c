/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plain-transport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FDS 253 /* of one message, in the kernel */

struct _PlainTransport {
  PyIsolateTransport parent_instance;

  int fd;
  GAsyncQueue *outgoing; /* of PyIsolateFrame */
  GThread *writer;

  GMutex mutex;
  gboolean closed;
  GError *reason;
};

typedef struct {
  guint64 id;
  guint32 kind;
  guint32 n_chain;
  guint32 target_size; /* of strings: with their NUL, 0 for NULL */
  guint32 name_size;
  guint32 message_size;
  guint32 body_size;
  guint32 n_fds;
  guint32 n_records;
} Header;

G_DEFINE_FINAL_TYPE (PlainTransport, plain_transport, PYISOLATE_TYPE_TRANSPORT)

/* In the queue it means: no more. */
static PyIsolateFrame end_of_queue;

static gboolean
write_all (int           fd,
           gconstpointer data,
           gsize         size)
{
  const guint8 *bytes = data;

  while (size > 0)
    {
      ssize_t n = send (fd, bytes, size, MSG_NOSIGNAL);

      if (n < 0 && errno != EINTR)
        return FALSE;
      if (n > 0)
        {
          bytes += n;
          size -= n;
        }
    }
  return TRUE;
}

static gboolean
read_all (int      fd,
          gpointer data,
          gsize    size)
{
  guint8 *bytes = data;

  while (size > 0)
    {
      ssize_t n = recv (fd, bytes, size, 0);

      if (n == 0 || (n < 0 && errno != EINTR))
        return FALSE;
      if (n > 0)
        {
          bytes += n;
          size -= n;
        }
    }
  return TRUE;
}

/* The descriptors go beside the header's first byte. */
static gboolean
write_header (int             fd,
              const Header   *header,
              PyIsolateFrame *frame)
{
  union {
    struct cmsghdr align;
    char buffer[CMSG_SPACE (MAX_FDS * sizeof (int))];
  } control;
  struct iovec part = { (gpointer) header, 1 };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

  if (frame->n_fds > 0)
    {
      struct cmsghdr *cmsg;

      g_assert (frame->n_fds <= MAX_FDS);
      memset (&control, 0, sizeof control);
      message.msg_control = control.buffer;
      message.msg_controllen = CMSG_SPACE (frame->n_fds * sizeof (int));
      cmsg = CMSG_FIRSTHDR (&message);
      cmsg->cmsg_level = SOL_SOCKET;
      cmsg->cmsg_type = SCM_RIGHTS;
      cmsg->cmsg_len = CMSG_LEN (frame->n_fds * sizeof (int));
      memcpy (CMSG_DATA (cmsg), frame->fds, frame->n_fds * sizeof (int));
    }

  if (TEMP_FAILURE_RETRY (sendmsg (fd, &message, MSG_NOSIGNAL)) != 1)
    return FALSE;

  return write_all (fd, (const guint8 *) header + 1, sizeof *header - 1);
}

static guint32
string_size (const char *string)
{
  return string != NULL ? strlen (string) + 1 : 0;
}

static gboolean
write_frame (int             fd,
             PyIsolateFrame *frame)
{
  gsize body_size = 0;
  gconstpointer body = frame->body != NULL ? g_bytes_get_data (frame->body, &body_size) : NULL;
  Header header = {
    .id = frame->id,
    .kind = frame->kind,
    .n_chain = frame->n_chain,
    .target_size = string_size (frame->target),
    .name_size = string_size (frame->name),
    .message_size = string_size (frame->message),
    .body_size = body_size,
    .n_fds = frame->n_fds,
    .n_records = frame->n_records,
  };

  return write_header (fd, &header, frame) &&
         write_all (fd, frame->chain, header.n_chain * sizeof (guint64)) &&
         write_all (fd, frame->target, header.target_size) &&
         write_all (fd, frame->name, header.name_size) &&
         write_all (fd, frame->message, header.message_size) &&
         write_all (fd, body, body_size) &&
         write_all (fd, frame->records, header.n_records * sizeof *frame->records);
}

static gboolean
take_control (struct msghdr  *message,
              PyIsolateFrame *frame)
{
  struct cmsghdr *cmsg = CMSG_FIRSTHDR (message);
  guint n_fds;

  if (cmsg == NULL)
    return TRUE;
  if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
    return FALSE;

  n_fds = (cmsg->cmsg_len - CMSG_LEN (0)) / sizeof (int);
  _pyisolate_frame_take_fds (frame, g_memdup2 (CMSG_DATA (cmsg), n_fds * sizeof (int)), n_fds);
  return TRUE;
}

static gboolean
read_header (int             fd,
             Header         *header,
             PyIsolateFrame *frame)
{
  union {
    struct cmsghdr align;
    char buffer[CMSG_SPACE (MAX_FDS * sizeof (int))];
  } control;
  struct iovec part = { header, 1 };
  struct msghdr message = {
    .msg_iov = &part,
    .msg_iovlen = 1,
    .msg_control = control.buffer,
    .msg_controllen = sizeof control.buffer,
  };

  if (TEMP_FAILURE_RETRY (recvmsg (fd, &message, MSG_CMSG_CLOEXEC)) != 1)
    return FALSE;

  return take_control (&message, frame) && read_all (fd, (guint8 *) header + 1, sizeof *header - 1) &&
         header->n_fds == frame->n_fds;
}

static gboolean
read_string (int     fd,
             guint32 size,
             char  **string)
{
  if (size == 0)
    return TRUE;

  *string = g_malloc (size);
  return read_all (fd, *string, size) && (*string)[size - 1] == '\0';
}

static PyIsolateFrame *
read_frame (int fd)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, 0);
  g_autofree guint64 *chain = NULL;
  g_autofree guint8 *body = NULL;
  Header header;

  if (!read_header (fd, &header, frame))
    return NULL;
  frame->kind = (PyIsolateFrameKind) header.kind;
  frame->id = header.id;

  chain = g_new (guint64, header.n_chain);
  if (!read_all (fd, chain, header.n_chain * sizeof (guint64)) ||
      !read_string (fd, header.target_size, &frame->target) ||
      !read_string (fd, header.name_size, &frame->name) ||
      !read_string (fd, header.message_size, &frame->message))
    return NULL;
  _pyisolate_frame_set_chain (frame, chain, header.n_chain);

  body = g_malloc (header.body_size);
  if (!read_all (fd, body, header.body_size))
    return NULL;
  frame->body = g_bytes_new_take (g_steal_pointer (&body), header.body_size);

  frame->records = g_new (PyIsolateMemoryRecord, header.n_records);
  frame->n_records = header.n_records;
  if (!read_all (fd, frame->records, header.n_records * sizeof *frame->records))
    return NULL;

  return g_steal_pointer (&frame);
}

static gpointer
write_queue (gpointer data)
{
  PlainTransport *self = data;
  gboolean ok = TRUE;
  PyIsolateFrame *frame;

  while ((frame = g_async_queue_pop (self->outgoing)) != &end_of_queue)
    {
      ok = ok && write_frame (self->fd, frame);
      _pyisolate_frame_free (frame);
    }
  return NULL;
}

static gpointer
read_until_end (gpointer data)
{
  g_autoptr (PlainTransport) self = data;
  g_autoptr (GError) reason = NULL;
  PyIsolateFrame *frame;

  while ((frame = read_frame (self->fd)) != NULL)
    _pyisolate_transport_emit_frame (PYISOLATE_TRANSPORT (self), frame);

  g_mutex_lock (&self->mutex);
  self->closed = TRUE;
  reason = g_steal_pointer (&self->reason);
  g_async_queue_push (self->outgoing, &end_of_queue);
  g_mutex_unlock (&self->mutex);

  shutdown (self->fd, SHUT_RDWR); /* the writer must not wait for who does not read any more */
  g_thread_join (self->writer);
  close (self->fd);
  self->fd = -1;
  _pyisolate_transport_emit_closed (PYISOLATE_TRANSPORT (self), reason);
  return NULL;
}

static void
plain_transport_start (PyIsolateTransport *transport)
{
  PlainTransport *self = PLAIN_TRANSPORT (transport);

  self->writer = g_thread_new ("plain-writer", write_queue, self);
  g_thread_unref (g_thread_new ("plain-reader", read_until_end, g_object_ref (self)));
}

static gboolean
plain_transport_send (PyIsolateTransport  *transport,
                      PyIsolateFrame      *frame,
                      GError             **error)
{
  PlainTransport *self = PLAIN_TRANSPORT (transport);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (self->closed)
    {
      _pyisolate_frame_free (frame);
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "The link is closed");
      return FALSE;
    }

  g_async_queue_push (self->outgoing, frame);
  return TRUE;
}

static void
plain_transport_close (PyIsolateTransport *transport,
                       const GError       *reason)
{
  PlainTransport *self = PLAIN_TRANSPORT (transport);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (self->closed)
    return;
  if (self->reason == NULL && reason != NULL)
    self->reason = g_error_copy (reason);
  shutdown (self->fd, SHUT_RDWR); /* the reader does the rest */
}

static void
plain_transport_finalize (GObject *object)
{
  PlainTransport *self = PLAIN_TRANSPORT (object);

  if (self->fd >= 0) /* it was never started */
    close (self->fd);
  g_async_queue_unref (self->outgoing);
  g_clear_error (&self->reason);
  g_mutex_clear (&self->mutex);

  G_OBJECT_CLASS (plain_transport_parent_class)->finalize (object);
}

static void
plain_transport_class_init (PlainTransportClass *klass)
{
  PyIsolateTransportClass *transport_class = PYISOLATE_TRANSPORT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = plain_transport_finalize;
  transport_class->start = plain_transport_start;
  transport_class->send = plain_transport_send;
  transport_class->close = plain_transport_close;
}

static void
plain_transport_init (PlainTransport *self)
{
  self->outgoing = g_async_queue_new ();
  g_mutex_init (&self->mutex);
}

PyIsolateTransport *
plain_transport_new (int take_fd)
{
  PlainTransport *self = g_object_new (PLAIN_TYPE_TRANSPORT, NULL);

  self->fd = take_fd;
  return PYISOLATE_TRANSPORT (self);
}
