/* SPDX-License-Identifier: MIT */
/* What waits for a main context, done by who iterates it or by who blocks in it; and the service
 * thread. */
#include "config.h"

#include "pyisolate-mailbox-struct-private.h"
#include "pyisolate-service-private.h"

#include "test-util.h"

#include <string.h>

#define TIMEOUT_MS 20000
#define N_THREADS 8
#define N_PER_THREAD 1000

/* What was done, in order: one letter each. */
static GMutex log_mutex;
static GString *done_log;
static guint n_destroyed; /* atomic */

typedef struct {
  char letter;
  gboolean *flag;             /* nullable, set when it is done */
  PyIsolateMailbox *then_post; /* nullable: another job, made from inside of this one */
  GThread *thread;            /* nullable: where it must be done */
} Note;

static void
reset (void)
{
  if (done_log == NULL)
    done_log = g_string_new (NULL);
  g_string_truncate (done_log, 0);
  g_atomic_int_set (&n_destroyed, 0);
}

static void
assert_done (const char *letters)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&log_mutex);

  g_assert_cmpstr (done_log->str, ==, letters);
}

static void post (PyIsolateMailbox *mailbox,
                  PyIsolateJobKind  kind,
                  char              letter);

static void
take_note (gpointer data)
{
  Note *note = data;

  if (note->thread != NULL)
    g_assert_true (note->thread == g_thread_self ());
  g_mutex_lock (&log_mutex);
  g_string_append_c (done_log, note->letter);
  g_mutex_unlock (&log_mutex);
  if (note->then_post != NULL)
    post (note->then_post, PYISOLATE_JOB_CALL, (char) (note->letter + 1));
  if (note->flag != NULL)
    *note->flag = TRUE;
}

static void
free_note (gpointer data)
{
  g_atomic_int_inc (&n_destroyed);
  g_free (data);
}

static void
post_note (PyIsolateMailbox *mailbox,
           PyIsolateJobKind  kind,
           Note              note)
{
  _pyisolate_mailbox_post (mailbox, kind, take_note, g_memdup2 (&note, sizeof note), free_note);
}

static void
post (PyIsolateMailbox *mailbox,
      PyIsolateJobKind  kind,
      char              letter)
{
  post_note (mailbox, kind, (Note) { .letter = letter });
}

static void
iterate (GMainContext *context)
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

/* With a source that is never ready, and destroyed with its context. */
static GMainContext *
new_context (gboolean *gone)
{
  static GSourceFuncs funcs = { NULL, NULL, NULL, NULL, NULL, NULL };
  GMainContext *context = g_main_context_new ();
  g_autoptr (GSource) source = g_source_new (&funcs, sizeof (GSource));

  *gone = FALSE;
  g_source_set_callback (source, never, gone, set_true);
  g_source_attach (source, context);
  return context;
}

static void
test_one_for_each_context (void)
{
  gboolean gone;
  g_autoptr (GMainContext) context = new_context (&gone);
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
  g_autoptr (GMainContext) context = new_context (&gone);
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);

  reset ();
  post (mailbox, PYISOLATE_JOB_NOTIFICATION, 'x');
  post (mailbox, PYISOLATE_JOB_CALL, 'a');
  post (mailbox, PYISOLATE_JOB_NOTIFICATION, 'y');
  post (mailbox, PYISOLATE_JOB_CALL, 'b');
  assert_done ("");
  iterate (context);
  assert_done ("xayb");
  g_assert_cmpint (n_destroyed, ==, 4);

  g_clear_pointer (&mailbox, _pyisolate_mailbox_unref);
  g_clear_pointer (&context, g_main_context_unref);
  g_assert_true (gone);
}

static gboolean
take_note_of_other (gpointer data)
{
  g_string_append_c (done_log, 'o');
  return G_SOURCE_REMOVE;
}

/* What a job posts is done at the next turn: a mailbox that fills itself does not keep the others
 * waiting. */
