/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-macros.h"

G_BEGIN_DECLS

/**
 * PyIsolateMemoryFlags:
 * @PYISOLATE_MEMORY_NONE: every process that has it may write to it
 * @PYISOLATE_MEMORY_READ_ONLY: only this process may write to it; what another one writes stays its own
 *
 * Who may write to a piece of shared memory.
 *
 * Since: 0.1
 */
typedef enum {
  PYISOLATE_MEMORY_NONE = 0,
  PYISOLATE_MEMORY_READ_ONLY = 1 << 0,
} PyIsolateMemoryFlags;

#define PYISOLATE_TYPE_MEMORY_FLAGS (pyisolate_memory_flags_get_type ())
PYISOLATE_AVAILABLE_IN_0_1
GType pyisolate_memory_flags_get_type (void) G_GNUC_CONST;

/**
 * PyIsolateMemory:
 *
 * A piece of memory that processes share.
 *
 * It can neither grow nor shrink, and lives as long as anybody uses it, on either side of a link; docs/tensors.md tells how.
 *
 * Since: 0.1
 */
typedef struct _PyIsolateMemory PyIsolateMemory;

#define PYISOLATE_TYPE_MEMORY (pyisolate_memory_get_type ())
PYISOLATE_AVAILABLE_IN_0_1
GType            pyisolate_memory_get_type     (void) G_GNUC_CONST;

PYISOLATE_AVAILABLE_IN_0_1
PyIsolateMemory *pyisolate_memory_new          (gsize                  size,
                                                PyIsolateMemoryFlags   flags,
                                                GError               **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateMemory *pyisolate_memory_new_from_fd  (int                    fd,
                                                GError               **error) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateMemory *pyisolate_memory_find         (gconstpointer          address,
                                                gsize                  size) G_GNUC_WARN_UNUSED_RESULT;
PYISOLATE_AVAILABLE_IN_0_1
PyIsolateMemory *pyisolate_memory_ref          (PyIsolateMemory       *self);
PYISOLATE_AVAILABLE_IN_0_1
void             pyisolate_memory_unref        (PyIsolateMemory       *self);
PYISOLATE_AVAILABLE_IN_0_1
guint8          *pyisolate_memory_map          (PyIsolateMemory       *self,
                                                GError               **error);
PYISOLATE_AVAILABLE_IN_0_1
gsize            pyisolate_memory_get_size     (PyIsolateMemory       *self);
PYISOLATE_AVAILABLE_IN_0_1
gboolean         pyisolate_memory_is_read_only (PyIsolateMemory       *self);
PYISOLATE_AVAILABLE_IN_0_1
gboolean         pyisolate_memory_write        (PyIsolateMemory       *self,
                                                gsize                  offset,
                                                gconstpointer          data,
                                                gsize                  size,
                                                GError               **error);
PYISOLATE_AVAILABLE_IN_0_1
int              pyisolate_memory_dup_fd       (PyIsolateMemory       *self,
                                                GError               **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateMemory, pyisolate_memory_unref)

G_END_DECLS
