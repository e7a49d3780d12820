/* SPDX-License-Identifier: MIT */
/* pyisolate-launcher: stands between the host and a process that the host wants ended for certain,
 * with all that it started.
 *
 * It is a child subreaper with one child. When that child ends, it ends what is left of the tree
 * and then itself. It ends the tree at once when
 *   - the host says so, or the control socket ends;
 *   - the host is gone, by any means. That is told by a pidfd and not by the socket, of which a
 *     forked child of the host may hold a copy; and not by PR_SET_PDEATHSIG, which speaks of the
 *     *thread* that spawned us, where a pidfd can be had;
 *   - it gets SIGTERM.
 * No other signal reaches it, apart from SIGKILL: then its child dies by PR_SET_PDEATHSIG.
 *
 * One record on the control socket is one line of text, without a newline. To the host:
 *   pid PID                  the program runs
 *   error ERRNO              it could not be executed; nothing runs
 *   exit CODE                the child ended by itself
 *   signal NUMBER CORE OOM   or by a signal; CORE, OOM: 0 or 1
 *   ending COUNT             from time to time, while that many processes of the tree are left
 *   gone                     no process of the tree exists; the last one
 * To the launcher:
 *   kill                     end the tree now
 *   signal NUMBER            send a signal to the child only
 */
#include "config.h"

#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PAUSE_MS 5
#define LAST_PAUSE_MS 250
#define REPORT_INTERVAL_MS 200

enum { POLL_EXEC, POLL_SIGNAL, POLL_CONTROL, POLL_PARENT, N_POLL };

struct launcher
{
  struct launcher_options options;
  struct pollfd fds[N_POLL];  /* an fd is -1 once it is done with */
  int null_fd;
  pid_t child;
  int exit_code;
  bool child_is_over;
  bool start_failed;
  const char *problem;        /* why nothing is started, where errno does not say */
  bool ending;
  int pause_ms;
  long long reported_at;
};

