/* SPDX-License-Identifier: MIT */
/* Threads that do something again and again at the same time, while the main context runs.
 *
 *   HostHammer hammer = HOST_HAMMER_INIT;
 *
 *   host_hammer_begin (&hammer, 6, 200, do_something_main, data);
 *   host_hammer_wait_answers (&hammer, 5);
 *   pyisolate_extension_kill (extension);
 *   host_hammer_end (&hammer);
 */
#pragma once

#include "host-fixture.h"

G_BEGIN_DECLS

#define HOST_HAMMER_MOST_THREADS 8

typedef struct _HostHammer HostHammer;

/* What one thread does, hammer->n_rounds times. */
typedef void (*HostHammerFunc) (HostHammer *hammer,
                                gpointer    data);

struct _HostHammer {
  HostHammerFunc func;
  gpointer data;
  GThread *threads[HOST_HAMMER_MOST_THREADS];
  guint n_threads;
  guint n_rounds;
  int n_done;    /* atomic */
  int n_answers; /* atomic: for the threads to count */
};

#define HOST_HAMMER_INIT { NULL, }

/* @n_rounds: of the usual test; the long one has more of them, one that is slowed fewer. */
void host_hammer_begin        (HostHammer     *self,
                               guint           n_threads,
                               guint           n_rounds,
                               HostHammerFunc  func,
                               gpointer        data);
/* Until there are so many more, unless all is over before. */
void host_hammer_wait_answers (HostHammer     *self,
                               int             n_more);
void host_hammer_end          (HostHammer     *self);

G_END_DECLS
