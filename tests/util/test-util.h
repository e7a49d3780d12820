/* SPDX-License-Identifier: MIT */
/* What every C test needs: deadlines instead of sleeps, and a fixture that notices what a test
 * leaves behind.
 *
 *   int
 *   main (int argc, char *argv[])
 *   {
 *     test_util_init (&argc, &argv);
 *     test_util_add_func ("/pyisolate/foo/bar", test_bar);
 *     return g_test_run ();
 *   }
 *
 * A test added by test_util_add_func() fails if it ends with a child process, with more (or fewer)
 * file descriptors than it began with, with a warning that it did not announce, or without one that
 * it did.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* By a sanitizer or valgrind: times say nothing, and memory little. */
gboolean    test_util_is_slowed          (void);
gboolean    test_util_is_on_valgrind     (void);

typedef gboolean (*TestUtilPredicate) (gpointer data);
typedef void     (*TestUtilDataFunc)  (gconstpointer data);

void     test_util_init                (int    *argc,
                                        char ***argv);
void     test_util_add_func            (const char *path,
                                        GTestFunc   func);
void     test_util_add_data_func       (const char       *path,
                                        gconstpointer     data,
                                        TestUtilDataFunc  func);

/* Iterates the thread-default main context until the predicate holds. FALSE: the time is over. */
gboolean test_util_run_until           (TestUtilPredicate predicate,
                                        gpointer          data,
                                        int               timeout_ms);
/* What is to take less than that: it must do so once. Other load on the machine may delay it any number of times, so it is measured
 * again, for a minute at most. @measure gives the time in microseconds, or another number that is to be low, and checks all else. */
typedef gint64   (*TestUtilMeasureFunc) (gconstpointer data);
gint64   test_util_measure_best        (TestUtilMeasureFunc measure,
                                        gconstpointer       data,
                                        gint64              limit);
#define  test_util_assert_reaches(measure, data, limit) \
  G_STMT_START { \
    gint64 _limit = (limit); \
    gint64 _best = test_util_measure_best ((measure), (data), _limit); \
    g_test_message (#measure ": %" G_GINT64_FORMAT, _best); \
    g_assert_cmpint (_best, <, _limit); \
  } G_STMT_END

/* Predicates: a gboolean that something sets; a pointer or GObject location that something
 * fills. */
gboolean test_util_is_true             (gpointer boolean);
gboolean test_util_is_set              (gpointer pointer_location);
#define  test_util_assert_until(predicate, data, timeout_ms) \
  G_STMT_START { \
    if (!test_util_run_until ((predicate), (data), (timeout_ms))) \
      g_assertion_message (G_LOG_DOMAIN, __FILE__, __LINE__, G_STRFUNC, \
                           "not within " #timeout_ms " ms: " #predicate " (" #data ")"); \
  } G_STMT_END

/* Counts the open descriptors of this process, the one used for counting not included. */
guint    test_util_count_fds           (void);
/* Counts the mappings, in the process @pid, of memfds whose names begin so. */
guint    test_util_count_mappings      (int         pid,
                                        const char *name);
/* Names them, for messages: "5 -> socket:[123]", a line each. */
char    *test_util_describe_fds        (void);
/* Fails if this process has a child, a zombie included, and keeps it: reaping is done by other
 * threads, which have some time for it. */
void     test_util_assert_no_children  (void);

/* A zombie is not alive. */
gboolean test_util_process_is_alive    (int pid);
/* TRUE as soon as the process is gone; it need not be a child of ours. The main context is not
 * iterated. */
gboolean test_util_wait_process_gone   (int pid,
                                        int timeout_ms);
/* The living processes, ours not included, that have this "NAME=value" in the environment they
 * were started with. */
GArray  *test_util_find_processes      (const char *environment_entry);
/* The same, once there are none, or their list when the time is over. */
GArray  *test_util_wait_no_processes   (const char *environment_entry,
                                        int         timeout_ms);

/* A message of this level and glob pattern must come once in this test, from any thread; it is
 * not printed. */
void     test_util_expect_log          (const char     *domain,
                                        GLogLevelFlags  level,
                                        const char     *pattern);
/* For what may come, but need not. */
void     test_util_allow_log           (const char     *domain,
                                        GLogLevelFlags  level,
                                        const char     *pattern);
/* Fails if an expected message did not come, and forgets all of them. The fixture does it; call
 * it to check earlier. */
void     test_util_assert_logs_seen    (void);
void     _test_util_log_init           (void);

char    *test_util_tmpdir              (void);
void     test_util_remove_tree         (const char *path);

G_END_DECLS
