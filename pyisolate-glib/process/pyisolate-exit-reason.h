/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-macros.h"

G_BEGIN_DECLS

/**
 * PyIsolateExitKind:
 * @PYISOLATE_EXIT_KIND_EXITED: it exited; the status is its exit code
 * @PYISOLATE_EXIT_KIND_SIGNALED: a signal ended it; the status is the signal's number
 * @PYISOLATE_EXIT_KIND_OUT_OF_MEMORY: the kernel ended it because memory ran out; the status is the
 *   signal's number
 * @PYISOLATE_EXIT_KIND_LINK_CLOSED: it closed its connection or broke the protocol, and was ended
 *   for that
 *
 * How the process of an extension ended.
 *
 * Since: 0.1
 */
typedef enum {
  PYISOLATE_EXIT_KIND_EXITED,
  PYISOLATE_EXIT_KIND_SIGNALED,
  PYISOLATE_EXIT_KIND_OUT_OF_MEMORY,
  PYISOLATE_EXIT_KIND_LINK_CLOSED,
} PyIsolateExitKind;

PYISOLATE_AVAILABLE_IN_0_1
GType pyisolate_exit_kind_get_type (void);
#define PYISOLATE_TYPE_EXIT_KIND (pyisolate_exit_kind_get_type ())

#define PYISOLATE_TYPE_EXIT_REASON (pyisolate_exit_reason_get_type ())

PYISOLATE_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (PyIsolateExitReason, pyisolate_exit_reason, PYISOLATE, EXIT_REASON, GObject)

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateExitKind  pyisolate_exit_reason_get_kind        (PyIsolateExitReason *self);
PYISOLATE_AVAILABLE_IN_0_1
int                pyisolate_exit_reason_get_status      (PyIsolateExitReason *self);
PYISOLATE_AVAILABLE_IN_0_1
gboolean           pyisolate_exit_reason_get_core_dumped (PyIsolateExitReason *self);
PYISOLATE_AVAILABLE_IN_0_1
gboolean           pyisolate_exit_reason_get_expected    (PyIsolateExitReason *self);
PYISOLATE_AVAILABLE_IN_0_1
const char        *pyisolate_exit_reason_get_message     (PyIsolateExitReason *self);

G_END_DECLS
