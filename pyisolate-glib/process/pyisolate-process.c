/* SPDX-License-Identifier: MIT */
/* A worker's process, with the launcher between it and us; launcher/launcher.c says what the two
 * tell each other.
 *
 * Everything happens in one main context. The object keeps itself alive until the end was told, in
 * this order:
 *
 *   spawn → (started) → the worker ended → the tree is gone → the launcher ended
 *   → what they wrote was told → exited or failed
 *
 * The launcher may fail us: it may be stopped, or killed. Once something is to end, it has to be
 * heard of within a second, and done within ten; else it is killed too. When it ended without
 * saying that the tree is gone, its child is dying by PR_SET_PDEATHSIG, and what else is left is
 * looked for by the token in its environment.
 */
#include "config.h"

#include "pyisolate-process-private.h"

#include "pyisolate-error.h"
#include "pyisolate-exit-reason-private.h"
#include "pyisolate-log-tail-private.h"
#include "pyisolate-output-private.h"
#include "pyisolate-sweep-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS 1000
#define ENDING_MS 10000
#define SWEEP_INTERVAL_MS 5
#define SWEEP_MS 2000
#define MAX_RECORDS_PER_DISPATCH 16

struct _PyIsolateProcess {
  GObject parent_instance;

  /* Fixed by spawn. */
  char *tag;
  char *program;
  char *token;
  PyIsolateLogTail *log_tail;
  GMainContext *context;

  /* While it runs; the thread of the context. */
  PyIsolateProcessCallbacks callbacks;
  gpointer user_data;
  GSubprocess *launcher;
  int control_fd;
  GSource *control_source;
  PyIsolateOutput *outputs[2];
  gboolean started;
  gboolean expected;
  int pid;                    /* atomic; 0 before the start and after the end */

  /* When it ends. */
  GSource *timer;
  gint64 deadline;            /* of ending or of sweeping; 0 before */
  gboolean has_ended;         /* with the reason: */
  gboolean expected_end;
  PyIsolateExitKind kind;
  int status;
  gboolean core_dumped;
  int exec_error;             /* an errno */
  gboolean tree_gone;
  guint n_left;               /* processes that nothing could end */
};

G_DEFINE_FINAL_TYPE (PyIsolateProcess, _pyisolate_process, G_TYPE_OBJECT)

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
stop_watching (PyIsolateProcess *self)
{
  clear_source (&self->timer);
  clear_source (&self->control_source);
  if (self->control_fd >= 0)
    close (self->control_fd);
  self->control_fd = -1;
  for (guint i = 0; i < G_N_ELEMENTS (self->outputs); i++)
    g_clear_pointer (&self->outputs[i], _pyisolate_output_free);
}

static void
_pyisolate_process_dispose (GObject *object)
{
  PyIsolateProcess *self = PYISOLATE_PROCESS (object);

  stop_watching (self);
  g_clear_object (&self->launcher);

  G_OBJECT_CLASS (_pyisolate_process_parent_class)->dispose (object);
}

static void
_pyisolate_process_finalize (GObject *object)
{
  PyIsolateProcess *self = PYISOLATE_PROCESS (object);

  g_clear_pointer (&self->tag, g_free);
  g_clear_pointer (&self->program, g_free);
  g_clear_pointer (&self->token, g_free);
  g_clear_pointer (&self->log_tail, _pyisolate_log_tail_unref);
  g_clear_pointer (&self->context, g_main_context_unref);

  G_OBJECT_CLASS (_pyisolate_process_parent_class)->finalize (object);
}

static void
_pyisolate_process_class_init (PyIsolateProcessClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = _pyisolate_process_dispose;
  object_class->finalize = _pyisolate_process_finalize;
}

static void
_pyisolate_process_init (PyIsolateProcess *self)
{
  self->control_fd = -1;
}

static void
set_timer (PyIsolateProcess *self,
           guint             interval_ms,
           GSourceFunc       func)
{
  clear_source (&self->timer);
  self->timer = g_timeout_source_new (interval_ms);
  g_source_set_callback (self->timer, func, self, NULL);
  g_source_attach (self->timer, self->context);
}

