/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-dtype.h"

#include "pyisolate-tensor-layout-private.h"

G_DEFINE_ENUM_TYPE (PyIsolateDtype, pyisolate_dtype,
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_BOOL, "bool"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_INT8, "int8"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_INT16, "int16"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_INT32, "int32"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_INT64, "int64"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_UINT8, "uint8"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_UINT16, "uint16"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_UINT32, "uint32"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_UINT64, "uint64"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_FLOAT16, "float16"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_FLOAT32, "float32"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_FLOAT64, "float64"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_BFLOAT16, "bfloat16"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_COMPLEX64, "complex64"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_COMPLEX128, "complex128"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_FLOAT8_E4M3FN, "float8-e4m3fn"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_FLOAT8_E4M3FNUZ, "float8-e4m3fnuz"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_FLOAT8_E5M2, "float8-e5m2"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_FLOAT8_E5M2FNUZ, "float8-e5m2fnuz"),
                    G_DEFINE_ENUM_VALUE (PYISOLATE_DTYPE_FLOAT8_E8M0FNU, "float8-e8m0fnu"))

/**
 * pyisolate_dtype_to_name:
 * @dtype: a dtype
 *
 * Gets the name that NumPy and torch have for @dtype, such as `float32`.
 *
 * Returns: (nullable): the name; %NULL if there is no such dtype
 *
 * Since: 0.1
 */
const char *
pyisolate_dtype_to_name (PyIsolateDtype dtype)
{
  const PyIsolateDtypeInfo *info = _pyisolate_dtype_info (dtype);

  g_return_val_if_fail (info != NULL, NULL);

  return info->name;
}

/**
 * pyisolate_dtype_get_size:
 * @dtype: a dtype
 *
 * Gets how many bytes an element has.
 *
 * Returns: the size
 *
 * Since: 0.1
 */
gsize
pyisolate_dtype_get_size (PyIsolateDtype dtype)
{
  const PyIsolateDtypeInfo *info = _pyisolate_dtype_info (dtype);

  g_return_val_if_fail (info != NULL, 0);

  return info->size;
}
