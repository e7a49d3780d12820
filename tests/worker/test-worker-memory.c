/* SPDX-License-Identifier: MIT */
/* A host that lets a worker wait for shared memory. */
#include "config.h"

#include "worker-fixture.h"

/* The thread's next call may have been made before, but not the one after it. */
static void
expect_others_to_go_on (Worker *worker)
{
  worker_serve_next (worker, "echo");
  worker_serve_next (worker, "echo");
}

static void
wait_for_memory (Worker     *worker,
                 const char *method,
                 const char *expected)
{
  guint64 id = worker_call (worker, method, "");
  g_autoptr (PyIsolateFrame) answer = NULL;
  g_autofree char *text = NULL;

  /* It asks once more, as what it gave back meanwhile may be what the host lacked. */
  for (guint i = 0; i < 2; i++)
    {
      guint64 wish = worker_wait_wish (worker);

      expect_others_to_go_on (worker);
      worker_refuse_wish (worker, wish);
    }

  answer = worker_wait (worker, id);
  g_assert_cmpint (answer->kind, ==, PYISOLATE_FRAME_RETURN);
  text = worker_print (answer->body, PYISOLATE_BODY_VALUE);
  g_assert_true (g_str_has_prefix (text, expected));
}

/* Of an extension other threads go on while one of them waits for memory that it needs to send a call or an answer. */
static void
test_others_go_on (const char *python)
{
  Worker *worker = worker_new (python, "memory.py");

  worker_assert_result (worker, "start", "", "'/pyisolate/None'");
  wait_for_memory (worker, "answer", "[0, 1, 2, ");
  wait_for_memory (worker, "call", "true");
  wait_for_memory (worker, "answer_async", "[0, 1, 2, ");
  wait_for_memory (worker, "call_async", "true");
  worker_assert_result (worker, "end", "", "'/pyisolate/None'");

  worker_finish (worker);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  worker_add_test ("memory/others-go-on", test_others_go_on);

  return g_test_run ();
}
