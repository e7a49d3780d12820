/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-exit-reason-private.h"

#include "test-util.h"

#include <signal.h>

typedef struct {
  PyIsolateExitKind kind;
  int status;
  const char *message;
} Expected;

static const Expected expectations[] = {
  { PYISOLATE_EXIT_KIND_EXITED, 0, "exited with code 0" },
  { PYISOLATE_EXIT_KIND_EXITED, 3, "exited with code 3" },
  { PYISOLATE_EXIT_KIND_SIGNALED, SIGKILL, "was killed by signal 9 (Killed)" },
  { PYISOLATE_EXIT_KIND_SIGNALED, SIGTERM, "was killed by signal 15 (Terminated)" },
  { PYISOLATE_EXIT_KIND_SIGNALED, SIGSEGV, "crashed with signal 11 (Segmentation fault)" },
  { PYISOLATE_EXIT_KIND_SIGNALED, SIGABRT, "crashed with signal 6 (Aborted)" },
  { PYISOLATE_EXIT_KIND_OUT_OF_MEMORY, SIGKILL, "was killed by the kernel because memory ran out" },
  { PYISOLATE_EXIT_KIND_LINK_CLOSED, 0, "closed its connection" },
};

static void
test_messages (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (expectations); i++)
    {
      const Expected *expected = &expectations[i];
      g_autoptr (PyIsolateExitReason) reason =
        _pyisolate_exit_reason_new (expected->kind, expected->status, FALSE, FALSE, NULL);

      g_assert_cmpstr (pyisolate_exit_reason_get_message (reason), ==, expected->message);
      g_assert_cmpint (pyisolate_exit_reason_get_kind (reason), ==, expected->kind);
      g_assert_cmpint (pyisolate_exit_reason_get_status (reason), ==, expected->status);
    }
}

static void
test_properties (void)
{
  g_autoptr (PyIsolateExitReason) reason =
    _pyisolate_exit_reason_new (PYISOLATE_EXIT_KIND_SIGNALED, SIGSEGV, TRUE, TRUE, "fell over");
  g_autofree char *message = NULL;
  PyIsolateExitKind kind;
  int status;
  gboolean core_dumped;
  gboolean expected;

  g_object_get (reason,
                "kind", &kind,
                "status", &status,
                "core-dumped", &core_dumped,
                "expected", &expected,
                "message", &message,
                NULL);
  g_assert_cmpint (kind, ==, PYISOLATE_EXIT_KIND_SIGNALED);
  g_assert_cmpint (status, ==, SIGSEGV);
  g_assert_true (core_dumped);
  g_assert_true (expected);
  g_assert_cmpstr (message, ==, "fell over");
  g_assert_true (pyisolate_exit_reason_get_core_dumped (reason));
  g_assert_true (pyisolate_exit_reason_get_expected (reason));
}

static void
test_kind_names (void)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (PYISOLATE_TYPE_EXIT_KIND);

  g_assert_cmpuint (klass->n_values, ==, 4);
  g_assert_cmpstr (g_enum_get_value (klass, PYISOLATE_EXIT_KIND_OUT_OF_MEMORY)->value_nick, ==,
                   "out-of-memory");
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_func ("/pyisolate/exit-reason/messages", test_messages);
  test_util_add_func ("/pyisolate/exit-reason/properties", test_properties);
  test_util_add_func ("/pyisolate/exit-reason/kind-names", test_kind_names);
  return g_test_run ();
}
