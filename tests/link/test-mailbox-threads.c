/* SPDX-License-Identifier: MIT */
/* Many threads that post into mailboxes; and the service thread. */
#include "config.h"

#include "mailbox-notes.h"

#include "pyisolate-service-private.h"

#define N_THREADS 8
#define N_PER_THREAD 1000

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
  g_autoptr (GMainContext) context = mailbox_notes_new_context (&gone);
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
    test_util_assert_until (test_util_is_true, &counters.all_done, MAILBOX_TIMEOUT_MS);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  _pyisolate_mailbox_end_wait (mailbox);
  g_main_context_pop_thread_default (context);
  g_assert_cmpuint (counters.n_done, ==, N_THREADS * N_PER_THREAD);
  mailbox_notes_iterate (context);
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

static void
set_true (gpointer data)
{
  *(gboolean *) data = TRUE;
}

/* Contexts come and go, and another thread posts to each until it goes. */
static gpointer
use_contexts (gpointer data)
{
  for (guint i = 0; i < 200; i++)
    {
      gboolean gone;
      gboolean done = FALSE;
      GMainContext *context = mailbox_notes_new_context (&gone);
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
  test_util_assert_until (service_is_done, &service, MAILBOX_TIMEOUT_MS);
  g_assert_cmpstr (service.order->str, ==, "abcdefghijklmnopqrstuvwxyz");
  g_string_free (service.order, TRUE);
  g_mutex_clear (&service.mutex);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  _pyisolate_service_get_context (); /* it keeps an eventfd */
  test_util_add_func ("/pyisolate/mailbox-threads/many-threads-iterated", test_many_threads_iterated);
  test_util_add_func ("/pyisolate/mailbox-threads/many-threads-waited-for", test_many_threads_waited_for);
  test_util_add_func ("/pyisolate/mailbox-threads/contexts-come-and-go", test_contexts_come_and_go);
  test_util_add_func ("/pyisolate/service/order", test_service);
  return g_test_run ();
}
