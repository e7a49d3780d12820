/* SPDX-License-Identifier: MIT */
/* One end of a lane, and the bare socket of the other. */
#pragma once

#include "link-pair.h"

#include "pyisolate-lane-private.h"

G_BEGIN_DECLS

/* A lane without a reader of its own, and the other end as it is. */
typedef struct {
  PyIsolateLane *lane;
  int peer;
  guint n_waiting;
} Half;

void            half_init  (Half    *half);
void            half_clear (Half    *half);

/* A call with so many bytes, which tell where they stand, and so many descriptors. */
PyIsolateFrame *make_call  (guint64  id,
                            gsize    size,
                            guint    n_fds);

G_END_DECLS
