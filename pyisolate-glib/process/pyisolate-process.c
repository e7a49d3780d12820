/* SPDX-License-Identifier: MIT */
/* A worker's process, with the launcher between it and us; launcher/launcher.c says what the two
 * tell each other.
 *
 * Everything happens in one main context. The object keeps itself alive until the end was told, in
 * this order:
 *
 *   spawn → (started) → the worker ended → the tree is gone → the launcher ended
 *   → what they wrote was told → exited or failed
 */
#include "config.h"

#include "pyisolate-process-struct-private.h"

#include "pyisolate-error.h"
#include "pyisolate-exit-reason-private.h"
#include "pyisolate-sweep-private.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

G_DEFINE_FINAL_TYPE (PyIsolateProcess, _pyisolate_process, G_TYPE_OBJECT)

void
_pyisolate_process_clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
stop_watching (PyIsolateProcess *self)
{
  _pyisolate_process_clear_source (&self->timer);
  _pyisolate_process_clear_source (&self->control_source);
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
  g_clear_pointer (&self->launcher_words, g_free);
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

static GError *
make_start_error (PyIsolateProcess *self)
{
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
                      self->tag, self->launcher_words != NULL ? ": " : "",
                      self->launcher_words != NULL ? self->launcher_words : "");
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

void
_pyisolate_process_finish (PyIsolateProcess *self)
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

/* For when it was asked to end by other means. */
void
_pyisolate_process_expect_exit (PyIsolateProcess *self)
{
  g_assert (PYISOLATE_IS_PROCESS (self));

  self->expected = TRUE;
}

guint64
_pyisolate_process_get_memory_usage (PyIsolateProcess *self)
{
  g_assert (PYISOLATE_IS_PROCESS (self));

  return _pyisolate_read_memory_usage (g_atomic_int_get (&self->pid));
}
