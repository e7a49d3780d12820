/* SPDX-License-Identifier: MIT */
/* How a worker's process is started: under the launcher, with a socket to it and pipes for what is
 * written. */
#include "config.h"

#include "pyisolate-process-struct-private.h"

#include "pyisolate-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
take_line (PyIsolateProcess *self,
           int               stream,
           const char       *line)
{
  if (!self->started)
    {
      g_free (self->launcher_words);
      self->launcher_words = g_strdup (line);
    }
  if (self->callbacks.output != NULL)
    self->callbacks.output (self, stream, line, self->user_data);
}

static void
on_stdout_line (const char *line,
                gpointer    user_data)
{
  take_line (user_data, STDOUT_FILENO, line);
}

static void
on_stderr_line (const char *line,
                gpointer    user_data)
{
  take_line (user_data, STDERR_FILENO, line);
}

/* The launcher closes its own end of what is passed on; this number is only for the way into it. */
static int
choose_control_fd (const PyIsolateProcessSpec *spec)
{
  int fd = STDERR_FILENO + 1;

  for (gsize i = 0; i < spec->n_pass_fds; i++)
    fd = MAX (fd, spec->pass_fds[i].target + 1);
  return fd;
}

static char **
make_launcher_argv (const PyIsolateProcessSpec *spec,
                    int                         control_fd)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  g_autofree char *control = g_strdup_printf ("--control-fd=%d", control_fd);
  g_autofree char *parent = g_strdup_printf ("--parent-pid=%d", getpid ());

  g_strv_builder_add_many (argv, spec->launcher_path, control, parent, NULL);
  if (spec->cwd != NULL)
    {
      g_autofree char *directory = g_strconcat ("--directory=", spec->cwd, NULL);

      g_strv_builder_add (argv, directory);
    }
  for (gsize i = 0; i < spec->n_pass_fds; i++)
    {
      g_autofree char *pass = g_strdup_printf ("--pass-fd=%d", spec->pass_fds[i].target);

      g_strv_builder_add (argv, pass);
    }
  g_strv_builder_add (argv, "--");
  g_strv_builder_addv (argv, (const char **) spec->argv);
  return g_strv_builder_end (argv);
}

static gboolean
open_channels (PyIsolateProcess     *self,
               GSubprocessLauncher  *launcher,
               int                   control_target,
               GError              **error)
{
  int control[2];
  int pipes[2][2];

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, control) < 0)
    {
      int saved_errno = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
                   "No socket: %s", g_strerror (saved_errno));
      return FALSE;
    }
  self->control_fd = control[0];
  g_subprocess_launcher_take_fd (launcher, control[1], control_target);

  if (!g_unix_open_pipe (pipes[0], FD_CLOEXEC, error))
    return FALSE;
  self->outputs[0] = _pyisolate_output_new (pipes[0][0], on_stdout_line, self);
  g_subprocess_launcher_take_stdout_fd (launcher, pipes[0][1]);
  if (!g_unix_open_pipe (pipes[1], FD_CLOEXEC, error))
    return FALSE;
  self->outputs[1] = _pyisolate_output_new (pipes[1][0], on_stderr_line, self);
  g_subprocess_launcher_take_stderr_fd (launcher, pipes[1][1]);
  return TRUE;
}

static PyIsolateProcess *
new_from_spec (const PyIsolateProcessSpec *spec)
{
  PyIsolateProcess *self = g_object_new (PYISOLATE_TYPE_PROCESS, NULL);

  self->tag = g_strdup (spec->tag);
  self->program = g_strdup (spec->argv[0]);
  self->token = g_uuid_string_random ();
  self->context = g_main_context_ref_thread_default ();
  self->callbacks = spec->callbacks;
  self->user_data = spec->user_data;
  return self;
}

static gboolean
check_directory (const PyIsolateProcessSpec  *spec,
                 GError                     **error)
{
  if (spec->cwd == NULL || access (spec->cwd, X_OK) == 0)
    return TRUE;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "“%s”: %s", spec->cwd, g_strerror (errno));
  return FALSE;
}

/* GLib makes the process by posix_spawn() if there is nothing to do in between. Otherwise by fork(), for which the kernel copies the
 * page tables of all that the host has, and lets it fault on each page afterwards. So it is the launcher that closes
 * descriptors, as it does for everybody, and that changes the directory. */
static GSubprocessLauncher *
new_launcher (const PyIsolateProcessSpec *spec,
              const char                 *token)
{
  GSubprocessLauncher *launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_INHERIT_FDS);
  g_auto (GStrv) envv = NULL;

  for (gsize i = 0; i < spec->n_pass_fds; i++)
    g_subprocess_launcher_take_fd (launcher, spec->pass_fds[i].fd, spec->pass_fds[i].target);
  envv = g_environ_setenv (g_strdupv ((char **) spec->envv), PYISOLATE_WORKER_TOKEN_VARIABLE, token, TRUE);
  g_subprocess_launcher_set_environ (launcher, envv);

  return launcher;
}

/* GLib tells of it by words alone. */
static const char *
get_advice (const GError *error)
{
  return strstr (error->message, g_strerror (EMFILE)) == NULL
           ? ""
           : "; this process has no file descriptors left: raise their limit (RLIMIT_NOFILE, ulimit -n), or close some";
}

/* An error says that nothing was started. What can go wrong later, such as a program that cannot
 * be executed, is told by the callback `failed`. */
PyIsolateProcess *
_pyisolate_process_spawn (const PyIsolateProcessSpec  *spec,
                          GError                     **error)
{
  g_autoptr (PyIsolateProcess) self = NULL;
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (GError) local_error = NULL;
  g_auto (GStrv) argv = NULL;
  int control_target;

  g_assert (spec != NULL && spec->tag != NULL && spec->launcher_path != NULL);
  g_assert (spec->argv != NULL && spec->argv[0] != NULL && spec->envv != NULL);
  g_assert (error == NULL || *error == NULL);

  self = new_from_spec (spec);
  launcher = new_launcher (spec, self->token);

  control_target = choose_control_fd (spec);
  argv = make_launcher_argv (spec, control_target);
  if (check_directory (spec, &local_error) && open_channels (self, launcher, control_target, &local_error))
    self->launcher = g_subprocess_launcher_spawnv (launcher, (const char * const *) argv,
                                                   &local_error);
  if (self->launcher == NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN,
                   "Cannot start the process of “%s”: %s%s", spec->tag, local_error->message, get_advice (local_error));
      return NULL;
    }
  _pyisolate_process_watch (self);
  /* The other reference is given up when the end was told. */
  return g_object_ref (g_steal_pointer (&self));
}
