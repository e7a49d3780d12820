/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-memory-book-private.h"
#include "pyisolate-tensor-private.h"

G_BEGIN_DECLS

/* What goes beside a body that is being made: pieces of shared memory, by index, some of which are filled only when it is
 * known which extension gets them. */

typedef struct _PyIsolateAttachments PyIsolateAttachments;

PyIsolateAttachments *_pyisolate_attachments_new           (void);
void                  _pyisolate_attachments_free          (PyIsolateAttachments  *self);
guint                 _pyisolate_attachments_add_memory    (PyIsolateAttachments  *self,
                                                            PyIsolateMemory       *memory);
/* The tensor in the form in which it travels. Floating. */
GVariant             *_pyisolate_attachments_add_tensor    (PyIsolateAttachments  *self,
                                                            PyIsolateTensor       *tensor);
/* @value with the tensors whose elements lie in one of @fds, by an `h`, in the form in which they travel. Full; NULL with
 * %PYISOLATE_ERROR_BAD_TENSOR if one cannot be. */
GVariant             *_pyisolate_attachments_adopt_fds     (PyIsolateAttachments  *self,
                                                            GVariant              *value,
                                                            const int             *fds,
                                                            guint                  n_fds,
                                                            GError               **error);
/* Whether the link takes them; @memories may be NULL. */
gboolean              _pyisolate_attachments_check         (GPtrArray             *memories,
                                                            PyIsolateMemoryBook   *book,
                                                            GError               **error);
/* Gives @frame what it takes along. @self may be NULL. */
gboolean              _pyisolate_attachments_move          (PyIsolateAttachments  *self,
                                                            PyIsolateMemoryBook   *book,
                                                            PyIsolateFrame        *frame,
                                                            GError               **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateAttachments, _pyisolate_attachments_free)

G_END_DECLS
