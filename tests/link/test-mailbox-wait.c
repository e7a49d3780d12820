/* SPDX-License-Identifier: MIT */
/* What waits for a main context, done by who blocks in it. */
#include "config.h"

#include "mailbox-notes.h"

#include "pyisolate-service-private.h"

static void
test_wait (void)
{
  gboolean gone;
  gboolean done = FALSE;
  g_autoptr (GMainContext) context = mailbox_notes_new_context (&gone);
  PyIsolateMailbox *mailbox;

  mailbox_notes_reset ();
  g_main_context_push_thread_default (context);
  mailbox = _pyisolate_mailbox_begin_wait ();
  mailbox_notes_post (mailbox, PYISOLATE_JOB_NOTIFICATION, 'x');
  mailbox_notes_post (mailbox, PYISOLATE_JOB_CALL, 'a');
  mailbox_notes_post_full (mailbox, PYISOLATE_JOB_CALL, (MailboxNote) { .letter = 'b', .flag = &done });
  mailbox_notes_post (mailbox, PYISOLATE_JOB_CALL, 'c');
  _pyisolate_mailbox_wait (mailbox, &done);
  mailbox_notes_assert ("ab"); /* no more than it must */
  _pyisolate_mailbox_wait (mailbox, &done);
  mailbox_notes_assert ("ab");
  _pyisolate_mailbox_end_wait (mailbox);

  /* What nobody waited for is left to the context. */
  mailbox_notes_assert ("ab");
  mailbox_notes_iterate (context);
  mailbox_notes_assert ("abxc");
  g_main_context_pop_thread_default (context);
  g_clear_pointer (&context, g_main_context_unref);
  g_assert_true (gone);
}

/* Who only blocks leaves nothing in a context that nobody will ever iterate. */
static void
test_wait_leaves_nothing (void)
{
  for (guint i = 0; i < 100; i++)
    {
      gboolean gone;
      gboolean done = FALSE;
      g_autoptr (GMainContext) context = mailbox_notes_new_context (&gone);
      PyIsolateMailbox *mailbox;

      mailbox_notes_reset ();
      g_main_context_push_thread_default (context);
      mailbox = _pyisolate_mailbox_begin_wait ();
      mailbox_notes_post_full (mailbox, PYISOLATE_JOB_CALL, (MailboxNote) { .letter = 'a', .flag = &done });
      _pyisolate_mailbox_wait (mailbox, &done);
      _pyisolate_mailbox_end_wait (mailbox);
      g_main_context_pop_thread_default (context);
      g_clear_pointer (&context, g_main_context_unref);
      g_assert_true (gone);
    }
}

typedef struct {
  PyIsolateMailbox *mailbox;
  gboolean *outer_done;
} Inner;

/* A singleton's method that blocks in a call of its own. */
static void
wait_inside (gpointer data)
{
  Inner *inner = data;
  gboolean done = FALSE;
  PyIsolateMailbox *mailbox = _pyisolate_mailbox_begin_wait ();

  g_assert_true (mailbox == inner->mailbox);
  /* What the outer one waits for comes first. */
  mailbox_notes_post_full (mailbox, PYISOLATE_JOB_CALL, (MailboxNote) { .letter = 'o', .flag = inner->outer_done });
  mailbox_notes_post_full (mailbox, PYISOLATE_JOB_CALL, (MailboxNote) { .letter = 'i', .flag = &done });
  _pyisolate_mailbox_wait (mailbox, &done);
  _pyisolate_mailbox_end_wait (mailbox);
  mailbox_notes_take (&(MailboxNote) { .letter = 'e' });
}

static void
test_nested_wait (void)
{
  gboolean gone;
  gboolean done = FALSE;
  g_autoptr (GMainContext) context = mailbox_notes_new_context (&gone);
  Inner inner = { .outer_done = &done };

  mailbox_notes_reset ();
  g_main_context_push_thread_default (context);
  inner.mailbox = _pyisolate_mailbox_begin_wait ();
  _pyisolate_mailbox_post (inner.mailbox, PYISOLATE_JOB_CALL, wait_inside, &inner, NULL);
  _pyisolate_mailbox_wait (inner.mailbox, &done);
  mailbox_notes_assert ("oie");
  _pyisolate_mailbox_end_wait (inner.mailbox);
  g_main_context_pop_thread_default (context);
  g_clear_pointer (&context, g_main_context_unref);
  g_assert_true (gone);
}

typedef struct {
  GMutex mutex;
  GCond cond;
  PyIsolateMailbox *mailbox; /* set once the thread is about to wait */
  gboolean done;
} Waiter;

static gpointer
wait_in_thread (gpointer data)
{
  Waiter *waiter = data;
  PyIsolateMailbox *mailbox = _pyisolate_mailbox_begin_wait ();

  g_mutex_lock (&waiter->mutex);
  waiter->mailbox = _pyisolate_mailbox_ref (mailbox);
  g_cond_signal (&waiter->cond);
  g_mutex_unlock (&waiter->mutex);
  _pyisolate_mailbox_wait (mailbox, &waiter->done);
  _pyisolate_mailbox_end_wait (mailbox);
  return NULL;
}

