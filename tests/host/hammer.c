/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "hammer.h"

static gpointer
thread_main (gpointer data)
{
  HostHammer *self = data;

  self->func (self, self->data);

  g_atomic_int_inc (&self->n_done);
  g_main_context_wakeup (NULL);

  return NULL;
}

static gboolean
is_over (gpointer data)
{
  HostHammer *self = data;

  return g_atomic_int_get (&self->n_done) == (int) self->n_threads;
}

void
host_hammer_begin (HostHammer     *self,
                   guint           n_threads,
                   guint           n_rounds,
                   HostHammerFunc  func,
                   gpointer        data)
{
  g_assert_cmpuint (n_threads, <=, HOST_HAMMER_MOST_THREADS);

  self->func = func;
  self->data = data;
  self->n_threads = n_threads;
  self->n_rounds = host_wants_slow () ? n_rounds * 25 : test_util_is_slowed () ? n_rounds / 5 : n_rounds;
  for (guint i = 0; i < n_threads; i++)
    self->threads[i] = g_thread_new ("hammer", thread_main, self);
}

void
host_hammer_wait_answers (HostHammer *self,
                          int         n_more)
{
  int seen = g_atomic_int_get (&self->n_answers);

  while (g_atomic_int_get (&self->n_answers) < seen + n_more && !is_over (self))
    g_main_context_iteration (NULL, FALSE);
}

void
host_hammer_end (HostHammer *self)
{
  test_util_assert_until (is_over, self, host_wants_slow () ? 600000 : HOST_TEST_TIMEOUT_MS);
  for (guint i = 0; i < self->n_threads; i++)
    g_thread_join (self->threads[i]);
  g_test_message ("%d answers", self->n_answers);
}
