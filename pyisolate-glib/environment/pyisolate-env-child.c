/* SPDX-License-Identifier: MIT */
/* Runs a helper program to its end, in the calling thread.
 *
 * No main context and no SIGCHLD: one poll over its output, its pidfd and the cancellable. It
 * has a process group of its own, which is ended with it. With the launcher the whole tree ends,
 * also if we are killed; without it, the program itself does.
 */
#include "config.h"

#include "pyisolate-env-child-private.h"

#include "pyisolate-env-util-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#define MAX_OUT (64 * 1024 * 1024)     /* a lock of ten thousand packages is 10 MiB */
#define MAX_ERR (64 * 1024)            /* of which we show the end */
#define LAUNCHER_GRACE 3000            /* milliseconds for the launcher to end its tree */
/* milliseconds, where there is no pidfd: an old kernel, valgrind */
#define LOOK_INTERVAL 10
#define CONTROL_FD 3
#define LOCK_FD 4

typedef struct {
  const PyIsolateEnvChild *child;
  pid_t pid;
  int pid_fd;                 /* -1: there is no such thing here */
  int control_fd;
  int out_fd;
  int err_fd;
  GString *out;
  GString *err;
} Running;

static void
running_clear (Running *self)
{
  _pyisolate_env_close (&self->pid_fd);
  _pyisolate_env_close (&self->control_fd);
  _pyisolate_env_close (&self->out_fd);
  _pyisolate_env_close (&self->err_fd);
  g_string_free (self->out, TRUE);
  g_string_free (self->err, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Running, running_clear)

void
_pyisolate_env_child_result_clear (PyIsolateEnvChildResult *result)
{
  g_clear_pointer (&result->out, g_free);
  g_clear_pointer (&result->err, g_free);
}

typedef struct {
  pid_t parent;
  gboolean has_launcher;
} Setup;

/* Between fork and exec: async-signal-safe calls only. */
static void
set_up_child (gpointer user_data)
{
  const Setup *setup = user_data;

  /* The launcher makes a session, and must see us go and end its tree; it must not be killed by
   * our death itself. */
  if (setup->has_launcher)
    return;
  setpgid (0, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != setup->parent)
    _exit (127);
}

static int
open_input (const char  *input,
            GError     **error)
{
  PYISOLATE_ENV_AUTOFD int fd = -1;
  gsize left = input != NULL ? strlen (input) : 0;

  /* A memfd: nothing to write while it runs, and nothing on a disk, whatever the text holds. */
  if (input != NULL)
    fd = memfd_create ("pyisolate-input", MFD_CLOEXEC);
  else
    fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  while (fd >= 0 && left > 0)
    {
      gssize n = write (fd, input + strlen (input) - left, left);

      if (n < 0 && errno != EINTR)
        break;
      left -= MAX (n, 0);
    }

  if (fd < 0 || left > 0 || (input != NULL && lseek (fd, 0, SEEK_SET) != 0))
    {
      _pyisolate_env_set_errno (error, errno, "Cannot prepare the input of", "a helper program");
      return -1;
    }

  return g_steal_fd (&fd);
}

static GPtrArray *
build_argv (const PyIsolateEnvChild *child)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);

  if (child->launcher_path != NULL)
    {
      g_ptr_array_add (argv, g_strdup (child->launcher_path));
      g_ptr_array_add (argv, g_strdup_printf ("--control-fd=%d", CONTROL_FD));
      g_ptr_array_add (argv, g_strdup_printf ("--parent-pid=%d", (int) getpid ()));
      if (child->lock_fd >= 0)
        g_ptr_array_add (argv, g_strdup_printf ("--pass-fd=%d", LOCK_FD));
      g_ptr_array_add (argv, g_strdup ("--"));
    }
  for (guint i = 0; child->argv[i] != NULL; i++)
    g_ptr_array_add (argv, g_strdup (child->argv[i]));
  g_ptr_array_add (argv, NULL);

  return argv;
}

