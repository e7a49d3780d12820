/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What of a URL may be written down or shown: user and password are replaced. */
char     *_pyisolate_env_redact_text  (const char *text);
char    **_pyisolate_env_redact_strv  (const char *const *strv);
/* The same, and every occurrence of a password of @urls (URLs separated by blanks or commas),
 * however it is encoded. */
char     *_pyisolate_env_redact_known (const char        *text,
                                       const char *const *urls);
char     *_pyisolate_env_dup_shown    (const char *text);
gboolean  _pyisolate_env_has_password (const char *text);

G_END_DECLS
