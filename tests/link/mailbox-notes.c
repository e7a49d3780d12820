/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "mailbox-notes.h"

static GMutex log_mutex;
static GString *done_log;
guint mailbox_notes_n_destroyed;

void
mailbox_notes_reset (void)
{
  if (done_log == NULL)
    done_log = g_string_new (NULL);
  g_string_truncate (done_log, 0);
  g_atomic_int_set (&mailbox_notes_n_destroyed, 0);
}

void
mailbox_notes_assert (const char *letters)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&log_mutex);

  g_assert_cmpstr (done_log->str, ==, letters);
}

void
mailbox_notes_take (gpointer data)
{
  MailboxNote *note = data;

  if (note->thread != NULL)
    g_assert_true (note->thread == g_thread_self ());
  g_mutex_lock (&log_mutex);
  g_string_append_c (done_log, note->letter);
  g_mutex_unlock (&log_mutex);
  if (note->then_post != NULL)
    mailbox_notes_post (note->then_post, PYISOLATE_JOB_CALL, (char) (note->letter + 1));
  if (note->flag != NULL)
    *note->flag = TRUE;
}

static void
free_note (gpointer data)
{
  g_atomic_int_inc (&mailbox_notes_n_destroyed);
  g_free (data);
}

void
mailbox_notes_post_full (PyIsolateMailbox *mailbox,
                         PyIsolateJobKind  kind,
                         MailboxNote       note)
{
  _pyisolate_mailbox_post (mailbox, kind, mailbox_notes_take, g_memdup2 (&note, sizeof note), free_note);
}

void
mailbox_notes_post (PyIsolateMailbox *mailbox,
                    PyIsolateJobKind  kind,
                    char              letter)
{
  mailbox_notes_post_full (mailbox, kind, (MailboxNote) { .letter = letter });
}

void
mailbox_notes_iterate (GMainContext *context)
{
  while (g_main_context_iteration (context, FALSE))
    ;
}

static void
set_true (gpointer data)
{
  *(gboolean *) data = TRUE;
}

static gboolean
never (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

GMainContext *
mailbox_notes_new_context (gboolean *gone)
{
  static GSourceFuncs funcs = { NULL, NULL, NULL, NULL, NULL, NULL };
  GMainContext *context = g_main_context_new ();
  g_autoptr (GSource) source = g_source_new (&funcs, sizeof (GSource));

  *gone = FALSE;
  g_source_set_callback (source, never, gone, set_true);
  g_source_attach (source, context);
  return context;
}
