/* SPDX-License-Identifier: MIT */
/* How many file descriptors this process may have, and which of them shared memory takes. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum {
  PYISOLATE_FD_STOCK,   /* of a piece that is kept though nobody uses it: from the lower half */
  PYISOLATE_FD_MEMORY,  /* of a piece */
  PYISOLATE_FD_PASSING, /* a copy that is on its way to another process */
} PyIsolateFdUse;

/* Whether a descriptor of that number may be used so. The kernel gives the lowest that is free. */
gboolean _pyisolate_fd_may_be    (int            fd,
                                  PyIsolateFdUse use);
/* What is the matter; with the limit and what to do about it where that is it. */
char    *_pyisolate_fd_strerror  (int            saved_errno) G_GNUC_WARN_UNUSED_RESULT;
/* PYISOLATE_ERROR_LIMIT where it is that, else a GIOErrorEnum. @what: what cannot be done */
void     _pyisolate_fd_set_error (GError       **error,
                                  int            saved_errno,
                                  const char    *what);
/* A copy for passing. -1 with errno set: EMFILE also if what is left is not for that. */
int      _pyisolate_dup_fd_to_pass (int          fd);

G_END_DECLS