/* The end. */

static GError *
make_start_error (PyIsolateProcess *self)
{
  g_auto (GStrv) log = _pyisolate_log_tail_dup_lines (self->log_tail);
  guint n_lines = g_strv_length (log);

  if (self->exec_error == ENOENT && g_file_test (self->program, G_FILE_TEST_EXISTS))
    return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN,
                        "Cannot start the process of “%s”: "
                        "the interpreter or loader that “%s” needs does not exist",
                        self->tag, self->program);
  if (self->exec_error != 0)
    return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN,
                        "Cannot start the process of “%s”: cannot execute “%s”: %s",
                        self->tag, self->program, g_strerror (self->exec_error));
  return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN,
                      "Cannot start the process of “%s”: its launcher ended early%s%s",
                      self->tag, n_lines > 0 ? ": " : "", n_lines > 0 ? log[n_lines - 1] : "");
}

static PyIsolateExitReason *
make_exit_reason (PyIsolateProcess *self)
{
  if (self->has_ended)
    return _pyisolate_exit_reason_new (self->kind, self->status, self->core_dumped,
                                       self->expected_end, NULL);
  /* Nobody saw it, but this is what PR_SET_PDEATHSIG and the sweep do. */
  return _pyisolate_exit_reason_new (PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL, FALSE, self->expected,
                                     "was killed, because its launcher was");
}

static void
finish (PyIsolateProcess *self)
{
  PyIsolateProcessCallbacks callbacks;

  for (guint i = 0; i < G_N_ELEMENTS (self->outputs); i++)
    _pyisolate_output_drain (self->outputs[i]);
  stop_watching (self);
  g_atomic_int_set (&self->pid, 0);
  g_clear_object (&self->launcher);

  callbacks = self->callbacks;
  self->callbacks = (PyIsolateProcessCallbacks) { NULL };
  if (self->started || self->has_ended)
    {
      g_autoptr (PyIsolateExitReason) reason = make_exit_reason (self);

      if (callbacks.exited != NULL)
        callbacks.exited (self, reason, self->user_data);
    }
  else if (callbacks.failed != NULL)
    {
      g_autoptr (GError) error = make_start_error (self);

      callbacks.failed (self, error, self->user_data);
    }
  /* That of spawn, for as long as it ran. */
  g_object_unref (self);
}

static gboolean
on_sweep (gpointer user_data)
{
  PyIsolateProcess *self = user_data;

  self->n_left = _pyisolate_sweep_kill (PYISOLATE_WORKER_TOKEN_VARIABLE, self->token);
  if (self->n_left > 0 && g_get_monotonic_time () < self->deadline)
    return G_SOURCE_CONTINUE;
  if (self->n_left > 0)
    g_warning ("%u processes of “%s” were killed, but did not end", self->n_left, self->tag);
  finish (self);
  return G_SOURCE_REMOVE;
}


/* What the launcher says. */

static void begin_ending (PyIsolateProcess *self);
static void await_answer (PyIsolateProcess *self);

static void
set_started (PyIsolateProcess *self,
             int               pid)
{
  self->started = TRUE;
  g_atomic_int_set (&self->pid, pid);
  /* Not before: who hears of a line knows the process that wrote it. */
  for (guint i = 0; i < G_N_ELEMENTS (self->outputs); i++)
    _pyisolate_output_start (self->outputs[i], self->context);
  if (self->callbacks.started != NULL)
    self->callbacks.started (self, pid, self->user_data);
}

static void
set_end (PyIsolateProcess  *self,
         PyIsolateExitKind  kind,
         int                status)
{
  self->has_ended = TRUE;
  self->kind = kind;
  self->status = status;
  /* A later kill does not change what it was. */
  self->expected_end = self->expected;
  g_atomic_int_set (&self->pid, 0);
}

