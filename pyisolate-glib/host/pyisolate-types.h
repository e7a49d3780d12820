/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-macros.h"

G_BEGIN_DECLS

typedef struct _PyIsolateCall               PyIsolateCall;
typedef struct _PyIsolateCallResult         PyIsolateCallResult;
typedef struct _PyIsolateExtension          PyIsolateExtension;
typedef struct _PyIsolateExtensionConfig    PyIsolateExtensionConfig;
typedef struct _PyIsolateExtensionManager   PyIsolateExtensionManager;
typedef struct _PyIsolateInvocation         PyIsolateInvocation;
typedef struct _PyIsolateMethodInfo         PyIsolateMethodInfo;
typedef struct _PyIsolateParameterInfo      PyIsolateParameterInfo;
typedef struct _PyIsolateProxiedSingleton   PyIsolateProxiedSingleton;

G_END_DECLS