static gboolean
spawn (Running  *self,
       GError  **error)
{
  g_autoptr (GPtrArray) argv = build_argv (self->child);
  Setup setup = { getpid (), self->child->launcher_path != NULL };
  PYISOLATE_ENV_AUTOFD int input_fd = open_input (self->child->input, error);
  PYISOLATE_ENV_AUTOFD int their_control_fd = -1;
  int source_fds[2], target_fds[2];
  gsize n_fds = 0;

  if (input_fd < 0)
    return FALSE;

  if (self->child->launcher_path != NULL)
    {
      int pair[2];

      if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        {
          _pyisolate_env_set_errno (error, errno, "Cannot make a socket for",
                                    self->child->launcher_path);
          return FALSE;
        }
      self->control_fd = pair[0];
      their_control_fd = pair[1];
      source_fds[n_fds] = their_control_fd;
      target_fds[n_fds++] = CONTROL_FD;
    }
  if (self->child->lock_fd >= 0)
    {
      source_fds[n_fds] = self->child->lock_fd;
      target_fds[n_fds++] = LOCK_FD;
    }

  if (!g_spawn_async_with_pipes_and_fds (NULL, (const char *const *) argv->pdata,
                                         (const char *const *) self->child->environment,
                                         G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES,
                                         set_up_child, &setup, input_fd, -1, -1, source_fds,
                                         target_fds, n_fds, &self->pid,
                                         NULL, &self->out_fd, &self->err_fd, error))
    return FALSE;

  self->pid_fd = syscall (SYS_pidfd_open, self->pid, 0);
  g_unix_set_fd_nonblocking (self->out_fd, TRUE, NULL);
  g_unix_set_fd_nonblocking (self->err_fd, TRUE, NULL);

  return TRUE;
}

/* Hands over whole lines from @from on and returns where the next one begins. */
static gsize
emit_lines (const GString        *text,
            gsize                 from,
            PyIsolateEnvLineFunc  func,
            gpointer              user_data)
{
  const char *newline;

  while ((newline = memchr (text->str + from, '\n', text->len - from)) != NULL)
    {
      g_autofree char *line = g_strndup (text->str + from, newline - (text->str + from));

      from = newline + 1 - text->str;
      func (line, user_data);
    }

  return from;
}

/* FALSE at the end of the stream, or if it is more than any program of ours says. */
static gboolean
read_some (int                   fd,
           GString              *text,
           gsize                *n_emitted,
           PyIsolateEnvLineFunc  func,
           gpointer              user_data,
           gsize                 keep)
{
  char buffer[16384];
  gssize n;

  do
    n = read (fd, buffer, sizeof buffer);
  while (n < 0 && errno == EINTR);

  if (n < 0 && errno == EAGAIN)
    return TRUE;
  if (n <= 0)
    return FALSE;

  g_string_append_len (text, buffer, n);
  if (func != NULL)
    *n_emitted = emit_lines (text, *n_emitted, func, user_data);
  if (text->len > keep)
    {
      gsize cut = text->len - keep;

      g_string_erase (text, 0, cut);
      *n_emitted -= MIN (*n_emitted, cut);
    }

  return TRUE;
}

static void
drain (int                   fd,
       GString              *text,
       gsize                *n_emitted,
       PyIsolateEnvLineFunc  func,
       gpointer              user_data,
       gsize                 keep)
{
  struct pollfd poll_fd = { fd, POLLIN, 0 };

  /* What is in the pipe now; a grandchild that keeps it open is not waited for. */
  while (fd >= 0 && poll (&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLIN) != 0 &&
         read_some (fd, text, n_emitted, func, user_data, keep))
    ;
}

