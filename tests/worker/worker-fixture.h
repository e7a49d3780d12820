/* SPDX-License-Identifier: MIT */
/* A host of the least kind: a real interpreter runs the runtime, the test speaks frames with it.
 *
 * Values are written and read in GVariant's text form: worker_call (worker, "add", "<int64 1>,
 * <int64 2>").
 *
 * It has two singletons. "host" lists its methods: echo (x) gives x back; call_back (method, …)
 * calls a method of the extension and gives its result back; fail () is an error
 * G_IO_ERROR_NOT_FOUND; silent () is never answered. "open" has the same, and lists none. */
#pragma once

#include "test-util.h"

#include "pyisolate-error.h"
#include "pyisolate-remote-exception.h"
#include "pyisolate-frame-private.h"

G_BEGIN_DECLS

typedef struct _Worker Worker;

/* Of the test that runs: what PYISOLATE_TEST_PYTHONS names. */
typedef void     (*WorkerTestFunc)           (const char      *python);
void             worker_add_test             (const char      *path,
                                              WorkerTestFunc   func);
gboolean         worker_python_is_at_least   (const char      *python,
                                              int              minor);
char            *worker_extension_path       (const char      *name);

#define WORKER_DEADLINE_MS 60000

/* A worker that has said nothing yet; @path: of the extension. */
Worker          *worker_start                (const char      *python,
                                              const char      *path);
void             worker_add_source_path      (Worker          *worker,
                                              const char      *path);
void             worker_answer_hello         (Worker          *worker);
/* Both of these: a worker of tests/worker/extensions/@name that is ready. */
Worker          *worker_new                  (const char      *python,
                                              const char      *name);
/* Ends it; it must have been stopped, or have ended by itself. */
void             worker_free                 (Worker          *worker);
/* Stop, exit status 0, free. */
void             worker_finish               (Worker          *worker);

/* Ends the test, with what the worker wrote. */
void             worker_fail                 (Worker          *worker,
                                              const char      *format,
                                              ...) G_GNUC_NORETURN G_GNUC_PRINTF (2, 3);

GDBusConnection *worker_connect              (int              take_fd,
                                              GError         **error);
PyIsolateFrame  *worker_next                 (Worker          *worker);
GVariant        *worker_expect_ready         (Worker          *worker);
GVariant        *worker_expect_load_failed   (Worker          *worker);
/* Lets the interpreter end and says how: an exit status, or a signal's number, negative. */
int              worker_wait_exit            (Worker          *worker);

guint64          worker_call                 (Worker          *worker,
                                              const char      *method,
                                              const char      *args);
guint64          worker_call_full            (Worker          *worker,
                                              const char      *target,
                                              const char      *method,
                                              const char      *args,
                                              const char      *kwargs,
                                              const guint64   *chain,
                                              guint            n_chain);
guint64          worker_call_with_fd         (Worker          *worker,
                                              const char      *target,
                                              const char      *method,
                                              const char      *args,
                                              int              take_fd);
/* The calls between these two go by the lane in one message. */
void             worker_cork                 (Worker          *worker);
void             worker_uncork               (Worker          *worker);
void             worker_cancel               (Worker          *worker,
                                              guint64          id);
/* Serves the singletons until the answer to that call comes. */
PyIsolateFrame  *worker_wait                 (Worker          *worker,
                                              guint64          id);
/* The next frame of that kind, one that came already included. */
PyIsolateFrame  *worker_wait_kind            (Worker          *worker,
                                              PyIsolateFrameKind kind);
/* That call of a singleton, unanswered: method silent(). */
guint64          worker_wait_silent          (Worker          *worker);
void             worker_answer               (Worker          *worker,
                                              guint64          id,
                                              const char      *value);
GPtrArray       *worker_get_seen             (Worker          *worker);
/* The next frame calls that method of a singleton, which is served. */
void             worker_serve_next           (Worker          *worker,
                                              const char      *method);
/* This host gives no shared memory, and leaves whoever asks for some waiting: until the worker asks, its number. */
guint64          worker_wait_wish            (Worker          *worker);
void             worker_refuse_wish          (Worker          *worker,
                                              guint64          wish);

/* Call, wait, and compare the printed result. */
void             worker_assert_result        (Worker          *worker,
                                              const char      *method,
                                              const char      *args,
                                              const char      *expected);
void             worker_assert_answer        (Worker          *worker,
                                              guint64          id,
                                              const char      *expected);
/* Call, wait for an exception of that type, whose message matches the pattern. */
PyIsolateRemoteException *worker_assert_raises (Worker        *worker,
                                              const char      *method,
                                              const char      *args,
                                              const char      *type,
                                              const char      *pattern);
void             worker_assert_error         (PyIsolateFrame  *frame,
                                              int              code,
                                              const char      *pattern);
GVariant        *worker_dup_body             (PyIsolateFrame  *frame,
                                              const char      *type);
char            *worker_print                (GBytes          *body,
                                              const char      *type);
/* To stdout or stderr. */
void             worker_wait_output          (Worker          *worker,
                                              const char      *text);
int              worker_get_pid              (Worker          *worker);
GVariant        *worker_get_methods          (Worker          *worker);
/* The one dict of that name. */
GVariant        *worker_dup_method           (Worker          *worker,
                                              const char      *name);
void             worker_close_link           (Worker          *worker);

G_END_DECLS
