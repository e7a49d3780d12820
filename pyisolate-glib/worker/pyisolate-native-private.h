/* SPDX-License-Identifier: MIT */
/* The Python side of the native module: types and functions, over pyisolate-runtime-private.h. */
#pragma once

#include "pyisolate-codec-private.h"
#include "pyisolate-runtime-private.h"

G_BEGIN_DECLS

/* The class of what is raised in a def whose caller cancelled it. It is a KeyboardInterrupt: a def may run an event loop of its
 * own, and of what is raised beside its tasks asyncio lets only that and SystemExit out, and goes on after all else. */
extern PyObject *_pyisolate_call_cancelled;

/* pyisolate-native-frame.c */
gboolean        _pyisolate_native_frame_init   (PyObject       *module);
PyObject       *_pyisolate_native_frame_new    (PyIsolateFrame *frame /* transfer full */);
gboolean        _pyisolate_native_frame_is     (PyObject       *object);
PyIsolateFrame *_pyisolate_native_frame_get    (PyObject       *object);
int             _pyisolate_native_frame_convert (PyObject      *object,
                                                 void          *frame);
int             _pyisolate_native_frame_decode_call (PyObject  *object,
                                                 PyObject     **args,
                                                 PyObject     **kwargs);
PyObject       *_pyisolate_native_frame_decode_value (PyObject *object);

/* pyisolate-native-inbox.c */
gboolean        _pyisolate_native_inbox_init   (PyObject       *module);
PyObject       *_pyisolate_native_inbox_new    (PyIsolateInbox *inbox);
int             _pyisolate_native_inbox_convert (PyObject      *object,
                                                 void          *inbox);

/* pyisolate-native-calls.c */
PyIsolateMemory *_pyisolate_native_allocate_memory (gpointer               unused,
                                                    gsize                  size,
                                                    PyIsolateMemoryFlags   flags,
                                                    GError               **error);
extern PyMethodDef _pyisolate_native_call_methods[];
PyIsolateFrame *_pyisolate_native_new_call_frame (PyIsolateFrame *parent,
                                                 const char     *target,
                                                 const char     *name,
                                                 PyObject       *args,
                                                 PyObject       *kwargs);
gboolean        _pyisolate_native_reply        (PyIsolateFrame *call,
                                                PyObject       *value);

/* pyisolate-native-cancel.c */
extern PyMethodDef _pyisolate_native_cancel_methods[];

/* pyisolate-native-run.c */
extern PyMethodDef _pyisolate_native_run_methods[];
PyObject       *_pyisolate_native_run_def      (PyIsolateFrame *call,
                                                PyObject       *function,
                                                PyObject       *args,
                                                PyObject       *kwargs);

/* pyisolate-native-serve.c */
typedef enum {
  NATIVE_METHOD_OTHER,     /* Python's part says what it is */
  NATIVE_METHOD_DEF,
  NATIVE_METHOD_COROUTINE, /* calling it runs nothing of it yet */
} NativeMethodKind;

typedef struct {
  NativeMethodKind kind;
  PyObject *function;
} NativeMethod;

extern PyMethodDef _pyisolate_native_serve_methods[];
const NativeMethod *_pyisolate_native_find_method (PyIsolateFrame *call);
PyObject       *_pyisolate_native_new_context  (PyObject       *frame);
PyIsolateFrame *_pyisolate_native_get_current  (PyObject      **frame);
gboolean        _pyisolate_native_serve_def    (PyObject       *frame,
                                                PyObject       *function);
gboolean        _pyisolate_native_serve        (PyObject       *frame);
gboolean        _pyisolate_native_keep_stop    (PyObject       *frame);
gboolean        _pyisolate_native_answer_interrupted (PyObject *frame);
gboolean        _pyisolate_native_answer       (PyObject       *frame,
                                                PyObject       *value);
gboolean        _pyisolate_native_answer_raised (PyObject      *frame);
gboolean        _pyisolate_native_raise_error_of (PyObject     *frame);
PyObject       *_pyisolate_native_call_elsewhere (PyObject     *args);

/* pyisolate-native-answer.c: what a coroutine of the main thread's loop awaits */
gboolean        _pyisolate_native_answer_init  (PyObject       *module);
PyObject       *_pyisolate_native_answer_new   (guint64         id,
                                                PyObject       *loop);
gboolean        _pyisolate_native_answer_take  (PyObject       *frame,
                                                gboolean        at_once);
gboolean        _pyisolate_native_answers_fail (void);

/* pyisolate-native-server.c: the main thread's event loop */
extern PyMethodDef _pyisolate_native_server_methods[];
gboolean        _pyisolate_native_server_init  (PyObject       *module);
PyObject       *_pyisolate_native_server_get_waker (PyObject  *callback);

/* pyisolate-native-module.c */
gboolean        _pyisolate_native_check_process (void);
gboolean        _pyisolate_native_set_error     (const GError  *error);
char           *_pyisolate_native_dup_text      (PyObject      *text);

G_END_DECLS
