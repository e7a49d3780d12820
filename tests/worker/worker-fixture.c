/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "worker-fixture.h"

#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-error-private.h"
#include "pyisolate-lane-private.h"
#include "pyisolate-value-layout-private.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_NUMBER 7

struct _Worker {
  GSubprocess *process;
  GDBusConnection *connection;
  PyIsolateTransport *transport;
  PyIsolateLane *lane; /* NULL: everything goes by D-Bus */
  GThread *lane_reader;
  GHashTable *by_lane; /* ids of the worker's calls that came by it */
  GAsyncQueue *frames;
  GPtrArray *seen;       /* what came and was not waited for */
  GHashTable *forwarded; /* id of a call back → id of the call that asked for it */
  GVariant *methods;
  GStrv source_paths;
  char *module_path;
  char *home;
  guint64 last_id;

  GThread *reader;
  GMutex mutex;
  GCond grown;
  GString *output;
  gboolean output_ended;
};

static gpointer
read_output (gpointer data)
{
  Worker *worker = data;
  GInputStream *stream = g_subprocess_get_stdout_pipe (worker->process);
  char buffer[4096];
  gssize n;

  do
    {
      n = g_input_stream_read (stream, buffer, sizeof buffer, NULL, NULL);

      g_mutex_lock (&worker->mutex);
      if (n > 0)
        g_string_append_len (worker->output, buffer, n);
      else
        worker->output_ended = TRUE;
      g_cond_broadcast (&worker->grown);
      g_mutex_unlock (&worker->mutex);
    }
  while (n > 0);

  return NULL;
}

char *
worker_dup_output (Worker *worker)
{
  char *text;

  g_mutex_lock (&worker->mutex);
  text = g_strdup (worker->output->str);
  g_mutex_unlock (&worker->mutex);

  return text;
}

void
worker_fail (Worker     *worker,
             const char *format,
             ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);

  g_mutex_lock (&worker->mutex);
  g_error ("%s\nOutput of the worker:\n%s", message, worker->output->str);
}

void
worker_wait_output (Worker     *worker,
                    const char *text)
{
  gint64 deadline = g_get_monotonic_time () + WORKER_DEADLINE_MS * G_TIME_SPAN_MILLISECOND;
  gboolean found;

  g_mutex_lock (&worker->mutex);
  while (!(found = strstr (worker->output->str, text) != NULL) && !worker->output_ended)
    {
      if (!g_cond_wait_until (&worker->grown, &worker->mutex, deadline))
        break;
    }
  g_mutex_unlock (&worker->mutex);

  if (!found)
    worker_fail (worker, "Not in the output: %s", text);
}

static void
on_frame (PyIsolateTransport *transport,
          PyIsolateFrame     *frame,
          gpointer            user_data)
{
  g_async_queue_push (user_data, frame);
}

static void
on_lane_frame (PyIsolateTransport *transport,
               PyIsolateFrame     *frame,
               gpointer            user_data)
{
  Worker *worker = user_data;

  g_assert_false (frame->kind == PYISOLATE_FRAME_CANCEL);
  if (frame->kind == PYISOLATE_FRAME_CALL)
    {
      g_mutex_lock (&worker->mutex);
      g_hash_table_add (worker->by_lane, g_memdup2 (&frame->id, sizeof frame->id));
      g_mutex_unlock (&worker->mutex);
    }
  g_async_queue_push (worker->frames, frame);
}

static gpointer
read_lane (gpointer data)
{
  Worker *worker = data;
  struct pollfd pollfd = { .fd = _pyisolate_lane_get_fd (worker->lane), .events = POLLIN };

  while (!_pyisolate_lane_is_ended (worker->lane))
    {
      if (poll (&pollfd, 1, -1) == 1)
        {
          while (_pyisolate_lane_receive_ready (worker->lane, 100))
            ;
        }
    }

  return NULL;
}

static void
on_closed (PyIsolateTransport *transport,
           const GError       *error,
           gpointer            user_data)
{
  if (error != NULL)
    g_test_message ("The link closed: %s", error->message);
}

