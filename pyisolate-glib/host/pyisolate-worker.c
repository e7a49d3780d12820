/* SPDX-License-Identifier: MIT */
/* A worker's life: spawn → link → Hello → Ready → … → gone.
 *
 * Three things race from the start: the worker says what it must, in time; the caller no longer
 * wants it; the process ends. Whatever ends it first gives the reason (`why`), everything after
 * that is only cleaning up, and `gone` is told when there is no process of its tree and no link any
 * more: so a reply that the worker sent before it ended is delivered first. */
#include "config.h"

#include "pyisolate-worker-struct-private.h"

#include "pyisolate-error-private.h"
#include "pyisolate-exit-reason-private.h"
#include "pyisolate-fd-limit-private.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-service-private.h"

#include <signal.h>
#include <sys/socket.h>

G_DEFINE_FINAL_TYPE (PyIsolateWorker, _pyisolate_worker, G_TYPE_OBJECT)

const char *
_pyisolate_worker_get_name (PyIsolateWorker *self)
{
  return pyisolate_extension_config_get_name (self->config);
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static GSource *
add_timer (PyIsolateWorker *self,
           gint64           milliseconds,
           GSourceFunc      func)
{
  GSource *source = g_timeout_source_new ((guint) MIN (milliseconds, (gint64) G_MAXUINT));

  g_source_set_callback (source, func, g_object_ref (self), g_object_unref);
  g_source_set_static_name (source, "[pyisolate] time-out of a worker");
  g_source_attach (source, _pyisolate_service_get_context ());

  return source;
}

void
_pyisolate_worker_clear_timeout (PyIsolateWorker *self)
{
  clear_source (&self->timeout);
}

void
_pyisolate_worker_set_timeout (PyIsolateWorker *self,
                               gint64           milliseconds,
                               GSourceFunc      func)
{
  clear_source (&self->timeout);
  if (milliseconds >= 0)
    self->timeout = add_timer (self, milliseconds, func);
}

void
_pyisolate_worker_clear_afterlife (PyIsolateWorker *self)
{
  clear_source (&self->afterlife);
}

void
_pyisolate_worker_set_afterlife (PyIsolateWorker *self,
                                 GSourceFunc      func)
{
  clear_source (&self->afterlife);
  self->afterlife = add_timer (self, PYISOLATE_WORKER_AFTERLIFE_MS, func);
}

static gboolean
on_stop_timeout (gpointer user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  _pyisolate_worker_clear_timeout (self);
  if (!self->process_gone)
    _pyisolate_process_kill (self->process);

  return G_SOURCE_REMOVE;
}

void
_pyisolate_worker_kill_after (PyIsolateWorker *self,
                              gint64           milliseconds)
{
  _pyisolate_worker_set_timeout (self, milliseconds, on_stop_timeout);
}

/* The process ended by itself, or somebody else ended it: how is what a caller of one of its
 * methods is told. */
static GError *
new_error_of_exit (PyIsolateWorker *self)
{
  PyIsolateError code = PYISOLATE_ERROR_DIED;
  int status = pyisolate_exit_reason_get_status (self->reason);

  if (self->link_lost &&
      pyisolate_exit_reason_get_kind (self->reason) == PYISOLATE_EXIT_KIND_LINK_CLOSED)
    return g_error_new (PYISOLATE_ERROR,
                        self->phase == PYISOLATE_WORKER_SPAWNED ? PYISOLATE_ERROR_HANDSHAKE
                        : PYISOLATE_ERROR_DIED,
                        "The process of the extension “%s” closed its connection to the host",
                        _pyisolate_worker_get_name (self));
  if (self->phase == PYISOLATE_WORKER_SPAWNED)
    return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_HANDSHAKE,
                        "The extension “%s” ended before it could be loaded: its process %s",
                        _pyisolate_worker_get_name (self),
                        pyisolate_exit_reason_get_message (self->reason));

  switch (pyisolate_exit_reason_get_kind (self->reason))
    {
    case PYISOLATE_EXIT_KIND_OUT_OF_MEMORY:
      code = PYISOLATE_ERROR_OUT_OF_MEMORY;
      break;

    case PYISOLATE_EXIT_KIND_SIGNALED:
      if (status == SIGKILL || status == SIGTERM || status == SIGINT || status == SIGHUP)
        code = PYISOLATE_ERROR_KILLED;
      break;

    case PYISOLATE_EXIT_KIND_EXITED:
    case PYISOLATE_EXIT_KIND_LINK_CLOSED:
    default:
      break;
    }

  return g_error_new (PYISOLATE_ERROR, code, "The process of the extension “%s” %s%s",
                      _pyisolate_worker_get_name (self),
                      pyisolate_exit_reason_get_message (self->reason),
                      self->phase == PYISOLATE_WORKER_LOADING
                      ? " while the extension was being loaded" : "");
}

