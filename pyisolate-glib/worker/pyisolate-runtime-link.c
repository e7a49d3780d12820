/* SPDX-License-Identifier: MIT */
/* The link of this process: made, closed, not inherited. */
#include "config.h"

#include "pyisolate-runtime-private.h"

#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-error.h"
#include "pyisolate-memory-book-private.h"

#include <sys/stat.h>
#include <unistd.h>

/* What runs when the link closes may end by itself for so long. */
#define CLOSED_GRACE_US (100 * G_TIME_SPAN_MILLISECOND)

PyIsolateRuntime _pyisolate_runtime = { .link_fd = -1, .link_number = G_MAXUINT32 };

/* There is one link in a process, and one time that it is made. */
static struct {
  int fd;
  GMutex mutex;
  GCond done;
  gboolean is_done;
  GError *error;
} connecting = { .fd = -1 };

gboolean
_pyisolate_runtime_is_forked (void)
{
  return g_atomic_int_get (&_pyisolate_runtime.forked);
}

static guint64
get_inode (int fd)
{
  struct stat status;

  return fstat (fd, &status) == 0 ? status.st_ino : 0;
}

/* Only what is async-signal-safe. The socket would keep the link open after the worker's death. */
static void
after_fork_in_child (void)
{
  g_atomic_int_set (&_pyisolate_runtime.forked, TRUE);
  if (_pyisolate_runtime.link_fd >= 0)
    close (_pyisolate_runtime.link_fd);
  _pyisolate_lanes_close_in_child ();
}

static void
on_frame (PyIsolateTransport *transport,
          PyIsolateFrame     *frame,
          gpointer            user_data)
{
  /* The first one is the answer to Hello: no code of the extension has run yet. */
  _pyisolate_runtime_poll_link_in_set ();
  _pyisolate_runtime_receive (frame, NULL, NULL);
}

/* In the link's own thread. Without a host there is nobody to work for; what the extension
 * started ends with it. */
static void
on_closed (PyIsolateTransport *transport,
           const GError       *error,
           gpointer            user_data)
{
  g_mutex_lock (&_pyisolate_runtime.mutex);
  g_atomic_int_set (&_pyisolate_runtime.closed, TRUE);
  for (guint i = 0; i < _pyisolate_runtime.all_inboxes->len; i++)
    _pyisolate_inbox_wake_locked (g_ptr_array_index (_pyisolate_runtime.all_inboxes, i));
  g_mutex_unlock (&_pyisolate_runtime.mutex);

  if (g_atomic_int_get (&_pyisolate_runtime.leaving))
    return;

  if (error != NULL && error->domain == PYISOLATE_ERROR) /* what this side has ended it for; else the host is gone */
    g_warning ("The link to the host was closed: %s", error->message);
  g_usleep (CLOSED_GRACE_US);
  if (!g_atomic_int_get (&_pyisolate_runtime.leaving))
    _exit (1);
}

static gpointer
run_link (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (context, FALSE);

  _pyisolate_runtime.context = context;
  g_main_context_push_thread_default (context);
  _pyisolate_runtime.connection = _pyisolate_dbus_connect_worker_sync (connecting.fd,
                                                                       &connecting.error);
  if (_pyisolate_runtime.connection != NULL)
    {
      static const PyIsolateTransportHandler handler = { on_frame, on_closed };

      _pyisolate_runtime.transport = _pyisolate_dbus_transport_new (_pyisolate_runtime.connection, NULL);
      _pyisolate_runtime.memory = _pyisolate_memory_book_new_worker ();
      _pyisolate_memory_book_set_asking_func (_pyisolate_runtime.memory, _pyisolate_lanes_begin_wait);
      _pyisolate_memory_book_attach (_pyisolate_runtime.memory, context, _pyisolate_runtime.transport);
      _pyisolate_transport_set_memory (_pyisolate_runtime.transport, _pyisolate_runtime.memory);
      _pyisolate_transport_start (_pyisolate_runtime.transport, &handler, NULL, NULL);
    }

  g_mutex_lock (&connecting.mutex);
  connecting.is_done = TRUE;
  g_cond_signal (&connecting.done);
  g_mutex_unlock (&connecting.mutex);

  if (_pyisolate_runtime.connection != NULL)
    g_main_loop_run (loop);
  g_main_context_pop_thread_default (context);

  return NULL;
}

