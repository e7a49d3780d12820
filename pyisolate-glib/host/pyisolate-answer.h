/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-memory.h"
#include "pyisolate-types.h"

G_BEGIN_DECLS

typedef struct _PyIsolateAnswer PyIsolateAnswer;

/**
 * PyIsolateAnswer: (skip)
 * @id: of the call, as [method@PyIsolate.Extension.begin_request] returned it
 * @name: (nullable): of an event of the method's, whose value is @body
 * @text: (nullable): what the method tells of its progress; if this and @name are %NULL, it is the end of the call
 * @fraction: how far the method is
 * @error: (nullable): why it has not returned
 * @body: (nullable): what it returned, in the form in which it came: nobody has looked at it yet. That of an event is as it must be
 * @fds: the file descriptors that came with it
 * @n_fds: their number
 * @memories: the pieces of shared memory that came with it
 * @n_memories: their number
 *
 * What comes because of a call. This is for language bindings.
 *
 * Since: 0.1
 */
struct _PyIsolateAnswer {
  guint64 id;

  const char *name;
  const char *text;
  double fraction;

  GError *error;
  GBytes *body;
  const int *fds;
  guint n_fds;
  PyIsolateMemory *const *memories;
  guint n_memories;
};

PYISOLATE_AVAILABLE_IN_0_1
gboolean pyisolate_answer_check (PyIsolateAnswer  *self,
                                 GError          **error);
PYISOLATE_AVAILABLE_IN_0_1
void     pyisolate_answer_pass_on (PyIsolateAnswer *self);
PYISOLATE_AVAILABLE_IN_0_1
void     pyisolate_answer_free  (PyIsolateAnswer  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateAnswer, pyisolate_answer_free)

G_END_DECLS
