/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "link-pair.h"

#include "careless-transport.h"
#include "plain-transport.h"
#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-error.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const link_kind_names[] = { "dbus", "plain", "lane" };

typedef struct {
  int fd;
  GDBusConnection *connection;
  GError *error;
} Connecting;

static gpointer
connect_worker (gpointer data)
{
  Connecting *connecting = data;

  connecting->connection = _pyisolate_dbus_connect_worker_sync (connecting->fd, &connecting->error);
  return NULL;
}

/* What a client sends and gets, without one: a line at a time, as the server may read more than one and forget the rest. */
static gpointer
authenticate_deaf (gpointer data)
{
  static const char *const lines[] = { "AUTH ANONYMOUS\r\n", "NEGOTIATE_UNIX_FD\r\n", "BEGIN\r\n" };
  static const char *const answers[] = { "OK ", "AGREE_UNIX_FD", NULL };
  Connecting *connecting = data;

  g_assert_cmpint (write (connecting->fd, "", 1), ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autoptr (GString) answer = g_string_new (NULL);
      gsize length = strlen (lines[i]);
      char byte;

      g_assert_cmpint (write (connecting->fd, lines[i], length), ==, length);
      while (answers[i] != NULL && !g_str_has_suffix (answer->str, "\r\n") && read (connecting->fd, &byte, 1) == 1)
        g_string_append_c (answer, byte);
      g_assert_true (answers[i] == NULL || g_str_has_prefix (answer->str, answers[i]));
    }
  return NULL;
}

static void
on_host_connected (GObject      *source,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  *(GDBusConnection **) user_data = _pyisolate_dbus_connect_host_finish (result, &error);
  g_assert_no_error (error);
}

/* Each side waits for the other while it connects. */
static void
connect_dbus (LinkPair                  *pair,
              int                        fds[2],
              LinkPeer                   peer,
              const PyIsolateDBusLimits *limits)
{
  g_autoptr (GDBusConnection) connection = NULL;
  Connecting worker = { .fd = fds[1] };
  GThread *thread = g_thread_new ("connect-worker", peer == LINK_DEAF ? authenticate_deaf : connect_worker, &worker);

  _pyisolate_dbus_connect_host_async (fds[0], NULL, on_host_connected, &connection);
  test_util_assert_until (test_util_is_set, &connection, LINK_TIMEOUT_MS);
  g_thread_join (thread);
  g_assert_no_error (worker.error);

  pair->host.transport = _pyisolate_dbus_transport_new (connection, limits);
  if (peer == LINK_DEAF)
    {
      pair->deaf_fd = fds[1];
      return;
    }

  pair->worker.transport = peer == LINK_CARELESS ? careless_transport_new (worker.connection)
                                                 : _pyisolate_dbus_transport_new (worker.connection, NULL);
  g_object_unref (worker.connection);
}

static gboolean
has_at_most_fds (gpointer data)
{
  return test_util_count_fds () <= *(guint *) data;
}

/* GDBus's thread keeps an eventfd from its first connection on: it must be there before descriptors are counted. */
void
link_test_init (int    *argc,
                char ***argv)
{
  guint n_fds;

  test_util_init (argc, argv);
  n_fds = test_util_count_fds () + 1;
  link_pair_free (link_pair_new (LINK_DBUS, LINK_CAREFUL));
  test_util_assert_until (has_at_most_fds, &n_fds, LINK_TIMEOUT_MS);
}

typedef struct {
  LinkKind kind;
  LinkKindFunc func; /* or: */
  LinkPeer peer;
  LinkPairFunc pair_func;
} Case;

static void
run_case (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (LinkPair) pair = NULL;

  if (test->func != NULL)
    {
      test->func (test->kind);
      return;
    }

  pair = link_pair_new (test->kind, test->peer);
  test->pair_func (pair);
}

static void
add_case (const char *group,
          const char *name,
          Case        test)
{
  static Case cases[128];
  static guint n_cases = 0;
  g_autofree char *path = g_strdup_printf ("/pyisolate/%s/%s/%s", group, link_kind_names[test.kind], name);

  g_assert_cmpuint (n_cases, <, G_N_ELEMENTS (cases));
  cases[n_cases] = test;
  test_util_add_data_func (path, &cases[n_cases++], run_case);
}

void
link_test_add (const char   *group,
               const char   *name,
               LinkKindFunc  func)
{
  for (guint kind = 0; kind < LINK_N_KINDS; kind++)
    add_case (group, name, (Case) { .kind = kind, .func = func });
}

