/* SPDX-License-Identifier: MIT */
/* Frames that tests send, and a box for those that arrive. */
#pragma once

#include "pyisolate-frame-private.h"

#include "test-util.h"

G_BEGIN_DECLS

/* Long enough for valgrind; what hangs otherwise meson ends before. */
#define LINK_TIMEOUT_MS 240000

/* The number of the link whose far end plays the worker. */
#define LINK_NUMBER 7
#define LINK_ID(n) (((guint64) LINK_NUMBER << 32) | (n))

typedef struct _LinkBox LinkBox;

/* What came, from whatever thread: frames in order, and an end. */
struct _LinkBox {
  gatomicrefcount ref_count;
  GMutex mutex;
  GQueue frames; /* of PyIsolateFrame, those that nobody has taken */
  guint n_frames; /* that ever came */
  guint n_ends;   /* closed; or RETURN, ERROR and failures */
  GError *error;  /* of the last end */
  guint n_destroyed;
  guint n_taken;  /* by who waits, who is one */
  guint *awaited; /* one of these counters, for the sake of who waits until it has reached: */
  guint target;
};

LinkBox        *link_box_new             (void);
void            link_box_unref           (LinkBox    *box);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LinkBox, link_box_unref)
void            link_box_put             (LinkBox    *box,
                                          PyIsolateFrame *frame);
void            link_box_end             (LinkBox    *box,
                                          const GError *error);
/* Wait for it, or fail. */
PyIsolateFrame *link_box_take            (LinkBox    *box);
void            link_box_wait_frames     (LinkBox    *box,
                                          guint       n_frames);
void            link_box_wait_ends       (LinkBox    *box,
                                          guint       n_ends);
void            link_box_wait_destroyed  (LinkBox    *box,
                                          guint       n_destroyed);
/* It ended with a RETURN of this text. */
void            link_box_assert_returned (LinkBox    *box,
                                          const char *text);
guint           link_box_count           (LinkBox    *box);
guint           link_box_count_ends      (LinkBox    *box);
/* A GDestroyNotify that counts, and gives a reference back. */
void            link_box_destroyed       (gpointer    box);

PyIsolateFrame *link_frame_call          (guint64     id,
                                          const char *name);
PyIsolateFrame *link_frame_return        (guint64     id,
                                          const char *text);
PyIsolateFrame *link_frame_event         (guint64     id,
                                          const char *name,
                                          guint32     number);
PyIsolateFrame *link_frame_progress      (guint64     id,
                                          double      fraction);
guint32         link_frame_get_number    (PyIsolateFrame *frame);

G_END_DECLS