static void
test_turns (void)
{
  gboolean gone;
  g_autoptr (GMainContext) context = new_context (&gone);
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);
  g_autoptr (GSource) other = g_timeout_source_new (0);

  reset ();
  post_note (mailbox, PYISOLATE_JOB_CALL, (Note) { .letter = 'a', .then_post = mailbox });
  g_source_set_callback (other, take_note_of_other, NULL, NULL);
  g_source_attach (other, context);
  g_main_context_iteration (context, FALSE);
  assert_done ("ao");
  g_main_context_iteration (context, FALSE);
  assert_done ("aob");
}

static void
iterate_again (gpointer data)
{
  g_main_context_iteration (data, FALSE);
  take_note (&(Note) { .letter = 'e' });
}

/* A job that iterates its own context, as a modal dialog does: the others are done inside of it,
 * and none twice. */
static void
test_nested_iteration (void)
{
  gboolean gone;
  g_autoptr (GMainContext) context = new_context (&gone);
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (context);

  reset ();
  _pyisolate_mailbox_post (mailbox, PYISOLATE_JOB_CALL, iterate_again, context, NULL);
  post (mailbox, PYISOLATE_JOB_CALL, 'a');
  post (mailbox, PYISOLATE_JOB_NOTIFICATION, 'x');
  iterate (context);
  assert_done ("axe");
  g_assert_cmpint (n_destroyed, ==, 2);
}

static void
test_wait (void)
{
  gboolean gone;
  gboolean done = FALSE;
  g_autoptr (GMainContext) context = new_context (&gone);
  PyIsolateMailbox *mailbox;

  reset ();
  g_main_context_push_thread_default (context);
  mailbox = _pyisolate_mailbox_begin_wait ();
  post (mailbox, PYISOLATE_JOB_NOTIFICATION, 'x');
  post (mailbox, PYISOLATE_JOB_CALL, 'a');
  post_note (mailbox, PYISOLATE_JOB_CALL, (Note) { .letter = 'b', .flag = &done });
  post (mailbox, PYISOLATE_JOB_CALL, 'c');
  _pyisolate_mailbox_wait (mailbox, &done);
  assert_done ("ab"); /* no more than it must */
  _pyisolate_mailbox_wait (mailbox, &done);
  assert_done ("ab");
  _pyisolate_mailbox_end_wait (mailbox);

  /* What nobody waited for is left to the context. */
  assert_done ("ab");
  iterate (context);
  assert_done ("abxc");
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
      g_autoptr (GMainContext) context = new_context (&gone);
      PyIsolateMailbox *mailbox;

      reset ();
      g_main_context_push_thread_default (context);
      mailbox = _pyisolate_mailbox_begin_wait ();
      post_note (mailbox, PYISOLATE_JOB_CALL, (Note) { .letter = 'a', .flag = &done });
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
  post_note (mailbox, PYISOLATE_JOB_CALL, (Note) { .letter = 'o', .flag = inner->outer_done });
  post_note (mailbox, PYISOLATE_JOB_CALL, (Note) { .letter = 'i', .flag = &done });
  _pyisolate_mailbox_wait (mailbox, &done);
  _pyisolate_mailbox_end_wait (mailbox);
  take_note (&(Note) { .letter = 'e' });
}

