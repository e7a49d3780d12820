/* SPDX-License-Identifier: MIT */
/* A manager under test, with real interpreters behind it.
 *
 *   static void
 *   test_something (void)
 *   {
 *     g_autoptr (HostTest) test = host_test_new ();
 *     PyIsolateExtension *extension = host_test_load (test, "basic");
 *
 *     host_assert_result (extension, "add", "(1, 2)", "int64 3");
 *   }
 *
 * At its end the fixture drops the manager and asserts that it, its extensions and its singletons
 * are finalized; test_util_add_func() then asserts that no process and no descriptor is left. All
 * environments of a program are in one venv root, so each is made once.
 *
 * Where each PYISOLATE_ERROR code is produced:
 *
 *   FAILED            calls/used-twice, singleton/errors, loading/other-thread…
 *   BAD_CONFIG        config/bad
 *   UV_MISSING        config/bad (uv-path)
 *   UNSOLVABLE        config/environment-errors
 *   NETWORK           config/environment-errors
 *   BAD_REQUIREMENT   config/bad
 *   PYTHON_NOT_FOUND  config/bad
 *   ENVIRONMENT       config/environment-errors
 *   SPAWN             faults/no-launcher
 *   HANDSHAKE         hostile/handshake
 *   IMPORT_FAILED     exceptions/import
 *   NO_SUCH_METHOD    calls/no-such-method, singleton/errors
 *   BAD_VALUE         calls/bad-values, singleton/signatures
 *   REMOTE_EXCEPTION  exceptions/…
 *   TIMED_OUT         calls/timeout, faults/import
 *   DIED              faults/endings
 *   KILLED            faults/endings, calls/kill-on-timeout
 *   OUT_OF_MEMORY     faults-limits/out-of-memory
 *   BAD_MESSAGE       hostile/messages, hostile/handshake
 *   NOT_RUNNING       calls/not-running
 *   BAD_TENSOR        hostile-memory/tensors/…
 *   LIMIT             tensor-faults/limit, singleton/chain-limit, singleton/calls-limit, hostile/flood
 *   G_IO_ERROR_CANCELLED  calls/cancel, loading-cancel
 */
#pragma once

#include "pyisolate-glib.h"
#include "test-util.h"

#include <sys/resource.h>

G_BEGIN_DECLS

/* For what comes soon, unless the machine does much else; what hangs under valgrind meson ends before. */
#define HOST_TEST_TIMEOUT_MS (test_util_is_slowed () ? 240000 : 100000)

typedef struct {
  PyIsolateExtensionManager *manager;
  GPtrArray *watched; /* of GWeakRef: what must be finalized with the manager */
} HostTest;

/* For a whole program; call it before threads start. */
void                      host_test_init         (int         *argc,
                                                  char      ***argv);
int                       host_test_run          (void);

HostTest                 *host_test_new          (void);
void                      host_test_free         (HostTest    *test);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HostTest, host_test_free)
/* Drops the manager now. */
void                      host_test_drop_manager (HostTest    *test);
/* @object must be finalized at the end. */
void                      host_test_watch        (HostTest    *test,
                                                  gpointer     object);

/* This process has as many descriptors as it may, until they are given back. */
typedef struct {
  GArray *fds; /* those that were free */
  struct rlimit limit;
} HostDescriptors;
void                      host_use_up_descriptors    (HostDescriptors *descriptors);
void                      host_give_back_descriptors (HostDescriptors *descriptors);

/* Below the program's own scratch directory, fresh each time. */
char                     *host_test_scratch      (const char  *prefix);
/* Makes the directories that it needs, and returns the path. */
char                     *host_write_file        (const char  *directory,
                                                  const char  *name,
                                                  const char  *text);
/* "name==1.0" … up to NULL; make-wheels.py has the rest. */
void                      host_make_wheels       (const char  *directory,
                                                  ...) G_GNUC_NULL_TERMINATED;
/* The interpreter of all extensions that name none. */
const char               *host_test_python       (void);
char                     *host_extension_path    (const char  *name);
gboolean                  host_wants_slow        (void);

/* Of tests/host/extensions/@file.py, as @name. */
PyIsolateExtensionConfig *host_config            (const char  *name,
                                                  const char  *file);
