/* SPDX-License-Identifier: MIT */
/* What the host's end of a D-Bus link says to who speaks D-Bus, but is no worker. */
#include "config.h"

#include "dbus-peer.h"

#include "pyisolate-dbus-transport-private.h"

#include <string.h>

/* What is not ours, and no harm: signals of others, types of message of the future. */
static void
test_not_ours (void)
{
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();
  GDBusMessage *message;

  dbus_peer_send (pair, g_dbus_message_new_signal ("/", "org.example.Other", "Happened"));
  message = dbus_peer_new_signal ("Log", NULL);
  g_dbus_message_set_message_type (message, (GDBusMessageType) 77);
  dbus_peer_send (pair, message);
  dbus_peer_assert_alive (pair);
}

static void
on_called (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GVariant *
call (LinkPair    *pair,
      const char  *path,
      const char  *interface,
      const char  *member,
      GVariant    *args,
      GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_call (dbus_peer_get_connection (pair), NULL, path, interface, member, args, NULL, G_DBUS_CALL_FLAGS_NONE,
                          LINK_TIMEOUT_MS, NULL, on_called, &result);
  test_util_assert_until (test_util_is_set, &result, LINK_TIMEOUT_MS);
  return g_dbus_connection_call_finish (dbus_peer_get_connection (pair), result, error);
}

/* Without what is there for code generators: they do not pass it on. */
static char *
describe_interface (const char *xml)
{
  g_autoptr (GRegex) hints = g_regex_new (" *<annotation name=\"org.gtk.GDBus[^<]*</annotation>\n", 0, 0, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, &error);
  g_autoptr (GString) text = g_string_new (NULL);
  GDBusInterfaceInfo *info;

  g_assert_no_error (error);
  info = g_dbus_node_info_lookup_interface (node, LINK_INTERFACE);
  g_assert_nonnull (info);
  g_dbus_interface_info_generate_xml (info, 0, text);
  return g_regex_replace_literal (hints, text->str, -1, 0, "", 0, NULL);
}

static void
test_introspection (void)
{
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *committed_xml = NULL;
  g_autofree char *committed = NULL;
  g_autofree char *live = NULL;
  const char *live_xml;

  g_file_get_contents (LINK1_XML, &committed_xml, NULL, &error);
  g_assert_no_error (error);
  reply = call (pair, PYISOLATE_LINK_OBJECT_PATH, "org.freedesktop.DBus.Introspectable", "Introspect", NULL, &error);
  g_assert_no_error (error);
  g_variant_get (reply, "(&s)", &live_xml);

  live = describe_interface (live_xml);
  committed = describe_interface (committed_xml);
  g_assert_cmpstr (live, ==, committed);
  dbus_peer_assert_alive (pair);
}

static void
test_peer (void)
{
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  reply = call (pair, "/anything", "org.freedesktop.DBus.Peer", "Ping", NULL, &error);
  g_assert_no_error (error);
  dbus_peer_assert_alive (pair);
}

static void
test_calls_of_others (void)
{
  static const struct {
    const char *path;
    const char *interface;
    const char *member;
  } calls[] = {
    { PYISOLATE_LINK_OBJECT_PATH, "org.freedesktop.DBus.Properties", "GetAll" },
    { PYISOLATE_LINK_OBJECT_PATH, "org.freedesktop.DBus.Properties", "Get" },
    { PYISOLATE_LINK_OBJECT_PATH, "org.example.Other", "Call" },
    { PYISOLATE_LINK_OBJECT_PATH, "org.freedesktop.DBus.Introspectable", "Nonsense" },
    { "/org/pyisolate/Other", LINK_INTERFACE, "Call" },
    { "/", LINK_INTERFACE, "Call" },
  };
  g_autoptr (LinkPair) pair = dbus_peer_new_pair ();

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) reply = call (pair, calls[i].path, calls[i].interface, calls[i].member, NULL, &error);

      g_assert_null (reply);
      g_assert_true (g_dbus_error_is_remote_error (error));
    }
  dbus_peer_assert_alive (pair);
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  test_util_add_func ("/pyisolate/dbus-strangers/not-ours", test_not_ours);
  test_util_add_func ("/pyisolate/dbus-strangers/introspection", test_introspection);
  test_util_add_func ("/pyisolate/dbus-strangers/peer", test_peer);
  test_util_add_func ("/pyisolate/dbus-strangers/calls-of-others", test_calls_of_others);
  return g_test_run ();
}
