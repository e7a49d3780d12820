/* SPDX-License-Identifier: MIT */
/* _pyisolate_host: the way of a call between a host in Python and the library, for the few Python files beside it. Objects
 * of the library come as PyGObject's wrappers, or as pointers in capsules; values never become variants here. */
#pragma once

#include "pyisolate-codec-private.h"
#include "pyisolate-id-table-private.h"
#include "pyisolate-task-private.h"

#include <pyisolate-glib.h>

extern PyObject *PyContext_CopyCurrent (void);

G_BEGIN_DECLS

/* What a PyGObject wrapper stands for; NULL with a TypeError if it is something else. */
gpointer  _pyisolate_host_get_object  (PyObject *wrapper,
                                       GType     type);
/* Deals with an exception of a callback, which nobody can be given. */
void      _pyisolate_host_report      (PyObject *callback);
/* pyisolate-host-serve.c: what is raised, as an object; a new reference. */
PyObject *_pyisolate_host_take_exception (void);
/* The exception that a call ended with, as (type name, message, traceback, args, notes, cause, context), or None. */
PyObject *_pyisolate_host_describe_exception (PyIsolateRemoteException *exception);

gboolean  _pyisolate_host_add_context   (PyObject *module);
gboolean  _pyisolate_host_add_answer    (PyObject *module);
gboolean  _pyisolate_host_add_method    (PyObject *module);
gboolean  _pyisolate_host_add_singleton (PyObject *module);

/* pyisolate-host-inbox.c: what has come for a context, until it is looked at with the GIL. */
typedef struct _PyIsolateHostInbox PyIsolateHostInbox;

PyIsolateHostInbox *_pyisolate_host_inbox_new   (GMainContext       *context);
PyIsolateHostInbox *_pyisolate_host_inbox_ref   (PyIsolateHostInbox *self);
void                _pyisolate_host_inbox_unref (gpointer            self);
/* A PyIsolateAnswerFunc. */
void                _pyisolate_host_inbox_put   (PyIsolateAnswer    *answer,
                                                 gpointer            self);
gboolean            _pyisolate_host_inbox_has_any (PyIsolateHostInbox *self);
/* Whether there is progress or an event that has come to this thread, which reads the context. */
gboolean            _pyisolate_host_inbox_has_parts (PyIsolateHostInbox *self);
PyIsolateAnswer    *_pyisolate_host_inbox_take  (PyIsolateHostInbox *self);
/* Whose context this thread reads: it looks into it afterwards, and need not be woken. Returns what it was. */
PyIsolateHostInbox *_pyisolate_host_inbox_set_read (PyIsolateHostInbox *self);

/* pyisolate-host-context.c: a GMainContext that an event loop of Python's can serve. */
typedef struct {
  PyObject_HEAD
  GMainContext *context;
  PyIsolateHostInbox *inbox;
  GArray *known;    /* of int: the descriptors that it polls */
  int wake_fd;      /* of them, that by which it is woken */
  int fd;           /* an epoll set of them */
  int select_fd;    /* another, with the loop's selector too; or -1 */
  guint n_waiting;  /* how many wait in it, within each other */
  gboolean is_bare; /* nobody but who waits in it serves it */

  PyObject *loop;   /* NULL: a thread's without one */
  PyObject *running; /* what the state of its thread has for it while it runs, if that is known; only to be compared */
  PyObject *tasks;  /* Tasks, or NULL: nothing can run a coroutine */
  PyObject *attributes; /* of the loop's, if its selector's select() is ours; or NULL */
  PyObject *ready;  /* the loop's deque of what to run, if its selector's select() is ours; or NULL */
  PyObject *select; /* what that was */
  guint n_selects;  /* how many turns of the loop are within each other */
} PyIsolateHostContext;

PyIsolateHostContext *_pyisolate_host_context_check (PyObject             *object);
GMainContext         *_pyisolate_host_context_get   (PyObject             *object);

/* pyisolate-host-context-poll.c. Without the GIL. */
int                   _pyisolate_host_context_poll  (GPollFD *fds,
                                                     guint    n_fds,
                                                     int      timeout);
void                  _pyisolate_host_context_iterate (PyIsolateHostContext *self,
                                                     gboolean              may_block);
/* The same: waits, and reads what there is. FALSE: a signal came. *@others: the selector has something. */
gboolean              _pyisolate_host_context_read  (PyIsolateHostContext *self,
                                                     int                   set,
                                                     gint64                deadline,
                                                     gboolean             *anything,
                                                     gboolean             *others);
/* With the GIL: who waits for what has come goes on. FALSE: an exception is set that is for whoever runs the loop. */
gboolean              _pyisolate_host_context_answer (PyIsolateHostContext *self,
                                                      gboolean              at_once);

/* pyisolate-host-select.c */
PyObject *_pyisolate_host_context_select (PyObject        *object,
                                          PyObject *const *args,
                                          Py_ssize_t       n_args);

/* pyisolate-host-method.c, and -call.c: an extension as it is called, and a method of it. */
typedef struct {
  PyObject_HEAD
  PyIsolateExtension *extension;
  gboolean shares_torch;
  PyObject *home; /* the context whose loop its manager has adopted, or NULL */
} PyIsolateHostTarget;