static gboolean
make_inboxes (GError **error)
{
  PyIsolateRuntime *runtime = &_pyisolate_runtime;

  runtime->inboxes[PYISOLATE_HOME_MAIN] = _pyisolate_inbox_new (TRUE);
  if (runtime->inboxes[PYISOLATE_HOME_MAIN] == NULL)
    {
      int saved_errno = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
                   "Cannot make an eventfd: %s", g_strerror (saved_errno));
      return FALSE;
    }
  runtime->inboxes[PYISOLATE_HOME_LOOP] =
    _pyisolate_inbox_ref (runtime->inboxes[PYISOLATE_HOME_MAIN]);
  runtime->inboxes[PYISOLATE_HOME_SECOND] = _pyisolate_inbox_new (FALSE);
  runtime->inboxes[PYISOLATE_HOME_POOL] = _pyisolate_inbox_new (FALSE);
  runtime->interrupts = _pyisolate_inbox_new (FALSE);

  return TRUE;
}

/*< private >
 * @take_fd: this process's end of the socketpair
 *
 * To be called once, from the main thread. The link's thread meets the host while the caller goes on.
 */
gboolean
_pyisolate_runtime_begin_connect (int      take_fd,
                                  GError **error)
{
  g_autoptr (GThread) thread = NULL;

  if (!make_inboxes (error))
    {
      close (take_fd);
      return FALSE;
    }
  _pyisolate_runtime.calls_out = g_hash_table_new (g_int64_hash, g_int64_equal);
  _pyisolate_runtime.link_fd = take_fd;
  _pyisolate_runtime.link_inode = get_inode (take_fd);
  pthread_atfork (NULL, NULL, after_fork_in_child);

  connecting.fd = take_fd;
  thread = g_thread_try_new ("pyisolate-link", run_link, NULL, error);
  return thread != NULL;
}

gboolean
_pyisolate_runtime_has_begun (void)
{
  return connecting.fd >= 0;
}

/* Waits until there is a link. */
gboolean
_pyisolate_runtime_finish_connect (GError **error)
{
  g_mutex_lock (&connecting.mutex);
  while (!connecting.is_done)
    g_cond_wait (&connecting.done, &connecting.mutex);
  g_mutex_unlock (&connecting.mutex);

  if (connecting.error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&connecting.error));
      return FALSE;
    }

  return TRUE;
}

/* An extension that closes every descriptor, as daemons used to, takes the link with it. The host
 * knows it from the socket, and its user from here, if there is something to send before the host
 * ends this process. What has the number now is not for frames. */
void
_pyisolate_runtime_check_link (void)
{
  static const char message[] =
    "pyisolate: the extension has closed the descriptor of its link to the host\n";

  if (get_inode (_pyisolate_runtime.link_fd) == _pyisolate_runtime.link_inode ||
      g_dbus_connection_is_closed (_pyisolate_runtime.connection))
    return;

  if (write (STDERR_FILENO, message, sizeof message - 1) < 0)
    g_debug ("The extension has closed its standard error, too");
  _exit (1);
}

/*< private >
 * @lane: (nullable): by which; else by D-Bus
 * @frame: (transfer full): what to send
 *
 * What is for a lane or a link that is closed goes nowhere: its context in the host is gone, and waits for nothing.
 *
 * Returns: FALSE if it cannot be sent for another reason
 */
gboolean
_pyisolate_runtime_send_by (PyIsolateLane   *lane,
                            PyIsolateFrame  *frame,
                            GError         **error)
{
  PyIsolateTransport *transport = lane != NULL ? PYISOLATE_TRANSPORT (lane) : _pyisolate_runtime.transport;
  g_autoptr (GError) problem = NULL;

  if (lane != NULL)
    _pyisolate_lanes_gather_on (lane, frame->kind);
  else
    _pyisolate_runtime_check_link ();
  if (_pyisolate_transport_send (transport, frame, &problem))
    return TRUE;

  if (!g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CLOSED))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  _pyisolate_runtime_check_link ();
  g_debug ("Not sent: %s", problem->message);

  return TRUE;
}

/* By D-Bus, what nobody waits for. */
void
_pyisolate_runtime_send (PyIsolateFrame *frame)
{
  g_autoptr (GError) error = NULL;

  if (!_pyisolate_runtime_send_by (NULL, frame, &error))
    g_debug ("Not sent: %s", error->message);
}

/* Before the end: what came meanwhile by lanes is answered, too. Blocks: not to be called with the
 * GIL held. */
void
_pyisolate_runtime_flush (void)
{
  _pyisolate_lanes_drain ();
  _pyisolate_lanes_flush ();
  g_dbus_connection_flush_sync (_pyisolate_runtime.connection, NULL, NULL);
}
