/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether a Python of that version is one of those that ">=3.10,<3.13" means. FALSE as well if it is no specifier. */
gboolean _pyisolate_env_specifier_fits (const char *specifier,
                                        const char *version);

G_END_DECLS
