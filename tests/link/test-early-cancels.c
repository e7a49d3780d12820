/* SPDX-License-Identifier: MIT */
/* What is kept of cancellations whose calls are not known. */
#include "config.h"

#include "test-util.h"

#include "pyisolate-early-cancels-private.h"

#define N_LATE (10 * PYISOLATE_MAX_EARLY_CANCELS)

static void
test_taken_once (void)
{
  PyIsolateEarlyCancels cancels = { 0 };

  g_assert_false (_pyisolate_early_cancels_take (&cancels, 7));
  _pyisolate_early_cancels_add (&cancels, 7);
  _pyisolate_early_cancels_add (&cancels, 7);
  _pyisolate_early_cancels_add (&cancels, 9);
  g_assert_true (_pyisolate_early_cancels_take (&cancels, 7));
  g_assert_false (_pyisolate_early_cancels_take (&cancels, 7));
  g_assert_false (_pyisolate_early_cancels_take (&cancels, 8));
  g_assert_true (_pyisolate_early_cancels_take (&cancels, 9));

  _pyisolate_early_cancels_clear (&cancels);
}

/* Those of calls that were answered already never find their call, and do not pile up; the last ones stay. */
static void
test_bounded (void)
{
  PyIsolateEarlyCancels cancels = { 0 };

  for (guint64 id = 1; id <= N_LATE; id++)
    {
      _pyisolate_early_cancels_add (&cancels, id);
      g_assert_cmpuint (cancels.ids.n_values, <=, PYISOLATE_MAX_EARLY_CANCELS);
    }
  for (guint64 id = 1; id <= N_LATE; id++)
    g_assert_cmpint (_pyisolate_early_cancels_take (&cancels, id), ==, id > N_LATE - PYISOLATE_MAX_EARLY_CANCELS);
  g_assert_cmpuint (cancels.ids.n_values, ==, 0);

  /* What was taken before its turn to be forgotten came does not stand in the way of others. */
  for (guint64 id = 1; id <= N_LATE; id++)
    {
      _pyisolate_early_cancels_add (&cancels, N_LATE + id);
      g_assert_true (_pyisolate_early_cancels_take (&cancels, N_LATE + id));
    }
  g_assert_cmpuint (cancels.ids.n_values, ==, 0);

  _pyisolate_early_cancels_clear (&cancels);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  test_util_add_func ("/pyisolate/early-cancels/taken-once", test_taken_once);
  test_util_add_func ("/pyisolate/early-cancels/bounded", test_bounded);

  return g_test_run ();
}
