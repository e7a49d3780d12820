/* SPDX-License-Identifier: MIT */
/* A worker's life: spawn → link → Hello → Ready → … → gone.
 *
 * Three things race from the start: the worker says what it must, in time; the caller no longer wants it; the process ends.
 * Whatever ends it first gives the reason (`why`), everything after that is only cleaning up, and `gone` is told when there
 * is no process of its tree and no link any more: so a reply that the worker sent before it ended is delivered first. */
#include "config.h"

#include "pyisolate-worker-private.h"

#include "pyisolate-build-id.h"
#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-error-private.h"
#include "pyisolate-exit-reason-private.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-memory-book-private.h"
#include "pyisolate-process-private.h"
#include "pyisolate-remote-exception-private.h"
#include "pyisolate-service-private.h"
#include "pyisolate-value-private.h"

#include <signal.h>
#include <sys/socket.h>

#define PROTOCOL_VERSION 1

/* How long a link may outlive its process, or a process its link, before it is ended. Both are ends of the same thing and
 * come together, unless something is wrong. */
#define AFTERLIFE_MS 500

/* How long a worker that could not load its extension may take to end by itself. */
#define LOAD_FAILED_MS 2000

typedef enum {
  PHASE_NEW,
  PHASE_SPAWNED, /* waits for Hello */
  PHASE_LOADING, /* waits for Ready or LoadFailed */
  PHASE_READY,
  PHASE_STOPPING,
  PHASE_GONE,
} Phase;

struct _PyIsolateWorker {
  GObject parent_instance;

  PyIsolateExtensionConfig *config;
  PyIsolateEnvironment *environment; /* in use as long as this */
  char *state_directory;
  GVariant *apis; /* a{sv}: name → description */
  const PyIsolateWorkerCallbacks *callbacks;
  gpointer user_data;
  GDestroyNotify destroy;

  Phase phase;
  guint32 link_number;
  PyIsolateProcess *process;
  GCancellable *connecting;
  PyIsolateEndpoint *endpoint;
  PyIsolateMemoryBook *memory; /* what the process shares with the host */
  int lane_fd; /* of the first lane, until the worker has said that it reads lanes */
  GSource *timeout;
  GError *why;                 /* why it has to end, or did */
  PyIsolateExitReason *reason; /* how the process ended */
  gboolean process_gone;
  gboolean link_gone;
  gboolean link_lost; /* the link went first, and the process had to be killed */
};

G_DEFINE_FINAL_TYPE (PyIsolateWorker, _pyisolate_worker, G_TYPE_OBJECT)

static const char *
get_name (PyIsolateWorker *self)
{
  return pyisolate_extension_config_get_name (self->config);
}

static void
clear_timeout (PyIsolateWorker *self)
{
  if (self->timeout != NULL)
    g_source_destroy (self->timeout);
  g_clear_pointer (&self->timeout, g_source_unref);
}

static void
set_timeout (PyIsolateWorker *self,
             gint64           milliseconds,
             GSourceFunc      func)
{
  clear_timeout (self);
  if (milliseconds < 0)
    return;

  self->timeout = g_timeout_source_new ((guint) MIN (milliseconds, (gint64) G_MAXUINT));
  g_source_set_callback (self->timeout, func, g_object_ref (self), g_object_unref);
  g_source_set_static_name (self->timeout, "[pyisolate] time-out of a worker");
  g_source_attach (self->timeout, _pyisolate_service_get_context ());
}

/* The process ended by itself, or somebody else ended it: how is what a caller of one of its methods is told. */
static GError *
new_error_of_exit (PyIsolateWorker *self)
{
  PyIsolateError code = PYISOLATE_ERROR_DIED;
  int status = pyisolate_exit_reason_get_status (self->reason);

  if (self->link_lost && pyisolate_exit_reason_get_kind (self->reason) == PYISOLATE_EXIT_KIND_LINK_CLOSED)
    return g_error_new (PYISOLATE_ERROR, self->phase == PHASE_SPAWNED ? PYISOLATE_ERROR_HANDSHAKE : PYISOLATE_ERROR_DIED,
                        "The process of the extension “%s” closed its connection to the host", get_name (self));
  if (self->phase == PHASE_SPAWNED)
    return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_HANDSHAKE,
                        "The extension “%s” ended before it could be loaded: its process %s", get_name (self),
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

  return g_error_new (PYISOLATE_ERROR, code, "The process of the extension “%s” %s%s", get_name (self),
                      pyisolate_exit_reason_get_message (self->reason),
                      self->phase == PHASE_LOADING ? " while the extension was being loaded" : "");
}

