/* SPDX-License-Identifier: MIT */
/* The end of a link: whoever waits is told, whatever the reason. */
#include "config.h"

#include "link-pair.h"

#include "pyisolate-error.h"

static void
test_fail (LinkPair *pair)
{
  g_autoptr (LinkBox) waiting = link_box_new ();
  g_autoptr (LinkBox) cancelled = link_box_new ();
  g_autoptr (LinkBox) theirs = link_box_new ();
  g_autoptr (GError) killed = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED,
                                                   "killed");
  g_autoptr (GError) other = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_FAILED, "other");
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateFrame) call = NULL;
  g_autoptr (PyIsolateFrame) cancel = NULL;

  link_pair_start_both (pair);
  for (guint i = 1; i <= 3; i++)
    link_side_call (&pair->host, link_frame_call (i, "wait"), waiting);
  link_side_call (&pair->host, link_frame_call (4, "wait"), cancelled);
  _pyisolate_endpoint_cancel (pair->host.endpoint, 4);
  link_side_call (&pair->worker, link_frame_call (LINK_ID (1), "wait"), theirs);
  call = link_box_take (pair->host.box);

  _pyisolate_endpoint_fail (pair->host.endpoint, killed);
  g_assert_cmpuint (link_box_count_ends (waiting), ==, 3);
  g_assert_error (waiting->error, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  g_assert_cmpuint (waiting->n_destroyed, ==, 3);
  g_assert_cmpuint (link_box_count_ends (cancelled), ==, 0);
  cancel = link_box_take (pair->host.box);
  g_assert_cmpint (cancel->kind, ==, PYISOLATE_FRAME_CANCEL);
  g_assert_cmpuint (cancel->id, ==, LINK_ID (1));

  /* The first reason stays. */
  _pyisolate_endpoint_fail (pair->host.endpoint, other);
  g_assert_false (_pyisolate_endpoint_call (pair->host.endpoint, NULL, link_frame_call (9, "late"),
                                            NULL, NULL, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_KILLED);
  g_assert_cmpuint (link_box_count_ends (waiting), ==, 3);
  g_assert_cmpuint (link_box_count (pair->host.box), ==, 2);
}

static void
test_peer_vanishes (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();

  link_pair_start_both (pair);
  for (guint i = 1; i <= 100; i++)
    link_side_call (&pair->host, link_frame_call (i, "wait"), box);
  link_box_wait_frames (pair->worker.box, 100);
  _pyisolate_endpoint_close (pair->worker.endpoint, NULL);

  link_box_wait_ends (box, 100);
  g_assert_error (box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
  g_assert_cmpuint (link_box_count (box), ==, 0);
  link_box_wait_destroyed (box, 100);
  link_box_wait_ends (pair->host.box, 1);
  g_assert_no_error (pair->host.box->error);
}

/* Calls around the end: each that is taken is answered, also where nobody has told the endpoint of
 * the end yet. */
static void
test_calls_at_the_end (LinkPair *pair)
{
  g_autoptr (LinkBox) box = link_box_new ();
  guint n_taken = 0;

  link_pair_start_both (pair);
  _pyisolate_endpoint_close (pair->host.endpoint, NULL);
  for (guint i = 1; i <= 100; i++)
    {
      g_autoptr (GError) error = NULL;

      if (link_side_try_call (&pair->host, link_frame_call (i, "wait"), box, &error))
        n_taken++;
      else
        g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
    }
  link_box_wait_ends (box, n_taken);
  link_box_wait_destroyed (box, 100);
  g_assert_cmpuint (link_box_count_ends (box), ==, n_taken);
  if (n_taken > 0)
    g_assert_error (box->error, PYISOLATE_ERROR, PYISOLATE_ERROR_DIED);
}

static void
test_close_with_reason (LinkPair *pair)
{
  g_autoptr (GError) reason = g_error_new_literal (PYISOLATE_ERROR, PYISOLATE_ERROR_LIMIT,
                                                   "enough");

  link_pair_start_both (pair);
  _pyisolate_endpoint_close (pair->host.endpoint, reason);
  link_side_assert_ended (&pair->host, PYISOLATE_ERROR_LIMIT, "enough");
  link_box_wait_ends (pair->worker.box, 1);
  g_assert_no_error (pair->worker.box->error);
}

int
main (int   argc,
      char *argv[])
{
  link_test_init (&argc, &argv);
  link_test_add_for_pair ("endpoint-end", "fail", LINK_CAREFUL, test_fail);
  link_test_add_for_pair ("endpoint-end", "peer-vanishes", LINK_CAREFUL, test_peer_vanishes);
  link_test_add_for_pair ("endpoint-end", "calls-at-the-end", LINK_CAREFUL, test_calls_at_the_end);
  link_test_add_for_pair ("endpoint-end", "close-with-reason", LINK_CAREFUL, test_close_with_reason);
  return g_test_run ();
}
