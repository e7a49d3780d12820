/* SPDX-License-Identifier: MIT */
/* Errors: their names on D-Bus, what they carry, and their way through a frame. */
#include "config.h"

#include "pyisolate-error-private.h"
#include "pyisolate-frame-private.h"
#include "pyisolate-remote-exception-private.h"

#include "test-util.h"

#include <string.h>

static PyIsolateRemoteException *
new_exception (const char *text)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (g_variant_new_parsed (text));

  return _pyisolate_remote_exception_new_from_variant (dict);
}

/* The table is the one that docs/api.md and other languages know: names, order and numbers stay. */
static void
test_names (void)
{
  static const char *names[] = {
    "Failed", "BadConfig", "UvMissing", "Unsolvable", "Network", "BadRequirement", "PythonNotFound", "Environment",
    "Spawn", "Handshake", "ImportFailed", "NoSuchMethod", "BadValue", "RemoteException", "TimedOut", "Died", "Killed",
    "OutOfMemory", "BadMessage", "NotRunning", "Limit", "BadTensor",
  };

  g_assert_cmpuint (G_N_ELEMENTS (names), ==, PYISOLATE_N_ERRORS);
  g_assert_cmpstr (g_quark_to_string (PYISOLATE_ERROR), ==, "PyIsolateError");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *full = g_strconcat ("org.pyisolate.Error.", names[i], NULL);
      PyIsolateError code = PYISOLATE_ERROR_FAILED;

      g_assert_cmpstr (_pyisolate_error_get_dbus_name ((PyIsolateError) i), ==, full);
      g_assert_true (g_dbus_is_interface_name (full));
      g_assert_true (_pyisolate_error_from_dbus_name (full, &code));
      g_assert_cmpint (code, ==, i);
    }
}

static void
test_names_of_others (void)
{
  static const char *names[] = { "", "org.pyisolate.Error", "org.pyisolate.Error.", "org.pyisolate.Error.failed",
                                 "org.pyisolate.Error.FailedX", "org.pyisolate.Error.Failed ", "Failed",
                                 "org.freedesktop.DBus.Error.Failed", " org.pyisolate.Error.Failed" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      PyIsolateError code = PYISOLATE_ERROR_DIED;

      g_assert_false (_pyisolate_error_from_dbus_name (names[i], &code));
      g_assert_cmpint (code, ==, PYISOLATE_ERROR_DIED);
    }
}

static void
test_exception_goes_with_error (void)
{
  PyIsolateRemoteException *exception = new_exception ("{'type': <'ValueError'>, 'message': <'no'>}");
  gpointer weak = exception;
  g_autoptr (GError) error = _pyisolate_error_new_remote_exception ("ValueError: no", exception);
  g_autoptr (GError) copy = NULL;
  g_autoptr (PyIsolateRemoteException) found = NULL;
  g_autoptr (PyIsolateRemoteException) found_in_copy = NULL;

  g_object_add_weak_pointer (G_OBJECT (exception), &weak);
  g_object_unref (exception);
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);

  copy = g_error_copy (error);
  found = pyisolate_error_dup_remote_exception (error);
  g_clear_error (&error);
  found_in_copy = pyisolate_error_dup_remote_exception (copy);
  g_clear_error (&copy);
  g_assert_true (found == found_in_copy);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (found), ==, "ValueError");

  g_clear_object (&found);
  g_assert_nonnull (weak);
  g_clear_object (&found_in_copy);
  g_assert_null (weak);
}

static void
test_exception_replaced (void)
{
  g_autoptr (PyIsolateRemoteException) first = new_exception ("{'type': <'A'>}");
  g_autoptr (PyIsolateRemoteException) second = new_exception ("{'type': <'B'>}");
  g_autoptr (GError) error = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_IMPORT_FAILED, "import");
  g_autoptr (PyIsolateRemoteException) found = NULL;

  _pyisolate_error_set_remote_exception (error, first);
  _pyisolate_error_set_remote_exception (error, second);
  _pyisolate_error_set_remote_exception (error, second);
  found = pyisolate_error_dup_remote_exception (error);
  g_assert_true (found == second);
  g_assert_cmpuint (G_OBJECT (first)->ref_count, ==, 1);

  _pyisolate_error_set_remote_exception (error, NULL);
  g_assert_null (pyisolate_error_dup_remote_exception (error));
}

static void
test_errors_without_exception (void)
{
  g_autoptr (GError) ours = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION, "none");
  g_autoptr (GError) other = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "other");
  g_autoptr (GError) copy = g_error_copy (ours);

  g_assert_null (pyisolate_error_dup_remote_exception (ours));
  g_assert_null (pyisolate_error_dup_remote_exception (copy));
  g_assert_null (pyisolate_error_dup_remote_exception (other));
}

static GVariant *
get_details (PyIsolateFrame *frame)
{
  return g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, frame->body, FALSE));
}