static gboolean
stopped_as_asked (PyIsolateWorker *self)
{
  return self->phase == PYISOLATE_WORKER_STOPPING && self->why == NULL;
}

/* What the calls that still wait get. */
static GError *
new_error_for_calls (PyIsolateWorker *self)
{
  if (stopped_as_asked (self))
    return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING,
                        "The extension “%s” was stopped",
                        _pyisolate_worker_get_name (self));
  if (self->why != NULL)
    return g_error_copy (self->why);

  return new_error_of_exit (self);
}

static void
be_gone (PyIsolateWorker *self)
{
  g_autoptr (PyIsolateWorker) keep_alive = self; /* takes the reference that start() took */
  g_autoptr (GError) error = NULL;
  gboolean as_asked = stopped_as_asked (self);

  g_assert (self->phase != PYISOLATE_WORKER_GONE);

  _pyisolate_worker_clear_timeout (self);
  _pyisolate_worker_clear_afterlife (self);
  if (self->endpoint != NULL)
    _pyisolate_endpoint_drain (self->endpoint); /* what it said before it ended counts */
  error = new_error_for_calls (self);
  self->phase = PYISOLATE_WORKER_GONE;
  /* Whoever gets an error from its call now may load the extension again: so its state comes
   * first. */
  self->callbacks->gone (self, as_asked ? NULL : error, self->reason, self->user_data);
  if (self->endpoint != NULL)
    {
      _pyisolate_endpoint_fail (self->endpoint, error);
      _pyisolate_endpoint_close (self->endpoint, NULL);
      g_clear_object (&self->endpoint);
    }
  if (self->memory != NULL)
    _pyisolate_memory_book_close (self->memory);
}

static gboolean
on_link_outlived (gpointer user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  _pyisolate_worker_clear_afterlife (self);
  if (!self->link_gone)
    {
      self->link_gone = TRUE;
      be_gone (self);
    }

  return G_SOURCE_REMOVE;
}

void
_pyisolate_worker_check_gone (PyIsolateWorker *self)
{
  if (self->phase == PYISOLATE_WORKER_GONE || !self->process_gone)
    return;

  if (self->link_gone)
    be_gone (self);
  else
    _pyisolate_worker_set_afterlife (self, on_link_outlived);
}

/*< private >
 * @why: what the calls that wait are told, unless there was a reason before
 */
void
_pyisolate_worker_end (PyIsolateWorker *self,
                       const GError    *why)
{
  g_assert (PYISOLATE_IS_WORKER (self));

  if (self->phase == PYISOLATE_WORKER_GONE)
    return;

  if (self->why == NULL)
    self->why = g_error_copy (why);
  if (self->connecting != NULL)
    g_cancellable_cancel (self->connecting);
  _pyisolate_worker_clear_timeout (self);

  if (self->process != NULL && !self->process_gone)
    _pyisolate_process_kill (self->process);
}

void
_pyisolate_worker_end_for_message (PyIsolateWorker *self,
                                   const GError    *problem)
{
  g_autoptr (GError) error = g_error_copy (problem);

  g_prefix_error (&error, "The extension “%s” was ended for what it sent: ",
                  _pyisolate_worker_get_name (self));
  _pyisolate_worker_end (self, error);
}

