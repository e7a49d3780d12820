/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The last lines of what a process wrote, in a ring that is bounded in lines and in bytes. All
 * of it is thread-safe. */
typedef struct _PyIsolateLogTail PyIsolateLogTail;

/* 0: the default, 200 lines and 64 KiB. */
PyIsolateLogTail *_pyisolate_log_tail_new       (guint             max_lines,
                                                 gsize             max_bytes);
void              _pyisolate_log_tail_free      (PyIsolateLogTail *self);
void              _pyisolate_log_tail_append    (PyIsolateLogTail *self,
                                                 const char       *line);
char            **_pyisolate_log_tail_dup_lines (PyIsolateLogTail *self) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateLogTail, _pyisolate_log_tail_free)

G_END_DECLS
