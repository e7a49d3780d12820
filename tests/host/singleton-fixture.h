/* SPDX-License-Identifier: MIT */
/* Singletons of a manager under test. */
#pragma once

#include "host-fixture.h"

G_BEGIN_DECLS

/* Adds a new one to the manager, which keeps it. */
PyIsolateProxiedSingleton *host_add_singleton (HostTest                  *test,
                                               const char                *name);
void                       host_add_method    (PyIsolateProxiedSingleton *singleton,
                                               const char                *name,
                                               const char                *signature,
                                               PyIsolateMethodFunc        func,
                                               gpointer                   data);
/* A method that returns its first argument, if it has one. */
void                       host_on_echo       (PyIsolateProxiedSingleton *singleton,
                                               PyIsolateInvocation       *invocation,
                                               gpointer                   data);
/* Loads tests/host/extensions/@file.py as @name, with @api as its only api. */
PyIsolateExtension        *host_load_with_api (HostTest                  *test,
                                               const char                *name,
                                               const char                *file,
                                               const char                *api);

G_END_DECLS