static void
on_started (PyIsolateProcess *process,
            int               pid,
            gpointer          user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  if (self->why == NULL && self->phase == PYISOLATE_WORKER_SPAWNED)
    _pyisolate_worker_expect_hello (self);
  self->callbacks->started (self, pid, self->user_data);
}

static void
on_output (PyIsolateProcess *process,
           int               stream,
           const char       *line,
           gpointer          user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  self->callbacks->output (self, stream, line, self->user_data);
}

static void
on_exited (PyIsolateProcess    *process,
           PyIsolateExitReason *reason,
           gpointer             user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  self->reason = g_object_ref (reason);
  /* If it had been dead already, and only its tree was not, it was not expected. */
  if (self->link_lost && pyisolate_exit_reason_get_status (reason) == SIGKILL && pyisolate_exit_reason_get_expected (reason))
    {
      g_object_unref (self->reason);
      self->reason = _pyisolate_exit_reason_new (PYISOLATE_EXIT_KIND_LINK_CLOSED, SIGKILL, FALSE,
                                                 FALSE, NULL);
    }
  self->process_gone = TRUE;
  if (self->connecting != NULL)
    g_cancellable_cancel (self->connecting);
  _pyisolate_worker_check_gone (self);
}

static void
on_spawn_failed (PyIsolateProcess *process,
                 const GError     *error,
                 gpointer          user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  if (self->why == NULL)
    self->why = g_error_copy (error);
  self->process_gone = TRUE;
  if (self->connecting != NULL)
    g_cancellable_cancel (self->connecting);
  _pyisolate_worker_check_gone (self);
}

static gboolean
spawn (PyIsolateWorker  *self,
       int               child_fd,
       int               child_lane_fd,
       GError          **error)
{
  g_autofree char *launcher = _pyisolate_get_launcher_path ();
  g_auto (GStrv) argv = _pyisolate_worker_make_argv (self->environment);
  g_auto (GStrv) envv = _pyisolate_worker_make_envv (self->config, self->environment,
                                                     self->state_directory);
  PyIsolateProcessFd pass_fds[] = { { child_fd, PYISOLATE_WORKER_LINK_FD }, { child_lane_fd, PYISOLATE_WORKER_LANE_FD } };
  PyIsolateProcessSpec spec = {
    .tag = _pyisolate_worker_get_name (self),
    .launcher_path = launcher,
    .argv = (const char *const *) argv,
    .envv = (const char *const *) envv,
    .cwd = self->state_directory,
    .pass_fds = pass_fds,
    .n_pass_fds = child_lane_fd >= 0 ? 2 : 1,
    .callbacks = { on_started, on_output, on_exited, on_spawn_failed },
    .user_data = self,
  };

  /* Another thread may ask how much memory it uses. */
  g_atomic_pointer_set (&self->process, _pyisolate_process_spawn (&spec, error));

  return self->process != NULL;
}

/* Starts it; `gone` tells if that does not work. */
void
_pyisolate_worker_start (PyIsolateWorker *self)
{
  _pyisolate_autofd host_fd = -1;
  int lane_fd = -1;
  int fds[2];

  g_assert (PYISOLATE_IS_WORKER (self));
  g_assert (_pyisolate_service_is_current ());
  g_assert (self->phase == PYISOLATE_WORKER_NEW);

  g_object_ref (self); /* until it is gone */
  self->phase = PYISOLATE_WORKER_SPAWNED;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    {
      g_autofree char *reason = _pyisolate_fd_strerror (errno);

      self->why = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN, "The extension “%s” cannot be started: %s",
                               _pyisolate_worker_get_name (self), reason);
      self->process_gone = self->link_gone = TRUE;
      be_gone (self);
      return;
    }

  host_fd = fds[0];
  if (_pyisolate_worker_may_have_lanes ())
    self->lane = _pyisolate_lane_new_pair (&lane_fd);
  if (!spawn (self, fds[1], lane_fd, &self->why))
    {
      self->process_gone = self->link_gone = TRUE;
      be_gone (self);
      return;
    }

  _pyisolate_worker_connect (self, _pyisolate_steal_fd (&host_fd));
}

