/* SPDX-License-Identifier: MIT */
/* Any bytes as a body from a worker: the host's check, what the host then does with the value, and
 * the decoder in Python, which must agree about what is a value.
 *
 * With libFuzzer this is a fuzz target; with VALUE_CORPUS defined, a test that goes through the
 * files of the folder that is its argument. */
#include "config.h"

#include "pyisolate-codec-private.h"
#include "pyisolate-fd-private.h"
#include "pyisolate-json-values.h"
#include "pyisolate-tensor-private.h"
#include "pyisolate-value-private.h"

#include <stdint.h>
#include <unistd.h>

int  LLVMFuzzerInitialize   (int           *argc,
                             char        ***argv);
int  LLVMFuzzerTestOneInput (const uint8_t *data,
                             size_t         size);
int  __lsan_is_turned_off   (void);

/* The interpreter keeps what it has for the life of the process. */
int
__lsan_is_turned_off (void)
{
  return 1;
}

#define ORDIE(condition) \
  do { if (!(condition)) { PyErr_Print (); g_error ("%s", #condition); } } while (0)

static const char setup[] =
  "import dataclasses, enum, datetime, decimal, pathlib, uuid, zoneinfo, struct\n"
  "class Color(enum.Enum):\n"
  "    RED = 1\n"
  "class Permission(enum.Flag):\n"
  "    READ = 1\n"
  "@dataclasses.dataclass\n"
  "class Point:\n"
  "    x: int\n"
  "    y: int = 0\n"
  "register_type(Color, 'test.Color')\n"
  "register_type(Permission, 'test.Permission')\n"
  "register_type(Point, 'test.Point')\n"
  "register_encoder(range, 'test.Vector', lambda r: r.stop, lambda n: range(n))\n";

int
LLVMFuzzerInitialize (int    *argc,
                      char ***argv)
{
  PyObject *module, *code, *names;

  Py_InitializeEx (0);
  module = PyImport_AddModule ("__main__");
  ORDIE (module != NULL && _pyisolate_codec_init (module));
  names = PyModule_GetDict (module);
  code = Py_CompileString (setup, "setup", Py_file_input);
  ORDIE (code != NULL && PyEval_EvalCode (code, names, names) != NULL);
  return 0;
}

/* What the host may do with a value once it has been checked. */
static void
use_in_host (GVariant *value)
{
  static const char *const types[] = { "s", "x", "t", "as", "a{sv}", "(ss)", "aai", "mv", "a{ui}" };
  g_autofree char *text = g_variant_print (value, TRUE);
  g_autoptr(GVariant) wire = _pyisolate_value_to_wire (value, NULL);
  g_autoptr(JsonNode) node = _pyisolate_value_to_json (value);
  g_autoptr(GVariant) back = _pyisolate_value_from_json (node, NULL);

  g_autoptr(GPtrArray) memories = g_ptr_array_new_with_free_func ((GDestroyNotify) pyisolate_memory_unref);
  g_autoptr(PyIsolateTensor) tensor = NULL;

  g_assert_nonnull (text);
  g_ptr_array_add (memories, pyisolate_memory_new (65536, PYISOLATE_MEMORY_NONE, NULL));
  tensor = _pyisolate_tensor_new_from_variant (value, memories, NULL);
  g_assert_true (tensor == NULL || pyisolate_value_is_tensor (value));
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autoptr(GVariant) result = NULL;

      result = _pyisolate_value_coerce (value, G_VARIANT_TYPE (types[i]), NULL);
      g_assert_true (result == NULL || g_variant_is_of_type (result, G_VARIANT_TYPE (types[i])));
    }
}

/* Decoded, encoded and decoded again. */
static gboolean
use_in_python (const guint8 *data,
               gsize         size)
{
  g_autoptr(GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr(PyIsolateMemory) memory = pyisolate_memory_new (65536, PYISOLATE_MEMORY_NONE, NULL);
  g_autoptr(GPtrArray) memories = NULL;
  PyIsolateParcel parcel = { .fds = fds, .memories = &memories };
  _pyisolate_autofd fd = pyisolate_memory_dup_fd (memory, NULL);
  const int numbers[] = { 0, fd };
  PyIsolateContents contents = { numbers, G_N_ELEMENTS (numbers), &memory, 1, TRUE };
  PyObject *value = _pyisolate_codec_decode_value (data, size, &contents);
  PyObject *again = NULL;
  g_autoptr(GBytes) bytes = NULL;

  if (value == NULL)
    {
      ORDIE (PyErr_ExceptionMatches (PyExc_ValueError) || PyErr_ExceptionMatches (PyExc_MemoryError)
             || PyErr_ExceptionMatches (PyExc_TypeError));
      PyErr_Clear ();
      return FALSE;
    }

  bytes = _pyisolate_codec_encode_value (value, "value", &parcel);
  if (bytes != NULL)
    {
      contents = (PyIsolateContents) { (const int *) (void *) fds->data, fds->len,
                                       memories != NULL
                                         ? (PyIsolateMemory *const *) memories->pdata : NULL,
                                       memories != NULL ? memories->len : 0, FALSE };
      again = _pyisolate_codec_decode_value (g_bytes_get_data (bytes, NULL),
                                             g_bytes_get_size (bytes), &contents);
      ORDIE (again != NULL);
      ORDIE (Py_TYPE (again) == Py_TYPE (value));
    }
  else
    {
      /* Its own form may nest deeper than the one it came in. */
      ORDIE (PyErr_ExceptionMatches (PyExc_ValueError));
    }
  PyErr_Clear ();
  for (guint i = 0; i < fds->len; i++)
    close (g_array_index (fds, int, i));
  Py_DECREF (value);
  Py_XDECREF (again);
  return TRUE;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr(GBytes) bytes = g_bytes_new (data, size);
  g_autoptr(GVariant) value = NULL;
  gboolean is_value = _pyisolate_value_check_bytes (bytes, G_VARIANT_TYPE_VARIANT, &value, NULL);

  if (is_value)
    {
      g_autoptr(GVariant) doubted = NULL;

      doubted = g_variant_new_from_bytes (G_VARIANT_TYPE_VARIANT, bytes, FALSE);
      g_variant_ref_sink (doubted);
      ORDIE (g_variant_is_normal_form (doubted));
      use_in_host (value);
    }
  /* A payload may be wrong in what is otherwise a value; not the other way round. */
  ORDIE (!use_in_python (data, size) || is_value);
  return 0;
}

#ifdef VALUE_CORPUS
int
main (int    argc,
      char **argv)
{
  g_autoptr(GDir) folder = NULL;
  g_autoptr(GError) error = NULL;
  const char *name;
  guint n_files = 0;

  g_assert_cmpint (argc, ==, 2);
  folder = g_dir_open (argv[1], 0, &error);
  g_assert_no_error (error);
  LLVMFuzzerInitialize (&argc, &argv);
  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (argv[1], name, NULL);
      g_autofree char *data = NULL;
      gsize size;

      g_assert_true (g_file_get_contents (path, &data, &size, &error));
      for (gsize length = 0; length <= size; length++)
        {
          g_autofree guint8 *part = g_memdup2 (data, length);

          LLVMFuzzerTestOneInput (part, length);
        }
      g_print ("ok %u %s\n", ++n_files, name);
    }
  g_assert_cmpuint (n_files, >, 0);
  g_print ("1..%u\n", n_files);
  return 0;
}
#endif
