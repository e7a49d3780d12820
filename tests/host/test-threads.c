/* SPDX-License-Identifier: MIT */
/* Threads that do at the same time all that may be done from any thread, while the main context
 * runs. */
#include "config.h"

#include "hammer.h"

#include <string.h>

#define N_THREADS 6

typedef struct {
  HostHammer base;
  PyIsolateExtension *extensions[2];
  gboolean may_fail; /* they are being ended meanwhile */
} Hammer;

typedef struct {
  Hammer *hammer;
  GRand *rand;
  guint n_pending;
} Hand;

static void
check_error (Hammer       *hammer,
             const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
      g_error_matches (error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT))
    return;
  if (hammer->may_fail && error->domain == PYISOLATE_ERROR &&
      (error->code == PYISOLATE_ERROR_NOT_RUNNING || error->code == PYISOLATE_ERROR_KILLED))
    return;
  /* What was cancelled by a stop may tell so itself. */
  if (hammer->may_fail && g_error_matches (error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED))
    return;

  g_error ("%s, %d: %s", g_quark_to_string (error->domain), error->code, error->message);
}

static void
check_echo (Hammer   *hammer,
            GVariant *value,
            GError   *error)
{
  if (value == NULL)
    {
      check_error (hammer, error);
      g_error_free (error);
      return;
    }

  g_assert_true (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64));
  g_atomic_int_inc (&hammer->base.n_answers);
  g_variant_unref (value);
}

static void
on_echoed (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  Hand *hand = data;
  GError *error = NULL;
  GVariant *value = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source), result, &error);

  hand->n_pending--;
  check_echo (hand->hammer, value, error);
}

static void
on_pinged (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  Hand *hand = data;
  g_autoptr (GError) error = NULL;

  hand->n_pending--;
  if (!pyisolate_extension_ping_finish (PYISOLATE_EXTENSION (source), result, &error))
    check_error (hand->hammer, error);
}

static void
call_sync (Hand               *hand,
           PyIsolateExtension *extension)
{
  GError *error = NULL;
  GVariant *value;

  value = pyisolate_extension_call_sync (extension, "call",
                                         g_variant_new ("(ssi)", "db", "echo", 5), NULL, NULL,
                                         &error);
  check_echo (hand->hammer, value, error);
}

static void
call_async (Hand               *hand,
            PyIsolateExtension *extension,
            gboolean            cancelled)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  hand->n_pending++;
  pyisolate_extension_call_async (extension, "call", g_variant_new ("(ssi)", "db", "echo", 5), NULL,
                                  cancellable, on_echoed, hand);
  if (cancelled)
    g_cancellable_cancel (cancellable);
}

static void
call_with_deadline (Hand               *hand,
                    PyIsolateExtension *extension)
{
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("call");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;

  pyisolate_call_set_args (call, g_variant_new ("(ssi)", "db", "echo", 5));
  pyisolate_call_set_timeout (call, g_rand_int_range (hand->rand, 0, 4));
  result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);
  if (result == NULL)
    check_error (hand->hammer, error);
}

static void
look (PyIsolateExtension *extension)
{
  g_auto (GStrv) tail = pyisolate_extension_dup_log_tail (extension);
  g_autoptr (GError) error = pyisolate_extension_dup_last_error (extension);

  g_assert_cmpint (pyisolate_extension_get_state (extension), >=,
                   PYISOLATE_EXTENSION_STATE_RUNNING);
  g_assert_cmpint (pyisolate_extension_get_pid (extension), >=, 0);
  pyisolate_extension_get_memory_usage (extension);
  g_assert_nonnull (pyisolate_extension_get_name (extension));
  g_assert_nonnull (pyisolate_extension_get_state_directory (extension));
  g_assert_nonnull (pyisolate_extension_config_get_name (pyisolate_extension_get_config (extension)));
}

static void
ping (Hand               *hand,
      PyIsolateExtension *extension)
{
  g_autoptr (GError) error = NULL;

  if (!pyisolate_extension_ping_sync (extension, NULL, &error))
    check_error (hand->hammer, error);
}

static void
do_something (Hand *hand)
{
  PyIsolateExtension *extension = hand->hammer->extensions[g_rand_int_range (hand->rand, 0, 2)];

  switch (g_rand_int_range (hand->rand, 0, 7))
    {
    case 0:
      call_sync (hand, extension);
      break;

    case 1:
      call_async (hand, extension, FALSE);
      break;

    case 2:
      call_async (hand, extension, TRUE);
      break;

    case 3:
      call_with_deadline (hand, extension);
      break;

    case 4:
      ping (hand, extension);
      break;

    case 5:
      hand->n_pending++;
      pyisolate_extension_ping_async (extension, NULL, on_pinged, hand);
      break;

    default:
      look (extension);
      break;
    }
}

