/* SPDX-License-Identifier: MIT */
/* Something small from the main thread while another one has 1,000 bulk calls of the same extension in flight. */
#include "host.h"

#include <string.h>

/* Before the first sample each bulk call has been answered about so many times. */
#define WARM_ROUNDS 2

typedef struct {
  Host *host;
  const Workload *workload;
  GVariant *args;
  GMainContext *context;
  gint n_answered;           /* atomic */
  gint stopping;             /* atomic */
  guint n_running;           /* the thread's own */
  GError *error;             /* the thread's own until it is joined */
} Load;

static void load_call (Load *load);

static void
on_bulk (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  Load *load = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source), result, &error);

  load->n_running--;
  g_atomic_int_inc (&load->n_answered);
  if (reply == NULL && load->error == NULL)
    load->error = g_steal_pointer (&error);
  else if (reply != NULL && !g_atomic_int_get (&load->stopping))
    load_call (load);
}

static void
load_call (Load *load)
{
  load->n_running++;
  pyisolate_extension_call_async (load->host->extension, "echo", load->args, NULL, NULL, on_bulk, load);
}

static gpointer
load_thread (gpointer user_data)
{
  Load *load = user_data;

  g_main_context_push_thread_default (load->context);
  for (guint i = 0; i < load->workload->count; i++)
    load_call (load);
  while (load->n_running > 0)
    g_main_context_iteration (load->context, TRUE);
  g_main_context_pop_thread_default (load->context);
  return NULL;
}

static gboolean
ping (Host     *host,
      Samples  *samples,
      GError  **error)
{
  gint64 begin = subject_now ();

  if (!pyisolate_extension_ping_sync (host->extension, NULL, error))
    return FALSE;
  samples_add (samples, subject_now () - begin);
  return TRUE;
}

static gboolean
int_call (Host     *host,
          Samples  *samples,
          GError  **error)
{
  gint64 begin = subject_now ();
  g_autoptr (GVariant) reply = host_call (host, "echo", g_variant_new ("(x)", G_GINT64_CONSTANT (1)), error);

  if (reply == NULL)
    return FALSE;
  samples_add (samples, subject_now () - begin);
  return TRUE;
}

static void
on_cancelled (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  GError **error = user_data;
  g_autoptr (GVariant) reply = pyisolate_extension_call_finish (PYISOLATE_EXTENSION (source), result, error);

  g_assert (reply == NULL && *error != NULL);
}

/* From the cancellation until the method in the worker notices, by the clock that both read. */
static gboolean
cancel (Host     *host,
        Samples  *samples,
        GError  **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GVariant) waiting = NULL;
  g_autoptr (GVariant) noticed = NULL;
  g_autoptr (GError) ended = NULL;
  gint64 begin;

  pyisolate_extension_call_async (host->extension, "wait_for_cancel", NULL, NULL, cancellable, on_cancelled, &ended);
  waiting = host_call (host, "when_waiting", NULL, error);
  if (waiting == NULL)
    return FALSE;
  begin = subject_now ();
  g_cancellable_cancel (cancellable);
  while (ended == NULL)
    g_main_context_iteration (NULL, TRUE);
  noticed = host_call (host, "when_cancelled", NULL, error);
  if (noticed == NULL)
    return FALSE;
  if (!g_variant_is_of_type (noticed, G_VARIANT_TYPE_INT64))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "a time is %s", g_variant_get_type_string (noticed));
      return FALSE;
    }
  samples_add (samples, g_variant_get_int64 (noticed) - begin);
  return TRUE;
}

gboolean
host_measure_load (Host            *self,
                   const Workload  *workload,
                   Samples         *samples,
                   GError         **error)
{
  gint64 allowed = samples->end - subject_now ();
  guint8 *data = g_malloc0 (workload->n_bytes);
  GVariant *bulk = g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, workload->n_bytes, TRUE, g_free, data);
  Load load = { .host = self, .workload = workload, .context = g_main_context_new () };
  GThread *thread;
  gboolean good = TRUE;

  load.args = g_variant_ref_sink (g_variant_new_tuple (&bulk, 1));
  thread = g_thread_new ("bulk", load_thread, &load);
  while (g_atomic_int_get (&load.n_answered) < (gint) workload->count * WARM_ROUNDS && good)
    good = int_call (self, samples, error);
  g_array_set_size (samples->nanoseconds, 0);
  samples->end = subject_now () + allowed;
  while (good && samples_want (samples))
    {
      if (g_str_equal (workload->name, "loaded-ping"))
        good = ping (self, samples, error);
      else if (g_str_equal (workload->name, "loaded-cancel"))
        good = cancel (self, samples, error);
      else
        good = int_call (self, samples, error);
    }
  g_atomic_int_set (&load.stopping, 1);
  g_thread_join (thread);
  g_main_context_unref (load.context);
  g_variant_unref (load.args);
  if (load.error == NULL)
    return good;
  if (good)
    g_propagate_error (error, load.error);
  else
    g_error_free (load.error);
  return FALSE;
}
