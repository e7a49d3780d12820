/* SPDX-License-Identifier: MIT */
/* Arguments that are JSON: inline, in a file, or on the standard input. */
#pragma once

#include "cli-program.h"

G_BEGIN_DECLS

/* A copy of @argv in which negative numbers do not look like options. */
char **cli_arguments_protect (int    argc,
                              char **argv) G_GNUC_WARN_UNUSED_RESULT;

/* The argument's values as a tuple, @words being NULL-terminated. */
GVariant *cli_arguments_read_tuple  (CliProgram         *program,
                                     const char * const *words,
                                     GError            **error) G_GNUC_WARN_UNUSED_RESULT;
/* The "a{sv}" of an argument that holds an object; NULL gives NULL, without an error. */
GVariant *cli_arguments_read_kwargs (CliProgram         *program,
                                     const char         *word,
                                     GError            **error) G_GNUC_WARN_UNUSED_RESULT;
/* How many of them ask for the standard input, which can be read once only. */
guint     cli_arguments_count_stdin (const char * const *words);

G_END_DECLS
