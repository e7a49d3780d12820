/* SPDX-License-Identifier: MIT */
/* Another process that wants an environment: env-maker ROOT LINKS UV PYTHON REQUIREMENT…
 *
 * Prints the prefix, and keeps it in use until its stdin ends. Exit status 1, with the message,
 * if there is none.
 */
#include "config.h"

#include "pyisolate-environment-private.h"

#include <stdio.h>
#include <unistd.h>

int
main (int   argc,
      char *argv[])
{
  g_autoptr (PyIsolateEnvironmentRequest) request = NULL;
  g_autoptr (PyIsolateEnvironment) environment = NULL;
  g_autoptr (GError) error = NULL;
  char byte;

  g_assert (argc >= 5);

  request = _pyisolate_environment_request_new (argv[1]);
  request->find_links = g_strsplit (argv[2], "\n", -1);
  request->uv_path = g_strdup (argv[3]);
  request->python = g_strdup (argv[4]);
  request->launcher_path = g_strdup (g_getenv ("PYISOLATE_LAUNCHER"));
  request->dependencies = g_strdupv (argv + 5);
  environment = _pyisolate_environment_ensure (request, NULL, NULL, NULL, &error);
  if (environment == NULL)
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }

  g_print ("%s\n", _pyisolate_environment_get_prefix (environment));
  fflush (stdout);
  while (read (STDIN_FILENO, &byte, 1) > 0)
    ;

  return 0;
}
