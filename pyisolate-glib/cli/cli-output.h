/* SPDX-License-Identifier: MIT */
/* The standard output: results only. */
#pragma once

#include "cli-program.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Each returns an exit code: what cannot be written, as nobody reads it, is an error. */
int cli_output_bytes (CliProgram *program,
                      GBytes     *bytes);
/* Takes @text. */
int cli_output_take  (CliProgram *program,
                      char       *text);
/* Takes @node. In lines on a terminal, in one line elsewhere. */
int cli_output_json  (CliProgram *program,
                      JsonNode   *node);

G_END_DECLS