static void
hammer_main (HostHammer *base,
             gpointer    data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Hand hand = { data, g_rand_new (), 0 };

  g_main_context_push_thread_default (context);
  for (guint i = 0; i < base->n_rounds; i++)
    {
      do_something (&hand);
      g_main_context_iteration (context, FALSE);
    }
  while (hand.n_pending > 0)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
  g_rand_free (hand.rand);
}

static gpointer
answer (gpointer data)
{
  g_autoptr (PyIsolateInvocation) invocation = data;
  GVariant *args = pyisolate_invocation_get_args (invocation);
  g_autoptr (GVariant) value = g_variant_get_child_value (args, 0);

  if (g_cancellable_is_cancelled (pyisolate_invocation_get_cancellable (invocation)))
    pyisolate_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                               "cancelled");
  else
    pyisolate_invocation_return_value (invocation, value);

  return NULL;
}

/* Answered here, or by a thread of the pool. */
static void
on_echo (PyIsolateProxiedSingleton *singleton,
         PyIsolateInvocation       *invocation,
         gpointer                   pool)
{
  static int count;

  if (g_atomic_int_add (&count, 1) % 2 == 0)
    g_thread_pool_push (pool, g_object_ref (invocation), NULL);
  else
    answer (g_object_ref (invocation));
}

static void
answer_in_pool (gpointer data,
                gpointer user_data)
{
  answer (data);
}

/* A call that was given up may still come while everything is being dropped: the pool lasts as long
 * as the singleton. */
static void
free_pool (gpointer pool)
{
  g_thread_pool_free (pool, FALSE, FALSE);
}

typedef enum {
  END_NOT,
  END_BY_STOP,
  END_BY_KILL,
} EndBy;

static void
load_both (HostTest    *test,
           Hammer      *hammer,
           GThreadPool *pool)
{
  const char *const files[] = { "client", "aclient" };
  const char *apis[] = { "db", NULL };
  g_autoptr (PyIsolateProxiedSingleton) db = pyisolate_proxied_singleton_new ();

  g_assert_true (pyisolate_proxied_singleton_add_method (db, "echo", "i", NULL, on_echo, pool,
                                                         free_pool, NULL));
  g_assert_true (pyisolate_extension_manager_add_singleton (test->manager, "db", db, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      PyIsolateExtensionConfig *config = host_config (files[i], files[i]);

      pyisolate_extension_config_set_apis (config, apis);
      hammer->extensions[i] = host_test_load_config (test, config);
    }
}

static void
test_hammer (gconstpointer data)
{
  EndBy how = (EndBy) GPOINTER_TO_INT (data);
  g_autoptr (HostTest) test = host_test_new ();
  GThreadPool *pool = g_thread_pool_new (answer_in_pool, NULL, 2, FALSE, NULL);
  Hammer hammer = { HOST_HAMMER_INIT, { NULL, }, how != END_NOT };

  load_both (test, &hammer, pool);
  for (guint i = 0; i < G_N_ELEMENTS (hammer.extensions); i++)
    g_object_ref (hammer.extensions[i]);
  host_hammer_begin (&hammer.base, N_THREADS, 200, hammer_main, &hammer);

  for (guint i = 0; i < G_N_ELEMENTS (hammer.extensions) && how != END_NOT; i++)
    {
      PyIsolateExtension *extension = hammer.extensions[i];

      host_hammer_wait_answers (&hammer.base, 5); /* in the middle of it */
      if (how == END_BY_KILL)
        pyisolate_extension_kill (extension);
      else
        g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
    }

  host_hammer_end (&hammer.base);
  if (how == END_NOT)
    g_assert_cmpint (hammer.base.n_answers, >, 0);
  for (guint i = 0; i < G_N_ELEMENTS (hammer.extensions); i++)
    g_object_unref (hammer.extensions[i]);
  host_test_drop_manager (test);
}

static gpointer
stop_it (gpointer extension)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, &error));
  g_assert_no_error (error);

  return NULL;
}

static gpointer
kill_it (gpointer extension)
{
  pyisolate_extension_kill (extension);

  return NULL;
}

/* Several stop it and kill it at once: all of them come back. */
static void
test_ends (void)
{
  g_autoptr (HostTest) test = host_test_new ();

  for (guint i = 0; i < (host_wants_slow () ? 100u : 5u); i++)
    {
      PyIsolateExtension *extension = host_test_load (test, "basic");
      GThread *threads[6];

      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        threads[j] = g_thread_new ("end", (j + i) % 3 == 0 ? kill_it : stop_it, extension);
      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        g_thread_join (threads[j]);
      g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
      g_assert_cmpint (pyisolate_extension_get_state (extension), >=,
                       PYISOLATE_EXTENSION_STATE_STOPPED);
    }
}