static void
on_connected (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

/* The host's end of a link. */
GDBusConnection *
worker_connect (int      take_fd,
                GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  _pyisolate_dbus_connect_host_async (take_fd, NULL, on_connected, &result);
  test_util_assert_until (test_util_is_set, &result, WORKER_DEADLINE_MS);

  return _pyisolate_dbus_connect_host_finish (result, error);
}

static void
connect_host (Worker *worker,
              int     take_fd)
{
  static const PyIsolateTransportHandler handler = { on_frame, on_closed };
  g_autoptr (GError) error = NULL;

  worker->connection = worker_connect (take_fd, &error);
  if (worker->connection == NULL)
    worker_fail (worker, "No connection: %s", error->message);

  worker->transport = _pyisolate_dbus_transport_new (worker->connection,
                                                     &_pyisolate_dbus_host_limits);
  _pyisolate_transport_start (worker->transport, &handler, g_async_queue_ref (worker->frames),
                              (GDestroyNotify) g_async_queue_unref);
}

/* A test waits until the worker has read what it sends. */
static void
flush_lane (PyIsolateLane *lane,
            gpointer       data)
{
  struct pollfd pollfd = { .fd = _pyisolate_lane_get_socket (lane), .events = POLLOUT };

  while (_pyisolate_lane_wants_write (lane) && poll (&pollfd, 1, WORKER_DEADLINE_MS) == 1)
    _pyisolate_lane_flush (lane);
}

/* The lane that a worker has from its start. */
static void
make_lane (Worker              *worker,
           GSubprocessLauncher *launcher)
{
  static const PyIsolateTransportHandler handler = { on_lane_frame, on_closed };
  int peer_fd;

  if (g_strcmp0 (g_getenv ("PYISOLATE_TRANSPORT"), "dbus") == 0)
    return;

  worker->lane = _pyisolate_lane_new_pair (&peer_fd);
  g_assert_nonnull (worker->lane);
  g_subprocess_launcher_take_fd (launcher, peer_fd, 4);
  g_subprocess_launcher_setenv (launcher, "PYISOLATE_LANE_FD", "4", TRUE);
  _pyisolate_lane_set_waiting_func (worker->lane, flush_lane, NULL);
  _pyisolate_transport_start (PYISOLATE_TRANSPORT (worker->lane), &handler, worker, NULL);
  worker->lane_reader = g_thread_new ("lane", read_lane, worker);
}

Worker *
worker_start (const char *python,
              const char *path)
{
  Worker *worker = g_new0 (Worker, 1);
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *boot = g_build_filename (g_getenv ("PYISOLATE_RUNTIME_DIR"), "worker", "boot.py",
                                            NULL);
  int fds[2];

  worker->frames = g_async_queue_new_full ((GDestroyNotify) _pyisolate_frame_free);
  worker->seen = g_ptr_array_new_with_free_func ((GDestroyNotify) _pyisolate_frame_free);
  worker->forwarded = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  worker->by_lane = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  worker->module_path = g_strdup (path);
  worker->source_paths = g_new0 (char *, 1);
  worker->output = g_string_new (NULL);
  worker->home = test_util_tmpdir ();
  g_mutex_init (&worker->mutex);
  g_cond_init (&worker->grown);

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  launcher =
    g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE);
  g_subprocess_launcher_take_fd (launcher, fds[1], 3);
  g_subprocess_launcher_setenv (launcher, "PYISOLATE_LINK_FD", "3", TRUE);
  make_lane (worker, launcher);
  g_subprocess_launcher_setenv (launcher, "HOME", worker->home, TRUE);
  if (g_getenv ("PYISOLATE_TEST_PRELOAD") != NULL)
    {
      g_subprocess_launcher_setenv (launcher, "LD_PRELOAD", g_getenv ("PYISOLATE_TEST_PRELOAD"),
                                    TRUE);
      g_subprocess_launcher_setenv (launcher, "ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1",
                                    TRUE);
    }
  worker->process = g_subprocess_launcher_spawn (launcher, &error, python, "-I", "-X", "utf8", "-X",
                                                 "faulthandler",
                                                 boot, NULL);
  g_assert_no_error (error);
  g_subprocess_launcher_close (launcher);

  worker->reader = g_thread_new ("output", read_output, worker);
  connect_host (worker, fds[0]);

  return worker;
}

