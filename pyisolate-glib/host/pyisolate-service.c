/* SPDX-License-Identifier: MIT */
/* The service thread.
 *
 * Processes are spawned from it, because on a kernel without pidfds a launcher learns of its host's
 * end by a signal that is bound to the thread that spawned it; and the exit of a process, its
 * output, deadlines and the grace period of a stop are watched on it, so that an application whose
 * own loop is busy, or that has none, still has well-kept extensions. One serves all managers. It
 * starts with the first use and ends with the process. */
#include "config.h"

#include "pyisolate-service-private.h"

static gpointer
service_main (gpointer data)
{
  GMainContext *context = data;
  g_autoptr (GMainLoop) loop = g_main_loop_new (context, FALSE);

  g_main_context_push_thread_default (context);
  g_main_loop_run (loop);
  g_main_context_pop_thread_default (context);

  return NULL;
}

static gpointer
start_service (gpointer data)
{
  GMainContext *context = g_main_context_new ();

  g_thread_unref (g_thread_new ("pyisolate", service_main, context));

  return context;
}

GMainContext *
_pyisolate_service_get_context (void)
{
  static GOnce once = G_ONCE_INIT;

  return g_once (&once, start_service, NULL);
}

gboolean
_pyisolate_service_is_current (void)
{
  return g_main_context_is_owner (_pyisolate_service_get_context ());
}

/* Runs @func in the service thread, never inside of this call. */
void
_pyisolate_service_invoke (GSourceFunc    func,
                           gpointer       data,
                           GDestroyNotify destroy)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, data, destroy);
  g_source_set_static_name (source, "[pyisolate] service");
  g_source_attach (source, _pyisolate_service_get_context ());
}
