/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-answer.h"
#include "pyisolate-endpoint-private.h"

G_BEGIN_DECLS

/* What it returned. */
PyIsolateAnswer *_pyisolate_answer_new_return   (PyIsolateFrame    *frame /* transfer full */,
                                                 PyIsolateEndpoint *endpoint);
PyIsolateAnswer *_pyisolate_answer_new_error    (guint64            id,
                                                 GError            *error /* transfer full */);
/* @notify (@user_data) is called when somebody has taken it. */
PyIsolateAnswer *_pyisolate_answer_new_progress (guint64            id,
                                                 double             fraction,
                                                 const char        *text,
                                                 GDestroyNotify     notify,
                                                 gpointer           user_data);
/* The same. @extension lasts until then. */
PyIsolateAnswer *_pyisolate_answer_new_event    (PyIsolateFrame     *frame /* transfer full */,
                                                 PyIsolateExtension *extension,
                                                 GDestroyNotify      notify,
                                                 gpointer            user_data);

G_END_DECLS
