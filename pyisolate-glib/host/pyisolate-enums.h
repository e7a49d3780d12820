/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-macros.h"

G_BEGIN_DECLS

/**
 * PyIsolateExtensionState:
 * @PYISOLATE_EXTENSION_STATE_NEW: nothing was done yet
 * @PYISOLATE_EXTENSION_STATE_PREPARING: its environment is being made or looked up
 * @PYISOLATE_EXTENSION_STATE_STARTING: its process is starting, or waits for its turn to
 * @PYISOLATE_EXTENSION_STATE_RUNNING: it can be called
 * @PYISOLATE_EXTENSION_STATE_STOPPING: it was asked to end
 * @PYISOLATE_EXTENSION_STATE_STOPPED: it ended as it was asked to
 * @PYISOLATE_EXTENSION_STATE_FAILED: it could not be loaded, or ended otherwise than by being stopped: it crashed or was
 *   killed, also by [method@PyIsolate.Extension.kill]; see [method@PyIsolate.Extension.dup_last_error]
 *
 * Where an extension is in its life.
 *
 * Since: 0.1
 */
typedef enum {
  PYISOLATE_EXTENSION_STATE_NEW,
  PYISOLATE_EXTENSION_STATE_PREPARING,
  PYISOLATE_EXTENSION_STATE_STARTING,
  PYISOLATE_EXTENSION_STATE_RUNNING,
  PYISOLATE_EXTENSION_STATE_STOPPING,
  PYISOLATE_EXTENSION_STATE_STOPPED,
  PYISOLATE_EXTENSION_STATE_FAILED,
} PyIsolateExtensionState;

#define PYISOLATE_TYPE_EXTENSION_STATE (pyisolate_extension_state_get_type ())
PYISOLATE_AVAILABLE_IN_0_1
GType pyisolate_extension_state_get_type (void) G_GNUC_CONST;

/**
 * PyIsolateLoadStage:
 * @PYISOLATE_LOAD_STAGE_RESOLVING: the versions of its packages are being chosen
 * @PYISOLATE_LOAD_STAGE_DOWNLOADING: packages are being downloaded
 * @PYISOLATE_LOAD_STAGE_INSTALLING: packages are being installed
 * @PYISOLATE_LOAD_STAGE_STARTING: its process is starting
 * @PYISOLATE_LOAD_STAGE_READY: it can be called
 *
 * What is going on while an extension is loaded.
 *
 * Since: 0.1
 */
typedef enum {
  PYISOLATE_LOAD_STAGE_RESOLVING,
  PYISOLATE_LOAD_STAGE_DOWNLOADING,
  PYISOLATE_LOAD_STAGE_INSTALLING,
  PYISOLATE_LOAD_STAGE_STARTING,
  PYISOLATE_LOAD_STAGE_READY,
} PyIsolateLoadStage;

#define PYISOLATE_TYPE_LOAD_STAGE (pyisolate_load_stage_get_type ())
PYISOLATE_AVAILABLE_IN_0_1
GType pyisolate_load_stage_get_type (void) G_GNUC_CONST;

/**
 * PyIsolateLogLevel:
 * @PYISOLATE_LOG_LEVEL_DEBUG: for developers
 * @PYISOLATE_LOG_LEVEL_INFO: things that go as they should, and what is printed to the standard
 *   output
 * @PYISOLATE_LOG_LEVEL_WARNING: something unexpected, and what is printed to the standard error
 * @PYISOLATE_LOG_LEVEL_ERROR: something could not be done
 * @PYISOLATE_LOG_LEVEL_CRITICAL: the extension may not be able to go on
 *
 * How grave a line of an extension's log is; the numbers are those of Python's `logging`.
 *
 * Since: 0.1
 */
typedef enum {
  PYISOLATE_LOG_LEVEL_DEBUG = 10,
  PYISOLATE_LOG_LEVEL_INFO = 20,
  PYISOLATE_LOG_LEVEL_WARNING = 30,
  PYISOLATE_LOG_LEVEL_ERROR = 40,
  PYISOLATE_LOG_LEVEL_CRITICAL = 50,
} PyIsolateLogLevel;

#define PYISOLATE_TYPE_LOG_LEVEL (pyisolate_log_level_get_type ())
PYISOLATE_AVAILABLE_IN_0_1
GType pyisolate_log_level_get_type (void) G_GNUC_CONST;

G_END_DECLS
