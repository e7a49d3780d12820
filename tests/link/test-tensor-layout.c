/* SPDX-License-Identifier: MIT */
/* Where a tensor's elements lie, for numbers that somebody made up. */
#include "config.h"

#include "pyisolate-tensor-layout-private.h"

#include "test-util.h"

static void
test_dtypes (void)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (PYISOLATE_TYPE_DTYPE);

  for (guint i = 0; i < klass->n_values; i++)
    {
      const PyIsolateDtypeInfo *info = _pyisolate_dtype_info (klass->values[i].value);

      g_assert_nonnull (info);
      g_assert_true (_pyisolate_dtype_info_by_name (info->name) == info);
      g_assert_true (_pyisolate_dtype_info_by_dlpack (info->dlpack_code, info->dlpack_bits, 1) == info);
      g_assert_cmpuint (info->size * 8, ==, info->dlpack_bits);
      g_assert_cmpstr (pyisolate_dtype_to_name (info->dtype), ==, info->name);
      g_assert_cmpuint (pyisolate_dtype_get_size (info->dtype), ==, info->size);
    }
  g_assert_null (_pyisolate_dtype_info ((PyIsolateDtype) klass->n_values));
  g_assert_null (_pyisolate_dtype_info ((PyIsolateDtype) -1));
  g_assert_null (_pyisolate_dtype_info_by_name ("float8"));
  g_assert_null (_pyisolate_dtype_info_by_dlpack (2, 32, 4));
}

typedef struct {
  const char *name;
  guint n_dims;
  gint64 shape[3];
  gint64 strides[3];
  guint64 offset;
  const char *problem; /* NULL: it is fine */
} Layout;

/* Of elements of 4 bytes, in memory of 400. */
static const Layout layouts[] = {
  { "scalar", 0, { 0 }, { 0 }, 396, NULL },
  { "scalar-at-the-end", 0, { 0 }, { 0 }, 400, "it reaches outside of its memory" },
  { "all", 2, { 10, 10 }, { 10, 1 }, 0, NULL },
  { "transposed", 2, { 10, 10 }, { 1, 10 }, 0, NULL },
  { "backwards", 1, { 100 }, { -1 }, 396, NULL },
  { "too-far-back", 1, { 100 }, { -1 }, 392, "it reaches outside of its memory" },
  { "both-ways", 2, { 10, 10 }, { -10, 1 }, 360, NULL },
  { "broadcast", 1, { G_MAXINT64 / 4 }, { 0 }, 0, NULL },
  { "empty", 3, { 5, 0, 7 }, { 100, 100, 100 }, 400, NULL },
  { "one-more", 2, { 10, 10 }, { 10, 1 }, 4, "it reaches outside of its memory" },
  { "wide", 2, { 2, 2 }, { 99, 1 }, 0, "it reaches outside of its memory" },
  { "negative-shape", 2, { 10, -1 }, { 1, 1 }, 0, "a dimension is negative" },
  { "offset-outside", 1, { 1 }, { 1 }, 404, "its offset lies outside of its memory" },
  { "offset-far-outside", 1, { 1 }, { 1 }, G_MAXUINT64 - 3, "its offset lies outside of its memory" },
  { "offset-between", 1, { 1 }, { 1 }, 2, "its offset is no multiple of the size of an element" },
  { "shape-overflow", 2, { G_MAXINT64, 3 }, { 0, 0 }, 0, "its dimensions overflow" },
  { "empty-overflow", 3, { G_MAXINT64, 0, 3 }, { 0, 0, 0 }, 0, "its dimensions overflow" },
  { "bytes-overflow", 1, { G_MAXINT64 / 2 }, { 0 }, 0, "its dimensions overflow" },
  { "stride-overflow", 1, { 3 }, { G_MAXINT64 }, 0, "its strides overflow" },
  { "stride-underflow", 2, { 2, 3 }, { G_MININT64, -1 }, 0, "its strides overflow" },
  { "stride-bytes-overflow", 1, { 2 }, { G_MAXINT64 / 2 }, 0, "its strides overflow" },
  { "stride-bytes-underflow", 1, { 2 }, { G_MININT64 / 2 }, 0, "its strides overflow" },
  { "stride-just-underflow", 1, { 2 }, { G_MININT64 / 4 }, 0, "it reaches outside of its memory" },
};

