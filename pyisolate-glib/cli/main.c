/* SPDX-License-Identifier: MIT */
/* The program `pyisolate`: a table of commands, each in a file of its own. */
#include "config.h"

#include "commands.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

static const CliCommand commands[] = {
  { "call", "Load an extension, call a method, print the result", command_call, NULL },
  { "describe", "Show an extension's methods", command_describe, NULL },
  { "env", "Make, show, check and remove environments", NULL, command_env_table },
  { "doctor", "Tell what is missing on this machine", command_doctor, NULL },
  { NULL },
};

/* A standard stream that is closed would be the next file or socket that is opened. What is put in
 * its place cannot be read, or written, either. */
static void
occupy_standard_streams (void)
{
  int fd;

  do
    fd = open ("/dev/null", fcntl (STDIN_FILENO, F_GETFD) < 0 ? O_WRONLY : O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO);
  close (fd);
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (CliProgram) program = NULL;

  occupy_standard_streams ();
  /* Whoever started this may have left it ignored; then the kernel tells nobody how a child ended. */
  signal (SIGCHLD, SIG_DFL);
  setlocale (LC_ALL, "");
  g_set_prgname ("pyisolate");
  program = cli_program_new ();
  return cli_program_dispatch (program, commands, CLI_OPTIONS_VERSION, argc, argv);
}
