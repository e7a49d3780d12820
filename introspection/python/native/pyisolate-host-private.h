/* SPDX-License-Identifier: MIT */
/* _pyisolate_host: the way of a call between a host in Python and the library, for the few Python files beside it. Objects
 * of the library come as PyGObject's wrappers, or as pointers in capsules; values never become variants here. */
#pragma once

#include "pyisolate-codec-private.h"
#include "pyisolate-task-private.h"

#include <pyisolate-glib.h>

G_BEGIN_DECLS

/* What a PyGObject wrapper stands for; NULL with a TypeError if it is something else. */
gpointer  _pyisolate_host_get_object  (PyObject *wrapper,
                                       GType     type);
PyObject *_pyisolate_host_new_error   (const GError *error);
/* Deals with an exception of a callback, which nobody can be given. */
void      _pyisolate_host_report      (PyObject *callback);
/* The exception that a call ended with, as (type name, message, traceback, args, notes, cause, context), or None. */
PyObject *_pyisolate_host_describe_exception (PyIsolateRemoteException *exception);

gboolean  _pyisolate_host_add_context   (PyObject *module);
gboolean  _pyisolate_host_add_call      (PyObject *module);
gboolean  _pyisolate_host_add_singleton (PyObject *module);

/* A context that an event loop of Python's can serve; see pyisolate-host-context.c. */
GMainContext *_pyisolate_host_context_get (PyObject *self);

/* pyisolate-host-invocation.c: a call of a singleton as an object of Python's, Invocation. get() gives NULL with a TypeError if it is something
 * else; what fails sets an exception. */
gboolean             _pyisolate_host_add_invocation    (PyObject             *module);
PyObject            *_pyisolate_host_invocation_new    (PyIsolateInvocation  *invocation);
gboolean             _pyisolate_host_invocation_is     (PyObject             *self);
PyIsolateInvocation *_pyisolate_host_invocation_get    (PyObject             *self);
int                  _pyisolate_host_invocation_decode (PyIsolateInvocation  *invocation,
                                                        PyObject            **args,
                                                        PyObject            **kwargs);
gboolean             _pyisolate_host_invocation_answer (PyIsolateInvocation  *invocation,
                                                        PyObject             *value);
GVariant            *_pyisolate_host_encode_vardict    (PyObject             *dict,
                                                        const char           *what);

/* pyisolate-host-serve.c: a call of the singleton that Python knows by this number; and its cancellation, by that of a task */
gboolean             _pyisolate_host_add_serve         (PyObject             *module);
void                 _pyisolate_host_serve             (unsigned long long    singleton,
                                                        PyIsolateInvocation  *invocation);
void                 _pyisolate_host_cancel_method     (unsigned long long    number);
/* Who made the call that led to it: FALSE if none did, or it has ended. */
gboolean             _pyisolate_host_origin_of         (PyIsolateInvocation  *invocation,
                                                        PyObject            **bridge,
                                                        PyObject            **context);

/* pyisolate-host-tasks.c: Tasks, how those of one event loop are made. */
gboolean             _pyisolate_host_add_tasks         (PyObject             *module);
PyIsolateTasks      *_pyisolate_host_tasks_get         (PyObject             *self);

/* A PyIsolateAllocateFunc; the data is the extension that the memory is for. */
PyIsolateMemory *_pyisolate_host_allocate_memory (gpointer               extension,
                                                  gsize                  size,
                                                  PyIsolateMemoryFlags   flags,
                                                  GError               **error);

gboolean         _pyisolate_host_shares_torch    (PyIsolateExtension    *extension);

/* The number that Python gave a call, to know it again when a singleton is called because of it. */
GQuark    _pyisolate_host_call_quark    (void);

G_END_DECLS
