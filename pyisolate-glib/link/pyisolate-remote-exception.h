/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-error.h"

G_BEGIN_DECLS

#define PYISOLATE_TYPE_REMOTE_EXCEPTION (pyisolate_remote_exception_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateRemoteException, pyisolate_remote_exception, PYISOLATE, REMOTE_EXCEPTION, GObject)

PYISOLATE_AVAILABLE_IN_0_1
const char               *pyisolate_remote_exception_get_type_name  (PyIsolateRemoteException *self);
PYISOLATE_AVAILABLE_IN_0_1
const char               *pyisolate_remote_exception_get_message    (PyIsolateRemoteException *self);
PYISOLATE_AVAILABLE_IN_0_1
const char               *pyisolate_remote_exception_get_traceback  (PyIsolateRemoteException *self);
PYISOLATE_AVAILABLE_IN_0_1
GVariant                 *pyisolate_remote_exception_get_args       (PyIsolateRemoteException *self);
PYISOLATE_AVAILABLE_IN_0_1
GVariant                 *pyisolate_remote_exception_get_attributes (PyIsolateRemoteException *self);
PYISOLATE_AVAILABLE_IN_0_1
const char * const       *pyisolate_remote_exception_get_notes      (PyIsolateRemoteException *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateRemoteException *pyisolate_remote_exception_get_cause      (PyIsolateRemoteException *self);
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateRemoteException *pyisolate_remote_exception_get_context    (PyIsolateRemoteException *self);
PYISOLATE_AVAILABLE_IN_0_1
GPtrArray                *pyisolate_remote_exception_get_exceptions (PyIsolateRemoteException *self);

G_END_DECLS