static GThread *
start_waiter (Waiter *waiter)
{
  GThread *thread = g_thread_new ("waiter", wait_in_thread, waiter);

  g_mutex_lock (&waiter->mutex);
  while (waiter->mailbox == NULL)
    g_cond_wait (&waiter->cond, &waiter->mutex);
  g_mutex_unlock (&waiter->mutex);
  return thread;
}

/* The default context is this thread's; another one that blocks must not do what is meant for it.
 * What it leaves, and what comes for it when it has gone, is not lost. */
static void
test_wait_without_context (void)
{
  g_autoptr (PyIsolateMailbox) main_mailbox = _pyisolate_mailbox_ref_for_context (NULL);
  Waiter waiter = { 0 };
  GThread *thread;

  mailbox_notes_reset ();
  g_assert_true (g_main_context_acquire (NULL));
  thread = start_waiter (&waiter);
  g_assert_true (waiter.mailbox != main_mailbox);

  mailbox_notes_post_full (main_mailbox, PYISOLATE_JOB_CALL,
             (MailboxNote) { .letter = 'm', .thread = g_thread_self () });
  mailbox_notes_post_full (waiter.mailbox, PYISOLATE_JOB_CALL, (MailboxNote) { .letter = 'w', .thread = thread });
  mailbox_notes_post_full (waiter.mailbox, PYISOLATE_JOB_NOTIFICATION,
             (MailboxNote) { .letter = 'x', .thread = g_thread_self () });
  mailbox_notes_post_full (waiter.mailbox, PYISOLATE_JOB_CALL,
             (MailboxNote) { .letter = 'W', .flag = &waiter.done, .thread = thread });
  g_thread_join (thread);
  mailbox_notes_assert ("wW");

  mailbox_notes_post_full (waiter.mailbox, PYISOLATE_JOB_CALL,
             (MailboxNote) { .letter = 'l', .thread = g_thread_self () });
  mailbox_notes_iterate (NULL);
  mailbox_notes_assert ("wWmxl");
  g_main_context_release (NULL);
  g_assert_cmpint (mailbox_notes_n_destroyed, ==, 5);
  _pyisolate_mailbox_unref (waiter.mailbox);
}

/* Also where nobody iterates the default context just now: the main thread may want to at any
 * moment. The main thread itself serves it while it blocks: a program without a loop. */
static void
test_wait_in_default_context (void)
{
  g_autoptr (PyIsolateMailbox) main_mailbox = _pyisolate_mailbox_ref_for_context (NULL);
  PyIsolateMailbox *own;
  Waiter waiter = { 0 };
  gboolean done = FALSE;
  GThread *thread = start_waiter (&waiter);

  mailbox_notes_reset ();
  g_assert_true (waiter.mailbox != main_mailbox);
  mailbox_notes_post_full (waiter.mailbox, PYISOLATE_JOB_CALL,
             (MailboxNote) { .letter = 'a', .flag = &waiter.done, .thread = thread });
  g_thread_join (thread);
  _pyisolate_mailbox_unref (waiter.mailbox);

  own = _pyisolate_mailbox_begin_wait ();
  g_assert_true (own == main_mailbox);
  mailbox_notes_post_full (main_mailbox, PYISOLATE_JOB_CALL,
             (MailboxNote) { .letter = 'b', .flag = &done, .thread = g_thread_self () });
  _pyisolate_mailbox_wait (own, &done);
  _pyisolate_mailbox_end_wait (own);
  mailbox_notes_assert ("ab");
}

static gpointer
own_default (gpointer data)
{
  g_autoptr (PyIsolateMailbox) main_mailbox = _pyisolate_mailbox_ref_for_context (NULL);
  gboolean done = FALSE;
  PyIsolateMailbox *mailbox;

  g_assert_true (g_main_context_acquire (NULL));
  mailbox = _pyisolate_mailbox_begin_wait ();
  g_assert_true (mailbox == main_mailbox);
  mailbox_notes_post_full (mailbox, PYISOLATE_JOB_CALL,
             (MailboxNote) { .letter = 'a', .flag = &done, .thread = g_thread_self () });
  _pyisolate_mailbox_wait (mailbox, &done);
  _pyisolate_mailbox_end_wait (mailbox);
  g_main_context_release (NULL);
  return NULL;
}

/* An application may run the default context's loop in a thread of its choice. */
static void
test_wait_in_thread_of_default_context (void)
{
  mailbox_notes_reset ();
  g_thread_join (g_thread_new ("loop", own_default, NULL));
  mailbox_notes_assert ("a");
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  _pyisolate_service_get_context (); /* it keeps an eventfd */
  test_util_add_func ("/pyisolate/mailbox-wait/wait", test_wait);
  test_util_add_func ("/pyisolate/mailbox-wait/wait-leaves-nothing", test_wait_leaves_nothing);
  test_util_add_func ("/pyisolate/mailbox-wait/nested-wait", test_nested_wait);
  test_util_add_func ("/pyisolate/mailbox-wait/wait-without-context", test_wait_without_context);
  test_util_add_func ("/pyisolate/mailbox-wait/wait-in-default-context", test_wait_in_default_context);
  test_util_add_func ("/pyisolate/mailbox-wait/wait-in-thread-of-default-context",
                      test_wait_in_thread_of_default_context);
  return g_test_run ();
}
