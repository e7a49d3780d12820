/* SPDX-License-Identifier: MIT */
/* What goes out on a lane.
 *
 * A small frame is one system call. What the socket does not take at once waits in a queue, in order: whole messages of small
 * frames that were gathered, and large frames with what is left of them. */
#include "config.h"

#include "pyisolate-lane-struct-private.h"

#include "pyisolate-error.h"
#include "pyisolate-fd-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* A frame up to this size is copied rather than gathered by the kernel, and may share its message with others. */
#define SMALL_FRAME 2048

/* So many bytes of small frames go in one message. */
#define GATHERED_SIZE 32768

/* More small frames of one turn of a loop are not worth that the other side waits for the first of them. */
#define MAX_GATHERED 16

typedef enum {
  SENT,
  BLOCKED, /* try again when the socket can be written to */
  BROKEN,  /* with errno set */
} SendState;

typedef struct {
  /* One of these two: */
  GByteArray *gathered;  /* a message of small frames */
  PyIsolateFrame *frame; /* a large one, or one with descriptors */
  gsize sent;            /* of its payload */
  gboolean begun;
  gsize cost;
} Item;

static void
item_free (Item *item)
{
  g_clear_pointer (&item->gathered, g_byte_array_unref);
  g_clear_pointer (&item->frame, _pyisolate_frame_free);
  g_free (item);
}

void
_pyisolate_lane_send_clear (PyIsolateLane *self)
{
  g_queue_clear_full (&self->queue, (GDestroyNotify) item_free);
}

static SendState
state_of_errno (void)
{
  return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? BLOCKED : BROKEN;
}

/* In whatever pieces; with its descriptors, if it has any. */
gboolean
_pyisolate_lane_send_message (PyIsolateLane *self,
                              struct iovec  *pieces,
                              guint          n_pieces,
                              const int     *fds,
                              guint          n_fds)
{
  union {
    struct cmsghdr align;
    char buffer[CMSG_SPACE (PYISOLATE_MAX_FDS * sizeof (int))];
  } control;
  struct msghdr message = { .msg_iov = pieces, .msg_iovlen = n_pieces };
  ssize_t sent;

  if (n_fds > 0)
    {
      struct cmsghdr *cmsg;

      memset (&control, 0, CMSG_SPACE (n_fds * sizeof (int)));
      message.msg_control = control.buffer;
      message.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      cmsg = CMSG_FIRSTHDR (&message);
      cmsg->cmsg_level = SOL_SOCKET;
      cmsg->cmsg_type = SCM_RIGHTS;
      cmsg->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
      memcpy (CMSG_DATA (cmsg), fds, n_fds * sizeof (int));
    }

  do
    sent = sendmsg (self->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);

  return sent >= 0;
}

/* By the ring, or else by the socket. */
static SendState
send_pieces (PyIsolateLane *self,
             struct iovec  *pieces,
             guint          n_pieces,
             const int     *fds,
             guint          n_fds)
{
  if (self->out != NULL && n_fds == 0 && _pyisolate_ring_write (self->out, pieces, n_pieces))
    return SENT;

  if (!_pyisolate_lane_send_message (self, pieces, n_pieces, fds, n_fds))
    return state_of_errno ();
  if (self->out != NULL)
    _pyisolate_ring_note_sent (self->out);

  return SENT;
}

static SendState
send_bytes (PyIsolateLane *self,
            guint8        *data,
            gsize          size)
{
  struct iovec piece = { data, size };

  return send_pieces (self, &piece, 1, NULL, 0);
}

/* At most @size bytes of the payload, from @from on. Returns how many pieces that are. */
static guint
cut_payload (const struct iovec *payload,
             gsize               from,
             gsize               size,
             struct iovec       *pieces)
{
  guint n_pieces = 0;

  for (guint i = 0; i < PYISOLATE_LANE_N_PIECES && size > 0; i++)
    {
      gsize skipped = MIN (from, payload[i].iov_len);
      gsize length = MIN (payload[i].iov_len - skipped, size);

      from -= skipped;
      size -= length;
      if (length > 0)
        pieces[n_pieces++] = (struct iovec) { (guint8 *) payload[i].iov_base + skipped, length };
    }

