/* SPDX-License-Identifier: MIT */
/* What the files of pyisolate.gather() share; see pyisolate-host-gather.c. */
#pragma once

#include "pyisolate-host-private.h"

G_BEGIN_DECLS

typedef struct {
  PyObject *source; /* the coroutine of a call, or a future */
  PyObject *answer; /* of a call that is under way, or NULL */
  PyObject *value;  /* what it has come to, an exception perhaps; or NULL */
} Child;

typedef struct {
  PyObject_HEAD
  PyObject *loop;
  PyObject *outer;   /* NULL when nothing can happen to it any more */
  PyObject *context; /* the variables of who gathers */
  Child *children;
  guint *places;     /* of each argument: its child */
  guint n_places;
  guint n_children;
  guint n_open;      /* children that have not ended; one more while they are begun */
  guint n_calls;     /* of them, calls under way: then it keeps itself, since nothing else may have it */
  gboolean is_entered; /* the context is */
  gboolean is_settling;
  gboolean cancel_requested;
  gboolean return_exceptions;
} Group;

/* pyisolate-host-gather-children.c: what is waited for, and how each of it ends. */
gboolean  _pyisolate_group_prepare_children (void);
guint     _pyisolate_group_add_child     (Group    *self,
                                          PyObject *source);
/* What is no call. @seen: argument → its child. FALSE: an exception. */
gboolean  _pyisolate_group_add_future    (Group    *self,
                                          guint     place,
                                          PyObject *awaitable,
                                          PyObject *seen);
/* Steals @value. The caller has a reference of its own. FALSE: an exception. */
gboolean  _pyisolate_group_finish        (Group    *self,
                                          guint     index,
                                          PyObject *value,
                                          gboolean  failed);
/* One less is waited for. FALSE: an exception. */
gboolean  _pyisolate_group_close_one     (Group    *self);
void      _pyisolate_group_drop_children (Group    *self);
/* settle(index, future), once that is done. */
PyObject *_pyisolate_group_settle        (PyObject *group,
                                          PyObject *args);

/* pyisolate-host-gather-calls.c: calls, which are stepped here. */
gboolean  _pyisolate_group_prepare_calls (void);
/* A coroutine of ours. One that has been begun is told by it as a task would be. */
gboolean  _pyisolate_group_is_call       (PyObject *object);
/* FALSE: an exception that is for who gathers. */
gboolean  _pyisolate_group_begin_call    (Group    *self,
                                          guint     place,
                                          PyObject *coroutine);
/* settle_lost(): those for which nobody waits any more. */
PyObject *_pyisolate_group_settle_lost   (PyObject *group,
                                          PyObject *unused);

G_END_DECLS
