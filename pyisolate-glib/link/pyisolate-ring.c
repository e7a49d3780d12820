/* SPDX-License-Identifier: MIT */
/* A ring in shared memory for the messages of one direction, see the header.
 *
 * The memory is sealed, and what is in it is copied out before it is looked at. Each side has its own positions in memory of
 * its own; where the writer writes does not depend on what the reader says that it has read, but for whether there is room.
 * Positions run on and wrap around at 2^32; an empty ring begins again at its start, so that few of its pages are ever touched
 * where little waits.
 *
 * Before it waits the reader says so, and looks once more; a writer that finds it said wakes the reader, once, by the bell. */
#include "config.h"

#include "pyisolate-ring-private.h"

#include "pyisolate-bell-private.h"
#include "pyisolate-fd-private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING_SIZE ((guint32) PYISOLATE_RING_SIZE)

/* An empty ring does not go on past this. */
#define RESTART_AT ((guint32) 8 * 1024)

#define CACHE_LINE 64

/* So many bells wait to be closed only where a reader sees to that. */
#define MAX_CLOSING 16

/* In place of a size: the rest up to the end of the ring is not used. */
#define SKIP G_MAXUINT32

/* So it fits an empty ring wherever that stands. */
G_STATIC_ASSERT (PYISOLATE_RING_MAX_MESSAGE + 8 <= RING_SIZE / 2);

/* What stands before a message. */
typedef struct {
  guint32 size;
  guint32 n_sent; /* messages that went by the socket before it */
} Head;

G_STATIC_ASSERT (sizeof (Head) == 8);

typedef struct {
  /* The writer's. */
  guint32 written;
  guint32 n_sent; /* by the socket */
  guint32 ended;
  guint8 padding[CACHE_LINE - 3 * sizeof (guint32)];
  /* The reader's; the writer takes back `waiting`. */
  guint32 read;
  guint32 waiting;
  guint8 more_padding[CACHE_LINE - 2 * sizeof (guint32)];
  guint8 messages[];
} Shared;

#define SHARED_SIZE (sizeof (Shared) + RING_SIZE)

struct _PyIsolateRing {
  Shared *shared;
  guint32 at;     /* how much has been written, or read, by this side */
  guint32 n_sent; /* the same of the socket's messages */
  int wake_fd;    /* the writer's, or -1 */
  int wait_fd;    /* the reader's, or -1 */
  gboolean is_mine; /* this side has made it */
};

