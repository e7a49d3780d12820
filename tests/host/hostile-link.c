/* SPDX-License-Identifier: MIT */
/* The ways to break the protocol by D-Bus, when "go" is called: each FALSE if the way is another one. */
#include "config.h"

#include "hostile-worker.h"

#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-frame-private.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>

/* The head of a message that is said to be longer than D-Bus lets it be. */
static void
send_huge_head (void)
{
  const guint8 head[] = { 'l', 1, 0, 1, 0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 0, 0, 0, 0 };

  write_raw (head, sizeof head);
}

static void
reply_with_fds (GDBusMessage *call,
                guint         n_fds)
{
  GDBusMessage *answer = g_dbus_message_new_method_reply (call);
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();

  for (guint i = 0; i < n_fds; i++)
    {
      int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

      g_unix_fd_list_append (list, fd, NULL);
      close (fd);
    }
  g_dbus_message_set_unix_fd_list (answer, list);
  g_dbus_message_set_body (answer, g_variant_new ("(@aya{sv})", bytes_of (g_variant_new_variant (g_variant_new_boolean (TRUE))),
                                                  NULL));
  send_message (answer);
}

static void
reply_with_error (GDBusMessage *call,
                  const char   *name,
                  const char   *details)
{
  GDBusMessage *answer = g_dbus_message_new_method_error_literal (call, name,
                                                                  "from a hostile worker");

  g_dbus_message_set_body (answer, g_variant_new ("(s@ay)", "from a hostile worker",
                                                  bytes_of (g_variant_new_parsed (details))));
  send_message (answer);
}

static void
flood (const char *member,
       guint64     id)
{
  for (guint i = 0; i < 80000; i++)
    {
      if (g_str_equal (member, "Event"))
        send_signal ("Event", g_variant_new ("(ts@ay)", (guint64) 0, "e",
                                             bytes_of (g_variant_new_variant (g_variant_new_int64 (i)))));
      else
        send_signal ("Progress",
                     g_variant_new ("(t@ay)", id, bytes_of (g_variant_new ("(ds)", 0.5, "p"))));
    }
}

static gboolean
reply_with_raw_bytes (GDBusMessage *go)
{
  static const struct {
    const char *way;
    const char *bytes;
    gsize size;
  } bodies[] = {
    { "reply-of-nonsense", "nonsense, not a variant", 23 },
    { "reply-not-normal", "\002\000b", 3 },
    { "reply-of-nulls", "\0\0\0\0", 4 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      if (way_is (bodies[i].way))
        {
          reply_with (go, g_variant_new ("(@aya{sv})", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bodies[i].bytes,
                                                                                  bodies[i].size, 1), NULL));
          return TRUE;
        }
    }

  return FALSE;
}

static gboolean
misbehave_by_error (GDBusMessage *go)
{
  if (way_is ("error-of-numbers"))
    {
      GDBusMessage *answer = g_dbus_message_new_method_error_literal (go, "org.pyisolate.Error.Failed", "x");

      g_dbus_message_set_body (answer, g_variant_new ("(ii)", 1, 2));
      send_message (answer);
    }
  else if (way_is ("error-with-nonsense"))
    {
      GDBusMessage *answer = g_dbus_message_new_method_error_literal (go, "org.pyisolate.Error.Failed", "x");

      g_dbus_message_set_body (answer, g_variant_new ("(s@ay)", "x", bytes_from_text ("nonsense")));
      send_message (answer);
    }
  else if (way_is ("error-of-others"))
    reply_with_error (go, "com.example.Odd", "@a{sv} {}");
  else if (way_is ("exception-of-numbers"))
    reply_with_error (go, "org.pyisolate.Error.RemoteException",
                      "{'exception': <{'type': <1>, 'message': <@av []>, 'args': <'x'>, 'notes': <5>, 'cause': <'y'>}>}");
  else
    return FALSE;

  return TRUE;
}

gboolean
misbehave_by_reply (GDBusMessage *go)
{
  g_autofree char *bytes = NULL;

  if (way_is ("two-replies"))
    {
      reply (go, g_variant_new_boolean (TRUE));
      reply (go, g_variant_new_boolean (TRUE));
    }
  else if (way_is ("unknown-serial"))
    reply_to_serial (0x7fffffff);
  else if (way_is ("reply-of-string"))
    reply_with (go, g_variant_new ("(s)", "not bytes"));
  else if (way_is ("reply-of-nothing"))
    send_message (g_dbus_message_new_method_reply (go));
  else if (way_is ("reply-too-big"))
    {
      bytes = g_malloc0 (80 * 1024 * 1024);
      reply (go, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, 80 * 1024 * 1024, 1));
    }
  else if (way_is ("many-fds"))
    reply_with_fds (go, 250);
  else
    return reply_with_raw_bytes (go) || misbehave_by_error (go);

  return TRUE;
}

