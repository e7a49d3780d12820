/* SPDX-License-Identifier: MIT */
/* Tensors of bytes, and calls of an extension with them. */
#pragma once

#include "host-fixture.h"

G_BEGIN_DECLS

PyIsolateTensor     *host_new_shared_tensor  (gsize                size,
                                              PyIsolateMemoryFlags flags);
/* Element i is i × 3. */
PyIsolateTensor     *host_new_private_tensor (gsize                size);
guint8              *host_get_tensor_data    (PyIsolateTensor     *tensor);

/* @rest: further arguments in GVariant's text form, or NULL */
PyIsolateCall       *host_new_tensor_call    (const char          *method,
                                              PyIsolateTensor     *tensor,
                                              const char          *rest);
PyIsolateCallResult *host_call_with_tensor   (PyIsolateExtension  *extension,
                                              const char          *method,
                                              PyIsolateTensor     *tensor,
                                              const char          *rest);
void                 host_assert_tensor_call (PyIsolateExtension  *extension,
                                              const char          *method,
                                              PyIsolateTensor     *tensor,
                                              const char          *rest,
                                              const char          *expected);
PyIsolateTensor     *host_get_tensor         (PyIsolateCallResult *result,
                                              GVariant            *value);
PyIsolateTensor     *host_echo_tensor        (PyIsolateExtension  *extension,
                                              PyIsolateTensor     *tensor);

G_END_DECLS
