/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-attachments-private.h"
#include "pyisolate-invocation-private.h"

G_BEGIN_DECLS

/* For the files that an invocation is made of: pyisolate-invocation.c, the call; pyisolate-invocation-arguments.c, what came
 * with it; pyisolate-invocation-return.c, its answer. */
struct _PyIsolateInvocation {
  GObject parent_instance;

  PyIsolateEndpoint *endpoint;
  PyIsolateExtension *extension;
  PyIsolateProxiedSingleton *singleton;
  PyIsolateFrame *frame;
  guint64 call_id;           /* of the call that led to it, or 0 */
  PyIsolateMailbox *mailbox; /* where the method runs */
  gboolean is_checked;       /* set before the method runs: the body is what it must be */
  int is_cancelled;          /* atomic */

  GMutex mutex; /* of what follows, which is made when somebody asks for it */
  GCancellable *cancellable;
  GVariant *args;   /* a tuple */
  GVariant *kwargs; /* a{sv} */
  PyIsolateCall *call; /* that led to it, or NULL */

  PyIsolateAttachments *attachments; /* of the answer that is being made, or NULL */
  int answered; /* atomic */
};

/* One that an extension made. A binding can make others, of which nothing can be asked. */
static inline gboolean
_pyisolate_invocation_is_real (PyIsolateInvocation *self)
{
  return PYISOLATE_IS_INVOCATION (self) && self->frame != NULL;
}

G_END_DECLS