  return n_pieces;
}

/* As many messages as it takes, or as the socket takes. *@sent: how much of the payload has gone; *@begun: whether the first
 * message has. */
static SendState
send_parts (PyIsolateLane            *self,
            const PyIsolateFrameView *view,
            gsize                    *sent,
            gboolean                 *begun)
{
  static const guint64 zeros = 0;
  struct iovec payload[PYISOLATE_LANE_N_PIECES];
  PyIsolateLaneHeader whole;
  gsize size;

  _pyisolate_lane_header_init (&whole, view);
  size = _pyisolate_lane_get_payload (&whole, view, payload);

  do
    {
      PyIsolateLaneHeader header = { .kind = whole.kind, .flags = PYISOLATE_LANE_CONTINUED, .id = whole.id };
      struct iovec pieces[PYISOLATE_LANE_N_PIECES + 2] = { { &header, sizeof header } };
      gsize part = MIN (size - *sent, PYISOLATE_LANE_MAX_MESSAGE - sizeof header);
      guint n_pieces;
      SendState state;

      if (!*begun)
        header = whole;
      if (*sent + part < size)
        header.flags |= PYISOLATE_LANE_MORE;
      header.part_size = part;
      n_pieces = 1 + cut_payload (payload, *sent, part, pieces + 1);
      pieces[n_pieces++] = (struct iovec) { (gpointer) &zeros, PYISOLATE_LANE_PADDING (part) };

      state = send_pieces (self, pieces, n_pieces, view->fds, *begun ? 0 : view->n_fds);
      if (state != SENT)
        return state;
      *begun = TRUE;
      *sent += part;
    }
  while (*sent < size);

  return SENT;
}

static gsize
small_size (const PyIsolateLaneHeader *header)
{
  gsize size = _pyisolate_lane_payload_size (header);

  return sizeof *header + size + PYISOLATE_LANE_PADDING (size);
}

static gboolean
is_small (const PyIsolateLaneHeader *header)
{
  return header->n_fds == 0 && small_size (header) <= SMALL_FRAME;
}

static void
put_piece (guint8      **at,
           gconstpointer data,
           gsize         size)
{
  if (size > 0)
    memcpy (*at, data, size);
  *at += size;
}

/* A whole small frame. */
static void
write_small (guint8                   *at,
             PyIsolateLaneHeader      *header,
             const PyIsolateFrameView *view)
{
  gsize size = _pyisolate_lane_payload_size (header);

  header->part_size = size;
  put_piece (&at, header, sizeof *header);
  put_piece (&at, view->chain, header->n_chain * sizeof (guint64));
  put_piece (&at, view->records, header->n_records * sizeof (PyIsolateMemoryRecord));
  put_piece (&at, view->body, header->body_size);
  put_piece (&at, view->target, header->target_size);
  put_piece (&at, view->name, header->name_size);
  put_piece (&at, view->message, header->message_size);
  memset (at, 0, PYISOLATE_LANE_PADDING (size));
}

/* What this side owes goes before it, in the same message. */
static SendState
send_small (PyIsolateLane            *self,
            PyIsolateLaneHeader      *header,
            const PyIsolateFrameView *view)
{
  guint8 message[sizeof (PyIsolateLaneHeader) + SMALL_FRAME];
  guint8 *at = message;
  SendState state;

  if (self->owed > 0)
    {
      PyIsolateLaneHeader credit = { .kind = PYISOLATE_LANE_CREDIT, .id = self->owed };

      put_piece (&at, &credit, sizeof credit);
    }
  write_small (at, header, view);

  state = send_bytes (self, message, (at - message) + small_size (header));
  if (state == SENT)
    self->owed = 0;
  return state;
}

