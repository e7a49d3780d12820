/* SPDX-License-Identifier: MIT */
/* Between the files of a book: pyisolate-memory-book.c has its life, -send.c and -receive.c its two directions, and
 * pyisolate-memory-pool.c what nobody uses; by pyisolate-memory-ask.c a worker gets more. Everything here is guarded by the
 * one mutex. */
#pragma once

#include "pyisolate-memory-book-private.h"

G_BEGIN_DECLS

/* Making a larger one takes too long for the thread in which the other frames arrive. */
#define PYISOLATE_MEMORY_SMALL_WISH ((guint64) 1024 * 1024)

/* A piece on a link. Both sides know it by its number, which is never used twice. */
struct _PyIsolateMemoryEntry {
  PyIsolateMemoryEntry *next; /* of the same piece, on another link */
  PyIsolateMemoryBook *book;
  PyIsolateMemory *memory; /* referenced while `passed` or `in_flight` is more than 0 */
  guint64 number;

  guint64 passed;      /* host: references that the worker has */
  gboolean is_known;   /* host: the worker has said that it has the descriptor */
  gboolean for_worker; /* host: the worker asked for one like that; it may want it again */
  gboolean is_granted; /* host: the worker has it, and has not used it yet */

  guint64 received;  /* worker: references to give back when nobody here uses it any more */
  guint64 in_flight; /* worker: times that it was sent and has not arrived yet */

  gsize body_size; /* what it holds of bodies that the other side may not have read yet */

  /* What waits to be told. */
  gboolean is_dirty;
  guint64 to_release;
  guint64 to_ack;
  gboolean to_know;
};

/* A worker's wish for a piece. */
typedef struct {
  guint64 id;
  gboolean is_answered;
  PyIsolateMemory *memory; /* NULL: refused */
  guint32 refusal; /* why: a flag of PYISOLATE_MEMORY_RECORD_NO_… or 0 */
  gboolean is_lost; /* it was granted, and its descriptor did not come */
} PyIsolateMemoryRequest;

/* The host's answer to it, as long as it is not sent. */
typedef struct {
  guint64 id;
  PyIsolateMemory *memory; /* owned; NULL: refused */
  guint32 refusal; /* why: as above */
} PyIsolateMemoryAnswer;

struct _PyIsolateMemoryBook {
  PyIsolateMemoryBook *next_host; /* of all that have a pool in this process and are not closed */
  gatomicrefcount ref_count;
  gboolean is_host;
  gboolean is_closed;

  gsize body_size; /* sum of those of the entries */

  GHashTable *entries; /* number → PyIsolateMemoryEntry, owned */
  guint64 last_number;

  int has_news; /* atomic: something waits to be told */
  GQueue dirty; /* entries that say what; not owned */
  GArray *forgotten;  /* of guint64: numbers without an entry. A worker gives each back once: it has no descriptor of it */
  GQueue answers; /* of PyIsolateMemoryAnswer */

  /* The pool: pieces that nobody uses, oldest first. A worker's are those that it was granted, with a reference to each. */
  GQueue free;
  guint64 limit;
  guint64 size;
  GHashTable *granted; /* host: size → number of pieces with `is_granted` */
  guint64 granted_size;
  guint n_requests;  /* host: being served by a thread */

  GQueue requests; /* worker: of PyIsolateMemoryRequest, not owned */
  guint64 last_request;
  gboolean lacks_shown; /* worker: the descriptor of a piece that was shown did not come */
  GCond answered;
  void (*asking_func) (void); /* fixed before it is used; or NULL */

  GSource *source;
  gint64 ready_time; /* when the source will be dispatched, or -1 */
  GWeakRef transport;
  GMutex news_mutex; /* held while news is sent, before the other: what one thread has taken to tell is told before another asks */
};

/* pyisolate-memory-book.c */
PyIsolateMemoryEntry *_pyisolate_memory_book_add_locked    (PyIsolateMemoryBook  *self,
                                                            PyIsolateMemory      *memory,
                                                            guint64               number);
PyIsolateMemoryEntry *_pyisolate_memory_book_find_locked   (PyIsolateMemoryBook  *self,
                                                            PyIsolateMemory      *memory);
void                  _pyisolate_memory_book_set_granted_locked (PyIsolateMemoryEntry *entry,
                                                                 gboolean              granted);
void                  _pyisolate_memory_book_pass_locked   (PyIsolateMemoryEntry *entry);
PyIsolateMemoryEntry *_pyisolate_memory_book_lookup_locked (PyIsolateMemoryBook  *self,
                                                            guint64               number);
void                  _pyisolate_memory_book_forget_number_locked (PyIsolateMemoryBook *self,
                                                                   guint64              number);
/* It has something to tell. */
void                  _pyisolate_memory_book_mark_dirty_locked (PyIsolateMemoryEntry *entry);
void                  _pyisolate_memory_book_let_go_locked (PyIsolateMemoryEntry *entry,
                                                            GSList              **garbage);
void                  _pyisolate_memory_book_arm_locked    (PyIsolateMemoryBook  *self,
                                                            gint64                when);
void                  _pyisolate_memory_book_send_news     (PyIsolateMemoryBook  *self);

/* pyisolate-memory-pool.c */
void                  _pyisolate_memory_pool_add_locked    (PyIsolateMemoryBook  *self,
                                                            PyIsolateMemory      *memory,
                                                            GSList              **garbage);
/* Returns when to ask again, or -1. */
gint64                _pyisolate_memory_pool_trim_locked   (PyIsolateMemoryBook  *self,
                                                            gint64                now,
                                                            GSList              **garbage);
/* Lets go of all that nobody uses. FALSE: there is nothing. */
gboolean              _pyisolate_memory_pool_empty_locked  (PyIsolateMemoryBook  *self,
                                                            GSList              **garbage);
void                  _pyisolate_memory_pool_leave_locked  (PyIsolateMemory      *memory);
/* Host: so many pieces of a class a worker has in stock, at most. */
guint                 _pyisolate_memory_pool_get_stock     (gsize                 size);
/* Worker: what there is. take() gives NULL where there is nothing, and does not ask. */
gboolean              _pyisolate_memory_pool_has           (PyIsolateMemoryBook  *self,
                                                            gsize                 size);
PyIsolateMemory      *_pyisolate_memory_pool_take          (PyIsolateMemoryBook  *self,
                                                            gsize                 size);
gboolean              _pyisolate_memory_pool_serve         (PyIsolateMemoryBook  *self,
                                                            guint64               request,
                                                            guint64               size,
                                                            GError              **error);

/* pyisolate-memory-ask.c */
/* Worker: a piece of the host's, for which it waits. */
PyIsolateMemory      *_pyisolate_memory_pool_ask           (PyIsolateMemoryBook  *self,
                                                            gsize                 size,
                                                            GError              **error);
void                  _pyisolate_memory_pool_answer_locked (PyIsolateMemoryBook  *self,
                                                            guint64               request,
                                                            guint32               refusal,
                                                            gboolean              is_granted,
                                                            PyIsolateMemory      *memory);

G_END_DECLS
