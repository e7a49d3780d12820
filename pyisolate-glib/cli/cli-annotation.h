/* SPDX-License-Identifier: MIT */
/* Python expressions from a worker, as far as they can be taken over without being evaluated. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A name that a method or parameter can have. */
gboolean   cli_annotation_is_name    (const char *text);
/* A short number, string, None, True or False. */
gboolean   cli_annotation_is_literal (const char *text);
/* The names, with their dots, that a type expression uses; NULL: it is not a plain one. */
GPtrArray *cli_annotation_read       (const char *text) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
