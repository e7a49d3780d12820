/* SPDX-License-Identifier: MIT */
/* The interpreter, what it prints, and the link to it, with a lane unless everything is to go by D-Bus. */
#include "config.h"

#include "worker-fixture-private.h"

#include "pyisolate-dbus-message-private.h"
#include "pyisolate-dbus-transport-private.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

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

/* Of memory nothing comes to a transport's handler. */
static GDBusMessage *
note_wish (GDBusConnection *connection,
           GDBusMessage    *message,
           gboolean         incoming,
           gpointer         wishes)
{
  g_autoptr (PyIsolateFrame) frame = NULL;

  if (!incoming || g_strcmp0 (g_dbus_message_get_member (message), "Memory") != 0)
    return message;

  frame = _pyisolate_dbus_message_to_frame (message, NULL);
  for (guint i = 0; i < frame->n_records; i++)
    {
      if (frame->records[i].kind == PYISOLATE_MEMORY_REQUEST)
        g_async_queue_push (wishes, GSIZE_TO_POINTER (frame->records[i].number));
    }

  return message;
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

  g_dbus_connection_add_filter (worker->connection, note_wish, g_async_queue_ref (worker->wishes),
                                (GDestroyNotify) g_async_queue_unref);
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
  worker->wishes = g_async_queue_new ();
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

int
worker_get_pid (Worker *worker)
{
  return atoi (g_subprocess_get_identifier (worker->process));
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
  g_async_queue_unref (worker->wishes);
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