static gboolean
stopped_as_asked (PyIsolateWorker *self)
{
  return self->phase == PHASE_STOPPING && self->why == NULL;
}

/* What the calls that still wait get. */
static GError *
new_error_for_calls (PyIsolateWorker *self)
{
  if (stopped_as_asked (self))
    return g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING, "The extension “%s” was stopped", get_name (self));
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

  g_assert (self->phase != PHASE_GONE);

  clear_timeout (self);
  if (self->endpoint != NULL)
    _pyisolate_endpoint_drain (self->endpoint); /* what it said before it ended counts */
  error = new_error_for_calls (self);
  self->phase = PHASE_GONE;
  /* Whoever gets an error from its call now may load the extension again: so its state comes first. */
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

  clear_timeout (self);
  if (!self->link_gone)
    {
      self->link_gone = TRUE;
      be_gone (self);
    }

  return G_SOURCE_REMOVE;
}

static void
check_gone (PyIsolateWorker *self)
{
  if (self->phase == PHASE_GONE || !self->process_gone)
    return;

  if (self->link_gone)
    be_gone (self);
  else
    set_timeout (self, AFTERLIFE_MS, on_link_outlived);
}

/*< private >
 * @why: what the calls that wait are told, unless there was a reason before
 */
void
_pyisolate_worker_end (PyIsolateWorker *self,
                       const GError    *why)
{
  g_assert (PYISOLATE_IS_WORKER (self));

  if (self->phase == PHASE_GONE)
    return;

  if (self->why == NULL)
    self->why = g_error_copy (why);
  if (self->connecting != NULL)
    g_cancellable_cancel (self->connecting);
  clear_timeout (self);

  if (self->process != NULL && !self->process_gone)
    _pyisolate_process_kill (self->process);
}

/* For what it has sent, which says nothing of who sent it. */
static void
end_for_message (PyIsolateWorker *self,
                 const GError    *problem)
{
  g_autoptr (GError) error = g_error_copy (problem);

  g_prefix_error (&error, "The extension “%s” was ended for what it sent: ", get_name (self));
  _pyisolate_worker_end (self, error);
}

static gboolean
on_stop_timeout (gpointer user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  clear_timeout (self);
  if (!self->process_gone)
    _pyisolate_process_kill (self->process);

  return G_SOURCE_REMOVE;
}

static gboolean
on_start_timeout (gpointer user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);
  gint64 timeout = pyisolate_extension_config_get_start_timeout (self->config);
  g_autoptr (GError) error = NULL;

  if (self->phase == PHASE_SPAWNED)
    error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_HANDSHAKE,
                         "The process of the extension “%s” did not say hello within %" G_GINT64_FORMAT " ms",
                         get_name (self), timeout);
  else
    error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT,
                         "The extension “%s” was not loaded within its start-timeout of %" G_GINT64_FORMAT " ms",
                         get_name (self), timeout);
  _pyisolate_worker_end (self, error);

  return G_SOURCE_REMOVE;
}

static void
respond (PyIsolateWorker *self,
         guint64          id,
         GVariant        *value)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, id);

  _pyisolate_frame_set_variant (frame, g_variant_new_variant (value));
  _pyisolate_endpoint_respond (self->endpoint, frame);
}

static GVariant *
make_settings (PyIsolateWorker *self)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "link", "x", (gint64) self->link_number);
  g_variant_dict_insert (&dict, "name", "s", get_name (self));
  g_variant_dict_insert (&dict, "module_path", "s", pyisolate_extension_config_get_module_path (self->config));
  g_variant_dict_insert (&dict, "source_paths", "^as", pyisolate_extension_config_get_source_paths (self->config));
  g_variant_dict_insert (&dict, "state_directory", "s", self->state_directory);
  g_variant_dict_insert_value (&dict, "apis", self->apis);

  return g_variant_dict_end (&dict);
}