static void
test_nested_wait (void)
{
  gboolean gone;
  gboolean done = FALSE;
  g_autoptr (GMainContext) context = new_context (&gone);
  Inner inner = { .outer_done = &done };

  reset ();
  g_main_context_push_thread_default (context);
  inner.mailbox = _pyisolate_mailbox_begin_wait ();
  _pyisolate_mailbox_post (inner.mailbox, PYISOLATE_JOB_CALL, wait_inside, &inner, NULL);
  _pyisolate_mailbox_wait (inner.mailbox, &done);
  assert_done ("oie");
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

  reset ();
  g_assert_true (g_main_context_acquire (NULL));
  thread = start_waiter (&waiter);
  g_assert_true (waiter.mailbox != main_mailbox);

  post_note (main_mailbox, PYISOLATE_JOB_CALL,
             (Note) { .letter = 'm', .thread = g_thread_self () });
  post_note (waiter.mailbox, PYISOLATE_JOB_CALL, (Note) { .letter = 'w', .thread = thread });
  post_note (waiter.mailbox, PYISOLATE_JOB_NOTIFICATION,
             (Note) { .letter = 'x', .thread = g_thread_self () });
  post_note (waiter.mailbox, PYISOLATE_JOB_CALL,
             (Note) { .letter = 'W', .flag = &waiter.done, .thread = thread });
  g_thread_join (thread);
  assert_done ("wW");

  post_note (waiter.mailbox, PYISOLATE_JOB_CALL,
             (Note) { .letter = 'l', .thread = g_thread_self () });
  iterate (NULL);
  assert_done ("wWmxl");
  g_main_context_release (NULL);
  g_assert_cmpint (n_destroyed, ==, 5);
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

  reset ();
  g_assert_true (waiter.mailbox != main_mailbox);
  post_note (waiter.mailbox, PYISOLATE_JOB_CALL,
             (Note) { .letter = 'a', .flag = &waiter.done, .thread = thread });
  g_thread_join (thread);
  _pyisolate_mailbox_unref (waiter.mailbox);

  own = _pyisolate_mailbox_begin_wait ();
  g_assert_true (own == main_mailbox);
  post_note (main_mailbox, PYISOLATE_JOB_CALL,
             (Note) { .letter = 'b', .flag = &done, .thread = g_thread_self () });
  _pyisolate_mailbox_wait (own, &done);
  _pyisolate_mailbox_end_wait (own);
  assert_done ("ab");
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
  post_note (mailbox, PYISOLATE_JOB_CALL,
             (Note) { .letter = 'a', .flag = &done, .thread = g_thread_self () });
  _pyisolate_mailbox_wait (mailbox, &done);
  _pyisolate_mailbox_end_wait (mailbox);
  g_main_context_release (NULL);
  return NULL;
}

/* An application may run the default context's loop in a thread of its choice. */
static void
test_wait_in_thread_of_default_context (void)
{
  reset ();
  g_thread_join (g_thread_new ("loop", own_default, NULL));
  assert_done ("a");
}

typedef struct {
  PyIsolateMailbox *mailbox;
  guint number;
} Poster;

typedef struct {
  guint next[N_THREADS];
  guint n_done;
  gboolean all_done;
} Counters;

typedef struct {
  Counters *counters;
  guint thread;
  guint number;
} Numbered;

static Counters counters;

static void
count (gpointer data)
{
  Numbered *numbered = data;

  g_assert_cmpuint (numbered->number, ==, numbered->counters->next[numbered->thread]);
  numbered->counters->next[numbered->thread]++;
  numbered->counters->n_done++;
  numbered->counters->all_done = numbered->counters->n_done == N_THREADS * N_PER_THREAD;
}

static gpointer
post_many (gpointer data)
{
  Poster *poster = data;

  for (guint i = 0; i < N_PER_THREAD; i++)
    {
      Numbered numbered = { &counters, poster->number, i };

      _pyisolate_mailbox_post (poster->mailbox, PYISOLATE_JOB_CALL, count,
                               g_memdup2 (&numbered, sizeof numbered), g_free);
    }
  _pyisolate_mailbox_unref (poster->mailbox);
  return NULL;
}

static void
check_many_threads (gboolean by_wait)
{
  gboolean gone;
  g_autoptr (GMainContext) context = new_context (&gone);
  PyIsolateMailbox *mailbox;
  Poster posters[N_THREADS];
  GThread *threads[N_THREADS];

  memset (&counters, 0, sizeof counters);
  g_main_context_push_thread_default (context);
  mailbox = _pyisolate_mailbox_begin_wait ();
  for (guint i = 0; i < N_THREADS; i++)
    {
      posters[i] = (Poster) { _pyisolate_mailbox_ref (mailbox), i };
      threads[i] = g_thread_new ("poster", post_many, &posters[i]);
    }
  if (by_wait)
    _pyisolate_mailbox_wait (mailbox, &counters.all_done);
  else
    test_util_assert_until (test_util_is_true, &counters.all_done, TIMEOUT_MS);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  _pyisolate_mailbox_end_wait (mailbox);
  g_main_context_pop_thread_default (context);
  g_assert_cmpuint (counters.n_done, ==, N_THREADS * N_PER_THREAD);
  iterate (context);
  g_clear_pointer (&context, g_main_context_unref);
  g_assert_true (gone);
}

