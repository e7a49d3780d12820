/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "pyisolate-tensor-layout-private.h"

#include <string.h>

/* DLPack's names for kinds of elements. */
enum {
  DLPACK_INT = 0,
  DLPACK_UINT = 1,
  DLPACK_FLOAT = 2,
  DLPACK_BFLOAT = 4,
  DLPACK_COMPLEX = 5,
  DLPACK_BOOL = 6,
  DLPACK_FLOAT8_E4M3FN = 10,
  DLPACK_FLOAT8_E4M3FNUZ = 11,
  DLPACK_FLOAT8_E5M2 = 12,
  DLPACK_FLOAT8_E5M2FNUZ = 13,
  DLPACK_FLOAT8_E8M0FNU = 14,
};

static const PyIsolateDtypeInfo infos[] = {
  { PYISOLATE_DTYPE_BOOL, "bool", 1, DLPACK_BOOL, 8 },
  { PYISOLATE_DTYPE_INT8, "int8", 1, DLPACK_INT, 8 },
  { PYISOLATE_DTYPE_INT16, "int16", 2, DLPACK_INT, 16 },
  { PYISOLATE_DTYPE_INT32, "int32", 4, DLPACK_INT, 32 },
  { PYISOLATE_DTYPE_INT64, "int64", 8, DLPACK_INT, 64 },
  { PYISOLATE_DTYPE_UINT8, "uint8", 1, DLPACK_UINT, 8 },
  { PYISOLATE_DTYPE_UINT16, "uint16", 2, DLPACK_UINT, 16 },
  { PYISOLATE_DTYPE_UINT32, "uint32", 4, DLPACK_UINT, 32 },
  { PYISOLATE_DTYPE_UINT64, "uint64", 8, DLPACK_UINT, 64 },
  { PYISOLATE_DTYPE_FLOAT16, "float16", 2, DLPACK_FLOAT, 16 },
  { PYISOLATE_DTYPE_FLOAT32, "float32", 4, DLPACK_FLOAT, 32 },
  { PYISOLATE_DTYPE_FLOAT64, "float64", 8, DLPACK_FLOAT, 64 },
  { PYISOLATE_DTYPE_BFLOAT16, "bfloat16", 2, DLPACK_BFLOAT, 16 },
  { PYISOLATE_DTYPE_COMPLEX64, "complex64", 8, DLPACK_COMPLEX, 64 },
  { PYISOLATE_DTYPE_COMPLEX128, "complex128", 16, DLPACK_COMPLEX, 128 },
  { PYISOLATE_DTYPE_FLOAT8_E4M3FN, "float8_e4m3fn", 1, DLPACK_FLOAT8_E4M3FN, 8 },
  { PYISOLATE_DTYPE_FLOAT8_E4M3FNUZ, "float8_e4m3fnuz", 1, DLPACK_FLOAT8_E4M3FNUZ, 8 },
  { PYISOLATE_DTYPE_FLOAT8_E5M2, "float8_e5m2", 1, DLPACK_FLOAT8_E5M2, 8 },
  { PYISOLATE_DTYPE_FLOAT8_E5M2FNUZ, "float8_e5m2fnuz", 1, DLPACK_FLOAT8_E5M2FNUZ, 8 },
  { PYISOLATE_DTYPE_FLOAT8_E8M0FNU, "float8_e8m0fnu", 1, DLPACK_FLOAT8_E8M0FNU, 8 },
};

/*< private >
 * Returns: NULL if there is no such dtype
 */
const PyIsolateDtypeInfo *
_pyisolate_dtype_info (PyIsolateDtype dtype)
{
  if ((guint) dtype >= G_N_ELEMENTS (infos))
    return NULL;

  g_assert (infos[dtype].dtype == dtype);
  return &infos[dtype];
}

const PyIsolateDtypeInfo *
_pyisolate_dtype_info_by_name (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    {
      if (strcmp (infos[i].name, name) == 0)
        return &infos[i];
    }

  return NULL;
}

