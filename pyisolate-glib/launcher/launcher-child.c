/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In the child, between fork and exec: async-signal-safe calls only. Everything else that the
 * launcher has open is CLOEXEC or was closed before. */
static void
execute (char * const *argv,
         pid_t         launcher,
         int           exec_pipe)
{
  /* The kernel's own struct is smaller, and nothing but zeros there is SIG_DFL. */
  static const char by_default[sizeof (struct sigaction)];
  sigset_t none;
  int error;

  setsid ();
  /* If the launcher is killed nothing else is left to end this process. */
  if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid () != launcher)
    _exit (LAUNCHER_EXIT_FAILED);

  /* An ignored signal and a mask outlive exec: a host in Python ignores SIGPIPE, posix_spawn() the two that libc keeps
   * for itself and that sigaction() does not touch, and the launcher blocks everything. */
  for (int number = 1; number < NSIG; number++)
    syscall (SYS_rt_sigaction, number, by_default, NULL, (NSIG - 1) / 8);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);

  execv (argv[0], argv);
  error = errno;
  while (write (exec_pipe, &error, sizeof error) < 0 && errno == EINTR)
    ;
  _exit (error == ENOENT ? LAUNCHER_EXIT_NOT_FOUND : LAUNCHER_EXIT_CANNOT_EXECUTE);
}

/* The pipe gives the errno of a failed exec, or end of file after one that succeeded. -1 with
 * errno. */
pid_t
launcher_child_start (const struct launcher_options *options,
                      int                           *exec_pipe)
{
  pid_t launcher = getpid ();
  int fds[2];
  pid_t child;
  int error;

  if (pipe2 (fds, O_CLOEXEC) < 0)
    return -1;
  child = fork ();
  if (child == 0)
    execute (options->argv, launcher, fds[1]);
  error = errno;
  close (fds[1]);
  if (child < 0)
    close (fds[0]);
  else
    *exec_pipe = fds[0];
  errno = error;
  return child;
}
