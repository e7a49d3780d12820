/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Of a generation, and what is wrong with it (element-type PyIsolateEnvironmentProblem).
 * @digest: of the manifest itself. */
GPtrArray *_pyisolate_env_manifest_verify     (const char    *generation,
                                               const char    *digest,
                                               GCancellable  *cancellable,
                                               GError       **error);
/* "name version" of each package that is installed in it, sorted. */
char     **_pyisolate_env_generation_packages (const char *generation,
                                               const char *python_minor);

G_END_DECLS