void
worker_add_source_path (Worker     *worker,
                        const char *path)
{
  guint n = g_strv_length (worker->source_paths);

  worker->source_paths = g_renew (char *, worker->source_paths, n + 2);
  worker->source_paths[n] = g_strdup (path);
  worker->source_paths[n + 1] = NULL;
}

/* As a host sends: calls of methods, and the answers to what came by it. */
static gboolean
goes_by_lane (Worker         *worker,
              PyIsolateFrame *frame)
{
  gboolean came_by_lane;

  if (worker->lane == NULL || frame->kind == PYISOLATE_FRAME_CANCEL)
    return FALSE;
  if (frame->kind == PYISOLATE_FRAME_CALL)
    return g_strcmp0 (frame->target, "") == 0;

  g_mutex_lock (&worker->mutex);
  came_by_lane = g_hash_table_remove (worker->by_lane, &frame->id);
  g_mutex_unlock (&worker->mutex);

  return came_by_lane;
}

static void
send_frame (Worker         *worker,
            PyIsolateFrame *frame)
{
  PyIsolateTransport *transport = worker->transport;
  g_autoptr (GError) error = NULL;

  if (goes_by_lane (worker, frame))
    transport = PYISOLATE_TRANSPORT (worker->lane);
  _pyisolate_transport_send (transport, frame, &error);
  g_assert_no_error (error);
}

static void
send_variant (Worker   *worker,
              guint64   id,
              GVariant *value)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_RETURN, id);

  _pyisolate_frame_set_variant (frame, g_variant_new_variant (value));
  send_frame (worker, frame);
}

void
worker_answer (Worker     *worker,
               guint64     id,
               const char *value)
{
  g_autoptr (GError) error = NULL;
  GVariant *variant = g_variant_parse (NULL, value, NULL, NULL, &error);

  g_assert_no_error (error);
  send_variant (worker, id, variant);
  g_variant_unref (variant);
}

GVariant *
worker_dup_body (PyIsolateFrame *frame,
                 const char     *type)
{
  g_autoptr (GVariant) variant =
    g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), frame->body, FALSE));

  g_assert_true (g_variant_is_normal_form (variant));
  return g_steal_pointer (&variant);
}

static gboolean
is_control (PyIsolateFrame *frame,
            const char     *name)
{
  return frame->kind == PYISOLATE_FRAME_CALL &&
         g_str_equal (frame->target, PYISOLATE_TARGET_HOST) &&
         g_str_equal (frame->name, name);
}

PyIsolateFrame *
worker_next (Worker *worker)
{
  PyIsolateFrame *frame = g_async_queue_timeout_pop (worker->frames, WORKER_DEADLINE_MS * 1000);

  if (frame == NULL)
    worker_fail (worker, "Nothing more comes from the worker");

  return frame;
}

static void
forward_call_back (Worker         *worker,
                   PyIsolateFrame *frame)
{
  g_autoptr (GVariant) body = worker_dup_body (frame, PYISOLATE_BODY_CALL);
  g_autoptr (GVariant) args = g_variant_get_child_value (body, 0);
  g_autoptr (GVariant) method = NULL;
  GVariantBuilder rest;
  PyIsolateFrame *call = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, ++worker->last_id);

  g_variant_get_child (args, 0, "v", &method);
  g_variant_builder_init (&rest, G_VARIANT_TYPE ("av"));
  for (gsize i = 1; i < g_variant_n_children (args); i++)
    {
      g_autoptr (GVariant) arg = g_variant_get_child_value (args, i);

      g_variant_builder_add_value (&rest, arg);
    }

  call->target = g_strdup ("");
  call->name = g_variant_dup_string (method, NULL);
  _pyisolate_frame_set_variant (call, g_variant_new ("(ava{sv})", &rest, NULL));
  call->chain = g_renew (guint64, NULL, frame->n_chain + 1);
  if (frame->n_chain > 0)
    memcpy (call->chain, frame->chain, frame->n_chain * sizeof (guint64));
  call->chain[frame->n_chain] = frame->id;
  call->n_chain = frame->n_chain + 1;
  g_hash_table_insert (worker->forwarded, g_memdup2 (&call->id, sizeof call->id),
                       g_memdup2 (&frame->id, sizeof frame->id));
  send_frame (worker, call);
}

