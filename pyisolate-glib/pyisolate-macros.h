/* SPDX-License-Identifier: MIT */
#pragma once

#if !defined(PYISOLATE_INSIDE) && !defined(PYISOLATE_COMPILATION)
#error "Only <pyisolate-glib.h> can be included directly."
#endif

#include <gio/gio.h>

#define PYISOLATE_AVAILABLE_IN_0_1 __attribute__ ((visibility ("default"))) extern
