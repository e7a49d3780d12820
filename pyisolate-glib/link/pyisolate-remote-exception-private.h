/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-remote-exception.h"

G_BEGIN_DECLS

PyIsolateRemoteException *_pyisolate_remote_exception_new_from_variant (GVariant *dict);

G_END_DECLS