static gboolean
serve_singleton (Worker         *worker,
                 PyIsolateFrame *frame)
{
  if (g_str_equal (frame->name, "echo"))
    {
      g_autoptr (GVariant) body = worker_dup_body (frame, PYISOLATE_BODY_CALL);
      g_autoptr (GVariant) args = g_variant_get_child_value (body, 0);
      g_autoptr (GVariant) value = NULL;

      g_variant_get_child (args, 0, "v", &value);
      send_variant (worker, frame->id, value);
    }
  else if (g_str_equal (frame->name, "call_back"))
    {
      forward_call_back (worker, frame);
    }
  else if (g_str_equal (frame->name, "fail"))
    {
      g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                                                      "No such thing");

      send_frame (worker, _pyisolate_frame_new_error (frame->id, error));
    }
  else
    {
      g_assert_cmpstr (frame->name, ==, "silent");
      return FALSE;
    }

  return TRUE;
}

/* TRUE: nobody else needs to look at it. */
static gboolean
handle_in_passing (Worker         *worker,
                   PyIsolateFrame *frame)
{
  if (frame->kind == PYISOLATE_FRAME_CALL)
    return serve_singleton (worker, frame);

  if (frame->kind == PYISOLATE_FRAME_RETURN || frame->kind == PYISOLATE_FRAME_ERROR)
    {
      guint64 *asked = g_hash_table_lookup (worker->forwarded, &frame->id);

      if (asked != NULL)
        {
          PyIsolateFrame *answer = _pyisolate_frame_new (frame->kind, *asked);

          answer->name = g_strdup (frame->name);
          answer->message = g_strdup (frame->message);
          answer->body = g_bytes_ref (frame->body);
          send_frame (worker, answer);
          g_hash_table_remove (worker->forwarded, &frame->id);
          return TRUE;
        }
    }

  return FALSE;
}

static gboolean
is_answer_to (PyIsolateFrame *frame,
              guint64         id)
{
  return frame->id == id &&
         (frame->kind == PYISOLATE_FRAME_RETURN || frame->kind == PYISOLATE_FRAME_ERROR);
}

PyIsolateFrame *
worker_wait (Worker  *worker,
             guint64  id)
{
  for (guint i = 0; i < worker->seen->len; i++)
    {
      if (is_answer_to (g_ptr_array_index (worker->seen, i), id))
        return g_ptr_array_steal_index (worker->seen, i);
    }

  for (;;)
    {
      PyIsolateFrame *frame = worker_next (worker);

      if (is_answer_to (frame, id))
        return frame;
      if (handle_in_passing (worker, frame))
        _pyisolate_frame_free (frame);
      else
        g_ptr_array_add (worker->seen, frame);
    }
}

PyIsolateFrame *
worker_wait_kind (Worker             *worker,
                  PyIsolateFrameKind  kind)
{
  for (guint i = 0; i < worker->seen->len; i++)
    {
      PyIsolateFrame *frame = g_ptr_array_index (worker->seen, i);

      if (frame->kind == kind)
        return g_ptr_array_steal_index (worker->seen, i);
    }

  for (;;)
    {
      PyIsolateFrame *frame = worker_next (worker);

      if (frame->kind == kind &&
          (kind != PYISOLATE_FRAME_CALL || g_str_equal (frame->name, "silent")))
        return frame;
      if (handle_in_passing (worker, frame))
        _pyisolate_frame_free (frame);
      else
        g_ptr_array_add (worker->seen, frame);
    }
}

guint64
worker_wait_silent (Worker *worker)
{
  g_autoptr (PyIsolateFrame) frame = worker_wait_kind (worker, PYISOLATE_FRAME_CALL);

  return frame->id;
}

GPtrArray *
worker_get_seen (Worker *worker)
{
  return worker->seen;
}

