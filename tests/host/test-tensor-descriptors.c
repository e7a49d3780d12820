/* SPDX-License-Identifier: MIT */
/* Tensors in memory that somebody else made: an `h` in the arguments and a list of descriptors, as
 * whoever speaks D-Bus has them. */
#include "config.h"

#include "host-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE 100000

#define GOOD_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

/* Of SIZE bytes, which count from 0 on. */
static int
new_memfd (int seals)
{
  int fd = memfd_create ("theirs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  g_autofree guint8 *data = g_malloc (SIZE);

  g_assert_cmpint (fd, >=, 0);
  for (gsize i = 0; i < SIZE; i++)
    data[i] = i;
  g_assert_cmpint (write (fd, data, SIZE), ==, SIZE);
  if (seals != 0)
    g_assert_cmpint (fcntl (fd, F_ADD_SEALS, seals), ==, 0);

  return fd;
}

static guint8
read_byte (int   fd,
           off_t at)
{
  guint8 byte;

  g_assert_cmpint (pread (fd, &byte, 1, at), ==, 1);
  return byte;
}

/* The form of docs/values.md, as a caller writes it. */
static GVariant *
new_tensor (const char *dtype,
            gint64      n,
            gint64      stride,
            guint64     offset,
            gint32      handle)
{
  GVariant *shape = g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, &n, 1, sizeof n);
  GVariant *strides = g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, &stride, 1, sizeof stride);

  return g_variant_new ("(ov)", "/pyisolate/tensor",
                        g_variant_new ("(sss@ax@axtuv)", "tensor", dtype, "cpu", shape, strides, offset, 0,
                                       g_variant_new_handle (handle)));
}

/* @tensor: consumed, the first argument. @list: what goes along; (nullable) */
static PyIsolateCall *
new_call (const char  *method,
          GVariant    *tensor,
          GVariant    *second,
          GUnixFDList *list)
{
  PyIsolateCall *call = pyisolate_call_new (method);
  GVariant *args[] = { tensor, second };
  int n_fds = 0;
  const int *fds = list != NULL ? g_unix_fd_list_peek_fds (list, &n_fds) : NULL;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < n_fds; i++)
    {
      g_assert_cmpint (pyisolate_call_append_fd (call, fds[i], &error), ==, i);
      g_assert_no_error (error);
    }
  pyisolate_call_set_args (call, g_variant_new_tuple (args, second != NULL ? 2 : 1));

  return call;
}

/* Consumes the descriptor. */
static GUnixFDList *
new_list (int fd)
{
  return g_unix_fd_list_new_from_array (&fd, 1);
}

static PyIsolateCallResult *
make (PyIsolateExtension *extension,
      PyIsolateCall      *call)
{
  g_autoptr (GError) error = NULL;
  PyIsolateCallResult *result = pyisolate_extension_start_call_sync (extension, call, NULL, &error);

  g_assert_no_error (error);
  return result;
}

static void
assert_call (PyIsolateExtension *extension,
             PyIsolateCall      *call,
             const char         *expected)
{
  g_autoptr (PyIsolateCallResult) result = make (extension, call);

  host_assert_value (pyisolate_call_result_get_value (result), expected);
}

/* Both look into the very memory: what one writes the other sees. */
static void
test_shared (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (GUnixFDList) list = new_list (new_memfd (GOOD_SEALS));
  int fd = g_unix_fd_list_peek_fds (list, NULL)[0];
  g_autoptr (PyIsolateCall) look = new_call ("first", new_tensor ("uint8", 10, 1, 7, 0), NULL, list);
  g_autoptr (PyIsolateCall) change = new_call ("write", new_tensor ("uint8", 10, 1, 7, 0),
                                               g_variant_new_int64 (99), list);
  g_autoptr (PyIsolateCall) shape = new_call ("describe", new_tensor ("int32", 3, -2, 400, 0), NULL, list);

  assert_call (extension, look, "int64 7");
  assert_call (extension, change, "objectpath '/pyisolate/None'");
  g_assert_cmpuint (read_byte (fd, 7), ==, 99);
  assert_call (extension, shape, "('i', [int64 3], [int64 -8], false)");
}

