/* SPDX-License-Identifier: MIT */
/* JSON as it is written by people and for them, around json-glib. */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define CLI_JSON_MAX_DEPTH 256

/* A tree of what @text says, or an error that tells where it is not JSON. An integer beyond 64 bits
 * becomes the form that docs/api.md has for it. */
JsonNode *cli_json_parse  (const char *text,
                           gsize       length,
                           GError    **error) G_GNUC_WARN_UNUSED_RESULT;
/* A float has no more digits than it takes to read the same again: 0.1, not 0.10000000000000001. */
char     *cli_json_format (JsonNode   *node,
                           gboolean    pretty) G_GNUC_WARN_UNUSED_RESULT;
/* An empty or missing string is null. */
void      cli_json_set_string (JsonBuilder *builder,
                               const char  *name,
                               const char  *value);
void      cli_json_set_strv   (JsonBuilder        *builder,
                               const char         *name,
                               const char * const *values);

G_END_DECLS
