/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "launcher.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
print_usage (void)
{
  fputs ("Usage: pyisolate-launcher [OPTION]... -- PROGRAM [ARGUMENT]...\n"
         "Run PROGRAM (a path), and end everything that descends from it when it ends, or when the\n"
         "caller does.\n"
         "\n"
         "  --control-fd=N    a SOCK_SEQPACKET socket to report to and to take commands from\n"
         "  --parent-pid=PID  the caller; everything ends when it does\n"
         "  --directory=PATH  where PROGRAM starts; else where the launcher does\n"
         "  --pass-fd=N       a descriptor that PROGRAM keeps, besides 0, 1 and 2; can be repeated\n"
         "  --scan-proc       find descendants by looking at every process, as is done where the kernel\n"
         "                    offers no /proc/PID/task/TID/children\n",
         stderr);
}

static bool
parse_number (const char *text,
              long        minimum,
              int        *number)
{
  char *end;
  long value;

  errno = 0;
  value = strtol (text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < minimum || value > INT_MAX)
    return false;
  *number = (int) value;
  return true;
}

/* Keeps them sorted, so that the gaps between them can be closed. */
static bool
add_pass_fd (struct launcher_options *options,
             int                      fd)
{
  size_t i = options->n_pass_fds;

  if (i == LAUNCHER_MAX_PASS_FDS)
    return false;
  for (; i > 0 && options->pass_fds[i - 1] > fd; i--)
    options->pass_fds[i] = options->pass_fds[i - 1];
  options->pass_fds[i] = fd;
  options->n_pass_fds++;
  return true;
}

static bool
parse_option (struct launcher_options *options,
              const char              *option)
{
  const char *value = strchr (option, '=');
  size_t length = value != NULL ? (size_t) (value - option) : strlen (option);
  int number;

  if (strcmp (option, "--scan-proc") == 0)
    return options->scan_proc = true;
  if (value == NULL)
    return false;
  value++;
  if (strncmp (option, "--control-fd", length) == 0 && length == strlen ("--control-fd"))
    return parse_number (value, 3, &options->control_fd);
  if (strncmp (option, "--parent-pid", length) == 0 && length == strlen ("--parent-pid"))
    return parse_number (value, 1, &options->parent_pid);
  if (strncmp (option, "--directory", length) == 0 && length == strlen ("--directory"))
    return (options->directory = value) != NULL;
  if (strncmp (option, "--pass-fd", length) == 0 && length == strlen ("--pass-fd"))
    return parse_number (value, 3, &number) && add_pass_fd (options, number);
  return false;
}

bool
launcher_options_parse (struct launcher_options *options,
                        int                      argc,
                        char                    *argv[])
{
  int i;

  *options = (struct launcher_options) { .control_fd = -1 };
  for (i = 1; i < argc && strcmp (argv[i], "--") != 0; i++)
    {
      if (!parse_option (options, argv[i]))
        {
          fprintf (stderr, "pyisolate-launcher: bad option “%s”\n", argv[i]);
          print_usage ();
          return false;
        }
    }
  for (size_t n = 0; n < options->n_pass_fds; n++)
    {
      if (options->pass_fds[n] == options->control_fd)
        {
          fprintf (stderr, "pyisolate-launcher: the control socket cannot be passed on\n");
          return false;
        }
    }
  if (i + 1 >= argc)
    {
      fprintf (stderr, "pyisolate-launcher: no '--' and program to run\n");
      print_usage ();
      return false;
    }
  options->argv = &argv[i + 1];
  return true;
}