static PyIsolateExtension *
begin_load (HostTest      *test,
            GAsyncResult **result)
{
  g_autoptr (PyIsolateExtensionConfig) config = host_config ("basic", "basic");

  pyisolate_extension_manager_load_extension_async (test->manager, config, NULL, host_store, result);
  return pyisolate_extension_manager_get_extension (test->manager, "basic");
}

typedef struct {
  PyIsolateExtension *extension;
  int over; /* atomic */
} Watch;

static gpointer
watch_main (gpointer data)
{
  Watch *watch = data;

  while (!g_atomic_int_get (&watch->over))
    {
      g_auto (GStrv) tail = pyisolate_extension_dup_log_tail (watch->extension);

      pyisolate_extension_get_memory_usage (watch->extension);
      pyisolate_extension_get_pid (watch->extension);
      pyisolate_extension_get_state (watch->extension);
    }

  return NULL;
}

/* What may be asked at any time may be asked while it starts and ends. */
static void
test_watch (void)
{
  g_autoptr (HostTest) test = host_test_new ();

  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (PyIsolateExtension) extension = NULL;
      Watch watch = { begin_load (test, &result), FALSE };
      GThread *thread = g_thread_new ("watch", watch_main, &watch);

      host_wait_result (&result);
      extension = pyisolate_extension_manager_load_extension_finish (test->manager, result, NULL);
      g_assert_true (extension == watch.extension);
      g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
      g_atomic_int_set (&watch.over, TRUE);
      g_thread_join (thread);
    }
}

static gpointer
kill_at_some_time (gpointer extension)
{
  g_usleep ((gulong) g_random_int_range (0, 100000));
  pyisolate_extension_kill (extension);

  return NULL;
}

/* At whatever moment of its loading it is killed: it ends. */
static void
test_kill_while_loading (void)
{
  g_autoptr (HostTest) test = host_test_new ();

  for (guint i = 0; i < (host_wants_slow () ? 200u : 10u); i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (PyIsolateExtension) extension = g_object_ref (begin_load (test, &result));
      g_autoptr (PyIsolateExtension) loaded = NULL;
      g_autoptr (GError) error = NULL;
      GThread *thread = g_thread_new ("kill", kill_at_some_time, extension);

      host_wait_result (&result);
      loaded = pyisolate_extension_manager_load_extension_finish (test->manager, result, &error);
      if (loaded == NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
      g_thread_join (thread);
      host_wait_state (extension, PYISOLATE_EXTENSION_STATE_FAILED);
    }
}

static gpointer
run_manager (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  HostTest *test;
  PyIsolateExtension *extension;

  g_main_context_push_thread_default (context);
  test = host_test_new ();
  extension = host_test_load (test, "basic");
  host_assert_result (extension, "add", "(1, 2)", "int64 3");
  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  host_test_free (test);
  g_main_context_pop_thread_default (context);

  return NULL;
}

/* A manager of each thread's own, with its context. */
static void
test_managers (void)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("manager", run_manager, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

/* The last reference goes in another thread than that of the manager. */
static gpointer
drop_it (gpointer extension)
{
  g_object_unref (extension);

  return NULL;
}

static void
test_drop_elsewhere (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = g_object_ref (host_test_load (test, "basic"));
  int pid = pyisolate_extension_get_pid (extension);

  g_assert_true (pyisolate_extension_stop_sync (extension, NULL, NULL));
  g_assert_true (pyisolate_extension_manager_remove_extension (test->manager, "basic", NULL));
  g_thread_join (g_thread_new ("drop", drop_it, extension));
  g_assert_false (test_util_process_is_alive (pid));
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_data_func ("/pyisolate/threads/hammer", GINT_TO_POINTER (END_NOT), test_hammer);
  test_util_add_data_func ("/pyisolate/threads/hammer-and-stop", GINT_TO_POINTER (END_BY_STOP),
                           test_hammer);
  test_util_add_data_func ("/pyisolate/threads/hammer-and-kill", GINT_TO_POINTER (END_BY_KILL),
                           test_hammer);
  test_util_add_func ("/pyisolate/threads/ends", test_ends);
  test_util_add_func ("/pyisolate/threads/watch", test_watch);
  test_util_add_func ("/pyisolate/threads/kill-while-loading", test_kill_while_loading);
  test_util_add_func ("/pyisolate/threads/managers", test_managers);
  test_util_add_func ("/pyisolate/threads/drop-elsewhere", test_drop_elsewhere);

  return host_test_run ();
}
