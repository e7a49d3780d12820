/* SPDX-License-Identifier: MIT */
/* What `pyisolate doctor` looks at. */
#pragma once

#include "cli-program.h"

G_BEGIN_DECLS

typedef enum {
  DOCTOR_OK,
  DOCTOR_NOTE,                /* nothing that extensions need today */
  DOCTOR_MISSING,             /* extensions cannot run */
} DoctorState;

typedef struct {
  const char *name;           /* static */
  DoctorState state;
  char *found;
  char *advice;               /* nullable: what to do */
} DoctorCheck;

/* Takes @found and @advice. */
void doctor_add (GPtrArray   *checks,
                 const char  *name,
                 DoctorState  state,
                 char        *found,
                 char        *advice);

/* Each appends its checks. They start programs and touch files: in a thread. */
void doctor_check_programs (GPtrArray    *checks,
                            const char   *venv_root,
                            GCancellable *cancellable);
void doctor_check_parts    (GPtrArray    *checks);
void doctor_check_storage  (GPtrArray    *checks,
                            const char   *venv_root);
void doctor_check_kernel   (GPtrArray    *checks);

G_END_DECLS
