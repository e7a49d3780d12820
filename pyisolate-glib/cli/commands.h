/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli-program.h"

G_BEGIN_DECLS

int command_call     (CliProgram *program,
                      int         argc,
                      char      **argv);
int command_describe (CliProgram *program,
                      int         argc,
                      char      **argv);
int command_doctor   (CliProgram *program,
                      int         argc,
                      char      **argv);

extern const CliCommand command_env_table[];

G_END_DECLS