static void
on_record (PyIsolateProcess *self,
           const char       *record)
{
  int number;
  int core;
  int oom;

  if (sscanf (record, "pid %d", &number) == 1 && !self->started)
    set_started (self, number);
  else if (sscanf (record, "error %d", &number) == 1)
    self->exec_error = number;
  else if (sscanf (record, "exit %d", &number) == 1)
    set_end (self, PYISOLATE_EXIT_KIND_EXITED, number);
  else if (sscanf (record, "signal %d %d %d", &number, &core, &oom) == 3)
    {
      set_end (self, oom ? PYISOLATE_EXIT_KIND_OUT_OF_MEMORY : PYISOLATE_EXIT_KIND_SIGNALED,
               number);
      self->core_dumped = core != 0;
    }
  else if (g_str_equal (record, "gone"))
    self->tree_gone = TRUE;

  if (self->has_ended || self->exec_error != 0)
    begin_ending (self);
}

/* Returns whether there was one. */
static gboolean
read_record (PyIsolateProcess *self)
{
  char record[64];
  gssize n = -1;

  if (self->control_fd >= 0)
    n = recv (self->control_fd, record, sizeof record - 1, MSG_DONTWAIT);
  if (n <= 0)
    {
      /* At its end, the launcher's own exit is what comes next. */
      if (n == 0 || (errno != EAGAIN && errno != EINTR))
        clear_source (&self->control_source);
      return FALSE;
    }
  record[n] = '\0';
  on_record (self, record);
  return TRUE;
}

static gboolean
on_no_answer (gpointer user_data)
{
  PyIsolateProcess *self = user_data;

  /* Perhaps we are who is late: then its answer is waiting. */
  if (g_get_monotonic_time () < self->deadline && read_record (self))
    {
      await_answer (self);
      return G_SOURCE_REMOVE;
    }
  g_subprocess_force_exit (self->launcher);
  clear_source (&self->timer);
  return G_SOURCE_REMOVE;
}

static void
await_answer (PyIsolateProcess *self)
{
  gint64 left = (self->deadline - g_get_monotonic_time ()) / 1000;

  set_timer (self, (guint) CLAMP (left, 0, ANSWER_MS), on_no_answer);
}