static void
on_stop_reply (PyIsolateFrame *frame,
               const GError   *error,
               gpointer        user_data)
{
  /* It ends the process, and that is what counts. */
  g_clear_pointer (&frame, _pyisolate_frame_free);
}

/* Asks it to end, and kills it if it does not in time. */
void
_pyisolate_worker_stop (PyIsolateWorker *self)
{
  PyIsolateFrame *frame;
  g_autoptr (GError) error = NULL;

  g_assert (PYISOLATE_IS_WORKER (self));

  if (self->phase != PYISOLATE_WORKER_READY)
    {
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING,
                           "The extension “%s” was stopped while it was loaded",
                           _pyisolate_worker_get_name (self));
      if (self->phase < PYISOLATE_WORKER_READY)
        _pyisolate_worker_end (self, error);
      return;
    }

  self->phase = PYISOLATE_WORKER_STOPPING;
  _pyisolate_process_expect_exit (self->process);
  _pyisolate_worker_kill_after (self, pyisolate_extension_config_get_stop_timeout (self->config));

  frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, _pyisolate_endpoint_new_id ());
  frame->target = g_strdup (PYISOLATE_TARGET_WORKER);
  frame->name = g_strdup ("Stop");
  _pyisolate_frame_set_variant (frame, g_variant_new_parsed ("(@av [], @a{sv} {})"));
  /* It never hears of it, and has all the time that it likes. */
  if (!_pyisolate_endpoint_call (self->endpoint, NULL, frame, on_stop_reply, NULL, NULL, NULL))
    _pyisolate_worker_kill_after (self, PYISOLATE_WORKER_AFTERLIFE_MS);
}

guint64
_pyisolate_worker_get_memory_usage (PyIsolateWorker *self)
{
  PyIsolateProcess *process = g_atomic_pointer_get (&self->process);

  return process != NULL ? _pyisolate_process_get_memory_usage (process) : 0;
}

static void
_pyisolate_worker_finalize (GObject *object)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (object);

  g_assert (self->phase == PYISOLATE_WORKER_NEW || self->phase == PYISOLATE_WORKER_GONE);

  g_clear_object (&self->process);
  g_clear_object (&self->connecting);
  g_clear_object (&self->endpoint);
  g_clear_pointer (&self->memory, _pyisolate_memory_book_unref);
  g_clear_object (&self->lane);
  g_clear_object (&self->reason);
  g_clear_object (&self->config);
  g_clear_pointer (&self->environment, _pyisolate_environment_unref);
  g_clear_pointer (&self->state_directory, g_free);
  g_clear_pointer (&self->apis, g_variant_unref);
  g_clear_error (&self->why);
  if (self->destroy != NULL)
    self->destroy (self->user_data);

  G_OBJECT_CLASS (_pyisolate_worker_parent_class)->finalize (object);
}

static void
_pyisolate_worker_class_init (PyIsolateWorkerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = _pyisolate_worker_finalize;
}

static void
_pyisolate_worker_init (PyIsolateWorker *self)
{
  static int last_link = 0;

  self->link_number = (guint32) g_atomic_int_add (&last_link, 1) + 1;
}

PyIsolateWorker *
_pyisolate_worker_new (PyIsolateExtensionConfig       *config,
                       PyIsolateEnvironment           *environment,
                       const char                     *state_directory,
                       GVariant                       *apis,
                       const PyIsolateWorkerCallbacks *callbacks,
                       gpointer                        user_data,
                       GDestroyNotify                  destroy)
{
  PyIsolateWorker *self = g_object_new (PYISOLATE_TYPE_WORKER, NULL);

  self->config = g_object_ref (config);
  self->environment = _pyisolate_environment_ref (environment);
  self->state_directory = g_strdup (state_directory);
  self->apis = g_variant_ref_sink (apis);
  self->callbacks = callbacks;
  self->user_data = user_data;
  self->destroy = destroy;

  return self;
}
