/* SPDX-License-Identifier: MIT */
/* What an extension's signals will say, while the home context is busy. */
#include "config.h"

#include "pyisolate-outbox-private.h"

#include "pyisolate-call.h"
#include "pyisolate-error.h"
#include "pyisolate-exit-reason-private.h"
#include "pyisolate-extension-private.h"
#include "pyisolate-service-private.h"

#include "test-util.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#define MAX_LOG 4096
#define MAX_EVENTS 65536
#define N_THREADS 8
#define N_PER_THREAD 500

typedef struct {
  PyIsolateExtension *extension;
  PyIsolateOutbox *outbox;
  GMainContext *context;
} Fixture;

/* What was told, a line each. */
static GPtrArray *told;
static PyIsolateOutbox *refill; /* nullable: posted to from inside */
static GMainContext *modal;     /* nullable: iterated from inside, once */

static void
tell (PyIsolateExtension  *extension,
      const PyIsolateNews *news)
{
  char *line = NULL;

  switch (news->kind)
    {
    case PYISOLATE_NEWS_LOG:
      line = g_strdup_printf ("log %d %s: %s", news->level, news->name, news->text);
      break;

    case PYISOLATE_NEWS_EVENT:
      line = g_strdup_printf ("event %s %u", news->name, g_variant_get_uint32 (news->value));
      break;

    case PYISOLATE_NEWS_PROGRESS:
      line = g_strdup_printf ("progress %s %.1f %s", pyisolate_call_get_method (news->call),
                              news->fraction, news->text);
      break;

    case PYISOLATE_NEWS_EXITED:
      line = g_strdup ("exited");
      break;

    case PYISOLATE_NEWS_NOTIFY:
    default:
      line = g_strdup_printf ("notify %s", news->property->name);
      break;
    }
  g_ptr_array_add (told, line);

  if (modal != NULL)
    {
      GMainContext *context = g_steal_pointer (&modal);

      while (g_main_context_iteration (context, FALSE))
        ;
      g_ptr_array_add (told, g_strdup ("closed"));
    }
  if (refill != NULL)
    {
      PyIsolateNews *again = _pyisolate_news_new (PYISOLATE_NEWS_EVENT);

      again->name = g_strdup ("again");
      again->value = g_variant_ref_sink (g_variant_new_uint32 (told->len));
      g_assert_true (_pyisolate_outbox_post (refill, extension, again));
    }
}

static Fixture *
fixture_new (void)
{
  Fixture *fixture = g_new0 (Fixture, 1);
  g_autoptr (PyIsolateMailbox) home = NULL;
  PyIsolateExtensionConfig *config = pyisolate_extension_config_new ("name", "/module");

  told = g_ptr_array_new_with_free_func (g_free);
  fixture->context = g_main_context_new ();
  home = _pyisolate_mailbox_ref_for_context (fixture->context);
  fixture->extension = _pyisolate_extension_new (config, "/state",
                                                 g_hash_table_new (g_str_hash, g_str_equal), home);
  fixture->outbox = _pyisolate_outbox_new (home, tell);
  return fixture;
}

static void
fixture_free (Fixture *fixture)
{
  gpointer weak = fixture->extension;

  g_object_add_weak_pointer (G_OBJECT (fixture->extension), &weak);
  g_clear_object (&fixture->extension);
  while (g_main_context_iteration (fixture->context, FALSE))
    ;
  g_assert_null (weak);
  _pyisolate_outbox_free (fixture->outbox);
  g_main_context_unref (fixture->context);
  g_clear_pointer (&told, g_ptr_array_unref);
  g_free (fixture);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

static gboolean
post_log (Fixture *fixture,
          guint    number)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_LOG);

  news->level = 20;
  news->name = g_strdup ("logger");
  news->text = g_strdup_printf ("%u", number);
  return _pyisolate_outbox_post (fixture->outbox, fixture->extension, news);
}

static gboolean
post_event (Fixture *fixture,
            guint    number)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_EVENT);

  news->name = g_strdup ("event");
  news->value = g_variant_ref_sink (g_variant_new_uint32 (number));
  return _pyisolate_outbox_post (fixture->outbox, fixture->extension, news);
}

