/* SPDX-License-Identifier: MIT */
/* Tensors in C: made, looked at, handed to other libraries and taken over, and made of what somebody sent. */
#include "config.h"

#include "pyisolate-dlpack-private.h"
#include "pyisolate-error.h"
#include "pyisolate-tensor-private.h"
#include "pyisolate-value.h"

#include "test-util.h"

#include <string.h>

static PyIsolateTensor *
new_shared (PyIsolateDtype dtype,
            const gint64  *shape,
            gsize          n_dims)
{
  g_autoptr (GError) error = NULL;
  PyIsolateTensor *tensor = pyisolate_tensor_new_for_shape (dtype, shape, n_dims, PYISOLATE_MEMORY_NONE, &error);

  g_assert_no_error (error);
  return tensor;
}

static void
test_for_shape (void)
{
  const gint64 shape[] = { 3, 4 };
  g_autoptr (PyIsolateTensor) tensor = new_shared (PYISOLATE_DTYPE_FLOAT64, shape, 2);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  gsize n_dims = 0;
  double *data;

  g_assert_cmpint (pyisolate_tensor_get_dtype (tensor), ==, PYISOLATE_DTYPE_FLOAT64);
  g_assert_cmpmem (pyisolate_tensor_get_shape (tensor, &n_dims), n_dims * 8, shape, sizeof shape);
  g_assert_cmpint (pyisolate_tensor_get_strides (tensor, &n_dims)[0], ==, 4);
  g_assert_cmpint (pyisolate_tensor_get_strides (tensor, &n_dims)[1], ==, 1);
  g_assert_cmpuint (pyisolate_tensor_get_byte_offset (tensor), ==, 0);
  g_assert_cmpstr (pyisolate_tensor_get_device (tensor), ==, "cpu");
  g_assert_true (pyisolate_tensor_is_contiguous (tensor));
  g_assert_false (pyisolate_tensor_is_read_only (tensor));
  g_assert_false (pyisolate_tensor_get_requires_grad (tensor));
  g_assert_nonnull (pyisolate_tensor_get_memory (tensor));

  /* The bytes are the memory itself. */
  bytes = pyisolate_tensor_get_bytes (tensor, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, 96);
  data = pyisolate_tensor_get_data (tensor, &error);
  g_assert_true (data == g_bytes_get_data (bytes, NULL));
  data[11] = 1.5;
  g_assert_cmpfloat (((const double *) g_bytes_get_data (bytes, NULL))[11], ==, 1.5);

  /* They keep it, too. */
  g_clear_object (&tensor);
  g_assert_cmpfloat (((const double *) g_bytes_get_data (bytes, NULL))[11], ==, 1.5);
}

static void
test_no_elements (void)
{
  const gint64 shape[] = { 3, 0 };
  g_autoptr (PyIsolateTensor) tensor = new_shared (PYISOLATE_DTYPE_INT8, shape, 2);
  g_autoptr (PyIsolateTensor) scalar = new_shared (PYISOLATE_DTYPE_COMPLEX128, NULL, 0);
  g_autoptr (GBytes) none = pyisolate_tensor_get_bytes (tensor, NULL);
  g_autoptr (GBytes) one = pyisolate_tensor_get_bytes (scalar, NULL);

  g_assert_cmpuint (g_bytes_get_size (none), ==, 0);
  g_assert_cmpuint (g_bytes_get_size (one), ==, 16);
}

