/* SPDX-License-Identifier: MIT */
/* Jobs in mailboxes that note what was done, in order: one letter each. */
#pragma once

#include "pyisolate-mailbox-private.h"

#include "test-util.h"

G_BEGIN_DECLS

#define MAILBOX_TIMEOUT_MS 60000

typedef struct {
  char letter;
  gboolean *flag;              /* nullable, set when it is done */
  PyIsolateMailbox *then_post; /* nullable: another job, made from inside of this one */
  GThread *thread;             /* nullable: where it must be done */
} MailboxNote;

extern guint mailbox_notes_n_destroyed; /* atomic */

void          mailbox_notes_reset       (void);
void          mailbox_notes_assert      (const char       *letters);
void          mailbox_notes_post        (PyIsolateMailbox *mailbox,
                                         PyIsolateJobKind  kind,
                                         char              letter);
void          mailbox_notes_post_full   (PyIsolateMailbox *mailbox,
                                         PyIsolateJobKind  kind,
                                         MailboxNote       note);
/* A job; @data: a MailboxNote */
void          mailbox_notes_take        (gpointer          data);
void          mailbox_notes_iterate     (GMainContext     *context);
/* With a source that is never ready, and destroyed with its context: then *gone is set. */
GMainContext *mailbox_notes_new_context (gboolean         *gone);

G_END_DECLS
