/* SPDX-License-Identifier: MIT */
/* Lines from a pipe, without a thread, and without trust in the writer.
 *
 * One dispatch reads once. The source's priority is that of idle work, so that a writer who never
 * pauses takes turns with everything else in the context, and waits (its pipe is full) while that
 * is busy. What is held here is at most one line.
 */
#include "config.h"

#include "pyisolate-output-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 16384

struct _PyIsolateOutput {
  int fd;                     /* -1 after its end */
  GSource *source;
  PyIsolateOutputFunc func;
  gpointer user_data;

  char line[PYISOLATE_OUTPUT_MAX_LINE];
  gsize length;
  gboolean was_cut;           /* the line goes on after a piece that was delivered */
};

static void
deliver (PyIsolateOutput *self,
         gsize            length)
{
  /* NULs are replaced too. */
  g_autofree char *line = g_utf8_make_valid (self->line, (gssize) length);

  self->length -= length;
  memmove (self->line, self->line + length, self->length);
  self->func (line, self->user_data);
}

/* Where to cut a full line so that no character is broken. What is not UTF-8 is cut anywhere. */
static gsize
find_cut (PyIsolateOutput *self)
{
  for (gsize back = 1; back <= 4; back++)
    {
      guchar byte = (guchar) self->line[self->length - back];

      if (byte < 0x80)
        return self->length;
      if (byte >= 0xc0)
        {
          gsize needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;

          return needed > back ? self->length - back : self->length;
        }
    }
  return self->length;
}

/* What a carriage return takes back to the beginning is written over, as the states of a progress bar are: a line is
 * what a terminal shows when it ends. FALSE: there is no such return. */
static gboolean
drop_overwritten (PyIsolateOutput *self,
                  gsize            length)
{
  const char *last = memrchr (self->line, '\r', length);

  if (last == NULL)
    return FALSE;

  self->length -= (gsize) (last + 1 - self->line);
  memmove (self->line, last + 1, self->length);

  return TRUE;
}

static void
deliver_line (PyIsolateOutput *self)
{
  gboolean was_cut = self->was_cut;

  self->was_cut = FALSE;
  if (was_cut && self->length == 0)
    return;
  /* As written for a terminal or by a program from another system. */
  while (self->length > 0 && self->line[self->length - 1] == '\r')
    self->length--;
  drop_overwritten (self, self->length);
  deliver (self, self->length);
}

static void
add_bytes (PyIsolateOutput *self,
           const char      *bytes,
           gsize            n_bytes)
{
  while (n_bytes > 0)
    {
      const char *newline = memchr (bytes, '\n', n_bytes);
      gsize n = newline != NULL ? (gsize) (newline - bytes) : n_bytes;
      gsize room = sizeof self->line - self->length;
      gsize taken = MIN (n, room);

      memcpy (self->line + self->length, bytes, taken);
      self->length += taken;
      bytes += taken;
      n_bytes -= taken;
      if (taken == n && newline != NULL)
        {
          bytes++;
          n_bytes--;
          deliver_line (self);
        }
      /* The last byte may be half of a line's end. */
      else if (self->length == sizeof self->line && !drop_overwritten (self, self->length - 1))
        {
          self->was_cut = TRUE;
          deliver (self, find_cut (self));
        }
    }
}

static void
end (PyIsolateOutput *self)
{
  if (self->source != NULL)
    {
      g_source_destroy (self->source);
      g_clear_pointer (&self->source, g_source_unref);
    }
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
  if (self->length > 0)
    deliver_line (self);
}

/* Returns how many bytes there were; 0: no more for now; -1: no more ever. */
static gssize
read_once (PyIsolateOutput *self)
{
  char bytes[READ_SIZE];
  gssize n;

  do
    n = read (self->fd, bytes, sizeof bytes);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN)
    return 0;
  if (n <= 0)
    return -1;
  add_bytes (self, bytes, (gsize) n);
  return n;
}

static gboolean
on_readable (int          fd,
             GIOCondition condition,
             gpointer     user_data)
{
  PyIsolateOutput *self = user_data;

  if (read_once (self) >= 0)
    return G_SOURCE_CONTINUE;
  end (self);
  return G_SOURCE_REMOVE;
}

/* The function must not free the reader. */
PyIsolateOutput *
_pyisolate_output_new (int                  take_fd,
                       PyIsolateOutputFunc  func,
                       gpointer             user_data)
{
  PyIsolateOutput *self;

  g_assert (take_fd >= 0);
  g_assert (func != NULL);

  self = g_new0 (PyIsolateOutput, 1);
  self->fd = take_fd;
  self->func = func;
  self->user_data = user_data;
  if (!g_unix_set_fd_nonblocking (take_fd, TRUE, NULL))
    g_assert_not_reached ();
  return self;
}

/* From now on lines are delivered in that context. */
void
_pyisolate_output_start (PyIsolateOutput *self,
                         GMainContext    *context)
{
  g_assert (self != NULL);
  g_assert (self->fd >= 0 && self->source == NULL);

  self->source = g_unix_fd_source_new (self->fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_priority (self->source, G_PRIORITY_DEFAULT_IDLE);
  g_source_set_static_name (self->source, "[pyisolate] output of a process");
  g_source_set_callback (self->source, G_SOURCE_FUNC (on_readable), self, NULL);
  g_source_attach (self->source, context);
}

/* Delivers what is in the pipe, and the last line even if it is not a whole one. For a writer
 * that is gone: all that it wrote is in the pipe by now. Should another process hold the pipe
 * open, and write, this takes no more than a pipe holds. */
void
_pyisolate_output_drain (PyIsolateOutput *self)
{
  gssize left;
  gssize n;

  g_assert (self != NULL);

  if (self->fd < 0)
    return;
  left = fcntl (self->fd, F_GETPIPE_SZ);
  do
    {
      n = read_once (self);
      left -= n;
    }
  while (n > 0 && left > 0);
  end (self);
}

void
_pyisolate_output_free (PyIsolateOutput *self)
{
  g_assert (self != NULL);

  /* Without this a partial line would be delivered to somebody who is being taken down. */
  self->length = 0;
  end (self);
  g_free (self);
}
