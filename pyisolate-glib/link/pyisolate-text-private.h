/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Bytes of a log record, or of the text of a report of progress that anybody may show. */
#define PYISOLATE_MAX_LOG_TEXT ((gsize) 8 * 1024)

char *_pyisolate_text_dup_bounded (const char *text,
                                   gsize       max);

G_END_DECLS