gboolean
misbehave_by_call (GDBusMessage *go)
{
  guint64 id = next_id ();

  if (way_is ("foreign-id"))
    send_call_full (((guint64) (hostile_link_number + 1) << 32) | 1, 0, "listed", "keep", no_arguments ());
  else if (way_is ("id-of-host"))
    send_call_full (1, 0, "listed", "keep", no_arguments ());
  else if (way_is ("same-id"))
    {
      for (guint i = 0; i < 2; i++)
        send_call_full (id, 0, "listed", "keep", no_arguments ());
    }
  else if (way_is ("long-chain"))
    send_call_full (id, 1000, "listed", "keep", no_arguments ());
  else if (way_is ("call-of-nonsense"))
    send_call_full (id, 0, "listed", "keep", bytes_from_text ("nonsense, not arguments"));
  else if (way_is ("hello-again"))
    send_call (PYISOLATE_TARGET_HOST, "Hello", NULL);
  else if (way_is ("ready-again"))
    say_ready ();
  else if (way_is ("host-method"))
    send_call (PYISOLATE_TARGET_HOST, "Destroy", NULL);
  else
    return FALSE;

  return TRUE;
}

gboolean
misbehave_by_message (GDBusMessage *go,
                      guint64       go_id)
{
  if (way_is ("no-such-method"))
    send_message (g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH, LINK_INTERFACE,
                                                  "Explode"));
  else if (way_is ("no-such-signal"))
    send_signal ("Exploded", g_variant_new ("(s)", "x"));
  else if (way_is ("event-of-numbers"))
    send_signal ("Event", g_variant_new ("(ii)", 1, 2));
  else if (way_is ("event-of-nonsense"))
    send_signal ("Event",
                 g_variant_new ("(ts@ay)", (guint64) 0, "e", bytes_from_text ("nonsense")));
  else if (way_is ("progress-of-nonsense"))
    send_signal ("Progress", g_variant_new ("(t@ay)", go_id, bytes_from_text ("nonsense")));
  else if (way_is ("log-of-nonsense"))
    send_signal ("Log", g_variant_new ("(@ay)", bytes_from_text ("nonsense")));
  else if (way_is ("garbage"))
    write_raw ("GET / HTTP/1.1\r\n\r\n and then some more garbage, so that it is longer than a head", 80);
  else if (way_is ("huge-message"))
    send_huge_head ();
  else if (way_is ("event-flood"))
    flood ("Event", 0);
  else if (way_is ("progress-flood"))
    flood ("Progress", go_id);
  else
    return FALSE;

  return TRUE;
}

/* Odd, but nothing to end a worker for. */
gboolean
be_odd (GDBusMessage *go)
{
  if (way_is ("stray-parts"))
    {
      send_signal ("Progress",
                   g_variant_new ("(t@ay)", (guint64) 12345,
                                  bytes_of (g_variant_new ("(ds)", 0.5, "stray"))));
      send_signal ("Event", g_variant_new ("(ts@ay)", (guint64) 12345, "stray",
                                           bytes_of (g_variant_new_variant (g_variant_new_int64 (1)))));
    }
  else if (way_is ("stray-cancel"))
    send_cancel (12345);
  else if (way_is ("unlisted"))
    {
      g_autoptr (GDBusMessage) answer = NULL;

      send_call ("secret", "steal", NULL);
      answer = next_of_type (G_DBUS_MESSAGE_TYPE_ERROR);
      reply (go, g_variant_new_string (g_dbus_message_get_error_name (answer)));
      return TRUE;
    }
  else if (way_is ("introspect"))
    {
      g_autoptr (GDBusMessage) answer = NULL;

      send_message (g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH,
                                                    "org.freedesktop.DBus.Introspectable",
                                                    "Introspect"));
      answer = next_of_type (G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
      reply (go, g_variant_get_child_value (g_dbus_message_get_body (answer), 0));
      return TRUE;
    }
  else if (!way_is ("good"))
    return FALSE;

  reply (go, g_variant_new_boolean (TRUE));
  return TRUE;
}