void
link_test_add_for_one (const char   *group,
                       const char   *name,
                       LinkKind      kind,
                       LinkPeer      peer,
                       LinkPairFunc  func)
{
  add_case (group, name, (Case) { .kind = kind, .peer = peer, .pair_func = func });
}

void
link_test_add_for_pair (const char   *group,
                        const char   *name,
                        LinkPeer      peer,
                        LinkPairFunc  func)
{
  for (guint kind = 0; kind < LINK_N_KINDS; kind++)
    link_test_add_for_one (group, name, kind, peer, func);
}

static void
connect_lane (LinkSide      *side,
              PyIsolateLane *lane)
{
  g_assert_nonnull (lane);
  side->transport = PYISOLATE_TRANSPORT (lane);
  side->reader = lane_reader_new (lane);
}

static LinkPair *
new_pair (LinkKind                   kind,
          LinkPeer                   peer,
          const PyIsolateDBusLimits *limits)
{
  LinkPair *pair = g_new0 (LinkPair, 1);
  int fds[2];

  pair->deaf_fd = -1;
  pair->host.box = link_box_new ();
  pair->worker.box = link_box_new ();
  if (kind != LINK_LANE)
    g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));

  if (kind == LINK_DBUS)
    {
      connect_dbus (pair, fds, peer, limits);
    }
  else if (kind == LINK_LANE)
    {
      connect_lane (&pair->host, _pyisolate_lane_new_pair (&fds[1]));
      connect_lane (&pair->worker, _pyisolate_lane_new_of_pair (fds[1]));
    }
  else
    {
      pair->host.transport = plain_transport_new (fds[0]);
      pair->worker.transport = plain_transport_new (fds[1]);
    }

  return pair;
}

LinkPair *
link_pair_new (LinkKind kind,
               LinkPeer peer)
{
  return new_pair (kind, peer, &_pyisolate_dbus_host_limits);
}

LinkPair *
link_pair_new_limited (LinkPeer                   peer,
                       const PyIsolateDBusLimits *limits)
{
  return new_pair (LINK_DBUS, peer, limits);
}

static void
on_gone (gpointer  data,
         GObject  *where_it_was)
{
  g_atomic_int_set ((int *) data, TRUE);
  g_main_context_wakeup (NULL);
}

static gboolean
is_gone (gpointer data)
{
  return g_atomic_int_get ((int *) data);
}

void
link_unref_last (gpointer object)
{
  int gone = FALSE;

  g_object_weak_ref (G_OBJECT (object), on_gone, &gone);
  g_object_unref (object);
  test_util_assert_until (is_gone, &gone, LINK_TIMEOUT_MS);
}

static void
side_finish (LinkSide *side)
{
  g_clear_pointer (&side->reader, lane_reader_free);
  if (side->endpoint != NULL)
    link_unref_last (g_steal_pointer (&side->endpoint));
  if (side->transport != NULL)
    link_unref_last (g_steal_pointer (&side->transport));
  g_clear_pointer (&side->box, link_box_unref);
}

void
link_pair_free (LinkPair *pair)
{
  _pyisolate_transport_close (pair->host.transport, NULL);
  if (pair->worker.transport != NULL)
    _pyisolate_transport_close (pair->worker.transport, NULL);
  if (pair->host.started)
    link_box_wait_ends (pair->host.box, 1);
  if (pair->worker.started)
    link_box_wait_ends (pair->worker.box, 1);
  g_assert_cmpuint (link_box_count_ends (pair->host.box), ==, pair->host.started ? 1 : 0);
  g_assert_cmpuint (link_box_count_ends (pair->worker.box), ==, pair->worker.started ? 1 : 0);

  side_finish (&pair->host);
  side_finish (&pair->worker);
  if (pair->deaf_fd >= 0)
    close (pair->deaf_fd);
  g_free (pair);
}

/* Also of one that is in use: frames that come by a ring in shared memory show a sanitizer no order between threads. */
void
link_side_set_hook (LinkSide *side,
                    LinkHook  hook,
                    gpointer  data)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&side->box->mutex);

  side->hook = hook;
  side->hook_data = data;
}

static LinkHook
get_hook (LinkSide *side,
          gpointer *data)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&side->box->mutex);

  *data = side->hook_data;
  return side->hook;
}