static void
test_many_threads_iterated (void)
{
  check_many_threads (FALSE);
}

static void
test_many_threads_waited_for (void)
{
  check_many_threads (TRUE);
}

/* Contexts come and go, and another thread posts to each until it goes. */
static gpointer
use_contexts (gpointer data)
{
  for (guint i = 0; i < 200; i++)
    {
      gboolean gone;
      gboolean done = FALSE;
      GMainContext *context = new_context (&gone);
      PyIsolateMailbox *mailbox;

      g_main_context_push_thread_default (context);
      mailbox = _pyisolate_mailbox_begin_wait ();
      _pyisolate_mailbox_post (mailbox, PYISOLATE_JOB_CALL, set_true, &done, NULL);
      _pyisolate_mailbox_wait (mailbox, &done);
      _pyisolate_mailbox_end_wait (mailbox);
      g_main_context_pop_thread_default (context);
      g_main_context_unref (context);
      g_assert_true (gone);
    }
  return NULL;
}

static void
test_contexts_come_and_go (void)
{
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("contexts", use_contexts, NULL);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
}

typedef struct {
  GMutex mutex;
  GString *order;
  GThread *caller;
  gboolean all_done;
} Service;

typedef struct {
  Service *service;
  char letter;
} ServiceJob;

static gboolean
serve (gpointer data)
{
  ServiceJob *job = data;

  g_assert_true (_pyisolate_service_is_current ());
  g_assert_true (g_main_context_get_thread_default () == _pyisolate_service_get_context ());
  g_assert_true (g_thread_self () != job->service->caller);
  g_mutex_lock (&job->service->mutex);
  g_string_append_c (job->service->order, job->letter);
  job->service->all_done = job->letter == 'z';
  g_mutex_unlock (&job->service->mutex);
  g_main_context_wakeup (NULL);
  return G_SOURCE_REMOVE;
}

static gboolean
service_is_done (gpointer data)
{
  Service *service = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&service->mutex);

  return service->all_done;
}

/* In order, never inside of the caller, and also while the caller's own context is not iterated. */
static void
test_service (void)
{
  Service service = { .order = g_string_new (NULL), .caller = g_thread_self () };

  g_assert_false (_pyisolate_service_is_current ());
  for (char letter = 'a'; letter <= 'z'; letter++)
    {
      ServiceJob job = { &service, letter };

      _pyisolate_service_invoke (serve, g_memdup2 (&job, sizeof job), g_free);
    }
  test_util_assert_until (service_is_done, &service, TIMEOUT_MS);
  g_assert_cmpstr (service.order->str, ==, "abcdefghijklmnopqrstuvwxyz");
  g_string_free (service.order, TRUE);
  g_mutex_clear (&service.mutex);
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
  test_util_add_func ("/pyisolate/mailbox/wait", test_wait);
  test_util_add_func ("/pyisolate/mailbox/wait-leaves-nothing", test_wait_leaves_nothing);
  test_util_add_func ("/pyisolate/mailbox/nested-wait", test_nested_wait);
  test_util_add_func ("/pyisolate/mailbox/wait-without-context", test_wait_without_context);
  test_util_add_func ("/pyisolate/mailbox/wait-in-default-context", test_wait_in_default_context);
  test_util_add_func ("/pyisolate/mailbox/wait-in-thread-of-default-context",
                      test_wait_in_thread_of_default_context);
  test_util_add_func ("/pyisolate/mailbox/many-threads-iterated", test_many_threads_iterated);
  test_util_add_func ("/pyisolate/mailbox/many-threads-waited-for", test_many_threads_waited_for);
  test_util_add_func ("/pyisolate/mailbox/contexts-come-and-go", test_contexts_come_and_go);
  test_util_add_func ("/pyisolate/service/order", test_service);
  test_util_add_func ("/pyisolate/mailbox/turns-of-who-serves", test_turns_of_who_serves);
  test_util_add_func ("/pyisolate/mailbox/gathered-as-context-goes", test_gathered_as_context_goes);
  return g_test_run ();
}