static gboolean
on_control (int          fd,
            GIOCondition condition,
            gpointer     user_data)
{
  PyIsolateProcess *self = user_data;
  gboolean heard = FALSE;

  for (guint i = 0; i < MAX_RECORDS_PER_DISPATCH && read_record (self); i++)
    heard = TRUE;
  if (heard && self->deadline != 0)
    await_answer (self);
  return self->control_source != NULL ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
begin_ending (PyIsolateProcess *self)
{
  if (self->deadline != 0)
    return;
  self->deadline = g_get_monotonic_time () + ENDING_MS * 1000;
  await_answer (self);
}

static void
on_launcher_exited (GObject      *source,
                    GAsyncResult *result,
                    gpointer      user_data)
{
  PyIsolateProcess *self = user_data;

  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  while (read_record (self))
    ;
  clear_source (&self->timer);
  clear_source (&self->control_source);
  if (self->tree_gone)
    {
      finish (self);
      return;
    }
  self->deadline = g_get_monotonic_time () + SWEEP_MS * 1000;
  if (on_sweep (self) == G_SOURCE_CONTINUE)
    set_timer (self, SWEEP_INTERVAL_MS, on_sweep);
}

/* The start. */

static void
on_stdout_line (const char *line,
                gpointer    user_data)
{
  PyIsolateProcess *self = user_data;

  _pyisolate_log_tail_append (self->log_tail, line);
  if (self->callbacks.output != NULL)
    self->callbacks.output (self, STDOUT_FILENO, line, self->user_data);
}

static void
on_stderr_line (const char *line,
                gpointer    user_data)
{
  PyIsolateProcess *self = user_data;

  _pyisolate_log_tail_append (self->log_tail, line);
  if (self->callbacks.output != NULL)
    self->callbacks.output (self, STDERR_FILENO, line, self->user_data);
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

static void
watch (PyIsolateProcess *self)
{
  self->control_source = g_unix_fd_source_new (self->control_fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_callback (self->control_source, G_SOURCE_FUNC (on_control), self, NULL);
  g_source_attach (self->control_source, self->context);
  g_subprocess_wait_async (self->launcher, NULL, on_launcher_exited, self);
}

static PyIsolateProcess *
new_from_spec (const PyIsolateProcessSpec *spec)
{
  PyIsolateProcess *self = g_object_new (PYISOLATE_TYPE_PROCESS, NULL);

  self->tag = g_strdup (spec->tag);
  self->program = g_strdup (spec->argv[0]);
  self->token = g_uuid_string_random ();
  self->log_tail = _pyisolate_log_tail_new (spec->log_tail_lines, spec->log_tail_bytes);
  self->context = g_main_context_ref_thread_default ();
  self->callbacks = spec->callbacks;
  self->user_data = spec->user_data;
  return self;
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
  g_auto (GStrv) envv = NULL;
  int control_target;

  g_assert (spec != NULL && spec->tag != NULL && spec->launcher_path != NULL);
  g_assert (spec->argv != NULL && spec->argv[0] != NULL && spec->envv != NULL);
  g_assert (error == NULL || *error == NULL);

  self = new_from_spec (spec);
  launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  for (gsize i = 0; i < spec->n_pass_fds; i++)
    g_subprocess_launcher_take_fd (launcher, spec->pass_fds[i].fd, spec->pass_fds[i].target);
  envv = g_environ_setenv (g_strdupv ((char **) spec->envv),
                           PYISOLATE_WORKER_TOKEN_VARIABLE, self->token, TRUE);
  g_subprocess_launcher_set_environ (launcher, envv);
  g_subprocess_launcher_set_cwd (launcher, spec->cwd);

  control_target = choose_control_fd (spec);
  argv = make_launcher_argv (spec, control_target);
  if (open_channels (self, launcher, control_target, &local_error))
    self->launcher = g_subprocess_launcher_spawnv (launcher, (const char * const *) argv,
                                                   &local_error);
  if (self->launcher == NULL)
    {
      g_set_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN,
                   "Cannot start the process of “%s”: %s", spec->tag, local_error->message);
      return NULL;
    }
  watch (self);
  /* The other reference is given up when the end was told. */
  return g_object_ref (g_steal_pointer (&self));
}

static void
send_command (PyIsolateProcess *self,
              const char       *command)
{
  /* If nobody is there to take it, the launcher's exit is on its way to us. */
  if (self->control_fd >= 0)
    send (self->control_fd, command, strlen (command), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Ends the process and all that descends from it, now. `exited` tells when that is done. */
void
_pyisolate_process_kill (PyIsolateProcess *self)
{
  g_assert (PYISOLATE_IS_PROCESS (self));

  self->expected = TRUE;
  if (self->launcher == NULL)
    return;
  send_command (self, "kill");
  begin_ending (self);
}

/* To the process itself only. */
void
_pyisolate_process_send_signal (PyIsolateProcess *self,
                                int               number)
{
  g_autofree char *command = g_strdup_printf ("signal %d", number);

  g_assert (PYISOLATE_IS_PROCESS (self));

  send_command (self, command);
}

/* For when it was asked to end by other means. */
void
_pyisolate_process_expect_exit (PyIsolateProcess *self)
{
  g_assert (PYISOLATE_IS_PROCESS (self));

  self->expected = TRUE;
}

/* No callback is called any more. */
void
_pyisolate_process_disconnect (PyIsolateProcess *self)
{
  g_assert (PYISOLATE_IS_PROCESS (self));

  self->callbacks = (PyIsolateProcessCallbacks) { NULL };
}

/* 0: not started yet, or ended. */
int
_pyisolate_process_get_pid (PyIsolateProcess *self)
{
  g_assert (PYISOLATE_IS_PROCESS (self));

  return g_atomic_int_get (&self->pid);
}

guint64
_pyisolate_process_get_memory_usage (PyIsolateProcess *self)
{
  g_assert (PYISOLATE_IS_PROCESS (self));

  return _pyisolate_read_memory_usage (g_atomic_int_get (&self->pid));
}

char **
_pyisolate_process_dup_log_tail (PyIsolateProcess *self)
{
  g_assert (PYISOLATE_IS_PROCESS (self));

  return _pyisolate_log_tail_dup_lines (self->log_tail);
}
