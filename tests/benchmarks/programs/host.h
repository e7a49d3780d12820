/* SPDX-License-Identifier: MIT */
#pragma once

#include <pyisolate-glib.h>

#include "subject.h"

typedef struct {
  gboolean is_async;
  PyIsolateExtensionManager *manager;
  PyIsolateExtension *extension;
  GVariant *value;        /* what is sent, without the tuple around it */
} Host;

/* Call and wait, in the way that is measured: NULL with an error. */
GVariant *host_call         (Host        *self,
                             const char  *method,
                             GVariant    *args,
                             GError     **error);
gboolean  host_measure_load (Host            *self,
                             const Workload  *workload,
                             Samples         *samples,
                             GError         **error);