static GVariant *
new_settings (Worker *worker)
{
  g_auto (GVariantDict) settings = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) apis = NULL;

  apis = g_variant_parse (G_VARIANT_TYPE_VARDICT,
                          "{'host': <{'methods': <{"
                          "'echo': <{'signature': <'v'>, 'doc': <'Gives it back.'>}>,"
                          "'call_back': <@a{sv} {}>, 'fail': <@a{sv} {}>, "
                          "'silent': <@a{sv} {}>}>}>,"
                          "'open': <@a{sv} {}>}",
                          NULL, NULL, NULL);
  g_variant_dict_insert (&settings, "link", "x", (gint64) LINK_NUMBER);
  g_variant_dict_insert (&settings, "name", "s", "test");
  g_variant_dict_insert (&settings, "module_path", "s", worker->module_path);
  g_variant_dict_insert (&settings, "source_paths", "^as", worker->source_paths);
  g_variant_dict_insert (&settings, "state_directory", "s", worker->home);
  g_variant_dict_insert_value (&settings, "apis", apis);

  return g_variant_dict_end (&settings);
}

void
worker_answer_hello (Worker *worker)
{
  g_autoptr (PyIsolateFrame) hello = worker_next (worker);
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) kwargs = NULL;
  gint64 number;

  g_assert_true (is_control (hello, "Hello"));
  g_assert_cmpuint (PYISOLATE_CALL_ID_LINK (hello->id), ==, G_MAXUINT32);
  body = worker_dup_body (hello, PYISOLATE_BODY_CALL);
  kwargs = g_variant_get_child_value (body, 1);
  g_assert_true (g_variant_lookup (kwargs, "protocol", "x", &number));
  g_assert_cmpint (number, ==, 1);
  g_assert_true (g_variant_lookup (kwargs, "pid", "x", &number));
  g_assert_cmpint (number, ==, worker_get_pid (worker));
  g_assert_cmpint (g_variant_lookup (kwargs, "lanes", "x", &number), ==, worker->lane != NULL);

  send_variant (worker, hello->id, new_settings (worker));
}

static GVariant *
expect_control (Worker     *worker,
                const char *name)
{
  for (;;)
    {
      g_autoptr (PyIsolateFrame) frame = worker_next (worker);
      g_autoptr (GVariant) body = NULL;

      if (frame->kind != PYISOLATE_FRAME_CALL ||
          !g_str_equal (frame->target, PYISOLATE_TARGET_HOST))
        {
          if (!handle_in_passing (worker, frame))
            g_ptr_array_add (worker->seen, g_steal_pointer (&frame));
          continue;
        }

      body = worker_dup_body (frame, PYISOLATE_BODY_CALL);
      if (!is_control (frame, name))
        {
          g_autofree char *text = g_variant_print (body, FALSE);

          worker_fail (worker, "%s in place of %s: %s", frame->name, name, text);
        }
      g_assert_cmpuint (PYISOLATE_CALL_ID_LINK (frame->id), ==, LINK_NUMBER);
      worker_answer (worker, frame->id, "objectpath '" PYISOLATE_TAG_NONE "'");
      return g_variant_get_child_value (body, 1);
    }
}

GVariant *
worker_expect_ready (Worker *worker)
{
  g_autoptr (GVariant) kwargs = expect_control (worker, "Ready");

  worker->methods = g_variant_lookup_value (kwargs, "methods", NULL);
  g_assert_nonnull (worker->methods);

  return worker->methods;
}

GVariant *
worker_expect_load_failed (Worker *worker)
{
  return expect_control (worker, "LoadFailed");
}

Worker *
worker_new (const char *python,
            const char *name)
{
  g_autofree char *path = worker_extension_path (name);
  Worker *worker = worker_start (python, path);

  worker_answer_hello (worker);
  worker_expect_ready (worker);

  return worker;
}

int
worker_get_pid (Worker *worker)
{
  return atoi (g_subprocess_get_identifier (worker->process));
}

GVariant *
worker_get_methods (Worker *worker)
{
  return worker->methods;
}

GVariant *
worker_dup_method (Worker     *worker,
                   const char *name)
{
  for (gsize i = 0; i < g_variant_n_children (worker->methods); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (worker->methods, i);
      gboolean boxed = g_variant_is_of_type (child, G_VARIANT_TYPE_VARIANT);
      g_autoptr (GVariant) dict = boxed ? g_variant_get_variant (child) : g_variant_ref (child);
      const char *its_name = NULL;

      g_assert_true (g_variant_lookup (dict, "name", "&s", &its_name));
      if (g_str_equal (its_name, name))
        return g_steal_pointer (&dict);
    }

  return NULL;
}

