/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-enums.h"

G_DEFINE_ENUM_TYPE (PyIsolateExtensionState, pyisolate_extension_state,
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXTENSION_STATE_NEW, "new"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXTENSION_STATE_PREPARING, "preparing"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXTENSION_STATE_STARTING, "starting"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXTENSION_STATE_RUNNING, "running"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXTENSION_STATE_STOPPING, "stopping"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXTENSION_STATE_STOPPED, "stopped"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_EXTENSION_STATE_FAILED, "failed"))

G_DEFINE_ENUM_TYPE (PyIsolateLoadStage, pyisolate_load_stage,
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOAD_STAGE_RESOLVING, "resolving"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOAD_STAGE_DOWNLOADING, "downloading"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOAD_STAGE_INSTALLING, "installing"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOAD_STAGE_STARTING, "starting"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOAD_STAGE_READY, "ready"))

G_DEFINE_ENUM_TYPE (PyIsolateLogLevel, pyisolate_log_level,
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOG_LEVEL_DEBUG, "debug"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOG_LEVEL_INFO, "info"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOG_LEVEL_WARNING, "warning"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOG_LEVEL_ERROR, "error"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_LOG_LEVEL_CRITICAL, "critical"))