static PyIsolateFrameView
view_of_frame (PyIsolateFrame *frame)
{
  PyIsolateFrameView view = {
    .kind = frame->kind,
    .id = frame->id,
    .chain = frame->chain,
    .n_chain = frame->n_chain,
    .records = frame->records,
    .n_records = frame->n_records,
    .target = frame->target,
    .name = frame->name,
    .message = frame->message,
    .fds = frame->fds,
    .n_fds = frame->n_fds,
  };

  if (frame->body != NULL)
    view.body = g_bytes_get_data (frame->body, &view.body_size);

  return view;
}

static SendState
send_item (PyIsolateLane *self,
           Item          *item)
{
  PyIsolateFrameView view;

  if (item->gathered != NULL)
    return send_bytes (self, item->gathered->data, item->gathered->len);

  view = view_of_frame (item->frame);
  return send_parts (self, &view, &item->sent, &item->begun);
}

/* With the lock held. */
static void
flush_locked (PyIsolateLane *self)
{
  Item *item;

  while (!self->broken && (item = g_queue_peek_head (&self->queue)) != NULL)
    {
      SendState state = send_item (self, item);

      if (state == BLOCKED)
        break;
      if (state == BROKEN)
        self->broken = TRUE;
      g_queue_pop_head (&self->queue);
      self->queued_bytes -= item->cost;
      item_free (item);
    }

  if (self->broken)
    {
      _pyisolate_lane_send_clear (self);
      self->queued_bytes = 0;
    }
  g_atomic_int_set (&self->wants_write, !g_queue_is_empty (&self->queue));
}

gboolean
_pyisolate_lane_is_answer (PyIsolateFrameKind kind)
{
  return kind == PYISOLATE_FRAME_RETURN || kind == PYISOLATE_FRAME_ERROR || kind == PYISOLATE_FRAME_CANCEL ||
         kind == PYISOLATE_FRAME_MEMORY;
}

/* Whether so much more may wait. */
static gboolean
check_room (PyIsolateLane       *self,
            PyIsolateFrameKind   kind,
            gsize                cost,
            GError             **error)
{
  gsize limit = _pyisolate_lane_is_answer (kind) ? PYISOLATE_LANE_MAX_QUEUED_ANSWERS : PYISOLATE_LANE_MAX_QUEUED;

  if (self->queued_bytes == 0 || self->queued_bytes + cost <= limit)
    return TRUE;

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
               "More than %" G_GSIZE_FORMAT " MiB wait for the other side to read them", limit >> 20);
  return FALSE;
}

static void
push_item (PyIsolateLane *self,
           Item          *item)
{
  self->queued_bytes += item->cost;
  g_queue_push_tail (&self->queue, item);
}

static void
queue_small (PyIsolateLane            *self,
             PyIsolateLaneHeader      *header,
             const PyIsolateFrameView *view)
{
  gsize size = small_size (header);
  Item *last = g_queue_peek_tail (&self->queue);

  if (last == NULL || last->gathered == NULL || last->gathered->len + size > GATHERED_SIZE)
    {
      last = g_new0 (Item, 1);
      last->gathered = g_byte_array_sized_new (size);
      push_item (self, last);
    }

  g_byte_array_set_size (last->gathered, last->gathered->len + size);
  write_small (last->gathered->data + last->gathered->len - size, header, view);
  last->cost += size;
  self->queued_bytes += size;
}

/* What this side owes goes before it. */
static void
queue_small_after_credit (PyIsolateLane            *self,
                          PyIsolateLaneHeader      *header,
                          const PyIsolateFrameView *view)
{
  if (self->owed > 0)
    {
      PyIsolateFrameView credit = { .kind = PYISOLATE_LANE_CREDIT, .id = self->owed };
      PyIsolateLaneHeader credit_header;

      _pyisolate_lane_header_init (&credit_header, &credit);
      queue_small (self, &credit_header, &credit);
      self->owed = 0;
    }

  queue_small (self, header, view);
}

