/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-error.h"
#include "pyisolate-remote-exception.h"

G_BEGIN_DECLS

/* One above the last code. */
#define PYISOLATE_N_ERRORS (PYISOLATE_ERROR_BAD_TENSOR + 1)
#define PYISOLATE_ERROR_DBUS_PREFIX "org.pyisolate.Error."

const char *_pyisolate_error_get_dbus_name (PyIsolateError code);
gboolean    _pyisolate_error_from_dbus_name (const char     *dbus_name,
                                             PyIsolateError *code);
GError     *_pyisolate_error_new_remote_exception (const char               *message,
                                                   PyIsolateRemoteException *exception);
void        _pyisolate_error_set_remote_exception (GError                   *error,
                                                   PyIsolateRemoteException *exception);

G_END_DECLS
