/* SPDX-License-Identifier: MIT */
/* Values on the host's side: GVariants, checked where they arrive and brought into the form that
 * travels where they leave. docs/values.md describes the form. */
#pragma once

#include "pyisolate-error.h"
#include "pyisolate-memory.h"
#include "pyisolate-value-layout-private.h"
#include "pyisolate-value.h"

G_BEGIN_DECLS

gboolean  _pyisolate_value_check_bytes (GBytes              *body,
                                        const GVariantType  *type,
                                        GVariant           **out,
                                        GError             **error);
gboolean  _pyisolate_value_check_size  (gsize                size,
                                        GError             **error);
GVariant *_pyisolate_value_to_wire     (GVariant            *value,
                                        GError             **error);
GVariant *_pyisolate_value_coerce      (GVariant            *value,
                                        const GVariantType  *target,
                                        GError             **error);
const char *_pyisolate_value_find_problem (const char    *type,
                                           gsize          type_length,
                                           gconstpointer  data,
                                           gsize          size,
                                           PyIsolateDepth outer);

GVariant   *_pyisolate_value_expand       (GVariant      *value,
                                           GPtrArray     *memories);
const char *_pyisolate_value_untag        (GVariant      *value,
                                           GVariant     **payload);
GVariant   *_pyisolate_value_unbox        (GVariant      *value);
const char *_pyisolate_value_python_type  (GVariant      *value);

G_END_DECLS