/* A copy that owns what it has. NULL: a descriptor cannot be duplicated. */
static PyIsolateFrame *
copy_view (const PyIsolateFrameView *view,
           GError                  **error)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (view->kind, view->id);

  _pyisolate_frame_set_chain (frame, view->chain, view->n_chain);
  frame->records = g_memdup2 (view->records, view->n_records * sizeof *view->records);
  frame->n_records = view->n_records;
  frame->target = g_strdup (view->target);
  frame->name = g_strdup (view->name);
  frame->message = g_strdup (view->message);
  frame->body = g_bytes_new (view->body, view->body_size);
  frame->fds = g_new (int, view->n_fds);
  for (; frame->n_fds < view->n_fds; frame->n_fds++)
    {
      int fd = _pyisolate_dup_fd (view->fds[frame->n_fds], error);

      if (fd < 0)
        return NULL;
      frame->fds[frame->n_fds] = fd;
    }

  return g_steal_pointer (&frame);
}

static gboolean
queue_large (PyIsolateLane            *self,
             const PyIsolateFrameView *view,
             PyIsolateFrame          **frame,
             gsize                     sent,
             gboolean                  begun,
             GError                  **error)
{
  PyIsolateFrame *owned = frame != NULL ? g_steal_pointer (frame) : copy_view (view, error);
  Item *item;

  if (owned == NULL)
    return FALSE;

  item = g_new0 (Item, 1);
  item->frame = owned;
  item->sent = sent;
  item->begun = begun;
  item->cost = sizeof *owned + view->body_size;
  push_item (self, item);

  return TRUE;
}

static gboolean
set_closed (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "The link is closed");
  return FALSE;
}

/* The socket refused the frame, of which nothing has gone yet, with errno. */
static gboolean
refuse (PyIsolateLane *self,
        GError       **error)
{
  int saved_errno = errno;

  if (saved_errno == EPIPE || saved_errno == ECONNRESET || saved_errno == ENOTCONN)
    {
      self->broken = TRUE;
      return set_closed (error);
    }

  g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT, "A message cannot be sent: %s", g_strerror (saved_errno));
  return FALSE;
}

gconstpointer
_pyisolate_lane_get_thread (void)
{
  static _Thread_local char thread;

  return &thread;
}

/* Not the first of its turn. */
static gboolean
must_gather_locked (PyIsolateLane *self)
{
  PyIsolateTurn *turn = self->turn;
  int number;

  if (turn == NULL || g_atomic_pointer_get (&turn->thread) != _pyisolate_lane_get_thread ())
    return FALSE;

  number = g_atomic_int_get (&turn->number);
  if (self->last_turn == number)
    return TRUE;

  self->last_turn = number;
  self->n_gathered = 0;
  return FALSE;
}

/* What has been queued waits for the end of the turn, or goes because it is enough. */
static void
gather_locked (PyIsolateLane *self,
               gboolean       small)
{
  if (small && ++self->n_gathered < MAX_GATHERED)
    {
      if (g_atomic_int_compare_and_exchange (&self->turn->has_gathered, FALSE, TRUE))
        self->turn->gathered_func (self->turn->data);
      return;
    }

  self->n_gathered = 0;
  if (self->n_corks == 0)
    flush_locked (self);
}

/* With the lock held. @frame: (nullable): what owns what is in the view, stolen if it must wait. */
static gboolean
send_or_queue_locked (PyIsolateLane            *self,
                      const PyIsolateFrameView *view,
                      PyIsolateFrame          **frame,
                      GError                  **error)
{
  gboolean gathers = must_gather_locked (self);
  gboolean must_wait = gathers || self->n_corks > 0 || !g_queue_is_empty (&self->queue);
  gboolean begun = FALSE;
  PyIsolateLaneHeader header;
  SendState state = BLOCKED;
  gsize sent = 0;
  gboolean small;

  if (self->broken || g_atomic_int_get (&self->closing))
    return set_closed (error);

  _pyisolate_lane_header_init (&header, view);
  small = is_small (&header);
  if (!must_wait)
    state = small ? send_small (self, &header, view) : send_parts (self, view, &sent, &begun);
  if (state == SENT)
    return TRUE;

  if (state == BROKEN && !begun)
    return refuse (self, error);
  if (state == BROKEN) /* the reader finds out */
    {
      self->broken = TRUE;
      return TRUE;
    }

  if (!begun && !check_room (self, view->kind, small_size (&header), error))
    return FALSE;
  if (small)
    queue_small_after_credit (self, &header, view);
  else if (!queue_large (self, view, frame, sent, begun, error))
    return FALSE;
  if (gathers)
    gather_locked (self, small);
  else if (self->n_corks == 0)
    g_atomic_int_set (&self->wants_write, TRUE);

  return TRUE;
}