/* It comes back as that memory, not as a copy of it. */
static void
test_echo (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (GUnixFDList) list = new_list (new_memfd (GOOD_SEALS));
  int fd = g_unix_fd_list_peek_fds (list, NULL)[0];
  g_autoptr (PyIsolateCall) call = new_call ("echo", new_tensor ("uint8", SIZE - 3, 1, 3, 0), NULL, list);
  g_autoptr (PyIsolateCallResult) result = make (extension, call);
  g_autoptr (GError) error = NULL;
  g_autoptr (PyIsolateTensor) tensor = NULL;
  guint8 *data;

  tensor = pyisolate_call_result_dup_tensor (result, pyisolate_call_result_get_value (result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (pyisolate_memory_get_size (pyisolate_tensor_get_memory (tensor)), ==, SIZE);
  data = pyisolate_tensor_get_data (tensor, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (data[0], ==, 3);
  data[0] = 77;
  g_assert_cmpuint (read_byte (fd, 3), ==, 77);
}

/* At any depth, by name too, the same one twice, and beside descriptors that are files. */
static void
test_depth (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("first_of_all");
  int fds[] = { open ("/dev/null", O_RDONLY | O_CLOEXEC), new_memfd (GOOD_SEALS), new_memfd (GOOD_SEALS) };
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new_from_array (fds, G_N_ELEMENTS (fds));
  GVariantDict inner = G_VARIANT_DICT_INIT (NULL);
  GVariant *items[] = { new_tensor ("uint8", 5, 1, 1, 1), new_tensor ("uint8", 5, 1, 2, 2) };
  g_autoptr (GVariant) args = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    pyisolate_call_append_fd (call, fds[i], &error);
  g_assert_no_error (error);
  g_variant_dict_insert_value (&inner, "list", g_variant_new_array (NULL, items, G_N_ELEMENTS (items)));
  g_variant_dict_insert_value (&inner, "text", g_variant_new_string ("x"));
  g_variant_dict_insert_value (&inner, "maybe", g_variant_new_maybe (NULL, new_tensor ("uint8", 5, 1, 3, 1)));
  args = g_variant_ref_sink (g_variant_new ("(h@a{sv})", 0, g_variant_dict_end (&inner)));
  pyisolate_call_set_args (call, args);
  g_variant_dict_init (&inner, NULL);
  g_variant_dict_insert_value (&inner, "named", new_tensor ("uint8", 5, 1, 4, 2));
  pyisolate_call_set_kwargs (call, g_variant_dict_end (&inner));

  assert_call (extension, call, "[int64 1, 2, 3, 4]");
  g_assert_true (pyisolate_call_get_args (call) == args); /* what the caller gave stays */
}

/* Sealed against writing, it is read-only there. */
static void
test_read_only (void)
{
  const int seals[] = { F_SEAL_WRITE, F_SEAL_FUTURE_WRITE };

  for (guint i = 0; i < G_N_ELEMENTS (seals); i++)
    {
      g_autoptr (HostTest) test = host_test_new ();
      PyIsolateExtension *extension = host_test_load (test, "tensors");
      g_autoptr (GUnixFDList) list = new_list (new_memfd (GOOD_SEALS | seals[i]));
      int fd = g_unix_fd_list_peek_fds (list, NULL)[0];
      g_autoptr (PyIsolateCall) look = new_call ("describe", new_tensor ("uint8", 9, 1, 0, 0), NULL, list);
      g_autoptr (PyIsolateCall) change = new_call ("write_read_only", new_tensor ("uint8", 9, 1, 5, 0), NULL, list);

      assert_call (extension, look, "('B', [int64 9], [int64 1], true)");
      assert_call (extension, change, "int64 7");
      g_assert_cmpuint (read_byte (fd, 5), ==, 5);
    }
}

/* An error of that call alone, before anything is sent. */
static void
assert_refused (PyIsolateExtension *extension,
                GVariant           *tensor,
                int                 take_fd,
                const char         *pattern)
{
  g_autoptr (GUnixFDList) list = new_list (take_fd);
  g_autoptr (PyIsolateCall) call = new_call ("echo", tensor, NULL, list);
  g_autoptr (GError) error = NULL;

  g_assert_null (pyisolate_extension_start_call_sync (extension, call, NULL, &error));
  g_assert_error (error, PYISOLATE_ERROR, PYISOLATE_ERROR_BAD_TENSOR);
  host_assert_message (error, pattern);
}

static int
new_pipe_end (void)
{
  int fds[2];

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  close (fds[0]);
  return fds[1];
}

static int
new_empty (void)
{
  int fd = memfd_create ("theirs", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, GOOD_SEALS), ==, 0);
  return fd;
}

static gboolean
has_fds (gpointer data)
{
  return test_util_count_fds () <= GPOINTER_TO_UINT (data);
}

static void
test_refused (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  g_autofree char *file = host_extension_path ("tensors.py");
  guint n_fds;
  const struct {
    const char *dtype;
    gint64 n, stride;
    guint64 offset;
  } outside[] = {
    { "uint8", SIZE + 1, 1, 0 },
    { "uint8", 1, 1, SIZE },
    { "uint8", 2, 1, G_MAXUINT64 },
    { "uint8", 2, -1, 0 },
    { "uint8", 2, G_MAXINT64, 0 },
    { "uint8", 2, G_MININT64, 1 },
    { "float64", SIZE / 8 + 1, 1, 0 },
    { "float64", G_MAXINT64, 1, 0 },
    { "uint8", -1, 1, 0 },
    { "float64", 1, 1, 4 },
    { "int33", 1, 1, 0 },
  };

  host_assert_result (extension, "take", "(1,)", "int64 1"); /* which leaves a lane */
  n_fds = test_util_count_fds ();
  assert_refused (extension, new_tensor ("uint8", 1, 1, 0, 0), new_pipe_end (), "*is no memfd");
  assert_refused (extension, new_tensor ("uint8", 1, 1, 0, 0), open ("/dev/zero", O_RDWR | O_CLOEXEC), "*is no memfd");
  assert_refused (extension, new_tensor ("uint8", 1, 1, 0, 0), open (file, O_RDONLY | O_CLOEXEC), "*descriptor*");
  assert_refused (extension, new_tensor ("uint8", 1, 1, 0, 0), new_memfd (0), "*is not sealed");
  assert_refused (extension, new_tensor ("uint8", 1, 1, 0, 0), new_memfd (F_SEAL_GROW), "*is not sealed");
  assert_refused (extension, new_tensor ("uint8", 1, 1, 0, 0), new_empty (), "*is empty");
  assert_refused (extension, new_tensor ("uint8", 1, 1, 0, 1), new_memfd (GOOD_SEALS), "*descriptor 1 of 1 *");
  assert_refused (extension, new_tensor ("uint8", 1, 1, 0, -1), new_memfd (GOOD_SEALS), "*descriptor -1 of 1 *");
  for (guint i = 0; i < G_N_ELEMENTS (outside); i++)
    assert_refused (extension,
                    new_tensor (outside[i].dtype, outside[i].n, outside[i].stride, outside[i].offset, 0),
                    new_memfd (GOOD_SEALS), "This is no valid tensor: *");

  host_assert_result (extension, "take", "(1,)", "int64 1");
  test_util_assert_until (has_fds, GUINT_TO_POINTER (n_fds), HOST_TEST_TIMEOUT_MS);
}

static gboolean
has_no_theirs (gpointer data)
{
  return test_util_count_mappings (GPOINTER_TO_INT (data), "theirs") == 0;
}

/* Nobody keeps it: neither a descriptor nor a mapping, here or there. */
static void
test_many (void)
{
  g_autoptr (HostTest) test = host_test_new ();
  PyIsolateExtension *extension = host_test_load (test, "tensors");
  guint n_fds = 0;

  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (GUnixFDList) list = new_list (new_memfd (GOOD_SEALS));
      g_autoptr (PyIsolateCall) call = new_call (i % 2 == 0 ? "first" : "echo", new_tensor ("uint8", 9, 1, 5, 0), NULL, list);
      g_autoptr (PyIsolateCallResult) result = make (extension, call);

      if (i == 0)
        n_fds = test_util_count_fds ();
    }

  host_assert_result (extension, "collect", NULL, "objectpath '/pyisolate/None'");
  test_util_assert_until (has_no_theirs, GINT_TO_POINTER (getpid ()), HOST_TEST_TIMEOUT_MS);
  test_util_assert_until (has_no_theirs, GINT_TO_POINTER (pyisolate_extension_get_pid (extension)), HOST_TEST_TIMEOUT_MS);
  test_util_assert_until (has_fds, GUINT_TO_POINTER (n_fds), HOST_TEST_TIMEOUT_MS);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_func ("/pyisolate/tensor-descriptors/shared", test_shared);
  test_util_add_func ("/pyisolate/tensor-descriptors/echo", test_echo);
  test_util_add_func ("/pyisolate/tensor-descriptors/depth", test_depth);
  test_util_add_func ("/pyisolate/tensor-descriptors/read-only", test_read_only);
  test_util_add_func ("/pyisolate/tensor-descriptors/refused", test_refused);
  test_util_add_func ("/pyisolate/tensor-descriptors/many", test_many);

  return host_test_run ();
}
