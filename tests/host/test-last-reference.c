/* SPDX-License-Identifier: MIT */
/* Where an extension goes whose last reference is the library's own: in its home, never on a thread of the library's. */
#include "config.h"

#include "pyisolate-error.h"
#include "pyisolate-extension-struct-private.h"
#include "pyisolate-operation-private.h"
#include "pyisolate-proxied-singleton.h"
#include "pyisolate-service-private.h"

#include "test-util.h"

#define N_RACES 2000
#define N_LINES 4
#define TIMEOUT_MS (100 * 1000)

/* --- A transport that stays in send() of such a frame until it is let go --- */

#define STOP_TYPE_TRANSPORT (stop_transport_get_type ())
G_DECLARE_FINAL_TYPE (StopTransport, stop_transport, STOP, TRANSPORT, PyIsolateTransport)

struct _StopTransport {
  PyIsolateTransport parent_instance;

  PyIsolateFrameKind kind;

  GMutex mutex;
  GCond cond;
  gboolean entered;
  gboolean let_go;
};

G_DEFINE_FINAL_TYPE (StopTransport, stop_transport, PYISOLATE_TYPE_TRANSPORT)

static void
set_flag (StopTransport *self,
          gboolean      *flag)
{
  g_mutex_lock (&self->mutex);
  *flag = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
}

static void
wait_flag (StopTransport  *self,
           const gboolean *flag)
{
  gint64 deadline = g_get_monotonic_time () + TIMEOUT_MS * G_TIME_SPAN_MILLISECOND;

  g_mutex_lock (&self->mutex);
  while (!*flag)
    g_assert_true (g_cond_wait_until (&self->cond, &self->mutex, deadline));
  g_mutex_unlock (&self->mutex);
}

static void
stop_transport_start (PyIsolateTransport *transport)
{
}

static gboolean
stop_transport_send (PyIsolateTransport  *transport,
                     PyIsolateFrame      *frame,
                     GError             **error)
{
  StopTransport *self = STOP_TRANSPORT (transport);
  g_autoptr (PyIsolateFrame) sent = frame;

  if (sent->kind == self->kind)
    {
      set_flag (self, &self->entered);
      wait_flag (self, &self->let_go);
    }

  return TRUE;
}

static void
stop_transport_close (PyIsolateTransport *transport,
                      const GError       *reason)
{
  _pyisolate_transport_emit_closed (transport, reason);
}

static void
stop_transport_finalize (GObject *object)
{
  StopTransport *self = STOP_TRANSPORT (object);

  g_cond_clear (&self->cond);
  g_mutex_clear (&self->mutex);

  G_OBJECT_CLASS (stop_transport_parent_class)->finalize (object);
}

static void
stop_transport_class_init (StopTransportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = stop_transport_finalize;
  PYISOLATE_TRANSPORT_CLASS (klass)->start = stop_transport_start;
  PYISOLATE_TRANSPORT_CLASS (klass)->send = stop_transport_send;
  PYISOLATE_TRANSPORT_CLASS (klass)->close = stop_transport_close;
}

static void
stop_transport_init (StopTransport *self)
{
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
}

/* --- An extension, and where what it has is freed --- */

typedef struct {
  PyIsolateExtension *extension; /* the application's reference */
  GWeakRef weak;                 /* the worker's */
  GThread *singleton_freed_in;
  GThread *extension_freed_in;
} Fixture;

static void
note_thread (gpointer data)
{
  GThread **thread = data;

  g_atomic_pointer_set (thread, g_thread_self ());
}

static void
on_method (PyIsolateProxiedSingleton *singleton,
           PyIsolateInvocation       *invocation,
           gpointer                   data)
{
  g_assert_not_reached ();
}

static Fixture *
fixture_new (void)
{
  Fixture *fixture = g_new0 (Fixture, 1);
  g_autoptr (PyIsolateMailbox) home = _pyisolate_mailbox_ref_for_context (NULL);
  g_autoptr (PyIsolateProxiedSingleton) singleton = pyisolate_proxied_singleton_new ();
  GHashTable *singletons = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);

  g_assert_true (pyisolate_proxied_singleton_add_method (singleton, "method", NULL, NULL, on_method,
                                                         &fixture->singleton_freed_in, note_thread, NULL));
  g_hash_table_insert (singletons, g_strdup ("api"), g_steal_pointer (&singleton));
  fixture->extension = _pyisolate_extension_new (pyisolate_extension_config_new ("name", "/module"), "/state",
                                                 singletons, home);
  g_object_set_data_full (G_OBJECT (fixture->extension), "test", &fixture->extension_freed_in, note_thread);
  g_weak_ref_init (&fixture->weak, fixture->extension);

  return fixture;
}

