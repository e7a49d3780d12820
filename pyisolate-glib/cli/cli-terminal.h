/* SPDX-License-Identifier: MIT */
/* Everything that goes to the standard error: lines, and one progress bar below them. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  CLI_PROGRESS_QUIET,
  CLI_PROGRESS_LINES,
  CLI_PROGRESS_BAR,
} CliProgressStyle;

/* --verbose gives lines; else a terminal gets a bar, and a file or pipe nothing. */
void cli_terminal_init     (gboolean    verbose);
/* Prints each line of @text with @prefix, what could drive a terminal made visible. */
void cli_terminal_print    (const char *prefix,
                            const char *text);
void cli_terminal_error    (const char *format,
                            ...) G_GNUC_PRINTF (1, 2);
void cli_terminal_progress (double      fraction,
                            const char *text);
void cli_terminal_clear    (void);

/* One line with its control characters made visible. */
char *cli_terminal_escape  (const char *line) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
