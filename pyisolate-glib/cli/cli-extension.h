/* SPDX-License-Identifier: MIT */
/* An extension named on the command line: its options, and a manager with this one in it. */
#pragma once

#include "cli-program.h"
#include "pyisolate-environment-private.h"
#include "pyisolate-glib.h"

G_BEGIN_DECLS

typedef struct {
  char **dependencies;
  char *python;
  char *lock_file;
  char **find_links;
  char *index_url;
  char **extra_index_urls;
  gboolean allow_source_builds;
  char *torch_environment;
  char **environment_variables;
} CliExtensionOptions;

void cli_extension_options_clear (CliExtensionOptions *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CliExtensionOptions, cli_extension_options_clear)

/* What decides about an environment, for an array of GOptionEntry. */
#define CLI_ENVIRONMENT_ENTRIES(o) \
  { "dep", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME_ARRAY, &(o).dependencies, \
    "A requirement besides the extension's own; may be repeated", "REQ" }, \
  { "python", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME, &(o).python, \
    "The interpreter: a path, a command, or a version such as 3.11", "PYTHON" }, \
  { "lock", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME, &(o).lock_file, \
    "Install exactly what stands in this lock file", "FILE" }, \
  { "find-links", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME_ARRAY, &(o).find_links, \
    "A directory with wheels, or a page of links; may be repeated", "DIR" }, \
  { "index-url", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME, &(o).index_url, \
    "The package index to use", "URL" }, \
  { "extra-index-url", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME_ARRAY, &(o).extra_index_urls, \
    "One more package index; may be repeated", "URL" }, \
  { "allow-source-builds", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &(o).allow_source_builds, \
    "Build packages that have no wheel, which runs their code", NULL }, \
  { "torch-environment", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME, &(o).torch_environment, \
    "Use the very torch of this environment, without a copy", "DIR" }

#define CLI_EXTENSION_ENTRIES(o) \
  CLI_ENVIRONMENT_ENTRIES (o), \
  { "env", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME_ARRAY, &(o).environment_variables, \
    "A variable for the extension's process; may be repeated", "KEY=VALUE" }

/* What the directory or file says about itself, with the options added. */
G_GNUC_WARN_UNUSED_RESULT
PyIsolateExtensionConfig *cli_extension_read_config (CliProgram                *program,
                                                     const char                *path,
                                                     const CliExtensionOptions *options,
                                                     GError                   **error);

/* What an environment is made from: a configuration, or only where it is kept and what with. */
G_GNUC_WARN_UNUSED_RESULT
PyIsolateEnvironmentRequest *cli_extension_make_request      (CliProgram                *program,
                                                              PyIsolateExtensionConfig  *config,
                                                              const CliExtensionOptions *options);
G_GNUC_WARN_UNUSED_RESULT
PyIsolateEnvironmentRequest *cli_extension_make_bare_request (CliProgram                *program,
                                                              const CliExtensionOptions *options);

typedef struct {
  CliProgram *program;
  PyIsolateExtensionManager *manager;
  PyIsolateExtension *extension;      /* NULL: it could not be loaded */
  char *log_prefix;
} CliExtension;

/* Loads it, with progress and the extension's log on the standard error. */
CliExtension *cli_extension_load   (CliProgram                *program,
                                    const char                *path,
                                    const CliExtensionOptions *options,
                                    GError                   **error) G_GNUC_WARN_UNUSED_RESULT;
/* Stops it, and comes back when nothing of it is left. */
void          cli_extension_unload (CliExtension              *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliExtension, cli_extension_unload)

G_END_DECLS
