/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-memory-private.h"
#include "pyisolate-transport-private.h"

G_BEGIN_DECLS

/* One side's book of the shared memory of a link: which pieces the other side has, how often it was given each, what waits
 * to be given back. On the host's side it is also the link's pool. Any of it may be called from any thread. */

PyIsolateMemoryBook *_pyisolate_memory_book_new_host   (guint64               limit);
PyIsolateMemoryBook *_pyisolate_memory_book_new_worker (void);
/* Called before a thread waits for the other side's grant. */
void                 _pyisolate_memory_book_set_asking_func (PyIsolateMemoryBook *self,
                                                             void               (*func) (void));
PyIsolateMemoryBook *_pyisolate_memory_book_ref        (PyIsolateMemoryBook  *self);
void                 _pyisolate_memory_book_unref      (PyIsolateMemoryBook  *self);
void                 _pyisolate_memory_book_attach     (PyIsolateMemoryBook  *self,
                                                        GMainContext         *context,
                                                        PyIsolateTransport   *transport);
/* The other side is gone: all that it had is free. */
void                 _pyisolate_memory_book_close      (PyIsolateMemoryBook  *self);

/* A piece of the pool. In a worker it waits for the host's grant if there is none: not with the GIL held. */
PyIsolateMemory     *_pyisolate_memory_book_allocate   (PyIsolateMemoryBook  *self,
                                                        gsize                 size,
                                                        PyIsolateMemoryFlags  flags,
                                                        GError              **error);

/* For who sends a body with the GIL held: whether there is no piece for it; and to wait for one, without the GIL, which stays
 * until it is used. FALSE: it was refused, or the link is closed. */
gboolean             _pyisolate_memory_book_lacks      (PyIsolateMemoryBook  *self,
                                                        gsize                 body_size);
gboolean             _pyisolate_memory_book_stock      (PyIsolateMemoryBook  *self,
                                                        gsize                 body_size);

/* For a transport. */
gboolean             _pyisolate_memory_book_has_news   (PyIsolateMemoryBook  *self);
gboolean             _pyisolate_memory_book_fill       (PyIsolateMemoryBook  *self,
                                                        PyIsolateFrame       *frame,
                                                        GError              **error);
/* More descriptors than can travel together: those of memory go in frames of their own before it, which this gives one by
 * one. NULL: there is nothing to be sent first. */
PyIsolateFrame      *_pyisolate_memory_book_split      (PyIsolateFrame       *frame);
void                 _pyisolate_memory_book_unfill     (PyIsolateMemoryBook  *self,
                                                        const PyIsolateMemoryRecord *records,
                                                        guint                 n_records);
gboolean             _pyisolate_memory_book_take       (PyIsolateMemoryBook  *self,
                                                        PyIsolateFrame       *frame,
                                                        GError              **error);

typedef struct {
  guint64 size;      /* of the pool: in use, granted and free */
  guint64 free_size; /* of it, what nobody uses */
  guint n_entries;   /* pieces that the other side has, or may still have mapped */
  guint64 n_passed;  /* references that the other side has not given back */
  guint64 n_in_flight;
  guint64 n_asked; /* worker: how often it had to ask for a piece */
} PyIsolateMemoryStatus;

void                 _pyisolate_memory_book_get_status (PyIsolateMemoryBook   *self,
                                                        PyIsolateMemoryStatus *status);

/* For PyIsolateMemory. */
/* Lets go of what all pools of this process have that nobody uses. FALSE: there was nothing. */
gboolean             _pyisolate_memory_pools_let_go       (void);
gboolean             _pyisolate_memory_book_keep_locked   (PyIsolateMemory    *memory,
                                                           GSList            **garbage);
void                 _pyisolate_memory_book_forget_locked (PyIsolateMemory    *memory);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateMemoryBook, _pyisolate_memory_book_unref)

G_END_DECLS