static void
receive (LinkSide       *side,
         PyIsolateFrame *frame)
{
  gpointer data;
  LinkHook hook = get_hook (side, &data);

  g_assert_cmpuint (link_box_count_ends (side->box), ==, 0);

  if (hook == NULL || !hook (side, frame, data))
    link_box_put (side->box, frame);
}

static void
on_frame (PyIsolateTransport *transport,
          PyIsolateFrame     *frame,
          gpointer            user_data)
{
  receive (user_data, frame);
}

static void
on_closed (PyIsolateTransport *transport,
           const GError       *error,
           gpointer            user_data)
{
  LinkSide *side = user_data;

  link_box_end (side->box, error);
}

static void
on_incoming (PyIsolateEndpoint *endpoint,
             PyIsolateFrame    *frame,
             gpointer           user_data)
{
  LinkSide *side = user_data;
  gpointer data;

  /* What fail() makes comes after the end. */
  if (frame->kind == PYISOLATE_FRAME_CANCEL && get_hook (side, &data) == NULL)
    link_box_put (side->box, frame);
  else
    receive (side, frame);
}

static void
on_endpoint_closed (PyIsolateEndpoint *endpoint,
                    const GError      *error,
                    gpointer           user_data)
{
  LinkSide *side = user_data;
  g_autoptr (GError) died = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_DIED, "gone");

  _pyisolate_endpoint_fail (endpoint, died);
  link_box_end (side->box, error);
}

void
link_side_start (LinkSide *side)
{
  static const PyIsolateTransportHandler handler = { on_frame, on_closed };

  side->started = TRUE;
  _pyisolate_transport_start (side->transport, &handler, side, NULL);
  if (side->reader != NULL)
    lane_reader_start (side->reader);
}

void
link_side_start_endpoint (LinkSide *side,
                          guint32   peer_link)
{
  static const PyIsolateEndpointHandler handler = { on_incoming, on_endpoint_closed };

  side->started = TRUE;
  side->endpoint = _pyisolate_endpoint_new (side->transport, peer_link);
  _pyisolate_endpoint_start (side->endpoint, &handler, side, NULL);
  if (side->reader != NULL)
    lane_reader_start (side->reader);
}

void
link_pair_start_both (LinkPair *pair)
{
  link_side_start_endpoint (&pair->host, LINK_NUMBER);
  link_side_start_endpoint (&pair->worker, 0);
}

void
link_side_send (LinkSide       *side,
                PyIsolateFrame *frame)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = _pyisolate_transport_send (side->transport, frame, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
}

static void
on_reply (PyIsolateFrame *frame,
          const GError   *error,
          gpointer        user_data)
{
  LinkBox *box = user_data;
  gboolean is_end = frame == NULL || frame->kind == PYISOLATE_FRAME_RETURN || frame->kind == PYISOLATE_FRAME_ERROR;

  g_assert_true ((frame == NULL) == (error != NULL));
  if (frame != NULL)
    link_box_put (box, frame);
  if (is_end)
    link_box_end (box, error);
}

gboolean
link_side_try_call (LinkSide        *side,
                    PyIsolateFrame  *frame,
                    LinkBox         *box,
                    GError         **error)
{
  g_atomic_ref_count_inc (&box->ref_count);

  return _pyisolate_endpoint_call (side->endpoint, NULL, frame, on_reply, box, link_box_destroyed, error);
}

void
link_side_call (LinkSide       *side,
                PyIsolateFrame *frame,
                LinkBox        *box)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = link_side_try_call (side, frame, box, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
}

void
link_side_assert_alive (LinkSide *from,
                        LinkSide *to,
                        guint64   id)
{
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = NULL;

  link_side_call (from, link_frame_call (id, "still there?"), box);
  do
    {
      g_clear_pointer (&call, _pyisolate_frame_free);
      call = link_box_take (to->box);
    }
  while (g_strcmp0 (call->name, "still there?") != 0);
  _pyisolate_endpoint_respond (to->endpoint, link_frame_return (id, "yes"));
  link_box_assert_returned (box, "yes");
}

void
link_side_assert_ended (LinkSide   *side,
                        int         code,
                        const char *what)
{
  link_box_wait_ends (side->box, 1);
  g_assert_error (side->box->error, PYISOLATE_ERROR, code);
  if (strstr (side->box->error->message, what) == NULL)
    g_error ("“%s” does not say “%s”", side->box->error->message, what);
}
