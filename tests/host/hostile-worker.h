/* SPDX-License-Identifier: MIT */
/* Between the files of the hostile worker. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

gboolean  way_is              (const char   *name);
void      send_message        (GDBusMessage *message);
GVariant *bytes_of            (GVariant     *value);

/* Answers the call; FALSE: the way is another one. */
gboolean  misbehave_by_memory (GDBusMessage *go);

G_END_DECLS
