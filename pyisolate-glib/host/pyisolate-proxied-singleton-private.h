/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-mailbox-private.h"
#include "pyisolate-proxied-singleton.h"

G_BEGIN_DECLS

/* Where its methods run: the context in which it was made. */
PyIsolateMailbox *_pyisolate_proxied_singleton_get_mailbox (PyIsolateProxiedSingleton *self);
/* Its methods as a worker is told of them: a{sv}, empty if it takes any name. */
GVariant         *_pyisolate_proxied_singleton_describe    (PyIsolateProxiedSingleton *self);
void              _pyisolate_proxied_singleton_handle      (PyIsolateProxiedSingleton *self,
                                                            PyIsolateInvocation       *invocation);

G_END_DECLS