static void
handle_hello (PyIsolateWorker *self,
              guint64          id,
              GVariant        *kwargs)
{
  gint64 protocol = 0;
  gint64 lanes = 0;
  const char *build = "";
  g_autoptr (GError) error = NULL;

  g_variant_lookup (kwargs, "protocol", "x", &protocol);
  g_variant_lookup (kwargs, "build", "&s", &build);
  if (protocol == PROTOCOL_VERSION && g_str_equal (build, PYISOLATE_BUILD_ID))
    {
      if (g_variant_lookup (kwargs, "lanes", "x", &lanes) && lanes > 0 && self->lane_fd >= 0)
        _pyisolate_endpoint_allow_lanes (self->endpoint, _pyisolate_steal_fd (&self->lane_fd));
      _pyisolate_clear_fd (&self->lane_fd);
      self->phase = PHASE_LOADING;
      respond (self, id, make_settings (self));
      return;
    }

  if (protocol != PROTOCOL_VERSION)
    error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_HANDSHAKE,
                         "The runtime in the process of the extension “%s” speaks version %" G_GINT64_FORMAT
                         " of the protocol, and this library version %d; install both together",
                         get_name (self), protocol, PROTOCOL_VERSION);
  else
    error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_HANDSHAKE,
                         "The runtime in the process of the extension “%s” is of another build (%s) than this library "
                         "(%s); install both together", get_name (self), build, PYISOLATE_BUILD_ID);
  _pyisolate_worker_end (self, error);
}

static void
handle_ready (PyIsolateWorker *self,
              guint64          id,
              GVariant        *kwargs)
{
  g_autoptr (GVariant) methods = g_variant_lookup_value (kwargs, "methods", G_VARIANT_TYPE_ARRAY);
  g_autoptr (GError) error = NULL;

  if (methods == NULL)
    {
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE,
                           "The extension “%s” says that it is ready, but not what its methods are", get_name (self));
      _pyisolate_worker_end (self, error);
      return;
    }

  clear_timeout (self);
  self->phase = PHASE_READY;
  respond (self, id, pyisolate_value_new_none ());
  self->callbacks->ready (self, self->endpoint, methods, self->user_data);
}

static void
handle_load_failed (PyIsolateWorker *self,
                    guint64          id,
                    GVariant        *kwargs)
{
  g_autoptr (GVariant) dict = g_variant_lookup_value (kwargs, "exception", G_VARIANT_TYPE_VARDICT);
  g_autoptr (PyIsolateRemoteException) exception = NULL;
  g_autoptr (GError) error = NULL;
  const char *stage = "import";

  g_variant_lookup (kwargs, "stage", "&s", &stage);
  error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_IMPORT_FAILED, "The extension “%s” could not be loaded (%s)",
                       get_name (self), stage);
  if (dict != NULL)
    {
      exception = _pyisolate_remote_exception_new_from_variant (dict);
      g_clear_error (&error);
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_IMPORT_FAILED,
                           "The extension “%s” could not be loaded (%s): %s: %s", get_name (self), stage,
                           pyisolate_remote_exception_get_type_name (exception),
                           pyisolate_remote_exception_get_message (exception));
      _pyisolate_error_set_remote_exception (error, exception);
    }

  respond (self, id, pyisolate_value_new_none ());
  if (self->why == NULL)
    self->why = g_steal_pointer (&error);
  /* It ends by itself now. */
  set_timeout (self, LOAD_FAILED_MS, on_stop_timeout);
}

static void
handle_control_call (PyIsolateWorker *self,
                     PyIsolateFrame  *frame)
{
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) kwargs = NULL;
  g_autoptr (GError) error = NULL;

  if (!_pyisolate_value_check_bytes (frame->body, G_VARIANT_TYPE (PYISOLATE_BODY_CALL), &body, &error))
    {
      end_for_message (self, error);
      return;
    }

  /* It is being ended already, whatever it says now. */
  if (self->why != NULL)
    return;

  kwargs = g_variant_get_child_value (body, 1);
  if (self->phase == PHASE_SPAWNED && g_str_equal (frame->name, "Hello"))
    handle_hello (self, frame->id, kwargs);
  else if (self->phase == PHASE_LOADING && g_str_equal (frame->name, "Ready"))
    handle_ready (self, frame->id, kwargs);
  else if (self->phase == PHASE_LOADING && g_str_equal (frame->name, "LoadFailed"))
    handle_load_failed (self, frame->id, kwargs);
  else if (self->phase != PHASE_STOPPING && self->phase != PHASE_GONE)
    {
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_MESSAGE,
                           "The worker of the extension “%s” sent “%s” at the wrong time", get_name (self), frame->name);
      _pyisolate_worker_end (self, error);
    }
}

typedef struct {
  PyIsolateWorker *worker;
  PyIsolateFrame *frame;
} ControlCall;