static int
make_memory (void)
{
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  int fd = memfd_create ("lane-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd >= 0 && (_pyisolate_set_file_size (fd, SHARED_SIZE) < 0 || fcntl (fd, F_ADD_SEALS, seals) < 0))
    _pyisolate_clear_fd (&fd);

  return fd;
}

/* A forked child does not have it: it would take part in what its parent does. */
static Shared *
map (int fd)
{
  struct stat info;
  Shared *shared;

  if (fstat (fd, &info) < 0 || info.st_size != (off_t) SHARED_SIZE)
    return NULL;

  shared = mmap (NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED)
    return NULL;

  madvise (shared, SHARED_SIZE, MADV_DONTFORK);
  return shared;
}

static PyIsolateRing *
new_of_bell (PyIsolateRingSide side,
             int               take_bell)
{
  PyIsolateRing *self = g_new0 (PyIsolateRing, 1);

  self->wake_fd = side == PYISOLATE_RING_WRITER ? take_bell : -1;
  self->wait_fd = side == PYISOLATE_RING_READER ? take_bell : -1;

  return self;
}

PyIsolateRing *
_pyisolate_ring_new (PyIsolateRingSide side,
                     int               peer_fds[PYISOLATE_RING_N_FDS])
{
  gboolean is_reader = side == PYISOLATE_RING_READER;
  PyIsolateRing *self;
  int wake_fd, wait_fd;

  /* They would be ever more. */
  if (!is_reader && _pyisolate_bell_get_n_closing () >= MAX_CLOSING)
    return NULL;
  if (!_pyisolate_bell_make (&wake_fd, &wait_fd))
    return NULL;

  self = new_of_bell (side, is_reader ? wait_fd : wake_fd);
  self->is_mine = TRUE;
  peer_fds[PYISOLATE_RING_FD_BELL] = is_reader ? wake_fd : wait_fd;
  peer_fds[PYISOLATE_RING_FD_MEMORY] = make_memory ();
  self->shared = map (peer_fds[PYISOLATE_RING_FD_MEMORY]);
  if (self->shared != NULL)
    {
      self->shared->waiting = TRUE; /* for the first message */
      return self;
    }

  for (guint i = 0; i < PYISOLATE_RING_N_FDS; i++)
    _pyisolate_clear_fd (&peer_fds[i]);
  _pyisolate_ring_free (self);
  return NULL;
}

PyIsolateRing *
_pyisolate_ring_new_of_peer (PyIsolateRingSide side,
                             const int         take_fds[PYISOLATE_RING_N_FDS])
{
  PyIsolateRing *self = new_of_bell (side, take_fds[PYISOLATE_RING_FD_BELL]);

  self->shared = map (take_fds[PYISOLATE_RING_FD_MEMORY]);
  close (take_fds[PYISOLATE_RING_FD_MEMORY]);
  if (self->shared != NULL)
    return self;

  _pyisolate_ring_free (self);
  return NULL;
}

void
_pyisolate_ring_free (PyIsolateRing *self)
{
  if (self->shared != NULL && self->wake_fd >= 0)
    _pyisolate_ring_end (self);
  if (self->shared != NULL)
    munmap (self->shared, SHARED_SIZE);
  if (self->is_mine && self->wake_fd >= 0)
    _pyisolate_bell_close_later (g_steal_fd (&self->wake_fd));
  _pyisolate_clear_fd (&self->wake_fd);
  _pyisolate_clear_fd (&self->wait_fd);
  g_free (self);
}

/* After something has been left for the reader. */
static void
wake_reader (PyIsolateRing *self)
{
  if (g_atomic_int_get (&self->shared->waiting) && g_atomic_int_compare_and_exchange (&self->shared->waiting, TRUE, FALSE))
    _pyisolate_bell_ring (self->wake_fd);
}

static guint32
size_of_entry (gsize size)
{
  return sizeof (Head) + ((size + 7) & ~(gsize) 7);
}

static void
write_head (PyIsolateRing *self,
            guint32        size)
{
  Head head = { size, self->n_sent };

  memcpy (self->shared->messages + self->at % RING_SIZE, &head, sizeof head);
}

/* How much is to be left unused before an entry of this size; *@fits: whether there is room for both. */
static guint32
find_room (PyIsolateRing *self,
           guint32        size,
           gboolean      *fits)
{
  guint32 used = self->at - (guint32) g_atomic_int_get (&self->shared->read);
  guint32 from = self->at % RING_SIZE;
  gboolean restarts = used == 0 && from >= RESTART_AT && size <= from;
  guint32 skipped = restarts || from + size > RING_SIZE ? RING_SIZE - from : 0;

  *fits = used <= RING_SIZE && skipped + size <= RING_SIZE - used;
  return skipped;
}

gboolean
_pyisolate_ring_write (PyIsolateRing      *self,
                       const struct iovec *pieces,
                       guint               n_pieces)
{
  guint32 skipped;
  gsize size = 0;
  gboolean fits;
  guint8 *to;

  for (guint i = 0; i < n_pieces; i++)
    size += pieces[i].iov_len;
  if (size > PYISOLATE_RING_MAX_MESSAGE)
    return FALSE;

  skipped = find_room (self, size_of_entry (size), &fits);
  if (!fits)
    return FALSE;

  if (skipped > 0)
    write_head (self, SKIP);
  self->at += skipped;
  write_head (self, size);
  to = self->shared->messages + self->at % RING_SIZE + sizeof (Head);
  for (guint i = 0; i < n_pieces; i++)
    {
      if (pieces[i].iov_len > 0)
        memcpy (to, pieces[i].iov_base, pieces[i].iov_len);
      to += pieces[i].iov_len;
    }
  self->at += size_of_entry (size);
  g_atomic_int_set (&self->shared->written, self->at);
  wake_reader (self);

  return TRUE;
}

void
_pyisolate_ring_note_sent (PyIsolateRing *self)
{
  g_atomic_int_set (&self->shared->n_sent, ++self->n_sent);
  wake_reader (self);
}

void
_pyisolate_ring_end (PyIsolateRing *self)
{
  g_atomic_int_set (&self->shared->ended, TRUE);
  wake_reader (self);
}

int
_pyisolate_ring_get_wake_fd (PyIsolateRing *self)
{
  return self->wake_fd;
}

/* Once: it may be something else the next time. */
static Head
peek_head (PyIsolateRing *self)
{
  const volatile guint64 *at = (gconstpointer) (self->shared->messages + self->at % RING_SIZE);
  guint64 word = *at;
  Head head;

  memcpy (&head, &word, sizeof head);
  return head;
}

/* The entry at `at`, of which so many bytes may be read. */
static PyIsolateRingState
read_entry (PyIsolateRing *self,
            guint32        available,
            guint8        *buffer,
            gsize         *size)
{
  guint32 from = self->at % RING_SIZE;
  Head head = peek_head (self);

  if (head.size > PYISOLATE_RING_MAX_MESSAGE || size_of_entry (head.size) > available ||
      from + size_of_entry (head.size) > RING_SIZE)
    return PYISOLATE_RING_BAD;
  if (head.n_sent != self->n_sent)
    return PYISOLATE_RING_SOCKET;

  memcpy (buffer, self->shared->messages + from + sizeof head, head.size);
  *size = head.size;
  self->at += size_of_entry (head.size);
  g_atomic_int_set (&self->shared->read, self->at);

  return PYISOLATE_RING_HAS;
}

/* FALSE: it is wrong. */
static gboolean
skip_rest (PyIsolateRing *self,
           guint32       *available)
{
  guint32 rest = RING_SIZE - self->at % RING_SIZE;

  if (peek_head (self).size != SKIP)
    return TRUE;
  if (rest >= *available)
    return FALSE;

  self->at += rest;
  *available -= rest;

  return TRUE;
}

/* How the next message comes, if there is one now. The order of these two matters: a message of the socket that is known was
 * sent after all that is not yet seen in the ring. */
static PyIsolateRingState
look (PyIsolateRing *self,
      guint32       *available)
{
  guint32 n_sent = (guint32) g_atomic_int_get (&self->shared->n_sent);

  *available = (guint32) g_atomic_int_get (&self->shared->written) - self->at;
  if (*available > RING_SIZE || *available % 8 != 0)
    return PYISOLATE_RING_BAD;
  if (*available > 0)
    return PYISOLATE_RING_HAS;

  return n_sent != self->n_sent ? PYISOLATE_RING_SOCKET : PYISOLATE_RING_EMPTY;
}

/* EMPTY: and the writer has been told that somebody waits. */
static PyIsolateRingState
look_or_wait (PyIsolateRing *self,
              guint32       *available)
{
  PyIsolateRingState state = look (self, available);

  if (state != PYISOLATE_RING_EMPTY)
    return state;

  g_atomic_int_set (&self->shared->waiting, TRUE);
  return look (self, available);
}

gboolean
_pyisolate_ring_is_empty (PyIsolateRing *self)
{
  guint32 available;

  return look_or_wait (self, &available) == PYISOLATE_RING_EMPTY;
}

PyIsolateRingState
_pyisolate_ring_read (PyIsolateRing *self,
                      guint8        *buffer,
                      gsize         *size)
{
  guint32 available;
  PyIsolateRingState state = look_or_wait (self, &available);

  if (state != PYISOLATE_RING_HAS)
    return state;

  return skip_rest (self, &available) ? read_entry (self, available, buffer, size) : PYISOLATE_RING_BAD;
}

void
_pyisolate_ring_note_received (PyIsolateRing *self)
{
  self->n_sent++;
}

gboolean
_pyisolate_ring_take_unread (PyIsolateRing *self,
                             guint8        *buffer,
                             gsize         *size)
{
  PyIsolateRing reader = { .shared = self->shared, .at = (guint32) g_atomic_int_get (&self->shared->read) };
  guint32 available = self->at - reader.at;

  if (self->is_mine || available == 0 || available > RING_SIZE || !skip_rest (&reader, &available))
    return FALSE;

  reader.n_sent = peek_head (&reader).n_sent; /* what the socket had in between nobody knows any more */
  return read_entry (&reader, available, buffer, size) == PYISOLATE_RING_HAS;
}

gboolean
_pyisolate_ring_is_ended (PyIsolateRing *self)
{
  return g_atomic_int_get (&self->shared->ended);
}

int
_pyisolate_ring_get_wait_fd (PyIsolateRing *self)
{
  return self->wait_fd;
}

gboolean
_pyisolate_ring_wait_for (PyIsolateRing *self,
                          int            socket_fd)
{
  return _pyisolate_bell_add_socket (self->wait_fd, socket_fd);
}

void
_pyisolate_ring_clear (PyIsolateRing *self)
{
  _pyisolate_bell_clear (self->wait_fd);
}
