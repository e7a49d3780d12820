/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-macros.h"

G_BEGIN_DECLS

/**
 * PYISOLATE_ERROR:
 *
 * The error domain of this library; the codes are [error@PyIsolate.Error].
 *
 * A cancelled operation gives %G_IO_ERROR_CANCELLED instead.
 */
#define PYISOLATE_ERROR (pyisolate_error_quark ())

/**
 * PyIsolateError:
 * @PYISOLATE_ERROR_FAILED: none of the others; the message says what
 * @PYISOLATE_ERROR_BAD_CONFIG: a configuration that cannot work
 * @PYISOLATE_ERROR_UV_MISSING: the program `uv` was not found
 * @PYISOLATE_ERROR_UNSOLVABLE: no set of packages satisfies the requirements
 * @PYISOLATE_ERROR_NETWORK: a package index could not be reached
 * @PYISOLATE_ERROR_BAD_REQUIREMENT: a requirement is not a PEP 508 requirement
 * @PYISOLATE_ERROR_PYTHON_NOT_FOUND: there is no such Python interpreter, or it is not usable
 * @PYISOLATE_ERROR_ENVIRONMENT: making or checking an environment failed otherwise
 * @PYISOLATE_ERROR_SPAWN: the worker process could not be started
 * @PYISOLATE_ERROR_HANDSHAKE: the worker started, but did not say hello as expected
 * @PYISOLATE_ERROR_IMPORT_FAILED: the extension's module, or a hook of it, raised while it was loaded
 * @PYISOLATE_ERROR_NO_SUCH_METHOD: the extension or singleton has no method of that name
 * @PYISOLATE_ERROR_BAD_VALUE: a value cannot travel, because of its type, depth or size
 * @PYISOLATE_ERROR_REMOTE_EXCEPTION: the method raised; see [func@PyIsolate.error_dup_remote_exception]
 * @PYISOLATE_ERROR_TIMED_OUT: a deadline passed
 * @PYISOLATE_ERROR_DIED: the worker exited by itself or crashed
 * @PYISOLATE_ERROR_KILLED: the worker was killed, by this library or from outside
 * @PYISOLATE_ERROR_OUT_OF_MEMORY: the kernel's out-of-memory killer ended the worker
 * @PYISOLATE_ERROR_BAD_MESSAGE: the worker sent something that the protocol does not allow
 * @PYISOLATE_ERROR_NOT_RUNNING: the extension is not running
 * @PYISOLATE_ERROR_LIMIT: too many calls in flight, a chain of nested calls that is too deep, or shared memory or file
 *   descriptors used up
 * @PYISOLATE_ERROR_BAD_TENSOR: a tensor, or the memory that it lies in, is not what it must be
 *
 * What went wrong, as far as a caller would act differently.
 *
 * On D-Bus the codes are named `org.pyisolate.Error.BadConfig` and so on.
 *
 * Since: 0.1
 */
typedef enum {
  PYISOLATE_ERROR_FAILED,
  PYISOLATE_ERROR_BAD_CONFIG,
  PYISOLATE_ERROR_UV_MISSING,
  PYISOLATE_ERROR_UNSOLVABLE,
  PYISOLATE_ERROR_NETWORK,
  PYISOLATE_ERROR_BAD_REQUIREMENT,
  PYISOLATE_ERROR_PYTHON_NOT_FOUND,
  PYISOLATE_ERROR_ENVIRONMENT,
  PYISOLATE_ERROR_SPAWN,
  PYISOLATE_ERROR_HANDSHAKE,
  PYISOLATE_ERROR_IMPORT_FAILED,
  PYISOLATE_ERROR_NO_SUCH_METHOD,
  PYISOLATE_ERROR_BAD_VALUE,
  PYISOLATE_ERROR_REMOTE_EXCEPTION,
  PYISOLATE_ERROR_TIMED_OUT,
  PYISOLATE_ERROR_DIED,
  PYISOLATE_ERROR_KILLED,
  PYISOLATE_ERROR_OUT_OF_MEMORY,
  PYISOLATE_ERROR_BAD_MESSAGE,
  PYISOLATE_ERROR_NOT_RUNNING,
  PYISOLATE_ERROR_LIMIT,
  PYISOLATE_ERROR_BAD_TENSOR,
} PyIsolateError;

typedef struct _PyIsolateRemoteException PyIsolateRemoteException;

/**
 * pyisolate_error_quark:
 *
 * The quark of this library's error domain, for languages that lack the macro.
 *
 * Returns: the domain of the codes in [error@PyIsolate.Error]
 *
 * Since: 0.1
 */
PYISOLATE_AVAILABLE_IN_0_1
GQuark pyisolate_error_quark (void);

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateRemoteException *pyisolate_error_dup_remote_exception (const GError *error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