static gboolean
on_control_call (gpointer user_data)
{
  ControlCall *call = user_data;

  handle_control_call (call->worker, call->frame);

  return G_SOURCE_REMOVE;
}

static void
control_call_free (gpointer data)
{
  ControlCall *call = data;

  g_object_unref (call->worker);
  _pyisolate_frame_free (call->frame);
  g_free (call);
}

/* In the transport's thread. */
static void
on_frame (PyIsolateEndpoint *endpoint,
          PyIsolateFrame    *frame,
          gpointer           user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  if (frame->kind == PYISOLATE_FRAME_CALL && g_str_equal (frame->target, PYISOLATE_TARGET_HOST))
    {
      ControlCall *call = g_new (ControlCall, 1);

      call->worker = g_object_ref (self);
      call->frame = frame;
      _pyisolate_service_invoke (on_control_call, call, control_call_free);
      return;
    }

  self->callbacks->frame (self, endpoint, frame, self->user_data);
}

static gboolean
on_process_outlived (gpointer user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  clear_timeout (self);
  self->link_lost = TRUE;
  if (!self->process_gone)
    _pyisolate_process_kill (self->process);

  return G_SOURCE_REMOVE;
}

static void
on_link_closed (PyIsolateEndpoint *endpoint,
                const GError      *error,
                gpointer           user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  self->link_gone = TRUE;

  if (self->process_gone)
    check_gone (self);
  else if (error != NULL && error->domain == PYISOLATE_ERROR)
    end_for_message (self, error);
  else if (self->phase == PHASE_STOPPING)
    {
      if (self->timeout == NULL) /* it may take as long as it likes, but not without a link */
        set_timeout (self, AFTERLIFE_MS, on_stop_timeout);
    }
  else if (self->phase != PHASE_GONE)
    set_timeout (self, AFTERLIFE_MS, on_process_outlived);
}

static guint64
get_memory_limit (PyIsolateWorker *self)
{
  guint64 limit = pyisolate_extension_config_get_shared_memory_limit (self->config);

  if (limit != 0)
    return limit;

  return (guint64) sysconf (_SC_PHYS_PAGES) * (guint64) sysconf (_SC_PAGESIZE) / 2;
}

static gboolean
on_lane_lost (gpointer user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  /* Its process ends, or has to: calls that went there will not be answered. */
  if (self->phase != PHASE_GONE && !self->process_gone && self->timeout == NULL)
    set_timeout (self, AFTERLIFE_MS, on_process_outlived);

  return G_SOURCE_REMOVE;
}

/* In the thread that reads the lane. */
static void
on_lane_closed (PyIsolateEndpoint *endpoint,
                gpointer           user_data)
{
  _pyisolate_service_invoke (on_lane_lost, g_object_ref (user_data), g_object_unref);
}

static void
on_connected (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  static const PyIsolateEndpointHandler handler = { on_frame, on_link_closed, on_lane_closed };
  g_autoptr (PyIsolateWorker) self = PYISOLATE_WORKER (user_data);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = NULL;
  g_autoptr (PyIsolateTransport) transport = NULL;

  connection = _pyisolate_dbus_connect_host_finish (result, &error);
  g_clear_object (&self->connecting);

  if (connection == NULL)
    {
      on_link_closed (NULL, NULL, self);
      return;
    }

  transport = _pyisolate_dbus_transport_new (connection, &_pyisolate_dbus_host_limits);
  self->memory = _pyisolate_memory_book_new_host (get_memory_limit (self));
  _pyisolate_memory_book_attach (self->memory, _pyisolate_service_get_context (), transport);
  _pyisolate_transport_set_memory (transport, self->memory);
  self->endpoint = _pyisolate_endpoint_new (transport, self->link_number);
  _pyisolate_endpoint_start (self->endpoint, &handler, g_object_ref (self), g_object_unref);
}

static void
on_started (PyIsolateProcess *process,
            int               pid,
            gpointer          user_data)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (user_data);

  if (self->why == NULL && self->phase == PHASE_SPAWNED)
    set_timeout (self, pyisolate_extension_config_get_start_timeout (self->config), on_start_timeout);
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
  if (self->link_lost && pyisolate_exit_reason_get_status (reason) == SIGKILL)
    {
      g_object_unref (self->reason);
      self->reason = _pyisolate_exit_reason_new (PYISOLATE_EXIT_KIND_LINK_CLOSED, SIGKILL, FALSE, FALSE, NULL);
    }
  self->process_gone = TRUE;
  if (self->connecting != NULL)
    g_cancellable_cancel (self->connecting);
  check_gone (self);
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
  check_gone (self);
}

