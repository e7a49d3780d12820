/* SPDX-License-Identifier: MIT */
/* What an extension's methods look like, as Python. */
#pragma once

#include "pyisolate-glib.h"

G_BEGIN_DECLS

/* One line: "async def name(a: int, b='x') -> str", as the source has it. */
char *cli_stubs_signature (PyIsolateMethodInfo *method) G_GNUC_WARN_UNUSED_RESULT;
/* The text of a .pyi file. */
char *cli_stubs_file      (PyIsolateExtension  *extension) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
