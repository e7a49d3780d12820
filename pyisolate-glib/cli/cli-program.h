/* SPDX-License-Identifier: MIT */
/* What every command has: the common options, a cancellable that a signal cancels, a way out. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What `pyisolate` exits with; docs/api.md has the table. A signal gives 128 and its number. */
typedef enum {
  CLI_EXIT_DONE = 0,
  CLI_EXIT_RAISED = 1,
  CLI_EXIT_USAGE = 2,
  CLI_EXIT_ENVIRONMENT = 3,
  CLI_EXIT_WORKER = 4,
  CLI_EXIT_TIMED_OUT = 5,
  CLI_EXIT_INTERRUPTED = 130,
} CliExit;

typedef struct {
  char *venv_root;          /* absolute, when the options were read */
  gboolean verbose;
  gboolean json;
  gboolean version;
  GCancellable *cancellable;
  int signal_number;        /* 0: none came */
} CliProgram;

typedef struct _CliCommand CliCommand;
struct _CliCommand {
  const char *name;
  const char *summary;
  /* Either… */
  int (*run) (CliProgram *program,
              int         argc,
              char      **argv);
  /* …or. Both end with an entry whose name is NULL. */
  const CliCommand *subcommands;
};

CliProgram *cli_program_new  (void);
void        cli_program_free (CliProgram *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CliProgram, cli_program_free)

typedef enum {
  CLI_OPTIONS_NONE = 0,
  CLI_OPTIONS_JSON = 1 << 0,    /* there is --json */
  CLI_OPTIONS_VERSION = 1 << 1, /* there is --version */
  CLI_OPTIONS_LEADING = 1 << 2, /* only what stands before the first other argument */
} CliOptionsFlags;

/* Reads the options of a command, --help included, and the common ones. What is left of @argv is
 * returned, without the program's name. NULL: it was wrong, and has been told. */
char **cli_program_parse    (CliProgram         *self,
                             int                 argc,
                             char              **argv,
                             const char         *parameters,
                             const char         *description,
                             CliOptionsFlags     flags,
                             const GOptionEntry *entries) G_GNUC_WARN_UNUSED_RESULT;
/* Chooses from a table of commands; @argv[0] is what led here. */
int    cli_program_dispatch (CliProgram         *self,
                             const CliCommand   *table,
                             CliOptionsFlags     flags,
                             int                 argc,
                             char              **argv);

/* Calls @func in a thread while signals are heard. With @abandon, a signal ends the waiting. */
gpointer cli_program_run_in_thread (CliProgram       *self,
                                    GTaskThreadFunc   func,
                                    gpointer          data,
                                    GDestroyNotify    destroy_data,
                                    gboolean          abandon,
                                    GError          **error);

/* For an asynchronous operation: give it cli_wait_callback() and a CliWait of zeros. */
typedef struct {
  GAsyncResult *result;
} CliWait;

void          cli_wait_callback (GObject      *object,
                                 GAsyncResult *result,
                                 gpointer      user_data);
/* The main loop goes on until the result is there. */
GAsyncResult *cli_wait_result   (CliWait      *self) G_GNUC_WARN_UNUSED_RESULT;

int cli_program_usage_error (const char   *format,
                             ...) G_GNUC_PRINTF (1, 2);
/* Tells the error, with the remote traceback if it has one, and returns the exit code. */
int cli_program_fail        (CliProgram   *self,
                             const GError *error);

G_END_DECLS
