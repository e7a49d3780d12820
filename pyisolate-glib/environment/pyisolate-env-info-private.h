/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-environment-private.h"

G_BEGIN_DECLS

gboolean  _pyisolate_env_check_root_is_there (const char  *venv_root,
                                              GError     **error);
/* The key of what somebody calls @which. */
char     *_pyisolate_env_find_key            (const char  *venv_root,
                                              const char  *which,
                                              GError     **error);
char    **_pyisolate_env_list_keys           (const char  *venv_root);

G_END_DECLS