static gboolean
spawn (PyIsolateWorker  *self,
       int               child_fd,
       int               child_lane_fd,
       GError          **error)
{
  g_autofree char *launcher = _pyisolate_get_launcher_path ();
  g_auto (GStrv) argv = _pyisolate_worker_make_argv (self->environment);
  g_auto (GStrv) envv = _pyisolate_worker_make_envv (self->config, self->environment, self->state_directory);
  PyIsolateProcessFd pass_fds[] = { { child_fd, PYISOLATE_WORKER_LINK_FD }, { child_lane_fd, PYISOLATE_WORKER_LANE_FD } };
  PyIsolateProcessSpec spec = {
    .tag = get_name (self),
    .launcher_path = launcher,
    .argv = (const char *const *) argv,
    .envv = (const char *const *) envv,
    .cwd = self->state_directory,
    .pass_fds = pass_fds,
    .n_pass_fds = child_lane_fd >= 0 ? 2 : 1,
    .callbacks = { on_started, on_output, on_exited, on_spawn_failed },
    .user_data = self,
  };

  self->process = _pyisolate_process_spawn (&spec, error);

  return self->process != NULL;
}

/* Starts it; `gone` tells if that does not work. */
void
_pyisolate_worker_start (PyIsolateWorker *self)
{
  _pyisolate_autofd host_fd = -1;
  int lane_fds[2] = { -1, -1 };
  int fds[2];

  g_assert (PYISOLATE_IS_WORKER (self));
  g_assert (_pyisolate_service_is_current ());
  g_assert (self->phase == PHASE_NEW);

  g_object_ref (self); /* until it is gone */
  self->phase = PHASE_SPAWNED;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    {
      self->why = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_SPAWN, "The extension “%s” cannot be started: %s",
                               get_name (self), g_strerror (errno));
      self->process_gone = self->link_gone = TRUE;
      be_gone (self);
      return;
    }

  host_fd = fds[0];
  if (_pyisolate_worker_may_have_lanes () && _pyisolate_lane_socketpair (lane_fds))
    self->lane_fd = lane_fds[0];
  if (!spawn (self, fds[1], lane_fds[1], &self->why))
    {
      self->process_gone = self->link_gone = TRUE;
      be_gone (self);
      return;
    }

  self->connecting = g_cancellable_new ();
  _pyisolate_dbus_connect_host_async (_pyisolate_steal_fd (&host_fd), self->connecting, on_connected,
                                      g_object_ref (self));
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

  if (self->phase != PHASE_READY)
    {
      error = g_error_new (PYISOLATE_ERROR, PYISOLATE_ERROR_NOT_RUNNING, "The extension “%s” was stopped while it was loaded",
                           get_name (self));
      if (self->phase < PHASE_READY)
        _pyisolate_worker_end (self, error);
      return;
    }

  self->phase = PHASE_STOPPING;
  _pyisolate_process_expect_exit (self->process);
  set_timeout (self, pyisolate_extension_config_get_stop_timeout (self->config), on_stop_timeout);

  frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, _pyisolate_endpoint_new_id ());
  frame->target = g_strdup (PYISOLATE_TARGET_WORKER);
  frame->name = g_strdup ("Stop");
  _pyisolate_frame_set_variant (frame, g_variant_new_parsed ("(@av [], @a{sv} {})"));
  _pyisolate_endpoint_call (self->endpoint, NULL, frame, on_stop_reply, NULL, NULL, NULL);
}

guint64
_pyisolate_worker_get_memory_usage (PyIsolateWorker *self)
{
  return self->process != NULL ? _pyisolate_process_get_memory_usage (self->process) : 0;
}

static void
_pyisolate_worker_finalize (GObject *object)
{
  PyIsolateWorker *self = PYISOLATE_WORKER (object);

  g_assert (self->phase == PHASE_NEW || self->phase == PHASE_GONE);

  g_clear_object (&self->process);
  g_clear_object (&self->connecting);
  g_clear_object (&self->endpoint);
  g_clear_pointer (&self->memory, _pyisolate_memory_book_unref);
  _pyisolate_clear_fd (&self->lane_fd);
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

  self->lane_fd = -1;
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
