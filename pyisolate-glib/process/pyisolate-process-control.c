/* SPDX-License-Identifier: MIT */
/* What host and launcher tell each other while a worker runs and when it ends; launcher/launcher.c
 * has the other side.
 *
 * The launcher may fail us: it may be stopped, or killed. Once something is to end, it has to be
 * heard of within a second, and done within ten; else it is killed too. When it ended without
 * saying that the tree is gone, its child is dying by PR_SET_PDEATHSIG, and what else is left is
 * looked for by the token in its environment.
 */
#include "config.h"

#include "pyisolate-process-struct-private.h"

#include "pyisolate-sweep-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MS 1000
#define ENDING_MS 10000
#define SWEEP_INTERVAL_MS 5
#define EMPTY_SWEEPS 2
#define SWEEP_MS 2000
#define MAX_RECORDS_PER_DISPATCH 16

static void
set_timer (PyIsolateProcess *self,
           guint             interval_ms,
           GSourceFunc       func)
{
  _pyisolate_process_clear_source (&self->timer);
  self->timer = g_timeout_source_new (interval_ms);
  g_source_set_static_name (self->timer, "[pyisolate] end of a process");
  g_source_set_callback (self->timer, func, self, NULL);
  g_source_attach (self->timer, self->context);
}

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
        _pyisolate_process_clear_source (&self->control_source);
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
  _pyisolate_process_clear_source (&self->timer);
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

/* Two looks without anybody: during one, the numbers of processes may have begun again from below, where it had been already. */
static gboolean
on_sweep (gpointer user_data)
{
  PyIsolateProcess *self = user_data;
  guint n_unknown;

  self->n_left = _pyisolate_sweep_kill (PYISOLATE_WORKER_TOKEN_VARIABLE, self->token, &n_unknown);
  self->n_empty_sweeps = self->n_left + n_unknown == 0 ? self->n_empty_sweeps + 1 : 0;
  if (self->n_empty_sweeps < EMPTY_SWEEPS && g_get_monotonic_time () < self->deadline)
    return G_SOURCE_CONTINUE;
  if (self->n_left > 0)
    g_warning ("%u processes of “%s” were killed, but did not end", self->n_left, self->tag);
  else if (n_unknown > 0)
    g_warning ("It could not be told whether all processes of “%s” have ended", self->tag);
  _pyisolate_process_finish (self);
  return G_SOURCE_REMOVE;
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
  _pyisolate_process_clear_source (&self->timer);
  _pyisolate_process_clear_source (&self->control_source);
  if (self->tree_gone)
    {
      _pyisolate_process_finish (self);
      return;
    }
  self->deadline = g_get_monotonic_time () + SWEEP_MS * 1000;
  if (on_sweep (self) == G_SOURCE_CONTINUE)
    set_timer (self, SWEEP_INTERVAL_MS, on_sweep);
}

void
_pyisolate_process_watch (PyIsolateProcess *self)
{
  self->control_source = g_unix_fd_source_new (self->control_fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_static_name (self->control_source, "[pyisolate] launcher");
  g_source_set_callback (self->control_source, G_SOURCE_FUNC (on_control), self, NULL);
  g_source_attach (self->control_source, self->context);
  g_subprocess_wait_async (self->launcher, NULL, on_launcher_exited, self);
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
