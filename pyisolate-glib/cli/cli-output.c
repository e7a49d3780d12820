/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cli-output.h"

#include "cli-json.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Who shares the stream with us may have made it one that does not wait. */
static gboolean
is_to_be_waited_for (int error)
{
  struct pollfd fd = { STDOUT_FILENO, POLLOUT, 0 };

  if (error == EAGAIN)
    poll (&fd, 1, -1);

  return error == EAGAIN || error == EINTR;
}

/* In a thread: a pipe that nobody reads blocks for ever, and a signal must still end us. */
static void
write_in_thread (GTask        *task,
                 gpointer      source,
                 gpointer      data,
                 GCancellable *cancellable)
{
  gsize size;
  const char *p = g_bytes_get_data (data, &size);

  while (size > 0)
    {
      gssize written = write (STDOUT_FILENO, p, size);

      if (written < 0 && is_to_be_waited_for (errno))
        continue;
      if (written < 0)
        {
          g_task_return_new_error (task, G_IO_ERROR, g_io_error_from_errno (errno),
                                   "Cannot write to the standard output: %s", g_strerror (errno));
          return;
        }
      p += written;
      size -= (gsize) written;
    }
  g_task_return_pointer (task, g_bytes_ref (data), (GDestroyNotify) g_bytes_unref);
}

int
cli_output_bytes (CliProgram *program,
                  GBytes     *bytes)
{
  g_autoptr (GBytes) written = NULL;
  g_autoptr (GError) error = NULL;

  written = cli_program_run_in_thread (program, write_in_thread, g_bytes_ref (bytes),
                                       (GDestroyNotify) g_bytes_unref, TRUE, &error);
  return written != NULL ? CLI_EXIT_DONE : cli_program_fail (program, error);
}

int
cli_output_take (CliProgram *program,
                 char       *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new_take (text, strlen (text));

  return cli_output_bytes (program, bytes);
}

int
cli_output_json (CliProgram *program,
                 JsonNode   *node)
{
  g_autofree char *text = cli_json_format (node, isatty (STDOUT_FILENO));

  json_node_unref (node);
  return cli_output_take (program, g_strconcat (text, "\n", NULL));
}
