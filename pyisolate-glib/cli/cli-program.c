/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cli-program.h"

#include "cli-arguments.h"
#include "cli-output.h"
#include "cli-terminal.h"
#include "pyisolate-error.h"
#include "pyisolate-remote-exception.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static gboolean
take_signal (CliProgram *self,
             int         number)
{
  if (self->signal_number != 0)
    {
      /* Asked twice: go now. The launcher ends what is left of the extension when this process is
       * gone. */
      cli_terminal_clear ();
      _exit (128 + number);
    }
  self->signal_number = number;
  g_cancellable_cancel (self->cancellable);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_sigint (gpointer data)
{
  return take_signal (data, SIGINT);
}

static gboolean
on_sigterm (gpointer data)
{
  return take_signal (data, SIGTERM);
}

static gboolean
on_sighup (gpointer data)
{
  return take_signal (data, SIGHUP);
}

/* What the caller wanted ignored (nohup, a job in the background) stays ignored. */
static void
add_signal (CliProgram *self,
            int         number,
            GSourceFunc func)
{
  struct sigaction old;

  if (sigaction (number, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
    return;
  g_unix_signal_add (number, func, self);
}

CliProgram *
cli_program_new (void)
{
  CliProgram *self = g_new0 (CliProgram, 1);

  self->cancellable = g_cancellable_new ();
  add_signal (self, SIGINT, on_sigint);
  add_signal (self, SIGTERM, on_sigterm);
  add_signal (self, SIGHUP, on_sighup);
  /* A reader that went away is an error of writing, which can be told and cleaned up after. */
  signal (SIGPIPE, SIG_IGN);
  return self;
}

void
cli_program_free (CliProgram *self)
{
  while (g_source_remove_by_user_data (self))
    ;
  g_free (self->venv_root);
  g_clear_object (&self->cancellable);
  g_free (self);
}

/* The option may stand before the command and after it; the last one counts. */
static gboolean
set_venv_root (CliProgram *self,
               const char *given,
               GError    **error)
{
  if (given != NULL && *given == '\0')
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                           "--venv-root needs the path of a directory");
      return FALSE;
    }
  if (given != NULL)
    {
      g_free (self->venv_root);
      self->venv_root = g_canonicalize_filename (given, NULL);
    }
  else if (self->venv_root == NULL)
    self->venv_root = g_build_filename (g_get_user_cache_dir (), "pyisolate-glib", NULL);
  return TRUE;
}

char **
cli_program_parse (CliProgram         *self,
                   int                 argc,
                   char              **argv,
                   const char         *parameters,
                   const char         *description,
                   CliOptionsFlags     flags,
                   const GOptionEntry *entries)
{
  g_auto (GStrv) rest = NULL;
  g_auto (GStrv) arguments = NULL;
  g_autofree char *venv_root = NULL;
  const GOptionEntry common[] = {
    { "venv-root", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME, &venv_root,
      "Where environments are kept (default: in the user's cache directory)", "DIR" },
    { "verbose", 'v', G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &self->verbose,
      "Tell on the standard error what is being done", NULL },
    { G_OPTION_REMAINING, 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL },
    { NULL },
  };
  const GOptionEntry version[] = {
    { "version", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &self->version, "Print the version",
      NULL },
    { NULL },
  };
  const GOptionEntry json[] = {
    { "json", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &self->json,
      "Print JSON, for programs to read", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (parameters);
  g_autoptr (GError) error = NULL;

  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, NULL);
  if (flags & CLI_OPTIONS_JSON)
    g_option_context_add_main_entries (context, json, NULL);
  if (flags & CLI_OPTIONS_VERSION)
    g_option_context_add_main_entries (context, version, NULL);
  g_option_context_add_main_entries (context, common, NULL);
  g_option_context_set_strict_posix (context, (flags & CLI_OPTIONS_LEADING) != 0);
  g_option_context_set_description (context, description);
  arguments = cli_arguments_protect (argc, argv);
  if (!g_option_context_parse_strv (context, &arguments, &error)
      || !set_venv_root (self, venv_root, &error))
    {
      cli_program_usage_error ("%s", error->message);
      return NULL;
    }
  cli_terminal_init (self->verbose);
  if (rest == NULL)
    rest = g_new0 (char *, 1);
  return g_steal_pointer (&rest);
}

static const CliCommand *
find_command (const CliCommand *table,
              const char       *name)
{
  for (; table->name != NULL; table++)
    if (g_str_equal (table->name, name))
      return table;
  return NULL;
}

static char *
list_commands (const CliCommand *table)
{
  GString *text = g_string_new ("Commands:\n");

  for (; table->name != NULL; table++)
    g_string_append_printf (text, "  %-10s %s\n", table->name, table->summary);
  g_string_append_printf (text, "\n'%s COMMAND --help' tells more.", g_get_prgname ());
  return g_string_free (text, FALSE);
}

int
cli_program_dispatch (CliProgram       *self,
                      const CliCommand *table,
                      CliOptionsFlags   flags,
                      int               argc,
                      char            **argv)
{
  g_autofree char *commands = list_commands (table);
  g_autofree char *name = NULL;
  g_auto (GStrv) rest = NULL;
  const CliCommand *command;

  rest = cli_program_parse (self, argc, argv, "COMMAND ...", commands, flags | CLI_OPTIONS_LEADING,
                            NULL);
  if (rest == NULL)
    return CLI_EXIT_USAGE;
  if (self->version)
    return cli_output_take (self, g_strdup ("pyisolate " PACKAGE_VERSION "\n"));
  if (rest[0] == NULL)
    return cli_program_usage_error ("a command is missing");
  command = find_command (table, rest[0]);
  if (command == NULL)
    return cli_program_usage_error ("there is no command “%s”", rest[0]);

  name = g_strdup_printf ("%s %s", g_get_prgname (), command->name);
  g_set_prgname (name);
  argc = (int) g_strv_length (rest);
  if (command->subcommands != NULL)
    return cli_program_dispatch (self, command->subcommands, CLI_OPTIONS_NONE, argc, rest);
  return command->run (self, argc, rest);
}

void
cli_wait_callback (GObject      *object,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  CliWait *self = user_data;

  self->result = g_object_ref (result);
}

GAsyncResult *
cli_wait_result (CliWait *self)
{
  while (self->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return g_steal_pointer (&self->result);
}

gpointer
cli_program_run_in_thread (CliProgram       *self,
                           GTaskThreadFunc   func,
                           gpointer          data,
                           GDestroyNotify    destroy_data,
                           gboolean          abandon,
                           GError          **error)
{
  CliWait wait = { NULL };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GTask) task = g_task_new (NULL, self->cancellable, cli_wait_callback, &wait);

  g_task_set_source_tag (task, cli_program_run_in_thread);
  g_task_set_name (task, "[pyisolate] run_in_thread");
  g_task_set_task_data (task, data, destroy_data);
  g_task_set_return_on_cancel (task, abandon);
  g_task_run_in_thread (task, func);
  result = cli_wait_result (&wait);
  return g_task_propagate_pointer (task, error);
}

int
cli_program_usage_error (const char *format,
                         ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  cli_terminal_error ("%s\nTry '%s --help'.", text, g_get_prgname ());
  return CLI_EXIT_USAGE;
}

static int
get_exit_for_error (const GError *error)
{
  if (error->domain == G_OPTION_ERROR)
    return CLI_EXIT_USAGE;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return CLI_EXIT_INTERRUPTED;
  if (error->domain != PYISOLATE_ERROR)
    return CLI_EXIT_RAISED;
  switch ((PyIsolateError) error->code)
    {
    case PYISOLATE_ERROR_BAD_CONFIG:
    case PYISOLATE_ERROR_NO_SUCH_METHOD:
      return CLI_EXIT_USAGE;
    case PYISOLATE_ERROR_UV_MISSING:
    case PYISOLATE_ERROR_UNSOLVABLE:
    case PYISOLATE_ERROR_NETWORK:
    case PYISOLATE_ERROR_BAD_REQUIREMENT:
    case PYISOLATE_ERROR_PYTHON_NOT_FOUND:
    case PYISOLATE_ERROR_ENVIRONMENT:
      return CLI_EXIT_ENVIRONMENT;
    case PYISOLATE_ERROR_SPAWN:
    case PYISOLATE_ERROR_HANDSHAKE:
    case PYISOLATE_ERROR_DIED:
    case PYISOLATE_ERROR_KILLED:
    case PYISOLATE_ERROR_OUT_OF_MEMORY:
    case PYISOLATE_ERROR_BAD_MESSAGE:
    case PYISOLATE_ERROR_NOT_RUNNING:
      return CLI_EXIT_WORKER;
    case PYISOLATE_ERROR_TIMED_OUT:
      return CLI_EXIT_TIMED_OUT;
    case PYISOLATE_ERROR_FAILED:
    case PYISOLATE_ERROR_IMPORT_FAILED:
    case PYISOLATE_ERROR_BAD_VALUE:
    case PYISOLATE_ERROR_REMOTE_EXCEPTION:
    case PYISOLATE_ERROR_LIMIT:
    case PYISOLATE_ERROR_BAD_TENSOR:
      break;
    }
  return CLI_EXIT_RAISED;
}

int
cli_program_fail (CliProgram   *self,
                  const GError *error)
{
  g_autoptr (PyIsolateRemoteException) exception = NULL;

  cli_terminal_clear ();
  /* Whatever a cancelled operation answers with: it was cancelled because of the signal. */
  if (self->signal_number != 0)
    return 128 + self->signal_number;
  exception = pyisolate_error_dup_remote_exception (error);
  if (exception != NULL)
    {
      const char *traceback = pyisolate_remote_exception_get_traceback (exception);

      if (traceback != NULL && *traceback != '\0')
        cli_terminal_print ("", traceback);
    }
  cli_terminal_error ("%s", error->message);
  return get_exit_for_error (error);
}
