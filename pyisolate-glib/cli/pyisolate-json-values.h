/* SPDX-License-Identifier: MIT */
/* Values as JSON, by the table in docs/api.md. */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

JsonNode *_pyisolate_value_to_json   (GVariant  *value) G_GNUC_WARN_UNUSED_RESULT;
GVariant *_pyisolate_value_from_json (JsonNode  *node,
                                      GError   **error) G_GNUC_WARN_UNUSED_RESULT;

/* Between the files of this part: digits of base ten and "0x…" of any length. NULL: not a number,
 * or so long that base ten would take minutes. */
char     *_pyisolate_json_integer_to_decimal (const char *hexadecimal);
char     *_pyisolate_json_integer_to_hex     (const char *decimal);

G_END_DECLS
