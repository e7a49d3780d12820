/* SPDX-License-Identifier: MIT */
/* An extension that is to end badly, beside another one that must not be harmed by it; at the end nobody of its tree is left. */
#pragma once

#include "host-fixture.h"

G_BEGIN_DECLS

typedef struct {
  HostTest *test;
  PyIsolateExtension *other; /* what must not be harmed */
  char *mark;                /* in the environment of every process of the tree */
} HostScene;

HostScene                *host_scene_new           (void);
void                      host_scene_free          (HostScene  *scene);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HostScene, host_scene_free)
/* Of tests/host/extensions/faults.py. */
PyIsolateExtension       *host_scene_load          (HostScene  *scene);
void                      host_scene_assert_nobody (HostScene  *scene);

/* Its processes have these two variables. */
PyIsolateExtensionConfig *host_marked_config       (const char *name,
                                                    const char *file,
                                                    const char *mark,
                                                    const char *variable);

G_END_DECLS