guint64
worker_call_full (Worker        *worker,
                  const char    *target,
                  const char    *method,
                  const char    *args,
                  const char    *kwargs,
                  const guint64 *chain,
                  guint          n_chain)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, ++worker->last_id);
  g_autofree char *text = g_strdup_printf ("(@av [%s], @a{sv} {%s})", args, kwargs);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) body = g_variant_parse (G_VARIANT_TYPE (PYISOLATE_BODY_CALL), text, NULL,
                                               NULL, &error);
  guint64 id = frame->id;

  g_assert_no_error (error);
  frame->target = g_strdup (target);
  frame->name = g_strdup (method);
  _pyisolate_frame_set_chain (frame, chain, n_chain);
  _pyisolate_frame_set_variant (frame, body);
  send_frame (worker, frame);

  return id;
}

guint64
worker_call_with_fd (Worker     *worker,
                     const char *target,
                     const char *method,
                     const char *args,
                     int         take_fd)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, ++worker->last_id);
  g_autofree char *text = g_strdup_printf ("(@av [%s], @a{sv} {})", args);
  guint64 id = frame->id;

  frame->target = g_strdup (target);
  frame->name = g_strdup (method);
  _pyisolate_frame_set_variant (frame, g_variant_new_parsed (text));
  _pyisolate_frame_take_fds (frame, g_memdup2 (&take_fd, sizeof take_fd), 1);
  send_frame (worker, frame);

  return id;
}

guint64
worker_call (Worker     *worker,
             const char *method,
             const char *args)
{
  return worker_call_full (worker, "", method, args, "", NULL, 0);
}

void
worker_cancel (Worker  *worker,
               guint64  id)
{
  send_frame (worker, _pyisolate_frame_new (PYISOLATE_FRAME_CANCEL, id));
}

int
worker_wait_exit (Worker *worker)
{
  g_autoptr (GError) error = NULL;

  g_subprocess_wait (worker->process, NULL, &error);
  g_assert_no_error (error);

  if (g_subprocess_get_if_exited (worker->process))
    return g_subprocess_get_exit_status (worker->process);

  return -g_subprocess_get_term_sig (worker->process);
}

void
worker_close_link (Worker *worker)
{
  g_dbus_connection_close_sync (worker->connection, NULL, NULL);
}

void
worker_free (Worker *worker)
{
  g_subprocess_force_exit (worker->process);
  g_subprocess_wait (worker->process, NULL, NULL);
  g_thread_join (worker->reader);

  if (worker->lane != NULL)
    {
      _pyisolate_transport_close (PYISOLATE_TRANSPORT (worker->lane), NULL);
      g_thread_join (worker->lane_reader);
    }
  g_clear_object (&worker->lane);
  if (!g_dbus_connection_is_closed (worker->connection))
    worker_close_link (worker);
  g_clear_object (&worker->transport);
  g_clear_object (&worker->connection);
  g_clear_object (&worker->process);
  g_async_queue_unref (worker->frames);
  g_ptr_array_unref (worker->seen);
  g_hash_table_unref (worker->forwarded);
  g_hash_table_unref (worker->by_lane);
  g_clear_pointer (&worker->methods, g_variant_unref);
  g_strfreev (worker->source_paths);
  g_free (worker->module_path);
  test_util_remove_tree (worker->home);
  g_free (worker->home);
  g_string_free (worker->output, TRUE);
  g_mutex_clear (&worker->mutex);
  g_cond_clear (&worker->grown);
  g_free (worker);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

void
worker_finish (Worker *worker)
{
  guint64 id = worker_call_full (worker, PYISOLATE_TARGET_WORKER, "Stop", "", "", NULL, 0);

  worker_assert_answer (worker, id, "'" PYISOLATE_TAG_NONE "'");
  if (worker_wait_exit (worker) != 0)
    worker_fail (worker, "It did not exit with 0 after Stop");
  worker_free (worker);
}
