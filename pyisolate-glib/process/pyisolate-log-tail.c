/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-log-tail-private.h"

#include <string.h>

#define DEFAULT_MAX_LINES 200
#define DEFAULT_MAX_BYTES (64 * 1024)

struct _PyIsolateLogTail {
  guint max_lines;
  gsize max_bytes;

  GMutex lock;
  GQueue lines;    /* of char *, oldest first; guarded by lock, as is n_bytes */
  gsize n_bytes;
};

PyIsolateLogTail *
_pyisolate_log_tail_new (guint max_lines,
                         gsize max_bytes)
{
  PyIsolateLogTail *self = g_new0 (PyIsolateLogTail, 1);

  self->max_lines = max_lines > 0 ? max_lines : DEFAULT_MAX_LINES;
  self->max_bytes = max_bytes > 0 ? max_bytes : DEFAULT_MAX_BYTES;
  g_mutex_init (&self->lock);
  g_queue_init (&self->lines);
  return self;
}

void
_pyisolate_log_tail_free (PyIsolateLogTail *self)
{
  g_assert (self != NULL);

  g_queue_clear_full (&self->lines, g_free);
  g_mutex_clear (&self->lock);
  g_free (self);
}

void
_pyisolate_log_tail_append (PyIsolateLogTail *self,
                            const char       *line)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_assert (self != NULL);
  g_assert (line != NULL);

  locker = g_mutex_locker_new (&self->lock);
  g_queue_push_tail (&self->lines, g_strdup (line));
  self->n_bytes += strlen (line);
  /* The newest line stays, however long it is: what appends them bounds their length. */
  while (self->lines.length > 1 &&
         (self->lines.length > self->max_lines || self->n_bytes > self->max_bytes))
    {
      g_autofree char *oldest = g_queue_pop_head (&self->lines);

      self->n_bytes -= strlen (oldest);
    }
}

/* Oldest first. */
char **
_pyisolate_log_tail_dup_lines (PyIsolateLogTail *self)
{
  g_autoptr (GMutexLocker) locker = NULL;
  g_autoptr (GStrvBuilder) lines = g_strv_builder_new ();

  g_assert (self != NULL);

  locker = g_mutex_locker_new (&self->lock);
  for (GList *l = self->lines.head; l != NULL; l = l->next)
    g_strv_builder_add (lines, l->data);
  return g_strv_builder_end (lines);
}
