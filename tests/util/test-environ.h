/* SPDX-License-Identifier: MIT */
/* What environments are made with in tests: wheels of their own, and nothing that the user has set. */
#pragma once

#include <gio/gio.h>
#include <stdarg.h>

G_BEGIN_DECLS

/* For uv, and for the network. */
void test_environ_forget_user_settings (void);
/* By tests/environment/make-wheels.py, which has the form of the specs; NULL is the last. */
void test_environ_make_wheels          (const char *python,
                                        const char *directory,
                                        va_list     specs);

G_END_DECLS
