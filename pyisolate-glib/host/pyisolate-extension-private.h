/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-endpoint-private.h"
#include "pyisolate-environment-private.h"
#include "pyisolate-extension.h"
#include "pyisolate-mailbox-private.h"

G_BEGIN_DECLS

/* Told once, on the service thread: NULL when the extension runs, else why it does not. */
typedef void (*PyIsolateExtensionStartedFunc) (PyIsolateExtension *self,
                                               const GError       *error,
                                               gpointer            user_data);

/* Asked on the service thread before the extension is given up: TRUE if it is going to be started
 * once more. */
typedef gboolean (*PyIsolateExtensionRetryFunc) (PyIsolateExtension *self,
                                                 const GError       *error,
                                                 gpointer            user_data);

/* @config: (transfer full): the extension's own copy
 * @singletons: (transfer full): name → PyIsolateProxiedSingleton, those that it may reach
 * @home: where its signals are emitted */
PyIsolateExtension *_pyisolate_extension_new              (PyIsolateExtensionConfig      *config,
                                                           const char                    *state_directory,
                                                           GHashTable                    *singletons,
                                                           PyIsolateMailbox              *home);
GCancellable       *_pyisolate_extension_get_load_cancellable (PyIsolateExtension        *self);
gboolean            _pyisolate_extension_is_active        (PyIsolateExtension            *self);
gboolean            _pyisolate_extension_is_stopping      (PyIsolateExtension            *self);
gboolean            _pyisolate_extension_is_killed        (PyIsolateExtension            *self);
/* Ends its process, if there is one, as a kill does; what becomes of its loading is the caller's to say. */
void                _pyisolate_extension_end_now          (PyIsolateExtension            *self);
void                _pyisolate_extension_set_state        (PyIsolateExtension            *self,
                                                           PyIsolateExtensionState        state);
void                _pyisolate_extension_start            (PyIsolateExtension            *self,
                                                           PyIsolateEnvironment          *environment,
                                                           PyIsolateExtensionRetryFunc    retry,
                                                           PyIsolateExtensionStartedFunc  func,
                                                           gpointer                       user_data);
/* It ended without having been started. */
void                _pyisolate_extension_load_failed      (PyIsolateExtension            *self,
                                                           const GError                  *error);
/* In the home context, when it runs: puts the methods into the list. */
void                _pyisolate_extension_publish_methods  (PyIsolateExtension            *self);

/* What the library itself needs it for, from any thread. All of it shares one reference, which is given back in the home
 * context: each call holds the extension and releases it, and need not wake anybody for that. */
PyIsolateExtension *_pyisolate_extension_hold             (PyIsolateExtension            *self);
/* NULL: it is going. */
PyIsolateExtension *_pyisolate_extension_hold_weak        (GWeakRef                      *ref);
void                _pyisolate_extension_release          (gpointer                       extension_to_take);
/* The same on a thread on which the application has held it, and may see it go. */
void                _pyisolate_extension_release_here     (PyIsolateExtension            *self);

/* From any thread. */
void                _pyisolate_extension_log              (PyIsolateExtension            *self,
                                                           PyIsolateLogLevel              level,
                                                           const char                    *logger,
                                                           const char                    *text);
PyIsolateEndpoint  *_pyisolate_extension_dup_endpoint     (PyIsolateExtension            *self,
                                                           GError                       **error);
void                _pyisolate_extension_post_progress    (PyIsolateExtension            *self,
                                                           PyIsolateCall                 *call,
                                                           double                         fraction,
                                                           const char                    *text);
/* An event whose value has been checked (transfer full). */
void                _pyisolate_extension_post_event       (PyIsolateExtension            *self,
                                                           PyIsolateFrame                *frame);
void                _pyisolate_extension_handle_timeout   (PyIsolateExtension            *self);
/* What a call asks for, or what the configuration says. */
gint64              _pyisolate_extension_get_call_timeout (PyIsolateExtension            *self,
                                                           gint64                         asked_for);

/* Calls @func in @mailbox once the extension has stopped. */
void                _pyisolate_extension_stop             (PyIsolateExtension            *self,
                                                           PyIsolateMailbox              *mailbox,
                                                           PyIsolateJobKind               kind,
                                                           PyIsolateJobFunc               func,
                                                           gpointer                       user_data,
                                                           GDestroyNotify                 destroy);

/* g_autoptr (PyIsolateHeldExtension): one that is held. */
typedef PyIsolateExtension PyIsolateHeldExtension;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateHeldExtension, _pyisolate_extension_release)

G_END_DECLS