static void __attribute__ ((format (printf, 2, 3)))
report (struct launcher *self,
        const char      *format,
        ...)
{
  char text[64];
  va_list args;
  int length;

  if (self->fds[POLL_CONTROL].fd < 0)
    return;
  va_start (args, format);
  length = vsnprintf (text, sizeof text, format, args);
  va_end (args);
  /* A host that does not listen is not waited for. */
  send (self->fds[POLL_CONTROL].fd, text, (size_t) length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static long long
now_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void
begin_ending (struct launcher *self)
{
  if (self->ending)
    return;
  self->ending = true;
  self->pause_ms = FIRST_PAUSE_MS;
  self->reported_at = now_ms ();
}

/* The child has its own copies. Ours would keep its end of a link open after it died, or its
 * output. */
static void
drop_what_is_the_childs (struct launcher *self)
{
  for (size_t i = 0; i < self->options.n_pass_fds; i++)
    close (self->options.pass_fds[i]);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    dup2 (self->null_fd, fd);
  close_fd (&self->null_fd);
  if (chdir ("/") < 0)
    return;  /* It only keeps a directory busy. */
}

static void
on_exec_pipe (struct launcher *self)
{
  int error = 0;
  ssize_t n = read (self->fds[POLL_EXEC].fd, &error, sizeof error);

  if (n < 0 && errno == EINTR)
    return;
  close_fd (&self->fds[POLL_EXEC].fd);
  if (n == (ssize_t) sizeof error)
    {
      self->start_failed = true;
      if (self->fds[POLL_CONTROL].fd < 0)
        fprintf (stderr, "pyisolate-launcher: cannot execute “%s”: %s\n",
                 self->options.argv[0], strerror (error));
      report (self, "error %d", error);
    }
  else
    report (self, "pid %d", self->child);
  drop_what_is_the_childs (self);
}

static void
on_child_over (struct launcher *self,
               const siginfo_t *info)
{
  bool by_signal = info->si_code != CLD_EXITED;
  /* If we killed it, it was not the kernel. */
  bool oom = by_signal && info->si_status == SIGKILL && !self->ending && launcher_oom_has_killed ();

  /* How it started comes before how it ended; and it is dead, so the pipe has its end. */
  if (self->fds[POLL_EXEC].fd >= 0)
    on_exec_pipe (self);
  self->child_is_over = true;
  self->exit_code = by_signal ? 128 + info->si_status : info->si_status;
  if (self->start_failed)
    return;
  if (by_signal)
    report (self, "signal %d %d %d", info->si_status, info->si_code == CLD_DUMPED, oom);
  else
    report (self, "exit %d", info->si_status);
}

/* Returns false when there is no child any more, adopted ones included. */
static bool
reap (struct launcher *self)
{
  while (true)
    {
      siginfo_t info = { 0 };

      /* WNOWAIT: a pid must not be free for others before we know whose it is. */
      if (waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return errno != ECHILD;
      if (info.si_pid == 0)
        return true;
      if (info.si_pid == self->child && !self->child_is_over)
        on_child_over (self, &info);
      waitpid (info.si_pid, NULL, 0);
    }
}

static void
on_signal (struct launcher *self)
{
  struct signalfd_siginfo info;

  /* SIGCHLD needs no answer here: every turn of the loop reaps. */
  while (read (self->fds[POLL_SIGNAL].fd, &info, sizeof info) == sizeof info)
    {
      if (info.ssi_signo == SIGTERM)
        begin_ending (self);
    }
}

static void
on_control (struct launcher *self)
{
  char text[64];
  int number;
  ssize_t n = recv (self->fds[POLL_CONTROL].fd, text, sizeof text - 1, MSG_DONTWAIT);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (n <= 0)
    {
      close_fd (&self->fds[POLL_CONTROL].fd);
      begin_ending (self);
      return;
    }
  text[n] = '\0';
  if (strcmp (text, "kill") == 0)
    begin_ending (self);
  else if (sscanf (text, "signal %d", &number) == 1 && !self->child_is_over)
    kill (self->child, number);
}

static void
reap_meanwhile (void *data)
{
  reap (data);
}

/* Returns false when it is done. */
static bool
end_tree (struct launcher *self)
{
  size_t n_left = launcher_tree_kill (reap_meanwhile, self);
  long long now;

  if (!reap (self))
    return false;
  now = now_ms ();
  if (now - self->reported_at >= REPORT_INTERVAL_MS)
    {
      self->reported_at = now;
      report (self, "ending %zu", n_left);
    }
  return true;
}

static void
dispatch (struct launcher *self)
{
  if (self->fds[POLL_EXEC].fd >= 0 && self->fds[POLL_EXEC].revents != 0)
    on_exec_pipe (self);
  if (self->fds[POLL_SIGNAL].revents != 0)
    on_signal (self);
  if (self->fds[POLL_CONTROL].fd >= 0 && self->fds[POLL_CONTROL].revents != 0)
    on_control (self);
  if (self->fds[POLL_PARENT].fd >= 0 && self->fds[POLL_PARENT].revents != 0)
    {
      close_fd (&self->fds[POLL_PARENT].fd);
      begin_ending (self);
    }
}

static void
run (struct launcher *self)
{
  while (true)
    {
      int n = poll (self->fds, N_POLL, self->ending ? self->pause_ms : -1);

      if (n > 0)
        dispatch (self);
      if (!reap (self))
        break;
      if (self->child_is_over)
        begin_ending (self);
      if (self->ending && !end_tree (self))
        break;
      if (self->ending && n == 0 && self->pause_ms < LAST_PAUSE_MS)
        self->pause_ms *= 2;
    }
  report (self, "gone");
}

/* Returns false if the parent is gone already. */
static bool
watch_parent (struct launcher *self)
{
  pid_t parent = self->options.parent_pid;

  if (parent == 0)
    return true;
  self->fds[POLL_PARENT].fd = (int) syscall (SYS_pidfd_open, parent, 0);
  if (self->fds[POLL_PARENT].fd >= 0)
    fcntl (self->fds[POLL_PARENT].fd, F_SETFD, FD_CLOEXEC);
  else if (errno != ESRCH)
    prctl (PR_SET_PDEATHSIG, SIGTERM);
  /* Only now: had it died before, the pidfd might be of another process, and no signal would
   * come. */
  return getppid () == parent;
}

static bool
watch_signals (struct launcher *self)
{
  /* Stopping the tree is no news. An inherited SIG_IGN would make the kernel reap for us. */
  struct sigaction action = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP };
  sigset_t all;
  sigset_t watched;

  sigaction (SIGCHLD, &action, NULL);
  sigfillset (&all);
  sigprocmask (SIG_SETMASK, &all, NULL);
  sigemptyset (&watched);
  sigaddset (&watched, SIGCHLD);
  sigaddset (&watched, SIGTERM);
  self->fds[POLL_SIGNAL].fd = signalfd (-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  return self->fds[POLL_SIGNAL].fd >= 0;
}

static bool
arrange_fds (struct launcher *self)
{
  int keep[LAUNCHER_MAX_PASS_FDS + 1];
  size_t n = 0;
  int control_fd = self->options.control_fd;

  for (; n < self->options.n_pass_fds; n++)
    keep[n] = self->options.pass_fds[n];
  if (control_fd >= 0)
    {
      size_t i = n++;

      for (; i > 0 && keep[i - 1] > control_fd; i--)
        keep[i] = keep[i - 1];
      keep[i] = control_fd;
      if (fcntl (control_fd, F_SETFD, FD_CLOEXEC) < 0)
        return false;
    }
  for (size_t i = 0; i < n; i++)
    {
      if (fcntl (keep[i], F_GETFD) < 0)
        return false;
    }
  if (!launcher_close_other_fds (keep, n))
    return false;
  /* If one of 0, 1, 2 is closed, something else would take its number, and the child would write
   * into that. */
  do
    self->null_fd = open ("/dev/null", O_RDWR);
  while (self->null_fd >= 0 && self->null_fd <= STDERR_FILENO);
  return self->null_fd >= 0 && fcntl (self->null_fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool
start (struct launcher *self)
{
  struct launcher_options *options = &self->options;

  if (!arrange_fds (self))
    return false;
  self->fds[POLL_CONTROL].fd = options->control_fd;
  if (options->directory != NULL && chdir (options->directory) < 0)
    return false;
  setsid ();
  if (prctl (PR_SET_CHILD_SUBREAPER, 1) < 0 || !watch_signals (self))
    return false;
  if (!watch_parent (self))
    {
      errno = ESRCH;
      return false;
    }
  self->problem = launcher_tree_init (options->scan_proc);
  if (self->problem != NULL)
    return false;
  launcher_oom_init ("/proc/self/cgroup", "/proc/self/mountinfo");
  self->child = launcher_child_start (options, &self->fds[POLL_EXEC].fd);
  return self->child > 0;
}

int
main (int   argc,
      char *argv[])
{
  struct launcher self = { .null_fd = -1, .exit_code = LAUNCHER_EXIT_FAILED };

  for (int i = 0; i < N_POLL; i++)
    self.fds[i] = (struct pollfd) { .fd = -1, .events = POLLIN };
  if (!launcher_options_parse (&self.options, argc, argv))
    return LAUNCHER_EXIT_FAILED;
  if (!start (&self))
    {
      int error = errno; /* writing a line can fail, too */

      fprintf (stderr, "pyisolate-launcher: cannot start “%s”: %s\n",
               self.options.argv[0], self.problem != NULL ? self.problem : strerror (error));
      if (self.problem == NULL) /* else the host reads it */
        report (&self, "error %d", error);
      return LAUNCHER_EXIT_FAILED;
    }
  run (&self);
  return self.exit_code;
}