static gboolean
post_notify (Fixture    *fixture,
             const char *property)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_NOTIFY);

  news->property = g_object_class_find_property (G_OBJECT_GET_CLASS (fixture->extension), property);
  return _pyisolate_outbox_post (fixture->outbox, fixture->extension, news);
}

static gboolean
post_exited (Fixture *fixture)
{
  PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_EXITED);

  news->reason = _pyisolate_exit_reason_new (PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL, FALSE, FALSE,
                                             NULL);
  return _pyisolate_outbox_post (fixture->outbox, fixture->extension, news);
}

static void
deliver (Fixture *fixture)
{
  while (g_main_context_iteration (fixture->context, FALSE))
    ;
}

static void
assert_told (guint       index,
             const char *line)
{
  g_assert_cmpuint (index, <, told->len);
  g_assert_cmpstr (g_ptr_array_index (told, index), ==, line);
}

static void
test_order (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  PyIsolateNews *progress = _pyisolate_news_new (PYISOLATE_NEWS_PROGRESS);

  progress->call = pyisolate_call_new ("method");
  progress->fraction = 0.5;
  progress->text = g_strdup ("half");

  g_assert_true (post_notify (fixture, "state"));
  g_assert_true (post_log (fixture, 1));
  g_assert_true (post_event (fixture, 2));
  g_assert_true (_pyisolate_outbox_post (fixture->outbox, fixture->extension, progress));
  g_assert_true (post_notify (fixture, "pid"));
  g_assert_true (post_exited (fixture));
  g_assert_cmpuint (told->len, ==, 0);
  deliver (fixture);
  assert_told (0, "notify state");
  assert_told (1, "log 20 logger: 1");
  assert_told (2, "event event 2");
  assert_told (3, "progress method 0.5 half");
  assert_told (4, "notify pid");
  assert_told (5, "exited");
  g_assert_cmpuint (told->len, ==, 6);
}

/* A property's listeners read its value: once is enough. */
static void
test_notify_once (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();

  for (guint i = 0; i < 1000; i++)
    {
      g_assert_true (post_notify (fixture, "state"));
      g_assert_true (post_notify (fixture, "pid"));
    }
  deliver (fixture);
  g_assert_cmpuint (told->len, ==, 2);
  g_assert_true (post_notify (fixture, "state"));
  deliver (fixture);
  g_assert_cmpuint (told->len, ==, 3);
}

/* The newest lines stay, and it is told how many did not. */
static void
test_log_flood (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();

  g_assert_true (post_event (fixture, 7));
  for (guint i = 0; i < MAX_LOG + 1000; i++)
    g_assert_true (post_log (fixture, i));
  g_assert_true (post_exited (fixture));
  deliver (fixture);

  assert_told (0, "log 30 pyisolate: 1000 lines of the log were dropped, because nobody read them in time");
  assert_told (1, "event event 7");
  assert_told (2, "log 20 logger: 1000");
  assert_told (MAX_LOG + 1, "log 20 logger: 5095");
  assert_told (MAX_LOG + 2, "exited");
  g_assert_cmpuint (told->len, ==, MAX_LOG + 3);

  /* There is room again, and nothing more to tell of. */
  g_assert_true (post_log (fixture, 1));
  deliver (fixture);
  g_assert_cmpuint (told->len, ==, MAX_LOG + 4);
}

/* Events are never dropped in silence: what does not fit is refused. */
/* Of the processor's time, which nothing else on the machine makes longer. */
static double
time_log_behind (guint n_events)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  struct timespec before, after;

  for (guint i = 0; i < n_events; i++)
    g_assert_true (post_event (fixture, i));
  for (guint i = 0; i < MAX_LOG; i++)
    g_assert_true (post_log (fixture, i));

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &before);
  for (guint i = 0; i < 2 * MAX_LOG; i++)
    g_assert_true (post_log (fixture, i));
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &after);

  return (after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec) / 1e9;
}

/* It is taken in on the thread that keeps the time of all extensions. */
static void
test_log_behind_events (void)
{
  double alone = G_MAXDOUBLE;
  double behind = G_MAXDOUBLE;

  for (guint i = 0; i < 5; i++)
    {
      alone = MIN (alone, time_log_behind (0));
      behind = MIN (behind, time_log_behind (MAX_EVENTS));
    }
  g_test_message ("%.3f ms, behind events %.3f ms", alone * 1000, behind * 1000);
  g_assert_cmpfloat (behind, <, 50 * alone);
}

