/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "worker-fixture.h"

#include "pyisolate-error-private.h"

char *
worker_print (GBytes     *body,
              const char *type)
{
  g_autoptr (GVariant) variant =
    g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), body, FALSE));

  if (g_str_equal (type, "v"))
    {
      g_autoptr (GVariant) value = g_variant_get_variant (variant);

      return g_variant_print (value, FALSE);
    }

  return g_variant_print (variant, FALSE);
}

void
worker_assert_answer (Worker     *worker,
                      guint64     id,
                      const char *expected)
{
  g_autoptr (PyIsolateFrame) frame = worker_wait (worker, id);
  g_autofree char *text = NULL;

  if (frame->kind == PYISOLATE_FRAME_ERROR)
    {
      g_autofree char *details = worker_print (frame->body, PYISOLATE_BODY_DETAILS);

      worker_fail (worker, "%s: %s %s", frame->name, frame->message, details);
    }

  text = worker_print (frame->body, PYISOLATE_BODY_VALUE);
  g_assert_cmpstr (text, ==, expected);
}

void
worker_assert_result (Worker     *worker,
                      const char *method,
                      const char *args,
                      const char *expected)
{
  worker_assert_answer (worker, worker_call (worker, method, args), expected);
}

void
worker_assert_error (PyIsolateFrame *frame,
                     int             code,
                     const char     *pattern)
{
  g_autofree char *name = g_strconcat ("The error: ", frame->message, NULL);

  g_assert_cmpint (frame->kind, ==, PYISOLATE_FRAME_ERROR);
  g_assert_cmpstr (frame->name, ==, _pyisolate_error_get_dbus_name (code));
  if (!g_pattern_match_simple (pattern, frame->message))
    g_error ("%s does not match %s", name, pattern);
}

static PyIsolateRemoteException *
to_exception (PyIsolateFrame *frame)
{
  g_autoptr (GVariant) details = worker_dup_body (frame, PYISOLATE_BODY_DETAILS);
  g_autoptr (GError) error = _pyisolate_frame_to_error (frame, details);

  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_REMOTE_EXCEPTION);
  return pyisolate_error_dup_remote_exception (error);
}

PyIsolateRemoteException *
worker_assert_raises (Worker     *worker,
                      const char *method,
                      const char *args,
                      const char *type,
                      const char *pattern)
{
  g_autoptr (PyIsolateFrame) frame = worker_wait (worker, worker_call (worker, method, args));
  g_autoptr (PyIsolateRemoteException) exception = NULL;

  worker_assert_error (frame, PYISOLATE_ERROR_REMOTE_EXCEPTION, "*");
  exception = to_exception (frame);
  g_assert_nonnull (exception);
  g_assert_cmpstr (pyisolate_remote_exception_get_type_name (exception), ==, type);
  if (!g_pattern_match_simple (pattern, pyisolate_remote_exception_get_message (exception)))
    worker_fail (worker, "The message %s does not match %s",
          pyisolate_remote_exception_get_message (exception), pattern);

  return g_steal_pointer (&exception);
}
