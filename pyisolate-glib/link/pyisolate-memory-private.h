/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-error.h"
#include "pyisolate-memory.h"

G_BEGIN_DECLS

typedef struct _PyIsolateMemoryBook PyIsolateMemoryBook;
typedef struct _PyIsolateMemoryEntry PyIsolateMemoryEntry;

/* One memfd. Guarded by the one mutex of all memory and all books, but for what is said to be fixed. */
struct _PyIsolateMemory {
  int ref_count; /* atomic, but 0 is reached, and left, with the mutex held only */

  gsize size;                 /* fixed: of the file */
  PyIsolateMemoryFlags flags; /* fixed */
  gboolean drops_fd;          /* fixed: once it is mapped nobody here needs the descriptor any more */
  gboolean is_foreign;        /* fixed: another process made it, so that read-only is meant for this one */
  gboolean is_stray;          /* fixed: it came as a plain descriptor, and cannot be passed on */
  int fd;                     /* -1: not needed any more */
  guint8 *data;               /* atomic; NULL: not mapped; once set it stays until the end */
  gboolean is_warm;           /* its pages are there */
  gboolean is_populated;      /* they are in the page tables, too */

  PyIsolateMemoryBook *home;     /* in whose pool it is when nobody uses it, or NULL; not owned */
  PyIsolateMemoryEntry *entries; /* one for each link on which it was seen */
  gint64 idle_since;             /* when it came into the pool */
};

extern GMutex _pyisolate_memory_mutex;

/* pyisolate-memory-file.c */
gboolean         _pyisolate_memory_set_error    (GError               **error,
                                                 int                    saved_errno,
                                                 const char            *what,
                                                 gsize                  size);
/* Makes the pages of a part that has none yet. */
gboolean         _pyisolate_memory_reserve      (int                    fd,
                                                 gsize                  offset,
                                                 gsize                  size,
                                                 GError               **error);
PyIsolateMemory *_pyisolate_memory_new_file     (gsize                  size,
                                                 PyIsolateMemoryFlags   flags,
                                                 gboolean               is_cold,
                                                 GError               **error);
PyIsolateMemory *_pyisolate_memory_new_foreign  (int                    take_fd,
                                                 gsize                  size,
                                                 PyIsolateMemoryFlags   flags);

/* pyisolate-memory-page-in.c */
gboolean         _pyisolate_memory_page_in      (int                    fd,
                                                 gsize                  offset,
                                                 const guint8          *data,
                                                 gsize                  size);

/* pyisolate-memory-large-pages.c */
#define PYISOLATE_LARGE_PAGE ((gsize) 2 << 20)
/* From here on they are worth asking for. */
#define PYISOLATE_LARGE_SIZE ((gsize) 8 << 20)
void            *_pyisolate_memory_map_aligned  (int                    fd,
                                                 gsize                  size,
                                                 int                    flags);
gboolean         _pyisolate_memory_may_have_large_pages (void);
gboolean         _pyisolate_memory_make_large_pages (int                fd,
                                                     guint8            *pages,
                                                     gsize              offset,
                                                     gsize              size);
gboolean         _pyisolate_memory_try_large_pages (int                 fd,
                                                    guint8             *pages);
void             _pyisolate_memory_prefer_large_pages (int              fd,
                                                       gsize            size);
void             _pyisolate_memory_avoid_large_pages (gboolean          avoid);
void             _pyisolate_memory_judge_large_pages (gsize            size,
                                                      int              failed,
                                                      gint64           taken_us);

/* pyisolate-memory.c */
void             _pyisolate_memory_ref_locked   (PyIsolateMemory       *self);
/* What is to be destroyed is put before @garbage; free it without the mutex. */
void             _pyisolate_memory_unref_locked (PyIsolateMemory       *self,
                                                 GSList               **garbage);
void             _pyisolate_memory_discard_locked (PyIsolateMemory     *self,
                                                   GSList             **garbage);
void             _pyisolate_memory_free_garbage (GSList                *garbage);

G_END_DECLS