/* From the host: an exception in Python is made of domain, code and message. */
static void
test_frame_of_error (void)
{
  static const struct {
    const char *domain;
    int code;
    const char *message;
    const char *name;
    const char *travels_as;
  } errors[] = {
    { "PyIsolateError", PYISOLATE_ERROR_NO_SUCH_METHOD, "no", "org.pyisolate.Error.NoSuchMethod", "no" },
    { "PyIsolateError", 4711, "what?", "org.pyisolate.Error.Failed", "what?" },
    { "PyIsolateError", -1, "what?", "org.pyisolate.Error.Failed", "what?" },
    { "g-io-error-quark", G_IO_ERROR_NOT_FOUND, "größe", "org.pyisolate.Error.Failed", "größe" },
    { "my-own-domain", -7, "", "org.pyisolate.Error.Failed", "" },
    { "my-own-domain", 7, "\xff\xfe", "org.pyisolate.Error.Failed", "\xef\xbf\xbd\xef\xbf\xbd" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    {
      g_autoptr (GError) error = g_error_new_literal (g_quark_from_static_string (errors[i].domain), errors[i].code,
                                                      errors[i].message);
      g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new_error (99, error);
      g_autoptr (GVariant) details = get_details (frame);
      const char *domain = NULL;
      int code = 0;

      g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_ERROR);
      g_assert_cmpuint (frame->id, ==, 99);
      g_assert_cmpstr (frame->name, ==, errors[i].name);
      g_assert_cmpstr (frame->message, ==, errors[i].travels_as);
      g_assert_true (g_variant_is_normal_form (details));
      g_assert_true (g_variant_lookup (details, "domain", "&s", &domain));
      g_assert_cmpstr (domain, ==, errors[i].domain);
      g_assert_true (g_variant_lookup (details, "code", "i", &code));
      g_assert_cmpint (code, ==, errors[i].code);
    }
}

static GError *
read_error (const char *name,
            const char *message,
            const char *details_text)
{
  g_autoptr (PyIsolateFrame) frame = _pyisolate_frame_new (PYISOLATE_FRAME_ERROR, 1);
  g_autoptr (GVariant) details = NULL;

  details = g_variant_ref_sink (g_variant_new_parsed (details_text));
  g_assert_true (g_variant_is_of_type (details, G_VARIANT_TYPE_VARDICT));
  frame->name = g_strdup (name);
  frame->message = g_strdup (message);
  return _pyisolate_frame_to_error (frame, details);
}

/* A worker tells what happened in it. That it died, was killed, or was too late, the host sees for itself. */
static void
test_error_of_frame (void)
{
  for (int i = 0; i < PYISOLATE_N_ERRORS; i++)
    {
      const char *name = _pyisolate_error_get_dbus_name ((PyIsolateError) i);
      g_autoptr (GError) error = read_error (name, "the message", "@a{sv} {}");
      gboolean theirs = i == PYISOLATE_ERROR_FAILED || i == PYISOLATE_ERROR_NO_SUCH_METHOD ||
                        i == PYISOLATE_ERROR_BAD_VALUE || i == PYISOLATE_ERROR_REMOTE_EXCEPTION ||
                        i == PYISOLATE_ERROR_NOT_RUNNING || i == PYISOLATE_ERROR_LIMIT ||
                        i == PYISOLATE_ERROR_BAD_TENSOR;

      int expected = theirs ? i : PYISOLATE_ERROR_BAD_MESSAGE;

      g_assert_error (error, PYISOLATE_ERROR, expected);
      if (theirs)
        g_assert_cmpstr (error->message, ==, "the message");
      else
        g_assert_nonnull (strstr (error->message, name));
      g_assert_null (pyisolate_error_dup_remote_exception (error));
    }
}

static void
test_exception_of_frame (void)
{
  static const char *not_dicts[] = { "@a{sv} {}", "{'exception': <'text'>}", "{'exception': <5>}",
                                     "{'exception': <@a{ss} {}>}", "{'Exception': <@a{sv} {}>}" };
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateRemoteException) exception = NULL;

  error = read_error ("org.pyisolate.Error.RemoteException", NULL, "{'exception': <{'type': <'KeyError'>}>}");
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  g_assert_cmpstr (error->message, ==, "");
  exception = pyisolate_error_dup_remote_exception (error);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exception), ==, "KeyError");

  for (guint i = 0; i < G_N_ELEMENTS (not_dicts); i++)
    {
      g_autoptr (GError) bare = read_error ("org.pyisolate.Error.RemoteException", "text", not_dicts[i]);

      g_assert_error (bare, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
      g_assert_null (pyisolate_error_dup_remote_exception (bare));
    }
}

/* Only of an exception is it taken. */
static void
test_exception_of_other_error (void)
{
  g_autoptr (GError) error = read_error ("org.pyisolate.Error.Failed", "failed", "{'exception': <{'type': <'KeyError'>}>}");

  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED);
  g_assert_null (pyisolate_error_dup_remote_exception (error));
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_func ("/pyisolate/error/names", test_names);
  test_util_add_func ("/pyisolate/error/names-of-others", test_names_of_others);
  test_util_add_func ("/pyisolate/error/exception-goes-with-error", test_exception_goes_with_error);
  test_util_add_func ("/pyisolate/error/exception-replaced", test_exception_replaced);
  test_util_add_func ("/pyisolate/error/errors-without-exception", test_errors_without_exception);
  test_util_add_func ("/pyisolate/error/frame-of-error", test_frame_of_error);
  test_util_add_func ("/pyisolate/error/error-of-frame", test_error_of_frame);
  test_util_add_func ("/pyisolate/error/exception-of-frame", test_exception_of_frame);
  test_util_add_func ("/pyisolate/error/exception-of-other-error", test_exception_of_other_error);
  return g_test_run ();
}
