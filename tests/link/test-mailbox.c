/* SPDX-License-Identifier: MIT */
/* What waits for a main context, done by who iterates it. */
#include "config.h"

#include "mailbox-notes.h"

#include "pyisolate-mailbox-struct-private.h"
#include "pyisolate-service-private.h"

static void
test_one_for_each_context (void)
{
  gboolean gone;
  g_autoptr (GMainContext) context = mailbox_notes_new_context (&gone);
  g_autoptr (PyIsolateMailbox) by_null = _pyisolate_mailbox_ref_for_context (NULL);
  g_autoptr (PyIsolateMailbox) by_default = _pyisolate_mailbox_ref_for_context (g_main_context_default ());
  g_autoptr (PyIsolateMailbox) first = _pyisolate_mailbox_ref_for_context (context);
  g_autoptr (PyIsolateMailbox) second = _pyisolate_mailbox_ref_for_context (context);

  g_assert_true (by_null == by_default);
  g_assert_true (first == second);
  g_assert_true (first != by_null);

  g_clear_pointer (&context, g_main_context_unref);
  g_clear_pointer (&first, _pyisolate_mailbox_unref);
  g_assert_false (gone);
  g_clear_pointer (&second, _pyisolate_mailbox_unref);
  g_assert_true (gone);
}

/* In the order in which they were posted, whatever their kind, and never inside of post. */
static void
test_iteration (void)
{
  gboolean gone;
  g_autoptr (GMainContext) context = mailbox_notes_new_context (&gone);
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);

  mailbox_notes_reset ();
  mailbox_notes_post (mailbox, PYISOLATE_JOB_NOTIFICATION, 'x');
  mailbox_notes_post (mailbox, PYISOLATE_JOB_CALL, 'a');
  mailbox_notes_post (mailbox, PYISOLATE_JOB_NOTIFICATION, 'y');
  mailbox_notes_post (mailbox, PYISOLATE_JOB_CALL, 'b');
  mailbox_notes_assert ("");
  mailbox_notes_iterate (context);
  mailbox_notes_assert ("xayb");
  g_assert_cmpint (mailbox_notes_n_destroyed, ==, 4);

  g_clear_pointer (&mailbox, _pyisolate_mailbox_unref);
  g_clear_pointer (&context, g_main_context_unref);
  g_assert_true (gone);
}

static gboolean
take_note_of_other (gpointer data)
{
  mailbox_notes_take (&(MailboxNote) { .letter = 'o' });
  return G_SOURCE_REMOVE;
}

/* What a job posts is done at the next turn: a mailbox that fills itself does not keep the others
 * waiting. */
static void
test_turns (void)
{
  gboolean gone;
  g_autoptr (GMainContext) context = mailbox_notes_new_context (&gone);
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);
  g_autoptr (GSource) other = g_timeout_source_new (0);

  mailbox_notes_reset ();
  mailbox_notes_post_full (mailbox, PYISOLATE_JOB_CALL, (MailboxNote) { .letter = 'a', .then_post = mailbox });
  g_source_set_callback (other, take_note_of_other, NULL, NULL);
  g_source_attach (other, context);
  g_main_context_iteration (context, FALSE);
  mailbox_notes_assert ("ao");
  g_main_context_iteration (context, FALSE);
  mailbox_notes_assert ("aob");
}

static void
iterate_again (gpointer data)
{
  g_main_context_iteration (data, FALSE);
  mailbox_notes_take (&(MailboxNote) { .letter = 'e' });
}

/* A job that iterates its own context, as a modal dialog does: the others are done inside of it,
 * and none twice. */
static void
test_nested_iteration (void)
{
  gboolean gone;
  g_autoptr (GMainContext) context = mailbox_notes_new_context (&gone);
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);

  mailbox_notes_reset ();
  _pyisolate_mailbox_post (mailbox, PYISOLATE_JOB_CALL, iterate_again, context, NULL);
  mailbox_notes_post (mailbox, PYISOLATE_JOB_CALL, 'a');
  mailbox_notes_post (mailbox, PYISOLATE_JOB_NOTIFICATION, 'x');
  mailbox_notes_iterate (context);
  mailbox_notes_assert ("axe");
  g_assert_cmpint (mailbox_notes_n_destroyed, ==, 2);
}

/* An event loop that serves a context may not say when its turns end. Then nothing waits for that,
 * though the context was iterated before. */
static void
test_turns_of_who_serves (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);

  _pyisolate_mailbox_end_turn (mailbox);
  g_assert_true (mailbox->turn.thread == _pyisolate_lane_get_thread ());
  _pyisolate_mailbox_serve (mailbox);
  g_assert_null (mailbox->turn.thread);

  _pyisolate_mailbox_end_turn (mailbox);
  _pyisolate_mailbox_serve (mailbox);
  g_assert_true (mailbox->turn.thread == _pyisolate_lane_get_thread ());
}

/* The service thread may look for what waits while a context goes, with the last of its lanes. */
static void
test_gathered_as_context_goes (void)
{
  GMainContext *context = g_main_context_new ();
  PyIsolateMailbox *mailbox = _pyisolate_mailbox_ref_for_context (context);
  g_autoptr (GPtrArray) lanes = NULL;

  _pyisolate_mailbox_add_lane_user (mailbox);
  mailbox->turn.has_gathered = TRUE;
  _pyisolate_mailbox_unref (mailbox);
  g_main_context_unref (context);

  lanes = _pyisolate_mailbox_dup_gathered ();
  g_assert_cmpuint (lanes->len, ==, 0);
  g_assert_false (mailbox->turn.has_gathered);
  _pyisolate_mailbox_remove_lane_user (mailbox);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  _pyisolate_service_get_context (); /* it keeps an eventfd */
  test_util_add_func ("/pyisolate/mailbox/one-for-each-context", test_one_for_each_context);
  test_util_add_func ("/pyisolate/mailbox/iteration", test_iteration);
  test_util_add_func ("/pyisolate/mailbox/turns", test_turns);
  test_util_add_func ("/pyisolate/mailbox/nested-iteration", test_nested_iteration);
  test_util_add_func ("/pyisolate/mailbox/turns-of-who-serves", test_turns_of_who_serves);
  test_util_add_func ("/pyisolate/mailbox/gathered-as-context-goes", test_gathered_as_context_goes);
  return g_test_run ();
}
