/* SPDX-License-Identifier: MIT */
#pragma once

#include "pyisolate-macros.h"

G_BEGIN_DECLS

/**
 * PyIsolateDtype:
 * @PYISOLATE_DTYPE_BOOL: a byte that is 0 or 1
 * @PYISOLATE_DTYPE_INT8: signed, 8 bits
 * @PYISOLATE_DTYPE_INT16: signed, 16 bits
 * @PYISOLATE_DTYPE_INT32: signed, 32 bits
 * @PYISOLATE_DTYPE_INT64: signed, 64 bits
 * @PYISOLATE_DTYPE_UINT8: unsigned, 8 bits
 * @PYISOLATE_DTYPE_UINT16: unsigned, 16 bits
 * @PYISOLATE_DTYPE_UINT32: unsigned, 32 bits
 * @PYISOLATE_DTYPE_UINT64: unsigned, 64 bits
 * @PYISOLATE_DTYPE_FLOAT16: IEEE 754 half
 * @PYISOLATE_DTYPE_FLOAT32: IEEE 754 single
 * @PYISOLATE_DTYPE_FLOAT64: IEEE 754 double
 * @PYISOLATE_DTYPE_BFLOAT16: the upper half of a single
 * @PYISOLATE_DTYPE_COMPLEX64: two singles
 * @PYISOLATE_DTYPE_COMPLEX128: two doubles
 * @PYISOLATE_DTYPE_FLOAT8_E4M3FN: 8 bits, as torch's type of this name
 * @PYISOLATE_DTYPE_FLOAT8_E4M3FNUZ: 8 bits, as torch's type of this name
 * @PYISOLATE_DTYPE_FLOAT8_E5M2: 8 bits, as torch's type of this name
 * @PYISOLATE_DTYPE_FLOAT8_E5M2FNUZ: 8 bits, as torch's type of this name
 * @PYISOLATE_DTYPE_FLOAT8_E8M0FNU: 8 bits, as torch's type of this name
 *
 * What the elements of a tensor are, in the byte order of the machine.
 *
 * Since: 0.1
 */
typedef enum {
  PYISOLATE_DTYPE_BOOL,
  PYISOLATE_DTYPE_INT8,
  PYISOLATE_DTYPE_INT16,
  PYISOLATE_DTYPE_INT32,
  PYISOLATE_DTYPE_INT64,
  PYISOLATE_DTYPE_UINT8,
  PYISOLATE_DTYPE_UINT16,
  PYISOLATE_DTYPE_UINT32,
  PYISOLATE_DTYPE_UINT64,
  PYISOLATE_DTYPE_FLOAT16,
  PYISOLATE_DTYPE_FLOAT32,
  PYISOLATE_DTYPE_FLOAT64,
  PYISOLATE_DTYPE_BFLOAT16,
  PYISOLATE_DTYPE_COMPLEX64,
  PYISOLATE_DTYPE_COMPLEX128,
  PYISOLATE_DTYPE_FLOAT8_E4M3FN,
  PYISOLATE_DTYPE_FLOAT8_E4M3FNUZ,
  PYISOLATE_DTYPE_FLOAT8_E5M2,
  PYISOLATE_DTYPE_FLOAT8_E5M2FNUZ,
  PYISOLATE_DTYPE_FLOAT8_E8M0FNU,
} PyIsolateDtype;

#define PYISOLATE_TYPE_DTYPE (pyisolate_dtype_get_type ())
PYISOLATE_AVAILABLE_IN_0_1
GType       pyisolate_dtype_get_type (void) G_GNUC_CONST;

PYISOLATE_AVAILABLE_IN_0_1
const char *pyisolate_dtype_to_name  (PyIsolateDtype dtype);
PYISOLATE_AVAILABLE_IN_0_1
gsize       pyisolate_dtype_get_size (PyIsolateDtype dtype);

G_END_DECLS