static gboolean
is_gone (gpointer data)
{
  Fixture *fixture = data;

  return g_atomic_pointer_get (&fixture->extension_freed_in) != NULL;
}

static void
assert_goes_here (Fixture *fixture)
{
  test_util_assert_until (is_gone, fixture, TIMEOUT_MS);
  g_assert_true (fixture->extension_freed_in == g_thread_self ());
  g_assert_true (fixture->singleton_freed_in == g_thread_self ());
}

static void
fixture_free (Fixture *fixture)
{
  g_clear_object (&fixture->extension);
  g_weak_ref_clear (&fixture->weak);
  g_free (fixture);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

/* --- A frame is being handled --- */

static void
on_incoming (PyIsolateEndpoint *endpoint,
             PyIsolateFrame    *frame,
             gpointer           data)
{
  _pyisolate_extension_on_worker_frame (NULL, endpoint, frame, data);
}

static void
on_closed (PyIsolateEndpoint *endpoint,
           const GError      *error,
           gpointer           data)
{
}

static gpointer
emit_call (gpointer data)
{
  PyIsolateFrame *frame = _pyisolate_frame_new (PYISOLATE_FRAME_CALL, _pyisolate_endpoint_new_id ());

  frame->target = g_strdup ("nobody");
  frame->name = g_strdup ("method");
  _pyisolate_frame_set_variant (frame, g_variant_new ("(@ava{sv})", g_variant_new_array (G_VARIANT_TYPE_VARIANT, NULL, 0), NULL));
  _pyisolate_transport_emit_frame (data, frame);

  return NULL;
}

/* The application drops its reference while the transport's thread, which answers a call, has the other one. */
static void
test_frame (void)
{
  static const PyIsolateEndpointHandler handler = { on_incoming, on_closed, NULL };
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (StopTransport) transport = g_object_new (STOP_TYPE_TRANSPORT, NULL);
  g_autoptr (PyIsolateEndpoint) endpoint = _pyisolate_endpoint_new (PYISOLATE_TRANSPORT (transport), 0);
  GThread *thread;

  transport->kind = PYISOLATE_FRAME_ERROR;
  _pyisolate_endpoint_start (endpoint, &handler, &fixture->weak, NULL);
  thread = g_thread_new ("transport", emit_call, transport);
  wait_flag (transport, &transport->entered);
  g_clear_object (&fixture->extension);
  g_assert_false (is_gone (fixture));
  set_flag (transport, &transport->let_go);
  g_thread_join (thread);

  /* It waits until its home is iterated. */
  g_assert_false (is_gone (fixture));
  g_assert_null (fixture->singleton_freed_in);
  assert_goes_here (fixture);

  _pyisolate_endpoint_close (endpoint, NULL);
}

/* --- A call passes its deadline --- */

typedef struct {
  gboolean done;
  gboolean is_gone; /* atomic */
  GThread *freed_in;
} Ending;

static void
on_end (PyIsolateCallResult *result,
        GError              *error,
        gpointer             data)
{
  Ending *ending = data;

  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_TIMED_OUT);
  g_error_free (error);
  ending->done = TRUE;
}

static void
on_call_freed (gpointer data)
{
  Ending *ending = data;

  ending->freed_in = g_thread_self ();
  g_atomic_int_set (&ending->is_gone, TRUE);
}

/* The service thread is still telling the worker when the caller has been told: what the application gave to the call is not kept
 * by that thread, nor freed there. */
