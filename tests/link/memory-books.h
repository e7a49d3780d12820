/* SPDX-License-Identifier: MIT */
/* The books of a host and a worker about shared memory, without a link between them. */
#pragma once

#include "pyisolate-fd-private.h"
#include "pyisolate-memory-book-private.h"

#include "test-util.h"

G_BEGIN_DECLS

#define BOOKS_LIMIT (8 * 1024 * 1024)

typedef struct {
  PyIsolateMemoryBook *host;
  PyIsolateMemoryBook *worker;
} Books;

Books           *books_new           (void);
void             books_free          (Books                *books);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Books, books_free)

/* A frame as it travels: filled by who sends it. @memory: borrowed, or NULL */
PyIsolateFrame  *books_frame_from    (PyIsolateMemoryBook  *book,
                                      PyIsolateMemory      *memory);
/* Takes what is in it. */
PyIsolateFrame  *books_arrive        (PyIsolateMemoryBook  *book,
                                      PyIsolateFrame       *frame);
void             books_tell          (PyIsolateMemoryBook  *from,
                                      PyIsolateMemoryBook  *to);
/* Passes @memory, and returns what stands for it on the other side. Full. */
PyIsolateMemory *books_pass          (PyIsolateMemoryBook  *from,
                                      PyIsolateMemoryBook  *to,
                                      PyIsolateMemory      *memory);
guint8          *books_map           (PyIsolateMemory      *memory);
PyIsolateMemory *books_allocate      (PyIsolateMemoryBook  *book,
                                      gsize                 size,
                                      PyIsolateMemoryFlags  flags);
void             books_assert_level  (PyIsolateMemoryBook  *book,
                                      guint64               n_passed,
                                      guint64               n_in_flight);
guint64          books_get_free_size (PyIsolateMemoryBook  *book);

G_END_DECLS
