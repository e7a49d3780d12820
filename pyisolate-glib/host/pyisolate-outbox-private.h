/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-extension.h"
#include "pyisolate-frame-private.h"
#include "pyisolate-mailbox-private.h"

G_BEGIN_DECLS

/* What an extension's signals will say in the home context: bounded, whatever the worker does. */
typedef struct _PyIsolateOutbox PyIsolateOutbox;

typedef enum {
  PYISOLATE_NEWS_LOG,
  PYISOLATE_NEWS_EVENT,
  PYISOLATE_NEWS_PROGRESS,
  PYISOLATE_NEWS_EXITED,
  PYISOLATE_NEWS_NOTIFY,
} PyIsolateNewsKind;

typedef struct {
  PyIsolateNewsKind kind;
  int level;          /* LOG */
  char *name;         /* LOG: the logger; EVENT */
  char *text;         /* LOG, PROGRESS */
  GVariant *value;    /* EVENT */
  PyIsolateCall *call;/* PROGRESS */
  double fraction;    /* PROGRESS */
  PyIsolateExitReason *reason; /* EXITED */
  GParamSpec *property; /* NOTIFY: one of the class, not referenced */
  PyIsolateFrame *frame; /* what it was made of: it counts as long as the news waits */
} PyIsolateNews;

typedef void (*PyIsolateNewsFunc) (PyIsolateExtension  *extension,
                                   const PyIsolateNews *news);

PyIsolateOutbox *_pyisolate_outbox_new  (PyIsolateMailbox  *home,
                                         PyIsolateNewsFunc  func);
void             _pyisolate_outbox_free (PyIsolateOutbox   *self);
PyIsolateNews   *_pyisolate_news_new    (PyIsolateNewsKind  kind);
gboolean         _pyisolate_outbox_post (PyIsolateOutbox    *self,
                                         PyIsolateExtension *extension,
                                         PyIsolateNews      *news /* transfer full */);
void             _pyisolate_outbox_release (PyIsolateOutbox    *self,
                                            PyIsolateExtension *extension_to_take);

G_END_DECLS
