/* SPDX-License-Identifier: MIT */
/* A call of a singleton, from its frame to its method, with a worker that the test plays itself. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-extension-struct-private.h"
#include "pyisolate-invocation.h"
#include "pyisolate-proxied-singleton.h"
#include "pyisolate-service-private.h"

typedef struct {
  LinkPair *pair;
  PyIsolateExtension *extension;
  GWeakRef ref; /* what a worker has of its extension */
  guint n_calls;
} Fixture;

static void
on_get (PyIsolateProxiedSingleton *singleton,
        PyIsolateInvocation       *invocation,
        gpointer                   user_data)
{
  guint *n_calls = user_data;

  (*n_calls)++;
  pyisolate_invocation_return_value (invocation, NULL);
}

static GHashTable *
new_singletons (guint *n_calls)
{
  GHashTable *singletons = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  PyIsolateProxiedSingleton *db = pyisolate_proxied_singleton_new ();
  g_autoptr (GError) error = NULL;

  pyisolate_proxied_singleton_add_method (db, "get", NULL, NULL, on_get, n_calls, NULL, &error);
  g_assert_no_error (error);
  g_hash_table_insert (singletons, g_strdup ("db"), db);
  return singletons;
}

static Fixture *
fixture_new (LinkKind kind)
{
  Fixture *fixture = g_new0 (Fixture, 1);
  PyIsolateExtensionConfig *config = pyisolate_extension_config_new ("sums", "/module");
  PyIsolateMailbox *home = _pyisolate_mailbox_ref_for_context (NULL);

  fixture->pair = link_pair_new (kind, LINK_CAREFUL);
  link_pair_start_both (fixture->pair);
  fixture->extension = _pyisolate_extension_new (config, "/state", new_singletons (&fixture->n_calls), home);
  g_weak_ref_init (&fixture->ref, fixture->extension);
  _pyisolate_mailbox_unref (home);
  return fixture;
}

static void
fixture_free (Fixture *fixture)
{
  link_pair_free (fixture->pair);
  link_unref_last (g_steal_pointer (&fixture->extension));
  g_weak_ref_clear (&fixture->ref);
  g_free (fixture);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

static PyIsolateFrame *
send_call (Fixture *fixture,
           LinkBox *box)
{
  PyIsolateFrame *frame = link_frame_call (LINK_ID (1), "get");

  _pyisolate_frame_set_target (frame, "db");
  link_side_call (&fixture->pair->worker, frame, box);
  return link_box_take (fixture->pair->host.box);
}

static void
take_frame (Fixture        *fixture,
            PyIsolateFrame *frame)
{
  _pyisolate_extension_on_worker_frame (NULL, fixture->pair->host.endpoint, frame, &fixture->ref);
}

static gboolean
is_answered (gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (GObject) attached = _pyisolate_endpoint_dup_attached (fixture->pair->host.endpoint, LINK_ID (1));

  return attached == NULL;
}

static void
test_call (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (LinkBox) box = link_box_new ();

  take_frame (fixture, send_call (fixture, box));
  g_assert_false (is_answered (fixture));
  test_util_assert_until (is_answered, fixture, LINK_TIMEOUT_MS);
  g_assert_cmpuint (fixture->n_calls, ==, 1);
  link_box_wait_ends (box, 1);
}

/* The thread that reads the call has noted it, but made nothing of it yet, when another one reads its cancellation. */
static void
test_cancel_overtakes (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = send_call (fixture, box);

  _pyisolate_endpoint_cancel (fixture->pair->worker.endpoint, LINK_ID (1));
  take_frame (fixture, link_box_take (fixture->pair->host.box));
  take_frame (fixture, g_steal_pointer (&call));
  test_util_assert_until (is_answered, fixture, LINK_TIMEOUT_MS);
  g_assert_cmpuint (fixture->n_calls, ==, 0);
}

/* The same with the end of the link. */
static void
test_end_overtakes (LinkKind kind)
{
  g_autoptr (Fixture) fixture = fixture_new (kind);
  g_autoptr (LinkBox) box = link_box_new ();
  g_autoptr (PyIsolateFrame) call = send_call (fixture, box);

  _pyisolate_transport_close (fixture->pair->worker.transport, NULL);
  take_frame (fixture, link_box_take (fixture->pair->host.box));
  take_frame (fixture, g_steal_pointer (&call));
  test_util_assert_until (is_answered, fixture, LINK_TIMEOUT_MS);
  g_assert_cmpuint (fixture->n_calls, ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  _pyisolate_service_get_context (); /* it keeps an eventfd */
  link_test_add ("invocation", "call", test_call);
  link_test_add ("invocation", "cancel-overtakes", test_cancel_overtakes);
  link_test_add ("invocation", "end-overtakes", test_end_overtakes);
  return g_test_run ();
}
