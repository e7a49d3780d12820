/* SPDX-License-Identifier: MIT */
/* A pool of threads that says when nobody comes.
 *
 * Where no thread can be made, GLib's keeps what it was given until one can: that may be never, and cannot be taken back. So it
 * is given a ticket, which is void once its owner has been told to look after the matter himself. */
#include "config.h"

#include "pyisolate-pool-private.h"

typedef struct {
  gpointer data; /* atomic; NULL: void */
} Ticket;

static void
release (gpointer ticket)
{
  g_atomic_rc_box_release (ticket);
}

static gpointer
take (Ticket *ticket)
{
  return g_atomic_pointer_exchange (&ticket->data, NULL);
}

static void
run (gpointer data,
     gpointer user_data)
{
  PyIsolatePoolFunc func = (PyIsolatePoolFunc) user_data;
  gpointer taken = take (data);

  release (data);
  if (taken != NULL)
    func (taken);
}

GThreadPool *
_pyisolate_pool_new (PyIsolatePoolFunc func,
                     int               max_threads)
{
  return g_thread_pool_new_full (run, (gpointer) func, release, max_threads, FALSE, NULL);
}

gboolean
_pyisolate_pool_push (GThreadPool  *pool,
                      gpointer      data,
                      GError      **error)
{
  Ticket *ticket = g_atomic_rc_box_new (Ticket);
  g_autoptr (GError) local_error = NULL;
  gboolean given_back = FALSE;

  g_assert (data != NULL);

  ticket->data = data;
  /* One that is there comes to it, if not at once. */
  if (!g_thread_pool_push (pool, g_atomic_rc_box_acquire (ticket), &local_error) && g_thread_pool_get_num_threads (pool) == 0)
    given_back = take (ticket) != NULL;
  release (ticket);

  if (given_back)
    g_propagate_error (error, g_steal_pointer (&local_error));

  return !given_back;
}
