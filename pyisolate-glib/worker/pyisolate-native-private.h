/* SPDX-License-Identifier: MIT */
/* The Python side of the native module: types and functions, over pyisolate-runtime-private.h. */
#pragma once

#include "pyisolate-codec-private.h"
#include "pyisolate-runtime-private.h"

G_BEGIN_DECLS

/* The class of what is raised in a def whose caller cancelled it. */
extern PyObject *_pyisolate_call_cancelled;

/* pyisolate-native-frame.c */
gboolean        _pyisolate_native_frame_init   (PyObject       *module);
PyObject       *_pyisolate_native_frame_new    (PyIsolateFrame *frame /* transfer full */);
gboolean        _pyisolate_native_frame_is     (PyObject       *object);
PyIsolateFrame *_pyisolate_native_frame_get    (PyObject       *object);
int             _pyisolate_native_frame_convert (PyObject      *object,
                                                 void          *frame);

/* pyisolate-native-inbox.c */
gboolean        _pyisolate_native_inbox_init   (PyObject       *module);
PyObject       *_pyisolate_native_inbox_new    (PyIsolateInbox *inbox);
int             _pyisolate_native_inbox_convert (PyObject      *object,
                                                 void          *inbox);

/* pyisolate-native-calls.c, pyisolate-native-run.c */
extern PyMethodDef _pyisolate_native_call_methods[];
extern PyMethodDef _pyisolate_native_run_methods[];

/* pyisolate-native-module.c */
gboolean        _pyisolate_native_check_process (void);
gboolean        _pyisolate_native_set_error     (const GError  *error);
char           *_pyisolate_native_dup_text      (PyObject      *text);

G_END_DECLS