const PyIsolateDtypeInfo *
_pyisolate_dtype_info_by_dlpack (guint code,
                                 guint bits,
                                 guint lanes)
{
  for (guint i = 0; lanes == 1 && i < G_N_ELEMENTS (infos); i++)
    {
      if (infos[i].dlpack_code == code && infos[i].dlpack_bits == bits)
        return &infos[i];
    }

  return NULL;
}

/* The strides, in elements, of a tensor whose last index runs fastest. Of a shape that has been checked. */
void
_pyisolate_layout_c_strides (guint         n_dims,
                             const gint64 *shape,
                             gint64       *strides)
{
  gint64 stride = 1;

  for (guint i = n_dims; i-- > 0;)
    {
      strides[i] = stride;
      if (shape[i] > 0)
        stride *= shape[i];
    }
}

gboolean
_pyisolate_layout_is_c_order (guint         n_dims,
                              const gint64 *shape,
                              const gint64 *strides)
{
  gint64 stride = 1;

  for (guint i = n_dims; i-- > 0;)
    {
      if (shape[i] == 0)
        return TRUE;
      if (shape[i] > 1 && strides[i] != stride)
        return FALSE;
      stride *= shape[i];
    }

  return TRUE;
}

/*< private >
 * @strides: (nullable): in elements; NULL: C order
 * @low: (out): where the first byte lies that any element has, counted from the first element's: 0 or less
 * @high: (out): where the last one ends
 * @n_items: (out): how many elements there are
 *
 * Finds what part of the memory a tensor looks at.
 *
 * Returns: NULL, or what is wrong with the numbers
 */
const char *
_pyisolate_layout_window (guint         n_dims,
                          const gint64 *shape,
                          const gint64 *strides,
                          gsize         item_size,
                          gint64       *low,
                          gint64       *high,
                          gint64       *n_items)
{
  gint64 c_stride = 1;
  gint64 item_bytes;

  *low = *high = 0;
  *n_items = 1;
  if (n_dims > PYISOLATE_MAX_DIMENSIONS)
    return "it has too many dimensions";

  for (guint i = 0; i < n_dims; i++)
    {
      if (shape[i] < 0)
        return "a dimension is negative";
      if (shape[i] == 0)
        *n_items = 0;
    }
  /* Also of an empty one: what does not fit in 64 bits is no shape. */
  for (guint i = n_dims; i-- > 0;)
    {
      gint64 last = shape[i] - 1;
      gint64 stride = strides != NULL ? strides[i] : c_stride;
      gint64 reach;

      if (__builtin_mul_overflow (c_stride, MAX (shape[i], 1), &c_stride))
        return "its dimensions overflow";
      if (*n_items == 0 || last == 0)
        continue;
      if (__builtin_mul_overflow (last, stride, &reach) ||
          __builtin_add_overflow (reach < 0 ? *low : *high, reach, reach < 0 ? low : high))
        return "its strides overflow";
    }
  if (__builtin_mul_overflow (c_stride, (gint64) item_size, &item_bytes))
    return "its dimensions overflow";
  if (*n_items == 0)
    return NULL;

  *n_items = c_stride;
  if (__builtin_add_overflow (*high, 1, high) || __builtin_mul_overflow (*low, (gint64) item_size, low) ||
      __builtin_mul_overflow (*high, (gint64) item_size, high))
    return "its strides overflow";

  return NULL;
}

/*< private >
 * @strides: (nullable): in elements; NULL: C order
 * @offset: where the first element lies, in bytes
 *
 * Returns: NULL, or why a tensor of this layout does not lie in memory of that size
 */
const char *
_pyisolate_layout_check (guint         n_dims,
                         const gint64 *shape,
                         const gint64 *strides,
                         gsize         item_size,
                         guint64       offset,
                         gsize         memory_size)
{
  const char *problem;
  gint64 low, high, n_items;

  problem = _pyisolate_layout_window (n_dims, shape, strides, item_size, &low, &high, &n_items);
  if (problem != NULL)
    return problem;

  if (offset % item_size != 0)
    return "its offset is no multiple of the size of an element";
  if (offset > memory_size)
    return "its offset lies outside of its memory";
  if ((guint64) 0 - (guint64) low > offset || (guint64) high > memory_size - offset)
    return "it reaches outside of its memory";

  return NULL;
}
