/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum {
  PYISOLATE_ENV_REQUIREMENT_INDEX,      /* a name: some index has it */
  PYISOLATE_ENV_REQUIREMENT_URL,        /* a file somewhere else */
  PYISOLATE_ENV_REQUIREMENT_VCS,        /* a repository */
  PYISOLATE_ENV_REQUIREMENT_LOCAL,      /* a file or directory here */
} PyIsolateEnvRequirementKind;

typedef struct {
  PyIsolateEnvRequirementKind kind;
  char *line;                 /* what uv is told: one line, with absolute paths */
  char *path;                 /* of a local one, else NULL */
} PyIsolateEnvRequirement;

void _pyisolate_env_requirement_free (PyIsolateEnvRequirement *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PyIsolateEnvRequirement, _pyisolate_env_requirement_free)

/* Refuses what is not one requirement (BAD_REQUIREMENT); whether it is a valid one, uv tells. */
PyIsolateEnvRequirement *_pyisolate_env_requirement_parse          (const char  *text,
                                                                    const char  *base_directory,
                                                                    GError     **error);
/* The name it starts with, as packages are compared by; NULL for a bare path or URL. */
char                    *_pyisolate_env_requirement_dup_name       (const char *line);

G_END_DECLS