typedef struct {
  PyObject_HEAD
  PyObject *extension;   /* of Python's */
  PyObject *name;
  PyObject *on_progress; /* or NULL */
  PyIsolateHostTarget *target; /* NULL: not loaded, or of this process */
  double timeout;
  gboolean readonly;
  gboolean waits;        /* to call it is to wait for the result */
} PyIsolateHostMethod;

/* FALSE, NULL, 0: an exception is set. */
void      _pyisolate_host_method_raise      (PyIsolateHostMethod *self,
                                             const GError        *error);
/* The bridge of the running loop, or of this thread; a new reference. */
PyIsolateHostContext *_pyisolate_host_method_find_context (PyIsolateHostMethod *self);
guint64   _pyisolate_host_method_send       (PyIsolateHostMethod  *self,
                                             PyIsolateHostContext *context,
                                             PyObject             *args,
                                             PyObject             *kwargs);
PyObject *_pyisolate_host_method_call_sync  (PyIsolateHostMethod *self,
                                             PyObject            *args,
                                             PyObject            *kwargs);

/* pyisolate-host-answer.c: what a call is waited for by. */
PyObject *_pyisolate_host_answer_new       (PyIsolateHostMethod  *method,
                                            PyObject             *args,
                                            PyObject             *kwargs);
/* Makes the call, once, as a part of what runs now; to await it does so, too. FALSE: an exception. */
gboolean  _pyisolate_host_answer_begin     (PyObject             *self);
PyIsolateHostContext *_pyisolate_host_answer_get_context (PyObject *self);
gboolean  _pyisolate_host_answer_is_done   (PyObject             *self);
gboolean  _pyisolate_host_answer_take      (PyIsolateAnswer      *answer,
                                            gboolean              at_once);
/* pyisolate-host-gather.c: a Group of calls waits for it instead of a task. join(): FALSE with an exception if something waits
 * for it already. What has come goes to take(), on whose exception see answer_take(); what is given up is told by lose(). */
gboolean  _pyisolate_host_answer_join      (PyObject             *self,
                                            PyObject             *group,
                                            guint                 index);
void      _pyisolate_host_answer_leave     (PyObject             *self);
PyObject *_pyisolate_host_answer_get_group (PyObject             *self,
                                            guint                *index);
gboolean  _pyisolate_host_answer_is_lost   (PyObject             *self);
gboolean  _pyisolate_host_add_group        (PyObject             *module);
gboolean  _pyisolate_host_group_take       (PyObject             *group,
                                            guint                 index);
void      _pyisolate_host_group_lose       (PyObject             *group);
/* Who made the call that led to it: FALSE if none did, or it has ended. */
gboolean  _pyisolate_host_origin_of        (PyIsolateInvocation  *invocation,
                                            PyObject            **bridge,
                                            PyObject            **context);

/* What Python has for us; all of it is set before anything is called. */
extern struct PyIsolateHostHooks {
  PyObject *by_loop;            /* dict: loop → Bridge */
  PyObject *current;            /* current() → Bridge, also for loops that have none yet */
  PyObject *coroutine;          /* coroutine(answer), which awaits it */
  PyObject *to_exception;       /* to_exception(extension, domain, code, message, described) */
  PyObject *current_invocation; /* ContextVar */
  PyObject *get_running_loop;
  gboolean is_forked;           /* a child of the process that has the extensions: nothing of theirs is let go here */
} _pyisolate_host_hooks;

/* FALSE with an exception: it is such a child. */
gboolean             _pyisolate_host_check_process     (void);

/* pyisolate-host-invocation.c: a call of a singleton as an object of Python's, Invocation. get() gives NULL with a TypeError if it is something
 * else; what fails sets an exception. */
gboolean             _pyisolate_host_add_invocation    (PyObject             *module);
PyObject            *_pyisolate_host_invocation_new    (PyIsolateInvocation  *invocation);
gboolean             _pyisolate_host_invocation_is     (PyObject             *self);
PyIsolateInvocation *_pyisolate_host_invocation_get    (PyObject             *self);
int                  _pyisolate_host_invocation_decode (PyIsolateInvocation  *invocation,
                                                        PyObject            **args,
                                                        PyObject            **kwargs);
gboolean             _pyisolate_host_invocation_answer (PyIsolateInvocation  *invocation,
                                                        PyObject             *value);
GVariant            *_pyisolate_host_encode_vardict    (PyObject             *dict,
                                                        const char           *what);

/* pyisolate-host-serve.c: a call of the singleton that Python knows by this number; and its cancellation, by that of a task */
gboolean             _pyisolate_host_add_serve         (PyObject             *module);
void                 _pyisolate_host_serve             (unsigned long long    singleton,
                                                        PyIsolateInvocation  *invocation);
void                 _pyisolate_host_cancel_method     (unsigned long long    number);

/* pyisolate-host-tasks.c: Tasks, how those of one event loop are made. */
gboolean             _pyisolate_host_add_tasks         (PyObject             *module);
PyIsolateTasks      *_pyisolate_host_tasks_get         (PyObject             *self);

/* A PyIsolateAllocateFunc; the data is the extension that the memory is for. */
PyIsolateMemory *_pyisolate_host_allocate_memory (gpointer               extension,
                                                  gsize                  size,
                                                  PyIsolateMemoryFlags   flags,
                                                  GError               **error);

gboolean         _pyisolate_host_shares_torch    (PyIsolateExtension    *extension);

G_END_DECLS