/* In an environment whose Python is the hostile worker. */
PyIsolateExtensionConfig *host_hostile_config    (const char  *way);
/* Loads; the caller does not own it. The configuration form consumes @config. */
PyIsolateExtension       *host_test_load         (HostTest    *test,
                                                  const char  *file);
PyIsolateExtension       *host_test_load_config  (HostTest    *test,
                                                  PyIsolateExtensionConfig *config);
/* Loading fails with that code; consumes @config. */
GError                   *host_test_fail_load    (HostTest    *test,
                                                  PyIsolateExtensionConfig *config,
                                                  int          code);

/* Values in GVariant's text form; NULL arguments: none. */
GVariant                 *host_parse             (const char  *text);
GVariant                 *host_call              (PyIsolateExtension *extension,
                                                  const char  *method,
                                                  const char  *args);
void                      host_assert_result     (PyIsolateExtension *extension,
                                                  const char  *method,
                                                  const char  *args,
                                                  const char  *expected);
#define host_assert_value(value, expected) \
  _host_assert_value ((value), (expected), __FILE__, __LINE__)
void                      _host_assert_value     (GVariant    *value,
                                                  const char  *expected,
                                                  const char  *file,
                                                  int          line);
/* The call fails with that code. */
GError                   *host_call_error        (PyIsolateExtension *extension,
                                                  const char  *method,
                                                  const char  *args,
                                                  int          code);

/* A GAsyncReadyCallback that keeps the result: user_data is a GAsyncResult **. */
void                      host_store             (GObject      *source,
                                                  GAsyncResult *result,
                                                  gpointer      data);
#define host_wait_result(location) \
  test_util_assert_until (test_util_is_set, (location), HOST_TEST_TIMEOUT_MS)
/* Begins a call; wait for @result, then finish. */
void                      host_begin             (PyIsolateExtension *extension,
                                                  const char    *method,
                                                  const char    *args,
                                                  GCancellable  *cancellable,
                                                  GAsyncResult **result);
/* Waits for it; clears @result. */
GVariant                 *host_end               (PyIsolateExtension *extension,
                                                  GAsyncResult **result);
GError                   *host_end_error         (PyIsolateExtension *extension,
                                                  GAsyncResult **result,
                                                  GQuark         domain,
                                                  int            code);
/* The same for a PyIsolateCall, which is known to run when this comes back: a deadline that passes before is too early for a machine
 * that does much else, and the next one later. */
void                      host_begin_running     (PyIsolateExtension *extension,
                                                  const char    *method,
                                                  const char    *args,
                                                  gint64         timeout,
                                                  GCancellable  *cancellable,
                                                  GAsyncResult **result);
GError                   *host_end_running       (PyIsolateExtension *extension,
                                                  GAsyncResult **result,
                                                  GQuark         domain,
                                                  int            code);

/* Waits for that state. */
void                      host_wait_state        (PyIsolateExtension *extension,
                                                  PyIsolateExtensionState state);
/* Keeps what an extension tells. */
typedef struct {
  PyIsolateExtension *extension; /* weak */
  GPtrArray *lines;   /* "logger|level|message" */
  GPtrArray *events;  /* "name|value" */
  GPtrArray *states;  /* the numbers of the states, as notified */
  PyIsolateExitReason *reason;
  guint n_exited;
} HostNews;
HostNews                 *host_news_new          (PyIsolateExtension *extension);
void                      host_news_free         (HostNews    *news);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HostNews, host_news_free)
void                      host_news_wait_line    (HostNews    *news,
                                                  const char  *line);
void                      host_news_wait_event   (HostNews    *news,
                                                  const char  *event);
void                      host_news_wait_exited  (HostNews    *news,
                                                  PyIsolateExitKind kind,
                                                  int          status);

#define host_assert_message(error, pattern) \
  G_STMT_START { \
    if (!g_pattern_match_simple ((pattern), (error)->message)) \
      g_error ("“%s” does not match “%s” (%s:%d)", (error)->message, (pattern), __FILE__, __LINE__); \
  } G_STMT_END

G_END_DECLS