static void
test_from_bytes (void)
{
  static const guint16 elements[] = { 1, 2, 3, 4, 5, 6 };
  const gint64 shape[] = { 2, 3 };
  const gint64 wrong[] = { 2, 4 };
  g_autoptr (GBytes) bytes = g_bytes_new_static (elements, sizeof elements);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateTensor) tensor = NULL;
  g_autoptr (GBytes) same = NULL;

  tensor = pyisolate_tensor_new_from_bytes (bytes, PYISOLATE_DTYPE_UINT16, shape, 2, &error);
  g_assert_no_error (error);
  g_assert_null (pyisolate_tensor_get_memory (tensor));
  same = pyisolate_tensor_get_bytes (tensor, &error);
  g_assert_true (g_bytes_get_data (same, NULL) == elements);

  g_assert_null (pyisolate_tensor_new_from_bytes (bytes, PYISOLATE_DTYPE_UINT16, wrong, 2, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
}

static void
test_bad_shape (void)
{
  const gint64 negative[] = { 2, -3 };
  const gint64 huge[] = { G_MAXINT64, 2 };
  g_autoptr (GError) error = NULL;

  g_assert_null (pyisolate_tensor_new_for_shape (PYISOLATE_DTYPE_INT8, negative, 2, 0, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  g_clear_error (&error);
  g_assert_null (pyisolate_tensor_new_for_shape (PYISOLATE_DTYPE_INT8, huge, 2, 0, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  g_clear_error (&error);
  g_assert_null (pyisolate_tensor_new_for_shape ((PyIsolateDtype) 99, huge, 1, 0, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
}

static void
test_view (void)
{
  const gint64 shape[] = { 10 };
  const gint64 half[] = { 5 };
  const gint64 backwards[] = { -2 };
  g_autoptr (PyIsolateTensor) tensor = new_shared (PYISOLATE_DTYPE_INT32, shape, 1);
  g_autoptr (PyIsolateTensor) view = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateMemory *memory = pyisolate_tensor_get_memory (tensor);
  gint32 *data = pyisolate_tensor_get_data (tensor, NULL);

  view = pyisolate_tensor_new (memory, PYISOLATE_DTYPE_INT32, half, 1, backwards, 1, 36, &error);
  g_assert_no_error (error);
  g_assert_true (pyisolate_tensor_get_data (view, NULL) == data + 9);
  g_assert_false (pyisolate_tensor_is_contiguous (view));
  g_assert_null (pyisolate_tensor_get_bytes (view, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  g_clear_error (&error);
  g_assert_null (pyisolate_tensor_new (memory, PYISOLATE_DTYPE_INT32, half, 1, backwards, 1, 28, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
}

static void
test_dlpack (void)
{
  const gint64 shape[] = { 2, 3 };
  g_autoptr (PyIsolateTensor) tensor = new_shared (PYISOLATE_DTYPE_BFLOAT16, shape, 2);
  g_autoptr (PyIsolateTensor) back = NULL;
  g_autoptr (GError) error = NULL;
  struct DLManagedTensorVersioned *managed = pyisolate_tensor_to_dlpack (tensor, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (managed->version.major, ==, 1);
  g_assert_cmpint (managed->tensor.n_dims, ==, 2);
  g_assert_cmpuint (managed->tensor.dtype.code, ==, 4);
  g_assert_cmpuint (managed->tensor.dtype.bits, ==, 16);
  g_assert_cmpint (managed->tensor.strides[0], ==, 3);
  g_assert_true (managed->tensor.data == pyisolate_tensor_get_data (tensor, NULL));

  /* What lies in shared memory is known again. */
  back = pyisolate_tensor_new_from_dlpack (managed, &error);
  g_assert_no_error (error);
  g_assert_true (pyisolate_tensor_get_memory (back) == pyisolate_tensor_get_memory (tensor));
  g_assert_cmpint (pyisolate_tensor_get_dtype (back), ==, PYISOLATE_DTYPE_BFLOAT16);
}

typedef struct {
  struct DLManagedTensorVersioned managed;
  gint64 shape[2];
  gint64 strides[2];
  float elements[6];
  guint n_deleted;
} Foreign;

static void
count_deletion (struct DLManagedTensorVersioned *managed)
{
  ((Foreign *) managed)->n_deleted++;
}

static void
foreign_init (Foreign *foreign)
{
  *foreign = (Foreign) {
    .managed = {
      .version = { 1, 7 },
      .deleter = count_deletion,
      .flags = PYISOLATE_DLPACK_READ_ONLY,
      .tensor = { .data = foreign->elements, .device = { PYISOLATE_DLPACK_CPU, 0 }, .n_dims = 2, .dtype = { 2, 32, 1 },
                  .shape = foreign->shape, .strides = foreign->strides },
    },
    .shape = { 3, 2 },
    .strides = { 1, 3 },
    .elements = { 0, 1, 2, 3, 4, 5 },
  };
}

static void
test_foreign_dlpack (void)
{
  Foreign foreign;
  g_autoptr (GError) error = NULL;
  PyIsolateTensor *tensor;
  const float *data;

  foreign_init (&foreign);
  tensor = pyisolate_tensor_new_from_dlpack (&foreign.managed, &error);
  g_assert_no_error (error);
  g_assert_true (pyisolate_tensor_is_read_only (tensor));
  g_assert_false (pyisolate_tensor_is_contiguous (tensor));
  data = pyisolate_tensor_get_data (tensor, NULL);
  g_assert_true (data == foreign.elements);
  g_assert_cmpuint (foreign.n_deleted, ==, 0);
  g_object_unref (tensor);
  g_assert_cmpuint (foreign.n_deleted, ==, 1);
}

static void
assert_refused (Foreign *foreign)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (pyisolate_tensor_new_from_dlpack (&foreign->managed, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  g_assert_cmpuint (foreign->n_deleted, ==, 1);
}

static void
test_bad_dlpack (void)
{
  Foreign foreign;

  foreign_init (&foreign);
  foreign.managed.version.major = 2;
  assert_refused (&foreign);
  foreign_init (&foreign);
  foreign.managed.tensor.device.type = 2;
  assert_refused (&foreign);
  foreign_init (&foreign);
  foreign.managed.tensor.dtype.lanes = 4;
  assert_refused (&foreign);
  foreign_init (&foreign);
  foreign.managed.tensor.n_dims = -1;
  assert_refused (&foreign);
  foreign_init (&foreign);
  foreign.strides[1] = G_MAXINT64;
  assert_refused (&foreign);
}

/* --- What somebody sent --- */

static GPtrArray *
new_memories (void)
{
  GPtrArray *memories = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);

  g_ptr_array_add (memories, pyisolate_memory_new (400, PYISOLATE_MEMORY_NONE, NULL));
  return memories;
}

static PyIsolateTensor *
parse (const char *text,
       GError    **error)
{
  g_autoptr (GPtrArray) memories = new_memories ();
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (text));

  return _pyisolate_tensor_new_from_variant (value, memories, error);
}

static void
test_variant (void)
{
  const char *text = "(@o '/pyisolate/tensor', <('torch', 'float32', 'cpu', @ax [10, 10], @ax [1, 10], @t 0, @u 3, <@u 0>)>)";
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateTensor) tensor = parse (text, &error);
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) expected = g_variant_ref_sink (g_variant_new_parsed (text));
  g_autoptr (PyIsolateTensor) inline_tensor = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_assert_no_error (error);
  g_assert_true (pyisolate_tensor_get_requires_grad (tensor));
  g_assert_true (pyisolate_tensor_is_read_only (tensor));
  value = g_variant_ref_sink (_pyisolate_tensor_to_variant (tensor, 0, g_variant_new_uint32 (0)));
  g_assert_cmpvariant (value, expected);
  g_assert_true (pyisolate_value_is_tensor (value));

  /* Inside of the body, and with variants around it. */
  inline_tensor = parse ("<<(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [2], @ax [1], @t 1, @u 0, <@ay [1, 2, 3]>)>)>>",
                         &error);
  g_assert_no_error (error);
  bytes = pyisolate_tensor_get_bytes (inline_tensor, &error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "\002\003", 2);
}

static const char *const bad[] = {
  "1", "'text'", "(@o '/pyisolate/set', <@av []>)", "(@o '/pyisolate/tensor', <1>)",
  "(@o '/pyisolate/tensor', <('numpy', 'float7', 'cpu', @ax [10], @ax [1], @t 0, @u 0, <@u 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cuda:0', @ax [10], @ax [1], @t 0, @u 0, <@u 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [10], @ax [1, 1], @t 0, @u 0, <@u 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [10], @ax [1], @t 0, @u 4, <@u 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [10], @ax [1], @t 0, @u 0, <@u 1>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [10], @ax [1], @t 0, @u 0, <'x'>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [10], @ax [1], @t 0, @u 0, <@h 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [401], @ax [1], @t 0, @u 0, <@u 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [10], @ax [-1], @t 8, @u 0, <@u 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [10], @ax [1], @t 18446744073709551615, @u 0, <@u 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [-10], @ax [1], @t 0, @u 0, <@u 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int64', 'cpu', @ax [9223372036854775807, 3], @ax [0, 0], @t 0, @u 0, <@u 0>)>)",
  "(@o '/pyisolate/tensor', <('numpy', 'int8', 'cpu', @ax [10], @ax [1], @t 0, @u 0, <@ay [1, 2]>)>)",
};

static void
test_bad_variants (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", bad[i]);
      g_assert_null (parse (bad[i], &error));
      g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
    }
}

/* As GVariant itself would write it. */
static GVariant *
new_expected (PyIsolateTensor *tensor,
              guint64          offset,
              GVariant        *data)
{
  GVariant *shape = g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, tensor->shape, tensor->n_dims, sizeof (gint64));
  GVariant *strides = g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, tensor->strides, tensor->n_dims, sizeof (gint64));

  return g_variant_new ("(ov)", "/pyisolate/tensor",
                        g_variant_new ("(sss@ax@axtuv)", "numpy", "uint8", "cpu", shape, strides, offset, tensor->flags, data));
}

static GVariant *
new_data (guint which)
{
  guint8 bytes[70000] = { 0 };

  switch (which % 3)
    {
    case 0:
      return g_variant_new_uint32 (which);

    case 1:
      return g_variant_new_handle (which);

    default: /* so long that the ends need one byte, two or four */
      for (guint i = 0; i < G_N_ELEMENTS (bytes); i++)
        bytes[i] = i % 251;
      return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, which % 2 == 0 ? which : which * which % 70000, 1);
    }
}

static void
test_wire (void)
{
  g_autoptr (GBytes) none = g_bytes_new_static ("", 0);

  for (guint i = 0; i < 400; i++)
    {
      guint n_dims = i % 7 == 6 ? PYISOLATE_MAX_DIMENSIONS : i % 7;
      gint64 numbers[PYISOLATE_MAX_DIMENSIONS] = { 0 };
      g_autoptr (PyIsolateTensor) tensor = NULL;
      g_autoptr (GVariant) data = g_variant_ref_sink (new_data (i));
      g_autoptr (GVariant) value = NULL;
      g_autoptr (GVariant) expected = NULL;
      PyIsolateTensorWire wire;

      for (guint j = 1; j < n_dims; j++)
        numbers[j] = (i + j) % 2;
      tensor = _pyisolate_tensor_new_checked (NULL, none, PYISOLATE_DTYPE_UINT8, n_dims > 0 ? n_dims : 1, numbers, numbers, 0,
                                              NULL);
      g_assert_nonnull (tensor);
      tensor->n_dims = n_dims;
      tensor->flags = i % 4;
      value = g_variant_ref_sink (_pyisolate_tensor_to_variant (tensor, i, data));
      expected = g_variant_ref_sink (new_expected (tensor, i, data));
      g_assert_cmpmem (g_variant_get_data (value), g_variant_get_size (value), g_variant_get_data (expected),
                       g_variant_get_size (expected));

      g_assert_null (_pyisolate_tensor_wire_read_value (expected, &wire));
      g_assert_cmpstr (wire.kind, ==, "numpy");
      g_assert_cmpint (wire.info->dtype, ==, PYISOLATE_DTYPE_UINT8);
      g_assert_cmpmem (wire.shape, wire.n_dims * 8, tensor->shape, n_dims * 8);
      g_assert_cmpmem (wire.strides, wire.n_dims * 8, tensor->strides, n_dims * 8);
      g_assert_cmpuint (wire.offset, ==, i);
      g_assert_cmpuint (wire.flags, ==, tensor->flags);
      g_assert_cmpint (wire.data_type, ==, "uhy"[i % 3]);
      if (wire.data_type == 'y')
        g_assert_cmpmem (wire.data, wire.size, g_variant_get_data (data), g_variant_get_size (data));
      else
        g_assert_cmpuint (wire.index, ==, i);
    }
}

/* Bytes that are some other ones, or end too early, are never looked at beyond their end. */
static void
test_mutations (void)
{
  const gint64 numbers[] = { 2, 3 };
  g_autoptr (GVariant) value = NULL;
  gsize size;
  guint n_read = 0;

  value = g_variant_ref_sink (_pyisolate_tensor_wire_new_value ("torch", _pyisolate_dtype_info (PYISOLATE_DTYPE_INT16), 2, numbers,
                                                                numbers, 8, 1, new_data (101)));
  size = g_variant_get_size (value);
  for (guint i = 0; i < 20000; i++)
    {
      gsize length = i % 2 == 0 ? size : (gsize) g_test_rand_int_range (0, size);
      guint8 *bytes = g_memdup2 (g_variant_get_data (value), length);
      g_autoptr (GVariant) other = NULL;
      PyIsolateTensorWire wire;

      for (gint n = g_test_rand_int_range (0, 3); n > 0 && length > 0; n--)
        {
          gint at = g_test_rand_int_range (0, MIN (200, length)); /* in its head or in its tail */

          bytes[g_test_rand_bit () ? at : (gint) length - 1 - at] = g_test_rand_int_range (0, 256);
        }
      other = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE ("(ov)"), bytes, length, FALSE, g_free, bytes));
      if (_pyisolate_tensor_wire_read_value (other, &wire) == NULL)
        {
          g_assert_cmpuint (wire.n_dims, <=, PYISOLATE_MAX_DIMENSIONS);
          g_assert_true (wire.data_type != 'y' || wire.data + wire.size <= (const guint8 *) g_variant_get_data (other) + length);
          n_read++;
        }
    }
  g_assert_cmpuint (n_read, >, 1000);
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);

  test_util_add_func ("/tensor/for-shape", test_for_shape);
  test_util_add_func ("/tensor/no-elements", test_no_elements);
  test_util_add_func ("/tensor/from-bytes", test_from_bytes);
  test_util_add_func ("/tensor/bad-shape", test_bad_shape);
  test_util_add_func ("/tensor/view", test_view);
  test_util_add_func ("/tensor/dlpack", test_dlpack);
  test_util_add_func ("/tensor/foreign-dlpack", test_foreign_dlpack);
  test_util_add_func ("/tensor/bad-dlpack", test_bad_dlpack);
  test_util_add_func ("/tensor/variant", test_variant);
  test_util_add_func ("/tensor/bad-variants", test_bad_variants);
  test_util_add_func ("/tensor/wire", test_wire);
  test_util_add_func ("/tensor/mutations", test_mutations);

  return g_test_run ();
}