static gboolean
send_locked (PyIsolateLane            *self,
             const PyIsolateFrameView *view,
             PyIsolateFrame          **frame,
             GError                  **error)
{
  gsize bulk = _pyisolate_lane_get_bulk (view);

  if (!send_or_queue_locked (self, view, frame, error))
    return FALSE;

  self->in_flight += bulk;
  return TRUE;
}

/* A frame of its own, which the socket takes or not: then it goes with the next one. */
void
_pyisolate_lane_send_credit_locked (PyIsolateLane *self)
{
  PyIsolateFrameView view = { .kind = PYISOLATE_LANE_CREDIT, .id = self->owed };
  gsize owed = self->owed;

  self->owed = 0;
  if (!send_or_queue_locked (self, &view, NULL, NULL))
    self->owed = owed;
}

static gboolean
check_frame (const PyIsolateFrameView *view,
             GError                  **error)
{
  if (view->n_fds > PYISOLATE_MAX_FDS)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                   "%u file descriptors cannot travel together, only %d", view->n_fds, PYISOLATE_MAX_FDS);
      return FALSE;
    }
  if (view->body_size > PYISOLATE_LANE_MAX_BODY)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_VALUE, "A body of %" G_GSIZE_FORMAT " bytes cannot travel",
                   view->body_size);
      return FALSE;
    }

  return TRUE;
}

static gboolean
send_view (PyIsolateLane            *self,
           const PyIsolateFrameView *view,
           PyIsolateFrame          **frame,
           GError                  **error)
{
  g_autoptr (GError) own_error = NULL;
  gboolean waited, ok, is_full;

  if (!check_frame (view, error))
    return FALSE;

  g_mutex_lock (&self->send_mutex);
  waited = g_atomic_int_get (&self->wants_write);
  ok = send_locked (self, view, frame, &own_error);
  is_full = self->queued_bytes > 0;
  g_mutex_unlock (&self->send_mutex);

  if (!waited && g_atomic_int_get (&self->wants_write) && self->waiting_func != NULL)
    self->waiting_func (self, self->waiting_data);
  if (ok)
    return TRUE;

  /* An answer that cannot even wait is none that anybody gets. */
  if (_pyisolate_lane_is_answer (view->kind) && g_error_matches (own_error, PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT) && is_full)
    _pyisolate_lane_fail (self, g_error_copy (own_error));
  g_propagate_error (error, g_steal_pointer (&own_error));
  return FALSE;
}

gboolean
_pyisolate_lane_send_view (PyIsolateLane            *self,
                           const PyIsolateFrameView *view,
                           GError                  **error)
{
  return send_view (self, view, NULL, error);
}

gboolean
_pyisolate_lane_send_frame (PyIsolateLane   *self,
                            PyIsolateFrame  *frame_to_take,
                            GError         **error)
{
  g_autoptr (PyIsolateFrame) frame = frame_to_take;
  PyIsolateFrameView view = view_of_frame (frame);

  return send_view (self, &view, &frame, error);
}

void
_pyisolate_lane_cork (PyIsolateLane *self)
{
  g_mutex_lock (&self->send_mutex);
  self->n_corks++;
  g_mutex_unlock (&self->send_mutex);
}

static void
flush (PyIsolateLane *self,
       gboolean       uncork)
{
  gboolean waited;

  g_mutex_lock (&self->send_mutex);
  waited = g_atomic_int_get (&self->wants_write);
  if (uncork)
    self->n_corks--;
  if (self->n_corks == 0)
    flush_locked (self);
  g_mutex_unlock (&self->send_mutex);

  if (!waited && g_atomic_int_get (&self->wants_write) && self->waiting_func != NULL)
    self->waiting_func (self, self->waiting_data);
}

