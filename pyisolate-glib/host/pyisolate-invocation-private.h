/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-endpoint-private.h"
#include "pyisolate-invocation.h"
#include "pyisolate-mailbox-private.h"

G_BEGIN_DECLS

/* @extension_to_take: one that is held
 * @frame: (transfer full): a CALL with a singleton as its target. Called from the transport's thread. */
PyIsolateInvocation *_pyisolate_invocation_new         (PyIsolateEndpoint         *endpoint,
                                                        PyIsolateExtension        *extension_to_take,
                                                        PyIsolateProxiedSingleton *singleton,
                                                        PyIsolateFrame            *frame);
/* Both take effect in the context in which the method runs, and take the reference along: the last one must not go here, with
 * what the singleton has of the application's. */
void                 _pyisolate_invocation_dispatch    (PyIsolateInvocation       *self_to_take);
void                 _pyisolate_invocation_cancel      (PyIsolateInvocation       *self_to_take);
/* Has the arguments converted to a D-Bus signature, a tuple of which is the type; answers the call with the error if they cannot
 * be. */
gboolean             _pyisolate_invocation_coerce_args (PyIsolateInvocation       *self,
                                                        const char                *signature,
                                                        const GVariantType        *type);
/* The chain that a call made now belongs to: that of @parent, or of the invocation whose method runs on this thread. */
guint64             *_pyisolate_invocation_dup_chain   (PyIsolateInvocation       *parent,
                                                        gsize                     *n_chain);

G_END_DECLS
