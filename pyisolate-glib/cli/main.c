/* SPDX-License-Identifier: MIT */
/* The program `pyisolate`: a table of commands, each in a file of its own. */
#include "config.h"

#include "commands.h"

#include <locale.h>

static const CliCommand commands[] = {
  { "call", "Load an extension, call a method, print the result", command_call, NULL },
  { "describe", "Show an extension's methods", command_describe, NULL },
  { "env", "Make, show, check and remove environments", NULL, command_env_table },
  { "doctor", "Tell what is missing on this machine", command_doctor, NULL },
  { NULL },
};

int
main (int   argc,
      char *argv[])
{
  g_autoptr (CliProgram) program = NULL;

  setlocale (LC_ALL, "");
  g_set_prgname ("pyisolate");
  program = cli_program_new ();
  return cli_program_dispatch (program, commands, CLI_OPTIONS_VERSION, argc, argv);
}
