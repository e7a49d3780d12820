/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Reads a pipe, of which somebody hostile may hold the other end, as lines of valid UTF-8. */
typedef struct _PyIsolateOutput PyIsolateOutput;

/* Longer lines arrive in pieces. */
#define PYISOLATE_OUTPUT_MAX_LINE 8192

typedef void (*PyIsolateOutputFunc) (const char *line,
                                     gpointer    user_data);

PyIsolateOutput *_pyisolate_output_new   (int                  take_fd,
                                          PyIsolateOutputFunc  func,
                                          gpointer             user_data);
void             _pyisolate_output_start (PyIsolateOutput     *self,
                                          GMainContext        *context);
void             _pyisolate_output_drain (PyIsolateOutput     *self);
void             _pyisolate_output_free  (PyIsolateOutput     *self);

G_END_DECLS