static void
test_event_flood (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();

  for (guint i = 0; i < MAX_EVENTS; i++)
    g_assert_true (post_event (fixture, i));
  g_assert_false (post_event (fixture, MAX_EVENTS));
  /* That is about events alone. */
  g_assert_true (post_log (fixture, 1));
  g_assert_true (post_notify (fixture, "state"));
  g_assert_true (post_exited (fixture));
  deliver (fixture);
  g_assert_cmpuint (told->len, ==, MAX_EVENTS + 3);
  for (guint i = 0; i < MAX_EVENTS; i += 1000)
    {
      g_autofree char *line = g_strdup_printf ("event event %u", i);

      assert_told (i, line);
    }
  g_assert_true (post_event (fixture, 0));
}

static gboolean
stop_refilling (gpointer data)
{
  if (told->len < 3)
    return G_SOURCE_CONTINUE;

  refill = NULL;
  return G_SOURCE_REMOVE;
}

/* A handler that causes more news with each of them does not keep the context's other sources
 * waiting. */
static void
test_turns (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (GSource) other = g_timeout_source_new (0);

  g_source_set_callback (other, stop_refilling, NULL, NULL);
  g_source_attach (other, fixture->context);
  refill = fixture->outbox;
  g_assert_true (post_event (fixture, 0));
  deliver (fixture);
  g_assert_null (refill);
  g_assert_cmpuint (told->len, <=, 5);
}

/* A handler that runs a main loop, as a modal dialog does: the rest is told inside of it, and in
 * order. */
static void
test_nested_loop (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();

  modal = fixture->context;
  for (guint i = 0; i < 3; i++)
    g_assert_true (post_event (fixture, i));
  deliver (fixture);
  assert_told (0, "event event 0");
  assert_told (1, "event event 1");
  assert_told (2, "event event 2");
  assert_told (3, "closed");
  g_assert_cmpuint (told->len, ==, 4);
}

typedef struct {
  Fixture *fixture;
  guint number;
} Poster;

static gpointer
post_many (gpointer data)
{
  Poster *poster = data;

  for (guint i = 0; i < N_PER_THREAD; i++)
    {
      PyIsolateNews *news = _pyisolate_news_new (PYISOLATE_NEWS_EVENT);

      news->name = g_strdup_printf ("%u", poster->number);
      news->value = g_variant_ref_sink (g_variant_new_uint32 (i));
      g_assert_true (_pyisolate_outbox_post (poster->fixture->outbox, poster->fixture->extension,
                                             news));
      post_notify (poster->fixture, "state");
      post_log (poster->fixture, i);
    }
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  Poster posters[N_THREADS];
  GThread *threads[N_THREADS];
  guint next[N_THREADS] = { 0 };

  for (guint i = 0; i < N_THREADS; i++)
    {
      posters[i] = (Poster) { fixture, i };
      threads[i] = g_thread_new ("poster", post_many, &posters[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    {
      deliver (fixture);
      g_thread_join (threads[i]);
    }
  deliver (fixture);

  for (guint i = 0; i < told->len; i++)
    {
      guint thread, number;

      if (sscanf (g_ptr_array_index (told, i), "event %u %u", &thread, &number) == 2)
        {
          g_assert_cmpuint (number, ==, next[thread]);
          next[thread]++;
        }
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_assert_cmpuint (next[i], ==, N_PER_THREAD);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  _pyisolate_service_get_context (); /* it keeps an eventfd */
  test_util_add_func ("/pyisolate/outbox/order", test_order);
  test_util_add_func ("/pyisolate/outbox/notify-once", test_notify_once);
  test_util_add_func ("/pyisolate/outbox/log-flood", test_log_flood);
  test_util_add_func ("/pyisolate/outbox/log-behind-events", test_log_behind_events);
  test_util_add_func ("/pyisolate/outbox/event-flood", test_event_flood);
  test_util_add_func ("/pyisolate/outbox/turns", test_turns);
  test_util_add_func ("/pyisolate/outbox/nested-loop", test_nested_loop);
  test_util_add_func ("/pyisolate/outbox/threads", test_threads);
  return g_test_run ();
}
