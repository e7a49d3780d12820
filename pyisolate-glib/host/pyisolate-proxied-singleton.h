/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-types.h"

G_BEGIN_DECLS

#define PYISOLATE_TYPE_PROXIED_SINGLETON (pyisolate_proxied_singleton_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_DERIVABLE_TYPE (PyIsolateProxiedSingleton, pyisolate_proxied_singleton, PYISOLATE,
                          PROXIED_SINGLETON, GObject)

/**
 * PyIsolateProxiedSingletonClass:
 * @parent_class: the parent class
 * @handle_call: see [vfunc@PyIsolate.ProxiedSingleton.handle_call]
 *
 * The class of a service for extensions.
 *
 * Since: 0.1
 */
struct _PyIsolateProxiedSingletonClass {
  GObjectClass parent_class;

  /**
   * PyIsolateProxiedSingletonClass::handle_call:
   * @self: a service
   * @invocation: the call
   *
   * Handles a call from an extension: answers @invocation now, or keeps a reference and answers later.
   * The default calls the method that was added under the name, and answers with an error if there is none.
   *
   * An invocation that is dropped without an answer is answered with %PYISOLATE_ERROR_FAILED. Where an exception of the
   * language can leave this function, as in Python, answer it before: PyGObject keeps what raised last, and the call with it.
   *
   * Since: 0.1
   */
  void (*handle_call) (PyIsolateProxiedSingleton *self,
                       PyIsolateInvocation       *invocation);

  /*< private >*/
  gpointer _reserved[8];
};

/**
 * PyIsolateMethodFunc:
 * @singleton: the singleton that was called
 * @invocation: the call; answer it now, or keep a reference and answer it later
 * @user_data: what was given to [method@PyIsolate.ProxiedSingleton.add_method]
 *
 * A method of a singleton.
 *
 * Since: 0.1
 */
typedef void (*PyIsolateMethodFunc) (PyIsolateProxiedSingleton *singleton,
                                     PyIsolateInvocation       *invocation,
                                     gpointer                   user_data);

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateProxiedSingleton *pyisolate_proxied_singleton_new        (void) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
gboolean                   pyisolate_proxied_singleton_add_method (PyIsolateProxiedSingleton  *self,
                                                                   const char                 *name,
                                                                   const char                 *in_signature,
                                                                   const char                 *doc,
                                                                   PyIsolateMethodFunc         func,
                                                                   gpointer                    user_data,
                                                                   GDestroyNotify              destroy,
                                                                   GError                    **error);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_proxied_singleton_set_description (PyIsolateProxiedSingleton *self,
                                                                        GVariant                  *description);
PYISOLATE_AVAILABLE_IN_0_1
gboolean                   pyisolate_proxied_singleton_get_follow_caller (PyIsolateProxiedSingleton *self);
PYISOLATE_AVAILABLE_IN_0_1
void                       pyisolate_proxied_singleton_set_follow_caller (PyIsolateProxiedSingleton *self,
                                                                          gboolean                   follow_caller);

G_END_DECLS