void
_pyisolate_lane_uncork (PyIsolateLane *self)
{
  flush (self, TRUE);
}

void
_pyisolate_lane_flush (PyIsolateLane *self)
{
  flush (self, FALSE);
  _pyisolate_lane_release (self);
}

gboolean
_pyisolate_lane_wants_write (PyIsolateLane *self)
{
  return g_atomic_int_get (&self->wants_write);
}

/* What a frame that is withdrawn tells of memory the other side must hear: makes one of its own of that, in its place. Returns
 * its size. */
static gsize
keep_records (guint8              *at,
              PyIsolateLaneHeader *header)
{
  gsize size = header->n_records * sizeof (PyIsolateMemoryRecord);
  PyIsolateLaneHeader rest = { .kind = PYISOLATE_FRAME_MEMORY, .n_records = header->n_records, .part_size = size };

  if (size == 0)
    return 0;

  memmove (at + sizeof rest, at + sizeof rest + header->n_chain * sizeof (guint64), size);
  memcpy (at, &rest, sizeof rest);

  return sizeof rest + size;
}

/* Cuts the frame out of a message of small ones. */
static gboolean
withdraw_gathered (PyIsolateLane *self,
                   Item          *item,
                   guint64        id)
{
  for (guint at = 0; at < item->gathered->len;)
    {
      PyIsolateLaneHeader header;
      gsize size;

      memcpy (&header, item->gathered->data + at, sizeof header);
      size = small_size (&header);
      if (header.kind == PYISOLATE_FRAME_CALL && header.id == id)
        {
          gsize kept = keep_records (item->gathered->data + at, &header);

          g_byte_array_remove_range (item->gathered, at + kept, size - kept);
          item->cost -= size - kept;
          self->queued_bytes -= size - kept;
          return TRUE;
        }
      at += size;
    }

  return FALSE;
}

/* What it tells of memory the other side must hear: for that alone it goes on. */
static void
withdraw_large (PyIsolateLane *self,
                Item          *item)
{
  PyIsolateFrameView view = view_of_frame (item->frame);

  self->in_flight -= _pyisolate_lane_get_bulk (&view);
  item->frame->kind = PYISOLATE_FRAME_MEMORY;
  item->frame->id = 0;
  item->frame->n_chain = 0;
  g_clear_pointer (&item->frame->target, g_free);
  g_clear_pointer (&item->frame->name, g_free);
  g_clear_pointer (&item->frame->body, g_bytes_unref);
  self->queued_bytes -= item->cost - sizeof *item->frame;
  item->cost = sizeof *item->frame;
}

static gboolean
withdraw_locked (PyIsolateLane *self,
                 guint64        id)
{
  if (_pyisolate_lane_withdraw_held_locked (self, id))
    return TRUE;

  for (GList *l = self->queue.head; l != NULL; l = l->next)
    {
      Item *item = l->data;
      gboolean found;

      if (item->gathered != NULL)
        found = withdraw_gathered (self, item, id);
      else
        found = item->frame->kind == PYISOLATE_FRAME_CALL && item->frame->id == id && !item->begun;
      if (!found)
        continue;

      if (item->gathered == NULL)
        withdraw_large (self, item);
      if (item->gathered == NULL ? item->frame->n_records == 0 : item->gathered->len == 0)
        {
          self->queued_bytes -= item->cost;
          g_queue_delete_link (&self->queue, l);
          item_free (item);
        }
      if (g_queue_is_empty (&self->queue))
        g_atomic_int_set (&self->wants_write, FALSE);
      return TRUE;
    }

  return FALSE;
}

/* TRUE: the other side will never see it. */
gboolean
_pyisolate_lane_withdraw (PyIsolateLane *self,
                          guint64        id)
{
  gboolean withdrawn, may_release;

  g_mutex_lock (&self->send_mutex);
  withdrawn = withdraw_locked (self, id);
  may_release = withdrawn && _pyisolate_lane_may_release_locked (self);
  g_mutex_unlock (&self->send_mutex);

  if (may_release)
    _pyisolate_lane_release_later (self);
  return withdrawn;
}