static void
test_deadline (void)
{
  static const PyIsolateEndpointHandler handler = { on_incoming, on_closed, NULL };
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (PyIsolateMailbox) mailbox = _pyisolate_mailbox_ref_for_context (NULL);
  g_autoptr (StopTransport) transport = g_object_new (STOP_TYPE_TRANSPORT, NULL);
  g_autoptr (PyIsolateEndpoint) endpoint = _pyisolate_endpoint_new (PYISOLATE_TRANSPORT (transport), 0);
  PyIsolateCall *call = pyisolate_call_new ("method");
  Ending ending = { FALSE, FALSE, NULL };

  transport->kind = PYISOLATE_FRAME_CANCEL;
  _pyisolate_endpoint_start (endpoint, &handler, &fixture->weak, NULL);
  g_object_set_data_full (G_OBJECT (call), "test", &ending, on_call_freed);
  _pyisolate_operation_start (fixture->extension, endpoint, call, 1, mailbox, PYISOLATE_JOB_NOTIFICATION, NULL, on_end, &ending);
  wait_flag (transport, &transport->entered);
  test_util_assert_until (test_util_is_true, &ending.done, TIMEOUT_MS);
  g_object_unref (call);
  g_assert_true (g_atomic_int_get (&ending.is_gone));
  g_assert_true (ending.freed_in == g_thread_self ());
  set_flag (transport, &transport->let_go);

  _pyisolate_endpoint_close (endpoint, NULL);
  g_clear_object (&fixture->extension);
  assert_goes_here (fixture);
}

/* --- A call is under way --- */

static gpointer
release (gpointer extension)
{
  _pyisolate_extension_release (extension);

  return NULL;
}

/* What each call of a singleton holds and releases wakes nobody while there is another one; what may be the last one does, but
 * goes at home. */
static void
test_held (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  PyIsolateExtension *call = _pyisolate_extension_hold (fixture->extension);
  PyIsolateExtension *inner = _pyisolate_extension_hold_weak (&fixture->weak);

  g_assert_true (call == fixture->extension && inner == fixture->extension);
  g_clear_object (&fixture->extension);
  g_thread_join (g_thread_new ("inner", release, inner));
  g_assert_false (g_main_context_pending (NULL));
  g_thread_join (g_thread_new ("call", release, call));
  g_assert_false (is_gone (fixture));
  g_assert_true (g_main_context_pending (NULL));
  assert_goes_here (fixture);
  g_assert_null (_pyisolate_extension_hold_weak (&fixture->weak));
}

static gpointer
hold_often (gpointer data)
{
  Fixture *fixture = data;

  for (guint i = 0; i < N_RACES; i++)
    {
      PyIsolateExtension *extension = _pyisolate_extension_hold_weak (&fixture->weak);

      if (extension == NULL)
        break;
      _pyisolate_extension_release (_pyisolate_extension_hold (extension));
      _pyisolate_extension_release (extension);
    }

  return NULL;
}

/* Threads hold it at the same time, from none to some and back, while the application lets go. */
static void
test_held_by_many (void)
{
  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (Fixture) fixture = fixture_new ();
      GThread *threads[4];

      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        threads[j] = g_thread_new ("call", hold_often, fixture);
      if (i % 2 == 0)
        g_main_context_iteration (NULL, FALSE);
      g_clear_object (&fixture->extension);
      assert_goes_here (fixture);
      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        g_thread_join (threads[j]);
    }
}

/* --- Lines come meanwhile --- */

static gpointer
print_lines (gpointer data)
{
  Fixture *fixture = data;

  for (guint i = 0; i < N_LINES; i++)
    _pyisolate_extension_on_worker_output (NULL, 1, "line", &fixture->weak);

  return NULL;
}

static gboolean
has_said (gpointer data)
{
  return g_atomic_int_get ((int *) data) > 0;
}

static void
on_log (PyIsolateExtension *extension,
        PyIsolateLogLevel   level,
        const char         *logger,
        const char         *text,
        int                *n_lines)
{
  g_atomic_int_inc (n_lines);
}

/* Whoever has the last reference by chance: a delivery in the home, or the thread that tells of the output. */
static void
test_output (void)
{
  for (guint i = 0; i < N_RACES; i++)
    {
      g_autoptr (Fixture) fixture = fixture_new ();
      GThread *thread = g_thread_new ("service", print_lines, fixture);
      int n_lines = 0;

      g_signal_connect (fixture->extension, "log", G_CALLBACK (on_log), &n_lines);
      test_util_assert_until (has_said, &n_lines, TIMEOUT_MS);
      g_clear_object (&fixture->extension);
      assert_goes_here (fixture);
      g_thread_join (thread);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  _pyisolate_service_get_context (); /* it keeps an eventfd */
  test_util_add_func ("/pyisolate/last-reference/frame", test_frame);
  test_util_add_func ("/pyisolate/last-reference/deadline", test_deadline);
  test_util_add_func ("/pyisolate/last-reference/held", test_held);
  test_util_add_func ("/pyisolate/last-reference/held-by-many", test_held_by_many);
  test_util_add_func ("/pyisolate/last-reference/output", test_output);
  return g_test_run ();
}