/* Whether it has ended. It stays a zombie, so that its pid and group stay its own. */
static gboolean
has_ended (Running *self)
{
  siginfo_t info = { 0 };

  /* ECHILD: somebody else reaped it, because the application ignores SIGCHLD. */
  if (waitid (P_PID, self->pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0)
    return errno == ECHILD;

  return info.si_pid == self->pid;
}

/* Waits for something to happen to one of the fds or to the child; FALSE when @deadline has
 * passed. */
static gboolean
wait_for_events (Running       *self,
                 struct pollfd *fds,
                 guint          n_fds,
                 gint64         deadline)
{
  int timeout = -1;

  if (deadline != G_MAXINT64)
    timeout = (int) MAX (0, (deadline - g_get_monotonic_time () + 999) / 1000);
  if (self->pid_fd < 0)
    timeout = timeout < 0 ? LOOK_INTERVAL : MIN (timeout, LOOK_INTERVAL);
  if (poll (fds, n_fds, timeout) < 0)
    {
      /* Nothing is ready then, whatever is in there. */
      for (guint i = 0; i < n_fds; i++)
        fds[i].revents = 0;
    }

  return deadline > g_get_monotonic_time ();
}

/* Asks the launcher to end its tree, and waits for that. */
static void
end_tree (Running *self)
{
  struct pollfd pid_fd = { self->pid_fd, POLLIN, 0 };
  gint64 deadline = g_get_monotonic_time () + LAUNCHER_GRACE * 1000;

  if (self->control_fd < 0)
    return;

  _pyisolate_env_close (&self->control_fd);
  while (!has_ended (self) && wait_for_events (self, &pid_fd, 1, deadline))
    ;
}

/* Negative: somebody else has taken it. */
static int
reap (Running *self)
{
  gboolean ended = has_ended (self);
  int status = 0;

  /* The pid is ours until it is reaped, so the group is still that of this very program. The
   * launcher has ended its own. */
  if (self->child->launcher_path == NULL)
    kill (-self->pid, SIGKILL);
  if (!ended)
    kill (self->pid, SIGKILL);
  while (waitpid (self->pid, &status, 0) < 0)
    {
      if (errno != EINTR)
        return -1;
    }

  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

static gboolean
watch (Running       *self,
       GCancellable  *cancellable,
       GError       **error)
{
  const PyIsolateEnvChild *child = self->child;
  gint64 deadline =
    child->timeout >= 0 ? g_get_monotonic_time () + child->timeout * 1000 : G_MAXINT64;
  GPollFD cancel_fd = { -1, 0, 0 };
  gsize n_out = 0, n_err = 0;
  gboolean has_cancel_fd = g_cancellable_make_pollfd (cancellable, &cancel_fd);
  gboolean success = TRUE;

  while (success)
    {
      struct pollfd fds[] = {
        { self->pid_fd, POLLIN, 0 },
        { self->out_fd, POLLIN, 0 },
        { self->err_fd, POLLIN, 0 },
        { has_cancel_fd ? cancel_fd.fd : -1, POLLIN, 0 },
      };
      gboolean in_time = wait_for_events (self, fds, G_N_ELEMENTS (fds), deadline);

      if (fds[1].revents != 0 && !read_some (self->out_fd, self->out, &n_out, child->out_line,
                                             child->user_data, MAX_OUT))
        _pyisolate_env_close (&self->out_fd);
      if (fds[2].revents != 0 && !read_some (self->err_fd, self->err, &n_err, child->err_line,
                                             child->user_data, MAX_ERR))
        _pyisolate_env_close (&self->err_fd);
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        success = FALSE;
      else if (has_ended (self))
        break;
      else if (!in_time)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s did not end in time",
                       child->argv[0]);
          success = FALSE;
        }
    }

  if (has_cancel_fd)
    g_cancellable_release_fd (cancellable);
  if (success)
    {
      drain (self->out_fd, self->out, &n_out, child->out_line, child->user_data, MAX_OUT);
      drain (self->err_fd, self->err, &n_err, child->err_line, child->user_data, MAX_ERR);
    }

  return success;
}

gboolean
_pyisolate_env_child_run (const PyIsolateEnvChild  *child,
                          PyIsolateEnvChildResult  *result,
                          GCancellable             *cancellable,
                          GError                  **error)
{
  g_auto (Running) self = { child, 0, -1, -1, -1, -1, g_string_new (NULL), g_string_new (NULL) };
  gboolean success;

  g_assert (child != NULL && child->argv != NULL && child->argv[0] != NULL);
  g_assert (result != NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error) || !spawn (&self, error))
    return FALSE;

  success = watch (&self, cancellable, error);
  if (!success)
    end_tree (&self);
  result->status = reap (&self);
  if (!success)
    return FALSE;
  if (result->status < 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                   "nobody can tell how %s ended, because the application ignores SIGCHLD or waits for "
                   "processes that are not its own", child->argv[0]);
      return FALSE;
    }

  result->out = g_strdup (self.out->str);
  result->err = g_utf8_make_valid (self.err->str, -1);
  return TRUE;
}
