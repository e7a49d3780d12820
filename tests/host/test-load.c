/* SPDX-License-Identifier: MIT */
/* What is small beside much that is large: it waits for a call or two, not for all. */
#include "config.h"

#include "host-fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_BULK 64
#define BULK_SIZE (64 * 1024)

/* What may have been weighed before something else gets its turn: the two that wait at the gates,
 * and few more. */
#define MOST_BEFORE 6

/* Bulk calls from a context of their own. The first two wait at a gate each: when the second one
 * does, all that is read ahead has been read. */
typedef struct {
  PyIsolateExtension *extension;
  GMainContext *context;
  char *gates[2];
  GVariant *data;
  guint n_running;
} Load;

static void
on_weighed (GObject      *source,
            GAsyncResult *result,
            gpointer      user_data)
{
  Load *load = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) weight = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source),
                                                                 result, &error);

  g_assert_no_error (error);
  g_assert_cmpint (g_variant_get_int64 (weight), ==, BULK_SIZE);
  load->n_running--;
}

static void
load_begin (Load               *load,
            PyIsolateExtension *extension,
            GMainContext       *context)
{
  g_autofree char *folder = host_test_scratch ("gates");
  guint8 *data = g_malloc0 (BULK_SIZE);

  load->extension = extension;
  load->context = context;
  load->data = g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, BULK_SIZE, TRUE, g_free,
                                        data);
  g_variant_ref_sink (load->data);
  for (guint i = 0; i < G_N_ELEMENTS (load->gates); i++)
    {
      load->gates[i] = g_strdup_printf ("%s/gate-%u", folder, i);
      g_assert_no_errno (mkfifo (load->gates[i], 0600));
    }

  g_main_context_push_thread_default (context);
  for (load->n_running = 0; load->n_running < N_BULK; load->n_running++)
    {
      gboolean waits = load->n_running < G_N_ELEMENTS (load->gates);
      const char *gate = waits ? load->gates[load->n_running] : "";

      pyisolate_extension_call_async (extension, "weigh",
                                      g_variant_new ("(@ays)", load->data, gate), NULL, NULL,
                                      on_weighed, load);
    }
  g_main_context_pop_thread_default (context);
}

/* Returns when the call waits there; closing lets it go on. */
static int
reach_gate (Load  *load,
            guint  number)
{
  int fd = open (load->gates[number], O_WRONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static int
pass_first_gate (Load *load)
{
  close (reach_gate (load, 0));
  return reach_gate (load, 1);
}

static void
load_end (Load *load)
{
  while (load->n_running > 0)
    g_main_context_iteration (load->context, TRUE);

  for (guint i = 0; i < G_N_ELEMENTS (load->gates); i++)
    g_free (load->gates[i]);
  g_variant_unref (load->data);
}

static void
assert_few (GVariant *n_weighed)
{
  g_assert_cmpint (g_variant_get_int64 (n_weighed), <=, MOST_BEFORE);
}

/* A call by another lane. */
static void
test_other_lane (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "busy");
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) counted = NULL;
  g_autoptr (GVariant) n_weighed = NULL;
  Load load;
  int gate;

  host_assert_result (extension, "count", NULL, "int64 0"); /* which opens the lane */
  load_begin (&load, extension, context);
  gate = pass_first_gate (&load);
  host_begin (extension, "count", NULL, NULL, &counted);
  close (gate);
  n_weighed = host_end (extension, &counted);
  assert_few (n_weighed);

  load_end (&load);
  host_assert_result (extension, "count", NULL, "int64 64");
}

/* A call by the same lane: it passes those that have not been sent yet. */
static void
test_same_lane (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "busy");
  g_autoptr (GAsyncResult) counted = NULL;
  g_autoptr (GVariant) n_weighed = NULL;
  Load load;
  int gate;

  load_begin (&load, extension, g_main_context_default ());
  gate = pass_first_gate (&load);
  host_begin (extension, "count", NULL, NULL, &counted);
  close (gate);
  n_weighed = host_end (extension, &counted);
  assert_few (n_weighed);

  load_end (&load);
  host_assert_result (extension, "count", NULL, "int64 64");
}

static void
test_cancel (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "busy");
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GVariant) n_weighed = NULL;
  g_autoptr (GError) error = NULL;
  Load load;
  int gate;

  host_begin (extension, "sleep_and_see", "('cancel', 3600)", cancellable, &cancelled);
  host_assert_result (extension, "count", NULL, "int64 0"); /* it sleeps now */
  load_begin (&load, extension, context);
  gate = pass_first_gate (&load);
  g_cancellable_cancel (cancellable);
  g_assert_true (pyisolate_extension_ping_sync (extension, NULL, NULL)); /* which comes after it */
  close (gate);
  error = host_end_error (extension, &cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  load_end (&load);
  n_weighed = host_call (extension, "get_seen", "('cancel',)");
  assert_few (n_weighed);
}

/* What the extension's own loop has to do. */
static void
test_timer (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "busy");
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) slept = NULL;
  g_autoptr (GVariant) nothing = NULL;
  g_autoptr (GVariant) n_weighed = NULL;
  Load load;
  int gate;

  host_begin (extension, "sleep_and_see", "('timer', 0.001)", NULL, &slept);
  load_begin (&load, extension, context);
  gate = pass_first_gate (&load);
  g_usleep (5000); /* the time is over now */
  close (gate);
  nothing = host_end (extension, &slept);
  load_end (&load);
  n_weighed = host_call (extension, "get_seen", "('timer',)");
  assert_few (n_weighed);
}

/* What is gathered goes, whether its context is iterated again or not. */
static void
test_gathered (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "busy");
  g_autofree char *folder = host_test_scratch ("gates");
  g_autofree char *gate = g_build_filename (folder, "gate", NULL);
  g_autofree char *args = g_strdup_printf ("(@ay [], '%s')", gate);
  g_autoptr (GAsyncResult) counted = NULL;
  g_autoptr (GAsyncResult) weighed = NULL;
  g_autoptr (GVariant) n_weighed = NULL;
  g_autoptr (GVariant) weight = NULL;
  Load load = { .gates = { gate } };

  g_assert_no_errno (mkfifo (gate, 0600));
  /* From now on this thread's calls are gathered. */
  host_assert_result (extension, "count", NULL, "int64 0");
  host_begin (extension, "count", NULL, NULL, &counted);
  host_begin (extension, "weigh", args, NULL, &weighed);
  close (reach_gate (&load, 0));

  n_weighed = host_end (extension, &counted);
  weight = host_end (extension, &weighed);
  g_assert_cmpint (g_variant_get_int64 (weight), ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/load/other-lane", test_other_lane);
  test_util_add_func ("/pyisolate/load/same-lane", test_same_lane);
  test_util_add_func ("/pyisolate/load/cancel", test_cancel);
  test_util_add_func ("/pyisolate/load/timer", test_timer);

  test_util_add_func ("/pyisolate/load/gathered", test_gathered);

  return host_test_run ();
}
