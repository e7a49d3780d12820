/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-attachments-private.h"
#include "pyisolate-call-private.h"

G_BEGIN_DECLS

/* For the files that a call is made of: pyisolate-call.c, the class; pyisolate-call-accessors.c, what it is told;
 * pyisolate-call-attachments.c, what it takes along; pyisolate-call-frame.c, what travels. */
struct _PyIsolateCall {
  GObject parent_instance;

  /* Set by the caller, until the call is made. */
  const char *target; /* static; NULL: the extension itself */
  char *method;
  GVariant *args;   /* a tuple, or NULL */
  GVariant *kwargs; /* a{sv}, or NULL */
  GBytes *body;     /* instead of both, or NULL */
  GArray *fds;      /* of int, owned */
  PyIsolateAttachments *attachments; /* or NULL */
  gint64 timeout;
  PyIsolateInvocation *parent;
  gboolean made;

  PyIsolateRemoteException *exception; /* set in the call's context */
};

enum {
  PROP_0,
  PROP_METHOD,
  PROP_ARGS,
  PROP_KWARGS,
  PROP_TIMEOUT,
  PROP_PARENT,
  N_PROPS
};

void _pyisolate_call_notify (PyIsolateCall *self,
                             guint          prop_id);

/* What goes along; made when it is first asked for. */
PyIsolateAttachments *_pyisolate_call_get_attachments (PyIsolateCall *self);

G_END_DECLS