static void
test_layout (gconstpointer data)
{
  const Layout *layout = data;

  g_assert_cmpstr (_pyisolate_layout_check (layout->n_dims, layout->shape, layout->strides, 4, layout->offset, 400), ==,
                   layout->problem);
}

static void
test_too_many_dimensions (void)
{
  gint64 shape[PYISOLATE_MAX_DIMENSIONS + 1];

  for (guint i = 0; i < G_N_ELEMENTS (shape); i++)
    shape[i] = 1;
  g_assert_null (_pyisolate_layout_check (PYISOLATE_MAX_DIMENSIONS, shape, shape, 4, 0, 400));
  g_assert_nonnull (_pyisolate_layout_check (PYISOLATE_MAX_DIMENSIONS + 1, shape, shape, 4, 0, 400));
}

static void
test_window (void)
{
  const gint64 shape[] = { 3, 4 };
  const gint64 strides[] = { -10, 2 };
  gint64 low, high, n_items, c_strides[2];

  g_assert_null (_pyisolate_layout_window (2, shape, strides, 8, &low, &high, &n_items));
  g_assert_cmpint (low, ==, -20 * 8);
  g_assert_cmpint (high, ==, 7 * 8);
  g_assert_cmpint (n_items, ==, 12);
  g_assert_false (_pyisolate_layout_is_c_order (2, shape, strides));

  _pyisolate_layout_c_strides (2, shape, c_strides);
  g_assert_cmpint (c_strides[0], ==, 4);
  g_assert_cmpint (c_strides[1], ==, 1);
  g_assert_true (_pyisolate_layout_is_c_order (2, shape, c_strides));
  g_assert_null (_pyisolate_layout_window (2, shape, NULL, 8, &low, &high, &n_items));
  g_assert_cmpint (low, ==, 0);
  g_assert_cmpint (high, ==, 96);
}

/* No numbers that pass let any element lie outside. */
static void
test_random (void)
{
  for (guint round = 0; round < 100000; round++)
    {
      guint n_dims = g_test_rand_int_range (0, 4);
      gint64 shape[3], strides[3];
      guint64 offset = 4 * (guint64) g_test_rand_int_range (0, 120);
      gint64 low = 0;
      gint64 high = 0;
      gboolean is_empty = FALSE;

      for (guint i = 0; i < n_dims; i++)
        {
          shape[i] = g_test_rand_int_range (0, 6);
          strides[i] = g_test_rand_int_range (-30, 31);
          is_empty = is_empty || shape[i] == 0;
          *(strides[i] < 0 ? &low : &high) += (shape[i] - 1) * strides[i];
        }
      if (_pyisolate_layout_check (n_dims, shape, strides, 4, offset, 400) == NULL)
        g_assert_true (is_empty ? offset <= 400
                                : (gint64) offset + 4 * low >= 0 && (gint64) offset + 4 * (high + 1) <= 400);
      else
        g_assert_true (is_empty ? offset > 400
                                : (gint64) offset + 4 * low < 0 || (gint64) offset + 4 * (high + 1) > 400);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  test_util_add_func ("/tensor-layout/dtypes", test_dtypes);
  for (guint i = 0; i < G_N_ELEMENTS (layouts); i++)
    {
      g_autofree char *path = g_strconcat ("/tensor-layout/check/", layouts[i].name, NULL);

      test_util_add_data_func (path, &layouts[i], test_layout);
    }
  test_util_add_func ("/tensor-layout/too-many-dimensions", test_too_many_dimensions);
  test_util_add_func ("/tensor-layout/window", test_window);
  test_util_add_func ("/tensor-layout/random", test_random);

  return g_test_run ();
}
